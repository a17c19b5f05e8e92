"""Read what was recorded of training."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sklcausal.inspection._columns import check_positive


def _read_part(history: Any, part: str) -> np.ndarray | None:
    """Read losses of shape (n_epochs, n_nets), NaN after a network has stopped."""
    single, by_net = f"{part}_loss", f"{part}_loss_members"
    key = by_net if all(by_net in epoch for epoch in history) else single
    if not history or not all(key in epoch for epoch in history):
        return None
    rows = [np.atleast_1d(np.asarray(epoch[key], dtype=float)) for epoch in history]
    if any(row.shape != (len(rows[0]),) for row in rows):
        raise ValueError(
            f"`history` must hold as many losses {key!r} in every epoch, got "
            f"{sorted({len(row) for row in rows})}"
        )
    losses = np.stack(rows)
    gone = np.isnan(losses)
    if np.isinf(losses).any() or gone[0].any() or (gone[:-1] & ~gone[1:]).any():
        raise ValueError(
            f"`history` must hold finite losses {key!r}, and NaN only after a network has "
            "stopped, got infinity or an earlier NaN"
        )
    return losses


def read_history(
    history: Any, n_members: int | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Read the losses of the members, and of the settings that were tried and dropped.

    Parameters
    ----------
    history : sequence of mapping
    n_members : int or None

    Returns
    -------
    train : ndarray of shape (n_epochs, n_members)
    valid : ndarray of shape (n_epochs, n_members) or None
    dropped : ndarray of shape (n_epochs, n_dropped) or None
    """
    is_sequence = isinstance(history, Sequence) and not isinstance(history, str)
    if not is_sequence or not all(isinstance(epoch, Mapping) for epoch in history):
        raise TypeError(
            "`history` must be a sequence with a mapping for each epoch, got "
            f"{type(history).__name__}"
        )
    train, valid = _read_part(history, "train"), _read_part(history, "valid")
    if train is None:
        raise ValueError(
            "`history` must hold 'train_loss_members' or 'train_loss' in each of at least 1 "
            f"epoch, got {len(history)} epoch(s)"
        )
    if valid is not None and valid.shape != train.shape:
        raise ValueError(
            "`history` must hold losses of the same networks in both parts, got "
            f"{train.shape[1]} training and {valid.shape[1]} validation losses"
        )
    n_nets = train.shape[1]
    if n_members is None:
        n_members = n_nets
    check_positive(n_members, "n_members")
    if n_nets % n_members:
        raise ValueError(
            f"`n_members` must divide the {n_nets} networks of `history`, got {n_members}"
        )
    judged = train if valid is None else valid
    best = np.nanmin(judged, axis=0).reshape(-1, n_members).mean(axis=1)
    chosen = int(best.argmin())
    own = slice(chosen * n_members, (chosen + 1) * n_members)
    others = [k for k in range(len(best)) if k != chosen]
    blocks = [judged[:, k * n_members : (k + 1) * n_members] for k in others]
    dropped = np.stack([average_members(b) for b in blocks], axis=1) if blocks else None
    return train[:, own], None if valid is None else valid[:, own], dropped


def average_members(losses: np.ndarray) -> np.ndarray:
    """Average over members; those that have stopped count with their last loss.

    Parameters
    ----------
    losses : ndarray of shape (n_epochs, n_members)
        NaN after a member has stopped.

    Returns
    -------
    ndarray of shape (n_epochs,)
        NaN after all have stopped.
    """
    stop = last_epochs(losses)
    epochs = np.arange(len(losses))[:, None]
    held = np.take_along_axis(losses, np.minimum(epochs, stop - 1), axis=0)
    return np.where(epochs[:, 0] < stop.max(), held.mean(axis=1), np.nan)


def last_epochs(losses: np.ndarray) -> np.ndarray:
    """Find the last epoch of each member, counted from 1.

    Parameters
    ----------
    losses : ndarray of shape (n_epochs, n_members)
        NaN after a member has stopped.

    Returns
    -------
    ndarray of int of shape (n_members,)
    """
    return (~np.isnan(losses)).sum(axis=0)
