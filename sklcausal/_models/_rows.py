"""Map functions that a user wrote for one row over many rows."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklcausal.exceptions import ModelError

_CONTROL_FLOW = ("data-dependent", "control flow", ".item()", "Boolean value of Tensor")


def map_rows(function: Callable[..., Any], name: str, n_axes: int, *tensors: Tensor) -> Tensor:
    """Evaluate a function of one row for all rows.

    Parameters
    ----------
    function : callable
        Takes one row of each tensor.
    name : str
        Of the function, for messages.
    n_axes : int
        Leading axes that number the rows.
    *tensors : Tensor
        With these axes in front.

    Returns
    -------
    Tensor

    Raises
    ------
    ModelError
        If the function cannot be mapped.
    """
    mapped = function
    for _ in range(n_axes):
        mapped = torch.func.vmap(mapped)
    try:
        found = mapped(*tensors)
    except ModelError:
        raise
    except Exception as error:
        raise explain(error, name, [tuple(a.shape[n_axes:]) for a in tensors]) from error
    return found


def explain(error: Exception, name: str, shapes: list[tuple[int, ...]]) -> ModelError:
    """Say what keeps a function of a user's from being evaluated.

    Parameters
    ----------
    error : Exception
    name : str
        Of the function.
    shapes : list of tuple of int
        Of its arguments for one row.

    Returns
    -------
    ModelError
    """
    text = str(error).strip().split("\n")[0]
    if any(part in str(error) for part in _CONTROL_FLOW):
        return ModelError(
            f"`{name}` must not branch on values, such as `if y > 0:` or `float(theta[0])`, since "
            f"it is written for one row and mapped over all; use torch.where instead ({text})"
        )
    return ModelError(
        f"`{name}` must be computable for one row by torch functions, given arguments of shapes "
        f"{shapes}, got {type(error).__name__}: {text}"
    )


def check_scalar(value: Any, name: str, n_axes: int) -> Tensor:
    """Check that a function gave one number for each row.

    Parameters
    ----------
    value : object
        What it gave, mapped over the rows.
    name : str
        Of the function.
    n_axes : int
        Leading axes that number the rows.

    Returns
    -------
    Tensor

    Raises
    ------
    ModelError
        If it is no tensor, or not one number for each row.
    """
    shape = tuple(value.shape[n_axes:]) if torch.is_tensor(value) else type(value).__name__
    if shape != ():
        raise ModelError(
            f"`{name}` must return one number for a row, a tensor of shape (), got {shape}"
        )
    return value
