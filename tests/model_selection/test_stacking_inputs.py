"""Stacks of effect estimators: folds, nuisances, weights and candidates of all kinds."""

# SPDX-License-Identifier: BSD-3-Clause

import warnings

import numpy as np
import pandas as pd
import pytest
from _adapter import make_study
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, OverlapWarning, TargetError
from sklcausal.meta import SLearner, TLearner
from sklcausal.metrics import add_nuisances, cross_fit_nuisances, doubly_robust_scores
from sklcausal.model_selection import EffectStacking, TreatmentStratifiedKFold

SMALL = {"n_folds": 1, "max_epochs": 3, "widths": (8,), "numeric_encoding": None}
SMALL |= {"weight_decay": 0.3}
MODELS = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression(C=0.01)}


def stack(**params):
    named = [("s", SLearner(**SMALL)), ("t", TLearner(**SMALL))]
    return EffectStacking(**{"estimators": named, "cv": 3, "random_state": 0, **MODELS, **params})


@pytest.fixture(scope="module")
def study():
    return make_study(n=180)


def test_known_propensities_come_before_packed_ones(study):
    X, T, y = study
    targets = add_nuisances(X, pack_targets(T, y), cv=2, **MODELS)
    est = stack().fit(X, targets, propensity=np.full(180, 0.5))
    assert_array_equal(est.propensity_, np.full((180, 2), 0.5))


def test_weights_reach_models_in_pipelines(study):
    X, T, y = study
    w = np.random.default_rng(0).uniform(0.5, 2, 180)
    nested = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), SLearner(**SMALL)))
    arms = make_pipeline(StandardScaler(), LogisticRegression())
    means = make_pipeline(StandardScaler(), LinearRegression())
    est = stack(estimators=[("n", nested)], propensity_model=arms, outcome_model=means)
    est.fit(X, T, y, sample_weight=w)
    wanted = clone(arms).fit(X, T, logisticregression__sample_weight=w / w.mean()).predict_proba(X)
    assert_allclose(est.predict_propensity(X), wanted)
    plain = stack(estimators=[("n", nested)], propensity_model=arms, outcome_model=means)
    assert (plain.fit(X, T, y).effect(X) != est.effect(X)).any()


def test_nuisances_are_fitted_with_weights(study):
    X, T, y = study
    w = np.random.default_rng(0).uniform(0.1, 3, 180)
    cv = list(KFold(3).split(X))
    est = stack(cv=cv).fit(X, T, y, sample_weight=w)
    found = cross_fit_nuisances(X, T, y, cv=cv, sample_weight=w, **MODELS)
    assert_allclose(est.propensity_, found.propensity, rtol=1e-6)


def test_frozen_searches_and_pipelines_are_candidates(study):
    X, T, y = study
    targets = pack_targets(T, y)
    pipe = make_pipeline(StandardScaler(), TLearner(**SMALL)).fit(X, targets)
    search = GridSearchCV(TLearner(**SMALL), {"lr": [1e-3]}, cv=2).fit(X, targets)
    named = [("pipe", FrozenEstimator(pipe)), ("search", FrozenEstimator(search))]
    est = stack(estimators=named, weights="equal").fit(X, T, y)
    own = [pipe.predict(X), search.best_estimator_.effect(X)]
    assert_allclose(est.effect(X), np.mean(own, axis=0), rtol=1e-5, atol=1e-6)


def test_candidates_of_other_outcomes_are_refused(study):
    X, T, y = study
    binary = (y > 0).astype(float)
    for outcome, came in ((binary, "binary"), (np.c_[y, y], "'continuous', 'continuous'")):
        frozen = FrozenEstimator(TLearner(**SMALL).fit(X, T, outcome))
        with pytest.raises(TargetError, match=rf"outcomes of the kinds \['continuous'\].*{came}"):
            stack(estimators=[("f", frozen)]).fit(X, T, y)
    unfitted = GridSearchCV(TLearner(**SMALL), {"lr": [1e-3]}, cv=2, refit=False)
    with pytest.raises(TypeError, match=r"searches with refit=True, got GridSearchCV"):
        stack(estimators=[("g", unfitted)]).fit(X, T, y)


