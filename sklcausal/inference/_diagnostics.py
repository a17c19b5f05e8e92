"""Say how far the data support the inference: overlap and conditioning."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.exceptions import OverlapWarning, TargetError
from sklcausal.inference._engine import Engine
from sklcausal.utils._warn import warn_user

MAX_IMBALANCE = 6.0  # standard errors, the largest of a few dozen
MAX_CLIPPED = 0.02
ALL_BUT_ALL = 0.95
FEW_OBSERVED = 20  # outcomes of an arm


def diagnose(
    engine: Engine, law_net: Any, clip: float, outcomes: Sequence[str] = ()
) -> dict[str, Any]:
    """Collect what `diagnostics_` holds.

    Parameters
    ----------
    engine : Engine
    law_net : PropensityNet, MomentNet or None
        The network of the treatment, if one was trained.
    clip : float
        Smallest probability that is left as it is.
    outcomes : sequence of str, default=()
        Names of the outcomes.

    Returns
    -------
    dict
    """
    found: dict[str, Any] = {
        "smallest_eigenvalue": engine.corrections.smallest_eigenvalue,
        "n_regularised": engine.corrections.n_regularised,
        "share_regularised": engine.corrections.n_regularised / len(engine.y),
        "condition_quantiles": _quantiles(engine.corrections.condition),
    }
    names = engine.treatments.names
    if engine.propensity is None:
        if law_net is not None:
            shares = law_net.share_floored_.tolist()
            found["share_determined"] = dict(zip(names, shares, strict=True))
        return found
    is_rare = engine.propensity <= clip * (1 + 1e-9)
    clipped = np.average(is_rare, axis=0, weights=engine.weight)
    size = engine.effective_sample_size()
    found["effective_sample_size"] = dict(zip(names, size.tolist(), strict=True))
    found["share_clipped"] = dict(zip(names, clipped.tolist(), strict=True))
    seen = ~np.isnan(engine.y)
    if not seen.all():
        counts = [seen[engine.t == a].sum(axis=0) for a in range(len(names))]
        found["n_observed"] = {
            f"{arm}: {outcome}": int(n)
            for arm, own in zip(names, counts, strict=True)
            for outcome, n in zip(outcomes, own, strict=True)
        }
    return found


def _quantiles(values: np.ndarray) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    found = np.quantile(finite, [0.5, 0.9, 0.99, 1.0]).tolist()
    return dict(zip(("50%", "90%", "99%", "max"), found, strict=True))


def warn_of_overlap(diagnostics: dict[str, Any], clip: float) -> None:
    """Warn where x leaves too little of the treatment open in many rows, and name remedies.

    Parameters
    ----------
    diagnostics : dict
        From `diagnose`.
    clip : float
        Bound of the probabilities.

    Raises
    ------
    TargetError
        If x determines a dose in more than 95 % of the rows.

    Warns
    -----
    OverlapWarning
        If that is so in more than 2 % of the rows, if a treatment that was said to be randomised
        depends on x, or if an outcome was observed for fewer than 20 people of an arm.
    """
    determined = diagnostics.get("share_determined", {})
    if determined and max(determined.values()) > ALL_BUT_ALL:
        name = max(determined, key=lambda key: determined[key])
        raise TargetError(
            f"`T` must vary given x, but x determines {name!r} in "
            f"{100 * determined[name]:.0f} % of the rows, so that the data cannot tell what it "
            "does; drop columns of X that are made from the treatment"
        )
    imbalance = diagnostics.get("largest_imbalance", 0.0)
    if diagnostics.get("hessian_method") == "randomised" and imbalance > MAX_IMBALANCE:
        column = diagnostics["largest_imbalance_at"][1]
        warn_user(
            "`assignment='randomised'` says that the treatment does not depend on X, but the "
            f"weights that follow from that are out of balance by {imbalance:.1f} standard errors "
            f"({column}); use 'observational' unless the treatment was drawn by lot",
            OverlapWarning,
        )
    fixed = [name for name, share in determined.items() if share > MAX_CLIPPED]
    if fixed:
        warn_user(
            f"x all but determines the treatment(s) {fixed} for up to "
            f"{100 * max(determined.values()):.1f} % of the rows, where the data hardly tell what "
            "the treatment does; drop columns of X that are made from the treatment, or rows "
            "whose treatment was never open",
            OverlapWarning,
        )
    few = {cell: n for cell, n in diagnostics.get("n_observed", {}).items() if n < FEW_OBSERVED}
    if few:
        warn_user(
            f"fewer than {FEW_OBSERVED} outcomes were observed in {few} (arm: outcome), which all "
            "that is said of these cells rests on, so that intervals may be far too short; leave "
            "the outcome or the arm out",
            OverlapWarning,
        )
    clipped = diagnostics.get("share_clipped", {})
    rare = [name for name, share in clipped.items() if share > MAX_CLIPPED]
    if rare:
        warn_user(
            f"the probability of arm(s) {rare} is below {clip:g} for up to "
            f"{100 * max(clipped.values()):.1f} % of the rows, where the data hardly tell what "
            "the treatment does; look at OverlapDisplay, and consider "
            "ate(population='overlap') or ate(trim=(0.05, 0.95))",
            OverlapWarning,
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
    if "n_observed" in diagnostics:
        cell, n = min(diagnostics["n_observed"].items(), key=lambda item: item[1])
        lines.append(f"fewest observed outcomes: {n} ({cell})")
    if "representer_effective_sample_size" in diagnostics:
        size = diagnostics["representer_effective_sample_size"]
        lines.append(f"effective sample size of the first effect's weights: {size:.0f}")
    if "largest_imbalance" in diagnostics:
        param, column = diagnostics["largest_imbalance_at"]
        lines.append(
            f"largest imbalance: {diagnostics['largest_imbalance']:.1f} standard errors "
            f"(parameter {param}, {column})"
        )
    if "share_determined" in diagnostics:
        shares = ", ".join(
            f"{name} {100 * share:.1f} %"
            for name, share in diagnostics["share_determined"].items()
        )
        lines.append(f"treatment determined by x: {shares}")
    return lines
