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
