"""Learners with a penalty on what they share, against longhand NumPy and what they promise."""

# SPDX-License-Identifier: BSD-3-Clause

import copy

import numpy as np
import pytest
import torch
from _longhand import silu, silu_or_growth
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal._draws import Batch
from sklcausal.datasets import make_confounded
from sklcausal.nn._discrepancy import arm_discrepancy
from sklcausal.representation import CFRNet, DragonNet, FlexTENet, MitNet, RieszNet, SNet
from sklcausal.representation._mitnet import reversal_at

SMALL = {
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
    "max_epochs": 2,
    "n_folds": 2,
}
TRUNK = {"representation_widths": (6, 5), "head_widths": (4, 3)}
WIDTHS = {
    CFRNet: TRUNK,
    DragonNet: {**TRUNK, "propensity_widths": (4,)},
    FlexTENet: {"shared_widths": (6, 5), "private_widths": (4, 3)},
    MitNet: {**TRUNK, "propensity_widths": (4,)},
    RieszNet: TRUNK,
    SNet: {"shared_widths": (6,), "private_widths": (5, 4), "head_widths": (3,)},
}
LEARNERS = list(WIDTHS)


@pytest.fixture(scope="module")
def data():
    return make_confounded(200, n_arms=3, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return {
        cls: cls(**SMALL, **widths).fit(data.X, data.T, data.y) for cls, widths in WIDTHS.items()
    }


# -- longhand, for member k ------------------------------------------------------------------


def weights(est):
    return est.theta_net_.ensemble.weights()


def dense(w, name, at, x):
    """Apply the affine map of a member, or of a member and arm."""
    return x @ w[f"body.{name}.weight"][at] + w[f"body.{name}.bias"][at]


def stack(w, name, at, x, last=silu):
    """Apply all layers of a part, the last with an activation of its own."""
    i = 0
    while f"body.{name}.layers.{i}.weight" in w:
        x, i = dense(w, f"{name}.layers.{i}", at, x), i + 1
        x = silu(x) if f"body.{name}.layers.{i}.weight" in w else last(x)
    return x


def encode(est, k, X):
    encoding = est.theta_net_.ensemble.encoding
    return (X * encoding.scale[k] + encoding.shift[k]) * weights(est)["encoder.gate"][k]


def tarnet(w, k, arm, z):
    shared = stack(w, "trunk", k, z)
    # the first layers of all arms stand side by side in one matrix
    hidden = silu(dense(w, "heads.first.layers.0", k, shared)[:, 4 * arm : 4 * arm + 4])
    hidden = stack(w, "heads.rest", (k, arm), hidden, silu_or_growth)
    return dense(w, "heads.last", (k, arm), hidden)


def snet(w, k, arm, z):
    own = silu(dense(w, "arms.first.layers.0", k, z)[:, 5 * arm : 5 * arm + 5])
    own = stack(w, "arms.rest", (k, arm), own)
    read = np.hstack([stack(w, "outcomes", k, z), stack(w, "confounders", k, z), own])
    return dense(w, "last", (k, arm), stack(w, "heads", (k, arm), read, silu_or_growth))


def flextenet(w, k, arm, z):
    shared = silu(dense(w, "shared.0", k, z))
    private = silu(dense(w, "private.0", (k, arm), z))
    private = silu_or_growth(dense(w, "private.1", (k, arm), np.hstack([shared, private])))
    shared = silu_or_growth(dense(w, "shared.1", k, shared))
    own = dense(w, "private.2", (k, arm), np.hstack([shared, private]))
    return own + dense(w, "shared.2", k, shared)


@pytest.mark.parametrize("learner", LEARNERS)
def test_forward_equals_longhand(fitted, data, learner):
    est = fitted[learner]
    forward = {SNet: snet, FlexTENet: flextenet}.get(learner, tarnet)
    w, decode, expected = weights(est), est.theta_net_.decode, np.zeros((200, 3))
    for k in range(2):
        for arm in range(3):
            theta = forward(w, k, arm, encode(est, k, data.X))[:, 0]
            expected[:, arm] += (decode.shift[k, arm] + theta * decode.matrix[k, arm, arm]) / 2
    np.testing.assert_allclose(est.potential_outcomes(data.X), expected, atol=1e-5)


# -- penalties -------------------------------------------------------------------------------


def penalty_of(est, n=30, epoch=0):
    """Penalty on rows that differ between members, some of them padding, with its batch."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, n, 5))
    t, y, w = rng.integers(0, 3, (2, n)), rng.normal(size=(2, n, 1)), rng.uniform(0.2, 2, (2, n))
    w[:, -3:] = 0
    net = est.theta_net_.ensemble
    X, y, w = net._tensor(X), torch.tensor(y).float(), torch.tensor(w).float()
    batch = Batch(X, (torch.tensor(t), y, w, (w > 0).sum(1)))
    module = copy.deepcopy(net.module)
    value = est._penalty()(module, module(batch.X), batch, epoch)
    z = [encode(est, k, X[k].numpy() + net.centre) for k in range(2)]
    return module, value, batch, z


def cross_entropy(logits, batch, k):
    t, w = batch.t[k].numpy(), batch.w[k].numpy().astype(float)
    return -w @ log_softmax(logits, axis=1)[np.arange(len(t)), t] / (w > 0).sum()


def assert_close(value, expected):
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("ipm", ["mmd", "wasserstein", "energy"])
def test_penalty_of_cfrnet_is_the_distance_of_scaled_representations(fitted, ipm):
    est = clone(fitted[CFRNet]).set_params(balance_weight=0.3, ipm=ipm)
    est.__dict__.update({k: v for k, v in vars(fitted[CFRNet]).items() if k.endswith("_")})
    _, value, batch, z = penalty_of(est)
    phi = np.stack([stack(weights(est), "trunk", k, z[k]) for k in range(2)])
    w = batch.w.numpy().astype(float)
    for k in range(2):
        phi[k] /= np.sqrt(w[k] @ (phi[k] ** 2).sum(axis=1) / w[k].sum())
    distance = arm_discrepancy(torch.tensor(phi), batch.t, batch.w, 3, ipm)
    assert_close(value, 0.3 * distance.numpy())


def test_penalty_of_dragonnet_is_the_cross_entropy_of_the_arms(fitted):
    est = fitted[DragonNet]
    _, value, batch, z = penalty_of(est)
    w, expected = weights(est), []
    for k in range(2):
        hidden = stack(w, "arm_head.hidden", k, stack(w, "trunk", k, z[k]))
        expected.append(cross_entropy(dense(w, "arm_head.last", k, hidden), batch, k))
    assert_close(value, expected)


def test_mitnet_sends_the_gradient_back_reversed(fitted):
    est, epoch = fitted[MitNet], 4
    module, value, batch, z = penalty_of(est, epoch=epoch)
    w, expected = weights(est), []
    for k in range(2):
        hidden = stack(w, "arm_head.hidden", k, stack(w, "trunk", k, z[k]))
        expected.append(cross_entropy(dense(w, "arm_head.last", k, hidden), batch, k))
    assert_close(value, expected)
    parts = [module.body.trunk.layers[0].weight, module.body.arm_head.hidden.layers[0].weight]
    of_trunk, of_head = torch.autograd.grad(value.sum(), parts)
    logits = module.body.arm_head(module(batch.X).representation).log_softmax(-1)
    plain = -batch.mean(logits.gather(2, batch.t[..., None])[..., 0])
    trunk, head = torch.autograd.grad(plain.sum(), parts)
    factor = 2 / (1 + np.exp(-10 * (epoch + 1) / 50)) - 1  # of 50 epochs by default
    torch.testing.assert_close(of_trunk, -factor * trunk, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(of_head, head, rtol=1e-4, atol=1e-7)


def test_reversal_grows_from_none_to_all():
    factors = [reversal_at(epoch, 50) for epoch in range(60)]
    assert 0 < factors[0] < 0.1
    assert (np.diff(factors[:50]) > 0).all()
    assert 0.999 < factors[49] < 1
    assert set(factors[49:]) == {factors[49]}


def test_penalty_of_snet_equals_loops(fitted):
    est = clone(fitted[SNet]).set_params(propensity_weight=0.7, orthogonal_weight=0.2)
    est.__dict__.update({k: v for k, v in vars(fitted[SNet]).items() if k.endswith("_")})
    module, value, batch, z = penalty_of(est)
    w, overlap, total = weights(est), np.zeros(2), np.zeros(2)
    for k in range(2):
        first = [w[f"body.{p}.layers.0.weight"][k] for p in ("outcomes", "confounders")]
        first.append(w["body.treatment.layers.0.weight"][k])
        own = w["body.arms.first.layers.0.weight"][k]
        first += [own[:, 5 * arm : 5 * arm + 5] for arm in range(3)]
        for j in range(5):
            for r in range(6):
                for s in range(r):
                    overlap[k] += np.abs(first[r][j]).sum() * np.abs(first[s][j]).sum()
        both = [stack(w, part, k, z[k]) for part in ("confounders", "treatment")]
        logits = dense(w, "arm_head.last", k, np.hstack(both))
        total[k] = 0.7 * cross_entropy(logits, batch, k) + 0.2 * overlap[k]
    assert_close(module.body.overlap(), overlap)
    assert_close(value, total)


def test_penalty_of_flextenet_equals_loops(fitted):
    est = fitted[FlexTENet]
    _, value, _, _ = penalty_of(est)
    w, overlap = weights(est), np.zeros(2)
    for k in range(2):
        for layer in range(3):
            shared = w[f"body.shared.{layer}.weight"][k]
            for arm in range(3):
                private = w[f"body.private.{layer}.weight"][k, arm]
                for u in shared.T:
                    for v in private[: len(shared)].T:
                        overlap[k] += (u @ v) ** 2
        first = w["body.private.0.weight"][k]
        for arm in range(3):
            for other in range(arm):
                for u in first[arm].T:
                    for v in first[other].T:
                        overlap[k] += (u @ v) ** 2
    assert_close(value, 0.1 * overlap)


PENALTIES = [
    (CFRNet, "balance_weight"),
    (DragonNet, "propensity_weight"),
    (DragonNet, "targeted_weight"),
    (FlexTENet, "orthogonal_weight"),
    (MitNet, "propensity_weight"),
    (RieszNet, "riesz_weight"),
    (RieszNet, "targeted_weight"),
    (SNet, "orthogonal_weight"),
    (SNet, "propensity_weight"),
]


@pytest.mark.parametrize(("learner", "name"), PENALTIES)
def test_penalties_train_but_do_not_judge(data, learner, name):
    """Where nothing moves, both losses stay as they are, whatever the penalty."""
    losses = {}
    for lr in (1e-9, 0.003):
        for weight in (1e-9, 1e6):
            est = learner(**{**SMALL, "n_folds": 1, "max_epochs": 1}, lr=lr, **WIDTHS[learner])
            est.set_params(**{name: weight}).fit(data.X, data.T, data.y)
            row = est.history_[0]
            losses[lr, weight] = [row["train_loss"], row["valid_loss"]]
    np.testing.assert_allclose(losses[1e-9, 1e-9], losses[1e-9, 1e6], rtol=1e-6)
    assert np.abs(np.subtract(losses[0.003, 1e-9], losses[0.003, 1e6])).min() > 1e-6


@pytest.mark.parametrize("learner", LEARNERS)
def test_member_never_sees_its_fold(data, learner):
    cluster = np.arange(200) % 3
    params = {"targeted_weight": 1.0, "tmle": True} if learner is DragonNet else {}
    est = learner(**{**SMALL, "n_folds": 3}, **WIDTHS[learner], **params)
    est.fit(data.X, data.T, data.y, cluster=cluster)
    inside = cluster == 1
    (fold,) = np.unique(est.folds_[inside])
    rng = np.random.default_rng(0)
    X, T, y = data.X.copy(), data.T.copy(), data.y.copy()
    X[inside] += rng.normal(size=X[inside].shape)
    T[inside] = rng.permutation(T[inside])
    y[inside] = y[inside] * 3 + 10
    other = clone(est).fit(X, T, y, cluster=cluster)
    for name, before in weights(est).items():
        after = weights(other)[name]
        np.testing.assert_array_equal(before[fold], after[fold], err_msg=name)
        rest = np.delete(np.arange(3), fold)
        is_counter = name == "body.n_seen"
        assert is_counter or not np.array_equal(before[rest], after[rest]), name


# -- what they find --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("learner", "n_arms"), [*((learner, 2) for learner in LEARNERS), (DragonNet, 3), (SNet, 3)]
)
def test_effects_are_recovered(learner, n_arms):
    data = make_confounded(600, n_arms=n_arms, random_state=1)
    est = learner(**{**SMALL, "max_epochs": 40, "n_folds": 3}).fit(data.X, data.T, data.y)
    effect, truth = (a.reshape(600, -1) for a in (est.effect(data.X), data.effect))
    rmse = np.sqrt(((effect - truth) ** 2).mean(axis=0))
    assert (rmse < 0.8 * truth.std(axis=0)).all()
    low, high = (np.atleast_1d(bound) for bound in est.ate_interval())
    half = (high - low) / 2
    assert (np.abs((low + high) / 2 - data.ate) < 1.5 * half).all()
    # far from the difference in means
    assert data.y[data.T == 1].mean() - data.y[data.T == 0].mean() > high[0]
    low, high = (bound.reshape(600, -1) for bound in est.effect_interval(data.X))
    assert np.mean((low < truth) & (truth < high)) > 0.85


def representation(est, X):
    net = est.theta_net_.ensemble
    with torch.no_grad():
        out = net.module(net._tensor(X).expand(est.n_folds, -1, -1))
    return out.representation


@pytest.mark.parametrize("ipm", ["mmd", "wasserstein", "energy"])
def test_balance_brings_the_arms_together(ipm):
    data = make_confounded(300, random_state=2)
    t, w = torch.tensor(data.T).expand(2, -1), torch.ones(2, 300)
    found = []
    for balance_weight in (0.0, 10.0):
        est = CFRNet(**{**SMALL, "max_epochs": 15}, balance_weight=balance_weight, ipm=ipm)
        phi = representation(est.fit(data.X, data.T, data.y), data.X)
        phi = phi / (phi**2).sum(-1).mean(1).sqrt()[:, None, None]
        found.append(arm_discrepancy(phi, t, w, 2, ipm).numpy())
    assert (found[1] < 0.5 * found[0]).all()


def test_mitnet_hides_the_arm_that_dragonnet_tells():
    data, test = (make_confounded(600, overlap="weak", random_state=seed) for seed in (0, 1))
    losses = []
    for learner in (DragonNet, MitNet):
        # few units: spread over many, the arm stays to be found by whoever looks afresh
        est = learner(**{**SMALL, "max_epochs": 60}, representation_widths=(20, 2))
        est.set_params(validation_fraction=None).fit(data.X, data.T, data.y)
        seen, new = (representation(est, X) for X in (data.X, test.X))
        with torch.no_grad():
            own = est.theta_net_.ensemble.module.body.arm_head(new).softmax(-1).numpy()
        for k in range(2):
            afresh = make_pipeline(StandardScaler(), LogisticRegression())
            afresh.fit(seen[k].numpy(), data.T)
            chances = own[k], afresh.predict_proba(new[k].numpy())
            losses.append([log_loss(test.T, chance) for chance in chances])
    assert (np.min(losses[2:], axis=0) > np.max(losses[:2], axis=0) + 0.02).all()


def test_private_decay_holds_private_parts_back(data):
    sizes = []
    for private_decay in (0.0, 30.0):
        est = FlexTENet(**{**SMALL, "max_epochs": 10, "n_folds": 1}, orthogonal_weight=0.0)
        est.set_params(**WIDTHS[FlexTENet], private_decay=private_decay)
        w = weights(est.fit(data.X, data.T, data.y))
        sizes.append([np.abs(w[f"body.{part}.1.weight"]).mean() for part in ("private", "shared")])
    assert sizes[1][0] < 0.6 * sizes[0][0]
    assert sizes[1][1] > 0.9 * sizes[0][1]


# -- what they refuse ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("learner", "params", "message"),
    [
        (CFRNet, {"representation_widths": ()}, "`representation_widths` must name at least 1"),
        (DragonNet, {"representation_widths": ()}, "`representation_widths` must name at least 1"),
        (MitNet, {"representation_widths": ()}, "`representation_widths` must name at least 1"),
        (RieszNet, {"representation_widths": ()}, "`representation_widths` must name at least 1"),
        (SNet, {"shared_widths": ()}, "`shared_widths` must name at least 1"),
        (SNet, {"private_widths": ()}, "`private_widths` must name at least 1"),
        (FlexTENet, {"shared_widths": (), "private_widths": ()}, "`shared_widths` must name at"),
        (FlexTENet, {"private_widths": (4,)}, r"as many layers as `shared_widths`, got \(4,\)"),
        (CFRNet, {"ipm": "kl"}, "'ipm' parameter of CFRNet"),
        (MitNet, {"reversal_epochs": 0}, "'reversal_epochs' parameter of MitNet"),
        (RieszNet, {"riesz_weight": 0.0}, "'riesz_weight' parameter of RieszNet"),
        (FlexTENet, {"private_decay": -1.0}, "'private_decay' parameter of FlexTENet"),
        *(
            (learner, {name: -1.0}, f"'{name}' parameter of {learner.__name__}")
            for learner, name in PENALTIES
        ),
    ],
)
def test_unusable_parameters_are_refused(data, learner, params, message):
    with pytest.raises(ValueError, match=message):
        learner(**params).fit(data.X, data.T, data.y)
