"""Coverage of the average effect when the outcome network or the propensity is wrong.

    python examples/benchmarks/robustness.py --replications 200

The wrong outcome network is a constant (it takes no training step that moves it) beside the true
propensity; the wrong propensity is one half for everybody beside the default network. With both
wrong nothing is left but the calibration of outcomes within the arms.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import numpy as np
from intervals import coverage_of_average, population_ate
from scipy.stats import norm

from sklcausal.datasets import make_confounded

CASES = ("wrong outcome net", "wrong propensity", "both wrong")
N_ROWS = 2000


def replicate(case: str, replication: int) -> dict[str, Any]:
    """Fit one draw with a wrong part."""
    from sklcausal.representation import TARNet

    warnings.simplefilter("ignore")
    data = make_confounded(N_ROWS, random_state=replication)
    blind = {"lr": 1e-9, "max_epochs": 1, "weight_decay": 1.0, "numeric_encoding": None}
    est = TARNet(random_state=replication, **(blind if case != "wrong propensity" else {}))
    wrong = np.full(N_ROWS, 0.5)
    propensity = {
        "wrong outcome net": data.propensity,
        "wrong propensity": wrong,
        "both wrong": wrong,
    }[case]
    low, high = est.fit(data.X, data.T, data.y, propensity=propensity).ate_interval()
    return {"ate": est.ate(), "ate_std_error": (high - low) / 2 / norm.ppf(0.975)}


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=200)
    tasks = [{"case": c, "replication": r} for r in range(options.replications) for c in CASES]
    rows = harness.run(replicate, tasks, options.out / "robustness.csv", options.jobs)
    truth = population_ate("confounded")
    table = []
    for case in CASES:
        own = [r for r in rows if r["case"] == case]
        columns = [np.array([float(r[k]) for r in own]) for k in ("ate", "ate_std_error")]
        table.append([case, *coverage_of_average(*columns, truth)])
    harness.write_table(
        options.out / "robustness.md",
        "Average effect with a wrong part, confounded design, 95 %, n = 2,000",
        f"python examples/benchmarks/robustness.py --replications {options.replications}",
        [
            "case",
            "runs",
            "coverage",
            "99 % band",
            "mean error",
            "SD of estimates",
            "mean SE / SD",
            "abs(mean error) / mean SE",
        ],
        table,
    )


if __name__ == "__main__":
    main()
