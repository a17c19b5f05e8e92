"""Intercept and slopes, for a dose or several treatments at once."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments
from sklcausal.exceptions import TargetError
from sklcausal.structural._base import StructuralModel, Units


class Linear(StructuralModel):
    """Let the mean outcome be ``a(x) + b(x)'T`` with one slope per treatment.

    Parameters are ordered intercept first, then slopes, outcomes within.

    Notes
    -----
    The outcome is linear in T given x, with slopes that may vary freely with x. Where the true
    dose response is curved, the slope is a weighted average of its derivative.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, section 3.

    Examples
    --------
    >>> from sklcausal.structural import Linear
    >>> Linear()
    Linear()
    """

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> Linear:
        """Learn the numbers of treatments and outcomes.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : Linear
            The model, ready to be used.

        Raises
        ------
        TargetError
            If an outcome is not continuous.
        """
        if set(outcomes.kinds) != {"continuous"}:
            raise TargetError(
                f"`outcome` must be 'continuous' when `T` is a {treatments.kind} treatment, got "
                f"{list(outcomes.kinds)}; pass outcome='continuous' for a model that is linear in "
                "the mean"
            )
        self.n_treatments_ = len(treatments.names)
        self.n_outcomes_ = outcomes.n_outcomes
        self.n_params_ = (1 + self.n_treatments_) * self.n_outcomes_
        return self

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute half the squared error of one row.

        Parameters
        ----------
        y : Tensor of shape (n_outcomes,)
            Outcomes.
        t : Tensor of shape (n_treatments,)
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
        """Compute the mean outcome of one row at treatment t.

        Parameters
        ----------
        theta : Tensor of shape (n_params,)
            Parameters.
        t : Tensor of shape (n_treatments,)
            Treatment.

        Returns
        -------
        Tensor of shape (n_outcomes,)
            Expected outcome.
        """
        return self.batch_mean(theta, t)

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute half the squared error of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes.
        t : Tensor of shape (..., n_treatments)
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (...)
            Losses.
        """
        return 0.5 * ((y - self.batch_mean(theta, t)) ** 2).sum(-1)

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the mean outcomes of many rows.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (..., n_treatments)
            Treatment.

        Returns
        -------
        Tensor of shape (..., n_outcomes)
            Expected outcomes.
        """
        parts = theta.unflatten(-1, (1 + self.n_treatments_, self.n_outcomes_))
        return parts[..., 0, :] + (t.unsqueeze(-1) * parts[..., 1:, :]).sum(-2)

    def standardised_outcomes(self) -> np.ndarray:
        """Tell that every outcome is centred and scaled for training.

        Returns
        -------
        ndarray of bool of shape (n_outcomes,)
            One entry per outcome.
        """
        return np.ones(self.n_outcomes_, dtype=bool)

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map intercept and slopes from the units of training to those of y and T.

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
        parts = theta.reshape(*theta.shape[:2], 1 + self.n_treatments_, self.n_outcomes_)
        scale = units.y_scale[:, None, None, :]
        slopes = parts[:, :, 1:] * scale / units.t_scale[:, None, :, None]
        shift = (slopes * units.t_loc[:, None, :, None]).sum(axis=2, keepdims=True)
        intercept = units.y_loc[:, None, None, :] + scale * parts[:, :, :1] - shift
        return np.concatenate([intercept, slopes], axis=2).reshape(theta.shape)
