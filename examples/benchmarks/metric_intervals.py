"""Coverage of the intervals of policy values, group effects, calibration and RATE.

    python examples/benchmarks/metric_intervals.py --replications 200

Predictions come from boosting that was fitted once to rows of its own; each replication draws new
rows to evaluate them, with cross-fitted nuisances, and the truths of these predictions are those
of two million further rows. "trial" is randomised and uses no model at all: shares and means of
the arms. "confounded" and "five arms" are observational, with the default nuisances.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from _harness import arguments, run, write_table

N, N_TRUTH = 2000, 2_000_000
DESIGNS = {"trial": (2, "randomised"), "confounded": (2, "moderate"), "five arms": (5, "moderate")}
COMMAND = "python examples/benchmarks/metric_intervals.py --replications 200"


def draw(design: str, n: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return covariates, arms, outcomes and effects (n, n_contrasts)."""
    from sklcausal.datasets import make_confounded

    n_arms, overlap = DESIGNS[design]
    randomised = overlap == "randomised"
    data = make_confounded(
        n, n_arms=n_arms, overlap="moderate" if randomised else overlap, random_state=seed
    )
    T, y, effect = data["T"], data.y, data.effect.reshape(n, -1)
    if randomised:
        rng = np.random.default_rng(seed)
        own = np.column_stack([np.zeros(n), effect])
        level = y - own[np.arange(n), T]
        T = rng.integers(0, n_arms, n)
        y = level + own[np.arange(n), T]
    return data.X, T, y, effect


@cache
def rule(design: str) -> list[Any]:
    """Fit boosting to each arm on rows that nothing else sees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    X, T, y, _ = draw(design, N, 10**6)
    return [
        HistGradientBoostingRegressor(max_leaf_nodes=8, random_state=0).fit(X[T == a], y[T == a])
        for a in np.unique(T)
    ]


def predict(design: str, X: np.ndarray) -> np.ndarray:
    """Predict effects (n, n_contrasts)."""
    control, *others = (model.predict(X) for model in rule(design))
    return np.stack([own - control for own in others], axis=1)


def evaluate(T: Any, y: Any, predicted: np.ndarray, nuisances: dict[str, Any]) -> dict[str, Any]:
    """Run all metrics that have intervals; of several arms the first contrast and the best arm."""
    from sklcausal.metrics import calibration_slope, gates, policy_value, rate

    many = predicted.shape[1] > 1
    best = {"multiarm": "best"} if many else {}
    groups = gates(T, y, predicted, **nuisances)
    return {
        "policy gain": policy_value(T, y, effect=predicted, **nuisances)["gain"],
        "GATES, lowest fifth": groups[0],
        "GATES, highest fifth": groups[4],
        "calibration slope": calibration_slope(T, y, predicted, **nuisances)[1],
        "AUTOC": rate(T, y, predicted, **best, **nuisances),
        "Qini": rate(T, y, predicted, target="qini", **best, **nuisances),
    }


@cache
def truths(design: str) -> dict[str, float]:
    """Evaluate the same predictions with true effects in place of scores."""
    X, _, _, effect = draw(design, N_TRUTH, 10**7)
    predicted = predict(design, X)
    chosen = predicted.argmax(axis=1)
    rows = np.arange(N_TRUTH)
    treated = predicted.max(axis=1) > 0
    order = np.argsort(predicted[:, 0])
    fifth = N_TRUTH // 5
    tau = effect[:, 0]
    top = effect[rows, chosen][np.argsort(-predicted.max(axis=1))]
    toc = top.cumsum() / (rows + 1) - top.mean()
    return {
        "policy gain": float((treated * effect[rows, chosen]).mean()),
        "GATES, lowest fifth": float(tau[order[:fifth]].mean()),
        "GATES, highest fifth": float(tau[order[-fifth:]].mean()),
        "calibration slope": float(np.polyfit(predicted[:, 0], tau, 1)[0]),
        "AUTOC": float(toc.mean()),
        "Qini": float((toc * (rows + 1)).mean() / N_TRUTH),
    }


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Evaluate on new rows, and say how far the truth is in standard errors."""
    # from the module, so that processes keep what is cached
    from metric_intervals import predict, truths

    from sklcausal.metrics import cross_fit_nuisances

    X, T, y, _ = draw(design, N, replication)
    nuisances = {}
    if design != "trial":
        nuisances = dict(cross_fit_nuisances(X, T, y, random_state=replication))
    row = {}
    for name, result in evaluate(T, y, predict(design, X), nuisances).items():
        row[f"{name}: error"] = round(float(result.estimate[0]) - truths(design)[name], 6)
        row[f"{name}: se"] = round(float(result.std_error[0]), 6)
    return row


def main() -> None:
    options = arguments(__doc__.splitlines()[0], replications=200)
    tasks = [
        {"design": design, "replication": r}
        for design in DESIGNS
        for r in range(options.replications)
    ]
    rows = run(replicate, tasks, options.out / "metric_intervals.csv", options.jobs)
    names = list(dict.fromkeys(key.split(":")[0] for key in rows[0] if ":" in key))
    table = []
    for design in DESIGNS:
        for name in names:
            own = [row for row in rows if row["design"] == design]
            error = np.array([float(row[f"{name}: error"]) for row in own])
            se = np.array([float(row[f"{name}: se"]) for row in own])
            covered = (np.abs(error) <= 1.959964 * se).mean()
            spread = np.sqrt(covered * (1 - covered) / len(own))
            table.append(
                [
                    design,
                    name,
                    str(len(own)),
                    f"{covered:.3f} ± {spread:.3f}",
                    f"{se.mean() / error.std(ddof=1):.2f}",
                    f"{abs(error.mean()) / se.mean():.2f}",
                ]
            )
    write_table(
        options.out / "metric_intervals.md",
        "Coverage of 95 % intervals of metrics, 2,000 rows",
        COMMAND,
        ["design", "metric", "runs", "coverage", "mean SE / SD", "|mean error| / SE"],
        table,
    )


if __name__ == "__main__":
    main()
