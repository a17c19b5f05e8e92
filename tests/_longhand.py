"""Activations in NumPy."""

# SPDX-License-Identifier: BSD-3-Clause

import numpy as np


def silu(x):
    return x / (1 + np.exp(-x))


def silu_or_growth(x):
    """Apply 'silu_exp' before an outcome: even units grow exponentially, straight beyond 3."""
    grown = np.where(x < 3, np.expm1(np.minimum(x, 3)), np.exp(3) * (x - 2) - 1)
    return np.where(np.arange(x.shape[-1]) % 2 == 0, grown, silu(x))
