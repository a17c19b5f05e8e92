"""Experts of a grid of arms and outcomes, and gates that mix them for every cell."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklcausal.nn._expert_grid import READERS, ExpertGrid
from sklcausal.nn._layers import MemberBranches, MemberLinear, MemberMLP


def _pool(experts: Tensor, n_arms: int, n_outcomes: int) -> Tensor:
    """Put experts of arms or outcomes that a listener spans side by side.

    Parameters
    ----------
    experts : Tensor of shape (n_members, a, m, count, n, width)
    n_arms, n_outcomes : int
        That the listener tells apart.

    Returns
    -------
    Tensor of shape (n_members, a or 1, m or 1, n_heard, n, width)
    """
    if n_outcomes == 1:
        experts = experts.flatten(2, 3).unsqueeze(2)
    if n_arms == 1:
        experts = experts.transpose(1, 2).flatten(2, 3).unsqueeze(1)
    return experts


class MemberCross(nn.Module):
    """Multiply inputs with affine maps of themselves, and add them.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs and outputs.
    n_groups : int
        Number of maps a member holds side by side, such as one per expert.
    n_layers : int
        How often; none hands the input on.

    References
    ----------
    .. [1] Wang et al., "DCN V2: improved deep & cross network and practical lessons for web-scale
       learning to rank systems", WWW 2021, arXiv 2008.13535, eq. (1).
    """

    def __init__(self, n_members: int, n_in: int, n_groups: int, n_layers: int):
        super().__init__()
        self.layers = nn.ModuleList(
            MemberLinear(n_members, n_in, n_in, n_groups) for _ in range(n_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers.

        Parameters
        ----------
        x : Tensor of shape (n_members, n_groups, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of the same shape
            Inputs with their products.
        """
        found = x
        for layer in self.layers:
            # x_(l+1) = x_0 * (W x_l + b) + x_l, [1], eq. (1)
            found = torch.addcmul(found, x, layer(found))
        return found


class MemberGates(nn.Module):
    """Let each of several listeners weigh what it hears.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    n_gates : int
        Number of listeners.
    widths : sequence of int
        Hidden layers of each gate.
    n_heard : int
        Number of experts that each listener hears.
    activation : str, default='silu'
        Name of the activation.
    is_common : bool, default=True
        Whether all gates read the same input.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_gates: int,
        widths: Sequence[int],
        n_heard: int,
        activation: str = "silu",
        is_common: bool = True,
    ):
        super().__init__()
        self.n_gates = n_gates
        # without hidden layers, all gates that read the same input are one wide product
        self.is_wide = is_common and not len(widths)
        if self.is_wide:
            self.last = MemberLinear(n_members, n_in, n_gates * n_heard)
            return
        self.hidden = _experts(n_members, n_in, n_gates, widths, activation, is_common)
        width = widths[-1] if len(widths) else n_in
        self.last = MemberLinear(n_members, width, n_heard, n_gates)

    def belong_to_arms(self, n_arms: int) -> None:
        """Note that gates belong to arms, those of the first arm in front.

        Parameters
        ----------
        n_arms : int
            Number of arms.
        """
        hidden: Any = [] if self.is_wide else self.hidden.own_layers
        for layer in [*hidden, self.last]:
            n_maps = layer.n_out if layer.n_groups is None else self.n_gates
            layer.belong_to_arms(n_arms, n_maps // n_arms)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the weights.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_in) or (n_members, n_gates, n, n_in)
            Inputs.

        Returns
        -------
        Tensor of shape (n_members, n_gates, n, n_heard)
            Weights, which add up to 1.
        """
        if self.is_wide:
            logits = self.last(x).unflatten(-1, (self.n_gates, -1)).transpose(1, 2)
        else:
            logits = self.last(self.hidden(x))
        return torch.softmax(logits, dim=-1)


def _experts(
    n_members: int, n_in: int, n_groups: int, widths: Sequence[int], activation: str, common: bool
) -> nn.Module:
    """Build networks side by side that read the same input, or each its own."""
    if common:
        return MemberBranches(n_members, n_in, n_groups, widths, activation)
    return MemberMLP(n_members, n_in, widths, activation, n_groups)


