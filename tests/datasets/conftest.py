"""Where the tests of the data sets look for data."""

# SPDX-License-Identifier: BSD-3-Clause

import os
from pathlib import Path

import pytest

_NAMED = os.environ.get("SKLCAUSAL_DATA")
_FOLDER = Path(_NAMED) if _NAMED else Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the user's data home and the network out of the tests."""
    path = tmp_path / "home"
    monkeypatch.setenv("SKLCAUSAL_HOME", str(path))
    monkeypatch.delenv("SKLCAUSAL_DATA", raising=False)

    def refuse(url, known_hash, fname, path):
        raise ConnectionError("no network in tests")

    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "retrieve", refuse)
    return path


@pytest.fixture
def prepared(monkeypatch):
    """Name the folder of prepared files, or skip."""
    if not (_FOLDER / "manifest.json").is_file():
        pytest.skip(f"no prepared data files in {_FOLDER}; set SKLCAUSAL_DATA to run this test")
    monkeypatch.setenv("SKLCAUSAL_DATA", str(_FOLDER))
    return _FOLDER
