"""A small study, and an estimator that fits it in a moment."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np
import pandas as pd

from sklcausal.representation import TARNet

N = 100
RNG = np.random.RandomState(0)
X = RNG.normal(size=(N, 3))
T = RNG.randint(0, 2, N)
Y = X[:, 0] + T + RNG.normal(size=N)
NAMED = np.where(T == 1, "drug", "ctl")
ARMS = np.array(["a", "b", "c"])[np.arange(N) % 3]
DOSE = X[:, 0] + RNG.normal(size=N)
FRAME = pd.DataFrame(X, columns=["age", "dose", "size"])
TINY = {
    "max_epochs": 2,
    "n_folds": 2,
    "representation_widths": (8,),
    "head_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 1.0,
    "random_state": 0,
}


def tiny(**params):
    return TARNet(**{**TINY, **params})


def put(values, at, value, dtype=float):
    values = np.array(values, dtype=dtype)
    values[at] = value
    return values
