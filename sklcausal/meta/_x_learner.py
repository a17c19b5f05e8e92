"""X-learner: regressions of imputed effects among treated and controls, blended."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._ensemble import Predictor
from sklcausal._first_stage import FirstStage
from sklcausal._objective import Objective, half_squares
from sklcausal._second_stage import EffectTask, StageRows
from sklcausal.inference._arm_probabilities import ArmProbabilities
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.meta._two_stage import TwoStageLearner
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


class BlendedEnsemble(Predictor):
    """Blend two networks of every effect by the propensity.

    Parameters
    ----------
    ensemble : Predictor
        Whose outputs are the effects among the arms, then those among the control.
    propensity : ArmProbabilities
        Of as many members.
    control : int
        Code of the control.
    """

    def __init__(self, ensemble: Predictor, propensity: ArmProbabilities, control: int):
        self.ensemble, self.propensity, self.control = ensemble, propensity, control

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.ensemble.n_members

    def importance(self, n_features: int) -> np.ndarray:
        """Return how far each member's gates let each column of X through.

        Parameters
        ----------
        n_features : int

        Returns
        -------
        ndarray of shape (n_members, n_features)
        """
        return self.ensemble.importance(n_features)

    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute effects and features of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        effect : ndarray of shape (n_rows, n_effects)
            In the units of training.
        features : ndarray of shape (n_rows, n_heads, n_hidden)
            Of both networks of an effect, side by side.
        """
        theta, features = self.ensemble.member(k, X, rows)
        chance = self.propensity.of_member(k, X, rows)
        return self._blend(theta, features, chance)

    def with_features(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute effects and features of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        effect : ndarray of shape (n_members, n_chunk, n_effects)
        features : ndarray of shape (n_members, n_chunk, n_heads, n_hidden)
        """
        for rows, theta, features in self.ensemble.with_features(X):
            chance = self.propensity.by_member(X[rows])
            yield rows, *self._blend(theta, features, chance)

    def _blend(
        self, theta: np.ndarray, features: np.ndarray, chance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        # tau = g tau_0 + (1 - g) tau_1, [1], eq. (9)
        of_arms, of_control = np.split(features, 2, axis=-2)
        own = np.delete(chance, self.control, axis=-1)
        share = (own / (own + chance[..., [self.control]]))[..., None]
        first, second = np.split(theta, 2, axis=-1)
        by_head = np.repeat(share[..., 0], first.shape[-1] // share.shape[-2], axis=-1)
        effect = by_head * second + (1 - by_head) * first
        ends = [(1 - share) * of_arms, 1 - share, share * of_control]
        return effect, np.concatenate(ends, axis=-1)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class XLearner(TwoStageLearner):
    """Estimate effects by regressions of imputed effects among treated and controls.

    Outcome networks impute what each row would have shown under the other arm. Networks for
    effects are trained on rows of an arm and on those of the control apart, and are blended by
    the propensity, so that the one which rests on the better outcome network counts more.

    Parameters
    ----------
    {inherited_parameters}
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    RALearner : A single regression of imputed effects.
    DRLearner : Corrects the outcome networks by propensities.

    Notes
    -----
    {shared_identification}

    Made for arms of very different sizes. The blend is by the probability of an arm among those
    of the arm and the control. ``modifiers`` are refused, since the rows of an arm do not stand
    for everybody given a few columns.

    References
    ----------
    .. [1] Künzel, Sekhon, Bickel, Yu, "Metalearners for estimating heterogeneous treatment
       effects using machine learning", PNAS 2019, doi 10.1073/pnas.1804597116, eq. (7) to (9).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import XLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = XLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _takes_modifiers = False

    def _targets(self, rows: StageRows) -> np.ndarray:
        # D_1 = y - mu_0 of an arm's rows and D_0 = mu_a - y of the control's, [1], eq. (7) and (8)
        assert rows.propensity is not None
        received = rows.received()[:, :, None]
        seen = np.where(received == 1, rows.y[:, None], rows.mean)
        own = received[:, rows.others] + received[:, [rows.control]] == 1
        return np.where(own, rows.against_control(seen), np.nan).reshape(len(rows.y), -1)

    def _effect_task(self, has_modifiers: bool) -> EffectTask:
        task = super()._effect_task(has_modifiers)
        # one network for the effect among an arm's rows, and one among those of the control
        return replace(task, n_heads=2 * task.n_heads, objective=Objective(self._apart))

    def _regression(self, rows: StageRows) -> tuple[np.ndarray, np.ndarray]:
        targets = self._targets(rows)
        is_control = (rows.t == rows.control)[:, None]
        apart = [np.where(is_control == part, targets, np.nan) for part in (False, True)]
        return np.hstack(apart), np.ones((len(targets), 2 * targets.shape[1]))

    def _apart(self, out: Outputs, batch: Batch) -> Tensor:
        """Train the first half of the outputs on rows of the arms, the second on the control's."""
        of_arms, of_control = out.theta.chunk(2, dim=-1)
        is_control = (batch.t == self.contrasts_.treatments.control).unsqueeze(-1)
        return batch.mean(half_squares(batch.y - of_arms.where(~is_control, of_control)).sum(-1))

    def _fit_effect(
        self, stage: FirstStage, task: EffectTask, columns: np.ndarray | None
    ) -> ThetaNet:
        net = super()._fit_effect(stage, task, columns)
        schema = self.contrasts_.treatments
        blended = BlendedEnsemble(net.ensemble, stage.arm_net(net), schema.control)
        return replace(net, ensemble=blended)
