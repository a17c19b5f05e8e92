"""Read arrays that metrics are given, and average what they come to."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import check_weights
from sklcausal.targets import as_column_array, check_same_index, describe

AVERAGES = ("uniform_average", "raw_values")


def read_array(values: Any, name: str) -> np.ndarray:
    """Read finite numbers with 1 to 3 axes.

    Parameters
    ----------
    values : array-like of shape (n, ...)
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of float of the same shape
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"`{name}` must be rectangular, got rows of unequal length") from error
    if array.dtype == object:
        array = as_column_array(array, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers, got {describe(array)}")
    if array.ndim not in (1, 2, 3) or not array.size:
        raise ValueError(
            f"`{name}` must have shape (n_samples,), (n_samples, n_contrasts) or (n_samples, "
            f"n_contrasts, n_outcomes), got {array.shape}"
        )
    n_bad = int((~np.isfinite(array)).sum())
    if n_bad:
        raise ValueError(f"`{name}` must be finite, got {n_bad} NaN or infinite value(s)")
    return array.astype(float)


def read_columns(sample_weight: Any, **named: Any) -> tuple[np.ndarray, ...]:
    """Read arrays that must agree entry by entry, whether a single column has an axis or not.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    **named : array-like of shape (n_samples, ...)
        By name of the argument.

    Returns
    -------
    tuple of ndarray
        Weights of shape (n_samples,) that sum to 1, then the arrays, each of shape
        (n_samples, ...) without axes of length 1 at the end.
    """
    check_same_index(**named, sample_weight=sample_weight)
    arrays = {name: _squeeze(read_array(value, name)) for name, value in named.items()}
    (first, wanted), *others = arrays.items()
    for name, array in others:
        if array.shape != wanted.shape:
            raise ValueError(
                f"`{name}` must have the shape {wanted.shape} that `{first}` has, got "
                f"{array.shape}"
            )
    return (read_weights(sample_weight, len(wanted)), *arrays.values())


def _squeeze(array: np.ndarray) -> np.ndarray:
    while array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def read_weights(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Read row weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    n_samples : int

    Returns
    -------
    ndarray of float of shape (n_samples,)
        They sum to 1.
    """
    weight = check_weights(sample_weight, n_samples)
    if weight is None:
        return np.broadcast_to(1 / n_samples, n_samples)  # one number, seen n times
    return weight / weight.sum()


def average(values: np.ndarray, multioutput: str) -> Any:
    """Average over contrasts and outcomes, or leave them apart.

    Parameters
    ----------
    values : ndarray of shape (...)
        One for each column.
    multioutput : {'uniform_average', 'raw_values'}

    Returns
    -------
    float or ndarray
    """
    if multioutput not in AVERAGES:
        raise ValueError(f"`multioutput` must be one of {AVERAGES}, got {multioutput!r}")
    one = np.ndim(values) == 0 or np.shape(values) == (1,)
    return values if multioutput == "raw_values" and not one else float(np.mean(values))
