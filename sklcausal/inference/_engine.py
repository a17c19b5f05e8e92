"""Turn out-of-fold parameters and the law of the treatment into averages."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sklcausal._encoding import Treatments
from sklcausal._models._base import StructuralModel
from sklcausal.exceptions import ModelError, TargetError
from sklcausal.inference import _averages as averages
from sklcausal.inference._averages import Average
from sklcausal.inference._groups import Groups
from sklcausal.inference._hessian import GivenHessian, Hessian
from sklcausal.inference._influence import Corrections, Signals, compute_corrections
from sklcausal.inference._law import ArmLaw, TreatmentLaw
from sklcausal.inference._targets import Cells, MeanContrast, Target
from sklcausal.inference._units import Affine, EngineUnits


@dataclass(frozen=True)
class Representer:
    """What the influence values of contrasts are made of: ``value + alpha (y - mean)``.

    Attributes
    ----------
    value, psi : ndarray of shape (n_samples, n_outputs)
        Plug-in values and influence values.
    residual : ndarray of shape (n_samples, n_outputs)
        Outcomes less their out-of-fold means, in outcome units; 0 where not observed.
    alpha : ndarray of shape (n_samples, n_outputs)
        How far an influence value moves with its outcome; 0 where that is not observed.
    contrast : ndarray of shape (n_samples, n_outputs)
        The contrast of alpha itself: alpha had the row received t1, less that under t0.
    """

    value: np.ndarray
    psi: np.ndarray
    residual: np.ndarray
    alpha: np.ndarray
    contrast: np.ndarray


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
        # what influence values were divided by
        self.chance = law.chance if isinstance(law, ArmLaw) else None
        # learned ones are whole matrices of every row, too large to be kept
        self.hessian = None if isinstance(hessian, GivenHessian) else hessian
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

    def representer(self, target: MeanContrast) -> Representer:
        """Take the influence values of contrasts apart.

        Parameters
        ----------
        target : MeanContrast
            The same for all rows.

        Returns
        -------
        Representer
        """
        if self.hessian is None:
            raise ModelError(
                "representers need an expected Hessian that follows from the treatment's law, but "
                f"that of {self.model!r} was learned"
            )
        n, m, k = len(self.y), self.model.n_outcomes_, target.contrast.n_contrasts
        back = Affine.of(self.model, self.units.alone())
        shifted = self.corrections.theta - back.shift[0]
        theta = np.linalg.solve(back.matrix[0].T, shifted.T).T
        signals, observed = self.corrections.signals(target), ~np.isnan(self.y)
        residual = np.where(observed, self.y - self._means(theta, self.t), 0.0)
        alpha = np.tile(observed, k) * self._moves(target, theta, self.t)
        points, at = np.unique(target.contrast.points[0], axis=0, return_inverse=True)
        low, high = np.split(at.ravel(), 2)
        change = np.zeros_like(alpha)
        for j, point in enumerate(points):
            sign = (high == j).astype(float) - (low == j)
            t = np.tile(point, (n, 1)) if point.ndim else np.full(n, point)
            moves = self._moves(target, theta, self.units.treatments(t))
            change += np.repeat(sign, m) * moves
        scaled = np.tile(residual * self.units.y_scale, k)
        return Representer(signals.value, signals.psi, scaled, alpha, change)

    def _means(self, theta: np.ndarray, t: np.ndarray) -> np.ndarray:
        means = self.model.batch_mean(torch.tensor(theta), torch.tensor(t))
        return means.detach().numpy()

    def _moves(self, target: MeanContrast, theta: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Compute how far influence values move with all outcomes, had t been received."""
        assert self.hessian is not None
        y = self._means(theta, t) + 1.0
        found = compute_corrections(self.model, y, t, theta, self.hessian)
        signals = self.in_outcome_units(found).signals(target)
        return (signals.psi - signals.value) / np.tile(
            self.units.y_scale, target.contrast.n_contrasts
        )

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
        assert self.chance is not None
        if population == "overlap":
            return averages.overlap_average(
                psi, signals.value, self.t[rows], self.chance[rows], self.is_known, weight
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
        e = self.chance[rows][:, arms]
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
