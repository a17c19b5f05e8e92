"""Arms and outcomes that were observed, and the nuisances beside them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklcausal._encoding import Treatments, check_numbers, shorten
from sklcausal._evaluation._arrays import read_array, read_weights
from sklcausal._kinds import check_treatments
from sklcausal._propensity import check_single_propensity
from sklcausal.exceptions import TargetError
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_not_missing,
    check_same_index,
)

MAX_TABLE = 1_000


@dataclass(frozen=True)
class Study:
    """Arms and outcomes that were observed.

    Attributes
    ----------
    treatments : Treatments
    t : ndarray of int of shape (n_samples,)
        Codes of arms.
    y : ndarray of float of shape (n_samples, n_outcomes)
    weight : ndarray of float of shape (n_samples,)
        They sum to 1.
    one_dim : bool
        Whether y had one axis.
    given : object
        T as it was given, whose index the other arguments must share.
    """

    treatments: Treatments
    t: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    one_dim: bool
    given: Any = None

    @property
    def others(self) -> np.ndarray:
        """Codes of the arms that are compared with the control, in the order of contrasts."""
        return np.delete(np.arange(self.treatments.n_arms), self.treatments.control)

    @property
    def names(self) -> list[str]:
        """Names of the contrasts."""
        labels = self.treatments.labels
        return [f"{labels[a]} vs {labels[self.treatments.control]}" for a in self.others]

    def column_names(self, names: list[str] | None = None) -> list[str]:
        """Name every column, outcomes innermost.

        Parameters
        ----------
        names : list of str or None, default=None
            Of the outer axis; None names the contrasts.

        Returns
        -------
        list of str
        """
        names = self.names if names is None else names
        if self.one_dim:
            return names
        return [f"{name}: y{m}" for name in names for m in range(self.y.shape[1])]

    def name_single(self, title: str) -> str:
        """Say in a title what is compared, where no row of the table does.

        Parameters
        ----------
        title : str

        Returns
        -------
        str
        """
        return title if len(self.column_names()) > 1 else f"{title}: {self.names[0]}"

    def read_effect(self, effect: Any, name: str = "effect") -> np.ndarray:
        """Read predicted effects.

        Parameters
        ----------
        effect : array-like of shape (n_samples,), (n_samples, n_contrasts), (n_samples,
                n_contrasts, n_outcomes) or (n_samples, n_contrasts * n_outcomes)
        name : str, default='effect'
            Name of the argument, for the message.

        Returns
        -------
        ndarray of float of shape (n_samples, n_contrasts, n_outcomes)
        """
        check_same_index(**{"T": self.given, name: effect})
        array = read_array(effect, name)
        shape = (len(self.t), len(self.others), self.y.shape[1])
        flat = array.reshape(len(array), -1)
        as_given = array.ndim < 3 or array.shape == shape
        if flat.shape != (shape[0], shape[1] * shape[2]) or not as_given:
            columns = " or ".join(
                map(str, dict.fromkeys([(shape[0], shape[1] * shape[2]), shape]))
            )
            raise ValueError(
                f"`{name}` must have shape {columns}: a row for each of `T`, a column for each "
                f"of the contrasts {self.names} and each outcome, got {array.shape}"
            )
        return flat.reshape(shape)

    def read_policy(self, policy: Any, name: str) -> np.ndarray:
        """Read which arm everybody would receive.

        Parameters
        ----------
        policy : label or array-like of shape (n_samples,)
        name : str
            Name of the argument, for the message.

        Returns
        -------
        ndarray of int of shape (n_samples,)
        """
        check_same_index(**{"T": self.given, name: policy})
        if np.ndim(policy) == 0:
            policy = [policy]
        codes = self.treatments.encode(as_column_array(policy, name), name)
        if len(codes) not in (1, len(self.t)):
            raise TargetError(
                f"`{name}` must hold one arm, or one for each of the {len(self.t)} rows, got "
                f"{len(codes)}"
            )
        return np.broadcast_to(codes, len(self.t))


def as_numbers(y: np.ndarray, name: str = "y") -> np.ndarray:
    """Turn two strings into 0 and 1, the second in sorted order being 1.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes)
    name : str, default='y'
        Name of the argument, for the message.

    Returns
    -------
    ndarray of the same shape
    """
    y = as_column_array(y, name)
    if y.dtype.kind != "U":
        return y
    columns = []
    for column in y.reshape(len(y), -1).T:
        levels, codes = np.unique(column, return_inverse=True)
        if len(levels) != 2:
            raise TargetError(
                f"`{name}` must hold numbers or two different strings, got "
                f"{shorten(levels.tolist())}; 0 and 1 in place of strings always work"
            )
        columns.append(codes.astype(float))
    return np.stack(columns, axis=1).reshape(y.shape)


def read_study(
    T: Any, y: Any, treatments: Any, control: Any, sample_weight: Any, y_name: str = "y"
) -> Study:
    """Read arms and outcomes that were observed.

    Parameters
    ----------
    T : array-like of shape (n_samples,)
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
    treatments : sequence of labels or None
    control : label or None
    sample_weight : array-like of shape (n_samples,) or None
    y_name : str, default='y'
        Name of the argument, for messages.

    Returns
    -------
    Study
    """
    check_same_index(**{"T": T, y_name: y, "sample_weight": sample_weight})
    arms, values = as_column_array(T, "T"), as_column_array(y, y_name)
    check_lengths({"T": arms, y_name: values})
    levels, places = _levels(arms)
    found = check_treatments(
        levels, treatment_type="discrete", treatments=treatments, control=control
    )
    codes = found.encode(levels)
    # the codes of integers that are codes already need no second copy
    codes = places if np.array_equal(codes, np.arange(len(codes))) else codes[places]
    empty = np.flatnonzero(np.bincount(codes, minlength=found.n_arms) == 0)
    if len(empty):
        raise TargetError(
            f"`T` must hold every arm of `treatments`, got none of {found.labels[empty[0]]!r}"
        )
    if values.dtype.kind == "U":
        values = as_numbers(values, y_name)
    numbers = values.astype(float) if values.dtype.kind == "b" else check_numbers(values, y_name)
    numbers = numbers.reshape(len(values), -1)
    weight = read_weights(sample_weight, len(arms))
    share = np.bincount(codes, weight, minlength=found.n_arms)
    if not share.all():
        arm = found.labels[int(share.argmin())]
        raise TargetError(
            f"`sample_weight` must leave rows of every arm, got only zeros in {arm!r}"
        )
    return Study(found, codes, numbers, weight, values.ndim == 1, T)


def _levels(arms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the different labels and where each row's stands among them.

    Parameters
    ----------
    arms : ndarray of shape (n_samples,) or (n_samples, 1)

    Returns
    -------
    levels : ndarray of shape (n_levels,)
    places : ndarray of int of shape (n_samples,)
    """
    if arms.ndim == 2 and arms.shape[1] > 1:
        raise TargetError(f"`T` must have shape (n_samples,), got {arms.shape}")
    arms = arms.reshape(-1)
    check_not_missing(arms, "T")
    if arms.dtype.kind == "f" and not np.all(arms == np.round(arms)):
        raise TargetError("`T` must hold arms, got numbers that are not integers, as of a dose")
    if arms.dtype.kind in "iu" and len(arms) and 0 <= arms.min() and arms.max() < MAX_TABLE:
        # counting beats sorting and hashing by far
        present = np.bincount(arms) > 0
        levels = np.flatnonzero(present)
        return levels, arms if present.all() else (np.cumsum(present) - 1)[arms]
    levels, places = np.unique(arms, return_inverse=True)
    return levels, places


