"""Tests that refute a fit where there should be no effect and it finds one."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state

from sklcausal._encoding import check_numbers
from sklcausal.exceptions import TargetError
from sklcausal.sensitivity._placebo_result import PlaceboOutcomeResult, PlaceboTreatmentResult
from sklcausal.sensitivity._refit import fan_out, fit, take_apart, unfitted
from sklcausal.targets import as_column_array, check_lengths
from sklcausal.utils._final_step import find_fitted, transform_to_final

SIMULATED = ("continuous", "binary", "count")


def placebo_treatment_test(
    estimator: Any,
    X: Any,
    T: Any,
    y: Any = None,
    *,
    n_permutations: int = 20,
    n_strata: int | None = None,
    T0: Any = None,
    T1: Any = None,
    sample_weight: Any = None,
    propensity: Any = None,
    cluster: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> PlaceboTreatmentResult:
    """Fit again with permuted treatments, which have no effect.

    Parameters
    ----------
    estimator : estimator
        Effect estimator, or a pipeline that ends in one; its clones are fitted.
    X : array-like of shape (n_samples, n_features)
        Covariates.
    T : array-like of shape (n_samples,) or (n_samples, n_treatments)
        Treatments, or packed targets.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
        Outcomes.
    n_permutations : int, default=20
        Number of permutations, each of which takes a fit.
    n_strata : int or None, default=None
        Number of strata of the estimated propensity, of equal size, within which treatments of
        two arms are permuted. They then still depend on x, so that the adjustment is put to the
        test too. None permutes all rows.
    T0, T1 : label or dose, default=None
        Treatments to compare, as in ``estimator.effect``.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights; they stay with their rows.
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), default=None
        Known probabilities. Those that are the same in every row are kept for permuted
        treatments; others are for the fit to the real treatments only.
    cluster : array-like of shape (n_samples,) or None, default=None
        Labels of clusters. Treatments are permuted within them, or, where every cluster received
        one treatment as a whole, between them.
    n_jobs : int or None, default=None
        Processes that fit at once; results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations and of the fits.

    Returns
    -------
    PlaceboTreatmentResult
        Estimates under permuted treatments beside the observed one.

    Raises
    ------
    IntervalNotAvailableError
        If the estimator has ``n_folds=1``.
    TargetError
        If T or y cannot be used, or strata are asked for other treatments than two arms.
    TypeError
        If the estimator does not estimate effects.
    ValueError
        If ``n_permutations`` or ``n_strata`` is out of range.

    See Also
    --------
    placebo_outcome_test : Outcomes that cannot be affected.

    Notes
    -----
    Average effects of permuted treatments have mean 0, and about 95 % of them lie within 1.96 of
    their standard errors, if the standard errors are right. The p-value counts how often the
    z-score is as large as the observed one, ``(1 + count) / (1 + n_permutations)``. It tests that
    the treatment does nothing to anybody, and holds its level only if treatments were assigned as
    they are permuted, every order within strata and clusters being equally likely, and if all fits
    compute the same statistic. Where treatments depend on x, permuting all rows is not how they
    were assigned, and permuting within estimated strata is so only roughly. A known ``propensity``
    that varies between rows serves the observed fit alone, so that the statistics differ. The
    p-value is a rough guide then.

    Passing the test does not show that nothing is hidden: permuted treatments are not confounded
    by anything that is not observed.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> from sklcausal.sensitivity import placebo_treatment_test
    >>> data = make_confounded(100, random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=1, numeric_encoding=None, weight_decay=1.0)
    >>> test = placebo_treatment_test(
    ...     est, data.X, data.T, data.y, n_permutations=2, random_state=0
    ... )
    >>> test.estimates.shape
    (2, 1)
    """
    _check_count(n_permutations, "n_permutations", 1)
    rng = check_random_state(random_state)
    given = {"sample_weight": sample_weight, "propensity": propensity, "cluster": cluster}
    rows = take_apart(T, y, **given)
    first = fit(unfitted(estimator, rng), X, rows)
    observed = find_fitted(first).estimate(T0=T0, T1=T1)
    groups = _strata_of(find_fitted(first), n_strata)
    labels = as_column_array(rows["T"], "T")
    if rows.get("cluster") is None:
        places = [_permute(groups, rng) for _ in range(n_permutations)]
    else:
        cluster = np.unique(as_column_array(rows["cluster"], "cluster"), return_inverse=True)[1]
        places = [
            _permute_in_clusters(labels, cluster, groups, rng) for _ in range(n_permutations)
        ]
    known = rows.get("propensity") if _is_constant(rows.get("propensity")) else None
    jobs = []
    for order in places:
        placebo = {**rows, "T": _reorder(rows["T"], order), "propensity": known}
        jobs.append((unfitted(estimator, rng), X, placebo, T0, T1))
    found = fan_out(_estimate, jobs, n_jobs)
    estimates, errors = (np.stack(part) for part in zip(*found, strict=True))
    title = f"Permuted treatments, {type(find_fitted(first)).__name__}"
    return PlaceboTreatmentResult(estimates, errors, observed, title)


def _check_count(value: Any, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}, got {value!r}")


def _is_constant(propensity: Any) -> bool:
    if propensity is None:
        return False
    values = as_column_array(propensity, "propensity")
    return bool((values == values[:1]).all())


def _strata_of(final: Any, n_strata: int | None) -> np.ndarray:
    n = len(final.folds_)
    if n_strata is None:
        return np.zeros(n, dtype=int)
    _check_count(n_strata, "n_strata", 2)
    if final.treatments_ is None or len(final.treatments_) != 2:
        raise TargetError("`n_strata` needs two arms, got other treatments; leave it None")
    if n_strata > n // 2:
        raise ValueError(f"`n_strata` must be at most half the {n} rows, got {n_strata}")
    ranks = final.propensity_[:, 1].argsort(kind="stable").argsort(kind="stable")
    return ranks * n_strata // n


def _permute(groups: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw which row's treatment each row gets, from its own group."""
    order = np.empty(len(groups), dtype=int)
    order[np.argsort(groups, kind="stable")] = np.lexsort((rng.uniform(size=len(groups)), groups))
    return order


