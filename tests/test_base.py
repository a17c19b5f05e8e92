"""A method that needs no network stands on the base class alone."""

# SPDX-License-Identifier: BSD-3-Clause

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklcausal import pack_targets
from sklcausal.base import BaseEffectEstimator
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import TargetError


@dataclass(kw_only=True, eq=False, repr=False)
class _MeanDifference(BaseEffectEstimator):
    """Estimate the same effect for everybody: the difference in means."""

    shrink: float = 0.0

    _parameter_constraints = {**BaseEffectEstimator._parameter_constraints, "shrink": [float]}

    def _fit(self, data):
        arms = [data.y[data.t == a] for a in range(data.treatments.n_arms)]
        self.arms_ = np.stack([a.mean(axis=0) for a in arms]) * (1 - self.shrink)

    def _means(self, X, t):
        return self.arms_[np.broadcast_to(t, (len(X), t.shape[1]))]

    def _interval(self, X, contrast, alpha, simultaneous):
        raise NotImplementedError

    def _average(self, X, contrast, population, trim, by):
        raise NotImplementedError

    def score(self, X, T=None, y=None, *, sample_weight=None):
        return 0.0


@pytest.fixture(scope="module")
def data():
    return make_confounded(120, n_arms=3, random_state=0)


def test_base_class_stands_alone(data):
    est = _MeanDifference().fit(data.X, data.T, data.y)
    means = [data.y[data.T == a].mean() for a in range(3)]
    np.testing.assert_allclose(est.effect(data.X[:2], T0=1, T1=2), [means[2] - means[1]] * 2)
    assert est.effect(data.X).shape == (120, 2)
    np.testing.assert_allclose(est.potential_outcomes(data.X)[0], means)
    assert list(est.effect_names_out_) == ["1 vs 0", "2 vs 0"]


def test_parameters_are_fields(data):
    est = _MeanDifference(shrink=0.5, control=1)
    assert est.get_params()["control"] == 1
    assert clone(est).shrink == 0.5
    assert _MeanDifference() != _MeanDifference()  # as every estimator, equal only to itself
    assert cross_val_score(est, data.X, pack_targets(data.T, data.y), cv=3).tolist() == [0] * 3


def test_kinds_of_treatment_that_a_method_does_not_take(data):
    with pytest.raises(TargetError, match=r"`T` must hold arms for _MeanDifference, but was read"):
        _MeanDifference().fit(data.X, data.X[:, 0], data.y)


def test_unknown_packed_fields_are_refused(data):
    targets = pack_targets(data.T, data.y, clusters=data.T)
    message = r"may hold \['propensity', 'cluster'\] for _MeanDifference, got \['clusters'\] too"
    with pytest.raises(TargetError, match=message):
        _MeanDifference().fit(data.X, targets)
