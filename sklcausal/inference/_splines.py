"""Natural cubic splines of the columns that a network found useful."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# quantiles of the knots, by the number of features that a column gets; the outer knots stand far
# out, since the spline is linear beyond them
KNOTS = {
    7: np.concatenate([[0.02], np.linspace(1 / 14, 13 / 14, 6), [0.98]]),
    5: np.concatenate([[0.02], np.linspace(0.12, 0.88, 4), [0.98]]),
    3: np.array([0.02, 0.35, 0.65, 0.98]),
    1: np.empty(0),
}
MIN_COLUMNS = 4


@dataclass
class AdditiveSplines:
    """Natural cubic splines of several columns, one beside the other.

    Attributes
    ----------
    columns : ndarray of int of shape (n_columns,)
    knots : list of ndarray
        Knots of each column; a column with fewer than 3 is left linear.
    """

    columns: np.ndarray
    knots: list[np.ndarray]

    @classmethod
    def learn(cls, X: np.ndarray, importance: np.ndarray, n_features: int) -> AdditiveSplines:
        """Take the most important columns, as many as fit, with knots at quantiles.

        Few features are spread over several columns rather than spent on one.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)
        importance : ndarray of shape (n_columns,)
        n_features : int
            Most features.

        Returns
        -------
        AdditiveSplines
        """
        wanted = min(MIN_COLUMNS, X.shape[1])
        per_column = next(df for df in KNOTS if n_features // df >= wanted or df == 1)
        columns: list[int] = []
        knots: list[np.ndarray] = []
        for j in np.argsort(-importance, kind="stable").tolist():
            if np.ptp(X[:, j]) == 0:
                continue
            own = np.unique(np.quantile(X[:, j], KNOTS[per_column]))
            own = own if len(own) > 2 else own[:0]
            n_features -= max(1, len(own) - 1)
            if n_features < 0:
                break
            columns.append(j)
            knots.append(own)
        return cls(np.array(columns, dtype=int), knots)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return sum(max(1, len(own) - 1) for own in self.knots)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Compute the features.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)

        Returns
        -------
        ndarray of shape (n, n_features)
        """
        parts = [np.empty((len(X), 0))]
        for j, knots in zip(self.columns, self.knots, strict=True):
            parts.append(natural_cubic(X[:, j].astype(float), knots))
        return np.hstack(parts)


def natural_cubic(x: np.ndarray, knots: Sequence[float] | np.ndarray) -> np.ndarray:
    """Evaluate the natural cubic spline basis without its constant.

    Parameters
    ----------
    x : ndarray of shape (n,)
    knots : sequence of float
        Increasing; the spline is linear outside. Fewer than 3 give x itself.

    Returns
    -------
    ndarray of shape (n, max(1, n_knots - 1))

    References
    ----------
    .. [1] Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", eq. (5.4).
    """
    knots = np.asarray(knots, dtype=float)
    if len(knots) < 3:
        return x[:, None]
    z = (x - knots[0]) / (knots[-1] - knots[0])
    k = (knots - knots[0]) / (knots[-1] - knots[0])
    cubes = np.maximum(z[:, None] - k, 0.0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (k[-1] - k[:-1])
    return np.hstack([z[:, None], slopes[:, :-1] - slopes[:, -1:]])


def explained_by_columns(X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Measure how much of the variance of values a spline of each column explains alone.

    Values count alike, whatever their units.

    Parameters
    ----------
    X : ndarray of shape (n, n_columns)
    values : ndarray of shape (n, n_values)

    Returns
    -------
    ndarray of shape (n_columns,)
        Shares between 0 and 1.
    """
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    values = values / np.where(spread > 1e-12 * np.abs(values).max(initial=1e-300), spread, np.inf)
    total = (values**2).sum()
    found = np.zeros(X.shape[1])
    for j, x in enumerate(X.T):
        knots = np.unique(np.quantile(x, KNOTS[3]))
        basis = natural_cubic(x - x.mean(), knots - x.mean())
        basis = basis - basis.mean(axis=0)
        if total and np.ptp(x):
            fitted = basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
            found[j] = (fitted**2).sum() / total
    return found
