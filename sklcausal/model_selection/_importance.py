"""Which columns an effect depends on."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state

from sklcausal._evaluation._judged import Judged, arms_of, read_judged
from sklcausal._evaluation._scores import partial_out, read_cluster
from sklcausal.inference._averages import covariance_of_moves
from sklcausal.utils._final_step import transform_to_final

LOSSES = ("dr", "r")


def _names(X: Any) -> list[Any]:
    columns = getattr(X, "columns", None)
    return list(range(X.shape[1])) if columns is None else list(columns)


def _read_groups(X: Any, columns: Any) -> dict[str, list[int]]:
    """Name what is permuted together, as positions of columns."""
    names = _names(X)
    labels = [f"x{name}" if isinstance(name, int) else str(name) for name in names]
    if len(set(labels)) < len(labels):
        raise ValueError(f"`X` must have columns of different names, got {labels}")
    if columns is None:
        return {label: [j] for j, label in enumerate(labels)}
    if isinstance(columns, (str, bytes)) or not isinstance(columns, Collection):
        raise TypeError(
            "`columns` must be a list of columns, or a dict of lists that are permuted together, "
            f"got {columns!r}"
        )
    if not isinstance(columns, Mapping):
        columns = {_label(own): _members(own) for own in columns}
    found = {}
    for group, members in columns.items():
        own = _members(members)
        unknown = [m for m in own if isinstance(m, bool) or not (m in names or _is_place(m, X))]
        if unknown or not own:
            raise ValueError(f"`columns` must name columns among {names}, got {members!r}")
        found[str(group)] = [names.index(m) if m in names else int(m) for m in own]
    return found


def _members(group: Any) -> list[Any]:
    return [group] if isinstance(group, (str, bytes)) or np.ndim(group) == 0 else list(group)


def _label(group: Any) -> str:
    return " + ".join(m if isinstance(m, str) else f"x{m}" for m in _members(group))


def _is_place(member: Any, X: Any) -> bool:
    return isinstance(member, (int, np.integer)) and 0 <= member < X.shape[1]


def _permute(X: Any, positions: Sequence[int], order: np.ndarray) -> Any:
    """Copy X with the rows of some columns in another order, the columns together."""
    if hasattr(X, "iloc"):
        out = X.copy()
        for j in positions:
            out.isetitem(j, X.iloc[order, j].set_axis(X.index))
        return out
    if hasattr(X, "with_columns"):
        return X.with_columns([X[:, j][order.tolist()] for j in positions])
    out = np.array(X)
    out[:, list(positions)] = out[order][:, list(positions)]
    return out


def _row_losses(rows: Judged, effect: np.ndarray, loss: str, clip: float) -> np.ndarray:
    """Compute the loss of every row, averaged over contrasts and outcomes."""
    study = rows.study
    effect = study.read_effect(effect)
    if loss == "dr":
        return ((rows.contrasts(clip) - effect) ** 2).mean(axis=(1, 2))
    left, surprise = partial_out(study, rows.outcome_mean, rows.propensity)
    left = left - np.einsum("nc,ncm->nm", surprise, effect)
    return (left**2).mean(axis=1)


def effect_importance(
    estimator: Any,
    X: Any,
    T: Any,
    y: Any = None,
    *,
    loss: str = "dr",
    columns: Any = None,
    n_repeats: int = 5,
    outcome_mean: Any = None,
    propensity: Any = None,
    sample_weight: Any = None,
    cluster: Any = None,
    clip: float = 0.01,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Bunch:
    """Measure how much worse effects get when a column is permuted.

    The column is permuted where effects are predicted, while the pseudo-outcomes by which they are
    judged stay. A column that moves outcomes but not effects has no importance.

    Parameters
    ----------
    estimator : estimator
        Fitted effect estimator, or a fitted pipeline or search that ends in one.
    X : array-like or frame of shape (n_samples, n_features)
        Covariates, best of rows that the estimator has not seen.
    T : array-like of shape (n_samples,)
        Arm that each row received, or packed targets, with ``y=None``; packed nuisances are read.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
        Outcomes.
    loss : {'dr', 'r'}, default='dr'
        Doubly robust loss, or that of the R-learner, which is calmer where overlap is poor.
    columns : sequence of column names or positions, or mapping of str to these, or None, \
