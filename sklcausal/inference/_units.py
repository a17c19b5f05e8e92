"""Origin and scale of y and T in which inference computes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklcausal.structural._base import Units


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
    def learn(cls, y: np.ndarray, t: np.ndarray, standardise: np.ndarray) -> EngineUnits:
        """Take mean and standard deviation of what may be standardised.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
        standardise : ndarray of bool of shape (n_outcomes,)

        Returns
        -------
        EngineUnits
        """
        doses = t if t.ndim == 2 else np.empty((len(t), 0))
        return cls(
            np.where(standardise, np.nanmean(y, axis=0), 0.0),
            np.where(standardise, np.nanstd(y, axis=0), 1.0),
            doses.mean(axis=0),
            doses.std(axis=0),
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

    def cell_scale(self, n_cells: int) -> np.ndarray:
        """Return what a difference of cells is multiplied with to be in outcome units.

        Parameters
        ----------
        n_cells : int

        Returns
        -------
        ndarray of shape (n_cells,)
        """
        if len(self.t_scale) == 0:
            return np.tile(self.y_scale, n_cells // len(self.y_scale))
        by_treatment = np.concatenate([[1.0], 1 / self.t_scale])
        return (by_treatment[:, None] * self.y_scale).ravel()

    def cell_origin(self, n_cells: int) -> np.ndarray:
        """Return what is added to the mean outcome of an arm to be in outcome units.

        Parameters
        ----------
        n_cells : int

        Returns
        -------
        ndarray of shape (n_cells,)
        """
        return np.resize(self.y_loc, n_cells) if len(self.t_scale) == 0 else np.zeros(n_cells)
