"""Warnings that point at the line of the user that they are about."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import sys
import warnings

# their searches and decorators stand between the user and the package
BETWEEN = {"sklcausal", "sklearn", "torch", "joblib", "contextlib"}


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn as from the line that led into the package.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _package_of(frame.f_globals) in BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package_of(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
