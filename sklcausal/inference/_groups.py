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
LOG_CHANCE = -15.0


@dataclass(frozen=True)
class Groups:
    """Labels and the rows that bear them.

    Attributes
    ----------
    labels : list
    codes : ndarray of int of shape (n,)
    title : str
        Name of the labels, such as that of a Series.
    """

    labels: list[Any]
    codes: np.ndarray
    title: str = ""

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
        found = _categories(by)
        if found is not None:
            return cls._checked(*found, by, n)
        values = as_column_array(by, "by")
        if values.shape != (n,):
            raise TargetError(
                f"`by` must hold one label for each of the {n} rows, got shape {values.shape}"
            )
        check_not_missing(values, "by")
        try:
            labels, codes = np.unique(values, return_inverse=True)
        except TypeError as error:
            raise TargetError(
                f"`by` must hold labels of one kind, got a mixture ({error})"
            ) from error
        return cls._checked(labels.tolist(), codes, by, n)

    @classmethod
    def _checked(cls, labels: list[Any], codes: np.ndarray, by: Any, n: int) -> Groups:
        if codes.shape != (n,):
            raise TargetError(
                f"`by` must hold one label for each of the {n} rows, got shape {codes.shape}"
            )
        counts = np.bincount(codes, minlength=len(labels))
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
        title = getattr(by, "name", None)
        return cls(labels, codes, f"{title}=" if isinstance(title, str) and title else "")

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
        return [f"{self.title}{label}, {name}" for label in self.labels for name in names]

    def check(
        self,
        t: np.ndarray,
        y: np.ndarray,
        value: np.ndarray,
        chance: np.ndarray,
        name: str = "by",
    ) -> None:
        """Refuse groups that were formed by the treatment or the outcome.

        A group of one arm only is refused where the propensities make that all but impossible.
        Labels are refused if a small tree finds them all in treatments and outcomes, unless one
        finds them as well in what the networks expect at x. Labels that hold T or y along with
        noise pass unnoticed.

        Parameters
        ----------
        t : ndarray of shape (n,) or (n, n_treatments)
        y : ndarray of shape (n, n_outcomes)
        value : ndarray of shape (n, n_params)
            What the networks say of x.
        chance : ndarray of shape (n,)
            Probability of the arm that a row is in; ones for doses.
        name : str, default='by'
            Name of the argument, for the message.

        Raises
        ------
        TargetError
            If the labels follow from T or y.
        """
        if len(self.labels) < 2:
            return
        seen = np.eye(t.max() + 1)[t] if t.ndim == 1 else t
        in_one_arm = [t.ndim == 1 and np.ptp(t[rows]) == 0 for rows in self.rows()]
        odds = np.bincount(self.codes, np.log(chance)), np.bincount(self.codes)
        is_odd = (odds[0] < LOG_CHANCE) & (odds[0] < np.log(0.9) * odds[1])
        found = _explains(np.hstack([seen, y]), self.codes) and not _explains(value, self.codes)
        if found or (np.array(in_one_arm) & is_odd).any():
            raise TargetError(
                f"`{name}` must be a function of covariates observed before the treatment, got "
                f"labels {shorten(self.labels)} that follow from `T` and `y`: such groups select "
                "people by what happened to them"
            )


def _categories(by: Any) -> tuple[list[Any], np.ndarray] | None:
    """Read the categories of a pandas Categorical that occur, in their own order."""
    categorical = getattr(by, "cat", by)
    categories = getattr(categorical, "categories", None)
    codes = getattr(categorical, "codes", None)
    if categories is None or codes is None:
        return None
    codes = np.asarray(codes)
    if (codes < 0).any():
        raise TargetError(
            f"`by` must not be missing, got {int((codes < 0).sum())} row(s) without a category, "
            f"first in row {int((codes < 0).argmax())}"
        )
    used, codes = np.unique(codes, return_inverse=True)
    labels = [categories[u] for u in used]
    plain = [v.item() if isinstance(v, np.generic) else v for v in labels]
    return [v if isinstance(v, (bool, int, float, str)) else str(v) for v in plain], codes


def _explains(columns: np.ndarray, codes: np.ndarray) -> bool:
    """Tell whether a small tree on the columns finds the label of every row."""
    rows = np.arange(0, len(codes), 1 + len(codes) // MAX_TREE_ROWS)
    counts = np.bincount(codes[rows])
    most = min(4 * len(counts) * columns.shape[1], len(rows) // ROWS_PER_LEAF)
    if most < 2:
        return False
    tree = DecisionTreeClassifier(max_leaf_nodes=most, random_state=0)
    tree.fit(columns[rows], codes[rows])
    leaf = tree.apply(columns[rows])
    if tree.tree_.impurity[leaf].any():
        return False
    # a leaf holds one label only; a label in tiny leaves is isolated, not explained
    n_leaves = [len(np.unique(leaf[codes[rows] == g])) for g in range(len(counts))]
    return bool((counts >= ROWS_PER_LEAF * np.array(n_leaves)).all())
