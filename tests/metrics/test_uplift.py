"""Uplift, Qini and cost curves against longhand loops and two other packages' numbers."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklcausal.metrics import (
    aucc_score,
    auuc_score,
    cost_curve,
    qini_curve,
    qini_score,
    roi_score,
    uplift_curve,
)

ROW = np.arange(40)
T, Y = (ROW * 7 % 3 != 0).astype(int), ((ROW * ROW) % 5 < 2).astype(int)
TIED, UNIQUE = np.round(np.sin(ROW * 1.7), 1), np.sin(ROW * 1.7)
CURVES = {"uplift": uplift_curve, "qini": qini_curve}


def prefix_loop(T, y, score, kind, weight=None, inverse=None, empty="zero"):
    """Sum up prefix by prefix, in plain Python."""
    weight = np.ones(len(y)) if weight is None else weight
    share = None if inverse is None else weight[T == 1].sum() / weight.sum()
    inverse = weight if inverse is None else weight * inverse
    levels = sorted(set(score), reverse=True)
    n, gain = [0.0], [0.0]
    for level in levels:
        top = score >= level
        mean = [
            np.average(y[top & (T == a)], weights=inverse[top & (T == a)])
            if (top & (T == a)).any()
            else 0.0
            for a in (0, 1)
        ]
        size = weight[top].sum()
        if kind == "qini":
            size = weight[top & (T == 1)].sum() if share is None else share * size
        n.append(weight[top].sum())
        gain.append(size * (mean[1] - mean[0]))
    return np.array(n), np.array(gain)


def test_equals_scikit_uplift():
    # scikit-uplift 0.5.1: qini_auc_score, uplift_auc_score, qini_curve and uplift_curve
    assert_allclose(qini_score(T, Y, TIED, normalize="perfect"), 0.0970151090112703, atol=1e-9)
    assert_allclose(auuc_score(T, Y, TIED, normalize="perfect"), 0.11079123273178339, atol=1e-9)
    _, gain = qini_curve(T, Y, TIED, empty="zero")
    assert_allclose(gain[:6], [0, 1, 3, 5, 2 + 1 / 3, 3])
    _, gain = uplift_curve(T, Y, TIED, empty="zero")
    assert_allclose(gain[:6], [0, 4 / 3, 4, 6.25, 3.20833333, 4], rtol=1e-8)


def test_equals_causalml():
    # causalml 0.18.0: auuc_score and qini_score, a binary and a continuous outcome
    for y, auuc, qini in (
        (Y, 0.07042185719626452, 0.6252293099854075),
        (Y + np.cos(ROW), -0.2698631618972832, 0.25528055912706776),
    ):
        assert_allclose(auuc_score(T, y, UNIQUE, normalize="total"), auuc, atol=1e-9)
        assert_allclose(qini_score(T, y, UNIQUE, normalize="total"), qini, atol=1e-9)


@pytest.mark.parametrize("score", [TIED, UNIQUE, np.zeros(40)], ids=["tied", "unique", "constant"])
@pytest.mark.parametrize("kind", CURVES)
def test_curve_longhand(kind, score):
    y = Y + np.cos(ROW)
    n, gain = CURVES[kind](T, y, score, empty="zero")
    wanted = prefix_loop(T, y, score, kind)
    assert_array_equal(n, wanted[0])
    assert_allclose(gain, wanted[1], atol=1e-12)


@pytest.mark.parametrize("kind", CURVES)
def test_weights_and_propensities_longhand(kind):
    rng = np.random.default_rng(0)
    w, e, y = rng.uniform(0.5, 2, 40), rng.uniform(0.2, 0.8, 40), Y + np.cos(ROW)
    w /= w.mean()
    inverse = 1 / np.where(T == 1, e, 1 - e)
    n, gain = CURVES[kind](T, y, TIED, sample_weight=w, propensity=e, empty="zero")
    wanted = prefix_loop(T, y, TIED, kind, w, inverse)
    assert_allclose(n, wanted[0])
    assert_allclose(gain, wanted[1], atol=1e-12)


def test_weight_two_is_a_row_twice():
    twice = np.append(ROW, ROW[:10])
    w = np.where(ROW < 10, 2.0, 1.0)
    for metric in (qini_score, auuc_score):
        for normalize in (None, "perfect"):
            doubled = metric(T[twice], Y[twice], TIED[twice], normalize=normalize)
            assert_allclose(metric(T, Y, TIED, sample_weight=w, normalize=normalize), doubled)


def test_first_rows_of_one_arm_are_bridged():
    arm, y = np.array([1, 1, 0, 1, 0]), np.array([4.0, 2.0, 1.0, 0.0, 0.0])
    score = -np.arange(5.0)
    _, zero = uplift_curve(arm, y, score, empty="zero")
    _, line = uplift_curve(arm, y, score)
    assert_allclose(zero[:4], [0, 4, 6, 3 * (3 - 1)])
    lift = 3 - 1
    assert_allclose(line[:4], [0, lift / 3, 2 * 2 * lift / 3, 3 * lift])
    _, qini = qini_curve(arm, y, score)
    assert_allclose(qini[:4], [0, 4 / 3, 8 / 3, 4])
    assert_array_equal(qini_curve(arm, y, score, empty="zero")[1][:3], [0, 4, 6])


def test_weights_of_first_rows_of_one_arm_leave_no_rest_in_the_other():
    arm, y = np.array([1] * 6 + [0] * 4), np.arange(10.0)
    w = np.array([0.1, 0.2, 0.3, 0.7, 1.1, 1.3, 1.0, 1.0, 2.0, 2.3])
    _, gain = uplift_curve(arm, y, -y, sample_weight=w, empty="zero")
    share = w / w.mean()
    wanted = np.cumsum(share * y)[:6]  # the mean of the missing arm counts as 0
    assert_allclose(gain[1:7], wanted)


def test_targeting_by_the_effect_beats_chance_and_the_reverse():
    rng = np.random.default_rng(1)
    x, arm = rng.normal(size=5000), rng.integers(0, 2, 5000)
    y = x * arm + rng.normal(size=5000)
    for metric in (qini_score, auuc_score):
        assert metric(arm, y, x) > 0.1
        assert abs(metric(arm, y, rng.normal(size=5000))) < 0.05
        assert metric(arm, y, np.ones(5000)) == 0
        assert_allclose(metric(arm, y, x), -metric(arm, y, -x), atol=0.01)


def test_area_without_a_norm_is_per_person_in_outcome_units():
    rng = np.random.default_rng(2)
    x, arm = rng.uniform(-1, 1, 400_000), rng.integers(0, 2, 400_000)
    y = 3 * x * arm
    # targeting the share q by x gains 3 q (1 - q) per person, half of it among the treated
    assert_allclose(auuc_score(arm, y, x), 0.5, atol=0.01)
    assert_allclose(qini_score(arm, y, x), 0.25, atol=0.01)
    assert_allclose(auuc_score(arm, 10 * y, x), 10 * auuc_score(arm, y, x))


def test_propensities_undo_confounding():
    rng = np.random.default_rng(3)
    x = rng.normal(size=100_000)
    e = np.where(x > 0, 0.8, 0.2)
    arm = (rng.random(100_000) < e).astype(int)
    y = 2 * x + rng.normal(size=100_000)  # no effect at all
    assert abs(uplift_curve(arm, y, rng.normal(size=100_000))[1][-1] / 100_000) > 1
    gain = uplift_curve(arm, y, rng.normal(size=100_000), propensity=e)[1] / 100_000
    assert np.abs(gain).max() < 0.05


def test_qini_does_not_reward_putting_the_likely_treated_first():
    rng = np.random.default_rng(3)
    x = rng.normal(size=50_000)
    e = 1 / (1 + np.exp(-1.5 * x))
    arm = (rng.random(50_000) < e).astype(int)
    y = 3 * arm + rng.normal(size=50_000)  # the same effect for everybody
    for score in (x, -x):
        assert abs(qini_score(arm, y, score, propensity=e)) < 0.02
        assert abs(qini_score(arm, y, score, propensity=e, normalize="total")) < 0.02
    share = arm.mean()
    found = [metric(arm, y, x, propensity=e) for metric in (qini_score, auuc_score)]
    assert_allclose(found[0], share * found[1], rtol=1e-6)


def three_arms(n=6000, seed=4):
    rng = np.random.default_rng(seed)
    X, arm = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    effect = np.stack([X[:, 0], X[:, 1]], axis=1)
    gain = np.where(
        arm > 0, np.take_along_axis(effect, np.maximum(arm - 1, 0)[:, None], 1)[:, 0], 0
    )
    return arm, gain + rng.normal(size=n), effect


def test_several_arms_each_against_the_control():
    arm, y, effect = three_arms()
    single = []
    for a in (1, 2):
        rows = arm != 3 - a
        single.append(qini_score((arm[rows] == a).astype(int), y[rows], effect[rows, a - 1]))
        n, gain = qini_curve(arm, y, effect, arm=a)
        wanted = qini_curve((arm[rows] == a).astype(int), y[rows], effect[rows, a - 1])
        assert_array_equal(n, wanted[0])
        assert_allclose(gain, wanted[1])
    assert_allclose(qini_score(arm, y, effect, multioutput="raw_values"), single)
    assert_allclose(qini_score(arm, y, effect), np.mean(single))


def test_best_arm_longhand():
    arm, y, effect = three_arms()
    best = 1 + effect.argmax(axis=1)
    share = np.bincount(arm) / len(arm)
    rows = (arm == 0) | (arm == best)
    weight = 1 / (share[0] + share[best[rows]])
    weight /= weight.mean()
    treated = arm[rows] > 0
    inverse = 1 / share[arm[rows]] / weight
    n, gain = prefix_loop(
        treated.astype(int), y[rows], effect.max(axis=1)[rows], "uplift", weight, inverse
    )
    found = uplift_curve(arm, y, effect, multiarm="best", empty="zero")
    assert_allclose(found[0], n)
    assert_allclose(found[1], gain, atol=1e-9)


def test_best_arm_and_propensities_stand_for_everybody():
    rng = np.random.default_rng(8)
    n = 200_000
    pick = rng.integers(1, 3, n)  # whose effects are 1 and 3, so that the best arms gain 2
    pi = np.tile([0.3, 0.1, 0.6], (n, 1))
    arm = (rng.random(n)[:, None] > pi.cumsum(axis=1)).sum(axis=1)
    effect = np.stack([np.where(pick == 1, 1.0, 0), np.where(pick == 2, 3.0, 0)], axis=1)
    y = np.where(arm == pick, effect.max(axis=1), 0) + rng.normal(size=n)
    for given in ({}, {"propensity": pi}):
        count, gain = uplift_curve(arm, y, effect, multiarm="best", **given)
        assert_allclose(gain[-1] / count[-1], 2, atol=0.05)
        assert_allclose(count[1] / count[-1], 0.5, atol=0.01)  # half have an effect of 3


def test_several_outcomes():
    arm, y, effect = three_arms()
    Y2 = np.stack([y, -y], axis=1)
    cells = np.stack([effect, -effect], axis=2)
    found = auuc_score(arm, Y2, cells, multioutput="raw_values")
    assert found.shape == (2, 2)
    assert_allclose(found[:, 0], auuc_score(arm, y, effect, multioutput="raw_values"))
    best = auuc_score(arm, Y2, cells, multiarm="best", multioutput="raw_values")
    assert best.shape == (2,)


def test_labels_do_not_matter():
    named = np.where(T == 1, "mail", "none")
    assert qini_score(named, Y, TIED, control="none") == qini_score(T, Y, TIED)
    flipped = qini_score(named, Y, -TIED, control="mail")
    assert flipped != qini_score(T, Y, TIED)


# -- cost -----------------------------------------------------------------------------------


def test_cost_curve_longhand():
    rng = np.random.default_rng(5)
    value, cost = rng.normal(1, 1, 40) * T + rng.normal(size=40), T + rng.uniform(0, 1, 40)
    v, c = prefix_loop(T, value, UNIQUE, "uplift")[1], prefix_loop(T, cost, UNIQUE, "uplift")[1]
    x, y = cost_curve(T, value, cost, UNIQUE)
    assert_allclose(x[3:], c[3:] / c[-1])
    assert_allclose(y[3:], v[3:] / v[-1])
    area = sum((x[k] - x[k - 1]) * (y[k] + y[k - 1]) / 2 for k in range(1, len(x)))
    assert_allclose(aucc_score(T, value, cost, UNIQUE), area)


def test_random_ranking_has_half_and_the_return_has_more():
    rng = np.random.default_rng(6)
    n = 100_000
    arm, v, c = rng.integers(0, 2, n), rng.uniform(0, 2, n), rng.uniform(0.5, 1.5, n)
    value, cost = arm * v + rng.normal(size=n), arm * c
    assert abs(aucc_score(arm, value, cost, rng.normal(size=n)) - 0.5) < 0.03
    by_return = aucc_score(arm, value, cost, roi_score(v, c))
    assert by_return > 0.6
    assert by_return > aucc_score(arm, value, cost, v) > 0.5


def test_roi_of_free_treatments():
    score = roi_score([1.0, 1, 2, -1, -3], [1.0, 2, -1, 0, -2])
    assert_array_equal(np.argsort(-score), [2, 0, 1, 3, 4])
    assert_array_equal(np.argsort(-roi_score([1.0, -1, 2], [0.0, -1, -5])), [2, 0, 1])


def test_cost_of_several_arms():
    arm, y, effect = three_arms()
    cost = (arm > 0) + 0.1 * np.abs(y)
    y = y + 2 * (arm > 0)
    each = []
    for a in (1, 2):
        x, v = cost_curve(arm, y, cost, effect, arm=a)
        each.append(np.diff(x) @ (v[1:] + v[:-1]) / 2)
    assert_allclose(aucc_score(arm, y, cost, effect), np.mean(each))
    assert np.isfinite(aucc_score(arm, y, cost, effect, multiarm="best"))


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: qini_score(T, Y + 1, TIED, normalize="perfect"), "needs outcomes of 0 and 1"),
        (lambda: qini_score(T, 0 * Y, TIED, normalize="perfect"), "perfect curve without area"),
        (lambda: qini_score(T, 0 * Y, TIED, normalize="total"), "total gain other than 0, got 0"),
        (lambda: qini_score(T, Y, TIED, normalize="max"), "`normalize` must be one of"),
        (lambda: qini_score(T, Y, TIED, multiarm="all"), "`multiarm` must be one of"),
        (lambda: qini_curve(T, Y, TIED, empty="nan"), "`empty` must be one of"),
        (lambda: qini_curve(T, Y, TIED, arm=2), r"`arm` must be one of \[1\], got 2"),
        (lambda: qini_curve(0 * T, Y, TIED), "`T` must have at least 2 levels"),
        (
            lambda: uplift_curve(ROW % 3, Y, np.ones((40, 2))),
            r"`arm` must be one of \[1, 2\] for a curve, or multiarm='best' given",
        ),
        (
            lambda: uplift_curve(T, np.ones((40, 2)), np.ones((40, 2))),
            "`y` must hold one outcome for a curve, got 2",
        ),
        (lambda: cost_curve(T, Y, 0.0 * T, TIED), "`cost` must rise .* got .* cost of 0"),
        (lambda: cost_curve(T, Y, -1.0 * T, TIED), "`cost` must rise .* got .* cost of -40"),
        (lambda: cost_curve(T, 0 * Y, 1.0 * T, TIED), "`y` must rise .* value of 0"),
        (lambda: cost_curve(T, -1.0 * T, 1.0 * T, TIED), "`y` must rise .* value of -40"),
        (lambda: cost_curve(T, Y, [np.nan] * 40, TIED), "`cost` must not contain NaN"),
        (lambda: qini_curve(T, Y, TIED, arm=np.array([1, 1])), "`arm` must be one of"),
        (
            lambda: qini_curve(T, Y, TIED, propensity=np.full((20, 2), 0.5)),
            r"`propensity` must have shape \(40, 2\)",
        ),
        (lambda: cost_curve(T, Y, T, TIED[:5]), "`score` must have shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_best_arm_that_nobody_received():
    arm = np.array([0, 0, 2, 2, 1])
    effect = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 1]])
    with pytest.raises(ValueError, match="both arms that are compared"):
        auuc_score(arm, np.arange(5.0), effect, multiarm="best")
