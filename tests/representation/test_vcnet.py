"""VCNet against longhand NumPy and SciPy's splines, and on responses whose truth is known."""

# SPDX-License-Identifier: BSD-3-Clause

import copy
import pickle

import numpy as np
import pytest
import torch
from _longhand import silu
from scipy.interpolate import CubicSpline
from scipy.special import expit, softmax

from sklcausal._draws import Batch
from sklcausal.exceptions import TargetError
from sklcausal.representation import TARNet, VCNet
from sklcausal.representation._vcnet import spread_over_pieces

SMALL = {
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
    "max_epochs": 2,
    "n_folds": 2,
    "representation_widths": (6, 5),
    "head_widths": (4, 3),
    "density_widths": (4,),
    "n_knots": 5,
    "n_pieces": 2,
}
FAST = {"numeric_encoding": None, "weight_decay": 0.3, "random_state": 0}
FAST |= {"max_epochs": 40, "n_folds": 3, "lr": 0.01}


def weights(est):
    return est.theta_net_.ensemble.weights()


def knots_of(dose):
    return np.quantile(dose, np.linspace(0.05, 0.95, 5))


def quadratic_splines(x, n_pieces):
    """Evaluate quadratic B-splines at one place by the recursion of Cox and de Boor."""
    knots = [0.0, 0.0, *np.linspace(0, 1, n_pieces + 1), 1.0, 1.0]
    last = min(int(x * n_pieces), n_pieces - 1) + 2  # the piece that holds x, with its right end
    values = [float(j == last) for j in range(n_pieces + 4)]
    for degree in (1, 2):
        for j in range(n_pieces + 4 - degree):
            up, down = knots[j + degree] - knots[j], knots[j + degree + 1] - knots[j + 1]
            rising = (x - knots[j]) / up * values[j] if up else 0.0
            falling = (knots[j + degree + 1] - x) / down * values[j + 1] if down else 0.0
            values[j] = rising + falling
    return values[: n_pieces + 2]


# -- splines of the weights ------------------------------------------------------------------


@pytest.mark.parametrize("n_pieces", [1, 2, 5])
def test_pieces_are_quadratic_splines(n_pieces):
    share = np.linspace(0, 1, 41).reshape(1, 41)
    found = spread_over_pieces(share, n_pieces)
    assert found.shape == (1, 41, n_pieces + 2)
    expected = [quadratic_splines(x, n_pieces) for x in share[0]]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-12)
    ends = np.eye(n_pieces + 2)[[0, 0, -1, -1]]  # which hold beyond, too
    at_ends = spread_over_pieces(np.array([-0.3, 0.0, 1.0, 1.7]), n_pieces)
    np.testing.assert_allclose(at_ends, ends, atol=1e-12)


# -- outcomes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    """A continuous outcome and a binary one; weights that differ much between the knots."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 3))
    dose = 20 + 3 * X[:, 0] + 2 * rng.normal(size=160)
    y = np.column_stack([4 * X[:, 1] + dose, rng.uniform(size=160) < expit(dose - 20)])
    est = VCNet(**SMALL, density_weight=0.6, targeted_weight=1.7).fit(X, dose, y)
    module, generator = est.theta_net_.ensemble.module, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in module.body.varying:
            for p in part.parameters():
                p += 0.5 * torch.randn(p.shape, generator=generator)
        module.body.density_head.last.weight *= 30
        module.body.epsilon += 0.3 * torch.randn(module.body.epsilon.shape, generator=generator)
    return est, X, dose


def encoded(est, k, X):
    encoding = est.theta_net_.ensemble.encoding
    return (X * encoding.scale[k] + encoding.shift[k]) * weights(est)["encoder.gate"][k]


def representation(est, k, X):
    z, w = encoded(est, k, X), weights(est)
    for i in range(2):
        z = silu(z @ w[f"body.trunk.layers.{i}.weight"][k] + w[f"body.trunk.layers.{i}.bias"][k])
    return z


def answers(est, X, dose):
    """Compute the network's answers at the knots, members outside: (2, n, n_knots, 2)."""
    w, knots = weights(est), knots_of(dose)
    found = np.zeros((2, len(X), 5, 2))
    for k in range(2):
        shared = representation(est, k, X)
        for j, knot in enumerate(knots):
            share = quadratic_splines((knot - knots[0]) / (knots[-1] - knots[0]), 2)
            h = shared
            for i, (n_in, n_out) in enumerate([(5, 4), (4, 3), (3, 2)]):
                weight = (share @ w[f"body.varying.{i}.weight"][k]).reshape(n_in, n_out)
                h = h @ weight + share @ w[f"body.varying.{i}.bias"][k]
                h = silu(h) if i < 2 else h
            found[k, :, j] = h
    return found


