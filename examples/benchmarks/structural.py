"""Coverage of averages under structural models: published designs, links and weak overlap.

    python examples/benchmarks/structural.py --only pricing --replications 100

- flm: the Monte Carlo designs of Farrell, Liang, Misra (2021), n = 4,000, d = 20: average effect.
- pricing: a logit and a log-linear model with a continuous price, n = 8,000: the average slope of
  the index, the average effect of a price of 5 against 4, and the average price elasticity at 5.
- overlap: treated with probability ``sigmoid(x0 + x1)``, n = 2,000: average effect with the
  expected Hessian of a linear model structured, learned as a Cholesky root, and regressed entry by
  entry.

Beside them stand the trivial baselines: the difference in means or a least-squares or maximum
likelihood regression on T and x without interactions.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from typing import Any

import _harness as harness
import numpy as np
from intervals import coverage_of_average
from scipy.special import expit

from sklcausal.datasets import make_flm, make_pricing

FLM = [f"flm {kind} {how}" for kind in ("linear", "nonlinear") for how in ("random", "observed")]
PRICING = ["pricing binary", "pricing count"]
OVERLAP = ["overlap structured", "overlap cholesky", "overlap entrywise"]
DESIGNS = FLM + PRICING + OVERLAP


def _ols(X: Any, T: Any, y: Any) -> tuple[float, float]:
    """Regress y on T and x, with HC1 standard errors."""
    Z = np.column_stack([T, np.ones(len(X)), X])
    gram = np.linalg.inv(Z.T @ Z)
    coef = gram @ Z.T @ y
    move = Z @ gram[:, 0] * (y - Z @ coef)
    return coef[0], float(np.sqrt((move**2).sum() * len(Z) / (len(Z) - Z.shape[1])))


def _mle(X: Any, T: Any, y: Any, kind: str) -> tuple[float, float]:
    """Fit a logit or Poisson regression of y on T and x: slope of T and its standard error."""
    Z = np.column_stack([T, np.ones(len(X)), X])
    coef = np.zeros(Z.shape[1])
    for _ in range(30):
        mean = expit(Z @ coef) if kind == "binary" else np.exp(Z @ coef)
        weight = mean * (1 - mean) if kind == "binary" else mean
        hessian = (Z * weight[:, None]).T @ Z
        coef = coef + np.linalg.solve(hessian, Z.T @ (y - mean))
    return coef[0], float(np.sqrt(np.linalg.inv(hessian)[0, 0]))


def replicate_flm(design: str, replication: int) -> dict[str, Any]:
    """Fit the average effect of one draw."""
    from sklcausal.structural import StructuralNet

    _, kind, how = design.split()
    settings = {"nonlinear": kind == "nonlinear", "randomised": how == "random"}
    data = make_flm(4000, random_state=replication, **settings)
    result = StructuralNet(random_state=replication).fit(data.X, data.T, data.y).estimate()
    arms = [data.y[data.T == a] for a in (0, 1)]
    error = np.sqrt(sum(a.var(ddof=1) / len(a) for a in arms))
    ols = _ols(data.X, data.T, data.y)
    return {
        "ate": result.estimate[0],
        "ate_se": result.std_error[0],
        "difference in means": arms[1].mean() - arms[0].mean(),
        "difference in means_se": error,
        "OLS": ols[0],
        "OLS_se": ols[1],
    }


def replicate_pricing(design: str, replication: int) -> dict[str, Any]:
    """Fit slope, effect and elasticity of one draw."""
    import torch

    from sklcausal.structural import Logit, Poisson, StructuralNet

    kind = design.split()[1]
    data = make_pricing(8000, outcome=kind, random_state=replication)
    model = Logit() if kind == "binary" else Poisson()
    est = StructuralNet(model=model, random_state=replication).fit(data.X, data.T, data.y)

    def slope(theta: Any) -> Any:
        return theta[1]

    def elasticity(theta: Any, x: Any, t: Any) -> Any:
        left = 1 - torch.sigmoid(theta[0] + theta[1] * t) if kind == "binary" else 1.0
        return theta[1] * t * left

    targets = est.estimate([slope, elasticity], T=5.0)
    effect = est.estimate(T0=4.0, T1=5.0)
    baseline = _mle(data.X, data.T, data.y, kind)
    return {
        "slope": targets.estimate[0],
        "slope_se": targets.std_error[0],
        "elasticity": targets.estimate[1],
        "elasticity_se": targets.std_error[1],
        "effect": effect.estimate[0],
        "effect_se": effect.std_error[0],
        "regression slope": baseline[0],
        "regression slope_se": baseline[1],
    }


def draw_overlap(replication: int, n: int = 2000) -> tuple[Any, ...]:
    """Draw a linear design with weak overlap; the average effect is 1."""
    rng = np.random.default_rng(replication)
    X = rng.normal(size=(n, 5))
    T = (rng.random(n) < expit(X[:, 0] + X[:, 1])).astype(int)
    y = X[:, 0] + 0.5 * X[:, 1] + (1 + 0.5 * X[:, 0]) * T + rng.normal(size=n)
    return X, T, y


def replicate_overlap(design: str, replication: int) -> dict[str, Any]:
    """Fit the average effect of one draw with one kind of Hessian."""
    from sklcausal.structural import Linear, StructuralNet

    X, T, y = draw_overlap(replication)
    hessian = design.split()[1]
    # a dose of 0 or 1: intercept and slope, whose Hessian is a full matrix
    est = StructuralNet(
        model=Linear(), treatment_type="dose", hessian=hessian, random_state=replication
    )
    result = est.fit(X, T.astype(float), y).estimate(T0=0.0, T1=1.0)
    ols = _ols(X, T, y)
    return {
        "ate": result.estimate[0],
        "ate_se": result.std_error[0],
        "OLS": ols[0],
        "OLS_se": ols[1],
    }


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit one draw of a design."""
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    fit = {"flm": replicate_flm, "pricing": replicate_pricing, "overlap": replicate_overlap}
    found = fit[design.split()[0]](design, replication)
    return {**found, "seconds": time.perf_counter() - begin}


