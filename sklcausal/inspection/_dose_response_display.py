"""Mean outcomes by dose or arm, with pointwise and uniform bands."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from sklcausal.inference import InferenceResult
from sklcausal.inspection._columns import MAX_LABELS, check_curve, thin
from sklcausal.inspection._legends import legend_in_headroom
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    LABEL_WIDTH,
    SKY_BLUE,
    import_pyplot,
    label_points,
    restyle,
    tidy,
    unwrap,
)
from sklcausal.utils._positions import find_position

MAX_MARKERS = 12
MAX_RUG = 400
SIDE = 0.03  # of the axis, left and right of the curve
BOTTOM = 0.08  # of the axis, for the rug


class DoseResponseDisplay:
    """Show the mean outcome if everybody received a dose or an arm, with its bands.

    The darker band holds the mean at each dose with the stated confidence; the lighter one holds
    the whole curve at once. Arms, and points of several treatments, are drawn as points with
    intervals.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    dose : ndarray of shape (n_points,)
        Doses as numbers, or labels of arms.
    mean : ndarray of shape (n_points,)
        Mean outcome if everybody received the dose, in outcome units.
    low, high, band_low, band_high : ndarray of shape (n_points,) or None, default=None
        Ends of the interval at each dose, and of the band of the whole curve, in outcome units.
    received : ndarray of shape (n_samples,) or None, default=None
        Doses that were received, drawn as ticks at the bottom.
    alpha : float or None, default=None
        One minus the confidence level, for the legend.
    dose_name, outcome_name : str or None, default=None
        Labels of the axes of doses and of mean outcomes.

    Attributes
    ----------
    curve_ : Line2D
        Mean outcomes.
    interval_ : PolyCollection, LineCollection or None
        Intervals at each dose.
    band_ : PolyCollection, LineCollection or None
        Band of the whole curve.
    rug_ : Line2D or None
        Doses that were received; at most 400, evenly chosen.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the picture.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    EffectDisplay : Effects with intervals and their average.
    InfluenceDisplay : What the averages rest on.

    Examples
    --------
    >>> from sklcausal.inspection import DoseResponseDisplay
    >>> display = DoseResponseDisplay.from_predictions(
    ...     [1, 2, 3], [0.8, 0.5, 0.3], low=[0.7, 0.4, 0.1], high=[0.9, 0.6, 0.5]
    ... )
    >>> display.ax_.get_ylabel()
    'Mean outcome'
    """

    ax_: Any
    curve_: Any
    interval_: Any
    band_: Any
    rug_: Any

    def __init__(
        self,
        *,
        dose: np.ndarray,
        mean: np.ndarray,
        low: np.ndarray | None = None,
        high: np.ndarray | None = None,
        band_low: np.ndarray | None = None,
        band_high: np.ndarray | None = None,
        received: np.ndarray | None = None,
        alpha: float | None = None,
        dose_name: str | None = None,
        outcome_name: str | None = None,
    ):
        self.dose = dose
        self.mean = mean
        self.low = low
        self.high = high
        self.band_low = band_low
        self.band_high = band_high
        self.received = received
        self.alpha = alpha
        self.dose_name = dose_name
        self.outcome_name = outcome_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        T: Any = None,
        *,
        outcome: int | str = 0,
        alpha: float = 0.05,
        simultaneous: bool = True,
        ax: Any = None,
        **plot_params: Any,
    ) -> DoseResponseDisplay:
        """Show the curve of a fitted estimator, over its training population.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator with a method ``dose_response``, or a fitted pipeline or
            search that ends in one.
        T : array-like of shape (n_points,) or (n_points, n_treatments), or None, default=None
            Treatments. None takes every arm, or 25 doses between the 5 and 95 % quantiles; with
            several treatments it must be given, and its rows are drawn one beside the other.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``.
        alpha : float, default=0.05
            One minus the confidence level.
        simultaneous : bool, default=True
            Whether to draw the band that holds the whole curve of the outcome at once; for a
            single point it would be the interval itself, and is left out.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        DoseResponseDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``dose_response``.
        NotFittedError
            If the estimator is not fitted.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``, or what is asked for needs training
            rows that ``compact`` has dropped.
        TargetError
            If T holds unknown arms or no finite doses, or is None with several treatments.
        ModelError
            If the model has no mean, and so no mean outcomes.
        ValueError
            If outcome is not among those there are, or alpha is not between 0 and 1.
        """
        final, _ = unwrap(estimator)
        if not hasattr(final, "dose_response"):
            raise TypeError(
                f"`estimator` must have a method `dose_response`, got {type(final).__name__}, "
                f"which has none; pass means of your own to {cls.__name__}.from_predictions"
            )
        m = find_position(outcome, final.outcome_names_, "outcome")
        result = _of_outcome(final.dose_response(T), m, len(final.outcome_names_))
        low, high = result.conf_int(alpha)
        has_band = simultaneous and len(result.estimate) > 1
        ends = result.conf_int(alpha, simultaneous=True) if has_band else (None, None)
        dose, received, dose_name = _read_doses(final, T)
        is_share = final.outcomes_.kinds[m] in ("binary", "choice")
        return cls.from_predictions(
            dose,
            result.estimate,
            low,
            high,
            *ends,
            received=received,
            alpha=alpha,
            dose_name=dose_name,
            outcome_name=f"Mean of {final.outcome_names_[m]}{' (probability)' * is_share}",
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        dose: Any,
        mean: Any,
        low: Any = None,
        high: Any = None,
        band_low: Any = None,
        band_high: Any = None,
        *,
        received: Any = None,
        alpha: float | None = None,
        dose_name: str | None = None,
        outcome_name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> DoseResponseDisplay:
        """Show given means.

        Parameters
        ----------
        dose : array-like of shape (n_points,)
            Doses as numbers, in any order, or labels, which are drawn in the order given.
        mean : array-like of shape (n_points,)
            Mean outcome if everybody received the dose, in outcome units.
        low, high : array-like of shape (n_points,) or None, default=None
            Ends of the interval at each dose, in outcome units.
        band_low, band_high : array-like of shape (n_points,) or None, default=None
            Ends of the band of the whole curve, in outcome units.
        received : array-like of shape (n_samples,) or None, default=None
            Doses that were received, as numbers, to draw as ticks at the bottom.
        alpha : float or None, default=None
            One minus the confidence level, for the legend.
        dose_name, outcome_name : str or None, default=None
            Labels of the axes of doses and of mean outcomes.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        DoseResponseDisplay

        Raises
        ------
        ValueError
            If shapes differ, values are not finite, only one end of an interval is given, there
            are too many labels, or doses are received where labels are drawn.
        """
        arrays = check_curve(
            dose,
            {"mean": mean, "low": low, "high": high, "band_low": band_low, "band_high": band_high},
            received,
        )
        display = cls(**arrays, alpha=alpha, dose_name=dose_name, outcome_name=outcome_name)
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        curve_kwargs: dict[str, Any] | None = None,
        interval_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
        rug_kwargs: dict[str, Any] | None = None,
    ) -> DoseResponseDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        curve_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the mean outcomes.
        interval_kwargs : dict or None, default=None
            Passed to ``ax.fill_between``, or for labels to ``ax.vlines``, for the intervals at
            each dose.
        band_kwargs : dict or None, default=None
            As ``interval_kwargs``, for the band of the whole curve.
        rug_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the doses that were received.

        Returns
        -------
        self : DoseResponseDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        is_label = self.dose.dtype.kind in "US"
        at = np.arange(len(self.dose)) if is_label else self.dose
        is_curve = not is_label and at.min() < at.max()
        handles = [self._draw_means(at, is_curve, curve_kwargs)]
        names = ("interval, each point alone", "interval, all at once")
        if is_curve:
            names = ("interval, each dose alone", "band, whole curve at once")
        style = {"color": BLUE, "alpha": 0.6, "linewidth": 5, "zorder": 2, "label": names[0]}
        ends = (self.low, self.high)
        self.interval_ = self._draw_band(at, ends, is_curve, style, interval_kwargs)
        style = {"color": SKY_BLUE, "alpha": 0.45, "linewidth": 2, "zorder": 1, "label": names[1]}
        ends = (self.band_low, self.band_high)
        self.band_ = self._draw_band(at, ends, is_curve, style, band_kwargs)
        handles += [artist for artist in (self.interval_, self.band_) if artist is not None]
        self._set_limits(at, is_label)
        handles += self._draw_rug(rug_kwargs)
        default = "Treatment" if is_label else "Dose"
        ax.set_xlabel(textwrap.fill(self.dose_name or default, LABEL_WIDTH))
        ax.set_ylabel(textwrap.fill(self.outcome_name or "Mean outcome", LABEL_WIDTH))
        tidy(ax)
        self.legend_ = legend_in_headroom(ax, handles)
        return self

    def _draw_means(self, at: np.ndarray, is_curve: bool, given: dict[str, Any] | None) -> Any:
        style: dict[str, Any] = {"color": BLACK, "linewidth": 2, "markersize": 5, "zorder": 3}
        style |= {"linestyle": "-" if is_curve else "none", "label": "Mean outcome"}
        style["marker"] = "o" if not is_curve or len(at) <= MAX_MARKERS else "none"
        order = np.argsort(at, kind="stable")
        (self.curve_,) = self.ax_.plot(at[order], self.mean[order], **restyle(style, given))
        return self.curve_

    def _draw_band(
        self,
        at: np.ndarray,
        ends: tuple[np.ndarray | None, np.ndarray | None],
        is_curve: bool,
        style: dict[str, Any],
        given: dict[str, Any] | None,
    ) -> Any:
        low, high = ends
        if low is None or high is None:
            return None
        level = "" if self.alpha is None else f"{100 * (1 - self.alpha):g} % "
        label = f"{level}{style['label']}"
        # a filled band has no line, and a line need not be seen through
        style |= {"linewidth": 0} if is_curve else {"alpha": 1}
        style["label"] = label[0].upper() + label[1:]
        order = np.argsort(at, kind="stable")
        draw = self.ax_.fill_between if is_curve else self.ax_.vlines
        return draw(at[order], low[order], high[order], **restyle(style, given))

    def _set_limits(self, at: np.ndarray, is_label: bool) -> None:
        ends = [self.mean, self.low, self.high, self.band_low, self.band_high]
        drawn = np.concatenate([end for end in ends if end is not None])
        low, high = float(drawn.min()), float(drawn.max())
        span = (high - low) or abs(high) or 1.0
        foot = BOTTOM if self.received is not None else BOTTOM / 2
        self.ax_.set_ylim(low - foot * span, high + BOTTOM / 2 * span)
        if is_label:
            self.ax_.set_xlim(-0.5, len(at) - 0.5)
            label_points(self.ax_, self.dose)
            return
        width = float(np.ptp(at)) or abs(float(at[0])) or 1.0
        self.ax_.set_xlim(at.min() - SIDE * width, at.max() + SIDE * width)

    def _draw_rug(self, given: dict[str, Any] | None) -> list[Any]:
        self.rug_ = None
        if self.received is None:
            return []
        kept = np.sort(self.received)[thin(np.arange(len(self.received)), MAX_RUG)]
        style: dict[str, Any] = {"color": BLACK, "alpha": 0.6, "linestyle": "none", "zorder": 2.5}
        style |= {"marker": "|", "markersize": 8, "markeredgewidth": 0.7}
        style |= {"label": "Doses that were received", "transform": self.ax_.get_xaxis_transform()}
        limits = self.ax_.get_xlim()
        (self.rug_,) = self.ax_.plot(kept, 0 * kept + 0.02, **restyle(style, given))
        self.ax_.set_xlim(limits)
        return [self.rug_]


def _of_outcome(result: InferenceResult, m: int, n_outcomes: int) -> InferenceResult:
    """Keep one outcome, so that a band covers its curve and no other."""
    own = slice(m, None, n_outcomes)
    kept = (result.estimate[own], result.covariance[own, own], result.names[own])
    low, high = result.limits
    return InferenceResult(*kept, limits=(low[own], high[own]))


def _read_doses(estimator: Any, T: Any) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return doses or labels, the doses that were received, and a label of the axis."""
    points, schema = estimator.curve_points(T), estimator.contrasts_.treatments
    rows = estimator.training_rows_
    if schema.arms is not None:
        labels = np.array([schema.names[a] for a in points])
        return labels, None, "Treatment, the same for everybody"
    name = ", ".join(schema.names)
    if schema.kind == "dose":
        received = None if rows is None else rows.t[:, 0]
        return points[:, 0], received, f"{name}, the same for everybody"
    if len(points) > MAX_LABELS:
        return np.arange(len(points)), None, f"Row of `T` ({name}), the same for everybody"
    labels = np.array([", ".join(f"{v:.4g}" for v in point) for point in points])
    return labels, None, f"{name}, the same for everybody"
