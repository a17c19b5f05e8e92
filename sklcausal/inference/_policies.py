"""Refuse policies that know what happened."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

from sklcausal.exceptions import TargetError

SAME = 0.999  # correlation of a policy's doses with what happened


def refuse_received(points: np.ndarray, t: np.ndarray, y: np.ndarray, name: str) -> None:
    """Refuse doses that are those received, or outcomes, but for origin and scale.

    Doses that hold them along with noise pass unnoticed.

    Parameters
    ----------
    points : ndarray of shape (n, n_treatments)
        Doses of the policy.
    t : ndarray of shape (n, n_treatments)
        Doses received.
    y : ndarray of shape (n, n_outcomes)
        Outcomes.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    TargetError
        If they are.
    """
    happened = np.hstack([t, y])
    parts = [own - own.mean(axis=0) for own in (points, happened)]
    sizes = [np.sqrt((own**2).sum(axis=0)) for own in parts]
    scale = np.outer(*sizes)
    alike = np.abs(parts[0].T @ parts[1]) / np.where(scale > 0, scale, np.inf)
    if alike.max() > SAME:
        column, other = np.unravel_index(alike.argmax(), alike.shape)
        came = f"`T`, column {other}" if other < t.shape[1] else "`y`"
        raise TargetError(
            f"`{name}` must be a function of covariates observed before the treatment, got doses "
            f"(column {column}) that correlate with {came} by {alike.max():.4f}"
        )
