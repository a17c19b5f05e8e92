"""Benchmarks: gains of dropped columns, k times as strong, groups and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
from _small_data import tiny as smaller
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.sensitivity import benchmark_confounders, sensitivity_analysis

# of small fits with propensities that are kept away from 0
pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

RNG = np.random.RandomState(0)
X = RNG.normal(size=(400, 3))
T = (X[:, 0] + RNG.logistic(size=400) > 0).astype(int)
Y = 2 * X[:, 0] + X[:, 1] + T + RNG.normal(size=400)
FRAME = pd.DataFrame(X, columns=["age", "income", "noise"])


def tiny(**params):
    """Fit well enough for gains to be told apart."""
    return smaller(propensity_clip=0.15, lr=0.01, batch_size=32, **{"max_epochs": 15, **params})


@pytest.fixture(scope="module")
def fitted():
    return tiny().fit(FRAME, T, Y)


@pytest.fixture(scope="module")
def found(fitted):
    return benchmark_confounders(
        fitted, FRAME, T, Y, columns=["age", ["income", 2]], k=[1, 0.5, 50], rho=0.8, alpha=0.1
    )


def test_gains_equal_longhand(fitted, found):
    long = sensitivity_analysis(fitted)
    short = sensitivity_analysis(clone(fitted).fit(FRAME[["income", "noise"]], T, Y))
    gain_y = (short.residual_variance - long.residual_variance) / long.residual_variance
    gain_d = (
        long.representer_second_moment - short.representer_second_moment
    ) / short.representer_second_moment
    assert gain_y[0] > 0.1 and gain_d[0] > 0  # a strong confounder
    np.testing.assert_allclose(found.cf_y[0, :2], np.minimum([gain_y, gain_y / 2], 1))
    np.testing.assert_allclose(found.cf_d[0, :2], [gain_d, gain_d / 2])
    assert found.cf_y[0, 2] == 1  # no share is larger
    change = short.estimate - long.estimate
    np.testing.assert_allclose(found.change[0], change)
    spread = np.sqrt(
        (short.residual_variance - long.residual_variance)
        * (long.representer_second_moment - short.representer_second_moment)
    )
    np.testing.assert_allclose(found.rho[0], np.clip(change / spread, -1, 1))
    assert found.names == long.names and found.labels == ["age", "income, noise"]


def test_table_holds_the_bounds_of_these_strengths(fitted, found):
    frame = found.to_frame()
    assert frame["benchmark"].tolist() == ["age"] * 3 + ["income, noise"] * 3
    assert frame["k"].tolist() == [1, 0.5, 50] * 2
    result = sensitivity_analysis(fitted, rho=0.8, alpha=0.1)
    for row in frame[frame["cf_d"] < 1].itertuples():
        low, high = result.bounds(row.cf_y, row.cf_d)
        assert (row.lower, row.upper) == pytest.approx((low[0], high[0]))
        low, high = result.conf_bounds(row.cf_y, row.cf_d)
        assert (row.ci_lower, row.ci_upper) == pytest.approx((low[0], high[0]))
    text = repr(found)
    assert "income, noise" in text and text.endswith("bounds for |rho| = 0.8")


def test_columns_that_add_nothing_are_weak_and_have_no_correlation(fitted, found):
    noise = benchmark_confounders(fitted, FRAME, T, Y, columns={"none": "noise"})
    idle = (noise.cf_y[:, 0] == 0) | (noise.cf_d[:, 0] == 0)
    assert noise.labels == ["none"]
    np.testing.assert_array_equal(np.isnan(noise.rho), idle)
    assert noise.cf_y[0, 0, 0] < 0.3 * found.cf_y[0, 0, 0]
    assert noise.cf_d[0, 0, 0] < found.cf_d[0, 0, 0]


def test_every_way_to_name_columns(fitted):
    every = benchmark_confounders(fitted, FRAME, T, Y)
    assert every.labels == ["age", "income", "noise"]
    one = benchmark_confounders(fitted, FRAME, T, Y, columns=[1])
    np.testing.assert_array_equal(one.change[0], every.change[1])
    plain = tiny().fit(X, T, Y)
    same = benchmark_confounders(plain, X, T, Y, columns=[np.int64(1)])
    assert same.labels == ["x1"]
    np.testing.assert_array_equal(same.change, one.change)
    polars = pytest.importorskip("polars")
    other = polars.DataFrame({c: FRAME[c].to_numpy() for c in FRAME})
    same = benchmark_confounders(plain.fit(other, T, Y), other, T, Y, columns=["income"])
    np.testing.assert_array_equal(same.change, one.change)


def test_packed_targets_pipelines_weights_and_clusters(fitted):
    weight, house = 1.0 + np.arange(400) % 2, np.arange(400) // 2
    targets = pack_targets(T, Y, cluster=house)
    alone = tiny().fit(X, T, Y, cluster=house, sample_weight=weight)
    expected = benchmark_confounders(
        alone, X, T, Y, columns=[0], cluster=house, sample_weight=weight
    )
    packed = benchmark_confounders(alone, X, targets, columns=[0], sample_weight=weight)
    np.testing.assert_array_equal(packed.change, expected.change)
    unweighted = benchmark_confounders(alone, X, T, Y, columns=[0])
    assert (unweighted.change != expected.change).any()
    pipe = make_pipeline(StandardScaler(), tiny())
    pipe.fit(X, targets, tarnet__sample_weight=weight)
    found = benchmark_confounders(pipe, X, targets, columns=[0], sample_weight=weight)
    np.testing.assert_allclose(found.change, expected.change, rtol=0.05)


def test_modifiers_may_be_dropped():
    est = tiny(n_folds=3, modifiers=["age"]).fit(FRAME, T, Y)
    plain = tiny(n_folds=3).fit(FRAME, T, Y)
    found, same = (benchmark_confounders(e, FRAME, T, Y, columns=["age"]) for e in (est, plain))
    np.testing.assert_array_equal(found.change, same.change)


def test_several_contrasts_and_outcomes():
    arms = np.array(["a", "b", "c"])[np.arange(400) % 3]
    est = tiny().fit(X, arms, np.column_stack([Y, -Y]))
    found = benchmark_confounders(est, X, arms, np.column_stack([Y, -Y]), columns=[0, 1], k=[1, 2])
    assert found.cf_y.shape == found.cf_d.shape == (2, 2, 4)
    assert len(found.to_frame()) == 16
    single = benchmark_confounders(est, X, arms, np.column_stack([Y, -Y]), columns=[0], T1="b")
    assert single.names == ["b vs a: y0", "b vs a: y1"]
    np.testing.assert_allclose(single.cf_y[0, 0], found.cf_y[0, 0, :2])


@pytest.mark.parametrize(
    "params, message",
    [
        ({"columns": ["height"]}, r"`columns` must hold some of .*, or positions .* got 'height'"),
        ({"columns": [3]}, "positions from 0 to 2, got 3"),
        ({"columns": [True]}, "positions from 0 to 2, got True"),
        ({"columns": "age"}, "`columns` must be a list or mapping of columns, got 'age'"),
        ({"columns": np.int64(0)}, "`columns` must be a list or mapping of columns, got"),
        ({"columns": 1.5}, "`columns` must be a list or mapping of columns, got 1.5"),
        ({"columns": []}, "`columns` must be a list or mapping of columns, got"),
        ({"columns": [[]]}, r"`columns` must leave out at least one .* got \[\]"),
        ({"columns": [["age", 1, 2]]}, "must leave out at least one column and keep one of 3"),
        ({"k": 0}, "`k` must be a positive number or several, got 0"),
        ({"k": [1, np.nan]}, r"`k` must be a positive number or several, got \[1, nan\]"),
        ({"rho": 2}, "`rho` must lie between -1 and 1, got 2"),
        ({"alpha": 1}, "`alpha` must be a number between 0 and 1, got 1"),
    ],
)
def test_bad_parameters(fitted, params, message):
    with pytest.raises(ValueError, match=message):
        benchmark_confounders(fitted, FRAME, T, Y, **{"columns": ["age"], **params})


def test_bad_data_and_estimators(fitted):
    with pytest.raises(NotFittedError):
        benchmark_confounders(tiny(), FRAME, T, Y)
    with pytest.raises(ValueError, match="same number of rows"):
        benchmark_confounders(fitted, FRAME, T[:5], Y, columns=["age"])
    with pytest.raises(ValueError, match=r"`X` must have shape .*\(400,\)"):
        benchmark_confounders(fitted, X[:, 0], T, Y)


def test_other_rows_than_those_of_fit_are_refused(fitted):
    other = np.random.default_rng(1).permutation(400)
    for change in (
        {"T": T[other]},
        {"y": Y + 1.0},
        {"X": FRAME[:200], "T": T[:200], "y": Y[:200]},
    ):
        given = {"X": FRAME, "T": T, "y": Y} | change
        with pytest.raises(TargetError, match="must be that of fit, row by row"):
            benchmark_confounders(fitted, **given, columns=["age"])
