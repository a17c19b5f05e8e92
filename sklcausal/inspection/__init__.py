"""Pictures of what was fitted."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.inspection._balance import standardized_differences
from sklcausal.inspection._balance_display import BalanceDisplay
from sklcausal.inspection._budget_display import BudgetDisplay
from sklcausal.inspection._calibration_display import CalibrationDisplay
from sklcausal.inspection._dose_response_display import DoseResponseDisplay
from sklcausal.inspection._effect_display import EffectDisplay
from sklcausal.inspection._influence_display import InfluenceDisplay
from sklcausal.inspection._overlap_display import OverlapDisplay
from sklcausal.inspection._policy_display import PolicyDisplay
from sklcausal.inspection._sensitivity_display import SensitivityDisplay
from sklcausal.inspection._training_display import TrainingDisplay
from sklcausal.inspection._uplift_display import UpliftCurveDisplay

__all__ = [
    "BalanceDisplay",
    "BudgetDisplay",
    "CalibrationDisplay",
    "DoseResponseDisplay",
    "EffectDisplay",
    "InfluenceDisplay",
    "OverlapDisplay",
    "PolicyDisplay",
    "SensitivityDisplay",
    "TrainingDisplay",
    "UpliftCurveDisplay",
    "standardized_differences",
]
