"""Counts whose variance exceeds their mean."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklcausal._models import _families as families
from sklcausal._models._families import Family
from sklcausal._models._index import IndexModel


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
    dispersion_ : ndarray of shape (n_outcomes,)
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
