"""Read which treatments are compared."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklcausal._encoding import Treatments, shorten
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths


@dataclass(frozen=True)
class Contrast:
    """Treatments that are compared, as codes of arms or as doses.

    Attributes
    ----------
    t0, t1 : ndarray of shape (1 or n, n_contrasts) or (1 or n, n_contrasts, n_treatments)
        One for all rows, or one for each.
    names : tuple of str
        Name of each contrast; empty where rows differ.
    """

    t0: np.ndarray
    t1: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def n_contrasts(self) -> int:
        """Number of contrasts."""
        return self.t1.shape[1]

    @property
    def points(self) -> np.ndarray:
        """Treatments whose mean outcomes are needed: all of t0, then all of t1."""
        n = max(len(self.t0), len(self.t1))
        return np.concatenate(
            [np.broadcast_to(t, (n, *t.shape[1:])) for t in (self.t0, self.t1)], axis=1
        )

    def of(self, rows: Any) -> Contrast:
        """Return what some rows compare.

        Parameters
        ----------
        rows : slice or ndarray of int

        Returns
        -------
        Contrast
        """
        ends = [t if len(t) == 1 else t[rows] for t in (self.t0, self.t1)]
        return Contrast(ends[0], ends[1], self.names)

    def groups(self, n: int) -> list[tuple[np.ndarray, Contrast]]:
        """Group rows by what they compare.

        Parameters
        ----------
        n : int
            Number of rows.

        Returns
        -------
        list of tuple
            Rows and their common contrast.
        """
        if len(self.points) == 1:
            return [(np.arange(n), self)]
        flat = self.points.reshape(n, -1)
        _, first, group = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        order = np.split(
            np.argsort(group.ravel(), kind="stable"), np.cumsum(np.bincount(group.ravel()))[:-1]
        )
        return [(rows, self.of([i])) for rows, i in zip(order, first, strict=True)]


class Contrasts:
    """Read what a user wants to compare.

    Parameters
    ----------
    treatments : Treatments
        Kind of T, with its arms or columns.
    mean : ndarray of shape (n_treatments,) or None
        Mean dose, from which a missing end of a contrast is taken.
    """

    def __init__(self, treatments: Treatments, mean: np.ndarray | None):
        self.treatments, self.mean = treatments, mean

    def __call__(self, T0: Any, T1: Any) -> Contrast:
        """Compare T1 with T0 for all rows alike.

        Parameters
        ----------
        T0, T1 : label, dose or None
            Treatments to compare; None takes the default.

        Returns
        -------
        Contrast

        Raises
        ------
        TargetError
            If T0 or T1 is no known arm, or no dose for each treatment.
        """
        return self._arms(T0, T1) if self.treatments.arms is not None else self._doses(T0, T1)

    def _arms(self, T0: Any, T1: Any) -> Contrast:
        schema = self.treatments
        base = schema.control if T0 is None else self._code(T0, "T0")
        others = range(schema.n_arms) if T1 is None else [self._code(T1, "T1")]
        shown = [a for a in others if a != base or T1 is not None]
        names = tuple(f"{schema.names[a]} vs {schema.names[base]}" for a in shown)
        return Contrast(np.full((1, len(shown)), base), np.array([shown]), names)

    def _code(self, label: Any, name: str) -> int:
        if np.ndim(label) or isinstance(label, (dict, set)):
            raise TargetError(
                f"`{name}` must be one of {shorten(self.treatments.labels)}, got {_shown(label)}"
            )
        label = label.item() if isinstance(label, np.ndarray) else label
        return int(self.treatments.encode(as_column_array([label], name), name)[0])

    def _doses(self, T0: Any, T1: Any) -> Contrast:
        names = self.treatments.names
        low, high = self.dose(T0, "T0"), self.dose(T1, "T1")
        if T0 is None and T1 is None:
            moved = low + np.eye(len(names))
            return Contrast(
                np.broadcast_to(low, (1, *moved.shape)),
                moved[None],
                tuple(f"{name} +1" for name in names),
            )
        return Contrast(low[None, None], high[None, None], (f"{_text(high)} vs {_text(low)}",))

    def dose(self, value: Any, name: str) -> np.ndarray:
        """Read one dose of every treatment.

        Parameters
        ----------
        value : float, array-like of shape (n_treatments,) or None
            None takes the mean.
        name : str
            Name of the argument, for the message.

        Returns
        -------
        ndarray of shape (n_treatments,)

        Raises
        ------
        TargetError
            If it does not hold one finite number for each treatment.
        """
        names = list(self.treatments.names)
        value = self.treatments.in_order(value, name)
        labels = getattr(value, "index", None)
        if not callable(labels) and labels is not None and set(map(str, labels)) == set(names):
            value = dict(zip(map(str, labels), np.asarray(value), strict=True))
        if isinstance(value, Mapping):
            value = self._by_name(value, name)
        point = np.asarray(self.mean if value is None else value)
        if point.dtype.kind not in "biuf" or point.size != len(names):
            allowed = "be a dose, or hold one for each row,"
            if np.ndim(value) == 1:
                allowed = "be a single dose here, the same for everybody,"
            if self.treatments.kind == "simultaneous":
                allowed = f"hold a dose for each of {names}, be a dict of such doses, or have "
                allowed += f"shape (n, {len(names)}),"
            raise TargetError(f"`{name}` must {allowed} got {_shown(value)}")
        point = point.reshape(-1).astype(float)
        if not np.isfinite(point).all():
            raise TargetError(f"`{name}` must be finite, got {_shown(value)}")
        return point

    def _by_name(self, value: Mapping[Any, Any], name: str) -> list[Any]:
        """Read doses by the names of their treatments; the others stay at their mean."""
        names = list(self.treatments.names)
        unknown = [key for key in value if str(key) not in names]
        if unknown:
            raise TargetError(f"`{name}` must name treatments out of {names}, got {unknown}")
        several = [key for key, dose in value.items() if np.ndim(dose)]
        if several:
            raise TargetError(
                f"`{name}` must hold a dose for each of {names}, got several for {several}; give "
                f"an array of shape (n, {len(names)}) for doses of each row"
            )
        assert self.mean is not None
        by_name = {str(key): dose for key, dose in value.items()}
        return [by_name.get(own, mean) for own, mean in zip(names, self.mean, strict=True)]

    def default(self) -> np.ndarray:
        """Return the treatment that others are compared with.

        Returns
        -------
        ndarray of int of shape (1,) or of float of shape (1, n_treatments)
            The control, or the mean dose.
        """
        schema = self.treatments
        return (
            np.array([schema.control]) if schema.arms is not None else self.dose(None, "T")[None]
        )

    def points(self, value: Any, name: str, n: int) -> np.ndarray:
        """Read treatments, one for all rows or one for each.

        Parameters
        ----------
        value : label, dose, or array-like of them
        name : str
            Name of the argument, for the message.
        n : int
            Number of rows.

        Returns
        -------
        ndarray of shape (1 or n,) for arms, (1 or n, n_treatments) for doses

        Raises
        ------
        TargetError
            If it is no treatment, or there is not one for each row.
        """
        schema = self.treatments
        per_row = 2 if schema.kind == "simultaneous" else 1
        if not isinstance(value, str) and _is_per_row(value, per_row):
            array = as_column_array(schema.in_order(value, name), name)
            check_lengths({"X": np.empty(n), name: array})
            return schema.encode(array[:, 0] if array.ndim > per_row else array, name)
        if schema.arms is None:
            return self.dose(value, name)[None]
        return np.array([self._code(value, name)])

    def by_row(self, T0: Any, T1: Any, n: int) -> Contrast:
        """Compare T1 with T0, where either may have one entry per row.

        Parameters
        ----------
        T0, T1 : label, dose, array-like of them or None
            Treatments to compare.
        n : int
            Number of rows.

        Returns
        -------
        Contrast

        Raises
        ------
        TargetError
            If an array does not have one entry per row.
        """
        schema = self.treatments
        given = {"T0": T0, "T1": T1}
        per_row = 2 if schema.kind == "simultaneous" else 1
        if not any(
            v is not None and not isinstance(v, str) and _is_per_row(v, per_row)
            for v in given.values()
        ):
            return self(T0, T1)
        ends = {
            name: self.points(value, name, n)[:, None]
            for name, value in given.items()
            if value is not None
        }
        if T1 is None and schema.n_arms > 2:
            raise TargetError(
                "`T1` must be given when `T0` holds one arm for each row, since rows would be "
                "compared with different arms, got None"
            )
        for name in given:
            if name in ends:
                continue
            if schema.arms is None:
                ends[name] = self.dose(None, name)[None, None]
            else:
                ends[name] = np.array([[schema.control]]) if name == "T0" else 1 - ends["T0"]
        return Contrast(ends["T0"], ends["T1"])


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
