"""Several treatments and several outcomes: MOTTO beside other learners, tuned alike.

    python examples/benchmarks/multi_outcome.py --tune 1
    python examples/benchmarks/multi_outcome.py --replications 10
    python examples/benchmarks/multi_outcome.py --clock 3

Designs are those of ``make_multi_treatment_outcome``, of which 8,000 rows train and 20,000 judge:
``A`` (randomised), ``B`` (observational, with overlap) and ``published B`` (98 % of the rows have
an arm with a probability below .01). ``--tune`` fits every learner with the same settings to draws
that the comparison does not use, and notes those with the smallest doubly robust loss; the second
command compares the learners with the settings that were chosen for each design. ``--clock`` lets
them take turns in one process, for the table of times.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from typing import Any

import _harness as harness
import numpy as np

N_TRAIN, N_TEST, N_TUNED, N_POPULATION = 8_000, 20_000, 2_000, 300_000
DESIGNS: dict[str, dict[str, Any]] = {
    "A": {"scenario": "A"},
    "B": {"scenario": "B"},
    "published B": {"scenario": "B", "overlap": "published"},
}
FIRST_TUNED = 100  # seed of the first draw that chooses settings
COSINE = {
    "lr_schedule": "cosine",
    "lr": 0.005,
    "batch_size": 256,
    "max_epochs": 100,
    "patience": 100,
    "numeric_encoding": None,
    "weight_decay": (0.003, 0.03, 0.3),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "cosine": {**COSINE, "arm_weight_decay": 0.0},
    "cosine, arms 3": {**COSINE, "arm_weight_decay": 3.0},
    "cosine, arms 10": {**COSINE, "arm_weight_decay": 10.0},
}
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "S-learner": ("meta.SLearner", {}),
    "T-learner": ("meta.TLearner", {}),
    "TARNet": ("representation.TARNet", {}),
    "CFRNet, MMD": ("representation.CFRNet", {"ipm": "mmd"}),
    "CFRNet, Wasserstein": ("representation.CFRNet", {"ipm": "wasserstein"}),
    "DragonNet": ("representation.DragonNet", {}),
    "MMoE": ("mixture.MMoE", {}),
    "MOTTO": ("mixture.MOTTO", {}),
    "MOTTO, energy": ("mixture.MOTTO", {"alignment": "energy"}),
}
OURS = ("MOTTO", "MOTTO, energy")
PAPER = "MOTTO, sizes and training of the paper"  # for B; the weight of its alignment is 1
TRIVIAL = ("zero effect", "difference in means", "OLS by arm")


def draw(design: str, seed: int, n_test: int) -> Any:
    """Draw rows of a design, those that train in front."""
    from sklcausal.datasets import make_multi_treatment_outcome

    return make_multi_treatment_outcome(N_TRAIN + n_test, random_state=seed, **DESIGNS[design])


def ignore_overlap() -> None:
    """Leave out warnings of the overlap, which published B is known not to have."""
    from sklcausal.exceptions import OverlapWarning

    warnings.simplefilter("ignore", OverlapWarning)


def build(method: str, settings: str, **more: Any) -> Any:
    """Build a learner."""
    import importlib

    if method == PAPER:
        from sklcausal.mixture import MOTTO

        return MOTTO.from_paper(**more)
    path, own = LEARNERS[method]
    family, name = path.split(".")
    cls = getattr(importlib.import_module(f"sklcausal.{family}"), name)
    return cls(**{**SETTINGS[settings], **own, **more})


# -- settings ---------------------------------------------------------------------------------


def judge_settings(design: str, method: str, settings: str, seed: int) -> dict[str, Any]:
    """Fit a learner once, and judge its effects on held-out rows without their truth."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    from sklcausal import pack_targets
    from sklcausal.metrics import add_nuisances, make_effect_scorer

    ignore_overlap()
    data = draw(design, seed, N_TUNED)
    model = make_pipeline(StandardScaler(), PolynomialFeatures(2), RidgeCV(np.logspace(-3, 4, 8)))
    targets = add_nuisances(data.X, pack_targets(data["T"], data.y), outcome_model=model)
    begin = time.perf_counter()
    est = build(method, settings, n_folds=1, random_state=seed)
    est.fit(data.X[:N_TRAIN], targets[:N_TRAIN])
    seconds = time.perf_counter() - begin
    scorer = make_effect_scorer("dr")
    effect = est.effect(data.X[N_TRAIN:])
    return {
        "dr_loss": -scorer(est, data.X[N_TRAIN:], targets[N_TRAIN:]),
        "relative_error": relative_error(effect, data.effect[N_TRAIN:])[0],
        "seconds": seconds,
    }


