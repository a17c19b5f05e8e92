"""Find out what kinds of treatments and outcomes the data hold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal._encoding import Outcomes, Treatments, check_numbers, check_values, shorten
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_not_missing, describe, is_missing

MAX_INTEGER_ARMS = 10
MAX_CHOICES = 50
OUTCOME_KINDS = ("continuous", "binary", "count", "choice")
# Smallest eigenvalue of the correlations of simultaneous treatments that can be told apart.
MIN_EIGENVALUE = 1e-8


def is_categorical(values: Any) -> bool:
    """Tell whether a series, or a frame with one column, holds pandas categories.

    Parameters
    ----------
    values : object
        Anything.

    Returns
    -------
    bool
        Whether its dtype is categorical.
    """
    dtypes = [values.dtype] if hasattr(values, "dtype") else list(getattr(values, "dtypes", []))
    return len(dtypes) == 1 and getattr(dtypes[0], "name", None) == "category"


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
        Labels or doses.
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}
        What T is.
    treatments : sequence of labels or None
        All arms, in the order of the results; None takes those in T, sorted.
    control : label or None
        Reference arm, the first of the arms when None.
    names : sequence of str or None
        Column names of T.

    Returns
    -------
    Treatments
        Kind of T, with its arms or columns.

    Raises
    ------
    TargetError
        If T cannot be read, does not vary, or contradicts the other arguments.
    """
    if T.ndim == 2 and T.shape[1] == 1 and treatment_type != "simultaneous":
        T = T[:, 0]
    check_not_missing(T, "T")
    if T.dtype.kind not in "biufU":
        raise TargetError(f"`T` must hold numbers, bools or strings, got {describe(T)}")
    if T.dtype.kind == "f":
        check_numbers(T, "T")
    kind = _treatment_kind(T, treatment_type)
    if kind == "discrete":
        return _arms(T, treatments, control)
    for name, value in {"treatments": treatments, "control": control}.items():
        if value is not None:
            raise TargetError(
                f"`{name}` goes with arms, but `T` was read as {_NAMES[kind]}; pass "
                "treatment_type='discrete' if its values are arms"
            )
    return _dose_columns(T, kind, names)


_NAMES = {"dose": "a dose", "simultaneous": "simultaneous treatments"}


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
    levels = np.unique(T)
    if T.dtype.kind == "f" and not np.all(levels == np.round(levels)):
        return "dose"
    if len(levels) <= MAX_INTEGER_ARMS:
        return "discrete"
    raise TargetError(
        f"`T` must have at most {MAX_INTEGER_ARMS} integer levels to be read as arms, got "
        f"{len(levels)}; pass treatment_type='discrete' or 'dose' (or are `T` and `y` swapped?)"
    )


def _dose_columns(T: np.ndarray, kind: str, names: Sequence[str] | None) -> Treatments:
    if T.dtype.kind == "U":
        raise TargetError(
            f"`T` must hold numbers where it is {_NAMES[kind]}, got strings in shape {T.shape}"
        )
    columns = check_numbers(T, "T").reshape(len(T), -1)
    n_columns = columns.shape[1]
    if names is None:
        names = ["T"] if kind == "dose" else [f"T{k}" for k in range(n_columns)]
    spread = columns.max(axis=0) - columns.min(axis=0)
    if (spread == 0).any():
        k = int(np.flatnonzero(spread == 0)[0])
        where = f" in column {names[k]!r}" if kind == "simultaneous" else ""
        raise TargetError(f"`T` must vary, got the constant {columns[0, k]:g}{where}")
    if n_columns > 1 and _are_dependent(columns / spread):
        raise TargetError(
            f"`T` must have linearly independent columns, got {shorten(names)}, some of which "
            "determine another; pass one column of labels if they mark the arms of one treatment"
        )
    binary = tuple(bool(np.isin(c, (0.0, 1.0)).all()) for c in columns.T)
    return Treatments(kind, None, 0, tuple(map(str, names)), binary)


def _are_dependent(columns: np.ndarray) -> bool:
    correlation = np.corrcoef(columns, rowvar=False)
    return float(np.linalg.eigvalsh(correlation)[0]) < MIN_EIGENVALUE


def _arms(T: np.ndarray, treatments: Any, control: Any) -> Treatments:
    found = np.unique(T)
    if treatments is None:
        arms = found
        if len(arms) < 2:
            raise TargetError(f"`T` must have at least 2 levels, got {len(arms)}: {arms.tolist()}")
    else:
        arms = _given_arms(treatments)
    schema = Treatments("discrete", arms, 0, tuple(str(a) for a in arms.tolist()))
    schema.encode(found)
    if control is None:
        return schema
    scalar = np.ndim(control) == 0 and not is_missing(np.array([control], dtype=object))[0]
    same = [i for i, arm in enumerate(schema.labels) if scalar and arm == control]
    if not same:
        came = f"shape {np.shape(control)}" if np.ndim(control) else repr(control)
        raise TargetError(f"`control` must be one of {shorten(schema.labels)}, got {came}")
    return Treatments("discrete", arms, same[0], schema.names)


def _given_arms(treatments: Any) -> np.ndarray:
    if isinstance(treatments, (set, frozenset, dict)):
        raise TargetError(
            "`treatments` must be a list of labels in the order of the results, got a "
            f"{type(treatments).__name__}"
        )
    arms = as_column_array(treatments, "treatments")
    if arms.ndim != 1:
        raise TargetError(f"`treatments` must have shape (n_arms,), got {arms.shape}")
    check_not_missing(arms, "treatments")
    if len(arms) < 2:
        raise TargetError(
            f"`treatments` must name at least 2 arms, got {len(arms)}: {arms.tolist()}"
        )
    if len(np.unique(arms)) != len(arms):
        raise TargetError(f"`treatments` must not repeat a label, got {shorten(arms.tolist())}")
    return arms


