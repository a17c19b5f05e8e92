"""Learn the law of the treatment given x, out-of-fold, with the engine that learns the outcome."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor, nn
from torch.nn import functional as F

from sklcausal._draws import Batch, MemberRows
from sklcausal._ensemble import Recipe
from sklcausal._member_data import make_training_data
from sklcausal._screening import Candidate, Task, fit_ensemble
from sklcausal._training import TrainingOptions
from sklcausal.inference._law import ArmLaw, MomentLaw
from sklcausal.nn._bodies import MLPModule

MAX_CALIBRATION_ROWS = 50_000
TEMPERATURES = np.geomspace(0.25, 8.0, 121)
SD_FLOOR = 0.1  # of the marginal standard deviation
LOG_VARIANCE_BOUND = 8.0


@dataclass
class NuisanceSettings:
    """What the network of the treatment is trained with."""

    widths: Sequence[int]
    activation: str
    candidates: Sequence[Candidate]
    clip: float


class PropensityNet:
    """Probabilities of the arms given x.

    Attributes
    ----------
    propensity_ : ndarray of shape (n_samples, n_arms)
        Out-of-fold, clipped.
    share_clipped_ : ndarray of shape (n_arms,)
        Share of rows in which the probability of an arm was below the bound.
    temperature_ : ndarray of shape (n_members,)
    """

    def fit(
        self,
        X: np.ndarray,
        t: np.ndarray,
        n_arms: int,
        weight: np.ndarray | None,
        folds: np.ndarray,
        members: Sequence[MemberRows],
        centre: np.ndarray,
        settings: NuisanceSettings,
        options: TrainingOptions,
    ) -> PropensityNet:
        """Train one network per fold and set its temperature on its validation rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        t : ndarray of int of shape (n_samples,)
        n_arms : int
        weight : ndarray of shape (n_samples,) or None
        folds : ndarray of int of shape (n_samples,)
        members : sequence of MemberRows
        centre : ndarray of shape (n_features,)
        settings : NuisanceSettings
        options : TrainingOptions

        Returns
        -------
        self : PropensityNet
        """
        self.clip = settings.clip
        arguments = {
            "widths": tuple(settings.widths),
            "n_out": n_arms,
            "activation": settings.activation,
        }
        data, _ = make_training_data(
            X,
            t,
            t[:, None].astype(float),
            weight,
            members,
            centre,
            np.zeros(1, dtype=bool),
            options.device,
        )
        start = np.stack([_log_shares(t[m.train], n_arms) for m in members])
        task = Task(
            Recipe(MLPModule, arguments),
            cross_entropy,
            X,
            centre,
            data,
            members,
            start,
            "propensity",
        )
        self.ensemble, self.candidate_, _ = fit_ensemble(task, settings.candidates, options)
        self.temperature_ = self._temperatures(X, t, members)
        raw = np.empty((len(X), n_arms))
        for k in range(len(members)):
            rows = np.flatnonzero(folds == k)
            logits, _ = self.ensemble.member(k, X, rows)
            raw[rows] = softmax(logits.astype(float) / self.temperature_[k], axis=1)
        self.propensity_ = clip_propensity(raw, self.clip)
        self.share_clipped_ = (raw < self.clip).mean(axis=0)
        return self

    def _temperatures(
        self, X: np.ndarray, t: np.ndarray, members: Sequence[MemberRows]
    ) -> np.ndarray:
        total = np.zeros((len(members), len(TEMPERATURES)))
        if not any(len(m.valid) for m in members):
            return np.ones(len(members))
        for k, member in enumerate(members):
            rows = member.valid[:MAX_CALIBRATION_ROWS]
            logits, _ = self.ensemble.member(k, X, rows)
            scaled = log_softmax(logits.astype(float) / TEMPERATURES[:, None, None], axis=2)
            total[k] -= scaled[:, np.arange(len(rows)), t[rows]].sum(axis=1)
        return TEMPERATURES[total.argmin(axis=1)]

    def law(self) -> ArmLaw:
        """Return what inference averages over.

        Returns
        -------
        ArmLaw
        """
        return ArmLaw(self.propensity_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Average the members' probabilities for new rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_arms)
        """
        out = []
        for _, logits in self.ensemble.theta(X):
            scaled = logits.astype(float) / self.temperature_[:, None, None]
            out.append(softmax(scaled, axis=2).mean(axis=0))
        return clip_propensity(np.concatenate(out), self.clip)


