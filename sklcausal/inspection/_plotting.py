"""What the displays share: colours, axes, legends and the way to the fitted estimator."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

# Okabe and Ito's palette, told apart by colour-blind readers; of different lightness for print
BLACK = "#000000"
BLUE = "#0072B2"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
VERMILION = "#D55E00"

MAX_LEGEND_SHARE = 0.6


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


def unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Find the effect estimator in fitted searches and pipelines.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    estimator : estimator
        The effect estimator itself.
    X : array-like of shape (n_samples, n_features)
        What it gets to see: X after the steps before it.
    """
    if hasattr(estimator, "best_estimator_"):
        return unwrap(estimator.best_estimator_, X)
    check_is_fitted(estimator)
    if isinstance(estimator, Pipeline):
        before = estimator[:-1]
        return unwrap(estimator[-1], before.transform(X) if len(before) else X)
    if not hasattr(estimator, "effect"):
        raise TypeError(
            "`estimator` must be an effect estimator, or a pipeline or search that ends in one, "
            f"got {type(estimator).__name__}"
        )
    return estimator, X


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


def tidy(ax: Any) -> None:
    """Remove the spines that carry no scale.

    Parameters
    ----------
    ax : Axes
    """
    ax.spines[["top", "right"]].set_visible(False)


def legend_in_headroom(ax: Any, handles: list[Any]) -> Any:
    """Widen the y-axis upwards by the height of the legend, so that it covers no data.

    Parameters
    ----------
    ax : Axes
        With its final limits.
    handles : list of Artist

    Returns
    -------
    Legend
    """
    legend = ax.legend(handles=handles, loc="upper left", frameon=False)
    size = legend.get_texts()[0].get_fontsize()
    # in points: lines, the space between them, and the pads of the box
    height = size * (1.7 * len(handles) + 1.3)
    share = min(height * ax.figure.dpi / 72 / ax.bbox.height, MAX_LEGEND_SHARE)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))
    return legend