def truths(design: str) -> dict[str, float]:
    """Return the population values of everything that a design estimates."""
    family, *rest = design.split()
    if family == "flm":
        data = make_flm(1, nonlinear=rest[0] == "nonlinear", random_state=0)
        return dict.fromkeys(("ate", "difference in means", "OLS"), data.population_ate)
    if family == "overlap":
        return dict.fromkeys(("ate", "OLS"), 1.0)
    found = []
    for seed in range(8):
        theta = make_pricing(250_000, outcome=rest[0], random_state=10**7 + seed).theta
        at = {t: theta[:, 0] + t * theta[:, 1] for t in (4.0, 5.0)}
        link = expit if rest[0] == "binary" else np.exp
        left = 1 - expit(at[5.0]) if rest[0] == "binary" else 1.0
        means = (theta[:, 1], 5 * theta[:, 1] * left, link(at[5.0]) - link(at[4.0]))
        found.append([m.mean() for m in means])
    slope, elasticity, effect = np.mean(found, axis=0).tolist()
    return {
        "slope": slope,
        "elasticity": elasticity,
        "effect": effect,
        "regression slope": slope,
    }


TITLES = {
    "flm": "Average effect on the designs of Farrell, Liang, Misra (2021), n = 4,000, 95 %",
    "pricing": "Averages of a logit and a log-linear model of a continuous price, n = 8,000, 95 %",
    "overlap": "Average effect with weak overlap by kind of expected Hessian, n = 2,000, 95 %",
}


def main() -> None:
    """Run what is missing and write a table for each family of designs."""
    options = harness.arguments(__doc__.splitlines()[0], replications=200, only="")
    for family, title in TITLES.items():
        if not family.startswith(options.only):
            continue
        designs = [d for d in DESIGNS if d.startswith(family)]
        tasks = [
            {"design": d, "replication": r} for r in range(options.replications) for d in designs
        ]
        path = options.out / f"structural_{family}.csv"
        rows = harness.run(replicate, tasks, path, options.jobs)
        table = []
        for design in designs:
            own = [r for r in rows if r["design"] == design]
            for name, truth in truths(design).items():
                columns = [np.array([float(r[k]) for r in own]) for k in (name, f"{name}_se")]
                table.append([design, name, *coverage_of_average(*columns, truth)])
        harness.write_table(
            options.out / f"structural_{family}.md",
            title,
            f"python examples/benchmarks/structural.py --only {family} "
            f"--replications {options.replications}",
            [
                "design",
                "target",
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
