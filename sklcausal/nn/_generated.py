"""Networks whose heads get their weights from a hypernetwork."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklcausal.nn._hyper_network import HyperNetwork
from sklcausal.nn._layers import MemberLinear
from sklcausal.nn._outputs import Outputs


@dataclass(frozen=True)
class HeadLayers:
    """Layers of some heads of the same shape, whose weights a hypernetwork can make.

    Parameters
    ----------
    n_heads : int
        Number of heads.
    layers : sequence of MemberLinear
        With a group for each head, or with the outputs of all heads side by side.
    """

    n_heads: int
    layers: Sequence[MemberLinear]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Numbers of inputs and outputs of each layer of one head."""
        return [(own.n_in, own.n_out // self._beside(own)) for own in self.layers]

    def _beside(self, layer: MemberLinear) -> int:
        """Return how many heads' outputs stand side by side."""
        return self.n_heads if layer.n_groups is None else 1

    def belong_to_arms(self) -> None:
        """Note that every head is that of an arm."""
        for own in self.layers:
            n_beside = own.n_out // self.n_heads if own.n_groups is None else 1
            own.belong_to_arms(self.n_heads, n_beside)

    def release(self) -> None:
        """Take the layers' own parameters away."""
        for own in self.layers:
            del own.weight, own.bias

    def fill(self, vectors: Tensor) -> None:
        """Give the layers their weights for the next pass.

        Parameters
        ----------
        vectors : Tensor of shape (n_members, n_heads, n_weights)
            Layer by layer the weight, row by row, and the bias; what is left over is not used.
        """
        start = 0
        for own, (n_in, n_out) in zip(self.layers, self.shapes, strict=True):
            end = start + n_in * n_out
            weight = vectors[..., start:end].unflatten(-1, (n_in, n_out))
            bias = vectors[..., None, end : end + n_out]
            if own.n_groups is None:
                weight, bias = (a.transpose(1, 2).flatten(2) for a in (weight, bias))
            vars(own).update(weight=weight, bias=bias)
            start = end + n_out


class GeneratedHeads(nn.Module):
    """Let one hypernetwork make the weights of all heads of a network.

    Layers that heads share keep weights of their own.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_in : int
        Number of inputs.
    body : type of Module
        The network. Its ``head_layers()`` returns a list of `HeadLayers`, the outcomes' first.
    body_arguments : dict
        What it is built with beside the numbers of members and inputs.
    features : ndarray of shape (n_heads, n_features) or None, default=None
        Of the outcomes' heads; None learns an embedding of each.
    **arguments : object
        Of `HyperNetwork`.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        body: type[nn.Module],
        body_arguments: dict[str, Any],
        features: Any = None,
        **arguments: Any,
    ):
        super().__init__()
        inner: Any = body(n_members, n_in, **body_arguments)
        self.body = inner
        self.heads: list[HeadLayers] = inner.head_layers()
        largest = max(self.heads, key=lambda own: sum((i + 1) * o for i, o in own.shapes))
        n_targets = sum(own.n_heads for own in self.heads)
        n_features = None
        if features is not None:
            features = self._with_other_heads(np.asarray(features, dtype=float), n_targets)
            n_features = features.shape[1]
        self.register_buffer("features", features, persistent=False)
        # smaller heads take the beginning of a vector
        self.hyper = HyperNetwork(
            n_members, n_targets, largest.shapes, n_features=n_features, **arguments
        )
        for own in self.heads:
            own.release()

    shared_buffers = ("features",)
    features: Tensor | None

    @staticmethod
    def _with_other_heads(features: np.ndarray, n_targets: int) -> Tensor:
        """Give heads that are no arm a feature of their own."""
        others = np.eye(n_targets - len(features))
        n_own = features.shape[1]
        found = np.zeros((n_targets, n_own + len(others)))
        found[: len(features), :n_own], found[len(features) :, n_own:] = features, others
        return torch.as_tensor(found, dtype=torch.float32, device="cpu")

    def __getattr__(self, name: str) -> Any:
        # penalties call parts of the network, whoever made its weights
        own = vars(self)
        known = any(name in own.get(kind, ()) for kind in ("_parameters", "_buffers", "_modules"))
        return super().__getattr__(name) if known else getattr(own["_modules"]["body"], name)

    def forward(self, z: Tensor) -> Outputs:
        """Make the weights, and apply the network.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)
            Encoded inputs.

        Returns
        -------
        Outputs
            Of the network.
        """
        made = self.hyper.vectors(self.features)
        start = 0
        for own in self.heads:
            own.fill(made[:, start : start + own.n_heads])
            start += own.n_heads
        found: Outputs = self.body(z)
        return found
