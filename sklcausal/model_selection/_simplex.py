"""Least squares with weights that are shares."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls


def convex_weights(columns: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Find the convex combination of columns that is closest to a target.

    With ``D`` the distances of the target from each column, the weights minimise ``|D b|^2`` over
    the simplex. Nonnegative least squares of ``|D u|^2 + (sum u - 1)^2`` has the same conditions
    of optimality up to a factor, so that ``b = u / sum u`` is the exact solution.

    Parameters
    ----------
    columns : ndarray of shape (n, n_columns)
    target : ndarray of shape (n,)
    weight : ndarray of shape (n,)
        Of the rows.

    Returns
    -------
    ndarray of shape (n_columns,)
        At least 0, with a sum of 1.
    """
    distance = np.sqrt(weight)[:, None] * (target[:, None] - columns)
    size = np.sqrt((distance**2).sum(axis=0).min())
    if size == 0:
        first = (distance**2).sum(axis=0).argmin()
        return np.eye(columns.shape[1])[first]
    root = np.linalg.qr(distance / size, mode="r")
    system = np.vstack([root, np.ones((1, columns.shape[1]))])
    found, _ = nnls(system, np.append(np.zeros(len(root)), 1.0))
    return found / found.sum()
