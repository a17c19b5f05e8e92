"""UpliftCurveDisplay: references, panels, what is added to them, and fitted estimators."""

# SPDX-License-Identifier: BSD-3-Clause

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import TargetError
from sklcausal.inspection import UpliftCurveDisplay
from sklcausal.metrics import (
    add_nuisances,
    auuc_score,
    cost_curve,
    cross_fit_nuisances,
    qini_curve,
    roi_score,
    uplift_curve,
)

N = 120
RNG = np.random.RandomState(0)
T = RNG.randint(0, 2, N)
EFFECT = RNG.normal(size=N)
Y = T * EFFECT + RNG.normal(size=N)
COST = 0.5 + T * RNG.uniform(0.5, 1.5, N)
BINARY = (Y > 0).astype(int)
ARMS = np.array(["mail", "none", "visit", "call", "gift"])[np.arange(N) % 5]
MANY = {"treatments": ["none", "mail", "visit", "call", "gift"], "control": "none"}
EFFECTS = RNG.normal(size=(N, 4))
show = UpliftCurveDisplay.from_predictions


def put(at, value):
    values = EFFECT.copy()
    values[at] = value
    return values


def _legend(display, panel=0):
    return [text.get_text() for text in display.legends_[panel].get_texts()]


def test_many_points_are_thinned():
    n = 4000
    effect, arm = np.arange(n), np.arange(n) % 2
    (line,) = show(arm, np.sin(effect), effect, alpha=None).curves_
    assert len(line.get_xdata()) == 1000
    np.testing.assert_allclose(line.get_xdata()[[0, -1]], [0, 100])
    assert len(line.get_markevery()) < 10


def test_0_and_1_are_counted_per_thousand():
    display = show(T, BINARY, EFFECT)
    gain = uplift_curve(T, BINARY, EFFECT)[1]
    np.testing.assert_allclose(display.curves_[0].get_ydata(), 1000 * gain / N)
    assert "per 1,000 people" in display.ax_.get_ylabel()
    assert show(T, BINARY, EFFECT, per=10).curves[0].area == pytest.approx(
        10 * auuc_score(T, BINARY, EFFECT)
    )


def test_references():
    display = show(T, BINARY, EFFECT, kind="qini", oracle=-EFFECT, perfect=True, per=1)
    perfect, oracle = display.reference_lines_
    np.testing.assert_allclose(oracle.get_ydata(), qini_curve(T, BINARY, -EFFECT)[1] / N)
    treated = T == 1
    best = np.where(treated, BINARY, -BINARY)
    n, gain = qini_curve(T, BINARY, best, empty="zero")
    np.testing.assert_allclose(perfect.get_xydata(), np.column_stack([100 * n / N, gain / N]))
    assert _legend(display)[2:] == ["Perfect (knows outcomes)", "Oracle (true effects)"]


def test_several_estimators_share_axes():
    effects = {"right": EFFECT, "wrong": -EFFECT, "noise": RNG.normal(size=N)}
    display = show(T, Y, effects)
    assert [text.split(":")[0] for text in _legend(display)[:3]] == list(effects)
    for line, effect in zip(display.curves_, effects.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), uplift_curve(T, Y, effect)[1] / N)
    for name in ("get_color", "get_marker"):
        assert len({getattr(line, name)() for line in display.curves_}) == 3
    # all end where everybody is targeted, so there is one line of random targeting
    assert len(set(display.random_lines_)) == 1
    # three bands would hide each other
    assert not any(band.get_visible() for band in display.bands_)
    assert all(bars.get_visible() for bars in display.bars_)
    for bars, curve in zip(display.bars_, display.curves, strict=True):
        (x, low), (_, high) = bars.get_segments()[2]
        assert low == pytest.approx(np.interp(x, curve.grid, curve.low))
        assert high == pytest.approx(np.interp(x, curve.grid, curve.high))


