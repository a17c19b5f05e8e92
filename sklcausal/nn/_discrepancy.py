"""Distances between the arms' representations, and the reversal of a gradient."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import torch
from torch import Tensor

KINDS = ("energy", "mmd", "wasserstein")
# Strengths of the entropy in units of the mean distance between two sides, one iteration each:
# first coarse ones, so that mass soon finds its way between clusters that lie apart.
STRENGTHS = (1.0, 0.72, 0.52, 0.37, 0.27, 0.19, 0.14, 0.1, 0.1, 0.1)
RELAXATION = 1.5  # longer steps than Sinkhorn's, which are 1; they have to stay below 2
SELF_ITERATIONS = 2
ROUNDING = 8.0  # how many roundings of the squared norms a squared distance gives up


def arm_discrepancy(phi: Tensor, t: Tensor, w: Tensor, n_arms: int, kind: str = "mmd") -> Tensor:
    """Measure how far the representations of the arms lie apart, within each member.

    Parameters
    ----------
    phi : Tensor of shape (n_members, n, n_features)
        Representation.
    t : Tensor of int of shape (n_members, n)
        Codes of the arms.
    w : Tensor of shape (n_members, n)
        Weights of the rows, at least 0; a row of weight 0, such as padding, does not count.
    n_arms : int
        Number of arms.
    kind : {'energy', 'mmd', 'wasserstein'}, default='mmd'
        Distance between two weighted samples, see Notes.

    Returns
    -------
    Tensor of shape (n_members,)
        Mean, over the arms that a member's rows hold, of the distance between an arm and all
        other rows; with two arms, the distance between them. 0 with a gradient of 0 where the
        rows hold fewer than two arms. 'energy' and 'wasserstein' are in units of `phi`, 'mmd'
        has none and does not change with the scale of `phi`.

    Raises
    ------
    ValueError
        If `kind` is not one of those.

    Notes
    -----
    x and x' are drawn from an arm, y and y' from the other rows, by their weights; a row may be
    drawn twice. Distances |x - y| are Euclidean.

    - 'energy' is 2 E|x - y| - E|x - x'| - E|y - y'|.
    - 'mmd' is E k(x, x') + E k(y, y') - 2 E k(x, y), the squared maximum mean discrepancy, where
      k(x, y) = exp(-|x - y|² / s) and s is the mean squared distance between two rows of the
      member, whatever their arms. The gradient takes s as given.
    - 'wasserstein' is W(x, y) - W(x, x') / 2 - W(y, y') / 2, the Sinkhorn divergence [2]_, which
      is 0 for equal distributions. W(x, y) is the least E|x - y| + e KL of all couplings of the
      two sides, with KL the divergence of the coupling from independence and e a tenth of the
      mean |x - y| without coupling. The gradient takes e and, by the envelope theorem, the
      couplings as given. They come from a fixed number of iterations, which makes the distance
      a little too small, by some thousandths of that mean, or some hundredths where rows form
      tight clusters. With few rows in many dimensions, even two samples of one distribution lie
      far apart in this distance.

    The gradient is right once: it cannot be differentiated again. Memory is of order n² per
    member, whatever the number of arms.

    References
    ----------
    .. [1] Shalit, Johansson and Sontag, "Estimating individual treatment effect: generalization
       bounds and algorithms", ICML 2017, arXiv 1606.03976.
    .. [2] Feydy, Séjourné, Vialard, Amari, Trouvé and Peyré, "Interpolating between optimal
       transport and MMD using Sinkhorn divergences", AISTATS 2019, arXiv 1810.08278, eq. (3).
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {list(KINDS)}, got {kind!r}")
    w = w.detach().to(phi.dtype)
    # without this, 0 times an infinite padding row would be NaN
    phi = phi.masked_fill((w == 0).unsqueeze(-1), 0.0)
    with torch.no_grad():
        p = w / _positive(w.sum(dim=1, keepdim=True))
        # distances do not depend on the origin, but their rounding errors do
        x = phi - torch.bmm(p.unsqueeze(1), phi)
        arms, rest, share = _sides(t, w, n_arms)
        if kind == "wasserstein":
            value, gradient = _wasserstein(x, arms, rest, share)
        else:
            value, gradient = _quadratic(x, p, arms - rest, share, kind)
    # the graph holds the gradient of n rows instead of all that has n² entries
    moving = (gradient * phi).sum(dim=(1, 2))
    return value + (moving - moving.detach())


def scale_rows(phi: Tensor, w: Tensor) -> Tensor:
    """Scale representations to unit mean square length, so that shrinking brings them no closer.

    Parameters
    ----------
    phi : Tensor of shape (n_members, n, n_features)
        Representation.
    w : Tensor of shape (n_members, n)
        Weights of the rows.

    Returns
    -------
    Tensor of the shape of phi
        Representation of that length, in each member.
    """
    size = (w * (phi**2).sum(-1)).sum(1) / w.sum(1).clamp_min(1e-12)
    return phi / size.clamp_min(1e-12).sqrt()[:, None, None]


