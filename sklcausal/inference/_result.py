"""Averages with standard errors."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from sklcausal.utils._frames import make_frame


class InferenceResult:
    """Estimates with standard errors, tests and intervals.

    Parameters
    ----------
    estimate : ndarray of shape (n_targets,)
        In the units of the outcome, unless the target says otherwise.
    covariance : ndarray of shape (n_targets, n_targets)
        Covariance of the estimates.
    names : sequence of str
        Names of the targets.
    title : str, default=''
        Line above the table.
    n_samples : int or None, default=None
        Rows behind the estimate.
    limits : ndarray of shape (n_targets,) or None, default=None
        Largest possible size of each target, such as 1 for a difference of probabilities;
        intervals are cut there.

    Attributes
    ----------
    estimate : ndarray of shape (n_targets,)
    std_error : ndarray of shape (n_targets,)
    zstat : ndarray of shape (n_targets,)
    pvalue : ndarray of shape (n_targets,)
        Two-sided, of the hypothesis that the target is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.inference import InferenceResult
    >>> r = InferenceResult(np.array([2.0]), np.array([[0.25]]), ["quit vs smoke"])
    >>> r.conf_int(alpha=0.05)[0].round(2)
    array([1.02])
    """

    def __init__(
        self,
        estimate: np.ndarray,
        covariance: np.ndarray,
        names: Any,
        title: str = "",
        n_samples: int | None = None,
        limits: np.ndarray | None = None,
    ):
        self.estimate = np.asarray(estimate, dtype=float)
        self.covariance = np.asarray(covariance, dtype=float)
        self.names, self.title, self.n_samples = list(names), title, n_samples
        self.limits = np.full(len(self.estimate), np.inf) if limits is None else limits

    @property
    def std_error(self) -> np.ndarray:
        """Standard errors."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def zstat(self) -> np.ndarray:
        """Estimates over standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate / self.std_error

    @property
    def pvalue(self) -> np.ndarray:
        """Two-sided p-values."""
        return 2 * norm.sf(np.abs(self.zstat))

    def conf_int(self, alpha: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
        """Compute normal confidence intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        low, high : ndarray of shape (n_targets,)
            Bounds of the intervals.
        """
        half = norm.ppf(1 - alpha / 2) * self.std_error
        low, high = self.estimate - half, self.estimate + half
        return np.maximum(low, -self.limits), np.minimum(high, self.limits)

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
            "target": self.names,
            "estimate": self.estimate.tolist(),
            "std_error": self.std_error.tolist(),
            "z": self.zstat.tolist(),
            "p": self.pvalue.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
        }

    def summary(self, alpha: float = 0.05) -> str:
        """Format estimates, standard errors, tests and intervals as a table.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        str
            Table as text.
        """
        table = self.table(alpha)
        bounds = [f"[{100 * alpha / 2:g}%", f"{100 * (1 - alpha / 2):g}%]"]
        head = ["", "estimate", "std. err.", "z", "p", *bounds]
        rows = [
            [name, f"{e:.4g}", f"{s:.3g}", f"{z:.2f}", f"{p:.3f}", f"{lo:.4g}", f"{hi:.4g}"]
            for name, e, s, z, p, lo, hi in zip(*table.values(), strict=True)
        ]
        widths = [max(len(r[c]) for r in [head, *rows]) for c in range(len(head))]
        lines = [
            "  ".join(
                [
                    r[0].ljust(widths[0]),
                    *(v.rjust(w) for v, w in zip(r[1:], widths[1:], strict=True)),
                ]
            )
            for r in [head, *rows]
        ]
        rule = "-" * len(lines[0])
        return "\n".join(
            [*([self.title] if self.title else []), rule, lines[0], rule, *lines[1:], rule]
        )

    def to_frame(self, alpha: float = 0.05) -> Any:
        """Return the table as a pandas DataFrame.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.

        Returns
        -------
        DataFrame
            One row per target.
        """
        columns = {name: np.asarray(values) for name, values in self.table(alpha).items()}
        return make_frame({**columns, "target": np.array(self.names, dtype=object)}, "pandas")

    def __repr__(self) -> str:
        return self.summary()
