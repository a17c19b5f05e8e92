"""VCNet: heads whose weights vary smoothly with a dose."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.interpolate import BSpline
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from sklcausal._draws import Batch
from sklcausal._ensemble import Recipe
from sklcausal._models import GeneralizedLinear, StructuralModel
from sklcausal._models._spline_basis import SplineBasis
from sklcausal._objective import Penalty
from sklcausal._start import Start
from sklcausal.nn._bodies import ArmHead, MultiHeadMLP
from sklcausal.nn._layers import check_widths
from sklcausal.nn._outputs import Outputs
from sklcausal.representation._tarnet import TARNet
from sklcausal.utils._docs import shared_docs

DEGREE = 2
OWN_SHARE = 0.1  # of the spread of first weights that pieces of the dose do not have in common
LEAST_DENSITY = 0.05  # relative to a uniform one


def spread_over_pieces(share: np.ndarray, n_pieces: int) -> np.ndarray:
    """Evaluate quadratic B-splines, which sum to 1, at places between 0 and 1.

    Parameters
    ----------
    share : ndarray of shape (...)
    n_pieces : int
        Number of pieces between which the splines bend.

    Returns
    -------
    ndarray of shape (..., n_pieces + 2)
    """
    inner = np.linspace(0, 1, n_pieces + 1)
    knots = np.concatenate([np.zeros(DEGREE), inner, np.ones(DEGREE)])
    flat = np.clip(share.ravel(), 0, 1)
    found = BSpline.design_matrix(flat, knots, DEGREE).toarray()
    return found.reshape(*share.shape, -1)


class _VaryingLayer(nn.Module):
    """Coefficients of an affine map that varies with the dose."""

    def __init__(self, n_members: int, n_coefficients: int, n_in: int, n_out: int):
        super().__init__()
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.bound = 1 / math.sqrt(n_in)
        self.weight = nn.Parameter(torch.empty(n_members, n_coefficients, n_in * n_out, **at))
        self.bias = nn.Parameter(torch.empty(n_members, n_coefficients, n_out, **at))

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Draw coefficients that are nearly the same for all pieces of the dose."""
        with torch.no_grad():
            for own in (self.weight[member], self.bias[member]):
                common = torch.empty_like(own[:1])
                common.uniform_(-self.bound, self.bound, generator=generator)
                own.uniform_(-self.bound, self.bound, generator=generator)
                own.mul_(OWN_SHARE).add_(math.sqrt(1 - OWN_SHARE**2) * common)

    def forward(self) -> Tensor:
        return torch.cat([self.weight, self.bias], dim=-1)


class VCNetModule(MultiHeadMLP):
    """Make the weights of a head at each knot of the dose from common coefficients.

    Parameters
    ----------
    n_members, n_in : int
    codes : ndarray of shape (n_heads, n_coefficients)
        Share of each coefficient in the weights of a head.
    density_widths : sequence of int
    n_bins : int
        Of the dose, between whose ends the density is linear.
    **arguments : object
        As of `MultiHeadMLP`.
    """

    shared_buffers = ("codes",)
    decay_scale: ClassVar[dict[str, float]] = {"epsilon": 0.0}
    codes: Tensor

    def __init__(
        self,
        n_members: int,
        n_in: int,
        *,
        codes: np.ndarray,
        density_widths: Sequence[int],
        n_bins: int,
        **arguments: Any,
    ):
        super().__init__(n_members, n_in, **arguments)
        at: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
        self.register_buffer("codes", torch.as_tensor(codes, **at), persistent=False)
        (self.own,) = self.head_layers()
        self.own.release()
        n = codes.shape[1]
        self.varying = nn.ModuleList(_VaryingLayer(n_members, n, *own) for own in self.own.shapes)
        self.epsilon = nn.Parameter(torch.zeros(n_members, n, arguments["n_out"], **at))
        self.density_head = ArmHead(
            n_members, self.trunk.n_out, density_widths, n_bins + 1, arguments["activation"]
        )

    def reset_member(self, member: int, generator: torch.Generator) -> None:
        """Start without a step.

        Parameters
        ----------
        member : int
        generator : Generator
            Not used.
        """
        with torch.no_grad():
            self.epsilon[member] = 0.0

    def forward(self, z: Tensor) -> Outputs:
        """Compute outcomes at the knots of the dose.

        Parameters
        ----------
        z : Tensor of shape (n_members, n, n_in)

        Returns
        -------
        Outputs
        """
        # theta(t) = sum of coefficients times splines of t, [1], eq. (2)
        coefficients = torch.cat([layer() for layer in self.varying], dim=-1)
        self.own.fill(self.codes @ coefficients)
        return super().forward(z)

    def density(self, shared: Tensor, share: Tensor) -> Tensor:
        """Compute the density of doses, relative to a uniform one between the outer knots.

        It is linear between bins; what lies beyond an outer knot counts there, as half a bin.

        Parameters
        ----------
        shared : Tensor of shape (n_members, n, n_shared)
        share : Tensor of shape (n_members, n)
            Doses, 0 and 1 at the outer knots.

        Returns
        -------
        Tensor of shape (n_members, n)
        """
        height = self.density_head(shared).softmax(-1)
        place = share.clamp(0, 1) * (height.shape[-1] - 1)
        low = place.floor().long().clamp_max(height.shape[-1] - 2)
        ends = torch.stack([low, low + 1], dim=-1)
        part = torch.stack([1 - (place - low), place - low], dim=-1)
        return (height.gather(-1, ends) * part).sum(-1) * height.shape[-1]


