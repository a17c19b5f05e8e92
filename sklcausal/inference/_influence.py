"""Influence values: how far each row moves an average that depends on theta(x)."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._base import StructuralModel
from sklcausal.inference._hessian import Hessian
from sklcausal.inference._targets import Target

CHUNK = 65_536
MAX_CONDITION = 1e10
RIDGE = 1e-8


@dataclass
class Signals:
    """Values of a target and its influence values.

    Attributes
    ----------
    value : ndarray of shape (n_samples, n_outputs)
        Plug-in values at the out-of-fold theta.
    psi : ndarray of shape (n_samples, n_outputs)
        ``H - H_theta Lambda(x)^-1 l_theta`` for every output H.
    """

    value: np.ndarray
    psi: np.ndarray


@dataclass
class Corrections:
    """What turns the plug-in value of any target into its influence value.

    Attributes
    ----------
    theta : ndarray of shape (n_samples, n_params)
        Out-of-fold.
    step : ndarray of shape (n_samples, n_params)
        ``Lambda(x)^-1 l_theta``, of which every target takes its derivative.
    smallest_eigenvalue : float
        Of Lambda(x), scaled to unit diagonal unless it is diagonal, over all rows.
    n_regularised : int
        Number of rows whose Lambda(x) was too ill-conditioned to be solved as it is.
    condition : ndarray of shape (n_samples,)
        Condition number of every row's Lambda(x), scaled to unit diagonal unless it is diagonal.
    """

    theta: np.ndarray
    step: np.ndarray
    smallest_eigenvalue: float
    n_regularised: int
    condition: np.ndarray

    def signals(self, target: Target) -> Signals:
        """Compute the influence values of a target.

        Parameters
        ----------
        target : Target

        Returns
        -------
        Signals
        """
        values, psis = [], []
        for start in range(0, len(self.theta), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.theta)))
            with torch.inference_mode(False):
                own, step = (
                    torch.as_tensor(a[rows], dtype=torch.float64, device="cpu")
                    for a in (self.theta, self.step)
                )
                with torch.no_grad():
                    value = target(own, rows).detach()
                change = directional_derivative(partial(target.averaged, rows=rows), own, step)
            values.append(value.numpy())
            psis.append((value - change).numpy())
        return Signals(np.concatenate(values), np.concatenate(psis))


@torch.enable_grad()
def directional_derivative(
    function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor
) -> Tensor:
    """Differentiate all outputs of a row-wise function along one direction.

    Two backward passes serve however many outputs there are: the product of the transposed
    Jacobian with a vector is linear in the vector, and its derivative is the Jacobian again.

    Parameters
    ----------
    function : callable
        Maps (n, n_params) to (n, n_outputs), row by row.
    at, along : Tensor of shape (n, n_params)

    Returns
    -------
    Tensor of shape (n, n_outputs)
    """
    at = at.detach().requires_grad_(True)
    value = function(at)
    vector = torch.zeros_like(value, requires_grad=True)
    (transposed,) = torch.autograd.grad(value, at, vector, create_graph=True)
    return torch.autograd.grad(transposed, vector, along)[0].detach()


@torch.enable_grad()
def row_gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Differentiate a row-wise function with one output.

    Parameters
    ----------
    function : callable
        Maps (n, n_params) to (n, 1), row by row.
    at : Tensor of shape (n, n_params)

    Returns
    -------
    Tensor of shape (n, n_params)
    """
    at = at.detach().requires_grad_(True)
    return torch.autograd.grad(function(at).sum(), at)[0]


def solve_hessian(
    hessian: Tensor, score: Tensor, is_symmetric: bool = True
) -> tuple[Tensor, Tensor, int]:
    """Solve Lambda(x) v = l_theta for every row.

    Full matrices are scaled to unit diagonal first; only rows whose scaled condition number is
    beyond reach get a ridge, so that the solution does not depend on units. Unsymmetric matrices,
    of moments, are scaled to rows and columns of unit length and never get a ridge, but rows
    beyond reach are not corrected.

    Parameters
    ----------
    hessian : Tensor of shape (n, n_params) or (n, n_params, n_params)
    score : Tensor of shape (n, n_params)
    is_symmetric : bool, default=True

    Returns
    -------
    solution : Tensor of shape (n, n_params)
    eigenvalues : Tensor of shape (n, 2)
        Smallest and largest, or singular values.
    n_regularised : int
    """
    if hessian.dim() == 2:
        safe = hessian > 0
        solution = torch.where(safe, score / torch.where(safe, hessian, 1.0), 0.0)
        return solution, _ends(hessian.sort(dim=1).values), int((~safe).any(dim=1).sum())
    if not is_symmetric:
        return _solve_moments(hessian, score)
    scale = hessian.diagonal(dim1=1, dim2=2).clamp_min(1e-300).sqrt()
    scaled = hessian / (scale[:, :, None] * scale[:, None, :])
    values = torch.linalg.eigvalsh(scaled)
    bad = values[:, 0] * MAX_CONDITION < values[:, -1]
    scaled = scaled + (bad * RIDGE)[:, None, None] * torch.eye(scaled.shape[1], dtype=scaled.dtype)
    solution = torch.linalg.solve(scaled, (score / scale)[:, :, None])[:, :, 0] / scale
    return solution, _ends(values), int(bad.sum())


def _ends(values: Tensor) -> Tensor:
    return torch.stack([values[:, 0], values[:, -1]], dim=1)


def _solve_moments(jacobian: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, int]:
    by_row = jacobian.norm(dim=2, keepdim=True).clamp_min(1e-300)
    by_column = (jacobian / by_row).norm(dim=1, keepdim=True).clamp_min(1e-300)
    scaled = jacobian / by_row / by_column
    values = torch.linalg.svdvals(scaled)
    bad = values[:, -1] * MAX_CONDITION < values[:, 0]
    safe = torch.where(bad[:, None, None], torch.eye(scaled.shape[1], dtype=scaled.dtype), scaled)
    solution = torch.linalg.solve(safe, moments[:, :, None] / by_row)[:, :, 0] / by_column[:, 0]
    solution = torch.where(bad[:, None], 0.0, solution)
    return solution, _ends(values.flip(1)), int(bad.sum())


@torch.enable_grad()  # whatever the caller has set
def compute_corrections(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    hessian: Hessian,
) -> Corrections:
    """Compute ``Lambda(x)^-1 l_theta`` of every row.

    Parameters
    ----------
    model : StructuralModel
        What theta means.
    y : ndarray of shape (n_samples, n_outcomes)
        Outcomes.
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
        Treatment.
    theta : ndarray of shape (n_samples, n_params)
        Out-of-fold.
    hessian : Hessian
        Expected, given x.

    Returns
    -------
    Corrections

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, eq. (3.1) and theorem 2.
    """
    steps, ends, n_regularised = [], [], 0
    for start in range(0, len(y), CHUNK):
        at = slice(start, start + CHUNK)
        own = torch.as_tensor(theta[at], dtype=torch.float64)
        outcome = torch.as_tensor(y[at], dtype=torch.float64)
        dtype = torch.int64 if t.ndim == 1 else torch.float64
        score = model.batch_score(outcome, torch.as_tensor(t[at], dtype=dtype), own).detach()
        step, values, count = solve_hessian(
            hessian(model, own, at), score, model.symmetric_hessian
        )
        steps.append(step.numpy())
        ends.append(values.numpy())
        n_regularised += count
    low, high = np.concatenate(ends).T
    condition = high / np.where(low > 0, low, np.nan)
    return Corrections(theta, np.concatenate(steps), float(low.min()), n_regularised, condition)
