"""Fit candidates to the same arms, and ask them for effects."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._sklearn_models import seeded
from sklcausal.exceptions import TargetError
from sklcausal.targets import pack_targets
from sklcausal.utils._final_step import final_step, inner_of, name_weight, transform_to_final


def _last(candidate: Any) -> Any:
    """Return the effect estimator that an unfitted candidate ends in."""
    candidate = inner_of(candidate)
    while isinstance(candidate, Pipeline):
        candidate = inner_of(candidate.steps[-1][1])
    return candidate


def _is_word(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


@dataclass(frozen=True)
class StudyRows:
    """Rows that candidates are fitted to or asked about.

    Attributes
    ----------
    X : array-like of shape (n_samples, n_features)
        A frame where the user gave one.
    t : ndarray of int of shape (n_samples,)
        Codes of arms.
    y : ndarray of shape (n_samples, n_outcomes)
    weight : ndarray of shape (n_samples,) or None
    propensity : ndarray of shape (n_samples, n_arms) or None
    cluster : ndarray of int of shape (n_samples,) or None
    treatments : Treatments
    outcomes : Outcomes
    """

    X: Any
    t: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    propensity: np.ndarray | None
    cluster: np.ndarray | None
    treatments: Treatments
    outcomes: Outcomes

    def of(self, rows: np.ndarray) -> StudyRows:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        StudyRows
        """
        weight, propensity, cluster = (
            None if values is None else values[rows]
            for values in (self.weight, self.propensity, self.cluster)
        )
        return replace(
            self,
            X=_safe_indexing(self.X, rows),
            t=self.t[rows],
            y=self.y[rows],
            weight=weight,
            propensity=propensity,
            cluster=cluster,
        )

    def pack(self) -> np.ndarray:
        """Pack labels of arms, outcomes and the fields beside them.

        Returns
        -------
        structured ndarray of shape (n_samples,)
        """
        assert self.treatments.arms is not None
        y = self.y[:, 0] if self.outcomes.one_dim else self.y
        return pack_targets(
            self.treatments.arms[self.t], y, propensity=self.propensity, cluster=self.cluster
        )


def check_candidates(estimators: Any) -> list[tuple[str, Any]]:
    """Check names and kinds of candidates, and leave out those that are dropped.

    Parameters
    ----------
    estimators : sequence of tuple of str and estimator

    Returns
    -------
    list of tuple of str and estimator
    """
    for pair in estimators:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"`estimators` must hold pairs (name, estimator), got {pair!r}")
    named = [(name, own) for name, own in estimators if not _is_word(own, "drop")]
    if not named:
        raise ValueError(f"`estimators` must hold at least 1 candidate, got {estimators!r}")
    for name, own in named:
        last = final_step(_last(own))  # of what is frozen
        if not hasattr(own, "get_params") or not hasattr(last, "effect"):
            raise TypeError(
                "`estimators` must hold effect estimators, or pipelines or searches that end in "
                f"one, got {own!r} for {name!r}"
            )
    return named


def prepare(candidate: Any, rows: StudyRows, seed: int) -> Any:
    """Copy a candidate, unfitted, with the arms of the study and a seed where it has none.

    Parameters
    ----------
    candidate : estimator
    rows : StudyRows
    seed : int

    Returns
    -------
    estimator
        The candidate itself where it is frozen.
    """
    if isinstance(_last(candidate), FrozenEstimator):
        return clone(candidate)
    candidate = seeded(candidate, seed)
    last = _last(candidate)
    schema, kinds = rows.treatments, list(rows.outcomes.kinds)
    common = {
        "treatment_type": "discrete",
        "treatments": schema.labels,
        "control": schema.labels[schema.control],
        "outcome": kinds[0] if rows.outcomes.one_dim else kinds,
    }
    own = last.get_params(deep=False)
    # what a candidate was told by its user stays, and is compared after the fit
    is_open = [
        name in own and (own[name] is None or _is_word(own[name], "auto")) for name in common
    ]
    last.set_params(**{n: v for (n, v), free in zip(common.items(), is_open, strict=True) if free})
    return candidate


def fit_candidate(name: str, candidate: Any, rows: StudyRows) -> Any:
    """Fit a prepared candidate, and check that it has the arms of the study.

    Parameters
    ----------
    name : str
    candidate : estimator
    rows : StudyRows

    Returns
    -------
    estimator
        The fitted candidate.
    """
    options = {} if rows.weight is None else {name_weight(candidate): rows.weight}
    candidate.fit(rows.X, rows.pack(), **options)
    last = final_step(candidate)
    if not hasattr(last, "treatments_"):
        raise TypeError(
            "`estimators` must hold candidates that are fitted by `fit`, and searches with "
            f"refit=True, got {candidate!r} for {name!r}"
        )
    schema = rows.treatments
    control = schema.labels[schema.control]
    came = np.asarray(getattr(last, "treatments_", None)), getattr(last, "control_", None)
    if not np.array_equal(came[0], np.asarray(schema.arms)) or came[1] != control:
        raise TargetError(
            f"`estimators` must all have the arms {schema.labels} and the control {control!r}, "
            f"got {came[0].tolist()} and {came[1]!r} for {name!r}"
        )
    kinds, own = list(rows.outcomes.kinds), list(last.outcomes_.kinds)
    # probabilities are no means of other outcomes; all else may be told to be something else
    if len(own) != len(kinds) or any(o == "binary" != k for o, k in zip(own, kinds, strict=True)):
        raise TargetError(
            f"`estimators` must all have outcomes of the kinds {kinds}, got {own} for {name!r}"
        )
    return candidate


