"""Every learner takes several arms and several outcomes of mixed kinds, with gaps."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone

from sklcausal.datasets import make_confounded
from sklcausal.meta import DRLearner, SLearner, TLearner
from sklcausal.mixture import MOTTO, MMoE
from sklcausal.representation import CFRNet, DragonNet, SNet, TARNet

KINDS = ["binary", "continuous", "count"]
LEARNERS = [
    SLearner(),
    TLearner(),
    TARNet(),
    CFRNet(ipm="mmd"),
    CFRNet(ipm="wasserstein"),
    DragonNet(targeted_weight=0.1),
    SNet(),
    DRLearner(),
    MMoE(),
    MOTTO(),
]


@pytest.fixture(scope="module")
def grid():
    data = make_confounded(400, n_arms=3, overlap="strong", random_state=0)
    rng = np.random.default_rng(0)
    mean = data.mu[np.arange(400), data.T]
    y = np.column_stack(
        [
            rng.random(400) < expit(mean / 2),
            mean + rng.normal(size=400),
            rng.poisson(np.exp(mean / 4)),
        ]
    )
    y[rng.random(y.shape) < 0.1] = np.nan
    return data.X, np.array(["a", "b", "c"])[data.T], y


@pytest.mark.parametrize("learner", LEARNERS, ids=str)
def test_grid_of_mixed_kinds_with_gaps(learner, grid):
    X, T, y = grid
    est = clone(learner).set_params(outcome=KINDS, n_folds=2, max_epochs=20)
    est.set_params(numeric_encoding=None, weight_decay=1.0, random_state=0).fit(X, T, y)
    effect = est.effect(X)
    assert effect.shape == (400, 2, 3)
    for bound in est.effect_interval(X):
        assert bound.shape == effect.shape
        assert np.isfinite(bound).all()
    assert (np.abs(effect[..., 0]) <= 1).all()  # of chances, whatever a network for effects says
    means = est.potential_outcomes(X)
    assert means.shape == (400, 3, 3)
    # outcomes that were observed are predicted better than by a constant
    own = means[np.arange(400), np.searchsorted(est.treatments_, T)]
    error, spread = np.nanmean((y - own) ** 2, axis=0), np.nanvar(y, axis=0)
    assert (error < spread).all()
    result = est.estimate()
    assert len(result.estimate) == 6
    assert np.isfinite(result.covariance).all()
    assert np.linalg.eigvalsh(result.covariance).min() > -1e-12
    assert result.names[1] == "b vs a: y1"
    assert np.isfinite(est.score(X, T, y))
