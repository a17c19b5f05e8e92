"""The jobs benchmark: a trial joined with a survey."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from sklearn.utils._param_validation import validate_params

from sklcausal.datasets._base import FETCH_CONSTRAINTS, make_bunch, prepared_or_raw

_FEATURES = [
    "age",
    "education",
    "black",
    "hispanic",
    "married",
    "nodegree",
    "re74",
    "re75",
    "age^2",
    "age^3",
    "education^2",
    "re74^2",
    "re75^2",
    "re74==0",
    "re75==0",
    "education*re74",
    "(re74==0)*hispanic",
]
_CATEGORICAL = ("black", "hispanic", "married", "nodegree", "re74==0", "re75==0")
_TOLERANCE = 1e-3

_DESCR = """\
Jobs
====

3,212 men: the 722 of the randomised National Supported Work trial (297 trained) and
2,490 of the Panel Study of Income Dynamics (none trained).

:Treatment: 1 for the trained.
:Outcome: 1 for the men who had earnings in 1978.
:Covariates: 17 columns: 8 about the men and functions of them; numbers are standardised.
:Benchmark: `experimental` marks the trial. In it the effect on the trained and the value
    of a treatment rule can be estimated without bias.

References: R. J. LaLonde, Evaluating the econometric evaluations of training programs
with experimental data, American Economic Review 76(4), 1986. U. Shalit, F. D. Johansson
and D. Sontag, Estimating individual treatment effect, ICML 2017, arXiv:1606.03976.
"""


def _locate(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return sorted positions in ``table`` of ``rows``; equal rows are taken in turn."""
    distinct, label = np.unique(table.round(3), axis=0, return_inverse=True)
    distance, found = (np.asarray(part) for part in cKDTree(distinct).query(rows))
    far = distance > _TOLERANCE * np.sqrt(table.shape[1])
    if far.any():
        raise ValueError(
            "Every row of a test split of `fetch_jobs` must be a row of the data, got "
            f"{far.sum()} that are not."
        )
    by_label = np.argsort(label.ravel(), kind="stable")
    starts = np.searchsorted(label.ravel()[by_label], np.arange(len(distinct)))
    order = np.argsort(found, kind="stable")
    ranked = found[order]
    rank = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    return np.sort(by_label[starts[ranked] + rank])


def _parse(paths: list[Path]) -> dict[str, Any]:
    # x (n, 17, 1); t, yf, e (n, 1): training part, then test part
    parts = []
    for path in paths[:2]:
        with np.load(path, allow_pickle=False) as file:
            columns = [file[name].reshape(len(file["t"]), -1) for name in ("x", "t", "yf", "e")]
        parts.append(np.concatenate(columns, axis=1))
    table = np.concatenate(parts)
    # x (642, 17, 10); t, yf, e (642, 10): ten test splits
    with np.load(paths[2], allow_pickle=False) as file:
        outcomes = np.stack([file[name] for name in ("t", "yf", "e")], axis=1)
        splits = np.concatenate([file["x"], outcomes], axis=1)
    test_idx = [_locate(table, splits[:, :, split]) for split in range(splits.shape[2])]
    return {
        "X": table[:, :-3].astype(np.float32),
        "T": table[:, -3],
        "y": table[:, -2].astype(np.int64),
        "e": table[:, -1],
        "test_idx": np.array(test_idx),
    }


@validate_params(dict(FETCH_CONSTRAINTS), prefer_skip_nested_validation=True)
def fetch_jobs(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch the jobs benchmark: a job training trial joined with a survey.

    3,212 men, 297 of them trained; the outcome is whether they had work in 1978.

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

        X : ndarray of shape (3212, 17)
            Covariates.
        T : ndarray of shape (3212,)
            1 trained, 0 not.
        y : ndarray of shape (3212,)
            1 if there were earnings in 1978.
        experimental : ndarray of shape (3212,)
            True for the 722 men of the randomised trial.
        test_idx : ndarray of shape (10, 642)
            Rows of the test part of ten published splits.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (17,)
            True for the binary columns.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        target_name : str
            Name of the outcome.
        DESCR : str
            Description and references.

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
    fetch_lalonde : The same trial with its outcome in dollars.

    Notes
    -----
    Some men have equal rows; ``test_idx`` names any of them.

    References
    ----------
    .. [1] R. J. LaLonde, "Evaluating the econometric evaluations of training programs
       with experimental data", American Economic Review 76(4), 1986.
    .. [2] U. Shalit, F. D. Johansson and D. Sontag, "Estimating individual treatment
       effect: generalization bounds and algorithms", ICML 2017, arXiv:1606.03976,
       section 5.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_jobs
    >>> data = fetch_jobs()  # doctest: +SKIP
    >>> int(data.experimental.sum())  # doctest: +SKIP
    722
    """
    arrays = prepared_or_raw(
        "jobs",
        ["jobs_DW_bin.train.npz", "jobs_DW_bin.test.npz", "jobs_DW_bin.new.10.test.npz"],
        _parse,
        prepared="jobs_dw_bin.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    return make_bunch(
        arrays["X"],
        arrays["T"],
        arrays["y"],
        return_X_T_y=return_X_T_y,
        experimental=arrays["e"] == 1,
        test_idx=arrays["test_idx"].astype(np.int64),
        feature_names=list(_FEATURES),
        is_categorical=np.array(
            [name in _CATEGORICAL or name.startswith("(") for name in _FEATURES]
        ),
        treatment_names=["not trained", "trained"],
        target_name="employed in 1978",
        DESCR=_DESCR,
    )
