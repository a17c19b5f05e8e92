"""Units, start and names of the parameters of an index."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models._base import StructuralModel
from sklcausal._models._bases import TreatmentBasis
from sklcausal._models._families import Family
from sklcausal._models._units import Units


class IndexUnits(StructuralModel):
    """Say in which units an index is trained, where it starts, and how it is called.

    `IndexModel` sets the attributes that are named here.
    """

    n_arms_: int
    basis_: TreatmentBasis | None

    def _families(self) -> list[Family]:
        """Return the family of each outcome."""
        raise NotImplementedError

    def start(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Start at the index of each outcome's mean, without an effect.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Constant parameters.
        """
        centre = np.zeros(self.n_outcomes_)
        for m, family in enumerate(self._families()):
            seen = ~np.isnan(y[:, m])
            centre[m] = family.index(float(weight[seen] @ y[seen, m]), float(weight[seen].sum()))
        if self.n_arms_:
            return np.tile(centre, self.n_arms_)
        return np.concatenate([centre, np.zeros(self.n_params_ - self.n_outcomes_)])

    def anchor(
        self, y: np.ndarray, t: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Choose where training starts; the index is on the right scale for networks.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In outcome units.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        constant : ndarray of shape (n_params,)
            In the units of training.
        spread : None
            Nothing.
        """
        return self.start(y, t, weight), None

    def standardises(self) -> tuple[np.ndarray, np.ndarray]:
        """Tell what is centred and scaled: outcomes under the identity, and plain doses.

        Returns
        -------
        outcomes : ndarray of bool of shape (n_outcomes,)
            One entry per outcome.
        treatments : ndarray of bool of shape (n_treatments,)
            One entry per dose; empty for arms.
        """
        has_units = np.array([family.has_units for family in self._families()])
        return has_units, np.full(self.n_treatments_, self.basis_ is None)

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map theta from the units of training to those of y and T.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)
            Parameters.
        units : Units
            Units of each member.

        Returns
        -------
        ndarray of shape (n_members, n, n_params)
            Parameters in outcome units.
        """
        if self.n_arms_:
            loc = np.tile(units.y_loc, self.n_arms_)[:, None, :]
            return loc + theta * np.tile(units.y_scale, self.n_arms_)[:, None, :]
        parts = theta.reshape(*theta.shape[:2], self.n_heads_, self.n_outcomes_)
        slopes = parts[:, :, 1:] * units.y_scale[:, None, None, :]
        intercept = (
            units.y_loc[:, None, None, :] + units.y_scale[:, None, None, :] * parts[:, :, :1]
        )
        if self.basis_ is None:
            slopes = slopes / units.t_scale[:, None, :, None]
            shift = slopes * units.t_loc[:, None, :, None]
            intercept = intercept - shift.sum(axis=2, keepdims=True)
        return np.concatenate([intercept, slopes], axis=2).reshape(theta.shape)

    def param_names(self, treatments: Treatments, outcomes: Outcomes) -> list[str]:
        """Name the parameters.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        list of str
            One name for each parameter.
        """
        if self.n_arms_:
            heads = [f"index of {name}" for name in treatments.names]
        elif self.basis_ is None:
            heads = ["intercept", *(f"slope of {name}" for name in treatments.names)]
        else:
            columns = self.basis_.names(treatments.names)
            heads = ["intercept", *(f"slope of {column}" for column in columns)]
        if outcomes.one_dim:
            return heads
        return [f"{head}: {name}" for head in heads for name in outcomes.names]
