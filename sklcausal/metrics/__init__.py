"""Metrics of effects and intervals, with and without the truth, and scorers for searches."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal._evaluation._nuisances import add_nuisances, cross_fit_nuisances
from sklcausal.metrics._calibration import GroupEffects, calibration_slope, gates
from sklcausal.metrics._cost import aucc_score, cost_curve, roi_score
from sklcausal.metrics._intervals import interval_coverage, interval_score, interval_width
from sklcausal.metrics._losses import doubly_robust_scores, dr_loss, if_pehe, ipw_loss, r_loss
from sklcausal.metrics._matching import matching_pehe
from sklcausal.metrics._policy import policy_value
from sklcausal.metrics._rate import cumulative_gain_curve, rate, toc_curve
from sklcausal.metrics._scorer import EffectScorer, make_effect_scorer
from sklcausal.metrics._truth import (
    ate_error,
    att_error,
    dose_response_mise,
    effect_mae,
    policy_risk,
    root_pehe,
)
from sklcausal.metrics._uplift import auuc_score, qini_curve, qini_score, uplift_curve

__all__ = [
    "EffectScorer",
    "GroupEffects",
    "add_nuisances",
    "ate_error",
    "att_error",
    "aucc_score",
    "auuc_score",
    "calibration_slope",
    "cost_curve",
    "cross_fit_nuisances",
    "cumulative_gain_curve",
    "dose_response_mise",
    "doubly_robust_scores",
    "dr_loss",
    "effect_mae",
    "gates",
    "if_pehe",
    "interval_coverage",
    "interval_score",
    "interval_width",
    "ipw_loss",
    "make_effect_scorer",
    "matching_pehe",
    "policy_risk",
    "policy_value",
    "qini_curve",
    "qini_score",
    "r_loss",
    "rate",
    "roi_score",
    "root_pehe",
    "toc_curve",
    "uplift_curve",
]
