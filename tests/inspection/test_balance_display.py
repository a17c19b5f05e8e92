"""BalanceDisplay and its numbers: weights, scales, labels and what is drawn."""

# SPDX-License-Identifier: BSD-3-Clause

import itertools
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inspection import BalanceDisplay, standardized_differences

RNG = np.random.RandomState(0)
X = RNG.normal(size=(60, 3))
ARMS = ["a", "b", "c"]
T = np.array(ARMS)[np.arange(60) % 3]
P = RNG.dirichlet([2.0, 2.0, 2.0], size=60)
W = RNG.uniform(0.5, 2.0, size=60)


class _WithoutPropensity(BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def effect(self, X):
        return np.zeros(len(X))


def _mean(arm, weight):
    own = T == arm
    return (weight[own, None] * X[own]).sum(axis=0) / weight[own].sum()


def _deviation(weight):
    variances = []
    for arm in ARMS:
        share = weight[T == arm] / weight[T == arm].sum()
        variances.append(share @ (X[T == arm] - _mean(arm, weight)) ** 2)
    return np.sqrt(np.mean(variances, axis=0))


def _legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def _ticks(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


@pytest.fixture(scope="module")
def confounded():
    rng = np.random.RandomState(1)
    X = rng.normal(size=(20_000, 2))
    e = 1 / (1 + np.exp(-X[:, 0]))
    return X, (rng.uniform(size=20_000) < e).astype(int), e


# -- the numbers --------------------------------------------------------------------------------


def test_differences_longhand():
    found = standardized_differences(X, T)
    ones = np.ones(60)
    for row, (a, b) in zip(found, itertools.combinations(ARMS, 2), strict=True):
        np.testing.assert_allclose(row, (_mean(b, ones) - _mean(a, ones)) / _deviation(ones))


@pytest.mark.parametrize("weighting", ["inverse", "overlap"])
@pytest.mark.parametrize("sample_weight", [None, W])
def test_weighted_differences_longhand(weighting, sample_weight):
    own = P[np.arange(60), np.arange(60) % 3]
    weight = 1 / own
    if weighting == "overlap":
        weight = weight / (1 / P[:, 0] + 1 / P[:, 1] + 1 / P[:, 2])
    rows = np.ones(60) if sample_weight is None else sample_weight
    found = standardized_differences(
        X, T, propensity=P, weighting=weighting, arms=("a", "c"), sample_weight=sample_weight
    )
    expected = (_mean("a", rows * weight) - _mean("c", rows * weight)) / _deviation(rows)
    np.testing.assert_allclose(found, expected[None])
    same = standardized_differences(
        X, T, weight=7 * weight, arms=("a", "c"), sample_weight=sample_weight
    )
    np.testing.assert_allclose(same, found)


def test_overlap_weights_of_two_arms():
    labels, e = np.arange(60) % 2, P[:, 0]
    found = standardized_differences(X, labels, propensity=e, weighting="overlap")
    same = standardized_differences(X, labels, weight=np.where(labels == 1, 1 - e, e))
    np.testing.assert_allclose(found, same)
    np.testing.assert_allclose(
        standardized_differences(X, labels, propensity=np.column_stack([1 - e, e])),
        standardized_differences(X, labels, propensity=e[:, None]),
    )


def test_true_propensities_balance(confounded):
    X, labels, e = confounded
    assert standardized_differences(X, labels)[0, 0] > 0.5
    for weighting in ("inverse", "overlap"):
        after = standardized_differences(X, labels, propensity=e, weighting=weighting)
        assert np.abs(after).max() < 0.06
    # overlap weights of a logistic regression balance exactly, so the truth comes near
    assert np.abs(after).max() < 0.03


def test_units_and_order_of_arms_do_not_matter():
    found = standardized_differences(X, T, propensity=P)
    far = standardized_differences(1e9 + X, T, propensity=P)
    np.testing.assert_allclose(far, found, atol=1e-5)
    np.testing.assert_allclose(standardized_differences(1e25 * X, T, propensity=P), found)
    turned = standardized_differences(X, T, propensity=P[:, ::-1], treatments=ARMS[::-1])
    np.testing.assert_allclose(turned, -found[::-1])


def test_constant_columns():
    columns = np.column_stack([np.full(60, 0.1), T == "a", X[:, 0]])
    found = standardized_differences(columns, T, propensity=P)
    assert found[:, 0].tolist() == [0, 0, 0]
    assert found[:, 1].tolist() == [-np.inf, -np.inf, 0]
    assert np.isfinite(found[:, 2]).all()


def test_an_arm_that_is_not_compared_may_be_empty():
    rows = T != "c"
    found = standardized_differences(X[rows], T[rows], treatments=ARMS, arms=("b", "a"))
    np.testing.assert_allclose(found, standardized_differences(X[rows], T[rows]))
    with pytest.raises(TargetError, match=r"every arm that is compared .* got none of 'c'"):
        standardized_differences(X[rows], T[rows], treatments=ARMS)
    with pytest.raises(TargetError, match=r"every arm that is compared .* got none of 'c'"):
        standardized_differences(X, T, weight=np.where(rows, 1.0, 0.0))


def test_kinds_of_input():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    found = standardized_differences(X, T, propensity=P)
    for frame in (pandas.DataFrame(X), polars.DataFrame(X), X.tolist(), X.astype(object)):
        np.testing.assert_array_equal(standardized_differences(frame, T, propensity=P), found)
    targets = pack_targets(T, np.zeros(60))
    for labels in (T.tolist(), T[:, None], pandas.Series(T), pandas.Categorical(T), targets):
        np.testing.assert_array_equal(standardized_differences(X, labels, propensity=P), found)


@pytest.mark.parametrize(
    "changes, error, message",
    [
        (
            {"X": X[:, 0]},
            ValueError,
            r"`X` must have shape \(n_samples, n_features\), got \(60,\)",
        ),
        ({"X": X[:9]}, TargetError, "same number of rows, got `X` 9, `T` 60"),
        ({"X": np.where(X > 2, np.nan, X)}, TargetError, "`X` must not contain NaN or infinity"),
        ({"X": np.where(X > 2, np.inf, X)}, TargetError, "`X` must not contain NaN or infinity"),
        ({"X": T[:, None]}, TargetError, "`X` must hold numbers, got strings"),
        ({"T": T[:9]}, TargetError, "same number of rows, got `X` 60, `T` 9"),
        ({"T": ["a"] * 60}, TargetError, r"`T` must have at least 2 levels, got 1: \['a'\]"),
        ({"X": X[:1], "T": T[:1]}, TargetError, "`T` must have at least 2 levels, got 1"),
        ({"T": np.where(T == "a", np.nan, 1.0)}, TargetError, "`T` must not have missing values"),
        ({"T": P}, TargetError, r"`T` must have shape \(n_samples,\), got \(60, 3\)"),
        ({"treatments": ["a", "b"]}, TargetError, r"`T` must be one of \['a', 'b'\], got \['c'\]"),
        ({"arms": ("a", "d")}, TargetError, r"`arms` must be two of .*, got \('a', 'd'\)"),
        ({"arms": ("a",)}, TargetError, r"`arms` must be two of .*, got \('a',\)"),
        ({"arms": "ab"}, TargetError, "`arms` must be two of .*, got 'ab'"),
        ({"arms": 1}, TargetError, "`arms` must be two of .*, got 1"),
        ({"arms": ("a", "a")}, TargetError, "`arms` must be two different arms"),
        ({"propensity": P[:9]}, TargetError, "same number of rows, got `propensity` 9, `T` 60"),
        ({"propensity": P[:, :2]}, TargetError, r"one column for each of the 3 arms .* \(60, 2\)"),
        ({"propensity": 2 * P}, TargetError, "`propensity` must lie between 0 and 1, got"),
        ({"propensity": P * np.nan}, TargetError, "`propensity` must lie between 0 and 1, got"),
        (
            {"propensity": np.where(np.arange(60)[:, None] == 4, [1.0, 0.0, 0.0], P)},
            TargetError,
            "`propensity` of the arm that was received must be above 0, got 0 in row 4",
        ),
        ({"weighting": "none"}, ValueError, "`weighting` must be one of .*, got 'none'"),
        ({"propensity": P, "weight": W}, ValueError, "`weight` must be None where `propensity`"),
        ({"weight": W[:9]}, TargetError, r"`weight` must have shape \(60,\), got \(9,\)"),
        ({"weight": -W}, TargetError, "`weight` must be at least 0, got -"),
        ({"weight": W * np.nan}, TargetError, "`weight` must not contain NaN"),
        ({"sample_weight": -W}, TargetError, "`sample_weight` must be at least 0, got -"),
    ],
)
def test_bad_arguments(changes, error, message):
    with pytest.raises(error, match=message):
        standardized_differences(**({"X": X, "T": T} | changes))


def test_different_indexes():
    pandas = pytest.importorskip("pandas")
    frame, labels = pandas.DataFrame(X), pandas.Series(T, index=np.arange(60)[::-1])
    with pytest.raises(TargetError, match="`X` and `T` must have the same index"):
        standardized_differences(frame, labels)
    with pytest.raises(TargetError, match="`X` and `T` must have the same index"):
        BalanceDisplay.from_predictions(frame, labels, P)


# -- the picture --------------------------------------------------------------------------------


def test_two_arms_are_signed_and_sorted():
    labels, e = np.array(["no", "yes"])[np.arange(60) % 2], P[:, 0]
    display = BalanceDisplay.from_predictions(X, labels, e)
    before = standardized_differences(X, labels)[0]
    after = standardized_differences(X, labels, propensity=e)[0]
    order = np.argsort(-np.abs(before))
    np.testing.assert_array_equal(display.shown_, order)
    np.testing.assert_allclose(display.before_points_.get_xdata(), before[order])
    np.testing.assert_allclose(display.after_points_.get_xdata(), after[order])
    assert _ticks(display) == [f"x{j}" for j in order]
    assert display.ax_.yaxis_inverted()
    assert display.before_points_.get_markerfacecolor() == "white"
    assert display.after_points_.get_markerfacecolor() != "white"
    ends = [lines.get_segments()[0][0, 0] for lines in display.threshold_lines_]
    np.testing.assert_allclose(ends, [-0.1, 0.1])
    assert display.ax_.get_xlabel().startswith("Standardised mean difference, yes − no")
    assert _legend(display) == [
        "Before weighting",
        "After weighting by the inverse propensity",
        "±0.1: passes for balanced",
    ]


def test_several_arms_show_the_largest_over_pairs():
    display = BalanceDisplay.from_predictions(X, T, P, weighting="overlap", sample_weight=W)
    given = {"weighting": "overlap", "sample_weight": W}
    every = standardized_differences(X, T, **given)
    np.testing.assert_allclose(display.before, np.abs(every).max(axis=0))
    every = standardized_differences(X, T, propensity=P, **given)
    np.testing.assert_allclose(display.after, np.abs(every).max(axis=0))
    assert len(display.threshold_lines_) == 1
    assert _legend(display)[1] == "After overlap weighting"
    pair = BalanceDisplay.from_predictions(X, T, P, arms=("c", "a"))
    np.testing.assert_allclose(pair.before, standardized_differences(X, T)[1])
    assert pair.pair == ("c", "a")


def test_many_columns_show_the_worst_before_or_after():
    wide = np.random.RandomState(0).normal(size=(60, 50))
    display = BalanceDisplay.from_predictions(wide, T, P)
    size = np.maximum(display.before, display.after)
    assert len(display.shown_) == 20
    others = np.delete(np.arange(50), display.shown_)
    assert size[display.shown_].min() >= size[others].max()
    assert (np.diff(display.before[display.shown_]) <= 0).all()
    before, after = display.before[others].max(), display.after[others].max()
    assert _legend(display)[-1] == f"30 more: at most {before:.2g} before, {after:.2g} after"
    assert len(display.plot(max_features=4).shown_) == 4
    with pytest.raises(ValueError, match="`max_features` must be an integer of at least 1, got 0"):
        display.plot(max_features=0)


def test_huge_differences_are_drawn_at_the_edge():
    columns = np.column_stack([X[:, 0], T == "a"])
    display = BalanceDisplay.from_predictions(columns, T, P, arms=("b", "a"))
    assert display.before[1] == -np.inf
    assert display.before_points_.get_xdata()[0] == -3
    assert _legend(display)[-1] == "Larger than 3: drawn at 3"


def test_labels_become_columns():
    pandas = pytest.importorskip("pandas")
    regions = np.array(["north", "south", "west"])[np.arange(60) % 5 % 3]
    sex = np.array(["f", "m"])[np.arange(60) // 3 % 2]
    frame = pandas.DataFrame({"age": X[:, 0], "region": pandas.Categorical(regions), "sex": sex})
    frame["stage"] = pandas.Categorical(np.arange(60) % 4 // 2 + 1)
    frame["smokes"] = np.arange(60) % 7 < 2
    display = BalanceDisplay.from_predictions(frame, T, P)
    names = ["age", *(f"region = {r}" for r in ("north", "south", "west"))]
    assert display.names == [*names, "sex = m", "stage = 2", "smokes"]
    columns = [X[:, 0], *(regions == r for r in ("north", "south", "west")), sex == "m"]
    columns = np.column_stack([*columns, frame["stage"] == 2, frame["smokes"]])
    expected = np.abs(standardized_differences(columns, T, propensity=P)).max(axis=0)
    np.testing.assert_allclose(display.after, expected)
    polars = pytest.importorskip("polars")
    columns = {"region": polars.Series(regions).cast(polars.Categorical), "sex": sex}
    same = BalanceDisplay.from_predictions(polars.DataFrame(columns), T, P)
    assert same.names == display.names[1:5]
    mixed = BalanceDisplay.from_predictions(
        [[x, s] for x, s in zip(X[:, 0], sex, strict=True)], T, P
    )
    assert mixed.names == ["x0", "x1 = m"]


def test_names_are_whole_up_to_a_width():
    pandas = pytest.importorskip("pandas")
    short, long = "b" * 40, "start of a name that is longer than any label, end"
    frame = pandas.DataFrame(X[:, :2], columns=[short, long])
    found = _ticks(BalanceDisplay.from_predictions(frame, T, P))
    assert short in found
    (cut,) = set(found) - {short}
    assert len(cut) == 40
    assert cut.startswith("start of a name") and cut.endswith("any label, end")


def test_nothing_overlaps_or_is_cut():
    wide = np.random.RandomState(0).normal(size=(60, 50))
    figure = BalanceDisplay.from_predictions(wide, T, P).figure_
    figure.canvas.draw()
    ax = figure.axes[0]
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.transData.transform((0, 0))[1]
    box = ax.get_tightbbox()
    assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
    assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1


def test_low_axes_get_small_labels(pyplot):
    _, ax = pyplot.subplots(figsize=(6, 4))
    wide = np.random.RandomState(0).normal(size=(60, 20))
    display = BalanceDisplay.from_predictions(wide, T, P, ax=ax)
    display.figure_.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_plot_draws_where_and_how_it_is_told(pyplot):
    _, ax = pyplot.subplots()
    display = BalanceDisplay.from_predictions(X, T, P, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    again = display.plot(before_kwargs={"marker": "s"}, after_kwargs={"color": "red"})
    assert again is display
    assert display.ax_ is not ax
    assert display.before_points_.get_marker() == "s"
    assert display.after_points_.get_color() == "red"


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"X": X[:, 0]}, ValueError, r"`X` must be a dense array or a frame .* shape \(60,\)"),
        ({"X": X[:, :0]}, ValueError, r"`X` must be a dense array or a frame .* shape \(60, 0\)"),
        ({"X": [[1.0]] * 59 + [[None]]}, TargetError, r"`X\['x0'\]` must not have missing values"),
        (
            {"X": np.array([f"id {k}" for k in range(120)])[:, None], "T": ["a", "b"] * 60},
            ValueError,
            "`X` must have at most 100 labels in a column, got 120 in 'x0'",
        ),
        ({"weighting": "none"}, ValueError, "`weighting` must be one of .*, got 'none'"),
        ({"arms": ("a", "z")}, TargetError, "`arms` must be two of"),
    ],
)
def test_bad_predictions(changes, error, message):
    with pytest.raises(error, match=message):
        BalanceDisplay.from_predictions(**({"X": X, "T": T, "propensity": P} | changes))


def test_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match="`X` must be a dense array or a frame"):
        BalanceDisplay.from_predictions(sparse.csr_array(X), T, P)


