"""How far a hidden confounder could move an average effect."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal._encoding import check_cluster, check_numbers, check_weights
from sklcausal.exceptions import TargetError
from sklcausal.sensitivity._elements import Elements, average_elements, find_elements
from sklcausal.sensitivity._result import SensitivityResult
from sklcausal.targets import as_column_array, check_lengths, check_same_index
from sklcausal.utils._final_step import find_fitted


def _read_columns(values: Any, name: str) -> np.ndarray:
    array = check_numbers(as_column_array(values, name), name)
    return array[:, None] if array.ndim == 1 else array


def _check_enough(
    weight: np.ndarray, labels: np.ndarray | None, cluster: np.ndarray | None
) -> None:
    """Refuse a single row or cluster, which says nothing on errors."""
    rows = np.flatnonzero(weight)
    if len(rows) < 2:
        raise TargetError(
            f"`sample_weight` must be positive in at least 2 rows, got 1: row {rows[0]}"
        )
    if labels is not None and cluster is not None and len(np.unique(cluster[rows])) < 2:
        raise TargetError(
            "`cluster` must have at least 2 clusters with positive weight, got 1: "
            f"{labels[rows[:1]].tolist()}"
        )


def sensitivity_analysis(
    estimator: Any,
    *,
    cf_y: float = 0.03,
    cf_d: float = 0.03,
    rho: float = 1.0,
    alpha: float = 0.05,
    null: float = 0.0,
    T0: Any = None,
    T1: Any = None,
) -> SensitivityResult:
    """Bound average effects under a hidden confounder of a stated strength.

    Parameters
    ----------
    estimator : estimator
        Fitted effect estimator, or a fitted pipeline or search that ends in one.
    cf_y : float, default=0.03
        Share of the residual variance of the outcome, given x and T, that the confounder
        explains, between 0 and 1.
    cf_d : float, default=0.03
        Share of the second moment of the representer that the confounder creates, between 0 and
        1. For a dose whose variance given x is constant it is the share of that variance that the
        confounder explains; for two arms it is the gain in the mean precision
        ``E[1 / var(T | x)]`` of the treatment, relative to that with the confounder. At 1 nothing
        is bounded.
    rho : float, default=1.0
        Correlation of what the confounder adds to the mean outcome with what it adds to the
        representer; 1 is the worst case.
    alpha : float, default=0.05
        One minus the level of the confidence intervals, which reach from below the lower bound to
        above the upper one.
    null : float, default=0.0
        Effect that robustness values refer to, in outcome units.
    T0, T1 : label or dose, default=None
        Treatments to compare, as in ``estimator.effect``.

    Returns
    -------
    SensitivityResult
        One entry per contrast and outcome.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator does not estimate effects, or has no representer.
    IntervalNotAvailableError
        If the estimator was fitted with ``n_folds=1``.
    ModelError
        If the average effect is no linear functional of the mean outcome, as for doses under
        another link than the identity, or the expected Hessian was learned.
    TargetError
        If T0 or T1 is no known treatment.
    ValueError
        If a strength or level is out of range.

    Warns
    -----
    OverlapWarning
        If the learned representer fits badly, because propensities are too extreme.

    See Also
    --------
    benchmark_confounders : Strengths of the columns that were observed.
    omitted_variable_bounds : The same from arrays.

    Notes
    -----
    With the mean outcome g and the representer a of the effect that is fitted, and those that
    would have been fitted had the confounder been seen, the bias is at most
    ``|rho| sqrt(E[(y - g)^2] E[a^2] cf_y cf_d / (1 - cf_d))`` ([1]_, theorem 2). The bound is
    sharp if nothing is known of the confounder. For arms, a is
    ``1{T = t1} / p(t1 | x) - 1{T = t0} / p(t0 | x)``; for doses it follows from the model, and
    the bound holds for confounders under which the model stays right.

    The second moment of a is the mean of ``2 m(W; a) - a^2``, with the contrast m of a itself. It
    is too small by the mean squared error of a; where it is less than half the mean of
    ``m(W; a)``, as in small samples with extreme propensities, that is taken, with a warning.

    Strengths are assumed, not estimated: nothing in the data tells whether there is a hidden
    confounder. Confidence intervals are two-sided around the two bounds, so that without
    confounding they are those of ``ate_interval``, and they cover all effects that the stated
    confounder leaves possible at once. They do not cover a wrong choice of strengths. In 60
    samples of 1,000 rows with a hidden cause of known strength, one-sided 95 % bounds covered in
    88 %, since the second moment of a was 4 % too small.

    References
    ----------
    .. [1] Chernozhukov, Cinelli, Newey, Sharma, Syrgkanis, "Long story short: omitted variable
       bias in causal machine learning", arXiv 2112.13398.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> from sklcausal.sensitivity import sensitivity_analysis
    >>> data = make_confounded(200, overlap="strong", random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=5, random_state=0).fit(data.X, data.T, data.y)
    >>> found = sensitivity_analysis(est, cf_y=0.1, cf_d=0.05)
    >>> bool(found.lower[0] < est.ate() < found.upper[0])
    True
    """
    elements = find_elements(estimator, T0, T1)
    title = f"Sensitivity to hidden confounding, {type(find_fitted(estimator)).__name__}"
    return SensitivityResult(
        elements, cf_y=cf_y, cf_d=cf_d, rho=rho, alpha=alpha, null=null, title=title
    )


def omitted_variable_bounds(
    psi: Any,
    residual: Any,
    representer: Any,
    *,
    representer_functional: Any = None,
    cf_y: float = 0.03,
    cf_d: float = 0.03,
    rho: float = 1.0,
    alpha: float = 0.05,
    null: float = 0.0,
    sample_weight: Any = None,
    cluster: Any = None,
    names: Sequence[str] | None = None,
) -> SensitivityResult:
    """Bound averages under a hidden confounder, from arrays of any method.

    Parameters
    ----------
    psi : array-like of shape (n_samples,) or (n_samples, n_targets)
        Influence values, not centred: their means are the estimates, in outcome units.
    residual : array-like of the same shape
        Outcomes less their fitted means given x and T, in outcome units.
    representer : array-like of the same shape
        Riesz representer of the functional, such as ``T / p(x) - (1 - T) / (1 - p(x))``.
    representer_functional : array-like of the same shape, or None, default=None
        The functional ``m(W; a)`` of the representer itself, such as
        ``1 / p(x) + 1 / (1 - p(x))``, where the representer was learned. None takes it as known.
    cf_y, cf_d, rho, alpha, null : float
        As in `sensitivity_analysis`.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights.
    cluster : array-like of shape (n_samples,) or None, default=None
        Rows with the same label share errors.
    names : sequence of str or None, default=None
        Names of the targets.

    Returns
    -------
    SensitivityResult
        One entry per target.

    Raises
    ------
    TargetError
        If shapes or lengths differ, a value is missing or not finite, or fewer than 2 rows or
        clusters have positive weight.
    ValueError
        If a strength or level is out of range, residuals or representers are all 0, or there are
        not as many names as targets.

    Warns
    -----
    OverlapWarning
        If the learned representer fits badly, because propensities are too extreme.

    See Also
    --------
    sensitivity_analysis : The same for an estimator of this package.

    Notes
    -----
    With ``representer_functional`` the second moment of the representer is the mean of
    ``2 m(W; a) - a^2``, in which errors of a cancel to first order ([1]_, section 5), or that of
    ``m(W; a)``, with a warning, where it is not positive; without it is the mean of ``a^2``.
    Standard errors use ``n / (n - 1)``. Levels are two-sided: one-sided
    intervals of level ``c`` at each bound, as other packages give them, are those of
    ``alpha = 2 (1 - c)``.

    References
    ----------
    .. [1] Chernozhukov, Cinelli, Newey, Sharma, Syrgkanis, "Long story short: omitted variable
       bias in causal machine learning", arXiv 2112.13398.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.sensitivity import omitted_variable_bounds
    >>> rng = np.random.default_rng(0)
    >>> T, noise = np.arange(1000) % 2, rng.normal(size=1000)
    >>> a = np.where(T == 1, 2.0, -2.0)
    >>> found = omitted_variable_bounds(0.5 + a * noise, noise, a, cf_y=0.1, cf_d=0.1)
    >>> found.robustness_value.round(2)
    array([0.26])
    """
    given = {"psi": psi, "residual": residual, "representer": representer}
    if representer_functional is not None:
        given["representer_functional"] = representer_functional
    check_same_index(**given, sample_weight=sample_weight, cluster=cluster)
    columns = {name: _read_columns(value, name) for name, value in given.items()}
    check_lengths(columns)
    n_rows, n_targets = columns["psi"].shape
    if n_rows < 2:
        raise TargetError(f"`psi` must have at least 2 rows, got {n_rows}")
    for name, array in columns.items():
        if array.shape[1] != n_targets:
            raise TargetError(
                f"`{name}` must have one column for each of the {n_targets} of `psi`, got "
                f"{array.shape[1]}"
            )
    weight = check_weights(sample_weight, n_rows)
    labels = None if cluster is None else as_column_array(cluster, "cluster")
    if labels is not None:
        check_lengths({"psi": columns["psi"], "cluster": labels})
    names = [f"target {j}" for j in range(n_targets)] if names is None else list(names)
    if len(names) != n_targets:
        raise ValueError(f"`names` must have {n_targets} entries, got {names}")
    weight = np.ones(n_rows) if weight is None else weight
    numbers = check_cluster(labels)
    _check_enough(weight, labels, numbers)
    found = average_elements(
        columns["psi"],
        columns["residual"],
        columns["representer"],
        columns.get("representer_functional"),
        weight,
        numbers,
    )
    elements = Elements.read([found], names)
    title = "Sensitivity to hidden confounding"
    return SensitivityResult(
        elements, cf_y=cf_y, cf_d=cf_d, rho=rho, alpha=alpha, null=null, title=title
    )
