"""Coverage of averages under losses of one's own, without a mean given.

    python examples/benchmarks/structural_own.py --replications 50

- willingness: whether somebody buys at a confounded price, n = 2,000: a logit whose slope is minus
  the exponential of a parameter, so that its Hessian depends on the outcome. The expected outcome
  follows from the loss. Targets: the average willingness to pay and the average log slope.
- spread: a normal likelihood of mean and log standard deviation, each linear in a dose, n = 2,000.
  Its expected Hessian is learned. Targets: the average slopes of both.

Beside them stand the same losses with parameters that are the same for everybody, with sandwich
standard errors.
"""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import time
import warnings
from typing import Any

import _harness as harness
import numpy as np
import torch
from intervals import coverage_of_average
from scipy import special
from scipy.optimize import minimize

N_ROWS = 2000


def draw(design: str, n: int, seed: int) -> tuple[Any, ...]:
    """Draw covariates, doses, outcomes and the values of the targets for each person."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    if design == "willingness":
        T = 5 + 0.5 * X[:, 0] + rng.normal(size=n)
        level, log_slope = 3 + 0.5 * X[:, 0], np.log(0.6) + 0.3 * np.tanh(X[:, 1])
        y = (rng.random(n) < special.expit(level - np.exp(log_slope) * T)).astype(float)
        return X, T, y, np.column_stack([level / np.exp(log_slope), log_slope])
    T = 0.5 * X[:, 0] + rng.normal(size=n)
    slope = 0.5 + 0.3 * np.tanh(X[:, 1])
    sd = np.exp(0.3 * X[:, 2] - 0.2 + 0.2 * T)
    y = X[:, 0] + slope * T + sd * rng.normal(size=n)
    return X, T, y, np.column_stack([slope, np.full(n, 0.2)])


def willingness(y: Any, t: Any, theta: Any) -> Any:
    """Likelihood of buying at a price."""
    index = theta[0] - torch.exp(theta[1]) * t
    return torch.nn.functional.softplus(index) - y * index


def spread(y: Any, t: Any, theta: Any) -> Any:
    """Likelihood of a mean and a standard deviation."""
    log_sd = theta[2] + theta[3] * t
    return log_sd + 0.5 * ((y - theta[0] - theta[1] * t) * torch.exp(-log_sd)) ** 2


DESIGNS: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "willingness": (
        willingness,
        2,
        {"willingness to pay": lambda th: th[0] / torch.exp(th[1]), "log slope": lambda th: th[1]},
    ),
    "spread": (spread, 4, {"slope": lambda th: th[1], "slope of log sd": lambda th: th[3]}),
}


def fit_constant(design: str, T: Any, y: Any) -> list[tuple[float, float]]:
    """Fit parameters that are the same for everybody, with delta-method sandwich errors."""
    loss, n_params, targets = DESIGNS[design]
    outcome, dose = torch.tensor(y), torch.tensor(T)

    def total(theta: Any) -> Any:
        return loss(outcome, dose, theta).mean()

    def evaluate(theta: Any) -> tuple[float, Any]:
        at = torch.tensor(theta, requires_grad=True)
        value = total(at)
        return value.item(), torch.autograd.grad(value, at)[0].numpy()

    best = torch.tensor(minimize(evaluate, np.zeros(n_params), jac=True, method="BFGS").x)
    hessian = torch.func.hessian(total)(best)
    scores = torch.func.vmap(torch.func.grad(loss, argnums=2), (0, 0, None))(outcome, dose, best)
    moves = torch.linalg.solve(hessian, scores.T) / len(y)
    found = []
    for target in targets.values():
        change = torch.func.grad(target)(best)
        found.append((target(best).item(), float((change @ moves).norm())))
    return found


def replicate(design: str, replication: int) -> dict[str, Any]:
    """Fit one draw."""
    from sklcausal.structural import StructuralNet

    warnings.simplefilter("ignore")
    loss, n_params, targets = DESIGNS[design]
    X, T, y, _ = draw(design, N_ROWS, replication)
    begin = time.perf_counter()
    est = StructuralNet(model=loss, n_params=n_params, random_state=replication).fit(X, T, y)
    result = est.estimate(targets)
    seconds = time.perf_counter() - begin
    out: dict[str, Any] = {"hessian": est.hessian_method_, "seconds": seconds}
    plain = fit_constant(design, T, y)
    for i in range(2):
        out |= {f"net {i}": result.estimate[i], f"net {i}_se": result.std_error[i]}
        out |= {f"constant {i}": plain[i][0], f"constant {i}_se": plain[i][1]}
    return out


def main() -> None:
    """Run what is missing and write the table."""
    options = harness.arguments(__doc__.splitlines()[0], replications=50)
    tasks = [{"design": d, "replication": r} for r in range(options.replications) for d in DESIGNS]
    rows = harness.run(replicate, tasks, options.out / "structural_own.csv", options.jobs)
    table = []
    for design, (_, _, targets) in DESIGNS.items():
        own = [r for r in rows if r["design"] == design]
        truth = np.mean([draw(design, 500_000, 10**7 + i)[3].mean(axis=0) for i in range(4)], 0)
        for i, name in enumerate(targets):
            for method in ("net", "constant"):
                keys = f"{method} {i}", f"{method} {i}_se"
                columns = [np.array([float(r[k]) for r in own]) for k in keys]
                shown = "StructuralNet" if method == "net" else "constant parameters"
                table.append([design, name, shown, *coverage_of_average(*columns, truth[i])])
    harness.write_table(
        options.out / "structural_own.md",
        "Averages under losses of one's own, n = 2,000, 95 %",
        f"python examples/benchmarks/structural_own.py --replications {options.replications}",
        [
            "design",
            "target",
            "method",
            "runs",
            "coverage",
            "99 % band",
            "mean error",
            "SD of estimates",
            "mean SE / SD",
            "abs(mean error) / mean SE",
        ],
        table,
    )


if __name__ == "__main__":
    main()
