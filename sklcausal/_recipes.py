"""Networks that several methods share."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence

from sklcausal._ensemble import Recipe
from sklcausal.nn import MultiHeadMLP
from sklcausal.nn._layers import check_widths


def trunk_and_heads(
    n_heads: int,
    n_out: int,
    representation_widths: Sequence[int],
    head_widths: Sequence[int],
    activation: str,
    fewest: int = 0,
) -> Recipe:
    """Name a network with shared hidden layers and heads with hidden layers of their own.

    Parameters
    ----------
    n_heads, n_out : int
    representation_widths, head_widths : sequence of int
    activation : str
    fewest : int, default=0
        Fewest shared hidden layers.

    Returns
    -------
    Recipe
    """
    arguments = {
        "n_heads": n_heads,
        "n_out": n_out,
        "trunk_widths": check_widths(representation_widths, "representation_widths", fewest),
        "head_widths": check_widths(head_widths, "head_widths"),
        "activation": activation,
    }
    return Recipe(MultiHeadMLP, arguments)
