"""Where the outputs of networks start."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Start:
    """Where the outputs start, and on which scale the network's body moves them.

    Attributes
    ----------
    constant : ndarray of shape (n_outputs,), or (n_members, n_outputs) for all members
    spread : ndarray of shape (n_outputs, n_outputs), with members in front, or None
        Outputs are ``constant + body @ spread``; None for ``constant + body``.
    link : callable or None
        Maps such outputs, a tensor with any leading axes, to theta; None where they are that.
    """

    constant: np.ndarray
    spread: np.ndarray | None = None
    link: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def stack(cls, members: Sequence[Start]) -> Start:
        """Join the members.

        Parameters
        ----------
        members : sequence of Start

        Returns
        -------
        Start
        """
        spreads = [m.spread for m in members if m.spread is not None]
        constant = np.stack([m.constant for m in members])
        return cls(constant, np.stack(spreads) if spreads else None, members[0].link)

    def of(self, at: Sequence[int] | np.ndarray) -> Start:
        """Return some members.

        Parameters
        ----------
        at : sequence of int

        Returns
        -------
        Start
        """
        spread = None if self.spread is None else self.spread[at]
        return Start(self.constant[at], spread, self.link)

    def move(self, body: np.ndarray) -> np.ndarray:
        """Compute the outputs of all members in float64.

        Parameters
        ----------
        body : ndarray of shape (n_members, n, n_outputs)

        Returns
        -------
        ndarray of float of shape (n_members, n, n_outputs)
        """
        body = body.astype(float)
        found = self.constant[:, None] + (body if self.spread is None else body @ self.spread)
        return found if self.link is None else self.link(torch.from_numpy(found)).numpy()
