"""Layers whose parameters carry a leading member axis."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sklcausal.nn._activations import activations_of


class MemberLinear(nn.Module):
    """Apply one affine map per member, or one per member and group.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in, n_out : int
        Number of inputs and outputs.
    n_groups : int or None, default=None
        Number of maps a member holds side by side, such as one per arm; None for a single map
        without a group axis.

    Notes
    -----
    Weights start uniform on ±1/sqrt(n_in), as in ``torch.nn.Linear``.
    """

    def __init__(self, n_members: int, n_in: int, n_out: int, n_groups: int | None = None):
        super().__init__()
        lead = (n_members,) if n_groups is None else (n_members, n_groups)
        self.n_in, self.n_out, self.n_groups = n_in, n_out, n_groups
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.weight = nn.Parameter(torch.empty(*lead, n_in, n_out, **at))
        self.bias = nn.Parameter(torch.empty(*lead, 1, n_out, **at))
        self.arms: list[tuple[int, int, int]] = []

    def belong_to_arms(self, n_arms: int, n_beside: int, start: int = 0) -> None:
        """Note that some maps belong to arms, those of the first arm in front.

        Parameters
        ----------
        n_arms : int
            Number of arms.
        n_beside : int
            Number of maps of each arm: groups, or of a map without groups its outputs.
        start : int, default=0
            Maps in front of them that belong to no arm.
        """
        self.arms.append((n_arms, n_beside, start))

    def weights_by_arm(self) -> list[Tensor]:
        """Return the weights that belong to arms.

        Returns
        -------
        list of Tensor of shape (n_members, n_arms, ...)
            Views of the weights; empty if none belongs to an arm, or they are made elsewhere.
        """
        if not self.arms or "weight" not in self._parameters:
            return []
        maps = self.weight.movedim(-1, 1) if self.n_groups is None else self.weight
        return [
            maps[:, start : start + n_arms * n_beside].unflatten(1, (n_arms, n_beside))
            for n_arms, n_beside, start in self.arms
        ]

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Draw new weights for one member, unless they are made elsewhere.

        Parameters
        ----------
        member : int
            Position of the member.
        generator : Generator
            Source of the draws.
        """
        if "weight" not in self._parameters:
            return
        bound = 1 / math.sqrt(self.n_in)
        with torch.no_grad():
            self.weight[member].uniform_(-bound, bound, generator=generator)
            self.bias[member].uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in) or (n_members, n_groups, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of shape (n_members, n, n_out) or (n_members, n_groups, n, n_out)
            Transformed inputs.
        """
        if self.n_groups is None:
            return torch.baddbmm(self.bias, x, self.weight)
        flat = torch.baddbmm(self.bias.flatten(0, 1), x.flatten(0, 1), self.weight.flatten(0, 1))
        return flat.unflatten(0, self.weight.shape[:2])


class MemberMLP(nn.Module):
    """Stack affine maps, each followed by the activation.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    widths : sequence of int
        Number of units of each layer; an empty sequence is the identity.
    activation : {'elu', 'gelu', 'relu', 'silu', 'silu_exp', 'softplus', 'tanh'}, default='silu'
        Name of the activation.
    n_groups : int or None, default=None
        As in `MemberLinear`.
    before_output : bool, default=False
        Whether an outcome reads the last layer, where 'silu_exp' differs from 'silu'.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        widths: Sequence[int],
        activation: str = "silu",
        n_groups: int | None = None,
        before_output: bool = False,
    ):
        super().__init__()
        sizes = [n_in, *widths]
        self.n_out = sizes[-1]
        self.layers = nn.ModuleList(
            MemberLinear(n_members, i, o, n_groups) for i, o in pairwise(sizes)
        )
        self.activations = activations_of(activation, len(self.layers), before_output)

    @property
    def own_layers(self) -> list[MemberLinear]:
        """Affine maps, first to last."""
        layers: Any = self.layers
        return list(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in) or (n_members, n_groups, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of shape (n_members, n, n_out) or (n_members, n_groups, n, n_out)
            Transformed inputs.
        """
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation(layer(x))
        return x


class MemberBranches(nn.Module):
    """Let several branches, such as one per arm, read the same input with layers of their own.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    n_heads : int
        Number of branches.
    widths : sequence of int
        Hidden layers of each branch; an empty sequence hands the input on.
    activation : str, default='silu'
        Name of the activation.
    before_output : bool, default=False
        As in `MemberMLP`.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_heads: int,
        widths: Sequence[int],
        activation: str = "silu",
        before_output: bool = False,
    ):
        super().__init__()
        self.n_heads = n_heads
        # the first layer of all branches reads the same input, so it is one wide product
        first = [n_heads * w for w in widths[:1]]
        is_last = before_output and len(widths) == 1
        self.first = MemberMLP(n_members, n_in, first, activation, before_output=is_last)
        width = widths[0] if widths else n_in
        self.rest = MemberMLP(n_members, width, widths[1:], activation, n_heads, before_output)
        self.n_features = self.rest.n_out

    @property
    def own_layers(self) -> list[MemberLinear]:
        """Layers that belong to the branches, first to last."""
        return [*self.first.own_layers, *self.rest.own_layers]

    def hidden(self, x: Tensor) -> Tensor:
        """Compute the last hidden layers.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of shape (n_members, n_heads, n, n_features)
            Last hidden layers.
        """
        if len(self.first.layers) == 0:
            found = x.unsqueeze(1).expand(-1, self.n_heads, -1, -1)
        else:
            # apart before the activation, which differs between the units of a branch
            (first,), (activation,) = self.first.own_layers, self.first.activations
            found = activation(first(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2))
        return self.rest(found)

    def forward(self, x: Tensor) -> Any:
        """Compute the last hidden layers, as `hidden`.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of shape (n_members, n_heads, n, n_features)
            Last hidden layers.
        """
        return self.hidden(x)


