"""SensitivityDisplay: contours, the null, robustness value and benchmarks."""

# SPDX-License-Identifier: BSD-3-Clause

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection import SensitivityDisplay
from sklcausal.representation import TARNet
from sklcausal.sensitivity import (
    benchmark_confounders,
    omitted_variable_bounds,
    sensitivity_analysis,
)

N = 600
NOISE = np.random.RandomState(0).normal(size=N)
NOISE -= NOISE.mean()
ALPHA = np.tile([2.0, -2.0], N // 2)
CHEAP = {"max_epochs": 15, "n_folds": 2, "numeric_encoding": None, "weight_decay": 1.0}


def _result(effect=1.0, **params):
    psi = effect + ALPHA * NOISE - np.mean(ALPHA * NOISE)
    return omitted_variable_bounds(psi, NOISE, ALPHA, **params)


def _legend(display):
    texts = [text.get_text() for text in display.legend_.get_texts()]
    return [text for text in texts if text.strip()]


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["age", "income", "noise"])
    T = (X["age"] / 4 + rng.logistic(size=300) > 0).astype(int).to_numpy()
    y = (2 * X["age"] + X["income"] + T + rng.normal(size=300)).to_numpy()
    est = TARNet(random_state=0, propensity_clip=0.05, **CHEAP).fit(X, T, y)
    benchmarks = benchmark_confounders(est, X, T, y, columns=["age", "income"], k=[1, 0.5])
    return est, X, T, y, benchmarks


@pytest.mark.parametrize("effect, side", [(1.0, 0), (-1.0, 1)])
@pytest.mark.parametrize("value", ["bound", "interval"])
def test_contours_join_equal_bounds(effect, side, value):
    result = _result(effect)
    display = SensitivityDisplay.from_result(result, value=value)
    ask = result.bounds if value == "bound" else result.conf_bounds
    n_checked = 0
    levels = [*display.contours_.levels, *display.null_contour_.levels]
    paths = [*display.contours_.get_paths(), *display.null_contour_.get_paths()]
    for level, path in zip(levels, paths, strict=True):
        points = path.vertices
        n_checked += len(points)
        found = ask(points[:, 1], points[:, 0])[side][:, 0]
        np.testing.assert_allclose(found, level, atol=0.01)
    assert n_checked > 100 and len(display.contours_.levels) >= 4
    assert display.null_contour_.levels.tolist() == [0]
    assert 0 not in display.contours_.levels
    title = display.legend_.get_title().get_text()
    assert title.startswith(("Lower", "Upper")[side]) and title.endswith("target 0")
    assert ("95 % interval" in title) == (value == "interval")


def test_the_robustness_value_lies_on_the_null_and_on_the_diagonal():
    result = _result(null=0.5)
    for value in ("bound", "interval"):
        display = SensitivityDisplay.from_result(result, value=value)
        name = "robustness_value" + ("_ci" if value == "interval" else "")
        share = getattr(result, name)[0]
        assert display.robustness_point_.get_xydata().tolist() == [[share, share]]
        null = np.vstack([path.vertices for path in display.null_contour_.get_paths()])
        assert np.abs(null - share).max(axis=1).min() < 0.01
        x, y = display.diagonal_.get_data()
        np.testing.assert_array_equal(x, y)
        legend = _legend(display)
        assert f"Equal strengths: robustness value {share:.3g}" in legend
        assert "An effect of 0.5 is reached" in legend


def test_marks_say_what_is_left():
    result = _result(cf_y=0.2, cf_d=0.1)
    display = SensitivityDisplay.from_result(result)
    assert display.scenario_point_.get_xydata().tolist() == [[0.1, 0.2]]
    assert display.origin_point_.get_xydata().tolist() == [[0, 0]]
    legend = _legend(display)
    assert f"Stated confounder: {result.lower[0]:.3g}" in legend and "No confounder: 1" in legend
    none = SensitivityDisplay.from_result(_result(cf_y=0.0))
    assert none.scenario_point_ is None and len(_legend(none)) == 3


def test_an_interval_that_holds_the_null_is_said_to():
    display = SensitivityDisplay.from_result(_result(0.01), value="interval")
    assert display.robustness_point_ is None and display.null_contour_ is None
    assert "The interval holds 0 without a confounder" in _legend(display)
    harmless = SensitivityDisplay.from_result(_result(rho=0.0))
    assert harmless.null_contour_ is None and len(harmless.contours_.levels) == 0


def test_ends_of_axes():
    result = _result(cf_y=0.5, cf_d=0.02)
    display = SensitivityDisplay.from_result(result, max_cf_d=0.1, max_cf_y=0.3)
    assert 0.1 <= display.ax_.get_xlim()[1] < 0.12 and 0.3 <= display.ax_.get_ylim()[1] < 0.35
    assert display.robustness_point_ is None
    assert display.scenario_point_.get_xydata().tolist() == [[0.02, 0.3]]  # at the edge
    free = SensitivityDisplay.from_result(result)
    assert free.ax_.get_xlim()[1] > result.robustness_value[0]
    assert free.ax_.get_ylim()[1] > 0.5


