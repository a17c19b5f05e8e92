"""The 2016 data challenge of the Atlantic Causal Inference Conference."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    fetch_raw,
    load_prepared,
    make_bunch,
    two_columns,
)

_DATASET = "acic2016"
_PREPARED = "acic2016_5.npz"
_N_PREPARED = 5
_N_FEATURES = 58
_LETTERED = {"x_2": "ABCDEF", "x_21": "ABCDEFGHIJKLMNOP", "x_24": "ABCDE"}

_DESCR = """\
ACIC 2016 data challenge, settings 1 to 10
==========================================

4,802 births of the Collaborative Perinatal Project, 58 real covariates; treatment and
outcomes are simulated. Settings differ in how treatment and outcome depend on the
covariates (linear, polynomial, exponential, step), in overlap and in how much effects
vary. One simulated data set per setting is given here.

:Treatment: 0 or 1.
:Outcome: continuous.
:Covariates: 55 numeric columns, and three columns of letters as codes 0, 1, ... in
    alphabetical order: x_2 (A to F), x_21 (A to P), x_24 (A to E); see `levels`.
:Truth: mu0, mu1 and effect without noise; ycf, the outcome drawn for the other arm;
    the propensity for settings 1 to 5 where the prepared file is used.

Reference: V. Dorie, J. Hill, U. Shalit, M. Scott and D. Cervone, Automated versus
do-it-yourself methods for causal inference: lessons learned from a data analysis
competition, Statistical Science 34(1), 2019, doi:10.1214/18-STS667.
"""


def _parse(paths: list[Path]) -> dict[str, Any]:
    texts = np.loadtxt(paths[0], dtype="U16", delimiter=",", skiprows=1, quotechar='"', ndmin=2)
    for name, letters in _LETTERED.items():
        column = int(name.removeprefix("x_")) - 1
        texts[:, column] = np.searchsorted(list(letters), texts[:, column])
    # columns: treatment, both outcomes, both means
    T, y0, y1, mu0, mu1 = np.loadtxt(paths[1], delimiter=",", skiprows=1, unpack=True)
    arrays = {
        "X": texts.astype(np.float64),
        "y": np.where(T == 1, y1, y0),
        "ycf": np.where(T == 1, y0, y1),
        "mu0": mu0,
        "mu1": mu1,
    }
    # single precision, as in the prepared file
    return {"T": T, **{name: values.astype(np.float32) for name, values in arrays.items()}}


@validate_params(
    {"setting": [Interval(Integral, 1, 10, closed="both")], **FETCH_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def fetch_acic2016(
    setting: int = 1,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch one setting of the ACIC 2016 data challenge.

    4,802 rows with 58 real covariates and simulated treatment and outcome. All settings
    share the covariates.

    Parameters
    ----------
    setting : int, default=1
        Which of the simulation settings, 1 to 10.
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

        X : ndarray of shape (4802, 58)
            Covariates; three columns are codes, see ``levels``.
        T : ndarray of shape (4802,)
            Treatment, 0 or 1.
        y : ndarray of shape (4802,)
            Outcome.
        ycf : ndarray of shape (4802,)
            Outcome, with its own noise, under the other arm.
        mu0, mu1 : ndarray of shape (4802,)
            Mean outcomes of the arms, without noise.
        mu : ndarray of shape (4802, 2)
            The same, one column per arm.
        effect : ndarray of shape (4802,)
            ``mu1 - mu0``.
        propensity : ndarray of shape (4802, 2) or None
            True probability of each arm; None where it is not in the files (settings 6
            to 10, and every download).
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (58,)
            True for the three columns of codes.
        levels : dict
            Per column of codes, the list of letters; code k stands for entry k.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        setting : int
            As given.
        DESCR : str
            Description and reference.

    (X, T, y) : tuple
        Only with ``return_X_T_y=True``.

    Raises
    ------
    DatasetNotAvailableError
        If the data are neither on this machine nor could be downloaded.
    ImportError
        If the data must be downloaded and pooch is not installed.

    See Also
    --------
    fetch_ihdp : A smaller semi-synthetic benchmark.

    Notes
    -----
    Numbers are rounded to single precision. Letters become codes whose order means
    nothing: encode these columns before fitting a model that takes them as numbers.

    References
    ----------
    .. [1] V. Dorie, J. Hill, U. Shalit, M. Scott and D. Cervone, "Automated versus
       do-it-yourself methods for causal inference: lessons learned from a data analysis
       competition", Statistical Science 34(1), 2019, doi:10.1214/18-STS667.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_acic2016
    >>> X, T, y = fetch_acic2016(setting=4, return_X_T_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (4802, 58)
    """
    setting = int(setting)
    arrays = load_prepared(_PREPARED, data_home) if setting <= _N_PREPARED else None
    if arrays is not None:
        row = setting - 1
        arrays = {
            "X": arrays["X"],
            **{name: arrays[name][row] for name in ("T", "y", "ycf", "mu0", "mu1", "e")},
        }
    else:
        arrays = _parse(
            fetch_raw(
                _DATASET,
                ["x.csv", f"zymu_{setting}.csv"],
                prepared=_PREPARED if setting <= _N_PREPARED else None,
                data_home=data_home,
                download_if_missing=download_if_missing,
            )
        )
    mu0, mu1 = arrays["mu0"].astype(np.float64), arrays["mu1"].astype(np.float64)
    feature_names = [f"x_{column}" for column in range(1, _N_FEATURES + 1)]
    return make_bunch(
        arrays["X"],
        arrays["T"],
        arrays["y"],
        return_X_T_y=return_X_T_y,
        ycf=arrays["ycf"].astype(np.float64),
        mu0=mu0,
        mu1=mu1,
        mu=np.column_stack([mu0, mu1]),
        effect=mu1 - mu0,
        propensity=two_columns(arrays["e"]) if "e" in arrays else None,
        feature_names=feature_names,
        is_categorical=np.isin(feature_names, list(_LETTERED)),
        levels={name: list(letters) for name, letters in _LETTERED.items()},
        treatment_names=["control", "treated"],
        setting=setting,
        DESCR=_DESCR,
    )
