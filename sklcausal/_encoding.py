"""Check treatments and outcomes and turn them into the numbers that the networks see."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths, is_missing

MAX_INTEGER_ARMS = 10
OUTCOME_KINDS = ("continuous", "binary", "count")
TREATMENT_TYPES = ("discrete", "dose", "simultaneous")


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

    def encode(self, T: np.ndarray, name: str = "T") -> np.ndarray:
        """Turn labels into arm codes, or doses into floats with one column per treatment.

        Parameters
        ----------
        T : ndarray of shape (n_samples,) or (n_samples, n_treatments)
        name : str
            Name of the argument, for the message.

        Returns
        -------
        ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
        """
        if self.arms is None:
            return _doses(T, name).reshape(len(T), -1)
        labels = _like(T, self.arms)
        codes = np.searchsorted(self._sorted, labels) if labels.dtype != object else None
        if codes is None:
            raise TargetError(f"`{name}` must be one of {self.labels}, got {T[:3].tolist()}")
        codes = np.minimum(codes, len(self.arms) - 1)
        unknown = self._sorted[codes] != labels
        if unknown.any():
            came = sorted({str(v) for v in np.asarray(T)[unknown][:100]})[:5]
            raise TargetError(f"`{name}` must be one of {self.labels}, got {came}")
        return np.argsort(self.arms, kind="stable")[codes]

    @property
    def _sorted(self) -> np.ndarray:
        assert self.arms is not None
        return np.sort(self.arms)

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
    levels: tuple[tuple[Any, Any] | None, ...]

    @property
    def n_outcomes(self) -> int:
        """Number of outcome columns."""
        return len(self.kinds)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Turn outcomes into floats of shape (n_samples, n_outcomes).

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)

        Returns
        -------
        ndarray of float of shape (n_samples, n_outcomes)
        """
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.n_outcomes:
            raise TargetError(
                f"`y` must have {self.n_outcomes} column(s) as in fit, got {columns.shape[1]}"
            )
        out = np.empty(columns.shape)
        for m, levels in enumerate(self.levels):
            if levels is None:
                out[:, m] = columns[:, m]
                continue
            labels = columns[:, m]
            known = np.isin(labels, levels)
            if not known.all():
                raise TargetError(
                    f"`y` must be one of {list(levels)} as in fit, got {labels[~known][0]!r}"
                )
            out[:, m] = labels == levels[1]
        return out


