"""The door: every event answered, each kept once."""

from datetime import UTC, datetime
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from sqlalchemy import text

from app.events import log
from app.events.log import Status
from app.infra.db import transaction

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(id_: str = "e1", **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "pos.purchase",
        "timestamp": "2026-11-20T10:00:00Z",
        "identity": {"email": "ann@example.com"},
    } | changes


def rows(tenant: Any) -> list[Any]:
    with transaction(tenant.id) as session:
        return list(session.execute(text("SELECT * FROM inbound_event ORDER BY id")).all())


def append(tenant: Any, *events: Any, **more: Any) -> list[tuple[str | None, Status]]:
    return [(one.id, one.status) for one in log.append(tenant_id=tenant.id, events=events, now=NOW, **more)]


def test_a_repeat_is_a_duplicate_in_one_batch_and_in_two(tenant: Any) -> None:
    first = append(tenant, event("a", payload={"n": 1}), event("a", payload={"n": 2}), event("b"))
    assert first == [("a", Status.ACCEPTED), ("a", Status.DUPLICATE), ("b", Status.ACCEPTED)]
    assert append(tenant, event("b"), event("c")) == [("b", Status.DUPLICATE), ("c", Status.ACCEPTED)]
    kept = rows(tenant)
    assert [row.event_id for row in kept] == ["a", "b", "c"]
    assert kept[0].payload == {"n": 1}


def test_sources_have_ids_of_their_own(tenant: Any, other_tenant: Any) -> None:
    assert append(tenant, event("a"), event("a", source="till")) == [("a", Status.ACCEPTED)] * 2
    assert append(other_tenant, event("a")) == [("a", Status.ACCEPTED)]
    assert append(tenant, event("a"), source_default="bar") == [("a", Status.ACCEPTED)]
    assert {row.source for row in rows(tenant)} == {"pos", "till", "bar"}


def test_bad_ones_are_refused_singly(tenant: Any) -> None:
    results = log.append(
        tenant_id=tenant.id,
        events=[
            b"nonsense",
            "[]",
            event("\ud800"),
            event("nul\x00"),
            event("late", timestamp="yesterday"),
            event("ok"),
        ],
        now=NOW,
    )
    assert [one.status for one in results] == [Status.REJECTED] * 5 + [Status.ACCEPTED]
    assert [one.id for one in results] == [None, None, "?", "nul\\u0000", "late", "ok"]
    assert all(one.reason for one in results[:5])
    assert len(rows(tenant)) == 1


def test_a_number_is_judged_in_the_clubs_country(tenant: Any) -> None:
    phone = {"identity": {"phone_number": "082 768 8932"}}
    british = {"identity": {"phone_number": "07913 522698"}}
    assert append(tenant, event("a", **phone), event("b", **british)) == [
        ("a", Status.ACCEPTED),
        ("b", Status.REJECTED),
    ]


def test_a_club_added_a_moment_ago_lets_its_numbers_in(tenant: Any) -> None:
    british = {"identity": {"phone_number": "07913 522698"}}
    assert append(tenant, event("a", **british)) == [("a", Status.REJECTED)]
    with transaction(tenant.id) as session:
        session.execute(
            text(
                "INSERT INTO club (tenant_id, name, country, timezone, locale, currency)"
                " VALUES (:tenant_id, 'Surrey Links', 'GB', 'Europe/London', 'en_GB', 'GBP')"
            ),
            {"tenant_id": tenant.id},
        )
    assert append(tenant, event("b", **british)) == [("b", Status.ACCEPTED)]


def test_a_batch_has_a_limit(tenant: Any) -> None:
    with pytest.raises(ValueError, match="1000 at most"):
        log.append(tenant_id=tenant.id, events=[event(str(n)) for n in range(1001)])


def test_ids_sort_as_they_were_given_and_are_of_version_7() -> None:
    ids = log.new_ids(9000)
    assert ids == sorted(set(ids))
    assert {(one.version, one.variant) for one in map(UUID, ids)} == {(7, RFC_4122)}