def test_a_second_call_adds_a_curve():
    first = show(T, Y, {"one": EFFECT})
    assert first.bands_[0].get_visible() and not first.bars_[0].get_visible()
    second = show(T, Y, {"two": -EFFECT}, ax=first.ax_)
    third = show(T, Y, {"three": EFFECT**2}, ax=first.ax_)
    together = show(T, Y, {"one": EFFECT, "two": -EFFECT, "three": EFFECT**2})
    lines = first.curves_ + second.curves_ + third.curves_
    for line, expected in zip(lines, together.curves_, strict=True):
        assert line.get_color() == expected.get_color()
        np.testing.assert_array_equal(line.get_xydata(), expected.get_xydata())
    assert _legend(third) == _legend(together)
    assert third.ax_.get_ylim() == pytest.approx(together.ax_.get_ylim())
    assert not first.bands_[0].get_visible() and first.bars_[0].get_visible()
    with pytest.raises(ValueError, match=r"`ax` must be empty or show .*'qini', got .*'uplift'"):
        show(T, Y, EFFECT, kind="qini", ax=first.ax_)


@pytest.mark.parametrize("kind", ["qini", "gain"])
def test_a_curve_for_each_arm(kind):
    display = show(ARMS, Y, EFFECTS, kind=kind, oracle=EFFECTS, **MANY)
    assert len(display.axes_) == 1 and len(display.curves_) == 4
    names = ["mail vs none", "visit vs none", "call vs none", "gift vs none"]
    assert [text.split(":")[0] for text in _legend(display)[:4]] == names
    assert len(_legend(display)) == 6
    for c, (arm, line) in enumerate(zip(MANY["treatments"][1:], display.curves_, strict=True)):
        single = show(ARMS, Y, EFFECTS, kind=kind, arm=arm, **MANY)
        np.testing.assert_allclose(line.get_xydata(), single.curves_[0].get_xydata())
        assert single.ax_.get_title() == names[c]
        pair = np.isin(ARMS, ["none", arm])
        if kind == "qini":
            _, gain = qini_curve(ARMS[pair] == arm, Y[pair], EFFECTS[pair, c])
            np.testing.assert_allclose(line.get_ydata(), gain / pair.sum())
        # lines of reference belong to their arm
        assert display.random_lines_[c].get_color() == line.get_color()
        assert display.reference_lines_[c].get_color() == line.get_color()


def test_panels_for_several_arms_and_estimators():
    display = show(ARMS, Y, {"a": EFFECTS, "b": -EFFECTS}, **MANY)
    assert len(display.axes_) == 4 and len(display.curves_) == 8
    assert [ax.get_title() for ax in display.axes_][2] == "call vs none"
    for k in range(4):
        assert [text.split(":")[0] for text in _legend(display, k)[:2]] == ["a", "b"]
    assert len({ax.get_ylim() for ax in display.axes_}) == 1
    more = show(ARMS, Y, {"c": EFFECTS**2}, ax=display.axes_, **MANY)
    assert _legend(more, 3)[2].startswith("c: AUUC")
    with pytest.raises(ValueError, match="one for each of the 4 contrasts, got 2"):
        show(ARMS, Y, EFFECTS, ax=display.axes_[:2], **MANY)


def test_the_best_of_several_arms():
    display = show(ARMS, Y, EFFECTS, multiarm="best", **MANY)
    n, gain = uplift_curve(ARMS, Y, EFFECTS, multiarm="best", **MANY)
    assert len(display.curves_) == 1
    assert display.ax_.get_title() == "best arm vs none"
    np.testing.assert_allclose(display.curves_[0].get_ydata(), gain / n[-1])


def test_another_arm_on_the_same_axes_is_named():
    first = show(ARMS, Y, EFFECTS, arm="mail", **MANY)
    second = show(ARMS, Y, EFFECTS, arm="gift", ax=first.ax_, **MANY)
    assert _legend(second)[1].startswith("gift vs none: AUUC")


