"""Arms described by features: what hypernetworks read, and arms that nobody received."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
import torch
from _longhand import silu
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from sklcausal import hyper
from sklcausal._kinds import check_treatments
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.hyper import HyperSLearner, HyperSNet, HyperTARNet, HyperTLearner
from sklcausal.hyper._arm_features import ArmFeatures

DOSES = {"a": 0.0, "b": 1.0, "c": 4.0}
WITH_UNSEEN = {**DOSES, "m": 2.0}
TINY = {"numeric_encoding": None, "weight_decay": 1.0, "random_state": 0}
TINY |= {"max_epochs": 3, "n_folds": 2, "embedding_dim": 4, "hyper_widths": (7,)}
SMALL = {**TINY, "representation_widths": (5,), "head_widths": (4,)}
TWINS = {
    "HyperTARNet": {"representation_widths": (5,), "head_widths": (4,)},
    "HyperTLearner": {"widths": (5, 4), "generation": "layerwise"},
    "HyperDragonNet": {"representation_widths": (5,), "head_widths": (4,)},
    "HyperMitNet": {"representation_widths": (5,), "head_widths": (4,), "generation": "all"},
    "HyperFlexTENet": {"shared_widths": (5,), "private_widths": (4,), "generation": "chunked"},
}

every_twin = pytest.mark.parametrize("name", TWINS)


@pytest.fixture(scope="module")
def study():
    """Three arms, drawn by lot, and a continuous outcome."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(120, 3)), np.array(list("abc"))[np.arange(120) % 3]
    dose = np.array([DOSES[label] for label in T])
    return X, T, X[:, 0] + dose * (1 + X[:, 1]) + rng.normal(size=120)


def fit(est, X, T, y):
    known = np.full((len(X), len(np.unique(T))), 1 / len(np.unique(T)))
    return est.fit(X, T, y, propensity=known)


@pytest.fixture(scope="module", params=TWINS)
def twin(request, study):
    """With an arm that nobody received, and one that has the features of a received one."""
    settings = {**TINY, **TWINS[request.param], "arm_features": {**WITH_UNSEEN, "b2": 1.0}}
    return fit(getattr(hyper, request.param)(**settings), *study)


# -- reading ---------------------------------------------------------------------------------


def test_features_are_scaled_over_the_arms_that_were_received():
    treatments = check_treatments(np.array(["b", "a", "c", "a"]))
    given = {"m": (9, 7), "c": (4, 7), "a": (0, 7), "z": [-1.0, 8.0], "b": np.array([2, 7])}
    found = ArmFeatures.read(given, treatments)
    sd = np.std([0, 2, 4])
    np.testing.assert_allclose(found.seen, np.c_[np.array([-2, 0, 2]) / sd, np.zeros(3)])
    np.testing.assert_allclose(found.unseen, [[7 / sd, 0], [-3 / sd, 1]])  # 7 does not vary
    assert found.labels == ["m", "z"]
    extended = found.extend(treatments)
    assert extended.labels == ["a", "b", "c", "m", "z"]
    assert extended.names == ("a", "b", "c", "m", "z")
    assert extended.control == treatments.control
    np.testing.assert_array_equal(extended.encode(np.array(["z", "b"])), [4, 1])


def test_a_number_is_one_feature():
    treatments = check_treatments(np.array([2, 0, 1, 0]))
    found = ArmFeatures.read({2: 5, 1: 3, np.int64(0): 1.0}, treatments)
    np.testing.assert_allclose(found.seen, np.array([[-2], [0], [2]]) / np.std([1, 3, 5]))
    assert found.unseen.shape == (0, 1)
    assert found.labels == []


@pytest.mark.parametrize(
    "given, message",
    [
        ({"a": 0, "b": 1}, r"must hold every arm of `T`, \['a', 'b', 'c'\], got none for \['c'\]"),
        ({**DOSES, "c": (1, 2)}, r"as many numbers for every arm, got .*'c': 2"),
        ({**DOSES, "m": (1, 2)}, r"as many numbers for every arm, got .*'m': 2"),
        ({**DOSES, "b": "high"}, "a number, or several, for each arm, got 'high' for 'b'"),
        ({**DOSES, "b": np.nan}, "a number, or several, for each arm, got nan for 'b'"),
        ({**DOSES, "m": np.inf}, "a number, or several, for each arm, got inf for 'm'"),
        ({**DOSES, "b": []}, r"a number, or several, for each arm, got \[\] for 'b'"),
        ({**DOSES, "b": [[1.0]]}, r"a number, or several, for each arm, got \[\[1.0\]\] for 'b'"),
        ({**DOSES, "b": 4.0}, "must tell the arms of `T` apart, got the same for 'c'"),
        ({**DOSES, 2: 1.0}, "all strings or all numbers, got"),
        ([0, 1, 4], "'arm_features' parameter of HyperTARNet must be an instance of 'collections"),
    ],
)
def test_bad_features(study, given, message):
    with pytest.raises(ValueError, match=message):
        fit(HyperTARNet(**SMALL, arm_features=given), *study)


