"""Target out-of-fold parameters at the mean outcome of every arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
import torch

from sklcausal._models._base import StructuralModel
from sklcausal.inference._hessian import expected_hessian

N_STEPS = 20
MAX_MOVE = 2.0
TOLERANCE = 1e-10


@torch.enable_grad()  # whatever the caller has set
def fluctuate(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    chance: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """Shift the parameters of each arm until residuals over their chances sum to zero.

    After that, the average of the influence values of an arm is the average of its outcomes. The
    chances weigh the loss and do not scale the shift, which a few small ones cannot upset then.

    Parameters
    ----------
    model : StructuralModel
        With a parameter for each arm and outcome.
    y : ndarray of shape (n_samples, n_outcomes)
        Cells that are NaN are left out.
    t : ndarray of int of shape (n_samples,)
    theta : ndarray of shape (n_samples, n_params)
        Out-of-fold.
    chance : ndarray of shape (n_samples, n_params)
        That a row is in the arm, and its outcome observed.
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples, n_params)

    References
    ----------
    .. [1] van der Laan, Rubin, "Targeted maximum likelihood learning", International Journal of
       Biostatistics 2006, doi 10.2202/1557-4679.1043.
    """
    share = weight[:, None] / chance
    observed = np.tile(~np.isnan(y), theta.shape[1] // y.shape[1])
    tensors = torch.as_tensor(y, device="cpu"), torch.as_tensor(t, device="cpu")
    ones = torch.ones((1, len(t)), dtype=torch.float64, device="cpu")
    for _ in range(N_STEPS):
        at = torch.as_tensor(theta, device="cpu")
        score = model.batch_score(*tensors, at).detach().numpy()
        hessian = expected_hessian(model, at, ones, tensors[1][None]).numpy() * observed
        gradient, curvature = (share * score).sum(axis=0), (share * hessian).sum(axis=0)
        move = gradient / np.where(curvature > 0, curvature, 1.0)
        # under a link a full step may overshoot
        move = np.clip(move, -MAX_MOVE, MAX_MOVE)
        theta = theta - move
        if np.abs(move).max() < TOLERANCE * max(np.abs(theta).max(), 1.0):
            break
    return theta
