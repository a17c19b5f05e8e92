"""Coverage and interval score of averages and effects, beside a causal forest.

    python examples/benchmarks/intervals.py --replications 200 --forest 50

Every replication draws 2,000 rows and judges intervals for the average effect of the population
and for the effects of 500 people, who are the same in all replications. The forest is EconML's
CausalForestDML with 500 trees and 5 folds (needs ``pip install econml``); ``--forest 0`` leaves it
out.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from typing import Any

import _harness as harness
import numpy as np
from scipy.stats import norm

from sklcausal.datasets import make_confounded, make_tutorial

N_ROWS, N_POINTS, TEST_SEED, ALPHA = 2000, 500, 1_000_000, 0.05


def draw(design: str, n: int, seed: int) -> Any:
    """Draw a data set of a design."""
    if design == "tutorial":
        return make_tutorial(n, random_state=seed)
    effect = "constant" if design == "constant" else "nonlinear"
    return make_confounded(n, effect=effect, random_state=seed)


def population_ate(design: str) -> float:
    """Average the effect over the population: known, or over two million draws."""
    if design in ("tutorial", "constant"):
        return {"tutorial": 2.0, "constant": 1.0}[design]
    return float(np.mean([draw(design, 500_000, 10**7 + i).effect.mean() for i in range(4)]))


DESIGNS = ("tutorial", "confounded", "constant")


def judge_points(low: Any, high: Any, point: Any, truth: Any) -> dict[str, Any]:
    """Summarise intervals of effects at the evaluation points."""
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    bits = np.packbits(miss == 0).tobytes().hex()
    return {
        "coverage": np.mean(miss == 0),
        "half_width": np.mean(high - low) / 2,
        "score": np.mean(high - low + 2 / ALPHA * miss),
        "rmse": np.sqrt(np.mean((point - truth) ** 2)),
        "point_inside": np.mean((low <= point) & (point <= high)),
        "covered_points": bits,
    }


def replicate(design: str, method: str, replication: int) -> dict[str, Any]:
    """Fit one method to one draw."""
    warnings.simplefilter("ignore")
    data = draw(design, N_ROWS, replication)
    test = draw(design, N_POINTS, TEST_SEED)
    begin = time.perf_counter()
    if method == "TARNet":
        found = fit_tarnet(data, test.X, replication)
    else:
        found = fit_forest(data, test.X, replication)
    seconds = time.perf_counter() - begin
    effect, low, high, ate, error = found
    naive, naive_error = difference_in_means(data.T, data.y)
    return {
        **judge_points(low, high, effect, test.effect),
        "ate": ate,
        "ate_std_error": error,
        "naive": naive,
        "naive_std_error": naive_error,
        "seconds": seconds,
    }


def fit_tarnet(data: Any, X: Any, seed: int) -> tuple[Any, ...]:
    """Fit the default TARNet."""
    from sklcausal.representation import TARNet

    est = TARNet(random_state=seed).fit(data.X, data.T, data.y)
    low, high = est.effect_interval(X, alpha=ALPHA)
    bounds = est.ate_interval()
    error = (bounds[1] - bounds[0]) / 2 / norm.ppf(0.975)
    return est.effect(X), low, high, est.ate(), error


def fit_forest(data: Any, X: Any, seed: int) -> tuple[Any, ...]:
    """Fit EconML's causal forest with its own first stages."""
    from econml.dml import CausalForestDML

    forest = CausalForestDML(
        n_estimators=500, cv=5, discrete_treatment=True, random_state=seed, n_jobs=1
    )
    forest.fit(data.y, data.T, X=data.X)
    low, high = (bound.ravel() for bound in forest.effect_interval(X, alpha=ALPHA))
    effect = forest.effect(X).ravel()
    return effect, low, high, forest.ate_[0], forest.ate_stderr_[0]


def difference_in_means(T: Any, y: Any) -> tuple[float, float]:
    """Compare raw means of two arms."""
    arms = [y[T == a] for a in (0, 1)]
    error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in arms))
    return arms[1].mean() - arms[0].mean(), error


