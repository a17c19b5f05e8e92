"""DR-, RA-, PW-, R- and X-learner: targets and losses by hand, what stages see, recovery."""

# SPDX-License-Identifier: BSD-3-Clause

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _longhand import silu, silu_or_growth
from scipy.special import expit, softmax
from sklearn.base import clone

from sklcausal import _first_stage
from sklcausal._cross_fit import CrossFit
from sklcausal._draws import Batch
from sklcausal._fit_data import FitData
from sklcausal._kinds import check_outcomes, check_treatments
from sklcausal._second_stage import StageRows
from sklcausal._training_options import TrainingOptions
from sklcausal.datasets import make_confounded, make_tutorial
from sklcausal.exceptions import OverlapWarning, TargetError
from sklcausal.meta import DRLearner, PWLearner, RALearner, RLearner, TLearner, XLearner
from sklcausal.nn._outputs import Outputs

LEARNERS = [DRLearner, RALearner, PWLearner, RLearner, XLearner]
TINY = {"numeric_encoding": None, "random_state": 0, "max_epochs": 3, "n_folds": 2}
TINY |= {"widths": (6, 5), "effect_widths": (4,), "weight_decay": 1.0, "effect_weight_decay": 1.0}
# with so few steps and so little decay growing units learn noise
FAST = {**TINY, "max_epochs": 30, "n_folds": 3, "lr": 0.01, "widths": (20, 20)}
FAST |= {
    "activation": "silu",
    "effect_widths": (20,),
    "weight_decay": 0.3,
    "effect_weight_decay": 0.3,
}

every_learner = pytest.mark.parametrize("learner", LEARNERS, ids=lambda cls: cls.__name__)


