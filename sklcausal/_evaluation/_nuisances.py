"""Nuisances from models that are nobody's candidate, out of fold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import Bunch, _safe_indexing, check_random_state

from sklcausal._evaluation._cv import check_folds
from sklcausal._evaluation._scores import read_cluster
from sklcausal._evaluation._study import Study, as_numbers, read_probabilities, read_study
from sklcausal._sklearn_models import (
    MeanModel,
    check_arm_model,
    check_mean_model,
    fit_weighted,
    seeded,
)
from sklcausal.targets import (
    NUISANCE_FIELDS,
    check_lengths,
    check_same_index,
    pack_targets,
    unpack_targets,
)
from sklcausal.utils._blurbs import fill_docs

# Small trees and small steps: larger ones give propensities that are far too sure of themselves.
MAX_LEVELS = 255
TEXT = ("object", "str", "string", "utf8")
BOOSTING = {"learning_rate": 0.05, "max_iter": 150, "max_leaf_nodes": 4, "l2_regularization": 1.0}


def _boosting(cls: Any, X: Any) -> Any:
    """Build a default model, which takes columns of text as categories."""
    text = _text_columns(X)
    if not text:
        return cls(**BOOSTING)
    # few enough levels for bins; others are split by the order of their names
    few = [k for k, j in enumerate(text) if _n_levels(X, j) <= MAX_LEVELS]
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    first = make_column_transformer((encode, text), remainder="passthrough")
    return make_pipeline(first, cls(**BOOSTING, categorical_features=few))


def _text_columns(X: Any) -> list[int]:
    """Find the columns that hold text, in frames and in arrays of objects."""
    if hasattr(X, "columns"):
        dtypes = [X[name].dtype for name in X.columns]
        return [j for j, dtype in enumerate(dtypes) if str(dtype).lower() in TEXT]
    if np.ndim(X) == 2 and X.dtype.kind in "OSU":
        return [j for j in range(X.shape[1]) if any(isinstance(v, str) for v in X[:, j])]
    return []


def _n_levels(X: Any, j: int) -> int:
    column = X[:, j] if not hasattr(X, "columns") else X[X.columns[j]]
    return len(set(np.asarray(column).tolist()))


def _models(
    X: Any, study: Study, outcome_model: Any, propensity_model: Any, seed: int
) -> tuple[list[Any], Any]:
    """Choose the model of each outcome and that of the arms, unfitted and with seeds."""
    outcome_models = []
    for m in range(study.y.shape[1]):
        is_binary = bool(np.isin(study.y[:, m], (0.0, 1.0)).all())
        model = outcome_model
        if model is None:
            cls = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
            model = _boosting(cls, X)
        model = seeded(model, seed)
        check_mean_model(model, is_binary, "outcome_model")
        outcome_models.append(model)
    arms = propensity_model
    if arms is None:
        arms = _boosting(HistGradientBoostingClassifier, X)
    check_arm_model(arms, "propensity_model")
    return outcome_models, seeded(arms, seed)


def _fit_fold(
    X: Any,
    study: Study,
    weight: np.ndarray | None,
    models: tuple[list[Any], Any],
    train: np.ndarray,
    test: np.ndarray,
    with_propensity: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Fit all models to the training rows and predict for the others."""
    outcome_models, propensity_model = models
    n_arms = study.treatments.n_arms
    unseen = _safe_indexing(X, test)
    mean = np.empty((len(test), n_arms, len(outcome_models)))
    for a in range(n_arms):
        own = train[study.t[train] == a]
        for m, model in enumerate(outcome_models):
            seen = _safe_indexing(X, own)
            mean[:, a, m] = MeanModel(model, seen, study.y[own, m], weight, own)(unseen)
    if not with_propensity:
        return mean, None
    seen = _safe_indexing(X, train)
    fitted = fit_weighted(propensity_model, seen, study.t[train], weight, train)
    return mean, fitted.predict_proba(unseen)


