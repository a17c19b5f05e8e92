"""Time and memory, each as a ratio to a reference that runs beside it.

    python examples/benchmarks/speed.py

Every pair is run in turn ``--repeats`` times and the ratio of the medians is reported. The first
line needs ``pip install catenets jax``; it is left out where CATENets is absent.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

TABLES = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


def in_turn(
    first: Callable[[], Any], second: Callable[[], Any], repeats: int
) -> tuple[float, ...]:
    """Return the median seconds of two functions that run in turn, after one run of each."""
    times: list[list[float]] = [[], []]
    for repeat in range(repeats + 1):
        for own, function in zip(times, (first, second), strict=True):
            begin = time.perf_counter()
            function()
            if repeat:
                own.append(time.perf_counter() - begin)
    return tuple(float(np.median(own)) for own in times)


def fit_against_catenets(repeats: int) -> dict[str, Any] | None:
    """Fit the default TARNet with its intervals, and CATENets' single net without."""
    try:
        from catenets.models.jax import TARNet as Reference
    except ImportError:
        return None
    data_folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    os.environ.setdefault("SKLCAUSAL_DATA", str(data_folder))
    from sklcausal.datasets import fetch_ihdp
    from sklcausal.representation import TARNet

    data = fetch_ihdp(1)
    X, T, y = data.X[:672], data.T[:672], data.y[:672]

    def ours() -> None:
        est = TARNet(random_state=0).fit(X, T, y)
        est.effect_interval(X)

    ratio = in_turn(ours, lambda: Reference().fit(X, y, T), repeats)
    return row("fit TARNet with intervals, IHDP, to CATENets' TARNet", ratio, 0.5)


def training_loop(repeats: int) -> dict[str, Any]:
    """Train one epoch through skorch, and in a loop written by hand, on the same batches."""
    from sklcausal._folds import split_member
    from sklcausal._member_data import make_training_data
    from sklcausal._screening import Candidate, Task, _Run
    from sklcausal._start import Start
    from sklcausal._training import TrainingOptions
    from sklcausal.datasets import make_confounded
    from sklcausal.representation import TARNet

    n, decay = 20_000, 1.0
    data = make_confounded(n, n_features=20, random_state=0)
    est = TARNet(
        n_folds=5, max_epochs=1, random_state=0, numeric_encoding=None, weight_decay=decay
    )
    est.fit(data.X[:200], data.T[:200], data.y[:200])
    members = [
        split_member(np.flatnonzero(np.arange(n) % 5 != k), data.T, np.zeros(n), None, 0.2, k)
        for k in range(5)
    ]
    centre = np.zeros(20)
    units = np.ones(1, bool), np.zeros(0, bool)
    tensors, _ = make_training_data(
        data.X, data.T, data.y[:, None], None, members, centre, units, "cpu"
    )
    recipe = est.theta_net_.ensemble.recipe
    start = Start(np.zeros((5, 2)))
    task = Task(recipe, est._loss, data.X, centre, tensors, members, start, "")
    options = TrainingOptions(max_epochs=10**6, patience=10**6)

    def build() -> Any:
        return _Run(task, None, [Candidate(None, decay)], options).net

    ours, other = build(), build()
    module, optimiser = other.module_, other.optimizer_
    draws, checks = other.get_iterator(tensors, training=True), other.get_iterator(tensors)
    matrices = [p for name, p in module.named_parameters() if not name.endswith("bias")]

    def by_hand() -> None:
        module.train()
        for batch in draws:
            optimiser.zero_grad()
            est._loss(module, batch).sum().backward()
            with torch.no_grad():
                torch._foreach_mul_(matrices, 1 - 0.003 * decay)
            optimiser.step()
        module.eval()
        with torch.no_grad():
            for batch in checks:
                est._loss(module, batch)

    ratio = in_turn(lambda: ours.run(1), by_hand, repeats)
    return row("training epoch, n = 20,000, to a loop written by hand", ratio, 1.1)


