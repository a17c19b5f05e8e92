"""A network whose heads read mixtures of experts."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklcausal.nn._expert_grid import ExpertGrid
from sklcausal.nn._experts import ExpertLayer
from sklcausal.nn._layers import MemberLinear, MemberMLP
from sklcausal.nn._outputs import Outputs


class TaskWeights(nn.Module):
    """Hold one number per outcome, by which tasks are weighed in training; it starts at 0.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_outcomes : int
        Number of tasks.
    """

    decay_scale = {"value": 0.0}

    def __init__(self, n_members: int, n_outcomes: int):
        super().__init__()
        self.value = nn.Parameter(
            torch.zeros(n_members, n_outcomes, dtype=torch.float32, device="cpu")
        )

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Set the numbers of one member to 0.

        Parameters
        ----------
        member : int
            Position of the member.
        generator : Generator
            Not used.
        """
        with torch.no_grad():
            self.value[member] = 0.0


class MixtureMLP(nn.Module):
    """Map inputs through shared layers and layers of experts to a head for every cell.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    grid : ExpertGrid
        Cells, and the experts of each layer.
    expert_widths : sequence of int
        Layers of each expert, at least one.
    trunk_widths : sequence of int, default=()
        Shared hidden layers, which experts and gates read.
    gate_widths : sequence of int, default=()
        Hidden layers of each gate.
    head_widths : sequence of int, default=()
        Hidden layers of each head.
    n_layers : int, default=1
        Layers of experts.
    n_cross : int, default=0
        Layers of products in front of each expert.
    has_task_weights : bool, default=False
        Whether it holds a weight for each outcome, for penalties to call.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        grid: ExpertGrid,
        expert_widths: Sequence[int],
        trunk_widths: Sequence[int] = (),
        gate_widths: Sequence[int] = (),
        head_widths: Sequence[int] = (),
        n_layers: int = 1,
        n_cross: int = 0,
        has_task_weights: bool = False,
        activation: str = "silu",
    ):
        super().__init__()
        self.trunk = MemberMLP(n_members, n_in, trunk_widths, activation)
        width, layers = self.trunk.n_out, []
        for k in range(n_layers):
            layers.append(
                ExpertLayer(
                    n_members,
                    width,
                    grid=grid,
                    expert_widths=expert_widths,
                    gate_widths=gate_widths,
                    activation=activation,
                    n_cross=n_cross,
                    is_first=k == 0,
                    is_last=k == n_layers - 1,
                )
            )
            width = layers[-1].n_out
        self.layers = nn.ModuleList(layers)
        n_cells = grid.n_arms * grid.n_outcomes
        # numbers of a row that are held at once while cells mix what experts say
        self.widest = n_cells * grid.n_heard("cell") * width
        self.heads = MemberMLP(
            n_members, width, head_widths, activation, n_cells, before_output=True
        )
        self.last = MemberLinear(n_members, self.heads.n_out, 1, n_cells)
        for layer in [*self.heads.own_layers, self.last]:
            layer.belong_to_arms(grid.n_arms, grid.n_outcomes)
        self.task_weights = TaskWeights(n_members, grid.n_outcomes) if has_task_weights else None

    def forward(self, z: Tensor) -> Outputs:
        """Compute the outcomes of all arms, arm by arm.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        Outputs
            With what the treatment-shared experts of the last layer say, side by side, as its
            representation; None where there are none.
        """
        heard, said = {"all": self.trunk(z)}, {}
        for layer in self.layers:
            heard, said = layer(heard)
        hidden = self.heads(heard["cell"].flatten(1, 2))
        theta = self.last(hidden).squeeze(-1).transpose(1, 2)
        shared = said.get("treatment-shared")
        if shared is not None:
            shared = shared.flatten(1, 3).transpose(1, 2).flatten(2)
        return Outputs(theta, hidden.transpose(1, 2), shared)

    def expert_weights(self, z: Tensor) -> Tensor:
        """Compute how much each cell makes of the experts of the last layer.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        Tensor of shape (n_members, n, n_arms, n_outcomes, n_heard)
            Weights, which add up to 1.
        """
        heard = {"all": self.trunk(z)}
        layers: Any = self.layers
        *first, last = layers
        for layer in first:
            heard, _ = layer(heard)
        found: Tensor = last.weights("cell", heard)
        return found.movedim(3, 1)
