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
    errors = [scores[own].std() / np.sqrt(own.sum()) for own in (~high, high)]
    assert_allclose(tree.leaves_.std_error, errors, rtol=1e-3)
    assert tree.rules_ == ["x0 <= 0.5", "x0 > 0.5"] or "x0" in tree.rules_[0]
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
    assert clone(tree).get_params() == tree.get_params()


def test_text_and_picture():
    plt = pytest.importorskip("matplotlib.pyplot")
    X, effect, scores = draw()
    tree = EffectTree(max_depth=2, random_state=0).fit(X, effect, scores)
    assert "% of rows)" in tree.export_text().splitlines()[0]
    ax = tree.plot()
    assert len(ax.get_yticklabels()) == len(tree.rules_)
    plt.close("all")


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
    with pytest.raises(ValueError, match="`contrast` must be from 0 to 0, got 1"):
        EffectTree.from_estimator(est, A, T, y, contrast=1)
    with pytest.raises(TypeError, match="must be a fitted effect estimator"):
        EffectTree.from_estimator(LinearRegression().fit(A, y), A, T, y)
