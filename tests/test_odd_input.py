"""Tests of odd input that works, and of bad input to a fitted estimator."""

# SPDX-License-Identifier: BSD-3-Clause

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _small_data import ARMS, DOSE, FRAME, NAMED, RNG, N, T, X, Y, put, tiny
from sklearn.exceptions import NotFittedError

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, OverlapWarning, TargetError


def fitted(X, T, y, params=None, **fields):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        return tiny(**(params or {})).fit(X, T, y, **fields)


# -- odd input that works ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "T", "y", "params"),
    [
        pytest.param(np.c_[X, np.ones(N)], T, Y, {}, id="constant column"),
        pytest.param(np.ones((N, 2)), T, Y, {}, id="only constant columns"),
        pytest.param(X.astype(object), T.astype(object), Y.astype(object), {}, id="objects"),
        pytest.param(X * 1e25, T, Y * 1e-25, {}, id="large and small units"),
        pytest.param(X[: N // 2 * 2].tolist(), T.tolist(), Y.tolist(), {}, id="lists"),
        pytest.param(FRAME, pd.Categorical(NAMED), pd.Series(Y), {"control": "drug"}, id="pandas"),
        pytest.param(
            pl.DataFrame(FRAME.to_dict("list")), pl.Series(NAMED), pl.Series(Y), {}, id="polars"
        ),
        pytest.param(
            FRAME, pd.Series(T, dtype="Int64"), Y, {"modifiers": ["age"], "n_folds": 3}, id="Int64"
        ),
        pytest.param(X, T[:, None] == 1, Y, {}, id="T of one column"),
        pytest.param(X, pd.Categorical(np.arange(N) % 12), Y, {}, id="12 categories of ints"),
        pytest.param(X, T, Y > 0, {}, id="bool y"),
        pytest.param(X, T, np.where(Y > 0, "yes", "no"), {}, id="y of two strings"),
        pytest.param(X, DOSE, T, {"treatment_type": "dose", "outcome": "continuous"}, id="dose"),
        pytest.param(X, np.c_[T, DOSE], Y, {}, id="simultaneous"),
    ],
)
def test_odd_input_works(X, T, y, params):
    est = fitted(X, T, y, params)
    effect = est.effect(X)
    assert effect.shape[0] == N
    assert np.isfinite(effect).all()
    assert np.isfinite(est.ate_interval()).all()


def test_a_series_with_the_same_index_is_matched_by_position():
    index = RNG.permutation(N)
    frame = FRAME.set_axis(index, axis=0)
    est = fitted(frame, pd.Series(T, index), pd.Series(Y, index))
    assert np.array_equal(est.effect(frame), fitted(X, T, Y).effect(X))


def test_only_ratios_of_weights_matter():
    weight = RNG.uniform(0.5, 2, N)
    small, large = (fitted(X, T, Y, sample_weight=weight * c) for c in (2.0**-900, 2.0**90))
    assert np.array_equal(small.effect(X), large.effect(X))
    assert small.ate_interval() == large.ate_interval()


def test_y_of_one_column_gives_three_axes():
    assert fitted(X, T, Y[:, None]).effect(X).shape == (N, 1, 1)
    assert fitted(X, T, np.c_[Y, Y > 0]).effect(X).shape == (N, 1, 2)


def test_a_small_arm_gives_fewer_interval_features():
    rows = np.arange(400)
    big = RNG.normal(size=(400, 3))
    y = big[:, 0] + RNG.normal(size=400)
    rare = fitted(big, (rows % 33 == 0) * 1, y)
    even = fitted(big, rows % 2, y)
    assert 0 < rare.n_features_interval_ < even.n_features_interval_
    low, high = rare.effect_interval(big)
    assert np.isfinite(low).all() and (high > low).all()


def test_an_arm_of_a_few_rows_says_what_still_works():
    est = fitted(X, (np.arange(N) < 4) * 1, Y)
    assert np.isfinite(est.ate_interval()).all()
    with pytest.raises(IntervalNotAvailableError, match="rows of every arm in every fold, but fo"):
        est.effect_interval(X)


# -- after fit --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arms():
    return fitted(X, ARMS, Y)


@pytest.fixture(scope="module")
def dose():
    return fitted(X, DOSE, Y)


@pytest.fixture(scope="module")
def both():
    return fitted(X, pd.DataFrame({"drug": T, "hours": DOSE}), Y)


@pytest.mark.parametrize(
    "call",
    [
        lambda est: est.effect(X),
        lambda est: est.effect_interval(X),
        lambda est: est.predict(X),
        lambda est: est.ate(),
        lambda est: est.score(X, T, Y),
        lambda est: est.summary(),
        lambda est: est.predict_propensity(X),
    ],
)
def test_before_fit(call):
    with pytest.raises(NotFittedError, match="This TARNet instance is not fitted yet"):
        call(tiny())


def test_without_folds_there_are_no_intervals():
    est = fitted(X, T, Y, {"n_folds": 1})
    assert np.isfinite(est.ate())
    for call in (lambda: est.effect_interval(X), est.ate_interval, est.summary, est.att):
        with pytest.raises(IntervalNotAvailableError, match="got n_folds=1; fit with n_folds=5"):
            call()


def test_other_columns_than_in_fit(arms):
    with pytest.raises(ValueError, match="X has 2 features, but TARNet is expecting 3 features"):
        arms.effect(X[:, :2])
    with pytest.raises(ValueError, match=r"`X` must have shape .*, got \(3,\). Reshape your data"):
        arms.effect(X[0])
    named = fitted(FRAME, T, Y)
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were"):
        named.effect(FRAME[["dose", "age", "size"]])
    with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- weight"):
        named.effect(FRAME.rename(columns={"size": "weight"}))


def test_one_row(arms):
    assert arms.effect(X[:1]).shape == (1, 2)
    low, high = arms.effect_interval(X[:1])
    assert low.shape == high.shape == (1, 2)
    assert np.allclose(arms.effect(X[:1]), arms.effect(X)[:1])


PER_ROW = np.where(np.arange(N) % 2 == 0, "a", "b")


@pytest.mark.parametrize(
    "make", [list, np.array, pd.Series, pl.Series, pd.Categorical, lambda v: v[:, None]]
)
def test_one_arm_per_row(arms, make):
    effect = arms.effect(X, T0=make(PER_ROW), T1="c")
    from_a, from_b = (arms.effect(X, T0=arm, T1="c") for arm in "ab")
    assert np.allclose(effect, np.where(PER_ROW == "a", from_a, from_b), atol=1e-5)
    ends = arms.effect_interval(X, T0=make(PER_ROW), T1="c")
    a_ends = arms.effect_interval(X, T0="a", T1="c")
    assert np.allclose(ends[0][::2], a_ends[0][::2])


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pl.Series, lambda v: v[:, None]])
def test_one_dose_per_row(dose, make):
    slope = dose.effect(X)
    assert np.allclose(dose.effect(X, T0=0, T1=make(DOSE)), slope * DOSE)
    assert np.allclose(dose.effect(X, T0=make(DOSE), T1=make(DOSE + 2)), 2 * slope)