class MomentNet:
    """Means and standard deviations of doses given x, and their residual correlation.

    Attributes
    ----------
    mean_, sd_ : ndarray of shape (n_samples, n_treatments)
        Out-of-fold, in the units of T.
    correlation_ : ndarray of shape (n_treatments, n_treatments)
    """

    def fit(
        self,
        X: np.ndarray,
        t: np.ndarray,
        is_binary: Sequence[bool],
        weight: np.ndarray | None,
        folds: np.ndarray,
        members: Sequence[MemberRows],
        centre: np.ndarray,
        settings: NuisanceSettings,
        options: TrainingOptions,
    ) -> MomentNet:
        """Train one network per fold by the likelihood of T.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        t : ndarray of shape (n_samples, n_treatments)
        is_binary : sequence of bool
            Treatments that are 0 or 1.
        weight : ndarray of shape (n_samples,) or None
        folds : ndarray of int of shape (n_samples,)
        members : sequence of MemberRows
        centre : ndarray of shape (n_features,)
        settings : NuisanceSettings
        options : TrainingOptions

        Returns
        -------
        self : MomentNet
        """
        self.is_binary = np.asarray(is_binary, dtype=bool)
        k = t.shape[1]
        arguments = {
            "widths": tuple(settings.widths),
            "n_out": 2 * k,
            "activation": settings.activation,
        }
        data, self.units = make_training_data(
            X,
            np.zeros(len(t), dtype=int),
            t,
            weight,
            members,
            centre,
            ~self.is_binary,
            options.device,
        )
        loss = _TreatmentLikelihood(torch.as_tensor(self.is_binary, device=options.device))
        start = np.zeros((len(members), 2 * k))
        task = Task(
            Recipe(MLPModule, arguments), loss, X, centre, data, members, start, "treatment"
        )
        self.ensemble, self.candidate_, _ = fit_ensemble(task, settings.candidates, options)
        self.inflation_ = np.ones((len(members), k))
        self.inflation_ = self._calibrate(X, t, members)
        self.mean_, self.sd_ = np.empty(t.shape), np.empty(t.shape)
        for j in range(len(members)):
            rows = np.flatnonzero(folds == j)
            theta, _ = self.ensemble.member(j, X, rows)
            self.mean_[rows], self.sd_[rows] = self._moments(theta, j)
        residual = (t - self.mean_) / self.sd_
        self.correlation_ = np.atleast_2d(np.corrcoef(residual.T)) if k > 1 else np.ones((1, 1))
        return self

    def _moments(self, theta: np.ndarray, member: int) -> tuple[np.ndarray, np.ndarray]:
        mean, log_variance = np.split(theta.astype(float), 2, axis=1)
        scale = self.units.y_scale[member]
        p = 1 / (1 + np.exp(-np.clip(mean, -30, 30)))
        sd = np.exp(0.5 * np.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)) * scale
        sd = np.maximum(sd * self.inflation_[member], SD_FLOOR * scale)
        bernoulli_sd = np.sqrt(np.clip(p * (1 - p), 0.01**2, None))
        return (
            np.where(self.is_binary, p, self.units.y_loc[member] + scale * mean),
            np.where(self.is_binary, bernoulli_sd, sd),
        )

    def _calibrate(
        self, X: np.ndarray, t: np.ndarray, members: Sequence[MemberRows]
    ) -> np.ndarray:
        squares, counts = np.zeros(self.inflation_.shape), np.zeros(len(members))
        for k, member in enumerate(members):
            rows = member.valid[:MAX_CALIBRATION_ROWS]
            theta, _ = self.ensemble.member(k, X, rows)
            mean, sd = self._moments(theta, k)
            squares[k] += (((t[rows] - mean) / sd) ** 2).sum(axis=0)
            counts[k] += len(rows)
        if not counts.all():
            return np.ones(self.inflation_.shape)
        return np.sqrt(squares / counts[:, None])

    def law(self) -> MomentLaw:
        """Return what inference averages over.

        Returns
        -------
        MomentLaw
        """
        return MomentLaw(self.mean_, self.sd_, self.correlation_)

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


def cross_entropy(module: nn.Module, batch: Batch) -> Tensor:
    """Compute the cross-entropy of each member.

    Parameters
    ----------
    module : Module
    batch : Batch

    Returns
    -------
    Tensor of shape (n_members,)
    """
    logits = module(batch.X)
    loss = F.cross_entropy(logits.flatten(0, 1), batch.t.flatten(), reduction="none")
    return weighted_mean(loss.view_as(batch.w), batch.w)


class _TreatmentLikelihood:
    """Gaussian or Bernoulli negative log-likelihood of the treatments."""

    def __init__(self, is_binary: Tensor):
        self.is_binary = is_binary

    def __call__(self, module: nn.Module, batch: Batch) -> Tensor:
        mean, log_variance = module(batch.X).chunk(2, dim=-1)
        log_variance = log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        gaussian = 0.5 * (log_variance + (batch.y - mean) ** 2 * torch.exp(-log_variance))
        bernoulli = F.softplus(mean) - batch.y * mean
        loss = torch.where(self.is_binary, bernoulli, gaussian).sum(-1)
        return weighted_mean(loss, batch.w)


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Average the rows' losses within each member.

    Parameters
    ----------
    loss, weight : Tensor of shape (n_members, n)

    Returns
    -------
    Tensor of shape (n_members,)
    """
    return (loss * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1e-30)


def _log_shares(t: np.ndarray, n_arms: int) -> np.ndarray:
    counts: Any = np.bincount(t, minlength=n_arms) + 0.5
    return np.log(counts / counts.sum())


def clip_propensity(propensity: np.ndarray, clip: float) -> np.ndarray:
    """Keep probabilities away from 0 and let them sum to 1 again.

    Parameters
    ----------
    propensity : ndarray of shape (n, n_arms)
    clip : float

    Returns
    -------
    ndarray of shape (n, n_arms)
    """
    clipped = np.clip(propensity, clip, 1 - clip)
    return clipped / clipped.sum(axis=1, keepdims=True)
