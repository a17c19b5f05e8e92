"""Optuna's search as a client from outside: packed targets, splitter and scorer unmodified."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sklcausal import pack_targets
from sklcausal.metrics import add_nuisances, make_effect_scorer
from sklcausal.model_selection import TreatmentStratifiedKFold

pytest.importorskip("optuna_integration", reason="needs optuna-integration")

# Optuna announces changes of its own.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore::optuna.exceptions.ExperimentalWarning",
)


class Guess(BaseEstimator):
    """Predict ``slope * x`` for everybody, whatever the data."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, T, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.slope * X[:, 0]


def test_optuna_finds_the_slope_of_the_effect():
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna_integration.sklearn import OptunaSearchCV

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(400, 2)), rng.integers(0, 2, 400)
    y = 2 * X[:, 0] * T + rng.normal(size=400)
    targets = add_nuisances(X, pack_targets(T, y), cv=2)
    search = OptunaSearchCV(
        Guess(),
        {"slope": FloatDistribution(-5, 5)},
        cv=TreatmentStratifiedKFold(2, random_state=0),
        scoring=make_effect_scorer("dr"),
        n_trials=25,
        random_state=0,
        error_score="raise",
    )
    search.fit(X, targets)
    assert abs(search.best_params_["slope"] - 2) < 0.7
    assert search.predict(X).shape == (400,)
