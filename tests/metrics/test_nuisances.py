"""Cross-fitted nuisances: out of fold, of any model, and packed."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from sklcausal import pack_targets, unpack_targets
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import TargetError
from sklcausal.metrics import add_nuisances, cross_fit_nuisances

DATA = make_confounded(200, random_state=0)
X, T, Y = DATA.X, DATA["T"], DATA.y
LINEAR = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}


def test_longhand_out_of_fold():
    folds = list(StratifiedKFold(3).split(X, T))
    found = cross_fit_nuisances(X, T, Y, cv=folds, **LINEAR)
    for train, test in folds:
        chance = LogisticRegression().fit(X[train], T[train]).predict_proba(X[test])
        assert_allclose(found.propensity[test], chance)
        for a in (0, 1):
            own = train[T[train] == a]
            mean = LinearRegression().fit(X[own], Y[own]).predict(X[test])
            assert_allclose(found.outcome_mean[test, a], mean)


def test_default_models_find_the_signal():
    data = make_confounded(3000, random_state=1)
    found = cross_fit_nuisances(data.X, data["T"], data.y)
    tau = found.outcome_mean[:, 1] - found.outcome_mean[:, 0]
    assert np.sqrt(np.mean((tau - data.effect) ** 2)) < 0.7 * data.effect.std()
    e = data.propensity if data.propensity.ndim == 1 else data.propensity[:, 1]
    assert np.sqrt(np.mean((found.propensity[:, 1] - e) ** 2)) < 0.1


def test_binary_outcomes_are_probabilities():
    y = np.stack([(Y > np.median(Y)).astype(int), np.zeros(200)], axis=1)
    y[:100, 1] = Y[:100] > 100  # constant: no classifier takes it
    found = cross_fit_nuisances(X, T, y, cv=2)
    assert found.outcome_mean.shape == (200, 2, 2)
    assert ((found.outcome_mean >= 0) & (found.outcome_mean <= 1)).all()
    assert_array_equal(found.outcome_mean[:, :, 1], 0)


def test_frames_with_text_and_pipelines():
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    frame["sex"] = np.where(X[:, 0] > 0, "f", "m")
    before = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    models = {
        "outcome_model": make_pipeline(before, LinearRegression()),
        "propensity_model": make_pipeline(before, LogisticRegression(max_iter=1000)),
    }
    found = cross_fit_nuisances(frame, T, Y, **models)
    assert np.isfinite(found.outcome_mean).all()
    plain = cross_fit_nuisances(pl.DataFrame(X), T, pl.Series(Y), **LINEAR)
    assert_allclose(plain.outcome_mean, cross_fit_nuisances(X, T, Y, **LINEAR).outcome_mean)


def test_known_propensity_and_clusters():
    e = np.full(200, 0.4)
    cluster = np.arange(200) // 2
    found = cross_fit_nuisances(X, T, Y, propensity=e, cluster=cluster, **LINEAR)
    assert_allclose(found.propensity, np.tile([0.6, 0.4], (200, 1)))


def test_clusters_stay_in_one_fold():
    # a model that remembers: it would know the outcome of a row's twin
    twins = np.repeat(np.arange(100), 2)
    X2, y2 = np.repeat(np.arange(100.0), 2)[:, None], np.repeat(Y[:100], 2)
    T2 = np.repeat(T[:100], 2)
    memory = {
        "outcome_model": KNeighborsRegressor(1),
        "propensity_model": DummyClassifier(strategy="prior"),
    }
    own = np.arange(200), T2
    apart = cross_fit_nuisances(X2, T2, y2, cluster=twins, **memory).outcome_mean[own]
    assert np.abs(apart - y2).min() > 0
    mixed = cross_fit_nuisances(X2, T2, y2, **memory).outcome_mean[own]
    assert np.mean(mixed == y2) > 0.5


def test_weights_reach_the_last_step_of_a_pipeline():
    w = np.random.default_rng(0).uniform(0.1, 3, 200)
    piped = {
        "outcome_model": make_pipeline(StandardScaler(), LinearRegression()),
        "propensity_model": LogisticRegression(),
    }
    found = cross_fit_nuisances(X, T, Y, sample_weight=w, **piped)
    plain = cross_fit_nuisances(X, T, Y, sample_weight=w, **LINEAR)
    assert_allclose(found.outcome_mean, plain.outcome_mean)


def test_weights_reach_every_model():
    w = np.random.default_rng(0).uniform(0.1, 3, 200)
    found = cross_fit_nuisances(X, T, Y, sample_weight=w, **LINEAR)
    plain = cross_fit_nuisances(X, T, Y, **LINEAR)
    assert np.abs(found.outcome_mean - plain.outcome_mean).max() > 1e-3
    assert np.abs(found.propensity - plain.propensity).max() > 1e-3
    doubled = cross_fit_nuisances(X, T, Y, sample_weight=2 * w, **LINEAR)
    assert_allclose(doubled.outcome_mean, found.outcome_mean)


def test_same_seed_same_bits_for_any_number_of_processes():
    forest = {"outcome_model": RandomForestRegressor(5), "propensity_model": DummyClassifier()}
    first = cross_fit_nuisances(X, T, Y, random_state=3, **forest)
    again = cross_fit_nuisances(X, T, Y, random_state=3, n_jobs=2, **forest)
    assert_array_equal(first.outcome_mean, again.outcome_mean)
    other = cross_fit_nuisances(X, T, Y, random_state=4, **forest)
    assert (first.outcome_mean != other.outcome_mean).any()
    assert forest["outcome_model"].random_state is None


def test_labels_of_arms_do_not_matter():
    named = np.array(["b", "a"])[T]
    first = cross_fit_nuisances(X, named, Y, **LINEAR)
    given = cross_fit_nuisances(X, named, Y, treatments=["b", "a"], **LINEAR)
    assert_allclose(first.propensity.sum(axis=1), 1)
    # stratified folds do not depend on the names of the classes beyond their order
    assert_allclose(given.outcome_mean, cross_fit_nuisances(X, T, Y, **LINEAR).outcome_mean)


def test_packed_fields_travel():
    targets = pack_targets(np.array(["ctl", "drug"])[T], Y, cluster=np.arange(200) // 2)
    packed = add_nuisances(X, targets, **LINEAR)
    fields = unpack_targets(packed[::-1][:50])
    assert_array_equal(fields.nuisance_treatments[7], ["ctl", "drug"])
    assert_array_equal(fields.T, targets["T"][::-1][:50])
    again = add_nuisances(X, packed, **LINEAR)
    assert again.dtype == packed.dtype
    assert_array_equal(again["nuisance_propensity"], packed["nuisance_propensity"])


def test_two_strings_as_outcome():
    words = np.where(Y > np.median(Y), "yes", "no")
    packed = add_nuisances(X, pack_targets(T, words), cv=2)
    numbers = add_nuisances(X, pack_targets(T, (words == "yes").astype(int)), cv=2)
    assert_allclose(packed["nuisance_outcome_mean"], numbers["nuisance_outcome_mean"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cv": 1}, "`cv` must be at least 2 folds, got 1"),
        ({"cv": "five"}, "`cv` must be a number of folds or hold pairs"),
        ({"cv": [([0, 1], [2, 3])]}, "`cv` must test every row once"),
        ({"cv": []}, "`cv` must test every row once"),
        ({"cv": [(np.arange(200), np.arange(200))]}, "`cv` must not train on rows that it tests"),
        ({"cv": np.int64(1)}, "`cv` must be at least 2 folds"),
        ({"cluster": np.arange(200) % 3}, "`cluster` must hold at least cv=5 labels, got 3"),
        ({"cv": 150}, r"at least cv=150 rows of every arm, got \d+ of [01]"),
        ({"outcome_model": LogisticRegression()}, "`outcome_model` must be a regressor"),
        ({"outcome_model": 3}, "must be a scikit-learn estimator, got 3"),
        ({"propensity_model": SVC()}, "`propensity_model` must have `predict_proba`, got SVC"),
        ({"propensity": np.full(200, 1.2)}, "`propensity` must lie between 0 and 1"),
        ({"cluster": [1, 2]}, "same number of rows"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        cross_fit_nuisances(X, T, Y, **LINEAR | change)


def test_fold_without_an_arm():
    order = np.argsort(T, kind="stable")
    half = [(order[:100], order[100:]), (order[100:], order[:100])]
    with pytest.raises(TargetError, match="training rows of each fold, got none of"):
        cross_fit_nuisances(X, T, Y, cv=half, **LINEAR)
