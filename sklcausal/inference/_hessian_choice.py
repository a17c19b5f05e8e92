"""Decide whether an expected Hessian follows from the treatment's law or has to be learned."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np

from sklcausal._models import StructuralModel
from sklcausal._models._checks import follows_from_mean
from sklcausal.exceptions import ModelError
from sklcausal.utils._warn import warn_user

LEARNED = ("cholesky", "entrywise")


def choose_hessian(
    model: StructuralModel, asked: str, y: np.ndarray, t: np.ndarray, theta: np.ndarray
) -> str:
    """Choose how the expected Hessian is found.

    Parameters
    ----------
    model : StructuralModel
    asked : {'auto', 'structured', 'cholesky', 'entrywise'}
    y : ndarray of shape (n_samples, n_outcomes)
        In the units of the engine, as t and theta.
    t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
    theta : ndarray of shape (n_samples, n_params)

    Returns
    -------
    {'structured', 'cholesky', 'entrywise'}

    Raises
    ------
    ModelError
        If the Jacobian of moments would have to be learned.
    ValueError
        If 'structured' is asked for where it does not hold.

    Warns
    -----
    UserWarning
        If a Hessian that depends on the outcome has to be learned, or its entries apart.
    """
    if asked == "entrywise":
        warn_user(
            "hessian='entrywise' regresses every entry of the expected Hessian on its own: a "
            "close fit of the entries may have a wild inverse; prefer hessian='auto'",
            UserWarning,
        )
    if asked in LEARNED:
        if not model.symmetric_hessian:
            _refuse_moments(model, asked)
        return asked
    known = model.structured_hessian
    if known is None:
        known = model.spreads_outcomes or follows_from_mean(model, y, t, theta)
    if not known and not model.symmetric_hessian:
        _refuse_moments(model, asked)
    if not known and model.structured_hessian is None and asked == "auto":
        remedy = "define `outcome_nodes(theta, t)` in a StructuralModel"
        if not model.has_mean:
            remedy = f"define `mean(theta, t)`, or, where that is not enough, {remedy[7:]}"
        warn_user(
            f"the Hessian of {model!r} depends on the outcome, so that the expected "
            "Hessian is learned from noisy ones: standard errors of averages may be too "
            f"small; {remedy}",
            UserWarning,
        )
    if asked == "auto":
        return "structured" if known else "cholesky"
    if not known:
        raise ValueError(
            "`hessian='structured'` needs a model whose expected Hessian follows from its "
            f"mean, which that of {model!r} does not; use 'auto' or 'cholesky', or "
            "define `outcome_nodes(theta, t)`"
        )
    return "structured"


def _refuse_moments(model: StructuralModel, asked: str) -> None:
    raise ModelError(
        "the expected Jacobian of moments must follow from the treatment's law, or be given "
        f"to `InfluenceFunction`, since it is not symmetric, but that of {model!r} would "
        f"be learned (hessian={asked!r}); write moments affine in y and define "
        "`mean(theta, t)`"
    )
