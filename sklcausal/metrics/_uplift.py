"""Uplift and Qini curves: what targeting the largest predicted effects gains."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._arrays import average
from sklcausal._evaluation._prefix import area, comparisons, prefix_curve, single
from sklcausal._evaluation._study import read_propensity, read_study
from sklcausal.utils._blurbs import fill_docs


def _curve(
    T: Any,
    y: Any,
    effect: Any,
    kind: str,
    arm: Any,
    multiarm: str,
    empty: str,
    propensity: Any,
    clip: float,
    treatments: Any,
    control: Any,
    sample_weight: Any,
) -> tuple[np.ndarray, np.ndarray]:
    study = read_study(T, y, treatments, control, sample_weight)
    pi = None if propensity is None else read_propensity(propensity, study, clip)
    found = comparisons(study, study.read_effect(effect), arm, multiarm, pi)
    return prefix_curve(single(found, study), kind, empty)


def _score(
    T: Any,
    y: Any,
    effect: Any,
    kind: str,
    normalize: str | None,
    multiarm: str,
    propensity: Any,
    clip: float,
    treatments: Any,
    control: Any,
    sample_weight: Any,
    multioutput: str,
) -> Any:
    study = read_study(T, y, treatments, control, sample_weight)
    pi = None if propensity is None else read_propensity(propensity, study, clip)
    found = comparisons(study, study.read_effect(effect), None, multiarm, pi)
    values = np.array([[area(rows, kind, normalize) for rows in row] for row in found])
    values = values[:, 0] if study.one_dim else values
    return average(values[0] if len(values) == 1 else values, multioutput)


@fill_docs
def uplift_curve(
    T: Any,
    y: Any,
    effect: Any,
    *,
    arm: Any = None,
    multiarm: str = "each",
    empty: str = "interpolate",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the gain from targeting the largest predicted effects first.

    After the first n rows it is n times the difference of mean outcomes between the treated and
    the others among them.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Outcomes: 0 and 1, or numbers.
    {effect}
    {multiarm}
    empty : {'interpolate', 'zero'}, default='interpolate'
        What stands for a first part of the rows in which one arm is missing: a lift that grows
        along a line to that of the first prefix with both, or a mean outcome of 0 for the missing
        arm.
    {propensity}
    {clip}
    {arms}
    {sample_weight}

    Returns
    -------
    n_targeted, gain : ndarray of shape (n_points,)
        Rows targeted, at each distinct effect and at 0, and the gain in outcome units.

    Raises
    ------
    {raises}

    See Also
    --------
    cumulative_gain_curve : A doubly robust curve with standard errors.

    References
    ----------
    .. [1] Gutierrez, Gérardy, "Causal inference and uplift modelling: a review of the literature",
       PMLR 67, 2017.

    Examples
    --------
    >>> from sklcausal.metrics import uplift_curve
    >>> uplift_curve([1, 0, 1, 0], [1, 0, 0, 0], [0.9, 0.8, 0.2, 0.1])[1]
    array([0. , 0.5, 2. , 1.5, 2. ])
    """
    return _curve(
        T, y, effect, "uplift", arm, multiarm, empty, propensity, clip, treatments, control,
        sample_weight,
    )  # fmt: skip


