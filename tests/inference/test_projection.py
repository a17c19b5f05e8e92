"""Projection of the signal against longhand least squares, and what its intervals promise."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._projection import Projection, plan_features
from sklcausal.inference._splines import AdditiveSplines, natural_cubic
from sklcausal.representation import TARNet

FOLDS = [np.arange(0, 150), np.arange(150, 400)]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    learned = [
        np.column_stack([np.tanh(X[:, 0]), X[:, 1], X[:, 1] * 1e-9]),
        np.column_stack([X[:, 2] ** 2, np.sin(X[:, 0])]),
    ]
    psi = np.column_stack([X[:, 0] + rng.normal(size=400), rng.normal(size=400)])
    return X, learned, psi, rng.uniform(0.5, 1.5, size=400)


def fit(rows, cluster=None, n_splines=8, n_learned=3):
    X, learned, psi, weight = rows
    splines = AdditiveSplines.learn(X, np.array([3.0, 2.0, 1.0]), n_splines)
    parts = [own[fold] for own, fold in zip(learned, FOLDS, strict=True)]
    return Projection(splines, parts, FOLDS, X, psi, weight, cluster, n_learned)


def longhand_basis(rows, splines):
    """Put a block of features per fold beside the splines, at the rows and at new rows."""
    X, learned, _, weight = rows
    blocks, new = [], []
    for own, fold in zip(learned, FOLDS, strict=True):
        kept = own[:, :2]  # the third column of the first member is a copy
        centred = kept - np.average(kept[fold], axis=0, weights=weight[fold])
        block = np.zeros_like(centred)
        block[fold] = centred[fold]
        blocks.append(block)
        new.append(centred / 2)
    common, one = splines.transform(X), np.ones((400, 1))
    return np.hstack([one, *blocks, common]), np.hstack([one, *new, common])


def hc3(basis, psi, weight, cluster=None):
    gram = np.linalg.inv((basis * weight[:, None]).T @ basis)
    coef = gram @ (basis * weight[:, None]).T @ psi
    leverage = weight * np.einsum("nq,qr,nr->n", basis, gram, basis)
    moves = basis * (weight * (psi - basis @ coef) / (1 - leverage))[:, None]
    if cluster is not None:
        moves = np.stack([moves[cluster == c].sum(axis=0) for c in np.unique(cluster)])
    return coef, gram @ moves.T @ moves @ gram


@pytest.mark.parametrize("clustered", [False, True])
def test_coefficients_and_sandwich_equal_longhand(rows, clustered):
    X, learned, psi, weight = rows
    cluster = np.arange(400) // 5 if clustered else None
    projection = fit(rows, cluster)
    basis, new = longhand_basis(rows, projection.splines)
    combine = np.array([[1.0, 0.0], [1.0, -1.0]])
    value, moves = projection.evaluate(projection.regressors(learned, X), combine)
    for c, target in enumerate((psi[:, 0], psi[:, 0] - psi[:, 1])):
        coef, covariance = hc3(basis, target, weight, cluster)
        np.testing.assert_allclose(value[:, c], new @ coef, atol=1e-5)
        expected = np.einsum("nq,qr,nr->n", new, covariance, new)
        np.testing.assert_allclose((moves[:, c] ** 2).sum(axis=1), expected, rtol=1e-4)


def test_no_features_leave_the_mean(rows):
    X, learned, psi, weight = rows
    projection = fit(rows, n_splines=0, n_learned=0)
    value, moves = projection.evaluate(projection.regressors(learned, X), np.eye(2))
    mean = weight @ psi / weight.sum()
    np.testing.assert_allclose(value, np.tile(mean, (400, 1)))
    error = np.sqrt((weight**2) @ (psi - mean) ** 2) / weight.sum()
    np.testing.assert_allclose(np.sqrt((moves[0] ** 2).sum(axis=1)), error, rtol=0.01)


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [(1000, (8, 32)), (139, (8, 32)), (45, (3, 13)), (8, (0, 2)), (1, (0, 0))],
)
def test_regressors_are_limited_by_the_smallest_arm(n_rows, expected):
    budget = plan_features("auto", 2000, 5, n_rows)
    assert (budget.n_learned, budget.n_splines) == expected
    assert 5 * budget.n_learned + budget.n_splines <= max(72, n_rows / 1.5)


def test_natural_splines_are_linear_outside_and_smooth_inside():
    knots = np.array([-1.0, 0.0, 0.5, 2.0])
    x = np.linspace(-4, 5, 901)
    basis = natural_cubic(x, knots)
    assert basis.shape == (901, 3)
    second = np.diff(basis, n=2, axis=0) / 0.01**2
    outside = (x[1:-1] < -1.02) | (x[1:-1] > 2.02)
    assert np.abs(second[outside]).max() < 1e-6
    assert np.abs(second[~outside]).max() > 0.1
    assert np.abs(np.diff(second, axis=0)).max() < 0.2  # no jump in the curvature


def test_splines_take_the_most_important_columns_first():
    X = np.random.default_rng(0).normal(size=(200, 6))
    X[:, 3] = 1.0
    splines = AdditiveSplines.learn(X, np.array([1, 6, 2, 9, 3, 0.0]), 20)
    assert splines.columns.tolist() == [1, 4, 2, 0]  # the constant column is passed over
    few = AdditiveSplines.learn(X, np.arange(6.0), 4)
    assert few.columns.tolist() == [5, 4, 2, 1]
    assert few.transform(X).shape == (200, 4)
    assert AdditiveSplines.learn(X, np.arange(6.0), 0).transform(X).shape == (200, 0)


def test_many_features_give_columns_more_knots():
    X = np.random.default_rng(0).normal(size=(200, 8))
    for n_features, per_column in ((80, 7), (32, 7), (27, 5), (13, 3), (11, 1)):
        splines = AdditiveSplines.learn(X, np.ones(8), n_features)
        assert splines.transform(X).shape[1] == min(8, n_features // per_column) * per_column


def test_features_grow_with_the_rows():
    found = [plan_features("auto", n, 5, n // 2) for n in (250, 2000, 16_000, 10**7)]
    assert [b.n_learned + b.n_splines for b in found] == [20, 40, 80, 100]
    data = make_confounded(400, random_state=0)
    settings = {**SMALL, "max_epochs": 1, "n_folds": 2, "n_features_interval": 3}
    est = TARNet(**settings).fit(data.X, data.T, data.y)
    assert est.n_features_interval_ == 3


def test_binary_columns_enter_linearly():
    X = np.random.default_rng(0).integers(2, size=(200, 2)).astype(float)
    assert AdditiveSplines.learn(X, np.ones(2), 10).transform(X).shape == (200, 2)


SMALL = {
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 15,
    "random_state": 0,
}


def test_intervals_hold_the_point_estimate_and_grow_with_confidence():
    data = make_confounded(500, random_state=0)
    est = TARNet(**SMALL).fit(data.X, data.T, data.y)
    effect = est.effect(data.X)
    widths = []
    for alpha in (0.5, 0.05, 0.001):
        low, high = est.effect_interval(data.X, alpha=alpha)
        assert ((low <= effect + 1e-12) & (effect - 1e-12 <= high)).all()
        widths.append(np.mean(high - low))
    assert widths[0] < widths[1] < widths[2]
    low, high = est.effect_interval(data.X, simultaneous=True)
    assert np.mean(high - low) > widths[1]


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_intervals_cover_with_a_small_arm():
    # a randomised arm of 8 % in 1,000 rows, and 150 rows in all
    covered = []
    for seed in range(4):
        data = make_confounded(1000, random_state=seed)
        rng = np.random.default_rng(seed)
        T = (rng.random(1000) < 0.08) * 1
        y = data.mu[np.arange(1000), T] + rng.normal(size=1000)
        est = TARNet(**SMALL).fit(data.X, T, y, propensity=np.full(1000, 0.08))
        assert est.n_features_interval_ < 30
        low, high = est.effect_interval(data.X)
        covered.append(np.mean((low <= data.effect) & (data.effect <= high)))
        few = make_confounded(150, random_state=seed)
        low, high = TARNet(**SMALL).fit(few.X, few.T, few.y).effect_interval(few.X)
        covered.append(np.mean((low <= few.effect) & (few.effect <= high)))
    assert 0.88 < np.mean(covered[::2]) < 1
    assert 0.88 < np.mean(covered[1::2]) < 1


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_an_arm_too_small_for_a_projection_is_named():
    data = make_confounded(400, random_state=0)
    keep = np.r_[np.flatnonzero(data.T == 0), np.flatnonzero(data.T == 1)[:12]]
    arms = np.where(data.T == 1, "new drug", "control")[keep]
    est = TARNet(**SMALL).fit(data.X[keep], arms, data.y[keep])
    assert np.isfinite(est.ate_interval()).all()
    with pytest.raises(
        IntervalNotAvailableError,
        match=r"5 rows of every arm .* fold \d holds 2 of arm 'new drug'",
    ):
        est.effect_interval(data.X)
    assert est.ate(data.X) == pytest.approx(est.effect(data.X).mean())  # needs no projection
