"""Coverage on designs that were never used to choose a default.

    python examples/benchmarks/further_designs.py --replications 50

Every replication draws rows of a design and judges intervals of the default TARNet for the average
effect of the population and for the effects of 500 people. With several arms the last is compared
with the control. Where the rows grow from 500 to 8,000, intervals shrink faster than what the
features cannot express.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import numpy as np
from intervals import (
    N_POINTS,
    TEST_SEED,
    coverage_at_points,
    coverage_of_average,
    fit_tarnet,
    judge_points,
    mean_and_error,
)

from sklcausal.datasets import make_confounded, make_tutorial

DESIGNS: dict[str, dict[str, Any]] = {
    "500 rows": {"n_samples": 500},
    "8,000 rows": {"n_samples": 8000},
    "20 columns": {"n_features": 20},
    "3 arms": {"n_arms": 3},
    "weak overlap": {"overlap": "weak"},
    "noise of 3": {"noise": 3.0},
    "binary outcome": {"outcome": "binary"},
    "count outcome": {"outcome": "count"},
    "tutorial, not randomised": {"randomised": False},
}


def draw(design: str, n: int | None, seed: int) -> Any:
    """Draw a data set of a design, with its own number of rows or another."""
    settings = {"n_samples": 2000, **DESIGNS[design]}
    if n is not None:
        settings["n_samples"] = n
    make = make_tutorial if design.startswith("tutorial") else make_confounded
    return make(**settings, random_state=seed)


def last(values: Any) -> Any:
    """Take the last contrast."""
    return np.asarray(values).reshape(len(values), -1)[:, -1]


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit one draw."""
    warnings.simplefilter("ignore")
    data, test = draw(design, None, replication), draw(design, N_POINTS, TEST_SEED)
    outcome = DESIGNS[design].get("outcome", "continuous")
    effect, low, high, ate, error = fit_tarnet(data, test.X, replication, outcome=outcome)
    points = judge_points(last(low), last(high), last(effect), last(test.effect))
    return {**points, "ate": np.ravel(ate)[-1], "ate_std_error": np.ravel(error)[-1]}


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=50)
    tasks = [{"design": d, "replication": r} for r in range(options.replications) for d in DESIGNS]
    rows = harness.run(replicate, tasks, options.out / "further_designs.csv", options.jobs)
    table = []
    for design in DESIGNS:
        own = [r for r in rows if r["design"] == design]
        column = {
            k: np.array([float(r[k]) for r in own])
            for k in ("coverage", "half_width", "score", "rmse", "ate", "ate_std_error")
        }
        truth = np.mean([last(draw(design, 500_000, 10**7 + i).effect).mean() for i in range(2)])
        average = coverage_of_average(column["ate"], column["ate_std_error"], truth)
        table.append(
            [
                design,
                str(len(own)),
                *(mean_and_error(column[k]) for k in ("coverage", "half_width", "score", "rmse")),
                f"{np.quantile(coverage_at_points(own), 0.1):.3f}",
                average[1],
                average[5],
            ]
        )
    harness.write_table(
        options.out / "further_designs.md",
        "Intervals on designs that were never used to choose a default, 95 %",
        f"python examples/benchmarks/further_designs.py --replications {options.replications}",
        [
            "design",
            "runs",
            "coverage of effects",
            "half-width",
            "interval score",
            "RMSE",
            "worst decile of points",
            "coverage of the ATE",
            "mean SE / SD of the ATE",
        ],
        table,
    )


if __name__ == "__main__":
    main()
