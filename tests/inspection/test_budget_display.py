"""Pictures of what budgets bring."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from sklcausal.inspection import BudgetDisplay
from sklcausal.meta import TLearner
from sklcausal.model_selection import BudgetedPolicy
from sklcausal.representation import TARNet

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(600, 2)), rng.integers(0, 3, 600)
    y = T * (0.5 + X[:, 0]) + rng.normal(size=600)
    return X, T, y


@pytest.fixture(scope="module")
def policy(drawn):
    est = TLearner(n_folds=1, max_epochs=20, random_state=0)
    return BudgetedPolicy(est, budget=0.4, costs={1: 1.0, 2: 2.0}).fit(*drawn)


def test_curve_and_star_are_those_of_the_frontier(policy, drawn):
    known = np.full((600, 3), 1 / 3)
    display = BudgetDisplay.from_estimator(policy, *drawn, n_points=11, propensity=known)
    found = policy.frontier(*drawn, n_points=11, propensity=known)
    np.testing.assert_allclose(display.curve_.get_xdata(), found.budget)
    np.testing.assert_allclose(display.curve_.get_ydata(), found.value)
    # the star is the policy itself, at its price
    (x,), (y,) = display.own_point_.get_data()
    result = policy.evaluate(*drawn, propensity=known)
    assert y == pytest.approx(result.estimate[4], rel=1e-9)
    assert x == pytest.approx(result.estimate[5], rel=1e-9)  # costs are known here
    low, high = result.conf_int()
    assert f"[{low[4]:.3f}, {high[4]:.3f}]" in display.legend_.get_texts()[0].get_text()
    np.testing.assert_allclose(display.random_line_.get_ydata(), found.value[[0, -1]])
    band = display.band_.get_paths()[0].vertices[:, 1]
    widest = found.value + 1.959964 * found.value_std_error
    assert band.max() == pytest.approx(widest.max(), rel=1e-6)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[0].startswith("TLearner at 0.4: ")
    assert texts[1:] == ["By lot", "Policy"]
    assert display.ax_.get_ylabel() == "Value added per person"


def test_a_frontier_of_ones_own_is_drawn(policy, drawn):
    found = policy.frontier(*drawn, n_points=4)
    display = BudgetDisplay.from_predictions(found, name="mine", alpha=0.1)
    np.testing.assert_array_equal(display.curve_.get_ydata(), found.value)
    assert display.legend_.get_texts()[0].get_text().startswith("mine at ")
    with pytest.raises(ValueError, match="`alpha` must be a number between 0 and 1 or None"):
        BudgetDisplay.from_predictions(found, alpha=2)


def test_policies_share_axes(policy, drawn):
    first = BudgetDisplay.from_estimator(policy, *drawn, n_points=5, alpha=None, name="one")
    assert first.band_ is None
    other = BudgetDisplay.from_estimator(policy, *drawn, n_points=5, ax=first.ax_, name="two")
    assert other.ax_ is first.ax_
    assert other.curve_.get_color() != first.curve_.get_color()
    texts = [text.get_text() for text in other.legend_.get_texts()]
    assert sum(text.startswith(("one", "two")) for text in texts) == 2


def test_a_frozen_estimator_keeps_its_name(drawn):
    est = FrozenEstimator(TLearner(n_folds=1, max_epochs=2, random_state=0).fit(*drawn))
    policy = BudgetedPolicy(est, budget=0.4, costs={1: 1.0, 2: 2.0}).fit(*drawn)
    display = BudgetDisplay.from_estimator(policy, *drawn, n_points=3, alpha=None)
    assert display.name == "TLearner"


def test_what_is_no_policy_is_refused(drawn):
    est = TARNet(n_folds=1, max_epochs=2, random_state=0).fit(*drawn)
    with pytest.raises(TypeError, match="`policy` must be a BudgetedPolicy, got TARNet"):
        BudgetDisplay.from_estimator(est, *drawn)
