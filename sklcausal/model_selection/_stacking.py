"""Stack effect estimators with weights that minimise a loss of effects."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklcausal._evaluation._study import Study, read_probabilities, read_propensity, read_study
from sklcausal._fit_data import FitData
from sklcausal._theta_results import TrainingRows
from sklcausal.base import BaseEffectEstimator
from sklcausal.exceptions import TargetError
from sklcausal.inference._diagnostics import diagnose, warn_of_overlap
from sklcausal.model_selection._candidates import (
    Answers,
    StudyRows,
    check_candidates,
    fit_all,
    fit_folds,
)
from sklcausal.model_selection._simplex import convex_weights
from sklcausal.model_selection._stack_projection import StackProjection
from sklcausal.model_selection._stack_results import StackResults
from sklcausal.model_selection._stack_weights import (
    deal_folds,
    effect_system,
    fill_engine,
    find_nuisances,
    fit_propensity,
)
from sklcausal.targets import is_packed, unpack_targets
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class EffectStacking(StackResults):
    """Average effect estimators with the weights that predict effects best out of fold.

    Every candidate is fitted without each fold in turn. The weights, at least 0 with a sum of 1,
    minimise a loss of the effects on rows that the candidates have not seen, against nuisances
    that belong to none of them. Then all candidates are fitted to all rows.

    Parameters
    ----------
    estimators : sequence of tuple of str and estimator, default=()
        Names and candidates: effect estimators, or pipelines and searches that end in one.
        Arms, control, kind of outcome and seed are set where a candidate leaves them open.
        'drop' in place of a candidate leaves it out; a ``FrozenEstimator`` keeps its fit, which
        must stem from other rows.
    loss : {'dr', 'r'}, default='dr'
        Loss that the weights minimise: squared distance from doubly robust scores, or the
        R-learner's, which counts rows with little overlap little.
    weights : {'convex', 'equal'}, default='convex'
        'equal' gives every candidate the same weight.
    cv : int, splitter, list of (train, test) or None, default=5
        Number of folds, stratified by arm with clusters kept together, or other folds that test
        every row once.
    outcome_model : estimator or None, default=None
        Nuisance, as in `cross_fit_nuisances`: a regressor that is fitted to each arm and outcome.
        None takes gradient boosting of histograms.
    propensity_model : classifier or None, default=None
        Nuisance with ``predict_proba``. None takes gradient boosting of histograms.
    clip : float, default=0.01
        Smallest probability that is divided by.
    n_jobs : int or None, default=None
        Processes that fit candidates, through joblib.
    n_features_interval : 'auto' or int, default='auto'
        Most features on which the scores are projected for `effect_interval`, where there are two
        arms and one outcome; small arms allow fewer, more arms and outcomes get more. 'auto' takes
        40 at 2,000 rows, more or fewer with the cube root of the rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of candidates and models without a seed of their own.
    treatment_type : {'auto', 'discrete'}, default='auto'
        What T is. 'auto' reads strings, bools and at most 10 integer values as arms, and refuses
        anything else.
    treatments : sequence of labels or None, default=None
        All arms, each of which needs rows; None takes them from T.
    control : label or None, default=None
        Arm that the others are compared with; None takes the first of ``treatments``, or the
        first in sorted order.
    outcome : {'auto', 'continuous', 'binary', 'count'} or sequence, default='auto'
        Kind of the outcome, or of each column of y, as in the other estimators.

    Attributes
    ----------
    treatments_ : ndarray of shape (n_arms,)
        Labels of the arms.
    control_ : label
        Arm that the others are compared with.
    effect_names_out_ : ndarray of str of shape (n_contrasts,)
        Names of the default contrasts.
    outcome_names_ : ndarray of str of shape (n_outcomes,)
        Names of the outcomes.
    estimators_ : list of estimator
        Candidates, fitted to all rows.
    fold_estimators_ : list of list of estimator
        Candidates that were fitted without each fold, whose effects are features of the
        intervals.
    names_ : list of str
        Names of the candidates.
    weights_ : ndarray of shape (n_estimators,)
        Their weights, the same for all contrasts and outcomes.
    losses_ : ndarray of shape (n_estimators,)
        Out-of-fold loss of each; several outcomes are divided by their standard deviations.
    loss_ : float
        Out-of-fold loss of the weighted average, with these weights.
    folds_ : ndarray of int of shape (n_samples,)
        Fold of each training row.
    model_ : PotentialOutcomes
        Model of the doubly robust scores: a mean outcome for each arm.
    propensity_ : ndarray of shape (n_samples, n_arms)
        Probability of each arm for the training rows: out-of-fold, or as it was given.
    propensity_model_ : classifier or None
        ``propensity_model`` fitted to all rows; None where propensities were given.
    n_features_interval_ : int
        Number of features that the scores are projected on; 0 too if an arm is too small.
    interval_method_ : str
        'influence': intervals come from influence functions.
    diagnostics_ : dict
        Overlap: effective sample size of the weights by arm, and share of rows whose propensity
        is at its bound.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns, if X had names that are all strings.

    See Also
    --------
    EffectPipeline : Candidates with transformers of their own.
    sklcausal.metrics.add_nuisances : Nuisances in packed targets, which are read, not fitted.
    sklcausal.metrics.make_effect_scorer : The same losses, for choosing one estimator.

    Notes
    -----
    Effects are identified if, given x, treatment is independent of the potential outcomes (no
    unmeasured confounder), everybody could have received every arm (overlap), and one person's
    treatment does not change another's outcome.

    Averages without X are means of doubly robust scores with the cross-fitted nuisances and do
    not depend on the candidates. The interval of the effect at x lies around a regression of
    these scores on out-of-fold effects of the candidates and on splines of the stacked effect,
    of the stacked mean outcome and of the columns that tell the effect best, with an HC3
    sandwich; it is stretched to hold the stacked effect. Averages over given X are means of this
    regression, since candidates shrink effects and their mean is biased. The interval does not
    promise its level at every x, where effects may bend more than the features. In 200
    replications of ``make_confounded(1000)`` with three networks as candidates, nominal 95 %
    intervals covered 96 % of the effects at new rows, and their average in 95 % of the
    replications (``examples/benchmarks/stacking.py``).

    The weights are those of one sample: nothing is promised where the best candidate alone would
    do as well, and the loss of the stack on its own rows is too good by about the number of
    candidates over that of rows. X must hold numbers; frames reach the candidates as frames.
    Candidates choose nothing by rows of the fold that they are judged on. Cells of y must not be
    missing.

    References
    ----------
    .. [1] van der Laan, Polley, Hubbard, "Super learner", Statistical Applications in Genetics
       and Molecular Biology 2007, doi 10.2202/1544-6115.1309.
    .. [2] Han, Wu, "Ensemble method for estimating individualized treatment effects", 2022, arXiv
       2202.12445.
    .. [3] Nie, Wager, "Quasi-oracle estimation of heterogeneous treatment effects", Biometrika
       2021, arXiv 1712.04912, section 3.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import SLearner, TLearner
    >>> from sklcausal.model_selection import EffectStacking
    >>> data = make_confounded(200, random_state=0)
    >>> small = {"n_folds": 1, "max_epochs": 2, "widths": (8,)}
    >>> named = [("s", SLearner(**small)), ("t", TLearner(**small))]
    >>> stack = EffectStacking(estimators=named, cv=2, random_state=0)
    >>> stack.fit(data.X, data.T, data.y).effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseEffectEstimator._parameter_constraints,
        "estimators": [list, tuple],
        "loss": [StrOptions({"dr", "r"})],
        "weights": [StrOptions({"convex", "equal"})],
        "cv": ["cv_object"],
        "outcome_model": [HasMethods(["fit", "predict"]), None],
        "propensity_model": [HasMethods(["fit", "predict_proba"]), None],
        "clip": [Interval(Real, 0, 0.5, closed="left")],
        "n_jobs": [Integral, None],
        "n_features_interval": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    estimators: Sequence[tuple[str, Any]] = ()
    loss: str = "dr"
    weights: str = "convex"
    cv: Any = 5
    outcome_model: Any = None
    propensity_model: Any = None
    clip: float = 0.01
    n_jobs: int | None = None
    n_features_interval: int | str = "auto"
    random_state: Any = None

    # -- fit --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        T: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        propensity: Any = None,
        cluster: Any = None,
    ) -> EffectStacking:
        """Fit the candidates, their weights, and what intervals need.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates, as numbers.
        T : array-like of shape (n_samples,)
            Treatments, or what `pack_targets` returns, with ``y=None``. Nuisances that
            `add_nuisances` has packed are read; otherwise they are cross-fitted.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.
        propensity : array-like of shape (n_samples,) or (n_samples, n_arms), default=None
            Known probability of each arm, as in a trial.
        cluster : array-like of shape (n_samples,) or None, default=None
            Rows with the same label share errors: folds keep them together and standard errors
            sum within them.

        Returns
        -------
        self : EffectStacking
            The fitted estimator.

        Raises
        ------
        TargetError
            If treatments, outcomes or the fields beside them cannot be used, or candidates have
            other arms.
        ValueError, TypeError
            If X, a candidate or a parameter cannot be used.

        Warns
        -----
        OverlapWarning
            If the probability of an arm is below ``clip`` in more than 2 % of the rows.
        """
        packed = next((own for own in (T, y) if is_packed(own)), None)
        # estimators drop nuisances from packed targets before they are fitted
        self._packed = None if packed is None else unpack_targets(packed)
        options = {"sample_weight": sample_weight, "propensity": propensity, "cluster": cluster}
        try:
            super().fit(X, T, y, **options)
        finally:
            del self._packed
        return self

    @torch.inference_mode(False)  # whatever the caller has set
    def _fit(self, data: FitData) -> None:
        if "choice" in data.outcomes.kinds or data.outcomes.has_missing:
            came = "missing cells" if data.outcomes.has_missing else "choices"
            raise TargetError(
                "`y` must hold continuous, binary or count outcomes without missing cells for "
                f"EffectStacking, got {came}"
            )
        candidates = check_candidates(self.estimators)
        self._validate_names([name for name, _ in self.estimators])
        rng = check_random_state(self.random_state)
        names = [name for name, _ in candidates]
        rows = StudyRows(
            self._as_given(data.X),
            data.t,
            data.y,
            data.weight,
            data.propensity,
            data.cluster,
            data.treatments,
            data.outcomes,
        )
        codes = np.arange(data.treatments.n_arms)
        study = read_study(data.t, data.y, codes, data.treatments.control, data.weight)
        folds = deal_folds(self.cv, rows, study, rng)
        self.folds_ = np.empty(len(data.X), dtype=np.int64)
        for k, (_, test) in enumerate(folds):
            self.folds_[test] = k
        seed = int(rng.randint(2**31 - 1))
        models = {
            "outcome_model": self.outcome_model,
            "propensity_model": self.propensity_model,
            "n_jobs": self.n_jobs,
            "random_state": seed,
        }
        nuisances = find_nuisances(rows, self._packed, folds, models)
        self.propensity_model_ = fit_propensity(rows, self.propensity_model, seed)
        seeds = rng.randint(2**31 - 1, size=len(candidates)).tolist()
        self.draw_seed_ = int(rng.randint(2**31 - 1))
        self.fold_estimators_, unseen = fit_folds(candidates, rows, folds, seeds, self.n_jobs)
        columns, target, weight = effect_system(
            self.loss, study, nuisances, unseen.effect, self.clip
        )
        if self.weights == "equal":
            self.weights_ = np.full(len(candidates), 1 / len(candidates))
        else:
            self.weights_ = convex_weights(columns, target, weight)
        self.losses_ = weight @ (target[:, None] - columns) ** 2
        self.loss_ = float(weight @ (target - columns @ self.weights_) ** 2)
        self.names_, self.estimators_ = names, fit_all(candidates, rows, seeds, self.n_jobs)
        self._fit_inference(data, rows, study, nuisances, unseen)

    def _fit_inference(
        self,
        data: FitData,
        rows: StudyRows,
        study: Study,
        nuisances: Bunch,
        unseen: Answers,
    ) -> None:
        pi = np.array(read_propensity(nuisances.propensity, study, self.clip))
        engine = fill_engine(rows, nuisances.outcome_mean, pi)
        self.engine_, self.engines_ = engine, [engine]
        self.propensity_ = np.array(read_probabilities(nuisances.propensity, study))
        self.training_rows_ = TrainingRows(data.X, data.t, engine.weight)
        self.model_ = engine.model
        self.interval_method_ = "influence"
        self.projection_ = StackProjection(
            engine,
            self._weigh(unseen),
            data.X,
            self.n_features_interval,
            self.contrasts_(None, None),
        )
        self.n_features_interval_ = self.projection_.n_features
        self.diagnostics_ = diagnose(engine, None, self.clip)
        warn_of_overlap(self.diagnostics_, self.clip)
        share = np.eye(study.treatments.n_arms)[study.t] * study.weight[:, None]
        self.constant_ = share.T @ study.y / share.sum(axis=0)[:, None]
