"""PolicyDisplay: values, the best share, costs, arms and what is added to it."""

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
from sklcausal.inspection import PolicyDisplay
from sklcausal.metrics import (
    add_nuisances,
    cross_fit_nuisances,
    doubly_robust_scores,
    policy_value,
)

N = 100
RNG = np.random.RandomState(0)
T = RNG.randint(0, 2, N)
EFFECT = RNG.normal(size=N)
Y = T * EFFECT + RNG.normal(size=N)
NUISANCES = {
    "outcome_mean": np.column_stack([0 * EFFECT, EFFECT]),
    "propensity": 0.3 + 0.4 * RNG.uniform(size=N),
}
NAMES = ["none", "mail", "visit", "call", "gift"]
ARMS = np.array(["mail", "none", "visit", "call", "gift"])[np.arange(N) % 5]
MANY = {"treatments": ["mail", "visit", "none", "call", "gift"], "control": "none"}
OTHERS = ["mail", "visit", "call", "gift"]
EFFECTS = RNG.normal(size=(N, 4))
show = PolicyDisplay.from_predictions


def _legend(display, k=0):
    return [text.get_text() for text in display.legends_[k].get_texts()]


def _top(priority, percent):
    return np.isin(np.arange(N), np.argsort(-priority)[:percent])


@pytest.mark.parametrize("nuisances", [NUISANCES, {}])
def test_values_are_those_of_policies(nuisances):
    display = show(T, Y, EFFECT, **nuisances)
    (policy,) = display.policies
    for percent in (0, 10, 55, 100):
        result = policy_value(T, Y, _top(EFFECT, percent).astype(int), **nuisances)
        assert policy.value[percent] == pytest.approx(result.estimate[0])
        low, high = result.conf_int()
        assert policy.interval[0][percent] == pytest.approx(low[0])
        assert policy.interval[1][percent] == pytest.approx(high[0])
    (line,) = display.curves_
    np.testing.assert_allclose(line.get_xdata(), np.arange(101))
    np.testing.assert_allclose(line.get_ydata(), policy.value)


def test_levels_and_the_best_share():
    display = show(T, Y, EFFECT, **NUISANCES)
    (policy,) = display.policies
    means = doubly_robust_scores(T, Y, **NUISANCES).mean(axis=0)
    heights = [line.get_ydata()[0] for line in display.level_lines_]
    np.testing.assert_allclose(heights, means)
    np.testing.assert_allclose(policy.value[[0, 100]], means)
    assert policy.best == policy.value.argmax()
    (star,) = display.best_points_
    np.testing.assert_allclose(star.get_xydata(), [[policy.best, policy.value.max()]])
    texts = _legend(display)
    low, high = (bound[policy.best] for bound in policy.interval)
    assert texts[0] == (
        f"Predicted effects: best at {policy.best} %, "
        f"{policy.value.max():.3f} [{low:.3f}, {high:.3f}]"
    )
    assert texts[1] == "Best share"
    assert texts[2] == f"Treat nobody: {means[0]:.{2 - int(np.floor(np.log10(abs(means[0]))))}f}"
    assert texts[3].startswith("Treat everybody: ")
    assert display.ax_.get_title() == "1 vs 0"
    assert len(display.axes_) == 1 and display.bars_ == []


def test_costs_are_subtracted_from_those_who_are_treated():
    free = show(T, Y, EFFECT, **NUISANCES).policies[0]
    display = show(T, Y, EFFECT, cost_per_treated=0.7, **NUISANCES)
    np.testing.assert_allclose(
        display.policies[0].value, free.value - 0.7 * np.linspace(0, 1, 101)
    )
    heights = [line.get_ydata()[0] for line in display.level_lines_]
    np.testing.assert_allclose(heights, free.value[[0, 100]] - [0, 0.7])
    assert "less costs" in display.ax_.get_ylabel()
    by_arm = show(T, Y, EFFECT, cost_per_treated={1: 0.7}, **NUISANCES).policies[0]
    np.testing.assert_allclose(by_arm.value, display.policies[0].value)


