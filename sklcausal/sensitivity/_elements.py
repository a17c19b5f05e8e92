"""What bounds of hidden confounding are computed from, with its covariance."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sklcausal._models._base import StructuralModel
from sklcausal.exceptions import ModelError, OverlapWarning
from sklcausal.inference._averages import (
    Average,
    combine_repeats,
    covariance_of_moves,
    ratio_average,
)
from sklcausal.utils._final_step import find_fitted
from sklcausal.utils._warn import warn_user

TOLERANCE = 1e-6
MAX_CHECKED = 1_000
LEAST = 0.5


@dataclass(frozen=True)
class Elements:
    """Average effects, residual variances and second moments of representers.

    Attributes
    ----------
    estimate : ndarray of shape (n_targets, 3)
        Effect, mean squared residual and mean squared representer.
    covariance : ndarray of shape (n_targets, 3, 3)
    names : list of str
    n_samples : int
    limits : tuple of ndarray of shape (n_targets,)
        Smallest and largest possible effects.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    names: list[str]
    n_samples: int
    limits: tuple[np.ndarray, np.ndarray]

    @classmethod
    def read(
        cls,
        found: list[Average],
        names: Sequence[str],
        limits: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Elements:
        """Combine what repeated splits say, and sort it by target.

        Parameters
        ----------
        found : list of Average
            From `average_elements`.
        names : sequence of str
        limits : tuple of ndarray of shape (n_targets,), or None, default=None

        Returns
        -------
        Elements
        """
        both = combine_repeats(found)
        n = len(names)
        at = np.arange(3 * n).reshape(3, n).T
        covariance = np.stack([both.covariance[np.ix_(own, own)] for own in at])
        most = np.full(n, np.inf)
        limits = (-most, most) if limits is None else limits
        elements = cls(both.estimate[at], covariance, list(names), both.n_samples, limits)
        for j, what in ((1, "residual"), (2, "representer")):
            idle = elements.estimate[:, j] <= 0
            if idle.any():
                at_fault = int(idle.argmax())
                came = elements.estimate[at_fault, j]
                reason = "there is nothing that a hidden confounder could have moved"
                if came < 0:
                    reason = "`representer_functional` is not that of this representer"
                raise ValueError(
                    f"the mean squared {what} must be positive, got {came:.3g} for "
                    f"{elements.names[at_fault]!r}: {reason}"
                )
        return elements


def average_elements(
    psi: np.ndarray,
    residual: np.ndarray,
    alpha: np.ndarray,
    functional: np.ndarray | None,
    weight: np.ndarray,
    cluster: np.ndarray | None,
    least: float = 0.0,
) -> Average:
    """Average influence values, squared residuals and squared representers jointly.

    Parameters
    ----------
    psi, residual, alpha : ndarray of shape (n_samples, n_targets)
    functional : ndarray of shape (n_samples, n_targets) or None
        ``m(W; alpha)``. With it the mean of ``2 m(W; alpha) - alpha^2`` is taken, in which errors
        of a learned representer cancel to first order.
    weight : ndarray of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None
    least : float, default=0.0
        Share of the mean of ``m(W; alpha)`` below which that is taken instead, since the other is
        too small by the mean squared error of the representer.

    Returns
    -------
    Average
        All effects, then all variances, then all second moments.
    """
    squares = alpha**2
    if functional is not None:
        debiased, plain = 2 * functional - squares, weight @ functional
        low = (weight @ debiased <= least * plain) & (plain > 0)
        if low.any():
            warn_user(
                "the representer fits so badly that the debiased estimate of its second moment is "
                f"{(weight @ debiased)[low][0] / weight.sum():.3g}, where the plain one is "
                f"{plain[low][0] / weight.sum():.3g}; the plain one is taken, and bounds are "
                "rough. Look at OverlapDisplay, or fit with a larger propensity_clip",
                OverlapWarning,
            )
        squares = np.where(low, functional, debiased)
    columns = np.hstack([psi, residual**2, squares])
    estimate, move = ratio_average(columns, np.ones((len(psi), 1)), weight)
    covariance = covariance_of_moves([move], [np.arange(len(psi))], cluster)
    return Average(estimate, covariance, len(psi))


def find_elements(estimator: Any, T0: Any, T1: Any) -> Elements:
    """Read from a fitted estimator what bounds are computed from.

    Parameters
    ----------
    estimator : estimator
        Fitted effect estimator, or a pipeline or search that ends in one.
    T0, T1 : label or dose
        Treatments to compare; None takes the default.

    Returns
    -------
    Elements
    """
    final = find_fitted(estimator)
    if not hasattr(final, "_representers"):
        raise TypeError(
            f"{type(final).__name__} has no representer of its average effect; use "
            "omitted_variable_bounds with arrays"
        )
    contrast = final.contrasts_(T0, T1)
    found = []
    for engine, own in zip(
        final.engines_, final._representers(contrast, "a sensitivity analysis"), strict=True
    ):
        _check_linear(final.model_, engine.corrections.theta, own, engine.t)
        parts = own.psi, own.residual, own.alpha, own.contrast
        found.append(average_elements(*parts, engine.weight, engine.cluster, LEAST))
    names = list(contrast.names)
    if not final.outcomes_.one_dim:
        names = [f"{name}: {outcome}" for name in names for outcome in final.outcome_names_]
    return Elements.read(found, names, final._limits_of(len(names)))


@torch.inference_mode(False)
def _check_linear(model: StructuralModel, theta: np.ndarray, own: Any, t: np.ndarray) -> None:
    """Refuse effects that are no linear functional of the mean outcome in the model."""
    size = np.abs(own.psi).max(axis=0)
    gap = np.abs(own.psi - own.value - own.alpha * own.residual).max(axis=0)
    is_aipw = bool((gap <= TOLERANCE * size).all())
    saturated = t.ndim == 1 and model.of_cells() is not None
    if not is_aipw or not (saturated or _is_affine(model, theta, t)):
        raise ModelError(
            "bounds on omitted-variable bias need an average effect that is a linear functional "
            "of the mean outcome: arms with a mean each, or a mean that is linear in the "
            f"parameters (identity link), got {model!r} for "
            f"{'arms' if t.ndim == 1 else 'doses'}"
        )


def _is_affine(model: StructuralModel, theta: np.ndarray, t: np.ndarray) -> bool:
    """Tell whether the mean is affine in theta, by comparing sums of parameters."""
    rows = slice(None, None, 1 + len(theta) // MAX_CHECKED)
    first, dose = torch.tensor(theta[rows]), torch.tensor(t[rows])
    # as far apart as parameters of different rows are, and never all the same
    second = first.flip(0) + first.abs().mean(dim=0) + 1.0
    nil = torch.zeros_like(first)
    both, zero, one, two = (
        model.batch_mean(at, dose).detach() for at in (first + second, nil, first, second)
    )
    return bool(
        torch.allclose(both + zero, one + two, rtol=1e-8, atol=1e-8 * float(both.abs().max()))
    )
