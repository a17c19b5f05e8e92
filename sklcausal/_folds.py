"""Deal rows to folds, and each member's rows to training and validation."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

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
    return _deal_clusters(n_folds, strata, cluster, rng)


def _deal_clusters(
    n_folds: int, strata: np.ndarray, cluster: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Deal clusters of alike size and mixture of strata in turn, forth and back."""
    _, codes = np.unique(cluster, return_inverse=True)
    counts = np.zeros((codes.max() + 1, strata.max() + 1))
    np.add.at(counts, (codes, strata), 1)
    shuffled = rng.permutation(len(counts))
    main = counts.argmax(axis=1)
    purity = counts.max(axis=1) / counts.sum(axis=1)
    keys = (purity, counts.sum(axis=1), main)
    order = shuffled[np.lexsort([key[shuffled] for key in keys])]
    turn = np.arange(len(order))
    place = turn % n_folds
    by_cluster = np.empty(len(order), dtype=np.int64)
    by_cluster[order] = np.where(turn // n_folds % 2 == 0, place, n_folds - 1 - place)
    return by_cluster[codes]


def _deal(
    n_folds: int, strata: np.ndarray, order: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    return _places(strata, order, rng) % n_folds


def _places(strata: np.ndarray, order: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Line rows up by stratum and order, ties at random, and return their places."""
    places = np.empty(len(strata), dtype=np.int64)
    shuffled = rng.permutation(len(strata))
    places[shuffled[np.lexsort((order[shuffled], strata[shuffled]))]] = np.arange(len(strata))
    return places


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
    own = strata[rows]
    if cluster is not None and len(np.unique(cluster[rows])) >= n_parts:
        held_out = _deal_clusters(n_parts, own, cluster[rows], rng) == rng.randint(n_parts)
    else:
        place = _places(own, order[rows], rng)
        held_out = _every(validation_fraction, place, n_parts - 1 - rng.randint(n_parts))
    # training needs every arm, and a member without any row to judge by would never improve
    held_out &= np.isin(own, own[~held_out])
    if not held_out.any():
        spare = np.flatnonzero(np.bincount(own)[own] > 1)
        if len(spare):
            held_out[spare[rng.randint(len(spare))]] = True
    return MemberRows(rows[~held_out], rows[held_out], seed)


def _every(share: float, place: np.ndarray, offset: int) -> np.ndarray:
    """Mark a share of places at even distances."""
    steps = np.floor((place[:, None] + offset + np.arange(2)) * share + 1e-9)
    return steps[:, 1] > steps[:, 0]


def deal_halves(
    n: int, cluster: np.ndarray | None, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Deal rows, or whole clusters, into two halves.

    Parameters
    ----------
    n : int
        Number of rows.
    cluster : ndarray of int of shape (n,) or None
    rng : RandomState

    Returns
    -------
    first, second : ndarray of int
        Rows.
    """
    units = np.arange(n) if cluster is None else cluster
    n_units = int(units.max()) + 1
    if n_units < 2:
        raise ValueError(f"honest halves need at least 2 rows or clusters, got {n_units}")
    is_first = np.zeros(n_units, dtype=bool)
    is_first[rng.permutation(n_units)[: n_units // 2]] = True
    return np.flatnonzero(is_first[units]), np.flatnonzero(~is_first[units])
