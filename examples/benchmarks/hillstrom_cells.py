"""Average effects of all arms on all outcomes of Hillstrom's campaign, beside means of arms.

    python examples/benchmarks/hillstrom_cells.py --replications 3

The arms were drawn by lot, so that differences in means are unbiased. Replications differ by the
seed of folds and networks; rows are all 64,000.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import os
from typing import Any

import _harness as harness
import numpy as np

OUTCOMES = ("visit", "conversion", "spend")


def measure(method: str, seed: int) -> dict[str, Any]:
    """Fit a mixture to all rows, and compare its averages with differences in means."""
    os.environ.setdefault("SKLCAUSAL_DATA", str(harness.data_folder()))
    from sklcausal import mixture
    from sklcausal.datasets import fetch_hillstrom

    data = fetch_hillstrom("all")
    X, T, y = data.X, data["T"], data.y
    settings = {"weight_decay": 3.0, "batch_size": 512, "lr": 1e-3, "random_state": seed}
    funnel = [(0, 1)] if method == "MOTTO, funnel" else None
    est = getattr(mixture, method.split(",")[0])(funnel=funnel, **settings)
    est.fit(X, T, y, propensity=data.propensity)
    result, found = est.estimate(), {}
    for k, arm in enumerate((1, 2)):
        for m, name in enumerate(OUTCOMES):
            own, control = y[arm == T, m], y[T == 0, m]
            plain = own.mean() - control.mean()
            error = np.sqrt(own.var() / len(own) + control.var() / len(control))
            at = k * len(OUTCOMES) + m
            found[f"{name}_{arm}_means"] = plain
            found[f"{name}_{arm}_means_error"] = error
            found[f"{name}_{arm}"] = result.estimate[at]
            found[f"{name}_{arm}_error"] = result.std_error[at]
    return found


def main() -> None:
    """Measure and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=3)
    methods = ("MOTTO", "MOTTO, funnel", "MMoE")
    tasks = [
        {"method": method, "seed": seed}
        for seed in range(options.replications)
        for method in methods
    ]
    path = options.out / "hillstrom_cells.csv"
    rows = harness.run(measure, tasks, path, options.jobs)
    table = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        for arm, label in ((1, "men's"), (2, "women's")):
            for name in OUTCOMES:
                key = f"{name}_{arm}"
                value, error, means, spread = (
                    np.array([float(row[key + end]) for row in own])
                    for end in ("", "_error", "_means", "_means_error")
                )
                gap = (value - means) / spread
                table.append(
                    [
                        method,
                        f"{label}: {name}",
                        str(len(own)),
                        f"{means[0]:.4f} ± {spread[0]:.4f}",
                        f"{value.mean():.4f} ± {error.mean():.4f}",
                        f"{gap.mean():+.2f}",
                        f"{np.abs(gap).max():.2f}",
                        f"{error.mean() / spread[0]:.3f}",
                    ]
                )
    harness.write_table(
        options.out / "hillstrom_cells.md",
        "Average effects of Hillstrom's e-mails, every arm and outcome",
        f"python examples/benchmarks/hillstrom_cells.py --replications {options.replications}",
        [
            "method",
            "effect",
            "runs",
            "difference in means ± its standard error",
            "estimate ± its standard error",
            "mean distance, standard errors",
            "largest distance",
            "ratio of standard errors",
        ],
        table,
    )


if __name__ == "__main__":
    main()
