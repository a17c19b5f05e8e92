"""Find the effect estimator behind searches and pipelines."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def final_step(estimator: Any) -> Any:
    """Return the estimator that a fitted search or pipeline ends in.

    Parameters
    ----------
    estimator : estimator
        Anything.

    Returns
    -------
    estimator
        Itself, unless it is a search, a pipeline or frozen.
    """
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def inner_of(candidate: Any) -> Any:
    """Return what an unfitted search searches over.

    Parameters
    ----------
    candidate : estimator
        Anything.

    Returns
    -------
    estimator
        Itself, unless it is a search.
    """
    while hasattr(candidate, "estimator") and not isinstance(candidate, FrozenEstimator):
        candidate = candidate.estimator
    return candidate


def transform_to_final(estimator: Any, X: Any) -> Any:
    """Send X through all transformers on the way to the final estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted; anything.
    X : array-like of shape (n_samples, n_features)
        Covariates as the outermost search or pipeline gets them.

    Returns
    -------
    array-like of shape (n_samples, n_seen)
        What `final_step` gets to see.
    """
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            before = estimator[:-1]
            X = before.transform(X) if len(before) else X  # no step, no transform
            estimator = estimator.steps[-1][1]
        else:
            return X


def find_fitted(estimator: Any) -> Any:
    """Return the fitted effect estimator that a search or pipeline ends in.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    estimator
    """
    final = final_step(estimator)
    if not hasattr(final, "effect"):
        raise TypeError(
            "`estimator` must be an effect estimator, or a pipeline or search that ends in one, "
            f"got {type(final).__name__}"
        )
    check_is_fitted(final)
    return final


def name_weight(estimator: Any) -> str:
    """Name the argument of ``fit`` by which weights reach the final estimator.

    Parameters
    ----------
    estimator : estimator
        Unfitted; anything.

    Returns
    -------
    str
    """
    takes_weights = hasattr(estimator, "effect") or get_config()["enable_metadata_routing"]
    if isinstance(estimator, Pipeline) and not takes_weights:
        step, last = estimator.steps[-1]
        return f"{step}__{name_weight(last)}"
    inner = getattr(estimator, "estimator", None)
    if inner is None or hasattr(estimator, "effect") or isinstance(estimator, FrozenEstimator):
        return "sample_weight"
    return name_weight(inner)  # searches hand arguments on as they are
