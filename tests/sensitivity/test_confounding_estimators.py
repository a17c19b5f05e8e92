"""Bounds of fitted estimators: longhand, units, models, pipelines and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
from _small_data import ARMS, DOSE, TINY, N, T, X, Y, put, tiny
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import (
    IntervalNotAvailableError,
    ModelError,
    OverlapWarning,
    TargetError,
)
from sklcausal.meta import SLearner, TLearner
from sklcausal.sensitivity import (
    SensitivityResult,
    omitted_variable_bounds,
    sensitivity_analysis,
)
from sklcausal.structural import Linear, StructuralNet, Tobit

WEIGHT = 1.0 + np.arange(N) % 2
HOUSE = np.arange(N) // 2
TWO = np.column_stack([Y, 10 * Y + 3])


@pytest.fixture(scope="module")
def two_arms():
    return tiny().fit(X, T, Y)


@pytest.fixture(scope="module")
def three_arms():
    gaps = put(TWO, (slice(None, None, 9), 1), np.nan)
    return tiny(n_repeats=2).fit(X, ARMS, gaps, sample_weight=WEIGHT, cluster=HOUSE)


# enough rows and epochs for the law of a dose to be about right
DOSED = {**TINY, "max_epochs": 10}
MANY = np.random.RandomState(1).normal(size=(400, 3))
TAKEN = MANY[:, 0] + np.random.RandomState(2).normal(size=400)
AFTER = TAKEN + MANY[:, 1] + np.random.RandomState(3).normal(size=400)


@pytest.fixture(scope="module")
def dosed():
    return StructuralNet(**DOSED).fit(MANY, TAKEN, 5 + 100 * AFTER)


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_arms_equal_inverse_propensities(two_arms):
    theta, e = two_arms.engine_.corrections.theta, two_arms.propensity_[:, 1]
    residual = Y - theta[np.arange(N), T]
    alpha = T / e - (1 - T) / (1 - e)
    psi = theta[:, 1] - theta[:, 0] + alpha * residual
    longhand = omitted_variable_bounds(
        psi, residual, alpha, representer_functional=1 / e + 1 / (1 - e), cf_y=0.2, cf_d=0.1
    )
    found = sensitivity_analysis(two_arms, cf_y=0.2, cf_d=0.1)
    for name in (
        "estimate",
        "residual_variance",
        "representer_second_moment",
        "ci_lower",
        "ci_upper",
        "robustness_value_ci",
    ):
        np.testing.assert_allclose(getattr(found, name), getattr(longhand, name), rtol=1e-10)
    assert found.names == two_arms.effect_names_out_.tolist()
    assert isinstance(found, SensitivityResult)


def test_without_confounding_it_is_the_interval_of_the_average(two_arms, three_arms, dosed):
    for est in (two_arms, three_arms, dosed):
        found, usual = sensitivity_analysis(est, alpha=0.2), est.estimate()
        assert found.names == usual.names
        np.testing.assert_allclose(found.estimate, usual.estimate)
        low, high = found.conf_bounds(0.0, 0.0)
        np.testing.assert_allclose([low, high], usual.conf_int(0.2))
    reversed_ = sensitivity_analysis(three_arms, T0="b", T1="a")
    assert reversed_.names == ["a vs b: y0", "a vs b: y1"]
    forth = sensitivity_analysis(three_arms)
    np.testing.assert_allclose(reversed_.lower, -forth.upper[:2])
    np.testing.assert_allclose(reversed_.robustness_value, forth.robustness_value[:2])


def test_unseen_outcomes_have_no_residual(three_arms):
    engine = three_arms.engine_
    code = np.searchsorted(["a", "b", "c"], ARMS)
    theta = engine.corrections.theta.reshape(N, 3, 2)[np.arange(N), code]
    y = put(TWO, (slice(None, None, 9), 1), np.nan)
    squares = np.nan_to_num((y - theta) ** 2)
    single = tiny().fit(X, ARMS, y, sample_weight=WEIGHT, cluster=HOUSE)
    found = sensitivity_analysis(single)
    expected = np.average(squares, axis=0, weights=WEIGHT)
    np.testing.assert_allclose(found.residual_variance, np.tile(expected, 2))


def test_doses_equal_residuals_over_their_variance(dosed):
    law = dosed.law_net_
    mean, variance = law.mean_[:, 0], law.sd_[:, 0] ** 2
    alpha = (TAKEN - mean) / variance
    found = sensitivity_analysis(dosed)
    assert found.representer_second_moment[0] == pytest.approx(np.mean(2 / variance - alpha**2))
    twice = sensitivity_analysis(dosed, T0=0.0, T1=2.0)
    np.testing.assert_allclose(
        twice.representer_second_moment, 4 * found.representer_second_moment
    )
    np.testing.assert_allclose(twice.robustness_value, found.robustness_value)


def test_units_of_outcomes_and_doses_do_not_matter(dosed):
    other = StructuralNet(**DOSED).fit(MANY, 7 + 3 * TAKEN, 1 + 0.2 * AFTER)
    found, moved = sensitivity_analysis(dosed), sensitivity_analysis(other)
    np.testing.assert_allclose(moved.robustness_value, found.robustness_value, rtol=1e-3)
    np.testing.assert_allclose(
        moved.representer_second_moment, found.representer_second_moment / 9, rtol=1e-3
    )


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_binary_outcomes_and_limits():
    est = tiny().fit(X, T, (Y > 0).astype(int))
    found = sensitivity_analysis(est, cf_y=1.0, cf_d=0.9)
    assert (found.lower[0], found.upper[0]) == (-1, 1)
    theta = expit(est.engine_.corrections.theta)
    residual = (Y > 0) - theta[np.arange(N), T]
    assert found.residual_variance[0] == pytest.approx(np.mean(residual**2))


def test_a_fit_with_too_extreme_propensities_takes_the_plain_second_moment():
    est = tiny(max_epochs=30).fit(X, T, Y)
    plain = (1 / est.propensity_).sum(axis=1).mean()
    with pytest.warns(OverlapWarning, match=f"the plain one is {plain:.3g}; the plain one is"):
        assert sensitivity_analysis(est).representer_second_moment[0] == pytest.approx(plain)


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_every_kind_of_network_with_arms():
    small = {k: v for k, v in TINY.items() if "widths" not in k}
    for est in (SLearner(**small), TLearner(**small), StructuralNet(model=Linear(), **small)):
        assert 0 <= sensitivity_analysis(est.fit(X, T, Y)).robustness_value[0] < 1


def test_a_model_of_ones_own_with_the_identity_link():
    own = StructuralNet(
        model=lambda y, t, theta: (y - theta[0] - theta[1] * t) ** 2 / 2,
        n_params=2,
        mean=lambda theta, t: theta[0] + theta[1] * t,
        **DOSED,
    ).fit(MANY, TAKEN, AFTER)
    law = own.law_net_
    alpha = (TAKEN - law.mean_[:, 0]) / law.sd_[:, 0] ** 2
    expected = np.mean(2 / law.sd_[:, 0] ** 2 - alpha**2)
    # its Hessian is averaged over nodes, which are cut at the ends of the doses
    assert sensitivity_analysis(own).representer_second_moment[0] == pytest.approx(
        expected, rel=0.03
    )


def test_pipelines_searches_files_and_compact_estimators(two_arms):
    targets = pack_targets(T, Y)
    pipe = make_pipeline(StandardScaler(), tiny()).fit(X, targets)
    inner = pipe[-1]
    expected = sensitivity_analysis(inner).robustness_value
    np.testing.assert_array_equal(sensitivity_analysis(pipe).robustness_value, expected)
    search = GridSearchCV(tiny(), {"batch_size": [64]}, cv=2).fit(X, targets)
    np.testing.assert_array_equal(
        sensitivity_analysis(search).lower, sensitivity_analysis(two_arms).lower
    )
    copy = pickle.loads(pickle.dumps(two_arms)).compact()
    np.testing.assert_array_equal(
        sensitivity_analysis(copy).ci_lower, sensitivity_analysis(two_arms).ci_lower
    )


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params, message",
    [
        ({"cf_y": 1.2}, "`cf_y` must lie between 0 and 1, got 1.2"),
        ({"cf_d": -0.1}, "`cf_d` must lie between 0 and 1, got -0.1"),
        ({"cf_d": np.nan}, "`cf_d` must be a finite number, got nan"),
        ({"cf_y": [0.1, 0.2]}, r"`cf_y` must be a finite number, got \[0.1, 0.2\]"),
        ({"rho": 1.5}, "`rho` must lie between -1 and 1, got 1.5"),
        ({"alpha": 0}, "`alpha` must be a number between 0 and 1, got 0"),
        ({"null": np.inf}, "`null` must be a finite number, got inf"),
        ({"null": "0"}, "`null` must be a finite number, got '0'"),
        ({"T0": 1, "T1": 1}, "mean squared representer must be positive, got 0 for '1 vs 1'"),
    ],
)
def test_bad_parameters(two_arms, params, message):
    with pytest.raises(ValueError, match=message):
        sensitivity_analysis(two_arms, **params)


def test_bad_strengths_of_methods(two_arms):
    found = sensitivity_analysis(two_arms)
    with pytest.raises(ValueError, match=r"`cf_d` must lie between 0 and 1, got \[0, 2\]"):
        found.bounds(cf_d=[0, 2])
    with pytest.raises(ValueError, match="`cf_y` must hold numbers, got 'much'"):
        found.bias(cf_y="much")
    with pytest.raises(ValueError, match="`rho` must lie between -1 and 1, got -2"):
        found.conf_bounds(rho=-2)
    with pytest.raises(ValueError, match="`alpha` must be a number between 0 and 1, got 2"):
        found.conf_bounds(alpha=2)
    with pytest.raises(ValueError, match="`cf_y` must lie between 0 and 1, got 7"):
        found.at(cf_y=7)
    with pytest.raises(TypeError, match=r"SensitivityResult\.at\(\) got an unexpected .* 'foo'"):
        found.at(foo=1)
    with pytest.raises(
        ValueError, match=r"`cf_y`, `cf_d` and `rho` must broadcast .* \(2,\), \(3,\)"
    ):
        found.bounds(cf_y=[0.1, 0.2], cf_d=[0.1, 0.2, 0.3])


def test_estimators_that_have_no_bounds(two_arms):
    with pytest.raises(NotFittedError):
        sensitivity_analysis(tiny())
    with pytest.raises(TypeError, match=r"`estimator` must be an effect .*LinearRegression"):
        sensitivity_analysis(LinearRegression().fit(X, Y))
    with pytest.raises(TargetError, match=r"`T1` must .*7"):
        sensitivity_analysis(two_arms, T1=7)
    single = tiny(n_folds=1).fit(X, T, Y)
    with pytest.raises(IntervalNotAvailableError, match=r"a sensitivity analysis .* n_folds=5"):
        sensitivity_analysis(single)
    logit = StructuralNet(treatment_type="dose", **TINY).fit(X, DOSE, (Y > 0).astype(int))
    with pytest.raises(ModelError, match=r"linear functional .*identity link\), got .* for doses"):
        sensitivity_analysis(logit)
    tobit = StructuralNet(model=Tobit(lower=-1.0), **TINY).fit(X, T, np.maximum(Y, -1))
    with pytest.raises(ModelError, match=r"linear functional .*got Tobit\(lower=-1.0\) for arms"):
        sensitivity_analysis(tobit)
    learned = StructuralNet(model=Linear(), hessian="cholesky", **{**TINY, "n_folds": 3})
    with pytest.raises(ModelError, match=r"treatment's law, but that of Linear\(\) was learned"):
        sensitivity_analysis(learned.fit(X, DOSE, Y))
