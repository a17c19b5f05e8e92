"""InfluenceDisplay: influence values, condition numbers and balance."""

# SPDX-License-Identifier: BSD-3-Clause

import copy
import itertools
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, ModelError
from sklcausal.inspection import InfluenceDisplay
from sklcausal.structural import StructuralNet

INFLUENCE = np.array([0.0, 1.0, 1.0, 1.0, 2.0, 10.0])
CONDITION = np.array([1.0, 2.0, 4.0, 8.0, 100.0, np.nan])
IMBALANCE = np.array([[0.5, -2.5, 0.0], [-1.0, 1.0, 0.2], [0.0, 0.0, 0.0]])
COLUMNS = ["constant", "age", "income"]


class _WithoutInfluence(BaseEstimator):
    """A fitted effect estimator that has no influence values."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def effect(self, X):
        return np.zeros(len(X))


def _legend(display, panel):
    texts = [text.get_text() for text in display.legends_[panel].get_texts()]
    return [text for text in texts if text.strip()]


def test_histograms_and_dots():
    display = InfluenceDisplay.from_predictions(
        INFLUENCE, CONDITION, IMBALANCE, COLUMNS, share_regularised=1 / 6, bins=5
    )
    counts, edges = np.histogram(INFLUENCE, 5)
    np.testing.assert_array_equal(display.influence_hist_.get_data().values, counts)
    np.testing.assert_array_equal(display.influence_hist_.get_data().edges, edges)
    assert display.average_line_.get_xdata()[0] == 2.5
    data = display.condition_hist_.get_data()
    np.testing.assert_allclose(data.values.sum(), 100 * 5 / 6)
    np.testing.assert_allclose(data.edges, np.geomspace(1, 100.1, 6))
    assert [line.get_xdata()[0] for line in display.condition_lines_] == [
        4.0,
        np.quantile(CONDITION[:5], 0.99),
    ]
    assert display.axes_[1].get_xscale() == "log"
    np.testing.assert_array_equal(display.balance_points_.get_xdata(), [-1.0, -2.5, 0.2])
    np.testing.assert_array_equal(display.balance_points_.get_ydata(), [0, 1, 2])
    np.testing.assert_array_equal(np.sort(display.other_points_.get_xdata()), [0.0, 0.5, 1.0])
    assert [line.get_xdata()[0] for line in display.limit_lines_] == [-1.96, 1.96]
    assert [text.get_text() for text in display.axes_[2].get_yticklabels()] == COLUMNS
    assert _legend(display, 0) == ["Average effect 2.5"]
    assert _legend(display, 1) == [
        "Median 4",
        "99 % of rows below 96.3",
        "Too little information: 17 % of rows",
        "Without a number: 1 rows",
    ]
    assert _legend(display, 2) == [
        "Largest of 2 parameters",
        "The other parameter",
        "±1.96: 5 % lie beyond by chance",
    ]


def test_bare_influence_values():
    display = InfluenceDisplay.from_predictions(INFLUENCE)
    assert display.condition_hist_ is display.balance_points_ is display.other_points_ is None
    assert display.condition_lines_ == display.limit_lines_ == []
    assert [ax.texts[0].get_text() for ax in display.axes_[1:]] == [
        "No condition numbers",
        "Imbalances not known",
    ]


def test_a_single_parameter_and_columns_without_names():
    display = InfluenceDisplay.from_predictions(INFLUENCE, imbalance=[0.5, -2.5])
    assert display.other_points_ is None
    assert _legend(display, 2)[0] == "Imbalance"
    assert [text.get_text() for text in display.axes_[2].get_yticklabels()] == ["0", "1"]


@pytest.mark.parametrize("condition", [np.ones(6), np.full(6, np.nan), np.full(6, 1e12)])
def test_condition_numbers_without_spread(condition):
    display = InfluenceDisplay.from_predictions(INFLUENCE, condition)
    display.figure_.canvas.draw()
    if np.isnan(condition).all():
        assert display.condition_hist_ is None
        assert _legend(display, 1) == ["Without a number: 6 rows"]
    else:
        assert display.condition_hist_.get_data().values.sum() == pytest.approx(100)


def test_equal_influence_values_and_no_imbalance_at_all():
    display = InfluenceDisplay.from_predictions(np.ones(6), imbalance=np.zeros((2, 3)))
    display.figure_.canvas.draw()
    assert display.average_line_.get_xdata()[0] == 1
    np.testing.assert_array_equal(display.balance_points_.get_xdata(), np.zeros(3))


def test_small_counts_have_whole_numbers_at_the_axis():
    display = InfluenceDisplay.from_predictions(INFLUENCE)
    display.figure_.canvas.draw()
    axis = display.axes_[0].yaxis
    labels = {text.get_text() for text in axis.get_ticklabels(which="both")}
    assert labels <= {"", "1", "2", "5", "10"}


def test_nothing_overlaps_or_is_clipped():
    columns = [f"a rather long name of column {k}" for k in range(20)]
    scores = np.random.RandomState(0).normal(size=(3, 20))
    effect = "a rather long name of a drug vs a longer name of a placebo on blood pressure"
    display = InfluenceDisplay.from_predictions(
        np.random.RandomState(0).normal(size=1000),
        1 + np.random.RandomState(0).exponential(size=1000),
        scores,
        columns,
        share_regularised=0.01,
        effect_name=effect,
        balance_name=effect,
    )
    figure = display.figure_
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in display.axes_]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    for box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1
    names = [text.get_window_extent() for text in display.axes_[2].get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(names))
    for ax, legend in zip(display.axes_, display.legends_, strict=True):
        assert legend.get_window_extent().y0 >= ax.bbox.y1 - 1


def test_from_estimator(two_arms):
    est = two_arms[0]
    display = InfluenceDisplay.from_estimator(est)
    np.testing.assert_array_equal(display.influence, est.estimate().influence_values[:, 0])
    assert display.average_line_.get_xdata()[0] == pytest.approx(est.ate())
    np.testing.assert_array_equal(display.condition, est.engine_.corrections.condition)
    assert display.condition_lines_[0].get_xdata()[0] == pytest.approx(
        est.diagnostics_["condition_quantiles"]["50%"]
    )
    assert display.share_regularised == est.diagnostics_["share_regularised"]
    drawn = np.abs(display.balance_points_.get_xdata())
    np.testing.assert_array_equal(drawn, np.abs(est.diagnostics_["imbalance"]).max(axis=0))
    assert drawn.max() == est.diagnostics_["largest_imbalance"]
    labels = [text.get_text() for text in display.axes_[2].get_yticklabels()]
    assert labels == est.diagnostics_["imbalance_columns"]
    assert [ax.get_xlabel() for ax in display.axes_[::2]] == [
        "Influence value for drug vs placebo on y0\n(outcome units)",
        "Imbalance of weights for drug vs placebo on y0\n(standard errors; 0 is best)",
    ]


@pytest.mark.parametrize("contrast, outcome", [("3 vs 0", "y1"), (2, 1)])
def test_contrast_and_outcome(five_arms, contrast, outcome):
    est = five_arms[0]
    display = InfluenceDisplay.from_estimator(est, contrast=contrast, outcome=outcome)
    assert display.average_line_.get_xdata()[0] == pytest.approx(est.ate()[2, 1])
    assert "3 vs 0 on y1" in display.axes_[0].get_xlabel()
    # imbalances are those of the first effect, whatever is chosen, and of two arms
    assert "1 vs 0 on y0" in display.axes_[2].get_xlabel()
    assert _legend(display, 2)[0] == "Largest of 2 parameters"


def test_pipelines_and_searches(two_arms):
    est, X, T, y = two_arms
    pipe = make_pipeline(StandardScaler(), clone(est))
    search = GridSearchCV(pipe, {"tarnet__lr": [0.01]}, cv=2).fit(X, pack_targets(T, y))
    display = InfluenceDisplay.from_estimator(search)
    expected = search.best_estimator_[-1].estimate().influence_values[:, 0]
    np.testing.assert_array_equal(display.influence, expected)


def test_after_compact(two_arms):
    est = two_arms[0]
    display = InfluenceDisplay.from_estimator(copy.deepcopy(est).compact())
    np.testing.assert_array_equal(display.influence, est.estimate().influence_values[:, 0])


def test_plot_draws_where_and_how_it_is_told(pyplot):
    left, right = pyplot.figure(figsize=(20, 4), layout="constrained").subfigures(1, 2)
    display = InfluenceDisplay.from_predictions(INFLUENCE, CONDITION, IMBALANCE, fig=right)
    assert display.figure_ is right
    assert list(right.axes) == list(display.axes_)
    assert left.axes == []
    again = display.plot(
        bins=3,
        influence_kwargs={"facecolor": "red"},
        condition_kwargs={"linewidth": 3},
        balance_kwargs={"marker": "s"},
    )
    assert again is display
    assert display.figure_ is not right
    assert len(display.influence_hist_.get_data().values) == 3
    assert display.influence_hist_.get_facecolor() == (1.0, 0.0, 0.0, 1.0)
    assert display.condition_hist_.get_linewidth() == 3
    assert display.balance_points_.get_marker() == "s"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"influence": [[1.0, 2.0]]}, r"`influence` must have shape \(n_samples,\), got \(1, 2\)"),
        ({"influence": [1.0, np.nan]}, "`influence` must be finite, got 1 NaN"),
        ({"influence": []}, "`influence` must hold at least 1 value, got 0"),
        (
            {"condition": [1.0]},
            r"`condition` must have shape \(6,\) as `influence` has, got \(1,\)",
        ),
        ({"condition": CONDITION / 2}, "`condition` must be at least 1 or NaN, got 0.5"),
        ({"imbalance": [[np.inf, 1.0]]}, r"`imbalance` must hold finite .* got 1 NaN or infinite"),
        ({"imbalance": np.ones((2, 2, 2))}, r"`imbalance` must .* in shape \(2, 2, 2\)"),
        ({"columns": ["a"]}, r"`columns` must name the 0 column\(s\) of `imbalance`, got 1"),
        (
            {"imbalance": IMBALANCE, "columns": ["a"]},
            r"`columns` must name the 3 column\(s\) of `imbalance`, got 1",
        ),
        ({"bins": 0}, "`bins` must be an integer of at least 1, got 0"),
    ],
)
def test_bad_predictions(changes, message):
    with pytest.raises(ValueError, match=message):
        InfluenceDisplay.from_predictions(**({"influence": INFLUENCE} | changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"contrast": "9 vs 0"}, "`contrast` must be a position from 0 to 3 or one of .*'9 vs 0'"),
        ({"outcome": 2}, "`outcome` must be a position from 0 to 1 .* got 2"),
    ],
)
def test_bad_choices(five_arms, changes, message):
    with pytest.raises(ValueError, match=message):
        InfluenceDisplay.from_estimator(five_arms[0], **changes)


def test_bad_estimators(two_arms):
    est, X, T, y = two_arms
    with pytest.raises(NotFittedError):
        InfluenceDisplay.from_estimator(clone(est))
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegression"):
        InfluenceDisplay.from_estimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match=r"must have influence values.*got _WithoutInfluence"):
        InfluenceDisplay.from_estimator(_WithoutInfluence().fit(X, y))
    single = clone(est).set_params(n_folds=1).fit(X, T, y)
    message = r"InfluenceDisplay needs influence values.*n_folds=1; fit with n_folds=5"
    with pytest.raises(IntervalNotAvailableError, match=message):
        InfluenceDisplay.from_estimator(single)


def test_a_model_without_mean(two_arms):
    def loss(y, t, theta):
        return (y - theta[0] - theta[1] * t) ** 2 + (y - theta[1]) ** 2  # two zeros

    _, X, _, y = two_arms
    dose = np.random.RandomState(0).normal(size=len(X))
    net = StructuralNet(
        model=loss,
        n_params=2,
        hessian="structured",
        representation_widths=(8,),
        head_widths=(8,),
        numeric_encoding=None,
        weight_decay=1.0,
        n_folds=2,
        max_epochs=2,
        random_state=0,
    )
    with pytest.raises(ModelError, match="need to know which outcome is expected"):
        InfluenceDisplay.from_estimator(net.fit(X, dose, y))


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'InfluenceDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        InfluenceDisplay.from_predictions(INFLUENCE)
