"""Turn out-of-fold parameters and the law of the treatment into averages and intervals."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.stats import norm

from sklcausal._encoding import Treatments
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inference import _averages as averages
from sklcausal.inference._influence import directional_derivative, influence_values
from sklcausal.inference._law import ArmLaw, TreatmentLaw
from sklcausal.inference._projection import (
    FoldProjection,
    allowed_features,
    evaluate_projection,
    fit_projection,
)
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import EngineUnits
from sklcausal.structural._base import StructuralModel

N_DRAWS = 1000
# found on the designs of examples/benchmarks/effect_intervals.py
TOWARDS_PROJECTION = 0.75
SHARE_OF_ERROR = TOWARDS_PROJECTION + 0.5 * (1 - TOWARDS_PROJECTION)
MIN_ARM_ROWS = 5


@dataclass
class Basis:
    """Outputs that are projected on the same features, and their projections.

    Attributes
    ----------
    outputs : ndarray of shape (n_outputs, n_cells)
        Outputs as combinations of cells.
    heads : tuple of int
        Heads of the network whose last hidden layers are the features.
    outcome : int or None
        Outcome whose link's derivative multiplies the features; None for the identity.
    arms : tuple of int
        Arms that the outputs compare.
    folds : list of FoldProjection
    """

    outputs: np.ndarray
    heads: tuple[int, ...]
    outcome: int | None
    arms: tuple[int, ...]
    folds: list[FoldProjection]
    missing: str = ""


class Engine:
    """Hold the influence values and projections of a fitted estimator.

    Parameters
    ----------
    model : StructuralModel
    units : EngineUnits
    treatments : Treatments
    kinds : sequence of str
        Kind of each outcome.
    by_difference : bool
        Whether the features of a contrast of arms are differences of last layers, as for one
        network that reads the arm, and not both layers side by side.
    """

    def __init__(
        self,
        model: StructuralModel,
        units: EngineUnits,
        treatments: Treatments,
        kinds: Sequence[str],
        by_difference: bool,
    ):
        self.model, self.units, self.treatments = model, units, treatments
        self.kinds, self.by_difference = tuple(kinds), by_difference

    # -- signals and averages -------------------------------------------------------------

    def fit(
        self,
        y: np.ndarray,
        t: np.ndarray,
        theta: np.ndarray,
        law: TreatmentLaw,
        weight: np.ndarray | None,
        cluster: np.ndarray | None,
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

        Returns
        -------
        self : Engine
        """
        self.y, self.t, self.cluster = y, t, cluster
        self.weight = np.ones(len(y)) if weight is None else weight
        self.propensity = law.propensity if isinstance(law, ArmLaw) else None
        self.signals = influence_values(self.model, y, t, theta, law)
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
        self, combine: np.ndarray, population: str, trim: tuple[float, float] | None
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Average contrasts over the training population.

        Parameters
        ----------
        combine : ndarray of shape (n_targets, n_cells)
            In outcome units.
        population : {'all', 'treated', 'overlap'}
        trim : tuple of float or None
            Keep rows all of whose propensities lie within.

        Returns
        -------
        estimate : ndarray of shape (n_targets,)
        covariance : ndarray of shape (n_targets, n_targets)
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
        keep = self._kept(trim)
        weight, cluster = self.weight[keep], None if self.cluster is None else self.cluster[keep]
        scaled = combine * self.units.cell_scale(combine.shape[1])
        psi = self.signals.psi[keep] @ scaled.T
        if population == "all":
            found = averages.ratio_average(psi, np.ones((len(psi), 1)), weight, cluster)
        elif population == "overlap":
            assert self.propensity is not None
            value = self.signals.value[keep] @ scaled.T
            found = averages.overlap_average(
                psi, value, self.t[keep], self.propensity[keep], weight, cluster
            )
        else:
            found = self._treated(scaled, keep, weight, cluster)
        return *found, int(keep.sum())

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
        keep = np.all((self.propensity >= low) & (self.propensity <= high), axis=1)
        if keep.sum() < 2:
            raise ValueError(f"`trim` must leave at least 2 rows, got {keep.sum()} with {trim}")
        return keep

    def _treated(
        self,
        scaled: np.ndarray,
        keep: np.ndarray,
        weight: np.ndarray,
        cluster: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        n_outcomes = len(self.kinds)
        a, c = scaled.argmax(axis=1), scaled.argmin(axis=1)
        unit = self.units.cell_scale(scaled.shape[1])[a]
        t, y, value = self.t[keep, None], self.y[keep], self.signals.value[keep]
        assert self.propensity is not None
        e = self.propensity[keep]
        return averages.treated_average(
            y[:, a % n_outcomes] * unit,
            value[:, c] * unit,
            t == a // n_outcomes,
            t == c // n_outcomes,
            e[:, a // n_outcomes] / e[:, c // n_outcomes],
            weight,
            cluster,
        )

    # -- projection -----------------------------------------------------------------------

    def project(self, net: ThetaNet, X: np.ndarray, folds: np.ndarray, n_features: int) -> int:
        """Project the influence values within each fold on features learned without it.

        Parameters
        ----------
        net : ThetaNet
            Whose effect is the centre of the intervals and whose last layers are the features.
        X : ndarray of shape (n_samples, n_features)
        folds : ndarray of int of shape (n_samples,)
        n_features : int
            Most features to use.

        Returns
        -------
        int
            Smallest number of features that was used.
        """
        n_folds = folds.max() + 1
        self.net = net
        self.bases = self._make_bases()
        used = n_features
        allowed = []
        for basis in self.bases:
            counts = self._arm_rows(folds, n_folds, basis.arms)
            if counts.min() < MIN_ARM_ROWS:
                fold, arm = np.unravel_index(counts.argmin(), counts.shape)
                what = f"arm {self.treatments.labels[basis.arms[arm]]!r}" if basis.arms else "it"
                basis.missing = f"fold {fold} holds {counts.min()} row(s) of {what}"
            allowed.append(allowed_features(n_features, counts))
            used = min(used, allowed[-1])
        importance = net.ensemble.importance(net.seen(X).shape[1])
        for k, (rows, theta, features) in enumerate(net.held_out(X, folds)):
            seen = net.seen(X[rows])
            for basis, q in zip(self.bases, allowed, strict=True):
                if basis.missing:
                    continue
                raw = self.raw_features(basis, theta, features)
                psi = self.signals.psi[rows] @ basis.outputs.T
                cluster = None if self.cluster is None else self.cluster[rows]
                weight = self.weight[rows]
                basis.folds.append(
                    fit_projection(raw, seen, importance[k], psi, weight, cluster, q)
                )
        return used

    def _arm_rows(self, folds: np.ndarray, n_folds: int, arms: tuple[int, ...]) -> np.ndarray:
        if not arms:
            return np.bincount(folds, minlength=n_folds)[:, None]
        counts = np.zeros((n_folds, self.treatments.n_arms), dtype=int)
        np.add.at(counts, (folds, self.t), 1)
        return counts[:, list(arms)]

    def _make_bases(self) -> list[Basis]:
        n_outcomes, n_cells = len(self.kinds), self.signals.psi.shape[1]
        cells = np.eye(n_cells).reshape(-1, n_outcomes, n_cells)
        if self.propensity is None:
            slopes = cells[1:].reshape(-1, n_cells)
            return [Basis(slopes, tuple(range(len(cells))), None, (), [])]
        has_link = self.net.model is self.model
        plain = [m for m, k in enumerate(self.kinds) if k == "continuous" or not has_link]
        groups: list[tuple[list[int], int | None]] = [(plain, None)] if plain else []
        groups += [([m], m) for m in range(n_outcomes) if m not in plain]
        return [
            Basis(cells[b, own] - cells[a, own], (a, b), link, (a, b), [])
            for a, b in combinations(range(self.treatments.n_arms), 2)
            for own, link in groups
        ]

    def raw_features(self, basis: Basis, theta: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Derive how a contrast moves with the weights of the last layers.

        Parameters
        ----------
        basis : Basis
        theta : ndarray of shape (n, n_params)
        features : ndarray of shape (n, n_heads, n_hidden)

        Returns
        -------
        ndarray of shape (n, n_raw)
        """
        own = features[:, list(basis.heads)].astype(float)
        if basis.outcome is not None:
            own = np.concatenate([own, np.ones((*own.shape[:2], 1))], axis=2)
            at = [h * len(self.kinds) + basis.outcome for h in basis.heads]
            own = own * self._link_derivative(theta)[:, at, None]
        if self.by_difference and basis.arms:
            return own[:, 1] - own[:, 0]
        return own.reshape(len(own), -1)

    def _link_derivative(self, theta: np.ndarray) -> np.ndarray:
        at = torch.as_tensor(theta, dtype=torch.float64)
        return directional_derivative(self.model.cells, at, torch.ones_like(at))[1].numpy()

    # -- intervals ------------------------------------------------------------------------

    def interval(
        self, X: np.ndarray, combine: np.ndarray, alpha: float, seed: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute pointwise or simultaneous intervals of contrasts.

        The centre lies between the members' mean effect and the projected signal, and errs less
        than either. Its standard error is at most the same mixture of theirs, where that of the
        members' mean effect is taken as half that of the projected signal. An interval that would
        leave the members' mean effect out is stretched to it.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        combine : ndarray of shape (n_targets, n_cells)
            In outcome units.
        alpha : float
        seed : int or None
            Of the multiplier draws; None for pointwise intervals.

        Returns
        -------
        low, high : ndarray of shape (n, n_targets)
        """
        effect, centre, error = (np.empty((len(X), len(combine))) for _ in range(3))
        largest = np.zeros((len(combine), N_DRAWS))
        parts = self._targets(combine)
        draws = [None if seed is None else self._draws(basis, seed) for basis, _, _ in parts]
        for rows, theta, features in self.net.with_features(X):
            for (basis, own, coef), draw in zip(parts, draws, strict=True):
                regressors = self._regressors(basis, X[rows], theta, features)
                value, variance, noise = evaluate_projection(basis.folds, regressors, coef, draw)
                effect[rows, own] = self._mean_effect(theta, combine)[:, own]
                towards = TOWARDS_PROJECTION * (value - effect[rows, own])
                centre[rows, own] = effect[rows, own] + towards
                error[rows, own] = SHARE_OF_ERROR * np.sqrt(variance)
                if noise is not None:
                    ratio = np.abs(noise) / np.sqrt(variance)[:, :, None]
                    largest[own] = np.maximum(largest[own], ratio.max(axis=0))
        critical = np.full(len(combine), norm.ppf(1 - alpha / 2))
        if seed is not None:
            critical = np.maximum(critical, np.quantile(largest, 1 - alpha, axis=1))
        low, high = centre - critical * error, centre + critical * error
        return np.minimum(low, effect), np.maximum(high, effect)

    def average_of(self, X: np.ndarray, combine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average the effect over given rows, with the variance of the projection at their mean.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        combine : ndarray of shape (n_targets, n_cells)
            In outcome units.

        Returns
        -------
        estimate : ndarray of shape (n_targets,)
        variance : ndarray of shape (n_targets,)
        """
        parts = self._targets(combine)
        by_member = np.zeros((self.net.ensemble.n_members, len(combine)))
        sums: list[list[Any]] = [[0.0] * len(basis.folds) for basis, _, _ in parts]
        for rows, theta, features in self.net.with_features(X):
            by_member += self._plug_in(theta, combine).sum(axis=1) / len(X)
            for i, (basis, _, _) in enumerate(parts):
                for k, own in enumerate(self._regressors(basis, X[rows], theta, features)):
                    sums[i][k] = sums[i][k] + own.sum(axis=0, keepdims=True) / len(X)
        variance = by_member.var(axis=0, ddof=1) / len(by_member)
        for (basis, at, coef), means in zip(parts, sums, strict=True):
            variance[at] += evaluate_projection(basis.folds, means, coef)[1][0]
        return by_member.mean(axis=0), variance

    def _mean_effect(self, theta: np.ndarray, combine: np.ndarray) -> np.ndarray:
        # in the order of the estimator's own `effect`, so that the two agree to the last bit
        scaled = combine * self.units.cell_scale(combine.shape[1])
        return self.net.cells(theta).mean(axis=0) @ scaled.T

    def _plug_in(self, theta: np.ndarray, combine: np.ndarray) -> np.ndarray:
        scaled = combine * self.units.cell_scale(combine.shape[1])
        return self.net.cells(theta) @ scaled.T

    def _regressors(
        self, basis: Basis, X: np.ndarray, theta: np.ndarray, features: np.ndarray
    ) -> list[np.ndarray]:
        """Compute each fold's regressors at rows, from theta and features of all members."""
        seen = self.net.seen(X)
        return [
            fold.basis(self.raw_features(basis, theta[k], features[k]), seen)
            for k, fold in enumerate(basis.folds)
        ]

    def _targets(self, combine: np.ndarray) -> list[tuple[Basis, np.ndarray, np.ndarray]]:
        """Find for each target the basis that holds it, and its combination of the outputs."""
        scaled = combine * self.units.cell_scale(combine.shape[1])
        found = []
        left = np.ones(len(scaled), dtype=bool)
        for basis in self.bases:
            coef = np.linalg.lstsq(basis.outputs.T, scaled.T, rcond=None)[0].T
            miss = np.abs(coef @ basis.outputs - scaled).max(axis=1)
            own = np.flatnonzero((miss <= 1e-9 * max(np.abs(scaled).max(), 1e-300)) & left)
            if not len(own):
                continue
            if basis.missing:
                raise IntervalNotAvailableError(
                    f"effect_interval needs at least {MIN_ARM_ROWS} rows of every arm in every "
                    f"fold, but {basis.missing}; use fewer folds or `ate_interval`"
                )
            left[own] = False
            found.append((basis, own, coef[own]))
        return found

    def _draws(self, basis: Basis, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [rng.standard_normal((len(fold.root), N_DRAWS)) for fold in basis.folds]
