"""Calibrate out-of-fold parameters by a few coefficients."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
import torch

from sklcausal._models._base import StructuralModel
from sklcausal.inference._hessian import expected_hessian
from sklcausal.inference._splines import AdditiveSplines

ROWS_PER_COEFFICIENT = 50
MOST_SPLINES = 40
N_STEPS = 8
MAX_MOVE = 2.0
N_HALVINGS = 6
TOLERANCE = 1e-8


@torch.enable_grad()  # whatever the caller has set
def calibrate(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    X: np.ndarray,
    importance: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray | None,
) -> np.ndarray:
    """Shift each parameter by splines of x and of the parameters, fitted to its arm.

    What a network with strong decay leaves in the residuals along single columns is taken out,
    which protects averages where propensities are wrong. The few coefficients are fitted to all
    rows of an arm. Each needs 50 rows, or clusters, of the smallest arm; with fewer, or where the
    loss does not fall, parameters stay as they are.

    Parameters
    ----------
    model : StructuralModel
    y : ndarray of shape (n_samples, n_outcomes)
        Cells that are NaN are left out.
    t : ndarray of int of shape (n_samples,)
    theta : ndarray of shape (n_samples, n_params)
        Out-of-fold.
    X : ndarray of shape (n_samples, n_features)
    importance : ndarray of shape (n_features,)
        Of each column to the networks.
    weight : ndarray of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None

    Returns
    -------
    ndarray of shape (n_samples, n_params)
    """
    n_params = theta.shape[1]
    unit = np.arange(len(t)) if cluster is None else cluster
    arms = t if model.diagonal_hessian else np.zeros(len(t), dtype=int)
    observed = ~np.isnan(y) & (weight > 0)[:, None]
    fewest = min(
        len(np.unique(unit[(arms == a) & own]))
        for a in range(arms.max() + 1)
        for own in observed.T
    )
    # without arms all parameters are fitted to the same rows
    shared = 1 if model.diagonal_hessian else n_params
    n_splines = min(MOST_SPLINES, fewest // (ROWS_PER_COEFFICIENT * shared) - 1 - n_params)
    if n_splines < 1:
        return theta
    splines = AdditiveSplines.learn(X, importance, n_splines)
    raw = np.hstack([splines.transform(X), theta])
    share = weight / weight.sum()
    raw = raw - share @ raw
    spread = np.sqrt(share @ raw**2)
    design = np.hstack([np.ones((len(raw), 1)), raw / np.where(spread > 0, spread, 1.0)])
    tensors = torch.as_tensor(y, device="cpu"), torch.as_tensor(t, device="cpu")
    shifted = theta
    for _ in range(N_STEPS):
        at = torch.as_tensor(shifted, device="cpu")
        gradient = weight[:, None] * model.batch_score(*tensors, at).detach().numpy()
        ones = torch.ones((1, len(t)), dtype=torch.float64, device="cpu")
        hessian = expected_hessian(model, at, ones, tensors[1][None]).numpy()
        if model.diagonal_hessian:
            curvature = weight[:, None] * hessian * np.tile(observed, arms.max() + 1)
            step = _step_apart(design, gradient, curvature)
        else:
            step = _step_together(design, gradient, weight[:, None, None] * hessian)
        move = design @ step
        # under a link a full step may overshoot
        if model.diagonal_hessian:
            shrink = np.minimum(1, MAX_MOVE / np.maximum(abs(move).max(0), 1e-300))
        else:
            shrink = _line_search(model, y, t, shifted, move, weight)
        shifted = shifted - move * shrink
        if np.abs(move).max() < TOLERANCE * np.abs(shifted).max():
            break
    before, after = (weight @ model.row_losses(y, t, own) for own in (theta, shifted))
    return shifted if after <= before else theta


def _line_search(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    move: np.ndarray,
    weight: np.ndarray,
) -> float:
    """Halve a step until the loss falls; 0 where it never does."""
    before = weight @ model.row_losses(y, t, theta)
    for halving in range(N_HALVINGS):
        if weight @ model.row_losses(y, t, theta - 0.5**halving * move) <= before:
            return 0.5**halving
    return 0.0


def _step_apart(design: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Take a Newton step for each parameter alone: (n_columns, n_params)."""
    ridge = np.eye(design.shape[1])
    return np.column_stack(
        [
            np.linalg.solve((design * own[:, None]).T @ design + ridge, design.T @ gradient[:, p])
            for p, own in enumerate(curvature.T)
        ]
    )


def _step_together(design: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Take a Newton step for all parameters at once: (n_columns, n_params)."""
    q, p = design.shape[1], gradient.shape[1]
    blocks = np.empty((p, q, p, q))
    for j in range(p):
        for k in range(j + 1):
            block = (design * curvature[:, j, k, None]).T @ design
            blocks[j, :, k], blocks[k, :, j] = block, block.T
    # as much as one row of mean information, whatever the units
    size = np.maximum(np.einsum("njj->j", curvature) / len(design), 1e-300)
    whole = blocks.reshape(p * q, p * q) + np.diag(np.repeat(size, q))
    return np.linalg.solve(whole, (design.T @ gradient).T.ravel()).reshape(p, q).T
