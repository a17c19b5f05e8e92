"""Check and order the columns that are drawn."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths
from sklcausal.utils._positions import find_position

MAX_SUM_ERROR = 1e-4  # of probabilities
MAX_NUMERIC_LEVELS = 10
MAX_LABELS = 20
MIN_ROWS_PER_LEVEL = 20
TAIL = 0.025  # share of long intervals that may be cut at the edge of the picture


def take_feature(X: Any, feature: Any) -> tuple[Any, str]:
    """Take a column of X and its name.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    feature : int or str

    Returns
    -------
    column : array-like of shape (n_samples,)
    name : str
    """
    names = [str(name) for name in getattr(X, "columns", [])]
    n_features = len(names) or np.shape(X)[1]
    if isinstance(feature, str) and not names:
        raise ValueError(f"`feature` must be a position, as `X` has no names, got {feature!r}")
    position = find_position(feature, names or [f"x{j}" for j in range(n_features)], "feature")
    frame = X if hasattr(X, "shape") else np.asarray(X)
    return _safe_indexing(frame, position, axis=1), names[position] if names else f"x{position}"


def check_numbers(values: Any, name: str, n_samples: int | None) -> np.ndarray:
    """Check that an argument is a finite column.

    Parameters
    ----------
    values : array-like of shape (n_samples,) or (n_samples, 1)
    name : str
        Name of the argument, for the message.
    n_samples : int or None
        Rows that it must have; None takes any.

    Returns
    -------
    ndarray of float of shape (n_samples,)
    """
    array = np.asarray(values)
    shape = array.shape[:1] if array.ndim == 2 and array.shape[1] == 1 else array.shape
    if len(shape) != 1 or (n_samples is not None and shape != (n_samples,)):
        wanted = "(n_samples,)" if n_samples is None else f"({n_samples},) as `effect` has"
        raise ValueError(f"`{name}` must have shape {wanted}, got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers, got dtype {array.dtype}")
    n_bad = int((~np.isfinite(array)).sum())
    if n_bad:
        raise ValueError(f"`{name}` must be finite, got {n_bad} NaN or infinite value(s)")
    return array.reshape(shape).astype(float)


def check_effects(effect: Any, low: Any, high: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """Check effects, their intervals and what they are drawn against.

    Parameters
    ----------
    effect : array-like of shape (n_samples,)
    low, high, x : array-like of shape (n_samples,) or None

    Returns
    -------
    effect : ndarray of shape (n_samples,)
    low, high, x : ndarray of shape (n_samples,) or None
    """
    effect = check_numbers(effect, "effect", None)
    if (low is None) != (high is None):
        only = "`high`" if low is None else "`low`"
        raise ValueError(f"`low` and `high` must be given together, got only {only}")
    if low is not None:
        low = check_numbers(low, "low", len(effect))
        high = check_numbers(high, "high", len(effect))
    if x is None:
        return effect, low, high, None
    x = as_column_array(x, "x")
    if x.dtype.kind not in "US":
        return effect, low, high, check_numbers(x, "x", len(effect))
    n_labels = len(np.unique(x))
    if x.shape != effect.shape or n_labels > MAX_LABELS:
        raise ValueError(
            f"`x` must have shape {effect.shape} and at most {MAX_LABELS} different labels, got "
            f"shape {x.shape} and {n_labels} labels"
        )
    return effect, low, high, x


def find_levels(x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Find labels and codes where x has few values.

    Parameters
    ----------
    x : ndarray of shape (n_samples,)

    Returns
    -------
    tuple of ndarray of shape (n_levels,) and (n_samples,), or None if x is a scale
    """
    levels, codes = np.unique(x, return_inverse=True)
    if x.dtype.kind in "US":
        return levels, codes
    few = len(levels) <= MAX_NUMERIC_LEVELS and len(levels) < len(x)
    return (np.array([f"{v:g}" for v in levels.astype(float)]), codes) if few else None


def thin(rows: np.ndarray, n_kept: int) -> np.ndarray:
    """Keep rows evenly, the first and the last among them.

    Parameters
    ----------
    rows : ndarray of int
    n_kept : int

    Returns
    -------
    ndarray of int
    """
    if len(rows) <= n_kept:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n_kept).round().astype(int)]


