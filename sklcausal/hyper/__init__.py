"""Twins of the learners whose heads get their weights from one hypernetwork."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.hyper._hyper_dr_learner import HyperDRLearner
from sklcausal.hyper._hyper_dragonnet import HyperDragonNet
from sklcausal.hyper._hyper_flextenet import HyperFlexTENet
from sklcausal.hyper._hyper_mitnet import HyperMitNet
from sklcausal.hyper._hyper_ra_learner import HyperRALearner
from sklcausal.hyper._hyper_s_learner import HyperSLearner
from sklcausal.hyper._hyper_snet import HyperSNet
from sklcausal.hyper._hyper_t_learner import HyperTLearner
from sklcausal.hyper._hyper_tarnet import HyperTARNet
from sklcausal.hyper._hyper_x_learner import HyperXLearner

__all__ = [
    "HyperDRLearner",
    "HyperDragonNet",
    "HyperFlexTENet",
    "HyperMitNet",
    "HyperRALearner",
    "HyperSLearner",
    "HyperSNet",
    "HyperTARNet",
    "HyperTLearner",
    "HyperXLearner",
]