@shared_docs
@dataclass(kw_only=True, eq=False, repr=False)
class VCNet(TARNet):
    """Estimate effects of a dose by heads whose weights vary smoothly with the dose.

    A network answers at every knot of the dose; the weights behind its answers are splines of the
    dose, and the answers are joined by a natural cubic spline.

    Parameters
    ----------
    n_knots : int, default=5
        Knots of the dose, at even quantiles from 5 to 95 %; at least 3. More follow finer bends,
        and widen intervals.
    n_pieces : int, default=3
        Pieces of the quadratic splines by which weights vary.
    density_weight : float, default=0.5
        Weight of the loss of the density of the dose, by which the representation is to keep
        what explains the dose.
    targeted_weight : float, default=0.0
        Weight of targeted regularisation: the loss of outcomes after a step along the inverse
        density of the dose, whose size, a spline of the dose, is trained along.
    density_widths : sequence of int, default=()
        Units of the hidden layers of the head for the density.
    representation_widths : sequence of int, default=(50, 50)
        Units of the shared hidden layers, at least one.
    head_widths : sequence of int, default=(50,)
        Units of the hidden layers of the head, whose weights vary.
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    TARNet : The outcome is linear in the dose given x.
    sklcausal.structural.StructuralNet : With ``GeneralizedLinear(basis="spline")`` every
        coefficient of the spline has a head of its own.

    Notes
    -----
    Effects are identified if, given x, the dose is independent of the potential outcomes, every
    dose that is compared is possible, and one person's dose does not change another's outcome.
    Averages and intervals come from influence values of the coefficients of the spline, as for
    `sklcausal.structural.StructuralNet`: a response that bends more than the knots allow is
    described by its best spline. Beyond the outer knots it is linear.

    The density and the targeting step shape the representation, and are no part of the loss by
    which members stop and settings are chosen.

    References
    ----------
    .. [1] Nie, Ye, Liu, Nicolae, "VCNet and functional targeted regularization for learning
       causal effects of continuous treatments", ICLR 2021, arXiv 2103.07861.
    {shared_references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal.representation import VCNet
    >>> rng = np.random.default_rng(0)
    >>> X, dose = rng.normal(size=(200, 2)), rng.uniform(size=200)
    >>> est = VCNet(n_folds=2, max_epochs=2, random_state=0)
    >>> est.fit(X, dose, X[:, 0] + np.sin(3 * dose)).effect(X, T0=0.2, T1=0.8).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TARNet._parameter_constraints,
        "n_knots": [Interval(Integral, 3, None, closed="left")],
        "n_pieces": [Interval(Integral, 1, None, closed="left")],
        "density_weight": [Interval(Real, 0, None, closed="left")],
        "targeted_weight": [Interval(Real, 0, None, closed="left")],
        "density_widths": ["array-like"],
    }
    _treatment_kinds = ("dose",)
    _takes_modifiers = False
    _fewest_shared_layers = 1

    n_knots: int = 5
    n_pieces: int = 3
    density_weight: float = 0.5
    targeted_weight: float = 0.0
    density_widths: Sequence[int] = ()

    def _structural_model(self, kind: str) -> StructuralModel:
        return GeneralizedLinear(basis=SplineBasis(n_knots=self.n_knots))

    def _basis(self) -> SplineBasis:
        basis = getattr(self.model_, "basis_", None)
        assert isinstance(basis, SplineBasis)
        return basis

    def _share(self, t: Any) -> Any:
        """Place doses between the outer knots, which are 0 and 1."""
        basis = self._basis()
        low, high = (float(v) for v in basis.loc_ + basis.scale_ * basis.knots_[[0, -1]].ravel())
        return (t - low) / (high - low)

    def _knots(self) -> np.ndarray:
        basis = self._basis()
        found: np.ndarray = basis.loc_ + basis.scale_ * basis.knots_
        return found

    def _recipe(self, n_heads: int, n_outcomes: int) -> Recipe:
        plain = super()._recipe(n_heads, n_outcomes)
        codes = spread_over_pieces(self._share(self._knots()[:, 0]), self.n_pieces)
        widths = check_widths(self.density_widths, "density_widths")
        own = {"codes": codes, "density_widths": widths, "n_bins": max(10, self.n_knots)}
        return Recipe(VCNetModule, {**plain.arguments, **own})

    def _move(self, start: Start) -> Start:
        # the network answers at the knots, from which the coefficients of the spline follow
        columns = self._basis()(torch.as_tensor(self._knots())).numpy()
        design = np.hstack([np.ones((len(columns), 1)), columns])
        spread = np.kron(np.linalg.inv(design).T, np.eye(self.model_.n_outcomes_))
        return Start(start.constant, spread)

    def _penalty(self) -> Penalty | None:
        return self._density_losses if self.density_weight or self.targeted_weight else None

    def _density_losses(self, module: Any, out: Outputs, batch: Batch, epoch: int) -> Tensor:
        share = self._share(batch.t[..., 0])
        density = module.body.density(out.representation, share)
        total = self.density_weight * batch.mean(-density.clamp_min(1e-6).log())
        if not self.targeted_weight:
            return total
        # outcomes after a step epsilon(t) / density, [1], section 3.2, in the outcome's link
        bends = spread_over_pieces(share.detach().cpu().numpy(), self.n_pieces)
        size = torch.as_tensor(bends, dtype=density.dtype, device=density.device)
        step = (size @ module.body.epsilon) / density.clamp_min(LEAST_DENSITY).unsqueeze(-1)
        n_outcomes = step.shape[-1]
        first, rest = out.theta[..., :n_outcomes], out.theta[..., n_outcomes:]
        moved = out._replace(theta=torch.cat([first + step, rest], dim=-1))
        return total + self.targeted_weight * self._outcome_loss(moved, batch)
