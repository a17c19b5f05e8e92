"""Social pressure and voter turnout: a field experiment."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklcausal.datasets._base import (
    FETCH_CONSTRAINTS,
    PLACED,
    home_path,
    import_pandas,
    load_prepared,
    make_bunch,
    not_available,
)

_DATASET, _FILE = PLACED[0]
_PREPARED = "social_pressure.npz"
_ADDRESS = "https://isps.yale.edu/research/data/d001"
_N_ROWS = 344_084
_FEATURES = "sex yob g2000 g2002 g2004 p2000 p2002 p2004 hh_size".split()
_CATEGORICAL = [name for name in _FEATURES if name not in ("yob", "hh_size")]
_ARMS = ["control", "civic duty", "hawthorne", "self", "neighbors"]
_BINARY = {"no": 0, "yes": 1, "male": 0, "female": 1}

_DESCR = """\
Social pressure and voter turnout
=================================

344,084 voters of Michigan. Households were randomised to one of four mailings before the
primary election of August 2006, or to none.

:Treatment: 0 control; 1 civic duty (a reminder); 2 hawthorne (the reader is told that
    turnout is being studied); 3 self (the household's own turnout is shown); 4 neighbors
    (the turnout of the neighbours is shown too).
:Outcome: 1 for the people who voted in the primary election.
:Covariates: sex (1 female), yob (year of birth), g2000 to p2004 (1 voted in the general
    (g) or primary (p) election of that year), hh_size (people in the household).
:Truth: none per person; differences in means are unbiased. Published turnout: 29.7,
    31.5, 32.2, 34.5 and 37.8 percent.

Reference: A. S. Gerber, D. P. Green and C. W. Larimer, Social pressure and voter turnout:
evidence from a large-scale field experiment, American Political Science Review 102(1),
2008, doi:10.1017/S000305540808009X.
"""


def _parse(path: Path) -> dict[str, Any]:
    pd = import_pandas("Reading the raw file of `fetch_social_pressure`")
    table = pd.read_csv(path)
    needed = [*_FEATURES, "treatment", "voted"]
    missing = [name for name in needed if name not in table]
    if missing or len(table) != _N_ROWS:
        raise ValueError(
            f"The file {str(path)!r} must have {_N_ROWS} rows and the columns {needed}, "
            f"got {len(table)} rows and no columns {missing}."
        )
    for name in [*_CATEGORICAL, "voted"]:
        table[name] = table[name].str.strip().str.lower().map(_BINARY)
    arms = {name: code for code, name in enumerate(_ARMS)}
    arrays = {
        "X": table[_FEATURES].to_numpy(dtype=np.float64),
        "T": table["treatment"].str.strip().str.lower().map(arms).to_numpy(dtype=np.float64),
        "y": table["voted"].to_numpy(dtype=np.float64),
    }
    unknown = [name for name, values in arrays.items() if np.isnan(values).any()]
    if unknown:
        raise ValueError(
            f"The file {str(path)!r} must hold yes/no, male/female and the arms {_ARMS}, "
            f"got other values in {unknown}."
        )
    arrays["y"] = arrays["y"].astype(np.int64)
    household = table["hh_id"].to_numpy() if "hh_id" in table else None
    return {**arrays, "household": household}


def _households(size: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Number the households, whose members stand one behind the other."""
    found, start, number = np.empty(len(size), dtype=np.int64), 0, 0
    sizes = size.astype(int).tolist()
    while start < len(found):
        own = slice(start, start + sizes[start])
        if np.ptp(size[own]) or np.ptp(T[own]) or own.stop > len(found):
            raise ValueError(
                "the rows of a household must stand together, with its size and one arm, got "
                f"others from row {start}"
            )
        found[own] = number
        start, number = own.stop, number + 1
    return found


@validate_params(dict(FETCH_CONSTRAINTS), prefer_skip_nested_validation=True)
def fetch_social_pressure(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch the social pressure experiment, a randomised trial with five arms.

    344,084 voters, 9 covariates, a binary outcome. The file must be placed by hand: it
    has no address with a known checksum.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of downloaded data, see :func:`get_data_home`. The file
        ``GerberGreenLarimer_APSR_2008_social_pressure.csv`` is looked for in its
        subfolder ``social_pressure``.
    download_if_missing : bool, default=True
        Has no effect here; present for consistency with the other fetchers.
    return_X_T_y : bool, default=False
        If True, return ``(X, T, y)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        X : ndarray of shape (344084, 9)
            Covariates.
        T : ndarray of shape (344084,)
            Arm, 0 (control) to 4.
        y : ndarray of shape (344084,)
            1 if the person voted.
        household : ndarray of shape (344084,)
            Label of the household, the unit that was randomised. Where the file has
            none, rows tell: those of a household stand together, and hold its size.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (9,)
            True for the binary columns.
        treatment_names : list of str
            Names of the codes 0 to 4 of T.
        target_name : str
            Name of the outcome.
        DESCR : str
            Description and reference.

    (X, T, y) : tuple
        Only with ``return_X_T_y=True``.

    Raises
    ------
    DatasetNotAvailableError
        If the file is not on this machine; the message says where to get it.
    ImportError
        If pandas (to read the raw file) is needed and not installed.
    ValueError
        If the file that was placed has other rows, columns or values.

    See Also
    --------
    fetch_hillstrom : A smaller trial with three arms.

    Notes
    -----
    Households were randomised, not people: standard errors that ignore this are too
    small. Pass ``household`` as the clusters.

    References
    ----------
    .. [1] A. S. Gerber, D. P. Green and C. W. Larimer, "Social pressure and voter
       turnout: evidence from a large-scale field experiment", American Political
       Science Review 102(1), 2008, doi:10.1017/S000305540808009X.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_social_pressure
    >>> data = fetch_social_pressure()  # doctest: +SKIP
    >>> data.y[data["T"] == 4].mean()  # doctest: +SKIP
    0.378
    """
    arrays = load_prepared(_PREPARED, data_home)
    if arrays is None:
        path = home_path(data_home) / _DATASET / _FILE
        if not path.is_file():
            raise not_available(
                _DATASET,
                [_FILE],
                _PREPARED,
                data_home,
                f"{str(path)!r} is missing and cannot be downloaded automatically",
                f"from {_ADDRESS}",
            )
        arrays = _parse(path)
    household = arrays.get("household")
    if household is None:
        household = _households(arrays["X"][:, _FEATURES.index("hh_size")], arrays["T"])
    return make_bunch(
        arrays["X"],
        arrays["T"],
        arrays["y"],
        return_X_T_y=return_X_T_y,
        household=household,
        feature_names=list(_FEATURES),
        is_categorical=np.isin(_FEATURES, _CATEGORICAL),
        treatment_names=list(_ARMS),
        target_name="voted",
        DESCR=_DESCR,
    )
