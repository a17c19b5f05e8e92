"""One mean per arm and outcome, for treatments that are arms."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sklcausal._encoding import Outcomes, Treatments
from sklcausal.exceptions import TargetError
from sklcausal.structural._base import StructuralModel, Units


class PotentialOutcomes(StructuralModel):
    """Let theta(x) be the mean outcome in every arm, on the scale of the canonical link.

    The link follows the kind of the outcome: identity for continuous, logit for binary, log for
    counts. Parameters are ordered arm by arm, outcomes within.

    Notes
    -----
    With one parameter per arm the expected Hessian is diagonal and the influence values of a
    difference in means are those of augmented inverse-propensity weighting for every canonical
    link ([1]_, section 3).

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694.

    Examples
    --------
    >>> from sklcausal.structural import PotentialOutcomes
    >>> PotentialOutcomes()
    PotentialOutcomes()
    """

    diagonal_hessian = True

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> PotentialOutcomes:
        """Learn the numbers of arms and outcomes.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : PotentialOutcomes
            The model, ready to be used.

        Raises
        ------
        TargetError
            If the treatment is not discrete.
        """
        if treatments.kind != "discrete":
            raise TargetError(
                f"PotentialOutcomes needs arms, but `T` was read as {treatments.kind}"
            )
        self.n_arms_ = treatments.n_arms
        self.kinds_ = outcomes.kinds
        self.has_missing_ = outcomes.has_missing
        self.n_params_ = self.n_arms_ * len(self.kinds_)
        return self

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the negative log-likelihood of one row, up to constants.

        Parameters
        ----------
        y : Tensor of shape (n_outcomes,)
            Outcomes.
        t : Tensor of int of shape ()
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
        """Compute the mean outcome of one row in arm t.

        Parameters
        ----------
        theta : Tensor of shape (n_params,)
            Parameters.
        t : Tensor of int of shape ()
            Treatment.

        Returns
        -------
        Tensor of shape (n_outcomes,)
            Expected outcome.
        """
        return self.batch_mean(theta, t)

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the loss of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes; cells that are NaN add nothing.
        t : Tensor of int of shape (...)
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (...)
            Losses.
        """
        index = self._index(theta, t)
        observed = None
        if self.has_missing_:
            observed = ~torch.isnan(y)
            y = torch.where(observed, y, 0.0)
        if len(set(self.kinds_)) == 1:
            loss = _LOSSES[self.kinds_[0]](index, y)
        else:
            terms = [_LOSSES[k](index[..., m], y[..., m]) for m, k in enumerate(self.kinds_)]
            loss = torch.stack(terms, dim=-1)
        return (loss if observed is None else torch.where(observed, loss, 0.0)).sum(-1)

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the mean outcomes of many rows.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of int of shape (...)
            Treatment.

        Returns
        -------
        Tensor of shape (..., n_outcomes)
            Expected outcomes.
        """
        index = self._index(theta, t)
        columns = [_MEANS[kind](index[..., m]) for m, kind in enumerate(self.kinds_)]
        return torch.stack(columns, dim=-1)

    def cells(self, theta: Tensor) -> Tensor:
        """Compute the mean outcome in every arm.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_arms * n_outcomes)
            Cells.
        """
        if set(self.kinds_) == {"continuous"}:
            return theta
        by_arm = theta.unflatten(-1, (self.n_arms_, len(self.kinds_)))
        columns = [_MEANS[kind](by_arm[..., m]) for m, kind in enumerate(self.kinds_)]
        return torch.stack(columns, dim=-1).flatten(-2)

    def _index(self, theta: Tensor, t: Tensor) -> Tensor:
        by_arm = theta.unflatten(-1, (self.n_arms_, len(self.kinds_)))
        at = t[..., None, None].expand(*t.shape, 1, len(self.kinds_))
        return torch.gather(by_arm.expand(*t.shape, -1, -1), -2, at).squeeze(-2)

    def start(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Start at the link of each outcome's mean, shrunk a little towards the middle.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        t : ndarray of shape (n_samples,)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Constant parameters.
        """
        centre = np.zeros(len(self.kinds_))
        for m, kind in enumerate(self.kinds_):
            seen = ~np.isnan(y[:, m])
            total, own = weight[seen].sum(), weight[seen] @ y[seen, m]
            if kind == "binary":
                p = (own + 0.5) / (total + 1)
                centre[m] = np.log(p / (1 - p))
            elif kind == "count":
                centre[m] = np.log((own + 0.5) / (total + 0.5))
        return np.tile(centre, self.n_arms_)

    def standardised_outcomes(self) -> np.ndarray:
        """Tell which outcomes are continuous.

        Returns
        -------
        ndarray of bool of shape (n_outcomes,)
            One entry per outcome.
        """
        return np.array([kind == "continuous" for kind in self.kinds_])

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map theta from the units of training to those of y.

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
        loc = np.tile(units.y_loc, self.n_arms_)[:, None, :]
        return loc + theta * np.tile(units.y_scale, self.n_arms_)[:, None, :]


_LOSSES = {
    "continuous": lambda index, y: 0.5 * (y - index) ** 2,
    "binary": lambda index, y: F.softplus(index) - y * index,
    # half the deviance: 0 for a perfect fit, however large the counts are
    "count": lambda index, y: torch.exp(index) - y - y * index + torch.xlogy(y, y),
}
_MEANS = {"continuous": lambda index: index, "binary": torch.sigmoid, "count": torch.exp}
