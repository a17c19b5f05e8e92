"""Policies under a budget against brute force, and what they are worth on new rows."""

# SPDX-License-Identifier: BSD-3-Clause

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.meta import TLearner
from sklcausal.metrics import add_nuisances
from sklcausal.model_selection import BudgetedPolicy
from sklcausal.model_selection._knapsack import best_arms, find_price
from sklcausal.representation import TARNet

FAST = {"max_epochs": 40, "n_folds": 1, "random_state": 0, "numeric_encoding": None}


def draw(n, seed=0):
    """Draw a trial of three arms; gains grow with x0, costs with x1."""
    rng = np.random.default_rng(seed)
    X, T = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    gain = np.stack([np.zeros(n), 1 + X[:, 0], 1.5 + 2 * X[:, 0]], axis=1)
    paid = np.stack([np.zeros(n), np.exp(X[:, 1] / 2), 2 * np.exp(X[:, 1] / 2)], axis=1)
    rows = np.arange(n)
    y = np.column_stack([gain[rows, T], paid[rows, T]]) + rng.normal(size=(n, 2))
    return X, T, y, gain, paid


@pytest.fixture(scope="module")
def policy():
    X, T, y, *_ = draw(1500)
    est = TLearner(**FAST)
    return BudgetedPolicy(est, budget=0.6, value=0, cost=1).fit(X, T, y)


@pytest.mark.parametrize("seed", range(20))
def test_no_assignment_of_the_same_cost_is_worth_more(seed):
    rng = np.random.default_rng(seed)
    value = np.column_stack([np.zeros(6), rng.normal(size=(6, 2))])
    cost = np.column_stack([np.zeros(6), rng.exponential(size=(6, 2))])
    rows = np.arange(6)
    for budget in (0.05, 0.3, 0.8):
        price = find_price(value, cost, budget, np.ones(6))
        chosen = best_arms(value, cost, price)
        spent, worth = cost[rows, chosen].mean(), value[rows, chosen].mean()
        assert spent <= budget
        for other in itertools.product(range(3), repeat=6):
            if cost[rows, other].mean() <= spent + 1e-12:
                assert value[rows, list(other)].mean() <= worth + 1e-9
        # a little more money at that price does not pay: the price is the smallest that will do
        if price:
            looser = best_arms(value, cost, price * (1 - 1e-9))
            assert cost[rows, looser].mean() > budget


def test_price_of_a_budget_that_does_not_bind_is_nothing():
    value, cost = np.array([[0.0, 1.0], [0.0, -1.0]]), np.array([[0.0, 2.0], [0.0, 2.0]])
    assert find_price(value, cost, 1.0, np.ones(2)) == 0
    assert best_arms(value, cost, 0.0).tolist() == [1, 0]
    assert find_price(value, cost, 0.9, np.ones(2)) == pytest.approx(0.5)
    # of arms that are as good as each other the cheapest
    assert best_arms(np.array([[0.0, 0.0]]), np.array([[0.0, -1.0]]), 0.0).tolist() == [1]
    # weights count
    assert find_price(value, cost, 0.9, np.array([0.1, 1.9])) == 0


def test_policy_keeps_to_the_budget_and_pays_for_what_is_worth_it(policy):
    X, T, y, gain, paid = draw(4000, seed=1)
    assert policy.spent_ <= 0.6
    assert policy.spent_ > 0.55
    assert policy.price_ > 0
    assert policy.arm_shares_.sum() == pytest.approx(1)
    chosen = policy.predict(X)
    rows = np.arange(4000)
    assert paid[rows, chosen].mean() == pytest.approx(0.6, abs=0.1)
    worth = gain[rows, chosen].mean()
    # nearly what the true effects would allow, and more than the same money spent at random
    best = best_arms(gain, paid, find_price(gain, paid, paid[rows, chosen].mean(), np.ones(4000)))
    assert worth > 0.9 * gain[rows, best].mean()
    everybody = best_arms(gain, paid, 0.0)
    share = paid[rows, chosen].mean() / paid[rows, everybody].mean()
    assert worth > 1.2 * share * gain[rows, everybody].mean()
    known = np.full((4000, 3), 1 / 3)
    found = policy.evaluate(X, T, y, propensity=known)
    assert found.names == [
        "value of the policy",
        "cost of the policy",
        "value of the baseline",
        "cost of the baseline",
        "value added",
        "cost added",
    ]
    truth = np.array([worth, paid[rows, chosen].mean()])
    assert (np.abs(found.estimate[4:] - truth) < 4 * found.std_error[4:]).all()
    assert policy.score(X, T, y) == pytest.approx(found.estimate[4], abs=0.1)


