"""Find all estimators, and let scikit-learn's own checks run on them."""

# SPDX-License-Identifier: BSD-3-Clause

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from scipy.sparse import issparse

import sklcausal
from sklcausal import hyper
from sklcausal.base import BaseEffectEstimator
from sklcausal.meta import SLearner, TLearner

# What a fit in the tests is given, as far as an estimator has the parameter. Whatever ends in
# `widths` is (8,).
TINY = {
    "batch_size": 128,
    "cv": 2,
    "max_epochs": 2,
    "n_features_interval": 4,
    "n_folds": 2,
    "n_knots": 3,
    "numeric_encoding": None,
    "random_state": 0,
    "weight_decay": 0.3,
}


def all_estimators():
    """Walk the package for its concrete estimators.

    Returns
    -------
    list of type
        Sorted by name.
    """
    for info in pkgutil.walk_packages(sklcausal.__path__, prefix="sklcausal."):
        importlib.import_module(info.name)
    found, ahead = set(), [BaseEffectEstimator]
    while ahead:
        cls = ahead.pop()
        ahead += cls.__subclasses__()
        inside = cls.__module__.split(".")[0] == "sklcausal"
        if inside and not inspect.isabstract(cls) and not cls.__name__.startswith("_"):
            found.add(cls)
    return sorted(found, key=lambda cls: cls.__name__)


def tiny(cls, **params):
    """Build an estimator that fits in a moment.

    Parameters
    ----------
    cls : type
    **params : object
        Parameters that differ from `TINY`.

    Returns
    -------
    estimator
    """
    names = inspect.signature(cls).parameters
    small = {name: value for name, value in TINY.items() if name in names}
    small |= {name: (8,) for name in names if name.endswith("widths")}
    if "estimators" in names:
        own = {"n_folds": 1, "random_state": None}
        small["estimators"] = [("s", tiny(SLearner, **own)), ("t", tiny(TLearner, **own))]
    return cls(**small | params)


def mark_twins(classes):
    """Mark the twins that are tested with `-m slow` only.

    Parameters
    ----------
    classes : sequence of type

    Returns
    -------
    list
        For ``pytest.mark.parametrize``.
    """
    return [
        pytest.param(cls, marks=pytest.mark.slow) if cls.__name__ in OTHER_TWINS else cls
        for cls in classes
    ]


def set_everywhere(est, **params):
    """Set parameters of an estimator and of estimators within it, where they have them.

    Parameters
    ----------
    est : estimator
    **params : object

    Returns
    -------
    estimator
    """
    names = [name for name in est.get_params() if name.split("__")[-1] in params]
    return est.set_params(**{name: params[name.split("__")[-1]] for name in names})


def describe_params(est):
    """Write parameters, so that those of copies are equal where they hold estimators.

    Parameters
    ----------
    est : estimator

    Returns
    -------
    dict of str to str
    """
    return {name: repr(value) for name, value in est.get_params().items()}


def make_study(n=120, arms=(0, 1), outcomes="continuous", seed=0):
    """Draw a randomised study with an effect that grows with the first column.

    Parameters
    ----------
    n : int
    arms : sequence of labels
        Each gets the same number of rows, give or take one.
    outcomes : {'continuous', 'binary', 'count'} or sequence of them
        Kind of each column of y, which has one axis for a string.
    seed : int

    Returns
    -------
    X : ndarray of shape (n, 3)
    T : ndarray of shape (n,)
    y : ndarray of shape (n,) or (n, n_outcomes)
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    codes = rng.permutation(np.arange(n) % len(arms))
    level = X[:, 1] + codes * (1 + X[:, 0])
    kinds = [outcomes] if isinstance(outcomes, str) else outcomes
    columns = [rng.normal(level) for _ in kinds]
    for m, kind in enumerate(kinds):
        if kind != "continuous":
            columns[m] = np.round(np.clip(columns[m], 0, 1 if kind == "binary" else 9))
    y = columns[0] if isinstance(outcomes, str) else np.stack(columns, axis=1)
    return X, np.asarray(arms)[codes], y


def run_afresh(code, folder, **environment):
    """Run Python code in a fresh process that finds the package where this one found it.

    Parameters
    ----------
    code : str
    folder : Path
        Where it runs.
    **environment : str
        Environment variables that differ.
    """
    package = str(Path(sklcausal.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def draw_doses(X):
    """Draw a dose for each row from a hash of what it holds.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    rows = np.asarray(X.toarray() if issparse(X) else X)
    if rows.ndim == 0 or rows.dtype.kind == "c":
        return np.linspace(0.1, 0.9, rows.size)
    hashes = np.array([crc32(repr(row.tolist()).encode()) for row in rows], dtype=float)
    # the place tells apart rows that are alike, of which some checks are made
    return hashes % 1000 / 1000 + 1e-3 * np.arange(len(rows))


def draw_arms(X):
    """Draw an arm for each row from a hash of what it holds.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Also one that no estimator takes: the complaint is left to the estimator.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        The same arm for the same row, whatever rows stand beside it, unless an arm would get
        fewer than 4 rows, or than 2 where there are not 8.
    """
    if issparse(X):
        X = X.toarray()
    rows = np.asarray(X)
    if rows.ndim == 0 or not len(rows) or rows.dtype.kind == "c":
        return np.zeros(rows.size, dtype=int)
    try:
        contents = [(row + 0.0).tobytes() for row in np.asarray(rows, dtype=np.float64)]
    except (TypeError, ValueError):
        contents = [repr(row.tolist()).encode() for row in rows]
    hashes = np.array([crc32(content) for content in contents])
    arms = (hashes >> 7) % 2
    for least in (4, 2):  # as many as two folds need, or one
        if len(arms) >= 2 * least and np.bincount(arms, minlength=2).min() < least:
            arms[:least], arms[least : 2 * least] = 0, 1
    return arms


class _Adapter:
    """Take ``fit(X, y)`` and ``score(X, y)``, with treatments drawn from X."""

    def _draw(self, X):
        return draw_arms(X) if "discrete" in self._treatment_kinds else draw_doses(X)

    def fit(self, X, y=None, *, sample_weight=None):
        T = self._draw(X) if y is not None else None
        return super().fit(X, T, y, sample_weight=sample_weight)

    def score(self, X, y=None, *, sample_weight=None):
        T = self._draw(X) if y is not None else None
        return super().score(X, T, y, sample_weight=sample_weight)


def _adapt(cls):
    namespace = {"__doc__": cls.__doc__, "__module__": __name__}
    return type(f"{cls.__name__}Adapter", (_Adapter, cls), namespace)


ADAPTERS = [_adapt(cls) for cls in all_estimators()]
# the battery of this package fits arms
ESTIMATORS = [cls for cls in all_estimators() if "discrete" in cls._treatment_kinds]
# A twin changes who makes the weights, and nothing else: of all twins two go through the whole
# battery, one of a single stage and one of two; the others with `-m slow`.
OTHER_TWINS = {name for name in hyper.__all__ if name not in ("HyperTARNet", "HyperDRLearner")}
globals().update({cls.__name__: cls for cls in ADAPTERS})  # where pickle looks for them
