"""Refuse policies that know what happened."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

from sklcausal.exceptions import TargetError

SAME_DOSE = 0.5  # correlation of a policy's doses with those received, given x


def refuse_received(points: np.ndarray, t: np.ndarray, mean: np.ndarray, name: str) -> None:
    """Refuse doses that follow those received, beyond what x tells of them.

    Parameters
    ----------
    points : ndarray of shape (n, n_treatments)
        Doses of the policy.
    t : ndarray of shape (n, n_treatments)
        Doses received.
    mean : ndarray of shape (n, n_treatments) or (n_treatments,)
        Mean of the doses received, given x.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    TargetError
        If they do.
    """
    residual = t - mean
    design = np.column_stack([np.ones(len(points)), np.broadcast_to(mean, t.shape)])
    left = points - design @ np.linalg.lstsq(design, points, rcond=None)[0]
    size = np.sqrt((left**2).sum(axis=0) * (residual**2).sum(axis=0))
    alike = np.abs((left * residual).sum(axis=0)) > SAME_DOSE * size
    if (alike & (size > 0)).any():
        raise TargetError(
            f"`{name}` must be a function of covariates observed before the treatment, but its "
            "doses follow those that were received, beyond what covariates tell of them"
        )
