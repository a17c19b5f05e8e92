"""Seconds of an epoch and parameters of MOTTO, as arms grow, beside MMoE.

    python examples/benchmarks/mixture_speed.py --replications 5

Both have as many experts of the same size behind the same shared layer. Fits take turns in one
process, one thread, 4,000 rows, one member; an epoch's time is the median of ten.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import _harness as harness
import numpy as np

N_ROWS, N_COLUMNS, N_OUTCOMES = 4_000, 10, 4
ARMS = (2, 4, 8, 16)


def build(method: str, n_arms: int) -> Any:
    """Build either network with as many experts."""
    from sklcausal.mixture import MOTTO, MMoE

    settings = {
        "n_folds": 1,
        "numeric_encoding": None,
        "weight_decay": 0.3,
        "arm_weight_decay": 3.0,
        "validation_fraction": None,
        "max_epochs": 11,
        "treatment_type": "discrete",
        "representation_widths": (50,),
        "activation": "silu",
        "random_state": 0,
    }
    if method == "MOTTO":
        return MOTTO(**settings)
    # an expert of each arm, of each outcome, and one for all cells
    return MMoE(n_experts=n_arms + N_OUTCOMES + 1, **settings)


def measure(replication: int) -> dict[str, Any]:
    """Fit both networks for all numbers of arms, one after the other."""
    rng = np.random.default_rng(replication)
    X, y = rng.normal(size=(N_ROWS, N_COLUMNS)), rng.normal(size=(N_ROWS, N_OUTCOMES))
    found = {}
    for n_arms in ARMS:
        T = rng.permutation(np.arange(N_ROWS) % n_arms)
        for method in ("MOTTO", "MMoE"):
            est = build(method, n_arms).fit(X, T, y)
            seconds = [epoch["dur"] for epoch in est.history_[1:]]
            body = est.theta_net_.ensemble.module.body
            found[f"{method}_{n_arms}_seconds"] = float(np.median(seconds))
            found[f"{method}_{n_arms}_parameters"] = sum(p[0].numel() for p in body.parameters())
    return found


def main() -> None:
    """Measure and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=5)
    tasks = [{"replication": r} for r in range(options.replications)]
    # one process, or the fits would slow each other down
    rows = harness.run(measure, tasks, options.out / "mixture_speed.csv", jobs=1)
    table = []
    for n_arms in ARMS:
        seconds = {
            method: np.array([float(row[f"{method}_{n_arms}_seconds"]) for row in rows])
            for method in ("MOTTO", "MMoE")
        }
        first = np.array([float(row[f"MOTTO_{ARMS[0]}_seconds"]) for row in rows])
        ratios = [seconds["MOTTO"] / seconds["MMoE"], seconds["MOTTO"] / first]
        sizes = [rows[0][f"{method}_{n_arms}_parameters"] for method in ("MOTTO", "MMoE")]
        shown = [f"{own.mean():.2f} ± {own.std(ddof=1) / np.sqrt(len(own)):.2f}" for own in ratios]
        table.append([str(n_arms), str(len(rows)), *shown, *sizes])
    harness.write_table(
        options.out / "mixture_speed.md",
        "Time of an epoch, 4 outcomes, 4,000 rows",
        f"python examples/benchmarks/mixture_speed.py --replications {options.replications}",
        [
            "arms",
            "runs",
            "MOTTO / MMoE with the same experts",
            f"MOTTO / MOTTO with {ARMS[0]} arms",
            "parameters of MOTTO",
            "of MMoE",
        ],
        table,
    )


if __name__ == "__main__":
    main()
