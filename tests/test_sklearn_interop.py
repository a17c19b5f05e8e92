"""What scikit-learn offers around an estimator, unmodified, with packed targets."""

# SPDX-License-Identifier: BSD-3-Clause

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from _adapter import ESTIMATORS, make_study, mark_twins, tiny
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.fixes import parse_version

from sklcausal import pack_targets
from sklcausal.representation import TARNet

# With some twenty rows an arm, the propensities of a tiny network may well be clipped.
pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

every_estimator = pytest.mark.parametrize(
    "cls", mark_twins(ESTIMATORS), ids=lambda cls: cls.__name__
)


@pytest.fixture(scope="module")
def study():
    X, T, y = make_study(n=100, arms=("placebo", "drug"))
    return X, pack_targets(T, y)


@pytest.fixture(scope="module")
def three_arms():
    X, T, y = make_study(n=120, arms=("a", "b", "c"))
    return X, pack_targets(T, y)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


# -- pipelines ------------------------------------------------------------------------------


@every_estimator
def test_pipeline(study, cls):
    X, targets = study
    pipe = Pipeline([("scale", StandardScaler()), ("net", tiny(cls))]).fit(X, targets)
    scaled = StandardScaler().fit_transform(X)
    alone = tiny(cls).fit(scaled, targets)
    assert_array_equal(pipe.predict(X), alone.effect(scaled))
    assert pipe.score(X, targets) == alone.score(scaled, targets)
    assert_array_equal(
        pipe[-1].effect_interval(pipe[:-1].transform(X)), alone.effect_interval(scaled)
    )
    assert is_regressor(pipe) and not is_classifier(pipe)


def test_pipeline_takes_several_contrasts(three_arms):
    X, targets = three_arms
    pipe = make_pipeline(StandardScaler(), tiny(TARNet)).fit(X, targets)
    assert pipe.predict(X).shape == (120, 2)


def test_pipeline_hands_fit_parameters_on(study):
    X, targets = study
    weight = np.linspace(0.2, 2, len(X))
    cluster = np.arange(len(X)) // 2
    pipe = make_pipeline(StandardScaler(), tiny(TARNet))
    pipe.fit(X, targets, tarnet__sample_weight=weight, tarnet__cluster=cluster)
    scaled = StandardScaler().fit_transform(X)
    alone = tiny(TARNet).fit(scaled, targets, sample_weight=weight, cluster=cluster)
    assert_array_equal(pipe.predict(X), alone.effect(scaled))


