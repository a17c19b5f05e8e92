"""Time of metrics and scorers, each as a ratio to a reference that runs beside it.

    python examples/benchmarks/metric_speed.py

Medians of runs in turn. The Qini curve of a million rows against one ``np.argsort`` with four
cumulative sums; fifty candidates scored on a fold of 2,000 rows against one cross-fit of the
nuisances and fifty predictions, without anything remembered from before.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _harness import arguments, write_table


def in_turn(
    first: Callable[[int], Any], second: Callable[[int], Any], repeats: int
) -> list[np.ndarray]:
    """Return the seconds of two functions of the repeat that run in turn, after one run each."""
    times: list[list[float]] = [[], []]
    for repeat in range(repeats + 1):
        for own, function in zip(times, (first, second), strict=True):
            begin = time.perf_counter()
            function(repeat)
            if repeat:
                own.append(time.perf_counter() - begin)
    return [np.array(own) for own in times]


def qini(repeats: int) -> list[np.ndarray]:
    """Time the Qini curve of a million rows."""
    from sklcausal.metrics import qini_curve

    rng = np.random.default_rng(0)
    T, y, score = rng.integers(0, 2, 10**6), rng.integers(0, 2, 10**6), rng.normal(size=10**6)

    def reference(_: int) -> None:
        order = np.argsort(score)
        t, outcome = T[order], y[order]
        for values in (t, 1 - t, t * outcome, (1 - t) * outcome):
            np.cumsum(values)

    return in_turn(lambda _: qini_curve(T, y, score), reference, repeats)


def scoring(repeats: int) -> list[np.ndarray]:
    """Time fifty candidates, whose nuisances are cross-fitted for the first of them."""
    from sklcausal import pack_targets
    from sklcausal.datasets import make_confounded
    from sklcausal.metrics import cross_fit_nuisances, make_effect_scorer
    from sklcausal.representation import TARNet

    data = make_confounded(3000, random_state=0)
    est = TARNet(n_folds=1, max_epochs=5, random_state=0).fit(data.X, data["T"], data.y)
    X, T, y = data.X[:2000], data["T"][:2000], data.y[:2000]

    def score(repeat: int) -> None:
        shifted = y + repeat  # other content, so that nothing is remembered from the last repeat
        targets, scorer = pack_targets(T, shifted), make_effect_scorer("dr")
        for _ in range(50):
            scorer(est, X, targets)

    def reference(_: int) -> None:
        cross_fit_nuisances(X, T, y)
        for _ in range(50):
            est.predict(X)

    return in_turn(score, reference, repeats)


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=15)
    warnings.simplefilter("ignore")
    rows = []
    for name, aim, (own, reference) in (
        ("qini_curve, 1,000,000 rows / argsort and sums", 1.5, qini(options.repeats)),
        ("50 candidates scored / nuisances and 50 predictions", 1.2, scoring(options.repeats)),
    ):
        ratios = own / reference
        error = ratios.std(ddof=1) / np.sqrt(len(ratios))
        rows.append(
            [
                name,
                str(len(own)),
                f"{np.median(own) / np.median(reference):.2f}",
                f"{ratios.mean():.2f} ± {error:.2f}",
                f"{aim:g}",
            ]
        )
    write_table(
        options.out / "metric_speed.md",
        "Time of metrics and scorers",
        "python examples/benchmarks/metric_speed.py",
        ["what", "runs", "ratio of medians", "mean ratio", "aim"],
        rows,
    )


if __name__ == "__main__":
    main()
