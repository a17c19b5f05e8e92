"""One network that makes the weights of the networks of several arms."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sklcausal.nn._activations import ACTIVATIONS
from sklcausal.nn._dropout import MemberDropout, check_rate
from sklcausal.nn._layers import MemberLinear, check_widths, reset_members
from sklcausal.nn._spectral import MemberSpectralLinear

GENERATIONS = ("all", "split", "chunked", "layerwise")
# How far arms are apart at the start, in units of the spread of the weights that a plain layer
# starts with; spectral norms of a vector of 10,000 weights give about as much.
ARM_SHARE = 0.1
N_PROBES = 256
N_PROBE_MEMBERS = 8


def _draw_normal(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float32, device="cpu")


class _Embedding(nn.Module):
    """Learn a vector per place of the weight vector and target."""

    decay_scale: dict[str, float] = {"weight": 0.0}

    def __init__(self, n_members: int, n_places: int, n_targets: int, dim: int, arm_share: float):
        super().__init__()
        shape = n_members, n_places, n_targets, dim
        self.weight = nn.Parameter(torch.empty(*shape, dtype=torch.float32, device="cpu"))
        self.arm_share = arm_share

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        own = self.weight[member]
        place = _draw_normal(own[:, :1].shape, generator)
        arm = _draw_normal(own.shape, generator)
        with torch.no_grad():
            # each is N(0, 1), and those of one place are alike
            own.copy_(math.sqrt(1 - self.arm_share**2) * place + self.arm_share * arm)

    def forward(self, features: Tensor | None) -> Tensor:
        return self.weight


class _FeatureEmbedding(MemberLinear):
    """Map the features of targets to a vector per place of the weight vector and target."""

    decay_scale: dict[str, float] = {"weight": 0.0, "bias": 0.0}

    def __init__(self, n_members: int, n_places: int, n_features: int, dim: int, arm_share: float):
        super().__init__(n_members, n_features, dim, n_groups=n_places)
        self.arm_share = arm_share

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        # as the learned vectors start, if features have a mean square of about 1
        weight, bias = self.weight[member], self.bias[member]
        with torch.no_grad():
            weight.normal_(0, self.arm_share / math.sqrt(self.n_in), generator=generator)
            bias.normal_(generator=generator).mul_(math.sqrt(1 - self.arm_share**2))

    def forward(self, features: Tensor) -> Tensor:
        n_members, n_places = self.weight.shape[:2]
        if features.dim() == 2:
            features = features.expand(n_members, -1, -1)
        return super().forward(features.unsqueeze(1).expand(-1, n_places, -1, -1))


class _Stack(nn.Module):
    """Affine maps, each followed by the activation and dropout."""

    def __init__(
        self,
        n_members: int,
        sizes: Sequence[int],
        n_groups: int | None,
        linear: type[MemberLinear],
        activation: Callable[[Tensor], Tensor],
        dropout: float,
    ):
        super().__init__()
        self.layers = nn.ModuleList(linear(n_members, i, o, n_groups) for i, o in pairwise(sizes))
        self.dropouts = nn.ModuleList(MemberDropout(n_members, dropout) for _ in self.layers)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        for layer, dropout in zip(self.layers, self.dropouts, strict=True):
            x = dropout(self.activation(layer(x)))
        return x


class _Hidden(nn.Module):
    """Hidden layers: of two heads all but the first are halved."""

    def __init__(
        self,
        n_members: int,
        n_in: int,
        widths: Sequence[int],
        n_heads: int | None,
        **settings: Any,
    ):
        super().__init__()
        shared = widths if n_heads is None else widths[:1]
        own = [max(w // 2, 1) for w in widths[len(shared) :]]
        width = [n_in, *shared][-1]
        self.n_in, self.n_out, self.n_heads = n_in, [width, *own][-1], n_heads
        self.trunk = _Stack(n_members, [n_in, *shared], None, **settings)
        self.heads = _Stack(n_members, [width, *own], n_heads, **settings)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x)
        if self.n_heads is not None:
            x = x.unsqueeze(1).expand(-1, self.n_heads, -1, -1)
        return self.heads(x)


def _typical_spread(**settings: Any) -> float:
    """Return how far hidden units are from their mean, by the root mean squared distance."""
    hidden = _Hidden(N_PROBE_MEMBERS, dropout=0.0, **settings).eval()
    reset_members(hidden, range(N_PROBE_MEMBERS))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        probes = _draw_normal((N_PROBE_MEMBERS, N_PROBES, hidden.n_in), generator)
        return float(hidden(probes).var(-2).sum(-1).mean().sqrt())


def _alone(module: nn.Module, member: int, x: Tensor) -> Tensor:
    """Apply one member's part in evaluation, so that no other member can matter."""
    named = [*module.named_parameters(), *module.named_buffers()]
    was_training = module.training
    output = functional_call(module.eval(), {n: v[member : member + 1] for n, v in named}, (x,))
    module.train(was_training)
    return output


