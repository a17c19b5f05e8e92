"""SNet: representations shared by some of the tasks."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from sklcausal._draws import Batch
from sklcausal._ensemble import Recipe
from sklcausal._objective import Penalty, arm_cross_entropy
from sklcausal.base import BaseThetaEstimator
from sklcausal.nn._bodies import ArmHead
from sklcausal.nn._generated import HeadLayers
from sklcausal.nn._layers import MemberBranches, MemberLinear, MemberMLP, check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


class SNetModule(nn.Module):
    """Read what is common to outcomes, an arm's own, the confounders, and what tells arms only.

    Parameters
    ----------
    n_members : int
    n_in : int
    n_heads : int
        Number of heads of outcomes, one for each arm.
    n_out : int
        Outcomes of each arm.
    n_arms : int
        Number of arms that are told apart.
    shared_widths, private_widths, head_widths, arm_widths : sequence of int
    activation : str
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        n_heads: int,
        n_out: int,
        n_arms: int,
        shared_widths: Sequence[int],
        private_widths: Sequence[int],
        head_widths: Sequence[int],
        arm_widths: Sequence[int],
        activation: str,
    ):
        super().__init__()
        # Phi_O, Phi_mu_a, Phi_C and Phi_W
        self.outcomes = MemberMLP(n_members, n_in, private_widths, activation)
        self.arms = MemberBranches(n_members, n_in, n_heads, private_widths, activation)
        self.confounders = MemberMLP(n_members, n_in, shared_widths, activation)
        self.treatment = MemberMLP(n_members, n_in, shared_widths, activation)
        n_read = self.outcomes.n_out + self.arms.n_features + self.confounders.n_out
        self.heads = MemberMLP(
            n_members, n_read, head_widths, activation, n_heads, before_output=True
        )
        self.last = MemberLinear(n_members, self.heads.n_out, n_out, n_heads)
        n_read = self.confounders.n_out + self.treatment.n_out
        self.arm_head = ArmHead(n_members, n_read, arm_widths, n_arms, activation)
        of_arms = [*self.arms.own_layers, *self.heads.own_layers, self.last]
        HeadLayers(n_heads, of_arms).belong_to_arms()

    def head_layers(self) -> list[HeadLayers]:
        """Return the layers behind the representations.

        Returns
        -------
        list of HeadLayers
        """
        of_outcomes = [*self.heads.own_layers, self.last]
        return [HeadLayers(self.arms.n_heads, of_outcomes), *self.arm_head.head_layers()]

    def forward(self, z: Tensor) -> Outputs:
        """Compute the outcomes of all arms.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
            With the inputs as its representation, of which the penalty makes its own.
        """
        own = self.arms(z)
        common = torch.cat([self.outcomes(z), self.confounders(z)], dim=-1)
        common = common.unsqueeze(1).expand(-1, own.shape[1], -1, -1)
        hidden = self.heads(torch.cat([common, own], dim=-1))
        theta, features = self.last(hidden).transpose(1, 2), hidden.transpose(1, 2)
        return Outputs(theta.flatten(2), features, z)

    def arm_logits(self, z: Tensor) -> Tensor:
        """Compute the logits of the arms.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Tensor of shape (n_members, n, n_arms)
        """
        logits: Tensor = self.arm_head(torch.cat([self.confounders(z), self.treatment(z)], dim=-1))
        return logits

    def overlap(self) -> Tensor:
        """Measure how far representations read the same inputs.

        Returns
        -------
        Tensor of shape (n_members,)
            For each input the product of the sizes of its weights in two representations, summed
            over pairs of them.
        """
        parts = (self.outcomes, self.confounders, self.treatment, self.arms.first)
        *common, of_arms = (part.own_layers[0].weight.abs() for part in parts)
        sizes = [weight.sum(-1, keepdim=True) for weight in common]
        by_arm = of_arms.unflatten(-1, (self.arms.n_heads, -1)).sum(-1)
        every = torch.cat([*sizes, by_arm], dim=-1)
        return 0.5 * (every.sum(-1) ** 2 - (every**2).sum(-1)).sum(-1)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class SNet(BaseThetaEstimator):
    """Estimate effects with representations that some of the tasks share.

    One representation is read by the outcomes of all arms, one by each arm alone, one by the
    propensity alone, and one, of the confounders, by all; a penalty keeps them from reading the
    same columns.

    Parameters
    ----------
    shared_widths : sequence of int, default=(50,)
        Units of the layers of confounders and of what the propensity reads alone.
    private_widths : sequence of int, default=(25,)
        Units of the layers that outcomes share and of those of each arm.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers of each outcome's head.
    propensity_widths : sequence of int, default=()
        Units of the hidden layers of the head for the arms.
    propensity_weight : float, default=1.0
        Weight of the cross-entropy of the arms beside the loss of the outcomes.
    orthogonal_weight : float, default=0.01
        Weight of the penalty on reading the same columns.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DragonNet : One representation for all tasks.
    FlexTENet : Shared and private parts in every layer.

    Notes
    -----
    {shared_identification}

    The propensity head and the penalty shape the representations only, and are no part of the
    loss by which members stop and settings are chosen.

    References
    ----------
    .. [1] Curth, van der Schaar, "Nonparametric estimation of heterogeneous treatment effects:
       from theory to learning algorithms", AISTATS 2021, arXiv 2101.10943, section 4.2.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import SNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = SNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "shared_widths": ["array-like"],
        "private_widths": ["array-like"],
        "head_widths": ["array-like"],
        "propensity_widths": ["array-like"],
        "propensity_weight": [Interval(Real, 0, None, closed="left")],
        "orthogonal_weight": [Interval(Real, 0, None, closed="left")],
    }
    _treatment_kinds = ("discrete",)

    shared_widths: Sequence[int] = (50,)
    private_widths: Sequence[int] = (25,)
    head_widths: Sequence[int] = (50,)
    propensity_widths: Sequence[int] = ()
    propensity_weight: float = 1.0
    orthogonal_weight: float = 0.01

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        arguments = {
            "n_heads": n_heads,
            "n_out": n_outcomes,
            "n_arms": self.contrasts_.treatments.n_arms,
            "shared_widths": check_widths(self.shared_widths, "shared_widths", at_least=1),
            "private_widths": check_widths(self.private_widths, "private_widths", at_least=1),
            "head_widths": check_widths(self.head_widths, "head_widths"),
            "arm_widths": check_widths(self.propensity_widths, "propensity_widths"),
            "activation": self.activation_,
        }
        return Recipe(SNetModule, arguments)

    def _penalty(self) -> Penalty | None:
        return self._shaping_losses

    def _shaping_losses(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        logits = module.body.arm_logits(out.representation)
        loss = self.propensity_weight * arm_cross_entropy(logits, batch)
        return loss + self.orthogonal_weight * module.body.overlap()
