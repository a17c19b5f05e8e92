"""Losses of effects that need no truth, from outcomes that were observed."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._evaluation._arrays import average
from sklcausal._evaluation._scores import arm_scores, contrast_scores, partial_out
from sklcausal._evaluation._study import Study, read_outcome_mean, read_probabilities, read_study
from sklcausal.utils._blurbs import fill_docs


def _mean_loss(study: Study, values: np.ndarray, multioutput: str) -> Any:
    """Average values (n_samples, n_contrasts, n_outcomes) over rows, then over columns."""
    loss = np.tensordot(study.weight, values, axes=1)
    loss = loss[:, 0] if study.one_dim else loss
    return average(loss[0] if study.one_dim and len(loss) == 1 else loss, multioutput)


@fill_docs
def doubly_robust_scores(
    T: Any,
    y: Any,
    *,
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    clip: float = 0.01,
    sample_weight: Any = None,
) -> np.ndarray:
    """Compute doubly robust scores, whose mean is the mean outcome in each arm.

    The score of arm a is ``mu_a(x) + 1{T = a} (y - mu_a(x)) / pi_a(x)``. Differences of scores
    are unbiased for the effect at x if the outcome means or the propensities are right.

    Parameters
    ----------
    {T}
    {y}
    {nuisances}
    treatments : sequence of labels or None, default=None
        All arms, in the order of the columns; None takes them from T, sorted.
    control : label or None, default=None
        Accepted so that the same arguments fit all metrics; it changes nothing here.
    {clip}
    {sample_weight}

    Returns
    -------
    ndarray of shape (n_samples, n_arms) or (n_samples, n_arms, n_outcomes)
        Scores, in outcome units.

    Raises
    ------
    {raises}

    See Also
    --------
    cross_fit_nuisances : Outcome means and propensities for it.

    References
    ----------
    .. [1] Robins, Rotnitzky, Zhao, "Estimation of regression coefficients when some regressors are
       not always observed", Journal of the American Statistical Association 1994, doi
       10.1080/01621459.1994.10476818.

    Examples
    --------
    >>> from sklcausal.metrics import doubly_robust_scores
    >>> nuisances = {"outcome_mean": [[1, 2], [1, 2]], "propensity": [0.5, 0.5]}
    >>> doubly_robust_scores([0, 1], [1.0, 3.0], **nuisances)
    array([[1., 2.],
           [1., 4.]])
    """
    study = read_study(T, y, treatments, control, sample_weight)
    scores = arm_scores(study, outcome_mean, propensity, clip)
    return scores[:, :, 0] if study.one_dim else scores


@fill_docs
def dr_loss(
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
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the mean squared distance of effects from doubly robust pseudo-outcomes.

    Its expectation is the mean squared error of the effects plus the variance of the
    pseudo-outcomes given x, which is the same for all candidates, if the outcome means or the
    propensities are right. The lower the better.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    {nuisances}
    {arms}
    {clip}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In squared outcome units.

    Raises
    ------
    {raises}

    See Also
    --------
    if_pehe : The same, less the variance of the pseudo-outcomes.

    References
    ----------
    .. [1] Saito, Yasui, "Counterfactual cross-validation: stable model selection procedure for
       causal inference models", ICML 2020, arXiv 1909.05299.

    Examples
    --------
    >>> from sklcausal.metrics import dr_loss
    >>> nuisances = {"outcome_mean": [[0, 1], [0, 1]], "propensity": [0.5, 0.5]}
    >>> dr_loss([0, 1], [0.0, 1.0], [1.0, 3.0], **nuisances)
    2.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    phi = contrast_scores(study, arm_scores(study, outcome_mean, propensity, clip))
    return _mean_loss(study, (phi - study.read_effect(effect)) ** 2, multioutput)


@fill_docs
def if_pehe(
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
    multioutput: str = "uniform_average",
) -> Any:
    """Estimate the squared PEHE by a plug-in and its influence function.

    With plug-in effects ``t(x)`` of other models and pseudo-outcomes ``phi`` it is the mean of
    ``(t - effect)^2 + 2 (t - effect) (phi - t)``. This estimates the mean squared error itself.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    {nuisances}
    {arms}
    {clip}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In squared outcome units; by chance it may be below 0.

    Raises
    ------
    {raises}

    Notes
    -----
    It differs from `dr_loss` by the mean of ``(phi - t)^2``, which does not depend on the
    candidate: with the same nuisances both rank candidates alike. The formula is the first-order
    expansion of the mean squared error; the expression printed in [1]_ weighs outcomes where
    residuals belong.

    References
    ----------
    .. [1] Alaa, van der Schaar, "Validating causal inference models via influence functions", ICML
       2019, theorem 2.

    Examples
    --------
    >>> from sklcausal.metrics import if_pehe
    >>> nuisances = {"outcome_mean": [[0, 1], [0, 1]], "propensity": [0.5, 0.5]}
    >>> if_pehe([0, 1], [0.0, 1.0], [1.0, 3.0], **nuisances)
    2.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    phi = contrast_scores(study, arm_scores(study, outcome_mean, propensity, clip))
    plug_in = contrast_scores(study, read_outcome_mean(outcome_mean, study))
    gap = plug_in - study.read_effect(effect)
    return _mean_loss(study, gap**2 + 2 * gap * (phi - plug_in), multioutput)


