"""Averages of functions that a user writes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklcausal._models._rows import check_scalar, map_rows
from sklcausal.exceptions import ModelError
from sklcausal.inference._law import TreatmentLaw
from sklcausal.inference._targets import Target


class FunctionTarget(Target):
    """Functions of theta, x and t that a user wrote for one row.

    Parameters
    ----------
    functions : sequence of callable
        Of ``(theta)``, ``(theta, x)`` or ``(theta, x, t)``; each returns a number.
    names : sequence of str
    X : ndarray of shape (n_samples, n_features)
    t : ndarray of shape (1 or n_samples,) for arms, (1 or n_samples, n_treatments) for doses
        At which the functions are evaluated.
    is_dose : bool
        Whether a row's t is a number.
    law : TreatmentLaw or None, default=None
        Of the treatment given x, where t is what was given.
    means : callable or None, default=None
        Maps theta to what the functions read in its place.
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., Any]],
        names: Sequence[str],
        X: np.ndarray,
        t: np.ndarray,
        is_dose: bool,
        law: TreatmentLaw | None = None,
        means: Callable[[Tensor], Tensor] | None = None,
    ):
        self.functions, self.names, self.X, self.t = list(functions), list(names), X, t
        self.is_dose, self.law, self.means = is_dose, law, means
        self.as_columns: dict[Any, bool] = {}
        self.n_arguments = [
            count_arguments(f, name) for f, name in zip(functions, names, strict=True)
        ]

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Evaluate the functions at rows.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        t = self.t if len(self.t) == 1 else self.t[rows]
        return self._evaluate(theta, rows, torch.as_tensor(t, device=theta.device))

    def averaged(self, theta: Tensor, rows: slice) -> Tensor:
        """Average the functions over the law of the treatment, where t is what was given.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        if self.law is None or max(self.n_arguments) < 3:
            return self(theta, rows)
        weight, t = self.law.nodes(rows)
        total = sum(
            share[:, None] * self._evaluate(theta, rows, node)
            for share, node in zip(weight, t, strict=True)
        )
        return torch.as_tensor(total)

    def _evaluate(self, theta: Tensor, rows: slice, t: Tensor) -> Tensor:
        x = torch.as_tensor(self.X[rows], dtype=theta.dtype, device=theta.device)
        t = t.expand(len(theta), *t.shape[1:])
        read = theta if self.means is None else self.means(theta)
        arguments = (read, x, t[:, 0] if self.is_dose else t)
        columns = [
            check_scalar(
                map_rows(function, name, 1, *arguments[:n], as_columns=self.as_columns, key=i),
                name,
                1,
            )
            for i, (function, name, n) in enumerate(
                zip(self.functions, self.names, self.n_arguments, strict=True)
            )
        ]
        for name, column in zip(self.names, columns, strict=True):
            if theta.requires_grad and not column.requires_grad:
                raise ModelError(
                    f"`{name}` must depend on theta through torch functions, but nothing of what "
                    "it returned can be differentiated by theta"
                )
            bad = ~torch.isfinite(column.detach())
            if bad.any():
                i = int(bad.nonzero()[0, 0])
                shown = np.round(read[i].detach().numpy(), 4).tolist()
                what = "theta" if self.means is None else "means"
                raise ModelError(
                    f"`{name}` must be finite for every row, got {column[i].item()} in row "
                    f"{(rows.start or 0) + i} with {what} = {shown}"
                )
        return torch.stack(columns, dim=1)


def read_functions(target: Any) -> tuple[list[Callable[..., Any]], list[str]]:
    """Bring a target, or several, to a list of functions with names.

    Parameters
    ----------
    target : callable, sequence of callable, or mapping of str to callable

    Returns
    -------
    functions : list of callable
    names : list of str

    Raises
    ------
    TypeError
        If something is no function.
    """
    if isinstance(target, Mapping):
        functions, names = list(target.values()), [str(name) for name in target]
    else:
        functions = [target] if callable(target) else list(target) if _is_list(target) else []
        names = [getattr(f, "__name__", type(f).__name__) for f in functions]
    if not functions or not all(callable(f) for f in functions):
        raise TypeError(
            "`target` must be a function of (theta, x, t), or a list or dict of such functions, "
            f"got {target!r}"
        )
    return functions, names


def _is_list(target: Any) -> bool:
    return isinstance(target, Sequence) and not isinstance(target, str)


def count_arguments(function: Callable[..., Any], name: str) -> int:
    """Count how many of theta, x and t a function takes.

    Parameters
    ----------
    function : callable
    name : str
        For the message.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it takes none, or needs more than three.
    """
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return 3
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return 3
    taken = [p for p in parameters if p.kind in positional]
    needed = [p for p in taken if p.default is inspect.Parameter.empty]
    if not taken or len(needed) > 3:
        raise TypeError(
            f"`{name}` must take (theta), (theta, x) or (theta, x, t), got a function of "
            f"{[p.name for p in parameters]}"
        )
    return min(3, max(len(needed), 1) if len(needed) < len(taken) else len(taken))
