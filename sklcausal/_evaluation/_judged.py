"""Read rows with outcomes, and nuisances that turn them into doubly robust scores."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklcausal._encoding import Treatments
from sklcausal._evaluation._nuisances import cross_fit_nuisances
from sklcausal._evaluation._scores import arm_scores, contrast_scores
from sklcausal._evaluation._study import (
    Study,
    as_numbers,
    read_outcome_mean,
    read_probabilities,
    read_study,
)
from sklcausal.exceptions import TargetError
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_same_index,
    is_packed,
    unpack_targets,
)
from sklcausal.utils._final_step import final_step


def read_packed_nuisances(
    fields: Mapping[str, Any] | None, arms: np.ndarray, n_outcomes: int
) -> Bunch | None:
    """Read the nuisances that `add_nuisances` has put into packed targets.

    Parameters
    ----------
    fields : mapping of str to ndarray, or None
        Unpacked targets.
    arms : ndarray of shape (n_arms,)
        Labels, in the order that is wanted.
    n_outcomes : int

    Returns
    -------
    Bunch or None
        ``outcome_mean`` of shape (n_samples, n_arms, n_outcomes) and ``propensity`` of shape
        (n_samples, n_arms); None where there are no such fields.
    """
    if fields is None or "nuisance_treatments" not in fields:
        return None
    labels = fields["nuisance_treatments"].reshape(len(fields["T"]), -1)[0]
    schema = Treatments("discrete", labels, 0, tuple(map(str, labels.tolist())))
    columns = schema.encode(np.asarray(arms), "treatments")
    n = len(fields["T"])
    means = fields["nuisance_outcome_mean"].reshape(n, len(labels), -1)[:, columns]
    if means.shape[2] != n_outcomes:
        raise TargetError(
            f"`nuisance_outcome_mean` must hold {n_outcomes} outcome(s), got {means.shape[2]}"
        )
    chances = fields["nuisance_propensity"].reshape(n, -1)[:, columns]
    return Bunch(outcome_mean=means, propensity=chances / chances.sum(axis=1, keepdims=True))


def separate(T: Any, y: Any) -> Bunch:
    """Bring packed and separate targets to one form.

    Parameters
    ----------
    T, y : object
        Treatments and outcomes, or packed targets in either.

    Returns
    -------
    Bunch
        ``T``, ``y`` and the fields beside them.
    """
    if is_packed(y) and T is None:
        T, y = y, None
    if is_packed(T):
        if y is not None:
            raise TargetError("`y` must be None when `T` holds packed targets, got both")
        return unpack_targets(T)
    if T is None or y is None:
        raise TargetError(
            "treatments and outcomes are both needed, as T and y or as pack_targets(T, y), got "
            f"{'no' if T is None else 'only'} `T`"
        )
    return Bunch(T=as_column_array(T, "T"), y=as_column_array(y, "y"))


@dataclass(frozen=True)
class Judged:
    """Rows with nuisances by which effects or policies are judged.

    Attributes
    ----------
    study : Study
        Arms, outcomes and weights that sum to 1.
    outcome_mean : ndarray of shape (n_samples, n_arms, n_outcomes)
    propensity : ndarray of shape (n_samples, n_arms)
        As it came, not clipped.
    cluster : ndarray of shape (n_samples,) or None
        Labels.
    """

    study: Study
    outcome_mean: np.ndarray
    propensity: np.ndarray
    cluster: np.ndarray | None

    def scores(self, clip: float) -> np.ndarray:
        """Compute doubly robust scores of every arm.

        Parameters
        ----------
        clip : float
            Smallest probability that is divided by.

        Returns
        -------
        ndarray of shape (n_samples, n_arms, n_outcomes)
        """
        return arm_scores(self.study, self.outcome_mean, self.propensity, clip)

    def contrasts(self, clip: float) -> np.ndarray:
        """Compute doubly robust scores of the effect of every arm against the control.

        Parameters
        ----------
        clip : float
            Smallest probability that is divided by.

        Returns
        -------
        ndarray of shape (n_samples, n_contrasts, n_outcomes)
        """
        return contrast_scores(self.study, self.scores(clip))

    def less(self, costs: np.ndarray) -> Judged:
        """Take what arms cost from outcomes and from their means.

        Parameters
        ----------
        costs : ndarray of shape (n_arms,)
            Of one person, in outcome units.

        Returns
        -------
        Judged
        """
        study = replace(self.study, y=self.study.y - costs[self.study.t][:, None])
        return replace(self, study=study, outcome_mean=self.outcome_mean - costs[:, None])


def read_costs(costs: Any, labels: np.ndarray) -> np.ndarray:
    """Read what it costs to give one person each arm.

    Parameters
    ----------
    costs : mapping of label to float, array-like of shape (n_arms,), or None
        Arms that a mapping leaves out cost nothing.
    labels : ndarray of shape (n_arms,)
        Of the arms.

    Returns
    -------
    ndarray of shape (n_arms,)
    """
    if costs is None:
        return np.zeros(len(labels))
    arms = labels.tolist()
    if hasattr(costs, "to_dict"):  # a pandas series
        costs = costs.to_dict()
    if isinstance(costs, Mapping):
        unknown = [label for label in costs if label not in arms]
        if unknown:
            raise ValueError(f"`costs` must name arms among {arms}, got {unknown}")
        costs = [costs.get(label, 0.0) for label in arms]
    values = np.asarray(costs)
    if (
        values.shape != labels.shape
        or values.dtype.kind not in "biuf"
        or not np.isfinite(values).all()
    ):
        raise ValueError(
            f"`costs` must hold a finite number for each of the arms {arms}, got {costs!r}"
        )
    return values.astype(float)


def read_judged(
    X: Any,
    T: Any,
    y: Any,
    *,
    outcome_mean: Any = None,
    propensity: Any = None,
    sample_weight: Any = None,
    cluster: Any = None,
    treatments: Any = None,
    control: Any = None,
    encode: Callable[[np.ndarray], np.ndarray] = as_numbers,
    seen: Any = None,
    **cross_fit: Any,
) -> Judged:
    """Read rows, and read or cross-fit the nuisances that they come without.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    T, y : object
        Treatments and outcomes, or packed targets in either. Packed nuisances are read.
    outcome_mean : array-like of shape (n_samples, n_arms, ...) or None, default=None
    propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None, default=None
    sample_weight, cluster : array-like of shape (n_samples,) or None, default=None
    treatments, control : object, default=None
        As the metrics take them.
    encode : callable, default=as_numbers
        Turns outcomes into numbers.
    seen : array-like of shape (n_samples, n_columns) or None, default=None
        What default models of nuisances are fitted to in place of X.
    **cross_fit : object
        Arguments of `cross_fit_nuisances`.

    Returns
    -------
    Judged
    """
    check_same_index(X=X, T=T, y=y, sample_weight=sample_weight, cluster=cluster)
    check_same_index(X=X, outcome_mean=outcome_mean, propensity=propensity)
    fields = separate(T, y)
    check_lengths({"X": range(_num_samples(X)), "T": fields.T, "y": fields.y})
    given = {"propensity": propensity, "cluster": cluster}
    both = [name for name, value in given.items() if value is not None and name in fields]
    if both:
        raise TargetError(f"`{both[0]}` must be packed or passed, got both")
    given = {name: fields.get(name) if value is None else value for name, value in given.items()}
    study = read_study(fields.T, encode(fields.y), treatments, control, sample_weight)
    arms = np.asarray(study.treatments.arms)
    found = Bunch(outcome_mean=outcome_mean, propensity=given["propensity"])
    packed = read_packed_nuisances(fields, arms, study.y.shape[1])
    if packed is not None:
        found = Bunch(**packed | {name: v for name, v in found.items() if v is not None})
    if any(value is None for value in found.values()):
        own = ("outcome_model", "propensity_model")
        is_default = all(cross_fit.get(name) is None for name in own)
        fitted = cross_fit_nuisances(
            seen if is_default and seen is not None else X,
            arms[study.t],
            study.y,
            propensity=given["propensity"],
            treatments=arms,
            sample_weight=sample_weight,
            cluster=given["cluster"],
            **cross_fit,
        )
        found = Bunch(**fitted | {name: v for name, v in found.items() if v is not None})
    return Judged(
        study,
        np.array(read_outcome_mean(found.outcome_mean, study)),
        np.array(read_probabilities(found.propensity, study)),
        given["cluster"],
    )


def arms_of(estimator: Any) -> dict[str, Any]:
    """Take what judging the effects of a fitted estimator needs to know of it.

    Parameters
    ----------
    estimator : estimator
        Fitted, or a fitted search or pipeline that ends in one.

    Returns
    -------
    dict
        ``treatments``, ``control`` and ``encode``.
    """
    final = final_step(estimator)
    if hasattr(final, "effect"):
        check_is_fitted(final)
    if not hasattr(final, "treatments_") or not hasattr(final, "outcomes_"):
        raise TypeError(
            "`estimator` must be a fitted effect estimator, or a fitted pipeline or search that "
            f"ends in one, got {type(final).__name__}"
        )
    if final.treatments_ is None:
        raise TargetError(
            f"`estimator` must be fitted to arms, but {type(final).__name__} was fitted to doses"
        )
    outcomes = final.outcomes_

    def encode(y: np.ndarray) -> np.ndarray:
        numbers = outcomes.encode(y)
        return numbers[:, 0] if outcomes.one_dim else numbers

    return {"treatments": final.treatments_, "control": final.control_, "encode": encode}
