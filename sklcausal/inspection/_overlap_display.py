"""Propensities of those who received an arm beside those who did not."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inspection._columns import check_positive, check_probabilities, encode_arms
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    ORANGE,
    count,
    import_pyplot,
    legend_in_headroom,
    tidy,
    unwrap,
)
from sklcausal.targets import as_column_array, check_lengths, is_packed, unpack_targets

MAX_COLUMNS = 3
PANEL_SIZE = (3.0, 2.4)
LEGEND_HEIGHT = 0.18  # of a panel


class OverlapDisplay:
    """Show how probable an arm was for those who received it and for those who did not.

    Where only one of the two groups stands, the data do not tell what the arm does. With two
    arms one panel says all; with more, every arm has its own.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    propensity : ndarray of shape (n_samples, n_arms)
        Probability of each arm given x.
    T : ndarray of shape (n_samples,)
        Arm that each row received.
    treatments : ndarray of shape (n_arms,)
        Labels of the arms, in the order of the columns of propensity.
    arms : sequence of labels or None, default=None
        Arms to draw. None draws all, or the second of two.
    clip : float or None, default=None
        Bound below which probabilities are not used as they are.

    Attributes
    ----------
    received_ : list of StepPatch
        Histogram of those who received the arm, one for each panel.
    others_ : list of StepPatch
        Histogram of those who did not, drawn downwards.
    clip_lines_ : list of Line2D
        Bound in each panel; with two arms also that of the other arm.
    legend_ : Legend
        Legend.
    axes_ : ndarray of Axes of shape (n_panels,)
        Panels.
    figure_ : Figure
        Figure that contains the panels.

    See Also
    --------
    EffectDisplay : Effects with intervals and their average.

    Notes
    -----
    For rows that the estimator was fitted to, the groups look a little further apart than they
    are, since most members have seen each row.

    Examples
    --------
    >>> from sklcausal.inspection import OverlapDisplay
    >>> display = OverlapDisplay.from_predictions([0.2, 0.3, 0.6], ["no", "yes", "yes"])
    >>> display.axes_[0].get_xlabel()
    'Estimated probability of yes given x'
    """

    received_: list[Any]
    others_: list[Any]
    clip_lines_: list[Any]
    axes_: np.ndarray
    figure_: Any

    def __init__(
        self,
        *,
        propensity: np.ndarray,
        T: np.ndarray,
        treatments: np.ndarray,
        arms: Sequence[Any] | None = None,
        clip: float | None = None,
    ):
        self.propensity = propensity
        self.T = T
        self.treatments = treatments
        self.arms = arms
        self.clip = clip

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        *,
        arms: Sequence[Any] | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> OverlapDisplay:
        """Show the propensities that a fitted estimator finds for rows of X.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets.
        arms : sequence of labels or None, default=None
            Arms to draw. None draws all, or the one of two that is not the control.
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        OverlapDisplay

        Raises
        ------
        TargetError
            If the estimator was fitted to doses, or T holds an unknown arm.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not estimate effects.
        IntervalNotAvailableError
            If the estimator has no propensities.
        """
        final, X = unwrap(estimator, X)
        treatments = final.treatments_
        if treatments is None:
            raise TargetError(
                f"{cls.__name__} needs arms, but the estimator was fitted to "
                f"{final.contrasts_.treatments.kind} treatments"
            )
        try:
            propensity = final.predict_propensity(X)
        except IntervalNotAvailableError as error:
            raise IntervalNotAvailableError(
                f"{error}; fit with n_folds=5 (the default), or pass known propensities to "
                f"{cls.__name__}.from_predictions"
            ) from error
        if arms is None and len(treatments) == 2:
            arms = [treatments.tolist()[1 - final.contrasts_.treatments.control]]
        return cls.from_predictions(
            propensity,
            T,
            treatments=treatments,
            arms=arms,
            clip=getattr(final, "propensity_clip", None),
            ax=ax,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        propensity: Any,
        T: Any,
        *,
        treatments: Any = None,
        arms: Sequence[Any] | None = None,
        clip: float | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> OverlapDisplay:
        """Show given propensities.

        Parameters
        ----------
        propensity : array-like of shape (n_samples, n_arms) or (n_samples,)
            Probability of each arm given x; a single column is that of the second of two.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets.
        treatments : array-like of shape (n_arms,) or None, default=None
            Labels of the arms, in the order of the columns of propensity. None takes those of
            T, sorted.
        arms : sequence of labels or None, default=None
            Arms to draw. None draws all, or the second of two.
        clip : float or None, default=None
            Bound to mark.
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        OverlapDisplay

        Raises
        ------
        TargetError
            If lengths differ, T holds an unknown arm, or propensities are no probabilities of
            these arms.
        """
        labels = as_column_array(unpack_targets(T)["T"] if is_packed(T) else T, "T")
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise TargetError(f"`T` must have shape (n_samples,), got {labels.shape}")
        known = (
            np.unique(labels) if treatments is None else as_column_array(treatments, "treatments")
        )
        if len(known) < 2:
            raise TargetError(f"`T` must have at least 2 levels, got 1: {known.tolist()}")
        propensity = check_probabilities(propensity, known)
        check_lengths({"propensity": propensity, "T": labels})
        encode_arms(labels, known)
        missing = [arm for arm in arms or [] if arm not in known.tolist()]
        if missing or (arms is not None and not len(arms)):
            raise TargetError(f"`arms` must be some of {known.tolist()}, got {list(arms or [])}")
        display = cls(propensity=propensity, T=labels, treatments=known, arms=arms, clip=clip)
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        bins: int = 25,
        received_kwargs: dict[str, Any] | None = None,
        others_kwargs: dict[str, Any] | None = None,
    ) -> OverlapDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes, array of Axes or None, default=None
            Where to draw: one for all panels or one for each. None makes a new figure.
        bins : int, default=25
            Number of bins of the histograms.
        received_kwargs : dict or None, default=None
            Passed to ``ax.stairs`` for those who received the arm.
        others_kwargs : dict or None, default=None
            Passed to ``ax.stairs`` for those who did not.

        Returns
        -------
        self : OverlapDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If bins is not a positive integer, or ax does not fit the number of panels.
        """
        check_positive(bins, "bins")
        plt = import_pyplot(type(self).__name__)
        known = self.treatments.tolist()
        default = known[1:] if len(known) == 2 else known
        drawn = [known.index(arm) for arm in (default if self.arms is None else self.arms)]
        legend_ax = self._make_axes(plt, ax, len(drawn))
        codes = encode_arms(self.T, self.treatments)
        edges = np.linspace(
            0, min(1, np.ceil(10 * self.propensity[:, drawn].max()) / 10), bins + 1
        )
        self.received_, self.others_, self.clip_lines_ = [], [], []
        for panel, arm in zip(self.axes_, drawn, strict=True):
            self._draw_arm(panel, arm, codes, edges, received_kwargs, others_kwargs)
        handles = [self.received_[0], self.others_[0], *self.clip_lines_[:1]]
        if legend_ax is None:
            self.legend_ = legend_in_headroom(self.axes_[0], handles)
        else:
            self.legend_ = legend_ax.legend(
                handles=handles, loc="center", ncols=len(handles), frameon=False, borderpad=0
            )
        return self

    def _make_axes(self, plt: Any, ax: Any, n_panels: int) -> Any:
        """Set the panels, and return the axes of the legend if it has its own."""
        given = None if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if given is not None and len(given) not in (1, n_panels):
            raise ValueError(
                f"`ax` must be one Axes or one for each of the {n_panels} panels, got {len(given)}"
            )
        if given is not None and len(given) == n_panels:
            self.axes_, self.figure_ = given, given[0].figure
            return None
        if n_panels == 1:
            self.figure_, panel = plt.subplots(layout="constrained")
            self.axes_ = np.array([panel], dtype=object)
            return None
        n_columns = 2 if n_panels in (2, 4) else MAX_COLUMNS
        n_rows = -(-n_panels // n_columns)
        heights = {"height_ratios": [LEGEND_HEIGHT, *[1.0] * n_rows]}
        if given is None:
            size = (PANEL_SIZE[0] * n_columns, PANEL_SIZE[1] * (n_rows + LEGEND_HEIGHT))
            self.figure_ = plt.figure(figsize=size, layout="constrained")
            grid = self.figure_.add_gridspec(n_rows + 1, n_columns, **heights)
        else:
            self.figure_ = given[0].figure
            if given[0].get_subplotspec() is None:
                raise ValueError(
                    f"`ax` must stand in a grid of subplots, or be an array of {n_panels} Axes"
                )
            given[0].set_axis_off()
            grid = given[0].get_subplotspec().subgridspec(n_rows + 1, n_columns, **heights)
        legend_ax = self.figure_.add_subplot(grid[0, :])
        legend_ax.set_axis_off()
        panels: list[Any] = []
        for k in range(n_panels):
            cell = grid[1 + k // n_columns, k % n_columns]
            panel = self.figure_.add_subplot(cell, sharex=panels[0] if panels else None)
            panel.tick_params(labelbottom=k + n_columns >= n_panels)
            panels.append(panel)
        self.axes_ = np.array(panels, dtype=object)
        return legend_ax

    def _draw_arm(
        self,
        ax: Any,
        arm: int,
        codes: np.ndarray,
        edges: np.ndarray,
        received_kwargs: dict[str, Any] | None,
        others_kwargs: dict[str, Any] | None,
    ) -> None:
        name, single = str(self.treatments[arm]), len(self.axes_) == 1
        has_arm = codes == arm
        n_received, n_others = int(has_arm.sum()), int((~has_arm).sum())
        labels = ["Received the arm", "Received another arm"]
        if single:
            other = str(self.treatments[1 - arm]) if len(self.treatments) == 2 else "another arm"
            labels = [
                f"Received {name} ({count(n_received)} rows)",
                f"Received {other} ({count(n_others)} rows)",
            ]
        styles = [
            {"facecolor": BLUE, "edgecolor": BLACK, "label": labels[0]} | (received_kwargs or {}),
            {"facecolor": ORANGE, "edgecolor": BLACK, "hatch": "////", "label": labels[1]}
            | (others_kwargs or {}),
        ]
        for rows, sign, style, artists in (
            (has_arm, 1, styles[0], self.received_),
            (~has_arm, -1, styles[1], self.others_),
        ):
            counts, _ = np.histogram(self.propensity[rows, arm], edges)
            share = sign * 100 * counts / max(rows.sum(), 1)
            artists.append(ax.stairs(share, edges, fill=True, linewidth=0.6, **style))
        ax.axhline(0, color=BLACK, linewidth=0.8)
        if self.clip is not None:
            ends = [self.clip, 1 - self.clip] if len(self.treatments) == 2 else [self.clip]
            self.clip_lines_ += [
                ax.axvline(
                    end,
                    color=BLACK,
                    linestyle=":",
                    linewidth=1.5,
                    label=f"Clip bound {self.clip:g}",
                )
                for end in ends
                if end <= edges[-1]
            ]
        self._label(ax, name, n_received, single, edges[-1])

    def _label(self, ax: Any, name: str, n_received: int, single: bool, end: float) -> None:
        ax.set_xlim(0, end)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        tidy(ax)
        if single:
            ax.set_xlabel(f"Estimated probability of {name} given x")
            ax.set_ylabel("Share of group (%)")
            return
        ax.set_title(f"Arm {name} ({count(n_received)} rows)", fontsize="medium")
        if ax.get_subplotspec() is None or ax.get_subplotspec().is_first_col():
            ax.set_ylabel("Share of group (%)")
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("Probability given x")
