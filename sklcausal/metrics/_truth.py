"""Metrics of effects whose truth is known, as in simulations."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from sklcausal._evaluation._arrays import average, read_array, read_columns
from sklcausal._evaluation._study import read_study
from sklcausal.targets import check_same_index
from sklcausal.utils._blurbs import fill_docs


def best_arm(effect: np.ndarray, others: np.ndarray, control: int) -> np.ndarray:
    """Find the arm with the largest effect, or the control where no effect is above 0.

    Parameters
    ----------
    effect : ndarray of shape (n_samples, n_contrasts, n_outcomes)
    others : ndarray of int of shape (n_contrasts,)
        Arm of each contrast.
    control : int

    Returns
    -------
    ndarray of int of shape (n_samples, n_outcomes)
    """
    return np.where(effect.max(axis=1) > 0, others[effect.argmax(axis=1)], control)


@fill_docs
def root_pehe(
    effect_true: Any,
    effect_pred: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the root of the precision in estimating heterogeneous effects (sqrt-PEHE).

    It is the root mean squared error of individual effects, the lower the better. A constant
    true average effect has the standard deviation of the effects.

    Parameters
    ----------
    {true_pred}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.

    References
    ----------
    .. [1] Hill, "Bayesian nonparametric modeling for causal inference", Journal of Computational
       and Graphical Statistics 2011, doi 10.1198/jcgs.2010.08162.

    Examples
    --------
    >>> from sklcausal.metrics import root_pehe
    >>> root_pehe([1.0, 3.0], [2.0, 2.0])
    1.0
    """
    weight, true, pred = read_columns(
        sample_weight, effect_true=effect_true, effect_pred=effect_pred
    )
    squares = np.tensordot(weight, (pred - true) ** 2, axes=1)
    return average(np.sqrt(squares), multioutput)


@fill_docs
def effect_mae(
    effect_true: Any,
    effect_pred: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "raw_values",
) -> Any:
    """Compute the mean absolute error of effects, one for each treatment.

    Average effects of K treatments are a single row, of shape (1, K).

    Parameters
    ----------
    {true_pred}
    {sample_weight}
    multioutput : {'raw_values', 'uniform_average'}, default='raw_values'
        One number for each contrast and outcome, or their average.

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.

    Examples
    --------
    >>> from sklcausal.metrics import effect_mae
    >>> effect_mae([[1.0, 0.0]], [[1.5, -1.0]])
    array([0.5, 1. ])
    """
    weight, true, pred = read_columns(
        sample_weight, effect_true=effect_true, effect_pred=effect_pred
    )
    return average(np.tensordot(weight, np.abs(pred - true), axes=1), multioutput)


