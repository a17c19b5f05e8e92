"""Turn treatments and outcomes into the numbers that the networks see, and check row weights."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_not_missing, columns_in_order, describe

# float32 overflows at 3e38, and sums and products of a few values must stay below
MAX_SIZE = 1e30


@dataclass(frozen=True)
class Treatments:
    """What was learned about T: its kind, its arms or the names of its columns."""

    kind: str
    arms: np.ndarray | None
    control: int
    names: tuple[str, ...]
    is_binary: tuple[bool, ...] = ()

    @property
    def n_arms(self) -> int:
        """Number of arms; 0 for a dose and for simultaneous treatments."""
        return 0 if self.arms is None else len(self.arms)

    def in_order(self, T: Any, name: str = "T") -> Any:
        """Bring the columns of a frame of several treatments into the order of fit.

        Parameters
        ----------
        T : array-like
            Returned as it is, unless it is a frame with named columns.
        name : str
            Name of the argument, for the message.

        Returns
        -------
        array-like

        Raises
        ------
        TargetError
            If the frame has other columns.
        """
        return T if self.arms is not None else columns_in_order(T, self.names, name)

    def encode(self, T: np.ndarray, name: str = "T") -> np.ndarray:
        """Turn labels into arm codes, or doses into floats with one column per treatment.

        Parameters
        ----------
        T : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Labels or doses.
        name : str
            Name of the argument, for the message.

        Returns
        -------
        ndarray
            Codes of shape (n_samples,), or doses of shape (n_samples, n_treatments).

        Raises
        ------
        TargetError
            If a label is unknown, a dose is no finite number, or the number of columns differs.
        """
        if self.arms is None:
            doses = check_numbers(T, name).reshape(len(T), -1)
            if doses.shape[1] != len(self.names):
                raise TargetError(
                    f"`{name}` must have {len(self.names)} column(s) as in fit, "
                    f"{list(self.names)}, got {doses.shape[1]}"
                )
            return doses
        if T.ndim == 2 and T.shape[1] == 1:
            T = T[:, 0]
        if T.ndim != 1:
            raise TargetError(f"`{name}` must have shape (n_samples,), got {T.shape}")
        order = np.argsort(self.arms, kind="stable")
        known, labels = self.arms[order], _comparable(T, self.arms)
        if labels is None:
            unknown = np.ones(len(T), dtype=bool)
            codes = np.zeros(len(T), dtype=int)
        else:
            codes = np.minimum(np.searchsorted(known, labels), len(known) - 1)
            unknown = known[codes] != labels
        if unknown.any():
            came = list(dict.fromkeys(T[unknown][:100].tolist()))
            raise TargetError(f"`{name}` must be one of {shorten(self.labels)}, got {came[:5]}")
        return order[codes]

    @property
    def labels(self) -> list[Any]:
        """Arm labels as plain Python values."""
        return [] if self.arms is None else self.arms.tolist()


@dataclass(frozen=True)
class Outcomes:
    """What was learned about y: the kind and name of each column, and its labels if any."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    one_dim: bool
    levels: tuple[tuple[Any, ...] | None, ...]
    has_missing: bool = False

    @property
    def n_outcomes(self) -> int:
        """Number of outcome columns."""
        return len(self.kinds)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Turn outcomes into floats of shape (n_samples, n_outcomes).

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)
            Outcomes.

        Returns
        -------
        ndarray of float of shape (n_samples, n_outcomes)
            Outcomes as numbers; the second of two labels is 1. With two axes NaN is a missing
            cell.

        Raises
        ------
        TargetError
            If the number of columns or a label differs from fit, or a value does not fit the kind.
        """
        columns = y.reshape(len(y), -1)
        if self.kinds[0] == "choice" and columns.shape[1] == 1:
            columns = np.repeat(columns, self.n_outcomes, axis=1)
        if columns.shape[1] != self.n_outcomes:
            raise TargetError(
                f"`y` must have {self.n_outcomes} column(s) as in fit, got {columns.shape[1]}"
            )
        out = np.empty(columns.shape)
        for m, levels in enumerate(self.levels):
            labels = columns[:, m]
            if levels is None:
                where = "" if self.one_dim else f" in column {self.names[m]!r}"
                seen = np.ones(len(labels), dtype=bool)
                if not self.one_dim and labels.dtype.kind == "f":
                    seen = ~np.isnan(labels)
                out[:, m] = np.nan
                out[seen, m] = check_values(labels[seen], self.kinds[m], where)
                continue
            known = np.isin(labels, levels)
            if not known.all():
                came = labels[~known][:1].tolist()[0]
                raise TargetError(f"`y` must be one of {list(levels)} as in fit, got {came!r}")
            out[:, m] = labels == levels[m if self.kinds[0] == "choice" else 1]
        return out


def _comparable(labels: np.ndarray, arms: np.ndarray) -> np.ndarray | None:
    """Give labels the kind of the arms where that loses nothing (1.0 and True are 1), or None."""
    kinds = arms.dtype.kind + labels.dtype.kind
    if kinds == "UU" or kinds in ("ii", "uu"):
        return labels
    return labels.astype(float) if set(kinds) <= set("biuf") else None


def shorten(values: Iterable[Any], most: int = 10) -> str:
    """Write the first of some values as a list, for messages.

    Parameters
    ----------
    values : iterable
        What to write.
    most : int
        How many to write at most.

    Returns
    -------
    str
        The list, with an ellipsis if it was cut.
    """
    values = list(values)
    if len(values) <= most:
        return str(values)
    return f"{str(values[:most])[:-1]}, ...] ({len(values)} in all)"


def check_numbers(values: np.ndarray, name: str, where: str = "") -> np.ndarray:
    """Turn finite real numbers into floats and raise for anything else.

    Parameters
    ----------
    values : ndarray
        Array of any dtype with 1 or 2 axes.
    name : str
        Name of the argument, for the message.
    where : str
        What the message adds to the name.

    Returns
    -------
    ndarray of float
        Array of the same shape.

    Raises
    ------
    TargetError
        If the values are no numbers, or one is NaN, infinite or too large for float32.
    """
    if values.dtype.kind not in "biuf":
        raise TargetError(f"`{name}` must hold numbers, got {describe(values)}{where}")
    values = values.astype(float)
    check_finite(values, name, where)
    return values


def check_finite(values: np.ndarray, name: str, where: str = "") -> None:
    """Raise where a number is NaN, infinite or too large for float32.

    Parameters
    ----------
    values : ndarray of float
        Array with 1 or 2 axes.
    name : str
        Name of the argument, for the message.
    where : str
        What the message adds to the name.

    Raises
    ------
    TargetError
        If there is such a number.
    """
    if not values.size or max(-values.min(), values.max()) <= MAX_SIZE:
        return
    bad = ~np.isfinite(values)
    must = "not contain NaN or infinity"
    if not bad.any():
        bad, must = np.abs(values) > MAX_SIZE, f"be at most {MAX_SIZE:g} in size"
    at = np.argwhere(bad)[0].tolist()
    column = f", column {at[1]}" if values.ndim == 2 and values.shape[1] > 1 else ""
    raise TargetError(
        f"`{name}` must {must}, got {int(bad.sum())} such value(s){where}, first in row "
        f"{at[0]}{column}: {values[tuple(at)]:g}"
    )


def check_values(values: np.ndarray, kind: str, where: str) -> np.ndarray:
    """Turn one column of numeric outcomes into floats and raise if they do not fit their kind.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Outcomes.
    kind : {'continuous', 'binary', 'count'}
        What they are meant to be.
    where : str
        Name of the column, for the message.

    Returns
    -------
    ndarray of float of shape (n_samples,)
        The same values.

    Raises
    ------
    TargetError
        If a value is no finite number, or none that the kind allows.
    """
    values = check_numbers(values, "y", where)
    if kind == "binary":
        bad, must = (values != 0) & (values != 1), "0 and 1"
    elif kind == "count":
        bad, must = (values < 0) | (values != np.round(values)), "integers of at least 0"
    else:
        return values
    if bad.any():
        came = shorten(np.unique(values[bad]).tolist(), 3)
        raise TargetError(f"`y` must hold {must} for outcome={kind!r}, got {came}{where}")
    return values


def check_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Check row weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        Row weights.
    n_samples : int
        Number of rows.

    Returns
    -------
    ndarray of float of shape (n_samples,) or None
        Weights with a mean of 1, since only their ratios matter.

    Raises
    ------
    TargetError
        If the shape is wrong, or a weight is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, sample_weight)
    weight = as_column_array(sample_weight, "sample_weight")
    if weight.ndim != 1:
        raise TargetError(
            f"`sample_weight` must have shape (n_samples,): Sample weights must be 1D array or "
            f"scalar, got {weight.shape}"
        )
    if weight.shape != (n_samples,):
        raise TargetError(
            f"`sample_weight` must have shape ({n_samples},), got sample_weight.shape == "
            f"{weight.shape}"
        )
    weight = check_numbers(weight, "sample_weight")
    if (weight < 0).any():
        raise TargetError(f"`sample_weight` must be at least 0, got {weight.min():g}")
    if not weight.any():
        raise TargetError("`sample_weight` must not be zero in every row, got only zeros")
    return weight / weight.mean()


def check_cluster(cluster: np.ndarray | None) -> np.ndarray | None:
    """Check labels of clusters and number them.

    Parameters
    ----------
    cluster : ndarray of shape (n_samples,) or None
        Labels.

    Returns
    -------
    ndarray of int of shape (n_samples,) or None
        Number of each row's cluster.

    Raises
    ------
    TargetError
        If there are several columns, or a label is missing.
    """
    if cluster is None:
        return None
    if cluster.ndim != 1:
        raise TargetError(f"`cluster` must have shape (n_samples,), got {cluster.shape}")
    check_not_missing(cluster, "cluster")
    return np.unique(cluster, return_inverse=True)[1]
