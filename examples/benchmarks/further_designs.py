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
    "arm of 10 %": {"share": 0.1},
    "arm of 3 %": {"share": 0.03},
    "binary outcome": {"outcome": "binary"},
    "count outcome": {"outcome": "count"},
    "tutorial, not randomised": {"randomised": False},
}


def draw(design: str, n: int | None, seed: int) -> Any:
    """Draw a data set of a design, with its own number of rows or another."""
    settings = {"n_samples": 2000, **DESIGNS[design]}
    if n is not None:
        settings["n_samples"] = n
    share = settings.pop("share", None)
    make = make_tutorial if design.startswith("tutorial") else make_confounded
    data = make(**settings, random_state=seed)
    if share is not None:  # randomised anew, with a small arm
        rng = np.random.default_rng(seed)
        data.T = (rng.random(len(data.T)) < share).astype(int)
        data.y = data.mu[np.arange(len(data.T)), data.T] + rng.normal(size=len(data.T))
    return data


def last(values: Any) -> Any:
    """Take the last contrast."""
    return np.asarray(values).reshape(len(values), -1)[:, -1]


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit one draw."""
    from sklcausal.representation import TARNet

    warnings.simplefilter("ignore")
    data, test = draw(design, None, replication), draw(design, N_POINTS, TEST_SEED)
    outcome = DESIGNS[design].get("outcome", "continuous")
    est = TARNet(random_state=replication, outcome=outcome).fit(data.X, data.T, data.y)
    low, high = map(last, est.effect_interval(test.X))
    truth = last(test.effect)
    bottom, top = map(last, est.effect_interval(test.X, simultaneous=True))
    result = est.estimate()
    return {
        **judge_points(low, high, last(est.effect(test.X)), truth),
        "band": float(((bottom <= truth) & (truth <= top)).all()),
        "ate": result.estimate[-1],
        "ate_std_error": result.std_error[-1],
    }


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
            for k in ("coverage", "half_width", "score", "rmse", "band", "ate", "ate_std_error")
        }
        truth = np.mean([last(draw(design, 500_000, 10**7 + i).effect).mean() for i in range(2)])
        average = coverage_of_average(column["ate"], column["ate_std_error"], truth)
        table.append(
            [
                design,
                str(len(own)),
                *(mean_and_error(column[k]) for k in ("coverage", "half_width", "score", "rmse")),
                f"{np.quantile(coverage_at_points(own), 0.1):.3f}",
                f"{column['band'].mean():.3f}",
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
            "band covers all points",
            "coverage of the ATE",
            "mean SE / SD of the ATE",
        ],
        table,
    )


if __name__ == "__main__":
    main()
