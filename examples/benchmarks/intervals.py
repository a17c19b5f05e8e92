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
    effect, low, high, ate, error = FITS[method](data, test.X, replication)
    seconds = time.perf_counter() - begin
    return {
        **judge_points(low, high, effect, test.effect),
        "ate": ate,
        "ate_std_error": error,
        "seconds": seconds,
    }


def fit_tarnet(data: Any, X: Any, seed: int, **settings: Any) -> tuple[Any, ...]:
    """Fit the default TARNet."""
    from sklcausal.representation import TARNet

    est = TARNet(random_state=seed, **settings).fit(data.X, data.T, data.y)
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


def fit_ols(data: Any, X: Any, seed: int) -> tuple[Any, ...]:
    """Fit a linear regression in each arm, with HC3 standard errors."""
    centre = data.X.mean(axis=0)
    coefs, covariances = [], []
    for arm in (0, 1):
        own = data.T == arm
        Z = np.column_stack([np.ones(own.sum()), data.X[own] - centre])
        gram = Z.T @ Z
        coef = np.linalg.solve(gram, Z.T @ data.y[own])
        leverage = np.einsum("nq,qn->n", Z, np.linalg.solve(gram, Z.T))
        move = np.linalg.solve(gram, (Z * ((data.y[own] - Z @ coef) / (1 - leverage))[:, None]).T)
        coefs.append(coef)
        covariances.append(move @ move.T)
    Z = np.column_stack([np.ones(len(X)), X - centre])
    coef, covariance = coefs[1] - coefs[0], covariances[0] + covariances[1]
    half = norm.ppf(1 - ALPHA / 2) * np.sqrt(np.einsum("nq,qr,nr->n", Z, covariance, Z))
    spread = coef[1:] @ np.atleast_2d(np.cov(data.X.T)) @ coef[1:] / len(data.X)
    return Z @ coef, Z @ coef - half, Z @ coef + half, coef[0], np.sqrt(covariance[0, 0] + spread)


def fit_difference(data: Any, X: Any, seed: int) -> tuple[Any, ...]:
    """Compare raw means of two arms, and give everybody the same interval."""
    arms = [data.y[data.T == a] for a in (0, 1)]
    error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in arms))
    ate = arms[1].mean() - arms[0].mean()
    point, half = np.full(len(X), ate), norm.ppf(1 - ALPHA / 2) * error
    return point, point - half, point + half, ate, error


def fit_zero(data: Any, X: Any, seed: int) -> tuple[Any, ...]:
    """Claim no effect, without any doubt."""
    nothing = np.zeros(len(X))
    return nothing, nothing, nothing, 0.0, 0.0


FITS = {
    "TARNet": fit_tarnet,
    "CausalForestDML": fit_forest,
    "OLS by arm": fit_ols,
    "difference in means": fit_difference,
    "zero effect": fit_zero,
}
COLUMNS = ("coverage", "half_width", "score", "rmse", "point_inside", "ate", "ate_std_error")


def summarise(rows: list[dict[str, str]], out: Any, command: str) -> None:
    """Write the two tables."""
    points, averages, ratios = [], [], []
    for design in DESIGNS:
        truth = population_ate(design)
        scores = {}
        for method in FITS:
            own = [r for r in rows if (r["design"], r["method"]) == (design, method)]
            if not own:
                continue
            column = {k: np.array([float(r[k]) for r in own]) for k in COLUMNS}
            scores[method] = {int(r["replication"]): float(r["score"]) for r in own}
            shown = [mean_and_error(column[k]) for k in COLUMNS[:4]]
            worst = f"{np.quantile(coverage_at_points(own), 0.1):.3f}"
            inside = f"{column['point_inside'].mean():.4f}"
            points.append([design, method, str(len(own)), *shown, worst, inside])
            average = coverage_of_average(column["ate"], column["ate_std_error"], truth)
            averages.append([design, method, *average])
        if "CausalForestDML" in scores:
            shared = sorted(set(scores["TARNet"]) & set(scores["CausalForestDML"]))
            means = [
                np.mean([scores[m][r] for r in shared]) for m in ("TARNet", "CausalForestDML")
            ]
            ratios.append(means[0] / means[1])
            what = "TARNet to the forest, same replications"
            points.append(
                [design, what, str(len(shared)), "", "", f"{ratios[-1]:.3f}", "", "", ""]
            )
    if ratios:
        mean = f"{np.exp(np.mean(np.log(ratios))):.3f}"
        points.append(["all", "geometric mean of the ratios", "", "", "", mean, "", "", ""])
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


def coverage_at_points(rows: list[dict[str, str]]) -> Any:
    """Average over replications how often the interval of each person covered."""
    bits = [np.frombuffer(bytes.fromhex(r["covered_points"]), np.uint8) for r in rows]
    return np.mean([np.unpackbits(b)[:N_POINTS] for b in bits], axis=0)


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
        f"{error.mean() / sd:.3f}" if sd else "",
        f"{abs(bias) / error.mean():.3f}" if error.any() else "",
    ]


def main() -> None:
    """Run what is missing and write the tables."""
    options = harness.arguments(__doc__.splitlines()[0], replications=200, forest=50)
    plan = dict.fromkeys(FITS, options.replications) | {"CausalForestDML": options.forest}
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
