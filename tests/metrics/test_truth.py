"""Metrics whose truth is known, against longhand formulas and their traps."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

from sklcausal.exceptions import TargetError
from sklcausal.metrics import (
    ate_error,
    att_error,
    dose_response_mise,
    effect_mae,
    interval_coverage,
    interval_score,
    interval_width,
    policy_risk,
    root_pehe,
)

RNG = np.random.default_rng(0)
TAU = RNG.normal(2, 3, 200)
PAIRWISE = [root_pehe, ate_error, effect_mae]


def test_perfect_prediction_has_no_error():
    assert root_pehe(TAU, TAU) == ate_error(TAU, TAU) == effect_mae(TAU, TAU) == 0


def test_constant_true_average_has_the_spread_of_the_effects():
    assert_allclose(root_pehe(TAU, np.full(200, TAU.mean())), TAU.std())


@pytest.mark.parametrize("metric", PAIRWISE)
def test_column_is_no_other_than_a_vector(metric):
    pred = TAU + RNG.normal(size=200)
    wanted = metric(TAU, pred)
    assert metric(TAU[:, None], pred) == metric(TAU, pred[:, None]) == wanted
    assert metric(TAU[:, None, None], pred[:, None]) == wanted


@pytest.mark.parametrize("library", [list, pd.Series, pl.Series, np.float32])
@pytest.mark.parametrize("metric", PAIRWISE)
def test_array_likes(metric, library):
    pred = TAU + 1
    assert_allclose(metric(library(TAU), library(pred)), metric(TAU, pred), rtol=1e-5)


def test_longhand_formulas_with_weights_and_columns():
    true, pred = RNG.normal(size=(2, 50, 3, 2))
    w = RNG.uniform(0.1, 2, 50)
    share = w / w.sum()
    pehe = np.array(
        [[np.sqrt(share @ (pred - true)[:, c, m] ** 2) for m in (0, 1)] for c in range(3)]
    )
    assert_allclose(root_pehe(true, pred, sample_weight=w, multioutput="raw_values"), pehe)
    assert_allclose(root_pehe(true, pred, sample_weight=w), pehe.mean())
    gap = np.abs(np.average(pred - true, axis=0, weights=w))
    assert_allclose(ate_error(true, pred, sample_weight=w, multioutput="raw_values"), gap)
    mae = np.average(np.abs(pred - true), axis=0, weights=w)
    assert_allclose(effect_mae(true, pred, sample_weight=w), mae)
    T = np.repeat(["a", "b", "c", "d"], [20, 10, 10, 10])
    att = [
        np.abs(np.average((pred - true)[T == arm, c], axis=0, weights=w[T == arm]))
        for c, arm in enumerate("bcd")
    ]
    assert_allclose(att_error(true, pred, T, sample_weight=w, multioutput="raw_values"), att)


def test_weight_two_is_a_row_twice():
    twice = np.append(np.arange(200), np.arange(50))
    w = np.where(np.arange(200) < 50, 2, 1)
    pred = TAU + RNG.normal(size=200)
    low, high = pred - 1, pred + 1
    for metric, rows in (
        (root_pehe, (TAU, pred)),
        (ate_error, (TAU, pred)),
        (interval_score, (TAU, low, high)),
        (interval_coverage, (TAU, low, high)),
        (interval_width, (low, high)),
    ):
        doubled = metric(*(row[twice] for row in rows))
        assert_allclose(metric(*rows, sample_weight=w), doubled)


def test_intervals_longhand():
    true, low, high = (
        np.array([0.0, 5.0, -3.0]),
        np.array([-1.0, 6.0, -1.0]),
        np.array([1.0, 8, 1]),
    )
    assert interval_coverage(true, low, high) == 1 / 3
    assert interval_width(low, high) == 2
    assert_allclose(interval_score(true, low, high, alpha=0.1), 2 + 20 * (0 + 1 + 2) / 3)
    assert interval_coverage([1.0], [1.0], [1.0]) == 1


def test_interval_score_is_lowest_at_the_true_quantiles():
    true = np.random.default_rng(1).normal(size=100_000)
    scores = [
        interval_score(true, np.full_like(true, -z), np.full_like(true, z))
        for z in (1.5, 1.96, 2.5)
    ]
    assert min(scores) == scores[1]


def test_policy_risk_longhand():
    rng = np.random.default_rng(2)
    T, y, effect = rng.integers(0, 3, 400), rng.integers(0, 2, 400), rng.normal(size=(400, 2))
    randomised = rng.random(400) < 0.7
    choice = np.where(effect.max(axis=1) > 0, 1 + effect.argmax(axis=1), 0)
    value = 0.0
    for arm in range(3):
        part = randomised & (choice == arm)
        value += part.sum() / randomised.sum() * y[part & (T == arm)].mean()
    assert_allclose(policy_risk(T, y, effect, randomised=randomised), 1 - value)


def test_policy_risk_of_the_best_policy_is_lower():
    rng = np.random.default_rng(3)
    x, T = rng.normal(size=(2, 20_000))
    T = (T > 0).astype(int)
    y = (rng.random(20_000) < 0.5 + 0.3 * np.sign(x) * T).astype(int)
    assert policy_risk(T, y, x) < 0.38 < 0.48 < policy_risk(T, y, np.ones_like(x)) < 0.52


def test_mise_is_the_integral_over_the_dose():
    dose = np.linspace(0, 2, 2001)
    true, pred = np.zeros((3, 2001)), np.stack([dose, 2 * dose, 0 * dose])
    assert_allclose(dose_response_mise(true, pred, dose), (8 / 3 + 32 / 3) / 3, rtol=1e-5)
    assert_allclose(dose_response_mise(true[0], pred[0], dose), 8 / 3, rtol=1e-5)
    weighted = dose_response_mise(true, pred, dose, sample_weight=[0, 1, 0])
    assert_allclose(weighted, 32 / 3, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: root_pehe([1.0, 2.0], [1.0]), r"`effect_pred` must have the shape \(2,\)"),
        (lambda: root_pehe(np.ones((4, 2)), np.ones((2, 4))), r"shape \(4, 2\).*got \(2, 4\)"),
        (lambda: root_pehe([1.0, np.nan], [1.0, 2.0]), "`effect_true` must be finite, got 1 NaN"),
        (lambda: root_pehe([1.0, 2.0], [1.0, np.inf]), "`effect_pred` must be finite, got 1 NaN"),
        (
            lambda: root_pehe(["a", "b"], [1.0, 2.0]),
            "`effect_true` must hold numbers, got strings",
        ),
        (lambda: root_pehe([], []), r"`effect_true` must have shape .* got \(0,\)"),
        (lambda: root_pehe([[1.0], [2.0, 3.0]], [1.0, 2.0]), "`effect_true` must be rectangular"),
        (lambda: root_pehe([1.0], [1.0], multioutput="x"), "`multioutput` must be one of"),
        (
            lambda: root_pehe([1.0], [1.0], sample_weight=[1, 2]),
            r"`sample_weight` must have shape",
        ),
        (lambda: interval_width([2.0], [1.0]), "`low` must be at most `high`, got 1 interval"),
        (lambda: interval_score([1.0], [0.0], [2.0], alpha=1), "`alpha` must be a number between"),
        (lambda: att_error([1.0, 1.0], [1.0, 1.0], [0, 0]), "`T` must have at least 2 levels"),
        (
            lambda: policy_risk([0, 1], [0, 2], [1.0, 1.0]),
            "`y` must lie between 0 and 1, got 0 to 2",
        ),
        (
            lambda: policy_risk([0, 1], [0, 1], [1.0, 1.0], randomised=[False, False]),
            "`randomised` must be true in at least 1 row",
        ),
        (
            lambda: policy_risk([0, 1], [0, 1], [1.0, 1.0], randomised=[1, 0]),
            "`randomised` must be bools",
        ),
        (
            lambda: dose_response_mise([[1.0, 2]], [[1.0, 2]], [1.0, 1.0]),
            "`dose` must hold at least",
        ),
        (
            lambda: dose_response_mise([[1.0]], [[1.0, 2]], [0.0, 1.0]),
            "`response_true` must have a",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_frames_with_other_indexes_are_refused():
    true, pred = pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0], index=[1, 0])
    with pytest.raises(TargetError, match="must have the same index"):
        root_pehe(true, pred)
