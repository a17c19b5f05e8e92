"""Rows that members draw: each its own, in its own order and units."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._units import Units

NUMBERS_AT_ONCE = 2**20  # of X that are gathered for the next batches


class Batch(NamedTuple):
    """Rows that each member draws: the same number for all, padded with weight 0.

    A pair of inputs and targets, as skorch's callbacks expect.

    Attributes
    ----------
    X : Tensor of shape (n_members, n, n_features)
    t : Tensor of shape (n_members, n) for arms, (n_members, n, n_treatments) for doses
    y : Tensor of shape (n_members, n, n_outcomes)
    w : Tensor of shape (n_members, n)
    """

    X: Tensor
    targets: tuple[Tensor, Tensor, Tensor, Tensor]

    @property
    def t(self) -> Tensor:
        """Treatments."""
        return self.targets[0]

    @property
    def y(self) -> Tensor:
        """Outcomes, in the units of each member."""
        return self.targets[1]

    @property
    def w(self) -> Tensor:
        """Weights, 0 for padding."""
        return self.targets[2]

    def mean(self, loss: Tensor) -> Tensor:
        """Average weighted losses of rows within each member.

        The divisor is the number of rows, not the sum of their weights, so that a row pulls by
        its weight whatever rows it is drawn with.

        Parameters
        ----------
        loss : Tensor of shape (n_members, n) or (n_members, n, n_losses)

        Returns
        -------
        Tensor of shape (n_members,) or (n_members, n_losses)
        """
        # the trailing axes of the loss are those of its mean
        w, n_rows = (a.reshape(*a.shape, *[1] * (loss.dim() - 2)) for a in (self.w, self.n_rows))
        return (loss * w).sum(dim=1) / n_rows

    @property
    def n_rows(self) -> Tensor:
        """Number of rows with weight that each member draws, at least 1."""
        return self.targets[3]


@dataclass
class MemberRows:
    """Rows on which a member trains and by which it stops, and its seed."""

    train: np.ndarray
    valid: np.ndarray
    seed: int


class TrainingData:
    """Tensors of all rows, and the units in which each member sees y and T.

    Parameters
    ----------
    X : Tensor of shape (n_samples, n_features)
    t : Tensor of shape (n_samples,) or (n_samples, n_treatments)
    y : Tensor of shape (n_samples, n_outcomes) or (n_members, n_samples, n_outcomes)
    w : Tensor of shape (n_samples,)
    units : Units
        Of the centred y and T that are handed over here.
    """

    def __init__(self, X: Tensor, t: Tensor, y: Tensor, w: Tensor, units: Units):
        self.X, self.t, self.y, self.w = X, t, y, w
        self.units = units

    def draw(self, rows: Tensor, pad: Tensor, scales: _Scales) -> Iterator[Batch]:
        """Gather the rows of several batches at once, since that takes as long as one.

        Parameters
        ----------
        rows : Tensor of int of shape (n_batches, n_members, n)
        pad : Tensor of shape (n_batches, n_members, n)
            1 for a row that counts and 0 for padding.
        scales : _Scales

        Yields
        ------
        Batch
        """
        t, y = self.t[rows], self.y[rows] if self.y.dim() == 2 else self.y[scales.members, rows]
        if t.dim() == 4:
            t = (t - scales.t_loc) / scales.t_scale
        y = (y - scales.y_loc) / scales.y_scale
        w = self.w[rows] * pad
        n_rows = (w > 0).sum(dim=2).clamp_min(1)
        for X, *targets in zip(self.X[rows], t, y, w, n_rows, strict=True):
            yield Batch(X, (targets[0], targets[1], targets[2], targets[3]))


class _Scales:
    """Units as tensors, cut to the members that still train."""

    def __init__(self, units: Units, members: Sequence[int], device: torch.device):
        at = list(members)
        self.members = torch.as_tensor(at, device=device)[:, None]
        for name in ("y_loc", "y_scale", "t_loc", "t_scale"):
            value = torch.as_tensor(getattr(units, name)[at][:, None, :], dtype=torch.float32)
            setattr(self, name, value.to(device))

    members: Tensor
    y_loc: Tensor
    y_scale: Tensor
    t_loc: Tensor
    t_scale: Tensor


class Draws:
    """Iterate over batches in which each member goes through its own rows in its own order."""

    def __init__(
        self,
        data: TrainingData,
        rows: Sequence[np.ndarray],
        batch_size: int,
        generators: Sequence[torch.Generator] | None,
        units_of: Sequence[int],
    ):
        self.data, self.generators = data, generators
        self.rows = [torch.as_tensor(r, device="cpu") for r in rows]
        longest = max(len(r) for r in rows)
        self.n_batches = max(1, math.ceil(longest / batch_size))
        self.size = math.ceil(longest / self.n_batches)
        self.scales = _Scales(data.units, units_of, data.X.device)

    def __iter__(self) -> Iterator[Batch]:
        n_rows = self.n_batches * self.size
        device = self.data.X.device
        index = torch.empty(len(self.rows), n_rows, dtype=torch.int64, device="cpu")
        pad = torch.zeros(len(self.rows), n_rows, dtype=torch.float32, device="cpu")
        for k, own in enumerate(self.rows):
            order = own
            # padding shows a member a row of its own, never one that it may not see
            index[k] = own[0] if len(own) else 0
            if self.generators is not None:
                order = own[torch.randperm(len(own), generator=self.generators[k])]
            index[k, : len(own)] = order
            pad[k, : len(own)] = 1.0
        if self.generators is not None:
            # spread the padding over the batches, so that none is nearly empty
            spread = torch.arange(n_rows).reshape(self.size, self.n_batches).T.reshape(-1)
            index, pad = index[:, spread], pad[:, spread]
        index, pad = (
            a.to(device).unflatten(1, (self.n_batches, self.size)).transpose(0, 1).contiguous()
            for a in (index, pad)
        )
        per_batch = len(self.rows) * self.size * self.data.X.shape[1]
        together = max(1, NUMBERS_AT_ONCE // per_batch)
        for start in range(0, self.n_batches, together):
            at = slice(start, start + together)
            yield from self.data.draw(index[at], pad[at], self.scales)
