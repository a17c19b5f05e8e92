"""Describe arms by features, so that an arm that nobody received can be predicted."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklcausal._encoding import Treatments


@dataclass(frozen=True)
class ArmFeatures:
    """Features of the arms that were received, and of further ones.

    Attributes
    ----------
    seen : ndarray of shape (n_arms, n_features)
        Centred and scaled over these arms.
    unseen : ndarray of shape (n_unseen, n_features)
        In the same units.
    labels : list
        Of the arms that nobody received.
    """

    seen: np.ndarray
    unseen: np.ndarray
    labels: list[Any]

    @classmethod
    def read(cls, given: Mapping[Any, Any], treatments: Treatments) -> ArmFeatures:
        """Read features of arms.

        Parameters
        ----------
        given : mapping
            From a label to a number, or to several.
        treatments : Treatments
            The arms that were received.

        Returns
        -------
        ArmFeatures

        Raises
        ------
        ValueError
            If an arm has no features, the same as another, or not as many finite numbers.
        """
        rows = {}
        for label, value in given.items():
            try:
                row = np.atleast_1d(np.asarray(value, dtype=float))
            except (TypeError, ValueError):
                row = np.empty(0)
            if row.ndim != 1 or not len(row) or not np.isfinite(row).all():
                raise ValueError(
                    "`arm_features` must hold a number, or several, for each arm, got "
                    f"{value!r} for {label!r}"
                )
            rows[label] = row
        if len({isinstance(label, str) for label in [*rows, *treatments.labels]}) > 1:
            raise ValueError(
                "`arm_features` must have labels of the kind of `T`, all strings or all numbers, "
                f"got {list(rows)} with the arms {treatments.labels}"
            )
        missing = [label for label in treatments.labels if label not in rows]
        if missing:
            raise ValueError(
                f"`arm_features` must hold every arm of `T`, {treatments.labels}, got none for "
                f"{missing}"
            )
        if len({len(row) for row in rows.values()}) > 1:
            lengths = {label: len(row) for label, row in rows.items()}
            raise ValueError(
                f"`arm_features` must hold as many numbers for every arm, got {lengths}"
            )
        labels = [label for label in rows if label not in treatments.labels]
        seen = np.stack([rows[label] for label in treatments.labels])
        unseen = np.array([rows[label] for label in labels]).reshape(len(labels), seen.shape[1])
        _, first = np.unique(seen, axis=0, return_index=True)
        if len(first) < len(seen):
            alike = next(i for i in range(len(seen)) if i not in first)
            raise ValueError(
                "`arm_features` must tell the arms of `T` apart, got the same for "
                f"{treatments.labels[alike]!r} as for another arm"
            )
        mean, sd = seen.mean(axis=0), seen.std(axis=0)
        sd = np.where(sd > 0, sd, 1.0)
        return cls((seen - mean) / sd, (unseen - mean) / sd, labels)

    def extend(self, treatments: Treatments) -> Treatments:
        """Add the arms that nobody received.

        Parameters
        ----------
        treatments : Treatments

        Returns
        -------
        Treatments
        """
        arms = np.array([*treatments.labels, *self.labels])
        names = (*treatments.names, *(str(label) for label in self.labels))
        return Treatments(treatments.kind, arms, treatments.control, names, treatments.is_binary)
