"""Natural cubic splines of doses."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sklcausal._models._basis import TreatmentBasis
from sklcausal.exceptions import TargetError


class SplineBasis(TreatmentBasis):
    """Natural cubic splines of each dose: linear beyond the outer knots.

    Parameters
    ----------
    n_knots : int, default=4
        Knots, at even quantiles from 5 to 95 % of the training doses; at least 3.

    Attributes
    ----------
    loc_, scale_ : ndarray of shape (n_treatments,)
        Mean and standard deviation of the training doses.
    n_columns_ : int
        Number of columns.
    knots_ : ndarray of shape (n_knots, n_treatments)
        Knots, in standard deviations from the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.structural import SplineBasis
    >>> SplineBasis(n_knots=4).fit(np.linspace(0, 1, 50)[:, None]).n_columns_
    3
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_knots": [Interval(Integral, 3, None, closed="left")]
    }

    def __init__(self, *, n_knots: int = 4):
        self.n_knots = n_knots

    def names(self, treatments: Sequence[str]) -> list[str]:
        """Name the splines.

        Parameters
        ----------
        treatments : sequence of str
            Names of the doses.

        Returns
        -------
        list of str
            One name for each column.
        """
        bends = [f"bend {b} of {name}" for b in range(1, self.n_knots - 1) for name in treatments]
        return [*(f"std({name})" for name in treatments), *bends]

    def fit(self, t: np.ndarray) -> SplineBasis:
        """Learn the knots.

        Parameters
        ----------
        t : ndarray of shape (n_samples, n_treatments)
            Doses.

        Returns
        -------
        self : SplineBasis
            The basis, ready to be used.

        Raises
        ------
        TargetError
            If a dose has too few values for the knots.
        """
        self._validate_params()
        z = (t - t.mean(axis=0)) / t.std(axis=0)
        self.knots_ = np.quantile(z, np.linspace(0.05, 0.95, self.n_knots), axis=0)
        if (np.diff(self.knots_, axis=0) <= 0).any():
            raise TargetError(
                f"`T` must have more than {self.n_knots} well spread values for "
                f"n_knots={self.n_knots}, got quantiles that coincide; use fewer knots, or a "
                "polynomial of the dose"
            )
        super().fit(t)
        return self

    def columns(self, z: Tensor) -> Tensor:
        """Compute the splines.

        Parameters
        ----------
        z : Tensor of shape (..., n_treatments)
            Doses, centred and scaled.

        Returns
        -------
        Tensor of shape (..., n_treatments * (n_knots - 1))
            Splines, each dose's linear column first.
        """
        knots = torch.as_tensor(self.knots_, dtype=z.dtype, device=z.device)
        last, before = knots[-1], knots[-2]

        def bend(knot: Tensor) -> Tensor:
            cubes = torch.relu(z - knot) ** 3 - torch.relu(z - last) ** 3
            return cubes / (last - knot)

        width = last - knots[0]
        bends = [(bend(knot) - bend(before)) / width for knot in knots[:-2]]
        return torch.cat([z, *bends], dim=-1)
