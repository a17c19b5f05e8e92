"""Turn out-of-fold parameters and the law of the treatment into averages."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import Treatments
from sklcausal.exceptions import TargetError
from sklcausal.inference import _averages as averages
from sklcausal.inference._groups import Groups
from sklcausal.inference._influence import influence_values
from sklcausal.inference._law import ArmLaw, TreatmentLaw
from sklcausal.inference._units import EngineUnits
from sklcausal.structural._base import StructuralModel


class Engine:
    """Hold the influence values of a fitted estimator.

    Parameters
    ----------
    model : StructuralModel
    units : EngineUnits
    treatments : Treatments
    n_outcomes : int
    """

    def __init__(
        self,
        model: StructuralModel,
        units: EngineUnits,
        treatments: Treatments,
        n_outcomes: int,
    ):
        self.model, self.units, self.treatments = model, units, treatments
        self.n_outcomes = n_outcomes

    def fit(
        self,
        y: np.ndarray,
        t: np.ndarray,
        theta: np.ndarray,
        law: TreatmentLaw,
        weight: np.ndarray | None,
        cluster: np.ndarray | None,
        observed: np.ndarray | None = None,
    ) -> Engine:
        """Compute the influence values of all cells.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In the units of the engine, as all that follows.
        t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
        theta : ndarray of shape (n_samples, n_params)
            Out-of-fold.
        law : TreatmentLaw
        weight : ndarray of shape (n_samples,) or None
        cluster : ndarray of int of shape (n_samples,) or None
        observed : ndarray of shape (n_samples, n_params) or None, default=None
            As in `influence_values`.

        Returns
        -------
        self : Engine
        """
        self.y, self.t, self.cluster = y, t, cluster
        self.weight = np.ones(len(y)) if weight is None else weight
        self.propensity = law.propensity if isinstance(law, ArmLaw) else None
        self.is_known = isinstance(law, ArmLaw) and law.is_known
        self.signals = influence_values(self.model, y, t, theta, law, observed)
        return self

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
        combine: np.ndarray,
        population: str,
        trim: tuple[float, float] | None,
        groups: Groups,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Average contrasts over the training population or groups of it.

        Parameters
        ----------
        combine : ndarray of shape (n_targets, n_cells)
            In outcome units.
        population : {'all', 'treated', 'overlap'}
        trim : tuple of float or None
            Keep rows all of whose propensities lie within.
        groups : Groups

        Returns
        -------
        estimate : ndarray of shape (n_groups * n_targets,)
        covariance : ndarray of shape (n_groups * n_targets, n_groups * n_targets)
        n_samples : int
            Rows that were averaged over.
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
        groups.check(self.t, np.nan_to_num(self.y), self.signals.value, chance)
        keep = self._kept(trim)
        scaled = combine * self.units.cell_scale(combine.shape[1])
        rows = [own[keep[own]] for own in groups.rows()]
        estimates, moves = [], []
        for label, own in zip(groups.labels, rows, strict=True):
            if len(own) < 2:
                where = "" if label is None else f" in group {label!r}"
                raise ValueError(
                    f"`trim` must leave at least 2 rows{where}, got {len(own)} with {trim}"
                )
            estimate, move = self._average(scaled, population, own, label)
            estimates.append(estimate)
            moves.append(move)
        covariance = averages.covariance_of_moves(moves, rows, self.cluster)
        return np.concatenate(estimates), covariance, int(keep.sum())

    def _average(
        self, scaled: np.ndarray, population: str, rows: np.ndarray, label: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        weight = self.weight[rows]
        if population == "treated":
            return self._treated(scaled, rows, label)
        psi = self.signals.psi[rows] @ scaled.T
        if population == "all":
            return averages.ratio_average(psi, np.ones((len(psi), 1)), weight)
        assert self.propensity is not None
        value = self.signals.value[rows] @ scaled.T
        return averages.overlap_average(
            psi, value, self.t[rows], self.propensity[rows], self.is_known, weight
        )

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

    def _treated(
        self, scaled: np.ndarray, rows: np.ndarray, label: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        a = scaled.argmax(axis=1) // self.n_outcomes
        assert self.propensity is not None
        weight, e = self.weight[rows], self.propensity[rows][:, a]
        treated = self.t[rows, None] == a
        if not (weight @ treated).all():
            arm = self.treatments.labels[int(a[(weight @ treated).argmin()])]
            where = "" if label is None else f" in group {label!r}"
            raise ValueError(
                "`population='treated'` needs people who received the treatment, got none in "
                f"arm {arm!r}{where}"
            )
        value = self.signals.value[rows] @ scaled.T
        return averages.treated_average(
            self.signals.psi[rows] @ scaled.T, value, treated, e, weight
        )
