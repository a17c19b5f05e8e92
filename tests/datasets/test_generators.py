"""Tests of the simulated data."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_confounded, make_tutorial

OUTCOMES = ["continuous", "binary", "count"]
LINKS = {
    "continuous": lambda mu: mu,
    "binary": lambda mu: np.log(mu / (1.0 - mu)),
    "count": np.log,
}


def naive(data, arm):
    """Return the difference in means to arm 0 and its standard error."""
    taken, control = data.y[data["T"] == arm], data.y[data["T"] == 0]
    error = np.sqrt(taken.var() / len(taken) + control.var() / len(control))
    return taken.mean() - control.mean(), error


def assert_mean_zero(values, n_errors=5.0):
    error = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0)) < n_errors * error + 1e-12).all()


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("n_arms", [2, 3, 7])
def test_shapes_and_truths(outcome, n_arms):
    data = make_confounded(400, n_features=7, n_arms=n_arms, outcome=outcome, random_state=1)
    assert data.X.shape == (400, 7)
    assert data.feature_names == [f"x{column}" for column in range(7)]
    assert data["T"].dtype == np.int64
    assert set(data["T"]) == set(range(n_arms))
    assert data.y.shape == (400,)
    assert data.mu.shape == data.propensity.shape == data.index.shape == (400, n_arms)
    assert data.effect.shape == ((400,) if n_arms == 2 else (400, n_arms - 1))
    effect = data.effect.reshape(400, n_arms - 1)
    np.testing.assert_allclose(effect, data.mu[:, 1:] - data.mu[:, :1])
    np.testing.assert_allclose(data.ate, effect.mean(axis=0))
    for arm in range(1, n_arms):
        expected = effect[data["T"] == arm, arm - 1].mean()
        np.testing.assert_allclose(data.att[arm - 1], expected)
    np.testing.assert_allclose(data.propensity.sum(axis=1), 1.0)
    np.testing.assert_allclose(LINKS[outcome](data.mu), data.index)
    np.testing.assert_array_equal(data.level, data.index[:, 0])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_constant_effect_is_constant_on_the_link_scale(outcome):
    data = make_confounded(300, n_arms=3, outcome=outcome, effect="constant", random_state=0)
    contrast = data.index[:, 1:] - data.index[:, :1]
    np.testing.assert_allclose(contrast, np.broadcast_to([1.0, 2.0], (300, 2)))


def test_formulas_longhand():
    data = make_confounded(200, overlap="weak", random_state=3)
    x0, x1, x2, x3, _ = data.X.T
    shape = x0 + 0.5 * x1 + 0.5 * np.sin(2 * x2) - 0.5 * x0 * x3
    deviation = np.sqrt(1.5 + 0.125 * (1 - np.exp(-8)))
    logit = np.log(data.propensity[:, 1] / data.propensity[:, 0])
    np.testing.assert_allclose(logit, 2.0 * shape / deviation)
    level = 2 * np.tanh(x0) + x1 + 0.5 * (x2**2 - 1)
    np.testing.assert_allclose(data.mu[:, 0], level)
    effect = 1 + 0.7 * x0 + 0.7 * np.sin(2 * x1) + 0.35 * (x2**2 - 1)
    np.testing.assert_allclose(data.effect, effect)


def test_moments():
    data = make_confounded(100_000, n_arms=3, random_state=0)
    assert_mean_zero(data.X)
    np.testing.assert_allclose(data.X.std(axis=0), 1.0, atol=0.02)
    logits = np.log(data.propensity[:, 1:] / data.propensity[:, :1])
    assert_mean_zero(logits)
    np.testing.assert_allclose(logits.std(axis=0), 1.0, atol=0.02)
    assert_mean_zero(data.level)
    assert_mean_zero(data.effect - [1.0, 2.0])
    np.testing.assert_allclose(data.effect.std(axis=0), 0.99, atol=0.03)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_treatment_and_outcome_follow_the_truth(outcome):
    data = make_confounded(50_000, n_arms=3, outcome=outcome, random_state=2)
    taken = data["T"][:, None] == np.arange(3)
    residual = data.y - data.mu[np.arange(len(data.y)), data["T"]]
    for test_function in (np.ones(50_000), data.X[:, 0], np.cos(data.X[:, 2])):
        assert_mean_zero((taken - data.propensity) * test_function[:, None])
        assert_mean_zero(residual * test_function)
    # inverse weights with the true propensities recover the average effects
    weight = taken / data.propensity
    psi = weight * (data.y[:, None] - data.mu) + data.mu
    assert_mean_zero(psi[:, 1:] - psi[:, :1] - data.mu[:, 1:] + data.mu[:, :1])


def test_noise_is_the_standard_deviation():
    data = make_confounded(20_000, noise=3.0, random_state=0)
    residual = data.y - data.mu[np.arange(20_000), data["T"]]
    assert residual.std() == pytest.approx(3.0, rel=0.03)
    exact = make_confounded(50, noise=0.0, random_state=0)
    np.testing.assert_array_equal(exact.y, exact.mu[np.arange(50), exact["T"]])


@pytest.mark.parametrize("effect", ["nonlinear", "constant"])
@pytest.mark.parametrize("seed", range(3))
def test_difference_in_means_is_badly_biased(effect, seed):
    data = make_confounded(2000, effect=effect, random_state=seed)
    estimate, error = naive(data, 1)
    assert estimate - data.ate[0] > 5 * error


def test_every_arm_is_confounded():
    data = make_confounded(20_000, n_arms=5, random_state=0)
    for arm in range(1, 5):
        estimate, error = naive(data, arm)
        bias = estimate - data.ate[arm - 1]
        assert bias * (1 if arm % 2 else -1) > 5 * error


@pytest.mark.parametrize("effect", ["nonlinear", "constant"])
def test_ranges_of_the_means(effect):
    binary = make_confounded(20_000, outcome="binary", effect=effect, random_state=0).mu
    assert np.mean((binary > 0.05) & (binary < 0.95)) > 0.9
    count = make_confounded(20_000, outcome="count", effect=effect, random_state=0).mu
    assert np.mean((count > 0.3) & (count < 10)) > 0.9
    assert count.max() < 20


def test_overlap_orders_and_takes_a_number():
    spread = [
        make_confounded(5000, overlap=overlap, random_state=0).propensity.std()
        for overlap in (0.1, "strong", "moderate", "weak", 5)
    ]
    assert spread == sorted(spread)
    named = make_confounded(100, overlap="moderate", random_state=0)
    number = make_confounded(100, overlap=1.0, random_state=0)
    np.testing.assert_array_equal(named.propensity, number.propensity)


@pytest.mark.parametrize("make", [make_confounded, make_tutorial])
def test_reproducible_and_own_generator(make):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = make(200, random_state=7), make(200, random_state=7)
    other = make(200, random_state=8)
    instance = make(200, random_state=np.random.RandomState(7))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    for name in ("X", "T", "y", "mu", "propensity", "effect"):
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], instance[name])
    assert not np.array_equal(first.X, other.X)


def test_empty_arm_has_no_att():
    data = make_confounded(1, n_arms=3, random_state=0)
    assert np.isnan(data.att).sum() >= 1


@pytest.mark.parametrize("randomised", [True, False])
def test_tutorial(randomised):
    data = make_tutorial(20_000, randomised=randomised, random_state=4)
    x0, x1, x2, _, _ = data.X.T
    alpha, beta = data.theta.T
    np.testing.assert_allclose(alpha, 0.2 * x0 - 4 / 3 * x1 - 0.5 * x2)
    np.testing.assert_allclose(beta, 2 - x1 + 0.25 * x0**3)
    np.testing.assert_array_equal(data.effect, data.mu[:, 1] - data.mu[:, 0])
    np.testing.assert_allclose(data.effect, beta, atol=1e-12)
    expected = 0.5 if randomised else 1 / (1 + np.exp(1 + 0.5 * x2))
    np.testing.assert_allclose(data.propensity[:, 1], np.broadcast_to(expected, 20_000))
    np.testing.assert_allclose(data.propensity.sum(axis=1), 1.0)
    residual = data.y - alpha - beta * data["T"]
    assert_mean_zero(residual)
    assert residual.std() == pytest.approx(1.0, abs=0.03)
    assert_mean_zero(data["T"] - data.propensity[:, 1])
    assert_mean_zero(data.effect - 2.0)
    assert data.ate.shape == data.att.shape == (1,)
    estimate, error = naive(data, 1)
    assert (abs(estimate - data.ate[0]) < 4 * error) == randomised


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, r"'n_samples' parameter .* in the range \[1, inf\). Got 0"),
        ({"n_features": 4}, r"'n_features' parameter .* in the range \[5, inf\). Got 4"),
        ({"n_arms": 1}, r"'n_arms' parameter .* in the range \[2, inf\). Got 1"),
        ({"outcome": "ordinal"}, "'outcome' parameter .*'binary'.* Got 'ordinal'"),
        ({"effect": "none"}, "'effect' parameter .*'constant'.* Got 'none'"),
        ({"overlap": "none"}, "'overlap' parameter .*'moderate'.* Got 'none'"),
        ({"overlap": 0.0}, "'overlap' parameter .* Got 0.0"),
        ({"noise": -1.0}, "'noise' parameter .* Got -1.0"),
        ({"random_state": "a"}, "'random_state' parameter .* Got 'a'"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        make_confounded(**params)


def test_bad_parameters_tutorial():
    with pytest.raises(ValueError, match="'randomised' parameter of make_tutorial must be"):
        make_tutorial(randomised="no")
