"""A network for theta(x) with the inference engine behind it."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklcausal._cross_fit import CrossFit, Trained
from sklcausal._draws import Batch
from sklcausal._effect_estimator import BaseEffectEstimator
from sklcausal._ensemble import Predictor, Recipe
from sklcausal._first_stage import N_BINS, FirstStage, LawNet
from sklcausal._fit_data import FitData
from sklcausal._models import GeneralizedLinear, PotentialOutcomes, StructuralModel
from sklcausal._models._checks import check_model
from sklcausal._models._index import IndexModel
from sklcausal._objective import Objective, Penalty
from sklcausal._screening import Candidate
from sklcausal._second_stage import EffectTask
from sklcausal._settings import check_decays, check_settings, find_columns, resolve_device
from sklcausal._start import Start
from sklcausal._theta_curves import ThetaCurves
from sklcausal._theta_results import TrainingRows
from sklcausal._training_options import TrainingOptions
from sklcausal.inference._diagnostics import diagnose, warn_of_overlap
from sklcausal.inference._effect_projection import EffectProjection
from sklcausal.inference._engine import Engine
from sklcausal.inference._theta_net import ThetaNet
from sklcausal.inference._units import Affine, EngineUnits
from sklcausal.nn._activations import ACTIVATIONS, GROWING, without_growth
from sklcausal.nn._outputs import Outputs
from sklcausal.utils._docs import shared_docs

AUTO_WEIGHT_DECAY = (0.3, 1.0, 3.0)
UNJUDGED_DECAY = 1.0


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class BaseThetaEstimator(ThetaCurves):
    """Estimate effects by a network that maps x to the parameters of a structural model.

    Subclasses name the network (`_recipe`) and may add to the training loss (`_penalty`);
    inference does not depend on either. They are dataclasses too: their fields are their
    parameters, beside those that all share.

    Parameters
    ----------
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    References
    ----------
    {shared_references}
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseEffectEstimator._parameter_constraints,
        "activation": [StrOptions({"auto", GROWING, *ACTIVATIONS})],
        "modifiers": ["array-like", None],
        "n_folds": [Interval(Integral, 1, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "numeric_encoding": [StrOptions({"auto", "piecewise_linear"}), None],
        "weight_decay": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="left"),
            "array-like",
        ],
        "arm_weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"cosine", "plateau"}), None],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "propensity_clip": [Interval(Real, 0, 0.5, closed="left")],
        "n_features_interval": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "device": [str],
        "net_params": [dict, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }
    _treatment_kinds: ClassVar[tuple[str, ...]] = ("discrete", "dose", "simultaneous")
    _takes_modifiers: ClassVar[bool] = True

    activation: str = "auto"
    modifiers: Sequence[Any] | None = None
    n_folds: int = 5
    n_repeats: int = 1
    numeric_encoding: str | None = "auto"
    weight_decay: str | float | Sequence[float] = "auto"
    arm_weight_decay: float = 0.0
    max_epochs: int = 500
    batch_size: int = 64
    lr: float = 0.003
    lr_schedule: str | None = None
    gradient_clip: float | None = None
    patience: int = 20
    validation_fraction: float | None = 0.2
    propensity_clip: float = 0.01
    n_features_interval: int | str = "auto"
    device: str = "cpu"
    net_params: dict[str, Any] | None = None
    callbacks: Sequence[Any] | None = None
    verbose: int = 0
    random_state: Any = None

    # -- what a method says ---------------------------------------------------------------

    @abstractmethod
    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        """Name the network: one head per arm, or one for the intercept and each slope."""

    def _network(self, n_heads: int, n_outcomes: int) -> Recipe:
        """Say how the network that the method names gets its weights: as its parameters."""
        recipe = self._recipe(n_heads, n_outcomes)
        return replace(recipe, arm_decay=self.arm_weight_decay)

    def _auto_activation(self, data: FitData) -> str:
        """Choose the activation: outcomes may multiply, and not parameters of other models."""
        are_outcomes = isinstance(self.model_, PotentialOutcomes)
        are_continuous = all(kind == "continuous" for kind in data.outcomes.kinds)
        return GROWING if are_outcomes and are_continuous else "silu"

    def _structural_model(self, kind: str) -> StructuralModel:
        return PotentialOutcomes() if kind == "discrete" else GeneralizedLinear()

    def _outcome_loss(self, out: Outputs, batch: Batch) -> Tensor:
        """Compute the loss by which members are trained and judged, shape (n_members,)."""
        return batch.mean(self.model_.batch_loss(batch.y, batch.t, out.theta))

    def _penalty(self) -> Penalty | None:
        """Return what is added to the loss in training, a function as in `Objective`."""
        return None

    def _move(self, start: Start) -> Start:
        """Say how outputs of the network move theta from where it starts."""
        return start

    def _law_net(self, data: FitData, net: ThetaNet, cross_fit: CrossFit) -> LawNet | None:
        """Say how the treatment is taken given x, out-of-fold; None trains networks for it."""
        return None

    def _effect_task(self, has_modifiers: bool) -> EffectTask | None:
        """Say how effects are learned from nuisances; None takes those of theta(x)."""
        cells = self.model_.of_cells() if has_modifiers else None
        return None if cells is None else EffectTask.of_cells(cells.n_heads_, cells.n_params_)

    def _effect_recipe(self, n_heads: int, n_out: int) -> Recipe:
        """Name the network for effects."""
        return self._network(n_heads, n_out)

    def _effect_candidates(self) -> list[Candidate]:
        """Name the settings that a network for effects is trained with."""
        return self._candidates()

    # -- fit ------------------------------------------------------------------------------

    @torch.inference_mode(False)  # whatever the caller has set
    def _fit(self, data: FitData) -> None:
        rng = check_random_state(self.random_state)
        self.model_ = self._structural_model(data.treatments.kind)
        self.model_.setup(data.treatments, data.outcomes)
        weight = np.ones(len(data.X)) if data.weight is None else data.weight
        self.model_.learn(data.y, data.t, weight)
        if not isinstance(self.model_, IndexModel):
            check_model(self.model_, data.y, data.t, weight)
        names = self.model_.param_names(data.treatments, data.outcomes)
        self.parameter_names_out_ = np.array(names, dtype=object)
        self.units_ = EngineUnits.learn(data.y, data.t, self.model_.standardises())
        columns = find_columns(self.modifiers, self)
        self._check_settings(data, columns)
        is_auto = self.activation == "auto"
        self.activation_ = self._auto_activation(data) if is_auto else self.activation
        cross_fit = CrossFit.deal(
            data, self.n_folds, self.validation_fraction, self._options(), rng
        )
        self.folds_ = cross_fit.folds
        net, trained = self._fit_theta(data, cross_fit, self._candidates())
        self.theta_net_ = self.effect_net_ = net
        self.history_ = trained.history
        self.n_bins_, self.weight_decay_ = trained.candidate
        self.effect_weight_decay_: float | None = None
        self.interval_method_ = "influence" if self.n_folds > 1 else None
        self.law_net_: LawNet | None = None
        self.hessian_method_: str | None = None
        self.engine_: Engine | None = None
        self.projection_: EffectProjection | None = None
        self.diagnostics_: dict[str, Any] = {}
        self.n_features_interval_ = 0
        self.draw_seed_ = int(rng.randint(2**31 - 1))
        self.engines_: list[Engine] = []
        stage, task = self._first_stage(data, cross_fit), self._effect_task(columns is not None)
        if self.n_folds > 1:
            self.engine_ = stage.fit(net)
            self.engines_ = [self.engine_]
            self.law_net_, self.hessian_method_ = stage.nuisances.law_net, stage.method
        if task is not None:
            self.effect_net_ = self._fit_effect(stage, task, columns)
        if self.n_folds > 1:
            self._fit_intervals(data, stage)
            self._repeat(data, rng)
        self.propensity_ = None if self.engine_ is None else self.engine_.propensity
        self.training_rows_ = TrainingRows(data.X, data.t, cross_fit.row_weight)
        self.constant_ = self.model_.best_constant(
            self.units_.outcomes(data.y), self.units_.treatments(data.t), data.weight
        )

    def _check_settings(self, data: FitData, columns: np.ndarray | None) -> None:
        check_settings(self, data, columns)

    def _n_folds_of_data(self) -> int:
        return self.n_folds

    def _has_second_stage(self) -> bool:
        return self.modifiers is not None

    def _fewest_rows_of_an_arm(self) -> int:
        # two folds are halved once more for a second stage
        is_halved = self._has_second_stage() and self.n_folds == 2
        return 4 if is_halved else super()._fewest_rows_of_an_arm()

    def _options(self) -> TrainingOptions:
        return TrainingOptions(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            patience=self.patience,
            lr_schedule=self.lr_schedule,
            gradient_clip=self.gradient_clip,
            device=resolve_device(self.device),
            verbose=int(self.verbose),
            callbacks=self.callbacks,
            net_params=dict(self.net_params or {}),
        )

    def _candidates(self) -> list[Candidate]:
        return self._candidates_of(self.weight_decay, AUTO_WEIGHT_DECAY, "weight_decay")

    def _candidates_of(
        self, decays: str | float | Sequence[float], auto: Sequence[float], name: str
    ) -> list[Candidate]:
        """Name the settings to choose from, or one where no rows are left to choose by."""
        encodings: dict[str | None, list[int | None]] = {
            "auto": [None, N_BINS],
            "piecewise_linear": [N_BINS],
            None: [None],
        }
        tried = auto if isinstance(decays, str) else check_decays(decays, name)
        if self.validation_fraction:
            some = encodings[self.numeric_encoding]
            return [Candidate(n_bins, decay) for n_bins in some for decay in tried]
        if len(tried) > 1 and not isinstance(decays, str):
            raise ValueError(
                f"`{name}` must be a single number or 'auto' when validation_fraction=None, "
                f"which leaves no rows to choose by, got {decays!r}"
            )
        decay = UNJUDGED_DECAY if isinstance(decays, str) else tried[0]
        return [Candidate(None if self.numeric_encoding is None else N_BINS, decay)]

    def _fit_theta(
        self, data: FitData, cross_fit: CrossFit, candidates: Sequence[Candidate]
    ) -> tuple[ThetaNet, Trained]:
        weight, model = cross_fit.row_weight, self.model_
        trained = cross_fit.train(
            self._network(model.n_heads_, model.n_params_ // model.n_heads_),
            Objective(self._outcome_loss, self._penalty()),
            data.y,
            data.t,
            standardise=model.standardises(),
            start=lambda rows: self._move(
                Start(*model.anchor(data.y[rows], data.t[rows], weight[rows]))
            ),
            candidates=candidates,
            label=type(self).__name__,
        )
        inner = Affine.of(model, self.units_.relative(trained.units))
        outer = Affine.of(model, self.units_.alone())
        return ThetaNet(trained.ensemble, model, inner, outer, None, trained.units), trained

    # -- inference ------------------------------------------------------------------------

    def _fit_intervals(self, data: FitData, stage: FirstStage) -> None:
        engine = self.engine_
        assert engine is not None
        self.projection_ = EffectProjection(
            self.effect_net_, engine, stage.cross_fit, self.n_features_interval
        )
        if self.model_.has_mean:
            self.n_features_interval_ = self.projection_.smallest(self.contrasts_(None, None))
        columns_of_X = getattr(self, "feature_names_in_", None)
        if columns_of_X is None:
            columns_of_X = [f"x{j}" for j in range(data.X.shape[1])]
        self.diagnostics_ = {
            **diagnose(engine, self.law_net_, self.propensity_clip, data.outcomes.names),
            "hessian_method": self.hessian_method_,
            **stage.diagnose(self.contrasts_(None, None), [str(c) for c in columns_of_X]),
        }
        warn_of_overlap(self.diagnostics_, self.propensity_clip)

    def _first_stage(self, data: FitData, cross_fit: CrossFit) -> FirstStage:
        chosen = [Candidate(self.n_bins_, self.weight_decay_)]
        return FirstStage(
            data,
            cross_fit,
            self.model_,
            self.units_,
            lambda members: self._fit_theta(data, members, chosen)[0],
            self._law_net,
            without_growth(self.activation_),
            self.propensity_clip,
            **self._stage_options(),
        )

    def _repeat(self, data: FitData, rng: np.random.RandomState) -> None:
        """Split again, with the settings that were chosen, for averages that hinge less on it."""
        for _ in range(self.n_repeats - 1):
            cross_fit = CrossFit.deal(
                data, self.n_folds, self.validation_fraction, self._options(), rng
            )
            stage = self._first_stage(data, cross_fit)
            self.engines_.append(stage.fit(stage.train_theta(cross_fit)))

    def _stage_options(self) -> dict[str, Any]:
        """Say how averages are made of outcomes, as arguments of `FirstStage`."""
        return {}

    def _fit_effect(
        self, stage: FirstStage, task: EffectTask, columns: np.ndarray | None
    ) -> ThetaNet:
        """Train a network for effects, with nuisances that saw neither its fold nor the row."""
        cross_fit = stage.cross_fit if columns is None else stage.cross_fit.on_columns(columns)
        found = [(rows, task.targets(own)) for rows, own in stage.second_stage()]
        # rows that a member may not see have no targets
        y = np.full((len(found), len(cross_fit.X), found[0][1].shape[1]), np.nan)
        for own, (rows, values) in zip(y, found, strict=True):
            own[rows] = values
        trained = cross_fit.train(
            self._effect_recipe(task.n_heads, task.n_out),
            task.objective,
            y,
            stage.data.t if stage.data.t.ndim == 1 else None,
            standardise=(np.arange(y.shape[2]) < task.n_scaled, np.zeros(0, dtype=bool)),
            start=lambda rows: Start(np.zeros(task.n_heads * task.n_out)),
            candidates=self._effect_candidates(),
            label="effect",
            is_noisy=True,
        )
        self.effect_weight_decay_ = trained.candidate.weight_decay
        scale = trained.units.y_scale[:, task.units_of, None] * np.eye(len(task.units_of))
        shift = trained.units.y_loc[:, task.units_of] * task.is_centred
        inner = Affine(shift @ task.cells, scale @ task.cells)
        return self._effect_net(trained.ensemble, inner, columns)

    def _effect_net(
        self, ensemble: Predictor, inner: Affine, columns: np.ndarray | None
    ) -> ThetaNet:
        """Let a predictor, mapped to cells in outcome units, answer for effects."""
        model = self.model_.of_cells()
        assert model is not None
        outer = Affine(np.zeros((1, model.n_params_)), np.eye(model.n_params_)[None])
        return ThetaNet(ensemble, model, inner, outer, columns)
