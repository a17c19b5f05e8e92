"""Finding, checking and returning data sets."""

# SPDX-License-Identifier: BSD-3-Clause

import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklcausal.datasets._registry import PREPARED, RAW

DATA_VARIABLE = "SKLCAUSAL_DATA"
HOME_VARIABLE = "SKLCAUSAL_HOME"

# Files a user may place in the data home and for which no checksum is known.
PLACED = (("social_pressure", "GerberGreenLarimer_APSR_2008_social_pressure.csv"),)

FETCH_CONSTRAINTS: dict[str, list[Any]] = {
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "return_X_T_y": ["boolean"],
}


class DatasetNotAvailableError(OSError):
    """Tell that a data set is neither on this machine nor could be downloaded."""


def import_optional(name: str, purpose: str, install: str) -> Any:
    """Import a module that is not a required dependency."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise ImportError(
            f"{purpose} needs the package `{name}`, which is not installed. "
            f"Install it with: pip install {install}"
        ) from exc


def import_pandas(purpose: str) -> Any:
    """Import pandas, or say how to get it."""
    return import_optional("pandas", purpose, "pandas")


def home_path(data_home: str | os.PathLike[str] | None) -> Path:
    """Return the path of the data home without creating it."""
    if data_home is None:
        data_home = os.environ.get(HOME_VARIABLE) or Path("~") / "sklcausal_data"
    return Path(data_home).expanduser()


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the folder that keeps downloaded data, and create it if needed.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. If None, the environment variable ``SKLCAUSAL_HOME`` names it; if
        that is not set either, it is ``~/sklcausal_data``.

    Returns
    -------
    path : str
        Path of the folder.

    See Also
    --------
    clear_data_home : Delete the downloaded files.

    Examples
    --------
    >>> import tempfile
    >>> from sklcausal.datasets import get_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     get_data_home(folder) == folder
    True
    """
    path = home_path(data_home)
    path.mkdir(parents=True, exist_ok=True)
    return str(path)


def clear_data_home(data_home: str | os.PathLike[str] | None = None) -> None:
    """Delete the downloaded data files.

    Only files that the fetchers know are deleted, and then the folders that are
    empty. Other files in the folder stay.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder, found as in :func:`get_data_home`.

    See Also
    --------
    get_data_home : The folder that keeps downloaded data.

    Examples
    --------
    >>> import tempfile
    >>> from sklcausal.datasets import clear_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clear_data_home(folder + "/none")
    """
    home = home_path(data_home)
    names = [Path(*key) for key in (*RAW, *PLACED)] + [Path(name) for name in PREPARED]
    for name in names:
        (home / name).unlink(missing_ok=True)
    for folder in (*{(home / name).parent for name in names} - {home}, home):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_sha256(path: Path, expected: str) -> Path:
    found = _sha256(path)
    if found != expected:
        raise DatasetNotAvailableError(
            f"The file {str(path)!r} must have the sha256 checksum {expected}, got {found}. "
            "It is damaged or another version: delete it, or put the right file there."
        )
    return path


def load_prepared(name: str, data_home: str | os.PathLike[str] | None) -> dict[str, Any] | None:
    """Read a prepared ``.npz`` file, or return None where there is none.

    The folder named by ``SKLCAUSAL_DATA`` comes first, then the data home.
    """
    folders = [home_path(data_home)]
    named = os.environ.get(DATA_VARIABLE)
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise NotADirectoryError(
                f"The environment variable {DATA_VARIABLE} must name an existing folder, "
                f"got {named!r}."
            )
        folders.insert(0, folder)
    for folder in folders:
        path = folder / name
        if path.is_file():
            _check_sha256(path, PREPARED[name])
            with np.load(path, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
    return None


def not_available(
    dataset: str,
    files: Sequence[str],
    prepared: str | None,
    data_home: str | os.PathLike[str] | None,
    reason: str,
    where: str,
) -> DatasetNotAvailableError:
    """Build the error that says what to do where a data set is missing."""
    ways = [
        f"put {' and '.join(files)} into the folder {str(home_path(data_home) / dataset)!r} "
        f"({where}; another folder: the parameter `data_home` or the environment variable "
        f"{HOME_VARIABLE})"
    ]
    if prepared is not None:
        ways.append(
            f"set the environment variable {DATA_VARIABLE} to a folder that holds the prepared "
            f"file {prepared} (now {os.environ.get(DATA_VARIABLE)!r})"
        )
    return DatasetNotAvailableError(
        f"The data set {dataset!r} must be on this machine or be downloaded, got neither: "
        f"{reason}. What helps: " + "; or ".join(ways) + "."
    )


def fetch_raw(
    dataset: str,
    files: Sequence[str],
    *,
    prepared: str | None,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
) -> list[Path]:
    """Return the paths of raw files, downloaded where they are not in the data home."""
    folder = home_path(data_home) / dataset
    where = "from " + " and ".join(RAW[dataset, name][0] for name in files)
    paths = []
    for name in files:
        url, sha256 = RAW[dataset, name]
        path = folder / name
        if path.is_file():
            paths.append(_check_sha256(path, sha256))
            continue
        if not download_if_missing:
            reason = f"{str(path)!r} is missing and download_if_missing=False"
            raise not_available(dataset, files, prepared, data_home, reason, where)
        pooch = import_optional("pooch", "Downloading a data set", '"sklcausal[datasets]"')
        try:
            pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=name, path=str(folder))
        except (OSError, ValueError) as exc:  # no network, or a wrong checksum
            reason = f"the download of {url} failed with {type(exc).__name__}: {exc}"
            raise not_available(dataset, files, prepared, data_home, reason, where) from exc
        paths.append(path)
    return paths


def prepared_or_raw(
    dataset: str,
    files: Sequence[str],
    parse: Callable[[list[Path]], dict[str, Any]],
    *,
    prepared: str | None,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
) -> dict[str, Any]:
    """Return the arrays of the prepared file, else those parsed from the raw files."""
    arrays = None if prepared is None else load_prepared(prepared, data_home)
    if arrays is not None:
        return arrays
    return parse(
        fetch_raw(
            dataset,
            files,
            prepared=prepared,
            data_home=data_home,
            download_if_missing=download_if_missing,
        )
    )


def read_columns(path: Path, columns: Sequence[str], purpose: str, *, sep: str = ",") -> Any:
    """Read a table of text with pandas and check that it has the columns."""
    table = import_pandas(purpose).read_csv(path, sep=sep)
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(
            f"The file {str(path)!r} must have the columns {list(columns)}, "
            f"got {list(table)} without {missing}."
        )
    return table


def names_of(array: Any) -> list[str]:
    """Turn an array of strings into a list of plain strings."""
    return [str(name) for name in array]


def two_columns(probability: Any) -> np.ndarray:
    """Return P(T=0) and P(T=1), of shape (n_samples, 2), from P(T=1)."""
    probability = np.asarray(probability, dtype=np.float64)
    return np.column_stack([1.0 - probability, probability])


def make_bunch(
    X: Any, T: Any, y: Any, *, return_X_T_y: bool, dose: bool = False, **extra: Any
) -> Any:
    """Return the triple (X, T, y), or a Bunch with everything; T is a dose or arm codes."""
    X = np.array(X, dtype=np.float64)
    T = np.array(T, dtype=np.float64 if dose else np.int64)
    y = np.array(y)
    y = y.astype(np.int64 if y.dtype.kind in "iub" else np.float64)
    if return_X_T_y:
        return X, T, y
    return Bunch(X=X, T=T, y=y, **extra)
