"""Parts with a member axis."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from torch import nn

from sklcausal.nn import MemberLinear, MultiHeadMLP
from sklcausal.nn._layers import reset_members


def silu(x):
    return x / (1 + np.exp(-x))


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
