"""Least squares of influence values on features that a user chose."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import check_numbers
from sklcausal.inference._averages import Average, covariance_of_moves
from sklcausal.targets import as_column_array, check_lengths


def read_features(
    features: Any, n: int, names: np.ndarray | None = None
) -> tuple[np.ndarray, list[str]]:
    """Put an intercept before the features and name all columns.

    Parameters
    ----------
    features : array-like of shape (n, n_columns) or (n,)
    n : int
        Number of training rows.
    names : ndarray of str or None, default=None
        Names of the columns; None takes those of a frame, or numbers them.

    Returns
    -------
    design : ndarray of shape (n, 1 + n_columns)
    names : list of str

    Raises
    ------
    ValueError
        If they hold no numbers, there is not one row for each training row, or columns are
        linearly dependent.
    """
    if names is None:
        own = getattr(features, "name", None)
        given = getattr(features, "columns", [own] if isinstance(own, str) and own else None)
        names = None if given is None else np.array([str(name) for name in given], dtype=object)
    values = check_numbers(as_column_array(features, "features"), "features")
    check_lengths({"X": np.empty(n), "features": values})
    values = values.reshape(n, -1)
    found = [f"x{j}" for j in range(values.shape[1])] if names is None else names.tolist()
    design = np.hstack([np.ones((n, 1)), values])
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if (spread == 0).any() or np.linalg.eigvalsh(scaled.T @ scaled / n)[0] < 1e-10:
        raise ValueError(
            f"`features` must have linearly independent columns that vary, got {found}"
        )
    return design, ["intercept", *found]


def project_linearly(
    design: np.ndarray, psi: np.ndarray, weight: np.ndarray, cluster: np.ndarray | None
) -> Average:
    """Regress every column of the signal on the design.

    Parameters
    ----------
    design : ndarray of shape (n, q)
    psi : ndarray of shape (n, n_targets)
    weight : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None

    Returns
    -------
    Average
        Coefficients, targets outside, with HC3 moves of the rows.
    """
    weighted = design * weight[:, None]
    gram = weighted.T @ design
    coef = np.linalg.solve(gram, weighted.T @ psi)
    projector = np.linalg.solve(gram, weighted.T).T
    leverage = np.minimum((projector * design).sum(axis=1), 0.99)
    error = (psi - design @ coef) / (1 - leverage)[:, None]
    moves = (error[:, :, None] * projector[:, None, :]).reshape(len(design), -1)
    if cluster is None:
        covariance = moves.T @ moves
    else:
        covariance = covariance_of_moves([moves], [np.arange(len(moves))], cluster)
    return Average(coef.T.ravel(), covariance, len(design), moves)
