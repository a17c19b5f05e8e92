"""Rows in folds, and the members that are trained on all of them but one fold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from sklcausal._draws import MemberRows
from sklcausal._ensemble import Ensemble, Recipe, Start
from sklcausal._fit_data import FitData
from sklcausal._folds import assign_folds, split_member
from sklcausal._member_data import make_training_data, safe_origin
from sklcausal._models._base import Units
from sklcausal._screening import Candidate, Task, fit_ensemble
from sklcausal._training import MemberLoss, TrainingOptions
from sklcausal.exceptions import TargetError


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
    members : sequence of MemberRows
    unseen : sequence of tuple of int
        Folds that each member never sees: one for a first stage, two for the nuisances of a
        second stage, none for a single member.
    centre : ndarray of shape (n_features,)
        Origin of X.
    options : TrainingOptions
    split : callable
        Maps the folds that a member may not see and a seed to its rows.
    """

    X: np.ndarray
    weight: np.ndarray | None
    folds: np.ndarray
    members: Sequence[MemberRows]
    unseen: Sequence[tuple[int, ...]]
    centre: np.ndarray
    options: TrainingOptions
    split: Callable[[tuple[int, ...], int], MemberRows]

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

        def split(own: tuple[int, ...], seed: int) -> MemberRows:
            rows = np.flatnonzero(~np.isin(folds, own))
            member = split_member(rows, arms, order, data.cluster, validation_fraction, seed)
            if data.t.ndim == 1:
                _check_member(data, member.train, own)
            return member

        unseen: list[tuple[int, ...]] = [(k,) for k in range(n_folds)] if n_folds > 1 else [()]
        seeds = rng.randint(2**31 - 1, size=n_folds).tolist()
        members = [split(own, seed) for own, seed in zip(unseen, seeds, strict=True)]
        centre = safe_origin(data.X)
        return cls(data.X, data.weight, folds, members, unseen, centre, options, split)

    def pairs(self) -> CrossFit:
        """Leave two folds out of every member.

        The member without folds j and k gives fold j the nuisances of a second stage that may
        not see fold k, and the other way round.

        Returns
        -------
        CrossFit
        """
        unseen: list[tuple[int, ...]] = list(combinations(range(self.folds.max() + 1), 2))
        rng = np.random.RandomState(self.members[0].seed)
        seeds = rng.randint(2**31 - 1, size=len(unseen)).tolist()
        members = [self.split(own, seed) for own, seed in zip(unseen, seeds, strict=True)]
        return replace(self, members=members, unseen=unseen)

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

    def out_of_fold(self, evaluate: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Collect what members say of rows that they never saw.

        Parameters
        ----------
        evaluate : callable
            Maps a member and rows to an array of shape (n_rows, n_outputs).

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), or of shape (n_folds, n_samples, n_outputs)
            Of pairs, entry k is for a second stage that may not see fold k, and 0 there.
        """
        found: np.ndarray | None = None
        is_pair = len(self.unseen[0]) == 2
        shape = (self.folds.max() + 1, len(self.X)) if is_pair else (1, len(self.X))
        for member, folds in enumerate(self.unseen):
            for own, other in (folds, folds[::-1]) if is_pair else ((folds[0], 0),):
                rows = np.flatnonzero(self.folds == own)
                values = evaluate(member, rows)
                found = np.zeros((*shape, values.shape[1])) if found is None else found
                found[other, rows] = values
        assert found is not None
        return found if is_pair else found[0]

    def train(
        self,
        recipe: Recipe,
        loss: MemberLoss,
        y: np.ndarray,
        t: np.ndarray | None = None,
        *,
        standardise: tuple[np.ndarray, np.ndarray] | None = None,
        start: Callable[[np.ndarray], Start],
        candidates: Sequence[Candidate],
        label: str,
    ) -> Trained:
        """Train a network for every member.

        Parameters
        ----------
        recipe : Recipe
        loss : callable
            Maps module and batch to one loss per member.
        y : ndarray of shape (n_samples, n_outcomes) or (n_members, n_samples, n_outcomes)
            What is to be predicted, the same for all members or not.
        t : ndarray of shape (n_samples,) or (n_samples, n_treatments), or None
            Treatments, where the loss reads them.
        standardise : tuple of ndarray of bool, or None
            Columns of y and of doses that are centred and scaled; None for none.
        start : callable
            Maps rows that a member trains on to the outputs it starts from, and the scale on
            which it moves them.
        candidates : sequence of Candidate
            Settings to choose from.
        label : str
            Shown beside the progress bar.

        Returns
        -------
        Trained
        """
        t = np.zeros(len(self.X), dtype=int) if t is None else t
        if standardise is None:
            n_doses = 0 if t.ndim == 1 else t.shape[1]
            standardise = np.zeros(y.shape[-1], dtype=bool), np.zeros(n_doses, dtype=bool)
        data, units = make_training_data(
            self.X,
            t,
            y,
            self.weight,
            self.members,
            self.centre,
            standardise,
            self.options.device,
        )
        starts = Start.stack([start(member.train) for member in self.members])
        task = Task(recipe, loss, self.X, self.centre, data, self.members, starts, label)
        ensemble, candidate, history = fit_ensemble(task, candidates, self.options)
        return Trained(ensemble, units, candidate, history)


def _check_member(data: FitData, rows: np.ndarray, unseen: tuple[int, ...]) -> None:
    """Refuse a member that never meets an arm, or an outcome in it."""
    weight = np.ones(len(rows)) if data.weight is None else data.weight[rows]
    for m, name in enumerate(data.outcomes.names):
        seen = weight * ~np.isnan(data.y[rows, m])
        lost = np.bincount(data.t[rows], seen, minlength=data.treatments.n_arms) == 0
        if lost.any():
            arm = data.treatments.labels[int(lost.argmax())]
            what = f" and outcome {name!r}" if data.outcomes.has_missing else ""
            raise TargetError(
                "`cluster` and `sample_weight` must leave every arm in every training part, got "
                f"all rows with weight of arm {arm!r}{what} in fold(s) {list(unseen)} or kept for "
                "validation"
            )
