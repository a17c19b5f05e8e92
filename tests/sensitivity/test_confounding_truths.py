"""Bounds under a hidden cause of known strength: the truth, coverage and networks."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from sklcausal.meta import TLearner
from sklcausal.representation import TARNet
from sklcausal.sensitivity import omitted_variable_bounds, sensitivity_analysis


class Hidden:
    """T from a latent index in x and u, y = tau T + x + u + e, of which u is hidden."""

    def __init__(self):
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        self.nodes, self.weights = nodes, weights / weights.sum()
        x, u, w = nodes[:, None], nodes, self.weights[:, None] * self.weights
        e, (short, m1, m0) = expit(0.7 * x + u), self.short(nodes)
        gaps = np.stack([u - m0[:, None], u - m1[:, None]])  # what u adds to the mean
        p = np.stack([1 - e, e])
        sign = np.array([-1.0, 1.0])[:, None, None]
        alpha, alpha_s = sign / p, sign / np.stack([1 - short, short])[:, :, None]
        left = (w * p * gaps**2).sum()
        self.cf_y = left / (left + 1)
        self.cf_d = 1 - (w * p * alpha_s**2).sum() / (w * p * alpha**2).sum()
        joint = (w * p * gaps * (alpha - alpha_s)).sum()
        self.bias = -joint
        self.rho = joint / np.sqrt(left * (w * p * (alpha - alpha_s) ** 2).sum())

    def short(self, x):
        """Average over u given x: the propensity, and the mean of u in each arm."""
        e = expit(0.7 * x[:, None] + self.nodes)
        short = e @ self.weights
        return (
            short,
            (e * self.nodes) @ self.weights / short,
            ((1 - e) * self.nodes) @ self.weights / (1 - short),
        )

    def draw(self, n, tau, seed):
        rng = np.random.RandomState(seed)
        x, u, noise = rng.normal(size=(3, n))
        t = (rng.uniform(size=n) < expit(0.7 * x + u)).astype(int)
        return x, t, tau * t + x + u + noise

    def arrays(self, n, tau, seed):
        x, t, y = self.draw(n, tau, seed)
        short, m1, m0 = self.short(x)
        residual = y - tau * t - x - np.where(t == 1, m1, m0)
        alpha = t / short - (1 - t) / (1 - short)
        functional = 1 / short + 1 / (1 - short)
        return tau + m1 - m0 + alpha * residual, residual, alpha, functional


HIDDEN = Hidden()
TRUE = {"cf_y": HIDDEN.cf_y, "cf_d": HIDDEN.cf_d, "rho": HIDDEN.rho}


def test_the_bound_at_the_true_strength_is_the_truth():
    *rows, functional = HIDDEN.arrays(50_000, 1.0, seed=0)
    found = omitted_variable_bounds(*rows, representer_functional=functional, **TRUE)
    assert found.estimate[0] - 1 == pytest.approx(HIDDEN.bias, abs=4 * found.std_error[0])
    assert found.conf_bounds(0.0, 0.0)[0][0] > 1  # the short estimate misses the truth
    assert found.lower[0] == pytest.approx(1, abs=4 * found.std_error[0])
    assert found.at(rho=1.0).lower[0] < 1 < found.at(rho=1.0).upper[0]


def test_intervals_of_bounds_cover_the_truth_as_often_as_they_say():
    covered, plain = [], []
    for seed in range(200):
        *rows, functional = HIDDEN.arrays(1_000, 1.0, seed)
        found = omitted_variable_bounds(
            *rows, representer_functional=functional, alpha=0.1, **TRUE
        )
        # the truth is the lower bound, whose end is at one side's .05
        covered.append(found.ci_lower[0] <= 1)
        plain.append(found.conf_bounds(0.0, 0.0)[0][0] <= 1)
    assert 0.91 <= np.mean(covered) <= 0.985
    assert np.mean(plain) < 0.05


def test_robustness_value_of_a_null_effect_is_below_the_true_strength():
    *rows, functional = HIDDEN.arrays(50_000, 0.0, seed=1)
    found = omitted_variable_bounds(*rows, representer_functional=functional)
    share = found.robustness_value[0]
    assert found.robustness_value_ci[0] < share < max(HIDDEN.cf_y, HIDDEN.cf_d)
    true = abs(HIDDEN.rho) * np.sqrt(HIDDEN.cf_y * HIDDEN.cf_d / (1 - HIDDEN.cf_d))
    assert share / np.sqrt(1 - share) == pytest.approx(true, rel=0.05)


def test_a_fitted_network_finds_the_same():
    x, t, y = HIDDEN.draw(1_500, 1.0, seed=2)
    est = TLearner(
        n_folds=3, numeric_encoding=None, weight_decay=1.0, max_epochs=40, random_state=0
    ).fit(x[:, None], t, y)
    found = sensitivity_analysis(est, **TRUE)
    assert est.ate_interval()[0] > 1
    assert found.ci_lower[0] < 1 < found.upper[0]
    assert found.lower[0] == pytest.approx(1, abs=0.25)
    assert found.residual_variance[0] == pytest.approx(1 / (1 - HIDDEN.cf_y), rel=0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_networks_cover_the_truth_at_the_true_strength():
    found = []
    for seed in range(60):
        x, t, y = HIDDEN.draw(1_000, 1.0, seed)
        noise = np.random.RandomState(seed + 999).normal(size=(1_000, 3))
        est = TARNet(n_folds=3, weight_decay=1.0, numeric_encoding=None, random_state=0)
        own = sensitivity_analysis(est.fit(np.column_stack([x, noise]), t, y), alpha=0.1, **TRUE)
        error = (own.lower[0] - own.ci_lower[0]) / norm.ppf(0.95)
        found.append([own.lower[0], error, own.ci_lower[0] <= 1, own.representer_second_moment[0]])
    lower, error, covered, nu2 = np.transpose(found)
    assert abs(lower.mean() - 1) < 0.3 * error.mean()
    assert error.mean() == pytest.approx(lower.std(), rel=0.2)
    assert covered.mean() > 0.86  # the 99 % band of 60 runs at one side's .95
    short = HIDDEN.short(HIDDEN.nodes)[0]
    assert nu2.mean() == pytest.approx((1 / short / (1 - short)) @ HIDDEN.weights, rel=0.1)
