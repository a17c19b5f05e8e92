"""What the displays share: colours, axes, legends and the way to the fitted estimator."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
import textwrap
from typing import Any

import numpy as np

from sklcausal.utils._final_step import find_fitted, transform_to_final

# Okabe and Ito's palette, told apart by colour-blind readers; of different lightness for print
BLACK = "#000000"
BLUE = "#0072B2"
BLUISH_GREEN = "#009E73"
ORANGE = "#E69F00"
REDDISH_PURPLE = "#CC79A7"
SKY_BLUE = "#56B4E9"
VERMILION = "#D55E00"
YELLOW = "#F0E442"

# black comes late, since lines of reference are black, and yellow last, since white swallows it
CURVE_COLORS = (
    BLUE,
    VERMILION,
    BLUISH_GREEN,
    REDDISH_PURPLE,
    ORANGE,
    SKY_BLUE,
    BLACK,
    YELLOW,
)
LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (1, 1.2)),
    (0, (6, 2, 1, 2)),
    (0, (12, 3)),
    (0, (6, 2, 1, 2, 1, 2)),
    (0, (3, 3)),
    (0, (2, 1)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MARKER_SPACING = 0.12  # of the diagonal of the axes
MAX_MARKED = 20  # points that all get their marker

ALIASES = {
    "c": "color",
    "ls": "linestyle",
    "lw": "linewidth",
    "mec": "markeredgecolor",
    "mew": "markeredgewidth",
    "mfc": "markerfacecolor",
    "ms": "markersize",
}

CHARACTER_WIDTH = 0.65  # of the font size, on average
LABEL_WIDTH = 46
NAME_WIDTH = 24


def import_pyplot(name: str) -> Any:
    """Import pyplot, or say how to get it.

    Parameters
    ----------
    name : str
        Name of the display, for the message.

    Returns
    -------
    module
    """
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(
            f"{name} needs matplotlib, which is not installed; install it with: "
            'pip install "sklcausal[plot]"'
        ) from error


def unwrap(estimator: Any, X: Any = None) -> tuple[Any, Any]:
    """Find the effect estimator in fitted searches and pipelines.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features) or None, default=None

    Returns
    -------
    estimator : estimator
        The effect estimator itself.
    X : array-like of shape (n_samples, n_features) or None
        What it gets to see: X after the steps before it.
    """
    final = find_fitted(estimator)
    return final, None if X is None else transform_to_final(estimator, X)


def curve_style(k: int, n_points: int) -> dict[str, Any]:
    """Style one of several curves so that it is told apart in colour and in black and white.

    Parameters
    ----------
    k : int
        Number of the curve from 0; after 8 the styles come again.
    n_points : int
        Points of the curve; of many, few get a marker, and other ones than on the next curve.

    Returns
    -------
    dict
        Arguments of ``ax.plot``: colour, line style and markers.
    """
    k %= len(CURVE_COLORS)
    start = MARKER_SPACING * (k + 0.5) / len(CURVE_COLORS)
    return {
        "color": CURVE_COLORS[k],
        "linestyle": LINE_STYLES[k],
        "linewidth": 1.6,
        "marker": MARKERS[k],
        "markersize": 5,
        "markevery": 1 if n_points <= MAX_MARKED else (start, MARKER_SPACING),
    }


def count(n: int) -> str:
    """Write a number of rows with separators.

    Parameters
    ----------
    n : int

    Returns
    -------
    str
    """
    return f"{n:,}"


def cut_intervals(
    ax: Any,
    intervals: Any,
    at: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    limits: tuple[float, float],
) -> list[Any]:
    """Cut intervals at the limits and mark where they continue.

    Parameters
    ----------
    ax : Axes
    intervals : LineCollection
    at, low, high : ndarray of shape (n_rows,)
    limits : tuple of float

    Returns
    -------
    list of Line2D
    """
    bottom, top = limits
    marks = []
    for beyond, edge, marker in ((low < bottom, bottom, "v"), (high > top, top, "^")):
        if beyond.any():
            marks += ax.plot(
                at[beyond],
                np.full(beyond.sum(), edge),
                linestyle="none",
                marker=marker,
                markersize=5,
                color=BLACK,
                clip_on=False,
                zorder=3,
                label="Interval continues",
            )
    # the axis may grow above the limits, to make room for the legend
    ends = zip(np.clip(low, bottom, top), np.clip(high, bottom, top), strict=True)
    intervals.set_segments([[(x, a), (x, b)] for x, (a, b) in zip(at, ends, strict=True)])
    return marks


def restyle(style: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Change a style by arguments of the user, whose short names are written out.

    Parameters
    ----------
    style : dict
    given : dict or None

    Returns
    -------
    dict
    """
    return style | {ALIASES.get(name, name): value for name, value in (given or {}).items()}