default=None
        Columns to permute; those in a list of their own, or under one name of a mapping, are
        permuted together. None permutes each alone.
    n_repeats : int, default=5
        Permutations of each.
    outcome_mean, propensity : array-like or None, default=None
        As the metrics take them; None cross-fits them by `cross_fit_nuisances`.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights.
    cluster : array-like of shape (n_samples,) or None, default=None
        Rows with the same label share errors.
    clip : float, default=0.01
        Smallest probability that is divided by.
    n_jobs : int or None, default=None
        Processes, through joblib; the result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations.

    Returns
    -------
    importance : Bunch
        ``importances`` of shape (n_groups, n_repeats), how much the loss rises, in squared outcome
        units; ``importances_mean`` and ``importances_std`` of shape (n_groups,) over repeats;
        ``std_error`` of shape (n_groups,), over rows or clusters that are drawn anew; and
        ``feature_names`` of shape (n_groups,).

    Raises
    ------
    TargetError
        If T or y cannot be used, or the estimator was fitted to doses.
    ValueError
        If ``loss``, ``columns`` or ``n_repeats`` cannot be used.
    TypeError
        If the estimator does not estimate effects.

    See Also
    --------
    sklearn.inspection.permutation_importance : Takes a scorer of `make_effect_scorer`.

    Notes
    -----
    Of two columns that tell the same, each may seem to matter little; permute them together.
    Permuted rows may be combinations that nobody has.

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import TLearner
    >>> from sklcausal.model_selection import effect_importance
    >>> data = make_confounded(200, random_state=0)
    >>> est = TLearner(n_folds=1, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> effect_importance(est, data.X, data.T, data.y, n_repeats=2).importances.shape
    (5, 2)
    """
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {LOSSES}, got {loss!r}")
    if (
        isinstance(n_repeats, bool)
        or not isinstance(n_repeats, (int, np.integer))
        or n_repeats < 1
    ):
        raise ValueError(f"`n_repeats` must be an integer of at least 1, got {n_repeats!r}")
    X = X if hasattr(X, "shape") else np.asarray(X)
    if len(X.shape) != 2:
        raise ValueError(f"`X` must have shape (n_samples, n_features), got {X.shape}")
    groups = _read_groups(X, columns)
    rows = read_judged(
        X,
        T,
        y,
        outcome_mean=outcome_mean,
        propensity=propensity,
        sample_weight=sample_weight,
        cluster=cluster,
        seen=transform_to_final(estimator, X),
        **arms_of(estimator),
    )
    n = len(rows.study.t)
    rng = check_random_state(random_state)
    # rows lend their values as often as their weights say
    share = None if sample_weight is None else rows.study.weight
    orders = [
        [rng.permutation(n) if share is None else rng.choice(n, n, p=share) for _ in own]
        for own in [range(n_repeats)] * len(groups)
    ]
    before = _row_losses(rows, estimator.predict(X), loss, clip)

    def rise(positions: list[int], order: np.ndarray) -> np.ndarray:
        predicted = estimator.predict(_permute(X, positions, order))
        return _row_losses(rows, predicted, loss, clip) - before

    found = Parallel(n_jobs=n_jobs)(
        delayed(rise)(positions, order)
        for positions, own in zip(groups.values(), orders, strict=True)
        for order in own
    )
    rises = np.array(found).reshape(len(groups), n_repeats, n)
    weight = rows.study.weight
    importances = rises @ weight
    # a row moves the mean by its own rise, and by that of the row that was given its value
    moves = weight * (rises - importances[:, :, None])
    lent = np.zeros_like(moves)
    for k, own in enumerate(orders):
        for r, order in enumerate(own):
            np.add.at(lent[k, r], order, moves[k, r])
    move = (moves + lent).mean(axis=1).T
    cluster = read_cluster(rows.cluster, rows.study)
    covariance = covariance_of_moves([move], [np.arange(n)], cluster)
    return Bunch(
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        std_error=np.sqrt(np.diag(covariance)),
        feature_names=np.array(list(groups), dtype=object),
    )
