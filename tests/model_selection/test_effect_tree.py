"""Effect trees: rules, averages of honest halves, and their intervals."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.metrics import add_nuisances, cross_fit_nuisances, doubly_robust_scores
from sklcausal.model_selection import EffectTree
from sklcausal.representation import TARNet

MODELS = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}


def draw(n=1000, seed=0):
    """Draw people of whom those with a large first column have an effect of 2."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3))
    effect = np.where(X[:, 0] > 0.5, 2.0, 0.0)
    return X, effect, effect + rng.normal(size=n)


def test_longhand_without_halves():
    X, effect, scores = draw()
    tree = EffectTree(max_depth=1, honest=False, random_state=0).fit(X, effect, scores)
    high = X[:, 0] > 0.5
    assert_allclose(tree.leaves_.estimate, [scores[~high].mean(), scores[high].mean()])
    errors = [scores[own].std(ddof=1) / np.sqrt(own.sum()) for own in (~high, high)]
    assert_allclose(tree.leaves_.std_error, errors)
    assert tree.rules_ == ["x0 <= 0.5", "x0 > 0.5"]
    assert_array_equal(tree.predict(X) > 1, high)
    assert_allclose(tree.share_leaf_, [np.mean(~high), np.mean(high)])


def test_honest_halves_do_not_judge_themselves():
    X, effect, scores = draw()
    tree = EffectTree(max_depth=1, random_state=0).fit(X, effect, scores)
    assert tree.n_samples_leaf_.sum() == 500
    # pure noise that chose the groups: honest averages stay near 0
    honest, greedy = [], []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=1000)
        options = {"max_depth": 3, "random_state": seed}
        for flag, found in ((True, honest), (False, greedy)):
            leaves = EffectTree(honest=flag, **options).fit(X, noise, noise).leaves_
            found.append(leaves.zstat[-1])
    assert np.mean(greedy) > 2 > 0.6 > abs(np.mean(honest))


def test_coverage_of_the_groups():
    covered = []
    for seed in range(100):
        X, effect, scores = draw(400, seed)
        tree = EffectTree(max_depth=1, random_state=0).fit(X, effect, scores)
        low, high = tree.leaves_.conf_int()
        covered.append((low <= [0, 2]) & (high >= [0, 2]))
    assert 0.9 < np.mean(covered) < 0.99


def test_weights_and_clusters():
    X, effect, scores = draw(400)
    w = np.random.default_rng(0).uniform(0.5, 2, 400)
    tree = EffectTree(max_depth=1, honest=False).fit(X, effect, scores, sample_weight=w)
    high = X[:, 0] > 0.5
    assert_allclose(tree.leaves_.estimate[1], np.average(scores[high], weights=w[high]))
    assert_allclose(tree.share_leaf_, [w[~high].sum() / w.sum(), w[high].sum() / w.sum()])
    far, own = scores[high] - tree.leaves_.estimate[1], w[high]
    error = np.sqrt((own**2 * far**2).sum()) / own.sum() * np.sqrt(len(own) / (len(own) - 1))
    assert_allclose(tree.leaves_.std_error[1], error)
    copies = np.tile(np.arange(400), 3)
    clustered = EffectTree(max_depth=1, honest=False).fit(
        X[copies], effect[copies], scores[copies], cluster=copies
    )
    alone = EffectTree(max_depth=1, honest=False).fit(X, effect, scores)
    assert_allclose(clustered.leaves_.std_error, alone.leaves_.std_error, rtol=0.01)


def test_from_estimator_longhand():
    X, T, y = make_study(n=150, arms=("a", "b", "c"), outcomes=("continuous", "continuous"))
    frame = pd.DataFrame(X, columns=["age", "size", "bmi"])
    est = tiny(TARNet, control="b").fit(frame, T, y)
    targets = add_nuisances(X, pack_targets(T, y), cv=2, **MODELS)
    tree = EffectTree.from_estimator(
        est, frame, targets, contrast=1, outcome=1, honest=False, max_depth=1
    )
    given = cross_fit_nuisances(X, T, y, cv=2, **MODELS)
    scores = doubly_robust_scores(T, y, **given)
    scores = scores[:, 2, 1] - scores[:, 1, 1]
    leaf = tree.apply(frame)
    assert_allclose(tree.leaves_.estimate, [scores[leaf == k].mean() for k in (0, 1)])
    assert any(name in tree.rules_[0] for name in frame.columns)
    assert tree.export_text().startswith("Average effects of groups: c vs b, y1\n")
    named = EffectTree.from_estimator(
        est, frame, targets, contrast="c vs b", outcome="y1", honest=False, max_depth=1
    )
    assert_allclose(named.leaves_.estimate, tree.leaves_.estimate)
    assert clone(tree).get_params() == tree.get_params()


