"""What a structural outcome model says about theta(x): its loss, its mean and its units."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models._anchor import sandwich_anchor
from sklcausal._models._row_model import RowModel
from sklcausal._models._units import Units
from sklcausal.exceptions import ModelError


class StructuralModel(RowModel):
    """Give theta(x) its meaning.

    A subclass says how well theta explains an outcome (`loss`) and which outcome it expects
    (`mean`); gradients, Hessians and influence values follow by automatic differentiation.

    Notes
    -----
    Without ``mean``, the expected outcome is that at which the score ``l_theta`` is zero, where a
    single outcome enters it affinely, as in squared errors and the likelihoods of generalized
    linear models; ``fit`` looks for that by numbers. Other losses leave it open.

    ``loss`` sees y and T as they were given to ``fit``, and theta moves from its best constant on
    the scale on which single rows pull it, whatever the units of y and T are.

    A model of one's own defines ``n_params`` and ``loss``; ``mean`` where the loss does not imply
    it; ``start`` where training should not begin at zero; and ``outcome_nodes`` where the Hessian
    is not affine in the outcome: for a normal error of standard deviation s,
    ``[(0.5, mean - s), (0.5, mean + s)]`` averages a quadratic exactly. The other methods have
    defaults that serve.

    Arrays of rows go through `batch_loss` and `batch_mean`, whose shapes are those of one row
    behind any number of leading axes. By default they map `loss` and `mean` over the rows with
    ``torch.func.vmap``; a model that is written with broadcasting overrides them.

    References
    ----------
    .. [1] Farrell, Liang, Misra, "Deep Learning for Individual Heterogeneity", arXiv 2010.14694.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    # number of outcomes that `outcome_nodes` returns
    n_outcome_nodes: ClassVar[int] = 1
    # kind of outcome that the model takes, where it takes one only
    outcome_kind: ClassVar[str | None] = None
    diagonal_hessian: Any = False
    symmetric_hessian: ClassVar[bool] = True
    # whether the expected Hessian follows from `outcome_nodes`; None where that has to be seen
    structured_hessian: Any = None
    quadratic_loss: Any = False
    # whether the loss is 0 for a perfect fit, and never below
    is_deviance: ClassVar[bool] = False

    @property
    def can_be_calibrated(self) -> bool:
        """Whether Fisher's scoring, with the outcome at its mean, minimises the loss."""
        return self.has_mean and self.structured_hessian is not False

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> StructuralModel:
        """Learn the number of parameters from the data's schema.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : StructuralModel
            The model, ready to be used.
        """
        self._validate_params()
        self._size(treatments, outcomes)
        n_params = getattr(self, "n_params", None)
        if not isinstance(n_params, (int, np.integer)) or n_params < 1:
            raise ModelError(
                f"`n_params` of {type(self).__name__} must be a positive integer, got {n_params!r}"
            )
        self.n_params_ = self.n_heads_ = int(n_params)
        return self

    def _size(self, treatments: Treatments, outcomes: Outcomes) -> None:
        self.n_outcomes_ = outcomes.n_outcomes
        self.n_treatments_ = 0 if treatments.kind == "discrete" else len(treatments.names)
        # a function of one row sees numbers where fit got one axis
        self.scalar_y_, self.scalar_t_ = outcomes.one_dim, treatments.kind == "dose"

    def learn(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> StructuralModel:
        """Learn what a model needs beside theta(x), such as the knots of a spline.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        self : StructuralModel
            The model, ready to be used.
        """
        self.typical_y_ = np.nanmedian(y, axis=0)
        return self

    def hessian_of_doses(self, theta: Tensor, weight: Tensor, t: Tensor) -> Tensor | None:
        """Average the Hessian over doses where a model has a shorter way than differentiation.

        Parameters
        ----------
        theta : Tensor of shape (n, n_params)
            Parameters.
        weight : Tensor of shape (n_nodes, n)
            Weights of the doses.
        t : Tensor of shape (n_nodes, n, n_treatments)
            Doses.

        Returns
        -------
        Tensor of shape (n, n_params, n_params) or None
            None where it has none.
        """
        return None

    def cells(self, theta: Tensor) -> Tensor:
        """Compute quantities of which every effect is a linear combination.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_cells)
            Cells.
        """
        return theta

    def of_cells(self) -> StructuralModel | None:
        """Return the model whose parameters are the cells.

        Returns
        -------
        StructuralModel or None
            None where effects are no linear combinations of a few quantities.
        """
        return None

    def linear_design(self, t: np.ndarray) -> np.ndarray | None:
        """Return what the slopes are multiplied with, where the mean is linear in theta.

        Parameters
        ----------
        t : ndarray of shape (..., n_treatments)
            Doses.

        Returns
        -------
        ndarray of shape (..., n_slopes) or None
            None for other models and for arms.
        """
        return None

    def start(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Choose the constant theta from which training starts.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In the units of training.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        ndarray of shape (n_params,)
            Constant parameters.
        """
        return np.zeros(self.n_params_)

    def anchor(
        self, y: np.ndarray, t: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Choose where training starts, and the scale on which the network moves theta.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            In outcome units.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
            Treatment.
        weight : ndarray of shape (n_samples,)
            Row weights.

        Returns
        -------
        constant : ndarray of shape (n_params,)
            In the units of training.
        spread : ndarray of shape (n_params, n_params) or None
            The network's outputs are multiplied with it; None where they are on the right scale.
        """
        return sandwich_anchor(self, y, t, weight)

    def param_names(self, treatments: Treatments, outcomes: Outcomes) -> list[str]:
        """Name the parameters.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        list of str
            One name for each parameter.
        """
        return [f"theta[{j}]" for j in range(self.n_params_)]

    def standardises(self) -> tuple[np.ndarray, np.ndarray]:
        """Tell what may be centred and scaled, because `to_outcome_units` undoes it.

        Returns
        -------
        outcomes : ndarray of bool of shape (n_outcomes,)
            One entry per outcome.
        treatments : ndarray of bool of shape (n_treatments,)
            One entry per dose; empty for arms.
        """
        return np.zeros(self.n_outcomes_, dtype=bool), np.zeros(self.n_treatments_, dtype=bool)

    def to_outcome_units(self, theta: np.ndarray, units: Units) -> np.ndarray:
        """Map theta from the units of training to those of y and T.

        Parameters
        ----------
        theta : ndarray of shape (n_members, n, n_params)
            Parameters.
        units : Units
            Units of each member.

        Returns
        -------
        ndarray of shape (n_members, n, n_params)
            Parameters in outcome units.
        """
        return theta
