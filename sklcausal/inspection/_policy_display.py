"""Mean outcomes if ever more people are treated, those with the largest effects first."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal._evaluation._scores import arm_scores
from sklcausal._evaluation._study import read_study
from sklcausal.inspection._legends import draw_legend
from sklcausal.inspection._plotting import BLACK, import_pyplot, shorten_name, tidy
from sklcausal.inspection._reading import (
    POLICY_SHARES,
    Policy,
    check_alpha,
    evaluate_policy,
    read_costs,
    read_effects,
    read_evaluation,
    read_outcome,
    take_outcome,
)
from sklcausal.inspection._series import (
    GREY,
    add_level,
    claim,
    draw_curve,
    finish,
    label_panels,
    make_axes,
    mark,
    name_series,
    write_estimate,
)
from sklcausal.utils._blurbs import fill_docs

LEGEND_CHARACTERS = 60  # in a row
WHAT = "PolicyDisplay"
LEVEL_STYLES = ((0, (1, 2)), (0, (8, 3)))
LIGHT, DARK = 0.95, 0.3  # greys of the first and the last arm
DARK_ENOUGH = 0.55  # for white numbers
MIN_WRITTEN = 6.0  # percent, of a bar that holds a number
BAR_HEIGHT, BARS_HEIGHT = 0.3, 0.9  # inches, of each and of what is around them
SIZE = (7.0, 5.4)  # inches


class PolicyDisplay:
    """Show the mean outcome if ever more people are treated, the largest effects first.

    With several arms those who are treated receive the arm with their largest predicted effect,
    and bars show how many get each arm where the value is largest. Create it by `from_estimator`
    or `from_predictions`; called again with ``ax=display.axes_`` these add an estimator.
    Parameters are stored as attributes.

    Parameters
    ----------
    policies : sequence of Policy
        For each of the estimators: ``name``, ``value`` and ``interval`` at 0, 1, ..., 100 %,
        ``best`` (percent) and ``arm_shares``.
    levels : dict of str to float
        Values of treating nobody, and of treating everybody alike.
    arms : sequence of str
        Names of the arms, the control first.
    has_cost : bool, default=False
        Whether costs are subtracted.

    Attributes
    ----------
    curves_ : list of Line2D
        Values.
    bands_, intervals_ : list of PolyCollection, list of LineCollection
        Their intervals; bars at the markers are visible where there are more than two curves.
    best_points_ : list of Line2D
        Share with the largest value.
    level_lines_ : list of Line2D
        Values of treating nobody, and everybody alike.
    bars_ : list of BarContainer
        Shares of the arms, one for each.
    legends_ : list of Legend
        Legend of the curves, and that of the bars.
    ax_ : Axes
        Axes with the curves.
    axes_ : ndarray of Axes of shape (1,) or (2,)
        Also that with the bars, if there are several arms.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    sklcausal.metrics.policy_value : The value of any policy.
    UpliftCurveDisplay : Gains over treating nobody.

    Notes
    -----
    Rows must be others than those that the estimator was fitted to. Intervals are pointwise and
    take the policy of each share as given. The largest of the values is too favourable an
    estimate of what the best share will bring, since chance has helped to choose it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import PolicyDisplay
    >>> T, y = np.tile([0, 1], 20), np.tile([0.0, 1.0, 3.0, 0.0], 10)
    >>> effect = np.tile([1.0, 1.0, -3.0, -3.0], 10)
    >>> PolicyDisplay.from_predictions(T, y, effect).policies[0].best
    50
    """

    curves_: list[Any]
    bands_: list[Any]
    intervals_: list[Any]
    best_points_: list[Any]
    bars_: list[Any]
    axes_: np.ndarray

    def __init__(
        self,
        *,
        policies: Sequence[Policy],
        levels: dict[str, float],
        arms: Sequence[str],
        has_cost: bool = False,
    ):
        self.policies = policies
        self.levels = levels
        self.arms = arms
        self.has_cost = has_cost

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        outcome: int | str = 0,
        nuisances: Any = None,
        name: str | None = None,
        sample_weight: Any = None,
        cluster: Any = None,
        ax: Any = None,
        **params: Any,
    ) -> PolicyDisplay:
        """Treat rows of X by the effects that a fitted estimator predicts.

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
        PolicyDisplay

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
        return cls.from_predictions(found.T, own.y, effect, ax=ax, **own.options, **params)

    @classmethod
    @fill_docs
    def from_predictions(
        cls,
        T: Any,
        y: Any,
        effect: Any,
        *,
        cost_per_treated: Any = 0.0,
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
    ) -> PolicyDisplay:
        """Treat rows by given predictions.

        Parameters
        ----------
        {T}
        y : array-like of shape (n_samples,)
            Outcomes: numbers, or two strings, of which the second in sorted order is 1.
        effect : array-like of shape (n_samples,) or (n_samples, n_contrasts), or dict of them
            Predicted effects of each arm against the control, in outcome units; by name where
            several estimators are compared.
        cost_per_treated : float or dict of label to float, default=0.0
            Cost of each person who is treated, in outcome units, or of each arm but the control;
            arms that are left out cost nothing. People are ranked by effects less costs.
        {nuisances}
        {arms}
        {clip}
        {sample_weight}
        {cluster}
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes, array of Axes or None, default=None
            One for the curves, or with several arms another one for the bars. Without it the
            legend tells the shares of the arms. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        PolicyDisplay

        Raises
        ------
        {raises}
        """
        effects = read_effects(effect, T=T, y=y)
        study = read_study(T, read_outcome(y), treatments, control, sample_weight)
        check_alpha(alpha)
        costs = read_costs(cost_per_treated, study)
        scores = arm_scores(study, outcome_mean, propensity, clip)[:, :, 0]
        policies = [
            evaluate_policy(
                name, study, study.read_effect(values)[:, :, 0], scores, costs, cluster,
                propensity is None, alpha,
            )
            for name, values in effects.items()
        ]  # fmt: skip
        means = study.weight @ scores
        everybody = means[study.others] - costs
        top = int(everybody.argmax())
        labels = study.treatments.labels
        arms = [str(labels[a]) for a in [study.treatments.control, *study.others]]
        who = f" with {arms[1 + top]}" if len(arms) > 2 else ""
        levels = {
            "Treat nobody": float(means[study.treatments.control]),
            f"Treat everybody{who}": float(everybody[top]),
        }
        display = cls(policies=policies, levels=levels, arms=arms, has_cost=bool(costs.any()))
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        curve_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
    ) -> PolicyDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes, array of Axes or None, default=None
            As in `from_predictions`.
        curve_kwargs, band_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for curves and to ``ax.fill_between`` for their intervals.

        Returns
        -------
        self : PolicyDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are too many axes, or they show something else.
        """
        plt = import_pyplot(type(self).__name__)
        self.axes_ = self._make_axes(plt, ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        n_before = claim(self.ax_, WHAT)
        self.curves_, self.bands_, self.intervals_, self.best_points_ = [], [], [], []
        for policy in self.policies:
            self._draw_policy(policy, curve_kwargs, band_kwargs)
        self.level_lines_ = []
        for (name, level), pattern in zip(self.levels.items(), LEVEL_STYLES, strict=True):
            style = {"color": GREY, "linestyle": pattern, "linewidth": 2, "zorder": 1.5}
            label = f"{name}: {write_estimate(level, None)}"
            self.level_lines_.append(add_level(self.ax_, WHAT, level, label, **style))
        contrast = f"{'best arm' if len(self.arms) > 2 else self.arms[1]} vs {self.arms[0]}"
        less = " less costs" if self.has_cost else ""
        x_label = "People treated, largest predicted effects first (%)"
        label_panels(
            {contrast: self.ax_}, x_label, f"Mean outcome{less}\n(outcome units per person)"
        )
        self.ax_.set_xlim(0, 100)
        self.legends_ = finish(self.axes_[:1])
        self.bars_ = []
        if len(self.axes_) > 1:
            self._draw_bars(self.axes_[1], n_before)
        return self

    def _make_axes(self, plt: Any, ax: Any) -> np.ndarray:
        has_bars = len(self.arms) > 2
        if ax is None and has_bars:
            height = BARS_HEIGHT + BAR_HEIGHT * len(self.policies)
            style = {"height_ratios": [SIZE[1], height], "layout": "constrained"}
            return plt.subplots(2, 1, figsize=(SIZE[0], SIZE[1] + height), **style)[1]
        given = None if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if given is not None and len(given) > 1 + has_bars:
            raise ValueError(
                f"`ax` must be one Axes{' or two' if has_bars else ''} for {len(self.arms)} arms, "
                f"got {len(given)}"
            )
        if given is not None and len(given) == 2:
            return given
        return make_axes(plt, ax, [""])[0]

    def _draw_policy(
        self,
        policy: Policy,
        curve_kwargs: dict[str, Any] | None,
        band_kwargs: dict[str, Any] | None,
    ) -> None:
        ax, x, top = self.ax_, 100 * POLICY_SHARES, policy.best
        ends: tuple[Any, Any, Any] = (None, None, None)
        interval = None
        if policy.interval is not None:
            low, high = policy.interval
            ends, interval = (x, low, high), (low[top], high[top])
        label = f"{name_series(policy.name, '')}: best at {top} %, "
        label += write_estimate(policy.value[top], interval)
        line, band, bars = draw_curve(
            ax, WHAT, x, policy.value, ends, label, curve_kwargs, band_kwargs
        )
        self.curves_.append(line)
        self.bands_ += [] if band is None else [band]
        self.intervals_ += [] if bars is None else [bars]
        if len(self.arms) > 2 and len(self.axes_) == 1:
            shares = zip(self.arms, policy.arm_shares, strict=True)
            text = ", ".join(f"{shorten_name(arm)} {100 * share:.0f} %" for arm, share in shares)
            ax.plot([], [], linestyle="none", label=text, gid=mark(WHAT, "note"))
        style = {"marker": "*", "markersize": 15, "linestyle": "none", "zorder": 4}
        style |= {"color": line.get_color(), "markeredgecolor": BLACK, "label": "Best share"}
        gid = mark(WHAT, "reference")
        self.best_points_ += ax.plot([x[top]], [policy.value[top]], gid=gid, **style)

    def _draw_bars(self, ax: Any, n_before: int) -> None:
        """Draw below each other how many people get which arm, beneath bars that there are."""
        names = [text.get_text() for text in ax.get_yticklabels()][:n_before]
        names += [name_series(policy.name, "") for policy in self.policies]
        at = np.arange(n_before, len(names))
        shares = 100 * np.array([policy.arm_shares for policy in self.policies])
        ends = shares.cumsum(axis=1)
        for k, arm in enumerate(self.arms):
            grey = LIGHT + (DARK - LIGHT) * k / (len(self.arms) - 1)
            bar = ax.barh(
                at, shares[:, k], left=ends[:, k] - shares[:, k], color=str(grey),
                edgecolor=BLACK, linewidth=0.6, label=shorten_name(arm),
            )  # fmt: skip
            texts = [f"{v:.0f} %" if v >= MIN_WRITTEN else "" for v in shares[:, k]]
            ink = BLACK if grey > DARK_ENOUGH else "white"
            ax.bar_label(bar, texts, label_type="center", color=ink, fontsize="small")
            self.bars_.append(bar)
        ax.set_yticks(np.arange(len(names)), names)
        ax.set(xlim=(0, 100), ylim=(len(names) - 0.4, -0.6))
        ax.set_xlabel("People who get each arm at the best share (%)")
        tidy(ax)
        width = 4 + max(len(bar.get_label()) for bar in self.bars_)
        style: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        style |= {"borderaxespad": 0, "handlelength": 1.2, "columnspacing": 1.2, "frameon": False}
        style["ncols"] = max(1, min(len(self.arms), LEGEND_CHARACTERS // width))
        self.legends_.append(draw_legend(ax, handles=self.bars_, **style))
