"""Why effect intervals are made as they are: coverage and score of what was tried.

    python examples/benchmarks/interval_choices.py --replications 24

The same networks, of the three designs of ``intervals.py`` with seeds from 2000 on, which
``intervals.py`` does not use, are given other features, or another centre and standard error. The
first line of each design is the default.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import numpy as np
from intervals import (
    ALPHA,
    DESIGNS,
    N_POINTS,
    N_ROWS,
    TEST_SEED,
    draw,
    judge_points,
    mean_and_error,
)
from scipy.stats import norm

FIRST_SEED = 2000
# name: number of features, share that the networks learn, centre towards the projection (1) or
# the networks' own effect (0), standard error over that of the projection
CHOICES: dict[str, tuple[int | str, float, float, float]] = {
    "default: 40 features, a fifth learned": ("auto", 0.2, 1.0, 1.0),
    "10 features": (10, 0.2, 1.0, 1.0),
    "20 features": (20, 0.2, 1.0, 1.0),
    "80 features": (80, 0.2, 1.0, 1.0),
    "40 features, none learned": (40, 0.0, 1.0, 1.0),
    "40 features, half learned": (40, 0.5, 1.0, 1.0),
    "40 features, all learned": (40, 1.0, 1.0, 1.0),
    "centre at three quarters, standard error x .875": ("auto", 0.2, 0.75, 0.875),
    "centre at three quarters": ("auto", 0.2, 0.75, 1.0),
    "centre at the half": ("auto", 0.2, 0.5, 1.0),
}


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit one draw and judge the intervals of every choice."""
    from sklcausal.inference import _projection
    from sklcausal.inference._effect_projection import EffectProjection
    from sklcausal.representation import TARNet

    warnings.simplefilter("ignore")
    data = draw(design, N_ROWS, FIRST_SEED + replication)
    test = draw(design, N_POINTS, TEST_SEED)
    kept: list[Any] = []
    fit = EffectProjection.fit

    def keep(self: Any, *arguments: Any) -> Any:
        kept.append(arguments)
        return fit(self, *arguments)

    EffectProjection.fit = keep  # type: ignore[method-assign]
    est = TARNet(random_state=FIRST_SEED + replication).fit(data.X, data.T, data.y)
    EffectProjection.fit = fit  # type: ignore[method-assign]
    engine, cross_fit, _ = kept[0]
    effect = est.effect(test.X)
    row: dict[str, Any] = {}
    for name, (n_features, share, towards, factor) in CHOICES.items():
        _projection.LEARNED_SHARE = share
        projection = EffectProjection(est.effect_net_, engine, est.outcomes_.kinds, False)
        projection.fit(engine, cross_fit, n_features)
        centre, error = evaluate(projection, test.X)
        centre = effect + towards * (centre - effect)
        half = norm.ppf(1 - ALPHA / 2) * factor * error
        low, high = np.minimum(centre - half, effect), np.maximum(centre + half, effect)
        found = judge_points(low, high, effect, test.effect)
        row |= {f"{name}: {k}": found[k] for k in ("coverage", "half_width", "score")}
    _projection.LEARNED_SHARE = 0.2
    return row


def evaluate(projection: Any, X: Any) -> tuple[Any, Any]:
    """Compute centre and standard error of the effect of the second arm."""
    centre, error = np.empty(len(X)), np.empty(len(X))
    combine = np.array([[-1.0, 1.0]])
    for rows, theta, features in projection.net.with_features(X):
        for basis, _, coef in projection._targets(combine):
            regressors = projection._regressors(basis, X[rows], theta, features)
            value, moves = basis.projection.evaluate(regressors, coef)
            centre[rows], error[rows] = value[:, 0], np.sqrt((moves**2).sum(axis=2))[:, 0]
    return centre, error


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=24)
    tasks = [{"design": d, "replication": r} for r in range(options.replications) for d in DESIGNS]
    rows = harness.run(replicate, tasks, options.out / "interval_choices.csv", options.jobs)
    table = []
    for design in DESIGNS:
        own = [r for r in rows if r["design"] == design]
        for name in CHOICES:
            keys = [f"{name}: {k}" for k in ("coverage", "half_width", "score")]
            shown = [mean_and_error(np.array([float(r[k]) for r in own])) for k in keys]
            table.append([design, name, str(len(own)), *shown])
    harness.write_table(
        options.out / "interval_choices.md",
        "What was tried for intervals of effects, 95 %, n = 2,000",
        f"python examples/benchmarks/interval_choices.py --replications {options.replications}",
        ["design", "choice", "runs", "coverage", "half-width", "interval score"],
        table,
    )


if __name__ == "__main__":
    main()
