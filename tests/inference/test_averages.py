"""Averages over populations against longhand formulas."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.representation import TARNet

SMALL = {
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 8,
    "n_folds": 3,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data():
    return make_confounded(400, n_arms=3, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return TARNet(**SMALL).fit(data.X, data.T, data.y)


def aipw(est, data):
    """Rebuild the influence values of the arms' means from the fitted parts."""
    value = est.engine_.cells().value
    residual = data.y[:, None] - value
    return value, value + np.eye(3)[data.T] * residual / est.propensity_


def test_ate_is_the_mean_of_aipw(fitted, data):
    _, psi = aipw(fitted, data)
    effect = psi[:, 1:] - psi[:, :1]
    np.testing.assert_allclose(fitted.ate(), effect.mean(axis=0), rtol=1e-10)
    low, high = fitted.ate_interval(alpha=0.1)
    error = effect.std(axis=0, ddof=1) / np.sqrt(len(effect))
    np.testing.assert_allclose((high - low) / 2, 1.6448536 * error, rtol=1e-6)


def test_att_weighs_controls_by_the_odds(fitted, data):
    value, _ = aipw(fitted, data)
    for arm in (1, 2):
        treated, control = data.T == arm, data.T == 0
        odds = fitted.propensity_[:, arm] / fitted.propensity_[:, 0]
        residual = data.y - value[:, 0]
        numerator = treated * residual - odds * control * residual
        att = numerator.sum() / treated.sum()
        assert fitted.att()[arm - 1] == pytest.approx(att, rel=1e-10)
        error = numerator - treated * att
        se = error.std(ddof=1) / np.sqrt(len(error)) / treated.mean()
        low, high = fitted.ate_interval(population="treated")
        assert (high - low)[arm - 1] / 2 == pytest.approx(1.959964 * se, rel=1e-2)


def test_overlap_weights_are_the_harmonic_mean_of_propensities(data):
    est = TARNet(**SMALL).fit(data.X, data.T, data.y, propensity=data.propensity)
    _, psi = aipw(est, data)
    h = 1 / (1 / data.propensity).sum(axis=1)
    effect = psi[:, 1:] - psi[:, :1]
    result = est.estimate(population="overlap")
    expected = h @ effect / h.sum()
    np.testing.assert_allclose(result.estimate, expected, rtol=1e-10)
    move = h[:, None] * (effect - expected) / h.sum()
    np.testing.assert_allclose(result.std_error, np.sqrt((move**2).sum(axis=0)), rtol=2e-3)


def test_estimated_overlap_weights_are_corrected_by_their_influence(fitted, data):
    value, psi = aipw(fitted, data)
    p = fitted.propensity_
    h = 1 / (1 / p).sum(axis=1)
    change = h**2 * ((np.eye(3)[data.T] - p) / p**2).sum(axis=1)
    effect, plug_in = psi[:, 1] - psi[:, 0], value[:, 1] - value[:, 0]
    numerator, denominator = h * effect + change * plug_in, h + change
    expected = numerator.sum() / denominator.sum()
    result = fitted.estimate(population="overlap")
    assert result.estimate[0] == pytest.approx(expected, rel=1e-10)
    move = (numerator - denominator * expected) / denominator.sum()
    assert result.std_error[0] == pytest.approx(np.sqrt((move**2).sum()), rel=2e-3)


def test_overlap_average_finds_its_estimand():
    errors = []
    for seed in range(6):
        data = make_confounded(1500, random_state=seed)
        est = TARNet(**{**SMALL, "max_epochs": 40}).fit(data.X, data.T, data.y)
        h = data.propensity.prod(axis=1)
        result = est.estimate(population="overlap")
        errors.append((result.estimate[0] - h @ data.effect / h.sum()) / result.std_error[0])
    assert np.sqrt(np.mean(np.square(errors))) < 1.8
    assert abs(np.mean(errors)) < 3 / np.sqrt(6)


def test_trimming_drops_rows(fitted, data):
    _, psi = aipw(fitted, data)
    keep = ((fitted.propensity_ >= 0.1) & (fitted.propensity_ <= 0.8)).all(axis=1)
    assert 20 < keep.sum() < len(keep)
    expected = (psi[:, 1:] - psi[:, :1])[keep].mean(axis=0)
    np.testing.assert_allclose(fitted.ate(trim=(0.1, 0.8)), expected, rtol=1e-10)


