"""What calibration within the arms leaves in the residuals."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.representation import TARNet

# networks that learn nothing, so that all comes from the calibration
BLIND = {
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "lr": 1e-9,
    "max_epochs": 1,
    "n_folds": 2,
    "random_state": 0,
}


@pytest.mark.parametrize("outcome", ["continuous", "binary", "count"])
def test_residuals_lose_their_trend_in_every_arm(outcome):
    data = make_confounded(1500, outcome=outcome, random_state=0)
    est = TARNet(**BLIND, outcome=outcome).fit(data.X, data.T, data.y)
    value = est.engine_.cells().value
    for arm in (0, 1):
        own = data.T == arm
        left = data.y[own] - value[own, arm]
        before = data.y[own] - data.y[own].mean()
        assert abs(left.mean()) < 0.02 * before.std()
        for column in range(3):
            trend = abs(np.corrcoef(left, data.X[own, column])[0, 1])
            assert trend < 0.05
        assert left.std() < 0.97 * before.std()


def test_calibration_equals_longhand_least_squares():
    data = make_confounded(1500, random_state=1)
    est = TARNet(**BLIND).fit(data.X, data.T, data.y)
    value = est.engine_.cells().value
    residual = data.y - value[np.arange(1500), data.T]
    # nothing linear in x can be gained any more
    for arm in (0, 1):
        own = data.T == arm
        Z = np.column_stack([np.ones(own.sum()), data.X[own]])
        coef = np.linalg.lstsq(Z, residual[own], rcond=None)[0]
        np.testing.assert_allclose(coef, 0, atol=0.02)


def test_constant_networks_and_wrong_propensities_are_made_up_for():
    errors = []
    for seed in range(4):
        data = make_confounded(2000, random_state=seed)
        est = TARNet(**BLIND).fit(data.X, data.T, data.y, propensity=np.full(2000, 0.5))
        naive = data.y[data.T == 1].mean() - data.y[data.T == 0].mean()
        errors.append((est.ate() - data.ate[0]) / (naive - data.ate[0]))
    assert np.abs(errors).mean() < 0.15


def test_small_arms_are_left_alone():
    data = make_confounded(150, random_state=0)
    est = TARNet(**BLIND).fit(data.X, data.T, data.y)
    value = est.engine_.cells().value
    means = [abs((data.y - value[:, a])[data.T == a].mean()) for a in (0, 1)]
    assert max(means) > 0.1  # as the networks that learn nothing left them
