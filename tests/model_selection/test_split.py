"""Splitters that stratify by treatment, alone and inside unmodified scikit-learn."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.model_selection import TreatmentStratifiedKFold, TreatmentStratifiedShuffleSplit
from sklcausal.representation import TARNet

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

BOTH = [TreatmentStratifiedKFold, TreatmentStratifiedShuffleSplit]
both = pytest.mark.parametrize("cls", BOTH)
RNG = np.random.default_rng(0)
N = 200
RARE = np.where(np.arange(N) < 15, "drug", "ctl")[RNG.permutation(N)]
X = np.zeros((N, 1))
DOSE = RNG.normal(size=N)


def shares(values, splits, part=1):
    """Return the share of true values in one part of each split."""
    return np.array([np.mean(values[split[part]]) for split in splits])


def as_lists(splits):
    return [(train.tolist(), test.tolist()) for train, test in splits]


# -- arms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [RARE, RARE == "drug", RARE[:, None], pack_targets(RARE, X)])
def test_folds_are_a_partition_with_equal_shares(targets):
    folds = list(TreatmentStratifiedKFold(random_state=0).split(X, targets))
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(N))
    for train, test in folds:
        assert_array_equal(np.union1d(train, test), np.arange(N))
        assert not np.intersect1d(train, test).size
        assert (RARE[test] == "drug").sum() == 3
    plain = StratifiedKFold(5).split(X, DOSE > 0)
    assert {int((RARE[test] == "drug").sum()) for _, test in plain} != {3}


@pytest.mark.parametrize("kind", [list, pd.Series, pl.Series])
def test_treatments_may_be_lists_and_series(kind):
    folds = TreatmentStratifiedKFold(random_state=0).split(X, kind(RARE.tolist()))
    assert as_lists(folds) == as_lists(TreatmentStratifiedKFold(random_state=0).split(X, RARE))


def test_without_shuffle_neighbours_stay_together():
    T = np.repeat([0, 1], 10)
    folds = list(TreatmentStratifiedKFold(2, shuffle=False).split(T, T))
    assert_array_equal(folds[0][1], [0, 1, 2, 3, 4, 10, 11, 12, 13, 14])


def test_draws_hold_the_share_of_each_arm_up_to_one_row():
    splitter = TreatmentStratifiedShuffleSplit(20, test_size=0.3, train_size=0.4, random_state=0)
    for train, test in splitter.split(X, RARE):
        assert len(test) == 60 and len(train) == 80
        assert not np.intersect1d(train, test).size
        assert abs((RARE[test] == "drug").sum() - 4.5) < 1
        assert abs((RARE[train] == "drug").sum() - 6) <= 1


@pytest.mark.parametrize(
    "sizes, n_train, n_test",
    [
        ({}, 180, 20),
        ({"test_size": 30}, 170, 30),
        ({"train_size": 0.5}, 100, 100),
        ({"train_size": 40, "test_size": 50}, 40, 50),
    ],
)
def test_sizes(sizes, n_train, n_test):
    T = np.arange(N) % 2
    for train, test in TreatmentStratifiedShuffleSplit(3, random_state=0, **sizes).split(X, T):
        assert (len(train), len(test)) == (n_train, n_test)


def test_every_row_is_drawn_as_often_as_any_other():
    T = np.arange(40) % 4 == 0
    splitter = TreatmentStratifiedShuffleSplit(2_000, test_size=0.25, random_state=0)
    times = np.zeros(40)
    for _, test in splitter.split(T, T):
        times[test] += 1
    # 500 of 2,000 draws, standard deviation 19
    assert np.abs(times - 500).max() < 80


@both
def test_integer_seeds_repeat_and_generators_go_on(cls):
    splitter = cls(3, random_state=7)
    assert as_lists(splitter.split(X, RARE)) == as_lists(splitter.split(X, RARE))
    assert as_lists(splitter.split(X, RARE)) != as_lists(cls(3, random_state=8).split(X, RARE))
    going_on = cls(3, random_state=np.random.RandomState(0))
    assert as_lists(going_on.split(X, RARE)) != as_lists(going_on.split(X, RARE))


@both
def test_global_generators_are_left_alone(cls):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    list(cls(3, random_state=0).split(X, RARE))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# -- doses, several treatments, outcomes -----------------------------------------------------


@both
def test_doses_are_stratified_by_quantile_bins(cls):
    splits = list(cls(5, random_state=0).split(X, DOSE))
    for q in (0.2, 0.4, 0.6, 0.8):
        assert np.abs(shares(np.quantile(DOSE, q) > DOSE, splits) - q).max() < 0.051
    crude = list(cls(5, n_bins=1, random_state=0).split(X, DOSE))
    assert np.abs(shares(np.quantile(DOSE, 0.2) > DOSE, crude) - 0.2).max() > 0.051


def test_a_heap_of_zeros_is_a_bin_of_its_own():
    dose = np.where(np.arange(N) % 3 > 0, 0.0, np.abs(DOSE))
    splits = TreatmentStratifiedKFold(4, random_state=0).split(X, dose)
    assert np.abs(shares(dose == 0, splits) - np.mean(dose == 0)).max() < 0.021


def test_integers_are_a_dose_only_where_fit_reads_them_so():
    years = np.arange(N) % 20
    with pytest.raises(TargetError, match=r"at most 10 integer levels .* pass treatment_type"):
        TreatmentStratifiedKFold().split(X, years)
    splits = TreatmentStratifiedKFold(treatment_type="dose", random_state=0).split(X, years)
    assert_array_equal(shares(years < 4, splits), [0.2] * 5)
    arms = list(TreatmentStratifiedKFold(treatment_type="discrete").split(X, years))
    assert_array_equal(shares(years == 7, arms), [0.05] * 5)
    categories = pd.Series(years).astype("category")
    assert as_lists(TreatmentStratifiedKFold(random_state=0).split(X, categories)) == as_lists(
        TreatmentStratifiedKFold(treatment_type="discrete", random_state=0).split(X, years)
    )


@both
def test_several_treatments_are_stratified_jointly(cls):
    first = np.arange(N) % 2
    second = np.where(first == 1, np.arange(N) % 10 == 1, np.arange(N) % 4 == 0).astype(float)
    splits = list(cls(4, random_state=0).split(X, np.column_stack([first, second])))
    for a in (0, 1):
        for b in (0, 1):
            cell = (first == a) & (second == b)
            for _, test in splits:
                assert abs(cell[test].sum() - cell.sum() * len(test) / N) <= 1


def test_joint_classes_that_are_too_small_join_a_neighbour():
    first = np.arange(N) % 2
    second = (np.arange(N) < 3).astype(int)  # never 5 rows in either half
    splits = list(TreatmentStratifiedKFold(random_state=0).split(X, np.c_[first, second]))
    assert_array_equal(shares(first == 1, splits), [0.5] * 5)


@both
def test_outcomes_are_stratified_within_arms(cls):
    T = np.arange(N) % 2
    y = np.where((np.arange(N) // 2) % 5 == 0, "dead", "alive")
    targets = pack_targets(T, y)
    splits = list(cls(5, stratify_outcome=True, random_state=0).split(X, targets))
    for arm in (0, 1):
        cell = (T == arm) & (y == "dead")
        assert np.abs([cell[test].sum() - 20 * len(test) / N for _, test in splits]).max() < 1
    loose = list(cls(5, random_state=0).split(X, targets))
    off = [((y == "dead") & (T == 1))[test].sum() - 20 * len(test) / N for _, test in loose]
    assert np.abs(off).max() >= 1


def test_outcomes_that_are_rare_join_within_the_arm():
    y = np.zeros(N)
    y[np.flatnonzero(RARE == "drug")[:2]] = 1
    y[np.flatnonzero(RARE == "ctl")[:2]] = 1
    targets = pack_targets(RARE, y)
    splits = TreatmentStratifiedKFold(stratify_outcome=True, random_state=0).split(X, targets)
    assert_array_equal(shares(RARE == "drug", splits), [0.075] * 5)


def test_outcomes_with_missing_cells():
    T = np.arange(N) % 2
    y = np.column_stack([DOSE, np.where(np.arange(N) // 2 % 4 == 0, np.nan, DOSE)])
    splitter = TreatmentStratifiedKFold(4, n_bins=2, stratify_outcome=True, random_state=0)
    splits = list(splitter.split(X, pack_targets(T, y)))
    assert np.abs(shares(np.isnan(y[:, 1]), splits) - 0.26).max() < 0.06
    assert np.abs(shares(np.median(DOSE) > DOSE, splits) - 0.5).max() < 0.06


# -- clusters --------------------------------------------------------------------------------

HOME = np.arange(N) // 4


@both
@pytest.mark.parametrize("how", ["field", "groups"])
def test_clusters_stay_together(cls, how):
    T = np.arange(N) % 2
    fields = {"cluster": HOME} if how == "field" else {}
    groups = HOME if how == "groups" else None
    splits = list(cls(5, random_state=0).split(X, pack_targets(T, DOSE, **fields), groups))
    assert len(splits) == 5
    for train, test in splits:
        assert not np.intersect1d(HOME[train], HOME[test]).size
        assert len(train) + len(test) == N


@both
def test_clusters_of_one_arm_are_spread(cls):
    T = np.where(HOME % 5 == 0, "drug", "ctl")
    splits = cls(5, random_state=0).split(X, pack_targets(T, DOSE, cluster=HOME))
    assert np.allclose(shares(T == "drug", splits), 0.2)


def test_clusters_are_drawn_by_what_they_are_made_of():
    size = np.where(np.arange(60) % 3 == 0, 8, 2)
    home = np.repeat(np.arange(60), size)
    T = np.arange(len(home)) % 2
    splitter = TreatmentStratifiedShuffleSplit(10, test_size=0.2, random_state=0)
    for train, test in splitter.split(T, pack_targets(T, T * 1.0, cluster=home)):
        assert len(np.unique(home[test])) == 12 and len(np.unique(home[train])) == 48
        assert len(test) == 4 * 8 + 8 * 2


def test_clusters_and_groups_together():
    targets = pack_targets(RARE, DOSE, cluster=HOME)
    with pytest.raises(TargetError, match=r"`groups` must be None when the targets hold .* both"):
        TreatmentStratifiedKFold().split(X, targets, HOME)


def test_too_few_clusters():
    T = np.arange(N) % 2
    targets = pack_targets(T, DOSE, cluster=np.arange(N) // 50)
    with pytest.raises(TargetError, match="at least n_splits=5 different labels, got 4"):
        TreatmentStratifiedKFold().split(X, targets)


def test_too_few_clusters_of_an_arm():
    T = np.where(HOME < 3, "drug", "ctl")
    targets = pack_targets(T, DOSE, cluster=HOME)
    with pytest.raises(
        TargetError, match="at least n_splits=5 clusters in every arm, got 3 in arm 'drug'"
    ):
        TreatmentStratifiedKFold().split(X, targets)
    splits = TreatmentStratifiedShuffleSplit(test_size=0.02, random_state=0).split(X, targets)
    with pytest.raises(TargetError, match=r"no row of arm 'drug' \(12 of 200 rows\) in the test"):
        list(splits)


# -- bad input -------------------------------------------------------------------------------


def test_an_arm_with_too_few_rows():
    T = np.where(np.arange(N) < 4, "drug", "ctl")
    with pytest.raises(
        TargetError, match="at least n_splits=5 rows in every arm, got 4 in arm 'drug'"
    ):
        TreatmentStratifiedKFold().split(X, T)
    assert len(list(TreatmentStratifiedKFold(4).split(X, T))) == 4
    splits = TreatmentStratifiedShuffleSplit(20, test_size=0.1, random_state=0).split(X, T)
    with pytest.raises(TargetError, match=r"no row of arm 'drug' \(4 of 200 .* larger parts"):
        list(splits)


def test_more_folds_than_rows():
    with pytest.raises(TargetError, match="`T` must have at least n_splits=5 rows, got 3"):
        TreatmentStratifiedKFold().split(X[:3], DOSE[:3])


@both
@pytest.mark.parametrize(
    "targets, match",
    [
        (np.where(np.arange(N) == 3, np.nan, 1.5 * DOSE), "`T` must not have missing values"),
        (np.where(np.arange(N) == 3, np.inf, 1.5 * DOSE), "`T` must not contain NaN or infinity"),
        (np.zeros(N), "`T` must have at least 2 levels, got 1"),
        (RARE[:-1], "same number of rows, got `X` 200, `T` 199"),
        (None, r"`T` must have shape .* got None"),
        (np.zeros((N, 2, 2)), "`T` must have shape"),
        (np.zeros(N, dtype=[("a", int)]), "structured array with the fields"),
    ],
)
def test_bad_targets(cls, targets, match):
    with pytest.raises(TargetError, match=match):
        cls().split(X, targets)


@both
def test_bad_outcomes(cls):
    y = np.where(np.arange(N) == 3, np.inf, DOSE)
    with pytest.raises(TargetError, match="`y` must not contain NaN or infinity"):
        cls(stratify_outcome=True).split(X, pack_targets(np.arange(N) % 2, y))
    with pytest.raises(TargetError, match="stratify_outcome=True needs packed targets"):
        cls(stratify_outcome=True).split(X, np.arange(N) % 2)


@both
def test_indexes_and_one_row(cls):
    frame = pd.DataFrame(X, index=np.arange(N)[::-1])
    with pytest.raises(TargetError, match="`X` and `T` must have the same index"):
        cls().split(frame, pd.Series(RARE))
    with pytest.raises(TargetError, match="at least 2 levels"):
        cls().split(X[:1], RARE[:1])


@pytest.mark.parametrize(
    "cls, params, match",
    [
        (TreatmentStratifiedKFold, {"n_splits": 1}, "'n_splits' parameter .* Got 1"),
        (TreatmentStratifiedKFold, {"n_bins": 0}, "'n_bins' parameter .* Got 0"),
        (TreatmentStratifiedKFold, {"shuffle": "no"}, "'shuffle' parameter"),
        (TreatmentStratifiedKFold, {"treatment_type": "arms"}, "'treatment_type' parameter"),
        (TreatmentStratifiedShuffleSplit, {"n_splits": 0}, "'n_splits' parameter .* Got 0"),
        (TreatmentStratifiedShuffleSplit, {"test_size": 1.5}, "'test_size' parameter .* Got 1.5"),
        (TreatmentStratifiedShuffleSplit, {"test_size": 200}, "test_size=200 should be"),
        (
            TreatmentStratifiedShuffleSplit,
            {"test_size": 0.6, "train_size": 0.6},
            "sum of test_size and train_size",
        ),
        (TreatmentStratifiedKFold, {"shuffle": False, "random_state": 0}, "random_state"),
    ],
)
def test_bad_parameters(cls, params, match):
    with pytest.raises(ValueError, match=match):
        list(cls(**params).split(X, RARE))


# -- inside scikit-learn ---------------------------------------------------------------------


@both
def test_parameters_repr_and_copies(cls):
    splitter = cls(4, n_bins=3, random_state=1)
    assert splitter.get_n_splits() == splitter.get_n_splits(X, RARE, HOME) == 4
    assert repr(splitter) == f"{cls.__name__}(n_bins=3, n_splits=4, random_state=1)"
    twin = clone(splitter).set_params(n_splits=2)
    assert twin.n_splits == 2 and splitter.n_splits == 4
    search = clone(GridSearchCV(TARNet(), {}, cv=splitter))
    assert search.get_params()["cv__n_bins"] == 3


@pytest.fixture(scope="module")
def study():
    data, T, y = make_study(n=90, arms=("placebo", "drug"))
    return data, pack_targets(T, y, cluster=np.arange(90) // 2)


@both
def test_grid_search_on_two_workers(study, cls):
    data, targets = study
    splitter = cls(2, random_state=0)
    grid = {"lr": [1e-3, 1e-2], "n_folds": [1]}
    one, two = (
        GridSearchCV(tiny(TARNet), grid, cv=splitter, n_jobs=n, error_score="raise")
        .fit(data, targets)
        .cv_results_
        for n in (1, 2)
    )
    for k, (train, test) in enumerate(splitter.split(data, targets)):
        by_hand = tiny(TARNet, lr=1e-2, n_folds=1).fit(data[train], targets[train])
        found = one[f"split{k}_test_score"]
        assert by_hand.score(data[test], targets[test]) == found[1]
        assert_array_equal(found, two[f"split{k}_test_score"])


def test_halving_search(study):
    data, targets = study
    search = HalvingGridSearchCV(
        tiny(TARNet, n_folds=1),
        {"lr": [1e-3, 1e-2]},
        resource="max_epochs",
        max_resources=2,
        min_resources=1,
        factor=2,
        cv=TreatmentStratifiedKFold(2, random_state=0),
        error_score="raise",
        random_state=0,
    ).fit(data, targets)
    assert search.n_iterations_ == 2


def test_cross_validation(study):
    data, targets = study
    net, folds = tiny(TARNet, n_folds=1), TreatmentStratifiedKFold(2, random_state=0)
    found = cross_validate(net, data, targets, cv=folds, return_indices=True, n_jobs=2)
    for test, (_, expected) in zip(
        found["indices"]["test"], folds.split(data, targets), strict=True
    ):
        assert_array_equal(test, expected)
    assert np.isfinite(found["test_score"]).all()
    effect = cross_val_predict(net, data, targets, cv=folds)
    train, test = next(folds.split(data, targets))
    assert_array_equal(effect[test], net.fit(data[train], targets[train]).effect(data[test]))


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_the_splitter(study, routing):
    data, targets = study
    alone = pack_targets(targets["T"], targets["y"])
    folds = TreatmentStratifiedKFold(2, random_state=0)
    given = {"params": {"groups": HOME[:90]}} if routing else {"groups": HOME[:90]}
    with config_context(enable_metadata_routing=routing):
        net = tiny(TARNet, n_folds=1)
        found = cross_validate(net, data, alone, cv=folds, return_indices=True, **given)
        plain = cross_validate(net, data, targets, cv=folds, error_score="raise")
    for parts in zip(*found["indices"].values(), strict=True):
        assert not np.intersect1d(*(HOME[part] for part in parts)).size
    assert np.isfinite(plain["test_score"]).all()
