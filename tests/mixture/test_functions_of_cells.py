"""Averages of functions of the mean outcomes of all cells."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from _mixtures import TINY
from scipy.special import expit

from sklcausal.datasets import make_multi_treatment_outcome
from sklcausal.exceptions import TargetError
from sklcausal.mixture import MOTTO
from sklcausal.representation import TARNet


@pytest.fixture(scope="module")
def data():
    return make_multi_treatment_outcome(300, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return MOTTO(**TINY).fit(data.X, data.T, data.y)


def test_profit_is_a_function_of_cells(fitted, data):
    profit = fitted.estimate(lambda mean: 3 * mean[1, 0] - mean[2, 1], of="means")
    cells = fitted.engine_.cells()
    psi = cells.psi.reshape(300, 3, 2)
    values = 3 * psi[:, 1, 0] - psi[:, 2, 1]
    assert profit.estimate[0] == pytest.approx(values.mean(), rel=1e-9)
    assert profit.std_error[0] == pytest.approx(values.std(ddof=1) / np.sqrt(300), rel=1e-6)
    # what is not linear follows the chain rule
    product = fitted.estimate({"product": lambda mean: mean[0, 0] * mean[1, 1]}, of="means")
    value = cells.value.reshape(300, 3, 2)
    move = psi - value
    wanted = value[:, 0, 0] * value[:, 1, 1]
    wanted = wanted + move[:, 0, 0] * value[:, 1, 1] + move[:, 1, 1] * value[:, 0, 0]
    assert product.estimate[0] == pytest.approx(wanted.mean(), rel=1e-9)
    effect = fitted.estimate(lambda mean: mean[1, 1] - mean[0, 1], of="means")
    assert effect.estimate[0] == pytest.approx(fitted.ate()[0, 1], rel=1e-9)
    assert effect.std_error[0] == pytest.approx(fitted.estimate().std_error[1], rel=1e-9)


def test_functions_of_cells_know_links():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    y = np.column_stack([rng.random(300) < expit(X[:, 0] + T), rng.random(300) < 0.5]) * 1.0
    est = MOTTO(**TINY).fit(X, T, y)
    found = est.estimate(lambda mean: 60 * (mean[1, 1] - mean[0, 1]), of="means")
    assert found.estimate[0] == pytest.approx(60 * est.ate()[0, 1], rel=1e-9)
    one = TARNet(n_folds=2, max_epochs=2, random_state=0).fit(X, T, y[:, 0])
    found = one.estimate(lambda mean: mean[1] - mean[0], of="means")
    assert found.estimate[0] == pytest.approx(one.ate(), rel=1e-9)


def test_wrong_functions_of_cells_are_refused(fitted, data):
    with pytest.raises(ValueError, match=r"`of` must be 'parameters' or 'means', got 'cells'"):
        fitted.estimate(lambda mean: mean[0, 0], of="cells")
    with pytest.raises(ValueError, match="`of` goes with a `target`"):
        fitted.estimate(of="means")
    dose = TARNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.X[:, 0], data.y)
    with pytest.raises(TargetError, match="`of='means'` needs arms, but `T` was read as dose"):
        dose.estimate(lambda mean: mean[0], of="means")
