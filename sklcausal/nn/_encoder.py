"""Standardise or piecewise-linearly encode the inputs, with statistics of each member's rows."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

MAX_QUANTILE_ROWS = 100_000
MIN_BIN_SD = 1e-3


@dataclass(frozen=True)
class Encoding:
    """How columns of X become inputs.

    An input is ``(clip(x[source] * scale + shift, low, high) - mean) / sd``.

    Attributes
    ----------
    source : ndarray of int of shape (n_inputs,)
        Column of X that an input reads.
    scale, shift : ndarray of shape (n_members, n_inputs)
    low, high : ndarray of shape (n_inputs,)
    mean, sd : ndarray of shape (n_members, n_inputs)
    """

    source: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the network."""
        return len(self.source)

    def of(self, members: Sequence[int] | np.ndarray) -> Encoding:
        """Return the encoding of some members, in the order given.

        Parameters
        ----------
        members : sequence of int

        Returns
        -------
        Encoding
        """
        own = {name: getattr(self, name)[members] for name in ("scale", "shift", "mean", "sd")}
        return replace(self, **own)


def make_encoding(X: np.ndarray, rows: Sequence[np.ndarray], n_bins: int | None) -> Encoding:
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

    Returns
    -------
    Encoding
    """
    n_levels = [len(np.unique(column[:MAX_QUANTILE_ROWS])) for column in X.T]
    bins = np.array([min(n_bins or 1, max(n - 1, 1)) for n in n_levels])
    source = np.repeat(np.arange(X.shape[1]), bins)
    place = np.concatenate([np.arange(b) for b in bins])
    is_bin = np.repeat(bins > 1, bins)
    low = np.where(is_bin & (place > 0), 0.0, -np.inf)
    high = np.where(is_bin & (place < bins[source] - 1), 1.0, np.inf)
    moments = [_moments(X, own) for own in rows]
    mean, sd = (np.stack(part)[:, source] for part in zip(*moments, strict=True))
    scale, shift = 1 / sd, -mean / sd
    encoding = Encoding(
        source, scale, shift, low, high, np.zeros(scale.shape), np.ones(scale.shape)
    )
    for k, own in enumerate(rows if is_bin.any() else []):
        seen = X[own[:: 1 + len(own) // MAX_QUANTILE_ROWS]]
        for j in np.flatnonzero(bins > 1):
            at = source == j
            edges = np.quantile(seen[:, j], np.linspace(0, 1, bins[j] + 1))
            width = np.diff(edges)
            empty = width <= 1e-9 * max(edges[-1] - edges[0], 1e-300)
            scale[k, at] = np.where(empty, 0.0, 1 / np.where(empty, 1.0, width))
            shift[k, at] = -edges[:-1] * scale[k, at]
        z = np.clip(seen[:, source] * scale[k] + shift[k], low, high)
        encoding.mean[k] = np.where(is_bin, z.mean(axis=0), 0.0)
        encoding.sd[k] = np.where(is_bin, np.maximum(z.std(axis=0), MIN_BIN_SD), 1.0)
    return encoding


def _moments(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = X[rows]
    mean = own.mean(axis=0, dtype=np.float64)
    sd = np.sqrt(((own - mean) ** 2).mean(axis=0, dtype=np.float64))
    return mean, np.where(sd <= 1e-9 * np.abs(mean), 1.0, sd)


class InputEncoder(nn.Module):
    """Encode a batch of rows, and let each member weigh its inputs by gates.

    A gate is a factor that starts at 1 and decays like the weights behind it. Decay on both
    factors of a product acts as a penalty on the norm of a whole input, so that inputs that do
    not help die out.

    Parameters
    ----------
    encoding : Encoding
    centre : ndarray of shape (n_features,)
        Subtracted from X before it is cast to float32, so that a large origin costs no digits.

    References
    ----------
    .. [1] Hoff, "Lasso, fractional norm and structured sparse estimation using a Hadamard product
       parametrization", CSDA 2017, arXiv 1611.00040, section 2.
    """

    shared_buffers = ("source", "low", "high")
    source: Tensor
    scale: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor
    mean: Tensor
    inverse_sd: Tensor

    def __init__(self, encoding: Encoding, centre: np.ndarray):
        super().__init__()
        shift = encoding.shift + encoding.scale * centre[encoding.source]
        self.is_plain = bool(np.isinf(encoding.low).all() and np.isinf(encoding.high).all())
        floats = {
            "scale": encoding.scale[:, None, :],
            "shift": shift[:, None, :],
            "low": encoding.low,
            "high": encoding.high,
            "mean": encoding.mean[:, None, :],
            "inverse_sd": 1 / encoding.sd[:, None, :],
        }
        for name, value in floats.items():
            buffer = torch.as_tensor(value, dtype=torch.float32, device="cpu")
            # not persistent: an encoding is known before training
            self.register_buffer(name, buffer, persistent=False)
        source = torch.as_tensor(encoding.source, device="cpu")
        self.register_buffer("source", source, persistent=False)
        self.gate = nn.Parameter(torch.ones_like(self.scale))

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Open all gates of one member.

        Parameters
        ----------
        member : int
        generator : Generator
            Not used.
        """
        with torch.no_grad():
            self.gate[member] = 1.0

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
            return torch.addcmul(self.shift, x, self.scale) * self.gate
        x = torch.addcmul(self.shift, x.index_select(-1, self.source), self.scale)
        return (torch.clamp(x, self.low, self.high) - self.mean) * (self.gate * self.inverse_sd)
