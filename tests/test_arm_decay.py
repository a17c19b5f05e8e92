"""Decay of how far weights of arms lie apart."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _mixtures import TINY
from sklearn.linear_model import LinearRegression

from sklcausal.datasets import make_multi_treatment_outcome
from sklcausal.hyper import HyperTARNet
from sklcausal.meta import DRLearner, SLearner, TLearner
from sklcausal.mixture import MOTTO, MMoE
from sklcausal.nn._state import weights_by_arm
from sklcausal.representation import FlexTENet, SNet, TARNet
from sklcausal.structural import StructuralNet


@pytest.fixture(scope="module")
def data():
    return make_multi_treatment_outcome(300, random_state=0)


@pytest.mark.parametrize("cls", [MOTTO, MMoE, TARNet, TLearner, SLearner, SNet, FlexTENet])
def test_decay_between_arms_keeps_their_weights_together(cls, data):
    names = cls.__dataclass_fields__
    small = {k: v for k, v in TINY.items() if k in names} | {"max_epochs": 20, "n_folds": 1}
    small |= {name: (8,) for name in names if name.endswith("widths")}
    apart, size = [], []
    for decay in (0.0, 300.0):
        est = cls(**small, arm_weight_decay=decay).fit(data.X, data.T, data.y)
        own = weights_by_arm(est.theta_net_.ensemble.module)
        assert own
        apart.append(np.mean([float(w.std(dim=1).mean()) for w in own]))
        size.append(np.mean([float(w.mean(dim=1).abs().mean()) for w in own]))
    assert apart[1] < 0.2 * apart[0]
    assert size[1] > 0.5 * size[0]  # what arms have in common does not decay with it


def test_decay_between_arms_needs_weights_of_arms(data):
    with pytest.raises(ValueError, match="`arm_weight_decay` must be 0 for HyperTARNet"):
        HyperTARNet(arm_weight_decay=1.0).fit(data.X, data.T, data.y)
    match = r"`arm_weight_decay` must be 0 where .* got 1.0 and 2 heads for 0 arms"
    with pytest.raises(ValueError, match=match):
        TARNet(arm_weight_decay=1.0).fit(data.X, data.X[:, 0], data.y[:, 0])
    own = StructuralNet(
        model=lambda y, t, theta: (y[0] - theta[t]) ** 2, n_params=3, arm_weight_decay=1.0
    )
    with pytest.raises(ValueError, match="`arm_weight_decay` must be 0 where the networks' heads"):
        own.fit(data.X, data.T, data.y[:, [0]])
    models = DRLearner(outcome_model=LinearRegression(), arm_weight_decay=1.0)
    with pytest.raises(ValueError, match="`arm_weight_decay` must be 0 where `outcome_model`"):
        models.fit(data.X, data.T, data.y[:, 0])
