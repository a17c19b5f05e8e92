"""The law of doses given x, by moments or by nodes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import norm, qmc
from torch import Tensor

from sklcausal.inference._law import ArmLaw, TreatmentLaw

N_BINS = 25  # nodes of a single dose
N_DOSE_NODES = 32  # of several doses
N_MIXED_NODES = 64  # where some treatments are 0 or 1, whose chances need finer steps
NODES_PER_COLUMN = 8  # at least, of functions that nodes have to tell apart
N_MARGINAL_NODES = 256  # of several treatments that do not depend on x
N_CORRECTIONS = 8
MOST_LATENT = 0.999


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

    @property
    def n_nodes(self) -> int:
        """Two for each treatment."""
        return 2 * len(self.root)

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
        away = math.sqrt(len(self.root)) * torch.as_tensor(self.root)
        mean, sd = (
            torch.as_tensor(a[rows].T[:, None], dtype=torch.float64) for a in (self.mean, self.sd)
        )
        t = _spread(mean, sd, torch.cat([away, -away], dim=1))
        weight = torch.full((), 1 / t.shape[1], dtype=torch.float64)
        return weight.expand(t.shape[1:]), t.permute(1, 2, 0)

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
        Smallest and largest treatments, beyond which no node lies: nodes that would are moved
        there, so that rows near the ends have a little less spread.
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

    @property
    def n_nodes(self) -> int:
        """Number of steps, or two for a single treatment that is 0 or 1."""
        return 2 if self.is_binary.tolist() == [True] else len(self.steps)

    @classmethod
    def from_residuals(
        cls,
        mean: np.ndarray,
        sd: np.ndarray,
        residual: np.ndarray,
        weight: np.ndarray | None = None,
        is_binary: Sequence[bool] | None = None,
    ) -> NodeLaw:
        """Spread the treatments around their mean as residuals are spread.

        Parameters
        ----------
        mean, sd : ndarray of shape (n_samples, n_treatments)
            Mean and standard deviation of the treatments given x.
        residual : ndarray of shape (n_residuals, n_treatments)
            Treatments less their mean, in standard deviations.
        weight : ndarray of shape (n_residuals,) or None, default=None
            Weights of the residuals.
        is_binary : sequence of bool or None, default=None
            Treatments that are 0 or 1, whose mean is a probability.

        Returns
        -------
        NodeLaw
            In the units of the treatments.
        """
        k = residual.shape[1]
        weight = np.ones(len(residual)) if weight is None else weight
        binary = np.zeros(k, dtype=bool) if is_binary is None else np.asarray(is_binary)
        correlation = np.ones((1, 1))
        if k > 1:
            covariance = np.cov(residual.T, aweights=weight)
            scale = np.sqrt(np.diag(covariance))
            correlation = covariance / np.outer(scale, scale)
        steps = residual_steps(residual, weight, correlation, binary)
        return cls(mean, sd, steps, binary, np.zeros(k), np.ones(k))

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
        if self.is_binary.tolist() == [True]:
            chance = torch.as_tensor(self.mean[rows, 0])
            ends = torch.as_tensor((np.arange(2.0) - self.origin) / self.unit)
            t = ends[:, None, None].expand(-1, len(chance), 1)
            return torch.stack([1 - chance, chance]), t
        origin, unit, is_binary = (
            torch.as_tensor(a)[:, None, None] for a in (self.origin, self.unit, self.is_binary)
        )
        steps = torch.as_tensor(self.steps.T)
        mean, sd = (torch.as_tensor(a[rows].T[:, None]) for a in (self.mean, self.sd))
        t = _spread((mean - origin) / unit, sd / unit, steps)
        if self.bounds is not None:
            low, high = (torch.as_tensor(b)[:, None, None] for b in self.bounds)
            t = torch.clamp(t, (low - origin) / unit, (high - origin) / unit)
        if self.is_binary.any():
            chosen = (steps[:, :, None] > 1 - mean).to(t.dtype)
            t = torch.where(is_binary, (chosen - origin) / unit, t)
        weight = torch.full((), 1 / t.shape[1], dtype=torch.float64)
        return weight.expand(t.shape[1:]), t.permute(1, 2, 0)

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


def _spread(mean: Tensor, sd: Tensor, steps: Tensor) -> Tensor:
    """Go steps (k, n_nodes) from means (k, 1, n); treatments lead, so that each is contiguous."""
    return torch.addcmul(mean, steps[:, :, None], sd)


def residual_steps(
    residual: np.ndarray,
    weight: np.ndarray,
    correlation: np.ndarray,
    is_binary: np.ndarray,
    n_columns: int = 1,
) -> np.ndarray:
    """Choose nodes that stand for standardised residuals.

    A single treatment gets the means of 25 bins of equal weight. Several get points of a Gaussian
    copula with the quantiles of each, quasi-random and antithetic; its correlation is chosen so
    that the nodes correlate as the residuals do. Nodes have mean 0 and standard deviation 1.

    Parameters
    ----------
    residual : ndarray of shape (n, n_treatments)
    weight : ndarray of shape (n,)
    correlation : ndarray of shape (n_treatments, n_treatments)
    is_binary : ndarray of bool of shape (n_treatments,)
        Treatments for which ranks are returned.
    n_columns : int, default=1
        Functions of the treatments that nodes have to tell apart.

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
        base = N_MIXED_NODES if is_binary.any() else N_DOSE_NODES
        white = _white_nodes(k, max(base, NODES_PER_COLUMN * n_columns))
        quantiles = [_quantiles_of(own, weight) for own in residual.T]
        latent = correlation
        for _ in range(N_CORRECTIONS):
            ranks = norm.cdf(white @ _root(latent))
            steps = np.column_stack(
                [np.interp(at, *own) for own, at in zip(quantiles, ranks.T, strict=True)]
            )
            gap = correlation - np.corrcoef(steps.T)
            latent = np.clip(latent + gap, -MOST_LATENT, MOST_LATENT)
        # even ranks, so that shares are those of the probabilities
        even = (ranks.argsort(axis=0).argsort(axis=0) + 0.5) / len(ranks)
        steps = np.where(is_binary, even, steps)
    spread = steps.std(axis=0)
    standard = (steps - steps.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.where(is_binary, steps, standard)


def _quantiles_of(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order values and place each at the middle of its weight: ranks and values, for interp."""
    order = np.argsort(values[weight > 0])
    values, weight = values[weight > 0][order], weight[weight > 0][order]
    return (np.cumsum(weight) - weight / 2) / weight.sum(), values


def _root(correlation: np.ndarray) -> np.ndarray:
    """Return a symmetric root of the nearest matrix that may be a correlation."""
    np.fill_diagonal(correlation := correlation.copy(), 1.0)
    values, vectors = np.linalg.eigh(correlation)
    near = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    scale = np.sqrt(np.diag(near))
    values, vectors = np.linalg.eigh(near / np.outer(scale, scale))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _white_nodes(k: int, n_nodes: int) -> np.ndarray:
    """Choose equally weighted normal nodes with mean 0 and covariance 1 exactly."""
    uniform = qmc.Halton(k, seed=0).random(n_nodes // 2)
    z = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6))
    z = np.vstack([z, -z])
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    return z @ (vectors / np.sqrt(values)) @ vectors.T


def _systematic(t: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Choose rows at equal distances of weight, ordered by their treatments."""
    order = np.lexsort(t.T[::-1])
    order = order[weight[order] > 0]
    total = np.cumsum(weight[order])
    at = (np.arange(N_MARGINAL_NODES) + 0.5) / N_MARGINAL_NODES * total[-1]
    return order[np.minimum(np.searchsorted(total, at), len(order) - 1)]


def marginal_law(
    t: np.ndarray,
    weight: np.ndarray,
    n_arms: int,
    quadratic: bool,
    is_binary: Sequence[bool] = (),
    units: tuple[np.ndarray, np.ndarray] | None = None,
) -> TreatmentLaw:
    """Describe a treatment that does not depend on x.

    Parameters
    ----------
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
        In the units of T.
    weight : ndarray of shape (n_samples,)
    n_arms : int
        0 for doses.
    quadratic : bool
        Whether means and covariances of doses are enough.
    is_binary : sequence of bool, default=()
        Treatments that are 0 or 1; nothing for arms.
    units : tuple of ndarray of shape (n_treatments,) or None, default=None
        Origin and unit in which nodes are handed over; None takes those of T.

    Returns
    -------
    TreatmentLaw
    """
    if n_arms:
        share = np.bincount(t, weight, minlength=n_arms) / weight.sum()
        law: Any = ArmLaw(np.tile(share, (len(t), 1)))
        law.method = "randomised"
        return law
    k = t.shape[1]
    origin, unit = (np.zeros(k), np.ones(k)) if units is None else units
    mean = np.average(t, axis=0, weights=weight)
    covariance = np.atleast_2d(np.cov(t.T, aweights=weight, ddof=0))
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    means, sds = np.tile(mean, (len(t), 1)), np.tile(sd, (len(t), 1))
    if quadratic:
        law = MomentLaw((means - origin) / unit, sds / unit, correlation)
    else:
        binary = np.array([*is_binary], dtype=bool) if len(is_binary) else np.zeros(k, dtype=bool)
        if k == 1:
            steps = residual_steps((t - mean) / sd, weight, correlation, binary)
        else:
            own = t[_systematic(t, weight)]
            ranks = np.where(own > 0, 1 - mean / 2, (1 - mean) / 2)
            steps = np.where(binary, ranks, (own - mean) / sd)
        ends = t.min(axis=0), t.max(axis=0)
        law = NodeLaw(means, sds, steps, binary, origin, unit, bounds=ends)
    law.method = "randomised"
    return law
