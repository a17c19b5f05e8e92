"""Models whose mean outcome is a function of an index that is linear in theta."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models._bases import BASES, TreatmentBasis, make_basis
from sklcausal._models._families import GAUSSIAN, Family
from sklcausal._models._index_units import IndexUnits
from sklcausal.exceptions import TargetError


class IndexModel(IndexUnits):
    """Let outcomes depend on an index: one per arm, or ``a(x) + b(x)'B(T)`` of doses.

    Parameters are ordered arm by arm, or intercept first and then slopes; outcomes within.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions ``B`` of the doses; None takes the doses themselves.
    """

    # parameters behind those of the index, such as a scale
    n_further: ClassVar[int] = 0
    is_deviance: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "basis": [StrOptions(set(BASES)), TreatmentBasis, None]
    }

    def __init__(self, *, basis: Any = None):
        self.basis = basis

    def _family(self, kind: str, m: int) -> Family:
        """Return the family of outcome m, of some kind."""
        raise NotImplementedError(f"{type(self).__name__} must define `_family(kind, m)`")

    def _families(self) -> list[Family]:
        unknown = [kind for kind in self.kinds_ if kind == "choice"]
        if unknown:
            raise TargetError(
                "`outcome` must not be 'choice' for this model; "
                "sklcausal.structural.MultinomialLogit takes choices"
            )
        if self.is_of_cells_:
            return [GAUSSIAN] * self.n_outcomes_
        return [self._family(kind, m) for m, kind in enumerate(self.kinds_)]

    # -- set-up -----------------------------------------------------------------------------

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> IndexModel:
        """Learn the numbers of arms, treatments and outcomes.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : IndexModel
            The model, ready to be used.

        Raises
        ------
        TargetError
            If an outcome is of a kind that the model does not take, or a basis meets arms.
        """
        self._validate_params()
        self.kinds_, self.is_of_cells_ = outcomes.kinds, False
        for kind, family in zip(self.kinds_, self._families(), strict=True):
            if kind != family.kind:
                raise TargetError(
                    f"`outcome` must be {family.kind!r} for {type(self).__name__}, got "
                    f"{list(outcomes.kinds)}"
                )
        self._size(treatments, outcomes)
        self.has_missing_ = outcomes.has_missing
        self.basis_ = None
        if treatments.kind == "discrete" and self.basis is not None:
            raise TargetError(
                f"`basis` goes with doses, but `T` was read as arms, got basis={self.basis!r}; "
                "pass treatment_type='dose' if it holds doses"
            )
        self.n_arms_ = treatments.n_arms
        self._count(self.n_arms_ or 1 + self.n_treatments_)
        return self

    def learn(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> IndexModel:
        """Learn the basis, and check the range of the outcomes.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        self : IndexModel
            The model, ready to be used.

        Raises
        ------
        TargetError
            If an outcome is out of range, or doses do not suit the basis.
        """
        for m, family in enumerate(self._families()):
            self._check_range(family, y[:, m])
        if t.ndim == 2:
            basis = make_basis(self.basis)
            if basis is not None:
                self.basis_ = copy(basis).fit(t)
                self._count(1 + self.basis_.n_columns_)
        return self

    def _count(self, n_index: int) -> None:
        """Set the numbers of parameters: those of the index, and further ones."""
        self.n_index_, self.n_heads_ = n_index, n_index + self.n_further
        self.n_params_ = self.n_heads_ * self.n_outcomes_

    def _check_range(self, family: Family, y: np.ndarray) -> None:
        low, high = np.nanmin(y), np.nanmax(y)
        if low < family.low or high > family.high or (family.excludes_low and low <= family.low):
            allowed = f"lie between {family.low:g} and {family.high:g}"
            if family.excludes_low:
                allowed = f"be larger than {family.low:g}"
            raise TargetError(
                f"`y` must {allowed} for {type(self).__name__}, got {low:g} to {high:g}"
            )

    # -- loss and mean ------------------------------------------------------------------------

    @property
    def diagonal_hessian(self) -> bool:
        """Whether every outcome depends on one parameter, as for arms."""
        return self.n_arms_ > 0

    @property
    def structured_hessian(self) -> bool:
        """Whether the Hessian is affine in y, as for all families but quantiles."""
        return True

    @property
    def quadratic_loss(self) -> bool:
        """Whether the Hessian is that of least squares on the doses."""
        return self.basis_ is None and all(f.is_quadratic for f in self._families())

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of one row: half the deviance.

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
        return self.batch_loss(y, t, theta)

    def mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the mean outcomes of one row.

        Parameters
        ----------
        theta : Tensor of shape (n_params,)
            Parameters.
        t : Tensor of shape () for arms, (n_treatments,) for doses
            Treatment.

        Returns
        -------
        Tensor of shape (n_outcomes,)
            Expected outcomes.
        """
        return self.batch_mean(theta, t)

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes; cells that are NaN add nothing.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (...)
            Losses, summed over outcomes.
        """
        return self.outcome_losses(y, t, theta).sum(-1)

    def outcome_losses(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of every outcome of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes; cells that are NaN add nothing.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_outcomes)
            Losses.
        """
        index, observed = self._index(theta, t), None
        if self.has_missing_:
            observed = ~torch.isnan(y)
            y = torch.where(observed, y, 0.0)
        families = self._families()
        if len(set(families)) == 1:
            loss = families[0].loss(index, y)
        else:
            terms = [f.loss(index[..., m], y[..., m]) for m, f in enumerate(families)]
            loss = torch.stack(terms, dim=-1)
        return loss if observed is None else torch.where(observed, loss, 0.0)

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the mean outcomes of many rows.

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
        return self._mean_of(self._index(theta, t))

    def _mean_of(self, index: Tensor) -> Tensor:
        families = self._families()
        if len(set(families)) == 1:
            return families[0].mean(index)
        return torch.stack([f.mean(index[..., m]) for m, f in enumerate(families)], dim=-1)

    def _index(self, theta: Tensor, t: Tensor) -> Tensor:
        parts = theta.unflatten(-1, (self.n_index_, self.n_outcomes_))
        if self.n_arms_:
            at = t[..., None, None].expand(*t.shape, 1, self.n_outcomes_)
            return torch.gather(parts.expand(*t.shape, -1, -1), -2, at).squeeze(-2)
        columns = t if self.basis_ is None else self.basis_(t)
        return parts[..., 0, :] + (columns.unsqueeze(-1) * parts[..., 1:, :]).sum(-2)

    @torch.enable_grad()
    def hessian_of_doses(self, theta: Tensor, weight: Tensor, t: Tensor) -> Tensor | None:
        """Average the Hessian over doses, by second derivatives by the index alone.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
            Parameters.
        weight : Tensor of shape (n_nodes, n)
            Weights of the doses.
        t : Tensor of shape (n_nodes, n, n_treatments)
            Doses.

        Returns
        -------
        Tensor of shape (n, n_params, n_params) or None
            None for arms, and where the index is not all that the loss depends on.
        """
        if self.n_arms_ or self.n_further or not self.structured_hessian:
            return None
        columns = (t if self.basis_ is None else self.basis_(t)).movedim(-1, 0)
        parts = theta.detach().unflatten(-1, (self.n_index_, self.n_outcomes_))
        index = parts[:, 0].expand(*weight.shape, -1)
        for s, column in enumerate(columns, 1):
            index = torch.addcmul(index, column[..., None], parts[:, s])
        found = theta.new_zeros(len(theta), self.n_index_, self.n_outcomes_, self.n_params_)
        found = found.unflatten(-1, (self.n_index_, self.n_outcomes_))
        for m, family in enumerate(self._families()):
            weighted = weight * family.curvature(index[..., m])
            by_row = [weighted, *(weighted * column for column in columns)]
            for i, left in enumerate(by_row):
                found[:, 0, m, i, m] = found[:, i, m, 0, m] = left.sum(0)
                for j in range(1, i + 1):
                    entry = (left * columns[j - 1]).sum(0)
                    found[:, i, m, j, m] = found[:, j, m, i, m] = entry
        return found.flatten(3).flatten(1, 2)

    # -- what is linear in theta ----------------------------------------------------------------

    def cells(self, theta: Tensor) -> Tensor:
        """Compute the mean outcome in every arm, or return intercept and slopes.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_params)
            Cells.
        """
        if not self.n_arms_:
            return theta
        return self._mean_of(theta.unflatten(-1, (self.n_arms_, self.n_outcomes_))).flatten(-2)

    def of_cells(self) -> IndexModel | None:
        """Return the model whose parameters are the cells.

        Returns
        -------
        IndexModel or None
            With the identity as link of every outcome; None for doses under another link.
        """
        if not self.n_arms_ and not self._has_identity_links:
            return None
        model = copy(self)
        model.is_of_cells_ = True
        return model

    def linear_design(self, t: np.ndarray) -> np.ndarray | None:
        """Return what the slopes are multiplied with, where the mean is linear in theta.

        Parameters
        ----------
        t : ndarray of shape (..., n_treatments)
            Doses.

        Returns
        -------
        ndarray of shape (..., n_slopes) or None
            None for arms and for doses under another link than the identity.
        """
        if self.n_arms_ or not self._has_identity_links:
            return None
        return t if self.basis_ is None else self.basis_(torch.tensor(t)).numpy()

    @property
    def _has_identity_links(self) -> bool:
        return all(family.has_units for family in self._families())
