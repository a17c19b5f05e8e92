"""Choose among candidates without the truth: how far from the best is each scorer's choice?

Every candidate is scored by cross-validation on the training rows with every scorer, and fitted
to all of them; its error is that of individual effects on other rows. ``make_confounded`` draws
new data in each replication; of ACIC 2016 there is one data set per setting, and a replication
is a random split. Candidates are S-, T-learner and TARNet, each with two strengths of decay and
two encodings, in batches of 128 for at most 50 epochs.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
from _harness import arguments, data_folder, run, write_table

N_TRAIN = 2000
SCORERS = ("dr", "r", "if-pehe", "ipw", "matching", "qini", "auuc", "rate", "policy", "factual")
COMMAND = "python examples/benchmarks/model_choice.py --replications 20"


def candidates() -> dict[str, Any]:
    """Name 12 candidates: three learners, two strengths of decay, two encodings."""
    from sklcausal.meta import SLearner, TLearner
    from sklcausal.representation import TARNet

    found = {}
    for cls, decay, encoding in product(
        (SLearner, TLearner, TARNet), (0.3, 3.0), (None, "piecewise_linear")
    ):
        name = f"{cls.__name__} {decay:g} {'bins' if encoding else 'raw'}"
        found[name] = cls(
            n_folds=1,
            weight_decay=decay,
            numeric_encoding=encoding,
            batch_size=128,
            patience=10,
            max_epochs=50,
            random_state=0,
        )
    return found


def load(design: str, replication: int) -> tuple[Any, ...]:
    """Return covariates, arms, outcomes and effects of training rows, and those of others."""
    from sklcausal.datasets import fetch_acic2016, make_confounded

    if design == "confounded":
        data = make_confounded(2 * N_TRAIN, random_state=replication)
        X, T, y, effect = data.X, data["T"], data.y, data.effect
        rows = np.arange(len(X))
    else:
        import pandas as pd

        data = fetch_acic2016(setting=int(design[-1]), data_home=data_folder())
        X = pd.get_dummies(pd.DataFrame(data.X)).to_numpy(dtype=float)
        T, y, effect = (np.asarray(data[name]) for name in ("T", "y", "effect"))
        rows = np.random.default_rng(replication).permutation(len(X))
    train, test = rows[:N_TRAIN], rows[N_TRAIN:]
    return X[train], T[train], y[train], X[test], effect[test]


def choose(design: str, replication: int) -> dict[str, Any]:
    """Score all candidates, and look how good each scorer's choice is."""
    from sklearn.base import clone
    from sklearn.model_selection import cross_validate

    from sklcausal import pack_targets
    from sklcausal.metrics import add_nuisances, make_effect_scorer, root_pehe
    from sklcausal.model_selection import TreatmentStratifiedKFold

    warnings.simplefilter("ignore")
    X, T, y, X_test, effect = load(design, replication)
    targets = add_nuisances(X, pack_targets(T, y), random_state=replication)
    scoring = {name: make_effect_scorer(name) for name in SCORERS}
    splitter = TreatmentStratifiedKFold(3, random_state=replication)
    scores, errors = {name: [] for name in SCORERS}, []
    for candidate in candidates().values():
        found = cross_validate(
            candidate, X, targets, scoring=scoring, cv=splitter, error_score="raise"
        )
        for name in SCORERS:
            scores[name].append(found[f"test_{name}"].mean())
        fitted = clone(candidate).fit(X, T, y)
        errors.append(root_pehe(effect, fitted.effect(X_test)))
    row = {"oracle": min(errors), "worst": max(errors), "random": float(np.mean(errors))}
    row |= {name: errors[int(np.argmax(scores[name]))] for name in SCORERS}
    row["zero effect"] = root_pehe(effect, np.zeros(len(effect)))
    row["difference in means"] = root_pehe(
        effect, np.full(len(effect), y[T == 1].mean() - y[T == 0].mean())
    )
    return {name: round(float(value), 5) for name, value in row.items()}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], replications=20)
    designs = ["confounded", *(f"acic{k}" for k in range(1, 6))]
    tasks = [
        {"design": design, "replication": r}
        for r in range(options.replications)
        for design in designs
    ]
    rows = run(choose, tasks, options.out / "model_choice.csv", options.jobs)
    methods = ["oracle", *SCORERS, "random", "worst", "zero effect", "difference in means"]
    table = []
    for method in methods:
        cells = []
        for design in designs:
            own = np.array([float(row[method]) for row in rows if row["design"] == design])
            cells.append(f"{own.mean():.3f} ± {own.std(ddof=1) / np.sqrt(len(own)):.3f}")
        means = [
            np.mean([float(r[method]) for r in rows if r["design"] == d])
            / np.mean([float(r["oracle"]) for r in rows if r["design"] == d])
            for d in designs
        ]
        every = np.array([float(row[method]) for row in rows])
        oracle = np.array([float(row["oracle"]) for row in rows])
        table.append(
            [method, *cells, f"{every.mean() / oracle.mean():.3f}", f"{np.mean(means):.3f}"]
        )
    n = len(rows) // len(designs)
    write_table(
        options.out / "model_choice.md",
        f"Choosing among 12 candidates without the truth, {n} replications each",
        COMMAND,
        ["chosen by", *designs, "all, to oracle", "mean of ratios"],
        table,
    )


if __name__ == "__main__":
    main()
