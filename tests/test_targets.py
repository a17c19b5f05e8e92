"""Tests of packing treatments and outcomes, and of what turns arguments into arrays."""

# SPDX-License-Identifier: BSD-3-Clause

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

from sklcausal import pack_targets, unpack_targets
from sklcausal.exceptions import TargetError
from sklcausal.targets import as_column_array, is_packed

T = ["b", "a", "b"]
Y = [1.5, 0.5, 2.5]


def packed_T(T):
    return unpack_targets(pack_targets(T, Y)).T


def test_pack_and_unpack_are_inverse():
    fields = {"propensity": [[0.2, 0.8]] * 3, "cluster": [7, 7, 8], "Z": None}
    targets = pack_targets(T, [[1, 2], [3, 4], [5, 6]], **fields)
    assert targets.shape == (3,)
    assert targets.dtype.names == ("T", "y", "propensity", "cluster")
    found = unpack_targets(targets[[2, 0]])
    assert found.T.tolist() == ["b", "b"]
    assert found.y.tolist() == [[5, 6], [1, 2]]
    assert found.propensity.shape == (2, 2)
    assert found.cluster.tolist() == [8, 7]
    assert all(array.flags.c_contiguous for array in found.values())


def test_is_packed():
    targets = pack_targets(T, Y)
    assert is_packed(targets) and is_packed(targets[:1]) and is_packed(targets.view(np.recarray))
    assert not any(is_packed(v) for v in (None, T, np.array(Y), np.zeros(3, [("T", int)])))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(np.array(T), id="str"),
        pytest.param(np.array([np.str_(t) for t in T], dtype=object), id="object of numpy str"),
        pytest.param(pd.Series(T), id="pandas str"),
        pytest.param(pd.Series(T, dtype="string"), id="pandas string"),
        pytest.param(pd.Categorical(T, categories=["b", "z", "a"]), id="Categorical"),
        pytest.param(pd.Series(T, dtype="category"), id="pandas category"),
        pytest.param(pl.Series(T), id="polars String"),
        pytest.param(pl.Series(T, dtype=pl.Categorical), id="polars Categorical"),
        pytest.param(pl.Series(T, dtype=pl.Enum(["b", "a"])), id="polars Enum"),
    ],
)
def test_strings_of_every_kind(given):
    found = packed_T(given)
    assert found.dtype.kind == "U"
    assert found.tolist() == T


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 0, 1], "i"),
        (np.array([1, 0, 1], dtype=object), "i"),
        (pd.Series([1, 0, 1], dtype="Int64"), "i"),
        (pd.Categorical([1, 0, 1]), "i"),
        (pl.Series([1, 0, 1]), "i"),
        (torch.tensor([1, 0, 1]), "i"),
        ([1.0, 0.0, 1.0], "f"),
        (np.array([1.0, 0, 1], dtype=object), "f"),
        ([Decimal(1), Decimal(0), Decimal(1)], "f"),
        (pd.Series([1, 0, 1], dtype="Float64"), "f"),
        ([True, False, True], "b"),
        (np.array([True, False, True], dtype=object), "b"),
        (pd.Series([True, False, True], dtype="boolean"), "b"),
        (pd.Series([True, False, True], dtype="boolean").array, "b"),
        (pl.Series([True, False, True]), "b"),
        (np.ma.masked_array([1, 0, 1], mask=False), "i"),
    ],
)
def test_numbers_and_bools_of_every_kind(given, kind):
    found = packed_T(given)
    assert found.dtype.kind == kind
    assert found.tolist() == [1, 0, 1]


def test_columns_of_frames():
    frame = {"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]}
    for made in (pd.DataFrame(frame), pl.DataFrame(frame)):
        assert packed_T(made).tolist() == [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["b", None, "b"], id="list with None"),
        pytest.param(["b", float("nan"), "b"], id="list with NaN"),
        pytest.param(["b", pd.NA, "b"], id="list with NA"),
        pytest.param(np.array(["b", np.nan, "b"], dtype=object), id="object with NaN"),
        pytest.param(pd.Series(["b", None, "b"]), id="pandas str"),
        pytest.param(pd.Series(["b", pd.NA, "b"], dtype="string"), id="pandas string"),
        pytest.param(pd.Categorical(["b", None, "b"]), id="Categorical"),
        pytest.param(pl.Series(["b", None, "b"]), id="polars String"),
        pytest.param(pl.Series(["b", None, "b"], dtype=pl.Categorical), id="polars Categorical"),
    ],
)
def test_missing_labels_raise_before_they_become_strings(given):
    with pytest.raises(TargetError, match="`T` must not have missing values, got 1, first in row"):
        pack_targets(given, Y)


