"""Thresholds between the levels of a column, as numbers that read well."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from sklcausal.model_selection._node import Node


def simplest(low: float, high: float) -> float:
    """Find the number with the fewest decimals that parts two values.

    Parameters
    ----------
    low, high : float
        In this order, and different.

    Returns
    -------
    float
        At least ``low`` and less than ``high``.
    """
    middle = low + (high - low) / 2
    first = -int(np.floor(np.log10(max(abs(low), abs(high)))))
    for decimals in range(first, first + 17):
        unit = 10.0**-decimals
        for value in (round(middle, decimals), round(np.floor(middle / unit) * unit, decimals)):
            if low <= value < high:
                return float(value)
    return middle if middle < high else low


def cut_bins(X: np.ndarray, n_thresholds: int) -> list[np.ndarray]:
    """Choose the thresholds of each column, between levels: all of them, or those at quantiles.

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
        below = np.arange(len(levels) - 1)
        if len(below) > n_thresholds:
            at = np.quantile(column, np.arange(1, n_thresholds + 1) / (n_thresholds + 1))
            below = np.unique(np.searchsorted(levels, at, side="right") - 1)
            below = np.unique(np.minimum(below, len(levels) - 2))
        found.append(np.array([simplest(levels[k], levels[k + 1]) for k in below]))
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


def grow_tree(
    regressor: DecisionTreeRegressor, X: np.ndarray, effect: np.ndarray, weight: np.ndarray
) -> Node:
    """Grow a tree on ranks and on effects of unit size, so that units do not matter.

    Parameters
    ----------
    regressor : DecisionTreeRegressor
        Unfitted.
    X : ndarray of shape (n_rows, n_features)
    effect, weight : ndarray of shape (n_rows,)

    Returns
    -------
    Node
        With thresholds that split the same rows.
    """
    ranks = np.stack([np.unique(x, return_inverse=True)[1] for x in X.T], axis=1)
    middle = effect.mean()
    size = np.abs(effect - middle).max() or 1.0
    tree = regressor.fit(ranks, (effect - middle) / size, sample_weight=weight).tree_

    def read(node: int, rows: np.ndarray) -> Node:
        value = middle + size * float(tree.value[node, 0, 0])
        if tree.children_left[node] < 0:
            return Node(value, len(rows))
        feature = int(tree.feature[node])
        values = X[rows, feature]
        goes_left = ranks[rows, feature] <= tree.threshold[node]
        return Node(
            value,
            len(rows),
            feature=feature,
            threshold=simplest(values[goes_left].max(), values[~goes_left].min()),
            left=read(tree.children_left[node], rows[goes_left]),
            right=read(tree.children_right[node], rows[~goes_left]),
        )

    return read(0, np.arange(len(X)))
