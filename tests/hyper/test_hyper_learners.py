"""Twins with generated weights against plain networks that are filled by hand."""

# SPDX-License-Identifier: BSD-3-Clause

import io
import pickle
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklcausal import hyper, meta, pack_targets, representation
from sklcausal._draws import Batch
from sklcausal.datasets import make_confounded
from sklcausal.hyper import HyperSLearner, HyperTARNet, HyperTLearner
from sklcausal.nn._hyper_network import GENERATIONS

TWINS = [getattr(hyper, name) for name in hyper.__all__]
TINY = {"numeric_encoding": None, "weight_decay": 1.0, "random_state": 0}
TINY |= {"max_epochs": 2, "n_folds": 2}
KNOWN = np.full((240, 3), 1 / 3)  # where propensities do not matter
SMALL = {"embedding_dim": 4, "hyper_widths": (7, 6), "n_chunks": 3, "hyper_dropout": 0.3}

# layers that are generated, by the heads that share a shape, and those that all heads share
OF_ARMS = (3, ["heads.first.layers.0", "heads.rest.layers.0", "heads.last"])
CASES = {
    "TARNet": SimpleNamespace(
        generation="all",
        widths={"representation_widths": (5,), "head_widths": (4, 3)},
        heads=[OF_ARMS],
        shared=["trunk.layers.0"],
    ),
    "DragonNet": SimpleNamespace(
        generation="layerwise",
        widths={"representation_widths": (5,), "head_widths": (4, 3)},
        heads=[OF_ARMS, (1, ["arm_head.last"])],
        shared=["trunk.layers.0", "epsilon"],
    ),
    "MitNet": SimpleNamespace(
        generation="chunked",
        widths={
            "representation_widths": (5,),
            "head_widths": (4, 3),
            "propensity_widths": (9,),  # which makes it the largest head
        },
        heads=[OF_ARMS, (1, ["arm_head.hidden.layers.0", "arm_head.last"])],
        shared=["trunk.layers.0"],
    ),
    "SNet": SimpleNamespace(
        generation="split",
        widths={
            "shared_widths": (5,),
            "private_widths": (4,),
            "head_widths": (3,),
            "propensity_widths": (6,),
        },
        heads=[
            (3, ["heads.layers.0", "last"]),
            (1, ["arm_head.hidden.layers.0", "arm_head.last"]),
        ],
        shared=[f"{part}.layers.0" for part in ("outcomes", "confounders", "treatment")]
        + ["arms.first.layers.0"],
    ),
    "FlexTENet": SimpleNamespace(
        generation="layerwise",
        widths={"shared_widths": (5, 4), "private_widths": (3, 4)},
        heads=[(3, ["private.0", "private.1", "private.2"])],
        shared=["shared.0", "shared.1", "shared.2"],
    ),
    "TLearner": SimpleNamespace(
        generation="chunked", widths={"widths": (5, 4)}, heads=[OF_ARMS], shared=[]
    ),
    "SLearner": SimpleNamespace(
        generation="all",
        widths={"widths": (5, 4)},
        heads=[(1, ["first", "rest.layers.0", "last"])],
        shared=[],
    ),
}


@pytest.fixture(scope="module")
def data():
    data = make_confounded(240, n_arms=3, random_state=0)
    data.y = np.c_[data.y, data.X[:, 0] - 2 * data.y]
    return data


@pytest.fixture(scope="module", params=CASES)
def pair(request, data):
    """Fit a twin and its plain estimator, which has the same folds, units and starts."""
    case = CASES[request.param]
    plain = getattr(representation, request.param, None) or getattr(meta, request.param)
    twin = getattr(hyper, f"Hyper{request.param}")(
        **TINY, **SMALL, **case.widths, generation=case.generation
    )
    plain = plain(**TINY, **case.widths)
    return case, *(est.fit(data.X, data.T, data.y) for est in (twin, plain))


def module_of(est):
    return est.theta_net_.ensemble.module


def fill(layer, vectors, start):
    """Write the generated weights of all heads into a plain layer, number by number."""
    n_heads, n_in = vectors.shape[1], layer.weight.shape[-2]
    side_by_side = layer.weight.dim() == 3
    n_out = layer.weight.shape[-1] // (n_heads if side_by_side else 1)
    for k, head in np.ndindex(*vectors.shape[:2]):
        for unit in range(n_out):
            at = head * n_out + unit if side_by_side else unit
            weight, bias = (
                a[k] if side_by_side else a[k, head] for a in (layer.weight, layer.bias)
            )
            for i in range(n_in):
                weight[i, at] = vectors[k, head, start + i * n_out + unit]
            bias[0, at] = vectors[k, head, start + n_in * n_out + unit]
    return start + (n_in + 1) * n_out


