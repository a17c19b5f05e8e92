"""Metrics of intervals for effects whose truth is known."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._arrays import average, read_columns
from sklcausal.utils._blurbs import fill_docs


def _check_order(low: np.ndarray, high: np.ndarray) -> None:
    n_bad = int((low > high).sum())
    if n_bad:
        raise ValueError(f"`low` must be at most `high`, got {n_bad} interval(s) the other way")


@fill_docs
def interval_coverage(
    effect_true: Any,
    low: Any,
    high: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the share of intervals that hold the truth, ends included.

    Parameters
    ----------
    effect_true, low, high : array-like of shape (n_samples,), (n_samples, n_contrasts) or \
(n_samples, n_contrasts, n_outcomes)
        True effects and the ends of their intervals, in outcome units.
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        Between 0 and 1.

    Raises
    ------
    ValueError
        If shapes differ, values are not finite or ends are in the wrong order.

    Examples
    --------
    >>> from sklcausal.metrics import interval_coverage
    >>> interval_coverage([1.0, 2.0], [0.5, 2.5], [1.5, 3.5])
    0.5
    """
    weight, true, low, high = read_columns(
        sample_weight, effect_true=effect_true, low=low, high=high
    )
    _check_order(low, high)
    return average(np.tensordot(weight, (low <= true) & (true <= high), axes=1), multioutput)


@fill_docs
def interval_width(
    low: Any,
    high: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the mean width of intervals.

    Parameters
    ----------
    low, high : array-like of shape (n_samples,), (n_samples, n_contrasts) or (n_samples, \
n_contrasts, n_outcomes)
        Ends of the intervals, in outcome units.
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ, values are not finite or ends are in the wrong order.

    Examples
    --------
    >>> from sklcausal.metrics import interval_width
    >>> interval_width([0.5, 2.5], [1.5, 3.0])
    0.75
    """
    weight, low, high = read_columns(sample_weight, low=low, high=high)
    _check_order(low, high)
    return average(np.tensordot(weight, high - low, axes=1), multioutput)


@fill_docs
def interval_score(
    effect_true: Any,
    low: Any,
    high: Any,
    *,
    alpha: float = 0.05,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the interval score: width plus ``2 / alpha`` times the distance of a missed truth.

    The lower the better. No trade of width for coverage can lower it in expectation below that
    of the interval between the true quantiles.

    Parameters
    ----------
    effect_true, low, high : array-like of shape (n_samples,), (n_samples, n_contrasts) or \
(n_samples, n_contrasts, n_outcomes)
        True effects and the ends of their intervals, in outcome units.
    alpha : float, default=0.05
        One minus the level of the intervals.
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ, values are not finite, ends are in the wrong order, or alpha is not
        between 0 and 1.

    References
    ----------
    .. [1] Gneiting, Raftery, "Strictly proper scoring rules, prediction, and estimation", Journal
       of the American Statistical Association 2007, doi 10.1198/016214506000001437, equation
       (43).

    Examples
    --------
    >>> from sklcausal.metrics import interval_score
    >>> interval_score([1.0, 2.0], [0.5, 2.5], [1.5, 3.5], alpha=0.5)
    2.0
    """
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be a number between 0 and 1, got {alpha!r}")
    weight, true, low, high = read_columns(
        sample_weight, effect_true=effect_true, low=low, high=high
    )
    _check_order(low, high)
    missed = np.maximum(low - true, 0) + np.maximum(true - high, 0)
    return average(np.tensordot(weight, high - low + 2 / alpha * missed, axes=1), multioutput)
