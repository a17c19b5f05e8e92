"""
Five letters and an election
============================

Before a primary election in Michigan in 2006, households drew a lot: no letter, or one of four.
The letters spoke of civic duty, said that turnout is being studied ("Hawthorne"), listed whether
the people of the household had voted before ("self"), or the neighbours as well ("neighbors").
Gerber, Green and Larimer published the turnout of each group.

One hypernetwork makes the heads of all five arms, so that every household helps to train each of
them. Households, not people, drew the lot: they are clusters.

The data must be on this machine; see `fetch_social_pressure`. The script runs in about a minute.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# A sample of households
# ----------------------

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklcausal.datasets import DatasetNotAvailableError, fetch_social_pressure
from sklcausal.hyper import HyperTARNet

try:
    study = fetch_social_pressure()
except DatasetNotAvailableError as error:
    print(error)
    sys.exit(0)

names = np.array(["control", "civic duty", "Hawthorne", "self", "neighbors"])
rng = np.random.default_rng(0)
rows = np.isin(study.household, rng.choice(study.household.max() + 1, 20_000, replace=False))
X, T, y, household = study.X[rows], names[study["T"][rows]], study.y[rows], study.household[rows]

# %%
# Fit
# ---
#
# The lot is known: one household in nine got each letter, and five in nine none. Folds keep
# households together, and standard errors sum within them.

share = np.array([5, 1, 1, 1, 1]) / 9
est = HyperTARNet(
    treatments=names,
    control="control",
    n_folds=3,
    weight_decay=3.0,
    batch_size=512,
    max_epochs=30,
    random_state=0,
)
est.fit(X, T, y, propensity=np.tile(share, (len(T), 1)), cluster=household)
print(est.estimate())

# %%
# Compare with what is published
# ------------------------------
#
# The table of the paper has the turnout of all 344,084 people, in percent.

published = np.array([29.7, 31.5, 32.2, 34.5, 37.8])
turnout = est.dose_response(names)
low, high = (100 * end for end in turnout.conf_int())
print("\nTurnout in percent      published   here, from the sample")
for i, name in enumerate(names):
    print(f"  {name:20}  {published[i]:7.1f}   {100 * turnout.estimate[i]:5.1f}", end="")
    print(f"  [{low[i]:.1f}, {high[i]:.1f}]")

# %%
# Who is moved?
# -------------
#
# The effect of each letter in groups by how often people had voted in the six elections before.

votes = study.X[rows][:, 2:8].sum(axis=1).astype(int)
votes = np.minimum(votes, 5)
groups = est.estimate(by=votes).to_frame()
print(groups.round(3))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
places = np.arange(len(names))
error = [100 * turnout.estimate - low, high - 100 * turnout.estimate]
axes[0].errorbar(places, 100 * turnout.estimate, error, fmt="o", capsize=3, label="sample, 95 %")
axes[0].plot(places, published, "D", mfc="none", color="k", label="published, everybody")
axes[0].set_xticks(places, names, rotation=20)
axes[0].set_ylabel("turnout, %")
axes[0].legend(frameon=False)
effect, counts = 100 * est.effect(X), np.unique(votes)
axes[1].set_xticks(counts, [*counts[:-1], "5 or 6"])
for arm, name in enumerate(names[1:]):
    by_votes = [effect[votes == v, arm].mean() for v in counts]
    axes[1].plot(counts, by_votes, marker="os^D"[arm], label=name)
axes[1].axhline(0, color="0.7", lw=0.8)
axes[1].set_xlabel("elections voted in before, of six")
axes[1].set_ylabel("effect on turnout, points")
axes[1].legend(frameon=False)
figure.suptitle("Social pressure and turnout")
plt.show()
