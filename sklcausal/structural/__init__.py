"""Structural outcome models: what the parameters theta(x) of a network mean."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal._models import (
    FractionalLogit,
    Gamma,
    GeneralizedLinear,
    IndexModel,
    InteractionBasis,
    Linear,
    LogBasis,
    Logit,
    MomentModel,
    MultinomialLogit,
    NegativeBinomial,
    Poisson,
    PolynomialBasis,
    PotentialOutcomes,
    Probit,
    Quantile,
    SplineBasis,
    StructuralModel,
    Tobit,
    TreatmentBasis,
)
from sklcausal.structural._structural_net import StructuralNet

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
    "StructuralNet",
    "Tobit",
    "TreatmentBasis",
]
