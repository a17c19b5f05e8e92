"""Error of individual effects of every learner, beside CATENets and EconML.

    python examples/benchmarks/learners.py --data ihdp --first 1 --last 10

``--data`` is one of

- ``ihdp``: IHDP, replication ``number`` (672 training rows); ``acic``: ACIC 2016, setting
  ``number`` (4,000 rows);
- ``ihdp500``, ``acic500``: 500 training rows, for ACIC setting ``(number - 1) % 5 + 1``;
- ``twins500``, ``twins1000``, ``twins2000``, ``twins5000``: so many pairs of twins, of whom each
  shows the heavier with probability .1; the others judge.

Test rows of IHDP and ACIC are ``default_rng(number).permutation(n)[:n_test]``. All methods see the
same rows; categorical columns are one-hot, columns with more than two levels are standardised on
the training rows. Without ``--methods`` all are run. Peers need
``pip install econml catenets jax``.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import os
import time
import warnings
from typing import Any

import _harness as harness
import numpy as np

OURS = {
    "representation": (
        "TARNet",
        "CFRNet",
        "DragonNet",
        "SNet",
        "FlexTENet",
        "MitNet",
        "RieszNet",
    ),
    "meta": (
        "SLearner",
        "TLearner",
        "XLearner",
        "RLearner",
        "DRLearner",
        "RALearner",
        "PWLearner",
    ),
    "hyper": (
        "HyperSLearner",
        "HyperTLearner",
        "HyperTARNet",
        "HyperDragonNet",
        "HyperMitNet",
        "HyperSNet",
        "HyperFlexTENet",
        "HyperDRLearner",
        "HyperRALearner",
        "HyperXLearner",
    ),
}
OUR_NAMES = tuple(name for names in OURS.values() for name in names)
WITHOUT_GROWTH = "TARNet with silu"
CATENETS = ("TARNet", "TNet", "SNet", "DragonNet", "FlexTENet")
REFERENCE = "TARNet"
DATA = {"ihdp": 75, "acic": 802, "ihdp500": 75, "acic500": 802}
TWINS = (500, 1000, 2000, 5000)
SHARE = 0.1  # of twins of whom the heavier is seen


def one_hot(X: Any, is_categorical: Any) -> Any:
    """Spread coded columns with more than two levels over indicators."""
    parts = []
    for column, categorical in zip(X.T, is_categorical, strict=True):
        levels = np.unique(column)
        if categorical and len(levels) > 2:
            parts.append((column[:, None] == levels).astype(float))
        else:
            parts.append(column[:, None])
    return np.hstack(parts)


def load(data: str, number: int) -> tuple[Any, ...]:
    """Load rows, effects, and which rows train and which test."""
    os.environ.setdefault("SKLCAUSAL_DATA", str(harness.data_folder()))
    rng = np.random.default_rng(number)
    if data.startswith("twins"):
        X, T, y, effect, train, test = load_twins(int(data[5:]), rng)
    else:
        X, T, y, effect, test = load_study(data, number, rng)
        train = np.flatnonzero(~np.isin(np.arange(len(X)), test))
        if data.endswith("500"):
            train = np.sort(rng.choice(train, 500, replace=False))
    many = np.array([len(np.unique(column)) > 2 for column in X.T])
    mean = np.where(many, X[train].mean(axis=0), 0.0)
    spread = np.where(many, X[train].std(axis=0), 1.0)
    X = (X - mean) / np.where(spread > 0, spread, 1.0)
    return X, T, y, effect, train, test


def load_study(data: str, number: int, rng: Any) -> tuple[Any, ...]:
    """Load IHDP or ACIC 2016."""
    from sklcausal.datasets import fetch_acic2016, fetch_ihdp

    if data.startswith("ihdp"):
        bunch = fetch_ihdp(number)
        X = bunch.X
    else:
        bunch = fetch_acic2016((number - 1) % 5 + 1)
        X = one_hot(bunch.X, bunch.is_categorical)
    return X, bunch["T"], bunch.y, bunch.effect, rng.permutation(len(X))[: DATA[data]]


def load_twins(n: int, rng: Any) -> tuple[Any, ...]:
    """Load twins, of each pair one by lot; their effects are differences of two outcomes."""
    from sklcausal.datasets import fetch_twins

    bunch = fetch_twins()
    both = np.stack([bunch.y0, bunch.y1], axis=1)
    order = rng.permutation(len(both))
    train, test = np.sort(order[:n]), np.sort(order[n:])
    T = (rng.random(len(both)) < SHARE).astype(int)
    y = both[np.arange(len(both)), T]
    return bunch.X, T, y, both[:, 1] - both[:, 0], train, test


# -- methods --------------------------------------------------------------------------------


def fit_ours(name: str, X: Any, T: Any, y: Any, seed: int, **params: Any) -> Any:
    """Fit a learner of the package, inference included, with defaults beside what is given."""
    import importlib

    family = next(family for family, names in OURS.items() if name in names)
    cls = getattr(importlib.import_module(f"sklcausal.{family}"), name)
    return cls(random_state=seed, **params).fit(X, T, y)


def fit_catenets(name: str, X: Any, T: Any, y: Any, seed: int) -> Any:
    """Fit a JAX network of CATENets with its defaults."""
    # JAX takes all cores that it finds; the others time their methods there
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
    import catenets.models.jax as peers

    is_binary = bool(np.isin(y, (0.0, 1.0)).all())
    net = getattr(peers, name)(seed=seed, binary_y=is_binary)
    net.fit(X, y, T)
    return lambda rows: np.asarray(net.predict(rows)).ravel()


def fit_forest(X: Any, T: Any, y: Any, seed: int) -> Any:
    """Fit EconML's causal forest with boosted first stages."""
    from econml.dml import CausalForestDML
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    forest = CausalForestDML(
        model_y=HistGradientBoostingRegressor(random_state=seed),
        model_t=HistGradientBoostingClassifier(random_state=seed),
        discrete_treatment=True,
        cv=5,
        n_estimators=500,
        n_jobs=1,
        random_state=seed,
    )
    forest.fit(y.astype(float), T, X=X)
    return forest


