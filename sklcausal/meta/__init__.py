"""Meta-learners: estimators made of networks that know nothing of each other."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.meta._dr_learner import DRLearner
from sklcausal.meta._pw_learner import PWLearner
from sklcausal.meta._r_learner import RLearner
from sklcausal.meta._ra_learner import RALearner
from sklcausal.meta._s_learner import SLearner
from sklcausal.meta._t_learner import TLearner
from sklcausal.meta._x_learner import XLearner

__all__ = ["DRLearner", "PWLearner", "RALearner", "RLearner", "SLearner", "TLearner", "XLearner"]
