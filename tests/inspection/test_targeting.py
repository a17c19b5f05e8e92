"""Curves of targeting: points, intervals and areas by every kind."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from scipy.integrate import trapezoid

from sklcausal.inspection import UpliftCurveDisplay
from sklcausal.metrics import (
    aucc_score,
    auuc_score,
    cost_curve,
    cumulative_gain_curve,
    qini_curve,
    qini_score,
    rate,
    toc_curve,
    uplift_curve,
)

N = 120
RNG = np.random.RandomState(0)
T = RNG.randint(0, 2, N)
EFFECT = RNG.normal(size=N)
Y = T * EFFECT + RNG.normal(size=N)
VALUE = Y + 2 * T
COST = 0.5 + T * RNG.uniform(0.5, 1.5, N)
SHARES = np.linspace(0.01, 1, 100)
CURVES = {"uplift": (uplift_curve, auuc_score), "qini": (qini_curve, qini_score)}
show = UpliftCurveDisplay.from_predictions


def _legend(display):
    return [text.get_text() for text in display.legends_[0].get_texts()]


def _halves(n_draws):
    rng = np.random.RandomState(0)
    return [rng.permutation(N)[: N // 2] for _ in range(n_draws)]


@pytest.mark.parametrize("kind", ["uplift", "qini"])
def test_points_area_and_line_of_random_targeting(kind):
    display = show(T, Y, EFFECT, kind=kind)
    curve, score = CURVES[kind]
    n, gain = curve(T, Y, EFFECT)
    (line,) = display.curves_
    np.testing.assert_allclose(line.get_xdata(), 100 * n / N)
    np.testing.assert_allclose(line.get_ydata(), gain / N)
    (random,) = display.random_lines_
    np.testing.assert_allclose(random.get_xydata(), [[0, 0], [100, gain[-1] / N]])
    assert display.curves[0].area == pytest.approx(score(T, Y, EFFECT))
    low, high = display.curves[0].area_interval
    name = {"uplift": "AUUC", "qini": "Qini"}[kind]
    digits = max(2 - int(np.floor(np.log10(max(abs(low), abs(high))))), 0)
    texts = [f"{v:.{digits}f}" for v in (score(T, Y, EFFECT), low, high)]
    expected = f"Predicted effects: {name} {texts[0]} [{texts[1]}, {texts[2]}]"
    assert _legend(display) == [expected, "Random targeting"]
    assert display.ax_.get_title() == "1 vs 0"
    assert display.ax_.get_ylabel().endswith("(outcome units per person)")


@pytest.mark.parametrize("kind", ["uplift", "qini"])
def test_intervals_are_those_of_half_samples(kind):
    curve, _ = CURVES[kind]
    at, areas = [], []
    for rows in _halves(20):
        n, gain = curve(T[rows], Y[rows], EFFECT[rows])
        at.append(np.interp(SHARES, n / n[-1], gain / n[-1]))
        heights = np.append(0, at[-1])
        areas.append(trapezoid(heights, np.append(0, SHARES)) - heights[-1] / 2)
    n, gain = curve(T, Y, EFFECT)
    height = np.interp(SHARES, n / N, gain / N)
    half = 1.6448536 * np.std(at, axis=0, ddof=1)
    (found,) = show(T, Y, EFFECT, kind=kind, n_bootstrap=20, alpha=0.1).curves
    np.testing.assert_allclose(found.grid, 100 * SHARES)
    np.testing.assert_allclose(found.low, height - half, atol=1e-6)
    np.testing.assert_allclose(found.high, height + half, atol=1e-6)
    spread = 1.6448536 * np.std(areas, ddof=1)
    np.testing.assert_allclose(found.area_interval, found.area + spread * np.array([-1, 1]))


def test_cost_curve_and_its_intervals():
    display = show(T, VALUE, EFFECT, kind="cost", cost=COST, n_bootstrap=20)
    x, y = cost_curve(T, VALUE, COST, EFFECT)
    np.testing.assert_allclose(display.curves_[0].get_xydata(), 100 * np.column_stack([x, y]))
    assert display.curves[0].area == pytest.approx(aucc_score(T, VALUE, COST, EFFECT))
    np.testing.assert_allclose(display.random_lines_[0].get_xydata(), [[0, 0], [100, 100]])
    height = np.interp(SHARES, np.maximum.accumulate(x), y)
    total = uplift_curve(T, VALUE, EFFECT)[1][-1] / N
    moves = []
    for rows in _halves(20):
        n, gain = uplift_curve(T[rows], VALUE[rows], EFFECT[rows])
        spent = uplift_curve(T[rows], COST[rows], EFFECT[rows])[1]
        own = np.interp(SHARES, np.maximum.accumulate(spent) / spent[-1], gain / n[-1])
        moves.append((own - height * gain[-1] / n[-1]) / total)
    half = 100 * 1.959964 * np.std(moves, axis=0, ddof=1)
    np.testing.assert_allclose(display.curves[0].high, 100 * height + half, rtol=1e-6)
    assert display.curves[0].high[-1] == pytest.approx(100)
    assert display.ax_.get_xlabel().startswith("Incremental cost (%")


def test_doubly_robust_kinds_follow_the_metrics():
    nuisances = {
        "outcome_mean": np.column_stack([0 * EFFECT, EFFECT]),
        "propensity": np.full(N, 0.4),
    }
    display = show(T, Y, EFFECT, kind="gain", **nuisances)
    _, expected = cumulative_gain_curve(T, Y, EFFECT, shares=SHARES, **nuisances)
    line = display.curves_[0].get_xydata()
    np.testing.assert_allclose(line[0], [0, 0])
    np.testing.assert_allclose(line[1:, 1], expected.estimate)
    np.testing.assert_allclose(display.curves[0].low, expected.conf_int()[0])
    area = rate(T, Y, EFFECT, target="qini", **nuisances)
    np.testing.assert_allclose(display.curves[0].area_interval, np.ravel(area.conf_int()))
    display = show(T, Y, EFFECT, kind="toc", **nuisances)
    # an average of less than 30 rows is not drawn
    shares = SHARES[SHARES >= 0.25]
    _, expected = toc_curve(T, Y, EFFECT, shares=shares, **nuisances)
    np.testing.assert_allclose(display.curves_[0].get_ydata(), expected.estimate)
    np.testing.assert_allclose(display.curves_[0].get_xdata(), 100 * shares)
    np.testing.assert_allclose(display.curves[0].high, expected.conf_int()[1])
    area = rate(T, Y, EFFECT, **nuisances)
    np.testing.assert_allclose(display.curves[0].area_interval, np.ravel(area.conf_int()))
    assert _legend(display)[0].startswith("Predicted effects: RATE ")
    np.testing.assert_allclose(display.random_lines_[0].get_ydata(), [0, 0])


def test_shares_of_a_trial_make_intervals_narrower():
    options = {"kind": "gain", "outcome_mean": np.zeros((N, 2))}
    known = show(T, 5 + Y, EFFECT, propensity=np.full(N, T.mean()), **options).curves[0]
    shares = show(T, 5 + Y, EFFECT, **options).curves[0]
    assert np.mean(shares.high - shares.low) < 0.7 * np.mean(known.high - known.low)


@pytest.mark.parametrize("kind", ["uplift", "toc"])
def test_no_intervals(kind):
    display = show(T, Y, EFFECT, kind=kind, alpha=None)
    assert display.bands_ == display.bars_ == []
    assert display.curves[0].area_interval is None
    assert "[" not in _legend(display)[0]


def test_weights_count_as_copies():
    weight = 1 + np.arange(N) % 3
    for kind in ("uplift", "qini", "gain"):
        weighted = show(T, Y, EFFECT, kind=kind, sample_weight=weight, alpha=None).curves[0]
        copies = [np.repeat(v, weight) for v in (T, Y, EFFECT)]
        copied = show(*copies, kind=kind, alpha=None).curves[0]
        np.testing.assert_allclose(weighted.y, copied.y)
        # the area of 'gain' is a sum over rows, of which copies have more
        assert weighted.area == pytest.approx(copied.area, rel=1e-2 if kind == "gain" else 1e-6)


def test_clusters_share_errors():
    twice = [np.repeat(v, 2) for v in (T, Y, EFFECT)]
    for kind in ("uplift", "gain"):
        once = show(T, Y, EFFECT, kind=kind).curves[0]
        cluster = np.repeat(np.arange(N), 2)
        by_cluster = show(*twice, kind=kind, cluster=cluster).curves[0]
        np.testing.assert_allclose(by_cluster.high, once.high, rtol=1e-6)
        by_row = show(*twice, kind=kind).curves[0]
        widths = [np.mean(c.high - c.low) for c in (by_row, by_cluster)]
        assert widths[0] < 0.85 * widths[1]


def test_constant_predictions_are_the_line_of_random_targeting():
    display = show(T, Y, np.ones(N))
    np.testing.assert_allclose(
        display.curves_[0].get_xydata(), display.random_lines_[0].get_xydata()
    )
    assert display.curves[0].area == pytest.approx(0)
    np.testing.assert_allclose(display.curves[0].area_interval, 0, atol=1e-12)
