"""Importance of columns for the effect, apart from the level."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklcausal import pack_targets
from sklcausal.metrics import dr_loss, r_loss
from sklcausal.model_selection import EffectTree, PolicyTree, effect_importance
from sklcausal.representation import TARNet


class Known(BaseEstimator):
    """Predict an effect of ``2 a + b``, from frames or arrays."""

    treatments_, control_ = np.array([0, 1]), 0

    class outcomes_:
        one_dim = True

        @staticmethod
        def encode(y):
            return np.asarray(y, dtype=float).reshape(len(y), -1)

    def fit(self, X, T=None, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        X = X.to_numpy() if hasattr(X, "to_numpy") else X
        return 2 * X[:, 0] + X[:, 1]


@pytest.fixture(scope="module")
def study():
    """Draw a trial: the third column moves the level only, the fourth nothing."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(2000, 4)), rng.integers(0, 2, 2000)
    y = 5 * X[:, 2] + T * (2 * X[:, 0] + X[:, 1]) + rng.normal(size=2000)
    mean = np.stack([5 * X[:, 2], 5 * X[:, 2] + 2 * X[:, 0] + X[:, 1]], axis=1)
    return X, T, y, {"outcome_mean": mean, "propensity": np.full(2000, 0.5)}


@pytest.mark.parametrize("loss", ["dr", "r"])
def test_only_modifiers_matter(study, loss):
    X, T, y, known = study
    found = effect_importance(Known(), X, T, y, loss=loss, random_state=0, **known)
    # a permuted normal column with weight w changes effects by w times sqrt(2)
    scale = 1 if loss == "dr" else 0.25
    wanted = scale * np.array([8.0, 2.0, 0.0, 0.0])
    assert (np.abs(found.importances_mean - wanted) <= 4 * found.std_error + 1e-12).all()
    assert_array_equal(found.importances_mean[2:], 0)
    assert found.importances_mean[0] > 5 * found.std_error[0]


def test_longhand(study):
    X, T, y, known = study
    found = effect_importance(Known(), X, T, y, n_repeats=2, random_state=3, **known)
    rng = np.random.RandomState(3)
    shuffled = X.copy()
    shuffled[:, 0] = X[rng.permutation(2000), 0]
    for loss, own in (("dr", found), ("r", None)):
        own = own or effect_importance(
            Known(), X, T, y, loss="r", n_repeats=2, random_state=3, **known
        )
        metric = dr_loss if loss == "dr" else r_loss
        rise = metric(T, y, Known().predict(shuffled), **known)
        rise -= metric(T, y, Known().predict(X), **known)
        assert_allclose(own.importances[0, 0], rise)


def test_groups_and_names_of_frames(study):
    X, T, y, known = study
    frame = pd.DataFrame(X, columns=list("abcd"), index=range(7, 2007))
    options = {"n_repeats": 2, "random_state": 0, **known}
    both = effect_importance(
        Known(), frame, T, y, columns={"modifiers": ["a", "b"], "rest": ["c", 3]}, **options
    )
    assert_array_equal(both.feature_names, ["modifiers", "rest"])
    assert both.importances_mean[0] > 8 and both.importances_mean[1] == 0
    one = effect_importance(Known(), frame, T, y, columns=["b"], **options)
    assert_array_equal(one.feature_names, ["b"])
    polars = effect_importance(Known(), pl.DataFrame(frame), T, y, columns=["b"], **options)
    assert_array_equal(one.importances, polars.importances)
    array = effect_importance(Known(), X, T, y, columns=[1], **options)
    assert_array_equal(array.feature_names, ["x1"])
    assert_array_equal(array.importances, one.importances)


def test_same_result_for_any_number_of_processes():
    X, T, y = make_study(n=100)
    pipe = make_pipeline(StandardScaler(), tiny(TARNet, n_folds=1)).fit(X, pack_targets(T, y))
    known = {"outcome_mean": np.zeros((100, 2)), "propensity": np.full(100, 0.5)}
    options = {"n_repeats": 2, "random_state": 0, **known}
    first = effect_importance(pipe, X, T, y, **options)
    again = effect_importance(pipe, X, T, y, n_jobs=2, **options)
    assert_array_equal(first.importances, again.importances)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "mse"}, "`loss` must be one of"),
        ({"n_repeats": 0}, "`n_repeats` must be an integer of at least 1"),
        ({"columns": ["z"]}, "`columns` must name columns among"),
        ({"columns": {"none": []}}, "`columns` must name columns among"),
        ({"y": np.ones(3)}, "same number of rows"),
    ],
)
def test_bad_input(study, change, message):
    X, T, y, known = study
    with pytest.raises(ValueError, match=message):
        effect_importance(**{"estimator": Known(), "X": X, "T": T, "y": y} | known | change)


