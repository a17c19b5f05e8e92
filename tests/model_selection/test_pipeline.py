"""Pipelines that answer like the effect estimator they end in."""

# SPDX-License-Identifier: BSD-3-Clause

import inspect
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import estimator_html_repr

from sklcausal import pack_targets
from sklcausal.base import BaseThetaEstimator
from sklcausal.exceptions import TargetError
from sklcausal.meta import TLearner
from sklcausal.model_selection import EffectPipeline, OutcomeTransformer, make_effect_pipeline
from sklcausal.representation import TARNet

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

X, T, Y = make_study(n=100, arms=("placebo", "drug"))
X[:, 0] = 1000 + 50 * X[:, 0]
TARGETS = pack_targets(T, Y)
SCALED = StandardScaler().fit_transform(X)
FRAME = pd.DataFrame(X, columns=["age", "bmi", "dose"], index=np.arange(100) + 500)
WEIGHT = np.linspace(0.2, 2, 100)
CLUSTER = np.arange(100) // 2
OWN = {"fit", "predict", "score"}
METHODS = sorted(
    name
    for name, method in inspect.getmembers(BaseThetaEstimator, inspect.isfunction)
    if method.__module__.startswith("sklcausal") and not name.startswith("_")
)


def pipeline(**params):
    return make_effect_pipeline(StandardScaler(), tiny(TARNet, **params))


@pytest.fixture(scope="module")
def fitted():
    """Fit the pipeline, and the same network to columns that were scaled by hand."""
    return pipeline().fit(X, T, Y), tiny(TARNet).fit(SCALED, T, Y)


@pytest.fixture(scope="module")
def dosed():
    dose = SCALED[:, 0] + np.linspace(-1, 1, 100)
    return pipeline().fit(X, dose, Y), tiny(TARNet).fit(SCALED, dose, Y)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


# -- methods and attributes ------------------------------------------------------------------


def test_the_pipeline_has_every_method_of_the_estimators():
    assert len(METHODS) > 15
    assert [name for name in METHODS if not hasattr(EffectPipeline, name)] == []


@pytest.mark.parametrize(
    "name", ["effect", "effect_interval", "potential_outcomes", "parameters", "predict"]
)
def test_methods_of_rows_see_transformed_columns(fitted, name):
    pipe, alone = fitted
    assert_array_equal(getattr(pipe, name)(X[:9]), getattr(alone, name)(SCALED[:9]))
    assert_array_equal(getattr(pipe, name)(X=X[:9]), getattr(alone, name)(SCALED[:9]))


def test_averages(fitted):
    pipe, alone = fitted
    by = np.arange(100) % 2
    assert pipe.ate() == alone.ate()
    assert pipe.ate(X[:9]) == alone.ate(SCALED[:9])
    assert pipe.ate(X, T0="placebo", T1="drug") == -pipe.ate(X)
    assert pipe.ate_interval(X[:9], 0.2) == alone.ate_interval(SCALED[:9], 0.2)
    assert pipe.att() == alone.att()
    assert_array_equal(pipe.estimate(by=by).estimate, alone.estimate(by=by).estimate)
    assert_array_equal(pipe.estimate(X=X[:9]).std_error, alone.estimate(X=SCALED[:9]).std_error)
    assert pipe.summary(0.1) == alone.summary(0.1)


def test_other_results(fitted):
    pipe, alone = fitted
    assert_array_equal(pipe.dose_response().estimate, alone.dose_response().estimate)
    assert_array_equal(pipe.policy_value("drug").estimate, alone.policy_value("drug").estimate)
    assert_array_equal(
        pipe.best_linear_projection(X[:, :1]).estimate,
        alone.best_linear_projection(X[:, :1]).estimate,
    )
    assert_array_equal(pipe.predict_propensity(X), alone.predict_propensity(SCALED))
    assert_array_equal(pipe.curve_points(["drug"]), [0])


