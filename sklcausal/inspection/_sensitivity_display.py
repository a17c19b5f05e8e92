"""What is left of an average effect under hidden confounders of all strengths."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from sklcausal.inspection._columns import check_positive
from sklcausal.inspection._legends import note, write_heads
from sklcausal.inspection._plotting import (
    BLACK,
    VERMILION,
    import_pyplot,
    label_unit,
    shorten_name,
    tidy,
    unwrap,
)
from sklcausal.inspection._sensitivity_contours import (
    draw_contours,
    place_labels,
    write_labels,
    write_number,
)
from sklcausal.sensitivity import ConfounderBenchmarks, SensitivityResult, sensitivity_analysis
from sklcausal.utils._positions import find_position

VALUES = ("bound", "interval")
GREY = "#666666"
MARGIN = 1.25  # of the axes, beyond what is marked
LARGEST = 0.99  # of an axis, since nothing is bounded at 1
HEADROOM = 1.04  # of the axes, so that marks at the edge stand free
N_LEVELS = 9
N_TICKS = 6


class SensitivityDisplay:
    """Show the bound of an average effect over the strengths of a hidden confounder.

    Contours join strengths that leave the same bound, the one towards the null. A strong line
    joins those at which the null is reached: only confounders beyond it could explain the effect
    away. Benchmarks show how strong observed columns would be, had they been hidden.

    Create it by `from_estimator` or `from_result`. Parameters are stored as attributes.

    Parameters
    ----------
    result : SensitivityResult
        Bounds.
    benchmarks : ConfounderBenchmarks or None, default=None
        Strengths of observed columns.
    target : int, default=0
        Position of the effect that is drawn.
    value : {'bound', 'interval'}, default='bound'
        Whether contours are of the bound itself or of the end of its confidence interval.

    Attributes
    ----------
    contours_ : QuadContourSet
        Contours of the bound.
    null_contour_ : QuadContourSet or None
        Strengths that reach the null; None where no strength in sight does.
    diagonal_ : Line2D
        Equal strengths.
    robustness_point_ : Line2D or None
        Robustness value on the diagonal; None if it is out of sight.
    origin_point_ : Line2D
        No confounder.
    scenario_point_ : Line2D or None
        The strength that the result was asked for; None if it is 0.
    benchmark_points_ : Line2D or None
        Strengths of the benchmarks.
    labels_ : list of Annotation
        Names of the benchmarks.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the picture.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    sklcausal.sensitivity.sensitivity_analysis : The numbers behind the picture.
    sklcausal.sensitivity.benchmark_confounders : Strengths of observed columns.

    Notes
    -----
    Bounds take the correlation rho of the result, by default the worst. Strengths beyond the axes
    are drawn at their edge.

    References
    ----------
    .. [1] Chernozhukov, Cinelli, Newey, Sharma, Syrgkanis, "Long story short: omitted variable
       bias in causal machine learning", arXiv 2112.13398.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import SensitivityDisplay
    >>> from sklcausal.sensitivity import omitted_variable_bounds
    >>> noise, a = np.random.default_rng(0).normal(size=500), np.tile([2.0, -2.0], 250)
    >>> result = omitted_variable_bounds(1.0 + a * noise, noise, a)
    >>> display = SensitivityDisplay.from_result(result)
    >>> display.ax_.get_xlabel().splitlines()[0]
    'Strength with the treatment, cf_d'
    """

    ax_: Any
    figure_: Any
    contours_: Any
    null_contour_: Any
    benchmark_points_: Any
    labels_: list[Any]

    def __init__(
        self,
        *,
        result: SensitivityResult,
        benchmarks: ConfounderBenchmarks | None = None,
        target: int = 0,
        value: str = "bound",
    ):
        self.result = result
        self.benchmarks = benchmarks
        self.target = target
        self.value = value

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        cf_y: float = 0.03,
        cf_d: float = 0.03,
        rho: float = 1.0,
        alpha: float = 0.05,
        null: float = 0.0,
        T0: Any = None,
        T1: Any = None,
        benchmarks: ConfounderBenchmarks | None = None,
        target: int | str = 0,
        value: str = "bound",
        ax: Any = None,
        **plot_params: Any,
    ) -> SensitivityDisplay:
        """Show the bounds of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        cf_y, cf_d, rho, alpha, null : float
            As in `sklcausal.sensitivity.sensitivity_analysis`.
        T0, T1 : label or dose, default=None
            Treatments to compare, as in ``estimator.effect``.
        benchmarks : ConfounderBenchmarks or None, default=None
            Strengths of observed columns, for the same effects.
        target : int or str, default=0
            Position or name of the effect to draw.
        value : {'bound', 'interval'}, default='bound'
            Whether contours are of the bound itself or of the end of its confidence interval.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``.
        ModelError
            If the average effect is no linear functional of the mean outcome.
        TypeError
            If the estimator does not estimate effects.
        ValueError
            If a parameter is out of range, or benchmarks are of other effects.
        """
        final, _ = unwrap(estimator)
        given = {"cf_y": cf_y, "cf_d": cf_d, "rho": rho, "alpha": alpha, "null": null}
        found = sensitivity_analysis(final, **given, T0=T0, T1=T1)
        plot_params = {"ax": ax, **plot_params}
        return cls.from_result(found, benchmarks, target=target, value=value, **plot_params)

    @classmethod
    def from_result(
        cls,
        result: Any,
        benchmarks: Any = None,
        *,
        target: int | str = 0,
        value: str = "bound",
        ax: Any = None,
        **plot_params: Any,
    ) -> SensitivityDisplay:
        """Show given bounds.

        Parameters
        ----------
        result : SensitivityResult
            From `sklcausal.sensitivity`.
        benchmarks : ConfounderBenchmarks or None, default=None
            Strengths of observed columns, for the same effects.
        target : int or str, default=0
            Position or name of the effect to draw.
        value : {'bound', 'interval'}, default='bound'
            Whether contours are of the bound itself or of the end of its confidence interval.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        TypeError
            If the result or the benchmarks are something else.
        ValueError
            If there is no such effect, ``value`` is unknown, or benchmarks are of other effects.
        """
        if not isinstance(result, SensitivityResult):
            raise TypeError(f"`result` must be a SensitivityResult, got {type(result).__name__}")
        if value not in VALUES:
            raise ValueError(f"`value` must be one of {VALUES}, got {value!r}")
        at = find_position(target, result.names, "target")
        if benchmarks is not None:
            came = type(benchmarks).__name__
            if not isinstance(benchmarks, ConfounderBenchmarks):
                raise TypeError(f"`benchmarks` must be ConfounderBenchmarks, got {came}")
            if benchmarks.names != result.names:
                raise ValueError(
                    f"`benchmarks` must be of the effects {result.names}, got {benchmarks.names}"
                )
        display = cls(result=result, benchmarks=benchmarks, target=at, value=value)
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        max_cf_d: float | None = None,
        max_cf_y: float | None = None,
        n_levels: int = N_LEVELS,
        contour_kwargs: dict[str, Any] | None = None,
        null_kwargs: dict[str, Any] | None = None,
    ) -> SensitivityDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        max_cf_d, max_cf_y : float or None, default=None
            Ends of the axes. None makes room for the robustness value and the benchmarks.
        n_levels : int, default=9
            About how many contours are drawn.
        contour_kwargs : dict or None, default=None
            Passed to ``ax.contour`` for the contours.
        null_kwargs : dict or None, default=None
            Passed to ``ax.contour`` for the contour of the null.

        Returns
        -------
        self : SensitivityDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If an end of an axis is not between 0 and 1, or n_levels no positive integer.
        """
        check_positive(n_levels, "n_levels")
        for name, end in {"max_cf_d": max_cf_d, "max_cf_y": max_cf_y}.items():
            if end is not None and not 0 < end <= 1:
                raise ValueError(f"`{name}` must be above 0 and at most 1, got {end!r}")
        plt = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        result, at = self.result, self.target
        share = result.robustness_value if self.value == "bound" else result.robustness_value_ci
        self._share = float(share[at])
        right = self._end(max_cf_d, "cf_d")
        top = self._end(max_cf_y, "cf_y")
        ax.set_xlim(0, HEADROOM * right)
        ax.set_ylim(0, HEADROOM * top)
        ends = min(HEADROOM * right, LARGEST), min(HEADROOM * top, 1.0)
        null = result.null if self._share > 0 else None
        self.contours_, self.null_contour_ = draw_contours(
            ax, self._bound, ends, null, n_levels, contour_kwargs or {}, null_kwargs or {}
        )
        handles = [*self._draw_benchmarks(right, top), *self._draw_marks(right, top)]
        x, y = "Strength with the treatment, cf_d", "Strength with the outcome, cf_y"
        ax.set_xlabel(label_unit(x, None, "share of the representer"))
        ax.set_ylabel(label_unit(y, None, "share of residual variance"))
        tidy(ax)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.locator_params(nbins=N_TICKS)
        self.legend_ = write_heads([ax], [(self._title(), handles)])[0]
        marks = [self.benchmark_points_, self.robustness_point_, self.scenario_point_]
        drawn = [self.origin_point_, *(mark for mark in marks if mark is not None)]
        texts = [text for c in (self.contours_, self.null_contour_) if c for text in c.labelTexts]
        place_labels(ax, self.labels_, drawn, texts)
        return self

    def _title(self) -> str:
        side = "Lower" if self._is_above else "Upper"
        what = "bound of the effect"
        if self.value == "interval":
            what = f"end of the {100 * (1 - self.result.alpha):g} % interval"
        return f"{side} {what} {shorten_name(self.result.names[self.target])}"

    @property
    def _is_above(self) -> bool:
        return bool(self.result.estimate[self.target] >= self.result.null)

    def _end(self, given: float | None, name: str) -> float:
        """Choose the end of an axis."""
        if given is not None:
            return min(given, LARGEST) if name == "cf_d" else given
        marked = [self._share, getattr(self.result, name)]
        if self.benchmarks is not None:
            marked += getattr(self.benchmarks, name)[:, :, self.target].ravel().tolist()
        wanted = MARGIN * max(marked)
        return min(wanted if wanted > 0 else 0.1, LARGEST if name == "cf_d" else 1.0)

    def _bound(self, cf_y: Any, cf_d: Any) -> Any:
        ask = self.result.bounds if self.value == "bound" else self.result.conf_bounds
        return ask(cf_y, cf_d)[0 if self._is_above else 1][..., self.target]

    def _draw_marks(self, right: float, top: float) -> list[Any]:
        lines = importlib.import_module("matplotlib.lines")
        ax, result, handles = self.ax_, self.result, []
        null = write_number(result.null)
        if self.null_contour_ is not None:
            color, width = self.null_contour_.get_edgecolor()[0], 2.6
            name = f"An effect of {null} is reached"
            handles.append(lines.Line2D([], [], color=color, linewidth=width, label=name))
        elif not self._share and self.value == "interval":
            handles.append(note(f"The interval holds {null} without a confounder"))
        end = min(right, top)
        style = {"color": GREY, "linestyle": (0, (4, 3)), "linewidth": 1}
        (self.diagonal_,) = ax.plot([0, HEADROOM * end], [0, HEADROOM * end], **style)
        self.robustness_point_ = self.scenario_point_ = None
        mark = {"linestyle": "none", "color": BLACK, "clip_on": False, "zorder": 6}
        if 0 < self._share <= end:
            (self.robustness_point_,) = ax.plot(
                [self._share],
                [self._share],
                **mark | {"markerfacecolor": "white", "markeredgecolor": VERMILION},
                marker="o",
                markersize=9,
                markeredgewidth=2,
                label=f"Equal strengths: robustness value {self._share:.3g}",
            )
            handles.append(self.robustness_point_)
        name = f"No confounder: {write_number(self._bound(0.0, 0.0))}"
        below = mark | {"markerfacecolor": "white", "zorder": 5.5}
        (self.origin_point_,) = ax.plot([0], [0], **below, marker="s", markersize=9, label=name)
        handles.append(self.origin_point_)
        if result.cf_d > 0 and result.cf_y > 0:
            name = f"Stated confounder: {write_number(self._bound(result.cf_y, result.cf_d))}"
            place = [min(result.cf_d, right)], [min(result.cf_y, top)]
            (self.scenario_point_,) = ax.plot(*place, **mark, marker="D", markersize=7, label=name)
            handles.append(self.scenario_point_)
        return handles

    def _draw_benchmarks(self, right: float, top: float) -> list[Any]:
        self.benchmark_points_, self.labels_ = None, []
        if self.benchmarks is None:
            return []
        own = self.benchmarks
        cf_d, cf_y = (b[:, :, self.target].ravel() for b in (own.cf_d, own.cf_y))
        bound = self._bound(cf_y, cf_d)
        times = ["" if k == 1 else f" × {k:g}" for k in own.k]
        names = [shorten_name(label) + k for label in own.labels for k in times]
        x, y = np.minimum(cf_d, right), np.minimum(cf_y, top)
        style = {"color": BLACK, "markersize": 7, "clip_on": False, "zorder": 6}
        label = "Observed columns, had they been hidden"
        (self.benchmark_points_,) = self.ax_.plot(x, y, "^", **style, label=label)
        texts = [f"{own}: {write_number(v)}" for own, v in zip(names, bound, strict=True)]
        self.labels_ = write_labels(self.ax_, texts, x, y)
        return [self.benchmark_points_]
