"""What an average rests on: influence values, conditioning and balance."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection._columns import check_diagnostics, check_positive
from sklcausal.inspection._legends import note, write_heads
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    ORANGE,
    SKY_BLUE,
    VERMILION,
    count,
    import_pyplot,
    label_decades,
    label_unit,
    restyle,
    say_missing,
    shorten_name,
    tidy,
    unwrap,
)
from sklcausal.utils._positions import find_position

HISTOGRAM = {"facecolor": SKY_BLUE, "edgecolor": BLACK, "linewidth": 0.6, "fill": True}
BALANCE_TITLE = "Are the covariates balanced?"
LIMIT = 1.96  # standard errors
MIN_RANGE = 3.0  # standard errors that the axis of imbalances shows at least
FIGURE_SIZE = (13.0, 4.4)
COLUMN_HEIGHT = 0.2  # inches
HEAD_HEIGHT = 1.8  # inches

Head = tuple[str, list[Any]]  # title and handles of a panel


class InfluenceDisplay:
    """Show what an average effect rests on: influence values, conditioning and balance.

    The left panel tells whether few rows dominate the average, the middle one whether the data
    tell the parameters of every row apart, the right one whether the weights that the correction
    implies balance the covariates.

    Create it by `from_estimator` or `from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    influence : ndarray of shape (n_samples,)
        Influence value of each row, in outcome units; their mean is the average effect.
    condition : ndarray of shape (n_samples,) or None, default=None
        Condition number of each row's expected Hessian; NaN where there is none.
    imbalance : ndarray of shape (n_params, n_tests) or None, default=None
        Imbalance of each parameter and column, in standard errors.
    columns : sequence of str or None, default=None
        Names of the columns of imbalance. None counts them.
    share_regularised : float or None, default=None
        Share of rows whose Hessian had to be lifted, for the legend.
    effect_name, balance_name : str or None, default=None
        Effects that the influence values and the imbalances belong to.

    Attributes
    ----------
    influence_hist_ : StepPatch
        Histogram of the influence values, with a logarithmic axis of rows.
    average_line_ : Line2D
        Their average.
    condition_hist_ : StepPatch or None
        Histogram of the condition numbers, on a logarithmic axis.
    condition_lines_ : list of Line2D
        Median and 99 % quantile of the condition numbers.
    balance_points_ : Line2D or None
        Imbalance of each column: that of the parameter where it is largest in size.
    other_points_ : Line2D or None
        Imbalances of the other parameters that the effect depends on.
    limit_lines_ : list of Line2D
        Bounds of plus and minus 1.96 standard errors.
    legends_ : list of Legend
        Legend of each panel, with its title.
    axes_ : ndarray of Axes of shape (3,)
        Panels.
    figure_ : Figure or SubFigure
        Figure that contains the panels.

    See Also
    --------
    OverlapDisplay : Whether the data can tell the effect at all.

    Notes
    -----
    The expected Hessian Lambda(x) says how much the outcomes of people like x tell about the
    parameters; where its condition number is large, some combination of parameters is hardly
    seen, and that row's influence value may be large. If it is right, the imbalance with any
    function of x is 0 but for chance, so that one imbalance of 20 lies beyond 1.96 standard
    errors.

    Examples
    --------
    >>> from sklcausal.inspection import InfluenceDisplay
    >>> display = InfluenceDisplay.from_predictions(
    ...     [0.5, 2.0, 1.1], [1.2, 3.0, 9.0], [[0.3, -2.1]], ["age", "income"]
    ... )
    >>> display.average_line_.get_label()
    'Average effect 1.2'
    """

    influence_hist_: Any
    average_line_: Any
    condition_hist_: Any
    condition_lines_: list[Any]
    balance_points_: Any
    other_points_: Any
    limit_lines_: list[Any]
    legends_: list[Any]
    axes_: np.ndarray
    figure_: Any

    def __init__(
        self,
        *,
        influence: np.ndarray,
        condition: np.ndarray | None = None,
        imbalance: np.ndarray | None = None,
        columns: Sequence[str] | None = None,
        share_regularised: float | None = None,
        effect_name: str | None = None,
        balance_name: str | None = None,
    ):
        self.influence = influence
        self.condition = condition
        self.imbalance = imbalance
        self.columns = columns
        self.share_regularised = share_regularised
        self.effect_name = effect_name
        self.balance_name = balance_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        contrast: int | str = 0,
        outcome: int | str = 0,
        fig: Any = None,
        **plot_params: Any,
    ) -> InfluenceDisplay:
        """Show what an average effect of a fitted estimator rests on.

        Condition numbers are those of all parameters; imbalances are known for the first effect
        on the first outcome only, whatever is chosen.

        Parameters
        ----------
        estimator : estimator
            Fitted `sklcausal.base.BaseThetaEstimator` with ``n_folds`` above 1, or a fitted
            pipeline or search that ends in one.
        contrast : int or str, default=0
            Position or name in ``estimator.effect_names_out_``.
        outcome : int or str, default=0
            Position or name in ``estimator.outcome_names_``.
        fig : Figure, SubFigure or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        InfluenceDisplay

        Raises
        ------
        TypeError
            If the estimator has no influence values.
        NotFittedError
            If the estimator is not fitted.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``.
        ModelError
            If the model has no mean, and so no effects.
        ValueError
            If contrast or outcome is not among those there are.
        """
        final, _ = unwrap(estimator)
        if not hasattr(final, "engine_"):
            raise TypeError(
                "`estimator` must have influence values, as a BaseThetaEstimator has, got "
                f"{type(final).__name__}; pass values of your own to "
                f"{cls.__name__}.from_predictions"
            )
        if final.engine_ is None:
            raise IntervalNotAvailableError(
                f"{cls.__name__} needs influence values, of networks that have not seen every "
                "row, got n_folds=1; fit with n_folds=5 (the default) to get them"
            )
        effects, outcomes = final.effect_names_out_, final.outcome_names_
        c = find_position(contrast, effects, "contrast")
        m = find_position(outcome, outcomes, "outcome")
        found = final.diagnostics_
        return cls.from_predictions(
            final.estimate().influence_values[:, c * len(outcomes) + m],
            final.engine_.corrections.condition,
            found.get("imbalance"),
            found.get("imbalance_columns"),
            share_regularised=found.get("share_regularised"),
            effect_name=f"{effects[c]} on {outcomes[m]}",
            balance_name=f"{effects[0]} on {outcomes[0]}",
            fig=fig,
            **plot_params,
        )

    @classmethod
    def from_predictions(
        cls,
        influence: Any,
        condition: Any = None,
        imbalance: Any = None,
        columns: Sequence[str] | None = None,
        *,
        share_regularised: float | None = None,
        effect_name: str | None = None,
        balance_name: str | None = None,
        fig: Any = None,
        **plot_params: Any,
    ) -> InfluenceDisplay:
        """Show given influence values.

        Parameters
        ----------
        influence : array-like of shape (n_samples,)
            Influence value of each row, in outcome units; their mean is the average effect.
        condition : array-like of shape (n_samples,) or None, default=None
            Condition number of each row's expected Hessian, at least 1; NaN where there is none.
        imbalance : array-like of shape (n_params, n_tests) or (n_tests,), or None, default=None
            Imbalance of each parameter and column, in standard errors.
        columns : sequence of str or None, default=None
            Names of the columns of imbalance. None counts them.
        share_regularised : float or None, default=None
            Share of rows whose Hessian had to be lifted, for the legend.
        effect_name, balance_name : str or None, default=None
            Effects that the influence values and the imbalances belong to.
        fig : Figure, SubFigure or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        InfluenceDisplay

        Raises
        ------
        ValueError
            If shapes differ, influence values or imbalances are not finite, or a condition
            number is below 1.
        """
        display = cls(
            **check_diagnostics(influence, condition, imbalance, columns),
            share_regularised=share_regularised,
            effect_name=effect_name,
            balance_name=balance_name,
        )
        return display.plot(fig, **plot_params)

    def plot(
        self,
        fig: Any = None,
        *,
        bins: int = 40,
        influence_kwargs: dict[str, Any] | None = None,
        condition_kwargs: dict[str, Any] | None = None,
        balance_kwargs: dict[str, Any] | None = None,
    ) -> InfluenceDisplay:
        """Draw the picture.

        Parameters
        ----------
        fig : Figure, SubFigure or None, default=None
            Where to draw. None makes a new figure.
        bins : int, default=40
            Number of bins of the histograms.
        influence_kwargs, condition_kwargs : dict or None, default=None
            Passed to ``ax.stairs`` for the influence values and the condition numbers.
        balance_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the largest imbalances.

        Returns
        -------
        self : InfluenceDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If bins is not a positive integer.
        """
        check_positive(bins, "bins")
        plt = import_pyplot(type(self).__name__)
        if fig is None:
            n_tests = 0 if self.imbalance is None else self.imbalance.shape[1]
            height = max(FIGURE_SIZE[1], HEAD_HEIGHT + COLUMN_HEIGHT * n_tests)
            fig = plt.figure(figsize=(FIGURE_SIZE[0], height), layout="constrained")
        self.figure_, self.axes_ = fig, fig.subplots(1, 3)
        panels = [
            self._draw_influence(self.axes_[0], bins, influence_kwargs),
            self._draw_condition(self.axes_[1], bins, condition_kwargs),
            self._draw_balance(self.axes_[2], balance_kwargs),
        ]
        for ax in self.axes_:
            tidy(ax)
        self.legends_ = write_heads(self.axes_, panels)
        return self

    def _draw_influence(self, ax: Any, bins: int, given: dict[str, Any] | None) -> Head:
        counts, edges = np.histogram(self.influence, bins)
        style = restyle(HISTOGRAM | {"baseline": 0.5}, given)
        self.influence_hist_ = ax.stairs(counts, edges, **style)
        average = float(self.influence.mean())
        style = {"color": VERMILION, "linestyle": "--", "linewidth": 2}
        self.average_line_ = ax.axvline(average, label=f"Average effect {average:.3g}", **style)
        # a single row far out is to be seen beside thousands
        ax.set_yscale("log")
        ax.set_ylim(0.5, 1.5 * counts.max())
        label_decades(ax.yaxis, 0.5, float(counts.max()))
        ax.set_xlabel(label_unit("Influence value", self.effect_name, "outcome units"))
        ax.set_ylabel("Number of rows (log scale)")
        return "Do few rows dominate?", [self.average_line_]

    def _draw_condition(self, ax: Any, bins: int, given: dict[str, Any] | None) -> Head:
        self.condition_hist_, self.condition_lines_ = None, []
        every = np.zeros(0) if self.condition is None else self.condition
        values = np.maximum(every[np.isfinite(every)], 1.0)
        if len(values):
            top = max(float(values.max()) * 1.001, 2.0)
            counts, edges = np.histogram(values, np.geomspace(1.0, top, bins + 1))
            style = restyle(HISTOGRAM, given)
            self.condition_hist_ = ax.stairs(100 * counts / len(every), edges, **style)
            for q, name, line in ((0.5, "Median", "--"), (0.99, "99 % of rows below", ":")):
                at = float(np.quantile(values, q))
                style = {"color": BLACK, "linestyle": line, "linewidth": 1.5}
                drawn = ax.axvline(at, label=f"{name} {at:.3g}", **style)
                self.condition_lines_.append(drawn)
            ax.set_xscale("log")
            ax.set_xlim(1.0, top)
            label_decades(ax.xaxis, 1.0, top)
            ax.set_xlabel("Condition number of Λ(x)\n(log scale; 1 is best)")
            ax.set_ylabel("Share of rows (%)")
        else:
            say_missing(ax, "No condition numbers")
        handles = list(self.condition_lines_)
        if self.share_regularised is not None:
            share = f"{100 * self.share_regularised:.2g} % of rows"
            handles.append(note(f"Too little information: {share}"))
        if len(values) < len(every):
            handles.append(note(f"Without a number: {count(len(every) - len(values))} rows"))
        return "Are the parameters told apart?", handles

    def _draw_balance(self, ax: Any, given: dict[str, Any] | None) -> Head:
        self.balance_points_, self.other_points_, self.limit_lines_ = None, None, []
        if self.imbalance is None:
            say_missing(ax, "Imbalances not known")
            return BALANCE_TITLE, []
        # the effect does not depend on parameters without any imbalance
        scores = self.imbalance[self.imbalance.any(axis=1)]
        scores = scores if len(scores) else self.imbalance[:1]
        places = np.arange(scores.shape[1])
        largest = np.abs(scores).argmax(axis=0)
        others = np.arange(len(scores))[:, None] != largest
        handles: list[Any] = []
        if len(scores) > 1:
            other = "The other parameter" if len(scores) == 2 else "The other parameters"
            style = {"linestyle": "none", "marker": "o", "markersize": 3, "color": ORANGE}
            rows = np.broadcast_to(places, scores.shape)[others]
            (self.other_points_,) = ax.plot(scores[others], rows, label=other, **style)
            handles.append(self.other_points_)
        label = "Imbalance" if len(scores) == 1 else f"Largest of {len(scores)} parameters"
        style = {"linestyle": "none", "marker": "o", "markersize": 6, "color": BLUE, "zorder": 3}
        (self.balance_points_,) = ax.plot(
            scores[largest, places], places, **restyle(style | {"label": label}, given)
        )
        style = {"color": BLACK, "linestyle": ":", "linewidth": 1.5}
        style["label"] = f"±{LIMIT:g}: 5 % lie beyond by chance"
        self.limit_lines_ = [ax.axvline(end, **style) for end in (-LIMIT, LIMIT)]
        ax.axvline(0, color=BLACK, linewidth=0.8, zorder=1)
        widest = 1.1 * max(MIN_RANGE, float(np.abs(scores).max()))
        ax.set_xlim(-widest, widest)
        names = places if self.columns is None else self.columns
        ax.set_yticks(places, [shorten_name(str(name)) for name in names])
        ax.set_ylim(len(places) - 0.5, -0.5)
        unit = "standard errors; 0 is best"
        ax.set_xlabel(label_unit("Imbalance of weights", self.balance_name, unit))
        return BALANCE_TITLE, [self.balance_points_, *handles, self.limit_lines_[0]]
