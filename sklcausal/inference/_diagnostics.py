"""Say how far the data support the inference: overlap and conditioning."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sklcausal.exceptions import OverlapWarning
from sklcausal.inference._engine import Engine

MAX_CLIPPED = 0.02


def diagnose(engine: Engine, law_net: Any, clip: float) -> dict[str, Any]:
    """Collect what `diagnostics_` holds.

    Parameters
    ----------
    engine : Engine
    law_net : PropensityNet, MomentNet or None
        The network of the treatment, if one was trained.
    clip : float
        Smallest probability that is left as it is.

    Returns
    -------
    dict
    """
    found: dict[str, Any] = {
        "smallest_eigenvalue": engine.corrections.smallest_eigenvalue,
        "n_regularised": engine.corrections.n_regularised,
    }
    names = engine.treatments.names
    if engine.propensity is None:
        found["share_determined"] = dict(zip(names, law_net.share_floored_.tolist(), strict=True))
        return found
    is_rare = engine.propensity <= clip * (1 + 1e-9)
    clipped = np.average(is_rare, axis=0, weights=engine.weight)
    size = engine.effective_sample_size()
    found["effective_sample_size"] = dict(zip(names, size.tolist(), strict=True))
    found["share_clipped"] = dict(zip(names, clipped.tolist(), strict=True))
    return found


def warn_of_overlap(diagnostics: dict[str, Any], clip: float) -> None:
    """Warn where x leaves too little of the treatment open in many rows, and name remedies.

    Parameters
    ----------
    diagnostics : dict
        From `diagnose`.
    clip : float
        Bound of the probabilities.

    Warns
    -----
    OverlapWarning
        If that is so in more than 2 % of the rows.
    """
    determined = diagnostics.get("share_determined", {})
    fixed = [name for name, share in determined.items() if share > MAX_CLIPPED]
    if fixed:
        warnings.warn(
            f"x all but determines the treatment(s) {fixed} for up to "
            f"{100 * max(determined.values()):.0f} % of the rows, where the data hardly tell what "
            "the treatment does; drop columns of X that are made from the treatment, or rows "
            "whose treatment was never open",
            OverlapWarning,
            stacklevel=6,
        )
    clipped = diagnostics.get("share_clipped", {})
    rare = [name for name, share in clipped.items() if share > MAX_CLIPPED]
    if rare:
        warnings.warn(
            f"the probability of arm(s) {rare} is below {clip:g} for up to "
            f"{100 * max(clipped.values()):.0f} % of the rows, where the data hardly tell what "
            "the treatment does; look at OverlapDisplay, and consider "
            "ate(population='overlap') or ate(trim=(0.05, 0.95))",
            OverlapWarning,
            stacklevel=6,
        )


def describe_diagnostics(diagnostics: dict[str, Any]) -> list[str]:
    """Format the diagnostics as lines below a summary.

    Parameters
    ----------
    diagnostics : dict
        From `diagnose`.

    Returns
    -------
    list of str
    """
    lines = []
    if diagnostics["n_regularised"]:
        lines.append(
            f"rows where the parameters cannot be told apart: {diagnostics['n_regularised']}"
        )
    if "effective_sample_size" in diagnostics:
        sizes = ", ".join(
            f"{name} {size:.0f}" for name, size in diagnostics["effective_sample_size"].items()
        )
        shares = ", ".join(
            f"{name} {100 * share:.1f} %" for name, share in diagnostics["share_clipped"].items()
        )
        lines += [f"effective sample size by arm: {sizes}", f"propensity clipped: {shares}"]
    if "share_determined" in diagnostics:
        shares = ", ".join(
            f"{name} {100 * share:.1f} %"
            for name, share in diagnostics["share_determined"].items()
        )
        lines.append(f"treatment determined by x: {shares}")
    return lines
