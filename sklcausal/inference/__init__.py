"""Influence values, projection and the results they give."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.inference._censoring import censoring_weights
from sklcausal.inference._dose_law import MomentLaw, NodeLaw
from sklcausal.inference._influence import Corrections, Signals
from sklcausal.inference._influence_function import InfluenceFunction
from sklcausal.inference._law import ArmLaw
from sklcausal.inference._result import InferenceResult

__all__ = [
    "ArmLaw",
    "Corrections",
    "InferenceResult",
    "InfluenceFunction",
    "MomentLaw",
    "NodeLaw",
    "Signals",
    "censoring_weights",
]