def fit_x_learner(X: Any, T: Any, y: Any, seed: int) -> Any:
    """Fit EconML's X-learner with gradient boosting."""
    from econml.metalearners import XLearner
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    learner = XLearner(
        models=HistGradientBoostingRegressor(random_state=seed),
        propensity_model=HistGradientBoostingClassifier(random_state=seed),
    )
    learner.fit(y.astype(float), T, X=X)
    return lambda rows: learner.effect(rows).ravel()


def fit_linear(X: Any, T: Any, y: Any, seed: int) -> Any:
    """Fit a linear, or for a binary outcome a logistic, regression in each arm."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    if np.isin(y, (0.0, 1.0)).all():
        arms = [LogisticRegression(max_iter=1000).fit(X[T == a], y[T == a]) for a in (0, 1)]
        return lambda rows: np.subtract(*(arms[a].predict_proba(rows)[:, 1] for a in (1, 0)))
    arms = [LinearRegression().fit(X[T == a], y[T == a]) for a in (0, 1)]
    return lambda rows: arms[1].predict(rows) - arms[0].predict(rows)


def fit_difference(X: Any, T: Any, y: Any, seed: int) -> Any:
    """Compare means."""
    difference = y[T == 1].mean() - y[T == 0].mean()
    return lambda rows: np.full(len(rows), difference)


def fit_zero(X: Any, T: Any, y: Any, seed: int) -> Any:
    """Predict no effect."""
    return lambda rows: np.zeros(len(rows))


PLAIN = {
    "EconML CausalForestDML": fit_forest,
    "EconML X-learner": fit_x_learner,
    "OLS or logit by arm": fit_linear,
    "difference in means": fit_difference,
    "zero effect": fit_zero,
}
METHODS = (
    *OUR_NAMES,
    WITHOUT_GROWTH,
    *(f"CATENets {name}" for name in CATENETS),
    *PLAIN,
)


def fit(method: str, X: Any, T: Any, y: Any, seed: int) -> Any:
    """Fit a method by its name in the table."""
    if method == WITHOUT_GROWTH:
        return fit_ours("TARNet", X, T, y, seed, activation="silu")
    if method in PLAIN:
        return PLAIN[method](X, T, y, seed)
    if method.startswith("CATENets "):
        return fit_catenets(method.split()[1], X, T, y, seed)
    return fit_ours(method, X, T, y, seed)


# -- figures --------------------------------------------------------------------------------


def replicate(data: str, method: str, number: int) -> dict[str, Any]:
    """Fit one method to one replication."""
    warnings.simplefilter("ignore")
    X, T, y, effect, train, test = load(data, number)
    begin = time.process_time()
    found = fit(method, X[train], T[train], y[train], number)
    seconds = time.process_time() - begin
    predict = getattr(found, "effect", found)
    errors: dict[str, Any] = {}
    for part, rows in (("in", train), ("out", test)):
        predicted = np.asarray(predict(X[rows])).ravel()
        assert predicted.shape == effect[rows].shape
        errors[f"pehe_{part}"] = np.sqrt(np.mean((predicted - effect[rows]) ** 2))
        errors[f"ate_error_{part}"] = abs(predicted.mean() - effect[rows].mean())
    errors["coverage"] = np.nan
    # effects of single twins are known but for noise, which an interval need not hold
    if hasattr(found, "effect_interval") and not data.startswith("twins"):
        low, high = (np.ravel(end) for end in found.effect_interval(X[test], alpha=0.05))
        errors["coverage"] = np.mean((low <= effect[test]) & (effect[test] <= high))
    return {**errors, "seconds": seconds}


def mean_and_error(values: Any, digits: int = 3) -> str:
    """Write a mean with its standard error."""
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.{digits}f} ± {standard_error(values):.{digits}f}"


def standard_error(values: Any) -> float:
    """Compute the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def ratio(ours: Any, other: Any) -> str:
    """Write the geometric mean of paired ratios with its standard error."""
    logs = np.log(np.asarray(ours) / np.asarray(other))
    centre = np.exp(logs.mean())
    return f"{centre:.3f} ± {centre * standard_error(logs):.3f}"


