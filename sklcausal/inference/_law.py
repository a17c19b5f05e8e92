"""What inference needs to know of the treatment given x, and the law of arms."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class TreatmentLaw(Protocol):
    """What inference needs to know of the treatment given x."""

    method: str

    @property
    def n_nodes(self) -> int:
        """Number of nodes of every row."""
        ...

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return weights and treatments at which a function of T is averaged.

        Parameters
        ----------
        rows : slice
            Rows that are asked for.

        Returns
        -------
        weight : Tensor of shape (n_nodes, n)
            Weights that sum to 1 in each column.
        t : Tensor of shape (n_nodes, n) for arms, (n_nodes, n, n_treatments) for doses
            Treatments of the nodes.
        """
        ...

    def of(self, rows: np.ndarray) -> TreatmentLaw:
        """Return the law of some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which rows.

        Returns
        -------
        TreatmentLaw
            Law of these rows.
        """
        ...


class ArmLaw:
    """Probabilities of the arms.

    Parameters
    ----------
    propensity : ndarray of shape (n_samples, n_arms)
        Probability of each arm.
    is_known : bool, default=False
        Whether they are those of a trial, not estimates.
    inverse : ndarray of shape (n_samples, n_arms) or None, default=None
        What stands for one over the probabilities where outcomes are weighted, such as learned
        Riesz representers; None takes one over the probabilities.
    """

    method = "propensity"

    def __init__(
        self, propensity: np.ndarray, is_known: bool = False, inverse: np.ndarray | None = None
    ):
        self.propensity, self.is_known, self.inverse = propensity, is_known, inverse

    @property
    def n_nodes(self) -> int:
        """Number of arms."""
        return self.propensity.shape[1]

    @property
    def chance(self) -> np.ndarray:
        """What outcomes are divided by, shape (n_samples, n_arms)."""
        return self.propensity if self.inverse is None else 1 / self.inverse

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the propensities and the arms.

        Parameters
        ----------
        rows : slice
            Rows that are asked for.

        Returns
        -------
        weight : Tensor of shape (n_arms, n)
            Weights that sum to 1 in each column, unless ``inverse`` was given.
        t : Tensor of int of shape (n_arms, n)
            Treatments of the nodes.
        """
        weight = torch.as_tensor(self.chance[rows].T, dtype=torch.float64)
        t = torch.arange(len(weight))[:, None].expand(-1, weight.shape[1])
        return weight, t

    def of(self, rows: np.ndarray) -> ArmLaw:
        """Return the law of some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which rows.

        Returns
        -------
        ArmLaw
            Law of these rows.
        """
        inverse = None if self.inverse is None else self.inverse[rows]
        return ArmLaw(self.propensity[rows], self.is_known, inverse)
