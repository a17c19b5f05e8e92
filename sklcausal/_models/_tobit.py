"""Tobit: an outcome that is cut at a bound."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models._base import StructuralModel
from sklcausal._models._families import GAUSSIAN, Family
from sklcausal._models._index import IndexModel
from sklcausal._models._units import Units
from sklcausal.exceptions import TargetError

N_NODES = 41


class Tobit(IndexModel):
    """Let a latent normal outcome be cut at bounds, with its index and its scale varying with x.

    Parameters are those of the index, as in `Linear`, and last the logarithm of the latent
    standard deviation.

    Parameters
    ----------
    lower : float or None, default=0.0
        Bound below which the latent outcome is not seen.
    upper : float or None, default=None
        Bound above which it is not seen.
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    Notes
    -----
    Effects are on the mean of what is seen, cut at the bounds; the index gives those on the latent
    outcome. The latent outcome must be normal given x and T. The expected Hessian is averaged
    over that law.

    References
    ----------
    .. [1] Tobin, "Estimation of relationships for limited dependent variables", Econometrica
       1958.

    Examples
    --------
    >>> from sklcausal.structural import Tobit
    >>> Tobit(upper=10.0)
    Tobit(upper=10.0)
    """

    outcome_kind = "continuous"
    n_further: ClassVar[int] = 1
    is_deviance: ClassVar[bool] = False
    n_outcome_nodes: ClassVar[int] = N_NODES

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **IndexModel._parameter_constraints,
        "lower": [Real, None],
        "upper": [Real, None],
    }

    def __init__(
        self, *, lower: float | None = 0.0, upper: float | None = None, basis: Any = None
    ):
        super().__init__(basis=basis)
        self.lower, self.upper = lower, upper

    def _family(self, kind: str, m: int) -> Family:
        return GAUSSIAN

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> Tobit:
        """Learn the numbers of arms and treatments.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : Tobit
            The model, ready to be used.

        Raises
        ------
        TargetError
            If there are several outcomes, or y is not continuous.
        ValueError
            If there are no bounds, or they are not in order.
        """
        self._validate_params()
        low, high = self._bounds()
        if not low < high or not (np.isfinite(low) or np.isfinite(high)):
            raise ValueError(
                "`lower` must be below `upper` and one of them given, got "
                f"lower={self.lower!r} and upper={self.upper!r}"
            )
        if outcomes.n_outcomes != 1 or outcomes.has_missing:
            raise TargetError(
                f"`y` must be a single outcome without NaN for Tobit, got {list(outcomes.names)}"
            )
        super().setup(treatments, outcomes)
        return self

    def learn(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> Tobit:
        """Learn the basis, and check that outcomes lie within the bounds.

        Parameters
        ----------
        y : ndarray of shape (n_samples, 1)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        self : Tobit
            The model, ready to be used.

        Raises
        ------
        TargetError
            If an outcome is out of bounds.
        """
        low, high = self._bounds()
        if y.min() < low or y.max() > high:
            raise TargetError(
                f"`y` must lie between {low:g} and {high:g} for {self!r}, got {y.min():g} to "
                f"{y.max():g}"
            )
        super().learn(y, t, weight)
        return self

    def _bounds(self) -> tuple[float, float]:
        return (
            -np.inf if self.lower is None else float(self.lower),
            np.inf if self.upper is None else float(self.upper),
        )

    @property
    def can_be_calibrated(self) -> bool:
        """Whether Fisher's scoring is worth its price, which it is not over so many outcomes."""
        return False

    @property
    def diagonal_hessian(self) -> bool:
        """Whether every outcome depends on one parameter, which is not so."""
        return False

    @property
    def quadratic_loss(self) -> bool:
        """Whether the Hessian is that of least squares, which is not so."""
        return False

    def _split(self, theta: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return self._index(theta[..., :-1], t)[..., 0], theta[..., -1]

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the negative log-likelihood of many rows, up to a constant.

        Parameters
        ----------
        y : Tensor of shape (..., 1)
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
        index, log_scale = self._split(theta, t)
        seen, shrink = y[..., 0], torch.exp(-log_scale)
        loss = 0.5 * ((seen - index) * shrink) ** 2 + log_scale
        log_ndtr = torch.special.log_ndtr
        for bound, sign in zip(self._bounds(), (1.0, -1.0), strict=True):
            if np.isfinite(bound):
                is_cut = sign * seen <= sign * bound
                # rows that are not cut must not send infinite gradients through the other branch
                z = torch.where(is_cut, sign * (bound - index) * shrink, 0.0)
                loss = torch.where(is_cut, -log_ndtr(z), loss)
        return loss

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the mean of what is seen, of many rows.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.

        Returns
        -------
        Tensor of shape (..., 1)
            Expected outcomes.
        """
        index, log_scale = self._split(theta, t)
        scale = torch.exp(log_scale)
        mean = index
        for bound, sign in zip(self._bounds(), (1.0, -1.0), strict=True):
            if np.isfinite(bound):
                # E max(bound - latent, 0) = s (z Phi(z) + phi(z)) is what the bound adds
                z = sign * (bound - index) / scale
                density = torch.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
                mean = mean + sign * scale * (z * torch.special.ndtr(z) + density)
        return mean.unsqueeze(-1)

    def outcome_nodes(self, theta: Tensor, t: Tensor) -> list[tuple[float, Tensor]]:
        """Spread outcomes over the modelled law.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.

        Returns
        -------
        list of tuple of float and Tensor of shape (..., 1)
            Shares and outcomes.
        """
        index, log_scale = self._split(theta, t)
        edges = norm.pdf(norm.ppf(np.linspace(0, 1, N_NODES + 1)))
        steps = (edges[:-1] - edges[1:]) * N_NODES  # means of bins of equal probability
        low, high = self._bounds()
        return [
            (1 / N_NODES, (index + z * torch.exp(log_scale)).clamp(low, high).unsqueeze(-1))
            for z in (steps / steps.std()).tolist()
        ]

    def of_cells(self) -> None:
        """Return nothing, since effects are no linear combinations of parameters."""

    def linear_design(self, t: np.ndarray) -> None:
        """Return nothing, since the mean is not linear in theta.

        Parameters
        ----------
        t : ndarray
            Ignored.
        """

    def cells(self, theta: Tensor) -> Tensor:
        """Return the parameters.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_params)
            The same.
        """
        return theta

    def start(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Start at the mean and standard deviation of what is seen.

        Parameters
        ----------
        y : ndarray of shape (n_samples, 1)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Constant parameters.
        """
        mean = np.average(y[:, 0], weights=weight)
        scale = np.sqrt(np.average((y[:, 0] - mean) ** 2, weights=weight))
        index = np.full(self.n_index_, mean)
        if not self.n_arms_:
            index[1:] = 0.0
        return np.append(index, np.log(max(scale, 1e-12)))

    def anchor(
        self, y: np.ndarray, t: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Choose the best constant and the scale on which rows pull it.

        Parameters
        ----------
        y : ndarray of shape (n_samples, 1)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        constant : ndarray of shape (n_params,)
            Best constant parameters.
        spread : ndarray of shape (n_params, n_params)
            Scale of the network's outputs.
        """
        return StructuralModel.anchor(self, y, t, weight)

    def standardises(self) -> tuple[np.ndarray, np.ndarray]:
        """Tell that nothing is standardised, since bounds are in outcome units.

        Returns
        -------
        outcomes : ndarray of bool of shape (1,)
            False.
        treatments : ndarray of bool of shape (n_treatments,)
            False.
        """
        return StructuralModel.standardises(self)

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Return theta, which is in outcome units.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)
            Parameters.
        units : Units
            Ignored.

        Returns
        -------
        ndarray of shape (n_members, n, n_params)
            The same.
        """
        return theta

    def param_names(self, treatments: Treatments, outcomes: Outcomes) -> list[str]:
        """Name the parameters.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        list of str
            One name for each parameter.
        """
        return [*super().param_names(treatments, outcomes), "log of the standard deviation"]
