"""DoseResponseDisplay: curves, bands, arms and points of several treatments."""

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
from sklcausal.datasets import make_pricing
from sklcausal.exceptions import IntervalNotAvailableError, ModelError, TargetError
from sklcausal.inspection import DoseResponseDisplay
from sklcausal.structural import Linear, Logit, StructuralNet

TINY = {
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "max_epochs": 2,
    "n_folds": 2,
    "random_state": 0,
}
DOSE = [3.0, 1.0, 2.0]
MEAN = np.array([0.1, 0.9, 0.4])


class _WithoutCurve(BaseEstimator):
    """A fitted effect estimator that has no `dose_response`."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def effect(self, X):
        return np.zeros(len(X))


@pytest.fixture(scope="module")
def shop():
    return make_pricing(300, random_state=0)


@pytest.fixture(scope="module")
def dosed(shop):
    return StructuralNet(model=Logit(), **TINY).fit(shop.X, shop.T, shop.y)


@pytest.fixture(scope="module")
def several(shop):
    rng = np.random.RandomState(0)
    T = np.column_stack([shop.T, rng.normal(size=300)])
    y = T @ [1.0, -1.0] + rng.normal(size=300)
    return StructuralNet(model=Linear(), **TINY).fit(shop.X, T, y)


def _edges(band):
    """Lower and upper edge of a filled band at its doses."""
    vertices = band.get_paths()[0].vertices
    n = (len(vertices) - 3) // 2
    return vertices[1 : n + 1], vertices[n + 2 : -1][::-1]


def _segments(intervals):
    return np.array(intervals.get_segments())


def _legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def _ticks(display):
    return [label.get_text() for label in display.ax_.get_xticklabels()]


def test_curve_is_sorted_by_dose():
    bounds = (MEAN - 0.1, MEAN + 0.2, MEAN - 0.3, MEAN + 0.4)
    display = DoseResponseDisplay.from_predictions(DOSE, MEAN, *bounds, received=[5, 1.5, 2])
    np.testing.assert_array_equal(display.curve_.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(display.curve_.get_ydata(), [0.9, 0.4, 0.1])
    for band, below, above in ((display.interval_, 0.1, 0.2), (display.band_, 0.3, 0.4)):
        low, high = _edges(band)
        np.testing.assert_allclose(low, np.column_stack([[1, 2, 3], [0.9, 0.4, 0.1]]) - [0, below])
        np.testing.assert_allclose(high[:, 1], np.array([0.9, 0.4, 0.1]) + above)
    np.testing.assert_array_equal(display.rug_.get_xdata(), [1.5, 2, 5])
    assert display.ax_.get_xlim()[1] < 3.5  # doses beyond the curve do not squeeze it
    assert display.ax_.get_xlabel() == "Dose"
    assert _legend(display) == [
        "Mean outcome",
        "Interval, each dose alone",
        "Band, whole curve at once",
        "Doses that were received",
    ]


def test_bare_means():
    display = DoseResponseDisplay.from_predictions(DOSE, MEAN)
    assert display.interval_ is display.band_ is display.rug_ is None
    assert _legend(display) == ["Mean outcome"]


def test_labels_are_points_in_their_order():
    bounds = (MEAN - 0.1, MEAN + 0.2, MEAN - 0.3, MEAN + 0.4)
    display = DoseResponseDisplay.from_predictions(["low", "none", "high"], MEAN, *bounds)
    assert _ticks(display) == ["low", "none", "high"]
    assert display.curve_.get_linestyle() == "None"
    np.testing.assert_array_equal(display.curve_.get_ydata(), MEAN)
    np.testing.assert_allclose(_segments(display.interval_)[:, 1, 1], MEAN + 0.2)
    np.testing.assert_allclose(_segments(display.band_)[:, 0, 1], MEAN - 0.3)
    assert display.ax_.get_xlabel() == "Treatment"


@pytest.mark.parametrize("word", ["aspirin 100 mg", "acetylsalicylicacid"])
def test_long_labels_do_not_overlap(pyplot, word):
    _, ax = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
    labels = [f"{word} {k}" for k in range(6)]
    display = DoseResponseDisplay.from_predictions(labels, np.arange(6.0), ax=ax)
    display.figure_.canvas.draw()
    texts = display.ax_.get_xticklabels()
    if texts[0].get_rotation() == 0:
        boxes = [text.get_window_extent() for text in texts]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    else:
        assert (texts[0].get_rotation(), texts[0].get_horizontalalignment()) == (30, "right")
    assert (texts[0].get_rotation() == 0) == (" " in word)


def test_a_single_dose_is_a_point():
    display = DoseResponseDisplay.from_predictions([5.0], [0.5], [0.4], [0.6])
    np.testing.assert_array_equal(_segments(display.interval_), [[[5.0, 0.4], [5.0, 0.6]]])


def test_long_rug_is_thinned_evenly():
    received = np.random.RandomState(0).normal(size=5000)
    display = DoseResponseDisplay.from_predictions(DOSE, MEAN, received=received)
    drawn = display.rug_.get_xdata()
    assert len(drawn) == 400
    assert (drawn[0], drawn[-1]) == (received.min(), received.max())


def test_legend_stands_above_the_bands():
    display = DoseResponseDisplay.from_predictions(DOSE, MEAN, MEAN - 1, MEAN + 1)
    display.figure_.canvas.draw()
    highest = display.ax_.transData.transform((0, MEAN.max() + 1))[1]
    assert display.legend_.get_window_extent().y0 >= highest


@pytest.mark.parametrize("T", [None, [6.0, 4.0, 5.0]])
def test_curve_of_an_estimator(dosed, shop, T):
    display = DoseResponseDisplay.from_estimator(dosed, T, alpha=0.1)
    curve, points = dosed.dose_response(T), dosed.curve_points(T)[:, 0]
    np.testing.assert_array_equal(display.dose, points)
    np.testing.assert_array_equal(display.curve_.get_ydata(), curve.estimate[points.argsort()])
    np.testing.assert_allclose((display.low, display.high), curve.conf_int(0.1))
    whole = curve.conf_int(0.1, simultaneous=True)
    np.testing.assert_allclose((display.band_low, display.band_high), whole)
    np.testing.assert_array_equal(display.rug_.get_xdata(), np.sort(shop.T))
    assert display.ax_.get_xlabel() == "T, the same for everybody"
    assert display.ax_.get_ylabel() == "Mean of y0 (probability)"
    assert _legend(display)[1:3] == [
        "90 % interval, each dose alone",
        "90 % band, whole curve at once",
    ]


def test_names_of_columns(shop):
    pandas = pytest.importorskip("pandas")
    price, spent = pandas.Series(shop.T, name="price"), pandas.Series(shop.mu, name="spent")
    est = StructuralNet(model=Linear(), **TINY).fit(shop.X, price, spent)
    display = DoseResponseDisplay.from_estimator(est)
    assert display.ax_.get_xlabel() == "price, the same for everybody"
    assert display.ax_.get_ylabel() == "Mean of spent"


def test_band_only_if_asked_and_of_more_than_a_point(dosed):
    assert DoseResponseDisplay.from_estimator(dosed, simultaneous=False).band_ is None
    display = DoseResponseDisplay.from_estimator(dosed, [5.0])
    assert display.band_ is None and display.interval_ is not None


def test_arms_and_outcomes(five_arms):
    est = five_arms[0]
    display = DoseResponseDisplay.from_estimator(est, outcome="y1")
    curve = est.dose_response()
    np.testing.assert_array_equal(display.curve_.get_ydata(), curve.estimate[1::2])
    np.testing.assert_allclose(_segments(display.interval_)[:, 0, 1], curve.conf_int()[0][1::2])
    half = (display.band_high - display.band_low) / (display.high - display.low)
    assert (half > 1.1).all() and np.ptp(half) < 1e-9
    both = np.subtract(*curve.conf_int(simultaneous=True)[::-1])[1::2]
    assert (display.band_high - display.band_low <= both).all()  # covers this outcome only
    assert _ticks(display) == ["0", "1", "2", "3", "4"]
    assert display.rug_ is None
    assert display.ax_.get_ylabel() == "Mean of y1"
    some = DoseResponseDisplay.from_estimator(est, [3, 1], outcome=1)
    assert _ticks(some) == ["3", "1"]
    np.testing.assert_allclose(some.curve_.get_ydata(), curve.estimate[[7, 3]])


def test_several_treatments(several):
    T = np.array([[5.0, 0.0], [5.0, 1.0], [4.0, 0.5]])
    display = DoseResponseDisplay.from_estimator(several, T)
    assert _ticks(display) == ["5, 0", "5, 1", "4, 0.5"]
    names = ", ".join(several.contrasts_.treatments.names)
    assert display.ax_.get_xlabel() == f"{names}, the same for everybody"
    np.testing.assert_array_equal(display.curve_.get_ydata(), several.dose_response(T).estimate)
    many = np.column_stack([np.linspace(3, 7, 21), np.zeros(21)])
    display = DoseResponseDisplay.from_estimator(several, many)
    np.testing.assert_array_equal(display.curve_.get_xdata(), np.arange(21))
    assert display.ax_.get_xlabel() == f"Row of `T` ({names}), the same for everybody"


def test_pipelines_and_searches(shop):
    pipe = make_pipeline(StandardScaler(), StructuralNet(model=Logit(), **TINY))
    grid = {"structuralnet__lr": [0.01]}
    search = GridSearchCV(pipe, grid, cv=2).fit(shop.X, pack_targets(shop.T, shop.y))
    display = DoseResponseDisplay.from_estimator(search)
    expected = search.best_estimator_[-1].dose_response().estimate
    np.testing.assert_array_equal(display.curve_.get_ydata(), expected)


def test_after_compact(dosed):
    small = copy.deepcopy(dosed).compact()
    display = DoseResponseDisplay.from_estimator(small, [4.0, 5.0])
    np.testing.assert_array_equal(display.mean, dosed.dose_response([4.0, 5.0]).estimate)
    assert display.rug_ is None
    with pytest.raises(IntervalNotAvailableError, match="a default curve needs the training rows"):
        DoseResponseDisplay.from_estimator(small)


def test_plot_draws_where_and_how_it_is_told(pyplot):
    _, ax = pyplot.subplots()
    bounds = (MEAN, MEAN, MEAN, MEAN)
    display = DoseResponseDisplay.from_predictions(DOSE, MEAN, *bounds, received=DOSE, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    again = display.plot(
        curve_kwargs={"color": "red"},
        interval_kwargs={"alpha": 0.1},
        band_kwargs={"alpha": 0.2},
        rug_kwargs={"markersize": 3},
    )
    assert again is display
    assert display.ax_ is not ax
    assert display.curve_.get_color() == "red"
    assert (display.interval_.get_alpha(), display.band_.get_alpha()) == (0.1, 0.2)
    assert display.rug_.get_markersize() == 3


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mean": [[1.0, 2.0, 3.0]]}, r"`mean` must have shape \(n_samples,\), got \(1, 3\)"),
        ({"mean": MEAN[:2]}, "same number of rows, got `dose` 3, `mean` 2"),
        ({"mean": [1.0, np.nan, 2.0]}, "`mean` must be finite, got 1 NaN"),
        ({"dose": [1.0, 2.0, np.inf]}, "`dose` must be finite, got 1 NaN or infinite"),
        ({"dose": [], "mean": []}, "`dose` must hold at least 1 point, got 0"),
        ({"low": MEAN}, "`low` and `high` must be given together, got only `low`"),
        ({"high": MEAN}, "`low` and `high` must be given together, got only `high`"),
        ({"band_low": MEAN}, "`band_low` and `band_high` must .* got only `band_low`"),
        ({"received": ["a"]}, "`received` must hold numbers, got dtype"),
        (
            {"dose": ["a", "b", "c"], "received": [1.0]},
            "`received` goes with doses that are numbers, got labels in `dose`",
        ),
        (
            {"dose": [f"town {k}" for k in range(21)], "mean": np.ones(21)},
            r"`dose` must have one axis and at most 20 labels, got shape \(21,\)",
        ),
    ],
)
def test_bad_predictions(changes, message):
    with pytest.raises(ValueError, match=message):
        DoseResponseDisplay.from_predictions(**({"dose": DOSE, "mean": MEAN} | changes))


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"outcome": "z"}, ValueError, "`outcome` must be a position from 0 to 1 or one of .*'z'"),
        ({"alpha": 2.0}, ValueError, "`alpha` must be a number between 0 and 1, got 2.0"),
        ({"T": [9]}, TargetError, r"`T` must be one of \[0, 1, 2, 3, 4\], got \[9\]"),
    ],
)
def test_bad_choices(five_arms, changes, error, message):
    with pytest.raises(error, match=message):
        DoseResponseDisplay.from_estimator(five_arms[0], **changes)


def test_bad_estimators(dosed, several, shop):
    with pytest.raises(NotFittedError):
        DoseResponseDisplay.from_estimator(clone(dosed))
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegression"):
        DoseResponseDisplay.from_estimator(LinearRegression().fit(shop.X, shop.y))
    without = _WithoutCurve().fit(shop.X, shop.y)
    with pytest.raises(TypeError, match="must have a method `dose_response`, got _WithoutCurve"):
        DoseResponseDisplay.from_estimator(without)
    with pytest.raises(TargetError, match="`T` must be given for several treatments"):
        DoseResponseDisplay.from_estimator(several)
    single = clone(dosed).set_params(n_folds=1).fit(shop.X, shop.T, shop.y)
    with pytest.raises(IntervalNotAvailableError, match=r"`dose_response` needs .* n_folds=1"):
        DoseResponseDisplay.from_estimator(single)


def test_a_model_without_mean(shop):
    def loss(y, t, theta):
        return (y - theta[0] - theta[1] * t) ** 2 + (y - theta[1]) ** 2  # two zeros

    net = StructuralNet(model=loss, n_params=2, hessian="structured", **TINY)
    with pytest.raises(ModelError, match="need to know which outcome is expected"):
        DoseResponseDisplay.from_estimator(net.fit(shop.X, shop.T, shop.mu))


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'DoseResponseDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        DoseResponseDisplay.from_predictions(DOSE, MEAN)
