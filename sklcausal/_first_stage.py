"""What inference needs beside theta(x): the treatment's law, chances, Hessians, corrections."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from sklcausal._contrasts import Contrast
from sklcausal._cross_fit import CrossFit
from sklcausal._fit_data import FitData
from sklcausal._models import StructuralModel
from sklcausal._screening import Candidate
from sklcausal._second_stage import StageRows
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._arm_probabilities import ArmProbabilities
from sklcausal.inference._balance import weigh_rows
from sklcausal.inference._calibration import calibrate
from sklcausal.inference._dose_law import marginal_law
from sklcausal.inference._dose_net import MomentNet
from sklcausal.inference._engine import Engine
from sklcausal.inference._fluctuation import fluctuate
from sklcausal.inference._hessian import GivenHessian, Hessian, LawHessian, ObservedHessian
from sklcausal.inference._hessian_choice import LEARNED, choose_hessian
from sklcausal.inference._influence import compute_corrections
from sklcausal.inference._law import ArmLaw, TreatmentLaw
from sklcausal.inference._learned_hessian import HessianNet, row_hessians
from sklcausal.inference._nuisance import (
    NuisanceSettings,
    ObservationNet,
    PropensityNet,
)
from sklcausal.inference._targets import Cells, MeanContrast
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import Affine, EngineUnits

N_BINS = 8
LAW_CANDIDATES = (Candidate(None, 1.0), Candidate(N_BINS, 3.0))
LAW_WIDTHS = (50, 50)

LawNet = ArmProbabilities | MomentNet


@dataclass
class Nuisances:
    """Networks of the treatment and of what is observed.

    Attributes
    ----------
    law_net : LawNet or None
        None where the treatment's law is known or does not depend on x.
    observation_net : ObservationNet or None
        None where every outcome is observed.
    """

    law_net: LawNet | None = None
    observation_net: ObservationNet | None = None


@dataclass
class FirstStage:
    """Fit the nuisances of a network for theta(x).

    Attributes
    ----------
    data : FitData
    cross_fit : CrossFit
        Of the networks for theta.
    model : StructuralModel
    units : EngineUnits
    train_theta : callable
        Trains networks for theta with other members.
    law_net : callable
        Maps data, networks for theta and their members to the treatment's law, where a method has
        its own; else to None.
    activation : str
    clip : float
        Smallest probability of an arm, or of being observed.
    assignment : {'observational', 'randomised'}
        Whether the treatment may depend on x.
    hessian : {'auto', 'structured', 'cholesky', 'entrywise'}
        How the expected Hessian is found.
    is_targeted : bool
        Whether out-of-fold outcomes of arms take a step after which averages are those of the
        outcomes.
    """

    data: FitData
    cross_fit: CrossFit
    model: StructuralModel
    units: EngineUnits
    train_theta: Callable[[CrossFit], ThetaNet]
    law_net: Callable[[FitData, ThetaNet, CrossFit], LawNet | None]
    activation: str
    clip: float
    assignment: str = "observational"
    hessian: str = "auto"
    is_targeted: bool = False
    nuisances: Nuisances = field(default_factory=Nuisances, init=False)
    method: str = field(default="structured", init=False)

    def fit(self, net: ThetaNet) -> Engine:
        """Compute the corrections of all rows.

        Parameters
        ----------
        net : ThetaNet

        Returns
        -------
        Engine
        """
        some = self._law_candidates()
        self.nuisances = self._fit_nuisances(net, self.cross_fit, some, some)
        law = self._law(self.nuisances)
        theta = self.cross_fit.out_of_fold(partial(net.inner_theta, self.cross_fit.X))
        gates = net.ensemble.importance(self.data.X.shape[1]).mean(axis=0)
        every = np.ones(len(theta), dtype=bool)
        theta = self._calibrated(theta, gates, every)
        self.theta = theta = self._targeted(theta, law)
        self.method = choose_hessian(self.model, self.hessian, self.y, self.t, theta)
        if self.method in LEARNED:
            hessian = self._learn_hessian(theta, law, some)
        else:
            hessian = self._observed(LawHessian(law), self.nuisances)
            self.method = hessian.method
        self.expected = hessian
        data = self.data
        engine = Engine(self.model, self.units, data.treatments, self._target_law())
        return engine.fit(self.y, self.t, theta, hessian, law, data.weight, data.cluster)

    @property
    def y(self) -> np.ndarray:
        """Outcomes in the units of the engine."""
        return self.units.outcomes(self.data.y)

    @property
    def t(self) -> np.ndarray:
        """Treatments in the units of the engine."""
        return self.units.treatments(self.data.t)

    def diagnose(self, contrast: Contrast, names: list[str]) -> dict[str, Any]:
        """Measure what the corrections of the first effect weigh.

        Parameters
        ----------
        contrast : Contrast
            The default one.
        names : list of str
            Of the columns of X.

        Returns
        -------
        dict
        """
        if not self.model.has_mean:
            return {}
        first = Contrast(contrast.t0[:, :1], contrast.t1[:, :1])
        back = Affine.of(self.model, self.units.alone())
        target = MeanContrast(self.model, first, [0])
        known = (self.model, self.y, self.t, self.theta, self.expected, back)
        weights = self.cross_fit.row_weight, self.data.cluster
        return weigh_rows(*known, self.units.y_scale, target, self.data.X, names, *weights)

    def _law_candidates(self) -> Sequence[Candidate]:
        has_validation = any(len(member.valid) for member in self.cross_fit.members)
        return LAW_CANDIDATES if has_validation else LAW_CANDIDATES[:1]

    # -- nuisances --------------------------------------------------------------------------

    def _settings(self, candidates: Sequence[Candidate]) -> NuisanceSettings:
        n_columns = self.model.n_params_ // self.model.n_outcomes_
        return NuisanceSettings(LAW_WIDTHS, self.activation, candidates, self.clip, n_columns)

    def _quieter(self, cross_fit: CrossFit) -> CrossFit:
        patience = max(5, cross_fit.options.patience // 2)
        return cross_fit.with_options(callbacks=None, patience=patience)

    def _fit_nuisances(
        self,
        net: ThetaNet,
        cross_fit: CrossFit,
        of_law: Sequence[Candidate],
        of_observation: Sequence[Candidate],
    ) -> Nuisances:
        data, found = self.data, Nuisances()
        quieter = self._quieter(cross_fit)
        if data.propensity is None and self.assignment == "observational":
            found.law_net = self.law_net(data, net, cross_fit)
            if found.law_net is None:
                found.law_net = self._train_law(quieter, self._settings(of_law))
        if data.outcomes.has_missing:
            settings, seen = self._settings(of_observation), ~np.isnan(data.y)
            found.observation_net = ObservationNet().fit(
                quieter, data.t, seen, data.treatments, settings
            )
        return found

    def _train_law(self, cross_fit: CrossFit, settings: NuisanceSettings) -> LawNet:
        data, treatments = self.data, self.data.treatments
        if treatments.kind == "discrete":
            return PropensityNet().fit(cross_fit, data.t, treatments.n_arms, settings)
        return MomentNet().fit(cross_fit, data.t, treatments.is_binary, settings)

    def arm_net(self, net: ThetaNet) -> ArmProbabilities:
        """Return what knows the probabilities of arms, trained now where inference has none.

        Parameters
        ----------
        net : ThetaNet

        Returns
        -------
        ArmProbabilities
            Of the members of the outcome networks.
        """
        found = self.nuisances.law_net or self.law_net(self.data, net, self.cross_fit)
        if isinstance(found, ArmProbabilities):
            return found
        settings = self._settings(self._law_candidates())
        n_arms = self.data.treatments.n_arms
        return PropensityNet().fit(self._quieter(self.cross_fit), self.data.t, n_arms, settings)

    def _law(self, nuisances: Nuisances, fold: int | None = None) -> TreatmentLaw:
        data, quadratic = self.data, bool(self.model.quadratic_loss)
        if nuisances.law_net is not None:
            return nuisances.law_net.law(self.units, quadratic, fold)
        if data.propensity is not None:
            return ArmLaw(data.propensity, is_known=True)
        units = self.units.t_loc, self.units.t_scale
        return self._marginal_law(quadratic, units)

    def _marginal_law(self, quadratic: bool, units: Any = None) -> TreatmentLaw:
        schema, weight = self.data.treatments, self.cross_fit.row_weight
        return marginal_law(self.data.t, weight, schema.n_arms, quadratic, schema.is_binary, units)

    def _target_law(self) -> TreatmentLaw:
        """Return the law over which functions of a user's are averaged, in the units of T."""
        data, net = self.data, self.nuisances.law_net
        if data.t.ndim == 1:
            return self._law(self.nuisances)
        if net is not None:
            none = np.zeros(data.t.shape[1])
            plain = replace(self.units, t_loc=none, t_scale=none + 1)
            return net.law(plain, False)
        return self._marginal_law(False)

    def _observed(
        self, hessian: Hessian, nuisances: Nuisances, fold: int | None = None
    ) -> Hessian:
        if nuisances.observation_net is None:
            return hessian
        chance = nuisances.observation_net.chance_
        if fold is not None:
            chance = chance[fold]
        return ObservedHessian(hessian, chance)

    def _calibrated(self, theta: np.ndarray, gates: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if not self.model.can_be_calibrated:
            return theta
        cluster = None if self.data.cluster is None else self.data.cluster[rows]
        seen = (self.y[rows], self.t[rows], theta, self.cross_fit.X[rows], gates)
        return calibrate(self.model, *seen, self.cross_fit.row_weight[rows], cluster)

    def _targeted(self, theta: np.ndarray, law: TreatmentLaw) -> np.ndarray:
        if not self.is_targeted:
            return theta
        assert isinstance(law, ArmLaw)
        chance = np.repeat(law.propensity, self.model.n_outcomes_, axis=1)
        if self.nuisances.observation_net is not None:
            chance = chance * self.nuisances.observation_net.chance_
        weight = self.cross_fit.row_weight
        return fluctuate(self.model, self.y, self.t, theta, chance, weight)

    # -- Hessians ---------------------------------------------------------------------------

    def _learn_hessian(
        self, theta: np.ndarray, law: TreatmentLaw, candidates: Sequence[Candidate]
    ) -> Hessian:
        if self.cross_fit.n_members < 3:
            raise IntervalNotAvailableError(
                f"a learned Hessian (hessian={self.method!r}) needs `n_folds` of at least 3, "
                "since it is trained at parameters that were trained on other rows, got "
                f"n_folds={self.cross_fit.n_members}"
            )
        pairs = self.cross_fit.pairs()
        net = self.train_theta(pairs)
        by_fold = pairs.out_of_fold(partial(net.inner_theta, pairs.X))
        hessians = []
        for k, own in enumerate(by_fold):
            # the fold itself is not trained on, and holds no parameters of pairs
            own[self.cross_fit.folds == k] = theta[self.cross_fit.folds == k]
            hessians.append(row_hessians(self.model, self.y, self.t, own))
        propensity = law.propensity if isinstance(law, ArmLaw) else None
        arms = None if propensity is None else self.data.t
        learned = HessianNet(entrywise=self.method == "entrywise").fit(
            self._quieter(self.cross_fit),
            np.stack(hessians),
            arms,
            propensity,
            self._settings(candidates),
        )
        return GivenHessian(learned.values_, self.method)

    # -- a second stage ---------------------------------------------------------------------

    def second_stage(self) -> list[tuple[np.ndarray, StageRows]]:
        """Compute, for every fold, nuisances from networks that saw neither it nor the row.

        Returns
        -------
        list of (rows, StageRows)
            Entry k holds the rows that a second stage may see which may not see fold k: all
            others, or all rows where they are in one fold.
        """
        if self.method in LEARNED or self.hessian in LEARNED:
            raise ValueError(
                "`modifiers` needs an expected Hessian that follows from the treatment's law, got "
                f"hessian_method_={self.method!r} for {self.model!r}"
            )
        members, first = self.cross_fit.second_stage(), self.nuisances
        net = self.train_theta(members)
        chosen = [
            self._law_candidates() if used is None else [used.candidate_]
            for used in (first.law_net, first.observation_net)
        ]
        nuisances = self._fit_nuisances(net, members, *chosen)
        theta = members.out_of_fold(partial(net.inner_theta, members.X))
        gates = net.ensemble.importance(self.data.X.shape[1])
        found = []
        for k in range(members.n_folds):
            rows = np.concatenate([p.rows for p in members.places if p.entry == k])
            rows = np.sort(rows)
            blind = gates[[p.member for p in members.places if p.entry == k]].mean(axis=0)
            seen = np.zeros(len(theta[k]), dtype=bool)
            seen[rows] = True
            own = self._calibrated(theta[k, rows], blind, seen)
            found.append((rows, self._stage_rows(own, rows, nuisances, k)))
        return found

    def _stage_rows(
        self, theta: np.ndarray, rows: np.ndarray, nuisances: Nuisances, k: int
    ) -> StageRows:
        model, y, t = self.model, self.y[rows], self.t[rows]
        law = self._law(nuisances, k).of(rows)
        net, chance = nuisances.observation_net, None
        hessian: Hessian = LawHessian(law)
        if net is not None:
            hessian = ObservedHessian(hessian, net.chance_[k, rows])
            chance = net.chance_[k, rows].reshape(len(rows), -1, model.n_outcomes_)
        engine = Engine(model, self.units, self.data.treatments, None)

        def means() -> np.ndarray:
            back = Affine.of(model, self.units.alone())
            arms = torch.arange(self.data.treatments.n_arms)[None]
            with torch.no_grad():
                found = model.means_at(torch.as_tensor(back(theta[None])[0]), arms)
            return found.numpy()

        def psi() -> np.ndarray:
            found = compute_corrections(model, y, t, theta, hessian)
            return engine.in_outcome_units(found).signals(Cells(model)).psi

        is_arm = isinstance(law, ArmLaw)
        control = self.data.treatments.control if is_arm else 0
        propensity = law.propensity if isinstance(law, ArmLaw) else None
        return StageRows(
            self.data.y[rows],
            self.data.t[rows],
            control,
            means,
            psi,
            self.cross_fit.row_weight[rows],
            propensity,
            chance,
        )
