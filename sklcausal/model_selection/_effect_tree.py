"""Shallow trees that describe an effect surface, with an interval for each leaf."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklcausal._encoding import check_cluster, check_weights
from sklcausal._evaluation._arrays import read_array
from sklcausal._evaluation._judged import arms_of, read_judged
from sklcausal._evaluation._scores import average_groups, count_units
from sklcausal._fit_data import validate_X
from sklcausal._folds import deal_halves
from sklcausal.inference import InferenceResult
from sklcausal.inference._averages import covariance_of_moves
from sklcausal.model_selection._node import ShallowTree, name_columns
from sklcausal.model_selection._thresholds import grow_tree
from sklcausal.targets import as_column_array, check_lengths, check_same_index
from sklcausal.utils._final_step import find_fitted, transform_to_final
from sklcausal.utils._positions import find_position
from sklcausal.utils._restore import restores_on_failure

MIN_ROWS = 2  # for a standard error


def _read_column(values: Any, name: str) -> np.ndarray:
    array = read_array(values, name)
    flat = array.reshape(len(array), -1)
    if flat.shape[1] != 1:
        raise ValueError(
            f"`{name}` must be one column, of one contrast and one outcome, got shape "
            f"{array.shape}"
        )
    return flat[:, 0]


class EffectTree(ShallowTree):
    """Describe by a few rules who has which effect.

    A regression tree of predicted effects finds groups of people; the average effect of each, with
    a standard error, comes from doubly robust scores, by default of rows that did not choose the
    groups.

    Parameters
    ----------
    max_depth : int, default=2
        Questions that are asked of everybody at most.
    min_samples_leaf : int or float, default=0.05
        Fewest rows of a group among those that choose the groups, or their share of these.
    honest : bool, default=True
        Whether one half of the rows chooses the groups and the other estimates their effects. Else
        all rows do both, and intervals are too optimistic unless effects were predicted by models
        that have not seen these rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the halves and of ties between splits.

    Attributes
    ----------
    tree_ : Node
        Root of the tree that was grown, with ``feature``, ``threshold``, ``left`` and ``right``.
    rules_ : list of str of shape (n_leaves,)
        Who is in each group, from the smallest to the largest effect that is predicted.
    leaves_ : InferenceResult
        Average effect of each group, in outcome units.
    n_samples_leaf_ : ndarray of int of shape (n_leaves,)
        Rows behind each average.
    share_leaf_ : ndarray of shape (n_leaves,)
        Share of all rows, by weight, in each group.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns, if X had names that are all strings.

    See Also
    --------
    PolicyTree : Choose arms in place of describing effects.
    sklcausal.metrics.gates : Groups by the size of the predicted effect.

    Notes
    -----
    Rules describe predictions, not causes: a column may stand for another that it goes with. With
    small samples other halves may give other groups. Intervals are normal, and too narrow for
    groups of less than some 20 rows, or 40 clusters.

    References
    ----------
    .. [1] Athey, Imbens, "Recursive partitioning for heterogeneous causal effects", PNAS 2016,
       arXiv 1504.01132 (honest estimation).

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.model_selection import EffectTree
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> effect = np.where(X[:, 0] > 0, 2.0, 0.0)
    >>> EffectTree(max_depth=1, random_state=0).fit(X, effect, effect).leaves_.estimate
    array([0., 2.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_depth": [Interval(Integral, 1, None, closed="left")],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 0.5, closed="neither"),
        ],
        "honest": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        max_depth: int = 2,
        min_samples_leaf: float = 0.05,
        honest: bool = True,
        random_state: Any = None,
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.honest = honest
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    @restores_on_failure
    def fit(
        self,
        X: Any,
        effect: Any,
        scores: Any,
        *,
        sample_weight: Any = None,
        cluster: Any = None,
    ) -> EffectTree:
        """Grow the tree and estimate the effect of each group.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates that may be asked for, as numbers.
        effect : array-like of shape (n_samples,)
            Predicted effects of one contrast and outcome, in outcome units.
        scores : array-like of shape (n_samples,)
            Doubly robust scores of the same contrast: a difference of two columns of
            `doubly_robust_scores`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.
        cluster : array-like of shape (n_samples,) or None, default=None
            Rows with the same label share errors and stay in one half.

        Returns
        -------
        self : EffectTree
            The fitted tree.

        Raises
        ------
        ValueError
            If lengths differ, there are several columns of effects, values are not finite, or a
            group is left without rows to estimate its effect.
        """
        beside = {"sample_weight": sample_weight, "cluster": cluster}
        check_same_index(X=X, effect=effect, scores=scores, **beside)
        array = validate_X(self, X, reset=True)
        given = {
            "effect": _read_column(effect, "effect"),
            "scores": _read_column(scores, "scores"),
        }
        check_lengths({"X": array, **given})
        n = len(array)
        weight = check_weights(sample_weight, n)
        weight = np.ones(n) if weight is None else weight
        codes = None
        if cluster is not None:
            labels = as_column_array(cluster, "cluster")
            check_lengths({"X": array, "cluster": labels})
            codes = check_cluster(labels)
        rng = check_random_state(self.random_state)
        grow, judge = deal_halves(n, codes, rng) if self.honest else [np.arange(n)] * 2
        tree = DecisionTreeRegressor(
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            min_impurity_decrease=1e-12,  # of effects of unit size: no splits by rounding
            random_state=rng.randint(2**31 - 1),
        )
        root = grow_tree(tree, array[grow], given["effect"][grow], weight[grow])
        order = np.argsort([leaf.value for leaf in root.leaves()], kind="stable")
        place = np.argsort(order)
        leaf = place[root.assign(array)]
        within = None if codes is None else np.unique(codes[judge], return_inverse=True)[1]
        own, w = leaf[judge], weight[judge]
        counts = np.zeros(len(order), dtype=int)
        counts[: own.max() + 1] = count_units(own, w, within)
        if counts.min() < MIN_ROWS:
            raise ValueError(
                f"every group needs at least {MIN_ROWS} rows with weight, or clusters, to "
                f"estimate its effect, got {counts.min()}; use a larger `min_samples_leaf` or a "
                "smaller `max_depth`"
            )
        mean, moves, _ = average_groups(own, given["scores"][judge], w, within)
        self.tree_, self._place = root, place
        self.rules_ = np.array(root.rules(name_columns(self)), dtype=object)[order].tolist()
        self.n_samples_leaf_ = np.bincount(own, minlength=len(order))
        self.share_leaf_ = np.bincount(leaf, weight, minlength=len(order)) / weight.sum()
        self.leaves_ = InferenceResult(
            mean,
            covariance_of_moves([moves], [np.arange(len(moves))], within),
            self.rules_,
            "Average effects of groups",
            len(judge),
        )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        T: Any,
        y: Any = None,
        *,
        contrast: int | str = 0,
        outcome: int | str = 0,
        outcome_mean: Any = None,
        propensity: Any = None,
        clip: float = 0.01,
        sample_weight: Any = None,
        cluster: Any = None,
        **params: Any,
    ) -> EffectTree:
        """Describe the effects that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates, best of rows that the estimator has not seen.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``; packed nuisances are
            read.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
            Outcomes.
        contrast, outcome : int or str, default=0
            Positions or names in ``effect_names_out_`` and ``outcome_names_`` of the estimator.
        outcome_mean, propensity : array-like or None, default=None
            As the metrics take them; None cross-fits them by `cross_fit_nuisances`.
        clip : float, default=0.01
            Smallest probability that is divided by.
        sample_weight, cluster : array-like of shape (n_samples,) or None, default=None
            As in `fit`.
        **params : object
            Parameters of the tree.

        Returns
        -------
        EffectTree
            The fitted tree.

        Raises
        ------
        TargetError
            If T or y cannot be used, or the estimator was fitted to doses.
        ValueError
            If there is no such contrast or outcome, or a parameter cannot be used.
        TypeError
            If the estimator does not estimate effects.
        """
        rows = read_judged(
            X,
            T,
            y,
            outcome_mean=outcome_mean,
            propensity=propensity,
            sample_weight=sample_weight,
            cluster=cluster,
            seen=transform_to_final(estimator, X),
            **arms_of(estimator),
        )
        effect = rows.study.read_effect(estimator.predict(X))
        outcomes = [f"y{m}" for m in range(effect.shape[2])]
        outcomes = getattr(find_fitted(estimator), "outcome_names_", outcomes)
        c = find_position(contrast, rows.study.names, "contrast")
        m = find_position(outcome, outcomes, "outcome")
        found = cls(**params).fit(
            X,
            effect[:, c, m],
            rows.contrasts(clip)[:, c, m],
            sample_weight=sample_weight,
            cluster=rows.cluster,
        )
        of = "" if effect.shape[2] == 1 else f", {outcomes[m]}"
        found.leaves_.title += f": {rows.study.names[c]}{of}"
        return found

    def predict(self, X: Any) -> np.ndarray:
        """Return the average effect of each row's group, in outcome units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples,)
            Effects.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        groups = self.apply(X)
        return self.leaves_.estimate[groups]

    def export_text(self, alpha: float = 0.05) -> str:
        """Write the groups, one to a line, with intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        str
            What is compared, then rules, average effects, intervals and shares of the rows.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        low, high = self.leaves_.conf_int(alpha)
        width = max(len(rule) for rule in self.rules_)
        rows = zip(self.rules_, self.leaves_.estimate, low, high, self.share_leaf_, strict=True)
        lines = [self.leaves_.title]
        lines += [
            f"{rule.ljust(width)}  {e:.3g} [{lo:.3g}, {hi:.3g}]  ({100 * share:.0f} % of rows)"
            for rule, e, lo, hi, share in rows
        ]
        return "\n".join(lines)

    def plot(self, ax: Any = None, *, alpha: float = 0.05) -> Any:
        """Draw the average effect of each group with its interval.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        alpha : float, default=0.05
            One minus the confidence level.

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
        forest = importlib.import_module("sklcausal.inspection._forest")
        return forest.draw_groups(self.rules_, self.leaves_, self.share_leaf_, alpha, ax)
