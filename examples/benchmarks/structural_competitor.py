"""Side by side with the package deep-inference, on three designs from its own pages and tests.

    pip install deep-inference
    python examples/benchmarks/structural_competitor.py --replications 50

- readme: its quickstart: n = 2,000, ten covariates, a linear model whose slope is
  ``cos(pi x0) 1(x1 > 0) + .5 x2``, with the network and settings shown there.
- linear, logit: the two designs of its end-to-end validation: n = 1,000, one covariate, its
  default network.

It uses 50 folds, as it recommends; the estimators run in turn on the same draws. The target is the
average slope of these people's population. A regression without interactions stands beside them.
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
from structural import _mle, _ols

DESIGNS = ("readme", "linear", "logit")
TRUTH = {"readme": 0.0, "linear": 0.0, "logit": 0.5}


def draw(design: str, seed: int) -> tuple[Any, ...]:
    """Draw a data set."""
    rng = np.random.default_rng(seed)
    if design == "readme":
        X, T = rng.normal(size=(2000, 10)), rng.normal(size=2000)
        slope = np.cos(np.pi * X[:, 0]) * (X[:, 1] > 0) + 0.5 * X[:, 2]
        return X, T, X[:, 0] + slope * T + rng.normal(size=2000)
    X, T = rng.normal(design == "linear", 1, size=(1000, 1)), rng.normal(size=1000)
    x = X[:, 0]
    if design == "linear":
        error = rng.normal(size=1000) * (1 + 0.5 * np.abs(x))
        return X, T, 1 + 0.5 * x + (x - 1) * T + error
    chance = expit(1 + 0.3 * x + (0.5 + 0.2 * x) * T)
    return X, T, (rng.random(1000) < chance).astype(float)


def population_slope(design: str) -> float:
    """Return the average slope: known, but for the share of ``cos(pi x0)``."""
    # E cos(pi Z) = exp(-pi^2 / 2) for a standard normal Z, halved by the indicator
    return 0.5 * float(np.exp(-(np.pi**2) / 2)) if design == "readme" else TRUTH[design]


def fit_ours(design: str, X: Any, T: Any, y: Any, seed: int) -> tuple[float, float]:
    """Fit the default network."""
    from sklcausal.structural import Linear, Logit, StructuralNet

    model = Logit() if design == "logit" else Linear()
    est = StructuralNet(model=model, random_state=seed).fit(X, T, y)
    result = est.estimate({"slope": lambda theta: theta[1]})
    return float(result.estimate[0]), float(result.std_error[0])


def fit_theirs(design: str, X: Any, T: Any, y: Any, seed: int) -> tuple[float, float]:
    """Fit deep-inference with the settings of its pages."""
    import torch
    from deep_inference import structural_dml

    settings: dict[str, Any] = {"n_folds": 50}
    if design == "readme":
        settings |= {"hidden_dims": [128, 64, 32], "epochs": 50, "lr": 0.01}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        family = "logit" if design == "logit" else "linear"
        found = structural_dml(Y=y, T=T, X=X, family=family, **settings)
    return float(found.mu_hat), float(found.se)


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit both to one draw."""
    warnings.simplefilter("ignore")
    X, T, y = draw(design, replication)
    found: dict[str, Any] = {}
    for name, fit in {"sklcausal": fit_ours, "deep-inference": fit_theirs}.items():
        begin = time.perf_counter()
        found[name], found[f"{name}_se"] = fit(design, X, T, y, replication)
        found[f"{name}_seconds"] = time.perf_counter() - begin
    plain = _mle(X, T, y, "binary") if design == "logit" else _ols(X, T, y)
    found["regression"], found["regression_se"] = plain
    return found


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=50)
    tasks = [{"design": d, "replication": r} for r in range(options.replications) for d in DESIGNS]
    path = options.out / "structural_competitor.csv"
    rows = harness.run(replicate, tasks, path, options.jobs)
    table = []
    for design in DESIGNS:
        own = [r for r in rows if r["design"] == design]
        ours = np.array([float(r["sklcausal_seconds"]) for r in own])
        theirs = np.array([float(r["deep-inference_seconds"]) for r in own])
        ratio = float(np.exp(np.mean(np.log(ours / theirs))))
        for name in ("sklcausal", "deep-inference", "regression"):
            columns = [np.array([float(r[k]) for r in own]) for k in (name, f"{name}_se")]
            shown = f"{ratio:.2f}" if name == "sklcausal" else ""
            line = coverage_of_average(*columns, population_slope(design))
            table.append([design, name, *line, shown])
    harness.write_table(
        options.out / "structural_competitor.md",
        f"Average slope beside deep-inference, 95 % ({harness.versions('deep-inference')})",
        f"python examples/benchmarks/structural_competitor.py --replications "
        f"{options.replications}",
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
            "time ratio, geometric mean",
        ],
        table,
    )


if __name__ == "__main__":
    main()
