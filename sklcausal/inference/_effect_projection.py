"""Project the influence values on features of x, and turn the projection into intervals."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from sklcausal._contrasts import Contrast
from sklcausal._cross_fit import CrossFit
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._averages import Average
from sklcausal.inference._bands import Band, mean_by_group
from sklcausal.inference._engine import Engine
from sklcausal.inference._groups import Groups
from sklcausal.inference._influence import row_gradient
from sklcausal.inference._projection import Basis, Projection, plan_features
from sklcausal.inference._splines import AdditiveSplines
from sklcausal.inference._targets import MeanContrast, Parameters, Target
from sklcausal.inference._theta_net import ThetaNet

MIN_ARM_ROWS = 5
MOST_BASES = 64  # projections that are kept


# a basis, the contrasts and outcomes that it holds, and these as combinations of its outputs;
# None where the combination is their derivative by the parameters of each row
Part = tuple[Basis, np.ndarray, np.ndarray | None]


class EffectProjection:
    """Project the influence values of effects on features of x, when they are asked for.

    Parameters
    ----------
    net : ThetaNet
        Whose effect is the centre of the intervals and whose last layers are the features.
    engine : Engine
    cross_fit : CrossFit
    n_features : int or 'auto'
        Most features to use.
    """

    def __init__(
        self,
        net: ThetaNet,
        engine: Engine,
        cross_fit: CrossFit,
        n_features: int | str,
    ):
        self.net, self.engine, self.treatments = net, engine, engine.treatments
        self.X: np.ndarray | None = cross_fit.X
        self.folds, self.n_folds = cross_fit.folds, cross_fit.n_members
        self.asked, self.shared_head = n_features, net.ensemble.shared_head
        self.n_outcomes = engine.model.n_outcomes_
        self.bases: dict[str, list[Basis]] = {}

    def smallest(self, contrast: Contrast) -> int:
        """Prepare a contrast, and return the smallest number of features that it is projected on.

        Parameters
        ----------
        contrast : Contrast

        Returns
        -------
        int
            0 if an arm is too small.
        """
        found = [basis.projection for basis, _, _ in self._parts(contrast, needed=False)]
        return min((0 if p is None else p.n_features for p in found), default=0)

    def drop_rows(self) -> None:
        """Forget the covariates, so that no further projection can be made."""
        self.X = None

    # -- which projections a contrast needs -----------------------------------------------

    def _parts(self, contrast: Contrast, needed: bool = True) -> list[Part]:
        """Find the projections that hold a contrast, made now where they are new."""
        low, high = (
            self.engine.model.linear_design(contrast.t0),
            self.engine.model.linear_design(contrast.t1),
        )
        if low is not None and high is not None:
            return self._slopes(high - low, needed)
        if self.treatments.kind != "discrete":
            return self._whole(contrast, needed)
        parts: list[Part] = []
        for c in range(contrast.n_contrasts):
            a, b = contrast.t0[0, c], contrast.t1[0, c]
            if np.array_equal(a, b):
                continue
            if a > b:
                a, b, sign = b, a, -1.0
            else:
                sign = 1.0
            pair = Contrast(np.asarray(a)[None, None], np.asarray(b)[None, None])
            for basis in self._made(pair.points.tobytes().hex(), pair):
                assert isinstance(basis.target, MeanContrast)
                own = np.arange(self.n_outcomes)
                if basis.target.outcomes is not None:
                    own = np.asarray(basis.target.outcomes)
                parts.append((basis, c * self.n_outcomes + own, sign * np.eye(len(own))))
        if needed:
            self._check(parts)
        return parts

    def _whole(self, contrast: Contrast, needed: bool) -> list[Part]:
        """Project all parameters, through whose derivatives effects under a link are reached."""
        (basis,) = self._made("parameters", None)
        parts: list[Part] = [(basis, np.arange(contrast.n_contrasts * self.n_outcomes), None)]
        if needed:
            self._check(parts)
        return parts

    def _change(self, contrast: Contrast, theta: np.ndarray) -> np.ndarray:
        """Differentiate the effects of rows by their parameters: (n, n_targets, n_params)."""
        at = torch.as_tensor(theta, dtype=torch.float64, device="cpu")
        found = []
        for c in range(contrast.n_contrasts):
            own = Contrast(contrast.t0[:, c : c + 1], contrast.t1[:, c : c + 1])
            for m in range(self.n_outcomes):
                target = MeanContrast(self.net.model, own, [m])
                found.append(row_gradient(partial(target, rows=slice(None)), at))
        return np.stack(found, axis=1)

    def _slopes(self, change: np.ndarray, needed: bool) -> list[Part]:
        """Combine the slopes, which are projected together."""
        (basis,) = self._made("slopes", None)
        own = np.einsum("ncs,ml->ncmsl", change, np.eye(self.n_outcomes))
        coef = own.reshape(len(change), change.shape[1] * self.n_outcomes, -1)
        parts: list[Part] = [(basis, np.arange(coef.shape[1]), coef)]
        if needed:
            self._check(parts)
        return parts

    def _check(self, parts: list[Part]) -> None:
        for basis, _, _ in parts:
            if basis.projection is None:
                what = "rows" if self.engine.cluster is None else "clusters"
                raise IntervalNotAvailableError(
                    f"an interval around a projection needs at least {MIN_ARM_ROWS} {what} of "
                    f"every arm in every fold, but {basis.missing}; use fewer folds, or "
                    "`ate_interval` without X"
                )

    def _made(self, key: str, pair: Contrast | None) -> list[Basis]:
        if key not in self.bases:
            if self.X is None:
                raise IntervalNotAvailableError(
                    "an interval of a contrast that was not asked for before needs the training "
                    "rows, which `compact` has dropped; fit again"
                )
            while len(self.bases) >= MOST_BASES:
                self.bases.pop(next(iter(self.bases)))
            self.bases[key] = self._make(pair, 0 if key == "parameters" else self.n_outcomes)
        return self.bases[key]

    # -- how a projection is made ---------------------------------------------------------

    def _make(self, pair: Contrast | None, first: int) -> list[Basis]:
        assert self.X is not None
        held_out = [(k, np.flatnonzero(self.folds == k)) for k in range(self.n_folds)]
        members = [self.net.member(k, self.X, rows) for k, rows in held_out]
        per_head = len(self.net.sensitivity(0)) // members[0][1].shape[1]
        bases = self._targets(pair, first, members[0][0], per_head)
        counts, arms = self._count(pair)
        X = self.net.seen(self.X)
        importance = self.net.ensemble.importance(X.shape[1]).mean(axis=0)
        for basis in bases:
            if counts.min() < MIN_ARM_ROWS:
                basis.missing = self._name_smallest(counts, arms)
                continue
            budget = plan_features(self.asked, len(X), self.n_folds, int(counts.sum(axis=0).min()))
            basis.projection = Projection(
                AdditiveSplines.learn(X, importance, budget.n_splines),
                [self._features(basis, k, *own) for k, own in enumerate(members)],
                [rows for _, rows in held_out],
                X,
                self.engine.corrections.signals(basis.target).psi,
                self.engine.weight,
                self.engine.cluster,
                budget.n_learned,
            )
        return bases

    def _targets(
        self, pair: Contrast | None, first: int, theta: np.ndarray, per_head: int
    ) -> list[Basis]:
        """Group the outcomes of a pair by whether the networks' features need no factor."""
        if pair is None:
            slopes = np.arange(first, self.engine.model.n_params_)
            by_slope = self.net.sensitivity(0)[:, slopes] != 0
            return [
                Basis(
                    Parameters(slopes), np.flatnonzero(by_slope.any(axis=1)), np.ones(len(slopes))
                )
            ]
        model, found = self.engine.model, []
        plain: dict[bytes, tuple[list[int], np.ndarray, np.ndarray]] = {}
        for m in range(self.n_outcomes):
            change = self._by_output(MeanContrast(self.net.model, pair, [m]), 0, theta)
            used = np.flatnonzero(np.abs(change).max(axis=0) > 0)
            size = np.abs(change).max()
            if np.ptp(change, axis=0).max() <= 1e-9 * size:
                # outcomes whose heads have the same last layer are projected together
                constant, heads = change[0, used] / size, used // per_head
                key = heads.tobytes() + constant.tobytes()
                plain.setdefault(key, ([], used, constant))[0].append(m)
            else:
                found.append(Basis(MeanContrast(model, pair, [m]), used, None))
        together = [
            Basis(MeanContrast(model, pair, own), used, constant)
            for own, used, constant in plain.values()
        ]
        return [*together, *found]

    def _by_output(self, target: Target, k: int, theta: np.ndarray) -> np.ndarray:
        """Differentiate a target with one output by the outputs of a member's last layers."""
        at = torch.as_tensor(theta, dtype=torch.float64, device="cpu")
        change = row_gradient(partial(target, rows=slice(None)), at).numpy()
        by_theta, link = change @ self.net.sensitivity(k).T, self.net.ensemble.link
        if link is None:
            return by_theta
        return np.einsum("nij,nj->ni", link.slopes(theta), by_theta)

    def _features(
        self, basis: Basis, k: int, theta: np.ndarray, features: np.ndarray
    ) -> np.ndarray:
        """Derive how a target moves with the weights of a member's last layers.

        Parameters
        ----------
        basis : Basis
        k : int
            Member.
        theta : ndarray of shape (n, n_params)
        features : ndarray of shape (n, n_heads, n_hidden)

        Returns
        -------
        ndarray of shape (n, n_raw)
        """
        per_head = len(self.net.sensitivity(k)) // features.shape[1]
        own = features[:, basis.used // per_head].astype(float)
        if basis.constant is None:
            assert isinstance(basis.target, MeanContrast)
            own = np.concatenate([own, np.ones((*own.shape[:2], 1))], axis=2)
            target = replace(basis.target, model=self.net.model)
            own = own * self._by_output(target, k, theta)[:, basis.used, None]
        elif self.shared_head:
            own = own * basis.constant[:, None]
        return own.sum(axis=1) if self.shared_head else own.reshape(len(own), -1)

    def _count(self, pair: Contrast | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Count rows with weight, or clusters, of every fold and arm: (n_folds, n_arms).

        Of several outcomes the one that was observed least counts.
        """
        engine, arms = self.engine, None
        t = np.zeros(len(engine.y), dtype=int)
        if pair is not None and self.treatments.kind == "discrete":
            t, arms = engine.t, pair.points[0]
        counted = np.flatnonzero(engine.weight > 0)
        if engine.cluster is not None:
            pairs = np.stack([engine.cluster, t], axis=1)[counted]
            counted = counted[np.unique(pairs, axis=0, return_index=True)[1]]
        shape = (self.n_folds, max(1, self.treatments.n_arms), engine.y.shape[1])
        by_outcome = np.zeros(shape, dtype=int)
        np.add.at(by_outcome, (self.folds[counted], t[counted]), ~np.isnan(engine.y[counted]))
        counts = by_outcome.min(axis=2)
        return (counts[:, :1], None) if arms is None else (counts[:, arms], arms)

    def _name_smallest(self, counts: np.ndarray, arms: np.ndarray | None) -> str:
        fold, arm = np.unravel_index(counts.argmin(), counts.shape)
        of = "" if arms is None else f" of arm {self.treatments.labels[int(arms[arm])]!r}"
        return f"fold {fold} holds {counts.min()}{of}"

    # -- intervals ------------------------------------------------------------------------

    def interval(
        self, X: np.ndarray, contrast: Contrast, alpha: float, seed: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute pointwise or simultaneous intervals of contrasts.

        They lie around the projected signal. An interval that would leave the members' mean
        effect out is stretched to it.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        contrast : Contrast
        alpha : float
        seed : int or None
            Of the multiplier draws; None for pointwise intervals.

        Returns
        -------
        low, high : ndarray of shape (n, n_contrasts, n_outcomes)
        """
        if self.treatments.kind != "discrete":
            return self._interval(X, contrast, alpha, seed)
        low = np.empty((len(X), contrast.n_contrasts, self.n_outcomes))
        high = np.empty_like(low)
        for rows, own in contrast.groups(len(X)):
            low[rows], high[rows] = self._interval(X[rows], own, alpha, seed)
        return low, high

    def _interval(
        self, X: np.ndarray, contrast: Contrast, alpha: float, seed: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n_targets = contrast.n_contrasts * self.n_outcomes
        effect, centre, error = (np.zeros((len(X), n_targets)) for _ in range(3))
        band, parts = Band(n_targets, seed), self._parts(contrast)
        for rows, theta, features in self.net.with_features(X):
            means = self.net.means(theta, contrast.of(rows).points)
            effect[rows] = np.subtract(*np.split(means, 2, axis=1)[::-1]).reshape(len(means), -1)
            for basis, own, coef in parts:
                assert basis.projection is not None
                regressors = self._regressors(basis, X[rows], theta, features)
                offset: Any = 0.0
                if coef is None:
                    at = theta.mean(axis=0)
                    combine = self._change(contrast.of(rows), at)
                    offset = effect[rows] - (combine @ at[:, :, None])[:, :, 0]
                else:
                    combine = coef[rows] if coef.ndim == 3 and len(coef) > 1 else coef
                value, moves = basis.projection.evaluate(regressors, combine)
                centre[rows, own] = value + offset
                error[rows, own] = np.sqrt((moves**2).sum(axis=2))
                band.add(moves, own)
        critical = band.critical(alpha)
        low, high = centre - critical * error, centre + critical * error
        shape = (len(X), contrast.n_contrasts, self.n_outcomes)
        return np.minimum(low, effect).reshape(shape), np.maximum(high, effect).reshape(shape)

    def average(self, X: np.ndarray, contrast: Contrast, groups: Groups) -> Average:
        """Average the effect over given rows, with the variance of the projection at their mean.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        contrast : Contrast
        groups : Groups

        Returns
        -------
        Average
            With a covariance of NaN between contrasts whose projections are kept apart.
        """
        parts, n_groups = self._parts(contrast), len(groups.labels)
        n_targets = contrast.n_contrasts * self.n_outcomes
        share = mean_by_group(groups, len(X))
        by_member = np.zeros((self.net.ensemble.n_members, n_groups, n_targets))
        totals: list[Any] = [0.0] * len(parts)
        for rows, theta, features in self.net.with_features(X):
            here = share[:, rows]
            for k, own in enumerate(theta):
                low, high = np.split(self.net.means(own[None], contrast.points), 2, axis=1)
                by_member[k] += here @ (high - low).reshape(-1, n_targets)
            for i, (basis, _, coef) in enumerate(parts):
                own = self._regressors(basis, X[rows], theta, features)
                if coef is None:
                    assert basis.projection is not None
                    change = self._change(contrast, theta.mean(axis=0))
                    own = basis.projection.evaluate(own, change)[1].reshape(len(own), -1)
                totals[i] = totals[i] + here @ own
        flat = by_member.reshape(len(by_member), -1)
        covariance = np.full((n_groups * n_targets,) * 2, np.nan)
        spread = np.atleast_2d(np.cov(flat.T)) / len(by_member)
        for (basis, at, coef), total in zip(parts, totals, strict=True):
            assert basis.projection is not None
            where = (np.arange(n_groups)[:, None] * n_targets + at).ravel()
            moves = total if coef is None else basis.projection.evaluate(total, coef)[1]
            moves = moves.reshape(len(where), -1)
            covariance[np.ix_(where, where)] = moves @ moves.T + spread[np.ix_(where, where)]
        return Average(flat.mean(axis=0), covariance, len(X))

    def _regressors(
        self, basis: Basis, X: np.ndarray, theta: np.ndarray, features: np.ndarray
    ) -> np.ndarray:
        """Compute the regressors at rows, from theta and features of all members."""
        assert basis.projection is not None
        learned = [
            self._features(basis, k, own, hidden)
            for k, (own, hidden) in enumerate(zip(theta, features, strict=True))
        ]
        return basis.projection.regressors(learned, self.net.seen(X))