def test_one_dose_of_each_treatment_per_row(both):
    slopes = both.effect(X)
    change = np.c_[np.ones(N), DOSE]
    effect = both.effect(X, T0=np.zeros((N, 2)), T1=pd.DataFrame(change))
    assert np.allclose(effect, (slopes * change).sum(axis=1))
    assert np.allclose(both.effect(X, T0=[0, 0], T1=(1, 2)), slopes @ [1, 2])


@pytest.mark.parametrize(
    ("T0", "T1", "message"),
    [
        ("zz", None, r"`T0` must be one of \['a', 'b', 'c'\], got \['zz'\]"),
        (None, 1, r"`T1` must be one of \['a', 'b', 'c'\], got \[1\]"),
        (None, np.nan, r"`T1` must be one of .*, got \[nan\]"),
        (["a"] * 5, None, "same number of rows, got `X` 100, `T0` 5"),
        (None, ["zz"] + ["a"] * 99, r"`T1` must be one of .*, got \['zz'\]"),
        (["a", None] * 50, "b", "`T0` must not have missing values, got 50, first in row 1"),
        (np.zeros((N, 2)), "b", r"`T0` must be one of .*, got an array of shape \(100, 2\)"),
        ({"a": 1}, "b", r"`T0` must be one of .*, got \{'a': 1\}"),
    ],
)
def test_unknown_arms(arms, T0, T1, message):
    with pytest.raises(TargetError, match=message):
        arms.effect(X, T0=T0, T1=T1)
    with pytest.raises(TargetError, match=message):
        arms.effect_interval(X, T0=T0, T1=T1)