def test_doses(dosed):
    pipe, alone = dosed
    assert pipe.treatments_ is None and pipe.control_ is None
    assert_array_equal(pipe.effect(X, T1=0.5), alone.effect(SCALED, T1=0.5))
    assert_array_equal(pipe.effect(X, T1=SCALED[:, 1]), alone.effect(SCALED, T1=SCALED[:, 1]))
    assert_array_equal(pipe.dose_response([0.0]).estimate, alone.dose_response([0.0]).estimate)
    assert_array_equal(pipe.average_derivative().estimate, alone.average_derivative().estimate)


def test_compact_returns_the_pipeline():
    pipe = pipeline().fit(X, T, Y)
    assert pipe.compact() is pipe
    assert pipe[-1].training_rows_ is None


def test_fitted_attributes(fitted):
    pipe, alone = fitted
    for name in ("treatments_", "effect_names_out_", "outcome_names_", "propensity_", "folds_"):
        assert_array_equal(getattr(pipe, name), getattr(alone, name))
    assert pipe.control_ == "drug"
    assert pipe.diagnostics_.keys() == alone.diagnostics_.keys()
    assert pipe.n_features_in_ == 3


def test_nothing_is_there_that_the_final_step_lacks(fitted):
    pipe, _ = fitted
    unfitted = pipeline()
    assert hasattr(unfitted, "effect") and hasattr(unfitted, "dose_response")
    for name in ("treatments_", "propensity_", "effect_names_out_", "n_features_in_"):
        assert not hasattr(unfitted, name)
    others = make_effect_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    assert others.predict(X).shape == (100,) and hasattr(others, "coef_")
    for name in ["effect", "ate", "summary", "to_frame", "dose_response", "treatments_"]:
        assert not hasattr(others, name)
        assert not hasattr(pipe[:-1], name)
    # parameters, requests and private names of the final step are not those of the pipeline
    for name in ("lr", "n_folds", "set_fit_request", "_means", "transform", "predict_proba"):
        assert not hasattr(pipe, name)
    with pytest.raises(AttributeError, match="'EffectPipeline' object has no attribute 'nothing'"):
        _ = pipe.nothing