def test_intervals_cover():
    X, T, y, *_ = draw(1500)
    policy = BudgetedPolicy(TLearner(**FAST), budget=0.6, cost=1).fit(X, T, y)

    def truth_of(X, gain, paid):
        chosen, rows = policy.predict(X), np.arange(len(X))
        return np.array([gain[rows, chosen].mean(), paid[rows, chosen].mean()])

    X, _, _, gain, paid = draw(400_000, 999)
    truth, found, errors = truth_of(X, gain, paid), [], []
    for seed in range(2, 102):
        X, T, y, gain, paid = draw(800, seed)
        # wrong outcome models, beside known propensities
        given = {"propensity": np.full((800, 3), 1 / 3)}
        result = policy.evaluate(X, T, y, outcome_mean=np.stack([gain, paid], 2) / 2, **given)
        found.append(result.estimate[4:])
        errors.append(result.std_error[4:])
    scores = (np.array(found) - truth) / errors
    assert (np.abs(scores.mean(axis=0)) < 3 / np.sqrt(100)).all()
    # 99.9 % of a binomial law of 100 draws with .95, and its error rate
    assert ((np.abs(scores) < 1.96).mean(axis=0) >= 0.87).all()
    ratio = np.mean(errors, axis=0) / np.std(found, axis=0, ddof=1)
    assert ((ratio > 0.75) & (ratio < 1.35)).all()


def test_costs_of_arms_and_weights_of_outcomes_add_up():
    X, T, y, *_ = draw(400)
    est = FrozenEstimator(TLearner(**FAST).fit(X, T, y))
    effect = est.effect(X)
    weighted = BudgetedPolicy(
        est, budget=0.3, value={"y0": 2.0, 1: -0.5}, costs={1: 0.5, 2: 0.25}
    ).fit(X, T, y)
    value, cost = weighted.arm_effects(X)
    np.testing.assert_allclose(value[:, 1:], 2 * effect[..., 0] - 0.5 * effect[..., 1])
    np.testing.assert_allclose(cost, np.tile([0, 0.5, 0.25], (400, 1)))
    assert (value[:, 0] == 0).all()
    assert weighted.spent_ <= 0.3
    found = weighted.evaluate(X, T, y, propensity=np.full((400, 3), 1 / 3))
    chosen = np.searchsorted(weighted.treatments_, weighted.predict(X))
    assert found.estimate[5] == pytest.approx(cost[np.arange(400), chosen].mean(), abs=1e-6)
    # both kinds of costs
    both = BudgetedPolicy(est, budget=0.3, cost="y1", costs=[0.1, 0.5, 0.25]).fit(X, T, y)
    np.testing.assert_allclose(both.arm_effects(X)[1][:, 2], effect[:, 1, 1] + 0.15)


def test_controls_and_labels_are_those_of_the_estimator():
    X, T, y, *_ = draw(400)
    names = np.array(["mail", "none", "visit"])[T]
    est = TLearner(**FAST, control="none")
    policy = BudgetedPolicy(est, budget=0.5, costs={"mail": 1.0, "visit": 2.0})
    policy.fit(X, pack_targets(names, y))
    assert policy.control_ == "none"
    assert policy.treatments_.tolist() == ["mail", "none", "visit"]
    value, cost = policy.arm_effects(X)
    assert (value[:, 1] == 0).all()
    np.testing.assert_allclose(cost, np.tile([1.0, 0.0, 2.0], (400, 1)))
    assert set(policy.predict(X)) <= {"mail", "none", "visit"}
    assert clone(policy).get_params()["estimator__control"] == "none"


def test_searches_and_cross_validation_work():
    X, T, y, *_ = draw(400)
    search = GridSearchCV(TLearner(**FAST), {"widths": [(5,), (10,)]}, cv=2)
    policy = BudgetedPolicy(search, budget=0.5, cost=1).fit(X, T, y)
    assert set(policy.predict(X)) <= {0, 1, 2}
    over = BudgetedPolicy(TLearner(**FAST), budget=0.5, cost=1)
    found = GridSearchCV(over, {"budget": [0.1, 1.0]}, cv=2).fit(X, pack_targets(T, y))
    assert found.best_params_ == {"budget": 1.0}  # more money is worth more


