"""Draw several estimators into the same panels, also by one call after the other."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from sklcausal.inspection._legends import legend_in_headroom
from sklcausal.inspection._plotting import curve_style, restyle, shorten_name, tidy

TITLE_WIDTH = 34  # characters, of panels beside each other
PANEL_SIZE = (5.2, 5.0)  # inches
SINGLE_SIZE = (7.0, 5.4)  # inches
MAX_COLUMNS = 3
PAD = 0.04  # of the height, above and below
GREY = "#999999"
MAX_BANDS = 2  # in a panel; intervals of more curves are bars at their markers
MARKER_STEP = 16.0  # percent, between the markers of a curve
MARKER_ORDER = (0.0, 8.0, 4.0, 12.0, 2.0, 10.0, 6.0, 14.0)  # percent, where those of each begin
FIRST_MARKER = 10.0  # percent
MIN_FONT_SIZE = 6.0  # points
NARROW = 0.56  # of the font size, the width of a character in entries full of digits
OWN = "sklcausal"  # marks artists, so that a later call finds them


def make_axes(
    plt: Any, ax: Any, contrasts: list[str], can_share: bool = False
) -> tuple[np.ndarray, dict[str, Any]]:
    """Make a panel for each contrast, or take those that are given.

    Parameters
    ----------
    plt : module
        Pyplot.
    ax : Axes, array of Axes or None
        One for all contrasts, one for each, or None for a new figure.
    contrasts : list of str
    can_share : bool, default=False
        Whether a new figure has one panel for all contrasts.

    Returns
    -------
    axes : ndarray of Axes of shape (1,) or (n_contrasts,)
    panels : dict of str to Axes
        Panel of each contrast.
    """
    axes = _find_axes(plt, ax, len(contrasts), can_share)
    return axes, dict(zip(contrasts, np.resize(axes, len(contrasts)), strict=True))


def _find_axes(plt: Any, ax: Any, n_panels: int, can_share: bool) -> np.ndarray:
    if ax is not None:
        given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(given) not in (1, n_panels):
            raise ValueError(
                f"`ax` must be one Axes or one for each of the {n_panels} contrasts, got "
                f"{len(given)}"
            )
        return given
    if n_panels == 1 or can_share:
        return np.array([plt.subplots(figsize=SINGLE_SIZE, layout="constrained")[1]], object)
    n_columns = 2 if n_panels in (2, 4) else MAX_COLUMNS
    n_rows = -(-n_panels // n_columns)
    size = (PANEL_SIZE[0] * n_columns, PANEL_SIZE[1] * n_rows)
    figure = plt.figure(figsize=size, layout="constrained")
    panels = [figure.add_subplot(n_rows, n_columns, k + 1) for k in range(n_panels)]
    return np.array(panels, object)


def claim(ax: Any, what: str) -> int:
    """Check that axes show the same as what is to be added, and count what they show.

    Parameters
    ----------
    ax : Axes
    what : str
        Display and kind.

    Returns
    -------
    int
        Number of series that there are.
    """
    marks = [str(line.get_gid()) for line in ax.get_lines()]
    others = {m.split(":")[1] for m in marks if m.startswith(f"{OWN}:")} - {what}
    if others:
        raise ValueError(f"`ax` must be empty or show {what}, got {sorted(others)[0]}")
    return marks.count(mark(what, "series"))


def mark(what: str, role: str) -> str:
    """Write the mark of an artist.

    Parameters
    ----------
    what : str
        Display and kind.
    role : {'series', 'note', 'interval', 'band', 'bars', 'reference'}

    Returns
    -------
    str
    """
    return f"{OWN}:{what}:{role}"


def find_handles(ax: Any) -> list[Any]:
    """Find what the legend names: series, and references once for each label.

    Parameters
    ----------
    ax : Axes

    Returns
    -------
    list of Line2D
    """
    lines = [line for line in ax.get_lines() if str(line.get_gid()).startswith(f"{OWN}:")]
    series = [line for line in lines if line.get_gid().endswith((":series", ":note"))]
    references: dict[str, Any] = {}
    for line in lines:
        if line.get_gid().endswith(":reference"):
            references.setdefault(line.get_label(), line)
    return series + list(references.values())


def draw_curve(
    ax: Any,
    what: str,
    x: np.ndarray,
    y: np.ndarray,
    interval: tuple[Any, Any, Any],
    label: str,
    curve_kwargs: dict[str, Any] | None,
    band_kwargs: dict[str, Any] | None,
) -> tuple[Any, Any, Any]:
    """Draw the next curve of a panel, with its intervals as a band and as bars.

    Parameters
    ----------
    ax : Axes
    what : str
        Display and kind.
    x, y : ndarray of shape (n_points,)
        Places in percent, and heights.
    interval : tuple of ndarray of shape (n_shares,), or of None
        Places and ends of the intervals.
    label : str
    curve_kwargs, band_kwargs : dict or None
        Passed to ``ax.plot`` and ``ax.fill_between``.

    Returns
    -------
    line : Line2D
    band : PolyCollection or None
    bars : LineCollection or None
        Either the band or the bars are visible, as `finish` decides.
    """
    k = claim(ax, what)
    start = FIRST_MARKER + MARKER_ORDER[k % len(MARKER_ORDER)]
    places = np.searchsorted(np.maximum.accumulate(x), np.arange(start, 100, MARKER_STEP))
    places = np.unique(places[places < len(x)])
    style = curve_style(k, len(x)) | {"markevery": places.tolist(), "zorder": 3}
    style = restyle(style | {"label": label, "gid": mark(what, "series")}, curve_kwargs)
    (line,) = ax.plot(x, y, **style)
    grid, low, high = interval
    if grid is None:
        return line, None, None
    style = {"color": line.get_color(), "alpha": 0.2, "linewidth": 0, "zorder": 2}
    style = restyle(style | {"gid": mark(what, "band")}, band_kwargs)
    band = ax.fill_between(grid, low, high, **style)
    at = x[places][x[places] >= grid[0]]
    ends = (np.interp(at, grid, end) for end in (low, high))
    style = {"color": line.get_color(), "linewidth": 1.3, "zorder": 2.5}
    return line, band, ax.vlines(at, *ends, gid=mark(what, "bars"), **style)


def add_reference(ax: Any, what: str, x: Any, y: Any, **style: Any) -> Any:
    """Draw a line of reference, unless the same one is there.

    Parameters
    ----------
    ax : Axes
    what : str
        Display and kind.
    x, y : array-like of shape (n_points,)
    **style : object
        Passed to ``ax.plot``.

    Returns
    -------
    Line2D
        The new line, or the one that there was.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    for line in ax.get_lines():
        same = line.get_gid() == mark(what, "reference") and line.get_label() == style["label"]
        if same and line.get_xdata().shape == x.shape:
            near = np.allclose(line.get_xdata(), x) and np.allclose(line.get_ydata(), y)
            if near:
                return line
    return ax.plot(x, y, gid=mark(what, "reference"), **style)[0]


