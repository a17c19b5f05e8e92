"""When each member stops, and how its learning rate falls."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math

import numpy as np

MIN_GAIN = 0.01
LAST_FACTOR = 1e-3


class MemberStopping:
    """Keep each member's best loss, its patience and the factor of its learning rate.

    Parameters
    ----------
    n_members : int
    patience : int
        Epochs that a member goes on without a clear gain.
    schedule : {'cosine', 'plateau'} or None
    max_epochs : int
        Length of the cosine.

    Attributes
    ----------
    best_loss : ndarray of shape (n_members,)
    lr_factor : ndarray of shape (n_members,)
    """

    def __init__(self, n_members: int, patience: int, schedule: str | None, max_epochs: int):
        self.patience, self.schedule, self.max_epochs = patience, schedule, max_epochs
        self.best_loss = np.full(n_members, np.inf)
        self.lr_factor = np.ones(n_members)
        self._clear_loss = np.full(n_members, np.inf)
        self._clear_epoch = np.zeros(n_members, dtype=int)

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rates of an epoch.

        Parameters
        ----------
        epoch : int
            Number of epochs before it.
        """
        if self.schedule == "cosine":
            progress = min(1.0, epoch / self.max_epochs)
            falling = 0.5 * (1 + math.cos(math.pi * progress))
            self.lr_factor[:] = LAST_FACTOR + (1 - LAST_FACTOR) * falling

    def record(
        self, epoch: int, active: np.ndarray, valid: np.ndarray | None, train: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compare the members that train with their best.

        Parameters
        ----------
        epoch : int
            Number of epochs so far.
        active : ndarray of int of shape (n_active,)
        valid : ndarray of shape (n_active,) or None
            Losses by which members are judged; without them every epoch is taken for better.
        train : ndarray of shape (n_active,)

        Returns
        -------
        improved, goes_on : ndarray of bool of shape (n_active,)
        """
        judged = train if valid is None else valid
        improved = (judged < self.best_loss[active]) | (valid is None)
        self.best_loss[active[improved]] = judged[improved]
        # an improvement too small to matter does not prolong training
        gain = self._clear_loss[active] - self.best_loss[active]
        clear = improved & ~(gain < MIN_GAIN * np.abs(self._clear_loss[active]))
        clear |= valid is None
        self._clear_loss[active[clear]] = self.best_loss[active[clear]]
        self._clear_epoch[active[clear]] = epoch
        stale = epoch - self._clear_epoch[active]
        if self.schedule == "plateau":
            every = max(1, self.patience // 3)
            self.lr_factor[active[(stale > 0) & (stale % every == 0)]] *= 0.5
        return improved, stale < self.patience
