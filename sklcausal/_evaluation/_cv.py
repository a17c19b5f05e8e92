"""Folds on which nuisances are fitted."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state

from sklcausal._evaluation._study import Study
from sklcausal._folds import assign_folds
from sklcausal.exceptions import TargetError


def check_folds(
    cv: Any, study: Study, cluster: np.ndarray | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut rows into folds that hold every arm, and check that each row is tested once.

    Parameters
    ----------
    cv : int or iterable of (train, test)
    study : Study
    cluster : ndarray of int of shape (n_samples,) or None
    seed : int

    Returns
    -------
    list of tuple of ndarray of int
        Training and test rows of each fold.
    """
    n = len(study.t)
    if isinstance(cv, bool) or (isinstance(cv, Integral) and cv < 2):
        raise ValueError(f"`cv` must be at least 2 folds, got {cv!r}")
    if isinstance(cv, Integral):
        if cluster is not None and cluster.max() + 1 < cv:
            raise TargetError(
                f"`cluster` must hold at least cv={cv} labels, got {cluster.max() + 1}"
            )
        counts = np.bincount(study.t)
        if counts.min() < cv:
            arm = study.treatments.labels[int(counts.argmin())]
            raise TargetError(
                f"`T` must hold at least cv={cv} rows of every arm, got {counts.min()} of {arm!r}"
            )
        if cluster is None:
            splitter = StratifiedKFold(int(cv), shuffle=True, random_state=seed)
            folds = list(splitter.split(np.zeros(n), study.t))
        else:  # StratifiedGroupKFold takes long where there are many clusters
            rng = check_random_state(seed)
            number = assign_folds(int(cv), study.t, np.zeros(n), cluster, rng)
            tests = [np.flatnonzero(number == k) for k in range(int(cv))]
            folds = [(np.setdiff1d(np.arange(n), test), test) for test in tests]
    else:
        try:
            folds = [(_read_rows(a), _read_rows(b)) for a, b in cv]
        except (TypeError, ValueError) as error:
            raise ValueError(
                "`cv` must be a number of folds or hold pairs of rows to train and to test on, "
                f"got {cv!r}; pass list(splitter.split(X, targets))"
            ) from error
    tested = np.sort(np.concatenate([np.array([], dtype=int), *(test for _, test in folds)]))
    if not np.array_equal(tested, np.arange(n)):
        raise ValueError("`cv` must test every row once, got other folds")
    if any(not len(test) for _, test in folds):
        raise ValueError("`cv` must test rows in every fold, got one without")
    if any(((train < 0) | (train >= n)).any() for train, _ in folds):
        raise ValueError(f"`cv` must name rows from 0 to {n - 1}, got others")
    if any(np.isin(test, train).any() for train, test in folds):
        raise ValueError("`cv` must not train on rows that it tests, got folds that overlap")
    for k, (train, _) in enumerate(folds):
        missing = np.flatnonzero(
            np.bincount(study.t[train], minlength=study.treatments.n_arms) == 0
        )
        if len(missing):
            raise TargetError(
                f"`T` must hold every arm among the training rows of each fold, got none of "
                f"{study.treatments.labels[missing[0]]!r} in fold {k}"
            )
    return folds


def _read_rows(rows: Any) -> np.ndarray:
    array = np.asarray(rows)
    if array.dtype.kind not in "iu" and len(array):
        raise TypeError(f"rows must be integers, got {array.dtype}")
    return array.astype(int)
