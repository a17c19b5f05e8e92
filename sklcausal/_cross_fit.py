"""Rows in folds, and the members that are trained on all of them but one fold."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from sklcausal._draws import MemberRows
from sklcausal._ensemble import Predictor, Recipe
from sklcausal._fit_data import FitData
from sklcausal._folds import assign_folds, split_member
from sklcausal._member_data import make_training_data, safe_origin
from sklcausal._models._units import Units
from sklcausal._objective import Objective
from sklcausal._screening import Candidate, Task, fit_ensemble
from sklcausal._start import Start
from sklcausal._training_options import TrainingOptions
from sklcausal.exceptions import TargetError


@dataclass(frozen=True)
class Trained:
    """Networks of all members, and how they came about.

    Attributes
    ----------
    ensemble : Predictor
    units : Units
        In which each member was trained.
    candidate : Candidate
        Setting that was chosen on the validation parts.
    history : list of dict
        Losses of each epoch.
    """

    ensemble: Predictor
    units: Units
    candidate: Candidate
    history: list[dict[str, Any]]


class Place(NamedTuple):
    """Rows that a member has not seen, and for whom it speaks of them.

    Attributes
    ----------
    member : int
    entry : int
        For a second stage that may not see this fold; 0 for a first stage.
    rows : ndarray of int
    """

    member: int
    entry: int
    rows: np.ndarray


@dataclass(frozen=True)
class CrossFit:
    """What every network of a fit is trained on: the same rows, folds and members.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,) or None
    folds : ndarray of int of shape (n_samples,)
    members : sequence of MemberRows
    places : sequence of Place
        Which member tells what of which rows; none for a single member.
    centre : ndarray of shape (n_features,)
        Origin of X.
    options : TrainingOptions
    split : callable
        Maps rows that a member may see, and a seed, to its rows for training and validation.
    halve : callable
        Maps a seed to one of two halves for every row, alike in every fold.
    is_nested : bool
        Whether members are those of a second stage's nuisances.
    """

    X: np.ndarray
    weight: np.ndarray | None
    folds: np.ndarray
    members: Sequence[MemberRows]
    places: Sequence[Place]
    centre: np.ndarray
    options: TrainingOptions
    split: Callable[[np.ndarray, int], MemberRows]
    halve: Callable[[int], np.ndarray]
    is_nested: bool = False

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

        def split(rows: np.ndarray, seed: int) -> MemberRows:
            member = split_member(rows, arms, order, data.cluster, validation_fraction, seed)
            if data.t.ndim == 1:
                _check_member(data, member.train, np.setdiff1d(folds, folds[rows]))
            return member

        def halve(seed: int) -> np.ndarray:
            strata = arms + (arms.max() + 1) * folds
            own = np.random.RandomState(seed)
            return assign_folds(2, strata, order, data.cluster, own)

        seeds = rng.randint(2**31 - 1, size=n_folds).tolist()
        inside = [np.flatnonzero((folds != k) | (n_folds == 1)) for k in range(n_folds)]
        members = [split(rows, seed) for rows, seed in zip(inside, seeds, strict=True)]
        places = [Place(k, 0, np.flatnonzero(folds == k)) for k in range(n_folds)]
        places = places if n_folds > 1 else []
        centre = safe_origin(data.X)
        return cls(data.X, data.weight, folds, members, places, centre, options, split, halve)

    def pairs(self) -> CrossFit:
        """Leave two folds out of every member.

        The member without folds j and k gives fold j the nuisances of a second stage that may
        not see fold k, and the other way round.

        Returns
        -------
        CrossFit
        """
        left_out = list(combinations(range(self.n_folds), 2))
        rows = [np.flatnonzero(self.folds == k) for k in range(self.n_folds)]
        inside = [np.flatnonzero(~np.isin(self.folds, own)) for own in left_out]
        places = [
            Place(member, other, rows[own])
            for member, folds in enumerate(left_out)
            for own, other in (folds, folds[::-1])
        ]
        return self._nested(inside, places)

    def halves(self) -> CrossFit:
        """Leave a fold, and one half of the other rows, out of every member.

        The two members without fold k give each other's half the nuisances of a second stage that
        may not see fold k; a single member makes a second stage on all rows.

        Returns
        -------
        CrossFit
        """
        half = self.halve(self.members[0].seed)
        inside: list[np.ndarray] = []
        places: list[Place] = []
        for k in range(self.n_folds):
            seen = (self.folds != k) | (self.n_folds == 1)
            for own in (0, 1):
                places.append(Place(len(inside), k, np.flatnonzero(seen & (half == own))))
                inside.append(np.flatnonzero(seen & (half != own)))
        return self._nested(inside, places)

    def second_stage(self) -> CrossFit:
        """Return the members that give a second stage its nuisances.

        Returns
        -------
        CrossFit
            Of pairs of folds, or of halves where there are less than three.
        """
        return self.pairs() if self.n_folds > 2 else self.halves()

    def _nested(self, inside: list[np.ndarray], places: list[Place]) -> CrossFit:
        rng = np.random.RandomState(self.members[0].seed)
        seeds = rng.randint(2**31 - 1, size=len(inside)).tolist()
        members = [self.split(rows, seed) for rows, seed in zip(inside, seeds, strict=True)]
        return replace(self, members=members, places=places, is_nested=True)

    @property
    def row_weight(self) -> np.ndarray:
        """Weights of the rows, ones where there are none."""
        return np.ones(len(self.X)) if self.weight is None else self.weight

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.members)

    @property
    def n_folds(self) -> int:
        """Number of folds; 1 where all rows are in one."""
        return int(self.folds.max()) + 1

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
            Of a second stage's nuisances, entry k is for one that may not see fold k, and 0
            there.
        """
        found: np.ndarray | None = None
        n_entries = self.n_folds if self.is_nested else 1
        for member, entry, rows in self.places:
            values = evaluate(member, rows)
            if found is None:
                found = np.zeros((n_entries, len(self.X), values.shape[1]))
            found[entry, rows] = values
        assert found is not None
        return found if self.is_nested else found[0]

    def train(
        self,
        recipe: Recipe,
        objective: Objective,
        y: np.ndarray,
        t: np.ndarray | None = None,
        *,
        standardise: tuple[np.ndarray, np.ndarray] | None = None,
        start: Callable[[np.ndarray], Start],
        candidates: Sequence[Candidate],
        label: str,
        is_noisy: bool = False,
    ) -> Trained:
        """Train a network for every member.

        Parameters
        ----------
        recipe : Recipe
        objective : Objective
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
        is_noisy : bool, default=False
            Whether a stronger decay is preferred where losses cannot tell.

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
        common = self.X, self.centre, data, self.members, starts
        task = Task(recipe, objective, *common, label, is_noisy)
        ensemble, candidate, history = fit_ensemble(task, candidates, self.options)
        return Trained(ensemble, units, candidate, history)


def _check_member(data: FitData, rows: np.ndarray, unseen: np.ndarray) -> None:
    """Refuse a member that never meets an arm, or an outcome in it."""
    weight = np.ones(len(rows)) if data.weight is None else data.weight[rows]
    for m, name in enumerate(data.outcomes.names):
        seen = weight * ~np.isnan(data.y[rows, m])
        lost = np.bincount(data.t[rows], seen, minlength=data.treatments.n_arms) == 0
        if lost.any():
            arm = data.treatments.labels[int(lost.argmax())]
            what = f" and outcome {name!r}" if data.outcomes.has_missing else ""
            given = "`y` must be observed often enough, and `cluster` and `sample_weight` must be "
            given += "such, that every outcome of every arm is in every training part"
            if not data.outcomes.has_missing:
                given = "`cluster` and `sample_weight` must leave every arm in every training part"
            raise TargetError(
                f"{given}, got all rows with weight of arm {arm!r}{what} in fold(s) "
                f"{unseen.tolist()} or kept for validation"
            )