def place_rows(
    effect: np.ndarray, x: np.ndarray | None, max_rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Choose the rows to draw and where on the horizontal axis they stand.

    Parameters
    ----------
    effect : ndarray of shape (n_samples,)
    x : ndarray of shape (n_samples,) or None
    max_rows : int

    Returns
    -------
    rows : ndarray of int of shape (n_rows,)
    at : ndarray of float of shape (n_rows,)
    labels : ndarray of str of shape (n_levels,) or None
        Labels of the places 0, 1, ... if x has few values.
    """
    n = len(effect)
    if x is None:
        kept = thin(np.arange(n), max_rows)
        return np.argsort(effect, kind="stable")[kept], 100 * (kept + 0.5) / n, None
    levels = find_levels(x)
    if levels is None:
        rows = thin(np.lexsort((effect, x)), max_rows)
        return rows, x[rows], None
    labels, codes = levels
    parts, places = [], []
    for k in range(len(labels)):
        members = np.flatnonzero(codes == k)
        n_kept = max(round(max_rows * len(members) / n), MIN_ROWS_PER_LEVEL)
        # rows of a level stand side by side, sorted by effect
        part = thin(members[np.argsort(effect[members], kind="stable")], n_kept)
        parts.append(part)
        places.append(k + 0.8 * ((np.arange(len(part)) + 0.5) / len(part) - 0.5))
    return np.concatenate(parts), np.concatenate(places), labels


def find_limits(
    effect: np.ndarray, low: np.ndarray, high: np.ndarray, average: Sequence[float]
) -> tuple[tuple[float, float], bool]:
    """Find limits that a few very long intervals do not dominate.

    Parameters
    ----------
    effect, low, high : ndarray of shape (n_rows,)
    average : sequence of float
        Further values to keep in sight.

    Returns
    -------
    limits : tuple of float
    has_zero : bool
        Whether 0 is near enough to be in sight.
    """
    bottom, top = float(low.min()), float(high.max())
    core = (
        min(effect.min(), *average, np.quantile(low, TAIL)),
        max(effect.max(), *average, np.quantile(high, 1 - TAIL)),
    )
    if top - bottom > 1.5 * (core[1] - core[0]):
        bottom, top = core
    bottom, top = min(bottom, *average, top), max(top, *average, bottom)
    span = (top - bottom) or max(abs(top), 1.0)
    has_zero = bottom - span <= 0 <= top + span
    if has_zero:
        bottom, top = min(bottom, 0.0), max(top, 0.0)
    pad = 0.05 * (top - bottom or span)
    return (bottom - pad, top + pad), bool(has_zero)


def check_positive(value: Any, name: str) -> None:
    """Check that an argument is a positive integer.

    Parameters
    ----------
    value : object
    name : str
        Name of the argument, for the message.
    """
    if not isinstance(value, Integral) or int(value) < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, got {value!r}")


def encode_arms(T: np.ndarray, treatments: np.ndarray) -> np.ndarray:
    """Find the position of each label among the arms.

    Parameters
    ----------
    T : ndarray of shape (n_samples,)
    treatments : ndarray of shape (n_arms,)

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    arms = {arm: k for k, arm in enumerate(treatments.tolist())}
    labels = T.tolist()
    unknown = sorted({str(label) for label in labels if label not in arms})
    if unknown:
        raise TargetError(f"`T` must be one of {treatments.tolist()}, got {unknown[:5]}")
    return np.array([arms[label] for label in labels], dtype=int)


def check_probabilities(propensity: Any, treatments: np.ndarray) -> np.ndarray:
    """Check the probability of each arm; a single column is that of the second of two.

    Parameters
    ----------
    propensity : array-like of shape (n_samples, n_arms) or (n_samples,)
    treatments : ndarray of shape (n_arms,)

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms)
    """
    values = as_column_array(propensity, "propensity")
    n_arms = len(treatments)
    if values.dtype.kind not in "biuf":
        raise TargetError(f"`propensity` must hold numbers, got dtype {values.dtype}")
    if not ((values >= 0) & (values <= 1)).all():
        raise TargetError(
            f"`propensity` must lie between 0 and 1, got {values.min()} to {values.max()}"
        )
    if n_arms == 2 and (values.ndim == 1 or values.shape[1] == 1):
        values = values.reshape(-1)
        return np.stack([1 - values, values], axis=1)
    if values.ndim == 1 or values.shape[1] != n_arms:
        raise TargetError(
            f"`propensity` must have one column for each of the {n_arms} arms "
            f"{treatments.tolist()}, got shape {values.shape}"
        )
    worst = np.abs(values.sum(axis=1) - 1).max() if len(values) else 0.0
    if worst > MAX_SUM_ERROR:
        raise TargetError(f"`propensity` must sum to 1 in every row, got a sum off by {worst:.3g}")
    return values.astype(float)


def check_curve(dose: Any, values: dict[str, Any], received: Any) -> dict[str, np.ndarray]:
    """Check a curve, its bands and the doses that were received.

    Parameters
    ----------
    dose : array-like of shape (n_points,)
        Numbers or labels.
    values : dict of str to array-like of shape (n_points,) or None
        The mean, and ``low``, ``high``, ``band_low`` and ``band_high``.
    received : array-like of shape (n_samples,) or None

    Returns
    -------
    dict of str to ndarray
        What was given.
    """
    dose = as_column_array(dose, "dose")
    is_label = dose.dtype.kind in "US"
    if is_label and (dose.ndim != 1 or len(dose) > MAX_LABELS):
        raise ValueError(
            f"`dose` must have one axis and at most {MAX_LABELS} labels, got shape {dose.shape}"
        )
    if is_label and received is not None:
        raise ValueError("`received` goes with doses that are numbers, got labels in `dose`")
    given = {name: value for name, value in values.items() if value is not None}
    for low, high in (("low", "high"), ("band_low", "band_high")):
        if (low in given) != (high in given):
            only = low if low in given else high
            raise ValueError(f"`{low}` and `{high}` must be given together, got only `{only}`")
    arrays = {"dose": dose if is_label else check_numbers(dose, "dose", None)}
    arrays |= {name: check_numbers(value, name, None) for name, value in given.items()}
    check_lengths(arrays)
    if not len(dose):
        raise ValueError("`dose` must hold at least 1 point, got 0")
    if received is not None:
        arrays["received"] = check_numbers(received, "received", None)
    return arrays


def check_diagnostics(
    influence: Any, condition: Any, imbalance: Any, columns: Any
) -> dict[str, Any]:
    """Check influence values, condition numbers and imbalances.

    Parameters
    ----------
    influence : array-like of shape (n_samples,)
    condition : array-like of shape (n_samples,) or None
    imbalance : array-like of shape (n_params, n_tests) or (n_tests,), or None
    columns : sequence of str or None

    Returns
    -------
    dict of str to ndarray, sequence of str or None
        What was given, by name.
    """
    influence = check_numbers(influence, "influence", None)
    if not len(influence):
        raise ValueError("`influence` must hold at least 1 value, got 0")
    if condition is not None:
        condition = np.asarray(condition, dtype=float)
        if condition.shape != influence.shape:
            raise ValueError(
                f"`condition` must have shape {influence.shape} as `influence` has, got "
                f"{condition.shape}"
            )
        if (condition < 1 - 1e-9).any():
            raise ValueError(
                f"`condition` must be at least 1 or NaN, got {np.nanmin(condition):g}"
            )
    if imbalance is not None:
        imbalance = np.atleast_2d(np.asarray(imbalance, dtype=float))
        n_bad = int((~np.isfinite(imbalance)).sum())
        if imbalance.ndim != 2 or not imbalance.size or n_bad:
            raise ValueError(
                "`imbalance` must hold finite numbers in shape (n_params, n_tests), got "
                f"{n_bad} NaN or infinite value(s) in shape {imbalance.shape}"
            )
    n_tests = 0 if imbalance is None else imbalance.shape[1]
    if columns is not None and len(columns) != n_tests:
        raise ValueError(
            f"`columns` must name the {n_tests} column(s) of `imbalance`, got {len(columns)}"
        )
    return {
        "influence": influence,
        "condition": condition,
        "imbalance": imbalance,
        "columns": columns,
    }
