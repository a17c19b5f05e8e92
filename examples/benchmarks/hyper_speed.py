"""Time per epoch of learners whose weights a hypernetwork makes, relative to their plain twins.

    python examples/benchmarks/hyper_speed.py

Both have the sizes of the paper (two hidden layers of 100 units; a hypernetwork of 1.3 million
weights when it makes all at once) and five members; 10,000 rows of 25 columns. Fits of twin and
plain learner alternate, one thread, and the median time of an epoch is compared. Nothing else
should run on the machine.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import numpy as np

GENERATIONS = ("all", "split", "chunked", "layerwise")
BATCHES = (1024, 128, 64)
N_ROWS, N_COLUMNS, N_EPOCHS = 10_000, 25, 4


def median_epoch(cls: Any, data: Any, batch_size: int, **params: Any) -> tuple[float, int]:
    """Return the median seconds of an epoch, and the number of weights of a member."""
    est = cls(
        widths=(100, 100),
        activation="relu",
        numeric_encoding=None,
        weight_decay=0.0,
        max_epochs=N_EPOCHS,
        validation_fraction=None,
        batch_size=batch_size,
        random_state=0,
        **params,
    )
    est.fit(*data, propensity=np.full((N_ROWS, 2), 0.5))
    seconds = np.median([epoch["dur"] for epoch in est.history_[1:]])
    weights = est.theta_net_.ensemble.weights().values()
    return float(seconds), sum(w[0].size for w in weights)


def main() -> None:
    """Measure and write the table."""
    import torch

    torch.set_num_threads(1)
    from sklcausal.hyper import HyperTLearner
    from sklcausal.meta import TLearner

    warnings.simplefilter("ignore")
    options = harness.arguments(__doc__.splitlines()[0], replications=5)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_COLUMNS))
    T = rng.integers(0, 2, N_ROWS)
    data = X, T, X[:, 0] + T * X[:, 1] + rng.normal(size=N_ROWS)
    rows = []
    for generation in GENERATIONS:
        for spectral_norm, dropout in ((False, 0.0), (True, 0.05)):
            made = {
                "generation": generation,
                "spectral_norm": spectral_norm,
                "hyper_dropout": dropout,
            }
            cells = []
            for batch_size in BATCHES:
                ratios = []
                for _ in range(options.replications):
                    plain, _ = median_epoch(TLearner, data, batch_size)
                    twin, n_weights = median_epoch(HyperTLearner, data, batch_size, **made)
                    ratios.append(twin / plain)
                error = np.std(ratios, ddof=1) / np.sqrt(len(ratios))
                cells.append(f"{np.median(ratios):.2f} ± {error:.2f}")
            how = "spectral norms, dropout .05" if spectral_norm else "plain"
            rows.append([generation, how, f"{n_weights:,}", *cells])
            print(rows[-1], flush=True)
    head = ["generation", "hypernetwork", "weights of a member"]
    head += [f"twin / plain, batch {b}" for b in BATCHES]
    title = "Time of an epoch with a hypernetwork, relative to the plain T-learner"
    command = f"python examples/benchmarks/hyper_speed.py --replications {options.replications}"
    harness.write_table(options.out / "hyper_speed.md", title, command, head, rows)


if __name__ == "__main__":
    main()
