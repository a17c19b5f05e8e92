"""Tests of the design with several treatments and several outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_multi_treatment_outcome


def test_shapes_and_truths():
    data = make_multi_treatment_outcome(500, n_features=7, n_arms=4, n_outcomes=3, random_state=1)
    assert data.X.shape == (500, 7)
    assert data.y.shape == (500, 3)
    assert data.mu.shape == (500, 4, 3)
    assert set(data.T) == {0, 1, 2, 3}
    np.testing.assert_allclose(data.effect, data.mu[:, 1:] - data.mu[:, :1])
    np.testing.assert_allclose(data.ate, data.effect.mean(axis=0))
    np.testing.assert_allclose(data.propensity.sum(axis=1), 1.0)
    assert data.target_name == ["y0", "y1", "y2"]
    # one error for all outcomes, of variance 1
    error = data.y - data.mu[np.arange(500), data.T]
    np.testing.assert_allclose(error, np.tile(error[:, [0]], 3), atol=1e-10)
    assert error[:, 0].std() == pytest.approx(1.0, abs=0.1)


def test_scenarios_are_assigned_as_they_say():
    randomised = make_multi_treatment_outcome(4000, scenario="A", random_state=0)
    np.testing.assert_allclose(randomised.propensity, 1 / 3)
    assert np.abs(np.bincount(randomised.T) / 4000 - 1 / 3).max() < 0.03
    rare = {
        overlap: (
            make_multi_treatment_outcome(4000, overlap=overlap, random_state=0).propensity.min(1)
            < 0.01
        ).mean()
        for overlap in (0.05, 0.1, "published")
    }
    assert rare[0.05] < 0.001
    assert rare[0.1] < 0.05
    assert rare["published"] > 0.95


def test_numbers_of_the_published_design():
    draws = [make_multi_treatment_outcome(2000, random_state=seed) for seed in range(10)]
    # means over ten populations, as an independent simulation of the formulas gave them
    assert np.mean([d.X.std() for d in draws]) == pytest.approx(2.15, abs=0.2)
    assert np.mean([d.y.std() for d in draws]) == pytest.approx(54, rel=0.2)
    sizes = [np.sqrt((d.effect**2).mean()) for d in draws]
    assert 1.5 < np.mean(sizes) < 5
    shares = np.mean([np.bincount(d.T) / 2000 for d in draws], axis=0)
    np.testing.assert_allclose(shares, [0.41, 0.33, 0.26], atol=0.03)


def test_effects_are_those_of_the_formula():
    # without the network's part effects are linear in the first five columns
    data = make_multi_treatment_outcome(3000, random_state=3)
    Z = np.column_stack([np.ones(3000), data.X])
    for a in range(2):
        for m in range(2):
            coef, *_ = np.linalg.lstsq(Z, data.effect[:, a, m], rcond=None)
            rest = data.effect[:, a, m] - Z @ coef
            assert np.abs(rest).max() < 20  # 10 tanh of each arm
            assert rest.std() > 0.05  # which is not linear
    level = data.mu[:, 0] - data.effect.mean(axis=1)
    assert level.std() > 5 * data.effect.std()


def test_a_seed_is_a_population():
    few, many = (make_multi_treatment_outcome(n, random_state=7) for n in (50, 20_000))
    again = make_multi_treatment_outcome(50, random_state=7)
    np.testing.assert_array_equal(few.y, again.y)
    Z = [np.column_stack([np.ones(len(d.X)), d.X]) for d in (few, many)]
    coef, *_ = np.linalg.lstsq(Z[1], many.mu[:, 0], rcond=None)
    assert np.abs(few.mu[:, 0] - Z[0] @ coef).std() < 0.1 * few.mu[:, 0].std()


@pytest.mark.parametrize(
    "settings", [{"scenario": "C"}, {"overlap": -1.0}, {"n_features": 4}, {"n_outcomes": 0}]
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=f"'{next(iter(settings))}' parameter"):
        make_multi_treatment_outcome(10, **settings)
