"""Outcomes that happen within others."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from _mixtures import TINY
from scipy.special import expit, logit

from sklcausal._funnel import Funnel, log_odds_within
from sklcausal.mixture import MOTTO, MMoE


def make_funnel(n, seed=0):
    """Draw visits, purchases within them, and amounts; two arms."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    T = (rng.random(n) < expit(X[:, 0])).astype(int)
    chance = expit(X[:, [0]] + [0.0, 0.7]), expit(-0.5 + X[:, [1]] + [0.0, 0.5])
    received = [own[np.arange(n), T] for own in chance]
    visit = rng.random(n) < received[0]
    buy = visit & (rng.random(n) < received[1])
    spend = 2 + X[:, 2] + T + rng.normal(size=n)
    truth = np.stack([chance[0], chance[0] * chance[1], 2 + X[:, [2]] + [0, 1]], axis=2)
    return SimpleNamespace(X=X, T=T, y=np.column_stack([visit, buy, spend]) * 1.0, mu=truth)


def test_log_odds_within_another_outcome():
    rng = np.random.default_rng(0)
    outer, inner = 3 * rng.normal(size=(2, 50))
    found = log_odds_within(torch.as_tensor(outer), torch.as_tensor(inner))
    np.testing.assert_allclose(found, logit(expit(outer) * expit(inner)), rtol=1e-9)
    extreme = log_odds_within(torch.tensor([60.0, -60.0]), torch.tensor([60.0, -60.0]))
    assert torch.isfinite(extreme).all()
    assert extreme[1] == pytest.approx(-120, rel=1e-5)


def test_inner_outcomes_are_never_likelier_than_outer_ones():
    data = make_funnel(400)
    y = pd.DataFrame(data.y, columns=["visit", "buy", "spend"])
    est = MOTTO(**TINY, funnel=[("visit", "buy")]).fit(data.X, data.T, y)
    chance = est.potential_outcomes(data.X)
    assert (chance[..., 1] <= chance[..., 0]).all()
    # it starts from the shares of both
    start = est.theta_net_.ensemble.start
    index = start.link(torch.as_tensor(start.constant)).numpy().reshape(2, 2, 3)
    np.testing.assert_allclose(expit(index[:, 0, 0]), data.y[:, 0].mean(), atol=0.05)
    np.testing.assert_allclose(expit(index[:, 0, 1]), data.y[:, 1].mean(), atol=0.05)
    low, high = est.effect_interval(data.X)
    assert np.isfinite(low).all() and np.isfinite(high).all()
    by_position = MOTTO(**TINY, funnel=[(0, 1)]).fit(data.X, data.T, data.y)
    np.testing.assert_array_equal(by_position.effect(data.X), est.effect(data.X))
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.effect(data.X), est.effect(data.X))


def test_averages_within_a_funnel_are_right():
    errors = []
    for seed in range(5):
        data = make_funnel(1500, seed)
        settings = {**TINY, "max_epochs": 40, "n_folds": 3, "weight_decay": 1.0}
        result = MOTTO(**settings, funnel=[(0, 1)]).fit(data.X, data.T, data.y).estimate()
        truth = (data.mu[:, 1] - data.mu[:, 0]).mean(axis=0)
        errors.append((result.estimate - truth) / result.std_error)
    assert (np.abs(np.mean(errors, axis=0)) < 3 / np.sqrt(5)).all()
    # of five draws with a spread of 1, 99.9 % stay below
    assert (np.std(errors, axis=0, ddof=1) < 2.15).all()


def test_a_funnel_of_three_outcomes_follows_its_order():
    data = make_funnel(300)
    last = data.y[:, 1] * (data.X[:, 0] > 0)
    y = np.column_stack([last, data.y[:, 1], data.y[:, 0]])
    est = MMoE(**TINY, funnel=[(1, 0), (2, 1)]).fit(data.X, data.T, y)
    assert est._links == ((2, 1), (1, 0))
    chance = est.potential_outcomes(data.X)
    assert (np.diff(chance, axis=2) >= 0).all()