def tidy(ax: Any) -> None:
    """Remove the spines that carry no scale, and take all text, dollars too, as it is.

    Parameters
    ----------
    ax : Axes
    """
    ax.spines[["top", "right"]].set_visible(False)
    take_literally(ax)


def take_literally(artist: Any) -> None:
    """Keep dollars in names of columns and arms from being read as mathematics.

    Parameters
    ----------
    artist : Artist
        With texts in it.
    """
    text = importlib.import_module("matplotlib.text")
    for found in artist.findobj(text.Text):
        found.set_parse_math(False)


def label_points(ax: Any, labels: Any) -> None:
    """Write labels below the places 0, 1, ..., broken at spaces and slanted where too long.

    Parameters
    ----------
    ax : Axes
    labels : sequence of str
    """
    labels, at = [str(label) for label in labels], np.arange(len(labels))
    ax.set_xticks(at, labels)
    size = ax.get_xticklabels()[0].get_fontsize()
    room = 72 * ax.bbox.width / ax.figure.dpi / len(labels)
    width = max(int(room / (CHARACTER_WIDTH * size)) - 1, 1)
    broken = [textwrap.wrap(label, width, break_long_words=False) for label in labels]
    if all(len(line) <= width for lines in broken for line in lines):
        ax.set_xticks(at, ["\n".join(lines) for lines in broken])
        return
    slanted = {"rotation": 30, "horizontalalignment": "right", "rotation_mode": "anchor"}
    ax.set_xticks(at, labels, **slanted)


def label_decades(axis: Any, low: float, high: float, least: float = 1.0) -> None:
    """Write plain numbers on a logarithmic axis, with 2 and 5 where decades are few.

    Parameters
    ----------
    axis : Axis
    low, high : float
        Ends of the axis.
    least : float, default=1.0
        Smallest number to write.
    """
    leading = "25" if high < 100 * low else ""
    axis.set_major_formatter(lambda value, _: f"{value:,g}" if value >= least else "")
    axis.set_minor_formatter(
        lambda value, _: f"{value:,g}" if value >= least and f"{value:e}"[0] in leading else ""
    )


def say_missing(ax: Any, text: str) -> None:
    """Say in empty axes what there is not.

    Parameters
    ----------
    ax : Axes
    text : str
    """
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center")
    ax.set_xticks([])
    ax.set_yticks([])


def label_unit(what: str, name: str | None, unit: str) -> str:
    """Write the label of an axis, with its unit on a line of its own.

    Parameters
    ----------
    what : str
    name : str or None
        What it belongs to.
    unit : str

    Returns
    -------
    str
    """
    of = "" if name is None else f" for {name}"
    return f"{textwrap.fill(what + of, LABEL_WIDTH)}\n({unit})"


def shorten_name(name: str) -> str:
    """Cut a name to 24 characters.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"


def cut_middle(name: str, width: int) -> str:
    """Cut a long name in its middle, so that both ends tell it from others.

    Parameters
    ----------
    name : str
    width : int
        Most characters to keep.

    Returns
    -------
    str
    """
    if len(name) <= width:
        return name
    head = width // 2
    return f"{name[:head]}…{name[len(name) - (width - head - 1) :]}"
