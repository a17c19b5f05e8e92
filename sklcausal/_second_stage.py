"""What a network for effects is trained on, when others have learned outcomes and propensities."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sklcausal._objective import Objective, squared_error


@dataclass
class StageRows:
    """Rows that a second stage may see, with nuisances from networks that did not see them.

    Attributes
    ----------
    y : ndarray of shape (n, n_outcomes)
        In outcome units; NaN where not observed.
    t : ndarray of int of shape (n,), or of float of shape (n, n_treatments)
    control : int
        Code of the arm that others are compared with.
    means_of : callable
        Returns `mean`.
    psi_of : callable
        Returns `psi`.
    weight : ndarray of shape (n,)
    propensity : ndarray of shape (n, n_arms) or None
        Of the arms; None for doses.
    chance : ndarray of shape (n, n_arms, n_outcomes) or None
        That an outcome is observed; None where all are.
    """

    y: np.ndarray
    t: np.ndarray
    control: int
    means_of: Callable[[], np.ndarray] = field(repr=False)
    psi_of: Callable[[], np.ndarray] = field(repr=False)
    weight: np.ndarray
    propensity: np.ndarray | None = None
    chance: np.ndarray | None = None

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean outcomes of the arms, shape (n, n_arms, n_outcomes)."""
        return self.means_of()

    @cached_property
    def psi(self) -> np.ndarray:
        """Influence values of the cells, shape (n, n_cells)."""
        return self.psi_of()

    @property
    def others(self) -> np.ndarray:
        """Codes of the arms that are compared with the control."""
        assert self.propensity is not None
        return np.delete(np.arange(self.propensity.shape[1]), self.control)

    def against_control(self, values: np.ndarray) -> np.ndarray:
        """Subtract what holds for the control from what holds for each other arm.

        Parameters
        ----------
        values : ndarray of shape (n, n_arms, n_outcomes)

        Returns
        -------
        ndarray of shape (n, n_arms - 1, n_outcomes)
        """
        return values[:, self.others] - values[:, [self.control]]

    def received(self) -> np.ndarray:
        """Mark the arm that each row received.

        Returns
        -------
        ndarray of float of shape (n, n_arms)
        """
        assert self.propensity is not None
        return np.eye(self.propensity.shape[1])[self.t]


@dataclass(frozen=True)
class EffectTask:
    """How effects are learned from the nuisances.

    Attributes
    ----------
    targets : callable
        Maps `StageRows` to an array of shape (n, n_columns) on which the network is trained.
    n_heads, n_out : int
        Of the network.
    cells : ndarray of shape (n_effects, n_cells)
        How effects are written as cells, of which all effects are differences.
    n_scaled : int
        Leading columns of the targets that are centred and scaled.
    units_of : ndarray of int of shape (n_effects,)
        Column of the targets in whose units an effect is.
    is_centred : bool
        Whether effects are centred as these columns, not only scaled.
    objective : Objective
    """

    targets: Callable[[StageRows], np.ndarray]
    n_heads: int
    n_out: int
    cells: np.ndarray
    n_scaled: int
    units_of: np.ndarray
    is_centred: bool = True
    objective: Objective = field(default_factory=lambda: Objective(squared_error))

    @classmethod
    def of_cells(cls, n_heads: int, n_cells: int) -> EffectTask:
        """Regress the influence values of the cells.

        Parameters
        ----------
        n_heads, n_cells : int

        Returns
        -------
        EffectTask
        """
        every = np.arange(n_cells)
        cells = np.eye(n_cells)
        return cls(lambda rows: rows.psi, n_heads, n_cells // n_heads, cells, n_cells, every)
