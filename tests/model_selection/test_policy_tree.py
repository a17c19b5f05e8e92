"""Policy trees against brute force, and what they are worth on new rows."""

# SPDX-License-Identifier: BSD-3-Clause

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.metrics import add_nuisances, doubly_robust_scores, policy_value
from sklcausal.model_selection import EffectTree, PolicyTree, TreatmentStratifiedKFold


def draw(n=300, n_arms=3, seed=0, levels=6):
    """Draw a trial whose nuisances are known, with columns of a few levels."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, levels, size=(n, 3)).astype(float)
    T, y = rng.integers(0, n_arms, n), rng.normal(size=n)
    known = {
        "outcome_mean": rng.normal(size=(n, n_arms)),
        "propensity": np.full((n, n_arms), 1 / n_arms),
    }
    return X, T, y, known


def brute(scores, X, depth, least):
    """Try every tree."""
    best = scores.sum(axis=0).max()
    if depth == 0:
        return best
    for j in range(X.shape[1]):
        for level in np.unique(X[:, j])[:-1]:
            left = X[:, j] <= level
            if min(left.sum(), (~left).sum()) >= least:
                parts = [brute(scores[own], X[own], depth - 1, least) for own in (left, ~left)]
                best = max(best, sum(parts))
    return best


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_tree_is_better(depth):
    X, T, y, known = draw(n=60 if depth == 3 else 120, levels=3 if depth == 3 else 5, seed=depth)
    tree = PolicyTree(max_depth=depth, min_samples_leaf=3).fit(X, T, y, **known)
    scores = doubly_robust_scores(T, y, **known)
    assert_allclose(tree.value_ * len(X), brute(scores, X, depth, 3))
    arms = np.searchsorted(tree.treatments_, tree.predict(X))
    assert_allclose(scores[np.arange(len(X)), arms].mean(), tree.value_)
    assert tree.n_samples_leaf_.min() >= 3
    assert_array_equal(np.bincount(tree.apply(X)), tree.n_samples_leaf_)


def test_finds_the_rule_and_says_it():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.uniform(20, 80, size=(2000, 2)), columns=["age", "size"])
    T = np.array(["none", "pill"])[rng.integers(0, 2, 2000)]
    y = (T == "pill") * np.where((X["age"] > 50) & (X["size"] <= 40), 2.0, -1.0)
    tree = PolicyTree(max_depth=2).fit(
        X, T, y + rng.normal(size=2000), propensity=np.full(2000, 0.5)
    )
    wanted = np.where((X["age"] > 50) & (X["size"] <= 40), "pill", "none")
    assert np.mean(tree.predict(X) == wanted) > 0.95
    pill = tree.rules_[tree.arms_.tolist().index("pill")]
    assert "age > " in pill and "size <= " in pill
    assert "->  pill" in tree.export_text()


def test_value_on_new_rows_is_unbiased_and_that_of_fit_is_not():
    gains, fitted = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, T, y = rng.normal(size=(400, 4)), rng.integers(0, 2, 400), rng.normal(size=400)
        half = slice(0, 200), slice(200, 400)
        known = {"outcome_mean": np.zeros((200, 2)), "propensity": np.full(200, 0.5)}
        tree = PolicyTree().fit(X[half[0]], T[half[0]], y[half[0]], **known)
        fitted.append(tree.value_)
        gains.append(tree.value(X[half[1]], T[half[1]], y[half[1]], **known).estimate[0])
    assert np.mean(fitted) > 0.2
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(60)


def test_value_longhand():
    X, T, y, known = draw()
    tree = PolicyTree().fit(X, T, y, **known)
    found = tree.value(X, T, y, baseline=2, **known)
    wanted = policy_value(T, y, tree.predict(X), baseline=2, **known)
    assert_allclose(found.estimate, wanted.estimate)
    assert_allclose(found.covariance, wanted.covariance)


def test_costs_change_the_choice():
    X, T, y, known = draw()
    free = PolicyTree().fit(X, T, y, **known)
    dear = PolicyTree(costs={1: 100.0, 2: 100.0}).fit(X, T, y, **known)
    assert len(np.unique(free.arms_)) > 1
    assert_array_equal(dear.arms_, [0])
    assert dear.rules_ == ["everybody"]
    same = PolicyTree(costs=[1.0, 1.0, 1.0]).fit(X, T, y, **known)
    assert_allclose(same.value_, free.value_ - 1)


def test_values_are_less_costs():
    X, T, y, known = draw()
    tree = PolicyTree(costs=[0.0, 0.5, 0.2]).fit(X, T, y, **known)
    found = tree.value(X, T, y, **known)
    assert_allclose(found.estimate[0], tree.value_)
    targets = pack_targets(T, y, propensity=known["propensity"])
    assert_allclose(tree.score(X, targets), tree.value(X, targets).estimate[0])
    doubled = tree.score(X, targets, sample_weight=np.full(300, 2.0))
    assert_allclose(doubled, tree.score(X, targets))
    paid = np.array([0.0, 0.5, 0.2])[tree.predict(X)].mean()
    scores = doubly_robust_scores(T, y, **known)
    assert_allclose(scores[np.arange(300), tree.predict(X)].mean() - paid, tree.value_)
    assert_allclose(found.estimate[1], scores[:, 0].mean())


def test_units_and_levels_do_not_matter():
    for seed in range(30):
        X, T, y, known = draw(n=60, seed=seed, levels=4)
        tree = PolicyTree(max_depth=2, min_samples_leaf=3).fit(X, T, y, **known)
        for size, level in ((1e-10, 0.0), (1e10, 0.0), (1.0, 1e6)):
            means = size * known["outcome_mean"] + level
            own = {"outcome_mean": means, "propensity": known["propensity"]}
            found = PolicyTree(max_depth=2, min_samples_leaf=3).fit(X, T, size * y + level, **own)
            assert_array_equal(found.predict(X), tree.predict(X))
            assert_allclose(found.value_, size * tree.value_ + level)


def test_labels_of_outcomes_are_those_of_fit():
    X, T, y, known = draw()
    labels = np.where(y > 0, "yes", "no")
    tree = PolicyTree().fit(X, T, labels, **known)
    assert_allclose(tree.value_, PolicyTree().fit(X, T, (y > 0).astype(float), **known).value_)
    all_yes = tree.value(X, T, np.full(300, "yes"), **known)
    numbers = PolicyTree().fit(X, T, (y > 0).astype(float), **known)
    ones = numbers.value(X, T, np.ones(300), **known)
    assert_allclose(all_yes.estimate, ones.estimate)
    with pytest.raises(TargetError, match=r"must be one of \['no', 'yes'\] as in fit"):
        tree.value(X, T, np.full(300, "perhaps"), **known)
    with pytest.raises(TargetError, match=r"`y` must"):
        PolicyTree().fit(X, T, np.full(300, "yes"), **known)


def test_costs_of_a_series_and_propensities_of_zero():
    X, T, y, known = draw()
    series = pd.Series([5.0, 0.0, 1.0], index=[2, 0, 1])
    found = PolicyTree(costs=series).fit(X, T, y, **known)
    assert found.value_ == PolicyTree(costs=[0.0, 1.0, 5.0]).fit(X, T, y, **known).value_
    own = np.eye(3)[(T + 1) % 3]
    with pytest.raises(ValueError, match="`propensity` of the arm that was received must be abo"):
        PolicyTree(clip=0).fit(X, T, y, outcome_mean=known["outcome_mean"], propensity=own)
    assert np.isfinite(PolicyTree().fit(X, T, y, propensity=own).value_)
    frame, other = pd.DataFrame(X), np.arange(300)[::-1]
    moved = pd.DataFrame(known["propensity"], index=other)
    with pytest.raises(TargetError, match="`X` and `propensity` must have the same index"):
        PolicyTree().fit(frame, T, y, propensity=moved)


def test_the_control_is_the_baseline():
    X, T, y, known = draw()
    named = np.array(["a", "b", "c"])[T]
    tree = PolicyTree(control="b").fit(X, named, y, **known)
    found = tree.value(X, named, y, **known)
    assert_allclose(found.estimate[1], doubly_robust_scores(T, y, **known)[:, 1].mean())
    assert "against 'b' for everybody" in str(found)


def test_searches_choose_a_depth_by_the_value_of_new_rows():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(1200, 3)), rng.integers(0, 2, 1200)
    y = T * np.sign(X[:, 0] * X[:, 1]) + 0.3 * rng.normal(size=1200)
    targets = pack_targets(T, y, propensity=np.full((1200, 2), 0.5))
    grid = {"max_depth": [1, 2]}
    search = GridSearchCV(PolicyTree(), grid, cv=TreatmentStratifiedKFold(3, random_state=0))
    search.fit(X, targets)
    assert search.best_params_ == {"max_depth": 2}
    assert 0.35 < search.best_score_ < 0.55
    assert search.cv_results_["mean_test_score"][0] < 0.2


def test_clusters_stay_together_where_nuisances_are_fitted():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(100), 4)
    X = np.repeat(rng.normal(size=(100, 3)), 4, axis=0)
    T, y = rng.integers(0, 2, 400), rng.normal(size=400) + np.repeat(rng.normal(size=100), 4)
    tree = PolicyTree(max_depth=1).fit(X, T, y, cluster=cluster)
    packed = PolicyTree(max_depth=1).fit(X, pack_targets(T, y, cluster=cluster))
    apart = PolicyTree(max_depth=1).fit(X, T, y)
    assert tree.value_ == packed.value_ != apart.value_


def test_picture_asks_the_questions_and_says_the_arms():
    plt = pytest.importorskip("matplotlib.pyplot")
    X, T, y, known = draw()
    tree = PolicyTree(max_depth=2).fit(X, T, y, **known)
    ax = tree.plot()
    words = [text.get_text() for text in ax.texts]
    leaves = [word for word in words if word.endswith("%")]
    assert len(leaves) == len(tree.arms_)
    assert sorted(int(leaf.split("\n")[0]) for leaf in leaves) == sorted(tree.arms_)
    questions = [word for word in words if word.endswith("?")]
    assert len(questions) == len(tree.arms_) - 1
    assert any(tree.rules_[0].startswith(question[:-2]) for question in questions)
    assert tree.plot(ax) is ax
    everybody = PolicyTree(costs=[0, 100, 100]).fit(X, T, y, **known)
    assert [text.get_text() for text in everybody.plot().texts] == ["0\n100 %"]
    plt.close("all")


def test_weights_are_rows_that_come_twice():
    X, T, y, known = draw(n=150)
    twice = np.append(np.arange(150), np.arange(40))
    w = np.where(np.arange(150) < 40, 2.0, 1.0)
    doubled = PolicyTree(min_samples_leaf=1).fit(
        X[twice], T[twice], y[twice], **{k: v[twice] for k, v in known.items()}
    )
    weighted = PolicyTree(min_samples_leaf=1).fit(X, T, y, sample_weight=w, **known)
    assert_allclose(weighted.value_, doubled.value_)


def test_packed_targets_and_nuisances():
    X, T, y, _ = draw()
    targets = add_nuisances(X, pack_targets(T, y), cv=2)
    known = {
        "outcome_mean": targets["nuisance_outcome_mean"],
        "propensity": targets["nuisance_propensity"],
    }
    packed = clone(PolicyTree()).fit(X, targets)
    assert_allclose(packed.value_, PolicyTree().fit(X, T, y, **known).value_)


def test_thresholds_at_quantiles_are_few():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(500, 1)), rng.integers(0, 2, 500)
    y = T * np.where(X[:, 0] > 0.7, 1.0, -1.0)
    tree = PolicyTree(max_depth=1, n_thresholds=9).fit(X, T, y, propensity=np.full(500, 0.5))
    at = float(tree.rules_[0].split()[-1])
    deciles = np.quantile(X, np.arange(1, 10) / 10)
    assert np.abs(deciles - at).min() < 0.02
    free = PolicyTree(max_depth=1).fit(X, T, y, propensity=np.full(500, 0.5))
    assert free.value_ > tree.value_


@pytest.mark.parametrize(
    ("levels", "rule"),
    [
        ([2015.0, 2016.0], "x0 <= 2015"),
        ([0.0, 1.0], "x0 <= 0"),
        ([-3.0, 4.0], "x0 <= 0"),
        ([12345.25, 12347.5], "x0 <= 12346"),
        ([0.123456, 0.1239], "x0 <= 0.1237"),
        ([0.25, 0.75], "x0 <= 0.5"),
    ],
)
def test_rules_hold_short_numbers_that_split_the_same_rows(levels, rule):
    X = np.repeat(levels, 50)[:, None]
    T = np.tile([0, 1], 50)
    y = T * np.where(X[:, 0] == levels[0], -1.0, 1.0)
    known = {"outcome_mean": np.zeros((100, 2)), "propensity": np.full(100, 0.5)}
    tree = PolicyTree(max_depth=1).fit(X, T, y, **known)
    assert tree.rules_ == [rule, rule.replace("<=", ">")]
    assert_array_equal(tree.predict(X), X[:, 0] == levels[1])
    effects = EffectTree(max_depth=1, random_state=0).fit(X, X[:, 0], X[:, 0])
    assert effects.rules_ == tree.rules_
    assert_array_equal(effects.apply(X), X[:, 0] == levels[1])


def test_ten_thousand_rows_are_quick():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(10_000, 10)), rng.integers(0, 3, 10_000)
    known = {"outcome_mean": np.zeros((10_000, 3)), "propensity": np.full((10_000, 3), 1 / 3)}
    begin = time.perf_counter()
    PolicyTree(max_depth=2).fit(X, T, rng.normal(size=10_000), **known)
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    ("params", "change", "message"),
    [
        ({"max_depth": 4}, {}, "max_depth"),
        ({"min_samples_leaf": 0.7}, {}, "min_samples_leaf"),
        ({"costs": {"x": 1}}, {}, r"`costs` must name arms among \[0, 1, 2\], got \['x'\]"),
        ({"costs": [1.0]}, {}, "`costs` must hold a finite number for each of the arms"),
        ({"costs": ["a", "b", "c"]}, {}, "`costs` must hold a finite number for each of the arms"),
        ({}, {"X": np.full((300, 3), "a")}, "`X` must be numeric, got strings"),
        ({}, {"y": np.ones((300, 2))}, "`y` must hold one outcome"),
        ({}, {"T": np.zeros(300)}, "`T` must have at least 2 levels"),
        ({}, {"X": np.full((300, 3), np.nan)}, "Input X contains NaN"),
        ({}, {"y": None}, "treatments and outcomes are both needed"),
    ],
)
def test_bad_input(params, change, message):
    X, T, y, _ = draw()
    given = {"X": X, "T": T, "y": y} | change
    with pytest.raises(ValueError, match=message):
        PolicyTree(**params).fit(**given)


def test_not_fitted_and_unknown_arms():
    X, T, y, known = draw()
    with pytest.raises(NotFittedError):
        PolicyTree().predict(X)
    tree = PolicyTree().fit(X, T, y, **known)
    with pytest.raises(TargetError, match="must be one of"):
        tree.value(X, T + 5, y)
    named = PolicyTree().fit(X, np.array(["a", "b", "c"])[T], y)
    with pytest.raises(TargetError, match="at least cv=5 rows of every arm, got 2 of 'a'"):
        named.value(X[:12], np.repeat(["a", "b", "c"], [2, 5, 5]), y[:12])


def test_brute_force_helper_counts_all_trees():
    # three rows, one column: the best of two cuts by hand
    scores, X = np.array([[1.0, 0], [0, 3], [2, 0]]), np.array([[0.0], [1], [2]])
    by_hand = max(
        scores[list(left)].sum(axis=0).max() + scores[list(right)].sum(axis=0).max()
        for left, right in itertools.chain([((0,), (1, 2)), ((0, 1), (2,))])
    )
    assert brute(scores, X, 1, 1) == by_hand == 5


@pytest.mark.parametrize("kind", [EffectTree, PolicyTree])
def test_a_failed_fit_leaves_the_former_tree(kind):
    X, T, y, _ = draw()
    given = (X, y, y) if kind is EffectTree else (X, T, y)
    more = np.hstack([X, X])
    fresh = kind()
    with pytest.raises(ValueError, match="same number of rows"):
        fresh.fit(more, *given[1:-1], y[:5])
    with pytest.raises(NotFittedError):
        fresh.predict(more)
    tree = kind(**({"random_state": 0})).fit(*given)
    before = tree.predict(X)
    with pytest.raises(ValueError, match="same number of rows"):
        tree.fit(more, *given[1:-1], y[:5])
    assert_array_equal(tree.predict(X), before)
