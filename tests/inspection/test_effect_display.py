"""EffectDisplay: what is drawn is what the estimator says."""

# SPDX-License-Identifier: BSD-3-Clause

import itertools
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inspection import EffectDisplay

EFFECT = np.array([3.0, -1.0, 2.0, 0.5])


def _segments(display):
    return np.array(display.intervals_.get_segments())


def _legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def _legend_clears_data(display):
    """Tell whether the legend ends above the highest thing drawn."""
    display.figure_.canvas.draw()
    bottom = display.legend_.get_window_extent().y0
    highest = max(np.nanmax(display.points_.get_ydata()), _segments(display)[..., 1].max())
    return bottom >= display.ax_.transData.transform((0, highest))[1]


def test_sorted_by_size():
    display = EffectDisplay.from_predictions(
        EFFECT, EFFECT - 1, EFFECT + 2, ate=1.1, ate_interval=(0.4, 1.8), alpha=0.1
    )
    np.testing.assert_array_equal(display.points_.get_ydata(), np.sort(EFFECT))
    np.testing.assert_allclose(display.points_.get_xdata(), [12.5, 37.5, 62.5, 87.5])
    np.testing.assert_allclose(_segments(display)[:, 0, 1], np.sort(EFFECT) - 1)
    np.testing.assert_allclose(_segments(display)[:, 1, 1], np.sort(EFFECT) + 2)
    assert display.ate_line_.get_ydata()[0] == 1.1
    assert display.ax_.get_xlabel() == "Share of rows with a smaller effect (%)"
    assert _legend(display) == ["Effect", "90 % interval", "Average effect 1.1 [0.4, 1.8]"]
    assert _legend_clears_data(display)


def test_bare_effects():
    display = EffectDisplay.from_predictions(EFFECT)
    assert display.intervals_ is display.ate_line_ is display.ate_band_ is None
    assert display.cut_ == []
    assert _legend(display) == ["Effect"]


def test_constant_effect():
    assert EffectDisplay.from_predictions(np.ones(5)).zero_line_ is not None
    low, high = EffectDisplay.from_predictions(np.zeros(5)).ax_.get_ylim()
    assert low < 0 < high


def test_no_zero_line_where_it_would_squeeze_the_effects():
    assert EffectDisplay.from_predictions(EFFECT + 1000).zero_line_ is None
    assert EffectDisplay.from_predictions(EFFECT).zero_line_ is not None


def test_against_numbers():
    x = np.array([0.3, 0.1, 0.2, 0.4])
    display = EffectDisplay.from_predictions(EFFECT, x=x, feature_name="dose")
    np.testing.assert_array_equal(display.points_.get_xdata(), np.sort(x))
    np.testing.assert_array_equal(display.points_.get_ydata(), EFFECT[np.argsort(x)])
    assert display.ax_.get_xlabel() == "dose"


@pytest.mark.parametrize("x", [["b", "a", "b", "a"], [20, 10, 20, 10], [True, False, True, False]])
def test_levels_stand_side_by_side(x):
    display = EffectDisplay.from_predictions(EFFECT, x=x)
    np.testing.assert_array_equal(display.points_.get_ydata(), [-1.0, 0.5, 2.0, 3.0])
    np.testing.assert_array_equal(np.round(display.points_.get_xdata()), [0, 0, 1, 1])
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [str(v) if isinstance(v, str) else f"{v:g}" for v in sorted(set(x))]


@pytest.mark.parametrize("with_x", [False, True])
def test_many_rows_are_thinned_evenly(with_x):
    effect = np.random.RandomState(0).normal(size=5000)
    x = np.linspace(0, 1, 5000) if with_x else None
    display = EffectDisplay.from_predictions(effect, effect - 1, effect + 1, x=x, max_rows=100)
    drawn = display.points_.get_ydata()
    assert len(drawn) == len(_segments(display)) == 100
    assert _legend(display)[0] == "Effect (100 of 5,000 rows)"
    np.testing.assert_allclose(display.points_.get_xdata().mean(), 0.5 if with_x else 50, atol=0.5)
    if not with_x:
        assert drawn[[0, -1]].tolist() == [effect.min(), effect.max()]


def test_a_rare_level_stays_visible():
    x = np.repeat([0, 1], [4990, 10])
    display = EffectDisplay.from_predictions(np.arange(5000.0), x=x, max_rows=100)
    assert (display.points_.get_xdata() > 0.5).sum() == 10


