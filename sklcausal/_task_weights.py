"""Weigh the losses of several outcomes against each other during training."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._objective import Penalty
from sklcausal.nn._outputs import Outputs

# how strongly outcomes that lag behind are favoured: alpha of [GradNorm]
ASYMMETRY = 1.5

# maps outputs of the network and the batch to (n_members, n_outcomes)
Losses = Callable[[Outputs, Batch], Tensor]


def uncertainty_weights(losses: Losses) -> Penalty:
    """Let every member learn how uncertain each outcome is, and divide its loss by that.

    Parameters
    ----------
    losses : callable
        Maps outputs and batch to the loss of every outcome.

    Returns
    -------
    callable
        Penalty that makes of the sum of losses a weighted one.

    References
    ----------
    .. [1] Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses for scene
       geometry and semantics", CVPR 2018, arXiv 1705.07115, eq. (10).
    """

    def penalty(module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        # s = log sigma^2; the sum of losses itself is part of the objective
        s = module.body.task_weights.value
        return (torch.expm1(-s) * losses(out, batch) + s / 2).sum(-1)

    return penalty


def gradient_weights(losses: Losses) -> Penalty:
    """Weigh outcomes so that all train at similar rates, judged by their gradients.

    Rates are losses relative to those of the constants that training starts from, on the same
    rows, in place of the losses of the first step.

    Parameters
    ----------
    losses : callable
        Maps outputs and batch to the loss of every outcome.

    Returns
    -------
    callable
        Penalty that makes of the sum of losses a weighted one.

    References
    ----------
    .. [1] Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: gradient normalization for adaptive
       loss balancing in deep multitask networks", ICML 2018, arXiv 1711.02257, eq. (1) and (2).
    """

    def penalty(module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        own = losses(out, batch)
        weight = own.shape[-1] * torch.softmax(module.body.task_weights.value, dim=-1)
        # W, the last layer that all outcomes share
        shared = module.body.trunk.own_layers[-1].weight
        every = torch.eye(own.shape[-1], dtype=own.dtype, device=own.device)
        (slopes,) = torch.autograd.grad(
            own.sum(0), shared, every, retain_graph=True, is_grads_batched=True
        )
        norm = slopes.flatten(2).norm(dim=-1).T
        with torch.no_grad():
            start = out._replace(theta=module.theta().expand_as(out.theta))
            progress = own / losses(start, batch).clamp_min(1e-12)
            rate = progress / progress.mean(dim=-1, keepdim=True).clamp_min(1e-12)
            target = (weight * norm).mean(dim=-1, keepdim=True) * rate**ASYMMETRY
        imbalance = (weight * norm - target).abs().sum(-1)
        weighted = ((weight.detach() - 1) * own).sum(-1)
        return weighted + imbalance

    return penalty


TASK_WEIGHTS = {"uncertainty": uncertainty_weights, "gradnorm": gradient_weights}
