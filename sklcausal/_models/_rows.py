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
PROBE_ROWS = 2000
_LOOPS = "There is a performance drop"
_SUBSCRIPT = "invalid index of a 0-dim tensor"
_NUMPY = ("Cannot access data pointer", "call numpy()", "unexpected keyword argument 'axis'")
_CONTROL_FLOW = ("data-dependent", "control flow", ".item()", "Boolean value of Tensor")


def map_rows(
    function: Callable[..., Any],
    name: str,
    n_axes: int,
    *tensors: Tensor,
    as_columns: dict[Any, bool] | None = None,
    key: Any = None,
) -> Tensor:
    """Evaluate a function of one row for all rows.

    It is mapped by vmap, which loops over rows where an operation has no rule for it. A function
    with such an operation is called with columns of numbers instead of numbers, if that gives the
    same for up to 2,000 rows.

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
    as_columns : dict or None, default=None
        Remembers which functions are called with columns; None never does.
    key : object, default=None
        Of the function in ``as_columns``.

    Returns
    -------
    Tensor

    Raises
    ------
    ModelError
        If the function cannot be mapped.
    """
    if as_columns is not None and n_axes:
        if key not in as_columns and tensors[-1].shape[:n_axes].numel() >= MIN_PROBE_ROWS:
            as_columns[key] = _takes_columns(function, n_axes, *tensors)
        if as_columns.get(key):
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
    """Tell whether vmap would loop, and calling with columns gives the same."""
    generator = torch.Generator().manual_seed(0)
    few = []
    for tensor in tensors:
        flat = tensor.detach().flatten(0, n_axes - 1)
        size = min(PROBE_ROWS, len(flat))
        at = torch.linspace(0, len(flat) - 1, size).long().to(flat.device)
        own = flat[at].double() if flat.is_floating_point() else flat[at]
        if own.is_floating_point() and (own == own[:1]).all():
            noise = torch.randn(own.shape, generator=generator, dtype=own.dtype)
            own = own + 0.3 * noise.to(own.device) * own.abs().clamp_min(1.0)
        few.append(own)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.func.vmap(function)(*(own[:MIN_PROBE_ROWS] for own in few))
        if not any(_LOOPS in str(warning.message) for warning in caught):
            return False
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _LOOPS)
            one_by_one = torch.func.vmap(function)(*few)
        together = _map_columns(function, 1, *few)
        return one_by_one.shape == together.shape and bool(
            torch.isfinite(one_by_one).double().mean() > 0.5
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
