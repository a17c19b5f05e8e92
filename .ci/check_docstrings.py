"""Validate the docstring of every public name with numpydoc; exit with 1 if one fails.

The checks are those of `[tool.numpydoc_validation]` in pyproject.toml. On top, every class with
a `fit` has an Attributes section.
"""

# SPDX-License-Identifier: BSD-3-Clause

import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from pathlib import Path

from numpydoc.validate import validate

import sklcausal

_PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# An exception has the signature of its builtin base, which is nothing to document.
_EXCEPTION_IGNORES = {"PR01", "PR02"}


def _public_modules():
    yield sklcausal
    for info in pkgutil.walk_packages(sklcausal.__path__, prefix="sklcausal."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield importlib.import_module(info.name)


def _is_ours(obj):
    obj = inspect.unwrap(obj.fget if isinstance(obj, property) else obj)
    return (getattr(obj, "__module__", None) or "").startswith("sklcausal")


def _public_members(cls):
    for name, member in inspect.getmembers(cls):
        if name.startswith("_") or not (inspect.isroutine(member) or isinstance(member, property)):
            continue
        if _is_ours(member):
            yield name, member


def _public_objects():
    """Yield (dotted path, object) once per class, function, method and property."""
    seen = set()
    for module in _public_modules():
        for name in getattr(module, "__all__", ()):
            obj = getattr(module, name)
            if not (inspect.isclass(obj) or inspect.isroutine(obj)) or id(obj) in seen:
                continue
            seen.add(id(obj))
            path = f"{module.__name__}.{name}"
            yield path, obj
            if not inspect.isclass(obj):
                continue
            for member_name, member in _public_members(obj):
                key = id(inspect.unwrap(member.fget if isinstance(member, property) else member))
                if key not in seen:
                    seen.add(key)
                    yield f"{path}.{member_name}", member


def _problems(path, obj, checks):
    is_exception = inspect.isclass(obj) and issubclass(obj, BaseException)
    skipped = _EXCEPTION_IGNORES if is_exception else set()
    for code, message in validate(path)["errors"]:
        if code in checks - skipped:
            yield f"{code} {message}"
    if inspect.isclass(obj) and hasattr(obj, "fit"):
        if not re.search(r"^Attributes\n-{10}$", inspect.getdoc(obj) or "", re.MULTILINE):
            yield "AT01 No Attributes section found"


def main():
    """Print every problem and return how many there are."""
    settings = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))
    checks = set(settings["tool"]["numpydoc_validation"]["checks"])
    n_objects = n_problems = 0
    for path, obj in _public_objects():
        n_objects += 1
        for problem in _problems(path, obj, checks):
            n_problems += 1
            print(f"{path}: {problem}")
    print(f"{n_objects} public docstrings, {n_problems} problems")
    return n_problems


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
