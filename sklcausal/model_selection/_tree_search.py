"""Search the policy tree with the largest sum of scores, over all trees of a depth."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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


def cut_bins(X: np.ndarray, n_thresholds: int) -> list[np.ndarray]:
    """Choose the thresholds of each column: all midpoints, or those at quantiles.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    n_thresholds : int
        Most thresholds of a column.

    Returns
    -------
    list of ndarray of shape (n_thresholds_of_column,)
    """
    found = []
    for column in X.T:
        levels = np.unique(column)
        if len(levels) - 1 <= n_thresholds:
            found.append((levels[:-1] + levels[1:]) / 2)
            continue
        at = np.quantile(column, np.arange(1, n_thresholds + 1) / (n_thresholds + 1))
        # between the quantile and the next level, so that new rows fall on the same side
        below = np.unique(np.searchsorted(levels, at, side="right") - 1)
        below = np.minimum(below, len(levels) - 2)
        found.append((levels[below] + levels[below + 1]) / 2)
    return found


def find_bins(X: np.ndarray, thresholds: list[np.ndarray]) -> np.ndarray:
    """Number the bin of each value.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    thresholds : list of ndarray

    Returns
    -------
    ndarray of int of shape (n_samples, n_features)
    """
    columns = [np.searchsorted(t, x, side="left") for t, x in zip(thresholds, X.T, strict=True)]
    return np.stack(columns, axis=1)


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
    for j in range(bins.shape[1]):
        n_bins = int(bins[:, j].max()) + 1
        if n_bins < 2:
            continue
        if depth < 3:
            values = _two_levels(scores, bins, j, n_bins, depth, least)
        else:
            values = _three_levels(scores, bins, j, n_bins, least)
        k = int(values.argmax())
        if values[k] > best:
            best, feature, cut = float(values[k]), j, k
    return feature, cut


def _three_levels(
    scores: np.ndarray, bins: np.ndarray, j: int, n_bins: int, least: int
) -> np.ndarray:
    """Value every first split by the best trees of depth 2 on both sides."""
    values = np.full(n_bins - 1, -np.inf)
    for k in range(n_bins - 1):
        left = bins[:, j] <= k
        if min(left.sum(), (~left).sum()) >= least and (bins[left, j] == k).any():
            sides = (search(scores[own], bins[own], 2, least).value for own in (left, ~left))
            values[k] = sum(sides)
    return values


def _two_levels(
    scores: np.ndarray, bins: np.ndarray, j: int, n_bins: int, depth: int, least: int
) -> np.ndarray:
    """Value every first split by a column, with a further split on both sides if depth is 2.

    Sums of scores over cells of two columns hold the sums of every quarter that two splits make.
    """
    columns = np.column_stack([scores, np.ones(len(scores))])
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


def _leaf(sums: np.ndarray, least: int) -> np.ndarray:
    """Value leaves by their best arm; minus infinity where they hold too few rows."""
    return np.where(sums[..., -1] >= least - 0.5, sums[..., :-1].max(axis=-1), -np.inf)
