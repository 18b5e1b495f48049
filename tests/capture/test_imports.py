"""Imports: rows of files become people, each bad row is refused with its reason, and undo leaves all as before."""

import hashlib
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Club
from app.capture.imports import queries, service, work
from app.capture.imports.models import ImportRun
from app.capture.imports.service import Options
from app.customers import household_suggestions, households, suggestions, timeline
from app.infra.db import transaction
from app.infra.errors import Invalid
from tests.capture.people import NOW, STAFF, event, member, post, query

HEADER = (
    "MemberID,Club,Title,FirstName,Surname,Email,Cell,HomeTel,DateOfBirth,JoinDate,MembershipCategory,"
    "HandicapIndex,EmailOptIn,SmsOptIn,AccountBalance,LifetimeSpend,LastVisit,Status,Notes"
)
CLUBS = "SELECT club_id FROM customer ORDER BY first_name"
# What an import writes about itself.
ITS_OWN = {"import_run", "import_chunk", "import_line", "import_refusal", "import_change", "import_made", "audit_entry"}


def line(number: str, first: str, email: str = "", phone: str = "", **more: str) -> str:
    """Return a row of the ZA export."""
    cells = {"MemberID": number, "FirstName": first, "Surname": "Botha", "Email": email, "Cell": phone, **more}
    return ",".join(f'"{cells.get(name, "")}"' for name in HEADER.split(","))


def take(
    tenant: Any,
    *lines: str,
    preset: str = "mca-v1-za-members",
    header: str = HEADER,
    now: Any = NOW,
    handlers: Sequence[Any] = (),
    **options: Any,
) -> ImportRun:
    """Import the lines."""
    data = "\n".join((header, *lines, "")).encode()
    run_id = service.start(
        tenant_id=tenant.id,
        file=io.BytesIO(data),
        file_name="members.csv",
        options=Options(preset=preset, **options),
        actor="system:test",
        now=now,
    )
    return finish(tenant, run_id, handlers)


def finish(tenant: Any, run_id: UUID, handlers: Sequence[Any] = ()) -> ImportRun:
    while work.run_batch(tenant_id=tenant.id, now=NOW, handlers=handlers):
        pass
    return queries.run(tenant_id=tenant.id, run_id=run_id)


def undone(tenant: Any, run: ImportRun) -> ImportRun:
    """Undo the import."""
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    run = finish(tenant, run.id)
    assert (run.status, run.undo_left) == ("UNDONE", 0)
    return run


def counts(run: ImportRun) -> tuple[int, ...]:
    assert run.rows == run.created + run.updated + run.unchanged + run.refused
    return run.created, run.updated, run.unchanged, run.refused


def refused(tenant: Any, run: ImportRun) -> dict[int, str]:
    found = [one for some in queries.refused(tenant_id=tenant.id, run_id=run.id) for one in some]
    return {one.record: one.reason for one in found}


def snapshot(tenant: Any) -> dict[str, str]:
    """Return a hash of each table's rows."""
    tables = [
        row.name
        for row in query(
            tenant,
            "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'",
        )
    ]
    found = {}
    for table in set(tables) - ITS_OWN:
        rows = query(tenant, f"SELECT to_jsonb(t)::text AS row FROM {table} t ORDER BY 1")
        found[table] = hashlib.sha256("\n".join(row.row for row in rows).encode()).hexdigest()
    assert "customer" in found
    return found


def test_people_are_made_and_the_second_time_nothing_changes(tenant: Any) -> None:
    lines = [line("ZA1", "Anna", "anna@example.com", "0824751967"), line("ZA2", "Ben", "ben@example.com")]
    assert counts(take(tenant, *lines)) == (2, 0, 0, 0)
    before = snapshot(tenant)
    assert counts(take(tenant, *lines)) == (0, 0, 2, 0)
    assert snapshot(tenant) == before


def test_an_import_is_nothing_the_customer_did(tenant: Any) -> None:
    take(tenant, line("ZA1", "Anna", "anna@example.com", MembershipCategory="Gold", Status="Resigned"))
    (row,) = query(tenant, "SELECT * FROM customer")
    assert (row.membership_tier, row.lifecycle_stage, row.last_activity_at) == ("Gold", "FORMER", None)
    assert timeline.counts_30d(tenant_id=tenant.id, customer_ids=[row.id], now=NOW) == {row.id: 0}


