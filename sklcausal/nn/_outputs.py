"""What a network says of a batch of rows."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """Outputs of a network, and the layers that others read.

    Parameters
    ----------
    theta : Tensor of shape (n_members, n, n_outputs)
        Outputs, head by head.
    features : Tensor of shape (n_members, n, n_heads, n_hidden)
        Last hidden layer behind each head, on which the intervals of effects are built.
    representation : Tensor of shape (n_members, n, n_shared) or None
        What shared layers say of a row, for penalties; None where there are none.
    """

    theta: Tensor
    features: Tensor
    representation: Tensor | None = None
