"""Origin and scale in which networks are trained."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """Origin and scale of y and T that each member's network was trained in.

    Attributes
    ----------
    y_loc, y_scale : ndarray of shape (n_members, n_outcomes)
    t_loc, t_scale : ndarray of shape (n_members, n_treatments)
        Empty on the last axis for arms.
    """

    y_loc: np.ndarray
    y_scale: np.ndarray
    t_loc: np.ndarray
    t_scale: np.ndarray
