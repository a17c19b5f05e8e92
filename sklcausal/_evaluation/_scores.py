"""Doubly robust scores, and the covariance of their averages."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import check_cluster
from sklcausal._evaluation._study import Study, read_outcome_mean, read_propensity
from sklcausal.exceptions import TargetError
from sklcausal.inference._averages import covariance_of_moves
from sklcausal.targets import as_column_array, check_lengths, check_same_index


def arm_scores(study: Study, outcome_mean: Any, propensity: Any, clip: float) -> np.ndarray:
    """Compute doubly robust scores of the mean outcome in each arm.

    Parameters
    ----------
    study : Study
    outcome_mean, propensity : array-like or None
    clip : float

    Returns
    -------
    ndarray of shape (n_samples, n_arms, n_outcomes)
    """
    mu = read_outcome_mean(outcome_mean, study)
    pi = read_propensity(propensity, study, clip)
    rows = np.arange(len(study.t))
    scores = mu.copy()
    own = mu[rows, study.t]
    scores[rows, study.t] += (study.y - own) / pi[rows, study.t][:, None]
    return scores


def contrast_scores(study: Study, scores: np.ndarray) -> np.ndarray:
    """Subtract the scores of the control.

    Parameters
    ----------
    study : Study
    scores : ndarray of shape (n_samples, n_arms, n_outcomes)

    Returns
    -------
    ndarray of shape (n_samples, n_contrasts, n_outcomes)
    """
    return scores[:, study.others] - scores[:, [study.treatments.control]]


def partial_out(
    study: Study, mean: np.ndarray, propensity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take from outcomes and arms what nuisances expect, as the R-learner does.

    Parameters
    ----------
    study : Study
    mean : ndarray of shape (n_samples, n_arms, n_outcomes)
    propensity : ndarray of shape (n_samples, n_arms)

    Returns
    -------
    left : ndarray of shape (n_samples, n_outcomes)
        Outcomes less their means over the arms.
    surprise : ndarray of shape (n_samples, n_contrasts)
        Whether the arm was received, less its probability.
    """
    surprise = (study.t[:, None] == study.others) - propensity[:, study.others]
    return study.y - np.einsum("na,nam->nm", propensity, mean), surprise


def average_groups(
    group: np.ndarray, values: np.ndarray, weight: np.ndarray, cluster: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average values within groups.

    Parameters
    ----------
    group : ndarray of int of shape (n_samples,)
        None of them empty.
    values : ndarray of shape (n_samples,)
    weight : ndarray of shape (n_samples,)
        With a positive sum in each group.
    cluster : ndarray of int of shape (n_samples,) or None

    Returns
    -------
    mean : ndarray of shape (n_groups,)
    moves : ndarray of shape (n_samples, n_groups)
        How far each row moves each mean, times what makes the covariance of `covariance_of`
        one with m / (m - 1) for a group of m rows or clusters.
    share : ndarray of shape (n_samples, n_groups)
        Weights of rows in their groups, which sum to 1 in each.
    """
    share = np.eye(int(group.max()) + 1)[group] * weight[:, None]
    share /= share.sum(axis=0)
    mean = share.T @ values
    counts = count_units(group, weight, cluster)
    n = len(group) if cluster is None else len(np.unique(cluster))
    small = np.sqrt(counts / np.maximum(counts - 1, 1) * (n - 1) / n)
    return mean, small * share * (values[:, None] - mean), share


def count_units(group: np.ndarray, weight: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Count the rows with weight, or the clusters, of each group.

    Parameters
    ----------
    group : ndarray of int of shape (n_samples,)
    weight : ndarray of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None

    Returns
    -------
    ndarray of int of shape (n_groups,)
    """
    units = np.arange(len(group)) if cluster is None else cluster
    pairs = np.unique(np.stack([group, units])[:, weight > 0], axis=1)[0]
    return np.bincount(pairs, minlength=int(group.max()) + 1)


def read_cluster(cluster: Any, study: Study) -> np.ndarray | None:
    """Read labels of clusters.

    Parameters
    ----------
    cluster : array-like of shape (n_samples,) or None
    study : Study

    Returns
    -------
    ndarray of int of shape (n_samples,) or None
    """
    if cluster is None:
        return None
    check_same_index(T=study.given, cluster=cluster)
    labels = as_column_array(cluster, "cluster")
    check_lengths({"cluster": labels, "T": study.t})
    codes = check_cluster(labels)
    if codes is not None and codes.max() < 1:
        raise TargetError(f"`cluster` must hold at least 2 labels, got 1: {labels[:1].tolist()}")
    return codes


def covariance_of(
    moves: np.ndarray, study: Study, cluster: Any, divides_by_shares: bool
) -> np.ndarray:
    """Compute the covariance of estimates from how far each row moves them.

    Scores that divide by the shares of a trial are more exact than scores that divide by the
    probabilities behind them: chance differences between arms cancel in part. What the shares
    explain of the scores, row by row, is taken out.

    Parameters
    ----------
    moves : ndarray of shape (n_samples, n_targets)
    study : Study
    cluster : array-like of shape (n_samples,) or None
    divides_by_shares : bool
        Whether propensities are the shares of the arms.

    Returns
    -------
    ndarray of shape (n_targets, n_targets)
    """
    if divides_by_shares:
        taken = study.t[:, None] == study.others
        surprise = taken - study.weight @ taken
        weighted = study.weight[:, None] * surprise
        slope = np.linalg.solve(weighted.T @ surprise, surprise.T @ moves)
        moves = moves - weighted @ slope
    rows = [np.arange(len(moves))]
    return covariance_of_moves([moves], rows, read_cluster(cluster, study))