def choose(rows: list[dict[str, str]]) -> dict[tuple[str, str], str]:
    """Name, for every design and method, the settings with the smallest mean loss."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        own = found.setdefault((row["design"], row["method"]), {})
        own.setdefault(row["settings"], []).append(float(row["dr_loss"]))
    return {
        key: min(own, key=lambda name: float(np.mean(own[name]))) for key, own in found.items()
    }


# -- comparison -------------------------------------------------------------------------------


def relative_error(effect: Any, truth: Any) -> tuple[float, Any]:
    """Divide sqrt-PEHE of each cell by that of no effect, and average over cells."""
    from sklcausal.metrics import root_pehe

    by_cell = [
        root_pehe(truth, guess, multioutput="raw_values")
        for guess in (effect, np.zeros_like(truth))
    ]
    ratio = by_cell[0] / by_cell[1]
    return float(ratio.mean()), ratio


def gains(data: Any, effect: Any) -> dict[str, float]:
    """Compute areas under uplift and cost curves of held-out rows, by known propensities."""
    from sklcausal.metrics import aucc_score, auuc_score, roi_score

    T, y, chance = data["T"][N_TRAIN:], data.y[N_TRAIN:], data.propensity[N_TRAIN:]
    given = {"propensity": chance}
    found = {
        "auuc_average": float(np.mean(auuc_score(T, y, effect, multiarm="each", **given))),
        "auuc_optimal": float(np.mean(auuc_score(T, y, effect, multiarm="best", **given))),
    }
    areas = []
    for arm in range(1, data.mu.shape[1]):
        # gains and costs are what the arm adds to outcomes in the sense in which it moves them
        own = np.isin(T, (0, arm))
        signs = np.sign(data.ate[arm - 1])
        value, cost = (
            own_effect * sign
            for own_effect, sign in zip(effect[own, arm - 1].T, signs, strict=True)
        )
        outcomes = y[own] * signs
        both = chance[own][:, [0, arm]]
        both = both / both.sum(axis=1, keepdims=True)
        try:
            score = roi_score(value, cost)
            columns = outcomes.T
            areas.append(aucc_score(T[own], *columns, score, propensity=both))
        except ValueError as error:
            if "must rise when everybody is targeted" not in str(error):
                raise
            areas.append(np.nan)  # by chance the rows show no gain, or no cost
    found["aucc"] = float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")
    return found


def fit_trivial(method: str, data: Any) -> tuple[Any, Any]:
    """Predict effects and outcomes without a network, shape (n_test, n_arms, n_outcomes)."""
    X, T, y = data.X[:N_TRAIN], data["T"][:N_TRAIN], data.y[:N_TRAIN]
    test, means = data.X[N_TRAIN:], []
    for arm in range(data.mu.shape[1]):
        own = T == arm
        if method == "OLS by arm":
            Z = np.column_stack([np.ones(own.sum()), X[own]])
            coef = np.linalg.lstsq(Z, y[own], rcond=None)[0]
            means.append(np.column_stack([np.ones(len(test)), test]) @ coef)
        else:
            rows = own if method == "difference in means" else np.ones_like(own)
            means.append(np.tile(y[rows].mean(axis=0), (len(test), 1)))
    mean = np.stack(means, axis=1)
    return mean[:, 1:] - mean[:, :1], mean


def replicate(design: str, method: str, settings: str, seed: int) -> dict[str, Any]:
    """Fit one method to one draw."""
    ignore_overlap()
    data = draw(design, seed, N_TEST)
    truth, T = data.effect[N_TRAIN:], data["T"][N_TRAIN:]
    coverage = score = ate_covered = float("nan")
    n_parameters = 0
    if method in TRIVIAL:
        effect, mean = fit_trivial(method, data)
    else:
        est = build(method, settings, random_state=seed)
        est.fit(data.X[:N_TRAIN], data["T"][:N_TRAIN], data.y[:N_TRAIN])
        effect = est.effect(data.X[N_TRAIN:])
        mean = est.potential_outcomes(data.X[N_TRAIN:])
        low, high = est.effect_interval(data.X[N_TRAIN:])
        coverage = float(np.mean((low <= truth) & (truth <= high)))
        miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
        size = np.sqrt((truth**2).mean(axis=0))
        score = float(np.mean((high - low + 40 * miss) / size))
        bounds = est.ate_interval()
        # rows of one seed are of one population
        centre = draw(design, seed, N_POPULATION).ate
        ate_covered = float(np.mean((bounds[0] <= centre) & (centre <= bounds[1])))
        n_parameters = count_parameters(est)
    error, cells = relative_error(effect, truth)
    residual = data.y[N_TRAIN:] - mean[np.arange(len(T)), T]
    return {
        "relative_error": error,
        **{f"cell_{a + 1}_{m}": cells[a, m] for a in range(2) for m in range(2)},
        "factual": float(np.mean(residual.var(axis=0) / data.y[N_TRAIN:].var(axis=0))),
        **gains(data, effect),
        "coverage": coverage,
        "interval_score": score,
        "ate_covered": ate_covered,
        "parameters": n_parameters,
    }


def mean_and_error(values: Any, digits: int = 3) -> str:
    """Format a mean with its standard error."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def count_known(values: list[str]) -> int:
    """Count numbers that are not NaN."""
    return int(np.isfinite(np.array(values, dtype=float)).sum())


