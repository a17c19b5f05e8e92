"""S-learner: one network that reads the arm as an input."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklcausal._ensemble import Recipe
from sklcausal.meta._nuisance_models import NuisanceModels
from sklcausal.nn import MemberLinear, MemberMLP
from sklcausal.nn._activations import activations_of
from sklcausal.nn._generated import HeadLayers
from sklcausal.nn._layers import check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs


class SLearnerModule(nn.Module):
    """Read covariates and arm alike, and answer for all arms at once.

    Parameters
    ----------
    n_members : int
    n_in : int
    n_heads : int
        Number of arms.
    n_outcomes : int
    widths : sequence of int
    activation : str
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        n_heads: int,
        n_outcomes: int,
        widths: Sequence[int],
        activation: str,
    ):
        super().__init__()
        self.n_in = n_in
        self.first = MemberLinear(n_members, n_in + n_heads, widths[0])
        self.activation = activations_of(activation, len(widths), before_output=True)[0]
        self.rest = MemberMLP(n_members, widths[0], widths[1:], activation, before_output=True)
        self.last = MemberLinear(n_members, self.rest.n_out, n_outcomes)

    def weights_by_arm(self) -> list[Tensor]:
        """Return the weights that belong to arms.

        Returns
        -------
        list of Tensor of shape (n_members, n_arms, n_hidden)
            Empty if the weights are made elsewhere.
        """
        is_own = "weight" in self.first._parameters
        return [self.first.weight[:, self.n_in :]] if is_own else []

    def head_layers(self) -> list[HeadLayers]:
        """Return all layers, as those of a single head.

        Returns
        -------
        list of HeadLayers
        """
        return [HeadLayers(1, [self.first, *self.rest.own_layers, self.last])]

    def forward(self, z: Tensor) -> Outputs:
        """Compute theta and the last hidden layer, with the arm set to each in turn.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
        """
        # the input is [x, one-hot arm], so the arm adds one row of the first weights
        from_x, from_arm = self.first.weight.split([self.n_in, self.first.n_in - self.n_in], dim=1)
        hidden = torch.baddbmm(self.first.bias, z, from_x).unsqueeze(2) + from_arm.unsqueeze(1)
        features = self.rest(self.activation(hidden).flatten(1, 2))
        theta = self.last(features).unflatten(1, hidden.shape[1:3])
        return Outputs(theta.flatten(2), features.unflatten(1, hidden.shape[1:3]))


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class SLearner(NuisanceModels):
    """Estimate effects with one network that reads the arm as an input.

    With ``outcome_model`` a model reads the arm, one column for each, in place of the network.

    Parameters
    ----------
    widths : sequence of int, default=(50, 50, 50)
        Units of the hidden layers.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    TLearner : A network of its own for every arm.
    sklcausal.representation.TARNet : Arms share a representation.

    Notes
    -----
    {shared_identification}

    References
    ----------
    .. [1] Künzel, Sekhon, Bickel, Yu, "Metalearners for estimating heterogeneous treatment
       effects using machine learning", PNAS 2019, doi 10.1073/pnas.1804597116, eq. (2).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import SLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = SLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NuisanceModels._parameter_constraints,
        "widths": ["array-like"],
    }
    _is_shared = True

    widths: Sequence[int] = (50, 50, 50)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        arguments = {
            "n_heads": n_heads,
            "n_outcomes": n_outcomes,
            "widths": check_widths(self.widths, "widths", at_least=1),
            "activation": self.activation_,
        }
        return Recipe(SLearnerModule, arguments, shared_head=True)