def indices(est, X, dose):
    """Bring the answers to outcome units, the second to the scale of logits."""
    units, start = est.theta_net_.units, est.theta_net_.ensemble.start
    moved = answers(est, X, dose) + start.constant[:, None, None, :2]
    return units.y_loc[:, None, None] + units.y_scale[:, None, None] * moved


def at_doses(est, parameters, points):
    """Evaluate the splines whose coefficients a row's parameters are: (n, n_points, 2)."""
    columns = est.model_.basis_(torch.as_tensor(points)[:, None]).numpy()
    parts = parameters.reshape(len(parameters), 5, 2)
    return parts[:, None, 0] + np.einsum("pc,ncm->npm", columns, parts[:, 1:])


def test_parameters_are_a_spline_through_the_answers_at_the_knots(fitted):
    est, X, dose = fitted
    knots, expected = knots_of(dose), indices(est, X, dose).mean(axis=0)
    assert np.abs(np.diff(expected, axis=1)).mean(axis=(0, 1)).min() > 0.1
    found = at_doses(est, est.parameters(X), knots)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_mean_outcomes_are_a_natural_spline_linear_beyond_the_knots(fitted):
    est, X, dose = fitted
    knots = knots_of(dose)
    spline = CubicSpline(knots, indices(est, X, dose), axis=2, bc_type="natural")
    ends = knots[[0, -1]]
    values, slopes = spline(ends), spline(ends, 1)

    def means(t):
        index = spline(t)
        if t < ends[0] or t > ends[1]:
            end = int(t > ends[1])
            index = values[:, :, end] + (t - ends[end]) * slopes[:, :, end]
        return np.stack([index[..., 0], expit(index[..., 1])], axis=-1).mean(axis=0)

    points = [*knots[1:], *(knots[:-1] + 0.3 * np.diff(knots)), knots[0] - 4, knots[-1] + 7]
    for t in points:
        effect = est.effect(X, T0=knots[0], T1=t)[:, 0]
        np.testing.assert_allclose(effect, means(t) - means(knots[0]), rtol=1e-4, atol=2e-4)


def test_binary_outcomes_stay_probabilities(fitted):
    est, X, _ = fitted
    assert 0.4 < np.abs(est.effect(X, T0=-500.0, T1=500.0)[..., 1]).max() <= 1
    curve = est.dose_response(np.linspace(12, 28, 5))
    low, high = curve.conf_int()
    assert low.reshape(5, 2)[:, 1].min() >= 0
    assert high.reshape(5, 2)[:, 1].max() <= 1
    low, high = est.effect_interval(X, T0=15.0, T1=25.0)
    assert -1 <= low[..., 1].min() < high[..., 1].max() <= 1


# -- density and targeting -------------------------------------------------------------------


def heights(est, k, X):
    """Compute the densities at eleven even doses between the outer knots."""
    h, w = representation(est, k, X), weights(est)
    layer = "body.density_head.hidden.layers.0"
    h = silu(h @ w[f"{layer}.weight"][k] + w[f"{layer}.bias"][k])
    h = h @ w["body.density_head.last.weight"][k] + w["body.density_head.last.bias"][k]
    return 11 * softmax(h, axis=1)


def density_by_hand(est, k, X, share):
    every = heights(est, k, X)
    return np.array(
        [np.interp(s, np.linspace(0, 1, 11), h) for s, h in zip(share, every, strict=True)]
    )


def shared_of(est, X):
    module = est.theta_net_.ensemble.module
    x = torch.as_tensor(X, dtype=torch.float32).expand(est.n_folds, -1, -1)
    return module, module(x).representation