def test_a_club_that_is_not_there_is_told_of_and_given_once_it_is(tenant: Any) -> None:
    lines = [
        line("ZA1", "Anna", "anna@example.com", Club="Table Bay Golf Club"),
        line("ZA2", "Ben", "ben@example.com", Club="table bay golf club"),
        line("ZA3", "Cara", "cara@example.com", Club="cape links golf club"),
    ]
    dry = take(tenant, *lines, dry_run=True)
    assert dry.report["clubs"] == {"Table Bay Golf Club": 1, "table bay golf club": 1}
    take(tenant, *lines)
    assert [row.club_id is None for row in query(tenant, CLUBS)] == [True, True, False]
    with transaction(tenant.id) as session:
        session.add(
            Club(
                tenant_id=tenant.id,
                name="Table Bay Golf Club",
                country="ZA",
                timezone="Africa/Johannesburg",
                locale="en_ZA",
                currency="ZAR",
            )
        )
    assert counts(take(tenant, *lines)) == (0, 2, 1, 0)
    assert counts(take(tenant, *lines)) == (0, 0, 3, 0)
    assert not [row for row in query(tenant, CLUBS) if row.club_id is None]


@pytest.mark.parametrize("day", ["31.12.1999", "31/12/1999", "31-12-1999", "1999-12-31", "31 Dec 1999", "31.12.99"])
def test_a_file_of_ones_own_writes_the_day_first_however_it_parts_it(tenant: Any, day: str) -> None:
    mapping = {"Mail": "email", "Born": "date_of_birth"}
    take(tenant, f"anna@example.com,{day}", header="Mail,Born", preset=None, mapping=mapping)
    (anna,) = query(tenant, "SELECT date_of_birth FROM customer")
    assert anna.date_of_birth == date(1999, 12, 31)


def test_of_clubs_that_are_not_there_those_named_most_are_kept(tenant: Any) -> None:
    some = [line(f"ZA{at}", "Anna", Club=f"Club {at}") for at in range(30)]
    report = take(tenant, *some, *(line(f"ZB{at}", "Anna", Club="Often") for at in range(3)), dry_run=True).report
    assert report["clubs"]["Often"] == 3
    assert len(report["clubs"]) == work.CLUBS + 1
    assert sum(report["clubs"].values()) == 33


def test_a_changed_answer_is_told_without_the_column_that_dates_it(tenant: Any) -> None:
    take(tenant, line("ZA1", "Anna", "anna@example.com", SmsOptIn="Y"), write_consent=True)
    run = take(
        tenant,
        line("ZA1", "Anna", "anna@example.com", SmsOptIn="N"),
        write_consent=True,
        now=NOW + timedelta(days=1),
    )
    (changed,) = queries.lines(tenant_id=tenant.id, run_id=run.id, kind="updated").items
    assert [one["field"] for one in changed["changes"]] == ["sms_opt_in"]


def test_bad_rows_are_refused_with_their_reason_and_no_other(tenant: Any) -> None:
    run = take(
        tenant,
        line("ZA1", "Anna", "anna@example.com", DateOfBirth="0000/00/00", JoinDate="2031/01/01", HandicapIndex="20,6"),
        "ZA2,Club,Ms,Short",
        "TOTAL,3",
        ",".join([""] * 19),
        line("", "Nobody", "n/a", "see notes"),
        line("ZA3", "Zoë", "john(at)example.com", "0"),
    )
    assert counts(run) == (2, 0, 0, 4)
    reasons = refused(tenant, run)
    assert list(reasons) == [3, 4, 5, 6]
    assert "4 cells" in reasons[3]
    assert reasons[5] == "The row is empty"
    assert "Nothing to know them by" in reasons[6]
    assert run.report["noted"]["E-mail address not valid"] == 1
    assert run.report["noted_in"]["E-mail address not valid"] == [7]
    (anna,) = query(tenant, "SELECT * FROM customer WHERE first_name = 'Anna'")
    assert str(anna.handicap_index) == "20.6"
    assert anna.date_of_birth is None
    assert anna.joined_on is None


def test_consent_is_written_only_when_ticked_and_a_yes_never_undoes_a_no(tenant: Any) -> None:
    yes = line("ZA1", "Anna", "anna@example.com", EmailOptIn="Y", SmsOptIn="N")
    take(tenant, yes)
    (row,) = query(tenant, "SELECT * FROM customer")
    assert (row.email_opt_in, row.sms_opt_in) == (None, None)
    no = event(1, "contactPreference.updated", {"email_opt_in": False}, scl_member_id="ZA1")
    post(tenant, no)
    run = take(tenant, yes, write_consent=True)
    (row,) = query(tenant, "SELECT * FROM customer")
    assert (row.email_opt_in, row.sms_opt_in) == (False, False)
    assert run.report["consent"] == {"sms_opt_in: no": 1}


