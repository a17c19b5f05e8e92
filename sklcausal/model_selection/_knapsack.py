"""Choose arms by value and cost, under a price that keeps to a budget."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch

from sklcausal._evaluation._judged import Judged
from sklcausal._evaluation._scores import covariance_of

BISECTIONS = 200  # at most; the search ends where two neighbouring numbers are left


def best_arms(value: np.ndarray, cost: np.ndarray, price: float) -> np.ndarray:
    """Choose for each row the arm with the largest value less the price of its cost.

    Parameters
    ----------
    value, cost : ndarray of shape (n_samples, n_arms)
        Of each arm, less those of the control.
    price : float
        Value of one unit of cost; infinite for the cheapest arms.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Of arms that are as good as each other, the cheapest.
    """
    if np.isinf(price):
        value, price = np.zeros_like(value), 1.0
    net = value - price * cost
    top = net >= net.max(axis=1, keepdims=True) - 1e-12 * np.abs(net).max(axis=1, keepdims=True)
    return np.where(top, cost, np.inf).argmin(axis=1)


def find_price(value: np.ndarray, cost: np.ndarray, budget: float, weight: np.ndarray) -> float:
    """Find the smallest price of cost at which everybody's best arm keeps to a budget.

    It is the Lagrange multiplier of the budget, and 0 where that does not bind.

    Parameters
    ----------
    value, cost : ndarray of shape (n_samples, n_arms)
        Of each arm, less those of the control.
    budget : float
        Largest mean cost.
    weight : ndarray of shape (n_samples,)
        Row weights.

    Returns
    -------
    float
        In units of value per unit of cost.
    """
    rows = np.arange(len(value))

    def spent(price: float) -> float:
        return float(np.average(cost[rows, best_arms(value, cost, price)], weights=weight))

    if spent(0.0) <= budget:
        return 0.0
    spread = np.ptp(value, axis=1).max()
    gaps = np.abs(cost[:, :, None] - cost[:, None, :])
    high = 2 * spread / gaps[gaps > 0].min()  # a price that no difference of values outweighs
    low = 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if spent(middle) <= budget else (middle, high)
    return high


def trace_frontier(
    rows: Judged, value: np.ndarray, cost: np.ndarray, own: float, n_points: int, clip: float
) -> Bunch:
    """Estimate what policies of larger and larger budgets add to value and cost.

    Parameters
    ----------
    rows : Judged
        With value and cost as outcomes.
    value, cost : ndarray of shape (n_samples, n_arms)
        Predicted, of each arm, less those of the control.
    own : float
        Price of the policy itself.
    n_points : int
    clip : float
        Smallest probability that is divided by.

    Returns
    -------
    Bunch
        As `BudgetedPolicy.frontier` returns.
    """
    weight, at = rows.study.weight, np.arange(len(value))
    least, most = (
        float(weight @ cost[at, best_arms(value, cost, price)]) for price in (np.inf, 0.0)
    )
    scores = rows.scores(clip)
    gain = scores - scores[:, [rows.study.treatments.control]]
    budgets = np.linspace(least, most, n_points)
    slack = 1e-9 * max(abs(most), abs(least))
    prices = [find_price(value, cost, budget + slack, weight) for budget in budgets]
    estimates, errors = [], []
    for price in [*prices, own]:
        chosen = gain[at, best_arms(value, cost, price)]
        mean = weight @ chosen
        moves = weight[:, None] * (chosen - mean)
        covariance = covariance_of(moves, rows.study, rows.cluster, False)
        estimates.append(mean)
        errors.append(np.sqrt(np.diag(covariance)))
    (*estimates, last), (*errors, last_error) = estimates, errors
    found, spread = np.array(estimates), np.array(errors)
    return Bunch(
        budget=budgets,
        price=np.array(prices),
        value=found[:, 0],
        value_std_error=spread[:, 0],
        cost=found[:, 1],
        cost_std_error=spread[:, 1],
        own_budget=float(weight @ cost[at, best_arms(value, cost, own)]),
        own_value=float(last[0]),
        own_value_std_error=float(last_error[0]),
    )
