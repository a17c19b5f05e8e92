"""Bounds under hidden confounding: longhand, published definitions, known truths and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pandas as pd
import pytest
from _small_data import ARMS, DOSE, TINY, N, T, X, Y, put, tiny
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import (
    IntervalNotAvailableError,
    ModelError,
    OverlapWarning,
    TargetError,
)
from sklcausal.meta import SLearner, TLearner
from sklcausal.representation import TARNet
from sklcausal.sensitivity import (
    SensitivityResult,
    omitted_variable_bounds,
    sensitivity_analysis,
)
from sklcausal.structural import Linear, StructuralNet, Tobit

I = np.arange(20)  # noqa: E741
COVARIATE = np.cos(I * 1.7)
D = (np.sin(3.1 * I) > 0.1).astype(float)
OUTCOME = COVARIATE + 1.5 * D + 0.7 * np.sin(5.3 * I)


def _interactive():
    """Build the arrays of an interactive model: psi, residual, representer, functional."""
    e, g0, g1 = 0.5 + 0.3 * np.sin(0.9 * I), 0.9 * COVARIATE + 0.1, 1.1 * COVARIATE + 1.4
    residual = OUTCOME - np.where(D == 1, g1, g0)
    alpha = D / e - (1 - D) / (1 - e)
    return g1 - g0 + alpha * residual, residual, alpha, 1 / e + 1 / (1 - e)


def _partially_linear():
    v = D - (0.5 + 0.2 * np.sin(I))
    u = OUTCOME - (0.8 * COVARIATE + 0.5)
    effect, nu2 = v @ u / (v @ v), 1 / np.mean(v**2)
    residual = u - effect * v
    return effect + nu2 * v * residual, residual, nu2 * v, np.full(20, nu2)


# -- the definition ------------------------------------------------------------------------


# computed by DoubleML 0.11.4 on the same arrays, as external predictions; half-widths of one-sided
# intervals of the lower and of the upper bound
@pytest.mark.parametrize(
    "arrays, asked, level, bounds, halves, share",
    [
        (
            _interactive,
            {"cf_y": 0.03, "cf_d": 0.03, "rho": 1.0, "null": 0.0},
            0.95,
            (2.0577389787183056, 2.0900262133457574),
            (0.5432563132449136, 0.5682156712918926),
            0.9420430243299683,
        ),
        (
            _interactive,
            {"cf_y": 0.2, "cf_d": 0.1, "rho": -0.5, "null": 0.5},
            0.9,
            (2.034379674701328, 2.113385517362735),
            (0.4101527836331752, 0.4576384659040884),
            0.9731541370617508,
        ),
        (
            _partially_linear,
            {"cf_y": 0.03, "cf_d": 0.03, "rho": 1.0, "null": 0.0},
            0.95,
            (1.6045012785382853, 1.6522392470754093),
            (0.2665087689490036, 0.2710478944921263),
            0.8375509643625351,
        ),
    ],
)
def test_frozen_numbers_of_another_package(arrays, asked, level, bounds, halves, share):
    *rows, functional = arrays()
    # one-sided levels there, and variances over n instead of n - 1
    alpha = 2 * norm.sf(norm.ppf(level) * np.sqrt(19 / 20))
    found = omitted_variable_bounds(*rows, representer_functional=functional, alpha=alpha, **asked)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], bounds, rtol=1e-12)
    # found there by a numerical search
    assert found.robustness_value[0] == pytest.approx(share, rel=1e-5)
    # that package adds the influence of the bias to the effect's with the sign turned, since it
    # divides scores by their derivative -1: its errors of the two bounds are exchanged. Which is
    # right, `test_standard_errors_are_the_spread_of_bounds` tells
    own = [found.upper[0] - found.ci_upper[0], found.ci_lower[0] - found.lower[0]]
    np.testing.assert_allclose(np.negative(own), halves, rtol=1e-8)


def test_standard_errors_are_the_spread_of_bounds():
    rng = np.random.RandomState(0)
    found = []
    for _ in range(400):
        x = rng.normal(size=1_000)
        e = expit(0.5 * x)
        t = rng.uniform(size=1_000) < e
        residual = (1 + 2 * t) * (rng.exponential(size=1_000) - 1)
        alpha = np.where(t, 1 / e, -1 / (1 - e))
        rows = 2 + alpha * residual, residual, alpha
        own = omitted_variable_bounds(*rows, representer_functional=1 / e + 1 / (1 - e))
        low, high = own.bounds(0.5, 0.5)
        ends = own.conf_bounds(0.5, 0.5, alpha=2 * norm.sf(1))
        found.append([low[0], high[0], low[0] - ends[0][0], ends[1][0] - high[0]])
    low, high, of_low, of_high = np.transpose(found)
    assert of_low.mean() == pytest.approx(low.std(), rel=0.1)
    assert of_high.mean() == pytest.approx(high.std(), rel=0.1)
    assert of_high.mean() > 1.5 * of_low.mean()  # exchanged, they would be far off


def _longhand(psi, residual, nu2_rows, weight, cluster, cf_y, cf_d, rho, alpha):
    """Compute bounds and their ends from weighted sums over clusters."""
    share = weight / weight.sum()
    theta, sigma2, nu2 = (share @ v for v in (psi, residual**2, nu2_rows))
    scale = np.sqrt(sigma2 * nu2)
    strength = abs(rho) * np.sqrt(cf_y * cf_d / (1 - cf_d))
    psi_scale = (sigma2 * (nu2_rows - nu2) + nu2 * (residual**2 - sigma2)) / (2 * scale)
    found = []
    for sign in (-1, 1):
        moved = share * (psi - theta + sign * strength * psi_scale)
        sums = pd.Series(moved).groupby(cluster).sum().to_numpy()
        error = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))
        bound = theta + sign * strength * scale
        found += [bound, bound + sign * norm.ppf(1 - alpha / 2) * error]
    return found


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("clusters", [False, True])
def test_bounds_equal_longhand_sums(learned, clusters):
    psi, residual, representer, functional = _interactive()
    weight = 2 + I % 2
    cluster = I // 3 if clusters else I
    rows = 2 * functional - representer**2 if learned else representer**2
    asked = {"cf_y": 0.2, "cf_d": 0.3, "rho": 0.7, "alpha": 0.1}
    found = omitted_variable_bounds(
        psi,
        residual,
        representer,
        representer_functional=functional if learned else None,
        sample_weight=weight,
        cluster=[f"house {c}" for c in cluster] if clusters else None,
        **asked,
    )
    expected = _longhand(psi, residual, rows, weight, cluster, **asked)
    got = [found.lower[0], found.ci_lower[0], found.upper[0], found.ci_upper[0]]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert found.n_samples == 20


@pytest.mark.parametrize("shift", [0.0, -4.0])
@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_robustness_values_are_where_bounds_reach_the_null(shift, alpha):
    psi, residual, representer, functional = _interactive()
    found = omitted_variable_bounds(
        psi + shift,
        residual,
        representer,
        representer_functional=functional,
        rho=0.6,
        alpha=alpha,
        null=0.3,
    )
    side = 0 if found.estimate[0] > 0.3 else 1
    share = found.robustness_value[0]
    assert found.bounds(share, share)[side][0] == pytest.approx(0.3, abs=1e-10)
    away = found.conf_bounds(0.0, 0.0)[side][0] - 0.3
    at = brentq(lambda r: found.conf_bounds(r, r)[side][0] - 0.3, 0, 0.999, xtol=1e-14)
    assert (away > 0) == (side == 0)
    assert found.robustness_value_ci[0] == pytest.approx(at, rel=1e-8)


def test_no_confounder_is_needed_where_the_interval_holds_the_null():
    psi, residual, representer, _ = _interactive()
    found = omitted_variable_bounds(psi, residual, representer)
    at_estimate = found.at(null=found.estimate[0])
    assert at_estimate.robustness_value[0] == at_estimate.robustness_value_ci[0] == 0
    near = found.at(null=found.estimate[0] - found.std_error[0])
    assert near.robustness_value[0] > 0 == near.robustness_value_ci[0]
    harmless = found.at(rho=0.0)
    assert harmless.robustness_value[0] == harmless.robustness_value_ci[0] == 1
    np.testing.assert_array_equal(harmless.lower, harmless.estimate)


def test_strengths_broadcast_and_columns_are_targets():
    psi, residual, representer, _ = _interactive()
    both = omitted_variable_bounds(
        *(np.column_stack([v, k * v]) for v, k in ((psi, 3), (residual, 3), (representer, 1))),
        names=["one", "three"],
    )
    grid = np.array([0.0, 0.1, 0.5])
    lower, upper = both.bounds(grid[:, None], grid)
    assert lower.shape == (3, 3, 2)
    np.testing.assert_allclose(lower[..., 1], 3 * lower[..., 0])
    np.testing.assert_allclose(lower[0], np.tile(both.estimate, (3, 1)))
    assert (np.diff(upper, axis=0)[:, 1:] > 0).all() and (np.diff(lower, axis=1)[1:] < 0).all()
    assert both.bias(0.1, 1.0)[0] == np.inf
    assert both.conf_bounds(0.1, 1.0)[0].tolist() == [-np.inf, -np.inf]
    np.testing.assert_array_equal(both.bias(0.0, 1.0), [0, 0])
    alone = omitted_variable_bounds(psi, residual, representer)
    np.testing.assert_allclose(both.ci_lower[0], alone.ci_lower[0])
    np.testing.assert_allclose(both.robustness_value_ci, np.repeat(alone.robustness_value_ci, 2))


def test_tables():
    rows = _interactive()[:3]
    found = omitted_variable_bounds(*rows, names=["quit vs smoke"], cf_y=0.1, cf_d=0.2)
    frame = found.to_frame()
    assert frame.columns.tolist() == [
        "target",
        "estimate",
        "std_error",
        "lower",
        "upper",
        "ci_lower",
        "ci_upper",
        "robustness_value",
        "robustness_value_ci",
    ]
    assert frame["lower"][0] == found.lower[0] and frame["target"][0] == "quit vs smoke"
    text = found.summary()
    assert f"{found.lower[0]:.4g}" in text and "cf_y=0.1, cf_d=0.2, rho=1" in text
    assert repr(found) == text and "95 % intervals" in text
    moved = found.at(cf_y=0.3, alpha=0.1)
    assert (moved.cf_y, moved.cf_d, moved.alpha) == (0.3, 0.2, 0.1)
    np.testing.assert_array_equal(moved.lower, found.bounds(cf_y=0.3)[0])
    np.testing.assert_array_equal(moved.ci_upper, found.conf_bounds(cf_y=0.3, alpha=0.1)[1])


def test_a_bad_representer_is_said_to_be_bad():
    psi, residual, representer, _ = _interactive()
    with pytest.warns(OverlapWarning, match=r"plain one is 0.1; .* larger propensity_clip"):
        found = omitted_variable_bounds(
            psi, residual, representer, representer_functional=np.full(20, 0.1)
        )
    assert found.nu2[0] == pytest.approx(0.1)


# -- known truths --------------------------------------------------------------------------


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
    assert found.sigma2[0] == pytest.approx(1 / (1 - HIDDEN.cf_y), rel=0.1)


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
        found.append([own.lower[0], error, own.ci_lower[0] <= 1, own.nu2[0]])
    lower, error, covered, nu2 = np.transpose(found)
    assert abs(lower.mean() - 1) < 0.3 * error.mean()
    assert error.mean() == pytest.approx(lower.std(), rel=0.2)
    assert covered.mean() > 0.86  # the 99 % band of 60 runs at one side's .95
    short = HIDDEN.short(HIDDEN.nodes)[0]
    assert nu2.mean() == pytest.approx((1 / short / (1 - short)) @ HIDDEN.weights, rel=0.1)


# -- estimators ----------------------------------------------------------------------------

WEIGHT = 1.0 + np.arange(N) % 2
HOUSE = np.arange(N) // 2
TWO = np.column_stack([Y, 10 * Y + 3])


@pytest.fixture(scope="module")
def two_arms():
    return tiny().fit(X, T, Y)


@pytest.fixture(scope="module")
def three_arms():
    gaps = put(TWO, (slice(None, None, 9), 1), np.nan)
    return tiny(n_repeats=2).fit(X, ARMS, gaps, sample_weight=WEIGHT, cluster=HOUSE)


# enough rows and epochs for the law of a dose to be about right
DOSED = {**TINY, "max_epochs": 10}
MANY = np.random.RandomState(1).normal(size=(400, 3))
TAKEN = MANY[:, 0] + np.random.RandomState(2).normal(size=400)
AFTER = TAKEN + MANY[:, 1] + np.random.RandomState(3).normal(size=400)


@pytest.fixture(scope="module")
def dosed():
    return StructuralNet(**DOSED).fit(MANY, TAKEN, 5 + 100 * AFTER)


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_arms_equal_inverse_propensities(two_arms):
    theta, e = two_arms.engine_.corrections.theta, two_arms.propensity_[:, 1]
    residual = Y - theta[np.arange(N), T]
    alpha = T / e - (1 - T) / (1 - e)
    psi = theta[:, 1] - theta[:, 0] + alpha * residual
    longhand = omitted_variable_bounds(
        psi, residual, alpha, representer_functional=1 / e + 1 / (1 - e), cf_y=0.2, cf_d=0.1
    )
    found = sensitivity_analysis(two_arms, cf_y=0.2, cf_d=0.1)
    for name in ("estimate", "sigma2", "nu2", "ci_lower", "ci_upper", "robustness_value_ci"):
        np.testing.assert_allclose(getattr(found, name), getattr(longhand, name), rtol=1e-10)
    assert found.names == two_arms.effect_names_out_.tolist()
    assert isinstance(found, SensitivityResult)


def test_without_confounding_it_is_the_interval_of_the_average(two_arms, three_arms, dosed):
    for est in (two_arms, three_arms, dosed):
        found, usual = sensitivity_analysis(est, alpha=0.2), est.estimate()
        assert found.names == usual.names
        np.testing.assert_allclose(found.estimate, usual.estimate)
        low, high = found.conf_bounds(0.0, 0.0)
        np.testing.assert_allclose([low, high], usual.conf_int(0.2))
    reversed_ = sensitivity_analysis(three_arms, T0="b", T1="a")
    assert reversed_.names == ["a vs b: y0", "a vs b: y1"]
    forth = sensitivity_analysis(three_arms)
    np.testing.assert_allclose(reversed_.lower, -forth.upper[:2])
    np.testing.assert_allclose(reversed_.robustness_value, forth.robustness_value[:2])


def test_unseen_outcomes_have_no_residual(three_arms):
    engine = three_arms.engine_
    code = np.searchsorted(["a", "b", "c"], ARMS)
    theta = engine.corrections.theta.reshape(N, 3, 2)[np.arange(N), code]
    y = put(TWO, (slice(None, None, 9), 1), np.nan)
    squares = np.nan_to_num((y - theta) ** 2)
    single = tiny().fit(X, ARMS, y, sample_weight=WEIGHT, cluster=HOUSE)
    found = sensitivity_analysis(single)
    expected = np.average(squares, axis=0, weights=WEIGHT)
    np.testing.assert_allclose(found.sigma2, np.tile(expected, 2))


def test_doses_equal_residuals_over_their_variance(dosed):
    law = dosed.law_net_
    mean, variance = law.mean_[:, 0], law.sd_[:, 0] ** 2
    alpha = (TAKEN - mean) / variance
    found = sensitivity_analysis(dosed)
    assert found.nu2[0] == pytest.approx(np.mean(2 / variance - alpha**2))
    twice = sensitivity_analysis(dosed, T0=0.0, T1=2.0)
    np.testing.assert_allclose(twice.nu2, 4 * found.nu2)
    np.testing.assert_allclose(twice.robustness_value, found.robustness_value)


def test_units_of_outcomes_and_doses_do_not_matter(dosed):
    other = StructuralNet(**DOSED).fit(MANY, 7 + 3 * TAKEN, 1 + 0.2 * AFTER)
    found, moved = sensitivity_analysis(dosed), sensitivity_analysis(other)
    np.testing.assert_allclose(moved.robustness_value, found.robustness_value, rtol=1e-3)
    np.testing.assert_allclose(moved.nu2, found.nu2 / 9, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_binary_outcomes_and_limits():
    est = tiny().fit(X, T, (Y > 0).astype(int))
    found = sensitivity_analysis(est, cf_y=1.0, cf_d=0.9)
    assert (found.lower[0], found.upper[0]) == (-1, 1)
    theta = expit(est.engine_.corrections.theta)
    residual = (Y > 0) - theta[np.arange(N), T]
    assert found.sigma2[0] == pytest.approx(np.mean(residual**2))


def test_a_fit_with_too_extreme_propensities_takes_the_plain_second_moment():
    est = tiny(max_epochs=30).fit(X, T, Y)
    plain = (1 / est.propensity_).sum(axis=1).mean()
    with pytest.warns(OverlapWarning, match=f"the plain one is {plain:.3g}; the plain one is"):
        assert sensitivity_analysis(est).nu2[0] == pytest.approx(plain)


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_every_kind_of_network_with_arms():
    small = {k: v for k, v in TINY.items() if "widths" not in k}
    for est in (SLearner(**small), TLearner(**small), StructuralNet(model=Linear(), **small)):
        assert 0 <= sensitivity_analysis(est.fit(X, T, Y)).robustness_value[0] < 1


def test_a_model_of_ones_own_with_the_identity_link():
    own = StructuralNet(
        model=lambda y, t, theta: (y - theta[0] - theta[1] * t) ** 2 / 2,
        n_params=2,
        mean=lambda theta, t: theta[0] + theta[1] * t,
        **DOSED,
    ).fit(MANY, TAKEN, AFTER)
    law = own.law_net_
    alpha = (TAKEN - law.mean_[:, 0]) / law.sd_[:, 0] ** 2
    expected = np.mean(2 / law.sd_[:, 0] ** 2 - alpha**2)
    # its Hessian is averaged over nodes, which are cut at the ends of the doses
    assert sensitivity_analysis(own).nu2[0] == pytest.approx(expected, rel=0.03)


def test_pipelines_searches_files_and_compact_estimators(two_arms):
    targets = pack_targets(T, Y)
    pipe = make_pipeline(StandardScaler(), tiny()).fit(X, targets)
    inner = pipe[-1]
    expected = sensitivity_analysis(inner).robustness_value
    np.testing.assert_array_equal(sensitivity_analysis(pipe).robustness_value, expected)
    search = GridSearchCV(tiny(), {"batch_size": [64]}, cv=2).fit(X, targets)
    np.testing.assert_array_equal(
        sensitivity_analysis(search).lower, sensitivity_analysis(two_arms).lower
    )
    copy = pickle.loads(pickle.dumps(two_arms)).compact()
    np.testing.assert_array_equal(
        sensitivity_analysis(copy).ci_lower, sensitivity_analysis(two_arms).ci_lower
    )


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params, message",
    [
        ({"cf_y": 1.2}, "`cf_y` must lie between 0 and 1, got 1.2"),
        ({"cf_d": -0.1}, "`cf_d` must lie between 0 and 1, got -0.1"),
        ({"cf_d": np.nan}, "`cf_d` must be a finite number, got nan"),
        ({"cf_y": [0.1, 0.2]}, r"`cf_y` must be a finite number, got \[0.1, 0.2\]"),
        ({"rho": 1.5}, "`rho` must lie between -1 and 1, got 1.5"),
        ({"alpha": 0}, "`alpha` must be a number between 0 and 1, got 0"),
        ({"null": np.inf}, "`null` must be a finite number, got inf"),
        ({"null": "0"}, "`null` must be a finite number, got '0'"),
        ({"T0": 1, "T1": 1}, "mean squared representer must be positive, got 0 for '1 vs 1'"),
    ],
)
def test_bad_parameters(two_arms, params, message):
    with pytest.raises(ValueError, match=message):
        sensitivity_analysis(two_arms, **params)


def test_bad_strengths_of_methods(two_arms):
    found = sensitivity_analysis(two_arms)
    with pytest.raises(ValueError, match=r"`cf_d` must lie between 0 and 1, got \[0, 2\]"):
        found.bounds(cf_d=[0, 2])
    with pytest.raises(ValueError, match="`cf_y` must hold numbers, got 'much'"):
        found.bias(cf_y="much")
    with pytest.raises(ValueError, match="`rho` must lie between -1 and 1, got -2"):
        found.conf_bounds(rho=-2)
    with pytest.raises(ValueError, match="`alpha` must be a number between 0 and 1, got 2"):
        found.conf_bounds(alpha=2)
    with pytest.raises(ValueError, match="`cf_y` must lie between 0 and 1, got 7"):
        found.at(cf_y=7)


def test_estimators_that_have_no_bounds(two_arms):
    with pytest.raises(NotFittedError):
        sensitivity_analysis(tiny())
    with pytest.raises(TypeError, match=r"`estimator` must be an effect .*LinearRegression"):
        sensitivity_analysis(LinearRegression().fit(X, Y))
    with pytest.raises(TargetError, match=r"`T1` must .*7"):
        sensitivity_analysis(two_arms, T1=7)
    single = tiny(n_folds=1).fit(X, T, Y)
    with pytest.raises(IntervalNotAvailableError, match=r"a sensitivity analysis .* n_folds=5"):
        sensitivity_analysis(single)
    logit = StructuralNet(treatment_type="dose", **TINY).fit(X, DOSE, (Y > 0).astype(int))
    with pytest.raises(ModelError, match=r"linear functional .*identity link\), got .* for doses"):
        sensitivity_analysis(logit)
    tobit = StructuralNet(model=Tobit(lower=-1.0), **TINY).fit(X, T, np.maximum(Y, -1))
    with pytest.raises(ModelError, match=r"linear functional .*got Tobit\(lower=-1.0\) for arms"):
        sensitivity_analysis(tobit)
    learned = StructuralNet(model=Linear(), hessian="cholesky", **{**TINY, "n_folds": 3})
    with pytest.raises(ModelError, match=r"treatment's law, but that of Linear\(\) was learned"):
        sensitivity_analysis(learned.fit(X, DOSE, Y))


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"residual": [1.0]}, TargetError, "same number of rows, got `psi` 20, `residual` 1"),
        ({"psi": put(I, 3, np.nan)}, TargetError, "`psi` must not contain NaN .* row 3: nan"),
        ({"psi": ["a"] * 20}, TargetError, "`psi` must hold numbers, got strings"),
        ({"representer": put(I, 0, np.inf)}, TargetError, "`representer` must not contain NaN"),
        ({"psi": np.ones((20, 2))}, TargetError, "`residual` must have one column for each of"),
        ({"psi": np.ones((20, 2, 2))}, TargetError, r"`psi` must have shape .*\(20, 2, 2\)"),
        ({"residual": np.zeros(20)}, ValueError, "mean squared residual must be positive, got 0"),
        ({"sample_weight": np.full(20, -1)}, TargetError, "`sample_weight` must be at least 0"),
        ({"cluster": I[:4]}, TargetError, "same number of rows, got `psi` 20, `cluster` 4"),
        ({"names": ["a", "b"]}, ValueError, r"`names` must have 1 entries, got \['a', 'b'\]"),
        ({"cf_y": 2}, ValueError, "`cf_y` must lie between 0 and 1, got 2"),
        (
            {"residual": pd.Series(I, index=I + 1.0), "psi": pd.Series(I)},
            TargetError,
            "must have the same index",
        ),
    ],
)
def test_bad_arrays(changes, error, message):
    psi, residual, representer, _ = _interactive()
    given = {"psi": psi, "residual": residual, "representer": representer} | changes
    with pytest.raises(error, match=message):
        omitted_variable_bounds(**given)


def test_one_row_is_too_few_and_columns_may_be_frames():
    with pytest.raises(TargetError, match="`psi` must have at least 2 rows, got 1"):
        omitted_variable_bounds([1.0], [1.0], [1.0])
    psi, residual, representer, _ = _interactive()
    polars = pytest.importorskip("polars")
    plain = omitted_variable_bounds(psi, residual, representer).ci_upper
    for wrap in (pd.Series, polars.Series, pd.DataFrame, lambda v: v[:, None], list):
        found = omitted_variable_bounds(wrap(psi), wrap(residual), wrap(representer))
        np.testing.assert_array_equal(found.ci_upper, plain)
