"""Project an orthogonal signal on features of x, with a sandwich for the error."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sklcausal.inference._splines import AdditiveSplines
from sklcausal.inference._targets import Target

LEARNED_SHARE = 0.2
FEATURES_AT_2000, MOST_FEATURES = 40, 100
ROWS_PER_REGRESSOR = 1.5
# relative to the largest: of a member's features, and of all regressors scaled alike
SMALLEST_COMPONENT, SMALLEST_DIRECTION = 1e-5, 1e-9
# of the features' mean square: below it they are constant but for the rounding of float32
SMALLEST_VARIANCE = 1e-8
CHUNK = 65_536


@dataclass(frozen=True)
class Budget:
    """Numbers of features.

    Attributes
    ----------
    n_learned : int
        Learned by each member.
    n_splines : int
        Common to all.
    """

    n_learned: int
    n_splines: int


def plan_features(n_features: int | str, n_samples: int, n_folds: int, n_rows: int) -> Budget:
    """Divide features among those that the networks learn and splines.

    Parameters
    ----------
    n_features : int or 'auto'
        As asked for. 'auto' grows with the cube root of the rows, so that what the features
        cannot express shrinks along with the noise.
    n_samples, n_folds : int
    n_rows : int
        Rows, or clusters, of the smallest arm; each 1.5 allow one regressor.

    Returns
    -------
    Budget
    """
    most = n_features
    if isinstance(most, str):
        most = min(MOST_FEATURES, round(FEATURES_AT_2000 * (n_samples / 2000) ** (1 / 3)))
    # the features of each member are regressors of their own, those of the splines are common
    wanted = most * (n_folds * LEARNED_SHARE + 1 - LEARNED_SHARE)
    used = int(most * min(1.0, n_rows / ROWS_PER_REGRESSOR / max(wanted, 1.0)))
    n_learned = round(LEARNED_SHARE * used)
    return Budget(n_learned, used - n_learned)


class Components:
    """Leading principal components of one member's features, whitened.

    Parameters
    ----------
    features : ndarray of shape (n, n_raw)
        At rows that the member never saw.
    weight : ndarray of shape (n,)
    n_components : int
        Most components.
    """

    def __init__(self, features: np.ndarray, weight: np.ndarray, n_components: int):
        share = weight / weight.sum()
        self.centre = share @ features
        centred = features - self.centre
        values, vectors = np.linalg.eigh((centred * share[:, None]).T @ centred)
        size = float(share @ (features**2).sum(axis=1))
        least = max(SMALLEST_COMPONENT * values[-1], SMALLEST_VARIANCE * size, 1e-300)
        kept = np.flatnonzero(values > least)[::-1][:n_components]
        self.whiten = vectors[:, kept] / np.sqrt(values[kept])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Compute the components of rows.

        Parameters
        ----------
        features : ndarray of shape (n, n_raw)

        Returns
        -------
        ndarray of shape (n, n_components)
        """
        return (features - self.centre) @ self.whiten