@fill_docs
def cross_fit_nuisances(
    X: Any,
    T: Any,
    y: Any,
    *,
    cv: Any = 5,
    outcome_model: Any = None,
    propensity_model: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    sample_weight: Any = None,
    cluster: Any = None,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> Bunch:
    """Predict mean outcomes and propensities of each row by models that have not seen it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Covariates.
    {T}
    {y}
    cv : int or iterable of (train, test), default=5
        Number of folds, stratified by arm, or the rows of each.
    outcome_model : estimator or None, default=None
        Regressor that is fitted to each arm and outcome; a classifier where outcomes are 0 and 1
        may be given too. None takes gradient boosting of histograms.
    propensity_model : classifier or None, default=None
        With ``predict_proba``. None takes gradient boosting of histograms.
    propensity : array-like of shape (n_samples,) or (n_samples, n_arms), or None, default=None
        Known probability of each arm, as in a trial, in place of a model.
    treatments : sequence of labels or None, default=None
        All arms, in the order of the columns; None takes them from T, sorted.
    {sample_weight}
    cluster : array-like of shape (n_samples,) or None, default=None
        Rows with the same label stay in one fold.
    n_jobs : int or None, default=None
        Processes that fit folds, through joblib.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds and of models without a seed of their own.

    Returns
    -------
    nuisances : Bunch
        ``outcome_mean`` of shape (n_samples, n_arms) or (n_samples, n_arms, n_outcomes), in
        outcome units, and ``propensity`` of shape (n_samples, n_arms): what the metrics take.

    Raises
    ------
    TargetError
        If T or y cannot be used, or an arm has fewer rows than there are folds.
    ValueError
        If X, a model or ``cv`` cannot be used.

    See Also
    --------
    add_nuisances : Puts them into packed targets, for scorers.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.metrics import cross_fit_nuisances
    >>> data = make_confounded(200, random_state=0)
    >>> models = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
    >>> nuisances = cross_fit_nuisances(data.X, data.T, data.y, **models)
    >>> nuisances.outcome_mean.shape, nuisances.propensity.shape
    ((200, 2), (200, 2))
    """
    check_same_index(X=X, T=T, y=y, sample_weight=sample_weight, cluster=cluster)
    study = read_study(T, y, treatments, None, sample_weight)
    rows = X if hasattr(X, "shape") else np.asarray(X)
    if len(rows.shape) != 2:
        raise ValueError(f"`X` must have shape (n_samples, n_features), got {rows.shape}")
    check_lengths({"X": range(rows.shape[0]), "T": study.t})
    known = None if propensity is None else read_probabilities(propensity, study)
    rng = check_random_state(random_state)
    folds = check_folds(cv, study, read_cluster(cluster, study), rng.randint(2**31 - 1))
    models = _models(rows, study, outcome_model, propensity_model, rng.randint(2**31 - 1))
    weight = None if sample_weight is None else study.weight * len(study.t)
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_fit_fold)(rows, study, weight, models, train, test, known is None)
        for train, test in folds
    )
    n, n_arms = len(study.t), study.treatments.n_arms
    means, chances = np.full((n, n_arms, study.y.shape[1]), np.nan), np.full((n, n_arms), np.nan)
    for (_, test), (mean, chance) in zip(folds, parts, strict=True):
        means[test] = mean
        if chance is not None:
            chances[test] = chance
    return Bunch(
        outcome_mean=means[:, :, 0] if study.one_dim else means,
        propensity=chances if known is None else np.array(known),
    )


def add_nuisances(
    X: Any,
    targets: Any,
    cv: Any = 5,
    *,
    outcome_model: Any = None,
    propensity_model: Any = None,
    treatments: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> np.ndarray:
    """Put out-of-fold nuisances from all rows into packed targets, for scorers to read.

    Estimators ignore these fields when they are fitted. A scorer that finds them fits nothing,
    and all candidates are judged by the same nuisances, each from rows other than its own.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Covariates.
    targets : structured ndarray of shape (n_samples,)
        What `pack_targets` returned. A field ``propensity`` stands for known probabilities, and
        rows of a ``cluster`` stay in one fold.
    cv : int or iterable of (train, test), default=5
        Number of folds, stratified by arm, or the rows of each.
    outcome_model, propensity_model, treatments, sample_weight, n_jobs, random_state : object
        As in `cross_fit_nuisances`.

    Returns
    -------
    targets : structured ndarray of shape (n_samples,)
        The fields that there were, ``nuisance_outcome_mean`` and ``nuisance_propensity``, and
        ``nuisance_treatments`` with the labels of their columns.

    Raises
    ------
    TargetError
        If the targets cannot be used, or an arm has fewer rows than there are folds.
    ValueError
        If X, a model or ``cv`` cannot be used.

    Notes
    -----
    Every outcome must have been observed: missing cells, which estimators take, are refused.

    Examples
    --------
    >>> from sklcausal import pack_targets
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.metrics import add_nuisances
    >>> data = make_confounded(100, random_state=0)
    >>> add_nuisances(data.X, pack_targets(data.T, data.y), cv=2).dtype.names[2:]
    ('nuisance_outcome_mean', 'nuisance_propensity', 'nuisance_treatments')
    """
    fields = unpack_targets(targets)
    kept = {name: value for name, value in fields.items() if name not in NUISANCE_FIELDS}
    y = as_numbers(fields.y)
    found = cross_fit_nuisances(
        X,
        fields.T,
        y,
        cv=cv,
        outcome_model=outcome_model,
        propensity_model=propensity_model,
        propensity=fields.get("propensity"),
        treatments=treatments,
        sample_weight=sample_weight,
        cluster=fields.get("cluster"),
        n_jobs=n_jobs,
        random_state=random_state,
    )
    arms = read_study(fields.T, y, treatments, None, None).treatments.arms
    n = len(y)
    return pack_targets(
        **kept,
        nuisance_outcome_mean=found.outcome_mean.reshape(n, -1),
        nuisance_propensity=found.propensity,
        nuisance_treatments=np.broadcast_to(np.asarray(arms), (n, len(found.propensity[0]))),
    )
