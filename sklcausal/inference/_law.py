"""The law of the treatment given x, as nodes over which a Hessian is averaged."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class TreatmentLaw(Protocol):
    """What inference needs to know of the treatment given x."""

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
    """

    def __init__(self, propensity: np.ndarray, is_known: bool = False):
        self.propensity, self.is_known = propensity, is_known

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the propensities and the arms.

        Parameters
        ----------
        rows : slice
            Rows that are asked for.

        Returns
        -------
        weight : Tensor of shape (n_arms, n)
            Weights that sum to 1 in each column.
        t : Tensor of int of shape (n_arms, n)
            Treatments of the nodes.
        """
        weight = torch.as_tensor(self.propensity[rows].T, dtype=torch.float64)
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
        return ArmLaw(self.propensity[rows], self.is_known)


class MomentLaw:
    """Means, standard deviations and one residual correlation of continuous treatments.

    Parameters
    ----------
    mean, sd : ndarray of shape (n_samples, n_treatments)
        Mean and standard deviation of the treatments given x.
    correlation : ndarray of shape (n_treatments, n_treatments)
        Correlation of the residuals.

    Notes
    -----
    The nodes ``mean ± sqrt(K) L_k`` over the columns of a root L of the covariance have the mean
    and covariance of T, so that the average of anything quadratic in T is exact.
    """

    def __init__(self, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray):
        self.mean, self.sd, self.correlation = mean, sd, correlation
        values, vectors = np.linalg.eigh(correlation)
        # rounding may leave an eigenvalue below 0 where treatments move together
        self.root = vectors * np.sqrt(np.maximum(values, 0.0))

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return two nodes per treatment.

        Parameters
        ----------
        rows : slice
            Rows that are asked for.

        Returns
        -------
        weight : Tensor of shape (2 * n_treatments, n)
            Weights that sum to 1 in each column.
        t : Tensor of shape (2 * n_treatments, n, n_treatments)
            Treatments of the nodes.
        """
        mean = torch.as_tensor(self.mean[rows], dtype=torch.float64)
        sd = torch.as_tensor(self.sd[rows], dtype=torch.float64)
        k = mean.shape[1]
        away = math.sqrt(k) * torch.as_tensor(self.root.T)[:, None, :] * sd
        t = torch.cat([mean + away, mean - away])
        return torch.full((2 * k, len(mean)), 1 / (2 * k), dtype=torch.float64), t

    def of(self, rows: np.ndarray) -> MomentLaw:
        """Return the law of some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which rows.

        Returns
        -------
        MomentLaw
            Law of these rows.
        """
        return MomentLaw(self.mean[rows], self.sd[rows], self.correlation)
