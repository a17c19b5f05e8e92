"""A plain network from inputs to outputs."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sklcausal.nn._layers import MemberHeads


class MLPModule(nn.Module):
    """Map inputs to outputs by hidden layers and a linear one.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    widths : sequence of int
        Hidden layers.
    n_out : int
        Number of outputs.
    activation : str, default='silu'
        Name of the activation.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        widths: Sequence[int],
        n_out: int,
        activation: str = "silu",
    ):
        super().__init__()
        self.heads = MemberHeads(n_members, n_in, 1, widths, n_out, activation)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute outputs and the last hidden layer.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        output : Tensor of shape (n_members, n, n_out)
            Outputs.
        features : Tensor of shape (n_members, n, 1, n_hidden)
            Last hidden layers.
        """
        output, features = self.heads(z)
        return output.squeeze(2), features