@fill_docs
def auuc_score(
    T: Any,
    y: Any,
    effect: Any,
    *,
    normalize: str | None = None,
    multiarm: str = "each",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the area under the uplift curve.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    normalize : {'perfect', 'total'} or None, default=None
        None: area between the curve and the straight line of random targeting, both per person,
        in outcome units. 'perfect': that area divided by the one of a perfect ranking; needs
        outcomes of 0 and 1. 'total': mean height over all prefixes, the line included, divided
        by the size of the total gain.
    multiarm : {'each', 'best'}, default='each'
        With several arms, 'each' takes every arm against the control among rows of the two, and
        'best' the arm with the largest predicted effect among rows that received it or the
        control.
    {propensity}
    {clip}
    {arms}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        With ``multiarm='best'`` of shape (n_outcomes,).

    Raises
    ------
    {raises}

    References
    ----------
    .. [1] Devriendt, Guns, Verbeke, "Learning to rank for uplift modeling", IEEE Transactions on
       Knowledge and Data Engineering 2022, arXiv 2002.05897.

    Examples
    --------
    >>> from sklcausal.metrics import auuc_score
    >>> auuc_score([1, 0, 1, 0], [1, 0, 0, 0], [0.9, 0.8, 0.2, 0.1], normalize="perfect")
    0.5
    """
    return _score(
        T, y, effect, "uplift", normalize, multiarm, propensity, clip, treatments, control,
        sample_weight, multioutput,
    )  # fmt: skip


@fill_docs
def qini_curve(
    T: Any,
    y: Any,
    effect: Any,
    *,
    arm: Any = None,
    multiarm: str = "each",
    empty: str = "interpolate",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Qini curve: the gain among the treated from targeting large effects first.

    After the first n rows it is the number of treated among them times the difference of mean
    outcomes between the treated and the others. With propensities it is the share of treated
    among all rows times n times that difference: else rankings would gain by putting those first
    who were likely to be treated.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Outcomes: 0 and 1, or numbers.
    {effect}
    {multiarm}
    empty : {'interpolate', 'zero'}, default='interpolate'
        What stands for a first part of the rows without the control: a gain that grows along a
        line to that of the first prefix with it, or a mean outcome of 0 for the control.
    {propensity}
    {clip}
    {arms}
    {sample_weight}

    Returns
    -------
    n_targeted, gain : ndarray of shape (n_points,)
        Rows targeted, at each distinct effect and at 0, and the gain in outcome units.

    Raises
    ------
    {raises}

    References
    ----------
    .. [1] Radcliffe, "Using control groups to target on predicted lift: building and assessing
       uplift models", Direct Marketing Analytics Journal 2007.

    Examples
    --------
    >>> from sklcausal.metrics import qini_curve
    >>> qini_curve([1, 0, 1, 0], [1, 0, 0, 0], [0.9, 0.8, 0.2, 0.1])[1]
    array([0. , 0.5, 1. , 1. , 1. ])
    """
    return _curve(
        T, y, effect, "qini", arm, multiarm, empty, propensity, clip, treatments, control,
        sample_weight,
    )  # fmt: skip


@fill_docs
def qini_score(
    T: Any,
    y: Any,
    effect: Any,
    *,
    normalize: str | None = None,
    multiarm: str = "each",
    propensity: Any = None,
    clip: float = 0.01,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the area between the Qini curve and that of random targeting.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    normalize : {'perfect', 'total'} or None, default=None
        None: area per person, in outcome units, the share of treated times that of `auuc_score`
        if it does not depend on the ranking. 'perfect': divided by the area of a perfect
        ranking; needs outcomes of 0 and 1. 'total': mean distance over all prefixes, divided by
        the size of the total gain.
    multiarm : {'each', 'best'}, default='each'
        With several arms, 'each' takes every arm against the control among rows of the two, and
        'best' the arm with the largest predicted effect among rows that received it or the
        control.
    {propensity}
    {clip}
    {arms}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        With ``multiarm='best'`` of shape (n_outcomes,). 0 for a constant score.

    Raises
    ------
    {raises}

    See Also
    --------
    rate : With a doubly robust estimate and a standard error.

    References
    ----------
    .. [1] Radcliffe, "Using control groups to target on predicted lift: building and assessing
       uplift models", Direct Marketing Analytics Journal 2007.

    Examples
    --------
    >>> from sklcausal.metrics import qini_score
    >>> qini_score([1, 0, 1, 0], [1, 0, 0, 0], [0.9, 0.8, 0.2, 0.1], normalize="perfect")
    1.0
    """
    return _score(
        T, y, effect, "qini", normalize, multiarm, propensity, clip, treatments, control,
        sample_weight, multioutput,
    )  # fmt: skip
