"""An ensemble and what turns its outputs into theta in outcome units."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sklcausal._ensemble import Predictor
from sklcausal._models._base import StructuralModel
from sklcausal._models._units import Units
from sklcausal.inference._units import Affine


@dataclass
class ThetaNet:
    """Predict theta, mean outcomes and features of rows.

    Attributes
    ----------
    ensemble : Predictor
    model : StructuralModel
        What the parameters mean.
    inner : Affine
        From the units of each member's training to those of the engine.
    outer : Affine
        Of one member: from the units of the engine to outcome units.
    columns : ndarray of int or None
        Columns of X that the networks read; None for all.
    units : Units or None
        Of each member's training; None for networks of effects.
    """

    ensemble: Predictor
    model: StructuralModel
    inner: Affine
    outer: Affine
    columns: np.ndarray | None = None
    units: Units | None = None

    @property
    def decode(self) -> Affine:
        """From the units of each member's training to outcome units."""
        return self.inner.then(self.outer)

    def inner_theta(self, X: np.ndarray, k: int, rows: np.ndarray) -> np.ndarray:
        """Compute theta of given rows with one member, in the units of the engine.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        k : int
        rows : ndarray of int

        Returns
        -------
        ndarray of shape (n_rows, n_params)
        """
        raw, _ = self.ensemble.member(k, self.seen(X), rows)
        return self.inner.of_member(k)(raw[None])[0]

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

    def means(self, theta: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Average the members' mean outcomes at treatments.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)
        t : ndarray of shape (1 or n, n_points), or (1 or n, n_points, n_treatments) for doses

        Returns
        -------
        ndarray of shape (n, n_points, n_outcomes)
        """
        points = torch.as_tensor(t, device="cpu")
        with torch.no_grad():
            return self.model.means_at(torch.as_tensor(theta), points).mean(dim=0).numpy()

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
        return self.decode.of_member(k)(raw[None])[0], features

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
        for rows, theta, _ in self.with_features(X):
            yield rows, theta

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
        decode = self.decode
        for rows, raw, features in self.ensemble.with_features(self.seen(X)):
            yield rows, decode(raw), features

    def sensitivity(self, k: int) -> np.ndarray:
        """Return how theta of one member moves with the outputs of its last layers.

        Parameters
        ----------
        k : int

        Returns
        -------
        ndarray of shape (n_outputs, n_params)
        """
        spread = self.ensemble.spread
        return self.decode.matrix[k] if spread is None else spread[k] @ self.decode.matrix[k]
