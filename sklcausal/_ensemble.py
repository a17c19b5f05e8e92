"""Fit networks for all folds and candidate settings at once, and predict with the chosen ones."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sklcausal._training import (
    MemberLoss,
    MemberNet,
    MemberRows,
    ProgressBar,
    TrainingData,
    TrainingOptions,
)
from sklcausal.nn._encoder import Encoding, InputEncoder, make_encoding
from sklcausal.nn._layers import reset_members
from sklcausal.structural._base import Units

MAX_CELLS = 2_000_000  # activations of one layer held at once in prediction


class Candidate(NamedTuple):
    """A setting that members can be trained with."""

    n_bins: int | None
    weight_decay: float


@dataclass(frozen=True)
class Recipe:
    """A network's body: its class and arguments, without data dimensions of the input."""

    body: type[nn.Module]
    arguments: dict[str, Any]


class MemberModule(nn.Module):
    """Encode the inputs, apply the body and add the constant from which training starts.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
    centre : ndarray of shape (n_features,)
    start : ndarray of shape (n_members, n_outputs)
    """

    def __init__(self, recipe: Recipe, encoding: Encoding, centre: np.ndarray, start: np.ndarray):
        super().__init__()
        self.encoder = InputEncoder(encoding, centre)
        self.body = recipe.body(len(start), encoding.n_inputs, **recipe.arguments)
        self.register_buffer("start", torch.as_tensor(start[:, None, :], dtype=torch.float32))

    def forward(self, X: Tensor) -> Tensor:
        """Compute theta in the units of training.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        Tensor of shape (n_members, n, n_outputs)
        """
        return self.start + self.body(self.encoder(X))[0]

    def with_features(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Compute theta and the last hidden layers.

        Parameters
        ----------
        X : Tensor of shape (n_members, n, n_features)

        Returns
        -------
        theta : Tensor of shape (n_members, n, n_outputs)
        features : Tensor of shape (n_members, n, n_heads, n_hidden)
        """
        theta, features = self.body(self.encoder(X))
        return self.start + theta, features


@dataclass
class _Group:
    """Members that share an encoding and hence a module."""

    module: MemberModule
    encoding: Encoding
    start: np.ndarray
    members: list[int]


class Ensemble:
    """Hold the fitted networks of all members.

    Parameters
    ----------
    recipe : Recipe
    centre : ndarray of shape (n_features,)
        Origin of X.
    device : str
    """

    def __init__(self, recipe: Recipe, centre: np.ndarray, device: str):
        self.recipe, self.centre, self.device = recipe, centre, device
        self.groups: list[_Group] = []
        self.candidates: list[Candidate] = []
        self.history: list[Any] = []
        self.interrupted = False

    @property
    def n_members(self) -> int:
        """Number of members."""
        return sum(len(group.members) for group in self.groups)

    def add(
        self, net: MemberNet, encoding: Encoding, start: np.ndarray, members: list[int]
    ) -> None:
        """Take over the best weights of a trained net.

        Parameters
        ----------
        net : MemberNet
        encoding : Encoding
            Of the members that are taken over.
        start : ndarray of shape (n_members, n_outputs)
        members : list of int
            Place of each member in the ensemble.
        """
        module = MemberModule(self.recipe, encoding, self.centre, start).to(self.device)
        parameters = net.best_parameters()
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.copy_(torch.as_tensor(parameters[name][net.chosen_]))
        self.groups.append(_Group(module.eval(), encoding, start, members))

    def predict(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Compute theta and features of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_outputs)
            In the units of training.
        features : ndarray of shape (n_members, n_chunk, n_heads, n_hidden)
        """
        for rows, x in self._chunks(X):
            parts = [g.module.with_features(x.expand(len(g.members), -1, -1)) for g in self.groups]
            theta, features = (self._in_order(list(p)) for p in zip(*parts, strict=True))
            yield rows, theta, features

    def theta(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Compute theta of all members, chunk by chunk of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)

        Yields
        ------
        rows : slice
        theta : ndarray of shape (n_members, n_chunk, n_outputs)
            In the units of training.
        """
        for rows, x in self._chunks(X):
            parts = [g.module(x.expand(len(g.members), -1, -1)) for g in self.groups]
            yield rows, self._in_order(parts)

    def _chunks(self, X: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
        size = max(256, MAX_CELLS // (self.n_members * self._width))
        with torch.inference_mode():
            for start in range(0, len(X), size):
                rows = slice(start, min(len(X), start + size))
                yield rows, self._tensor(X[rows])

    def _tensor(self, X: np.ndarray) -> Tensor:
        return torch.as_tensor(X - self.centre, dtype=torch.float32, device=self.device)

    def _in_order(self, parts: Sequence[Tensor]) -> np.ndarray:
        joined = parts[0] if len(parts) == 1 else torch.cat(list(parts))
        order = np.argsort(np.concatenate([g.members for g in self.groups]))
        values = joined.cpu().numpy()
        return values if (np.diff(order) == 1).all() else values[order]

    def member(self, k: int, X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute theta and features of given rows with one member.

        Parameters
        ----------
        k : int
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int

        Returns
        -------
        theta : ndarray of shape (n_rows, n_outputs)
            In the units of training.
        features : ndarray of shape (n_rows, n_heads, n_hidden)
        """
        group = next(g for g in self.groups if k in g.members)
        alone = self._rebuilt(group, [group.members.index(k)])
        theta, features = [], []
        size = max(256, MAX_CELLS // self._width)
        with torch.inference_mode():
            for start in range(0, max(len(rows), 1), size):
                own = alone.with_features(self._tensor(X[rows[start : start + size]])[None])
                theta.append(own[0][0].cpu().numpy())
                features.append(own[1][0].cpu().numpy())
        return np.concatenate(theta), np.concatenate(features)

    def _rebuilt(self, group: _Group, at: list[int]) -> MemberModule:
        module = MemberModule(self.recipe, group.encoding.of(at), self.centre, group.start[at]).to(
            self.device
        )
        weights = dict(group.module.named_parameters())
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.copy_(weights[name][at])
        return module.eval()

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights of all members, in their order, where they share an encoding.

        Returns
        -------
        dict of str to ndarray with a leading member axis
        """
        (group,) = self.groups
        order = np.argsort(group.members)
        return {n: p.detach().cpu().numpy()[order] for n, p in group.module.named_parameters()}

    @property
    def _width(self) -> int:
        """Largest number of units side by side in a layer of one member."""
        widest = max(p.shape[-1] for g in self.groups for p in g.module.parameters())
        return max(widest, *(g.encoding.n_inputs for g in self.groups))

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["groups"] = [
            {
                "encoding": dataclasses.asdict(g.encoding),
                "start": g.start,
                "members": g.members,
                "weights": {n: p.detach().cpu().numpy() for n, p in g.module.named_parameters()},
            }
            for g in self.groups
        ]
        state["device"] = "cpu" if str(self.device).startswith(("cuda", "mps")) else self.device
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        groups = state.pop("groups")
        self.__dict__.update(state)
        self.groups = []
        for g in groups:
            encoding = Encoding(**g["encoding"])
            module = MemberModule(self.recipe, encoding, self.centre, g["start"])
            with torch.no_grad():
                for name, p in module.named_parameters():
                    p.copy_(torch.as_tensor(g["weights"][name]))
            self.groups.append(_Group(module.eval(), encoding, g["start"], g["members"]))


def fit_ensemble(
    recipe: Recipe,
    loss: MemberLoss,
    X: np.ndarray,
    data: TrainingData,
    centre: np.ndarray,
    members: Sequence[MemberRows],
    start: np.ndarray,
    candidates: Sequence[Candidate],
    options: TrainingOptions,
    *,
    screening_epochs: int = 15,
    label: str = "training",
) -> Ensemble:
    """Train every member with every candidate for a while, then go on with the best candidate.

    Parameters
    ----------
    recipe : Recipe
    loss : callable
        Maps module and batch to one loss per member.
    X : ndarray of shape (n_samples, n_features)
    data : TrainingData
    centre : ndarray of shape (n_features,)
    members : sequence of MemberRows
    start : ndarray of shape (n_members, n_outputs)
    candidates : sequence of Candidate
    options : TrainingOptions
    screening_epochs : int, default=15
    label : str, default='training'
        Shown beside the progress bar.

    Returns
    -------
    Ensemble
    """
    nets = []
    for n_bins in dict.fromkeys(c.n_bins for c in candidates):
        encoding = make_encoding(X, [m.train for m in members], n_bins)
        own = [c for c in candidates if c.n_bins == n_bins]
        copies = np.tile(np.arange(len(members)), len(own))
        nets.append(
            (
                _net(
                    recipe,
                    loss,
                    data,
                    centre,
                    members,
                    start,
                    encoding,
                    own,
                    copies,
                    options,
                    label,
                ),
                encoding,
                own,
            )
        )
    ensemble = Ensemble(recipe, centre, options.device)
    if len(candidates) > 1:
        for net, _, _ in nets:
            net.run(min(screening_epochs, options.max_epochs))
    losses = {
        c: net.best_loss_.reshape(len(own), -1)[i]
        for net, _, own in nets
        for i, c in enumerate(own)
    }
    table = np.stack([losses[c] for c in candidates])
    chosen = np.repeat(np.nanargmin(table.mean(axis=1)), len(members))
    ensemble.candidates = [candidates[c] for c in chosen.tolist()]
    for net, encoding, own in nets:
        mine = [
            (i, k) for k, c in enumerate(ensemble.candidates) for i, o in enumerate(own) if o == c
        ]
        if not mine:
            continue
        places = [i * len(members) + k for i, k in mine]
        if len(candidates) > 1:
            net.keep_members([net.active_.index(p) for p in places if p in net.active_])
        if not any(n.interrupted_ for n, _, _ in nets):
            net.run(options.max_epochs - net.epoch_)
        net.chosen_ = places
        ks = [k for _, k in mine]
        ensemble.add(net, encoding.of(ks), start[ks], ks)
        ensemble.history.append(list(net.history))
        ensemble.interrupted |= net.interrupted_
    return ensemble


def _net(
    recipe: Recipe,
    loss: MemberLoss,
    data: TrainingData,
    centre: np.ndarray,
    members: Sequence[MemberRows],
    start: np.ndarray,
    encoding: Encoding,
    candidates: Sequence[Candidate],
    copies: np.ndarray,
    options: TrainingOptions,
    label: str,
) -> MemberNet:
    rows = [members[k] for k in copies]
    with torch.random.fork_rng(devices=[]):
        module = MemberModule(recipe, encoding.of(copies), centre, start[copies])
        reset_members(module, [m.seed for m in rows])
    if options.verbose:
        bars = [ProgressBar(label, options.max_epochs)]
        options = dataclasses.replace(options, callbacks=[*(options.callbacks or []), *bars])
    decay = np.repeat([c.weight_decay for c in candidates], len(members))
    net = MemberNet(
        module,
        member_loss=loss,
        data=data,
        members=rows,
        units_of=copies.tolist(),
        weight_decay=decay.tolist(),
        options=options,
    )
    return net.initialize()


def safe_origin(values: np.ndarray) -> np.ndarray:
    """Choose an origin of each column that keeps float32 exact enough, 0 wherever that will do.

    The origin is rounded to a coarse grid, so that a few changed rows do not move it.

    Parameters
    ----------
    values : ndarray of shape (n, n_columns)

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    middle = np.median(values, axis=0)
    spread = np.quantile(values, 0.9, axis=0) - np.quantile(values, 0.1, axis=0)
    spread = np.where(spread > 0, spread, values.std(axis=0))
    grid = 2.0 ** np.ceil(np.log2(np.where(spread > 0, spread, 1.0) * 16))
    return np.where(np.abs(middle) > 8 * grid, np.round(middle / grid) * grid, 0.0)


def make_training_data(
    X: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    members: Sequence[MemberRows],
    centre: np.ndarray,
    standardise: np.ndarray,
    device: str,
) -> tuple[TrainingData, Units]:
    """Move the rows to the device, with the units of each member learned from its own rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    t : ndarray of int of shape (n_samples,) or of float of shape (n_samples, n_treatments)
    y : ndarray of shape (n_samples, n_outcomes)
    weight : ndarray of shape (n_samples,) or None
    members : sequence of MemberRows
    centre : ndarray of shape (n_features,)
        Origin of X.
    standardise : ndarray of bool of shape (n_outcomes,)
    device : str

    Returns
    -------
    data : TrainingData
    units : Units
        In the units and origin of the y and t handed in.
    """
    w = np.ones(len(X)) if weight is None else weight / weight.mean()
    y_origin = np.where(standardise, safe_origin(y), 0.0)
    y_loc, y_scale = _member_moments(y - y_origin, w, members, standardise)
    if t.ndim == 2:
        t_origin = safe_origin(t)
        every = np.ones(t.shape[1], dtype=bool)
        t_loc, t_scale = _member_moments(t - t_origin, w, members, every)
        t_tensor = torch.as_tensor(t - t_origin, dtype=torch.float32, device=device)
    else:
        t_origin = np.zeros(0)
        t_loc = t_scale = np.ones((len(members), 0))
        t_tensor = torch.as_tensor(t, dtype=torch.int64, device=device)
    as_float: dict[str, Any] = {"dtype": torch.float32, "device": device}
    units = Units(y_loc, y_scale, t_loc, t_scale)
    data = TrainingData(
        torch.as_tensor(X - centre if centre.any() else X, **as_float),
        t_tensor,
        torch.as_tensor(y - y_origin, **as_float),
        torch.as_tensor(w, **as_float),
        units,
    )
    return data, Units(y_loc + y_origin, y_scale, t_loc + t_origin, t_scale)


def _member_moments(
    values: np.ndarray, weight: np.ndarray, members: Sequence[MemberRows], apply: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    loc = np.zeros((len(members), values.shape[1]))
    scale = np.ones_like(loc)
    for k, member in enumerate(members):
        own, w = values[member.train], weight[member.train]
        mean = w @ own / w.sum()
        sd = np.sqrt(w @ (own - mean) ** 2 / w.sum())
        loc[k] = np.where(apply, mean, 0.0)
        scale[k] = np.where(apply & (sd > 0), sd, 1.0)
    return loc, scale
