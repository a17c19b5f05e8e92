"""Conditions on columns in plain words."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from sklcausal.model_selection._tree_search import Node


def name_columns(estimator: Any) -> list[str]:
    """Name the columns of X as in fit, or by number.

    Parameters
    ----------
    estimator : estimator
        With ``n_features_in_``.

    Returns
    -------
    list of str
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in names]


def write_rule(name: str, sign: str, threshold: float) -> str:
    """Write a condition.

    Parameters
    ----------
    name : str
    sign : {'<=', '>'}
    threshold : float

    Returns
    -------
    str
    """
    return f"{name} {sign} {threshold:.10g}"


def join_rules(rules: list[str]) -> str:
    """Join the conditions of a leaf, the later of two on the same side of a column replacing it.

    Parameters
    ----------
    rules : list of str
        From the root downwards.

    Returns
    -------
    str
    """
    kept: dict[str, str] = {}
    for rule in rules:
        # name and sign: a later threshold on the same side is the narrower one
        kept[rule.rsplit(" ", 1)[0]] = rule
    return " and ".join(kept.values()) or "everybody"


def tree_rules(tree: Any, nodes: Any, names: list[str]) -> list[str]:
    """Write the conditions on the way to each leaf.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
    nodes : ndarray of int of shape (n_leaves,)
        Leaves, in the order that is wanted.
    names : list of str
        Of the columns.

    Returns
    -------
    list of str of shape (n_leaves,)
    """
    paths: dict[int, list[str]] = {0: []}
    for node in range(tree.node_count):
        left, right = tree.children_left[node], tree.children_right[node]
        if left >= 0:
            name, at = names[tree.feature[node]], float(tree.threshold[node])
            paths[left] = [*paths[node], write_rule(name, "<=", at)]
            paths[right] = [*paths[node], write_rule(name, ">", at)]
    return [join_rules(paths[int(node)]) for node in nodes]


def policy_questions(node: Node, thresholds: list[np.ndarray], names: list[str]) -> list[str]:
    """Write the question of every split, from the root downwards and left before right.

    Parameters
    ----------
    node : Node
        Root.
    thresholds : list of ndarray
        Of every column.
    names : list of str
        Of the columns.

    Returns
    -------
    list of str
    """
    if node.left is None or node.right is None:
        return []
    own = write_rule(names[node.feature], "<=", float(thresholds[node.feature][node.cut]))
    sides = (policy_questions(side, thresholds, names) for side in (node.left, node.right))
    return [own, *itertools.chain.from_iterable(sides)]


def policy_rules(node: Node, thresholds: list[np.ndarray], names: list[str]) -> list[str]:
    """Write the conditions on the way to every leaf, from left to right.

    Parameters
    ----------
    node : Node
        Root.
    thresholds : list of ndarray
        Of every column.
    names : list of str
        Of the columns.

    Returns
    -------
    list of str of shape (n_leaves,)
    """

    def paths(node: Node) -> list[list[str]]:
        if node.left is None or node.right is None:
            return [[]]
        name, at = names[node.feature], float(thresholds[node.feature][node.cut])
        sides = (("<=", node.left), (">", node.right))
        return [[write_rule(name, sign, at), *p] for sign, side in sides for p in paths(side)]

    return [join_rules(path) for path in paths(node)]