@pytest.mark.parametrize("cls", [HyperSLearner, HyperSNet])
def test_estimators_without_own_heads_refuse(study, cls):
    with pytest.raises(ValueError, match=r"must be None for HyperS.*use HyperTLearner or HyperTA"):
        fit(cls(**TINY, arm_features=WITH_UNSEEN), *study)


def test_doses_are_refused(study):
    X, T, y = study
    dose = np.array([DOSES[label] for label in T]) + X[:, 2]
    with pytest.raises(TargetError, match="`arm_features` describes arms, but `T` was read as do"):
        HyperTARNet(**SMALL, arm_features={0: 1, 1: 2}).fit(X, dose, y)


def test_models_of_outcomes_are_refused(study):
    settings = {**TINY, "outcome_model": LinearRegression()}
    with pytest.raises(ValueError, match="`outcome_model` must be None for HyperTLearner"):
        fit(HyperTLearner(**settings), *study)


# -- predictions -----------------------------------------------------------------------------


def test_unseen_arm_equals_longhand(study):
    X, T, y = study
    both = np.c_[y, y > np.median(y)]
    est = fit(HyperTARNet(**SMALL, arm_features={**WITH_UNSEEN, "n": 9.0}), X, T, both)
    net, seen = est.theta_net_.ensemble, np.array(list(DOSES.values()))
    doses = np.array([0.0, 2.0, 9.0])  # of a, m and n
    features = torch.as_tensor((doses - seen.mean()) / seen.std(), dtype=torch.float32)
    with torch.no_grad():
        vectors = net.module.body.hyper.vectors(features[:, None]).numpy()
    w, means = net.weights(), np.zeros((3, 120, 2))
    for k in range(2):
        z = (X * net.encoding.scale[k] + net.encoding.shift[k]) * w["encoder.gate"][k]
        layer = "body.body.trunk.layers.0"
        z = silu(z @ w[f"{layer}.weight"][k] + w[f"{layer}.bias"][k])
        for head, own in enumerate(vectors[k]):
            h = silu(z @ own[:20].reshape(5, 4) + own[20:24])
            index = h @ own[24:32].reshape(4, 2) + own[32:34] + net.start.constant[k, :2]
            units = est.theta_net_.units
            means[head, :, 0] += (units.y_loc[k, 0] + units.y_scale[k, 0] * index[:, 0]) / 2
            means[head, :, 1] += expit(index[:, 1]) / 2
    for T0, T1, low, high in (("a", "m", 0, 1), ("n", "m", 2, 1), ("n", "a", 2, 0)):
        expected = (means[high] - means[low])[:, None]
        np.testing.assert_allclose(est.effect(X, T0=T0, T1=T1), expected, atol=1e-5)


def test_arms_with_the_same_features_have_the_same_effect(twin, study):
    X = study[0]
    for T0, first, second in (("a", "b", "b2"), ("m", "b", "b2"), ("b2", "c", "c")):
        one = twin.effect(X, T0=T0 if T0 != "b2" else "b", T1=first)
        np.testing.assert_allclose(twin.effect(X, T0=T0, T1=second), one, atol=1e-5)
        assert np.abs(one).max() > 1e-2
    np.testing.assert_allclose(twin.effect(X, T0="b", T1="b2"), 0, atol=1e-5)
    assert np.abs(twin.effect(X, T0="b", T1="m")).max() > 1e-2


def test_effects_of_unseen_arms_add_up(twin, study):
    X = study[0]
    first, second = twin.effect(X, T0="a", T1="m"), twin.effect(X, T0="m", T1="c")
    np.testing.assert_allclose(first + second, twin.effect(X, T0="a", T1="c"), atol=1e-5)
    np.testing.assert_array_equal(twin.effect(X, T1="m"), first)
    np.testing.assert_allclose(twin.effect(X, T0="c", T1="m"), -second, atol=1e-5)
    # against an unseen arm all others are compared, in the order of fit and then of the mapping
    every = twin.effect(X, T0="m")
    expected = [twin.effect(X, T0="m", T1=label) for label in ("a", "b", "c", "b2")]
    np.testing.assert_allclose(every, np.column_stack(expected), atol=1e-5)


