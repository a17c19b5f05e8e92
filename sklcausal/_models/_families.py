"""How an outcome spreads around an index: loss, mean and start of each family."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Family:
    """Loss and mean as functions of the index ``v``.

    Attributes
    ----------
    loss : callable
        Maps index and outcome to half the deviance, 0 for a perfect fit where that is finite.
    mean : callable
        Maps the index to the expected outcome.
    index : callable
        Maps a weighted sum of outcomes and the sum of weights to the index of their mean, shrunk
        a little towards the middle where that may be infinite.
    has_units : bool, default=False
        Whether the index is in outcome units and may be centred and scaled.
    is_quadratic : bool, default=False
        Whether the loss is half the squared error.
    is_canonical : bool, default=False
        Whether the slope of the loss is the fitted mean less the outcome.
    kind : str, default='continuous'
        Kind of outcome that it takes.
    low, high : float
        Bounds of the outcome.
    excludes_low : bool, default=False
        Whether the lower bound itself is not allowed.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    index: Callable[[float, float], float]
    has_units: bool = False
    is_quadratic: bool = False
    is_canonical: bool = False
    kind: str = "continuous"
    low: float = -np.inf
    high: float = np.inf
    excludes_low: bool = False

    @torch.enable_grad()
    def curvature(self, index: Tensor) -> Tensor:
        """Differentiate the loss twice by the index, with outcomes at their mean.

        Parameters
        ----------
        index : Tensor of any shape

        Returns
        -------
        Tensor of the shape of ``index``
        """
        index = index.detach().requires_grad_(True)
        mean = self.mean(index)
        if self.is_canonical:
            slope = mean
        else:
            loss = self.loss(index, mean.detach()).sum()
            (slope,) = torch.autograd.grad(loss, index, create_graph=True)
        return torch.autograd.grad(slope.sum(), index)[0]


def _squared(index: Tensor, y: Tensor) -> Tensor:
    return 0.5 * (y - index) ** 2


def _as_it_is(index: Tensor) -> Tensor:
    return index


def _logit(index: Tensor, y: Tensor) -> Tensor:
    return F.softplus(index) - y * index


def _fractional(index: Tensor, y: Tensor) -> Tensor:
    return _logit(index, y) + torch.xlogy(y, y) + torch.xlogy(1 - y, 1 - y)


def _probit(index: Tensor, y: Tensor) -> Tensor:
    log_ndtr = torch.special.log_ndtr
    return -y * log_ndtr(index) - (1 - y) * log_ndtr(-index)


def _poisson(index: Tensor, y: Tensor) -> Tensor:
    return torch.exp(index) - y - y * index + torch.xlogy(y, y)


def _gamma(index: Tensor, y: Tensor) -> Tensor:
    return y * torch.exp(-index) + index - torch.log(y) - 1


def _negative_binomial(dispersion: float, index: Tensor, y: Tensor) -> Tensor:
    # softplus(v + log a) = log(1 + a exp(v)), which does not overflow
    size, shift = 1 / dispersion, float(np.log(dispersion))
    fitted = (y + size) * F.softplus(index + shift) - y * index
    return fitted - (y + size) * torch.log1p(dispersion * y) + torch.xlogy(y, y)


def _log_odds(total: float, weight: float) -> float:
    p = (total + 0.5) / (weight + 1)
    return float(np.log(p / (1 - p)))


def _probit_index(total: float, weight: float) -> float:
    return _log_odds(total, weight) / 1.7  # the two links agree to a few hundredths


def _log_mean(total: float, weight: float) -> float:
    return float(np.log((total + 0.5) / (weight + 0.5)))


def _log_positive_mean(total: float, weight: float) -> float:
    return float(np.log(total / weight))


def _nothing(total: float, weight: float) -> float:
    return 0.0  # where outcomes are centred


GAUSSIAN = Family(
    _squared, _as_it_is, _nothing, has_units=True, is_quadratic=True, is_canonical=True
)
LOGIT = Family(_logit, torch.sigmoid, _log_odds, is_canonical=True, kind="binary")
FRACTIONAL = Family(_fractional, torch.sigmoid, _log_odds, is_canonical=True, low=0.0, high=1.0)
PROBIT = Family(_probit, torch.special.ndtr, _probit_index, kind="binary")
POISSON = Family(_poisson, torch.exp, _log_mean, is_canonical=True, kind="count")
GAMMA = Family(_gamma, torch.exp, _log_positive_mean, low=0.0, excludes_low=True)
BY_KIND = {"continuous": GAUSSIAN, "binary": LOGIT, "count": POISSON}


def negative_binomial(dispersion: float) -> Family:
    """Return the family whose variance is ``mean + dispersion * mean ** 2``.

    Parameters
    ----------
    dispersion : float

    Returns
    -------
    Family
    """
    return Family(partial(_negative_binomial, dispersion), torch.exp, _log_mean, kind="count")


def _smoothed_check(quantile: float, bandwidth: float, index: Tensor, y: Tensor) -> Tensor:
    # the check function averaged over a normal error of sd h: u (q - Phi(-u/h)) + h phi(u/h)
    u = (y - index) / bandwidth
    density = torch.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)
    return bandwidth * (u * (quantile - torch.special.ndtr(-u)) + density)


def smoothed_quantile(quantile: float, bandwidth: float) -> Family:
    """Return the family of a conditional quantile, with the check function smoothed.

    Parameters
    ----------
    quantile : float
    bandwidth : float
        In standard deviations of the outcome.

    Returns
    -------
    Family
    """
    return Family(
        partial(_smoothed_check, quantile, bandwidth), _as_it_is, _nothing, has_units=True
    )
