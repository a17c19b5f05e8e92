"""Splitters that give every part its share of each treatment."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import ShuffleSplit, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from sklcausal.exceptions import TargetError
from sklcausal.model_selection._strata import (
    Rows,
    form_strata,
    line_up,
    read_rows,
    take_evenly,
)


class _TreatmentSplit(BaseEstimator, metaclass=ABCMeta):
    """Read targets, form strata, and see to it that every part holds every arm."""

    __metadata_request__split = {"groups": True}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "stratify_outcome": ["boolean"],
        "treatment_type": [StrOptions({"auto", "discrete", "dose", "simultaneous"})],
        "random_state": ["random_state"],
    }

    n_splits: int
    n_bins: int
    stratify_outcome: bool
    treatment_type: str
    random_state: Any
    _remedy: ClassVar[str]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
            Number of splits.
        """
        return self.n_splits

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Split rows into training and test parts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates, of which only the number of rows counts.
        y : structured ndarray of shape (n_samples,), or array-like of shape (n_samples,) or \
(n_samples, n_treatments)
            What `pack_targets` returns, or treatments alone.
        groups : array-like of shape (n_samples,) or None, default=None
            Labels of clusters, where the targets hold no field ``cluster``.

        Returns
        -------
        iterator of tuple of ndarray of int
            Numbers of the training rows and of the test rows, for each split.

        Raises
        ------
        TargetError
            If treatments, outcomes or clusters cannot be used, or some part would lack an arm.
        ValueError
            If a parameter cannot be used.
        """
        self._validate_params()
        rows = read_rows(X, y, groups, self.treatment_type)
        least = self._fewest_rows(rows)
        strata = form_strata(rows, self.n_bins, self.stratify_outcome, least)
        return self._check_parts(self._deal(strata, rows.cluster), rows)

    @abstractmethod
    def _fewest_rows(self, rows: Rows) -> int:
        """Return how many rows a stratum needs, and raise where an arm has fewer."""

    @abstractmethod
    def _deal(
        self, strata: np.ndarray, cluster: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Deal rows to training and test parts."""

    def _check_parts(
        self, splits: Iterator[tuple[np.ndarray, np.ndarray]], rows: Rows
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n_arms = rows.treatments.n_arms
        for k, (train, test) in enumerate(splits):
            for name, part in {"training": train, "test": test}.items():
                absent = np.setdiff1d(np.arange(n_arms), rows.t[part])
                if len(absent):
                    count = int((rows.t == absent[0]).sum())
                    raise TargetError(
                        f"every part must hold every arm, got no row of arm "
                        f"{rows.treatments.labels[absent[0]]!r} ({count} of {len(rows.t)} rows) "
                        f"in the {name} part of split {k}; {self._remedy}"
                    )
            yield train, test


class TreatmentStratifiedKFold(_TreatmentSplit):
    """Cut rows into folds with the same share of each treatment.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=True
        Whether rows of a stratum are dealt in random order.
    n_bins : int, default=5
        Quantile bins of a dose, or of an outcome, that are dealt apart.
    stratify_outcome : bool, default=False
        Whether outcomes, or their bins, get the same share of each fold too, within treatments.
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}, default='auto'
        What T is, as in the estimators.
    random_state : int, RandomState instance or None, default=None
        Seed of the order; an int gives the same folds in every call. Must be None without
        ``shuffle``.

    See Also
    --------
    TreatmentStratifiedShuffleSplit : Random parts of any size.
    sklearn.model_selection.StratifiedKFold : Stratify by classes that are known beforehand.

    Notes
    -----
    Of several treatments at once the joint classes are stratified, the first column first; a
    class with fewer rows than folds joins its neighbour. Where the targets hold the field
    ``cluster``, or ``groups`` are passed, the rows of a cluster stay together, and shares are as
    alike as whole clusters allow.

    Stratification makes folds alike; it neither removes confounding nor makes a score of outcomes
    one of effects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal import pack_targets
    >>> from sklcausal.model_selection import TreatmentStratifiedKFold
    >>> targets = pack_targets(["drug"] * 4 + ["placebo"] * 16, np.arange(20.0))
    >>> folds = TreatmentStratifiedKFold(n_splits=4, random_state=0)
    >>> [int((targets["T"][test] == "drug").sum()) for _, test in folds.split(targets, targets)]
    [1, 1, 1, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_TreatmentSplit._parameter_constraints,
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
    }
    _remedy = "use fewer splits"

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        n_bins: int = 5,
        stratify_outcome: bool = False,
        treatment_type: str = "auto",
        random_state: Any = None,
    ):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.n_bins = n_bins
        self.stratify_outcome = stratify_outcome
        self.treatment_type = treatment_type
        self.random_state = random_state

    def _fewest_rows(self, rows: Rows) -> int:
        n, units = self.n_splits, {"rows": np.arange(len(rows.t))}
        if len(rows.t) < n:
            raise TargetError(f"`T` must have at least n_splits={n} rows, got {len(rows.t)}")
        if rows.cluster is not None:
            n_clusters = int(rows.cluster.max()) + 1
            if n_clusters < n:
                raise TargetError(
                    f"`cluster` must have at least n_splits={n} different labels, got {n_clusters}"
                )
            units["clusters"] = rows.cluster
        for what, unit in units.items():
            for arm, label in enumerate(rows.treatments.labels):
                count = len(np.unique(unit[rows.t == arm]))
                if count < n:
                    raise TargetError(
                        f"`T` must have at least n_splits={n} {what} in every arm, got {count} "
                        f"in arm {label!r}"
                    )
        return n

    def _deal(
        self, strata: np.ndarray, cluster: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if cluster is None:
            folds = StratifiedKFold(
                self.n_splits, shuffle=self.shuffle, random_state=self.random_state
            )
            yield from folds.split(strata, strata)
            return
        seed = None if self.shuffle else self.random_state  # which is refused
        folds = StratifiedGroupKFold(self.n_splits, random_state=seed)
        if self.shuffle:
            # by new labels, since older scikit-learn gives clusters the counts of others here
            rng = check_random_state(self.random_state)
            cluster = rng.permutation(int(cluster.max()) + 1)[cluster]
        yield from folds.split(strata, strata, groups=cluster)


class TreatmentStratifiedShuffleSplit(_TreatmentSplit):
    """Draw training and test parts at random with the same share of each treatment.

    Parameters
    ----------
    n_splits : int, default=10
        Number of draws.
    test_size : float, int or None, default=None
        Share or number of the test rows. None takes what ``train_size`` leaves, or 0.1 if that is
        None too.
    train_size : float, int or None, default=None
        Share or number of the training rows; None takes what ``test_size`` leaves.
    n_bins : int, default=5
        Quantile bins of a dose, or of an outcome, that are drawn from apart.
    stratify_outcome : bool, default=False
        Whether outcomes, or their bins, get the same share of each part too, within treatments.
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}, default='auto'
        What T is, as in the estimators.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws; an int gives the same parts in every call.

    See Also
    --------
    TreatmentStratifiedKFold : Parts that do not overlap and hold every row once.
    sklearn.model_selection.StratifiedShuffleSplit : Stratify by classes known beforehand.

    Notes
    -----
    Rows are lined up by treatment, then by outcome if asked, with ties in random order, and the
    parts are taken from that line at even distances (systematic sampling), so that a class of any
    size gets its share up to one row. Where the targets hold the field ``cluster``, or ``groups``
    are passed, clusters are drawn in place of rows, lined up by what they are made of: sizes then
    count clusters, and shares are as alike as whole clusters allow.

    Stratification makes parts alike; it neither removes confounding nor makes a score of outcomes
    one of effects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklcausal import pack_targets
    >>> from sklcausal.model_selection import TreatmentStratifiedShuffleSplit
    >>> targets = pack_targets(["drug"] * 4 + ["placebo"] * 16, np.arange(20.0))
    >>> splits = TreatmentStratifiedShuffleSplit(3, test_size=0.5, random_state=0)
    >>> [int((targets["T"][test] == "drug").sum()) for _, test in splits.split(targets, targets)]
    [2, 2, 2]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_TreatmentSplit._parameter_constraints,
        "n_splits": [Interval(Integral, 1, None, closed="left")],
        **{
            name: [
                Interval(RealNotInt, 0, 1, closed="neither"),
                Interval(Integral, 1, None, closed="left"),
                None,
            ]
            for name in ("test_size", "train_size")
        },
    }
    _remedy = "use larger parts"

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float | int | None = None,
        train_size: float | int | None = None,
        n_bins: int = 5,
        stratify_outcome: bool = False,
        treatment_type: str = "auto",
        random_state: Any = None,
    ):
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.n_bins = n_bins
        self.stratify_outcome = stratify_outcome
        self.treatment_type = treatment_type
        self.random_state = random_state

    def _fewest_rows(self, rows: Rows) -> int:
        return 1

    def _deal(
        self, strata: np.ndarray, cluster: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        unit = np.arange(len(strata)) if cluster is None else cluster
        sizes = ShuffleSplit(
            1, test_size=self.test_size, train_size=self.train_size, random_state=0
        )
        n_train, n_test = map(len, next(sizes.split(np.empty(unit.max() + 1))))
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            line = line_up(strata, cluster, rng)
            test, others = take_evenly(line, n_test, rng)
            train, _ = take_evenly(others, n_train, rng)
            train, test = (np.flatnonzero(np.isin(unit, part)) for part in (train, test))
            yield rng.permutation(train), rng.permutation(test)
