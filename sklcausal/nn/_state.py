"""State of a module whose parameters and buffers carry a leading member axis."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Copy what members have learned: parameters and persistent buffers.

    Parameters
    ----------
    module : Module

    Returns
    -------
    dict of str to Tensor with a leading member axis
    """
    return {name: value.clone() for name, value in module.state_dict().items()}


def load_members(
    module: nn.Module, state: dict[str, np.ndarray], members: Sequence[int] | np.ndarray
) -> None:
    """Give a module the state of some members.

    Parameters
    ----------
    module : Module
        Of as many members.
    state : dict of str to ndarray with a leading member axis
    members : sequence of int
    """
    module.load_state_dict({n: torch.as_tensor(v[members]) for n, v in state.items()})


def keep_buffers(module: nn.Module, at: Tensor) -> None:
    """Cut buffers, and what parts keep beside them, to some members.

    Parameters
    ----------
    module : Module
    at : Tensor of int
        Places of the members that are kept.
    """
    for part, name, value in _member_buffers(module):
        setattr(part, name, value[at.to(value.device)])
    parts: list[Any] = [part for part in module.modules() if hasattr(part, "keep_members")]
    for part in parts:
        part.keep_members(at.tolist())


def _member_buffers(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    for part in module.modules():
        shared = getattr(part, "shared_buffers", ())
        for name, value in list(part.named_buffers(recurse=False)):
            if name not in shared:
                yield part, name, value


def weights_by_arm(module: nn.Module) -> list[Tensor]:
    """Collect the weights that belong to arms.

    Parameters
    ----------
    module : Module
        Its parts that have ``weights_by_arm()`` return views of theirs.

    Returns
    -------
    list of Tensor of shape (n_members, n_arms, ...)
    """
    parts: list[Any] = [part for part in module.modules() if hasattr(part, "weights_by_arm")]
    return [own.detach() for part in parts for own in part.weights_by_arm()]


def decay_scales(module: nn.Module) -> dict[int, float]:
    """Find by which factor weight decay acts on each parameter.

    Parameters
    ----------
    module : Module
        A part names exceptions in its ``decay_scale``. The default is 0 for what is called
        ``bias`` and 1 for all else.

    Returns
    -------
    dict of int to float
        By the id of the parameter.
    """
    found = {}
    for part in module.modules():
        own = getattr(part, "decay_scale", {})
        for name, value in part.named_parameters(recurse=False):
            found[id(value)] = float(own.get(name, 0.0 if name.endswith("bias") else 1.0))
    return found
