"""Curves of doubly robust scores along a ranking, and the areas under them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sklcausal._evaluation._arrays import read_array
from sklcausal._evaluation._ranking import area_of, bootstrap, gain_at, rankings_of, toc_at
from sklcausal._evaluation._scores import arm_scores
from sklcausal._evaluation._study import read_outcome_mean, read_study
from sklcausal.inference import InferenceResult
from sklcausal.utils._blurbs import fill_docs

TARGETS = ("autoc", "qini")
SHARES = np.linspace(0.1, 1, 10)


def _read_shares(shares: Any) -> np.ndarray:
    grid = SHARES if shares is None else np.atleast_1d(read_array(np.atleast_1d(shares), "shares"))
    increases = grid.ndim == 1 and (grid > 0).all() and (np.diff(grid) > 0).all()
    if not increases or grid[-1] > 1:
        raise ValueError(f"`shares` must increase and lie above 0 and up to 1, got {shares!r}")
    return grid


def _curve(
    at: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    title: str,
    T: Any,
    y: Any,
    effect: Any,
    shares: Any,
    arm: Any,
    multiarm: str,
    outcome_mean: Any,
    propensity: Any,
    treatments: Any,
    control: Any,
    clip: float,
    n_bootstrap: int,
    sample_weight: Any,
    cluster: Any,
    random_state: Any,
) -> tuple[np.ndarray, InferenceResult]:
    grid = _read_shares(shares)
    study = read_study(T, y, treatments, control, sample_weight)
    scores = arm_scores(study, outcome_mean, propensity, clip)
    means = read_outcome_mean(outcome_mean, study)
    rankings, names = rankings_of(study, effect, scores, means, multiarm, arm, propensity is None)
    if len(rankings) > 1:
        labels = [study.treatments.labels[a] for a in study.others]
        raise ValueError(
            f"a curve takes one outcome and one contrast, got {len(rankings)}; pass one column "
            f"of `y` and of `effect`, `arm` as one of {labels}, or multiarm='best'"
        )
    estimate, covariance = bootstrap(
        rankings,
        lambda weight, score: at(weight, score, grid),
        study,
        cluster,
        n_bootstrap,
        random_state,
    )
    points = [f"{names[0]}, share {share:g}" for share in grid]
    return grid, InferenceResult(estimate, covariance, points, title, len(study.t))


@fill_docs
def rate(
    T: Any,
    y: Any,
    effect: Any,
    *,
    target: str = "autoc",
    arm: Any = None,
    multiarm: str = "each",
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    n_bootstrap: int = 200,
    sample_weight: Any = None,
    cluster: Any = None,
    random_state: Any = 0,
) -> InferenceResult:
    """Estimate the rank-weighted average effect: whether large predictions mean large effects.

    The targeting operator characteristic TOC(q) is the average effect among the share q with the
    largest predictions, less that among all. 'autoc' is its mean over q, and 'qini' the mean of
    ``q TOC(q)``. Both are 0 for a ranking that tells nothing.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    target : {'autoc', 'qini'}, default='autoc'
        'autoc' sees large effects in few people better, 'qini' small differences in many.
    {multiarm_scores}
    {nuisances}
    {arms}
    {clip}
    n_bootstrap : int, default=200
        Half samples behind the standard errors.
    {sample_weight}
    {cluster}
    random_state : int, RandomState instance or None, default=0
        Seed of the half samples.

    Returns
    -------
    InferenceResult
        One for each contrast, outcomes innermost, in outcome units; tests are against 0.

    Raises
    ------
    {raises}

    Notes
    -----
    The standard errors take predictions as given: they must come from other rows than these.
    Rows with the same prediction share the mean of their scores.

    References
    ----------
    .. [1] Yadlowsky, Fleming, Shah, Brunskill, Wager, "Evaluating treatment prioritization rules
       via rank-weighted average treatment effects", Journal of the American Statistical
       Association 2025, arXiv 2111.07966, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.metrics import rate
    >>> T, y = np.tile([0, 1], 20), np.repeat([0.0, 1.0, 0.0, 3.0], 10)
    >>> rate(T, y, np.arange(40.0)).names
    ['1 vs 0']
    """
    if target not in TARGETS:
        raise ValueError(f"`target` must be one of {TARGETS}, got {target!r}")
    study = read_study(T, y, treatments, control, sample_weight)
    scores = arm_scores(study, outcome_mean, propensity, clip)
    means = read_outcome_mean(outcome_mean, study)
    rankings, names = rankings_of(study, effect, scores, means, multiarm, arm, propensity is None)
    estimate, covariance = bootstrap(
        rankings,
        lambda weight, score: area_of(weight, score, target),
        study,
        cluster,
        n_bootstrap,
        random_state,
    )
    title = f"Rank-weighted average effect ({target.upper()})"
    return InferenceResult(estimate, covariance, names, title, len(study.t))


@fill_docs
def toc_curve(
    T: Any,
    y: Any,
    effect: Any,
    *,
    shares: Any = None,
    arm: Any = None,
    multiarm: str = "each",
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    n_bootstrap: int = 200,
    sample_weight: Any = None,
    cluster: Any = None,
    random_state: Any = 0,
) -> tuple[np.ndarray, InferenceResult]:
    """Compute the targeting operator characteristic.

    It is the average effect among the share q with the largest predictions, less that among all.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Outcomes.
    {effect}
    shares : array-like of shape (n_shares,) or None, default=None
        Increasing shares of people that are targeted; None takes 0.1, 0.2, ..., 1.
    {multiarm_scores}
    {nuisances}
    {arms}
    {clip}
    n_bootstrap : int, default=200
        Half samples behind the standard errors.
    {sample_weight}
    {cluster}
    random_state : int, RandomState instance or None, default=0
        Seed of the half samples.

    Returns
    -------
    shares : ndarray of shape (n_shares,)
        Shares of people.
    result : InferenceResult
        The curve at each of them, in outcome units.

    Raises
    ------
    {raises}

    See Also
    --------
    rate : The area under it.

    References
    ----------
    .. [1] Yadlowsky, Fleming, Shah, Brunskill, Wager, arXiv 2111.07966, definition 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.metrics import toc_curve
    >>> T, y = np.tile([0, 1], 20), np.repeat([0.0, 1.0, 0.0, 3.0], 10)
    >>> toc_curve(T, y, np.arange(40.0), shares=[0.5, 1.0])[1].estimate.round(2)
    array([0., 0.])
    """
    return _curve(
        toc_at, "Targeting operator characteristic", T, y, effect, shares, arm, multiarm,
        outcome_mean, propensity, treatments, control, clip, n_bootstrap, sample_weight, cluster,
        random_state,
    )  # fmt: skip


@fill_docs
def cumulative_gain_curve(
    T: Any,
    y: Any,
    effect: Any,
    *,
    shares: Any = None,
    arm: Any = None,
    multiarm: str = "each",
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    n_bootstrap: int = 200,
    sample_weight: Any = None,
    cluster: Any = None,
    random_state: Any = 0,
) -> tuple[np.ndarray, InferenceResult]:
    """Compute what it gains to treat the share with the largest predicted effects.

    The gain over treating nobody, per person of the whole population: the mean of the doubly
    robust scores of those who are treated times their share.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,)
        Outcomes.
    {effect}
    shares : array-like of shape (n_shares,) or None, default=None
        Increasing shares of people that are targeted; None takes 0.1, 0.2, ..., 1.
    {multiarm_scores}
    {nuisances}
    {arms}
    {clip}
    n_bootstrap : int, default=200
        Half samples behind the standard errors.
    {sample_weight}
    {cluster}
    random_state : int, RandomState instance or None, default=0
        Seed of the half samples.

    Returns
    -------
    shares : ndarray of shape (n_shares,)
        Shares of people.
    result : InferenceResult
        The gain at each of them, in outcome units per person.

    Raises
    ------
    {raises}

    See Also
    --------
    uplift_curve : From differences of means among the rows that are targeted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.metrics import cumulative_gain_curve
    >>> T, y = np.tile([0, 1], 20), np.repeat([0.0, 1.0, 0.0, 3.0], 10)
    >>> cumulative_gain_curve(T, y, np.arange(40.0), shares=[0.5, 1.0])[1].names
    ['1 vs 0, share 0.5', '1 vs 0, share 1']
    """
    return _curve(
        gain_at, "Cumulative gain", T, y, effect, shares, arm, multiarm, outcome_mean, propensity,
        treatments, control, clip, n_bootstrap, sample_weight, cluster, random_state,
    )  # fmt: skip
