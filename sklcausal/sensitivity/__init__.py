"""What hidden confounding could do to average effects, and tests that can refute them."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.sensitivity._benchmarks import ConfounderBenchmarks, benchmark_confounders
from sklcausal.sensitivity._confounding import omitted_variable_bounds, sensitivity_analysis
from sklcausal.sensitivity._e_value import EValueResult, e_value, e_value_of
from sklcausal.sensitivity._placebo_result import PlaceboOutcomeResult, PlaceboTreatmentResult
from sklcausal.sensitivity._refuters import placebo_outcome_test, placebo_treatment_test
from sklcausal.sensitivity._result import SensitivityResult

__all__ = [
    "ConfounderBenchmarks",
    "EValueResult",
    "PlaceboOutcomeResult",
    "PlaceboTreatmentResult",
    "SensitivityResult",
    "benchmark_confounders",
    "e_value",
    "e_value_of",
    "omitted_variable_bounds",
    "placebo_outcome_test",
    "placebo_treatment_test",
    "sensitivity_analysis",
]
