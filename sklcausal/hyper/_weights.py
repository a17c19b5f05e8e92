"""Let a hypernetwork make the weights of an estimator's heads."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, TypeVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklcausal._ensemble import Recipe
from sklcausal.nn._generated import GeneratedHeads
from sklcausal.nn._hyper_network import GENERATIONS
from sklcausal.nn._layers import check_widths

E = TypeVar("E", bound="HyperWeights")

# [1], as run by its authors; their decay is part of the gradient
PAPER: dict[str, Any] = {
    "generation": "all",
    "embedding_dim": 8,
    "hyper_widths": (100, 100),
    "spectral_norm": True,
    "hyper_dropout": 0.05,
    "activation": "relu",
    "numeric_encoding": None,
    "weight_decay": 0.0,
    "net_params": {"optimizer__weight_decay": 1e-4},
    "lr": 1e-4,
    "batch_size": 1024,
    "max_epochs": 5000,
    "patience": 50,
    "validation_fraction": 0.3,
}


@dataclass(kw_only=True, eq=False, repr=False)
class HyperWeights:
    """Make the weights of an estimator's heads by a hypernetwork.

    Stands before the estimator among the bases of a class, and changes nothing else: layers that
    belong to an arm, or to the propensity, get weights from one network that reads an embedding
    of each, so that every row helps to train all of them. Layers that all share stay as they are.

    References
    ----------
    .. [1] Chauhan, Zhou, Ghosheh, Molaei, Clifton, "Dynamic inter-treatment information sharing
       for individualized treatment effects estimation", AISTATS 2024, arXiv 2305.15984.
    """

    hyper_constraints: ClassVar[dict[str, Any]] = {
        "generation": [StrOptions(set(GENERATIONS))],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "hyper_widths": ["array-like"],
        "n_chunks": [Interval(Integral, 1, None, closed="left")],
        "spectral_norm": ["boolean"],
        "hyper_dropout": [Interval(Real, 0, 1, closed="left")],
    }
    # sizes of the published runs, beside what all have in common
    _paper_sizes: ClassVar[dict[str, Any]] = {}

    generation: str = "chunked"
    embedding_dim: int = 8
    hyper_widths: Sequence[int] = (100, 100)
    n_chunks: int = 10
    spectral_norm: bool = False
    hyper_dropout: float = 0.05

    @classmethod
    def from_paper(cls: type[E], **params: Any) -> E:
        """Build the estimator with the sizes and the training of the paper.

        It takes thousands of epochs with a small learning rate, and so much longer than the
        defaults. Outcomes and covariates are standardised, and members stop, as everywhere.

        Parameters
        ----------
        **params : object
            Parameters that differ from the paper, or that it does not have.

        Returns
        -------
        estimator
            Not fitted.
        """
        return cls(**{**PAPER, **cls._paper_sizes, **params})

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        plain: Recipe = super()._recipe(n_heads, n_outcomes)  # type: ignore[misc]
        arguments = {
            "body": plain.body,
            "body_arguments": plain.arguments,
            "generation": self.generation,
            "embedding_dim": self.embedding_dim,
            "widths": check_widths(self.hyper_widths, "hyper_widths"),
            "n_chunks": self.n_chunks,
            "spectral_norm": self.spectral_norm,
            "dropout": self.hyper_dropout,
        }
        return Recipe(GeneratedHeads, arguments, plain.shared_head)