@pytest.mark.parametrize(
    ("on_match", "expected", "tier", "phone"),
    [
        ("update", (1, 1, 0, 0), "Gold", "+27824751967"),
        ("fill", (1, 1, 0, 0), "Silver", "+27824751967"),
        ("skip", (1, 0, 1, 0), "Silver", None),
        ("create", (1, 0, 0, 1), "Silver", None),
    ],
)
def test_what_becomes_of_people_who_are_here(
    tenant: Any, on_match: str, expected: tuple[int, ...], tier: str, phone: str | None
) -> None:
    post(tenant, member(1, "Anna", "ZA1", membership_tier="Silver", email="anna@example.com"))
    lines = [
        line("ZA1", "Anna", "anna@example.com", "0824751967", MembershipCategory="Gold"),
        line("ZA2", "Ben", "ben@example.com"),
    ]
    run = take(tenant, *lines, on_match=on_match)
    assert counts(run) == expected
    (row,) = query(tenant, "SELECT * FROM customer WHERE first_name = 'Anna'")
    assert (row.membership_tier, row.phone) == (tier, phone)
    if on_match == "create":
        assert "here already" in refused(tenant, run)[2]


@pytest.mark.parametrize("on_match", ["update", "fill", "skip", "create"])
def test_a_dry_run_says_what_happens_and_changes_nothing(tenant: Any, on_match: str) -> None:
    post(tenant, member(1, "Anna", "ZA1", membership_tier="Silver", email="anna@example.com"))
    lines = [
        line("ZA1", "Anna", "anna@example.com", "0824751967", MembershipCategory="Gold"),
        line("ZA2", "Anna-Marie", "anna@example.com"),
        "TOTAL,1",
    ]
    before = snapshot(tenant)
    dry = take(tenant, *lines, on_match=on_match, dry_run=True)
    assert snapshot(tenant) == before
    told = counts(dry)
    service.run_after_dry_run(tenant_id=tenant.id, run_id=dry.id, actor="system:test", now=NOW)
    wet = finish(tenant, dry.id)
    assert counts(wet) == told
    assert not wet.dry_run
    if on_match == "update":
        (changed,) = dry.report["changed"]
        assert {"field": "membership_tier", "old": "Silver", "new": "Gold"} in changed["changes"]
        assert dry.suggested == 1


def test_undo_leaves_all_as_before(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Anna", "ZA1", membership_tier="Silver", email="family@example.com", phone_number="0824751967"),
        event(2, email="family@example.com"),
        event(3, phone_number="0824751968"),
        event(4, email="carl@example.com"),
    )
    before = snapshot(tenant)
    run = take(
        tenant,
        line("ZA1", "Anna", "anna@example.com", "0824751969", MembershipCategory="Gold", EmailOptIn="Y"),
        line("ZA2", "Ben", "family@example.com", "0824751968"),
        # Two profiles prove to be one person.
        line("ZA3", "Carl", "carl@example.com", "0824751967"),
        line("ZA4", "Dora", "dora@example.com"),
        write_consent=True,
    )
    assert snapshot(tenant) != before
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    assert finish(tenant, run.id).status == "UNDONE"
    assert snapshot(tenant) == before


def test_undo_keeps_what_happened_since(tenant: Any) -> None:
    run = take(tenant, line("ZA1", "Anna", "anna@example.com"), line("ZA2", "Ben", "ben@example.com"))
    post(tenant, event(1, email="anna@example.com"))
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    finish(tenant, run.id)
    (row,) = query(tenant, "SELECT * FROM customer")
    assert row.first_name == "Anna"
    assert query(tenant, "SELECT * FROM inbound_event WHERE status = 'processed'")
    assert len(query(tenant, "SELECT * FROM external_id")) == 1


def test_undo_keeps_what_somebody_changed_since(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "ZA1", membership_tier="Silver", email="anna@example.com"))
    run = take(tenant, line("ZA1", "Anna", "anna@example.com", MembershipCategory="Gold", Title="Dr"))
    from app.customers import service as customers

    (row,) = query(tenant, "SELECT id FROM customer")
    customers.update(tenant_id=tenant.id, customer_id=row.id, changes={"membership_tier": "Platinum"}, actor="system:x")
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    finish(tenant, run.id)
    (row,) = query(tenant, "SELECT * FROM customer")
    assert (row.membership_tier, row.title) == ("Platinum", None)


