"""Meta-learners of scikit-learn models, against the same models fitted by hand fold by fold."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import ensemble
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import OverlapWarning
from sklcausal.meta import DRLearner, PWLearner, RALearner, RLearner, SLearner, TLearner, XLearner

OLS, LOGISTIC, NEIGHBOURS = LinearRegression(), LogisticRegression(C=0.1), KNeighborsRegressor()
MODELS = {"outcome_model": OLS, "propensity_model": LOGISTIC, "n_folds": 3, "random_state": 0}
EFFECTS = {**MODELS, "effect_model": OLS}
TWO_STAGE = [DRLearner, RALearner, PWLearner, RLearner, XLearner]

every_learner = pytest.mark.parametrize("learner", TWO_STAGE, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def data():
    """Few enough rows that out-of-fold outcomes stay as the models predict them."""
    return make_confounded(180, n_arms=3, overlap="strong", random_state=0)


@pytest.fixture(scope="module")
def two():
    return make_confounded(150, overlap="strong", random_state=1)


def outside(folds, *left):
    return np.flatnonzero(~np.isin(folds, left))


def by_arm(X, T, y, rows, model=OLS, w=None):
    """Predict the outcomes of everybody in each arm by models of its rows: (n, n_arms)."""
    found, w = [], np.ones(len(X)) if w is None else w
    for arm in np.unique(T):
        own = rows[(T[rows] == arm) & ~np.isnan(y[rows])]
        fitted = clone(model).fit(X[own], y[own], sample_weight=w[own])
        is_share = hasattr(fitted, "predict_proba")
        found.append(fitted.predict_proba(X)[:, 1] if is_share else fitted.predict(X))
    return np.column_stack(found)


def chances(X, T, rows, w=None):
    w = np.ones(len(X)) if w is None else w
    return clone(LOGISTIC).fit(X[rows], T[rows], sample_weight=w[rows]).predict_proba(X)


def effects_of(means):
    return means[..., 1:] - means[..., :1]


# -- outcomes --------------------------------------------------------------------------------


def test_t_learner_equals_longhand(data):
    X, T, y = data.X, data.T, data.y
    est = TLearner(**MODELS).fit(X, T, y)
    means = np.zeros((3, 180, 3))
    psi, pi = np.zeros((180, 3)), np.zeros((180, 3))
    for k in range(3):
        inside, seen = est.folds_ == k, outside(est.folds_, k)
        means[k] = by_arm(X, T, y, seen)
        mu, pi[inside] = means[k][inside], chances(X, T, seen)[inside]
        received = np.eye(3)[T[inside]]
        psi[inside] = mu + received * (y[inside][:, None] - mu) / pi[inside]
    np.testing.assert_allclose(est.potential_outcomes(X), means.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(est.effect(X), effects_of(means.mean(axis=0)), atol=1e-9)
    assert pi.min() > 0.01
    np.testing.assert_allclose(est.propensity_, pi, rtol=1e-9)
    scores, found = effects_of(psi), est.estimate()
    np.testing.assert_allclose(found.estimate, scores.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.covariance, np.cov(scores.T) / 180, rtol=1e-9)
    np.testing.assert_allclose(est.dose_response().estimate, psi.mean(axis=0), rtol=1e-9)
    averages = np.mean([chances(X, T, outside(est.folds_, k)) for k in range(3)], axis=0)
    np.testing.assert_allclose(est.predict_propensity(X), averages, rtol=1e-9)


def test_propensities_are_clipped(two):
    with pytest.warns(OverlapWarning, match=r"is below 0.4 for up to"):
        est = TLearner(**MODELS, propensity_clip=0.4).fit(two.X, two.T, two.y)
    by_fold = [chances(two.X, two.T, outside(est.folds_, k))[:, 1] for k in range(3)]
    expected = np.array(by_fold)[est.folds_, np.arange(150)]
    assert expected.min() < 0.35
    np.testing.assert_allclose(est.propensity_[:, 1], np.clip(expected, 0.4, 0.6), rtol=1e-9)


def test_s_learner_reads_a_column_for_each_arm(data):
    X, T, y = data.X, data.T, data.y
    est = SLearner(**MODELS).fit(X, T, y)
    expected = np.zeros((180, 3))
    for k in range(3):
        seen = outside(est.folds_, k)
        fitted = clone(OLS).fit(np.hstack([X[seen], np.eye(3)[T[seen]]]), y[seen])
        for arm in range(3):
            shown = np.hstack([X, np.tile(np.eye(3)[arm], (180, 1))])
            expected[:, arm] += fitted.predict(shown) / 3
    np.testing.assert_allclose(est.potential_outcomes(X), expected, rtol=1e-9)
    assert np.ptp(est.effect(X), axis=0).max() < 1e-9
    crossed = make_pipeline(PolynomialFeatures(2), OLS)
    assert np.ptp(clone(est).set_params(outcome_model=crossed).fit(X, T, y).effect(X)) > 1


def test_classifiers_of_binary_outcomes(two):
    y = (two.y > np.median(two.y)).astype(float)
    est = TLearner(**{**MODELS, "outcome_model": LOGISTIC}).fit(two.X, two.T, y)
    means = [by_arm(two.X, two.T, y, outside(est.folds_, k), LOGISTIC) for k in range(3)]
    np.testing.assert_allclose(est.potential_outcomes(two.X), np.mean(means, 0), rtol=1e-9)
    # a regressor may say less than 0, which no probability is
    means = TLearner(**MODELS).fit(two.X, two.T, y).potential_outcomes(two.X)
    assert 0 < means.min() < means.max() < 1


def test_counts_are_on_the_log_scale(two):
    y = np.random.default_rng(0).poisson(np.exp(two.X[:, 0] + 0.5 * two.T - 1)).astype(float)
    est = TLearner(**MODELS, outcome="count").fit(two.X, two.T, y)
    means = np.array([by_arm(two.X, two.T, y, outside(est.folds_, k)) for k in range(3)])
    assert (means < 0).any()
    means = np.maximum(means, 1e-4)
    np.testing.assert_allclose(est.parameters(two.X), np.log(means).mean(0), atol=1e-9)
    np.testing.assert_allclose(est.effect(two.X), effects_of(means.mean(0))[:, 0], atol=1e-9)


def test_several_outcomes_with_missing_cells(data):
    rng = np.random.default_rng(0)
    y = np.column_stack([data.y, data.X[:, 0] > 0.3 * rng.normal(size=180)])
    y[rng.uniform(size=y.shape) < 0.2] = np.nan
    est = TLearner(**{**MODELS, "max_epochs": 2}).fit(data.X, data.T, y)
    for m, ends in enumerate([(-np.inf, np.inf), (1e-4, 1 - 1e-4)]):
        means = [by_arm(data.X, data.T, y[:, m], outside(est.folds_, k)) for k in range(3)]
        expected = np.clip(means, *ends).mean(axis=0)
        np.testing.assert_allclose(est.potential_outcomes(data.X)[..., m], expected, rtol=1e-9)
    assert np.isfinite(est.ate_interval()).all()
    with pytest.raises(ValueError, match="`outcome_model` must be a regressor for outcomes other"):
        est.set_params(outcome_model=LOGISTIC).fit(data.X, data.T, y)


def test_weights_reach_the_last_step_of_pipelines(data):
    w = np.random.default_rng(0).uniform(0.1, 3, 180)
    est = TLearner(**{**MODELS, "outcome_model": make_pipeline(StandardScaler(), OLS)})
    est.fit(data.X, data.T, data.y, sample_weight=w)
    seen = [outside(est.folds_, k) for k in range(3)]
    means = [by_arm(data.X, data.T, data.y, own, w=w) for own in seen]
    np.testing.assert_allclose(est.potential_outcomes(data.X), np.mean(means, 0), rtol=1e-8)
    found = [chances(data.X, data.T, own, w / w.mean()) for own in seen]
    np.testing.assert_allclose(est.predict_propensity(data.X), np.mean(found, 0), rtol=1e-8)


# -- effects ---------------------------------------------------------------------------------


def targets_by_hand(learner, t, y, mu, pi, arm, centre):
    """Compute the targets of an arm's effect against arm 0, and the weights of the rows."""
    is_arm, is_control, own = t == arm, t == 0, np.ones(len(t))
    if learner is DRLearner:
        first = mu[:, arm] + is_arm * (y - mu[:, arm]) / pi[:, arm]
        return first - mu[:, 0] - is_control * (y - mu[:, 0]) / pi[:, 0], own
    if learner is RALearner:
        return np.where(is_arm, y, mu[:, arm]) - np.where(is_control, y, mu[:, 0]), own
    if learner is PWLearner:
        return (is_arm / pi[:, arm] - is_control / pi[:, 0]) * (y - centre), own
    e = pi[:, arm] / (pi[:, arm] + pi[:, 0])
    left = y - e * mu[:, arm] - (1 - e) * mu[:, 0]
    return left / (is_arm - e), (is_arm | is_control) * (is_arm - e) ** 2


