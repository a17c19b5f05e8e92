"""What every estimator does alike, checked on all that the package holds."""

# SPDX-License-Identifier: BSD-3-Clause

import copy
import importlib
import inspect
import pkgutil
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from _adapter import (
    ADAPTERS,
    ESTIMATORS,
    OTHER_TWINS,
    all_estimators,
    describe_params,
    draw_arms,
    make_study,
    mark_twins,
    set_everywhere,
    tiny,
)
from _pytest.mark import ParameterSet
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

import sklcausal
from sklcausal import pack_targets
from sklcausal.exceptions import (
    IntervalNotAvailableError,
    TargetError,
    TrainingDivergedError,
)

# With some twenty rows an arm, the propensities of a tiny network may well be clipped.
pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

every_estimator = pytest.mark.parametrize(
    "cls", mark_twins(ESTIMATORS), ids=lambda cls: cls.__name__
)

# Checks of scikit-learn that no estimator here can pass, for a reason of principle. They are
# strict: one that passes after all must go from the list.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "folds, validation parts and batches are made of rows: leaving a row out or repeating it "
        "moves the others between them, which no weight can do"
    ),
}

# `check_methods_subset_invariance` is left out: it asks for 1e-7, which float32 does not hold;
# `test_one_row_is_predicted_like_many` asks the same within its rounding.

# study -> arguments of `make_study`, shape of the effect for 7 rows
STUDIES = {
    "binary": ({}, (7,)),
    "3 arms": ({"arms": ("a", "b", "c")}, (7, 2)),
    "2-D y": ({"outcomes": ("continuous",) * 2}, (7, 1, 2)),
    "3 arms, 2-D y": ({"arms": ("a", "b", "c"), "outcomes": ("continuous",) * 2}, (7, 2, 2)),
    "y as one column": ({"outcomes": ("continuous",)}, (7, 1, 1)),
    "0/1 outcome": ({"outcomes": "binary"}, (7,)),
    "three kinds of outcome": ({"outcomes": ("binary", "continuous", "count")}, (7, 1, 3)),
}


def study_of(name):
    return make_study(**STUDIES[name][0])


def fit_to(cls, name, **params):
    outcomes = STUDIES[name][0].get("outcomes", "continuous")
    return tiny(cls, outcome=outcomes, **params).fit(*study_of(name))


@pytest.fixture(scope="module")
def fitted():
    """Fit each estimator once per study and hand it out by class and name of the study."""
    cache = {}

    def fit(cls, study="binary"):
        if (cls, study) not in cache:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", sklcausal.exceptions.OverlapWarning)
                cache[cls, study] = fit_to(cls, study)
        return cache[cls, study]

    return fit


def without_folds(cls):
    if "n_folds" not in inspect.signature(cls).parameters:
        pytest.skip("has no `n_folds`")
    return tiny(cls, n_folds=1)


# -- discovery ------------------------------------------------------------------------------


def test_discovery_finds_estimators():
    names = [cls.__name__ for cls in all_estimators()]
    assert {"SLearner", "TARNet", "TLearner"} <= set(names)
    assert names == sorted(set(names))


@every_estimator
def test_estimator_is_public(cls):
    infos = pkgutil.walk_packages(sklcausal.__path__, prefix="sklcausal.")
    public = [i.name for i in infos if not any(p.startswith("_") for p in i.name.split("."))]
    modules = [importlib.import_module(name) for name in public]
    assert any(cls.__name__ in getattr(module, "__all__", ()) for module in modules)


# -- scikit-learn's own checks --------------------------------------------------------------


def checks():
    for cls in ADAPTERS:
        checks = estimator_checks_generator(
            tiny(cls), expected_failed_checks=EXPECTED_FAILURES, mark="xfail"
        )
        is_slow = cls.__name__.removesuffix("Adapter") in OTHER_TWINS
        for check in checks:
            if "subset_invariance" in str(check):
                continue
            own = check if isinstance(check, ParameterSet) else pytest.param(*check)
            marks = (*own.marks, pytest.mark.slow) if is_slow else own.marks
            yield pytest.param(*own.values, marks=marks)


def name_of(value):
    """Name an estimator by its class, and a check by its function and arguments."""
    if isinstance(value, BaseEstimator):
        return type(value).__name__.removesuffix("Adapter")
    return "-".join([value.func.__name__, *(f"{k}={v}" for k, v in value.keywords.items())])


