"""T-learner: a network of its own for every arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from sklcausal._ensemble import Recipe
from sklcausal.base import BaseThetaEstimator
from sklcausal.nn import MemberLinear, MemberMLP
from sklcausal.nn._layers import check_widths
from sklcausal.utils._docs import shared_docs


class TLearnerModule(nn.Module):
    """Give every arm a network that shares nothing with the others.

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
        self.n_heads = n_heads
        self.hidden = MemberMLP(n_members, n_in, widths, activation, n_heads)
        self.last = MemberLinear(n_members, self.hidden.n_out, n_outcomes, n_heads)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute theta and the last hidden layer of each arm's network.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        theta : Tensor of shape (n_members, n, n_heads * n_outcomes)
        features : Tensor of shape (n_members, n, n_heads, n_hidden)
        """
        features = self.hidden(z.unsqueeze(1).expand(-1, self.n_heads, -1, -1))
        theta = self.last(features).transpose(1, 2).flatten(2)
        return theta, features.transpose(1, 2)


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class TLearner(BaseThetaEstimator):
    """Estimate effects with a network of its own for every arm.

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
    sklcausal.representation.TARNet : Arms share a representation.
    SLearner : One network that reads the arm as an input.

    Notes
    -----
    Effects are identified if, given x, treatment is independent of the potential outcomes (no
    unmeasured confounder), everybody could have received every arm (overlap), and one person's
    treatment does not change another's outcome. What the intervals promise is said in `TARNet`.

    References
    ----------
    .. [1] Künzel, Sekhon, Bickel, Yu, "Metalearners for estimating heterogeneous treatment
       effects using machine learning", PNAS 2019, doi 10.1073/pnas.1804597116, eq. (1).
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.meta import TLearner
    >>> data = make_confounded(200, random_state=0)
    >>> est = TLearner(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "widths": ["array-like"],
    }
    _takes_doses = False

    widths: Sequence[int] = (50, 50, 50)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        arguments = {
            "n_heads": n_heads,
            "n_outcomes": n_outcomes,
            "widths": check_widths(self.widths, "widths"),
            "activation": self.activation,
        }
        return Recipe(TLearnerModule, arguments)
