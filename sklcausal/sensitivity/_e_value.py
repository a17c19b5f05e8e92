"""How strong a hidden confounder must be, on the scale of risk ratios, to explain an effect."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch

from sklcausal.exceptions import TargetError
from sklcausal.inference import InferenceResult
from sklcausal.sensitivity._result import check_level
from sklcausal.sensitivity._tables import format_table, to_pandas
from sklcausal.utils._final_step import find_fitted

KINDS = ("risk_ratio", "odds_ratio", "hazard_ratio", "risk_difference", "difference")
RATIOS = KINDS[:3]
LOG_RISK_PER_SD = 0.91


class EValueResult:
    """E-values of estimates and of the ends of their intervals.

    `e_value` and `e_value_of` return it.

    Parameters
    ----------
    risk_ratio, low, high : ndarray of shape (n_targets,)
        Estimates and intervals on the scale of risk ratios; NaN where there is no interval.
    null : float
        Risk ratio that the confounder would have to reach.
    names : list of str
        Names of the targets.

    Attributes
    ----------
    e_value : ndarray of shape (n_targets,)
        For the estimates.
    e_value_limit : ndarray of shape (n_targets,)
        For the end of the interval that is nearest to the null; 1 where the interval holds it,
        NaN where there is no interval.

    Examples
    --------
    >>> from sklcausal.sensitivity import e_value
    >>> e_value(3.9, 1.8, 8.7).e_value_limit.round(1)
    array([3.])
    """

    def __init__(
        self,
        risk_ratio: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        null: float,
        names: list[str],
    ):
        self.risk_ratio, self.low, self.high = risk_ratio, low, high
        self.null, self.names = null, names
        self.e_value = _strength(risk_ratio / null)
        nearest = np.where(risk_ratio >= null, low, high)
        # beyond the null the interval holds it, and nothing has to be explained
        holds = np.where(risk_ratio >= null, low <= null, high >= null)
        self.e_value_limit = np.where(holds, 1.0, _strength(nearest / null))

    def table(self) -> dict[str, list[Any]]:
        """Collect the columns of the summary.

        Returns
        -------
        dict of str to list
            Columns by name.
        """
        columns: dict[str, list[Any]] = {"target": list(self.names)}
        for name in ("risk_ratio", "low", "high", "e_value", "e_value_limit"):
            columns[name] = getattr(self, name).tolist()
        return columns

    def summary(self) -> str:
        """Format risk ratios and E-values as a table.

        Returns
        -------
        str
            Table as text.
        """
        table = self.table()
        rows = [["", "risk ratio", "low", "high", "E-value", "E-value of limit"]]
        for name, *values in zip(*table.values(), strict=True):
            rows.append([name, *("" if np.isnan(v) else f"{v:.4g}" for v in values)])
        return format_table("E-values", rows)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row per target.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_pandas(self.table())

    def __repr__(self) -> str:
        return self.summary()


def _strength(ratio: np.ndarray) -> np.ndarray:
    """Compute ``R + sqrt(R (R - 1))``, with protective ratios turned round."""
    with np.errstate(divide="ignore"):
        away = np.where(ratio < 1, 1 / ratio, ratio)
    with np.errstate(invalid="ignore"):
        return away + np.sqrt(away * (away - 1))


def e_value(
    estimate: Any,
    low: Any = None,
    high: Any = None,
    *,
    kind: str | None = None,
    rare: bool = False,
    baseline_risk: float | None = None,
    outcome_sd: float = 1.0,
    null: float | None = None,
    alpha: float = 0.05,
) -> EValueResult:
    """Compute E-values: how strong hidden confounding must be to explain an effect.

    Parameters
    ----------
    estimate : InferenceResult, float or array-like of shape (n_targets,)
        Estimates, such as a study reports or ``estimate`` of an estimator returns.
    low, high : float or array-like of shape (n_targets,), default=None
        Ends of their confidence intervals; None with an InferenceResult, which has its own.
    kind : {'risk_ratio', 'odds_ratio', 'hazard_ratio', 'risk_difference', 'difference'} or None, \
