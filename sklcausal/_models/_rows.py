"""Map functions that a user wrote for one row over many rows."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklcausal.exceptions import ModelError

MIN_PROBE_ROWS = 8
PROBE_ROWS = 64
_SUBSCRIPT = "invalid index of a 0-dim tensor"
_NUMPY = ("Cannot access data pointer", "call numpy()", "unexpected keyword argument 'axis'")
_CONTROL_FLOW = ("data-dependent", "control flow", ".item()", "Boolean value of Tensor")


def map_rows(
    function: Callable[..., Any],
    name: str,
    n_axes: int,
    *tensors: Tensor,
    as_columns: dict[str, bool] | None = None,
) -> Tensor:
    """Evaluate a function of one row for all rows.

    Most functions give the same when entries are columns of numbers instead of numbers. They are
    called that way, many times faster where vmap has no rule for an operation and loops.

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
    as_columns : dict of str to bool or None, default=None
        Remembers of which functions this was seen; None always uses vmap.

    Returns
    -------
    Tensor

    Raises
    ------
    ModelError
        If the function cannot be mapped.
    """
    if as_columns is not None and n_axes:
        if name not in as_columns and tensors[-1].shape[:n_axes].numel() >= MIN_PROBE_ROWS:
            as_columns[name] = _takes_columns(function, n_axes, *tensors)
        if as_columns.get(name):
            return _map_columns(function, n_axes, *tensors)
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


def _map_columns(function: Callable[..., Any], n_axes: int, *tensors: Tensor) -> Tensor:
    """Call a function with all rows in one axis behind those of a row."""
    rows = tensors[0].shape[:n_axes]
    found = function(*(a.flatten(0, n_axes - 1).movedim(0, -1) for a in tensors))
    return found.movedim(-1, 0).unflatten(0, rows)


def _takes_columns(function: Callable[..., Any], n_axes: int, *tensors: Tensor) -> bool:
    """Compare both ways of calling a function for a few rows that differ."""
    generator = torch.Generator().manual_seed(0)
    few = []
    for tensor in tensors:
        flat = tensor.detach().flatten(0, n_axes - 1)
        at = torch.linspace(0, len(flat) - 1, PROBE_ROWS).long().to(flat.device)
        own = flat[at].double() if flat.is_floating_point() else flat[at]
        if own.is_floating_point() and (own == own[:1]).all():
            noise = torch.randn(own.shape, generator=generator, dtype=own.dtype)
            own = own + 0.3 * noise.to(own.device) * own.abs().clamp_min(1.0)
        few.append(own)
    try:
        with warnings.catch_warnings():
            # of operations that vmap loops over, which calling with columns avoids
            warnings.filterwarnings("ignore", "There is a performance drop")
            one_by_one = torch.func.vmap(function)(*few)
        together = _map_columns(function, 1, *few)
        return one_by_one.shape == together.shape and bool(
            torch.isfinite(one_by_one).any()
            and torch.allclose(one_by_one, together, rtol=1e-9, atol=0, equal_nan=True)
        )
    except Exception:  # whatever a function does with shapes that it was not written for
        return False


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
    if "must only return Tensors" in text:
        came = text.split("got type ")[-1].split(".")[0]
        return ModelError(
            f"`{name}` must return a tensor for a row, computed by torch functions, got {came}; "
            "does it lack a return?"
        )
    if _SUBSCRIPT in text:
        return ModelError(
            f"`{name}` must take its arguments in order, as loss(y, t, theta), mean(theta, t) or "
            f"target(theta, x, t), and index none that is a number, given shapes {shapes} for a "
            "row, where () is a number"
        )
    if any(part in text for part in _NUMPY):
        return ModelError(
            f"`{name}` must use torch functions, such as torch.exp, not those of numpy or scipy, "
            f"which cannot be differentiated ({type(error).__name__}: {text})"
        )
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
