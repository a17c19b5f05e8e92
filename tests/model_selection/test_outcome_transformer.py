"""Supervised transformers that see the outcome, or the treatment, inside packed targets."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from _adapter import make_study, tiny
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_classif, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.utils import get_tags
from sklearn.utils.fixes import parse_version

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.model_selection import OutcomeTransformer, make_effect_pipeline
from sklcausal.representation import TARNet

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

X, T, Y = make_study(n=100, arms=("placebo", "drug"))
Y = Y + 5 * X[:, 2]
TARGETS = pack_targets(T, Y)
CITY = np.array(["a", "b", "c"], dtype=object)[np.arange(100) % 3][:, None]
FRAME = pd.DataFrame(X, columns=["age", "bmi", "dose"])


def select(k=1, **params):
    return OutcomeTransformer(SelectKBest(f_regression, k=k), **params)


def seeded_encoder():
    if parse_version(sklearn.__version__) < parse_version("1.9"):
        return TargetEncoder(random_state=0)
    return TargetEncoder(cv=KFold(5, shuffle=True, random_state=0))


class Recorder(BaseEstimator):
    """A transformer without fit_transform that remembers what it was given."""

    def fit(self, X, y, sample_weight=None):
        self.seen_, self.weight_ = y, sample_weight
        return self

    def transform(self, X, shift=0):
        return np.asarray(X) + shift


def seen(targets, **params):
    return OutcomeTransformer(Recorder(), **params).fit(X, targets).transformer_.seen_


# -- what the wrapped transformer sees -------------------------------------------------------


def test_the_outcome_decides():
    alone = SelectKBest(f_regression, k=1).fit(X, Y)
    adapter = select()
    assert_array_equal(adapter.fit_transform(X, TARGETS), alone.transform(X))
    assert_array_equal(adapter.fit(X, TARGETS).transform(X), X[:, 2:])
    assert_array_equal(adapter.transformer_.scores_, alone.scores_)
    assert not hasattr(adapter.transformer, "scores_")


@pytest.mark.parametrize("y", [Y, Y[:, None]])
def test_a_single_outcome_has_one_axis(y):
    assert_array_equal(seen(pack_targets(T, y)), Y)


def test_several_outcomes_have_two():
    both = np.column_stack([Y, -Y])
    assert_array_equal(seen(pack_targets(T, both)), both)


def test_treatments_are_encoded():
    assert_array_equal(seen(TARGETS, target="T"), (T == "placebo").astype(int))
    dose = Y / 3
    assert_array_equal(seen(pack_targets(dose, Y), target="T"), dose)
    several = np.column_stack([dose, X[:, 0] > 0])
    assert_array_equal(seen(pack_targets(several, Y), target="T"), several)
    years = np.arange(100)
    with pytest.raises(TargetError, match="pass treatment_type='discrete' or 'dose'"):
        seen(pack_targets(years, Y), target="T")
    as_dose = seen(pack_targets(years, Y), target="T", treatment_type="dose")
    assert_array_equal(as_dose, years) and as_dose.dtype.kind == "f"


def test_treatments_decide():
    drawn = np.where(X[:, 0] > 0, "a", "b")
    adapter = OutcomeTransformer(SelectKBest(f_classif, k=1), target="T")
    assert_array_equal(adapter.fit_transform(X, pack_targets(drawn, Y)), X[:, :1])


def test_target_encoder_cross_fits_in_fit_transform():
    encoder = seeded_encoder()
    adapter = OutcomeTransformer(encoder)
    out = adapter.fit_transform(CITY, TARGETS)
    assert_array_equal(out, clone(encoder).fit_transform(CITY, Y))
    assert_array_equal(adapter.transform(CITY), clone(encoder).fit(CITY, Y).transform(CITY))
    assert (out != adapter.transform(CITY)).any()


def test_what_is_made_of_y_is_left_out():
    adapter = OutcomeTransformer(PLSRegression(n_components=2))
    out = adapter.fit_transform(X, TARGETS)
    alone = PLSRegression(n_components=2).fit(X, Y)
    assert_array_equal(out, alone.transform(X))
    assert_array_equal(adapter.inverse_transform(out), alone.inverse_transform(out))


def test_without_fit_transform():
    adapter = OutcomeTransformer(Recorder())
    assert_array_equal(adapter.fit_transform(X, TARGETS, sample_weight=Y), X)
    assert_array_equal(adapter.transformer_.weight_, Y)
    assert_array_equal(adapter.transform(X, shift=1), X + 1)


# -- pipelines -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_pipeline, make_effect_pipeline])
def test_pipelines(make):
    pipe = make(StandardScaler(), select(2), tiny(TARNet)).fit(X, TARGETS)
    assert_array_equal(pipe[:-1].get_feature_names_out(), ["x1", "x2"])
    scaled = StandardScaler().fit_transform(X)[:, 1:]
    assert_array_equal(pipe.predict(X), tiny(TARNet).fit(scaled, T, Y).effect(scaled))


def test_pipelines_of_encoders_cross_fit():
    encoder = seeded_encoder()
    pipe = make_effect_pipeline(OutcomeTransformer(encoder), tiny(TARNet)).fit(CITY, T, Y)
    out = clone(encoder).fit_transform(CITY, Y)
    alone = tiny(TARNet).fit(out, T, Y)
    assert_array_equal(pipe.effect(CITY), alone.effect(pipe[0].transform(CITY)))
    assert_array_equal(pipe[-1].training_rows_.X, out)


def test_searches():
    grid = {"outcometransformer__transformer__k": [1, 3], "outcometransformer__target": ["y"]}
    pipe = make_effect_pipeline(select(), tiny(TARNet, n_folds=1))
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, TARGETS)
    best = search.best_params_["outcometransformer__transformer__k"]
    assert search.best_estimator_[-1].n_features_in_ == best
    assert pipe[0].transformer.k == 1


# -- frames, names, tags ---------------------------------------------------------------------


def test_frames():
    adapter = select().set_output(transform="pandas").fit(FRAME, TARGETS)
    assert_array_equal(adapter.transform(FRAME).columns, ["dose"])
    assert_array_equal(adapter.feature_names_in_, FRAME.columns)
    assert adapter.n_features_in_ == 3
    assert isinstance(adapter.set_output(transform="default").transform(FRAME), np.ndarray)
    twin = clone(adapter.set_output(transform="polars"))
    assert type(twin.fit_transform(FRAME, TARGETS)).__module__.startswith("polars")
    pipe = make_effect_pipeline(select(), tiny(TARNet)).set_output(transform="pandas")
    pipe.fit(FRAME, T, Y)
    assert_array_equal(pipe[-1].feature_names_in_, ["dose"])
    with config_context(transform_output="pandas"):
        assert list(select().fit_transform(FRAME, TARGETS)) == ["dose"]


def test_what_the_wrapped_one_lacks_is_not_there():
    adapter = OutcomeTransformer(Recorder())
    for name in ("inverse_transform", "get_feature_names_out", "set_output", "n_features_in_"):
        assert not hasattr(adapter, name)
        assert not hasattr(adapter.fit(X, TARGETS), name)
    assert not hasattr(select(), "n_features_in_")
    assert_array_equal(select().fit(X, TARGETS).inverse_transform([[7.0]]), [[0, 0, 7]])


def test_tags_are_those_of_the_wrapped_one():
    tags = get_tags(OutcomeTransformer(TargetEncoder()))
    assert tags.input_tags == get_tags(TargetEncoder()).input_tags
    assert tags.transformer_tags == get_tags(TargetEncoder()).transformer_tags
    assert tags.target_tags.required and tags.estimator_type is None


def test_clone_repr_and_pickle():
    adapter = select(2, target="T")
    twin = clone(adapter).set_params(transformer__k=1)
    assert (adapter.transformer.k, twin.transformer.k, twin.target) == (2, 1, "T")
    assert (
        repr(twin)
        == (
            "OutcomeTransformer(target='T',\n                   transformer=SelectKBest(k=1,\n"
            "                                           score_func=<function f_regression at "
        )
        + repr(twin).partition("function f_regression at ")[2]
    )
    fitted = select().fit(X, TARGETS)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))


# -- metadata --------------------------------------------------------------------------------


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


WEIGHT = np.linspace(0, 1, 100) ** 4


def linear():
    return SelectFromModel(LinearRegression(), max_features=1, threshold=-np.inf)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_weights(method):
    adapter = OutcomeTransformer(Recorder())
    getattr(adapter, method)(X, TARGETS, sample_weight=WEIGHT)
    assert_array_equal(adapter.transformer_.weight_, WEIGHT)
    pipe = make_effect_pipeline(OutcomeTransformer(linear()), tiny(TARNet))
    pipe.fit(X, T, Y, outcometransformer__sample_weight=WEIGHT)
    alone = LinearRegression().fit(X, Y, sample_weight=WEIGHT)
    assert_array_equal(pipe[0].transformer_.estimator_.coef_, alone.coef_)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_weights_are_routed_where_requested(routing, method):
    asks = Recorder().set_fit_request(sample_weight=True)
    adapter = OutcomeTransformer(asks)
    getattr(adapter, method)(X, TARGETS, sample_weight=WEIGHT)
    assert_array_equal(adapter.transformer_.weight_, WEIGHT)
    silent = OutcomeTransformer(Recorder())
    getattr(silent, method)(X, TARGETS)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        getattr(silent, method)(X, TARGETS, sample_weight=WEIGHT)
    net = tiny(TARNet).set_fit_request(sample_weight=False)
    pipe = make_effect_pipeline(clone(adapter), net).fit(X, T, Y, sample_weight=WEIGHT)
    assert_array_equal(pipe[0].transformer_.weight_, WEIGHT)
    moved = Recorder().set_transform_request(shift=True)
    assert_array_equal(OutcomeTransformer(moved).fit(X, TARGETS).transform(X, shift=2), X + 2)


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("targets", [Y, None, np.zeros(100, dtype=[("T", int)])])
def test_targets_must_be_packed(method, targets):
    with pytest.raises(TargetError, match="`targets` must be a structured array"):
        getattr(select(), method)(X, targets)


def test_bad_targets():
    holes = np.where(np.arange(100) == 3, np.nan, Y)
    with pytest.raises(TargetError, match="`T` must not have missing values"):
        select(target="T").fit(X, pack_targets(holes, Y))
    with pytest.raises(TargetError, match="`T` must have at least 2 levels"):
        select(target="T").fit(X, pack_targets(np.ones(100), Y))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        select().fit(X, pack_targets(T, holes))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        select().fit(X[:-1], TARGETS)


@pytest.mark.parametrize(
    "params, match",
    [
        ({"transformer": LinearRegression()}, "'transformer' parameter .* 'transform'"),
        ({"target": "Z"}, "'target' parameter"),
        ({"treatment_type": "arms"}, "'treatment_type' parameter"),
    ],
)
def test_bad_parameters(params, match):
    adapter = OutcomeTransformer(**{"transformer": StandardScaler(), **params})
    with pytest.raises(ValueError, match=match):
        adapter.fit(X, TARGETS)
    with pytest.raises(ValueError, match=match):
        adapter.fit_transform(X, TARGETS)


def test_unfitted_and_failed_fits():
    adapter = select()
    for name in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError, match="OutcomeTransformer instance is not fitted"):
            getattr(adapter, name)(X)
    with pytest.raises(NotFittedError):
        adapter.get_feature_names_out()
    adapter.fit(X, TARGETS)
    with pytest.raises(ValueError):
        adapter.fit(X[:, :2], pack_targets(T[:9], Y[:9]))
    assert adapter.n_features_in_ == 3
    with pytest.raises(ValueError, match="X has 2 features"):
        adapter.transform(X[:, :2])
    assert Pipeline([("select", adapter)]).transform(X).shape == (100, 1)
