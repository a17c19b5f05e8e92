"""Make data frames in the library that the user works with."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np


def library_of(X: Any) -> str:
    """Name the library of a frame.

    Parameters
    ----------
    X : object

    Returns
    -------
    {'pandas', 'polars'}
        'pandas' for anything but a polars frame.
    """
    return "polars" if type(X).__module__.startswith("polars") else "pandas"


def make_frame(columns: dict[str, np.ndarray], library: str) -> Any:
    """Put columns into a data frame.

    Parameters
    ----------
    columns : dict of str to ndarray of shape (n,)
    library : {'pandas', 'polars'}

    Returns
    -------
    DataFrame

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    try:
        if library == "polars":
            import polars

            return polars.DataFrame(
                {k: v.tolist() if v.dtype == object else v for k, v in columns.items()}
            )
        import pandas

        return pandas.DataFrame(columns)
    except ImportError as error:
        raise ImportError(
            f"a table needs {library}, which is not installed; install it with "
            f"`python -m pip install {library}`"
        ) from error