def effects_by_hand(learner, data, folds, columns=slice(None), w=None):
    X, T, w = data.X, data.T, np.ones(180) if w is None else w / w.mean()
    Z, found = X[:, columns], np.zeros((180, 2))
    for k in range(3):
        mu, pi = np.zeros((180, 3)), np.ones((180, 3))
        for j in {0, 1, 2} - {k}:  # by models that saw neither the row nor fold k
            inside, seen = folds == j, outside(folds, j, k)
            mu[inside] = by_arm(X, T, data.y, seen, w=w)[inside]
            pi[inside] = chances(X, T, seen, w)[inside]
        assert pi.min() > 0.01
        rows, chance = outside(folds, k), chances(X, T, outside(folds, k), w)
        t, y, mu, pi = T[rows], data.y[rows], mu[rows], pi[rows]

        def regress(own, targets, weight, rows=rows):
            seen = rows[own]
            return clone(OLS).fit(Z[seen], targets[own], w[seen] * weight[own]).predict(Z)

        for arm in (1, 2):
            if learner is XLearner:
                first = regress(t == arm, y - mu[:, 0], np.ones(len(t)))
                second = regress(t == 0, mu[:, arm] - y, np.ones(len(t)))
                g = chance[:, arm] / (chance[:, arm] + chance[:, 0])
                found[:, arm - 1] += (g * second + (1 - g) * first) / 3
            else:
                centre = np.average(y, weights=w[rows])
                given = targets_by_hand(learner, t, y, mu, pi, arm, centre)
                found[:, arm - 1] += regress(given[1] > 0, *given) / 3
    return found


