"""What a stack learns from: folds, the loss of effects, and doubly robust scores."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import Bunch

from sklcausal._encoding import Outcomes
from sklcausal._evaluation._cv import check_folds
from sklcausal._evaluation._judged import read_packed_nuisances
from sklcausal._evaluation._nuisances import BOOSTING, cross_fit_nuisances
from sklcausal._evaluation._scores import arm_scores, contrast_scores, partial_out
from sklcausal._evaluation._study import Study
from sklcausal._folds import assign_folds
from sklcausal._models import PotentialOutcomes
from sklcausal._sklearn_models import fit_weighted, seeded
from sklcausal.exceptions import TargetError
from sklcausal.inference._engine import Engine
from sklcausal.inference._hessian import LawHessian
from sklcausal.inference._law import ArmLaw
from sklcausal.inference._units import EngineUnits
from sklcausal.model_selection._candidates import StudyRows
from sklcausal.model_selection._split import (
    TreatmentStratifiedKFold,
    TreatmentStratifiedShuffleSplit,
)

N_FOLDS = 5
MIN_ROWS = 2  # of an arm, which every candidate needs


def _both(nuisances: Bunch) -> tuple[np.ndarray, np.ndarray]:
    return nuisances.outcome_mean, nuisances.propensity


def deal_folds(
    cv: Any, rows: StudyRows, study: Study, rng: np.random.RandomState
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal rows to folds that hold every arm, clusters together.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test) or None
    rows : StudyRows
    study : Study
    rng : RandomState

    Returns
    -------
    list of tuple of ndarray of int
        Training and test rows of each fold.
    """
    cv = N_FOLDS if cv is None else cv
    if isinstance(cv, Integral):
        counts = np.bincount(rows.t)
        if counts.min() < cv:
            arm = rows.treatments.labels[int(counts.argmin())]
            raise TargetError(
                f"`T` must hold at least cv={cv} rows of every arm, got {counts.min()} of {arm!r}"
            )
        n_clusters = len(rows.t) if rows.cluster is None else len(np.unique(rows.cluster))
        if n_clusters < int(cv):
            raise TargetError(f"`cluster` must hold at least cv={cv} labels, got {n_clusters}")
        is_binary = rows.outcomes.kinds == ("binary",)
        order = rows.y[:, 0] if is_binary else np.zeros(len(rows.t))
        number = assign_folds(int(cv), rows.t, order, rows.cluster, rng)
        pairs = [np.flatnonzero(number == k) for k in range(cv)]
        cv = [(np.setdiff1d(np.arange(len(number)), test), test) for test in pairs]
    elif isinstance(cv, (TreatmentStratifiedKFold, TreatmentStratifiedShuffleSplit)):
        cv = list(cv.split(np.zeros((len(rows.t), 1)), rows.pack()))  # with clusters
    elif hasattr(cv, "split"):
        cv = list(cv.split(np.zeros((len(rows.t), 1)), rows.t, rows.cluster))
    elif isinstance(cv, Iterator):
        raise ValueError(f"`cv` must be a list of folds, which can be read twice, got {cv!r}")
    folds = check_folds(cv, study, rows.cluster, 0)
    for k, (train, test) in enumerate(folds):
        own = rows.cluster
        if own is not None and np.isin(own[test], own[train]).any():
            raise TargetError(
                "`cluster` must not have the same label among training and test rows of a fold, "
                f"got fold {k} of `cv` that does; use an integer or a splitter of groups"
            )
    for k, (train, _) in enumerate(folds):
        counts = np.bincount(rows.t[train], minlength=rows.treatments.n_arms)
        if counts.min() < MIN_ROWS:
            arm = rows.treatments.labels[int(counts.argmin())]
            raise TargetError(
                f"`T` must hold at least {MIN_ROWS} rows of every arm among the training rows of "
                f"each fold, got {counts.min()} of {arm!r} in fold {k}; use other folds in `cv`"
            )
    return folds


