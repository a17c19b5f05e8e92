"""Learn, out-of-fold, how treatments are taken and outcomes observed given x."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from sklcausal._cross_fit import CrossFit
from sklcausal._encoding import Outcomes, Treatments
from sklcausal._ensemble import Recipe
from sklcausal._models import PotentialOutcomes
from sklcausal._objective import Objective, arm_cross_entropy
from sklcausal._screening import Candidate
from sklcausal._start import Start
from sklcausal.inference._arm_probabilities import ArmProbabilities
from sklcausal.nn._bodies import MultiHeadMLP

MAX_CALIBRATION_ROWS = 50_000
TEMPERATURES = np.geomspace(0.25, 8.0, 121)


@dataclass
class NuisanceSettings:
    """What these networks are trained with.

    Attributes
    ----------
    widths : sequence of int
    activation : str
    candidates : sequence of Candidate
    clip : float
        Smallest probability of an arm, or of being observed.
    n_columns : int
        Functions of the doses that nodes of their law have to tell apart.
    """

    widths: Sequence[int]
    activation: str
    candidates: Sequence[Candidate]
    clip: float
    n_columns: int = 1

    def recipe(self, n_out: int) -> Recipe:
        """Name the network.

        Parameters
        ----------
        n_out : int

        Returns
        -------
        Recipe
        """
        arguments = {
            "n_heads": 1,
            "n_out": n_out,
            "head_widths": tuple(self.widths),
            "activation": self.activation,
        }
        return Recipe(MultiHeadMLP, arguments)


def some_rows(rows: np.ndarray) -> np.ndarray:
    """Take rows at even distances where there are very many."""
    return rows[:: 1 + len(rows) // MAX_CALIBRATION_ROWS]


class PropensityNet(ArmProbabilities):
    """Probabilities of the arms given x, by networks.

    Attributes
    ----------
    propensity_ : ndarray of shape (n_samples, n_arms) or (n_folds, n_samples, n_arms)
        Out-of-fold, clipped; by fold for a second stage.
    temperature_ : ndarray of shape (n_members,)
    """

    def fit(
        self, cross_fit: CrossFit, t: np.ndarray, n_arms: int, settings: NuisanceSettings
    ) -> PropensityNet:
        """Train one network per fold and set its temperature on its validation rows.

        Parameters
        ----------
        cross_fit : CrossFit
        t : ndarray of int of shape (n_samples,)
        n_arms : int
        settings : NuisanceSettings

        Returns
        -------
        self : PropensityNet
        """
        self.clip = settings.clip
        weight = cross_fit.row_weight
        trained = cross_fit.train(
            settings.recipe(n_arms),
            Objective(lambda out, batch: arm_cross_entropy(out.theta, batch)),
            np.zeros((len(t), 1)),
            t,
            start=lambda rows: Start(_log_shares(t[rows], weight[rows], n_arms)),
            candidates=settings.candidates,
            label="propensity",
        )
        self.ensemble, self.candidate_ = trained.ensemble, trained.candidate
        self.temperature_ = self._temperatures(cross_fit, t)
        self.keep_out_of_fold(cross_fit)
        return self

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
        logits, _ = self.ensemble.member(k, X, rows)
        found: np.ndarray = softmax(logits.astype(float) / self.temperature_[k], axis=1)
        return clip_propensity(found, self.clip)

    def by_member(self, X: np.ndarray) -> np.ndarray:
        """Predict the probabilities for new rows with every member.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n_members, n, n_arms)
        """
        out = []
        for _, logits in self.ensemble.theta(X):
            scaled = logits.astype(float) / self.temperature_[:, None, None]
            out.append(softmax(scaled, axis=2))
        return clip_propensity(np.concatenate(out, axis=1), self.clip)

    def _temperatures(self, cross_fit: CrossFit, t: np.ndarray) -> np.ndarray:
        found = np.ones(cross_fit.n_members)
        for k, member in enumerate(cross_fit.members):
            rows = some_rows(member.valid)
            if not len(rows):
                continue
            logits, _ = self.ensemble.member(k, cross_fit.X, rows)
            scaled = log_softmax(logits.astype(float) / TEMPERATURES[:, None, None], axis=2)
            loss = -scaled[:, np.arange(len(rows)), t[rows]] @ cross_fit.row_weight[rows]
            found[k] = TEMPERATURES[loss.argmin()]
        return found


class ObservationNet:
    """Probabilities that the cells of y are observed, given x and the arm.

    Attributes
    ----------
    chance_ : ndarray of shape (n_samples, n_arms * n_outcomes) or with an axis of folds in front
        Out-of-fold, at least ``clip``; in the order of the cells. By fold for pairs of folds.
    """

    def fit(
        self,
        cross_fit: CrossFit,
        t: np.ndarray,
        observed: np.ndarray,
        treatments: Treatments,
        settings: NuisanceSettings,
    ) -> ObservationNet:
        """Train one network per fold on whether outcomes were observed.

        Parameters
        ----------
        cross_fit : CrossFit
        t : ndarray of int of shape (n_samples,)
        observed : ndarray of bool of shape (n_samples, n_outcomes)
        treatments : Treatments
        settings : NuisanceSettings

        Returns
        -------
        self : ObservationNet
        """
        n_outcomes, seen = observed.shape[1], observed.astype(float)
        kinds, names = ("binary",) * n_outcomes, ("",) * n_outcomes
        model = PotentialOutcomes().setup(
            treatments, Outcomes(kinds, names, False, (None,) * n_outcomes)
        )
        weight = cross_fit.row_weight
        trained = cross_fit.train(
            settings.recipe(model.n_params_),
            Objective(
                lambda out, batch: batch.mean(model.batch_loss(batch.y, batch.t, out.theta))
            ),
            seen,
            t,
            start=lambda rows: Start(model.start(seen[rows], t[rows], weight[rows])),
            candidates=settings.candidates,
            label="observation",
        )
        self.candidate_ = trained.candidate

        def chances(k: int, rows: np.ndarray) -> np.ndarray:
            logits, _ = trained.ensemble.member(k, cross_fit.X, rows)
            return np.maximum(expit(logits.astype(float)), settings.clip)

        self.chance_ = cross_fit.out_of_fold(chances)
        return self


def _log_shares(t: np.ndarray, weight: np.ndarray, n_arms: int) -> np.ndarray:
    counts: Any = np.bincount(t, weight, minlength=n_arms) + 0.5
    return np.log(counts / counts.sum())


def clip_propensity(propensity: np.ndarray, clip: float) -> np.ndarray:
    """Keep probabilities away from 0 and let them sum to 1 again.

    Parameters
    ----------
    propensity : ndarray of shape (..., n_arms)
    clip : float

    Returns
    -------
    ndarray of shape (..., n_arms)
    """
    clipped = np.maximum(propensity, clip)
    for _ in range(propensity.shape[-1]):
        # what lifting the rare arms takes is taken from the others, in proportion
        low = clipped <= clip
        left = 1 - clip * low.sum(axis=-1, keepdims=True)
        rest = np.where(low, 0.0, clipped).sum(axis=-1, keepdims=True)
        clipped = np.where(low, clip, clipped * left / np.where(rest > 0, rest, 1.0))
        clipped = np.maximum(clipped, clip)
    return clipped
