"""Outcomes that are observed for some people only."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from scipy.special import expit

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded
from sklcausal.meta import SLearner
from sklcausal.representation import TARNet

FAST = {
    "representation_widths": (20,),
    "head_widths": (20,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 40,
    "n_folds": 3,
    "random_state": 0,
}


def hide(data, seed):
    """Add a second outcome that is seen the more often the larger x0 and the smaller T are."""
    rng = np.random.default_rng(seed)
    other = data.mu[np.arange(len(data.T)), data.T] + rng.normal(size=len(data.T))
    chance = expit(0.5 + 1.5 * data.X[:, 0] - data.T)
    return np.c_[data.y, np.where(rng.random(len(other)) < chance, other, np.nan)], chance


@pytest.fixture(scope="module")
def data():
    return make_confounded(600, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    y, _ = hide(data, 0)
    return TARNet(**FAST).fit(data.X, data.T, y), y


def test_influence_values_weigh_what_is_observed(fitted, data):
    est, y = fitted
    signals = est.engine_.cells()
    value = signals.value.reshape(600, 2, 2)
    psi = signals.psi.reshape(600, 2, 2)
    missing = np.isnan(y[:, 1])
    np.testing.assert_allclose(psi[missing][:, :, 1], value[missing][:, :, 1])
    # of whom is observed, the residual is divided by the chance of that, too
    seen = np.flatnonzero(~missing)
    arm = data.T[seen]
    residual = y[seen, 1] - value[seen, arm, 1]
    weight = (psi[seen, arm, 1] - value[seen, arm, 1]) / residual
    chance = 1 / weight / est.propensity_[seen, arm]
    assert ((chance > 0) & (chance <= 1 + 1e-9)).all()
    assert np.corrcoef(chance, expit(0.5 + 1.5 * data.X[seen, 0] - arm))[0, 1] > 0.9
    full = (psi[np.arange(600), data.T, 0] - value[np.arange(600), data.T, 0]) / (
        y[:, 0] - value[np.arange(600), data.T, 0]
    )
    np.testing.assert_allclose(full * est.propensity_[np.arange(600), data.T], 1, rtol=0.05)


def test_average_is_right_where_complete_cases_are_not():
    errors, complete = [], []
    for seed in range(4):
        data = make_confounded(1500, random_state=seed)
        y, _ = hide(data, seed)
        result = TARNet(**FAST).fit(data.X, data.T, y).estimate()
        errors.append((result.estimate[1] - data.ate[0]) / result.std_error[1])
        seen = ~np.isnan(y[:, 1])
        alone = TARNet(**FAST).fit(data.X[seen], data.T[seen], y[seen, 1]).estimate()
        complete.append((alone.estimate[0] - data.ate[0]) / alone.std_error[0])
    assert abs(np.mean(errors)) < 3 / np.sqrt(4)
    assert abs(np.mean(complete)) > 2


def test_everything_works_with_missing_cells(fitted, data):
    est, y = fitted
    low, high = est.effect_interval(data.X)
    assert low.shape == (600, 1, 2)
    assert np.isfinite(low).all() and np.isfinite(high).all()
    for population in ("all", "treated", "overlap"):
        assert np.isfinite(est.estimate(population=population).std_error).all()
    assert est.ate(by=data.X[:, 0] > 0).shape == (2, 1, 2)
    assert np.isfinite(est.score(data.X, data.T, y))
    assert est.score(data.X, pack_targets(data.T, y)) == est.score(data.X, data.T, y)


@pytest.mark.parametrize("kinds", [("binary", "count"), ("count", "continuous")])
def test_kinds_of_outcome_may_be_missing(data, kinds):
    rng = np.random.default_rng(0)
    columns = {
        "binary": (data.y > 0) * 1.0,
        "count": rng.poisson(1.0, 600) * 1.0,
        "continuous": data.y,
    }
    y = np.column_stack([columns[kind] for kind in kinds])
    y[rng.random(y.shape) < 0.2] = np.nan
    settings = {**FAST, "max_epochs": 5, "outcome": list(kinds)}
    for est in (TARNet(**settings), TARNet(**settings, modifiers=[0, 1])):
        assert np.isfinite(est.fit(data.X, data.T, y).ate_interval()).all()
        assert np.isfinite(est.effect_interval(data.X[:5])).all()
    widths = {"widths": (8,), **{k: v for k, v in settings.items() if "widths" not in k}}
    assert np.isfinite(SLearner(**widths).fit(data.X, data.T, y).ate()).all()


def test_nothing_missing_changes_nothing(data):
    y = np.c_[data.y, -data.y]
    settings = {**FAST, "max_epochs": 3}
    whole = TARNet(**settings).fit(data.X, data.T, y)
    hidden = y.copy()
    hidden[0, 1] = np.nan
    part = TARNet(**settings).fit(data.X, data.T, hidden)
    assert not hasattr(whole, "observation_net_")
    np.testing.assert_allclose(part.ate(), whole.ate(), atol=0.05)
