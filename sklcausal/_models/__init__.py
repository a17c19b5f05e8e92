"""Structural outcome models, which `sklcausal.structural` makes public."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal._models._base import StructuralModel
from sklcausal._models._bases import (
    InteractionBasis,
    LogBasis,
    PolynomialBasis,
    SplineBasis,
    TreatmentBasis,
)
from sklcausal._models._index import IndexModel
from sklcausal._models._moments import MomentModel
from sklcausal._models._multinomial import MultinomialLogit
from sklcausal._models._negative_binomial import NegativeBinomial
from sklcausal._models._quantile import Quantile
from sklcausal._models._ready import (
    FractionalLogit,
    Gamma,
    GeneralizedLinear,
    Linear,
    Logit,
    Poisson,
    PotentialOutcomes,
    Probit,
)
from sklcausal._models._tobit import Tobit

__all__ = [
    "FractionalLogit",
    "Gamma",
    "GeneralizedLinear",
    "IndexModel",
    "InteractionBasis",
    "Linear",
    "LogBasis",
    "Logit",
    "MomentModel",
    "MultinomialLogit",
    "NegativeBinomial",
    "Poisson",
    "PolynomialBasis",
    "PotentialOutcomes",
    "Probit",
    "Quantile",
    "SplineBasis",
    "StructuralModel",
    "Tobit",
    "TreatmentBasis",
]
