"""What a structural outcome model says about theta(x): its loss, its mean and its units."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments


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

    def of(self, member: int) -> Units:
        """Return the units of one member.

        Parameters
        ----------
        member : int
            Position of the member.

        Returns
        -------
        Units
        """
        at = [member]
        return Units(self.y_loc[at], self.y_scale[at], self.t_loc[at], self.t_scale[at])


class StructuralModel(BaseEstimator):
    """Give theta(x) its meaning.

    A subclass says how well theta explains an outcome (`loss`) and which outcome it expects
    (`mean`); gradients, Hessians and influence values follow by automatic differentiation.

    Notes
    -----
    Arrays of rows go through `batch_loss` and `batch_mean`, whose shapes are those of one row
    behind any number of leading axes. By default they map `loss` and `mean` over the rows with
    ``torch.func.vmap``; a model that is written with broadcasting overrides them.

    References
    ----------
    .. [1] Farrell, Liang, Misra, "Deep Learning for Individual Heterogeneity", arXiv 2010.14694.
    """

    diagonal_hessian = False

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> StructuralModel:
        """Learn the number of parameters from the data's schema.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : StructuralModel
            The model, ready to be used.
        """
        self.n_params_ = int(self.n_params)  # type: ignore[attr-defined]
        return self

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of one row.

        Parameters
        ----------
        y : Tensor of shape (n_outcomes,)
            Outcomes.
        t : Tensor of shape () for arms, (n_treatments,) for doses
            Treatment.
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
        t : Tensor of shape () for arms, (n_treatments,) for doses
            Treatment.

        Returns
        -------
        Tensor of shape (n_outcomes,)
            Expected outcome.
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
        function = self.loss
        for _ in theta.shape[:-1]:
            function = torch.func.vmap(function)
        return function(y, t, theta)

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
        function = self.mean
        for _ in theta.shape[:-1]:
            function = torch.func.vmap(function)
        return function(theta, t)

    def cells(self, theta: Tensor) -> Tensor:
        """Compute the quantities whose linear combinations are the effects.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_cells)
            Cells.
        """
        return theta

    def start(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Choose the constant theta from which training starts.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In the units of training.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Constant parameters.
        """
        return np.zeros(self.n_params_)

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

    @torch.enable_grad()
    def best_constant(
        self, y: np.ndarray, t: np.ndarray, weight: np.ndarray | None, n_steps: int = 50
    ) -> np.ndarray:
        """Minimise the mean loss over constant parameters, by Newton steps with halving.

        Parameters
        ----------
        y : ndarray of shape (n, n_outcomes)
            Outcomes.
        t : ndarray of shape (n,) or (n, n_treatments)
            Treatment.
        weight : ndarray of shape (n,) or None
            Row weights.
        n_steps : int, default=50
            Most Newton steps.

        Returns
        -------
        ndarray of shape (n_params,)
            Minimiser.
        """
        w = np.ones(len(y)) if weight is None else weight / weight.mean()
        # copies, since sums over memory of another alignment differ in the last bit
        outcome, dose, row_weight = (torch.tensor(a) for a in (y, t, w))

        def mean_loss(theta: Tensor) -> Tensor:
            rows = self.batch_loss(outcome, dose, theta.expand(len(outcome), -1))
            return (row_weight * rows).mean()

        theta = torch.as_tensor(self.start(y, t, w))
        for _ in range(n_steps):
            at = theta.detach().requires_grad_(True)
            loss = mean_loss(at)
            (gradient,) = torch.autograd.grad(loss, at, create_graph=True)
            rows = [torch.autograd.grad(g, at, retain_graph=True)[0] for g in gradient]
            # with positive eigenvalues the step leads downhill even where the loss is not convex
            values, vectors = torch.linalg.eigh(torch.stack(rows))
            curvature = values.abs().clamp_min(1e-10)
            step = vectors @ ((vectors.T @ gradient.detach()) / curvature)
            size = 1.0
            while size > 1e-6 and not mean_loss(theta - size * step) <= loss.detach():
                size /= 2
            theta = theta - size * step
            if float(gradient.detach().abs().max()) < 1e-9:
                break
        return theta.numpy()

    def standardised_outcomes(self) -> np.ndarray:
        """Tell which outcomes may be centred and scaled, because `to_outcome_units` undoes it.

        Returns
        -------
        ndarray of bool of shape (n_outcomes,)
            One entry per outcome.
        """
        return np.zeros(1, dtype=bool)

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map theta from the units of training to those of y and T.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)
            Parameters.
        units : Units
            Units of each member.

        Returns
        -------
        ndarray of shape (n_members, n, n_params)
            Parameters in outcome units.
        """
        return theta