default=None
        What the estimates are. Ratios of rates count as risk ratios. 'difference' is one of means,
        in units of ``outcome_sd``. None takes numbers for risk ratios; an InferenceResult needs a
        kind, since those of ``estimate`` are differences.
    rare : bool, default=False
        Whether the outcome is rare, below about 15 % at the end of follow-up. Odds and hazard
        ratios are then taken as risk ratios; otherwise they are approximated by the square root of
        the odds ratio, and by ``(1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR))``.
    baseline_risk : float or None, default=None
        Risk of the control arm, needed for risk differences and taken as known.
    outcome_sd : float, default=1.0
        Standard deviation of the outcome, in the units of a difference; 1 for standardised ones.
    null : float or None, default=None
        Value that confounding would have to lead to, in the units of the estimate. None takes 1
        for ratios and 0 for differences.
    alpha : float, default=0.05
        One minus the level of the intervals of an InferenceResult.

    Returns
    -------
    EValueResult
        E-values of the estimates and of the ends nearest to the null.

    Raises
    ------
    ValueError
        If the kind is unknown or, of an InferenceResult, not given, an option is out of range or
        no such value, a ratio is not positive, a risk leaves 0 to 1, an interval does
        not hold its estimate, or shapes differ.
    TypeError
        If values are no numbers.

    See Also
    --------
    e_value_of : For a fitted estimator with a binary outcome.
    sensitivity_analysis : Bounds by shares of explained variation.

    Notes
    -----
    The E-value of a risk ratio R of at least 1 is ``R + sqrt(R (R - 1))``: a confounder whose
    risk ratios with both treatment and outcome are smaller, given x, cannot have moved a true
    ratio of 1 to R; one as strong as that could, if it is as adverse as can be. Ratios below 1
    are inverted. A difference of d standard deviations is taken as the ratio ``exp(0.91 d)``. The
    approximations for common outcomes and differences are rough. An E-value says nothing on
    whether such a confounder is likely.

    References
    ----------
    .. [1] VanderWeele, Ding, "Sensitivity analysis in observational research: introducing the
       E-value", Annals of Internal Medicine 2017, doi 10.7326/M16-2607.

    Examples
    --------
    >>> from sklcausal.sensitivity import e_value
    >>> e_value(3.9, 1.8, 8.7).e_value.round(2)
    array([7.26])
    >>> e_value(0.4, kind="difference").risk_ratio.round(2)
    array([1.44])
    """
    if kind is None and not isinstance(estimate, InferenceResult):
        kind = "risk_ratio"
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {KINDS}, got {kind!r}")
    check_level(alpha)
    names = None
    if isinstance(estimate, InferenceResult):
        if low is not None or high is not None:
            raise ValueError("`low` and `high` must be None with an InferenceResult, got values")
        names, (low, high) = estimate.names, estimate.conf_int(alpha)
        estimate = estimate.estimate
    if (low is None) != (high is None):
        raise ValueError("`low` and `high` must be given together, got only one")
    if estimate is None:
        raise TypeError("`estimate` must be a number or several, got None")
    given = {"estimate": estimate, "low": low, "high": high}
    found = {k: _read(v, k) for k, v in given.items() if v is not None}
    point = found["estimate"]
    for name, values in found.items():
        if values.shape != point.shape:
            raise ValueError(f"`{name}` must have shape {point.shape}, got {values.shape}")
    ends = [found.get(name, np.full(point.shape, np.nan)) for name in ("low", "high")]
    if (ends[0] > point).any() or (ends[1] < point).any():
        raise ValueError(
            "`low` and `high` must hold `estimate` between them, got "
            f"{np.ravel(low)[0]:g}, {np.ravel(high)[0]:g} and {np.ravel(estimate)[0]:g}"
        )
    if null is None:
        null = 1.0 if kind in RATIOS else 0.0
    scale = _Scale(kind, rare, baseline_risk, outcome_sd)
    if np.ndim(null):
        raise TypeError(f"`null` must be a single number, got {null!r}")
    aim = scale(_read(null, "null"), "null")[0]
    ratio = scale(point, "estimate")
    least, most = (scale(end, name, True) for end, name in zip(ends, ("low", "high"), strict=True))
    names = [f"target {j}" for j in range(len(point))] if names is None else list(names)
    return EValueResult(ratio, least, most, float(aim), names)


def _read(value: Any, name: str) -> np.ndarray:
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        raise TypeError(f"`{name}` must be a number or several, got {value!r}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {value!r}")
    return array.astype(float)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


class _Scale:
    """Bring effects of some kind to the scale of risk ratios."""

    def __init__(self, kind: str, rare: bool, baseline_risk: Any, outcome_sd: Any):
        self.kind, self.rare = kind, rare
        self.baseline_risk, self.outcome_sd = baseline_risk, outcome_sd
        if not isinstance(rare, (bool, np.bool_)):
            raise ValueError(f"`rare` must be True or False, got {rare!r}")
        needed = kind == "risk_difference" or baseline_risk is not None
        if needed and not (_is_number(baseline_risk) and 0 < baseline_risk < 1):
            raise ValueError(
                "`baseline_risk` must be the risk of the control arm, between 0 and 1, for risk "
                f"differences, got {baseline_risk!r}"
            )
        if not (_is_number(outcome_sd) and 0 < outcome_sd < np.inf):
            raise ValueError(f"`outcome_sd` must be a positive, finite number, got {outcome_sd!r}")

    def __call__(self, value: np.ndarray, name: str, is_end: bool = False) -> np.ndarray:
        if self.kind in RATIOS and (value <= 0).any():
            raise ValueError(f"`{name}` must be positive for a ratio, got {value.tolist()}")
        if self.kind == "difference":
            return np.exp(LOG_RISK_PER_SD * value / self.outcome_sd)
        if self.kind == "risk_difference":
            return self._from_difference(value, name, is_end)
        if self.kind == "risk_ratio" or self.rare:
            return value
        if self.kind == "odds_ratio":
            return np.sqrt(value)
        return (1 - 0.5 ** np.sqrt(value)) / (1 - 0.5 ** np.sqrt(1 / value))

    def _from_difference(self, value: np.ndarray, name: str, is_end: bool) -> np.ndarray:
        assert self.baseline_risk is not None
        risk = self.baseline_risk + value
        if not is_end and ((risk <= 0) | (risk > 1)).any():
            raise ValueError(
                f"`{name}` must lead from a baseline risk of {self.baseline_risk:g} to a risk "
                f"between 0 and 1, got {value.tolist()}"
            )
        # ends of intervals may lie where no risk is
        return np.clip(risk, 0.0, 1.0) / self.baseline_risk


def e_value_of(
    estimator: Any, *, T0: Any = None, T1: Any = None, alpha: float = 0.05
) -> EValueResult:
    """Compute E-values of the risk ratios that a fitted estimator finds.

    Parameters
    ----------
    estimator : estimator
        Fitted to arms and a binary or count outcome, or a pipeline or search that ends in one.
    T0, T1 : label, default=None
        Arms to compare, as in ``estimator.effect``.
    alpha : float, default=0.05
        One minus the confidence level.

    Returns
    -------
    EValueResult
        One entry per contrast and outcome.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TargetError
        If the treatments are no arms, or an outcome is neither binary nor a count.
    IntervalNotAvailableError
        If the estimator was fitted with ``n_folds=1``.
    ValueError
        If a mean outcome is estimated at 0 or below, or alpha is not between 0 and 1.

    See Also
    --------
    e_value : For estimates of any other kind.

    Notes
    -----
    The ratio is that of the mean outcomes had everybody been in one arm or the other, from
    influence values; its interval is that of its logarithm, by the delta method. Of counts it is
    a ratio of rates.

    References
    ----------
    .. [1] VanderWeele, Ding, "Sensitivity analysis in observational research: introducing the
       E-value", Annals of Internal Medicine 2017, doi 10.7326/M16-2607.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> from sklcausal.sensitivity import e_value_of
    >>> data = make_confounded(300, outcome="binary", random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=5, random_state=0).fit(data.X, data.T, data.y)
    >>> bool(e_value_of(est).e_value[0] > 1)
    True
    """
    final = find_fitted(estimator)
    if final.treatments_ is None:
        raise TargetError(
            "`e_value_of` needs arms, but the estimator was fitted to "
            f"{final.contrasts_.treatments.kind} treatments; use e_value"
        )
    kinds = final.outcomes_.kinds
    if not set(kinds) <= {"binary", "count"}:
        raise TargetError(
            f"`e_value_of` needs binary outcomes or counts, got {list(kinds)}; use "
            "e_value(est.estimate(), kind='difference', outcome_sd=...)"
        )
    contrast, m = final.contrasts_(T0, T1), final.outcomes_.n_outcomes
    means = final.dose_response()  # of every arm, outcomes within
    if (means.estimate <= 0).any():
        where = means.names[int(means.estimate.argmin())]
        raise ValueError(
            f"mean outcomes must be positive for a ratio, got {means.estimate.min():.3g} for "
            f"{where}"
        )
    low, high = (
        torch.as_tensor((np.repeat(arm[0], m) * m) + np.tile(np.arange(m), len(arm[0])))
        for arm in (contrast.t0, contrast.t1)
    )
    names = list(contrast.names)
    if not final.outcomes_.one_dim:
        names = [f"{name}: {outcome}" for name in names for outcome in final.outcome_names_]
    logs = means.transform(lambda at: torch.log(at[high]) - torch.log(at[low]), names)
    ends = logs.conf_int(alpha)
    found = e_value(np.exp(logs.estimate), np.exp(ends[0]), np.exp(ends[1]), kind="risk_ratio")
    found.names = names
    return found