class ExpertLayer(nn.Module):
    """Ask all experts at once, and mix what they say for every listener.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    grid : ExpertGrid
        Experts and cells.
    expert_widths : sequence of int
        Layers of each expert, at least one.
    gate_widths : sequence of int
        Hidden layers of each gate.
    activation : str
        Name of the activation.
    n_cross : int
        Layers of products in front of each expert.
    is_first, is_last : bool
        Whether there is no layer of experts before or behind.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        grid: ExpertGrid,
        expert_widths: Sequence[int],
        gate_widths: Sequence[int],
        activation: str,
        n_cross: int,
        is_first: bool,
        is_last: bool,
    ):
        super().__init__()
        self.grid, self.is_first, self.n_out = grid, is_first, expert_widths[-1]
        self.cross = MemberCross(n_members, n_in, grid.n_experts, n_cross) if n_cross else None
        is_common = is_first and not n_cross
        self.experts = _experts(
            n_members, n_in, grid.n_experts, expert_widths, activation, is_common
        )
        self._mark_arms()
        self.gates = nn.ModuleDict()
        for listener in grid.listeners(is_last):
            n_arms, n_outcomes = grid.lead(listener)
            gates = MemberGates(
                n_members,
                n_in,
                n_arms * n_outcomes,
                gate_widths,
                grid.n_heard(listener),
                activation,
                is_first,
            )
            self.gates[listener] = gates
            if listener in ("cell", "arm"):
                gates.belong_to_arms(n_arms)

    def _mark_arms(self) -> None:
        """Note which experts belong to an arm."""
        start = 0
        for kind, (n_arms, n_outcomes, count) in self.grid.kinds.items():
            n_own = n_outcomes * count
            if kind in ("private", "outcome-shared"):
                own: Any = [] if self.cross is None else self.cross.layers
                layers: Any = self.experts.own_layers
                for layer in [*own, *layers]:
                    # experts that read the same input have their first layers side by side
                    width = 1 if layer.n_groups else layer.n_out // self.grid.n_experts
                    layer.belong_to_arms(n_arms, n_own * width, start * width)
            start += n_arms * n_own

    def ask(self, heard: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute what the experts say.

        Parameters
        ----------
        heard : dict of str to Tensor
            Of the first layer, under 'all', of shape (n_members, n, n_in); of others what each
            listener made of the layer before, of shape (n_members, a, m, n, n_in).

        Returns
        -------
        dict of str to Tensor of shape (n_members, a, m, count, n, n_out)
            By kind, with as many arms ``a`` and outcomes ``m`` as the kind tells apart.
        """
        kinds = self.grid.kinds
        if not self.is_first:
            inputs = [
                heard[READERS[kind]].flatten(1, 2).repeat_interleave(count, dim=1)
                for kind, (_, _, count) in kinds.items()
            ]
            x = torch.cat(inputs, dim=1)
        else:
            x = heard["all"]
            if self.cross is not None:
                x = x.unsqueeze(1).expand(-1, self.grid.n_experts, -1, -1)
        said = self.experts(x if self.cross is None else self.cross(x))
        parts = said.split([a * m * count for a, m, count in kinds.values()], dim=1)
        return {
            kind: part.unflatten(1, shape)
            for (kind, shape), part in zip(kinds.items(), parts, strict=True)
        }

    def weights(self, listener: str, heard: dict[str, Tensor]) -> Tensor:
        """Compute how much a listener makes of each expert that it hears.

        Parameters
        ----------
        listener : {'cell', 'arm', 'outcome', 'all'}
            Who listens.
        heard : dict of str to Tensor
            As in `ask`.

        Returns
        -------
        Tensor of shape (n_members, a, m, n, n_heard)
            Weights, which add up to 1.
        """
        x = heard["all"] if self.is_first else heard[listener].flatten(1, 2)
        found: Tensor = self.gates[listener](x)
        return found.unflatten(1, self.grid.lead(listener))

    def mix(self, listener: str, weight: Tensor, said: dict[str, Tensor]) -> Tensor:
        """Add up what a listener hears.

        Parameters
        ----------
        listener : {'cell', 'arm', 'outcome', 'all'}
            Who listens.
        weight : Tensor of shape (n_members, a, m, n, n_heard)
            From `weights`.
        said : dict of str to Tensor
            From `ask`.

        Returns
        -------
        Tensor of shape (n_members, a, m, n, n_out)
            Mixture.
        """
        pooled = [
            _pool(said[kind], *self.grid.lead(listener)) for kind in self.grid.heard(listener)
        ]
        weights = weight.transpose(3, 4).unsqueeze(-1).split([p.shape[3] for p in pooled], dim=3)
        total: Any = 0.0
        for own, part in zip(weights, pooled, strict=True):
            total = total + (own * part).sum(dim=3)
        found: Tensor = total
        return found

    def forward(self, heard: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Ask the experts, and mix what they say for all listeners.

        Parameters
        ----------
        heard : dict of str to Tensor
            As in `ask`.

        Returns
        -------
        mixed : dict of str to Tensor of shape (n_members, a, m, n, n_out)
            By listener.
        said : dict of str to Tensor
            From `ask`.
        """
        said = self.ask(heard)
        mixed = {
            listener: self.mix(listener, self.weights(listener, heard), said)
            for listener in self.gates
        }
        return mixed, said
