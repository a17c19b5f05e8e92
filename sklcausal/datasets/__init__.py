"""Data sets and generators with known effects."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.datasets._acic import fetch_acic2016
from sklcausal.datasets._actg175 import fetch_actg175
from sklcausal.datasets._base import DatasetNotAvailableError, clear_data_home, get_data_home
from sklcausal.datasets._generators import make_confounded, make_tutorial
from sklcausal.datasets._hillstrom import fetch_hillstrom
from sklcausal.datasets._ihdp import fetch_ihdp
from sklcausal.datasets._jobs import fetch_jobs
from sklcausal.datasets._lalonde import fetch_lalonde
from sklcausal.datasets._multi_outcome import make_multi_treatment_outcome
from sklcausal.datasets._nhefs import load_nhefs
from sklcausal.datasets._oj import fetch_oj
from sklcausal.datasets._social_pressure import fetch_social_pressure
from sklcausal.datasets._structural_designs import make_flm, make_pricing
from sklcausal.datasets._twins import fetch_twins

__all__ = [
    "DatasetNotAvailableError",
    "clear_data_home",
    "fetch_acic2016",
    "fetch_actg175",
    "fetch_hillstrom",
    "fetch_ihdp",
    "fetch_jobs",
    "fetch_lalonde",
    "fetch_oj",
    "fetch_social_pressure",
    "fetch_twins",
    "get_data_home",
    "load_nhefs",
    "make_confounded",
    "make_flm",
    "make_multi_treatment_outcome",
    "make_pricing",
    "make_tutorial",
]
