"""Deep treatment-effect estimators with intervals, inside scikit-learn."""

# SPDX-License-Identifier: BSD-3-Clause

import importlib
from typing import TYPE_CHECKING

from sklcausal._show_versions import show_versions
from sklcausal._version import __version__

if TYPE_CHECKING:
    from sklcausal.targets import pack_targets, unpack_targets

# Imported on first use: `import sklcausal` alone must not pay for torch, nor for pandas, which
# scikit-learn imports where it is installed.
_SUBMODULES = frozenset(
    {
        "base",
        "datasets",
        "exceptions",
        "hyper",
        "inference",
        "inspection",
        "meta",
        "metrics",
        "model_selection",
        "nn",
        "representation",
        "sensitivity",
        "structural",
        "targets",
    }
)
_FROM_TARGETS = frozenset({"pack_targets", "unpack_targets"})

__all__ = ["__version__", "pack_targets", "show_versions", "unpack_targets"]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FROM_TARGETS:
        return getattr(importlib.import_module(f"{__name__}.targets"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(globals().keys() | _SUBMODULES | _FROM_TARGETS)
