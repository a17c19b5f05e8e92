"""Averages in groups of people: against longhand formulas, and labels that are refused."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.representation import TARNet

SMALL = {
    "representation_widths": (16,),
    "head_widths": (16,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 15,
    "n_folds": 3,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data():
    return make_confounded(600, n_arms=3, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return TARNet(**SMALL).fit(data.X, data.T, data.y)


@pytest.fixture(scope="module")
def band(data):
    return np.where(data.X[:, 0] > 0.5, "old", np.where(data.X[:, 0] < -0.5, "young", "middle"))


def psi_of(est):
    psi = est.engine_.cells().psi
    return psi[:, 1:] - psi[:, :1]


def test_group_averages_are_means_of_influence_values(fitted, band):
    result = fitted.estimate(by=band)
    psi = psi_of(fitted)
    groups = [psi[band == label] for label in ("middle", "old", "young")]
    np.testing.assert_allclose(result.estimate, np.concatenate([g.mean(axis=0) for g in groups]))
    errors = [g.std(axis=0, ddof=1) / np.sqrt(len(g)) for g in groups]
    np.testing.assert_allclose(result.std_error, np.concatenate(errors))
    assert result.names[:3] == ["middle, 1 vs 0", "middle, 2 vs 0", "old, 1 vs 0"]
    assert result.covariance[0, 2] == 0  # of different people
    own = np.cov(groups[0].T) / len(groups[0])
    np.testing.assert_allclose(result.covariance[:2, :2], own)


def test_shapes_have_groups_in_front(fitted, band):
    assert fitted.ate(by=band).shape == (3, 2)
    assert fitted.ate(by=band, T0=1, T1=2).shape == (3,)
    assert fitted.estimate(by=pd.Series(band, name="age")).names[0] == "age=middle, 1 vs 0"
    low, high = fitted.ate_interval(by=pd.Series(band))
    assert (low < fitted.ate(by=band)).all()
    assert (fitted.ate(by=band) < high).all()
    frame = fitted.estimate(by=band).to_frame()
    assert list(frame["target"])[2] == "old, 1 vs 0"
    assert {"estimate", "std_error", "z", "p", "low", "high"} <= set(frame.columns)


def test_groups_weighted_by_size_give_the_whole(fitted, band):
    share = np.array([np.mean(band == label) for label in ("middle", "old", "young")])
    np.testing.assert_allclose(share @ fitted.ate(by=band), fitted.ate())


def test_treated_and_trimmed_groups(fitted, data, band):
    whole = fitted.ate(population="treated", T0=0, T1=1)
    treated = [np.mean((band == g) & (data.T == 1)) for g in ("middle", "old", "young")]
    parts = fitted.ate(population="treated", T0=0, T1=1, by=band)
    assert np.average(parts, weights=treated) == pytest.approx(whole)
    keep = (fitted.propensity_ >= 0.1).all(axis=1) & (band == "old")
    expected = psi_of(fitted)[keep].mean(axis=0)
    np.testing.assert_allclose(fitted.ate(trim=(0.1, 1), by=band)[1], expected)


def test_clusters_join_groups(data, band):
    household = np.arange(600) // 3
    est = TARNet(**SMALL).fit(data.X, data.T, data.y, cluster=household)
    result = est.estimate(by=band, T0=0, T1=1)
    psi = psi_of(est)[:, 0]
    sums = np.zeros((200, 3))
    for g, label in enumerate(("middle", "old", "young")):
        own = band == label
        np.add.at(sums[:, g], household[own], (psi[own] - psi[own].mean()) / own.sum())
    n = [len(np.unique(household[band == g])) for g in ("middle", "old", "young")]
    sums *= np.sqrt(np.array(n) / (np.array(n) - 1))
    np.testing.assert_allclose(result.covariance, sums.T @ sums, rtol=1e-9)
    assert result.covariance[0, 1] != 0


def test_groups_of_new_rows_average_their_effects(fitted, data, band):
    X, labels = data.X[:90], band[:90]
    result = fitted.estimate(X=X, by=labels)
    effect = fitted.effect(X)
    means = [effect[labels == g].mean(axis=0) for g in ("middle", "old", "young")]
    np.testing.assert_allclose(result.estimate, np.concatenate(means))
    alone = fitted.estimate(X=X[labels == "old"])
    np.testing.assert_allclose(result.std_error[2:4], alone.std_error)
    # contrasts of other arms are projected apart, so their covariance is not known
    known = ~np.isnan(result.covariance)
    assert known[0, 2]
    assert not known[0, 1]
    np.testing.assert_array_equal(result.covariance, result.covariance.T)


def test_outcomes_that_move_together_have_a_covariance(data):
    y = np.c_[data.y, 2 * data.y]
    est = TARNet(**SMALL).fit(data.X, data.T, y)
    result = est.estimate(X=data.X[:60], T0=0, T1=1)
    # the second outcome is twice the first, predicted by weights of its own
    correlation = result.covariance[0, 1] / np.prod(result.std_error)
    assert 0.85 < correlation < 1


@pytest.mark.parametrize("make", ["treatment", "outcome", "both", "treatment and covariate"])
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_made_from_treatment_or_outcome_are_refused(make, seed):
    data = make_confounded(600, random_state=seed)
    est = TARNet(**SMALL).fit(data.X, data.T, data.y)
    by = {
        "treatment": np.where(data.T == 1, "taker", "other"),
        "outcome": data.y > np.median(data.y),
        "treatment and covariate": 10 * data.T + (data.X[:, 0] > 0),
        "both": np.where(data.T == 1, np.where(data.y > 1, "up", "down"), "other"),
    }[make]
    with pytest.raises(TargetError, match=r"`by` must be a function of covariates .* follow from"):
        est.ate(by=by)


@pytest.mark.parametrize("seed", range(4))
def test_labels_made_from_covariates_are_not(seed):
    data = make_confounded(600, random_state=seed)
    est = TARNet(**SMALL).fit(data.X, data.T, data.y)
    for column in range(5):
        edges = np.quantile(data.X[:, column], [0.1, 0.3, 0.7])
        assert est.ate(by=np.digitize(data.X[:, column], edges)).shape == (4,)


def test_labels_of_a_covariate_that_moves_the_outcome_far_are_not():
    rng = np.random.default_rng(0)
    X, T, site = rng.normal(size=(600, 2)), rng.integers(0, 2, 600), rng.integers(0, 3, 600)
    y = 10.0 * site + T + rng.normal(size=600)
    est = TARNet(**{**SMALL, "max_epochs": 60}).fit(np.c_[X, site], T, y)
    assert est.ate(by=site).shape == (3,)


def test_few_rows_are_not_enough_to_suspect_a_label(fitted):
    rare = np.arange(600) < 3
    assert fitted.ate(by=rare).shape == (2, 2)


def test_labels_made_from_a_dose_are_refused():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    dose = X[:, 0] + rng.normal(size=500)
    est = TARNet(**SMALL).fit(X, dose, X[:, 1] + dose + rng.normal(size=500))
    assert est.ate(by=X[:, 0] > 0).shape == (2,)
    with pytest.raises(TargetError, match=r"got labels \[False, True\] that follow from `T` and"):
        est.ate(by=dose > 0)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (np.zeros(5), r"`by` must hold one label for each of the 600 rows, got shape \(5,\)"),
        (np.zeros((600, 2)), r"one label for each of the 600 rows, got shape \(600, 2\)"),
        ([None, *["a"] * 599], "`by` must not have missing values, got 1"),
        (["b", *["a"] * 599], "`by` must have at least 2 rows in every group, got 1 in group 'b'"),
    ],
)
def test_labels_that_cannot_be_used(fitted, by, message):
    with pytest.raises(TargetError, match=message):
        fitted.ate_interval(by=by)


def test_groups_need_folds(data, band):
    est = TARNet(**{**SMALL, "n_folds": 1}).fit(data.X, data.T, data.y)
    with pytest.raises(IntervalNotAvailableError, match="n_folds=1; fit with n_folds=5"):
        est.ate(by=band)


def test_nobody_left_in_a_group_is_said(fitted, data):
    by = np.where(fitted.propensity_.min(axis=1) < 0.1, "rare", "open")
    with pytest.raises(ValueError, match=r"`trim` must leave at least 2 rows in group 'rare'"):
        fitted.ate(trim=(0.1, 1), by=by)
    few = np.where(np.arange(600) == np.flatnonzero(data.T == 0)[0], "few", "many")
    few[np.flatnonzero(data.T == 0)[1]] = "few"
    with pytest.raises(ValueError, match=r"got none in arm 1 in group 'few'"):
        fitted.ate(population="treated", by=few)
