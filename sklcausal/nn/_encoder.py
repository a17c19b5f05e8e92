"""Standardise or piecewise-linearly encode the inputs, with statistics of each member's rows."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Encoding:
    """How columns of X become inputs: ``clip(x[source] * scale + shift, low, high)``.

    Attributes
    ----------
    source : ndarray of int of shape (n_inputs,)
        Column of X that an input reads.
    scale, shift : ndarray of shape (n_members, n_inputs)
    low, high : ndarray of shape (n_inputs,)
    """

    source: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the network."""
        return len(self.source)


def make_encoding(
    X: np.ndarray, rows: Sequence[np.ndarray], n_bins: int | None, max_rows: int = 100_000
) -> Encoding:
    """Learn the encoding of X, apart for each member from the rows that it may see.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    rows : sequence of ndarray of int
        Rows of each member.
    n_bins : int or None
        Number of quantile bins of a numeric column in the piecewise-linear encoding of
        Gorishniy, Rubachev and Babenko (2022), arXiv 2203.05556, eq. (1); None standardises only.
        A column with two values is standardised in both.
    max_rows : int, default=100_000
        Quantiles are taken over at most so many rows.

    Returns
    -------
    Encoding
    """
    d = X.shape[1]
    mean, sd = (np.empty((len(rows), d)) for _ in range(2))
    for k, own in enumerate(rows):
        mean[k], sd[k] = _moments(X, own)
    raw = Encoding(np.arange(d), 1 / sd, -mean / sd, np.full(d, -np.inf), np.full(d, np.inf))
    if n_bins is None:
        return raw
    n_levels = np.array([len(np.unique(X[:max_rows, j])) for j in range(d)])
    bins = np.where(n_levels > 2, np.minimum(n_bins, n_levels - 1), 1)
    numeric = np.repeat(bins > 1, bins)
    source = np.repeat(np.arange(d), bins)
    place = np.concatenate([np.arange(b) for b in bins])
    low = np.where(numeric & (place > 0), 0.0, -np.inf)
    high = np.where(numeric & (place < np.repeat(bins, bins) - 1), 1.0, np.inf)
    scale, shift = raw.scale[:, source], raw.shift[:, source]
    grid = np.concatenate([np.linspace(0, 1, b + 1)[:-1] for b in bins])
    step = np.repeat(1 / bins, bins)
    for k, own in enumerate(rows):
        seen = own[:: max(1, len(own) // max_rows)]
        for j in np.flatnonzero(bins > 1):
            at = np.flatnonzero(source == j)
            edges = np.quantile(X[seen, j], np.append(grid[at], grid[at][-1] + step[at][0]))
            width = np.diff(edges)
            empty = width <= 1e-9 * max(edges[-1] - edges[0], 1e-300)
            scale[k, at] = np.where(empty, 0.0, 1 / np.where(empty, 1.0, width))
            shift[k, at] = -edges[:-1] * scale[k, at]
    return Encoding(source, scale, shift, low, high)


def _moments(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = X[rows]
    mean = own.mean(axis=0, dtype=np.float64)
    sd = np.sqrt(((own - mean) ** 2).mean(axis=0, dtype=np.float64))
    tiny = sd <= 1e-9 * np.maximum(1e-300, np.abs(mean))
    return mean, np.where(tiny | (sd == 0), 1.0, sd)


class InputEncoder(nn.Module):
    """Apply an `Encoding` to a batch of rows.

    Parameters
    ----------
    encoding : Encoding
    centre : ndarray of shape (n_features,)
        Subtracted from X before it is cast to float32, so that a large origin costs no digits.
    """

    shared_buffers = ("source", "low", "high")
    scale: Tensor
    shift: Tensor

    def __init__(self, encoding: Encoding, centre: np.ndarray):
        super().__init__()
        shift = encoding.shift + encoding.scale * centre[encoding.source]
        self.is_plain = bool(np.isinf(encoding.low).all() and np.isinf(encoding.high).all())
        as_float = {"dtype": torch.float32}
        self.register_buffer("source", torch.as_tensor(encoding.source))
        self.register_buffer("scale", torch.as_tensor(encoding.scale[:, None, :], **as_float))
        self.register_buffer("shift", torch.as_tensor(shift[:, None, :], **as_float))
        self.register_buffer("low", torch.as_tensor(encoding.low, **as_float))
        self.register_buffer("high", torch.as_tensor(encoding.high, **as_float))

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows.

        Parameters
        ----------
        x : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        Tensor of shape (n_members, n, n_inputs)
        """
        if self.is_plain:
            return torch.addcmul(self.shift, x, self.scale)
        x = torch.addcmul(self.shift, x.index_select(-1, self.source), self.scale)
        return torch.clamp(x, self.low, self.high)
