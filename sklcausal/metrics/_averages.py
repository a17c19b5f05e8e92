"""Averages over rows with their covariance."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._encoding import check_cluster
from sklcausal.exceptions import TargetError
from sklcausal.inference._averages import covariance_of_moves
from sklcausal.metrics._inputs import Study
from sklcausal.targets import as_column_array, check_lengths


def read_cluster(cluster: Any, study: Study) -> np.ndarray | None:
    """Read labels of clusters.

    Parameters
    ----------
    cluster : array-like of shape (n_samples,) or None
    study : Study

    Returns
    -------
    ndarray of int of shape (n_samples,) or None
    """
    if cluster is None:
        return None
    labels = as_column_array(cluster, "cluster")
    check_lengths({"cluster": labels, "T": study.t})
    codes = check_cluster(labels)
    if codes is not None and codes.max() < 1:
        raise TargetError(f"`cluster` must hold at least 2 labels, got 1: {labels[:1].tolist()}")
    return codes


def share_moves(study: Study) -> np.ndarray:
    """Compute how far each row moves the shares of the arms.

    Parameters
    ----------
    study : Study

    Returns
    -------
    ndarray of shape (n_samples, n_contrasts)
    """
    taken = study.t[:, None] == study.others
    return study.weight[:, None] * (taken - study.weight @ taken)


def given_shares(covariance: np.ndarray, n_targets: int) -> np.ndarray:
    """Compute the covariance of estimates that divide by the shares of the arms.

    Scores that divide by the shares of a trial are more exact than scores that divide by the
    probabilities behind them: chance differences between arms cancel in part. What is left is the
    covariance of the estimates given the shares.

    Parameters
    ----------
    covariance : ndarray of shape (n_targets + n_contrasts, n_targets + n_contrasts)
        Of the estimates, as if probabilities were known, and of the shares.
    n_targets : int

    Returns
    -------
    ndarray of shape (n_targets, n_targets)
    """
    own, cross = covariance[:n_targets, :n_targets], covariance[:n_targets, n_targets:]
    left = own - cross @ np.linalg.lstsq(covariance[n_targets:, n_targets:], cross.T)[0]
    # rounding must not leave a negative variance where the shares explain everything
    np.fill_diagonal(left, np.maximum(np.diag(left), 0.0))
    return left


def covariance_of(
    moves: np.ndarray, study: Study, cluster: Any, divides_by_shares: bool
) -> np.ndarray:
    """Compute the covariance of estimates from how far each row moves them.

    Parameters
    ----------
    moves : ndarray of shape (n_samples, n_targets)
    study : Study
    cluster : array-like of shape (n_samples,) or None
    divides_by_shares : bool
        Whether propensities are the shares of the arms.

    Returns
    -------
    ndarray of shape (n_targets, n_targets)
    """
    n_targets = moves.shape[1]
    if divides_by_shares:
        moves = np.hstack([moves, share_moves(study)])
    rows = [np.arange(len(moves))]
    covariance = covariance_of_moves([moves], rows, read_cluster(cluster, study))
    return given_shares(covariance, n_targets) if divides_by_shares else covariance
