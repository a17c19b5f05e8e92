"""Values of policies."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._scores import arm_scores, covariance_of
from sklcausal._evaluation._study import read_study
from sklcausal.inference import InferenceResult
from sklcausal.metrics._truth import best_arm
from sklcausal.utils._blurbs import fill_docs


@fill_docs
def policy_value(
    T: Any,
    y: Any,
    policy: Any = None,
    *,
    effect: Any = None,
    baseline: Any = None,
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    sample_weight: Any = None,
    cluster: Any = None,
) -> InferenceResult:
    """Estimate the mean outcome under a policy, and what it gains over a baseline.

    The value is the mean of the doubly robust scores of the arms that the policy gives.

    Parameters
    ----------
    {T}
    {y}
    policy : label or array-like of shape (n_samples,), or None, default=None
        Arm that everybody would receive. It must not depend on T and y of these rows.
    effect : array-like of shape (n_samples,), (n_samples, n_contrasts) or (n_samples, \
n_contrasts, n_outcomes), or None, default=None
        Predicted effects, in place of a policy: everybody receives the arm with the largest
        effect, or the control where none is above 0. With several outcomes each has its policy.
    baseline : label or array-like of shape (n_samples,), or None, default=None
        What it is compared with; None is the control for everybody.
    {nuisances}
    {arms}
    {clip}
    {sample_weight}
    {cluster}

    Returns
    -------
    InferenceResult
        For each outcome the value of the policy, that of the baseline, and the gain, in outcome
        units.

    Raises
    ------
    {raises}

    References
    ----------
    .. [1] Athey, Wager, "Policy learning with observational data", Econometrica 2021, arXiv
       1702.02896, equation (8).

    Examples
    --------
    >>> from sklcausal.metrics import policy_value
    >>> nuisances = {"outcome_mean": [[0, 1], [0, 1]], "propensity": [0.5, 0.5]}
    >>> policy_value([0, 1], [0.0, 2.0], 1, **nuisances).estimate
    array([2., 0., 2.])
    """
    study = read_study(T, y, treatments, control, sample_weight)
    if (policy is None) == (effect is None):
        came = "both" if policy is not None else "neither"
        raise ValueError(f"one of `policy` and `effect` must be given, got {came}")
    scores = arm_scores(study, outcome_mean, propensity, clip)
    n_outcomes = study.y.shape[1]
    low = study.treatments.control
    if effect is None:
        chosen = np.tile(study.read_policy(policy, "policy")[:, None], (1, n_outcomes))
    else:
        chosen = best_arm(study.read_effect(effect), study.others, low)
    other = np.full(len(study.t), low)
    if baseline is not None:
        other = study.read_policy(baseline, "baseline")
    value = np.take_along_axis(scores, chosen[:, None], axis=1)[:, 0]
    base = scores[np.arange(len(other)), other]
    names = study.column_names(["policy", "baseline", "gain"])
    title = "Value of a policy"
    if (other == other[0]).all():
        title += f" against {study.treatments.labels[other[0]]!r} for everybody"
    values = np.hstack([value, base, value - base])
    estimate = study.weight @ values
    moves = study.weight[:, None] * (values - estimate)
    covariance = covariance_of(moves, study, cluster, propensity is None)
    return InferenceResult(estimate, covariance, names, title, len(values), moves=moves)
