"""
Choosing among models when nobody sees an effect
================================================

A model that predicts outcomes best need not know effects best. Here four estimators are compared
on data that were simulated, so that the truth can be looked up at the end: by how well they
predict outcomes, by a doubly robust loss, and by what their ranking of people is worth.

The script runs in about half a minute.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data and candidates
# -------------------
#
# Treated people differ from others, and the effect varies. The last thousand rows are kept aside,
# with their true effects, for the verdict.

import matplotlib.pyplot as plt
from sklearn.model_selection import cross_validate

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded
from sklcausal.inspection import CalibrationDisplay, UpliftCurveDisplay
from sklcausal.meta import SLearner, TLearner
from sklcausal.metrics import add_nuisances, cross_fit_nuisances, make_effect_scorer, root_pehe
from sklcausal.model_selection import TreatmentStratifiedKFold
from sklcausal.representation import TARNet

data = make_confounded(3000, random_state=0)
train, test = slice(0, 2000), slice(2000, 3000)
X, T, y = data.X[train], data["T"][train], data.y[train]

cheap = {"n_folds": 1, "random_state": 0}
candidates = {
    "S-learner, strong decay": SLearner(weight_decay=3.0, **cheap),
    "S-learner": SLearner(weight_decay=0.3, **cheap),
    "T-learner": TLearner(weight_decay=0.3, **cheap),
    "TARNet": TARNet(weight_decay=1.0, **cheap),
}

# %%
# Scores without the truth
# ------------------------
#
# `add_nuisances` predicts mean outcomes and propensities of everybody by boosting, from rows other
# than their own, and packs them with the targets. Scorers read them there, so that all candidates
# are judged by the same pseudo-outcomes. "factual" is the candidate's own score of outcomes.

targets = add_nuisances(X, pack_targets(T, y), random_state=0)
scoring = {name: make_effect_scorer(name) for name in ("factual", "dr", "r", "qini")}
folds = TreatmentStratifiedKFold(5, random_state=0)

rows = {}
for name, candidate in candidates.items():
    scores = cross_validate(candidate, X, targets, scoring=scoring, cv=folds)
    error = root_pehe(data.effect[test], candidate.fit(X, targets).effect(data.X[test]))
    rows[name] = [*(scores[f"test_{key}"].mean() for key in scoring), error]

print(f"{'':<24}" + "".join(f"{key:>10}" for key in [*scoring, "sqrt-PEHE"]))
for name, row in rows.items():
    print(f"{name:<24}" + "".join(f"{value:10.3f}" for value in row))

# %%
# The larger a score the better; the error in the last column is what nobody can compute from real
# data.

chosen = max(rows, key=lambda name: rows[name][1])
print(f"the doubly robust loss chooses: {chosen}")

# %%
# Looking at the choice
# ---------------------
#
# On rows that no candidate has seen: does treating those with the largest predictions pay
# (left), and are predictions as large as effects (right)?

X_test, T_test, y_test = data.X[test], data["T"][test], data.y[test]
nuisances = cross_fit_nuisances(X_test, T_test, y_test, random_state=0)
fitted = {name: candidates[name] for name in ("S-learner, strong decay", chosen)}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
UpliftCurveDisplay.from_predictions(
    T_test,
    y_test,
    {name: est.effect(X_test) for name, est in fitted.items()},
    kind="gain",
    oracle=data.effect[test],
    ax=left,
    **nuisances,
)
CalibrationDisplay.from_predictions(
    T_test, y_test, candidates[chosen].effect(X_test), ax=right, **nuisances
)
plt.show()
