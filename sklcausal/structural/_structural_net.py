"""StructuralNet: a network for the parameters of a model of one's own."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions

from sklcausal._encoding import Treatments, shorten
from sklcausal._ensemble import Recipe
from sklcausal._models import IndexModel, PotentialOutcomes, StructuralModel
from sklcausal._models._function import FunctionModel
from sklcausal._recipes import trunk_and_heads
from sklcausal.base import BaseThetaEstimator
from sklcausal.exceptions import TargetError
from sklcausal.utils._docs import shared_docs
from sklcausal.utils._warn import warn_user


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class StructuralNet(BaseThetaEstimator):
    """Let a network give the parameters of a structural model, with debiased inference.

    The model says by a loss ``l(y, t, theta)`` how parameters explain an outcome; the network
    learns how they vary with x. Averages of any function of the parameters, and effects, come
    with standard errors from influence functions.

    Parameters
    ----------
    model : StructuralModel, callable or None, default=None
        What the parameters mean: a ready model, such as `Logit`, one of your own, or a function
        ``loss(y, t, theta)`` of one row. None takes one mean per arm, or the canonical link of
        the outcome's kind and slopes for doses.
    n_params : int or None, default=None
        Number of parameters, where ``model`` is a function.
    mean : callable or None, default=None
        ``mean(theta, t)`` of one row, where ``model`` is a function. None takes the outcome at
        which the score is zero, where that enters it affinely; for other losses there is no
        `effect` without it, and standard errors of averages of functions of the parameters may
        be too small where the Hessian depends on the outcome.
    assignment : {'observational', 'randomised'}, default='observational'
        'randomised' takes T as independent of x, so that its law is not learned.
    hessian : {'auto', 'structured', 'cholesky', 'entrywise'}, default='auto'
        How the expected Hessian given x is found. 'structured' averages over the law of the
        treatment, with the outcome at its modelled mean; 'cholesky' learns a triangular root;
        'entrywise' regresses every entry, which is unstable. 'auto' takes 'structured' where
        that is exact, and 'cholesky' otherwise.
    representation_widths : sequence of int, default=(50, 50)
        Units of the shared hidden layers.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers behind each parameter.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklcausal.representation.TARNet : The same network for arms.

    Notes
    -----
    Averages are identified if T is independent of unobserved causes of y given x, T varies given
    every x in as many ways as there are parameters, and the model is right: with parameters
    that may be any functions of x, it restricts only how y depends on T. Influence values
    correct the first-order error of the network: the averages stay right where either the
    network or the law of the treatment is a little wrong. What holds for the interval of an
    effect is said in `sklcausal.representation.TARNet`.

    References
    ----------
    .. [1] Farrell, Liang, Misra, "Deep learning for individual heterogeneity: an automatic
       inference framework", arXiv 2010.14694.
    {shared_references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.structural import StructuralNet, Logit
    >>> rng = np.random.default_rng(0)
    >>> X, price = rng.normal(size=(200, 2)), rng.uniform(1, 3, size=200)
    >>> bought = rng.random(200) < 1 / (1 + np.exp(price - 2))
    >>> est = StructuralNet(model=Logit(), n_folds=2, max_epochs=2, random_state=0)
    >>> est.fit(X, price, bought).parameters(X).shape
    (200, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseThetaEstimator._parameter_constraints,
        "model": [StructuralModel, callable, None],
        "n_params": [Interval(Integral, 1, None, closed="left"), None],
        "mean": [callable, None],
        "assignment": [StrOptions({"observational", "randomised"})],
        "hessian": [StrOptions({"auto", "structured", "cholesky", "entrywise"})],
        "representation_widths": ["array-like"],
        "head_widths": ["array-like"],
    }

    model: Any = None
    n_params: int | None = None
    mean: Callable[..., Any] | None = None
    assignment: str = "observational"
    hessian: str = "auto"
    representation_widths: Sequence[int] = (50, 50)
    head_widths: Sequence[int] = (50,)

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        # theta(x): shared layers, then a head for each parameter, [1], section 3
        return trunk_and_heads(
            n_heads, n_outcomes, self.representation_widths, self.head_widths, self.activation_
        )

    def _structural_model(self, kind: str) -> StructuralModel:
        if isinstance(self.model, StructuralModel) or self.model is None:
            given = {"n_params": self.n_params, "mean": self.mean}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"`{name}` goes with a function as `model`, but `model` is "
                        f"{self.model!r}, which has its own"
                    )
            return super()._structural_model(kind) if self.model is None else clone(self.model)
        if self.n_params is None:
            raise ValueError(
                "`n_params` must be given where `model` is a function, got None: it is the "
                "length of theta"
            )
        return FunctionModel(self.model, self.n_params, self.mean)

    def _outcome_kind(self) -> Any:
        if inspect.isclass(self.model):
            raise ValueError(
                f"`model` must be an instance, such as {self.model.__name__}(), got the class"
            )
        own = getattr(self.model, "outcome_kind", None)
        is_open = isinstance(self.outcome, str) and self.outcome == "auto"
        return own if own is not None and is_open else self.outcome

    def _has_own_model(self) -> bool:
        return self.model is not None

    def _check_kind(self, treatments: Treatments, T: np.ndarray, asked: str) -> None:
        arms = treatments.arms
        if self.model is None or isinstance(self.model, PotentialOutcomes) or arms is None:
            return
        if asked != "auto" or self.treatments is not None or T.dtype.kind not in "iuf":
            return
        is_ready = isinstance(self.model, IndexModel)
        if len(arms) == 2 if is_ready else arms.tolist() == list(range(len(arms))):
            return
        hint = (
            f"`T` holds the numbers {shorten(arms.tolist())}, which were read as arms; pass "
            "treatment_type='dose' if they are doses, such as prices, and 'discrete' if not"
        )
        if is_ready:
            warn_user(hint, UserWarning)
            return
        raise TargetError(f"{hint}: the loss would see them as 0 to {len(arms) - 1}")

    def _stage_options(self) -> dict[str, Any]:
        return {"assignment": self.assignment, "hessian": self.hessian}
