"""Nodes of shallow trees, and who goes where in plain words."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklcausal._fit_data import validate_X

SIGNS = ("<=", ">")


@dataclass(frozen=True)
class Node:
    """A leaf, or a split.

    Attributes
    ----------
    value : float
        In a policy tree the sum of the scores of its rows, each under the arm that it is given;
        in an effect tree the mean of the predicted effects.
    n_rows : int
        Rows that the tree was grown on.
    arm : int, default=-1
        Best arm for all rows of the node, in a policy tree.
    feature : int, default=-1
        Column that splits; -1 in a leaf.
    threshold : float, default=nan
        Rows up to it go to the left.
    left, right : Node or None, default=None
    """

    value: float
    n_rows: int
    arm: int = -1
    feature: int = -1
    threshold: float = np.nan
    left: Node | None = None
    right: Node | None = None

    def leaves(self) -> list[Node]:
        """Return the leaves from left to right."""
        if self.left is None or self.right is None:
            return [self]
        return self.left.leaves() + self.right.leaves()

    def assign(self, X: np.ndarray) -> np.ndarray:
        """Return the position among the leaves of each row.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        if self.left is None or self.right is None:
            return np.zeros(len(X), dtype=int)
        goes_left = X[:, self.feature] <= self.threshold
        right = len(self.left.leaves()) + self.right.assign(X)
        return np.where(goes_left, self.left.assign(X), right)

    def questions(self, names: list[str]) -> list[str]:
        """Write the question of every split, from the root downwards and left before right.

        Parameters
        ----------
        names : list of str
            Of the columns.

        Returns
        -------
        list of str
        """
        if self.left is None or self.right is None:
            return []
        own = f"{names[self.feature]} <= {write_number(self.threshold)}"
        return [own, *self.left.questions(names), *self.right.questions(names)]

    def rules(self, names: list[str]) -> list[str]:
        """Write the conditions of every leaf, from left to right.

        Parameters
        ----------
        names : list of str
            Of the columns.

        Returns
        -------
        list of str of shape (n_leaves,)
        """
        return [_write_rule(path, names) for path in self._paths()]

    def _paths(self) -> list[list[tuple[int, str, float]]]:
        if self.left is None or self.right is None:
            return [[]]
        return [
            [(self.feature, sign, self.threshold), *path]
            for sign, side in zip(SIGNS, (self.left, self.right), strict=True)
            for path in side._paths()
        ]


class ShallowTree(BaseEstimator):
    """Find the leaf of each row; what leaves mean is up to the subclass."""

    tree_: Node
    _place: np.ndarray  # of each leaf, from left to right, among the rules

    def apply(self, X: Any) -> np.ndarray:
        """Find the group of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of int of shape (n_samples,)
            Position in ``rules_``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        return self._place[self.tree_.assign(validate_X(self, X, reset=False))]


def _write_rule(path: list[tuple[int, str, float]], names: list[str]) -> str:
    """Join conditions, of which the last on either side of a column is the narrowest."""
    ends: dict[int, dict[str, float]] = {}
    for feature, sign, threshold in path:
        ends.setdefault(feature, {})[sign] = threshold
    parts = []
    for feature, own in ends.items():
        words = {sign: write_number(value) for sign, value in own.items()}
        if len(own) == 2:
            parts.append(f"{words['>']} < {names[feature]} <= {words['<=']}")
        else:
            parts += [f"{names[feature]} {sign} {word}" for sign, word in words.items()]
    return " and ".join(parts) or "everybody"


def write_number(value: float) -> str:
    """Write a number with as many digits as tell it from all others.

    Parameters
    ----------
    value : float

    Returns
    -------
    str
    """
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:g}" if float(f"{value:g}") == value else repr(float(value))
    return np.format_float_positional(value, trim="-")


def name_columns(estimator: Any) -> list[str]:
    """Name the columns of X as in fit, or by number.

    Parameters
    ----------
    estimator : estimator
        With ``n_features_in_``.

    Returns
    -------
    list of str
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in names]
