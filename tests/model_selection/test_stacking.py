"""Stacks of effect estimators: weights, averages, intervals, and scikit-learn's conventions."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pandas as pd
import pytest
from _adapter import make_study
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.meta import SLearner, TLearner
from sklcausal.metrics import (
    add_nuisances,
    doubly_robust_scores,
    dr_loss,
    make_effect_scorer,
    r_loss,
)
from sklcausal.model_selection import (
    EffectStacking,
    TreatmentStratifiedKFold,
    make_effect_pipeline,
)
from sklcausal.sensitivity import sensitivity_analysis

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
SMALL = {"n_folds": 1, "max_epochs": 3, "widths": (8,), "numeric_encoding": None}
SMALL |= {"weight_decay": 0.3}
MODELS = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}


def stack(**params):
    named = [("s", SLearner(**SMALL)), ("t", TLearner(**SMALL))]
    return EffectStacking(**{"estimators": named, "cv": 3, "random_state": 0, **MODELS, **params})


@pytest.fixture(scope="module")
def study():
    data = make_confounded(300, random_state=0)
    return data.X, data["T"], data.y


@pytest.fixture(scope="module")
def fitted(study):
    return stack().fit(*study)


def test_effect_is_the_weighted_mean(study, fitted):
    X = study[0]
    parts = [
        weight * est.effect(X)
        for weight, est in zip(fitted.weights_, fitted.estimators_, strict=True)
    ]
    assert_allclose(fitted.effect(X), np.sum(parts, axis=0), rtol=1e-5, atol=1e-6)
    assert_allclose(fitted.weights_.sum(), 1)
    assert (fitted.weights_ >= 0).all()
    assert fitted.names_ == ["s", "t"]
    assert fitted.effect(X[:1]).shape == (1,)


@pytest.mark.parametrize("loss", ["dr", "r"])
def test_no_other_weights_have_a_smaller_loss(loss):
    X, T, y = make_study(n=240, arms=("a", "b", "c"), outcomes=("continuous", "continuous"))
    y = (y - y.mean(axis=0)) / y.std(axis=0)  # several outcomes are divided by their spread
    folds = list(TreatmentStratifiedKFold(3, random_state=0).split(X, T))
    targets = add_nuisances(X, pack_targets(T, y), cv=3, **MODELS)
    named = [("s", SLearner(**SMALL, random_state=1)), ("t", TLearner(**SMALL, random_state=2))]
    est = EffectStacking(estimators=named, loss=loss, cv=folds, random_state=0).fit(X, targets)
    out = np.empty((2, 240, 2, 2))
    for train, test in folds:
        for k, (_, candidate) in enumerate(named):
            out[k, test] = (
                clone(candidate)
                .set_params(treatments=["a", "b", "c"], outcome="continuous")
                .fit(X[train], T[train], y[train])
                .effect(X[test])
            )
    given = {
        "outcome_mean": targets["nuisance_outcome_mean"].reshape(240, 3, 2),
        "propensity": targets["nuisance_propensity"],
    }
    metric = dr_loss if loss == "dr" else r_loss
    grid = np.linspace(0, 1, 201)
    losses = [metric(T, y, w * out[0] + (1 - w) * out[1], **given) for w in grid]
    assert abs(grid[int(np.argmin(losses))] - est.weights_[0]) <= 0.02


def test_the_stack_is_no_worse_than_its_best_candidate_out_of_fold():
    data = make_confounded(600, random_state=1)
    settings = {"n_folds": 1, "numeric_encoding": None, "weight_decay": 0.3}
    good, bad = TLearner(max_epochs=30, **settings), TLearner(max_epochs=1, lr=1e-6, **settings)
    est = EffectStacking(estimators=[("bad", bad), ("good", good)], cv=2, random_state=0)
    est.fit(data.X, data["T"], data.y)
    assert est.loss_ <= est.losses_.min() + 1e-9
    assert est.losses_[1] < est.losses_[0]
    assert est.weights_[1] > 0.5


def test_equal_weights(study):
    assert_array_equal(stack(weights="equal").fit(*study).weights_, [0.5, 0.5])


def test_average_is_that_of_doubly_robust_scores(study, fitted):
    X, T, y = study
    targets = add_nuisances(X, pack_targets(T, y), cv=3, **MODELS)
    est = stack().fit(X, targets)
    given = {
        "outcome_mean": targets["nuisance_outcome_mean"],
        "propensity": targets["nuisance_propensity"],
    }
    scores = doubly_robust_scores(T, y, **given)
    gain = scores[:, 1] - scores[:, 0]
    assert_allclose(est.ate(), gain.mean(), rtol=1e-5)
    assert_allclose(est.estimate().std_error, gain.std(ddof=1) / np.sqrt(300), rtol=1e-4)
    low, high = fitted.ate_interval()
    assert low < fitted.ate() < high
    assert np.isfinite(fitted.att())


def test_averages_do_not_depend_on_the_candidates(study):
    first = stack(estimators=[("s", SLearner(**SMALL))]).fit(*study)
    other = stack(estimators=[("t", TLearner(**SMALL))]).fit(*study)
    assert_allclose(first.ate(), other.ate())


def test_intervals_hold_the_effect(study, fitted):
    low, high = fitted.effect_interval(study[0])
    effect = fitted.effect(study[0])
    assert (low <= effect).all() and (effect <= high).all()
    narrow = fitted.effect_interval(study[0], alpha=0.5)
    assert (narrow[1] - narrow[0]).mean() < (high - low).mean()
    assert fitted.interval_method_ == "influence"


def test_arms_outcomes_and_binary_kinds():
    X, T, y = make_study(n=180, arms=("a", "b", "c"), outcomes=("continuous", "binary"))
    est = stack(control="b").fit(X, T, y)
    assert est.effect(X).shape == (180, 2, 2)
    assert est.effect_interval(X)[0].shape == (180, 2, 2)
    assert list(est.effect_names_out_) == ["a vs b", "c vs b"]
    assert est.predict(X).shape == (180, 4)
    assert np.abs(est.effect(X)[:, :, 1]).max() <= 1


def test_candidates_may_be_pipelines_and_frames_reach_them(study):
    X, T, y = study
    frame = pd.DataFrame(X, columns=list("abcde"))
    piped = make_pipeline(StandardScaler(), TLearner(**SMALL))
    est = stack(estimators=[("s", SLearner(**SMALL)), ("t", piped)]).fit(frame, T, y)
    assert est.effect(frame).shape == (300,)
    assert list(est.feature_names_in_) == list("abcde")


def test_search_over_weights_and_settings_of_a_candidate(study):
    X, T, y = study
    targets = add_nuisances(X, pack_targets(T, y), cv=3, **MODELS)
    search = GridSearchCV(
        stack(cv=2),
        {"weights": ["equal", "convex"], "t__lr": [1e-3, 1e-2]},
        scoring=make_effect_scorer("dr"),
        cv=TreatmentStratifiedKFold(2, random_state=0),
        error_score="raise",
    )
    search.fit(X, targets)
    assert set(search.best_params_) == {"weights", "t__lr"}


def test_same_seed_same_bits_and_pickles(study, fitted):
    X = study[0]
    again = clone(fitted).fit(*study)
    assert_array_equal(again.effect(X), fitted.effect(X))
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).effect(X), fitted.effect(X))
    other = stack(random_state=1).fit(*study)
    assert (other.effect(X) != fitted.effect(X)).any()


def test_weights_and_clusters_are_taken(study):
    X, T, y = study
    w = np.random.default_rng(0).uniform(0.5, 2, 300)
    weighted = stack().fit(X, T, y, sample_weight=w)
    assert weighted.ate() != stack().fit(X, T, y).ate()
    clustered = stack().fit(X, T, y, cluster=np.arange(300) // 3)
    folds = clustered.folds_.reshape(-1, 3)
    assert (folds == folds[:, :1]).all()


def unseen_effects(est, X):
    """Ask the candidates of each fold for the rows of the fold."""
    out = np.empty((len(est.names_), *np.shape(est.effect(X))))
    for k, candidates in enumerate(est.fold_estimators_):
        rows = est.folds_ == k
        for j, candidate in enumerate(candidates):
            out[j, rows] = candidate.effect(X[rows])
    return out


@pytest.mark.parametrize("loss", ["dr", "r"])
def test_weights_meet_the_conditions_of_an_optimum(study, loss):
    X, T, y = study
    targets = add_nuisances(X, pack_targets(T, y), cv=3, **MODELS)
    named = [(f"t{j}", TLearner(**SMALL | {"max_epochs": j})) for j in range(1, 7)]
    w = np.random.default_rng(0).uniform(0.5, 2, 300)
    est = stack(estimators=named, loss=loss).fit(X, targets, sample_weight=w)
    effects = unseen_effects(est, X)
    means, pi = targets["nuisance_outcome_mean"], targets["nuisance_propensity"]
    if loss == "dr":
        own = (y - means[np.arange(300), T]) / pi[np.arange(300), T]
        goal = means[:, 1] - means[:, 0] + np.where(T == 1, own, -own)
        columns = effects
    else:
        goal = y - (pi * means).sum(axis=1)
        columns = (T - pi[:, 1]) * effects
    left = goal - est.weights_ @ columns
    slope = -(w * columns) @ left / w.sum()
    used = est.weights_ > 0
    least = slope.min()
    size = np.abs(slope).max()
    assert_allclose(est.weights_.sum(), 1, rtol=1e-12)
    assert 1 < used.sum() < 6
    assert_allclose(slope[used], least, atol=1e-8 * size)
    assert (slope[~used] > least + 1e-8 * size).all()
    assert_allclose(est.loss_, np.average(left**2, weights=w))
    assert_allclose(est.losses_, [np.average((goal - c) ** 2, weights=w) for c in columns])
    assert est.loss_ <= est.losses_.min()


def test_candidates_of_every_sort():
    data, other = (make_confounded(200, random_state=seed) for seed in (0, 1))
    frozen = TLearner(**SMALL, random_state=0).fit(other.X, other["T"], other.y)
    named = [
        ("piped", make_pipeline(StandardScaler(), TLearner(**SMALL))),
        ("asked", make_effect_pipeline(StandardScaler(), SLearner(**SMALL))),
        ("found", GridSearchCV(TLearner(**SMALL), {"lr": [1e-3, 1e-2]}, cv=2)),
        ("frozen", FrozenEstimator(frozen)),
        ("nested", stack(cv=2)),
        ("gone", "drop"),
    ]
    w = np.linspace(0.5, 2, 200)
    est = stack(estimators=named, cv=2).fit(data.X, data["T"], data.y, sample_weight=w)
    assert est.names_ == ["piped", "asked", "found", "frozen", "nested"]
    assert list(est.named_estimators_) == est.names_
    assert_array_equal(est.named_estimators_.frozen.effect(data.X), frozen.effect(data.X))
    assert hasattr(est.named_estimators_.found, "best_params_")
    each = [
        est.named_estimators_.piped.predict(data.X),
        *(candidate.predict(data.X) for candidate in est.estimators_[1:]),
    ]
    assert_allclose(est.predict(data.X), est.weights_ @ each, atol=1e-12)
    # a candidate has the seed and the rows of the stack, and its weights
    seed = est.named_estimators_.asked[-1].random_state
    alone = make_effect_pipeline(StandardScaler(), SLearner(**SMALL, random_state=seed))
    alone.fit(data.X, data["T"], data.y, sample_weight=w / w.mean())
    assert_allclose(alone.effect(data.X), est.named_estimators_.asked.effect(data.X), atol=1e-6)


@pytest.mark.slow  # processes take long to start
def test_result_does_not_depend_on_the_number_of_processes(study, fitted):
    two = stack(n_jobs=2).fit(*study)
    assert_array_equal(two.effect(study[0]), fitted.effect(study[0]))
    assert_array_equal(two.effect_interval(study[0]), fitted.effect_interval(study[0]))


def test_parameters_of_candidates():
    est = stack()
    params = est.get_params()
    assert params["s__lr"] == SLearner().lr and params["t"] is est.estimators[1][1]
    assert "s__lr" not in est.get_params(deep=False)
    twin = clone(est).set_params(s__lr=0.5, t=SLearner(**SMALL), loss="r")
    assert twin.estimators[0][1].lr == 0.5 and est.estimators[0][1].lr == SLearner().lr
    assert isinstance(twin.estimators[1][1], SLearner) and twin.loss == "r"
    assert EffectStacking().get_params()["estimators"] == ()
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        est.set_params(nonsense=1)


def test_contrasts_of_any_two_arms():
    X, T, y = make_study(n=180, arms=("a", "b", "c"))
    est = stack().fit(X, T, y)
    effect = est.effect(X)
    assert_allclose(est.effect(X, T0="c", T1="b"), effect[:, 0] - effect[:, 1])
    mixed = np.array(["a", "b", "c"])[np.arange(180) % 3]
    by_arm = np.column_stack([np.zeros(180), effect])
    assert_allclose(est.effect(X, T1=mixed), by_arm[np.arange(180), np.arange(180) % 3])
    outcomes = est.potential_outcomes(X)
    assert_allclose(outcomes[:, 1:] - outcomes[:, :1], effect, atol=1e-9)
    ends = est.effect_interval(X, T0="c", T1="b"), est.effect_interval(X, T0="b", T1="c")
    assert_allclose(ends[0][0], -ends[1][1])
    low, high = est.effect_interval(X, T1=mixed)
    whole = est.effect_interval(X)
    assert_allclose(low[1::3], whole[0][1::3, 0])
    assert_allclose(high[2::3], whole[1][2::3, 1])
    wide = est.effect_interval(X, simultaneous=True)
    assert (wide[1] - wide[0] > whole[1] - whole[0]).all()
    few = est.ate(X[:20])
    low, high = est.ate_interval(X[:20])
    assert_allclose((low + high) / 2, few)
    assert_allclose(est.ate(X[:20], T0="c", T1="b"), few[0] - few[1])


def test_mean_over_rows_is_not_that_of_biased_candidates():
    X, T, y = make_study(n=400)
    idle = {"max_epochs": 1, "lr": 1e-7}
    est = stack(estimators=[("s", SLearner(**SMALL | idle)), ("t", TLearner(**SMALL | idle))])
    est.fit(X, T, y)
    assert abs(est.effect(X).mean()) < 0.3 < 0.6 < est.ate()
    low, high = est.ate_interval(X)
    assert low < est.ate() < high
    assert_allclose(est.ate(X), (low + high) / 2)
    assert_allclose(est.ate(X), est.ate(), atol=0.05)


def test_propensities_and_scores(study, fitted):
    X, T, y = study
    expected = LogisticRegression().fit(X, T).predict_proba(X)
    assert_allclose(fitted.predict_propensity(X), expected)
    known = stack().fit(X, T, y, propensity=np.full(300, 0.5))
    assert_array_equal(known.propensity_, np.full((300, 2), 0.5))
    with pytest.raises(IntervalNotAvailableError, match="`propensity` was given in fit"):
        known.predict_propensity(X)
    mean = fitted.potential_outcomes(X)[np.arange(300), T]
    by_arm = np.array([y[T == 0].mean(), y[T == 1].mean()])[T]
    expected = 1 - np.sum((y - mean) ** 2) / np.sum((y - by_arm) ** 2)
    assert_allclose(fitted.score(X, T, y), expected)
    text = fitted.summary()
    assert "weights: s 0" in text or "weights: s 1" in text


def test_sensitivity_to_hidden_confounding_can_be_asked_for():
    X, T, y = make_study(n=240)
    est = stack(propensity_model=LogisticRegression(C=0.01)).fit(X, T, y)
    result = sensitivity_analysis(est, cf_y=0.1, cf_d=0.1)
    assert result.lower < est.ate() < result.upper


def test_small_arms_have_averages_but_no_intervals_of_effects():
    X, T, y = make_study(n=60)
    T = np.where(np.arange(60) < 4, 1, 0)
    est = stack(cv=2, n_features_interval=2).fit(X, T, y)
    assert est.n_features_interval_ == 0
    assert np.isfinite(est.ate()) and np.isfinite(est.ate(X))
    with pytest.raises(IntervalNotAvailableError, match=r"at least 5 rows.* there are 4 of arm 1"):
        est.effect_interval(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"estimators": []}, "`estimators` must hold at least 1 candidate, got"),
        ({"estimators": ["s"]}, r"`estimators` must hold pairs \(name, estimator\), got 's'"),
        ({"estimators": [("s", "drop")]}, "`estimators` must hold at least 1 candidate"),
        ({"estimators": [("a", SLearner()), ("a", TLearner())]}, "Names provided are not unique"),
        ({"estimators": [("a__b", SLearner())]}, "must not contain __"),
        ({"estimators": [("loss", SLearner())]}, "conflict with constructor arguments"),
        ({"estimators": [("a", LinearRegression())]}, "effect estimators.* for 'a'"),
        (
            {"estimators": [("a", SLearner(**SMALL, control=1))]},
            "the control 0, got .* and 1 for 'a'",
        ),
        ({"loss": "mse"}, "The 'loss' parameter of EffectStacking"),
        ({"weights": "best"}, "The 'weights' parameter of EffectStacking"),
        ({"clip": 0.5}, "The 'clip' parameter of EffectStacking"),
        ({"cv": 1}, "The 'cv' parameter of EffectStacking"),
        ({"cv": 200}, "`T` must hold at least cv=200 rows of every arm"),
        ({"cv": [([0], [1])]}, "`cv` must test every row once"),
    ],
)
def test_bad_settings(study, params, message):
    est = stack(**params)
    with pytest.raises((ValueError, TypeError), match=message):
        est.fit(*study)
    assert not any(name.endswith("_") for name in vars(est))


def test_outcomes_that_cannot_be_used(study):
    X, T, y = study
    holes = np.column_stack([y, y])
    holes[0, 1] = np.nan
    with pytest.raises(TargetError, match="for EffectStacking, got missing cells"):
        stack().fit(X, T, holes)
    with pytest.raises(TargetError, match="for EffectStacking, got choices"):
        stack(outcome="choice").fit(X, T, np.arange(300) % 3)
    few, first = np.where(np.arange(300) < 3, 1, 0), np.r_[0, 1, 100:200]
    rest = np.setdiff1d(np.arange(300), first)
    with pytest.raises(TargetError, match=r"at least 2 rows of every arm.* got 1 of 1 in fold 0"):
        stack(cv=[(rest, first), (first, rest)]).fit(X, few, y)


def test_doses_missing_arms_and_no_fit(study):
    X, T, y = study
    with pytest.raises(NotFittedError, match="This EffectStacking instance is not fitted yet"):
        stack().effect(X)
    with pytest.raises(TargetError, match="`T` must hold arms for EffectStacking, but was read a"):
        stack().fit(X, X[:, 0] + T, y)
    with pytest.raises(TargetError, match="`T` must have at least 2 levels, got 1"):
        stack().fit(X, np.zeros(300), y)
