"""HyperSLearner: S-learner whose weights come from a hypernetwork."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sklcausal.hyper._weights import HyperWeights
from sklcausal.meta import SLearner
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class HyperSLearner(HyperWeights, SLearner):
    """Estimate effects by an S-learner with weights from a hypernetwork.

    A hypernetwork makes the weights of the network from one embedding, which only changes how they
    are trained.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklcausal.meta.SLearner : The same with weights of its own.
    sklcausal.nn.HyperNetwork : What makes the weights.

    Notes
    -----
    {shared_identification}

    There is one network to make, so that arms share nothing more than before; the learner is here
    to be compared with.

    ``from_paper`` builds it with the published sizes and training.

    References
    ----------
    .. [1] Chauhan, Zhou, Ghosheh, Molaei, Clifton, "Dynamic inter-treatment information sharing
       for individualized treatment effects estimation", AISTATS 2024, arXiv 2305.15984.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.hyper import HyperSLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = HyperSLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SLearner._parameter_constraints,
        **HyperWeights.hyper_constraints,
    }
    _takes_arm_features = False
    _paper_sizes: ClassVar[dict[str, Any]] = {"widths": (100, 100), "embedding_dim": 1}
