"""Average effects of groups against what was predicted for them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklcausal._evaluation._study import read_study
from sklcausal.inference import InferenceResult
from sklcausal.inspection._plotting import BLACK, curve_style, import_pyplot, restyle
from sklcausal.inspection._reading import (
    check_alpha,
    read_effects,
    read_evaluation,
    read_outcome,
    take_outcome,
)
from sklcausal.inspection._series import (
    GREY,
    add_level,
    claim,
    finish,
    label_panels,
    make_axes,
    mark,
    name_series,
    write_estimate,
)
from sklcausal.metrics import calibration_slope, gates
from sklcausal.utils._blurbs import fill_docs
from sklcausal.utils._positions import find_position

FIRST_GROUP = re.compile(r"group 1 of \d+$")
DIAGONAL = "Perfect calibration"
FLAT = 1e-9  # of the largest prediction, between predictions that are taken for constant
X_LABEL = "Mean predicted effect of the group\n(outcome units)"
Y_LABEL = "Doubly robust average effect\n(outcome units)"
PAD = 0.06  # of the width, at both sides
WHAT = "CalibrationDisplay"


def _calibrate(
    T: Any,
    y: np.ndarray,
    name: str,
    effect: np.ndarray,
    contrasts: list[str],
    n_groups: int,
    alpha: float | None,
    options: dict[str, Any],
) -> list[Calibration]:
    """Compute groups and slopes for every contrast of effects (n_samples, n_contrasts)."""
    groups = gates(T, y, effect, n_groups=n_groups, **options)
    starts = [i for i, own in enumerate(groups.names) if FIRST_GROUP.search(own)]
    # with the same prediction for all there is one group, which has the average effect
    whole = gates(T, y, np.zeros(effect.shape), n_groups=2, **options)
    is_flat = np.ptp(effect, axis=0) <= FLAT * np.abs(effect).max(axis=0)
    # constant predictions have no slope; others stand in for them, and their slope is dropped
    varied = np.where(is_flat, np.arange(len(effect))[:, None], effect)
    slopes = calibration_slope(T, y, varied, **options)
    found = []
    for c, contrast in enumerate(contrasts):
        own = slice(starts[c], starts[c + 1] if c + 1 < len(starts) else None)
        average, interval = _with_interval(groups, own, alpha)
        ate = _with_interval(whole, c, alpha)
        slope = (None, None) if is_flat[c] else _with_interval(slopes, 2 * c + 1, alpha)
        group = (name, contrast, groups.predicted[own], average, interval)
        found.append(Calibration(*group, *ate, *slope))
    return found


def _with_interval(result: InferenceResult, at: Any, alpha: float | None) -> tuple[Any, Any]:
    interval = None if alpha is None else tuple(bound[at] for bound in result.conf_int(alpha))
    return result.estimate[at], interval


def _draw_diagonals(axes: np.ndarray) -> list[Any]:
    """Draw the diagonals over the width that all series need."""
    lines = [line for ax in axes for line in ax.get_lines()]
    for line in lines:
        if line.get_label() == DIAGONAL:
            line.remove()
    own = [line.get_xdata() for line in lines if line.get_gid() == mark(WHAT, "series")]
    low, high = np.concatenate(own).min(), np.concatenate(own).max()
    pad = PAD * (high - low) or max(abs(high), 1.0) / 2
    ends = np.array([low - pad, high + pad])
    style = {"color": BLACK, "linestyle": ":", "linewidth": 1.2, "label": DIAGONAL}
    style |= {"gid": mark(WHAT, "reference"), "zorder": 1.8}
    for ax in axes:
        ax.set_xlim(*ends)
    return [ax.plot(ends, ends, **style)[0] for ax in axes]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Groups of one estimator and contrast.

    Attributes
    ----------
    name : str
        Whose predictions they are.
    contrast : str
        Which arms are compared.
    predicted, average : ndarray of shape (n_groups,)
        Mean predicted effect and doubly robust average effect, in outcome units.
    interval : tuple of ndarray of shape (n_groups,), or None
    ate, slope : float, and float or None
        Average effect, and slope of the scores on the predictions; None if these are constant.
    ate_interval, slope_interval : tuple of float or None
    """

    name: str
    contrast: str
    predicted: np.ndarray
    average: np.ndarray
    interval: Any
    ate: float
    ate_interval: Any
    slope: float | None
    slope_interval: Any


