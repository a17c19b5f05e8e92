"""Read what predicted effects are judged by, and value policies."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.dummy import DummyRegressor
from sklearn.utils import Bunch

from sklcausal._evaluation._judged import read_packed_nuisances
from sklcausal._evaluation._scores import covariance_of
from sklcausal._evaluation._study import Study, as_numbers
from sklcausal.exceptions import TargetError
from sklcausal.inspection._plotting import unwrap
from sklcausal.metrics import cross_fit_nuisances, roi_score
from sklcausal.targets import (
    check_lengths,
    check_same_index,
    is_packed,
    pack_targets,
    unpack_targets,
)
from sklcausal.utils._positions import find_position

GIVEN = ("outcome_mean", "propensity")
MODELS = ("cv", "n_jobs", "outcome_model", "propensity_model", "random_state")
POLICY_SHARES = np.linspace(0, 1, 101)
MAX_CELLS = 5_000_000  # of rows times shares at a time


def read_evaluation(
    estimator: Any,
    X: Any,
    T: Any,
    y: Any,
    *,
    nuisances: Any,
    sample_weight: Any,
    cluster: Any,
    beside: Mapping[str, Any],
    display: str,
    with_means: bool = True,
) -> Bunch:
    """Predict effects and read or cross-fit the nuisances that they are judged by.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)
    T : array-like of shape (n_samples,)
        Labels, or packed targets, with ``y=None``.
    y : array-like of shape (n_samples,) or (n_samples, n_outcomes), or None
    nuisances : Bunch, dict, 'randomised' or None
    sample_weight, cluster : array-like of shape (n_samples,) or None
    beside : mapping of str to object
        What else the user has passed; it must not say anything of arms or nuisances.
    display : str
        Name of the display, for messages.
    with_means : bool, default=True
        Whether mean outcomes are needed beside propensities.

    Returns
    -------
    Bunch
        ``T``, ``y`` of shape (n_samples, n_outcomes), ``effect`` of shape (n_samples,
        n_contrasts, n_outcomes), ``outcome_names``, ``name``, and in ``options`` the further
        arguments of metrics. There ``outcome_mean`` has an axis of outcomes, or is None.
    """
    check_same_index(X=X, T=T, y=y, sample_weight=sample_weight, cluster=cluster)
    given = nuisances if isinstance(nuisances, Mapping) else {}
    check_same_index(X=X, **{name: given.get(name) for name in GIVEN})
    refused = [name for name in ("treatments", "control", *GIVEN) if name in beside]
    if refused:
        raise TypeError(
            f"`{refused[0]}` must not be passed to {display}.from_estimator: arms are those of "
            "the estimator, and what is known of outcomes and arms goes into `nuisances`"
        )
    if y is None and not is_packed(T):
        raise TargetError(
            f"`y` must be given unless `T` is packed targets, got None and {type(T).__name__}"
        )
    final, seen = unwrap(estimator, X)
    if final.treatments_ is None:
        raise TargetError(
            f"{display} needs arms, but the estimator was fitted to "
            f"{final.contrasts_.treatments.kind} treatments"
        )
    fields = unpack_targets(T if y is None else pack_targets(T, y))
    if cluster is not None and "cluster" in fields:
        raise TargetError("`cluster` must be packed or passed, got both")
    numbers = final.outcomes_.encode(fields.y)
    predicted = estimator.predict(X)
    check_lengths({"X": predicted, "T": fields.T})
    options = {
        "treatments": final.treatments_,
        "control": final.control_,
        "sample_weight": sample_weight,
        "cluster": fields.get("cluster") if cluster is None else cluster,
    }
    own = any(given.get(name) is not None for name in ("outcome_model", "propensity_model"))
    rows = X if own else seen  # models of the user get what the user has
    found = _read_nuisances(nuisances, rows, fields, numbers, options, with_means)
    return Bunch(
        T=fields.T,
        y=numbers,
        effect=np.reshape(predicted, (len(numbers), -1, numbers.shape[1])),
        outcome_names=final.outcome_names_,
        name=type(final).__name__,
        options=options | found,
    )


def _read_nuisances(
    nuisances: Any, X: Any, fields: Bunch, y: np.ndarray, options: dict[str, Any], with_means: bool
) -> dict[str, Any]:
    if isinstance(nuisances, str) and nuisances == "randomised":
        return dict.fromkeys(GIVEN)
    if nuisances is not None and not isinstance(nuisances, Mapping):
        raise TypeError(
            "`nuisances` must be what `cross_fit_nuisances` returns, a dict of its arguments, "
            f"'randomised' or None, got {nuisances!r}"
        )
    unknown = sorted(set(nuisances or {}) - {*GIVEN, *MODELS})
    if unknown:
        raise ValueError(f"`nuisances` may hold {[*GIVEN, *MODELS]}, got {unknown}")
    arms = np.asarray(options["treatments"])
    packed = None if nuisances else read_packed_nuisances(fields, arms, y.shape[1])
    if nuisances and set(GIVEN) <= set(nuisances):
        means, propensity = nuisances["outcome_mean"], nuisances["propensity"]
    elif packed is not None:
        means, propensity = packed.outcome_mean, packed.propensity
    else:
        given = {k: v for k, v in options.items() if k != "control"}
        given["propensity"] = fields.get("propensity")
        given |= dict(nuisances or {})
        known = given.pop("outcome_mean", None)
        if known is not None or not with_means:
            given["outcome_model"] = DummyRegressor()
        found = cross_fit_nuisances(X, fields.T, y, **given)
        means, propensity = found.outcome_mean if known is None else known, found.propensity
    means = np.asarray(means)
    if means.ndim == 2:
        means = means.reshape(len(means), -1, y.shape[1])
    return {"outcome_mean": means, "propensity": propensity}


def take_outcome(found: Bunch, outcome: Any, argument: str = "outcome") -> Bunch:
    """Take one outcome of what was read.

    Parameters
    ----------
    found : Bunch
        From `read_evaluation`.
    outcome : int or str
        Position or name.
    argument : str, default='outcome'
        Name of the argument, for the message.

    Returns
    -------
    Bunch
        ``y`` of shape (n_samples,), ``effect`` of shape (n_samples, n_contrasts) and ``options``.
    """
    m = find_position(outcome, found.outcome_names, argument)
    options, means = dict(found.options), found.options["outcome_mean"]
    if means is not None:
        options["outcome_mean"] = means[:, :, m]
    return Bunch(y=found.y[:, m], effect=found.effect[:, :, m], options=options)


def rank_by_return(found: Bunch, outcome: Any, cost: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rank people by predicted value per predicted cost.

    Parameters
    ----------
    found : Bunch
        From `read_evaluation`.
    outcome : int or str
        Outcome that holds the value.
    cost : int, str or None
        Outcome that holds the cost; None takes the other of two.

    Returns
    -------
    score : ndarray of shape (n_samples,) or (n_samples, n_contrasts)
    cost : ndarray of shape (n_samples,)
        Cost that was observed.
    """
    n_outcomes = len(found.outcome_names)
    if cost is None:
        if n_outcomes != 2:
            raise ValueError(
                "`cost` must hold costs or name the outcome that does, as there are "
                f"{n_outcomes} outcome(s), got None"
            )
        cost = 1 - find_position(outcome, found.outcome_names, "outcome")
    paid = take_outcome(found, cost, "cost")
    return roi_score(take_outcome(found, outcome).effect, paid.effect), paid.y