def alike() -> list[str]:
    """Return rows of two who look like one person, of a household, and of somebody else."""
    return [
        line("ZA1", "Anna", "anna@example.com", DateOfBirth="1970/01/01"),
        line("ZA2", "Anna", "a.botha@example.com", DateOfBirth="1970/01/01"),
        line("ZA3", "Ben", "carl@example.com"),
        line("ZA4", "Carl", "carl@example.com"),
    ]


def test_who_looks_alike_is_suggested_once(tenant: Any) -> None:
    run = take(tenant, *alike())
    (pair,) = suggestions.suggested(tenant_id=tenant.id).items
    assert run.suggested == 1
    (told,) = run.report["suggested"]
    assert {told["customer_id"], told["looks_like"][0]["customer_id"]} == {str(pair.one_id), str(pair.other_id)}
    before = snapshot(tenant)
    assert take(tenant, *alike()).suggested == 0
    # Under another mapping the rows are looked at again.
    assert take(tenant, *alike(), on_match="fill").suggested == 0
    assert snapshot(tenant)["merge_suggestion"] == before["merge_suggestion"]


def test_a_pair_that_a_later_row_shows_to_be_one_person_does_not_count(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BATCH", 1)
    one, other, *_ = alike()
    assert take(tenant, one, other).suggested == 1
    run = take(tenant, line("ZA5", "Eve", "e@example.com", DateOfBirth="1980/01/01"),
               line("ZA6", "Eve", "f@example.com", DateOfBirth="1980/01/01"),
               line("ZA5", "Eve", "f@example.com", DateOfBirth="1980/01/01"))  # fmt: skip
    assert len(query(tenant, "SELECT FROM customer WHERE first_name = 'Eve' AND status = 'ACTIVE'")) == 1
    assert run.suggested == 0


def test_undo_takes_back_what_the_import_suggested_and_keeps_what_people_decided(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "ZA1", email="a@example.com"), member(2, "Anna", "ZA2", email="b@example.com"))
    rows = [line("ZA1", "Anna", DateOfBirth="1970/01/01"), line("ZA2", "Anna", DateOfBirth="1970/01/01")]
    before = snapshot(tenant)
    run = take(tenant, *rows)
    assert run.suggested == 1
    undone(tenant, run)
    assert snapshot(tenant) == before
    run = take(tenant, *rows, now=NOW + timedelta(minutes=1))
    (pair,) = suggestions.suggested(tenant_id=tenant.id).items
    suggestions.dismiss(tenant_id=tenant.id, ids=[pair.id], actor=STAFF)
    undone(tenant, run)
    assert [row.status for row in query(tenant, "SELECT status FROM merge_suggestion")] == ["dismissed"]


def test_undo_takes_back_suggested_households_and_keeps_who_was_put_into_one(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "ZA1", email="family@example.com"))
    rows = [line("ZA2", "Ben", "family@example.com"), line("ZA3", "Mia", "mia@example.com")]
    before = snapshot(tenant)
    run = take(tenant, *rows)
    (found,) = household_suggestions.suggested(tenant_id=tenant.id).items
    assert len(found.customer_ids) == 2
    undone(tenant, run)
    assert snapshot(tenant) == before
    run = take(tenant, *rows, now=NOW + timedelta(minutes=1))
    (found,) = household_suggestions.suggested(tenant_id=tenant.id).items
    households.accept(tenant_id=tenant.id, ids=[found.id], actor=STAFF)
    undone(tenant, run)
    assert sorted(row.first_name for row in query(tenant, "SELECT first_name FROM customer")) == ["Anna", "Ben"]
    assert [row.status for row in query(tenant, "SELECT status FROM household_suggestion")] == ["accepted"]
    assert len(query(tenant, "SELECT FROM household_member")) == 2