def test_splitters_of_all_kinds(study):
    X, T, y = study
    cluster = np.arange(180) // 3
    for cv in (StratifiedKFold(3), KFold(3), TreatmentStratifiedKFold(3, random_state=0)):
        assert len(stack(cv=cv).fit(X, T, y).fold_estimators_) == 3
    for cv in (GroupKFold(3), TreatmentStratifiedKFold(3, random_state=0), 3):
        est = stack(cv=cv).fit(X, T, y, cluster=cluster)
        assert all(len(set(est.folds_[cluster == c])) == 1 for c in range(60))
    with pytest.raises(TargetError, match=r"`cluster` must not have the same label among train"):
        stack(cv=list(KFold(3, shuffle=True).split(X))).fit(X, T, y, cluster=cluster)
    with pytest.raises(ValueError, match="`cv` must be a list of folds, which can be read twice"):
        stack(cv=KFold(3).split(X)).fit(X, T, y)
    folds = [*KFold(2).split(X), (np.arange(180), [])]
    with pytest.raises(ValueError, match="`cv` must test rows in every fold, got one without"):
        stack(cv=folds).fit(X, T, y)


def test_clusters_widen_the_errors_of_averages(study):
    X, T, y = (np.repeat(own, 4, axis=0) for own in study)
    cluster = np.repeat(np.arange(180), 4)
    folds = list(GroupKFold(3).split(X, groups=cluster))
    est = stack(cv=folds).fit(X, T, y, cluster=cluster)
    apart = stack(cv=folds).fit(X, T, y)
    for rows in (None, X[:40]):
        both = [np.ptp(own.ate_interval(rows)) for own in (est, apart)]
        assert 1.7 < both[0] / both[1] < 2.3


def test_units_of_one_outcome_do_not_move_the_other(study):
    X, T, y = study
    Y = np.c_[y, y**2 / 4]
    est = stack(n_features_interval=8).fit(X, T, Y)
    other = stack(n_features_interval=8).fit(X, T, Y * [1e4, 1.0])
    assert_allclose(other.weights_, est.weights_, atol=1e-3)
    found = [np.stack(own.effect_interval(X)) / scale for own, scale in ((est, 1), (other, 1))]
    assert_allclose(found[1][..., 1], found[0][..., 1], atol=2e-2)
    assert_allclose(found[1][..., 0] / 1e4, found[0][..., 0], atol=2e-2)


class ByName(RegressorMixin, BaseEstimator):
    """Predict a column of a frame by its name."""

    def fit(self, X, y):
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return X["b"].to_numpy() + self.mean_


def test_frames_reach_candidates_and_models(study):
    X, T, y = study
    frame = pd.DataFrame(X, columns=list("abc"))
    encode = make_column_transformer((StandardScaler(), ["b", "a"]), remainder="drop")
    named = [("p", make_pipeline(encode, TLearner(**SMALL)))]
    est = stack(estimators=named, outcome_model=ByName()).fit(frame, T, y)
    assert est.effect(frame).shape == (180,)
    with pytest.raises(ValueError, match="Specifying the columns using strings is only supported"):
        stack(estimators=named).fit(X, T, y)


