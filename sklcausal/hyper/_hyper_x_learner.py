"""HyperXLearner: X-learner whose heads get their weights from a hypernetwork."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sklcausal.hyper._weights import HyperWeights
from sklcausal.meta import XLearner
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class HyperXLearner(HyperWeights, XLearner):
    """Estimate effects by an X-learner with weights from a hypernetwork.

    A hypernetwork makes the weights of the outcome networks of all arms from an embedding of each.
    Arms share what they have in common through it, so that every row trains all of them: a help
    where rows are few.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklcausal.meta.XLearner : The same with weights of its own for every arm.
    sklcausal.nn.HyperNetwork : What makes the weights.

    Notes
    -----
    {shared_identification}

    The networks for effects and that for the propensity have weights of their own.

    The authors have no such twin: ``from_paper`` takes the sizes and the training of their others.

    References
    ----------
    .. [1] Chauhan, Zhou, Ghosheh, Molaei, Clifton, "Dynamic inter-treatment information sharing
       for individualized treatment effects estimation", AISTATS 2024, arXiv 2305.15984.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.hyper import HyperXLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = HyperXLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **XLearner._parameter_constraints,
        **HyperWeights.hyper_constraints,
    }
    _paper_sizes: ClassVar[dict[str, Any]] = {"widths": (100, 100), "effect_widths": (100, 100)}
