"""Stacks of effect estimators: their error beside that of the candidates, and their intervals.

    python examples/benchmarks/stacking.py --replications 200

Intervals are nominal 95 % ones, of effects at the new rows and of their averages over the rows
that were fitted and over the new rows.

Each replication draws 1,000 rows by ``make_confounded`` to fit and 1,000 to judge. Candidates are
S-, T-learner and TARNet with one network each.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _harness import arguments, run, write_table

N = 1000
MEASURES = ("covered", "width")
METHODS = ("convex, dr", "convex, r", "equal", "SLearner", "TLearner", "TARNet")


def replicate(replication: int) -> dict[str, Any]:
    """Fit three stacks of the same candidates, and judge them on new rows."""
    from sklcausal.datasets import make_confounded
    from sklcausal.meta import SLearner, TLearner
    from sklcausal.metrics import interval_coverage, interval_width, root_pehe
    from sklcausal.model_selection import EffectStacking
    from sklcausal.representation import TARNet

    warnings.simplefilter("ignore")
    data = make_confounded(2 * N, random_state=replication)
    X, T, y, new, effect = data.X[:N], data["T"][:N], data.y[:N], data.X[N:], data.effect[N:]
    settings = {"n_folds": 1, "weight_decay": 1.0, "numeric_encoding": "piecewise_linear"}
    settings |= {"batch_size": 128, "max_epochs": 60, "patience": 10}
    named = [(cls.__name__, cls(**settings)) for cls in (SLearner, TLearner, TARNet)]
    row: dict[str, Any] = {}
    for weights, loss in (("convex", "dr"), ("convex", "r"), ("equal", "dr")):
        stack = EffectStacking(
            estimators=named, weights=weights, loss=loss, random_state=replication
        )
        stack.fit(X, T, y)
        name = "equal" if weights == "equal" else f"convex, {loss}"
        row[name] = root_pehe(effect, stack.effect(new))
        low, high = stack.effect_interval(new)
        row[f"{name}: coverage"] = interval_coverage(effect, low, high)
        row[f"{name}: width"] = interval_width(low, high)
        for population, rows, truth in (
            ("fitted", None, data.effect[:N]),
            ("new", new, effect),
        ):
            low, high = stack.ate_interval(rows)
            row[f"{name}: {population} average, covered"] = low <= truth.mean() <= high
            row[f"{name}: {population} average, width"] = high - low
        for own, fitted in zip(stack.names_, stack.estimators_, strict=True):
            row[own] = root_pehe(effect, fitted.effect(new))
    row["zero effect"] = root_pehe(effect, np.zeros(N))
    return {name: round(float(value), 5) for name, value in row.items()}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], replications=200)
    tasks = [{"replication": r} for r in range(options.replications)]
    rows = run(replicate, tasks, options.out / "stacking.csv", options.jobs)

    def show(name: str) -> str:
        if name not in rows[0]:
            return ""
        values = np.array([float(row[name]) for row in rows])
        return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"

    columns = ["coverage", "width"]
    columns += [f"{own} average, {what}" for own in ("fitted", "new") for what in MEASURES]
    table = [
        [name, show(name), *(show(f"{name}: {column}") for column in columns)]
        for name in (*METHODS, "zero effect")
    ]
    write_table(
        options.out / "stacking.md",
        f"Stacks of three candidates, 1,000 rows, {len(rows)} runs",
        "python examples/benchmarks/stacking.py --replications 200",
        ["method", "sqrt-PEHE", *columns],
        table,
    )


if __name__ == "__main__":
    main()
