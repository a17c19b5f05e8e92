"""Functions of the dose that slopes go with."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sklcausal.exceptions import TargetError


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
                f"SplineBasis(n_knots={self.n_knots}), got quantiles that coincide; use fewer "
                "knots or PolynomialBasis"
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
