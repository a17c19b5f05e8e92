"""Effects, their intervals and their average in one picture."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection._columns import (
    check_effects,
    check_positive,
    find_limits,
    find_position,
    place_rows,
    take_feature,
)
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    SKY_BLUE,
    VERMILION,
    count,
    cut_intervals,
    import_pyplot,
    legend_in_headroom,
    tidy,
    unwrap,
)

LABEL_WIDTH = 46


class EffectDisplay:
    """Show effects sorted by size or against a feature, with intervals and their average.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    effect : ndarray of shape (n_samples,)
        Effect of each row, in outcome units.
    low, high : ndarray of shape (n_samples,) or None, default=None
        Ends of the interval of each row, in outcome units.
    x : ndarray of shape (n_samples,) or None, default=None
        Feature to draw the effects against. None sorts them by size.
    ate : float or None, default=None
        Average effect, in outcome units.
    ate_interval : tuple of float or None, default=None
        Ends of the interval of the average effect, in outcome units.
    alpha : float or None, default=None
        One minus the confidence level, for the legend.
    effect_name : str or None, default=None
        Label of the axis of effects.
    feature_name : str or None, default=None
        Label of the axis of x.

    Attributes
    ----------
    points_ : Line2D
        Effects.
    intervals_ : LineCollection or None
        Intervals of the effects.
    cut_ : list of Line2D
        Marks at the edge where an interval continues beyond it.
    ate_line_ : Line2D or None
        Average effect.
    ate_band_ : Artist or None
        Interval of the average effect.
    zero_line_ : Line2D or None
        Line of no effect; None where that is far from all effects.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the picture.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    OverlapDisplay : Whether the data can tell the effect at all.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import EffectDisplay
    >>> effect = np.array([0.5, 2.0, 1.1])
    >>> display = EffectDisplay.from_predictions(effect, effect - 1, effect + 1, ate=1.2)
    >>> display.ax_.get_ylabel()
    'Effect'
    """

    ax_: Any
    points_: Any
    intervals_: Any
    cut_: list[Any]
    ate_line_: Any
    ate_band_: Any
    zero_line_: Any

    def __init__(
        self,
        *,
        effect: np.ndarray,
        low: np.ndarray | None = None,
        high: np.ndarray | None = None,
        x: np.ndarray | None = None,
        ate: float | None = None,
        ate_interval: tuple[float, float] | None = None,
        alpha: float | None = None,
        effect_name: str | None = None,
        feature_name: str | None = None,
    ):
        self.effect = effect
        self.low = low
        self.high = high
        self.x = x
        self.ate = ate
        self.ate_interval = ate_interval
        self.alpha = alpha
        self.effect_name = effect_name
        self.feature_name = feature_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        feature: Any = None,
        contrast: int | str = 0,
        outcome: int | str = 0,
        alpha: float | None = 0.05,
        ax: Any = None,
        **plot_params: Any,
    ) -> EffectDisplay:
        """Show the effects that a fitted estimator finds for rows of X.

        The average and its interval are those of the training population, from
        ``estimator.ate()``.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates.
        feature : str, int or None, default=None
            Name or position of a column of X to draw the effects against. None sorts them by
            size.
        contrast : int or str, default=0
            Position or name in ``estimator.effect_names_out_``.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``.
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        EffectDisplay

        Raises
        ------
        ValueError
            If contrast, outcome or feature is not among those there are.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not estimate effects.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1`` and alpha is not None.
        """
        final, seen = unwrap(estimator, X)
        c = find_position(contrast, final.effect_names_out_, "contrast")
        m = find_position(outcome, final.outcome_names_, "outcome")
        x, feature_name = (None, None) if feature is None else take_feature(X, feature)
        shape = (len(final.effect_names_out_), len(final.outcome_names_))

        def one(values: Any) -> np.ndarray:
            return np.reshape(values, (-1, *shape))[:, c, m]

        low = high = ate_interval = None
        if alpha is not None:
            try:
                low, high = map(one, final.effect_interval(seen, alpha=alpha))
            except IntervalNotAvailableError as error:
                raise IntervalNotAvailableError(
                    f"{error}; alpha=None draws the effects without intervals"
                ) from error
            ate_low, ate_high = map(one, final.ate_interval(alpha=alpha))
            ate_interval = (float(ate_low[0]), float(ate_high[0]))
        return cls.from_predictions(
            one(final.effect(seen)),
            low,
            high,
            x=x,
            ate=float(one(final.ate())[0]),
            ate_interval=ate_interval,
            alpha=alpha,
            effect_name=f"Effect of {final.effect_names_out_[c]} on {final.outcome_names_[m]}",
            feature_name=feature_name,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        effect: Any,
        low: Any = None,
        high: Any = None,
        *,
        x: Any = None,
        ate: float | None = None,
        ate_interval: tuple[float, float] | None = None,
        alpha: float | None = None,
        effect_name: str | None = None,
        feature_name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> EffectDisplay:
        """Show given effects.

        Parameters
        ----------
        effect : array-like of shape (n_samples,)
            Effect of each row, in outcome units.
        low, high : array-like of shape (n_samples,) or None, default=None
            Ends of the interval of each row, in outcome units.
        x : array-like of shape (n_samples,) or None, default=None
            Feature to draw the effects against: numbers, or labels. None sorts the effects by
            size.
        ate : float or None, default=None
            Average effect, in outcome units.
        ate_interval : tuple of float or None, default=None
            Ends of the interval of the average effect, in outcome units.
        alpha : float or None, default=None
            One minus the confidence level of the intervals, for the legend.
        effect_name : str or None, default=None
            Label of the axis of effects.
        feature_name : str or None, default=None
            Label of the axis of x.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        EffectDisplay

        Raises
        ------
        ValueError
            If shapes differ, values are not finite, only one end of an interval is given, or x
            has too many labels.
        """
        effect, low, high, x = check_effects(effect, low, high, x)
        if ate_interval is not None and (ate is None or np.shape(ate_interval) != (2,)):
            raise ValueError(
                "`ate_interval` must hold two numbers and come with `ate`, "
                f"got {ate_interval!r} and ate={ate!r}"
            )
        display = cls(
            effect=effect,
            low=low,
            high=high,
            x=x,
            ate=ate,
            ate_interval=ate_interval,
            alpha=alpha,
            effect_name=effect_name,
            feature_name=feature_name,
        )
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        max_rows: int = 400,
        point_kwargs: dict[str, Any] | None = None,
        interval_kwargs: dict[str, Any] | None = None,
        ate_kwargs: dict[str, Any] | None = None,
    ) -> EffectDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        max_rows : int, default=400
            About how many rows to draw; of more, evenly spaced ones are taken.
        point_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the effects.
        interval_kwargs : dict or None, default=None
            Passed to ``ax.vlines`` for the intervals.
        ate_kwargs : dict or None, default=None
            Passed to ``ax.axhline`` for the average effect.

        Returns
        -------
        self : EffectDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If max_rows is not a positive integer.
        """
        check_positive(max_rows, "max_rows")
        plt = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        rows, at, labels = place_rows(self.effect, self.x, max_rows)
        if labels is not None:
            ax.set_xticks(np.arange(len(labels)), labels)
        by_size = "Share of rows with a smaller effect (%)"
        ax.set_xlabel(by_size if self.x is None else self.feature_name or "x")
        handles = self._draw_rows(rows, at, point_kwargs, interval_kwargs)
        handles += self._draw_ate(ate_kwargs)
        handles += self._set_limits(rows, at)
        ax.set_ylabel(textwrap.fill(self.effect_name or "Effect", LABEL_WIDTH))
        ax.margins(x=0.02)
        tidy(ax)
        self.legend_ = legend_in_headroom(ax, handles)
        self.legend_.legend_handles[0].set_markersize(5)
        if self.intervals_ is not None:
            self.legend_.legend_handles[1].set_linewidth(2)
        return self

    def _draw_rows(
        self,
        rows: np.ndarray,
        at: np.ndarray,
        point_kwargs: dict[str, Any] | None,
        interval_kwargs: dict[str, Any] | None,
    ) -> list[Any]:
        n = len(self.effect)
        shown = "" if len(rows) == n else f" ({count(len(rows))} of {count(n)} rows)"
        few = len(rows) <= 60
        style = {
            "linestyle": "none",
            "marker": "o",
            "markersize": 5 if few else 2.5,
            "color": BLUE,
            "zorder": 3,
            "label": f"Effect{shown}",
        }
        (self.points_,) = self.ax_.plot(at, self.effect[rows], **(style | (point_kwargs or {})))
        self.intervals_ = None
        if self.low is None or self.high is None:
            return [self.points_]
        level = "Interval" if self.alpha is None else f"{100 * (1 - self.alpha):g} % interval"
        width = 1.5 if few else 0.7
        style = {"color": SKY_BLUE, "linewidth": width, "alpha": 0.8, "zorder": 2, "label": level}
        self.intervals_ = self.ax_.vlines(
            at, self.low[rows], self.high[rows], **(style | (interval_kwargs or {}))
        )
        return [self.points_, self.intervals_]

    def _draw_ate(self, ate_kwargs: dict[str, Any] | None) -> list[Any]:
        self.ate_line_, self.ate_band_ = None, None
        if self.ate is None:
            return []
        label = f"Average effect {self.ate:.3g}"
        if self.ate_interval is not None:
            low, high = self.ate_interval
            label += f" [{low:.3g}, {high:.3g}]"
            self.ate_band_ = self.ax_.axhspan(
                low, high, color=VERMILION, alpha=0.3, linewidth=0, zorder=2.5
            )
        style = {"color": VERMILION, "linestyle": "--", "linewidth": 2, "zorder": 2.8}
        self.ate_line_ = self.ax_.axhline(self.ate, label=label, **(style | (ate_kwargs or {})))
        return [self.ate_line_]

    def _set_limits(self, rows: np.ndarray, at: np.ndarray) -> list[Any]:
        """Set the limits, mark what goes beyond, and draw the line of no effect if near."""
        effect = self.effect[rows]
        low, high = (effect if end is None else end[rows] for end in (self.low, self.high))
        average = [v for v in (self.ate, *(self.ate_interval or ())) if v is not None]
        limits, has_zero = find_limits(effect, low, high, average)
        self.ax_.set_ylim(limits)
        self.zero_line_ = None
        if has_zero:
            self.zero_line_ = self.ax_.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
        self.cut_ = []
        if self.intervals_ is not None:
            self.cut_ = cut_intervals(self.ax_, self.intervals_, at, low, high, limits)
        return self.cut_[:1]
