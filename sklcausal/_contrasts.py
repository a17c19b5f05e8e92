"""Contrasts of treatments as linear combinations of cells."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import Treatments
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths


class Contrasts:
    """Express what is compared as combinations of cells.

    Cells are ordered arm by arm, or intercept and then slopes, outcomes within.

    Parameters
    ----------
    treatments : Treatments
    n_outcomes : int
    mean : ndarray of shape (n_treatments,) or None
        Mean dose, from which a missing end of a contrast is taken.
    """

    def __init__(self, treatments: Treatments, n_outcomes: int, mean: np.ndarray | None):
        self.treatments, self.n_outcomes, self.mean = treatments, n_outcomes, mean

    def __call__(self, T0: Any, T1: Any) -> tuple[np.ndarray, list[str]]:
        """Compare T1 with T0.

        Parameters
        ----------
        T0, T1 : label, dose or None

        Returns
        -------
        combine : ndarray of shape (n_contrasts, n_outcomes, n_cells)
        names : list of str
        """
        by_treatment, names = (
            self._arms(T0, T1) if self.treatments.arms is not None else (self._doses(T0, T1))
        )
        combine = np.einsum("ca,mk->cmak", by_treatment, np.eye(self.n_outcomes))
        return combine.reshape(len(names), self.n_outcomes, -1), names

    def _arms(self, T0: Any, T1: Any) -> tuple[np.ndarray, list[str]]:
        schema = self.treatments
        base = schema.control if T0 is None else self._code(T0, "T0")
        others = range(schema.n_arms) if T1 is None else [self._code(T1, "T1")]
        shown = [a for a in others if a != base or T1 is not None]
        unit = np.eye(schema.n_arms)
        return unit[shown] - unit[base], [
            f"{schema.names[a]} vs {schema.names[base]}" for a in shown
        ]

    def _code(self, label: Any, name: str) -> int:
        return int(self.treatments.encode(as_column_array([label], name), name)[0])

    def _doses(self, T0: Any, T1: Any) -> tuple[np.ndarray, list[str]]:
        names = self.treatments.names
        if T0 is None and T1 is None:
            moves, shown = np.eye(len(names)), [f"{name} +1" for name in names]
        else:
            low, high = self._dose(T0, "T0"), self._dose(T1, "T1")
            moves, shown = (high - low)[None], [f"{_text(high)} vs {_text(low)}"]
        return np.hstack([np.zeros((len(moves), 1)), moves]), shown

    def _dose(self, value: Any, name: str) -> np.ndarray:
        names = list(self.treatments.names)
        point = np.asarray(self.mean if value is None else value)
        if point.dtype.kind not in "biuf" or point.size != len(names):
            raise TargetError(f"`{name}` must hold a dose for each of {names}, got {value!r}")
        point = point.reshape(-1).astype(float)
        if not np.isfinite(point).all():
            raise TargetError(f"`{name}` must be finite, got {value!r}")
        return point

    def by_row(self, T0: Any, T1: Any, n: int) -> list[tuple[np.ndarray, Any, Any]] | None:
        """Group rows by what they compare, where T0 or T1 has one entry per row.

        Parameters
        ----------
        T0, T1 : label, dose, array-like of them or None
        n : int
            Number of rows.

        Returns
        -------
        list of tuple (rows, T0, T1), or None if both are the same for all rows
        """
        per_row = 2 if self.treatments.kind == "simultaneous" else 1
        given = {"T0": T0, "T1": T1}
        arrays = {
            name: as_column_array(value, name)
            for name, value in given.items()
            if value is not None and not isinstance(value, str) and np.ndim(value) == per_row
        }
        if not arrays:
            return None
        check_lengths({"X": np.empty(n), **arrays})
        codes = [
            np.unique(arrays[name], axis=0, return_inverse=True)[1].ravel()
            if name in arrays
            else np.zeros(n, dtype=int)
            for name in given
        ]
        _, first, group = np.unique(
            np.stack(codes, axis=1), axis=0, return_index=True, return_inverse=True
        )
        ends = [
            [arrays[name][i] if name in arrays else value for name, value in given.items()]
            for i in first
        ]
        return [(np.flatnonzero(group.ravel() == g), *end) for g, end in enumerate(ends)]


def _text(point: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in point)
    return shown if len(point) == 1 else f"({shown})"