@fill_docs
def ate_error(
    effect_true: Any,
    effect_pred: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the absolute error of the average effect.

    Parameters
    ----------
    {true_pred}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.

    Examples
    --------
    >>> from sklcausal.metrics import ate_error
    >>> ate_error([1.0, 3.0], [2.0, 2.5])
    0.25
    """
    weight, true, pred = read_columns(
        sample_weight, effect_true=effect_true, effect_pred=effect_pred
    )
    return average(np.abs(np.tensordot(weight, pred - true, axes=1)), multioutput)


@fill_docs
def att_error(
    effect_true: Any,
    effect_pred: Any,
    T: Any,
    *,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the absolute error of the average effect among those who received each arm.

    Parameters
    ----------
    {true_pred}
    {T}
    {arms}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.
    TargetError
        If T cannot be used, or nobody received an arm.

    Examples
    --------
    >>> from sklcausal.metrics import att_error
    >>> att_error([1.0, 3.0, 2.0], [2.0, 2.5, 2.0], [1, 1, 0])
    0.25
    """
    weight, true, pred = read_columns(
        sample_weight, effect_true=effect_true, effect_pred=effect_pred
    )
    outcome = np.zeros((len(true), true.shape[2] if true.ndim == 3 else 1))
    study = read_study(T, outcome, treatments, control, sample_weight)
    error = study.read_effect(pred, "effect_pred") - study.read_effect(true, "effect_true")
    taken = weight[:, None] * (study.t[:, None] == study.others)
    error = np.abs(np.einsum("nc,ncm->cm", taken / taken.sum(axis=0), error))
    return average(error.reshape(pred.shape[1:]), multioutput)


@fill_docs
def policy_risk(
    T: Any,
    y: Any,
    effect: Any,
    *,
    randomised: Any = None,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute what is lost if everybody receives the arm with the largest predicted effect.

    It is one minus the mean outcome, between 0 and 1, under that policy, estimated from those of
    a randomised experiment who happened to receive what the policy wants.

    Parameters
    ----------
    {T}
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
        Outcomes between 0 and 1, the higher the better.
    effect : array-like of shape (n_samples,), (n_samples, n_contrasts) or (n_samples, \
n_contrasts, n_outcomes)
        Predicted effects; where none is above 0, the policy gives the control.
    randomised : array-like of bool of shape (n_samples,) or None, default=None
        Rows that stem from the experiment; None takes all.
    {arms}
    {sample_weight}
    multioutput : {'uniform_average', 'raw_values'}, default='uniform_average'
        Average over outcomes, or one number for each.

    Returns
    -------
    float or ndarray of shape (n_outcomes,)
        Between 0 and 1. Where nobody received the arm that the policy gives to a part of the
        rows, that part is left out.

    Raises
    ------
    ValueError
        If outcomes lie beyond 0 and 1, shapes differ or values are not finite.
    TargetError
        If T or y cannot be used.

    References
    ----------
    .. [1] Shalit, Johansson, Sontag, "Estimating individual treatment effect", ICML 2017, arXiv
       1606.03976, section 5.3.

    Examples
    --------
    >>> from sklcausal.metrics import policy_risk
    >>> policy_risk([0, 1, 0, 1], [0, 1, 1, 0], [0.5, 0.5, -0.5, -0.5])
    0.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    if study.y.min() < 0 or study.y.max() > 1:
        raise ValueError(
            f"`y` must lie between 0 and 1, got {study.y.min():g} to {study.y.max():g}; "
            "`policy_value` takes any outcome"
        )
    best = best_arm(study.read_effect(effect), study.others, study.treatments.control)
    use = np.ones(len(study.t), dtype=bool)
    if randomised is not None:
        check_same_index(T=T, randomised=randomised)
        use = np.asarray(randomised)
        if use.shape != study.t.shape or use.dtype.kind != "b":
            raise ValueError(
                f"`randomised` must be bools of shape {study.t.shape}, got {use.dtype} of shape "
                f"{use.shape}"
            )
        if not use.any():
            raise ValueError("`randomised` must be true in at least 1 row, got 0")
    risks = []
    for m in range(study.y.shape[1]):
        value, total = 0.0, 0.0
        for arm in range(study.treatments.n_arms):
            wanted = use & (best[:, m] == arm)
            weight = study.weight * (wanted & (study.t == arm))
            if weight.any():
                share = study.weight[wanted].sum()
                value += share * (weight @ study.y[:, m]) / weight.sum()
                total += share
        if not total:
            raise ValueError("`effect` must give somebody the arm that they received, got nobody")
        risks.append(1 - value / total)
    return average(np.array(risks), multioutput)


@fill_docs
def dose_response_mise(
    response_true: Any, response_pred: Any, dose: Any, *, sample_weight: Any = None
) -> float:
    """Compute the mean integrated squared error of dose-response curves.

    Parameters
    ----------
    response_true, response_pred : array-like of shape (n_samples, n_doses) or (n_doses,)
        True and predicted mean outcome of each row at each dose, or average curves.
    dose : array-like of shape (n_doses,)
        Increasing doses, over which squared errors are integrated by the trapezoidal rule.
    {sample_weight}

    Returns
    -------
    float
        In squared outcome units times dose units.

    Raises
    ------
    ValueError
        If shapes differ, values are not finite, or doses do not increase.

    References
    ----------
    .. [1] Schwab, Linhardt, Bauer, Buhmann, Karlen, "Learning counterfactual representations for
       estimating individual dose-response curves", AAAI 2020, arXiv 1902.00981, section 5.

    Examples
    --------
    >>> from sklcausal.metrics import dose_response_mise
    >>> dose_response_mise([[0.0, 1.0, 2.0]], [[1.0, 2.0, 3.0]], [0.0, 0.5, 2.0])
    2.0
    """
    grid = read_array(dose, "dose")
    if grid.ndim != 1 or len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise ValueError(f"`dose` must hold at least 2 increasing doses, got {dose!r}")
    curves = {"response_true": response_true, "response_pred": response_pred}
    found = {name: read_array(value, name) for name, value in curves.items()}
    for name, curve in found.items():
        if curve.ndim > 2 or curve.shape[-1] != len(grid):
            raise ValueError(
                f"`{name}` must have a column for each of the {len(grid)} doses, got shape "
                f"{curve.shape}"
            )
    rows = {name: np.atleast_2d(curve)[:, :, None] for name, curve in found.items()}
    weight, true, pred = read_columns(sample_weight, **rows)
    return float(weight @ trapezoid((pred - true) ** 2, grid, axis=1))
