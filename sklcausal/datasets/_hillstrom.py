"""The e-mail campaign of Hillstrom's MineThatData challenge."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    import_pandas,
    make_bunch,
    prepared_or_raw,
)

_FEATURES = "recency history_segment history mens womens zip_code newbie channel".split()
_ARMS = ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
_OUTCOMES = ["visit", "conversion", "spend"]
# The files spell "Surburban" so.
_LEVELS = {
    "history_segment": [
        "1) $0 - $100",
        "2) $100 - $200",
        "3) $200 - $350",
        "4) $350 - $500",
        "5) $500 - $750",
        "6) $750 - $1,000",
        "7) $1,000 +",
    ],
    "zip_code": ["Rural", "Surburban", "Urban"],
    "channel": ["Multichannel", "Phone", "Web"],
}

_DESCR = """\
Hillstrom's e-mail campaign
===========================

64,000 customers of a shop, randomised to three arms of equal size: an e-mail about men's
merchandise, one about women's, or none.

:Treatment: 0 no e-mail, 1 men's, 2 women's.
:Outcome: visit (0 or 1), conversion (0 or 1) and spend (US dollars) in the following two
    weeks.
:Covariates: recency (months since the last purchase), history (dollars spent in the past
    year) and history_segment, mens, womens and newbie (0 or 1), zip_code, channel. Codes
    are explained by `levels`.
:Truth: none per customer; differences in means are unbiased.

Reference: K. Hillstrom, The MineThatData e-mail analytics and data mining challenge,
2008, https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html
"""


def _parse(paths: list[Path]) -> dict[str, Any]:
    pd = import_pandas("Reading the raw file of `fetch_hillstrom`")
    table = pd.read_csv(paths[0])
    for name, levels in {**_LEVELS, "segment": _ARMS}.items():
        table[name] = table[name].map({level: code for code, level in enumerate(levels)})
    return {
        "X": table[_FEATURES].to_numpy(dtype=np.float32),
        "T": table["segment"].to_numpy(),
        "visit": table["visit"].to_numpy(),
        "conversion": table["conversion"].to_numpy(),
        "spend": table["spend"].to_numpy(dtype=np.float32),
    }


@validate_params(
    {"outcome": [StrOptions({*_OUTCOMES, "all"})], **FETCH_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def fetch_hillstrom(
    outcome: str = "visit",
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch Hillstrom's e-mail campaign, a randomised trial with three arms.

    64,000 customers, 8 covariates, three outcomes.

    Parameters
    ----------
    outcome : {'visit', 'conversion', 'spend', 'all'}, default='visit'
        Which outcome is ``y``; ``'all'`` gives the three as columns.
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

        X : ndarray of shape (64000, 8)
            Covariates; categories are codes, see ``levels``.
        T : ndarray of shape (64000,)
            0 no e-mail, 1 men's e-mail, 2 women's e-mail.
        y : ndarray of shape (64000,) or (64000, 3)
            Outcome: a visit or a purchase (0 or 1), or US dollars spent.
        propensity : ndarray of shape (64000, 3)
            Probability of each arm by design, 1/3.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (8,)
            True for the columns of codes.
        levels : dict
            Per column of codes, the list of categories; code k stands for entry k.
        treatment_names : list of str
            Names of the codes 0, 1 and 2 of T.
        target_name : str or list of str
            Name of the outcome, or of the three.
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
    fetch_social_pressure : A larger trial with five arms.

    Notes
    -----
    Arms were assigned at random, so that differences in means identify average effects.
    Dollars are rounded to single precision.

    References
    ----------
    .. [1] K. Hillstrom, "The MineThatData e-mail analytics and data mining challenge",
       2008, https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html

    Examples
    --------
    >>> from sklcausal.datasets import fetch_hillstrom
    >>> X, T, y = fetch_hillstrom(outcome="spend", return_X_T_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (64000, 8)
    """
    arrays = prepared_or_raw(
        "hillstrom",
        ["hillstorm_Complete_NotDisc.csv"],
        _parse,
        prepared="hillstrom.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    every = outcome == "all"
    y = np.column_stack([arrays[name] for name in _OUTCOMES]) if every else arrays[outcome]
    return make_bunch(
        arrays["X"],
        arrays["T"],
        y,
        return_X_T_y=return_X_T_y,
        propensity=np.full((len(y), len(_ARMS)), 1.0 / len(_ARMS)),
        feature_names=list(_FEATURES),
        is_categorical=np.isin(_FEATURES, list(_LEVELS)),
        levels={name: list(levels) for name, levels in _LEVELS.items()},
        treatment_names=list(_ARMS),
        target_name=list(_OUTCOMES) if every else outcome,
        DESCR=_DESCR,
    )
