"""Learners that share a representation among treatments."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.representation._tarnet import TARNet

__all__ = ["TARNet"]