def test_very_long_intervals_are_cut_and_marked():
    effect = np.linspace(1, 2, 200)
    low, high = effect - 1, effect + 1
    high[7] = 500.0
    display = EffectDisplay.from_predictions(effect, low, high)
    assert display.ax_.get_ylim()[1] < 10
    (mark,) = display.cut_
    np.testing.assert_array_equal(mark.get_xdata(), display.points_.get_xdata()[[7]])
    assert _legend(display)[-1] == "Interval continues"
    assert _legend_clears_data(display)


def test_from_estimator(two_arms):
    est, X, _, _ = two_arms
    display = EffectDisplay.from_estimator(est, X, alpha=0.2)
    low, high = est.effect_interval(X, alpha=0.2)
    np.testing.assert_array_equal(display.effect, est.effect(X))
    np.testing.assert_array_equal(display.low, low)
    np.testing.assert_array_equal(display.high, high)
    assert display.ate == est.ate()
    assert display.ate_interval == est.ate_interval(alpha=0.2)
    assert display.ax_.get_ylabel() == "Effect of drug vs placebo on y0"
    assert _legend(display)[1] == "80 % interval"


@pytest.mark.parametrize("contrast, outcome", [("3 vs 0", "y1"), (2, 1)])
def test_contrast_and_outcome(five_arms, contrast, outcome):
    est, X, _ = five_arms
    display = EffectDisplay.from_estimator(est, X, contrast=contrast, outcome=outcome)
    np.testing.assert_array_equal(display.effect, est.effect(X)[:, 2, 1])
    assert display.ate == est.ate()[2, 1]
    assert display.ax_.get_ylabel() == "Effect of 3 vs 0 on y1"


def test_all_contrasts_and_outcomes(five_arms):
    est, X, _ = five_arms
    display = EffectDisplay.from_estimator(est, X, contrast="all", outcome="all", alpha=0.1)
    effect, (low, high) = est.effect(X), est.effect_interval(X, alpha=0.1)
    assert display.axes_.shape == display.points_.shape == (4, 2)
    assert display.ax_ is display.axes_[0, 0]
    ate, ends = est.ate(), est.ate_interval(alpha=0.1)
    for c, m in np.ndindex(4, 2):
        np.testing.assert_array_equal(
            display.points_[c, m].get_ydata(), np.sort(effect[:, c, m], kind="stable")
        )
        assert len(display.intervals_[c, m].get_segments()) == len(X)
        assert display.ate_line_[c, m].get_ydata()[0] == ate[c, m]
        title = display.axes_[c, m].get_title()
        assert title.startswith(f"{c + 1} vs 0 on y{m}\nAverage {ate[c, m]:.3g} [")
        # outcomes have their own units, contrasts share them
        assert display.axes_[c, m].get_ylim() == display.axes_[0, m].get_ylim()
    assert display.axes_[0, 0].get_ylim() != display.axes_[0, 1].get_ylim()
    np.testing.assert_array_equal(display.low, low)
    np.testing.assert_array_equal(display.high, high)
    np.testing.assert_array_equal(display.ate_interval, ends)
    assert _legend(display)[:3] == ["Effect", "90 % interval", "Average effect and its interval"]


@pytest.mark.parametrize(
    "choice, at",
    [
        ({"contrast": "all"}, np.ix_(range(4), [0])),
        ({"contrast": "all", "outcome": "y1"}, np.ix_(range(4), [1])),
        ({"contrast": "3 vs 0", "outcome": "all"}, np.ix_([2], range(2))),
    ],
)
def test_all_of_one_kind(five_arms, choice, at):
    est, X, _ = five_arms
    display = EffectDisplay.from_estimator(est, X, alpha=None, feature=0, **choice)
    np.testing.assert_array_equal(display.effect, est.effect(X)[:, at[0], at[1]])
    np.testing.assert_array_equal(display.ate, est.ate()[at])
    assert display.intervals_.tolist() == [[None] * at[1].size] * at[0].size


def test_all_of_a_single_panel_is_that_panel(two_arms):
    est, X, _, _ = two_arms
    display = EffectDisplay.from_estimator(est, X, contrast="all", outcome="all")
    assert display.axes_.shape == (1, 1)
    np.testing.assert_array_equal(display.points_.get_ydata(), np.sort(est.effect(X)))
    assert display.ax_.get_ylabel() == "Effect of drug vs placebo on y0"


