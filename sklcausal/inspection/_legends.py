"""Legends and titles of pictures."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from typing import Any

from sklcausal.inspection._plotting import take_literally

MAX_LEGEND_SHARE = 0.6
CHARACTER_WIDTH = 0.65  # of the font size, on average


def draw_legend(ax: Any, **options: Any) -> Any:
    """Draw a legend whose words are taken as they are.

    Parameters
    ----------
    ax : Axes
    **options : object
        Passed to ``ax.legend``.

    Returns
    -------
    Legend
    """
    legend = ax.legend(**options)
    take_literally(legend)
    return legend


def legend_in_headroom(
    ax: Any, handles: list[Any], n_columns: int = 1, loc: str = "upper left"
) -> Any:
    """Widen the y-axis upwards by the height of the legend, so that it covers no data.

    Parameters
    ----------
    ax : Axes
        With its final limits, on any scale.
    handles : list of Artist
    n_columns : int, default=1
        Columns of the legend, as far as they fit side by side.
    loc : {'upper left', 'upper right'}, default='upper left'
        Side of the legend.

    Returns
    -------
    Legend
    """
    legend = draw_legend(ax, handles=handles, loc=loc, frameon=False)
    size = legend.get_texts()[0].get_fontsize()
    # in points: the longest text, and the handle with its pads
    width = size * (max(len(h.get_label()) for h in handles) * CHARACTER_WIDTH + 5)
    n_columns = max(min(n_columns, int(72 * ax.bbox.width / ax.figure.dpi / width)), 1)
    if n_columns > 1:
        legend = draw_legend(ax, handles=handles, loc=loc, frameon=False, ncols=n_columns)
    # in points: lines, the space between them, and the pads of the box
    height = size * (1.7 * -(-len(handles) // n_columns) + 1.3)
    share = min(height * ax.figure.dpi / 72 / ax.bbox.height, MAX_LEGEND_SHARE)
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(ax.get_ylim())
    ax.set_ylim(top=scale.inverted().transform([low + (high - low) / (1 - share)])[0])
    return legend


def note(text: str) -> Any:
    """Return an entry of a legend that is nothing but text.

    Parameters
    ----------
    text : str

    Returns
    -------
    Line2D
    """
    lines = importlib.import_module("matplotlib.lines")
    return lines.Line2D([], [], linestyle="none", label=text)


def write_heads(axes: Any, heads: list[tuple[str, list[Any]]]) -> list[Any]:
    """Write titles and legends above panels, all of the same height, so that none covers data.

    Parameters
    ----------
    axes : sequence of Axes
    heads : list of tuple
        Title and handles of each panel.

    Returns
    -------
    list of Legend
    """
    n_lines = max(len(handles) for _, handles in heads)
    legends = []
    for ax, (title, handles) in zip(axes, heads, strict=True):
        blank = [note(" ")] * (n_lines - len(handles))
        legend = draw_legend(
            ax,
            handles=[*handles, *blank],
            title=title,
            title_fontproperties={"weight": "bold"},
            alignment="left",
            loc="lower left",
            bbox_to_anchor=(0, 1),
            frameon=False,
            borderpad=0,
            borderaxespad=0.3,
        )
        legends.append(legend)
    return legends
