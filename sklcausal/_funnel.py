"""Outcomes that happen within others, such as a purchase within a visit."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit
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


def fill_within(y: np.ndarray, links: Links) -> np.ndarray:
    """Fill in missing cells that follow from others.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_outcomes)
    links : tuple of tuple of int

    Returns
    -------
    ndarray of the same shape
        An inner outcome is 0 where the outer one is, and an outer one 1 where the inner one is.
    """
    found = y.copy()
    for outer, inner in links:
        found[np.isnan(found[:, inner]) & (found[:, outer] == 0), inner] = 0.0
    for outer, inner in reversed(links):
        found[np.isnan(found[:, outer]) & (found[:, inner] == 1), outer] = 1.0
    return found


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


@dataclass(frozen=True)
class Funnel:
    """Turn the log odds of inner outcomes within outer ones into those of inner outcomes.

    Attributes
    ----------
    links : tuple of tuple of int
        From `read_funnel`.
    n_outcomes : int
    """

    links: Links
    n_outcomes: int

    def __call__(self, index: Tensor) -> Tensor:
        """Map what the network gives.

        Parameters
        ----------
        index : Tensor of shape (..., n_arms * n_outcomes)
            Arm by arm.

        Returns
        -------
        Tensor of the same shape
        """
        cells = list(index.unflatten(-1, (-1, self.n_outcomes)).unbind(-1))
        for outer, inner in self.links:
            cells[inner] = log_odds_within(cells[outer], cells[inner])
        return torch.stack(cells, dim=-1).flatten(-2)

    def slopes(self, index: np.ndarray) -> np.ndarray:
        """Differentiate the log odds of outcomes by what the network gives.

        Parameters
        ----------
        index : ndarray of shape (n, n_arms * n_outcomes)
            Log odds of the outcomes, as the map returns them.

        Returns
        -------
        ndarray of shape (n, n_outputs, n_outputs)
            Entry (i, j) is how far the log odds of cell j move with output i.
        """
        cells = index.reshape(len(index), -1, self.n_outcomes)
        found = np.zeros((*cells.shape, self.n_outcomes))
        every = np.arange(self.n_outcomes)
        found[:, :, every, every] = 1.0
        for outer, inner in self.links:
            # d log p = sum of (1 - chance within) over the outcome and those that it lies in,
            # d log odds = d log p / (1 - p)
            inside, outside = expit(cells[..., inner]), expit(cells[..., outer])
            rest = 1 - inside
            found[..., inner, inner] = (1 - inside / outside) / rest
            found[..., outer, inner] = found[..., outer, outer] * (1 - outside) / rest
            for own in every:
                if own not in (inner, outer):
                    found[..., own, inner] = found[..., own, outer] * (1 - outside) / rest
        n_arms = cells.shape[1]
        full = np.zeros((len(index), n_arms, self.n_outcomes, n_arms, self.n_outcomes))
        arms = np.arange(n_arms)
        full[:, arms, :, arms] = found.transpose(1, 0, 2, 3)
        return full.reshape(len(index), index.shape[1], index.shape[1])


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
