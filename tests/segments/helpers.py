"""People, what happens to them, and who is in a segment by then."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from app.customers.models import Activity, Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments import service, work
from app.segments.membership import Teller
from app.segments.models import Segment

ACTOR = "user:0190f3a1-7b1c-7000-8000-000000000001"
NOW = datetime.fromisoformat("2026-11-21T10:00:00+00:00")
Rule = dict[str, Any]


def all_of(*rules: Rule) -> Rule:
    return {"combinator": "AND", "rules": list(rules)}


def rule(field: str, operator: str = "isNotNull", value: Any = None) -> Rule:
    return {"field": field, "operator": operator} | ({} if value is None else {"value": value})


def did(event: str, operator: str = "gte", value: Any = 1, **more: Any) -> Rule:
    return {"event": event, "operator": operator, "value": value, **more}


GOLD = all_of(rule("membership_tier", "eq", "Gold"))
PLAYED = all_of(did("teetime.completed", within="90 days"))


def people(tenant_id: UUID, count: int = 1, **values: Any) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    with transaction(tenant_id) as session:
        session.execute(insert(Customer), [{"tenant_id": tenant_id, "id": one, **values} for one in ids])
    return ids


def change(tenant_id: UUID, *who: UUID, **values: Any) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in values)
    rows(tenant_id, f"UPDATE customer SET {sets} WHERE id = ANY(:who) RETURNING id", who=list(who), **values)


def play(tenant_id: UUID, *who: UUID, type: str = "teetime.completed", at: datetime = NOW, **payload: Any) -> None:
    with transaction(tenant_id) as session:
        session.execute(
            insert(Activity),
            [
                {
                    "tenant_id": tenant_id,
                    "id": new_id(),
                    "customer_id": one,
                    "type": type,
                    "category": "golf",
                    "title": "A round",
                    "occurred_at": at - timedelta(minutes=1),
                    "source": "scl",
                    "payload": payload,
                }
                for one in who
            ],
        )


def segment(tenant_id: UUID, criteria: Any = GOLD, name: str = "Gold", now: datetime = NOW, **given: Any) -> Segment:
    """Make a segment and tell who is in it."""
    made = service.create(tenant_id=tenant_id, actor=ACTOR, name=name, criteria=criteria, now=now, **given)
    settle(tenant_id, now)
    return made


def settle(tenant_id: UUID, now: datetime = NOW, tellers: Sequence[Teller] = ()) -> int:
    """Do all that is due, and return how much it was; the counts are right afterwards."""
    done = 0
    while more := work.run_step(tenant_id=tenant_id, now=now, tellers=tellers):
        done += more
        assert done < 1_000_000
    check(tenant_id)
    return done


def members(tenant_id: UUID, one: Segment) -> set[UUID]:
    found = rows(tenant_id, "SELECT customer_id FROM segment_member WHERE segment_id = :id", id=one.id)
    return {row.customer_id for row in found}


def rows(tenant_id: UUID, statement: str, **values: Any) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text(statement), values))


def due(tenant_id: UUID) -> int:
    return int(rows(tenant_id, "SELECT count(*) FROM segment_due")[0][0])


def check(tenant_id: UUID) -> None:
    """What is counted is what is there, and nobody is a member who is no customer."""
    wrong = rows(
        tenant_id,
        """SELECT s.name, s.member_count, count(m.customer_id) AS there FROM segment s
           LEFT JOIN segment_member m ON m.tenant_id = s.tenant_id AND m.segment_id = s.id
           GROUP BY s.tenant_id, s.id HAVING s.member_count <> count(m.customer_id)""",
    )
    assert wrong == []
    strangers = rows(
        tenant_id,
        """SELECT m.customer_id FROM segment_member m
           JOIN segment s ON s.tenant_id = m.tenant_id AND s.id = m.segment_id AND s.archived_at IS NULL
           LEFT JOIN customer c ON c.tenant_id = m.tenant_id AND c.id = m.customer_id AND c.status = 'ACTIVE'
           WHERE c.id IS NULL""",
    )
    assert strangers == []
