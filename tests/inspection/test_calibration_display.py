"""CalibrationDisplay: groups, slopes and averages, panels and what is added to them."""

# SPDX-License-Identifier: BSD-3-Clause

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.inspection import CalibrationDisplay, PolicyDisplay
from sklcausal.metrics import add_nuisances, calibration_slope, cross_fit_nuisances, gates

N = 120
RNG = np.random.RandomState(0)
T = RNG.randint(0, 2, N)
EFFECT = 1 + RNG.normal(size=N)
Y = T * EFFECT + RNG.normal(size=N)
NUISANCES = {
    "outcome_mean": np.column_stack([0 * EFFECT, EFFECT]),
    "propensity": 0.3 + 0.4 * RNG.uniform(size=N),
}
ARMS = np.array(["mail", "none", "visit", "call", "gift"])[np.arange(N) % 5]
MANY = {"treatments": ["none", "mail", "visit", "call", "gift"], "control": "none"}
NAMES = ["mail vs none", "visit vs none", "call vs none", "gift vs none"]
EFFECTS = RNG.normal(size=(N, 4))
show = CalibrationDisplay.from_predictions


def _legend(display, panel=0):
    return [text.get_text() for text in display.legends_[panel].get_texts()]


def _scores():
    mean, p = NUISANCES["outcome_mean"][np.arange(N), T], NUISANCES["propensity"]
    return EFFECT + (T / p - (1 - T) / (1 - p)) * (Y - mean)


def test_groups_are_averages_of_scores():
    display = show(T, Y, EFFECT, **NUISANCES)
    order, scores = np.argsort(EFFECT), _scores()
    parts = np.array_split(order, 5)
    x = [EFFECT[own].mean() for own in parts]
    y = np.array([scores[own].mean() for own in parts])
    error = np.array([scores[own].std() for own in parts]) / np.sqrt([len(o) - 1 for o in parts])
    (points,), (intervals,) = display.points_, display.intervals_
    np.testing.assert_allclose(points.get_xydata(), np.column_stack([x, y]))
    ends = np.array(intervals.get_segments())
    np.testing.assert_allclose(ends[:, :, 0], np.column_stack([x, x]))
    # standard errors are those of sums over all rows, which are a little larger
    np.testing.assert_allclose(ends[:, 1, 1], y + 1.96 * error, rtol=0.05)
    np.testing.assert_allclose(display.groups[0].interval[0], ends[:, 0, 1])


def test_slope_average_and_diagonal():
    display = show(T, Y, EFFECT, alpha=0.1, **NUISANCES)
    slope = calibration_slope(T, Y, EFFECT, **NUISANCES)["slope"]
    low, high = (bound[0] for bound in slope.conf_int(0.1))
    (group,) = display.groups
    assert group.slope == pytest.approx(slope.estimate[0])
    np.testing.assert_allclose(group.slope_interval, [low, high])
    assert group.ate == pytest.approx(_scores().mean())
    error = _scores().std(ddof=1) / np.sqrt(N)
    expected = group.ate + 1.6448536 * error * np.array([-1, 1])
    np.testing.assert_allclose(group.ate_interval, expected, rtol=1e-6)
    (average,), (diagonal,) = display.ate_lines_, display.diagonals_
    np.testing.assert_allclose(average.get_ydata(), group.ate)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert diagonal.get_xdata()[0] < group.predicted[0] < group.predicted[-1]
    assert group.predicted[-1] < diagonal.get_xdata()[1]
    texts = _legend(display)
    assert texts[0] == f"Predicted effects: slope {group.slope:.2f} [{low:.2f}, {high:.2f}]"
    assert texts[1].startswith(f"Average effect {group.ate:.2f} [")
    assert texts[2] == "Perfect calibration"


def test_number_of_groups_ties_and_no_intervals():
    assert len(show(T, Y, EFFECT, n_groups=3).groups[0].average) == 3
    assert len(show(T, Y, np.sign(EFFECT - 1)).groups[0].average) == 2
    display = show(T, Y, EFFECT, alpha=None)
    assert display.intervals_ == []
    assert display.groups[0].slope_interval is display.groups[0].ate_interval is None
    assert "[" not in "".join(_legend(display))


def test_constant_predictions_have_a_point_and_no_slope():
    display = show(T, Y, np.full(N, 3.0), **NUISANCES)
    (group,) = display.groups
    assert group.slope is None and group.predicted == pytest.approx([3])
    assert group.average == pytest.approx([_scores().mean()])
    assert _legend(display)[0] == "Predicted effects: constant, no slope"
    low, high = display.ax_.get_xlim()
    assert low < 3 < high