def test_density_equals_longhand(fitted):
    est, X, _ = fitted
    module, shared = shared_of(est, X)
    share = np.random.default_rng(1).uniform(-0.2, 1.2, size=160)
    share[:3] = 0.0, 1.0, 0.1
    given = torch.as_tensor(share, dtype=torch.float32).expand(2, -1)
    found = module.body.density(shared, given).detach().numpy()
    expected = [density_by_hand(est, k, X, share) for k in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.ptp(expected) > 1


def test_density_integrates_to_one(fitted):
    est, X, _ = fitted
    module, shared = shared_of(est, X)
    # doses beyond the outer knots count as those of half a bin at either end
    grid = torch.linspace(-0.0495, 1.0495, 1100)
    values = [module.body.density(shared, s.expand(2, 160)).detach() for s in grid]
    np.testing.assert_allclose(torch.stack(values).mean(0), 1, atol=1e-4)


def draw_batch(est, dose, n=40):
    """Rows that differ between members, some of them padding."""
    rng = np.random.default_rng(0)
    X = est.theta_net_.ensemble._tensor(rng.normal(size=(2, n, 3)))
    t = rng.uniform(dose.min(), dose.max(), size=(2, n, 1))
    y = np.stack([rng.normal(size=(2, n)), rng.integers(0, 2, (2, n))], axis=2)
    w = rng.uniform(0.2, 2, (2, n))
    w[:, -3:] = 0
    t, y, w = (torch.tensor(a, dtype=torch.float32) for a in (t, y, w))
    return Batch(X, (t, y, w, (w > 0).sum(1)))


def test_losses_of_density_and_targeting_equal_longhand(fitted):
    est, _, dose = fitted
    batch, module = draw_batch(est, dose), est.theta_net_.ensemble.module
    out, knots, expected = module(batch.X), knots_of(dose), []
    for k in range(2):
        X, t, y, w = (a[k].numpy().astype(float) for a in (batch.X, batch.t, batch.y, batch.w))
        share = ((t - knots[0]) / (knots[-1] - knots[0]))[:, 0]
        density = density_by_hand(est, k, X, share)
        epsilon = weights(est)["body.epsilon"][k]
        bends = [quadratic_splines(np.clip(s, 0, 1), 2) for s in share]
        step = np.array(bends) @ epsilon / np.maximum(density, 0.05)[:, None]
        index = at_doses(est, out.theta[k].detach().numpy().astype(float), t[:, 0])
        index = index[np.arange(40), np.arange(40)] + step
        squared = 0.5 * (y[:, 0] - index[:, 0]) ** 2
        deviance = np.log1p(np.exp(index[:, 1])) - y[:, 1] * index[:, 1]
        rows = 0.6 * -np.log(density) + 1.7 * (squared + deviance)
        expected.append(w @ rows / 37)
        assert density.min() < 0.05
        assert ((share < 0) | (share > 1)).sum() > 5
    found = est._penalty()(module, out, batch, 0).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_penalty_is_off_without_weights(fitted):
    est, _, dose = fitted
    est, losses = copy.copy(est).set_params(density_weight=0.0, targeted_weight=0.0), []
    assert est._penalty() is None
    batch, module = draw_batch(est, dose), est.theta_net_.ensemble.module
    for density, targeted in ((0.6, 1.7), (0.6, 0.0), (0.0, 1.7)):
        est.set_params(density_weight=density, targeted_weight=targeted)
        losses.append(est._penalty()(module, module(batch.X), batch, 0).tolist())
    np.testing.assert_allclose(losses[0], np.add(*losses[1:]), rtol=1e-5)


# -- what it promises ------------------------------------------------------------------------


def bend(t):
    return 2 * np.cos(t)


@pytest.fixture(scope="module")
def bending():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 3))
    dose = 0.6 * X[:, 0] + rng.normal(size=700)
    y = bend(dose) * (1 + 0.5 * X[:, 1]) + X[:, 0] + 0.5 * rng.normal(size=700)
    return VCNet(**FAST, n_knots=6).fit(X, dose, y), X, dose, y


def error(est, X, t):
    effect = (bend(t) - bend(0)) * (1 + 0.5 * X[:, 1])
    return np.sqrt(np.mean((est.effect(X, T0=0.0, T1=t) - effect) ** 2))


def test_bending_responses_are_recovered(bending):
    est, X, dose, y = bending
    plain = TARNet(**FAST).fit(X, dose, y)
    for t in (-1.5, -0.8, 1.0, 1.5):
        assert error(est, X, t) < 0.4
        assert error(est, X, t) < 0.3 * error(plain, X, t)


def test_dose_response_holds_the_truth(bending):
    est, X, _, _ = bending
    points = np.array([-1.5, -0.8, 0.0, 1.0, 1.5])
    low, high = est.dose_response(points).conf_int()
    truth = bend(points) * (1 + 0.5 * X[:, 1].mean()) + X[:, 0].mean()
    np.testing.assert_array_equal((low < truth) & (truth < high), True)
    assert (high - low).max() < 1.5  # means spread over 4


