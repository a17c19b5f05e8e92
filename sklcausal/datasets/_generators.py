"""Simulated data with every truth known."""

# SPDX-License-Identifier: BSD-3-Clause

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

# Standard deviation of the logits of every arm
_OVERLAP = {"strong": 0.5, "moderate": 1.0, "weak": 2.0}

# Per outcome: factors of the level and of the varying part of the effect on the link scale
_SCALES = {"continuous": (1.0, 1.0), "binary": (0.5, 0.7), "count": (0.5, 0.4)}

# The first five columns carry the signal
_N_SIGNAL = 5

# Var sin(2Z) = (1 - exp(-8)) / 2 for a standard normal Z
_VAR_SINE = (1.0 - np.exp(-8.0)) / 2.0
_SD_LOGIT = np.sqrt(1.0 + 0.25 + 0.25 * _VAR_SINE + 0.25)

_DESCR_CONFOUNDED = """\
Simulated data, confounded and nonlinear
========================================

Independent standard normal covariates. Treatment, level and effects depend on the same
columns, nonlinearly; see the documentation of make_confounded for the formulas.
"""

_DESCR_TUTORIAL = """\
Simulated data, tutorial design for structural deep learning
============================================================

y = alpha(x) + beta(x) T + N(0, 1) with five standard normal covariates,
alpha = .2 x0 - (4/3) x1 - .5 x2 and beta = 2 - x1 + .25 x0**3.

Reference: M. H. Farrell, T. Liang and S. Misra, Deep learning for individual
heterogeneity, arXiv:2010.14694.
"""


def _logits(X: np.ndarray, n_arms: int, scale: float) -> np.ndarray:
    """Return the treatment logits, of shape (n_samples, n_arms), zero for arm 0."""
    logits = np.zeros((len(X), n_arms))
    for arm in range(1, n_arms):
        # each arm has its own curve and product; the sign of the common part alternates
        sign = 1.0 if arm % 2 else -1.0
        curve, product = X[:, 2 + (arm - 1) % 3], X[:, 2 + arm % 3]
        shape = sign * (X[:, 0] + 0.5 * X[:, 1])
        shape = shape + 0.5 * np.sin(2.0 * curve) - 0.5 * X[:, 0] * product
        logits[:, arm] = scale * shape / _SD_LOGIT
    return logits


def _level(X: np.ndarray) -> np.ndarray:
    """Return the prognostic score: mean 0, shares x0 and x1 with the treatment logits."""
    return 2.0 * np.tanh(X[:, 0]) + X[:, 1] + 0.5 * (X[:, 2] ** 2 - 1.0)


def _modifier(X: np.ndarray, arm: int) -> np.ndarray:
    """Return the varying part of the effect of an arm: mean 0, standard deviation .99."""
    first, second, third = (X[:, (arm - 1 + shift) % _N_SIGNAL] for shift in range(3))
    return 0.7 * first + 0.7 * np.sin(2.0 * second) + 0.35 * (third**2 - 1.0)


def _bounded(score: np.ndarray) -> np.ndarray:
    return 2.0 * np.tanh(score / 2.0)