def test_several_arms_and_their_costs():
    costs = {"gift": 1.0, "visit": 0.5}
    net = EFFECTS - [0, 0.5, 0, 1.0]
    display = show(ARMS, Y, EFFECTS, cost_per_treated=costs, **MANY)
    (policy,) = display.policies
    best = np.array(OTHERS)[net.argmax(axis=1)]
    paid = np.array([costs.get(arm, 0) for arm in best])
    for percent in (0, 30, 100):
        treated = _top(net.max(axis=1), percent)
        result = policy_value(ARMS, Y, np.where(treated, best, "none"), **MANY)
        expected = result.estimate[0] - (treated * paid).mean()
        assert policy.value[percent] == pytest.approx(expected)
    chosen = np.where(_top(net.max(axis=1), policy.best), best, "none")
    shares = [np.mean(chosen == arm) for arm in ["none", *OTHERS]]
    np.testing.assert_allclose(policy.arm_shares, shares)
    scores = doubly_robust_scores(ARMS, Y, treatments=MANY["treatments"]).mean(axis=0)
    alike = scores[[0, 1, 3, 4]] - [0, 0.5, 0, 1.0]
    top = OTHERS[int(alike.argmax())]
    assert _legend(display)[3].startswith(f"Treat everybody with {top}: ")
    assert display.level_lines_[1].get_ydata()[0] == pytest.approx(alike.max())
    assert display.ax_.get_title() == "best arm vs none"
    # the control stands first
    assert _legend(display, 1) == ["none", *OTHERS]
    widths = [bar.patches[0].get_width() for bar in display.bars_]
    np.testing.assert_allclose(widths, 100 * np.array(shares))
    assert display.axes_[1].get_yticklabels()[0].get_text() == "Predicted effects"


def test_people_with_the_same_prediction_are_treated_with_the_same_chance():
    effect = np.repeat([1.0, 0.0], [40, 60])
    policy = show(T, Y, effect, **NUISANCES).policies[0]
    scores = doubly_robust_scores(T, Y, **NUISANCES)
    gain = scores[:, 1] - scores[:, 0]
    values = scores[:, 0] + np.repeat([0.5, 0.0], [40, 60]) * gain
    assert policy.value[20] == pytest.approx(values.mean())
    half = policy.interval[1][20] - policy.value[20]
    assert half == pytest.approx(1.959964 * values.std(ddof=1) / np.sqrt(N))
    constant = show(T, Y, np.ones(N), **NUISANCES).policies[0].value
    np.testing.assert_allclose(constant, np.linspace(constant[0], constant[-1], 101))


def test_weights_count_as_copies():
    weight = 1 + np.arange(N) % 3
    weighted = show(T, Y, EFFECT, sample_weight=weight).policies[0]
    copied = show(*(np.repeat(v, weight) for v in (T, Y, EFFECT))).policies[0]
    np.testing.assert_allclose(weighted.value, copied.value)


def test_clusters_share_errors():
    once = show(T, Y, EFFECT, cluster=np.arange(N), **NUISANCES).policies[0]
    twice = [np.repeat(v, 2, axis=0) for v in (T, Y, EFFECT)]
    nuisances = {name: np.repeat(v, 2, axis=0) for name, v in NUISANCES.items()}
    policy = show(*twice, cluster=np.repeat(np.arange(N), 2), **nuisances).policies[0]
    np.testing.assert_allclose(policy.interval, once.interval)


def test_many_rows_are_read_in_parts(monkeypatch):
    whole = show(T, Y, EFFECT).policies[0]
    monkeypatch.setattr("sklcausal.inspection._reading.MAX_CELLS", 7 * N)
    parts = show(T, Y, EFFECT).policies[0]
    np.testing.assert_allclose(parts.interval, whole.interval)


def test_no_intervals():
    display = show(T, Y, EFFECT, alpha=None)
    assert display.bands_ == display.intervals_ == []
    assert display.policies[0].interval is None
    assert "[" not in "".join(_legend(display))