def summarise(rows: list[dict[str, str]], out: Any, command: str) -> None:
    """Write the comparison and, against each other learner, paired differences."""
    table, paired = [], []
    for design in DESIGNS:
        own = [row for row in rows if row["design"] == design]
        by_method: dict[str, dict[str, dict[str, str]]] = {}
        for row in own:
            by_method.setdefault(row["method"], {})[row["seed"]] = row
        for method, found in by_method.items():
            columns = {
                key: [row[key] for row in found.values()] for key in next(iter(found.values()))
            }
            table.append(
                [
                    design,
                    method,
                    columns["settings"][0],
                    str(len(found)),
                    mean_and_error(columns["relative_error"]),
                    mean_and_error(np.array(columns["factual"], dtype=float) * 1000, 2),
                    mean_and_error(columns["auuc_average"]),
                    mean_and_error(columns["auuc_optimal"]),
                    f"{mean_and_error(columns['aucc'], 2)} ({count_known(columns['aucc'])})",
                    mean_and_error(columns["coverage"]),
                    mean_and_error(columns["ate_covered"], 2),
                    columns["parameters"][0],
                ]
            )
        for ours in OURS:
            for method, found in by_method.items():
                shared = sorted(set(found) & set(by_method.get(ours, {})))
                if method == ours or len(shared) < 2:
                    continue
                errors = [
                    [float(by_method[name][seed]["relative_error"]) for seed in shared]
                    for name in (ours, method)
                ]
                change = np.subtract(*errors)
                ratio = change.mean() / (change.std(ddof=1) / np.sqrt(len(change)))
                shown = [str(len(change)), mean_and_error(change, 4), f"{ratio:+.1f}"]
                paired.append([design, ours, method, *shown])
    harness.write_table(
        out / "multi_outcome.md",
        "Three treatments and two outcomes, 8,000 rows",
        command,
        [
            "design",
            "method",
            "settings",
            "runs",
            "sqrt-PEHE / zero",
            "factual loss / variance, thousandths",
            "AUUC average",
            "AUUC optimal arm",
            "AUCC (runs where value and cost rise)",
            "coverage of effects",
            "coverage of ATEs",
            "parameters",
        ],
        table,
    )
    harness.write_table(
        out / "multi_outcome_paired.md",
        "sqrt-PEHE relative to no effect, less that of others on the same draws",
        command,
        [
            "design",
            "MOTTO",
            "against",
            "runs",
            "difference of sqrt-PEHE / zero",
            "standard errors",
        ],
        paired,
    )