def summarise(rows: list[dict[str, str]], data: str, path: Any, command: str) -> None:
    """Write the table of one data set."""
    by_method: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["number"]] = row
    is_twins = data.startswith("twins")
    table = []
    for method in [m for m in METHODS if m in by_method]:
        own, base = by_method[method], by_method.get(REFERENCE, {})
        cells = [mean_and_error([float(r[key]) for r in own.values()]) for key in COLUMNS]
        geometric = np.exp(np.mean([np.log(float(r["pehe_out"])) for r in own.values()]))
        common = [i for i in own if i in base]
        pairs = [[float(d[i]["pehe_out"]) for i in common] for d in (own, base)]
        cells.insert(2, f"{geometric:.3f}")
        cells.insert(3, "1" if method == REFERENCE or not common else ratio(*pairs))
        if is_twins:
            zero = by_method.get("zero effect", {})
            both = [i for i in own if i in zero]
            gains = [
                1000 * (float(own[i]["pehe_out"]) ** 2 - float(zero[i]["pehe_out"]) ** 2)
                for i in both
            ]
            cells.append(mean_and_error(gains) if both else "")
        else:
            coverage = [float(r["coverage"]) for r in own.values()]
            cells.append("" if np.isnan(coverage).all() else mean_and_error(coverage))
        seconds = np.mean([float(r["seconds"]) for r in own.values()])
        table.append([method, str(len(own)), *cells, f"{seconds:.1f}"])
    head = ["method", "runs", "sqrt-PEHE in", "sqrt-PEHE out", "geometric mean out"]
    head += [f"method / {REFERENCE}, out", "ATE error out"]
    head += ["1000 x squared error less that of zero" if is_twins else "coverage of effects, 95 %"]
    title = f"Error of individual effects, {data}"
    harness.write_table(path, title, command, [*head, "CPU seconds"], table)


COLUMNS = ("pehe_in", "pehe_out", "ate_error_out")


def summarise_hyper(rows: list[dict[str, str]], data: str, path: Any, command: str) -> None:
    """Write how learners whose weights a hypernetwork makes fare beside their plain twins."""
    errors: dict[str, dict[str, float]] = {}
    for row in rows:
        errors.setdefault(row["method"], {})[row["number"]] = float(row["pehe_out"])
    table = []
    for name in [m for m in METHODS if f"Hyper{m}" in errors and m in errors]:
        plain, hyper = errors[name], errors[f"Hyper{name}"]
        both = [[own[i] for i in plain if i in hyper] for own in (plain, hyper)]
        gain = np.subtract(*both)
        cells = [*(mean_and_error(own) for own in both), mean_and_error(gain, 4)]
        cells += [f"{gain.mean() / standard_error(gain):.1f}", ratio(*both[::-1])]
        table.append([name, str(len(gain)), *cells])
    head = ["learner", "runs", "plain", "by a hypernetwork", "plain less hyper"]
    head += ["in standard errors", "hyper / plain, geometric"]
    title = f"Weights made by a hypernetwork, sqrt-PEHE out of sample, {data}"
    harness.write_table(path, title, command, head, table)


def main() -> None:
    """Run what is missing and write the tables."""
    options = harness.arguments(
        __doc__.splitlines()[0], data="ihdp", first=1, last=10, methods="all"
    )
    chosen = METHODS if options.methods == "all" else options.methods.split(",")
    tasks = [
        {"data": options.data, "method": m, "number": i}
        for i in range(options.first, options.last + 1)
        for m in chosen
    ]
    path = options.out / "learners.csv"
    rows = harness.run(replicate, tasks, path, options.jobs)
    command = f"python examples/benchmarks/learners.py --data {options.data}"
    command += f" --first {options.first} --last {options.last}"
    command += "" if options.methods == "all" else f" --methods '{options.methods}'"
    table = f"{options.data}_{options.first}_{options.last}.md"
    summarise(rows, options.data, options.out / f"learners_{table}", command)
    if any(f"Hyper{method}" in chosen for method in chosen):
        summarise_hyper(rows, options.data, options.out / f"hyper_{table}", command)


if __name__ == "__main__":
    main()