# not `parametrize_with_checks`, which up to scikit-learn 1.7 hands pytest a generator
@pytest.mark.parametrize("estimator, check", list(checks()), ids=name_of)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_adapter_draws_an_arm_for_a_row_by_its_content():
    X = np.random.default_rng(0).normal(size=(50, 3))
    T = draw_arms(X)
    assert set(T) == {0, 1}
    assert_array_equal(draw_arms(X[::-2]), T[::-2])
    assert_array_equal(draw_arms(np.asfortranarray(X)), T)
    assert_array_equal(draw_arms(X.tolist()), T)
    assert_array_equal(draw_arms(X.astype(object)), T)


# -- parameters and documentation -----------------------------------------------------------


@every_estimator
def test_parameters(cls):
    signature = inspect.signature(cls)
    for name, parameter in signature.parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY, name
        assert parameter.default is not parameter.empty, name
        assert not isinstance(parameter.default, (list, dict, set, np.ndarray, torch.nn.Module))
    est = cls()
    assert isinstance(est, BaseEstimator)
    assert list(est.get_params()) == sorted(signature.parameters)
    assert est.get_params() == {n: p.default for n, p in signature.parameters.items()}
    assert set(cls._parameter_constraints) == set(signature.parameters)


@every_estimator
def test_get_params_round_trip(cls):
    est = tiny(cls)
    params = est.get_params(deep=False)
    assert cls().set_params(**params).get_params(deep=False) == params
    assert cls(**params).get_params(deep=False) == params
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        est.set_params(nonsense=1)


@every_estimator
def test_clone_is_unfitted_and_equal(fitted, cls):
    est = fitted(cls)
    twin = clone(est)
    assert describe_params(twin) == describe_params(est)
    assert not any(name.endswith("_") for name in vars(twin))
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        twin.effect(np.zeros((1, 3)))


@every_estimator
@pytest.mark.parametrize("method", ["effect", "effect_interval", "predict", "potential_outcomes"])
def test_before_fit(cls, method):
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        getattr(cls(), method)(np.zeros((1, 3)))


@every_estimator
@pytest.mark.parametrize("method", ["ate", "ate_interval", "att", "summary"])
def test_averages_before_fit(cls, method):
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        getattr(cls(), method)()


@every_estimator
def test_repr(fitted, cls):
    assert repr(cls()) == f"{cls.__name__}()"
    assert "max_epochs=2" in repr(tiny(cls))
    assert cls.__name__ in fitted(cls)._repr_html_()


@every_estimator
def test_docstring(cls):
    doc = inspect.getdoc(cls)
    for section in ("Parameters", "Attributes", "See Also", "Notes", "References", "Examples"):
        assert f"\n{section}\n---" in doc, section
    assert f">>> from {'.'.join(cls.__module__.split('.')[:2])} import {cls.__name__}" in doc
    assert ".fit(" in doc
    for name in inspect.signature(cls).parameters:
        assert f"\n{name} : " in doc, name
    assert "{" + "shared" not in doc


# -- shapes ---------------------------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize("study", STUDIES)
def test_shapes(fitted, cls, study):
    shape = STUDIES[study][1]
    est = fitted(cls, study)
    X = np.random.default_rng(1).normal(size=(7, 3))
    effect = est.effect(X)
    assert effect.shape == shape
    assert effect.dtype == np.float64
    assert np.isfinite(effect).all()
    flat = effect.reshape(7, -1) if effect.ndim == 3 else effect
    assert_array_equal(est.predict(X), flat)
    for simultaneous in (False, True):
        low, high = est.effect_interval(X, simultaneous=simultaneous)
        assert low.shape == high.shape == shape
        assert np.isfinite(low).all() and np.isfinite(high).all()
        assert (low < high).all()
    narrow, wide = (est.effect_interval(X, alpha=alpha) for alpha in (0.5, 0.05))
    assert (narrow[1] - narrow[0] < wide[1] - wide[0]).all()
    for rows in (None, X):
        ate = est.ate(rows)
        low, high = est.ate_interval(rows)
        assert np.shape(ate) == np.shape(low) == np.shape(high) == shape[1:]
        assert (np.asarray(low) < ate).all() and (ate < np.asarray(high)).all()
    assert np.shape(est.att()) == shape[1:]
    assert est.effect_names_out_.shape == ((shape[1],) if len(shape) > 1 else (1,))
    assert est.predict_propensity(X).shape == (7, len(est.treatments_))
    outcomes = est.potential_outcomes(X)
    assert outcomes.shape == (7, len(est.treatments_), *shape[2:])
    against_control = (outcomes[:, 1:] - outcomes[:, :1]).reshape(shape)
    if "effect_widths" in est.get_params():  # effects have a network of their own
        assert np.abs(against_control - effect).max() > 1e-3
    else:
        np.testing.assert_allclose(against_control, effect, atol=1e-12)
    assert est.effect_names_out_[0] in est.summary()
    assert len(est.to_frame(X)) == effect.size


