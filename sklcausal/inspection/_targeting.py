"""Curves of targeting the largest predicted effects first, with intervals."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import trapezoid
from scipy.sparse import coo_array
from scipy.stats import norm

from sklcausal._evaluation._prefix import (
    MULTIARM,
    Comparison,
    area,
    arm_of,
    check_totals,
    compare,
    perfect_order,
    prefix_curve,
)
from sklcausal._evaluation._ranking import (
    area_of,
    bootstrap,
    gain_at,
    half_samples,
    rankings_of,
    toc_at,
)
from sklcausal._evaluation._scores import arm_scores
from sklcausal._evaluation._study import Study, read_outcome_mean, read_propensity
from sklcausal.inspection._columns import thin

SHARES = np.linspace(0.01, 1, 100)
N_BLOCKS = 200  # of rows, from the largest effects to the smallest
MAX_CELLS = 10_000_000  # of half samples times rows at a time
MAX_POINTS = 1_000  # of a curve
ROUNDING = 1e-10  # of the height of a curve
MIN_ARM_ROWS = 8  # behind an interval
MIN_ROWS = 30  # behind the first point of an average effect


def _half_sums(
    rows: Comparison, spent: Comparison | None, unit: np.ndarray, drawn: list[np.ndarray]
) -> np.ndarray:
    """Sum people, treated, outcomes and costs from the top, shape (n_draws, N_BLOCKS, 6 or 8)."""
    people = np.ones(len(unit)) if rows.weight is None else rows.weight
    weight = people if rows.inverse is None else rows.inverse
    arms = np.stack([rows.treated, ~rows.treated], axis=1) * weight[:, None]
    parts = [people[:, None], (people * rows.treated)[:, None], arms, arms * rows.y[:, None]]
    if spent is not None:
        parts.append(arms * spent.y[:, None])
    values = np.hstack(parts)
    # rows with the same score stay in one block: the one in which the last of them stands
    level, size = np.unique(-rows.score, return_inverse=True, return_counts=True)[1:]
    block = ((size.cumsum() * N_BLOCKS - 1) // len(unit))[level]
    n_parts, n_units = values.shape[1], len(drawn[0])
    columns = block[:, None] * n_parts + np.arange(n_parts)
    places = (np.repeat(unit, n_parts), columns.ravel())
    table = coo_array((values.ravel(), places), (n_units, N_BLOCKS * n_parts)).tocsr()
    step = max(1, MAX_CELLS // n_units)
    sums = [
        np.stack(drawn[k : k + step]).astype(float) @ table for k in range(0, len(drawn), step)
    ]
    return np.concatenate(sums).reshape(len(drawn), N_BLOCKS, n_parts).cumsum(axis=1)


def _is_rare(rows: Comparison) -> bool:
    """Tell whether halves would hold too few rows of an arm to say anything of errors."""
    return int(min(rows.treated.sum(), (~rows.treated).sum())) < MIN_ARM_ROWS


def _half_gain(
    sums: np.ndarray, outcome: np.ndarray, kind: str, counts_treated: bool
) -> np.ndarray:
    """Compute the gain of each half sample per person, shape (n_draws, N_BLOCKS)."""
    people, treated, arms = sums[..., 0], sums[..., 1], sums[..., 2:4]
    means = np.divide(outcome, arms, out=np.zeros_like(outcome), where=arms > 0)
    if not counts_treated:
        treated = people * (treated[:, -1:] / people[:, -1:])
    gain = (means[..., 0] - means[..., 1]) * (people if kind == "uplift" else treated)
    known = arms[..., 1] > 0 if counts_treated else arms.min(axis=-1) > 0
    # towards the first prefix that tells of both arms, a line of the lift, or of the gain itself
    first = known.argmax(axis=1)[:, None]
    start, height = (np.take_along_axis(own, first, axis=1) for own in (people, gain))
    line = height * (people / start) ** (1 if counts_treated else 2)
    return np.where(np.arange(N_BLOCKS) < first, line, gain) / people[:, -1:]


def _half_errors(
    sums: np.ndarray, kind: str, counts_treated: bool, height: np.ndarray, total: float
) -> tuple[np.ndarray, float] | None:
    """Compute standard errors of heights at `SHARES` and of the area; None if they cannot."""
    sums = sums[(sums[:, -1, 2:4] > 0).all(axis=1)]
    gain, x = (
        _half_gain(sums, sums[..., 4:6], kind, counts_treated),
        sums[..., 0] / sums[:, -1:, 0],
    )
    has_cost = sums.shape[2] > 6
    if has_cost:
        spent = _half_gain(sums, sums[..., 6:8], kind, counts_treated)
        rises = spent[:, -1] > 0
        gain, spent = gain[rises], spent[rises]
        x = np.maximum.accumulate(spent, axis=1) / spent[:, -1:]
    if len(gain) < 2:
        return None
    ends = zip(x, gain, strict=True)
    at = np.stack([np.interp(SHARES, np.append(0, a), np.append(0, b)) for a, b in ends])
    if has_cost:
        # the error of a ratio to first order, since totals of halves may lie near 0
        at = (at - height * gain[:, -1:]) / total
    areas = trapezoid(np.insert(at, 0, 0, axis=1), np.append(0, SHARES), axis=1)
    if not has_cost:
        areas -= at[:, -1] / 2
    return at.std(axis=0, ddof=1), float(areas.std(ddof=1))


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve of targeting.

    Attributes
    ----------
    name : str
        Whose predictions they are.
    contrast : str
        Which arms are compared.
    x, y : ndarray of shape (n_points,)
    area : float or None
    grid, low, high : ndarray of shape (n_shares,) or None
        Where there are intervals, and their ends.
    area_interval : tuple of float or None
    """

    name: str
    contrast: str
    x: np.ndarray
    y: np.ndarray
    area: float | None = None
    grid: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    area_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Targeting:
    """Estimate curves of targeting by predicted effects.

    Attributes
    ----------
    study : Study
    kind : {'uplift', 'qini', 'cost', 'toc', 'gain'}
    cost : ndarray of shape (n_samples,) or None
    arm : label or None
    multiarm : {'each', 'best'}
    outcome_mean, propensity : array-like or None
    clip : float
    cluster : array-like of shape (n_samples,) or None
    alpha : float or None
        None computes no intervals.
    n_bootstrap : int
    random_state : int, RandomState instance or None
    unit : float
        What heights are multiplied by, and areas except for costs.
    """

    study: Study
    kind: str
    cost: np.ndarray | None
    arm: Any
    multiarm: str
    outcome_mean: Any
    propensity: Any
    clip: float
    cluster: Any
    alpha: float | None
    n_bootstrap: int
    random_state: Any
    unit: float

    def curves(self, effects: dict[str, Any]) -> list[Curve]:
        """Compute a curve for each of the predictions and contrasts, contrasts innermost.

        Parameters
        ----------
        effects : dict of str to array-like
            By name of the estimator.

        Returns
        -------
        list of Curve
        """
        if self.kind in ("toc", "gain"):
            scores = arm_scores(self.study, self.outcome_mean, self.propensity, self.clip)
            return [
                curve
                for name, effect in effects.items()
                for curve in self._rate_curves(name, effect, scores)
            ]
        halves, n = None, self.n_bootstrap
        if self.alpha is not None:
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 2:
                raise ValueError(f"`n_bootstrap` must be an integer of at least 2, got {n!r}")
            halves = half_samples(self.study, self.cluster, self.n_bootstrap, self.random_state)
        return [
            self._prefix_curve(name, contrast, score, arm, halves)
            for name, effect in effects.items()
            for contrast, score, arm in self._contrasts(effect)
        ]

    def perfect_curves(self, name: str) -> list[Curve]:
        """Compute the curves of somebody who knows the outcomes, which must be 0 and 1.

        Parameters
        ----------
        name : str
            Name of the curves.

        Returns
        -------
        list of Curve
        """
        if self.multiarm == "best" and self.arm is None and len(self.study.others) > 1:
            raise ValueError("`perfect` needs an arm for each curve, got multiarm='best'")
        if not np.isin(self.study.y, (0.0, 1.0)).all():
            came = np.unique(self.study.y[~np.isin(self.study.y, (0.0, 1.0))])[:1]
            raise ValueError(f"`perfect` needs outcomes of 0 and 1, got {came[0]:g}")
        found = []
        for contrast, score, arm in self._contrasts(np.zeros(self._shape)):
            rows = perfect_order(self._compare(score, arm, self.study.y[:, 0]), self.kind)
            n, gain = prefix_curve(rows, self.kind, "zero")
            found.append(self._curve(name, contrast, (n / n[-1], gain / n[-1])))
        return found

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.study.t), len(self.study.others)

    def _contrasts(self, effect: Any) -> list[tuple[str, np.ndarray, Any]]:
        """Return name, score and arm, or the arm of each row, of every contrast."""
        study, values = self.study, self.study.read_effect(effect)[:, :, 0]
        labels = study.treatments.labels
        if self.multiarm not in MULTIARM:
            raise ValueError(f"`multiarm` must be one of {MULTIARM}, got {self.multiarm!r}")
        if self.multiarm == "best" and self.arm is None and len(study.others) > 1:
            name = f"best arm vs {labels[study.treatments.control]}"
            return [(name, values.max(axis=1), study.others[values.argmax(axis=1)])]
        columns = range(len(study.others)) if self.arm is None else [arm_of(study, self.arm)]
        return [(study.names[c], values[:, c], int(study.others[c])) for c in columns]

    def _compare(self, score: np.ndarray, arm: Any, y: np.ndarray) -> Comparison:
        pi = self.propensity
        pi = None if pi is None else read_propensity(pi, self.study, self.clip)
        return compare(self.study, score, arm, y, pi)

    def _curve(
        self,
        name: str,
        contrast: str,
        points: tuple[np.ndarray, np.ndarray],
        found: tuple[np.ndarray, float] | None = None,
        errors: tuple[np.ndarray, float] | None = None,
    ) -> Curve:
        """Thin a curve, change its units, and put normal intervals around it and its area."""
        kept = thin(np.arange(len(points[0])), MAX_POINTS)
        x, y = 100 * points[0][kept], self.unit * points[1][kept]
        if found is None:
            return Curve(name, contrast, x, y)
        unit = 1.0 if self.kind == "cost" else self.unit
        height, size = self.unit * found[0], unit * found[1]
        least = ROUNDING * np.abs(y).max()
        size = 0.0 if abs(size) <= least else size
        if errors is None or self.alpha is None:
            return Curve(name, contrast, x, y, size)
        z = norm.ppf(1 - self.alpha / 2)
        half, spread = z * self.unit * errors[0], z * unit * errors[1]
        spread = 0.0 if spread <= least else spread
        interval = (size - spread, size + spread)
        return Curve(
            name,
            contrast,
            x,
            y,
            size,
            100 * SHARES[-len(half) :],
            height - half,
            height + half,
            interval,
        )

    def _rate_curves(self, name: str, effect: Any, scores: np.ndarray) -> list[Curve]:
        means = read_outcome_mean(self.outcome_mean, self.study)
        rankings, contrasts = rankings_of(
            self.study,
            effect,
            scores,
            means,
            self.multiarm,
            self.arm,
            self.propensity is None,
        )
        at, target = (toc_at, "autoc") if self.kind == "toc" else (gain_at, "qini")

        shares = SHARES
        if self.kind == "toc":
            shares = SHARES[SHARES >= min(MIN_ROWS / len(self.study.t), 0.5)]

        def statistic(weight: np.ndarray, score: np.ndarray) -> np.ndarray:
            return np.hstack([at(weight, score, shares), area_of(weight, score, target)])

        n_values = len(shares) + 1
        if self.alpha is None:
            weight = self.study.weight[None]
            estimate = np.stack([statistic(*own.sums(weight))[0] for own in rankings])
            error = np.zeros_like(estimate)
        else:
            estimate, covariance = bootstrap(
                rankings, statistic, self.study, self.cluster, self.n_bootstrap,
                self.random_state,
            )  # fmt: skip
            estimate = estimate.reshape(-1, n_values)
            error = np.sqrt(np.diag(covariance)).reshape(-1, n_values)
        found = []
        for contrast, own, spread in zip(contrasts, estimate, error, strict=True):
            at_zero = [0.0] if self.kind == "gain" else []
            points = (np.append(at_zero, shares), np.append(at_zero, own[:-1]))
            errors = (spread[:-1], spread[-1])
            found.append(self._curve(name, contrast, points, (own[:-1], own[-1]), errors))
        return found

    def _prefix_curve(
        self,
        name: str,
        contrast: str,
        score: np.ndarray,
        arm: Any,
        halves: tuple[np.ndarray, list[np.ndarray]] | None,
    ) -> Curve:
        kind = "uplift" if self.kind == "cost" else self.kind
        rows = self._compare(score, arm, self.study.y[:, 0])
        n, gain = prefix_curve(rows, kind, "interpolate")
        x, total, spent = n / n[-1], 1.0, None
        if self.cost is None:
            y = gain / n[-1]
            size = area(rows, kind, None)
        else:
            spent = self._compare(score, arm, self.cost)
            x, total = prefix_curve(spent, kind, "interpolate")[1], gain[-1] / n[-1]
            check_totals(float(x[-1]), float(gain[-1]))
            x, y = x / x[-1], gain / gain[-1]
            size = float(trapezoid(y, x))
        height = np.interp(SHARES, np.maximum.accumulate(x), y)
        errors = None
        if halves is not None:
            study = self.study
            compared = np.flatnonzero((study.t == arm) | (study.t == study.treatments.control))
            sums = _half_sums(rows, spent, halves[0][compared], halves[1])
            counts_treated = kind == "qini" and rows.inverse is None
            errors = (
                None if _is_rare(rows) else _half_errors(sums, kind, counts_treated, height, total)
            )
        return self._curve(name, contrast, (x, y), (height, size), errors)
