"""Effects, their intervals and their average in one picture."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    SKY_BLUE,
    VERMILION,
    count,
    import_pyplot,
    legend_in_headroom,
    tidy,
    unwrap,
)
from sklcausal.targets import as_column_array

MAX_NUMERIC_LEVELS = 10
MAX_LABELS = 20
MIN_ROWS_PER_LEVEL = 20
LABEL_WIDTH = 46
TAIL = 0.025  # share of long intervals that may be cut at the edge of the picture


def _pick(choice: Any, names: Any, argument: str) -> int:
    """Find a position from a position or a name."""
    names = [str(name) for name in names]
    if isinstance(choice, str) and choice in names:
        return names.index(choice)
    if (
        isinstance(choice, Integral)
        and not isinstance(choice, bool)
        and 0 <= int(choice) < len(names)
    ):
        return int(choice)
    raise ValueError(
        f"`{argument}` must be a position from 0 to {len(names) - 1} or one of {names}, "
        f"got {choice!r}"
    )


def _feature(X: Any, feature: Any) -> tuple[Any, str]:
    """Take a column of X and its name."""
    names = [str(name) for name in getattr(X, "columns", [])]
    n_features = len(names) or np.shape(X)[1]
    if isinstance(feature, str) and not names:
        raise ValueError(f"`feature` must be a position, as `X` has no names, got {feature!r}")
    position = _pick(feature, names or [f"x{j}" for j in range(n_features)], "feature")
    frame = X if hasattr(X, "shape") else np.asarray(X)
    return _safe_indexing(frame, position, axis=1), names[position] if names else f"x{position}"


def _numbers(values: Any, name: str, n_samples: int | None) -> np.ndarray:
    """Check that an argument is a finite column."""
    array = np.asarray(values)
    shape = array.shape[:1] if array.ndim == 2 and array.shape[1] == 1 else array.shape
    if len(shape) != 1 or (n_samples is not None and shape != (n_samples,)):
        wanted = "(n_samples,)" if n_samples is None else f"({n_samples},) as `effect` has"
        raise ValueError(f"`{name}` must have shape {wanted}, got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers, got dtype {array.dtype}")
    n_bad = int((~np.isfinite(array)).sum())
    if n_bad:
        raise ValueError(f"`{name}` must be finite, got {n_bad} NaN or infinite value(s)")
    return array.reshape(shape).astype(float)


def _levels(x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Find labels and codes where x has few values, or None where it is a scale."""
    levels, codes = np.unique(x, return_inverse=True)
    if x.dtype.kind in "US":
        return levels, codes
    few = len(levels) <= MAX_NUMERIC_LEVELS and len(levels) < len(x)
    return (np.array([f"{v:g}" for v in levels.astype(float)]), codes) if few else None


def _thin(rows: np.ndarray, n_kept: int) -> np.ndarray:
    """Keep rows evenly, the first and the last among them."""
    if len(rows) <= n_kept:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n_kept).round().astype(int)]