def read_probabilities(propensity: Any, study: Study) -> np.ndarray:
    """Read the probability of each arm as it comes, or take the shares of a randomised trial.

    Parameters
    ----------
    propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None
        As in `read_propensity`.
    study : Study

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms)
    """
    n, n_arms = len(study.t), study.treatments.n_arms
    if propensity is None:
        share = np.bincount(study.t, study.weight, minlength=n_arms)
        return np.broadcast_to(share, (n, n_arms))
    check_same_index(T=study.given, propensity=propensity)
    if np.ndim(propensity) == 0 and n_arms == 2:
        propensity = np.full(n, propensity)
    array = read_array(propensity, "propensity")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"`propensity` must lie between 0 and 1, got {array.min():g} to {array.max():g}"
        )
    if n_arms == 2 and array.shape in ((n,), (n, 1)):
        check_single_propensity(study.treatments, array)
        array = np.stack([1 - array.reshape(-1), array.reshape(-1)], axis=1)
    if array.shape != (n, n_arms):
        raise ValueError(
            f"`propensity` must have shape {(n, n_arms)}, a column for each of the arms "
            f"{study.treatments.labels}, got {array.shape}"
        )
    if n > 2 and (array[np.arange(n), study.t] == 1).all():
        raise ValueError("`propensity` must hold probabilities, got the arms that were received")
    worst = np.abs(array.sum(axis=1) - 1).max()
    if worst > 1e-4:
        raise ValueError(f"`propensity` must sum to 1 in every row, got a sum off by {worst:.3g}")
    return array


