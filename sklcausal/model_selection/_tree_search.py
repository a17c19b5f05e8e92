"""Search the policy tree with the largest sum of scores, over all trees of a depth."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sklcausal.model_selection._node import Node
from sklcausal.model_selection._thresholds import cut_bins, find_bins

CHUNK = 4096  # rows
N_THRESHOLDS = {1: 128, 2: 128, 3: 32}  # by depth: what a search of seconds allows
ROUNDING = 1e-12  # of the sum of all scores


def find_tree(
    X: np.ndarray, scores: np.ndarray, depth: int, least: int, n_thresholds: int | str
) -> Node:
    """Find the tree with the largest sum of the scores of the arms that it gives.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    scores : ndarray of shape (n_rows, n_arms)
    depth : {1, 2, 3}
    least : int
        Fewest rows of a leaf.
    n_thresholds : int or 'auto'
        Most thresholds of a column.

    Returns
    -------
    Node
    """
    automatic = isinstance(n_thresholds, str)
    thresholds = cut_bins(X, N_THRESHOLDS[depth] if automatic else int(n_thresholds))
    # what all arms have in common only costs digits
    level = scores.mean(axis=1, keepdims=True)
    tree = search(scores - level, find_bins(X, thresholds), thresholds, depth, least)
    return replace(tree, value=tree.value + float(level.sum()))


def search(
    scores: np.ndarray, bins: np.ndarray, thresholds: list[np.ndarray], depth: int, least: int
) -> Node:
    """Find the best tree of at most a depth.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_arms)
    bins : ndarray of int of shape (n_rows, n_features)
    thresholds : list of ndarray
        Between the bins of every column.
    depth : int
        From 0 to 3.
    least : int
        Fewest rows of a leaf.

    Returns
    -------
    Node
    """
    total = scores.sum(axis=0)
    best = Node(float(total.max()), len(scores), int(total.argmax()))
    if depth == 0 or len(scores) < 2 * least:
        return best
    feature, cut = _best_root(scores, bins, depth, least, best.value)
    if feature < 0:
        return best
    goes_left = bins[:, feature] <= cut
    left, right = (
        search(scores[own], bins[own], thresholds, depth - 1, least)
        for own in (goes_left, ~goes_left)
    )
    if {leaf.arm for leaf in left.leaves() + right.leaves()} == {best.arm}:
        return best
    at = float(thresholds[feature][cut])
    return Node(left.value + right.value, len(scores), best.arm, feature, at, left, right)


def _best_root(
    scores: np.ndarray, bins: np.ndarray, depth: int, least: int, floor: float
) -> tuple[int, int]:
    """Find the first split of the best tree; -1 where none beats a leaf."""
    best, feature, cut = floor + ROUNDING * np.abs(scores).sum(), -1, -1
    columns = np.column_stack([scores, np.ones(len(scores))])
    whole = _tables(columns, bins, int(bins.max()) + 1) if depth == 3 else None
    for j in range(bins.shape[1]):
        n_bins = int(bins[:, j].max()) + 1
        if n_bins < 2:
            continue
        if whole is None:
            values = _two_levels(columns, bins, j, n_bins, depth, least)
        else:
            values = _three_levels(columns, bins, j, n_bins, whole, least)
        k = int(values.argmax())
        if values[k] > best:
            best, feature, cut = float(values[k]), j, k
    return feature, cut


def _two_levels(
    columns: np.ndarray, bins: np.ndarray, j: int, n_bins: int, depth: int, least: int
) -> np.ndarray:
    """Value every first split by a column, with a further split on both sides if depth is 2.

    Sums of scores over cells of two columns hold the sums of every quarter that two splits make.
    """
    first = np.stack(
        [np.bincount(bins[:, j], own, minlength=n_bins) for own in columns.T], axis=1
    ).cumsum(axis=0)
    sides = [first[:-1], first[-1] - first[:-1]]
    best = [_leaf(side, least) for side in sides]
    if depth == 2:
        for k in range(bins.shape[1]):
            n_other = int(bins[:, k].max()) + 1
            if n_other < 2:
                continue
            cell = bins[:, j] * n_other + bins[:, k]
            sums = np.stack(
                [np.bincount(cell, own, minlength=n_bins * n_other) for own in columns.T], axis=1
            )
            below = sums.reshape(n_bins, n_other, -1).cumsum(axis=0).cumsum(axis=1)
            for s, rows in enumerate((below[:-1], below[-1] - below[:-1])):
                parts = _leaf(rows[:, :-1], least) + _leaf(rows[:, -1:] - rows[:, :-1], least)
                best[s] = np.maximum(best[s], parts.max(axis=1))
    return best[0] + best[1]


def _tables(columns: np.ndarray, bins: np.ndarray, n_bins: int) -> np.ndarray:
    """Sum over the cells of every two columns: (n_sums, n_features, n_bins, n_features, n_bins).

    The sums are scores by arm, and the number of rows.
    """
    n_features = bins.shape[1]
    size = n_features * n_bins
    found = np.zeros((columns.shape[1], size, size))
    for start in range(0, len(bins), CHUNK):
        own, sums = bins[start : start + CHUNK], columns[start : start + CHUNK]
        member = np.zeros((len(own), n_features, n_bins))
        np.put_along_axis(member, own[:, :, None], 1.0, axis=2)
        flat = member.reshape(len(own), size)
        for c, values in enumerate(sums.T):
            found[c] += flat.T @ (values[:, None] * flat)
    return found.reshape(-1, n_features, n_bins, n_features, n_bins)


def _three_levels(
    columns: np.ndarray, bins: np.ndarray, j: int, n_bins: int, whole: np.ndarray, least: int
) -> np.ndarray:
    """Value every first split by a column by the best trees of depth 2 on both sides.

    From one split to the next, rows of one bin move to the left.
    """
    values = np.full(n_bins - 1, -np.inf)
    left = np.zeros_like(whole)
    for k in range(n_bins - 1):
        moved = np.flatnonzero(bins[:, j] == k)
        if not len(moved):
            continue
        left += _tables(columns[moved], bins[moved], whole.shape[2])
        values[k] = _best_of_tables(left, least) + _best_of_tables(whole - left, least)
    return values


def _best_of_tables(tables: np.ndarray, least: int) -> float:
    """Value the best tree of at most depth 2 by the sums over cells of every two columns."""
    below = np.moveaxis(tables.cumsum(axis=2).cumsum(axis=4), 0, -1)
    everybody = _leaf(below[0, -1, 0, -1], least)
    total = np.zeros(below[:, :-1, 0, 0, 0].shape)
    for rows in (below[:, :-1], below[:, -1:] - below[:, :-1]):
        parts = _leaf(rows[..., :-1, :], least) + _leaf(
            rows[..., -1:, :] - rows[..., :-1, :], least
        )
        total += np.maximum(parts.max(axis=(2, 3)), _leaf(rows[:, :, 0, -1], least))
    return float(max(everybody, total.max()))


def _leaf(sums: np.ndarray, least: int) -> np.ndarray:
    """Value leaves by their best arm; minus infinity where they hold too few rows."""
    return np.where(sums[..., -1] >= least - 0.5, sums[..., :-1].max(axis=-1), -np.inf)