def _limits(effect: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Find limits that a few very long intervals do not dominate."""
    whole = low.min(), high.max()
    core = (
        min(effect.min(), np.quantile(low, TAIL)),
        max(effect.max(), np.quantile(high, 1 - TAIL)),
    )
    return core if whole[1] - whole[0] > 1.5 * (core[1] - core[0]) else whole


class EffectDisplay:
    """Show effects sorted by size or against a feature, with intervals and their average.

    It is recommended to use `from_estimator` or `from_predictions` to create a display. All
    parameters are stored as attributes.

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
        c = _pick(contrast, final.effect_names_out_, "contrast")
        m = _pick(outcome, final.outcome_names_, "outcome")
        x, feature_name = (None, None) if feature is None else _feature(X, feature)
        shape = (len(final.effect_names_out_), len(final.outcome_names_))

        def one(values: Any) -> np.ndarray:
            return np.reshape(values, (-1, *shape))[:, c, m]

        ends, ate_interval = (None, None), None
        if alpha is not None:
            try:
                ends = tuple(one(end) for end in final.effect_interval(seen, alpha=alpha))
            except IntervalNotAvailableError as error:
                raise IntervalNotAvailableError(
                    f"{error}; alpha=None draws the effects without intervals"
                ) from error
            ate_interval = tuple(float(one(end)[0]) for end in final.ate_interval(alpha=alpha))
        return cls.from_predictions(
            one(final.effect(seen)),
            *ends,
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
        effect = _numbers(effect, "effect", None)
        if (low is None) != (high is None):
            raise ValueError(
                "`low` and `high` must be given together, got only "
                + ("`high`" if low is None else "`low`")
            )
        if low is not None:
            low, high = (
                _numbers(end, name, len(effect)) for end, name in ((low, "low"), (high, "high"))
            )
        if x is not None:
            x = as_column_array(x, "x")
            if x.dtype.kind in "US":
                n_labels = len(np.unique(x))
                if x.shape != effect.shape or n_labels > MAX_LABELS:
                    raise ValueError(
                        f"`x` must have shape {effect.shape} and at most {MAX_LABELS} different "
                        f"labels, got shape {x.shape} and {n_labels} labels"
                    )
            else:
                x = _numbers(x, "x", len(effect))
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

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If max_rows is not a positive integer.
        """
        if not isinstance(max_rows, Integral) or max_rows < 1:
            raise ValueError(f"`max_rows` must be an integer of at least 1, got {max_rows!r}")
        plt = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        rows, at = self._place(max_rows)
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

    def _place(self, max_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Choose the rows to draw and their places, and label the axis."""
        ax, n = self.ax_, len(self.effect)
        if self.x is None:
            order = np.argsort(self.effect, kind="stable")
            kept = _thin(np.arange(n), max_rows)
            ax.set_xlabel("Share of rows with a smaller effect (%)")
            return order[kept], 100 * (kept + 0.5) / n
        ax.set_xlabel(self.feature_name or "x")
        levels = _levels(self.x)
        if levels is None:
            rows = _thin(np.lexsort((self.effect, self.x)), max_rows)
            return rows, self.x[rows]
        labels, codes = levels
        parts, places = [], []
        for k in range(len(labels)):
            members = np.flatnonzero(codes == k)
            n_kept = max(round(max_rows * len(members) / n), MIN_ROWS_PER_LEVEL)
            # rows of a level stand side by side, sorted by effect
            part = _thin(members[np.argsort(self.effect[members], kind="stable")], n_kept)
            parts.append(part)
            places.append(k + 0.8 * ((np.arange(len(part)) + 0.5) / len(part) - 0.5))
        ax.set_xticks(np.arange(len(labels)), labels)
        return np.concatenate(parts), np.concatenate(places)

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
        style = {
            "color": SKY_BLUE,
            "linewidth": 1.5 if few else 0.7,
            "alpha": 0.8,
            "zorder": 2,
            "label": level,
        }
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
        style = {
            "color": VERMILION,
            "linestyle": "--",
            "linewidth": 2,
            "zorder": 2.8,
            "label": label,
        }
        self.ate_line_ = self.ax_.axhline(self.ate, **(style | (ate_kwargs or {})))
        return [self.ate_line_]

    def _set_limits(self, rows: np.ndarray, at: np.ndarray) -> list[Any]:
        """Set the limits, mark what goes beyond, and draw the line of no effect if near."""
        ax, effect = self.ax_, self.effect[rows]
        low, high = (effect if end is None else end[rows] for end in (self.low, self.high))
        bottom, top = _limits(effect, low, high)
        if self.ate is not None:
            ends = [self.ate] if self.ate_interval is None else self.ate_interval
            bottom, top = min(bottom, *ends, self.ate), max(top, *ends, self.ate)
        span = (top - bottom) or max(abs(top), 1.0)
        self.zero_line_ = None
        if bottom - span <= 0 <= top + span:
            self.zero_line_ = ax.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
            bottom, top = min(bottom, 0), max(top, 0)
        pad = 0.05 * (top - bottom or span)
        bottom, top = bottom - pad, top + pad
        ax.set_ylim(bottom, top)
        # where the y-axis ends differs from where intervals are cut, as the legend goes above
        marks = ((low < bottom, bottom, "v"), (high > top, top, "^"))
        self.cut_ = []
        for beyond, edge, marker in marks:
            if beyond.any():
                self.cut_ += ax.plot(
                    at[beyond],
                    np.full(beyond.sum(), edge),
                    linestyle="none",
                    marker=marker,
                    markersize=5,
                    color=BLACK,
                    clip_on=False,
                    zorder=3,
                    label="Interval continues",
                )
        if self.intervals_ is not None and self.cut_:
            ends = np.clip(np.stack([low, high], axis=1), bottom, top)
            self.intervals_.set_segments(
                [[(x, lower), (x, upper)] for x, (lower, upper) in zip(at, ends, strict=True)]
            )
        return self.cut_[:1]
