"""Choice among alternatives with attributes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import torch
from torch import Tensor

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models._base import StructuralModel
from sklcausal.exceptions import TargetError


class MultinomialLogit(StructuralModel):
    """Let people choose the alternative with the largest utility, linear in its attributes.

    The outcome is the label of the alternative that was chosen. T holds the attributes of all
    alternatives, alternative by alternative in the sorted order of their labels: prices of three
    brands, or price and quality of the first, then of the second. Parameters are the tastes for
    the attributes, then what each alternative but the first has of its own.

    Notes
    -----
    Effects are changes of the probabilities of all alternatives when attributes move from T0 to
    T1. Utilities have independent extreme-value errors, so that odds of two alternatives do not
    depend on a third given x.

    References
    ----------
    .. [1] McFadden, "Conditional logit analysis of qualitative choice behavior", in Frontiers in
       Econometrics, 1974.

    Examples
    --------
    >>> from sklcausal.structural import MultinomialLogit
    >>> MultinomialLogit()
    MultinomialLogit()
    """

    outcome_kind = "choice"
    structured_hessian = True

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> MultinomialLogit:
        """Learn the numbers of alternatives and attributes.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : MultinomialLogit
            The model, ready to be used.

        Raises
        ------
        TargetError
            If y holds no choice, or T not the same number of attributes for all alternatives.
        """
        n_alternatives = outcomes.n_outcomes
        if set(outcomes.kinds) != {"choice"}:
            raise TargetError(
                "`outcome` must be 'choice' for MultinomialLogit, one column of labels, got "
                f"{list(outcomes.kinds)}"
            )
        n_columns = 0 if treatments.kind == "discrete" else len(treatments.names)
        if n_columns == 0 or n_columns % n_alternatives:
            came = "arms" if treatments.kind == "discrete" else f"{n_columns} columns"
            raise TargetError(
                f"`T` must hold the same number of attributes for each of the {n_alternatives} "
                f"alternatives {list(outcomes.names)}, side by side, got {came}"
            )
        self.n_attributes_ = n_columns // n_alternatives
        self._size(treatments, outcomes)
        self.n_params_ = self.n_heads_ = self.n_attributes_ + n_alternatives - 1
        return self

    def _utilities(self, theta: Tensor, t: Tensor) -> Tensor:
        attributes = t.unflatten(-1, (self.n_outcomes_, self.n_attributes_))
        tastes, own = theta.split([self.n_attributes_, self.n_outcomes_ - 1], dim=-1)
        first = torch.zeros_like(own[..., :1])
        return (attributes * tastes.unsqueeze(-2)).sum(-1) + torch.cat([first, own], dim=-1)

    def batch_loss(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the negative log-likelihood of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_alternatives)
            1 for the alternative that was chosen.
        t : Tensor of shape (..., n_alternatives * n_attributes)
            Attributes.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (...)
            Losses.
        """
        utility = self._utilities(theta, t)
        return torch.logsumexp(utility, dim=-1) - (y * utility).sum(-1)

    def batch_mean(self, theta: Tensor, t: Tensor) -> Tensor:
        """Compute the probabilities of the alternatives.

        Parameters
        ----------
        theta : Tensor of shape (..., n_params)
            Parameters.
        t : Tensor of shape (..., n_alternatives * n_attributes)
            Attributes.

        Returns
        -------
        Tensor of shape (..., n_alternatives)
            Probabilities.
        """
        return torch.softmax(self._utilities(theta, t), dim=-1)

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
        tastes = [f"taste for attribute {a + 1}" for a in range(self.n_attributes_)]
        return [*tastes, *(f"constant of {name}" for name in outcomes.names[1:])]
