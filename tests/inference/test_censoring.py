"""Weights for censored outcomes against longhand, and what they recover."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.exceptions import TargetError
from sklcausal.inference import censoring_weights
from sklcausal.representation import TARNet

SMALL = {
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 30,
    "n_folds": 3,
    "random_state": 0,
}


def test_weights_equal_kaplan_meier_by_hand():
    time = np.array([1, 2, 2, 3, 4, 4, 5, 6.0])
    event = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    # at 2: 7 at risk, one event first, 1 of 6 censored; at 3: 1 of 5; at 4: 1 of 3 after an event
    g2, g3, g4 = 5 / 6, 4 / 5, 2 / 3
    y, weight = censoring_weights(time, event, horizon=5.5)
    np.testing.assert_allclose(y, np.minimum(time, 5.5))
    expected = [1, 0, 1, 0, 1 / (g2 * g3), 0, 1 / (g2 * g3 * g4), 1 / (g2 * g3 * g4)]
    np.testing.assert_allclose(weight, expected)


def test_no_censoring_gives_ones_and_strata_stand_alone():
    time = np.arange(1, 9.0)
    np.testing.assert_array_equal(censoring_weights(time, np.ones(8))[1], np.ones(8))
    strata, event = np.repeat(["a", "b"], 4), np.array([1, 0, 1, 1, 1, 1, 1, 1])
    _, weight = censoring_weights(time, event, strata=strata)
    np.testing.assert_allclose(weight, [1, 0, 1.5, 1.5, 1, 1, 1, 1])


def draw(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    T = rng.integers(2, size=n)
    life = rng.exponential(np.exp(0.3 * X[:, 0] + 0.5 * T))
    stop = rng.exponential(np.where(T == 1, 1.0, 3.0))  # the treated leave early
    return X, T, np.minimum(life, stop), (life <= stop).astype(int), life


def test_effects_on_censored_times_are_recovered():
    errors, naive = [], []
    for seed in range(5):
        X, T, time, event, _ = draw(1500, seed)
        y, weight = censoring_weights(time, event, horizon=2.0, strata=T)
        est = TARNet(**SMALL).fit(X, T, y, sample_weight=weight)
        full = np.minimum(draw(200_000, 99)[4], 2.0)
        arms = draw(200_000, 99)[1]
        truth = full[arms == 1].mean() - full[arms == 0].mean()
        low, high = est.ate_interval()
        errors.append((est.ate() - truth) / ((high - low) / 2 / 1.96))
        seen = event == 1
        naive.append(y[seen & (T == 1)].mean() - y[seen & (T == 0)].mean() - truth)
    assert np.abs(np.mean(errors)) < 2
    assert np.abs(errors).max() < 3.5
    assert np.mean(naive) < -0.15  # what the events alone say


@pytest.mark.parametrize(
    ("time", "event", "options", "message"),
    [
        ([1, -2.0], [1, 1], {}, r"`time` must hold one number for each row, 0 or larger"),
        ([1, 2.0], [1, 2], {}, r"`event` must hold 0 and 1, got \[1\.0, 2\.0\]"),
        ([1, 2.0], [1, 1, 1], {}, r"`event`"),
        ([1, np.nan], [1, 1], {}, r"`time`"),
        ([1, 2.0], [0, 0], {"horizon": 3.0}, r"all 2 rows of stratum 0 were censored before 3"),
    ],
)
def test_times_that_cannot_be_used(time, event, options, message):
    with pytest.raises(TargetError, match=message):
        censoring_weights(time, event, **options)
