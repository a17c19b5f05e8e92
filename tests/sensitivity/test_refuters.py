"""Refuters: how treatments are permuted, known nulls and effects, seeds, processes and errors."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd
import pytest
import torch
from _small_data import ARMS, DOSE, FRAME, NAMED, N, T, X, Y, put, tiny
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.representation import TARNet
from sklcausal.sensitivity import placebo_outcome_test, placebo_treatment_test

pytestmark = pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning")

SEEN = []
HOUSE = np.arange(N) // 5


class Recorder(TARNet):
    """Write down what it was fitted to."""

    def fit(self, X, T=None, y=None, **fields):
        SEEN.append((T, y, fields))
        return super().fit(X, T, y, **fields)


def recorder(**params):
    SEEN.clear()
    return Recorder(**tiny(**params).get_params())


# -- permuted treatments ---------------------------------------------------------------------


def test_treatments_are_permuted_and_all_else_stays():
    found = placebo_treatment_test(
        recorder(), X, NAMED, Y, n_permutations=3, sample_weight=np.ones(N), random_state=0
    )
    assert len(SEEN) == 4
    for T_, y, fields in SEEN[1:]:
        assert (T_ != NAMED).any() and sorted(T_) == sorted(NAMED)
        assert y is Y and list(fields) == ["sample_weight"]
    assert (SEEN[1][0] != SEEN[2][0]).any()
    assert found.estimates.shape == found.std_errors.shape == (3, 1)
    assert found.names == ["drug vs ctl"]


def test_clusters_keep_their_treatments():
    placebo_treatment_test(recorder(), X, T, Y, n_permutations=2, cluster=HOUSE, random_state=0)
    for T_, _, fields in SEEN[1:]:
        assert (T_ != T).any() and "cluster" in fields
        np.testing.assert_array_equal(np.bincount(HOUSE, T_), np.bincount(HOUSE, T))


def test_whole_clusters_swap_treatments():
    whole = np.array([0, 1, 1, 0])[HOUSE % 4]
    placebo_treatment_test(
        recorder(), X, whole, Y, n_permutations=2, cluster=HOUSE, random_state=0
    )
    for T_, *_ in SEEN[1:]:
        assert (T_ != whole).any()
        by_house = T_.reshape(-1, 5)
        assert (by_house == by_house[:, :1]).all() and T_.sum() == whole.sum()


def test_strata_keep_their_shares():
    propensity = 0.2 + 0.6 * (X[:, 0] > 0)
    T_ = (np.random.RandomState(0).uniform(size=N) < propensity).astype(int)
    placebo_treatment_test(
        recorder(),
        X,
        T_,
        Y,
        n_permutations=2,
        n_strata=4,
        propensity=propensity,
        random_state=0,
    )
    assert "propensity" in SEEN[0][2] and "propensity" not in SEEN[1][2]
    order = np.argsort(propensity, kind="stable").reshape(4, -1)
    for placebo, *_ in SEEN[1:]:
        assert (placebo != T_).any()
        np.testing.assert_array_equal(placebo[order].sum(axis=1), T_[order].sum(axis=1))


def test_frames_keep_their_index_and_categories():
    index = np.arange(N) + 7
    T_ = pd.Series(NAMED, index=index, dtype="category")
    frame, y = FRAME.set_axis(index), pd.Series(Y, index=index)
    placebo_treatment_test(recorder(), frame, T_, y, n_permutations=1, random_state=0)
    placebo = SEEN[1][0]
    assert placebo.index.equals(T_.index) and placebo.dtype == T_.dtype
    assert (placebo.to_numpy() != NAMED).any()
    polars = pytest.importorskip("polars")
    placebo_treatment_test(
        recorder(), polars.DataFrame(X), polars.Series(NAMED), Y, n_permutations=1
    )
    placebo_treatment_test(recorder(), X.tolist(), NAMED.tolist(), Y.tolist(), n_permutations=1)
    two = np.column_stack([DOSE, X[:, 1]])
    placebo_treatment_test(recorder(), X, two, Y, n_permutations=1, random_state=0)
    np.testing.assert_array_equal(np.sort(SEEN[1][0], axis=0), np.sort(two, axis=0))


def test_p_values_and_shares_equal_longhand():
    two = np.column_stack([Y, X[:, 1]])
    found = placebo_treatment_test(tiny(), X, ARMS, two, n_permutations=4, random_state=1)
    z = found.estimates / found.std_errors
    assert found.names == [f"{arm} vs a: y{m}" for arm in "bc" for m in (0, 1)]
    np.testing.assert_array_equal(found.zscores, z)
    beyond = (np.abs(z) >= np.abs(found.observed.zstat)).sum(axis=0)
    np.testing.assert_allclose(found.pvalue, (1 + beyond) / 5)
    np.testing.assert_allclose(found.share_within, (np.abs(z) <= 1.96).mean(axis=0))
    frame = found.to_frame()
    np.testing.assert_allclose(frame["placebo_mean"], found.estimates.mean(axis=0))
    assert "4 permutations" in repr(found)
    single = placebo_treatment_test(
        tiny(), X, ARMS, two, n_permutations=1, T0="b", T1="c", random_state=1
    )
    assert single.names == ["c vs b: y0", "c vs b: y1"]


def test_an_effect_stands_out_and_placebos_are_near_zero():
    rng = np.random.RandomState(0)
    X_ = rng.normal(size=(300, 2))
    T_ = (X_[:, 0] + rng.logistic(size=300) > 0).astype(int)
    y = X_[:, 0] + T_ + rng.normal(size=300)
    est = tiny(max_epochs=10)
    found = placebo_treatment_test(est, X_, T_, y, n_permutations=19, random_state=0)
    assert found.pvalue[0] == 0.05
    assert found.observed.estimate[0] == pytest.approx(1, abs=0.5)
    assert found.share_within[0] >= 0.8
    assert abs(found.estimates.mean()) < 4 * found.estimates.std() / np.sqrt(19)


def test_seeds():
    est = tiny(random_state=None)
    first, same, other = (
        placebo_treatment_test(est, X, T, Y, n_permutations=2, random_state=seed)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.estimates, same.estimates)
    assert first.observed.estimate == same.observed.estimate
    assert (first.estimates != other.estimates).all()


def test_the_global_generator_and_the_number_of_threads_stay():
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.uniform()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    placebo_treatment_test(tiny(), X, T, Y, n_permutations=1, random_state=3)
    assert np.random.uniform() == expected  # noqa: NPY002
    assert torch.get_num_threads() == 2
    torch.set_num_threads(n_threads)


def test_results_do_not_depend_on_processes():
    one, two = (
        placebo_treatment_test(tiny(), X, T, Y, n_permutations=2, random_state=5, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    np.testing.assert_array_equal(one.estimates, two.estimates)
    one, two = (
        placebo_outcome_test(tiny(), X, T, y=Y, n_simulations=2, random_state=5, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    np.testing.assert_array_equal(one.estimates, two.estimates)


def test_a_known_constant_propensity_stays_known():
    half = np.full(N, 0.5)
    both = np.column_stack([half, half])
    for known in (half, both, pd.Series(half), pd.DataFrame(both)):
        placebo_treatment_test(
            recorder(), X, T, Y, n_permutations=1, propensity=known, random_state=0
        )
        assert SEEN[1][2]["propensity"] is known
    SEEN.clear()
    placebo_treatment_test(
        recorder(), X, pack_targets(T, Y, propensity=half), n_permutations=1, random_state=0
    )
    np.testing.assert_array_equal(SEEN[1][2]["propensity"].ravel(), half)
    varied = np.where(X[:, 0] > 0, 0.4, 0.6)
    placebo_treatment_test(
        recorder(), X, T, Y, n_permutations=1, propensity=varied, random_state=0
    )
    assert "propensity" not in SEEN[1][2]


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"n_permutations": 0}, ValueError, "`n_permutations` must be an integer of at least 1"),
        ({"n_permutations": 2.5}, ValueError, "`n_permutations` must be .* got 2.5"),
        ({"n_strata": 1}, ValueError, "`n_strata` must be an integer of at least 2, got 1"),
        ({"n_strata": 60}, ValueError, "`n_strata` must be at most half the 100 rows, got 60"),
        ({"n_strata": 2, "T": ARMS}, TargetError, "`n_strata` needs two arms, got other"),
        ({"n_strata": 2, "T": DOSE}, TargetError, "`n_strata` needs two arms, got other"),
        ({"y": None}, TargetError, "requires y to be passed"),
        ({"y": Y[:4]}, TargetError, "same number of rows"),
        ({"T": put(T, 3, np.nan)}, TargetError, "`T` must not have missing values"),
        ({"y": put(Y, 3, np.inf)}, TargetError, "`y` must not contain NaN or infinity"),
        ({"X": put(X, (3, 1), np.nan)}, ValueError, "Input X contains NaN"),
        ({"T": pack_targets(T, Y)}, TargetError, "packed targets must stand alone"),
        ({"T1": 7}, TargetError, r"`T1` must be one of \[0, 1\], got"),
        ({"estimator": tiny(n_folds=1)}, IntervalNotAvailableError, "n_folds=5"),
        ({"estimator": LinearRegression()}, TypeError, "`estimator` must be an effect estimator"),
        ({"T": np.zeros(N, dtype=int)}, TargetError, "`T` must have at least 2 levels"),
    ],
)
def test_bad_arguments_of_permutations(params, error, message):
    given = {"estimator": tiny(), "X": X, "T": T, "y": Y, "n_permutations": 1} | params
    with pytest.raises(error, match=message):
        placebo_treatment_test(**given)


# -- outcomes that cannot be affected ---------------------------------------------------------


def test_an_outcome_that_shares_a_hidden_cause_is_found():
    rng = np.random.RandomState(1)
    hidden, seen, other = rng.normal(size=(3, 400))
    T_ = (seen + 2 * hidden + rng.logistic(size=400) > 0).astype(int)
    before = np.column_stack([hidden + 0.5 * rng.normal(size=400), other + seen])
    found = placebo_outcome_test(tiny(max_epochs=20), seen[:, None], T_, before, random_state=0)
    assert found.pvalue[0] < 1e-4 and found.pvalue[1] > 0.01
    low, high = found.conf_int()
    assert low[0] > 0 and low[1] < 0 < high[1]
    np.testing.assert_allclose(high - found.estimate, 1.959964 * found.std_error)
    assert found.names == ["1 vs 0: y0", "1 vs 0: y1"]
    assert found.estimates.shape == (1, 2)
    frame = found.to_frame(alpha=0.1)
    np.testing.assert_allclose(frame["high"], found.conf_int(0.1)[1])
    assert "p of zero" in found.summary() and "simulations" not in repr(found)


def test_columns_of_one_and_labels():
    found, flat = (
        placebo_outcome_test(tiny(), X, t, outcome, random_state=0)
        for t, outcome in ((T[:, None], DOSE[:, None]), (T, DOSE))
    )
    np.testing.assert_array_equal(found.estimates, flat.estimates)
    labels = np.where(DOSE > 0, "before", "never")
    assert placebo_outcome_test(tiny(), X, T, labels, random_state=0).estimate.shape == (1,)
    treated, plain = (
        placebo_treatment_test(tiny(), X, t, Y, n_permutations=1, random_state=0)
        for t in (T[:, None], T)
    )
    np.testing.assert_array_equal(treated.estimates, plain.estimates)


def test_packed_targets_bring_a_placebo_outcome():
    found = placebo_outcome_test(tiny(), X, pack_targets(T, Y), DOSE, random_state=0)
    same = placebo_outcome_test(tiny(), X, T, DOSE, random_state=0)
    np.testing.assert_array_equal(found.estimate, same.estimate)


def test_simulated_outcomes_have_the_controls_mean_and_no_effect():
    found = placebo_outcome_test(
        recorder(max_epochs=10), X, NAMED, y=Y, n_simulations=6, random_state=0
    )
    assert len(SEEN) == 7 and SEEN[0][1] is Y
    simulated = np.stack([y for _, y, _ in SEEN[1:]])
    assert simulated.shape == (6, N)
    fitted = tiny(max_epochs=10, random_state=int(np.random.RandomState(0).randint(2**31 - 1)))
    means = fitted.fit(X, NAMED, Y).potential_outcomes(X)
    residual = Y - np.where(NAMED == "drug", means[:, 1], means[:, 0])
    drawn = simulated - means[:, 0]
    known = np.sort(residual - residual.mean())
    at = np.clip(np.searchsorted(known, drawn), 1, N - 1)
    nearest = np.minimum(np.abs(known[at] - drawn), np.abs(known[at - 1] - drawn))
    assert nearest.max() < 1e-4  # every deviation is one of the residuals
    assert found.estimates.shape == (6, 1) and "6 simulations" in found.summary()
    spread = found.estimates.std(ddof=1) / np.sqrt(6)
    assert found.std_error[0] == pytest.approx(spread)
    assert abs(found.estimate[0]) < 5 * spread
    low, high = found.conf_int()
    assert (high - low)[0] == pytest.approx(2 * 2.570582 * spread, rel=1e-6)  # t with 5 df


def test_simulated_outcomes_keep_kind_labels_and_gaps():
    labels = np.where(Y > 0, "sick", "well")
    placebo_outcome_test(recorder(), X, T, y=labels, n_simulations=2, random_state=0)
    assert set(SEEN[1][1]) == {0.0, 1.0}
    counts = np.random.RandomState(0).poisson(3, N)
    placebo_outcome_test(
        recorder(outcome="count"), X, T, y=counts, n_simulations=2, random_state=0
    )
    assert (SEEN[1][1] == np.round(SEEN[1][1])).all() and SEEN[1][1].max() > 1
    gaps = put(np.column_stack([Y, Y]), (slice(None, None, 9), 1), np.nan)
    placebo_outcome_test(recorder(), X, T, y=gaps, n_simulations=2, random_state=0)
    np.testing.assert_array_equal(np.isnan(SEEN[1][1]), np.isnan(gaps))
    pipe = make_pipeline(StandardScaler(), tiny())
    found = placebo_outcome_test(pipe, X, T, y=Y, n_simulations=2, random_state=0)
    assert np.isfinite(found.estimates).all()


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"outcomes": X[:, 1]}, ValueError, "`outcomes` must not be columns of `X`, got column 1"),
        ({"outcomes": FRAME[["size"]], "X": FRAME}, ValueError, "got column 2"),
        ({"outcomes": put(Y, 3, np.nan)}, TargetError, "`outcomes` must not contain NaN or inf"),
        ({"outcomes": Y[:5]}, TargetError, "same number of rows, got `X` 100, `outcomes` 5"),
        ({"y": None}, TargetError, "`y` must be given where outcomes are simulated, got None"),
        ({"n_simulations": 1}, ValueError, "`n_simulations` must be an integer of at least 2"),
        ({"T": DOSE}, TargetError, r"outcomes can be simulated for arms .* got doses; pass"),
        ({"estimator": tiny(n_folds=1)}, IntervalNotAvailableError, "n_folds=5"),
        ({"estimator": LinearRegression()}, TypeError, "`estimator` must be an effect estimator"),
    ],
)
def test_bad_arguments_of_outcomes(params, error, message):
    given = {"estimator": tiny(), "X": X, "T": T, "y": Y, "n_simulations": 2} | params
    with pytest.raises(error, match=message):
        placebo_outcome_test(**given)


def test_bad_level():
    found = placebo_outcome_test(tiny(), X, T, DOSE)
    with pytest.raises(ValueError, match=r"`alpha` must be a number between 0 and 1, got 1\.5"):
        found.conf_int(1.5)
