"""Every difference between supported versions of scikit-learn, each bridged once."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.utils.fixes import parse_version

OWN_FRAMES = parse_version(sklearn.__version__) >= parse_version("1.9")


class _NamedArray(np.ndarray):
    """An array that tells its column names through the interchange protocol of frames."""

    names: list[str]

    def __dataframe__(self) -> _NamedArray:
        return self

    def column_names(self) -> list[str]:
        return self.names


def with_readable_names(X: Any) -> Any:
    """Let scikit-learn below 1.9 read the column names of polars 2.

    It asks for them by the interchange protocol, which polars 2 has dropped.

    Parameters
    ----------
    X : array-like or frame

    Returns
    -------
    array-like or frame
        X itself, unless it is a polars frame that this scikit-learn cannot read.
    """
    is_polars = type(X).__module__.startswith("polars") and hasattr(X, "columns")
    if OWN_FRAMES or not is_polars or hasattr(X, "__dataframe__"):
        return X
    named = X.to_numpy().view(_NamedArray)
    named.names = list(X.columns)
    return named
