"""Gradients and Hessians of every ready model against longhand formulas, in float64."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from sklcausal.exceptions import ModelError, TargetError
from sklcausal.structural import (
    FractionalLogit,
    Gamma,
    GeneralizedLinear,
    InteractionBasis,
    Linear,
    LogBasis,
    Logit,
    MultinomialLogit,
    NegativeBinomial,
    Poisson,
    PolynomialBasis,
    Probit,
    Quantile,
    SplineBasis,
    StructuralNet,
    Tobit,
)


class Arms:
    kind, n_arms, names = "discrete", 2, ("0", "1")


class Doses:
    kind, names, n_arms = "simultaneous", ("a", "b"), 0


class Kinds:
    def __init__(self, *kinds):
        self.kinds, self.n_outcomes, self.has_missing = kinds, len(kinds), False
        self.one_dim, self.names = self.n_outcomes == 1, tuple("yzw")[: len(kinds)]


def probit_score(v, y):
    return -norm.pdf(v) * (y - norm.cdf(v)) / (norm.cdf(v) * norm.cdf(-v))


def probit_hessian(v, y):
    one, none = norm.pdf(v) / norm.cdf(v), norm.pdf(v) / norm.cdf(-v)
    return np.where(y == 1, one * (one + v), none * (none - v))


A, Q, H = 0.7, 0.3, 0.5
# model, score and Hessian by the index, outcomes, mean
CASES = {
    "linear": (Linear(), lambda v, y: v - y, lambda v, y: 1 + 0 * v, "real", lambda v: v),
    "logit": (
        Logit(),
        lambda v, y: expit(v) - y,
        lambda v, y: expit(v) * expit(-v),
        "binary",
        expit,
    ),
    "probit": (Probit(), probit_score, probit_hessian, "binary", norm.cdf),
    "poisson": (Poisson(), lambda v, y: np.exp(v) - y, lambda v, y: np.exp(v), "count", np.exp),
    "gamma": (
        Gamma(),
        lambda v, y: 1 - y * np.exp(-v),
        lambda v, y: y * np.exp(-v),
        "positive",
        np.exp,
    ),
    "negative binomial": (
        NegativeBinomial(dispersion=A),
        lambda v, y: (y + 1 / A) * A * np.exp(v) / (1 + A * np.exp(v)) - y,
        lambda v, y: (y + 1 / A) * A * np.exp(v) / (1 + A * np.exp(v)) ** 2,
        "count",
        np.exp,
    ),
    "fractional": (
        FractionalLogit(),
        lambda v, y: expit(v) - y,
        lambda v, y: expit(v) * expit(-v),
        "share",
        expit,
    ),
    "quantile": (
        Quantile(quantile=Q, bandwidth=H),
        lambda v, y: norm.cdf(-(y - v) / H) - Q,
        lambda v, y: norm.pdf((y - v) / H) / H,
        "real",
        lambda v: v,
    ),
}
KIND = {"real": "continuous", "positive": "continuous", "share": "continuous"}


def draw(support, n=30):
    rng = np.random.default_rng(0)
    y = {
        "real": rng.normal(size=n),
        "binary": rng.integers(2, size=n) * 1.0,
        "count": rng.poisson(2.0, size=n) * 1.0,
        "positive": rng.gamma(2.0, size=n),
        "share": rng.uniform(size=n),
    }[support]
    return y, rng.normal(size=(n, 2)), rng.normal(size=(n, 3))


def derivatives(model, y, t, theta):
    at = torch.tensor(theta, requires_grad=True)
    score = model.batch_score(torch.tensor(y), torch.tensor(t), at)
    rows = [
        torch.autograd.grad(score[:, j].sum(), at, retain_graph=True)[0]
        for j in range(score.shape[1])
    ]
    return score.detach().numpy(), torch.stack(rows, dim=1).numpy()


@pytest.mark.parametrize("case", list(CASES))
def test_derivatives_of_doses(case):
    model, score, hessian, support, mean = CASES[case]
    y, t, theta = draw(support)
    model.setup(Doses(), Kinds(KIND.get(support, support)))
    b = np.column_stack([np.ones(30), t])
    v = (b * theta).sum(axis=1)
    found = derivatives(model, y[:, None], t, theta)
    np.testing.assert_allclose(found[0], score(v, y)[:, None] * b, atol=1e-10)
    expected = hessian(v, y)[:, None, None] * b[:, :, None] * b[:, None, :]
    np.testing.assert_allclose(found[1], expected, atol=1e-10)
    means = model.batch_mean(torch.tensor(theta), torch.tensor(t))[:, 0]
    np.testing.assert_allclose(means, mean(v), rtol=1e-12)


@pytest.mark.parametrize("case", list(CASES))
def test_arms_have_an_index_each(case):
    model, score, _, support, _ = CASES[case]
    y, _, theta = draw(support)
    arms, theta = np.arange(30) % 2, theta[:, :2]
    model.setup(Arms(), Kinds(KIND.get(support, support)))
    assert model.diagonal_hessian
    found = derivatives(model, y[:, None], arms, theta)[0]
    expected = np.zeros((30, 2))
    own = theta[np.arange(30), arms]
    expected[np.arange(30), arms] = score(own, y)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("case", ["poisson", "gamma", "negative binomial", "fractional"])
def test_a_perfect_fit_has_no_loss(case):
    model, _, _, support, _ = CASES[case]
    y = np.array([0.3, 0.6]) if support == "share" else np.array([1.0, 4.0])
    link = np.log if support != "share" else (lambda p: np.log(p / (1 - p)))
    model.setup(Arms(), Kinds(KIND.get(support, support)))
    theta = np.column_stack([link(y), link(y)])
    np.testing.assert_allclose(
        model.row_losses(y[:, None], np.array([0, 1]), theta), 0, atol=1e-12
    )


def test_tobit_equals_longhand():
    rng = np.random.default_rng(1)
    t, theta = rng.normal(size=(40, 2)), rng.normal(size=(40, 4)) * 0.5
    mu, sigma = theta[:, 0] + (t * theta[:, 1:3]).sum(axis=1), np.exp(theta[:, 3])
    y = np.clip(mu + sigma * rng.normal(size=40), -0.5, 1.0)
    model = Tobit(lower=-0.5, upper=1.0).setup(Doses(), Kinds("continuous"))
    z = (y - mu) / sigma
    loss = 0.5 * z**2 + theta[:, 3]
    low, high = (-0.5 - mu) / sigma, (1.0 - mu) / sigma
    loss = np.where(y == -0.5, -norm.logcdf(low), np.where(y == 1.0, -norm.logsf(high), loss))
    np.testing.assert_allclose(model.row_losses(y[:, None], t, theta), loss, rtol=1e-9)
    score, _ = derivatives(model, y[:, None], t, theta)
    by_mu = (mu - y) / sigma**2
    by_mu = np.where(y == -0.5, norm.pdf(low) / norm.cdf(low) / sigma, by_mu)
    by_mu = np.where(y == 1.0, -norm.pdf(high) / norm.sf(high) / sigma, by_mu)
    by_scale = np.where(y == -0.5, low * norm.pdf(low) / norm.cdf(low), 1 - z**2)
    by_scale = np.where(y == 1.0, -high * norm.pdf(high) / norm.sf(high), by_scale)
    np.testing.assert_allclose(score[:, 0], by_mu, rtol=1e-8)
    np.testing.assert_allclose(score[:, 2], by_mu * t[:, 1], rtol=1e-8)
    np.testing.assert_allclose(score[:, 3], by_scale, rtol=1e-8, atol=1e-12)
    mean = model.batch_mean(torch.tensor(theta[:1]), torch.tensor(t[:1])).item()
    numeric = quad(
        lambda e: np.clip(mu[0] + sigma[0] * e, -0.5, 1) * norm.pdf(e), -9, 9, limit=200
    )
    assert mean == pytest.approx(numeric[0], abs=1e-7)


def test_outcomes_of_tobit_average_to_its_mean():
    model = Tobit().setup(Arms(), Kinds("continuous"))
    theta = torch.tensor([[0.5, -1.0, 0.3]], dtype=torch.float64)
    nodes = model.outcome_nodes(theta, torch.tensor([1]))
    assert sum(share for share, _ in nodes) == pytest.approx(1)
    mean = sum(share * y.item() for share, y in nodes)
    assert mean == pytest.approx(model.batch_mean(theta, torch.tensor([1])).item(), abs=5e-3)


def test_multinomial_equals_longhand():
    class Prices:
        kind, n_arms, names = "simultaneous", 0, tuple("abcdef")

    rng = np.random.default_rng(2)
    t, theta = rng.normal(size=(20, 6)), rng.normal(size=(20, 4))
    y = np.eye(3)[rng.integers(3, size=20)]
    model = MultinomialLogit().setup(Prices(), Kinds("choice", "choice", "choice"))
    attributes = t.reshape(20, 3, 2)
    u = np.einsum("nja,na->nj", attributes, theta[:, :2])
    u[:, 1:] += theta[:, 2:]
    p = np.exp(u) / np.exp(u).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.batch_mean(torch.tensor(theta), torch.tensor(t)), p, rtol=1e-9
    )
    score, hessian = derivatives(model, y, t, theta)
    by_alternative = np.concatenate([attributes, np.tile(np.eye(3)[:, 1:], (20, 1, 1))], axis=2)
    np.testing.assert_allclose(score, np.einsum("nj,njp->np", p - y, by_alternative), atol=1e-10)
    spread = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]
    expected = np.einsum("njp,njk,nkq->npq", by_alternative, spread, by_alternative)
    np.testing.assert_allclose(hessian, expected, atol=1e-10)


# -- bases ------------------------------------------------------------------------------------


def columns(basis, t):
    return basis.fit(t)(torch.tensor(t)).numpy()


def test_polynomials_and_interactions():
    t = np.random.default_rng(3).normal(5, 2, size=(200, 2))
    z = (t - t.mean(axis=0)) / t.std(axis=0)
    np.testing.assert_allclose(columns(PolynomialBasis(degree=3), t), np.hstack([z, z**2, z**3]))
    expected = np.column_stack([z, z[:, 0] * z[:, 1]])
    np.testing.assert_allclose(columns(InteractionBasis(), t), expected)


def test_splines_are_linear_beyond_their_knots():
    t = np.random.default_rng(4).normal(5, 2, size=(500, 1))
    basis = SplineBasis(n_knots=5).fit(t)
    assert basis.n_columns_ == 4
    for end in (-50.0, 50.0):
        far = torch.tensor([[end], [end + 1], [end + 2]], dtype=torch.float64)
        second = basis(far)[2] - 2 * basis(far)[1] + basis(far)[0]
        np.testing.assert_allclose(second, 0, atol=1e-8)
    inside = torch.linspace(2, 8, 50, dtype=torch.float64)[:, None]
    assert np.linalg.matrix_rank(np.column_stack([np.ones(50), basis(inside)])) == 5


def test_logarithms_leave_slopes_alone():
    t = np.random.default_rng(5).uniform(1, 9, size=(100, 1))
    found = columns(LogBasis(), t)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(np.diff(found[:, 0]), np.diff(np.log(t[:, 0])))
    with pytest.raises(TargetError, match=r"`T` must be positive for LogBasis, got -"):
        LogBasis().fit(t - 5)


def test_models_take_a_basis():
    t = np.random.default_rng(6).normal(size=(50, 2))
    model = GeneralizedLinear(basis="interactions").setup(Doses(), Kinds("continuous", "count"))
    model.learn(np.ones((50, 2)), t, np.ones(50))
    assert model.n_params_ == 8
    assert model.linear_design(t) is None  # one link is not the identity
    plain = Linear(basis=PolynomialBasis()).setup(Doses(), Kinds("continuous"))
    plain.learn(np.ones((50, 1)), t, np.ones(50))
    assert plain.linear_design(t).shape == (50, 4)


# -- what does not fit ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (Gamma(), np.array([0.0, 1.0, 2.0] * 10), r"`y` must be larger than 0 for Gamma, got 0"),
        (FractionalLogit(), np.arange(30) / 20, r"between 0 and 1 for FractionalLogit, got 0 to"),
        (Tobit(lower=1.0), np.arange(30.0), r"`y` must lie between 1 and inf for Tobit"),
        (Tobit(lower=None), np.arange(30.0), r"`lower` must be below `upper` and one of them"),
        (
            Quantile(quantile=1.5),
            np.arange(30.0),
            r"'quantile' parameter of Quantile must be",
        ),
        (Quantile(bandwidth=0.0), np.arange(30.0), r"'bandwidth' parameter of Quantile must be"),
        (NegativeBinomial(dispersion=-1), np.arange(30), r"'dispersion' parameter of NegativeB"),
        (Linear(basis="fourier"), np.arange(30.0), r"'basis' parameter of Linear must be"),
        (Logit(), np.arange(30.0), r"`y` must hold 0 and 1 for outcome='binary', got \[2"),
        (MultinomialLogit(), np.array(list("abc") * 10), r"`T` must hold the same number of"),
    ],
)
def test_what_a_model_does_not_take(model, y, message):
    rng = np.random.default_rng(7)
    X, T = rng.normal(size=(30, 2)), rng.normal(size=30)
    with pytest.raises((TargetError, ModelError, ValueError), match=message):
        StructuralNet(model=model, n_folds=2, max_epochs=1).fit(X, T, y)


def test_arms_need_no_basis():
    X, T = np.random.default_rng(8).normal(size=(30, 2)), np.arange(30) % 2
    with pytest.raises(TargetError, match=r"`basis` goes with doses, but `T` was read as arms"):
        StructuralNet(model=Linear(basis="log"), n_folds=2, max_epochs=1).fit(X, T, X[:, 0])
