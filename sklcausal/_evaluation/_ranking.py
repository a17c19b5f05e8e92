"""Sums of doubly robust scores along a ranking, and their spread over half samples."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklcausal._evaluation._prefix import MULTIARM, arm_of
from sklcausal._evaluation._scores import contrast_scores, read_cluster
from sklcausal._evaluation._study import Study

MAX_CELLS = 10_000_000  # of draws times rows at a time
MIN_UNITS = 4  # rows or clusters, two to a half
ROUNDING = 1e-11  # of the largest mean of a first part of the rows


@dataclass(frozen=True)
class Ranking:
    """Scores of everybody in the order of a priority, the largest first.

    Attributes
    ----------
    order : ndarray of int of shape (n_samples,)
    plug_in, correction : ndarray of shape (n_samples,)
        The two parts of the doubly robust scores, in that order.
    start : ndarray of int of shape (n_levels,) or None
        Where each level of the priority begins; None without ties.
    arms : ndarray of int of shape (n_samples,)
        Arm of each row, in that order.
    shares : ndarray of shape (n_arms,) or None
        Shares of the arms, where corrections divide by them; those of rows that are drawn take
        their place. None where propensities were given.
    """

    order: np.ndarray
    plug_in: np.ndarray
    correction: np.ndarray
    start: np.ndarray | None
    arms: np.ndarray
    shares: np.ndarray | None

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
        score = weight * self._scores(weight)
        if self.start is None:
            return weight.cumsum(axis=1), score.cumsum(axis=1)
        total = np.add.reduceat(weight, self.start, axis=1)
        mean = np.add.reduceat(score, self.start, axis=1)
        mean = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
        size = np.diff(np.append(self.start, len(self.order)))
        return weight.cumsum(axis=1), (weight * np.repeat(mean, size, axis=1)).cumsum(axis=1)

    def _scores(self, weight: np.ndarray) -> np.ndarray:
        """Compute the scores of rows with weights (n_draws, n_samples) in the own order."""
        if self.shares is None:
            return self.plug_in + self.correction
        taken = np.eye(len(self.shares))[self.arms]
        shares = weight @ taken / weight.sum(axis=1, keepdims=True)
        factor = np.divide(self.shares, shares, out=np.ones_like(shares), where=shares > 0)
        return self.plug_in + self.correction * factor[:, self.arms]


def rankings_of(
    study: Study,
    effect: Any,
    scores: np.ndarray,
    means: np.ndarray,
    multiarm: str,
    arm: Any,
    divides_by_shares: bool,
) -> tuple[list[Ranking], list[str]]:
    """Rank everybody by each predicted effect, or by the largest.

    Parameters
    ----------
    study : Study
    effect : array-like
    scores, means : ndarray of shape (n_samples, n_arms, n_outcomes)
        Doubly robust scores and the outcome means in them.
    multiarm : {'each', 'best'}
    arm : label or None
    divides_by_shares : bool
        Whether propensities are the shares of the arms.

    Returns
    -------
    rankings : list of Ranking
        Contrasts outside, outcomes within.
    names : list of str
    """
    if multiarm not in MULTIARM:
        raise ValueError(f"`multiarm` must be one of {MULTIARM}, got {multiarm!r}")
    priority = study.read_effect(effect)
    parts = [contrast_scores(study, own) for own in (means, scores - means)]
    names = study.names
    if arm is not None:
        c = [arm_of(study, arm)]
        priority, names = priority[:, c], [names[c[0]]]
        parts = [own[:, c] for own in parts]
    elif multiarm == "best":
        best = priority.argmax(axis=1)[:, None]
        parts = [np.take_along_axis(own, best, axis=1) for own in parts]
        priority = np.take_along_axis(priority, best, axis=1)
        names = [f"best arm vs {study.treatments.labels[study.treatments.control]}"]
    shares = None
    if divides_by_shares:
        shares = np.bincount(study.t, study.weight, minlength=study.treatments.n_arms)
    rankings = [
        _rank(priority[:, c, m], parts[0][:, c, m], parts[1][:, c, m], study.t, shares)
        for c in range(priority.shape[1])
        for m in range(priority.shape[2])
    ]
    return rankings, study.column_names(names)


def _rank(
    priority: np.ndarray,
    plug_in: np.ndarray,
    correction: np.ndarray,
    arms: np.ndarray,
    shares: np.ndarray | None,
) -> Ranking:
    order = np.argsort(-priority, kind="stable")
    differs = np.diff(priority[order]) != 0
    start = None if differs.all() else np.append(0, np.flatnonzero(differs) + 1)
    return Ranking(order, plug_in[order], correction[order], start, arms[order], shares)


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
    mean = np.divide(score, weight, out=np.zeros_like(score), where=weight > 0)
    toc = _above(mean, score[:, -1:] / total)
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
    return _above(gain_at(weight, score, shares) / shares, score[:, -1:] / weight[:, -1:])


def _above(mean: np.ndarray, everybody: np.ndarray) -> np.ndarray:
    """Subtract the mean of everybody, without what rounding leaves of equal numbers."""
    size = np.abs(mean).max(axis=1, keepdims=True)
    return np.where(np.abs(mean - everybody) <= ROUNDING * size, 0.0, mean - everybody)


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
    weighed = np.flatnonzero(np.bincount(codes, study.weight) > 0)
    if len(weighed) < MIN_UNITS:
        raise ValueError(
            f"half samples need at least {MIN_UNITS} rows or clusters with a weight, got "
            f"{len(weighed)}"
        )
    rng = check_random_state(random_state)
    drawn = []
    for _ in range(n_draws):
        mask = np.zeros(int(codes.max()) + 1, dtype=bool)
        mask[rng.permutation(weighed)[: len(weighed) // 2]] = True
        drawn.append(mask)
    return codes, drawn


def bootstrap(
    rankings: list[Ranking],
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    study: Study,
    cluster: Any,
    n_bootstrap: int,
    random_state: Any,
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

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    covariance : ndarray of shape (n_targets, n_targets)
    """
    if (
        isinstance(n_bootstrap, bool)
        or not isinstance(n_bootstrap, (int, np.integer))
        or n_bootstrap < 2
    ):
        raise ValueError(f"`n_bootstrap` must be an integer of at least 2, got {n_bootstrap!r}")

    def values(weight: np.ndarray) -> np.ndarray:
        return np.hstack([statistic(*ranking.sums(weight)) for ranking in rankings])

    estimate = values(study.weight[None])[0]
    codes, drawn = half_samples(study, cluster, int(n_bootstrap), random_state)
    n_at_once = max(1, MAX_CELLS // len(study.t))
    found = [
        values(np.stack(drawn[k : k + n_at_once])[:, codes] * study.weight)
        for k in range(0, int(n_bootstrap), n_at_once)
    ]
    return estimate, np.atleast_2d(np.cov(np.concatenate(found), rowvar=False))