def add_level(ax: Any, what: str, height: float, label: str, **style: Any) -> Any:
    """Draw a horizontal line of reference, unless one with this label is there.

    Parameters
    ----------
    ax : Axes
    what : str
        Display and kind.
    height : float
    label : str
    **style : object
        Passed to ``ax.axhline``.

    Returns
    -------
    Line2D
        The new line, or the one that there was.
    """
    for line in ax.get_lines():
        if line.get_label() == label:
            return line
    return ax.axhline(height, label=label, gid=mark(what, "reference"), **style)


def label_panels(panels: dict[str, Any], x_label: str, y_label: str) -> None:
    """Label axes, and name the contrast where a panel has one and no title.

    Parameters
    ----------
    panels : dict of str to Axes
    x_label, y_label : str
    """
    is_shared = len(set(panels.values())) < len(panels)
    for contrast, ax in panels.items():
        if not is_shared and not ax.get_title():
            ax.set_title(textwrap.fill(contrast, TITLE_WIDTH))
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        tidy(ax)


def _fit_width(ax: Any, legend: Any) -> None:
    """Write long entries of a legend smaller, so that they do not leave the panel."""
    texts = legend.get_texts()
    size = texts[0].get_fontsize()
    # in points: the longest text, and the handle with its pads
    width = size * (max(len(text.get_text()) for text in texts) * NARROW + 4)
    room = 72 * ax.bbox.width / ax.figure.dpi
    for text in texts:
        text.set_fontsize(max(size * min(room / width, 1.0), MIN_FONT_SIZE))


def name_series(name: str, contrast: str) -> str:
    """Name a series in the legend.

    Parameters
    ----------
    name : str
        Of the estimator; may be empty.
    contrast : str
        Empty where the panel says it.

    Returns
    -------
    str
    """
    return ", ".join(shorten_name(own) for own in (name, contrast) if own) or "Predicted effects"


def finish(axes: Any) -> list[Any]:
    """Give panels the same height, which all that is drawn fits into, and their legends.

    Parameters
    ----------
    axes : sequence of Axes

    Returns
    -------
    list of Legend
    """
    values = []
    for ax in axes:
        lines = [v for v in ax.get_lines() if str(v.get_gid()).startswith(f"{OWN}:")]
        values += [v.get_ydata() for v in lines]
        n_series = sum(v.get_gid().endswith(":series") for v in lines)
        for interval in ax.collections:
            _, _, role = str(interval.get_gid()).rpartition(":")
            if role in ("band", "bars"):
                interval.set_visible((role == "band") == (n_series <= MAX_BANDS))
            if role in ("band", "bars", "interval") and interval.get_visible():
                values += [path.vertices[:, 1] for path in interval.get_paths()]
    heights = np.concatenate([np.asarray(v, dtype=float) for v in values])
    low, high = np.nanmin(heights), np.nanmax(heights)
    pad = PAD * (high - low or max(abs(high), 1.0))
    legends = []
    for ax in axes:
        ax.set_ylim(low - pad, high + pad)
        legends.append(legend_in_headroom(ax, find_handles(ax), n_columns=2))
        _fit_width(ax, legends[-1])
    return legends


def write_estimate(value: float | None, interval: tuple[float, float] | None) -> str:
    """Write a number with its interval.

    Parameters
    ----------
    value : float or None
    interval : tuple of float or None

    Returns
    -------
    str
    """
    if value is None:
        return ""
    values = [value, *(interval or ())]
    largest = max(map(abs, values))
    n_digits = max(2 - int(np.floor(np.log10(largest))), 0) if largest > 0 else 2
    # adding 0 turns a rounded -0 into 0
    texts = [f"{round(v, n_digits) + 0.0:.{n_digits}f}" for v in values]
    return texts[0] if interval is None else f"{texts[0]} [{texts[1]}, {texts[2]}]"
