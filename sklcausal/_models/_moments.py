"""Models that are given by estimating equations."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sklcausal._models._base import StructuralModel
from sklcausal._models._rows import map_rows
from sklcausal.exceptions import ModelError


class MomentModel(StructuralModel):
    """Give theta(x) its meaning by moments ``E[g(y, t, theta(x)) | x] = 0``.

    A subclass sets ``n_params`` and defines ``moments``, as many as there are parameters. The
    expected Jacobian ``Lambda(x) = E[dg/dtheta | x]`` takes the place of the Hessian; it need not
    be symmetric. Influence values need no loss; training by `StructuralNet` does, such as squared
    errors, and then defines ``loss`` as well.

    References
    ----------
    .. [1] Farrell, Liang, Misra, arXiv 2010.14694, remark 3.1 and section C.6.

    Examples
    --------
    >>> import torch
    >>> from sklcausal.structural import MomentModel
    >>> class Instrument(MomentModel):
    ...     n_params = 2
    ...
    ...     def moments(self, y, t, theta):  # t holds the treatment and its instrument
    ...         error = y - theta[0] - theta[1] * t[0]
    ...         return torch.stack([error, t[1] * error])
    """

    symmetric_hessian: ClassVar[bool] = False

    @property
    def can_be_calibrated(self) -> bool:
        """Whether there is a loss to be lowered, which there is not."""
        return False

    def moments(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the moments of one row.

        Parameters
        ----------
        y : Tensor of shape () or (n_outcomes,)
            Outcome; with an axis if y had two in fit.
        t : Tensor of shape () for arms and a dose, (n_treatments,) for simultaneous treatments
            Number of the arm, or doses.
        theta : Tensor of shape (n_params,)
            Parameters.

        Returns
        -------
        Tensor of shape (n_params,)
            Moments.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `moments(y, t, theta)`")

    def batch_score(self, y: Tensor, t: Tensor, theta: Tensor) -> Tensor:
        """Compute the moments of many rows.

        Parameters
        ----------
        y : Tensor of shape (..., n_outcomes)
            Outcomes.
        t : Tensor of shape (...) for arms, (..., n_treatments) for doses
            Treatment.
        theta : Tensor of shape (..., n_params)
            Parameters.

        Returns
        -------
        Tensor of shape (..., n_params)
            Moments, which can be differentiated by theta.
        """
        n_axes, name = theta.dim() - 1, self.name_of("moments")
        y, t = y[..., 0] if self.scalar_y_ else y, t[..., 0] if self.scalar_t_ else t
        found = map_rows(
            self.moments, name, n_axes, y, t, theta, as_columns=self._as_columns, key="moments"
        )
        if not torch.is_tensor(found) or found.shape[n_axes:] != (self.n_params_,):
            shape = tuple(found.shape[n_axes:]) if torch.is_tensor(found) else type(found).__name__
            raise ModelError(
                f"`{name}` must return one moment for each of the {self.n_params_} parameters "
                f"(n_params), got {shape}"
            )
        return found