LONG = np.array(
    [
        [f"{arm} vs usual care on {outcome}" for outcome in ("cost", "days in hospital", "health")]
        for arm in ("acetylsalicylicacid-hydroxychloroquine", "surgery", "chemotherapy", "rest")
    ],
    dtype=object,
)


@pytest.mark.parametrize("n_contrasts, n_outcomes", [(4, 1), (4, 3), (1, 3), (2, 1)])
def test_nothing_overlaps_or_is_cut_in_a_grid(n_contrasts, n_outcomes):
    effect = np.random.RandomState(0).normal(size=(50, n_contrasts, n_outcomes))
    ate = effect.mean(axis=0)
    names = LONG[:n_contrasts, :n_outcomes]
    labels = np.array(["north", "south-east with its islands", "west"])[np.arange(50) % 3]
    display = EffectDisplay.from_predictions(
        effect, effect - 1, effect + 1, x=labels, ate=ate, effect_name=names, alpha=0.05
    )
    figure = display.figure_
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in display.axes_.flat]
    boxes.append(display.legend_.get_window_extent())
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    for box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1


def test_panels_go_where_they_are_told(pyplot):
    effect = np.random.RandomState(0).normal(size=(9, 2, 2))
    _, (left, right) = pyplot.subplots(1, 2, figsize=(14, 5), layout="constrained")
    display = EffectDisplay.from_predictions(effect, ax=right)
    display.figure_.canvas.draw()
    assert all(ax.bbox.x0 > left.bbox.x1 for ax in display.axes_.flat)
    figure, axes = pyplot.subplots(2, 2)
    display = display.plot(axes, point_kwargs={"color": "red"})
    assert display.figure_ is figure
    assert (display.axes_ == axes).all()
    assert display.points_[1, 1].get_color() == "red"
    with pytest.raises(ValueError, match=r"`ax` must be one Axes or .* the 4 panels, got 2"):
        display.plot([left, right])
    with pytest.raises(ValueError, match=r"`ax` must stand in a grid of subplots, .* 4 Axes"):
        display.plot(figure.add_axes((0, 0, 1, 1)))


GRID = np.ones((4, 2, 1))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"low": EFFECT, "high": EFFECT}, r"`low` must have shape \(4, 2, 1\) .* got \(4,\)"),
        ({"low": GRID}, "`low` and `high` must be given together, got only `low`"),
        ({"effect": GRID * np.nan}, r"`effect` must be finite, got 4 NaN"),
        ({"effect": GRID[:, :0]}, r"at least 1 contrast and outcome, got \(0, 1\)"),
        ({"x": EFFECT[:2]}, r"`x` must have shape \(4,\) as `effect` has, got \(2,\)"),
        ({"ate": 1.0}, r"`ate` must have shape \(2, 1\) as `effect` asks for, got \(\)"),
        ({"ate_interval": (0, 1)}, "`ate_interval` must hold two numbers and come with `ate`"),
        ({"effect_name": "a"}, r"`effect_name` must have shape \(2, 1\) .* got \(\)"),
    ],
)
def test_bad_grids(changes, message):
    with pytest.raises(ValueError, match=message):
        EffectDisplay.from_predictions(**({"effect": GRID} | changes))


def test_long_labels_do_not_overlap(pyplot):
    labels = [f"a place with a long name, number {k}" for k in range(4)]
    display = EffectDisplay.from_predictions(EFFECT, x=labels)
    display.figure_.canvas.draw()
    texts = display.ax_.get_xticklabels()
    assert texts[0].get_text() == "a place with\na long name,\nnumber 0"
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_large_averages_are_written_out():
    display = EffectDisplay.from_predictions(EFFECT, ate=12345.6, ate_interval=(-999.0, 2e7))
    assert _legend(display)[-1] == "Average effect 12,346 [-999, 2e+07]"


def test_a_single_row():
    display = EffectDisplay.from_predictions([1.0], [0.0], [2.0])
    assert display.points_.get_xdata().tolist() == [50.0]
    assert display.ax_.get_xlim() == (-2, 102)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_feature_by_name(two_arms, library):
    frames = pytest.importorskip(library)
    est, X, T, y = two_arms
    names = [f"column {j}" for j in range(X.shape[1])]
    frame = frames.DataFrame(dict(zip(names, X.T.copy(), strict=True)))
    named = clone(est).fit(frame, T, y)
    display = EffectDisplay.from_estimator(named, frame, feature="column 2")
    np.testing.assert_array_equal(display.x, X[:, 2])
    assert display.ax_.get_xlabel() == "column 2"


