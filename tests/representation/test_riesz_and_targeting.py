"""Targeted outcomes and learned representers, against longhand NumPy and known truths."""

# SPDX-License-Identifier: BSD-3-Clause

import copy

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from sklcausal._draws import Batch
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import OverlapWarning
from sklcausal.representation import DragonNet, RieszNet, TARNet

SMALL = {
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
    "max_epochs": 3,
    "n_folds": 2,
    "representation_widths": (6, 5),
    "head_widths": (4,),
}
HINDERED = {"lr": 1e-9, "max_epochs": 1}  # the networks stay where they started


@pytest.fixture(scope="module")
def pair():
    """Three arms and an outcome of each kind."""
    data = make_confounded(200, n_arms=3, random_state=0)
    y = np.column_stack([data.y, data.y > np.median(data.y)])
    return data, y


def with_gaps(y):
    return np.where(np.random.default_rng(0).uniform(size=y.shape) < 0.15, np.nan, y)


def draw_batch(est, n=40, seed=0):
    """Rows that differ between members, some of them padding, some cells of y missing."""
    rng = np.random.default_rng(seed)
    X = est.theta_net_.ensemble._tensor(rng.normal(size=(2, n, 5)))
    y = np.stack([rng.normal(size=(2, n)), rng.integers(0, 2, (2, n))], axis=2)
    y[:, :4, 0] = y[:, 2:6, 1] = np.nan
    w = rng.uniform(0.2, 2, (2, n))
    w[:, -3:] = 0
    t, y, w = torch.tensor(rng.integers(0, 3, (2, n))), torch.tensor(y), torch.tensor(w)
    return Batch(X, (t, y.float(), w.float(), (w > 0).sum(1)))


def member(batch, k):
    return (a[k].numpy().astype(float) for a in (batch.y, batch.w)), batch.t[k].numpy()


def average(losses, w):
    return w @ losses / (w > 0).sum()


def outcome_loss(theta, y, w, t):
    """Half the squared error of the first outcome, and the deviance of the second."""
    own = theta.reshape(len(t), 3, 2)[np.arange(len(t)), t]
    first = 0.5 * (y[:, 0] - own[:, 0]) ** 2
    second = np.log1p(np.exp(own[:, 1])) - y[:, 1] * own[:, 1]
    return average(np.nan_to_num(first) + np.nan_to_num(second), w)


def module_with_steps(est, seed=1):
    module = copy.deepcopy(est.theta_net_.ensemble.module)
    steps = np.random.default_rng(seed).normal(scale=0.3, size=(2, 1, 6))
    with torch.no_grad():
        module.body.epsilon.copy_(torch.tensor(steps))
    return module, steps


# -- losses ----------------------------------------------------------------------------------


def test_targeted_loss_of_dragonnet_equals_longhand(pair):
    data, y = pair
    est = DragonNet(**SMALL, propensity_weight=0.6, targeted_weight=1.7)
    est.fit(data.X, data.T, with_gaps(y))
    module, steps = module_with_steps(est)
    with torch.no_grad():
        module.body.arm_head.last.weight *= 20  # so that some chances are below 0.01
    batch, expected = draw_batch(est), []
    out = module(batch.X)
    logits = module.body.arm_head(out.representation).detach().numpy()
    for k in range(2):
        (own_y, w), t = member(batch, k)
        chance = softmax(logits[k].astype(float), axis=1)
        entropy = average(-np.log(chance[np.arange(40), t]), w)
        assert chance.min() < 0.01
        theta = out.theta[k].detach().numpy().astype(float)
        for arm in range(3):
            for m in range(2):
                theta[:, 2 * arm + m] += steps[k, 0, 2 * arm + m] / np.maximum(
                    chance[:, arm], 0.01
                )
        expected.append(0.6 * entropy + 1.7 * outcome_loss(theta, own_y, w, t))
    value = est._penalty()(module, out, batch, 0).detach().numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_riesz_loss_equals_longhand(pair):
    data, y = pair
    est = RieszNet(**SMALL, riesz_weight=0.4, targeted_weight=1.3)
    est.fit(data.X, data.T, with_gaps(y))
    module, steps = module_with_steps(est)
    with torch.no_grad():
        module.body.share.fill_(1 / 3)
        module.body.n_seen.fill_(1)
        module.body.riesz.weight *= 40  # so that some weights are at their least
    batch, expected, shares = draw_batch(est), [], []
    out = module(batch.X)
    shared = module.body.trunk(module.encoder(batch.X))
    raw = module.body.riesz(shared).detach().numpy().astype(float)
    for k in range(2):
        (own_y, w), t = member(batch, k)
        totals = np.array([w[t == arm].sum() + 0.5 for arm in range(3)])
        share = 1 / 3  # as the forward pass has seen it
        softplus = np.log1p(np.exp(-np.abs(raw[k]))) + np.maximum(raw[k], 0)
        assert softplus.min() < 0.01
        alpha = np.maximum(softplus, 0.01) / np.log(2) / share
        losses = np.zeros(40)
        for arm in range(3):
            losses += share * ((t == arm) * alpha[:, arm] ** 2 - 2 * alpha[:, arm])
        theta = out.theta[k].detach().numpy() + steps[k] * np.repeat(alpha, 2, axis=1)
        expected.append(0.4 * average(losses, w) + 1.3 * outcome_loss(theta, own_y, w, t))
        shares.append((share + totals / totals.sum()) / 2)  # the mean of two batches
    value = est._penalty()(module, out, batch, 0).detach().numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(module.body.share[:, 0].numpy(), shares, rtol=1e-5)


