"""CSV as spreadsheets open it: no cell of what is written out is a formula, and reading takes the mark off again."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

# What a spreadsheet would take for a formula (OWASP, "CSV Injection"), the wide signs of East Asian keyboards too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"
"""Stands before everything else: without it spreadsheets read UTF-8 as something else."""


def neutral(cell: str) -> str:
    """Return a cell as it may be opened in a spreadsheet: what would be a formula becomes text by an apostrophe.

    Numbers of phones (+27 …) and below nought carry it too: one rule without exceptions can be taken back.
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def original(cell: str) -> str:
    """Return a cell as it was before `neutral`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def cell_of(value: Any) -> str:
    """Return a value as a cell says it: moments in UTC, yes and no, several values separated by commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_of, value))
    return str(value)


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as lines of CSV, each cell neutral."""
    out = io.StringIO()
    csv.writer(out).writerows([neutral(cell_of(value)) for value in row] for row in rows)
    return out.getvalue()
