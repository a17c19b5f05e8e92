"""A tree of questions, from the first at the top to what is done at the bottom."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import textwrap
from typing import Any

from sklcausal.inspection._plotting import (
    BLACK,
    CURVE_COLORS,
    cut_middle,
    import_pyplot,
    take_literally,
)

LEAF_WIDTH, LEVEL_HEIGHT = 1.5, 1.1  # inches
QUESTION_WIDTH, ARM_WIDTH = 22, 14  # characters


def draw_tree(root: Any, names: list[str], arms: list[Any], ax: Any) -> Any:
    """Draw a tree of questions, whose leaves say the arm and how many rows receive it.

    Parameters
    ----------
    root : Node
    names : list of str
        Of the columns.
    arms : list of label
    ax : Axes or None
        Where to draw. None makes a new figure.

    Returns
    -------
    Axes
    """
    plt = import_pyplot("PolicyTree.plot")
    leaves, depth = root.leaves(), _depth(root)
    if ax is None:
        size = (max(LEAF_WIDTH * len(leaves), 4.0), LEVEL_HEIGHT * (depth + 1))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    # "yes" is to the left
    asked = iter(root.questions([cut_middle(name, QUESTION_WIDTH) for name in names]))
    n_rows, place = root.n_rows, iter(range(len(leaves)))

    def draw(node: Any, level: int) -> float:
        if node.left is None:
            at, color = float(next(place)), CURVE_COLORS[node.arm % len(CURVE_COLORS)]
            arm = textwrap.fill(str(arms[node.arm]), ARM_WIDTH)
            words, weight = f"{arm}\n{100 * node.n_rows / n_rows:.0f} %", "bold"
        else:
            color, weight = BLACK, "normal"
            words = textwrap.fill(next(asked), QUESTION_WIDTH, break_long_words=False) + " ?"
            ends = [draw(side, level + 1) for side in (node.left, node.right)]
            at = sum(ends) / 2
            for end, answer in zip(ends, ("yes", "no"), strict=True):
                ax.plot([at, end], [-level, -level - 1], color=BLACK, linewidth=0.8, zorder=1)
                middle = (at + end) / 2, -level - 0.5
                ax.text(*middle, answer, ha="center", va="center", zorder=2, **_box("none"))
        ax.text(
            at, -level, words, ha="center", va="center", weight=weight, zorder=3, **_box(color)
        )
        return at

    draw(root, 0)
    ax.set_xlim(-0.6, len(leaves) - 0.4)
    ax.set_ylim(-depth - 0.5, 0.5)
    ax.set_axis_off()
    take_literally(ax)
    return ax


def _depth(node: Any) -> int:
    return 0 if node.left is None else 1 + max(_depth(node.left), _depth(node.right))


def _box(edge: str) -> dict[str, Any]:
    style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": edge}
    return {"fontsize": 9, "bbox": style}
