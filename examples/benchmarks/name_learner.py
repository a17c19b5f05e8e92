"""Name the learner that should be best on IHDP, without its truth: by doubly robust scores.

    python examples/benchmarks/name_learner.py --first 11 --last 60

Every learner is fitted to the training rows of a replication; its effects on the test rows are
judged by the doubly robust loss, with nuisances by boosting that have not seen the row. Learners
are named by their mean rank over the replications, since losses of some are far larger than those
of others. The error against the truth stands beside the rank, and plays no part in it.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from typing import Any

import _harness as harness
import learners
import numpy as np


def replicate(number: int, method: str, activation: str) -> dict[str, Any]:
    """Fit one learner to one replication, and judge it without the truth."""
    warnings.simplefilter("ignore")
    X, T, y, effect, train, test = learners.load("ihdp", number)
    from sklcausal.metrics import cross_fit_nuisances, dr_loss, root_pehe

    nuisances = cross_fit_nuisances(X, T, y, cv=10)
    own = {name: value[test] for name, value in nuisances.items()}
    rows = X[train], T[train], y[train]
    est = learners.fit_ours(method, *rows, number, activation=activation)
    predicted = est.effect(X[test])
    loss = dr_loss(T[test], y[test], predicted, **own)
    return {"dr_loss": loss, "pehe": root_pehe(effect[test], predicted)}


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(
        __doc__.splitlines()[0], first=11, last=60, methods="all", activation="auto"
    )
    chosen = learners.OUR_NAMES if options.methods == "all" else options.methods.split(",")
    numbers = range(options.first, options.last + 1)
    tasks = [
        {"number": i, "method": m, "activation": options.activation}
        for i in numbers
        for m in chosen
    ]
    rows = harness.run(replicate, tasks, options.out / "name_learner.csv", options.jobs)
    found = {(r["number"], r["method"]): r for r in rows}
    values = {
        key: np.array([[float(found[str(i), m][key]) for m in chosen] for i in numbers])
        for key in ("dr_loss", "pehe")
    }
    rank = 1 + values["dr_loss"].argsort(axis=1).argsort(axis=1)
    table = []
    for j in np.argsort(rank.mean(axis=0), kind="stable"):
        errors = values["pehe"][:, j]
        cells = [learners.mean_and_error(rank[:, j]), learners.mean_and_error(errors)]
        table.append([chosen[j], str(len(rank)), *cells, f"{np.exp(np.log(errors).mean()):.3f}"])
    head = ["learner", "runs", "mean rank by the doubly robust loss"]
    head += ["sqrt-PEHE out", "geometric mean out"]
    command = f"python examples/benchmarks/name_learner.py --first {options.first}"
    command += f" --last {options.last} --activation {options.activation}"
    command += "" if options.methods == "all" else f" --methods {options.methods}"
    title = "Learners ranked without the truth, IHDP"
    harness.write_table(
        options.out / f"name_learner_{options.activation}.md", title, command, head, table
    )


if __name__ == "__main__":
    main()
