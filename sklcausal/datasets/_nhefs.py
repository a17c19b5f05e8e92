"""Smoking cessation and weight gain: the NHEFS data."""

# SPDX-License-Identifier: BSD-3-Clause

import gzip
from importlib.resources import files
from typing import Any

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from sklcausal.datasets._base import import_pandas

_CATEGORICAL = ("sex", "race", "education", "active", "exercise")
_N_FEATURES = 9

_DESCR = """\
Smoking cessation and weight gain (NHEFS)
=========================================

1,566 cigarette smokers aged 25 to 74 who were examined in 1971 and again in 1982.

:Treatment: qsmk, 1 for the 403 people who stopped smoking between the examinations.
:Outcome: wt82_71, the weight change in kg.
:Covariates: sex (0 male, 1 female); race (0 white, 1 black or other); age (years);
    education (1 eighth grade or less, 2 no high-school degree, 3 high school,
    4 some college, 5 college or more); smokeintensity (cigarettes a day); smokeyrs
    (years of smoking); active (0 very active, 1 moderately active, 2 inactive);
    exercise (0 much, 1 moderate, 2 little or none); wt71 (weight in kg in 1971).
:Also: death, 1 for the people who died before 1993. It is no covariate.

Published average effects of quitting, in kg: 2.54 without adjustment; 3.44 with
inverse probability weights, 95 % interval 2.41 to 4.47; 3.5 by standardisation. All
three leave out the people whose weight in 1982 is missing, as this file does.

Source: National Center for Health Statistics (CDC), a work of the United States
government in the public domain; copied from the table nhefs_complete of the Python
package causaldata 0.1.5 (MIT licence).

Reference: M. A. Hernan and J. M. Robins, Causal Inference: What If, Chapman &
Hall/CRC, 2020, chapters 12 and 13.
"""


@validate_params(
    {"return_X_T_y": ["boolean"], "as_frame": ["boolean"]}, prefer_skip_nested_validation=True
)
def load_nhefs(*, return_X_T_y: bool = False, as_frame: bool = False) -> Any:
    """Load the smoking cessation data (NHEFS), which ship with the package.

    1,566 smokers, of whom 403 stopped; the outcome is their weight change over about
    eleven years. It is an observational study: no true effect is known.

    Parameters
    ----------
    return_X_T_y : bool, default=False
        If True, return ``(X, T, y)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, X is a pandas DataFrame and T and y are pandas Series; categorical
        columns stay numeric codes.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray or DataFrame of shape (1566, 9)
            The adjustment covariates.
        T : ndarray or Series of shape (1566,)
            1 quit smoking, 0 did not.
        y : ndarray or Series of shape (1566,)
            Weight change in kg.
        death : ndarray or Series of shape (1566,)
            1 died before 1993.
        frame : DataFrame of shape (1566, 12)
            All columns; only with ``as_frame=True``.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (9,)
            True where a column holds codes.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        target_name : str
            Name of the outcome.
        DESCR : str
            Description, source and published estimates.

    (X, T, y) : tuple
        Only with ``return_X_T_y=True``.

    Raises
    ------
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    See Also
    --------
    fetch_lalonde : Another observational study, with a randomised benchmark.

    Notes
    -----
    The covariates are those of the book below. Its estimates take the outcome to be
    independent of quitting given the covariates, and overlap in every stratum; neither
    can be checked in the data. Published: 2.54 kg unadjusted, 3.44 kg (2.41 to 4.47)
    by inverse probability weighting, 3.5 kg by standardisation.

    The data are a work of the United States government in the public domain, copied
    from the table ``nhefs_complete`` of the Python package causaldata (MIT licence).

    References
    ----------
    .. [1] M. A. Hernan and J. M. Robins, "Causal Inference: What If", Chapman &
       Hall/CRC, 2020, chapters 12 and 13.

    Examples
    --------
    >>> from sklcausal.datasets import load_nhefs
    >>> X, T, y = load_nhefs(return_X_T_y=True)
    >>> X.shape
    (1566, 9)
    >>> round(float(y[T == 1].mean() - y[T == 0].mean()), 2)
    2.54
    """
    pd = import_pandas("`load_nhefs(as_frame=True)`") if as_frame else None
    resource = files("sklcausal.datasets") / "data" / "nhefs.csv.gz"
    lines = gzip.decompress(resource.read_bytes()).decode("ascii").splitlines()
    columns = lines[0].split(",")
    table = np.loadtxt(lines[1:], delimiter=",", dtype=np.float64)
    feature_names = columns[:_N_FEATURES]
    X: Any = np.ascontiguousarray(table[:, :_N_FEATURES])
    T: Any = table[:, _N_FEATURES].astype(np.int64)
    y: Any = table[:, _N_FEATURES + 1].copy()
    death: Any = table[:, _N_FEATURES + 2].astype(np.int64)
    frame = None
    if pd is not None:
        X = pd.DataFrame(X, columns=feature_names)
        T, y, death = (
            pd.Series(values, name=name)
            for values, name in zip((T, y, death), columns[_N_FEATURES:], strict=True)
        )
        frame = pd.concat([X, T, y, death], axis=1)
    if return_X_T_y:
        return X, T, y
    return Bunch(
        X=X,
        T=T,
        y=y,
        death=death,
        frame=frame,
        feature_names=feature_names,
        is_categorical=np.isin(feature_names, _CATEGORICAL),
        treatment_names=["did not quit", "quit"],
        target_name=columns[_N_FEATURES + 1],
        DESCR=_DESCR,
    )