def find_nuisances(
    rows: StudyRows,
    packed: Bunch | None,
    folds: list[tuple[np.ndarray, np.ndarray]],
    models: dict[str, Any],
) -> Bunch:
    """Read nuisances from packed targets, or cross-fit them on the folds of the candidates.

    Parameters
    ----------
    rows : StudyRows
    packed : Bunch or None
        Fields of packed targets.
    folds : list of tuple of ndarray of int
    models : dict
        Arguments of `cross_fit_nuisances`.

    Returns
    -------
    Bunch
        ``outcome_mean`` of shape (n_samples, n_arms, n_outcomes) and ``propensity``.
    """
    arms = np.asarray(rows.treatments.arms)
    found = read_packed_nuisances(packed, arms, rows.outcomes.n_outcomes)
    if found is not None:
        known = rows.propensity
        return found if known is None else Bunch(**found | {"propensity": known})
    return cross_fit_nuisances(
        rows.X,
        rows.t,
        rows.y,
        cv=folds,
        propensity=rows.propensity,
        treatments=np.arange(len(arms)),
        sample_weight=rows.weight,
        cluster=rows.cluster,
        **models,
    )


def fit_propensity(rows: StudyRows, model: Any, seed: int) -> Any:
    """Fit the model of the arms to all rows, unless their probabilities are known.

    Parameters
    ----------
    rows : StudyRows
    model : classifier or None
        None takes gradient boosting of histograms.
    seed : int

    Returns
    -------
    classifier or None
    """
    if rows.propensity is not None:
        return None
    model = HistGradientBoostingClassifier(**BOOSTING) if model is None else model
    return fit_weighted(seeded(model, seed), rows.X, rows.t, rows.weight, np.arange(len(rows.t)))


def effect_system(
    loss: str, study: Study, nuisances: Bunch, effect: np.ndarray, clip: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write a loss of weighted effects as weighted least squares.

    Outcomes are divided by their standard deviations, so that units do not matter.

    Parameters
    ----------
    loss : {'dr', 'r'}
    study : Study
    nuisances : Bunch
        Out-of-fold.
    effect : ndarray of shape (n_candidates, n, n_contrasts, n_outcomes)
        Out-of-fold.
    clip : float
        Smallest probability that is divided by.

    Returns
    -------
    columns : ndarray of shape (n_equations, n_candidates)
    target : ndarray of shape (n_equations,)
    weight : ndarray of shape (n_equations,)
        They sum to 1.
    """
    mean = study.weight @ study.y
    scale = np.sqrt(study.weight @ (study.y - mean) ** 2)
    scale = np.where((scale > 0) & (study.y.shape[1] > 1), scale, 1.0)
    if loss == "dr":
        target = contrast_scores(study, arm_scores(study, *_both(nuisances), clip)) / scale
        columns = effect / scale
    else:
        left, surprise = partial_out(study, *_both(nuisances))
        target = left / scale
        columns = np.einsum("nc,kncm->knm", surprise, effect) / scale
    per_row = target[0].size
    weight = np.repeat(study.weight / per_row, per_row)
    return columns.reshape(len(columns), -1).T, target.ravel(), weight


def fill_engine(rows: StudyRows, mean: np.ndarray, propensity: np.ndarray) -> Engine:
    """Let the engine hold doubly robust scores: mean outcomes of arms with an identity link.

    Parameters
    ----------
    rows : StudyRows
    mean : ndarray of shape (n_samples, n_arms, n_outcomes)
        Out-of-fold.
    propensity : ndarray of shape (n_samples, n_arms)

    Returns
    -------
    Engine
    """
    m = rows.outcomes.n_outcomes
    plain = Outcomes(("continuous",) * m, rows.outcomes.names, rows.outcomes.one_dim, (None,) * m)
    model = PotentialOutcomes().setup(rows.treatments, plain)
    units = EngineUnits(np.zeros(m), np.ones(m), np.empty(0), np.empty(0))
    law = ArmLaw(propensity, rows.propensity is not None)
    theta = mean.reshape(len(mean), -1)
    engine = Engine(model, units, rows.treatments, None)
    return engine.fit(rows.y, rows.t, theta, LawHessian(law), law, rows.weight, rows.cluster)
