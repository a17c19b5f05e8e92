"""Run replications in two processes, one row of a CSV each, and go on where a run stopped."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

TABLES = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Return the folder of prepared data, from SKLCAUSAL_DATA or beside the repository."""
    return Path(os.environ.get("SKLCAUSAL_DATA", REPOSITORY.parent / "shared" / "data"))


def arguments(description: str, **defaults: Any) -> argparse.Namespace:
    """Parse the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=TABLES, help="folder of CSV files and tables")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()


def read(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _run_one(function: Callable[..., dict[str, Any]], task: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    return {**task, **function(**task)}


def run(
    function: Callable[..., dict[str, Any]],
    tasks: Iterable[dict[str, Any]],
    path: Path,
    jobs: int = 2,
) -> list[dict[str, str]]:
    """Append one row per task to a CSV, leaving out the tasks that it holds already."""
    from joblib import Parallel, delayed

    path.parent.mkdir(parents=True, exist_ok=True)
    tasks = list(tasks)
    keys = list(tasks[0])
    done = {tuple(row[key] for key in keys) for row in read(path)}
    left = [task for task in tasks if tuple(str(task[key]) for key in keys) not in done]
    found = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_run_one)(function, task) for task in left
    )
    for number, row in enumerate(found, 1):
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        shown = " ".join(f"{key}={row[key]}" for key in keys)
        print(f"[{number}/{len(left)}] {shown}", flush=True)
    wanted = {tuple(str(task[key]) for key in keys) for task in tasks}
    return [row for row in read(path) if tuple(row[key] for key in keys) in wanted]


def write_table(
    path: Path, title: str, command: str, head: list[str], rows: list[list[str]]
) -> None:
    """Write a table in Markdown with the command that makes it, and print it."""
    lines = [f"# {title}", "", f"Made by `{command}`.", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def versions(*packages: str) -> str:
    """Return names and versions of packages."""
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in packages)
