"""Known probabilities of arms."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import Treatments, check_numbers, shorten
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths


def check_propensity(propensity: Any, treatments: Treatments, n_samples: int) -> np.ndarray | None:
    """Check the known probability of each arm.

    Parameters
    ----------
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), or None
        Probability of each arm; a single column, or number, is that of the second arm of two.
    treatments : Treatments
        Kind of T and its arms.
    n_samples : int
        Number of rows.

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms) or None
        Probability of each arm.

    Raises
    ------
    TargetError
        If there are no arms, the shape is wrong, or a row is no set of probabilities.
    """
    if propensity is None:
        return None
    if treatments.kind != "discrete":
        raise TargetError(f"`propensity` goes with arms, but `T` was read as {treatments.kind}")
    if np.ndim(propensity) == 0 and treatments.n_arms == 2:
        propensity = np.full(n_samples, propensity)
    values = check_numbers(as_column_array(propensity, "propensity"), "propensity")
    check_lengths({"propensity": values, "T": np.empty(n_samples)})
    values = values.reshape(n_samples, -1)
    if values.shape[1] != treatments.n_arms and (values.shape[1], treatments.n_arms) != (1, 2):
        raise TargetError(
            f"`propensity` must have one column for each of the {treatments.n_arms} arms "
            f"{shorten(treatments.labels)}, got shape {values.shape}"
        )
    if (values <= 0).any() or (values >= 1).any():
        raise TargetError(
            "`propensity` must lie strictly between 0 and 1, got "
            f"{values.min():g} to {values.max():g}"
        )
    if values.shape[1] == 1:
        check_single_propensity(treatments, values)
        return np.hstack([1 - values, values])
    sums = values.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > 1e-6:
        raise TargetError(
            f"`propensity` must sum to 1 in every row, got {sums[worst]:g} in row {worst}"
        )
    return values


def check_single_propensity(treatments: Treatments, values: np.ndarray) -> None:
    """Refuse a single column of probabilities where it is not plain whose they are.

    Parameters
    ----------
    treatments : Treatments
        Two arms.
    values : ndarray
        More than one number if it varies.
    """
    if treatments.control == 1 and (values != 0.5).any():
        first, second = treatments.labels
        raise TargetError(
            f"`propensity` with a single column is the probability of {second!r}, the second arm, "
            f"but {second!r} is the control here; give a column for each of the arms "
            f"[{first!r}, {second!r}]"
        )
