"""Weights made by a network: longhand, starts, members apart, spectral norms and dropout."""

# SPDX-License-Identifier: BSD-3-Clause

import copy
import pickle
import re

import numpy as np
import pytest
import torch

from sklcausal.nn._dropout import MemberDropout
from sklcausal.nn._hyper_network import GENERATIONS, HyperNetwork
from sklcausal.nn._layers import reset_members
from sklcausal.nn._spectral import MemberSpectralLinear

LAYERS = [(3, 4), (4, 2), (2, 1)]  # 16, 10 and 3 weights
FEATURES = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.2, 0.1]])
SEEDS = [10, 11, 12]
PUBLISHED = [(25, 100), (100, 100), (100, 1)]


def make(seeds=SEEDS, layers=LAYERS, **settings):
    settings = {"embedding_dim": 5, "widths": (7, 6), "n_chunks": 4, **settings}
    module = HyperNetwork(len(seeds), 3, layers, **settings)
    reset_members(module, seeds)
    return module


def inputs(module):
    return () if module.n_features is None else (FEATURES,)


def weights_of(module):
    return {name: p.detach().numpy().astype(float) for name, p in module.named_parameters()}


def cut(module, positions):
    """Keep some members, as the trainer does."""
    for part in module.modules():
        for name, p in part.named_parameters(recurse=False):
            setattr(part, name, torch.nn.Parameter(p.detach()[positions]))
        for name, value in list(part.named_buffers(recurse=False)):
            if name not in getattr(part, "shared_buffers", ()):
                setattr(part, name, value[positions])
        if hasattr(part, "keep_members"):
            part.keep_members(positions)


def affine(w, name, member, head, x, spectral):
    at = member if head is None else (member, head)
    weight = w[f"{name}.weight"][at]
    norm = np.linalg.svd(weight, compute_uv=False)[0] if spectral else 1.0
    return x @ weight / norm + w[f"{name}.bias"][at][0]


def longhand(module, member, target, place, head, spectral):
    """Compute the block of one place or head for one target."""
    w = weights_of(module)
    if module.n_features is None:
        x = w["embedding.weight"][member, place, target]
    else:
        weight, bias = w["embedding.weight"], w["embedding.bias"]
        x = FEATURES[target].numpy() @ weight[member, place] + bias[member, place, 0]
    second = "hidden.trunk.layers.1" if head is None else "hidden.heads.layers.0"
    x = np.maximum(affine(w, "hidden.trunk.layers.0", member, None, x, spectral), 0)
    x = np.maximum(affine(w, second, member, head, x, spectral), 0)
    return affine(w, "output", member, head, module.gain * x, spectral)


def longhand_vector(module, member, target, spectral):
    sizes = [(n_in + 1) * n_out for n_in, n_out in LAYERS]
    scale = [1 / np.sqrt(n_in / 2) for n_in, _ in LAYERS]  # 2 is the smallest n_in
    if module.generation == "layerwise":
        blocks = [longhand(module, member, target, k, None, spectral) for k in range(3)]
        return np.concatenate([blocks[k][:n] * scale[k] for k, n in enumerate(sizes)])
    places = range(4 if module.generation == "chunked" else 1)
    heads = [0, 1] if module.generation == "split" else [None]
    blocks = [longhand(module, member, target, p, h, spectral) for p in places for h in heads]
    return np.concatenate(blocks)[: sum(sizes)] * np.repeat(scale, sizes)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("n_features", [None, 2])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_weights_equal_longhand(generation, n_features, spectral):
    module = make(generation=generation, n_features=n_features, spectral_norm=spectral).eval()
    made = [(w.detach().numpy(), b.detach().numpy()) for w, b in module(*inputs(module))]
    flat = module.vectors(*inputs(module)).detach().numpy()
    assert flat.shape == (3, 3, 29)
    for member in range(3):
        for target in range(3):
            vector = longhand_vector(module, member, target, spectral)
            np.testing.assert_allclose(flat[member, target], vector, atol=1e-5)
            start = 0
            for (n_in, n_out), (weight, bias) in zip(LAYERS, made, strict=True):
                end = start + n_in * n_out
                expected = vector[start:end].reshape(n_in, n_out)
                np.testing.assert_allclose(weight[member, target], expected, atol=1e-5)
                expected = vector[None, end : end + n_out]
                np.testing.assert_allclose(bias[member, target], expected, atol=1e-5)
                assert len(np.unique(bias[member, target])) == n_out
                start = end + n_out