@every_estimator
@pytest.mark.parametrize("study", ["binary", "3 arms, 2-D y"])
def test_one_row_is_predicted_like_many(fitted, cls, study):
    est = fitted(cls, study)
    X = np.random.default_rng(1).normal(size=(5, 3))
    together = est.effect(X)
    ends = est.effect_interval(X)
    for i in range(len(X)):
        alone = est.effect(X[[i]])
        assert alone.shape == (1, *together.shape[1:])
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-5, atol=1e-6)
        for end, many in zip(est.effect_interval(X[[i]]), ends, strict=True):
            assert end.shape == alone.shape
            np.testing.assert_allclose(end[0], many[i], rtol=1e-5, atol=1e-5)
    assert np.shape(est.ate(X[:1])) == together.shape[1:]


@every_estimator
def test_contrasts_of_three_arms(fitted, cls):
    est = fitted(cls, "3 arms")
    X = np.random.default_rng(1).normal(size=(6, 3))
    effect = est.effect(X)
    assert_array_equal(est.treatments_, ["a", "b", "c"])
    assert_array_equal(est.effect_names_out_, ["b vs a", "c vs a"])
    np.testing.assert_allclose(est.effect(X, T0="b", T1="c"), effect[:, 1] - effect[:, 0])
    np.testing.assert_allclose(est.effect(X, T1=list("bcbcbc"))[1], effect[1, 1])
    low, high = est.effect_interval(X, T0="b", T1="c")
    assert low.shape == (6,) and (low < high).all()
    for call in (est.effect, est.effect_interval):
        with pytest.raises(TargetError, match="`T1` must be one of \\['a', 'b', 'c'\\], got"):
            call(X, T1="z")
    with pytest.raises(TargetError, match="`T0` must be one of"):
        est.ate(T0="z")


# -- seeds ----------------------------------------------------------------------------------


@every_estimator
def test_same_seed_same_result_to_the_bit(fitted, cls):
    X, T, y = make_study()
    first = fitted(cls)
    second = tiny(cls).fit(X, T, y)
    third = second.fit(X, T, y)
    for again in (second, third):
        assert_array_equal(first.effect(X), again.effect(X))
        assert_array_equal(first.effect_interval(X), again.effect_interval(X))
        assert_array_equal(
            first.effect_interval(X, simultaneous=True),
            again.effect_interval(X, simultaneous=True),
        )
        assert first.ate_interval() == again.ate_interval()
    other = tiny(cls, random_state=1).fit(X, T, y)
    assert (first.effect(X) != other.effect(X)).any()


@every_estimator
def test_random_state_instance_moves_on(cls):
    X, T, y = make_study()
    est = tiny(cls, random_state=np.random.RandomState(0))
    first = est.fit(X, T, y).effect(X)
    assert (first != est.fit(X, T, y).effect(X)).any()
    again = tiny(cls, random_state=np.random.RandomState(0)).fit(X, T, y).effect(X)
    assert_array_equal(first, again)


@every_estimator
@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_state_is_left_alone(cls, random_state):
    X, T, y = make_study()
    np_before, torch_before = np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    est = tiny(cls, random_state=random_state).fit(X, T, y)
    if random_state is not None:
        assert_array_equal(np_before[1], np.random.get_state()[1])  # noqa: NPY002
    middle = np.random.get_state()  # noqa: NPY002
    est.effect(X)
    est.effect_interval(X, simultaneous=True)
    est.ate_interval(X)
    est.score(X, T, y)
    for old, new in zip(middle, np.random.get_state(), strict=True):  # noqa: NPY002
        assert_array_equal(old, new)
    assert torch.equal(torch_before, torch.random.get_rng_state())