def summarise(rows: list[dict[str, str]], out: Any, command: str) -> None:
    """Write the two tables."""
    points, averages, ratios = [], [], []
    for design in DESIGNS:
        truth = population_ate(design)
        scores = {}
        for method in ("TARNet", "CausalForestDML"):
            own = [r for r in rows if (r["design"], r["method"]) == (design, method)]
            if not own:
                continue
            column = {k: np.array([float(r[k]) for r in own]) for k in own[0] if k not in SKIP}
            bits = [np.frombuffer(bytes.fromhex(r["covered_points"]), np.uint8) for r in own]
            by_point = np.mean([np.unpackbits(b)[:N_POINTS] for b in bits], axis=0)
            scores[method] = {int(r["replication"]): float(r["score"]) for r in own}
            points.append(
                [
                    design,
                    method,
                    str(len(own)),
                    *(
                        mean_and_error(column[k])
                        for k in ("coverage", "half_width", "score", "rmse")
                    ),
                    f"{np.quantile(by_point, 0.1):.3f}",
                    f"{column['point_inside'].mean():.4f}",
                ]
            )
            averages.append(
                [
                    design,
                    method,
                    *coverage_of_average(column["ate"], column["ate_std_error"], truth),
                ]
            )
            if method == "TARNet":
                naive = coverage_of_average(column["naive"], column["naive_std_error"], truth)
                averages.append([design, "difference in means", *naive])
        if len(scores) == 2:
            shared = sorted(set(scores["TARNet"]) & set(scores["CausalForestDML"]))
            pairs = [
                np.mean([scores[m][r] for r in shared]) for m in ("TARNet", "CausalForestDML")
            ]
            ratios.append(pairs[0] / pairs[1])
            points.append(
                [
                    design,
                    "ratio of scores, same replications",
                    str(len(shared)),
                    "",
                    "",
                    f"{ratios[-1]:.3f}",
                    "",
                    "",
                    "",
                ]
            )
    if ratios:
        mean = np.exp(np.mean(np.log(ratios)))
        points.append(
            ["all", "geometric mean of the ratios", "", "", "", f"{mean:.3f}", "", "", ""]
        )
    harness.write_table(
        out / "effect_intervals.md",
        "Intervals for effects, 95 %, n = 2,000",
        command,
        [
            "design",
            "method",
            "runs",
            "coverage",
            "half-width",
            "interval score",
            "RMSE",
            "worst decile of points",
            "point inside",
        ],
        points,
    )
    harness.write_table(
        out / "ate_intervals.md",
        "Intervals for the average effect, 95 %, n = 2,000",
        command,
        [
            "design",
            "method",
            "runs",
            "coverage",
            "99 % band",
            "mean error",
            "SD of estimates",
            "mean SE / SD",
            "abs(mean error) / mean SE",
        ],
        averages,
    )


SKIP = ("design", "method", "replication", "covered_points")


def mean_and_error(values: Any) -> str:
    """Format a mean with its standard error."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def coverage_of_average(estimate: Any, error: Any, truth: float) -> list[str]:
    """Summarise estimates of an average over replications."""
    from scipy.stats import binom

    n = len(estimate)
    covered = np.mean(np.abs(estimate - truth) <= norm.ppf(0.975) * error)
    band = [binom.ppf(q, n, 0.95) / n for q in (0.005, 0.995)]
    bias, sd = np.mean(estimate - truth), estimate.std(ddof=1)
    return [
        str(n),
        f"{covered:.3f}",
        f"{band[0]:.3f} to {band[1]:.3f}",
        f"{bias:+.4f}",
        f"{sd:.4f}",
        f"{error.mean() / sd:.3f}",
        f"{abs(bias) / error.mean():.3f}",
    ]


def main() -> None:
    """Run what is missing and write the tables."""
    options = harness.arguments(__doc__.splitlines()[0], replications=200, forest=50)
    plan = {"TARNet": options.replications, "CausalForestDML": options.forest}
    tasks = [
        {"design": design, "method": method, "replication": r}
        for r in range(max(plan.values()))
        for design in DESIGNS
        for method, n in plan.items()
        if r < n
    ]
    rows = harness.run(replicate, tasks, options.out / "intervals.csv", options.jobs)
    command = (
        "python examples/benchmarks/intervals.py "
        f"--replications {options.replications} --forest {options.forest}"
    )
    summarise(rows, options.out, command)


if __name__ == "__main__":
    main()