def test_visits_become_activities_of_those_who_are_here(tenant: Any) -> None:
    take(tenant, line("ZA1", "Anna", "anna@example.com"))
    visits = [
        "V1,ZA1,2026/05/15,17:08,Round,121.24,18",
        "V2,ZA1,2026/05/16,00:37,Bar,185.97,",
        "V3,ZA9,2026/05/16,10:00,Bar,185.97,",
        "V4,ZA1,2026/13/16,10:00,Bar,185.97,",
        "V1,ZA1,2026/05/15,17:08,Round,121.24,18",
    ]
    run = take(tenant, *visits, preset="mca-v1-za-visits", header="VisitID,MemberID,Date,Time,Type,Amount,Holes")
    assert counts(run) == (2, 0, 1, 2)
    assert "ZA9" in refused(tenant, run)[4]
    found = query(tenant, "SELECT title, occurred_at FROM activity WHERE type LIKE 'visit.%' ORDER BY occurred_at")
    assert [row.title for row in found] == ["Round of 18 holes", "Bar ZAR 185,97"]
    assert found[0].occurred_at.isoformat() == "2026-05-15T15:08:00+00:00"
    (row,) = query(tenant, "SELECT * FROM customer")
    assert row.last_activity_type == "visit.bar"


def test_journeys_hear_of_rows_only_when_ticked(tenant: Any) -> None:
    heard = []
    for number, ticked in (("ZA1", False), ("ZA2", True)):
        run_id = service.start(
            tenant_id=tenant.id,
            file=io.BytesIO(f"{HEADER}\n{line(number, 'Anna')}\n".encode()),
            file_name="m.csv",
            options=Options(preset="mca-v1-za-members", start_journeys=ticked),
            actor="system:test",
            now=NOW,
        )
        finish(tenant, run_id, [lambda batch: heard.append([one.type for one in batch.events])])
    assert heard == [[], ["import.member"]]


def test_a_file_of_another_encoding_and_delimiter(tenant: Any) -> None:
    text = 'first_name;last_name;email\r\nZoë;du Plessis;zoe@example.com\r\n"Two\r\nlines";X;two@example.com\r\n'
    for encoding, found in (("cp1252", "cp1252"), ("utf-16", "utf-16"), ("utf-8-sig", "utf-8")):
        run_id = service.start(
            tenant_id=tenant.id,
            file=io.BytesIO(text.encode(encoding)),
            file_name="x.csv",
            options=Options(preset="fairway-csv", on_match="skip"),
            actor="system:test",
            now=NOW,
        )
        run = finish(tenant, run_id)
        assert (run.encoding, run.delimiter) == (found, ";")
        assert run.rows == 2
    assert {row.first_name for row in query(tenant, "SELECT first_name FROM customer")} == {"Zoë", "Two lines"}


def test_batches_go_on_where_the_last_one_ended(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BATCH", 7)
    lines = [line(f"ZA{at}", "Anna", f"a{at}@example.com", Notes="two\nlines, ünïcode") for at in range(40)]
    run = take(tenant, *lines, "TOTAL,40")
    assert counts(run) == (40, 0, 0, 1)
    assert run.record == 42
    assert list(refused(tenant, run)) == [42]


@pytest.mark.parametrize("data", [b"", b"just one column\n1\n", b"\x00\x01\x02\x03", b"a,b\n1,2\n"])
def test_what_is_no_table_is_refused_beside_the_file(tenant: Any, data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        service.start(
            tenant_id=tenant.id,
            file=io.BytesIO(data),
            file_name="x.csv",
            options=Options(preset="fairway-csv"),
            actor="system:test",
        )
    assert "file" in caught.value.errors


def test_a_quotation_mark_that_is_never_closed_costs_its_row_alone(tenant: Any) -> None:
    long = "x" * 70_000
    run = take(tenant, line("ZA1", "Anna"), f'ZA2,"{long}', line("ZA3", "Carl"))
    assert run.refused >= 1
    assert "never closed" in refused(tenant, run)[3]
    assert run.created >= 1


def test_every_table_that_hangs_on_a_customer_is_journaled(tenant: Any) -> None:
    rows = query(
        tenant,
        "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid = 'customer'::regclass",
    )
    # INSERT is 4 of tgtype, DELETE 8, UPDATE 16.
    journaled = query(
        tenant,
        "SELECT tgrelid::regclass::text AS name FROM pg_trigger WHERE tgname LIKE 'import_journal%'"
        " GROUP BY tgrelid HAVING bit_or(tgtype) & 28 = 28",
    )
    assert {row.name for row in rows} <= {row.name for row in journaled}


def test_the_file_is_not_kept_longer_than_it_is_needed(tenant: Any) -> None:
    take(tenant, line("ZA1", "Anna"))
    assert not query(tenant, "SELECT FROM import_chunk")
