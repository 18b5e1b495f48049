"""Who is found by what is typed: the same by either way of looking, in one order, and as soon as it is written."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import event, text, update

from app.capture import merging
from app.customers import mass_update, queries, records, search, service
from app.customers.models import Customer
from app.infra.config import load
from app.infra.db import transaction
from app.infra.errors import UserError
from app.infra.ids import new_id
from app.infra.paging import encode_cursor
from tests.capture.people import NOW, STAFF

BEFORE = "0024"
"""The last migration without words."""
MIGRATIONS = str(Path(__file__).parents[2] / "migrations")


def make(tenant: Any, **fields: Any) -> UUID:
    id_ = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=id_, **fields))
    return id_


def found(tenant: Any, q: str | None = None, **filters: Any) -> list[str]:
    """Return the first names found, all pages of them."""
    names, cursor = list[str](), None
    while True:
        page = queries.customers(tenant_id=tenant.id, q=q, cursor=cursor, **filters)
        names += [one.first_name or "" for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return names


def kept(tenant: Any, table: str, column: str) -> set[str]:
    with transaction(tenant.id) as session:
        return set(session.scalars(text(f"SELECT {column} FROM {table}")))


@pytest.mark.parametrize(
    "typed",
    [
        *("O'Brien-Müller", "o'brien", "obrien", "Müller", "MULLER", "brien müll", "Müller, Seán", "sean", "O’Brien"),
        *("sean.o@example.com", "SEAN.O@EX", "Seán <sean.o@example.com>", "sean.o", "AB-4711", "ab4711", "4711"),
        *("0824751967", "+27 82 475 1967", "0027824751967", "+27 (0)82 475 1967", "(082) 475-19"),
        *("0198c0de-aaaa-7bbb-8ccc-0123456789ab", "0198c0de-aaaa", "0198C0DE"),
    ],
)
def test_all_ways_to_write_what_one_is_known_by(tenant: Any, typed: str) -> None:
    known = "27824751967 0824751967 ab-4711 0198c0de-aaaa-7bbb-8ccc-0123456789ab"
    make(
        tenant,
        first_name="Seán",
        last_name="O'Brien-Müller",
        email="sean.o@example.com",
        phone="+27824751967",
        search_extra=known,
    )
    make(tenant, first_name="Anna", last_name="Nel")
    assert found(tenant, typed) == ["Seán"]


def test_whole_words_come_before_beginnings(tenant: Any) -> None:
    make(tenant, first_name="Long", last_name="Aaa", search_extra="47110")
    make(tenant, first_name="Exact", last_name="Zzz", search_extra="4711")
    make(tenant, first_name="Longer", last_name="Bbb", search_extra="471100")
    assert found(tenant, "4711") == ["Exact", "Long", "Longer"]


def test_what_is_written_is_found_at_once_and_what_is_gone_no_more(tenant: Any) -> None:
    ann = make(tenant, first_name="Ann", last_name="Old", tags=["a", "b"])
    service.update(tenant_id=tenant.id, customer_id=ann, changes={"last_name": "New", "tags": ["b", "c"]}, actor="x")
    assert (found(tenant, "new"), found(tenant, "old")) == (["Ann"], [])
    assert kept(tenant, "customer_tag", "tag") == {"b", "c"}
    mass_update.change_all(
        tenant_id=tenant.id, customer_ids=[ann], set_fields={"last_name": "Newer"}, add_tags=["d"], remove_tags=["b"]
    )
    assert kept(tenant, "customer_word", "word") == {"ann", "newer"}
    assert (found(tenant, tag="d"), found(tenant, tag="b")) == (["Ann"], [])
    bob = make(tenant, first_name="Bob", tags=["e"], search_extra="m77")
    merge_id = merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=bob, reason="one", actor=STAFF)
    assert (found(tenant, "m77"), found(tenant, tag="e")) == (["Ann"], ["Ann"])
    merging.undo(tenant_id=tenant.id, merge_id=merge_id, actor=STAFF)
    assert (found(tenant, "m77"), found(tenant, tag="e"), found(tenant, "newer")) == (["Bob"], ["Bob"], ["Ann"])
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer"))
    assert kept(tenant, "customer_word", "word") | kept(tenant, "customer_tag", "tag") == set()


@pytest.mark.parametrize("changes", [{"last_activity_type": "x"}, {"handicap_index": Decimal("12.1")}])
def test_what_most_events_change_has_nothing_to_do_with_words(tenant: Any, changes: dict[str, Any]) -> None:
    ann = make(tenant, first_name="Ann", email="ann@example.com", tags=["a"])
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    with transaction(tenant.id) as session:
        person = records.lock(session, tenant.id, [ann])[ann]
        for column, value in changes.items():
            person.set(column, value)
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        records.save(session, tenant.id, [person], NOW)
        event.remove(connection, "before_cursor_execute", note)
        [(statement, values)] = asked
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE) {statement}", values).scalars().all()
    assert plan[0].startswith("Update on customer")
    assert not [line for line in plan if line.startswith("Trigger customer")], plan


def test_nobody_of_another_tenant_is_found(tenant: Any, other_tenant: Any) -> None:
    make(other_tenant, first_name="Theirs", last_name="Same", tags=["vip"])
    make(tenant, first_name="Ours", last_name="Same", tags=["vip"])
    assert found(tenant, "same") == found(tenant, tag="vip") == ["Ours"]


LETTERS = "abc"


def crowd(tenant: Any, draw: Random, club_id: UUID) -> list[dict[str, Any]]:
    people = [
        {
            "id": new_id(),
            "first_name": "".join(draw.choices(LETTERS, k=draw.randint(1, 3))),
            "last_name": draw.choice((None, "".join(draw.choices(LETTERS, k=2)))),
            "tags": draw.sample(["x", "y", "z"], draw.randint(0, 2)),
            "membership_tier": draw.choice(("Gold", None)),
            "lifecycle_stage": draw.choice(("MEMBER", "LEAD")),
            "club_id": draw.choice((club_id, None)),
            "status": draw.choices(("ACTIVE", "MERGED"), (9, 1))[0],
        }
        for _ in range(120)
    ]
    with transaction(tenant.id) as session:
        session.add_all([Customer(tenant_id=tenant.id, **one) for one in people])
    return people


def questions(draw: Random, club_id: UUID) -> Iterator[dict[str, Any]]:
    for _ in range(40):
        words = ["".join(draw.choices(LETTERS, k=draw.randint(1, 2))) for _ in range(draw.randint(0, 2))]
        yield {
            "q": " ".join(words) or None,
            "tag": draw.choice((None, "x", "nobody's")),
            "tier": draw.choice((None, "Gold")),
            "stage": draw.choice((None, "LEAD")),
            "club_id": draw.choice((None, club_id)),
        }


def fits(one: dict[str, Any], asked: dict[str, Any]) -> bool:
    names = [name for name in (one["first_name"], one["last_name"]) if name]
    return (
        one["status"] == "ACTIVE"
        and all(any(name.startswith(word) for name in names) for word in (asked["q"] or "").split())
        and (asked["tag"] is None or asked["tag"] in one["tags"])
        and (asked["tier"] or one["membership_tier"]) == one["membership_tier"]
        and (asked["stage"] or one["lifecycle_stage"]) == one["lifecycle_stage"]
        and (asked["club_id"] or one["club_id"]) == one["club_id"]
    )


def expected(people: list[dict[str, Any]], asked: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the (word, name) by which each of those who fit stand in the list, in order."""
    word = max((asked["q"] or "").split(), key=len, default=None)
    found = []
    for one in people:
        if fits(one, asked):
            first, last = one["first_name"], one["last_name"]
            name = " ".join(dict.fromkeys(filter(None, (last, first)))) if word else f"1{last or ''} {first} "
            words = sorted(each for each in (first, last) if each and word and each.startswith(word))
            found.append((words[0] if words else "", name, str(one["id"])))
    return sorted(found)


