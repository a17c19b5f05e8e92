"""Simulated data of structural models whose parameters are known."""

# SPDX-License-Identifier: BSD-3-Clause

from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

N_TREATED_COLUMNS = 20  # that the propensity depends on


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 2, None, closed="left")],
        "nonlinear": ["boolean"],
        "randomised": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_flm(
    n_samples: int = 10_000,
    n_features: int = 20,
    *,
    nonlinear: bool = False,
    randomised: bool = True,
    random_state: Any = None,
) -> Bunch:
    """Generate the Monte Carlo designs of the paper on deep networks for effects.

    Level and effect are linear in uniform covariates, or quadratic with all products. The
    coefficients are drawn once and are the same in every data set of a size.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of rows.
    n_features : int, default=20
        Number of covariates.
    nonlinear : bool, default=False
        Whether all products of two covariates enter.
    randomised : bool, default=True
        Whether everybody is treated with probability .5, not with one that depends on the first
        20 covariates.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. An int makes it reproducible.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (n_samples, n_features)
            Covariates, independent and uniform on (0, 1).
        T : ndarray of int of shape (n_samples,)
            Treatment, 0 or 1.
        y : ndarray of shape (n_samples,)
            Outcome, with noise of standard deviation 1.
        mu : ndarray of shape (n_samples, 2)
            Mean outcomes of the arms.
        effect : ndarray of shape (n_samples,)
            Effect of every row.
        propensity : ndarray of shape (n_samples, 2)
            Probability of each arm.
        population_ate : float
            Average effect in the population.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside the allowed values. It is a ValueError.

    Notes
    -----
    The second arguments of the published normal laws are read as standard deviations.

    References
    ----------
    .. [1] Farrell, Liang, Misra, "Deep neural networks for estimation and inference",
       Econometrica 2021, arXiv 1809.09953, section 6.

    Examples
    --------
    >>> from sklcausal.datasets import make_flm
    >>> make_flm(100, random_state=0).X.shape
    (100, 20)
    """
    fixed, rng = np.random.RandomState(20), check_random_state(random_state)
    d = n_features
    rows, columns = np.triu_indices(d)
    level = np.r_[0.09, fixed.normal(0.3, 0.7, size=d)]
    change = np.r_[-0.05, fixed.uniform(0.1, 0.22, size=d)]
    lean = np.r_[0.09, fixed.uniform(-0.55, 0.55, size=min(d, N_TREATED_COLUMNS))]
    level_2 = fixed.normal(0.01, 0.3, size=len(rows)) * nonlinear
    change_2 = fixed.uniform(-0.05, 0.06, size=len(rows)) * nonlinear
    X = rng.uniform(size=(n_samples, d))
    products = X[:, rows] * X[:, columns]
    effect = change[0] + X @ change[1:] + products @ change_2
    base = level[0] + X @ level[1:] + products @ level_2
    chance = np.full(n_samples, 0.5)
    if not randomised:
        chance = expit(lean[0] + X[:, : len(lean) - 1] @ lean[1:])
    T = (rng.uniform(size=n_samples) < chance).astype(int)
    y = base + effect * T + rng.normal(size=n_samples)
    moments = np.where(rows == columns, 1 / 3, 1 / 4)
    ate = change[0] + change[1:].sum() / 2 + moments @ change_2
    return Bunch(
        X=X,
        T=T,
        y=y,
        mu=np.column_stack([base, base + effect]),
        effect=effect,
        propensity=np.column_stack([1 - chance, chance]),
        population_ate=float(ate),
    )


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "outcome": [StrOptions({"continuous", "binary", "count"})],
        "randomised": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_pricing(
    n_samples: int = 8000,
    *,
    outcome: str = "binary",
    randomised: bool = False,
    random_state: Any = None,
) -> Bunch:
    """Generate prices and what people buy at them.

    An index ``a(x) + b(x) price`` gives the mean outcome through the canonical link of its kind:
    spending, whether somebody buys, or how many pieces.

    Parameters
    ----------
    n_samples : int, default=8000
        Number of rows.
    outcome : {'continuous', 'binary', 'count'}, default='binary'
        Kind of the outcome.
    randomised : bool, default=False
        Whether prices do not depend on x.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. An int makes it reproducible.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (n_samples, 5)
            Covariates, independent standard normal; the last is pure noise.
        T : ndarray of shape (n_samples,)
            Price, normal around 5 with standard deviation 1 given x.
        y : ndarray of shape (n_samples,)
            Outcome.
        theta : ndarray of shape (n_samples, 2)
            The parameters a(x) and b(x).
        mu : ndarray of shape (n_samples,)
            Mean outcome of every row at its price.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside the allowed values. It is a ValueError.

    Notes
    -----
    With ``b = -.5 - .2 tanh(x0) + .1 x1`` and ``a = 2.5 + .5 x0 - .4 x2 + .3 sin(2 x1)``, times .4
    and less .2 for counts. The mean price is 5, plus ``.5 x0 - .5 tanh(x2)`` unless randomised.

    Examples
    --------
    >>> from sklcausal.datasets import make_pricing
    >>> data = make_pricing(100, random_state=0)
    >>> data.X.shape, data.theta.shape
    ((100, 5), (100, 2))
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 5))
    slope = -0.5 - 0.2 * np.tanh(X[:, 0]) + 0.1 * X[:, 1]
    level = 2.5 + 0.5 * X[:, 0] - 0.4 * X[:, 2] + 0.3 * np.sin(2 * X[:, 1])
    if outcome == "count":
        slope, level = 0.4 * slope, 0.4 * level + 0.8
    centre = 0.5 * X[:, 0] - 0.5 * np.tanh(X[:, 2])
    price = 5 + centre * (not randomised) + rng.standard_normal(n_samples)
    index = level + slope * price
    if outcome == "binary":
        mu = expit(index)
        y = rng.binomial(1, mu).astype(float)
    elif outcome == "count":
        mu = np.exp(index)
        y = rng.poisson(mu).astype(float)
    else:
        mu = index
        y = index + rng.standard_normal(n_samples)
    return Bunch(X=X, T=price, y=y, theta=np.column_stack([level, slope]), mu=mu)