def test_panels_for_several_arms():
    effects = EFFECTS.copy()
    effects[:, 1] = 2.0
    effects[:, 2] = effects[:, 2] > 0
    display = show(ARMS, Y, effects, **MANY)
    assert [ax.get_title() for ax in display.axes_] == NAMES
    expected = gates(ARMS, Y, effects, **MANY)
    assert [len(group.average) for group in display.groups] == [5, 1, 2, 5]
    found = np.concatenate([group.average for group in display.groups])
    np.testing.assert_allclose(found, expected.estimate)
    np.testing.assert_allclose(
        np.concatenate([group.interval[1] for group in display.groups]), expected.conf_int()[1]
    )
    slopes = calibration_slope(ARMS, Y, np.delete(effects, 1, axis=1)[:, [0, 0, 1, 2]], **MANY)
    for c in (0, 2, 3):
        assert display.groups[c].slope == pytest.approx(slopes.estimate[2 * c + 1])
    assert display.groups[1].slope is None
    assert len({ax.get_ylim() for ax in display.axes_}) == 1
    assert len({ax.get_xlim() for ax in display.axes_}) == 1


@pytest.mark.parametrize("contrast", [2, "call vs none"])
def test_one_of_several_contrasts(contrast):
    display = show(ARMS, Y, EFFECTS, contrast=contrast, **MANY)
    every = show(ARMS, Y, EFFECTS, **MANY)
    assert len(display.axes_) == 1 and display.ax_.get_title() == "call vs none"
    np.testing.assert_allclose(display.groups[0].average, every.groups[2].average)


def test_several_contrasts_on_given_axes(pyplot):
    _, ax = pyplot.subplots()
    display = show(ARMS, Y, EFFECTS, ax=ax, **MANY)
    assert len(display.axes_) == 1
    texts = _legend(display)
    assert texts[0].startswith("mail vs none: slope ")
    assert texts[4].startswith("Average effect, mail vs none ")
    _, axes = pyplot.subplots(2, 2)
    display = show(ARMS, Y, EFFECTS, ax=axes, **MANY)
    assert [ax.get_title() for ax in axes.ravel()] == NAMES
    with pytest.raises(ValueError, match="one for each of the 4 contrasts, got 2"):
        show(ARMS, Y, EFFECTS, ax=axes[0], **MANY)


def test_a_second_call_adds_an_estimator():
    first = show(T, Y, {"one": EFFECT})
    second = show(T, Y, {"two": 3 * EFFECT}, ax=first.ax_)
    together = show(T, Y, {"one": EFFECT, "two": 3 * EFFECT})
    assert _legend(second) == _legend(together)
    assert [text.split(":")[0] for text in _legend(second)[:2]] == ["one", "two"]
    # the same average effect is there once
    assert len(_legend(second)) == 4
    assert second.ax_.get_xlim() == pytest.approx(together.ax_.get_xlim())
    (diagonal,) = [v for v in second.ax_.get_lines() if v.get_label() == "Perfect calibration"]
    np.testing.assert_allclose(diagonal.get_xdata(), second.ax_.get_xlim())
    colors = [line.get_color() for line in (*first.points_, *second.points_)]
    assert colors == [line.get_color() for line in together.points_]
    with pytest.raises(ValueError, match=r"`ax` must be empty or show Policy.*, got Calibration"):
        PolicyDisplay.from_predictions(T, Y, EFFECT, ax=first.ax_)


def test_legend_stands_above_the_intervals():
    effects = {f"estimator {k} with a long name that is cut": RNG.normal(size=N) for k in range(4)}
    display = show(T, Y, effects)
    display.figure_.canvas.draw()
    box = display.legends_[0].get_window_extent()
    highest = max(group.interval[1].max() for group in display.groups)
    assert box.y0 >= display.ax_.transData.transform((0, highest))[1]
    assert box.x1 <= display.ax_.bbox.x1 + 1


def test_frames_labels_and_columns_give_the_same():
    polars = pytest.importorskip("polars")
    plain = show(T, Y, EFFECT)
    labels = np.where(T == 1, "treated", "control")
    for display in (
        show(pd.Series(labels), pd.Series(Y), pd.DataFrame({"effect": EFFECT})),
        show(polars.Series(labels), polars.Series(Y), polars.Series(EFFECT)),
        show(T[:, None], Y[:, None], EFFECT[:, None]),
    ):
        np.testing.assert_array_equal(display.groups[0].average, plain.groups[0].average)
        np.testing.assert_array_equal(display.groups[0].interval, plain.groups[0].interval)
    answers = show(T, np.where(Y > 0, "yes", "no"), EFFECT)
    numbers = show(T, (Y > 0).astype(int), EFFECT)
    np.testing.assert_array_equal(answers.groups[0].average, numbers.groups[0].average)


def test_weights_and_clusters_reach_the_metrics():
    weight, cluster = 1 + np.arange(N) % 3, np.arange(N) // 2
    display = show(T, Y, EFFECT, sample_weight=weight, cluster=cluster, **NUISANCES)
    options = {"sample_weight": weight, "cluster": cluster, **NUISANCES}
    np.testing.assert_allclose(
        display.groups[0].interval, gates(T, Y, EFFECT, **options).conf_int()
    )
    slope = calibration_slope(T, Y, EFFECT, **options)["slope"]
    np.testing.assert_allclose(display.groups[0].slope_interval, np.ravel(slope.conf_int()))


