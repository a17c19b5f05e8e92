"""Parameters that all metrics document alike, written once."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)

BLURBS = {
    "true_pred": """\
effect_true, effect_pred : array-like of shape (n_samples,), (n_samples, n_contrasts) or \
(n_samples, n_contrasts, n_outcomes)
    True and predicted effects of each row, in outcome units. (n_samples, 1) is the same as
    (n_samples,).""",
    "T": """\
T : array-like of shape (n_samples,)
    Arm that each row received.""",
    "y": """\
y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
    Outcomes.""",
    "effect": """\
effect : array-like of shape (n_samples,), (n_samples, n_contrasts) or (n_samples, \
n_contrasts, n_outcomes)
    Predicted effects of each arm against the control, in outcome units.""",
    "nuisances": """\
outcome_mean : array-like of shape (n_samples, n_arms) or (n_samples, n_arms, n_outcomes), or \
None, default=None
    Mean outcome in each arm, from models that have not seen the row, as `cross_fit_nuisances`
    returns. None takes the mean of each arm.
propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None, default=None
    Probability of each arm; a single column is that of the second of two. None takes the share
    of each arm, as in a randomised trial.""",
    "propensity": """\
propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None, default=None
    Probability of each arm; a single column is that of the second of two. None takes the share
    of each arm, as in a randomised trial.""",
    "arms": """\
treatments : sequence of labels or None, default=None
    All arms, in the order of the columns; None takes them from T, sorted.
control : label or None, default=None
    Arm that the others are compared with; None takes the first.""",
    "clip": """\
clip : float, default=0.01
    Smallest probability that is divided by.""",
    "sample_weight": """\
sample_weight : array-like of shape (n_samples,) or None, default=None
    Row weights.""",
    "cluster": """\
cluster : array-like of shape (n_samples,) or None, default=None
    Rows with the same label share errors, which are summed within.""",
    "multioutput": """\
multioutput : {'uniform_average', 'raw_values'}, default='uniform_average'
    Average over contrasts and outcomes, or one number for each.""",
    "multiarm": """\
arm : label or None, default=None
    With several arms, the one that is compared with the control among rows of these two.
multiarm : {'each', 'best'}, default='each'
    With several arms, 'each' takes every arm against the control among rows of the two, and
    'best' the arm with the largest predicted effect among rows that received it or the
    control. Given propensities, and for 'best', these rows are weighted to stand for everybody;
    'best' takes the shares of the arms where propensities are not given.""",
    "multiarm_scores": """\
arm : label or None, default=None
    With several arms, the one that is compared with the control.
multiarm : {'each', 'best'}, default='each'
    With several arms, 'each' takes every arm against the control, and 'best' the arm with the
    largest predicted effect. Scores of all rows count, whatever they received.""",
    "per_contrast": """\
float or ndarray of shape (n_contrasts,) or (n_contrasts, n_outcomes)""",
    "raises": """\
TargetError
    If T or y cannot be used.
ValueError
    If shapes differ, values are not finite, propensities are no probabilities, or an option is
    unknown or out of range.""",
}


def fill_docs(function: F) -> F:
    """Put the shared parameters into a docstring, where it names them in braces.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
    """

    def fill(match: re.Match[str]) -> str:
        return textwrap.indent(BLURBS[match[2]], match[1])

    function.__doc__ = re.sub(r"^( *)\{(\w+)\}$", fill, function.__doc__ or "", flags=re.MULTILINE)
    return function
