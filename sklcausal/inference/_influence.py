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
from sklcausal.exceptions import ModelError
from sklcausal.inference._hessian import Hessian
from sklcausal.inference._targets import Target

CHUNK = 65_536
MAX_CONDITION = 1e12
MIN_INFORMATION = 0.01
REFERENCE_ROWS = 20_000


@dataclass
class Signals:
    """Values of a target and its influence values.

    Parameters
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

    Parameters
    ----------
    theta : ndarray of shape (n_samples, n_params)
        Out-of-fold.
    step : ndarray of shape (n_samples, n_params)
        ``Lambda(x)^-1 l_theta``, of which every target takes its derivative.
    smallest_eigenvalue : float
        Of Lambda(x), relative to its mean unless it is diagonal, over the rows whose condition
        number is known.
    n_regularised : int
        Number of rows of which Lambda(x) was lifted, because a direction held too little
        information.
    condition : ndarray of shape (n_samples,)
        Condition number of every row's Lambda(x), relative to its mean unless it is diagonal. Of
        full matrices, beyond 20,000 rows, known for as many at equal distances and for those that
        were lifted, and NaN elsewhere.
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
            Function of theta, row by row.

        Returns
        -------
        Signals
            Values and influence values.
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
    hessian: Tensor, score: Tensor, whiten: Tensor | None = None, every: int = 1
) -> tuple[Tensor, Tensor, int]:
    """Solve Lambda(x) v = l_theta for every row.

    Full matrices are compared with their mean over all rows, in coordinates in which that is the
    identity, so that nothing depends on units or on how theta is written. A direction of which a
    row holds less than a hundredth of the mean information is lifted to that, as propensities
    are clipped. Unsymmetric matrices, of moments, are scaled to rows and columns of unit length;
    of them rows beyond reach are not corrected.

    Parameters
    ----------
    hessian : Tensor of shape (n, n_params) or (n, n_params, n_params)
    score : Tensor of shape (n, n_params)
    whiten : Tensor of shape (n_params, n_params) or None, default=None
        From `whitening_of`; None for diagonal and for unsymmetric matrices.
    every : int, default=1
        Step between rows whose eigenvalues are wanted; others may be solved without.

    Returns
    -------
    solution : Tensor of shape (n, n_params)
    eigenvalues : Tensor of shape (n, 2)
        Smallest and largest, or singular values; NaN for rows that were solved without.
    n_regularised : int
    """
    if hessian.dim() == 2:
        safe = hessian > 0
        solution = torch.where(safe, score / torch.where(safe, hessian, 1.0), 0.0)
        return solution, _ends(hessian.sort(dim=1).values), int((~safe).any(dim=1).sum())
    if whiten is None:
        return _solve_moments(hessian, score)
    scaled, score = whiten.T @ hessian @ whiten, score @ whiten
    solution, ends = torch.empty_like(score), score.new_full((len(score), 2), torch.nan)
    least = MIN_INFORMATION * torch.eye(len(whiten), dtype=scaled.dtype)
    # Cholesky roots tell that no eigenvalue is too small, for a tenth of the time of eigenvalues
    exact = torch.linalg.cholesky_ex(scaled - least).info != 0
    exact[::every] = True
    root = torch.linalg.cholesky_ex(scaled[~exact]).L
    solution[~exact] = torch.cholesky_solve(score[~exact][:, :, None], root)[:, :, 0]
    values, vectors = torch.linalg.eigh(scaled[exact])
    low = values < MIN_INFORMATION
    turned = (vectors.transpose(1, 2) @ score[exact][:, :, None])[:, :, 0]
    lifted = (turned / torch.where(low, MIN_INFORMATION, values))[:, :, None]
    solution[exact] = (vectors @ lifted)[:, :, 0]
    ends[exact] = _ends(values)
    return solution @ whiten.T, ends, int(low.any(dim=1).sum())


def whitening_of(hessian: Tensor) -> Tensor:
    """Return coordinates in which the mean of symmetric matrices is the identity.

    Parameters
    ----------
    hessian : Tensor of shape (n, n_params, n_params)

    Returns
    -------
    Tensor of shape (n_params, n_params)
        A matrix W for which W' mean(hessian) W is the identity.
    """
    mean = hessian.mean(dim=0)
    scale = mean.diagonal().abs().clamp_min(1e-300).sqrt()
    values, vectors = torch.linalg.eigh(mean / (scale[:, None] * scale))
    return vectors / values.clamp_min(float(values.max()) / MAX_CONDITION).sqrt() / scale[:, None]


def _ends(values: Tensor) -> Tensor:
    return torch.stack([values[:, 0], values[:, -1]], dim=1)


def _solve_moments(jacobian: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, int]:
    by_row = jacobian.norm(dim=2, keepdim=True).clamp_min(1e-300)
    by_column = (jacobian / by_row).norm(dim=1, keepdim=True).clamp_min(1e-300)
    scaled = jacobian / by_row / by_column
    values = torch.linalg.svdvals(scaled)
    bad = values[:, -1] * MAX_CONDITION <= values[:, 0]
    safe = torch.where(bad[:, None, None], torch.eye(scaled.shape[1], dtype=scaled.dtype), scaled)
    solution = torch.linalg.solve(safe, moments[:, :, None] / by_row)[:, :, 0] / by_column[:, 0]
    solution = torch.where(bad[:, None], 0.0, solution)
    return solution, _ends(values.flip(1)), int(bad.sum())


def _finite(hessian: Tensor, theta: Tensor, first: int, every: int = 1) -> Tensor:
    """Refuse an expected Hessian that overflowed, and name the row."""
    bad = ~torch.isfinite(hessian).flatten(1).all(dim=1)
    if bad.any():
        i = int(bad.nonzero()[0, 0])
        shown = [round(v, 4) for v in theta[i].tolist()]
        raise ModelError(
            f"the expected Hessian must be finite, but is not in row {first + i * every} with "
            f"theta = {shown}, in the units of training; scale treatments or outcomes down, or "
            "train more strongly regularised"
        )
    return hessian


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
    whiten, every = None, 1 + len(y) // REFERENCE_ROWS
    if not model.diagonal_hessian and model.symmetric_hessian:
        some = slice(None, None, every)
        own = torch.tensor(theta[some], dtype=torch.float64)
        whiten = whitening_of(_finite(hessian(model, own, some), own, 0, every))
    for start in range(0, len(y), CHUNK):
        at = slice(start, start + CHUNK)
        own = torch.as_tensor(theta[at], dtype=torch.float64)
        outcome = torch.as_tensor(y[at], dtype=torch.float64)
        dtype = torch.int64 if t.ndim == 1 else torch.float64
        expected = _finite(hessian(model, own, at), own, start)
        score = model.batch_score(outcome, torch.as_tensor(t[at], dtype=dtype), own).detach()
        step, values, count = solve_hessian(expected, score, whiten, every)
        steps.append(step.numpy())
        ends.append(values.numpy())
        n_regularised += count
    low, high = np.concatenate(ends).T
    condition = high / np.where(low > 0, low, np.nan)
    return Corrections(
        theta, np.concatenate(steps), float(np.nanmin(low)), n_regularised, condition
    )
