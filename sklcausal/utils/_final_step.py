"""Find the effect estimator behind searches and pipelines."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline


def final_step(estimator: Any) -> Any:
    """Return the estimator that a fitted search or pipeline ends in.

    Parameters
    ----------
    estimator : estimator
        Anything.

    Returns
    -------
    estimator
        Itself, unless it is a search or a pipeline.
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


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
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            before = estimator[:-1]
            X = before.transform(X) if len(before) else X  # no step, no transform
            estimator = estimator.steps[-1][1]
        else:
            return X
