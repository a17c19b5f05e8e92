"""A model of the user's own: recovery, targets, derived results and clear errors."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded, make_pricing
from sklcausal.exceptions import (
    IntervalNotAvailableError,
    ModelError,
    OverlapWarning,
    TargetError,
)
from sklcausal.representation import TARNet
from sklcausal.structural import (
    Linear,
    Logit,
    MomentModel,
    MultinomialLogit,
    Poisson,
    PotentialOutcomes,
    Quantile,
    StructuralModel,
    StructuralNet,
    Tobit,
)

SMALL = {
    "representation_widths": (16,),
    "head_widths": (16,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 40,
    "n_folds": 3,
    "random_state": 0,
}
TINY = {**SMALL, "max_epochs": 2, "n_folds": 2}


def elasticity(theta, x, t):
    return theta[1] * t * (1 - torch.sigmoid(theta[0] + theta[1] * t))


@pytest.fixture(scope="module")
def shop():
    return make_pricing(3000, random_state=0)


@pytest.fixture(scope="module")
def fitted(shop):
    return StructuralNet(model=Logit(), **SMALL).fit(shop.X, shop.T, shop.y)


# -- what it finds ----------------------------------------------------------------------------


def test_slopes_and_effects_are_recovered(fitted, shop):
    theta = fitted.parameters(shop.X)
    assert list(fitted.parameter_names_out_) == ["intercept", "slope of T"]
    assert np.corrcoef(theta[:, 1], shop.theta[:, 1])[0, 1] > 0.6
    result = fitted.estimate([elasticity, lambda theta: theta[1]], T=5.0)
    truth = shop.theta[:, 1] * 5 / (1 + np.exp(shop.theta @ [1, 5]))
    expected = [truth.mean(), shop.theta[:, 1].mean()]
    assert np.all(np.abs(result.estimate - expected) < 3 * result.std_error)
    assert result.names == ["elasticity", "<lambda>"]
    low, high = fitted.effect_interval(shop.X[:300], T0=5, T1=4)
    means = [1 / (1 + np.exp(-shop.theta[:300] @ [1, t])) for t in (5, 4)]
    effect = means[1] - means[0]
    assert np.mean((low <= effect) & (effect <= high)) > 0.6


def test_effects_are_differences_of_means_under_the_model(fitted, shop):
    X, T0 = shop.X[:40], shop.T[:40]
    by_member = next(theta for _, theta in fitted.theta_net_.theta(X))

    def mean(t):
        return (1 / (1 + np.exp(-by_member[:, :, 0] - by_member[:, :, 1] * t))).mean(axis=0)

    np.testing.assert_allclose(fitted.effect(X, T0=5, T1=4), mean(4) - mean(5), rtol=1e-9)
    np.testing.assert_allclose(fitted.effect(X, T0=T0, T1=4), mean(4) - mean(T0), rtol=1e-9)
    low, high = fitted.effect_interval(X[:5], T0=T0[:5], T1=4)
    # as many rows, since sums of float32 depend on the shape of a batch
    alone = fitted.effect_interval(X[[3] * 5], T0=T0[3], T1=4)
    assert low[3] == pytest.approx(alone[0][0]) and high[3] == pytest.approx(alone[1][0])


def test_targets_match_effects(fitted):
    effect = fitted.estimate(T0=5.0, T1=6.0)
    by_hand = fitted.estimate(
        {"change": lambda th: torch.sigmoid(th[0] + 6 * th[1]) - torch.sigmoid(th[0] + 5 * th[1])}
    )
    np.testing.assert_allclose(by_hand.estimate, effect.estimate)
    np.testing.assert_allclose(by_hand.std_error, effect.std_error)
    np.testing.assert_allclose(by_hand.influence_values.mean(axis=0), by_hand.estimate)
    n = len(by_hand.influence_values)
    error = by_hand.influence_values.std(axis=0, ddof=1) / np.sqrt(n)
    np.testing.assert_allclose(by_hand.std_error, error)


def test_received_doses_average_the_derivative_over_their_law(fitted):
    def slope(theta, x, t):
        p = torch.sigmoid(theta[0] + theta[1] * t)
        return theta[1] * p * (1 - p)

    asked = fitted.estimate(slope)
    ready = fitted.average_derivative()
    np.testing.assert_allclose(asked.estimate, ready.estimate, rtol=1e-9)
    np.testing.assert_allclose(asked.std_error, ready.std_error, rtol=1e-9)


def test_functions_of_estimates_by_the_delta_method(fitted):
    pair = fitted.estimate({"a": lambda th: th[0], "b": lambda th: th[1]})
    ratio = pair.transform(lambda e: e[0] / e[1], "reservation price")
    a, b = pair.estimate
    gradient = np.array([1 / b, -a / b**2])
    assert ratio.estimate[0] == pytest.approx(a / b)
    assert ratio.std_error[0] == pytest.approx(np.sqrt(gradient @ pair.covariance @ gradient))
    assert ratio.names == ["reservation price"]
    with pytest.raises(ModelError, match=r"`function` must return a tensor with at most one axis"):
        pair.transform(lambda e: 3.0)


def test_joint_intervals_are_wider(fitted):
    curve = fitted.dose_response([3.0, 4.0, 5.0, 6.0, 7.0])
    assert curve.names == ["3", "4", "5", "6", "7"]
    assert (np.diff(curve.estimate) < 0).all()
    half = [np.subtract(*curve.conf_int(simultaneous=s)[::-1]) for s in (False, True)]
    assert (half[1] > half[0]).all() and (half[1] < 1.6 * half[0]).all()
    assert len(fitted.dose_response().estimate) == 25
    gap = fitted.estimate(T0=5.0, T1=4.0).estimate[0]
    assert curve.estimate[1] - curve.estimate[2] == pytest.approx(gap)


def test_groups_and_policies(fitted, shop):
    old = shop.X[:, 0] > 0
    parts = fitted.estimate(elasticity, T=5.0, by=old)
    whole = fitted.estimate(elasticity, T=5.0)
    share = np.array([(~old).mean(), old.mean()])
    assert share @ parts.estimate == pytest.approx(whole.estimate[0])
    value = fitted.policy_value(lambda X: np.where(X[:, 0] > 0, 4.0, 5.0), baseline=5.0)
    effect = fitted.estimate(T0=5.0, T1=4.0, by=old).estimate[1] * old.mean()
    assert value.estimate[2] == pytest.approx(effect)
    assert value.names == ["policy", "baseline", "gain"]


def test_best_linear_projection_is_least_squares_of_influence_values(fitted, shop):
    table = fitted.best_linear_projection(shop.X[:, :2], T0=5.0, T1=4.0)
    psi = fitted.estimate(T0=5.0, T1=4.0).influence_values[:, 0]
    Z = np.column_stack([np.ones(len(psi)), shop.X[:, :2]])
    gram = np.linalg.inv(Z.T @ Z)
    coef = gram @ Z.T @ psi
    error = (psi - Z @ coef) / (1 - np.einsum("nq,qr,nr->n", Z, gram, Z))
    covariance = gram @ (Z * error[:, None] ** 2).T @ Z @ gram
    np.testing.assert_allclose(table.estimate, coef, rtol=1e-8)
    np.testing.assert_allclose(table.std_error, np.sqrt(np.diag(covariance)), rtol=1e-6)
    assert table.names == ["intercept", "x0", "x1"]
    with pytest.raises(ValueError, match=r"`features` must have linearly independent columns"):
        fitted.best_linear_projection(shop.X[:, [0, 0]])


def test_structural_net_on_arms_is_a_tarnet():
    data = make_confounded(300, random_state=0)
    one = StructuralNet(**TINY).fit(data.X, data.T, data.y)
    two = TARNet(**TINY).fit(data.X, data.T, data.y)
    np.testing.assert_array_equal(one.effect(data.X), two.effect(data.X))
    three = StructuralNet(model=PotentialOutcomes(), **TINY).fit(data.X, data.T, data.y)
    assert three.ate() == one.ate()


def test_policy_of_the_best_arm():
    data = make_confounded(600, n_arms=3, random_state=0)
    est = TARNet(**SMALL).fit(data.X, data.T, data.y)
    result = est.policy_value()
    arms = est.dose_response().estimate
    assert result.estimate[0] > arms.max() - result.std_error[0]
    assert result.estimate[1] == pytest.approx(arms[0])
    with pytest.raises(TargetError, match=r"`policy` must be a function of covariates"):
        est.policy_value(data.T)


# -- models of one's own -----------------------------------------------------------------------


class OwnLinear(StructuralModel):
    n_params = 2

    def loss(self, y, t, theta):
        return 0.5 * (y - theta[0] - theta[1] * t) ** 2

    def mean(self, theta, t):
        return theta[0] + theta[1] * t


def draw_linear(n=2000, origin=0.0, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    T = origin + X[:, 0] + rng.normal(size=n)
    y = scale * (X[:, 0] + (1 + 0.5 * X[:, 1]) * (T - origin) + rng.normal(size=n))
    return X, T, y


@pytest.mark.parametrize(("origin", "scale"), [(0.0, 1.0), (10.0, 1.0), (0.0, 1e4)])
def test_own_losses_are_invariant_to_units(origin, scale):
    X, T, y = draw_linear(origin=origin, scale=scale)
    est = StructuralNet(model=OwnLinear(), **SMALL).fit(X, T, y)
    result = est.estimate({"slope": lambda theta: theta[1]})
    assert result.estimate[0] / scale == pytest.approx(1.0, abs=3 * result.std_error[0] / scale)
    base = StructuralNet(model=OwnLinear(), **SMALL).fit(*draw_linear())
    expected = base.estimate({"slope": lambda theta: theta[1]})
    np.testing.assert_allclose(result.std_error / scale, expected.std_error, rtol=0.02)
    np.testing.assert_allclose(result.estimate / scale, expected.estimate, atol=0.01)
    # the network itself, before any correction
    slopes = est.parameters(X)[:, 1] / scale
    assert np.sqrt(np.mean((slopes - 1 - 0.5 * X[:, 1]) ** 2)) < 0.3
    assert est.hessian_method_ == "quadrature"
    assert est.diagnostics_["n_regularised"] == 0


def test_functions_do_as_models():
    X, T, y = draw_linear(600)
    own = StructuralNet(model=OwnLinear(), **SMALL).fit(X, T, y)
    functions = StructuralNet(
        model=lambda y, t, theta: 0.5 * (y - theta[0] - theta[1] * t) ** 2,
        n_params=2,
        mean=lambda theta, t: theta[0] + theta[1] * t,
        **SMALL,
    ).fit(X, T, y)
    np.testing.assert_array_equal(functions.effect(X), own.effect(X))
    alone = StructuralNet(
        model=lambda y, t, theta: 0.5 * (y - theta[0] - theta[1] * t) ** 2, n_params=2, **SMALL
    ).fit(X, T, y)
    target = {"slope": lambda theta: theta[1]}
    found, expected = alone.estimate(target), own.estimate(target)
    np.testing.assert_allclose(found.estimate, expected.estimate, rtol=1e-6)
    np.testing.assert_allclose(alone.effect(X), own.effect(X), rtol=1e-3)  # the loss implies it


class WillingnessToPay(StructuralModel):
    """A logit whose Hessian depends on the outcome, since the slope is an exponential."""

    n_params = 2

    def loss(self, y, t, theta):
        index = theta[0] - torch.exp(theta[1]) * t
        return torch.nn.functional.softplus(index) - y * index


class WithMean(WillingnessToPay):
    def mean(self, theta, t):
        return torch.sigmoid(theta[0] - torch.exp(theta[1]) * t)


def test_the_loss_implies_the_mean_where_the_score_is_affine_in_y():
    rng = np.random.default_rng(1)
    X, T = rng.normal(size=(800, 2)), 5 + rng.normal(size=800)
    y = (rng.random(800) < 1 / (1 + np.exp(0.6 * T - 3 - 0.5 * X[:, 0]))).astype(float)
    nets = [StructuralNet(model=m(), **SMALL).fit(X, T, y) for m in (WillingnessToPay, WithMean)]
    assert [net.hessian_method_ for net in nets] == ["quadrature"] * 2
    np.testing.assert_allclose(*(net.effect(X, T0=5, T1=4) for net in nets), rtol=1e-4)
    for name in ("estimate", "std_error", "influence_values"):
        found, expected = (getattr(net.estimate(T0=5, T1=4), name) for net in nets)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, t, th: (y / torch.exp(th[0] * t)) ** 2 + 2 * th[0] * t + th[1] ** 2,  # bent
        lambda y, t, th: (y - th[0] * t) ** 2 + (y - th[1]) ** 2,  # two zeros
        lambda y, t, th: torch.nn.functional.huber_loss(th[0] + th[1] * t, y, delta=0.5),
        lambda y, t, th: torch.nn.functional.huber_loss(th[0] + th[1] * t, y, delta=5.0),
        lambda y, t, th: torch.nn.functional.huber_loss(th[0] + th[1] * t, y, delta=12.0),
    ],
)
def test_other_losses_leave_the_mean_open(loss):
    X, T, y = draw_linear(200)
    est = StructuralNet(model=loss, n_params=2, **{**TINY, "n_folds": 1}).fit(X, T, y)
    with pytest.raises(ModelError, match=r"which the loss `model` does not imply"):
        est.effect(X)


def test_rare_counts_have_a_mean_too():
    rng = np.random.default_rng(2)
    X, T = rng.normal(size=(400, 2)), rng.normal(size=400)
    y = rng.poisson(0.05, size=400).astype(float)
    est = StructuralNet(
        model=lambda y, t, th: torch.exp(th[0] + th[1] * t) - y * (th[0] + th[1] * t),
        n_params=2,
        **{**TINY, "n_folds": 1},
    ).fit(X, T, y)
    theta = est.parameters(X)
    means = [np.exp(theta[:, 0] + theta[:, 1] * t) for t in (0, 1)]
    np.testing.assert_allclose(est.effect(X, T0=0, T1=1), means[1] - means[0], rtol=0.2)


def test_a_score_without_the_outcome_implies_no_mean():
    X, T, y = draw_linear(200)
    T[0] = 0.0
    est = StructuralNet(model=lambda y, t, th: (y - th[0] * t) ** 2, n_params=1, **TINY)
    est.fit(X, T, y)
    assert np.isfinite(est.effect(X, T0=1, T1=2)).all()
    with pytest.raises(ModelError, match=r"at the treatment \[0\.0\], where the outcome does not"):
        est.effect(X, T0=0, T1=1)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_targets_of_one_name_are_kept_apart(fitted):
    targets = [
        lambda th: torch.special.log_ndtr(th[1]),
        lambda th: torch.special.log_ndtr(torch.softmax(th, -1)[0]),
    ]
    both = fitted.estimate(targets, T=5.0)
    for i, target in enumerate(targets):
        assert fitted.estimate(target, T=5.0).estimate[0] == pytest.approx(both.estimate[i])


@pytest.mark.filterwarnings("ignore:the Hessian of")
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_what_depends_on_y_is_seen_in_all_units(scale):
    rng = np.random.default_rng(3)
    X, T = rng.normal(size=(200, 2)), scale * rng.normal(size=200)
    y = rng.normal(size=200) / scale

    def normal(y, t, theta):
        return theta[1] + 0.5 * ((y - theta[0] * t) * torch.exp(-theta[1])) ** 2

    est = StructuralNet(
        model=normal, n_params=2, mean=lambda th, t: th[0] * t, **{**TINY, "n_folds": 3}
    )
    assert est.fit(X, T, y).hessian_method_ == "cholesky"


class Exponential(StructuralModel):
    """Waiting times whose Hessian is not affine in the outcome on this scale."""

    n_params = 2

    def loss(self, y, t, theta):
        shape = torch.exp(theta[0] + theta[1] * t)
        return (y / shape) ** 2 + 2 * torch.log(shape)

    def mean(self, theta, t):
        return torch.exp(theta[0] + theta[1] * t) * 0.886227


class Spread(StructuralModel):
    """A normal likelihood, whose Hessian is quadratic in the outcome."""

    n_params = 2

    def loss(self, y, t, theta):
        return theta[1] + 0.5 * ((y - theta[0] * t) * torch.exp(-theta[1])) ** 2

    def mean(self, theta, t):
        return theta[0] * t

    def outcome_nodes(self, theta, t):
        mean, sd = theta[..., :1] * t, torch.exp(theta[..., 1:])
        return [(0.5, mean - sd), (0.5, mean + sd)]


def test_outcome_nodes_average_a_hessian_that_is_not_affine():
    rng = np.random.default_rng(4)
    X, T = rng.normal(size=(1500, 2)), 2 + rng.normal(size=1500)
    log_sd = -0.3 + 0.3 * X[:, 0]
    y = (1 + 0.3 * X[:, 1]) * T + np.exp(log_sd) * rng.normal(size=1500)
    est = StructuralNet(model=Spread(), **SMALL).fit(X, T, y)
    assert est.hessian_method_ == "quadrature"
    result = est.estimate([lambda th: th[0], lambda th: th[1]])
    np.testing.assert_allclose(result.estimate, [1, -0.3], atol=4 * result.std_error.max())
    with pytest.raises(ValueError, match=r"or define `outcome_nodes\(theta, t\)`"):
        StructuralNet(model=Exponential(), hessian="structured", **TINY).fit(X, T, abs(y))


def test_a_mean_without_effects_is_refused():
    X, T, y = draw_linear(60)

    def level(theta, t):
        return theta[0]

    est = StructuralNet(
        model=lambda y, t, th: (y - th[0] - th[1] * t) ** 2, n_params=2, mean=level, **TINY
    )
    with pytest.raises(ModelError, match=r"`level` must depend on the treatment `t`"):
        est.fit(X, T, y)


def test_likelihoods_without_a_minus_sign_are_named():
    X, T, y = draw_linear(60)

    def likelihood(y, t, th):
        index = th[0] + th[1] * t
        return (y > 0) * index - torch.nn.functional.softplus(index)

    with pytest.raises(ModelError, match=r"`likelihood` must be a loss, .* needs a minus sign"):
        StructuralNet(model=likelihood, n_params=2, **TINY).fit(X, T, y)


def test_doses_that_depend_on_x_are_not_randomised():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, 2))
    T = 2 * X[:, 0] + 0.5 * rng.normal(size=400)
    y = T + rng.normal(size=400)
    with pytest.warns(OverlapWarning, match=r"`assignment='randomised'` says that the treatment"):
        StructuralNet(assignment="randomised", **TINY).fit(X, T, y)


@pytest.mark.filterwarnings("ignore:the Hessian of")
def test_hessians_that_do_not_follow_from_the_mean_are_learned():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(1500, 2)), rng.normal(size=1500)
    y = np.exp(0.3 * X[:, 0] + (0.5 + 0.2 * X[:, 1]) * T) * np.sqrt(rng.exponential(size=1500))
    est = StructuralNet(model=Exponential(), **SMALL).fit(X, T, y)
    assert est.hessian_method_ == "cholesky"
    result = est.estimate({"slope": lambda theta: theta[1]})
    assert result.estimate[0] == pytest.approx(0.5, abs=4 * result.std_error[0])
    with pytest.raises(IntervalNotAvailableError, match=r"needs `n_folds` of at least 3"):
        StructuralNet(model=Exponential(), **TINY).fit(X, T, y)


@pytest.mark.parametrize("model", [Tobit(lower=-1.0), Quantile(quantile=0.5)])
def test_models_whose_hessian_is_not_affine(model):
    X, T, y = draw_linear(1500)
    y = np.maximum(y, -1.0) if isinstance(model, Tobit) else y
    est = StructuralNet(model=model, **SMALL).fit(X, T, y)
    result = est.estimate({"slope": lambda theta: theta[1]})
    assert result.estimate[0] == pytest.approx(1.0, abs=4 * result.std_error[0])
    assert result.std_error[0] < 0.15


def test_choices_among_alternatives():
    rng = np.random.default_rng(0)
    X, price = rng.normal(size=(1500, 2)), rng.normal(2, 1, size=(1500, 3))
    taste = -1 - 0.5 * np.tanh(X[:, :1])
    chosen = (taste * price + [0, 0.5, -0.5] + rng.gumbel(size=(1500, 3))).argmax(axis=1)
    labels = np.array(["bus", "car", "walk"])[chosen]
    est = StructuralNet(model=MultinomialLogit(), **SMALL).fit(X, price, labels)
    assert list(est.outcome_names_) == ["bus", "car", "walk"]
    result = est.estimate([lambda theta: theta[0]])
    assert result.estimate[0] == pytest.approx(taste.mean(), abs=4 * result.std_error[0])
    effect = est.effect(X[:10], T0=[2, 2, 2], T1=[3, 2, 2])
    assert effect.shape == (10, 1, 3)
    np.testing.assert_allclose(effect.sum(axis=2), 0, atol=1e-12)
    assert (effect[..., 0] < 0).all()


@pytest.mark.parametrize("hessian", ["structured", "cholesky", "entrywise"])
@pytest.mark.filterwarnings("ignore:hessian='entrywise'")
def test_every_way_to_the_hessian(hessian):
    X, T, y = draw_linear(1500)
    est = StructuralNet(model=Linear(), hessian=hessian, **SMALL).fit(X, T, y)
    result = est.estimate({"slope": lambda theta: theta[1]})
    assert result.estimate[0] == pytest.approx(1.0, abs=4 * result.std_error[0])
    expected = {"structured": "moments"}.get(hessian, hessian)
    assert est.hessian_method_ == est.diagnostics_["hessian_method"] == expected


def test_learned_hessians_know_directions_that_hold_little_information():
    # seen from 0, a dose around 30 leaves intercept and slope nearly collinear
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1500, 2))
    T = 30 + X[:, 0] + rng.normal(size=1500)
    y = X[:, 0] + (1 + 0.5 * X[:, 1]) * (T - 30) + rng.normal(size=1500)
    errors = [
        StructuralNet(
            model=lambda y, t, th: 0.5 * (y - th[0] - th[1] * t) ** 2,
            n_params=2,
            hessian=hessian,
            **SMALL,
        )
        .fit(X, T, y)
        .estimate(lambda th: th[1])
        .std_error[0]
        for hessian in ("structured", "cholesky")
    ]
    assert errors[1] > 0.85 * errors[0]  # .57 by squared errors of plain entries


def test_entrywise_regression_warns():
    X, T, y = draw_linear(200)
    est = StructuralNet(model=Linear(), hessian="entrywise", **{**TINY, "n_folds": 3})
    with pytest.warns(UserWarning, match=r"may have a wild inverse; prefer hessian='auto'"):
        est.fit(X, T, y)


@pytest.mark.parametrize("outcome", ["continuous", "binary", "count"])
def test_randomised_prices_need_no_network(outcome):
    data = make_pricing(800, outcome=outcome, randomised=True, random_state=0)
    est = StructuralNet(assignment="randomised", treatment_type="dose", outcome=outcome, **TINY)
    est.fit(data.X, data.T, data.y)
    assert est.hessian_method_ == "randomised"
    assert est.law_net_ is None
    assert np.isfinite(est.estimate().std_error).all()
    arms = StructuralNet(assignment="randomised", outcome=outcome, **TINY)
    arms.fit(data.X, (data.T > 5).astype(int), data.y)
    assert np.ptp(arms.propensity_, axis=0).max() == 0


@pytest.mark.filterwarnings("ignore:`assignment='randomised'` says")
def test_diagnostics_say_what_the_weights_do():
    X, T, y = draw_linear(3000)
    est = StructuralNet(model=Linear(), **SMALL).fit(X, T, y)
    found = est.diagnostics_
    # the representer is (t - m) / v, so that |alpha| is that of a normal law
    assert found["representer_effective_sample_size"] / 3000 == pytest.approx(2 / np.pi, abs=0.06)
    assert found["representer_quantiles"]["50%"] == pytest.approx(0.674, abs=0.06)
    assert found["largest_imbalance"] < 4
    assert found["imbalance"].shape == (2, 4)
    assert "effective sample size of the first effect's weights" in est.summary()
    # a law that is wrong does not balance
    wrong = StructuralNet(model=Linear(), assignment="randomised", **SMALL).fit(X, T, y)
    assert wrong.diagnostics_["largest_imbalance"] > 10


def test_repeated_splits_take_the_median():
    X, T, y = draw_linear(400)
    settings = {**TINY, "max_epochs": 10}
    once = StructuralNet(model=Linear(), **settings).fit(X, T, y)
    est = StructuralNet(model=Linear(), n_repeats=3, **settings).fit(X, T, y)
    alone = [engine.cells().psi[:, 1] for engine in est.engines_]
    means = np.array([psi.mean() for psi in alone])
    errors = np.array([psi.std(ddof=1) / np.sqrt(400) for psi in alone])
    result = est.estimate()
    assert result.estimate[0] == pytest.approx(np.median(means))
    variance = np.median(errors**2 + (means - np.median(means)) ** 2)
    assert result.std_error[0] == pytest.approx(np.sqrt(variance))
    assert once.estimate().estimate[0] == pytest.approx(means[0])
    np.testing.assert_array_equal(est.effect(X), once.effect(X))


# -- life in scikit-learn ----------------------------------------------------------------------


def test_models_can_be_searched_and_saved(shop):
    X, targets = shop.X[:300], pack_targets(shop.T[:300], shop.y[:300])
    est = StructuralNet(model=Logit(), **{**TINY, "n_folds": 1})
    search = GridSearchCV(est, {"model__basis": [None, "polynomial"]}, cv=2).fit(X, targets)
    assert search.best_params_["model__basis"] in (None, "polynomial")
    assert clone(est).model.basis is None
    full = StructuralNet(model=Logit(basis="spline"), **TINY).fit(X, targets)
    again = pickle.loads(pickle.dumps(full))
    np.testing.assert_array_equal(again.effect(X, T0=5, T1=4), full.effect(X, T0=5, T1=4))
    assert again.estimate(elasticity, T=5.0).estimate == full.estimate(elasticity, T=5.0).estimate


def test_dropped_rows_leave_what_was_asked(shop):
    est = StructuralNet(model=Logit(), **TINY).fit(shop.X[:400], shop.T[:400], shop.y[:400])
    before = est.effect_interval(shop.X[:5])
    asked = est.estimate(T0=5.0, T1=4.0)
    size = len(pickle.dumps(est))
    est.compact()
    assert len(pickle.dumps(est)) < size
    np.testing.assert_array_equal(est.effect_interval(shop.X[:5]), before)
    assert est.estimate(T0=5.0, T1=4.0).estimate == asked.estimate
    low, high = est.effect_interval(shop.X[:5], T0=5.0, T1=2.0)  # doses need no more than before
    assert (low < high).all()
    with pytest.raises(IntervalNotAvailableError, match=r"an average of a `target` needs the"):
        est.estimate(elasticity, T=5.0)


def test_dropped_rows_leave_the_arms_that_were_asked():
    data = make_confounded(300, random_state=0)
    T = np.where(data.X[:, 0] > 0.8, 2, data.T)
    est = StructuralNet(**TINY).fit(data.X, T, data.y).compact()
    assert np.isfinite(est.effect_interval(data.X[:5])).all()
    with pytest.raises(IntervalNotAvailableError, match=r"`compact` has dropped; fit again"):
        est.effect_interval(data.X[:5], T0=1, T1=2)


def test_every_row_may_have_doses_of_its_own_under_a_link(fitted, shop):
    X, T = shop.X[:200], shop.T[:200]
    bounds = fitted.effect_interval(X, T0=T, T1=T + 1)
    for i in (0, 7):
        alone = fitted.effect_interval(X[i : i + 1], T0=T[i], T1=T[i] + 1)
        np.testing.assert_allclose(np.ravel(alone), [bound[i] for bound in bounds], rtol=1e-4)
    index = shop.theta[:200, 0] + shop.theta[:200, 1] * np.stack([T, T + 1])
    truth = np.diff(1 / (1 + np.exp(-index)), axis=0)[0]
    assert np.mean((bounds[0] <= truth) & (truth <= bounds[1])) > 0.6  # a tiny network
    width = bounds[1] - bounds[0]
    centre = (bounds[1] + bounds[0]) / 2
    assert (np.abs(centre - fitted.effect(X, T0=T, T1=T + 1)) < 0.5 * width + 1e-9).all()
    assert np.median(np.abs(centre - truth) / width) < 0.25


def test_averages_over_new_rows_know_the_covariance_of_contrasts():
    data = make_pricing(400, random_state=0)
    T = np.column_stack([data.T, data.X[:, 3] + np.random.default_rng(0).normal(size=400)])
    est = StructuralNet(model=Logit(), **TINY).fit(data.X, T, data.y)
    result = est.estimate(X=data.X[:50])
    assert len(result.estimate) == 2
    assert np.isfinite(result.covariance).all()
    low, high = result.conf_int(simultaneous=True)
    assert (high - low > np.subtract(*result.conf_int()[::-1])).all()


def test_counts_of_a_dose_use_a_logarithm():
    data = make_pricing(600, outcome="count", random_state=0)
    est = StructuralNet(model=Poisson(), **TINY).fit(data.X, data.T, data.y)
    assert est.outcomes_.kinds == ("count",)
    plain = TARNet(outcome="count", **TINY).fit(data.X, data.T, data.y)
    np.testing.assert_array_equal(plain.effect(data.X), est.effect(data.X))


# -- errors -----------------------------------------------------------------------------------


def bad_model(loss, n=2):
    return {"model": loss, "n_params": n}


def returns_nothing(y, t, theta):
    (y - theta[0] - theta[1] * t) ** 2


BAD_LOSSES = {
    "shape": (lambda y, t, th: (y - th) ** 2, r"must return one number for a row, .* got \(2,\)"),
    "number": (
        lambda y, t, th: 1.0,
        r"`model` must return a tensor for a row, .* got <class 'float'>",
    ),
    "nothing": (returns_nothing, r"`returns_nothing` must return a tensor .* lack a return\?"),
    "order": (
        lambda theta, t, y: (y - theta[0] - theta[1] * t) ** 2,
        r"must take its arguments in order, as loss\(y, t, theta\)",
    ),
    "concave": (
        lambda y, t, th: -((y - th[0] - th[1] * t) ** 2),
        r"it has no minimum: its second derivative by theta\[0\] is -2; .* needs a minus sign",
    ),
    "far": (
        lambda y, t, th: (y - th[0] - th[1] * (t + 1e6)) ** 2,
        r"so far from 0 that it looks constant, so subtract",
    ),
    "branch": (lambda y, t, th: (y - th[0]) ** 2 if y > 0 else th[1] ** 2, r"use torch\.where"),
    "numpy": (
        lambda y, t, th: np.exp(th[0]) * y,
        r"must use torch functions, such as torch\.exp, not those of numpy",
    ),
    "constant": (lambda y, t, th: (y - t) ** 2, r"must depend on theta through torch functions"),
    "ignored": (lambda y, t, th: (y - th[0]) ** 2, r"theta\[1\] changes nothing; lower n_params"),
    "flat": (
        lambda y, t, th: torch.abs(y - th[0]) + (y - t * th[1]) ** 2,
        r"second derivative by theta\[0\] is 0 in every row, as of an absolute",
    ),
    "twins": (
        lambda y, t, th: (y - th[0] - th[1]) ** 2,
        r"does not change along a combination of theta\[0, 1\]",
    ),
    "infinite": (
        lambda y, t, th: (y - th[0] * torch.log(th[1])) ** 2,
        r"must be finite at the parameters that training starts from, got .* in row 0 with theta",
    ),
}


@pytest.mark.parametrize("case", list(BAD_LOSSES))
def test_losses_that_cannot_be_used(case):
    loss, message = BAD_LOSSES[case]
    X, T, y = draw_linear(60)
    est = StructuralNet(**bad_model(loss), **TINY)
    with pytest.raises(ModelError, match=message):
        est.fit(X, T, y)
    assert not hasattr(est, "model_")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": Logit}, ValueError, r"`model` must be an instance, such as Logit\(\)"),
        ({"model": OwnLinear(), "n_params": 2}, ValueError, r"`n_params` goes with a function"),
        ({"model": lambda y, t, theta: theta[0]}, ValueError, r"`n_params` must be given"),
        ({"model": "logit"}, ValueError, r"The 'model' parameter of StructuralNet must be"),
    ],
)
def test_settings_that_cannot_be_used(settings, error, message):
    X, T, y = draw_linear(60)
    with pytest.raises(error, match=message):
        StructuralNet(**settings, **TINY).fit(X, T, y)


BAD_TARGETS = {
    "shape": (lambda theta: theta, ModelError, r"must return one number for a row"),
    "no theta": (lambda theta, x: x[0], ModelError, r"must depend on theta through torch"),
    "infinite": (
        lambda theta: torch.log(theta[1]),
        ModelError,
        r"must be finite for every row, got nan in row \d+ with theta = \[",
    ),
    "branch": (lambda theta: theta[0] if theta[1] > 0 else theta[1], ModelError, r"torch\.where"),
    "text": ("ate", TypeError, r"`target` must be a function of \(theta, x, t\)"),
    "many": (lambda a, b, c, d: a[0], TypeError, r"must take \(theta\), \(theta, x\) or"),
}


@pytest.mark.parametrize("case", list(BAD_TARGETS))
def test_targets_that_cannot_be_used(fitted, case):
    target, error, message = BAD_TARGETS[case]
    with pytest.raises(error, match=message):
        fitted.estimate(target, T=5.0)


def test_arguments_that_do_not_go_together(fitted, shop):
    with pytest.raises(ValueError, match=r"`T` goes with a `target`"):
        fitted.estimate(T=5.0)
    with pytest.raises(ValueError, match=r"`X` goes with effects and must be None"):
        fitted.estimate(elasticity, X=shop.X)
    with pytest.raises(ValueError, match=r"`population='treated'` goes with effects"):
        fitted.estimate(elasticity, population="treated")
    with pytest.raises(TargetError, match=r"`T` must be a dose, or hold one for each row, got"):
        fitted.estimate(elasticity, T="high")
    with pytest.raises(ValueError, match=r"`alpha` must be a number between 0 and 1, got 2"):
        fitted.estimate(elasticity, T=5.0).conf_int(alpha=2)
    with pytest.raises(IntervalNotAvailableError, match=r"n_folds=1"):
        cheap = StructuralNet(model=Logit(), **{**TINY, "n_folds": 1})
        cheap.fit(shop.X, shop.T, shop.y).estimate(elasticity, T=5.0)
    with pytest.raises(TargetError, match=r"`average_derivative` needs doses"):
        data = make_confounded(100, random_state=0)
        TARNet(**TINY).fit(data.X, data.T, data.y).average_derivative()


@pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")
def test_a_dose_that_x_determines_is_refused():
    X, _, y = draw_linear(400)
    with pytest.raises(TargetError, match=r"`T` must vary given x, but x determines 'T' in"):
        StructuralNet(model=Linear(), **SMALL).fit(X, X[:, 0] + 0.5 * X[:, 1], y)


# -- double robustness --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`assignment='randomised'` says")
@pytest.mark.parametrize("wrong", ["outcome", "treatment"])
def test_one_wrong_part_leaves_the_average_slope(wrong):
    # T ~ N(10 + x, 1), where a ridge on the Hessian would keep a third of the bias
    errors, naive = [], []
    for seed in range(4):
        X, T, y = draw_linear(1200, origin=10.0, seed=seed)
        settings = {**SMALL, "n_folds": 2, "random_state": seed}
        if wrong == "outcome":
            settings |= {"lr": 1e-9, "max_epochs": 1}
        assignment = "randomised" if wrong == "treatment" else "observational"
        est = StructuralNet(model=Linear(), assignment=assignment, **settings).fit(X, T, y)
        result = est.estimate({"slope": lambda theta: theta[1]})
        errors.append((result.estimate[0] - 1) / result.std_error[0])
        naive.append(np.polyfit(T, y, 1)[0] - 1)
    assert np.mean(naive) > 0.3
    assert np.abs(np.mean(errors)) < 2
    assert np.abs(errors).max() < 4


# -- odd but honest data ------------------------------------------------------------------------


def test_a_single_row_may_have_its_own_treatments(fitted, shop):
    one = fitted.effect(shop.X[:1], T0=shop.T[:1], T1=shop.T[:1] - 1)
    two = fitted.effect(shop.X[:2], T0=shop.T[:2], T1=shop.T[:2] - 1)
    assert one[0] == pytest.approx(two[0])


def test_rare_arms_and_far_origins_are_no_model_errors():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(5000, 2)), np.zeros(5000, dtype=int)
    T[1:4000:400] = 1
    settings = {**TINY, "n_folds": 1}
    assert np.isfinite(TARNet(**settings).fit(X, T, X[:, 0] + T).effect(X[:3])).all()
    dates = 738_000 + 20 * rng.normal(size=5000)
    TARNet(treatment_type="dose", **settings).fit(X, dates, X[:, 0] + dates)


@pytest.mark.parametrize("model", [Linear(basis="log"), Poisson(basis="log")])
def test_logarithms_of_doses_keep_to_positive_doses(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    price = np.exp(0.3 * X[:, 0] + 0.8 * rng.normal(size=500))
    y = rng.poisson(np.exp(0.5 - 0.5 * np.log(price))) * 1.0
    est = StructuralNet(model=model, **TINY).fit(X, price, y)
    assert np.isfinite(est.estimate(T0=1.0, T1=2.0).std_error).all()
    with pytest.raises(TargetError, match=r"treatments at which the model has a finite mean"):
        est.effect(X[:3], T0=0.0, T1=1.0)


def test_missing_outcomes_do_not_unbalance():
    data = make_confounded(1500, random_state=0)
    y = np.column_stack([data.y, data.y + np.random.default_rng(0).normal(size=1500)])
    y[np.random.default_rng(1).random(1500) < 0.5, 0] = np.nan
    est = TARNet(**SMALL).fit(data.X, data.T, y)
    assert est.diagnostics_["largest_imbalance"] < 4.5


def test_hessians_that_cannot_be_had_are_refused():
    X, T, y = draw_linear(200)
    with pytest.raises(ValueError, match=r"`hessian='structured'` needs a model whose expected"):
        StructuralNet(model=Quantile(), hessian="structured", **TINY).fit(X, T, y)
    settings = {**TINY, "n_folds": 3}
    with pytest.raises(ValueError, match=r"`modifiers` needs an expected Hessian that follows"):
        StructuralNet(model=Quantile(), modifiers=[0], **settings).fit(X, T > 0, y)


def test_likelihoods_may_be_negative_in_scores():
    X, T, y = draw_linear(600)
    est = StructuralNet(model=Tobit(lower=-50.0), **{**SMALL, "n_folds": 1})
    assert est.fit(X, T, 1e-3 * y).score(X, T, 1e-3 * y) > 0


def test_results_do_not_hinge_on_the_mode_of_torch(shop):
    X, T, y = shop.X[:300], shop.T[:300], shop.y[:300]
    expected = StructuralNet(model=Logit(), **TINY).fit(X, T, y).estimate(elasticity, T=5.0)
    with torch.inference_mode():
        est = StructuralNet(model=Logit(), **TINY).fit(X, T, y)
        found = est.estimate(elasticity, T=5.0)
        est.effect_interval(X[:3], T0=5.0, T1=4.0)
        found.transform(lambda e: 2 * e[0])
    np.testing.assert_array_equal(found.estimate, expected.estimate)


def test_own_models_of_bought_or_not_need_no_treatment_type(shop):
    X, T, y = shop.X[:300], shop.T[:300], shop.y[:300]

    def buys(y, t, theta):
        index = theta[0] - torch.exp(theta[1]) * t
        return torch.nn.functional.softplus(index) - y * index

    def chance(theta, t):
        return torch.sigmoid(theta[0] - torch.exp(theta[1]) * t)

    with_mean = StructuralNet(model=buys, n_params=2, mean=chance, **TINY).fit(X, T, y)
    assert with_mean.contrasts_.treatments.kind == "dose"


def test_learned_hessians_of_outcomes_that_nobody_expects_warn():
    X, T, y = draw_linear(300)

    def waiting(y, t, theta):
        return (y * torch.exp(-theta[0] - theta[1] * t)) ** 2 + 2 * (theta[0] + theta[1] * t)

    with pytest.warns(UserWarning, match=r"may be too small; define `mean"):
        StructuralNet(model=waiting, n_params=2, **{**TINY, "n_folds": 3}).fit(X, T, y)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_quantiles_far_from_zero(scale):
    data = make_confounded(300, random_state=0)
    y = scale * (20 + data.y)
    est = StructuralNet(model=Quantile(quantile=0.5), **{**TINY, "n_folds": 3}).fit(
        data.X, data.T, y
    )
    assert np.isfinite(est.ate_interval()).all()


def test_losses_that_are_linear_in_theta_are_named():
    X, T, y = draw_linear(60)
    with pytest.raises(ModelError, match=r"must be curved in every parameter"):
        StructuralNet(
            model=lambda y, t, theta: theta[0] * y + theta[1] * t, n_params=2, **TINY
        ).fit(X, T, y)


def test_moments_whose_jacobian_would_be_learned_are_refused():
    class Squares(MomentModel):
        n_params = 1

        def loss(self, y, t, theta):
            return (y - theta[0] * t) ** 2

        def moments(self, y, t, theta):
            return (y * torch.exp(theta[0] * y) - t)[None]

    X, T, y = draw_linear(200)
    with pytest.raises(ModelError, match=r"Jacobian of moments must follow from the treatment's"):
        StructuralNet(model=Squares(), **{**TINY, "n_folds": 3}).fit(X, T, y)
