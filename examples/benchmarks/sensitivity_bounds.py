"""Bounds under a hidden cause of known strength: how often their intervals hold the truth.

    python examples/benchmarks/sensitivity_bounds.py --replications 200

T is drawn from a logit in x and u, and y = T + x + u + e; u is hidden, and three columns of
noise stand beside x. At the true strength of u the lower bound is the true effect, 1, so that a
one-sided 95 % interval below it must hold 1 in 95 % of the replications. The interval without
bounds, and the difference in means, ignore u.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _harness import arguments, run, write_table
from scipy.special import expit
from scipy.stats import norm

SIZES = (1000, 4000)
TRUTH = 1.0


def true_strength() -> dict[str, float]:
    """Integrate the strength of u over a grid of x and u."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    x, u, w = nodes[:, None], nodes, weights[:, None] * weights
    e = expit(0.7 * x + u)
    short = e @ weights
    means = ((1 - e) * u) @ weights / (1 - short), (e * u) @ weights / short
    gaps = np.stack([u - mean[:, None] for mean in means])
    p, sign = np.stack([1 - e, e]), np.array([-1.0, 1.0])[:, None, None]
    long, seen = sign / p, sign / np.stack([1 - short, short])[:, :, None]
    left = (w * p * gaps**2).sum()
    joint = (w * p * gaps * (long - seen)).sum()
    return {
        "cf_y": left / (left + 1),
        "cf_d": 1 - (w * p * seen**2).sum() / (w * p * long**2).sum(),
        "rho": joint / np.sqrt(left * (w * p * (long - seen) ** 2).sum()),
    }


def replicate(n: int, replication: int) -> dict[str, Any]:
    """Fit a network without u, and bound its average effect at the true strength."""
    from sklcausal.representation import TARNet
    from sklcausal.sensitivity import sensitivity_analysis

    warnings.simplefilter("ignore")
    rng = np.random.default_rng([n, replication])
    x, u, e = rng.normal(size=(3, n))
    T = (rng.uniform(size=n) < expit(0.7 * x + u)).astype(int)
    y = TRUTH * T + x + u + e
    X = np.column_stack([x, rng.normal(size=(n, 3))])
    est = TARNet(weight_decay=1.0, numeric_encoding=None, random_state=replication).fit(X, T, y)
    found = sensitivity_analysis(est, alpha=0.1, **true_strength())
    treated, control = y[T == 1], y[T == 0]
    plain = treated.mean() - control.mean()
    spread = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
    critical = norm.ppf(0.95)
    return {
        "lower": found.lower[0],
        "lower_end": found.ci_lower[0],
        "short": found.estimate[0],
        "short_end": found.estimate[0] - critical * found.std_error[0],
        "difference": plain,
        "difference_end": plain - critical * spread,
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], replications=200)
    tasks = [{"n": n, "replication": r} for n in SIZES for r in range(options.replications)]
    rows = run(replicate, tasks, options.out / "sensitivity_bounds.csv", options.jobs)
    table = []
    for n in SIZES:
        own = [row for row in rows if int(row["n"]) == n]
        named = (
            ("lower bound at the true strength", "lower"),
            ("TARNet without bounds", "short"),
            ("difference in means", "difference"),
        )
        for name, key in named:
            value, end = (np.array([float(r[k]) for r in own]) for k in (key, f"{key}_end"))
            error, held = value - TRUTH, end <= TRUTH
            share = held.mean()
            table.append(
                [
                    str(n),
                    name,
                    str(len(own)),
                    f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(own)):.3f}",
                    f"{error.mean():+.3f} ± {error.std(ddof=1) / np.sqrt(len(own)):.3f}",
                    f"{((value - end) / norm.ppf(0.95)).mean() / error.std(ddof=1):.2f}",
                ]
            )
    write_table(
        options.out / "sensitivity_bounds.md",
        "Bounds under a hidden cause of known strength, one-sided 95 %",
        f"python examples/benchmarks/sensitivity_bounds.py --replications {options.replications}",
        ["n", "what", "runs", "end is below the truth", "mean error", "mean SE / SD"],
        table,
    )


if __name__ == "__main__":
    main()