def take_weights(case, twin, plain):
    """Give a plain estimator the weights of its twin: shared ones, and those that are made."""
    own, theirs = module_of(twin), module_of(plain)
    state = own.state_dict()
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            value.fill_(torch.nan)  # until it is written
            source = name.replace("body.", "body.body.", 1)
            if source in state:
                value.copy_(state[source])
        vectors, first = own.body.hyper.vectors(), 0
        for n_heads, names in case.heads:
            start = 0
            for name in names:
                layer = theirs.body.get_submodule(name)
                start = fill(layer, vectors[:, first : first + n_heads], start)
            first += n_heads
        assert vectors.shape[1] == first


def make_batch(data):
    rows = np.stack([np.arange(50), np.arange(50, 100)])
    X, y = (torch.as_tensor(a[rows], dtype=torch.float32) for a in (data.X, data.y))
    t, w = torch.as_tensor(data.T[rows]), torch.ones(2, 50)
    return Batch(X, (t, y, w, torch.tensor([50, 50])))


def test_outputs_and_losses_are_those_of_a_plain_network(pair, data):
    case, twin, plain = pair
    take_weights(case, twin, plain)
    expected = plain.potential_outcomes(data.X)
    np.testing.assert_allclose(twin.potential_outcomes(data.X), expected, atol=1e-5)
    assert np.ptp(expected, axis=(0, 1)).min() > 0.1
    batch, losses = make_batch(data), []
    for est in (twin, plain):
        module = module_of(est)
        out, penalty = module(batch.X), est._penalty()
        losses.append(est._outcome_loss(out, batch).tolist())
        if penalty is not None:  # which reads generated layers
            losses[-1] += penalty(module, out, batch, 7).tolist()
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_heads_are_generated_and_shared_layers_are_not(pair):
    case, twin, plain = pair
    inner = module_of(twin).body.body
    made = {name for _, names in case.heads for name in names}
    layers = [layer for head in inner.head_layers() for layer in head.layers]
    assert {name for name, part in inner.named_modules() if part in layers} == made
    own = {name for name, _ in inner.named_parameters()}
    kinds = ("weight", "bias")
    assert own == {s if s == "epsilon" else f"{s}.{kind}" for s in case.shared for kind in kinds}
    every = {name for name, _ in module_of(plain).body.named_parameters()}
    assert every == own | {f"{name}.{kind}" for name in made for kind in kinds}
    assert module_of(twin).body.hyper.vectors().shape[1] == sum(n for n, _ in case.heads)


# -- who trains whom ------------------------------------------------------------------------


def descend(est, data):
    """Compute gradients of the loss of the rows of arm 0."""
    rows = np.tile(np.flatnonzero(data.T == 0), (2, 1))
    X, y = (torch.as_tensor(a[rows], dtype=torch.float32) for a in (data.X, data.y))
    t, n = torch.as_tensor(data.T[rows]), torch.tensor([rows.shape[1]] * 2)
    module = module_of(est)
    batch = Batch(X, (t, y, torch.ones(rows.shape), n))
    est._outcome_loss(module(X), batch).sum().backward()
    return module.body


@pytest.mark.parametrize("generation", GENERATIONS)
def test_rows_of_an_arm_train_the_others(data, generation):
    est = HyperTLearner(**TINY, **SMALL, generation=generation, widths=(5, 4))
    body = descend(est.fit(data.X, data.T, data.y), data)
    with torch.no_grad():
        before = body.hyper.vectors()
        for p in body.hyper.parameters():
            p -= 0.1 * p.grad
        moved = (body.hyper.vectors() - before).abs() > 1e-6
    assert (moved.float().mean(-1) > 0.5).all()  # of each member and arm


def test_rows_of_an_arm_train_no_other_in_a_t_learner(data):
    est = meta.TLearner(**TINY, widths=(5, 4)).fit(data.X, data.T, data.y)
    heads = descend(est, data).heads
    side_by_side = heads.first.layers[0].weight.grad
    by_arm = [heads.last.weight.grad, heads.rest.layers[0].weight.grad]
    for grad in [side_by_side.unflatten(-1, (3, 5)).transpose(1, 2), *by_arm]:
        assert grad[:, 0].abs().amax((-1, -2)).min() > 0
        assert not grad[:, 1:].any()


# -- members --------------------------------------------------------------------------------


def weights(est):
    return est.theta_net_.ensemble.weights()


