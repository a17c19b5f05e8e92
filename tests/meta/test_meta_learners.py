"""S- and T-learner against longhand NumPy."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _longhand import silu, silu_or_growth

from sklcausal.datasets import make_confounded
from sklcausal.meta import SLearner, TLearner

SMALL = {
    "widths": (6, 5),
    "max_epochs": 3,
    "n_folds": 2,
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
}


def to_outcome(est, k, arm, theta):
    decode = est.theta_net_.decode
    return decode.shift[k, arm] + theta * decode.matrix[k, arm, arm]


def encoded(est, k, X):
    encoding = est.theta_net_.ensemble.encoding
    gate = est.theta_net_.ensemble.weights()["encoder.gate"][k]
    return (X * encoding.scale[k] + encoding.shift[k]) * gate


@pytest.fixture(scope="module")
def data():
    return make_confounded(240, n_arms=3, random_state=0)


def test_t_learner_equals_longhand(data):
    est = TLearner(**SMALL).fit(data.X, data.T, data.y)
    w = est.theta_net_.ensemble.weights()
    expected = np.zeros((240, 3))
    for k in range(2):
        for arm in range(3):
            # the first layers of all arms stand side by side in one matrix
            first, own = "body.heads.first.layers.0", slice(6 * arm, 6 * arm + 6)
            h = encoded(est, k, data.X) @ w[f"{first}.weight"][k][:, own]
            h = silu(h + w[f"{first}.bias"][k][:, own])
            rest, last = "body.heads.rest.layers.0", "body.heads.last"
            h = silu_or_growth(h @ w[f"{rest}.weight"][k, arm] + w[f"{rest}.bias"][k, arm])
            theta = (h @ w[f"{last}.weight"][k, arm] + w[f"{last}.bias"][k, arm])[:, 0]
            expected[:, arm] += to_outcome(est, k, arm, theta) / 2
    np.testing.assert_allclose(est.potential_outcomes(data.X), expected, atol=1e-5)


def test_s_learner_equals_longhand(data):
    est = SLearner(**SMALL).fit(data.X, data.T, data.y)
    w = est.theta_net_.ensemble.weights()
    expected = np.zeros((240, 3))
    for k in range(2):
        for arm in range(3):
            treated = np.tile(np.eye(3)[arm], (240, 1))
            h = np.hstack([encoded(est, k, data.X), treated])
            h = silu(h @ w["body.first.weight"][k] + w["body.first.bias"][k])
            h = h @ w["body.rest.layers.0.weight"][k] + w["body.rest.layers.0.bias"][k]
            h = silu_or_growth(h)
            theta = (h @ w["body.last.weight"][k] + w["body.last.bias"][k])[:, 0]
            expected[:, arm] += to_outcome(est, k, arm, theta) / 2
    np.testing.assert_allclose(est.potential_outcomes(data.X), expected, atol=1e-5)


@pytest.mark.parametrize("learner", [SLearner, TLearner])
def test_learners_recover_the_average_effect(learner):
    data = make_confounded(1200, random_state=3)
    est = learner(
        numeric_encoding=None, weight_decay=1.0, max_epochs=40, n_folds=3, random_state=0
    )
    est.fit(data.X, data.T, data.y)
    low, high = est.ate_interval()
    assert abs(est.ate() - data.ate[0]) < high - low
    assert np.sqrt(np.mean((est.effect(data.X) - data.effect) ** 2)) < 0.7 * data.effect.std()
    low, high = est.effect_interval(data.X)
    assert np.mean((low < data.effect) & (data.effect < high)) > 0.8


@pytest.mark.parametrize("learner", [SLearner, TLearner])
def test_doses_are_refused_with_a_way_out(learner):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    with pytest.raises(ValueError, match=r"`T` must hold arms for .*TARNet takes every kind"):
        learner(**SMALL).fit(X, rng.normal(size=60), rng.normal(size=60))


def test_arms_of_the_t_learner_share_no_weights(data):
    settings = {**SMALL, "n_folds": 1, "validation_fraction": None}
    first = TLearner(**settings).fit(data.X, data.T, data.y).potential_outcomes(data.X)
    # other outcomes in arm 2, of the same mean and spread, so that units stay
    y, own = data.y.copy(), np.flatnonzero(data.T == 2)
    y[own] = np.sort(y[own])
    second = TLearner(**settings).fit(data.X, data.T, y).potential_outcomes(data.X)
    # arms meet only in the gates of the inputs
    moved = np.abs(second - first).max(axis=0)
    assert moved[:2].max() < 0.05 * moved[2]
