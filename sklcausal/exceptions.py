"""Errors and warnings, each also a builtin one."""

# SPDX-License-Identifier: BSD-3-Clause

__all__ = [
    "IntervalNotAvailableError",
    "ModelError",
    "OverlapWarning",
    "TargetError",
    "TrainingDivergedError",
]


class TargetError(ValueError):
    """Raise when treatments, outcomes or fields that go with them cannot be used."""


class TrainingDivergedError(FloatingPointError):
    """Raise when a loss becomes NaN or infinite during training."""


class IntervalNotAvailableError(RuntimeError):
    """Raise when a fitted estimator lacks what an interval or an average needs."""


class ModelError(ValueError):
    """Raise when a structural model or a target that a user wrote cannot be used."""


class OverlapWarning(UserWarning):
    """Warn that some people had almost no chance to receive one of the treatments."""
