"""What can be asked of a fitted network for theta(x)."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
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
from sklcausal.exceptions import IntervalNotAvailableError, OverlapWarning, TargetError
from sklcausal.inference._averages import Average, combine_repeats
from sklcausal.inference._diagnostics import describe_diagnostics
from sklcausal.inference._effect_projection import EffectProjection
from sklcausal.inference._engine import Engine, Representer
from sklcausal.inference._groups import Groups
from sklcausal.inference._linear_projection import project_linearly, read_features
from sklcausal.inference._policies import refuse_received
from sklcausal.inference._result import InferenceResult, make_result
from sklcausal.inference._targets import (
    FunctionTarget,
    MeanContrast,
    MeanDerivative,
    MeanOutcomes,
    read_functions,
)
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import EngineUnits
from sklcausal.targets import as_column_array, check_lengths, check_same_index
from sklcausal.utils._frames import make_frame

N_CURVE_POINTS = 25
CURVE_RANGE = (0.05, 0.95)


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
        return self._finite(high - low)

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
        self, target: Any, T: Any, population: str, trim: Any, by: Any, title: str
    ) -> InferenceResult:
        self._inference("an average with a standard error")
        groups = Groups.read(by, len(self.folds_))
        functions, names = read_functions(target)
        rows = self._rows("an average of a `target`")
        t = rows.t if T is None else self.contrasts_.points(T, "T", len(self.folds_))
        is_dose = self.contrasts_.treatments.kind == "dose"

        def average(engine: Engine) -> Average:
            law = engine.target_law if T is None else None
            target = FunctionTarget(functions, names, rows.X, t, is_dose, law)
            return engine.average(target, population, trim, groups)

        found = self._over_repeats(average)
        return make_result(found, groups.name(names), title)

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

    # -- curves, derivatives, policies and projections ------------------------------------------

    def dose_response(self, T: Any = None, *, by: Any = None) -> InferenceResult:
        """Estimate the mean outcome if everybody received a treatment, for several treatments.

        Parameters
        ----------
        T : array-like of shape (n_points,) or (n_points, n_treatments), or None, default=None
            Treatments. None takes every arm, or 25 doses between the 5 and 95 % quantiles; with
            several treatments it must be given.
        by : array-like of shape (n_samples,) or None, default=None
            Labels of groups of training rows, for a curve in each.

        Returns
        -------
        InferenceResult
            Mean outcomes in outcome units, groups outside, treatments within, outcomes within.
            ``conf_int(simultaneous=True)`` gives a uniform band.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``, or `compact` was called.
        TargetError
            If T holds unknown arms, or ``by`` was formed by T or y.

        Warns
        -----
        OverlapWarning
            If a dose lies beyond those of the training rows.
        """
        check_is_fitted(self)
        self._inference("`dose_response`")
        points = self.curve_points(T)
        self._warn_beyond(points)
        target = MeanOutcomes(self.model_, points[None])
        schema = self.contrasts_.treatments
        if schema.arms is not None:
            names = [schema.names[a] for a in points]
        else:
            names = [", ".join(f"{v:.4g}" for v in point) for point in points]
        if not self.outcomes_.one_dim:
            names = [f"{name}: {outcome}" for name in names for outcome in self.outcome_names_]
        groups = Groups.read(by, len(self.folds_))
        found = self._over_repeats(lambda own: own.average(target, "all", None, groups))
        title = f"Mean outcomes by treatment, by {type(self).__name__}"
        limits = self._limits_of(len(found.estimate), of_means=True)
        return make_result(found, groups.name(names), title, limits)

    def _warn_beyond(self, points: np.ndarray) -> None:
        """Warn of doses that nobody received."""
        if self.training_rows_ is None or points.ndim == 1:
            return
        t = self.training_rows_.t
        low, high = t.min(axis=0), t.max(axis=0)
        if ((points < low) | (points > high)).any():
            warnings.warn(
                f"`T` lies beyond the doses of the training rows, {low.tolist()} to "
                f"{high.tolist()}: mean outcomes there follow from the model alone, and their "
                "intervals do not know how wrong it may be",
                OverlapWarning,
                stacklevel=3,
            )

    def curve_points(self, T: Any = None) -> np.ndarray:
        """Read the treatments of a curve.

        Parameters
        ----------
        T : array-like of shape (n_points,) or (n_points, n_treatments), or None, default=None
            As in `dose_response`.

        Returns
        -------
        ndarray of int of shape (n_points,) or of float of shape (n_points, n_treatments)
            Codes of arms, or doses.

        Raises
        ------
        TargetError
            If T holds unknown arms or no finite doses.
        """
        schema = self.contrasts_.treatments
        if T is not None:
            array = as_column_array(schema.in_order(T) if np.ndim(T) else [T], "T")
            if not len(array):
                raise TargetError(f"`T` must hold at least one treatment, got shape {array.shape}")
            return schema.encode(array, "T")
        if schema.arms is not None:
            return np.arange(schema.n_arms)
        if schema.kind == "simultaneous":
            raise TargetError(
                f"`T` must be given for several treatments, one column for each of "
                f"{list(schema.names)}, got None"
            )
        t = self._rows("a default curve").t
        low, high = np.quantile(t, CURVE_RANGE)
        return np.linspace(low, high, N_CURVE_POINTS)[:, None]

    def average_derivative(self, *, by: Any = None) -> InferenceResult:
        """Estimate the mean derivative of the outcome by each dose, at the doses received.

        Parameters
        ----------
        by : array-like of shape (n_samples,) or None, default=None
            Labels of groups of training rows, for an average in each.

        Returns
        -------
        InferenceResult
            Outcome units per unit of each treatment, treatments outside, outcomes within.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``, or `compact` was called.
        TargetError
            If the treatments are arms.
        """
        check_is_fitted(self)
        schema = self.contrasts_.treatments
        if schema.arms is not None:
            raise TargetError("`average_derivative` needs doses, but `T` was read as arms")
        self._inference("`average_derivative`")
        rows = self._rows("`average_derivative`")
        names = [f"d mean / d {name}" for name in schema.names]
        if not self.outcomes_.one_dim:
            names = [f"{name}: {outcome}" for name in names for outcome in self.outcome_names_]
        groups = Groups.read(by, len(self.folds_))

        def average(engine: Engine) -> Average:
            assert engine.target_law is not None
            target = MeanDerivative(self.model_, rows.t, engine.target_law)
            return engine.average(target, "all", None, groups)

        found = self._over_repeats(average)
        return make_result(
            found, groups.name(names), f"Average derivatives by {type(self).__name__}"
        )

    def policy_value(self, policy: Any = None, *, baseline: Any = None) -> InferenceResult:
        """Estimate the mean outcome under a policy, and what it gains over a baseline.

        Parameters
        ----------
        policy : callable, label or dose, array-like of shape (n_samples,), or None, default=None
            Treatment of everybody, one for each training row, or a function that returns these
            for X, which it gets as a frame if fit did; it must depend on covariates only. None
            gives each row the arm with the largest mean that networks expect which have not seen
            the row.
        baseline : as ``policy``
            What it is compared with; None is the control, or the mean dose.

        Returns
        -------
        InferenceResult
            For each outcome the value of the policy, that of the baseline, and the gain, in
            outcome units.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``, or `compact` was called.
        TargetError
            If a policy names unknown treatments, or is formed by T or y.
        """
        check_is_fitted(self)
        self._inference("`policy_value`")
        rows = self._rows("`policy_value`")
        chosen = self._policy(policy, "policy", rows)
        other = self.contrasts_.default() if baseline is None else None
        if other is None:
            other = self._policy(baseline, "baseline", rows)
        points = [np.broadcast_to(p, (len(rows.X), *p.shape[1:])) for p in (chosen, other)]
        target = MeanOutcomes(self.model_, np.stack(points, axis=1))
        everybody = Groups.read(None, len(rows.X))
        found = self._over_repeats(lambda own: own.average(target, "all", None, everybody))
        m = self.model_.n_outcomes_
        change = np.kron(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), np.eye(m))
        assert found.moves is not None
        found = Average(
            change @ found.estimate,
            change @ found.covariance @ change.T,
            found.n_samples,
            found.moves @ change.T,
        )
        names = ["policy", "baseline", "gain"]
        if not self.outcomes_.one_dim:
            names = [f"{name}: {outcome}" for name in names for outcome in self.outcome_names_]
        ends = [self._limits_of(m, of_means=is_mean) for is_mean in (True, True, False)]
        limits = (
            np.concatenate([low for low, _ in ends]),
            np.concatenate([high for _, high in ends]),
        )
        return make_result(found, names, f"Value of a policy by {type(self).__name__}", limits)

    def _policy(self, policy: Any, name: str, rows: TrainingRows) -> np.ndarray:
        if policy is None:
            engine = self._inference("`policy_value`")
            if self.contrasts_.treatments.arms is None:
                raise TargetError(f"`{name}` must be given for doses, got None")
            arms = np.arange(self.contrasts_.treatments.n_arms)[None]
            means = self.theta_net_.means(engine.corrections.theta[None], arms)
            return means[:, :, 0].argmax(axis=1)
        given = policy(self._as_given(rows.X)) if callable(policy) else policy
        points = self.contrasts_.points(given, name, len(rows.X))
        if points.ndim == 2 and len(points) > 1:
            engine = self._inference("`policy_value`")
            refuse_received(points, rows.t, np.nan_to_num(engine.y), name)
        if points.ndim == 1 and len(points) > 1:
            engine = self._inference("`policy_value`")
            assert engine.propensity is not None
            chance = engine.propensity[np.arange(len(points)), engine.t]
            codes = np.unique(points, return_inverse=True)[1]
            labels = Groups(np.unique(points).tolist(), codes)
            labels.check(engine.t, np.nan_to_num(engine.y), engine.corrections.theta, chance, name)
        return points

    def _as_given(self, X: np.ndarray) -> Any:
        """Return covariates as a frame, if they were one in fit."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return X
        return make_frame(dict(zip(names, X.T, strict=True)), self._frame_library)

    def best_linear_projection(
        self, features: Any = None, *, T0: Any = None, T1: Any = None
    ) -> InferenceResult:
        """Regress effects on chosen features, with standard errors that are robust.

        The influence values of the effects are regressed by least squares, so that the table
        describes the best linear description of how effects vary, whatever their true shape.

        Parameters
        ----------
        features : array-like of shape (n_samples, n_columns) or None, default=None
            Functions of covariates of the training rows, such as a few columns; None takes X.
        T0, T1 : label or dose, default=None
            As in `effect`.

        Returns
        -------
        InferenceResult
            Intercept and coefficients of each contrast and outcome, with HC3 standard errors that
            are summed within clusters.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``, or `compact` was called.
        TargetError
            If T0 or T1 is no known arm.
        ValueError
            If features do not fit the training rows or are linearly dependent.

        References
        ----------
        .. [1] Semenova, Chernozhukov, "Debiased machine learning of conditional average treatment
           effects and other causal functions", Econometrics Journal 2021, section 2.
        """
        check_is_fitted(self)
        self._inference("`best_linear_projection`")
        rows = self._rows("`best_linear_projection`")
        contrast = self.contrasts_(T0, T1)
        given = rows.X if features is None else features
        own = getattr(self, "feature_names_in_", None) if features is None else None
        design, columns = read_features(given, len(rows.X), own)
        targets = list(contrast.names)
        if not self.outcomes_.one_dim:
            targets = [f"{name}: {outcome}" for name in targets for outcome in self.outcome_names_]
        names = columns
        if len(targets) > 1:
            names = [f"{target}, {column}" for target in targets for column in columns]

        def project(engine: Engine) -> Average:
            psi = engine.corrections.signals(MeanContrast(self.model_, contrast)).psi
            return project_linearly(design, psi, engine.weight, engine.cluster)

        found = self._over_repeats(project)
        return make_result(found, names, f"Best linear projection by {type(self).__name__}")

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
