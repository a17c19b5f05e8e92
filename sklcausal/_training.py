"""Train all members of an ensemble as one module: the only place that talks to skorch."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from sklcausal._draws import Batch, Draws, MemberRows, TrainingData
from sklcausal._member_steps import Decay, clip_members, step_members
from sklcausal._objective import Objective
from sklcausal._stopping import MemberStopping
from sklcausal._training_options import TrainingOptions
from sklcausal.exceptions import TrainingDivergedError
from sklcausal.nn._state import copy_state, keep_buffers

VALIDATION_CHUNK = 16_384
BATCH_EVENTS = ("on_batch_begin", "on_grad_computed", "on_batch_end")


class MemberNet(NeuralNet):
    """Train members side by side, each with its own rows, stopping, best weights and schedule.

    Parameters
    ----------
    module : Module
        Parameters and buffers carry a leading member axis, except buffers that a part names in
        its ``shared_buffers``.
    objective : Objective
    data : TrainingData
    members : sequence of MemberRows
    units_of : sequence of int
        Row of ``data.units`` that belongs to each member.
    weight_decay : sequence of float
        Decoupled decay of the weight matrices of each member, per unit of learning rate.
    options : TrainingOptions
    arm_decay : float, default=0.0
        Decay of the differences between the weights of arms.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        objective: Objective,
        data: TrainingData,
        members: Sequence[MemberRows],
        units_of: Sequence[int],
        weight_decay: Sequence[float],
        options: TrainingOptions,
        arm_decay: float = 0.0,
    ):
        settings = options.for_skorch()
        try:
            super().__init__(module, **settings)
        except (TypeError, ValueError) as error:
            raise options.explain(error) from error
        self.objective_ = objective
        self.data_, self.members_, self.units_of_ = data, list(members), list(units_of)
        self.options_ = options
        n_members = len(self.members_)
        self.decay_, self.arm_decay_ = np.asarray(weight_decay, dtype=float), arm_decay
        self.active_ = list(range(n_members))
        self.generators_ = [torch.Generator().manual_seed(m.seed) for m in self.members_]
        self.stopping_ = MemberStopping(
            n_members, options.patience, options.lr_schedule, options.max_epochs
        )
        self.epoch_ = 0
        self._sums: dict[str, tuple[Any, Any]] = {}
        self._best_means: dict[str, float] = {}
        self._heard: set[str] = set()
        self.interrupted_ = False
        self.best_state_: dict[str, Tensor] = {}

    def initialize(self) -> MemberNet:
        """Build the optimiser and start the callbacks.

        Returns
        -------
        self : MemberNet
        """
        try:
            return super().initialize()
        except (TypeError, ValueError) as error:
            raise self.options_.explain(error) from error

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [("epoch_timer", EpochTimer())]

    # -- what skorch's loop calls ---------------------------------------------------------

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Hand over the rows as they are; members carry their own validation part.

        Parameters
        ----------
        X, y : object
            Ignored.
        **fit_params : object
            Ignored.

        Returns
        -------
        tuple
        """
        return X, X

    def check_data(self, X: Any, y: Any = None) -> None:
        """Skip skorch's checks, since the estimator has checked the data.

        Parameters
        ----------
        X, y : object
            Ignored.
        """

    def get_iterator(self, dataset: Any, training: bool = False) -> Draws | None:
        """Iterate over tensors instead of collating rows one by one.

        Parameters
        ----------
        dataset : TrainingData
        training : bool, default=False

        Returns
        -------
        iterable of Batch, or None where there is no validation part
        """
        members = [self.members_[k] for k in self.active_]
        units_of = [self.units_of_[k] for k in self.active_]
        if training:
            generators = [self.generators_[k] for k in self.active_]
            rows = [m.train for m in members]
            return Draws(dataset, rows, self.batch_size, generators, units_of)
        rows = [m.valid for m in members]
        if not any(len(r) for r in rows):
            return None
        return Draws(dataset, rows, VALIDATION_CHUNK, None, units_of)

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Any:
        """Train until every member has stopped or the epochs are used up.

        Parameters
        ----------
        X : TrainingData
        y : object
            Ignored.
        epochs : int or None
        **fit_params : object
            Ignored.

        Returns
        -------
        self : MemberNet
        """
        sets = {"dataset_train": X, "dataset_valid": X}
        self._take_parameters()
        iterators = self.get_iterator(X, training=True), self.get_iterator(X)
        n_active = len(self.active_)
        for _ in range(self.max_epochs if epochs is None else epochs):
            if not self.active_:
                break
            if len(self.active_) < n_active:
                n_active = len(self.active_)
                iterators = self.get_iterator(X, training=True), self.get_iterator(X)
                self._take_parameters()
            self.notify("on_epoch_begin", **sets)
            self.stopping_.begin_epoch(self.epoch_)
            self._sums = {}
            self.run_single_epoch(iterators[0], True, "train", self.train_step)
            self.run_single_epoch(iterators[1], False, "valid", self.validation_step)
            self._end_epoch()
            self.notify("on_epoch_end", **sets)
        return self

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Take one optimiser step for every active member.

        Parameters
        ----------
        batch : Batch
        **fit_params : object
            Ignored.

        Returns
        -------
        dict
        """
        if not self.module_.training:
            self.module_.train()
        named = self._named
        for _, p in named:
            p.grad = None
        out = self.module_(batch.X)
        losses = total = self.objective_.fit(out, batch)
        if self.objective_.penalty is not None:
            penalty = self.objective_.penalty(self._plain_module, out, batch, self.epoch_)
            total = losses + penalty
        total.sum().backward()
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        if self.options_.gradient_clip is not None:
            clip_members(self._parameters, self.options_.gradient_clip)
        self._step()
        return self._account("train", losses.detach(), batch)

    def validation_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Compute the validation loss of every active member.

        Parameters
        ----------
        batch : Batch
        **fit_params : object
            Ignored.

        Returns
        -------
        dict
        """
        self.module_.eval()
        with torch.no_grad():
            losses = self.objective_.fit(self.module_(batch.X), batch)
        return self._account("valid", losses, batch)

    # -- one step, member by member -------------------------------------------------------

    def _account(self, part: str, losses: Tensor, batch: Batch) -> dict[str, Any]:
        weight = batch.n_rows
        total, sums = self._sums.get(part, (0.0, 0.0))
        self._sums[part] = (total + weight, sums + weight * losses)
        return {"loss": losses.mean(), "y_pred": None}

    def _take_parameters(self) -> None:
        self._named = list(self.get_all_learnable_params())
        self._parameters = [p for _, p in self._named]
        self._decay = Decay(self._plain_module, self._parameters, self.arm_decay_)

    def _step(self) -> None:
        lr = self.optimizer_.param_groups[0]["lr"]
        factor = self.stopping_.lr_factor[self.active_]
        with torch.no_grad():
            self._decay(lr * factor, self.decay_[self.active_])
            step_members(self.optimizer_, self._parameters, factor)

    def _end_epoch(self) -> None:
        """Compare each active member with its best, keep what improved, retire what stopped."""
        self.epoch_ += 1
        means = {}
        for part, (weight, total) in self._sums.items():
            means[part] = (total / weight).double().cpu().numpy()
            mean = float(means[part].mean())
            self.history.record(f"{part}_loss", mean)
            # which skorch's Checkpoint asks for
            self.history.record(f"{part}_loss_best", mean < self._best_means.get(part, np.inf))
            self._best_means[part] = min(mean, self._best_means.get(part, np.inf))
            by_member = np.full(len(self.members_), np.nan)
            by_member[self.active_] = means[part]
            self.history.record(f"{part}_loss_members", by_member.tolist())
        self._check_finite(means)
        improved, goes_on = self.stopping_.record(
            self.epoch_, np.array(self.active_), means.get("valid"), means["train"]
        )
        self._store_best(improved)
        if not goes_on.all():
            self.keep_members(np.flatnonzero(goes_on))

    def _check_finite(self, means: dict[str, np.ndarray]) -> None:
        for part, values in means.items():
            if not np.isfinite(values).all():
                raise TrainingDivergedError(
                    f"the {part} loss became NaN or infinite in epoch {self.epoch_}; likely "
                    f"causes: a learning rate that is too high (`lr` is {self.lr}), outliers in "
                    "`y` or `X`, or a count outcome with huge values; try a smaller `lr` or "
                    "`gradient_clip=1.0`"
                )

    @property
    def _plain_module(self) -> nn.Module:
        # torch.compile wraps the module and so renames its parameters
        return self.module_._orig_mod if hasattr(self.module_, "_orig_mod") else self.module_

    def _store_best(self, improved: np.ndarray) -> None:
        if not self.best_state_:
            self.best_state_ = copy_state(self._plain_module)
            return
        if improved.any():
            ids = [k for k, good in zip(self.active_, improved, strict=True) if good]
            at = np.flatnonzero(improved)
            for name, value in self._plain_module.state_dict().items():
                self.best_state_[name][ids] = value[at]

    def keep_members(self, positions: Sequence[int] | np.ndarray) -> None:
        """Go on with some of the active members only.

        Parameters
        ----------
        positions : sequence of int
            Places among the active members.
        """
        at = torch.as_tensor(np.asarray(positions, dtype=np.int64))
        self.active_ = [self.active_[k] for k in at.tolist()]
        if not self.active_:
            return
        n_members = next(self.module_.parameters()).shape[0]
        for p in self.module_.parameters():
            here = at.to(p.device)
            p.data, p.grad = p.data[here], None
            for key, value in self.optimizer_.state.get(p, {}).items():
                if torch.is_tensor(value) and value.dim() and value.shape[0] == n_members:
                    self.optimizer_.state[p][key] = value[here]
        keep_buffers(self._plain_module, at)

    # -- what the package calls -----------------------------------------------------------

    def run(self, n_epochs: int) -> MemberNet:
        """Train for so many epochs more, or until every member has stopped.

        Parameters
        ----------
        n_epochs : int

        Returns
        -------
        self : MemberNet
        """
        if not self.active_ or n_epochs < 1:
            return self
        self.max_epochs = n_epochs
        devices = [torch.device(self.device)] if str(self.device).startswith("cuda") else []
        # only a part that draws, such as dropout, needs the global generator, which threads share
        draws = any(
            getattr(part, "draws_random_numbers", isinstance(part, _DropoutNd))
            for part in self.module_.modules()
        )
        with torch.inference_mode(False), torch.enable_grad():
            if not draws:
                return self.partial_fit(self.data_)
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(self.members_[0].seed + self.epoch_)
                return self.partial_fit(self.data_)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell the callbacks, and note whether training was interrupted.

        Parameters
        ----------
        method_name : str
        **cb_kwargs : object
        """
        if method_name in BATCH_EVENTS and method_name not in self._heard:
            getattr(self, method_name)(self, **cb_kwargs)
            return
        if method_name == "on_train_end" and self.active_ and self._epochs_left():
            self.interrupted_ = True
        super().notify(method_name, **cb_kwargs)

    def _epochs_left(self) -> bool:
        return len(self.history) < self._epochs_due

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Note how many epochs are due.

        Parameters
        ----------
        net, X, y : object
        **kwargs : object
        """
        self._epochs_due = len(self.history) + self.max_epochs
        # a batch takes a millisecond: tell of it only where somebody listens
        self._heard = {
            event
            for event in BATCH_EVENTS
            for _, callback in self.callbacks_
            if getattr(type(callback), event, None) is not getattr(Callback, event)
        }
        super().on_train_begin(net, X, y, **kwargs)

    def best_state(self) -> dict[str, np.ndarray]:
        """Return the best weights of every member, and the buffers that go with them.

        Returns
        -------
        dict of str to ndarray with a leading member axis
        """
        if not self.best_state_:
            self.best_state_ = copy_state(self._plain_module)
        return {name: value.cpu().numpy() for name, value in self.best_state_.items()}