@pytest.mark.parametrize(
    "given",
    [
        [1, None, 0],
        [True, None, False],
        pd.Series([1, pd.NA, 0], dtype="Int64"),
        pd.Series([True, pd.NA, False], dtype="boolean"),
        pd.Series([True, pd.NA, False], dtype="boolean").array,
        pd.Categorical([1, None, 0]),
        pl.Series([1, None, 0]),
        pl.Series([True, None, False]),
    ],
)
def test_missing_numbers_become_nan(given):
    assert np.array_equal(packed_T(given), [1, np.nan, 0], equal_nan=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"`T` must have shape \(n_samples,\) or .*, got None"),
        (3, "`T` must have shape .*, got int"),
        ("abc", "`T` must have shape .*, got str"),
        ({"a": 1}, "`T` must have shape .*, got dict"),
        ({0, 1}, "`T` must have shape .*, got set"),
        (np.zeros((3, 1, 1)), r"`T` must have shape .*, got \(3, 1, 1\)"),
        (np.zeros((3, 0)), r"`T` must have at least 1 column, got shape \(3, 0\)"),
        ([[1, 2], [3], [4]], "`T` must be rectangular, got rows of unequal length"),
        (sparse.csr_array(np.eye(3)), "`T` must be a dense array, got csr_array"),
        (torch.eye(3).to_sparse(), "`T` must be a dense array, got Tensor"),
        (np.ma.masked_array([1, 0, 1], mask=[1, 0, 0]), "must not have masked values, got a mask"),
        (["a", 1, "b"], "bools or strings, all of one kind, got numbers and strings"),
        (np.array(["a", 1, "b"], dtype=object), "all of one kind, got numbers and strings"),
        ([print] * 3, "all of one kind, got values of type builtin_function_or_method"),
        (pack_targets(T, Y), r"must hold plain values, got a structured array .* \['T', 'y'\]"),
        ([1, 0], "must have the same number of rows, got `T` 2, `y` 3"),
    ],
)
def test_what_cannot_be_packed(given, message):
    with pytest.raises(TargetError, match=message):
        pack_targets(given, Y)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_of_bools_stand_beside_numbers(frame):
    given = frame({"cost": [1.5, 2.0, 4.0], "count": [1, 2, 3], "dead": [True, False, True]})
    read = as_column_array(given, "y")
    np.testing.assert_array_equal(read, [[1.5, 1, 1], [2.0, 2, 0], [4.0, 3, 1]])
    assert read.dtype == float
    with pytest.raises(TargetError, match="all of one kind, got bools and numbers"):
        as_column_array(pd.DataFrame({"cost": [1.5, True], "n": [1, 2]}, dtype=object), "y")


def test_fields_are_checked_too():
    with pytest.raises(TargetError, match="got `T` 3, `y` 3, `cluster` 1"):
        pack_targets(T, Y, cluster=[1])
    with pytest.raises(TargetError, match=r"`sample_weight` must be passed to fit\(X, targets"):
        pack_targets(T, Y, sample_weight=[1.0, 1.0, 1.0])


def test_indexes_are_compared_not_aligned():
    index = [3, 1, 2]
    targets = pack_targets(pd.Series(T, index=index), pd.Series(Y, index=index))
    assert targets["y"].tolist() == Y
    with pytest.raises(TargetError, match="`T` and `y` must have the same index, got different"):
        pack_targets(pd.Series(T), pd.Series(Y, index=index))
    with pytest.raises(TargetError, match="`T` and `cluster` must have the same index"):
        pack_targets(pd.Series(T), Y, cluster=pd.Series([1, 1, 2], index=index))


@pytest.mark.parametrize(
    ("given", "came"),
    [
        (None, "NoneType"),
        (np.array(Y), "ndarray"),
        (pd.DataFrame({"T": T, "y": Y}), "DataFrame"),
        (np.zeros(3, dtype=[("T", int)]), r"the fields \['T'\]"),
        (np.zeros(3, dtype=[("a", int), ("y", int)]), r"the fields \['a', 'y'\]"),
    ],
)
def test_what_cannot_be_unpacked(given, came):
    with pytest.raises(TargetError, match=rf"with the fields 'T' and 'y', as .*, got {came}"):
        unpack_targets(given)


def test_unpacking_wants_one_axis():
    with pytest.raises(
        TargetError, match=r"`targets` must have shape \(n_samples,\), got \(3, 1\)"
    ):
        unpack_targets(pack_targets(T, Y).reshape(-1, 1))
