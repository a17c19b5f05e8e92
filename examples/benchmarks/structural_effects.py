"""Coverage of effects and their average under links of continuous and joint treatments.

    python examples/benchmarks/structural_effects.py --replications 100 --joint 400

- binary, count: the designs of ``make_pricing``, n = 8,000; a price of 5 against 4.
- joint: a purchase under a discount and a message at once, n = 8,000: a dose and a treatment that
  is 0 or 1, both confounded; discount 1 and the message against neither.

Every replication judges 95 % intervals for 500 people, who are the same in all replications, and
for the average effect. Beside them stand a maximum-likelihood regression on treatments and x
without interactions, whose effects differ between people only through the link, and no effect.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from typing import Any

import _harness as harness
import numpy as np
from intervals import coverage_at_points, coverage_of_average, judge_points, mean_and_error
from scipy import special
from scipy.stats import norm

from sklcausal.datasets import make_pricing

SCRIPT = "structural_effects.py"
DESIGNS = ("binary", "count", "joint")
METHODS = ("StructuralNet", "regression", "zero effect")
N_ROWS, N_POINTS, TEST_SEED = 8000, 500, 1_000_000
ENDS = {"binary": (4.0, 5.0), "count": (4.0, 5.0), "joint": ((0.0, 0.0), (1.0, 1.0))}


def draw_joint(n: int, seed: int) -> tuple[Any, ...]:
    """Draw covariates, both treatments, outcomes and parameters."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    discount = 0.5 * X[:, 0] + 0.5 * np.tanh(X[:, 1]) + rng.normal(size=n)
    message = (rng.random(n) < special.expit(0.8 * X[:, 0] - 0.5 * X[:, 2])).astype(float)
    level = -0.3 + 0.6 * X[:, 0] + 0.4 * np.sin(2 * X[:, 1])
    by_discount = 0.5 + 0.3 * np.tanh(X[:, 2])
    by_message = 0.4 * (X[:, 1] > 0) + 0.3 * X[:, 0]
    T, theta = (
        np.column_stack([discount, message]),
        np.column_stack([level, by_discount, by_message]),
    )
    chance = special.expit(level + by_discount * discount + by_message * message)
    return X, T, (rng.random(n) < chance).astype(float), theta


def draw(design: str, n: int, seed: int) -> tuple[Any, ...]:
    """Draw covariates, treatments, outcomes and true effects."""
    if design == "joint":
        X, T, y, theta = draw_joint(n, seed)
    else:
        data = make_pricing(n, outcome=design, random_state=seed)
        X, T, y, theta = data.X, data.T, data.y, data.theta
    link = np.exp if design == "count" else special.expit
    means = [link(theta[:, 0] + theta[:, 1:] @ np.atleast_1d(end)) for end in ENDS[design]]
    return X, T, y, means[1] - means[0]


def fit_net(design: str, X: Any, T: Any, y: Any, test: Any, seed: int) -> tuple[Any, ...]:
    """Fit the default network."""
    from sklcausal.structural import Logit, Poisson, StructuralNet

    model = Poisson() if design == "count" else Logit()
    ends = dict(zip(("T0", "T1"), ENDS[design], strict=True))
    est = StructuralNet(model=model, random_state=seed).fit(X, T, y)
    low, high = est.effect_interval(test, **ends)
    average = est.estimate(**ends)
    return est.effect(test, **ends), low, high, average.estimate[0], average.std_error[0]


def fit_regression(design: str, X: Any, T: Any, y: Any, test: Any, seed: int) -> tuple[Any, ...]:
    """Fit a regression without interactions by maximum likelihood, with delta-method errors."""
    T = T.reshape(len(X), -1)
    Z, coef = np.column_stack([np.ones(len(X)), T, X]), np.zeros(1 + T.shape[1] + X.shape[1])
    link = np.exp if design == "count" else special.expit
    for _ in range(30):
        mean = link(Z @ coef)
        slope = mean if design == "count" else mean * (1 - mean)
        hessian = (Z * slope[:, None]).T @ Z
        coef = coef + np.linalg.solve(hessian, Z.T @ (y - mean))
    covariance = np.linalg.inv(hessian)

    def effect(rows: Any) -> tuple[Any, Any]:
        values, changes = [], []
        for end in ENDS[design]:
            at = np.tile(np.atleast_1d(end), (len(rows), 1))
            W = np.column_stack([np.ones(len(rows)), at, rows])
            mean = link(W @ coef)
            values.append(mean)
            changes.append(W * (mean if design == "count" else mean * (1 - mean))[:, None])
        return values[1] - values[0], changes[1] - changes[0]

    point, change = effect(test)
    half = norm.ppf(0.975) * np.sqrt(np.einsum("np,pq,nq->n", change, covariance, change))
    own, change = effect(X)
    spread = change.mean(axis=0) @ covariance @ change.mean(axis=0) + own.var() / len(own)
    return point, point - half, point + half, own.mean(), np.sqrt(spread)


def fit_zero(design: str, X: Any, T: Any, y: Any, test: Any, seed: int) -> tuple[Any, ...]:
    """Claim no effect, without any doubt."""
    nothing = np.zeros(len(test))
    return nothing, nothing, nothing, 0.0, 0.0


FITS = dict(zip(METHODS, (fit_net, fit_regression, fit_zero), strict=True))


def replicate(design: str, method: str, replication: int) -> dict[str, Any]:
    """Fit one method to one draw."""
    warnings.simplefilter("ignore")
    X, T, y, _ = draw(design, N_ROWS, replication)
    test, _, _, truth = draw(design, N_POINTS, TEST_SEED)
    begin = time.perf_counter()
    effect, low, high, average, error = FITS[method](design, X, T, y, test, replication)
    return {
        **judge_points(low, high, effect, truth),
        "average": average,
        "average_se": error,
        "seconds": time.perf_counter() - begin,
    }


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=200, joint=0)
    runs = {design: options.replications for design in DESIGNS}
    runs["joint"] = max(runs["joint"], options.joint)
    tasks = [
        {"design": d, "method": m, "replication": r}
        for r in range(max(runs.values()))
        for d in DESIGNS
        for m in METHODS
        if r < runs[d]
    ]
    rows = harness.run(replicate, tasks, options.out / "structural_effects.csv", options.jobs)
    points, averages = [], []
    for design in DESIGNS:
        truth = float(np.mean([draw(design, 500_000, 10**7 + i)[3].mean() for i in range(4)]))
        for method in METHODS:
            own = [r for r in rows if (r["design"], r["method"]) == (design, method)]
            column = {k: np.array([float(r[k]) for r in own]) for k in own[0] if k in SHOWN}
            worst = np.quantile(coverage_at_points(own), 0.1)
            shown = [mean_and_error(column[k]) for k in SHOWN[:4]]
            points.append([design, method, str(len(own)), *shown, f"{worst:.3f}"])
            line = coverage_of_average(column["average"], column["average_se"], truth)
            averages.append([design, method, *line])
    command = (
        f"python examples/benchmarks/structural_effects.py --replications {options.replications} "
        f"--joint {options.joint}"
    )
    harness.write_table(
        options.out / "structural_effects.md",
        "Intervals for effects under a link, doses and joint treatments, n = 8,000, 95 %",
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
        ],
        points,
    )
    harness.write_table(
        options.out / "structural_effect_averages.md",
        "Average effects under a link, doses and joint treatments, n = 8,000, 95 %",
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


SHOWN = ("coverage", "half_width", "score", "rmse", "average", "average_se")


if __name__ == "__main__":
    main()