def test_an_embedding_of_a_layer_makes_this_layer_only():
    module = make(generation="layerwise").eval()
    before = module()
    with torch.no_grad():
        module.embedding.weight[:, 1] += 1
    for k, (old, new) in enumerate(zip(before, module(), strict=True)):
        for one, other in zip(old, new, strict=True):
            assert bool((one == other).all()) == (k != 1)
            assert bool((one != other).any((-2, -1)).all()) == (k == 1)


def test_a_chunk_embedding_makes_its_own_stretch():
    module = make(generation="chunked").eval()
    before = module.vectors()
    with torch.no_grad():
        module.embedding.weight[:, 2] += 1
    differs = (module.vectors() != before).any(0).any(0)
    assert differs.nonzero().flatten().tolist() == list(range(16, 24))


def test_chunks_that_would_be_dropped_whole_have_no_embedding():
    module = make(layers=[(2, 4)], n_chunks=10, generation="chunked")
    assert module.embedding.weight.shape == (3, 6, 3, 5)
    assert module.vectors().shape == (3, 3, 12)


def test_published_sizes():
    sizes = {"all": 1_303_917, "split": 663_918, "chunked": 141_501}
    for generation, expected in sizes.items():
        dim = 16 if generation == "chunked" else 8
        module = HyperNetwork(1, 2, PUBLISHED, generation=generation, embedding_dim=dim)
        assert sum(p.numel() for p in module.parameters()) == expected


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("n_features", [None, 2])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_start_has_the_spread_of_plain_layers(generation, n_features, spectral):
    settings = {"generation": generation, "n_features": n_features, "spectral_norm": spectral}
    layers = [(25, 40), (40, 40), (40, 10)]
    module = make(range(20), layers, **settings, embedding_dim=8, widths=(50, 50)).eval()
    with torch.no_grad():
        made = module(*inputs(module))
    for (n_in, _), (weight, bias) in zip(layers, made, strict=True):
        plain = 1 / np.sqrt(3 * n_in)
        assert float(weight.std()) / plain == pytest.approx(1, abs=0.2)
        assert float(bias.std()) / plain == pytest.approx(1, abs=0.3)
        apart = (weight[:, 0] - weight[:, 1]).std() / plain / np.sqrt(2)
        assert 0.04 < apart < 0.25


@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("generation", ["chunked", "layerwise"])
def test_pieces_start_unrelated(generation, activation):
    module = make(
        range(20), [(40, 40)] * 4, generation=generation, activation=activation, widths=(50,)
    ).eval()
    with torch.no_grad():
        blocks = module.vectors()[:, 0].unflatten(-1, (4, -1)).numpy()
    related = np.mean([np.corrcoef(own)[np.triu_indices(4, 1)].mean() for own in blocks])
    assert abs(related) < 0.15


@pytest.mark.parametrize("n_features", [None, 2])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_member_is_the_same_alone_and_beside_others(generation, n_features):
    settings = {"generation": generation, "n_features": n_features}
    settings |= {"spectral_norm": True, "dropout": 0.3}
    many, alone = make(**settings), make(SEEDS[1:2], **settings)
    state = alone.state_dict()
    assert state.keys() == many.state_dict().keys()
    for name, value in many.state_dict().items():
        np.testing.assert_array_equal(value[1], state[name][0], err_msg=name)
    # masks and power iterations in training
    x = inputs(many)
    for _ in range(2):
        torch.testing.assert_close(many.vectors(*x)[1], alone.vectors(*x)[0])
    cut(many, [1, 2])
    torch.testing.assert_close(many.vectors(*x)[0], alone.vectors(*x)[0])
    cut(many, [0])
    torch.testing.assert_close(many.vectors(*x), alone.vectors(*x))


def test_other_members_do_not_reach_a_start():
    settings = {"generation": "chunked", "spectral_norm": True}
    module, expected = make(**settings), make(**settings).state_dict()
    with torch.no_grad():
        for p in module.parameters():
            p[::2] = torch.nan
    module.embedding.reset_member(1, torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(SEEDS[1])
    for part in module.modules():
        if hasattr(part, "reset_member"):
            part.reset_member(1, generator)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value[1], expected[name][1], msg=name)
    assert module.training


