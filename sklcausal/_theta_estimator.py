"""A network for theta(x) with the inference engine behind it."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklcausal._draws import Batch, MemberRows
from sklcausal._effect_estimator import BaseEffectEstimator
from sklcausal._encoding import check_weights
from sklcausal._ensemble import Recipe
from sklcausal._fit_data import FitData, collect_fields, validate_X
from sklcausal._folds import assign_folds, split_member
from sklcausal._member_data import make_training_data, safe_origin
from sklcausal._screening import Candidate, Task, fit_ensemble
from sklcausal._settings import check_decays, find_columns, resolve_device
from sklcausal._training import TrainingOptions
from sklcausal.exceptions import IntervalNotAvailableError, OverlapWarning, TargetError
from sklcausal.inference._engine import Engine
from sklcausal.inference._law import ArmLaw, MomentLaw, TreatmentLaw
from sklcausal.inference._nuisance import (
    MomentNet,
    NuisanceSettings,
    PropensityNet,
    weighted_mean,
)
from sklcausal.inference._theta_net import CellRegression, ThetaNet
from sklcausal.inference._units import EngineUnits
from sklcausal.nn._layers import ACTIVATIONS
from sklcausal.structural import Linear, PotentialOutcomes, StructuralModel
from sklcausal.targets import as_column_array, check_lengths, check_same_index
from sklcausal.utils._docs import shared_docs

AUTO_WEIGHT_DECAY = (0.3, 1.0, 3.0)
N_BINS = 8
LAW_CANDIDATES = (Candidate(None, 1.0), Candidate(N_BINS, 3.0))
LAW_WIDTHS = (50, 50)
MAX_CLIPPED = 0.02


@shared_docs
class BaseThetaEstimator(BaseEffectEstimator):
    """Estimate effects by a network that maps x to the parameters of a structural model.

    Subclasses name the network (`_recipe`) and may change the training loss (`_loss`); inference
    does not depend on either.

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
        "activation": [StrOptions(set(ACTIVATIONS))],
        "treatment_type": [StrOptions({"auto", "discrete", "dose", "simultaneous"})],
        "treatments": ["array-like", None],
        "control": "no_validation",
        "outcome": [str, "array-like"],
        "modifiers": ["array-like", None],
        "n_folds": [Interval(Integral, 1, None, closed="left")],
        "numeric_encoding": [StrOptions({"auto", "piecewise_linear"}), None],
        "weight_decay": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="left"),
            "array-like",
        ],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"cosine", "plateau"}), None],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "propensity_clip": [Interval(Real, 0, 0.5, closed="left")],
        "n_features_interval": [Interval(Integral, 0, None, closed="left")],
        "device": [str],
        "net_params": [dict, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }
    _takes_doses = True
    _features_by_difference = False

    def __init__(
        self,
        *,
        activation: str,
        treatment_type: str,
        treatments: Sequence[Any] | None,
        control: Any,
        outcome: str | Sequence[str],
        modifiers: Sequence[Any] | None,
        n_folds: int,
        numeric_encoding: str | None,
        weight_decay: str | float | Sequence[float],
        max_epochs: int,
        batch_size: int,
        lr: float,
        lr_schedule: str | None,
        gradient_clip: float | None,
        patience: int,
        validation_fraction: float | None,
        propensity_clip: float,
        n_features_interval: int,
        device: str,
        net_params: dict[str, Any] | None,
        callbacks: Sequence[Any] | None,
        verbose: int,
        random_state: Any,
    ):
        self.activation = activation
        self.treatment_type = treatment_type
        self.treatments = treatments
        self.control = control
        self.outcome = outcome
        self.modifiers = modifiers
        self.n_folds = n_folds
        self.numeric_encoding = numeric_encoding
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.gradient_clip = gradient_clip
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.propensity_clip = propensity_clip
        self.n_features_interval = n_features_interval
        self.device = device
        self.net_params = net_params
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    # -- what a method says ---------------------------------------------------------------

    @abstractmethod
    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        """Name the network: one head per arm, or one for the intercept and each slope."""

    def _structural_model(self, kind: str) -> StructuralModel:
        return PotentialOutcomes() if kind == "discrete" else Linear()

    def _loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Compute the training loss of each member, shape (n_members,)."""
        rows = self.model_.batch_loss(batch.y, batch.t, module(batch.X))
        return weighted_mean(rows, batch.w)

    # -- fit ------------------------------------------------------------------------------

    def _fit(self, data: FitData) -> None:
        rng = check_random_state(self.random_state)
        options = self._options()
        self.model_ = self._structural_model(data.treatments.kind)
        self.model_.setup(data.treatments, data.outcomes)
        self.units_ = EngineUnits.learn(data.y, data.t, self.model_.standardised_outcomes())
        self.treatment_mean_ = data.t.mean(axis=0) if data.t.ndim == 2 else None
        columns = find_columns(self.modifiers, self)
        if columns is not None and self.n_folds == 1:
            raise ValueError("`modifiers` needs `n_folds` of at least 2, got n_folds=1")
        folds = self.folds_ = self._folds(data, rng)
        members = self._members(data, folds, rng)
        net = self._fit_theta(data, members, options)
        self.theta_net_ = self.effect_net_ = net
        self.interval_method_ = "influence"
        self.law_net_: PropensityNet | MomentNet | None = None
        self.engine_: Engine | None = None
        self.diagnostics_: dict[str, Any] = {}
        self.n_features_interval_ = 0
        self.draw_seed_ = int(rng.randint(2**31 - 1))
        if self.n_folds > 1:
            law = self._fit_law(data, folds, members, options)
            self.engine_ = self._fit_engine(data, folds, law)
            if columns is not None:
                self.effect_net_ = self._fit_modifiers(data, folds, columns, options, rng)
            self.n_features_interval_ = self.engine_.project(
                self.effect_net_, data.X, folds, self.n_features_interval
            )
            self._diagnose(data)
        self.propensity_ = None if self.engine_ is None else self.engine_.propensity
        self.mean_cells_ = None
        if self.n_folds == 1:
            weight = np.ones(len(data.X)) if data.weight is None else data.weight
            self.mean_cells_ = np.average(self._cells(data.X), axis=0, weights=weight)
        self.constant_ = self.model_.best_constant(
            self.units_.outcomes(data.y), self.units_.treatments(data.t), data.weight
        )

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
            callbacks=copy.deepcopy(self.callbacks),
            net_params=dict(self.net_params or {}),
        )

    def _folds(self, data: FitData, rng: np.random.RandomState) -> np.ndarray:
        folds = assign_folds(self.n_folds, *_strata(data), data.cluster, rng)
        if data.t.ndim == 1 and self.n_folds > 1:
            for k in range(self.n_folds):
                rest = folds != k
                weight = None if data.weight is None else data.weight[rest]
                lost = np.bincount(data.t[rest], weight, minlength=data.treatments.n_arms) == 0
                if lost.any():
                    arm = data.treatments.labels[int(lost.argmax())]
                    raise TargetError(
                        "`cluster` and `sample_weight` must leave every arm in every training "
                        f"part, got all rows with weight of arm {arm!r} in fold {k}"
                    )
        return folds

    def _members(
        self, data: FitData, folds: np.ndarray, rng: np.random.RandomState
    ) -> list[MemberRows]:
        strata, order = _strata(data)
        members = []
        for k, seed in enumerate(rng.randint(2**31 - 1, size=self.n_folds).tolist()):
            rows = np.flatnonzero((folds != k) | (self.n_folds == 1))
            members.append(
                split_member(rows, strata, order, data.cluster, self.validation_fraction, seed)
            )
        return members

    def _candidates(self) -> list[Candidate]:
        encodings: dict[str | None, list[int | None]] = {
            "auto": [None, N_BINS],
            "piecewise_linear": [N_BINS],
            None: [None],
        }
        decays = AUTO_WEIGHT_DECAY if isinstance(self.weight_decay, str) else self.weight_decay
        return [
            Candidate(n_bins, decay)
            for n_bins in encodings[self.numeric_encoding]
            for decay in check_decays(decays)
        ]

    def _fit_theta(
        self, data: FitData, members: Sequence[MemberRows], options: TrainingOptions
    ) -> ThetaNet:
        origin = safe_origin(data.X)
        tensors, units = make_training_data(
            data.X,
            data.t,
            data.y,
            data.weight,
            members,
            origin,
            self.model_.standardised_outcomes(),
            options.device,
        )
        weight = np.ones(len(data.X)) if data.weight is None else data.weight
        start = np.stack(
            [self.model_.start(data.y[m.train], data.t[m.train], weight[m.train]) for m in members]
        )
        n_outcomes = data.outcomes.n_outcomes
        recipe = self._recipe(self.model_.n_params_ // n_outcomes, n_outcomes)
        name = type(self).__name__
        task = Task(recipe, self._loss, data.X, origin, tensors, members, start, name)
        ensemble, chosen, self.history_ = fit_ensemble(task, self._candidates(), options)
        self.n_bins_, self.weight_decay_ = chosen
        return ThetaNet(ensemble, self.model_, self.units_.relative(units))

    def _fit_modifiers(
        self,
        data: FitData,
        folds: np.ndarray,
        columns: np.ndarray,
        options: TrainingOptions,
        rng: np.random.RandomState,
    ) -> ThetaNet:
        """Regress the influence values of all cells on the modifiers, with a second network."""
        assert self.engine_ is not None
        X, psi = data.X[:, columns], self.engine_.signals.psi
        members = self._members(data, folds, rng)
        origin = safe_origin(X)
        tensors, units = make_training_data(
            X,
            np.zeros(len(X), dtype=int),
            psi,
            data.weight,
            members,
            origin,
            np.ones(psi.shape[1], dtype=bool),
            options.device,
        )
        n_outcomes = data.outcomes.n_outcomes
        recipe = self._recipe(psi.shape[1] // n_outcomes, n_outcomes)
        start = np.zeros((len(members), psi.shape[1]))
        task = Task(recipe, squared_error, X, origin, tensors, members, start, "modifiers")
        ensemble, _, _ = fit_ensemble(task, self._candidates(), options)
        return ThetaNet(ensemble, CellRegression(), units, columns)

    # -- inference ------------------------------------------------------------------------

    def _fit_law(
        self,
        data: FitData,
        folds: np.ndarray,
        members: Sequence[MemberRows],
        options: TrainingOptions,
    ) -> TreatmentLaw:
        if data.propensity is not None:
            return ArmLaw(data.propensity)
        settings = NuisanceSettings(
            LAW_WIDTHS, self.activation, LAW_CANDIDATES, self.propensity_clip
        )
        shared = (
            data.weight,
            folds,
            members,
            safe_origin(data.X),
            settings,
            replace(options, callbacks=None, patience=max(5, options.patience // 2)),
        )
        if data.treatments.kind == "discrete":
            arms = PropensityNet().fit(data.X, data.t, data.treatments.n_arms, *shared)
            self.law_net_ = arms
            return ArmLaw(arms.propensity_)
        net = self.law_net_ = MomentNet().fit(data.X, data.t, data.treatments.is_binary, *shared)
        return MomentLaw(
            self.units_.treatments(net.mean_), net.sd_ / self.units_.t_scale, net.correlation_
        )

    def _fit_engine(self, data: FitData, folds: np.ndarray, law: TreatmentLaw) -> Engine:
        theta = np.empty((len(data.X), self.model_.n_params_))
        for rows, own, _ in self.theta_net_.held_out(data.X, folds):
            theta[rows] = own
        engine = Engine(
            self.model_,
            self.units_,
            data.treatments,
            data.outcomes.kinds,
            self._features_by_difference,
        )
        y, t = self.units_.outcomes(data.y), self.units_.treatments(data.t)
        return engine.fit(y, t, theta, law, data.weight, data.cluster)

    def _diagnose(self, data: FitData) -> None:
        engine, names = self.engine_, data.treatments.names
        assert engine is not None
        self.diagnostics_ = {
            "smallest_eigenvalue": engine.signals.smallest_eigenvalue,
            "n_regularised": engine.signals.n_regularised,
        }
        if engine.propensity is None:
            return
        size = engine.effective_sample_size()
        clipped = getattr(self.law_net_, "share_clipped_", np.zeros(len(names)))
        self.diagnostics_["effective_sample_size"] = dict(zip(names, size.tolist(), strict=True))
        self.diagnostics_["share_clipped"] = dict(zip(names, clipped.tolist(), strict=True))
        rare = [name for name, share in zip(names, clipped, strict=True) if share > MAX_CLIPPED]
        if rare:
            warnings.warn(
                f"the probability of arm(s) {rare} is below {self.propensity_clip:g} for up to "
                f"{100 * clipped.max():.0f} % of the rows, where the data hardly tell what the "
                "treatment does; look at OverlapDisplay, and consider "
                "ate(population='overlap') or ate(trim=(0.05, 0.95))",
                OverlapWarning,
                stacklevel=5,
            )

    # -- what the base class asks for ---------------------------------------------------------

    def _cells(self, X: np.ndarray) -> np.ndarray:
        net = self.effect_net_
        return np.concatenate([net.cells(theta).mean(axis=0) for _, theta in net.theta(X)])

    def _cell_units(self, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
        return self.units_.cell_origin(n_cells), self.units_.cell_scale(n_cells)

    def _interval(
        self, X: np.ndarray, combine: np.ndarray, alpha: float, simultaneous: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        seed = self.draw_seed_ if simultaneous else None
        return self._inference("effect_interval").interval(X, combine, alpha, seed)

    def _average(
        self,
        X: np.ndarray | None,
        combine: np.ndarray,
        population: str,
        trim: tuple[float, float] | None,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        engine = self._inference("ate_interval")
        if X is None:
            return engine.average(combine, population, trim)
        if population != "all" or trim is not None:
            raise ValueError("`population` and `trim` must be left alone when `X` is given")
        estimate, variance = engine.average_of(X, combine)
        return estimate, np.diag(variance), len(X)

    def _plug_in_average(self, X: np.ndarray | None, combine: np.ndarray) -> np.ndarray | None:
        if self.engine_ is not None:
            return None
        cells = self.mean_cells_ if X is None else self._cells(X).mean(axis=0)
        return (combine * self._cell_units(combine.shape[-1])[1]) @ cells

    def _inference(self, name: str) -> Engine:
        if self.engine_ is None:
            raise IntervalNotAvailableError(
                f"`{name}` needs networks that have not seen every row, got n_folds=1; fit with "
                "n_folds=5 (the default) to get it"
            )
        return self.engine_

    def predict_propensity(self, X: Any) -> np.ndarray:
        """Predict the probability of each arm, or the mean of each dose, given x.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_arms) or (n_samples, n_treatments)
            Probabilities, or means of the doses.

        Raises
        ------
        IntervalNotAvailableError
            If no propensity network was trained, because ``n_folds=1`` or the propensity was
            known.
        """
        check_is_fitted(self)
        if self.law_net_ is None:
            raise IntervalNotAvailableError(
                "`predict_propensity` needs a propensity network, but none was trained since "
                f"n_folds={self.n_folds} or `propensity` was given in fit"
            )
        return self.law_net_.predict(validate_X(self, X, reset=False))

    def score(self, X: Any, T: Any = None, y: Any = None, *, sample_weight: Any = None) -> float:
        """Compare the outcome loss with that of the best constant parameters.

        This tells how well outcomes are predicted, and nothing about how well effects are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,) or (n_samples, n_treatments), or packed targets
            Treatments, or packed targets.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes) or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            ``1 - loss / loss of the best constant``: 1 is perfect for a continuous outcome, 0 no
            better than a constant for each arm.
        """
        check_is_fitted(self)
        fields = collect_fields(self, T, y)
        check_same_index(X=X, **fields, sample_weight=sample_weight)
        X = validate_X(self, X, reset=False)
        arrays = {key: as_column_array(fields[key], key) for key in ("T", "y")}
        check_lengths({"X": X, **arrays})
        weight = check_weights(sample_weight, len(X))
        schema = self.contrasts_.treatments
        t = schema.encode(arrays["T"])
        t, y = self.units_.treatments(t), self.units_.outcomes(self.outcomes_.encode(arrays["y"]))
        theta = np.concatenate([th.mean(axis=0) for _, th in self.theta_net_.theta(X)])
        losses = [
            np.average(self.model_.row_losses(y, t, th), weights=weight)
            for th in (theta, np.broadcast_to(self.constant_, theta.shape))
        ]
        return float(1 - losses[0] / losses[1])

    def _diagnostic_lines(self) -> list[str]:
        found = self.diagnostics_
        lines = [
            f"smallest eigenvalue of the expected Hessian: {found['smallest_eigenvalue']:.3g}"
        ]
        if "effective_sample_size" in found:
            sizes = ", ".join(f"{k} {v:.0f}" for k, v in found["effective_sample_size"].items())
            shares = ", ".join(f"{k} {100 * v:.1f} %" for k, v in found["share_clipped"].items())
            lines += [f"effective sample size by arm: {sizes}", f"propensity clipped: {shares}"]
        return lines


def squared_error(module: nn.Module, batch: Batch) -> Tensor:
    """Compute half the squared error of each member over all outputs.

    Parameters
    ----------
    module : Module
    batch : Batch

    Returns
    -------
    Tensor of shape (n_members,)
    """
    return weighted_mean(0.5 * ((batch.y - module(batch.X)) ** 2).sum(-1), batch.w)


def _strata(data: FitData) -> tuple[np.ndarray, np.ndarray]:
    n = len(data.X)
    strata = data.t if data.t.ndim == 1 else np.zeros(n, dtype=int)
    order = data.y[:, 0] if data.outcomes.kinds == ("binary",) else np.zeros(n)
    return strata, order
