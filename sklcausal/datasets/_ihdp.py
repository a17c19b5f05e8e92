"""The semi-synthetic IHDP benchmark, all 1,000 replications."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.utils._param_validation import Interval, validate_params

from sklcausal.datasets._base import FETCH_CONSTRAINTS, make_bunch, prepared_or_raw

_FEATURES = (
    "bw b.head preterm birth.o nnhealth momage sex twin b.marr mom.lths mom.hs mom.scoll cig "
    "first booze drugs work.dur prenatal ark ein har mia pen tex was"
).split()
_N_NUMERIC = 6

# The published simulation
_ATT = 4.0
_SHIFT = 0.5
_SLOPES = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
_INTERCEPTS = np.arange(-4, 5) / 4.0
# R sorts sampling weights with an unstable heap sort. For one large and four equal small
# weights the slopes end up in this order.
_SORTED = np.array([0, 2, 3, 4, 1])

_DESCR = """\
Infant Health and Development Program (IHDP), semi-synthetic
============================================================

747 premature infants, 139 of them visited at home by specialists. Covariates and
treatment come from a randomised trial from which the treated children of non-white
mothers were left out, so that the groups differ. Outcomes are simulated with response
surface B of Hill (2011), known as setting A of the NPCI software:
mu0 = exp((X + 0.5) b), mu1 = X b - omega, noise of standard deviation 1, with random
b and with omega such that the average effect on the treated is 4.

:Treatment: 1 for home visits.
:Outcome: simulated cognitive score.
:Covariates: 6 standardised numbers and 19 binary indicators ("first" is coded 1 and 2).
:Truth: mu0, mu1 and effect without noise; ycf, the noisy outcome of the other arm.

The outcomes are computed here from the covariates, by replaying the random number
stream of the published simulation.

