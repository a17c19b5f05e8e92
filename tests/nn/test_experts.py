"""Experts of a grid, and gates that mix them."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from _longhand import silu

from sklcausal.nn import ExpertGrid, MixtureMLP
from sklcausal.nn._layers import reset_members
from sklcausal.nn._state import weights_by_arm

TREATMENT = "treatment-shared"
N_ARMS, N_OUTCOMES, N_MEMBERS = 3, 2, 2
COUNTS = {
    "private": {"n_private": 2},
    "outcome-shared": {"n_outcome_shared": 2},
    "treatment-shared": {"n_treatment_shared": 2},
    "global": {"n_global": 2},
    "all kinds": {
        "n_private": 1,
        "n_outcome_shared": 2,
        "n_treatment_shared": 1,
        "n_global": 3,
    },
}


def build(counts, **settings):
    grid = ExpertGrid(N_ARMS, N_OUTCOMES, **counts)
    own = {"expert_widths": (6, 4), "trunk_widths": (5,), "head_widths": (3,)}
    module = MixtureMLP(N_MEMBERS, 4, grid=grid, **own | settings)
    reset_members(module, range(N_MEMBERS))
    return module.double()


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def parameters(module, member):
    return {name: p.detach().numpy()[member] for name, p in module.named_parameters()}


def experts_in_order(counts):
    """List experts as (kind, arm, outcome), None where they share."""
    arms, outcomes = range(N_ARMS), range(N_OUTCOMES)
    found = []
    for a in arms:
        for m in outcomes:
            found += [("S", a, m)] * counts.get("n_private", 0)
    for a in arms:
        found += [("O", a, None)] * counts.get("n_outcome_shared", 0)
    for m in outcomes:
        found += [("R", None, m)] * counts.get("n_treatment_shared", 0)
    return found + [("G", None, None)] * counts.get("n_global", 0)


def heard_by(experts, listener):
    """Number the experts that a listener hears: S, O, R, G, each in order."""
    what, a, m = listener

    def hears(kind, of_arm, of_outcome):
        if what == "cell":
            return of_arm in (a, None) and of_outcome in (m, None)
        if what == "arm":
            return kind != "R" and of_arm in (a, None)
        if what == "outcome":
            return kind != "O" and of_outcome in (m, None)
        return True

    return [i for i, expert in enumerate(experts) if hears(*expert)]


def layer_of_expert(w, name, e, i):
    """Take out weight and bias of layer i of an expert of widths 6 and 4."""
    if f"{name}.layers.0.weight" in w:  # every expert reads an input of its own
        return w[f"{name}.layers.{i}.weight"][e], w[f"{name}.layers.{i}.bias"][e]
    if i:
        return w[f"{name}.rest.layers.0.weight"][e], w[f"{name}.rest.layers.0.bias"][e]
    own = slice(6 * e, 6 * e + 6)
    return w[f"{name}.first.layers.0.weight"][:, own], w[f"{name}.first.layers.0.bias"][:, own]


def longhand(module, z, counts, n_layers, member, n_cross=0):
    """Compute the cells' outputs and the last gates of cells, expert by expert, cell by cell."""
    w, experts = parameters(module, member), experts_in_order(counts)
    h = silu(z @ w["trunk.layers.0.weight"] + w["trunk.layers.0.bias"])
    listeners = {
        "cell": [("cell", a, m) for a in range(N_ARMS) for m in range(N_OUTCOMES)],
        "arm": [("arm", a, None) for a in range(N_ARMS)],
        "outcome": [("outcome", None, m) for m in range(N_OUTCOMES)],
        "all": [("all", None, None)],
    }
    inputs = {one: h for many in listeners.values() for one in many}
    reader = {"S": "cell", "O": "arm", "R": "outcome", "G": "all"}
    for layer in range(n_layers):
        said = []
        for e, (kind, a, m) in enumerate(experts):
            x = start = inputs[reader[kind], a, m]
            for c in range(n_cross):
                name = f"layers.{layer}.cross.layers.{c}"
                x = start * (x @ w[f"{name}.weight"][e] + w[f"{name}.bias"][e]) + x
            for i in range(2):
                W, b = layer_of_expert(w, f"layers.{layer}.experts", e, i)
                x = silu(x @ W + b)
            said.append(x)
        mixed, gates = {}, []
        for what, many in listeners.items():
            if f"layers.{layer}.gates.{what}.last.weight" not in w:
                continue
            for g, listener in enumerate(many):
                heard = heard_by(experts, listener)
                W, b = (w[f"layers.{layer}.gates.{what}.last.{n}"] for n in ("weight", "bias"))
                if W.ndim == 2:  # all gates side by side
                    own = slice(g * len(heard), (g + 1) * len(heard))
                    W, b = W[:, own], b[:, own]
                else:
                    W, b = W[g], b[g]
                weight = softmax(inputs[listener] @ W + b)
                mixed[listener] = sum(weight[:, [j]] * said[e] for j, e in enumerate(heard))
                if what == "cell":
                    gates.append(weight)
        inputs = mixed
    out = []
    for c, cell in enumerate(listeners["cell"]):
        hidden = silu(inputs[cell] @ w["heads.layers.0.weight"][c] + w["heads.layers.0.bias"][c])
        out.append(hidden @ w["last.weight"][c] + w["last.bias"][c])
    return np.hstack(out), np.stack(gates, axis=1)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("kind", COUNTS)
