"""Averages with standard errors."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import norm

from sklcausal._encoding import shorten
from sklcausal.exceptions import ModelError
from sklcausal.inference._averages import Average
from sklcausal.utils._frames import make_frame

DIGITS = {"std_error": ".3g", "z": ".2f", "p": ".3f"}
N_DRAWS = 20_000


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
    limits : tuple of ndarray of shape (n_targets,), or None, default=None
        Smallest and largest possible value of each target, such as -1 and 1 for a difference of
        probabilities; intervals are cut there.
    moves : ndarray of shape (n_rows, n_targets) or None, default=None
        How far each row moves the estimates; its columns sum to 0.

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
        limits: tuple[np.ndarray, np.ndarray] | None = None,
        moves: np.ndarray | None = None,
    ):
        self.estimate = np.asarray(estimate, dtype=float)
        self.covariance = np.asarray(covariance, dtype=float)
        self.names, self.title, self.n_samples = list(names), title, n_samples
        most = np.full(len(self.estimate), np.inf)
        self.limits = (-most, most) if limits is None else limits
        self.moves = moves

    @property
    def influence_values(self) -> np.ndarray | None:
        """Influence values of every row, whose means are the estimates; None without rows."""
        return None if self.moves is None else self.estimate + len(self.moves) * self.moves

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

    def conf_int(
        self, alpha: float = 0.05, simultaneous: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute normal confidence intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the confidence level.
        simultaneous : bool, default=False
            Widen the intervals so that all targets are covered at once, by the largest of jointly
            normal errors.

        Returns
        -------
        low, high : ndarray of shape (n_targets,)
            Bounds of the intervals.

        Raises
        ------
        ValueError
            If alpha is not between 0 and 1, or joint intervals are asked for targets whose
            covariance is not known.
        """
        if not isinstance(alpha, (int, float, np.number)) or not 0 < alpha < 1:
            raise ValueError(f"`alpha` must be a number between 0 and 1, got {alpha!r}")
        critical = self._joint_critical(alpha) if simultaneous else norm.ppf(1 - alpha / 2)
        half = critical * self.std_error
        low, high = self.estimate - half, self.estimate + half
        return np.maximum(low, self.limits[0]), np.minimum(high, self.limits[1])

    def _joint_critical(self, alpha: float) -> float:
        if not np.isfinite(self.covariance).all():
            raise ValueError(
                "`simultaneous=True` needs the covariance of all targets, got targets whose "
                "covariance is not known; ask for them one by one"
            )
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        error = np.where(self.std_error > 0, self.std_error, 1.0)
        noise = np.random.default_rng(0).standard_normal((N_DRAWS, len(error))) @ root.T / error
        return float(
            max(np.quantile(np.abs(noise).max(axis=1), 1 - alpha), norm.ppf(1 - alpha / 2))
        )

    def __getitem__(self, key: Any) -> InferenceResult:
        """Return some of the targets.

        Parameters
        ----------
        key : str, int or sequence of them
            Names or positions.

        Returns
        -------
        InferenceResult
            These targets, with their covariance.

        Raises
        ------
        KeyError
            If there is no such target, or a name stands for several.
        """
        keys = list(key) if isinstance(key, (list, tuple, np.ndarray)) else [key]
        at = [self._position(own) for own in keys]
        return InferenceResult(
            self.estimate[at],
            self.covariance[np.ix_(at, at)],
            [self.names[i] for i in at],
            self.title,
            self.n_samples,
            (self.limits[0][at], self.limits[1][at]),
            None if self.moves is None else self.moves[:, at],
        )

    def __iter__(self) -> Any:
        """Go through the targets one by one."""
        return (self[i] for i in range(len(self.names)))

    def _position(self, key: Any) -> int:
        if isinstance(key, (int, np.integer)) and -len(self.names) <= key < len(self.names):
            return int(key) % len(self.names)
        found = [i for i, name in enumerate(self.names) if name == key]
        if len(found) != 1:
            raise KeyError(
                f"a target must be named by one of {shorten(self.names)} or by its position, got "
                f"{key!r}"
            )
        return found[0]

    def transform(self, function: Any, names: Any = None, title: str = "") -> InferenceResult:
        """Compute functions of the estimates, with standard errors by the delta method.

        Parameters
        ----------
        function : callable
            Maps a tensor of all estimates, of shape (n_targets,), to a tensor of shape () or
            (n_new,), written with torch.
        names : str, sequence of str or None, default=None
            Names of the new targets.
        title : str, default=''
            Line above the table.

        Returns
        -------
        InferenceResult
            The new targets.

        Raises
        ------
        ModelError
            If the function does not return such a tensor, or cannot be differentiated.
        TypeError
            If it is no function.
        ValueError
            If there are not as many names as new targets.
        """
        if not callable(function):
            raise TypeError(
                "`function` must map a tensor of all estimates to a tensor, got "
                f"{type(function).__name__}; name what it returns by `names`"
            )
        with torch.inference_mode(False), torch.enable_grad():
            at = torch.tensor(self.estimate, requires_grad=True)
            try:
                value = function(at)
            except (RuntimeError, TypeError) as error:
                raise ModelError(
                    "`function` must be computable by torch functions, such as torch.exp, got "
                    f"{type(error).__name__}: {error}"
                ) from error
            if not torch.is_tensor(value) or value.dim() > 1 or not value.requires_grad:
                raise ModelError(
                    "`function` must return a tensor with at most one axis that depends on the "
                    f"estimates, got {value!r}"
                )
            value = value.reshape(-1)
            rows = [torch.autograd.grad(v, at, retain_graph=True)[0] for v in value]
        jacobian = torch.stack(rows).numpy()
        names = [names] if isinstance(names, str) else names
        names = [f"f{j}" for j in range(len(value))] if names is None else list(names)
        if len(names) != len(value):
            raise ValueError(f"`names` must have {len(value)} entries, got {names}")
        moves = None if self.moves is None else self.moves @ jacobian.T
        covariance = jacobian @ self.covariance @ jacobian.T
        found = value.detach().numpy()
        return InferenceResult(found, covariance, names, title, self.n_samples, moves=moves)

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
        low, high = f"[{100 * alpha / 2:g}%", f"{100 * (1 - alpha / 2):g}%]"
        heads = {"target": "", "std_error": "std. err.", "low": low, "high": high}
        table = self.table(alpha)
        head = [heads.get(column, column) for column in table]
        columns = [
            values if column == "target" else [f"{v:{DIGITS.get(column, '.4g')}}" for v in values]
            for column, values in table.items()
        ]
        rows = [list(row) for row in zip(*columns, strict=True)]
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


def make_result(
    found: Average,
    names: list[str],
    title: str,
    limits: tuple[np.ndarray, np.ndarray] | None = None,
) -> InferenceResult:
    """Give averages names.

    Parameters
    ----------
    found : Average
    names : list of str
    title : str
    limits : tuple of ndarray of shape (n_targets,), or None, default=None

    Returns
    -------
    InferenceResult
    """
    return InferenceResult(
        found.estimate, found.covariance, names, title, found.n_samples, limits, found.moves
    )