@pytest.mark.parametrize(("narrow", "wide"), [(500, 50_000), (5, 30), (5, 10_000), (0, 0)])
def test_every_way_finds_the_same_people_in_the_same_order(
    tenant: Any, monkeypatch: pytest.MonkeyPatch, narrow: int, wide: int
) -> None:
    monkeypatch.setattr(search, "NARROW", narrow)
    monkeypatch.setattr(search, "WIDE", wide)
    draw = Random(f"{narrow} {wide}")
    with transaction(tenant.id) as session:
        club_id = session.execute(text("SELECT id FROM club")).scalar_one()
    people = crowd(tenant, draw, club_id)
    for asked in questions(draw, club_id):
        ids, cursor = list[str](), None
        while True:
            page = queries.customers(tenant_id=tenant.id, cursor=cursor, limit=7, **asked)
            ids += [str(one.id) for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert ids == [one[-1] for one in expected(people, asked)], asked


@pytest.mark.parametrize("narrow", [500, -1])
def test_words_beyond_what_the_index_holds_are_found_too(
    tenant: Any, monkeypatch: pytest.MonkeyPatch, narrow: int
) -> None:
    monkeypatch.setattr(search, "NARROW", narrow)
    ids = " ".join(f"number{at}" for at in range(1000, 1100))
    make(tenant, first_name="Ann", last_name="Nel", email="ann.nel@example.com", search_extra=f"{ids} zuletzt")
    make(tenant, first_name="Ann", last_name="Botha")
    assert found(tenant, "ann zuletzt") == found(tenant, "nel number1099") == ["Ann"]
    assert found(tenant, "ann.nel@ex zuletzt") == found(tenant, "ann.nel@example.com") == ["Ann"]
    assert found(tenant, "ann.nel@other") == found(tenant, "@example.com") == []


@pytest.mark.parametrize("letter", ["x", "é", "ß"])
def test_words_alike_as_far_as_they_are_kept_are_kept_once(tenant: Any, letter: str) -> None:
    names = {"first_name": letter * 101, "last_name": letter * 102}
    make(tenant, **names)
    changed = make(tenant, first_name="Ann")
    with transaction(tenant.id) as session:
        session.execute(update(Customer).where(Customer.id == changed).values(**names))
    assert found(tenant, letter * 101) == [letter * 101] * 2
    assert found(tenant, letter * 40) == [letter * 101] * 2


@pytest.mark.parametrize("cursor", [encode_cursor(2, "x", str(new_id())), encode_cursor(None, "x", str(new_id()))])
def test_a_cursor_nobody_gave_out_is_refused(tenant: Any, cursor: str) -> None:
    with pytest.raises(UserError):
        queries.customers(tenant_id=tenant.id, q="a", cursor=cursor)


def test_postgres_and_python_part_words_alike(tenant: Any) -> None:
    signs = "".join(chr(at) for at in (*range(0x21, 0x7F), 0x2010, 0x2013, 0x2015, 0x2018, 0x2019) if chr(at) != "@")
    for sign in signs:
        make(tenant, first_name=f"one{sign}two")
    assert kept(tenant, "customer_word", "word") >= {"one", "two", "onetwo"}
    for sign in signs:
        if not re.match(r"\w", sign):
            assert search.words_of(f"one{sign}two") == ["one", "two"], sign


@pytest.mark.committed
def test_those_who_were_there_before_are_found_after_the_migration(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenants = [make_tenant("Mine"), make_tenant("Other")]
    load.cache_clear()
    downgrade(directory=MIGRATIONS, revision=BEFORE)
    for tenant in tenants:
        with transaction(tenant.id) as session:  # type: ignore[attr-defined]
            session.execute(
                text("""
                    INSERT INTO customer (tenant_id, first_name, last_name, tags)
                    VALUES (:t, 'Ann', 'Old', '{vip}'), (:t, NULL, NULL, '{}')
                """),
                {"t": tenant.id},  # type: ignore[attr-defined]
            )
    upgrade(directory=MIGRATIONS)
    load.cache_clear()
    for tenant in tenants:
        assert found(tenant, "old") == found(tenant, tag="vip") == ["Ann"]
