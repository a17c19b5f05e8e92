"""Rows in folds, and the members that are trained on all of them but one fold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklcausal._draws import MemberRows
from sklcausal._ensemble import Ensemble, Recipe
from sklcausal._fit_data import FitData
from sklcausal._folds import assign_folds, split_member
from sklcausal._member_data import make_training_data, safe_origin
from sklcausal._screening import Candidate, Task, fit_ensemble
from sklcausal._training import MemberLoss, TrainingOptions
from sklcausal.exceptions import TargetError
from sklcausal.structural._base import Units


@dataclass(frozen=True)
class Trained:
    """Networks of all members, and how they came about.

    Attributes
    ----------
    ensemble : Ensemble
    units : Units
        In which each member was trained.
    candidate : Candidate
        Setting that was chosen on the validation parts.
    history : list of dict
        Losses of each epoch.
    """

    ensemble: Ensemble
    units: Units
    candidate: Candidate
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class CrossFit:
    """What every network of a fit is trained on: the same rows, folds and members.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,) or None
    folds : ndarray of int of shape (n_samples,)
        Member k never sees fold k, unless it is the only one.
    members : sequence of MemberRows
    centre : ndarray of shape (n_features,)
        Origin of X.
    options : TrainingOptions
    """

    X: np.ndarray
    weight: np.ndarray | None
    folds: np.ndarray
    members: Sequence[MemberRows]
    centre: np.ndarray
    options: TrainingOptions

    @classmethod
    def deal(
        cls,
        data: FitData,
        n_folds: int,
        validation_fraction: float | None,
        options: TrainingOptions,
        rng: np.random.RandomState,
    ) -> CrossFit:
        """Deal rows to folds, and those of each member to training and validation.

        Parameters
        ----------
        data : FitData
        n_folds : int
        validation_fraction : float or None
        options : TrainingOptions
        rng : RandomState

        Returns
        -------
        CrossFit

        Raises
        ------
        TargetError
            If an arm has no weight in a training part.
        """
        n = len(data.X)
        arms = data.t if data.t.ndim == 1 else np.zeros(n, dtype=int)
        order = data.y[:, 0] if data.outcomes.kinds == ("binary",) else np.zeros(n)
        folds = assign_folds(n_folds, arms, order, data.cluster, rng)
        if data.t.ndim == 1 and n_folds > 1:
            _check_arms_of_members(data, folds)
        seeds = rng.randint(2**31 - 1, size=n_folds).tolist()
        members = [
            split_member(
                np.flatnonzero((folds != k) | (n_folds == 1)),
                arms,
                order,
                data.cluster,
                validation_fraction,
                seed,
            )
            for k, seed in enumerate(seeds)
        ]
        return cls(data.X, data.weight, folds, members, safe_origin(data.X), options)

    @property
    def row_weight(self) -> np.ndarray:
        """Weights of the rows, ones where there are none."""
        return np.ones(len(self.X)) if self.weight is None else self.weight

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.members)

    def on_columns(self, columns: np.ndarray) -> CrossFit:
        """Let the members read some columns of X only.

        Parameters
        ----------
        columns : ndarray of int

        Returns
        -------
        CrossFit
        """
        return replace(self, X=self.X[:, columns], centre=self.centre[columns])

    def with_options(self, **changes: Any) -> CrossFit:
        """Train with other options.

        Parameters
        ----------
        **changes : object
            Fields of `TrainingOptions`.

        Returns
        -------
        CrossFit
        """
        return replace(self, options=replace(self.options, **changes))

    def held_out(self) -> Iterator[tuple[int, np.ndarray]]:
        """Go through the members and the rows that each never saw.

        Yields
        ------
        member : int
        rows : ndarray of int
        """
        for k in range(self.n_members):
            yield k, np.flatnonzero(self.folds == k)

    def train(
        self,
        recipe: Recipe,
        loss: MemberLoss,
        y: np.ndarray,
        t: np.ndarray | None = None,
        *,
        standardise: np.ndarray | None = None,
        start: Callable[[np.ndarray], np.ndarray],
        candidates: Sequence[Candidate],
        label: str,
    ) -> Trained:
        """Train a network for every member.

        Parameters
        ----------
        recipe : Recipe
        loss : callable
            Maps module and batch to one loss per member.
        y : ndarray of shape (n_samples, n_outcomes)
            What is to be predicted.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments), or None
            Treatments, where the loss reads them.
        standardise : ndarray of bool of shape (n_outcomes,) or None
            Columns of y that are centred and scaled; None for none.
        start : callable
            Maps rows that a member trains on to the constant outputs it starts from.
        candidates : sequence of Candidate
            Settings to choose from.
        label : str
            Shown beside the progress bar.

        Returns
        -------
        Trained
        """
        data, units = make_training_data(
            self.X,
            np.zeros(len(y), dtype=int) if t is None else t,
            y,
            self.weight,
            self.members,
            self.centre,
            np.zeros(y.shape[1], dtype=bool) if standardise is None else standardise,
            self.options.device,
        )
        starts = np.stack([start(member.train) for member in self.members])
        task = Task(recipe, loss, self.X, self.centre, data, self.members, starts, label)
        ensemble, candidate, history = fit_ensemble(task, candidates, self.options)
        return Trained(ensemble, units, candidate, history)


def _check_arms_of_members(data: FitData, folds: np.ndarray) -> None:
    for k in range(folds.max() + 1):
        rest = folds != k
        weight = None if data.weight is None else data.weight[rest]
        lost = np.bincount(data.t[rest], weight, minlength=data.treatments.n_arms) == 0
        if lost.any():
            arm = data.treatments.labels[int(lost.argmax())]
            raise TargetError(
                "`cluster` and `sample_weight` must leave every arm in every training part, got "
                f"all rows with weight of arm {arm!r} in fold {k}"
            )