def test_arguments_reach_the_artists():
    display = show(T, Y, EFFECT, point_kwargs={"markersize": 9}, interval_kwargs={"linewidth": 4})
    assert display.points_[0].get_markersize() == 9
    assert display.intervals_[0].get_linewidth() == 4


def test_estimators_and_pipelines(two_arms):
    est, X, labels, y = two_arms
    targets = pack_targets(labels, y)
    found = cross_fit_nuisances(X, labels, y, treatments=est.treatments_)
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(X, targets)
    options = {"treatments": est.treatments_, "control": "placebo", **found}
    for fitted in (est, pipe):
        expected = show(labels, y, fitted.predict(X), **options).groups[0]
        for display in (
            CalibrationDisplay.from_estimator(fitted, X, targets),
            CalibrationDisplay.from_estimator(fitted, X, add_nuisances(X, targets)),
            CalibrationDisplay.from_estimator(fitted, X, labels, y, nuisances=found),
        ):
            np.testing.assert_allclose(display.groups[0].average, expected.average)
            assert _legend(display)[0].startswith("TARNet: slope ")
            assert display.ax_.get_title() == "drug vs placebo"
    named = CalibrationDisplay.from_estimator(
        est, X, labels, y, nuisances="randomised", n_groups=2, name="mine"
    )
    expected = show(labels, y, est.predict(X), n_groups=2, control="placebo").groups[0]
    np.testing.assert_allclose(named.groups[0].average, expected.average)
    assert _legend(named)[0].startswith("mine: ")


def test_outcomes_of_an_estimator(five_arms):
    est, X, labels = five_arms
    Y2 = np.column_stack([np.arange(300.0) % 7, np.arange(300.0) % 3])
    options = {"nuisances": "randomised", "contrast": 1}
    for outcome in (1, est.outcome_names_[1]):
        found = CalibrationDisplay.from_estimator(est, X, labels, Y2, outcome=outcome, **options)
        expected = show(labels, Y2[:, 1], est.effect(X)[:, :, 1], contrast=1)
        np.testing.assert_allclose(found.groups[0].average, expected.groups[0].average)


def _put(value):
    values = EFFECT.copy()
    values[0] = value
    return values


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"T": np.ones(N)}, TargetError, "`T` must have at least 2 levels, got 1"),
        ({"T": T[:1], "y": Y[:1], "effect": EFFECT[:1]}, TargetError, "at least 2 levels"),
        ({"T": T[:-1]}, TargetError, "same number of rows, got `T` 119, `y` 120"),
        ({"y": Y + np.nan}, TargetError, "`y` must not contain NaN or inf"),
        ({"y": np.column_stack([Y, Y])}, ValueError, r"`y` must hold one outcome .* got 2"),
        ({"effect": EFFECT[:-1]}, ValueError, r"`effect` must have shape \(120, 1\)"),
        ({"effect": _put(np.inf)}, ValueError, "`effect` must be finite, got 1 NaN or inf"),
        ({"effect": {}}, ValueError, "predictions of at least 1 estimator, got none"),
        ({"n_groups": 1}, ValueError, "`n_groups` must be an integer of at least 2, got 1"),
        ({"n_groups": 100}, ValueError, "`n_groups` must leave at least 2 rows in each group"),
        ({"contrast": 1}, ValueError, r"`contrast` must be a position from 0 to 0 .*, got 1"),
        ({"alpha": 1.0}, ValueError, "`alpha` must be a number between 0 and 1 or None, got 1"),
        ({"propensity": 2 + T}, ValueError, "`propensity` must lie between 0 and 1"),
        ({"outcome_mean": Y}, ValueError, r"`outcome_mean` must have shape \(120, 2\)"),
    ],
)
def test_bad_predictions(changes, error, message):
    with pytest.raises(error, match=message):
        show(**({"T": T, "y": Y, "effect": EFFECT} | changes))


def test_bad_estimators(two_arms):
    est, X, labels, y = two_arms
    with pytest.raises(NotFittedError):
        CalibrationDisplay.from_estimator(clone(est), X, labels, y)
    with pytest.raises(TargetError, match="`y` must be given unless `T` is packed"):
        CalibrationDisplay.from_estimator(est, X, labels)
    with pytest.raises(TypeError, match=r"`nuisances` must be what .* got 'none'"):
        CalibrationDisplay.from_estimator(est, X, labels, y, nuisances="none")
    dose = np.random.RandomState(0).uniform(size=len(X))
    dosed = clone(est).set_params(n_folds=1, control=None).fit(X, dose, y)
    with pytest.raises(TargetError, match=r"CalibrationDisplay needs arms, .* dose treatments"):
        CalibrationDisplay.from_estimator(dosed, X, dose, y)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"CalibrationDisplay needs matplotlib"):
        show(T, Y, EFFECT)