def draw_arms(propensity: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    above = rng.uniform(size=(len(propensity), 1)) > np.cumsum(propensity[:, :-1], axis=1)
    return above.sum(axis=1).astype(np.int64)


def _bunch(
    X: np.ndarray,
    T: np.ndarray,
    y: np.ndarray,
    mu: np.ndarray,
    propensity: np.ndarray,
    **extra: Any,
) -> Bunch:
    contrast = mu[:, 1:] - mu[:, :1]
    taken = T[:, None] == np.arange(1, mu.shape[1])
    with np.errstate(invalid="ignore"):  # an arm may be empty in a small sample
        att = (contrast * taken).sum(axis=0) / taken.sum(axis=0)
    return Bunch(
        X=X,
        T=T,
        y=y,
        mu=mu,
        effect=contrast[:, 0] if mu.shape[1] == 2 else contrast,
        propensity=propensity,
        ate=contrast.mean(axis=0),
        att=att,
        feature_names=[f"x{column}" for column in range(X.shape[1])],
        **extra,
    )


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, _N_SIGNAL, None, closed="left")],
        "n_arms": [Interval(Integral, 2, None, closed="left")],
        "outcome": [StrOptions(set(_SCALES))],
        "effect": [StrOptions({"nonlinear", "constant"})],
        "overlap": [StrOptions(set(_OVERLAP)), Interval(Real, 0, None, closed="neither")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_confounded(
    n_samples: int = 2000,
    *,
    n_features: int = 5,
    n_arms: int = 2,
    outcome: str = "continuous",
    effect: str = "nonlinear",
    overlap: str | float = "moderate",
    noise: float = 1.0,
    random_state: Any = None,
) -> Bunch:
    """Generate an observational study with nonlinear confounding and every truth.

    The difference in means is badly biased: people with a high level take odd arms more
    often and even arms less often. Adjusting for the columns of X removes the bias.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of rows.
    n_features : int, default=5
        Number of columns, at least 5. Columns after the fifth are pure noise.
    n_arms : int, default=2
        Number of arms, the control included.
    outcome : {'continuous', 'binary', 'count'}, default='continuous'
        Normal with the identity link, Bernoulli with the logit link, or Poisson with the
        log link.
    effect : {'nonlinear', 'constant'}, default='nonlinear'
        Whether the effect on the link scale varies with x; ``'constant'`` makes it equal
        to a for arm a.
    overlap : {'strong', 'moderate', 'weak'} or float, default='moderate'
        Standard deviation of the treatment logits of each arm: .5, 1 or 2, or a positive
        number. The larger it is, the more propensities are near 0 and 1.
    noise : float, default=1.0
        Standard deviation of a continuous outcome around its mean, outcome units. Other
        outcomes ignore it.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. An int makes it reproducible.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (n_samples, n_features)
            Covariates, independent standard normal.
        T : ndarray of shape (n_samples,)
            Arm, 0 (control) to ``n_arms - 1``.
        y : ndarray of shape (n_samples,)
            Outcome.
        mu : ndarray of shape (n_samples, n_arms)
            Mean outcome of every arm, outcome units or probability.
        effect : ndarray of shape (n_samples,) or (n_samples, n_arms - 1)
            Difference of ``mu`` to arm 0; one-dimensional for two arms.
        propensity : ndarray of shape (n_samples, n_arms)
            Probability of every arm.
        ate : ndarray of shape (n_arms - 1,)
            Mean of the effects over the rows.
        att : ndarray of shape (n_arms - 1,)
            Mean of the effect of each arm over the rows that took it; NaN if none did.
        index : ndarray of shape (n_samples, n_arms)
            The means on the link scale.
        level : ndarray of shape (n_samples,)
            First column of ``index``.
        feature_names : list of str
            Names of the columns of X.
        DESCR : str
            Description.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside the allowed values. It is a ValueError.

    See Also
    --------
    make_tutorial : A design with linear level, randomised or not.

    Notes
    -----
    Arm a > 0 has the treatment logit s g_a(x), arm 0 has logit 0, and the propensities
    are their softmax. s is the value of `overlap`, and g_a has mean 0 and standard
    deviation 1. With v the standard deviation of the numerator,

        g_1(x) = (x0 + .5 x1 + .5 sin(2 x2) - .5 x0 x3) / v.

    Further arms take the sine and the product from other columns, and the sign of
    x0 + .5 x1 alternates. With the level

        L(x) = 2 tanh(x0) + x1 + .5 (x2**2 - 1),

    the link of the mean of arm 0 is c + k L(x), and that of arm a adds a + r h_a(x),
    where

        h_1(x) = .7 x0 + .7 sin(2 x1) + .35 (x2**2 - 1)

    has mean 0 and standard deviation .99; h_a shifts the columns by a - 1 within the
    first five. (k, r) is (1, 1) for continuous, (.5, .7) for binary and (.5, .4) for
    count outcomes; r is 0 for a constant effect. c is 0 for continuous outcomes,
    -(n_arms - 1) / 2 for binary ones and 1 - n_arms / 2 for counts. For counts, L and
    h_a are replaced by 2 tanh(L / 2) and 2 tanh(h_a / 2), so that means are bounded.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> data = make_confounded(n_samples=500, n_arms=3, random_state=0)
    >>> data.X.shape, data.mu.shape, data.effect.shape
    ((500, 5), (500, 3), (500, 2))
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    scale = _OVERLAP[overlap] if isinstance(overlap, str) else float(overlap)
    propensity = softmax(_logits(X, n_arms, scale), axis=1)
    T = draw_arms(propensity, rng)

    # bounded under the log link, where a square would give means without a variance
    squash = _bounded if outcome == "count" else np.asarray
    level_scale, effect_scale = _SCALES[outcome]
    shift = {"continuous": 0.0, "binary": (1 - n_arms) / 2, "count": 1 - n_arms / 2}[outcome]
    index = np.repeat((shift + level_scale * squash(_level(X)))[:, None], n_arms, axis=1)
    for arm in range(1, n_arms):
        index[:, arm] += arm
        if effect == "nonlinear":
            index[:, arm] += effect_scale * squash(_modifier(X, arm))

    rows = np.arange(n_samples)
    if outcome == "continuous":
        mu = index.copy()
        y = mu[rows, T] + noise * rng.standard_normal(n_samples)
    elif outcome == "binary":
        mu = expit(index)
        y = (rng.uniform(size=n_samples) < mu[rows, T]).astype(np.int64)
    else:
        mu = np.exp(index)
        y = rng.poisson(mu[rows, T]).astype(np.int64)
    return _bunch(
        X, T, y, mu, propensity, index=index, level=index[:, 0].copy(), DESCR=_DESCR_CONFOUNDED
    )


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "randomised": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_tutorial(
    n_samples: int = 10000, *, randomised: bool = True, random_state: Any = None
) -> Bunch:
    """Generate the tutorial design of structural deep learning.

    An outcome with a linear level, an effect that is cubic in one column, five standard
    normal covariates and a binary treatment.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of rows.
    randomised : bool, default=True
        If True, every row is treated with probability .5; if False, with probability
        1 / (1 + exp(1 + .5 x2)).
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. An int makes it reproducible.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (n_samples, 5)
            Covariates, independent standard normal.
        T : ndarray of shape (n_samples,)
            Treatment, 0 or 1.
        y : ndarray of shape (n_samples,)
            Outcome, with noise of standard deviation 1.
        theta : ndarray of shape (n_samples, 2)
            The parameters alpha(x) and beta(x).
        mu : ndarray of shape (n_samples, 2)
            Mean outcomes of the arms, alpha and alpha + beta.
        effect : ndarray of shape (n_samples,)
            beta(x).
        propensity : ndarray of shape (n_samples, 2)
            Probability of each arm.
        ate : ndarray of shape (1,)
            Mean of the effects over the rows; 2 in the population.
        att : ndarray of shape (1,)
            Mean of the effects over the treated rows; NaN if there are none.
        feature_names : list of str
            Names of the columns of X.
        DESCR : str
            Description and reference.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside the allowed values. It is a ValueError.

    See Also
    --------
    make_confounded : A design with nonlinear confounding and any number of arms.

    Notes
    -----
    With alpha(x) = .2 x0 - (4/3) x1 - .5 x2 and beta(x) = 2 - x1 + .25 x0**3, the
    outcome is alpha(x) + beta(x) T plus standard normal noise. The last two columns are
    pure noise.

    References
    ----------
    .. [1] M. H. Farrell, T. Liang and S. Misra, "Deep learning for individual
       heterogeneity", arXiv:2010.14694.

    Examples
    --------
    >>> from sklcausal.datasets import make_tutorial
    >>> data = make_tutorial(n_samples=200, random_state=4)
    >>> data.X.shape, data.theta.shape, data.effect.shape
    ((200, 5), (200, 2), (200,))
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 5))
    alpha = 0.2 * X[:, 0] - 4.0 / 3.0 * X[:, 1] - 0.5 * X[:, 2]
    beta = 2.0 - X[:, 1] + 0.25 * X[:, 0] ** 3
    treated = np.full(n_samples, 0.5) if randomised else expit(-1.0 - 0.5 * X[:, 2])
    propensity = np.column_stack([1.0 - treated, treated])
    T = draw_arms(propensity, rng)
    theta = np.column_stack([alpha, beta])
    mu = np.column_stack([alpha, alpha + beta])
    y = alpha + beta * T + rng.standard_normal(n_samples)
    return _bunch(X, T, y, mu, propensity, theta=theta, DESCR=_DESCR_TUTORIAL)