def test_clusters_that_are_copies_widen_the_error(study):
    X, T, y, known = (own[:500] if not isinstance(own, dict) else own for own in study)
    known = {name: own[:500] for name, own in known.items()}
    four = np.repeat(np.arange(500), 4)
    twin = {name: own[four] for name, own in known.items()}
    both = [
        effect_importance(
            Known(), X[four], T[four], y[four], cluster=cluster, random_state=0, **twin
        )
        for cluster in (four, None)
    ]
    found, apart = both
    assert_array_equal(found.importances, apart.importances)
    ratio = found.std_error[:2] / apart.std_error[:2]
    assert (ratio > 1.1).all() and (ratio < 2.05).all()


def test_errors_are_those_of_rows_drawn_anew(study):
    covered, seen, errors = [], [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        X, T = rng.normal(size=(300, 2)), rng.integers(0, 2, 300)
        effect = 2 * X[:, 0] + X[:, 1]
        y = T * effect + 0.25 * rng.normal(size=300)
        known = {"outcome_mean": np.stack([0 * effect, effect], axis=1)}
        found = effect_importance(
            Known(), X, T, y, random_state=seed, propensity=np.full(300, 0.5), **known
        )
        seen.append(found.importances_mean)
        errors.append(found.std_error)
        covered.append(np.abs(found.importances_mean - [8.0, 2.0]) < 1.96 * found.std_error)
    assert (np.mean(covered, axis=0) > 0.89).all()
    ratio = np.mean(errors, axis=0) / np.std(seen, axis=0)
    assert (ratio > 0.85).all() and (ratio < 1.2).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"columns": [True, False]}, ValueError, r"`columns` must name columns among"),
        ({"columns": 0}, TypeError, r"`columns` must be a list of columns.*got 0"),
        ({"columns": [7]}, ValueError, r"`columns` must name columns among"),
        ({"X": np.ones(2000)}, ValueError, r"`X` must have shape \(n_samples, n_features\)"),
        ({"n_repeats": True}, ValueError, r"`n_repeats` must be an integer of at least 1"),
    ],
)
def test_bad_columns_and_repeats(study, change, error, message):
    X, T, y, known = study
    with pytest.raises(error, match=message):
        effect_importance(**{"estimator": Known(), "X": X, "T": T, "y": y} | known | change)


def test_names_and_groups_of_columns(study):
    X, T, y, known = study
    twice = pd.DataFrame(X, columns=list("abca"))
    with pytest.raises(ValueError, match=r"`X` must have columns of different names"):
        effect_importance(Known(), twice, T, y, **known)
    found = effect_importance(
        Known(), X, T, y, columns=[[0, 1], 2], n_repeats=np.int64(1), random_state=0, **known
    )
    assert found.feature_names.tolist() == ["x0 + x1", "x2"]


def test_text_columns_before_a_pipeline_that_encodes_them():
    X, T, y = make_study(n=200)
    frame = pd.DataFrame(X, columns=list("abc")).assign(city=np.where(X[:, 0] > 0, "x", "y"))
    encode = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    est = make_pipeline(encode, tiny(TARNet)).fit(frame, pack_targets(T, y))
    found = effect_importance(est, frame, T, y, n_repeats=1, random_state=0)
    assert found.feature_names.tolist() == ["a", "b", "c", "city"]
    assert np.isfinite(found.importances).all()
    with pytest.raises(ValueError, match=r"`X` must be numeric, got strings; encode them first"):
        EffectTree.from_estimator(est, frame, T, y)


@pytest.mark.parametrize("judge", [effect_importance, EffectTree.from_estimator])
def test_what_cannot_be_judged(judge):
    X, T, y = make_study(n=60)
    with pytest.raises(NotFittedError, match="This TARNet instance is not fitted yet"):
        judge(TARNet(), X, T, y)
    tree = PolicyTree(max_depth=1).fit(X, T, y)
    with pytest.raises(TypeError, match=r"must be a fitted effect estimator.*got PolicyTree"):
        judge(tree, X, T, y)


def test_rows_without_weight_lend_no_values(study):
    X, T, y, known = study
    wide = np.vstack([X[:400], X[400:800] * [10, 1, 1, 1]])
    w = np.repeat([1.0, 0.0], 400)
    cut = {name: own[:800] for name, own in known.items()}
    found = effect_importance(
        Known(), wide, T[:800], y[:800], sample_weight=w, random_state=0, n_repeats=20, **cut
    )
    half = {name: own[:400] for name, own in known.items()}
    alone = effect_importance(
        Known(), X[:400], T[:400], y[:400], random_state=0, n_repeats=20, **half
    )
    far = np.abs(found.importances_mean - alone.importances_mean)
    assert (far <= 2 * alone.std_error + 1e-9).all()
    assert_allclose(found.std_error, alone.std_error, rtol=0.2, atol=1e-9)
