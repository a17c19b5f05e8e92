"""Cost curves: incremental value against incremental cost."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._arrays import average, read_columns
from sklcausal._evaluation._prefix import check_totals, comparisons, prefix_curve, single
from sklcausal._evaluation._study import read_propensity, read_study
from sklcausal.utils._blurbs import fill_docs


def roi_score(value_effect: Any, cost_effect: Any) -> np.ndarray:
    """Divide effects on value by effects on cost, to rank people by return on investment.

    Parameters
    ----------
    value_effect, cost_effect : array-like of shape (n_samples,) or (n_samples, n_contrasts)
        Predicted effects on value and on cost.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_contrasts)
        Finite numbers. Where treatment is expected to cost nothing or to save, those whose value
        does not fall are ranked above, and those whose value falls below everybody else, in the
        order of their value.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.

    Examples
    --------
    >>> from sklcausal.metrics import roi_score
    >>> roi_score([1.0, 1.0, 2.0, -1.0], [1.0, 2.0, -1.0, 0.0])
    array([ 1. ,  0.5,  4. , -1. ])
    """
    _, value, cost = read_columns(None, value_effect=value_effect, cost_effect=cost_effect)
    free = cost <= 0
    ratio = np.zeros(value.shape)
    np.divide(value, cost, out=ratio, where=~free)
    if not free.any():
        return ratio
    top, bottom = (ratio[~free].max(), ratio[~free].min()) if not free.all() else (0.0, 0.0)
    top, bottom = max(top, 0.0) + 1, min(bottom, 0.0)
    gain = np.where(value >= 0, top + value, bottom + value)
    return np.where(free, gain, ratio)


@fill_docs
def cost_curve(
    T: Any,
    y: Any,
    cost: Any,
    score: Any,
    *,
    arm: Any = None,
    multiarm: str = "each",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute incremental value against incremental cost as ever more people are targeted.

    Both are differences of mean outcomes between the treated and the others among the first n
    rows, times n, as shares of what targeting everybody brings and costs.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Value.
    cost : array-like of shape (n_samples,)
        Cost that was observed.
    score : array-like of shape (n_samples,) or (n_samples, n_contrasts)
        Those with the largest are targeted first, as `roi_score` returns.
    {multiarm}
    {propensity}
    {clip}
    {arms}
    {sample_weight}

    Returns
    -------
    cost_share, value_share : ndarray of shape (n_points,)
        Shares of the total incremental cost and value, from 0 to 1 at each distinct score.

    Raises
    ------
    TargetError
        If T or y cannot be used.
    ValueError
        If targeting everybody does not raise cost or value, shapes differ, values are not finite,
        propensities are no probabilities, or an option is unknown.

    References
    ----------
    .. [1] Du, Lee, Ghaffarizadeh, "Improve user retention with causal learning", PMLR 104, 2019,
       section 4.

    Examples
    --------
    >>> from sklcausal.metrics import cost_curve
    >>> cost_curve([1, 0, 1, 0], [3, 0, 1, 0], [1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1])[1].round(3)
    array([0.   , 0.188, 0.75 , 0.75 , 1.   ])
    """
    study = read_study(T, y, treatments, control, sample_weight)
    costs = read_study(T, cost, treatments, control, sample_weight, "cost")
    pi = None if propensity is None else read_propensity(propensity, study, clip)
    ranking = study.read_effect(score, "score")
    spent, gained = (
        prefix_curve(
            single(comparisons(own, ranking, arm, multiarm, pi), own), "uplift", "interpolate"
        )[1]
        for own in (costs, study)
    )
    check_totals(float(spent[-1]), float(gained[-1]))
    return spent / spent[-1], gained / gained[-1]


@fill_docs
def aucc_score(
    T: Any,
    y: Any,
    cost: Any,
    score: Any,
    *,
    multiarm: str = "each",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
) -> float:
    """Compute the area under the cost curve; random targeting has one half.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Value.
    cost : array-like of shape (n_samples,)
        Cost that was observed.
    score : array-like of shape (n_samples,) or (n_samples, n_contrasts)
        Those with the largest are targeted first, as `roi_score` returns.
    multiarm : {'each', 'best'}, default='each'
        With several arms, 'each' averages over the arms against the control, and 'best' takes the
        arm with the largest score among rows that received it or the control.
    {propensity}
    {clip}
    {arms}
    {sample_weight}

    Returns
    -------
    float
        Area by the trapezoidal rule. Beyond 1 or below 0 it can be where the curve is not
        monotone.

    Raises
    ------
    TargetError
        If T or y cannot be used.
    ValueError
        If targeting everybody does not raise cost or value, shapes differ, values are not finite,
        propensities are no probabilities, or an option is unknown.

    References
    ----------
    .. [1] Du, Lee, Ghaffarizadeh, "Improve user retention with causal learning", PMLR 104, 2019,
       section 4.

    Examples
    --------
    >>> from sklcausal.metrics import aucc_score
    >>> aucc_score([1, 0, 1, 0], [3, 0, 1, 0], [1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1])
    0.59375
    """
    options = {
        "propensity": propensity,
        "clip": clip,
        "treatments": treatments,
        "control": control,
        "sample_weight": sample_weight,
    }
    study = read_study(T, y, treatments, control, sample_weight)
    arms: list[Any] = [study.treatments.labels[a] for a in study.others]
    if multiarm == "best" or len(arms) == 1:
        arms = [None]
    areas = []
    for arm in arms:
        spent, gained = cost_curve(T, y, cost, score, arm=arm, multiarm=multiarm, **options)
        areas.append(np.diff(spent) @ (gained[1:] + gained[:-1]) / 2)
    return average(np.array(areas), "uniform_average")