def reverse_gradient(x: Tensor, factor: float) -> Tensor:
    """Return x itself, but send back the gradient times ``-factor``.

    Parameters
    ----------
    x : Tensor of any shape
        Finite numbers.
    factor : float
        Strength of the reversal; 0 stops the gradient.

    Returns
    -------
    Tensor of the shape of x
        The same numbers, to the last bit.
    """
    fixed = x.detach()
    # the difference is 0 without any rounding
    return fixed + factor * (fixed - x)


def _positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 1.0)


def _sides(t: Tensor, w: Tensor, n_arms: int) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised weights of each arm and of the other rows, and the share of each such pair.

    Parameters
    ----------
    t, w : Tensor of shape (n_members, n)
    n_arms : int

    Returns
    -------
    arms, rest : Tensor of shape (n_members, n_pairs, n)
    share : Tensor of shape (n_members, n_pairs)
        Weight in the mean over arms, 0 where one of the sides is empty.
    """
    # of two arms, either is the rest of the other
    codes = torch.arange(n_arms if n_arms > 2 else 1, device=t.device)
    is_arm = t.unsqueeze(1) == codes[:, None]
    arms, rest = w.unsqueeze(1) * is_arm, w.unsqueeze(1) * ~is_arm
    totals = arms.sum(dim=2, keepdim=True), rest.sum(dim=2, keepdim=True)
    both = ((totals[0] > 0) & (totals[1] > 0)).squeeze(2).to(w.dtype)
    share = both / both.sum(dim=1, keepdim=True).clamp_min(1)
    # a row stands in for an empty side, which has no share but must stay finite
    first = (torch.arange(w.shape[1], device=w.device) == 0).to(w.dtype)
    arms, rest = (
        torch.where(total > 0, side / _positive(total), first)
        for side, total in zip((arms, rest), totals, strict=True)
    )
    return arms, rest, share


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n_members, n_x, n_y), exactly 0 between equal rows."""
    # shortened by more than the rounding, so that what is left of 0 is negative
    shrink = 1 - ROUNDING * torch.finfo(x.dtype).eps
    of_x, of_y = (shrink * z.square().sum(dim=2) for z in (x, y))
    square = of_x.unsqueeze(2) + of_y.unsqueeze(1)
    return square.baddbmm_(x, y.mT, alpha=-2).clamp_min_(0.0)


def _half_inverse(distance: Tensor) -> Tensor:
    """Slope of a distance along its square, 0 where there is none."""
    return (0.5 / distance).nan_to_num_(nan=torch.nan, posinf=0.0, neginf=0.0)


