"""Draw the effects of one contrast on one outcome."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklcausal.inspection._columns import check_effects, find_limits
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    SKY_BLUE,
    VERMILION,
    count,
    cut_intervals,
    restyle,
)

FEW_ROWS = 60


def _write(value: float) -> str:
    """Write three digits, or more where that takes no exponent."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


@dataclass
class EffectPanel:
    """Effects of one contrast on one outcome, and the artists that show them.

    Attributes
    ----------
    effect : ndarray of shape (n_samples,)
    low, high : ndarray of shape (n_samples,) or None
    ate : float or None
    ate_interval : tuple of float or None
    name : str or None
    points, intervals, ate_line, ate_band, zero_line : Artist or None
    cut : list of Line2D
    """

    effect: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    ate: float | None
    ate_interval: tuple[float, float] | None
    name: str | None
    points: Any = None
    intervals: Any = None
    ate_line: Any = None
    ate_band: Any = None
    zero_line: Any = None
    cut: list[Any] = field(default_factory=list)

    def describe_average(self, what: str) -> str:
        """Write the average effect and its interval, or nothing if there is none.

        Parameters
        ----------
        what : str
            What the numbers are called.

        Returns
        -------
        str
        """
        if self.ate is None:
            return ""
        label = f"{what} {_write(self.ate)}"
        if self.ate_interval is None:
            return label
        low, high = self.ate_interval
        return f"{label} [{_write(low)}, {_write(high)}]"

    def ends(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return effects and ends of intervals of some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (n_rows,)

        Returns
        -------
        effect, low, high : ndarray of shape (n_rows,)
        """
        effect = self.effect[rows]
        if self.low is None or self.high is None:
            return effect, effect, effect
        return effect, self.low[rows], self.high[rows]

    def averages(self) -> list[float]:
        """Return the average effect and the ends of its interval, as far as they are there.

        Returns
        -------
        list of float
        """
        return [v for v in (self.ate, *(self.ate_interval or ())) if v is not None]

    def draw_rows(
        self,
        ax: Any,
        rows: np.ndarray,
        at: np.ndarray,
        alpha: float | None,
        point_kwargs: dict[str, Any] | None,
        interval_kwargs: dict[str, Any] | None,
    ) -> None:
        """Draw effects and their intervals.

        Parameters
        ----------
        ax : Axes
        rows : ndarray of int of shape (n_rows,)
        at : ndarray of float of shape (n_rows,)
            Places on the horizontal axis.
        alpha : float or None
        point_kwargs, interval_kwargs : dict or None
        """
        n = len(self.effect)
        shown = "" if len(rows) == n else f" ({count(len(rows))} of {count(n)} rows)"
        few = len(rows) <= FEW_ROWS
        style = {
            "linestyle": "none",
            "marker": "o",
            "markersize": 5 if few else 2.5,
            "color": BLUE,
            "zorder": 3,
            "label": f"Effect{shown}",
        }
        (self.points,) = ax.plot(at, self.effect[rows], **restyle(style, point_kwargs))
        if self.low is None or self.high is None:
            return
        level = "Interval" if alpha is None else f"{100 * (1 - alpha):g} % interval"
        width = 1.5 if few else 0.7
        style = {"color": SKY_BLUE, "linewidth": width, "alpha": 0.8, "zorder": 2, "label": level}
        ends = self.low[rows], self.high[rows]
        self.intervals = ax.vlines(at, *ends, **restyle(style, interval_kwargs))

    def draw_average(self, ax: Any, label: str, ate_kwargs: dict[str, Any] | None) -> None:
        """Draw the average effect and its interval.

        Parameters
        ----------
        ax : Axes
        label : str
        ate_kwargs : dict or None
        """
        if self.ate is None:
            return
        if self.ate_interval is not None:
            style = {"color": VERMILION, "alpha": 0.3, "linewidth": 0, "zorder": 2.5}
            self.ate_band = ax.axhspan(*self.ate_interval, **style)
        style = {"color": VERMILION, "linestyle": "--", "linewidth": 2, "zorder": 2.8}
        self.ate_line = ax.axhline(self.ate, label=label, **restyle(style, ate_kwargs))

    def set_limits(
        self,
        ax: Any,
        rows: np.ndarray,
        at: np.ndarray,
        limits: tuple[float, float],
        has_zero: bool,
    ) -> None:
        """Set the limits, mark what goes beyond, and draw the line of no effect if near.

        Parameters
        ----------
        ax : Axes
        rows : ndarray of int of shape (n_rows,)
        at : ndarray of float of shape (n_rows,)
        limits : tuple of float
        has_zero : bool
        """
        ax.set_ylim(limits)
        if has_zero:
            self.zero_line = ax.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
        if self.intervals is not None:
            _, low, high = self.ends(rows)
            self.cut = cut_intervals(ax, self.intervals, at, low, high, limits)


def find_common_limits(
    panels: Sequence[EffectPanel], rows: Sequence[np.ndarray]
) -> tuple[tuple[float, float], bool]:
    """Find limits for panels that share the vertical axis.

    Parameters
    ----------
    panels : sequence of EffectPanel
    rows : sequence of ndarray of int
        Rows that are drawn in each.

    Returns
    -------
    limits : tuple of float
    has_zero : bool
    """
    ends = [panel.ends(own) for panel, own in zip(panels, rows, strict=True)]
    effect, low, high = (np.concatenate(part) for part in zip(*ends, strict=True))
    return find_limits(effect, low, high, [v for panel in panels for v in panel.averages()])


def check_grid(
    effect: Any, low: Any, high: Any, x: Any, ate: Any, ate_interval: Any, effect_name: Any
) -> dict[str, Any]:
    """Check effects of one contrast on one outcome, or of several.

    Parameters
    ----------
    effect : array-like of shape (n_samples,) or (n_samples, n_contrasts, n_outcomes)
    low, high : array-like of the same shape or None
    x : array-like of shape (n_samples,) or None
    ate : float, array-like of shape (n_contrasts, n_outcomes), or None
    ate_interval : tuple of two like ate, or None
    effect_name : str, array-like of str of shape (n_contrasts, n_outcomes), or None

    Returns
    -------
    dict
        The same by name.
    """
    shape = np.shape(effect)[1:] if np.ndim(effect) == 3 else ()
    for name, value in {"low": low, "high": high}.items():
        if shape and value is not None and np.shape(value) != np.shape(effect):
            raise ValueError(
                f"`{name}` must have shape {np.shape(effect)} as `effect` has, got "
                f"{np.shape(value)}"
            )
    if shape and not np.prod(shape):
        raise ValueError(f"`effect` must hold at least 1 contrast and outcome, got {shape}")
    if ate is not None and np.shape(ate) != shape:
        raise ValueError(
            f"`ate` must have shape {shape} as `effect` asks for, got {np.shape(ate)}"
        )
    if ate_interval is not None and (ate is None or np.shape(ate_interval) != (2, *shape)):
        raise ValueError(
            "`ate_interval` must hold two numbers and come with `ate`, "
            f"got {ate_interval!r} and ate={ate!r}"
        )
    if effect_name is not None and np.shape(effect_name) != shape:
        raise ValueError(
            f"`effect_name` must have shape {shape} as `effect` asks for, got "
            f"{np.shape(effect_name)}"
        )
    named = {"effect": effect, "low": low, "high": high}
    if not shape:
        named["effect"], named["low"], named["high"], x = check_effects(effect, low, high, x)
    else:
        # panel by panel, since the checks are those of a single one
        columns = {k: None if v is None else np.asarray(v) for k, v in named.items()}
        for c, m in np.ndindex(shape):
            own = [None if v is None else v[:, c, m] for v in columns.values()]
            numbers = check_effects(own[0], own[1], own[2], x)[3]
        named = {k: None if v is None else v.astype(float) for k, v in columns.items()}
        x, ate = numbers, None if ate is None else np.asarray(ate, dtype=float)
    return {**named, "x": x, "ate": ate, "ate_interval": ate_interval, "effect_name": effect_name}


def split_panels(display: Any) -> np.ndarray:
    """Split a display into panels, one for each contrast and outcome.

    Parameters
    ----------
    display : EffectDisplay

    Returns
    -------
    ndarray of EffectPanel of shape (n_contrasts, n_outcomes)
    """
    shape = display.effect.shape[1:] if display.effect.ndim == 3 else (1, 1)

    def take(values: Any, c: int, m: int) -> Any:
        return None if values is None else np.reshape(values, (-1, *shape))[:, c, m]

    panels = np.empty(shape, dtype=object)
    for c, m in np.ndindex(shape):
        effect, low, high = (take(v, c, m) for v in (display.effect, display.low, display.high))
        ate, ends = take(display.ate, c, m), take(display.ate_interval, c, m)
        name = take(display.effect_name, c, m)
        panels[c, m] = EffectPanel(
            effect,
            low,
            high,
            None if ate is None else float(ate[0]),
            None if ends is None else (float(ends[0]), float(ends[1])),
            None if name is None else str(name[0]),
        )
    return panels