def draw(n, slope=1.0):
    """Draw linear outcomes and effects, confounded by x0: naive differences are far too large."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    chance = 0.1 + 0.8 * expit(slope * X[:, 0])
    T = (rng.uniform(size=n) < chance).astype(int)
    effect = 1 + X[:, 0] - X[:, 1]
    y = 2 * X[:, 0] + X[:, 1] + T * effect + 0.5 * rng.normal(size=n)
    return SimpleNamespace(X=X, T=T, y=y, effect=effect, chance=chance)


def rmse(est, data):
    return np.sqrt(np.mean((est.effect(data.X) - data.effect) ** 2))


def record_targets(monkeypatch, learner):
    """Keep what each second stage sees of its rows, and the targets that it makes of it."""
    seen, original = [], learner._targets

    def spy(self, rows):
        seen.append((rows, original(self, rows)))
        return seen[-1][1]

    monkeypatch.setattr(learner, "_targets", spy)
    return seen


@pytest.fixture(scope="module")
def fitted():
    data = draw(600)
    return {cls: (cls(**FAST).fit(data.X, data.T, data.y), data) for cls in LEARNERS}


@pytest.fixture(scope="module")
def small():
    return make_confounded(240, n_arms=3, random_state=0)


def hand_made_rows(control=1, n_arms=3):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(12, 2))
    y[[1, 4, 8], 0] = y[[2, 4], 1] = np.nan
    mean, psi = rng.normal(size=(12, n_arms, 2)), rng.normal(size=(12, n_arms * 2))
    propensity = softmax(rng.normal(size=(12, n_arms)), axis=1)
    return StageRows(
        y, np.arange(12) % n_arms, control, lambda: mean, lambda: psi, np.ones(12), propensity
    )


def target_by_hand(learner, rows, i, arm, m):
    """Compute the target of one row for the effect of an arm against the control, arm 1."""
    t, y, mu = rows.t[i], rows.y[i, m], rows.mean[i, :, m]
    if learner is DRLearner:
        return rows.psi[i, 2 * arm + m] - rows.psi[i, 2 * 1 + m]
    if learner is RALearner:
        return (y if t == arm else mu[arm]) - (y if t == 1 else mu[1])
    if learner is XLearner:
        return {arm: y - mu[1], 1: mu[arm] - y}.get(t, np.nan)
    if np.isnan(y) or t not in (arm, 1):
        return 0.0
    own = [v for v in rows.y[:, m] if v == v]
    chance = 1.0 if rows.chance is None else rows.chance[i, t, m]
    return (1 if t == arm else -1) * (y - sum(own) / len(own)) / rows.propensity[i, t] / chance


def targets_by_hand(learner, rows, i):
    """Compute the targets of one row: its residuals and moves, or what its effects are."""
    if learner is not RLearner:
        return [target_by_hand(learner, rows, i, arm, m) for arm in (0, 2) for m in (0, 1)]
    pi, mu = rows.propensity[i], rows.mean[i]
    left = [rows.y[i, m] - sum(pi[a] * mu[a, m] for a in range(3)) for m in (0, 1)]
    return [*left, *((rows.t[i] == a) - pi[a] for a in (0, 2))]


@pytest.mark.parametrize("with_chance", [False, True])
@every_learner
def test_targets_equal_longhand(learner, with_chance):
    rows = hand_made_rows()
    if with_chance:
        rows.chance = np.random.default_rng(1).uniform(0.3, 1, size=(12, 3, 2))
    expected = [targets_by_hand(learner, rows, i) for i in range(12)]
    np.testing.assert_allclose(learner()._targets(rows), expected, rtol=1e-12)
    assert np.isnan(expected).any() == (learner not in (DRLearner, PWLearner))


@every_learner
def test_targets_change_sign_with_the_control(learner):
    # of two arms the targets are antisymmetric; the networks that regress them start anew
    first, second = (learner()._targets(hand_made_rows(c, n_arms=2)) for c in (0, 1))
    signs = [1, 1, -1] if learner is RLearner else [-1, -1]  # the residuals of y stay
    np.testing.assert_allclose(second, first * signs, rtol=1e-12)


def loss_by_hand(learner, theta, y, t):
    """Compute the loss of one row of two outcomes and three arms, of which 1 is the control."""
    if learner is RLearner:
        errors = [y[m] - y[2] * theta[m] - y[3] * theta[2 + m] for m in (0, 1)]
    else:
        errors = [y[c] - theta[c + 4 * (t == 1)] for c in range(4)]
    return sum(error**2 / 2 for error in errors if not np.isnan(error))


@pytest.mark.parametrize("learner", [RLearner, XLearner])
def test_losses_equal_longhand(learner):
    est = learner()
    est.model_ = SimpleNamespace(n_outcomes_=2)
    est.contrasts_ = SimpleNamespace(treatments=SimpleNamespace(n_arms=3, control=1))
    task = est._effect_task(False)
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(2, 5, 4 if learner is RLearner else 8))
    assert task.n_heads * task.n_out == theta.shape[2]
    t = np.tile([0, 1, 2, 1, 0], (2, 1))
    y, w = rng.normal(size=(2, 5, 4)), rng.uniform(size=(2, 5))
    y[0, 1, 0] = y[1, 2, 1] = np.nan
    w[1, 4] = 0
    out = torch.as_tensor(theta).requires_grad_(True)
    targets = *map(torch.as_tensor, (t, y, w)), torch.tensor([5, 4])
    found = task.objective.fit(Outputs(out, out), Batch(out, targets))
    for k, n in enumerate((5, 4)):
        rows = [w[k, i] * loss_by_hand(learner, theta[k, i], y[k, i], t[k, i]) for i in range(5)]
        assert found[k].item() == pytest.approx(sum(rows) / n, rel=1e-12)
    assert torch.isfinite(torch.autograd.grad(found.sum(), out)[0]).all()


def test_x_learner_blends_by_the_propensity(small):
    y = np.c_[small.y, small.X[:, 0] - 2 * small.y]
    est = XLearner(**TINY, control=1, propensity_clip=0.0).fit(small.X, small.T, y)
    net, expected = est.effect_net_, np.zeros((240, 2, 2))
    law = net.ensemble.propensity
    ((_, _, joined),) = net.with_features(small.X)
    ((_, logits),) = law.ensemble.theta(small.X)
    ((_, theta, features),) = net.ensemble.ensemble.with_features(small.X)
    for k in range(2):
        chance = softmax(logits[k] / law.temperature_[k], axis=1)
        for e, arm in enumerate((0, 2)):
            g = (chance[:, arm] / (chance[:, arm] + chance[:, 1]))[:, None]
            hidden = [(1 - g) * features[k, :, e], 1 - g, g * features[k, :, 2 + e]]
            np.testing.assert_allclose(joined[k, :, e], np.hstack(hidden), atol=1e-6)
            own, cells = slice(2 * e, 2 * e + 2), slice(2 * arm, 2 * arm + 2)
            # tau_1 is of the arm's rows, tau_0 of the control's, which stand behind
            tau_1, tau_0 = theta[k, :, own], theta[k, :, 4:][:, own]
            effect = (g * tau_0 + (1 - g) * tau_1) @ net.decode.matrix[k, own, cells]
            expected[:, e] += (net.decode.shift[k, cells] + effect) / 2
    np.testing.assert_allclose(est.effect(small.X), expected, atol=1e-6)


def test_a_blended_member_is_the_same_alone_and_among_others(small):
    with pytest.warns(OverlapWarning):
        est = XLearner(**TINY, propensity_clip=0.2).fit(small.X, small.T, small.y)
    ((_, together),) = est.effect_net_.ensemble.theta(small.X)
    for k in range(2):
        alone, _ = est.effect_net_.ensemble.member(k, small.X, np.arange(240))
        np.testing.assert_allclose(alone, together[k], atol=1e-5)


@every_learner
def test_units_of_y_are_those_of_effects(learner):
    data, found = draw(150), []
    for y in (data.y, 3 + 1000 * data.y):
        est = learner(**TINY).fit(data.X, data.T, np.c_[y, data.X[:, 0] + data.T])
        found.append(np.array([est.effect(data.X), *est.effect_interval(data.X)]))
    size = np.abs(found[0]).max(axis=(0, 1, 2))  # the other outcome keeps its units
    np.testing.assert_allclose(found[1] / [1000, 1] / size, found[0] / size, atol=1e-3)


@every_learner
def test_another_control_turns_effects(fitted, learner):
    est, data = fitted[learner]
    np.testing.assert_array_equal(est.effect(data.X, T0=1, T1=0), -est.effect(data.X))
    named = np.where(data.T == 1, "a", "z")  # the arms change places, too
    turned = learner(**FAST, control="a").fit(data.X, named, data.y)
    assert list(turned.effect_names_out_) == ["z vs a"]
    # not exactly: networks start from other weights
    gap = np.sqrt(np.mean((turned.effect(data.X) + est.effect(data.X)) ** 2))
    assert gap < (1.0 if learner is PWLearner else 0.25)


def weights_for_effects(est):
    net = est.effect_net_.ensemble
    if not isinstance(est, XLearner):
        return net.weights()
    law = {f"law.{name}": w for name, w in net.propensity.ensemble.weights().items()}
    return {**net.ensemble.weights(), **law, "temperature": net.propensity.temperature_}


@pytest.mark.parametrize("n, n_folds", [(180, 2), (180, 3), (900, 2)])  # 900 are calibrated
@every_learner
def test_effect_member_never_sees_its_fold(monkeypatch, learner, n, n_folds):
    # one setting, since that is chosen in common
    monkeypatch.setattr(_first_stage, "LAW_CANDIDATES", _first_stage.LAW_CANDIDATES[:1])
    data, cluster = draw(n, 0.1), np.arange(n) % (2 * n_folds) if n == 180 else np.arange(n)
    est = learner(**{**TINY, "n_folds": n_folds}).fit(data.X, data.T, data.y, cluster=cluster)
    rng, T, y, inside = np.random.default_rng(0), data.T.copy(), data.y.copy(), est.folds_ == 1
    y[inside] = rng.permutation(y[inside])
    for label in np.unique(cluster[inside]):  # which are dealt by their numbers of arms
        T[cluster == label] = rng.permutation(T[cluster == label])
    other = clone(est).fit(data.X, T, y, cluster=cluster)
    np.testing.assert_array_equal(est.folds_, other.folds_)
    before, after = weights_for_effects(est), weights_for_effects(other)
    for name in before:
        np.testing.assert_array_equal(before[name][1], after[name][1], err_msg=name)
    changed = before["body.heads.last.weight"] != after["body.heads.last.weight"]
    assert changed.any(axis=(1, 2, 3)).sum() == n_folds - 1


@pytest.mark.parametrize("n_clusters", [120, 24])
@pytest.mark.parametrize("n_folds", [1, 2, 3, 4])
def test_nuisances_of_a_row_never_saw_it_nor_the_fold(n_folds, n_clusters):
    rng = np.random.RandomState(0)
    T, y, cluster = rng.randint(0, 3, 120), rng.normal(size=120), np.arange(120) % n_clusters
    known = check_treatments(T), check_outcomes(y), None, None, [cluster, None][n_clusters == 120]
    data = FitData(rng.normal(size=(120, 2)), T, y[:, None], *known)
    first = CrossFit.deal(data, n_folds, 0.2, TrainingOptions(), rng)
    for nested in (first.halves(), first.second_stage()):
        for k in range(n_folds):
            places = [place for place in nested.places if place.entry == k]
            outside = np.flatnonzero((first.folds != k) | (n_folds == 1))
            covered = np.concatenate([place.rows for place in places])
            np.testing.assert_array_equal(np.sort(covered), outside)
            for place in places:
                own = nested.members[place.member]
                seen = np.concatenate([own.train, own.valid])
                assert min(len(own.train), len(own.valid)) > 0
                assert not np.isin(cluster[place.rows], cluster[seen]).any()
                assert np.isin(seen, outside).all()


@every_learner
def test_effects_are_recovered(fitted, learner):
    est, data = fitted[learner]
    assert rmse(est, data) < (0.6 if learner is PWLearner else 0.25)  # effects spread by 1.37
    naive = data.y[data.T == 1].mean() - data.y[data.T == 0].mean()
    assert abs(naive - data.effect.mean()) > 1
    # residuals have no centre that belongs to the effect
    assert est.effect_net_.decode.shift.any() == (learner is not RLearner)
    low, high = est.ate_interval()
    assert low < data.effect.mean() < high
    low, high = est.effect_interval(data.X)
    assert np.mean((low < data.effect) & (data.effect < high)) > 0.85


@pytest.mark.parametrize("learner", [DRLearner, RALearner, RLearner, XLearner])
def test_effects_are_recovered_with_defaults(learner):
    data = draw(600)
    est = learner(random_state=0).fit(data.X, data.T, data.y)
    assert est.activation_ == "silu_exp"
    assert rmse(est, data) < 0.25
    low, high = est.effect_interval(data.X)
    assert np.mean((low < data.effect) & (data.effect < high)) > 0.85


@pytest.mark.parametrize("decay", [1.0, 1e5])
def test_intervals_of_a_row_are_the_same_alone(decay):
    # with strong decay effects are constant, but for rounding that hangs on the number of rows
    data = draw(300)
    est = DRLearner(**{**FAST, "effect_weight_decay": decay}).fit(data.X, data.T, data.y)
    assert (est.effect(data.X).std() < 1e-4) == (decay > 1)
    assert est.effect_weight_decay_ == decay
    low, high = est.effect_interval(data.X)
    for i in range(5):
        alone = np.ravel(est.effect_interval(data.X[i : i + 1]))
        np.testing.assert_allclose(alone, [low[i], high[i]], rtol=1e-3, atol=1e-3)
    few = [np.ravel(est.ate_interval(data.X[:n])) for n in (1, 2)]
    assert max(np.ptp(own) for own in few) < 10


def test_network_for_effects_equals_longhand():
    data = draw(180)
    est = DRLearner(**{**TINY, "effect_widths": (3, 5)}).fit(data.X, data.T, data.y)
    net, expected = est.effect_net_, np.zeros(180)
    w, encoding = net.ensemble.weights(), net.ensemble.encoding
    for k in range(2):
        z = (data.X * encoding.scale[k] + encoding.shift[k]) * w["encoder.gate"][k]
        first, rest, last = (
            (w[f"body.heads.{layer}.weight"][k], w[f"body.heads.{layer}.bias"][k])
            for layer in ("first.layers.0", "rest.layers.0", "last")
        )
        h = silu(z @ first[0] + first[1])
        h = silu_or_growth(h @ rest[0][0] + rest[1][0])
        theta = (h @ last[0][0] + last[1][0])[:, 0]
        expected += (net.decode.shift[k, 1] + theta * net.decode.matrix[k, 0, 1]) / 2
    np.testing.assert_allclose(est.effect(data.X), expected, atol=1e-5)


def test_dr_learner_beats_the_t_learner_where_effects_are_simpler_than_outcomes():
    # no effect, but kinked outcomes and an arm that is rare on either side, Kennedy 2023
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 1000)
    pieces = [(x + 2) ** 2 / 2, x / 2 + 0.875, -5 * (x - 0.2) ** 2 + 1.075]
    mu = np.select([x < -0.5, x < 0, x < 0.5], pieces, x + 0.125)
    T = (rng.uniform(size=1000) < 0.5 + 0.4 * np.sign(x)).astype(int)
    y = mu + (0.2 - 0.1 * np.cos(2 * np.pi * x)) * rng.normal(size=1000)
    settings = {**FAST, "numeric_encoding": "piecewise_linear", "batch_size": 128}
    est = DRLearner(**{**settings, "effect_weight_decay": 30.0})
    plain = TLearner(**{k: v for k, v in settings.items() if not k.startswith("effect")})
    ours, theirs = (e.fit(x[:, None], T, y).effect(x[:, None]) for e in (est, plain))
    assert np.sqrt(np.mean(ours**2)) < 0.7 * np.sqrt(np.mean(theirs**2))


def test_dr_learner_is_doubly_robust():
    data = draw(600, slope=2.0)
    # decay leaves little of the outcome networks, but propensities are right
    hindered = {**FAST, "weight_decay": 1e3, "effect_weight_decay": 1.0}
    # propensities are wrong, but outcome networks are right
    for other, settings, chance in (RALearner, hindered, data.chance), (PWLearner, FAST, 0.5):
        fits = [cls(**settings) for cls in (other, DRLearner)]
        errors = [rmse(est.fit(data.X, data.T, data.y, propensity=chance), data) for est in fits]
        assert errors[0] > 2
        assert errors[1] < 0.9


@pytest.mark.parametrize("learner", [DRLearner, RALearner, PWLearner])
def test_modifiers_give_effects_as_functions_of_few_columns(learner):
    data = make_tutorial(1000, randomised=False, random_state=0)
    settings = {**FAST, "effect_weight_decay": 1.0, "modifiers": [1]}
    est = learner(**settings).fit(data.X, data.T, data.y)
    other = data.X.copy()
    other[:, [0, 2, 3, 4]] = 7.0
    np.testing.assert_array_equal(est.effect(data.X), est.effect(other))
    expected = 2 - data.X[:, 1]  # E[2 - x1 + .25 x0**3 | x1]
    error = np.sqrt(np.mean((est.effect(data.X) - expected) ** 2))
    assert error < (0.7 if learner is PWLearner else 0.35)
    low, high = est.effect_interval(data.X)
    assert np.mean((low < expected) & (expected < high)) > 0.8


@pytest.mark.parametrize("n_folds", [1, 2, 3])
def test_known_propensities_are_in_the_targets(monkeypatch, n_folds):
    seen, data = record_targets(monkeypatch, PWLearner), draw(120)
    est = PWLearner(**{**TINY, "n_folds": n_folds})
    est.fit(data.X, data.T, data.y, propensity=data.chance)
    assert len(seen) == n_folds
    for k, (_, found) in enumerate(seen):
        own = np.flatnonzero((est.folds_ != k) | (n_folds == 1))
        chance, y = data.chance[own], data.y[own] - data.y[own].mean()
        expected = np.where(data.T[own] == 1, y / chance, -y / (1 - chance))
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9)


def test_x_learner_blends_by_learned_propensities_though_they_are_known():
    data = draw(120)
    est = XLearner(**{**TINY, "n_folds": 1}).fit(data.X, data.T, data.y, propensity=data.chance)
    law = est.effect_net_.ensemble.propensity  # new rows come without
    assert np.corrcoef(law.predict(data.X)[:, 1], data.chance)[0, 1] > 0.5


@every_learner
def test_missing_cells(monkeypatch, small, learner):
    seen, rng = record_targets(monkeypatch, learner), np.random.default_rng(0)
    y = np.c_[small.y, small.X[:, 0] + small.T + 0.1 * rng.normal(size=240)]
    y[rng.uniform(size=240) < 0.4 * (small.X[:, 1] > 0), 1] = np.nan
    est = learner(**TINY, control=1).fit(small.X, small.T, y)
    assert np.isfinite([est.effect(small.X), *est.effect_interval(small.X)]).all()
    for rows, _ in seen:
        assert rows.chance[:, :, 1].mean() < 0.95 < rows.chance[:, :, 0].min()
        # mu_a + 1{T = a} (y - mu_a) / (pi_a P(observed)), by hand
        psi = rows.psi.reshape(rows.mean.shape)
        for i, a, m in np.ndindex(20, 3, 2):
            expected = rows.mean[i, a, m]
            if rows.t[i] == a and not np.isnan(rows.y[i, m]):
                weight = rows.propensity[i, a] * rows.chance[i, a, m]
                expected += (rows.y[i, m] - expected) / weight
            assert psi[i, a, m] == pytest.approx(expected, rel=1e-6)


@every_learner
def test_rows_without_weight_have_no_influence(learner):
    data, rng = draw(150), np.random.default_rng(0)
    weight, y = rng.uniform(0.5, 2, 150) * (np.arange(150) % 5 > 0), data.y.copy()
    y[::5] = rng.normal(8, 3, size=30)
    fits = [learner(**TINY).fit(data.X, data.T, own, sample_weight=weight) for own in (data.y, y)]
    np.testing.assert_allclose(*(est.effect(data.X) for est in fits), atol=1e-4)


@every_learner
def test_binary_outcomes_give_differences_of_probabilities(monkeypatch, learner):
    seen = record_targets(monkeypatch, learner)
    data = make_confounded(600, outcome="binary", random_state=0)
    settings = {**FAST, "effect_weight_decay": 10.0, "lr": 0.003}
    effect = learner(**settings).fit(data.X, data.T, data.y).effect(data.X)
    assert all(((rows.mean > 0) & (rows.mean < 1)).all() for rows, _ in seen)
    assert -1 <= effect.min() < effect.max() <= 1
    assert abs(effect.mean() - data.ate[0]) < 0.12


@pytest.mark.parametrize("value", [-1.0, [], [1.0, -1.0], [1.0, np.nan], "none", {}, [1.0, 2.0]])
@every_learner
def test_bad_effect_weight_decay(learner, value):
    # two good ones need rows to choose by
    settings = {**TINY, "effect_weight_decay": value, "validation_fraction": None}
    data, must = draw(40), "be a single number" if value == [1.0, 2.0] else ""
    with pytest.raises(ValueError, match=f"effect_weight_decay.* must {must}"):
        learner(**settings).fit(data.X, data.T, data.y)


@every_learner
def test_two_folds_need_four_rows_of_an_arm(learner):
    data, T = draw(40), np.r_[np.ones(3, dtype=int), np.zeros(37, dtype=int)]
    with pytest.raises(TargetError, match=r"at least 4 rows in every arm \(n_folds=2\), got 3 in"):
        learner(**TINY).fit(data.X, T, data.y, propensity=0.1)
    learner(**{**TINY, "n_folds": 3}).fit(data.X, T, data.y, propensity=0.1)
    T[3] = 1
    learner(**TINY).fit(data.X, T, data.y, propensity=0.1)


@pytest.mark.parametrize("learner", [RLearner, XLearner])
def test_modifiers_are_refused_with_a_way_out(learner):
    data = draw(40)
    with pytest.raises(ValueError, match=r"`modifiers` must be None for .*use DRLearner"):
        learner(**TINY, modifiers=[0]).fit(data.X, data.T, data.y)