@pytest.mark.parametrize("generation", ["all", "chunked"])
def test_member_never_sees_its_fold(data, generation):
    cluster = np.arange(240) % 3
    settings = {**TINY, **SMALL, "n_folds": 3, "max_epochs": 12, "patience": 2, "lr": 0.02}
    est = HyperTLearner(**settings, generation=generation, spectral_norm=True, widths=(8,))
    est.fit(data.X, data.T, data.y, cluster=cluster, propensity=KNOWN)
    inside = cluster == 1
    (fold,) = np.unique(est.folds_[inside])
    rng, X, T, y = np.random.default_rng(0), data.X.copy(), data.T.copy(), data.y.copy()
    X[inside] += rng.normal(size=X[inside].shape)
    T[inside], y[inside] = rng.permutation(T[inside]), y[inside] * 3 + 10
    other = clone(est).fit(X, T, y, cluster=cluster, propensity=KNOWN)
    np.testing.assert_array_equal(est.folds_, other.folds_)
    changed = []
    for name, before in weights(est).items():
        after = weights(other)[name]
        np.testing.assert_array_equal(before[fold], after[fold], err_msg=name)
        changed.append((before != after).reshape(3, -1).any(axis=1))
    assert np.sum(np.any(changed, axis=0)) == 2  # all other members


@pytest.mark.parametrize("twin", [HyperTLearner, HyperTARNet])
def test_member_of_many_is_trained_as_a_single_one(data, twin):
    settings = {**TINY, **SMALL, "max_epochs": 5, "n_folds": 1, "spectral_norm": True}
    several = twin(**settings | {"weight_decay": [1.0, 0.1]}).fit(data.X, data.T, data.y)
    settings["weight_decay"] = several.weight_decay_
    single = twin(**settings).fit(data.X, data.T, data.y)
    for name, own in weights(single).items():
        np.testing.assert_allclose(weights(several)[name], own, atol=1e-5, err_msg=name)
    no_dropout = clone(single).set_params(hyper_dropout=0.0).fit(data.X, data.T, data.y)
    assert np.abs(no_dropout.effect(data.X) - single.effect(data.X)).max() > 1e-3


