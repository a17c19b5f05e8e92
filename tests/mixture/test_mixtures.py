"""Mixtures of experts as estimators: what they promise beside what all estimators do."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from sklcausal._draws import Batch
from sklcausal._funnel import log_odds_within
from sklcausal.datasets import make_confounded, make_multi_treatment_outcome
from sklcausal.exceptions import TargetError
from sklcausal.hyper import HyperTARNet
from sklcausal.meta import SLearner, TLearner
from sklcausal.mixture import MOTTO, MMoE
from sklcausal.nn import Outputs, TaskWeights, arm_discrepancy
from sklcausal.nn._state import weights_by_arm
from sklcausal.representation import FlexTENet, SNet, TARNet

TINY = {
    "expert_widths": (8,),
    "head_widths": (8,),
    "representation_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 0.3,
    "max_epochs": 3,
    "n_folds": 2,
    "random_state": 0,
}


def make_funnel(n, seed=0):
    """Draw visits, purchases within them, and amounts; two arms."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    T = (rng.random(n) < expit(X[:, 0])).astype(int)
    chance = expit(X[:, [0]] + [0.0, 0.7]), expit(-0.5 + X[:, [1]] + [0.0, 0.5])
    received = [own[np.arange(n), T] for own in chance]
    visit = rng.random(n) < received[0]
    buy = visit & (rng.random(n) < received[1])
    spend = 2 + X[:, 2] + T + rng.normal(size=n)
    truth = np.stack([chance[0], chance[0] * chance[1], 2 + X[:, [2]] + [0, 1]], axis=2)
    return SimpleNamespace(X=X, T=T, y=np.column_stack([visit, buy, spend]) * 1.0, mu=truth)


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


def test_weights_are_those_that_the_outputs_use(fitted, data):
    # an expert that is taken away moves a cell by its weight times what it says
    ensemble = fitted.theta_net_.ensemble
    body, z = ensemble.module.body, torch.randn(2, 4, 10)
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
        np.testing.assert_allclose(np.asarray(own) / [1000.0, 1e-3], reference, atol=0.05)


# -- outcomes within others ---------------------------------------------------------------------


def test_log_odds_within_another_outcome():
    rng = np.random.default_rng(0)
    outer, inner = 3 * rng.normal(size=(2, 50))
    found = log_odds_within(torch.as_tensor(outer), torch.as_tensor(inner))
    np.testing.assert_allclose(found, logit(expit(outer) * expit(inner)), rtol=1e-9)
    extreme = log_odds_within(torch.tensor([60.0, -60.0]), torch.tensor([60.0, -60.0]))
    assert torch.isfinite(extreme).all()
    assert extreme[1] == pytest.approx(-120, rel=1e-5)


def test_inner_outcomes_are_never_likelier_than_outer_ones():
    data = make_funnel(400)
    names = {"columns": ["visit", "buy", "spend"]}
    pd = pytest.importorskip("pandas")
    y = pd.DataFrame(data.y, **names)
    est = MOTTO(**TINY, funnel=[("visit", "buy")]).fit(data.X, data.T, y)
    chance = est.potential_outcomes(data.X)
    assert (chance[..., 1] <= chance[..., 0]).all()
    # it starts from the shares of both
    start = est.theta_net_.ensemble.start
    index = start.link(torch.as_tensor(start.constant)).numpy().reshape(2, 2, 3)
    np.testing.assert_allclose(expit(index[:, 0, 0]), data.y[:, 0].mean(), atol=0.05)
    np.testing.assert_allclose(expit(index[:, 0, 1]), data.y[:, 1].mean(), atol=0.05)
    low, high = est.effect_interval(data.X)
    assert np.isfinite(low).all() and np.isfinite(high).all()
    by_position = MOTTO(**TINY, funnel=[(0, 1)]).fit(data.X, data.T, data.y)
    np.testing.assert_array_equal(by_position.effect(data.X), est.effect(data.X))
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.effect(data.X), est.effect(data.X))


def test_averages_within_a_funnel_are_right():
    errors = []
    for seed in range(5):
        data = make_funnel(1500, seed)
        settings = {**TINY, "max_epochs": 40, "n_folds": 3, "weight_decay": 1.0}
        result = MOTTO(**settings, funnel=[(0, 1)]).fit(data.X, data.T, data.y).estimate()
        truth = (data.mu[:, 1] - data.mu[:, 0]).mean(axis=0)
        errors.append((result.estimate - truth) / result.std_error)
    assert (np.abs(np.mean(errors, axis=0)) < 3 / np.sqrt(5)).all()
    assert (np.std(errors, axis=0) < 2.5).all()


def test_a_funnel_of_three_outcomes_follows_its_order():
    data = make_funnel(300)
    last = data.y[:, 1] * (data.X[:, 0] > 0)
    y = np.column_stack([last, data.y[:, 1], data.y[:, 0]])
    est = MMoE(**TINY, funnel=[(1, 0), (2, 1)]).fit(data.X, data.T, y)
    assert est.funnel_ == ((2, 1), (1, 0))
    chance = est.potential_outcomes(data.X)
    assert (np.diff(chance, axis=2) >= 0).all()


