"""Weights for outcomes that were censored before they were seen."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import check_numbers
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, check_lengths, check_not_missing

MIN_CHANCE = 0.01


def censoring_weights(
    time: Any, event: Any, *, horizon: float | None = None, strata: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Weight rows by the inverse chance that their outcome was not censored.

    The chance is estimated by Kaplan and Meier's method, from the times of censoring, within
    strata. With the weights, ``fit(X, T, y, sample_weight=weight)`` estimates effects on the
    time until the event, or until the horizon if that comes first.

    Parameters
    ----------
    time : array-like of shape (n_samples,)
        Time until the event or until censoring, whichever came first.
    event : array-like of shape (n_samples,)
        1 or True where the event was seen, 0 or False where the row was censored.
    horizon : float or None, default=None
        Time at which observation ends for the question asked. None takes the last event.
    strata : array-like of shape (n_samples,) or None, default=None
        Labels within which censoring is estimated, such as the arms.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        Time until the event or the horizon.
    weight : ndarray of shape (n_samples,)
        0 for rows that were censored before both, else at least 1.

    Raises
    ------
    TargetError
        If times are negative or not finite, events are not 0 or 1, lengths differ, or nothing is
        left at the horizon.

    Notes
    -----
    Censoring must be independent of the event's time and of x given the strata, and some rows
    must be under observation until the horizon. Standard errors take the weights as known, which
    makes them a little too large. Chances below 0.01 are lifted to that.

    References
    ----------
    .. [1] Robins, Rotnitzky, "Recovery of information and adjustment for dependent censoring using
       surrogate markers", in AIDS Epidemiology, 1992.

    Examples
    --------
    >>> from sklcausal.inference import censoring_weights
    >>> y, weight = censoring_weights([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 1], horizon=3.5)
    >>> y
    array([1. , 2. , 3. , 3.5])
    >>> weight
    array([1. , 0. , 1.5, 1.5])
    """
    times = check_numbers(as_column_array(time, "time"), "time")
    seen = check_numbers(as_column_array(event, "event"), "event")
    check_lengths({"time": times, "event": seen})
    if times.ndim != 1 or (times < 0).any():
        raise TargetError(
            f"`time` must hold one number for each row, 0 or larger, got shape {times.shape} and "
            f"a smallest value of {times.min():g}"
        )
    if not np.isin(seen, (0.0, 1.0)).all():
        raise TargetError(f"`event` must hold 0 and 1, got {np.unique(seen)[:5].tolist()}")
    labels = np.zeros(len(times), dtype=int)
    if strata is not None:
        values = as_column_array(strata, "strata")
        check_lengths({"time": times, "strata": values})
        check_not_missing(values, "strata")
        labels = np.unique(values, return_inverse=True)[1].ravel()
    if horizon is None:
        horizon = float(times[seen == 1].max()) if (seen == 1).any() else float(times.max())
    if not np.isfinite(horizon) or horizon <= 0:
        raise TargetError(f"`horizon` must be a positive number, got {horizon!r}")
    is_known = (seen == 1) | (times >= horizon)
    y = np.minimum(times, horizon)
    weight = np.zeros(len(times))
    for label in range(labels.max() + 1):
        own = labels == label
        if not (own & is_known).any():
            raise TargetError(
                f"`event` or `horizon` must leave outcomes in every stratum, but all "
                f"{int(own.sum())} rows of stratum {label} were censored before {horizon:g}"
            )
        chance = _chance_of_being_seen(times[own], seen[own], y[own])
        weight[own] = is_known[own] / np.maximum(chance, MIN_CHANCE)
    return y, weight


def _chance_of_being_seen(times: np.ndarray, seen: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Estimate the chance of not being censored before each time ``at``."""
    order, censored = np.sort(times), np.unique(times[seen == 0])
    # events at the same time come first, and are not at risk of being censored
    at_risk = len(times) - np.searchsorted(order, censored, side="left")
    ended = np.array([((times == u) & (seen == 1)).sum() for u in censored])
    lost = np.array([((times == u) & (seen == 0)).sum() for u in censored])
    kept = np.cumprod(1 - lost / np.maximum(at_risk - ended, 1))
    return np.append(1.0, kept)[np.searchsorted(censored, at, side="left")]