def test_small_propensities_are_clipped_and_warned_of(study):
    X, T, y = study
    e = np.where(T == 1, np.where(X[:, 0] > 0, 0.999, 0.002), 0.5)
    with pytest.warns(OverlapWarning):
        est = stack(clip=0.05).fit(X, T, y, propensity=e)
    assert_allclose(est.propensity_[:, 1], e)  # as it was given
    assert_allclose(est.engine_.propensity.min(), 0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        other = stack(clip=0.001).fit(X, T, y, propensity=e)
    assert abs(other.ate() - est.ate()) > 0.1
    assert other.loss_ > est.loss_


def test_losses_longhand(study):
    X, T, y = make_study(n=180, outcomes=("continuous", "continuous"))
    y = y * [1.0, 50.0]
    e = np.full(180, 0.5)
    e[:4] = np.where(T[:4] == 1, 0.001, 0.999)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        est = stack(clip=0.1).fit(X, T, y, propensity=e)
    folds = [(np.flatnonzero(est.folds_ != k), np.flatnonzero(est.folds_ == k)) for k in range(3)]
    found = cross_fit_nuisances(X, T, y, cv=folds, propensity=e, **MODELS)
    scores = doubly_robust_scores(T, y, clip=0.1, **found)
    target = (scores[:, 1] - scores[:, 0]) / y.std(axis=0)
    unseen = np.empty((2, 180, 2))
    for (_, test), fitted in zip(folds, est.fold_estimators_, strict=True):
        for j, own in enumerate(fitted):
            unseen[j, test] = own.effect(X[test])[:, 0]
    far = target - unseen / y.std(axis=0)
    assert_allclose(est.losses_, (far**2).mean(axis=(1, 2)), rtol=1e-4)
    stacked = target - np.tensordot(est.weights_, unseen, axes=1) / y.std(axis=0)
    assert_allclose(est.loss_, (stacked**2).mean(), rtol=1e-4)


def test_candidates_are_told_known_propensities(study):
    X, T, y = study
    named = [("s", SLearner(**SMALL | {"n_folds": 2}))]
    est = stack(estimators=named).fit(X, T, y, propensity=np.full(180, 0.5))
    with pytest.raises(IntervalNotAvailableError, match="`propensity` was given in fit"):
        est.estimators_[0].predict_propensity(X)


def test_intervals_and_averages_longhand_without_features():
    X, T, y = make_study(n=240, arms=("a", "b", "c"), outcomes=("continuous", "continuous"))
    cluster = np.arange(240) // 2
    est = stack(n_features_interval=0, cv=2).fit(X, T, y, cluster=cluster)
    arms = np.searchsorted(["a", "b", "c"], T)
    folds = [(np.flatnonzero(est.folds_ != k), np.flatnonzero(est.folds_ == k)) for k in range(2)]
    found = cross_fit_nuisances(X, arms, y, cv=folds, **MODELS)
    scores = doubly_robust_scores(arms, y, **found)
    psi = scores[:, 1:] - scores[:, :1]
    mean = psi.mean(axis=0)
    summed = (psi - mean).reshape(120, 2, 2, 2).sum(axis=1)
    error = np.sqrt((summed**2).sum(axis=0)) / 240
    low, high = est.ate_interval(X[:30])
    assert_allclose((low + high) / 2, mean, rtol=1e-4, atol=1e-6)
    assert_allclose((high - low) / 2, 1.959964 * error, rtol=0.02)
    by = np.repeat(["x", "y"], 15)
    grouped = est.estimate(X=X[:30], by=by)
    assert_allclose(grouped.estimate.reshape(2, 2, 2), np.stack([mean, mean]), rtol=1e-4)
    low, high = est.effect_interval(X)
    effect = est.effect(X)
    half = 1.959964 * error
    assert_allclose(low, np.minimum(mean - half, effect), rtol=0.02, atol=0.01)
    assert_allclose(high, np.maximum(mean + half, effect), rtol=0.02, atol=0.01)
    with pytest.raises(ValueError, match="`population` and `trim` choose among the training rows"):
        est.estimate(X=X[:30], population="treated")


def test_noise_in_other_outcomes_leaves_room_for_columns():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(1500, 6)), rng.integers(0, 2, 1500)
    effect = np.sin(2 * X[:, 2])
    y = T * effect + 0.5 * rng.normal(size=1500)
    Y = np.c_[y, rng.normal(size=(1500, 2))]
    est = stack().fit(X, T, Y)
    low, high = est.effect_interval(X)
    low, high = (np.reshape(end, (1500, 3))[:, 0] for end in (low, high))
    assert np.mean((low <= effect) & (effect <= high)) > 0.85


def test_score_takes_weights(study):
    X, T, y = study
    est = stack().fit(X, T, y)
    w = np.random.default_rng(0).uniform(0.1, 3, 180)
    mean = est.potential_outcomes(X)[np.arange(180), T]
    plain = np.array([y[T == 0].mean(), y[T == 1].mean()])[T]
    wanted = 1 - np.average((y - mean) ** 2, weights=w) / np.average((y - plain) ** 2, weights=w)
    assert_allclose(est.score(X, T, y, sample_weight=w), wanted)


def test_rows_of_folds_are_checked(study):
    X, T, y = study
    whole = np.arange(180)
    for train, test in ((whole[90:] - 180, whole[:90]), (whole[90:] + 1, whole[:90])):
        with pytest.raises(ValueError, match="`cv` must name rows from 0 to 179"):
            stack(cv=[(train, test), (whole[:90], whole[90:])]).fit(X, T, y)
    with pytest.raises(ValueError, match="`cv` must be a number of folds or hold pairs of rows"):
        stack(cv=[(whole[:90] + 0.0, whole[90:])]).fit(X, T, y)
