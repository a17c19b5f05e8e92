"""CFRNet: TARNet whose representation looks alike for all arms."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._objective import Penalty
from sklcausal.nn._discrepancy import arm_discrepancy, scale_rows
from sklcausal.nn._outputs import Outputs
from sklcausal.representation._tarnet import TARNet
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class CFRNet(TARNet):
    """Estimate effects with a shared representation that looks alike for all arms.

    A penalty on the distance between the representations of an arm and of all others keeps the
    heads from relying on what tells the arms apart. With two arms that is the distance between
    the two.

    Parameters
    ----------
    ipm : {'energy', 'mmd', 'wasserstein'}, default='energy'
        Distance, an integral probability metric: energy distance, squared maximum mean
        discrepancy with a Gaussian kernel, or Wasserstein distance smoothed by entropy.
    balance_weight : float, default=1.0
        Weight of the distance beside the loss of the outcomes. Representations are scaled to unit
        mean square length before, so that it cannot be lowered by shrinking them.
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
    TARNet : The same without the penalty.

    Notes
    -----
    {shared_identification}

    The penalty is not part of the loss by which members stop and settings are chosen. A
    representation that is balanced at the price of what it says of confounders biases `effect`;
    averages and intervals rest on influence values, which correct that as far as the propensity
    network is good.

    References
    ----------
    .. [1] Shalit, Johansson, Sontag, "Estimating individual treatment effect: generalization
       bounds and algorithms", ICML 2017, arXiv 1606.03976, eq. (3).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import CFRNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = CFRNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TARNet._parameter_constraints,
        "ipm": [StrOptions({"mmd", "wasserstein", "energy"})],
        "balance_weight": [Interval(Real, 0, None, closed="left")],
    }
    _treatment_kinds = ("discrete",)
    _fewest_shared_layers = 1

    ipm: str = "energy"
    balance_weight: float = 1.0

    def _penalty(self) -> Penalty | None:
        return self._imbalance if self.balance_weight else None

    def _imbalance(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        # alpha * IPM(Phi of arm a, Phi of the others), [1], eq. (3)
        phi = out.representation
        assert phi is not None
        phi, n_arms = scale_rows(phi, batch.w), self.contrasts_.treatments.n_arms
        return self.balance_weight * arm_discrepancy(phi, batch.t, batch.w, n_arms, self.ipm)
