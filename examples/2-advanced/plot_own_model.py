"""
A demand model of your own: orange juice
========================================

How much less orange juice is bought when its price rises by one percent, and what markup follows?
28,947 store-weeks of three brands, with prices and whether a brand was advertised that week. A
regression of log sales on log price and brand gives an elasticity of -3.14 that is the same for
everybody (M. Taddy, *Business Data Science*, 2019).

Here the model is written by hand: a normal law of log sales whose level, elasticity and spread
differ by brand and advertising, as its likelihood in a few lines of torch.

The data must be on this machine; see `fetch_oj`. The script runs in about a minute.
"""

# SPDX-License-Identifier: BSD-3-Clause

# %%
# The model
# ---------
#
# A model is written for one row: numbers go in, and the loss comes out as a number. Networks give
# ``theta`` for every row; gradients and Hessians are computed for you.

import sys

import numpy as np
import torch

from sklcausal.datasets import DatasetNotAvailableError, fetch_oj
from sklcausal.structural import StructuralModel, StructuralNet


class Demand(StructuralModel):
    """Log sales are normal, with a level, a price elasticity and a spread of their own."""

    n_params = 3

    def loss(self, y, t, theta):
        """Return the negative log-likelihood."""
        error = (y - theta[0] - theta[1] * t) * torch.exp(-theta[2])
        return 0.5 * error**2 + theta[2]

    def mean(self, theta, t):
        """Return expected log sales at log price t."""
        return theta[0] + theta[1] * t

    def param_names(self, treatments, outcomes):
        """Name the parameters."""
        return ["level", "elasticity", "log spread"]


# %%
# Fit
# ---

try:
    data = fetch_oj()
except DatasetNotAvailableError as error:
    sys.exit(f"This example needs a data set that is not here. {error}")

est = StructuralNet(model=Demand(), treatment_type="dose", batch_size=256, random_state=0)
est.fit(data.X, data["T"], data.y)
print(f"Expected Hessian by: {est.hessian_method_}")

# %%
# Elasticities, and what follows from them
# ----------------------------------------
#
# A seller who faces elasticity e and maximises profit takes a margin of -1/e of the price. That is
# a nonlinear function of a parameter, so the average of it is not the value at the average.

brand, advertised = data.brand, data.X[:, data.feature_names.index("feat")] == 1
result = est.estimate(
    {
        "price elasticity": lambda theta: theta[1],
        "margin, share of the price": lambda theta: -1 / theta[1],
    }
)
print(result.summary())
groups = np.char.add(brand.astype(str), np.where(advertised, ", advertised", ""))
by_group = est.estimate({"elasticity": lambda theta: theta[1]}, by=groups)
print(by_group.summary())


def least_squares(*columns):
    """Return the slope of log sales on log price, beside brands and further columns."""
    brands = [brand == name for name in np.unique(brand)]
    design = np.column_stack([data["T"], *brands, *columns]).astype(float)
    return np.linalg.lstsq(design, data.y, rcond=None)[0][0]


plain, adjusted = least_squares(), least_squares(advertised)
print("\nPrice elasticity")
print(f"  least squares with brands, computed here   {plain:.2f}  (published -3.14)")
print(f"  least squares with brands and advertising  {adjusted:.2f}")
print(f"  average of this model                      {result.estimate[0]:.2f}")

# %%
# Look
# ----
#
# Elasticities of the brands, with and without advertising, and joint 95 % intervals.

import matplotlib.pyplot as plt

low, high = by_group.conf_int(simultaneous=True)
at = np.arange(len(low))
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
middle = by_group.estimate
ax.errorbar(middle, at, xerr=[middle - low, high - middle], fmt="o", color="#0072B2", capsize=3)
ax.axvline(adjusted, color="#D55E00", linestyle="--", label="least squares, one for all")
ax.set(
    xlabel="Price elasticity of sales, with joint 95 % intervals",
    yticks=at,
    yticklabels=np.unique(groups),
)
ax.legend(frameon=False)
fig.savefig("own_model.png", dpi=150)
print("\nThe picture is in own_model.png")