class _OutputStart(nn.Module):
    """Move a drawn output layer to where generated weights should start.

    It is the last part, so that it is reset when all others are drawn. Its weights get the
    standard deviation ``weight_sd``, and its bias takes back what the mean embedding gives, up to
    draws on ±``bound``: without that, the hidden units' means would make all places alike.
    """

    def __init__(
        self, hidden: _Hidden, output: MemberLinear, gain: float, weight_sd: float, bound: float
    ):
        super().__init__()
        # in a tuple, so that the parts are not registered a second time
        self.parts = hidden, output
        self.gain, self.weight_sd, self.bound = gain, weight_sd, bound

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        hidden, output = self.parts
        probes = _draw_normal((1, N_PROBES, hidden.n_in), generator)
        with torch.no_grad():
            mean = self.gain * _alone(hidden, member, probes).mean(-2, keepdim=True)
            output.weight[member].mul_(self.weight_sd * math.sqrt(3 * output.n_in))
            bias = output.bias[member].zero_()
            common = _alone(output, member, mean)[0]
            bias.uniform_(-self.bound, self.bound, generator=generator).sub_(common)


def _check_count(value: Any, name: str) -> int:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, got {value!r}")
    return int(value)


def _check_layers(layers: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    try:
        checked = [(int(i), int(o)) for i, o in layers]
        good = all(i >= 1 and o >= 1 for i, o in checked) and len(checked) > 0
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            "`layers` must name at least one layer as a pair (n_in, n_out) of integers of at "
            f"least 1, got {layers!r}"
        )
    return checked


