"""What metrics and nuisances are given: propensities, text, labels of outcomes, folds."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.metrics import (
    add_nuisances,
    calibration_slope,
    cross_fit_nuisances,
    doubly_robust_scores,
    gates,
    make_effect_scorer,
    policy_value,
)
from sklcausal.representation import TARNet


@pytest.fixture(scope="module")
def study():
    X, T, y = make_study(n=200)
    return X, np.array(["drug", "placebo"])[T], y


def test_a_single_column_of_propensities_with_another_control(study):
    X, T, y = study
    p = np.full(200, 0.3)
    message = r"single column is the probability of 'placebo'.*is the control here; give a column"
    with pytest.raises(TargetError, match=message):
        policy_value(T, y, "drug", propensity=p, control="placebo")
    with pytest.raises(TargetError, match=message):
        tiny(TARNet, control="placebo").fit(X, T, y, propensity=p)
    both = policy_value(T, y, "drug", propensity=np.c_[1 - p, p], control="placebo")
    assert_allclose(both.estimate[0], policy_value(T, y, "drug", propensity=p).estimate[0])
    tiny(TARNet, control="placebo").fit(X, T, y, propensity=np.full(200, 0.5))  # no matter whose


def test_one_number_is_the_propensity_of_a_trial(study):
    X, T, y = study
    one, many = (
        doubly_robust_scores(T, y, propensity=p, outcome_mean=np.zeros((200, 2)))
        for p in (0.3, np.full(200, 0.3))
    )
    assert_allclose(one, many)
    est = tiny(TARNet).fit(X, T, y, propensity=0.3)
    assert_allclose(est.propensity_[0], [0.7, 0.3])


def test_arms_are_no_propensities(study):
    _, T, y = study
    with pytest.raises(ValueError, match="`propensity` must hold probabilities, got the arms"):
        doubly_robust_scores(T, y, propensity=(T == "placebo").astype(float))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, None])
def test_columns_of_text_are_categories(study, frame):
    X, T, y = study
    city = np.where(X[:, 1] > 0.5, "north", np.where(X[:, 1] > 0, "south", "east"))
    given = {"a": X[:, 0], "city": city}
    rows = np.array([X[:, 0], city], dtype=object).T if frame is None else frame(given)
    found = cross_fit_nuisances(rows, T, y)
    plain = cross_fit_nuisances(X[:, [0]], T, y)
    left = [np.mean((y - own.outcome_mean[np.arange(200), (T == "placebo") * 1]) ** 2)
            for own in (found, plain)]  # fmt: skip
    assert left[0] < 0.95 * left[1]


def test_searches_over_pipelines_of_text_score_without_packed_nuisances(study):
    X, T, y = study
    frame = pd.DataFrame(X, columns=list("abc")).assign(city=np.where(X[:, 1] > 0, "n", "s"))
    encode = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    pipe = make_pipeline(encode, tiny(TARNet, n_folds=1, max_epochs=10))
    grid = {"tarnet__lr": [1e-7, 1e-2]}
    search = GridSearchCV(pipe, grid, cv=2, scoring=make_effect_scorer("dr"), error_score="raise")
    search.fit(frame, pack_targets(T, y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert add_nuisances(frame, pack_targets(T, y), cv=2)["nuisance_propensity"].shape == (200, 2)


def test_two_labels_of_outcomes_are_numbers_everywhere(study):
    _, T, y = study
    labels = np.where(y > 0, "yes", "no")
    found = gates(T, labels, y, n_groups=2)
    assert_allclose(found.estimate, gates(T, (y > 0).astype(float), y, n_groups=2).estimate)


def test_folds_with_few_rows_name_the_remedy(study):
    X, T, y = study
    est = tiny(TARNet).fit(X, T, y)
    rows = np.append(np.flatnonzero(T == "drug")[:3], np.flatnonzero(T == "placebo")[:20])
    with pytest.raises(TargetError, match=r"got 3 of 'drug'; the scorer fits.*add_nuisances"):
        make_effect_scorer("dr")(est, X[rows], pack_targets(T[rows], y[rows]))


def test_slopes_models_and_shapes_that_cannot_be_used(study):
    X, T, y = study
    with pytest.raises(ValueError, match="a slope needs at least 3 rows or clusters, got 2"):
        calibration_slope(["drug", "placebo"], [1.0, 2.0], [0.0, 1.0])
    with pytest.raises(TypeError, match=r"`sample_weight` needs models.*got KNeighborsClassifier"):
        cross_fit_nuisances(
            X, T, y, propensity_model=KNeighborsClassifier(), sample_weight=np.ones(200)
        )
    with pytest.raises(ValueError, match=r"`X` must have shape \(n_samples, n_features\), got"):
        cross_fit_nuisances(X[:, 0], T, y)
