"""Files as they should not be: packed, garbled, torn, with headers that come twice, and full of formulas."""

import io
import zipfile
from datetime import date
from typing import Any

import pytest

from app import road
from app.capture.imports import reading, service, work
from app.capture.imports.service import Options
from app.customers import consents
from app.customers.consents import Proof, State, Word
from app.infra.spreadsheet import neutral, original
from app.messaging import suppression
from tests.capture.people import NOW, STAFF, event, member, owner, post, query
from tests.capture.test_imports import HEADER, counts, line, refused, snapshot, take
from tests.journeys import helpers as journeys

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


@pytest.mark.parametrize("sign", ['"', ""], ids=["quoted", "bare"])
def test_a_cell_of_twenty_megabytes_costs_its_row_alone(tenant: Any, sign: str) -> None:
    """And is never held: a file that is one long line would be, in every batch, if it were."""
    run = take(
        tenant,
        line("ZA1", "Anna"),
        f"ZA2,{sign}{'x' * 20_000_000}{sign},Ms",
        line("ZA3", "Cara"),
        line("ZA4", "Dora", Notes="one\ntwo"),
    )
    assert counts(run) == (3, 0, 0, 1)
    assert "longer than 64 kB" in refused(tenant, run)[3]
    assert {row.first_name for row in query(tenant, "SELECT first_name FROM customer")} == {"Anna", "Cara", "Dora"}


def test_lines_go_on_where_they_ended_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 30)
    data = b"a,b\n1,2\n" + b"y" * 31 + b"\n" + b'3,"f\nour"\n' + "5,sechs \u00e4\n".encode() + b"z" * 90 + b"\n7,8"
    expected = None
    for size in (1, 2, 3, 7, 30, 31, 200):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        found = list(reading.rows(pieces, delimiter=",", position=0, record=0))
        assert found == (expected := expected or found)
        for at, one in enumerate(found):
            rest = list(reading.rows([data[one.end :]], delimiter=",", position=one.end, record=one.record))
            assert rest == found[at + 1 :]
    assert expected is not None
    assert [one.cells for one in expected] == [
        ["a", "b"], ["1", "2"], [], ["3", "f\nour"], ["5", "sechs \u00e4"], [], ["7", "8"],
    ]  # fmt: skip
    assert [bool(one.problem) for one in expected] == [False, False, True, False, False, True, False]


def test_a_batch_is_no_more_than_can_be_held(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BATCH_BYTES", 1000)
    rows = [f"ZA{at},{'x' * 400}" for at in range(20)]
    service.start(
        tenant_id=tenant.id,
        file=io.BytesIO("\n".join(("member_number,first_name", *rows)).encode()),
        file_name="x.csv",
        options=Options(preset="fairway-csv"),
        actor="system:test",
    )
    taken = []
    while found := work.run_batch(tenant_id=tenant.id, now=NOW):
        taken.append(found)
    assert taken[:-1] == [3] * 6 + [2]


def test_who_said_no_is_left_alone_whatever_a_file_says(tenant: Any) -> None:
    """Unsubscribed, stopped for all, suppressed: all rows say yes, and nobody has ticked that they may."""
    post(
        tenant,
        *(
            member(number, name, f"ZA{number}", email=f"{name.lower()}@example.com", membership_tier="Silver")
            for number, name in enumerate(("Una", "Stella", "Sue", "Nora", "Yve"), start=1)
        ),
        event(11, "contactPreference.updated", {"email_opt_in": False}, scl_member_id="ZA1"),
        event(12, "contactPreference.updated", {"email_opt_in": True}, scl_member_id="ZA5"),
    )
    (topic,) = query(tenant, "SELECT id, key FROM topic ORDER BY key LIMIT 1")
    said = {"proof": Proof("staff", "by phone", STAFF), "tenant_id": tenant.id}
    consents.record(customer_id=owner(tenant, 2), words=[Word("ALL", State.UNSUBSCRIBED)], **said)
    consents.record(customer_id=owner(tenant, 4), words=[Word("EMAIL", State.UNSUBSCRIBED, topic.id)], **said)
    suppression.suppress(
        tenant_id=tenant.id, addresses=["sue@example.com"], because=suppression.SuppressedBecause.HARD_BOUNCE
    )
    _listen(tenant)
    before = {name: snapshot(tenant)[name] for name in ("consent", "consent_change", "suppression")}
    header = f"member_number,first_name,email,membership_tier,email_opt_in,consent:{topic.key}:EMAIL"
    rows = [
        f"ZA{number},{name},{name.lower()}@example.com,Gold,yes,yes"
        for number, name in enumerate(("Una", "Stella", "Sue", "Nora", "Yve", "Newt"), start=1)
    ]
    mapping = {name: name for name in header.split(",")}
    for dry_run in (True, False):
        run = take(tenant, *rows, header=header, preset="", mapping=mapping, dry_run=dry_run, handlers=road.HANDLERS)
        assert counts(run) == (1, 5, 0, 0)
    assert {name: snapshot(tenant)[name] for name in before} == before
    assert {row.membership_tier for row in query(tenant, "SELECT membership_tier FROM customer")} == {"Gold"}
    assert query(tenant, "SELECT FROM journey_enrollment") == query(tenant, "SELECT FROM message") == []

    # Ticked, a yes is news of those alone who never said no.
    take(tenant, *rows, header=header, preset="", mapping=mapping, write_consent=True, handlers=road.HANDLERS)
    found = {row.first_name: row for row in query(tenant, "SELECT first_name, email_opt_in, id FROM customer")}
    assert {name: row.email_opt_in for name, row in found.items()} == {
        "Una": False, "Stella": True, "Sue": True, "Nora": True, "Yve": True, "Newt": True,
    }  # fmt: skip
    kept = query(tenant, "SELECT customer_id, channel, state FROM consent WHERE state = 'unsubscribed'")
    assert {(row.customer_id, row.channel) for row in kept} == {
        (found["Stella"].id, "ALL"), (found["Nora"].id, "EMAIL"),
    }  # fmt: skip
    assert snapshot(tenant)["suppression"] == before["suppression"]
    assert query(tenant, "SELECT FROM journey_enrollment") == query(tenant, "SELECT FROM message") == []


def _listen(tenant: Any) -> None:
    """Have journeys wait for all that a file could tell."""
    for trigger in ("import.member", "scl.member.created", "scl.member.updated"):
        mail = journeys.send("mail", "end", journeys.template(tenant.id, trigger))
        journeys.journey(tenant.id, [mail, journeys.step("end", "END")], name=trigger, trigger_type=trigger)
