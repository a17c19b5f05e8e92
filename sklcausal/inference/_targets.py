"""What is asked of theta(x): functions whose averages and regressions are wanted."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sklcausal._contrasts import Contrast
from sklcausal._models._base import StructuralModel
from sklcausal.inference._law import TreatmentLaw


class Target(ABC):
    """A function of theta, row by row."""

    @abstractmethod
    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the values of rows.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
            In outcome units.
        rows : slice
            Which of the training rows they are.

        Returns
        -------
        Tensor of shape (n, n_outputs)
            Values.
        """

    def averaged(self, theta: Tensor, rows: slice) -> Tensor:
        """Average the values over the law of the treatment, where they depend on what was given.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        return self(theta, rows)


@dataclass(frozen=True)
class MeanContrast(Target):
    """Differences of mean outcomes between treatments.

    Attributes
    ----------
    model : StructuralModel
    contrast : Contrast
    outcomes : sequence of int or None
        Which outcomes; None for all.
    """

    model: StructuralModel
    contrast: Contrast
    outcomes: Sequence[int] | None = None

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the differences, contrasts outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_contrasts * n_outcomes)
        """
        points = torch.as_tensor(self.contrast.of(rows).points, device=theta.device)
        low, high = self.model.means_at(theta, points).chunk(2, dim=-2)
        change = high - low
        if self.outcomes is not None:
            change = change[..., list(self.outcomes)]
        return change.flatten(-2)


@dataclass(frozen=True)
class MeanOutcomes(Target):
    """Mean outcomes at treatments.

    Attributes
    ----------
    model : StructuralModel
    t : ndarray of shape (1 or n_samples, n_points) or (1 or n_samples, n_points, n_treatments)
    """

    model: StructuralModel
    t: np.ndarray

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the means, treatments outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_points * n_outcomes)
        """
        t = self.t if len(self.t) == 1 else self.t[rows]
        return self.model.means_at(theta, torch.tensor(t, device=theta.device)).flatten(-2)


@dataclass(frozen=True)
class MeanDerivative(Target):
    """Derivatives of the mean outcomes by the doses that were received.

    Attributes
    ----------
    model : StructuralModel
    t : ndarray of shape (n_samples, n_treatments)
    law : TreatmentLaw
        Of the doses given x.
    """

    model: StructuralModel
    t: np.ndarray
    law: TreatmentLaw

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the derivatives, treatments outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_treatments * n_outcomes)
        """
        return self._at(theta, torch.tensor(self.t[rows], device=theta.device))

    def averaged(self, theta: Tensor, rows: slice) -> Tensor:
        """Average the derivatives over the law of the doses.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_treatments * n_outcomes)
        """
        weight, t = self.law.nodes(rows)
        total = sum(
            share[:, None] * self._at(theta, node) for share, node in zip(weight, t, strict=True)
        )
        return torch.as_tensor(total)

    @torch.enable_grad()
    def _at(self, theta: Tensor, t: Tensor) -> Tensor:
        t = t.detach().clone().requires_grad_(True)
        mean = self.model.batch_mean(theta, t)
        columns = [
            torch.autograd.grad(mean[:, m].sum(), t, create_graph=True)[0]
            for m in range(mean.shape[1])
        ]
        return torch.stack(columns, dim=-1).flatten(1)


@dataclass(frozen=True)
class Cells(Target):
    """Quantities of which every effect is a linear combination.

    Attributes
    ----------
    model : StructuralModel
    """

    model: StructuralModel

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the cells.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_cells)
        """
        return self.model.cells(theta)


@dataclass(frozen=True)
class Parameters(Target):
    """Some of the parameters.

    Attributes
    ----------
    at : ndarray of int
        Which.
    """

    at: np.ndarray

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Pick the parameters.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        return theta[:, torch.as_tensor(self.at)]
