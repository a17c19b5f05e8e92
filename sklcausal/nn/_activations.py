"""Activations of hidden layers."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

GROWTH_BEND = 3.0  # where growing units go on in a straight line

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}

GROWING = "silu_exp"


def _silu_or_growth(x: Tensor) -> Tensor:
    """Let even units grow exponentially up to a bend, linearly beyond; others are SiLU.

    Parameters
    ----------
    x : Tensor of shape (..., n_units)

    Returns
    -------
    Tensor of shape (..., n_units)
    """
    straight = math.exp(GROWTH_BEND) * (x - GROWTH_BEND + 1) - 1
    growth = torch.where(x < GROWTH_BEND, torch.expm1(x.clamp(max=GROWTH_BEND)), straight)
    grows = torch.arange(x.shape[-1], device=x.device) % 2 == 0
    return torch.where(grows, growth, F.silu(x))


def activations_of(
    name: str, n_layers: int, before_output: bool
) -> list[Callable[[Tensor], Tensor]]:
    """Return the activations of hidden layers.

    Parameters
    ----------
    name : str
        With 'silu_exp' half of the units before an outcome grow exponentially: an outcome whose
        causes multiply is linear in such units. In several layers their slopes, up to exp(3) each,
        would multiply.
    n_layers : int
    before_output : bool
        Whether an outcome reads the last layer.

    Returns
    -------
    list of callable
    """
    found = [ACTIVATIONS[without_growth(name)]] * n_layers
    if before_output and n_layers and name == GROWING:
        found[-1] = _silu_or_growth
    return found


def without_growth(name: str) -> str:
    """Name the activation of networks without growing units, such as those of propensities."""
    return "silu" if name == GROWING else name