@pytest.mark.parametrize("is_weighted", [False, True])
@every_learner
def test_effects_equal_longhand(data, learner, is_weighted):
    w = np.random.default_rng(0).uniform(0.1, 3, 180) if is_weighted else None
    est = learner(**EFFECTS).fit(data.X, data.T, data.y, sample_weight=w)
    expected = effects_by_hand(learner, data, est.folds_, w=w)
    np.testing.assert_allclose(est.effect(data.X), expected, atol=1e-6)
    # averages do not depend on the second stage
    plain = TLearner(**MODELS).fit(data.X, data.T, data.y, sample_weight=w)
    np.testing.assert_allclose(est.estimate().estimate, plain.estimate().estimate, rtol=1e-9)
    low, high = est.effect_interval(data.X)
    assert (low < high).all()


def test_modifiers_of_an_effect_model(data):
    est = DRLearner(**EFFECTS, modifiers=[2, 0]).fit(data.X, data.T, data.y)
    expected = effects_by_hand(DRLearner, data, est.folds_, [2, 0])
    np.testing.assert_allclose(est.effect(data.X), expected, atol=1e-6)
    other = data.X.copy()
    other[:, [1, 3, 4]] = 7.0
    np.testing.assert_array_equal(est.effect(other), est.effect(data.X))
    np.testing.assert_array_equal(est.effect_interval(other), est.effect_interval(data.X))


@every_learner
def test_models_without_folds(two, learner):
    est = learner(**{**EFFECTS, "n_folds": 1}).fit(two.X, two.T, two.y)
    means = by_arm(two.X, two.T, two.y, np.arange(150))
    np.testing.assert_allclose(est.potential_outcomes(two.X), means, rtol=1e-9)
    assert np.corrcoef(est.effect(two.X), two.effect)[0, 1] > 0.2


# -- what members see ------------------------------------------------------------------------