def test_frontier_rises_with_the_budget(policy):
    X, T, y, *_ = draw(3000, seed=5)
    found = policy.frontier(X, T, y, n_points=7, propensity=np.full((3000, 3), 1 / 3))
    assert (np.diff(found.budget) > 0).all()
    assert (np.diff(found.price) <= 1e-12).all()
    assert found.price[-1] == pytest.approx(0, abs=1e-6)
    assert found.value[0] == pytest.approx(0, abs=0.02)
    assert (np.abs(found.cost - found.budget) < 4 * found.cost_std_error + 0.1).all()
    assert (np.diff(found.value) > -0.05).all()
    assert found.value_std_error.shape == (7,)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({}, "`cost` or `costs` must be given, got neither"),
        ({"cost": 1, "value": None}, "`value` must name an outcome"),
        ({"cost": "spend"}, r"`cost` must be a position from 0 to 1 or one of \['y0', 'y1'\]"),
        ({"cost": {0: np.nan}}, "`cost` must hold finite weights, got nan for 0"),
        ({"cost": {0: 0.0}}, "`cost` must weigh at least one outcome"),
        ({"cost": {0: True}}, "`cost` must hold finite weights, got True for 0"),
        ({"cost": {0: 1.0, "y0": 2.0}}, "`cost` must name an outcome once, got 'y0' twice"),
        ({"cost": ["y0"]}, r"`cost` must be a position .* got \"\['y0'\]\""),
        ({"costs": {7: 1.0}}, r"`costs` must name arms among \[0, 1, 2\], got \[7\]"),
        ({"costs": {1: 1.0}, "budget": -1.0}, r"`budget` must be at least 0, which the cheapest"),
        ({"costs": {1: 1.0}, "budget": np.nan}, "'budget' parameter"),
    ],
)
def test_what_cannot_be_is_refused(settings, match):
    X, T, y, *_ = draw(200)
    est = FrozenEstimator(TARNet(n_folds=1, max_epochs=2, random_state=0).fit(X, T, y))
    with pytest.raises(ValueError, match=match):
        BudgetedPolicy(est, **{"budget": 1.0, **settings}).fit(X, T, y)


def test_other_refusals(policy):
    X, T, y, *_ = draw(100)
    with pytest.raises(NotFittedError):
        BudgetedPolicy(TLearner(), budget=1.0, cost=1).predict(X)
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegr"):
        BudgetedPolicy(LinearRegression(), budget=1.0, cost=1).fit(X, pack_targets(T, y[:, 0]))
    y[3, 1] = np.nan
    with pytest.raises(TargetError, match=r"missing cells of value and cost .* NaN in \['y1'\]"):
        policy.evaluate(X, T, y)
    y = np.nan_to_num(y)
    for n_points in (1, 2.5):
        with pytest.raises(ValueError, match="`n_points` must be an integer of at least 2, got"):
            policy.frontier(X, T, y, n_points=n_points)
    with pytest.raises(TypeError, match=r"`frontier` takes \['cluster', .* got \['baseline'\]"):
        policy.frontier(X, T, y, baseline=1)
    with pytest.raises(ValueError, match=r"must have shape \(100, 3, 2\), got \(100, 3\)"):
        policy.evaluate(X, T, y, outcome_mean=np.zeros((100, 3)))
    with pytest.raises(TargetError, match="`T` must be one of"):
        policy.evaluate(X, T + 5, y)
    frozen = BudgetedPolicy(FrozenEstimator(policy.estimator_), budget=1.0, cost=1)
    with pytest.raises(TargetError, match="`T` must be one of"):
        frozen.fit(X, T + 5, y)


# -- what users bring -------------------------------------------------------------------------


def frames(n, seed=0):
    X, T, y, *_ = draw(n, seed)
    index = np.random.default_rng(seed).permutation(n) + 7
    columns = ["gain", "paid"]
    return (
        pd.DataFrame(X, columns=["a", "b"], index=index),
        pd.Series(np.array(["none", "mail", "visit"])[T], index=index),
        pd.DataFrame(y, columns=columns, index=index),
    )


