"""Differences between the covariates of arms, before and after weighting."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.inspection._arms import read_arms, read_pair, read_propensity
from sklcausal.inspection._balance import encode_covariates, standardized_differences
from sklcausal.inspection._columns import check_positive
from sklcausal.inspection._legends import legend_in_headroom, note
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    cut_middle,
    import_pyplot,
    label_unit,
    restyle,
    tidy,
    unwrap,
)
from sklcausal.targets import check_same_index

THRESHOLD = 0.1  # standard deviations, by convention
LARGEST = 3.0  # standard deviations, beyond which a difference is drawn at the edge
MIN_RANGE = 0.15  # standard deviations
LABEL_WIDTH = 40
PLOT_WIDTH, CHARACTER_WIDTH, ROW_HEIGHT, FRAME_HEIGHT = 5.0, 0.08, 0.26, 1.9  # inches
WEIGHTED = {
    "inverse": "After weighting by the inverse propensity",
    "overlap": "After overlap weighting",
}
LINE = "#999999"
LINE_HEIGHT = 1.2  # of the font size
MIN_FONT_SIZE = 5.0  # points


class BalanceDisplay:
    """Show how far the covariates of arms are apart, before and after weighting (love plot).

    Weighting by propensities should bring all differences near 0. Where it does not, the
    propensities are wrong or the arms hardly overlap.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    before, after : ndarray of shape (n_columns,)
        Standardised mean difference of each column before and after weighting, in standard
        deviations: of one pair of arms, or the largest in size over all pairs.
    names : sequence of str of length n_columns
        Names of the columns.
    pair : tuple of str or None, default=None
        Labels of the two arms, the mean of the first minus that of the second. None says that
        the differences are the largest over pairs.
    weighting : {'inverse', 'overlap'}, default='inverse'
        How the arms were weighted.

    Attributes
    ----------
    before_points_, after_points_ : Line2D
        Differences before weighting, hollow, and after, filled.
    threshold_lines_ : list of LineCollection
        Differences of 0.1 in size, up to which covariates pass for balanced.
    shown_ : ndarray of int
        Positions of the columns that are drawn, from top to bottom.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the picture.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    OverlapDisplay : Whether every arm was open to everybody.
    InfluenceDisplay : Balance that the weights of the correction reach, for doses too.
    standardized_differences : The numbers.

    Notes
    -----
    Propensities of the rows that the estimator was fitted to are out-of-fold (``propensity_``),
    or those that were given in fit; of all other rows, and after ``compact()``, they are
    ``predict_propensity(X)``, the mean of networks.

    Means that agree do not prove that the distributions do, nor that nothing was left out that
    both arm and outcome depend on.

    Examples
    --------
    >>> from sklcausal.inspection import BalanceDisplay
    >>> X, T = [[1.0], [2.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]
    >>> display = BalanceDisplay.from_predictions(X, T, [0.2, 0.5, 0.5, 0.8])
    >>> display.before.round(2), display.after.round(2)
    (array([2.]), array([1.54]))
    """

    before_points_: Any
    after_points_: Any
    threshold_lines_: list[Any]
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        before: np.ndarray,
        after: np.ndarray,
        names: Sequence[str],
        pair: tuple[str, str] | None = None,
        weighting: str = "inverse",
    ):
        self.before = before
        self.after = after
        self.names = names
        self.pair = pair
        self.weighting = weighting

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        *,
        arms: Any = None,
        weighting: str = "inverse",
        sample_weight: Any = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> BalanceDisplay:
        """Show what the propensities of a fitted estimator do to the covariates.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates. Columns of labels, which a pipeline may encode, are shown label by label.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets.
        arms : tuple of two labels or None, default=None
            Arms to compare. None compares all, or the other of two arms with the control.
        weighting : {'inverse', 'overlap'}, default='inverse'
            As in `standardized_differences`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights, before and after weighting.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        BalanceDisplay

        Raises
        ------
        TargetError
            If the estimator was fitted to doses, or T or arms hold an unknown arm.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not estimate effects or has no propensities at all.
        IntervalNotAvailableError
            If the estimator was fitted without propensities.
        ValueError
            If X or weighting cannot be used.
        """
        final, seen = unwrap(estimator, X)
        propensity = read_propensity(final, seen, cls.__name__)
        labels = final.treatments_.tolist()
        if arms is None and len(labels) == 2:
            control = final.contrasts_.treatments.control
            arms = (labels[1 - control], labels[control])
        return cls.from_predictions(
            X,
            T,
            propensity,
            treatments=final.treatments_,
            arms=arms,
            weighting=weighting,
            sample_weight=sample_weight,
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        T: Any,
        propensity: Any,
        *,
        treatments: Any = None,
        arms: Any = None,
        weighting: str = "inverse",
        sample_weight: Any = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> BalanceDisplay:
        """Show what given propensities do to the covariates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates: numbers, or columns of at most 100 labels.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets.
        propensity : array-like of shape (n_samples, n_arms) or (n_samples,)
            Probability of each arm given x; a single column is that of the second of two.
        treatments : array-like of shape (n_arms,) or None, default=None
            Labels of the arms, in the order of the columns of propensity. None takes those of
            T, sorted.
        arms : tuple of two labels or None, default=None
            Arms to compare. None compares all, or the second of two with the first.
        weighting : {'inverse', 'overlap'}, default='inverse'
            As in `standardized_differences`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights, before and after weighting.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        BalanceDisplay

        Raises
        ------
        TargetError
            If T, treatments, arms, propensity or sample_weight cannot be used.
        ValueError
            If X or weighting cannot be used.
        """
        check_same_index(X=X, T=T, propensity=propensity, sample_weight=sample_weight)
        numbers, names = encode_covariates(X)
        known, _ = read_arms(T, treatments)
        if arms is None and known.n_arms == 2:
            arms = known.labels[::-1]
        given = {"treatments": known.arms, "arms": arms, "sample_weight": sample_weight}
        before = standardized_differences(numbers, T, **given)
        after = standardized_differences(
            numbers, T, propensity=propensity, weighting=weighting, **given
        )
        pair = None
        if arms is None:
            before, after = (np.abs(d).max(axis=0, keepdims=True) for d in (before, after))
        else:
            first, second = (known.names[arm] for arm in read_pair(arms, known))
            pair = (first, second)
        display = cls(
            before=before[0], after=after[0], names=names, pair=pair, weighting=weighting
        )
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        max_features: int = 20,
        before_kwargs: dict[str, Any] | None = None,
        after_kwargs: dict[str, Any] | None = None,
    ) -> BalanceDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        max_features : int, default=20
            Most columns to draw: those with the largest difference, before or after weighting.
        before_kwargs, after_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the differences before and after weighting.

        Returns
        -------
        self : BalanceDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If max_features is not a positive integer.
        """
        check_positive(max_features, "max_features")
        plt = import_pyplot(type(self).__name__)
        size = np.abs([self.before, self.after])
        worst = np.argsort(-size.max(axis=0), kind="stable")
        kept, others = worst[:max_features], worst[max_features:]
        self.shown_ = kept[np.argsort(-size[0, kept], kind="stable")]
        labels = [cut_middle(str(self.names[j]), LABEL_WIDTH) for j in self.shown_]
        if ax is None:
            width = PLOT_WIDTH + CHARACTER_WIDTH * max(map(len, labels))
            height = FRAME_HEIGHT + ROW_HEIGHT * len(labels)
            _, ax = plt.subplots(figsize=(width, height), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        handles = self._draw(ax, before_kwargs, after_kwargs)
        if len(others):
            before, after = size[:, others].max(axis=1)
            handles.append(
                note(f"{len(others)} more: at most {before:.2g} before, {after:.2g} after")
            )
        ax.set_yticks(np.arange(len(labels)), labels)
        tidy(ax)
        self.legend_ = legend_in_headroom(ax, handles)
        self._fit_rows(ax)
        return self

    def _fit_rows(self, ax: Any) -> None:
        """Make labels and markers no higher than a row of given axes allows."""
        bottom, top = ax.get_ylim()
        room = 72 * ax.bbox.height / ax.figure.dpi / abs(top - bottom)
        texts = ax.get_yticklabels()
        size = texts[0].get_fontsize()
        if room < LINE_HEIGHT * size:
            ax.tick_params(axis="y", labelsize=max(room / LINE_HEIGHT, MIN_FONT_SIZE))
            for points in (self.before_points_, self.after_points_):
                points.set_markersize(points.get_markersize() * room / (LINE_HEIGHT * size))

    def _draw(
        self,
        ax: Any,
        before_kwargs: dict[str, Any] | None,
        after_kwargs: dict[str, Any] | None,
    ) -> list[Any]:
        rows = np.arange(len(self.shown_))
        given = np.stack([self.before, self.after])[:, self.shown_]
        before, after = np.clip(given, -LARGEST, LARGEST)
        ax.hlines(rows, before, after, color=LINE, linewidth=1, zorder=1)
        style = {"linestyle": "none", "marker": "o", "markersize": 6, "zorder": 3}
        hollow = {"markerfacecolor": "white", "markeredgecolor": BLACK, "markersize": 8}
        hollow["label"] = "Before weighting"
        filled = {"color": BLUE, "zorder": 4, "label": WEIGHTED[self.weighting]}
        (self.before_points_,) = ax.plot(before, rows, **restyle(style | hollow, before_kwargs))
        (self.after_points_,) = ax.plot(after, rows, **restyle(style | filled, after_kwargs))
        end = 1.1 * max(MIN_RANGE, float(np.abs([before, after]).max()))
        signs = (-1, 1) if self.pair else (1,)
        # no higher than the rows, so that the legend above is not crossed
        extent = (-0.5, len(rows) - 0.5)
        ax.vlines(0, *extent, color=BLACK, linewidth=0.8, zorder=0)
        label = f"{'±' if self.pair else ''}{THRESHOLD:g}: passes for balanced"
        style = {"color": BLACK, "linestyle": ":", "linewidth": 1.5, "zorder": 0, "label": label}
        self.threshold_lines_ = [ax.vlines(s * THRESHOLD, *extent, **style) for s in signs]
        ax.set_xlim(-end if self.pair else -0.03 * end, end)
        ax.set_ylim(extent[1], extent[0])
        what = "Largest standardised difference of two arms"
        if self.pair:
            what = f"Standardised mean difference, {' − '.join(self.pair)}"
        ax.set_xlabel(label_unit(what, None, "standard deviations"))
        handles = [self.before_points_, self.after_points_, self.threshold_lines_[0]]
        if (np.abs(given) > LARGEST).any():
            handles.append(note(f"Larger than {LARGEST:g}: drawn at {LARGEST:g}"))
        return handles
