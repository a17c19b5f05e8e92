"""Scorers that judge effects inside scikit-learn, where nobody knows the truth."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import UNUSED

from sklcausal._evaluation._judged import read_packed_nuisances
from sklcausal._evaluation._nuisances import cross_fit_nuisances
from sklcausal._evaluation._prefix import MULTIARM, NORMALIZE
from sklcausal._evaluation._study import Study, as_numbers, read_study
from sklcausal.exceptions import TargetError
from sklcausal.metrics._cost import aucc_score, roi_score
from sklcausal.metrics._losses import dr_loss, if_pehe, ipw_loss, r_loss
from sklcausal.metrics._matching import matching_pehe
from sklcausal.metrics._policy import policy_value
from sklcausal.metrics._rate import TARGETS, rate
from sklcausal.metrics._uplift import auuc_score, qini_score
from sklcausal.targets import is_packed, pack_targets, unpack_targets
from sklcausal.utils._final_step import final_step

N_CACHED = 32  # folds whose nuisances are remembered
CHOICES = {"multiarm": MULTIARM, "normalize": NORMALIZE, "target": TARGETS}
CROSS_FIT = ("cv", "outcome_model", "propensity_model", "n_jobs", "random_state")


def _gain(*args: Any, **kwargs: Any) -> float:
    """Average the gain of a policy over outcomes."""
    result = policy_value(args[0], args[1], effect=args[2], **kwargs)
    return float(result.estimate[-len(result.estimate) // 3 :].mean())


def _rate(*args: Any, **kwargs: Any) -> float:
    """Average rank-weighted effects over contrasts and outcomes, without standard errors."""
    return float(rate(*args, n_bootstrap=2, **kwargs).estimate.mean())


def _aucc(T: Any, y: Any, effect: Any, *, value: int = 0, cost: int = 1, **kwargs: Any) -> float:
    """Rank by the effect on value per effect on cost."""
    n_outcomes = np.shape(y)[1] if np.ndim(y) == 2 else 1
    if not 0 <= max(value, cost) < n_outcomes or min(value, cost) < 0 or value == cost:
        raise TargetError(
            "`y` must hold value and cost in two columns for 'aucc', chosen by value= and cost=, "
            f"got {n_outcomes} column(s) with value={value} and cost={cost}"
        )
    cells = np.reshape(effect, (len(y), -1, n_outcomes))
    score = roi_score(cells[:, :, value], cells[:, :, cost])
    return aucc_score(T, y[:, value], y[:, cost], score, **kwargs)


@dataclass(frozen=True)
class Metric:
    """What a scorer must know of a metric."""

    function: Callable[..., Any]
    larger_is_better: bool = False
    nuisances: tuple[str, ...] = ("outcome_mean", "propensity")
    divides: bool = True  # by probabilities, which are clipped
    options: tuple[str, ...] = ()


METRICS = {
    "dr": Metric(dr_loss),
    "r": Metric(r_loss, divides=False),
    "ipw": Metric(ipw_loss, nuisances=("propensity",)),
    "if-pehe": Metric(if_pehe),
    "matching": Metric(matching_pehe, nuisances=(), divides=False),
    "qini": Metric(qini_score, True, ("propensity",), options=("multiarm", "normalize")),
    "auuc": Metric(auuc_score, True, ("propensity",), options=("multiarm", "normalize")),
    "aucc": Metric(_aucc, True, ("propensity",), options=("cost", "multiarm", "value")),
    "policy": Metric(_gain, True),
    "rate": Metric(_rate, True, options=("multiarm", "target")),
}
FACTUAL = "factual"


class _Cache:
    """Remember nuisances by the content of the rows and the models that they come from."""

    def __init__(self, size: int):
        self.size, self.lock = size, threading.Lock()
        self.found: OrderedDict[str, Bunch] = OrderedDict()

    def get(self, key: str, make: Callable[[], Bunch]) -> Bunch:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
                return self.found[key]
        made = make()
        with self.lock:
            self.found[key] = made
            while len(self.found) > self.size:
                self.found.popitem(last=False)
        return made


_CACHE = _Cache(N_CACHED)


class EffectScorer(BaseEstimator):
    """Judge the effects of a fitted estimator by outcomes that were observed.

    Made by `make_effect_scorer`. It is what searches and validations of scikit-learn take as
    ``scoring``.

    Parameters
    ----------
    metric : str
        Name of the metric.
    nuisance : dict, 'randomised' or None, default=None
        As in `make_effect_scorer`.
    clip : float, default=0.01
        Smallest probability that is divided by.
    options : dict or None, default=None
        Further arguments of the metric.
    """

    __metadata_request__score = {"estimator": UNUSED, "T": UNUSED}

    def __init__(
        self,
        *,
        metric: str,
        nuisance: Any = None,
        clip: float = 0.01,
        options: dict[str, Any] | None = None,
    ):
        self.metric = metric
        self.nuisance = nuisance
        self.clip = clip
        self.options = options

    def __call__(
        self, estimator: Any, X: Any, T: Any, y: Any = None, sample_weight: Any = None
    ) -> float:
        """Compute the score, the larger the better.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates of rows that the estimator has not seen.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            The metric; losses with a minus sign.
        """
        return self.score(estimator, X, T, y, sample_weight=sample_weight)

    def score(
        self, estimator: Any, X: Any, T: Any, y: Any = None, sample_weight: Any = None
    ) -> float:
        """Compute the score, the larger the better.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator, or a fitted pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Covariates of rows that the estimator has not seen.
        T : array-like of shape (n_samples,)
            Arm that each row received, or packed targets, with ``y=None``.
        y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None, default=None
            Outcomes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Row weights.

        Returns
        -------
        float
            The metric; losses with a minus sign.

        Raises
        ------
        TargetError
            If targets cannot be used, or the estimator was fitted to doses.
        TypeError
            If the estimator predicts outcomes, not effects.
        ValueError
            If an option or a nuisance cannot be used.
        """
        self.check()
        if y is None and not is_packed(T):
            raise TargetError(
                "a scorer takes packed targets, as pack_targets(T, y), or T and y, got "
                f"{type(T).__name__} alone"
            )
        targets = T if y is None else pack_targets(T, y)
        if self.metric == FACTUAL:
            options = {} if sample_weight is None else {"sample_weight": sample_weight}
            return float(estimator.score(X, targets, **options))
        fields = unpack_targets(targets)
        final = final_step(estimator)
        outcomes = _read_outcomes(final, fields.y)
        arms = _read_arms(final)
        study = read_study(fields.T, outcomes, sample_weight=sample_weight, **arms)
        metric = METRICS[self.metric]
        arguments = dict(self.options or {}) | arms | {"sample_weight": sample_weight}
        if metric.nuisances and self.nuisance != "randomised":
            found = self._nuisances(X, fields, outcomes, study, sample_weight)
            arguments |= {name: found[name] for name in metric.nuisances}
        if metric.divides:
            arguments["clip"] = self.clip
        rows = (X,) if self.metric == "matching" else ()
        value = metric.function(*rows, fields.T, outcomes, estimator.predict(X), **arguments)
        return float(value) if metric.larger_is_better else -float(value)

    def check(self) -> None:
        """Raise unless all settings can be used.

        Raises
        ------
        ValueError
            If the metric or an option is unknown, or ``nuisance`` or ``clip`` cannot be used.
        """
        known = [*METRICS, FACTUAL]
        if self.metric not in known:
            raise ValueError(f"`metric` must be one of {known}, got {self.metric!r}")
        _check_nuisance(self.nuisance)
        clip = self.clip
        if (
            isinstance(clip, bool)
            or not isinstance(clip, (int, float, np.number))
            or not 0 <= clip < 0.5
        ):
            raise ValueError(f"`clip` must be a number from 0 to below 0.5, got {clip!r}")
        allowed = METRICS[self.metric].options if self.metric in METRICS else ()
        options = self.options or {}
        unknown = sorted(set(options) - set(allowed))
        if unknown:
            raise ValueError(
                f"options of {self.metric!r} must be among {list(allowed)}, got {unknown}"
            )
        for name, values in CHOICES.items():
            if name in options and options[name] not in values:
                raise ValueError(f"`{name}` must be one of {values}, got {options[name]!r}")

    def _nuisances(
        self, X: Any, fields: Bunch, y: np.ndarray, study: Study, sample_weight: Any
    ) -> Bunch:
        """Read nuisances from the targets, or cross-fit them on these rows."""
        arms = study.treatments.arms
        found = read_packed_nuisances(fields, np.asarray(arms), study.y.shape[1])
        if found is not None:
            return found
        given = {
            "propensity": fields.get("propensity"),
            "cluster": fields.get("cluster"),
            "sample_weight": sample_weight,
            "treatments": arms,
            **(self.nuisance or {}),
        }
        key = joblib.hash((np.asarray(X), fields.T, y, given))
        try:
            return _CACHE.get(key, lambda: cross_fit_nuisances(X, fields.T, y, **given))
        except TargetError as error:
            raise TargetError(
                f"{error}; the scorer fits nuisances on the rows to be scored: put them into the "
                "targets by add_nuisances before, or give nuisance={'cv': 2}"
            ) from error


def _check_nuisance(nuisance: Any) -> None:
    if not isinstance(nuisance, dict):
        if nuisance not in (None, "randomised"):
            raise ValueError(f"`nuisance` must be a dict, 'randomised' or None, got {nuisance!r}")
        return
    unknown = sorted(set(nuisance) - set(CROSS_FIT))
    if unknown:
        raise ValueError(f"`nuisance` may hold {list(CROSS_FIT)}, got {unknown}")
    seed = nuisance.get("random_state", 0)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        # else every candidate would be judged by other folds
        raise ValueError(f"`random_state` in `nuisance` must be an integer, got {seed!r}")


def _read_arms(final: Any) -> dict[str, Any]:
    """Take the arms of a fitted estimator, or none where it does not know them."""
    if is_regressor(final) and not hasattr(final, "effect"):
        raise TypeError(
            "effect scorers need an effect estimator, or a pipeline or search that ends in one, "
            f"got {type(final).__name__}, whose predictions are outcomes"
        )
    if not hasattr(final, "treatments_"):
        return {"treatments": None, "control": None}
    if final.treatments_ is None:
        raise TargetError(
            f"effect scorers need arms, but {type(final).__name__} was fitted to doses; use "
            "'factual' or the estimator's own score"
        )
    return {"treatments": final.treatments_, "control": final.control_}


def _read_outcomes(final: Any, y: np.ndarray) -> np.ndarray:
    """Turn outcomes into numbers as the estimator did in fit."""
    outcomes = getattr(final, "outcomes_", None)
    if outcomes is None:
        return as_numbers(y)
    numbers = outcomes.encode(y)
    return numbers[:, 0] if outcomes.one_dim else numbers


def make_effect_scorer(
    metric: str = "dr", *, nuisance: Any = None, clip: float = 0.01, **options: Any
) -> EffectScorer:
    """Make a scorer of effects for scikit-learn's searches and validations.

    Nuisances are never those of the candidate. Where the packed targets hold them, as
    `add_nuisances` puts them there, the scorer only reads them: they rest on all rows and are the
    same for all candidates. Otherwise they are cross-fitted on the rows to be scored, once for
    each fold, which is noisy where these are few.

    Parameters
    ----------
    metric : {'dr', 'r', 'if-pehe', 'ipw', 'matching', 'qini', 'auuc', 'aucc', 'policy', 'rate', \
'factual'}, default='dr'
        'dr', 'r', 'if-pehe', 'ipw' and 'matching' are losses, of which the negative is returned;
        'qini', 'auuc', 'aucc' and 'rate' judge the ranking, 'policy' the gain of treating those
        who are expected to gain; 'factual' is the estimator's own score of outcomes, which tells
        nothing of effects.
    nuisance : dict, 'randomised' or None, default=None
        Arguments of `cross_fit_nuisances`: ``outcome_model``, ``propensity_model``, ``cv``,
        ``n_jobs`` and ``random_state``. 'randomised' takes the shares and means of the arms in
        place of models, as in a trial.
    clip : float, default=0.01
        Smallest probability that is divided by.
    **options : object
        Further arguments of the metric, such as ``multiarm='best'`` or ``normalize='total'``; for
        'aucc' the columns of y that hold ``value=0`` and ``cost=1``.

    Returns
    -------
    scorer : EffectScorer
        Called as ``scorer(estimator, X, targets)``.

    Raises
    ------
    ValueError
        If the metric or an option is unknown, or ``nuisance`` or ``clip`` cannot be used.

    See Also
    --------
    add_nuisances : Put nuisances from all rows into packed targets.

    Notes
    -----
    'dr' and 'if-pehe' rank candidates alike. Arms are compared with the control of the estimator
    that is judged, so that scores of estimators with different controls cannot be compared. The
    scores of ranking metrics do not see a constant error of all effects. Every outcome must have
    been observed: missing cells, which estimators take, are refused.

    Examples
    --------
    >>> from sklcausal.metrics import make_effect_scorer
    >>> make_effect_scorer("qini", nuisance="randomised")
    EffectScorer(metric='qini', nuisance='randomised')
    """
    scorer = EffectScorer(metric=metric, nuisance=nuisance, clip=clip, options=options or None)
    scorer.check()
    return scorer