def test_legend_stands_above_the_curves():
    effects = {f"estimator {k} with a long name that is cut": RNG.normal(size=N) for k in range(4)}
    display = show(T, Y, effects, oracle=EFFECT)
    display.figure_.canvas.draw()
    box = display.legends_[0].get_window_extent()
    highest = max(line.get_ydata().max() for line in display.curves_)
    assert box.y0 >= display.ax_.transData.transform((0, highest))[1]
    assert box.x1 <= display.ax_.bbox.x1 + 1


def test_frames_labels_and_columns_give_the_same():
    polars = pytest.importorskip("polars")
    plain = show(T, BINARY, EFFECT)
    labels = np.where(T == 1, "treated", "control")
    answers = np.where(BINARY == 1, "yes", "no")
    for display in (
        show(pd.Series(labels), pd.Series(answers), pd.Series(EFFECT)),
        show(polars.Series(labels), polars.Series(BINARY), polars.Series(EFFECT)),
        show(T[:, None], BINARY[:, None], EFFECT[:, None]),
        show(T.astype(bool), BINARY.astype(bool), pd.DataFrame({"effect": EFFECT})),
    ):
        np.testing.assert_allclose(display.curves_[0].get_xydata(), plain.curves_[0].get_xydata())
        np.testing.assert_array_equal(display.curves[0].low, plain.curves[0].low)


