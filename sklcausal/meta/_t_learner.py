"""T-learner: a network of its own for every arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sklcausal._ensemble import Recipe
from sklcausal.meta._nuisance_models import NuisanceModels
from sklcausal.nn import MultiHeadMLP
from sklcausal.nn._layers import check_widths
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class TLearner(NuisanceModels):
    """Estimate effects with a network of its own for every arm.

    The arms share no weights, only the gates by which inputs are weighed. With ``outcome_model``
    the outcomes of every arm have a model of their own in place of a network.

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
    {shared_identification}

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
        **NuisanceModels._parameter_constraints,
        "widths": ["array-like"],
    }

    widths: Sequence[int] = (50, 50, 50)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        arguments = {
            "n_heads": n_heads,
            "n_out": n_outcomes,
            "head_widths": check_widths(self.widths, "widths"),
            "activation": self.activation_,
        }
        return Recipe(MultiHeadMLP, arguments)
