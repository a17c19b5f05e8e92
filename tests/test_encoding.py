"""Tests of what kinds of treatments, outcomes and fields are read from the data."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal._encoding import check_cluster, check_weights
from sklcausal._kinds import check_outcomes, check_treatments, looks_swapped
from sklcausal._propensity import check_propensity
from sklcausal.exceptions import TargetError

N = 60
RNG = np.random.default_rng(0)
DOSE = RNG.normal(size=N)
BINARY = np.arange(N) % 2
ARMS = np.array(["a", "b", "c"])[np.arange(N) % 3]

# -- treatments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("T", "kind", "labels"),
    [
        (BINARY, "discrete", [0, 1]),
        (BINARY * 2 - 1, "discrete", [-1, 1]),
        (BINARY.astype(float), "discrete", [0.0, 1.0]),
        (BINARY.astype(bool), "discrete", [False, True]),
        (BINARY.reshape(-1, 1), "discrete", [0, 1]),
        (ARMS, "discrete", ["a", "b", "c"]),
        (np.arange(N) % 10, "discrete", list(range(10))),
        (DOSE, "dose", []),
        (DOSE.astype(np.float32), "dose", []),
        (np.column_stack([BINARY, DOSE]), "simultaneous", []),
    ],
)
def test_kinds_of_treatments(T, kind, labels):
    schema = check_treatments(T)
    assert (schema.kind, schema.labels, schema.n_arms) == (kind, labels, len(labels))
    codes = schema.encode(T)
    if labels:
        assert codes.shape == (N,)
        assert np.array_equal(schema.arms[codes], T.ravel())
    else:
        assert np.array_equal(codes, T.reshape(N, -1))
        assert schema.is_binary == tuple(np.isin(c, (0, 1)).all() for c in T.reshape(N, -1).T)


def test_given_arms_keep_their_order():
    schema = check_treatments(ARMS, treatments=["c", "a", "b"])
    assert schema.labels == ["c", "a", "b"]
    assert schema.control == 0
    assert schema.encode(np.array(["a", "c", "b"])).tolist() == [1, 0, 2]
    assert check_treatments(ARMS, control="b").control == 1


def test_labels_match_across_number_types():
    schema = check_treatments(BINARY)
    for T in (BINARY.astype(float), BINARY.astype(bool), BINARY.astype(np.uint8)):
        assert np.array_equal(schema.encode(T), BINARY)
    big = 2**60 + BINARY
    assert np.array_equal(check_treatments(big).encode(big), BINARY)


@pytest.mark.parametrize("T", [np.arange(N) % 12, (np.arange(N) % 12).astype(float)])
def test_many_integers_ask_for_a_type(T):
    with pytest.raises(TargetError, match="at most 10 integer levels to be read as arms, got 12"):
        check_treatments(T)
    assert check_treatments(T, treatment_type="discrete").n_arms == 12
    assert check_treatments(T, treatment_type="dose").kind == "dose"


@pytest.mark.parametrize(
    ("T", "params", "message"),
    [
        (np.zeros(N, int), {}, r"`T` must have at least 2 levels, got 1: \[0\]"),
        (np.where(BINARY, np.nan, 1.0), {}, "`T` must not have missing values, got 30, first in"),
        (np.where(BINARY, np.inf, DOSE), {}, "`T` must not contain NaN or infinity, got 30 such"),
        (np.full(N, 0.5), {}, "`T` must vary, got the constant 0.5"),
        (np.column_stack([DOSE, np.ones(N)]), {}, "the constant 1 in column 'T1'"),
        (np.column_stack([BINARY, 1 - BINARY]), {}, r"independent columns, got \['T0', 'T1'\]"),
        (ARMS[:, None].repeat(2, axis=1), {}, r"must hold numbers where .*, got strings in shape"),
        (DOSE.astype(complex), {}, "hold numbers, bools or strings, got complex numbers"),
        (BINARY.astype("M8[D]"), {}, "hold numbers, bools or strings, got dates"),
        (BINARY.astype("S"), {}, "hold numbers, bools or strings, got bytes"),
        (ARMS, {"treatment_type": "dose"}, "must hold numbers where it is a dose, got strings"),
        (DOSE, {"treatment_type": "simultaneous"}, r"\(n_samples, n_treatments\) .*, got \(60,\)"),
        (np.ones((N, 2)), {"treatment_type": "dose"}, r"shape \(n_samples,\) .*, got \(60, 2\)"),
        (np.ones((N, 2)), {"treatment_type": "discrete"}, r"shape \(n_samples,\) .*, got \(60, 2"),
        (ARMS, {"treatments": ["a", "b"]}, r"`T` must be one of \['a', 'b'\], got \['c'\]"),
        (ARMS, {"treatments": [0, 1]}, r"`T` must be one of \[0, 1\], got \['a', 'b', 'c'\]"),
        (ARMS, {"treatments": ["a"]}, r"`treatments` must name at least 2 arms, got 1: \['a'\]"),
        (ARMS, {"treatments": []}, r"`treatments` must name at least 2 arms, got 0: \[\]"),
        (ARMS, {"treatments": ["a", "b", "a"]}, "`treatments` must not repeat a label, got"),
        (ARMS, {"treatments": {"a", "b"}}, "`treatments` must be a list of labels .*, got a set"),
        (ARMS, {"treatments": ["a", None]}, "`treatments` must not have missing values, got 1"),
        (ARMS, {"treatments": [["a", "b"]]}, r"`treatments` must have shape \(n_arms,\), got \(1"),
        (ARMS, {"treatments": ["a", 1]}, "`treatments` must hold .* got numbers and strings"),
        (ARMS, {"control": "z"}, r"`control` must be one of \['a', 'b', 'c'\], got 'z'"),
        (
            ARMS,
            {"control": ["a"]},
            r"`control` must be one of \['a', 'b', 'c'\], got shape \(1,\)",
        ),
        (DOSE, {"control": 0}, "`control` goes with arms, but `T` was read as a dose"),
        (DOSE, {"treatments": [0, 1]}, "`treatments` goes with arms, but `T` was read as a dose"),
    ],
)
def test_treatments_that_cannot_be_used(T, params, message):
    with pytest.raises(TargetError, match=message):
        check_treatments(T, **params)


def test_unknown_arms_and_columns_later():
    schema = check_treatments(np.arange(N) % 20, treatment_type="discrete")
    with pytest.raises(TargetError, match=r"one of \[0, .* 9, ...\] \(20 in all\), got \[77\]"):
        schema.encode(np.array([3, 77]))
    with pytest.raises(TargetError, match=r"`T1` must have shape \(n_samples,\), got \(2, 2\)"):
        schema.encode(np.ones((2, 2)), "T1")
    both = check_treatments(np.column_stack([BINARY, DOSE]), names=["drug", "hours"])
    with pytest.raises(
        TargetError, match=r"must have 2 column\(s\) as in fit, .*'hours'\], got 1"
    ):
        both.encode(DOSE)


# -- outcomes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "outcome", "kinds"),
    [
        (DOSE, "auto", ("continuous",)),
        (BINARY, "auto", ("binary",)),
        (BINARY + 1, "auto", ("continuous",)),
        (BINARY.astype(bool), "auto", ("binary",)),
        (np.where(BINARY, "yes", "no"), "auto", ("binary",)),
        (np.arange(N) % 3, "auto", ("continuous",)),
        (np.arange(N) % 3, "count", ("count",)),
        (BINARY, "count", ("count",)),
        (BINARY, "continuous", ("continuous",)),
        (DOSE[:, None], "auto", ("continuous",)),
        (np.column_stack([DOSE, BINARY]), "auto", ("continuous", "binary")),
        (np.column_stack([BINARY, BINARY]), ["count", "auto"], ("count", "binary")),
    ],
)
def test_kinds_of_outcomes(y, outcome, kinds):
    schema = check_outcomes(y, outcome=outcome)
    assert schema.kinds == kinds
    assert schema.one_dim == (y.ndim == 1)
    assert schema.names == tuple(f"y{m}" for m in range(len(kinds)))
    assert schema.encode(y).shape == (N, len(kinds))


def test_two_strings_become_0_and_1():
    schema = check_outcomes(np.where(BINARY, "yes", "no"))
    assert schema.levels == (("no", "yes"),)
    assert schema.encode(np.array(["yes", "no"])).ravel().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("y", "outcome", "message"),
    [
        (np.where(BINARY, np.nan, DOSE), "auto", "`y` must not contain NaN or infinity, got 30"),
        (
            np.where(BINARY, np.inf, DOSE),
            "auto",
            "infinity, got 30 such value.s., first in row 1: ",
        ),
        (
            np.full((N, 2), np.nan),
            "auto",
            "`y` must have observed values in column 'y0', got only NaN",
        ),
        (DOSE * 1e40, "auto", r"`y` must be at most 1e\+30 in size, got 60 such"),
        (np.ones(N), "auto", "`y` must vary, got the constant 1.0"),
        (np.full(N, "a"), "auto", "`y` must vary, got the constant 'a'"),
        (np.column_stack([DOSE, np.ones(N)]), "auto", "the constant 1.0 in column 'y1'"),
        (ARMS, "auto", r"numbers, or two strings .*, got 3 different strings, .* swapped\?"),
        (np.where(BINARY, "u", "v"), "count", "must hold numbers for outcome='count', got 2 diff"),
        (DOSE.astype(complex), "auto", "numbers, bools or two strings, got complex numbers"),
        (BINARY.astype("M8[D]"), "auto", "numbers, bools or two strings, got dates"),
        (DOSE, "binary", r"must hold 0 and 1 for outcome='binary', got \[.*\] \(60 in all\)"),
        (BINARY + 1, "binary", r"must hold 0 and 1 for outcome='binary', got \[2.0\]"),
        (DOSE, "count", "must hold integers of at least 0 for outcome='count', got"),
        (BINARY - 1, "count", r"integers of at least 0 for outcome='count', got \[-1.0\]"),
        (DOSE, "foo", r"`outcome` must be one of \['auto', .*, got 'foo'"),
        (DOSE, ["binary", "count"], r"for each of the 1 column\(s\) of `y`, got \['binary', 'c"),
        (DOSE, [["auto"]], r"`outcome` must be one of .*, got \[\['auto'\]\]"),
    ],
)
def test_outcomes_that_cannot_be_used(y, outcome, message):
    with pytest.raises(TargetError, match=message):
        check_outcomes(y, outcome=outcome)


@pytest.mark.parametrize(
    ("fitted", "y", "message"),
    [
        (DOSE, np.ones((3, 2)), r"`y` must have 1 column\(s\) as in fit, got 2"),
        (DOSE, np.array([1.0, np.nan]), "`y` must not contain NaN or infinity, got 1 such"),
        (DOSE, np.array(["a", "b"]), "`y` must hold numbers, got strings"),
        (BINARY, np.array([0.0, 0.5]), r"must hold 0 and 1 for outcome='binary', got \[0.5\]"),
        (
            np.where(BINARY, "u", "v"),
            np.array(["u", "q"]),
            r"one of \['u', 'v'\] as in fit, got 'q'",
        ),
        (np.where(BINARY, "u", "v"), np.array([0, 1]), r"one of \['u', 'v'\] as in fit, got 0"),
    ],
)
def test_outcomes_that_differ_from_fit(fitted, y, message):
    with pytest.raises(TargetError, match=message):
        check_outcomes(fitted).encode(y)


def test_swapped_treatments_and_outcomes_are_noticed():
    dose = check_treatments(DOSE)
    for y in (BINARY, BINARY.astype(float), BINARY[:, None], np.arange(N) % 5, ARMS):
        assert looks_swapped(dose, y)
    for y in (DOSE, np.arange(N), np.column_stack([BINARY, BINARY]), np.arange(N) % 40):
        assert not looks_swapped(dose, y)
    assert not looks_swapped(check_treatments(BINARY), BINARY)


# -- what goes with them ----------------------------------------------------------------------


def test_weights_have_mean_1():
    assert check_weights(None, 3) is None
    assert check_weights(5, 3).tolist() == [1.0, 1.0, 1.0]
    assert check_weights([1e-300, 2e-300, 3e-300], 3) == pytest.approx([0.5, 1.0, 1.5])
    assert check_weights(np.array([True, False]), 2).tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -1.0, 1.0], "`sample_weight` must be at least 0, got -1"),
        ([1.0, np.nan, 1.0], "`sample_weight` must not contain NaN or infinity, got 1 such"),
        ([1.0, np.inf, 1.0], "`sample_weight` must not contain NaN or infinity, got 1 such"),
        ([1.0, None, 1.0], "`sample_weight` must not contain NaN or infinity, got 1 such"),
        ([1e35, 1.0, 1.0], r"`sample_weight` must be at most 1e\+30 in size, got 1 such"),
        (["a", "b", "c"], "`sample_weight` must hold numbers, got strings"),
        ("a", "`sample_weight` must have shape .*, got str"),
        ([0, 0, 0], "`sample_weight` must not be zero in every row, got only zeros"),
        ([1.0, 1.0], r"`sample_weight` must have shape \(3,\), got .* \(2,\)"),
        (np.ones((3, 1)), r"`sample_weight` must have shape \(n_samples,\).*, got \(3, 1\)"),
    ],
)
def test_weights_that_cannot_be_used(weight, message):
    with pytest.raises(TargetError, match=message):
        check_weights(weight, 3)


def test_propensity_gets_one_column_per_arm():
    two, three = check_treatments(BINARY), check_treatments(ARMS)
    assert check_propensity(None, two, N) is None
    for given in (np.full(N, 0.25), np.full((N, 1), 0.25), np.tile([0.75, 0.25], (N, 1))):
        assert np.array_equal(check_propensity(given, two, N), np.tile([0.75, 0.25], (N, 1)))
    assert check_propensity(np.full((N, 3), 1 / 3, dtype=np.float32), three, N).shape == (N, 3)


@pytest.mark.parametrize(
    ("T", "propensity", "message"),
    [
        (BINARY, np.full((N, 3), 1 / 3), r"one column for each of the 2 arms \[0, 1\], got shape"),
        (ARMS, np.full(N, 0.5), r"one column for each of the 3 arms .*, got shape \(60, 1\)"),
        (BINARY, BINARY * 0.5, "must lie strictly between 0 and 1, got 0 to 0.5"),
        (BINARY, np.full(N, 1.2), "must lie strictly between 0 and 1, got 1.2 to 1.2"),
        (BINARY, np.full((N, 2), 0.4), "must sum to 1 in every row, got 0.8 in row 0"),
        (BINARY, np.full(N, np.nan), "`propensity` must not contain NaN or infinity, got 60"),
        (BINARY, np.full(5, 0.5), "must have the same number of rows, got `propensity` 5, `T` 60"),
        (BINARY, ["a"] * N, "`propensity` must hold numbers, got strings"),
        (DOSE, np.full(N, 0.5), "`propensity` goes with arms, but `T` was read as dose"),
    ],
)
def test_propensity_that_cannot_be_used(T, propensity, message):
    with pytest.raises(TargetError, match=message):
        check_propensity(propensity, check_treatments(T), N)


def test_clusters_are_numbered():
    assert check_cluster(None) is None
    assert check_cluster(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]
    with pytest.raises(
        TargetError, match=r"`cluster` must have shape \(n_samples,\), got \(3, 2\)"
    ):
        check_cluster(np.ones((3, 2)))
    for given in (np.array([1.0, np.nan]), np.array(["2020-01-01", "NaT"], dtype="M8[D]")):
        with pytest.raises(TargetError, match="`cluster` must not have missing values, got 1"):
            check_cluster(given)
