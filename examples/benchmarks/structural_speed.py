"""Time and memory of influence values with four parameters, as rows grow to a million.

    python examples/benchmarks/structural_speed.py

Three simultaneous treatments give an intercept and three slopes. Influence values of a nonlinear
target, with the expected Hessians that they need, are compared with one training epoch of a
single network over the same rows (batches of 1,024), which runs in turn with them. Memory is the
peak of a process of its own, less that of one that only holds the data.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speed import TABLES, in_turn

SIZES = (10_000, 100_000, 1_000_000)
MODELS = ("linear", "logit")


def draw(n: int, kind: str) -> dict[str, Any]:
    """Draw rows with three treatments, and parameters near the truth."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 10), dtype=np.float32)
    mean = np.tanh(X[:, :3]).astype(float)
    T = mean + rng.standard_normal((n, 3))
    theta = np.column_stack(
        [0.5 * X[:, 0], 0.3 + 0.1 * X[:, 1], -0.2 + 0 * X[:, 1], 0.1 * X[:, 2]]
    )
    index = theta[:, 0] + (theta[:, 1:] * T).sum(axis=1)
    y = index + rng.standard_normal(n)
    if kind == "logit":
        y = (rng.random(n) < 1 / (1 + np.exp(-index))).astype(float)
    return {"X": X, "T": T, "y": y, "theta": theta + 0.05, "mean": mean}


def target(theta: Any) -> Any:
    """Add up probabilities with and without the first treatment."""
    return torch.sigmoid(theta[0] + theta[1]) - torch.sigmoid(theta[0])


def influence(data: dict[str, Any], kind: str) -> Any:
    """Compute influence values from parameters and the law of the treatments."""
    from sklcausal.inference import InfluenceFunction, MomentLaw, NodeLaw

    model = prepared(kind)
    sd = np.ones_like(data["mean"])
    if kind == "linear":
        law = MomentLaw(data["mean"], sd, np.eye(3))
    else:
        residual = data["T"][:50_000] - data["mean"][:50_000]
        law = NodeLaw.from_residuals(data["mean"], sd, residual)
    return InfluenceFunction(model, target)(data["y"][:, None], data["T"], data["theta"], law)


def network(kind: str) -> Any:
    """Return an estimator that trains a single network for one epoch."""
    from sklcausal.structural import Linear, Logit, StructuralNet

    return StructuralNet(
        model=Linear() if kind == "linear" else Logit(),
        n_folds=1,
        max_epochs=1,
        numeric_encoding=None,
        weight_decay=1.0,
        validation_fraction=None,
        batch_size=1024,
        random_state=0,
    )


def prepared(kind: str) -> Any:
    """Set a model up on a few rows."""
    few = draw(200, kind)
    return network(kind).fit(few["X"], few["T"], few["y"]).model_


def peak(kind: str, n: int, job: str) -> float:
    """Read the peak memory of a process of its own, in GiB."""
    code = [sys.executable, __file__, "--memory", job, "--kind", kind, "--rows", str(n)]
    found = subprocess.run(code, check=True, capture_output=True, text=True)
    return float(json.loads(found.stdout)["gib"])


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=TABLES)
    parser.add_argument("--memory", default="", help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="linear", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.memory:
        data = draw(options.rows, options.kind)
        prepared(options.kind)
        if options.memory == "influence":
            influence(data, options.kind)
        # unlike ru_maxrss, this does not start at the peak of the parent
        lines = Path("/proc/self/status").read_text().splitlines()
        used = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
        sys.stdout.write(json.dumps({"gib": used}))
        return
    lines = []
    for kind in MODELS:
        for n in SIZES:
            data = draw(n, kind)
            est = network(kind)
            ours, epoch = in_turn(
                lambda data=data, kind=kind: influence(data, kind),
                lambda est=est, data=data: est.fit(data["X"], data["T"], data["y"]),
                options.repeats,
            )
            whole, alone = peak(kind, n, "influence"), peak(kind, n, "data")
            lines.append(
                [
                    kind,
                    f"{n:,}",
                    f"{ours:.2f} s",
                    f"{1e6 * ours / n:.1f} us",
                    f"{epoch:.2f} s",
                    f"{ours / epoch:.2f}",
                    f"{whole - alone:.2f} GiB",
                    f"{whole:.2f} GiB",
                ]
            )
    import _harness as harness

    harness.write_table(
        options.out / "structural_speed.md",
        f"Influence values with four parameters, {torch.get_num_threads()} threads, medians of "
        f"{options.repeats} runs (aims: ratio at most 0.5, memory below 4 GiB)",
        f"python examples/benchmarks/structural_speed.py --repeats {options.repeats}",
        ["model", "rows", "influence", "per row", "epoch", "ratio", "memory added", "peak"],
        lines,
    )


if __name__ == "__main__":
    main()
