"""Read arms, pairs of arms and propensities."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal._encoding import Treatments, shorten
from sklcausal._kinds import check_treatments
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.targets import as_column_array, is_packed, unpack_targets


def read_arms(T: Any, treatments: Any = None) -> tuple[Treatments, np.ndarray]:
    """Read the arm that each row received.

    Parameters
    ----------
    T : array-like of shape (n_samples,) or (n_samples, 1)
        Labels, or packed targets.
    treatments : array-like of shape (n_arms,) or None, default=None
        All arms, in the order of the results. None takes those in T, sorted.

    Returns
    -------
    treatments : Treatments
    codes : ndarray of int of shape (n_samples,)
    """
    labels = as_column_array(unpack_targets(T)["T"] if is_packed(T) else T, "T")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise TargetError(f"`T` must have shape (n_samples,), got {labels.shape}")
    known = check_treatments(labels, treatment_type="discrete", treatments=treatments)
    return known, known.encode(labels)


def read_pair(arms: Any, treatments: Treatments) -> tuple[int, int]:
    """Read two arms to compare.

    Parameters
    ----------
    arms : sequence of two labels
    treatments : Treatments

    Returns
    -------
    tuple of int
        Their codes.
    """
    labels = list(arms) if isinstance(arms, (Sequence, np.ndarray)) else [arms]
    known = treatments.labels
    if isinstance(arms, str) or len(labels) != 2 or not all(arm in known for arm in labels):
        raise TargetError(f"`arms` must be two of {shorten(known)}, got {arms!r}")
    first, second = (known.index(arm) for arm in labels)
    if first == second:
        raise TargetError(f"`arms` must be two different arms, got {arms!r}")
    return first, second


def read_propensity(estimator: Any, X: Any, display: str) -> np.ndarray:
    """Read the probability of each arm from a fitted estimator.

    For the rows that it was fitted to they are out-of-fold, or what was given in fit.

    Parameters
    ----------
    estimator : estimator
        The effect estimator itself.
    X : array-like of shape (n_samples, n_features)
    display : str
        Name of the display, for messages.

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms)
    """
    if not hasattr(estimator, "predict_propensity"):
        raise TypeError(
            "`estimator` must have a method `predict_propensity`, got "
            f"{type(estimator).__name__}; pass propensities to {display}.from_predictions"
        )
    if estimator.treatments_ is None:
        raise TargetError(
            f"{display} needs arms, but the estimator was fitted to "
            f"{estimator.contrasts_.treatments.kind} treatments; DoseResponseDisplay shows mean "
            "outcomes by dose, InfluenceDisplay how well its weights balance covariates"
        )
    rows = getattr(estimator, "training_rows_", None)
    held = getattr(estimator, "propensity_", None)
    if rows is not None and held is not None and np.shape(X) == rows.X.shape:
        if np.array_equal(np.asarray(X), rows.X):
            return held
    try:
        return estimator.predict_propensity(X)
    except IntervalNotAvailableError as error:
        raise IntervalNotAvailableError(
            f"{error}; or pass propensities to {display}.from_predictions"
        ) from error
