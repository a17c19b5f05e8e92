"""TARNet against longhand NumPy, and on designs whose truth is known."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _longhand import silu, silu_or_growth
from sklearn.base import clone

from sklcausal.datasets import make_confounded, make_tutorial
from sklcausal.representation import TARNet, VCNet
from sklcausal.structural import Linear, StructuralNet

FAST = {
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
    "max_epochs": 40,
    "n_folds": 3,
}


@pytest.fixture(scope="module")
def fitted():
    data = make_confounded(240, n_arms=3, random_state=0)
    est = TARNet(
        representation_widths=(6, 5), head_widths=(4, 3), **{**FAST, "max_epochs": 3, "n_folds": 2}
    ).fit(data.X, data.T, data.y)
    return est, data


def test_forward_equals_longhand(fitted):
    est, data = fitted
    w = est.theta_net_.ensemble.weights()
    expected = np.zeros((len(data.X), 3))
    for k in range(2):
        seen = data.X[est.folds_ != k]
        rows = _training_rows(est, k, seen)
        z = (data.X - rows[0]) / rows[1] * w["encoder.gate"][k]
        for i in range(2):
            layer = f"body.trunk.layers.{i}"
            z = silu(z @ w[f"{layer}.weight"][k] + w[f"{layer}.bias"][k])
        first = (
            z @ w["body.heads.first.layers.0.weight"][k] + w["body.heads.first.layers.0.bias"][k]
        )
        for arm in range(3):
            h = silu(first[:, 4 * arm : 4 * arm + 4])
            rest = "body.heads.rest.layers.0"
            h = silu_or_growth(h @ w[f"{rest}.weight"][k, arm] + w[f"{rest}.bias"][k, arm])
            last = "body.heads.last"
            theta = (h @ w[f"{last}.weight"][k, arm] + w[f"{last}.bias"][k, arm])[:, 0]
            decode = est.theta_net_.decode
            expected[:, arm] += (decode.shift[k, arm] + theta * decode.matrix[k, arm, arm]) / 2
    np.testing.assert_allclose(est.potential_outcomes(data.X), expected, atol=1e-5)


def _training_rows(est, k, seen):
    # the member's own standardisation: recover mean and sd from the encoder
    encoding = est.theta_net_.ensemble.encoding
    sd = 1 / encoding.scale[k]
    mean = -encoding.shift[k] * sd
    assert np.abs(mean - seen.mean(axis=0)).max() < 0.3  # it saw four fifths of these rows
    return mean, sd


def test_effect_is_the_difference_of_potential_outcomes(fitted):
    est, data = fitted
    means = est.potential_outcomes(data.X)
    np.testing.assert_allclose(est.effect(data.X), means[:, 1:] - means[:, :1], atol=1e-12)
    np.testing.assert_allclose(
        est.effect(data.X, T0=1, T1=2), means[:, 2] - means[:, 1], atol=1e-12
    )
    assert list(est.effect_names_out_) == ["1 vs 0", "2 vs 0"]


def test_effects_are_recovered_on_the_tutorial_design():
    data = make_tutorial(1200, random_state=0)
    test = make_tutorial(1000, random_state=1)
    est = TARNet(**{**FAST, "numeric_encoding": "piecewise_linear"})
    est.fit(data.X, data.T, data.y)
    rmse = np.sqrt(np.mean((est.effect(test.X) - test.effect) ** 2))
    assert rmse < 0.5 * test.effect.std()
    low, high = est.ate_interval()
    assert low < 2 < high
    assert high - low < 0.45
    low, high = est.effect_interval(test.X)
    assert np.mean((low < test.effect) & (test.effect < high)) > 0.85
    wide = est.effect_interval(test.X[:200], simultaneous=True)
    assert np.mean(wide[1] - wide[0]) > 1.2 * np.mean(high - low)


def test_dose_recovers_slopes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    dose = 5 + X[:, 0] + rng.normal(size=1000)
    slope = 1 + X[:, 1]
    y = 2 * X[:, 0] + slope * dose + rng.normal(size=1000)
    est = TARNet(**FAST).fit(X, dose, y)
    assert list(est.effect_names_out_) == ["T +1"]
    assert np.sqrt(np.mean((est.effect(X) - slope) ** 2)) < 0.35
    assert est.ate_interval()[0] < slope.mean() < est.ate_interval()[1]
    np.testing.assert_allclose(est.effect(X, T0=1.0, T1=4.0), 3 * est.effect(X), rtol=1e-6)
    low, high = est.effect_interval(X, T0=1.0, T1=4.0)
    assert np.mean((low < 3 * slope) & (3 * slope < high)) > 0.85


def test_simultaneous_treatments_recover_each_slope():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1000, 3))
    first = X[:, 0] + rng.normal(size=1000)
    second = (rng.uniform(size=1000) < 1 / (1 + np.exp(-X[:, 0] - 0.5 * first))).astype(float)
    y = X[:, 0] + 0.5 * first + (2 + X[:, 1]) * second + rng.normal(size=1000)
    est = TARNet(**FAST).fit(X, np.column_stack([first, second]), y)
    low, high = est.ate_interval()
    np.testing.assert_array_equal(low < [0.5, 2.0], True)
    np.testing.assert_array_equal([0.5, 2.0] < high, True)
    assert est.effect(X).shape == (1000, 2)
    both = est.effect(X[:5], T0=[0.0, 0.0], T1=[1.0, 1.0])
    np.testing.assert_allclose(both, est.effect(X[:5]).sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("outcome", ["binary", "count"])
def test_links_recover_the_average_effect(outcome):
    data = make_confounded(1200, outcome=outcome, random_state=0)
    est = TARNet(**FAST, outcome=outcome).fit(data.X, data.T, data.y)
    low, high = est.ate_interval()
    half = (high - low) / 2
    assert abs(est.ate() - data.ate[0]) < 2 * half
    naive = data.y[data.T == 1].mean() - data.y[data.T == 0].mean()
    assert abs(naive - data.ate[0]) > 2 * half
    low, high = est.effect_interval(data.X)
    assert np.mean((low < data.effect) & (data.effect < high)) > 0.8
    means = est.potential_outcomes(data.X)
    assert means.min() >= 0
    if outcome == "binary":
        assert means.max() <= 1


def test_modifiers_give_effects_as_functions_of_few_columns():
    data = make_tutorial(1000, randomised=False, random_state=0)
    est = TARNet(**FAST, modifiers=[1]).fit(data.X, data.T, data.y)
    other = data.X.copy()
    other[:, [0, 2, 3, 4]] = 7.0
    np.testing.assert_array_equal(est.effect(data.X), est.effect(other))
    np.testing.assert_array_equal(est.effect_interval(data.X)[0], est.effect_interval(other)[0])
    expected = 2 - data.X[:, 1]  # E[2 - x1 + .25 x0**3 | x1]
    assert np.sqrt(np.mean((est.effect(data.X) - expected) ** 2)) < 0.35
    low, high = est.effect_interval(data.X)
    assert np.mean((low < expected) & (expected < high)) > 0.8


def test_several_outcomes_of_mixed_kinds():
    data = make_confounded(600, random_state=0)
    clicked = (data.y > np.median(data.y)).astype(float)
    est = TARNet(**FAST).fit(data.X, data.T, np.column_stack([data.y, clicked]))
    assert est.effect(data.X).shape == (600, 1, 2)
    low, high = est.effect_interval(data.X)
    assert low.shape == high.shape == (600, 1, 2)
    assert est.ate().shape == (1, 2)
    assert est.potential_outcomes(data.X)[:, :, 1].max() <= 1
    assert "1 vs 0: y1" in est.summary()


# -- units that grow exponentially ------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["continuous", "binary", "count", "mixed"])
def test_auto_activation_grows_for_continuous_outcomes(outcome):
    data = make_confounded(120, random_state=0)
    expected = "silu_exp" if outcome == "continuous" else "silu"
    above = (data.y > np.median(data.y)).astype(int)
    counts = np.random.default_rng(0).poisson(2, 120)
    y = {"binary": above, "count": counts, "mixed": np.c_[data.y, above]}.get(outcome, data.y)
    kind = "count" if outcome == "count" else "auto"
    auto, named = (
        TARNet(**{**FAST, "max_epochs": 1}, outcome=kind, activation=name).fit(data.X, data.T, y)
        for name in ("auto", expected)
    )
    assert auto.activation_ == expected
    np.testing.assert_array_equal(auto.effect(data.X), named.effect(data.X))


@pytest.mark.parametrize(
    "est", [TARNet(), StructuralNet(model=Linear()), StructuralNet(), VCNet(n_knots=4)]
)
def test_parameters_of_other_models_do_not_grow(est):
    data = make_confounded(120, random_state=0)
    dose = np.random.default_rng(0).uniform(size=120)
    est.set_params(max_epochs=2, n_folds=2, random_state=0, numeric_encoding=None)
    auto, named, grown = (
        clone(est).set_params(activation=name).fit(data.X, dose, data.y).effect(data.X, T0=0, T1=1)
        for name in ("auto", "silu", "silu_exp")
    )
    np.testing.assert_array_equal(auto, named)
    assert np.abs(auto - grown).max() > 1e-4


def test_propensities_do_not_grow():
    data = make_confounded(120, random_state=0)
    settings = {**FAST, "max_epochs": 2}
    probabilities = [
        TARNet(**settings, activation=name).fit(data.X, data.T, data.y).propensity_
        for name in ("silu", "silu_exp")
    ]
    np.testing.assert_array_equal(*probabilities)


def test_growing_units_learn_what_multiplies():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(1000, 4)), rng.integers(0, 2, 1000)
    means = np.exp(X @ [0.6, 0.5, 0.4, 0.0] + 1)
    y = np.where(T == 1, 3 * X[:, 1], means) + rng.normal(size=1000)
    test = rng.normal(size=(2000, 4))
    effect = 3 * test[:, 1] - np.exp(test @ [0.6, 0.5, 0.4, 0.0] + 1)
    errors = []
    for activation in ("auto", "silu"):
        est = TARNet(activation=activation, random_state=0).fit(X, T, y)
        errors.append(np.sqrt(np.mean((est.effect(test) - effect) ** 2)))
    assert errors[0] < 0.7 * errors[1]
    assert errors[0] < 0.25 * effect.std()