def models_of(est):
    """Return every coefficient by member: of outcomes, arms, and effects if any."""
    net, effect = est.theta_net_.ensemble, est.effect_net_.ensemble
    effect = getattr(effect, "ensemble", effect)  # of what is blended
    found = [
        [law] + [m.fitted for m in net.models[k]] for k, law in enumerate(est.law_net_.models)
    ]
    if effect is not net:
        found = [a + b for a, b in zip(found, effect.models, strict=True)]
    return [[model.coef_ for model in own] for own in found]


@pytest.mark.parametrize("n, n_folds", [(180, 2), (180, 3), (900, 2)])  # 900 are calibrated
@pytest.mark.parametrize("learner", [SLearner, TLearner, *TWO_STAGE])
def test_models_of_a_member_never_see_its_fold(learner, n, n_folds):
    settings = {**(EFFECTS if learner in TWO_STAGE else MODELS), "n_folds": n_folds}
    data = make_confounded(n, overlap="strong", random_state=0)
    cluster = np.arange(n) % 6 if n == 180 else np.arange(n)
    est = learner(**settings).fit(data.X, data.T, data.y, cluster=cluster)
    inside, rng = est.folds_ == 1, np.random.default_rng(0)
    X, T, y = data.X.copy(), data.T.copy(), np.where(inside, 3 * data.y + 10, data.y)
    X[inside] += rng.normal(size=X[inside].shape)
    for label in np.unique(cluster[inside]):  # which are dealt by their numbers of arms
        T[cluster == label] = rng.permutation(T[cluster == label])
    other = clone(est).fit(X, T, y, cluster=cluster)
    np.testing.assert_array_equal(est.folds_, other.folds_)
    weighed = [own.theta_net_.ensemble.importance(5)[1] for own in (est, other)]
    np.testing.assert_array_equal(*weighed)
    for k, (before, after) in enumerate(zip(models_of(est), models_of(other), strict=True)):
        # means come back from units of all rows, which round differently
        same = [np.allclose(a, b, rtol=1e-9) for a, b in zip(before, after, strict=True)]
        assert same == [k == 1] * len(same)


# -- settings --------------------------------------------------------------------------------


def test_seeds_and_processes(two):
    forest = {"n_estimators": 3, "max_depth": 3}
    given = {
        "outcome_model": make_pipeline(StandardScaler(), ensemble.RandomForestRegressor(**forest)),
        "propensity_model": ensemble.RandomForestClassifier(**forest, random_state=5),
        "effect_model": ensemble.RandomForestRegressor(**forest),
    }
    est = DRLearner(**given, n_folds=2, random_state=0)
    with parallel_config("threading"):  # processes take seconds to start
        one, two_jobs, other = (
            clone(est).set_params(**params).fit(two.X, two.T, two.y)
            for params in ({"n_jobs": 1}, {"n_jobs": 2}, {"random_state": 1})
        )
    for name in ("effect", "potential_outcomes", "predict_propensity"):
        found = [getattr(own, name)(two.X) for own in (one, two_jobs, other)]
        np.testing.assert_array_equal(found[0], found[1])
        assert not np.array_equal(found[0], found[2])
    outcomes = [m[0].fitted[-1].random_state for m in one.theta_net_.ensemble.models]
    assert len(set(outcomes)) == 2
    assert outcomes == [m[0].random_state for m in one.effect_net_.ensemble.models]
    assert {own.random_state for own in one.law_net_.models} == {5}  # was given
    for model in given.values():
        with pytest.raises(NotFittedError):
            check_is_fitted(model)
    assert given["outcome_model"][-1].random_state is None


def test_nested_parameters(two):
    est = RLearner(**{**EFFECTS, "outcome_model": DecisionTreeRegressor(max_depth=2)})
    assert est.get_params()["outcome_model__max_depth"] == 2
    again = clone(est).set_params(outcome_model__max_depth=4, propensity_model__C=0.5)
    assert (est.outcome_model.max_depth, est.propensity_model.C) == (2, 0.1)
    again.fit(two.X, two.T, two.y)
    assert {own.fitted.max_depth for own in again.theta_net_.ensemble.models[0]} == {4}
    assert {own.C for own in again.law_net_.models} == {0.5}


