"""Tests that bad input raises a clear error before any training."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _small_data import ARMS, DOSE, FRAME, NAMED, N, T, X, Y, put, tiny
from scipy import sparse

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("training was started")

    monkeypatch.setattr("skorch.NeuralNet.initialize", fail)


def refuse(message, X=X, T=T, y=Y, error=ValueError, params=None, **fields):
    est = tiny(**(params or {}))
    with pytest.raises(error, match=message):
        est.fit(X, T, y, **fields)
    assert not [name for name in vars(est) if name.endswith("_")]


# -- X --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            put(X, (3, 1), np.nan),
            ValueError,
            "contains NaN: .* got 1 .*, first in row 3, column 1",
        ),
        (
            put(X, (3, 1), np.inf),
            ValueError,
            "contains infinity .* `X` must not .*, column 1: inf",
        ),
        (X * 1e40, ValueError, r"`X` must be at most 1e\+30 in size, got 300 such"),
        (put(X, (3, 1), None, object), ValueError, "Input X contains NaN: `X` must not contain"),
        (
            FRAME.astype("Float64").mask(FRAME > 2),
            ValueError,
            "Input X contains NaN: `X` must not",
        ),
        (
            pl.DataFrame({"a": [None, *X[1:, 0].tolist()]}),
            ValueError,
            "Input X contains NaN: `X` m",
        ),
        (
            put(X, (3, 1), pd.NA, object),
            TypeError,
            "`X` must be numeric, got objects that are no n",
        ),
        (np.full((N, 2), "a"), ValueError, "`X` must be numeric, got strings; encode them first"),
        (FRAME.assign(sex="m"), ValueError, "`X` must be numeric, got strings; encode them first"),
        (pl.DataFrame({"a": ["m"] * N}), ValueError, "`X` must be numeric, got strings"),
        (X.astype("M8[s]"), ValueError, r"got dates or times \(datetime64\[s\]\); turn them into"),
        (FRAME.assign(day=pd.Timestamp(0)), ValueError, "got dates or times .* in column 'day'"),
        (
            X.astype(complex),
            ValueError,
            "Complex data not supported: `X` must be real, got complex",
        ),
        (
            sparse.csr_array(X),
            TypeError,
            "Sparse data was passed for X, but dense data is required",
        ),
        (np.ma.masked_array(X, mask=X > 2), ValueError, "`X` must not have masked values"),
        (
            X[:, 0],
            ValueError,
            r"`X` must have shape \(n_samples, n_features\), got \(100,\). Resh",
        ),
        (X[None], ValueError, r"`X` must have shape .*, got \(1, 100, 3\)"),
        (3.0, ValueError, "`X` must have shape .*, got float"),
        ([[1, 2], [3]] * 50, ValueError, "`X` must be rectangular, got rows of unequal length"),
        (np.empty((0, 3)), ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 2"),
        (
            np.empty((N, 0)),
            ValueError,
            r"0 feature\(s\) \(shape=\(100, 0\)\) while a minimum of 1",
        ),
    ],
)
def test_X_that_cannot_be_used(no_training, bad, error, message):
    refuse(message, X=bad, error=error)


# -- treatments, outcomes and fields -----------------------------------------------------------

REVERSED = np.arange(N)[::-1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"T": T[:50]}, "same number of rows, got `X` 100, `T` 50, `y` 100"),
        ({"y": Y[:50]}, "same number of rows, got `X` 100, `T` 100, `y` 50"),
        (
            {"sample_weight": np.ones(50)},
            r"`sample_weight` must have shape \(100,\), got .*\(50,\)",
        ),
        ({"propensity": np.full(50, 0.5)}, "same number of rows, .*, `propensity` 50"),
        ({"cluster": np.arange(50)}, "same number of rows, .*, `cluster` 50"),
        ({"T": None, "y": None}, r"TARNet requires y to be passed, but .* call fit\(X, T, y\)"),
        ({"y": None}, r"requires y to be passed, .* call fit\(X, T, y\) or fit\(X, pack_targets"),
        ({"T": np.zeros(N)}, r"`T` must have at least 2 levels, got 1: \[0.0\]"),
        (
            {"T": put(NAMED, 3, None, object)},
            "`T` must not have missing values, got 1, first in r",
        ),
        ({"T": [float("nan"), *NAMED[1:].tolist()]}, "`T` must not have missing values, got 1"),
        ({"T": np.arange(N) % 12}, "at most 10 integer levels .*; pass treatment_type='discrete'"),
        (
            {"T": Y, "y": T},
            r"look swapped \(the order is fit\(X, T, y\)\); if `T` is a dose, pass",
        ),
        ({"T": Y, "y": NAMED}, r"look swapped \(the order is fit\(X, T, y\)\)"),
        ({"T": Y[:, None], "y": T[:, None]}, "look swapped"),
        (
            {"T": Y, "y": np.arange(N) % 3},
            "got non-integer `T` and `y` with 3 values, which look s",
        ),
        ({"y": put(Y, 3, np.nan)}, "`y` must not contain NaN or infinity, got 1 such"),
        (
            {"y": np.c_[put(Y, 3, np.inf), Y]},
            "`y` must not contain NaN .* in column 'y0', first in",
        ),
        ({"y": np.c_[Y * np.nan, Y]}, "`y` must have observed values in column 'y0', got only"),
        (
            {"y": np.c_[np.where(T == 1, np.nan, Y), Y]},
            r"at least 2 observed values of 'y0' in every arm \(n_folds=2\), got 0 in arm 1",
        ),
        (
            {"T": DOSE, "y": np.c_[put(Y, 3, np.nan), Y]},
            "`y` may have missing cells only where `T` holds arms, got NaN with dose",
        ),
        ({"y": np.ones(N)}, "`y` must vary, got the constant 1.0"),
        ({"y": pd.DataFrame({"kg": Y, "cm": 1.0})}, "`y` must vary, got .* in column 'cm'"),
        ({"T": pd.DataFrame({"h": DOSE, "mg": 1.0})}, "`T` must vary, got .* 1 in column 'mg'"),
        ({"T": np.c_[T, 1 - T]}, "`T` must have linearly independent columns, .* mark the arms"),
        (
            {"sample_weight": (T == 0) * 1.0},
            "positive in at least 2 rows in every arm .*, got 0 in",
        ),
        ({"sample_weight": -np.ones(N)}, "`sample_weight` must be at least 0, got -1"),
        (
            {"T": DOSE, "propensity": np.full(N, 0.5)},
            "`propensity` goes with arms, but `T` was re",
        ),
        (
            {"cluster": np.zeros((N, 2))},
            r"`cluster` must have shape \(n_samples,\), got \(100, 2\)",
        ),
        (
            {"cluster": np.zeros(N)},
            "`cluster` must have at least n_folds=2 different labels, got 1",
        ),
        (
            {"cluster": put(np.arange(N), 3, np.nan)},
            "`cluster` must not have missing values, got 1",
        ),
        (
            {"cluster": T},
            "`cluster` and `sample_weight` must leave every arm in every training part, got all",
        ),
        ({"X": FRAME, "y": pd.Series(Y, REVERSED)}, "`X` and `y` must have the same index, got"),
        ({"T": pd.Series(T), "y": pd.Series(Y, REVERSED)}, "`T` and `y` must have the same index"),
        (
            {"X": FRAME, "sample_weight": pd.Series(np.ones(N), REVERSED)},
            "`X` and `sample_weight` must have the same index, got different ones; rows are",
        ),
        ({"T": pack_targets(T, Y)}, "`y` must be None when `T` holds packed targets, got both"),
        (
            {"y": pack_targets(T, Y)},
            r"must stand alone, as fit\(X, targets\), got `T` beside them",
        ),
        ({"T": pack_targets(T, Y)[:50], "y": None}, "same number of rows, got `X` 100, `T` 50"),
        (
            {"T": np.zeros(N, [("T", int)]), "y": None},
            r"the fields 'T' and 'y', .* fields \['T'\]",
        ),
        (
            {"T": pack_targets(T, Y, cluster=T), "y": None, "cluster": T},
            "`cluster` must be packed or passed, got both",
        ),
    ],
)
def test_targets_that_cannot_be_used(no_training, changed, message):
    refuse(message, error=TargetError, **changed)


@pytest.mark.parametrize(
    ("n_rows", "params", "message"),
    [
        (1, {}, r"at least 2 rows in every arm \(n_folds=2\), got 1 in arm 1"),
        (3, {"n_folds": 5}, r"at least 5 rows in every arm \(n_folds=5\), got 3 in arm 1"),
        (1, {"n_folds": 1}, r"at least 2 rows in every arm \(n_folds=1\), got 1 in arm 1"),
        (50, {"treatments": [0, 1, 2]}, "rows in every arm .*, got 0 in arm 2"),
        (50, {"n_folds": 200}, r"\(n_folds=200\), got 50 in arm 0"),
    ],
)
def test_arms_that_are_too_small(no_training, n_rows, params, message):
    arms = (np.arange(N) < n_rows) * 1
    refuse(message, T=arms, error=TargetError, params=params)


def test_doses_need_rows_for_every_fold(no_training):
    message = "at least 2 rows for each of the n_folds=5 folds, got 9 rows"
    refuse(message, X[:9], DOSE[:9], Y[:9], TargetError, {"n_folds": 5})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_folds": 0}, "'n_folds' parameter of TARNet must be an int .* Got 0"),
        ({"lr": -1}, "'lr' parameter of TARNet must be a float .* Got -1"),
        ({"weight_decay": "x"}, "'weight_decay' parameter of TARNet must be .* Got 'x'"),
        ({"numeric_encoding": "foo"}, "'numeric_encoding' parameter of TARNet must .* Got 'foo'"),
        (
            {"activation": "foo"},
            "'activation' parameter of TARNet must be a str among .* Got 'foo'",
        ),
        ({"treatment_type": "foo"}, "'treatment_type' parameter of TARNet must be .* Got 'foo'"),
        (
            {"treatments": "ctl"},
            "'treatments' parameter of TARNet must be an array-like .* Got 'c",
        ),
        ({"validation_fraction": 1}, "'validation_fraction' parameter .* Got 1 instead"),
        ({"propensity_clip": 0.5}, "'propensity_clip' parameter .* Got 0.5 instead"),
        ({"device": None}, "'device' parameter of TARNet must be an instance of 'str'. Got None"),
        ({"outcome": "foo"}, r"`outcome` must be one of \['auto', .*, got 'foo'"),
        ({"outcome": "binary"}, "`y` must hold 0 and 1 for outcome='binary', got"),
        ({"outcome": "count"}, "`y` must hold integers of at least 0 for outcome='count', got"),
        ({"treatments": [0, 1, 1]}, r"`treatments` must not repeat a label, got \[0, 1, 1\]"),
        ({"control": "zz"}, r"`control` must be one of \[0, 1\], got 'zz'"),
        ({"modifiers": []}, "`modifiers` must name at least one column, got none"),
        ({"modifiers": [5]}, r"`modifiers` must hold positions from 0 to 2, .*, got \[5\]"),
        (
            {"modifiers": ["zz"]},
            r"`modifiers` must name columns of X, but X had no column names in fit, got \['zz'\]",
        ),
        ({"modifiers": [False] * 3}, "`modifiers` must name at least one column, got none"),
    ],
)
def test_parameters_that_cannot_be_used(no_training, params, message):
    refuse(message, params=params)


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"foo": 1}, r"`net_params` must hold arguments of skorch.NeuralNet, .* got \{'foo': 1\}"),
        ({"optimizer__foo": 1}, r"`net_params` must hold arguments .*unexpected keyword"),
        ({"lr": 1}, r"`net_params` must not hold what is a parameter .*, got \['lr'\]"),
        ({"module": 1}, r"`net_params` must not hold .*, got \['module'\]"),
    ],
)
def test_net_params_that_skorch_does_not_know(net_params, message):
    refuse(message, params={"net_params": net_params})


def test_clip_must_leave_room_for_every_arm(no_training):
    message = r"`propensity_clip` must be below 1/3 with 3 arms, got 0.4"
    refuse(message, T=ARMS, params={"propensity_clip": 0.4})


def test_decays_cannot_be_chosen_without_a_validation_part():
    message = r"`weight_decay` must be a single number or 'auto' when validation_fraction=None"
    refuse(message, params={"weight_decay": [0.1, 1.0], "validation_fraction": None})


def test_widths_are_checked():
    params = {"representation_widths": (0,)}
    refuse(r"`representation_widths` must .* at least 1, got \(0,\)", params=params)
