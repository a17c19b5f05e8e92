"""Torch parts whose parameters carry a leading member axis."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.nn._bodies import MultiHeadMLP
from sklcausal.nn._layers import MemberHeads, MemberLinear, MemberMLP

__all__ = ["MemberHeads", "MemberLinear", "MemberMLP", "MultiHeadMLP"]
