"""Origin and scale of y and T in which inference computes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal._models._base import StructuralModel
from sklcausal._models._units import Units


@dataclass
class EngineUnits:
    """Origin and scale, so that results do not depend on those of the data.

    Attributes
    ----------
    y_loc, y_scale : ndarray of shape (n_outcomes,)
    t_loc, t_scale : ndarray of shape (n_treatments,)
    """

    y_loc: np.ndarray
    y_scale: np.ndarray
    t_loc: np.ndarray
    t_scale: np.ndarray

    @classmethod
    def learn(
        cls, y: np.ndarray, t: np.ndarray, standardise: tuple[np.ndarray, np.ndarray]
    ) -> EngineUnits:
        """Take mean and standard deviation of what may be standardised.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
        standardise : tuple of ndarray of bool
            Which outcomes, and which treatments.

        Returns
        -------
        EngineUnits
        """
        of_y, of_t = standardise
        doses = t if t.ndim == 2 else np.empty((len(t), 0))
        return cls(
            np.where(of_y, np.nanmean(y, axis=0), 0.0),
            np.where(of_y, np.nanstd(y, axis=0), 1.0),
            np.where(of_t, doses.mean(axis=0), 0.0),
            np.where(of_t, doses.std(axis=0), 1.0),
        )

    def outcomes(self, y: np.ndarray) -> np.ndarray:
        """Bring outcomes to these units.

        Parameters
        ----------
        y : ndarray of shape (n, n_outcomes)

        Returns
        -------
        ndarray of shape (n, n_outcomes)
        """
        return (y - self.y_loc) / self.y_scale

    def treatments(self, t: np.ndarray) -> np.ndarray:
        """Bring doses to these units; arm codes stay.

        Parameters
        ----------
        t : ndarray of shape (n,) or (n, n_treatments)

        Returns
        -------
        ndarray of the same shape
        """
        return t if t.ndim == 1 else (t - self.t_loc) / self.t_scale

    def relative(self, members: Units) -> Units:
        """Express the units of the members' training in these.

        Parameters
        ----------
        members : Units

        Returns
        -------
        Units
        """
        return Units(
            (members.y_loc - self.y_loc) / self.y_scale,
            members.y_scale / self.y_scale,
            (members.t_loc - self.t_loc) / self.t_scale,
            members.t_scale / self.t_scale,
        )

    def alone(self) -> Units:
        """Return these units as those of a single member.

        Returns
        -------
        Units
        """
        return Units(self.y_loc[None], self.y_scale[None], self.t_loc[None], self.t_scale[None])


@dataclass(frozen=True)
class Affine:
    """Map parameters of every member to other units: ``shift + theta @ matrix``.

    Attributes
    ----------
    shift : ndarray of shape (n_members, n_params)
    matrix : ndarray of shape (n_members, n_params, n_params)
    """

    shift: np.ndarray
    matrix: np.ndarray

    @classmethod
    def of(cls, model: StructuralModel, units: Units) -> Affine:
        """Take down how a model maps its parameters to outcome units.

        Parameters
        ----------
        model : StructuralModel
        units : Units

        Returns
        -------
        Affine
        """
        n_members, p = len(units.y_loc), model.n_params_
        probes = np.vstack([np.zeros((1, p)), np.eye(p)])
        found = model.to_outcome_units(np.tile(probes, (n_members, 1, 1)), units)
        return cls(found[:, 0], found[:, 1:] - found[:, :1])

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Map parameters of all members.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)

        Returns
        -------
        ndarray of shape (n_members, n, n_params)
        """
        return self.shift[:, None] + theta @ self.matrix

    def of_member(self, k: int) -> Affine:
        """Return the map of one member.

        Parameters
        ----------
        k : int

        Returns
        -------
        Affine
        """
        return Affine(self.shift[[k]], self.matrix[[k]])

    def then(self, other: Affine) -> Affine:
        """Map on to further units.

        Parameters
        ----------
        other : Affine
            Of one member, for all.

        Returns
        -------
        Affine
        """
        return Affine(other.shift + self.shift @ other.matrix[0], self.matrix @ other.matrix[0])