def test_grid_search_over_a_model(two):
    est = TLearner(outcome_model=DecisionTreeRegressor(min_samples_leaf=5), n_folds=1)
    grids = [{"outcome_model__max_depth": [1, 3]}, {"outcome_model": [OLS]}]  # or a whole model
    search = GridSearchCV(est, grids, cv=2, error_score="raise")
    search.fit(two.X, pack_targets(two.T, two.y))
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]
    assert scores.argmax() == 2  # means are all but linear
    models = search.best_estimator_.theta_net_.ensemble.models[0]
    assert [type(own.fitted) for own in models] == [LinearRegression] * 2


@every_learner
def test_pickled_copies_say_the_same(two, learner):
    est = learner(**EFFECTS).fit(two.X, two.T, two.y)
    again = pickle.loads(pickle.dumps(est))
    for name in ("effect", "effect_interval", "potential_outcomes", "predict_propensity"):
        first, second = (getattr(own, name)(two.X) for own in (est, again))
        np.testing.assert_array_equal(first, second)
    assert again.ate_interval() == est.ate_interval()


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"outcome_model": NEIGHBOURS}, TypeError, "`sample_weight` needs models .*KNeighbors"),
        ({"effect_model": NEIGHBOURS}, TypeError, "`sample_weight` needs models .*KNeighbors"),
        ({"outcome_model": LOGISTIC}, ValueError, "`outcome_model` must be a regressor for out"),
        ({"outcome_model": "ols"}, ValueError, "'outcome_model' parameter .* 'ols' instead"),
        ({"propensity_model": OLS}, ValueError, "'propensity_model' parameter .* 'predict_proba'"),
        ({"propensity_model": SVC()}, ValueError, "'propensity_model' parameter .* 'predict_prob"),
        ({"effect_model": LOGISTIC}, ValueError, "`effect_model` must be a regressor, got Logis"),
        ({"effect_model": RidgeClassifier()}, ValueError, "`effect_model` must be a regressor"),
        ({"n_jobs": 1.5}, ValueError, "'n_jobs' parameter of DRLearner must be an"),
    ],
)
def test_bad_models(two, params, error, message):
    est = DRLearner(**{**EFFECTS, **params})
    with pytest.raises(error, match=message):
        est.fit(two.X, two.T, two.y, sample_weight=two.X[:, 0] ** 2)


def test_models_without_weights_do_where_there_are_none(two):
    settings = {**EFFECTS, "outcome_model": NEIGHBOURS, "effect_model": NEIGHBOURS}
    assert np.isfinite(DRLearner(**settings).fit(two.X, two.T, two.y).effect(two.X)).all()
    # weights are those of its loss
    message = "`effect_model` must take `sample_weight` in fit for RLearner.*KNeighborsRegressor"
    with pytest.raises(ValueError, match=message):
        RLearner(**settings).fit(two.X, two.T, two.y)


def test_classifiers_of_outcomes_need_probabilities(two):
    est = TLearner(**{**MODELS, "outcome_model": RidgeClassifier()})
    with pytest.raises(ValueError, match="`outcome_model` must have `predict_proba`"):
        est.fit(two.X, two.T, (two.y > 0).astype(float))


# -- recovery --------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", [TLearner, DRLearner, XLearner])
def test_boosting_recovers_effects(learner):
    data = make_confounded(1000, random_state=0)
    trees = {"max_iter": 40, "max_leaf_nodes": 6}
    settings = {**MODELS, "outcome_model": ensemble.HistGradientBoostingRegressor(**trees)}
    settings["propensity_model"] = ensemble.HistGradientBoostingClassifier(**trees)
    if learner is not TLearner:
        settings["effect_model"] = settings["outcome_model"]
    est = learner(**settings).fit(data.X, data.T, data.y)
    assert np.sqrt(np.mean((est.effect(data.X) - data.effect) ** 2)) < 0.8 * data.effect.std()
    low, high = est.ate_interval()
    assert low < data.ate[0] < high
    naive = data.y[data.T == 1].mean() - data.y[data.T == 0].mean()
    assert not low < naive < high
    low, high = est.effect_interval(data.X)
    assert np.mean((low < data.effect) & (data.effect < high)) > 0.85
