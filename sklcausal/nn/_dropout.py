"""Dropout whose members draw from generators of their own."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class MemberDropout(nn.Module):
    """Set units to 0 at random in training, each member with masks of its own.

    What is kept is divided by ``1 - rate``; in evaluation nothing is changed.

    Parameters
    ----------
    n_members : int
        Number of members.
    rate : float
        Probability of a unit to be dropped, at least 0 and below 1. With 0 nothing is drawn.

    Raises
    ------
    ValueError
        If the rate is out of range.

    Notes
    -----
    A member's masks depend on its own seed only: neither on the members beside it nor on the
    global generator. They are drawn on the CPU, so that they are the same on every device.
    """

    def __init__(self, n_members: int, rate: float):
        super().__init__()
        check_rate(rate, "rate")
        self.rate = float(rate)
        self._generators = [torch.Generator("cpu") for _ in range(n_members)]

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Start the masks of one member anew.

        Parameters
        ----------
        member : int
            Position of the member.
        generator : Generator
            Source of the seed; not touched if the rate is 0.
        """
        if self.rate > 0:
            seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
            self._generators[member] = torch.Generator("cpu").manual_seed(seed)

    def keep_members(self, positions: Sequence[int]) -> None:
        """Go on with some of the members only.

        Parameters
        ----------
        positions : sequence of int
            Their places among the present members.
        """
        self._generators = [self._generators[int(k)] for k in positions]

    def forward(self, x: Tensor) -> Tensor:
        """Drop units.

        Parameters
        ----------
        x : Tensor of shape (n_members, ..., width)
            Units.

        Returns
        -------
        Tensor of shape (n_members, ..., width)
            What is left of them.
        """
        if not self.training or self.rate == 0:
            return x
        mask = torch.empty(x.shape, dtype=x.dtype, device="cpu")
        for own, generator in zip(mask, self._generators, strict=True):
            own.bernoulli_(1 - self.rate, generator=generator)
        return x * mask.div_(1 - self.rate).to(x.device)

    def __getstate__(self) -> dict[str, Any]:
        # states, since not every version of torch can copy and pickle a generator
        return {**self.__dict__, "_generators": [g.get_state() for g in self._generators]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._generators = [torch.Generator("cpu").set_state(s) for s in state["_generators"]]


def check_rate(rate: float, name: str) -> None:
    """Check the rate of a dropout.

    Parameters
    ----------
    rate : float
    name : str
        Name of the argument, for the message.

    Raises
    ------
    ValueError
        If it is not a number of at least 0 and below 1.
    """
    try:
        good = 0 <= rate < 1
    except TypeError:
        good = False
    if not good:
        raise ValueError(f"`{name}` must be at least 0 and below 1, got {rate!r}")
