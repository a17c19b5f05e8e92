"""Pack treatments and outcomes into the one target that scikit-learn hands over."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklcausal.exceptions import TargetError

__all__ = ["is_packed", "pack_targets", "unpack_targets"]

_RESERVED = ("T", "y")


def is_missing(values: np.ndarray) -> np.ndarray:
    """Mark missing entries: NaN, None, NaT and pandas' NA.

    Parameters
    ----------
    values : ndarray of any shape and dtype

    Returns
    -------
    ndarray of bool, same shape
    """
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "biuUSc":
        return np.zeros(values.shape, dtype=bool)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    flat = [
        v is None or v != v or type(v).__name__ in {"NAType", "NaTType"} for v in _safe(values)
    ]
    return np.array(flat, dtype=bool).reshape(values.shape)


def _safe(values: np.ndarray) -> list[Any]:
    # pandas.NA has no truth value, so it is replaced before it is compared with itself
    return [None if type(v).__name__ in {"NAType", "NaTType"} else v for v in values.ravel()]


def as_column_array(values: Any, name: str) -> np.ndarray:
    """Turn a list, array, series or frame into an array with 1 or 2 axes, labels untouched.

    Parameters
    ----------
    values : array-like, pandas or polars Series or DataFrame
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_columns)

    Raises
    ------
    TargetError
        If the values have no or more than 2 axes, are ragged, or hold a missing label.
    """
    if hasattr(values, "is_sparse") or hasattr(values, "tocsr"):
        raise TargetError(f"`{name}` must be a dense array, got {type(values).__name__}")
    try:
        array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    except ValueError as error:
        raise TargetError(f"`{name}` must be rectangular, got rows of unequal length") from error
    if array.ndim not in (1, 2):
        raise TargetError(
            f"`{name}` must have shape (n_samples,) or (n_samples, n_columns), got {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] == 0:
        raise TargetError(f"`{name}` must have at least 1 column, got shape {array.shape}")
    if array.dtype == object:
        array = _sharpen(array, name)
    return array


def _sharpen(array: np.ndarray, name: str) -> np.ndarray:
    """Give an object array the dtype that its values share."""
    missing = is_missing(array)
    present = array[~missing]
    kinds = {
        "bool"
        if isinstance(v, (bool, np.bool_))
        else "number"
        if isinstance(v, (int, float, np.number))
        else "text"
        if isinstance(v, str)
        else type(v).__name__
        for v in present.ravel()
    }
    if kinds <= {"number"} or (kinds == {"bool"} and missing.any()):
        out = np.full(array.shape, np.nan)
        out[~missing] = present.astype(float)
        if missing.any() or not all(isinstance(v, (int, np.integer)) for v in present.ravel()):
            return out
        return array.astype(np.int64)
    if missing.any():
        raise TargetError(f"`{name}` must not have missing labels, got {int(missing.sum())}")
    if kinds == {"bool"}:
        return array.astype(bool)
    if kinds == {"text"}:
        return array.astype(str)
    raise TargetError(
        f"`{name}` must hold values of one kind (numbers, bools or strings), "
        f"got a mix of {sorted(kinds)}"
    )


def check_same_index(**named: Any) -> None:
    """Raise where pandas objects carry different indexes, since nothing here aligns rows.

    Parameters
    ----------
    **named : object
        Arguments by name; those without a pandas index are passed over.

    Raises
    ------
    TargetError
        If two of them have the same length and different indexes.
    """
    first_name, first = "", None
    for name, value in named.items():
        index = getattr(value, "index", None)
        if index is None or callable(index):
            continue
        if first is None:
            first_name, first = name, index
        elif len(first) == len(index) and not first.equals(index):
            raise TargetError(
                f"`{first_name}` and `{name}` must have the same index, got different ones; rows "
                "are matched by position: reorder one of them or pass `.to_numpy()`"
            )


def pack_targets(T: Any, y: Any, **fields: Any) -> np.ndarray:
    """Pack treatments, outcomes and what goes with them row by row into one array.

    scikit-learn hands a single target to ``fit`` and ``score``; every splitter, search and
    pipeline indexes its rows. The packed array travels through them unmodified.

    Parameters
    ----------
    T : array-like of shape (n_samples,) or (n_samples, n_treatments)
        Treatments: labels of arms, doses, or one column for each simultaneous treatment.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
        Outcomes.
    **fields : array-like of shape (n_samples,) or (n_samples, n_columns)
        Optional fields such as ``propensity`` (probability of each arm, known from a trial),
        ``cluster`` (label of the household, school or patient a row belongs to) or ``Z`` (an
        instrument). A field whose value is None is left out.

    Returns
    -------
    targets : structured ndarray of shape (n_samples,)
        Fields ``T``, ``y`` and the optional ones.

    Raises
    ------
    TargetError
        If lengths differ, pandas indexes differ, or a value has more than 2 axes.

    See Also
    --------
    unpack_targets : The way back.

    Examples
    --------
    >>> from sklcausal import pack_targets
    >>> targets = pack_targets(["drug", "placebo"], [1.5, 0.5], cluster=[7, 8])
    >>> targets.shape, targets.dtype.names
    ((2,), ('T', 'y', 'cluster'))
    """
    named = {"T": T, "y": y} | {k: v for k, v in fields.items() if v is not None}
    check_same_index(**named)
    arrays = {name: as_column_array(value, name) for name, value in named.items()}
    check_lengths(arrays)
    dtype = [(name, a.dtype, a.shape[1:]) for name, a in arrays.items()]
    targets = np.empty(len(arrays["T"]), dtype=dtype)
    for name, array in arrays.items():
        targets[name] = array
    return targets


def check_lengths(arrays: Mapping[str, Any]) -> None:
    """Raise unless all arrays have the same number of rows.

    Parameters
    ----------
    arrays : mapping of str to array

    Raises
    ------
    TargetError
        If the numbers of rows differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        came = ", ".join(f"`{name}` {length}" for name, length in lengths.items())
        raise TargetError(f"all arguments must have the same number of rows, got {came}")


def is_packed(targets: Any) -> bool:
    """Tell whether an object is what `pack_targets` returns.

    Parameters
    ----------
    targets : object

    Returns
    -------
    bool

    Examples
    --------
    >>> from sklcausal.targets import is_packed, pack_targets
    >>> is_packed(pack_targets([0, 1], [1.0, 2.0])), is_packed([0, 1])
    (True, False)
    """
    names = getattr(getattr(targets, "dtype", None), "names", None)
    return names is not None and set(_RESERVED) <= set(names)


def unpack_targets(targets: np.ndarray) -> Bunch:
    """Unpack what `pack_targets` packed.

    Parameters
    ----------
    targets : structured ndarray of shape (n_samples,)

    Returns
    -------
    fields : Bunch
        Arrays by field name: ``T``, ``y`` and the optional ones.

    Raises
    ------
    TargetError
        If the array was not made by `pack_targets`.

    Examples
    --------
    >>> from sklcausal import pack_targets, unpack_targets
    >>> unpack_targets(pack_targets([0, 1], [1.5, 2.5])).y
    array([1.5, 2.5])
    """
    if not is_packed(targets):
        raise TargetError(
            "`targets` must be a structured array from `pack_targets(T, y)`, "
            f"got {type(targets).__name__}"
        )
    return Bunch(**{name: np.ascontiguousarray(targets[name]) for name in targets.dtype.names})
