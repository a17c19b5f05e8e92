"""OverlapDisplay: groups, panels and the clip bound."""

# SPDX-License-Identifier: BSD-3-Clause

import copy
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inspection import OverlapDisplay

P = np.array([0.05, 0.15, 0.35, 0.35])
T = np.array(["no", "no", "yes", "no"])


def _softmax(n_samples, n_arms):
    raw = np.exp(np.random.RandomState(0).normal(size=(n_samples, n_arms)))
    return raw / raw.sum(axis=1, keepdims=True)


def test_histograms_are_shares_of_each_group():
    display = OverlapDisplay.from_predictions(P, T, bins=4)
    (received,), (others,) = display.received_, display.others_
    np.testing.assert_allclose(received.get_data().edges, [0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(received.get_data().values, [0, 0, 0, 100])
    np.testing.assert_allclose(others.get_data().values, [-100 / 3, -100 / 3, 0, -100 / 3])
    assert display.axes_[0].get_xlabel() == "Estimated probability of yes given x"
    assert display.clip_lines_ == []
    legend = [text.get_text() for text in display.legend_.get_texts()]
    assert legend == ["Received yes (1 rows)", "Received no (3 rows)"]


def test_one_column_is_the_second_arm():
    whole = OverlapDisplay.from_predictions(np.column_stack([1 - P, P]), T)
    for single in (P, P[:, None]):
        display = OverlapDisplay.from_predictions(single, T)
        np.testing.assert_allclose(display.propensity, whole.propensity)


def test_clip_bounds_of_both_arms_where_they_are_in_sight():
    display = OverlapDisplay.from_predictions(P, T, clip=0.02)
    assert [line.get_xdata()[0] for line in display.clip_lines_] == [0.02]
    display = OverlapDisplay.from_predictions([0.01, 0.99], ["a", "b"], clip=0.02)
    assert [line.get_xdata()[0] for line in display.clip_lines_] == [0.02, 0.98]


def test_legend_stands_above_the_bars_and_the_bounds():
    name = "some treatment with a very long name that goes on and on"
    display = OverlapDisplay.from_predictions(P, np.where(T == "no", "no", name), clip=0.02)
    display.figure_.canvas.draw()
    ax, box = display.axes_[0], display.legend_.get_window_extent()
    assert box.y0 >= ax.transData.transform((0, 100))[1]
    assert box.x1 <= ax.bbox.x1
    (line,) = display.clip_lines_
    assert line.get_window_extent().y1 <= box.y0 + 2
    assert name in ax.get_xlabel().replace("\n", " ")


@pytest.mark.parametrize("n_arms", [3, 4, 5])
def test_a_panel_for_every_arm(n_arms):
    p = _softmax(200, n_arms)
    arms = [f"arm {k}" for k in range(n_arms)]
    labels = np.array(arms)[np.arange(200) % n_arms]
    display = OverlapDisplay.from_predictions(p, labels, clip=0.01)
    assert len(display.axes_) == len(display.received_) == len(display.clip_lines_) == n_arms
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == [f"Arm {arm} ({np.sum(labels == arm)} rows)" for arm in arms]
    for k, (up, down) in enumerate(zip(display.received_, display.others_, strict=True)):
        edges = up.get_data().edges
        counts = np.histogram(p[labels == arms[k], k], edges)[0]
        np.testing.assert_allclose(up.get_data().values, 100 * counts / counts.sum())
        np.testing.assert_allclose(down.get_data().values.sum(), -100)


def test_panels_share_their_axes():
    p = _softmax(200, 5)
    display = OverlapDisplay.from_predictions(p, np.arange(200) % 5)
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in display.axes_}) == 1


@pytest.mark.parametrize("n_arms", [3, 5])
@pytest.mark.parametrize("name", ["", "a treatment with a very long name, "])
def test_nothing_overlaps_or_is_clipped(n_arms, name):
    p = _softmax(200, n_arms)
    labels = [f"{name}{k}" for k in np.arange(200) % n_arms]
    display = OverlapDisplay.from_predictions(p, labels, clip=0.01)
    figure = display.figure_
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in display.axes_]
    boxes.append(display.legend_.get_window_extent())
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    for box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1


def test_order_of_arms_and_a_choice_of_them():
    p = _softmax(90, 3)
    labels = np.array(["b", "a", "c"])[np.arange(90) % 3]
    display = OverlapDisplay.from_predictions(p, labels, treatments=["b", "a", "c"], arms=["a"])
    edges = display.received_[0].get_data().edges
    counts = np.histogram(p[labels == "a", 1], edges)[0]
    np.testing.assert_allclose(display.received_[0].get_data().values, 100 * counts / 30)
    assert "another arm" in display.legend_.get_texts()[1].get_text()


def test_an_arm_without_rows_is_empty():
    display = OverlapDisplay.from_predictions(P, T, treatments=["no", "yes", "maybe"][:2])
    assert display.received_[0].get_data().values.sum() == pytest.approx(100)
    nobody = OverlapDisplay.from_predictions(P, np.repeat("no", 4), treatments=["no", "yes"])
    assert nobody.received_[0].get_data().values.sum() == 0


