"""Shallow trees that say who should receive which arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, validate_data

from sklcausal.exceptions import TargetError
from sklcausal.inference import InferenceResult
from sklcausal.metrics import policy_value
from sklcausal.model_selection._rows import Judged, read_judged
from sklcausal.model_selection._rules import join_rules, name_columns, write_rule
from sklcausal.model_selection._tree_search import Node, cut_bins, find_bins, search


def _read_costs(costs: Any, labels: np.ndarray) -> np.ndarray:
    if costs is None:
        return np.zeros(len(labels))
    arms = labels.tolist()
    if isinstance(costs, Mapping):
        unknown = [label for label in costs if label not in arms]
        if unknown:
            raise ValueError(f"`costs` must name arms among {arms}, got {unknown}")
        costs = [costs.get(label, 0.0) for label in arms]
    values = np.asarray(costs, dtype=float)
    if values.shape != labels.shape or not np.isfinite(values).all():
        raise ValueError(
            f"`costs` must hold a finite number for each of the arms {arms}, got {costs!r}"
        )
    return values


def _paths(node: Node, thresholds: list[np.ndarray], names: list[str]) -> list[list[str]]:
    """Write the conditions on the way to every leaf, from left to right."""
    if node.left is None or node.right is None:
        return [[]]
    at = float(thresholds[node.feature][node.cut])
    name = names[node.feature]
    left = [[write_rule(name, "<=", at), *p] for p in _paths(node.left, thresholds, names)]
    right = [[write_rule(name, ">", at), *p] for p in _paths(node.right, thresholds, names)]
    return left + right


class PolicyTree(BaseEstimator):
    """Learn a few rules by which to treat, with the largest doubly robust value.

    Of all trees of a depth, and of thresholds at quantiles, the one is found for which the mean
    score of the arm that everybody is given is largest.

    Parameters
    ----------
    max_depth : {1, 2, 3}, default=2
        Questions that are asked of everybody at most. With 3 the search takes as many times longer
        than with 2 as there are thresholds in all columns together.
    min_samples_leaf : int or float, default=0.02
        Fewest rows of a leaf, or their share of all rows.
    n_thresholds : int, default=32
        Thresholds that are tried of a column, at quantiles; all of them where it has no more.
    costs : mapping of label to float, array-like of shape (n_arms,), or None, default=None
        What it costs to give one person each arm, in outcome units.
    treatments : sequence of labels or None, default=None
        All arms; None takes them from T, sorted.
    clip : float, default=0.01
        Smallest probability that is divided by.
    random_state : int, RandomState instance or None, default=0
        Seed of the models behind the scores, where these are not given.

    Attributes
    ----------
    treatments_ : ndarray of shape (n_arms,)
        Labels of the arms.
    value_ : float
        Mean score of the rows of fit under the policy less costs, in outcome units. It is too
        optimistic, since the rules were chosen on these rows: see `value`.
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
    The policy is best among trees, on these rows. It promises no more than its value on rows that
    it has not seen, and treats people by correlates of the effect, which need not be causes.

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
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_depth": [Interval(Integral, 1, 3, closed="both")],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 0.5, closed="neither"),
        ],
        "n_thresholds": [Interval(Integral, 1, None, closed="left")],
        "costs": "no_validation",
        "treatments": ["array-like", None],
        "clip": [Interval(Real, 0, 0.5, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        max_depth: int = 2,
        min_samples_leaf: float = 0.02,
        n_thresholds: int = 32,
        costs: Any = None,
        treatments: Any = None,
        clip: float = 0.01,
        random_state: Any = 0,
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.n_thresholds = n_thresholds
        self.costs = costs
        self.treatments = treatments
        self.clip = clip
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        T: Any = None,
        y: Any = None,
        *,
        outcome_mean: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
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
        outcome_mean : array-like of shape (n_samples, n_arms) or None, default=None
            Mean outcome in each arm, from models that have not seen the row; None cross-fits it.
        propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None, default=None
            Probability of each arm; None cross-fits it.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

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
        array = validate_data(self, X, dtype=float)
        rows = self._read(X, T, y, outcome_mean, propensity, sample_weight, self.treatments)
        scores = rows.scores(self.clip)[:, :, 0]
        labels = np.asarray(rows.study.treatments.arms)
        scores = scores - _read_costs(self.costs, labels)
        least = self.min_samples_leaf
        least = int(least if least >= 1 else np.ceil(least * len(array)))
        thresholds = cut_bins(array, self.n_thresholds)
        bins = find_bins(array, thresholds)
        weighted = scores * (rows.study.weight * len(array))[:, None]
        tree = search(weighted, bins, self.max_depth, max(least, 1))
        self.treatments_, self.thresholds_, self.tree_ = labels, thresholds, tree
        self.value_ = tree.value / len(array)
        self.n_samples_leaf_ = np.array([leaf.n_rows for leaf in tree.leaves()])
        self.arms_ = labels[[leaf.arm for leaf in tree.leaves()]]
        names = name_columns(self)
        self.rules_ = [join_rules(path) for path in _paths(tree, thresholds, names)]
        return self

    def _read(
        self,
        X: Any,
        T: Any,
        y: Any,
        outcome_mean: Any,
        propensity: Any,
        sample_weight: Any,
        treatments: Any,
    ) -> Judged:
        rows = read_judged(
            X,
            T,
            y,
            outcome_mean=outcome_mean,
            propensity=propensity,
            sample_weight=sample_weight,
            treatments=treatments,
            random_state=self.random_state,
        )
        if rows.study.y.shape[1] != 1:
            raise TargetError(
                f"`y` must hold one outcome, such as value less cost, got {rows.study.y.shape[1]}"
            )
        return rows

    def apply(self, X: Any) -> np.ndarray:
        """Find the leaf of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of int of shape (n_samples,)
            Position in ``rules_``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        array = validate_data(self, X, dtype=float, reset=False)
        return self.tree_.assign(find_bins(array, self.thresholds_))

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
        """Estimate the value of the policy on rows that it has not seen, before costs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,)
            Outcomes.
        baseline : label or array-like of shape (n_samples,), or None, default=None
            What it is compared with; None is the first arm for everybody.
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
        rows = self._read(X, T, y, outcome_mean, propensity, sample_weight, self.treatments_)
        labels = self.treatments_
        return policy_value(
            labels[rows.study.t],
            rows.study.y[:, 0],
            self.predict(X),
            baseline=baseline,
            outcome_mean=rows.outcome_mean[:, :, 0],
            propensity=rows.propensity,
            treatments=labels,
            clip=self.clip,
            sample_weight=rows.study.weight,
            cluster=rows.cluster if cluster is None else cluster,
        )

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
        width = max(len(rule) for rule in self.rules_)
        return "\n".join(
            f"{rule.ljust(width)}  ->  {arm}  ({part:.0f} % of rows)"
            for rule, arm, part in zip(self.rules_, self.arms_.tolist(), share, strict=True)
        )
