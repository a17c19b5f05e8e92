"""Splitters, pipelines and adapters that know treatments from outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.model_selection._outcome_transformer import OutcomeTransformer
from sklcausal.model_selection._pipeline import EffectPipeline, make_effect_pipeline
from sklcausal.model_selection._split import (
    TreatmentStratifiedKFold,
    TreatmentStratifiedShuffleSplit,
)

__all__ = [
    "EffectPipeline",
    "OutcomeTransformer",
    "TreatmentStratifiedKFold",
    "TreatmentStratifiedShuffleSplit",
    "make_effect_pipeline",
]