def test_known_propensities_replace_the_net(data):
    est = TARNet(**SMALL).fit(data.X, data.T, data.y, propensity=data.propensity)
    np.testing.assert_array_equal(est.propensity_, data.propensity)
    _, psi = aipw(est, data)
    np.testing.assert_allclose(est.ate(), (psi[:, 1:] - psi[:, :1]).mean(axis=0), rtol=1e-10)
    with pytest.raises(IntervalNotAvailableError, match=r"`propensity` was given in fit"):
        est.predict_propensity(data.X)


def test_weights_enter_estimate_and_error(data):
    weight = np.random.default_rng(0).uniform(0.2, 2, size=400)
    est = TARNet(**SMALL).fit(data.X, data.T, data.y, sample_weight=weight)
    _, psi = aipw(est, data)
    effect = psi[:, 1] - psi[:, 0]
    mean = np.average(effect, weights=weight)
    assert est.ate()[0] == pytest.approx(mean, rel=1e-10)
    se = np.sqrt((weight**2 * (effect - mean) ** 2).sum()) / weight.sum()
    low, high = est.ate_interval()
    assert (high - low)[0] / 2 == pytest.approx(1.959964 * se, rel=2e-3)


def test_clusters_sum_errors():
    data = make_confounded(300, random_state=2)
    X, T, y = (np.repeat(v, 2, axis=0) for v in (data.X, data.T, data.y))
    household = np.repeat(np.arange(300), 2)
    est = TARNet(**SMALL).fit(X, T, y, cluster=household)
    assert (est.folds_[::2] == est.folds_[1::2]).all()
    psi = est.engine_.cells().psi
    effect = (psi[:, 1] - psi[:, 0]).reshape(300, 2).mean(axis=1)
    se = effect.std(ddof=1) / np.sqrt(300)
    low, high = est.ate_interval()
    assert (high - low) / 2 == pytest.approx(1.959964 * se, rel=1e-6)
    alone = TARNet(**SMALL).fit(X, T, y)
    narrow = np.subtract(*alone.ate_interval()[::-1])
    assert high - low > 1.2 * narrow  # copies of a row are no new information


def test_average_over_new_rows_is_the_mean_effect(fitted, data):
    np.testing.assert_allclose(fitted.ate(data.X[:50]), fitted.effect(data.X[:50]).mean(axis=0))
    low, high = fitted.ate_interval(data.X[:50])
    point = fitted.effect_interval(data.X[:50])
    assert (high - low < np.mean(point[1] - point[0], axis=0)).all()


def test_plug_in_average_without_folds(data):
    est = TARNet(**{**SMALL, "n_folds": 1}).fit(data.X, data.T, data.y)
    np.testing.assert_allclose(est.ate(), est.effect(data.X).mean(axis=0), rtol=1e-9)
    with pytest.raises(IntervalNotAvailableError, match=r"n_folds=1; fit with n_folds=5"):
        est.ate(population="treated")


def test_unknown_population_names_the_allowed_ones(fitted):
    with pytest.raises(ValueError, match=r"`population` must be one of .*'overlap'.*got 'men'"):
        fitted.ate(population="men")


def test_trim_that_leaves_nobody(fitted):
    with pytest.raises(ValueError, match=r"`trim` must leave at least 2 rows, got 0"):
        fitted.ate(trim=(0.999, 1.0))


def test_summary_shows_estimate_and_diagnostics(fitted):
    text = fitted.summary()
    assert f"{fitted.ate()[0]:.4g}" in text
    assert "effective sample size by arm" in text
    assert "rows: 400" in text


def test_diagnostics_count_effective_rows(fitted, data):
    weight = 1 / fitted.propensity_[np.arange(400), data.T]
    for arm in range(3):
        own = weight[data.T == arm]
        size = fitted.diagnostics_["effective_sample_size"][str(arm)]
        assert size == pytest.approx(own.sum() ** 2 / (own**2).sum())