def read_propensity(propensity: Any, study: Study, clip: float) -> np.ndarray:
    """Read the probability of each arm, or take the shares of a randomised trial.

    Parameters
    ----------
    propensity : array-like of shape (n_samples, n_arms) or (n_samples,), or None
        A single column is that of the second arm of two. None takes the weighted share of each
        arm.
    study : Study
    clip : float
        Smallest probability that is used.

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms)
    """
    if isinstance(clip, bool) or not isinstance(clip, (int, float)) or not 0 <= clip < 0.5:
        raise ValueError(f"`clip` must be a number from 0 to below 0.5, got {clip!r}")
    if propensity is None:
        return read_probabilities(None, study)
    array = read_probabilities(propensity, study)
    own = array[np.arange(len(array)), study.t]
    if clip == 0 and (own == 0).any():
        raise ValueError(
            "`propensity` of the arm that was received must be above 0, got 0 in row "
            f"{int(own.argmin())}; a positive `clip` keeps probabilities away from 0"
        )
    return np.maximum(array, clip)


def read_outcome_mean(outcome_mean: Any, study: Study) -> np.ndarray:
    """Read the mean outcome in each arm, or take the means of the arms.

    Parameters
    ----------
    outcome_mean : array-like of shape (n_samples, n_arms) or (n_samples, n_arms, n_outcomes), or
            None
        None takes the weighted mean of each arm.
    study : Study

    Returns
    -------
    ndarray of float of shape (n_samples, n_arms, n_outcomes)
    """
    n, n_arms, n_outcomes = len(study.t), study.treatments.n_arms, study.y.shape[1]
    if outcome_mean is None:
        onehot = np.eye(n_arms)[study.t] * study.weight[:, None]
        means = onehot.T @ study.y / onehot.sum(axis=0)[:, None]
        return np.broadcast_to(means, (n, n_arms, n_outcomes))
    check_same_index(T=study.given, outcome_mean=outcome_mean)
    array = read_array(outcome_mean, "outcome_mean")
    flat = array.reshape(len(array), -1)
    as_given = array.ndim < 3 or array.shape == (n, n_arms, n_outcomes)
    if flat.shape != (n, n_arms * n_outcomes) or not as_given:
        wanted = (n, n_arms) if study.one_dim else (n, n_arms, n_outcomes)
        raise ValueError(
            f"`outcome_mean` must have shape {wanted}, a column for each of the arms "
            f"{study.treatments.labels}, got {array.shape}"
        )
    return flat.reshape(n, n_arms, n_outcomes)
