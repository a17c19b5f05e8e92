"""Check settings of the estimators that need more than their type."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sklcausal._fit_data import FitData
from sklcausal._models._index import IndexModel
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._hessian_choice import LEARNED


def check_decays(decays: Any, name: str) -> list[float]:
    """Check one or several weight decays.

    Parameters
    ----------
    decays : float or sequence of float
    name : str
        Of the parameter, for the message.

    Returns
    -------
    list of float

    Raises
    ------
    ValueError
        If there are none, or one is no finite number of at least 0.
    """
    try:
        values = np.atleast_1d(np.asarray(decays, dtype=float))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(
            f"`{name}` must be 'auto', a number of at least 0 or a non-empty list of them, "
            f"got {decays!r}"
        )
    return values.tolist()


def resolve_device(device: str) -> str:
    """Name the device that 'auto' stands for, and check that it is there.

    Parameters
    ----------
    device : str

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"`device` must be 'cpu', 'cuda', 'mps' or 'auto' and available here, got {device!r}"
        ) from error
    return device


def find_columns(modifiers: Any, estimator: Any) -> np.ndarray | None:
    """Find the columns that ``modifiers`` names.

    Parameters
    ----------
    modifiers : sequence of int, str or bool, or None
    estimator : estimator
        With ``n_features_in_`` and perhaps ``feature_names_in_``.

    Returns
    -------
    ndarray of int or None

    Raises
    ------
    ValueError
        If a column is unknown, or named twice, or none is named.
    """
    if modifiers is None:
        return None
    n = estimator.n_features_in_
    names = list(getattr(estimator, "feature_names_in_", []))
    given = list(modifiers)
    if given and all(isinstance(m, (bool, np.bool_)) for m in given) and len(given) == n:
        columns = np.flatnonzero(given)
    elif given and all(isinstance(m, str) for m in given):
        unknown = [m for m in given if m not in names]
        if unknown:
            known = f"one of {names}" if names else "but X had no column names in fit"
            raise ValueError(f"`modifiers` must name columns of X, {known}, got {unknown}")
        columns = np.array([names.index(m) for m in given], dtype=int)
    else:
        whole = all(isinstance(m, (int, np.integer)) and not isinstance(m, bool) for m in given)
        if not whole or not all(0 <= m < n for m in given):
            raise ValueError(
                f"`modifiers` must hold positions from 0 to {n - 1}, column names or a mask of "
                f"{n} bools, got {given}"
            )
        columns = np.array(given, dtype=int)
    if not len(columns):
        raise ValueError("`modifiers` must name at least one column, got none")
    if len(np.unique(columns)) < len(columns):
        raise ValueError(f"`modifiers` must not name a column twice, got {given}")
    return columns


def check_settings(estimator: Any, data: FitData, columns: np.ndarray | None) -> None:
    """Check what the data and several parameters together allow.

    Parameters
    ----------
    estimator : BaseThetaEstimator
        With its ``model_``.
    data : FitData
    columns : ndarray of int or None
        That ``modifiers`` names.

    Raises
    ------
    ValueError
        If a parameter cannot be used with the data or the model.
    IntervalNotAvailableError
        If two folds are too few for what inference learns.
    """
    name, model = type(estimator).__name__, estimator.model_
    if columns is not None and not estimator._takes_modifiers:
        raise ValueError(
            f"`modifiers` must be None for {name}, whose effects are not those of everybody given "
            f"a few columns, got {estimator.modifiers!r}; use "
            f"{'DRLearner' if data.t.ndim == 1 else 'TARNet'}"
        )
    if columns is not None and model.of_cells() is None:
        raise ValueError(
            "`modifiers` needs effects that are linear in a few quantities, as of arms or "
            f"of `Linear`, got the model {model!r}"
        )
    hessian = estimator._stage_options().get("hessian", "auto")
    is_learned = hessian == "auto" and model.structured_hessian is False
    if estimator.n_folds == 2 and (is_learned or hessian in LEARNED):
        raise IntervalNotAvailableError(
            "a learned Hessian needs `n_folds` of at least 3, since it is trained at "
            "parameters that were trained on other rows, got n_folds=2; n_folds=1 leaves "
            "inference out"
        )
    n_arms = data.treatments.n_arms if data.t.ndim == 1 else 2
    if estimator.propensity_clip * n_arms >= 1:
        raise ValueError(
            f"`propensity_clip` must be below 1/{n_arms} with {n_arms} arms, got "
            f"{estimator.propensity_clip}"
        )
    if not estimator.arm_weight_decay:
        return
    if getattr(estimator, "outcome_model", None) is not None:
        raise ValueError(
            "`arm_weight_decay` must be 0 where `outcome_model` stands in for the networks, got "
            f"{estimator.arm_weight_decay}"
        )
    has_arms = isinstance(model, IndexModel) and model.n_heads_ == data.treatments.n_arms
    if not has_arms:
        raise ValueError(
            "`arm_weight_decay` must be 0 where the networks' heads are not the mean outcomes of "
            f"arms, got {estimator.arm_weight_decay} and {model.n_heads_} heads for "
            f"{data.treatments.n_arms} arms"
        )
