"""Learn effects themselves, by a second network, from the nuisances of a first."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods

from sklcausal._ensemble import Recipe
from sklcausal._first_stage import FirstStage
from sklcausal._fit_data import FitData
from sklcausal._model_nuisances import EffectModels
from sklcausal._screening import Candidate
from sklcausal._second_stage import EffectTask, StageRows
from sklcausal._sklearn_models import check_effect_model
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import Affine
from sklcausal.meta._t_learner import TLearner
from sklcausal.nn import MultiHeadMLP
from sklcausal.nn._layers import check_widths
from sklcausal.utils._docs import shared_docs

EFFECT_DECAYS = (1.0, 5.0, 25.0, 100.0)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class TwoStageLearner(TLearner):
    """Estimate effects by a network of their own.

    A subclass says by `_targets` what the network for effects is trained on. Networks of the
    outcomes of every arm, and of the propensity, are trained first; those that give a row its
    targets have seen neither the row nor the fold that the network for effects may not see.

    Parameters
    ----------
    effect_widths : sequence of int, default=(50, 50)
        Units of the hidden layers of the network for effects, one for each arm but the control.
    effect_weight_decay : 'auto', float or sequence of float, default='auto'
        As ``weight_decay``, of the network for effects; 'auto' tries 1, 5, 25 and 100, since
        targets are noisy.
    widths : sequence of int, default=(50, 50, 50)
        Units of the hidden layers of each arm's outcome network.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TLearner._parameter_constraints,
        "effect_widths": ["array-like"],
        "effect_weight_decay": TLearner._parameter_constraints["weight_decay"],
        "effect_model": [HasMethods(["fit", "predict"]), None],
    }

    effect_widths: Sequence[int] = (50, 50)
    effect_weight_decay: str | float | Sequence[float] = "auto"
    effect_model: Any = None

    def _has_second_stage(self) -> bool:
        return True

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        # before the first stage is trained
        super()._check_settings(data, columns)
        self._effect_candidates()
        check_widths(self.effect_widths, "effect_widths")
        if self.effect_model is not None:
            check_effect_model(self.effect_model)

    @abstractmethod
    def _targets(self, rows: StageRows) -> np.ndarray:
        """Compute what the network for effects is trained on, shape (n, n_columns)."""

    def _regression(self, rows: StageRows) -> tuple[np.ndarray, np.ndarray]:
        """Compute targets and row weights of ``effect_model``, each of shape (n, n_effects)."""
        targets = self._targets(rows)
        return targets, np.ones_like(targets)

    def _fit_effect(
        self, stage: FirstStage, task: EffectTask, columns: np.ndarray | None
    ) -> ThetaNet:
        if self.effect_model is None:
            return super()._fit_effect(stage, task, columns)
        cross_fit = stage.cross_fit if columns is None else stage.cross_fit.on_columns(columns)
        found = [(rows, *self._regression(own)) for rows, own in stage.second_stage()]
        rows, targets, weights = zip(*found, strict=True)
        settings = self.effect_model, task.n_heads, self.n_jobs
        models = EffectModels(cross_fit, targets, weights, rows, *settings)
        cells = np.tile(task.cells, (cross_fit.n_members, 1, 1))
        inner = Affine(np.zeros((len(cells), cells.shape[2])), cells)
        return self._effect_net(models, inner, columns)

    def _effect_task(self, has_modifiers: bool) -> EffectTask:
        n_effects = len(self._effect_cells())
        return EffectTask(
            self._targets,
            n_effects // self.model_.n_outcomes_,
            self.model_.n_outcomes_,
            self._effect_cells(),
            n_effects,
            np.arange(n_effects),
        )

    def _effect_cells(self) -> np.ndarray:
        """Write effects against the control as cells, where those of the control are 0."""
        schema = self.contrasts_.treatments
        by_arm = np.delete(np.eye(schema.n_arms), schema.control, axis=0)
        return np.kron(by_arm, np.eye(self.model_.n_outcomes_))

    def _effect_recipe(self, n_heads: int, n_out: int) -> Recipe:
        arguments = {
            "n_heads": n_heads,
            "n_out": n_out,
            "head_widths": check_widths(self.effect_widths, "effect_widths"),
            "activation": self.activation_,
        }
        return Recipe(MultiHeadMLP, arguments)

    def _effect_candidates(self) -> list[Candidate]:
        return self._candidates_of(self.effect_weight_decay, EFFECT_DECAYS, "effect_weight_decay")