@pytest.mark.parametrize(
    ("funnel", "match"),
    [
        (["visit"], r"`funnel` must hold pairs of an outcome .* got 'visit'"),
        ([(0, 5)], r"`funnel` must be a position from 0 to 2 or one of \['y0', .* got 5"),
        ([("visits", 1)], r"`funnel` must be a position .* got 'visits'"),
        ([(0, 2)], r"`funnel` must name binary outcomes, got 'y2', which is continuous"),
        ([(0, 1), (1, 0)], r"`funnel` says that 'y0' happens only within 'y1', but `y` has"),
        ([(0, 1), (0, 1)], r"`funnel` must name one outcome within which 'y1' happens, got"),
        ([(1, 1)], r"`funnel` must not lead an outcome to itself, got \['y1'\]"),
    ],
)
def test_a_funnel_that_cannot_be_is_refused(funnel, match):
    data = make_funnel(100)
    with pytest.raises(ValueError, match=match):
        MOTTO(**TINY, funnel=funnel).fit(data.X, data.T, data.y)


def test_intervals_know_how_outcomes_move_with_last_layers():
    funnel = Funnel(((0, 1), (1, 2)), 4)
    start = torch.randn(6, 2 * 4, generator=torch.Generator().manual_seed(0)).double()
    jacobian = torch.func.vmap(torch.func.jacrev(funnel))(start)  # (row, theta, output)
    found = funnel.slopes(funnel(start).numpy())
    np.testing.assert_allclose(found, jacobian.transpose(1, 2).numpy(), atol=1e-9)


def test_features_of_an_inner_outcome_hold_those_of_the_outer_one():
    data = make_funnel(300)
    est = MOTTO(**TINY, funnel=[(0, 1)]).fit(data.X, data.T, data.y)
    (bases,) = est.projection_.bases.values()
    used = {tuple(basis.target.outcomes): basis.used.tolist() for basis in bases}
    assert used == {(0,): [0, 3], (1,): [0, 1, 3, 4], (2,): [2, 5]}
    # against steps of the last layers themselves
    net, k = est.effect_net_, 0
    theta, hidden = net.member(k, data.X, np.arange(5))
    inner = next(basis for basis in bases if basis.target.outcomes == [1])
    features = est.projection_._features(inner, k, theta, hidden)
    last = net.ensemble.module.body.last
    rows, step = torch.as_tensor(data.X[:5]), 1e-3

    def effect():
        own, _ = net.member(k, data.X, np.arange(len(rows)))
        mean = expit(own.reshape(5, 2, 3)[..., 1])
        return mean[:, 1] - mean[:, 0]

    before, column = effect(), 0
    for head in (0, 1, 3, 4):
        for unit in range(8):
            with torch.no_grad():
                last.weight[k, head, unit, 0] += step
            change = (effect() - before) / step
            with torch.no_grad():
                last.weight[k, head, unit, 0] -= step
            np.testing.assert_allclose(features[:, column], change, atol=2e-3)
            column += 1
        column += 1  # the bias


def test_cells_that_follow_from_others_are_filled_in():
    data = make_funnel(400)
    y = data.y.copy()
    y[y[:, 0] == 0, 1] = np.nan  # no visit, so that nothing is known of a purchase
    y[:5, 0] = np.where(y[:5, 1] == 1, np.nan, y[:5, 0])
    whole = MOTTO(**TINY, funnel=[(0, 1)]).fit(data.X, data.T, data.y)
    filled = MOTTO(**TINY, funnel=[(0, 1)]).fit(data.X, data.T, y)
    np.testing.assert_array_equal(filled.effect(data.X), whole.effect(data.X))
    np.testing.assert_array_equal(filled.ate(), whole.ate())
