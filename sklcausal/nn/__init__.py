"""Torch parts whose parameters carry a leading member axis."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.nn._bodies import ArmHead, ArmHeadMLP, MultiHeadMLP
from sklcausal.nn._discrepancy import arm_discrepancy, reverse_gradient, scale_rows
from sklcausal.nn._dropout import MemberDropout
from sklcausal.nn._expert_grid import ExpertGrid
from sklcausal.nn._experts import ExpertLayer, MemberCross, MemberGates
from sklcausal.nn._generated import GeneratedHeads, HeadLayers
from sklcausal.nn._hyper_network import HyperNetwork
from sklcausal.nn._layers import MemberBranches, MemberHeads, MemberLinear, MemberMLP
from sklcausal.nn._mixture import MixtureMLP, TaskWeights
from sklcausal.nn._outputs import Outputs
from sklcausal.nn._spectral import MemberSpectralLinear

__all__ = [
    "ArmHead",
    "ArmHeadMLP",
    "ExpertGrid",
    "ExpertLayer",
    "GeneratedHeads",
    "HeadLayers",
    "HyperNetwork",
    "MemberBranches",
    "MemberCross",
    "MemberDropout",
    "MemberGates",
    "MemberHeads",
    "MemberLinear",
    "MemberMLP",
    "MemberSpectralLinear",
    "MixtureMLP",
    "MultiHeadMLP",
    "Outputs",
    "TaskWeights",
    "arm_discrepancy",
    "reverse_gradient",
    "scale_rows",
]
