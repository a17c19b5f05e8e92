"""Round levels of contours, and labels that stand free."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklcausal.inspection._plotting import BLUE, VERMILION, restyle

N_GRID = 201
NEAR_ORIGIN = 0.08  # in shares of the axes
BEYOND = 0.6  # of the way to the null that contours go past it
TOO_CLOSE = 0.04  # of the range of levels, to the one at which it starts
# along which contours may be labelled, in shares of the axes: out, then along an edge
PATHS = (((0.0, 0.0), (0.9, 0.5), (0.9, 0.92)), ((0.0, 0.0), (0.5, 0.9), (0.92, 0.9)))
N_STEPS = 400
GREY = "#666666"
LABEL_SIZE = "small"
OFFSET = 7.0  # points between a mark and its label
MARK_SIZE = 10.0  # points
# heights of a label that it may move, the nearest first
ROWS = tuple(sign * 1.1 * step for step in range(7) for sign in (1, -1)[: 1 + (step > 0)])


def write_number(value: float) -> str:
    """Write a number with three digits and a true minus sign.

    Parameters
    ----------
    value : float

    Returns
    -------
    str
    """
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def choose_levels(start: float, end: float, null: float | None, n_levels: int) -> np.ndarray:
    """Choose round levels from a value to another, or to a little beyond the null.

    Parameters
    ----------
    start, end : float
    null : float or None
        Level that is drawn by itself; None if it is not between.
    n_levels : int
        About how many.

    Returns
    -------
    ndarray of shape (n_chosen,)
        Increasing, without the null.
    """
    ticker = importlib.import_module("matplotlib.ticker")
    if null is not None:
        past = null + BEYOND * (null - start)
        end = max(end, past) if start > null else min(end, past)
    low, high = sorted((start, end))
    levels = ticker.MaxNLocator(n_levels).tick_values(low, high)
    away = np.abs(levels - start) > TOO_CLOSE * (high - low)
    if null is not None:
        away &= np.abs(levels - null) > 1e-9 * (high - low)
    return levels[(levels > low) & (levels < high) & away]


def label_path(right: float, top: float) -> np.ndarray:
    """Choose places along which contours are labelled, away from the diagonal.

    Parameters
    ----------
    right, top : float
        Ends of the axes.

    Returns
    -------
    ndarray of shape (n_steps, 2)
        From the origin outwards; neither coordinate ever falls.
    """
    slopes = [np.log(path[1][1] / path[1][0] * top / right) for path in PATHS]
    corners = np.array(PATHS[int(np.argmax(np.abs(slopes)))])
    at = np.linspace(0, len(corners) - 1, N_STEPS)
    columns = [np.interp(at, np.arange(len(corners)), column) for column in corners.T]
    return np.column_stack(columns) * np.array([right, top])


def label_contours(ax: Any, contours: Any, path: np.ndarray, values: np.ndarray) -> None:
    """Write the level on each contour where it crosses a path.

    Parameters
    ----------
    ax : Axes
    contours : QuadContourSet
    path : ndarray of shape (n_steps, 2)
    values : ndarray of shape (n_steps,)
        What is drawn, along the path; monotone.
    """
    sign = -1 if values[-1] < values[0] else 1
    at = np.searchsorted(sign * values, sign * np.asarray(contours.levels))
    # next to the origin contours stand too close for words
    away = np.hypot(*(path / path.max(axis=0)).T) > NEAR_ORIGIN
    places = [tuple(path[i]) for i in at if i < len(path) - 1 and away[i]]
    if places:
        ax.clabel(contours, fmt=write_number, fontsize=LABEL_SIZE, manual=places)


def draw_contours(
    ax: Any,
    bound: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ends: tuple[float, float],
    null: float | None,
    n_levels: int,
    contour_kwargs: dict[str, Any],
    null_kwargs: dict[str, Any],
) -> tuple[Any, Any]:
    """Draw contours of a bound over strengths, and that of the null by itself.

    Parameters
    ----------
    ax : Axes
    bound : callable
        Of cf_y and cf_d; falls or rises with both.
    ends : tuple of float
        Largest cf_d and cf_y.
    null : float or None
        None if no strength reaches it.
    n_levels : int
    contour_kwargs, null_kwargs : dict
        Passed to ``ax.contour``.

    Returns
    -------
    contours : QuadContourSet
    null_contour : QuadContourSet or None
    """
    # denser where contours bend, close to the axes
    steps = np.linspace(0, 1, N_GRID) ** 2
    cf_d, cf_y = np.meshgrid(ends[0] * steps, ends[1] * steps)
    values = bound(cf_y, cf_d)
    levels = choose_levels(float(values[0, 0]), float(values[-1, -1]), null, n_levels)
    path = label_path(*ends)
    along = bound(path[:, 1], path[:, 0])
    style = restyle({"colors": BLUE, "linewidths": 1.0, "linestyles": "solid"}, contour_kwargs)
    contours = ax.contour(cf_d, cf_y, values, levels=levels, **style)
    label_contours(ax, contours, path, along)
    if null is None or not values.min() < null < values.max():
        return contours, None
    style = restyle({"colors": VERMILION, "linewidths": 2.6, "linestyles": "solid"}, null_kwargs)
    null_contour = ax.contour(cf_d, cf_y, values, levels=[null], **style)
    label_contours(ax, null_contour, path, along)
    return contours, null_contour


def write_labels(ax: Any, texts: Sequence[str], x: np.ndarray, y: np.ndarray) -> list[Any]:
    """Write labels of points, for `place_labels` to move.

    Parameters
    ----------
    ax : Axes
    texts : sequence of str
    x, y : ndarray of shape (n_points,)

    Returns
    -------
    list of Annotation
    """
    return [
        ax.annotate(
            text,
            place,
            xytext=(OFFSET, 0),
            textcoords="offset points",
            va="center",
            fontsize=LABEL_SIZE,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0},
            zorder=5,
        )
        for text, *place in zip(texts, x, y, strict=True)
    ]


def place_labels(
    ax: Any, labels: Sequence[Any], marks: Sequence[Any], texts: Sequence[Any]
) -> None:
    """Put each label beside its point, where it covers no mark and no other text.

    Parameters
    ----------
    ax : Axes
        With its final limits and legend.
    labels : sequence of Annotation
        With offsets in points.
    marks : sequence of Line2D
        Whose points must stay free.
    texts : sequence of Text
        That must stay free.
    """
    if not labels:
        return
    ax.figure.draw_without_rendering()
    transforms = importlib.import_module("matplotlib.transforms")
    plain_extent = importlib.import_module("matplotlib.text").Text.get_window_extent
    renderer, panel = ax.figure.canvas.get_renderer(), ax.bbox
    half = MARK_SIZE / 2 * ax.figure.dpi / 72
    points = ax.transData.transform(np.vstack([mark.get_xydata() for mark in marks]))
    marked = [
        transforms.Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in points
    ]
    written = [text.get_window_extent(renderer) for text in texts]
    placed: list[Any] = []
    for label in sorted(labels, key=lambda own: own.xy[1]):
        tried: list[Any] = []
        for row in ROWS:
            for side, ahead in (("left", OFFSET), ("right", -OFFSET)):
                label.set(ha=side, position=(ahead, row * label.get_fontsize()))
                label.update_positions(renderer)
                box = plain_extent(label, renderer)  # without the line to its point
                outside = box.x0 < panel.x0 or box.x1 > panel.x1
                outside |= box.y0 < panel.y0 or box.y1 > panel.y1
                harm = 4 * outside + sum(
                    weight * box.overlaps(other)
                    for weight, others in ((3, placed), (2, marked), (1, written))
                    for other in others
                )
                tried.append((harm, len(tried), side, label.get_position(), box))
        _, _, side, place, box = min(tried, key=lambda own: own[:2])
        label.set(ha=side, position=place)
        placed.append(box)
