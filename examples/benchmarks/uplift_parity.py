"""Compare Qini and uplift areas with scikit-uplift's and causalml's, and RATE with grf's.

    pip install scikit-uplift causalml
    python examples/benchmarks/uplift_parity.py

Twenty random data sets each; the largest difference is reported. grf's example is the one that
its own tests freeze; its standard errors are those of 200 half samples.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import warnings

import numpy as np
from _harness import arguments, versions, write_table

N_SETS = 20
GRF_Y = [7.2, 4.3, -1.1, -1.9, -3.7, 1.7, 0.4, -0.8, 0.2, -2.4, -2.6, 2.7, -1.1, 0.3, 0.5, -2.4]
GRF_Y += [-2.9, 0.2, -2.1, -0.1, -0.1, -4, -5.9, -3.3, 1.8]
GRF_W = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1])


def draw(seed: int) -> tuple[np.ndarray, ...]:
    """Return arms, outcomes of 0 and 1, continuous outcomes, and scores with and without ties."""
    rng = np.random.default_rng(seed)
    x, T = rng.normal(size=1000), rng.integers(0, 2, 1000)
    y = (rng.random(1000) < 0.3 + 0.2 * T * (x > 0)).astype(int)
    score = x + rng.normal(size=1000)
    return T, y, y + rng.normal(size=1000), np.round(score, 1), score


def main() -> None:
    options = arguments(__doc__.splitlines()[0])
    warnings.simplefilter("ignore")
    import pandas as pd
    from causalml.metrics import auuc_score as causalml_auuc
    from causalml.metrics import qini_score as causalml_qini
    from sklift.metrics import qini_auc_score, uplift_auc_score

    from sklcausal.metrics import auuc_score, qini_score, rate

    worst = np.zeros(6)
    for seed in range(N_SETS):
        T, y, amount, tied, score = draw(seed)
        found = [
            qini_score(T, y, tied, normalize="perfect") - qini_auc_score(y, tied, T),
            auuc_score(T, y, tied, normalize="perfect") - uplift_auc_score(y, tied, T),
        ]
        for outcome in (y, amount):
            frame = pd.DataFrame({"y": outcome, "w": T, "score": score})
            found += [
                qini_score(T, outcome, score, normalize="total") - causalml_qini(frame)["score"],
                auuc_score(T, outcome, score, normalize="total") - causalml_auuc(frame)["score"],
            ]
        worst = np.maximum(worst, np.abs(found))
    names = [
        "scikit-uplift, Qini, 0/1 outcomes, ties",
        "scikit-uplift, uplift, 0/1 outcomes, ties",
        "causalml, Qini, 0/1 outcomes",
        "causalml, uplift, 0/1 outcomes",
        "causalml, Qini, continuous outcomes",
        "causalml, uplift, continuous outcomes",
    ]
    table = [[name, str(N_SETS), f"{gap:.1e}"] for name, gap in zip(names, worst, strict=True)]
    result = rate(
        GRF_W,
        GRF_Y,
        1.0 * GRF_W,
        outcome_mean=np.zeros((25, 2)),
        propensity=np.full(25, 0.5),
        n_bootstrap=2000,
    )
    gap = abs(result.estimate[0] + 0.84766553531391)
    table.append(["grf, RATE, its frozen example", "1", f"{gap:.1e}"])
    ratio = result.std_error[0] / 0.571871384204182 - 1
    table.append(["grf, standard error of the same, relative", "1", f"{abs(ratio):.1e}"])
    write_table(
        options.out / "uplift_parity.md",
        f"Largest difference to other packages ({versions('scikit-uplift', 'causalml')})",
        "python examples/benchmarks/uplift_parity.py",
        ["compared with", "data sets", "largest difference"],
        table,
    )


if __name__ == "__main__":
    main()