class FirstTwo(BaseEstimator):
    """A transformer that does not count columns."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[:, :2]


def test_columns_of_the_first_step_are_not_those_of_the_last():
    pipe = make_effect_pipeline(FirstTwo(), tiny(TARNet)).fit(X, T, Y)
    assert pipe[-1].n_features_in_ == 2
    assert not hasattr(pipe, "n_features_in_")


class Curious(TLearner):
    """An estimator with methods of its own."""

    def first_column(self, X, *, times=1):
        return times * X[:, 0]

    def count(self):
        return len(self.folds_)


def test_methods_that_only_one_estimator_has():
    net = tiny(Curious)
    pipe = EffectPipeline([("scale", StandardScaler()), ("net", net)])
    assert hasattr(pipe, "first_column") and not hasattr(pipeline(), "first_column")
    pipe.fit(X, T, Y)
    assert_array_equal(pipe.first_column(X, times=2), 2 * SCALED[:, 0])
    assert pipe.count() == 100


# -- fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, names",
    [((T, Y), {}), ((TARGETS,), {}), ((), {"y": TARGETS}), ((), {"T": T, "y": Y})],
)
def test_targets_may_be_packed_or_apart(fitted, arguments, names):
    pipe = pipeline().fit(X, *arguments, **names)
    assert_array_equal(pipe.effect(X), fitted[1].effect(SCALED))


def test_names_and_categories_reach_the_final_step():
    y = pd.DataFrame({"pain": Y, "cost": 2 * Y})
    ages = pd.Series(np.arange(100) % 2 + 0.5, name="age").astype("category")
    pipe = pipeline().fit(X, ages, y)
    assert_array_equal(pipe.treatments_, [0.5, 1.5])
    assert_array_equal(pipe.outcome_names_, ["pain", "cost"])
    assert pipe.effect(X).shape == (100, 1, 2)
    assert pipe.score(X, ages, y) == pipe[-1].score(SCALED, ages, y)


@pytest.mark.parametrize("form", ["packed", "apart"])
def test_arguments_beside_the_targets_go_to_the_final_step(form):
    targets = (TARGETS,) if form == "packed" else (T, Y)
    alone = tiny(TARNet).fit(SCALED, T, Y, sample_weight=WEIGHT, cluster=CLUSTER)
    pipe = pipeline().fit(X, *targets, sample_weight=WEIGHT, cluster=CLUSTER)
    assert_array_equal(pipe.effect(X), alone.effect(SCALED))
    named = {"tarnet__sample_weight": WEIGHT, "cluster": CLUSTER}
    assert_array_equal(pipeline().fit(X, *targets, **named).effect(X), alone.effect(SCALED))
    known = pipeline().fit(X, *targets, propensity=np.full(100, 0.5))
    assert_array_equal(known.propensity_, np.full((100, 2), 0.5))
    # in a plain pipeline this would need the name of the step
    assert_array_equal(pipe[0].mean_, StandardScaler().fit(X).mean_)
    with pytest.raises(TypeError, match="`cluster` must be passed once, got `tarnet__cluster`"):
        pipe.fit(X, *targets, cluster=CLUSTER, tarnet__cluster=CLUSTER)


@pytest.mark.parametrize("form", ["packed", "apart"])
def test_arguments_are_routed_where_they_were_requested(routing, form):
    targets = (TARGETS,) if form == "packed" else (T, Y)
    net = tiny(TARNet).set_fit_request(sample_weight=True, cluster=True, propensity=True)
    net.set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    given = {"sample_weight": WEIGHT, "cluster": CLUSTER, "propensity": np.full(100, 0.5)}
    pipe = make_effect_pipeline(scaler, net).fit(X, *targets, **given)
    alone = tiny(TARNet).fit(SCALED, T, Y, **given)
    assert_array_equal(pipe.effect(X), alone.effect(SCALED))
    assert pipe.score(X, *targets, sample_weight=WEIGHT) == alone.score(
        SCALED, T, Y, sample_weight=WEIGHT
    )
    weighted = make_effect_pipeline(clone(scaler).set_fit_request(sample_weight=True), net)
    weighted.fit(X, *targets, **given)
    assert_array_equal(weighted[0].mean_, StandardScaler().fit(X, sample_weight=WEIGHT).mean_)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        pipeline().fit(X, *targets, sample_weight=WEIGHT)


def test_weights_of_scores(fitted):
    pipe, alone = fitted
    expected = alone.score(SCALED, T, Y, sample_weight=WEIGHT)
    assert pipe.score(X, T, Y, sample_weight=WEIGHT) == expected
    assert pipe.score(X, TARGETS, sample_weight=WEIGHT) == expected
    assert pipe.score(X, y=TARGETS) == alone.score(SCALED, T, Y)


def test_cached_transformers(tmp_path):
    scaler = StandardScaler()
    pipe = make_effect_pipeline(scaler, tiny(TARNet), memory=str(tmp_path)).fit(X, T, Y)
    assert pipe[0] is not scaler and not hasattr(scaler, "mean_")
    assert_array_equal(pipe.effect(X), tiny(TARNet).fit(SCALED, T, Y).effect(SCALED))


def test_verbose_times_each_step(capsys):
    EffectPipeline([("s", StandardScaler()), ("net", tiny(TARNet))], verbose=True).fit(X, T, Y)
    assert "(step 2 of 2) Processing net" in capsys.readouterr().out


def test_steps_that_pass_through():
    pipe = EffectPipeline([("s", "passthrough"), ("none", None), ("net", tiny(TARNet))])
    assert_array_equal(pipe.fit(X, T, Y).effect(X), tiny(TARNet).fit(X, T, Y).effect(X))
    alone = make_effect_pipeline(tiny(TARNet)).fit(X, T, Y)
    assert_array_equal(alone.effect(X), pipe.effect(X))


def test_missing_covariates_are_imputed():
    holes = X.copy()
    holes[::7, 1] = np.nan
    pipe = make_effect_pipeline(SimpleImputer(), tiny(TARNet)).fit(holes, T, Y)
    assert np.isfinite(pipe.effect(holes)).all()


# -- frames ----------------------------------------------------------------------------------


def test_frames_stay_frames():
    pipe = pipeline(modifiers=["age"], n_folds=3).set_output(transform="pandas")
    pipe.fit(FRAME, pd.Series(T, FRAME.index), pd.Series(Y, FRAME.index))
    assert_array_equal(pipe.feature_names_in_, FRAME.columns)
    assert_array_equal(pipe[-1].feature_names_in_, FRAME.columns)
    effect = pipe.effect(FRAME)
    assert_array_equal(pipe.effect(FRAME.assign(bmi=0.0)), effect)
    assert_array_equal(pipe.to_frame(FRAME)["row"], FRAME.index)


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_tables_keep_row_labels_that_transformers_drop(fitted, library):
    pipe, alone = fitted
    assert_array_equal(pipe.to_frame(X, library=library)["row"], np.arange(100))
    with pytest.warns(UserWarning, match="X has feature names, but StandardScaler"):
        table = pipe.to_frame(FRAME, alpha=0.2, library=library)
    assert isinstance(table, pl.DataFrame if library == "polars" else pd.DataFrame)
    assert_array_equal(table["row"], FRAME.index)
    expected = alone.to_frame(SCALED, alpha=0.2)
    for name in ("contrast", "outcome", "effect", "low", "high"):
        assert_array_equal(np.asarray(table[name]), np.asarray(expected[name]))


def test_polars_in_polars_out():
    frame = pl.DataFrame({name: X[:, j] for j, name in enumerate(FRAME.columns)})
    pipe = pipeline().set_output(transform="polars").fit(frame, pl.Series(T), pl.Series(Y))
    assert isinstance(pipe.to_frame(frame), pl.DataFrame)
    plain = pipeline().fit(X, T, Y)
    assert_array_equal(pipe.effect(frame), plain.effect(X))


def test_indexes_must_agree(fitted):
    shuffled = pd.Series(T, index=FRAME.index[::-1])
    with pytest.raises(TargetError, match="`X` and `T` must have the same index"):
        pipeline().fit(FRAME, shuffled, Y)
    with pytest.raises(TargetError, match="`X` and `T1` must have the same index"):
        fitted[0].effect(FRAME, T1=shuffled)
    with pytest.raises(TargetError, match="`X` and `sample_weight` must have the same index"):
        fitted[0].score(FRAME, T, Y, sample_weight=pd.Series(WEIGHT))


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "targets, match",
    [
        ((None, None), "TARNet requires y to be passed"),
        ((T, None), "TARNet requires y to be passed"),
        ((TARGETS, Y), "`y` must be None when `T` holds packed targets"),
        ((T, TARGETS), "packed targets must stand alone"),
        ((T[:-1], Y), "same number of rows, got `T` 99, `y` 100"),
        ((np.full(100, "a"), Y), "`T` must have at least 2 levels, got 1"),
        ((T, np.where(np.arange(100) == 3, np.nan, Y)), "`y` must not contain NaN"),
        ((pack_targets(T, Y, W=Y),), r"may hold \['propensity', 'cluster'\] .*\['W'\]"),
    ],
)
def test_bad_targets(targets, match):
    with pytest.raises(TargetError, match=match):
        pipeline().fit(X, *targets)


def test_bad_covariates(fitted):
    with pytest.raises(ValueError, match="Input X contains infinity"):
        pipeline().fit(np.where(X == X[3, 0], np.inf, X), T, Y)
    with pytest.raises(ValueError, match="X has 2 features, but StandardScaler is expecting 3"):
        fitted[0].effect(X[:, :2])
    with pytest.raises(TypeError, match="missing a required argument: 'X'"):
        fitted[0].effect()
    pipe = EffectPipeline([("no", LinearRegression()), ("net", tiny(TARNet))])
    with pytest.raises(TypeError, match="All intermediate steps should be transformers"):
        pipe.fit(X, T, Y)


@pytest.mark.parametrize("name", ["effect", "ate", "predict", "to_frame", "summary", "score"])
def test_unfitted(name):
    rows = () if name == "summary" else (X,)
    with pytest.raises(NotFittedError):
        getattr(pipeline(), name)(*rows)


def test_supervised_transformers_need_the_adapter():
    with pytest.raises((TypeError, ValueError)):
        make_effect_pipeline(SelectKBest(f_regression, k=1), tiny(TARNet)).fit(X, T, Y)
    select = OutcomeTransformer(SelectKBest(f_regression, k=1))
    pipe = make_effect_pipeline(select, tiny(TARNet)).fit(X, T, Y)
    assert pipe[-1].n_features_in_ == 1


# -- inside scikit-learn ---------------------------------------------------------------------


def test_clone_parameters_and_repr():
    pipe = pipeline(lr=0.5)
    twin = clone(pipe).set_params(tarnet__lr=0.1, standardscaler__with_mean=False)
    assert isinstance(twin, EffectPipeline)
    assert (pipe[-1].lr, twin[-1].lr, twin[0].with_mean) == (0.5, 0.1, False)
    assert set(pipe.get_params(deep=False)) == {"steps", "memory", "verbose"}
    assert repr(pipe).startswith("EffectPipeline(steps=[('standardscaler', StandardScaler())")
    assert "EffectPipeline" in estimator_html_repr(pipe)
    assert is_regressor(pipe)
    swapped = clone(pipe).set_params(tarnet=tiny(TLearner))
    assert swapped.fit(X, T, Y).effect(X).shape == (100,)


def test_slices(fitted):
    pipe, _ = fitted
    assert_array_equal(pipe[:-1].transform(X), SCALED)
    assert_array_equal(pipe[:-1].get_feature_names_out(), ["x0", "x1", "x2"])
    assert pipe["tarnet"] is pipe[-1] is pipe.named_steps.tarnet
    longer = make_effect_pipeline(StandardScaler(), MinMaxScaler(), tiny(TARNet))
    for targets in ((), (TARGETS,), (T, Y)):
        part = clone(longer)[:-1].fit(X, *targets)
        assert_array_equal(part.transform(X), MinMaxScaler().fit_transform(SCALED))


def test_pickle(fitted):
    twin = pickle.loads(pickle.dumps(fitted[0]))
    assert_array_equal(twin.effect(X), fitted[0].effect(X))
    assert_array_equal(twin.treatments_, fitted[0].treatments_)


def test_searches_and_validation():
    pipe = pipeline(n_folds=1)
    search = GridSearchCV(pipe, {"tarnet__lr": [1e-3, 1e-2]}, cv=2, error_score="raise")
    search.fit(X, TARGETS)
    plain = GridSearchCV(Pipeline(pipe.steps), search.param_grid, cv=2).fit(X, TARGETS)
    assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert isinstance(search.best_estimator_, EffectPipeline)
    assert_array_equal(search.best_estimator_.effect(X), search.predict(X))
    weighted = cross_validate(
        pipe, X, TARGETS, cv=2, params={"sample_weight": WEIGHT}, error_score="raise"
    )
    assert (weighted["test_score"] != cross_validate(pipe, X, TARGETS, cv=2)["test_score"]).all()
    assert cross_val_predict(pipe, X, TARGETS, cv=2).shape == (100,)


def test_a_search_may_be_the_final_step():
    net = GridSearchCV(tiny(TARNet, n_folds=1), {"lr": [1e-3, 1e-2]}, cv=2, error_score="raise")
    pipe = make_effect_pipeline(StandardScaler(), net).fit(X, T, Y)
    assert pipe.best_params_ == net.best_params_
    assert_array_equal(pipe.predict(X), net.predict(SCALED))
    assert pipe.score(X, T, Y) == net.score(SCALED, TARGETS)
    assert not hasattr(pipe, "effect")


def test_transformers_that_choke_on_packed_targets_are_explained():
    X, T, y = make_study(n=60)
    pipe = make_effect_pipeline(SelectKBest(f_regression, k=2), tiny(TARNet))
    with pytest.raises(Exception, match="dtype") as caught:
        pipe.fit(X, T, y)
    assert "OutcomeTransformer" in caught.value.__notes__[0]
