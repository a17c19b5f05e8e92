"""Influence values, projection and the results they give."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.inference._influence import Signals, influence_values
from sklcausal.inference._law import ArmLaw, MomentLaw
from sklcausal.inference._result import InferenceResult

__all__ = ["ArmLaw", "InferenceResult", "MomentLaw", "Signals", "influence_values"]
