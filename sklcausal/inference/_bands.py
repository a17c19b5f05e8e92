"""Critical values of intervals, pointwise and of many rows at once, and means over groups."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm

from sklcausal.inference._groups import Groups

N_DRAWS = 1000
BAND_ROWS = 1000


class Band:
    """Gather the largest noise over rows that come chunk by chunk.

    Parameters
    ----------
    n_targets : int
    seed : int or None
        Of the multiplier draws; None for pointwise intervals, for which nothing is gathered.
    """

    def __init__(self, n_targets: int, seed: int | None):
        self.seed, self.largest = seed, np.zeros((n_targets, N_DRAWS))

    def add(self, moves: np.ndarray, targets: np.ndarray | None = None) -> None:
        """Take in the errors of rows.

        Parameters
        ----------
        moves : ndarray of shape (n, n_own, n_coefficients)
            How far independent noise moves each row's targets.
        targets : ndarray of int of shape (n_own,) or None, default=None
            Which these are; None for all.
        """
        if self.seed is None:
            return
        own = np.arange(len(self.largest)) if targets is None else targets
        self.largest[own] = np.maximum(self.largest[own], _largest_noise(moves, self.seed))

    def critical(self, alpha: float) -> np.ndarray:
        """Return by how many standard errors intervals reach out.

        Parameters
        ----------
        alpha : float

        Returns
        -------
        ndarray of shape (n_targets,)
        """
        pointwise = np.full(len(self.largest), norm.ppf(1 - alpha / 2))
        if self.seed is None:
            return pointwise
        return np.maximum(pointwise, np.quantile(self.largest, 1 - alpha, axis=1))


def _largest_noise(moves: np.ndarray, seed: int) -> np.ndarray:
    """Draw the largest standardised error over rows: (n_targets, n_draws)."""
    draws = np.random.default_rng(seed).standard_normal((moves.shape[2], N_DRAWS))
    error = np.sqrt((moves**2).sum(axis=2, keepdims=True))
    unit = moves / np.where(error > 0, error, 1.0)
    largest = np.zeros((moves.shape[1], N_DRAWS))
    for start in range(0, len(unit), BAND_ROWS):
        noise = np.abs(unit[start : start + BAND_ROWS] @ draws)
        largest = np.maximum(largest, noise.max(axis=0))
    return largest


def mean_by_group(groups: Groups, n: int) -> Any:
    """Return a matrix that averages rows within groups.

    Parameters
    ----------
    groups : Groups
    n : int
        Number of rows.

    Returns
    -------
    sparse array of shape (n_groups, n)
    """
    size = np.bincount(groups.codes)[groups.codes]
    places = (1 / size, groups.codes, np.arange(n + 1))
    return csr_array(places, (n, len(groups.labels))).T
