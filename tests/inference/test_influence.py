"""Influence values against longhand formulas, and their orthogonality without sampling noise."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from scipy.special import expit

from sklcausal.inference import ArmLaw, InfluenceFunction, MomentLaw
from sklcausal.structural import Linear, PotentialOutcomes


class Arms:
    kind, n_arms = "discrete", 2


class ThreeArms:
    kind, n_arms = "discrete", 3


class Doses:
    def __init__(self, k):
        self.kind, self.n_arms = "dose" if k == 1 else "simultaneous", 0
        self.names = tuple(f"T{i}" for i in range(k))


class Kinds:
    def __init__(self, *kinds):
        self.kinds, self.n_outcomes, self.has_missing = kinds, len(kinds), False
        self.one_dim = self.n_outcomes == 1


MEAN = {"continuous": lambda v: v, "binary": expit, "count": np.exp}


def draw_outcome(kind, mean, rng):
    if kind == "binary":
        return rng.binomial(1, mean).astype(float)
    return (
        rng.poisson(mean).astype(float) if kind == "count" else mean + rng.normal(size=mean.shape)
    )


@pytest.mark.parametrize("kind", list(MEAN))
def test_arms_give_augmented_inverse_propensity_weighting(kind):
    rng = np.random.default_rng(0)
    n = 200
    theta = rng.normal(size=(n, 3))
    propensity = rng.dirichlet([3, 3, 3], size=n)
    t = rng.integers(3, size=n)
    mean = MEAN[kind](theta)
    y = draw_outcome(kind, mean[np.arange(n), t], rng)
    model = PotentialOutcomes().setup(ThreeArms(), Kinds(kind))
    signals = InfluenceFunction(model)(y[:, None], t, theta, ArmLaw(propensity))
    received = np.eye(3)[t]
    aipw = mean + received * (y[:, None] - mean) / propensity
    np.testing.assert_allclose(signals.psi, aipw, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(signals.value, mean, rtol=1e-12)


def test_outcomes_of_mixed_kinds_do_not_disturb_each_other():
    rng = np.random.default_rng(1)
    n, kinds = 100, ("continuous", "binary", "count")
    theta = rng.normal(size=(n, 2, 3))
    propensity = rng.dirichlet([2, 2], size=n)
    t = rng.integers(2, size=n)
    mean = np.stack([MEAN[k](theta[:, :, m]) for m, k in enumerate(kinds)], axis=2)
    y = rng.integers(2, size=(n, 3)).astype(float)
    model = PotentialOutcomes().setup(Arms(), Kinds(*kinds))
    signals = InfluenceFunction(model)(y, t, theta.reshape(n, -1), ArmLaw(propensity))
    weight = (np.eye(2)[t] / propensity)[:, :, None]
    aipw = mean + weight * (y[:, None] - mean)
    np.testing.assert_allclose(signals.psi, aipw.reshape(n, -1), rtol=1e-10, atol=1e-10)


def test_dose_gives_the_residual_over_variance_form():
    rng = np.random.default_rng(2)
    n = 300
    theta = rng.normal(size=(n, 2))
    mean, sd = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
    t = mean + sd * rng.normal(size=n)
    y = rng.normal(size=n)
    model = Linear().setup(Doses(1), Kinds("continuous"))
    law = MomentLaw(mean[:, None], sd[:, None], np.ones((1, 1)))
    signals = InfluenceFunction(model)(y[:, None], t[:, None], theta, law)
    residual = y - theta[:, 0] - theta[:, 1] * t
    slope = theta[:, 1] + (t - mean) / sd**2 * residual
    np.testing.assert_allclose(signals.psi[:, 1], slope, rtol=1e-9)


def test_simultaneous_treatments_solve_the_joint_covariance():
    rng = np.random.default_rng(3)
    n, k = 50, 3
    theta, mean = rng.normal(size=(n, 1 + k)), rng.normal(size=(n, k))
    sd = rng.uniform(0.5, 2, size=(n, k))
    correlation = np.array([[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]])
    t, y = mean + rng.normal(size=(n, k)), rng.normal(size=n)
    model = Linear().setup(Doses(k), Kinds("continuous"))
    signals = InfluenceFunction(model)(y[:, None], t, theta, MomentLaw(mean, sd, correlation))
    for i in range(n):
        b, m = np.r_[1, t[i]], np.r_[1, mean[i]]
        hessian = np.outer(m, m)
        hessian[1:, 1:] += sd[i][:, None] * correlation * sd[i]
        residual = y[i] - b @ theta[i]
        expected = theta[i] + np.linalg.solve(hessian, b) * residual
        np.testing.assert_allclose(signals.psi[i], expected, rtol=1e-8)


@pytest.mark.parametrize("delta", [0.1, 0.2, 0.4])
def test_sign_and_orthogonality_without_noise(delta):
    # binary T and a logit outcome, y replaced by its mean and T summed out: the plug-in is biased
    # by .022 to .075, the influence values are not; the wrong sign would double the bias
    x = np.linspace(-1, 1, 2001)
    e = expit(0.8 * x)
    alpha, beta = 0.3 * x - 0.5, 0.8 + 0.5 * x
    truth = np.column_stack([alpha, alpha + beta])
    a, b = alpha + delta * np.cos(2 * x), beta + delta * (1 + x)
    wrong = np.column_stack([a, a + b])
    model = PotentialOutcomes().setup(Arms(), Kinds("binary"))
    propensity = np.column_stack([1 - e, e])
    averaged, plug_in = 0.0, 0.0
    for arm in (0, 1):
        y = expit(truth[:, [arm]])
        t = np.full(len(x), arm)
        signals = InfluenceFunction(model)(y, t, wrong, ArmLaw(propensity))
        averaged += (propensity[:, arm] * (signals.psi[:, 1] - signals.psi[:, 0])).mean()
        plug_in = (signals.value[:, 1] - signals.value[:, 0]).mean()
    effect = (expit(truth[:, 1]) - expit(truth[:, 0])).mean()
    assert abs(averaged - effect) < 1e-6
    assert abs(plug_in - effect) == pytest.approx(
        {0.1: 0.0219, 0.2: 0.0418, 0.4: 0.0748}[delta], abs=2e-3
    )


def test_origin_of_the_dose_does_not_undo_the_correction():
    # T ~ N(10 + x, 1) with a wrong outcome model: a ridge on the Hessian would keep a third of
    # the bias
    rng = np.random.default_rng(4)
    n = 20_000
    x = rng.normal(size=n)
    t = 10 + x + rng.normal(size=n)
    y = 2 * x + t + rng.normal(size=n)
    theta = np.column_stack([np.zeros(n), np.full(n, 1.2)])
    model = Linear().setup(Doses(1), Kinds("continuous"))
    law = MomentLaw((10 + x)[:, None], np.ones((n, 1)), np.ones((1, 1)))
    influence = InfluenceFunction(model)
    assert influence.corrections(y[:, None], t[:, None], theta, law).n_regularised == 0
    signals = influence(y[:, None], t[:, None], theta, law)
    assert signals.psi[:, 1].mean() == pytest.approx(1.0, abs=4 * signals.psi[:, 1].std() / n**0.5)


def test_saturated_probabilities_stay_finite():
    theta = np.array([[-800.0, 800.0], [60.0, -60.0]])
    model = PotentialOutcomes().setup(Arms(), Kinds("binary"))
    law = ArmLaw(np.full((2, 2), 0.5))
    signals = InfluenceFunction(model)(np.array([[0.0], [1.0]]), np.array([1, 0]), theta, law)
    assert np.isfinite(signals.psi).all()


def test_chunks_do_not_change_the_values(monkeypatch):
    rng = np.random.default_rng(5)
    theta, t = rng.normal(size=(50, 2)), rng.integers(2, size=50)
    y, law = rng.normal(size=(50, 1)), ArmLaw(np.full((50, 2), 0.5))
    model = PotentialOutcomes().setup(Arms(), Kinds("continuous"))
    whole = InfluenceFunction(model)(y, t, theta, law).psi
    monkeypatch.setattr("sklcausal.inference._influence.CHUNK", 7)
    np.testing.assert_array_equal(InfluenceFunction(model)(y, t, theta, law).psi, whole)
