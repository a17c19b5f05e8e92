"""Turn out-of-fold parameters and the law of the treatment into averages."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sklcausal._encoding import Treatments
from sklcausal._models._base import StructuralModel
from sklcausal.exceptions import TargetError
from sklcausal.inference import _averages as averages
from sklcausal.inference._averages import Average
from sklcausal.inference._groups import Groups
from sklcausal.inference._hessian import Hessian
from sklcausal.inference._influence import Corrections, Signals, compute_corrections
from sklcausal.inference._law import ArmLaw, TreatmentLaw
from sklcausal.inference._targets import Cells, Target
from sklcausal.inference._units import Affine, EngineUnits


class Engine:
    """Hold what turns out-of-fold parameters into influence values.

    Parameters
    ----------
    model : StructuralModel
    units : EngineUnits
        In which losses and Hessians are computed.
    treatments : Treatments
    target_law : TreatmentLaw or None
        Of the treatment given x, in the units of T.
    """

    def __init__(
        self,
        model: StructuralModel,
        units: EngineUnits,
        treatments: Treatments,
        target_law: TreatmentLaw | None,
    ):
        self.model, self.units, self.treatments = model, units, treatments
        self.target_law = target_law

    def fit(
        self,
        y: np.ndarray,
        t: np.ndarray,
        theta: np.ndarray,
        hessian: Hessian,
        law: TreatmentLaw,
        weight: np.ndarray | None,
        cluster: np.ndarray | None,
    ) -> Engine:
        """Compute what all influence values have in common.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In the units of the engine, as t and theta.
        t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
        theta : ndarray of shape (n_samples, n_params)
            Out-of-fold.
        hessian : Hessian
            Expected, given x.
        law : TreatmentLaw
            Of the treatment given x.
        weight : ndarray of shape (n_samples,) or None
        cluster : ndarray of int of shape (n_samples,) or None

        Returns
        -------
        self : Engine
        """
        self.y, self.t, self.cluster = y, t, cluster
        self.weight = np.ones(len(y)) if weight is None else weight
        self.propensity = law.propensity if isinstance(law, ArmLaw) else None
        self.is_known = isinstance(law, ArmLaw) and law.is_known
        self.corrections = self.in_outcome_units(
            compute_corrections(self.model, y, t, theta, hessian)
        )
        return self

    def in_outcome_units(self, found: Corrections) -> Corrections:
        """Bring parameters and steps from the units of the engine to outcome units.

        Parameters
        ----------
        found : Corrections

        Returns
        -------
        Corrections
        """
        back = Affine.of(self.model, self.units.alone())
        return replace(found, theta=back(found.theta[None])[0], step=found.step @ back.matrix[0])

    def cells(self) -> Signals:
        """Compute influence values of the mean outcomes of arms, or of intercept and slopes.

        Returns
        -------
        Signals
            In outcome units.
        """
        return self.corrections.signals(Cells(self.model))

    def effective_sample_size(self) -> np.ndarray:
        """Compute the effective sample size of the implied weights of each arm.

        Returns
        -------
        ndarray of shape (n_arms,)
        """
        assert self.propensity is not None
        rows = np.arange(len(self.t))
        alpha = self.weight / self.propensity[rows, self.t]
        first = np.bincount(self.t, alpha, minlength=self.treatments.n_arms)
        return first**2 / np.bincount(self.t, alpha**2, minlength=self.treatments.n_arms)

    def average(
        self,
        target: Target,
        population: str,
        trim: tuple[float, float] | None,
        groups: Groups,
        arms: np.ndarray | None = None,
    ) -> Average:
        """Average a target over the training population or groups of it.

        Parameters
        ----------
        target : Target
        population : {'all', 'treated', 'overlap'}
        trim : tuple of float or None
            Keep rows all of whose propensities lie within.
        groups : Groups
        arms : ndarray of int of shape (n_outputs,) or None, default=None
            Arm whose takers are the treated of each output.

        Returns
        -------
        Average
        """
        if population not in averages.POPULATIONS:
            raise ValueError(
                f"`population` must be one of {averages.POPULATIONS}, got {population!r}"
            )
        if self.propensity is None and (population != "all" or trim is not None):
            raise TargetError(
                "`population` and `trim` need arms, but `T` was read as "
                f"{self.treatments.kind}; use population='all' and trim=None"
            )
        chance = np.ones(len(self.y))
        if self.propensity is not None:
            chance = self.propensity[np.arange(len(self.y)), self.t]
        groups.check(self.t, np.nan_to_num(self.y), self.corrections.theta, chance)
        keep = self._kept(trim)
        signals = self.corrections.signals(target)
        rows = [own[keep[own]] for own in groups.rows()]
        n_outputs = signals.psi.shape[1]
        estimates, moves = [], []
        every = np.zeros((len(self.y), len(rows) * n_outputs))
        for g, (label, own) in enumerate(zip(groups.labels, rows, strict=True)):
            if len(own) < 2:
                where = "" if label is None else f" in group {label!r}"
                raise ValueError(
                    f"`trim` must leave at least 2 rows{where}, got {len(own)} with {trim}"
                )
            here = Signals(signals.value[own], signals.psi[own])
            estimate, move = self._average(here, population, own, label, arms)
            estimates.append(estimate)
            moves.append(move)
            every[own, g * n_outputs : (g + 1) * n_outputs] = move
        covariance = averages.covariance_of_moves(moves, rows, self.cluster)
        return Average(np.concatenate(estimates), covariance, int(keep.sum()), every)

    def _average(
        self,
        signals: Signals,
        population: str,
        rows: np.ndarray,
        label: Any,
        arms: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        weight, psi = self.weight[rows], signals.psi
        if population == "all":
            return averages.ratio_average(psi, np.ones((len(psi), 1)), weight)
        assert self.propensity is not None
        if population == "overlap":
            return averages.overlap_average(
                psi, signals.value, self.t[rows], self.propensity[rows], self.is_known, weight
            )
        assert arms is not None
        treated = self.t[rows, None] == arms
        if not (weight @ treated).all():
            arm = self.treatments.labels[int(arms[(weight @ treated).argmin()])]
            where = "" if label is None else f" in group {label!r}"
            raise ValueError(
                "`population='treated'` needs people who received the treatment, got none in "
                f"arm {arm!r}{where}"
            )
        e = self.propensity[rows][:, arms]
        return averages.treated_average(psi, signals.value, treated, e, weight)

    def _kept(self, trim: tuple[float, float] | None) -> np.ndarray:
        if trim is None:
            return np.ones(len(self.y), dtype=bool)
        try:
            low, high = (float(bound) for bound in trim)
            in_order = 0 <= low < high <= 1
        except (TypeError, ValueError):
            in_order = False
        if not in_order:
            raise ValueError(f"`trim` must be two bounds with 0 <= low < high <= 1, got {trim!r}")
        assert self.propensity is not None
        return np.all((self.propensity >= low) & (self.propensity <= high), axis=1)
