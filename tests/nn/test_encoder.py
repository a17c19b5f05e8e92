"""Inputs as the networks see them, against longhand NumPy."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest

from sklcausal.representation import TARNet

SETTINGS = {
    "representation_widths": (),
    "head_widths": (),
    "weight_decay": 1.0,
    "max_epochs": 3,
    "n_folds": 1,
    "validation_fraction": None,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(5, 2, 300), rng.exponential(size=300), rng.integers(0, 2, 300)]
    )
    T = rng.integers(0, 2, 300)
    return X, T, X[:, 0] + X[:, 1] * T + rng.normal(size=300)


def linear_heads(est, z):
    """Apply the two linear heads of a network without hidden layers."""
    w = est.theta_net_.ensemble.weights()
    gated = z * w["encoder.gate"][0]
    weight, bias = w["body.heads.last.weight"][0], w["body.heads.last.bias"][0]
    theta = np.stack([(gated @ weight[a] + bias[a])[:, 0] for a in (0, 1)], axis=1)
    return theta


def expected(est, y, z):
    # without a validation part the single member is trained in the units of all rows
    return y.mean() + y.std() * linear_heads(est, z)


def test_standardised_inputs(data):
    X, T, y = data
    est = TARNet(**SETTINGS, numeric_encoding=None).fit(X, T, y)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(est.potential_outcomes(X), expected(est, y, z), atol=1e-5)


def piecewise(x, seen, n_bins=8):
    """Fill the bins below x, and its own in part; the outer bins go on linearly."""
    edges = np.quantile(seen, np.linspace(0, 1, n_bins + 1))
    parts = (x[:, None] - edges[:-1]) / np.diff(edges)
    low = np.where(np.arange(n_bins) > 0, 0.0, -np.inf)
    high = np.where(np.arange(n_bins) < n_bins - 1, 1.0, np.inf)
    return np.clip(parts, low, high)


def test_piecewise_linear_inputs(data):
    X, T, y = data
    est = TARNet(**SETTINGS, numeric_encoding="piecewise_linear").fit(X, T, y)
    new = X.copy()
    new[:5, 0] += 10  # beyond the outer bins

    def encode(rows):
        bins = [piecewise(rows[:, j], X[:, j]) for j in (0, 1)]
        own = [piecewise(X[:, j], X[:, j]) for j in (0, 1)]
        bins = [(b - o.mean(axis=0)) / o.std(axis=0) for b, o in zip(bins, own, strict=True)]
        two_values = (rows[:, 2:] - X[:, 2:].mean()) / X[:, 2:].std()
        return np.hstack([*bins, two_values])

    for rows in (X, new):
        means = expected(est, y, encode(rows))
        np.testing.assert_allclose(est.potential_outcomes(rows), means, atol=2e-4)
