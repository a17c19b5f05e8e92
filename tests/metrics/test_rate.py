"""RATE, gains, group effects, calibration and policy values with their standard errors."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import norm

from sklcausal.metrics import (
    calibration_slope,
    cumulative_gain_curve,
    doubly_robust_scores,
    gates,
    policy_value,
    rate,
    toc_curve,
)

# grf's test "rank_average_treatment_effect has not changed": 25 rows, the arm itself as priority.
# With a propensity of one half and outcome means of 0 its scores are 2 y (2 w - 1).
GRF_Y = np.array(
    [7.2, 4.3, -1.1, -1.9, -3.7, 1.7, 0.4, -0.8, 0.2, -2.4, -2.6, 2.7, -1.1]
    + [0.3, 0.5, -2.4, -2.9, 0.2, -2.1, -0.1, -0.1, -4, -5.9, -3.3, 1.8]
)
GRF_W = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1])
# Of a normal x the mean among the share q with the largest is phi(z) / q; here is its mean over q.
AUTOC = quad(lambda z: norm.pdf(z) ** 2 / norm.sf(z), -8, 8)[0]
GRF = {"outcome_mean": np.zeros((25, 2)), "propensity": np.full(25, 0.5)}


def trial(n=4000, seed=0):
    """Draw a randomised trial whose effect is 1 + x."""
    rng = np.random.default_rng(seed)
    x, T = rng.normal(size=n), rng.integers(0, 2, n)
    y = np.sin(x) + T * (1 + x) + rng.normal(size=n)
    nuisances = {
        "outcome_mean": np.stack([np.sin(x), np.sin(x) + 1 + x], axis=1),
        "propensity": np.full(n, 0.5),
    }
    return x, T, y, nuisances


def test_equals_grf():
    found = rate(GRF_W, GRF_Y, 1.0 * GRF_W, n_bootstrap=2000, **GRF)
    assert_allclose(found.estimate, [-0.84766553531391], atol=1e-12)
    assert_allclose(found.std_error, [0.571871384204182], rtol=0.06)
    shares, toc = toc_curve(GRF_W, GRF_Y, 1.0 * GRF_W, n_bootstrap=2000, **GRF)
    assert_allclose(shares, np.arange(1, 11) / 10)
    wanted = [-1.05976470588235] * 6 + [-0.965142857142857, -0.563, -0.250222222222222, 0]
    assert_allclose(toc.estimate, wanted, atol=1e-12)
    errors = [0.795638422842039, 0.755534565676904, 0.573841753475629, 0.188648018385444, 0]
    assert_allclose(toc.std_error[[0, 4, 6, 8, 9]], errors, rtol=0.08, atol=1e-12)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("target", ["autoc", "qini"])
def test_longhand_with_weights(target, tied):
    rng = np.random.default_rng(1)
    n = 60
    T, y, w = rng.integers(0, 2, n), rng.normal(size=n), rng.uniform(0.5, 2, n)
    priority = rng.integers(0, 5, n) if tied else rng.normal(size=n)
    given = {"outcome_mean": rng.normal(size=(n, 2)), "propensity": rng.uniform(0.3, 0.7, n)}
    score = np.subtract(*doubly_robust_scores(T, y, **given).T[::-1])
    for level in np.unique(priority):
        tie = priority == level
        score[tie] = np.average(score[tie], weights=w[tie])
    order = np.argsort(-priority, kind="stable")
    score, own = score[order], w[order]
    value = 0.0
    for i in range(n):
        toc = np.average(score[: i + 1], weights=own[: i + 1]) - np.average(score, weights=own)
        share = own[: i + 1].sum() / own.sum()
        value += own[i] / own.sum() * toc * (share if target == "qini" else 1)
    found = rate(T, y, priority, target=target, sample_weight=w, n_bootstrap=2, **given)
    assert_allclose(found.estimate, [value])


def test_ranking_by_the_effect_and_by_nothing():
    x, T, y, nuisances = trial(20_000)
    found = rate(T, y, x, **nuisances)
    assert abs(found.zstat[0]) > 10
    assert_allclose(found.estimate, [AUTOC], atol=4 * found.std_error[0])
    noise = rate(T, y, np.random.default_rng(7).normal(size=20_000), **nuisances)
    assert abs(noise.zstat[0]) < 4
    assert rate(T, y, np.ones(20_000), **nuisances).estimate[0] == pytest.approx(0, abs=1e-12)


def test_standard_error_equals_the_spread_over_draws():
    draws = [trial(400, seed) for seed in range(200)]
    found = [rate(T, y, x, n_bootstrap=100, **nuisances) for x, T, y, nuisances in draws]
    estimates = np.array([r.estimate[0] for r in found])
    errors = np.array([r.std_error[0] for r in found])
    assert 0.85 < errors.mean() / estimates.std(ddof=1) < 1.2
    low, high = np.transpose([np.concatenate(r.conf_int()) for r in found])
    assert 0.9 <= np.mean((low <= AUTOC) & (high >= AUTOC)) <= 0.99


def test_clusters_that_are_copies_widen_the_interval():
    x, T, y, nuisances = trial(500)
    copies = np.tile(np.arange(500), 4)
    given = {name: value[copies] for name, value in nuisances.items()}
    alone = rate(T, y, x, **nuisances).std_error
    naive = rate(T[copies], y[copies], x[copies], **given).std_error
    clustered = rate(T[copies], y[copies], x[copies], cluster=copies, **given).std_error
    assert_allclose(clustered, alone, rtol=0.1)
    assert_allclose(naive, alone / 2, rtol=0.15)


def test_same_seed_same_bits():
    x, T, y, nuisances = trial(300)
    first = rate(T, y, x, **nuisances)
    assert_array_equal(first.std_error, rate(T, y, x, **nuisances).std_error)
    assert (first.std_error != rate(T, y, x, random_state=1, **nuisances).std_error).all()


def test_gain_and_toc_tell_the_same():
    x, T, y, nuisances = trial(3000)
    shares, toc = toc_curve(T, y, x, **nuisances)
    _, gain = cumulative_gain_curve(T, y, x, **nuisances)
    average = gain.estimate[-1]
    assert_allclose(gain.estimate, shares * (toc.estimate + average))
    scores = doubly_robust_scores(T, y, **nuisances)
    assert_allclose(average, (scores[:, 1] - scores[:, 0]).mean())
    top = x >= np.sort(x)[-300]
    assert_allclose(gain.estimate[0], ((scores[:, 1] - scores[:, 0]) * top).mean())


def test_several_arms_and_outcomes():
    rng = np.random.default_rng(3)
    n = 6000
    X, T = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    tau = np.stack([np.zeros(n), 1 + X[:, 0], X[:, 1]], axis=1)
    y = tau[np.arange(n), T] + rng.normal(size=n)
    found = rate(T, y, tau[:, 1:], n_bootstrap=50)
    assert found.names == ["1 vs 0", "2 vs 0"]
    assert (found.zstat > 5).all()
    both = rate(T, np.stack([y, -y], axis=1), np.stack([tau[:, 1:]] * 2, axis=2), n_bootstrap=50)
    assert both.names == ["1 vs 0: y0", "1 vs 0: y1", "2 vs 0: y0", "2 vs 0: y1"]
    assert_allclose(both.estimate[::2], found.estimate)
    assert_allclose(both.estimate[1::2], -found.estimate)
    best = rate(T, y, tau[:, 1:], multiarm="best", n_bootstrap=50)
    assert best.names == ["best arm vs 0"] and best.zstat[0] > 5
    one = rate(T, y, tau[:, 1:], arm=2, n_bootstrap=50)
    assert_allclose(one.estimate, found.estimate[1:])


def test_shares_of_a_trial_make_errors_smaller_as_the_spread_over_draws():
    # level and ranking go together: chance differences between arms cancel in part
    draws = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, T = rng.normal(size=400), rng.integers(0, 2, 400)
        draws.append((T, 2 + 3 * x + T * (1 + x) + 0.2 * rng.normal(size=400), x))
    known = {"outcome_mean": np.zeros((400, 2)), "propensity": np.full(400, 0.5)}
    for metric in (
        lambda *a, **k: rate(*a, target="qini", n_bootstrap=100, **k)[0],
        lambda *a, **k: gates(*a, n_groups=2, **k)[1],
        lambda T, y, x, **k: policy_value(T, y, effect=x, **k)["gain"],
    ):
        found = [metric(*draw) for draw in draws]
        spread = np.std([r.estimate[0] for r in found], ddof=1)
        assert 0.85 < np.mean([r.std_error[0] for r in found]) / spread < 1.15
        naive = np.mean([metric(*draw, **known).std_error[0] for draw in draws[:20]])
        assert naive > 1.3 * spread


def test_errors_with_weights_and_uneven_clusters_follow_the_spread():
    weighted, clustered = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        T = rng.integers(0, 2, 400)
        x = rng.normal(size=400)
        y = 2 + x + T + rng.normal(size=400)
        w = np.where(rng.random(400) < 0.2, 10.0, 1.0)
        treat = (x > 0).astype(int)
        weighted.append(policy_value(T, y, treat, sample_weight=w)["gain"])
        size = np.tile([2, 30], 20)
        label = np.repeat(np.arange(40), size)
        T = np.repeat(rng.integers(0, 2, 40), size)
        y = np.repeat(rng.normal(size=40), size) + T + 0.5 * rng.normal(size=len(T))
        if 0 < T.mean() < 1:
            clustered.append(policy_value(T, y, 1, cluster=label)["gain"])
    for found in (weighted, clustered):
        spread = np.std([r.estimate[0] for r in found], ddof=1)
        assert 0.85 < np.mean([r.std_error[0] for r in found]) / spread < 1.15


# -- groups, calibration, policies ----------------------------------------------------------


def test_gates_longhand():
    x, T, y, nuisances = trial(1000)
    w = np.random.default_rng(0).uniform(0.5, 1.5, 1000)
    found = gates(T, y, 1 + x, n_groups=4, **nuisances)
    score = np.subtract(*doubly_robust_scores(T, y, **nuisances).T[::-1])
    parts = np.array_split(np.argsort(x), 4)
    assert_allclose(found.estimate, [score[p].mean() for p in parts])
    assert_allclose(found.predicted, [1 + x[p].mean() for p in parts])
    errors = [score[p].std(ddof=1) / np.sqrt(250) for p in parts]
    assert_allclose(found.std_error, errors)
    assert np.abs(found.covariance - np.diag(np.diag(found.covariance))).max() < 1e-15
    weighted = gates(T, y, 1 + x, n_groups=2, sample_weight=w, **nuisances)
    group = x > np.sort(x)[np.searchsorted(np.cumsum(w[np.argsort(x)]), w.sum() / 2) - 1]
    assert_allclose(weighted.estimate[1], np.average(score[group], weights=w[group]), rtol=0.02)


def test_gates_follow_a_right_prediction_and_ties_stay_together():
    x, T, y, nuisances = trial(20_000)
    found = gates(T, y, 1 + x, **nuisances)
    assert (np.abs(found.estimate - found.predicted) < 4 * found.std_error).all()
    few = gates(T, y, np.where(x > 0, 2.0, 0.0), **nuisances)
    assert few.names == ["group 1 of 2", "group 2 of 2"]
    assert gates(T, y, np.ones(20_000), **nuisances).names == ["group 1 of 1"]


@pytest.mark.parametrize(("stretch", "slope"), [(1.0, 1.0), (2.0, 0.5), (-1.0, -1.0)])
def test_calibration_slope(stretch, slope):
    x, T, y, nuisances = trial(20_000)
    found = calibration_slope(T, y, 1 + stretch * x, **nuisances)
    assert found.names == ["average effect", "slope"]
    assert abs(found.estimate[1] - slope) < 4 * found.std_error[1]
    assert abs(found.estimate[0] - 1) < 4 * found.std_error[0]
    score = np.subtract(*doubly_robust_scores(T, y, **nuisances).T[::-1])
    design = np.stack([np.ones(20_000), stretch * (x - x.mean())], axis=1)
    beta = np.linalg.lstsq(design, score, rcond=None)[0]
    assert_allclose(found.estimate, beta)
    bread = np.linalg.inv(design.T @ design)
    meat = design.T @ (design * (score - design @ beta)[:, None] ** 2)
    assert_allclose(found.covariance[1, 1], (bread @ meat @ bread)[1, 1], rtol=1e-3)
    # of people drawn anew, as in all other averages
    assert_allclose(found.std_error[0], score.std() / np.sqrt(20_000), rtol=1e-3)


def test_constant_predictions_rank_nobody():
    _, T, y, nuisances = trial(500)
    found = rate(T, y + 1e4, np.ones(500), **nuisances)
    assert_array_equal(found.estimate, [0.0])
    assert_array_equal(found.std_error, [0.0])
    assert_array_equal(toc_curve(T, y, np.ones(500), **nuisances)[1].estimate, np.zeros(10))


def test_policy_value_longhand():
    x, T, y, nuisances = trial(2000)
    scores = doubly_robust_scores(T, y, **nuisances)
    treat = x > -1
    found = policy_value(T, y, treat.astype(int), **nuisances)
    chosen = np.where(treat, scores[:, 1], scores[:, 0])
    gain = chosen - scores[:, 0]
    assert found.names == ["policy", "baseline", "gain"]
    assert_allclose(found.estimate, [chosen.mean(), scores[:, 0].mean(), gain.mean()])
    assert_allclose(found.std_error[2], gain.std(ddof=1) / np.sqrt(2000))
    assert_allclose(policy_value(T, y, effect=1 + x, **nuisances).estimate, found.estimate)
    everybody = policy_value(T, y, 1, baseline=treat.astype(int), **nuisances)
    assert_allclose(everybody.estimate[2], (scores[:, 1] - chosen).mean())


def test_policy_of_labels_and_several_outcomes():
    x, T, y, _ = trial(500)
    arm = np.array(["no", "pill"])[T]
    found = policy_value(arm, np.stack([y, -y], axis=1), np.where(x > 0, "pill", "no"))
    assert found.names[:2] == ["policy: y0", "policy: y1"]
    assert_allclose(found.estimate[::2], -found.estimate[1::2])
    weighted = policy_value(arm, y, "pill", sample_weight=np.ones(500) * 3)
    assert_allclose(weighted.estimate, policy_value(arm, y, "pill").estimate)


BAD = [
    (lambda *a, **k: rate(*a, target="auc", **k), "`target` must be one of"),
    (
        lambda *a, **k: rate(*a, n_bootstrap=1, **k),
        "`n_bootstrap` must be an integer of at least 2",
    ),
    (
        lambda *a, **k: rate(*a, cluster=np.zeros(40), **k),
        "`cluster` must hold at least 2 labels, got 1",
    ),
    (
        lambda *a, **k: rate(*a, cluster=np.arange(40) % 3, **k),
        "at least 4 rows or clusters .* got 3",
    ),
    (lambda *a, **k: rate(*a, cluster=np.zeros(4), **k), "same number of rows, got `cluster` 4"),
    (lambda *a, **k: toc_curve(*a, shares=[0.5, np.nan], **k), "`shares` must be finite"),
    (lambda *a, **k: gates(*a, cluster=np.digitize(a[2], [-1, 0, 1]), **k), "2 clusters in each"),
    (
        lambda *a, **k: rate(
            *a,
            sample_weight=1.0 * np.isin(np.arange(40), [np.argmax(a[0]), np.argmin(a[0]), 39]),
            **k,
        ),
        "at least 4 rows",
    ),
    (lambda *a, **k: toc_curve(*a, shares=[0.5, 0.2], **k), "`shares` must increase"),
    (lambda *a, **k: toc_curve(*a, shares=[0.0, 1.0], **k), "`shares` must increase"),
    (lambda *a, **k: gates(*a, n_groups=1, **k), "`n_groups` must be an integer of at least 2"),
    (lambda *a, **k: gates(*a, n_groups=30, **k), "must leave at least 2 rows in each group"),
    (lambda *a, **k: calibration_slope(a[0], a[1], np.ones(40), **k), "`effect` must vary"),
    (lambda *a, **k: policy_value(a[0], a[1], **k), "one of `policy` and `effect` must be given"),
    (lambda *a, **k: policy_value(a[0], a[1], 2, **k), "`policy` must be one of"),
    (lambda *a, **k: policy_value(a[0], a[1], [1, 1], **k), "`policy` must hold one arm, or one"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input(call, message):
    x, T, y, nuisances = trial(40)
    with pytest.raises(ValueError, match=message):
        call(T, y, x, **nuisances)


def test_curve_of_several_contrasts_needs_a_choice():
    T = np.arange(60) % 3
    with pytest.raises(ValueError, match=r"one outcome and one contrast, got 2.*\[1, 2\]"):
        toc_curve(T, T * 1.0, np.ones((60, 2)))
