"""What an optimiser step does to each member apart: decay, clipping and its learning rate."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklcausal.nn._state import decay_scales, weights_by_arm


class Decay:
    """Shrink the parameters of each member, decoupled from the optimiser.

    Parameters
    ----------
    module : Module
        Says which parameters decay by which factor, see `decay_scales`, and which belong to arms,
        see `weights_by_arm`.
    parameters : list of Tensor with a leading member axis
    arm_decay : float, default=0.0
        Decay of how far weights that belong to arms differ from their mean over arms.
    """

    def __init__(self, module: nn.Module, parameters: list[Tensor], arm_decay: float = 0.0):
        self.arm_decay = arm_decay
        self.by_arm = weights_by_arm(module) if arm_decay else []
        scales = decay_scales(module)
        self.decayed = [(p, scales[id(p)]) for p in parameters if scales[id(p)]]
        self._key: bytes = b""
        self._factors: list[Tensor] = []
        self._arm_key: bytes = b""
        self._arm_factors: list[Tensor] = []

    def __call__(self, lr: np.ndarray, decay: np.ndarray) -> None:
        """Shrink all parameters.

        Parameters
        ----------
        lr : ndarray of shape (n_members,)
            Learning rate of each member.
        decay : ndarray of shape (n_members,)
            Decay of each member, per unit of learning rate.
        """
        if self.by_arm and self._arm_key != lr.tobytes():
            self._arm_key, share = lr.tobytes(), np.minimum(1.0, lr * self.arm_decay)
            self._arm_factors = [_spread(share, own) for own in self.by_arm]
        for own, factor in zip(self.by_arm, self._arm_factors, strict=True):
            own.lerp_(own.mean(dim=1, keepdim=True).expand_as(own), factor)
        rate = lr * decay
        if not rate.any():
            return
        if self._key != rate.tobytes():
            self._key = rate.tobytes()
            self._factors = [_spread(np.maximum(0.0, 1 - rate * s), p) for p, s in self.decayed]
        torch._foreach_mul_([p for p, _ in self.decayed], self._factors)


def _spread(values: np.ndarray, like: Tensor) -> Tensor:
    """Bring one number per member to the shape of a parameter, ones but for the members."""
    found = torch.as_tensor(values, dtype=torch.float32, device=like.device)
    return found.reshape(-1, *[1] * (like.dim() - 1))


def step_members(optimiser: Any, parameters: list[Tensor], share: np.ndarray) -> None:
    """Take a step of the optimiser, of which each member takes its share.

    Parameters
    ----------
    optimiser : Optimizer
    parameters : list of Tensor with a leading member axis
    share : ndarray of shape (n_members,)
        1 for a whole step.
    """
    if (share == 1).all():
        optimiser.step()
        return
    before = [p.detach().clone() for p in parameters]
    optimiser.step()
    for p, old in zip(parameters, before, strict=True):
        p.copy_(torch.lerp(old, p, _spread(share, p)))


def clip_members(parameters: list[Tensor], bound: float) -> None:
    """Bound the norm of each member's gradient.

    Parameters
    ----------
    parameters : list of Tensor with a leading member axis
    bound : float
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.flatten(1).square().sum(1) for g in grads]).sum(0).sqrt()
    shrink = (bound / norm.clamp_min(1e-12)).clamp_max(1.0)
    torch._foreach_mul_(grads, [shrink.reshape(-1, *[1] * (g.dim() - 1)) for g in grads])
