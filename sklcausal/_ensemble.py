"""Hold the networks of all folds, and predict with them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklcausal._start import Start
from sklcausal.nn._encoder import Encoding, InputEncoder
from sklcausal.nn._outputs import Outputs
from sklcausal.nn._state import load_members

MAX_CELLS = 2_000_000  # activations of one layer held at once in prediction


@dataclass(frozen=True)
class Recipe:
    """A network's body: its class and arguments, without data dimensions of the input.

    Attributes
    ----------
    body : type of Module
        Called with the numbers of members and inputs; maps inputs to `Outputs`.
    arguments : dict
        What it is called with beside that.
    shared_head : bool
        Whether all heads have the same last layer, as for one network that reads the arm.
    arm_decay : float
        Decay of how far weights that belong to arms differ from their mean.
    """

    body: type[nn.Module]
    arguments: dict[str, Any]
    shared_head: bool = False
    arm_decay: float = 0.0


class MemberModule(nn.Module):
    """Encode the inputs, apply the body, and move the outputs from where they start.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
    centre : ndarray of shape (n_features,)
    start : Start
        Of all members.
    """

    def __init__(self, recipe: Recipe, encoding: Encoding, centre: np.ndarray, start: Start):
        super().__init__()
        self.encoder = InputEncoder(encoding, centre)
        self.body = recipe.body(len(start.constant), encoding.n_inputs, **recipe.arguments)
        as_float: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        # not persistent, as what the encoder was made with: known before training
        constant = torch.as_tensor(start.constant[:, None, :], **as_float)
        self.register_buffer("constant", constant, persistent=False)
        spread = None if start.spread is None else torch.as_tensor(start.spread, **as_float)
        self.register_buffer("spread", spread, persistent=False)
        self.link = start.link

    constant: Tensor
    spread: Tensor | None

    def forward(self, X: Tensor) -> Outputs:
        """Compute theta in the units of training.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        Outputs
        """
        out = self.unmoved(X)
        moves = out.theta if self.spread is None else out.theta @ self.spread
        return out._replace(theta=self.theta(moves))

    def theta(self, moves: Tensor | float = 0.0) -> Tensor:
        """Move theta from where it starts.

        Parameters
        ----------
        moves : Tensor of shape (n_members, n, n_outputs) or float, default=0.0

        Returns
        -------
        Tensor of shape (n_members, n or 1, n_outputs)
        """
        found = self.constant + moves
        return found if self.link is None else self.link(found)

    def unmoved(self, X: Tensor) -> Outputs:
        """Compute what the body gives, before it is moved from the start.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        Outputs
        """
        found: Outputs = self.body(self.encoder(X))
        return found


class Predictor(ABC):
    """What predicts by members that trained side by side."""

    # whether all heads have the same last layer, as for one network that reads the arm
    shared_head: bool = False
    # of each member: how outputs move with those of its last layers; None where they are these
    spread: np.ndarray | None = None
    # maps outputs, once they are moved from the start, to theta; None where they are theta
    link: Any = None

    @property
    @abstractmethod
    def n_members(self) -> int:
        """Number of members."""

    @abstractmethod
    def importance(self, n_features: int) -> np.ndarray:
        """Return how far members let columns through, shape (n_members, n_features)."""

    @abstractmethod
    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute outputs and features of given rows with one member."""

    @abstractmethod
    def with_features(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute outputs and features of all members, chunk by chunk of rows."""

    def theta(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Compute outputs of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_outputs)
            In the units of training.
        """
        for rows, theta, _ in self.with_features(X):
            yield rows, theta


class Ensemble(Predictor):
    """Hold the fitted networks of all members.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
    centre : ndarray of shape (n_features,)
        Origin of X.
    start : Start
        Of all members.
    weights : dict of str to ndarray with a leading member axis
    device : str
    """

    def __init__(
        self,
        recipe: Recipe,
        encoding: Encoding,
        centre: np.ndarray,
        start: Start,
        weights: dict[str, np.ndarray],
        device: str,
    ):
        self.recipe, self.encoding, self.centre, self.start = recipe, encoding, centre, start
        self.shared_head, self.spread, self.link = recipe.shared_head, start.spread, start.link
        self.device = device
        self.module = self._build(np.arange(self.n_members), weights)

    def _build(
        self, at: Sequence[int] | np.ndarray, weights: dict[str, np.ndarray]
    ) -> MemberModule:
        module = MemberModule(self.recipe, self.encoding.of(at), self.centre, self.start.of(at))
        load_members(module, weights, at)
        return module.to(self.device).eval()

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.start.constant)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights of all members, and the buffers that go with them.

        Returns
        -------
        dict of str to ndarray with a leading member axis
        """
        return {name: value.cpu().numpy() for name, value in self.module.state_dict().items()}

    def seen_as(self, recipe: Recipe, start: Start) -> Ensemble:
        """Return a predictor with the same weights and other outputs.

        Parameters
        ----------
        recipe : Recipe
            Of a network with parameters of the same names and shapes.
        start : Start
            Of all members.

        Returns
        -------
        Ensemble
        """
        common = self.encoding, self.centre, start, self.weights(), self.device
        return Ensemble(recipe, *common)

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
                out = self.module.unmoved(x.expand(self.n_members, -1, -1))
            yield rows, self.start.move(out.theta.cpu().numpy()), out.features.cpu().numpy()

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
                out = alone.unmoved(x)
            theta.append(self.start.of([k]).move(out.theta.cpu().numpy())[0])
            features.append(out.features[0].cpu().numpy())
        return np.concatenate(theta), np.concatenate(features)

    def read(self, function: Callable[[Any, Tensor], Tensor], X: np.ndarray) -> np.ndarray:
        """Ask the networks for anything else than their outputs.

        Parameters
        ----------
        function : callable
            Maps the body and its inputs, of shape (n_members, n, n_inputs), to a tensor of shape
            (n_members, n, ...).
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n_members, n, ...)
        """
        found = []
        for _, x in self._chunks(X):
            with torch.inference_mode():
                z = self.module.encoder(x.expand(self.n_members, -1, -1))
                found.append(function(self.module.body, z).cpu().numpy())
        return np.concatenate(found, axis=1)

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
        return max(widest, getattr(self.module.body, "widest", 0), self.encoding.n_inputs)

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k != "module"}
        state["encoding"] = dataclasses.asdict(self.encoding)
        state["start"] = vars(self.start)
        state["weights"] = self.weights()
        state["device"] = "cpu" if str(self.device).startswith(("cuda", "mps")) else self.device
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights, encoding, start = (state.pop(name) for name in ("weights", "encoding", "start"))
        self.__dict__.update(state)
        self.encoding, self.start = Encoding(**encoding), Start(**start)
        self.module = self._build(np.arange(self.n_members), weights)
