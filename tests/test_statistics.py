"""Statistical promises: invariance, double robustness, warnings about overlap, coverage."""

# SPDX-License-Identifier: BSD-3-Clause

import warnings

import numpy as np
import pytest

from sklcausal.datasets import make_confounded, make_tutorial
from sklcausal.exceptions import OverlapWarning
from sklcausal.representation import TARNet

FAST = {
    "representation_widths": (20,),
    "head_widths": (20,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 15,
    "n_folds": 3,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data():
    return make_confounded(500, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return TARNet(**FAST).fit(data.X, data.T, data.y)


@pytest.mark.parametrize(("origin", "scale"), [(0.0, 1000.0), (1e6, 1.0), (-50.0, 1e-6)])
def test_units_of_y_only_scale_the_results(fitted, data, origin, scale):
    est = TARNet(**FAST).fit(data.X, data.T, origin + scale * data.y)
    np.testing.assert_allclose(est.effect(data.X) / scale, fitted.effect(data.X), atol=2e-3)
    for own, reference in zip(est.ate_interval(), fitted.ate_interval(), strict=True):
        assert own / scale == pytest.approx(reference, abs=2e-3)
    for own, reference in zip(
        est.effect_interval(data.X), fitted.effect_interval(data.X), strict=True
    ):
        np.testing.assert_allclose(own / scale, reference, atol=2e-2)


def test_units_and_origin_of_x_do_not_matter(fitted, data):
    scale, origin = np.array([1, 10, 1e-3, 1e4, 1.0]), np.array([0, 5, 1e5, -1e6, 1e7])
    X = origin + scale * data.X
    est = TARNet(**FAST).fit(X, data.T, data.y)
    assert est.ate() == pytest.approx(fitted.ate(), abs=5e-3)
    np.testing.assert_allclose(est.effect(X), fitted.effect(data.X), atol=2e-2)


@pytest.mark.parametrize(("origin", "scale"), [(100.0, 1.0), (0.0, 1e-3), (-7.0, 50.0)])
def test_units_of_a_dose_only_scale_the_slope(origin, scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    dose = X[:, 0] + rng.normal(size=400)
    y = X[:, 0] + (1 + X[:, 1]) * dose + rng.normal(size=400)
    first = TARNet(**FAST).fit(X, dose, y)
    other = TARNet(**FAST).fit(X, origin + scale * dose, y)
    np.testing.assert_allclose(other.effect(X) * scale, first.effect(X), atol=5e-3)
    for own, reference in zip(other.ate_interval(), first.ate_interval(), strict=True):
        assert own * scale == pytest.approx(reference, abs=5e-3)
    for own, reference in zip(other.effect_interval(X), first.effect_interval(X), strict=True):
        np.testing.assert_allclose(own * scale, reference, atol=5e-2)


def test_labels_of_the_arms_do_not_matter(fitted, data):
    names = np.where(data.T == 1, "drug", "control")
    est = TARNet(**FAST).fit(data.X, names, data.y)
    np.testing.assert_array_equal(est.effect(data.X), fitted.effect(data.X))
    turned = TARNet(**FAST, control="drug").fit(data.X, names, data.y)
    np.testing.assert_array_equal(turned.effect(data.X), -fitted.effect(data.X))
    assert turned.ate() == pytest.approx(-fitted.ate(), rel=1e-12)
    low, high = fitted.effect_interval(data.X)
    np.testing.assert_allclose(turned.effect_interval(data.X)[0], -high, rtol=1e-9)
    np.testing.assert_allclose(turned.effect_interval(data.X)[1], -low, rtol=1e-9)


def test_order_of_rows_moves_results_within_their_error(fitted, data):
    order = np.random.default_rng(0).permutation(500)
    est = TARNet(**FAST).fit(data.X[order], data.T[order], data.y[order])
    low, high = fitted.ate_interval()
    assert abs(est.ate() - fitted.ate()) < (high - low) / 4


def test_constant_columns_change_little(fitted, data):
    X = np.column_stack([data.X, np.full(500, 7.0)])
    est = TARNet(**FAST).fit(X, data.T, data.y)
    low, high = fitted.ate_interval()
    assert abs(est.ate() - fitted.ate()) < (high - low) / 4
    X[:, 5] = 8.0
    assert np.isfinite(est.effect(X)).all()


@pytest.fixture(scope="module")
def large():
    return make_confounded(3000, random_state=5)


def within_three_errors(est, truth):
    low, high = est.ate_interval()
    return abs(est.ate() - truth) < 3 * (high - low) / 2 / 1.96


def test_wrong_outcome_net_leaves_the_average_right(large):
    est = TARNet(**{**FAST, "lr": 1e-9, "max_epochs": 1})
    est.fit(large.X, large.T, large.y, propensity=large.propensity)
    assert est.score(large.X, large.T, large.y) < 0.05  # it has learned nothing
    assert within_three_errors(est, large.ate[0])
    plug_in = est.effect(large.X).mean()
    assert not abs(plug_in - large.ate[0]) < 3 * np.ptp(est.ate_interval()) / 2 / 1.96


def test_wrong_propensity_leaves_the_average_right(large):
    wrong = np.full(3000, 0.5)
    est = TARNet(**{**FAST, "numeric_encoding": "piecewise_linear", "max_epochs": 40})
    est.fit(large.X, large.T, large.y, propensity=wrong)
    assert within_three_errors(est, large.ate[0])
    naive = large.y[large.T == 1].mean() - large.y[large.T == 0].mean()
    assert not abs(naive - large.ate[0]) < 3 * np.ptp(est.ate_interval()) / 2 / 1.96


def test_weak_overlap_warns_with_the_remedy():
    data = make_confounded(800, overlap=6.0, random_state=0)
    with pytest.warns(OverlapWarning, match=r"arm\(s\) .*ate\(population='overlap'\)") as seen:
        est = TARNet(**FAST).fit(data.X, data.T, data.y)
    assert seen[0].filename == __file__
    assert max(est.diagnostics_["share_clipped"].values()) > 0.02
    wide = np.ptp(est.ate_interval())
    assert np.ptp(est.ate_interval(population="overlap")) < wide
    assert np.ptp(est.ate_interval(trim=(0.05, 0.95))) < wide


def test_a_dose_that_x_determines_warns_with_the_remedy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    # of half of the people x tells all, of the others little
    X[:, 2] = np.arange(400) % 2
    spread = np.where(X[:, 2] == 1, 1e-3, 1.0)
    dose = X[:, 0] + spread * rng.normal(size=400)
    settings = {**FAST, "max_epochs": 200}
    with pytest.warns(OverlapWarning, match=r"x all but determines the treatment\(s\) \['T'\]"):
        est = TARNet(**settings).fit(X, dose, X[:, 1] + dose + rng.normal(size=400))
    assert 0.02 < est.diagnostics_["share_determined"]["T"] < 0.6
    assert "treatment determined by x: T" in est.summary()


def test_propensities_are_calibrated():
    errors = []
    for seed in range(2):
        data = make_confounded(2000, random_state=seed)
        est = TARNet(**{**FAST, "max_epochs": 30}).fit(data.X, data.T, data.y)
        order = np.array_split(np.argsort(est.propensity_[:, 1]), 10)
        gap = est.propensity_[:, 1] - data.propensity[:, 1]
        errors.append(np.mean([abs(gap[rows].mean()) for rows in order]))
    assert np.mean(errors) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("design", ["tutorial", "confounded"])
def test_ate_interval_covers(design):
    make, truth = (make_tutorial, 2.0) if design == "tutorial" else (make_confounded, 1.0)
    inside = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        for seed in range(100):
            data = make(1000, random_state=seed)
            est = TARNet(random_state=seed, weight_decay=1.0, numeric_encoding="piecewise_linear")
            low, high = est.fit(data.X, data.T, data.y).ate_interval()
            inside.append(low <= truth <= high)
    assert 0.88 <= np.mean(inside) <= 0.99  # 99 % binomial band at 100 runs


@pytest.mark.slow
def test_effect_interval_covers_on_average():
    test = make_confounded(300, random_state=10_000)
    covered = []
    for seed in range(20):
        data = make_confounded(2000, random_state=seed)
        est = TARNet(random_state=seed, weight_decay=1.0, numeric_encoding="piecewise_linear")
        low, high = est.fit(data.X, data.T, data.y).effect_interval(test.X)
        covered.append(np.mean((low <= test.effect) & (test.effect <= high)))
    assert 0.9 < np.mean(covered) < 0.99