def test_groups_differ_without_colour():
    display = OverlapDisplay.from_predictions(P, T)
    assert display.received_[0].get_hatch() is None
    assert display.others_[0].get_hatch() is not None


def test_from_estimator_shows_the_arm_that_is_not_the_control(two_arms):
    est, X, labels, _ = two_arms
    display = OverlapDisplay.from_estimator(est, X, labels)
    assert display.axes_[0].get_xlabel() == "Estimated probability of drug given x"
    assert display.clip == est.propensity_clip
    other = OverlapDisplay.from_estimator(est, X, labels, arms=["placebo"])
    assert other.axes_[0].get_xlabel() == "Estimated probability of placebo given x"


def test_packed_targets_and_pipelines(two_arms):
    est, X, labels, y = two_arms
    targets = pack_targets(labels, y)
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(X, targets)
    display = OverlapDisplay.from_estimator(pipe, X, targets)
    np.testing.assert_array_equal(display.T, labels)
    np.testing.assert_array_equal(display.propensity, pipe[-1].propensity_)


def test_propensities_of_training_rows_are_out_of_fold(two_arms):
    est, X, labels, _ = two_arms
    display = OverlapDisplay.from_estimator(est, X, labels)
    np.testing.assert_array_equal(display.propensity, est.propensity_)
    assert np.abs(est.propensity_ - est.predict_propensity(X)).max() > 0.01
    for rows in (np.arange(50), np.arange(len(X))[::-1]):
        display = OverlapDisplay.from_estimator(est, X[rows], labels[rows])
        np.testing.assert_array_equal(display.propensity, est.predict_propensity(X[rows]))
    small = copy.deepcopy(est).compact()
    display = OverlapDisplay.from_estimator(small, X, labels)
    np.testing.assert_array_equal(display.propensity, est.predict_propensity(X))


def test_panels_go_where_they_are_told(pyplot, five_arms):
    est, X, labels = five_arms
    _, (left, right) = pyplot.subplots(1, 2, figsize=(14, 5), layout="constrained")
    display = OverlapDisplay.from_estimator(est, X, labels, ax=right)
    assert len(display.axes_) == 5
    display.figure_.canvas.draw()
    assert all(ax.bbox.x0 > left.bbox.x1 for ax in display.axes_)
    figure, axes = pyplot.subplots(1, 5)
    display = display.plot(axes, bins=5, received_kwargs={"facecolor": "red"})
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes)
    assert display.received_[0].get_facecolor() == (1.0, 0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"`ax` must be one Axes or .* the 5 panels, got 2"):
        display.plot([left, right])
    with pytest.raises(ValueError, match=r"`ax` must stand in a grid of subplots, .* 5 Axes"):
        display.plot(figure.add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"T": T[:3]}, "same number of rows, got `propensity` 4, `T` 3"),
        ({"T": np.column_stack([T, T])}, r"`T` must have shape \(n_samples,\), got \(4, 2\)"),
        ({"T": ["no"] * 4}, r"`T` must have at least 2 levels, got 1: \['no'\]"),
        ({"treatments": ["no", "si"]}, r"`T` must be one of \['no', 'si'\], got \['yes'\]"),
        ({"propensity": 2 * P + 0.5}, "`propensity` must lie between 0 and 1, got 0.6 to 1.2"),
        ({"propensity": T}, "`propensity` must hold numbers, got dtype"),
        ({"propensity": np.ones((4, 3)) / 3}, r"one column for each of the 2 arms .* \(4, 3\)"),
        ({"arms": ["maybe"]}, r"`arms` must be some of \['no', 'yes'\], got \['maybe'\]"),
        ({"arms": []}, r"`arms` must be some of \['no', 'yes'\], got \[\]"),
    ],
)
def test_bad_predictions(changes, message):
    with pytest.raises(TargetError, match=message):
        OverlapDisplay.from_predictions(**({"propensity": P, "T": T} | changes))


def test_bad_bins():
    with pytest.raises(ValueError, match="`bins` must be an integer of at least 1, got 0"):
        OverlapDisplay.from_predictions(P, T, bins=0)


def test_bad_estimators(two_arms):
    est, X, labels, y = two_arms
    with pytest.raises(NotFittedError):
        OverlapDisplay.from_estimator(clone(est), X, labels)
    dose = np.random.RandomState(0).uniform(size=len(X))
    dosed = clone(est).set_params(n_folds=1, control=None).fit(X, dose, y)
    message = r"OverlapDisplay needs arms, .* dose treatments; DoseResponseDisplay .* Influence"
    with pytest.raises(TargetError, match=message):
        OverlapDisplay.from_estimator(dosed, X, dose)
    single = clone(est).set_params(n_folds=1).fit(X, labels, y)
    with pytest.raises(IntervalNotAvailableError, match=r"n_folds=5 .*OverlapDisplay\.from_"):
        OverlapDisplay.from_estimator(single, X, labels)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'OverlapDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        OverlapDisplay.from_predictions(P, T)
