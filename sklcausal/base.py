"""Base classes of the estimators."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal._effect_estimator import BaseEffectEstimator
from sklcausal._theta_estimator import BaseThetaEstimator

__all__ = ["BaseEffectEstimator", "BaseThetaEstimator"]
