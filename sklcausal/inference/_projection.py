"""Project an orthogonal signal on what the networks learned, fold by fold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sklcausal.inference._splines import AdditiveSplines

ROWS_PER_FEATURE = 3
FEATURES_AT_2000, MOST_FEATURES = 40, 100
LEARNED_SHARE = 0.2
SMALLEST_EIGENVALUE = 1e-5


@dataclass
class FoldProjection:
    """Regression of the signal within one fold on features learned without it.

    Attributes
    ----------
    splines : AdditiveSplines
    centre : ndarray of shape (n_raw,)
    whiten : ndarray of shape (n_raw, n_kept)
    coef : ndarray of shape (n_kept + 1, n_outputs)
    root : ndarray of shape (n_outputs * (n_kept + 1), n_outputs * (n_kept + 1))
        Root R of the covariance R'R of ``coef``, outputs outside.
    """

    splines: AdditiveSplines
    centre: np.ndarray
    whiten: np.ndarray
    coef: np.ndarray
    root: np.ndarray

    def basis(self, learned: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Compute the regressors of rows.

        Parameters
        ----------
        learned : ndarray of shape (n, n_learned)
            Features of the fold's member.
        X : ndarray of shape (n, n_features)
            Covariates that the member reads.

        Returns
        -------
        ndarray of shape (n, n_kept + 1)
        """
        raw = np.hstack([learned, self.splines.transform(X)])
        return np.hstack([np.ones((len(raw), 1)), (raw - self.centre) @ self.whiten])


def fit_projection(
    learned: np.ndarray,
    X: np.ndarray,
    importance: np.ndarray,
    psi: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray | None,
    n_features: int,
) -> FoldProjection:
    """Regress the signal of a fold by weighted least squares with an HC3 sandwich.

    A fifth of the features are principal components of the network's last layers; the others
    are splines of the columns that its gates let through.

    Parameters
    ----------
    learned : ndarray of shape (n, n_learned)
        Features from a member that never saw these rows.
    X : ndarray of shape (n, n_features)
        Covariates that the member reads.
    importance : ndarray of shape (n_features,)
        Of each column to the member.
    psi : ndarray of shape (n, n_outputs)
        Signal.
    weight : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None
        Errors are summed within clusters.
    n_features : int
        Most features to use.

    Returns
    -------
    FoldProjection

    References
    ----------
    .. [1] Semenova, Chernozhukov, "Debiased machine learning of conditional average treatment
       effects and other causal functions", Econometrics Journal 2021, section 2.
    """
    n_learned = min(round(LEARNED_SHARE * n_features), n_features)
    splines = AdditiveSplines.learn(X, importance, n_features - n_learned)
    raw = np.hstack([learned, splines.transform(X)])
    share = weight / weight.sum()
    centre = share @ raw
    centred = raw - centre
    whiten = _whitening(centred, share, learned.shape[1], n_learned)
    basis = np.hstack([np.ones((len(raw), 1)), centred @ whiten])
    gram = (basis * weight[:, None]).T @ basis
    coef = np.linalg.solve(gram, (basis * weight[:, None]).T @ psi)
    leverage = weight * np.einsum("nq,qn->n", basis, np.linalg.solve(gram, basis.T))
    error = weight[:, None] * (psi - basis @ coef) / (1 - np.minimum(leverage, 0.99))[:, None]
    n_outputs = psi.shape[1]
    moves = (error[:, :, None] * basis[:, None, :]).reshape(len(raw), -1)
    if cluster is not None:
        moves = _sum_by(moves, cluster)
    # rows of `moves` over the Gram matrix are the influence of a row on the coefficients
    blocks = moves.reshape(-1, basis.shape[1]).T
    influence = np.linalg.solve(gram, blocks).T.reshape(len(moves), -1)
    root = np.linalg.qr(influence, mode="r")
    full = np.zeros((n_outputs * basis.shape[1],) * 2)
    full[: len(root)] = root
    return FoldProjection(splines, centre, whiten, coef, full)