def influence(repeats: int) -> dict[str, Any]:
    """Compute influence values of a million rows, and train one epoch over them."""
    from sklcausal.datasets import make_confounded
    from sklcausal.inference import ArmLaw, InfluenceFunction
    from sklcausal.representation import TARNet

    n = 1_000_000
    data = make_confounded(n, n_features=20, random_state=0)
    theta = data.mu + 0.1
    est = TARNet(
        n_folds=1,
        max_epochs=1,
        numeric_encoding=None,
        weight_decay=1.0,
        validation_fraction=None,
        batch_size=1024,
        random_state=0,
    )
    small = est.fit(data.X[:200], data.T[:200], data.y[:200])
    model, y = small.model_, data.y[:, None]

    def psi() -> None:
        InfluenceFunction(model)(y, data.T, theta, ArmLaw(data.propensity))

    ratio = in_turn(psi, lambda: est.fit(data.X, data.T, data.y), max(1, repeats // 3))
    return row(
        "influence values, n = 1,000,000, to one epoch (1 member, batch 1,024)", ratio, 0.25
    )


def prediction(repeats: int) -> dict[str, Any]:
    """Predict effects of a million rows, and run the bare networks over them."""
    from sklcausal.datasets import make_confounded
    from sklcausal.representation import TARNet

    data = make_confounded(1_000_000, n_features=20, random_state=0)
    est = TARNet(max_epochs=1, random_state=0, numeric_encoding=None, weight_decay=1.0)
    est.fit(data.X[:500], data.T[:500], data.y[:500])
    ensemble = est.theta_net_.ensemble

    def bare() -> None:
        rows = torch.as_tensor(data.X, dtype=torch.float32)
        with torch.inference_mode():
            for part in rows.split(ensemble.chunk_rows):
                ensemble.module(part.expand(ensemble.n_members, -1, -1))

    ratio = in_turn(lambda: est.effect(data.X), bare, max(1, repeats // 3))
    return row("effect of 1,000,000 rows to the bare forward pass", ratio, 1.3)


def memory() -> dict[str, Any]:
    """Fit a million rows with 20 columns in a process of its own and read its peak memory."""
    code = [sys.executable, __file__, "--memory"]
    found = subprocess.run(code, check=True, capture_output=True, text=True)
    gib = json.loads(found.stdout)["gib"]
    return {
        "what": "peak memory of a fit, n = 1,000,000, d = 20, in GiB",
        "ours": f"{gib:.2f}",
        "reference": "",
        "ratio": f"{gib:.2f}",
        "bound": "4",
    }


def fit_a_million() -> None:
    """Fit a million rows and print the peak memory."""
    from sklcausal.datasets import make_confounded
    from sklcausal.representation import TARNet

    data = make_confounded(1_000_000, n_features=20, random_state=0)
    X, T, y = data.X, data.T, data.y
    del data
    TARNet(max_epochs=1, batch_size=2048, random_state=0).fit(X, T, y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"gib": peak / 2**20}))


def row(what: str, seconds: tuple[float, ...], bound: float) -> dict[str, Any]:
    """Format one line of the table."""
    ratio = seconds[0] / seconds[1]
    return {
        "what": what,
        "ours": f"{seconds[0]:.2f} s",
        "reference": f"{seconds[1]:.2f} s",
        "ratio": f"{ratio:.2f}",
        "bound": f"{bound:g}",
    }


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=TABLES)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.memory:
        fit_a_million()
        return
    lines = [
        fit_against_catenets(options.repeats),
        training_loop(options.repeats),
        influence(options.repeats),
        prediction(options.repeats),
        memory(),
    ]
    import _harness as harness

    harness.write_table(
        options.out / "speed.md",
        f"Time and memory, {torch.get_num_threads()} threads, medians of {options.repeats} runs",
        f"python examples/benchmarks/speed.py --repeats {options.repeats}",
        ["what", "sklcausal", "reference", "ratio", "aim, at most"],
        [list(line.values()) for line in lines if line],
    )


if __name__ == "__main__":
    main()
