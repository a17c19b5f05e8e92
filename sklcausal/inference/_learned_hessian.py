"""Learn the expected Hessian where neither the model nor the treatment's law gives it."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sklcausal._cross_fit import CrossFit
from sklcausal._draws import Batch
from sklcausal._models._base import StructuralModel
from sklcausal._objective import Objective
from sklcausal._start import Start
from sklcausal.inference._hessian import expected_hessian
from sklcausal.inference._nuisance import NuisanceSettings
from sklcausal.nn._outputs import Outputs

CHUNK = 65_536
LEAST_ROOT = 0.05  # of the diagonal of L, where the mean is the identity


def row_hessians(
    model: StructuralModel, y: np.ndarray, t: np.ndarray, theta: np.ndarray
) -> np.ndarray:
    """Compute the Hessian of every row's loss.

    Parameters
    ----------
    model : StructuralModel
    y : ndarray of shape (n, n_outcomes)
    t : ndarray of shape (n,) or (n, n_treatments)
    theta : ndarray of shape (n, n_params)

    Returns
    -------
    ndarray of shape (n, n_params, n_params), or (n, n_params) where it is diagonal
    """
    out = []
    for start in range(0, len(y), CHUNK):
        at = slice(start, start + CHUNK)
        own, outcome = (
            torch.as_tensor(a[at], dtype=torch.float64, device="cpu") for a in (theta, y)
        )
        dose = torch.as_tensor(t[at], device="cpu")
        ones = torch.ones((1, len(own)), dtype=torch.float64, device="cpu")
        out.append(expected_hessian(model, own, ones, dose[None], outcome).numpy())
    return np.concatenate(out)


class HessianNet:
    """Regress the rows' Hessians on x, by matrices that cannot fail to be positive.

    The network gives a lower triangular matrix L with a positive diagonal, and ``L L'`` is fitted
    by Stein's loss to Hessians in coordinates in which their mean is the identity. Given arms
    there is one for each, which propensities combine.

    Attributes
    ----------
    values_ : ndarray of shape (n_samples, n_params, n_params) or (n_samples, n_params)
        Out-of-fold expected Hessians.

    Parameters
    ----------
    entrywise : bool, default=False
        Regress every entry on its own instead, by least squares and without regard to whether the
        matrix is positive.
    """

    def __init__(self, entrywise: bool = False):
        self.entrywise = entrywise

    def fit(
        self,
        cross_fit: CrossFit,
        hessians: np.ndarray,
        arms: np.ndarray | None,
        propensity: np.ndarray | None,
        settings: NuisanceSettings,
    ) -> HessianNet:
        """Train one network per fold.

        Parameters
        ----------
        cross_fit : CrossFit
        hessians : ndarray of shape (n_members, n_samples, ...)
            Hessian of every row at parameters that no network which is trained on it has seen.
        arms : ndarray of int of shape (n_samples,) or None
        propensity : ndarray of shape (n_samples, n_arms) or None
            Out-of-fold; None without arms.
        settings : NuisanceSettings

        Returns
        -------
        self : HessianNet
        """
        is_diagonal, p = hessians.ndim == 3, hessians.shape[2]
        matrices = hessians[..., None] * np.eye(p) if is_diagonal else hessians
        rows, columns = (np.arange(p),) * 2 if is_diagonal else np.tril_indices(p)
        # each member has coordinates of its own, from the rows that it is trained on
        scaled, back = np.empty_like(matrices), []
        for k, member in enumerate(cross_fit.members):
            own = member.train
            mean = np.average(matrices[k, own], axis=0, weights=cross_fit.row_weight[own])
            whiten, undo = _coordinates(mean, is_diagonal or self.entrywise)
            scaled[k] = whiten.T @ matrices[k] @ whiten
            back.append(undo)
        n_arms = 1 if propensity is None else propensity.shape[1]
        # there the mean is the identity, from which all start
        mean = np.eye(p)[rows, columns]
        if not self.entrywise:
            mean = _to_raw(np.eye(p), rows, columns)
        loss = _MatrixLoss(rows, columns, p, n_arms, self.entrywise)
        trained = cross_fit.train(
            settings.recipe(n_arms * len(rows)),
            Objective(loss),
            scaled[:, :, rows, columns],
            np.zeros(len(cross_fit.X), dtype=int) if arms is None else arms,
            start=lambda own: Start(np.tile(mean, n_arms)),
            candidates=settings.candidates,
            label="Hessian",
        )

        def evaluate(k: int, own: np.ndarray) -> np.ndarray:
            raw, _ = trained.ensemble.member(k, cross_fit.X, own)
            found = loss.matrices(torch.as_tensor(raw)).numpy()
            share = np.ones((len(own), 1)) if propensity is None else propensity[own]
            total = np.einsum("na,naij->nij", share, found)
            return (back[k].T @ total @ back[k]).reshape(len(own), -1)

        values = cross_fit.out_of_fold(evaluate).reshape(-1, p, p)
        self.values_: np.ndarray = (
            np.diagonal(values, axis1=1, axis2=2).copy() if is_diagonal else values
        )
        return self


class _MatrixLoss:
    """Error of a matrix, of the arm that a row is in.

    Stein's loss ``tr(Lambda^-1 H) + log det Lambda`` is smallest at the mean of H too, but weighs
    errors by what they do to the inverse; entries on their own have squared errors.
    """

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, p: int, n_arms: int, entrywise: bool
    ):
        self.rows, self.columns = torch.as_tensor(rows), torch.as_tensor(columns)
        self.p, self.n_arms, self.entrywise = p, n_arms, entrywise
        # entries beside the diagonal stand for two
        self.counts = torch.where(self.rows == self.columns, 1.0, 2.0)

    def matrices(self, raw: Tensor) -> Tensor:
        """Turn outputs into matrices (..., n_arms, p, p)."""
        entries = raw.unflatten(-1, (self.n_arms, len(self.rows)))
        if self.entrywise:
            return self._symmetric(entries)
        root = self._root(entries)
        return root @ root.transpose(-1, -2)

    def __call__(self, out: Outputs, batch: Batch) -> Tensor:
        raw = out.theta
        at = batch.t[..., None, None]
        if self.entrywise:
            found = self.matrices(raw)
            own = torch.gather(found, 2, at[..., None].expand(*batch.t.shape, 1, self.p, self.p))
            error = own.squeeze(2)[..., self.rows, self.columns] - batch.y
            return batch.mean(0.5 * (self.counts.to(raw.device) * error**2).sum(-1))
        entries = raw.unflatten(-1, (self.n_arms, len(self.rows)))
        entries = torch.gather(entries, 2, at.expand(*batch.t.shape, 1, len(self.rows)))
        root, own = self._root(entries.squeeze(2)), self._symmetric(batch.y)
        inverse = torch.linalg.solve_triangular(
            root, torch.eye(self.p, dtype=root.dtype, device=root.device), upper=False
        )
        trace = ((inverse @ own) * inverse).sum((-2, -1))
        return batch.mean(0.5 * trace + root.diagonal(dim1=-2, dim2=-1).log().sum(-1))

    def _root(self, entries: Tensor) -> Tensor:
        """Turn entries (..., n_entries) into lower triangles with a positive diagonal."""
        found = entries.new_zeros((*entries.shape[:-1], self.p, self.p))
        on_diagonal = (self.rows == self.columns).to(entries.device)
        found[..., self.rows, self.columns] = torch.where(
            on_diagonal, F.softplus(entries) + LEAST_ROOT, entries
        )
        return found

    def _symmetric(self, entries: Tensor) -> Tensor:
        found = entries.new_zeros((*entries.shape[:-1], self.p, self.p))
        found[..., self.rows, self.columns] = entries
        found[..., self.columns, self.rows] = entries
        return found


def _coordinates(mean: np.ndarray, is_plain: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates in which a mean matrix is the identity, and the way back.

    Plain coordinates only make its diagonal one. In the others an error of the regression is
    small beside the information of every direction, also of those that hold little of it.
    """
    size = 1 / np.sqrt(np.maximum(np.abs(np.diag(mean)), 1e-300))
    if is_plain:
        return np.diag(size), np.diag(1 / size)
    values, vectors = np.linalg.eigh(mean * np.outer(size, size))
    root = np.sqrt(np.maximum(np.abs(values), 1e-8 * np.abs(values).max()))
    return size[:, None] * vectors / root, (root[:, None] * vectors.T) / size


def _to_raw(mean: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Find the outputs that give a mean matrix."""
    values, vectors = np.linalg.eigh(mean)
    root = np.linalg.cholesky((vectors * np.maximum(values, 1e-3)) @ vectors.T)
    raw: Any = root[rows, columns]
    diagonal = np.maximum(raw - LEAST_ROOT, 1e-3)
    return np.where(rows == columns, np.log(np.expm1(diagonal)), raw)
