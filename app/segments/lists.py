"""The lists of static segments: whom somebody put there, by hand, out of an import, or as pasted lines."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Select, Text, Uuid, bindparam, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TextualSelect

from app.accounts import audit
from app.capture.imports import queries as imports
from app.customers import custom_fields
from app.customers.models import Customer
from app.events.addresses import email_key
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.infra.errors import Conflict, Invalid
from app.infra.figures import figure
from app.infra.queue import Work, wake
from app.segments import asking, membership, schedule, usage
from app.segments.asking import Question
from app.segments.locks import locked
from app.segments.membership import Teller
from app.segments.models import STATIC, Segment, SegmentListed
from app.segments.usage import User

MOST_BY_HAND = 10_000
MOST_LINES = 20_000
MAX_LINE = 320
AT_ONCE = 5_000
"""More people than that are in it a moment later."""

_DUE = text("""
    INSERT INTO segment_due (tenant_id, customer_id, segment_id)
    SELECT :tenant_id, customer_id, :segment_id FROM unnest(CAST(:customers AS uuid[])) AS c(customer_id)
""")
# Whoever was merged stands for the one they went into, and is taken off with them.
_TAKE_OFF = text("""
    DELETE FROM segment_listed l WHERE l.tenant_id = :tenant_id AND l.segment_id = :segment_id
        AND l.customer_id IN (
            SELECT c.id FROM customer c WHERE c.tenant_id = :tenant_id AND c.id = ANY(CAST(:customers AS uuid[]))
            UNION ALL
            SELECT c.id FROM customer c
            WHERE c.tenant_id = :tenant_id AND c.merged_into_id = ANY(CAST(:customers AS uuid[]))
        )
""")
_LEFT = text("""
    SELECT EXISTS (SELECT FROM segment_member WHERE tenant_id = :tenant_id AND segment_id = :segment_id
        AND customer_id <> ALL(CAST(:customers AS uuid[])))
""")
# Whoever is known by one of these: an address, an id of another system such as the member number.
_KNOWN = text("""
    SELECT w.line, c.id FROM unnest(CAST(:lines AS integer[]), CAST(:said AS text[]), CAST(:keys AS text[]))
        AS w(line, said, key)
    CROSS JOIN LATERAL (
        SELECT p.customer_id FROM contact_point p
        WHERE p.tenant_id = :tenant_id AND p.kind = 'email' AND p.key = w.key
        UNION
        SELECT e.customer_id FROM external_id e
        WHERE e.tenant_id = :tenant_id AND e.value = w.said AND e.kind = ANY(:kinds)
    ) AS known
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = known.customer_id
""")
_KINDS = ["scl_member_id", "teetime_player_id"]


class NotStatic(Conflict):
    """Only a static segment has a list."""

    def __init__(self) -> None:
        super().__init__("Who is in a dynamic segment is told by its conditions. Take a snapshot to keep a list.")


@dataclass(frozen=True, slots=True)
class Pasted:
    """How many were put on a list, and the lines that are nobody's, or those of several people, as they were pasted."""

    added: int
    unmatched: list[str]
    ambiguous: list[str]


@again_after_deadlock
def add_people(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    customer_ids: Collection[UUID],
    actor: str,
    tellers: Sequence[Teller],
    now: datetime | None = None,
) -> int:
    """Put customers on the list of a static segment and return how many were not on it; whoever is none is left out.

    They are in it at once. Raises NoSuchSegment, NotStatic, IsArchived, or Invalid for too many at once.
    """
    if len(customer_ids) > MOST_BY_HAND:
        raise Invalid({"customer_ids": f"Add at most {figure(MOST_BY_HAND)} people at once."})
    found = select(Customer.id).where(Customer.tenant_id == tenant_id, Customer.id.in_(customer_ids))
    return _add(tenant_id, segment_id, found, actor, tellers, now)


@again_after_deadlock
def add_imported(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    import_id: UUID | None,
    actor: str,
    tellers: Sequence[Teller],
    now: datetime | None = None,
) -> int:
    """Put everybody on the list whom an import made or changed; as `add_people`. Raises NoSuchImport too."""
    if import_id is None:
        raise Invalid({"import_id": "Choose an import."})
    found = imports.touched(tenant_id=tenant_id, run_id=import_id)
    return _add(tenant_id, segment_id, found, actor, tellers, now)


@again_after_deadlock
def add_pasted(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    lines: str,
    actor: str,
    tellers: Sequence[Teller],
    now: datetime | None = None,
) -> Pasted:
    """Put on the list whoever has one of the e-mail addresses or member numbers, one a line; as `add_people`.

    An address that several people share adds none of them: it is among the ambiguous lines.
    """
    said = list(dict.fromkeys(line.strip() for line in lines.replace(",", "\n").replace(";", "\n").splitlines()))
    said = [line for line in said if line]
    if not said:
        raise Invalid({"lines": "Paste e-mail addresses or member numbers, one a line."})
    if len(said) > MOST_LINES:
        raise Invalid({"lines": f"Paste at most {figure(MOST_LINES)} lines at once."})
    kept = [(at, line) for at, line in enumerate(said) if len(line) <= MAX_LINE and line.isprintable()]
    values = {
        "tenant_id": tenant_id,
        "lines": array(at for at, _ in kept),
        "said": array(line for _, line in kept),
        "keys": array(email_key(line) for _, line in kept),
        "kinds": _KINDS,
    }
    people: dict[int, set[UUID]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_KNOWN, values):
            people.setdefault(row.line, set()).add(row.id)
        chosen = {next(iter(found)) for found in people.values() if len(found) == 1}
        found = select(Customer.id).where(
            Customer.tenant_id == tenant_id,
            Customer.id.in_(select(func.unnest(bindparam("chosen", sorted(chosen), type_=ARRAY(Uuid()))))),
        )
        added = _add(tenant_id, segment_id, found, actor, tellers, now)
    several = [said[at] for at, found_ in people.items() if len(found_) > 1]
    return Pasted(added, [line for at, line in enumerate(said) if at not in people], several)


