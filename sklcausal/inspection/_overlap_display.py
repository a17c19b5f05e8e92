"""Propensities of those who received an arm beside those who did not."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.exceptions import TargetError
from sklcausal.inspection._arms import read_arms, read_propensity
from sklcausal.inspection._columns import check_positive, check_probabilities, encode_arms
from sklcausal.inspection._legends import draw_legend, legend_in_headroom
from sklcausal.inspection._panels import NO_BREAK, make_panels, make_room, write_title
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    LABEL_WIDTH,
    ORANGE,
    count,
    cut_middle,
    import_pyplot,
    restyle,
    tidy,
    unwrap,
)
from sklcausal.targets import check_lengths

LEGEND_WIDTH = 32  # characters of a name


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
    BalanceDisplay : Whether weighting by propensities balances covariates.
    DoseResponseDisplay : Mean outcomes by dose, where there are no arms.
    EffectDisplay : Effects with intervals and their average.

    Notes
    -----
    Propensities of the rows that the estimator was fitted to are out-of-fold (``propensity_``),
    or those that were given in fit; of all other rows, and after ``compact()``, they are
    ``predict_propensity(X)``, the mean of networks.

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
        propensity = read_propensity(final, X, cls.__name__)
        treatments = final.treatments_
        if arms is None and len(treatments) == 2:
            arms = [treatments.tolist()[1 - final.contrasts_.treatments.control]]
        return cls.from_predictions(
            propensity,
            T,
            treatments=treatments,
            arms=arms,
            clip=getattr(final, "propensity_clip", getattr(final, "clip", None)),
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
        schema, codes = read_arms(T, treatments)
        known = np.asarray(schema.arms)
        propensity = check_probabilities(propensity, known)
        check_lengths({"propensity": propensity, "T": codes})
        labels = known[codes]
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
        # the same share is as high in every panel
        panels = make_panels(plt, ax, len(drawn), groups=[0] * len(drawn))
        self.figure_, self.axes_, legend_ax = panels
        codes = encode_arms(self.T, self.treatments)
        edges = np.linspace(
            0, min(1, np.ceil(10 * self.propensity[:, drawn].max()) / 10), bins + 1
        )
        self.received_, self.others_, self.clip_lines_ = [], [], []
        for panel, arm in zip(self.axes_, drawn, strict=True):
            self._draw_arm(panel, arm, codes, edges, received_kwargs, others_kwargs)
        handles = [self.received_[0], self.others_[0], *self.clip_lines_[:1]]
        if legend_ax is None:
            first = self.axes_[0]
            top = first.get_ylim()[1]
            self.legend_ = legend_in_headroom(first, handles)
            low, high = first.get_ylim()
            for line in self.clip_lines_:
                if line.axes is first:
                    line.set_ydata([0, (top - low) / (high - low)])  # below the legend
        else:
            if ax is None:
                make_room(self.axes_)
            self.legend_ = draw_legend(
                legend_ax,
                handles=handles,
                loc="center",
                ncols=len(handles),
                frameon=False,
                borderpad=0,
            )
        return self

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
                f"Received {cut_middle(arm_name, LEGEND_WIDTH)} ({count(n_rows)} rows)"
                for arm_name, n_rows in ((name, n_received), (other, n_others))
            ]
        styles = [
            restyle({"facecolor": BLUE, "edgecolor": BLACK, "label": labels[0]}, received_kwargs),
            restyle(
                {"facecolor": ORANGE, "edgecolor": BLACK, "hatch": "////", "label": labels[1]},
                others_kwargs,
            ),
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
            ax.set_xlabel(textwrap.fill(f"Estimated probability of {name} given x", LABEL_WIDTH))
            ax.set_ylabel("Share of group (%)")
            return
        write_title(ax, f"Arm {name} ({count(n_received)}{NO_BREAK}rows)")
        if ax.get_subplotspec() is None or ax.get_subplotspec().is_first_col():
            ax.set_ylabel("Share of group (%)")
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("Probability given x")
