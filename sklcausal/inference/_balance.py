"""What the corrections weigh, and whether their weights balance covariates."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._base import StructuralModel
from sklcausal.inference._averages import covariance_of_moves, ratio_average
from sklcausal.inference._hessian import Hessian, expected_hessian
from sklcausal.inference._influence import row_gradient, solve_hessian, whitening_of
from sklcausal.inference._targets import MeanContrast
from sklcausal.inference._units import Affine

MAX_ROWS = 20_000
MAX_COLUMNS = 20


def weigh_rows(
    model: StructuralModel,
    y: np.ndarray,
    t: np.ndarray,
    theta: np.ndarray,
    hessian: Hessian,
    back: Affine,
    y_scale: np.ndarray,
    target: MeanContrast,
    X: np.ndarray,
    names: list[str],
    row_weight: np.ndarray,
    cluster: np.ndarray | None,
) -> dict[str, Any]:
    """Measure the representer ``alpha = H_theta Lambda^-1 b`` of an effect, and its balance.

    At most 20,000 rows are looked at. The representer of a row is how far its influence value
    moves with its outcome. If Lambda(x) is right, ``l_theta_theta Lambda^-1 H_theta' - H_theta'``
    has mean 0 given x, so that its product with any function of x averages to 0.

    Parameters
    ----------
    model : StructuralModel
    y, t, theta : ndarray
        In the units of the engine.
    hessian : Hessian
    back : Affine
        From the units of the engine to outcome units.
    y_scale : ndarray of shape (n_outcomes,)
        Outcome units per unit of the engine.
    target : MeanContrast
        With a single output.
    X : ndarray of shape (n_samples, n_features)
    names : list of str
        Of the columns.
    row_weight : ndarray of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None

    Returns
    -------
    dict
        Effective sample size, quantiles of the absolute representer, and the largest imbalance in
        standard errors with the function of x it belongs to.
    """
    rows = slice(None, None, 1 + len(y) // MAX_ROWS)
    size = len(y[rows])
    own = torch.tensor(theta[rows], dtype=torch.float64)
    outer = torch.as_tensor(back(theta[None, rows])[0])
    gradient = row_gradient(partial(target, rows=rows), outer)
    gradient = gradient @ torch.as_tensor(back.matrix[0]).T
    expected = hessian(model, own, rows)
    whiten = None
    if not model.symmetric_hessian:
        expected = expected.transpose(1, 2)
    elif expected.dim() == 3:
        whiten = whitening_of(expected)
    weights, _, _ = solve_hessian(expected, gradient, whiten)
    outcome, dose = torch.tensor(y[rows]), torch.tensor(t[rows])
    alpha = _move_of_outcome(model, outcome, dose, own, weights) / torch.as_tensor(y_scale)
    ones = torch.ones((1, size), dtype=torch.float64)
    own_hessian = expected_hessian(model, own, ones, dose[None], outcome)
    if own_hessian.dim() == 2:
        product = own_hessian * weights
    else:
        product = (own_hessian.transpose(1, 2) @ weights[:, :, None])[:, :, 0]
    gap = (product - gradient).numpy()
    kept = None if cluster is None else cluster[rows]
    return {
        **_summarise(alpha.sum(dim=1).numpy() * row_weight[rows]),
        **_imbalance(gap, X[rows], names, row_weight[rows], kept),
    }


@torch.enable_grad()
def _move_of_outcome(
    model: StructuralModel, y: Tensor, t: Tensor, theta: Tensor, weights: Tensor
) -> Tensor:
    """Differentiate the influence value of every row by its outcomes."""
    unseen = torch.isnan(y)
    y = torch.nan_to_num(y).requires_grad_(True)
    score = model.batch_score(y, t, theta.clone().requires_grad_(True))
    (move,) = torch.autograd.grad((score * weights).sum(), y, allow_unused=True)
    return torch.zeros_like(y) if move is None else torch.where(unseen, 0.0, -move.detach())


def _summarise(alpha: np.ndarray) -> dict[str, Any]:
    size = np.abs(alpha)
    if not size.any():
        return {}
    quantiles = np.quantile(size, [0.5, 0.9, 0.99, 1.0])
    return {
        "representer_effective_sample_size": float(size.sum() ** 2 / (size**2).sum()),
        "representer_quantiles": dict(
            zip(("50%", "90%", "99%", "max"), quantiles.tolist(), strict=True)
        ),
    }


def _imbalance(
    gap: np.ndarray,
    X: np.ndarray,
    names: list[str],
    weight: np.ndarray,
    cluster: np.ndarray | None,
) -> dict[str, Any]:
    spread = X.std(axis=0)
    kept = np.flatnonzero(spread > 0)[:MAX_COLUMNS]
    tests = np.column_stack(
        [np.ones(len(X)), (X[:, kept] - X[:, kept].mean(axis=0)) / spread[kept]]
    )
    products = (gap[:, :, None] * tests[:, None, :]).reshape(len(gap), -1)
    mean, moves = ratio_average(products, np.ones((len(gap), 1)), weight)
    variance = np.diag(covariance_of_moves([moves], [np.arange(len(moves))], cluster))
    scores = mean / np.where(variance > 0, np.sqrt(variance), np.inf)
    scores = scores.reshape(gap.shape[1], -1)
    labels = ["constant", *(names[j] for j in kept)]
    param, at = np.unravel_index(np.abs(scores).argmax(), scores.shape)
    return {
        "imbalance": scores,
        "largest_imbalance": float(np.abs(scores).max()),
        "largest_imbalance_at": (int(param), labels[int(at)]),
        "imbalance_columns": labels,
    }
