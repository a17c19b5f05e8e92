"""DragonNet: TARNet whose representation also predicts the arm."""

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
from sklcausal.nn._bodies import ArmHeadMLP
from sklcausal.nn._layers import check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.representation._tarnet import TARNet
from sklcausal.utils._docs import shared_docs

LEAST_CHANCE = 0.01


class DragonNetModule(ArmHeadMLP):
    """Add the size of the step that targeted regularisation takes.

    Parameters
    ----------
    n_members, n_in : int
    **arguments : object
        As of `ArmHeadMLP`.
    """

    decay_scale: ClassVar[dict[str, float]] = {"epsilon": 0.0}

    def __init__(self, n_members: int, n_in: int, **arguments: Any):
        super().__init__(n_members, n_in, **arguments)
        n_outputs = arguments["n_arms"] * arguments["n_out"]
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.epsilon = nn.Parameter(torch.zeros(n_members, 1, n_outputs, **at))

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Start without a step.

        Parameters
        ----------
        member : int
        generator : Generator
            Not used.
        """
        with torch.no_grad():
            self.epsilon[member] = 0.0


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class DragonNet(TARNet):
    """Estimate effects with a shared representation that also predicts the arm.

    What predicts the arm is what has to be adjusted for; a head for the propensity makes the
    representation keep it.

    Parameters
    ----------
    propensity_weight : float, default=1.0
        Weight of the cross-entropy of the arms beside the loss of the outcomes.
    targeted_weight : float, default=0.0
        Weight of targeted regularisation: the loss of outcomes after a step along the inverse
        propensity of the arm received, whose size is trained along, one for each arm.
    tmle : bool, default=False
        Whether averages are targeted maximum likelihood estimates: out-of-fold outcomes of every
        arm are shifted, in their link, until its estimating equation is solved, so that an average
        is that of the updated outcomes, which stay within their bounds.
    propensity_widths : sequence of int, default=()
        Units of the hidden layers of the head for the arms; it is linear without any.
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
    TARNet : The same without a head for the arms.
    MitNet : The representation is to hide the arm instead.

    Notes
    -----
    {shared_identification}

    The head for the arms shapes the representation only. Propensities that inference needs come
    from a network of their own, which is calibrated. Targeted regularisation and the propensity
    loss are no part of the loss by which members stop and settings are chosen.

    References
    ----------
    .. [1] Shi, Blei, Veitch, "Adapting neural networks for the estimation of treatment effects",
       NeurIPS 2019, arXiv 1906.02120, eq. (2.2) and (3.2).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import DragonNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = DragonNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TARNet._parameter_constraints,
        "propensity_weight": [Interval(Real, 0, None, closed="left")],
        "targeted_weight": [Interval(Real, 0, None, closed="left")],
        "tmle": ["boolean"],
        "propensity_widths": ["array-like"],
    }
    _treatment_kinds = ("discrete",)
    _fewest_shared_layers = 1

    propensity_weight: float = 1.0
    targeted_weight: float = 0.0
    tmle: bool = False
    propensity_widths: Sequence[int] = ()

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        plain = super()._recipe(n_heads, n_outcomes)
        widths = check_widths(self.propensity_widths, "propensity_widths")
        own = {"arm_widths": widths, "n_arms": self.contrasts_.treatments.n_arms}
        return Recipe(DragonNetModule, {**plain.arguments, **own})

    def _penalty(self) -> Penalty | None:
        return self._propensity_losses

    def _propensity_losses(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        # alpha * cross-entropy of the arms, [1], eq. (2.2)
        logits = module.body.arm_head(out.representation)
        total = self.propensity_weight * arm_cross_entropy(logits, batch)
        if not self.targeted_weight:
            return total
        # outcomes after a step epsilon / g, [1], eq. (3.2), in the outcome's link
        chance = logits.softmax(-1).clamp_min(LEAST_CHANCE)
        step = module.body.epsilon / chance.repeat_interleave(self.model_.n_outcomes_, dim=-1)
        moved = out._replace(theta=out.theta + step)
        return total + self.targeted_weight * self._outcome_loss(moved, batch)

    def _stage_options(self) -> dict[str, Any]:
        return {"is_targeted": self.tmle}
