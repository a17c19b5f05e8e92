"""Whether predicted effects are as large as effects are."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._scores import (
    arm_scores,
    average_groups,
    contrast_scores,
    count_units,
    covariance_of,
    read_cluster,
)
from sklcausal._evaluation._study import Study, read_study
from sklcausal.inference import InferenceResult
from sklcausal.utils._blurbs import fill_docs

MIN_ROWS = 2
MIN_SLOPE = 3


def _groups(effect: np.ndarray, weight: np.ndarray, n_groups: int) -> np.ndarray:
    """Number groups of about equal weight by size of the effect, ties together."""
    places = np.unique(effect, return_inverse=True)[1]
    mass = np.bincount(places, weight)
    middle = mass.cumsum() - mass / 2
    group = np.minimum((middle / mass.sum() * n_groups).astype(int), n_groups - 1)
    return np.unique(group, return_inverse=True)[1][places]


def _check_sizes(
    group: np.ndarray, study: Study, n_groups: int, cluster: np.ndarray | None
) -> None:
    smallest = int(count_units(group, study.weight, cluster).min())
    if smallest < MIN_ROWS:
        what = "rows" if cluster is None else "clusters"
        raise ValueError(
            f"`n_groups` must leave at least {MIN_ROWS} {what} in each group, got {smallest} with "
            f"n_groups={n_groups} and {len(study.t)} rows"
        )


class GroupEffects(InferenceResult):
    """Average effects of groups of people, with what was predicted for them.

    Returned by `gates`; it takes the parameters of `InferenceResult`, to which it adds one.

    Parameters
    ----------
    *args : object
        Passed to `InferenceResult`.
    predicted : ndarray of shape (n_targets,)
        Mean predicted effect of each group, in outcome units.
    **kwargs : object
        Passed to `InferenceResult`.

    Attributes
    ----------
    predicted : ndarray of shape (n_targets,)
        Mean predicted effect of each group, in outcome units.
    """

    def __init__(self, *args: Any, predicted: np.ndarray, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.predicted = predicted

    def table(self, alpha: float = 0.05) -> dict[str, list[Any]]:
        """Collect the columns of the summary, predictions before estimates.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        dict of str to list
            Columns by name.
        """
        columns = super().table(alpha)
        target = columns.pop("target")
        return {"target": target, "predicted": self.predicted.tolist(), **columns}

    def __getitem__(self, key: Any) -> GroupEffects:
        """Return some of the groups.

        Parameters
        ----------
        key : str, int or sequence of them
            Names or positions.

        Returns
        -------
        GroupEffects
            These groups, with their covariance.

        Raises
        ------
        KeyError
            If there is no such group.
        """
        found = super().__getitem__(key)
        keys = list(key) if isinstance(key, (list, tuple, np.ndarray)) else [key]
        at = [self._position(own) for own in keys]
        return GroupEffects(
            found.estimate,
            found.covariance,
            found.names,
            found.title,
            found.n_samples,
            found.limits,
            found.moves,
            predicted=self.predicted[at],
        )


@fill_docs
def gates(
    T: Any,
    y: Any,
    effect: Any,
    *,
    n_groups: int = 5,
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    sample_weight: Any = None,
    cluster: Any = None,
) -> GroupEffects:
    """Estimate average effects of groups by the size of their predicted effects.

    Where predictions are right, the averages follow them; where they tell nothing, all groups
    have the same.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    n_groups : int, default=5
        Groups of about equal size. Rows with the same prediction stay together, so that there may
        be fewer.
    {nuisances}
    {arms}
    {clip}
    {sample_weight}
    {cluster}

    Returns
    -------
    GroupEffects
        For each contrast and outcome the groups from the smallest to the largest predictions, in
        outcome units; ``predicted`` holds the mean prediction of each.

    Raises
    ------
    {raises}

    Notes
    -----
    The standard errors take predictions as given: they must come from other rows than these.

    References
    ----------
    .. [1] Chernozhukov, Demirer, Duflo, Fernández-Val, "Fisher-Schultz lecture: generic machine
       learning inference on heterogeneous treatment effects in randomized experiments",
       Econometrica 2025, arXiv 1712.04802, section 2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.metrics import gates
    >>> T, y = np.tile([0, 1], 20), np.tile([0.0, 1.0, 0.0, 3.0], 10)
    >>> effect = np.tile([1.0, 1.0, 3.0, 3.0], 10)
    >>> gates(T, y, effect, n_groups=2).predicted
    array([1., 3.])
    """
    if isinstance(n_groups, bool) or not isinstance(n_groups, (int, np.integer)) or n_groups < 2:
        raise ValueError(f"`n_groups` must be an integer of at least 2, got {n_groups!r}")
    study = read_study(T, y, treatments, control, sample_weight)
    predictions = study.read_effect(effect)
    scores = contrast_scores(study, arm_scores(study, outcome_mean, propensity, clip))
    columns, clusters = list(np.ndindex(*predictions.shape[1:])), read_cluster(cluster, study)
    estimates, moves, predicted, names = [], [], [], []
    for (c, m), name in zip(columns, study.column_names(), strict=True):
        group = _groups(predictions[:, c, m], study.weight, n_groups)
        size = int(group.max()) + 1
        _check_sizes(group, study, n_groups, clusters)
        mean, move, share = average_groups(group, scores[:, c, m], study.weight, clusters)
        estimates.append(mean)
        moves.append(move)
        predicted.append(share.T @ predictions[:, c, m])
        prefix = "" if len(columns) == 1 else f"{name}: "
        names += [f"{prefix}group {g + 1} of {size}" for g in range(size)]
    move = np.hstack(moves)
    covariance = covariance_of(move, study, cluster, propensity is None)
    return GroupEffects(
        np.concatenate(estimates),
        covariance,
        names,
        study.name_single("Average effects of groups by predicted effect"),
        len(move),
        moves=move,
        predicted=np.concatenate(predicted),
    )


@fill_docs
def calibration_slope(
    T: Any,
    y: Any,
    effect: Any,
    *,
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    sample_weight: Any = None,
    cluster: Any = None,
) -> InferenceResult:
    """Regress doubly robust scores on predicted effects.

    A slope of 1 means that differences between predictions are as large as those between
    effects, a smaller one that predictions differ too much, and 0 that they tell nothing.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    {nuisances}
    {arms}
    {clip}
    {sample_weight}
    {cluster}

    Returns
    -------
    InferenceResult
        For each contrast and outcome the average effect, in outcome units, and the slope, without
        unit, with standard errors that allow for unequal variances (for the slope HC0, times
        n / (n - 1)). The test of a slope is against 0.

    Raises
    ------
    TargetError
        If T or y cannot be used.
    ValueError
        If predictions are constant, shapes differ, values are not finite or no probabilities.

    Notes
    -----
    The standard errors take predictions as given: they must come from other rows than these.

    References
    ----------
    .. [1] Chernozhukov, Demirer, Duflo, Fernández-Val, arXiv 1712.04802, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.metrics import calibration_slope
    >>> T, y = np.tile([0, 1], 20), np.tile([0.0, 1.0, 0.0, 3.0], 10)
    >>> r = calibration_slope(T, y, np.tile([1.0, 1.0, 3.0, 3.0], 10))
    >>> r.estimate.round(2)
    array([2., 1.])
    """
    study = read_study(T, y, treatments, control, sample_weight)
    predictions = study.read_effect(effect)
    scores = contrast_scores(study, arm_scores(study, outcome_mean, propensity, clip))
    n_units = int(count_units(0 * study.t, study.weight, read_cluster(cluster, study))[0])
    if n_units < MIN_SLOPE:
        raise ValueError(f"a slope needs at least {MIN_SLOPE} rows or clusters, got {n_units}")
    estimates, moves, names = [], [], []
    columns = list(np.ndindex(*predictions.shape[1:]))
    for (c, m), name in zip(columns, study.column_names(), strict=True):
        own = predictions[:, c, m]
        centred = own - study.weight @ own
        spread = study.weight @ centred**2
        if spread <= (1e-10 * np.abs(own).max()) ** 2:
            raise ValueError(f"`effect` must vary for a slope, got the constant {own[0]:g}")
        design = np.stack([np.ones(len(own)), centred], axis=1)
        gram = design.T @ (study.weight[:, None] * design)
        beta = np.linalg.solve(gram, design.T @ (study.weight * scores[:, c, m]))
        left = study.weight * (scores[:, c, m] - design @ beta)
        estimates.append(beta)
        move = np.linalg.solve(gram, (design * left[:, None]).T).T
        # the average is of people drawn anew, not of these predictions
        move[:, 0] = study.weight * (scores[:, c, m] - beta[0])
        moves.append(move)
        prefix = "" if len(columns) == 1 else f"{name}: "
        names += [f"{prefix}average effect", f"{prefix}slope"]
    move = np.hstack(moves)
    covariance = covariance_of(move, study, cluster, propensity is None)
    title = study.name_single("Calibration of predicted effects")
    return InferenceResult(
        np.concatenate(estimates), covariance, names, title, len(move), moves=move
    )