def answer(candidate: Any, name: str, X: Any) -> np.ndarray:
    """Ask the effect estimator in which a fitted candidate ends, with X sent through the rest.

    Parameters
    ----------
    candidate : estimator
    name : str
        Name of the method.
    X : array-like of shape (n, n_features)

    Returns
    -------
    ndarray of shape (n, ...)
    """
    seen = transform_to_final(candidate, X)
    return np.asarray(getattr(final_step(candidate), name)(seen), dtype=float)


@dataclass(frozen=True)
class Answers:
    """What candidates say of rows.

    Attributes
    ----------
    effect : ndarray of shape (n_candidates, n, n_contrasts, n_outcomes)
        Of each arm against the control.
    mean : ndarray of shape (n_candidates, n, n_arms, n_outcomes)
        Mean outcomes.
    """

    effect: np.ndarray
    mean: np.ndarray


def ask_one(question: str, candidates: list[Any], X: Any, n_outcomes: int) -> np.ndarray:
    """Ask fitted candidates for effects or mean outcomes.

    Parameters
    ----------
    question : {'effect', 'potential_outcomes'}
    candidates : list of estimator
    X : array-like of shape (n, n_features)
    n_outcomes : int

    Returns
    -------
    ndarray of shape (n_candidates, n, n_contrasts or n_arms, n_outcomes)
    """
    answers = [answer(own, question, X) for own in candidates]
    return np.stack([own.reshape(len(own), -1, n_outcomes) for own in answers])


def ask(candidates: list[Any], X: Any, n_outcomes: int) -> Answers:
    """Ask fitted candidates for effects and mean outcomes.

    Parameters
    ----------
    candidates : list of estimator
    X : array-like of shape (n, n_features)
    n_outcomes : int

    Returns
    -------
    Answers
    """
    questions = ("effect", "potential_outcomes")
    return Answers(*(ask_one(own, candidates, X, n_outcomes) for own in questions))


def fit_and_ask(
    name: str, candidate: Any, rows: StudyRows, unseen: Any, seed: int
) -> tuple[Any, Answers]:
    """Fit a candidate to the training rows of a fold, and ask it for the others.

    Parameters
    ----------
    name : str
    candidate : estimator
        Unfitted.
    rows : StudyRows
    unseen : array-like of shape (n, n_features)
    seed : int

    Returns
    -------
    fitted : estimator
    answers : Answers
        Of this candidate alone.
    """
    fitted = fit_candidate(name, prepare(candidate, rows, seed), rows)
    return fitted, ask([fitted], unseen, rows.outcomes.n_outcomes)


def fit_folds(
    candidates: list[tuple[str, Any]],
    rows: StudyRows,
    folds: list[tuple[np.ndarray, np.ndarray]],
    seeds: list[int],
    n_jobs: int | None,
) -> tuple[list[list[Any]], Answers]:
    """Fit every candidate without each fold, and ask it for the rows of the fold.

    Parameters
    ----------
    candidates : list of tuple of str and estimator
    rows : StudyRows
    folds : list of tuple of ndarray of int
        Training and test rows.
    seeds : list of int
        One for each candidate.
    n_jobs : int or None

    Returns
    -------
    fitted : list of list of estimator
        Candidates of each fold.
    answers : Answers
        Out-of-fold.
    """
    parts = [(rows.of(train), rows.of(test).X) for train, test in folds]
    found = Parallel(n_jobs=n_jobs)(
        delayed(fit_and_ask)(name, candidate, train, unseen, seed)
        for train, unseen in parts
        for (name, candidate), seed in zip(candidates, seeds, strict=True)
    )
    n_arms, n_outcomes = rows.treatments.n_arms, rows.outcomes.n_outcomes
    shape = (len(candidates), len(rows.t))
    effect = np.empty((*shape, n_arms - 1, n_outcomes))
    mean = np.empty((*shape, n_arms, n_outcomes))
    fitted = []
    for k, (_, test) in enumerate(folds):
        own = found[k * len(candidates) : (k + 1) * len(candidates)]
        fitted.append([candidate for candidate, _ in own])
        for j, (_, answers) in enumerate(own):
            effect[j, test], mean[j, test] = answers.effect[0], answers.mean[0]
    return fitted, Answers(effect, mean)


def fit_all(
    candidates: list[tuple[str, Any]], rows: StudyRows, seeds: list[int], n_jobs: int | None
) -> list[Any]:
    """Fit every candidate to all rows.

    Parameters
    ----------
    candidates : list of tuple of str and estimator
    rows : StudyRows
    seeds : list of int
        One for each candidate.
    n_jobs : int or None

    Returns
    -------
    list of estimator
    """
    return Parallel(n_jobs=n_jobs)(
        delayed(fit_candidate)(name, prepare(candidate, rows, seed), rows)
        for (name, candidate), seed in zip(candidates, seeds, strict=True)
    )
