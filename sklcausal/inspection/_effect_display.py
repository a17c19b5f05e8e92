"""Effects, their intervals and their average in one picture."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection._columns import check_positive, place_rows, take_feature
from sklcausal.inspection._effect_panel import (
    EffectPanel,
    check_grid,
    find_common_limits,
    split_panels,
)
from sklcausal.inspection._legends import draw_legend, legend_in_headroom
from sklcausal.inspection._panels import NO_BREAK, make_panels, make_room, write_title
from sklcausal.inspection._plotting import LABEL_WIDTH, import_pyplot, label_points, tidy, unwrap
from sklcausal.utils._positions import find_position

PANEL_WIDTH = 26  # characters
MAX_ALIGNED = 4  # outcomes that stand side by side, a row for each contrast
BY_SIZE = "Share of rows with a smaller effect (%)"
AVERAGE = "Average effect and its interval"


def _choose(choice: Any, names: Any, argument: str) -> list[int]:
    """Find the positions that are drawn."""
    if isinstance(choice, str) and choice == "all":
        return list(range(len(names)))
    return [find_position(choice, names, argument)]


class EffectDisplay:
    """Show effects sorted by size or against a feature, with intervals and their average.

    Several contrasts or outcomes get a panel each; panels of the same outcome have the same axes.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    effect : ndarray of shape (n_samples,) or (n_samples, n_contrasts, n_outcomes)
        Effect of each row, in outcome units.
    low, high : ndarray of the same shape or None, default=None
        Ends of the interval of each row, in outcome units.
    x : ndarray of shape (n_samples,) or None, default=None
        Feature to draw the effects against. None sorts them by size.
    ate : float, ndarray of shape (n_contrasts, n_outcomes) or None, default=None
        Average effect, in outcome units.
    ate_interval : tuple of two like ``ate`` or None, default=None
        Ends of the interval of the average effect, in outcome units.
    alpha : float or None, default=None
        One minus the confidence level, for the legend.
    effect_name : str, ndarray of str of shape (n_contrasts, n_outcomes) or None, default=None
        Label of the axis of effects, or titles of the panels.
    feature_name : str or None, default=None
        Label of the axis of x.

    Attributes
    ----------
    points_ : Line2D
        Effects. Where ``effect`` has three axes, this and the following are arrays of shape
        (n_contrasts, n_outcomes) of what is described.
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
    axes_ : ndarray of Axes of shape (n_contrasts, n_outcomes)
        Panels.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        Figure that contains the panels.

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

    axes_: np.ndarray
    ax_: Any
    figure_: Any
    points_: Any
    intervals_: Any
    cut_: Any
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
        ate: Any = None,
        ate_interval: Any = None,
        alpha: float | None = None,
        effect_name: Any = None,
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
            Position or name in ``estimator.effect_names_out_``; 'all' draws a panel for each.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``; 'all' draws a panel for each.
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
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
        effects, outcomes = final.effect_names_out_, final.outcome_names_
        place = np.ix_(
            _choose(contrast, effects, "contrast"), _choose(outcome, outcomes, "outcome")
        )
        x, feature_name = (None, None) if feature is None else take_feature(X, feature)
        is_single = place[0].size * place[1].size == 1

        def some(values: Any) -> np.ndarray:
            chosen = np.reshape(values, (-1, len(effects), len(outcomes)))[:, place[0], place[1]]
            return chosen[:, 0, 0] if is_single else chosen

        low = high = ate_interval = None
        if alpha is not None:
            try:
                low, high = map(some, final.effect_interval(seen, alpha=alpha))
            except IntervalNotAvailableError as error:
                raise IntervalNotAvailableError(
                    f"{error}; alpha=None draws the effects without intervals"
                ) from error
            ends = [some(end)[0] for end in final.ate_interval(alpha=alpha)]
            ate_interval = (ends[0], ends[1])
        names = np.array(
            [[f"{effect} on {outcome}" for outcome in outcomes] for effect in effects],
            dtype=object,
        )[place]
        return cls.from_predictions(
            some(final.effect(seen)),
            low,
            high,
            x=x,
            ate=some(final.ate())[0],
            ate_interval=ate_interval,
            alpha=alpha,
            effect_name=f"Effect of {names[0, 0]}" if is_single else names,
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
        ate: Any = None,
        ate_interval: Any = None,
        alpha: float | None = None,
        effect_name: Any = None,
        feature_name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> EffectDisplay:
        """Show given effects.

        Parameters
        ----------
        effect : array-like of shape (n_samples,) or (n_samples, n_contrasts, n_outcomes)
            Effect of each row, in outcome units.
        low, high : array-like of the same shape or None, default=None
            Ends of the interval of each row, in outcome units.
        x : array-like of shape (n_samples,) or None, default=None
            Feature to draw the effects against: numbers, or at most 20 labels. None sorts the
            effects by size.
        ate, ate_interval, alpha, effect_name, feature_name : object
            As in the parameters of the class.
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
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
        given = check_grid(effect, low, high, x, ate, ate_interval, effect_name)
        return cls(**given, alpha=alpha, feature_name=feature_name).plot(ax, **plot_params)

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
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
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
            If max_rows is not a positive integer, or ax does not fit the number of panels.
        """
        check_positive(max_rows, "max_rows")
        plt = import_pyplot(type(self).__name__)
        panels = split_panels(self)
        self.figure_, axes, legend_ax = self._make_axes(plt, ax, panels.shape)
        self.axes_, self.ax_ = axes.reshape(panels.shape), axes[0]
        placed = [place_rows(panel.effect, self.x, max_rows) for panel in panels.flat]
        label = AVERAGE if panels.size > 1 else panels[0, 0].describe_average("Average effect")
        for axis, panel, (rows, at, _) in zip(axes, panels.flat, placed, strict=True):
            panel.draw_rows(axis, rows, at, self.alpha, point_kwargs, interval_kwargs)
            panel.draw_average(axis, label, ate_kwargs)
        drawn = np.arange(panels.size).reshape(panels.shape)
        for own in drawn.T:  # outcomes have their own units
            same = [panels.flat[k] for k in own]
            limits = find_common_limits(same, [placed[k][0] for k in own])
            for k, panel in zip(own, same, strict=True):
                panel.set_limits(axes[k], *placed[k][:2], *limits)
        for axis, panel, (_, _, levels) in zip(axes, panels.flat, placed, strict=True):
            self._label(axis, panel, levels, panels.size == 1)
        if ax is None and legend_ax is not None:
            make_room(axes)
        self._keep_artists(panels)
        self._write_legend(panels, legend_ax)
        return self

    def _make_axes(self, plt: Any, ax: Any, shape: tuple[int, int]) -> Any:
        n_contrasts, n_outcomes = shape
        aligned = n_contrasts > 1 and 1 < n_outcomes <= MAX_ALIGNED
        return make_panels(
            plt,
            ax,
            n_contrasts * n_outcomes,
            n_columns=n_outcomes if aligned else None,
            groups=np.tile(np.arange(n_outcomes), n_contrasts).tolist(),
            legend_lines=2,
        )

    def _label(self, ax: Any, panel: EffectPanel, levels: Any, single: bool) -> None:
        width = LABEL_WIDTH if single else PANEL_WIDTH
        if single or ax.xaxis.get_tick_params()["labelbottom"]:
            if levels is not None:
                label_points(ax, levels)
            label = BY_SIZE if self.x is None else self.feature_name or "x"
            ax.set_xlabel(textwrap.fill(label, width))
        if single:
            ax.set_ylabel(textwrap.fill(panel.name or "Effect", width))
        else:
            average = panel.describe_average("Average").replace(" ", NO_BREAK)
            write_title(ax, f"{panel.name or ''}\n{average}")
            if ax.get_subplotspec() is None or ax.get_subplotspec().is_first_col():
                ax.set_ylabel("Effect")
        ax.margins(x=0.02)
        if self.x is None:
            ax.set_xlim(-2, 102)
        tidy(ax)

    def _keep_artists(self, panels: np.ndarray) -> None:
        for name in ("points", "intervals", "cut", "ate_line", "ate_band", "zero_line"):
            artists = np.empty(panels.shape, dtype=object)
            for place in np.ndindex(panels.shape):
                artists[place] = getattr(panels[place], name)
            setattr(self, f"{name}_", artists if self.effect.ndim == 3 else artists[0, 0])

    def _write_legend(self, panels: np.ndarray, legend_ax: Any) -> None:
        first = panels[0, 0]
        cut = [mark for panel in panels.flat for mark in panel.cut][:1]
        handles = [h for h in (first.points, first.intervals, first.ate_line) if h is not None]
        handles += cut
        if legend_ax is None:
            self.legend_ = legend_in_headroom(self.ax_, handles)
        else:
            self.legend_ = draw_legend(
                legend_ax, handles=handles, loc="center", ncols=2, frameon=False, borderpad=0
            )
        self.legend_.legend_handles[0].set_markersize(5)
        if first.intervals is not None:
            self.legend_.legend_handles[1].set_linewidth(2)
