"""MOTTO: experts for all cells, for arms, for outcomes and for single cells of a grid."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._fit_data import FitData
from sklcausal._objective import Penalty, add_penalties
from sklcausal.mixture._mixture import BaseMixture
from sklcausal.nn._discrepancy import arm_discrepancy, scale_rows
from sklcausal.nn._expert_grid import ExpertGrid
from sklcausal.nn._layers import check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs

DISTANCES = {"energy": "energy", "mmd": "mmd", "sinkhorn": "wasserstein"}

# [1], as run by its authors on their synthetic observational scenario
PAPER: dict[str, Any] = {
    "representation_widths": (64,),
    "expert_widths": (16, 8),
    "gate_widths": (4,),
    "head_widths": (16,),
    "alignment": "energy",
    "arm_weight_decay": 0.0,
    "activation": "relu",
    "numeric_encoding": None,
    "weight_decay": 0.0,
    "lr": 2e-3,
    "batch_size": 256,
    "max_epochs": 200,
    "patience": 200,
}


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class MOTTO(BaseMixture):
    """Estimate effects of several treatments on several outcomes with a grid of experts.

    Experts belong to all pairs of an arm and an outcome, to an arm, to an outcome, or to one such
    cell. A gate for every cell mixes those that it hears, given x, and a head reads the mixture.
    What the experts say that arms share can be made to look alike for all arms, and only that.

    Parameters
    ----------
    n_global_experts : int, default=1
        Experts that all cells share.
    n_treatment_shared_experts : int, default=1
        Experts of each outcome, which its arms share.
    n_outcome_shared_experts : int, default=1
        Experts of each arm, which its outcomes share.
    n_private_experts : int, default=0
        Experts of each cell. Their number grows with arms times outcomes.
    n_expert_layers : int, default=1
        Layers of experts. In front of a further layer, arms, outcomes and all cells together have
        gates too, whose mixtures the experts of the next layer read.
    n_cross_layers : int, default=0
        Layers of products of the inputs [2]_ in front of each expert.
    alignment : {'energy', 'mmd', 'sinkhorn'} or None, default=None
        Distance between what a treatment-shared expert of the last layer says of an arm and of
        all others, which is kept small: energy distance, squared maximum mean discrepancy with a
        Gaussian kernel, or Sinkhorn divergence.
    alignment_weight : float, default=1.0
        Weight of that distance, averaged over these experts, beside the loss of the outcomes.
        What experts say is scaled to unit mean square length before, and no size of a batch
        enters.
    representation_widths : sequence of int, default=(50,)
        Units of the shared hidden layers in front of experts and gates.
    arm_weight_decay : float, default=3.0
        Decoupled decay, per unit of learning rate, of how far weights of gates, experts and heads
        that belong to an arm differ from their mean over the arms. It keeps effects simple that
        are small beside what arms have in common, and leaves that alone.
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    expert_names_out_ : ndarray of str of shape (n_experts,)
        Names of the experts that a cell hears, the last axis of `expert_weights`.
    {shared_attributes}

    See Also
    --------
    MMoE : Experts that all cells share.
    sklcausal.representation.CFRNet : One representation, all of which is to look alike.

    Notes
    -----
    {shared_identification}

    Without private experts the number of experts grows with arms plus outcomes, and only gates
    and heads with their product. Alignment and task weights are no part of the loss by which
    members stop and settings are chosen.

    References
    ----------
    .. [1] Liu et al., "MOTTO: a mixture-of-experts framework for multi-treatment, multi-outcome
       treatment effect estimation", KDD 2025.
    .. [2] Wang et al., "DCN V2: improved deep & cross network and practical lessons for web-scale
       learning to rank systems", WWW 2021, arXiv 2008.13535, eq. (1).
    .. [GN] Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: gradient normalization for adaptive
       loss balancing in deep multitask networks", ICML 2018, arXiv 1711.02257, eq. (2).
    .. [UW] Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses for
       scene geometry and semantics", CVPR 2018, arXiv 1705.07115, eq. (10).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_multi_treatment_outcome
    >>> from sklcausal.mixture import MOTTO
    >>> data = make_multi_treatment_outcome(200, random_state=0)
    >>> est = MOTTO(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200, 2, 2)
    >>> est.expert_names_out_.tolist()
    ['outcome-shared', 'treatment-shared', 'global']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "n_global_experts": [Interval(Integral, 0, None, closed="left")],
        "n_treatment_shared_experts": [Interval(Integral, 0, None, closed="left")],
        "n_outcome_shared_experts": [Interval(Integral, 0, None, closed="left")],
        "n_private_experts": [Interval(Integral, 0, None, closed="left")],
        "n_expert_layers": [Interval(Integral, 1, None, closed="left")],
        "n_cross_layers": [Interval(Integral, 0, None, closed="left")],
        "alignment": [StrOptions(set(DISTANCES)), None],
        "alignment_weight": [Interval(Real, 0, None, closed="left")],
        "representation_widths": ["array-like"],
    }

    n_global_experts: int = 1
    n_treatment_shared_experts: int = 1
    n_outcome_shared_experts: int = 1
    n_private_experts: int = 0
    n_expert_layers: int = 1
    n_cross_layers: int = 0
    alignment: str | None = None
    alignment_weight: float = 1.0
    representation_widths: Sequence[int] = (50,)
    arm_weight_decay: float = 3.0

    @classmethod
    def from_paper(cls, **params: Any) -> MOTTO:
        """Build the estimator with the sizes and the training of the paper.

        Outcomes and covariates are standardised, and members keep their best weights, as
        everywhere. The weight of the alignment is free of the size of the batch here, so that the
        published one has no counterpart; it is 1.

        Parameters
        ----------
        **params : object
            Parameters that differ from the paper, or that it does not have.

        Returns
        -------
        MOTTO
            Not fitted.
        """
        return cls(**{**PAPER, **params})

    def _grid(self, n_arms: int, n_outcomes: int) -> ExpertGrid:
        return ExpertGrid(
            n_arms,
            n_outcomes,
            n_private=self.n_private_experts,
            n_outcome_shared=self.n_outcome_shared_experts,
            n_treatment_shared=self.n_treatment_shared_experts,
            n_global=self.n_global_experts,
        )

    def _sizes(self) -> dict[str, Any]:
        at_least = int(self.task_weighting == "gradnorm")  # whose gradients it compares
        return {
            "trunk_widths": check_widths(
                self.representation_widths, "representation_widths", at_least
            ),
            "n_layers": self.n_expert_layers,
            "n_cross": self.n_cross_layers,
        }

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        if not self._grid(1, 1).n_experts:
            raise ValueError(
                "`n_global_experts`, `n_treatment_shared_experts`, `n_outcome_shared_experts` or "
                "`n_private_experts` must be at least 1, got 0 for all of them"
            )
        if self.alignment is not None and not self.n_treatment_shared_experts:
            raise ValueError(
                "`alignment` needs `n_treatment_shared_experts` of at least 1, which it aligns, "
                f"got 0 and alignment={self.alignment!r}"
            )
        super()._check_settings(data, columns)

    def _penalty(self) -> Penalty | None:
        aligns = self.alignment is not None and self.alignment_weight
        return add_penalties(super()._penalty(), self._misalignment if aligns else None)

    def _misalignment(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        # L_SDA: distance between what each treatment-shared expert says of an arm and of others
        assert self.alignment is not None and out.representation is not None
        n_experts = self.n_treatment_shared_experts * self.model_.n_outcomes_
        said = out.representation.unflatten(-1, (n_experts, -1)).transpose(1, 2).flatten(0, 1)
        t, w = (a.repeat_interleave(n_experts, dim=0) for a in (batch.t, batch.w))
        n_arms = self.contrasts_.treatments.n_arms
        apart = arm_discrepancy(scale_rows(said, w), t, w, n_arms, DISTANCES[self.alignment])
        return self.alignment_weight * apart.unflatten(0, (-1, n_experts)).mean(1)
