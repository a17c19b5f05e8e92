"""PW-learner: regress outcomes weighted by propensities on x."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal._second_stage import StageRows
from sklcausal.meta._two_stage import TwoStageLearner
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class PWLearner(TwoStageLearner):
    """Estimate effects by a regression of outcomes weighted by propensities.

    The network for effects is trained on outcomes over the probability of the arm received, with
    a minus for controls. No outcome network enters `effect`.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DRLearner : Takes outcome networks to help, with much less noise.

    Notes
    -----
    {shared_identification}

    The targets are noisy: unless outcomes vary little, or are all but impossible to model, the
    DR-learner does better. Outcomes are centred before they are weighted, which changes nothing
    on average.

    References
    ----------
    .. [1] Curth, van der Schaar, "Nonparametric estimation of heterogeneous treatment effects:
       from theory to learning algorithms", AISTATS 2021, arXiv 2101.10943, section 4.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import PWLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = PWLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    def _targets(self, rows: StageRows) -> np.ndarray:
        # 1{T = a} y / pi_a - 1{T = 0} y / pi_0, [1], section 4
        assert rows.propensity is not None
        share = rows.received()[:, :, None] / rows.propensity[:, :, None]
        if rows.chance is not None:
            share = share / rows.chance
        weight = rows.weight[:, None] * ~np.isnan(rows.y)
        centre = (weight * np.nan_to_num(rows.y)).sum(axis=0) / weight.sum(axis=0)
        centred = rows.y - centre
        scores = share * np.nan_to_num(centred)[:, None]
        return rows.against_control(scores).reshape(len(rows.y), -1)
