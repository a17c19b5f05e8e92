"""Add outcomes up to value and cost."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklcausal._evaluation._judged import read_costs
from sklcausal.utils._positions import find_position


def _read_weights(given: Any, names: list[str], what: str) -> np.ndarray:
    """Read how outcomes add up to value or cost, shape (n_outcomes,)."""
    if given is None:
        return np.zeros(len(names))
    weights: Any = given if isinstance(given, Mapping) else {given: 1.0}
    found = np.zeros(len(names))
    for key, weight in weights.items():
        if not isinstance(weight, (int, float, np.number)) or not np.isfinite(weight):
            raise ValueError(f"`{what}` must hold finite weights, got {weight!r} for {key!r}")
        found[find_position(key, names, what)] = weight
    if not found.any():
        raise ValueError(f"`{what}` must weigh at least one outcome, got {given!r}")
    return found


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
