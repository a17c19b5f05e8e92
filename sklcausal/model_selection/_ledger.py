"""Add outcomes up to value and cost."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklcausal._evaluation._judged import (
    Judged,
    read_costs,
    read_judged,
    read_packed_nuisances,
    separate,
)
from sklcausal.exceptions import TargetError
from sklcausal.targets import check_same_index, columns_in_order
from sklcausal.utils._final_step import final_step
from sklcausal.utils._positions import find_position


def _hashable(given: Any) -> Any:
    """Let what is no name be refused as one."""
    return given if isinstance(given, (str, int, np.integer)) else repr(given)


def _read_weights(given: Any, names: list[str], what: str) -> np.ndarray:
    """Read how outcomes add up to value or cost, shape (n_outcomes,)."""
    if given is None:
        return np.zeros(len(names))
    weights: Any = given if isinstance(given, Mapping) else {_hashable(given): 1.0}
    found, seen = np.zeros(len(names)), set()
    for key, weight in weights.items():
        is_number = isinstance(weight, (int, float, np.number)) and not isinstance(weight, bool)
        if not is_number or not np.isfinite(weight):
            raise ValueError(f"`{what}` must hold finite weights, got {weight!r} for {key!r}")
        at = find_position(key, names, what)
        if at in seen:
            raise ValueError(f"`{what}` must name an outcome once, got {names[at]!r} twice")
        seen.add(at)
        found[at] = weight
    if not found.any():
        raise ValueError(f"`{what}` must weigh at least one outcome, got {given!r}")
    return found


def _read_nuisances(
    fields: Mapping[str, Any], given: Mapping[str, Any], ledger: Ledger, arms: np.ndarray
) -> dict[str, Any]:
    """Take nuisances from packed targets or arguments, those of outcomes as value and cost."""
    n_rows, n_outcomes = len(fields["T"]), len(ledger.value)
    found: dict[str, Any] = {}
    for name in ("propensity", "cluster"):
        if given.get(name) is not None and name in fields:
            raise TargetError(f"`{name}` must be packed or passed, got both")
        found[name] = fields.get(name) if given.get(name) is None else given[name]
    packed, mean = read_packed_nuisances(fields, arms, n_outcomes), given.get("outcome_mean")
    if packed is not None:
        mean = packed.outcome_mean if mean is None else mean
        if found["propensity"] is None:
            found["propensity"] = packed.propensity
    shape = (n_rows, len(arms), n_outcomes)
    if mean is not None:
        mean = np.asarray(mean, dtype=float)
        if mean.size != np.prod(shape):
            raise ValueError(f"`outcome_mean` must have shape {shape}, got {mean.shape}")
        mean = ledger.of_arms(mean.reshape(shape))
    return found | {"outcome_mean": mean}


@dataclass(frozen=True)
class Ledger:
    """How outcomes and arms add up to value and cost.

    Attributes
    ----------
    value, cost : ndarray of shape (n_outcomes,)
        Weights of the outcomes.
    costs : ndarray of shape (n_arms,)
        What each arm costs whatever happens.
    """

    value: np.ndarray
    cost: np.ndarray
    costs: np.ndarray

    @classmethod
    def read(cls, value: Any, cost: Any, costs: Any, names: list[str], arms: np.ndarray) -> Ledger:
        """Read what a user said of value and cost.

        Parameters
        ----------
        value : name, position, or mapping of them to float
        cost : name, position, mapping of them to float, or None
        costs : mapping of label to float, array-like of shape (n_arms,), or None
        names : list of str
            Of the outcomes.
        arms : ndarray of shape (n_arms,)
            Labels.

        Returns
        -------
        Ledger
        """
        if value is None:
            raise ValueError("`value` must name an outcome, or the weights of several, got None")
        if cost is None and costs is None:
            raise ValueError("`cost` or `costs` must be given, got neither")
        weights = (_read_weights(value, names, "value"), _read_weights(cost, names, "cost"))
        return cls(*weights, read_costs(costs, arms))

    @property
    def reads(self) -> np.ndarray:
        """Which outcomes enter value or cost."""
        found: np.ndarray = (self.value != 0) | (self.cost != 0)
        return found

    def of_arms(self, outcomes: np.ndarray) -> np.ndarray:
        """Add up outcomes of every arm.

        Parameters
        ----------
        outcomes : ndarray of shape (n_samples, n_arms, n_outcomes)

        Returns
        -------
        ndarray of shape (n_samples, n_arms, 2)
            Value and cost.
        """
        return np.stack([outcomes @ self.value, outcomes @ self.cost + self.costs], axis=-1)

    def of_rows(self, outcomes: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Add up outcomes of rows that received an arm.

        Parameters
        ----------
        outcomes : ndarray of shape (n_samples, n_outcomes)
        t : ndarray of int of shape (n_samples,)
            Arms.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Value and cost.
        """
        return np.stack([outcomes @ self.value, outcomes @ self.cost + self.costs[t]], axis=-1)


def read_rows(policy: Any, X: Any, T: Any, y: Any, given: Mapping[str, Any]) -> Judged:
    """Read rows, with value and cost in place of outcomes, for judging a policy.

    Parameters
    ----------
    policy : BudgetedPolicy
        Fitted.
    X, T, y : object
        As `BudgetedPolicy.evaluate` takes them.
    given : mapping of str to object
        Nuisances, row weights and clusters.

    Returns
    -------
    Judged
    """
    check_is_fitted(policy)
    names, ledger, arms = policy._names, policy._ledger, policy.treatments_
    y = columns_in_order(y, names, "y")
    check_same_index(X=X, T=T, y=y, **given)
    fields, final = separate(T, y), final_step(policy.estimator_)
    numbers = final.outcomes_.encode(fields.y)
    numbers[:, ~ledger.reads] = 0.0
    missing = np.flatnonzero(np.isnan(numbers).any(axis=0))
    if len(missing):
        raise TargetError(
            "`y` must have no missing cells of value and cost where policies are judged, got NaN "
            f"in {[names[m] for m in missing]}"
        )
    return read_judged(
        X,
        fields.T,
        ledger.of_rows(numbers, final.contrasts_.treatments.encode(fields.T)),
        treatments=arms,
        control=policy.control_,
        random_state=policy.random_state,
        sample_weight=given.get("sample_weight"),
        **_read_nuisances(fields, given, ledger, arms),
    )
