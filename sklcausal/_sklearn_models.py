"""Fit scikit-learn models that are parts of something else: with seeds, weights, and means."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import has_fit_parameter

from sklcausal.utils._final_step import name_weight


def seeded(model: Any, seed: int) -> Any:
    """Copy a model, unfitted, with a seed wherever it has none.

    Parameters
    ----------
    model : estimator
    seed : int

    Returns
    -------
    estimator
    """
    if not hasattr(model, "get_params"):
        raise ValueError(f"a model must be a scikit-learn estimator, got {model!r}")
    model = clone(model)
    seeds = {
        name: seed
        for name, value in model.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return model.set_params(**seeds)


def fit_weighted(
    model: Any, X: Any, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
) -> Any:
    """Fit a copy of a model, whose weights go to the last step of a pipeline.

    Parameters
    ----------
    model : estimator
    X : array-like of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_samples,) or None
    rows : ndarray of int of shape (n_rows,)
        Which of the weights are those of X.

    Returns
    -------
    estimator
    """
    if weight is None:
        return clone(model).fit(X, y)
    if not takes_weight(model):
        raise TypeError(
            f"`sample_weight` needs models that take it in fit, got {type(model).__name__}"
        )
    return clone(model).fit(X, y, **{name_weight(model): weight[rows]})


def takes_weight(model: Any) -> bool:
    """Tell whether a model, or the last step of a pipeline, takes weights of rows.

    Parameters
    ----------
    model : estimator

    Returns
    -------
    bool
    """
    name = name_weight(model)
    return "__" in name or has_fit_parameter(model, name)


class MeanModel:
    """Mean of an outcome, by a regressor, a classifier of 0 and 1, or a constant.

    Parameters
    ----------
    model : estimator
        Fitted as a copy.
    X : array-like of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_samples,) or None
    rows : ndarray of int of shape (n_rows,)
        Which of the weights are those of X.
    """

    def __init__(
        self, model: Any, X: Any, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
    ):
        self.constant = float(y[0])
        # classifiers refuse a single class
        is_constant = bool((y == y[0]).all())
        self.fitted = None if is_constant else fit_weighted(model, X, y, weight, rows)

    def __call__(self, X: Any) -> np.ndarray:
        """Predict the mean of each row.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,)
        """
        if self.fitted is None:
            return np.full(X.shape[0], self.constant)
        if is_classifier(self.fitted):
            found: np.ndarray = self.fitted.predict_proba(X)[:, 1]
        else:
            found = np.asarray(self.fitted.predict(X), dtype=float).ravel()
        return found


def check_mean_model(model: Any, is_binary: bool, name: str) -> None:
    """Refuse a classifier for outcomes other than 0 and 1, or without probabilities.

    Parameters
    ----------
    model : estimator
    is_binary : bool
    name : str
        Of the parameter.
    """
    if is_classifier(model) and not is_binary:
        raise ValueError(
            f"`{name}` must be a regressor for outcomes other than 0 and 1, got "
            f"{type(model).__name__}"
        )
    if is_classifier(model):
        check_arm_model(model, name)


def check_effect_model(model: Any) -> None:
    """Refuse a classifier of effects.

    Parameters
    ----------
    model : estimator

    Raises
    ------
    ValueError
        If it is one.
    """
    if is_classifier(model):
        raise ValueError(f"`effect_model` must be a regressor, got {type(model).__name__}")


def check_arm_model(model: Any, name: str) -> None:
    """Refuse a model of the arms without probabilities.

    Parameters
    ----------
    model : estimator
    name : str
        Of the parameter.
    """
    if not hasattr(model, "predict_proba"):
        raise ValueError(f"`{name}` must have `predict_proba`, got {type(model).__name__}")
