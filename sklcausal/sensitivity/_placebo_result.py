"""Estimates where there is no effect."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from sklcausal.inference import InferenceResult
from sklcausal.sensitivity._result import check_level
from sklcausal.sensitivity._tables import format_table, to_pandas

INSIDE = 1.96


def z_scores(estimate: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Divide estimates by their standard errors.

    Parameters
    ----------
    estimate, error : ndarray

    Returns
    -------
    ndarray
        NaN where both are 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return estimate / error


class PlaceboTreatmentResult:
    """Effects of permuted treatments beside the observed one.

    `placebo_treatment_test` returns it.

    Parameters
    ----------
    estimates, std_errors : ndarray of shape (n_permutations, n_targets)
        Average effects of permuted treatments with standard errors, in outcome units.
    observed : InferenceResult
        Effects of the real treatments.
    title : str, default=''
        Line above the table.

    Attributes
    ----------
    names : list of str
        Names of the effects.
    zscores : ndarray of shape (n_permutations, n_targets)
        Estimates in standard errors.
    share_within : ndarray of shape (n_targets,)
        Share of permutations with a z-score within 1.96; about .95 if standard errors are right.
    pvalue : ndarray of shape (n_targets,)
        Of the observed effect: share of z-scores that are as large in size, the observed one
        counted among them.
    """

    def __init__(
        self,
        estimates: np.ndarray,
        std_errors: np.ndarray,
        observed: InferenceResult,
        title: str = "",
    ):
        self.estimates, self.std_errors = estimates, std_errors
        self.observed, self.names, self.title = observed, observed.names, title
        self.zscores = z_scores(estimates, std_errors)
        self.share_within = (np.abs(self.zscores) <= INSIDE).mean(axis=0)
        beyond = np.abs(self.zscores) >= np.abs(observed.zstat)
        self.pvalue = (1 + beyond.sum(axis=0)) / (1 + len(estimates))

    def table(self) -> dict[str, list[Any]]:
        """Collect the columns of the summary.

        Returns
        -------
        dict of str to list
            Columns by name.
        """
        return {
            "target": list(self.names),
            "observed": self.observed.estimate.tolist(),
            "z": self.observed.zstat.tolist(),
            "p": self.pvalue.tolist(),
            "placebo_mean": self.estimates.mean(axis=0).tolist(),
            "placebo_sd": self.estimates.std(axis=0).tolist(),
            "share_within": self.share_within.tolist(),
        }

    def summary(self) -> str:
        """Format the observed effects and those of permuted treatments as a table.

        Returns
        -------
        str
            Table as text.
        """
        head = ["", "observed", "z", "p", "placebo mean", "placebo sd", "|z| within 1.96"]
        rows = [
            [name, *(f"{v:.4g}" for v in values)]
            for name, *values in zip(*self.table().values(), strict=True)
        ]
        return format_table(self.title, [head, *rows], f"{len(self.estimates)} permutations")

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row per effect.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_pandas(self.table())

    def __repr__(self) -> str:
        return self.summary()


class PlaceboOutcomeResult:
    """Effects on outcomes that the treatment cannot have affected.

    `placebo_outcome_test` returns it.

    Parameters
    ----------
    estimates, std_errors : ndarray of shape (n_fits, n_targets)
        Average effects with standard errors, in units of the outcomes: one fit for given
        outcomes, or one for each simulation.
    names : list of str
        Names of the effects.
    title : str, default=''
        Line above the table.

    Attributes
    ----------
    estimate, std_error : ndarray of shape (n_targets,)
        The effects; of simulated outcomes their mean, with the standard error that their spread
        gives it.
    zscores : ndarray of shape (n_fits, n_targets)
        Estimates of every fit in its standard errors.
    share_within : ndarray of shape (n_targets,)
        Share of fits with a z-score within 1.96.
    pvalue : ndarray of shape (n_targets,)
        Two-sided, of no effect: by the normal distribution for given outcomes, by that of
        Student's t over simulations.
    """

    def __init__(
        self, estimates: np.ndarray, std_errors: np.ndarray, names: list[str], title: str = ""
    ):
        self.estimates, self.std_errors = estimates, std_errors
        self.names, self.title = list(names), title
        self.zscores = z_scores(estimates, std_errors)
        self.share_within = (np.abs(self.zscores) <= INSIDE).mean(axis=0)
        n = len(estimates)
        self.estimate = estimates.mean(axis=0)
        self.std_error = std_errors[0]
        if n > 1:
            self.std_error = estimates.std(axis=0, ddof=1) / np.sqrt(n)
        self._law = norm() if n == 1 else student(n - 1)
        self.pvalue = 2 * self._law.sf(np.abs(z_scores(self.estimate, self.std_error)))

    def conf_int(self, alpha: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
        """Compute confidence intervals of the effects.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        low, high : ndarray of shape (n_targets,)
            Bounds of the intervals.

        Raises
        ------
        ValueError
            If alpha is not between 0 and 1.
        """
        check_level(alpha)
        half = self._law.ppf(1 - alpha / 2) * self.std_error
        return self.estimate - half, self.estimate + half

    def table(self, alpha: float = 0.05) -> dict[str, list[Any]]:
        """Collect the columns of the summary.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        dict of str to list
            Columns by name.
        """
        low, high = self.conf_int(alpha)
        return {
            "target": list(self.names),
            "estimate": self.estimate.tolist(),
            "std_error": self.std_error.tolist(),
            "p": self.pvalue.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "share_within": self.share_within.tolist(),
        }

    def summary(self, alpha: float = 0.05) -> str:
        """Format effects, intervals and tests of zero as a table.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        str
            Table as text.
        """
        bounds = [f"[{100 * alpha / 2:g}%", f"{100 * (1 - alpha / 2):g}%]"]
        head = ["", "effect", "std. err.", "p of zero", *bounds, "|z| within 1.96"]
        rows = [
            [name, *(f"{v:.4g}" for v in values)]
            for name, *values in zip(*self.table(alpha).values(), strict=True)
        ]
        note = f"{len(self.estimates)} simulations" if len(self.estimates) > 1 else ""
        return format_table(self.title, [head, *rows], note)

    def to_frame(self, alpha: float = 0.05) -> Any:
        """Return the table as a pandas DataFrame.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        DataFrame
            One row per effect.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_pandas(self.table(alpha))

    def __repr__(self) -> str:
        return self.summary()
