"""Policies under a budget against brute force, and what they are worth on new rows."""

# SPDX-License-Identifier: BSD-3-Clause

import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.meta import TLearner
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
    rows, errors = np.arange(800), []
    for seed in range(2, 42):
        X, T, y, gain, paid = draw(800, seed)
        mean = np.stack([gain, paid], axis=2)
        known = {"propensity": np.full((800, 3), 1 / 3), "outcome_mean": mean}
        found = policy.evaluate(X, T, y, **known)
        chosen = policy.predict(X)
        truth = [gain[rows, chosen].mean(), paid[rows, chosen].mean()]
        errors.append((found.estimate[4:] - truth) / found.std_error[4:])
    # of the rows themselves, whose effects are known here: the noise is that of outcomes
    assert (np.abs(np.mean(errors, axis=0)) < 3 / np.sqrt(40)).all()
    assert (np.abs(errors) < 1.96).mean() > 0.9


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
    with pytest.raises(TargetError, match="no missing cells where policies are judged"):
        policy.evaluate(X, T, y)
    with pytest.raises(ValueError, match="`n_points` must be at least 2, got 1"):
        policy.frontier(X, T, np.nan_to_num(y), n_points=1)
