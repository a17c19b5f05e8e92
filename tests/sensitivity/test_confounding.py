"""Bounds from arrays: published definitions, longhand, tables and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
from _small_data import put
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from sklcausal.exceptions import OverlapWarning, TargetError
from sklcausal.sensitivity import omitted_variable_bounds

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
    assert found.representer_second_moment[0] == pytest.approx(0.1)


# -- errors --------------------------------------------------------------------------------


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
        (
            {"representer_functional": np.full(20, -0.1)},
            ValueError,
            r"representer must be positive, got -\d.* `representer_functional`",
        ),
        (
            {"cluster": ["a"] * 20},
            TargetError,
            r"`cluster` must have at least 2 .* got 1: \['a'\]",
        ),
        (
            {"cluster": I // 10, "sample_weight": (I < 10).astype(float)},
            TargetError,
            r"`cluster` must have at least 2 clusters with positive weight, got 1: \[0\]",
        ),
        (
            {"sample_weight": put(np.zeros(20), 3, 1.0)},
            TargetError,
            "`sample_weight` must be positive in at least 2 rows, got 1: row 3",
        ),
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