def test_seeds():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (show(T, Y, EFFECT, random_state=s).curves[0].low for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_arguments_reach_the_artists():
    display = show(T, Y, EFFECT, curve_kwargs={"color": "red"}, band_kwargs={"alpha": 0.5})
    assert display.curves_[0].get_color() == "red"
    assert display.bands_[0].get_alpha() == 0.5


# -- from_estimator -----------------------------------------------------------------------


def test_estimators_pipelines_and_searches(two_arms):
    est, X, labels, y = two_arms
    targets = pack_targets(labels, y)
    nuisances = cross_fit_nuisances(X, labels, y, treatments=est.treatments_)
    search = GridSearchCV(clone(est), {"weight_decay": [1.0]}, cv=2).fit(X, targets)
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(X, targets)
    for fitted in (est, pipe, search):
        display = UpliftCurveDisplay.from_estimator(fitted, X, targets, kind="gain")
        options = {"kind": "gain", "treatments": est.treatments_, "control": "placebo"}
        # scaling does not move the trees that nuisances come from
        expected = show(labels, y, fitted.predict(X), **options, **nuisances)
        np.testing.assert_allclose(display.curves[0].y, expected.curves[0].y)
        assert _legend(display)[0].startswith("TARNet: RATE (Qini)")
        assert display.ax_.get_title() == "drug vs placebo"


def test_nuisances_given_packed_or_left_out(two_arms):
    est, X, labels, y = two_arms
    show_fitted = UpliftCurveDisplay.from_estimator
    found = cross_fit_nuisances(X, labels, y, treatments=est.treatments_)
    given = show_fitted(est, X, labels, y, kind="toc", nuisances=found).curves[0]
    fitted = show_fitted(est, X, labels, y, kind="toc").curves[0]
    packed = show_fitted(est, X, add_nuisances(X, pack_targets(labels, y)), kind="toc").curves[0]
    np.testing.assert_allclose(fitted.y, given.y)
    np.testing.assert_allclose(packed.y, given.y)
    folds = show_fitted(est, X, labels, y, kind="toc", nuisances={"cv": 2}).curves[0]
    assert not np.allclose(folds.y, given.y)
    # only propensities are divided by in the curves of differences of means
    weighted = show_fitted(est, X, labels, y).curves[0]
    drug = labels == "drug"
    expected = uplift_curve(drug, y, est.predict(X), propensity=found.propensity[:, 0])[1]
    np.testing.assert_allclose(weighted.y, expected / len(y))
    plain = show_fitted(est, X, labels, y, nuisances="randomised").curves[0]
    np.testing.assert_allclose(plain.y, uplift_curve(drug, y, est.predict(X))[1] / len(y))
    known = pack_targets(labels, y, propensity=np.full((len(y), 2), 0.5))
    half = show_fitted(est, X, known).curves[0]
    expected = uplift_curve(drug, y, est.predict(X), propensity=np.full(len(y), 0.5))[1]
    np.testing.assert_allclose(half.y, expected / len(y))


def test_string_outcomes_and_a_second_estimator(two_arms):
    est, X, labels, y = two_arms
    answers = np.where(y > np.median(y), "bought", "left")
    bought = clone(est).fit(X, labels, answers)
    first = UpliftCurveDisplay.from_estimator(bought, X, labels, answers, nuisances="randomised")
    gain = uplift_curve(labels == "drug", answers == "left", bought.predict(X))[1]
    np.testing.assert_allclose(first.curves[0].y, 1000 * gain / len(y))
    second = UpliftCurveDisplay.from_estimator(
        bought, X, labels, answers, nuisances="randomised", name="again", ax=first.ax_
    )
    assert [text.split(":")[0] for text in _legend(second)[:2]] == ["TARNet", "again"]
    assert second.curves_[0].get_color() != first.curves_[0].get_color()


def test_outcomes_and_costs_of_an_estimator(five_arms):
    est, X, labels = five_arms
    Y2 = np.column_stack([np.arange(300.0) % 7, 1 + labels + np.arange(300.0) % 3])
    effect = est.effect(X)
    options = {"nuisances": "randomised", "alpha": None}
    one = UpliftCurveDisplay.from_estimator(est, X, labels, Y2, outcome=1, **options)
    expected = show(labels, Y2[:, 1], effect[:, :, 1], alpha=None)
    for found, own in zip(one.curves, expected.curves, strict=True):
        np.testing.assert_allclose(found.y, own.y)
    options |= {"kind": "cost", "multiarm": "best"}
    score = roi_score(effect[:, :, 0], effect[:, :, 1])
    expected = cost_curve(labels, Y2[:, 0], Y2[:, 1], score, multiarm="best")[1]
    for cost in (None, 1, est.outcome_names_[1]):
        found = UpliftCurveDisplay.from_estimator(est, X, labels, Y2, cost=cost, **options)
        np.testing.assert_allclose(found.curves[0].y, 100 * expected)
    given = UpliftCurveDisplay.from_estimator(est, X, labels, Y2, cost=Y2[:, 1], **options)
    expected = cost_curve(labels, Y2[:, 0], Y2[:, 1], effect[:, :, 0], multiarm="best")[1]
    np.testing.assert_allclose(given.curves[0].y, 100 * expected)


# -- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"T": np.ones(N)}, TargetError, "`T` must have at least 2 levels, got 1"),
        ({"T": T[:1], "y": Y[:1], "effect": EFFECT[:1]}, TargetError, "at least 2 levels"),
        ({"T": T[:-1]}, TargetError, "same number of rows, got `T` 119, `y` 120"),
        ({"T": ["a"] + [None] * (N - 1)}, TargetError, "`T` must not have missing values"),
        ({"treatments": [1, 2]}, TargetError, r"`T`.*\[1, 2\]"),
        ({"y": np.where(T == 1, np.nan, 1)}, TargetError, "`y` must not contain NaN or inf"),
        ({"y": np.where(T == 1, np.inf, 1)}, TargetError, "`y` must not contain NaN or inf"),
        ({"y": np.column_stack([Y, Y])}, ValueError, "`y` must hold one outcome .* got 2"),
        ({"effect": EFFECT[:-1]}, ValueError, r"`effect` must have shape \(120, 1\)"),
        ({"effect": put(0, np.nan)}, ValueError, "`effect` must be finite, got 1 NaN"),
        ({"effect": {}}, ValueError, "predictions of at least 1 estimator, got none"),
        ({"effect": EFFECTS}, ValueError, r"`effect` must have shape .*got \(120, 4\)"),
        ({"oracle": EFFECTS}, ValueError, r"`oracle` must have shape .*got \(120, 4\)"),
        ({"kind": "lift"}, ValueError, r"`kind` must be one of \('uplift', .*, got 'lift'"),
        ({"kind": "cost"}, ValueError, "`cost` must be given for kind='cost', .* got None"),
        ({"cost": COST}, ValueError, "`cost` must be given for .* got it with kind='uplift'"),
        ({"kind": "cost", "cost": COST[1:]}, ValueError, r"`cost` must have shape \(120,\)"),
        ({"kind": "cost", "cost": COST + np.nan}, ValueError, "`cost` must be finite"),
        ({"kind": "cost", "cost": -COST}, ValueError, "`cost` must rise when everybody"),
        ({"kind": "cost", "cost": COST, "y": 0 * Y}, ValueError, "`y` must rise when every"),
        ({"perfect": True}, ValueError, "`perfect` needs outcomes of 0 and 1, got -3.9"),
        ({"perfect": True, "kind": "toc"}, ValueError, "`perfect` goes with .* got kind='toc'"),
        ({"multiarm": "all"}, ValueError, "`multiarm` must be one of .* got 'all'"),
        ({"arm": 7}, ValueError, r"`arm` must be one of \[1\], got 7"),
        ({"alpha": 0}, ValueError, "`alpha` must be a number between 0 and 1 or None, got 0"),
        ({"n_bootstrap": 1}, ValueError, "`n_bootstrap` must be an integer of at least 2, got 1"),
        ({"per": 0}, ValueError, "`per` must be an integer of at least 1, got 0"),
        ({"propensity": 2 + T}, ValueError, "`propensity` must lie between 0 and 1"),
        ({"clip": 0.7}, ValueError, "`clip` must be a number from 0 to below 0.5, got 0.7"),
    ],
)
def test_bad_predictions(changes, error, message):
    if "clip" in changes:
        changes = changes | {"propensity": np.full(N, 0.5)}
    with pytest.raises(error, match=message):
        show(**({"T": T, "y": Y, "effect": EFFECT} | changes))