class MemberHeads(MemberBranches):
    """Give each of several heads hidden layers of its own on a shared input.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    n_heads : int
        Number of heads.
    widths : sequence of int
        Hidden layers of each head; an empty sequence makes the heads linear.
    n_out : int
        Outputs of each head.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_heads: int,
        widths: Sequence[int],
        n_out: int,
        activation: str = "silu",
    ):
        super().__init__(n_members, n_in, n_heads, widths, activation, before_output=True)
        self.last = MemberLinear(n_members, self.n_features, n_out, n_heads)

    @property
    def own_layers(self) -> list[MemberLinear]:
        """Layers that belong to the heads, first to last."""
        return [*super().own_layers, self.last]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the heads' outputs and their last hidden layers.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in)
            Inputs.

        Returns
        -------
        output : Tensor of shape (n_members, n, n_heads, n_out)
            Outputs.
        features : Tensor of shape (n_members, n, n_heads, n_features)
            Last hidden layers.
        """
        hidden = self.hidden(x)
        return self.last(hidden).transpose(1, 2), hidden.transpose(1, 2)


def reset_members(module: nn.Module, seeds: Sequence[int]) -> None:
    """Draw the weights of each member from its own seed.

    Member k is the same whatever other members stand beside it.

    Parameters
    ----------
    module : Module
        Its parts that have a ``reset_member(k, generator)`` are reset.
    seeds : sequence of int
        One per member.

    Raises
    ------
    TypeError
        If a part has parameters but no ``reset_member``.
    """
    for part in module.modules():
        if list(part.parameters(recurse=False)) and not hasattr(part, "reset_member"):
            raise TypeError(
                f"{type(part).__name__} must define `reset_member(member, generator)`, since it "
                "has parameters that every member starts from on its own, got none"
            )
    parts: list[Any] = [part for part in module.modules() if hasattr(part, "reset_member")]
    for member, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        for part in parts:
            part.reset_member(member, generator)


def check_widths(widths: Sequence[int], name: str, at_least: int = 0) -> tuple[int, ...]:
    """Check the numbers of units of hidden layers.

    Parameters
    ----------
    widths : sequence of int
    name : str
        Name of the argument, for the message.
    at_least : int, default=0
        Fewest layers.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If there are too few, or one is not an integer of at least 1.
    """
    if len(widths) < at_least:
        raise ValueError(f"`{name}` must name at least {at_least} layer(s), got {tuple(widths)}")
    try:
        checked = tuple(int(w) for w in widths)
        good = all(w == v and w >= 1 for w, v in zip(checked, widths, strict=True))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"`{name}` must hold integers of at least 1, got {tuple(widths)}")
    return checked