def test_names_are_those_of_the_frame():
    X, T, y = frames(300)
    est = TLearner(**FAST, control="none")
    policy = BudgetedPolicy(est, budget=0.5, value="gain", cost={"paid": 1.0}).fit(X, T, y)
    new = frames(200, 1)
    known = np.full((200, 3), 1 / 3)
    found = policy.evaluate(*new, propensity=known)
    turned = policy.evaluate(new[0], new[1], new[2][["paid", "gain"]], propensity=known)
    np.testing.assert_array_equal(found.estimate, turned.estimate)
    with pytest.raises(TargetError, match=r"must have the columns \['gain', 'paid'\] as in fit"):
        policy.evaluate(new[0], new[1], new[2].rename(columns={"paid": "cost"}))
    search = GridSearchCV(est, {"lr": [1e-3]}, cv=2)
    named = BudgetedPolicy(search, budget=0.5, value="gain", cost="paid").fit(X, T, y)
    assert set(named.predict(X)) <= {"none", "mail", "visit"}


def test_rows_in_another_order_are_noticed():
    X, T, y = frames(200)
    est = TLearner(**FAST)
    with pytest.raises(TargetError, match="index"):
        BudgetedPolicy(est, budget=0.5, cost="paid", value="gain").fit(X, T.sort_index(), y)
    policy = BudgetedPolicy(est, budget=0.5, cost="paid", value="gain").fit(X, T, y)
    with pytest.raises(TargetError, match="index"):
        policy.evaluate(X, T, y.sort_index())


def test_packed_nuisances_are_read(policy):
    X, T, y, *_ = draw(300, seed=3)
    known = {"outcome_mean": np.zeros((300, 3, 2)), "propensity": np.full((300, 3), 1 / 3)}
    found = policy.evaluate(X, T, y, **known)
    packed = pack_targets(T, y, propensity=known["propensity"])
    model = DummyRegressor(strategy="constant", constant=0.0)
    packed = add_nuisances(X, packed, outcome_model=model)
    np.testing.assert_allclose(policy.evaluate(X, packed).estimate, found.estimate, rtol=1e-9)
    clustered = pack_targets(T, y, cluster=T)
    with pytest.raises(TargetError, match="`cluster` must be packed or passed, got both"):
        policy.evaluate(X, clustered, cluster=T, **known)


def test_gaps_in_what_is_not_asked_for_do_no_harm():
    X, T, y, *_ = draw(400)
    three = np.column_stack([y, np.where(np.arange(400) % 5 == 0, np.nan, X[:, 0])])
    est = FrozenEstimator(TLearner(**FAST).fit(X, T, three))
    policy = BudgetedPolicy(est, budget=0.5, cost=1).fit(X, T, three)
    known = np.full((400, 3), 1 / 3)
    assert np.isfinite(policy.evaluate(X, T, three, propensity=known).estimate).all()
    with pytest.raises(TargetError, match=r"NaN in \['y2'\]"):
        BudgetedPolicy(est, budget=0.5, value=2, cost=1).fit(X, T, three).evaluate(X, T, three)


def test_weights_and_baselines_count(policy):
    X, T, y, gain, _ = draw(2000, seed=4)
    weight = np.where(X[:, 0] > 0, 1.0, 0.0)
    known = {"propensity": np.full((2000, 3), 1 / 3)}
    found = policy.evaluate(X, T, y, sample_weight=weight, baseline=2, **known)
    half, chosen = X[:, 0] > 0, policy.predict(X)
    truth = gain[np.arange(2000), chosen][half].mean() - gain[half, 2].mean()
    assert abs(found.estimate[4] - truth) < 4 * found.std_error[4]
    light = BudgetedPolicy(FrozenEstimator(policy.estimator_), budget=0.3, cost=1)
    light.fit(X, T, y, sample_weight=weight)
    cost = light.arm_effects(X)[1][np.arange(2000), light.predict(X)]
    assert np.average(cost, weights=weight) == pytest.approx(light.spent_)
    assert light.spent_ <= 0.3
    again = pickle.loads(pickle.dumps(light))
    np.testing.assert_array_equal(again.predict(X), light.predict(X))


def test_people_who_are_alike_are_left_out_together():
    value, cost = np.tile([0.0, 1.0], (10, 1)), np.tile([0.0, 1.0], (10, 1))
    price = find_price(value, cost, 0.9, np.ones(10))
    assert (best_arms(value, cost, price) == 0).all()
    # and whoever is worth a little more is not
    value[0, 1] = 1.001
    price = find_price(value, cost, 0.9, np.ones(10))
    assert best_arms(value, cost, price).tolist() == [1] + [0] * 9
