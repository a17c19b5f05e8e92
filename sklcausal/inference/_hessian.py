"""The expected Hessian Lambda(x) of the loss, from whatever is known of it."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._base import StructuralModel
from sklcausal.inference._law import TreatmentLaw

NODES_AT_ONCE = 2**18  # rows times nodes that are held in memory


class Hessian(Protocol):
    """What inference asks for: ``Lambda(x) = E[l_theta_theta(Y, T, theta(x)) | x]``."""

    method: str

    def __call__(self, model: StructuralModel, theta: Tensor, rows: slice) -> Tensor:
        """Compute the expected Hessian of rows.

        Parameters
        ----------
        model : StructuralModel
        theta : Tensor of shape (n, n_params)
        rows : slice
            Which rows they are.

        Returns
        -------
        Tensor of shape (n, n_params) where it is diagonal, else (n, n_params, n_params)
        """
        ...


class LawHessian:
    """Average the Hessian over the law of the treatment.

    The outcome stands at its modelled mean, which is exact where the Hessian is affine in y, or
    is averaged over the modelled law of the outcome, where the model gives one.

    Parameters
    ----------
    law : TreatmentLaw
    """

    def __init__(self, law: TreatmentLaw):
        self.law, self.method = law, law.method

    def __call__(self, model: StructuralModel, theta: Tensor, rows: slice) -> Tensor:
        """Compute the expected Hessian of rows.

        Parameters
        ----------
        model : StructuralModel
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_params) or (n, n_params, n_params)
        """
        start, step = rows.start or 0, rows.step or 1
        size = max(1, NODES_AT_ONCE // (self.law.n_nodes * model.n_outcome_nodes))
        found = []
        for at in range(0, len(theta), size):
            part = theta[at : at + size]
            own = slice(start + at * step, start + (at + len(part)) * step, step)
            found.append(expected_hessian(model, part, *self.law.nodes(own)))
        return torch.cat(found)


class ObservedHessian:
    """Weigh a diagonal Hessian by the chance that the outcome behind a parameter is observed.

    Parameters
    ----------
    hessian : Hessian
        Where every outcome is observed.
    chance : ndarray of shape (n_samples, n_params)
        Given x and the arm.
    """

    def __init__(self, hessian: Hessian, chance: np.ndarray):
        self.hessian, self.chance, self.method = hessian, chance, hessian.method

    def __call__(self, model: StructuralModel, theta: Tensor, rows: slice) -> Tensor:
        """Compute the expected Hessian of rows.

        Parameters
        ----------
        model : StructuralModel
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_params)
        """
        return self.hessian(model, theta, rows) * torch.as_tensor(self.chance[rows], device="cpu")


class GivenHessian:
    """Hold the expected Hessian of every row.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_params) or (n_samples, n_params, n_params)
        Diagonals, or whole matrices, which need not be symmetric for moments.
    method : str, default='given'
        How they came about.
    """

    def __init__(self, values: np.ndarray, method: str = "given"):
        self.values, self.method = values, method

    def __call__(self, model: StructuralModel, theta: Tensor, rows: slice) -> Tensor:
        """Return the expected Hessian of rows.

        Parameters
        ----------
        model : StructuralModel
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_params) or (n, n_params, n_params)
        """
        return torch.as_tensor(self.values[rows], dtype=torch.float64, device="cpu")


@torch.enable_grad()
def expected_hessian(
    model: StructuralModel, theta: Tensor, weight: Tensor, t: Tensor, y: Tensor | None = None
) -> Tensor:
    """Average the Hessian of the loss over treatments.

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
    y : Tensor of shape (n, n_outcomes) or None, default=None
        Outcomes; None takes those that the model expects.

    Returns
    -------
    Tensor of shape (n, n_params) if the model's Hessian is diagonal, else (n, n_params, n_params)
    """
    if y is None:
        found = model.hessian_of_doses(theta, weight, t)
        if found is not None:
            return found
    theta = theta.detach().requires_grad_(True)
    spread = theta.expand(len(weight), -1, -1)
    nodes = [(1.0, y.expand(len(weight), *y.shape))] if y is not None else None
    if nodes is None:
        with torch.no_grad():
            nodes = model.outcome_nodes(spread, t)
    total = sum(
        (share * weight[..., None] * model.batch_score(own, t, spread)).sum(0)
        for share, own in nodes
    )
    assert isinstance(total, Tensor)
    if model.diagonal_hessian:
        return torch.autograd.grad(total.sum(), theta)[0]
    columns = [
        torch.autograd.grad(total[:, j].sum(), theta, retain_graph=True)[0]
        for j in range(theta.shape[1])
    ]
    # row j holds the derivatives of the j-th score
    return torch.stack(columns, dim=-2)
