"""Influence values, projection and the results they give."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.inference._result import InferenceResult

__all__ = ["InferenceResult"]
