"""Mixtures of experts as estimators: what they promise beside what all estimators do."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
import torch
from _mixtures import TINY
from scipy.special import expit

from sklcausal._draws import Batch
from sklcausal.datasets import make_confounded, make_multi_treatment_outcome
from sklcausal.exceptions import OverlapWarning, TargetError
from sklcausal.mixture import MOTTO, MMoE
from sklcausal.nn import Outputs, arm_discrepancy


@pytest.fixture(scope="module")
def data():
    return make_multi_treatment_outcome(300, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return MOTTO(**TINY).fit(data.X, data.T, data.y)


def test_weights_say_who_answers_for_which_cell(fitted, data):
    weights = fitted.expert_weights(data.X)
    assert weights.shape == (300, 3, 2, 3)
    assert fitted.expert_names_out_.tolist() == ["outcome-shared", "treatment-shared", "global"]
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.expert_weights(data.X), weights)
    whole = MMoE(**TINY, n_experts=5).fit(data.X, data.T, data.y)
    assert whole.expert_weights(data.X[:1]).shape == (1, 3, 2, 5)
    with pytest.raises(ValueError, match="X has 9 features, but MOTTO is expecting 10"):
        fitted.expert_weights(data.X[:, :9])


def test_weights_are_those_that_the_outputs_use(fitted):
    ensemble, rng = fitted.theta_net_.ensemble, torch.Generator().manual_seed(0)
    body, z = ensemble.module.body, torch.randn(2, 4, 10, generator=rng)
    said = body.layers[0].ask({"all": body.trunk(z)})
    own = body.expert_weights(z)
    parts = [said["outcome-shared"][:, 1, 0, 0], said["treatment-shared"][:, 0, 1, 0]]
    parts.append(said["global"][:, 0, 0, 0])
    mixed = sum(own[:, :, 1, 1, k, None] * part for k, part in enumerate(parts))
    heard, _ = body.layers[0]({"all": body.trunk(z)})
    torch.testing.assert_close(heard["cell"][:, 1, 1], mixed)


# -- alignment --------------------------------------------------------------------------------


def batch_of(t, w):
    return Batch(None, (t, None, w, w.gt(0).sum(1).clamp_min(1)))


@pytest.mark.parametrize("alignment", ["energy", "mmd", "sinkhorn"])
def test_alignment_is_the_mean_over_treatment_shared_experts(data, alignment):
    est = MOTTO(**TINY, alignment=alignment, alignment_weight=3.0, n_treatment_shared_experts=2)
    est.fit(data.X, data.T, data.y)
    rng = torch.Generator().manual_seed(0)
    shared = torch.randn(2, 40, 2 * 2 * 5, generator=rng)
    t, w = torch.randint(0, 3, (2, 40), generator=rng), torch.ones(2, 40)
    w[:, 30:] = 0.0  # padding
    out = Outputs(None, None, shared)
    found = est._penalty()(None, out, batch_of(t, w), 0)
    kind = {"sinkhorn": "wasserstein"}.get(alignment, alignment)
    for k in range(2):
        parts = []
        for e in range(4):
            phi = shared[k, :30, 5 * e : 5 * e + 5]
            phi = phi / (phi**2).sum(-1).mean().sqrt()
            parts.append(arm_discrepancy(phi[None], t[[k], :30], w[[k], :30], 3, kind))
        torch.testing.assert_close(found[k], 3.0 * torch.cat(parts).mean())
    # rows that come twice change nothing: no size of a batch enters
    twice = Outputs(None, None, torch.cat([shared, shared], dim=1))
    both = batch_of(torch.cat([t, t], 1), torch.cat([w, w], 1))
    torch.testing.assert_close(est._penalty()(None, twice, both, 0), found)


def test_alignment_brings_arms_together(data):
    settings = {**TINY, "max_epochs": 40, "activation": "silu"}
    apart = []
    for weight in (0.0, 10.0):
        est = MOTTO(**settings, alignment="energy", alignment_weight=weight)
        ensemble = est.fit(data.X, data.T, data.y).theta_net_.ensemble
        shared = torch.as_tensor(ensemble.read(lambda body, z: body(z).representation, data.X))
        t = torch.as_tensor(data.T).expand(2, -1)
        out = Outputs(None, None, shared)
        est.set_params(alignment_weight=1.0)
        apart.append(est._penalty()(None, out, batch_of(t, torch.ones(2, 300)), 0).mean())
    assert apart[1] < 0.5 * apart[0]


# -- outcomes of several kinds ----------------------------------------------------------------


def test_outcomes_of_mixed_kinds_are_recovered():
    rng = np.random.default_rng(0)
    data = make_confounded(2000, n_arms=3, random_state=0)
    mean = data.mu[:, :, None]
    truth = np.concatenate([expit(mean / 2), mean, np.exp(mean / 4)], axis=2)
    own = truth[np.arange(2000), data.T]
    y = np.column_stack(
        [rng.random(2000) < own[:, 0], own[:, 1] + rng.normal(size=2000), rng.poisson(own[:, 2])]
    )
    est = MOTTO(outcome=["binary", "continuous", "count"], n_folds=2, random_state=0)
    est.fit(data.X, data.T, y)
    effect = truth[:, 1:] - truth[:, :1]
    error = np.sqrt(((est.effect(data.X) - effect) ** 2).mean(axis=0))
    # of what no effect would miss; a chance of .5 tells least of its mean
    assert (error < [0.75, 0.5, 0.5] * np.sqrt((effect**2).mean(axis=0))).all()
    low, high = est.ate_interval(alpha=0.001)
    truth_ate = effect.mean(axis=0)
    assert ((low < truth_ate) & (truth_ate < high)).all()
    assert est.effect(data.X).shape == (2000, 2, 3)
    assert "y1" in est.summary()


def test_missing_at_random_leaves_averages_right_where_complete_cases_fail():
    settings = {**TINY, "expert_widths": (20,), "head_widths": (20,), "weight_decay": 1.0}
    settings |= {"max_epochs": 40, "n_folds": 3, "activation": "silu", "arm_weight_decay": 0.0}
    errors, complete = [], []
    for seed in range(4):
        data = make_confounded(1500, n_arms=3, overlap="strong", random_state=seed)
        rng = np.random.default_rng(seed)
        other = data.mu[np.arange(1500), data.T] + rng.normal(size=1500)
        # the larger x0 and the smaller the arm, the more often it is seen
        hidden = rng.random(1500) > expit(0.5 + 1.5 * data.X[:, 0] - data.T)
        y = np.column_stack([data.y, np.where(hidden, np.nan, other)])
        result = MOTTO(**settings).fit(data.X, data.T, y).estimate()
        errors.append((result.estimate[1::2] - data.ate) / result.std_error[1::2])
        alone = MOTTO(**settings).fit(data.X[~hidden], data.T[~hidden], other[~hidden]).estimate()
        complete.append((alone.estimate - data.ate) / alone.std_error)
    assert (np.abs(np.mean(errors, axis=0)) < 3 / np.sqrt(4)).all()
    assert np.abs(np.mean(complete, axis=0)).max() > 2


def test_units_of_outcomes_only_scale_their_effects(fitted, data):
    other = MOTTO(**TINY).fit(data.X, data.T, data.y * [1000.0, 1e-3] + [5.0, -7.0])
    for name in ("effect", "effect_interval"):
        own, reference = (getattr(est, name)(data.X) for est in (other, fitted))
        # of effects with a size of about 1, in float32
        np.testing.assert_allclose(np.asarray(own) / [1000.0, 1e-3], reference, atol=2e-3)


def test_warnings_of_the_overlap_name_arms():
    data = make_multi_treatment_outcome(600, overlap="published", random_state=0)
    with pytest.warns(OverlapWarning, match=r"probability of arm\(s\) \[.*'[012]'.*\] is below"):
        MOTTO(**TINY).fit(data.X, data.T, data.y)


# -- bad input ----------------------------------------------------------------------------------


def test_bad_grids_are_refused(data):
    y = data.y.copy()
    y[:, 1] = 3.0
    with pytest.raises(TargetError, match=r"`y` must vary, got the constant 3\.0 in column 'y1'"):
        MOTTO(**TINY).fit(data.X, data.T, y)
    y[:, 1] = np.nan
    with pytest.raises(TargetError, match="observed values in column 'y1', got only NaN"):
        MOTTO(**TINY).fit(data.X, data.T, y)
    y = data.y.copy()
    y[data.T == 2, 1] = np.nan
    with pytest.raises(
        TargetError, match=r"observed values of 'y1' in every arm .* got 0 in arm 2"
    ):
        MOTTO(**TINY).fit(data.X, data.T, y)
    with pytest.raises(TargetError, match=r"`y` must hold 0 and 1 for outcome='binary', got"):
        MOTTO(**TINY, outcome=["binary", "continuous"]).fit(data.X, data.T, data.y)
    many = np.random.default_rng(0).normal(size=(300, 101))
    match = "`y` must have at most as many cells as rows for MOTTO, got 3 arms times 101 outcomes"
    with pytest.raises(TargetError, match=match):
        MOTTO(**TINY).fit(data.X, data.T, many)


def test_experts_that_cannot_serve_are_refused(data):
    none = {f"n_{kind}_experts": 0 for kind in ("global", "treatment_shared", "outcome_shared")}
    with pytest.raises(ValueError, match="must be at least 1, got 0 for all of them"):
        MOTTO(**TINY, **none).fit(data.X, data.T, data.y)
    with pytest.raises(ValueError, match="`alignment` needs `n_treatment_shared_experts`"):
        MOTTO(**TINY, n_treatment_shared_experts=0, alignment="mmd").fit(data.X, data.T, data.y)
    with pytest.raises(ValueError, match="`expert_widths` must name at least 1 layer"):
        MMoE(**{**TINY, "expert_widths": ()}).fit(data.X, data.T, data.y)


def test_the_published_sizes_are_those_of_the_paper(data):
    est = MOTTO.from_paper(max_epochs=2, n_folds=2, random_state=0)
    assert est.get_params()["max_epochs"] == 2
    body = est.fit(data.X, data.T, data.y).theta_net_.ensemble.module.body
    shapes = {name: tuple(p.shape[1:]) for name, p in body.named_parameters()}
    n_experts = 3 + 2 + 1  # of arms, of outcomes, and one for all
    assert shapes["trunk.layers.0.weight"] == (10, 64)
    assert shapes["layers.0.experts.first.layers.0.weight"] == (64, 16 * n_experts)
    assert shapes["layers.0.experts.rest.layers.0.weight"] == (n_experts, 16, 8)
    assert shapes["layers.0.gates.cell.hidden.first.layers.0.weight"] == (64, 4 * 6)
    assert shapes["layers.0.gates.cell.last.weight"] == (6, 4, 3)
    assert shapes["heads.layers.0.weight"] == (6, 8, 16)
    assert shapes["last.weight"] == (6, 16, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_expert_layers": 3, "n_private_experts": 1},
        {"n_cross_layers": 2, "n_outcome_shared_experts": 0},
        {"gate_widths": (4,), "n_global_experts": 0},
    ],
)
def test_every_grid_can_be_fitted(data, settings):
    est = MOTTO(**TINY | settings).fit(data.X, data.T, data.y)
    assert np.isfinite(est.effect_interval(data.X)).all()
    few = MOTTO(**TINY | settings, modifiers=[0, 1]).fit(data.X, data.T, data.y)
    assert np.isfinite(few.effect(data.X)).all()
