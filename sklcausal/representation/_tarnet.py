"""TARNet: a shared representation with a head for every arm."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sklcausal._ensemble import Recipe
from sklcausal._recipes import trunk_and_heads
from sklcausal.base import BaseThetaEstimator
from sklcausal.utils._docs import shared_docs


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class TARNet(BaseThetaEstimator):
    """Estimate effects with a shared representation and a head for every arm.

    All people train the representation; the people of an arm train its head. For a dose or
    several treatments at once the heads give the intercept and slopes of an outcome that is
    linear in the treatments given x.

    Parameters
    ----------
    representation_widths : sequence of int, default=(50, 50)
        Units of the shared hidden layers.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers of each head.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklcausal.meta.TLearner : A network of its own for every arm.
    sklcausal.meta.SLearner : One network that reads the arm as an input.

    Notes
    -----
    Effects are identified if, given x, treatment is independent of the potential outcomes (no
    unmeasured confounder), everybody could have received every arm (overlap), and one person's
    treatment does not change another's outcome.

    `ate_interval` is a normal interval from orthogonal influence values, which stays right if
    either the outcome or the propensity network is good. `effect_interval` is for the effect at
    x; it is built from a regression of the influence values on what the networks learned and on
    splines, and covers only as far as these can express the effect. Measured over 200 draws of
    2,000 rows (``examples/benchmarks/intervals.py``), 95 % intervals covered 0.946 (cubic
    effect), 0.948 (confounded) and 0.963 (constant effect) of people's effects, and the average
    in 0.950, 0.935 and 0.950 of the draws. A band over many people
    (``simultaneous=True``) asks more of the features; how often one covers is in
    ``docs/benchmarks/further_designs.md``.

    Where cells of y are missing, whether one was observed must not depend on it given x and the
    arm.

    References
    ----------
    .. [1] Shalit, Johansson, Sontag, "Estimating individual treatment effect: generalization
       bounds and algorithms", ICML 2017, arXiv 1606.03976, section 4.
    .. [2] Farrell, Liang, Misra, "Deep learning for individual heterogeneity", arXiv 2010.14694,
       section 3.
    {shared_references}

    Examples
    --------
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.representation import TARNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> est.effect(data.X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "representation_widths": ["array-like"],
        "head_widths": ["array-like"],
    }

    _fewest_shared_layers: ClassVar[int] = 0

    representation_widths: Sequence[int] = (50, 50)
    head_widths: Sequence[int] = (50,)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        # trunk Phi(x) and heads h_t(Phi), [1], section 4
        return trunk_and_heads(
            n_heads,
            n_outcomes,
            self.representation_widths,
            self.head_widths,
            self.activation_,
            self._fewest_shared_layers,
        )
