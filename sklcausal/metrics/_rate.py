"""Curves of doubly robust scores along a ranking, and the areas under them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklcausal.inference import InferenceResult
from sklcausal.metrics._averages import given_shares, read_cluster
from sklcausal.metrics._docs import fill_docs
from sklcausal.metrics._inputs import Study, read_study
from sklcausal.metrics._losses import arm_scores, contrast_scores
from sklcausal.metrics._prefix import MULTIARM, arm_of

TARGETS = ("autoc", "qini")
SHARES = np.linspace(0.1, 1, 10)
MAX_CELLS = 10_000_000  # of draws times rows at a time


@dataclass(frozen=True)
class Ranking:
    """Scores of everybody in the order of a priority, the largest first.

    Attributes
    ----------
    order : ndarray of int of shape (n_samples,)
    score : ndarray of shape (n_samples,)
        Doubly robust, in that order.
    start : ndarray of int of shape (n_levels,) or None
        Where each level of the priority begins; None without ties.
    """

    order: np.ndarray
    score: np.ndarray
    start: np.ndarray | None

    @classmethod
    def of(cls, priority: np.ndarray, score: np.ndarray) -> Ranking:
        """Rank rows.

        Parameters
        ----------
        priority, score : ndarray of shape (n_samples,)

        Returns
        -------
        Ranking
        """
        order = np.argsort(-priority, kind="stable")
        differs = np.diff(priority[order]) != 0
        start = None if differs.all() else np.append(0, np.flatnonzero(differs) + 1)
        return cls(order, score[order], start)

    def sums(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum weights and weighted scores from the top, scores of a tie being averaged.

        Parameters
        ----------
        weight : ndarray of shape (n_draws, n_samples)
            In the order of rows.

        Returns
        -------
        weight, score : ndarray of shape (n_draws, n_samples)
        """
        weight = weight[:, self.order]
        if self.start is None:
            return weight.cumsum(axis=1), (weight * self.score).cumsum(axis=1)
        total = np.add.reduceat(weight, self.start, axis=1)
        mean = np.add.reduceat(weight * self.score, self.start, axis=1)
        mean = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
        size = np.diff(np.append(self.start, len(self.order)))
        return weight.cumsum(axis=1), (weight * np.repeat(mean, size, axis=1)).cumsum(axis=1)


def area_of(weight: np.ndarray, score: np.ndarray, target: str) -> np.ndarray:
    """Average the targeting operator characteristic over all prefixes.

    Parameters
    ----------
    weight, score : ndarray of shape (n_draws, n_samples)
        From `Ranking.sums`.
    target : {'autoc', 'qini'}

    Returns
    -------
    ndarray of shape (n_draws, 1)
    """
    total = weight[:, -1:]
    own = np.diff(weight, axis=1, prepend=0.0)
    toc = np.divide(score, weight, out=np.zeros_like(score), where=weight > 0)
    toc -= score[:, -1:] / total
    if target == "qini":
        toc *= weight / total
    return (own * toc).sum(axis=1, keepdims=True) / total


