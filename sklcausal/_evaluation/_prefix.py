"""Rank rows of two arms by a score and sum up from the top."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from sklcausal._evaluation._study import Study

MULTIARM = ("each", "best")
NORMALIZE = ("perfect", "total", None)
EMPTY = ("interpolate", "zero")


@dataclass(frozen=True)
class Comparison:
    """Rows of one arm and the control, ranked by a score.

    Attributes
    ----------
    score : ndarray of shape (n_rows,)
        The larger, the earlier is a row targeted.
    treated : ndarray of bool of shape (n_rows,)
    y : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,) or None
        Of people, on average over all rows 1; None where all are 1.
    inverse : ndarray of shape (n_rows,) or None
        Weight of an outcome within its arm, where propensities are given.
    """

    score: np.ndarray
    treated: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    inverse: np.ndarray | None


def compare(
    study: Study, score: np.ndarray, arm: np.ndarray | int, y: np.ndarray, pi: np.ndarray | None
) -> Comparison:
    """Take the rows that received an arm or the control.

    Where propensities tell how likely a row was to be among them, it stands for all like it.

    Parameters
    ----------
    study : Study
    score : ndarray of shape (n_samples,)
    arm : int or ndarray of int of shape (n_samples,)
    y : ndarray of shape (n_samples,)
    pi : ndarray of shape (n_samples, n_arms) or None

    Returns
    -------
    Comparison
    """
    n, n_arms = len(study.t), study.treatments.n_arms
    treated = study.t == arm
    weight = None if study.weight.strides == (0,) else study.weight * n
    rows: Any = slice(None)
    if n_arms > 2:
        rows = np.flatnonzero(treated | (study.t == study.treatments.control))
        if pi is None and np.ndim(arm):
            # who received their best arm depends on which it is: shares undo that
            share = np.bincount(study.t, study.weight, minlength=n_arms)
            pi = np.broadcast_to(share, (n, n_arms))
    inverse = None
    if pi is not None:
        base = np.ones(n) if weight is None else weight
        inverse = base / pi[np.arange(n), study.t]
        if n_arms > 2:
            # rows of two arms stand for everybody
            pair = pi[np.arange(n), arm] + pi[:, study.treatments.control]
            weight = base / pair
            weight *= base[rows].sum() / weight[rows].sum()
    found = Comparison(
        score[rows],
        treated[rows],
        y[rows],
        None if weight is None else weight[rows],
        None if inverse is None else inverse[rows],
    )
    if found.treated.all() or not found.treated.any():
        arms = study.treatments.labels
        none = arms[study.treatments.control] if found.treated.any() else "the targeted arm"
        raise ValueError(
            f"`T` must hold rows of both arms that are compared, got none of {none!r}"
        )
    return found


def arm_of(study: Study, arm: Any) -> int:
    """Find the position of the contrast of an arm.

    Parameters
    ----------
    study : Study
    arm : label

    Returns
    -------
    int
    """
    labels = [study.treatments.labels[a] for a in study.others]
    if np.ndim(arm) or arm not in labels:
        raise ValueError(f"`arm` must be one of {labels}, got {arm!r}")
    return labels.index(arm)


def comparisons(
    study: Study, effect: np.ndarray, arm: Any, multiarm: str, pi: np.ndarray | None
) -> list[list[Comparison]]:
    """Make the comparisons that are asked for.

    Parameters
    ----------
    study : Study
    effect : ndarray of shape (n_samples, n_contrasts, n_outcomes)
    arm : label or None
    multiarm : {'each', 'best'}
    pi : ndarray of shape (n_samples, n_arms) or None

    Returns
    -------
    list of list of Comparison
        Contrasts outside, or one for the best arm, outcomes within.
    """
    if multiarm not in MULTIARM:
        raise ValueError(f"`multiarm` must be one of {MULTIARM}, got {multiarm!r}")
    outcomes = range(study.y.shape[1])
    if multiarm == "best" and arm is None:
        best = effect.argmax(axis=1)
        top = np.take_along_axis(effect, best[:, None], axis=1)[:, 0]
        return [
            [
                compare(study, top[:, m], study.others[best[:, m]], study.y[:, m], pi)
                for m in outcomes
            ]
        ]
    wanted = range(len(study.others)) if arm is None else [arm_of(study, arm)]
    return [
        [
            compare(study, effect[:, c, m], int(study.others[c]), study.y[:, m], pi)
            for m in outcomes
        ]
        for c in wanted
    ]


def single(found: list[list[Comparison]], study: Study) -> Comparison:
    """Take the only comparison that there is, or say how to choose one.

    Parameters
    ----------
    found : list of list of Comparison
    study : Study

    Returns
    -------
    Comparison
    """
    if study.y.shape[1] > 1:
        raise ValueError(
            f"`y` must hold one outcome for a curve, got {study.y.shape[1]}; pass one column of "
            "`y` and of `effect`"
        )
    if len(found) > 1:
        labels = [study.treatments.labels[a] for a in study.others]
        raise ValueError(
            f"`arm` must be one of {labels} for a curve, or multiarm='best' given, as there are "
            f"{len(labels)} contrasts, got None"
        )
    return found[0][0]


def prefix_curve(rows: Comparison, kind: str, empty: str) -> tuple[np.ndarray, np.ndarray]:
    """Compute the points of a curve at every distinct score.

    Parameters
    ----------
    rows : Comparison
    kind : {'uplift', 'qini'}
    empty : {'interpolate', 'zero'}

    Returns
    -------
    n_targeted, gain : ndarray of shape (n_points,)
    """
    if empty not in EMPTY:
        raise ValueError(f"`empty` must be one of {EMPTY}, got {empty!r}")
    order = np.argsort(rows.score)[::-1]
    score = rows.score[order]
    differs = score[1:] != score[:-1]
    last: Any = slice(None)
    if not differs.all():
        last = np.append(np.flatnonzero(differs), len(score) - 1)
    treated, y = rows.treated[order], rows.y[order]

    # given propensities, who is likely to be treated must not count for more
    counts_treated = kind == "qini" and rows.inverse is None

    def total(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values)[last]

    outcome = rows.inverse if rows.inverse is not None else rows.weight
    if outcome is not None:
        y = y * outcome[order]
    y_treated, y_others = total(y * treated), total(y)
    y_others -= y_treated
    if rows.weight is None:
        points = np.arange(0.0, len(treated) + 1)
        n_all = points if isinstance(last, slice) else points[np.append(0, last + 1)]
        n_treated = total(treated).astype(float)
    else:
        weight = rows.weight[order]
        n_all, n_treated = np.append(0.0, total(weight)), total(weight * treated)
    w_treated, w_others = n_treated, n_all[1:] - n_treated
    if rows.inverse is not None:
        inverse = rows.inverse[order]
        w_treated = total(inverse * treated)
        w_others = total(inverse) - w_treated
    gain = np.zeros(len(n_all))
    lift = gain[1:]
    _divide(y_treated, w_treated, lift)
    lift -= _divide(y_others, w_others, y_others)
    lift *= n_treated if counts_treated else n_all[1:]
    if kind == "qini" and not counts_treated:
        lift *= n_treated[-1] / n_all[-1]
    if empty == "interpolate":
        # nobody treated is no gain among the treated, but says nothing of the lift
        known = w_others if counts_treated else np.minimum(w_treated, w_others)
        _bridge(n_all[1:], lift, known > 0, 1 if counts_treated else 2)
    return n_all, gain


def _divide(total: np.ndarray, weight: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Divide, with 0 where there is no weight, which can only be in the first places."""
    first = int((weight > 0).argmax())
    out[:first] = 0.0
    np.divide(total[first:], weight[first:], out=out[first:])
    return out


