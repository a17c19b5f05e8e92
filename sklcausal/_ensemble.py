"""Hold the networks of all folds, and predict with them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklcausal.nn._encoder import Encoding, InputEncoder

MAX_CELLS = 2_000_000  # activations of one layer held at once in prediction


@dataclass(frozen=True)
class Recipe:
    """A network's body: its class and arguments, without data dimensions of the input."""

    body: type[nn.Module]
    arguments: dict[str, Any]


class MemberModule(nn.Module):
    """Encode the inputs, apply the body and add the constant from which training starts.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
    centre : ndarray of shape (n_features,)
    start : ndarray of shape (n_members, n_outputs)
    """

    def __init__(self, recipe: Recipe, encoding: Encoding, centre: np.ndarray, start: np.ndarray):
        super().__init__()
        self.encoder = InputEncoder(encoding, centre)
        self.body = recipe.body(len(start), encoding.n_inputs, **recipe.arguments)
        self.register_buffer(
            "start", torch.as_tensor(start[:, None, :], dtype=torch.float32, device="cpu")
        )

    def forward(self, X: Tensor) -> Tensor:
        """Compute theta in the units of training.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        Tensor of shape (n_members, n, n_outputs)
        """
        return self.start + self.body(self.encoder(X))[0]

    def with_features(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Compute theta and the last hidden layers.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        theta : Tensor of shape (n_members, n, n_outputs)
        features : Tensor of shape (n_members, n, n_heads, n_hidden)
        """
        theta, features = self.body(self.encoder(X))
        return self.start + theta, features


class Ensemble:
    """Hold the fitted networks of all members.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
    centre : ndarray of shape (n_features,)
        Origin of X.
    start : ndarray of shape (n_members, n_outputs)
    weights : dict of str to ndarray with a leading member axis
    device : str
    """

    def __init__(
        self,
        recipe: Recipe,
        encoding: Encoding,
        centre: np.ndarray,
        start: np.ndarray,
        weights: dict[str, np.ndarray],
        device: str,
    ):
        self.recipe, self.encoding, self.centre, self.start = recipe, encoding, centre, start
        self.device = device
        self.module = self._build(np.arange(len(start)), weights)

    def _build(
        self, at: Sequence[int] | np.ndarray, weights: dict[str, np.ndarray]
    ) -> MemberModule:
        module = MemberModule(self.recipe, self.encoding.of(at), self.centre, self.start[at])
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.copy_(torch.as_tensor(weights[name][at]))
        return module.to(self.device).eval()

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.start)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights of all members.

        Returns
        -------
        dict of str to ndarray with a leading member axis
        """
        return {n: p.detach().cpu().numpy() for n, p in self.module.named_parameters()}

    def importance(self, n_features: int) -> np.ndarray:
        """Return how far each member's gates let each column of X through.

        Parameters
        ----------
        n_features : int

        Returns
        -------
        ndarray of shape (n_members, n_features)
        """
        gates = self.weights()["encoder.gate"][:, 0]
        source = self.encoding.source
        return np.stack([np.bincount(source, own**2, minlength=n_features) for own in gates])

    def theta(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Compute theta of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_outputs)
            In the units of training.
        """
        for rows, x in self._chunks(X):
            with torch.inference_mode():
                theta = self.module(x.expand(self.n_members, -1, -1))
            yield rows, theta.cpu().numpy()

    def with_features(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute theta and features of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_outputs)
            In the units of training.
        features : ndarray of shape (n_members, n_chunk, n_heads, n_hidden)
        """
        for rows, x in self._chunks(X):
            with torch.inference_mode():
                theta, features = self.module.with_features(x.expand(self.n_members, -1, -1))
            yield rows, theta.cpu().numpy(), features.cpu().numpy()

    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute theta and features of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        theta : ndarray of shape (n_rows, n_outputs)
            In the units of training.
        features : ndarray of shape (n_rows, n_heads, n_hidden)
        """
        alone = self._build([k], self.weights())
        theta, features = [], []
        size = max(256, MAX_CELLS // self._width)
        for start in range(0, max(len(rows), 1), size):
            x = self._tensor(X[rows[start : start + size]])[None]
            with torch.inference_mode():
                own = alone.with_features(x)
            theta.append(own[0][0].cpu().numpy())
            features.append(own[1][0].cpu().numpy())
        return np.concatenate(theta), np.concatenate(features)

    def _chunks(self, X: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, len(X), self.chunk_rows):
            rows = slice(start, min(len(X), start + self.chunk_rows))
            yield rows, self._tensor(X[rows])

    def _tensor(self, X: np.ndarray) -> Tensor:
        return torch.as_tensor(X - self.centre, dtype=torch.float32, device=self.device)

    @property
    def chunk_rows(self) -> int:
        """Rows that are predicted at once by all members."""
        return max(256, MAX_CELLS // (self.n_members * self._width))

    @property
    def _width(self) -> int:
        """Largest number of units side by side in a layer of one member."""
        widest = max(p.shape[-1] for p in self.module.parameters())
        return max(widest, self.encoding.n_inputs)

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k != "module"}
        state["encoding"] = dataclasses.asdict(self.encoding)
        state["weights"] = self.weights()
        state["device"] = "cpu" if str(self.device).startswith(("cuda", "mps")) else self.device
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights, encoding = state.pop("weights"), state.pop("encoding")
        self.__dict__.update(state)
        self.encoding = Encoding(**encoding)
        self.module = self._build(np.arange(len(self.start)), weights)
