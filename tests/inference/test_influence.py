"""Influence values against longhand formulas, and their orthogonality without sampling noise."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from scipy.special import expit

from sklcausal._contrasts import Contrast
from sklcausal.exceptions import ModelError
from sklcausal.inference import ArmLaw, InfluenceFunction, MomentLaw, NodeLaw
from sklcausal.inference._balance import weigh_rows
from sklcausal.inference._dose_law import marginal_law, residual_steps
from sklcausal.inference._hessian import LawHessian
from sklcausal.inference._influence import solve_hessian, whitening_of
from sklcausal.inference._targets import MeanContrast
from sklcausal.inference._units import Affine
from sklcausal.structural import (
    GeneralizedLinear,
    InteractionBasis,
    Linear,
    MomentModel,
    PotentialOutcomes,
    StructuralModel,
)


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


# -- general models and targets ----------------------------------------------------------------


class Instrument(MomentModel):
    """The treatment and its instrument stand side by side in T."""

    n_params = 2

    def moments(self, y, t, theta):
        error = y - theta[0] - theta[1] * t[0]
        return torch.stack([error, t[1] * error])


def test_moments_have_an_unsymmetric_jacobian():
    rng = np.random.default_rng(6)
    n = 4000
    x, z = rng.normal(size=n), rng.normal(size=n)
    hidden = rng.normal(size=n)
    t = 10 + x + 0.8 * z + hidden + rng.normal(size=n)
    y = 1 + x + 2 * t + 3 * hidden + rng.normal(size=n)
    model = Instrument().setup(Doses(2), Kinds("continuous"))
    # E[dg/dtheta | x] of the moments above, negative and not symmetric
    jacobian = -np.array([[np.ones(n), 10 + x], [np.zeros(n), np.full(n, 0.8)]]).transpose(2, 0, 1)
    theta = np.column_stack([2 + x, np.full(n, 1.8)])  # both wrong
    influence = InfluenceFunction(model, lambda theta: theta[1])
    T = np.column_stack([t, z])
    found = influence(y[:, None], T, theta, jacobian).psi[:, 0]
    error = y - theta[:, 0] - theta[:, 1] * t
    moments = np.stack([error, z * error], axis=1)
    longhand = theta[:, 1] - np.linalg.solve(jacobian, moments[:, :, None])[:, 1, 0]
    np.testing.assert_allclose(found, longhand, rtol=1e-8)
    assert found.mean() == pytest.approx(2.0, abs=4 * found.std() / n**0.5)
    jacobian[0] = 0.0
    odd = influence.corrections(y[:, None], T, theta, jacobian)
    assert odd.n_regularised == 1 and (odd.step[0] == 0).all()


def test_singular_rows_are_lifted_alike_in_all_coordinates():
    # rewriting theta as A theta must not change influence values, lifted rows included
    rng = np.random.default_rng(7)
    n, A = 500, np.array([[2.0, 0.0], [30.0, 0.1]])
    theta, t = rng.normal(size=(n, 2)), rng.normal(size=(n, 1))
    y = rng.normal(size=(n, 1))
    sd = np.where(np.arange(n) < 5, 1e-4, 1.0)[:, None]
    law = MomentLaw(rng.normal(size=(n, 1)), sd, np.ones((1, 1)))

    class Plain(StructuralModel):
        n_params = 2
        rewrite = torch.eye(2, dtype=torch.float64)

        def mean(self, theta, t):
            a, b = self.rewrite @ theta
            return a + b * t

        def loss(self, y, t, theta):
            return 0.5 * (y - self.mean(theta, t)) ** 2

    class Rewritten(Plain):
        rewrite = torch.as_tensor(np.linalg.inv(A))

    models = [cls().setup(Doses(1), Kinds("continuous")) for cls in (Plain, Rewritten)]
    plain = InfluenceFunction(models[0], lambda th: th[1])
    other = InfluenceFunction(models[1], lambda th: (Rewritten.rewrite @ th)[1])
    first, second = plain(y, t, theta, law).psi, other(y, t, theta @ A.T, law).psi
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-8)
    assert plain.corrections(y, t, theta, law).n_regularised == 5
    assert np.abs(first[:5]).max() < 1e3  # 1e8 and more without


@pytest.mark.parametrize("kind", ["binary", "count"])
def test_doses_are_orthogonal_under_a_link(kind):
    # y at its mean and T on the nodes of its law: no sampling noise but that of the nodes
    x = np.linspace(-1, 1, 400)
    truth = np.column_stack([0.3 * x - 0.5, 0.4 + 0.2 * x])
    wrong = truth + 0.2 * np.column_stack([np.cos(2 * x), 1 + x])
    steps = np.linspace(-1.7, 1.7, 41)[:, None]
    mean, sd = x[:, None], np.ones((400, 1))
    law = NodeLaw(mean, sd, steps, np.zeros(1, dtype=bool), np.zeros(1), np.ones(1))
    model = GeneralizedLinear().setup(Doses(1), Kinds(kind))
    target = lambda theta: theta[1]  # noqa: E731
    bias, plug_in = 0.0, 0.0
    for step in steps[:, 0]:
        t = x[:, None] + step
        y = MEAN[kind](truth[:, :1] + truth[:, 1:] * t)
        signals = InfluenceFunction(model, target)(y, t, wrong, law)
        bias += (signals.psi[:, 0] - truth[:, 1]).mean() / len(steps)
        plug_in = (signals.value[:, 0] - truth[:, 1]).mean()
    assert plug_in == pytest.approx(0.2, abs=1e-9)
    assert abs(bias) < 0.3 * plug_in  # what is left is of second order


def test_law_of_residuals_keeps_their_moments():
    rng = np.random.default_rng(8)
    residual = rng.exponential(size=(5000, 1)) - 1
    none = np.zeros(1, dtype=bool)
    steps = NodeLaw.from_residuals(np.zeros((1, 1)), np.ones((1, 1)), residual).steps
    assert len(steps) == 25
    assert steps.mean() == pytest.approx(0, abs=1e-12)
    assert steps.std() == pytest.approx(1)
    assert (steps**3).mean() == pytest.approx(2, abs=0.5)  # skewed as the residuals are
    law = NodeLaw(np.full((3, 1), 0.3), np.ones((3, 1)), steps, ~none, np.zeros(1), np.ones(1))
    weight, t = law.nodes(slice(0, 3))
    assert (weight[1] == 0.3).all() and (t[:, 0, 0] == torch.tensor([0.0, 1.0])).all()


def test_binary_treatments_move_with_doses():
    rng = np.random.default_rng(9)
    z = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=20_000)
    residual = np.column_stack([(z[:, 0] > 0) - 0.5, z[:, 1]])
    residual /= residual.std(axis=0)
    moments = np.array([[0.5, 2.0]]), np.array([[0.5, 1.0]])
    law = NodeLaw.from_residuals(*moments, residual, is_binary=[True, False])
    _, t = law.nodes(slice(0, 1))
    assert set(t[:, 0, 0].tolist()) == {0.0, 1.0}
    assert t[:, 0, 0].mean() == pytest.approx(0.5, abs=1 / 64)
    assert t[:, 0, 1].mean() == pytest.approx(2.0, abs=1e-9)
    assert np.corrcoef(t[:, 0, 0], t[:, 0, 1])[0, 1] == pytest.approx(0.64, abs=0.05)


def test_skewed_doses_correlate_as_their_residuals():
    rng = np.random.default_rng(16)
    z = rng.multivariate_normal([0, 0], [[1, -0.8], [-0.8, 1]], size=20_000)
    residual = np.exp(z)
    residual = (residual - residual.mean(axis=0)) / residual.std(axis=0)
    steps = NodeLaw.from_residuals(np.zeros((1, 2)), np.ones((1, 2)), residual).steps
    target = np.corrcoef(residual.T)[0, 1]
    assert np.corrcoef(steps.T)[0, 1] == pytest.approx(target, abs=0.08)


@pytest.mark.parametrize("k", [3, 6])
def test_nodes_tell_products_of_doses_apart(k):
    rng = np.random.default_rng(17)
    basis = InteractionBasis().fit(rng.normal(size=(1000, k)))
    n_columns = 1 + basis.n_columns_
    residual = rng.normal(size=(20_000, k))
    steps = residual_steps(residual, np.ones(20_000), np.eye(k), np.zeros(k, bool), n_columns)
    columns = basis(torch.as_tensor(steps)).numpy()
    design = np.column_stack([np.ones(len(columns)), columns])
    values = np.linalg.eigvalsh(design.T @ design / len(design))
    assert values[0] > 0.1


def test_joint_treatments_of_a_trial_keep_their_own_distribution():
    rng = np.random.default_rng(18)
    first = rng.binomial(1, 0.5, size=4000)
    second = np.where(rng.random(4000) < 0.9, first, 1 - first)
    t = np.column_stack([first, second]).astype(float)
    _, nodes = marginal_law(t, np.ones(4000), 0, False, [True, True]).nodes(slice(0, 2))
    cells = 2 * nodes[:, 0, 0] + nodes[:, 0, 1]
    found = np.bincount(cells.int().numpy(), minlength=4) / len(cells)
    shares = np.bincount((2 * first + second).astype(int), minlength=4) / 4000
    np.testing.assert_allclose(found, shares, atol=0.01)


def test_hessians_that_overflow_are_refused():
    model = GeneralizedLinear().setup(Doses(1), Kinds("count"))
    theta = np.tile([0.0, 0.1], (5, 1))
    theta[3] = 800.0
    law = MomentLaw(np.ones((5, 1)), np.ones((5, 1)), np.ones((1, 1)))
    with pytest.raises(ModelError, match=r"expected Hessian must be finite, but is not in row 3"):
        InfluenceFunction(model)(np.ones((5, 1)), np.ones((5, 1)), theta, law)


def test_nodes_of_several_doses_have_the_moments_of_their_law():
    rng = np.random.default_rng(10)
    correlation = np.array([[1, 0.6, -0.2], [0.6, 1, 0.1], [-0.2, 0.1, 1]])
    residual = rng.multivariate_normal(np.zeros(3), correlation, size=100_000)
    mean, sd = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))
    weight, t = NodeLaw.from_residuals(mean, sd, residual).nodes(slice(0, 4))
    np.testing.assert_allclose(weight.sum(0), 1)
    np.testing.assert_allclose((weight[..., None] * t).sum(0), mean, atol=1e-9)
    for i in range(4):
        covariance = np.cov(t[:, i].T, ddof=0)
        np.testing.assert_allclose(
            covariance, sd[i][:, None] * correlation * sd[i], atol=0.02 * sd[i].max() ** 2
        )


def test_hessian_of_a_logit_of_several_doses_is_near_its_integral():
    rng = np.random.default_rng(11)
    n, k = 50, 3
    mean, theta = np.tanh(rng.normal(size=(n, k))), 0.7 * rng.normal(size=(n, 1 + k))
    residual = rng.normal(size=(100_000, k))
    law = NodeLaw.from_residuals(mean, np.ones((n, k)), residual)
    model = GeneralizedLinear().setup(Doses(k), Kinds("binary"))
    found = LawHessian(law)(model, torch.as_tensor(theta), slice(0, n)).numpy()
    errors = []
    for i in range(n):
        b = np.column_stack([np.ones(len(residual)), mean[i] + residual])
        p = expit(b @ theta[i])
        exact = (b * (p * (1 - p))[:, None]).T @ b / len(b)
        root = np.linalg.cholesky(exact)
        ratio = np.linalg.solve(root, np.linalg.solve(root, found[i]).T)
        errors.append(np.abs(np.linalg.eigvalsh(ratio) - 1))
    assert np.mean(errors) < 0.12  # .2 for as many plain draws


def test_weights_count_in_the_law_of_residuals():
    rng = np.random.default_rng(12)
    residual = rng.exponential(size=(500, 2)) - 1
    weight = 1 + 3 * (residual[:, 0] > 0)
    moments = np.zeros((1, 2)), np.ones((1, 2))
    weighted = NodeLaw.from_residuals(*moments, residual, weight).steps
    repeated = NodeLaw.from_residuals(*moments, np.repeat(residual, weight, axis=0)).steps
    np.testing.assert_allclose(weighted, repeated, atol=0.05)
    unweighted = NodeLaw.from_residuals(*moments, residual).steps
    assert np.abs(unweighted - repeated).max() > 0.3


def test_a_randomised_treatment_of_0_and_1_has_no_other_doses():
    rng = np.random.default_rng(13)
    t = np.column_stack([rng.binomial(1, 0.3, size=4000), rng.normal(size=4000)])
    units = np.array([0.3, 0.0]), np.array([0.46, 1.0])
    law = marginal_law(t, np.ones(4000), 0, False, [True, False], units)
    _, nodes = law.nodes(slice(0, 5))
    chosen = nodes[..., 0].numpy() * 0.46 + 0.3
    assert set(np.unique(chosen.round(9))) == {0.0, 1.0}
    assert chosen.mean() == pytest.approx(0.3, abs=1 / 64 + 0.02)


def test_rows_solved_without_eigenvalues_agree_with_those_that_have_them():
    rng = np.random.default_rng(14)
    matrices = rng.normal(size=(300, 4, 9))
    matrices[:5, 3] = matrices[:5, 2] + 1e-4 * rng.normal(size=(5, 9))  # must be lifted
    hessian = torch.as_tensor(matrices @ matrices.transpose(0, 2, 1))
    score = torch.as_tensor(rng.normal(size=(300, 4)))
    whiten = whitening_of(hessian)
    exact, every, n_exact = solve_hessian(hessian, score, whiten)
    quick, some, n_quick = solve_hessian(hessian, score, whiten, every=50)
    torch.testing.assert_close(quick, exact, rtol=1e-9, atol=1e-11)
    assert n_quick == n_exact >= 5
    known = ~torch.isnan(some[:, 0])
    assert known[:5].all() and known[::50].all() and known.sum() < 100
    torch.testing.assert_close(some[known], every[known])


def test_balance_counts_rows_by_weights_and_clusters():
    rng = np.random.default_rng(15)
    n = 60
    X, theta = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    mean, sd = X[:, :1], np.ones((n, 1))
    t, y = mean + rng.normal(size=(n, 1)), rng.normal(size=(n, 1))
    weight = rng.integers(1, 5, size=n)
    model = Linear().setup(Doses(1), Kinds("continuous"))
    back = Affine(np.zeros((1, 2)), np.eye(2)[None])

    def weigh(rows, weight, cluster):
        law = LawHessian(MomentLaw(mean[rows], sd[rows], np.ones((1, 1))))
        target = MeanContrast(model, Contrast(np.zeros((1, 1, 1)), np.ones((1, 1, 1))), [0])
        known = model, y[rows], t[rows], theta[rows], law, back, np.ones(1), target, X[rows]
        return weigh_rows(*known, ["a", "b"], weight, cluster)["imbalance"]

    repeated = np.repeat(np.arange(n), weight)
    by_cluster = weigh(repeated, np.ones(len(repeated)), repeated)
    np.testing.assert_allclose(
        weigh(np.arange(n), weight.astype(float), None)[:, 0], by_cluster[:, 0], rtol=0.02
    )
    assert np.abs(weigh(np.arange(n), np.ones(n), None)[:, 0] / by_cluster[:, 0] - 1).max() > 0.1


def test_shapes_that_do_not_fit():
    model = GeneralizedLinear().setup(Doses(1), Kinds("continuous"))
    y, t = np.zeros((4, 1)), np.zeros((4, 1))
    with pytest.raises(ModelError, match=r"`theta` must have shape \(4, 2\), got \(4, 3\)"):
        InfluenceFunction(model)(y, t, np.zeros((4, 3)), np.zeros((4, 2, 2)))
    with pytest.raises(ModelError, match=r"`hessian` must have shape \(4, 2, 2\), or \(4, 2\)"):
        InfluenceFunction(model)(y, t, np.zeros((4, 2)), np.zeros((4, 3)))
    for name, arrays in {"y": (y[:, 0], t), "t": (y, t[:, 0])}.items():
        with pytest.raises(ModelError, match=rf"`{name}` must have shape \(4, 1\), got \(4,\)"):
            InfluenceFunction(model)(*arrays, np.zeros((4, 2)), np.ones((4, 2, 2)))


@pytest.mark.parametrize("kinds", [("continuous",), ("binary", "count"), ("count",)])
@pytest.mark.parametrize("basis", [None, "polynomial"])
def test_short_way_to_the_hessian_equals_differentiation(kinds, basis):
    rng = np.random.default_rng(10)
    model = GeneralizedLinear(basis=basis).setup(Doses(2), Kinds(*kinds))
    model.learn(np.ones((50, len(kinds))), rng.normal(size=(50, 2)), np.ones(50))
    theta = torch.as_tensor(0.3 * rng.normal(size=(7, model.n_params_)))
    weight = torch.as_tensor(rng.dirichlet(np.ones(5), size=7).T)
    t = torch.as_tensor(rng.normal(size=(5, 7, 2)))
    found = model.hessian_of_doses(theta, weight, t)
    for i in range(7):
        total = 0.0
        for q in range(5):
            y = model.batch_mean(theta[i], t[q, i])
            loss = lambda th, y=y, q=q, i=i: model.batch_loss(y, t[q, i], th)  # noqa: E731
            total = total + weight[q, i] * torch.autograd.functional.hessian(loss, theta[i])
        np.testing.assert_allclose(found[i], total, atol=1e-10)
