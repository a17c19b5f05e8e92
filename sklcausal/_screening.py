"""Fit networks for all folds and candidate settings at once, and go on with the best setting."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklcausal._draws import MemberRows, TrainingData
from sklcausal._ensemble import Ensemble, MemberModule, Recipe
from sklcausal._objective import Objective
from sklcausal._progress import ProgressBar
from sklcausal._start import Start
from sklcausal._training import MemberNet
from sklcausal._training_options import TrainingOptions
from sklcausal.nn._encoder import make_encoding
from sklcausal.nn._layers import reset_members

# after so many steps, but no more than so many epochs, so large a share of candidates goes on
RUNGS = ((150, 30, 0.5), (400, 60, 0.34), (900, 120, 0.0))


class Candidate(NamedTuple):
    """A setting that members can be trained with."""

    n_bins: int | None
    weight_decay: float | None


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes
    ----------
    recipe : Recipe
    objective : Objective
    X : ndarray of shape (n_samples, n_features)
    centre : ndarray of shape (n_features,)
        Origin of X.
    data : TrainingData
    members : sequence of MemberRows
    start : Start
        Of all members.
    label : str
        Shown beside the progress bar.
    is_noisy : bool
        Whether losses say so little that the strongest decay is taken which is no worse than the
        best by more than the standard error of their difference.
    """

    recipe: Recipe
    objective: Objective
    X: np.ndarray
    centre: np.ndarray
    data: TrainingData
    members: Sequence[MemberRows]
    start: Start
    label: str
    is_noisy: bool = False


class _Run:
    """Train the candidates that share an encoding, each with all members, as one module."""

    def __init__(
        self,
        task: Task,
        n_bins: int | None,
        candidates: Sequence[Candidate],
        options: TrainingOptions,
    ):
        self.candidates, self.n_members = list(candidates), len(task.members)
        self.encoding = make_encoding(task.X, [m.train for m in task.members], n_bins)
        copies = np.tile(np.arange(self.n_members), len(candidates))
        members = [task.members[k] for k in copies]
        module = MemberModule(
            task.recipe, self.encoding.of(copies), task.centre, task.start.of(copies)
        )
        # candidates start from the same weights and see the same rows in the same order
        reset_members(module, [m.seed for m in members])
        if options.verbose:
            how = "standardised" if n_bins is None else f"{n_bins} bins"
            bars = [ProgressBar(f"{task.label}, {how}", options.max_epochs)]
            options = dataclasses.replace(options, callbacks=[*(options.callbacks or []), *bars])
        self.net = MemberNet(
            module,
            objective=task.objective,
            data=task.data,
            members=members,
            units_of=copies.tolist(),
            weight_decay=np.repeat([c.weight_decay for c in candidates], self.n_members).tolist(),
            options=options,
            arm_decay=task.recipe.arm_decay,
        ).initialize()

    def epochs(self, steps: int, most: int) -> int:
        rows = max(len(m.train) for m in self.net.members_)
        return max(1, min(most, round(steps * self.net.batch_size / rows)))

    def losses(self) -> dict[Candidate, np.ndarray]:
        """Return the best validation losses of each candidate's members."""
        by_candidate = self.net.stopping_.best_loss.reshape(len(self.candidates), -1)
        return dict(zip(self.candidates, by_candidate, strict=True))

    def keep(self, left: Sequence[Candidate]) -> None:
        stay = [self.candidates[k // self.n_members] in left for k in self.net.active_]
        if not all(stay):
            self.net.keep_members(np.flatnonzero(stay))

    def ensemble(self, task: Task, candidate: Candidate, device: str) -> Ensemble:
        first = self.candidates.index(candidate) * self.n_members
        own = slice(first, first + self.n_members)
        weights = {name: value[own] for name, value in self.net.best_state().items()}
        return Ensemble(task.recipe, self.encoding, task.centre, task.start, weights, device)


def rank(losses: dict[Candidate, np.ndarray], is_noisy: bool) -> list[Candidate]:
    """Sort candidates, the best first.

    Parameters
    ----------
    losses : dict of Candidate to ndarray of shape (n_members,)
    is_noisy : bool
        Whether those that cannot be told from the best come first, the strongest decay first.

    Returns
    -------
    list of Candidate
    """
    mean = {candidate: float(own.mean()) for candidate, own in losses.items()}
    found = sorted(losses, key=mean.__getitem__)
    n_members = len(losses[found[0]])
    if not is_noisy or n_members < 2:
        return found

    def is_tied(candidate: Candidate) -> bool:
        worse = losses[candidate] - losses[found[0]]
        return bool(worse.mean() <= worse.std(ddof=1) / math.sqrt(n_members))

    tied = [candidate for candidate in found if is_tied(candidate)]
    strongest = sorted(tied, key=lambda candidate: -(candidate.weight_decay or 0.0))
    return strongest + [candidate for candidate in found if candidate not in tied]


def fit_ensemble(
    task: Task, candidates: Sequence[Candidate], options: TrainingOptions
) -> tuple[Ensemble, Candidate, list[dict[str, Any]]]:
    """Train every member with every candidate for a while, then go on with the best.

    The choice is by the mean of the members' validation losses and common to all members.

    Parameters
    ----------
    task : Task
    candidates : sequence of Candidate
    options : TrainingOptions

    Returns
    -------
    ensemble : Ensemble
    candidate : Candidate
        The one that was chosen.
    history : list of dict
        One entry per epoch of the run that was chosen.
    """
    left = list(dict.fromkeys(candidates))
    runs = [
        _Run(task, n_bins, [c for c in left if c.n_bins == n_bins], options)
        for n_bins in dict.fromkeys(c.n_bins for c in left)
    ]
    for steps, most, share in RUNGS:
        if len(left) == 1:
            break
        for run in runs:
            if not any(r.net.interrupted_ for r in runs):
                due = min(run.epochs(steps, most), options.max_epochs)
                run.net.run(due - run.net.epoch_)
        losses = {c: loss for run in runs for c, loss in run.losses().items() if c in left}
        left = rank(losses, task.is_noisy)[: max(1, math.ceil(share * len(left)))]
        runs = [run for run in runs if set(run.candidates) & set(left)]
        for run in runs:
            run.keep(left)
    (run,), (candidate,) = runs, left
    if not run.net.interrupted_:
        run.net.run(options.max_epochs - run.net.epoch_)
    # of every epoch, but not of every batch, of which there may be very many
    history = [
        {key: value for key, value in epoch.items() if key != "batches"}
        for epoch in run.net.history
    ]
    return run.ensemble(task, candidate, options.device), candidate, history
