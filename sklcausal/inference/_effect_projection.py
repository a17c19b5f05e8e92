"""Project the influence values on features of x, and turn the projection into intervals."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.stats import norm

from sklcausal._cross_fit import CrossFit
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._engine import Engine
from sklcausal.inference._groups import Groups
from sklcausal.inference._influence import directional_derivative
from sklcausal.inference._projection import Projection, plan_features
from sklcausal.inference._splines import AdditiveSplines
from sklcausal.inference._theta_net import ThetaNet

N_DRAWS = 1000
BAND_ROWS = 1000
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
    projection : Projection or None
    missing : str
        Why there is none.
    """

    outputs: np.ndarray
    heads: tuple[int, ...]
    outcome: int | None
    arms: tuple[int, ...]
    projection: Projection | None = None
    missing: str = ""


class EffectProjection:
    """Hold the projections behind the intervals of a fitted estimator.

    Parameters
    ----------
    net : ThetaNet
        Whose effect is the centre of the intervals and whose last layers are the features.
    engine : Engine
    kinds : sequence of str
        Kind of each outcome.
    by_difference : bool
        Whether the features of a contrast of arms are differences of last layers, as for one
        network that reads the arm, and not both layers side by side.

    Attributes
    ----------
    n_features : int
        Smallest number of features that was used.
    """

    def __init__(self, net: ThetaNet, engine: Engine, kinds: Sequence[str], by_difference: bool):
        self.net, self.treatments, self.units = net, engine.treatments, engine.units
        self.kinds, self.by_difference = tuple(kinds), by_difference
        self.by_cluster = engine.cluster is not None
        self.bases = self._make_bases(engine)

    def fit(self, engine: Engine, cross_fit: CrossFit, n_features: int | str) -> EffectProjection:
        """Project the influence values on features of x.

        The learned features of a row are those of the member that never saw it.

        Parameters
        ----------
        engine : Engine
        cross_fit : CrossFit
        n_features : int or 'auto'
            Most features to use.

        Returns
        -------
        self : EffectProjection
        """
        rows: list[np.ndarray] = []
        learned: list[list[np.ndarray]] = [[] for _ in self.bases]
        for own, theta, features in self.net.held_out(cross_fit):
            rows.append(own)
            for basis, parts in zip(self.bases, learned, strict=True):
                parts.append(self.raw_features(basis, theta, features))
        X = self.net.seen(cross_fit.X)
        importance = self.net.ensemble.importance(X.shape[1]).mean(axis=0)
        used = []
        for basis, parts in zip(self.bases, learned, strict=True):
            counts = self._count(engine, cross_fit, basis.arms)
            used.append(0)
            if counts.min() < MIN_ARM_ROWS:
                basis.missing = self._name_smallest(counts, basis.arms)
                continue
            budget = plan_features(
                n_features, len(X), cross_fit.n_members, int(counts.sum(axis=0).min())
            )
            basis.projection = Projection(
                AdditiveSplines.learn(X, importance, budget.n_splines),
                parts,
                rows,
                X,
                engine.signals.psi @ basis.outputs.T,
                engine.weight,
                engine.cluster,
                budget.n_learned,
            )
            used[-1] = basis.projection.n_features
        self.n_features = min(used)
        return self

    def _count(self, engine: Engine, cross_fit: CrossFit, arms: tuple[int, ...]) -> np.ndarray:
        """Count rows with weight, or clusters, of every fold and arm: (n_folds, n_arms)."""
        t = engine.t if arms else np.zeros(len(engine.y), dtype=int)
        n_arms = self.treatments.n_arms if arms else 1
        counted = np.flatnonzero(engine.weight > 0)
        if engine.cluster is not None:
            pairs = np.stack([engine.cluster, t], axis=1)[counted]
            counted = counted[np.unique(pairs, axis=0, return_index=True)[1]]
        counts = np.zeros((cross_fit.n_members, n_arms), dtype=int)
        np.add.at(counts, (cross_fit.folds[counted], t[counted]), 1)
        return counts[:, list(arms)] if arms else counts

    def _name_smallest(self, counts: np.ndarray, arms: tuple[int, ...]) -> str:
        fold, arm = np.unravel_index(counts.argmin(), counts.shape)
        of = f" of arm {self.treatments.labels[arms[arm]]!r}" if arms else ""
        return f"fold {fold} holds {counts.min()}{of}"

    def _make_bases(self, engine: Engine) -> list[Basis]:
        n_outcomes, n_cells = len(self.kinds), engine.signals.psi.shape[1]
        cells = np.eye(n_cells).reshape(-1, n_outcomes, n_cells)
        if engine.propensity is None:
            slopes = cells[1:].reshape(-1, n_cells)
            return [Basis(slopes, tuple(range(len(cells))), None, ())]
        has_link = self.net.model is engine.model
        plain = [m for m, k in enumerate(self.kinds) if k == "continuous" or not has_link]
        groups: list[tuple[list[int], int | None]] = [(plain, None)] if plain else []
        groups += [([m], m) for m in range(n_outcomes) if m not in plain]
        return [
            Basis(cells[b, own] - cells[a, own], (a, b), link, (a, b))
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
        return directional_derivative(self.net.model.cells, at, torch.ones_like(at))[1].numpy()

    # -- intervals ------------------------------------------------------------------------

    def interval(
        self, X: np.ndarray, combine: np.ndarray, alpha: float, seed: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute pointwise or simultaneous intervals of contrasts.

        They lie around the projected signal. An interval that would leave the members' mean
        effect out is stretched to it.

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
        effect, centre, error = (np.zeros((len(X), len(combine))) for _ in range(3))
        largest = np.zeros((len(combine), N_DRAWS))
        parts = self._targets(combine)
        for rows, theta, features in self.net.with_features(X):
            effect[rows] = self._mean_effect(theta, combine)
            for basis, own, coef in parts:
                assert basis.projection is not None
                regressors = self._regressors(basis, X[rows], theta, features)
                centre[rows, own], moves = basis.projection.evaluate(regressors, coef)
                error[rows, own] = np.sqrt((moves**2).sum(axis=2))
                if seed is not None:
                    largest[own] = np.maximum(largest[own], _largest_noise(moves, seed))
        critical = np.full(len(combine), norm.ppf(1 - alpha / 2))
        if seed is not None:
            critical = np.maximum(critical, np.quantile(largest, 1 - alpha, axis=1))
        low, high = centre - critical * error, centre + critical * error
        return np.minimum(low, effect), np.maximum(high, effect)

    def average(
        self, X: np.ndarray, combine: np.ndarray, groups: Groups
    ) -> tuple[np.ndarray, np.ndarray]:
        """Average the effect over given rows, with the variance of the projection at their mean.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        combine : ndarray of shape (n_targets, n_cells)
            In outcome units.
        groups : Groups

        Returns
        -------
        estimate : ndarray of shape (n_groups * n_targets,)
        covariance : ndarray of shape (n_groups * n_targets, n_groups * n_targets)
            NaN between contrasts of different arms, whose projections are kept apart.
        """
        parts, n_groups = self._targets(combine), len(groups.labels)
        size = np.bincount(groups.codes)[groups.codes]
        share = csr_array((1 / size, groups.codes, np.arange(len(X) + 1)), (len(X), n_groups))
        by_member = np.zeros((self.net.ensemble.n_members, n_groups, len(combine)))
        means: list[Any] = [0.0] * len(parts)
        for rows, theta, features in self.net.with_features(X):
            here = share[rows].T
            by_member += np.stack([here @ own for own in self._plug_in(theta, combine)])
            for i, (basis, _, _) in enumerate(parts):
                means[i] = means[i] + here @ self._regressors(basis, X[rows], theta, features)
        flat = by_member.reshape(len(by_member), -1)
        covariance = np.full((n_groups * len(combine),) * 2, np.nan)
        spread = np.atleast_2d(np.cov(flat.T)) / len(by_member)
        for (basis, at, coef), mean in zip(parts, means, strict=True):
            assert basis.projection is not None
            where = (np.arange(n_groups)[:, None] * len(combine) + at).ravel()
            moves = basis.projection.evaluate(mean, coef)[1].reshape(len(where), -1)
            covariance[np.ix_(where, where)] = moves @ moves.T + spread[np.ix_(where, where)]
        return flat.mean(axis=0), covariance

    def _mean_effect(self, theta: np.ndarray, combine: np.ndarray) -> np.ndarray:
        # in the order of the estimator's own `effect`, so that the two agree to the last bit
        scaled = combine * self.units.cell_scale(combine.shape[1])
        return self.net.cells(theta).mean(axis=0) @ scaled.T

    def _plug_in(self, theta: np.ndarray, combine: np.ndarray) -> np.ndarray:
        scaled = combine * self.units.cell_scale(combine.shape[1])
        return self.net.cells(theta) @ scaled.T

    def _regressors(
        self, basis: Basis, X: np.ndarray, theta: np.ndarray, features: np.ndarray
    ) -> np.ndarray:
        """Compute the regressors at rows, from theta and features of all members."""
        assert basis.projection is not None
        learned = [
            self.raw_features(basis, own, hidden)
            for own, hidden in zip(theta, features, strict=True)
        ]
        return basis.projection.regressors(learned, self.net.seen(X))

    def _targets(self, combine: np.ndarray) -> list[tuple[Basis, np.ndarray, np.ndarray]]:
        """Find for each target the basis that holds it, and its combination of the outputs."""
        scaled = combine * self.units.cell_scale(combine.shape[1])
        size = np.abs(scaled).max(axis=1)
        found = []
        left = np.ones(len(scaled), dtype=bool)
        for basis in self.bases:
            coef = np.linalg.lstsq(basis.outputs.T, scaled.T, rcond=None)[0].T
            miss = np.abs(coef @ basis.outputs - scaled).max(axis=1)
            own = np.flatnonzero((miss <= 1e-9 * size) & left & (size > 0))
            if not len(own):
                continue
            if basis.missing:
                what = "clusters" if self.by_cluster else "rows"
                raise IntervalNotAvailableError(
                    f"an interval around a projection needs at least {MIN_ARM_ROWS} {what} of "
                    f"every arm in every fold, but {basis.missing}; use fewer folds, or "
                    "`ate_interval` without X"
                )
            left[own] = False
            found.append((basis, own, coef[own]))
        return found


def _largest_noise(moves: np.ndarray, seed: int) -> np.ndarray:
    """Draw the largest standardised error over rows: (n_targets, n_draws)."""
    draws = np.random.default_rng(seed).standard_normal((moves.shape[2], N_DRAWS))
    error = np.sqrt((moves**2).sum(axis=2, keepdims=True))
    unit = moves / np.where(error > 0, error, 1.0)
    largest = np.zeros((moves.shape[1], N_DRAWS))
    for start in range(0, len(unit), BAND_ROWS):
        noise = np.abs(unit[start : start + BAND_ROWS] @ draws)
        largest = np.maximum(largest, noise.max(axis=0))
    return largest
