"""Lay out panels below one legend."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklcausal.inspection._plotting import CHARACTER_WIDTH

MAX_COLUMNS = 3
PANEL_SIZE = (3.0, 2.4)  # inches
LEGEND_HEIGHT = 0.18  # of a panel
TITLE_SHARE = 1.2  # of the width of the axes, which the gap to the next allows
TITLE_PAD = 8.0  # points, for marks at the edge
LINE_HEIGHT = 0.17  # inches
NO_BREAK = "\u00a0"


def count_columns(n_panels: int) -> int:
    """Choose how many panels stand side by side.

    Parameters
    ----------
    n_panels : int

    Returns
    -------
    int
    """
    return 2 if n_panels in (2, 4) else min(n_panels, MAX_COLUMNS)


def make_panels(
    plt: Any,
    ax: Any,
    n_panels: int,
    *,
    n_columns: int | None = None,
    groups: Sequence[int] | None = None,
    legend_lines: int = 1,
) -> tuple[Any, np.ndarray, Any]:
    """Make panels that share the horizontal axis, or take those that are given.

    Parameters
    ----------
    plt : module
        Pyplot.
    ax : Axes, array of Axes or None
        One to be split, one for each panel, or None for a new figure.
    n_panels : int
    n_columns : int or None, default=None
        Panels side by side; None chooses.
    groups : sequence of int of length n_panels or None, default=None
        Panels of the same group share the vertical axis. None shares none.
    legend_lines : int, default=1

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes of shape (n_panels,)
    legend_ax : Axes or None
        Where the legend goes. None where it must stand in a panel.
    """
    given = None if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if given is not None and len(given) not in (1, n_panels):
        raise ValueError(
            f"`ax` must be one Axes or one for each of the {n_panels} panels, got {len(given)}"
        )
    if given is not None and len(given) == n_panels:
        return given[0].figure, given, None
    if n_panels == 1:
        figure, panel = plt.subplots(layout="constrained")
        return figure, np.array([panel], dtype=object), None
    n_columns = n_columns or count_columns(n_panels)
    n_rows = -(-n_panels // n_columns)
    top = LEGEND_HEIGHT * legend_lines
    heights = {"height_ratios": [top, *[1.0] * n_rows]}
    if given is None:
        size = (PANEL_SIZE[0] * n_columns, PANEL_SIZE[1] * (n_rows + top))
        figure = plt.figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(n_rows + 1, n_columns, **heights)
    else:
        figure = given[0].figure
        if given[0].get_subplotspec() is None:
            raise ValueError(
                f"`ax` must stand in a grid of subplots, or be an array of {n_panels} Axes"
            )
        given[0].set_axis_off()
        grid = given[0].get_subplotspec().subgridspec(n_rows + 1, n_columns, **heights)
    legend_ax = figure.add_subplot(grid[0, :])
    legend_ax.set_axis_off()
    panels: list[Any] = []
    first_of: dict[int, Any] = {}
    for k in range(n_panels):
        group = k if groups is None else groups[k]
        cell = grid[1 + k // n_columns, k % n_columns]
        shared = {"sharex": panels[0] if panels else None, "sharey": first_of.get(group)}
        panel = figure.add_subplot(cell, **shared)
        has_scale = k % n_columns == 0 or groups is None or groups[k - 1] != group
        panel.tick_params(labelbottom=k + n_columns >= n_panels, labelleft=has_scale)
        first_of.setdefault(group, panel)
        panels.append(panel)
    return figure, np.array(panels, dtype=object), legend_ax


def write_title(ax: Any, text: str) -> None:
    """Write the title of a panel, broken where it is wider than the panel.

    Parameters
    ----------
    ax : Axes
    text : str
        Lines are kept apart, and words that a no-break space joins together.
    """
    title = ax.set_title("", fontsize="medium", pad=TITLE_PAD)
    room = TITLE_SHARE * 72 * ax.bbox.width / ax.figure.dpi
    width = max(int(room / (CHARACTER_WIDTH * title.get_fontsize())), 8)
    lines = []
    for line in text.split("\n"):
        is_joined = NO_BREAK in line and " " not in line
        lines += [line] if is_joined else textwrap.wrap(line, width)
    title.set_text("\n".join(lines).replace(NO_BREAK, " "))


def make_room(axes: np.ndarray) -> None:
    """Make a figure higher by what titles of several lines take from its panels.

    Parameters
    ----------
    axes : ndarray of Axes of shape (n_panels,)
        Those of `make_panels`.
    """
    n_rows = axes[0].get_subplotspec().get_gridspec().nrows - 1
    n_more = max(ax.get_title().count("\n") for ax in axes)
    width, height = axes[0].figure.get_size_inches()
    axes[0].figure.set_size_inches(width, height + LINE_HEIGHT * n_more * n_rows)
