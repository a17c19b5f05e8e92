"""Averages of contrasts over a population, from influence values."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import coo_array, csr_array, hstack

POPULATIONS = ("all", "treated", "overlap")


@dataclass(frozen=True)
class Average:
    """Averages with their covariance.

    Attributes
    ----------
    estimate : ndarray of shape (n_estimates,)
        Groups outside, targets within.
    covariance : ndarray of shape (n_estimates, n_estimates)
    n_samples : int
        Rows that were averaged over.
    moves : ndarray of shape (n_samples_in_fit, n_estimates) or None, default=None
        How far each training row moves the estimates; None where they rest on given rows.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    n_samples: int
    moves: np.ndarray | None = None


def combine_repeats(found: list[Average]) -> Average:
    """Take the median over repeated splits, with the variance that the splits add.

    Every repeat contributes its variance plus the squared distance of its estimate from the
    median; the median of these is the variance. Correlations are averaged.

    Parameters
    ----------
    found : list of Average

    Returns
    -------
    Average

    References
    ----------
    .. [1] Chernozhukov et al., "Double/debiased machine learning for treatment and structural
       parameters", Econometrics Journal 2018, definition 3.3.
    """
    if len(found) == 1:
        return found[0]
    estimates = np.stack([own.estimate for own in found])
    estimate = np.median(estimates, axis=0)
    covariances = np.stack([own.covariance for own in found])
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    variance = np.median(variances + (estimates - estimate) ** 2, axis=0)
    error = np.sqrt(np.where(variances > 0, variances, 1.0))
    correlation = (covariances / error[:, :, None] / error[:, None, :]).mean(axis=0)
    covariance = correlation * np.sqrt(np.outer(variance, variance))
    np.fill_diagonal(covariance, variance)
    moves = [own.moves for own in found if own.moves is not None]
    mean = np.mean(moves, axis=0) if len(moves) == len(found) else None
    return Average(estimate, covariance, found[0].n_samples, mean)


def ratio_average(
    numerator: np.ndarray,
    denominator: np.ndarray,
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Divide weighted sums.

    Parameters
    ----------
    numerator : ndarray of shape (n, n_targets)
    denominator : ndarray of shape (n, 1) or (n, n_targets)
    weight : ndarray of shape (n,)

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    move : ndarray of shape (n, n_targets)
        How far each row moves the estimates.
    """
    total = weight @ denominator
    estimate = (weight @ numerator) / total
    return estimate, weight[:, None] * (numerator - denominator * estimate) / total


def covariance_of_moves(
    moves: list[np.ndarray], rows: list[np.ndarray], cluster: np.ndarray | None
) -> np.ndarray:
    """Compute the covariance of estimates from disjoint groups of rows.

    Parameters
    ----------
    moves : list of ndarray of shape (n_rows, n_targets)
        How far the rows of a group move its estimates.
    rows : list of ndarray of int
        Rows of each group.
    cluster : ndarray of int of shape (n,) or None
        Errors are summed within clusters, which may reach over groups.

    Returns
    -------
    ndarray of shape (n_groups * n_targets, n_groups * n_targets)
    """
    if cluster is None:
        return block_diag(*[m.T @ m * (len(m) / max(len(m) - 1, 1)) for m in moves])
    n_clusters = cluster.max() + 1
    parts = []
    for move, own in zip(moves, rows, strict=True):
        n_own = len(np.unique(cluster[own]))
        places = (cluster[own], np.arange(len(own)))
        summed = coo_array((np.ones(len(own)), places), (n_clusters, len(own))).tocsr() @ move
        parts.append(csr_array(summed * np.sqrt(n_own / max(n_own - 1, 1))))
    joint = hstack(parts)
    return (joint.T @ joint).toarray()


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
    is_known: bool,
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Average contrasts with weights ``h = 1 / sum_a (1 / pi_a)``.

    Where propensities are estimated, so are the weights: both sums are corrected by the influence
    ``D = h^2 sum_a (1{T = a} - pi_a) / pi_a^2`` of the weights.

    Parameters
    ----------
    psi, value : ndarray of shape (n, n_targets)
        Influence values and plug-in values of the contrasts.
    t : ndarray of int of shape (n,)
    propensity : ndarray of shape (n, n_arms)
    is_known : bool
        Whether the propensities are those of a trial.
    weight : ndarray of shape (n,)

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    move : ndarray of shape (n, n_targets)
        How far each row moves the estimates.

    References
    ----------
    .. [1] Li, Li, "Propensity score weighting for causal inference with multiple treatments",
       Annals of Applied Statistics 2019, doi 10.1214/19-AOAS1282.
    """
    h = overlap_weight(propensity)[:, None]
    if is_known:
        return ratio_average(h * psi, h, weight)
    surprise = (np.eye(propensity.shape[1])[t] - propensity) / propensity**2
    change = h**2 * surprise.sum(axis=1, keepdims=True)
    return ratio_average(h * psi + change * value, h + change, weight)


def treated_average(
    psi: np.ndarray,
    value: np.ndarray,
    treated: np.ndarray,
    propensity: np.ndarray,
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Average contrasts over those who received the treatment.

    The influence value is ``[1{T=a} tau(x) + pi_a (psi - tau(x))] / P(T=a)``, which is
    ``[1{T=a}(y - mu_0) - (pi_a / pi_0) 1{T=0}(y - mu_0)] / P(T=a)`` where every outcome is
    observed.

    Parameters
    ----------
    psi, value : ndarray of shape (n, n_targets)
        Influence values and plug-in values of the contrasts.
    treated : ndarray of bool of shape (n, n_targets)
        Who received the treatment.
    propensity : ndarray of shape (n, n_targets)
        Of the treatment.
    weight : ndarray of shape (n,)

    Returns
    -------
    estimate : ndarray of shape (n_targets,)
    move : ndarray of shape (n, n_targets)
        How far each row moves the estimates.
    """
    numerator = treated * value + propensity * (psi - value)
    return ratio_average(numerator, treated.astype(float), weight)