def read_effects(effect: Any, **beside: Any) -> dict[str, Any]:
    """Read the predictions of one or several estimators.

    Parameters
    ----------
    effect : array-like or dict of str to array-like
    **beside : object
        Arguments that must not have another index.

    Returns
    -------
    dict of str to array-like
        A single one has no name.
    """
    effects = effect if isinstance(effect, Mapping) else {"": effect}
    if not effects:
        raise ValueError("`effect` must hold the predictions of at least 1 estimator, got none")
    for values in effects.values():
        check_same_index(**beside, effect=values)
    return {str(name): values for name, values in effects.items()}


def read_outcome(y: Any) -> np.ndarray:
    """Read a single outcome; of two strings, the second in sorted order is 1.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    numbers = as_numbers(y)
    if numbers.ndim == 2 and numbers.shape[1] > 1:
        raise ValueError(
            f"`y` must hold one outcome for a picture, got {numbers.shape[1]}; pass one column of "
            "`y` and of `effect`"
        )
    return numbers.reshape(-1)


def check_alpha(alpha: Any) -> None:
    """Check one minus a confidence level.

    Parameters
    ----------
    alpha : float or None
    """
    if alpha is not None and (not isinstance(alpha, (int, float)) or not 0 < alpha < 1):
        raise ValueError(f"`alpha` must be a number between 0 and 1 or None, got {alpha!r}")


def read_costs(cost: Any, study: Study) -> np.ndarray:
    """Read the cost of each arm but the control.

    Parameters
    ----------
    cost : float or dict of label to float
    study : Study

    Returns
    -------
    ndarray of shape (n_contrasts,)
    """
    labels = [study.treatments.labels[a] for a in study.others]
    if isinstance(cost, Mapping):
        unknown = [arm for arm in cost if arm not in labels]
        if unknown:
            raise ValueError(f"`cost_per_treated` must name arms among {labels}, got {unknown}")
        values = np.array([cost.get(arm, 0.0) for arm in labels])
    else:
        values = np.asarray(cost if np.ndim(cost) == 0 else "several")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError(
            "`cost_per_treated` must be a finite number or a dict with one for each arm, got "
            f"{cost!r}"
        )
    return np.broadcast_to(values.astype(float), len(labels))


def evaluate_policy(
    name: str,
    study: Study,
    effect: np.ndarray,
    scores: np.ndarray,
    costs: np.ndarray,
    cluster: Any,
    is_randomised: bool,
    alpha: float | None,
) -> Policy:
    """Value the treatment of growing shares of people, net of costs.

    Parameters
    ----------
    name : str
    study : Study
    effect : ndarray of shape (n_samples, n_contrasts)
    scores : ndarray of shape (n_samples, n_arms)
    costs : ndarray of shape (n_contrasts,)
    cluster : array-like of shape (n_samples,) or None
    is_randomised : bool
        Whether propensities are the shares of the arms.
    alpha : float or None

    Returns
    -------
    Policy
    """
    net = effect - costs
    best, base = net.argmax(axis=1), scores[:, study.treatments.control]
    gain = scores[np.arange(len(base)), study.others[best]] - costs[best] - base
    level = np.unique(-net.max(axis=1), return_inverse=True)[1]
    mass = np.bincount(level, study.weight)
    before = (mass.cumsum() - mass)[level, None]
    mass = np.maximum(mass, np.finfo(float).tiny)[level, None]
    value, error = np.empty((2, len(POLICY_SHARES)))
    step = max(1, MAX_CELLS // len(base))
    for k in range(0, len(POLICY_SHARES), step):
        own = slice(k, k + step)
        # people with the same prediction are treated with the same probability
        treated = np.clip((POLICY_SHARES[own] - before) / mass, 0, 1)
        values = base[:, None] + treated * gain[:, None]
        value[own] = study.weight @ values
        if alpha is None:
            continue
        moves = study.weight[:, None] * (values - value[own])
        error[own] = np.sqrt(np.diag(covariance_of(moves, study, cluster, is_randomised)))
    top = int(value.argmax())
    treated = np.clip((POLICY_SHARES[top] - before) / mass, 0, 1)[:, 0]
    taken = np.bincount(best, study.weight * treated, len(study.others))
    shares = np.append(1 - taken.sum(), taken)
    interval = None
    if alpha is not None:
        half = norm.ppf(1 - alpha / 2) * error
        interval = (value - half, value + half)
    return Policy(name, value, interval, top, shares)


@dataclass(frozen=True, eq=False)
class Policy:
    """Values of the policies of one estimator.

    Attributes
    ----------
    name : str
        Whose predictions they are.
    value : ndarray of shape (101,)
        Mean outcome if 0, 1, ..., 100 % are treated, in outcome units.
    interval : tuple of ndarray of shape (101,), or None
    best : int
        Share with the largest value, in percent.
    arm_shares : ndarray of shape (n_arms,)
        Share of people that gets each arm at the best share, the control first.
    """

    name: str
    value: np.ndarray
    interval: Any
    best: int
    arm_shares: np.ndarray