@every_estimator
def test_seed_of_torch_does_not_matter(fitted, cls):
    X, T, y = make_study()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        again = tiny(cls).fit(X, T, y)
    assert_array_equal(fitted(cls).effect(X), again.effect(X))


# -- without folds --------------------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize("study", ["binary", "3 arms, 2-D y"])
def test_one_fold_gives_effects_without_intervals(cls, study):
    X, T, y = study_of(study)
    est = without_folds(cls).fit(X, T, y)
    effect = est.effect(X)
    assert effect.shape == (len(X), *STUDIES[study][1][1:])
    assert est.predict(X).ndim <= 2
    assert np.isfinite(est.score(X, T, y))
    np.testing.assert_allclose(est.ate(), effect.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(est.ate(X[:10]), effect[:10].mean(axis=0), rtol=1e-4, atol=1e-6)
    for call in (
        lambda: est.effect_interval(X),
        lambda: est.ate_interval(),
        lambda: est.ate_interval(X),
        lambda: est.att(),
        lambda: est.ate(population="overlap"),
        lambda: est.summary(),
        lambda: est.to_frame(X),
    ):
        with pytest.raises(IntervalNotAvailableError, match=r"n_folds=1.*fit with n_folds=5"):
            call()


# -- failures -------------------------------------------------------------------------------


def learned(est):
    return {name for name in vars(est) if name.endswith("_") and not name.startswith("__")}


def fail_by_nan(est, X, T, y):
    y = y.copy()
    y[3] = np.nan
    with pytest.raises(TargetError, match="`y` must not contain NaN or infinity, got 1 such"):
        est.fit(X, T, y)


def fail_by_divergence(est, X, T, y):
    lr = next(v for name, v in est.get_params().items() if name.split("__")[-1] == "lr")
    with pytest.raises(TrainingDivergedError, match="loss became NaN or infinite in epoch"):
        set_everywhere(est, lr=1e30).fit(X, T, y)
    set_everywhere(est, lr=lr)


def fail_by_columns(est, X, T, y):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        est.fit(np.where(X > 0, np.nan, X)[:, :2], T, y)


def fail_by_parameter(est, X, T, y):
    with pytest.raises(ValueError, match="The 'max_epochs' parameter of"):
        set_everywhere(est, max_epochs=0).fit(X, T, y)
    set_everywhere(est, max_epochs=2)


FAILURES = [fail_by_columns, fail_by_divergence, fail_by_nan, fail_by_parameter]


@every_estimator
@pytest.mark.parametrize("fail", FAILURES)
def test_failed_fit_leaves_it_unfitted(cls, fail):
    est = tiny(cls)
    fail(est, *make_study())
    assert learned(est) == set()
    assert describe_params(est) == describe_params(tiny(cls))
    with pytest.raises(NotFittedError):
        est.effect(np.zeros((1, 3)))


@every_estimator
@pytest.mark.parametrize("fail", FAILURES)
def test_failed_refit_leaves_the_former_fit(fitted, cls, fail):
    X, T, y = make_study(arms=("a", "b", "c"))
    est = copy.deepcopy(fitted(cls, "3 arms"))
    before = est.effect(X), *est.effect_interval(X)
    state = learned(est)
    fail(est, X[:80], np.where(T == "a", 0, 1)[:80], y[:80])
    assert learned(est) == state
    for old, new in zip(before, (est.effect(X), *est.effect_interval(X)), strict=True):
        assert_array_equal(old, new)
    assert_array_equal(est.treatments_, ["a", "b", "c"])


@every_estimator
def test_refit_forgets_the_former_fit(fitted, cls):
    X, T, y = make_study()
    frame = pd.DataFrame(X, columns=list("abc"))
    est = tiny(cls).fit(frame, np.where(T == 0, "x", "y"), np.c_[y, y])
    est.fit(X, T, y)
    assert not hasattr(est, "feature_names_in_")
    assert learned(est) == learned(fitted(cls))
    assert_array_equal(est.effect(X), fitted(cls).effect(X))


@every_estimator
def test_arguments_are_not_written_to(cls):
    X, T, y = make_study()
    weight = np.linspace(1, 2, len(X))
    cluster = np.arange(len(X)) // 2
    arrays = [X, T, y, weight, cluster]
    before = copy.deepcopy(arrays)
    for array in arrays:
        array.setflags(write=False)
    est = tiny(cls).fit(X, T, y, sample_weight=weight, cluster=cluster)
    est.effect_interval(X)
    est.score(X, T, y, sample_weight=weight)
    for old, new in zip(before, arrays, strict=True):
        assert_array_equal(old, new)


@every_estimator
def test_target_must_come_once(cls):
    X, T, y = make_study()
    targets = pack_targets(T, y, cluster=np.arange(len(X)))
    with pytest.raises(TargetError, match="`cluster` must be packed or passed, got both"):
        cls().fit(X, targets, cluster=np.arange(len(X)))
    with pytest.raises(TargetError, match="`y` must be None when `T` holds packed targets"):
        cls().fit(X, targets, y)
    for arguments in [(X, T), (X,)]:
        with pytest.raises(TargetError, match="requires y to be passed, but the target y is None"):
            cls().fit(*arguments)


# -- packed targets and frames --------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize("study", ["binary", "3 arms, 2-D y"])
def test_packed_targets_are_the_same_as_separate_ones(fitted, cls, study):
    X, T, y = study_of(study)
    est = fitted(cls, study)
    targets = pack_targets(T, y)
    for arguments in ({"T": targets}, {"y": targets}):
        again = tiny(cls).fit(X, **arguments)
        assert_array_equal(est.effect(X), again.effect(X))
        assert est.score(X, **arguments) == est.score(X, T, y)


@every_estimator
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(fitted, cls, library):
    X, T, y = make_study()
    make, series = {"pandas": (pd.DataFrame, pd.Series), "polars": (pl.DataFrame, pl.Series)}[
        library
    ]
    columns = ["age", "dose", "sex"]
    frame = make({name: X[:, j] for j, name in enumerate(columns)})
    y_series = pd.Series(y, name="weight") if library == "pandas" else pl.Series("weight", y)
    est = tiny(cls).fit(frame, series(T), y_series)
    assert_array_equal(est.feature_names_in_, columns)
    assert est.n_features_in_ == 3
    assert_array_equal(est.outcome_names_, ["weight"])
    assert_array_equal(est.effect(frame), fitted(cls).effect(X))
    table = est.to_frame(frame)
    assert type(table) is make
    assert list(table.columns) == ["row", "contrast", "outcome", "effect", "low", "high"]
    for wrong in (
        frame[["dose", "age", "sex"]],
        make({"age": X[:, 0], "dose": X[:, 1], "gender": X[:, 2]}),
        frame[["age", "dose"]],
    ):
        for call in (est.effect, est.effect_interval, est.predict, est.ate, est.ate_interval):
            with pytest.raises(ValueError, match="The feature names should match those"):
                call(wrong)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but"):
        est.effect(X)


@every_estimator
def test_wrong_number_of_columns(fitted, cls):
    with pytest.raises(ValueError, match=f"X has 2 features, but {cls.__name__} is expecting 3"):
        fitted(cls).effect(np.zeros((1, 2)))


@every_estimator
def test_shuffled_index_raises_instead_of_aligning(cls):
    X, T, y = make_study()
    with pytest.raises(TargetError, match="must have the same index, got different ones"):
        tiny(cls).fit(pd.DataFrame(X), pd.Series(T), pd.Series(y).sample(frac=1, random_state=0))


@every_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool, object])
def test_dtypes_of_X(cls, dtype):
    X, T, y = make_study()
    X = (X > 0).astype(dtype)
    est = tiny(cls).fit(X, T, y)
    effect = est.effect(X)
    assert effect.dtype == np.float64
    assert_array_equal(effect, tiny(cls).fit(X.astype(float), T, y).effect(X))


@every_estimator
def test_weights_and_clusters_are_taken(fitted, cls):
    X, T, y = make_study()
    ones = tiny(cls).fit(X, T, y, sample_weight=np.ones(len(X)))
    np.testing.assert_allclose(ones.effect(X), fitted(cls).effect(X), rtol=1e-5, atol=1e-6)
    weight = np.linspace(0.1, 3, len(X))
    weighted = tiny(cls).fit(X, T, y, sample_weight=weight)
    assert (weighted.effect(X) != ones.effect(X)).any()
    assert ones.score(X, T, y, sample_weight=weight) != ones.score(X, T, y)
    cluster = np.arange(len(X)) // 2
    packed = tiny(cls).fit(X, pack_targets(T, y, cluster=cluster))
    passed = tiny(cls).fit(X, T, y, cluster=cluster)
    assert packed.ate_interval() == passed.ate_interval()
