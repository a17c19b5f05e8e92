"""Error of a flat effect behind bumpy outcomes: Kennedy's design, n = 2,000.

    python examples/benchmarks/flat_effect.py --replications 20

One covariate, uniform on (-1, 1); the propensity jumps from .1 to .9 at 0; outcomes follow a curve
with kinks, the same in both arms, with noise of standard deviation .2 - .1 cos(2 pi x). The effect
is 0 everywhere; the error is the root mean square of what is predicted on a grid. Trivial methods
stand beside the learners.

Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects", Electronic
Journal of Statistics 2023, arXiv 2004.14497, section 4.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import intervals
import numpy as np
from scipy.stats import norm
from sklearn.utils import Bunch

METHODS = ("TLearner", "SLearner", "DRLearner", "RLearner", "XLearner", "RALearner")
TRIVIAL = ("OLS by arm", "difference in means", "zero effect")
N_ROWS = 2000


def curve(x: Any) -> Any:
    """Return the mean outcome, in both arms."""
    pieces = [(x + 2) ** 2 / 2, x / 2 + 0.875, -5 * (x - 0.2) ** 2 + 1.075]
    return np.select([x < -0.5, x < 0, x < 0.5], pieces, x + 0.125)


def replicate(method: str, seed: int) -> dict[str, Any]:
    """Fit one learner to one draw."""
    import sklcausal.meta as meta

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, N_ROWS)
    T = (rng.random(N_ROWS) < 0.5 + 0.4 * np.sign(x)).astype(int)
    y = curve(x) + rng.normal(size=N_ROWS) * (0.2 - 0.1 * np.cos(2 * np.pi * x))
    X, grid = x[:, None], np.linspace(-0.99, 0.99, 397)[:, None]
    if method in TRIVIAL:
        data = Bunch(X=X, T=T, y=y)
        effect, _, _, ate, error = intervals.FITS[method](data, grid, seed)
        low, high = ate - norm.ppf(0.975) * error, ate + norm.ppf(0.975) * error
    else:
        est = getattr(meta, method)(random_state=seed).fit(X, T, y)
        effect, ate, (low, high) = est.effect(grid), est.ate(), est.ate_interval()
    return {"error": np.sqrt(np.mean(effect**2)), "ate": ate, "covered": low <= 0 <= high}


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=20)
    methods = (*METHODS, *TRIVIAL)
    tasks = [{"method": m, "seed": s} for s in range(options.replications) for m in methods]
    rows = harness.run(replicate, tasks, options.out / "flat_effect.csv", options.jobs)
    table, base = [], {}
    for method in methods:
        own = {r["seed"]: r for r in rows if r["method"] == method}
        errors = np.array([float(r["error"]) for r in own.values()])
        base = base or {seed: float(r["error"]) for seed, r in own.items()}
        runs = len(errors)
        ratio = errors.mean() / np.mean([base[seed] for seed in own])
        covered = np.mean([r["covered"] == "True" for r in own.values()])
        error = errors.std(ddof=1) / np.sqrt(runs) if runs > 1 else np.nan
        cells = [f"{errors.mean():.4f} ± {error:.4f}", f"{ratio:.2f}", f"{covered:.2f}"]
        table.append([method, str(runs), *cells])
    head = ["learner", "runs", "error of effects", "over that of TLearner", "average covered"]
    command = f"python examples/benchmarks/flat_effect.py --replications {options.replications}"
    title = "A flat effect behind bumpy outcomes"
    harness.write_table(options.out / "flat_effect.md", title, command, head, table)


if __name__ == "__main__":
    main()
