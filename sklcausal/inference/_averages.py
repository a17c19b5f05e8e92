"""Averages of contrasts over a population, from influence values."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

POPULATIONS = ("all", "treated", "overlap")


def ratio_average(
    numerator: np.ndarray,
    denominator: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray | None = None,
    extra: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Divide weighted sums, with the covariance of the ratios.

    Parameters
    ----------
    numerator : ndarray of shape (n, n_targets)
    denominator : ndarray of shape (n, 1) or (n, n_targets)
    weight : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None
        Errors are summed within clusters.
    extra : ndarray of shape (n, n_targets) or float
        What the influence value of the numerator has beside it, given the estimate.

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    covariance : ndarray of shape (n_targets, n_targets)
    """
    total = weight @ denominator
    estimate = (weight @ numerator) / total
    error = weight[:, None] * (numerator - denominator * estimate + extra) / total
    if cluster is not None:
        _, codes = np.unique(cluster, return_inverse=True)
        summed = np.zeros((codes.max() + 1, error.shape[1]))
        np.add.at(summed, codes, error)
        error = summed
    n = len(error)
    return estimate, error.T @ error * (n / max(n - 1, 1))


def overlap_weight(propensity: np.ndarray) -> np.ndarray:
    """Compute how open each person's treatment was: the harmonic mean of the propensities.

    Parameters
    ----------
    propensity : ndarray of shape (n, n_arms)

    Returns
    -------
    ndarray of shape (n,)
    """
    return 1 / (1 / propensity).sum(axis=1)


def overlap_average(
    psi: np.ndarray,
    value: np.ndarray,
    t: np.ndarray,
    propensity: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average contrasts with weights ``h = 1 / sum_a (1 / pi_a)``.

    Parameters
    ----------
    psi, value : ndarray of shape (n, n_targets)
        Influence values and plug-in values of the contrasts.
    t : ndarray of int of shape (n,)
    propensity : ndarray of shape (n, n_arms)
    weight : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    covariance : ndarray of shape (n_targets, n_targets)

    References
    ----------
    .. [1] Li, Li, "Propensity score weighting for causal inference with multiple treatments",
       Annals of Applied Statistics 2019, doi 10.1214/19-AOAS1282.
    """
    h = overlap_weight(propensity)[:, None]
    estimate = (weight @ (h * psi)) / (weight @ h)
    # the weights depend on propensities, whose own influence is 1{T = a} - pi_a
    surprise = (np.eye(propensity.shape[1])[t] - propensity) / propensity**2
    extra = h**2 * surprise.sum(axis=1, keepdims=True) * (value - estimate)
    return ratio_average(h * psi, h, weight, cluster, extra)


def treated_average(
    y: np.ndarray,
    baseline: np.ndarray,
    treated: np.ndarray,
    control: np.ndarray,
    odds: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average contrasts over those who received the treatment.

    The influence value is ``[1{T=a}(y - mu_0) - (pi_a / pi_0) 1{T=0}(y - mu_0)] / P(T=a)``.

    Parameters
    ----------
    y, baseline : ndarray of shape (n, n_targets)
        Outcome and its modelled mean under the reference arm.
    treated, control : ndarray of bool of shape (n, n_targets)
        Who received the treatment and who the reference arm.
    odds : ndarray of shape (n, n_targets)
        Propensity of the treatment over that of the reference arm.
    weight : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    covariance : ndarray of shape (n_targets, n_targets)
    """
    numerator = (treated - odds * control) * (y - baseline)
    return ratio_average(numerator, treated.astype(float), weight, cluster)
