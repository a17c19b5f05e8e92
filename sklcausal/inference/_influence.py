"""Influence values: how far each row moves an average that depends on theta(x)."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sklcausal.inference._law import TreatmentLaw
from sklcausal.structural._base import StructuralModel

CHUNK = 65_536
MAX_CONDITION = 1e10
RIDGE = 1e-8


@dataclass
class Signals:
    """Out-of-fold values of the cells and their influence values.

    Parameters
    ----------
    value : ndarray of shape (n_samples, n_cells)
        Plug-in values at the out-of-fold theta.
    psi : ndarray of shape (n_samples, n_cells)
        ``H - H_theta Lambda(x)^-1 l_theta`` for every cell H.
    smallest_eigenvalue : float
        Of Lambda(x), scaled to unit diagonal unless it is diagonal, over all rows.
    n_regularised : int
        Number of rows whose Lambda(x) was too ill-conditioned to be solved as it is.
    """

    value: np.ndarray
    psi: np.ndarray
    smallest_eigenvalue: float
    n_regularised: int


def expected_hessian(model: StructuralModel, theta: Tensor, weight: Tensor, t: Tensor) -> Tensor:
    """Average the Hessian of the loss over the law of the treatment given x.

    The outcome stands at its modelled mean, which is exact where the Hessian is affine in y.

    Parameters
    ----------
    model : StructuralModel
        What theta means.
    theta : Tensor of shape (n, n_params)
        Parameters.
    weight : Tensor of shape (n_nodes, n)
        Weights of the nodes of the law; they sum to 1 in each column.
    t : Tensor of shape (n_nodes, n) for arms, (n_nodes, n, n_treatments) for doses
        Treatment.

    Returns
    -------
    Tensor of shape (n, n_params) if the model's Hessian is diagonal, else (n, n_params, n_params)
    """
    theta = theta.detach().requires_grad_(True)
    spread = theta.expand(len(weight), -1, -1)
    y = model.batch_mean(spread, t).detach()
    loss = (weight * model.batch_loss(y, t, spread)).sum()
    (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
    if model.diagonal_hessian:
        return torch.autograd.grad(gradient.sum(), theta)[0]
    columns = [
        torch.autograd.grad(gradient[:, j].sum(), theta, retain_graph=True)[0]
        for j in range(theta.shape[1])
    ]
    return torch.stack(columns, dim=-1)


def loss_gradient(model: StructuralModel, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
    """Differentiate the loss of every row by its own theta, in one backward pass.

    Parameters
    ----------
    model : StructuralModel
        What theta means.
    y : Tensor of shape (n, n_outcomes)
        Outcomes.
    t : Tensor of shape (n,) for arms, (n, n_treatments) for doses
        Treatment.
    theta : Tensor of shape (n, n_params)
        Parameters.

    Returns
    -------
    Tensor of shape (n, n_params)
    """
    theta = theta.detach().requires_grad_(True)
    return torch.autograd.grad(model.batch_loss(y, t, theta).sum(), theta)[0]


@torch.enable_grad()
def directional_derivative(
    function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor
) -> tuple[Tensor, Tensor]:
    """Differentiate all outputs of a row-wise function along one direction.

    Two backward passes serve however many outputs there are: the product of the transposed
    Jacobian with a vector is linear in the vector, and its derivative is the Jacobian again.

    Parameters
    ----------
    function : callable
        Maps (n, n_params) to (n, n_cells), row by row.
    at, along : Tensor of shape (n, n_params)

    Returns
    -------
    value, derivative : Tensor of shape (n, n_cells)
    """
    at = at.detach().requires_grad_(True)
    value = function(at)
    vector = torch.zeros_like(value, requires_grad=True)
    (transposed,) = torch.autograd.grad(value, at, vector, create_graph=True)
    (derivative,) = torch.autograd.grad(transposed, vector, along)
    return value.detach(), derivative


def solve_hessian(hessian: Tensor, gradient: Tensor) -> tuple[Tensor, float, int]:
    """Solve Lambda(x) v = l_theta for every row.

    Full matrices are scaled to unit diagonal first; only rows whose scaled condition number is
    beyond reach get a ridge, so that the solution does not depend on units.

    Parameters
    ----------
    hessian : Tensor of shape (n, n_params) or (n, n_params, n_params)
    gradient : Tensor of shape (n, n_params)

    Returns
    -------
    solution : Tensor of shape (n, n_params)
    smallest_eigenvalue : float
    n_regularised : int
    """
    if hessian.dim() == 2:
        safe = hessian > 0
        solution = torch.where(safe, gradient / torch.where(safe, hessian, 1.0), 0.0)
        return solution, float(hessian.min()), int((~safe).any(dim=1).sum())
    scale = hessian.diagonal(dim1=1, dim2=2).clamp_min(1e-300).sqrt()
    scaled = hessian / (scale[:, :, None] * scale[:, None, :])
    values = torch.linalg.eigvalsh(scaled)
    bad = values[:, 0] * MAX_CONDITION < values[:, -1]
    scaled = scaled + (bad * RIDGE)[:, None, None] * torch.eye(scaled.shape[1], dtype=scaled.dtype)
    solution = torch.linalg.solve(scaled, (gradient / scale)[:, :, None])[:, :, 0] / scale
    return solution, float(values.min()), int(bad.sum())


@torch.enable_grad()  # whatever the caller has set
def influence_values(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    law: TreatmentLaw,
    observed: np.ndarray | None = None,
) -> Signals:
    """Compute ``psi = H - H_theta Lambda(x)^-1 l_theta`` of every cell H of the model.

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
    law : TreatmentLaw
        Of the treatment given x, out-of-fold.
    observed : ndarray of shape (n_samples, n_params) or None, default=None
        Probability that the outcome behind each parameter is observed, given x and the arm, where
        outcomes may be NaN. Needs a model with a diagonal Hessian, which it multiplies.

    Returns
    -------
    Signals
        Plug-in values and influence values.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, eq. (3.1) and theorem 2.
    """
    values, psis, smallest, n_regularised = [], [], np.inf, 0
    for start in range(0, len(y), CHUNK):
        at = slice(start, start + CHUNK)
        own = torch.as_tensor(theta[at], dtype=torch.float64)
        outcome = torch.as_tensor(y[at], dtype=torch.float64)
        dtype = torch.int64 if t.ndim == 1 else torch.float64
        gradient = loss_gradient(model, outcome, torch.as_tensor(t[at], dtype=dtype), own)
        hessian = expected_hessian(model, own, *law.nodes(at))
        if observed is not None:
            hessian = hessian * torch.as_tensor(observed[at], device="cpu")
        step, low, count = solve_hessian(hessian, gradient)
        value, change = directional_derivative(model.cells, own, step)
        values.append(value.numpy())
        psis.append((value - change).numpy())
        smallest, n_regularised = min(smallest, low), n_regularised + count
    return Signals(np.concatenate(values), np.concatenate(psis), smallest, n_regularised)
