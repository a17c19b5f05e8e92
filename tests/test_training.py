"""Members: what each may see, and that none disturbs another."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, Checkpoint, LRScheduler

from sklcausal._screening import Candidate, _Run, rank
from sklcausal.datasets import make_confounded
from sklcausal.exceptions import TrainingDivergedError
from sklcausal.mixture import MOTTO
from sklcausal.representation import TARNet

SMALL = {"representation_widths": (8,), "head_widths": (8,), "random_state": 0}


def weights(est):
    return est.theta_net_.ensemble.weights()


@pytest.fixture(scope="module")
def data():
    return make_confounded(300, random_state=0)


@pytest.mark.parametrize("encoding", [None, "piecewise_linear"])
@pytest.mark.parametrize("lr_schedule", [None, "plateau"])
def test_member_never_sees_its_fold(data, encoding, lr_schedule):
    cluster = np.arange(300) % 5
    settings = {**SMALL, "max_epochs": 6, "numeric_encoding": encoding, "weight_decay": 1.0}
    est = TARNet(**settings, lr_schedule=lr_schedule).fit(data.X, data.T, data.y, cluster=cluster)
    inside = cluster == 2
    (fold,) = np.unique(est.folds_[inside])
    rng = np.random.default_rng(0)
    X, T, y = data.X.copy(), data.T.copy(), data.y.copy()
    X[inside] += rng.normal(size=X[inside].shape)
    T[inside] = rng.permutation(T[inside])
    y[inside] = y[inside] * 3 + 10
    other = TARNet(**settings, lr_schedule=lr_schedule).fit(X, T, y, cluster=cluster)
    np.testing.assert_array_equal(est.folds_, other.folds_)
    for name, before in weights(est).items():
        after = weights(other)[name]
        np.testing.assert_array_equal(before[fold], after[fold], err_msg=name)
        rest = np.delete(np.arange(5), fold)
        assert not np.array_equal(before[rest], after[rest])


@pytest.mark.parametrize(
    "settings",
    [
        {"task_weighting": "gradnorm"},
        {"task_weighting": "uncertainty"},
        {"alignment": "energy"},
        {"alignment": "sinkhorn"},
        {"n_expert_layers": 2, "n_private_experts": 1},
    ],
    ids=str,
)
def test_member_of_a_mixture_never_sees_its_fold(settings):
    data = make_confounded(300, n_arms=3, random_state=0)
    cluster, inside = np.arange(300) % 5, np.arange(300) % 5 == 2
    small = {"expert_widths": (8,), "head_widths": (8,), "representation_widths": (8,)}
    small |= {"numeric_encoding": None, "weight_decay": 1.0, "max_epochs": 4, "random_state": 0}
    y = np.column_stack([data.y, -data.y])
    found = []
    for moved in (0.0, 10.0):
        own = y + moved * inside[:, None] * (1 + np.abs(y))
        est = MOTTO(**small, **settings).fit(data.X, data.T, own, cluster=cluster)
        found.append(weights(est))
    (fold,) = np.unique(est.folds_[inside])
    rest = np.delete(np.arange(5), fold)
    for name, before in found[0].items():
        after = found[1][name]
        np.testing.assert_array_equal(before[fold], after[fold], err_msg=name)
        assert not np.array_equal(before[rest], after[rest])


def test_second_stage_on_modifiers_never_sees_its_fold(data):
    cluster = np.arange(300) % 3
    settings = {**SMALL, "max_epochs": 4, "numeric_encoding": None, "weight_decay": 1.0}
    est = TARNet(**settings, n_folds=3, modifiers=[0, 1]).fit(
        data.X, data.T, data.y, cluster=cluster
    )
    inside = cluster == 1
    (fold,) = np.unique(est.folds_[inside])
    rng = np.random.default_rng(0)
    T, y = data.T.copy(), data.y.copy()
    T[inside] = rng.permutation(T[inside])
    y[inside] = rng.permutation(y[inside])
    other = clone(est).fit(data.X, T, y, cluster=cluster)
    before, after = (e.effect_net_.ensemble.weights() for e in (est, other))
    for name in before:
        np.testing.assert_array_equal(before[name][fold], after[name][fold], err_msg=name)
    rest = np.delete(np.arange(3), fold)
    name = "body.heads.last.weight"
    assert not np.array_equal(before[name][rest], after[name][rest])


def test_a_member_is_the_same_alone_and_among_others(data):
    rows = np.random.default_rng(0).permutation(300)
    settings = {**SMALL, "max_epochs": 5, "numeric_encoding": None, "weight_decay": 1.0}
    est = TARNet(**settings, n_folds=4).fit(data.X, data.T, data.y)
    net = est.theta_net_.ensemble
    for k in range(4):
        alone, _ = net.member(k, data.X, rows)
        together = np.concatenate([theta[k] for _, theta in net.theta(data.X[rows])])
        np.testing.assert_allclose(alone, together, atol=1e-6)


def test_member_of_many_is_trained_as_a_single_one(data):
    """Same first weights and rows in the same order: the others do not disturb it."""
    settings = {**SMALL, "max_epochs": 6, "numeric_encoding": None}
    several = TARNet(**settings, weight_decay=[1.0, 0.1], n_folds=1).fit(data.X, data.T, data.y)
    decay = several.weight_decay_
    single = TARNet(**settings, weight_decay=decay, n_folds=1).fit(data.X, data.T, data.y)
    for name, own in weights(single).items():
        np.testing.assert_allclose(weights(several)[name], own, atol=1e-6, err_msg=name)


def test_all_rows_of_a_fold_are_out_of_its_member(data):
    est = TARNet(**SMALL, max_epochs=2).fit(data.X, data.T, data.y)
    counts = np.zeros((5, 2))
    np.add.at(counts, (est.folds_, data.T), 1)
    assert np.ptp(counts, axis=0).max() <= 1  # every fold has its share of every arm


def test_members_differ_and_restart_from_own_seeds(data):
    est = TARNet(**SMALL, max_epochs=1, numeric_encoding=None, weight_decay=1.0)
    first = weights(est.fit(data.X, data.T, data.y))["body.trunk.layers.0.weight"]
    assert len({w.tobytes() for w in first}) == 5


def test_early_stopping_keeps_the_best_epoch_of_each_member(data):
    est = TARNet(**SMALL, patience=5, lr=0.02, numeric_encoding=None, weight_decay=0.0)
    est.fit(data.X, data.T, data.y)
    by_epoch = np.array([row["valid_loss_members"] for row in est.history_], dtype=float)
    last_seen = np.array([np.flatnonzero(~np.isnan(c))[-1] for c in by_epoch.T])
    best = np.nanargmin(by_epoch, axis=0)
    assert ((last_seen - best <= 5) | (last_seen == len(by_epoch) - 1)).all()
    assert len(set(last_seen)) > 1  # they stopped on their own


def test_weight_decay_shrinks_the_weights(data):
    norms = []
    for decay in (0.0, 10.0):
        est = TARNet(**SMALL, max_epochs=20, numeric_encoding=None, weight_decay=decay)
        est.fit(data.X, data.T, data.y)
        norms.append(np.abs(weights(est)["body.heads.last.weight"]).mean())
    assert norms[1] < 0.6 * norms[0]


def test_candidates_are_chosen_on_validation_rows(data):
    est = TARNet(**SMALL, max_epochs=30, numeric_encoding=None, weight_decay=[0.1, 1e4])
    est.fit(data.X, data.T, data.y)
    assert est.weight_decay_ == 0.1


def test_candidates_compete_for_many_epochs_where_rows_are_few(data, monkeypatch):
    epochs = []
    keep = _Run.keep
    monkeypatch.setattr(
        _Run, "keep", lambda run, left: (epochs.append(run.net.epoch_), keep(run, left))
    )
    settings = {"patience": 500, "numeric_encoding": None, "weight_decay": [0.1, 0.3, 1.0, 3.0]}
    TARNet(**SMALL, **settings, max_epochs=65, n_folds=1).fit(data.X, data.T, data.y)
    # of four decays two go on and then one, in epochs of four steps
    assert epochs == [30, 60]


def test_candidates_that_losses_cannot_tell_go_to_the_strongest_decay():
    weak, middle, strong, worse = (Candidate(None, decay) for decay in (0.1, 1.0, 10.0, 100.0))
    base = np.array([1.0, 2.0, 3.0, 4.0])  # members differ, which tells nothing of candidates
    losses = {
        worse: base + 0.5,  # by as much in every member: clear
        strong: base + [0.31, -0.09, 0.31, -0.09],  # worse by 0.11, of a standard error of 0.115
        weak: base,
        middle: base + [0.3, -0.05, 0.3, -0.05],  # by 0.125, of 0.101: clear
    }
    assert rank(losses, True) == [strong, weak, middle, worse]
    assert rank(losses, False) == [weak, strong, middle, worse]
    alone = {candidate: own[:1] for candidate, own in losses.items()}
    assert rank(alone, True) == rank(alone, False) == [weak, middle, strong, worse]
    # at equal decay, and without one, the smaller loss
    bins, none = Candidate(8, 10.0), Candidate(None, None)
    losses |= {bins: base + [0.1, -0.05, 0.1, -0.05], none: base + [0.2, -0.1, 0.2, -0.2]}
    assert rank(losses, True) == [bins, strong, weak, none, middle, worse]


def test_gradient_clipping_bounds_each_member(data):
    norms = []

    class Look(Callback):
        def on_batch_end(self, net, **kwargs):
            grads = [p.grad.flatten(1) for p in net.module_.parameters()]
            if kwargs["training"]:
                norms.append(torch.cat(grads, dim=1).norm(dim=1).max().item())

    est = TARNet(**SMALL, max_epochs=2, gradient_clip=0.01, callbacks=[Look()])
    est.fit(data.X, data.T, data.y)
    assert 0.0099 < max(norms) < 0.01001


def test_skorch_callbacks_are_called(data):
    seen = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.history[-1]["valid_loss"])

    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.1)
    est = TARNet(**SMALL, max_epochs=3, weight_decay=1.0, numeric_encoding=None)
    est.set_params(callbacks=[Count(), scheduler]).fit(data.X, data.T, data.y)
    assert len(seen) == 3
    rates = [row["event_lr"] for row in est.history_]
    np.testing.assert_allclose(rates, [3e-3, 3e-4, 3e-5])


def test_checkpoint_of_skorch_works(data, tmp_path):
    saved = Checkpoint(dirname=tmp_path, f_criterion=None, f_optimizer=None)
    settings = {**SMALL, "max_epochs": 4, "weight_decay": 1.0, "numeric_encoding": None}
    TARNet(**settings, callbacks=[saved]).fit(data.X, data.T, data.y)
    assert (tmp_path / "params.pt").exists()


def test_net_params_reach_skorch(data):
    est = TARNet(**SMALL, max_epochs=2, net_params={"optimizer": torch.optim.SGD})
    sgd = est.fit(data.X, data.T, data.y).effect(data.X)
    adam = est.set_params(net_params=None).fit(data.X, data.T, data.y).effect(data.X)
    assert not np.allclose(sgd, adam)


def test_compiled_networks_learn_the_same(data):
    compiled = {"compile": True, "compile__backend": "eager"}  # traced, not translated to C++
    settings = {**SMALL, "max_epochs": 4, "n_folds": 2}
    est = TARNet(**settings, net_params=compiled).fit(data.X, data.T, data.y)
    plain = TARNet(**settings).fit(data.X, data.T, data.y)
    np.testing.assert_allclose(est.effect(data.X), plain.effect(data.X), atol=1e-5)
    np.testing.assert_allclose(est.ate_interval(), plain.ate_interval(), atol=1e-5)


def test_diverging_loss_names_likely_causes(data):
    est = TARNet(**SMALL, lr=1e12, weight_decay=0.0)
    with pytest.raises(TrainingDivergedError, match=r"loss became NaN or infinite.*`lr` is"):
        est.fit(data.X, data.T, data.y)
    assert not hasattr(est, "contrasts_")


@pytest.mark.parametrize("at", [1, 20])
def test_keyboard_interrupt_keeps_the_best_weights(data, at):
    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == at:
                raise KeyboardInterrupt

    est = TARNet(**SMALL, max_epochs=40, callbacks=[Interrupt()]).fit(data.X, data.T, data.y)
    assert len(est.history_) <= 20
    assert np.isfinite(est.effect(data.X)).all()


def test_training_without_validation_part_uses_all_epochs(data):
    est = TARNet(**SMALL, max_epochs=6, patience=1, validation_fraction=None, weight_decay=1.0)
    est.set_params(numeric_encoding=None, lr=1e-6).fit(data.X, data.T, data.y)
    assert len(est.history_) == 6  # though the loss hardly falls
    assert "valid_loss" not in est.history_[-1]


def test_large_counts_do_not_stop_training_early():
    # the log-likelihood of large counts is far from 0, next to which any gain looks small
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(400, 3)), rng.integers(0, 2, 400)
    y = rng.poisson(np.exp(7 + 0.5 * X[:, 0] + 0.2 * T))
    est = TARNet(**SMALL, outcome="count", max_epochs=60, numeric_encoding=None, weight_decay=0.1)
    assert est.fit(X, T, y).score(X, T, y) > 0.9


@pytest.mark.parametrize("lr_schedule", ["cosine", "plateau"])
def test_schedules_train(data, lr_schedule):
    est = TARNet(**SMALL, max_epochs=15, patience=6, lr_schedule=lr_schedule)
    losses = [row["train_loss"] for row in est.fit(data.X, data.T, data.y).history_]
    assert losses[-1] < losses[0]


def test_progress_bar_shows_epochs_and_loss(data, capsys):
    est = TARNet(**SMALL, max_epochs=3, n_folds=1, numeric_encoding=None, weight_decay=1.0)
    est.set_params(verbose=1).fit(data.X, data.T, data.y)
    shown = capsys.readouterr().err
    assert "TARNet" in shown
    assert "3/3" in shown
    assert "loss=" in shown
