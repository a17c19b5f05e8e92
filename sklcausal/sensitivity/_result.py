"""Bounds on average effects under hidden confounding of a stated strength."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.stats import norm

from sklcausal.sensitivity._elements import Elements
from sklcausal.sensitivity._tables import format_table, to_pandas

COLUMNS = ("estimate", "lower", "upper", "ci_lower", "ci_upper", "RV", "RV of interval")


class SensitivityResult:
    """Average effects with bounds for a hidden confounder of a stated strength.

    `sensitivity_analysis` and `omitted_variable_bounds` return it. Nothing is fitted again for
    another strength: see `at`, `bounds` and `conf_bounds`.

    Parameters
    ----------
    elements : Elements
        Effects, residual variances and second moments of representers, with their covariance.
    cf_y : float
        Share of the residual variance of the outcome that the confounder explains.
    cf_d : float
        Share of the variation of the representer that it creates.
    rho : float
        Correlation of what it adds to the mean outcome with what it adds to the representer.
    alpha : float, default=0.05
        One minus the confidence level.
    null : float, default=0.0
        Effect that the robustness values refer to, in outcome units.
    title : str, default=''
        Line above the table.

    Attributes
    ----------
    names : list of str
        Names of the effects.
    estimate, std_error : ndarray of shape (n_targets,)
        Average effects if nothing is hidden, with standard errors, in outcome units.
    residual_variance : ndarray of shape (n_targets,)
        Mean squared residual of the outcome, in squared outcome units.
    representer_second_moment : ndarray of shape (n_targets,)
        Mean squared representer, per squared unit of the effect's contrast.
    n_samples : int
        Rows behind the estimates.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.sensitivity import omitted_variable_bounds
    >>> rng = np.random.default_rng(0)
    >>> T = np.arange(400) % 2
    >>> y = 2 * T + rng.normal(size=400)
    >>> alpha = np.where(T == 1, 2.0, -2.0)
    >>> residual = y - 2 * T
    >>> found = omitted_variable_bounds(2 + alpha * residual, residual, alpha, cf_y=0.1, cf_d=0.1)
    >>> found.bounds(cf_y=0.0, cf_d=0.0)[0] == found.estimate
    array([ True])
    """

    def __init__(
        self,
        elements: Elements,
        *,
        cf_y: float,
        cf_d: float,
        rho: float,
        alpha: float = 0.05,
        null: float = 0.0,
        title: str = "",
    ):
        numbers: dict[str, Any] = {"cf_y": cf_y, "cf_d": cf_d, "rho": rho, "null": null}
        for name, value in numbers.items():
            if not isinstance(value, (Real, np.number)) or not np.isfinite(float(value)):
                raise ValueError(f"`{name}` must be a finite number, got {value!r}")
        check_share(cf_y, "cf_y")
        check_share(cf_d, "cf_d")
        check_correlation(rho)
        check_level(alpha)
        self.elements, self.title = elements, title
        self.cf_y, self.cf_d, self.rho = float(cf_y), float(cf_d), float(rho)
        self.alpha, self.null = float(alpha), float(null)
        self.names, self.n_samples = elements.names, elements.n_samples
        self.estimate, variance, moment = elements.estimate.T
        self.residual_variance, self.representer_second_moment = variance, moment
        covariance = elements.covariance
        # S, the root of their product, differentiated by both
        self._scale = np.sqrt(variance * moment)
        slope = np.column_stack([moment, variance]) / (2 * self._scale[:, None])
        self._variance = covariance[:, 0, 0]
        self._shared = np.einsum("kj,kj->k", covariance[:, 0, 1:], slope)
        self._variance_of_scale = np.einsum("ki,kij,kj->k", slope, covariance[:, 1:, 1:], slope)
        self.std_error = np.sqrt(self._variance)

    # -- bounds -----------------------------------------------------------------------------

    @property
    def lower(self) -> np.ndarray:
        """Smallest effects that a confounder of the stated strength leaves possible."""
        return self.bounds()[0]

    @property
    def upper(self) -> np.ndarray:
        """Largest effects that a confounder of the stated strength leaves possible."""
        return self.bounds()[1]

    @property
    def ci_lower(self) -> np.ndarray:
        """Lower ends of the confidence intervals: lower bounds less their sampling error."""
        return self.conf_bounds()[0]

    @property
    def ci_upper(self) -> np.ndarray:
        """Upper ends of the confidence intervals: upper bounds plus their sampling error."""
        return self.conf_bounds()[1]

    def bias(self, cf_y: Any = None, cf_d: Any = None, rho: Any = None) -> np.ndarray:
        """Compute the largest bias that a confounder of some strength could cause.

        Parameters
        ----------
        cf_y, cf_d, rho : float or array-like, default=None
            Strengths, broadcast against each other; None takes those of the result.

        Returns
        -------
        ndarray of shape (..., n_targets)
            ``|rho| S sqrt(cf_y cf_d / (1 - cf_d))``, in outcome units, where S is the root of
            ``residual_variance * representer_second_moment``; infinite where cf_d is 1.

        Raises
        ------
        ValueError
            If a strength is not between 0 and 1, a correlation not between -1 and 1, or they do
            not broadcast.
        """
        return self._strength(cf_y, cf_d, rho)[..., None] * self._scale

    def bounds(
        self, cf_y: Any = None, cf_d: Any = None, rho: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute bounds on the effects for a confounder of some strength.

        Parameters
        ----------
        cf_y, cf_d, rho : float or array-like, default=None
            As in `bias`.

        Returns
        -------
        lower, upper : ndarray of shape (..., n_targets)
            In outcome units, cut at what the effect can be.

        Raises
        ------
        ValueError
            If a strength is not between 0 and 1, a correlation not between -1 and 1, or they do
            not broadcast.
        """
        bias = self.bias(cf_y, cf_d, rho)
        return self._cut(self.estimate - bias, self.estimate + bias)

    def conf_bounds(
        self, cf_y: Any = None, cf_d: Any = None, rho: Any = None, *, alpha: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute confidence intervals: the bounds, widened by their sampling error.

        Parameters
        ----------
        cf_y, cf_d, rho : float or array-like, default=None
            As in `bias`.
        alpha : float or None, default=None
            One minus the confidence level; None takes that of the result.

        Returns
        -------
        lower, upper : ndarray of shape (..., n_targets)
            In outcome units, cut at what the effect can be.

        Raises
        ------
        ValueError
            If a strength is not between 0 and 1, a correlation not between -1 and 1, they do not
            broadcast, or alpha is not between 0 and 1.
        """
        level = self.alpha if alpha is None else alpha
        check_level(level)
        strength = self._strength(cf_y, cf_d, rho)[..., None]
        reach = strength * self._scale
        known = np.where(np.isfinite(strength), strength, 0.0)
        half = [norm.ppf(1 - level / 2) * self._error(sign * known) for sign in (-1, 1)]
        return self._cut(self.estimate - reach - half[0], self.estimate + reach + half[1])

    def _strength(self, cf_y: Any, cf_d: Any, rho: Any) -> np.ndarray:
        cf_y = check_share(self.cf_y if cf_y is None else cf_y, "cf_y")
        cf_d = check_share(self.cf_d if cf_d is None else cf_d, "cf_d")
        rho = check_correlation(self.rho if rho is None else rho)
        shapes = [cf_y.shape, cf_d.shape, rho.shape]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                "`cf_y`, `cf_d` and `rho` must broadcast against each other, got shapes "
                f"{', '.join(map(str, shapes))}"
            ) from None
        with np.errstate(divide="ignore"):
            odds = np.where(cf_d < 1, cf_d / (1 - cf_d), np.inf)
        some = (cf_y > 0) & (rho != 0)
        return np.where(some, np.abs(rho) * np.sqrt(np.where(some, cf_y, 1.0) * odds), 0.0)

    def _error(self, strength: np.ndarray) -> np.ndarray:
        """Compute the standard error of ``effect + strength * S``."""
        variance = (
            self._variance + 2 * strength * self._shared + strength**2 * self._variance_of_scale
        )
        return np.sqrt(np.maximum(variance, 0.0))

    def _cut(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        least, most = self.elements.limits
        return np.maximum(low, least), np.minimum(high, most)

    # -- robustness values ------------------------------------------------------------------

    @property
    def robustness_value(self) -> np.ndarray:
        """Common value of cf_y and cf_d at which the bound reaches the null."""
        return self._common_share(np.abs(self.estimate - self.null) / self._scale)

    @property
    def robustness_value_ci(self) -> np.ndarray:
        """Common value of cf_y and cf_d at which the confidence interval reaches the null."""
        away, z = np.abs(self.estimate - self.null), norm.ppf(1 - self.alpha / 2)
        sign = np.where(self.estimate >= self.null, -1.0, 1.0)
        # (away - k S)^2 = z^2 Var(effect +- k S), of which the smallest k > 0 is wanted
        square = self._scale**2 - z**2 * self._variance_of_scale
        half = away * self._scale + z**2 * sign * self._shared
        rest = away**2 - z**2 * self._variance
        root = np.sqrt(np.maximum(half**2 - square * rest, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            k = np.where(rest > 0, rest / (half + root), 0.0)
        return self._common_share(k)

    def _common_share(self, strength: np.ndarray) -> np.ndarray:
        """Solve ``strength = |rho| r / sqrt(1 - r)`` for r."""
        with np.errstate(divide="ignore", invalid="ignore"):
            squared = (strength / abs(self.rho)) ** 2
            share = 2 / (1 + np.sqrt(1 + 4 / squared))
        return np.where(strength > 0, share, 0.0)

    # -- tables -----------------------------------------------------------------------------

    def at(
        self,
        *,
        cf_y: float | None = None,
        cf_d: float | None = None,
        rho: float | None = None,
        alpha: float | None = None,
        null: float | None = None,
    ) -> SensitivityResult:
        """Return the same effects under another confounder.

        Parameters
        ----------
        cf_y, cf_d, rho, alpha, null : float or None, default=None
            New values; None keeps those of the result.

        Returns
        -------
        SensitivityResult
            Without fitting anything.

        Raises
        ------
        ValueError
            If a value is out of range.
        """
        given = {"cf_y": cf_y, "cf_d": cf_d, "rho": rho, "alpha": alpha, "null": null}
        now = {name: getattr(self, name) if v is None else v for name, v in given.items()}
        return SensitivityResult(self.elements, **now, title=self.title)

    def table(self) -> dict[str, list[Any]]:
        """Collect the columns of the summary.

        Returns
        -------
        dict of str to list
            Columns by name.
        """
        columns: dict[str, list[Any]] = {"target": list(self.names)}
        for name in (
            "estimate",
            "std_error",
            "lower",
            "upper",
            "ci_lower",
            "ci_upper",
            "robustness_value",
            "robustness_value_ci",
        ):
            columns[name] = getattr(self, name).tolist()
        return columns

    def summary(self) -> str:
        """Format bounds, confidence intervals and robustness values as a table.

        Returns
        -------
        str
            Table as text.
        """
        level = f"{100 * (1 - self.alpha):g} %"
        rows = [["", *COLUMNS]]
        for own in zip(*self.table().values(), strict=True):
            name, estimate, _, *others = own
            rows.append([name, *(f"{v:.4g}" for v in (estimate, *others))])
        note = f"hidden confounder: cf_y={self.cf_y:g}, cf_d={self.cf_d:g}, rho={self.rho:g}"
        note += f"; {level} intervals of the bounds; RV for an effect of {self.null:g}"
        return format_table(self.title, rows, note)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row per effect.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_pandas(self.table())

    def __repr__(self) -> str:
        return self.summary()


def check_share(value: Any, name: str) -> np.ndarray:
    """Check that strengths lie between 0 and 1.

    Parameters
    ----------
    value : float or array-like
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of float
    """
    array = _numbers(value, name)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"`{name}` must lie between 0 and 1, got {value!r}")
    return array


def check_correlation(rho: Any) -> np.ndarray:
    """Check that correlations lie between -1 and 1.

    Parameters
    ----------
    rho : float or array-like

    Returns
    -------
    ndarray of float
    """
    array = _numbers(rho, "rho")
    if not (np.abs(array) <= 1).all():
        raise ValueError(f"`rho` must lie between -1 and 1, got {rho!r}")
    return array


def _numbers(value: Any, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"`{name}` must hold numbers, got {value!r}")
    return array.astype(float)


def check_level(alpha: Any) -> None:
    """Check that a level lies between 0 and 1.

    Parameters
    ----------
    alpha : float
    """
    if not isinstance(alpha, (int, float, np.number)) or not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be a number between 0 and 1, got {alpha!r}")