def test_density_tells_doses_by_x(bending):
    est, X, _, _ = bending
    module, shared = shared_of(est, X[:300])
    dose = 0.6 * X[:300, 0] + np.random.default_rng(1).normal(size=300)  # another draw
    share = torch.as_tensor(est._share(dose), dtype=torch.float32)
    # of each dose given the x of others, too: their mean does not know x
    by_row = torch.stack([module.body.density(shared, s.expand(3, 300)) for s in share])
    own = by_row.diagonal(dim1=0, dim2=2)
    gain = (own.log() - by_row.mean(-1).T.log()).mean(-1)
    assert gain.min() > 0.08  # of log(1.36) / 2 = 0.15 that x tells


def test_weights_start_nearly_alike_for_all_doses():
    X = np.random.default_rng(0).normal(size=(60, 3))
    est = VCNet(**{**SMALL, "lr": 1e-9, "head_widths": (50, 50)}).fit(X, X[:, 0], X[:, 1])
    start = weights(est)["body.varying.1.weight"] * np.sqrt(3 * 50)
    assert start.std() == pytest.approx(1, abs=0.05)
    assert start.std(axis=1, ddof=1).mean() == pytest.approx(0.1, abs=0.02)


def test_targeting_is_learned():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(100, 3)), rng.normal(size=100)
    est = VCNet(**{**SMALL, "max_epochs": 5}, targeted_weight=1.0).fit(X, dose, X[:, 0] + dose)
    assert np.abs(weights(est)["body.epsilon"]).min() > 1e-4
    est = VCNet(**SMALL).fit(X, dose, X[:, 0] + dose)
    assert not weights(est)["body.epsilon"].any()


def test_member_never_sees_its_fold():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(128, 3))
    dose = np.round(16 * (X[:, 0] + rng.normal(size=128))) / 16  # whose sums are exact
    y = X[:, 0] + dose**2 + rng.normal(size=128)
    settings = {**SMALL, "n_folds": 4, "max_epochs": 6, "targeted_weight": 1.0}
    est = VCNet(**settings).fit(X, dose, y)
    own, (X, dose, y) = est.folds_ == 1, (a.copy() for a in (X, dose, y))
    X[own] += rng.normal(size=(32, 3))
    dose[own] = rng.permutation(dose[own])  # knots are those of all doses
    y[own] = 3 * y[own] + 10
    other = VCNet(**settings).fit(X, dose, y)
    np.testing.assert_array_equal(est.folds_, other.folds_)
    for name, before in weights(est).items():
        after = weights(other)[name]
        np.testing.assert_array_equal(before[1], after[1], err_msg=name)
        assert not np.array_equal(before[[0, 2, 3]], after[[0, 2, 3]])


def test_pickled_copies_say_the_same(fitted):
    est, X, _ = fitted
    again = pickle.loads(pickle.dumps(est))
    for t in (15.0, 24.0):
        np.testing.assert_array_equal(again.effect(X, T0=20.0, T1=t), est.effect(X, T0=20.0, T1=t))
    curves = [own.dose_response([15.0, 24.0]) for own in (again, est)]
    np.testing.assert_array_equal(*(np.array(own.conf_int()) for own in curves))


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["discrete", "simultaneous"])
def test_other_treatments_are_refused_with_a_way_out(kind):
    X = np.random.default_rng(0).normal(size=(60, 3))
    T = np.arange(60) % 2 if kind == "discrete" else X[:, :2]
    with pytest.raises(TargetError, match=f"dose for VCNet, but was read as {kind}; .*TARNet"):
        VCNet(**SMALL, treatment_type=kind).fit(X, T, X[:, 0])


@pytest.mark.parametrize(
    "params, message",
    [
        ({"n_knots": 2}, r"'n_knots' parameter of VCNet must be an int in the range \[3, inf\)"),
        ({"n_pieces": 0}, r"'n_pieces' parameter of VCNet must be an int in the range \[1, inf\)"),
        ({"density_weight": -1}, r"'density_weight' parameter of VCNet must .*\[0.*, inf\)"),
        ({"density_widths": (0,)}, "`density_widths` must hold integers of at least 1"),
        ({"representation_widths": ()}, "`representation_widths` must name at least 1 layer"),
        ({"modifiers": [0]}, "`modifiers` must be None for VCNet.*use TARNet"),
    ],
)
def test_bad_settings(params, message):
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match=message):
        VCNet(**{**SMALL, **params}).fit(X, X[:, 0], X[:, 1])


def test_doses_whose_quantiles_coincide():
    X = np.random.default_rng(0).normal(size=(40, 3))
    dose = np.where(X[:, 0] < 1, 0.5, X[:, 0])
    with pytest.raises(TargetError, match=r"more than 5 well spread values .* use fewer knots"):
        VCNet(**SMALL).fit(X, dose, X[:, 1])
