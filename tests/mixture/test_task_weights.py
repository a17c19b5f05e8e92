"""Weights of outcomes in training."""

# SPDX-License-Identifier: BSD-3-Clause

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _mixtures import TINY

from sklcausal._task_weights import ASYMMETRY, gradient_weights, uncertainty_weights
from sklcausal.datasets import make_multi_treatment_outcome
from sklcausal.mixture import MOTTO
from sklcausal.nn import Outputs, TaskWeights


def module_with(value, n_outcomes=2):
    weights = TaskWeights(1, n_outcomes)
    weights.value.data[:] = torch.tensor(value)
    layer = SimpleNamespace(weight=torch.nn.Parameter(torch.tensor([[[1.0], [2.0]]])))
    trunk = SimpleNamespace(own_layers=[layer])
    return SimpleNamespace(
        body=SimpleNamespace(task_weights=weights, trunk=trunk), theta=lambda: torch.zeros(1, 1, 2)
    ), layer.weight


def test_uncertainty_weights_equal_longhand():
    losses, s = np.array([[2.0, 3.0], [1.0, 0.5]]), np.array([[0.5, -1.0], [0.0, 2.0]])
    weights = TaskWeights(2, 2)
    weights.value.data[:] = torch.as_tensor(s)
    module = SimpleNamespace(body=SimpleNamespace(task_weights=weights))
    own = uncertainty_weights(lambda out, batch: torch.as_tensor(losses))(module, None, None, 0)
    total = own.detach().numpy() + losses.sum(axis=1)
    np.testing.assert_allclose(total, (np.exp(-s) * losses + s / 2).sum(axis=1), rtol=1e-6)


def test_gradient_weights_equal_longhand():
    module, shared = module_with([0.3, -0.2])

    def losses(out, batch):
        if out.theta.abs().sum() == 0:  # at the start
            return torch.tensor([[4.0, 10.0]])
        a, b = shared[0, :, 0]
        return torch.stack([a**2 + 0 * b, 5 * b + a]).unsqueeze(0)

    out = Outputs(torch.ones(1, 3, 2), None, None)
    penalty = gradient_weights(losses)(module, out, None, 0)
    value = module.body.task_weights.value
    penalty.sum().backward()
    v = np.array([0.3, -0.2])
    w = 2 * np.exp(v) / np.exp(v).sum()
    loss, norm = np.array([1.0, 11.0]), np.array([2.0, np.sqrt(26.0)])
    rate = (loss / [4.0, 10.0]) / (loss / [4.0, 10.0]).mean()
    target = (w * norm).mean() * rate**ASYMMETRY
    # the weights learn by the imbalance alone: dw/dv of a softmax times sign times norm
    jacobian = np.diag(w) - np.outer(w, w) / 2
    wanted = jacobian @ (np.sign(w * norm - target) * norm)
    np.testing.assert_allclose(value.grad[0].numpy(), wanted, rtol=1e-5)
    # and the network by the weighted losses, of which the objective holds the plain sum
    np.testing.assert_allclose(
        shared.grad[0, :, 0].numpy(), (w - 1) @ np.array([[2.0, 0.0], [1.0, 5.0]]), rtol=1e-5
    )


@pytest.fixture(scope="module")
def noisy():
    """One outcome that can be learned, and one that cannot."""
    data = make_multi_treatment_outcome(300, random_state=0)
    data.y[:, 1] = np.random.default_rng(0).normal(size=300)
    return data


def learned(data, weighting, **settings):
    own = {**TINY, "max_epochs": 40, "lr": 0.02, "task_weighting": weighting, **settings}
    est = MOTTO(**own).fit(data.X, data.T, data.y)
    return est.theta_net_.ensemble.weights().get("body.task_weights.value")


def test_uncertainty_of_what_cannot_be_learned_is_larger(noisy):
    value = learned(noisy, "uncertainty")
    assert value.shape == (2, 2)
    assert (value[:, 1] > value[:, 0] + 0.1).all()


def test_gradients_favour_what_lags_behind(noisy):
    value = learned(noisy, "gradnorm")
    assert (value[:, 1] > value[:, 0] + 0.1).all()


def test_without_weights_there_are_none(noisy):
    assert learned(noisy, None, max_epochs=1) is None
    # nor in a network for effects, whose loss does not weigh outcomes
    settings = {**TINY, "max_epochs": 1, "task_weighting": "uncertainty", "modifiers": [0]}
    est = MOTTO(**settings).fit(noisy.X, noisy.T, noisy.y)
    assert "body.task_weights.value" not in est.effect_net_.ensemble.weights()


def test_gradients_need_a_shared_layer(noisy):
    settings = {**TINY, "task_weighting": "gradnorm", "representation_widths": ()}
    with pytest.raises(ValueError, match="`representation_widths` must name at least 1 layer"):
        MOTTO(**settings).fit(noisy.X, noisy.T, noisy.y)