class CalibrationDisplay:
    """Show whether predicted effects are as large as effects are, group by group.

    People are grouped by the size of their predicted effects. Points on the diagonal mean that
    predictions are right on average, points on a horizontal line that they tell nothing. Create
    it by `from_estimator` or `from_predictions`; called again with ``ax=display.ax_`` these add
    an estimator. Parameters are stored as attributes.

    Parameters
    ----------
    groups : sequence of Calibration
        For each of the estimators and contrasts: ``name``, ``contrast``, ``predicted``,
        ``average``, ``interval``, ``ate``, ``ate_interval``, ``slope`` and ``slope_interval``.

    Attributes
    ----------
    points_ : list of Line2D
        Groups of each of the estimators and contrasts.
    intervals_ : list of LineCollection
        Their intervals.
    ate_lines_, diagonals_ : list of Line2D
        Average effect of each, and perfect calibration in each panel.
    legends_ : list of Legend
        Legend of each panel.
    ax_ : Axes
        First panel.
    axes_ : ndarray of Axes of shape (n_panels,)
        Panels.
    figure_ : Figure
        Figure that contains the panels.

    See Also
    --------
    sklcausal.metrics.gates : The averages.
    sklcausal.metrics.calibration_slope : The slope, with a test.

    Notes
    -----
    Rows must be others than those that the estimator was fitted to. Intervals take predictions
    as given and hold for each group by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import CalibrationDisplay
    >>> T, y = np.tile([0, 1], 20), np.tile([0.0, 1.0, 0.0, 3.0], 10)
    >>> effect = np.tile([1.0, 1.0, 3.0, 3.0], 10)
    >>> display = CalibrationDisplay.from_predictions(T, y, effect, n_groups=2)
    >>> display.groups[0].average.round(1)
    array([1., 3.])
    """

    points_: list[Any]
    intervals_: list[Any]
    ate_lines_: list[Any]
    diagonals_: list[Any]
    axes_: np.ndarray

    def __init__(self, *, groups: Sequence[Calibration]):
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        n_groups: int = 5,
        outcome: int | str = 0,
        nuisances: Any = None,
        name: str | None = None,
        sample_weight: Any = None,
        cluster: Any = None,
        ax: Any = None,
        **params: Any,
    ) -> CalibrationDisplay:
        """Group rows of X by the effects that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates of rows that the estimator has not seen.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
            Outcomes.
        n_groups : int, default=5
            Number of groups, of about equal size.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``.
        nuisances : Bunch, dict, 'randomised' or None, default=None
            What `cross_fit_nuisances` returns, or arguments for it; 'randomised' takes the shares
            and means of the arms. None reads what `add_nuisances` has packed, or cross-fits.
        name : str or None, default=None
            Name in the legend; None takes that of the class.
        sample_weight, cluster : array-like of shape (n_samples,) or None, default=None
            As in `from_predictions`.
        ax : Axes, array of Axes or None, default=None
            As in `from_predictions`.
        **params : object
            Passed to `from_predictions`.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        TargetError
            If the estimator was fitted to doses, or T or y cannot be used.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not estimate effects, or nuisances cannot be used.
        ValueError
            If an option cannot be used.
        """
        found = read_evaluation(
            estimator, X, T, y, nuisances=nuisances, sample_weight=sample_weight,
            cluster=cluster, beside=params, display=cls.__name__,
        )  # fmt: skip
        own = take_outcome(found, outcome)
        effect = {found.name if name is None else name: own.effect}
        return cls.from_predictions(
            found.T, own.y, effect, n_groups=n_groups, ax=ax, **own.options, **params
        )

    @classmethod
    @fill_docs
    def from_predictions(
        cls,
        T: Any,
        y: Any,
        effect: Any,
        *,
        n_groups: int = 5,
        contrast: int | str | None = None,
        outcome_mean: Any = None,
        propensity: Any = None,
        treatments: Any = None,
        control: Any = None,
        clip: float = 0.01,
        sample_weight: Any = None,
        cluster: Any = None,
        alpha: float | None = 0.05,
        ax: Any = None,
        **plot_params: Any,
    ) -> CalibrationDisplay:
        """Group rows by given predictions.

        Parameters
        ----------
        {T}
        y : array-like of shape (n_samples,)
            Outcomes: numbers, or two strings, of which the second in sorted order is 1.
        effect : array-like of shape (n_samples,) or (n_samples, n_contrasts), or dict of them
            Predicted effects of each arm against the control, in outcome units; by name where
            several estimators are compared.
        n_groups : int, default=5
            Number of groups, of about equal size.
        contrast : int, str or None, default=None
            Position or name of the only contrast to draw, such as ``'drug vs placebo'``.
        {nuisances}
        {arms}
        {clip}
        {sample_weight}
        {cluster}
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes, array of Axes or None, default=None
            One for all contrasts, or one for each. None makes a new figure, with a panel for each
            contrast.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        {raises}
        """
        effects = read_effects(effect, T=T, y=y)
        y = read_outcome(y)
        study = read_study(T, y, treatments, control, sample_weight)
        check_alpha(alpha)
        options = {
            "outcome_mean": outcome_mean, "propensity": propensity, "treatments": treatments,
            "control": control, "clip": clip, "sample_weight": sample_weight, "cluster": cluster,
        }  # fmt: skip
        groups = []
        for name, values in effects.items():
            own = study.read_effect(values)[:, :, 0]
            groups += _calibrate(T, y, name, own, study.names, n_groups, alpha, options)
        if contrast is not None:
            wanted = study.names[find_position(contrast, study.names, "contrast")]
            groups = [group for group in groups if group.contrast == wanted]
        return cls(groups=groups).plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        point_kwargs: dict[str, Any] | None = None,
        interval_kwargs: dict[str, Any] | None = None,
    ) -> CalibrationDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes, array of Axes or None, default=None
            As in `from_predictions`.
        point_kwargs, interval_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the groups and to ``ax.vlines`` for their intervals.

        Returns
        -------
        self : CalibrationDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ax does not fit the number of contrasts, or shows something else.
        """
        plt = import_pyplot(type(self).__name__)
        contrasts = list(dict.fromkeys(group.contrast for group in self.groups))
        self.axes_, panels = make_axes(plt, ax, contrasts)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.points_, self.intervals_, self.ate_lines_ = [], [], []
        styles = len(self.axes_) < len(contrasts), point_kwargs or {}, interval_kwargs or {}
        for group in self.groups:
            self._draw_groups(panels[group.contrast], group, *styles)
        self.diagonals_ = _draw_diagonals(self.axes_)
        label_panels(panels, X_LABEL, Y_LABEL)
        self.legends_ = finish(self.axes_)
        return self

    def _draw_groups(
        self,
        ax: Any,
        group: Calibration,
        is_shared: bool,
        point_kwargs: dict[str, Any],
        interval_kwargs: dict[str, Any],
    ) -> None:
        """Draw points, their intervals and the average effect."""
        needs_contrast = is_shared or ax.get_title() not in ("", group.contrast)
        name = name_series(group.name, group.contrast if needs_contrast else "")
        slope = write_estimate(group.slope, group.slope_interval)
        slope = "constant, no slope" if group.slope is None else f"slope {slope}"
        style = curve_style(claim(ax, WHAT), len(group.predicted)) | {"linewidth": 1, "zorder": 3}
        style |= {"label": f"{name}: {slope}", "gid": mark(WHAT, "series")}
        style = restyle(style, point_kwargs)
        (points,) = ax.plot(group.predicted, group.average, **style)
        self.points_.append(points)
        if group.interval is not None:
            style = {"color": points.get_color(), "linewidth": 1.6, "zorder": 2.5}
            style = restyle(style | {"gid": mark(WHAT, "interval")}, interval_kwargs)
            self.intervals_.append(ax.vlines(group.predicted, *group.interval, **style))
        of = f", {group.contrast}" if needs_contrast else ""
        label = f"Average effect{of} {write_estimate(group.ate, group.ate_interval)}"
        style = {"color": points.get_color() if needs_contrast else GREY, "linestyle": "--"}
        style |= {"linewidth": 2, "zorder": 1.5}
        self.ate_lines_.append(add_level(ax, WHAT, group.ate, label, **style))
