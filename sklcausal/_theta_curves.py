"""Curves, derivatives, policies and projections of a fitted network for theta(x)."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklcausal._theta_results import ThetaResults, TrainingRows
from sklcausal.exceptions import OverlapWarning, TargetError
from sklcausal.inference._averages import Average
from sklcausal.inference._engine import Engine
from sklcausal.inference._groups import Groups
from sklcausal.inference._linear_projection import project_linearly, read_features
from sklcausal.inference._policies import refuse_received
from sklcausal.inference._result import InferenceResult, make_result
from sklcausal.inference._targets import (
    MeanContrast,
    MeanDerivative,
    MeanOutcomes,
)
from sklcausal.targets import as_column_array
from sklcausal.utils._frames import make_frame
from sklcausal.utils._warn import warn_user

N_CURVE_POINTS = 25
CURVE_RANGE = (0.05, 0.95)


class ThetaCurves(ThetaResults):
    """What can be asked beside effects and their averages."""

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
            warn_user(
                f"`T` lies beyond the doses of the training rows, {low.tolist()} to "
                f"{high.tolist()}: mean outcomes there follow from the model alone, and their "
                "intervals do not know how wrong it may be",
                OverlapWarning,
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
        contrast = self._average_contrast(T0, T1)
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
