"""What the displays have in common: names with dollars, short names of styles, arguments."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
from _adapter import make_study, tiny
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklcausal import pack_targets
from sklcausal.inspection import (
    BalanceDisplay,
    CalibrationDisplay,
    EffectDisplay,
    OverlapDisplay,
    PolicyDisplay,
    SensitivityDisplay,
    UpliftCurveDisplay,
    standardized_differences,
)
from sklcausal.meta import SLearner
from sklcausal.metrics import cross_fit_nuisances
from sklcausal.model_selection import EffectStacking, EffectTree, PolicyTree
from sklcausal.representation import TARNet

MODELS = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression(), "cv": 2}
TARGETED = [UpliftCurveDisplay, CalibrationDisplay, PolicyDisplay]


@pytest.fixture(scope="module")
def study():
    """Draw a study of three arms, with dollars in all names, and fit it."""
    X, T, y = make_study(n=150, arms=("$0", "$5 a_{b", "$9"))
    frame = pd.DataFrame(X, columns=["spend ($)", "income ($)", "a $_{$"])
    return tiny(TARNet).fit(frame, T, y), frame, T, y


def draw(display, study, plt):
    """Draw a picture of one kind, and return its figure."""
    est, X, T, y = study
    given = {"nuisances": MODELS} if display in TARGETED else {}
    if display is EffectDisplay:
        display.from_estimator(est, X, feature="income ($)")
    elif display is SensitivityDisplay:
        est = tiny(TARNet).fit(X, T, y, propensity=np.full((150, 3), 1 / 3))
        display.from_estimator(est)
    elif display is BalanceDisplay:
        display.from_estimator(est, X, T)
    elif display is OverlapDisplay:
        display.from_estimator(est, X, T)
    elif display is PolicyTree:
        PolicyTree(max_depth=2).fit(X, T, y, propensity=np.full((150, 3), 1 / 3)).plot()
    elif display is EffectTree:
        EffectTree(honest=False).fit(X, X.to_numpy()[:, 0], X.to_numpy()[:, 1]).plot()
    else:
        display.from_estimator(est, X, T, y, **given)
    return plt.gcf()


@pytest.mark.parametrize(
    "display",
    [
        *TARGETED,
        BalanceDisplay,
        EffectDisplay,
        EffectTree,
        OverlapDisplay,
        PolicyTree,
        SensitivityDisplay,
    ],
)
def test_dollars_are_no_mathematics(display, study, pyplot):
    figure = draw(display, study, pyplot)
    figure.canvas.draw()
    text = pyplot.matplotlib.text.Text
    found = [own for own in figure.findobj(text) if "$" in own.get_text()]
    assert found
    assert not any(own.get_parse_math() for own in found)


@pytest.mark.parametrize(
    ("display", "name", "artists"),
    [
        (UpliftCurveDisplay, "curve_kwargs", "curves_"),
        (CalibrationDisplay, "point_kwargs", "points_"),
        (PolicyDisplay, "curve_kwargs", "curves_"),
    ],
)
def test_short_names_of_styles_are_taken(display, name, artists, study):
    est, X, T, y = study
    drawn = display.from_estimator(
        est, X, T, y, nuisances=MODELS, **{name: {"c": "green", "lw": 3}}
    )
    first = np.ravel(getattr(drawn, artists))[0]
    assert first.get_color() == "green" and first.get_linewidth() == 3


@pytest.mark.parametrize("display", TARGETED)
def test_clusters_are_passed_or_packed(display, study):
    est, X, T, y = study
    cluster = np.arange(150) // 3
    passed = display.from_estimator(est, X, T, y, nuisances=MODELS, cluster=cluster)
    targets = pack_targets(T, y, cluster=cluster)
    packed = display.from_estimator(est, X, targets, nuisances=MODELS)
    apart = display.from_estimator(est, X, T, y, nuisances=MODELS)
    ends = [_interval(own) for own in (passed, packed, apart)]
    assert_allclose(ends[0], ends[1])
    assert not np.allclose(ends[0], ends[2])
    with pytest.raises(ValueError, match="`cluster` must be packed or passed, got both"):
        display.from_estimator(est, X, targets, nuisances=MODELS, cluster=cluster)


def _interval(display):
    if isinstance(display, CalibrationDisplay):
        return np.concatenate([own.interval[0] for own in display.groups])
    if isinstance(display, PolicyDisplay):
        return np.concatenate([own.interval[0] for own in display.policies])
    return np.concatenate([own.low for own in display.curves])


@pytest.mark.parametrize("display", TARGETED)
def test_nuisances_and_arms_that_cannot_be_passed(display, study):
    est, X, T, y = study
    for name in ("propensity", "outcome_mean", "treatments", "control"):
        with pytest.raises(TypeError, match=f"`{name}` must not be passed to {display.__name__}"):
            display.from_estimator(est, X, T, y, **{name: None})
    with pytest.raises(ValueError, match=r"`nuisances` may hold .*got \['models'\]"):
        display.from_estimator(est, X, T, y, nuisances={"models": 1})


def test_outcome_means_alone_are_completed(study):
    est, X, T, y = study
    found = cross_fit_nuisances(X, T, y, **MODELS)
    some = {"outcome_mean": found.outcome_mean} | MODELS
    drawn = CalibrationDisplay.from_estimator(est, X, T, y, nuisances=some)
    whole = CalibrationDisplay.from_estimator(est, X, T, y, nuisances=found)
    assert_allclose(_interval(drawn), _interval(whole))


def test_stacks_show_propensities_out_of_fold():
    X, T, y = make_study(n=200)
    named = [("s", tiny(SLearner, n_folds=1))]
    stack = EffectStacking(estimators=named, cv=2, random_state=0).fit(X, T, y)
    drawn = BalanceDisplay.from_estimator(stack, X, T)
    wanted = standardized_differences(X, T, propensity=stack.propensity_)
    assert_allclose(np.ravel(drawn.after), np.ravel(wanted))
    known = EffectStacking(estimators=named, cv=2, random_state=0)
    known.fit(X, T, y, propensity=np.full(200, 0.5))
    assert_allclose(OverlapDisplay.from_estimator(known, X, T).propensity, 0.5)


def test_indexes_of_costs_and_oracles_are_compared():
    X, T, y = make_study(n=100)
    frame, other = pd.DataFrame(X), np.arange(100)[::-1]
    est = tiny(TARNet).fit(frame, T, y)
    series = pd.Series(np.arange(100.0), index=other)
    given = {"nuisances": "randomised"}
    with pytest.raises(ValueError, match="`X` and `cost` must have the same index"):
        UpliftCurveDisplay.from_estimator(est, frame, T, y, kind="cost", cost=series, **given)
    with pytest.raises(ValueError, match="`X` and `oracle` must have the same index"):
        UpliftCurveDisplay.from_estimator(est, frame, T, y, oracle=series, **given)


def test_rare_arms_have_curves_without_intervals():
    X, _, y = make_study(n=200)
    T = (np.arange(200) < 5).astype(int)
    drawn = UpliftCurveDisplay.from_predictions(T, y, X[:, 0])
    assert drawn.curves[0].low is None
    assert np.isfinite(drawn.curves[0].y).all()
    enough = UpliftCurveDisplay.from_predictions((np.arange(200) < 8).astype(int), y, X[:, 0])
    assert enough.curves[0].low is not None


def test_probabilities_must_sum_to_one():
    X, T, _ = make_study(n=40)
    with pytest.raises(ValueError, match="`propensity` must sum to 1 in every row"):
        standardized_differences(X, T, propensity=np.full((40, 2), 0.9))
