"""Check and encode the arguments of ``fit``."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples, validate_data

from sklcausal._encoding import Outcomes, Treatments, check_cluster, check_finite, check_weights
from sklcausal._kinds import check_outcomes, check_treatments, is_categorical, looks_swapped
from sklcausal._propensity import check_propensity
from sklcausal._sklearn_compat import with_readable_names
from sklcausal.exceptions import TargetError
from sklcausal.targets import (
    NUISANCE_FIELDS,
    as_column_array,
    check_lengths,
    check_same_index,
    is_packed,
    name_shape,
    unpack_targets,
)

_KIND_NAMES = {
    "discrete": "arms",
    "dose": "a dose",
    "simultaneous": "simultaneous treatments",
}
_DATES = ("date", "time", "duration", "period", "interval")


@dataclass
class FitData:
    """Checked and encoded arguments of ``fit``.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Covariates.
    t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
        Codes of arms, int, or doses, float.
    y : ndarray of shape (n_samples, n_outcomes)
        Outcomes as numbers, NaN where a cell is missing.
    treatments : Treatments
        Kind of T, with its arms or columns.
    outcomes : Outcomes
        Kind, name and labels of each column of y.
    weight : ndarray of shape (n_samples,) or None
        Row weights with a mean of 1.
    propensity : ndarray of shape (n_samples, n_arms) or None
        Known probability of each arm.
    cluster : ndarray of int of shape (n_samples,) or None
        Number of each row's cluster.
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
        Treatments ``T``, outcomes ``y`` and the fields.

    Raises
    ------
    TargetError
        If targets are missing, lack a field, hold one that the estimator does not know, or come
        both packed and apart.
    """
    if is_packed(y):
        if T is not None:
            other = "`T` and `y` both" if is_packed(T) else "`T` beside them"
            raise TargetError(f"packed targets must stand alone, as fit(X, targets), got {other}")
        T, y = y, None
    given = {name: value for name, value in extra.items() if value is not None}
    if isinstance(given.get("propensity"), Real):  # the same for everybody
        given["propensity"] = np.full(_num_samples(T), given["propensity"])
    if not is_packed(T):
        if getattr(getattr(T, "dtype", None), "names", None):
            unpack_targets(T)  # says which fields are needed
        if T is None or y is None:
            raise TargetError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None: "
                "treatments and outcomes are both needed; call fit(X, T, y) or "
                "fit(X, pack_targets(T, y))"
            )
        return {"T": T, "y": y, **given}
    if y is not None:
        raise TargetError("`y` must be None when `T` holds packed targets, got both")
    packed = unpack_targets(T)
    packed = {name: value for name, value in packed.items() if name not in NUISANCE_FIELDS}
    unknown = sorted(set(packed) - {"T", "y", *estimator._fields})
    if unknown:
        raise TargetError(
            f"packed targets must hold 'T' and 'y', and may hold {list(estimator._fields)} for "
            f"{type(estimator).__name__}, got {unknown} too"
        )
    both = sorted(set(packed) & set(given))
    if both:
        raise TargetError(f"`{both[0]}` must be packed or passed, got both")
    return {**packed, **given}


def validate_X(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """Check covariates as scikit-learn does.

    Parameters
    ----------
    estimator : estimator
        Learns or knows the names and number of columns.
    X : array-like of shape (n_samples, n_features)
        Covariates.
    reset : bool
        Whether names and number of columns are learned or compared.

    Returns
    -------
    ndarray of float of shape (n_samples, n_features)
        Covariates as numbers.

    Raises
    ------
    ValueError
        If X has the wrong shape, or other columns than in fit, or holds anything but finite
        numbers.
    TypeError
        If X is sparse or holds objects that are no numbers.
    """
    _check_X_kind(X)
    try:
        X = validate_data(
            estimator,
            with_readable_names(X),
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_min_samples=1 + reset,
            ensure_all_finite=False,  # below, with the place
            force_writeable=reset,  # torch warns of tensors over read-only memory
        )
    except (ValueError, TypeError) as error:
        raise _explain(X, error) from error
    try:
        check_finite(X, "X")
    except TargetError as error:
        found = "NaN: " if np.isnan(X).any() else ""
        raise ValueError(
            f"Input X contains {found or 'infinity or huge values: '}{error}; impute, drop or "
            "rescale them first"
        ) from error
    return X


def _check_X_kind(X: Any) -> None:
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError("`X` must not have masked values, got a masked array")
    dtypes = [X.dtype] if hasattr(X, "dtype") else list(getattr(X, "dtypes", []))
    names = list(getattr(X, "columns", [None]))
    for name, dtype in zip(names, dtypes, strict=False):
        where = "" if name is None else f" in column {name!r}"
        if str(dtype).lower().startswith(_DATES):
            raise ValueError(
                f"`X` must be numeric, got dates or times ({dtype}){where}; turn them into "
                "numbers first, for example days since a start"
            )
        if str(dtype).startswith("complex"):
            raise ValueError(f"Complex data not supported: `X` must be real, got {dtype}{where}")


def _explain(X: Any, error: Exception) -> Exception:
    """Say in this package's words what scikit-learn found wrong with X."""
    text = str(error)
    if "could not convert string" in text:
        return ValueError(
            "`X` must be numeric, got strings; encode them first, for example with "
            f"sklearn.preprocessing.OneHotEncoder ({text})"
        )
    if "Expected 2D array" in text or "Found array with dim" in text:
        return ValueError(
            f"`X` must have shape (n_samples, n_features), got {name_shape(X)}. Reshape your data "
            "with X.reshape(-1, 1) if it is a single feature, or X.reshape(1, -1) if it is a "
            "single row"
        )
    if "inhomogeneous" in text:
        return ValueError("`X` must be rectangular, got rows of unequal length")
    if isinstance(error, TypeError) and "real number" in text:
        return TypeError(f"`X` must be numeric, got objects that are no numbers ({text})")
    return error


