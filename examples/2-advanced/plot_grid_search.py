"""
Searching settings by a score of effects
========================================

scikit-learn's searches work on effect estimators unmodified: treatments and outcomes travel as one
packed target, folds are stratified by arm, and the score judges effects in place of outcomes.

The script runs in under a minute.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# A grid
# ------
#
# ``n_folds=1`` trains one network without what intervals need, which is cheap for searches.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.datasets import make_confounded
from sklcausal.metrics import add_nuisances, make_effect_scorer, root_pehe
from sklcausal.model_selection import TreatmentStratifiedKFold, make_effect_pipeline
from sklcausal.representation import TARNet

data = make_confounded(2000, random_state=1)
X, T, y = data.X, data["T"], data.y
targets = add_nuisances(X, pack_targets(T, y), random_state=0)

pipeline = make_effect_pipeline(StandardScaler(), TARNet(n_folds=1, random_state=0))
grid = {
    "tarnet__numeric_encoding": [None, "piecewise_linear"],
    "tarnet__weight_decay": [0.3, 1.0, 3.0],
}
search = GridSearchCV(
    pipeline,
    grid,
    scoring=make_effect_scorer("dr"),
    cv=TreatmentStratifiedKFold(3, random_state=0),
    n_jobs=2,
)
search.fit(X, targets)
print("grid:", search.best_params_)

# %%
# Halving
# -------
#
# Successive halving gives every setting few epochs, keeps the better third, and gives those three
# times as many.

halving = HalvingGridSearchCV(
    pipeline,
    grid,
    scoring=make_effect_scorer("dr"),
    cv=TreatmentStratifiedKFold(3, random_state=0),
    resource="tarnet__max_epochs",
    min_resources=20,
    max_resources=180,
    random_state=0,
)
halving.fit(X, targets)
print("halving:", halving.best_params_)

# %%
# With intervals
# --------------
#
# The chosen settings are fitted once more with five folds; the truth of the simulation tells what
# the search was worth.

settings = {name.removeprefix("tarnet__"): value for name, value in search.best_params_.items()}
best = make_effect_pipeline(StandardScaler(), TARNet(random_state=0, **settings)).fit(X, T, y)
print("average effect:", best.ate_interval())

scores = search.cv_results_["mean_test_score"]
errors = [
    root_pehe(data.effect, pipeline.set_params(**params).fit(X, targets).effect(X))
    for params in search.cv_results_["params"]
]
figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
ax.plot(-scores, errors, "o", color="#0072B2")
for score, error, params in zip(scores, errors, search.cv_results_["params"], strict=True):
    bins = "raw" if params["tarnet__numeric_encoding"] is None else "bins"
    ax.annotate(
        f"{bins}, {params['tarnet__weight_decay']:g}",
        (-score, error),
        xytext=(6, 3),
        textcoords="offset points",
        fontsize=8,
    )
ax.set_xlabel("Doubly robust loss in cross-validation\n(squared outcome units)")
ax.set_ylabel("Error of the effects, sqrt-PEHE\n(outcome units, unknown in real data)")
ax.spines[["top", "right"]].set_visible(False)
ax.margins(x=0.15)
plt.show()
print("sqrt-PEHE of the choice:", round(errors[int(np.argmax(scores))], 3))
