"""Pictures of what was fitted."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.inspection._dose_response_display import DoseResponseDisplay
from sklcausal.inspection._effect_display import EffectDisplay
from sklcausal.inspection._influence_display import InfluenceDisplay
from sklcausal.inspection._overlap_display import OverlapDisplay

__all__ = ["DoseResponseDisplay", "EffectDisplay", "InfluenceDisplay", "OverlapDisplay"]