@pytest.mark.parametrize(
    ("funnel", "match"),
    [
        (["visit"], r"`funnel` must hold pairs of an outcome .* got 'visit'"),
        ([(0, 5)], r"`funnel` must be a position from 0 to 2 or one of \['y0', .* got 5"),
        ([("visits", 1)], r"`funnel` must be a position .* got 'visits'"),
        ([(0, 2)], r"`funnel` must name binary outcomes, got 'y2', which is continuous"),
        ([(0, 1), (1, 0)], r"`funnel` says that 'y0' happens only within 'y1', but `y` has"),
        ([(0, 1), (0, 1)], r"`funnel` must name one outcome within which 'y1' happens, got"),
        ([(1, 1)], r"`funnel` must not lead an outcome to itself, got \['y1'\]"),
    ],
)
def test_a_funnel_that_cannot_be_is_refused(funnel, match):
    data = make_funnel(100)
    with pytest.raises(ValueError, match=match):
        MOTTO(**TINY, funnel=funnel).fit(data.X, data.T, data.y)


# -- task weights ---------------------------------------------------------------------------------


def module_with(value, n_outcomes=2):
    weights = TaskWeights(1, n_outcomes)
    weights.value.data[:] = torch.tensor(value)
    layer = SimpleNamespace(weight=torch.nn.Parameter(torch.tensor([[[1.0], [2.0]]])))
    trunk = SimpleNamespace(own_layers=[layer])
    return SimpleNamespace(
        body=SimpleNamespace(task_weights=weights, trunk=trunk), theta=lambda: torch.zeros(1, 1, 2)
    ), layer.weight


def test_uncertainty_weights_equal_longhand():
    from sklcausal._task_weights import uncertainty_weights

    losses = torch.tensor([[2.0, 3.0]])
    module, _ = module_with([0.5, -1.0])
    own = uncertainty_weights(lambda out, batch: losses)(module, None, None, 0)
    total = own + losses.sum(-1)
    wanted = np.exp(-0.5) * 2 + 0.25 + np.exp(1.0) * 3 - 0.5
    assert total.item() == pytest.approx(wanted, rel=1e-6)


def test_gradient_weights_equal_longhand():
    from sklcausal._task_weights import ASYMMETRY, gradient_weights

    module, shared = module_with([0.3, -0.2])

    def losses(out, batch):
        if out.theta.abs().sum() == 0:  # at the start
            return torch.tensor([[4.0, 10.0]])
        a, b = shared[0, :, 0]
        return torch.stack([a**2 + 0 * b, 5 * b + a]).unsqueeze(0)

    out = Outputs(torch.ones(1, 3, 2), None, None)
    penalty = gradient_weights(losses)(module, out, None, 0)
    value = module.body.task_weights.value
    penalty.sum().backward()
    v = np.array([0.3, -0.2])
    w = 2 * np.exp(v) / np.exp(v).sum()
    loss, norm = np.array([1.0, 11.0]), np.array([2.0, np.sqrt(26.0)])
    rate = (loss / [4.0, 10.0]) / (loss / [4.0, 10.0]).mean()
    target = (w * norm).mean() * rate**ASYMMETRY
    # the weights learn by the imbalance alone: dw/dv of a softmax times sign times norm
    jacobian = np.diag(w) - np.outer(w, w) / 2
    wanted = jacobian @ (np.sign(w * norm - target) * norm)
    np.testing.assert_allclose(value.grad[0].numpy(), wanted, rtol=1e-5)
    # and the network by the weighted losses, of which the objective holds the plain sum
    np.testing.assert_allclose(
        shared.grad[0, :, 0].numpy(), (w - 1) @ np.array([[2.0, 0.0], [1.0, 5.0]]), rtol=1e-5
    )


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm"])
def test_task_weights_are_learned_and_spare_nothing_else(data, weighting):
    y = data.y.copy()
    y[:, 1] = np.random.default_rng(0).normal(size=300)  # nothing to be learned
    settings = {**TINY, "max_epochs": 40, "lr": 0.02, "task_weighting": weighting}
    est = MOTTO(**settings).fit(data.X, data.T, y)
    value = est.theta_net_.ensemble.weights()["body.task_weights.value"]
    assert value.shape == (2, 2)
    assert (value[:, 0] != value[:, 1]).all()
    if weighting == "uncertainty":
        assert (value[:, 1] > value[:, 0]).all()
    plain = MOTTO(**{**settings, "task_weighting": None}).fit(data.X, data.T, y)
    assert "body.task_weights.value" not in plain.theta_net_.ensemble.weights()
    with pytest.raises(ValueError, match="`representation_widths` must name at least 1 layer"):
        MOTTO(**{**TINY, "task_weighting": "gradnorm", "representation_widths": ()}).fit(
            data.X, data.T, y
        )


# -- how far arms lie apart -----------------------------------------------------------------------


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


# -- averages of means of all cells -------------------------------------------------------------


def test_profit_is_a_function_of_cells(fitted, data):
    profit = fitted.estimate(lambda mean: 3 * mean[1, 0] - mean[2, 1], of="means")
    cells = fitted.engine_.cells()
    psi = cells.psi.reshape(300, 3, 2)
    values = 3 * psi[:, 1, 0] - psi[:, 2, 1]
    assert profit.estimate[0] == pytest.approx(values.mean(), rel=1e-9)
    assert profit.std_error[0] == pytest.approx(values.std() / np.sqrt(300), rel=0.01)
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
    data = make_funnel(300)
    est = MOTTO(**TINY).fit(data.X, data.T, data.y)
    found = est.estimate(lambda mean: 60 * (mean[1, 1] - mean[0, 1]), of="means")
    assert found.estimate[0] == pytest.approx(60 * est.ate()[0, 1], rel=1e-9)
    one = TARNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y[:, 0])
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
    match = "`y` must have fewer cells than rows for MOTTO, got 3 arms times 101 outcomes for 300"
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