def test_a_second_call_adds_an_estimator():
    first = show(ARMS, Y, {"one": EFFECTS}, **MANY)
    show(ARMS, Y, {"two": -EFFECTS}, ax=first.axes_, **MANY)
    third = show(ARMS, Y, {"three": EFFECTS**2}, ax=first.axes_, **MANY)
    effects = {"one": EFFECTS, "two": -EFFECTS, "three": EFFECTS**2}
    together = show(ARMS, Y, effects, **MANY)
    assert _legend(third) == _legend(together)
    assert third.ax_.get_ylim() == pytest.approx(together.ax_.get_ylim())
    names = [text.get_text() for text in third.axes_[1].get_yticklabels()]
    assert names == list(effects)
    expected = [bar.patches[2] for bar in together.bars_]
    for bar, patch in zip(third.bars_, expected, strict=True):
        assert bar.patches[0].get_y() == pytest.approx(patch.get_y())
        assert bar.patches[0].get_width() == pytest.approx(patch.get_width())
    assert not first.bands_[0].get_visible() and first.intervals_[0].get_visible()


def test_axes_that_are_given(pyplot):
    figure, ax = pyplot.subplots()
    display = show(ARMS, Y, EFFECTS, ax=ax, **MANY)
    assert display.figure_ is figure and display.bars_ == []
    shares = zip(["none", *OTHERS], display.policies[0].arm_shares, strict=True)
    # without bars the legend tells the shares
    assert _legend(display)[1] == ", ".join(f"{arm} {100 * s:.0f} %" for arm, s in shares)
    _, axes = pyplot.subplots(2)
    display = show(ARMS, Y, EFFECTS, ax=axes, **MANY)
    assert list(display.axes_) == list(axes) and len(display.bars_) == 5
    with pytest.raises(ValueError, match="`ax` must be one Axes for 2 arms, got 2"):
        show(T, Y, EFFECT, ax=pyplot.subplots(2)[1])
    with pytest.raises(ValueError, match="`ax` must be one Axes or two for 5 arms, got 3"):
        show(ARMS, Y, EFFECTS, ax=pyplot.subplots(3)[1], **MANY)


def test_legend_stands_above_the_curves():
    effects = {f"estimator {k} with a long name that is cut": EFFECTS for k in range(4)}
    display = show(ARMS, Y, effects, **MANY)
    display.figure_.canvas.draw()
    box = display.legends_[0].get_window_extent()
    highest = max(policy.value.max() for policy in display.policies)
    assert box.y0 >= display.ax_.transData.transform((0, highest))[1]
    assert not display.legends_[1].get_window_extent().overlaps(display.ax_.get_tightbbox())


def test_frames_labels_and_columns_give_the_same():
    polars = pytest.importorskip("polars")
    plain = show(T, Y, EFFECT).policies[0]
    labels = np.where(T == 1, "treated", "control")
    for display in (
        show(pd.Series(labels), pd.Series(Y), pd.DataFrame({"effect": EFFECT})),
        show(polars.Series(labels), polars.Series(Y), polars.Series(EFFECT)),
        show(T[:, None], Y[:, None], EFFECT[:, None]),
    ):
        np.testing.assert_array_equal(display.policies[0].interval, plain.interval)
    answers = show(T, np.where(Y > 0, "yes", "no"), EFFECT).policies[0]
    numbers = show(T, (Y > 0).astype(int), EFFECT).policies[0]
    np.testing.assert_array_equal(answers.value, numbers.value)


def test_arguments_reach_the_artists():
    display = show(T, Y, EFFECT, curve_kwargs={"color": "red"}, band_kwargs={"alpha": 0.5})
    assert display.curves_[0].get_color() == "red"
    assert display.bands_[0].get_alpha() == 0.5


