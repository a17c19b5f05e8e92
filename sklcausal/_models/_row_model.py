"""Loss and mean of many rows, from what a model says of one."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from sklcausal._models._anchor import minimise
from sklcausal._models._rows import check_scalar, map_rows
from sklcausal.exceptions import ModelError


def zero_of_affine(low: Tensor, high: Tensor, first: float, second: float) -> Tensor:
    """Find the outcome at which a score that is affine in it is closest to zero.

    Parameters
    ----------
    low, high : Tensor of shape (..., n_params)
        Scores at two outcomes.
    first, second : float
        The outcomes.

    Returns
    -------
    Tensor of shape (..., 1)
    """
    change = high - low
    share = -(change * low).sum(-1) / (change**2).sum(-1)
    return (first + (second - first) * share).unsqueeze(-1)


class RowModel(BaseEstimator):
    """Compute losses and means of many rows from those of one, and the mean that a loss implies.

    `StructuralModel` sets the attributes that are named here.
    """

    n_outcomes_: int
    scalar_y_: bool
    scalar_t_: bool
    typical_y_: np.ndarray
    # two outcomes between which the score is affine, so that the loss implies the mean
    implied_points_: tuple[float, float] | None = None

    def name_of(self, what: str) -> str:
        """Name a function of the model, for messages.

        Parameters
        ----------
        what : {'loss', 'mean', 'moments'}
            Which.

        Returns
        -------
        str
            As the user knows it.
        """
        return f"{type(self).__name__}.{what}"

    @property
    def _as_columns(self) -> dict[Any, bool]:
        """Which functions of one row may be called with columns, as found at the first call."""
        known: dict[Any, bool] = self.__dict__.setdefault("as_columns_", {})
        return known

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of one row.

        Parameters
        ----------
        y : Tensor of shape () or (n_outcomes,)
            Outcome; with an axis if y had two in fit.
        t : Tensor of shape () for arms and a dose, (n_treatments,) for simultaneous treatments
            Number of the arm, or doses.
        theta : Tensor of shape (n_params,)
            Parameters.

        Returns
        -------
        Tensor of shape ()
            Loss.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `loss(y, t, theta)`")

    def mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the expected outcome of one row.

        Parameters
        ----------
        theta : Tensor of shape (n_params,)
            Parameters.
        t : Tensor of shape () for arms and a dose, (n_treatments,) for simultaneous treatments
            Number of the arm, or doses.

        Returns
        -------
        Tensor of shape () or (n_outcomes,)
            Expected outcome; with an axis if y had two in fit.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `mean(theta, t)`")

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (...)
            Losses.
        """
        n_axes, name = theta.dim() - 1, self.name_of("loss")
        y, t = y[..., 0] if self.scalar_y_ else y, t[..., 0] if self.scalar_t_ else t
        known = self._as_columns
        losses = map_rows(self.loss, name, n_axes, y, t, theta, as_columns=known, key="loss")
        return check_scalar(losses, name, n_axes)

    def batch_score(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Differentiate the loss of every row by its own theta.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_params)
            Scores, which can be differentiated once more.
        """
        theta = theta if theta.requires_grad else theta.detach().requires_grad_(True)
        loss = self.batch_loss(y, t, theta).sum()
        return torch.autograd.grad(loss, theta, create_graph=True)[0]

    def outcome_nodes(self, theta: Tensor, t: Tensor) -> list[tuple[float, Tensor]]:
        """Return outcomes over which the Hessian is averaged, with their shares.

        By default it is the expected outcome alone, which is exact where the Hessian is affine
        in y. A model whose Hessian is not may spread the outcomes over their modelled law.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.

        Returns
        -------
        list of tuple of float and Tensor of shape (..., n_outcomes)
            Shares and outcomes.
        """
        if self.has_own_mean:
            return [(1.0, self.batch_mean(theta, t))]
        typical = torch.as_tensor(self.typical_y_, dtype=theta.dtype, device=theta.device)
        typical = typical.expand(*theta.shape[:-1], -1)
        if self.implied_points_ is None:
            return [(1.0, typical)]
        found = self._implied_mean(theta, t)
        # where the outcome does not enter the score, any serves
        return [(1.0, torch.where(torch.isfinite(found), found, typical))]

    @property
    def spreads_outcomes(self) -> bool:
        """Whether the model says over which outcomes its Hessian is averaged."""
        return type(self).outcome_nodes is not RowModel.outcome_nodes

    @property
    def has_own_mean(self) -> bool:
        """Whether the model defines the outcome that it expects."""
        own = type(self)
        base = RowModel
        return own.mean is not base.mean or own.batch_mean is not base.batch_mean

    @property
    def has_mean(self) -> bool:
        """Whether the expected outcome is known: defined, or implied by the loss."""
        return self.has_own_mean or self.implied_points_ is not None

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the expected outcome of many rows.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.

        Returns
        -------
        Tensor of shape (..., n_outcomes)
            Expected outcomes.
        """
        n_axes, name = theta.dim() - 1, self.name_of("mean")
        if not self.has_mean:
            raise ModelError(
                "effects and mean outcomes need to know which outcome is expected, which the "
                f"loss `{self.name_of('loss')}` does not imply: define `mean(theta, t)`, or pass "
                "`mean=` beside a function; averages of functions of theta, by "
                "`estimate(target)`, do without"
            )
        if not self.has_own_mean:
            found = self._implied_mean(theta, t)
            self._check_implied(found, theta, t)
            return found
        t = t[..., 0] if self.scalar_t_ else t
        known = self._as_columns
        found = map_rows(self.mean, name, n_axes, theta, t, as_columns=known, key="mean")
        if self.scalar_y_:
            return check_scalar(found, name, n_axes).unsqueeze(-1)
        if not torch.is_tensor(found) or found.shape[n_axes:] != (self.n_outcomes_,):
            shape = tuple(found.shape[n_axes:]) if torch.is_tensor(found) else type(found).__name__
            raise ModelError(
                f"`{name}` must return a tensor of shape ({self.n_outcomes_},) for a row, got "
                f"{shape}"
            )
        return found

    def _check_implied(self, found: Tensor, theta: Tensor, t: Tensor) -> None:
        bad = ~torch.isfinite(found.detach()[..., 0])
        if bad.any():
            at = t.expand(*bad.shape, *t.shape[theta.dim() - 1 :])[bad][0].tolist()
            raise ModelError(
                f"the loss `{self.name_of('loss')}` does not imply which outcome is expected at "
                f"the treatment {at}, where the outcome does not enter its score; define "
                "`mean(theta, t)`, or pass `mean=` beside a function"
            )

    def _implied_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Solve for the outcome at which the score, which is affine in it, is zero."""
        assert self.implied_points_ is not None
        first, second = self.implied_points_
        keeps_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            scores = [
                self.batch_score(torch.full_like(theta[..., :1], y), t, theta)
                for y in (first, second)
            ]
        found = zero_of_affine(scores[0], scores[1], first, second)
        return found if keeps_graph else found.detach()

    def means_at(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the expected outcomes of each row at several treatments.

        Parameters
        ----------
        theta : Tensor of shape (..., n, n_params)
            Parameters.
        t : Tensor of shape (1 or n, n_points) for arms, (1 or n, n_points, n_treatments) for doses
            Treatments, the same for all rows or not.

        Returns
        -------
        Tensor of shape (..., n, n_points, n_outcomes)
            Expected outcomes.
        """
        shape = (*theta.shape[:-1], t.shape[1])
        spread = theta.unsqueeze(-2).expand(*shape, theta.shape[-1])
        return self.batch_mean(spread, t.expand(*shape, *t.shape[2:]))

    def row_losses(self, y: np.ndarray, t: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Compute the loss of many rows in float64.

        Parameters
        ----------
        y : ndarray of shape (n, n_outcomes)
            Outcomes.
        t : ndarray of shape (n,) or (n, n_treatments)
            Treatment.
        theta : ndarray of shape (n, n_params)
            Parameters.

        Returns
        -------
        ndarray of shape (n,)
            Losses.
        """
        arrays = (torch.as_tensor(np.array(a)) for a in (y, t, theta))
        return self.batch_loss(*arrays).numpy()

    def best_constant(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Minimise the mean loss over constant parameters.

        Parameters
        ----------
        y : ndarray of shape (n, n_outcomes)
            Outcomes.
        t : ndarray of shape (n,) or (n, n_treatments)
            Treatment.
        weight : ndarray of shape (n,) or None
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Minimiser.
        """
        return minimise(self, y, t, weight)[0]