def test_shares_are_a_mean_of_batches_that_forgets(pair):
    data, y = pair
    est = RieszNet(**SMALL).fit(data.X, data.T, y)
    body = copy.deepcopy(est.theta_net_.ensemble.module.body)
    for k in range(2):
        body.reset_member(k, torch.Generator())
    rng, own = np.random.default_rng(0), []
    for i in range(130):
        t, w = rng.integers(0, 3, (2, 8)), rng.uniform(0, 2, (2, 8))
        received = np.eye(3)[t]
        totals = np.einsum("kna,kn->ka", received, w) + 0.5
        own.append(totals / totals.sum(axis=1, keepdims=True))
        body.follow_shares(torch.tensor(received).float(), torch.tensor(w).float())
        if i in (0, 4):
            found = body.share[:, 0].numpy()
            np.testing.assert_allclose(found, np.mean(own, axis=0), rtol=1e-5)
    expected = np.mean(own[:100], axis=0)
    for later in own[100:]:
        expected = 0.99 * expected + 0.01 * later
    np.testing.assert_allclose(body.share[:, 0].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("learner", [DragonNet, RieszNet])
def test_steps_are_trained_along_only_where_they_weigh(pair, learner):
    data, y = pair
    found = []
    for targeted_weight in (0.0, 1.0):
        est = learner(**{**SMALL, "n_folds": 1}, targeted_weight=targeted_weight)
        found.append(est.fit(data.X, data.T, y).theta_net_.ensemble.weights()["body.epsilon"])
    assert not found[0].any()
    assert found[1].all()


# -- representers ----------------------------------------------------------------------------


def logistic(base, n=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    p = expit(base + 0.8 * X[:, 0] - 0.5 * X[:, 1])
    T = (rng.uniform(size=n) < p).astype(int)
    y = X[:, 0] + T * (1 + X[:, 2]) + rng.normal(size=n)
    return X, T, y, np.column_stack([1 - p, p]), 1 + X[:, 2].mean()


def test_influence_values_use_the_representers_of_members_that_did_not_see_the_row():
    X, T, y, *_ = logistic(-3.0, n=300, seed=1)
    est = RieszNet(**{**SMALL, "max_epochs": 25}, propensity_clip=0.1, riesz_weight=1.0)
    with pytest.warns(OverlapWarning):
        est.fit(X, T, y)
    net = est.theta_net_.ensemble
    with torch.no_grad():
        found = net.module(net._tensor(X).expand(2, -1, -1)).representation
    relative, share = np.split(found.numpy().astype(float), 2, axis=2)
    weights = relative / share
    inverse = weights[est.folds_, np.arange(300)]
    mean = np.mean(np.eye(2)[T] * inverse, axis=0)
    assert np.abs(mean - 1).max() > 0.01
    inverse, weights = inverse / mean, weights / mean
    assert inverse.min() < 1
    assert inverse.max() > 10
    inverse = np.clip(inverse, 1, 10)
    np.testing.assert_allclose(est.law_net_.inverse_, inverse, rtol=1e-4)
    chance = (1 / inverse) / (1 / inverse).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(est.propensity_, chance, rtol=1e-4)
    cells = est.engine_.cells()
    psi = cells.value + np.eye(2)[T] * inverse * (y[:, None] - cells.value)
    np.testing.assert_allclose(cells.psi, psi, atol=1e-3)
    by_member = 1 / np.clip(weights, 1, 10)
    expected = (by_member / by_member.sum(axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(est.law_net_.predict(X), expected, rtol=1e-4)


def test_effect_on_the_treated_uses_the_representers():
    X, T, y, *_ = logistic(-0.5, n=300)
    est = RieszNet(**SMALL).fit(X, T, y)
    mean, inverse = est.engine_.cells().value, est.law_net_.inverse_
    residual = y - mean[:, 0]
    moves = np.where(T == 1, residual, -residual * inverse[:, 0] / inverse[:, 1])
    assert (
        np.abs(inverse[:, 0] / inverse[:, 1] - est.propensity_[:, 1] * inverse[:, 0]).max() > 0.02
    )
    np.testing.assert_allclose(est.att(), moves.sum() / T.sum(), rtol=1e-6)


@pytest.mark.parametrize("base", [0.0, -2.5])
def test_representers_recover_inverse_propensities(base):
    """With arms of the same size, and with one of a tenth of the rows."""
    X, T, y, chance, ate = logistic(base)
    settings = {"numeric_encoding": None, "n_folds": 2, "max_epochs": 20, "random_state": 0}
    est = RieszNet(**settings, weight_decay=3.0, riesz_weight=1.0).fit(X, T, y)
    inverse, shares = est.law_net_.inverse_, np.bincount(T) / len(T)
    off = np.sqrt(np.mean((inverse * chance - 1) ** 2, axis=0))
    constant = np.sqrt(np.mean((chance / shares - 1) ** 2, axis=0))
    assert (off < 0.6 * constant).all()
    for arm in range(2):
        assert np.corrcoef(np.log(inverse[:, arm]), -np.log(chance[:, arm]))[0, 1] > 0.85
        assert abs(np.mean((T == arm) * inverse[:, arm]) - 1) < 0.25
    low, high = est.ate_interval()
    assert low < ate < high
    assert high - low < 0.7
    other = TARNet(**settings, weight_decay=3.0).fit(X, T, y)
    assert abs(est.ate() - other.ate()) < (high - low) / 2
    assert est.ate() != other.ate()


def test_known_propensities_take_the_place_of_representers():
    """With outcome networks that stay where they start, nothing else differs."""
    data = make_confounded(200, random_state=0)
    found = []
    for learner, params in (
        (TARNet, {}),
        (RieszNet, {"riesz_weight": 1e-3}),
        (RieszNet, {"riesz_weight": 1e3}),
    ):
        est = learner(**{**SMALL, **HINDERED}, **params)
        est.fit(data.X, data.T, data.y, propensity=data.propensity)
        assert est.law_net_ is None
        found.append([est.ate(), *est.ate_interval()])
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-5)


# -- targeted averages -----------------------------------------------------------------------


def gaps(est, weight=None):
    """How far averages of influence values and of outcomes lie apart."""
    cells = est.engine_.cells()
    return np.abs(np.average(cells.psi - cells.value, axis=0, weights=weight))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_targeted_averages_are_those_of_the_updated_outcomes(pair, weighted, missing):
    data, y = pair
    rng = np.random.default_rng(0)
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], 200) if weighted else None
    y = with_gaps(y) if missing else y
    plain = DragonNet(**SMALL).fit(data.X, data.T, y, sample_weight=weight)
    assert gaps(plain, weight).min() > 1e-4
    est = DragonNet(**SMALL, tmle=True).fit(data.X, data.T, y, sample_weight=weight)
    assert gaps(est, weight).max() < 1e-8
    means = np.average(est.engine_.cells().value, axis=0, weights=weight).reshape(3, 2)
    np.testing.assert_allclose(est.ate(), means[1:] - means[0], atol=1e-8)
    # people's effects are those of the networks as before
    np.testing.assert_array_equal(est.effect(data.X), plain.effect(data.X))


@pytest.mark.parametrize("outcome", ["continuous", "binary", "count"])
def test_targeted_averages_where_known_propensities_are_small(outcome):
    data = make_confounded(300, outcome=outcome, overlap="weak", random_state=0)
    est = DragonNet(**{**SMALL, **HINDERED}, tmle=True, outcome=outcome)
    est.fit(data.X, data.T, data.y, propensity=data.propensity)
    assert gaps(est).max() < 1e-8


def test_targeted_means_of_binary_outcomes_stay_within_bounds():
    """Three times as many of those who rarely take the arm took it as was to be expected."""
    rng = np.random.default_rng(0)
    rare = np.arange(200) < 120
    X = np.column_stack([np.where(rare, -1.0, 1.0), rng.normal(size=200)])
    T = ((np.arange(200) < 15) | (np.arange(200) >= 160)).astype(int)
    y = (rng.uniform(size=200) < np.where(rare, 0.9, 0.2)).astype(float)
    y[:15] = [1.0] * 14 + [0.0]
    means = []
    for tmle in (False, True):
        est = DragonNet(**{**SMALL, **HINDERED}, tmle=tmle)
        est.fit(X, T, y, propensity=np.where(rare, 0.04, 0.5))
        means.append(est.engine_.cells().psi.mean(axis=0))
    assert means[0][1] > 1.02
    assert gaps(est).max() < 1e-8
    assert 0.6 < means[1][1] < 1
    assert est.ate() == pytest.approx(means[1][1] - means[1][0])


@pytest.mark.parametrize(
    ("learner", "params"), [(DragonNet, {"tmle": True}), (DragonNet, {}), (RieszNet, {})]
)
def test_wrong_outcomes_do_not_bias_averages_where_propensities_are_known(learner, params):
    errors, naive = [], []
    for seed in range(12):
        data = make_confounded(250, overlap="strong", random_state=seed)
        est = learner(**{**SMALL, **HINDERED}, **params)
        est.fit(data.X, data.T, data.y, propensity=data.propensity)
        errors.append(est.ate() - data.ate[0])
        naive.append(data.y[data.T == 1].mean() - data.y[data.T == 0].mean() - data.ate[0])
    se = np.std(errors) / np.sqrt(12)
    assert abs(np.mean(errors)) < 2.5 * se
    assert np.mean(naive) > 6 * se