class Projection:
    """Regression of the signal on learned features and splines, with an HC3 sandwich.

    The learned features of a row are those of the member that never saw it, and every member has
    coefficients of its own for them; splines are common to all rows. At a new row the members'
    parts are averaged.

    Parameters
    ----------
    splines : AdditiveSplines
    learned : sequence of ndarray of shape (n_fold, n_raw)
        Features of each member at the rows of its fold.
    rows : sequence of ndarray of int of shape (n_fold,)
        These rows.
    X : ndarray of shape (n_samples, n_features)
        Covariates that the members read.
    psi : ndarray of shape (n_samples, n_outputs)
        Signal.
    weight : ndarray of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None
        Errors are summed within clusters, which lie within folds.
    n_learned : int
        Most components of each member's features.

    Attributes
    ----------
    coef : ndarray of shape (n_regressors, n_outputs)
    root : ndarray of shape (n_root, n_outputs, n_regressors)
        Root R of the covariance ``sum_r R_r R_r'`` of the coefficients.

    References
    ----------
    .. [1] Semenova, Chernozhukov, "Debiased machine learning of conditional average treatment
       effects and other causal functions", Econometrics Journal 2021, section 2.
    """

    def __init__(
        self,
        splines: AdditiveSplines,
        learned: Sequence[np.ndarray],
        rows: Sequence[np.ndarray],
        X: np.ndarray,
        psi: np.ndarray,
        weight: np.ndarray,
        cluster: np.ndarray | None,
        n_learned: int,
    ):
        self.splines = splines
        self.components = [
            Components(own, weight[at], n_learned) for own, at in zip(learned, rows, strict=True)
        ]
        parts = [
            component(own).astype(np.float32)
            for component, own in zip(self.components, learned, strict=True)
        ]
        self.places = np.cumsum([0, *(part.shape[1] for part in parts)])
        order = [(k, at) for k, fold in enumerate(rows) for at in _chunks(fold, cluster)]

        def regressors(k: int, at: np.ndarray) -> np.ndarray:
            where = np.searchsorted(rows[k], at)
            raw = np.zeros((len(at), self.places[-1] + self.splines.n_features))
            raw[:, self.places[k] : self.places[k + 1]] = parts[k][where]
            raw[:, self.places[-1] :] = self.splines.transform(X[at])
            return raw

        self._standardise(regressors, order, weight)
        self.coef = np.zeros((self.whiten.shape[1], psi.shape[1]))
        for k, at in order:
            z = self._whitened(regressors(k, at))
            self.coef += (z * weight[at, None]).T @ psi[at]
        meat = np.zeros((self.coef.size, self.coef.size))
        for k, at in order:
            z, w = self._whitened(regressors(k, at)), weight[at]
            leverage = np.minimum(w * (z**2).sum(axis=1), 0.99)
            error = (w / (1 - leverage))[:, None] * (psi[at] - z @ self.coef)
            moves = (error[:, :, None] * z[:, None, :]).reshape(len(at), -1)
            if cluster is not None:
                moves = _sum_by(moves, cluster[at])
            meat += moves.T @ moves
        values, vectors = np.linalg.eigh(meat)
        kept = values > 1e-12 * max(values[-1], 1e-300)
        root = (vectors[:, kept] * np.sqrt(values[kept])).T
        self.root = root.reshape(len(root), psi.shape[1], -1)

    def _standardise(
        self,
        regressors: Callable[[int, np.ndarray], np.ndarray],
        order: list[tuple[int, np.ndarray]],
        weight: np.ndarray,
    ) -> None:
        """Find centre and map under which the weighted Gram matrix is the identity."""
        total = weight.sum()
        n_raw = self.places[-1] + self.splines.n_features
        self.centre = np.zeros(n_raw)
        for k, at in order:
            self.centre += weight[at] @ regressors(k, at) / total
        gram = np.zeros((n_raw, n_raw))
        for k, at in order:
            centred = regressors(k, at) - self.centre
            gram += (centred * weight[at, None]).T @ centred
        square = np.diag(gram)
        scale = np.where(square > 0, 1 / np.sqrt(np.where(square > 0, square, 1.0)), 0.0)
        values, vectors = np.linalg.eigh(gram * scale[:, None] * scale)
        usable = values > SMALLEST_DIRECTION * max(values[-1] if n_raw else 0.0, 1e-300)
        mapped = scale[:, None] * vectors[:, usable] / np.sqrt(values[usable])
        # the first column is the constant, which the centred others leave alone
        self.whiten = np.zeros((n_raw + 1, mapped.shape[1] + 1))
        self.whiten[0, 0] = 1 / np.sqrt(total)
        self.whiten[1:, 1:] = mapped

    def _whitened(self, raw: np.ndarray) -> np.ndarray:
        return np.hstack([np.ones((len(raw), 1)), raw - self.centre]) @ self.whiten

    @property
    def n_features(self) -> int:
        """Number of features that the signal is projected on."""
        return int(np.diff(self.places).max() + self.splines.n_features)

    def regressors(self, learned: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Compute the regressors of new rows.

        Parameters
        ----------
        learned : sequence of ndarray of shape (n, n_raw)
            Features of each member.
        X : ndarray of shape (n, n_features)
            Covariates that the members read.

        Returns
        -------
        ndarray of shape (n, n_regressors)
        """
        parts = [
            component(own) / len(self.components)
            for component, own in zip(self.components, learned, strict=True)
        ]
        return self._whitened(np.hstack([*parts, self.splines.transform(X)]))

    def evaluate(
        self, regressors: np.ndarray, combine: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute projected contrasts of rows and how errors move them.

        Parameters
        ----------
        regressors : ndarray of shape (n, n_regressors)
        combine : ndarray of shape (n_contrasts, n_outputs) or (1 or n, n_contrasts, n_outputs)
            Contrasts as combinations of the outputs, the same for all rows or not.

        Returns
        -------
        value : ndarray of shape (n, n_contrasts)
        moves : ndarray of shape (n, n_contrasts, n_root)
            Moves by independent standard normal errors; squares add up to the variance.
        """
        if combine.ndim == 3 and len(combine) > 1:
            value = (combine @ (regressors @ self.coef)[:, :, None])[:, :, 0]
            by_output = np.stack(
                [regressors @ self.root[:, o].T for o in range(combine.shape[2])], axis=1
            )
            return value, combine @ by_output
        combine = combine.reshape(-1, combine.shape[-1])
        by_contrast = np.einsum("co,roq->cqr", combine, self.root)
        moves = np.stack([regressors @ part for part in by_contrast], axis=1)
        return regressors @ self.coef @ combine.T, moves


def _chunks(rows: np.ndarray, cluster: np.ndarray | None) -> list[np.ndarray]:
    # a cluster must not be cut in two
    size = CHUNK if cluster is None else max(len(rows), 1)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _sum_by(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _, codes = np.unique(labels, return_inverse=True)
    total = np.zeros((codes.max() + 1, values.shape[1]))
    np.add.at(total, codes, values)
    return total


@dataclass
class Basis:
    """Outputs that are projected on the same features, and their projection.

    Attributes
    ----------
    target : Target
        What is projected.
    used : ndarray of int
        Outputs of the networks that the target depends on.
    constant : ndarray of shape (n_used,) or None
        Derivative of the target by them where it is the same for all rows; None where it is not.
    projection : Projection or None
    missing : str
        Why there is none.
    """

    target: Target
    used: np.ndarray
    constant: np.ndarray | None
    projection: Projection | None = None
    missing: str = ""
