"""Probabilities of the arms given x, by whatever has learned them for every member."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sklcausal._cross_fit import CrossFit
from sklcausal._screening import Candidate
from sklcausal.inference._law import ArmLaw
from sklcausal.inference._units import EngineUnits


class ArmProbabilities(ABC):
    """Answer for the arms of rows that a member has not seen, and of new rows.

    Attributes
    ----------
    propensity_ : ndarray of shape (n_samples, n_arms) or (n_folds, n_samples, n_arms)
        Out-of-fold; by fold for a second stage, and 0 for the fold that it may not see.
    candidate_ : Candidate
        Setting that was chosen on the validation parts, where there was a choice.
    """

    propensity_: np.ndarray
    candidate_: Candidate = Candidate(None, None)

    @abstractmethod
    def of_member(self, k: int, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Predict the probabilities of given rows with one member, shape (n_rows, n_arms)."""

    @abstractmethod
    def by_member(self, X: np.ndarray) -> np.ndarray:
        """Predict those of new rows with every member, shape (n_members, n, n_arms)."""

    def keep_out_of_fold(self, cross_fit: CrossFit) -> None:
        """Let members speak of the rows that they have not seen.

        Parameters
        ----------
        cross_fit : CrossFit
            A single member has seen all rows.
        """
        if cross_fit.places:
            self.propensity_ = cross_fit.out_of_fold(
                lambda k, rows: self.of_member(k, cross_fit.X, rows)
            )

    def law(self, units: EngineUnits, quadratic: bool, fold: int | None = None) -> ArmLaw:
        """Return what inference averages over.

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
        return ArmLaw(self.propensity_ if fold is None else self.propensity_[fold])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Average the members' probabilities for new rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_arms)
        """
        found: np.ndarray = self.by_member(X).mean(axis=0)
        return found
