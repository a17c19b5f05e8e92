"""What can be asked of a fitted network for theta(x)."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklcausal._contrasts import Contrast
from sklcausal._effect_estimator import BaseEffectEstimator
from sklcausal._encoding import check_weights
from sklcausal._first_stage import LawNet
from sklcausal._fit_data import collect_fields, validate_X
from sklcausal._models import StructuralModel
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.inference._averages import Average, combine_repeats
from sklcausal.inference._diagnostics import describe_diagnostics
from sklcausal.inference._effect_projection import EffectProjection
from sklcausal.inference._engine import Engine, Representer
from sklcausal.inference._function_target import FunctionTarget, read_functions
from sklcausal.inference._groups import Groups
from sklcausal.inference._result import InferenceResult, make_result
from sklcausal.inference._targets import MeanContrast
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import EngineUnits
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_same_index,
    columns_in_order,
)


@dataclass(frozen=True)
class TrainingRows:
    """What averages over the training population may ask for.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
    weight : ndarray of shape (n_samples,)
    """

    X: np.ndarray
    t: np.ndarray
    weight: np.ndarray


class ThetaResults(BaseEffectEstimator):
    """Effects, intervals and averages of any target, once networks and corrections are there.

    Training, in `BaseThetaEstimator`, sets the attributes that are named here.
    """

    # set by fit
    model_: StructuralModel
    units_: EngineUnits
    theta_net_: ThetaNet
    effect_net_: ThetaNet
    law_net_: LawNet | None
    engine_: Engine | None
    engines_: list[Engine]
    projection_: EffectProjection | None
    diagnostics_: dict[str, Any]
    training_rows_: TrainingRows | None
    folds_: np.ndarray
    constant_: np.ndarray
    draw_seed_: int
    # -- what the base class asks for ---------------------------------------------------------

    @torch.inference_mode(False)  # whatever the caller has set
    def _means(self, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self._finite(self._means_of(self.theta_net_, X, t))

    @torch.inference_mode(False)  # whatever the caller has set
    def _effect(self, X: np.ndarray, contrast: Contrast) -> np.ndarray:
        low, high = np.split(self._means_of(self.effect_net_, X, contrast.points), 2, axis=1)
        # a network of effects does not know what a difference of probabilities can be
        return np.clip(self._finite(high - low), *self._limits_of(high.shape[-1]))

    @staticmethod
    def _means_of(net: ThetaNet, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        out = [net.means(theta, t if len(t) == 1 else t[rows]) for rows, theta in net.theta(X)]
        return np.concatenate(out)

    def _finite(self, means: np.ndarray) -> np.ndarray:
        if not np.isfinite(means).all():
            raise TargetError(
                "`T0` and `T1` must be treatments at which the model has a finite mean outcome, "
                f"which {self.model_!r} does not have everywhere here"
            )
        return means

    @torch.inference_mode(False)  # whatever the caller has set
    def _interval(
        self, X: np.ndarray, contrast: Contrast, alpha: float, simultaneous: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        self._inference("`effect_interval`")
        assert self.projection_ is not None
        seed = self.draw_seed_ if simultaneous else None
        return self.projection_.interval(X, contrast, alpha, seed)

    @torch.inference_mode(False)
    def _average(
        self,
        X: np.ndarray | None,
        contrast: Contrast,
        population: str,
        trim: tuple[float, float] | None,
        by: Any,
    ) -> tuple[Average, Groups]:
        self._inference("an average with a standard error")
        groups = Groups.read(by, len(self.folds_ if X is None else X))
        if X is None:
            target = MeanContrast(self.model_, contrast)
            arms = np.repeat(contrast.t1[0], self.model_.n_outcomes_)
            return self._over_repeats(
                lambda own: own.average(target, population, trim, groups, arms)
            ), groups
        if population != "all" or trim is not None:
            raise ValueError(
                "`population` and `trim` choose among the training rows and must be left alone "
                f"when `X` is given, got population={population!r} and trim={trim!r}"
            )
        assert self.projection_ is not None
        return self.projection_.average(X, contrast, groups), groups

    @torch.inference_mode(False)
    def _estimate_target(
        self,
        target: Any,
        of_means: bool,
        T: Any,
        population: str,
        trim: Any,
        by: Any,
        title: str,
    ) -> InferenceResult:
        self._inference("an average with a standard error")
        groups = Groups.read(by, len(self.folds_))
        functions, names = read_functions(target)
        rows = self._rows("an average of a `target`")
        t = rows.t if T is None else self.contrasts_.points(T, "T", len(self.folds_))
        kind = self.contrasts_.treatments.kind
        if of_means and kind != "discrete":
            raise TargetError(f"`of='means'` needs arms, but `T` was read as {kind}")
        means = self._cells if of_means else None

        def average(engine: Engine) -> Average:
            law = engine.target_law if T is None else None
            target = FunctionTarget(functions, names, rows.X, t, kind == "dose", law, means)
            return engine.average(target, population, trim, groups)

        found = self._over_repeats(average)
        return make_result(found, groups.name(names), title)

    def _cells(self, theta: torch.Tensor) -> torch.Tensor:
        """Compute the mean outcomes of all arms: (n, n_arms), or (n, n_arms, n_outcomes)."""
        t = torch.arange(self.contrasts_.treatments.n_arms)[None]
        means = self.model_.means_at(theta, t)
        return means[..., 0] if self.outcomes_.one_dim else means

    def _over_repeats(self, average: Callable[[Engine], Average]) -> Average:
        """Average with the corrections of every split, and combine what they say."""
        return combine_repeats([average(engine) for engine in self.engines_])

    def _plug_in_average(self, X: np.ndarray | None, contrast: Contrast) -> np.ndarray | None:
        if X is not None:
            return self._effect(X, contrast).mean(axis=0).ravel()
        if self.engine_ is not None:
            return None  # there are influence values to average
        rows = self._rows("an average")
        return np.average(self._effect(rows.X, contrast), axis=0, weights=rows.weight).ravel()

    @torch.inference_mode(False)
    def _representers(self, contrast: Contrast, name: str) -> list[Representer]:
        """Take the influence values of contrasts apart, for every split."""
        self._inference(name)
        target = MeanContrast(self.model_, contrast)
        return [engine.representer(target) for engine in self.engines_]

    def _inference(self, name: str) -> Engine:
        if self.engine_ is None:
            raise IntervalNotAvailableError(
                f"{name} needs networks that have not seen every row, got n_folds=1; fit with "
                "n_folds=5 (the default) to get it"
            )
        return self.engine_

    def parameters(self, X: Any) -> np.ndarray:
        """Estimate the parameters of the model for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_params)
            Means over the networks, in outcome units; ``parameter_names_out_`` names the columns.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        X = validate_X(self, X, reset=False)
        return np.concatenate([theta.mean(axis=0) for _, theta in self.theta_net_.theta(X)])

    def _rows(self, name: str) -> TrainingRows:
        if self.training_rows_ is None:
            raise IntervalNotAvailableError(
                f"{name} needs the training rows, which `compact` has dropped; fit again"
            )
        return self.training_rows_

    def compact(self) -> ThetaResults:
        """Drop the covariates of the training rows, for smaller files.

        Treatments, outcomes, weights and what the networks say of each training row stay.
        Effects and averages of contrasts stay. So do intervals of effects, of arms those of the
        default contrasts and of contrasts that were asked for before. Targets of your own,
        default curves and projections need the covariates and raise after this.

        Returns
        -------
        self : estimator
            The estimator without training rows.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        self.training_rows_ = None
        if self.projection_ is not None:
            self.projection_.drop_rows()
        return self

    def predict_propensity(self, X: Any) -> np.ndarray:
        """Predict the probability of each arm, or the mean of each dose, given x.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_arms) or (n_samples, n_treatments)
            Probabilities, or means of the doses.

        Raises
        ------
        IntervalNotAvailableError
            If no propensity network was trained, because ``n_folds=1`` or the propensity was
            known.
        """
        check_is_fitted(self)
        if self.law_net_ is None:
            why = (
                "n_folds=1; fit with n_folds=5 (the default)"
                if self.engine_ is None
                else "`propensity` was given in fit or assignment='randomised'; `propensity_` "
                "holds it for the training rows"
            )
            raise IntervalNotAvailableError(
                "`predict_propensity` needs a propensity network, but none was trained, since "
                f"{why}"
            )
        return self.law_net_.predict(validate_X(self, X, reset=False))

    def score(self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None) -> float:
        """Compare the outcome loss with that of the best constant parameters.

        This tells how well outcomes are predicted, and nothing about how well effects are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,) or (n_samples, n_treatments), or packed targets
            Treatments, or packed targets.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            ``1 - loss / loss of the best constant``: 1 is perfect for a continuous outcome, 0 no
            better than a constant for each arm. Of losses that may be negative, such as
            likelihoods of one's own, the loss of the best constant less the loss.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y does not match what was fitted.
        """
        check_is_fitted(self)
        fields = collect_fields(self, T, y)
        check_same_index(X=X, **fields, sample_weight=sample_weight)
        X = validate_X(self, X, reset=False)
        schema = self.contrasts_.treatments
        fields["T"] = schema.in_order(fields["T"])
        fields["y"] = columns_in_order(fields["y"], self.outcome_names_.tolist(), "y")
        arrays = {key: as_column_array(fields[key], key) for key in ("T", "y")}
        check_lengths({"X": X, **arrays})
        weight = check_weights(sample_weight, len(X))
        t = schema.encode(arrays["T"])
        t, y = self.units_.treatments(t), self.units_.outcomes(self.outcomes_.encode(arrays["y"]))
        net = self.theta_net_
        theta = np.concatenate([net.inner(th).mean(axis=0) for _, th in net.ensemble.theta(X)])
        losses = [
            np.average(self.model_.row_losses(y, t, th), weights=weight)
            for th in (theta, np.broadcast_to(self.constant_, theta.shape))
        ]
        if not self.model_.is_deviance:
            return float(losses[1] - losses[0])
        return float(1 - losses[0] / losses[1])

    def _diagnostic_lines(self) -> list[str]:
        return describe_diagnostics(self.diagnostics_)
