"""Ready models: one index for every arm or a linear index of doses, for each kind of outcome."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from sklcausal._encoding import Outcomes, Treatments
from sklcausal._models import _families as families
from sklcausal._models._families import Family
from sklcausal._models._index import IndexModel
from sklcausal.exceptions import TargetError


class GeneralizedLinear(IndexModel):
    """Take for each outcome the canonical link of its kind.

    The link is the identity for continuous, logit for binary and log for count outcomes.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, section 3.

    Examples
    --------
    >>> from sklcausal.structural import GeneralizedLinear
    >>> GeneralizedLinear(basis="polynomial")
    GeneralizedLinear(basis='polynomial')
    """

    def _family(self, kind: str, m: int) -> Family:
        return families.BY_KIND[kind]


class PotentialOutcomes(GeneralizedLinear):
    """Let theta(x) be the mean outcome in every arm, on the scale of the canonical link.

    The link follows the kind of the outcome: identity for continuous, logit for binary, log for
    counts. Parameters are ordered arm by arm, outcomes within.

    Notes
    -----
    With one parameter per arm the expected Hessian is diagonal and the influence values of a
    difference in means are those of augmented inverse-propensity weighting for every canonical
    link ([1]_, section 3).

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694.

    Examples
    --------
    >>> from sklcausal.structural import PotentialOutcomes
    >>> PotentialOutcomes()
    PotentialOutcomes()
    """

    def __init__(self) -> None:
        super().__init__()

    def setup(self, treatments: Treatments, outcomes: Outcomes) -> PotentialOutcomes:
        """Learn the numbers of arms and outcomes.

        Parameters
        ----------
        treatments : Treatments
            Kind of the treatment and its arms.
        outcomes : Outcomes
            Kinds of the outcomes.

        Returns
        -------
        self : PotentialOutcomes
            The model, ready to be used.

        Raises
        ------
        TargetError
            If the treatment is not discrete.
        """
        if treatments.kind != "discrete":
            raise TargetError(
                f"PotentialOutcomes needs arms, but `T` was read as {treatments.kind}"
            )
        super().setup(treatments, outcomes)
        return self


class Linear(IndexModel):
    """Let the mean outcome be linear: one mean per arm, or ``a(x) + b(x)'T`` of doses.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    Notes
    -----
    The outcome is linear in the columns of the basis given x, with slopes that may vary freely
    with x. Where the true dose response is curved, the slope of a plain dose is a weighted
    average of its derivative.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, section 3.

    Examples
    --------
    >>> from sklcausal.structural import Linear
    >>> Linear()
    Linear()
    """

    outcome_kind = "continuous"

    def _family(self, kind: str, m: int) -> Family:
        return families.GAUSSIAN


class Logit(IndexModel):
    """Let the log odds of a binary outcome be an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, section 3.

    Examples
    --------
    >>> from sklcausal.structural import Logit
    >>> Logit()
    Logit()
    """

    outcome_kind = "binary"

    def _family(self, kind: str, m: int) -> Family:
        return families.LOGIT


class Probit(IndexModel):
    """Let the probability of a binary outcome be the normal distribution function of an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    Notes
    -----
    The link is not canonical, but the Hessian is affine in the outcome, so that its expectation
    needs the modelled mean only.

    Examples
    --------
    >>> from sklcausal.structural import Probit
    >>> Probit()
    Probit()
    """

    outcome_kind = "binary"

    def _family(self, kind: str, m: int) -> Family:
        return families.PROBIT


class FractionalLogit(IndexModel):
    """Let the log odds of a share between 0 and 1 be an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    References
    ----------
    .. [1] Papke, Wooldridge, "Econometric methods for fractional response variables", Journal of
       Applied Econometrics 1996.

    Examples
    --------
    >>> from sklcausal.structural import FractionalLogit
    >>> FractionalLogit()
    FractionalLogit()
    """

    outcome_kind = "continuous"

    def _family(self, kind: str, m: int) -> Family:
        return families.FRACTIONAL


class Poisson(IndexModel):
    """Let the logarithm of the mean of a count be an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    Notes
    -----
    Only the mean need be right: the variance may be larger than that of a Poisson law.

    Examples
    --------
    >>> from sklcausal.structural import Poisson
    >>> Poisson()
    Poisson()
    """

    outcome_kind = "count"

    def _family(self, kind: str, m: int) -> Family:
        return families.POISSON


class Gamma(IndexModel):
    """Let the logarithm of the mean of a positive outcome be an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.

    Notes
    -----
    Only the mean need be right. The loss supposes that the standard deviation grows with the
    mean, whatever their ratio, which drops out.

    Examples
    --------
    >>> from sklcausal.structural import Gamma
    >>> Gamma()
    Gamma()
    """

    outcome_kind = "continuous"

    def _family(self, kind: str, m: int) -> Family:
        return families.GAMMA
