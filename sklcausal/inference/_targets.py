"""What is asked of theta(x): functions whose averages and regressions are wanted."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklcausal._contrasts import Contrast
from sklcausal._models._base import StructuralModel
from sklcausal._models._rows import check_scalar, map_rows
from sklcausal.exceptions import ModelError
from sklcausal.inference._law import TreatmentLaw


class Target(ABC):
    """A function of theta, row by row."""

    @abstractmethod
    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the values of rows.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
            In outcome units.
        rows : slice
            Which of the training rows they are.

        Returns
        -------
        Tensor of shape (n, n_outputs)
            Values.
        """

    def averaged(self, theta: Tensor, rows: slice) -> Tensor:
        """Average the values over the law of the treatment, where they depend on what was given.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        return self(theta, rows)


@dataclass(frozen=True)
class MeanContrast(Target):
    """Differences of mean outcomes between treatments.

    Attributes
    ----------
    model : StructuralModel
    contrast : Contrast
    outcomes : sequence of int or None
        Which outcomes; None for all.
    """

    model: StructuralModel
    contrast: Contrast
    outcomes: Sequence[int] | None = None

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the differences, contrasts outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_contrasts * n_outcomes)
        """
        points = torch.as_tensor(self.contrast.of(rows).points, device=theta.device)
        low, high = self.model.means_at(theta, points).chunk(2, dim=-2)
        change = high - low
        if self.outcomes is not None:
            change = change[..., list(self.outcomes)]
        return change.flatten(-2)


@dataclass(frozen=True)
class MeanOutcomes(Target):
    """Mean outcomes at treatments.

    Attributes
    ----------
    model : StructuralModel
    t : ndarray of shape (1 or n_samples, n_points) or (1 or n_samples, n_points, n_treatments)
    """

    model: StructuralModel
    t: np.ndarray

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the means, treatments outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_points * n_outcomes)
        """
        t = self.t if len(self.t) == 1 else self.t[rows]
        return self.model.means_at(theta, torch.tensor(t, device=theta.device)).flatten(-2)


@dataclass(frozen=True)
class MeanDerivative(Target):
    """Derivatives of the mean outcomes by the doses that were received.

    Attributes
    ----------
    model : StructuralModel
    t : ndarray of shape (n_samples, n_treatments)
    law : TreatmentLaw
        Of the doses given x.
    """

    model: StructuralModel
    t: np.ndarray
    law: TreatmentLaw

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the derivatives, treatments outside and outcomes within.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_treatments * n_outcomes)
        """
        return self._at(theta, torch.tensor(self.t[rows], device=theta.device))

    def averaged(self, theta: Tensor, rows: slice) -> Tensor:
        """Average the derivatives over the law of the doses.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_treatments * n_outcomes)
        """
        weight, t = self.law.nodes(rows)
        total = sum(
            share[:, None] * self._at(theta, node) for share, node in zip(weight, t, strict=True)
        )
        return torch.as_tensor(total)

    @torch.enable_grad()
    def _at(self, theta: Tensor, t: Tensor) -> Tensor:
        t = t.detach().clone().requires_grad_(True)
        mean = self.model.batch_mean(theta, t)
        columns = [
            torch.autograd.grad(mean[:, m].sum(), t, create_graph=True)[0]
            for m in range(mean.shape[1])
        ]
        return torch.stack(columns, dim=-1).flatten(1)


@dataclass(frozen=True)
class Cells(Target):
    """Quantities of which every effect is a linear combination.

    Attributes
    ----------
    model : StructuralModel
    """

    model: StructuralModel

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Compute the cells.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_cells)
        """
        return self.model.cells(theta)


@dataclass(frozen=True)
class Parameters(Target):
    """Some of the parameters.

    Attributes
    ----------
    at : ndarray of int
        Which.
    """

    at: np.ndarray

    def __call__(self, theta: Tensor, rows: slice) -> Tensor:
        """Pick the parameters.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
        rows : slice

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        return theta[:, torch.as_tensor(self.at)]


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
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., Any]],
        names: Sequence[str],
        X: np.ndarray,
        t: np.ndarray,
        is_dose: bool,
        law: TreatmentLaw | None = None,
    ):
        self.functions, self.names, self.X, self.t = list(functions), list(names), X, t
        self.is_dose, self.law = is_dose, law
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
        arguments = (theta, x, t[:, 0] if self.is_dose else t)
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
                shown = [round(v, 4) for v in theta[i].detach().tolist()]
                raise ModelError(
                    f"`{name}` must be finite for every row, got {column[i].item()} in row "
                    f"{(rows.start or 0) + i} with theta = {shown}"
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
