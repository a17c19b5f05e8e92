"""An ensemble and what turns its outputs into theta in the units of the engine."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sklcausal._cross_fit import CrossFit
from sklcausal._ensemble import Ensemble
from sklcausal.structural._base import StructuralModel, Units


class CellRegression(StructuralModel):
    """Let theta be the cells themselves, fitted to influence values by squared error."""

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map cells from the units of training to those of the engine.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_cells)
        units : Units

        Returns
        -------
        ndarray of shape (n_members, n, n_cells)
        """
        return units.y_loc[:, None, :] + theta * units.y_scale[:, None, :]


@dataclass
class ThetaNet:
    """Predict theta, cells and features of rows.

    Attributes
    ----------
    ensemble : Ensemble
    model : StructuralModel
    units : Units
        Of each member's training, relative to the engine.
    columns : ndarray of int or None
        Columns of X that the networks read; None for all.
    """

    ensemble: Ensemble
    model: StructuralModel
    units: Units
    columns: np.ndarray | None = None

    def seen(self, X: np.ndarray) -> np.ndarray:
        """Return the columns that the networks read.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_columns)
        """
        return X if self.columns is None else X[:, self.columns]

    def cells(self, theta: np.ndarray) -> np.ndarray:
        """Compute the cells.

        Parameters
        ----------
        theta : ndarray of shape (..., n_params)

        Returns
        -------
        ndarray of shape (..., n_cells)
        """
        return self.model.cells(torch.as_tensor(theta)).numpy()

    def held_out(self, cross_fit: CrossFit) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Compute theta and features of each fold with the member that never saw it.

        Parameters
        ----------
        cross_fit : CrossFit

        Yields
        ------
        rows : ndarray of int
        theta : ndarray of shape (n_rows, n_params)
        features : ndarray of shape (n_rows, n_heads, n_hidden)
        """
        for k, rows in cross_fit.held_out():
            yield rows, *self.member(k, cross_fit.X, rows)

    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute theta and features of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        theta : ndarray of shape (n_rows, n_params)
        features : ndarray of shape (n_rows, n_heads, n_hidden)
        """
        raw, features = self.ensemble.member(k, self.seen(X), rows)
        theta = self.model.to_outcome_units(raw[None].astype(float), self.units.of(k))[0]
        return theta, features

    def theta(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Compute theta of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_params)
        """
        for rows, raw in self.ensemble.theta(self.seen(X)):
            yield rows, self.model.to_outcome_units(raw.astype(float), self.units)

    def with_features(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute theta and features of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_params)
        features : ndarray of shape (n_members, n_chunk, n_heads, n_hidden)
        """
        for rows, raw, features in self.ensemble.with_features(self.seen(X)):
            yield rows, self.model.to_outcome_units(raw.astype(float), self.units), features
