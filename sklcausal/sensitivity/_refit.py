"""Fit clones of an estimator to changed data, alike for any number of processes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import clone

from sklcausal.exceptions import TargetError
from sklcausal.targets import is_packed, pack_targets, unpack_targets
from sklcausal.utils._final_step import final_step, name_weight

FIELDS = ("propensity", "cluster")


def take_apart(T: Any, y: Any, **given: Any) -> dict[str, Any]:
    """Bring packed and separate targets to one form.

    Parameters
    ----------
    T, y : object
        Treatments and outcomes, or packed targets in either and None in the other.
    **given : object
        Fields and weights passed beside them.

    Returns
    -------
    dict of str to object
        ``T``, ``y`` and all fields, None where not given.

    Raises
    ------
    TargetError
        If something comes both packed and apart.
    """
    if not is_packed(T) and not is_packed(y):
        return {"T": T, "y": y, **given}
    if T is not None and y is not None:
        raise TargetError("packed targets must stand alone, without `T` or `y` beside them")
    packed = unpack_targets(y if T is None else T)
    both = [name for name in packed if given.get(name) is not None]
    if both:
        raise TargetError(f"`{both[0]}` must be packed or passed, got both")
    return {**given, **packed}


def unfitted(estimator: Any, rng: np.random.RandomState | None = None) -> Any:
    """Clone an estimator, the best one of a fitted search.

    Parameters
    ----------
    estimator : estimator
    rng : RandomState or None, default=None
        Draws new seeds; None leaves those of the estimator.

    Returns
    -------
    estimator
    """
    found = clone(getattr(estimator, "best_estimator_", estimator))
    inner = final_step(found)
    inner = final_step(getattr(inner, "estimator", inner))  # of a search that is not fitted
    if not hasattr(inner, "effect"):
        raise TypeError(
            "`estimator` must be an effect estimator, or a pipeline or search that ends in one, "
            f"got {type(inner).__name__}"
        )
    if rng is not None:
        names = sorted(found.get_params(deep=True))
        seeds = [
            name for name in names if name == "random_state" or name[-14:] == "__random_state"
        ]
        found.set_params(**{name: int(rng.randint(2**31 - 1)) for name in seeds})
    return found


def fit(estimator: Any, X: Any, rows: dict[str, Any]) -> Any:
    """Fit an estimator or pipeline.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)
    rows : dict of str to object
        From `take_apart`.

    Returns
    -------
    estimator
        The same, fitted.
    """
    fields = {name: rows[name] for name in FIELDS if rows.get(name) is not None}
    weight = rows.get("sample_weight")
    routed = {} if weight is None else {name_weight(estimator): weight}
    with one_thread():
        if hasattr(estimator, "effect"):
            return estimator.fit(X, rows["T"], rows["y"], **fields, **routed)
        return estimator.fit(X, pack_targets(rows["T"], rows["y"], **fields), **routed)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as it does in workers: sums hinge on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fan_out(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], n_jobs: Any) -> Any:
    """Call a function for every job, in processes if asked.

    Parameters
    ----------
    function : callable
    jobs : sequence of tuple
        Arguments of each call.
    n_jobs : int or None
        Number of processes.

    Returns
    -------
    list
        Results in the order of the jobs.
    """
    return Parallel(n_jobs=n_jobs)(delayed(function)(*job) for job in jobs)
