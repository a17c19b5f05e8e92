"""What effects with a network of their own must not depend on, and within what they lie."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklcausal.datasets import make_confounded
from sklcausal.meta import DRLearner, PWLearner, RALearner, TLearner, XLearner
from sklcausal.representation import TARNet

SMALL = {"n_folds": 3, "max_epochs": 4, "numeric_encoding": None, "random_state": 0}
MODELS = {
    "outcome_model": LinearRegression(),
    "propensity_model": LogisticRegression(),
    "effect_model": LinearRegression(),
}


@pytest.fixture(scope="module")
def data():
    return make_confounded(240, random_state=0)


@pytest.mark.parametrize("learner", [TLearner, DRLearner, XLearner])
def test_units_of_another_outcome_do_not_matter_to_models(data, learner):
    """Columns that matter are found without regard to units."""
    models = {k: v for k, v in MODELS.items() if k != "effect_model" or learner is not TLearner}
    other = data.y * (1 + data.X[:, 2]) + data.X[:, 1]
    found = []
    for scale in (1.0, 1000.0):
        est = learner(**models, n_folds=3, random_state=0)
        est.fit(data.X, data.T, np.column_stack([data.y, scale * other]))
        found.append([est.effect(data.X), *est.effect_interval(data.X)])
    for plain, scaled in zip(*found, strict=True):
        np.testing.assert_allclose(plain[..., 0], scaled[..., 0], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(1000 * plain[..., 1], scaled[..., 1], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("learner", [RALearner, DRLearner])
def test_models_of_a_member_know_nothing_of_its_fold(data, learner):
    cluster = np.arange(240) % 3
    y = data.y.copy()
    est = learner(**MODELS, n_folds=3, random_state=0).fit(data.X, data.T, y, cluster=cluster)
    inside = cluster == 1
    (fold,) = np.unique(est.folds_[inside])
    y[inside] = 10 * y[inside] + 3 * data.X[inside, 0]
    other = learner(**MODELS, n_folds=3, random_state=0).fit(data.X, data.T, y, cluster=cluster)
    rows = np.arange(240)
    for k in range(3):
        both = [e.effect_net_.member(k, data.X, rows)[0] for e in (est, other)]
        if k == fold:
            np.testing.assert_allclose(*both, rtol=1e-9, atol=1e-12)
        else:
            assert np.abs(np.subtract(*both)).max() > 0.1


@pytest.mark.parametrize("n_folds", [1, 3])
def test_average_over_rows_is_the_mean_of_effects_within_their_bounds(data, n_folds):
    clicked = (data.y > np.median(data.y)).astype(int)
    est = PWLearner(**{**SMALL, "n_folds": n_folds, "max_epochs": 40}, effect_weight_decay=0.0)
    est.fit(data.X, data.T, clicked)
    far = 20 * data.X
    effect = est.effect(far)
    assert np.abs(effect).max() == 1  # cut
    np.testing.assert_allclose(est.ate(far), effect.mean(), rtol=1e-6)


def test_level_of_outcomes_does_not_matter_with_modifiers(data):
    effects = []
    for level in (0.0, 1e8):
        est = TARNet(**SMALL, modifiers=[0]).fit(data.X, data.T, data.y + level)
        effects.append(est.effect(data.X))
    # 1e8 leaves y nine digits
    np.testing.assert_allclose(effects[1], effects[0], atol=1e-4 * np.std(data.y))
