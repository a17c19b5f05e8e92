"""Predict outcomes, arms and effects by scikit-learn models, fitted for each member apart."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.special import logit

from sklcausal._cross_fit import CrossFit
from sklcausal._ensemble import Predictor
from sklcausal._fit_data import FitData
from sklcausal._screening import Candidate
from sklcausal._sklearn_models import (
    MeanModel,
    check_arm_model,
    check_mean_model,
    fit_weighted,
    seeded,
)
from sklcausal.inference._arm_probabilities import ArmProbabilities
from sklcausal.inference._nuisance import clip_propensity
from sklcausal.inference._splines import explained_by_columns

CHUNK = 16_384
SURE = 1e-4  # least distance of a probability from 0 and 1, and least mean count
NO_CANDIDATE = Candidate(None, None)
LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "continuous": lambda mean: mean,
    "binary": lambda mean: logit(np.clip(mean, SURE, 1 - SURE)),
    "count": lambda mean: np.log(np.maximum(mean, SURE)),
}


class ModelPredictor(Predictor):
    """Predict with the models of each member; what they say is also what intervals rest on.

    Parameters
    ----------
    cross_fit : CrossFit
    n_heads : int
    tells_apart : bool
        Whether what differs between heads matters, as of arms, or all that they say, as of
        effects.
    """

    def __init__(self, cross_fit: CrossFit, n_heads: int, *, tells_apart: bool):
        self._n_members, self.n_heads = cross_fit.n_members, n_heads
        found, spread = [], []
        for k, rows in enumerate(_own_rows(cross_fit)):
            # rows that a member may see, so that nothing it says knows of others
            some = cross_fit.X[rows[:: 1 + len(rows) // CHUNK]]
            own = self.outputs(k, some)
            spread.append(np.where(own.std(axis=0) > 0, own.std(axis=0), 1.0))
            heads = own.reshape(len(some), n_heads, -1)
            if tells_apart:
                heads = heads - heads.mean(axis=1, keepdims=True)
            found.append(explained_by_columns(some, heads.reshape(len(some), -1)))
        self._importance, self._spread = np.stack(found), np.stack(spread)

    @abstractmethod
    def outputs(self, k: int, X: np.ndarray) -> np.ndarray:
        """Compute the outputs of rows with one member, head by head: (n, n_outputs)."""

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self._n_members

    def importance(self, n_features: int) -> np.ndarray:
        """Return how much of what the models say each column of X explains.

        Parameters
        ----------
        n_features : int

        Returns
        -------
        ndarray of shape (n_members, n_features)
        """
        return self._importance

    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute outputs of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_outputs)
        features : ndarray of shape (n_rows, n_heads, n_outputs / n_heads)
            The same, without units.
        """
        found = self.outputs(k, X[rows])
        return found, (found / self._spread[k]).reshape(len(rows), self.n_heads, -1)

    def with_features(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute outputs of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        outputs : ndarray of shape (n_members, n_chunk, n_outputs)
        features : ndarray of shape (n_members, n_chunk, n_heads, n_outputs / n_heads)
        """
        for start in range(0, len(X), CHUNK):
            rows = slice(start, min(len(X), start + CHUNK))
            found = np.stack([self.outputs(k, X[rows]) for k in range(self.n_members)])
            features = found / self._spread[:, None]
            yield rows, found, features.reshape(*found.shape[:2], self.n_heads, -1)


def _own_rows(cross_fit: CrossFit) -> list[np.ndarray]:
    """Return the rows that each member may see; models need none to stop by."""
    return [np.sort(np.concatenate([m.train, m.valid])) for m in cross_fit.members]


class ArmModels(ModelPredictor):
    """Mean outcomes of the arms, on the scale of the canonical link.

    Parameters
    ----------
    cross_fit : CrossFit
    data : FitData
    model : estimator
        Regressor, or classifier of binary outcomes.
    is_shared : bool
        Whether one model reads the arm beside x, instead of one for each arm.
    n_jobs : int or None
    """

    def __init__(
        self, cross_fit: CrossFit, data: FitData, model: Any, is_shared: bool, n_jobs: int | None
    ):
        self.kinds, self.n_arms = data.outcomes.kinds, data.treatments.n_arms
        self.is_shared = is_shared
        for kind in self.kinds:
            check_mean_model(model, kind == "binary", "outcome_model")
        arms: list[int | None] = [None] if is_shared else list(range(self.n_arms))
        tasks = [
            delayed(self._fit)(cross_fit.X, data, model, rows, member.seed, a, m)
            for rows, member in zip(_own_rows(cross_fit), cross_fit.members, strict=True)
            for a in arms
            for m in range(len(self.kinds))
        ]
        found = Parallel(n_jobs=n_jobs)(tasks)
        per_member = len(arms) * len(self.kinds)
        self.models = [found[i : i + per_member] for i in range(0, len(found), per_member)]
        super().__init__(cross_fit, self.n_arms, tells_apart=True)

    def _fit(
        self,
        X: np.ndarray,
        data: FitData,
        model: Any,
        rows: np.ndarray,
        seed: int,
        arm: int | None,
        m: int,
    ) -> MeanModel:
        own = rows[~np.isnan(data.y[rows, m])]
        if arm is not None:
            own = own[data.t[own] == arm]
        seen = X[own] if arm is not None else self._with_arm(X[own], data.t[own])
        return MeanModel(seeded(model, seed), seen, data.y[own, m], data.weight, own)

    def _with_arm(self, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.hstack([X, np.eye(self.n_arms)[t]])

    def outputs(self, k: int, X: np.ndarray) -> np.ndarray:
        """Compute the indices of the mean outcomes with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_arms * n_outcomes)
        """
        n_outcomes, columns = len(self.kinds), []
        for a in range(self.n_arms):
            seen = self._with_arm(X, np.full(len(X), a)) if self.is_shared else X
            first = 0 if self.is_shared else a * n_outcomes
            for m, kind in enumerate(self.kinds):
                columns.append(LINKS[kind](self.models[k][first + m](seen)))
        return np.column_stack(columns)


class EffectModels(ModelPredictor):
    """Effects by regressors of targets.

    Parameters
    ----------
    cross_fit : CrossFit
    targets, weights : sequence of ndarray of shape (n_rows, n_effects)
        Of the rows that each member may see; NaN is left out.
    rows : sequence of ndarray of int
        These rows.
    model : estimator
    n_heads : int
    n_jobs : int or None
    """

    def __init__(
        self,
        cross_fit: CrossFit,
        targets: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        rows: Sequence[np.ndarray],
        model: Any,
        n_heads: int,
        n_jobs: int | None,
    ):
        self.n_effects = targets[0].shape[1]
        common = cross_fit.row_weight
        is_weighted = cross_fit.weight is not None or any((w != 1).any() for w in weights)
        tasks = []
        for k, member in enumerate(cross_fit.members):
            for j in range(self.n_effects):
                known = np.flatnonzero(~np.isnan(targets[k][:, j]) & (weights[k][:, j] > 0))
                own = rows[k][known]
                share = weights[k][known, j] * common[own] if is_weighted else None
                tasks.append(
                    delayed(fit_weighted)(
                        seeded(model, member.seed),
                        cross_fit.X[own],
                        targets[k][known, j],
                        share,
                        np.arange(len(own)),
                    )
                )
        found = Parallel(n_jobs=n_jobs)(tasks)
        self.models = [found[i : i + self.n_effects] for i in range(0, len(found), self.n_effects)]
        super().__init__(cross_fit, n_heads, tells_apart=False)

    def outputs(self, k: int, X: np.ndarray) -> np.ndarray:
        """Compute effects with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_effects)
        """
        columns = [np.asarray(model.predict(X), dtype=float).ravel() for model in self.models[k]]
        return np.column_stack(columns)


class ModelPropensity(ArmProbabilities):
    """Probabilities of the arms by a classifier.

    Parameters
    ----------
    cross_fit : CrossFit
    data : FitData
    model : classifier
    clip : float
        Smallest probability.
    n_jobs : int or None
    """

    def __init__(
        self, cross_fit: CrossFit, data: FitData, model: Any, clip: float, n_jobs: int | None
    ):
        check_arm_model(model, "propensity_model")
        self.clip = clip
        self.models = Parallel(n_jobs=n_jobs)(
            delayed(fit_weighted)(
                seeded(model, member.seed), cross_fit.X[rows], data.t[rows], data.weight, rows
            )
            for rows, member in zip(_own_rows(cross_fit), cross_fit.members, strict=True)
        )
        self.keep_out_of_fold(cross_fit)

    def of_member(self, k: int, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Predict the probabilities of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        ndarray of shape (n_rows, n_arms)
        """
        return clip_propensity(self.models[k].predict_proba(X[rows]), self.clip)

    def by_member(self, X: np.ndarray) -> np.ndarray:
        """Predict the probabilities for new rows with every member.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n_members, n, n_arms)
        """
        found = np.stack([model.predict_proba(X) for model in self.models])
        return clip_propensity(found, self.clip)
