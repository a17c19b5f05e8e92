"""How strong a hidden confounder would be that is as strong as observed columns."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklcausal.exceptions import TargetError
from sklcausal.sensitivity._elements import Elements, find_elements
from sklcausal.sensitivity._refit import fan_out, fit, take_apart, unfitted
from sklcausal.sensitivity._result import SensitivityResult
from sklcausal.sensitivity._tables import format_table, to_pandas
from sklcausal.targets import as_column_array, check_lengths
from sklcausal.utils._final_step import find_fitted


class ConfounderBenchmarks:
    """Strengths of observed columns, had they been hidden.

    `benchmark_confounders` returns it.

    Parameters
    ----------
    labels : list of str
        Name of each column or group.
    k : list of float
        How many times as strong as the columns the confounder is.
    long : Elements
        Of the fit to all columns.
    short : list of Elements
        Of the fits without the columns.
    rho : float
        Correlation under which bounds are computed.
    alpha : float
        One minus the level of the intervals.
    title : str, default=''
        Line above the table.

    Attributes
    ----------
    names : list of str
        Names of the effects.
    cf_y, cf_d : ndarray of shape (n_groups, n_k, n_targets)
        Strengths of a confounder k times as strong as the columns.
    rho : ndarray of shape (n_groups, n_targets)
        Correlation of what the columns add to the mean outcome with what they add to the
        representer, with the sign of the change; NaN where they add nothing to one of the two.
    change : ndarray of shape (n_groups, n_targets)
        Estimate without the columns less that with them, in outcome units.
    """

    def __init__(
        self,
        labels: list[str],
        k: list[float],
        long: Elements,
        short: list[Elements],
        *,
        rho: float,
        alpha: float,
        title: str = "",
    ):
        self.labels, self.k, self.names, self.title = labels, k, long.names, title
        self.result = SensitivityResult(long, cf_y=0.0, cf_d=0.0, rho=rho, alpha=alpha)
        effect, residual, representer = long.estimate.T
        effects, residuals, representers = np.stack([own.estimate for own in short]).transpose(
            2, 0, 1
        )
        # gains of [1], appendix D: shares of what the long fit leaves, and of what the short has
        gain_y = np.clip((residuals - residual) / residual, 0.0, None)
        gain_d = np.clip((representer - representers) / representers, 0.0, None)
        times = np.asarray(k)[:, None]
        self.cf_y = np.minimum(times * gain_y[:, None], 1.0)
        self.cf_d = np.minimum(times * gain_d[:, None], 1.0)
        self.change = effects - effect
        both = (residuals - residual) * (representer - representers)
        both = np.where((gain_y > 0) & (gain_d > 0), both, np.nan)
        self.rho = np.clip(self.change / np.sqrt(both), -1.0, 1.0)

    def table(self) -> dict[str, list[Any]]:
        """Collect the columns of the summary.

        Returns
        -------
        dict of str to list
            Columns by name; one row per group, k and effect.
        """
        shape = self.cf_y.shape
        group, times, target = (i.ravel() for i in np.indices(shape))
        columns: dict[str, list[Any]] = {
            "benchmark": [self.labels[i] for i in group],
            "target": [self.names[j] for j in target],
            "k": [self.k[i] for i in times],
            "cf_y": self.cf_y.ravel().tolist(),
            "cf_d": self.cf_d.ravel().tolist(),
            "rho": self.rho[group, target].tolist(),
            "change": self.change[group, target].tolist(),
        }
        own = np.arange(shape[2])
        low, high = (b[..., own, own] for b in self.result.bounds(self.cf_y, self.cf_d))
        ends = [b[..., own, own] for b in self.result.conf_bounds(self.cf_y, self.cf_d)]
        for name, values in zip(
            ("lower", "upper", "ci_lower", "ci_upper"), (low, high, *ends), strict=True
        ):
            columns[name] = values.ravel().tolist()
        return columns

    def summary(self) -> str:
        """Format strengths and the bounds that they lead to as a table.

        Returns
        -------
        str
            Table as text.
        """
        table = self.table()
        head = ["", *list(table)[1:]]
        rows = [
            [str(v) if isinstance(v, str) else f"{v:.4g}" for v in row]
            for row in zip(*table.values(), strict=True)
        ]
        note = f"bounds for |rho| = {abs(self.result.rho):g}"
        return format_table(self.title, [head, *rows], note)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row per group, k and effect.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_pandas(self.table())

    def __repr__(self) -> str:
        return self.summary()


def benchmark_confounders(
    estimator: Any,
    X: Any,
    T: Any,
    y: Any = None,
    *,
    columns: Any = None,
    k: Any = 1.0,
    rho: float = 1.0,
    alpha: float = 0.05,
    T0: Any = None,
    T1: Any = None,
    sample_weight: Any = None,
    propensity: Any = None,
    cluster: Any = None,
    n_jobs: int | None = None,
) -> ConfounderBenchmarks:
    """Measure how strong observed columns would be as hidden confounders.

    The estimator is fitted again without the columns, and what they added to the fit of the
    outcome and to the representer is expressed as strengths that `sensitivity_analysis` takes.

    Parameters
    ----------
    estimator : estimator
        Fitted effect estimator, or a fitted pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Covariates that it was fitted to.
    T : array-like of shape (n_samples,) or (n_samples, n_treatments)
        Treatments that it was fitted to, or packed targets.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
        Outcomes that it was fitted to.
    columns : sequence of str, int or list of them, mapping of str to these, or None, default=None
        Columns to leave out, one after the other; a list within is left out at once. Keys of a
        mapping name the groups. None takes every column by itself.
    k : float or sequence of float, default=1.0
        How many times as strong as the columns the hidden confounder is.
    rho : float, default=1.0
        Correlation under which bounds are computed, as in `sensitivity_analysis`.
    alpha : float, default=0.05
        One minus the confidence level.
    T0, T1 : label or dose, default=None
        Treatments to compare, as in ``estimator.effect``.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights of the fit.
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), default=None
        Known probabilities of the fit.
    cluster : array-like of shape (n_samples,) or None, default=None
        Clusters of the fit.
    n_jobs : int or None, default=None
        Processes that fit at once; results do not depend on it.

    Returns
    -------
    ConfounderBenchmarks
        Strengths, correlations and bounds of each group.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ModelError
        If the average effect is no linear functional of the mean outcome.
    IntervalNotAvailableError
        If the estimator was fitted with ``n_folds=1``.
    TargetError
        If T or y cannot be used.
    TypeError
        If the estimator has no representer.
    ValueError
        If there is no such column, no column would be left, or k is not positive.

    See Also
    --------
    sensitivity_analysis : Bounds for strengths of your own.
    sklcausal.inspection.SensitivityDisplay : Draws benchmarks beside bounds.

    Notes
    -----
    Without the columns the mean squared residual is ``s2_short``, the second moment of the
    representer ``n2_short``. The gains are ``(s2_short - s2) / s2`` for cf_y and
    ``(n2 - n2_short) / n2_short`` for cf_d ([1]_, appendix D), cut at 0; a confounder k times as
    strong has k times these, at most 1. They assume that what is hidden is no stronger than what
    is seen, times k; the data cannot check that. Gains are noisy where rows are few or columns
    weak: a representer of many columns fits worse than one of few, which hides a part of its gain
    in cf_d, so that a 0 is no proof. Clones use the seed of the estimator, so give it a
    ``random_state``.

    References
    ----------
    .. [1] Chernozhukov, Cinelli, Newey, Sharma, Syrgkanis, "Long story short: omitted variable
       bias in causal machine learning", arXiv 2112.13398.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> from sklcausal.sensitivity import benchmark_confounders
    >>> data = make_confounded(200, overlap="strong", random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=5, random_state=0).fit(data.X, data.T, data.y)
    >>> found = benchmark_confounders(est, data.X, data.T, data.y, columns=[0, [1, 2]])
    >>> found.labels, found.cf_y.shape
    (['x0', 'x1, x2'], (2, 1, 1))
    """
    final = find_fitted(estimator)
    times = _check_k(k)
    labels, groups, n_columns = _read_groups(X, columns)
    long = find_elements(estimator, T0, T1)
    rows = take_apart(T, y, sample_weight=sample_weight, propensity=propensity, cluster=cluster)
    _check_fitted_rows(final, rows)
    jobs = []
    for group in groups:
        kept = [j for j in range(n_columns) if j not in group]
        jobs.append((estimator, _take(X, kept), rows, T0, T1))
    short = fan_out(_elements_without, jobs, n_jobs)
    title = f"Observed columns as hidden confounders, {type(final).__name__}"
    return ConfounderBenchmarks(labels, times, long, short, rho=rho, alpha=alpha, title=title)


def _elements_without(estimator: Any, X: Any, rows: dict[str, Any], T0: Any, T1: Any) -> Elements:
    own = unfitted(estimator)
    # modifiers may name a column that is gone, and averages do not depend on them
    named = [name for name in own.get_params(deep=True) if name.split("__")[-1] == "modifiers"]
    return find_elements(fit(own.set_params(**dict.fromkeys(named)), X, rows), T0, T1)


def _check_fitted_rows(final: Any, rows: dict[str, Any]) -> None:
    """Refuse rows other than those of fit, with which the fits without columns are compared."""
    engine = final.engines_[0]
    t = final.contrasts_.treatments.encode(as_column_array(rows["T"], "T"))
    y = final.outcomes_.encode(as_column_array(rows["y"], "y"))
    check_lengths({"T": t, "y": y})
    units = engine.units
    if t.ndim == 2:
        t = (t - units.t_loc) / units.t_scale
    pairs = (("T", t, engine.t), ("y", (y - units.y_loc) / units.y_scale, engine.y))
    for name, own, fitted in pairs:
        own = own.reshape(len(own), *fitted.shape[1:]) if own.size else own
        same = own.shape == fitted.shape and np.allclose(own, fitted, atol=1e-4, equal_nan=True)
        if not same:
            raise TargetError(
                f"`{name}` must be that of fit, row by row, got other values or "
                f"{len(own)} rows in place of {len(fitted)}"
            )


def _check_k(k: Any) -> list[float]:
    times = [k] if np.ndim(k) == 0 else list(k)
    good = [isinstance(v, (Real, np.number)) and 0 < float(v) < np.inf for v in times]
    if not times or not all(good):
        raise ValueError(f"`k` must be a positive number or several, got {k!r}")
    return [float(v) for v in times]


def _take(X: Any, kept: list[int]) -> Any:
    return _safe_indexing(X if hasattr(X, "shape") else np.asarray(X), kept, axis=1)


def _read_groups(X: Any, columns: Any) -> tuple[list[str], list[list[int]], int]:
    given = getattr(X, "columns", None)
    n_columns = np.shape(X)[1] if np.ndim(X) == 2 else 0
    names = [f"x{j}" for j in range(n_columns)] if given is None else [str(c) for c in given]
    if not n_columns:
        raise ValueError(f"`X` must have shape (n_samples, n_features), got {np.shape(X)}")
    if columns is None:
        columns = list(range(n_columns))
    is_named = isinstance(columns, Mapping)
    choices = list(columns.values()) if is_named else columns
    if isinstance(choices, str) or np.isscalar(choices) or not len(choices):
        raise ValueError(f"`columns` must be a list or mapping of columns, got {columns!r}")
    groups = []
    for choice in choices:
        members = [choice] if isinstance(choice, (str, int, np.integer)) else list(choice)
        groups.append([_position(own, names, given is not None) for own in members])
        if not groups[-1] or len(set(groups[-1])) == n_columns:
            raise ValueError(
                f"`columns` must leave out at least one column and keep one of {n_columns}, got "
                f"{choice!r}"
            )
    labels = [", ".join(names[j] for j in group) for group in groups]
    return [str(key) for key in columns] if is_named else labels, groups, n_columns


def _position(choice: Any, names: list[str], has_names: bool) -> int:
    if isinstance(choice, str) and has_names and choice in names:
        return names.index(choice)
    is_position = isinstance(choice, (int, np.integer)) and not isinstance(choice, bool)
    if is_position and 0 <= choice < len(names):
        return int(choice)
    allowed = f"positions from 0 to {len(names) - 1}"
    raise ValueError(
        f"`columns` must hold {f'some of {names}, or ' if has_names else ''}{allowed}, got "
        f"{choice!r}"
    )