@again_after_deadlock
def remove_people(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    customer_ids: Collection[UUID],
    actor: str,
    users: Sequence[User],
    tellers: Sequence[Teller],
    now: datetime | None = None,
) -> int:
    """Take customers off the list of a static segment and return how many were on it; they leave it at once.

    Raises InUse if nobody would be left in a segment that something running uses; else as `add_people`.
    """
    if len(customer_ids) > MOST_BY_HAND:
        raise Invalid({"customer_ids": f"Remove at most {figure(MOST_BY_HAND)} people at once."})
    customers = array(sorted(customer_ids))
    with transaction(tenant_id) as session:
        segment = _listing(session, tenant_id, segment_id)
        moment = now or clock.now()
        values = {"tenant_id": tenant_id, "segment_id": segment_id, "customers": customers}
        if segment.member_count and not session.scalar(_LEFT, values):
            usage.refuse(session, tenant_id, segment_id, users, "emptied", idle=False)
        taken: int = session.execute(_TAKE_OFF, values).rowcount  # type: ignore[attr-defined]
        if taken:
            _look(session, segment, sorted(customer_ids), moment, tellers)
            segment.updated_at = moment
            audit.record(session, actor, "segment.remove_people", "segment", segment_id, {"people": taken})
        return taken


def _add(
    tenant_id: UUID, segment_id: UUID, people: Select[Any], actor: str, tellers: Sequence[Teller], now: datetime | None
) -> int:
    with transaction(tenant_id) as session:
        segment = _listing(session, tenant_id, segment_id)
        # Not before the list is ours: who moves does so after whoever was waited for.
        moment = now or clock.now()
        added = put(session, segment, people, actor, moment)
        if added:
            _look(session, segment, added, moment, tellers)
            segment.updated_at = moment
            audit.record(session, actor, "segment.add_people", "segment", segment_id, {"people": len(added)})
        return len(added)


def put(
    session: Session, segment: Segment, people: Select[Any] | TextualSelect, actor: str, now: datetime
) -> list[UUID]:
    """Put whoever the statement finds on the list, those who were merged as who they went into; return who is new."""
    chosen = people.subquery("chosen")
    lead = func.coalesce(Customer.merged_into_id, Customer.id)
    listed = SegmentListed
    found = (
        select(
            literal(segment.tenant_id, Uuid()),
            literal(segment.id, Uuid()),
            lead,
            literal(now, DateTime(timezone=True)),
            literal(actor, Text()),
        )
        .join(chosen, Customer.id == chosen.c[0])
        .where(Customer.tenant_id == segment.tenant_id)
        .distinct()
    )
    columns = ["tenant_id", "segment_id", "customer_id", "listed_at", "listed_by"]
    made = postgresql.insert(listed).from_select(columns, found).on_conflict_do_nothing()
    return list(session.scalars(made.returning(listed.customer_id)))


def _look(session: Session, segment: Segment, people: Sequence[UUID], now: datetime, tellers: Sequence[Teller]) -> None:
    """Let those whose place on the list is another enter or leave: at once, or, where they are many, by upkeep."""
    if len(people) > AT_ONCE or segment.refreshing_since is not None:
        values = {"tenant_id": segment.tenant_id, "segment_id": segment.id, "customers": array(people)}
        session.execute(_DUE, values)
        wake(Work.REFRESH_SEGMENTS, segment.tenant_id)
        return
    catalogue = custom_fields.catalogue(tenant_id=segment.tenant_id)
    place = schedule.place_of(session, segment.tenant_id, segment.club_id)
    question = Question.of(segment, catalogue, place)
    membership.write(
        session,
        tenant_id=segment.tenant_id,
        wanted=asking.of_people(segment.tenant_id, [question]),
        segments=asking.days([question], now),
        customers=array(people),
        now=now,
        tellers=tellers,
    )
    session.refresh(segment, ["member_count"])


def _listing(session: Session, tenant_id: UUID, segment_id: UUID) -> Segment:
    segment = locked(session, tenant_id, segment_id, in_use=True)
    if segment.type != STATIC:
        raise NotStatic
    return segment


def copy_list(session: Session, one: Segment, other: Segment, actor: str, now: datetime) -> None:
    """Put whoever is on one list on another, as they stand on it: who was merged comes back when that is undone."""
    listed = SegmentListed
    found = select(
        listed.tenant_id,
        literal(other.id, Uuid()),
        listed.customer_id,
        literal(now, DateTime(timezone=True)),
        literal(actor, Text()),
    ).where(listed.tenant_id == one.tenant_id, listed.segment_id == one.id)
    columns = ["tenant_id", "segment_id", "customer_id", "listed_at", "listed_by"]
    session.execute(postgresql.insert(listed).from_select(columns, found).on_conflict_do_nothing())
