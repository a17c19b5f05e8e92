"""Torch parts whose parameters carry a leading member axis."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.nn._bodies import MLPModule
from sklcausal.nn._layers import MemberHeads, MemberLinear, MemberMLP

__all__ = ["MLPModule", "MemberHeads", "MemberLinear", "MemberMLP"]