References: J. L. Hill, Bayesian nonparametric modeling for causal inference, Journal of
Computational and Graphical Statistics 20(1), 2011, doi:10.1198/jcgs.2010.08162.
U. Shalit, F. D. Johansson and D. Sontag, Estimating individual treatment effect,
ICML 2017, arXiv:1606.03976.
"""


class _RStream:
    """Uniform and normal numbers as R draws them after ``set.seed``.

    Mersenne Twister with the scrambled linear congruential start, inversion for the
    normal law. The generator of the machine's NumPy is not touched.
    """

    _SCALE = 2.3283064365386963e-10  # 2 ** -32, rounded as in R
    _EDGE = 0.5 * 2.328306437080797e-10
    _BIG = 2.0**27

    def __init__(self, seed: int) -> None:
        words = []
        for step in range(50 + 625):
            seed = (69069 * seed + 1) % 2**32
            if step > 50:  # the first word after scrambling is the position, not a key
                words.append(seed)
        self._bits = np.random.MT19937()
        self._bits.state = {
            "bit_generator": "MT19937",
            "state": {"key": np.array(words, dtype=np.uint32), "pos": 624},
        }

    def uniform(self, n: int) -> np.ndarray:
        raw = self._bits.random_raw(n).astype(np.float64) * self._SCALE
        return np.clip(raw, self._EDGE, 1.0 - self._EDGE)

    def normal(self, n: int) -> np.ndarray:
        coarse, fine = self.uniform(2 * n).reshape(n, 2).T
        return ndtri((np.floor(self._BIG * coarse) + fine) / self._BIG)


def _simulate(X: np.ndarray, T: np.ndarray, replication: int) -> dict[str, np.ndarray]:
    n, n_features = X.shape
    stream = _RStream(5 * replication + (565 if replication <= 500 else 7565))
    intercept = _INTERCEPTS[int(len(_INTERCEPTS) * stream.uniform(1)[0])]
    # slope 0 with the large probability, the four others with equal shares of the rest
    largest = max(0.2, 1.0 - 2.0 / np.sqrt(n_features))
    edges = largest + np.arange(4) * (1.0 - largest) / 4
    chosen = np.searchsorted(edges, stream.uniform(n_features), side="left")
    slopes = _SLOPES[_SORTED[chosen]]
    linear = intercept + X @ slopes
    mu0 = np.exp(linear + _SHIFT * slopes.sum())
    treated = T == 1
    mu1 = linear - ((linear - mu0)[treated].mean() - _ATT)
    y0 = mu0 + stream.normal(n)
    y1 = mu1 + stream.normal(n)
    return {
        "y": np.where(treated, y1, y0),
        "ycf": np.where(treated, y0, y1),
        "mu0": mu0,
        "mu1": mu1,
    }


def _parse(paths: list[Path]) -> dict[str, Any]:
    # treatment, outcome, other outcome, mu0, mu1, 25 covariates; no header
    table = np.loadtxt(paths[0], delimiter=",", dtype=np.float64)
    return {"T": table[:, 0], "X": table[:, 5:]}


@validate_params(
    {"replication": [Interval(Integral, 1, 1000, closed="both")], **FETCH_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def fetch_ihdp(
    replication: int = 1,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_T_y: bool = False,
) -> Any:
    """Fetch one replication of the semi-synthetic IHDP benchmark.

    747 children, 25 real covariates, simulated outcomes with known effects. All
    replications share covariates and treatment.

    Parameters
    ----------
    replication : int, default=1
        Which of the published replications, 1 to 1000.
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

        X : ndarray of shape (747, 25)
            Covariates.
        T : ndarray of shape (747,)
            Treatment, 0 or 1.
        y : ndarray of shape (747,)
            Outcome.
        ycf : ndarray of shape (747,)
            Outcome, with its own noise, under the other arm.
        mu0, mu1 : ndarray of shape (747,)
            Mean outcomes of the arms, without noise.
        mu : ndarray of shape (747, 2)
            The same, one column per arm.
        effect : ndarray of shape (747,)
            ``mu1 - mu0``.
        feature_names : list of str
            Names of the columns of X.
        is_categorical : ndarray of shape (25,)
            True for the binary columns.
        treatment_names : list of str
            Names of the codes 0 and 1 of T.
        replication : int
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
        If the data must be downloaded and pooch is not installed.

    See Also
    --------
    fetch_acic2016 : A larger semi-synthetic benchmark.

    Notes
    -----
    The file that is fetched holds the covariates. The outcomes are recomputed from
    them by replaying the published simulation, with a difference of about 1e-12 to the
    published files.

    References
    ----------
    .. [1] J. L. Hill, "Bayesian nonparametric modeling for causal inference", Journal
       of Computational and Graphical Statistics 20(1), 2011, section 4,
       doi:10.1198/jcgs.2010.08162.
    .. [2] U. Shalit, F. D. Johansson and D. Sontag, "Estimating individual treatment
       effect: generalization bounds and algorithms", ICML 2017, arXiv:1606.03976.

    Examples
    --------
    >>> from sklcausal.datasets import fetch_ihdp
    >>> data = fetch_ihdp(replication=7)  # doctest: +SKIP
    >>> data.effect[data.T == 1].mean()  # doctest: +SKIP
    4.0
    """
    arrays = prepared_or_raw(
        "ihdp",
        ["ihdp_npci_1.csv"],
        _parse,
        prepared="ihdp_10.npz",
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    X = np.asarray(arrays["X"], dtype=np.float64)
    T = np.asarray(arrays["T"], dtype=np.int64)
    drawn = _simulate(X, T, int(replication))
    return make_bunch(
        X,
        T,
        drawn["y"],
        return_X_T_y=return_X_T_y,
        ycf=drawn["ycf"],
        mu0=drawn["mu0"],
        mu1=drawn["mu1"],
        mu=np.column_stack([drawn["mu0"], drawn["mu1"]]),
        effect=drawn["mu1"] - drawn["mu0"],
        feature_names=list(_FEATURES),
        is_categorical=np.arange(len(_FEATURES)) >= _N_NUMERIC,
        treatment_names=["no visits", "home visits"],
        replication=int(replication),
        DESCR=_DESCR,
    )
