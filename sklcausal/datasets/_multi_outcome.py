"""Several treatments and several outcomes, simulated with every truth known."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklcausal.datasets._generators import draw_arms

_HIDDEN = 64  # units of the map from independent normals to covariates
_EFFECT_HIDDEN = 32  # units of the nonlinear part of the effects
_N_LINEAR = 5  # the first columns enter the effects linearly too
_CORRELATION = 0.1  # rho, between outcomes
_TEMPERATURE = 0.5  # tau, of the published assignment
_CONFOUNDING = 3.0  # c, of scenario B

_DESCR = """\
Simulated data, several treatments and several outcomes
=======================================================

Correlated covariates, a large common level, effects of a few hundredths of its size that are
partly linear in five columns and partly a small network of all. Scenario A is randomised, B
observational; see the documentation of make_multi_treatment_outcome for the formulas.
"""


def _uniform(rng: np.random.RandomState, fan_in: int, *shape: int) -> np.ndarray:
    bound = 1 / np.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape)


class _Curves:
    """Small networks phi_m(x, t) of the covariates and the arm."""

    def __init__(self, n_features: int, n_arms: int, n_outcomes: int, rng: np.random.RandomState):
        n_in = n_features + n_arms
        shapes = {
            "W1": (n_in, n_in, _EFFECT_HIDDEN),
            "b1": (n_in, _EFFECT_HIDDEN),
            "W2": (_EFFECT_HIDDEN, _EFFECT_HIDDEN),
            "b2": (_EFFECT_HIDDEN,),
        }
        share = np.sqrt(_CORRELATION)
        self.nets: list[dict[str, np.ndarray]] = []
        for m in range(n_outcomes):
            own = {name: _uniform(rng, *shape) for name, shape in shapes.items()}
            if m:
                first = self.nets[0]
                own = {k: share * first[k] + (1 - share) * value for k, value in own.items()}
                for name in ("W1", "W2"):
                    own[name] = own[name] * (1 + 0.2 * rng.normal(size=own[name].shape))
            self.nets.append(own)
        self.n_features = n_features

    def __call__(self, X: np.ndarray, arm: int) -> np.ndarray:
        """Compute the curves of one arm, shape (n_samples, n_outcomes)."""
        found = []
        for net in self.nets:
            W1 = net["W1"]
            hidden = X @ W1[: self.n_features] + W1[self.n_features + arm] + net["b1"]
            found.append(10 * np.tanh(np.maximum(hidden, 0.0) @ net["W2"] + net["b2"]))
        return np.stack(found, axis=1)


def _directions(n_outcomes: int, rng: np.random.RandomState) -> np.ndarray:
    """Draw directions of length 2, shape (n_outcomes, 5), all but the first at one angle to it."""
    first = rng.normal(size=_N_LINEAR)
    first /= np.linalg.norm(first)
    found = [2 * first]
    for _ in range(n_outcomes - 1):
        other = rng.normal(size=_N_LINEAR)
        other -= (other @ first) * first
        other /= np.linalg.norm(other)
        found.append(2 * (np.sqrt(_CORRELATION) * first + np.sqrt(1 - _CORRELATION) * other))
    return np.stack(found)


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, _N_LINEAR, None, closed="left")],
        "n_arms": [Interval(Integral, 2, None, closed="left")],
        "n_outcomes": [Interval(Integral, 1, None, closed="left")],
        "scenario": [StrOptions({"A", "B"})],
        "overlap": [StrOptions({"published"}), Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_multi_treatment_outcome(
    n_samples: int = 10_000,
    *,
    n_features: int = 10,
    n_arms: int = 3,
    n_outcomes: int = 2,
    scenario: str = "B",
    overlap: float | str = 0.1,
    random_state: Any = None,
) -> Bunch:
    """Generate a study of several treatments and several outcomes with every truth.

    Effects are a few hundredths of the spread of the outcomes, which are all but free of noise:
    the difficulty is to take the large level, common to all arms, away.

    Parameters
    ----------
    n_samples : int, default=10_000
        Number of rows.
    n_features : int, default=10
        Number of columns, at least 5.
    n_arms : int, default=3
        Number of arms, the control included.
    n_outcomes : int, default=2
        Number of outcomes.
    scenario : {'A', 'B'}, default='B'
        'A' is randomised, every arm with the same probability; 'B' is observational.
    overlap : float or 'published', default=0.1
        Factor of the covariates in the logits of the arms in scenario B; the larger it is, the
        more propensities are near 0 and 1. With 0.1 about 1 % of the rows have an arm with a
        probability below .01. 'published' is the assignment of the original design, which
        violates positivity: 98 % of the rows have an arm with a probability below .01, so that
        no method can know all their effects from data.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. With the same int, the rows of all sample sizes are of one population.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (n_samples, n_features)
            Covariates.
        T : ndarray of shape (n_samples,)
            Arm, 0 (control) to ``n_arms - 1``.
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        mu : ndarray of shape (n_samples, n_arms, n_outcomes)
            Mean outcomes of every arm, outcome units.
        effect : ndarray of shape (n_samples, n_arms - 1, n_outcomes)
            Difference of ``mu`` to arm 0.
        propensity : ndarray of shape (n_samples, n_arms)
            Probability of every arm. Look at the smallest before a method is blamed.
        ate : ndarray of shape (n_arms - 1, n_outcomes)
            Mean of the effects over the rows.
        feature_names : list of str
            Names of the columns of X.
        target_name : list of str
            Names of the outcomes.
        DESCR : str
            Description.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside the allowed values. It is a ValueError.

    See Also
    --------
    make_confounded : One outcome, larger effects.

    Notes
    -----
    With U(k) uniform within ±1/√k, covariates are x = 5 (W₂ tanh(W₁ x_b + b₁) + b₂) of
    x_b ~ N(0, 9 I), with 64 hidden units and entries from U(number of inputs). Arm k > 0 has the
    logit (x_b'β_k - 1.5 k) / .5 as published, or overlap · x_b'β_k - .3 k, and arm 0 the same with
    k = 0; β_k ~ N(0, I). A random term of the published logits that is common to all arms of a
    row drops out and is left out.

    Outcome m is y_m = B_m(x) + E_m(x, t) + ε, where ε ~ N(0, 1) is the same for all outcomes,
    s_m = x₁..₅'w_m for directions w_m of length 2 whose cosine is √.1 with the first,
    B_m = γ₀ + x'γ + α₀ s_m with γ₀ ~ N(0, .1²), γ ~ N(5, 1), α₀ ~ N(0, .5²), and
    E_m(x, t) = δ_t + α_t s_m + φ_m(x, t) with δ_t ~ N(5, .5²), α_t ~ N(10, .5²). φ_m is 10 tanh of
    a network of x and the arm with 32 rectified units and entries from U(number of inputs); those
    of further outcomes are mixed with the first, √.1 of it, and their weights multiplied with
    1 + .2 N(0, 1). Further outcomes than two follow the pattern of the second.

    References
    ----------
    .. [1] Liu et al., "MOTTO: a mixture-of-experts framework for multi-treatment, multi-outcome
       treatment effect estimation", KDD 2025, synthetic experiment.

    Examples
    --------
    >>> from sklcausal.datasets import make_multi_treatment_outcome
    >>> data = make_multi_treatment_outcome(100, random_state=0)
    >>> data.y.shape, data.effect.shape
    ((100, 2), (100, 2, 2))
    """
    rng = check_random_state(random_state)
    d, m = n_features, n_outcomes
    W1, b1 = _uniform(rng, d, d, _HIDDEN), _uniform(rng, d, _HIDDEN)
    W2, b2 = _uniform(rng, _HIDDEN, _HIDDEN, d), _uniform(rng, _HIDDEN, d)
    beta = rng.normal(size=(n_arms, d))
    w, curves = _directions(m, rng), _Curves(d, n_arms, m, rng)
    gamma0, gamma = 0.1 * rng.normal(size=m), 5 + rng.normal(size=(m, d))
    delta, alpha0 = 5 + 0.5 * rng.normal(size=(n_arms, m)), 0.5 * rng.normal(size=m)
    alpha = 10 + 0.5 * rng.normal(size=(n_arms, m))

    # rows last, so that a population has samples of every size
    base = 3 * rng.normal(size=(n_samples, d))
    X = 5 * (np.tanh(base @ W1 + b1) @ W2 + b2)
    propensity = np.full((n_samples, n_arms), 1 / n_arms)
    if scenario == "B":
        propensity = softmax(_logits(base @ beta.T, overlap), axis=1)
    T = draw_arms(propensity, rng)
    score = X[:, :_N_LINEAR] @ w.T
    level = gamma0 + X @ gamma.T + alpha0 * score
    mu = np.stack(
        [level + delta[k] + alpha[k] * score + curves(X, k) for k in range(n_arms)], axis=1
    )
    y = mu[np.arange(n_samples), T] + rng.normal(size=(n_samples, 1))
    effect = mu[:, 1:] - mu[:, :1]
    return Bunch(
        X=X,
        T=T,
        y=y,
        mu=mu,
        effect=effect,
        propensity=propensity,
        ate=effect.mean(axis=0),
        feature_names=[f"x{column}" for column in range(d)],
        target_name=[f"y{outcome}" for outcome in range(m)],
        DESCR=_DESCR,
    )


def _logits(scores: np.ndarray, overlap: float | str) -> np.ndarray:
    """Return the logits of the arms in scenario B, shape (n_samples, n_arms)."""
    k = np.arange(scores.shape[1])
    if overlap == "published":
        return (scores - k * _CONFOUNDING * _TEMPERATURE) / _TEMPERATURE
    return float(overlap) * scores - 0.1 * k * _CONFOUNDING
