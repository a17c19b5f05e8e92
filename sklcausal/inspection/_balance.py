"""How far apart the covariates of arms are, as they are and after weighting."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklcausal._encoding import Treatments, check_numbers, check_weights
from sklcausal._kinds import is_categorical
from sklcausal.exceptions import TargetError
from sklcausal.inspection._arms import read_arms, read_pair
from sklcausal.inspection._columns import check_probabilities
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_not_missing,
    check_same_index,
)

WEIGHTINGS = ("inverse", "overlap")
MAX_LEVELS = 100
ROUNDING = 1e-12  # of the range of a column


def _read_numbers(X: Any) -> np.ndarray:
    array = as_column_array(X, "X")
    if array.ndim != 2:
        raise ValueError(f"`X` must have shape (n_samples, n_features), got {array.shape}")
    return check_numbers(array, "X")


def _read_balancing(weight: Any, n_samples: int) -> np.ndarray:
    values = check_numbers(as_column_array(weight, "weight"), "weight")
    if values.shape != (n_samples,):
        raise TargetError(f"`weight` must have shape ({n_samples},), got {values.shape}")
    if (values < 0).any():
        raise TargetError(f"`weight` must be at least 0, got {values.min():g}")
    return values


def _weigh_by_propensity(
    propensity: Any, codes: np.ndarray, treatments: Treatments, weighting: str
) -> np.ndarray:
    """Compute the weight of each row, up to a factor for each arm."""
    values = check_probabilities(propensity, np.asarray(treatments.arms))
    check_lengths({"propensity": values, "T": codes})
    own = values[np.arange(len(codes)), codes]
    if (own == 0).any():
        raise TargetError(
            "`propensity` of the arm that was received must be above 0, got 0 in row "
            f"{int(own.argmin())}; np.maximum(propensity, 0.01) keeps it away from 0"
        )
    if weighting == "inverse":
        return 1 / own
    # of arms that were impossible the harmonic mean is 0, and so is the weight
    with np.errstate(divide="ignore"):
        return 1 / (own[:, None] / values).sum(axis=1)


def _moments(
    numbers: np.ndarray, codes: np.ndarray, n_arms: int, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute weighted means and variances of the columns, (n_arms, n_features), NaN if empty."""
    mean, variance = np.full((2, n_arms, numbers.shape[1]), np.nan)
    for arm in range(n_arms):
        rows = np.flatnonzero((codes == arm) & (weight > 0))
        if len(rows):
            mean[arm] = np.average(numbers[rows], axis=0, weights=weight[rows])
            squares = (numbers[rows] - mean[arm]) ** 2
            variance[arm] = np.average(squares, axis=0, weights=weight[rows])
    return mean, variance


