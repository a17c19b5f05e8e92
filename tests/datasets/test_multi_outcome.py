"""Tests of the design with several treatments and several outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_multi_treatment_outcome


def test_shapes_and_truths():
    data = make_multi_treatment_outcome(500, n_features=7, n_arms=4, n_outcomes=3, random_state=1)
    assert data.X.shape == (500, 7)
    assert data.y.shape == (500, 3)
    assert data.mu.shape == (500, 4, 3)
    assert set(data.T) == {0, 1, 2, 3}
    np.testing.assert_allclose(data.effect, data.mu[:, 1:] - data.mu[:, :1])
    np.testing.assert_allclose(data.ate, data.effect.mean(axis=0))
    np.testing.assert_allclose(data.propensity.sum(axis=1), 1.0)
    assert data.target_name == ["y0", "y1", "y2"]
    # one error for all outcomes, of variance 1
    error = data.y - data.mu[np.arange(500), data.T]
    np.testing.assert_allclose(error, np.tile(error[:, [0]], 3), atol=1e-10)
    assert error[:, 0].std() == pytest.approx(1.0, abs=0.1)


def test_scenarios_are_assigned_as_they_say():
    randomised = make_multi_treatment_outcome(4000, scenario="A", random_state=0)
    np.testing.assert_allclose(randomised.propensity, 1 / 3)
    assert np.abs(np.bincount(randomised.T) / 4000 - 1 / 3).max() < 0.03
    rare = {
        overlap: (
            make_multi_treatment_outcome(4000, overlap=overlap, random_state=0).propensity.min(1)
            < 0.01
        ).mean()
        for overlap in (0.05, 0.1, "published")
    }
    assert rare[0.05] < 0.001
    assert rare[0.1] < 0.05
    assert rare["published"] > 0.95


def test_numbers_of_the_published_design():
    draws = [make_multi_treatment_outcome(2000, random_state=seed) for seed in range(10)]
    # means over ten populations, as an independent simulation of the formulas gave them; single
    # populations have effects from 1.6 to 6.4, with a standard deviation of 1.5
    assert np.mean([d.X.std() for d in draws]) == pytest.approx(2.15, abs=0.2)
    assert np.mean([d.y.std() for d in draws]) == pytest.approx(54, rel=0.2)
    sizes = [np.sqrt((d.effect**2).mean()) for d in draws]
    assert np.mean(sizes) == pytest.approx(2.84, abs=3 * 1.5 * np.sqrt(2 / 10))
    shares = np.mean([np.bincount(d.T) / 2000 for d in draws], axis=0)
    np.testing.assert_allclose(shares, [0.41, 0.33, 0.26], atol=0.03)


@pytest.mark.parametrize("overlap", [0.1, "published"])
def test_formulas_longhand(overlap):
    data = make_multi_treatment_outcome(40, overlap=overlap, random_state=3)
    rng = np.random.RandomState(3)

    def uniform(n_inputs, *shape):
        return rng.uniform(-1 / np.sqrt(n_inputs), 1 / np.sqrt(n_inputs), shape)

    W1, b1, W2, b2 = uniform(10, 10, 64), uniform(10, 64), uniform(64, 64, 10), uniform(64, 10)
    beta, u1, u2 = rng.normal(size=(3, 10)), rng.normal(size=5), rng.normal(size=5)
    u1 = u1 / np.linalg.norm(u1)
    u2 = u2 - (u2 @ u1) * u1
    u2 = u2 / np.linalg.norm(u2)
    w = [2 * u1, 2 * (np.sqrt(0.1) * u1 + np.sqrt(0.9) * u2)]
    sizes = [(13, 13, 32), (13, 32), (32, 32), (32,)]
    first, other = ([uniform(*size) for size in sizes] for _ in range(2))
    mixed = [np.sqrt(0.1) * a + (1 - np.sqrt(0.1)) * b for a, b in zip(first, other, strict=True)]
    for k in (0, 2):  # weights, and not biases
        mixed[k] = mixed[k] * (1 + 0.2 * rng.normal(size=mixed[k].shape))
    gamma0, gamma = 0.1 * rng.normal(size=2), 5 + rng.normal(size=(2, 10))
    delta, alpha0 = 5 + 0.5 * rng.normal(size=(3, 2)), 0.5 * rng.normal(size=2)
    alpha = 10 + 0.5 * rng.normal(size=(3, 2))
    base = 3 * rng.normal(size=(40, 10))
    for i in range(40):
        x = 5 * (W2.T @ np.tanh(W1.T @ base[i] + b1) + b2)
        np.testing.assert_allclose(data.X[i], x)
        if overlap == "published":
            logits = [(base[i] @ beta[k] - k * 3 * 0.5) / 0.5 for k in range(3)]
        else:
            logits = [0.1 * base[i] @ beta[k] - 0.1 * k * 3 for k in range(3)]
        np.testing.assert_allclose(data.propensity[i], np.exp(logits) / np.exp(logits).sum())
        for m, (V1, c1, V2, c2) in enumerate((first, mixed)):
            score = x[:5] @ w[m]
            level = gamma0[m] + x @ gamma[m] + alpha0[m] * score
            for k in range(3):
                inputs = np.concatenate([x, np.eye(3)[k]])
                curve = 10 * np.tanh(V2 @ np.maximum(V1.T @ inputs + c1, 0) + c2)
                mean = level + delta[k, m] + alpha[k, m] * score + curve
                np.testing.assert_allclose(data.mu[i, k, m], mean)


def test_a_seed_is_a_population():
    few, many = (make_multi_treatment_outcome(n, random_state=7) for n in (50, 20_000))
    again = make_multi_treatment_outcome(50, random_state=7)
    np.testing.assert_array_equal(few.y, again.y)
    Z = [np.column_stack([np.ones(len(d.X)), d.X]) for d in (few, many)]
    coef, *_ = np.linalg.lstsq(Z[1], many.mu[:, 0], rcond=None)
    assert np.abs(few.mu[:, 0] - Z[0] @ coef).std() < 0.1 * few.mu[:, 0].std()


@pytest.mark.parametrize(
    "settings", [{"scenario": "C"}, {"overlap": -1.0}, {"n_features": 4}, {"n_outcomes": 0}]
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=f"'{next(iter(settings))}' parameter"):
        make_multi_treatment_outcome(10, **settings)
