"""Structural outcome models: what the parameters theta(x) of a network mean."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.structural._base import StructuralModel
from sklcausal.structural._linear import Linear
from sklcausal.structural._potential_outcomes import PotentialOutcomes

__all__ = ["Linear", "PotentialOutcomes", "StructuralModel"]
