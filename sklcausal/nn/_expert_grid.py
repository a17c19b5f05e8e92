"""Which experts serve which cells of a grid of arms and outcomes."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass

# who listens, and to which kinds of experts: its own, and those of every cell that it spans
LISTENERS: dict[str, tuple[str, ...]] = {
    "cell": ("private", "outcome-shared", "treatment-shared", "global"),
    "arm": ("private", "outcome-shared", "global"),
    "outcome": ("private", "treatment-shared", "global"),
    "all": ("private", "outcome-shared", "treatment-shared", "global"),
}
# whose mixture experts of a kind read where layers follow each other
READERS = {
    "private": "cell",
    "outcome-shared": "arm",
    "treatment-shared": "outcome",
    "global": "all",
}


@dataclass(frozen=True)
class ExpertGrid:
    """How many experts serve which cells of a grid of arms and outcomes.

    Parameters
    ----------
    n_arms, n_outcomes : int
        Size of the grid.
    n_private : int, default=0
        Experts of each cell.
    n_outcome_shared : int, default=0
        Experts of each arm, which its outcomes share.
    n_treatment_shared : int, default=0
        Experts of each outcome, which its arms share.
    n_global : int, default=0
        Experts that all cells share.
    """

    n_arms: int
    n_outcomes: int
    n_private: int = 0
    n_outcome_shared: int = 0
    n_treatment_shared: int = 0
    n_global: int = 0

    @property
    def kinds(self) -> dict[str, tuple[int, int, int]]:
        """Numbers of arms, outcomes and experts for each of them, by kind of expert."""
        counts = {
            "private": (self.n_arms, self.n_outcomes, self.n_private),
            "outcome-shared": (self.n_arms, 1, self.n_outcome_shared),
            "treatment-shared": (1, self.n_outcomes, self.n_treatment_shared),
            "global": (1, 1, self.n_global),
        }
        return {kind: own for kind, own in counts.items() if own[2]}

    @property
    def n_experts(self) -> int:
        """Number of experts of all kinds."""
        return sum(a * m * count for a, m, count in self.kinds.values())

    @property
    def names(self) -> list[str]:
        """Name the experts that a cell listens to."""
        return [
            f"{kind} {k}" if count > 1 else kind
            for kind, (_, _, count) in self.kinds.items()
            for k in range(count)
        ]

    def lead(self, listener: str) -> tuple[int, int]:
        """Return how many arms and outcomes are told apart by a listener.

        Parameters
        ----------
        listener : {'cell', 'arm', 'outcome', 'all'}
            Which.

        Returns
        -------
        tuple of int
            Numbers of arms and outcomes.
        """
        n_arms = self.n_arms if listener in ("cell", "arm") else 1
        return n_arms, self.n_outcomes if listener in ("cell", "outcome") else 1

    def heard(self, listener: str) -> list[str]:
        """Return the kinds of experts that a listener hears.

        Parameters
        ----------
        listener : {'cell', 'arm', 'outcome', 'all'}
            Which.

        Returns
        -------
        list of str
            Kinds.
        """
        return [kind for kind in LISTENERS[listener] if kind in self.kinds]

    def n_heard(self, listener: str) -> int:
        """Return how many experts a listener hears.

        Parameters
        ----------
        listener : {'cell', 'arm', 'outcome', 'all'}
            Which.

        Returns
        -------
        int
            Number of experts.
        """
        n_arms, n_outcomes = self.lead(listener)
        own = [self.kinds[kind] for kind in self.heard(listener)]
        return sum(
            count * (a // min(a, n_arms)) * (m // min(m, n_outcomes)) for a, m, count in own
        )

    def listeners(self, is_last: bool) -> list[str]:
        """Return who listens: the cells, and in front of further layers whoever experts read.

        Parameters
        ----------
        is_last : bool
            Whether no layer of experts follows.

        Returns
        -------
        list of str
            Listeners.
        """
        if is_last:
            return ["cell"]
        return [
            "cell",
            *{READERS.get(kind, "all"): None for kind in self.kinds if kind != "private"},
        ]
