"""Average effects of groups below each other, with the rules that make the groups."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from sklcausal.inspection._plotting import BLACK, BLUE, cut_middle, import_pyplot, tidy

RULE_WIDTH = 34
TITLE_WIDTH = 60
ROW_HEIGHT, LINE_HEIGHT = 0.7, 0.19  # inches


def _label(rule: str, share: float) -> str:
    """Write a condition to a line, long names cut in the middle, and the share of the rows."""
    conditions = [cut_middle(own, RULE_WIDTH) for own in rule.split(" and ")]
    return " and\n".join(conditions) + f"\n({100 * share:.0f} % of rows)"


def draw_groups(rules: list[str], result: Any, share: np.ndarray, alpha: float, ax: Any) -> Any:
    """Draw a point and an interval for each group.

    Parameters
    ----------
    rules : list of str
        Who is in each group.
    result : InferenceResult
        Average effect of each.
    share : ndarray of shape (n_groups,)
        Share of the rows in each.
    alpha : float
        One minus the confidence level.
    ax : Axes or None
        Where to draw. None makes a new figure.

    Returns
    -------
    Axes
    """
    plt = import_pyplot("EffectTree.plot")
    labels = [_label(rule, part) for rule, part in zip(rules, share, strict=True)]
    if ax is None:
        lines = max(label.count("\n") + 1 for label in labels)
        row = max(ROW_HEIGHT, LINE_HEIGHT * (lines + 1))
        _, ax = plt.subplots(figsize=(6.8, 1.2 + row * len(rules)), layout="constrained")
    low, high = result.conf_int(alpha)
    at = np.arange(len(rules))
    ax.hlines(at, low, high, color=BLUE, linewidth=2)
    ax.plot(result.estimate, at, "o", color=BLUE)
    ax.set_yticks(at, labels)
    ax.set_ylim(-0.6, len(rules) - 0.4)
    left, right = min(low.min(), 0.0), max(high.max(), 0.0)
    if right - left < 4 * (high.max() - low.min()):
        ax.axvline(0, color=BLACK, linewidth=0.8, zorder=0)
    ax.set_xlabel(f"Average effect, {100 * (1 - alpha):g} % interval (outcome units)")
    ax.set_title(textwrap.fill(result.title, TITLE_WIDTH), fontsize="medium")
    tidy(ax)
    return ax