def _permute_in_clusters(
    T: np.ndarray, cluster: np.ndarray, groups: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Permute within clusters, or between them where each has one treatment."""
    first = np.unique(cluster, return_index=True)[1]
    if (T == T[first][cluster]).all():
        # whole clusters swap treatments; of strata, those of the first rows count
        return first[_permute(groups[first], rng)][cluster]
    return _permute(np.unique([cluster, groups], axis=1, return_inverse=True)[1].ravel(), rng)


def _reorder(T: Any, order: np.ndarray) -> Any:
    """Reorder treatments, whose index stays, since it is that of the rows."""
    given = T if hasattr(T, "shape") else np.asarray(T)
    found, index = _safe_indexing(given, order), getattr(given, "index", None)
    if index is not None and not callable(index):
        found = found.set_axis(index, axis=0)
    return found


def _estimate(
    estimator: Any, X: Any, rows: dict[str, Any], T0: Any, T1: Any
) -> tuple[np.ndarray, np.ndarray]:
    found = find_fitted(fit(estimator, X, rows)).estimate(T0=T0, T1=T1)
    return found.estimate, found.std_error


def placebo_outcome_test(
    estimator: Any,
    X: Any,
    T: Any,
    outcomes: Any = None,
    *,
    y: Any = None,
    n_simulations: int = 20,
    T0: Any = None,
    T1: Any = None,
    sample_weight: Any = None,
    propensity: Any = None,
    cluster: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> PlaceboOutcomeResult:
    """Estimate the effect on outcomes that the treatment cannot have affected.

    Parameters
    ----------
    estimator : estimator
        Effect estimator, or a pipeline that ends in one; its clones are fitted.
    X : array-like of shape (n_samples, n_features)
        Covariates, without the outcomes that are tested.
    T : array-like of shape (n_samples,) or (n_samples, n_treatments)
        Treatments, or packed targets, whose y is then taken.
    outcomes : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
        Outcomes measured before the treatment, or that it cannot reach. None simulates outcomes
        from a fit to y: mean outcome of the control given x, plus residuals drawn from those of
        all rows; 0/1 and counts are drawn with that mean.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
        Real outcomes, needed for simulated ones only.
    n_simulations : int, default=20
        Number of simulated outcomes, each of which takes a fit.
    T0, T1 : label or dose, default=None
        Treatments to compare, as in ``estimator.effect``.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights.
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), default=None
        Known probabilities.
    cluster : array-like of shape (n_samples,) or None, default=None
        Labels of clusters. Simulated residuals are drawn row by row, without their clusters.
    n_jobs : int or None, default=None
        Processes that fit at once; results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the simulated outcomes and of the fits.

    Returns
    -------
    PlaceboOutcomeResult
        Effects on the outcomes with intervals and tests of zero.

    Raises
    ------
    IntervalNotAvailableError
        If the estimator has ``n_folds=1``.
    TargetError
        If T, y or outcomes cannot be used, or outcomes are to be simulated without y, for doses,
        or of another kind than continuous, binary or count.
    TypeError
        If the estimator does not estimate effects.
    ValueError
        If an outcome is a column of X, or ``n_simulations`` is below 2.

    See Also
    --------
    placebo_treatment_test : Treatments that cannot affect.

    Notes
    -----
    An effect on an outcome measured before the treatment is a sign of hidden confounding, if what
    is hidden moves that outcome too. Simulated outcomes are confounded by x just as the fit finds
    it, and by nothing else: an effect on them is bias of the estimator itself. Neither proves
    that the real effect is right.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> from sklcausal.sensitivity import placebo_outcome_test
    >>> data = make_confounded(100, random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=1, numeric_encoding=None, weight_decay=1.0)
    >>> before = data.X[:, 0]
    >>> test = placebo_outcome_test(est, data.X[:, 1:], data.T, before, random_state=0)
    >>> test.pvalue.shape
    (1,)
    """
    rng = check_random_state(random_state)
    given = {"sample_weight": sample_weight, "propensity": propensity, "cluster": cluster}
    rows = take_apart(T, y, **given)
    if outcomes is not None:
        _refuse_columns(X, outcomes)
        found = fit(unfitted(estimator, rng), X, {**rows, "y": outcomes})
        final = find_fitted(found)
        title = f"Outcomes that cannot be affected, {type(final).__name__}"
        result = final.estimate(T0=T0, T1=T1)
        return PlaceboOutcomeResult(
            result.estimate[None], result.std_error[None], result.names, title
        )
    _check_count(n_simulations, "n_simulations", 2)
    if rows["y"] is None:
        raise TargetError("`y` must be given where outcomes are simulated, got None")
    first = fit(unfitted(estimator, rng), X, rows)
    final = find_fitted(first)
    simulated = _simulate(first, final, X, rows, n_simulations, rng)
    jobs = [(unfitted(estimator, rng), X, {**rows, "y": own}, T0, T1) for own in simulated]
    refits = fan_out(_estimate, jobs, n_jobs)
    estimates, errors = (np.stack(part) for part in zip(*refits, strict=True))
    title = f"Simulated outcomes without an effect, {type(final).__name__}"
    names = final.estimate(T0=T0, T1=T1).names
    return PlaceboOutcomeResult(estimates, errors, names, title)


def _refuse_columns(X: Any, outcomes: Any) -> None:
    given = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
    array = as_column_array(outcomes, "outcomes")
    check_lengths({"X": given, "outcomes": array})
    if array.dtype.kind not in "biuf":
        return
    if array.ndim == 1:
        check_numbers(array, "outcomes")  # with two axes NaN is a missing cell
    columns = array if array.ndim == 2 else array[:, None]
    for j in range(given.shape[1] if given.ndim == 2 else 0):
        if (columns == given[:, [j]]).all(axis=0).any():
            raise ValueError(
                f"`outcomes` must not be columns of `X`, got column {j}: adjusted for itself, no "
                "outcome shows an effect; leave it out of X"
            )


def _simulate(
    fitted: Any,
    final: Any,
    X: Any,
    rows: dict[str, Any],
    n_simulations: int,
    rng: np.random.RandomState,
) -> Sequence[np.ndarray]:
    """Draw outcomes around the control's mean."""
    kinds = final.outcomes_.kinds
    if final.treatments_ is None or not set(kinds) <= set(SIMULATED):
        came = "doses" if final.treatments_ is None else f"outcomes of kind {list(kinds)}"
        raise TargetError(
            f"outcomes can be simulated for arms and {', '.join(SIMULATED)} outcomes, got {came}; "
            "pass `outcomes` that cannot be affected"
        )
    seen = X if fitted is final else transform_to_final(fitted, X)
    means = final.potential_outcomes(seen)
    means = means[:, :, None] if means.ndim == 2 else means
    y = final.outcomes_.encode(as_column_array(rows["y"], "y"))
    schema = final.contrasts_.treatments
    t = schema.encode(as_column_array(schema.in_order(rows["T"]), "T"))
    residual = y - means[np.arange(len(y)), t]
    control = means[:, schema.control]
    drawn = np.empty((n_simulations, *control.shape))
    for m, kind in enumerate(kinds):
        own, size = control[:, m], (n_simulations, len(control))
        if kind == "binary":
            drawn[:, :, m] = rng.uniform(size=size) < own
        elif kind == "count":
            drawn[:, :, m] = rng.poisson(own, size=size)
        else:
            noise = residual[~np.isnan(residual[:, m]), m]
            drawn[:, :, m] = own + rng.choice(noise - noise.mean(), size=size)
    drawn[:, np.isnan(y)] = np.nan
    return list(drawn[:, :, 0] if final.outcomes_.one_dim else drawn)
