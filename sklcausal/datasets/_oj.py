"""Orange juice: prices and weekly sales of three brands."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    make_bunch,
    prepared_or_raw,
    read_columns,
)

_COLUMNS = ["sales", "price", "brand", "feat"]
_BRANDS = ["dominicks", "minute.maid", "tropicana"]
_FEATURES = [f"brand_{name}" for name in _BRANDS[1:]] + ["feat"]

_DESCR = """\
Orange juice prices
===================

Weekly sales of three brands of orange juice at the stores of Dominick's Finer Foods, a
chain in Chicago: 9,649 rows per brand, one for a brand, a store and a week.

:Treatment: log of the price; the price is in US dollars.
:Outcome: log of the units sold.
:Covariates: brand_minute.maid and brand_tropicana (1 for that brand; dominicks is the
    base), feat (1 where the brand was advertised in that week).
:Truth: none, the stores set the prices. Published regression of log sales on log price
    and the brand: elasticity -3.14.

References: M. Taddy, Business Data Science, McGraw-Hill, 2019, chapter 2. A. L.
Montgomery, Creating micro-marketing pricing strategies using supermarket scanner data,
Marketing Science 16(4), 1997, doi:10.1287/mksc.16.4.315.
"""


def _parse(paths: list[Path]) -> dict[str, Any]:
    table = read_columns(paths[0], _COLUMNS, "Reading the raw file of `fetch_oj`")
    brand = table["brand"].map({name: code for code, name in enumerate(_BRANDS)})
    if brand.isna().any():
        unknown = table["brand"][brand.isna()].unique().tolist()
        raise ValueError(
            f"The file {str(paths[0])!r} must hold the brands {_BRANDS}, got {unknown}."
        )
    return {
        "X": np.column_stack([brand, table["feat"]]),
        "T": np.log(table["price"].to_numpy(dtype=np.float64)).astype(np.float32),
        "y": np.log(table["sales"].to_numpy(dtype=np.float64)).astype(np.float32),
    }


@validate_params(dict(FETCH_CONSTRAINTS), prefer_skip_nested_validation=True)
def fetch_oj(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch the orange juice prices, observational data with a continuous treatment.

    28,947 rows, 3 covariates, log price and log sales: the slope is an elasticity.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of downloaded data, see :func:`get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    return_X_T_y : bool, default=False
        If True, return ``(X, T, y)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (28947, 3)
            Covariates: two dummy columns of the brand, of which dominicks is the base,
            and whether the brand was advertised.
        T : ndarray of float of shape (28947,)
            Log of the price in US dollars.
        y : ndarray of shape (28947,)
            Log of the units sold.
        price : ndarray of shape (28947,)
            Price in US dollars, the exponential of T.
        brand : ndarray of str of shape (28947,)
            Name of the brand.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (3,)
            True for the binary columns, which is all of them.
        target_name : str
            Name of the outcome.
        DESCR : str
            Description and reference.

    (X, T, y) : tuple
        Only with ``return_X_T_y=True``.

    Raises
    ------
    DatasetNotAvailableError
        If the data are neither on this machine nor could be downloaded.
    ImportError
        If pooch (to download) or pandas (to read the raw file) is needed and not
        installed.

    See Also
    --------
    make_pricing : Simulated prices with a known effect.

    Notes
    -----
    The stores set the prices. A slope is the effect of the price only if nothing that
    the stores knew about demand moved both price and sales within a brand with or
    without advertising, which these columns cannot assure. The file has no labels of
    stores or weeks: standard errors treat rows as independent, and are too small if
    the rows of a store or of a week move together. Logarithms are rounded to single
    precision.

    References
    ----------
    .. [1] M. Taddy, "Business Data Science", McGraw-Hill, 2019, chapter 2.
    .. [2] A. L. Montgomery, "Creating micro-marketing pricing strategies using
       supermarket scanner data", Marketing Science 16(4), 1997,
       doi:10.1287/mksc.16.4.315.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_oj
    >>> data = fetch_oj()  # doctest: +SKIP
    >>> data.feature_names  # doctest: +SKIP
    ['brand_minute.maid', 'brand_tropicana', 'feat']
    >>> round(float(data.price.max()), 2)  # doctest: +SKIP
    3.87
    """
    arrays = prepared_or_raw(
        "oj",
        ["oj.csv"],
        _parse,
        prepared="oj.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    codes = np.asarray(arrays["X"][:, 0], dtype=np.int64)
    dummies = [codes == code for code in range(1, len(_BRANDS))]
    log_price = np.asarray(arrays["T"], dtype=np.float64)
    return make_bunch(
        np.column_stack([*dummies, arrays["X"][:, 1]]),
        log_price,
        arrays["y"],
        dose=True,
        return_X_T_y=return_X_T_y,
        price=np.exp(log_price),
        brand=np.array(_BRANDS)[codes],
        feature_names=list(_FEATURES),
        is_categorical=np.ones(len(_FEATURES), dtype=bool),
        target_name="log_sales",
        DESCR=_DESCR,
    )
