"""Inverse propensities that were learned as Riesz representers, beside the outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

from sklcausal._cross_fit import CrossFit
from sklcausal._ensemble import Predictor
from sklcausal.inference._arm_probabilities import ArmProbabilities
from sklcausal.inference._law import ArmLaw
from sklcausal.inference._units import EngineUnits


class RepresenterNet(ArmProbabilities):
    """What the mean outcome of every arm weighs the outcomes of its takers with, given x.

    Parameters
    ----------
    ensemble : Predictor
        Whose outputs are the logarithms of the weights.
    cross_fit : CrossFit
        Of the same members.
    t : ndarray of int of shape (n_samples,)
        Arms. The weights of the takers of an arm, each by a member that has not seen it, are
        scaled to a mean of 1 over all rows, as those of an inverse propensity have.
    clip : float
        One over the largest weight.

    Attributes
    ----------
    inverse_ : ndarray of shape (n_samples, n_arms) or (n_folds, n_samples, n_arms)
        Out-of-fold weights; by fold for a second stage.
    """

    def __init__(self, ensemble: Predictor, cross_fit: CrossFit, t: np.ndarray, clip: float):
        self.ensemble, self.clip = ensemble, clip
        raw = cross_fit.out_of_fold(lambda k, rows: ensemble.member(k, cross_fit.X, rows)[0])
        nested = raw if cross_fit.is_nested else raw[None]
        known = np.zeros(nested.shape[:2], dtype=bool)
        for place in cross_fit.places:
            known[place.entry, place.rows] = True
        share = cross_fit.row_weight * known
        share = share / share.sum(axis=1, keepdims=True)
        received = t[:, None] == np.arange(nested.shape[2])
        mean = (share[:, :, None] * received * np.exp(nested)).sum(axis=1, keepdims=True)
        self.shift = -np.log(mean)
        found = np.where(known[:, :, None], self._bounded(nested + self.shift), 0.0)
        self.inverse_ = found if cross_fit.is_nested else found[0]
        self.propensity_ = _propensity(self.inverse_)

    def _bounded(self, logarithm: np.ndarray) -> np.ndarray:
        most = np.inf if self.clip == 0 else np.log(1 / self.clip)
        # a propensity is at most 1, and so a weight at least that
        return np.exp(np.clip(logarithm, 0.0, most))

    def of_member(self, k: int, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Turn the weights of given rows by one member into probabilities.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        ndarray of shape (n_rows, n_arms)
        """
        logarithm, _ = self.ensemble.member(k, X, rows)
        return _propensity(self._bounded(logarithm + self.shift[0]))

    def by_member(self, X: np.ndarray) -> np.ndarray:
        """Turn the weights of new rows by every member into probabilities.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n_members, n, n_arms)
        """
        parts = [logarithm for _, logarithm in self.ensemble.theta(X)]
        return _propensity(self._bounded(np.concatenate(parts, axis=1) + self.shift[0]))

    def law(self, units: EngineUnits, quadratic: bool, fold: int | None = None) -> ArmLaw:
        """Return what inference averages over: corrections take the weights themselves.

        Parameters
        ----------
        units : EngineUnits
            Not needed.
        quadratic : bool
            Not needed.
        fold : int or None, default=None
            Which a second stage may not see; None for a first stage.

        Returns
        -------
        ArmLaw
        """
        law = super().law(units, quadratic, fold)
        law.inverse = self.inverse_ if fold is None else self.inverse_[fold]
        return law


def _propensity(inverse: np.ndarray) -> np.ndarray:
    """Turn weights into probabilities that sum to 1, where there are any."""
    chance = 1 / np.where(inverse > 0, inverse, np.inf)
    total = chance.sum(axis=-1, keepdims=True)
    found: np.ndarray = chance / np.where(total > 0, total, 1.0)
    return found