def test_training_draws_and_evaluation_does_not():
    module = make(dropout=0.5)
    state = torch.get_rng_state()
    assert (module.vectors() != module.vectors()).flatten(1).any(1).all()
    assert torch.equal(torch.get_rng_state(), state)
    module.eval()
    assert torch.equal(module.vectors(), module.vectors())


def test_an_unseen_target_has_weights():
    module = make(n_features=2, generation="chunked").eval()
    flat = module.vectors(FEATURES)
    more = module.vectors(torch.cat([torch.ones(4, 2), FEATURES[1:2]]))
    assert more.shape == (3, 5, 29)
    torch.testing.assert_close(more[:, 4], flat[:, 1])
    own = torch.stack([FEATURES, FEATURES.flip(0), 0 * FEATURES])
    torch.testing.assert_close(module.vectors(own)[1], flat[1].flip(0))


def test_weights_are_linear_in_features_without_hidden_layers():
    module = make(n_features=2, widths=()).eval()
    between = module.vectors((FEATURES[:1] + FEATURES[1:2]) / 2)
    torch.testing.assert_close(between[:, 0], module.vectors(FEATURES)[:, :2].mean(1))


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("n_features", [None, 2])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_gradients_reach_every_parameter(generation, n_features, spectral):
    settings = {"generation": generation, "n_features": n_features, "spectral_norm": spectral}
    module = make(**settings, activation="silu")  # no unit of which is dead
    made = module(*inputs(module))
    sum(p.square().sum() for pair in made for p in pair).backward()
    for name, p in module.named_parameters():
        assert (p.grad.flatten(1) != 0).any(1).all(), name
    assert (module.embedding.weight.grad != 0).flatten(3).any(3).all()


def effective(layer):
    """Return the matrix that the layer applies."""
    lead = layer.weight.shape[:-2]
    zero = torch.zeros(*lead, 1, layer.n_in)
    with torch.no_grad():
        return (layer(torch.eye(layer.n_in).expand(*lead, -1, -1)) - layer(zero)).numpy()


@pytest.mark.parametrize("n_groups", [None, 2])
@pytest.mark.parametrize("shape", [(4, 30), (30, 4), (1, 5)])
def test_each_matrix_has_spectral_norm_1(shape, n_groups):
    layer = MemberSpectralLinear(3, *shape, n_groups)
    reset_members(layer, SEEDS)
    before = effective(layer.eval())
    norms = np.linalg.svd(before, compute_uv=False)[..., 0]
    assert norms.shape == layer.weight.shape[:-2]
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    # unequal members, then training
    with torch.no_grad():
        layer.weight[1] *= 50
    np.testing.assert_allclose(effective(layer), before, atol=1e-5)
    optimizer = torch.optim.Adam(layer.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    lead = *layer.weight.shape[:-2], 20
    x, target = (torch.randn(*lead, n, generator=generator) for n in shape)
    layer.train()
    for _ in range(50):
        optimizer.zero_grad()
        (layer(x) - target).square().sum().backward()
        optimizer.step()
    after = effective(layer.eval())
    norms = np.linalg.svd(after, compute_uv=False)[..., 0]
    np.testing.assert_allclose(norms, 1, atol=5e-3)
    assert np.abs(after[0] - before[0]).max() > 1e-2


def test_the_spectral_norm_has_a_gradient():
    layer = MemberSpectralLinear(2, 4, 3)
    reset_members(layer, SEEDS[:2])
    generator = torch.Generator().manual_seed(0)
    x, a = (torch.randn(2, 5, n, generator=generator) for n in (4, 3))
    (layer(x) * a).sum().backward()
    for k in range(2):
        weight = layer.weight[k].detach().numpy()
        u, s, vt = np.linalg.svd(weight)
        plain = x[k].numpy().T @ a[k].numpy()  # derivative by the divided weight
        through = (plain * weight).sum() / s[0] * np.outer(u[:, 0], vt[0])
        np.testing.assert_allclose(layer.weight.grad[k], (plain - through) / s[0], rtol=1e-4)


def test_two_passes_before_one_gradient():
    layer = MemberSpectralLinear(2, 4, 3)
    reset_members(layer, SEEDS[:2])
    (layer(torch.ones(2, 1, 4)) * layer(torch.ones(2, 2, 4))).sum().backward()
    assert (layer.weight.grad != 0).all()


def test_the_power_iteration_rests_in_evaluation():
    layer = MemberSpectralLinear(2, 4, 3)
    reset_members(layer, SEEDS[:2])
    with torch.no_grad():
        layer.weight[:, 0] += 1
    right, x = layer.right, torch.ones(2, 1, 4)
    expected = x @ layer.weight / (layer.left @ layer.weight @ right) + layer.bias
    torch.testing.assert_close(layer.eval()(x), expected)
    assert layer.right is right
    layer.train()(x)
    assert not torch.equal(layer.right, right)


def test_dropout_keeps_the_mean():
    dropout = MemberDropout(2, 0.25)
    reset_members(dropout, [1, 2])
    kept = dropout(torch.ones(2, 3, 4000))
    assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.75)}
    np.testing.assert_allclose((kept > 0).float().mean((1, 2)), 0.75, atol=0.02)
    assert 0.5 < (kept[0] == kept[1]).float().mean() < 0.75  # .625 if unrelated
    x = torch.ones(2, 3)
    assert dropout.eval()(x) is x


