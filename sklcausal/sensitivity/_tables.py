"""Set results as text and as frames."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal.utils._frames import make_frame


def format_table(title: str, rows: list[list[str]], note: str = "") -> str:
    """Set a table in text, the first row as its head.

    Parameters
    ----------
    title : str
    rows : list of list of str
    note : str, default=''
        Line below.

    Returns
    -------
    str
    """
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(v.rjust(w) for v, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    parts = [title, rule, lines[0], rule, *lines[1:], rule, note]
    return "\n".join(part for part in parts if part)


def to_pandas(table: dict[str, list[Any]]) -> Any:
    """Put columns into a pandas DataFrame.

    Parameters
    ----------
    table : dict of str to list

    Returns
    -------
    DataFrame
    """
    columns = {}
    for name, values in table.items():
        is_text = any(isinstance(v, str) for v in values)
        columns[name] = np.array(values, dtype=object if is_text else None)
    return make_frame(columns, "pandas")
