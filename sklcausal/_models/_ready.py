"""Ready models: one index for every arm or a linear index of doses, for each kind of outcome."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

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


class NegativeBinomial(IndexModel):
    """Let the logarithm of the mean of an overdispersed count be an index.

    Parameters
    ----------
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.
    dispersion : 'auto' or float, default='auto'
        ``alpha`` in ``variance = mean + alpha * mean ** 2``. 'auto' takes the moments of all
        outcomes, which overstates it by what x explains.

    Attributes
    ----------
    dispersion_ : float
        The dispersion that is used.

    Notes
    -----
    Only the mean need be right: another dispersion costs precision, not validity.

    Examples
    --------
    >>> from sklcausal.structural import NegativeBinomial
    >>> NegativeBinomial(dispersion=0.5)
    NegativeBinomial(dispersion=0.5)
    """

    outcome_kind = "count"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **IndexModel._parameter_constraints,
        "dispersion": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, *, basis: Any = None, dispersion: float | str = "auto"):
        super().__init__(basis=basis)
        self.dispersion = dispersion

    def _family(self, kind: str, m: int) -> Family:
        if isinstance(self.dispersion, str):
            known = getattr(self, "dispersion_", None)
            return families.negative_binomial(1.0 if known is None else known[m])
        return families.negative_binomial(float(self.dispersion))

    def learn(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> NegativeBinomial:
        """Learn the dispersion and the basis.

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
        self : NegativeBinomial
            The model, ready to be used.
        """
        found = []
        for column in y.T:
            seen = ~np.isnan(column)
            mean = np.average(column[seen], weights=weight[seen])
            variance = np.average((column[seen] - mean) ** 2, weights=weight[seen])
            found.append(max((variance - mean) / max(mean**2, 1e-12), 0.01))
        is_auto = isinstance(self.dispersion, str)
        self.dispersion_ = np.array(found) if is_auto else np.full(len(found), self.dispersion)
        super().learn(y, t, weight)
        return self


class Quantile(IndexModel):
    """Let a quantile of the outcome be an index, with a check function smoothed by a normal error.

    Effects are differences of conditional quantiles, not of means.

    Parameters
    ----------
    quantile : float, default=0.5
        Between 0 and 1.
    basis : {'interactions', 'log', 'polynomial', 'spline'}, TreatmentBasis or None, default=None
        Functions of the doses that slopes go with; None takes the doses themselves.
    bandwidth : 'auto' or float, default='auto'
        Of the smoothing, in standard deviations of the outcome. Without smoothing the loss has no
        Hessian. 'auto' takes ``max(0.05, 0.4 * (log(n) / n) ** 0.4)``.

    Notes
    -----
    The Hessian is the density of the outcome at its quantile, which the outcome's mean does not
    tell: it is learned by a network. Smoothing moves a quantile away from the median by about
    half the squared bandwidth times the slope of the log density.

    References
    ----------
    .. [1] Fernandes, Guerre, Horta, "Smoothing quantile regressions", Journal of Business and
       Economic Statistics 2021, doi 10.1080/07350015.2019.1660177.

    Examples
    --------
    >>> from sklcausal.structural import Quantile
    >>> Quantile(quantile=0.9)
    Quantile(quantile=0.9)
    """

    outcome_kind = "continuous"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **IndexModel._parameter_constraints,
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "bandwidth": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self, *, quantile: float = 0.5, basis: Any = None, bandwidth: float | str = "auto"
    ):
        super().__init__(basis=basis)
        self.quantile, self.bandwidth = quantile, bandwidth

    @property
    def structured_hessian(self) -> bool:
        """Whether the Hessian is affine in y, which that of a quantile is not."""
        return False

    def _family(self, kind: str, m: int) -> Family:
        known = getattr(self, "bandwidth_", 0.1)
        bandwidth = known if isinstance(self.bandwidth, str) else float(self.bandwidth)
        return families.smoothed_quantile(float(self.quantile), bandwidth)

    def learn(self, y: np.ndarray, t: np.ndarray, weight: np.ndarray) -> Quantile:
        """Choose the bandwidth and learn the basis.

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
        self : Quantile
            The model, ready to be used.
        """
        n = len(y)
        own = max(0.05, 0.4 * (np.log(n) / n) ** 0.4)
        self.bandwidth_ = float(own if isinstance(self.bandwidth, str) else self.bandwidth)
        super().learn(y, t, weight)
        return self
