"""FlexTENet: every layer has a part that arms share and a part of each arm's own."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from sklcausal._draws import Batch
from sklcausal._ensemble import Recipe
from sklcausal._objective import Penalty
from sklcausal.base import BaseThetaEstimator
from sklcausal.nn._activations import activations_of
from sklcausal.nn._generated import HeadLayers
from sklcausal.nn._layers import MemberLinear, check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


class FlexTENetModule(nn.Module):
    """Let private layers read the shared ones, but not the other way round.

    Parameters
    ----------
    n_members : int
    n_in : int
    n_heads : int
        Number of arms.
    n_out : int
        Outcomes of each arm.
    shared_widths, private_widths : sequence of int
        Of as many layers.
    private_decay : float
        Factor of the weight decay of private layers.
    activation : str
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        n_heads: int,
        n_out: int,
        shared_widths: Sequence[int],
        private_widths: Sequence[int],
        private_decay: float,
        activation: str,
    ):
        super().__init__()
        shared, private = list(shared_widths), list(private_widths)
        reads = [n_in, *(s + p for s, p in zip(shared, private, strict=True))]
        self.shared: Any = nn.ModuleList(
            MemberLinear(n_members, i, o) for i, o in pairwise([n_in, *shared, n_out])
        )
        self.private: Any = nn.ModuleList(
            MemberLinear(n_members, i, o, n_heads)
            for i, o in zip(reads, [*private, n_out], strict=True)
        )
        own: Any
        for own in self.private:
            own.decay_scale = {"weight": private_decay}
        self.n_heads = n_heads
        self.head_layers()[0].belong_to_arms()
        self.activations = activations_of(activation, len(shared), before_output=True)

    def head_layers(self) -> list[HeadLayers]:
        """Return the private layers.

        Returns
        -------
        list of HeadLayers
        """
        return [HeadLayers(self.n_heads, list(self.private))]

    def forward(self, z: Tensor) -> Outputs:
        """Compute the outcomes of all arms.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
        """
        shared, both = z, self._spread(z)
        layers = zip(self.shared[:-1], self.private[:-1], self.activations, strict=True)
        for common, own, activation in layers:
            private = activation(own(both))
            shared = activation(common(shared))
            both = torch.cat([self._spread(shared), private], dim=-1)
        theta = self.private[-1](both) + self.shared[-1](shared).unsqueeze(1)
        return Outputs(theta.transpose(1, 2).flatten(2), both.transpose(1, 2))

    def _spread(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1).expand(-1, self.n_heads, -1, -1)

    def overlap(self) -> Tensor:
        """Measure how far the directions that shared and private parts read are the same.

        Returns
        -------
        Tensor of shape (n_members,)
            Squared inner products of the weights of their units, over all layers; in the first
            also between arms.
        """
        total: Any = 0.0
        for common, own in zip(self.shared, self.private, strict=True):
            # what a private layer reads of the shared one before it comes first
            seen = own.weight[:, :, : common.n_in]
            products = common.weight.transpose(-1, -2).unsqueeze(1) @ seen
            total = total + (products**2).flatten(1).sum(1)
        first = self.private[0].weight
        side_by_side = first.transpose(1, 2).flatten(2)
        gram = (side_by_side.transpose(1, 2) @ side_by_side).unflatten(1, (self.n_heads, -1))
        gram = gram.unflatten(-1, (self.n_heads, -1)).transpose(2, 3)
        above = torch.ones(self.n_heads, self.n_heads, device=gram.device).triu(1)
        return total + ((gram**2).sum((-2, -1)) * above).flatten(1).sum(1)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class FlexTENet(BaseThetaEstimator):
    """Estimate effects with layers that are partly shared and partly each arm's own.

    How much arms have in common is learned, layer by layer: private parts read the shared ones,
    and are held back by a stronger decay and a penalty on reading the same directions.

    Parameters
    ----------
    shared_widths : sequence of int, default=(50, 50)
        Units of the shared part of each hidden layer.
    private_widths : sequence of int, default=(50, 50)
        Units of the part of each arm, for as many layers.
    private_decay : float, default=3.0
        Factor of the weight decay of private parts.
    orthogonal_weight : float, default=0.1
        Weight of the penalty on reading the same directions.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    TARNet : Shared layers first, then those of each arm.
    SNet : Representations that some of the tasks share.

    Notes
    -----
    {shared_identification}

    The penalty is no part of the loss by which members stop and settings are chosen.

    References
    ----------
    .. [1] Curth, van der Schaar, "On inductive biases for heterogeneous treatment effect
       estimation", NeurIPS 2021, arXiv 2106.03765, section 4.3.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import FlexTENet
    >>> data = make_confounded(200, random_state=0)
    >>> est = FlexTENet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "shared_widths": ["array-like"],
        "private_widths": ["array-like"],
        "private_decay": [Interval(Real, 0, None, closed="left")],
        "orthogonal_weight": [Interval(Real, 0, None, closed="left")],
    }
    _treatment_kinds = ("discrete",)

    shared_widths: Sequence[int] = (50, 50)
    private_widths: Sequence[int] = (50, 50)
    private_decay: float = 3.0
    orthogonal_weight: float = 0.1

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        shared = check_widths(self.shared_widths, "shared_widths", at_least=1)
        private = check_widths(self.private_widths, "private_widths", at_least=1)
        if len(shared) != len(private):
            raise ValueError(
                "`private_widths` must name as many layers as `shared_widths`, got "
                f"{private} and {shared}"
            )
        arguments = {
            "n_heads": n_heads,
            "n_out": n_outcomes,
            "shared_widths": shared,
            "private_widths": private,
            "private_decay": self.private_decay,
            "activation": self.activation_,
        }
        return Recipe(FlexTENetModule, arguments)

    def _penalty(self) -> Penalty | None:
        return self._overlap_loss if self.orthogonal_weight else None

    def _overlap_loss(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        overlap: Tensor = module.body.overlap()
        return self.orthogonal_weight * overlap
