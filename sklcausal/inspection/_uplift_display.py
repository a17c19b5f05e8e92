"""Curves of what it gains to target the largest predicted effects first."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sklcausal._evaluation._study import read_study
from sklcausal.inspection._columns import check_numbers, check_positive
from sklcausal.inspection._plotting import BLACK, import_pyplot
from sklcausal.inspection._reading import (
    check_alpha,
    rank_by_return,
    read_effects,
    read_evaluation,
    read_outcome,
    take_outcome,
)
from sklcausal.inspection._series import (
    GREY,
    add_reference,
    draw_curve,
    finish,
    label_panels,
    make_axes,
    name_series,
    write_estimate,
)
from sklcausal.inspection._targeting import Curve, Targeting
from sklcausal.targets import check_same_index
from sklcausal.utils._blurbs import fill_docs

KINDS = {
    "uplift": ("AUUC", "Gain over treating nobody"),
    "qini": ("Qini", "Gain among those who received the arm"),
    "cost": ("AUCC", "Incremental value"),
    "toc": ("RATE", "Effect on those targeted less the average"),
    "gain": ("RATE (Qini)", "Doubly robust gain over treating nobody"),
}
ORACLE, PERFECT = "Oracle (true effects)", "Perfect (knows outcomes)"
REFERENCES = {ORACLE: "-", PERFECT: "-."}
HAVE_PERFECT = ("uplift", "qini")
RATES = ("toc", "gain")


class UpliftCurveDisplay:
    """Show what it gains to target the largest predicted effects first.

    The further a curve bends away from the straight line of random targeting, the better the
    predictions tell who gains. Create it by `from_estimator` or `from_predictions`; called again
    with ``ax=display.ax_`` these add a curve. Parameters are stored as attributes.

    Parameters
    ----------
    curves : sequence of Curve
        For each of the estimators and contrasts, contrasts innermost: ``name``, ``contrast``,
        points ``x`` (percent) and ``y``, ``low`` and ``high`` at ``grid``, ``area`` and
        ``area_interval``.
    kind : {'uplift', 'qini', 'cost', 'toc', 'gain'}
        What the curves are.
    references : sequence of Curve, default=()
        Curves of the true effects, or of somebody who knows the outcomes.
    per : int, default=1
        Number of people that heights refer to.

    Attributes
    ----------
    curves_ : list of Line2D
        Curves that this display has drawn.
    bands_, bars_ : list of PolyCollection, list of LineCollection
        Their intervals; bars at the markers are visible where there are more than two curves.
    random_lines_, reference_lines_ : list of Line2D
        Lines of random targeting and of the references.
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
    sklcausal.metrics.rate : The area under the curve 'toc', with a test.

    Notes
    -----
    Rows must be others than those that the estimator was fitted to. Intervals are pointwise and
    take predictions as given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import UpliftCurveDisplay
    >>> T, y = np.tile([0, 1], 20), np.repeat([0.0, 1.0, 0.0, 3.0], 10)
    >>> display = UpliftCurveDisplay.from_predictions(T, y, np.arange(40.0), kind="qini")
    >>> display.ax_.get_xlabel()
    'People targeted, largest predicted effects first (%)'
    """

    curves_: list[Any]
    bands_: list[Any]
    bars_: list[Any]
    random_lines_: list[Any]
    reference_lines_: list[Any]
    axes_: np.ndarray

    def __init__(
        self,
        *,
        curves: Sequence[Curve],
        kind: str,
        references: Sequence[Curve] = (),
        per: int = 1,
    ):
        self.curves = curves
        self.kind = kind
        self.references = references
        self.per = per

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        kind: str = "uplift",
        outcome: int | str = 0,
        cost: Any = None,
        nuisances: Any = None,
        name: str | None = None,
        sample_weight: Any = None,
        cluster: Any = None,
        ax: Any = None,
        **params: Any,
    ) -> UpliftCurveDisplay:
        """Rank rows of X by the effects that a fitted estimator predicts.

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
        kind : {'uplift', 'qini', 'cost', 'toc', 'gain'}, default='uplift'
            As in `from_predictions`.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``.
        cost : array-like of shape (n_samples,), int, str or None, default=None
            For 'cost': costs that were observed, by which the ranking is by predicted effects on
            the outcome; or the outcome that holds them, by which it is by `roi_score`. None takes
            the other of two outcomes.
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
        UpliftCurveDisplay

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
            cluster=cluster, beside=params, display=cls.__name__, with_means=kind in RATES,
        )  # fmt: skip
        check_same_index(X=X, oracle=params.get("oracle"), cost=cost if np.ndim(cost) else None)
        own = take_outcome(found, outcome)
        effect = own.effect
        if kind == "cost" and np.ndim(cost) == 0:
            effect, cost = rank_by_return(found, outcome, cost)
        return cls.from_predictions(
            found.T, own.y, {found.name if name is None else name: effect}, kind=kind, cost=cost,
            ax=ax, **own.options, **params,
        )  # fmt: skip

    @classmethod
    @fill_docs
    def from_predictions(
        cls,
        T: Any,
        y: Any,
        effect: Any,
        *,
        kind: str = "uplift",
        cost: Any = None,
        arm: Any = None,
        multiarm: str = "each",
        oracle: Any = None,
        perfect: bool = False,
        outcome_mean: Any = None,
        propensity: Any = None,
        treatments: Any = None,
        control: Any = None,
        clip: float = 0.01,
        sample_weight: Any = None,
        cluster: Any = None,
        alpha: float | None = 0.05,
        n_bootstrap: int = 200,
        random_state: Any = 0,
        per: int | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> UpliftCurveDisplay:
        """Rank rows by given predictions.

        Parameters
        ----------
        {T}
        y : array-like of shape (n_samples,)
            Outcomes: numbers, or two strings, of which the second in sorted order is 1.
        effect : array-like of shape (n_samples,) or (n_samples, n_contrasts), or dict of them
            Predicted effects of each arm against the control, or for 'cost' what `roi_score`
            returns; by name where several estimators are compared.
        kind : {'uplift', 'qini', 'cost', 'toc', 'gain'}, default='uplift'
            `uplift_curve`, `qini_curve`, `cost_curve`, `toc_curve` or `cumulative_gain_curve`.
        cost : array-like of shape (n_samples,) or None, default=None
            Costs that were observed, for 'cost'.
        {multiarm}
        oracle : array-like of the shape of one of them or None, default=None
            True effects (or scores), whose ranking is drawn for reference, estimated from these
            rows too.
        perfect : bool, default=False
            Whether to draw the ranking of somebody who knows outcomes of 0 and 1, for 'uplift'
            and 'qini'.
        {nuisances}
        {arms}
        {clip}
        {sample_weight}
        {cluster}
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        n_bootstrap : int, default=200
            Half samples behind the intervals.
        random_state : int, RandomState instance or None, default=0
            Seed of the half samples.
        per : int or None, default=None
            Number of people that heights refer to; None takes 1,000 for outcomes of 0 and 1, and
            otherwise 1.
        ax : Axes, array of Axes or None, default=None
            One for all curves, or one for each contrast. None makes a new figure, with panels
            where several estimators have several contrasts.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        UpliftCurveDisplay

        Raises
        ------
        {raises}
        """
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {tuple(KINDS)}, got {kind!r}")
        if (cost is None) == (kind == "cost"):
            came = "None" if cost is None else f"it with kind={kind!r}"
            raise ValueError(f"`cost` must be given for kind='cost', and only then, got {came}")
        if perfect and kind not in HAVE_PERFECT:
            raise ValueError(f"`perfect` goes with the kinds {HAVE_PERFECT}, got kind={kind!r}")
        effects = read_effects(effect, T=T, y=y, cost=cost, oracle=oracle)
        study = read_study(T, read_outcome(y), treatments, control, sample_weight)
        check_alpha(alpha)
        if per is None:
            per = 1000 if kind != "cost" and np.isin(study.y, (0.0, 1.0)).all() else 1
        check_positive(per, "per")
        targeting = Targeting(
            study=study, kind=kind, arm=arm, multiarm=multiarm, outcome_mean=outcome_mean,
            cost=None if cost is None else check_numbers(cost, "cost", len(study.t)),
            propensity=propensity, clip=clip, cluster=cluster, alpha=alpha,
            unit=100 if kind == 'cost' else per,
            n_bootstrap=n_bootstrap, random_state=random_state,
        )  # fmt: skip
        references = targeting.perfect_curves(PERFECT) if perfect else []
        if oracle is not None:
            study.read_effect(oracle, "oracle")
            references += replace(targeting, alpha=None).curves({ORACLE: oracle})
        curves = targeting.curves(effects)
        display = cls(curves=curves, kind=kind, references=references, per=per)
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        curve_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
    ) -> UpliftCurveDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes, array of Axes or None, default=None
            As in `from_predictions`.
        curve_kwargs, band_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for curves and to ``ax.fill_between`` for their intervals.

        Returns
        -------
        self : UpliftCurveDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ax does not fit the number of contrasts, or shows another kind.
        """
        plt = import_pyplot(type(self).__name__)
        what = f"{type(self).__name__} kind={self.kind!r}"
        contrasts = list(dict.fromkeys(curve.contrast for curve in self.curves))
        one_name = len({curve.name for curve in self.curves}) == 1
        self.axes_, panels = make_axes(plt, ax, contrasts, one_name)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.curves_, self.bands_, self.bars_ = [], [], []
        self.random_lines_, self.reference_lines_ = [], []
        is_shared = len(self.axes_) < len(contrasts)
        colors: dict[str, Any] = {}
        for curve in self.curves:
            panel = panels[curve.contrast]
            color = self._draw_curve(panel, curve, what, is_shared, curve_kwargs, band_kwargs)
            colors.setdefault(curve.contrast, color if is_shared else GREY)
        for curve in self.references:
            style = {"label": curve.name, "color": colors[curve.contrast], "linewidth": 2.4}
            style |= {"linestyle": REFERENCES[curve.name], "zorder": 1.5}
            panel = panels[curve.contrast]
            self.reference_lines_.append(add_reference(panel, what, curve.x, curve.y, **style))
        label_panels(panels, *self._labels())
        for panel in self.axes_:
            panel.set_xlim(0, 100)
        self.legends_ = finish(self.axes_)
        return self

    def _draw_curve(
        self,
        ax: Any,
        curve: Curve,
        what: str,
        is_shared: bool,
        curve_kwargs: dict[str, Any] | None,
        band_kwargs: dict[str, Any] | None,
    ) -> Any:
        """Draw a curve, its band and its line of random targeting, and return its colour."""
        needs_contrast = is_shared or ax.get_title() not in ("", curve.contrast)
        name = name_series(curve.name, curve.contrast if needs_contrast else "")
        label = f"{name}: {KINDS[self.kind][0]} "
        label += write_estimate(curve.area, curve.area_interval)
        line, band, bars = draw_curve(
            ax, what, curve.x, curve.y, (curve.grid, curve.low, curve.high), label,
            curve_kwargs, band_kwargs,
        )  # fmt: skip
        self.curves_.append(line)
        self.bands_ += [] if band is None else [band]
        self.bars_ += [] if bars is None else [bars]
        color = line.get_color()
        end = {"cost": 100.0, "toc": 0.0}.get(self.kind, float(curve.y[-1]))
        style = {"color": color if is_shared else BLACK, "linestyle": ":", "linewidth": 1.2}
        style |= {"label": "Random targeting", "zorder": 1.8}
        self.random_lines_.append(add_reference(ax, what, [0.0, 100.0], [0.0, end], **style))
        return color

    def _labels(self) -> tuple[str, str]:
        unit = "outcome units per person"
        if self.per > 1:
            unit = f"outcome units per {self.per:,} people"
        x_label = "People targeted, largest predicted effects first (%)"
        if self.kind == "cost":
            unit = "% of that of targeting everybody"
            x_label = f"Incremental cost ({unit})"
        return x_label, f"{KINDS[self.kind][1]}\n({unit})"