def standardized_differences(
    X: Any,
    T: Any,
    *,
    propensity: Any = None,
    weighting: str = "inverse",
    weight: Any = None,
    treatments: Any = None,
    arms: Any = None,
    sample_weight: Any = None,
) -> np.ndarray:
    """Compute standardised mean differences of covariates between arms.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Covariates as finite numbers.
    T : array-like of shape (n_samples,)
        Arm that each row received, or packed targets.
    propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None, default=None
        Probability of each arm given x, to weight by; a single column is that of the second of
        two arms. None leaves the arms as they are.
    weighting : {'inverse', 'overlap'}, default='inverse'
        'inverse' weights a row by 1 / pi_T(x), which makes every arm look like all rows;
        'overlap' by that times the harmonic mean of its propensities, which makes every arm look
        like the rows whose treatment was open.
    weight : array-like of shape (n_samples,) or None, default=None
        Balancing weights of one's own, instead of propensity.
    treatments : array-like of shape (n_arms,) or None, default=None
        Labels of the arms, in the order of the columns of propensity. None takes those of T,
        sorted.
    arms : tuple of two labels or None, default=None
        Arms to compare: the mean of the first minus that of the second. None compares all.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights that say which population is meant, before and after weighting.

    Returns
    -------
    ndarray of shape (n_pairs, n_features)
        Differences in standard deviations. Pairs of arms are those of
        ``itertools.combinations(treatments, 2)``, the mean of the later arm minus that of the
        earlier.

    Raises
    ------
    TargetError
        If X holds anything but finite numbers, T, treatments, arms, propensity or a weight
        cannot be used, or an arm that is compared has no rows or only weights of 0.
    ValueError
        If X has not two axes, weighting is unknown, or propensity and weight are both given.

    Notes
    -----
    A difference is divided by the root of the mean of the variances within the arms, over all
    arms that have rows. They are those before balancing, so that the same difference of means
    stays the same number. A variance divides by the number of rows, or the sum of sample_weight.
    A column that is constant in all arms gives 0 where the means agree and infinity where they
    do not.

    A small difference of means does not show that other features of the distributions agree.

    References
    ----------
    .. [1] Austin, Stuart, "Moving towards best practice when using inverse probability of
       treatment weighting (IPTW) using the propensity score to estimate causal treatment effects
       in observational studies", Statistics in Medicine 2015, doi 10.1002/sim.6607, section 3.
    .. [2] Li, Li, "Propensity score weighting for causal inference with multiple treatments",
       Annals of Applied Statistics 2019, doi 10.1214/19-AOAS1282.

    Examples
    --------
    >>> from sklcausal.inspection import standardized_differences
    >>> X, T = [[1.0], [3.0], [2.0], [4.0]], ["no", "no", "yes", "yes"]
    >>> standardized_differences(X, T)
    array([[1.]])
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"`weighting` must be one of {WEIGHTINGS}, got {weighting!r}")
    if propensity is not None and weight is not None:
        raise ValueError("`weight` must be None where `propensity` is given, got both")
    check_same_index(X=X, T=T, propensity=propensity, weight=weight, sample_weight=sample_weight)
    numbers = _read_numbers(X)
    known, codes = read_arms(T, treatments)
    check_lengths({"X": numbers, "T": codes})
    pairs = [(b, a) for a, b in itertools.combinations(range(known.n_arms), 2)]
    if arms is not None:
        pairs = [read_pair(arms, known)]
    given = check_weights(sample_weight, len(codes))
    before = np.ones(len(codes)) if given is None else given
    after = before
    if propensity is not None:
        after = before * _weigh_by_propensity(propensity, codes, known, weighting)
    elif weight is not None:
        after = before * _read_balancing(weight, len(codes))
    # between 0 and 1 neither squares nor differences lose what the units of a column would
    seen = numbers[before > 0]
    low, high = seen.min(axis=0), seen.max(axis=0)
    scaled = (numbers - low) / np.where(high > low, high - low, 1.0)
    mean, variance = _moments(scaled, codes, known.n_arms, before)
    if after is not before:
        mean, _ = _moments(scaled, codes, known.n_arms, after)
    for arm in sorted({arm for pair in pairs for arm in pair}):
        if np.isnan(mean[arm]).any():
            raise TargetError(
                "`T` must hold every arm that is compared with a positive weight, got none of "
                f"{known.labels[arm]!r}"
            )
    deviation = np.sqrt(np.nanmean(variance, axis=0))
    deviation[deviation < ROUNDING] = 0.0
    difference = np.stack([mean[a] - mean[b] for a, b in pairs])
    differs = np.abs(difference) > ROUNDING
    with np.errstate(divide="ignore"):
        return np.divide(difference, deviation, out=np.zeros_like(difference), where=differs)


def encode_covariates(X: Any) -> tuple[np.ndarray, list[str]]:
    """Turn columns of labels into columns of 0 and 1, and name all.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Of two labels the second becomes a column, of more every one.

    Returns
    -------
    numbers : ndarray of float of shape (n_samples, n_columns)
    names : list of str
    """
    frame = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
    if hasattr(X, "tocsr") or len(frame.shape) != 2 or not all(frame.shape):
        raise ValueError(
            "`X` must be a dense array or a frame of shape (n_samples, n_features), got "
            f"{type(X).__name__} of shape {frame.shape}"
        )
    given = [str(name) for name in getattr(X, "columns", [])]
    parts: list[np.ndarray] = []
    names: list[str] = []
    for j, name in enumerate(given or [f"x{j}" for j in range(frame.shape[1])]):
        column = _safe_indexing(frame, j, axis=1)
        values = as_column_array(column, f"X[{name!r}]")
        check_not_missing(values, f"X[{name!r}]")
        if values.dtype.kind in "biuf" and not is_categorical(column):
            parts.append(values[:, None])
            names.append(name)
            continue
        levels, codes = np.unique(values.astype(str), return_inverse=True)
        if len(levels) > MAX_LEVELS:
            raise ValueError(
                f"`X` must have at most {MAX_LEVELS} labels in a column, got {len(levels)} in "
                f"{name!r}"
            )
        shown = range(len(levels) == 2, len(levels))
        parts.append((codes[:, None] == np.array(shown)).astype(float))
        names += [f"{name} = {levels[k]}" for k in shown]
    return np.concatenate(parts, axis=1).astype(float), names
