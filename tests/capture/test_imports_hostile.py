"""Files as they should not be: packed, garbled, torn, with headers that come twice, and full of formulas."""

import io
import zipfile
from datetime import date
from typing import Any

import pytest

from app.capture.imports import reading, service
from app.capture.imports.service import Options
from app.infra.spreadsheet import neutral, original
from tests.capture.people import query
from tests.capture.test_imports import HEADER, counts, line, refused, take

FORMULAS = ("=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201")


def packed() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("members.csv", f"{HEADER}\n{line('ZA1', 'Anna')}\n")
    return kept.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        packed(),
        b"\x1f\x8b\x08\x00" + b"x" * 100,
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        b"first_name,email,email\nAnna,a@example.com,b@example.com\n",
        b"first_name,email\n"[:4] + b"\x00" * 50,
    ],
    ids=["zip", "gzip", "pdf", "headers twice", "zeros"],
)
def test_what_is_no_table_of_people_is_refused_beside_the_file(tenant: Any, data: bytes) -> None:
    with pytest.raises(service.Invalid) as caught:
        service.start(
            tenant_id=tenant.id,
            file=io.BytesIO(data),
            file_name="x.csv",
            options=Options(preset="fairway-csv"),
            actor="system:test",
        )
    assert "file" in caught.value.errors
    assert not query(tenant, "SELECT FROM import_run")


def test_torn_rows_cost_themselves_alone(tenant: Any) -> None:
    run = take(
        tenant,
        line("ZA1", "Anna", "anna@example.com"),
        "ZA2,Club,Ms,\x00Short\x00",
        line("ZA3", "Be\x00n", "ben@example.com"),
        line("ZA4", "x" * 70_000, "long@example.com"),
        line("ZA5", "\U0001f3cc\u202eCarl", "carl@example.com"),
    )
    assert counts(run) == (2, 0, 0, 3)
    reasons = refused(tenant, run)
    assert "NUL" in reasons[4]
    names = {row.first_name for row in query(tenant, "SELECT first_name FROM customer")}
    assert names == {"Anna", "\U0001f3cc\u202eCarl"}


@pytest.mark.parametrize("cell", FORMULAS)
def test_formulas_are_text_in_what_goes_out_and_come_back_as_they_were(cell: str) -> None:
    out = neutral(cell)
    assert out == f"'{cell}"
    assert original(out) == cell
    assert neutral("O'Brien") == original("O'Brien") == "O'Brien"


def test_utf_16_without_a_mark_is_read_where_somebody_says_so() -> None:
    text = "first_name,email\nZoë,zoe@example.com\n"
    for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
        assert b"".join(reading.as_utf8(io.BytesIO(text.encode(encoding)), "utf-16")).decode() == text


def test_a_file_taken_for_utf_16_by_mistake_is_refused(tenant: Any) -> None:
    file = io.BytesIO(f"{HEADER}\n".encode())
    with pytest.raises(service.Invalid) as caught:
        service.draft(tenant_id=tenant.id, file=file, file_name="x.csv", encoding="utf-16", actor="system:test")
    assert "file" in caught.value.errors


def test_what_nobody_can_see_is_no_name(tenant: Any) -> None:
    run = take(tenant, line("ZA1", "\u200b\u202e", "anna@example.com"), line("ZA2", "\u3164", Surname="\u200f"))
    assert counts(run) == (1, 0, 0, 1)
    (anna,) = query(tenant, "SELECT first_name, last_name FROM customer")
    assert tuple(anna) == (None, "Botha")
    assert "names nobody" in refused(tenant, run)[3]


def test_a_joining_date_out_of_our_times_is_left_out(tenant: Any) -> None:
    take(
        tenant,
        line("ZA1", "Anna", JoinDate="0001/01/01"),
        line("ZA2", "Ben", JoinDate="2999/01/01"),
        line("ZA3", "Cara", JoinDate="2020/02/29"),
    )
    found = {row.first_name: row.joined_on for row in query(tenant, "SELECT first_name, joined_on FROM customer")}
    assert found == {"Anna": None, "Ben": None, "Cara": date(2020, 2, 29)}