def test_each_row_has_an_arm_of_its_own(twin, study):
    X, rng = study[0], np.random.default_rng(0)
    low, high = (rng.choice(["a", "b", "c", "m", "b2"], size=120) for _ in range(2))
    found = twin.effect(X, T0=low, T1=high)
    for i in range(20):
        one = twin.effect(X[[i]], T0=low[i], T1=high[i])[0]
        assert found[i] == pytest.approx(one, abs=1e-5)
    one_end = twin.effect(X, T0=low, T1="m")
    assert one_end[0] == pytest.approx(twin.effect(X[:1], T0=low[0], T1="m")[0], abs=1e-5)


def test_defaults_are_the_arms_that_were_received(twin, study):
    X = study[0]
    assert list(twin.treatments_) == ["a", "b", "c"]
    assert list(twin.effect_names_out_) == ["b vs a", "c vs a"]
    assert twin.effect(X).shape == (120, 2)
    assert twin.potential_outcomes(X).shape == (120, 3)
    assert len(twin.ate()) == 2


def test_intervals_and_averages_need_people(twin, study):
    X = study[0]
    for arms in ({"T1": "m"}, {"T0": "m", "T1": "a"}, {"T1": np.array(["m", "b"] * 60)}):
        with pytest.raises(
            IntervalNotAvailableError, match="people who received the arm, got 'm'"
        ):
            twin.effect_interval(X, **arms)
    averages = (twin.ate, twin.ate_interval, twin.estimate, twin.best_linear_projection)
    for average in (*averages, lambda T1: twin.ate(X[:20], T1=T1)):
        with pytest.raises(IntervalNotAvailableError, match=r"averages need .*'m', which nobody"):
            average(T1="m")
    for label in ("q", {"q": 1}, np.array(["m", "q"] * 60)):
        with pytest.raises(TargetError, match=r"`T1` must be one of .*'m', 'b2'\], got .*'q'"):
            twin.effect(X, T1=label)
        with pytest.raises(TargetError, match=r"`T1` must be one of \['a', 'b', 'c'\], got"):
            twin.effect_interval(X, T1="q")
    with pytest.raises(TargetError, match=r"`T0` must be one of .*'m', 'b2'\], got"):
        twin.effect(X, T0="q")
    low, high = twin.effect_interval(X, T0="b", T1="c")
    assert (low <= high).all()


def test_a_head_that_is_no_arm_has_a_feature_of_its_own(study):
    settings = {**TINY, **TWINS["HyperDragonNet"], "arm_features": WITH_UNSEEN}
    module = fit(hyper.HyperDragonNet(**settings), *study).theta_net_.ensemble.module
    seen = np.array(list(DOSES.values()))
    expected = np.block([[((seen - seen.mean()) / seen.std())[:, None], np.zeros((3, 1))], [0, 1]])
    np.testing.assert_allclose(module.body.features, expected, rtol=1e-6)


@every_twin
def test_further_arms_change_nothing_for_those_that_were_received(study, name):
    X, T, y = study
    est = getattr(hyper, name)(**TINY, **TWINS[name], arm_features=DOSES)
    more = {"m": 2.0, "c": 4.0, "z": -50.0, "b": 1.0, "a": 0.0}  # in any order
    one, two = (fit(own, X, T, y) for own in (est, clone(est).set_params(arm_features=more)))
    np.testing.assert_array_equal(one.effect(X), two.effect(X))
    np.testing.assert_array_equal(one.effect_interval(X), two.effect_interval(X))
    np.testing.assert_array_equal(one.ate_interval(), two.ate_interval())
    before, after = (own.theta_net_.ensemble.weights() for own in (one, two))
    for part, value in before.items():
        np.testing.assert_array_equal(after[part], value)
    # an embedding of every arm is another network
    plain = fit(clone(est).set_params(arm_features=None), X, T, y)
    assert not np.allclose(plain.effect(X), one.effect(X))


