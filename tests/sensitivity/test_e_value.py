"""E-values: published numbers, scales of effects, fitted estimators and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _small_data import ARMS, DOSE, T, X, Y, tiny
from sklearn.exceptions import NotFittedError

from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inference import InferenceResult
from sklcausal.sensitivity import e_value, e_value_of

SICK = (Y > 0).astype(int)


def _strength(ratio):
    ratio = max(ratio, 1 / ratio)
    return ratio + np.sqrt(ratio * (ratio - 1))


# VanderWeele and Ding 2017: breastfeeding and infant death, and their example of a protection
@pytest.mark.parametrize(
    "reported, expected",
    [((3.9, 1.8, 8.7), (7.26, 3.0)), ((0.80, 0.71, 0.91), (1.81, 1.43))],
)
def test_published_numbers(reported, expected):
    found = e_value(*reported)
    assert found.e_value[0] == pytest.approx(expected[0], abs=0.005)
    assert found.e_value_limit[0] == pytest.approx(expected[1], abs=0.006)


def test_an_interval_that_holds_the_null_needs_no_confounder():
    found = e_value([1.2, 0.9, 1.0], [0.9, 0.5, 0.9], [1.6, 1.0, 1.1])
    np.testing.assert_array_equal(found.e_value_limit, [1, 1, 1])
    np.testing.assert_allclose(found.e_value, [_strength(1.2), _strength(0.9), 1])


def test_a_ratio_and_its_inverse_are_as_strong():
    found = e_value([4, 0.25], [2, 0.125], [8, 0.5])
    assert found.e_value[0] == pytest.approx(found.e_value[1])
    assert found.e_value_limit[0] == pytest.approx(found.e_value_limit[1])
    assert np.isnan(e_value(4).e_value_limit).all()


@pytest.mark.parametrize(
    "kind, params, values, ratios",
    [
        ("odds_ratio", {}, (4.0, 2.25, 9.0), (2.0, 1.5, 3.0)),
        ("odds_ratio", {"rare": True}, (4.0, 2.25, 9.0), (4.0, 2.25, 9.0)),
        ("hazard_ratio", {"rare": True}, (0.5, 0.4, 0.9), (0.5, 0.4, 0.9)),
        (
            "hazard_ratio",
            {},
            (4.0, 1.0, 9.0),
            ((1 - 0.5**2) / (1 - 0.5**0.5), 1.0, (1 - 0.5**3) / (1 - 0.5 ** (1 / 3))),
        ),
        ("difference", {}, (0.5, 0.2, 0.8), tuple(np.exp([0.455, 0.182, 0.728]))),
        ("difference", {"outcome_sd": 10}, (5, 2, 8), tuple(np.exp([0.455, 0.182, 0.728]))),
        ("risk_difference", {"baseline_risk": 0.2}, (0.1, -0.3, 0.9), (1.5, 0.0, 5.0)),
    ],
)
def test_scales(kind, params, values, ratios):
    found = e_value(*values, kind=kind, **params)
    np.testing.assert_allclose([found.risk_ratio[0], found.low[0], found.high[0]], ratios)
    assert found.e_value[0] == pytest.approx(_strength(ratios[0]))


def test_another_null():
    found = e_value(3.0, 2.0, 4.0, null=1.5)
    assert found.e_value[0] == pytest.approx(_strength(2.0))
    assert found.e_value_limit[0] == pytest.approx(_strength(2.0 / 1.5))
    moved = e_value(0.5, kind="difference", null=0.2)
    assert moved.e_value[0] == pytest.approx(_strength(np.exp(0.91 * 0.3)))


def test_results_and_tables():
    result = InferenceResult(np.array([0.4, -0.1]), np.diag([0.01, 0.01]), ["a", "b"])
    found = e_value(result, kind="difference", outcome_sd=2.0, alpha=0.2)
    low, high = result.conf_int(0.2)
    same = e_value(result.estimate, low, high, kind="difference", outcome_sd=2.0)
    np.testing.assert_array_equal(found.e_value_limit, same.e_value_limit)
    frame = found.to_frame()
    assert frame["target"].tolist() == ["a", "b"]
    assert frame.columns.tolist()[1:] == ["risk_ratio", "low", "high", "e_value", "e_value_limit"]
    assert f"{found.e_value[0]:.4g}" in repr(found)
    assert "nan" not in e_value(2.0).summary()


def test_fitted_estimators_give_ratios_of_mean_outcomes():
    est = tiny().fit(X, T, SICK)
    found = e_value_of(est, alpha=0.1)
    means = est.dose_response()
    (m0, m1), covariance = means.estimate, means.covariance
    slope = np.array([-1 / m0, 1 / m1])
    half = 1.6448536 * np.sqrt(slope @ covariance @ slope)
    expected = [m1 / m0, m1 / m0 * np.exp(-half), m1 / m0 * np.exp(half)]
    got = [found.risk_ratio[0], found.low[0], found.high[0]]
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert found.names == ["1 vs 0"]
    back = e_value_of(est, T0=1, T1=0)
    np.testing.assert_allclose(back.e_value, found.e_value)


def test_several_arms_and_outcomes():
    two = np.column_stack([SICK, X[:, 0] > 0]).astype(int)
    est = tiny(control="b").fit(X, ARMS, two)
    found, means = e_value_of(est), est.dose_response().estimate.reshape(3, 2)
    expected = [means[a, m] / means[1, m] for a in (0, 2) for m in (0, 1)]
    np.testing.assert_allclose(found.risk_ratio, expected)
    assert found.names == ["a vs b: y0", "a vs b: y1", "c vs b: y0", "c vs b: y1"]
    counts = np.random.RandomState(0).poisson(2.0, len(X))
    rates = tiny(outcome="count").fit(X, T, counts)
    assert e_value_of(rates).risk_ratio[0] == pytest.approx(
        np.divide(*rates.dose_response().estimate[::-1])
    )


@pytest.mark.parametrize(
    "arguments, params, error, message",
    [
        ((2.0,), {"kind": "ratio"}, ValueError, r"`kind` must be one of .* got 'ratio'"),
        ((0.0,), {}, ValueError, r"`estimate` must be positive for a ratio, got \[0.0\]"),
        ((2.0, -1.0, 3.0), {}, ValueError, r"`low` must be positive for a ratio, got \[-1.0\]"),
        ((2.0, 1.0), {}, ValueError, "`low` and `high` must be given together"),
        ((2.0, 2.5, 3.0), {}, ValueError, "`low` and `high` must hold `estimate` between them"),
        ((2.0, [1.0, 1.0], 3.0), {}, ValueError, r"`low` must have shape \(1,\), got \(2,\)"),
        ((np.nan,), {}, ValueError, "`estimate` must be finite, got nan"),
        (("much",), {}, TypeError, "`estimate` must be a number or several, got 'much'"),
        ((2.0,), {"null": [1, 2]}, TypeError, r"`null` must be a single number, got \[1, 2\]"),
        ((2.0,), {"null": -1}, ValueError, r"`null` must be positive for a ratio, got \[-1.0\]"),
        ((0.1,), {"kind": "risk_difference"}, ValueError, "`baseline_risk` must be the risk of"),
        (
            (0.9,),
            {"kind": "risk_difference", "baseline_risk": 0.5},
            ValueError,
            r"`estimate` must lead from a baseline risk of 0.5 .* got \[0.9\]",
        ),
        ((0.1,), {"baseline_risk": "a"}, ValueError, "`baseline_risk` must be .* got 'a'"),
        ((0.1,), {"baseline_risk": 1.5}, ValueError, "`baseline_risk` must be .* got 1.5"),
        ((0.1,), {"baseline_risk": [0.1]}, ValueError, r"`baseline_risk` must be .* got \[0.1\]"),
        ((0.9,), {"outcome_sd": 0}, ValueError, "`outcome_sd` must be a positive, finite number"),
        ((0.9,), {"outcome_sd": "a"}, ValueError, "`outcome_sd` must be .* got 'a'"),
        ((0.9,), {"outcome_sd": [1, 2]}, ValueError, r"`outcome_sd` must be .* got \[1, 2\]"),
        ((0.9,), {"outcome_sd": np.inf}, ValueError, "`outcome_sd` must be .* got inf"),
        ((0.9,), {"outcome_sd": True}, ValueError, "`outcome_sd` must be .* got True"),
        ((0.9,), {"rare": "no"}, ValueError, "`rare` must be True or False, got 'no'"),
        ((0.9,), {"alpha": 7}, ValueError, "`alpha` must be a number between 0 and 1, got 7"),
    ],
)
def test_bad_values(arguments, params, error, message):
    with pytest.raises(error, match=message):
        e_value(*arguments, **params)


def test_results_bring_their_own_interval():
    result = InferenceResult(np.array([2.0]), np.array([[0.1]]), ["a"])
    with pytest.raises(ValueError, match="`low` and `high` must be None with an InferenceResult"):
        e_value(result, 1.0, 3.0, kind="risk_ratio")
    with pytest.raises(ValueError, match="`alpha` must be a number between 0 and 1, got 3"):
        e_value(result, alpha=3, kind="risk_ratio")
    with pytest.raises(ValueError, match=r"`kind` must be one of .*'difference'.* got None"):
        e_value(result)
    same = e_value(2.0, *np.ravel(result.conf_int()), kind="risk_ratio")
    assert e_value(result, kind="risk_ratio").e_value_limit == same.e_value_limit


def test_bad_estimators():
    with pytest.raises(NotFittedError):
        e_value_of(tiny())
    with pytest.raises(TargetError, match=r"binary outcomes or counts, got \['continuous'\]"):
        e_value_of(tiny().fit(X, T, Y))
    dosed = tiny(treatment_type="dose").fit(X, DOSE, SICK)
    with pytest.raises(TargetError, match=r"`e_value_of` needs arms, .* dose treatments"):
        e_value_of(dosed)
    with pytest.raises(IntervalNotAvailableError, match="n_folds=5"):
        e_value_of(tiny(n_folds=1).fit(X, T, SICK))
