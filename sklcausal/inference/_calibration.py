"""Calibrate out-of-fold parameters within the arms, by a few coefficients."""

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
        With one parameter per arm and outcome, so that its Hessian is diagonal.
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
    n_arms, n_params = t.max() + 1, theta.shape[1]
    observed = ~np.isnan(y) & (weight > 0)[:, None]
    unit = np.arange(len(t)) if cluster is None else cluster
    fewest = min(len(np.unique(unit[(t == a) & own])) for a in range(n_arms) for own in observed.T)
    n_splines = min(MOST_SPLINES, fewest // ROWS_PER_COEFFICIENT - 1 - n_params)
    if n_splines < 1:
        return theta
    splines = AdditiveSplines.learn(X, importance, n_splines)
    raw = np.hstack([splines.transform(X), theta])
    share = weight / weight.sum()
    raw = raw - share @ raw
    spread = np.sqrt(share @ raw**2)
    design = np.hstack([np.ones((len(raw), 1)), raw / np.where(spread > 0, spread, 1.0)])
    tensors = torch.as_tensor(y, device="cpu"), torch.as_tensor(t, device="cpu")
    ridge = np.eye(design.shape[1])
    shifted = theta
    for _ in range(N_STEPS):
        at = torch.as_tensor(shifted, device="cpu")
        gradient = weight[:, None] * model.batch_score(*tensors, at).detach().numpy()
        ones = torch.ones((1, len(t)), dtype=torch.float64, device="cpu")
        hessian = expected_hessian(model, at, ones, tensors[1][None]).numpy()
        seen = np.tile(observed, n_arms)
        curvature = weight[:, None] * hessian * seen
        step = np.column_stack(
            [
                np.linalg.solve(
                    (design * curvature[:, [p]]).T @ design + ridge, design.T @ gradient[:, p]
                )
                for p in range(n_params)
            ]
        )
        move = design @ step
        # under a link a full step may overshoot
        shifted = shifted - move * np.minimum(1, MAX_MOVE / np.maximum(abs(move).max(0), 1e-300))
        if np.abs(step).max() < TOLERANCE:
            break
    before, after = (weight @ model.row_losses(y, t, own) for own in (theta, shifted))
    return shifted if after <= before else theta
