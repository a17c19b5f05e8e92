"""Contrasts of treatments as linear combinations of cells."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import Treatments, shorten
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths


class Contrasts:
    """Express what is compared as combinations of cells.

    Cells are ordered arm by arm, or intercept and then slopes, outcomes within.

    Parameters
    ----------
    treatments : Treatments
        Kind of T, with its arms or columns.
    n_outcomes : int
        Number of outcome columns.
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
            Treatments to compare; None takes the default.

        Returns
        -------
        combine : ndarray of shape (n_contrasts, n_outcomes, n_cells)
            Weights of the cells.
        names : list of str
            Name of each contrast.

        Raises
        ------
        TargetError
            If T0 or T1 is no known arm, or no dose for each treatment.
        """
        by_treatment, names = (
            self._arms(T0, T1) if self.treatments.arms is not None else (self._doses(T0, T1))
        )
        combine = np.einsum("ca,mj->cmaj", by_treatment, np.eye(self.n_outcomes))
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
        if np.ndim(label) or isinstance(label, (dict, set)):
            raise TargetError(
                f"`{name}` must be one of {shorten(self.treatments.labels)}, got {_shown(label)}"
            )
        label = label.item() if isinstance(label, np.ndarray) else label
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
            allowed = "be a dose, or hold one for each row,"
            if self.treatments.kind == "simultaneous":
                allowed = f"hold a dose for each of {names}, or have shape (n, {len(names)}),"
            raise TargetError(f"`{name}` must {allowed} got {_shown(value)}")
        point = point.reshape(-1).astype(float)
        if not np.isfinite(point).all():
            raise TargetError(f"`{name}` must be finite, got {_shown(value)}")
        return point

    def by_row(self, T0: Any, T1: Any, n: int) -> list[tuple[np.ndarray, Any, Any]] | None:
        """Group rows by what they compare, where T0 or T1 has one entry per row.

        Parameters
        ----------
        T0, T1 : label, dose, array-like of them or None
            Treatments to compare.
        n : int
            Number of rows.

        Returns
        -------
        list of tuple or None
            Rows, T0 and T1 of each group; None if both are the same for all rows.

        Raises
        ------
        TargetError
            If an array does not have one entry per row.
        """
        per_row = 2 if self.treatments.kind == "simultaneous" else 1
        given = {"T0": T0, "T1": T1}
        arrays = {
            name: as_column_array(value, name)
            for name, value in given.items()
            if value is not None and not isinstance(value, str) and _is_per_row(value, per_row)
        }
        if not arrays:
            return None
        arrays = {k: a[:, 0] if a.ndim > per_row else a for k, a in arrays.items()}
        check_lengths({"X": np.empty(n), **arrays})
        if T1 is None and self.treatments.arms is not None and self.treatments.n_arms > 2:
            raise TargetError(
                "`T1` must be given when `T0` holds one arm for each row, since rows would be "
                "compared with different arms, got None"
            )
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


def _is_per_row(value: Any, n_axes: int) -> bool:
    shape = np.shape(value)
    return len(shape) == n_axes or (n_axes == 1 and len(shape) == 2 and shape[1] == 1)


def _shown(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if np.ndim(value) == 0:
        return repr(value)
    few = np.size(value) <= 5 and isinstance(value, (list, tuple, np.ndarray))
    return str(np.asarray(value).tolist()) if few else f"an array of shape {np.shape(value)}"


def _text(point: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in point)
    return shown if len(point) == 1 else f"({shown})"
