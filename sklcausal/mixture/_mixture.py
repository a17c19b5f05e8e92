"""What mixtures of experts over a grid of arms and outcomes have in common."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklcausal._draws import Batch
from sklcausal._ensemble import Ensemble, Recipe
from sklcausal._fit_data import FitData, validate_X
from sklcausal._funnel import Funnel, Links, fill_within, read_funnel, start_within
from sklcausal._objective import Penalty
from sklcausal._start import Start
from sklcausal._task_weights import TASK_WEIGHTS
from sklcausal.base import BaseThetaEstimator
from sklcausal.exceptions import TargetError
from sklcausal.nn._expert_grid import ExpertGrid
from sklcausal.nn._layers import check_widths
from sklcausal.nn._mixture import MixtureMLP
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class BaseMixture(BaseThetaEstimator):
    """Estimate effects with experts that are mixed for every cell of a grid.

    Parameters
    ----------
    expert_widths : sequence of int, default=(50,)
        Units of the layers of each expert, at least one.
    gate_widths : sequence of int, default=()
        Units of the hidden layers of each gate.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers of each cell's head.
    task_weighting : {'gradnorm', 'uncertainty'} or None, default=None
        How outcomes are weighed against each other in training: by their gradients ([GN]_), by
        their learned uncertainty ([UW]_), or alike. Rates of training, which gradients are
        balanced by, compare losses with those of the constants that training starts from. Members
        stop, and settings are chosen, by the plain sum.
    funnel : sequence of pairs of name or position, or None, default=None
        Pairs of binary outcomes of which the second happens only where the first does, such as
        ``[("visit", "conversion")]``: the network then predicts its chance given the first.
        Missing cells that follow, of the second where the first did not happen and of the first
        where the second did, are filled in.
    {shared_parameters}

    Attributes
    ----------
    expert_names_out_ : ndarray of str of shape (n_experts,)
        Names of the experts that a cell hears, the last axis of `expert_weights`.
    {shared_attributes}

    References
    ----------
    {shared_references}
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "expert_widths": ["array-like"],
        "gate_widths": ["array-like"],
        "head_widths": ["array-like"],
        "task_weighting": [StrOptions(set(TASK_WEIGHTS)), None],
        "funnel": ["array-like", None],
    }
    _treatment_kinds = ("discrete",)

    expert_widths: Sequence[int] = (50,)
    gate_widths: Sequence[int] = ()
    head_widths: Sequence[int] = (50,)
    task_weighting: str | None = None
    funnel: Sequence[tuple[Any, Any]] | None = None

    @abstractmethod
    def _grid(self, n_arms: int, n_outcomes: int) -> ExpertGrid:
        """Say how many experts serve which cells."""

    def _sizes(self) -> dict[str, Any]:
        """Return what a method's network is built with beside what all have in common."""
        return {}

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        arguments = {
            "grid": self._grid(n_heads, n_outcomes),
            "expert_widths": check_widths(self.expert_widths, "expert_widths", 1),
            "gate_widths": check_widths(self.gate_widths, "gate_widths"),
            "head_widths": check_widths(self.head_widths, "head_widths"),
            "has_task_weights": self.task_weighting is not None,
            "activation": self.activation_,
            **self._sizes(),
        }
        return Recipe(MixtureMLP, arguments)

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        super()._check_settings(data, columns)
        n_arms, n_outcomes = data.treatments.n_arms, data.outcomes.n_outcomes
        if n_arms * n_outcomes > len(data.X):
            raise TargetError(
                f"`y` must have at most as many cells as rows for {type(self).__name__}, got "
                f"{n_arms} arms times {n_outcomes} outcomes for {len(data.X)} rows"
            )
        self.expert_names_out_ = np.array(self._grid(n_arms, n_outcomes).names, dtype=object)

    def _effect_recipe(self, n_heads: int, n_out: int) -> Recipe:
        # its loss does not weigh outcomes
        recipe = super()._effect_recipe(n_heads, n_out)
        return replace(recipe, arguments={**recipe.arguments, "has_task_weights": False})

    def _fit(self, data: FitData) -> None:
        self._links: Links = ()
        if self.funnel is not None:
            self._links = read_funnel(self.funnel, data.outcomes, data.y)
            y = fill_within(data.y, self._links)
            outcomes = replace(data.outcomes, has_missing=bool(np.isnan(y).any()))
            data = replace(data, y=y, outcomes=outcomes)
        super()._fit(data)

    def _move(self, start: Start) -> Start:
        if not self._links:
            return start
        links, n = self._links, self.model_.n_outcomes_
        constant = start_within(start.constant, links, n)
        return replace(start, constant=constant, link=Funnel(links, n))

    def _penalty(self) -> Penalty | None:
        if self.task_weighting is None:
            return None
        return TASK_WEIGHTS[self.task_weighting](self._losses)

    def _losses(self, out: Outputs, batch: Batch) -> Tensor:
        """Compute the loss of every outcome, shape (n_members, n_outcomes)."""
        return batch.mean(self.model_.outcome_losses(batch.y, batch.t, out.theta))

    @torch.inference_mode(False)
    def expert_weights(self, X: Any) -> np.ndarray:
        """Return how much each cell makes of each expert, who answers for whom.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_arms, n_outcomes, n_experts)
            Weights of the experts that a cell hears, in the order of ``expert_names_out_``. They
            are means over the members and add up to 1. Of several experts of a kind, the first of
            one member has nothing to do with the first of another.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        check_is_fitted(self)
        X = validate_X(self, X, reset=False)
        ensemble = self.theta_net_.ensemble
        assert isinstance(ensemble, Ensemble)
        return ensemble.read(_weights, X).mean(axis=0, dtype=float)


def _weights(body: Any, z: Tensor) -> Tensor:
    weights: Tensor = body.expert_weights(z)
    return weights
