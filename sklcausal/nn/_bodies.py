"""A network with a shared trunk and several heads."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sklcausal.nn._layers import MemberHeads, MemberMLP


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
        self.trunk = MemberMLP(n_members, n_in, trunk_widths, activation)
        self.heads = MemberHeads(
            n_members, self.trunk.n_out, n_heads, head_widths, n_out, activation
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the outputs of all heads and their last hidden layers.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        output : Tensor of shape (n_members, n, n_heads * n_out)
            Outputs, head by head.
        features : Tensor of shape (n_members, n, n_heads, n_hidden)
            Last hidden layers.
        """
        output, features = self.heads(self.trunk(z))
        return output.flatten(2), features
