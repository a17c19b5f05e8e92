"""DR-learner: regress doubly robust scores on x."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal._second_stage import StageRows
from sklcausal.meta._two_stage import TwoStageLearner
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class DRLearner(TwoStageLearner):
    """Estimate effects by a regression of doubly robust scores.

    The network for effects is trained on the influence values of the mean outcomes, arm against
    control. It is right if either the outcomes or the propensities are learned well, and finds an
    effect that is simpler than the outcomes.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    RLearner : Regress residuals on residuals.
    RALearner : Adjusts by outcomes alone.
    TLearner : The difference of two outcome networks.

    Notes
    -----
    {shared_identification}

    With ``modifiers`` the network for effects reads these columns only. Where overlap is poor the
    scores are noisy: propensities are kept above ``propensity_clip``.

    References
    ----------
    .. [1] Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects",
       Electronic Journal of Statistics 2023, arXiv 2004.14497, section 4.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import DRLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = DRLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    def _targets(self, rows: StageRows) -> np.ndarray:
        # differences of mu_a(x) + 1{T = a} (y - mu_a(x)) / pi_a(x), [1], algorithm 1
        scores = rows.psi.reshape(len(rows.y), -1, rows.y.shape[1])
        return rows.against_control(scores).reshape(len(rows.y), -1)
