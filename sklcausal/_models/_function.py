"""A plain function as a structural model."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from sklcausal._models._base import StructuralModel


class FunctionModel(StructuralModel):
    """Take loss and mean of one row from plain functions.

    Parameters
    ----------
    function : callable
        ``loss(y, t, theta)`` of one row, a number.
    n_params : int
        Number of parameters.
    expected : callable or None, default=None
        ``mean(theta, t)`` of one row.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        n_params: int | None = None,
        expected: Callable[..., Any] | None = None,
    ):
        self.function, self.n_params, self.expected = function, n_params, expected

    def __repr__(self) -> str:
        return f"the model {self.name_of('loss')}"

    def name_of(self, what: str) -> str:
        """Name one of the two functions, for messages.

        Parameters
        ----------
        what : {'loss', 'mean'}
            Which.

        Returns
        -------
        str
            Its own name, or that of the parameter which took it.
        """
        function = self.function if what == "loss" else self.expected
        name = getattr(function, "__name__", "<lambda>")
        return ("model" if what == "loss" else "mean") if name == "<lambda>" else name

    @property
    def has_own_mean(self) -> bool:
        """Whether there is a function for the mean."""
        return self.expected is not None

    def loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Any:
        """Compute the loss of one row.

        Parameters
        ----------
        y : Tensor of shape () or (n_outcomes,)
            Outcome.
        t : Tensor of shape () or (n_treatments,)
            Treatment.
        theta : Tensor of shape (n_params,)
            Parameters.

        Returns
        -------
        Tensor of shape ()
            Loss.
        """
        return self.function(y, t, theta)

    def mean(self, theta: Tensor, t: Tensor) -> Any:
        """Compute the expected outcome of one row.

        Parameters
        ----------
        theta : Tensor of shape (n_params,)
            Parameters.
        t : Tensor of shape () or (n_treatments,)
            Treatment.

        Returns
        -------
        Tensor of shape () or (n_outcomes,)
            Expected outcome.
        """
        if self.expected is None:
            return super().mean(theta, t)
        return self.expected(theta, t)