def test_labels_may_be_numbers(study):
    X, T, y = study
    named = fit(HyperTARNet(**SMALL, arm_features=WITH_UNSEEN), X, T, y)
    codes = np.array([{"a": 0, "b": 1, "c": 4}[label] for label in T])
    est = HyperTARNet(**SMALL, arm_features={0: 0.0, 1: 1.0, 4: 4.0, 2: 2.0})
    numbered = fit(est, X, codes, y)
    expected = named.effect(X, T0="m", T1="c")
    for middle in (2, 2.0, np.int64(2)):
        np.testing.assert_array_equal(numbered.effect(X, T0=middle, T1=4), expected)
    # between two integers, too
    between = fit(clone(est).set_params(arm_features={0: 0, 1: 1, 4: 4, 2.5: 2}), X, codes, y)
    np.testing.assert_array_equal(between.effect(X, T0=2.5, T1=4), expected)
    rows = between.effect(X, T0=np.where(codes == 0, 2.5, codes), T1=4)
    np.testing.assert_allclose(rows[codes == 0], expected[codes == 0], atol=1e-5)


@pytest.mark.parametrize("n_folds", [1, 2])
def test_control_folds_and_copies(study, n_folds):
    X, T, y = study
    settings = {**SMALL, "n_folds": n_folds, "control": "c", "arm_features": WITH_UNSEEN}
    est = fit(HyperTARNet(**settings), X, T, (y > np.median(y)).astype(float))
    effect = est.effect(X, T1="m")
    np.testing.assert_array_equal(effect, est.effect(X, T0="c", T1="m"))
    assert -1 < effect.min() < effect.max() < 1
    assert list(est.effect_names_out_) == ["a vs c", "b vs c"]
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.effect(X, T1="m"), effect)
    np.testing.assert_array_equal(again.compact().effect(X, T1="m"), effect)
    other = clone(est)
    assert other.get_params()["arm_features"] == WITH_UNSEEN
    other = fit(other, X, T, (y > np.median(y)).astype(float))
    np.testing.assert_array_equal(other.effect(X, T1="m"), effect)
    # what was fitted stays, whatever is set afterwards
    for other in ({**WITH_UNSEEN, "m": 3.0}, None):
        est.set_params(arm_features=other)
        np.testing.assert_array_equal(est.effect(X, T1="m"), effect)


@pytest.mark.parametrize("name", ["DRLearner", "RALearner", "XLearner"])
def test_two_stage_learners_predict_arms_that_were_received(study, name):
    X, T, y = study
    settings = {**TINY, "widths": (5,), "effect_widths": (4,), "effect_weight_decay": 1.0}
    est = fit(getattr(hyper, f"Hyper{name}")(**settings, arm_features=WITH_UNSEEN), X, T, y)
    assert est.effect(X).shape == (120, 2)
    message = "got 'm': where effects have a network of their own, .* only arms that were received"
    for predict in (est.effect, est.effect_interval):
        with pytest.raises(TargetError, match=message):
            predict(X, T1="m")
    with pytest.raises(IntervalNotAvailableError, match=r"got 'm', which nobody did$"):
        est.ate(T1="m")


# -- recovery --------------------------------------------------------------------------------


def response(dose, X, bend):
    return dose * (1 + 0.5 * X[:, 1]) + bend * dose**2 / 4


@pytest.mark.parametrize("bend", [0.0, 1.0])
@pytest.mark.parametrize("cls", [HyperTARNet, HyperTLearner])
def test_doses_between_those_received_are_predicted(cls, bend):
    rng, doses = np.random.default_rng(0), np.array([0.0, 1.0, 3.0, 4.0])
    X = rng.normal(size=(400, 3))
    chance = np.exp(0.1 * X[:, :1] * doses)  # large doses go with x0
    above = rng.uniform(size=(400, 1)) > (chance / chance.sum(1, keepdims=True)).cumsum(1)
    T = doses[np.minimum(above.sum(1), 3)].astype(int)
    y = X[:, 0] + response(T, X, bend) + 0.5 * rng.normal(size=400)
    settings = {**TINY, "weight_decay": 0.3, "max_epochs": 40, "lr": 0.01, "hyper_widths": (30,)}
    names = ["widths"] if cls is HyperTLearner else ["representation_widths", "head_widths"]
    settings |= {name: (20, 20)[: 3 - len(names)] for name in names}
    est = fit(cls(**settings, arm_features={0: 0, 1: 1, 3: 3, 4: 4, 2: 2}), X, T, y)
    truth = response(2, X, bend)  # spreads by 1

    def error(effect, truth):
        return np.sqrt(np.mean((effect - truth) ** 2))

    own = error(est.effect(X, T1=2), truth)
    assert own < 0.5
    assert own < 0.4 * min(error(est.effect(X, T1=label), truth) for label in (1, 3))
    rest = response(4, X, bend) - truth
    assert error(est.effect(X, T0=2, T1=4), rest) < 0.6
