"""Meta-learners."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.meta._s_learner import SLearner
from sklcausal.meta._t_learner import TLearner

__all__ = ["SLearner", "TLearner"]
