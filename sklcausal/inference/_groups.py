"""Groups of rows whose averages are asked for."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from sklcausal._encoding import shorten
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_not_missing

MAX_GROUPS = 500
MAX_TREE_ROWS = 50_000
ROWS_PER_LEAF = 8


@dataclass(frozen=True)
class Groups:
    """Labels and the rows that bear them.

    Attributes
    ----------
    labels : list
    codes : ndarray of int of shape (n,)
    """

    labels: list[Any]
    codes: np.ndarray

    @classmethod
    def read(cls, by: Any, n: int) -> Groups:
        """Check labels and number them.

        Parameters
        ----------
        by : array-like of shape (n,) or None
            None puts all rows into one group.
        n : int

        Returns
        -------
        Groups

        Raises
        ------
        TargetError
            If there is not one label for each row, or a group has a single row.
        """
        if by is None:
            return cls([None], np.zeros(n, dtype=int))
        values = as_column_array(by, "by")
        if values.shape != (n,):
            raise TargetError(
                f"`by` must hold one label for each of the {n} rows, got shape {values.shape}"
            )
        check_not_missing(values, "by")
        try:
            found, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        except TypeError as error:
            raise TargetError(
                f"`by` must hold labels of one kind, got a mixture ({error})"
            ) from error
        labels = found.tolist()
        if len(labels) > MAX_GROUPS:
            raise TargetError(
                f"`by` must have at most {MAX_GROUPS} groups, got {len(labels)}; put numbers into "
                "bands first, for example with pandas.qcut"
            )
        if counts.min() < 2:
            raise TargetError(
                "`by` must have at least 2 rows in every group, got 1 in group "
                f"{labels[int(counts.argmin())]!r}"
            )
        return cls(labels, codes)

    def rows(self) -> list[np.ndarray]:
        """Return the rows of each group.

        Returns
        -------
        list of ndarray of int
        """
        order = np.argsort(self.codes, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.codes))[:-1])

    def name(self, names: list[str]) -> list[str]:
        """Put the label of each group before the names of the targets.

        Parameters
        ----------
        names : list of str

        Returns
        -------
        list of str
        """
        if self.labels == [None]:
            return names
        return [f"{label}, {name}" for label in self.labels for name in names]

    def check(self, observed: np.ndarray) -> None:
        """Refuse groups that were formed by the treatment or the outcome.

        Parameters
        ----------
        observed : ndarray of shape (n, n_columns)
            Treatments, or indicators of arms, and outcomes.

        Raises
        ------
        TargetError
            If a small tree finds the label of every row in them.
        """
        counts = np.bincount(self.codes)
        if len(counts) < 2:
            return
        rows = np.arange(0, len(observed), 1 + len(observed) // MAX_TREE_ROWS)
        most = min(4 * len(counts) * observed.shape[1], len(rows) // ROWS_PER_LEAF)
        if most < 2:
            return
        tree = DecisionTreeClassifier(max_leaf_nodes=most, random_state=0)
        tree.fit(observed[rows], self.codes[rows])
        leaf = tree.apply(observed[rows])
        if tree.tree_.impurity[leaf].any():
            return
        # a leaf holds one label only; a label in tiny leaves is isolated, not explained
        n_leaves = [len(np.unique(leaf[self.codes[rows] == g])) for g in range(len(counts))]
        if (np.bincount(self.codes[rows]) >= ROWS_PER_LEAF * np.array(n_leaves)).all():
            raise TargetError(
                "`by` must be a function of covariates observed before the treatment, got labels "
                f"{shorten(self.labels)} that follow from `T` and `y`: such groups select people "
                "by what happened to them"
            )
