"""Thresholds between the levels of a column, as numbers that read well."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np


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


def simplify_tree(tree: Any, X: np.ndarray) -> None:
    """Move the thresholds of a tree to the simplest numbers that split the same rows.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
        Changed in place.
    X : ndarray of shape (n_samples, n_features)
        Rows that it was grown on.
    """
    inside = {0: np.arange(len(X))}
    for node in range(tree.node_count):
        if tree.children_left[node] >= 0:
            own = inside.pop(node)
            values = X[own, tree.feature[node]]
            seen = values.astype(np.float32).astype(float)  # as the tree sees them
            goes_left = seen <= tree.threshold[node]
            low = max(values[goes_left].max(), seen[goes_left].max())
            high = min(values[~goes_left].min(), seen[~goes_left].min())
            if low < high:
                tree.threshold[node] = simplest(low, high)
            inside[tree.children_left[node]] = own[goes_left]
            inside[tree.children_right[node]] = own[~goes_left]
