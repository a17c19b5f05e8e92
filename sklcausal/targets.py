"""Pack treatments and outcomes into the one target that scikit-learn hands over."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklcausal.exceptions import TargetError

__all__ = ["is_packed", "pack_targets", "unpack_targets"]

_RESERVED = ("T", "y")
# Fields for scorers, that estimators pass over when they are fitted.
NUISANCE_FIELDS = ("nuisance_outcome_mean", "nuisance_propensity", "nuisance_treatments")
_KINDS = {
    "S": "bytes",
    "U": "strings",
    "V": "a structured array",
    "M": "dates",
    "O": "objects",
    "c": "complex numbers",
    "m": "time differences",
}


def describe(values: np.ndarray) -> str:
    """Name what an array holds in plain words, for messages.

    Parameters
    ----------
    values : ndarray
        Array of any shape and dtype.

    Returns
    -------
    str
        Such as "strings" or "complex numbers".
    """
    return _KINDS.get(values.dtype.kind, "numbers")


def is_missing(values: np.ndarray) -> np.ndarray:
    """Mark missing entries: NaN, None, NaT and pandas' NA.

    Parameters
    ----------
    values : ndarray
        Array of any shape and dtype.

    Returns
    -------
    ndarray of bool
        Array of the same shape, true where a value is missing.
    """
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind != "O":
        return np.zeros(values.shape, dtype=bool)
    # pandas.NA has no truth value, so it is known by its name before it is compared with itself
    found = [
        v is None or type(v).__name__ in {"NAType", "NaTType"} or (v != v) is True
        for v in (v.item() if isinstance(v, np.generic) else v for v in values.ravel())
    ]
    return np.array(found, dtype=bool).reshape(values.shape)


def check_not_missing(values: np.ndarray, name: str) -> None:
    """Raise where an array has missing entries.

    Parameters
    ----------
    values : ndarray
        Array of any dtype with 1 or 2 axes.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    TargetError
        If an entry is NaN, None, NaT or NA.
    """
    missing = is_missing(values)
    if missing.any():
        raise TargetError(
            f"`{name}` must not have missing values, got {int(missing.sum())}, first in row "
            f"{int(np.argwhere(missing)[0][0])}"
        )


def as_column_array(values: Any, name: str) -> np.ndarray:
    """Turn a list, array, series or frame into an array with 1 or 2 axes, labels untouched.

    Parameters
    ----------
    values : array-like
        List, array, tensor, or pandas or polars Series or DataFrame.
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_columns)
        Numbers, bools or strings; missing numbers are NaN.

    Raises
    ------
    TargetError
        If the values have no or more than 2 axes, are ragged, mix kinds, or hold a missing label.
    """
    if hasattr(values, "tocsr") or getattr(values, "is_sparse", False) is True:
        raise TargetError(f"`{name}` must be a dense array, got {type(values).__name__}")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise TargetError(f"`{name}` must not have masked values, got a masked array")
    try:
        array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    except ValueError as error:
        raise TargetError(f"`{name}` must be rectangular, got rows of unequal length") from error
    if array.dtype.names is not None:
        raise TargetError(
            f"`{name}` must hold plain values, got a structured array with the fields "
            f"{list(array.dtype.names)}"
        )
    if array.ndim not in (1, 2):
        raise TargetError(
            f"`{name}` must have shape (n_samples,) or (n_samples, n_columns), got "
            f"{name_shape(values)}"
        )
    if array.ndim == 2 and array.shape[1] == 0:
        raise TargetError(f"`{name}` must have at least 1 column, got shape {array.shape}")
    if array.dtype.kind == "U" and isinstance(values, (list, tuple)):
        # NumPy has turned a NaN or a number beside strings into a string
        array = np.array(values, dtype=object)
    if array.dtype == object:
        array = _sharpen(array, name)
    return array


def name_shape(value: Any) -> str:
    """Name the shape of an array-like, or the type of anything else, for messages.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        Such as "(100, 2)", "None" or "dict".
    """
    if np.ndim(value):
        return str(np.shape(value))
    return "None" if value is None else type(value).__name__


def _sharpen(array: np.ndarray, name: str) -> np.ndarray:
    """Give an object array the dtype that its values share."""
    missing = is_missing(array)
    present = array[~missing]
    kinds = {_kind_of(v) for v in present}
    if kinds <= {"numbers"} or (kinds == {"bools"} and missing.any()):
        out = np.full(array.shape, np.nan)
        out[~missing] = present.astype(float)
        if missing.any() or not all(isinstance(v, Integral) for v in present):
            return out
        return array.astype(np.int64)
    if array.ndim == 2 and kinds == {"bools", "numbers"}:
        # a frame may hold both, each in columns of its own
        return np.column_stack([_sharpen(column, name).astype(float) for column in array.T])
    check_not_missing(array, name)
    if kinds == {"bools"}:
        return array.astype(bool)
    if kinds == {"strings"}:
        return array.astype(str)
    raise TargetError(
        f"`{name}` must hold numbers, bools or strings, all of one kind, got "
        f"{' and '.join(sorted(kinds))}"
    )


def _kind_of(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "bools"
    if isinstance(value, (Real, Decimal)):
        return "numbers"
    return "strings" if isinstance(value, str) else f"values of type {type(value).__name__}"


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
        instrument). A field whose value is None is left out. Weights are no field: pass
        ``sample_weight`` to ``fit``, as everywhere in scikit-learn. Names of the columns of
        frames are not kept.

    Returns
    -------
    targets : structured ndarray of shape (n_samples,)
        Fields ``T``, ``y`` and the optional ones.

    Raises
    ------
    TargetError
        If lengths differ, pandas indexes differ, a value has more than 2 axes or is packed
        already, or a field is named ``sample_weight``.

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
    if "sample_weight" in fields:
        raise TargetError(
            "`sample_weight` must be passed to fit(X, targets, sample_weight=...), got it as a "
            "field of packed targets"
        )
    named = {"T": T, "y": y} | {k: v for k, v in fields.items() if v is not None}
    check_same_index(**named)
    arrays = {name: as_column_array(value, name) for name, value in named.items()}
    check_lengths(arrays)
    dtype = [(name, a.dtype, a.shape[1:]) for name, a in arrays.items()]
    targets = np.empty(len(arrays["T"]), dtype=dtype)
    for name, array in arrays.items():
        targets[name] = array
    return targets


def columns_in_order(values: Any, names: Sequence[str], name: str) -> Any:
    """Bring the columns of a frame of treatments or outcomes into the order of fit.

    Parameters
    ----------
    values : array-like
        Returned as it is, unless it is a frame with named columns.
    names : sequence of str
        Of the columns in fit; such as T0, T1 or y0, y1 where they had none.
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
    columns = getattr(values, "columns", None)
    if columns is None or len(names) < 2:
        return values
    unnamed = list(names) == [f"{name[0]}{j}" for j in range(len(names))]
    if unnamed or list(columns) == list(range(len(columns))):
        return values  # without names in fit, or numbered by pandas
    came = {str(c): c for c in columns}
    if set(came) != set(names) or len(columns) != len(names):
        raise TargetError(
            f"`{name}` must have the columns {list(names)} as in fit, got {list(came)}"
        )
    return values[[came[own] for own in names]]


def check_lengths(arrays: Mapping[str, Any]) -> None:
    """Raise unless all arrays have the same number of rows.

    Parameters
    ----------
    arrays : mapping of str to array
        Arrays by name of the argument.

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
        Anything.

    Returns
    -------
    bool
        Whether it is a structured array with the fields ``T`` and ``y``.

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
        What `pack_targets` returned, or rows of it.

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
        names = getattr(getattr(targets, "dtype", None), "names", None)
        came = f"the fields {list(names)}" if names else type(targets).__name__
        raise TargetError(
            "`targets` must be a structured array with the fields 'T' and 'y', as "
            f"`pack_targets(T, y)` returns, got {came}"
        )
    if targets.ndim != 1:
        raise TargetError(f"`targets` must have shape (n_samples,), got {targets.shape}")
    return Bunch(**{n: np.ascontiguousarray(targets[n]) for n in targets.dtype.names or ()})
