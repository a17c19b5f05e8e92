"""RieszNet: outcomes and the Riesz representer of their averages, learned together."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from sklcausal._cross_fit import CrossFit
from sklcausal._draws import Batch
from sklcausal._ensemble import Ensemble, Recipe
from sklcausal._fit_data import FitData
from sklcausal._objective import Penalty
from sklcausal._start import Start
from sklcausal.inference._representer import RepresenterNet
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.nn._bodies import MultiHeadMLP
from sklcausal.nn._layers import MemberLinear
from sklcausal.nn._outputs import Outputs
from sklcausal.representation._tarnet import TARNet
from sklcausal.utils._docs import shared_docs

LEAST_STEP = 0.01  # of the moving average of the arms' shares
LEAST_RELATIVE = 0.01  # of a weight to the mean weight of its arm


class RieszNetModule(MultiHeadMLP):
    """Add a linear layer for the representers, and the size of the targeting step.

    Parameters
    ----------
    n_members, n_in : int
    **arguments : object
        As of `MultiHeadMLP`, with a head for each arm.
    """

    decay_scale: ClassVar[dict[str, float]] = {"epsilon": 0.0}
    share: Tensor
    n_seen: Tensor

    def __init__(self, n_members: int, n_in: int, **arguments: Any):
        super().__init__(n_members, n_in, **arguments)
        n_arms = arguments["n_heads"]
        self.riesz = MemberLinear(n_members, self.trunk.n_out, n_arms)
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.epsilon = nn.Parameter(torch.zeros(n_members, 1, n_arms * arguments["n_out"], **at))
        self.register_buffer("share", torch.full((n_members, 1, n_arms), 1 / n_arms, **at))
        self.register_buffer("n_seen", torch.zeros(n_members, 1, 1, **at))

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Start without a step, and with arms of the same size.

        Parameters
        ----------
        member : int
        generator : Generator
            Not used.
        """
        with torch.no_grad():
            self.epsilon[member] = 0.0
        self.share[member], self.n_seen[member] = 1 / self.share.shape[-1], 0.0

    def follow_shares(self, received: Tensor, w: Tensor) -> None:
        """Follow the shares of the arms, from batch to batch.

        Parameters
        ----------
        received : Tensor of shape (n_members, n, n_arms)
            1 for the arm of a row.
        w : Tensor of shape (n_members, n)
        """
        own = (received * w[..., None]).sum(1, keepdim=True)
        own = (own + 0.5) / (own.sum(-1, keepdim=True) + 0.5 * own.shape[-1])
        self.n_seen = self.n_seen + 1
        self.share = torch.lerp(self.share, own, (1 / self.n_seen).clamp_min(LEAST_STEP))

    def forward(self, z: Tensor) -> Outputs:
        """Compute outcomes, and how representers compare with their means.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
            Whose representation holds `relative`, then the arms' shares.
        """
        out = super().forward(z)
        assert out.representation is not None
        relative = self.relative(out.representation)
        share = self.share.expand_as(relative)
        return out._replace(representation=torch.cat([relative, share], dim=-1))

    def relative(self, shared: Tensor) -> Tensor:
        """Compute each arm's weight over the mean weight of the arm.

        Parameters
        ----------
        shared : Tensor of shape (n_members, n, n_shared)

        Returns
        -------
        Tensor of shape (n_members, n, n_arms)
        """
        # positive, and linear where it is large: its loss pulls at rows without takers of an arm
        # as strongly as this grows
        return F.softplus(self.riesz(shared)).clamp_min(LEAST_RELATIVE) / math.log(2)


class RepresenterView(RieszNetModule):
    """Answer with the logarithms of the representers instead of the outcomes."""

    def forward(self, z: Tensor) -> Outputs:
        """Compute the logarithms of the weights of the arms.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
        """
        shared = self.trunk(z)
        logarithm = (self.relative(shared) / self.share).log()
        return Outputs(logarithm, shared.unsqueeze(2), shared)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class RieszNet(TARNet):
    """Estimate effects by outcomes and inverse propensities that are learned together.

    The weight that the average outcome of an arm gives to its takers is its Riesz representer. It
    is learned by a loss of its own, without a model of the propensity, from the representation
    that the outcomes read, and corrects averages and intervals in place of the propensity.

    Parameters
    ----------
    riesz_weight : float, default=0.03
        Weight of the loss of the representers.
    targeted_weight : float, default=0.1
        Weight of the loss of outcomes after a step along the representer of the arm received,
        whose size is trained along, one for each arm.
    representation_widths : sequence of int, default=(50, 50)
        Units of the shared hidden layers, at least one.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers of each head.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DragonNet : Learns the propensity along, and inverts it.

    Notes
    -----
    {shared_identification}

    Representers are at least 1 and at most one over ``propensity_clip``. The probabilities in
    ``propensity_`` are their inverses, scaled to sum to 1. Known propensities, given to ``fit``,
    take their place. Losses of representers and step are no part of the loss by which members
    stop and settings are chosen; the weights published are .1 and 1, which learn representers
    better, and outcomes worse, where rows are few. A result far from that of `TARNet` says that
    propensity network or representers are wrong.

    References
    ----------
    .. [1] Chernozhukov, Newey, Quintas-Martinez, Syrgkanis, "RieszNet and ForestRiesz: automatic
       debiased machine learning with neural nets and random forests", ICML 2022,
       arXiv 2110.03031, section 3.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import RieszNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = RieszNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TARNet._parameter_constraints,
        "riesz_weight": [Interval(Real, 0, None, closed="neither")],
        "targeted_weight": [Interval(Real, 0, None, closed="left")],
    }
    _treatment_kinds = ("discrete",)
    _fewest_shared_layers = 1

    riesz_weight: float = 0.03
    targeted_weight: float = 0.1

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        return Recipe(RieszNetModule, super()._recipe(n_heads, n_outcomes).arguments)

    def _read(self, out: Outputs, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        assert out.representation is not None
        relative, share = out.representation.chunk(2, dim=-1)
        received = F.one_hot(batch.t, share.shape[-1]).to(share.dtype)
        return relative, share, received

    def _penalty(self) -> Penalty | None:
        return self._riesz_losses

    def _riesz_losses(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        relative, share, received = self._read(out, batch)
        module.body.follow_shares(received, batch.w)
        # E[alpha^2 - 2 m(W; alpha)] of each arm, in units of its mean weight, [1], eq. (4)
        losses = (received * relative**2 / share - 2 * relative).sum(-1)
        total = self.riesz_weight * batch.mean(losses)
        step = (relative / share).repeat_interleave(self.model_.n_outcomes_, dim=-1)
        moved = out._replace(theta=out.theta + module.body.epsilon * step)
        return total + self.targeted_weight * self._outcome_loss(moved, batch)

    def _law_net(self, data: FitData, net: ThetaNet, cross_fit: CrossFit) -> RepresenterNet:
        assert isinstance(net.ensemble, Ensemble)
        view = Recipe(RepresenterView, net.ensemble.recipe.arguments)
        start = Start(np.zeros((net.ensemble.n_members, self.contrasts_.treatments.n_arms)))
        return RepresenterNet(
            net.ensemble.seen_as(view, start), cross_fit, data.t, self.propensity_clip
        )
