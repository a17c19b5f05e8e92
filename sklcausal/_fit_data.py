"""Check and encode the arguments of ``fit``."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sklcausal._encoding import (
    Outcomes,
    Treatments,
    check_outcomes,
    check_propensity,
    check_treatments,
    check_weights,
    looks_swapped,
)
from sklcausal._sklearn_compat import with_readable_names
from sklcausal.exceptions import TargetError
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_same_index,
    is_packed,
    unpack_targets,
)


@dataclass
class FitData:
    """Checked and encoded arguments of ``fit``.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
    y : ndarray of shape (n_samples, n_outcomes)
    treatments : Treatments
    outcomes : Outcomes
    weight : ndarray of shape (n_samples,) or None
    propensity : ndarray of shape (n_samples, n_arms) or None
    cluster : ndarray of int of shape (n_samples,) or None
    """

    X: np.ndarray
    t: np.ndarray
    y: np.ndarray
    treatments: Treatments
    outcomes: Outcomes
    weight: np.ndarray | None
    propensity: np.ndarray | None
    cluster: np.ndarray | None


def collect_fields(estimator: Any, T: Any, y: Any, **extra: Any) -> dict[str, Any]:
    """Bring packed and separate targets to one form.

    Parameters
    ----------
    estimator : estimator
        Named in the message.
    T, y : object
        Treatments and outcomes, or packed targets in either.
    **extra : object
        Fields passed beside them; None is left out.

    Returns
    -------
    dict of str to array-like
    """
    if T is None and is_packed(y):
        T, y = y, None
    given = {name: value for name, value in extra.items() if value is not None}
    if not is_packed(T):
        if T is None or y is None:
            raise TargetError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None: "
                "call fit(X, T, y) or fit(X, pack_targets(T, y))"
            )
        return {"T": T, "y": y, **given}
    if y is not None:
        raise TargetError("`y` must be None when `T` holds packed targets, got both")
    packed = unpack_targets(T)
    both = sorted(set(packed) & set(given))
    if both:
        raise TargetError(f"`{both[0]}` must be packed or passed, got both")
    return {**packed, **given}


def validate_X(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """Check covariates as scikit-learn does.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)
    reset : bool
        Whether names and number of columns are learned or compared.

    Returns
    -------
    ndarray of float of shape (n_samples, n_features)
    """
    try:
        return validate_data(
            estimator,
            with_readable_names(X),
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_min_samples=1 + reset,
            force_writeable=reset,  # torch warns of tensors over read-only memory
        )
    except ValueError as error:
        if "could not convert string" in str(error):
            raise ValueError(
                "`X` must be numeric, got strings; encode them first, for example with "
                f"sklearn.preprocessing.OneHotEncoder ({error})"
            ) from error
        raise


def check_fit_data(
    estimator: Any, X: Any, fields: dict[str, Any], sample_weight: Any, takes_doses: bool
) -> FitData:
    """Check everything that ``fit`` gets, before any training.

    Parameters
    ----------
    estimator : estimator
        Its ``treatment_type``, ``treatments``, ``control``, ``outcome`` and ``n_folds`` are read.
    X : array-like of shape (n_samples, n_features)
    fields : dict of str to array-like
        From `collect_fields`.
    sample_weight : array-like or None
    takes_doses : bool
        Whether the estimator takes anything but arms.

    Returns
    -------
    FitData
    """
    check_same_index(X=X, **fields)
    names = {key: _column_names(fields[key]) for key in ("T", "y")}
    X = validate_X(estimator, X, reset=True)
    arrays = {key: as_column_array(value, key) for key, value in fields.items()}
    check_lengths({"X": X, **arrays})
    T, y = arrays["T"], arrays["y"]
    treatments = check_treatments(
        T,
        treatment_type=estimator.treatment_type,
        treatments=estimator.treatments,
        control=estimator.control,
        names=names["T"],
    )
    if estimator.treatment_type == "auto" and looks_swapped(treatments, y):
        raise TargetError(
            "`T` must hold treatments and `y` outcomes, got non-integer `T` and `y` with 2 values, "
            "which look swapped (the order is fit(X, T, y)); if `T` is a dose, pass "
            "treatment_type='dose'"
        )
    if treatments.kind != "discrete" and not takes_doses:
        raise TargetError(
            f"`T` must hold arms for {type(estimator).__name__}, but was read as "
            f"{treatments.kind}; TARNet takes doses and simultaneous treatments"
        )
    outcomes = check_outcomes(y, outcome=estimator.outcome, names=names["y"])
    weight = check_weights(sample_weight, len(X))
    cluster = arrays.get("cluster")
    if cluster is not None:
        if cluster.ndim != 1:
            raise TargetError(f"`cluster` must have shape (n_samples,), got {cluster.shape}")
        cluster = np.unique(cluster, return_inverse=True)[1]
    t = treatments.encode(T[:, 0] if T.ndim == 2 and treatments.kind != "simultaneous" else T)
    propensity = check_propensity(arrays.get("propensity"), treatments, len(X))
    _check_arms(t, treatments, weight, estimator.n_folds)
    _check_rows(len(X), estimator.n_folds)
    return FitData(X, t, outcomes.encode(y), treatments, outcomes, weight, propensity, cluster)


def _column_names(values: Any) -> list[str] | None:
    columns = getattr(values, "columns", None)
    if columns is not None:
        return [str(c) for c in columns]
    name = getattr(values, "name", None)
    return [name] if isinstance(name, str) and name else None


def _check_rows(n_samples: int, n_folds: int) -> None:
    if n_samples < 2 * n_folds:
        raise TargetError(
            f"`X` must have at least 2 rows for each of the n_folds={n_folds} folds, got "
            f"{n_samples} rows"
        )


def _check_arms(
    t: np.ndarray, treatments: Treatments, weight: np.ndarray | None, n_folds: int
) -> None:
    if treatments.kind != "discrete":
        return
    counts = np.bincount(t, minlength=treatments.n_arms)
    least = int(counts.argmin())
    needed = max(2, n_folds)
    if counts[least] < needed:
        raise TargetError(
            f"`T` must have at least {needed} rows in every arm (n_folds={n_folds}), got "
            f"{counts[least]} in arm {treatments.labels[least]!r}"
        )
    if weight is not None:
        totals = np.bincount(t, weights=weight, minlength=treatments.n_arms)
        if (totals == 0).any():
            raise TargetError(
                "`sample_weight` must not be zero in a whole arm, got total 0 in arm "
                f"{treatments.labels[int(totals.argmin())]!r}"
            )
