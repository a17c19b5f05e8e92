"""Functions of the dose that slopes go with."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sklcausal._models._basis import TreatmentBasis
from sklcausal._models._spline_basis import SplineBasis
from sklcausal.exceptions import TargetError


class PolynomialBasis(TreatmentBasis):
    """Powers of each standardised dose.

    Parameters
    ----------
    degree : int, default=2
        Highest power.

    Attributes
    ----------
    loc_, scale_ : ndarray of shape (n_treatments,)
        Mean and standard deviation of the training doses.
    n_columns_ : int
        Number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklcausal.structural import PolynomialBasis
    >>> basis = PolynomialBasis(degree=2).fit(np.array([[1.0], [3.0]]))
    >>> basis(torch.tensor([[4.0]]))
    tensor([[2., 4.]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "degree": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, *, degree: int = 2):
        self.degree = degree

    def names(self, treatments: Sequence[str]) -> list[str]:
        """Name the powers.

        Parameters
        ----------
        treatments : sequence of str
            Names of the doses.

        Returns
        -------
        list of str
            One name for each column.
        """
        return [
            f"std({name})" + (f"^{power}" if power > 1 else "")
            for power in range(1, self.degree + 1)
            for name in treatments
        ]

    def columns(self, z: Tensor) -> Tensor:
        """Compute the powers.

        Parameters
        ----------
        z : Tensor of shape (..., n_treatments)
            Doses, centred and scaled.

        Returns
        -------
        Tensor of shape (..., n_treatments * degree)
            Powers, degree by degree.
        """
        return torch.cat([z**power for power in range(1, self.degree + 1)], dim=-1)


class LogBasis(TreatmentBasis):
    """Logarithm of each dose, so that slopes are with respect to relative changes.

    Attributes
    ----------
    loc_, scale_ : ndarray of shape (n_treatments,)
        Mean and standard deviation of the training doses.
    n_columns_ : int
        Number of columns.
    origin_ : ndarray of shape (n_treatments,)
        Mean logarithm of the training doses.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.structural import LogBasis
    >>> LogBasis().fit(np.array([[1.0], [4.0]])).n_columns_
    1
    """

    def names(self, treatments: Sequence[str]) -> list[str]:
        """Name the logarithms.

        Parameters
        ----------
        treatments : sequence of str
            Names of the doses.

        Returns
        -------
        list of str
            One name for each column.
        """
        return [f"log({name})" for name in treatments]

    def fit(self, t: np.ndarray) -> LogBasis:
        """Learn the mean logarithm of the doses.

        Parameters
        ----------
        t : ndarray of shape (n_samples, n_treatments)
            Doses.

        Returns
        -------
        self : LogBasis
            The basis, ready to be used.

        Raises
        ------
        TargetError
            If a dose is not positive.
        """
        if (t <= 0).any():
            raise TargetError(f"`T` must be positive for LogBasis, got {t.min():g}")
        self.origin_ = np.log(t).mean(axis=0)
        super().fit(t)
        return self

    def __call__(self, t: Tensor) -> Tensor:
        """Compute the logarithms, less their training mean.

        Parameters
        ----------
        t : Tensor of shape (..., n_treatments)
            Doses.

        Returns
        -------
        Tensor of shape (..., n_treatments)
            Logarithms.
        """
        return torch.log(t) - torch.as_tensor(self.origin_, dtype=t.dtype, device=t.device)


class InteractionBasis(TreatmentBasis):
    """Standardised doses and the products of every two.

    Attributes
    ----------
    loc_, scale_ : ndarray of shape (n_treatments,)
        Mean and standard deviation of the training doses.
    n_columns_ : int
        Number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.structural import InteractionBasis
    >>> InteractionBasis().fit(np.eye(3)).n_columns_
    6
    """

    def names(self, treatments: Sequence[str]) -> list[str]:
        """Name the doses and products.

        Parameters
        ----------
        treatments : sequence of str
            Names of the doses.

        Returns
        -------
        list of str
            One name for each column.
        """
        return [
            *(f"std({name})" for name in treatments),
            *(f"std({a})·std({b})" for a, b in combinations(treatments, 2)),
        ]

    def columns(self, z: Tensor) -> Tensor:
        """Compute doses and products.

        Parameters
        ----------
        z : Tensor of shape (..., n_treatments)
            Doses, centred and scaled.

        Returns
        -------
        Tensor of shape (..., n_treatments * (n_treatments + 1) / 2)
            Doses, then products of pairs in order.
        """
        pairs = list(combinations(range(z.shape[-1]), 2))
        products = [z[..., a : a + 1] * z[..., b : b + 1] for a, b in pairs]
        return torch.cat([z, *products], dim=-1)


BASES: dict[str, type[TreatmentBasis]] = {
    "interactions": InteractionBasis,
    "log": LogBasis,
    "polynomial": PolynomialBasis,
    "spline": SplineBasis,
}


def make_basis(basis: Any) -> TreatmentBasis | None:
    """Read the parameter ``basis`` of a model.

    Parameters
    ----------
    basis : str, TreatmentBasis or None

    Returns
    -------
    TreatmentBasis or None

    Raises
    ------
    ValueError
        If it is neither a known name nor a basis.
    """
    if basis is None:
        return None
    if isinstance(basis, str) and basis in BASES:
        return BASES[basis]()
    if isinstance(basis, TreatmentBasis):
        return basis
    raise ValueError(
        f"`basis` must be one of {sorted(BASES)}, a TreatmentBasis or None, got {basis!r}"
    )