def test_perfect_needs_an_arm_for_each_curve():
    with pytest.raises(ValueError, match=r"`perfect` needs an arm .* got multiarm='best'"):
        show(ARMS, BINARY, EFFECTS, perfect=True, multiarm="best", **MANY)


def test_rows_are_never_aligned():
    other = pd.Series(EFFECT, index=np.arange(N)[::-1])
    with pytest.raises(TargetError, match="`y` and `effect` must have the same index"):
        show(T, pd.Series(Y), {"a": EFFECT, "b": other})


def test_bad_estimators(two_arms):
    est, X, labels, y = two_arms
    show_fitted = UpliftCurveDisplay.from_estimator
    with pytest.raises(NotFittedError):
        show_fitted(clone(est), X, labels, y)
    with pytest.raises(TypeError, match="`estimator` must be an effect estimator"):
        show_fitted(StandardScaler().fit(X), X, labels, y)
    with pytest.raises(TargetError, match="`y` must be given unless `T` is packed"):
        show_fitted(est, X, labels)
    with pytest.raises(TargetError, match="same number of rows, got `X` 160, `T` 80"):
        show_fitted(est, X, labels[:80], y[:80])
    with pytest.raises(TargetError, match=r"`T` .*placebo.*aspirin"):
        show_fitted(est, X, np.where(labels == "drug", "aspirin", "placebo"), y)
    with pytest.raises(ValueError, match="`outcome` must be a position from 0 to 0"):
        show_fitted(est, X, labels, y, outcome=1, nuisances="randomised")
    with pytest.raises(ValueError, match=r"`cost` must hold costs .* 1 outcome\(s\), got None"):
        show_fitted(est, X, labels, y, kind="cost", nuisances="randomised")
    with pytest.raises(TypeError, match=r"`nuisances` must be what .* got 5"):
        show_fitted(est, X, labels, y, nuisances=5)
    dose = np.random.RandomState(0).uniform(size=len(X))
    dosed = clone(est).set_params(n_folds=1, control=None).fit(X, dose, y)
    with pytest.raises(TargetError, match=r"UpliftCurveDisplay needs arms, .* dose treatments"):
        show_fitted(dosed, X, dose, y)


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"UpliftCurveDisplay needs matplotlib"):
        show(T, Y, EFFECT)
