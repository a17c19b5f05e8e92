"""Averages of effects, for every estimator."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklcausal._contrasts import Contrast, Contrasts
from sklcausal._encoding import Outcomes
from sklcausal._fit_data import validate_X
from sklcausal.inference._averages import Average
from sklcausal.inference._groups import Groups
from sklcausal.inference._result import InferenceResult, make_result
from sklcausal.targets import check_same_index


def check_alpha(alpha: Any) -> None:
    """Refuse what is no error rate of an interval.

    Parameters
    ----------
    alpha : float
    """
    if not isinstance(alpha, (int, float, np.number)) or not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be a number between 0 and 1, got {alpha!r}")


class AverageResults(BaseEstimator, metaclass=ABCMeta):
    """Average effects over people, once an estimator is fitted.

    `BaseEffectEstimator` sets the attributes that are named here.
    """

    contrasts_: Contrasts
    outcomes_: Outcomes
    outcome_names_: np.ndarray

    @abstractmethod
    def _limits_of(self, n: int, of_means: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and largest effects, or mean outcomes, outcomes innermost."""

    @abstractmethod
    def _average(
        self, X: np.ndarray | None, contrast: Contrast, population: str, trim: Any, by: Any
    ) -> tuple[Average, Groups]:
        """Average contrasts in groups."""

    def estimate(
        self,
        target: Any = None,
        *,
        of: str = "parameters",
        X: Any = None,
        T: Any = None,
        T0: Any = None,
        T1: Any = None,
        population: str = "all",
        trim: tuple[float, float] | None = None,
        by: Any = None,
    ) -> InferenceResult:
        """Estimate average effects, or averages of any target, with standard errors and tests.

        For the effect of single people use `effect_interval`: with a single row of X the interval
        here lies around `effect` and leaves out what the networks get wrong there.

        Parameters
        ----------
        target : callable, list or dict of callable, or None, default=None
            Functions ``H(theta)``, ``H(theta, x)`` or ``H(theta, x, t)`` of one row that return a
            number, written with torch; None averages effects.
        of : {'parameters', 'means'}, default='parameters'
            What a target reads as ``theta``: the parameters of the model, as
            ``parameter_names_out_`` names them, or the mean outcomes of all arms, of shape
            (n_arms,) or (n_arms, n_outcomes), in outcome units and in the order of
            ``treatments_``, which is sorted unless ``treatments`` names another. With the
            outcomes conversion and cost, ``lambda mean: 60 * mean[1, 0] - mean[1, 1]`` of 'means'
            is the profit of the second arm.
        X : array-like of shape (n_samples, n_features) or None, default=None
            Covariates of the people to average effects over, taken as fixed; None averages over
            the training population.
        T : label or dose, or array-like of them, default=None
            Treatment at which a target is evaluated: one for all rows or one for each training
            row. None takes the treatments that were received.
        T0, T1 : label or dose, default=None
            Treatments whose effects are averaged, as in `effect`.
        population : {'all', 'treated', 'overlap'}, default='all'
            'treated' averages effects over those who received T1, 'overlap' weights people by how
            much their treatment was open.
        trim : tuple of float or None, default=None
            Keep only people all of whose propensities lie between the two bounds.
        by : array-like of shape (n_samples,) or None, default=None
            Labels of groups, for an average in each. One label for each row of X, or of the
            training data if X is None. Labels must be functions of covariates, such as an age
            band.

        Returns
        -------
        InferenceResult
            Estimates, groups sorted or in the order of categories, contrasts or targets within,
            outcomes within;
            effects are in outcome units.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``.
        TargetError
            If T0, T1 or T is no known arm, or ``by`` was formed by T or y.
        ModelError
            If the target cannot be computed, is not finite or does not depend on theta.
        ValueError, TypeError
            If ``population``, ``trim`` or ``target`` cannot be used.
        """
        title = "Average effects" if target is None else "Averages"
        title += f" by {type(self).__name__}"
        title += "" if population == "all" else f", population {population!r}"
        title += "" if trim is None else f", propensities within {trim}"
        title += "" if X is None else ", given rows"
        if target is None:
            if T is not None or of != "parameters":
                name = "T" if T is not None else "of"
                raise ValueError(
                    f"`{name}` goes with a `target`; name the treatments of an effect by T0 and T1"
                )
            return self._result(X, T0, T1, population, trim, by, title)[0]
        check_is_fitted(self)
        for name, value in {"X": X, "T0": T0, "T1": T1}.items():
            if value is not None:
                raise ValueError(
                    f"`{name}` goes with effects and must be None when a `target` is given"
                )
        if population == "treated":
            raise ValueError(
                "`population='treated'` goes with effects; use 'all' or 'overlap' with a `target`"
            )
        if of not in ("parameters", "means"):
            raise ValueError(f"`of` must be 'parameters' or 'means', got {of!r}")
        return self._estimate_target(target, of == "means", T, population, trim, by, title)

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
        """Average functions of theta, or of the mean outcomes of all arms."""
        raise TypeError(f"{type(self).__name__} has no parameters that a `target` could read")

    def _result(
        self, X: Any, T0: Any, T1: Any, population: str, trim: Any, by: Any, title: str = ""
    ) -> tuple[InferenceResult, Groups]:
        check_is_fitted(self)
        check_same_index(X=X, by=by)
        if X is not None:
            X = validate_X(self, X, reset=False)
        contrast = self._average_contrast(T0, T1)
        found, groups = self._average(X, contrast, population, trim, by)
        names = list(contrast.names)
        if not self.outcomes_.one_dim:
            names = [f"{name}: {outcome}" for name in names for outcome in self.outcome_names_]
        limits = self._limits_of(len(found.estimate))
        return make_result(found, groups.name(names), title, limits), groups

    def ate(
        self,
        X: Any = None,
        *,
        T0: Any = None,
        T1: Any = None,
        population: str = "all",
        trim: tuple[float, float] | None = None,
        by: Any = None,
    ) -> Any:
        """Estimate the average effect, in outcome units.

        Without X it is the mean of the influence values over the training population; with X it
        is the mean of `effect` over those rows, taken as fixed, or for `EffectStacking` of the
        regression that its intervals lie around. The two differ by what the influence values
        correct. With ``n_folds=1`` there are no influence values, and it is the
        mean of `effect` over the training population.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None, default=None
            Covariates.
        T0, T1, population, trim, by : object
            As in `estimate`.

        Returns
        -------
        float or ndarray of shape (n_contrasts,) or (n_contrasts, n_outcomes)
            Average effect of each contrast; with ``by`` behind an axis of groups, sorted by label.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If what is asked for needs influence values, and ``n_folds=1``.
        TargetError
            If T0 or T1 is no known arm, or ``by`` was formed by T or y.
        ValueError
            If ``population`` or ``trim`` cannot be used.
        """
        check_is_fitted(self)
        if population == "all" and trim is None and by is None:
            check_same_index(X=X)
            rows = None if X is None else validate_X(self, X, reset=False)
            plug_in = self._plug_in_average(rows, self._average_contrast(T0, T1))
            if plug_in is not None:
                return self._scalar(plug_in)
        result, groups = self._result(X, T0, T1, population, trim, by)
        return self._by_group(result.estimate, groups)

    def _plug_in_average(self, X: np.ndarray | None, contrast: Contrast) -> np.ndarray | None:
        """Average the effect where there is no inference, shape (n_targets,)."""
        return None

    def ate_interval(
        self,
        X: Any = None,
        alpha: float = 0.05,
        *,
        T0: Any = None,
        T1: Any = None,
        population: str = "all",
        trim: tuple[float, float] | None = None,
        by: Any = None,
    ) -> tuple[Any, Any]:
        """Compute a confidence interval of the average effect, in outcome units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None, default=None
            Covariates.
        alpha : float, default=0.05
            One minus the confidence level.
        T0, T1, population, trim, by : object
            As in `estimate`.

        Returns
        -------
        low, high : float or ndarray, each shaped as what `ate` returns
            Bounds of the interval.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If what is asked for needs influence values, and ``n_folds=1``.
        TargetError
            If T0 or T1 is no known arm, or ``by`` was formed by T or y.
        ValueError
            If ``population`` or ``trim`` cannot be used.
        """
        check_alpha(alpha)
        result, groups = self._result(X, T0, T1, population, trim, by)
        low, high = result.conf_int(alpha)
        return self._by_group(low, groups), self._by_group(high, groups)

    def att(self, *, T0: Any = None, T1: Any = None) -> Any:
        """Estimate the average effect among those who received the treatment.

        Parameters
        ----------
        T0, T1 : label, default=None
            As in `effect`.

        Returns
        -------
        float or ndarray of shape (n_contrasts,) or (n_contrasts, n_outcomes)
            Average effect of each contrast among the treated.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If what is asked for needs influence values, and ``n_folds=1``.
        TargetError
            If T0 or T1 is no known arm, or ``by`` was formed by T or y.
        ValueError
            If ``population`` or ``trim`` cannot be used.
        """
        return self.ate(T0=T0, T1=T1, population="treated")

    def _by_group(self, values: np.ndarray, groups: Groups) -> Any:
        if groups.labels == [None]:
            return self._scalar(values)
        return np.stack([self._scalar(own) for own in np.split(values, len(groups.labels))])

    def _scalar(self, values: np.ndarray) -> Any:
        shaped = self._shape(values.reshape(1, -1, self.outcomes_.n_outcomes))[0]
        return float(shaped) if np.ndim(shaped) == 0 else shaped

    def summary(self, alpha: float = 0.05) -> str:
        """Format the average effects and the diagnostics as a table.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level of the intervals.

        Returns
        -------
        str
            Table as text.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1``.
        """
        check_alpha(alpha)
        result = self.estimate()
        lines = [result.summary(alpha), f"rows: {result.n_samples}"]
        return "\n".join([*lines, *self._diagnostic_lines()])

    def _diagnostic_lines(self) -> list[str]:
        return []
