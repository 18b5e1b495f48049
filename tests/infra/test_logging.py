"""Logs name no customer: whoever is erased is not in them."""

import json
import logging
import sys

import pytest

from app.infra.logging import JsonLines, Lines, masked


@pytest.mark.parametrize(
    "said, kept",
    [
        ("no mail for jane.o'neil+x@mail.example today", "no mail for ••• today"),
        ("called +27 82 555 0142 twice", "called ••• twice"),
        ("Key (tenant_id, value)=(01a1, QZX-1) already exists.", "Key (tenant_id, value)=(•••) already exists."),
        ("Request 01a1fcbc-09bd-7092-bd4f-bc9311943614 failed at 2026-11-20T09:00:00+00:00", None),
    ],
)
def test_what_names_somebody_is_masked(said: str, kept: str | None) -> None:
    assert masked(said) == (kept or said)


@pytest.mark.parametrize("formatter", [JsonLines(), Lines("%(message)s")])
def test_tracebacks_are_masked_too(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("jane@mail.example is there already")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "mail %s", ("bob@mail.example",), sys.exc_info())
    line = formatter.format(record)
    assert "mail.example" not in line
    assert "is there already" in (json.loads(line)["traceback"] if isinstance(formatter, JsonLines) else line)
