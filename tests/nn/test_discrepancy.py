"""Distances between arms, against longhand NumPy and linear programming."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from sklcausal.nn import _discrepancy
from sklcausal.nn._discrepancy import arm_discrepancy, reverse_gradient

KINDS = ("energy", "mmd", "wasserstein")
EXACT = (*np.geomspace(1, 0.1, 10), *(0.1,) * 400)  # strengths that leave no error


def draw(n_arms, n_members=2, n=12, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, n_arms, (n_members, n))
    t[:, :n_arms] = np.arange(n_arms)
    phi = rng.normal(size=(n_members, n, 3)) * [1, 0.5, 2] + 0.7 * t[:, :, None]
    return phi.astype(dtype), t, rng.uniform(0.2, 2, (n_members, n)).astype(dtype)


def measure(phi, t, w, n_arms, kind):
    """Values, and the gradient of their sum."""
    phi = torch.tensor(phi, requires_grad=True)
    value = arm_discrepancy(phi, torch.as_tensor(t), torch.as_tensor(w), n_arms, kind)
    (gradient,) = torch.autograd.grad(value.sum(), phi)
    return value.detach().numpy(), gradient.numpy()


# -- longhand, for one member --------------------------------------------------------------


def between(x, y):
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2))


def longhand_energy(x, a, y, b, scale):
    return 2 * a @ between(x, y) @ b - a @ between(x, x) @ a - b @ between(y, y) @ b


def longhand_mmd(x, a, y, b, scale):
    xx, xy, yy = (np.exp(-(between(*pair) ** 2) / scale) for pair in ((x, x), (x, y), (y, y)))
    return a @ xx @ a + b @ yy @ b - 2 * a @ xy @ b


def longhand_sinkhorn(x, a, y, b, scale):
    """Dual of the regularised transport, both potentials in turn until they rest."""

    def least(cost, a, b):
        f, g = np.zeros(len(a)), np.zeros(len(b))
        for _ in range(400):
            f = -scale * np.log(np.exp((g - cost) / scale) @ b)
            g = -scale * np.log(np.exp((f - cost.T) / scale) @ a)
        return a @ f + b @ g

    own = least(between(x, x), a, a) + least(between(y, y), b, b)
    return least(between(x, y), a, b) - own / 2


LONGHAND = {"energy": longhand_energy, "mmd": longhand_mmd, "wasserstein": longhand_sinkhorn}


def longhand_scale(kind, phi, t, w, arm):
    """What the gradient takes as given: the bandwidth, or the strength of the entropy."""
    p = w / w.sum()
    if kind == "mmd":
        return p @ between(phi, phi) ** 2 @ p
    own, rest = w * (t == arm), w * (t != arm)
    return 0.1 * own @ between(phi, phi) @ rest / (own.sum() * rest.sum())


def longhand(kind, phi, t, w, n_arms, scales=None, distance=None):
    values = []
    for arm in range(n_arms):
        own = t == arm
        scale = longhand_scale(kind, phi, t, w, arm) if scales is None else scales[arm]
        a, b = w[own] / w[own].sum(), w[~own] / w[~own].sum()
        values.append((distance or LONGHAND[kind])(phi[own], a, phi[~own], b, scale))
    return np.mean(values)


@pytest.mark.parametrize("n_arms", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_longhand(kind, n_arms, monkeypatch):
    monkeypatch.setattr(_discrepancy, "STRENGTHS", EXACT)
    monkeypatch.setattr(_discrepancy, "SELF_ITERATIONS", 20)
    phi, t, w = draw(n_arms)
    values, _ = measure(phi, t, w, n_arms, kind)
    expected = [longhand(kind, phi[k], t[k], w[k], n_arms) for k in range(2)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def linear_program(x, a, y, b, scale):
    """Cost of the optimal transport without entropy."""
    of_a, of_b = np.eye(len(a)), np.eye(len(b))
    sums = np.vstack([np.kron(of_a, np.ones(len(b))), np.kron(np.ones(len(a)), of_b)])
    return linprog(between(x, y).ravel(), A_eq=sums, b_eq=[*a, *b]).fun


@pytest.mark.parametrize("n_arms", [2, 3])
def test_wasserstein_nears_the_linear_program(n_arms, monkeypatch):
    # the entropy costs about its strength: half of 1 percent
    monkeypatch.setattr(_discrepancy, "STRENGTHS", (*np.geomspace(1, 0.005, 20), *(0.005,) * 400))
    phi, t, w = draw(n_arms)
    values, _ = measure(phi, t, w, n_arms, "wasserstein")
    expected = [
        longhand("wasserstein", phi[k], t[k], w[k], n_arms, distance=linear_program)
        for k in range(2)
    ]
    np.testing.assert_allclose(values, expected, rtol=0.01)


@pytest.mark.parametrize("clusters", [False, True])
def test_few_iterations_come_near_the_limit(clusters, monkeypatch):
    phi, t, w = draw(3, n_members=20, n=40, dtype=np.float32)
    if clusters:
        # the arms differ in their shares of two clusters, so mass has to go a long way
        far = np.random.default_rng(1).uniform(size=t.shape) < 0.3 + 0.2 * t
        phi = 0.2 * phi + 5 * far[:, :, None].astype(np.float32)
    few, slope = measure(phi, t, w, 3, "wasserstein")
    monkeypatch.setattr(_discrepancy, "STRENGTHS", EXACT)
    monkeypatch.setattr(_discrepancy, "SELF_ITERATIONS", 20)
    limit, limit_slope = measure(phi, t, w, 3, "wasserstein")
    mean = np.mean([between(x, x).mean() for x in phi])
    np.testing.assert_allclose(few, limit, atol=(0.02 if clusters else 0.001) * mean)
    off = np.linalg.norm(slope - limit_slope) / np.linalg.norm(limit_slope)
    assert off < (0.11 if clusters else 0.03)


@pytest.mark.parametrize("n_arms", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_equals_finite_differences(kind, n_arms, monkeypatch):
    monkeypatch.setattr(_discrepancy, "STRENGTHS", EXACT)
    monkeypatch.setattr(_discrepancy, "SELF_ITERATIONS", 20)
    phi, t, w = draw(n_arms, n_members=1, n=9)
    _, gradient = measure(phi, t, w, n_arms, kind)
    scales = [longhand_scale(kind, phi[0], t[0], w[0], arm) for arm in range(n_arms)]
    for i, j in ((0, 0), (1, 2), (4, 1), (8, 0)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = phi[0].copy()
            moved[i, j] += step
            ends.append(longhand(kind, moved, t[0], w[0], n_arms, scales))
        np.testing.assert_allclose(gradient[0, i, j], (ends[0] - ends[1]) / 2e-5, rtol=1e-4)


# -- what must not matter ------------------------------------------------------------------


def same(left, right, rtol=1e-9):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())


@pytest.mark.parametrize("kind", KINDS)
def test_members_do_not_matter_to_each_other(kind):
    phi, t, w = draw(3, n_members=4)
    w[1:, 15:] = 0  # others of other sizes
    w[2, t[2] == 1] = 0
    w[3] = 0
    phi[1] *= 1e4
    values, gradients = measure(phi, t, w, 3, kind)
    for k in range(4):
        same(
            measure(phi[k : k + 1], t[k : k + 1], w[k : k + 1], 3, kind),
            (values[k : k + 1], gradients[k : k + 1]),
        )


@pytest.mark.parametrize("filling", [0.0, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_matter(kind, filling):
    phi, t, w = draw(3)
    plain = measure(phi, t, w, 3, kind)
    phi, t, w = (np.concatenate([v, v[:, :5]], axis=1) for v in (phi, t, w))
    phi[:, -5:], w[:, -5:] = filling, 0
    value, gradient = measure(phi, t, w, 3, kind)
    same((value, gradient[:, :-5]), plain)
    assert not gradient[:, -5:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_rows_does_not_matter(kind):
    phi, t, w = draw(3)
    order = np.random.default_rng(1).permutation(t.shape[1])
    value, gradient = measure(phi, t, w, 3, kind)
    moved = measure(phi[:, order], t[:, order], w[:, order], 3, kind)
    same(moved, (value, gradient[:, order]))


@pytest.mark.parametrize("kind", KINDS)
def test_origin_does_not_matter(kind):
    phi, t, w = draw(3)
    value, gradient = measure(phi, t, w, 3, kind)
    same(measure(phi + [5, 0, -50], t, w, 3, kind), (value, gradient))
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_arms_do_not_matter(kind):
    phi, t, w = draw(3)
    same(measure(phi, (t + 1) % 3, w, 3, kind), measure(phi, t, w, 3, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_count_rows(kind):
    phi, t, _ = draw(2, n_members=1)
    counts = np.random.default_rng(1).integers(1, 4, t.shape[1])
    weighted, pull = measure(phi, t, 0.1 * counts[None], 2, kind)
    rows = np.repeat(np.arange(t.shape[1]), counts)
    ones = np.ones((1, len(rows)))
    repeated, pulls = measure(phi[:, rows], t[:, rows], ones, 2, kind)
    summed = np.add.reduceat(pulls[0], np.cumsum(counts) - counts)
    same((repeated, summed[None]), (weighted, pull))


# -- arms that are missing or equal, and the scale -----------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_arm_that_is_missing(kind):
    phi, t, w = draw(3)
    t[0], w[1] = 2 * (t[0] > 0), w[1] * (t[1] != 1)  # by its codes or its weights
    value, gradient = measure(phi, t, w, 3, kind)
    pair, pull = measure(phi, (t == 2).astype(int), w, 2, kind)
    # with few iterations, it matters a little which arm sends its mass first
    same((value, gradient), (pair, pull), 0.03 if kind == "wasserstein" else 1e-9)


@pytest.mark.parametrize("n_arms", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_two_arms_have_no_distance(kind, n_arms):
    phi, t, w = draw(n_arms, n_members=3, dtype=np.float32)
    w[0, t[0] != 0], w[1] = 0, 0
    value, gradient = measure(phi, t, w, n_arms, kind)
    assert not value[:2].any() and not gradient[:2].any()
    assert (value[2] > 0) == (n_arms > 1)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_arms_have_no_distance(kind):
    phi, t, w = draw(2, dtype=np.float32)
    phi, w = (np.concatenate([v, v[:, ::-1]], axis=1) for v in (phi + 50, w))
    t = np.repeat([[0, 1], [1, 0]], 12, axis=1)
    value, gradient = measure(phi, t, w, 2, kind)
    np.testing.assert_allclose(value, 0, atol=1e-3 if kind == "wasserstein" else 1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-2 if kind == "wasserstein" else 1e-6)
    collapsed = measure(np.ones_like(phi), t, w, 2, kind)
    for part in collapsed:
        np.testing.assert_allclose(part, 0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_the_representation(kind):
    phi, t, w = draw(3, dtype=np.float32)
    value, gradient = measure(phi, t, w, 3, kind)
    for c in (1e4, 1e-6):
        power = 0 if kind == "mmd" else 1
        scaled = measure(np.float32(c) * phi, t, w, 3, kind)
        same(scaled, (value * c**power, gradient * c ** (power - 1)), 1e-3)


@pytest.mark.parametrize("strength", [1e-1, 1e-3, 1e-9])
def test_little_entropy_and_an_outlier_stay_finite(strength, monkeypatch):
    monkeypatch.setattr(_discrepancy, "STRENGTHS", (1.0, strength, strength))
    phi, t, w = draw(2, n=500, dtype=np.float32)
    phi[:, 0], w[:, 1] = 1e6, 1e-30
    w[:, 0] = 0.5
    for codes in (t, 1 - t):
        value, gradient = measure(phi, codes, w, 2, "wasserstein")
        assert np.isfinite(value).all() and np.isfinite(gradient).all()
        # the outlier alone is all but all of the distance
        far = 1e6 * 3**0.5 * w[:, 0] / (w * (t == t[:, :1])).sum(axis=1)
        np.testing.assert_allclose(value, far, rtol=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_descent_brings_arms_together(kind):
    phi, t, w = (torch.as_tensor(v) for v in draw(2, n=60, dtype=np.float32))
    shift = torch.full((2, 1, 3), 1.5, requires_grad=True)
    values = []
    for _ in range(60):
        moved = phi + t.unsqueeze(2) * shift
        value = arm_discrepancy(moved, t, w, 2, kind)
        (gradient,) = torch.autograd.grad(value.sum(), shift)
        values.append(value.detach())
        shift.data -= 0.1 * gradient / gradient.norm(dim=2, keepdim=True)
    is_arm = [w * (t == arm) for arm in (0, 1)]
    means = [torch.einsum("mn,mnd->md", a, moved) / a.sum(dim=1, keepdim=True) for a in is_arm]
    # they start 2.2 apart in each feature
    np.testing.assert_allclose(means[0].detach(), means[1].detach(), atol=0.5)
    assert (values[-1] < values[0] / 2).all()


def test_an_unknown_kind_is_refused():
    phi, t, w = (torch.as_tensor(v) for v in draw(2))
    with pytest.raises(ValueError, match=r"`kind` must be one of \['energy', .*, got 'tv'"):
        arm_discrepancy(phi, t, w, 2, "tv")


@pytest.mark.parametrize("factor", [0.0, 0.3, 1e4])
def test_reversed_gradient(factor):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = reverse_gradient(x, factor)
    assert torch.equal(out, x)
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    torch.testing.assert_close(gradient, -factor * 2 * x.detach())
