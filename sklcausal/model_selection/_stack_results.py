"""What can be asked of a fitted stack."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from sklcausal._contrasts import Contrast
from sklcausal._encoding import check_weights
from sklcausal._fit_data import collect_fields, validate_X
from sklcausal.base import BaseEffectEstimator
from sklcausal.exceptions import IntervalNotAvailableError
from sklcausal.inference._averages import Average
from sklcausal.inference._diagnostics import describe_diagnostics
from sklcausal.inference._engine import Engine, Representer
from sklcausal.inference._groups import Groups
from sklcausal.inference._targets import MeanContrast
from sklcausal.model_selection._candidates import Answers, ask, ask_one
from sklcausal.model_selection._stack_projection import Stacked, StackProjection
from sklcausal.targets import as_column_array, check_lengths, check_same_index
from sklcausal.utils._frames import make_frame


class StackResults(BaseEffectEstimator, _BaseComposition):
    """Parameters of a stack, and what can be asked of it once candidates and scores are there.

    Training, in `EffectStacking`, sets the attributes that are named here.
    """

    estimators: Sequence[tuple[str, Any]]

    # set by fit
    names_: list[str]
    estimators_: list[Any]
    fold_estimators_: list[list[Any]]
    weights_: np.ndarray
    folds_: np.ndarray
    constant_: np.ndarray
    engine_: Engine
    projection_: StackProjection
    propensity_model_: Any
    diagnostics_: dict[str, Any]
    draw_seed_: int

    # -- parameters -------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, and those of the candidates as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether the candidates and their parameters are included.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> StackResults:
        """Set parameters, candidates by name, or parameters of candidates.

        Parameters
        ----------
        **params : object
            Values by name, as `get_params` returns them.

        Returns
        -------
        self : estimator
            The estimator.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        self._set_params("estimators", **params)
        return self

    @property
    def named_estimators_(self) -> Bunch:
        """Candidates by name, fitted to all rows."""
        return Bunch(**dict(zip(self.names_, self.estimators_, strict=True)))

    def _as_given(self, X: np.ndarray) -> Any:
        """Return covariates as a frame, if they were one in fit."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return X
        return make_frame(dict(zip(names, X.T, strict=True)), self._frame_library)

    # -- effects ----------------------------------------------------------------------------

    def _weigh(self, answers: Answers) -> Stacked:
        effect, mean = (
            np.tensordot(self.weights_, a, axes=1) for a in (answers.effect, answers.mean)
        )
        return Stacked(effect, mean, answers.effect)

    def _ask(self, candidates: list[Any], X: np.ndarray) -> Stacked:
        return self._weigh(ask(candidates, self._as_given(X), self.projection_.n_outcomes))

    def _regressors(self, X: np.ndarray) -> np.ndarray:
        """Average what the candidates of all folds say, as features of the projection.

        Those that were fitted to all rows differ from those of the folds by more than the
        features of the training rows do among each other.
        """
        found = [self._ask(own, X) for own in self.fold_estimators_]
        parts = [
            [getattr(own, part) for own in found] for part in ("effect", "mean", "candidates")
        ]
        return self.projection_.regressors(Stacked(*(np.mean(p, axis=0) for p in parts)), X)

    def _between(self, effect: np.ndarray, contrast: Contrast) -> np.ndarray:
        """Turn effects against the control into those between any arms."""
        control = self.contrasts_.treatments.control
        by_arm = np.insert(effect, control, 0.0, axis=1)
        low, high = (
            np.take_along_axis(by_arm, t[:, :, None], axis=1) for t in (contrast.t0, contrast.t1)
        )
        return high - low

    def _means(self, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        means = self._average_of("potential_outcomes", X)
        return np.take_along_axis(means, t[:, :, None], axis=1)

    def _effect(self, X: np.ndarray, contrast: Contrast) -> np.ndarray:
        return self._between(self._average_of("effect", X), contrast)

    def _average_of(self, question: str, X: np.ndarray) -> np.ndarray:
        """Average what all candidates answer to one question."""
        n_outcomes = self.projection_.n_outcomes
        answers = ask_one(question, self.estimators_, self._as_given(X), n_outcomes)
        return np.tensordot(self.weights_, answers, axes=1)

    def _interval(
        self, X: np.ndarray, contrast: Contrast, alpha: float, simultaneous: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        self.projection_.check()
        seed = self.draw_seed_ if simultaneous else None
        effect = self._effect(X, contrast)
        return self.projection_.interval(self._regressors(X), effect, contrast, alpha, seed)

    @torch.inference_mode(False)
    def _average(
        self, X: np.ndarray | None, contrast: Contrast, population: str, trim: Any, by: Any
    ) -> tuple[Average, Groups]:
        groups = Groups.read(by, len(self.folds_ if X is None else X))
        if X is None:
            target = MeanContrast(self.engine_.model, contrast)
            arms = np.repeat(contrast.t1[0], self.engine_.model.n_outcomes_)
            return self.engine_.average(target, population, trim, groups, arms), groups
        if population != "all" or trim is not None:
            raise ValueError(
                "`population` and `trim` choose among the training rows and must be left alone "
                f"when `X` is given, got population={population!r} and trim={trim!r}"
            )
        self.projection_.check()
        return self.projection_.average(self._regressors(X), contrast, groups), groups

    def _plug_in_average(self, X: np.ndarray | None, contrast: Contrast) -> np.ndarray | None:
        if X is None or self.projection_.projection is not None:
            return None  # there is an average with a standard error
        return self._effect(X, contrast).mean(axis=0).ravel()

    @torch.inference_mode(False)
    def _representers(self, contrast: Contrast, name: str) -> list[Representer]:
        """Take the influence values of contrasts apart, for sensitivity analyses."""
        return [self.engine_.representer(MeanContrast(self.engine_.model, contrast))]

    def predict_propensity(self, X: Any) -> np.ndarray:
        """Predict the probability of each arm by the nuisance that was fitted to all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_arms)
            Probabilities, arms in the order of ``treatments_``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If no propensity model was fitted, because the propensity was known.
        """
        check_is_fitted(self)
        X = validate_X(self, X, reset=False)
        if self.propensity_model_ is None:
            raise IntervalNotAvailableError(
                "`predict_propensity` needs a propensity model, but none was fitted, since "
                "`propensity` was given in fit; `propensity_` holds it for the training rows"
            )
        return self.propensity_model_.predict_proba(self._as_given(X))

    def score(self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None) -> float:
        """Compare the squared error of outcomes with that of the mean of each arm.

        This tells how well outcomes are predicted, and nothing about how well effects are; for
        that see `make_effect_scorer`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,), or packed targets
            Treatments, or packed targets.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            ``1 - loss / loss of the means of the arms``, averaged over outcomes.

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
        arrays = {key: as_column_array(fields[key], key) for key in ("T", "y")}
        check_lengths({"X": X, **arrays})
        weight = check_weights(sample_weight, len(X))
        t = self.contrasts_.treatments.encode(arrays["T"])
        y = self.outcomes_.encode(arrays["y"])
        losses = [
            np.average((y - mean) ** 2, axis=0, weights=weight)
            for mean in (self._means(X, t[:, None])[:, 0], self.constant_[t])
        ]
        return float(np.mean(1 - losses[0] / losses[1]))

    def _diagnostic_lines(self) -> list[str]:
        shares = ", ".join(
            f"{name} {share:.3g}" for name, share in zip(self.names_, self.weights_, strict=True)
        )
        return [f"weights: {shares}", *describe_diagnostics(self.diagnostics_)]
