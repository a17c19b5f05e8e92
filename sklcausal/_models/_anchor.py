"""Where the training of a model's parameters starts, and on which scale it moves them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

ANCHOR_ROWS = 20_000
N_STEPS = 50


@torch.enable_grad()
def minimise(
    model: Any, y: np.ndarray, t: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minimise the mean loss over constant parameters, by Newton steps with halving.

    Parameters
    ----------
    model : StructuralModel
        Set up.
    y : ndarray of shape (n, n_outcomes)
    t : ndarray of shape (n,) or (n, n_treatments)
    weight : ndarray of shape (n,) or None

    Returns
    -------
    theta : ndarray of shape (n_params,)
        Minimiser.
    scores : ndarray of shape (n, n_params)
        Gradient of each row there.
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss there.
    """
    w = np.ones(len(y)) if weight is None else weight / weight.mean()
    # copies, since sums over memory of another alignment differ in the last bit
    outcome, dose, row_weight = (torch.tensor(a) for a in (y, t, w))

    def mean_loss(theta: Tensor) -> Tensor:
        rows = model.batch_loss(outcome, dose, theta.expand(len(outcome), -1))
        return (row_weight * rows).mean()

    theta = torch.as_tensor(model.start(y, t, w))
    for _ in range(N_STEPS + 1):
        at = theta.detach().requires_grad_(True)
        loss = mean_loss(at)
        (gradient,) = torch.autograd.grad(loss, at, create_graph=True)
        hessian = torch.stack([_derivative(g, at) for g in gradient])
        if float(gradient.detach().abs().max()) < 1e-9 or not torch.isfinite(hessian).all():
            break
        # with positive eigenvalues the step leads downhill even where the loss is not convex
        values, vectors = torch.linalg.eigh(hessian)
        curvature = values.abs().clamp_min(1e-10)
        step = vectors @ ((vectors.T @ gradient.detach()) / curvature)
        size = 1.0
        while size > 1e-6 and not mean_loss(theta - size * step) <= loss.detach():
            size /= 2
        if size <= 1e-6:
            break
        theta = theta - size * step
    # of the loss, whatever the model takes for its score
    at = theta.detach().expand(len(outcome), -1).clone().requires_grad_(True)
    (scores,) = torch.autograd.grad(model.batch_loss(outcome, dose, at).sum(), at)
    return theta.detach().numpy(), scores.numpy(), hessian.detach().numpy()


def _derivative(value: Tensor, at: Tensor) -> Tensor:
    """Differentiate, with 0 where nothing depends on it, as in a loss without curvature."""
    if not value.requires_grad:
        return torch.zeros_like(at)
    found = torch.autograd.grad(value, at, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(at) if found is None else found


def sandwich_anchor(
    model: Any, y: np.ndarray, t: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Start at the best constant, and move on the scale on which single rows pull it.

    Parameters
    ----------
    model : StructuralModel
        Set up.
    y : ndarray of shape (n, n_outcomes)
    t : ndarray of shape (n,) or (n, n_treatments)
    weight : ndarray of shape (n,)

    Returns
    -------
    constant : ndarray of shape (n_params,)
    spread : ndarray of shape (n_params, n_params)
        A root of the sandwich covariance of single rows, whatever the units of theta are.
    """
    some = slice(None, None, 1 + len(y) // ANCHOR_ROWS)
    constant, scores, hessian = minimise(model, y[some], t[some], weight[some])
    values, vectors = np.linalg.eigh(hessian)
    inverse = (vectors / np.maximum(np.abs(values), 1e-8 * np.abs(values).max())) @ vectors.T
    w = weight[some] / weight[some].sum()
    pull = scores @ inverse
    covariance = (pull * w[:, None]).T @ pull
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    scaled = covariance / np.outer(scale, scale) + 1e-8 * np.eye(len(scale))
    return constant, (np.linalg.cholesky(scaled) * scale[:, None]).T