def test_dropout_of_rate_0_draws_nothing():
    dropout = MemberDropout(2, 0.0)
    generator = torch.Generator().manual_seed(3)
    dropout.reset_member(0, generator)
    x = torch.ones(2, 3)
    assert dropout(x) is x
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(3).get_state())


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(clone):
    module = make(generation="split", spectral_norm=True, dropout=0.4)
    module.vectors()
    again = clone(module.eval())
    assert torch.equal(module.vectors(), again.vectors())
    torch.testing.assert_close(module.train().vectors(), again.train().vectors())
    reset_members(again, SEEDS)
    expected = make(generation="split", spectral_norm=True, dropout=0.4).vectors()
    torch.testing.assert_close(again.vectors(), expected)


def test_state_can_be_loaded():
    module, other = (make(seeds, spectral_norm=True).eval() for seeds in (SEEDS, [1, 2, 3]))
    other.load_state_dict(module.state_dict())
    assert torch.equal(module.vectors(), other.vectors())
    assert all(len(value) == 3 for value in module.state_dict().values())


@pytest.mark.parametrize("n_features", [None, 2])
def test_embeddings_and_biases_do_not_decay(n_features):
    module = make(n_features=n_features, spectral_norm=True)
    scales = [(n, getattr(part, "decay_scale", {})) for n, part in module.named_modules()]
    exempt = {f"{name}.{own}" for name, scale in scales for own in scale if scale[own] == 0}
    names = [name for name, _ in module.named_parameters()]
    assert exempt == {n for n in names if n.endswith("bias") or n.startswith("embedding")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generation": "some"}, r"`generation` must be one of 'all', .*, got 'some'"),
        ({"activation": "sine"}, r"`activation` must be one of 'elu', .*, got 'sine'"),
        ({"dropout": 1.0}, r"`dropout` must be at least 0 and below 1, got 1.0"),
        ({"dropout": "no"}, r"`dropout` must be at least 0 and below 1, got 'no'"),
        ({"n_chunks": 0}, r"`n_chunks` must be an integer of at least 1, got 0"),
        ({"embedding_dim": 0}, r"`embedding_dim` must be an integer of at least 1, got 0"),
        ({"n_features": 0}, r"`n_features` must be an integer of at least 1, got 0"),
        ({"widths": (0,)}, r"`widths` must hold integers of at least 1, got \(0,\)"),
        ({"layers": []}, r"`layers` must name at least one layer .*, got \[\]"),
        ({"layers": [(3, 0)]}, r"`layers` must name at least one layer .*, got \[\(3, 0\)\]"),
        ({"layers": [3]}, r"`layers` must name at least one layer .*, got \[3\]"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_bad_numbers():
    with pytest.raises(ValueError, match="`n_targets` must be an integer of at least 1, got 0"):
        HyperNetwork(2, 0, LAYERS)
    with pytest.raises(ValueError, match=r"`rate` must be at least 0 and below 1, got -0.1"):
        MemberDropout(2, -0.1)


def test_features_where_they_do_not_belong():
    with pytest.raises(ValueError, match=r"`features` must be None, .* shape \(3, 2\)"):
        make()(FEATURES)


@pytest.mark.parametrize("shape", [None, (3, 4), (2, 3, 2), (2,), (1, 3, 3, 2)])
def test_bad_features(shape):
    features = None if shape is None else torch.zeros(shape)
    message = f"shape (n_targets, 2) or (3, n_targets, 2), got {shape}"
    with pytest.raises(ValueError, match=re.escape(f"`features` must have {message}")):
        make(n_features=2)(features)
