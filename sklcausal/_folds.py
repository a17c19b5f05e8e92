"""Deal rows to folds, and each member's rows to training and validation."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from sklcausal._draws import MemberRows
from sklcausal.exceptions import TargetError


def assign_folds(
    n_folds: int,
    strata: np.ndarray,
    order: np.ndarray,
    cluster: np.ndarray | None,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Assign a fold to every row.

    Parameters
    ----------
    n_folds : int
    strata : ndarray of int of shape (n_samples,)
        Arms, which every fold gets in proportion; zeros for doses.
    order : ndarray of shape (n_samples,)
        Values that are spread evenly within a stratum, such as a binary outcome.
    cluster : ndarray of int of shape (n_samples,) or None
        Rows of a cluster stay together.
    rng : RandomState

    Returns
    -------
    ndarray of int of shape (n_samples,)

    Raises
    ------
    TargetError
        If there are fewer clusters than folds.
    """
    folds = np.zeros(len(strata), dtype=np.int64)
    if n_folds == 1:
        return folds
    if cluster is None:
        return _deal(n_folds, strata, order, rng)
    n_clusters = len(np.unique(cluster))
    if n_clusters < n_folds:
        raise TargetError(
            f"`cluster` must have at least n_folds={n_folds} different labels, got {n_clusters}"
        )
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=rng.randint(2**31 - 1))
    for k, (_, held_out) in enumerate(splitter.split(folds, strata, cluster)):
        folds[held_out] = k
    return folds


def _deal(
    n_folds: int, strata: np.ndarray, order: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    folds = np.empty(len(strata), dtype=np.int64)
    shuffled = rng.permutation(len(strata))
    sequence = shuffled[np.lexsort((order[shuffled], strata[shuffled]))]
    folds[sequence] = np.arange(len(strata)) % n_folds
    return folds


def split_member(
    rows: np.ndarray,
    strata: np.ndarray,
    order: np.ndarray,
    cluster: np.ndarray | None,
    validation_fraction: float | None,
    seed: int,
) -> MemberRows:
    """Set a validation part of a member's rows aside, stratified by arm.

    Parameters
    ----------
    rows : ndarray of int
        Rows that the member may see.
    strata, order, cluster : ndarray of shape (n_samples,)
        As in `assign_folds`.
    validation_fraction : float or None
        None trains on all rows and stops at ``max_epochs``.
    seed : int

    Returns
    -------
    MemberRows
    """
    if not validation_fraction:
        return MemberRows(rows, rows[:0], seed)
    rng = np.random.RandomState(seed)
    n_parts = max(2, round(1 / validation_fraction))
    if cluster is not None and len(np.unique(cluster[rows])) >= n_parts:
        parts = assign_folds(n_parts, strata[rows], order[rows], cluster[rows], rng)
    else:
        parts = _deal(n_parts, strata[rows], order[rows], rng)
    held_out = parts == rng.randint(n_parts)
    return MemberRows(rows[~held_out], rows[held_out], seed)
