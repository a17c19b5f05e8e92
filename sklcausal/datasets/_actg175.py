"""AIDS Clinical Trials Group Study 175: a randomised trial with four arms."""

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

_FEATURES = (
    "age wtkg hemo homo drugs karnof oprior z30 preanti race gender str2 symptom cd40 cd80"
).split()
_NUMERIC = ["age", "wtkg", "karnof", "preanti", "cd40", "cd80"]
_ARMS = ["zidovudine", "zidovudine+didanosine", "zidovudine+zalcitabine", "didanosine"]
# Our names of the other arrays, and the columns of the raw file that hold them
_OTHERS = {"T": "arms", "y": "cd420", "cd496": "cd496", "days": "days", "event": "cens"}

_DESCR = """\
ACTG 175
========

2,139 adults infected with HIV, whose CD4 counts were between 200 and 500 per cubic
millimetre when they were screened, randomised to one of four treatments.

:Treatment: 0 zidovudine; 1 zidovudine and didanosine; 2 zidovudine and zalcitabine; 3
    didanosine.
:Outcome: CD4 cells per cubic millimetre after 20 weeks. Also cd496, the same after 96
    weeks (NaN for the 797 patients where it is missing), and days with event: days until
    the CD4 count fell by half or more, AIDS or death (event 1), or until censoring (event 0).
:Covariates: at the start. age (years), wtkg (weight, kg), hemo (1 haemophilia), homo (1
    homosexual activity), drugs (1 has injected drugs), karnof (Karnofsky score, 0 to
    100), oprior (1 had antiretroviral drugs other than zidovudine), z30 (1 zidovudine in
    the 30 days before), preanti (days of earlier antiretroviral treatment), race (1
    non-white), gender (1 male), str2 (1 had antiretroviral treatment), symptom (1
    symptomatic), cd40 and cd80 (CD4 and CD8 cells per cubic millimetre).
:Truth: none per person; differences in means are unbiased.

Reference: S. M. Hammer et al., A trial comparing nucleoside monotherapy with combination
therapy in HIV-infected adults with CD4 cell counts from 200 to 500 per cubic millimeter,
New England Journal of Medicine 335(15), 1996, doi:10.1056/NEJM199610103351501.
"""


def _parse(paths: list[Path]) -> dict[str, Any]:
    table = read_columns(
        paths[0],
        [*_FEATURES, *_OTHERS.values()],
        "Reading the raw file of `fetch_actg175`",
        sep=r"\s+",
    )
    others = {name: table[column].to_numpy() for name, column in _OTHERS.items()}
    return {"X": table[_FEATURES].to_numpy(dtype=np.float32), **others}


@validate_params(dict(FETCH_CONSTRAINTS), prefer_skip_nested_validation=True)
def fetch_actg175(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch the trial ACTG 175, four randomised treatments of HIV.

    2,139 patients, 15 covariates, CD4 counts and a censored time.

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

        X : ndarray of shape (2139, 15)
            Covariates, all measured at the start.
        T : ndarray of shape (2139,)
            Arm, 0 (zidovudine alone) to 3.
        y : ndarray of shape (2139,)
            CD4 cells per cubic millimetre after 20 weeks.
        cd496 : ndarray of shape (2139,)
            The same after 96 weeks, NaN where it is missing.
        days : ndarray of shape (2139,)
            Days until the event or until censoring, whichever came first.
        event : ndarray of shape (2139,)
            1 where the event was seen: a CD4 count lower by half or more, AIDS, or death.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (15,)
            True for the binary columns.
        treatment_names : list of str
            Names of the codes 0 to 3 of T.
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
    fetch_hillstrom : A larger trial with three arms.
    sklcausal.inference.censoring_weights : What a censored time needs.

    Notes
    -----
    Arms were assigned at random, so that differences in means of ``y`` identify average
    effects; ``y`` is there for every patient of the file. Those of ``cd496`` among the
    patients who have it do so only if it is missing at random. Weights are rounded to
    single precision.

    References
    ----------
    .. [1] S. M. Hammer et al., "A trial comparing nucleoside monotherapy with
       combination therapy in HIV-infected adults with CD4 cell counts from 200 to 500
       per cubic millimeter", New England Journal of Medicine 335(15), 1996,
       doi:10.1056/NEJM199610103351501.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_actg175
    >>> data = fetch_actg175()  # doctest: +SKIP
    >>> means = [data.y[data["T"] == arm].mean() for arm in range(4)]  # doctest: +SKIP
    >>> round(float(means[1] - means[0]), 1)  # doctest: +SKIP
    67.0
    """
    arrays = prepared_or_raw(
        "actg175",
        ["ACTG175.txt"],
        _parse,
        prepared="actg175.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    return make_bunch(
        arrays["X"],
        arrays["T"],
        np.asarray(arrays["y"], dtype=np.float64),
        return_X_T_y=return_X_T_y,
        cd496=np.asarray(arrays["cd496"], dtype=np.float64),
        days=np.asarray(arrays["days"], dtype=np.float64),
        event=np.asarray(arrays["event"], dtype=np.int64),
        feature_names=list(_FEATURES),
        is_categorical=~np.isin(_FEATURES, _NUMERIC),
        treatment_names=list(_ARMS),
        target_name="cd420",
        DESCR=_DESCR,
    )