def test_benchmarks_are_labelled_and_stand_free(fitted):
    est, *_, benchmarks = fitted
    result = sensitivity_analysis(est)
    display = SensitivityDisplay.from_result(result, benchmarks)
    points = display.benchmark_points_.get_xydata()
    np.testing.assert_allclose(points[:, 0], benchmarks.cf_d[:, :, 0].ravel())
    np.testing.assert_allclose(points[:, 1], benchmarks.cf_y[:, :, 0].ravel())
    lower = [f"{v:.3g}".replace("-", "−") for v in benchmarks.to_frame()["lower"]]
    names = ["age", "age × 0.5", "income", "income × 0.5"]
    texts = [label.get_text() for label in display.labels_]
    assert texts == [f"{name}: {value}" for name, value in zip(names, lower, strict=True)]
    assert "Observed columns, had they been hidden" in _legend(display)
    display.figure_.canvas.draw()
    boxes = [label.get_bbox_patch().get_window_extent() for label in display.labels_]
    boxes = [box.shrunk(0.9, 0.7) for box in boxes]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    panel = display.ax_.get_window_extent()
    assert all(panel.x0 <= box.x0 and box.x1 <= panel.x1 for box in boxes)
    legend = display.legend_.get_window_extent()
    assert legend.y0 >= panel.y1 and not any(box.overlaps(legend) for box in boxes)


def test_nothing_is_cut_off(fitted):
    est, *_, benchmarks = fitted
    display = SensitivityDisplay.from_estimator(est, benchmarks=benchmarks)
    display.figure_.canvas.draw()
    for box in (display.ax_.get_tightbbox(), display.legend_.get_window_extent()):
        assert display.figure_.bbox.x0 - 1 <= box.x0 and box.x1 <= display.figure_.bbox.x1 + 1
        assert display.figure_.bbox.y0 - 1 <= box.y0 and box.y1 <= display.figure_.bbox.y1 + 1


def test_from_estimator_is_the_analysis(fitted):
    est, X, T, y, _ = fitted
    display = SensitivityDisplay.from_estimator(
        est, cf_y=0.1, cf_d=0.2, rho=0.5, alpha=0.1, null=0.2, T0=1, T1=0, value="interval"
    )
    expected = sensitivity_analysis(
        est, cf_y=0.1, cf_d=0.2, rho=0.5, alpha=0.1, null=0.2, T0=1, T1=0
    )
    assert repr(display.result) == repr(expected) and display.value == "interval"
    pipe = make_pipeline(StandardScaler(), TARNet(random_state=0, propensity_clip=0.05, **CHEAP))
    pipe.fit(X, pack_targets(T, y))
    found = SensitivityDisplay.from_estimator(pipe).result
    assert repr(found) == repr(sensitivity_analysis(pipe))


def test_targets_axes_and_styles(pyplot):
    two = omitted_variable_bounds(
        *(np.column_stack([v, v]) for v in (1 + ALPHA * NOISE, NOISE, ALPHA)),
        names=["first", "second"],
    )
    figure, (left, right) = pyplot.subplots(1, 2)
    display = SensitivityDisplay.from_result(
        two,
        target="second",
        ax=right,
        n_levels=3,
        contour_kwargs={"colors": "green"},
        null_kwargs={"linewidths": 5},
    )
    assert display.target == 1 and display.figure_ is figure and display.ax_ is right
    assert not left.lines and len(display.contours_.levels) <= 5
    assert display.legend_.get_title().get_text().endswith("second")
    assert display.null_contour_.get_linewidth() == [5]
    again = display.plot(left)
    assert again is display and display.ax_ is left


def test_the_null_stands_out_without_colour():
    display = SensitivityDisplay.from_result(_result())
    assert min(display.null_contour_.get_linewidth()) > 2 * max(display.contours_.get_linewidth())
    assert display.benchmark_points_ is None and display.labels_ == []
    shapes = {display.origin_point_.get_marker(), display.scenario_point_.get_marker()}
    assert len(shapes | {display.robustness_point_.get_marker()}) == 3


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"value": "mean"}, ValueError, r"`value` must be one of \('bound', 'interval'\), got"),
        ({"target": 3}, ValueError, "`target` must be a position from 0 to 0"),
        ({"target": "age"}, ValueError, r"`target` must be .* one of \['target 0'\], got 'age'"),
        ({"benchmarks": 1}, TypeError, "`benchmarks` must be ConfounderBenchmarks, got int"),
        ({"result": 2.0}, TypeError, "`result` must be a SensitivityResult, got float"),
        ({"max_cf_d": 0}, ValueError, "`max_cf_d` must be above 0 and at most 1, got 0"),
        ({"max_cf_y": 1.5}, ValueError, r"`max_cf_y` must be above 0 and at most 1, got 1\.5"),
        ({"n_levels": 0}, ValueError, "`n_levels` must be an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(params, error, message):
    with pytest.raises(error, match=message):
        SensitivityDisplay.from_result(**{"result": _result(), **params})


def test_bad_estimators_and_benchmarks(fitted):
    _, X, T, y, benchmarks = fitted
    with pytest.raises(ValueError, match=r"`benchmarks` must be of the effects \['target 0'\]"):
        SensitivityDisplay.from_result(_result(), benchmarks)
    with pytest.raises(NotFittedError):
        SensitivityDisplay.from_estimator(TARNet())
    single = TARNet(n_folds=1, random_state=0, max_epochs=1).fit(X, T, y)
    with pytest.raises(IntervalNotAvailableError, match="n_folds=5"):
        SensitivityDisplay.from_estimator(single)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'SensitivityDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        SensitivityDisplay.from_result(_result())
