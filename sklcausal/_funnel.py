"""Outcomes that happen within others, such as a purchase within a visit."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sklcausal._encoding import Outcomes
from sklcausal.utils._positions import find_position

LARGEST_SHARE = 0.999  # of an outer outcome in which the inner one happens, where training starts

# numbers of an outer and an inner outcome, outer ones first where they are inner ones themselves
Links = tuple[tuple[int, int], ...]


def read_funnel(funnel: Any, outcomes: Outcomes, y: np.ndarray) -> Links:
    """Read which outcome happens within which other one.

    Parameters
    ----------
    funnel : sequence of pairs of name or position
        The outer and the inner outcome of each pair.
    outcomes : Outcomes
    y : ndarray of shape (n_samples, n_outcomes)

    Returns
    -------
    tuple of tuple of int
        Pairs, those of outer outcomes first.

    Raises
    ------
    ValueError
        If a pair names no two binary outcomes, an outcome lies within two others or within
        itself, or the data contradict it.
    """
    names = list(outcomes.names)
    links: dict[int, int] = {}
    for pair in funnel:
        if isinstance(pair, str) or np.ndim(pair) != 1 or len(pair) != 2:
            raise ValueError(
                "`funnel` must hold pairs of an outcome and one that happens within it, got "
                f"{pair!r}"
            )
        outer, inner = (find_position(end, names, "funnel") for end in pair)
        for end in (outer, inner):
            if outcomes.kinds[end] != "binary":
                raise ValueError(
                    f"`funnel` must name binary outcomes, got {names[end]!r}, which is "
                    f"{outcomes.kinds[end]}"
                )
        if inner in links:
            raise ValueError(
                f"`funnel` must name one outcome within which {names[inner]!r} happens, got "
                f"{[names[links[inner]], names[outer]]}"
            )
        links[inner] = outer
        without = int((y[:, inner] > y[:, outer]).sum())  # False where one is NaN
        if without:
            raise ValueError(
                f"`funnel` says that {names[inner]!r} happens only within {names[outer]!r}, but "
                f"`y` has {without} row(s) with the first and without the second"
            )
    order: list[tuple[int, int]] = []
    left = dict(links)
    while left:
        ready = [inner for inner, outer in left.items() if outer not in left]
        if not ready:
            circle = [names[inner] for inner in left]
            raise ValueError(f"`funnel` must not lead an outcome to itself, got {circle}")
        order += [(left.pop(inner), inner) for inner in ready]
    return tuple(order)


def log_odds_within(outer: Tensor, inner: Tensor) -> Tensor:
    """Compute the log odds of an outcome from those of another and its own within that.

    Parameters
    ----------
    outer : Tensor
        Log odds of the outcome within which it happens.
    inner : Tensor of the same shape
        Log odds of the outcome where the outer one happened.

    Returns
    -------
    Tensor of the same shape
    """
    log_p = F.logsigmoid(outer) + F.logsigmoid(inner)
    tiny = torch.finfo(log_p.dtype).tiny
    return log_p - torch.log((-torch.expm1(log_p)).clamp_min(tiny))


def apply_funnel(index: Tensor, links: Links, n_outcomes: int) -> Tensor:
    """Turn the log odds of inner outcomes within outer ones into those of inner outcomes.

    Parameters
    ----------
    index : Tensor of shape (..., n_arms * n_outcomes)
        Arm by arm.
    links : tuple of tuple of int
        From `read_funnel`.
    n_outcomes : int

    Returns
    -------
    Tensor of the same shape
    """
    cells = list(index.unflatten(-1, (-1, n_outcomes)).unbind(-1))
    for outer, inner in links:
        cells[inner] = log_odds_within(cells[outer], cells[inner])
    return torch.stack(cells, dim=-1).flatten(-2)


def start_within(constant: np.ndarray, links: Links, n_outcomes: int) -> np.ndarray:
    """Turn the log odds of inner outcomes into those within outer ones.

    Parameters
    ----------
    constant : ndarray of shape (n_arms * n_outcomes,)
    links : tuple of tuple of int
    n_outcomes : int

    Returns
    -------
    ndarray of the same shape
    """
    cells = constant.reshape(-1, n_outcomes)
    found, chance = cells.copy(), 1 / (1 + np.exp(-cells))
    for outer, inner in links:
        share = np.minimum(chance[:, inner] / chance[:, outer], LARGEST_SHARE)
        found[:, inner] = np.log(share / (1 - share))
    return found.ravel()