@fill_docs
def ipw_loss(
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
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the mean squared distance of effects from outcomes weighted by inverse propensities.

    It rests on the propensities alone and is noisy: `dr_loss` is less so.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    outcome_mean : array-like or None, default=None
        Accepted so that the same arguments fit all losses; it is not used.
    {propensity}
    {arms}
    {clip}
    {sample_weight}
    {multioutput}

    Returns
    -------
    {per_contrast}
        In squared outcome units.

    Raises
    ------
    {raises}

    Examples
    --------
    >>> from sklcausal.metrics import ipw_loss
    >>> ipw_loss([0, 1], [0.0, 1.0], [1.0, 1.0], propensity=[0.5, 0.5])
    1.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    nothing = np.zeros((len(study.t), study.treatments.n_arms, study.y.shape[1]))
    phi = contrast_scores(study, arm_scores(study, nothing, propensity, clip))
    return _mean_loss(study, (phi - study.read_effect(effect)) ** 2, multioutput)


@fill_docs
def r_loss(
    T: Any,
    y: Any,
    effect: Any,
    *,
    outcome_mean: Any = None,
    propensity: Any = None,
    treatments: Any = None,
    control: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Compute the loss of the R-learner: residuals of y against residuals of T times effects.

    With ``m(x) = sum_a pi_a(x) mu_a(x)`` it is the mean of
    ``(y - m(x) - sum_a (1{T = a} - pi_a(x)) effect_a(x))^2``, the sum over all arms but the
    control. Nothing is divided by a propensity, so that rows with little overlap count little.

    Parameters
    ----------
    {T}
    {y}
    {effect}
    {nuisances}
    {arms}
    {sample_weight}
    multioutput : {'uniform_average', 'raw_values'}, default='uniform_average'
        Average over outcomes, or one number for each.

    Returns
    -------
    float or ndarray of shape (n_outcomes,)
        In squared outcome units; arms are judged together.

    Raises
    ------
    {raises}

    References
    ----------
    .. [1] Nie, Wager, "Quasi-oracle estimation of heterogeneous treatment effects", Biometrika
       2021, arXiv 1712.04912, equation (4).

    Examples
    --------
    >>> from sklcausal.metrics import r_loss
    >>> nuisances = {"outcome_mean": [[0, 1], [0, 1]], "propensity": [0.5, 0.5]}
    >>> r_loss([0, 1], [0.0, 1.0], [1.0, 1.0], **nuisances)
    0.0
    """
    study = read_study(T, y, treatments, control, sample_weight)
    mu = read_outcome_mean(outcome_mean, study)
    # nothing is divided by a propensity, so that none needs to be clipped
    pi = read_probabilities(propensity, study)
    left, surprise = partial_out(study, mu, pi)
    left = left - np.einsum("nc,ncm->nm", surprise, study.read_effect(effect))
    return average(study.weight @ left**2, multioutput)
