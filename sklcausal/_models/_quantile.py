"""Quantiles of an outcome, with a check function that has a Hessian."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklcausal._models import _families as families
from sklcausal._models._families import Family
from sklcausal._models._index import IndexModel


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
