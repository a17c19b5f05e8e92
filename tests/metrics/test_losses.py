"""Losses without the truth: longhand, and whether they find the better candidate."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from sklcausal.exceptions import TargetError
from sklcausal.metrics import (
    doubly_robust_scores,
    dr_loss,
    if_pehe,
    ipw_loss,
    matching_pehe,
    r_loss,
)

LOSSES = [dr_loss, if_pehe, ipw_loss, r_loss]


def draw(n, seed=0):
    """Draw two arms with known outcome means and propensities."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    e = expit(0.8 * x)
    T = (rng.random(n) < e).astype(int)
    tau = 1 + x
    mu = np.stack([np.sin(x), np.sin(x) + tau], axis=1)
    return x, T, mu[np.arange(n), T] + rng.normal(size=n), mu, e, tau


def test_longhand_three_arms_two_outcomes_and_weights():
    rng = np.random.default_rng(1)
    n = 60
    T = np.array(["c", "a", "b"])[np.arange(n) % 3]
    y, mu = rng.normal(size=(n, 2)), rng.normal(size=(n, 3, 2))
    pi = rng.dirichlet(np.ones(3) * 5, n)
    w, effect = rng.uniform(0.5, 2, n), rng.normal(size=(n, 2, 2))
    code = np.array(["abc".index(t) for t in T])
    score = mu.copy()
    for i, a in enumerate(code):
        score[i, a] += (y[i] - mu[i, a]) / max(pi[i, a], 0.01)
    given = {"outcome_mean": mu, "propensity": pi}
    assert_allclose(doubly_robust_scores(T, y, **given), score)
    given |= {"control": "b", "sample_weight": w, "multioutput": "raw_values"}
    phi = np.stack([score[:, 0] - score[:, 1], score[:, 2] - score[:, 1]], axis=1)
    assert_allclose(
        dr_loss(T, y, effect, **given), np.average((phi - effect) ** 2, axis=0, weights=w)
    )
    plug_in = np.stack([mu[:, 0] - mu[:, 1], mu[:, 2] - mu[:, 1]], axis=1)
    gap = plug_in - effect
    assert_allclose(
        if_pehe(T, y, effect, **given),
        np.average(gap**2 + 2 * gap * (phi - plug_in), axis=0, weights=w),
    )
    m = np.einsum("na,nam->nm", pi, mu)
    hit = np.stack([code == 0, code == 2], axis=1) - pi[:, [0, 2]]
    left = y - m - np.einsum("nc,ncm->nm", hit, effect)
    assert_allclose(r_loss(T, y, effect, **given), np.average(left**2, axis=0, weights=w))
    raw = np.zeros((n, 3, 2))
    raw[np.arange(n), code] = y / np.maximum(pi[np.arange(n), code], 0.01)[:, None]
    phi = np.stack([raw[:, 0] - raw[:, 1], raw[:, 2] - raw[:, 1]], axis=1)
    assert_allclose(
        ipw_loss(T, y, effect, **given), np.average((phi - effect) ** 2, axis=0, weights=w)
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_true_effect_is_better_than_others(loss):
    _, T, y, mu, e, tau = draw(4000)
    given = {"outcome_mean": mu, "propensity": e}
    best = loss(T, y, tau, **given)
    assert best < loss(T, y, np.ones(4000), **given)
    assert best < loss(T, y, tau + 0.5, **given)
    assert best < loss(T, y, np.zeros(4000), **given)


def test_doubly_robust_scores_hold_with_one_wrong_nuisance():
    x, T, y, mu, e, _ = draw(200_000)
    wrong_mu, wrong_e = np.zeros_like(mu), np.full(len(x), 0.5)
    for given in (
        {"outcome_mean": wrong_mu, "propensity": e},
        {"outcome_mean": mu, "propensity": wrong_e},
    ):
        scores = doubly_robust_scores(T, y, **given)
        gap = scores[:, 1] - scores[:, 0]
        assert abs(gap.mean() - 1) < 4 * gap.std() / np.sqrt(len(x))
    scores = doubly_robust_scores(T, y, outcome_mean=wrong_mu, propensity=wrong_e)
    assert (scores[:, 1] - scores[:, 0]).mean() > 1.3  # both wrong: confounded


def test_if_pehe_estimates_the_squared_pehe():
    _, T, y, mu, e, tau = draw(100_000)
    found = if_pehe(T, y, tau + 0.7, outcome_mean=mu + 0.1, propensity=e)
    assert abs(found - 0.49) < 0.03


def test_if_pehe_ranks_as_dr_loss_does():
    x, T, y, mu, e, tau = draw(2000)
    given = {"outcome_mean": mu, "propensity": e}
    candidates = [tau, tau + 1, np.zeros(2000), x]
    gaps = np.diff([dr_loss(T, y, c, **given) for c in candidates])
    assert_allclose(np.diff([if_pehe(T, y, c, **given) for c in candidates]), gaps)


def test_randomised_defaults_are_shares_and_means_of_the_arms():
    rng = np.random.default_rng(4)
    T, y, effect = rng.integers(0, 2, 300), rng.normal(size=300), rng.normal(size=300)
    means = np.tile([y[T == 0].mean(), y[T == 1].mean()], (300, 1))
    share = np.full(300, T.mean())
    for loss in LOSSES:
        assert_allclose(
            loss(T, y, effect), loss(T, y, effect, outcome_mean=means, propensity=share)
        )


def test_matching_longhand():
    rng = np.random.default_rng(5)
    X, T, y, effect = (
        rng.normal(size=(80, 2)),
        rng.integers(0, 2, 80),
        rng.normal(size=80),
        rng.normal(size=80),
    )
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    squares = []
    for i in range(80):
        others = np.flatnonzero(T != T[i])
        j = others[((Z[others] - Z[i]) ** 2).sum(axis=1).argmin()]
        squares.append(((2 * T[i] - 1) * (y[i] - y[j]) - effect[i]) ** 2)
    assert_allclose(matching_pehe(X, T, y, effect), np.sqrt(np.mean(squares)))


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_and_labels_do_not_matter(loss):
    _, T, y, mu, e, tau = draw(100)
    wanted = loss(T, y, tau, outcome_mean=mu, propensity=e)
    named = np.where(T == 1, "treated", "a control")
    for effect in (tau, tau[:, None], tau[:, None, None]):
        assert loss(T[:, None], y, effect, outcome_mean=mu, propensity=e) == wanted
    both = {"outcome_mean": mu[:, :, None], "propensity": np.stack([1 - e, e], axis=1)}
    assert loss(named, y[:, None], tau, **both) == wanted
    rows = np.random.default_rng(0).permutation(100)
    shuffled = loss(T[rows], y[rows], tau[rows], outcome_mean=mu[rows], propensity=e[rows])
    assert_allclose(shuffled, wanted)


BASE = {"T": [0, 1, 0, 1], "y": [0.0, 1.0, 2.0, 3.0], "effect": [1.0, 1.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"T": [0, 0, 0, 0]}, "`T` must have at least 2 levels, got 1"),
        ({"T": [0, 1, 0]}, "must have the same number of rows, got `T` 3, `y` 4"),
        ({"T": [[0, 1]] * 4}, r"`T` must have shape \(n_samples,\), got \(4, 2\)"),
        ({"T": [0, 1, None, 1]}, "`T` must not have missing values"),
        ({"treatments": [0, 2]}, r"`T` must be one of \[0, 2\], got \[1\]"),
        ({"treatments": [0, 1, 2]}, "`T` must hold every arm of `treatments`, got none of 2"),
        ({"control": 3}, r"`control` must be one of \[0, 1\], got 3"),
        ({"y": [0.0, 1.0, np.nan, 3.0]}, "`y` must not contain NaN or infinity"),
        ({"y": list("abcd")}, "`y` must hold numbers or two different strings, got"),
        ({"effect": [1.0, 1.0]}, r"`effect` must have shape \(4, 1\)"),
        ({"effect": np.ones((4, 2))}, r"contrasts \['1 vs 0'\] and each outcome, got \(4, 2\)"),
        ({"effect": [1.0, np.nan, 1.0, 1.0]}, "`effect` must be finite"),
        ({"propensity": [0.5, 0.5]}, r"`propensity` must have shape \(4, 2\)"),
        (
            {"propensity": [0.5, 0.5, 1.5, 0.5]},
            "`propensity` must lie between 0 and 1, got 0.5 to 1.5",
        ),
        ({"propensity": np.full((4, 2), 0.4)}, "`propensity` must sum to 1 in every row"),
        ({"propensity": [0.0, 0.0, 0.5, 0.5], "clip": 0}, "got 0 in row 1; a positive `clip`"),
        ({"clip": 0.5}, "`clip` must be a number from 0 to below 0.5, got 0.5"),
        ({"outcome_mean": np.ones((4, 3))}, r"`outcome_mean` must have shape \(4, 2\)"),
        ({"T": [0.5, 1.5, 0.5, 1.5]}, "`T` must hold arms, got numbers that are not integers"),
        ({"sample_weight": [1, 0, 1, 0]}, "`sample_weight` must leave rows of every arm, .* in 1"),
        (
            {"T": pd.Series([0, 1, 0, 1]), "effect": pd.Series(np.ones(4), index=range(1, 5))},
            "`T` and `effect` must have the same index",
        ),
        ({"sample_weight": [1, 1, -1, 1]}, "`sample_weight` must be at least 0"),
        ({"multioutput": "mean"}, "`multioutput` must be one of"),
    ],
)
def test_bad_input(change, message):
    given = BASE | change
    with pytest.raises(ValueError, match=message):
        dr_loss(given.pop("T"), given.pop("y"), given.pop("effect"), **given)


def test_clipping_makes_probabilities_of_zero_harmless():
    assert np.isfinite(dr_loss(**BASE, propensity=[0.0, 0.0, 1.0, 1.0]))


def test_unknown_arm_is_a_target_error():
    with pytest.raises(TargetError, match="must be one of"):
        dr_loss(**BASE, treatments=[0, 5])
