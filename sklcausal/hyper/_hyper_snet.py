"""HyperSNet: SNet whose heads get their weights from a hypernetwork."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sklcausal.hyper._weights import HyperWeights
from sklcausal.representation import SNet
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class HyperSNet(HyperWeights, SNet):
    """Estimate effects by an SNet with weights from a hypernetwork.

    A hypernetwork makes the weights of the heads of all arms and of the propensity from an
    embedding of each. Arms share what they have in common through it, so that every row trains all
    of them: a help where rows are few.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklcausal.representation.SNet : The same with weights of its own for every arm.
    sklcausal.nn.HyperNetwork : What makes the weights.

    Notes
    -----
    {shared_identification}

    ``from_paper`` builds it with the published sizes and training.

    References
    ----------
    .. [1] Chauhan, Zhou, Ghosheh, Molaei, Clifton, "Dynamic inter-treatment information sharing
       for individualized treatment effects estimation", AISTATS 2024, arXiv 2305.15984.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.hyper import HyperSNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = HyperSNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SNet._parameter_constraints,
        **HyperWeights.hyper_constraints,
    }
    _takes_arm_features = False
    _paper_sizes: ClassVar[dict[str, Any]] = {
        "shared_widths": (50,),
        "private_widths": (50,),
        "head_widths": (100,),
        "propensity_widths": (100,),
    }
