"""Scorers of effects inside unmodified scikit-learn."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pandas as pd
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.metrics import (
    _scorer,
    add_nuisances,
    aucc_score,
    auuc_score,
    cross_fit_nuisances,
    dr_loss,
    make_effect_scorer,
    policy_value,
    qini_score,
    r_loss,
    rate,
    roi_score,
)
from sklcausal.representation import TARNet
from sklcausal.structural import StructuralNet

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
MODELS = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
NAMES = [*_scorer.METRICS, "factual"]


class Guess(BaseEstimator):
    """Predict ``slope * x`` for everybody, whatever the data."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, T, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.slope * X[:, 0]

    def score(self, X, T, y=None):
        return -((self.slope - 3) ** 2)


@pytest.fixture(scope="module")
def study():
    """Draw a trial whose effect is 2 x."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(600, 2)), rng.integers(0, 2, 600)
    y = X[:, 1] + 2 * X[:, 0] * T + rng.normal(size=600)
    return X, T, y, add_nuisances(X, pack_targets(T, y), **MODELS)


@pytest.mark.parametrize("name", ["dr", "r", "if-pehe", "ipw", "matching"])
def test_losses_choose_the_true_effect(study, name):
    X, T, _, targets = study
    folds = list(StratifiedKFold(3).split(X, T))
    search = GridSearchCV(
        Guess(), {"slope": [-2.0, 0.0, 1.0, 2.0, 3.0]}, scoring=make_effect_scorer(name), cv=folds
    )
    assert search.fit(X, targets).best_params_ == {"slope": 2.0}


@pytest.mark.parametrize("name", ["qini", "auuc", "rate", "policy"])
def test_rankings_tell_the_direction(study, name):
    X, T, _, targets = study
    folds = list(StratifiedKFold(3).split(X, T))
    search = GridSearchCV(
        Guess(), {"slope": [-2.0, 2.0]}, scoring=make_effect_scorer(name), cv=folds
    )
    assert search.fit(X, targets).best_params_ == {"slope": 2.0}


def test_factual_is_the_own_score(study):
    X, _, _, targets = study
    search = GridSearchCV(Guess(), {"slope": [2.0, 3.0]}, scoring=make_effect_scorer("factual"))
    assert search.fit(X, targets).best_params_ == {"slope": 3.0}


def test_packed_nuisances_longhand(study):
    X, T, y, targets = study
    rows = slice(100, 300)
    given = {
        "outcome_mean": targets["nuisance_outcome_mean"][rows],
        "propensity": targets["nuisance_propensity"][rows],
    }
    effect = 2 * X[rows, 0]
    est, part = Guess(2.0).fit(X, T), (X[rows], targets[rows])
    only_e = {"propensity": given["propensity"]}
    wanted = {
        "dr": -dr_loss(T[rows], y[rows], effect, **given),
        "r": -r_loss(T[rows], y[rows], effect, **given),
        "qini": qini_score(T[rows], y[rows], effect, **only_e),
        "auuc": auuc_score(T[rows], y[rows], effect, **only_e),
        "rate": rate(T[rows], y[rows], effect, **given).estimate[0],
        "policy": policy_value(T[rows], y[rows], effect=effect, **given).estimate[2],
    }
    for name, value in wanted.items():
        assert_allclose(make_effect_scorer(name)(est, *part), value)


def test_randomised_needs_no_model(study):
    X, T, y, _ = study
    est = Guess(2.0).fit(X, T)
    scorer = make_effect_scorer("qini", nuisance="randomised", normalize="total")
    assert_allclose(scorer(est, X, T, y), qini_score(T, y, 2 * X[:, 0], normalize="total"))
    scorer = make_effect_scorer("dr", nuisance="randomised")
    assert_allclose(scorer(est, X, pack_targets(T, y)), -dr_loss(T, y, 2 * X[:, 0]))


def test_without_fields_nuisances_are_cross_fitted_on_the_fold_once(study, monkeypatch):
    X, T, y, _ = study
    calls = []

    def count(*args, **kwargs):
        calls.append(1)
        return cross_fit_nuisances(*args, **kwargs)

    monkeypatch.setattr(_scorer, "cross_fit_nuisances", count)
    monkeypatch.setattr(_scorer, "_CACHE", _scorer._Cache(8))
    scorer = make_effect_scorer("dr", nuisance=MODELS)
    targets = pack_targets(T, y)
    first = [scorer(Guess(slope).fit(X, T), X, targets) for slope in (1.0, 2.0, 3.0)]
    assert len(calls) == 1
    # equal content, other objects, another metric: the same pseudo-outcomes
    same = make_effect_scorer("r", nuisance={k: clone(v) for k, v in MODELS.items()})
    same(Guess(2.0).fit(X, T), X.copy(), targets.copy())
    assert len(calls) == 1
    given = cross_fit_nuisances(X, T, y, **MODELS)
    assert_allclose(first[1], -dr_loss(T, y, 2 * X[:, 0], **given))
    scorer(Guess(2.0).fit(X, T), X[:500], targets[:500])
    assert len(calls) == 2
    other = make_effect_scorer("dr", nuisance=MODELS | {"cv": 3})
    other(Guess(2.0).fit(X, T), X, targets)
    assert len(calls) == 3


def test_cross_fitted_nuisances_know_weights_clusters_and_propensities(study):
    X, T, y, _ = study
    w = np.random.default_rng(0).uniform(0.2, 3, 600)
    extra = {"propensity": np.full(600, 0.45), "cluster": np.arange(600) // 2}
    est, effect = Guess(2.0).fit(X, T), 2 * X[:, 0]
    found = make_effect_scorer("dr", nuisance=MODELS)(
        est, X, pack_targets(T, y, **extra), sample_weight=w
    )
    given = cross_fit_nuisances(X, T, y, sample_weight=w, **extra, **MODELS)
    assert_array_equal(given.propensity[:, 1], 0.45)
    assert_allclose(found, -dr_loss(T, y, effect, sample_weight=w, **given))


def test_every_scorer_with_a_network_in_cross_validate():
    X, T, y = make_study(n=120, arms=("a", "b", "c"), outcomes=("continuous", "continuous"))
    y[:, 0] += 5 * (T != "b")
    y[:, 1] = (T != "b") + 0.1 * np.abs(y[:, 1])
    targets = add_nuisances(X, pack_targets(T, y), cv=2, **MODELS)
    scoring = {name: make_effect_scorer(name) for name in NAMES}
    est = tiny(TARNet, control="b")
    found = cross_validate(
        est,
        X,
        targets,
        scoring=scoring,
        cv=list(StratifiedKFold(2).split(X, T)),
        error_score="raise",
    )
    for name in NAMES:
        assert np.isfinite(found[f"test_{name}"]).all(), name


def test_aucc_reads_value_and_cost():
    rng = np.random.default_rng(1)
    X, T, y = make_study(n=200, outcomes=("continuous", "continuous"))
    y[:, 0] = T + 0.1 * rng.random(200)  # cost
    est = tiny(TARNet).fit(X, T, y)
    scorer = make_effect_scorer("aucc", nuisance="randomised", value=1, cost=0)
    tau = est.effect(X)[:, 0]
    wanted = aucc_score(T, y[:, 1], y[:, 0], roi_score(tau[:, 1], tau[:, 0]))
    assert_allclose(scorer(est, X, T, y), wanted)
    one = tiny(TARNet).fit(X, T, y[:, 0])
    with pytest.raises(TargetError, match=r"value and cost in two columns .* got 1 column"):
        make_effect_scorer("aucc", nuisance="randomised")(one, X, T, y[:, 0])


def test_arms_follow_the_estimator_not_the_fields():
    X, T, y = make_study(n=150, arms=("a", "b", "c"))
    targets = add_nuisances(X, pack_targets(T, y), cv=2, **MODELS)
    est = tiny(TARNet, treatments=["c", "a", "b"], control="a").fit(X, targets)
    e, mu = targets["nuisance_propensity"], targets["nuisance_outcome_mean"]
    wanted = dr_loss(
        T,
        y,
        est.effect(X),
        outcome_mean=mu[:, [2, 0, 1]],
        propensity=e[:, [2, 0, 1]],
        treatments=["c", "a", "b"],
        control="a",
    )
    assert_allclose(make_effect_scorer("dr")(est, X, targets), -wanted)


def test_string_outcomes_and_frames():
    X, T, y = make_study(n=120, outcomes="binary")
    words = np.where(y == 1, "bought", "not")  # the second in sorted order is 1
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    est = make_pipeline(StandardScaler(), tiny(TARNet)).fit(frame, pack_targets(T, words))
    found = make_effect_scorer("dr", nuisance="randomised")(est, frame, pack_targets(T, words))
    wanted = -dr_loss(T, (words == "not").astype(int), est.predict(frame))
    assert_allclose(found, wanted)


def test_processes_meet_the_same_pseudo_outcomes():
    X, T, y = make_study(n=120)
    targets = pack_targets(T, y)  # without nuisances: every process fits its own
    found = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            tiny(TARNet, n_folds=1),
            {"lr": [1e-3, 1e-2]},
            scoring=make_effect_scorer("dr", nuisance=MODELS),
            cv=list(StratifiedKFold(2).split(X, T)),
            n_jobs=n_jobs,
        )
        found.append(search.fit(X, targets).cv_results_["mean_test_score"])
    assert_array_equal(*found)


def test_search_and_successive_halving(study):
    X, _, _, targets = study
    grid = {"slope": [0.0, 2.0]}
    search = GridSearchCV(Guess(), grid, scoring=make_effect_scorer("dr")).fit(X, targets)
    assert search.best_params_ == {"slope": 2.0}
    assert_array_equal(search.cv_results_["mean_test_score"], cross_scores(X, targets, grid))
    halving = HalvingGridSearchCV(
        Guess(), grid, scoring=make_effect_scorer("dr"), min_resources=200, random_state=0
    )
    assert halving.fit(X, targets).best_params_ == {"slope": 2.0}
    assert_allclose(search.score(X, targets), make_effect_scorer("dr")(search, X, targets))


def cross_scores(X, targets, grid):
    scorer = make_effect_scorer("dr")
    return [
        np.mean(cross_val_score(Guess(slope), X, targets, scoring=scorer))
        for slope in grid["slope"]
    ]


def test_permutation_importance_finds_the_modifier(study):
    X, T, _, targets = study
    est = Guess(2.0).fit(X, T)
    found = permutation_importance(
        est, X, targets, scoring=make_effect_scorer("dr"), n_repeats=3, random_state=0
    )
    assert found.importances_mean[0] > 1 > found.importances_mean[1] == 0


def test_weights(study):
    X, T, y, targets = study
    w = np.random.default_rng(0).uniform(0.5, 2, 600)
    est = Guess(2.0).fit(X, T)
    scorer = make_effect_scorer("dr")
    wanted = -dr_loss(
        T,
        y,
        2 * X[:, 0],
        outcome_mean=targets["nuisance_outcome_mean"],
        propensity=targets["nuisance_propensity"],
        sample_weight=w,
    )
    assert_allclose(scorer(est, X, targets, sample_weight=w), wanted)
    with config_context(enable_metadata_routing=True):
        routed = make_effect_scorer("dr").set_score_request(sample_weight=True)
        est = Guess(2.0)
        found = cross_validate(
            est,
            X,
            targets,
            scoring={"dr": routed},
            params={"sample_weight": w},
            error_score="raise",
        )
        plain = cross_validate(est, X, targets, scoring={"dr": make_effect_scorer("dr")})
        assert (found["test_dr"] != plain["test_dr"]).all()


def test_scorers_pickle_clone_and_print():
    scorer = make_effect_scorer("qini", nuisance={"cv": 3}, multiarm="best")
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer)):
        assert copy.get_params() == scorer.get_params()
    assert "qini" in repr(scorer)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_effect_scorer("mse"), "`metric` must be one of .* got 'mse'"),
        (lambda: make_effect_scorer("dr", nuisance="own"), "`nuisance` must be a dict"),
        (lambda: make_effect_scorer("dr", nuisance={"model": 1}), r"may hold .* got \['model'\]"),
        (lambda: make_effect_scorer("qini", multiarm="bst"), "`multiarm` must be one of"),
        (
            lambda: make_effect_scorer("dr", nuisance={"random_state": None}),
            "`random_state` in `nuisance` must be an integer, got None",
        ),
        (
            lambda: make_effect_scorer("dr").set_params(metric="nope")(None, None, None),
            "`metric` must be one of",
        ),
        (lambda: make_effect_scorer("dr", clip=-0.1), "`clip` must be a number from 0"),
        (lambda: make_effect_scorer("dr", multiarm="best"), r"options of 'dr' must be among \[\]"),
        (
            lambda: make_effect_scorer("qini", k=3),
            r"among \['multiarm', 'normalize'\], got \['k'\]",
        ),
    ],
)
def test_bad_settings(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_doses_are_refused_and_targets_needed(study):
    X, T, y, _ = study
    est = tiny(StructuralNet).fit(X, y, X[:, 0] + T)
    with pytest.raises(TargetError, match="effect scorers need arms, but StructuralNet"):
        make_effect_scorer("dr")(est, X, pack_targets(y, T))
    with pytest.raises(TargetError, match="a scorer takes packed targets"):
        make_effect_scorer("dr")(Guess().fit(X, T), X, y)


def test_models_of_outcomes_are_refused():
    X, T, y = make_study(n=60)
    model = LinearRegression().fit(X, y)
    with pytest.raises(TypeError, match=r"need an effect estimator.*got LinearRegression"):
        make_effect_scorer("dr")(model, X, pack_targets(T, y))
