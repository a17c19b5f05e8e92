"""What members are trained by: a loss that also judges them, and a penalty that does not."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sklcausal._draws import Batch
from sklcausal.nn._outputs import Outputs

# maps the member module, its outputs, the batch and the epoch (from 0) to (n_members,)
Penalty = Callable[[Any, Outputs, Batch, int], Tensor]


@dataclass(frozen=True)
class Objective:
    """Loss of each member.

    Attributes
    ----------
    fit : callable
        Maps outputs and batch to the loss of each member, shape (n_members,). It is computed on
        the validation rows too, where members stop and settings are chosen by it.
    penalty : callable or None
        Maps the module, outputs, batch and number of epochs before to what is added in training
        only, shape (n_members,): a member is judged by how well it predicts, not by how well it
        does as it is told.
    """

    fit: Callable[[Outputs, Batch], Tensor]
    penalty: Penalty | None = None


def add_penalties(*penalties: Penalty | None) -> Penalty | None:
    """Add up penalties.

    Parameters
    ----------
    *penalties : callable or None

    Returns
    -------
    callable or None
        None where none is given.
    """
    given = [own for own in penalties if own is not None]
    if len(given) < 2:
        return given[0] if given else None

    def total(module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        return torch.stack([own(module, out, batch, epoch) for own in given]).sum(0)

    return total


def half_squares(error: Tensor) -> Tensor:
    """Square errors, where NaN counts as none.

    Parameters
    ----------
    error : Tensor

    Returns
    -------
    Tensor of the same shape
    """
    # without NaN in the graph, whose gradient would be NaN too
    return 0.5 * torch.nan_to_num(error, nan=0.0) ** 2


def squared_error(out: Outputs, batch: Batch) -> Tensor:
    """Compute half the squared error of each member over all outputs; targets may be missing.

    Parameters
    ----------
    out : Outputs
    batch : Batch
        Targets that are NaN are left out.

    Returns
    -------
    Tensor of shape (n_members,)
    """
    return batch.mean(half_squares(batch.y - out.theta).sum(-1))


def arm_cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Compute the cross-entropy of the arms of each member.

    Parameters
    ----------
    logits : Tensor of shape (n_members, n, n_arms)
    batch : Batch

    Returns
    -------
    Tensor of shape (n_members,)
    """
    loss = F.cross_entropy(logits.flatten(0, 1), batch.t.flatten(), reduction="none")
    return batch.mean(loss.view_as(batch.w))
