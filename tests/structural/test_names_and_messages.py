"""What a user of StructuralNet reads and writes: names, labels, frames and messages."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pytest
import torch

from sklcausal.exceptions import ModelError, OverlapWarning, TargetError
from sklcausal.structural import (
    InteractionBasis,
    Linear,
    LogBasis,
    Logit,
    NegativeBinomial,
    PolynomialBasis,
    SplineBasis,
    StructuralNet,
)

TINY = {
    "representation_widths": (16,),
    "head_widths": (16,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 2,
    "n_folds": 2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def mixed():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(5)
    X = pandas.DataFrame(rng.normal(size=(200, 3)), columns=["age", "income", "size"])
    T = pandas.DataFrame({"price": rng.normal(size=200), "advert": rng.normal(size=200)})
    y = X["age"] + T["price"] - T["advert"] + rng.normal(size=200)
    return StructuralNet(**TINY).fit(X, T, y), X, T, y


def test_columns_of_treatments_are_told_apart_by_their_names(mixed):
    est, X, T, y = mixed
    turned = T[["advert", "price"]]
    effect = est.effect(X, T0=T, T1=T + 1)
    np.testing.assert_array_equal(est.effect(X, T0=turned, T1=turned + 1), effect)
    curve = est.dose_response(T.head(3))
    assert est.dose_response(turned.head(3)).names == curve.names
    assert est.score(X, turned, y) == est.score(X, T, y)
    with pytest.raises(
        TargetError, match=r"must have the columns \['price', 'advert'\] as in fit"
    ):
        est.effect(X, T0=T.rename(columns={"price": "cost"}), T1=T)


def test_doses_by_the_names_of_their_treatments(mixed):
    est, X, T, _ = mixed
    by_name = est.effect(X, T0={"price": 0.0}, T1={"price": 1.0})
    mean = float(T["advert"].mean())
    np.testing.assert_allclose(by_name, est.effect(X, T0=[0.0, mean], T1=[1.0, mean]))
    np.testing.assert_allclose(
        est.effect(X, T0=T.mean()[["advert", "price"]], T1=T.mean() + [1.0, 0.0]),
        est.effect(X, T0=T.mean().to_numpy(), T1=T.mean().to_numpy() + [1.0, 0.0]),
    )
    with pytest.raises(TargetError, match=r"`T0` must hold a dose for each of"):
        est.effect(X, T0={"price": [0.0, 1.0]})
    with pytest.raises(TargetError, match=r"must name treatments out of .*, got \['cost'\]"):
        est.effect(X, T0={"cost": 0.0}, T1={"price": 1.0})


def test_targets_by_name(mixed):
    est, *_ = mixed
    result = est.estimate({"price": lambda th: th[1], "advert": lambda th: th[2]})
    one = result["advert"]
    assert one.names == ["advert"]
    assert one.estimate[0] == result.estimate[1]
    assert one.std_error[0] == pytest.approx(result.std_error[1])
    assert [r.names for r in result] == [["price"], ["advert"]]
    np.testing.assert_allclose(
        result[["advert", "price"]].covariance, result.covariance[::-1, ::-1]
    )
    assert result[-1].names == ["advert"]
    for key in ("cost", 2):
        with pytest.raises(KeyError, match=r"one of \['price', 'advert'\] or by its position"):
            result[key]


def test_groups_of_categories_keep_their_order(mixed):
    pandas = pytest.importorskip("pandas")
    est, X, *_ = mixed
    bands = pandas.cut(X["age"], [-9, -0.5, 0.5, 9])
    found = est.estimate(lambda th: th[1], T=[0.0, 0.0], by=bands)
    assert [name.split(",")[0] for name in found.names] == ["age=(-9.0", "age=(-0.5", "age=(0.5"]
    levels = np.where(X["age"] > 0, "low", "high")
    ordered = pandas.Categorical(levels, categories=["none", "low", "high"], ordered=True)
    names = est.estimate(lambda th: th[1], T=[0.0, 0.0], by=ordered).names
    assert [name.split(",")[0] for name in names] == ["low", "high"]
    ordered[3] = None
    with pytest.raises(TargetError, match=r"`by` must not be missing, got 1 row\(s\) .* row 3"):
        est.estimate(by=ordered)


def test_policies_get_frames_and_may_not_follow_what_was_received(mixed):
    est, X, T, _ = mixed
    value = est.policy_value(lambda rows: np.column_stack([rows["age"], 0 * rows["age"]]))
    given = est.policy_value(np.column_stack([X["age"], 0 * X["age"]]))
    np.testing.assert_allclose(value.estimate, given.estimate)
    with pytest.raises(
        TargetError, match=r"`policy` must be a function of covariates .* by 1\.0000"
    ):
        est.policy_value(T + 0.5)


def test_curves_beyond_the_doses_warn(mixed):
    est, *_ = mixed
    with pytest.warns(OverlapWarning, match=r"`T` lies beyond the doses of the training rows"):
        est.dose_response([[0.0, 50.0]])
    with pytest.raises(TargetError, match=r"`T` must hold at least one treatment, got shape \(0,"):
        est.dose_response([])


def test_functions_of_estimates_that_cannot_be_used(mixed):
    est, *_ = mixed
    result = est.estimate(lambda th: th[1], T=[0.0, 0.0])
    with pytest.raises(ModelError, match=r"`function` must be computable by torch functions"):
        result.transform(np.exp)
    with pytest.raises(TypeError, match=r"`function` must map a tensor .* got dict"):
        result.transform({"a": 1})


def test_projections_name_a_series(mixed):
    est, X, *_ = mixed
    assert est.best_linear_projection(X["age"]).names[1].endswith("age")
    assert est.best_linear_projection(X[["age"]] > 0).names[1].endswith("age")


def test_integers_that_may_be_prices():
    rng = np.random.default_rng(6)
    X, T = rng.normal(size=(200, 2)), rng.integers(1, 6, size=200)
    y = (rng.random(200) < 0.5).astype(float)
    with pytest.warns(UserWarning, match=r"were read as arms; pass treatment_type='dose'"):
        StructuralNet(model=Logit(), **TINY).fit(X, T, y)
    with pytest.raises(TargetError, match=r"'discrete' if not: the loss would see them as 0 to 4"):
        StructuralNet(model=lambda y, t, th: (y - th[0] * t) ** 2, n_params=1, **TINY).fit(X, T, y)
    est = StructuralNet(model=Logit(), treatment_type="dose", **TINY).fit(X, T, y)
    assert est.parameter_names_out_.tolist() == ["intercept", "slope of T"]


@pytest.mark.parametrize(
    ("basis", "names"),
    [
        (PolynomialBasis(), ["std(a)", "std(b)", "std(a)^2", "std(b)^2"]),
        (LogBasis(), ["log(a)", "log(b)"]),
        (InteractionBasis(), ["std(a)", "std(b)", "std(a)·std(b)"]),
        (SplineBasis(n_knots=3), ["std(a)", "std(b)", "bend 1 of a", "bend 1 of b"]),
    ],
)
def test_slopes_are_named_by_their_basis(basis, names):
    rng = np.random.default_rng(7)
    t = rng.uniform(1, 2, size=(50, 2))
    basis = basis.fit(t)
    assert basis.names(["a", "b"]) == names
    assert basis(torch.as_tensor(t)).shape == (50, len(names))


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (PolynomialBasis(degree=0), r"'degree' parameter of PolynomialBasis must be"),
        (SplineBasis(n_knots=2), r"'n_knots' parameter of SplineBasis must be"),
        ("cubic", r"'basis' parameter of Linear must be"),
    ],
)
def test_bases_that_cannot_be_used(basis, message):
    rng = np.random.default_rng(9)
    X, T, y = rng.normal(size=(60, 2)), rng.normal(size=60), rng.normal(size=60)
    with pytest.raises(ValueError, match=message):
        StructuralNet(model=Linear(basis=basis), **TINY).fit(X, T, y)


def test_every_outcome_has_a_dispersion_of_its_own():
    rng = np.random.default_rng(8)
    y = np.column_stack(
        [rng.poisson(3.0, size=4000), rng.poisson(3 * rng.gamma(0.5, 2, size=4000))]
    ).astype(float)
    T = rng.integers(2, size=4000)
    model = NegativeBinomial()
    est = StructuralNet(model=model, outcome="count", **{**TINY, "max_epochs": 1})
    weight = np.where(np.arange(4000) < 2000, 2.0, 1.0)
    found = est.fit(rng.normal(size=(4000, 2)), T, y, sample_weight=weight).model_.dispersion_
    assert found[0] < 0.1
    assert found[1] == pytest.approx(2.0, rel=0.3)
