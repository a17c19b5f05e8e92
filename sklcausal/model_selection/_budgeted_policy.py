"""The best arm for everybody under a budget."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import Bunch
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from sklcausal._evaluation._judged import arms_of, separate
from sklcausal.inference import InferenceResult
from sklcausal.metrics import policy_value
from sklcausal.model_selection._knapsack import best_arms, find_price, trace_frontier
from sklcausal.model_selection._ledger import Ledger, read_rows
from sklcausal.targets import check_same_index, pack_targets
from sklcausal.utils._final_step import final_step, inner_of, transform_to_final
from sklcausal.utils._restore import restores_on_failure

BOTH = ("value", "cost")
NUISANCES = {"outcome_mean", "propensity", "sample_weight", "cluster"}


class BudgetedPolicy(BaseEstimator):
    """Give everybody the arm that is worth most, as far as a budget reaches.

    Effects on value and on cost, of arms against the control, come from an effect estimator. The
    arm of each person is the one with the largest value less a price times its cost, and the price
    is the smallest at which the mean cost keeps to the budget.

    Parameters
    ----------
    estimator : estimator
        Effect estimator of arms, or a pipeline or search that ends in one. A clone is fitted; one
        that is fitted already is taken as it is in ``sklearn.frozen.FrozenEstimator``.
    budget : float
        Largest mean cost of a person, beyond that of the control, in units of cost.
    value : name, position, or mapping of them to float, default=0
        Outcome that is wanted, or the weights of several: ``{"spend": 0.4, "visit": 0.1}``.
    cost : name, position, mapping of them to float, or None, default=None
        Outcome that is to be paid for, or the weights of several. None: ``costs`` are all that is
        paid.
    costs : mapping of label to float, array-like of shape (n_arms,), or None, default=None
        What it costs to give one person each arm, in units of cost. Arms that a mapping leaves out
        cost nothing.
    clip : float, default=0.01
        Smallest probability that is divided by in `evaluate`.
    random_state : int, RandomState instance or None, default=0
        Seed of models behind `evaluate` that are not given.

    Attributes
    ----------
    estimator_ : estimator
        The fitted effect estimator.
    treatments_ : ndarray of shape (n_arms,)
        Labels of the arms.
    control_ : label
        Arm whose cost counts as none.
    price_ : float
        What one more unit of budget is worth, in units of value; 0 where the budget is not used
        up.
    spent_ : float
        Mean predicted cost of the rows of fit, at most the budget.
    arm_shares_ : ndarray of shape (n_arms,)
        Shares of the rows of fit that get each arm.

    See Also
    --------
    PolicyTree : A few rules in place of a score.
    sklcausal.inspection.BudgetDisplay : What larger and larger budgets bring.
    sklcausal.metrics.aucc_score : How well a ranking by return on investment does.

    Notes
    -----
    Without a binding budget it is the policy that gives everybody the best arm. With one it solves
    the relaxed knapsack problem of Lagrange, which is exact but for the margin: people who are
    alike are treated alike, and left out together where the budget does not reach for all. What
    is promised is the budget on predicted costs of the rows of fit: on new people costs are what
    they are, see `evaluate`.

    References
    ----------
    .. [1] Sun, Munro, Kalashnov, Du, Wager, "Treatment allocation under uncertain costs", arXiv
       2103.11066.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.meta import TLearner
    >>> from sklcausal.model_selection import BudgetedPolicy
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.normal(size=(300, 2)), rng.integers(0, 3, 300)
    >>> y = T * X[:, 0] + rng.normal(size=300)
    >>> est = TLearner(n_folds=1, max_epochs=20, random_state=0)
    >>> policy = BudgetedPolicy(est, budget=0.5, costs={1: 1.0, 2: 2.0}).fit(X, T, y)
    >>> bool(policy.spent_ <= 0.5)
    True
    """

    __metadata_request__fit = {"T": UNUSED}
    __metadata_request__score = {"T": UNUSED}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit"])],
        "budget": [Interval(Real, None, None, closed="neither")],
        "value": "no_validation",
        "cost": "no_validation",
        "costs": "no_validation",
        "clip": [Interval(Real, 0, 0.5, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        budget: float,
        value: Any = 0,
        cost: Any = None,
        costs: Any = None,
        clip: float = 0.01,
        random_state: Any = 0,
    ):
        self.estimator = estimator
        self.budget = budget
        self.value = value
        self.cost = cost
        self.costs = costs
        self.clip = clip
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    @restores_on_failure
    def fit(
        self,
        X: Any,
        T: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        propensity: Any = None,
        cluster: Any = None,
    ) -> BudgetedPolicy:
        """Fit the effect estimator, and find the price at which its best arms keep to the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
            Outcomes.
        sample_weight, propensity, cluster : object
            As effect estimators take them.

        Returns
        -------
        self : BudgetedPolicy
            The fitted policy.

        Raises
        ------
        TargetError
            If T or y cannot be used, or T holds doses.
        TypeError
            If the estimator does not estimate effects.
        ValueError
            If outcomes or costs cannot be used, or even the cheapest arms exceed the budget.
        """
        inner = final_step(inner_of(self.estimator))
        if not hasattr(inner, "effect"):
            raise TypeError(
                "`estimator` must be an effect estimator, or a pipeline or search that ends in "
                f"one, got {type(inner).__name__}"
            )
        given = {"propensity": propensity, "cluster": cluster}
        check_same_index(X=X, T=T, y=y, sample_weight=sample_weight, **given)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        if y is not None and inner is self.estimator:  # which keeps the names of columns
            self.estimator_ = clone(self.estimator).fit(X, T, y, **given, **weights)
        else:
            targets = T if y is None else pack_targets(T, y, **given)
            self.estimator_ = clone(self.estimator).fit(X, targets, **weights)
        known = arms_of(self.estimator_)
        self.treatments_, self.control_ = np.asarray(known["treatments"]), known["control"]
        final = final_step(self.estimator_)
        fields = separate(T, y)
        final.contrasts_.treatments.encode(fields.T)  # raises for arms that it does not know
        n_outcomes = final.outcomes_.encode(fields.y).shape[1]
        names = list(getattr(y, "columns", final.outcome_names_))
        names = names if len(names) == n_outcomes else final.outcome_names_.tolist()
        self._names = [str(name) for name in names]
        spoken = (self.value, self.cost, self.costs)
        self._ledger = Ledger.read(*spoken, self._names, self.treatments_)
        value, cost = self.arm_effects(X)
        weight = np.ones(len(value)) if sample_weight is None else np.asarray(sample_weight)
        least = float(np.average(cost.min(axis=1), weights=weight))
        if self.budget < least:
            raise ValueError(
                f"`budget` must be at least {least:g}, which the cheapest arm of everybody costs, "
                f"got {self.budget:g}"
            )
        self.price_ = find_price(value, cost, self.budget, weight)
        chosen = best_arms(value, cost, self.price_)
        self.spent_ = float(np.average(cost[np.arange(len(cost)), chosen], weights=weight))
        counts = np.bincount(chosen, weights=weight, minlength=len(self.treatments_))
        self.arm_shares_ = counts / weight.sum()
        return self

    def arm_effects(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predict what each arm adds to value and cost, beyond the control.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        value, cost : ndarray of shape (n_samples, n_arms)
            In the order of ``treatments_``; 0 for the control.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        control = self.treatments_.tolist().index(self.control_)
        final, seen = final_step(self.estimator_), transform_to_final(self.estimator_, X)
        effect = np.asarray(final.effect(seen), dtype=float)
        effect = effect.reshape(len(effect), len(self.treatments_) - 1, -1)
        found = self._ledger.of_arms(np.insert(effect, control, 0.0, axis=1))
        found -= found[:, [control]]
        return found[..., 0], found[..., 1]

    def predict(self, X: Any) -> np.ndarray:
        """Return the arm that each row should receive.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of arms.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        value, cost = self.arm_effects(X)
        return self.treatments_[best_arms(value, cost, self.price_)]

    def evaluate(
        self,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        baseline: Any = None,
        outcome_mean: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
        cluster: Any = None,
    ) -> InferenceResult:
        """Estimate value and cost of the policy on rows that it has not seen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T, y : object
            As in `fit`.
        baseline : label or array-like of shape (n_samples,), or None, default=None
            What it is compared with; None is the control for everybody.
        outcome_mean : array-like of shape (n_samples, n_arms, n_outcomes) or None, default=None
            Mean outcomes of each arm, out of sample; None cross-fits them.
        propensity : array-like of shape (n_samples, n_arms) or None, default=None
            Probability of each arm, or with two arms that of the second; None cross-fits it.
        sample_weight, cluster : array-like of shape (n_samples,) or None, default=None
            Row weights, and labels of rows that share errors.

        Returns
        -------
        InferenceResult
            Value and cost of the policy, those of the baseline, and what the policy adds, by
            doubly robust scores, with their joint covariance.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y cannot be used.
        ValueError
            If X has other columns than in fit.
        """
        given = {"outcome_mean": outcome_mean, "propensity": propensity}
        given |= {"sample_weight": sample_weight, "cluster": cluster}
        labels = self.treatments_
        rows = read_rows(self, X, T, y, given)
        found = policy_value(
            labels[rows.study.t],
            rows.study.y,
            self.predict(X),
            baseline=baseline,
            outcome_mean=rows.outcome_mean,
            propensity=rows.propensity,
            treatments=labels,
            control=self.control_,
            clip=self.clip,
            sample_weight=rows.study.weight,
            cluster=rows.cluster,
        )
        names = [f"{what} of the {who}" for who in ("policy", "baseline") for what in BOTH]
        names += [f"{what} added" for what in BOTH]
        title = found.title.replace("Value of a policy", "Policy under a budget")
        return InferenceResult(
            found.estimate, found.covariance, names, title, found.n_samples, moves=found.moves
        )

    def frontier(
        self, X: Any, T: Any, y: Any = None, *, n_points: int = 21, **nuisances: Any
    ) -> Bunch:
        """Estimate what larger and larger budgets bring and cost, on rows not seen in fit.

        Parameters
        ----------
        X, T, y : object
            As in `evaluate`.
        n_points : int, default=21
            Number of budgets, from the least to that which gives everybody the best arm.
        **nuisances : object
            ``outcome_mean``, ``propensity``, ``sample_weight`` and ``cluster`` as in `evaluate`.

        Returns
        -------
        Bunch
            ``budget`` (predicted), ``price``, and, of shape (n_points,), doubly robust estimates
            of what the policies add: ``value``, ``value_std_error``, ``cost`` and
            ``cost_std_error``. Of this policy, at its own price, ``own_budget``, ``own_value``
            and ``own_value_std_error``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y cannot be used.
        TypeError
            If a nuisance is unknown.
        ValueError
            If X has other columns than in fit, or ``n_points`` is less than 2.
        """
        if not isinstance(n_points, (int, np.integer)) or n_points < 2:
            raise ValueError(f"`n_points` must be an integer of at least 2, got {n_points!r}")
        unknown = sorted(set(nuisances) - NUISANCES)
        if unknown:
            raise TypeError(f"`frontier` takes {sorted(NUISANCES)}, got {unknown}")
        rows = read_rows(self, X, T, y, nuisances)
        return trace_frontier(rows, *self.arm_effects(X), self.price_, n_points, self.clip)

    def score(self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None) -> float:
        """Estimate the value that the policy adds, for cross-validation and searches.

        Parameters
        ----------
        X, T, y, sample_weight : object
            As in `evaluate`.

        Returns
        -------
        float
            Value added to that of the control for everybody. Costs are not subtracted.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y cannot be used.
        ValueError
            If X has other columns than in fit.
        """
        return float(self.evaluate(X, T, y, sample_weight=sample_weight).estimate[4])