def _whitening(
    centred: np.ndarray, share: np.ndarray, n_raw_learned: int, n_learned: int
) -> np.ndarray:
    """Keep principal components of the learned features, all splines, and whiten them jointly."""
    covariance = (centred * share[:, None]).T @ centred
    values, vectors = np.linalg.eigh(covariance[:n_raw_learned, :n_raw_learned])
    kept = np.flatnonzero(values > SMALLEST_EIGENVALUE * max(values[-1], 1e-300))[::-1]
    kept = kept[:n_learned]
    first = np.zeros((len(covariance), len(kept) + len(covariance) - n_raw_learned))
    first[:n_raw_learned, : len(kept)] = vectors[:, kept] / np.sqrt(values[kept])
    spread = np.sqrt(np.diag(covariance)[n_raw_learned:])
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1.0), 0.0)
    first[n_raw_learned:, len(kept) :] = np.diag(scale)
    if not first.shape[1]:
        return first
    values, vectors = np.linalg.eigh(first.T @ covariance @ first)
    usable = values > SMALLEST_EIGENVALUE * values[-1]
    return first @ (vectors[:, usable] / np.sqrt(values[usable]))


def _sum_by(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _, codes = np.unique(labels, return_inverse=True)
    total = np.zeros((codes.max() + 1, values.shape[1]))
    np.add.at(total, codes, values)
    return total


def allowed_features(n_features: int | str, n_samples: int, arm_rows: np.ndarray) -> int:
    """Limit the number of features by the smallest arm of a fold.

    Parameters
    ----------
    n_features : int or 'auto'
        As asked for. 'auto' grows with the cube root of the rows, so that what the features
        cannot express shrinks along with the noise.
    n_samples : int
    arm_rows : ndarray of int of shape (n_folds, n_arms)
        Rows of each arm in each fold.

    Returns
    -------
    int
    """
    if isinstance(n_features, str):
        n_features = min(MOST_FEATURES, round(FEATURES_AT_2000 * (n_samples / 2000) ** (1 / 3)))
    return int(min(n_features, arm_rows.min() // ROWS_PER_FEATURE))


def moves_of_projection(
    folds: Sequence[FoldProjection], bases: Sequence[np.ndarray], combine: np.ndarray
) -> Iterator[np.ndarray]:
    """Compute how independent standard normal errors move the projected contrasts of rows.

    Parameters
    ----------
    folds : sequence of FoldProjection
    bases : sequence of ndarray of shape (n, n_coef), one per fold
        Regressors at the rows.
    combine : ndarray of shape (n_contrasts, n_outputs)
        Contrasts as combinations of the outputs.

    Yields
    ------
    ndarray of shape (n, n_contrasts, n_root)
        One per fold; folds are independent.
    """
    for fold, basis in zip(folds, bases, strict=True):
        root = fold.root.reshape(len(fold.root), combine.shape[1], -1)
        by_contrast = np.einsum("co,roq->cqr", combine, root)
        yield np.stack([basis @ part for part in by_contrast], axis=1) / len(folds)


def evaluate_projection(
    folds: Sequence[FoldProjection],
    bases: Sequence[np.ndarray],
    combine: np.ndarray,
    draws: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Compute projected contrasts of rows, averaged over folds, and their variances.

    Parameters
    ----------
    folds : sequence of FoldProjection
    bases : sequence of ndarray of shape (n, n_coef), one per fold
        Regressors at the rows.
    combine : ndarray of shape (n_contrasts, n_outputs)
        Contrasts as combinations of the outputs.
    draws : sequence of ndarray of shape (n_root, n_draws), one per fold, or None
        Standard normal draws of the error of the coefficients.

    Returns
    -------
    value, variance : ndarray of shape (n, n_contrasts)
    noise : ndarray of shape (n, n_contrasts, n_draws) or None
        Draws of the error of ``value``.
    """
    shape = (len(bases[0]), len(combine))
    value, variance = np.zeros(shape), np.zeros(shape)
    noise = None if draws is None else np.zeros((*shape, draws[0].shape[1]))
    for fold, basis in zip(folds, bases, strict=True):
        value += basis @ fold.coef @ combine.T / len(folds)
    for k, moved in enumerate(moves_of_projection(folds, bases, combine)):
        variance += (moved**2).sum(axis=2)
        if noise is not None and draws is not None:
            noise += moved @ draws[k]
    return value, variance, noise
