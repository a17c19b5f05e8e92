"""MitNet: TARNet whose representation hides the arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._ensemble import Recipe
from sklcausal._objective import Penalty, arm_cross_entropy
from sklcausal.nn._bodies import ArmHeadMLP
from sklcausal.nn._discrepancy import reverse_gradient
from sklcausal.nn._layers import check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.representation._tarnet import TARNet
from sklcausal.utils._docs import shared_docs


def reversal_at(epoch: int, n_epochs: int) -> float:
    """Return by how much gradients are reversed, which grows from 0 to 1.

    Parameters
    ----------
    epoch : int
        Epochs before this one.
    n_epochs : int
        Epochs until it is all but 1.

    Returns
    -------
    float
    """
    return 2 / (1 + math.exp(-10 * min((epoch + 1) / n_epochs, 1))) - 1


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class MitNet(TARNet):
    """Estimate effects with a shared representation that is trained to hide the arm.

    A head learns to tell the arm from the representation, while the representation, whose
    gradient is reversed, learns to keep it from that.

    Parameters
    ----------
    propensity_weight : float, default=1.0
        Weight of the cross-entropy of the arms.
    reversal_epochs : int, default=50
        Epochs until the gradient is fully reversed, starting from a little.
    propensity_widths : sequence of int, default=(50,)
        Units of the hidden layers of the head for the arms.
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
    CFRNet : Arms are made alike by a distance.
    DragonNet : The representation is to tell the arm instead.

    Notes
    -----
    {shared_identification}

    A bound of the mutual information of arm and representation is pushed down. What this head
    cannot tell another may: a wide representation fools the head more easily than it hides the
    arm. The cross-entropy of the arms is no part of the loss by which members stop and
    settings are chosen.

    References
    ----------
    .. [1] Guo et al., "Estimating heterogeneous treatment effects: mutual information bounds and
       learning algorithms", ICML 2023.
    .. [2] Ganin et al., "Domain-adversarial training of neural networks", JMLR 2016,
       arXiv 1505.07818, section 5.2.2.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import MitNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = MitNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TARNet._parameter_constraints,
        "propensity_weight": [Interval(Real, 0, None, closed="left")],
        "reversal_epochs": [Interval(Integral, 1, None, closed="left")],
        "propensity_widths": ["array-like"],
    }
    _treatment_kinds = ("discrete",)
    _fewest_shared_layers = 1

    propensity_weight: float = 1.0
    reversal_epochs: int = 50
    propensity_widths: Sequence[int] = (50,)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        plain = super()._recipe(n_heads, n_outcomes)
        widths = check_widths(self.propensity_widths, "propensity_widths")
        own = {"arm_widths": widths, "n_arms": self.contrasts_.treatments.n_arms}
        return Recipe(ArmHeadMLP, {**plain.arguments, **own})

    def _penalty(self) -> Penalty | None:
        return self._adversary_loss if self.propensity_weight else None

    def _adversary_loss(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        assert out.representation is not None
        factor = reversal_at(epoch, self.reversal_epochs)  # [2], section 5.2.2
        logits = module.body.arm_head(reverse_gradient(out.representation, factor))
        return self.propensity_weight * arm_cross_entropy(logits, batch)
