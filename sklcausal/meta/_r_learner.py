"""R-learner: regress residuals of outcomes on residuals of treatments."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._fit_data import FitData
from sklcausal._objective import Objective, half_squares
from sklcausal._second_stage import EffectTask, StageRows
from sklcausal._sklearn_models import takes_weight
from sklcausal.meta._two_stage import TwoStageLearner
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class RLearner(TwoStageLearner):
    """Estimate effects by a regression of residuals on residuals.

    The network for effects is trained to explain what is left of the outcome, once its mean given
    x is taken out, by what is left of the treatment.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DRLearner : Weighs all rows alike, and takes modifiers.

    Notes
    -----
    {shared_identification}

    Rows count by how open their treatment was, so that poor overlap does little harm. Where the
    effect depends on more than the network can express, it is an average that favours such rows;
    ``modifiers`` are refused for that reason. An ``effect_model`` learns the effect of each arm
    among its rows and those of the control.

    References
    ----------
    .. [1] Nie, Wager, "Quasi-oracle estimation of heterogeneous treatment effects", Biometrika
       2021, arXiv 1712.04912, eq. (4) and (5).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import RLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = RLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _takes_modifiers = False

    def _targets(self, rows: StageRows) -> np.ndarray:
        # y - m(x) and 1{T = a} - pi_a(x), with m(x) the sum of pi_a mu_a, [1], eq. (4)
        assert rows.propensity is not None
        overall = np.einsum("na,nam->nm", rows.propensity, rows.mean)
        moves = (rows.received() - rows.propensity)[:, rows.others]
        return np.hstack([rows.y - overall, moves])

    def _effect_task(self, has_modifiers: bool) -> EffectTask:
        task = super()._effect_task(has_modifiers)
        return replace(
            task,
            n_scaled=task.n_out,
            units_of=np.tile(np.arange(task.n_out), task.n_heads),
            is_centred=False,
            objective=Objective(self._residual_loss),
        )

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        super()._check_settings(data, columns)
        if self.effect_model is not None and not takes_weight(self.effect_model):
            raise ValueError(
                "`effect_model` must take `sample_weight` in fit for RLearner, whose loss weighs "
                f"rows by how open their treatment was, got {type(self.effect_model).__name__}"
            )

    def _regression(self, rows: StageRows) -> tuple[np.ndarray, np.ndarray]:
        # a regressor learns one effect at a time: among the rows of an arm and of the control,
        # (y - m) / (1{T = a} - e) with the square of the divisor as weight
        assert rows.propensity is not None
        own, control = rows.propensity[:, rows.others], rows.propensity[:, [rows.control]]
        e = (own / (own + control))[:, :, None]
        overall = e * rows.mean[:, rows.others] + (1 - e) * rows.mean[:, [rows.control]]
        received = rows.received()
        is_own = received[:, rows.others] == 1
        moves = np.where(is_own, 1.0, 0.0)[:, :, None] - e
        seen = (is_own | (received[:, [rows.control]] == 1))[:, :, None]
        targets = np.where(seen, (rows.y[:, None] - overall) / moves, np.nan)
        weights = np.broadcast_to(moves**2, targets.shape)
        return targets.reshape(len(targets), -1), weights.reshape(len(targets), -1)

    def _residual_loss(self, out: Outputs, batch: Batch) -> Tensor:
        # (y - m - sum over a of (1{T = a} - pi_a) tau_a)^2, [1], eq. (5)
        n_outcomes = self.model_.n_outcomes_
        residual, moves = batch.y[..., :n_outcomes], batch.y[..., n_outcomes:]
        effect = out.theta.unflatten(-1, (-1, n_outcomes))
        error = residual - (moves.unsqueeze(-1) * effect).sum(-2)
        return batch.mean(half_squares(error).sum(-1))
