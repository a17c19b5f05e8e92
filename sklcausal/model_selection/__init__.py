"""Splitters, pipelines, stacks and trees that know treatments from outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.model_selection._budgeted_policy import BudgetedPolicy
from sklcausal.model_selection._effect_tree import EffectTree
from sklcausal.model_selection._importance import effect_importance
from sklcausal.model_selection._outcome_transformer import OutcomeTransformer
from sklcausal.model_selection._pipeline import EffectPipeline, make_effect_pipeline
from sklcausal.model_selection._policy_tree import PolicyTree
from sklcausal.model_selection._split import (
    TreatmentStratifiedKFold,
    TreatmentStratifiedShuffleSplit,
)
from sklcausal.model_selection._stacking import EffectStacking

__all__ = [
    "BudgetedPolicy",
    "EffectPipeline",
    "EffectStacking",
    "EffectTree",
    "OutcomeTransformer",
    "PolicyTree",
    "TreatmentStratifiedKFold",
    "TreatmentStratifiedShuffleSplit",
    "effect_importance",
    "make_effect_pipeline",
]
