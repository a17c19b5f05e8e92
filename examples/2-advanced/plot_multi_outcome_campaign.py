"""
One campaign, three outcomes, one budget
========================================

An e-mail moves visits, purchases and sales at once. One mixture of experts answers for all three
outcomes of all three arms of Hillstrom's campaign: how each arm moves each outcome, what a
customer who was sent an e-mail brings after its price, and who should get which e-mail when only
so many can be sent.

The data must be on this machine; see `fetch_hillstrom`. The script runs in about two minutes.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# Three arms, randomised; visit, conversion and spend
# ---------------------------------------------------

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklcausal.datasets import DatasetNotAvailableError, fetch_hillstrom
from sklcausal.inspection import BudgetDisplay, UpliftCurveDisplay
from sklcausal.metrics import aucc_score, roi_score
from sklcausal.mixture import MOTTO
from sklcausal.model_selection import BudgetedPolicy

try:
    data = fetch_hillstrom("all")
except DatasetNotAvailableError as error:
    print(error)
    sys.exit(0)

T = np.array(["none", "men's", "women's"])[data["T"]]
outcomes = pd.DataFrame(data.y, columns=data.target_name)
X, X_test, T, T_test, y, y_test = train_test_split(
    data.X, T, outcomes, test_size=0.5, stratify=T, random_state=0
)

# %%
# Effects of both e-mails on all outcomes
# ---------------------------------------
#
# Visits and conversions are binary, spend is in dollars. Nobody buys without a visit, which the
# network is told.

est = MOTTO(
    control="none",
    funnel=[("visit", "conversion")],
    weight_decay=3.0,
    batch_size=512,
    lr=1e-3,
    random_state=0,
)
est.fit(X, T, y, propensity=np.full((len(T), 3), 1 / 3))
print(est.estimate())

# the arms were drawn by lot, so that differences in means are right, too
for arm in ("men's", "women's"):
    print(arm, (y[T == arm].mean() - y[T == "none"].mean()).round(4).to_dict())

weights = pd.DataFrame(
    est.expert_weights(X_test).mean(axis=0).reshape(9, -1),
    index=pd.MultiIndex.from_product([est.treatments_, est.outcome_names_]),
    columns=est.expert_names_out_,
)
print(weights.round(2))

# %%
# What an e-mail brings after its price
# -------------------------------------
#
# Any function of the means of all cells has an interval, since the influence values of all cells
# are known together: here a margin of 40 % on sales, less 10 cents for the e-mail and 5 cents for
# each visit.

men, none, women = range(3)  # arms in sorted order
visit, conversion, spend = range(3)


def profit(arm, price):
    """Write the profit of an arm as a function of the means of all cells."""
    return lambda mean: 0.4 * mean[arm, spend] - 0.05 * mean[arm, visit] - price


profits = {"none": profit(none, 0.0), "men's": profit(men, 0.1), "women's": profit(women, 0.1)}
print(est.estimate(profits, of="means"))

# %%
# Purchases for visits: a cost curve
# ----------------------------------
#
# Who buys without taking up the shop's time? People are ranked by predicted purchases per
# predicted visit; the area under the cost curve is a half for a ranking by lot. With so few
# purchases, one in a hundred, the curve hardly leaves the diagonal; dollars are noisier still.

effect = est.effect(X_test)
arms = {"treatments": est.treatments_, "control": est.control_}
score = roi_score(effect[:, :, conversion], effect[:, :, visit])
print("AUCC:", aucc_score(T_test, y_test["conversion"], y_test["visit"], score, **arms))

# %%
# E-mails for half of the people
# ------------------------------
#
# Each e-mail costs one, visits are wanted, and the budget is half an e-mail per person. The price
# says how many visits one more e-mail would bring, at the margin. Value and cost are estimated on
# the half that nothing was fitted to, and compared with e-mails about men's clothes by lot.

policy = BudgetedPolicy(
    FrozenEstimator(est), budget=0.5, value="visit", costs={"men's": 1, "women's": 1}
)
policy.fit(X, T, y)
share = np.full((len(T_test), 3), 1 / 3)
print(policy.evaluate(X_test, T_test, y_test, propensity=share))
lot = np.where(np.random.default_rng(0).random(len(T_test)) < 0.5, "men's", "none")
print(policy.evaluate(X_test, T_test, y_test, propensity=share, baseline=lot))
print("visits by one more e-mail:", round(policy.price_, 3))
shares = dict(zip(policy.treatments_.tolist(), policy.arm_shares_.tolist(), strict=True))
print({arm: round(own, 2) for arm, own in shares.items()})

figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
UpliftCurveDisplay.from_predictions(
    T_test,
    y_test["conversion"].to_numpy(),
    kind="cost",
    cost=y_test["visit"].to_numpy(),
    effect=score,
    ax=axes[0],
    **arms,
)
BudgetDisplay.from_estimator(
    policy, X_test, T_test, y_test, propensity=share, name="MOTTO", ax=axes[1]
)
plt.show()