def _pull(slope: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Gradient in x of the sum of slopes (n_members, n_x, n_y) times squared distances to y."""
    return 2 * (slope.sum(dim=2, keepdim=True) * x - torch.bmm(slope, y))


def _quadratic(
    x: Tensor, p: Tensor, signed: Tensor, share: Tensor, kind: str
) -> tuple[Tensor, Tensor]:
    """Energy distance or squared MMD, both quadratic forms of the weights.

    Parameters
    ----------
    x : Tensor of shape (n_members, n, n_features)
        Centred.
    p : Tensor of shape (n_members, n)
        Normalised weights of all rows.
    signed : Tensor of shape (n_members, n_pairs, n)
        Weights of the arm minus those of the rest.
    share : Tensor of shape (n_members, n_pairs)
    kind : {'energy', 'mmd'}

    Returns
    -------
    value : Tensor of shape (n_members,)
    gradient : Tensor of shape (n_members, n, n_features)
    """
    weighted = share.unsqueeze(2) * signed
    matrix = _squared_distances(x, x)
    if kind == "mmd":
        scale = -1 / _positive(2 * (p * x.square().sum(dim=2)).sum(dim=1))[:, None, None]
        # signed weights add up to 0, so that the kernel less 1 gives the same, rounded less
        matrix = matrix.mul_(scale).expm1_()
        slope = (matrix + 1) * scale
    else:
        matrix = matrix.sqrt_().neg_()
        slope = _half_inverse(matrix)
    value = (torch.bmm(signed, matrix) * weighted).sum(dim=(1, 2))
    slope *= torch.bmm(signed.mT, weighted)
    # both ends of a distance move
    return value, 2 * _pull(slope, x, x)


def _wasserstein(x: Tensor, arms: Tensor, rest: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Sinkhorn divergence, arm by arm to save memory; shapes as in `_quadratic`."""
    value, gradient = torch.zeros_like(share[:, 0]), torch.zeros_like(x)
    for pair in share.any(dim=0).nonzero().flatten().tolist():
        a, at_a, index_a = _rows_with_weight(arms[:, pair], x)
        b, at_b, index_b = _rows_with_weight(rest[:, pair], x)
        cross = _squared_distances(at_a, at_b).sqrt_()
        unit = (torch.bmm(a.unsqueeze(1), cross).squeeze(1) * b).sum(dim=1)
        scale = (1 / _positive(unit))[:, None, None]
        divergence, plan = _couple(cross * scale, a, b, _cross_potential(cross * scale, a, b))
        plan *= _half_inverse(cross)
        pull_a, pull_b = _pull(plan, at_a, at_b), _pull(plan.mT, at_b, at_a)
        for pull, side, rows, index in ((pull_a, a, at_a, index_a), (pull_b, b, at_b, index_b)):
            cost = _squared_distances(rows, rows).sqrt_()
            potential = _self_potential(cost * scale, side)
            least, plan = _couple(cost * scale, side, side, potential)
            divergence -= least / 2
            plan *= _half_inverse(cost)
            # each row stands at both ends
            pull -= _pull((plan + plan.mT) / 2, rows, rows)
            pull *= share[:, pair, None, None]
            gradient.flatten(0, 1).index_add_(0, index, pull.flatten(0, 1))
        value += share[:, pair] * unit * divergence
    return value, gradient


def _rows_with_weight(side: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of one side, filled up with rows of weight 0.

    Parameters
    ----------
    side : Tensor of shape (n_members, n)
    x : Tensor of shape (n_members, n, n_features)

    Returns
    -------
    weight : Tensor of shape (n_members, n_side)
    rows : Tensor of shape (n_members, n_side, n_features)
    index : Tensor of shape (n_members * n_side,)
        Where they stand in the flattened x.
    """
    weight, place = side.topk(int((side > 0).sum(dim=1).max()), dim=1)
    index = place + x.shape[1] * torch.arange(len(x), device=x.device).unsqueeze(1)
    rows = x.flatten(0, 1).index_select(0, index.flatten())
    return weight, rows.unflatten(0, weight.shape), index.flatten()


def _affinity(cost: Tensor, potential: Tensor, log_b: Tensor, strength: float) -> Tensor:
    """Logarithm of how much a row likes each column, but for a constant of the row."""
    columns = (potential / strength + log_b).unsqueeze(1)
    return torch.add(columns, cost, alpha=-1 / strength)


def _log_sum(affinity: Tensor) -> Tensor:
    """Logarithm of the sum of the exponentials of the last axis."""
    # many times faster than logsumexp, whose exp is slow where it underflows
    return affinity.amax(dim=2) - torch.log_softmax(affinity, dim=2).amax(dim=2)


def _cross_potential(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Potential of the columns after the Sinkhorn iterations.

    Parameters
    ----------
    cost : Tensor of shape (n_members, n_a, n_b)
        In the unit of the strengths.
    a, b : Tensor of shape (n_members, n_side)
        Weights.

    Returns
    -------
    Tensor of shape (n_members, n_b)
    """
    log_b, start = b.log(), STRENGTHS[0]
    first = _affinity(cost.mT, torch.zeros_like(a), a.log(), start)
    potential = -start * _log_sum(first)
    for strength in STRENGTHS[1:]:
        # rows spread all their mass, then columns that get too much become less attractive
        spread = torch.softmax(_affinity(cost, potential, log_b, strength), dim=2)
        got = torch.bmm(a.unsqueeze(1), spread).squeeze(1)
        log_ratio = log_b - got.clamp_min(torch.finfo(got.dtype).tiny).log()
        potential = potential + RELAXATION * strength * log_ratio.masked_fill_(b == 0, 0.0)
    return potential


def _self_potential(cost: Tensor, a: Tensor) -> Tensor:
    """Potential of a side that faces itself; shapes as in `_cross_potential`."""
    log_a, strength = a.log(), STRENGTHS[-1]
    potential = torch.zeros_like(a)
    for _ in range(SELF_ITERATIONS):
        best = -strength * _log_sum(_affinity(cost, potential, log_a, strength))
        # the error of a mode is multiplied by something within ±1/3: whole steps would swing
        potential = (potential + 2 * best) / 3
    return potential


def _couple(cost: Tensor, a: Tensor, b: Tensor, potential: Tensor) -> tuple[Tensor, Tensor]:
    """Regularised cost (n_members,) and coupling (n_members, n_a, n_b) at a potential."""
    strength = STRENGTHS[-1]
    affinity = _affinity(cost, potential, b.log(), strength)
    spread = torch.softmax(affinity, dim=2)
    total = affinity.amax(dim=2) - spread.amax(dim=2).log()
    least = (b * potential).sum(dim=1) - strength * (a * total).sum(dim=1)
    return least, spread.mul_(a.unsqueeze(2))