# -- estimators ---------------------------------------------------------------------------------


def test_training_rows_have_propensities_out_of_fold(two_arms):
    est, X, labels, y = two_arms
    display = BalanceDisplay.from_estimator(est, X, pack_targets(labels, y))
    given = {"treatments": est.treatments_, "arms": ("drug", "placebo")}
    assert display.pair == ("drug", "placebo")
    for rows, propensity in (
        (np.arange(len(X)), est.propensity_),
        (np.arange(50), est.predict_propensity(X[:50])),
    ):
        display = BalanceDisplay.from_estimator(est, X[rows], labels[rows], weighting="overlap")
        expected = standardized_differences(
            X[rows], labels[rows], propensity=propensity, weighting="overlap", **given
        )
        np.testing.assert_allclose(display.after, expected[0])


def test_five_arms_of_an_estimator(five_arms):
    est, X, labels = five_arms
    display = BalanceDisplay.from_estimator(est, X, labels)
    expected = standardized_differences(X, labels, propensity=est.propensity_)
    np.testing.assert_allclose(display.after, np.abs(expected).max(axis=0))
    pair = BalanceDisplay.from_estimator(est, X, labels, arms=(4, 2))
    np.testing.assert_allclose(
        pair.after,
        standardized_differences(X, labels, propensity=est.propensity_, arms=(4, 2))[0],
    )


