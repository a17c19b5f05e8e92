"""Affine maps whose weight matrices have the largest singular value 1, member by member."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sklcausal.nn._layers import MemberLinear


def _top_vectors(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the leading singular vectors of stacked matrices, as a row and a column."""
    wide = weight.double()
    is_tall = wide.shape[-2] > wide.shape[-1]
    wide = wide.mT if is_tall else wide
    # the smaller of the two products of the matrix with itself costs little and is exact
    short = torch.linalg.eigh(wide @ wide.mT).eigenvectors[..., -1:]
    long = F.normalize(wide.mT @ short, dim=-2)
    left, right = (long, short) if is_tall else (short, long)
    return left.mT.float(), right.float()


class MemberSpectralLinear(MemberLinear):
    """Apply an affine map whose weight is divided by its largest singular value.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in, n_out : int
        Number of inputs and outputs.
    n_groups : int or None, default=None
        As in `MemberLinear`.

    Notes
    -----
    The singular value is that of each member's and group's own matrix. It is exact at the start;
    then each forward pass in training follows it by one step of the power iteration. The vectors
    ``left`` and ``right`` of that iteration are buffers: a copy of the parameters alone does not
    carry them. The weight's own size has no effect, so that weight decay is no penalty on it.

    References
    ----------
    .. [1] Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial
       networks", ICLR 2018, arXiv 1802.05957, algorithm 1.
    """

    decay_scale: dict[str, float] = {"bias": 0.0}
    left: Tensor
    right: Tensor

    def __init__(self, n_members: int, n_in: int, n_out: int, n_groups: int | None = None):
        super().__init__(n_members, n_in, n_out, n_groups)
        lead = self.weight.shape[:-2]
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.register_buffer("left", torch.zeros(*lead, 1, n_in, **at))
        self.register_buffer("right", torch.zeros(*lead, n_out, 1, **at))

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Draw new weights for one member, and find their largest singular value.

        Parameters
        ----------
        member : int
            Position of the member.
        generator : Generator
            Source of the draws.
        """
        super().reset_member(member, generator)
        self.left[member], self.right[member] = _top_vectors(self.weight[member].detach())

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
        left = self.left
        if self.training:
            left = F.normalize((self.weight.detach() @ self.right).mT, dim=-1)
        # one pass over the weight, which is the large one here, serves both
        *_, n, _ = x.shape
        mapped, top = (torch.cat([x, left], dim=-2) @ self.weight).split([n, 1], dim=-2)
        if self.training:
            # new tensors, since an earlier pass may still need the old ones for its gradient
            self.left, self.right = left, F.normalize(top.detach().mT, dim=-2)
        return mapped / (top @ self.right) + self.bias
