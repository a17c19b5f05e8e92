"""Form strata of rows by treatment and outcome, and draw from them."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from sklcausal._encoding import Treatments, check_cluster, check_numbers
from sklcausal._kinds import check_treatments, is_categorical
from sklcausal.exceptions import TargetError
from sklcausal.targets import (
    as_column_array,
    check_lengths,
    check_same_index,
    is_missing,
    is_packed,
    unpack_targets,
)


@dataclass(frozen=True)
class Rows:
    """What decides on which side of a split a row may fall.

    Attributes
    ----------
    t : ndarray of shape (n_samples,) or (n_samples, n_treatments)
        Codes of arms, int, or doses, float.
    treatments : Treatments
        Kind of T, with its arms or columns.
    y : ndarray of shape (n_samples,) or (n_samples, n_outcomes), or None
        Outcomes as they were given.
    cluster : ndarray of int of shape (n_samples,) or None
        Number of each row's cluster.
    """

    t: np.ndarray
    treatments: Treatments
    y: np.ndarray | None
    cluster: np.ndarray | None


def read_rows(X: Any, targets: Any, groups: Any, treatment_type: str) -> Rows:
    """Read packed targets, or treatments alone, as estimators do in fit.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    targets : structured ndarray of shape (n_samples,), or array-like
        Packed targets, or treatments.
    groups : array-like of shape (n_samples,) or None
        Labels of clusters.
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}

    Returns
    -------
    Rows

    Raises
    ------
    TargetError
        If treatments or clusters cannot be used, or lengths differ.
    """
    check_same_index(X=X, T=targets, groups=groups)
    if is_packed(targets):
        fields = unpack_targets(targets)
    else:
        fields = {"T": as_column_array(targets, "T")}
        treatment_type = "discrete" if is_categorical(targets) else treatment_type
    cluster = fields.get("cluster")
    if groups is not None:
        if cluster is not None:
            raise TargetError(
                "`groups` must be None when the targets hold the field 'cluster', got both"
            )
        cluster = as_column_array(groups, "groups")
    lengths = {"X": range(_num_samples(X)), "T": fields["T"]}
    check_lengths(lengths | ({} if cluster is None else {"groups": cluster}))
    treatments = check_treatments(fields["T"], treatment_type=treatment_type)
    t = treatments.encode(fields["T"])
    return Rows(t, treatments, fields.get("y"), check_cluster(cluster))


def _bin(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Number the levels of a column where these are few, or else its quantile bins."""
    levels, codes = np.unique(values, return_inverse=True)
    if values.dtype.kind == "U" or len(levels) <= n_bins:
        return codes
    edges = np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))
    # a value at an edge belongs below it, so that a heap of zeros gets a bin of its own
    return np.searchsorted(edges, values, side="left")


def _bin_outcome(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Number the bins of an outcome, missing cells last."""
    seen = ~is_missing(values)
    observed = values[seen]
    if observed.dtype.kind not in "bU":
        observed = check_numbers(observed, "y")
    codes = np.full(len(values), n_bins)
    codes[seen] = _bin(observed, n_bins)
    return codes


def _refine(strata: np.ndarray, codes: np.ndarray, least: int) -> np.ndarray:
    """Split each stratum by codes, where neighbours join until they hold enough rows.

    Parameters
    ----------
    strata : ndarray of int of shape (n_samples,)
        Strata with at least ``least`` rows each.
    codes : ndarray of int of shape (n_samples,)
        Ordered classes within them.
    least : int
        Fewest rows of a stratum.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Finer strata, in the order of the coarser ones.
    """
    n_codes = int(codes.max()) + 1
    cells, cell_of, counts = np.unique(
        strata * n_codes + codes, return_inverse=True, return_counts=True
    )
    owners: list[int] = []
    sizes: list[int] = []
    finer = np.empty(len(cells), dtype=np.int64)
    for cell, (owner, count) in enumerate(zip(cells // n_codes, counts, strict=True)):
        if owners and owners[-1] == owner and sizes[-1] < least:
            sizes[-1] += count
        else:
            owners.append(owner)
            sizes.append(count)
        finer[cell] = len(sizes) - 1
    # only the last part of a stratum can be too small still, and joins the one before
    leftover = (np.array(sizes) < least) & (np.diff(owners, prepend=-1) == 0)
    return (finer - leftover[finer])[cell_of]


def form_strata(rows: Rows, n_bins: int, by_outcome: bool, least: int) -> np.ndarray:
    """Number the strata, treatments outside and outcomes within.

    Parameters
    ----------
    rows : Rows
    n_bins : int
        Quantile bins of a dose or of an outcome.
    by_outcome : bool
        Whether outcomes form strata too.
    least : int
        Fewest rows of a stratum, which arms must have.

    Returns
    -------
    ndarray of int of shape (n_samples,)

    Raises
    ------
    TargetError
        If outcomes are needed and are none or no finite numbers.
    """
    columns = [rows.t] if rows.t.ndim == 1 else [_bin(column, n_bins) for column in rows.t.T]
    if by_outcome:
        if rows.y is None:
            raise TargetError(
                "stratify_outcome=True needs packed targets, as pack_targets(T, y), got "
                "treatments alone"
            )
        columns += [_bin_outcome(column, n_bins) for column in rows.y.reshape(len(rows.y), -1).T]
    strata = np.zeros(len(rows.t), dtype=np.int64)
    for codes in columns:
        strata = _refine(strata, codes, least)
    return strata


def line_up(
    strata: np.ndarray, cluster: np.ndarray | None, rng: np.random.RandomState
) -> np.ndarray:
    """Order rows by stratum, or clusters by what they are made of, ties at random.

    Parameters
    ----------
    strata : ndarray of int of shape (n_samples,)
    cluster : ndarray of int of shape (n_samples,) or None
    rng : RandomState

    Returns
    -------
    ndarray of int of shape (n_samples,) or (n_clusters,)
        Numbers of the rows, or of the clusters.
    """
    keys: tuple[np.ndarray, ...] = (strata,)
    if cluster is not None:
        shape = (int(cluster.max()) + 1, int(strata.max()) + 1)
        cells = np.bincount(cluster * shape[1] + strata, minlength=shape[0] * shape[1])
        counts = cells.reshape(shape)
        size = counts.sum(axis=1)
        # the stratum of which a cluster has most, measured by how common that is
        main = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)
        keys = (size, counts[np.arange(len(counts)), main] / size, main)
    shuffled = rng.permutation(len(keys[0]))
    return shuffled[np.lexsort([key[shuffled] for key in keys])]


def take_evenly(
    line: np.ndarray, n: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Take entries at even distances, the first of them at random.

    Parameters
    ----------
    line : ndarray of shape (n_entries,)
    n : int
        How many to take.
    rng : RandomState

    Returns
    -------
    taken : ndarray of shape (n,)
    others : ndarray of shape (n_entries - n,)
    """
    places = np.floor((np.arange(n) + rng.uniform()) * (len(line) / n)).astype(np.int64)
    taken = np.zeros(len(line), dtype=bool)
    taken[np.minimum(places, len(line) - 1)] = True
    return line[taken], line[~taken]