def test_text_and_picture():
    plt = pytest.importorskip("matplotlib.pyplot")
    X, effect, scores = draw()
    tree = EffectTree(max_depth=2, random_state=0).fit(X, effect, scores)
    title, *lines = tree.export_text().splitlines()
    assert title == "Average effects of groups"
    assert len(lines) == len(tree.rules_) and all("% of rows)" in line for line in lines)
    ax = tree.plot()
    assert len(ax.get_yticklabels()) == len(tree.rules_)
    plt.close("all")


def test_units_do_not_matter():
    X, effect, scores = draw()
    tree = EffectTree(max_depth=2, random_state=0).fit(X, effect, scores)
    seconds = 1_700_000_000 + np.round(X * 60)
    for other, size in ((X * 1e-9, 1), (X * 1e9, 1), (X, 1e-9), (X, 1e9)):
        found = EffectTree(max_depth=2, random_state=0).fit(other, size * effect, size * scores)
        assert_array_equal(found.apply(other), tree.apply(X))
        assert_allclose(found.leaves_.std_error, size * tree.leaves_.std_error)
    found = EffectTree(max_depth=1, random_state=0).fit(seconds, seconds[:, 0], scores)
    assert found.rules_[0].startswith("x0 <= 17000000")


def test_rules_join_the_two_sides_of_a_column():
    X = np.linspace(0, 1, 400)[:, None]
    effect = np.digitize(X[:, 0], [0.25, 0.5]).astype(float)
    tree = EffectTree(max_depth=2, honest=False, random_state=0).fit(X, effect, effect)
    assert tree.rules_ == ["x0 <= 0.25", "0.25 < x0 <= 0.5", "x0 > 0.5"]


def test_clusters_stay_in_one_half_and_are_counted():
    X, effect, scores = draw(400)
    region = (X[:, 0] * 40).astype(int)  # no leaf cuts a region in two
    tree = EffectTree(max_depth=1, random_state=0).fit(X, effect, scores, cluster=region)
    rng = np.random.RandomState(0)
    judges = rng.permutation(region.max() + 1)[(region.max() + 1) // 2 :]
    assert tree.n_samples_leaf_.sum() == np.isin(region, judges).sum()
    one = np.where(X[:, 0] > 0.5, 0, 1 + np.arange(400) % 50)
    with pytest.raises(ValueError, match=r"at least 2 rows with weight, or clusters.*got 1"):
        EffectTree(max_depth=1, honest=False).fit(X, effect, scores, cluster=one)


def test_leaves_without_weight_are_refused():
    X, effect, scores = draw(60)
    rng = np.random.RandomState(0)
    judges = np.sort(rng.permutation(60)[30:])
    w = np.ones(60)
    w[judges[X[judges, 0] > 0.5]] = 0.0
    with pytest.raises(ValueError, match=r"at least 2 rows with weight, or clusters.*got 0"):
        EffectTree(max_depth=1, random_state=0).fit(X, effect, scores, sample_weight=w)


def test_indexes_are_compared():
    X, effect, scores = draw()
    frame, other = pd.DataFrame(X), np.arange(1000)[::-1]
    for name, values in (("effect", effect), ("scores", scores), ("cluster", np.arange(1000))):
        given = {"effect": effect, "scores": scores} | {name: pd.Series(values, index=other)}
        with pytest.raises(TargetError, match=f"`X` and `{name}` must have the same index"):
            EffectTree().fit(frame, **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effect": np.ones((1000, 2))}, "`effect` must be one column"),
        ({"scores": np.full(1000, np.nan)}, "`scores` must be finite"),
        ({"scores": np.ones(5)}, "must have the same number of rows, got .* `scores` 5"),
        ({"cluster": np.zeros(1000)}, "need at least 2 rows or clusters, got 1"),
        ({"sample_weight": -np.ones(1000)}, "`sample_weight` must be at least 0"),
    ],
)
def test_bad_input(change, message):
    X, effect, scores = draw()
    with pytest.raises(ValueError, match=message):
        EffectTree().fit(**{"X": X, "effect": effect, "scores": scores} | change)


def test_too_few_rows_and_bad_positions():
    X, _, scores = draw(12)
    with pytest.raises(ValueError, match="every group needs at least 2 rows"):
        EffectTree(max_depth=5, min_samples_leaf=1, random_state=0).fit(X, scores, scores)
    with pytest.raises(NotFittedError):
        EffectTree().predict(X)
    A, T, y = make_study(n=60)
    est = tiny(TARNet).fit(A, T, y)
    with pytest.raises(ValueError, match="`contrast` must be a position from 0 to 0 or one of"):
        EffectTree.from_estimator(est, A, T, y, contrast=1)
    with pytest.raises(TypeError, match="must be a fitted effect estimator"):
        EffectTree.from_estimator(LinearRegression().fit(A, y), A, T, y)
