"""Project doubly robust scores on what stacked candidates say, for intervals of effects."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal._contrasts import Contrast
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._averages import Average
from sklcausal.inference._bands import Band, mean_by_group
from sklcausal.inference._effect_projection import MIN_ARM_ROWS
from sklcausal.inference._engine import Engine
from sklcausal.inference._groups import Groups
from sklcausal.inference._projection import ROWS_PER_REGRESSOR, Projection, plan_features
from sklcausal.inference._splines import AdditiveSplines, explained_by_columns
from sklcausal.inference._targets import MeanContrast

CHUNK = 16_384


@dataclass(frozen=True)
class Stacked:
    """What the stack says of rows.

    Attributes
    ----------
    effect : ndarray of shape (n, n_contrasts, n_outcomes)
        Weighted effects of each arm against the control.
    mean : ndarray of shape (n, n_arms, n_outcomes)
        Weighted mean outcomes.
    candidates : ndarray of shape (n_candidates, n, n_contrasts, n_outcomes)
        Effects by each candidate.
    """

    effect: np.ndarray
    mean: np.ndarray
    candidates: np.ndarray

    def over(self, scale: np.ndarray) -> Stacked:
        """Divide all outcomes by scales, so that features do not depend on units.

        Parameters
        ----------
        scale : ndarray of shape (n_outcomes,)

        Returns
        -------
        Stacked
        """
        return Stacked(self.effect / scale, self.mean / scale, self.candidates / scale)

    @property
    def features(self) -> np.ndarray:
        """Effects by all candidates, shape (n, n_features)."""
        return np.moveaxis(self.candidates, 0, 1).reshape(len(self.effect), -1)

    def columns(self, X: np.ndarray) -> np.ndarray:
        """Put the columns that get splines side by side: effects, mean outcomes and X.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_columns)
        """
        return np.hstack([self.effect.reshape(len(X), -1), self.mean.mean(axis=1), X])


def _importance(stacked: Stacked, X: np.ndarray) -> np.ndarray:
    """Rank columns: effects, then mean outcomes, then X by how well each explains the effects."""
    effect = stacked.effect.reshape(len(X), -1)
    found = explained_by_columns(X, effect)
    first = [np.full(effect.shape[1], 3.0), np.full(stacked.mean.shape[2], 2.0)]
    return np.concatenate([*first, found])


class StackProjection:
    """Regress the scores of every arm against the control on what the candidates say.

    Features of the rows of fit are those of candidates that have not seen them.

    Parameters
    ----------
    engine : Engine
        That holds the doubly robust scores.
    stacked : Stacked
        Out-of-fold.
    X : ndarray of shape (n_samples, n_features)
    n_features : int or 'auto'
        Most features of two arms and one outcome.
    everybody : Contrast
        Every arm against the control.

    Attributes
    ----------
    n_outcomes : int
    projection : Projection or None
        None if an arm is too small.
    """

    def __init__(
        self,
        engine: Engine,
        stacked: Stacked,
        X: np.ndarray,
        n_features: int | str,
        everybody: Contrast,
    ):
        schema = engine.treatments
        self.n_outcomes = engine.model.n_outcomes_
        self.control, self.n_arms = schema.control, schema.n_arms
        self.missing, self.projection = "", None
        counts = self._count(engine)
        if counts.min() < MIN_ARM_ROWS:
            arm = schema.labels[int(counts.argmin())]
            self.missing = f"there are {counts.min()} of arm {arm!r}"
            return
        # all candidates share one set of coefficients, so that folds cost no regressors
        fewest = int(counts.min())
        budget = plan_features(n_features, len(X), 1, fewest)
        # effects and mean outcomes of several arms and outcomes must leave room for X
        n_own = stacked.effect[0].size + self.n_outcomes
        room = int(fewest / ROWS_PER_REGRESSOR) - budget.n_learned
        n_splines = max(budget.n_splines, min(budget.n_splines * n_own // 2, room))
        share = engine.weight / engine.weight.sum()
        spread = np.sqrt(share @ (engine.y - share @ engine.y) ** 2)
        self.scale = np.where(spread > 0, spread, 1.0)
        stacked = stacked.over(self.scale)
        columns = stacked.columns(X)
        psi = engine.corrections.signals(MeanContrast(engine.model, everybody)).psi
        self.projection = Projection(
            AdditiveSplines.learn(columns, _importance(stacked, X), n_splines),
            [stacked.features],
            [np.arange(len(X))],
            columns,
            psi,
            engine.weight,
            engine.cluster,
            budget.n_learned,
        )

    @property
    def others(self) -> np.ndarray:
        """Codes of the arms that are compared with the control."""
        return np.delete(np.arange(self.n_arms), self.control)

    @property
    def n_features(self) -> int:
        """Number of features; 0 without a projection."""
        return 0 if self.projection is None else self.projection.n_features

    @staticmethod
    def _count(engine: Engine) -> np.ndarray:
        """Count rows with weight, or clusters, of every arm."""
        counted = np.flatnonzero(engine.weight > 0)
        if engine.cluster is not None:
            pairs = np.stack([engine.cluster, engine.t], axis=1)[counted]
            counted = counted[np.unique(pairs, axis=0, return_index=True)[1]]
        return np.bincount(engine.t[counted], minlength=engine.treatments.n_arms)

    def check(self) -> Projection:
        """Return the projection, or say why there is none.

        Returns
        -------
        Projection
        """
        if self.projection is None:
            raise IntervalNotAvailableError(
                f"an interval around a projection needs at least {MIN_ARM_ROWS} rows, or "
                f"clusters, of every arm, but {self.missing}; use `ate_interval` without X"
            )
        return self.projection

    def _combine(self, contrast: Contrast) -> np.ndarray:
        """Write contrasts as combinations of outputs: (1 or n, n_targets, n_outputs)."""
        against = np.eye(self.n_arms)[:, self.others]
        by_arm = against[contrast.t1] - against[contrast.t0]
        n, n_contrasts = by_arm.shape[:2]
        own = np.einsum("nca,ml->ncmal", by_arm, np.eye(self.n_outcomes))
        return own.reshape(n, n_contrasts * self.n_outcomes, -1)

    def regressors(self, stacked: Stacked, X: np.ndarray) -> np.ndarray:
        """Compute the regressors of rows.

        Parameters
        ----------
        stacked : Stacked
            Of these rows, averaged over candidates that have not seen one fold each.
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_regressors)
        """
        projection = self.check()
        stacked = stacked.over(self.scale)
        return projection.regressors([stacked.features], stacked.columns(X))

    def interval(
        self,
        regressors: np.ndarray,
        effect: np.ndarray,
        contrast: Contrast,
        alpha: float,
        seed: int | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute intervals around the projection, stretched to hold the stacked effect.

        Parameters
        ----------
        regressors : ndarray of shape (n, n_regressors)
        effect : ndarray of shape (n, n_contrasts, n_outcomes)
            Of the contrast.
        contrast : Contrast
        alpha : float
        seed : int or None
            Of the multiplier draws; None for pointwise intervals.

        Returns
        -------
        low, high : ndarray of shape (n, n_contrasts, n_outcomes)
        """
        projection = self.check()
        centre, error = (np.empty((len(effect), effect[0].size)) for _ in range(2))
        band = Band(effect[0].size, seed)
        for start in range(0, len(effect), CHUNK):
            rows = slice(start, start + CHUNK)
            combine = self._combine(contrast.of(rows))
            centre[rows], moves = projection.evaluate(regressors[rows], combine)
            error[rows] = np.sqrt((moves**2).sum(axis=2))
            band.add(moves)
        half = band.critical(alpha) * error
        low, high = ((centre + sign * half).reshape(effect.shape) for sign in (-1, 1))
        return np.minimum(low, effect), np.maximum(high, effect)

    def average(self, regressors: np.ndarray, contrast: Contrast, groups: Groups) -> Average:
        """Average the projection over given rows.

        Candidates shrink effects, so that the mean of what they say is biased; the scores that
        the projection regresses are not.

        Parameters
        ----------
        regressors : ndarray of shape (n, n_regressors)
        contrast : Contrast
            The same for all rows.
        groups : Groups

        Returns
        -------
        Average
        """
        n = len(regressors)
        share = mean_by_group(groups, n)
        combine = self._combine(contrast)[0]
        estimate, moves = self.check().evaluate(share @ regressors, combine)
        flat = moves.reshape(-1, moves.shape[2])
        return Average(estimate.ravel(), flat @ flat.T, n)
