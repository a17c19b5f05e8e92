"""Put the rows on the device, with the units in which each member sees them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sklcausal._draws import MemberRows, TrainingData
from sklcausal._models._units import Units


def safe_origin(values: np.ndarray) -> np.ndarray:
    """Choose an origin of each column that keeps float32 exact enough, 0 wherever that will do.

    The origin is rounded to a coarse grid, so that a few changed rows do not move it.

    Parameters
    ----------
    values : ndarray of shape (n, n_columns)

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    middle = np.nanmedian(values, axis=0)
    spread = np.nanquantile(values, 0.9, axis=0) - np.nanquantile(values, 0.1, axis=0)
    spread = np.where(spread > 0, spread, np.nanstd(values, axis=0))
    grid = 2.0 ** np.ceil(np.log2(np.where(spread > 0, spread, 1.0) * 16))
    return np.where(np.abs(middle) > 8 * grid, np.round(middle / grid) * grid, 0.0)


def make_training_data(
    X: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    members: Sequence[MemberRows],
    centre: np.ndarray,
    standardise: tuple[np.ndarray, np.ndarray],
    device: str,
) -> tuple[TrainingData, Units]:
    """Move the rows to the device, with the units of each member learned from its own rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
    y : ndarray of shape (n_samples, n_outcomes) or (n_members, n_samples, n_outcomes)
        The same for all members, or not.
    weight : ndarray of shape (n_samples,) or None
    members : sequence of MemberRows
    centre : ndarray of shape (n_features,)
        Origin of X.
    standardise : tuple of ndarray of bool
        Columns of y, and of t where it holds doses, that are centred and scaled.
    device : str

    Returns
    -------
    data : TrainingData
    units : Units
        In the units and origin of the y and t handed in.
    """
    X = X if X.flags.writeable else X.copy()
    w = np.ones(len(X)) if weight is None else weight / weight.mean()
    of_y, of_t = standardise
    if y.ndim == 2:
        y_origin = np.where(of_y, safe_origin(y), 0.0)
    else:  # of each member, as its targets are
        y_origin = np.stack([np.where(of_y, safe_origin(own), 0.0) for own in y])
    y = y - (y_origin if y.ndim == 2 else y_origin[:, None])
    y_loc, y_scale = _member_moments(y, w, members, of_y)
    if t.ndim == 2:
        t_origin = np.where(of_t, safe_origin(t), 0.0)
        t_loc, t_scale = _member_moments(t - t_origin, w, members, of_t)
        t_tensor = torch.as_tensor(t - t_origin, dtype=torch.float32, device=device)
    else:
        t_origin = np.zeros(0)
        t_loc = t_scale = np.ones((len(members), 0))
        t_tensor = torch.as_tensor(t, dtype=torch.int64, device=device)
    as_float: dict[str, Any] = {"dtype": torch.float32, "device": device}
    units = Units(y_loc, y_scale, t_loc, t_scale)
    data = TrainingData(
        torch.as_tensor(X - centre if centre.any() else X, **as_float),
        t_tensor,
        torch.as_tensor(y, **as_float),
        torch.as_tensor(w, **as_float),
        units,
    )
    return data, Units(y_loc + y_origin, y_scale, t_loc + t_origin, t_scale)


def _member_moments(
    values: np.ndarray, weight: np.ndarray, members: Sequence[MemberRows], apply: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    loc = np.zeros((len(members), values.shape[-1]))
    scale = np.ones_like(loc)
    for k, member in enumerate(members):
        seen = values if values.ndim == 2 else values[k]
        own, w = seen[member.train], weight[member.train]
        missing = np.isnan(own)
        if missing.any():
            w = np.where(missing, 0.0, w[:, None])
            total = np.maximum(w.sum(axis=0), 1e-300)
            mean = (w * np.where(missing, 0.0, own)).sum(axis=0) / total
            sd = np.sqrt((w * np.where(missing, 0.0, own - mean) ** 2).sum(axis=0) / total)
        else:
            mean = w @ own / w.sum()
            sd = np.sqrt(w @ (own - mean) ** 2 / w.sum())
        loc[k] = np.where(apply, mean, 0.0)
        scale[k] = np.where(apply & (sd > 0), sd, 1.0)
    return loc, scale
