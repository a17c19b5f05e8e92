"""Look at a model before and after training: what it returns, and what its Hessian needs."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._anchor import minimise
from sklcausal._models._base import StructuralModel
from sklcausal._models._row_model import zero_of_affine
from sklcausal.exceptions import ModelError

N_ROWS = 64
TOLERANCE = 1e-6
N_PLACES = 9  # outcomes at which a score is looked at
_NO_MINIMUM = (
    "`{name}` must be a loss, small where the fit is good, but it has no minimum: its second "
    "derivative by theta[{j}] is {value:.4g}; a likelihood or an objective that is to be large "
    "needs a minus sign"
)
MOST_ROWS = 0.5  # of them must be usable


def _tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.tensor(a, device="cpu") for a in arrays]


@torch.enable_grad()
def _hessians(model: StructuralModel, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
    """Compute the Hessian of every row: (n, n_params, n_params)."""
    at = theta.detach().requires_grad_(True)
    score = model.batch_score(y, t, at)
    columns = [
        torch.autograd.grad(score[:, j].sum(), at, retain_graph=True, allow_unused=True)[0]
        if score.requires_grad
        else None
        for j in range(score.shape[1])
    ]
    empty = torch.zeros_like(at)
    return torch.stack([empty if c is None else c for c in columns], dim=-1)


def follows_from_mean(
    model: StructuralModel, y: np.ndarray, t: np.ndarray, theta: np.ndarray
) -> bool:
    """Tell whether the expected Hessian is the Hessian at the expected outcome.

    That is so where the Hessian is affine in y and the model gives a mean, or does not depend on
    y.

    Parameters
    ----------
    model : StructuralModel
    y : ndarray of shape (n, n_outcomes)
    t : ndarray of shape (n,) or (n, n_treatments)
    theta : ndarray of shape (n, n_params)

    Returns
    -------
    bool
    """
    rows = np.linspace(0, len(y) - 1, min(N_ROWS, len(y))).astype(int)
    first, dose, own = _tensors(y[rows], t[rows], theta[rows])
    second = first.flip(0)
    low, high = (_hessians(model, v, dose, own) for v in (first, second))
    # every entry on the scale of its two parameters, whatever their units
    scale = torch.maximum(low.abs(), high.abs()).diagonal(dim1=1, dim2=2).mean(0).sqrt()
    size = (scale[:, None] * scale).clamp_min(1e-300)
    if ((low - high).abs() / size).max() <= TOLERANCE:
        return True
    if not model.has_mean:
        return False
    middle = _hessians(model, (first + second) / 2, dose, own)
    return bool(((low + high - 2 * middle).abs() / size).max() <= TOLERANCE)


def check_model(model: StructuralModel, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> None:
    """Refuse a model of a user's that cannot be trained, before any training.

    Parameters
    ----------
    model : StructuralModel
        Set up.
    y : ndarray of shape (n_samples, n_outcomes)
    t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
    weight : ndarray of shape (n_samples,)

    Raises
    ------
    ModelError
        If the loss cannot be computed, is not finite, cannot be differentiated by theta, ignores
        a parameter, has no curvature, or does not identify the parameters.
    """
    name = model.name_of("loss")
    rows = _some_rows(t, weight)
    outcome, dose = _tensors(y[rows], t[rows])
    start = torch.as_tensor(model.start(y[rows], t[rows], weight[rows]))
    if tuple(start.shape) != (model.n_params_,):
        raise ModelError(
            f"`{type(model).__name__}.start` must return {model.n_params_} numbers (n_params), "
            f"got shape {tuple(start.shape)}"
        )
    at = start.expand(len(rows), -1).clone().requires_grad_(True)
    with torch.enable_grad():
        loss = model.batch_loss(outcome, dose, at)
    finite = torch.isfinite(loss.detach())
    if not finite.all():
        i = int((~finite).nonzero()[0, 0])
        raise ModelError(
            f"`{name}` must be finite at the parameters that training starts from, got "
            f"{loss[i].item()} in row {rows[i]} with theta = {start.tolist()}; define "
            "`start(y, t, weight)` to begin elsewhere, or limit what goes into log, exp and sqrt"
        )
    if not loss.requires_grad:
        raise ModelError(
            f"`{name}` must depend on theta through torch functions, but nothing of what it "
            "returned can be differentiated by theta"
        )
    _check_start(model, name, outcome, dose, start)
    constant, scores, hessian = minimise(model, y[rows], t[rows], weight[rows])
    _check_curvature(model, name, scores, hessian, constant)
    theta = torch.as_tensor(constant).expand(len(rows), -1)
    if model.has_own_mean:
        _check_mean(model, theta, dose)
    elif model.symmetric_hessian and model.n_outcomes_ == 1:
        spread = np.abs(np.linalg.lstsq(hessian, scores.T, rcond=None)[0]).max(axis=1)
        model.implied_points_ = _implied_points(model, y[rows, 0], dose, theta, spread)


@torch.enable_grad()
def _implied_points(
    model: StructuralModel, y: np.ndarray, t: Tensor, theta: Tensor, spread: np.ndarray
) -> tuple[float, float] | None:
    """Find two outcomes between which the score is affine, and zero somewhere, in every row.

    Parameters move as far as the most extreme single row pulls them, so that a bend of the score
    beyond which outcomes are seldom is seen as well.
    """
    low, high = float(y.min()), float(y.max())
    if not low < high:
        return None
    noise = torch.randn(theta.shape, generator=torch.Generator().manual_seed(0)).double()
    places = torch.linspace(0, 1, N_PLACES).tolist()
    for far in (0.0, 0.1, 1.0):
        at = theta + far * noise * torch.as_tensor(spread)
        try:
            scores = torch.stack(
                [
                    model.batch_score(
                        torch.full_like(theta[:, :1], low + share * (high - low)), t, at
                    ).detach()
                    for share in places
                ]
            )
        except ModelError:
            return None
        # far from the data an exponential may overflow, and without a slope there is no zero
        usable = torch.isfinite(scores).all(0).all(-1) & (scores[-1] != scores[0]).any(-1)
        if usable.double().mean() < MOST_ROWS:
            return None
        first, last = scores[0, usable], scores[-1, usable]
        size = torch.maximum(first.abs(), last.abs()).clamp_min(1e-300)
        line = torch.stack([first + share * (last - first) for share in places])
        bent = ((scores[:, usable] - line).abs() / size).amax()
        share = (zero_of_affine(first, last, low, high) - low) / (high - low)
        left = ((first + share * (last - first)).abs() / (size * share.abs().clamp_min(1))).amax()
        if torch.maximum(bent, left) > TOLERANCE:
            return None
    return low, high


def _check_start(model: StructuralModel, name: str, y: Tensor, t: Tensor, start: Tensor) -> None:
    """Refuse a loss that bends down in all parameters, of which Newton steps lead nowhere."""
    hessian = _hessians(model, y, t, start.expand(len(y), -1)).mean(0).diagonal()
    if (hessian < 0).all():
        raise ModelError(_NO_MINIMUM.format(name=name, j=0, value=float(hessian[0])))


def _check_mean(model: StructuralModel, theta: Tensor, t: Tensor) -> None:
    """Refuse a mean that no treatment moves."""
    noise = torch.randn(theta.shape, generator=torch.Generator().manual_seed(0)).double()
    at = theta + 0.1 * noise * theta.abs().clamp_min(1.0)
    given, turned = model.batch_mean(at, t), model.batch_mean(at, t.flip(0))
    if torch.equal(given, turned) and not torch.equal(t, t.flip(0)):
        raise ModelError(
            f"`{model.name_of('mean')}` must depend on the treatment `t`, but is the same at all "
            "treatments in the data, so that there would be no effects"
        )


def _some_rows(t: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Take rows with weight at even distances, and some of every arm."""
    seen = np.flatnonzero(weight > 0)
    rows = seen[np.linspace(0, len(seen) - 1, min(2000, len(seen))).astype(int)]
    if t.ndim == 2:
        return rows
    of_arms = [seen[t[seen] == a][:100] for a in range(t.max() + 1)]
    return np.unique(np.concatenate([rows, *of_arms]))


