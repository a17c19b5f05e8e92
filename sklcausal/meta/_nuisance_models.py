"""Let scikit-learn models stand for the networks of outcomes and propensities."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods

from sklcausal._cross_fit import CrossFit, Trained
from sklcausal._first_stage import LawNet
from sklcausal._fit_data import FitData
from sklcausal._model_nuisances import NO_CANDIDATE, ArmModels, ModelPropensity
from sklcausal._models._units import Units
from sklcausal._screening import Candidate
from sklcausal.base import BaseThetaEstimator
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import Affine


@dataclass(kw_only=True, eq=False, repr=False)
class NuisanceModels(BaseThetaEstimator):
    """Take scikit-learn models in place of networks, fitted to what each member may see."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "outcome_model": [HasMethods(["fit", "predict"]), None],
        "propensity_model": [HasMethods(["fit", "predict_proba"]), None],
        "n_jobs": [Integral, None],
    }
    _treatment_kinds = ("discrete",)
    # whether one model reads the arm beside x
    _is_shared: ClassVar[bool] = False

    outcome_model: Any = None
    propensity_model: Any = None
    n_jobs: int | None = None

    def _fit_theta(
        self, data: FitData, cross_fit: CrossFit, candidates: Sequence[Candidate]
    ) -> tuple[ThetaNet, Trained]:
        if self.outcome_model is None:
            return super()._fit_theta(data, cross_fit, candidates)
        common = cross_fit, data, self.outcome_model, self._is_shared, self.n_jobs
        models = ArmModels(*common)
        # models predict in outcome units
        shape = cross_fit.n_members, data.y.shape[1]
        none = np.zeros((cross_fit.n_members, 0))
        units = Units(np.zeros(shape), np.ones(shape), none, none)
        inner = Affine.of(self.model_, self.units_.relative(units))
        outer = Affine.of(self.model_, self.units_.alone())
        net = ThetaNet(models, self.model_, inner, outer, None, units)
        return net, Trained(models, units, NO_CANDIDATE, [])

    def _law_net(self, data: FitData, net: ThetaNet, cross_fit: CrossFit) -> LawNet | None:
        if self.propensity_model is None:
            return super()._law_net(data, net, cross_fit)
        settings = self.propensity_clip, self.n_jobs
        return ModelPropensity(cross_fit, data, self.propensity_model, *settings)
