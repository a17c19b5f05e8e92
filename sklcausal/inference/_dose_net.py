"""Learn, out-of-fold, how doses are taken given x."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from sklcausal._cross_fit import CrossFit
from sklcausal._draws import Batch
from sklcausal._objective import Objective
from sklcausal._start import Start
from sklcausal.inference._dose_law import MomentLaw, NodeLaw, residual_steps
from sklcausal.inference._nuisance import NuisanceSettings, some_rows
from sklcausal.inference._units import EngineUnits
from sklcausal.nn._outputs import Outputs

SD_FLOOR = 0.1  # of the marginal standard deviation
BERNOULLI_SD = 0.01
LOG_VARIANCE_BOUND = 8.0


class _TreatmentLikelihood:
    """Gaussian or Bernoulli negative log-likelihood of the treatments."""

    def __init__(self, is_binary: Tensor):
        self.is_binary = is_binary

    def __call__(self, out: Outputs, batch: Batch) -> Tensor:
        mean, log_variance = out.theta.chunk(2, dim=-1)
        log_variance = log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        gaussian = 0.5 * (log_variance + (batch.y - mean) ** 2 * torch.exp(-log_variance))
        bernoulli = F.softplus(mean) - batch.y * mean
        loss = torch.where(self.is_binary, bernoulli, gaussian).sum(-1)
        return batch.mean(loss)


class MomentNet:
    """Means and standard deviations of doses given x, and their residual correlation.

    Attributes
    ----------
    mean_, sd_ : ndarray of shape (n_samples, n_treatments) or (n_folds, n_samples, n_treatments)
        Out-of-fold, in the units of T; by fold for pairs of folds.
    correlation_ : ndarray of shape (n_treatments, n_treatments)
    share_floored_ : ndarray of shape (n_treatments,)
        Share of rows in which x all but determines a treatment.
    """

    def fit(
        self,
        cross_fit: CrossFit,
        t: np.ndarray,
        is_binary: Sequence[bool],
        settings: NuisanceSettings,
    ) -> MomentNet:
        """Train one network per fold by the likelihood of T.

        Parameters
        ----------
        cross_fit : CrossFit
        t : ndarray of shape (n_samples, n_treatments)
        is_binary : sequence of bool
            Treatments that are 0 or 1.
        settings : NuisanceSettings

        Returns
        -------
        self : MomentNet
        """
        self.is_binary = np.asarray(is_binary, dtype=bool)
        self.range_ = t.min(axis=0), t.max(axis=0)
        k = t.shape[1]
        is_binary_there = torch.as_tensor(self.is_binary, device=cross_fit.options.device)
        trained = cross_fit.train(
            settings.recipe(2 * k),
            Objective(_TreatmentLikelihood(is_binary_there)),
            t,
            standardise=(~self.is_binary, np.zeros(0, dtype=bool)),
            start=lambda rows: Start(np.zeros(2 * k)),
            candidates=settings.candidates,
            label="treatment",
        )
        self.ensemble, self.candidate_ = trained.ensemble, trained.candidate
        self.units = trained.units
        self.inflation_ = np.ones((cross_fit.n_members, k))
        self.inflation_ = self._calibrate(cross_fit, t)

        def moments(j: int, rows: np.ndarray) -> np.ndarray:
            theta, _ = self.ensemble.member(j, cross_fit.X, rows)
            return np.hstack(self._moments(theta, j))

        self.mean_, self.sd_ = np.split(cross_fit.out_of_fold(moments), 2, axis=-1)
        floor = np.where(
            self.is_binary, BERNOULLI_SD, SD_FLOOR * trained.units.y_scale.max(axis=0)
        )
        known = self.sd_ > 0  # of pairs, a second stage's own fold is left out
        residual = np.where(known, t - self.mean_, 0.0) / np.where(known, self.sd_, 1.0)
        weight = np.broadcast_to(cross_fit.row_weight[:, None], residual.shape)[..., 0].ravel()
        residual = residual.reshape(-1, k)
        covariance = np.atleast_2d(np.cov(residual.T, aweights=weight))
        sd = np.sqrt(np.diag(covariance))
        self.correlation_ = covariance / np.outer(sd, sd)
        seen = known.reshape(-1, k).any(axis=1)
        floored = (self.sd_ <= 1.0001 * floor).reshape(-1, k)[seen]
        self.share_floored_ = np.average(floored, axis=0, weights=weight[seen])
        self.steps_ = residual_steps(
            residual[seen], weight[seen], self.correlation_, self.is_binary, settings.n_columns
        )
        return self

    def _moments(self, theta: np.ndarray, member: int) -> tuple[np.ndarray, np.ndarray]:
        mean, log_variance = np.split(theta.astype(float), 2, axis=1)
        scale = self.units.y_scale[member]
        p = expit(mean)
        sd = np.exp(0.5 * np.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)) * scale
        sd = np.maximum(sd * self.inflation_[member], SD_FLOOR * scale)
        bernoulli_sd = np.sqrt(np.clip(p * (1 - p), BERNOULLI_SD**2, None))
        return (
            np.where(self.is_binary, p, self.units.y_loc[member] + scale * mean),
            np.where(self.is_binary, bernoulli_sd, sd),
        )

    def _calibrate(self, cross_fit: CrossFit, t: np.ndarray) -> np.ndarray:
        found = np.ones(self.inflation_.shape)
        for k, member in enumerate(cross_fit.members):
            rows = some_rows(member.valid)
            if not len(rows):
                continue
            theta, _ = self.ensemble.member(k, cross_fit.X, rows)
            mean, sd = self._moments(theta, k)
            weight = cross_fit.row_weight[rows]
            squares = np.average(((t[rows] - mean) / sd) ** 2, axis=0, weights=weight)
            found[k] = np.sqrt(squares)
        return found

    def law(
        self, units: EngineUnits, quadratic: bool, fold: int | None = None
    ) -> MomentLaw | NodeLaw:
        """Return what inference averages over.

        Parameters
        ----------
        units : EngineUnits
            In which inference computes.
        quadratic : bool
            Whether means and covariances are enough.
        fold : int or None, default=None
            Which a second stage may not see; None for a first stage.

        Returns
        -------
        MomentLaw or NodeLaw
        """
        mean, sd = (m if fold is None else m[fold] for m in (self.mean_, self.sd_))
        if quadratic:
            return MomentLaw(units.treatments(mean), sd / units.t_scale, self.correlation_)
        common = (self.steps_, self.is_binary, units.t_loc, units.t_scale)
        return NodeLaw(mean, sd, *common, bounds=self.range_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Average the members' means for new rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_treatments)
        """
        out = []
        for _, theta in self.ensemble.theta(X):
            out.append(np.mean([self._moments(th, k)[0] for k, th in enumerate(theta)], axis=0))
        return np.concatenate(out)
