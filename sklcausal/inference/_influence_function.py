"""Influence values of any target under any structural model, from arrays."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal._models._base import StructuralModel
from sklcausal.exceptions import ModelError
from sklcausal.inference._function_target import FunctionTarget, read_functions
from sklcausal.inference._hessian import GivenHessian, Hessian, LawHessian
from sklcausal.inference._influence import Corrections, Signals, compute_corrections
from sklcausal.inference._targets import Cells, Target


class InfluenceFunction:
    """Compute ``psi = H - H_theta Lambda(x)^-1 l_theta`` row by row.

    Rows are mapped and cut into chunks, so that memory does not grow with them.

    Parameters
    ----------
    model : StructuralModel
        What theta means; set up, as in an estimator's ``model_``. A `MomentModel` gives moments
        in place of the gradient of a loss.
    target : callable, sequence of callable, mapping of str to callable, or None, default=None
        Functions ``H(theta)``, ``H(theta, x)`` or ``H(theta, x, t)`` of one row that return a
        number. None takes the mean outcome in every arm, or intercept and slopes.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, eq. (3.1) and theorem 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.datasets import make_confounded
    >>> from sklcausal.inference import ArmLaw, InfluenceFunction
    >>> from sklcausal.representation import TARNet
    >>> data = make_confounded(200, random_state=0)
    >>> est = TARNet(n_folds=2, max_epochs=2, random_state=0).fit(data.X, data.T, data.y)
    >>> psi = InfluenceFunction(est.model_, lambda theta: theta[1] - theta[0])
    >>> law = ArmLaw(np.full((200, 2), 0.5))
    >>> psi(data.y[:, None], data.T, np.zeros((200, 2)), law).psi.shape
    (200, 1)
    """

    def __init__(self, model: StructuralModel, target: Any = None):
        self.model, self.target = model, target

    def __call__(
        self,
        y: np.ndarray,
        t: np.ndarray,
        theta: np.ndarray,
        hessian: Any,
        *,
        X: np.ndarray | None = None,
        T: np.ndarray | None = None,
    ) -> Signals:
        """Compute values and influence values of rows.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outcomes)
            Outcomes.
        t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
            Treatment.
        theta : ndarray of shape (n_samples, n_params)
            Parameters, of networks that have not seen the rows.
        hessian : TreatmentLaw, or ndarray of shape (n_samples, n_params, n_params)
            Law of the treatment given x, over which the Hessian is averaged, or the expected
            Hessians; of shape (n_samples, n_params) where they are diagonal.
        X : ndarray of shape (n_samples, n_features) or None, default=None
            Covariates, where the target reads them.
        T : ndarray of shape (n_samples,) or (n_samples, n_treatments), or None, default=None
            Treatment at which the target is evaluated. None takes ``t``, and then averages the
            derivative of the target over the law, if one was given.

        Returns
        -------
        Signals
            Plug-in values and influence values, each of shape (n_samples, n_outputs).

        Raises
        ------
        ModelError
            If shapes do not fit the model, or the target cannot be used.
        """
        return self.corrections(y, t, theta, hessian).signals(
            self._target(len(y), t, hessian, X, T)
        )

    def corrections(
        self, y: np.ndarray, t: np.ndarray, theta: np.ndarray, hessian: Any
    ) -> Corrections:
        """Compute ``Lambda(x)^-1 l_theta``, which serves every target.

        Parameters
        ----------
        y, t, theta, hessian : object
            As above.

        Returns
        -------
        Corrections
            Parameters, steps and how well Lambda(x) could be solved.

        Raises
        ------
        ModelError
            If shapes do not fit the model.
        """
        n, p = len(y), self.model.n_params_
        if theta.shape != (n, p):
            raise ModelError(f"`theta` must have shape ({n}, {p}), got {theta.shape}")
        shapes = {
            "y": (np.shape(y), (n, self.model.n_outcomes_)),
            "t": (
                np.shape(t),
                (n, self.model.n_treatments_)[: 1 + bool(self.model.n_treatments_)],
            ),
        }
        for name, (came, wanted) in shapes.items():
            if came != wanted:
                raise ModelError(f"`{name}` must have shape {wanted}, got {came}")
        given: Hessian
        if isinstance(hessian, np.ndarray):
            if hessian.shape not in ((n, p), (n, p, p)):
                raise ModelError(
                    f"`hessian` must have shape ({n}, {p}, {p}), or ({n}, {p}) where it is "
                    f"diagonal, got {hessian.shape}"
                )
            given = GivenHessian(hessian)
        else:
            given = LawHessian(hessian) if hasattr(hessian, "nodes") else hessian
        return compute_corrections(self.model, y, t, theta, given)

    def _target(
        self, n: int, t: np.ndarray, hessian: Any, X: np.ndarray | None, T: np.ndarray | None
    ) -> Target:
        if self.target is None:
            return Cells(self.model)
        functions, names = read_functions(self.target)
        X = np.empty((n, 0)) if X is None else X
        law = hessian if T is None and hasattr(hessian, "nodes") else None
        at = t if T is None else T
        return FunctionTarget(functions, names, X, at, self.model.scalar_t_, law)
