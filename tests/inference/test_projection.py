"""Projection of the signal against longhand least squares, and what its intervals promise."""

import numpy as np
import pytest

from sklcausal.datasets import make_confounded
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._projection import evaluate_projection, fit_projection
from sklcausal.inference._splines import AdditiveSplines, natural_cubic
from sklcausal.representation import TARNet


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    learned = np.column_stack([np.tanh(X[:, 0]), X[:, 1], X[:, 1] * 1e-9])
    psi = np.column_stack([X[:, 0] + rng.normal(size=400), rng.normal(size=400)])
    return X, learned, psi, rng.uniform(0.5, 1.5, size=400)


def fit(rows, cluster=None, n_features=10):
    X, learned, psi, weight = rows
    return fit_projection(learned, X, np.array([3.0, 2.0, 1.0]), psi, weight, cluster, n_features)


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
    cluster = np.arange(400) // 4 if clustered else None
    fold = fit(rows, cluster)
    basis = fold.basis(learned, X)
    combine = np.array([[1.0, 0.0], [1.0, -1.0]])
    value, variance, _ = evaluate_projection([fold], [basis], combine)
    for c, target in enumerate((psi[:, 0], psi[:, 0] - psi[:, 1])):
        coef, covariance = hc3(basis, target, weight, cluster)
        np.testing.assert_allclose(value[:, c], basis @ coef, atol=1e-9)
        expected = np.einsum("nq,qr,nr->n", basis, covariance, basis)
        np.testing.assert_allclose(variance[:, c], expected, rtol=1e-8)


def test_folds_are_averaged(rows):
    X, learned, _, _ = rows
    fold = fit(rows)
    basis = fold.basis(learned, X)
    one = evaluate_projection([fold], [basis], np.eye(2))
    four = evaluate_projection([fold] * 4, [basis] * 4, np.eye(2))
    np.testing.assert_allclose(four[0], one[0])
    np.testing.assert_allclose(four[1], one[1] / 4)


def test_no_features_leave_the_mean(rows):
    X, learned, psi, weight = rows
    fold = fit(rows, n_features=0)
    value, _, _ = evaluate_projection([fold], [fold.basis(learned, X)], np.eye(2))
    np.testing.assert_allclose(value, np.tile(weight @ psi / weight.sum(), (400, 1)))


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
    for n_features, per_column in ((80, 7), (32, 5), (13, 3), (11, 1)):
        splines = AdditiveSplines.learn(X, np.ones(8), n_features)
        assert splines.transform(X).shape[1] == min(8, n_features // per_column) * per_column


def test_features_grow_with_the_rows():
    found = []
    for n in (400, 1200):
        data = make_confounded(n, overlap="strong", random_state=0)
        est = TARNet(**{**SMALL, "max_epochs": 1, "n_folds": 2}).fit(data.X, data.T, data.y)
        found.append(est.n_features_interval_)
    assert found == [23, 34]  # 40 (n / 2000)^(1 / 3)
    est.set_params(n_features_interval=3).fit(data.X, data.T, data.y)
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
def test_small_arms_get_fewer_features():
    data = make_confounded(600, random_state=0)
    keep = np.r_[np.flatnonzero(data.T == 0), np.flatnonzero(data.T == 1)[:60]]
    est = TARNet(**SMALL).fit(data.X[keep], data.T[keep], data.y[keep])
    assert est.n_features_interval_ == 60 // 5 // 3
    low, high = est.effect_interval(data.X)
    assert (low < high).all()


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_an_arm_too_small_for_a_projection_is_named():
    data = make_confounded(400, random_state=0)
    keep = np.r_[np.flatnonzero(data.T == 0), np.flatnonzero(data.T == 1)[:12]]
    arms = np.where(data.T == 1, "new drug", "control")[keep]
    est = TARNet(**SMALL).fit(data.X[keep], arms, data.y[keep])
    assert np.isfinite(est.ate_interval()).all()
    with pytest.raises(
        IntervalNotAvailableError, match=r"fold \d holds 2 row\(s\) of arm 'new drug'"
    ):
        est.effect_interval(data.X)