def test_feature_of_a_pipeline_is_in_its_own_units(two_arms):
    est, X, T, y = two_arms
    X = 100 + 7 * X
    pipe = make_pipeline(StandardScaler(), clone(est))
    search = GridSearchCV(pipe, {"tarnet__lr": [0.01]}, cv=2).fit(X, pack_targets(T, y))
    display = EffectDisplay.from_estimator(search, X, feature=1)
    np.testing.assert_array_equal(display.x, X[:, 1])
    np.testing.assert_allclose(display.effect, search.predict(X))
    assert display.ax_.get_xlabel() == "x1"


def test_without_intervals(two_arms):
    est, X, T, y = two_arms
    single = clone(est).set_params(n_folds=1).fit(X, T, y)
    with pytest.raises(IntervalNotAvailableError, match="alpha=None draws the effects without"):
        EffectDisplay.from_estimator(single, X)
    display = EffectDisplay.from_estimator(single, X, alpha=None)
    assert display.intervals_ is display.ate_band_ is None
    assert display.ate == single.ate()


def test_plot_draws_where_and_how_it_is_told(pyplot):
    _, ax = pyplot.subplots()
    display = EffectDisplay.from_predictions(EFFECT, EFFECT, EFFECT, ate=0, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    again = display.plot(
        point_kwargs={"color": "red"},
        interval_kwargs={"linewidth": 9},
        ate_kwargs={"linestyle": ":"},
    )
    assert again is display
    assert display.ax_ is not ax
    assert display.points_.get_color() == "red"
    assert display.intervals_.get_linewidth()[0] == 9
    assert display.ate_line_.get_linestyle() == ":"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"effect": [[1.0, 2.0]]}, r"`effect` must have shape \(n_samples,\), got \(1, 2\)"),
        ({"effect": ["a"]}, "`effect` must hold numbers, got dtype"),
        ({"effect": [1.0, np.nan]}, r"`effect` must be finite, got 1 NaN or infinite value\(s\)"),
        ({"low": EFFECT}, "`low` and `high` must be given together, got only `low`"),
        ({"low": EFFECT, "high": EFFECT[:3]}, r"`high` must have shape \(4,\) .*, got \(3,\)"),
        ({"x": EFFECT[:2]}, r"`x` must have shape \(4,\) as `effect` has, got \(2,\)"),
        ({"x": ["a", "b"]}, r"`x` must have shape \(4,\) and at most 20 .* got shape \(2,\)"),
        ({"ate_interval": (0, 1)}, "`ate_interval` must hold two numbers and come with `ate`"),
        ({"max_rows": 0}, "`max_rows` must be an integer of at least 1, got 0"),
    ],
)
def test_bad_predictions(changes, message):
    with pytest.raises(ValueError, match=message):
        EffectDisplay.from_predictions(**({"effect": EFFECT} | changes))


def test_too_many_labels():
    with pytest.raises(ValueError, match=r"at most 20 different labels, got .* 21 labels"):
        EffectDisplay.from_predictions(np.ones(21), x=[f"town {k}" for k in range(21)])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"contrast": "9 vs 0"}, "`contrast` must be a position from 0 to 3 or one of .*'9 vs 0'"),
        ({"contrast": 4}, "`contrast` must be a position from 0 to 3 .* got 4"),
        ({"contrast": True}, "`contrast` must be .* got True"),
        ({"outcome": "z"}, "`outcome` must be a position from 0 to 1 or one of .*y1.* got 'z'"),
        ({"feature": 99}, "`feature` must be a position from 0 to .* got 99"),
        ({"feature": "age"}, "`feature` must be a position, as `X` has no names, got 'age'"),
    ],
)
def test_bad_choices(five_arms, changes, message):
    est, X, _ = five_arms
    with pytest.raises(ValueError, match=message):
        EffectDisplay.from_estimator(est, X, **changes)


def test_bad_estimators(two_arms):
    est, X, _, y = two_arms
    with pytest.raises(NotFittedError):
        EffectDisplay.from_estimator(clone(est), X)
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegression"):
        EffectDisplay.from_estimator(LinearRegression().fit(X, y), X)


def test_import_does_not_need_matplotlib():
    code = "import sys, sklcausal.inspection; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'EffectDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        EffectDisplay.from_predictions(EFFECT)