def test_estimators_and_pipelines(two_arms):
    est, X, labels, y = two_arms
    targets = pack_targets(labels, y)
    found = cross_fit_nuisances(X, labels, y, treatments=est.treatments_)
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(X, targets)
    options = {"treatments": est.treatments_, "control": "placebo", **found}
    for fitted in (est, pipe):
        expected = show(labels, y, fitted.predict(X), **options).policies[0]
        for display in (
            PolicyDisplay.from_estimator(fitted, X, add_nuisances(X, targets)),
            PolicyDisplay.from_estimator(fitted, X, labels, y, nuisances=found),
        ):
            np.testing.assert_allclose(display.policies[0].value, expected.value)
            assert _legend(display)[0].startswith("TARNet: best at ")
            assert display.ax_.get_title() == "drug vs placebo"
    named = PolicyDisplay.from_estimator(
        est, X, labels, y, nuisances="randomised", name="mine", cost_per_treated={"drug": 1.0}
    )
    expected = show(labels, y, est.predict(X), control="placebo", cost_per_treated=1.0)
    np.testing.assert_allclose(named.policies[0].value, expected.policies[0].value)
    assert _legend(named)[0].startswith("mine: ")


def test_outcomes_of_an_estimator(five_arms):
    est, X, labels = five_arms
    Y2 = np.column_stack([np.arange(300.0) % 7, np.arange(300.0) % 3])
    found = PolicyDisplay.from_estimator(
        est, X, labels, Y2, outcome=1, nuisances="randomised"
    ).policies[0]
    expected = show(labels, Y2[:, 1], est.effect(X)[:, :, 1]).policies[0]
    np.testing.assert_allclose(found.value, expected.value)


def _put(value):
    values = EFFECT.copy()
    values[0] = value
    return values


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"T": np.ones(N)}, TargetError, "`T` must have at least 2 levels, got 1"),
        ({"T": T[:1], "y": Y[:1], "effect": EFFECT[:1]}, TargetError, "at least 2 levels"),
        ({"T": T[:-1]}, TargetError, "same number of rows, got `T` 99, `y` 100"),
        ({"y": Y + np.nan}, TargetError, "`y` must not contain NaN or inf"),
        ({"y": np.column_stack([Y, Y])}, ValueError, r"`y` must hold one outcome .* got 2"),
        ({"effect": EFFECT[:-1]}, ValueError, r"`effect` must have shape \(100, 1\)"),
        ({"effect": _put(np.nan)}, ValueError, "`effect` must be finite, got 1 NaN or inf"),
        ({"effect": {}}, ValueError, "predictions of at least 1 estimator, got none"),
        ({"alpha": 1.0}, ValueError, "`alpha` must be a number between 0 and 1 or None, got 1"),
        ({"cost_per_treated": np.nan}, ValueError, "must be a finite number or a dict .* got nan"),
        ({"cost_per_treated": "a"}, ValueError, "`cost_per_treated` must be a finite number"),
        ({"cost_per_treated": {0: 1.0}}, ValueError, r"must name arms among \[1\], got \[0\]"),
        ({"propensity": 2 + T}, ValueError, "`propensity` must lie between 0 and 1"),
        ({"outcome_mean": Y}, ValueError, r"`outcome_mean` must have shape \(100, 2\)"),
    ],
)
def test_bad_predictions(changes, error, message):
    with pytest.raises(error, match=message):
        show(**({"T": T, "y": Y, "effect": EFFECT} | changes))


def test_bad_estimators(two_arms):
    est, X, labels, y = two_arms
    with pytest.raises(NotFittedError):
        PolicyDisplay.from_estimator(clone(est), X, labels, y)
    with pytest.raises(TargetError, match="`y` must be given unless `T` is packed"):
        PolicyDisplay.from_estimator(est, X, labels)
    dose = np.random.RandomState(0).uniform(size=len(X))
    dosed = clone(est).set_params(n_folds=1, control=None).fit(X, dose, y)
    with pytest.raises(TargetError, match=r"PolicyDisplay needs arms, .* dose treatments"):
        PolicyDisplay.from_estimator(dosed, X, dose, y)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"PolicyDisplay needs matplotlib"):
        show(T, Y, EFFECT)
