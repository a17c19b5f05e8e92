"""Refuters of packed targets, pipelines and searches, fitted or not."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _small_data import N, T, X, Y, tiny
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.model_selection import make_effect_pipeline
from sklcausal.sensitivity import placebo_outcome_test, placebo_treatment_test

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

HOUSE = np.arange(N) // 5
ONE = {"batch_size": [64]}


def _simulated(estimator, **given):
    found = placebo_outcome_test(estimator, X, T, y=Y, n_simulations=2, random_state=0, **given)
    return found.estimates


def test_packed_targets():
    targets = pack_targets(T, Y, cluster=HOUSE)
    plain = placebo_treatment_test(
        tiny(), X, T, Y, n_permutations=1, cluster=HOUSE, random_state=0
    )
    for packed in ((targets,), (None, targets)):
        found = placebo_treatment_test(tiny(), X, *packed, n_permutations=1, random_state=0)
        np.testing.assert_array_equal(found.estimates, plain.estimates)
    with pytest.raises(TargetError, match="`cluster` must be packed or passed, got both"):
        placebo_treatment_test(tiny(), X, targets, cluster=HOUSE)


def test_pipelines_and_searches_with_weights():
    targets = pack_targets(T, Y, cluster=HOUSE)
    pipe = make_pipeline(StandardScaler(), tiny())
    for estimator in (
        pipe,
        make_pipeline(StandardScaler(), make_pipeline(MinMaxScaler(), tiny())),
        GridSearchCV(tiny(), ONE, cv=2),
        GridSearchCV(pipe, {"tarnet__batch_size": [64]}, cv=2),
    ):
        weighted, unweighted = (
            placebo_treatment_test(
                estimator, X, targets, n_permutations=1, random_state=0, sample_weight=weight
            )
            for weight in (np.ones(N), None)
        )
        np.testing.assert_allclose(weighted.estimates, unweighted.estimates, rtol=1e-3)


def test_simulated_outcomes_of_searches_and_short_pipelines():
    expected = _simulated(tiny())
    pipe = Pipeline([("net", tiny())])
    for estimator in (pipe, GridSearchCV(tiny(), ONE, cv=2).fit(X, pack_targets(T, Y))):
        np.testing.assert_array_equal(_simulated(estimator), expected)
    # its own seed is drawn too, in the order of names
    assert np.isfinite(_simulated(GridSearchCV(tiny(), ONE, cv=2))).all()


@pytest.mark.parametrize("make", [make_pipeline, make_effect_pipeline])
def test_simulated_outcomes_go_through_every_transformer(make):
    shrunk = MinMaxScaler(feature_range=(0, 5))
    flat = make_pipeline(StandardScaler(), shrunk, tiny())
    expected = _simulated(flat)
    nested = make(StandardScaler(), make(shrunk, tiny()))
    np.testing.assert_array_equal(_simulated(nested), expected)
    search = GridSearchCV(make_pipeline(shrunk, tiny()), {"tarnet__batch_size": [64]}, cv=2)
    if make is make_pipeline:
        inner = make(StandardScaler(), search).fit(X, pack_targets(T, Y))
        found = _simulated(inner)
        assert np.isfinite(found).all()