def test_spectral_norms_are_those_of_the_best_epoch(data):
    probe = torch.as_tensor(data.X[:20], dtype=torch.float32)
    seen = []

    class Watch(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            if not training:
                with torch.no_grad():
                    theta = net.module_(probe.expand(len(net.active_), -1, -1)).theta
                seen.append(dict(zip(net.active_, theta.numpy(), strict=True)))

    settings = {**TINY, **SMALL, "max_epochs": 40, "patience": 3, "lr": 0.02, "n_folds": 3}
    est = HyperTLearner(**settings, spectral_norm=True, callbacks=[Watch()], widths=(8,))
    est.fit(data.X, data.T, data.y, propensity=KNOWN)
    by_epoch = np.array([row["valid_loss_members"] for row in est.history_], dtype=float)
    best = np.nanargmin(by_epoch, axis=0)
    assert max(best) < len(by_epoch) - 1
    with torch.no_grad():
        found = module_of(est)(probe.expand(3, -1, -1)).theta.numpy()
    for k in range(3):
        np.testing.assert_allclose(found[k], seen[best[k]][k], atol=1e-6)
    est.set_params(callbacks=None)
    for clone_of in (pickle_again, joblib_again):
        again = clone_of(est)
        np.testing.assert_array_equal(again.effect(data.X), est.effect(data.X))
        for name, value in weights(est).items():
            np.testing.assert_array_equal(weights(again)[name], value)
    assert sum(name.endswith((".left", ".right")) for name in weights(est)) == 6


def pickle_again(est):
    return pickle.loads(pickle.dumps(est))


def joblib_again(est):
    file = io.BytesIO()
    joblib.dump(est, file)
    file.seek(0)
    return joblib.load(file)


# -- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", TWINS)
def test_settings_of_the_paper_can_be_cloned_and_overridden(twin):
    est = twin.from_paper(lr=0.5, n_folds=3)
    params = est.get_params()
    assert (params["lr"], params["n_folds"], params["max_epochs"]) == (0.5, 3, 5000)
    assert (params["generation"], params["spectral_norm"]) == ("all", True)
    assert clone(est).get_params() == params
    assert twin().get_params() != params


@pytest.mark.parametrize(
    "name, expected",
    [
        # two arms of (25 + 1) 100 + (100 + 1) 100 + (100 + 1) = 12,801 weights
        ("HyperTLearner", 2 * 8 + 9 * 100 + 101 * 100 + 101 * 12_801),
        ("HyperDRLearner", 2 * 16 + 17 * 100 + 101 * 100 + 101 * 12_801),
        # two arms of (100 + 1) 100 + (100 + 1) = 10,201 weights behind the representation
        ("HyperTARNet", 2 * 8 + 9 * 100 + 101 * 100 + 101 * 10_201),
        # one network of (27 + 1) 100 + (100 + 1) 100 + (100 + 1) = 13,001 weights
        ("HyperSLearner", 1 + 2 * 100 + 101 * 100 + 101 * 13_001),
    ],
)
def test_published_sizes(name, expected):
    rng = np.random.default_rng(0)
    X, T, y = rng.normal(size=(60, 25)), np.arange(60) % 2, rng.normal(size=60)
    est = getattr(hyper, name).from_paper(max_epochs=2, n_folds=2, random_state=0)
    est.fit(X, T, y, propensity=0.5)
    made = module_of(est).body.hyper
    assert sum(p[0].numel() for p in made.parameters()) == expected
    assert est.theta_net_.ensemble.recipe.arguments["dropout"] == 0.05
    assert np.isfinite(est.effect(X)).all()


@pytest.mark.parametrize("name", ["DRLearner", "RALearner", "XLearner"])
def test_effects_have_a_network_of_their_own(data, name):
    settings = {**TINY, **SMALL, "widths": (5,), "effect_widths": (4,), "effect_weight_decay": 1.0}
    est = getattr(hyper, f"Hyper{name}")(**settings).fit(data.X, data.T, data.y)
    net = est.effect_net_.ensemble
    own = getattr(net, "ensemble", net).weights()  # of what is blended
    assert any(".hyper." in part for part in weights(est))
    assert not any(".hyper." in part for part in own)
    plain = getattr(meta, name)(**{k: v for k, v in settings.items() if k not in SMALL})
    plain.fit(data.X, data.T, data.y)
    assert np.abs(est.effect(data.X) - plain.effect(data.X)).max() > 1e-6


def test_grid_search_over_generations_and_embeddings(data):
    grid = {"generation": ["split", "layerwise"], "embedding_dim": [1, 5]}
    est = HyperTLearner(**{**TINY, **SMALL, "n_folds": 1, "widths": (5, 4)})
    search = GridSearchCV(est, grid, cv=2, error_score="raise")
    search.fit(data.X, pack_targets(data.T, data.y))
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    places = {"split": 1, "layerwise": 3}[search.best_params_["generation"]]
    embedding = weights(search.best_estimator_)["body.hyper.embedding.weight"]
    assert embedding.shape == (1, places, 3, search.best_params_["embedding_dim"])


@pytest.mark.parametrize("twin", [HyperTLearner, HyperTARNet])
def test_effects_are_recovered(twin):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    T = (rng.uniform(size=600) < 0.1 + 0.8 / (1 + np.exp(-X[:, 0]))).astype(int)
    effect = 1 + X[:, 0] - X[:, 1]
    y = 2 * X[:, 0] + X[:, 1] + T * effect + 0.5 * rng.normal(size=600)
    settings = {**TINY, "weight_decay": 0.1, "max_epochs": 40, "n_folds": 3, "lr": 0.01}
    est = twin(**settings, hyper_widths=(20,)).fit(X, T, y)
    assert np.sqrt(np.mean((est.effect(X) - effect) ** 2)) < 0.35  # effects spread by 1.37
    low, high = est.ate_interval()
    assert low < effect.mean() < high
    low, high = est.effect_interval(X)
    assert np.mean((low < effect) & (effect < high)) > 0.85


@pytest.mark.parametrize(
    "params, message",
    [
        ({"generation": "whole"}, "'generation' parameter of .* must be a str among .*'whole'"),
        ({"hyper_dropout": 1.0}, r"'hyper_dropout' parameter of .* range \[0.0, 1.0\)"),
        ({"embedding_dim": 0}, r"'embedding_dim' parameter of .* range \[1, inf\)"),
        ({"n_chunks": 0}, r"'n_chunks' parameter of .* range \[1, inf\)"),
        ({"spectral_norm": "yes"}, "'spectral_norm' parameter of .* 'yes' instead"),
        ({"hyper_widths": (10, 0)}, r"`hyper_widths` must .*\(10, 0\)"),
    ],
)
@pytest.mark.parametrize("twin", [HyperTLearner, HyperSLearner])
def test_bad_settings(data, twin, params, message):
    with pytest.raises(ValueError, match=message):
        twin(**TINY, **params).fit(data.X, data.T, data.y)
