"""Structural models: losses, means, units and best constants against longhand formulas."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from scipy.special import expit, xlogy

from sklcausal.structural import Linear, PotentialOutcomes, StructuralModel


class Arms:
    kind, n_arms = "discrete", 2


class Doses:
    kind, names, n_arms = "simultaneous", ("a", "b"), 0


class Kinds:
    def __init__(self, *kinds):
        self.kinds, self.n_outcomes, self.has_missing = kinds, len(kinds), False
        self.one_dim = self.n_outcomes == 1


LOSS = {
    "continuous": lambda y, v: 0.5 * (y - v) ** 2,
    "binary": lambda y, v: np.log1p(np.exp(v)) - y * v,
    "count": lambda y, v: np.exp(v) - y * v - y + xlogy(y, y),
}


@pytest.mark.parametrize("kind", list(LOSS))
def test_loss_and_mean_of_arms(kind):
    rng = np.random.default_rng(0)
    theta, t, y = (
        rng.normal(size=(20, 2)),
        rng.integers(2, size=20),
        rng.integers(2, size=20) * 1.0,
    )
    model = PotentialOutcomes().setup(Arms(), Kinds(kind))
    own = theta[np.arange(20), t]
    rows = model.row_losses(y[:, None], t, theta)
    np.testing.assert_allclose(rows, LOSS[kind](y, own), rtol=1e-12)
    one = model.loss(torch.tensor([y[3]]), torch.tensor(t[3]), torch.tensor(theta[3]))
    assert float(one) == pytest.approx(rows[3])
    mean = {"continuous": own, "binary": expit(own), "count": np.exp(own)}[kind]
    found = model.batch_mean(torch.tensor(theta), torch.tensor(t))[:, 0]
    np.testing.assert_allclose(found, mean, rtol=1e-12)


def test_loss_and_mean_of_doses():
    rng = np.random.default_rng(1)
    theta, t, y = rng.normal(size=(20, 6)), rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    model = Linear().setup(Doses(), Kinds("continuous", "continuous"))
    parts = theta.reshape(20, 3, 2)
    mean = parts[:, 0] + np.einsum("nk,nkm->nm", t, parts[:, 1:])
    expected = 0.5 * ((y - mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.row_losses(y, t, theta), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", list(LOSS))
def test_best_constant_is_the_link_of_the_arms_mean(kind):
    rng = np.random.default_rng(2)
    t = rng.integers(2, size=500)
    y = rng.poisson(1 + t) if kind == "count" else rng.binomial(1, 0.3 + 0.3 * t)
    weight = rng.uniform(0.5, 2, size=500)
    model = PotentialOutcomes().setup(Arms(), Kinds(kind))
    found = model.best_constant(y[:, None].astype(float), t, weight)
    means = np.array([np.average(y[t == a], weights=weight[t == a]) for a in (0, 1)])
    back = {"continuous": found, "binary": expit(found), "count": np.exp(found)}[kind]
    np.testing.assert_allclose(back, means, atol=1e-6)


def test_best_constant_of_doses_is_least_squares():
    rng = np.random.default_rng(3)
    t = rng.normal(size=(200, 2))
    y = 1 + t @ [2.0, -1.0] + rng.normal(size=200)
    model = Linear().setup(Doses(), Kinds("continuous"))
    design = np.column_stack([np.ones(200), t])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(model.best_constant(y[:, None], t, None), expected, atol=1e-8)


class Exponential(StructuralModel):
    """A model of a user's own, written for one row."""

    n_params = 2

    def loss(self, y, t, theta):
        rate = torch.exp(theta[0] + theta[1] * t)
        return rate * y - torch.log(rate)

    def mean(self, theta, t):
        return torch.exp(-theta[0] - theta[1] * t)


def test_a_model_written_for_one_row_is_mapped_over_rows():
    model = Exponential().setup(Arms(), Kinds("continuous"))
    rng = np.random.default_rng(4)
    y, t, theta = (
        rng.exponential(size=(7, 1)),
        rng.integers(2, size=7) * 1.0,
        rng.normal(size=(7, 2)),
    )
    index = theta[:, 0] + theta[:, 1] * t
    np.testing.assert_allclose(model.row_losses(y, t, theta), np.exp(index) * y[:, 0] - index)
    members = torch.tensor(np.stack([theta, theta]))
    twice = model.batch_mean(members, torch.tensor(np.stack([t, t])))
    np.testing.assert_allclose(twice[1, :, 0], np.exp(-index))


def test_base_model_says_what_is_missing():
    with pytest.raises(NotImplementedError, match=r"StructuralModel must define `loss"):
        StructuralModel().loss(None, None, None)


def column_loss(y, t, theta):
    index = theta[0] + theta[1] * t
    return -y * torch.special.log_ndtr(index) - (1 - y) * torch.special.log_ndtr(-index)


def across_loss(y, t, theta):
    # the last axis of a row's theta is another than that of many rows
    return (y - torch.special.log_ndtr(torch.softmax(theta, -1)[0] * t)) ** 2


def summed_loss(y, t, theta):
    return (y - torch.special.log_ndtr(theta.sum() * t)) ** 2


def rarely_summed_loss(y, t, theta):
    # one of the rows that are looked at goes another way
    total = torch.where(t > 2.3, theta.sum(), theta[0])
    return (y - torch.special.log_ndtr(total + theta[1] * t)) ** 2


def plain_loss(y, t, theta):
    # vmap has rules for all of it, and does not loop
    return (y - theta[0] - theta[1] * t) ** 2


@pytest.mark.parametrize(
    ("function", "as_columns"),
    [
        (column_loss, True),
        (across_loss, False),
        (summed_loss, False),
        (rarely_summed_loss, False),
        (plain_loss, False),
    ],
)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_functions_are_called_with_columns_only_where_that_is_the_same(function, as_columns):
    class Own(StructuralModel):
        n_params = 2

        def loss(self, y, t, theta):
            return function(y, t, theta)

    class OneDose:
        kind, names, n_arms = "dose", ("a",), 0

    rng = np.random.default_rng(2)
    y, t = rng.integers(2, size=(3, 40, 1)) * 1.0, rng.normal(size=(3, 40, 1))
    theta = np.broadcast_to([0.3, -0.2], (3, 40, 2))  # as at the start of training
    model = Own().setup(OneDose(), Kinds("continuous"))
    found = model.batch_loss(*(torch.tensor(a) for a in (y, t, theta)))
    assert list(model.as_columns_.values()) == [as_columns]
    one_by_one = [
        float(function(torch.tensor(a[0]), torch.tensor(b[0]), torch.tensor(c)))
        for a, b, c in zip(y.reshape(-1, 1), t.reshape(-1, 1), theta.reshape(-1, 2), strict=True)
    ]
    np.testing.assert_allclose(found.numpy().ravel(), one_by_one, rtol=1e-12)