def gain_at(weight: np.ndarray, score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Sum scores up to given shares of the population, per person.

    Parameters
    ----------
    weight, score : ndarray of shape (n_draws, n_samples)
        From `Ranking.sums`.
    shares : ndarray of shape (n_shares,)

    Returns
    -------
    ndarray of shape (n_draws, n_shares)
    """
    total = weight[:, -1]
    rows = zip(weight, score, total, strict=True)
    found = [np.interp(shares * t, np.append(0, w), np.append(0, s)) / t for w, s, t in rows]
    return np.stack(found)


def toc_at(weight: np.ndarray, score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Compute the targeting operator characteristic at given shares.

    Parameters
    ----------
    weight, score : ndarray of shape (n_draws, n_samples)
        From `Ranking.sums`.
    shares : ndarray of shape (n_shares,)

    Returns
    -------
    ndarray of shape (n_draws, n_shares)
    """
    return gain_at(weight, score, shares) / shares - (score[:, -1] / weight[:, -1])[:, None]


def half_samples(
    study: Study, cluster: Any, n_draws: int, random_state: Any
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw halves of the rows, or of the clusters, without replacement.

    Parameters
    ----------
    study : Study
    cluster : array-like of shape (n_samples,) or None
    n_draws : int
    random_state : int, RandomState instance or None

    Returns
    -------
    codes : ndarray of int of shape (n_samples,)
        Unit of each row.
    drawn : list of ndarray of bool of shape (n_units,)
        Which units are in each half.
    """
    codes = read_cluster(cluster, study)
    codes = np.arange(len(study.t)) if codes is None else codes
    n_units = int(codes.max()) + 1
    if n_units < 4:
        raise ValueError(f"half samples need at least 4 rows or clusters, got {n_units}")
    rng = check_random_state(random_state)
    drawn = []
    for _ in range(n_draws):
        mask = np.zeros(n_units, dtype=bool)
        mask[rng.permutation(n_units)[: n_units // 2]] = True
        drawn.append(mask)
    return codes, drawn


def bootstrap(
    rankings: list[Ranking],
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    study: Study,
    cluster: Any,
    n_bootstrap: int,
    random_state: Any,
    divides_by_shares: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute statistics of rankings, and their covariance over half samples.

    Parameters
    ----------
    rankings : list of Ranking
    statistic : callable
        Maps the sums of a ranking to an array of shape (n_draws, n_values).
    study : Study
    cluster : array-like of shape (n_samples,) or None
    n_bootstrap : int
    random_state : int, RandomState instance or None
    divides_by_shares : bool
        Whether propensities are the shares of the arms.

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    covariance : ndarray of shape (n_targets, n_targets)
    """
    if isinstance(n_bootstrap, bool) or not isinstance(n_bootstrap, int) or n_bootstrap < 2:
        raise ValueError(f"`n_bootstrap` must be an integer of at least 2, got {n_bootstrap!r}")

    def values(weight: np.ndarray) -> np.ndarray:
        return np.hstack([statistic(*ranking.sums(weight)) for ranking in rankings])

    estimate = values(study.weight[None])[0]
    codes, drawn = half_samples(study, cluster, n_bootstrap, random_state)
    n_at_once = max(1, MAX_CELLS // len(study.t))
    taken = (study.t[:, None] == study.others).astype(float)
    found = []
    for k in range(0, n_bootstrap, n_at_once):
        weight = np.stack(drawn[k : k + n_at_once])[:, codes] * study.weight
        shares = weight @ taken / weight.sum(axis=1, keepdims=True)
        found.append(np.hstack([values(weight), shares]))
    covariance = np.cov(np.concatenate(found), rowvar=False)
    n_targets = len(estimate)
    if divides_by_shares:
        return estimate, given_shares(covariance, n_targets)
    return estimate, covariance[:n_targets, :n_targets]


def rankings_of(
    study: Study, effect: Any, scores: np.ndarray, multiarm: str, arm: Any
) -> tuple[list[Ranking], list[str]]:
    """Rank everybody by each predicted effect, or by the largest.

    Parameters
    ----------
    study : Study
    effect : array-like
    scores : ndarray of shape (n_samples, n_arms, n_outcomes)
    multiarm : {'each', 'best'}
    arm : label or None

    Returns
    -------
    rankings : list of Ranking
        Contrasts outside, outcomes within.
    names : list of str
    """
    if multiarm not in MULTIARM:
        raise ValueError(f"`multiarm` must be one of {MULTIARM}, got {multiarm!r}")
    priority = study.read_effect(effect)
    gain = contrast_scores(study, scores)
    names = study.names
    if arm is not None:
        c = [arm_of(study, arm)]
        priority, gain, names = priority[:, c], gain[:, c], [names[c[0]]]
    elif multiarm == "best":
        best = priority.argmax(axis=1)[:, None]
        priority, gain = (np.take_along_axis(own, best, axis=1) for own in (priority, gain))
        names = [f"best arm vs {study.treatments.labels[study.treatments.control]}"]
    rankings = [
        Ranking.of(priority[:, c, m], gain[:, c, m])
        for c in range(priority.shape[1])
        for m in range(priority.shape[2])
    ]
    return rankings, study.column_names(names)


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
    {multiarm}
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
    rankings, names = rankings_of(study, effect, scores, multiarm, arm)
    estimate, covariance = bootstrap(
        rankings,
        lambda weight, score: area_of(weight, score, target),
        study,
        cluster,
        n_bootstrap,
        random_state,
        propensity is None,
    )
    title = f"Rank-weighted average effect ({target.upper()})"
    return InferenceResult(estimate, covariance, names, title, len(study.t))


def _read_shares(shares: Any) -> np.ndarray:
    grid = SHARES if shares is None else np.asarray(shares, dtype=float).reshape(-1)
    if not grid.size or (grid <= 0).any() or (grid > 1).any() or (np.diff(grid) <= 0).any():
        raise ValueError(f"`shares` must increase and lie above 0 and up to 1, got {shares!r}")
    return grid


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
    {multiarm}
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
    {multiarm}
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
    rankings, names = rankings_of(study, effect, scores, multiarm, arm)
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
        propensity is None,
    )
    points = [f"{names[0]}, share {share:g}" for share in grid]
    return grid, InferenceResult(estimate, covariance, points, title, len(study.t))
