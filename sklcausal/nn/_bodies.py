"""Networks with a shared trunk and several heads."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sklcausal.nn._generated import HeadLayers
from sklcausal.nn._layers import MemberHeads, MemberLinear, MemberMLP
from sklcausal.nn._outputs import Outputs


class MultiHeadMLP(nn.Module):
    """Map inputs through shared hidden layers to heads with hidden layers of their own.

    Without shared layers the heads are networks that share nothing; with one head it is a plain
    network.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    n_heads : int
        Number of heads, such as one per arm.
    n_out : int
        Outputs of each head.
    trunk_widths : sequence of int, default=()
        Shared hidden layers.
    head_widths : sequence of int, default=()
        Hidden layers of each head.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        n_heads: int,
        n_out: int,
        trunk_widths: Sequence[int] = (),
        head_widths: Sequence[int] = (),
        activation: str = "silu",
    ):
        super().__init__()
        # without growing units: it may be read by more than outcomes
        self.trunk = MemberMLP(n_members, n_in, trunk_widths, activation)
        self.heads = MemberHeads(
            n_members, self.trunk.n_out, n_heads, head_widths, n_out, activation
        )
        HeadLayers(n_heads, self.heads.own_layers).belong_to_arms()

    def head_layers(self) -> list[HeadLayers]:
        """Return the layers that belong to heads.

        Returns
        -------
        list of HeadLayers
            For a hypernetwork to make their weights.
        """
        return [HeadLayers(self.heads.n_heads, self.heads.own_layers)]

    def forward(self, z: Tensor) -> Outputs:
        """Compute the outputs of all heads and their last hidden layers.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        Outputs
            With the last shared layer as its representation.
        """
        shared = self.trunk(z)
        output, features = self.heads(shared)
        return Outputs(output.flatten(2), features, shared)


class ArmHead(nn.Module):
    """Tell arms apart by what shared layers say.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    widths : sequence of int
        Hidden layers.
    n_arms : int
        Number of arms.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        widths: Sequence[int],
        n_arms: int,
        activation: str = "silu",
    ):
        super().__init__()
        self.hidden = MemberMLP(n_members, n_in, widths, activation)
        self.last = MemberLinear(n_members, self.hidden.n_out, n_arms)

    def head_layers(self) -> list[HeadLayers]:
        """Return all layers, as those of a single head.

        Returns
        -------
        list of HeadLayers
            For a hypernetwork to make their weights.
        """
        return [HeadLayers(1, [*self.hidden.own_layers, self.last])]

    def forward(self, shared: Tensor) -> Tensor:
        """Compute the logits of the arms.

        Parameters
        ----------
        shared : Tensor of shape (n_members, n, n_in)
            What shared layers say.

        Returns
        -------
        Tensor of shape (n_members, n, n_arms)
            Logits.
        """
        logits: Tensor = self.last(self.hidden(shared))
        return logits


class ArmHeadMLP(MultiHeadMLP):
    """Put a head for the arms beside those for the outcomes, for penalties to call.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    n_heads : int
        Number of heads of outcomes, one for each arm.
    n_out : int
        Outputs of each head.
    n_arms : int
        Number of arms that are told apart.
    arm_widths : sequence of int
        Hidden layers of the head for the arms.
    trunk_widths : sequence of int, default=()
        Shared hidden layers.
    head_widths : sequence of int, default=()
        Hidden layers of each head.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        n_heads: int,
        n_out: int,
        n_arms: int,
        arm_widths: Sequence[int],
        trunk_widths: Sequence[int] = (),
        head_widths: Sequence[int] = (),
        activation: str = "silu",
    ):
        super().__init__(
            n_members,
            n_in,
            n_heads=n_heads,
            n_out=n_out,
            trunk_widths=trunk_widths,
            head_widths=head_widths,
            activation=activation,
        )
        self.arm_head = ArmHead(n_members, self.trunk.n_out, arm_widths, n_arms, activation)

    def head_layers(self) -> list[HeadLayers]:
        """Return the layers that belong to heads, that for the arms last.

        Returns
        -------
        list of HeadLayers
            For a hypernetwork to make their weights.
        """
        return [*super().head_layers(), *self.arm_head.head_layers()]
