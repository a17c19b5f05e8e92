"""The law of the treatment given x, as nodes over which a Hessian is averaged."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

N_BINS = 25  # nodes of a single dose
N_DRAWS = 64  # nodes of several treatments


class TreatmentLaw(Protocol):
    """What inference needs to know of the treatment given x."""

    method: str

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

    method = "propensity"

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

    method = "moments"

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


class NodeLaw:
    """Treatments spread around their mean as the residuals are, or the same for everybody.

    Parameters
    ----------
    mean, sd : ndarray of shape (n_samples, n_treatments)
        Mean and standard deviation of the treatments given x.
    steps : ndarray of shape (n_nodes, n_treatments)
        Nodes in standard deviations from the mean; of a treatment that is 0 or 1, ranks: it is 1
        where the rank exceeds the probability of 0.
    is_binary : ndarray of bool of shape (n_treatments,)
        Treatments that are 0 or 1, whose mean is a probability.
    origin, unit : ndarray of shape (n_treatments,)
        Nodes are handed over as ``(t - origin) / unit``.
    method : str, default='quadrature'
        How the nodes came about.
    bounds : tuple of ndarray of shape (n_treatments,), or None, default=None
        Smallest and largest treatments, beyond which no node lies.
    """

    def __init__(
        self,
        mean: np.ndarray,
        sd: np.ndarray,
        steps: np.ndarray,
        is_binary: np.ndarray,
        origin: np.ndarray,
        unit: np.ndarray,
        method: str = "quadrature",
        bounds: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        self.bounds = bounds
        self.mean, self.sd, self.steps, self.is_binary = mean, sd, steps, is_binary
        self.origin, self.unit, self.method = origin, unit, method

    def nodes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return equally weighted nodes.

        Parameters
        ----------
        rows : slice
            Rows that are asked for.

        Returns
        -------
        weight : Tensor of shape (n_nodes, n)
            Weights that sum to 1 in each column.
        t : Tensor of shape (n_nodes, n, n_treatments)
            Treatments of the nodes.
        """
        mean, sd = self.mean[rows], self.sd[rows]
        if self.is_binary.tolist() == [True]:
            weight = np.hstack([1 - mean, mean]).T
            t = np.broadcast_to(np.arange(2.0)[:, None, None], (2, len(mean), 1))
            return torch.as_tensor(weight), torch.as_tensor((t - self.origin) / self.unit)
        steps = self.steps[:, None, :]
        doses = mean + steps * sd
        if self.bounds is not None:
            doses = np.clip(doses, *self.bounds)
        t = np.where(self.is_binary, steps > 1 - mean, doses)
        weight = np.full(t.shape[:2], 1 / len(t))
        return torch.as_tensor(weight), torch.as_tensor((t - self.origin) / self.unit)

    def of(self, rows: np.ndarray) -> NodeLaw:
        """Return the law of some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which rows.

        Returns
        -------
        NodeLaw
            Law of these rows.
        """
        common = (self.steps, self.is_binary, self.origin, self.unit, self.method, self.bounds)
        return NodeLaw(self.mean[rows], self.sd[rows], *common)


def residual_steps(
    residual: np.ndarray, weight: np.ndarray, correlation: np.ndarray, is_binary: np.ndarray
) -> np.ndarray:
    """Choose nodes that stand for standardised residuals.

    A single treatment gets the means of 25 bins of equal weight; several get 64 antithetic draws
    of a Gaussian copula with the quantiles of each. Nodes have mean 0 and standard deviation 1.

    Parameters
    ----------
    residual : ndarray of shape (n, n_treatments)
    weight : ndarray of shape (n,)
    correlation : ndarray of shape (n_treatments, n_treatments)
    is_binary : ndarray of bool of shape (n_treatments,)
        Treatments for which ranks are returned.

    Returns
    -------
    ndarray of shape (n_nodes, n_treatments)
    """
    k = residual.shape[1]
    if k == 1:
        order = np.argsort(residual[:, 0])
        bins = np.minimum(
            (np.cumsum(weight[order]) / weight.sum() * N_BINS).astype(int), N_BINS - 1
        )
        total = np.bincount(bins, weight[order] * residual[order, 0], minlength=N_BINS)
        size = np.bincount(bins, weight[order], minlength=N_BINS)
        steps = (total / np.where(size > 0, size, 1.0))[size > 0, None]
    else:
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        draws = np.random.default_rng(0).standard_normal((N_DRAWS // 2, k)) @ root.T
        ranks = norm.cdf(np.vstack([draws, -draws]))
        steps = np.empty_like(ranks)
        for j in range(k):
            quantiles = np.quantile(residual[weight > 0, j], ranks[:, j])
            steps[:, j] = ranks[:, j] if is_binary[j] else quantiles
    spread = steps.std(axis=0)
    standard = (steps - steps.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.where(is_binary, steps, standard)


def marginal_law(t: np.ndarray, weight: np.ndarray, n_arms: int, quadratic: bool) -> TreatmentLaw:
    """Describe a treatment that does not depend on x.

    Parameters
    ----------
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
    weight : ndarray of shape (n_samples,)
    n_arms : int
        0 for doses.
    quadratic : bool
        Whether means and covariances of doses are enough.

    Returns
    -------
    TreatmentLaw
    """
    law: Any
    if n_arms:
        share = np.bincount(t, weight, minlength=n_arms) / weight.sum()
        law = ArmLaw(np.tile(share, (len(t), 1)))
    else:
        k = t.shape[1]
        mean = np.average(t, axis=0, weights=weight)
        covariance = np.atleast_2d(np.cov(t.T, aweights=weight, ddof=0))
        sd = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(sd, sd)
        means, sds = np.tile(mean, (len(t), 1)), np.tile(sd, (len(t), 1))
        if quadratic:
            law = MomentLaw(means, sds, correlation)
        else:
            none = np.zeros(k, dtype=bool)
            steps = residual_steps((t - mean) / sd, weight, correlation, none)
            ends = t.min(axis=0), t.max(axis=0)
            law = NodeLaw(means, sds, steps, none, np.zeros(k), np.ones(k), bounds=ends)
    law.method = "randomised"
    return law