def test_every_kind_of_expert_equals_longhand(kind, n_layers):
    counts = COUNTS[kind]
    module = build(counts, n_layers=n_layers)
    z = np.random.default_rng(0).normal(size=(N_MEMBERS, 7, 4))
    out = module(torch.as_tensor(z))
    gates = module.expert_weights(torch.as_tensor(z)).detach().numpy()
    for k in range(N_MEMBERS):
        theta, weights = longhand(module, z[k], counts, n_layers, k)
        np.testing.assert_allclose(out.theta[k].detach().numpy(), theta, atol=1e-12)
        flat = gates[k].reshape(7, N_ARMS * N_OUTCOMES, -1)
        np.testing.assert_allclose(flat, weights, atol=1e-12)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_products_in_front_of_experts_equal_longhand(n_layers):
    counts = COUNTS["all kinds"]
    module = build(counts, n_layers=n_layers, n_cross=2, trunk_widths=(4,))
    z = np.random.default_rng(1).normal(size=(N_MEMBERS, 5, 4))
    theta = module(torch.as_tensor(z)).theta.detach().numpy()
    wanted, _ = longhand(module, z[1], counts, n_layers, 1, n_cross=2)
    np.testing.assert_allclose(theta[1], wanted, atol=1e-12)


def test_gates_with_hidden_layers_weigh_as_longhand():
    module = build(COUNTS["global"], gate_widths=(3,))
    z = np.random.default_rng(2).normal(size=(N_MEMBERS, 5, 4))
    found = module.expert_weights(torch.as_tensor(z)).detach().numpy()
    w = parameters(module, 0)
    h = silu(z[0] @ w["trunk.layers.0.weight"] + w["trunk.layers.0.bias"])
    name = "layers.0.gates.cell"
    for g in range(N_ARMS * N_OUTCOMES):
        first, own = f"{name}.hidden.first.layers.0", slice(3 * g, 3 * g + 3)
        hidden = silu(h @ w[f"{first}.weight"][:, own] + w[f"{first}.bias"][:, own])
        wanted = softmax(hidden @ w[f"{name}.last.weight"][g] + w[f"{name}.last.bias"][g])
        np.testing.assert_allclose(
            found[0, :, g // N_OUTCOMES, g % N_OUTCOMES], wanted, atol=1e-12
        )


def test_representation_is_what_treatment_shared_experts_say():
    counts = {"n_treatment_shared": 2, "n_global": 1}
    module = build(counts, expert_widths=(6, 4))
    z = torch.as_tensor(np.random.default_rng(3).normal(size=(N_MEMBERS, 5, 4)))
    shared = module(z).representation
    assert shared.shape == (N_MEMBERS, 5, N_OUTCOMES * 2 * 4)
    said = module.layers[0].ask({"all": module.trunk(z)})["treatment-shared"]
    for m in range(N_OUTCOMES):
        for k in range(2):
            own = shared.unflatten(-1, (N_OUTCOMES, 2, 4))[:, :, m, k]
            assert torch.equal(own, said[:, 0, m, k])
    assert build(COUNTS["global"])(z).representation is None


def test_members_do_not_meet():
    module = build(COUNTS["all kinds"], n_layers=2)
    z = torch.as_tensor(np.random.default_rng(4).normal(size=(N_MEMBERS, 5, 4)))
    z.requires_grad_(True)
    module(z).theta[0].sum().backward()
    assert z.grad[0].abs().max() > 0
    assert (z.grad[1] == 0).all()


@pytest.mark.parametrize("kind", ["outcome-shared", "treatment-shared", "global"])
def test_parameters_of_experts_do_not_grow_with_arms_times_outcomes(kind):
    def count(n_arms, n_outcomes):
        grid = ExpertGrid(n_arms, n_outcomes, **COUNTS[kind])
        module = MixtureMLP(1, 4, grid=grid, expert_widths=(6, 4))
        return sum(p.numel() for p in module.layers[0].experts.parameters())

    one = 4 * 6 + 6 + 6 * 4 + 4  # parameters of an expert
    per_arm, per_outcome = (2 * one * (kind == own) for own in ("outcome-shared", TREATMENT))
    assert count(8, 4) - count(4, 4) == 4 * per_arm
    assert count(8, 8) - count(8, 4) == 4 * per_outcome
    assert count(16, 16) == count(1, 1) + 15 * (per_arm + per_outcome)


@pytest.mark.parametrize("settings", [{}, {"n_layers": 2, "gate_widths": (3,)}, {"n_cross": 1}])
def test_cells_of_an_outcome_are_alike_if_all_that_belongs_to_arms_is(settings):
    module = build(COUNTS["all kinds"], **settings)
    z = torch.as_tensor(np.random.default_rng(5).normal(size=(N_MEMBERS, 5, 4)))

    def spread():
        cells = module(z).theta.detach().unflatten(-1, (N_ARMS, N_OUTCOMES))
        return (cells - cells[:, :, :1]).abs().amax((0, 1, 2)).min()

    assert spread() > 0.01
    for own in weights_by_arm(module):
        assert own.shape[:2] == (N_MEMBERS, N_ARMS)
        own.copy_(own.mean(1, keepdim=True).expand_as(own))
    for name, value in module.named_parameters():  # biases are not theirs to keep apart
        value.data.mul_(0.0 if name.endswith("bias") else 1.0)
    assert spread() < 1e-12