def _check_choice(value: Any, name: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _plan_blocks(generation: str, sizes: Sequence[int], n_chunks: int) -> tuple[int, int]:
    """Return the number and the size of the blocks that a vector of weights is made in."""
    n_weights = sum(sizes)
    if generation == "layerwise":
        return len(sizes), max(sizes)
    size = math.ceil(n_weights / {"all": 1, "split": 2, "chunked": n_chunks}[generation])
    return math.ceil(n_weights / size), size


class HyperNetwork(nn.Module):
    """Make the weights of several networks, such as one per arm, from one network.

    All rows train that network, so that arms share what they have in common.

    Parameters
    ----------
    n_members : int
        Number of members.
    n_targets : int
        Number of networks to make, such as one per arm. With features it may differ in each call.
    layers : sequence of (int, int)
        Numbers of inputs and outputs of the affine layers of each network that is made.
    n_features : int or None, default=None
        Number of features that describe a target. None learns an embedding per target; else
        features are embedded linearly, so that a target that was never seen can be given weights.
        They should have a mean square of about 1.
    embedding_dim : int, default=8
        Length of an embedding.
    widths : sequence of int, default=(100, 100)
        Hidden layers between embedding and weights.
    generation : {'all', 'split', 'chunked', 'layerwise'}, default='all'
        What an embedding is turned into: all weights at once; the same by two heads of half the
        width, each for one half, behind the first hidden layer; one of ``n_chunks`` pieces; or
        one layer. The last two have an embedding per piece or layer, and small output layers.
    n_chunks : int, default=10
        Number of pieces if ``generation='chunked'``.
    spectral_norm : bool, default=False
        Whether to divide the weight of each affine map by its largest singular value; the linear
        map of features to embeddings is left alone.
    dropout : float, default=0.0
        Rate of dropout behind each hidden layer.
    activation : {'elu', 'gelu', 'relu', 'silu', 'softplus', 'tanh'}, default='relu'
        Name of the activation.

    Raises
    ------
    ValueError
        If an argument is out of range, or features are missing, not expected or have a wrong
        shape.

    Notes
    -----
    What is made starts with about the spread of a `MemberLinear`, uniform on ±1/sqrt(n_in), and
    nearly the same for all targets. Under 'all' and 'split' the output layer's bias carries it;
    under 'chunked' and 'layerwise', where all pieces share that bias, their embeddings do. Fixed
    factors see to it that a step of Adam moves a weight about as far as in a plain layer.

    References
    ----------
    .. [1] Ha, Dai and Le, "HyperNetworks", ICLR 2017, arXiv 1609.09106, section 3.1.
    .. [2] Chauhan, Zhou, Ghosheh, Molaei and Clifton, "Dynamic inter-treatment information
       sharing for individualized treatment effects estimation", AISTATS 2024, arXiv 2305.15984,
       section 3.

    Examples
    --------
    >>> hyper = HyperNetwork(5, 2, [(25, 100), (100, 1)])
    >>> [(tuple(weight.shape), tuple(bias.shape)) for weight, bias in hyper()]
    [((5, 2, 25, 100), (5, 2, 1, 100)), ((5, 2, 100, 1), (5, 2, 1, 1))]
    """

    shared_buffers = ("scale",)
    scale: Tensor

    def __init__(
        self,
        n_members: int,
        n_targets: int,
        layers: Sequence[tuple[int, int]],
        *,
        n_features: int | None = None,
        embedding_dim: int = 8,
        widths: Sequence[int] = (100, 100),
        generation: str = "all",
        n_chunks: int = 10,
        spectral_norm: bool = False,
        dropout: float = 0.0,
        activation: str = "relu",
    ):
        super().__init__()
        n_targets = _check_count(n_targets, "n_targets")
        dim = _check_count(embedding_dim, "embedding_dim")
        n_chunks = _check_count(n_chunks, "n_chunks")
        widths = check_widths(widths, "widths")
        check_rate(dropout, "dropout")
        _check_choice(generation, "generation", GENERATIONS)
        _check_choice(activation, "activation", tuple(ACTIVATIONS))
        self.layers, self.generation = _check_layers(layers), generation
        self.n_features = None if n_features is None else _check_count(n_features, "n_features")
        self.sizes = [(n_in + 1) * n_out for n_in, n_out in self.layers]
        n_blocks, size = _plan_blocks(generation, self.sizes, n_chunks)
        # blocks have embeddings of their own, or places of their own in the output layer
        is_embedded = generation in ("chunked", "layerwise")
        n_places = n_blocks if is_embedded else 1
        arm_share = ARM_SHARE if is_embedded else 1.0
        self.embedding: nn.Module
        if self.n_features is None:
            self.embedding = _Embedding(n_members, n_places, n_targets, dim, arm_share)
        else:
            self.embedding = _FeatureEmbedding(
                n_members, n_places, self.n_features, dim, arm_share
            )
        linear = MemberSpectralLinear if spectral_norm else MemberLinear
        settings: dict[str, Any] = {
            "n_in": dim,
            "widths": widths,
            "n_heads": 2 if generation == "split" else None,
            "linear": linear,
            "activation": ACTIVATIONS[activation],
        }
        self.hidden = _Hidden(n_members, dropout=dropout, **settings)
        n_hidden = self.hidden.n_out
        self.output = linear(n_members, n_hidden, size, self.hidden.n_heads)
        bound = max(1 / math.sqrt(n_in) for n_in, _ in self.layers)
        rest = n_blocks * size - sum(self.sizes[:-1])
        lengths = [size] * n_blocks if generation == "layerwise" else [*self.sizes[:-1], rest]
        by_layer = [1 / math.sqrt(n_in) / bound for n_in, _ in self.layers]
        scale = torch.as_tensor(np.repeat(by_layer, lengths), dtype=torch.float32, device="cpu")
        self.register_buffer("scale", scale.reshape(n_blocks, 1, size), persistent=False)
        # the standard deviation of what embeddings carry, where 1 is that of a plain start
        share = 1.0 if is_embedded else ARM_SHARE
        # a largest singular value of 1 fixes the spread of the entries of a random matrix
        entry_sd = 1 / (math.sqrt(n_hidden) + math.sqrt(size)) if spectral_norm else share
        self.gain = share * bound / math.sqrt(3) / (entry_sd * _typical_spread(**settings))
        self.start = _OutputStart(
            self.hidden, self.output, self.gain, share, 0.0 if is_embedded else bound
        )

    def forward(self, features: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Make the weights and biases of each layer.

        Parameters
        ----------
        features : Tensor of shape (n_targets, n_features) or (n_members, n_targets, n_features)
            Only if the module was built with ``n_features``: of any number of targets.

        Returns
        -------
        list of (Tensor, Tensor)
            Per layer the weight of shape (n_members, n_targets, n_in, n_out) and the bias of
            shape (n_members, n_targets, 1, n_out).
        """
        vectors, made, start = self.vectors(features), [], 0
        for n_in, n_out in self.layers:
            end = start + n_in * n_out
            weight = vectors[..., start:end].unflatten(-1, (n_in, n_out))
            made.append((weight, vectors[..., None, end : end + n_out]))
            start = end + n_out
        return made

    def vectors(self, features: Tensor | None = None) -> Tensor:
        """Make all weights of each target as one vector.

        Parameters
        ----------
        features : Tensor of shape (n_targets, n_features) or (n_members, n_targets, n_features)
            As in `forward`.

        Returns
        -------
        Tensor of shape (n_members, n_targets, n_weights)
            Layer by layer the weight, row by row, and the bias.
        """
        self._check(features)
        embedding = self.embedding(features)
        n_places, n_targets = embedding.shape[1:3]
        hidden = self.hidden(embedding.flatten(1, 2))
        blocks = self.output(self.gain * hidden)
        if self.generation != "split":
            blocks = blocks.unflatten(1, (n_places, n_targets))
        blocks = (blocks * self.scale).transpose(1, 2)
        if self.generation == "layerwise":
            return torch.cat([blocks[:, :, k, :n] for k, n in enumerate(self.sizes)], dim=-1)
        return blocks.flatten(2)[..., : sum(self.sizes)]

    def _check(self, features: Tensor | None) -> None:
        got = () if features is None else tuple(features.shape)
        if self.n_features is None:
            if features is not None:
                raise ValueError(
                    "`features` must be None, since the embeddings are learned "
                    f"(n_features=None), got a tensor of shape {got}"
                )
            return
        n_members = self.output.weight.shape[0]
        if got[-1:] != (self.n_features,) or got[:-2] not in ((), (n_members,)) or len(got) < 2:
            raise ValueError(
                f"`features` must have shape (n_targets, {self.n_features}) or ({n_members}, "
                f"n_targets, {self.n_features}), got {got if got else features}"
            )
