"""The public names: documented, announced, sorted, and cheap to import."""

# SPDX-License-Identifier: BSD-3-Clause

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklcausal

REPO = Path(__file__).resolve().parents[1]
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs",
    "examples",
    "pyproject.toml",
    "setup.cfg",
    "sklcausal",
    "tests",
}


def _public_modules():
    infos = pkgutil.walk_packages(sklcausal.__path__, prefix="sklcausal.")
    names = [i.name for i in infos if not any(p.startswith("_") for p in i.name.split("."))]
    return [sklcausal, *map(importlib.import_module, names)]


MODULES = [module for module in _public_modules() if hasattr(module, "__all__")]
NAMES = sorted(
    {name for module in MODULES for name in module.__all__ if not name.startswith("__")}
)


def _read_docs(pattern):
    paths = sorted((REPO / "docs").glob(pattern))
    if not paths:
        pytest.skip(f"no docs/{pattern} beside the tests")
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_on_the_api_page(name):
    entry = rf"^ +(\w+\.)*{re.escape(name)}$"
    assert re.search(entry, _read_docs("api.rst"), re.MULTILINE), f"{name}: not in docs/api.rst"


@pytest.mark.parametrize("name", NAMES)
def test_name_is_in_whats_new(name):
    entry = rf"[`.]{re.escape(name)}`"
    assert re.search(entry, _read_docs("whats_new/*.rst")), f"{name}: not in docs/whats_new/"


def test_api_page_lists_only_public_names():
    public = {f"{module.__name__}.{name}" for module in MODULES for name in module.__all__}
    module, listed = None, []
    for line in _read_docs("api.rst").splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)$", line):
            module = match[1]
        elif match := re.match(r" {3}(\w[\w.]*)$", line):
            listed.append(f"{module}.{match[1]}")
    assert listed
    assert sorted(set(listed) - public) == []
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_sorted_and_true(module):
    assert list(module.__all__) == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("module", [m for m in MODULES if hasattr(m, "__path__")])
def test_every_public_module_of_a_package_is_reachable(module):
    for info in pkgutil.iter_modules(module.__path__):
        if not info.name.startswith("_"):
            assert info.name in dir(module)
            assert getattr(module, info.name).__name__ == f"{module.__name__}.{info.name}"


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sklcausal' has no attribute 'nonsense'"):
        _ = sklcausal.nonsense


def _run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("heavy", ["matplotlib", "pandas", "sklearn", "skorch", "torch"])
def test_import_is_light(heavy):
    assert _run_python(f"import sys, sklcausal; print({heavy!r} in sys.modules)") == "False"


@pytest.mark.parametrize("name", ["pack_targets", "targets"])
def test_targets_do_not_need_torch(name):
    assert (
        _run_python(f"import sys; from sklcausal import {name}; print('torch' in sys.modules)")
        == "False"
    )


def test_subpackages_are_imported_on_first_use():
    code = "import sys, sklcausal; sklcausal.base; print('torch' in sys.modules)"
    assert _run_python(code) == "True"


def test_show_versions_imports_nothing_heavy():
    code = "import sys, sklcausal; sklcausal.show_versions(); print('torch' in sys.modules)"
    lines = _run_python(code).splitlines()
    assert lines[-1] == "False"
    shown = dict(line.strip().split(": ", 1) for line in lines[:-1] if ": " in line)
    assert shown["sklcausal"] == sklcausal.__version__
    assert re.match(r"\d+\.\d+", shown["torch"])


def test_top_level_is_exactly_as_laid_out():
    if not (REPO / ".git").exists():
        pytest.skip("the tests do not stand in a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {path.split("/")[0] for path in listing.splitlines()} == TOP_LEVEL