def clock(rows: list[dict[str, str]], out: Any, command: str) -> None:
    """Write the table of times, in units of TARNet's in the same turn."""
    seconds: dict[str, dict[str, float]] = {}
    for row in rows:
        seconds.setdefault(row["method"], {})[row["seed"]] = float(row["seconds"])
    table = []
    for method, own in seconds.items():
        ratio = [value / seconds["TARNet"][seed] for seed, value in own.items()]
        parameters = [row["parameters"] for row in rows if row["method"] == method]
        table.append([method, str(len(ratio)), mean_and_error(ratio, 2), parameters[0]])
    harness.write_table(
        out / "multi_outcome_clock.md",
        "Time of a fit with intervals, 8,000 rows of design B, in units of TARNet's",
        command,
        ["method", "runs", "time / TARNet", "parameters of a network"],
        table,
    )


def time_fit(method: str, settings: str, seed: int) -> dict[str, Any]:
    """Fit a learner with the settings that were chosen for design B."""
    ignore_overlap()
    data = draw("B", seed, 1)
    est = build(method, settings, random_state=seed)
    begin = time.perf_counter()
    est.fit(data.X[:N_TRAIN], data["T"][:N_TRAIN], data.y[:N_TRAIN])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "parameters": count_parameters(est)}


def count_parameters(est: Any) -> int:
    """Count the parameters of one network."""
    body = est.theta_net_.ensemble.module.body
    return sum(p[0].numel() for p in body.parameters())


def main() -> None:
    """Run what is missing and write the tables."""
    options = harness.arguments(
        __doc__.splitlines()[0], replications=10, tune=0, clock=0, methods=""
    )
    methods = [name.strip() for name in options.methods.split(";") if name] or list(LEARNERS)
    path = options.out / "multi_outcome_settings.csv"
    if options.tune:
        tasks = [
            {"design": design, "method": method, "settings": settings, "seed": FIRST_TUNED + k}
            for k in range(options.tune)
            for design in DESIGNS
            for method in methods
            for settings in SETTINGS
        ]
        rows = harness.run(judge_settings, tasks, path, options.jobs)
        chosen = choose(rows)
        head = ["design", "method", "settings chosen", "draws"]
        harness.write_table(
            options.out / "multi_outcome_settings.md",
            "Settings with the smallest doubly robust loss",
            f"python examples/benchmarks/multi_outcome.py --tune {options.tune}",
            head,
            [
                [design, method, name, str(options.tune)]
                for (design, method), name in chosen.items()
            ],
        )
        return
    chosen = choose(harness.read(path))
    if options.clock:
        tasks = [
            {"method": method, "settings": chosen["B", method], "seed": seed}
            for seed in range(options.clock)
            for method in methods
        ]
        # one process, or the fits would slow each other down
        rows = harness.run(time_fit, tasks, options.out / "multi_outcome_clock.csv", jobs=1)
        command = f"python examples/benchmarks/multi_outcome.py --clock {options.clock}"
        clock(rows, options.out, command)
        return
    tasks = [
        {"design": design, "method": method, "settings": settings, "seed": seed}
        for seed in range(options.replications)
        for design in DESIGNS
        for method, settings in [
            *((name, "") for name in TRIVIAL),
            *((name, chosen[design, name]) for name in methods),
            (PAPER, ""),
        ]
    ]
    rows = harness.run(replicate, tasks, options.out / "multi_outcome.csv", options.jobs)
    command = f"python examples/benchmarks/multi_outcome.py --replications {options.replications}"
    summarise(rows, options.out, command)


if __name__ == "__main__":
    main()
