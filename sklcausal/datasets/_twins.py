"""Twin births and first-year mortality."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    import_pandas,
    make_bunch,
    names_of,
    prepared_or_raw,
    two_columns,
)

_OTHER_COLUMNS = ("T", "y0", "y1", "yf", "y_cf", "Propensity")

_DESCR = """\
Twins
=====

11,984 pairs of same-sex twins under 2 kg born in the United States between 1989 and
1991. "Treatment" is to be the heavier twin. Both twins are recorded, so both outcomes
of a pair are known; the data show one of them, drawn with a known probability that
depends on the length of gestation.

:Treatment: 1 where the heavier twin is observed.
:Outcome: 1 for death in the first year.
:Covariates: 75 integer columns on parents, pregnancy and birth. The columns whose names
    begin with "gestatcat" are noisy copies of indicators of the length of gestation.
:Truth: y0 and y1, the outcomes of the lighter and of the heavier twin; the propensity.

References: D. Almond, K. Y. Chay and D. S. Lee, The costs of low birth weight, Quarterly
Journal of Economics 120(3), 2005, doi:10.1093/qje/120.3.1031. C. Louizos, U. Shalit,
J. Mooij, D. Sontag, R. Zemel and M. Welling, Causal effect inference with deep
latent-variable models, NeurIPS 2017, arXiv:1705.08821.
"""


def _parse(paths: list[Path]) -> dict[str, Any]:
    pd = import_pandas("Reading the raw file of `fetch_twins`")
    table = pd.read_csv(paths[0], index_col=0)
    X = table.drop(columns=list(_OTHER_COLUMNS))
    return {
        "X": X.to_numpy(),
        "T": table["T"].to_numpy(),
        "y": table["yf"].to_numpy().astype(np.int64),
        "y0": table["y0"].to_numpy(),
        "y1": table["y1"].to_numpy(),
        "e": table["Propensity"].to_numpy().astype(np.float32),
        "feature_names": list(X.columns),
    }


@validate_params(dict(FETCH_CONSTRAINTS), prefer_skip_nested_validation=True)
def fetch_twins(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch the twins: birth weight within a pair and first-year mortality.

    11,984 pairs, 75 covariates, a binary outcome that is known for both arms.

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

        X : ndarray of shape (11984, 75)
            Covariates, integer codes and counts.
        T : ndarray of shape (11984,)
            1 where the heavier twin is observed, else 0.
        y : ndarray of shape (11984,)
            1 if the observed twin died in the first year.
        y0, y1 : ndarray of shape (11984,)
            Outcome of the lighter and of the heavier twin.
        ycf : ndarray of shape (11984,)
            Outcome of the twin that is not observed.
        effect : ndarray of shape (11984,)
            ``y1 - y0``: a realised difference (-1, 0 or 1), not a difference of means.
        propensity : ndarray of shape (11984, 2)
            True probability of each arm.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (75,)
            True for the columns with at most two values.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        DESCR : str
            Description and references.

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
    fetch_ihdp : A benchmark whose mean outcomes are known.

    Notes
    -----
    The average of ``effect`` is the true average effect on these pairs. Single effects
    carry the noise of two binary outcomes, so that an estimate per pair cannot be
    judged by its squared distance to ``effect`` alone.

    References
    ----------
    .. [1] D. Almond, K. Y. Chay and D. S. Lee, "The costs of low birth weight",
       Quarterly Journal of Economics 120(3), 2005, doi:10.1093/qje/120.3.1031.
    .. [2] C. Louizos, U. Shalit, J. Mooij, D. Sontag, R. Zemel and M. Welling, "Causal
       effect inference with deep latent-variable models", NeurIPS 2017,
       arXiv:1705.08821, section 4.2.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_twins
    >>> data = fetch_twins()  # doctest: +SKIP
    >>> data.effect.mean()  # doctest: +SKIP
    -0.0252
    """
    arrays = prepared_or_raw(
        "twins",
        ["Final_data_twins.csv"],
        _parse,
        prepared="twins_shalit.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    y0, y1 = arrays["y0"].astype(np.int64), arrays["y1"].astype(np.int64)
    X = np.asarray(arrays["X"])
    return make_bunch(
        X,
        arrays["T"],
        arrays["y"],
        return_X_T_y=return_X_T_y,
        y0=y0,
        y1=y1,
        ycf=np.where(arrays["T"] == 1, y0, y1),
        effect=y1 - y0,
        propensity=two_columns(arrays["e"]),
        feature_names=names_of(arrays["feature_names"]),
        is_categorical=np.array([len(np.unique(column)) <= 2 for column in X.T]),
        treatment_names=["lighter twin", "heavier twin"],
        DESCR=_DESCR,
    )
