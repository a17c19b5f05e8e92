"""MMoE: experts that all cells share, with a gate for each."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from sklcausal.mixture._mixture import BaseMixture
from sklcausal.nn._expert_grid import ExpertGrid
from sklcausal.nn._layers import check_widths
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class MMoE(BaseMixture):
    """Estimate effects with experts that all arms and outcomes share.

    Every pair of an arm and an outcome has a gate, which says how much it makes of each expert
    given x, and a head that reads the mixture.

    Parameters
    ----------
    n_experts : int, default=4
        Number of experts.
    representation_widths : sequence of int, default=()
        Units of shared hidden layers in front of experts and gates.
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    expert_names_out_ : ndarray of str of shape (n_experts,)
        Names of the experts, the last axis of `expert_weights`.
    {shared_attributes}

    See Also
    --------
    MOTTO : Experts that some cells share.
    sklcausal.representation.TARNet : One representation that all cells share.

    Notes
    -----
    {shared_identification}

    References
    ----------
    .. [1] Ma, Zhao, Yi, Chen, Hong, Chi, "Modeling task relationships in multi-task learning with
       multi-gate mixture-of-experts", KDD 2018, doi 10.1145/3219819.3220007, eq. (6).
    .. [GN] Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: gradient normalization for adaptive
       loss balancing in deep multitask networks", ICML 2018, arXiv 1711.02257, eq. (2).
    .. [UW] Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses for
       scene geometry and semantics", CVPR 2018, arXiv 1705.07115, eq. (10).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_multi_treatment_outcome
    >>> from sklcausal.mixture import MMoE
    >>> data = make_multi_treatment_outcome(200, random_state=0)
    >>> est = MMoE(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200, 2, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "representation_widths": ["array-like"],
    }

    n_experts: int = 4
    representation_widths: Sequence[int] = ()

    def _grid(self, n_arms: int, n_outcomes: int) -> ExpertGrid:
        return ExpertGrid(n_arms, n_outcomes, n_global=self.n_experts)

    def _sizes(self) -> dict[str, Any]:
        at_least = int(self.task_weighting == "gradnorm")  # whose gradients it compares
        widths = check_widths(self.representation_widths, "representation_widths", at_least)
        return {"trunk_widths": widths}
