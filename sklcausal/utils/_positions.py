"""Find one of several by name or position."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np


def find_position(choice: Any, names: Any, argument: str) -> int:
    """Find a position from a position or a name.

    Parameters
    ----------
    choice : int or str
    names : sequence of str
    argument : str
        Name of the argument, for the message.

    Returns
    -------
    int
    """
    names = [str(name) for name in names]
    if isinstance(choice, str) and choice in names:
        return names.index(choice)
    is_position = isinstance(choice, (int, np.integer)) and not isinstance(choice, bool)
    if is_position and 0 <= int(choice) < len(names):
        return int(choice)
    raise ValueError(
        f"`{argument}` must be a position from 0 to {len(names) - 1} or one of {names}, "
        f"got {choice!r}"
    )
