"""
Which e-mail, to whom? Hillstrom's campaign
===========================================

64,000 customers were sent, at random, an e-mail about men's clothes, one about women's, or none,
and the shop counted who visited. On average both e-mails bring visits. Does it pay to choose who
gets which?

The data must be on this machine; see `fetch_hillstrom`. The script runs in about a minute.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# Three arms, randomised
# ----------------------

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklcausal.datasets import DatasetNotAvailableError, fetch_hillstrom
from sklcausal.inspection import CalibrationDisplay, PolicyDisplay, UpliftCurveDisplay
from sklcausal.metrics import cross_fit_nuisances, policy_value, qini_score, rate
from sklcausal.representation import TARNet

try:
    data = fetch_hillstrom("visit")
except DatasetNotAvailableError as error:
    print(error)
    sys.exit(0)

T = np.array(["no e-mail", "men's e-mail", "women's e-mail"])[data["T"]]
X, X_test, T, T_test, y, y_test = train_test_split(
    data.X, T, data.y, test_size=0.5, stratify=T, random_state=0
)

# %%
# Fit to one half, judge on the other
# -----------------------------------
#
# The arms were drawn with known probabilities, which the estimator is told.

est = TARNet(control="no e-mail", weight_decay=3.0, batch_size=512, lr=1e-3, random_state=0)
est.fit(X, T, y, propensity=np.full((len(T), 3), 1 / 3))
print(est.estimate())

effect = est.effect(X_test)
arms = {"treatments": est.treatments_, "control": est.control_}
share = np.full((len(T_test), 3), 1 / 3)

# %%
# Does the ranking tell?
# ----------------------
#
# The Qini score is the area between targeting by predicted effects and at random. The
# rank-weighted average effect says the same with a standard error: doubly robust scores rest on
# boosting that has not seen the row.

nuisances = dict(
    cross_fit_nuisances(X_test, T_test, y_test, propensity=share, treatments=est.treatments_)
)
print("Qini score, visits per person:", qini_score(T_test, y_test, effect, **arms))
print(rate(T_test, y_test, effect, target="qini", **nuisances, **arms))

# %%
# What is a policy worth?
# -----------------------
#
# Everybody gets the e-mail with the largest predicted effect, here about men's clothes for all:
# the rankings above tell whom to leave out, if e-mails cost something, and not whom to send which.

best = policy_value(T_test, y_test, effect=effect, baseline="women's e-mail", **nuisances, **arms)
print(best)

# %%
# Pictures
# --------

given = {"effect": effect, **nuisances, **arms}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
UpliftCurveDisplay.from_predictions(T_test, y_test, kind="qini", ax=axes[0], effect=effect, **arms)
UpliftCurveDisplay.from_predictions(
    T_test, y_test, kind="gain", multiarm="best", ax=axes[1], **given
)
CalibrationDisplay.from_predictions(T_test, y_test, **given)
PolicyDisplay.from_predictions(T_test, y_test, **given)
plt.show()