def test_pipelines_show_the_columns_that_they_get(two_arms):
    pandas = pytest.importorskip("pandas")
    est, X, labels, y = two_arms
    frame = pandas.DataFrame({"age": 50 + 9 * X[:, 0], "town": np.arange(len(X)) % 3})
    frame["town"] = np.array(["Bonn", "Oslo", "Rome"])[frame["town"]]
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town"]), remainder="passthrough"
    )
    pipe = make_pipeline(encode, clone(est)).fit(frame, pack_targets(labels, y))
    display = BalanceDisplay.from_estimator(pipe, frame, labels)
    assert display.names == ["age", "town = Bonn", "town = Oslo", "town = Rome"]
    expected = standardized_differences(
        frame[["age"]], labels, propensity=pipe[-1].propensity_, treatments=est.treatments_
    )
    np.testing.assert_allclose(np.abs(display.after[0]), np.abs(expected[0, 0]))


def test_known_propensities(two_arms):
    est, X, labels, y = two_arms
    e = np.random.RandomState(0).uniform(0.3, 0.7, size=len(X))
    known = clone(est).fit(X, labels, y, propensity=np.column_stack([e, 1 - e]))
    display = BalanceDisplay.from_estimator(known, X, labels)
    expected = standardized_differences(X, labels, propensity=1 - e, arms=display.pair)
    np.testing.assert_allclose(display.after, expected[0])
    message = r"`propensity` was given in fit.*pass propensities to BalanceDisplay\.from_pred"
    with pytest.raises(IntervalNotAvailableError, match=message):
        BalanceDisplay.from_estimator(known, X[:50], labels[:50])


def test_bad_estimators(two_arms):
    est, X, labels, y = two_arms
    with pytest.raises(NotFittedError):
        BalanceDisplay.from_estimator(clone(est), X, labels)
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegression"):
        BalanceDisplay.from_estimator(LinearRegression().fit(X, y), X, labels)
    with pytest.raises(TypeError, match=r"`predict_propensity`, got _WithoutPropensity"):
        BalanceDisplay.from_estimator(_WithoutPropensity().fit(X, y), X, labels)
    dose = np.random.RandomState(0).uniform(size=len(X))
    dosed = clone(est).set_params(n_folds=1, control=None).fit(X, dose, y)
    message = r"needs arms, .* dose treatments; DoseResponseDisplay shows .* InfluenceDisplay"
    with pytest.raises(TargetError, match=message):
        BalanceDisplay.from_estimator(dosed, X, dose)
    single = clone(est).set_params(n_folds=1).fit(X, labels, y)
    with pytest.raises(IntervalNotAvailableError, match=r"n_folds=5 .*BalanceDisplay\.from_pred"):
        BalanceDisplay.from_estimator(single, X, labels)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'BalanceDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        BalanceDisplay.from_predictions(X, T, P)
