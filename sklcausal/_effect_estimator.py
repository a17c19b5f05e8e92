"""What every estimator of effects does for a user."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import RegressorTags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from sklcausal._average_results import AverageResults, check_alpha
from sklcausal._contrasts import Contrast, Contrasts
from sklcausal._encoding import Treatments
from sklcausal._fit_data import FitData, check_fit_data, collect_fields, validate_X
from sklcausal.exceptions import TargetError
from sklcausal.targets import check_same_index
from sklcausal.utils._docs import shared_docs
from sklcausal.utils._frames import library_of, make_frame
from sklcausal.utils._restore import restores_on_failure


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class BaseEffectEstimator(AverageResults):
    """Check the data, keep the conventions and shape the results.

    Subclasses fit on `FitData` and say which mean outcomes they expect under which treatment.
    They are dataclasses: a field with a default is a parameter, and those of the base class are
    inherited.

    Parameters
    ----------
    {shared_parameters}

    Attributes
    ----------
    treatments_ : ndarray of shape (n_arms,) or None
        Labels of the arms, or None for doses.
    control_ : label or None
        Arm that the others are compared with; None for doses.
    effect_names_out_ : ndarray of str of shape (n_contrasts,)
        Names of the default contrasts.
    outcome_names_, outcome_kinds_ : ndarray of str of shape (n_outcomes,)
        Names and kinds of the outcomes.
    """

    __metadata_request__fit = {"T": UNUSED}
    __metadata_request__score = {"T": UNUSED}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "treatment_type": [StrOptions({"auto", "discrete", "dose", "simultaneous"})],
        "treatments": ["array-like", None],
        "control": "no_validation",
        "outcome": [str, "array-like"],
    }
    # what a method takes, beside T and y
    _fields: ClassVar[tuple[str, ...]] = ("propensity", "cluster")
    _treatment_kinds: ClassVar[tuple[str, ...]] = ("discrete",)

    treatment_type: str = "auto"
    treatments: Sequence[Any] | None = None
    control: Any = None
    outcome: str | Sequence[str] = "auto"

    # -- fit ------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)  # models within are the user's
    @restores_on_failure
    def fit(
        self,
        X: Any,
        T: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        propensity: Any = None,
        cluster: Any = None,
    ) -> BaseEffectEstimator:
        """Fit to covariates, treatments and outcomes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T : array-like of shape (n_samples,) or (n_samples, n_treatments)
            Treatments, or what `pack_targets` returns, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes)
            Outcomes. With two axes and arms, NaN is a cell that was not observed.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights. Averages are weighted by them.
        propensity : float or array-like of shape (n_samples,) or (n_samples, n_arms), default=None
            Known probability of each arm, as in a trial; a number or a single column is that of
            the second of two.
        cluster : array-like of shape (n_samples,) or None, default=None
            Rows with the same label share errors: folds keep them together and standard errors
            sum within them.

        Returns
        -------
        self : BaseEffectEstimator
            The fitted estimator.

        Raises
        ------
        TargetError
            If treatments, outcomes or the fields beside them cannot be used.
        ValueError, TypeError
            If X or a parameter cannot be used.
        TrainingDivergedError
            If a loss becomes NaN or infinite.

        Warns
        -----
        OverlapWarning
            If the treatment of over 2 % of the rows was hardly open, or an outcome hardly seen.
        """
        fields = collect_fields(self, T, y, propensity=propensity, cluster=cluster)
        parts = self._n_folds_of_data(), self._fewest_rows_of_an_arm()
        data = check_fit_data(self, X, fields, sample_weight, *parts)
        mean = np.average(data.t, axis=0, weights=data.weight) if data.t.ndim == 2 else None
        self.contrasts_ = Contrasts(data.treatments, mean)
        self._frame_library = library_of(X)
        self._fit(data)
        self.treatments_ = data.treatments.arms
        labels = data.treatments.labels
        self.control_ = labels[data.treatments.control] if data.t.ndim == 1 else None
        self.outcome_names_ = np.array(data.outcomes.names, dtype=object)
        self.outcomes_ = data.outcomes
        self.outcome_kinds_ = np.array(data.outcomes.kinds, dtype=object)
        self.effect_names_out_ = np.array(self.contrasts_(None, None).names, dtype=object)
        return self

    def _outcome_kind(self) -> Any:
        """Return what y is, as the parameter ``outcome``."""
        return self.outcome

    def _check_kind(self, treatments: Treatments, T: np.ndarray, asked: str) -> None:
        """Refuse or warn of treatments that seem to be read as another kind than was meant."""

    def _has_own_model(self) -> bool:
        """Tell whether the user said by a model how outcomes depend on treatments."""
        return False

    def _n_folds_of_data(self) -> int:
        """Return in how many parts the rows are cut."""
        return 1

    def _fewest_rows_of_an_arm(self) -> int:
        """Return how many rows every arm must have."""
        return max(2, self._n_folds_of_data())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "contrasts_")

    @abstractmethod
    def _fit(self, data: FitData) -> None:
        """Fit to checked data."""

    # -- effects --------------------------------------------------------------------------

    @abstractmethod
    def _means(self, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Estimate mean outcomes (n, n_points, n_outcomes) at treatments (1 or n, n_points)."""

    def _effect(self, X: np.ndarray, contrast: Contrast) -> np.ndarray:
        """Estimate effects, shape (n, n_contrasts, n_outcomes)."""
        low, high = np.split(self._means(X, contrast.points), 2, axis=1)
        return high - low

    def _contrast(self, T0: Any, T1: Any, n: int, has_interval: bool = False) -> Contrast:
        """Read which treatments are compared in n rows, perhaps with an interval."""
        return self.contrasts_.by_row(T0, T1, n)

    def _average_contrast(self, T0: Any, T1: Any) -> Contrast:
        """Read which treatments an average compares."""
        return self.contrasts_(T0, T1)

    @abstractmethod
    def _interval(
        self, X: np.ndarray, contrast: Contrast, alpha: float, simultaneous: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute intervals of contrasts, each of shape (n, n_contrasts, n_outcomes)."""

    def effect(self, X: Any, *, T0: Any = None, T1: Any = None) -> np.ndarray:
        """Estimate the effect for each row, in outcome units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T0, T1 : label or dose, or array-like of them, default=None
            Treatments to compare: one for all rows or one per row. By default every arm is
            compared with the control, and the mean dose with one unit more. Of a dose alone, the
            end that is not given is the mean dose.

        Returns
        -------
        effect : ndarray of shape (n_samples, n_contrasts, n_outcomes)
            Without the last axis if y was one-dimensional; without both if there is one contrast,
            too.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        TargetError
            If T0 or T1 is no known arm.
        """
        check_is_fitted(self)
        check_same_index(X=X, T0=T0, T1=T1)
        X = validate_X(self, X, reset=False)
        return self._shape(self._effect(X, self._contrast(T0, T1, len(X))))

    def effect_interval(
        self,
        X: Any,
        *,
        T0: Any = None,
        T1: Any = None,
        alpha: float = 0.05,
        simultaneous: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute a confidence interval for the effect of each row, in outcome units.

        It lies around a regression of the influence values on features of x, not around `effect`,
        which it is stretched to hold, and is cut at what a difference of probabilities can be.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        T0, T1 : label or dose, or array-like of them, default=None
            As in `effect`.
        alpha : float, default=0.05
            One minus the confidence level.
        simultaneous : bool, default=False
            Widen the intervals so that all rows of X are covered at once.

        Returns
        -------
        low, high : ndarray, each shaped as what `effect` returns
            Bounds of the intervals.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1`` or an arm is too small.
        TargetError
            If T0 or T1 is no known arm.
        ValueError
            If X has other columns than in fit, or alpha is not between 0 and 1.
        """
        check_is_fitted(self)
        check_alpha(alpha)
        check_same_index(X=X, T0=T0, T1=T1)
        X = validate_X(self, X, reset=False)
        contrast = self._contrast(T0, T1, len(X), has_interval=True)
        if simultaneous and len(contrast.points) > 1:
            raise ValueError("`simultaneous=True` takes one T0 and T1 for all rows, got arrays")
        low, high = (self._shape(b) for b in self._interval(X, contrast, alpha, simultaneous))
        least, most = self._limits()
        return np.maximum(low, least), np.minimum(high, most)

    def _limits(self) -> tuple[Any, Any]:
        """Return the smallest and largest possible effect on each outcome."""
        most = self._limits_of(self.outcomes_.n_outcomes)[1]
        most = most if not self.outcomes_.one_dim else most[0]
        return -most, most

    def _limits_of(self, n: int, of_means: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and largest effects, or mean outcomes, outcomes innermost."""
        is_share = np.array([kind in ("binary", "choice") for kind in self.outcomes_.kinds])
        most = np.resize(np.where(is_share, 1.0, np.inf), n)
        return np.where(of_means & np.isfinite(most), 0.0, -most), most

    def predict(self, X: Any) -> np.ndarray:
        """Return the effect of each row, flattened to at most two axes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_contrasts * n_outcomes)
            Effects.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If X has other columns than in fit.
        """
        effect = self.effect(X)
        return effect.reshape(len(effect), -1) if effect.ndim > 2 else effect

    def _shape(self, effect: np.ndarray) -> np.ndarray:
        """Drop the outcome axis, and the contrast axis if single, where y had one axis."""
        if not self.outcomes_.one_dim:
            return effect
        effect = effect[..., 0]
        return effect[:, 0] if effect.shape[1] == 1 else effect

    # -- further results ------------------------------------------------------------------

    def potential_outcomes(self, X: Any) -> np.ndarray:
        """Estimate the mean outcome of each row in every arm, in outcome units.

        Where effects have a network of their own, as in the DR-learner or with ``modifiers``,
        differences of these are not what `effect` returns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_arms) or (n_samples, n_arms, n_outcomes)
            Arms in the order of ``treatments_``.

        Raises
        ------
        TargetError
            If the treatment is not discrete.
        """
        check_is_fitted(self)
        if self.treatments_ is None:
            raise TargetError(
                "`potential_outcomes` needs arms, but the estimator was fitted to "
                f"{self.contrasts_.treatments.kind} treatments; use `effect` with T0 and T1"
            )
        arms = np.arange(len(self.treatments_))[None]
        means = self._means(validate_X(self, X, reset=False), arms)
        return means[:, :, 0] if self.outcomes_.one_dim else means

    def to_frame(self, X: Any, *, alpha: float = 0.05, library: str | None = None) -> Any:
        """Put effects and intervals into one tidy table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        alpha : float, default=0.05
            One minus the confidence level.
        library : {'pandas', 'polars'} or None, default=None
            None returns a polars frame for a polars X and a pandas frame otherwise.

        Returns
        -------
        DataFrame
            Columns ``row``, ``contrast``, ``outcome``, ``effect``, ``low`` and ``high``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        IntervalNotAvailableError
            If the estimator was fitted with ``n_folds=1`` or an arm is too small.
        ImportError
            If the library is not installed.
        """
        if library not in (None, "pandas", "polars"):
            raise ValueError(f"`library` must be 'pandas', 'polars' or None, got {library!r}")
        low, high = self.effect_interval(X, alpha=alpha)
        effect = self.effect(X)
        shape = (len(effect), len(self.effect_names_out_), len(self.outcome_names_))
        row, contrast, outcome = (i.ravel() for i in np.indices(shape))
        index = getattr(X, "index", None)
        columns = {
            "row": row if index is None else np.asarray(index)[row],
            "contrast": self.effect_names_out_[contrast],
            "outcome": self.outcome_names_[outcome],
            "effect": effect.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
        return make_frame(columns, library or library_of(X))

    # -- scikit-learn ---------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags(poor_score=True)
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = False
        return tags