@pytest.mark.parametrize(
    ("T0", "T1", "message"),
    [
        ("a", None, "`T0` must be a dose, or hold one for each row, got 'a'"),
        (None, np.inf, "`T1` must be finite, got inf"),
        (np.zeros((N, 2)), 1, r"`T0` must be a dose, .*, got an array of shape \(100, 2\)"),
        ([0.0, 1.0], None, "same number of rows, got `X` 100, `T0` 2"),
    ],
)
def test_doses_that_cannot_be_used(dose, T0, T1, message):
    with pytest.raises(TargetError, match=message):
        dose.effect(X, T0=T0, T1=T1)


def test_doses_of_several_treatments_that_cannot_be_used(both):
    message = r"`T0` must hold a dose for each of \['drug', 'hours'\], be a dict .* \(n, 2\), got"
    for T0 in (0, "a", [1, 2, 3], np.zeros(N), {"drug": "much"}):
        with pytest.raises(TargetError, match=message):
            both.effect(X, T0=T0)


def test_averages_take_one_arm(arms):
    with pytest.raises(TargetError, match=r"`T0` must be one of .*, got an array of shape \(100,"):
        arms.ate(T0=PER_ROW)


@pytest.mark.parametrize("alpha", [0, 1, "x", None, -0.1, np.nan, [0.05]])
def test_alpha_lies_between_0_and_1(arms, alpha):
    calls = (
        lambda: arms.effect_interval(X, alpha=alpha),
        lambda: arms.ate_interval(alpha=alpha),
        lambda: arms.summary(alpha=alpha),
        lambda: arms.to_frame(X, alpha=alpha),
    )
    for call in calls:
        with pytest.raises(ValueError, match="`alpha` must be a number between 0 and 1, got"):
            call()


@pytest.mark.parametrize(
    ("T", "y", "message"),
    [
        (
            np.where(ARMS == "a", "z", ARMS),
            Y,
            r"`T` must be one of \['a', 'b', 'c'\], got \['z'\]",
        ),
        (put(ARMS, 0, None, object), Y, "`T` must not have missing values, got 1, first in row 0"),
        (Y, ARMS, r"`T` must be one of \['a', 'b', 'c'\], got"),
        (ARMS, None, "TARNet requires y to be passed"),
        (ARMS, Y[:5], "same number of rows, got `X` 100, `T` 100, `y` 5"),
        (ARMS, np.c_[Y, Y], r"`y` must have 1 column\(s\) as in fit, got 2"),
        (ARMS, put(Y, 0, np.nan), "`y` must not contain NaN or infinity, got 1 such"),
        (ARMS, ARMS, "`y` must hold numbers, got strings"),
    ],
)
def test_score_checks_its_targets(arms, T, y, message):
    with pytest.raises(TargetError, match=message):
        arms.score(X, T, y)


def test_score_where_an_arm_is_absent(arms):
    some = ARMS != "c"
    assert np.isfinite(arms.score(X[some], ARMS[some], Y[some]))
    assert arms.score(X, pack_targets(ARMS, Y)) == arms.score(X, ARMS, Y)
