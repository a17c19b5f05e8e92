"""Distance of effects from differences between neighbours."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array

from sklcausal._evaluation._arrays import average
from sklcausal._evaluation._study import read_study
from sklcausal.targets import check_lengths
from sklcausal.utils._blurbs import fill_docs


@fill_docs
def matching_pehe(
    X: Any,
    T: Any,
    y: Any,
    effect: Any,
    *,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the root mean squared distance of effects from differences to the nearest neighbour.

    Every row of an arm or of the control is matched with the nearest row of the other of the two,
    by the Euclidean distance of standardised covariates.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Covariates, as numbers.
    {T}
    {y}
    {effect}
    {arms}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In outcome units. It holds the noise of two outcomes, so that even true effects are far
        from 0.

    Raises
    ------
    TargetError
        If T or y cannot be used.
    ValueError
        If shapes differ or values are not finite.

    References
    ----------
    .. [1] Johansson, Shalit, Sontag, "Learning representations for counterfactual inference", ICML
       2016, arXiv 1605.03661, section 5.

    Examples
    --------
    >>> from sklcausal.metrics import matching_pehe
    >>> matching_pehe([[0], [0], [1], [1]], [0, 1, 0, 1], [0.0, 1.0, 5.0, 6.0], [1, 1, 1, 1])
    0.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    predicted = study.read_effect(effect)
    rows = check_array(X, dtype=float, input_name="X")
    check_lengths({"X": rows, "T": study.t})
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    groups = [np.flatnonzero(study.t == a) for a in range(study.treatments.n_arms)]
    trees = [NearestNeighbors(n_neighbors=1).fit(rows[own]) for own in groups]
    low = study.treatments.control
    losses = np.empty(predicted.shape[1:])
    for c, high in enumerate(study.others):
        total, error = 0.0, np.zeros(study.y.shape[1])
        for here, there, sign in ((high, low, 1), (low, high, -1)):
            own = groups[here]
            match = groups[there][trees[there].kneighbors(rows[own])[1][:, 0]]
            gap = sign * (study.y[own] - study.y[match]) - predicted[own, c]
            error += study.weight[own] @ gap**2
            total += study.weight[own].sum()
        losses[c] = np.sqrt(error / total)
    losses = losses[:, 0] if study.one_dim else losses
    return average(losses, multioutput)
