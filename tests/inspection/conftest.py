"""Fitted estimators and a backend without windows for the tests of the displays."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.representation import TARNet

CHEAP = {"max_epochs": 2, "n_folds": 2, "numeric_encoding": None, "weight_decay": 1.0}


@pytest.fixture(autouse=True)
def pyplot():
    """Draw into memory, and close all figures after each test."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    yield plt
    plt.close("all")


@pytest.fixture(scope="module")
def two_arms():
    """Fit two arms; the control is the second label."""
    data = make_confounded(160, random_state=0)
    T = np.where(data.T == 1, "drug", "placebo")
    est = TARNet(control="placebo", random_state=0, **CHEAP).fit(data.X, T, data.y)
    return est, data.X, T, data.y


@pytest.fixture(scope="module")
def five_arms():
    """Fit five arms and two outcomes."""
    data = make_confounded(300, n_arms=5, random_state=0)
    y = np.column_stack([data.y, 10 * data.y])
    return TARNet(random_state=0, **CHEAP).fit(data.X, data.T, y), data.X, data.T
