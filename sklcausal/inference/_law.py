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

        Returns
        -------
        weight : Tensor of shape (n_nodes, n)
        t : Tensor of shape (n_nodes, n) for arms, (n_nodes, n, n_treatments) for doses
        """
        ...


class ArmLaw:
    """Probabilities of the arms.

    Parameters
    ----------
    propensity : ndarray of shape (n_samples, n_arms)
    """

    def __init__(self, propensity: np.ndarray):
        self.propensity = propensity

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the propensities and the arms.

        Parameters
        ----------
        rows : slice

        Returns
        -------
        weight : Tensor of shape (n_arms, n)
        t : Tensor of int of shape (n_arms, n)
        """
        weight = torch.as_tensor(self.propensity[rows].T, dtype=torch.float64)
        t = torch.arange(len(weight))[:, None].expand(-1, weight.shape[1])
        return weight, t


class MomentLaw:
    """Means, standard deviations and one residual correlation of continuous treatments.

    Parameters
    ----------
    mean, sd : ndarray of shape (n_samples, n_treatments)
    correlation : ndarray of shape (n_treatments, n_treatments)

    Notes
    -----
    The nodes ``mean ± sqrt(K) L_k`` over the columns of a root L of the covariance have the mean
    and covariance of T, so that the average of anything quadratic in T is exact.
    """

    def __init__(self, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray):
        self.mean, self.sd = mean, sd
        self.root = np.linalg.cholesky(correlation)

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return two nodes per treatment.

        Parameters
        ----------
        rows : slice

        Returns
        -------
        weight : Tensor of shape (2 * n_treatments, n)
        t : Tensor of shape (2 * n_treatments, n, n_treatments)
        """
        mean = torch.as_tensor(self.mean[rows], dtype=torch.float64)
        sd = torch.as_tensor(self.sd[rows], dtype=torch.float64)
        k = mean.shape[1]
        away = math.sqrt(k) * torch.as_tensor(self.root.T)[:, None, :] * sd
        t = torch.cat([mean + away, mean - away])
        return torch.full((2 * k, len(mean)), 1 / (2 * k), dtype=torch.float64), t