def test_pipeline_of_a_frame_with_text(study):
    X, targets = study
    frame = pd.DataFrame({"age": X[:, 0], "sex": np.where(X[:, 1] > 0, "f", "m"), "bmi": X[:, 2]})
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "bmi"]),
            ("text", OneHotEncoder(sparse_output=False), ["sex"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipe = make_pipeline(columns, tiny(TARNet, modifiers=["age", "sex_f"], n_folds=3)).fit(
        frame, targets
    )
    assert list(pipe[-1].feature_names_in_) == ["age", "bmi", "sex_f", "sex_m"]
    assert pipe.predict(frame[:5]).shape == (5,)
    moved = frame.assign(bmi=0.0)
    assert_array_equal(pipe.predict(moved), pipe.predict(frame))


def test_clone_of_nested_parameters():
    pipe = make_pipeline(StandardScaler(), tiny(TARNet, lr=0.5, control="placebo"))
    twin = clone(pipe).set_params(tarnet__max_epochs=7)
    assert twin[-1].lr == 0.5 and twin[-1].control == "placebo"
    assert twin[-1].max_epochs == 7 and pipe[-1].max_epochs == 2


def test_frozen_estimator(study):
    X, targets = study
    est = tiny(TARNet).fit(X, targets)
    frozen = FrozenEstimator(est).fit(X[:10], targets[:10])
    assert_array_equal(frozen.predict(X), est.effect(X))


# -- searches -------------------------------------------------------------------------------


def search_results(search):
    return {k: v for k, v in search.cv_results_.items() if "time" not in k and k != "params"}


def test_grid_search_is_the_same_on_two_workers(study):
    X, targets = study
    assert targets["T"].dtype.kind == "U"
    pipe = make_pipeline(StandardScaler(), tiny(TARNet))
    grid = {"tarnet__lr": [1e-3, 1e-2], "tarnet__n_folds": [1]}
    one, two = (
        GridSearchCV(pipe, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, targets)
        for n_jobs in (1, 2)
    )
    for name, values in search_results(one).items():
        assert_array_equal(values, two.cv_results_[name], err_msg=name)
    assert np.isfinite(one.cv_results_["mean_test_score"]).all()
    assert_array_equal(one.predict(X), two.predict(X))
    assert one.score(X, targets) == two.score(X, targets)
    final = one.best_estimator_[-1]
    assert_array_equal(final.treatments_, ["drug", "placebo"])


@every_estimator
def test_grid_search_finds_the_better_setting(study, cls):
    if "lr" not in inspect.signature(cls).parameters:
        pytest.skip("has no `lr`")
    X, targets = study
    grid = {"lr": [1e-7, 1e-2], "n_folds": [1]}
    est = tiny(cls, max_epochs=10, batch_size=32)
    search = GridSearchCV(est, grid, cv=2, error_score="raise").fit(X, targets)
    assert search.best_params_["lr"] == 1e-2
    low, high = search.best_estimator_.set_params(n_folds=2).fit(X, targets).effect_interval(X)
    assert (low < high).all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_grid_search_of_a_frame(study, frame):
    X, targets = study
    data = frame({name: X[:, j] for j, name in enumerate("abc")})
    search = GridSearchCV(tiny(TARNet), {"lr": [1e-3, 1e-2]}, cv=2, error_score="raise")
    search.fit(data, targets)
    assert_array_equal(search.best_estimator_.feature_names_in_, ["a", "b", "c"])
    assert_array_equal(search.predict(data), search.best_estimator_.effect(data))


@pytest.mark.parametrize("targets_of", ["study", "three_arms"])
def test_halving_grid_search(request, targets_of):
    X, targets = request.getfixturevalue(targets_of)
    search = HalvingGridSearchCV(
        tiny(TARNet),
        {"lr": [1e-3, 1e-2]},
        resource="max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(X, targets)
    assert search.n_iterations_ == 2
    assert search.predict(X).shape[0] == len(X)


def test_halving_on_rows(study):
    X, targets = study
    search = HalvingGridSearchCV(
        tiny(TARNet, n_folds=1),
        {"lr": [1e-3, 1e-2]},
        min_resources=40,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(X, targets)
    assert search.best_params_["lr"] in (1e-3, 1e-2)


def test_randomized_search_over_weight_decay(study):
    X, targets = study
    search = RandomizedSearchCV(
        tiny(TARNet),
        {"weight_decay": loguniform(1e-2, 1e1), "representation_widths": [(8,), (4, 4)]},
        n_iter=3,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(X, targets)
    assert 1e-2 <= search.best_params_["weight_decay"] <= 1e1
    assert search.predict(X).shape == (100,)


def test_search_by_groups(study):
    X, targets = study
    groups = np.arange(len(X)) // 5
    with_clusters = pack_targets(targets["T"], targets["y"], cluster=groups)
    search = GridSearchCV(
        tiny(TARNet), {"lr": [1e-3, 1e-2]}, cv=GroupKFold(2), error_score="raise"
    ).fit(X, with_clusters, groups=groups)
    assert np.isfinite(search.best_score_)


# -- cross-validation -----------------------------------------------------------------------


@every_estimator
def test_cross_validate(study, cls):
    X, targets = study
    found = cross_validate(
        tiny(cls),
        X,
        targets,
        cv=3,
        return_train_score=True,
        return_estimator=True,
        error_score="raise",
    )
    assert found["test_score"].shape == (3,)
    for est, score, rows in zip(
        found["estimator"], found["test_score"], np.array_split(np.arange(100), 3), strict=True
    ):
        assert est.score(X[rows], targets[rows]) == score
        assert est.ate_interval()[0] < est.ate_interval()[1]


@pytest.mark.parametrize("targets_of, shape", [("study", (100,)), ("three_arms", (120, 2))])
def test_cross_val_predict(request, targets_of, shape):
    X, targets = request.getfixturevalue(targets_of)
    effect = cross_val_predict(tiny(TARNet), X, targets, cv=2)
    assert effect.shape == shape
    half = len(X) // 2
    first = tiny(TARNet).fit(X[half:], targets[half:]).predict(X[:half])
    assert_array_equal(effect[:half], first)


def test_cross_val_score_with_a_scorer_of_effects(study):
    X, targets = study

    def neg_pehe(est, X, targets):
        return -np.mean((est.predict(X) - 1 - X[:, 0]) ** 2)

    scores = cross_val_score(tiny(TARNet), X, targets, cv=2, scoring=neg_pehe, error_score="raise")
    assert (scores < 0).all()


def test_learning_curve(study):
    X, targets = study
    sizes, train, test = learning_curve(
        tiny(TARNet), X, targets, cv=2, train_sizes=[30, 50], error_score="raise"
    )
    assert_array_equal(sizes, [30, 50])
    assert train.shape == test.shape == (2, 2)
    assert np.isfinite(test).all()


def test_validation_curve(study):
    X, targets = study
    train, test = validation_curve(
        tiny(TARNet),
        X,
        targets,
        param_name="lr",
        param_range=[1e-3, 1e-2],
        cv=2,
        error_score="raise",
    )
    assert train.shape == test.shape == (2, 2)


def test_train_test_split(study):
    X, targets = study
    X_train, X_test, train, test = train_test_split(
        X, targets, stratify=targets["T"], random_state=0
    )
    assert tiny(TARNet).fit(X_train, train).effect(X_test).shape == test.shape


# -- inspection -----------------------------------------------------------------------------


def test_permutation_importance(study):
    X, targets = study
    est = tiny(TARNet, max_epochs=20, batch_size=32).fit(X, targets)
    found = permutation_importance(est, X, targets, n_repeats=3, random_state=0)
    assert found.importances.shape == (3, 3)
    assert found.importances_mean[2] < found.importances_mean[:2].max()


@pytest.mark.parametrize("targets_of, n_contrasts", [("study", 1), ("three_arms", 2)])
def test_partial_dependence(request, targets_of, n_contrasts):
    X, targets = request.getfixturevalue(targets_of)
    est = tiny(TARNet).fit(X, targets)
    found = partial_dependence(est, X, features=[0], grid_resolution=4, kind="both")
    assert found["average"].shape == (n_contrasts, 4)
    assert found["individual"].shape == (n_contrasts, len(X), 4)
    at_first = X.copy()
    at_first[:, 0] = found["grid_values"][0][0]
    assert_allclose(found["average"][:, 0], np.atleast_1d(est.ate(at_first)), rtol=1e-5, atol=1e-6)


# -- ensembles ------------------------------------------------------------------------------


@every_estimator
def test_bagging(study, cls):
    X, targets = study
    bag = BaggingRegressor(tiny(cls), n_estimators=3, random_state=0).fit(X, targets)
    effect = bag.predict(X)
    assert effect.shape == (100,)
    assert_allclose(effect, np.mean([e.effect(X) for e in bag.estimators_], axis=0))
    assert len({float(e.ate()) for e in bag.estimators_}) == 3


def test_voting(study):
    X, targets = study
    named = [(cls.__name__, tiny(cls)) for cls in ESTIMATORS]
    vote = VotingRegressor(named).fit(X, targets)
    expected = np.mean([e.effect(X) for e in vote.estimators_], axis=0)
    assert_allclose(vote.predict(X), expected)


# -- metadata routing -----------------------------------------------------------------------


@every_estimator
def test_requests(routing, cls):
    requests = cls().get_metadata_routing()
    assert set(requests.fit.requests) >= {"sample_weight", "propensity", "cluster"}
    assert set(requests.score.requests) == {"sample_weight"}
    assert set(requests.fit.requests.values()) == {None}
    with pytest.raises(TypeError, match=r"Unexpected args: \{'T'\}"):
        cls().set_fit_request(T=True)


def test_routing_is_harmless_without_metadata(routing, study):
    X, targets = study
    pipe = make_pipeline(StandardScaler(), tiny(TARNet)).fit(X, targets)
    scaled = StandardScaler().fit_transform(X)
    assert_array_equal(pipe.predict(X), tiny(TARNet).fit(scaled, targets).effect(scaled))
    assert np.isfinite(pipe.score(X, targets))
    grid = {"tarnet__lr": [1e-3, 1e-2]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, targets)
    assert np.isfinite(search.score(X, targets))


def test_weights_through_pipeline_and_search(routing, study):
    X, targets = study
    weight = np.linspace(0.2, 2, len(X))
    cluster = np.arange(len(X)) // 2
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    net = (
        tiny(TARNet)
        .set_fit_request(sample_weight=True, cluster=True)
        .set_score_request(sample_weight=True)
    )
    pipe = make_pipeline(scaler, net).fit(X, targets, sample_weight=weight, cluster=cluster)
    scaled = StandardScaler().fit_transform(X)
    alone = tiny(TARNet).fit(scaled, targets, sample_weight=weight, cluster=cluster)
    assert_array_equal(pipe.predict(X), alone.effect(scaled))
    expected = alone.score(scaled, targets, sample_weight=weight)
    assert pipe.score(X, targets, sample_weight=weight) == expected

    grid = {"tarnet__lr": [1e-3, 1e-2]}
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        pipe.set_score_request(sample_weight=True)  # the default scorer asked the pipeline itself
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise")
    weighted = search.fit(X, targets, sample_weight=weight, cluster=cluster)
    scores = weighted.cv_results_["mean_test_score"]
    rows = np.arange(100) < 50
    by_hand = []
    for train, test in ((~rows, rows), (rows, ~rows)):
        fitted = clone(pipe).set_params(tarnet__lr=1e-3)
        fitted.fit(X[train], targets[train], sample_weight=weight[train], cluster=cluster[train])
        by_hand.append(fitted.score(X[test], targets[test], sample_weight=weight[test]))
    assert scores[0] == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_weights_that_nobody_asked_for_raise(routing, study):
    X, targets = study
    search = GridSearchCV(tiny(TARNet), {"lr": [1e-3]}, cv=2)
    with pytest.raises(
        UnsetMetadataPassedError, match=r"sample_weight.* not explicitly set as requested"
    ):
        search.fit(X, targets, sample_weight=np.ones(len(X)))


def test_cross_validate_with_weights(routing, study):
    X, targets = study
    est = tiny(TARNet).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    weight = np.linspace(0.2, 2, len(X))
    found = cross_validate(
        est, X, targets, cv=2, params={"sample_weight": weight}, error_score="raise"
    )
    plain = cross_validate(tiny(TARNet), X, targets, cv=2, error_score="raise")
    assert (found["test_score"] != plain["test_score"]).all()


def test_bagging_with_routing(routing, study):
    X, targets = study
    bag = BaggingRegressor(tiny(TARNet), n_estimators=2, random_state=0)
    bag.estimator.set_fit_request(sample_weight=True)
    bag.fit(X, targets, sample_weight=np.linspace(0.2, 2, len(X)))
    assert bag.predict(X).shape == (100,)
