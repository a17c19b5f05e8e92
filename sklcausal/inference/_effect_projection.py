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
from sklcausal.inference._projection import (
    FoldProjection,
    allowed_features,
    evaluate_projection,
    fit_projection,
    moves_of_projection,
)
from sklcausal.inference._theta_net import ThetaNet

N_DRAWS = 1000
# how far the centre of an interval lies towards the projection, and its standard error as a share
# of the projection's: chosen on designs of examples/benchmarks/intervals.py, seeds 2000 to 2023
TOWARDS_PROJECTION = 0.85
SHARE_OF_ERROR = 0.95
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
        self.bases = self._make_bases(engine)

    def fit(self, engine: Engine, cross_fit: CrossFit, n_features: int | str) -> EffectProjection:
        """Project the influence values within each fold on features learned without it.

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
        allowed = []
        for basis in self.bases:
            counts = self._arm_rows(engine, cross_fit, basis.arms)
            if counts.min() < MIN_ARM_ROWS:
                fold, arm = np.unravel_index(counts.argmin(), counts.shape)
                what = f"arm {self.treatments.labels[basis.arms[arm]]!r}" if basis.arms else "it"
                basis.missing = f"fold {fold} holds {counts.min()} row(s) of {what}"
            allowed.append(allowed_features(n_features, len(cross_fit.X), counts))
        self.n_features = min(allowed)
        X = self.net.seen(cross_fit.X)
        importance = self.net.ensemble.importance(X.shape[1])
        for k, (rows, theta, features) in enumerate(self.net.held_out(cross_fit)):
            for basis, q in zip(self.bases, allowed, strict=True):
                if basis.missing:
                    continue
                raw = self.raw_features(basis, theta, features)
                psi = engine.signals.psi[rows] @ basis.outputs.T
                cluster = None if engine.cluster is None else engine.cluster[rows]
                weight = engine.weight[rows]
                basis.folds.append(
                    fit_projection(raw, X[rows], importance[k], psi, weight, cluster, q)
                )
        return self

    def _arm_rows(self, engine: Engine, cross_fit: CrossFit, arms: tuple[int, ...]) -> np.ndarray:
        folds, n_folds = cross_fit.folds, cross_fit.n_members
        if not arms:
            return np.bincount(folds, minlength=n_folds)[:, None]
        counts = np.zeros((n_folds, self.treatments.n_arms), dtype=int)
        np.add.at(counts, (folds, engine.t), 1)
        return counts[:, list(arms)]

    def _make_bases(self, engine: Engine) -> list[Basis]:
        n_outcomes, n_cells = len(self.kinds), engine.signals.psi.shape[1]
        cells = np.eye(n_cells).reshape(-1, n_outcomes, n_cells)
        if engine.propensity is None:
            slopes = cells[1:].reshape(-1, n_cells)
            return [Basis(slopes, tuple(range(len(cells))), None, (), [])]
        has_link = self.net.model is engine.model
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
        return directional_derivative(self.net.model.cells, at, torch.ones_like(at))[1].numpy()

    # -- intervals ------------------------------------------------------------------------

    def interval(
        self, X: np.ndarray, combine: np.ndarray, alpha: float, seed: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute pointwise or simultaneous intervals of contrasts.

        The centre lies between the members' mean effect and the projected signal, and errs less
        than either; so is its standard error a little less than that of the projected signal. An
        interval that would leave the members' mean effect out is stretched to it.

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
        means: list[list[Any]] = [[0.0] * len(basis.folds) for basis, _, _ in parts]
        for rows, theta, features in self.net.with_features(X):
            here = share[rows].T
            by_member += np.stack([here @ own for own in self._plug_in(theta, combine)])
            for i, (basis, _, _) in enumerate(parts):
                for k, regressors in enumerate(self._regressors(basis, X[rows], theta, features)):
                    means[i][k] = means[i][k] + here @ regressors
        flat = by_member.reshape(len(by_member), -1)
        covariance = np.full((n_groups * len(combine),) * 2, np.nan)
        spread = np.atleast_2d(np.cov(flat.T)) / len(by_member)
        for (basis, at, coef), own in zip(parts, means, strict=True):
            where = (np.arange(n_groups)[:, None] * len(combine) + at).ravel()
            moved = [
                move.reshape(len(where), -1)
                for move in moves_of_projection(basis.folds, own, coef)
            ]
            joint = sum(move @ move.T for move in moved)
            covariance[np.ix_(where, where)] = joint + spread[np.ix_(where, where)]
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
