"""Let a hypernetwork make the weights of an estimator's heads."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions

from sklcausal._contrasts import Contrast, Contrasts
from sklcausal._ensemble import Ensemble, Recipe
from sklcausal._fit_data import FitData
from sklcausal._start import Start
from sklcausal.exceptions import IntervalNotAvailableError, TargetError
from sklcausal.hyper._arm_features import ArmFeatures
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import Affine
from sklcausal.nn._generated import GeneratedHeads
from sklcausal.nn._hyper_network import GENERATIONS
from sklcausal.nn._layers import check_widths

if TYPE_CHECKING:
    from sklcausal.base import BaseThetaEstimator as _Estimator
else:
    _Estimator = object

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


def _labels(*compared: Any) -> list[Any]:
    """List what is compared, for everybody or row by row."""
    return [label for value in compared if value is not None for label in np.ravel(value).tolist()]


@dataclass(kw_only=True, eq=False, repr=False)
class HyperWeights(_Estimator):
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
        "arm_features": [Mapping, None],
    }
    # sizes of the published runs, beside what all have in common
    _paper_sizes: ClassVar[dict[str, Any]] = {}
    _takes_arm_features: ClassVar[bool] = True

    generation: str = "split"
    embedding_dim: int = 8
    hyper_widths: Sequence[int] = (100, 100)
    n_chunks: int = 10
    spectral_norm: bool = False
    hyper_dropout: float = 0.05
    arm_features: Mapping[Any, Any] | None = None

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

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        super()._check_settings(data, columns)
        if self.arm_weight_decay:
            raise ValueError(
                f"`arm_weight_decay` must be 0 for {type(self).__name__}, whose weights of arms "
                f"come from a hypernetwork, got {self.arm_weight_decay}"
            )
        if getattr(self, "outcome_model", None) is not None:
            raise ValueError(
                f"`outcome_model` must be None for {type(self).__name__}, whose outcome networks "
                f"get their weights from a hypernetwork, got {self.outcome_model!r}"
            )

    def _network(self, n_heads: int, n_outcomes: int) -> Recipe:
        self.arm_features_: ArmFeatures | None = self._read_features()
        own = None if self.arm_features_ is None else self.arm_features_.seen
        return self._generated(n_heads, n_outcomes, own)

    def _generated(self, n_heads: int, n_outcomes: int, features: np.ndarray | None) -> Recipe:
        plain = self._recipe(n_heads, n_outcomes)
        arguments = {
            "body": plain.body,
            "body_arguments": plain.arguments,
            "features": features,
            "generation": self.generation,
            "embedding_dim": self.embedding_dim,
            "widths": check_widths(self.hyper_widths, "hyper_widths"),
            "n_chunks": self.n_chunks,
            "spectral_norm": self.spectral_norm,
            "dropout": self.hyper_dropout,
        }
        return Recipe(GeneratedHeads, arguments, plain.shared_head)

    # -- arms that nobody received ------------------------------------------------------------

    def _read_features(self) -> ArmFeatures | None:
        if self.arm_features is None:
            return None
        schema = self.contrasts_.treatments
        if schema.arms is None:
            raise TargetError(
                f"`arm_features` describes arms, but `T` was read as {schema.kind}; pass "
                "treatment_type='discrete' if it holds arms"
            )
        if not self._takes_arm_features:
            raise ValueError(
                f"`arm_features` must be None for {type(self).__name__}, where the hypernetwork "
                "does not make all that belongs to an arm, and only that, got "
                f"{self.arm_features!r}; use HyperTLearner or HyperTARNet"
            )
        return ArmFeatures.read(self.arm_features, schema)

    def _unseen(self, *compared: Any) -> list[Any]:
        """Name the arms among those compared that nobody received."""
        if self.arm_features_ is None:
            return []
        return [label for label in self.arm_features_.labels if label in _labels(*compared)]

    @property
    def _predicts_unseen(self) -> bool:
        # a network of their own for effects has an output for each arm that was received
        return self.effect_net_ is self.theta_net_

    def _average_contrast(self, T0: Any, T1: Any) -> Contrast:
        unseen = self._unseen(T0, T1)
        if unseen:
            other = "; `effect` predicts it from its features, and can be averaged"
            raise IntervalNotAvailableError(
                f"averages need people who received the arm, got {unseen[0]!r}, which nobody did"
                + (other if self._predicts_unseen else "")
            )
        return super()._average_contrast(T0, T1)

    def _contrast(self, T0: Any, T1: Any, n: int, has_interval: bool = False) -> Contrast:
        features, unseen = self.arm_features_, self._unseen(T0, T1)
        received = self.contrasts_.treatments.labels
        if unseen and not self._predicts_unseen:
            raise TargetError(
                f"`T0` and `T1` must be one of {received}, got {unseen[0]!r}: where effects have "
                "a network of their own, as in two-stage learners and with `modifiers`, it knows "
                "only arms that were received; HyperTLearner and HyperTARNet without `modifiers` "
                "predict others"
            )
        if unseen and has_interval:
            raise IntervalNotAvailableError(
                f"`effect_interval` needs people who received the arm, got {unseen[0]!r}, which "
                "nobody did; `effect` predicts it from its features"
            )
        is_plain = all(label in received for label in _labels(T0, T1))
        if features is None or is_plain or has_interval or not self._predicts_unseen:
            return super()._contrast(T0, T1, n, has_interval)
        schema = features.extend(self.contrasts_.treatments)
        return Contrasts(schema, None).by_row(T0, T1, n)

    @torch.inference_mode(False)  # whatever the caller has set
    def _effect(self, X: np.ndarray, contrast: Contrast) -> np.ndarray:
        features, schema = self.arm_features_, self.contrasts_.treatments
        if features is None or contrast.points.max() < schema.n_arms:
            return super()._effect(X, contrast)
        net = self._extended_net(features)
        low, high = np.split(self._means_of(net, X, contrast.points), 2, axis=1)
        return self._finite(high - low)

    def _extended_net(self, features: ArmFeatures) -> ThetaNet:
        """Let the hypernetwork make heads for arms that nobody received, too."""
        schema = features.extend(self.contrasts_.treatments)
        model = clone(self.model_).setup(schema, self.outcomes_)
        ensemble = self.theta_net_.ensemble
        assert isinstance(ensemble, Ensemble)
        n_outcomes = model.n_params_ // model.n_heads_
        more = np.tile(ensemble.start.constant[:, :n_outcomes], (1, len(features.labels)))
        start = Start(np.hstack([ensemble.start.constant, more]))
        every = np.vstack([features.seen, features.unseen])
        recipe = self._generated(model.n_heads_, n_outcomes, every)
        extended = ensemble.seen_as(recipe, start)
        assert self.theta_net_.units is not None
        inner = Affine.of(model, self.units_.relative(self.theta_net_.units))
        return ThetaNet(extended, model, inner, Affine.of(model, self.units_.alone()))
