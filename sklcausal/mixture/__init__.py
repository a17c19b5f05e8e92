"""Mixtures of experts over arms and outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.mixture._mmoe import MMoE
from sklcausal.mixture._motto import MOTTO

__all__ = ["MMoE", "MOTTO"]