def check_outcomes(
    y: np.ndarray, *, outcome: str | Sequence[str] = "auto", names: Sequence[str] | None = None
) -> Outcomes:
    """Find out what kind of outcome each column of y is.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)
        Outcomes. With two axes NaN is a missing cell.
    outcome : {'auto', 'continuous', 'binary', 'count', 'choice'} or sequence of them
        Kind of every column, or of each. The labels of a choice become one outcome each.
    names : sequence of str or None
        Column names of y.

    Returns
    -------
    Outcomes
        Kind, name and labels of each column.

    Raises
    ------
    TargetError
        If y cannot be read, does not vary, or contradicts `outcome`.
    """
    columns = y.reshape(len(y), -1)
    n_outcomes = columns.shape[1]
    asked = [outcome] * n_outcomes if isinstance(outcome, str) else list(outcome)
    if len(asked) != n_outcomes or any(kind not in ("auto", *OUTCOME_KINDS) for kind in asked):
        raise TargetError(
            f"`outcome` must be one of {['auto', *OUTCOME_KINDS]}, or a list with one of them "
            f"for each of the {n_outcomes} column(s) of `y`, got {outcome!r}"
        )
    if "choice" in asked:
        return _choice(columns, asked)
    names = tuple(str(n) for n in (names or [f"y{m}" for m in range(n_outcomes)]))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TargetError(f"`y` must not name a column twice, got {shorten(twice)} more than once")
    if y.ndim == 1 and y.dtype.kind == "f" and np.isnan(y).any():
        raise TargetError(
            f"`y` must not contain NaN or infinity, got {int(np.isnan(y).sum())} such value(s), "
            f"first in row {int(np.isnan(y).argmax())}; an outcome that was not always observed "
            "needs two axes, such as y[:, None] or a frame"
        )
    found = [
        _outcome_column(
            columns[:, m] if y.ndim == 1 else _observed(columns[:, m], names[m]),
            kind,
            "" if y.ndim == 1 else f" in column {names[m]!r}",
        )
        for m, kind in enumerate(asked)
    ]
    kinds, levels = zip(*found, strict=True)
    has_missing = columns.dtype.kind == "f" and bool(np.isnan(columns).any())
    return Outcomes(tuple(kinds), names, y.ndim == 1, tuple(levels), has_missing)


def _choice(columns: np.ndarray, asked: Sequence[str]) -> Outcomes:
    """Read one column of labels of what was chosen."""
    if len(asked) > 1:
        raise TargetError(
            f"`y` must hold a single column of labels for outcome='choice', got {len(asked)}"
        )
    check_not_missing(columns, "y")
    found = np.unique(columns)
    if not 2 <= len(found) <= MAX_CHOICES:
        raise TargetError(
            f"`y` must hold 2 to {MAX_CHOICES} different labels for outcome='choice', got "
            f"{len(found)}: {shorten(found.tolist())}"
        )
    n, levels = len(found), tuple(found.tolist())
    return Outcomes(("choice",) * n, tuple(map(str, levels)), False, (levels,) * n)


def _observed(values: np.ndarray, name: str) -> np.ndarray:
    """Leave missing cells of a column out."""
    if values.dtype.kind != "f":
        return values
    observed = values[~np.isnan(values)]
    if not len(observed):
        raise TargetError(f"`y` must have observed values in column {name!r}, got only NaN")
    return observed


def _outcome_column(values: np.ndarray, kind: str, where: str) -> tuple[str, Any]:
    if values.dtype.kind not in "biufU":
        raise TargetError(
            f"`y` must hold numbers, bools or two strings, got {describe(values)}{where}"
        )
    if values.dtype.kind == "U":
        found = np.unique(values)
        if len(found) > 2 or kind not in ("auto", "binary"):
            allowed = "numbers, or two strings for a binary outcome,"
            if kind not in ("auto", "binary"):
                allowed = f"numbers for outcome={kind!r},"
            raise TargetError(
                f"`y` must hold {allowed} got {len(found)} different strings{where}, first "
                f"{found[:3].tolist()}; are `T` and `y` swapped?"
            )
        _check_varies(found, where)
        return "binary", tuple(found.tolist())
    check_values(values, kind, where)
    found = np.unique(values)
    _check_varies(found, where)
    is_binary = len(found) == 2 and bool(np.isin(found.astype(float), (0.0, 1.0)).all())
    if kind == "auto":
        return ("binary" if is_binary else "continuous"), None
    return kind, None


def _check_varies(found: np.ndarray, where: str) -> None:
    if len(found) < 2:
        raise TargetError(f"`y` must vary, got the constant {found.tolist()[0]!r}{where}")


def looks_swapped(treatments: Treatments, y: np.ndarray) -> bool:
    """Tell whether T reads like an outcome and y like arms.

    Parameters
    ----------
    treatments : Treatments
        What T was read as.
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)
        Outcomes.

    Returns
    -------
    bool
        Whether T is a dose and y holds few integers, bools or strings.
    """
    if treatments.kind != "dose" or y.size != len(y):
        return False
    levels = np.unique(y)
    few = len(levels) <= MAX_INTEGER_ARMS and 2 * len(levels) < len(y)
    return few and (levels.dtype.kind != "f" or bool(np.all(levels == np.round(levels))))
