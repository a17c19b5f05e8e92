"""What a user can say about training, and what skorch is told of it."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


class _NoCriterion(nn.Module):
    """Stand where skorch wants a criterion; the loss is the member loss."""


@dataclass
class TrainingOptions:
    """What a user can say about training; see the parameters of the estimators."""

    max_epochs: int = 300
    batch_size: int = 64
    lr: float = 3e-3
    patience: int = 20
    lr_schedule: str | None = None
    gradient_clip: float | None = None
    device: str = "cpu"
    verbose: int = 0
    callbacks: Sequence[Any] | None = None
    net_params: dict[str, Any] = field(default_factory=dict)

    def for_skorch(self) -> dict[str, Any]:
        """Return arguments of skorch's ``NeuralNet``, those of the user last.

        Returns
        -------
        dict of str to object

        Raises
        ------
        ValueError
            If ``net_params`` hold what is a parameter of the estimator, or set by it.
        """
        settings: dict[str, Any] = {
            "criterion": _NoCriterion,
            "optimizer": torch.optim.Adam,
            "lr": self.lr,
            "batch_size": self.batch_size,
            "device": self.device,
            "train_split": None,
            "verbose": 0,
            # copies, since each net keeps its own state in them
            "callbacks": [copy.copy(callback) for callback in self.callbacks or []],
        }
        if "optimizer" not in self.net_params:
            settings["optimizer__fused"] = self.device in ("cpu", "cuda")
        taken = {"module", "lr", "batch_size", "device", "max_epochs", "train_split", "callbacks"}
        clash = sorted(taken & set(self.net_params))
        if clash:
            raise ValueError(
                "`net_params` must not hold what is a parameter of the estimator or set by it "
                f"({sorted(taken)}), got {clash}"
            )
        return {**settings, **self.net_params}

    def explain(self, error: Exception) -> ValueError:
        """Say that skorch does not take ``net_params``.

        Parameters
        ----------
        error : Exception
            What it said.

        Returns
        -------
        ValueError
        """
        return ValueError(
            "`net_params` must hold arguments of skorch.NeuralNet, such as 'optimizer' or "
            f"'optimizer__betas', got {self.net_params!r} ({error})"
        )
