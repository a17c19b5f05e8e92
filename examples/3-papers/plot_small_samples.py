"""
Few rows: networks and their twins
==================================

HyperITE (Chauhan et al., AISTATS 2024) makes the weights of all arms by one hypernetwork, so that
every row trains them all, and claims that this helps most where rows are few. Here a plain
learner and its twin are fitted to samples of growing size from a design with a known effect, and
the errors of their effects are compared, draw by draw.

The published tables are not available, so that the claim is tested on our own: see
``docs/benchmarks`` for IHDP, ACIC 2016 and Twins. The script runs in about two minutes.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# Fit each pair to the same rows
# ------------------------------

import matplotlib.pyplot as plt
import numpy as np

from sklcausal.datasets import make_confounded
from sklcausal.hyper import HyperTARNet, HyperTLearner
from sklcausal.meta import TLearner
from sklcausal.metrics import root_pehe
from sklcausal.representation import TARNet

PAIRS = {"T-learner": (TLearner, HyperTLearner), "TARNet": (TARNet, HyperTARNet)}
SIZES = (100, 250, 500, 1000)
N_DRAWS = 5

test = make_confounded(2000, random_state=1000)
errors = {name: np.empty((2, len(SIZES), N_DRAWS)) for name in PAIRS}
for i, n in enumerate(SIZES):
    for draw in range(N_DRAWS):
        data = make_confounded(n, random_state=draw)
        for name, pair in PAIRS.items():
            for j, cls in enumerate(pair):
                est = cls(n_folds=2, max_epochs=100, random_state=draw)
                est.fit(data.X, data["T"], data.y)
                errors[name][j, i, draw] = root_pehe(test.effect, est.effect(test.X))

# %%
# Compare
# -------
#
# Ratios below 1 say that the twin does better.

for name, found in errors.items():
    logs = np.log(found[1] / found[0])
    centre, error = np.exp(logs.mean(axis=1)), logs.std(axis=1, ddof=1) / np.sqrt(N_DRAWS)
    shown = ", ".join(f"{r:.2f} ± {e:.2f}" for r, e in zip(centre, error, strict=True))
    print(f"{name}, twin / plain at n = {SIZES}: {shown}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, (name, found) in zip(axes, errors.items(), strict=True):
    for own, label, marker in zip(found, ("plain", "hypernetwork"), "os", strict=True):
        half = 1.96 * own.std(axis=1, ddof=1) / np.sqrt(N_DRAWS)
        ax.errorbar(SIZES, own.mean(axis=1), half, marker=marker, capsize=3, label=label)
    ax.axhline(test.effect.std(), color="0.6", lw=0.8, label="the average effect for everybody")
    ax.set_xscale("log")
    ax.set_xticks(SIZES, [str(n) for n in SIZES])
    ax.minorticks_off()
    ax.set_xlabel("rows")
    ax.set_title(name)
axes[0].set_ylabel("root mean squared error of effects")
axes[0].legend(frameon=False)
plt.show()