def _bridge(n_all: np.ndarray, gain: np.ndarray, known: np.ndarray, power: int) -> None:
    """Draw a line to the first prefix that tells: of the gain itself, or, by 2, of the lift."""
    first = int(known.argmax())
    gain[:first] = gain[first] * (n_all[:first] / n_all[first]) ** power


def perfect_order(rows: Comparison, kind: str) -> Comparison:
    """Rank rows as nobody could who has not seen the outcomes.

    Parameters
    ----------
    rows : Comparison
    kind : {'uplift', 'qini'}

    Returns
    -------
    Comparison
    """
    if not np.isin(rows.y, (0.0, 1.0)).all():
        raise ValueError(
            "`normalize='perfect'` needs outcomes of 0 and 1, got "
            f"{rows.y[~np.isin(rows.y, (0.0, 1.0))][0]:g}; use 'total' or None"
        )
    t = rows.treated.astype(float)
    if kind == "qini":
        score = np.where(rows.treated, rows.y, -rows.y)
    else:
        weight = np.ones(len(t)) if rows.weight is None else rows.weight
        responders = weight @ (rows.y * (1 - t))
        refusers = weight @ ((1 - rows.y) * t)
        score = 2.0 * (rows.y == t) + (rows.y if responders > refusers else t)
    return Comparison(score, rows.treated, rows.y, rows.weight, rows.inverse)


def area(rows: Comparison, kind: str, normalize: str | None) -> float:
    """Compute the area that a score stands for.

    Parameters
    ----------
    rows : Comparison
    kind : {'uplift', 'qini'}
    normalize : {'perfect', 'total'} or None

    Returns
    -------
    float
    """
    if normalize not in NORMALIZE:
        raise ValueError(f"`normalize` must be one of {NORMALIZE}, got {normalize!r}")
    if normalize == "perfect":
        n, gain = prefix_curve(rows, kind, "zero")
        best_n, best_gain = prefix_curve(perfect_order(rows, kind), kind, "zero")
        best = _above_random(best_n, best_gain)
        if best == 0:
            raise ValueError(
                "`normalize='perfect'` needs outcomes that differ, got a perfect curve without "
                "area; use None"
            )
        return _above_random(n, gain) / best
    n, gain = prefix_curve(rows, kind, "interpolate")
    if normalize is None:
        return _above_random(n / n[-1], gain / n[-1])
    if gain[-1] == 0:
        raise ValueError(
            "`normalize='total'` needs a total gain other than 0, got 0; use 'perfect' or None"
        )
    gain = gain / abs(gain[-1])
    # the mean over all prefixes, from nobody to everybody; on a tie along a straight line
    steps = np.diff(n)
    prefixes = (steps * (gain[1:] + gain[:-1]) / 2 + np.diff(gain) / 2).sum()
    mean = prefixes / (n[-1] + 1)
    return float(mean - gain[-1] / 2 if kind == "qini" else mean)


def _above_random(n: np.ndarray, gain: np.ndarray) -> float:
    return float(trapezoid(gain, n) - gain[-1] * n[-1] / 2)


def check_totals(cost: float, value: float) -> None:
    """Raise unless targeting everybody raises cost and value, so that shares have a meaning.

    Parameters
    ----------
    cost, value : float
        Incremental totals.
    """
    for name, total in {"cost": cost, "y": value}.items():
        if total <= 0:
            what = "cost" if name == "cost" else "value"
            raise ValueError(
                f"`{name}` must rise when everybody is targeted, got a total incremental {what} "
                f"of {total:g}"
            )
