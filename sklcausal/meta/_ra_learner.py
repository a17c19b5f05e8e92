"""RA-learner: regress outcomes, completed by regression, on x."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal._second_stage import StageRows
from sklcausal.meta._two_stage import TwoStageLearner
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class RALearner(TwoStageLearner):
    """Estimate effects by a regression of outcomes that are completed by regression.

    What a row would have shown under the other arm is taken from the outcome networks; the
    difference to what it did show is what the network for effects is trained on.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DRLearner : Corrects the outcome networks by propensities.
    XLearner : Keeps the regressions of treated and controls apart.

    Notes
    -----
    {shared_identification}

    Propensities do not enter `effect`, only averages and intervals. What outcome networks get
    wrong stays in it. With more than two arms, rows of a third arm show the difference of two
    outcome networks.

    References
    ----------
    .. [1] Curth, van der Schaar, "Nonparametric estimation of heterogeneous treatment effects:
       from theory to learning algorithms", AISTATS 2021, arXiv 2101.10943, section 4.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import RALearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = RALearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    def _targets(self, rows: StageRows) -> np.ndarray:
        # 1{T = a} (y - mu_0) + 1{T = 0} (mu_a - y), [1], section 4; and mu_a - mu_0 elsewhere
        seen = np.where(rows.received()[:, :, None] == 1, rows.y[:, None], rows.mean)
        return rows.against_control(seen).reshape(len(rows.y), -1)
