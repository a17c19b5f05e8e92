"""The National Supported Work programme: LaLonde's data."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    fetch_raw,
    import_pandas,
    load_prepared,
    make_bunch,
)

_COLUMNS = "treat age education black hispanic married nodegree re74 re75 re78".split()
_CATEGORICAL = ("black", "hispanic", "married", "nodegree")
_PREPARED = "lalonde.npz"
_TRIALS = {"nsw": "nsw_dw", "nsw_full": "nsw"}
_CONTROLS = {
    "psid": "psid_controls",
    "psid2": "psid_controls2",
    "psid3": "psid_controls3",
    "cps": "cps_controls",
    "cps2": "cps_controls2",
    "cps3": "cps_controls3",
}

_DESCR = """\
National Supported Work programme (LaLonde)
===========================================

Men who were trained on the job in the 1970s, and men who were not. The programme was
randomised, so that its effect on the trained is known; the question is whether it can be
found again when the randomised controls are replaced by people from a survey.

:Treatment: 1 for the trained.
:Outcome: re78, earnings in 1978 in US dollars.
:Covariates: age, education (years), black, hispanic, married, nodegree (0 or 1), re74 and
    re75 (earnings in 1974 and 1975; re74 is unknown for the full trial).
:Benchmark: difference in means in the trial, 1,794 dollars (published standard
    error 633, which pools the variances of the arms) in the Dehejia-Wahba sample
    (n = 445), 886 dollars in the full trial (n = 722).

References: R. J. LaLonde, Evaluating the econometric evaluations of training programs
with experimental data, American Economic Review 76(4), 1986. R. H. Dehejia and S. Wahba,
Causal effects in nonexperimental studies, Journal of the American Statistical
Association 94(448), 1999, doi:10.1080/01621459.1999.10473858.
"""


def _parse(path: Path) -> np.ndarray:
    pd = import_pandas("Reading the raw files of `fetch_lalonde`")
    table = pd.read_stata(path)
    return table.reindex(columns=_COLUMNS).to_numpy(dtype=np.float32)


@validate_params(
    {"control": [StrOptions({*_CONTROLS, *_TRIALS})], **FETCH_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def fetch_lalonde(
    control: str = "psid",
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch LaLonde's job training data.

    The 185 trained men of Dehejia and Wahba with a comparison group of choice, or the
    randomised trial itself.

    Parameters
    ----------
    control : {'psid', 'psid2', 'psid3', 'cps', 'cps2', 'cps3', 'nsw', 'nsw_full'}, \
            default='psid'
        Who is compared with the trained: a sample of the Panel Study of Income Dynamics
        (2,490, 253 or 128 men) or of the Current Population Survey (15,992, 2,369 or
        429 men); ``'nsw'`` gives the randomised trial (185 and 260 men), ``'nsw_full'``
        the trial of LaLonde (297 and 425 men, without ``re74``).
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

        X : ndarray of shape (n_samples, 8)
            Covariates (7 columns for ``'nsw_full'``).
        T : ndarray of shape (n_samples,)
            1 trained, 0 not. The trained come first.
        y : ndarray of shape (n_samples,)
            Earnings in 1978, US dollars.
        att_benchmark : float
            Difference in means of the randomised trial, US dollars: an unbiased estimate
            of the effect on the trained.
        att_benchmark_std : float
            Its standard error, without pooling the variances of the arms.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (8,)
            True for the binary columns.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        target_name : str
            Name of the outcome.
        control : str
            As given.
        DESCR : str
            Description and references.

    (X, T, y) : tuple
        Only with ``return_X_T_y=True``.

    Raises
    ------
    DatasetNotAvailableError
        If the data are neither on this machine nor could be downloaded.
    ImportError
        If pooch (to download) or pandas (to read the raw files) is needed and not
        installed.

    See Also
    --------
    fetch_jobs : The same trial with a survey sample, binary outcome.

    Notes
    -----
    With the surveys, overlap is poor: most of their men have no comparable trained man.
    The benchmark is an effect on the trained, not on all.

    References
    ----------
    .. [1] R. J. LaLonde, "Evaluating the econometric evaluations of training programs
       with experimental data", American Economic Review 76(4), 1986.
    .. [2] R. H. Dehejia and S. Wahba, "Causal effects in nonexperimental studies",
       Journal of the American Statistical Association 94(448), 1999,
       doi:10.1080/01621459.1999.10473858.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_lalonde
    >>> data = fetch_lalonde(control="cps")  # doctest: +SKIP
    >>> round(data.att_benchmark)  # doctest: +SKIP
    1794
    """
    trial_name = _TRIALS.get(control, "nsw_dw")
    names = [trial_name] + ([_CONTROLS[control]] if control in _CONTROLS else [])
    arrays = load_prepared(_PREPARED, data_home)
    if arrays is None:
        paths = fetch_raw(
            "lalonde",
            [f"{name}.dta" for name in names],
            prepared=_PREPARED,
            data_home=data_home,
            download_if_missing=download_if_missing,
        )
        arrays = {name: _parse(path) for name, path in zip(names, paths, strict=True)}
    trial = arrays[trial_name].astype(np.float64)
    trained, untrained = trial[trial[:, 0] == 1], trial[trial[:, 0] == 0]
    outcomes = (trained[:, -1], untrained[:, -1])
    comparison = arrays[names[1]].astype(np.float64) if control in _CONTROLS else untrained
    table = np.concatenate([trained, comparison])
    kept = np.array([name != "re74" or control != "nsw_full" for name in _COLUMNS[1:-1]])
    feature_names = [name for name, keep in zip(_COLUMNS[1:-1], kept, strict=True) if keep]
    return make_bunch(
        table[:, 1:-1][:, kept],
        table[:, 0],
        table[:, -1],
        return_X_T_y=return_X_T_y,
        att_benchmark=float(outcomes[0].mean() - outcomes[1].mean()),
        att_benchmark_std=float(np.sqrt(sum(v.var(ddof=1) / len(v) for v in outcomes))),
        feature_names=feature_names,
        is_categorical=np.isin(feature_names, _CATEGORICAL),
        treatment_names=["not trained", "trained"],
        target_name=_COLUMNS[-1],
        control=control,
        DESCR=_DESCR,
    )
