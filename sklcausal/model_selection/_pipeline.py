"""Pipelines that end in an effect estimator and answer like one."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklcausal._fit_data import collect_fields
from sklcausal.base import BaseEffectEstimator, BaseThetaEstimator
from sklcausal.targets import check_same_index, is_packed, pack_targets
from sklcausal.utils._frames import library_of, make_frame


def _final_has(name: str) -> Callable[[Any], bool]:
    return lambda pipe: hasattr(pipe._final_estimator, name)


def _forward(name: str) -> Any:
    """Make a method that asks the final step, with X sent through the transformers."""
    method = getattr(BaseThetaEstimator, name)

    @wraps(method)
    def forward(self: EffectPipeline, *args: Any, **kwargs: Any) -> Any:
        return self._ask(name, *args, **kwargs)

    return available_if(_final_has(name))(forward)


def _is_own_method(final: Any, name: str) -> bool:
    """Tell whether an effect estimator has a method beyond those that all have."""
    is_request = name.startswith("set_") and name.endswith("_request")
    is_method = inspect.ismethod(getattr(final, name, None))
    return isinstance(final, BaseEffectEstimator) and is_method and not is_request


class _Handover(BaseEstimator):
    """Stand in for the final step and hand it T and y as they were given.

    Packed targets, which the transformers see, know neither column names nor categories.
    """

    def __init__(self, final: Any, T: Any, y: Any):
        self.final = final
        self.T = T
        self.y = y

    def fit(self, X: Any, y: Any = None, **params: Any) -> _Handover:
        self.final.fit(X, self.T, self.y, **params)
        return self

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        return self.final.score(X, self.T, self.y, **params)

    def get_metadata_routing(self) -> Any:
        return self.final.get_metadata_routing()

    def __sklearn_is_fitted__(self) -> bool:
        check_is_fitted(self.final)
        return True


@contextmanager
def _hint() -> Iterator[None]:
    """Add to foreign errors what transformers of outcomes need."""
    try:
        yield
    except Exception as error:
        if "void" in str(error) or "dtype([(" in str(error):  # of packed targets
            error.add_note(
                "A transformer that reads outcomes gets packed targets here; put it into an "
                "OutcomeTransformer, so that it sees the outcomes alone."
            )
        raise


class EffectPipeline(Pipeline):
    """Chain transformers and an effect estimator, and ask the chain for effects.

    It is scikit-learn's `Pipeline`, with the methods of the final estimator: those that take X
    send it through the transformers first. Fitted attributes of the final estimator, all those
    whose names end in an underscore, can be read from the pipeline too.

    Parameters
    ----------
    steps : list of tuple of str and estimator
        Names and estimators, transformers first and the effect estimator last.
    memory : str, joblib.Memory or None, default=None
        Where fitted transformers are cached.
    verbose : bool, default=False
        Whether the seconds that each step takes are printed.

    Attributes
    ----------
    named_steps : Bunch
        Estimators by name.
    treatments_ : ndarray of shape (n_arms,) or None
        Labels of the arms, or None for doses.
    control_ : label or None
        Arm that the others are compared with; None for doses.
    effect_names_out_ : ndarray of str of shape (n_contrasts,)
        Names of the default contrasts.
    outcome_names_ : ndarray of str of shape (n_outcomes,)
        Names of the outcomes.
    n_features_in_ : int
        Number of columns of X that the first step saw.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns that the first step saw, if X had names that are all strings.

    See Also
    --------
    make_effect_pipeline : Build one without naming the steps.
    OutcomeTransformer : Let a transformer see the outcome.
    sklearn.pipeline.Pipeline : What it is derived from.

    Notes
    -----
    Transformers get packed targets as their y. Those that ignore y work as they are, others need
    `OutcomeTransformer`.

    The final estimator only knows the transformed columns. Functions that are passed on see
    these: a ``policy`` of `policy_value`, a ``target`` of `estimate`, and so does
    `best_linear_projection` without ``features``. Metadata reach transformers in `fit`,
    `predict` and `score` only.

    Transformers are fitted once, on all rows, before the final estimator cuts these into folds.
    That is harmless where they do not look at T and y. Intervals do not know of rows being
    imputed or of columns being chosen.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import TLearner
    >>> from sklcausal.model_selection import EffectPipeline
    >>> data = make_confounded(200, random_state=0)
    >>> net = TLearner(n_folds=2, max_epochs=2, random_state=0)
    >>> pipe = EffectPipeline([("scale", StandardScaler()), ("net", net)])
    >>> pipe.fit(data.X, data.T, data.y).effect(data.X).shape
    (200,)
    """

    __metadata_request__fit = {"T": UNUSED}
    __metadata_request__score = {"T": UNUSED}

    steps: list[tuple[str, Any]]

    def __init__(self, steps: Any, *, memory: Any = None, verbose: bool = False):
        super().__init__(steps, memory=memory, verbose=verbose)

    # -- fit and score ------------------------------------------------------------------------

    def fit(self, X: Any, T: Any = None, y: Any = None, **params: Any) -> EffectPipeline:
        """Fit the transformers one after the other, and the final step to what they make of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates, as the first step takes them.
        T : array-like of shape (n_samples,) or (n_samples, n_treatments)
            Treatments, or what `pack_targets` returns, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
            Outcomes.
        **params : object
            Arguments of the final step's ``fit``, such as ``sample_weight``, ``propensity`` or
            ``cluster``, and ``step__argument`` for any step. With metadata routing enabled, they
            go to the steps that have requested them.

        Returns
        -------
        self : EffectPipeline
            The fitted pipeline.

        Raises
        ------
        TargetError
            If treatments, outcomes or the fields beside them cannot be used.
        ValueError, TypeError
            If X, a step or an argument cannot be used.
        """
        T, y = self._one_target(T, y, X=X, **params)
        params = self._name_params(params)
        if y is None:
            with _hint():
                return super().fit(X, T, **params)
        inner = self._handing_over(T, y)
        with _hint():
            Pipeline.fit(inner, X, pack_targets(T, y), **params)
        # with `memory` the fitted transformers are copies
        self.steps = [*inner.steps[:-1], self.steps[-1]]
        return self

    @available_if(_final_has("score"))
    def score(
        self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None, **params: Any
    ) -> float:
        """Compute the score of the final step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates, as the first step takes them.
        T : array-like of shape (n_samples,) or (n_samples, n_treatments), or packed targets
            Treatments, or packed targets.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.
        **params : object
            Metadata that steps have requested, with metadata routing enabled.

        Returns
        -------
        float
            What the final step returns.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T or y does not match what was fitted.
        """
        check_is_fitted(self)
        T, y = self._one_target(T, y, X=X, sample_weight=sample_weight)
        if y is None:
            return super().score(X, T, sample_weight=sample_weight, **params)
        inner = self._handing_over(T, y)
        return Pipeline.score(inner, X, sample_weight=sample_weight, **params)

    def _one_target(self, T: Any, y: Any, **beside: Any) -> tuple[Any, Any]:
        """Return T and y, or all that there is of them and None where the last step takes one."""
        if is_packed(y) and T is None:
            T, y = y, None
        final = self._final_estimator
        takes_both = hasattr(final, "fit") and has_fit_parameter(final, "T")
        if takes_both and not (is_packed(T) and y is None):
            collect_fields(final, T, y)
        check_same_index(**beside, T=T, y=y)
        if y is not None and not takes_both:
            return pack_targets(T, y), None
        return T, y

    def _name_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Name the final step in arguments that name none."""
        if get_config()["enable_metadata_routing"]:
            return params
        named = {key: value for key, value in params.items() if "__" in key}
        for key in params.keys() - named.keys():
            full = f"{self.steps[-1][0]}__{key}"
            if full in named:
                raise TypeError(f"`{key}` must be passed once, got `{full}` too")
            named[full] = params[key]
        return named

    def _handing_over(self, T: Any, y: Any) -> EffectPipeline:
        inner = copy.copy(self)
        name, final = self.steps[-1]
        inner.steps = [*self.steps[:-1], (name, _Handover(final, T, y))]
        return inner

    # -- what the final step can be asked -----------------------------------------------------

    ate = _forward("ate")
    ate_interval = _forward("ate_interval")
    att = _forward("att")
    average_derivative = _forward("average_derivative")
    best_linear_projection = _forward("best_linear_projection")
    compact = _forward("compact")
    curve_points = _forward("curve_points")
    dose_response = _forward("dose_response")
    effect = _forward("effect")
    effect_interval = _forward("effect_interval")
    estimate = _forward("estimate")
    parameters = _forward("parameters")
    policy_value = _forward("policy_value")
    potential_outcomes = _forward("potential_outcomes")
    predict_propensity = _forward("predict_propensity")
    summary = _forward("summary")

    @available_if(_final_has("to_frame"))
    @wraps(BaseThetaEstimator.to_frame)
    def to_frame(self, X: Any, *, alpha: float = 0.05, library: str | None = None) -> Any:
        check_is_fitted(self)
        rows = self._transform(X)
        options = {"alpha": alpha, "library": library or library_of(X)}
        frame = self._final_estimator.to_frame(rows, **options)
        index = getattr(X, "index", None)
        if index is None or callable(index) or hasattr(rows, "index"):
            return frame
        # the transformers have dropped the labels of the rows
        columns = {name: np.asarray(frame[name]) for name in frame.columns}
        columns["row"] = np.asarray(index)[columns["row"]]
        return make_frame(columns, library_of(frame))

    def __getattr__(self, name: str) -> Any:
        # what this class has, if only for some final steps, is never read from the final step
        if not name.startswith("_") and name != "steps" and not hasattr(type(self), name):
            final = self._final_estimator
            if name.endswith("_") and hasattr(final, name):
                return getattr(final, name)
            if _is_own_method(final, name):
                return partial(self._ask, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _ask(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the final step, with X, if it takes any, transformed."""
        check_is_fitted(self)
        final = self._final_estimator
        method = getattr(final, name)
        call = inspect.signature(method).bind(*args, **kwargs)
        if call.arguments.get("X") is not None:
            check_same_index(**call.arguments)
            call.arguments["X"] = self._transform(call.arguments["X"])
        answer = method(*call.args, **call.kwargs)
        return self if answer is final else answer

    def _transform(self, X: Any) -> Any:
        for _, step in self.steps[:-1]:
            if step is not None and step != "passthrough":
                X = step.transform(X)
        return X


def make_effect_pipeline(*steps: Any, memory: Any = None, verbose: bool = False) -> EffectPipeline:
    """Build an `EffectPipeline` whose steps are named after their types.

    Parameters
    ----------
    *steps : estimator
        Transformers, and the effect estimator last.
    memory : str, joblib.Memory or None, default=None
        Where fitted transformers are cached.
    verbose : bool, default=False
        Whether the seconds that each step takes are printed.

    Returns
    -------
    EffectPipeline
        Steps have the names of their types in lower case.

    See Also
    --------
    EffectPipeline : The same with names of your own.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklcausal.meta import TLearner
    >>> from sklcausal.model_selection import make_effect_pipeline
    >>> list(make_effect_pipeline(StandardScaler(), TLearner()).named_steps)
    ['standardscaler', 'tlearner']
    """
    return EffectPipeline(make_pipeline(*steps).steps, memory=memory, verbose=verbose)
