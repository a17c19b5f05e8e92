"""Search the policy tree with the largest sum of scores, over all trees of a depth."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 4096  # rows


@dataclass(frozen=True)
class Node:
    """A leaf with its arm, or a split.

    Attributes
    ----------
    value : float
        Sum of the scores of its rows, each under the arm that it is given.
    arm : int
        Best arm for all rows of the node.
    n_rows : int
    feature : int, default=-1
        Column that splits; -1 in a leaf.
    cut : int, default=-1
        Rows up to this bin go to the left.
    left, right : Node or None, default=None
    """

    value: float
    arm: int
    n_rows: int
    feature: int = -1
    cut: int = -1
    left: Node | None = None
    right: Node | None = None

    def leaves(self) -> list[Node]:
        """Return the leaves from left to right."""
        if self.left is None or self.right is None:
            return [self]
        return self.left.leaves() + self.right.leaves()

    def assign(self, bins: np.ndarray) -> np.ndarray:
        """Return the position among the leaves of each row.

        Parameters
        ----------
        bins : ndarray of int of shape (n_rows, n_features)

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        if self.left is None or self.right is None:
            return np.zeros(len(bins), dtype=int)
        goes_left = bins[:, self.feature] <= self.cut
        right = len(self.left.leaves()) + self.right.assign(bins)
        return np.where(goes_left, self.left.assign(bins), right)


def search(scores: np.ndarray, bins: np.ndarray, depth: int, least: int) -> Node:
    """Find the best tree of at most a depth.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_arms)
    bins : ndarray of int of shape (n_rows, n_features)
    depth : int
        From 0 to 3.
    least : int
        Fewest rows of a leaf.

    Returns
    -------
    Node
    """
    total = scores.sum(axis=0)
    best = Node(float(total.max()), int(total.argmax()), len(scores))
    if depth == 0 or len(scores) < 2 * least:
        return best
    feature, cut = _best_root(scores, bins, depth, least, best.value)
    if feature < 0:
        return best
    goes_left = bins[:, feature] <= cut
    left = search(scores[goes_left], bins[goes_left], depth - 1, least)
    right = search(scores[~goes_left], bins[~goes_left], depth - 1, least)
    if {leaf.arm for leaf in left.leaves() + right.leaves()} == {best.arm}:
        return best
    return Node(left.value + right.value, best.arm, len(scores), feature, cut, left, right)


def _best_root(
    scores: np.ndarray, bins: np.ndarray, depth: int, least: int, floor: float
) -> tuple[int, int]:
    """Find the first split of the best tree; -1 where none beats a leaf."""
    best, feature, cut = floor + 1e-9 * max(abs(floor), 1.0), -1, -1
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
