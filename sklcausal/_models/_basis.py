"""What a function of the dose, with a slope of its own, has to say."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor


class TreatmentBasis(BaseEstimator):
    """Turn doses into columns, each with a slope of its own.

    A subclass defines `columns` for doses that are centred and scaled; what it learns from the
    training doses ends in an underscore.

    Attributes
    ----------
    loc_, scale_ : ndarray of shape (n_treatments,)
        Mean and standard deviation of the training doses.
    n_columns_ : int
        Number of columns.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def fit(self, t: np.ndarray) -> TreatmentBasis:
        """Learn origin and scale of the doses.

        Parameters
        ----------
        t : ndarray of shape (n_samples, n_treatments)
            Doses.

        Returns
        -------
        self : TreatmentBasis
            The basis, ready to be used.
        """
        self._validate_params()
        self.loc_, self.scale_ = t.mean(axis=0), t.std(axis=0)
        self.n_columns_ = self(torch.as_tensor(np.array(t[:1]))).shape[-1]
        return self

    def __call__(self, t: Tensor) -> Tensor:
        """Compute the columns.

        Parameters
        ----------
        t : Tensor of shape (..., n_treatments)
            Doses.

        Returns
        -------
        Tensor of shape (..., n_columns)
            Columns.
        """
        loc, scale = (
            torch.as_tensor(value, dtype=t.dtype, device=t.device)
            for value in (self.loc_, self.scale_)
        )
        return self.columns((t - loc) / scale)

    def names(self, treatments: Sequence[str]) -> list[str]:
        """Name the columns.

        Parameters
        ----------
        treatments : sequence of str
            Names of the doses.

        Returns
        -------
        list of str
            One name for each column.
        """
        return [f"column {c + 1}" for c in range(self.n_columns_)]

    def columns(self, z: Tensor) -> Tensor:
        """Compute the columns of standardised doses.

        Parameters
        ----------
        z : Tensor of shape (..., n_treatments)
            Doses, centred and scaled.

        Returns
        -------
        Tensor of shape (..., n_columns)
            Columns.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `columns(z)`")
