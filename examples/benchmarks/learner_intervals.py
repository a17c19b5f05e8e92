"""Coverage of the intervals of every learner, for effects and averages.

    python examples/benchmarks/learner_intervals.py --replications 40

Every replication draws 1,000 rows of the confounded design, whose effect is not linear, and judges
intervals for the average effect of the population and for the effects of 500 people, who are the
same in all replications. All learners have their defaults.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import intervals
import learners
import numpy as np
from scipy.stats import norm

N_ROWS, DESIGN = 1000, "confounded"
TRIVIAL = ("OLS by arm", "difference in means", "zero effect")


def replicate(method: str, replication: int) -> dict[str, Any]:
    """Fit one method to one draw."""
    warnings.simplefilter("ignore")
    data = intervals.draw(DESIGN, N_ROWS, replication)
    test = intervals.draw(DESIGN, intervals.N_POINTS, intervals.TEST_SEED)
    if method in TRIVIAL:
        effect, low, high, ate, error = intervals.FITS[method](data, test.X, replication)
    else:
        est = learners.fit_ours(method, data.X, data.T, data.y, replication)
        effect, (low, high) = est.effect(test.X), est.effect_interval(test.X)
        ate, error = est.ate(), np.ptp(est.ate_interval()) / 2 / norm.ppf(0.975)
    judged = intervals.judge_points(low, high, effect, test.effect)
    return {**judged, "ate": ate, "ate_std_error": error}


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=40)
    methods = (*learners.OUR_NAMES, *TRIVIAL)
    tasks = [{"method": m, "replication": r} for r in range(options.replications) for m in methods]
    rows = harness.run(replicate, tasks, options.out / "learner_intervals.csv", options.jobs)
    truth, table = intervals.population_ate(DESIGN), []
    for method in methods:
        own = [r for r in rows if r["method"] == method]
        column = {k: np.array([float(r[k]) for r in own]) for k in intervals.COLUMNS}
        cells = [
            intervals.mean_and_error(column[k])
            for k in ("coverage", "half_width", "score", "rmse")
        ]
        judged = intervals.coverage_of_average(column["ate"], column["ate_std_error"], truth)
        runs, *average = judged
        table.append([method, runs, *cells, *average])
    head = ["method", "runs", "coverage", "half-width", "interval score", "RMSE"]
    head += ["average covered", "99 % band", "mean error of the average", "SD of averages"]
    head += ["mean SE / SD", "abs(mean error) / mean SE"]
    command = "python examples/benchmarks/learner_intervals.py"
    command += f" --replications {options.replications}"
    title = "Intervals of every learner, 95 %, confounded design, n = 1,000"
    harness.write_table(options.out / "learner_intervals.md", title, command, head, table)


if __name__ == "__main__":
    main()