def check_fit_data(
    estimator: Any,
    X: Any,
    fields: dict[str, Any],
    sample_weight: Any,
    n_folds: int,
    fewest: int,
) -> FitData:
    """Check everything that ``fit`` gets, before any training.

    Parameters
    ----------
    estimator : estimator
        Its ``treatment_type``, ``treatments`` and ``control`` are read, and which kinds of
        treatment and outcome it takes.
    X : array-like of shape (n_samples, n_features)
        Covariates.
    fields : dict of str to array-like
        From `collect_fields`.
    sample_weight : array-like or None
        Row weights.
    n_folds : int
        Parts that the rows are cut in.
    fewest : int
        Fewest rows of an arm.

    Returns
    -------
    FitData
        What the estimator is fitted to.

    Raises
    ------
    TargetError
        If treatments, outcomes or the fields beside them cannot be used.
    ValueError
        If X cannot be used.
    """
    check_same_index(X=X, **fields, sample_weight=sample_weight)
    names = {key: _column_names(fields[key]) for key in ("T", "y")}
    X = validate_X(estimator, X, reset=True)
    arrays = {key: as_column_array(value, key) for key, value in fields.items()}
    check_lengths({"X": X, **arrays})
    T, y = arrays["T"], arrays["y"]
    treatment_type = estimator.treatment_type
    allowed = estimator._treatment_kinds
    is_open = treatment_type == "auto" and len(allowed) > 1
    if treatment_type == "auto" and "discrete" in allowed and is_categorical(fields["T"]):
        treatment_type = "discrete"
    elif treatment_type == "auto" and allowed == ("dose",):
        treatment_type = "dose"
    treatments = check_treatments(
        T,
        treatment_type=treatment_type,
        treatments=estimator.treatments,
        control=estimator.control,
        names=names["T"],
    )
    estimator._check_kind(treatments, T, treatment_type)
    kind = estimator._outcome_kind()
    unasked = (is_open or treatment_type == "auto") and isinstance(kind, str)
    # a model of the user's own, or one that takes a binary outcome, settles the question
    unasked = unasked and kind == estimator.outcome and not estimator._has_own_model()
    if unasked and kind in ("auto", "binary") and looks_swapped(treatments, y):
        raise TargetError(
            f"`T` must hold treatments and `y` outcomes, got non-integer `T` and `y` with "
            f"{len(np.unique(y))} values, which look swapped (the order is fit(X, T, y)); if `T` "
            "is a dose, pass treatment_type='dose'"
        )
    if treatments.kind not in allowed:
        kinds = " or ".join(_KIND_NAMES[kind] for kind in allowed)
        remedy = ", and treatment_type='discrete' reads numbers as arms"
        remedy = remedy if "discrete" in allowed else ""
        raise TargetError(
            f"`T` must hold {kinds} for {type(estimator).__name__}, but was read as "
            f"{treatments.kind}; sklcausal.representation.TARNet takes every kind{remedy}"
        )
    outcomes = check_outcomes(y, outcome=kind, names=names["y"])
    weight = check_weights(sample_weight, len(X))
    cluster = check_cluster(arrays.get("cluster"))
    t = treatments.encode(T)
    propensity = check_propensity(arrays.get("propensity"), treatments, len(X))
    _check_arms(t, treatments, weight, n_folds, fewest)
    _check_rows(len(X), n_folds)
    values = outcomes.encode(y)
    if outcomes.has_missing:
        _check_observed(values, t, treatments, outcomes, n_folds, fewest)
    return FitData(X, t, values, treatments, outcomes, weight, propensity, cluster)


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
    t: np.ndarray, treatments: Treatments, weight: np.ndarray | None, n_folds: int, fewest: int
) -> None:
    if treatments.kind != "discrete":
        return
    parts = {"`T` must have": np.ones(len(t), dtype=bool)}
    if weight is not None:
        parts["`sample_weight` must be positive in"] = weight > 0
    for must, counted in parts.items():
        counts = np.bincount(t, weights=counted, minlength=treatments.n_arms)
        least = int(counts.argmin())
        if counts[least] < fewest:
            raise TargetError(
                f"{must} at least {fewest} rows in every arm (n_folds={n_folds}), got "
                f"{counts[least]:g} in arm {treatments.labels[least]!r}"
            )


def _check_observed(
    y: np.ndarray,
    t: np.ndarray,
    treatments: Treatments,
    outcomes: Outcomes,
    n_folds: int,
    fewest: int,
) -> None:
    if treatments.kind != "discrete":
        raise TargetError(
            f"`y` may have missing cells only where `T` holds arms, got NaN with {treatments.kind}"
        )
    for m, name in enumerate(outcomes.names):
        counts = np.bincount(t[~np.isnan(y[:, m])], minlength=treatments.n_arms)
        if counts.min() < fewest:
            arm = treatments.labels[int(counts.argmin())]
            raise TargetError(
                f"`y` must have at least {fewest} observed values of {name!r} in every arm "
                f"(n_folds={n_folds}), got {counts.min()} in arm {arm!r}"
            )
