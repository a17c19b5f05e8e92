"""Shallow trees that say who should receive which arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from sklcausal._evaluation._judged import Judged, read_costs, read_judged, separate
from sklcausal._evaluation._study import as_numbers
from sklcausal._fit_data import validate_X
from sklcausal._kinds import check_outcomes
from sklcausal.exceptions import TargetError
from sklcausal.inference import InferenceResult
from sklcausal.metrics import policy_value
from sklcausal.model_selection._node import ShallowTree, name_columns
from sklcausal.model_selection._tree_search import find_tree
from sklcausal.utils._restore import restores_on_failure


class PolicyTree(ShallowTree):
    """Learn a few rules by which to treat, with the largest doubly robust value.

    Of all trees of a depth, and of thresholds at quantiles, the one is found for which the mean
    score of the arm that everybody is given is largest.

    Parameters
    ----------
    max_depth : {1, 2, 3}, default=2
        Questions that are asked of everybody at most. With 3 the search takes seconds for 10
        columns, and grows with the cube of their number, memory with the square.
    min_samples_leaf : int or float, default=0.02
        Fewest rows of a leaf, or their share of all rows.
    n_thresholds : 'auto' or int, default='auto'
        Thresholds that are tried of a column, at quantiles; all of them where it has no more.
        'auto' tries 128, or 32 at depth 3.
    costs : mapping of label to float, array-like of shape (n_arms,), or None, default=None
        What it costs to give one person each arm, in outcome units. Every value is less costs.
    treatments : sequence of labels or None, default=None
        All arms; None takes them from T, sorted.
    control : label or None, default=None
        Arm that the policy is compared with; None takes the first.
    clip : float, default=0.01
        Smallest probability that is divided by.
    random_state : int, RandomState instance or None, default=0
        Seed of models behind scores that are not given.

    Attributes
    ----------
    treatments_ : ndarray of shape (n_arms,)
        Labels of the arms.
    value_ : float
        Mean score of the rows of fit under the policy less costs, in outcome units. It is too
        optimistic, since the rules were chosen on these rows: see `value`.
    tree_ : Node
        Root of the tree, with ``feature``, ``threshold``, ``left`` and ``right``.
    rules_ : list of str of shape (n_leaves,)
        Who is in each leaf.
    arms_ : ndarray of shape (n_leaves,)
        Arm of each leaf.
    n_samples_leaf_ : ndarray of int of shape (n_leaves,)
        Rows of fit in each leaf.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns, if X had names that are all strings.

    See Also
    --------
    EffectTree : Describe effects in place of choosing arms.
    sklcausal.metrics.policy_value : The value of any policy.

    Notes
    -----
    The policy is best among trees, on these rows: see `value` for others. It treats people by
    correlates of the effect, which need not be causes.

    References
    ----------
    .. [1] Athey, Wager, "Policy learning with observational data", Econometrica 2021, arXiv
       1702.02896.
    .. [2] Zhou, Athey, Wager, "Offline multi-action policy learning: generalization and
       optimization", Operations Research 2023, arXiv 1810.04778, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.model_selection import PolicyTree
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.normal(size=(400, 2)), rng.integers(0, 2, 400)
    >>> y = T * np.sign(X[:, 0])
    >>> tree = PolicyTree(max_depth=1).fit(X, T, y, propensity=np.full(400, 0.5))
    >>> tree.arms_
    array([0, 1])
    """

    __metadata_request__fit = {"T": UNUSED}
    __metadata_request__score = {"T": UNUSED}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_depth": [Interval(Integral, 1, 3, closed="both")],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 0.5, closed="neither"),
        ],
        "n_thresholds": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "costs": "no_validation",
        "treatments": ["array-like", None],
        "control": "no_validation",
        "clip": [Interval(Real, 0, 0.5, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        max_depth: int = 2,
        min_samples_leaf: float = 0.02,
        n_thresholds: int | str = "auto",
        costs: Any = None,
        treatments: Any = None,
        control: Any = None,
        clip: float = 0.01,
        random_state: Any = 0,
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.n_thresholds = n_thresholds
        self.costs = costs
        self.treatments = treatments
        self.control = control
        self.clip = clip
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    @restores_on_failure
    def fit(
        self,
        X: Any,
        T: Any = None,
        y: Any = None,
        *,
        outcome_mean: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
        cluster: Any = None,
    ) -> PolicyTree:
        """Find the best tree.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates that may be asked for, as numbers.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``; packed nuisances are
            read.
        y : array-like of shape (n_samples,)
            One outcome, the larger the better.
        outcome_mean, propensity : array-like of shape (n_samples, n_arms) or None, default=None
            As the metrics take them; None cross-fits them by `cross_fit_nuisances`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.
        cluster : array-like of shape (n_samples,) or None, default=None
            Rows with the same label stay together where nuisances are cross-fitted.

        Returns
        -------
        self : PolicyTree
            The fitted tree.

        Raises
        ------
        TargetError
            If T or y cannot be used.
        ValueError
            If X or a parameter cannot be used.
        """
        array = validate_X(self, X, reset=True)
        given = {"outcome_mean": outcome_mean, "propensity": propensity}
        given |= {"sample_weight": sample_weight, "cluster": cluster}
        outcomes = separate(T, y).y
        self._outcomes = check_outcomes(outcomes) if outcomes.dtype.kind == "U" else None
        rows = self._read(X, T, y, self.treatments, **given)
        scores = rows.scores(self.clip)[:, :, 0]
        labels = np.asarray(rows.study.treatments.arms)
        of = 1 if self.min_samples_leaf >= 1 else len(array)
        least = int(np.ceil(self.min_samples_leaf * of))
        weight = rows.study.weight[:, None] * len(array)
        tree = find_tree(array, weight * scores, self.max_depth, least, self.n_thresholds)
        self.treatments_, self.tree_, self.value_ = labels, tree, tree.value / len(array)
        self._place = np.arange(len(tree.leaves()))
        self.n_samples_leaf_ = np.array([leaf.n_rows for leaf in tree.leaves()])
        self.arms_ = labels[[leaf.arm for leaf in tree.leaves()]]
        self.rules_ = tree.rules(name_columns(self))
        return self

    def _read(self, X: Any, T: Any, y: Any, treatments: Any, **given: Any) -> Judged:
        rows = read_judged(
            X,
            T,
            y,
            treatments=treatments,
            control=self.control,
            encode=as_numbers if self._outcomes is None else self._outcomes.encode,
            random_state=self.random_state,
            **given,
        )
        if rows.study.y.shape[1] != 1:
            raise TargetError(
                f"`y` must hold one outcome, such as a sum of several, got {rows.study.y.shape[1]}"
            )
        return rows.less(read_costs(self.costs, np.asarray(rows.study.treatments.arms)))

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
        leaves = self.apply(X)
        return self.arms_[leaves]

    def value(
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
        """Estimate the value of the policy on rows that it has not seen, less costs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,)
            Outcomes.
        baseline : label or array-like of shape (n_samples,), or None, default=None
            What it is compared with; None is the control for everybody.
        outcome_mean, propensity, sample_weight : array-like or None, default=None
            As in `fit`.
        cluster : array-like of shape (n_samples,) or None, default=None
            Rows with the same label share errors.

        Returns
        -------
        InferenceResult
            Value of the policy, that of the baseline, and the gain, in outcome units.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y cannot be used.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        given = {"outcome_mean": outcome_mean, "propensity": propensity}
        given |= {"sample_weight": sample_weight, "cluster": cluster}
        rows = self._read(X, T, y, self.treatments_, **given)
        labels = self.treatments_
        return policy_value(
            labels[rows.study.t],
            rows.study.y[:, 0],
            self.predict(X),
            baseline=baseline,
            outcome_mean=rows.outcome_mean[:, :, 0],
            propensity=rows.propensity,
            treatments=labels,
            control=self.control,
            clip=self.clip,
            sample_weight=rows.study.weight,
            cluster=rows.cluster,
        )

    def score(self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None) -> float:
        """Estimate the value of the policy, for cross-validation and searches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,), or packed targets
            Arm that each row received, or packed targets.
        y : array-like of shape (n_samples,) or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            Value less costs, in outcome units.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y cannot be used.
        ValueError
            If X has other columns than in fit.
        """
        return float(self.value(X, T, y, sample_weight=sample_weight).estimate[0])

    def export_text(self) -> str:
        """Write the rules, one to a line.

        Returns
        -------
        str
            Who receives which arm, and the share of the rows of fit.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        share = 100 * self.n_samples_leaf_ / self.n_samples_leaf_.sum()
        width = max(map(len, self.rules_))
        return "\n".join(
            f"{rule.ljust(width)}  ->  {arm}  ({part:.0f} % of rows)"
            for rule, arm, part in zip(self.rules_, self.arms_.tolist(), share, strict=True)
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the questions and the arms that they lead to.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        Axes
            With the picture.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(self)
        diagram = importlib.import_module("sklcausal.inspection._tree_diagram")
        names = name_columns(self)
        return diagram.draw_tree(self.tree_, names, self.treatments_.tolist(), ax)
