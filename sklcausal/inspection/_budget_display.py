"""What larger and larger budgets bring."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

from scipy.stats import norm
from sklearn.utils import Bunch

from sklcausal.inspection._plotting import BLACK, import_pyplot
from sklcausal.inspection._reading import check_alpha
from sklcausal.inspection._series import (
    GREY,
    add_reference,
    claim,
    draw_curve,
    finish,
    label_panels,
    make_axes,
    mark,
    write_estimate,
)
from sklcausal.utils._final_step import final_step

WHAT = "BudgetDisplay"


class BudgetDisplay:
    """Show what a policy under a budget adds to value, as the budget grows.

    Budgets are predicted costs; values are doubly robust estimates on rows that the policy has not
    seen. Create it by `from_estimator` or
    `from_predictions`; called again with ``ax=display.ax_`` it adds a policy.
    Parameters are stored as attributes.

    Parameters
    ----------
    frontier : Bunch
        What `sklcausal.model_selection.BudgetedPolicy.frontier` returns.
    name : str
        Name of the policy in the legend.
    alpha : float or None, default=0.05
        One minus the confidence level; None draws no intervals.

    Attributes
    ----------
    curve_ : Line2D
        Value added.
    band_ : PolyCollection or None
        Its interval.
    random_line_ : Line2D
        Value of giving their best arms to so many people drawn by lot as the budget pays for.
    own_point_ : Line2D
        What the policy itself, at its price, adds on these rows.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the curve.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    sklcausal.model_selection.BudgetedPolicy : The policy.
    UpliftCurveDisplay : Cost curves, which rank people without a budget.

    Notes
    -----
    Intervals are pointwise and take the policy of each budget as given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inspection import BudgetDisplay
    >>> from sklcausal.meta import TLearner
    >>> from sklcausal.model_selection import BudgetedPolicy
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.normal(size=(200, 2)), rng.integers(0, 2, 200)
    >>> y = T * X[:, 0] + rng.normal(size=200)
    >>> est = TLearner(n_folds=1, max_epochs=5, random_state=0)
    >>> policy = BudgetedPolicy(est, budget=0.2, costs={1: 1.0}).fit(X, T, y)
    >>> display = BudgetDisplay.from_estimator(policy, X, T, y, n_points=3)
    >>> len(display.frontier.budget)
    3
    """

    def __init__(
        self,
        *,
        frontier: Bunch,
        name: str,
        alpha: float | None = 0.05,
    ):
        self.frontier = frontier
        self.name = name
        self.alpha = alpha

    @classmethod
    def from_estimator(
        cls,
        policy: Any,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        n_points: int = 41,
        name: str | None = None,
        alpha: float | None = 0.05,
        ax: Any = None,
        curve_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
        **nuisances: Any,
    ) -> BudgetDisplay:
        """Trace the budgets of a fitted policy on new rows.

        Parameters
        ----------
        policy : BudgetedPolicy
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Covariates of rows that the policy has not seen.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
            Outcomes.
        n_points : int, default=41
            Number of budgets.
        name : str or None, default=None
            Name in the legend; None takes that of the effect estimator's class.
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        curve_kwargs, band_kwargs : dict or None, default=None
            As in `plot`.
        **nuisances : object
            As `BudgetedPolicy.frontier` takes them.

        Returns
        -------
        BudgetDisplay

        Raises
        ------
        TypeError
            If it is no policy under a budget.
        NotFittedError
            If the policy is not fitted.
        TargetError
            If T or y cannot be used.
        ValueError
            If an option cannot be used.
        """
        if not hasattr(policy, "frontier"):
            raise TypeError(
                f"`policy` must be a BudgetedPolicy, got {type(policy).__name__}; PolicyDisplay "
                "takes effect estimators"
            )
        found = policy.frontier(X, T, y, n_points=n_points, **nuisances)
        name = type(final_step(policy.estimator_)).__name__ if name is None else name
        style = {"curve_kwargs": curve_kwargs, "band_kwargs": band_kwargs}
        return cls.from_predictions(found, name=name, alpha=alpha, ax=ax, **style)

    @classmethod
    def from_predictions(
        cls,
        frontier: Bunch,
        *,
        name: str = "Policy",
        alpha: float | None = 0.05,
        ax: Any = None,
        **plot_params: Any,
    ) -> BudgetDisplay:
        """Draw a frontier that was computed before.

        Parameters
        ----------
        frontier : Bunch
            What `BudgetedPolicy.frontier` returns.
        name : str, default='Policy'
            Name in the legend.
        alpha : float or None, default=0.05
            One minus the confidence level; None draws no intervals.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        BudgetDisplay

        Raises
        ------
        ValueError
            If ``alpha`` is no error rate.
        """
        check_alpha(alpha)
        return cls(frontier=frontier, name=name, alpha=alpha).plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        curve_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
    ) -> BudgetDisplay:
        """Draw the picture.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        curve_kwargs, band_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the curve and to ``ax.fill_between`` for its interval.

        Returns
        -------
        self : BudgetDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ``ax`` is not one Axes, or shows something else.
        """
        plt = import_pyplot(type(self).__name__)
        self.ax_ = make_axes(plt, ax, [""])[0][0]
        self.figure_ = self.ax_.figure
        claim(self.ax_, WHAT)
        x, value = self.frontier.budget, self.frontier.value
        ends: tuple[Any, Any, Any] = (None, None, None)
        if self.alpha is not None:
            critical = norm.ppf(1 - self.alpha / 2)
            margin = critical * self.frontier.value_std_error
            ends = (x, value - margin, value + margin)
        at, point = self.frontier.own_budget, self.frontier.own_value
        half = None if self.alpha is None else critical * self.frontier.own_value_std_error
        interval = None if half is None else (point - half, point + half)
        label = f"{self.name} at {at:.3g}: {write_estimate(point, interval)}"
        self.curve_, self.band_, _ = draw_curve(
            self.ax_, WHAT, x, value, ends, label, curve_kwargs, band_kwargs
        )
        self.random_line_ = add_reference(
            self.ax_, WHAT, [x[0], x[-1]], [value[0], value[-1]], label="By lot", color=GREY
        )
        style = {"marker": "*", "markersize": 15, "linestyle": "none", "zorder": 4}
        style |= {"color": self.curve_.get_color(), "markeredgecolor": BLACK}
        style |= {"label": "Policy", "gid": mark(WHAT, "reference")}
        (self.own_point_,) = self.ax_.plot([at], [point], **style)
        label_panels({"": self.ax_}, "Mean cost per person (predicted)", "Value added per person")
        (self.legend_,) = finish([self.ax_])
        return self