def _like(labels: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Give labels the kind of the arms where that loses nothing (1.0 and True are 1)."""
    if arms.dtype.kind == labels.dtype.kind == "U":
        return labels
    if arms.dtype.kind in "biuf" and labels.dtype.kind in "biuf":
        return labels.astype(float)
    return labels.astype(object)


def _doses(T: np.ndarray, name: str) -> np.ndarray:
    if T.dtype.kind not in "biuf":
        raise TargetError(f"`{name}` must hold numbers, got dtype {T.dtype}")
    T = T.astype(float)
    _check_finite(T, name)
    return T


def _check_finite(values: np.ndarray, name: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise TargetError(
            f"`{name}` must not contain NaN or infinity, got {int(bad.sum())} such value(s), "
            f"first in row {row}"
        )


def check_treatments(
    T: np.ndarray,
    *,
    treatment_type: str = "auto",
    treatments: Sequence[Any] | None = None,
    control: Any = None,
    names: Sequence[str] | None = None,
) -> Treatments:
    """Find out what kind of treatment T is.

    Parameters
    ----------
    T : ndarray of shape (n_samples,) or (n_samples, n_treatments)
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}
    treatments : sequence of labels or None
        All arms, when some may be absent from T.
    control : label or None
        Reference arm, first of the sorted labels when None.
    names : sequence of str or None
        Column names of T.

    Returns
    -------
    Treatments
    """
    if T.ndim == 2 and T.shape[1] == 1 and treatment_type != "simultaneous":
        T = T[:, 0]
    if is_missing(T).any():
        rows = np.flatnonzero(is_missing(T).reshape(len(T), -1).any(axis=1))
        raise TargetError(f"`T` must not be missing, got {len(rows)} row(s), first {rows[0]}")
    if T.dtype.kind == "f":
        _check_finite(T, "T")
    kind = _treatment_kind(T, treatment_type)
    if kind != "discrete":
        if treatments is not None:
            raise TargetError(f"`treatments` goes with arms, but `T` was read as {kind}")
        columns = _doses(T, "T").reshape(len(T), -1)
        return _dose_columns(columns, kind, names)
    return _arms(T, treatments, control)


def _treatment_kind(T: np.ndarray, treatment_type: str) -> str:
    if T.ndim == 2:
        if treatment_type not in ("auto", "simultaneous"):
            raise TargetError(
                f"`T` must have shape (n_samples,) for treatment_type={treatment_type!r}, "
                f"got {T.shape}"
            )
        return "simultaneous"
    if treatment_type == "simultaneous":
        raise TargetError(
            "`T` must have shape (n_samples, n_treatments) for treatment_type='simultaneous', "
            f"got {T.shape}"
        )
    if treatment_type != "auto":
        return treatment_type
    if T.dtype.kind in "bU":
        return "discrete"
    if T.dtype.kind not in "iuf":
        raise TargetError(f"`T` must hold numbers, bools or strings, got dtype {T.dtype}")
    levels = np.unique(T)
    if T.dtype.kind == "f" and not np.all(levels == np.round(levels)):
        return "dose"
    if len(levels) <= MAX_INTEGER_ARMS:
        return "discrete"
    raise TargetError(
        f"`T` must have at most {MAX_INTEGER_ARMS} integer levels to be read as arms, got "
        f"{len(levels)}; pass treatment_type='discrete' or 'dose'"
    )


def _dose_columns(columns: np.ndarray, kind: str, names: Sequence[str] | None) -> Treatments:
    spread = columns.max(axis=0) - columns.min(axis=0)
    if (spread == 0).any():
        k = int(np.flatnonzero(spread == 0)[0])
        raise TargetError(f"`T` must vary, got the constant {columns[0, k]} in column {k}")
    if kind == "dose":
        names = ["T"] if names is None else names
    elif names is None:
        names = [f"T{k}" for k in range(columns.shape[1])]
    binary = tuple(bool(np.isin(c, (0.0, 1.0)).all()) for c in columns.T)
    return Treatments(kind, None, 0, tuple(map(str, names)), binary)


def _arms(T: np.ndarray, treatments: Sequence[Any] | None, control: Any) -> Treatments:
    found = np.unique(T)
    if treatments is None:
        arms = found
    else:
        arms = as_column_array(list(treatments), "treatments")
        if len(np.unique(arms)) != len(arms):
            raise TargetError(f"`treatments` must not repeat a label, got {arms.tolist()}")
    if len(arms) < 2:
        raise TargetError(f"`T` must have at least 2 levels, got {len(arms)}: {arms.tolist()}")
    if control is None:
        code = 0
    else:
        same = [i for i, arm in enumerate(arms.tolist()) if arm == control]
        if not same:
            raise TargetError(f"`control` must be one of {arms.tolist()}, got {control!r}")
        code = same[0]
    schema = Treatments("discrete", arms, code, tuple(str(a) for a in arms.tolist()))
    schema.encode(found)
    return schema


def check_outcomes(
    y: np.ndarray, *, outcome: str | Sequence[str] = "auto", names: Sequence[str] | None = None
) -> Outcomes:
    """Find out what kind of outcome each column of y is.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)
    outcome : {'auto', 'continuous', 'binary', 'count'} or sequence of them, one per column
    names : sequence of str or None
        Column names of y.

    Returns
    -------
    Outcomes
    """
    columns = y.reshape(len(y), -1)
    n_outcomes = columns.shape[1]
    asked = [outcome] * n_outcomes if isinstance(outcome, str) else list(outcome)
    if len(asked) != n_outcomes or not set(asked) <= {"auto", *OUTCOME_KINDS}:
        raise TargetError(
            f"`outcome` must be one of {['auto', *OUTCOME_KINDS]}, or a list with one of them "
            f"for each of the {n_outcomes} column(s) of `y`, got {outcome!r}"
        )
    names = tuple(str(n) for n in (names or [f"y{m}" for m in range(n_outcomes)]))
    found = [_outcome_column(columns[:, m], kind, names[m]) for m, kind in enumerate(asked)]
    kinds, levels = zip(*found, strict=True)
    return Outcomes(tuple(kinds), names, y.ndim == 1, tuple(levels))


def _outcome_column(values: np.ndarray, kind: str, name: str) -> tuple[str, Any]:
    if values.dtype.kind not in "biufU":
        raise TargetError(f"`y` must hold numbers, bools or two strings, got dtype {values.dtype}")
    if values.dtype.kind == "f":
        _check_finite(values, "y")
    found = np.unique(values)
    if len(found) < 2:
        raise TargetError(f"`y` must vary, got the constant {found.tolist()[0]!r} in {name}")
    if values.dtype.kind == "U":
        if len(found) > 2 or kind not in ("auto", "binary"):
            raise TargetError(
                f"`y` must hold numbers, or two strings for a binary outcome, got {len(found)} "
                f"different strings in {name}, first {found[:3].tolist()}; "
                "are `T` and `y` swapped?"
            )
        return "binary", tuple(found.tolist())
    is_binary = len(found) == 2 and set(found.astype(float)) == {0.0, 1.0}
    if kind == "auto":
        return ("binary" if is_binary else "continuous"), None
    if kind == "binary" and not is_binary:
        raise TargetError(
            f"`y` must hold 0 and 1 for outcome='binary', got {len(found)} values in {name}, "
            f"first {found[:3].tolist()}"
        )
    if kind == "count" and ((found < 0).any() or (found != np.round(found)).any()):
        raise TargetError(
            f"`y` must hold integers of at least 0 for outcome='count', got "
            f"{found[(found < 0) | (found != np.round(found))][0]} in {name}"
        )
    return kind, None


def looks_swapped(treatments: Treatments, y: np.ndarray) -> bool:
    """Tell whether T reads like an outcome and y like arms.

    Parameters
    ----------
    treatments : Treatments
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)

    Returns
    -------
    bool
    """
    return treatments.kind == "dose" and y.ndim == 1 and len(np.unique(y)) == 2


def check_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Check row weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), scalar or None
    n_samples : int

    Returns
    -------
    ndarray of float of shape (n_samples,) or None
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
    weight = _doses(weight, "sample_weight")
    if (weight < 0).any():
        raise TargetError(f"`sample_weight` must be at least 0, got {weight.min()}")
    if weight.sum() == 0:
        raise TargetError("`sample_weight` must not be zero in every row")
    return weight


def check_propensity(propensity: Any, treatments: Treatments, n_samples: int) -> np.ndarray | None:
    """Check the known probability of each arm.

    Parameters
    ----------
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), or None
        A single column is the probability of the second arm of two.
    treatments : Treatments
    n_samples : int

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms) or None
    """
    if propensity is None:
        return None
    if treatments.kind != "discrete":
        raise TargetError(f"`propensity` goes with arms, but `T` was read as {treatments.kind}")
    values = _doses(as_column_array(propensity, "propensity"), "propensity")
    check_lengths({"propensity": values, "T": np.empty(n_samples)})
    values = values.reshape(n_samples, -1)
    if values.shape[1] == 1 and treatments.n_arms == 2:
        values = np.hstack([1 - values, values])
    if values.shape[1] != treatments.n_arms:
        raise TargetError(
            f"`propensity` must have one column for each of the {treatments.n_arms} arms "
            f"{treatments.labels}, got shape {values.shape}"
        )
    if (values <= 0).any() or (values >= 1).any():
        raise TargetError(
            f"`propensity` must lie strictly between 0 and 1, got {values.min()} to {values.max()}"
        )
    if np.abs(values.sum(axis=1) - 1).max() > 1e-6:
        raise TargetError("`propensity` must sum to 1 in every row")
    return values
