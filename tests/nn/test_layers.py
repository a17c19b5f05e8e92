"""Parts with a member axis."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from _longhand import silu, silu_or_growth
from torch import nn

from sklcausal.nn import MemberLinear, MultiHeadMLP
from sklcausal.nn._activations import activations_of
from sklcausal.nn._layers import reset_members


@pytest.fixture(scope="module")
def body():
    module = MultiHeadMLP(3, 4, n_heads=2, n_out=2, trunk_widths=(5,), head_widths=(6, 3))
    reset_members(module, [10, 11, 12])
    return module


def test_trunk_and_heads_equal_longhand(body):
    z = np.random.default_rng(0).normal(size=(3, 7, 4)).astype(np.float32)
    output, features = (v.detach().numpy() for v in body(torch.as_tensor(z))[:2])
    w = {name: p.detach().numpy() for name, p in body.named_parameters()}
    assert output.shape == (3, 7, 4)
    for k in range(3):
        h = silu(z[k] @ w["trunk.layers.0.weight"][k] + w["trunk.layers.0.bias"][k])
        first = h @ w["heads.first.layers.0.weight"][k] + w["heads.first.layers.0.bias"][k]
        for head in range(2):
            own = silu(first[:, 6 * head : 6 * head + 6])
            rest = "heads.rest.layers.0"
            own = silu(own @ w[f"{rest}.weight"][k, head] + w[f"{rest}.bias"][k, head])
            np.testing.assert_allclose(features[k, :, head], own, atol=1e-6)
            last = own @ w["heads.last.weight"][k, head] + w["heads.last.bias"][k, head]
            np.testing.assert_allclose(output[k, :, 2 * head : 2 * head + 2], last, atol=1e-6)


def test_a_member_starts_from_its_own_seed(body):
    alone = MultiHeadMLP(1, 4, n_heads=2, n_out=2, trunk_widths=(5,), head_widths=(6, 3))
    reset_members(alone, [11])
    for (name, many), one in zip(body.named_parameters(), alone.parameters(), strict=True):
        np.testing.assert_array_equal(many[1].detach(), one[0].detach(), err_msg=name)


def test_a_part_that_cannot_be_reset_is_refused():
    with pytest.raises(TypeError, match=r"Linear must define `reset_member\(member, generator\)`"):
        reset_members(nn.Sequential(MemberLinear(2, 3, 3), nn.Linear(3, 3)), [0, 1])


# -- units that grow exponentially ------------------------------------------------------------


def last_hidden_layers(activation, trunk, heads):
    """Return the last hidden layers of two heads before and after the activation, by head."""
    settings = {"n_heads": 2, "n_out": 1, "trunk_widths": trunk, "head_widths": heads}
    module = MultiHeadMLP(2, 4, **settings, activation=activation)
    reset_members(module, [1, 2])
    before = []
    last = [m for m in module.modules() if isinstance(m, MemberLinear)][-2]
    last.register_forward_hook(lambda _, __, out: before.append(out.numpy()))
    with torch.no_grad():
        after = module(3 * torch.randn((2, 50, 4), generator=torch.Generator().manual_seed(0)))
    (found,) = before
    if found.ndim == 3 and heads:  # the layers of both heads stand side by side
        found = found.reshape(2, 50, 2, -1).swapaxes(1, 2)
    return found, after.features.numpy().swapaxes(1, 2)


@pytest.mark.parametrize("sizes", [((), (6,)), ((), (5,)), ((5,), (6, 3)), ((5,), (3, 5))])
def test_half_of_the_last_hidden_layer_of_every_head_grows(sizes):
    plain, grown = (last_hidden_layers(name, *sizes) for name in ("silu", "silu_exp"))
    np.testing.assert_array_equal(plain[0], grown[0])  # layers before it are the same
    expected = silu_or_growth(grown[0].astype(float))
    np.testing.assert_allclose(grown[1], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(grown[1] - plain[1]).max() > 0.1


def test_nothing_grows_without_hidden_layers_of_heads():
    plain, grown = (last_hidden_layers(name, (5, 4), ()) for name in ("silu", "silu_exp"))
    np.testing.assert_array_equal(plain[1], grown[1])


def test_growth_goes_on_in_a_straight_line():
    x = torch.linspace(-4.0, 8.0, 2401, dtype=torch.float64)[:, None].requires_grad_()
    (activation,) = activations_of("silu_exp", 1, before_output=True)
    y = activation(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    at = x.detach().numpy()[:, 0]
    np.testing.assert_allclose(slope[:, 0], np.exp(np.minimum(at, 3)), rtol=1e-9)
    assert np.abs(np.diff(y.detach().numpy()[:, 0])).max() < 0.11  # no jump where it bends