def _check_curvature(
    model: StructuralModel,
    name: str,
    scores: np.ndarray,
    hessian: np.ndarray,
    constant: np.ndarray,
) -> None:
    if not np.isfinite(hessian).all() or not np.isfinite(constant).all():
        raise ModelError(
            f"`{name}` must have finite second derivatives by theta, got "
            f"{np.diag(hessian).tolist()} at theta = {constant.tolist()}; torch.where with a "
            "square root or logarithm of 0 in the branch that is not taken gives NaN"
        )
    ignored = np.flatnonzero((scores == 0).all(axis=0) & (hessian == 0).all(axis=0))
    if len(ignored):
        raise ModelError(
            f"`{name}` must depend on all {model.n_params_} parameters (n_params), but "
            f"theta[{ignored[0]}] changes nothing; lower n_params, or use it"
        )
    flat = np.flatnonzero(np.diag(hessian) == 0)
    if len(flat):
        raise ModelError(
            f"`{name}` must be curved in every parameter, but its second derivative by "
            f"theta[{flat[0]}] is 0 in every row, as of an absolute or a check loss; smooth it, "
            "as sklcausal.structural.Quantile does"
        )
    sunk = np.flatnonzero(np.diag(hessian) < 0)
    if len(sunk):
        value = hessian[sunk[0], sunk[0]]
        raise ModelError(_NO_MINIMUM.format(name=name, j=sunk[0], value=value))
    scale = np.sqrt(np.abs(np.diag(hessian)))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    if values[0] < 1e-9 * values[-1]:
        shares = np.abs(vectors[:, 0])
        both = np.flatnonzero(shares > 0.1).tolist()
        raise ModelError(
            f"the parameters of `{name}` must be told apart by the data, but the loss does not "
            f"change along a combination of theta{both}: one parameter repeats another, so drop "
            "it; or `T` varies too little, or so far from 0 that it looks constant, so subtract "
            "its mean"
        )
