"""What a resolved batch writes: customers and their hints, what events changed on them, activities, proofs of consent.

Every statement takes the whole batch.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts.queries import tenant_info
from app.capture import topic_words
from app.capture.claimed import Claimed
from app.capture.identity import Resolution
from app.capture.reasons import Match
from app.customers import consent_rows, custom_fields, facts, merge, records
from app.customers.facts import CONSENT_FIELDS, Fact
from app.customers.records import Record, hint_words
from app.events import catalogue
from app.events.log import new_ids
from app.infra.arrays import array
from app.infra.figures import written_for

Owned = tuple[Claimed, UUID]
"""An event and the customer it is (now) of."""
Arriving = Mapping[UUID, tuple[str, dict[str, Any]]]
"""By event: the id its sender gave it, and the hints it named."""

# Ids are made here: the database, which asks the system for its chance each time, takes longer than for the rest.
_IDS = text("""
    INSERT INTO external_id (tenant_id, id, customer_id, kind, value, source)
    SELECT :tenant_id, r.id, r.customer_id, r.kind, r.value, 'event'
    FROM unnest(cast(:ids AS uuid[]), cast(:customers AS uuid[]), cast(:kinds AS text[]), cast(:values AS text[]))
        AS r(id, customer_id, kind, value)
    ON CONFLICT (tenant_id, kind, value) DO UPDATE SET customer_id = excluded.customer_id
""")
_POINTS = text("""
    INSERT INTO contact_point (tenant_id, id, customer_id, kind, key, value, source)
    SELECT :tenant_id, r.id, r.customer_id, r.kind, r.key, r.key, 'event'
    FROM unnest(cast(:ids AS uuid[]), cast(:customers AS uuid[]), cast(:kinds AS text[]), cast(:keys AS text[]))
        AS r(id, customer_id, kind, key)
    ON CONFLICT (tenant_id, kind, key, customer_id) DO NOTHING
""")
_LOST_POINTS = text("""
    DELETE FROM contact_point p
    USING unnest(cast(:customers AS uuid[]), cast(:kinds AS text[]), cast(:keys AS text[])) AS r(customer_id, kind, key)
    WHERE p.tenant_id = :tenant_id AND p.customer_id = r.customer_id AND p.kind = r.kind AND p.key = r.key
""")
# Takes an event off the waiting list and makes its activity from the same row. An activity has the id of its event: the
# timeline leads to the event behind it, and a moved event finds its activity.
_APPLIED = text("""
    WITH done AS (
        UPDATE inbound_event e SET status = 'processed', processed_at = :now, reason = r.reason,
            customer_id = r.customer_id, matched_by = string_to_array(r.matched_by, ','), confidence = r.confidence,
            attempts = e.attempts + 1
        FROM unnest(cast(:ids AS uuid[]), cast(:customers AS uuid[]), cast(:matched AS text[]),
            cast(:confidences AS int[]), cast(:reasons AS text[]), cast(:categories AS text[]),
            cast(:titles AS text[]), cast(:clubs AS uuid[]))
            AS r(id, customer_id, matched_by, confidence, reason, category, title, club_id)
        WHERE e.tenant_id = :tenant_id AND e.id = r.id
        RETURNING e.id, e.customer_id, e.type, e.occurred_at, e.source, e.payload, r.category, r.title, r.club_id
    )
    INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type,
        object_id, club_id, payload)
    SELECT :tenant_id, id, customer_id, type, category, title, occurred_at, source, 'event', id, club_id, payload
    FROM done
""")
# Events that nobody has written yet (rows of a file): the log's row as it is once it is applied, and the activity.
_ARRIVED = text("""
    WITH r AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(id uuid, event_id text, source text, type text,
            occurred_at timestamptz, identity jsonb, payload jsonb, customer_id uuid, matched_by text[],
            confidence int, reason text, category text, title text, club_id uuid)
    ), kept AS (
        INSERT INTO inbound_event (tenant_id, id, source, event_id, type, occurred_at, received_at, identity, payload,
            status, processed_at, reason, customer_id, matched_by, confidence, attempts)
        SELECT :tenant_id, id, source, event_id, type, occurred_at, :now, identity, payload, 'processed', :now, reason,
            customer_id, matched_by, confidence, 1
        FROM r
    )
    INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type,
        object_id, club_id, payload)
    SELECT :tenant_id, id, customer_id, type, category, title, occurred_at, source, 'event', id, club_id, payload
    FROM r
""")
_CONSENTS = text("""
    INSERT INTO consent_change (tenant_id, customer_id, channel, opted_in, changed_at, source, how, address, evidence)
    SELECT :tenant_id, r.customer_id, r.channel, r.opted_in, r.changed_at, r.source, 'event', r.address, r.evidence
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(customer_id uuid, channel text, opted_in boolean,
        changed_at timestamptz, source text, address text, evidence jsonb)
""")
# What hangs on one event goes with it to its true owner; a walk the event began too, unless they have it already.
_MOVED = "WITH r AS (SELECT * FROM unnest(cast(:events AS uuid[]), cast(:owners AS uuid[])) AS m(event_id, owner))"
_MOVES = tuple(
    text(f"{_MOVED} {statement}")
    for statement in (
        "UPDATE activity a SET customer_id = r.owner FROM r WHERE a.tenant_id = :tenant_id AND a.id = r.event_id",
        "UPDATE inbound_event e SET customer_id = r.owner FROM r WHERE e.tenant_id = :tenant_id AND e.id = r.event_id",
        """
        UPDATE consent_change c SET customer_id = r.owner FROM r
        WHERE c.tenant_id = :tenant_id AND c.customer_id = ANY(cast(:before AS uuid[]))
            AND c.evidence ->> 'event_row' = cast(r.event_id AS text)
        """,
        """
        UPDATE journey_enrollment e SET customer_id = r.owner FROM r
        WHERE e.tenant_id = :tenant_id AND e.customer_id = ANY(cast(:before AS uuid[]))
            AND e.trigger_event_id = r.event_id AND NOT EXISTS (
                SELECT FROM journey_enrollment o WHERE o.tenant_id = e.tenant_id AND o.journey_id = e.journey_id
                    AND o.customer_id = r.owner AND o.entry = e.entry)
        """,
    )
)
_LAST_ACTIVITY = text("""
    SELECT DISTINCT ON (customer_id) customer_id, occurred_at, type FROM activity
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[]))
        AND type <> ALL(cast(:second_hand AS text[]))
    ORDER BY customer_id, occurred_at DESC, id DESC
""")


def write(
    session: Session,
    tenant_id: UUID,
    events: Sequence[Claimed],
    found: Resolution,
    now: datetime,
    *,
    arriving: Arriving | None = None,
) -> tuple[set[UUID], dict[UUID, UUID]]:
    """Write the batch; return the customers whose consent changed, and loser → winner of the profiles merged.

    The events stand in the log and wait there, or are written to it now: then `arriving` has the id that their sender
    gave each, and the hints it named.
    """
    pairs = [merge.Merge(one.winner, one.loser, one.reason) for one in found.joins]
    merged = merge.join(session, tenant_id, pairs, by=merge.SYSTEM, now=now)
    hear_custom(session, tenant_id, events)
    hear_custom(session, tenant_id, found.divided, archived=True)
    fresh = [(one, found.matches[one.id].customer_id) for one in events]
    past = [
        (one, found.moves.get(one.id) or merged.get(owner, owner))
        for one in found.divided
        if (owner := one.evidence.customer_id)
    ]
    # Activities come first, but of those who are not there yet: other batches need not wait for customers meanwhile.
    made = set(found.created)
    there = [one for one in fresh if one[1] not in made] if made else fresh
    _apply(session, tenant_id, there, found.matches, now, arriving)
    people = _people(session, tenant_id, found, fresh, past, merged)
    consented = _change_people(people, fresh, past, merged)
    _let_be_found(people, found, merged)
    records.save(session, tenant_id, people.values(), now)
    write_hints(session, tenant_id, found)
    if made:
        made_now = [one for one in fresh if one[1] in made]
        _apply(session, tenant_id, made_now, found.matches, now, arriving)
    _move(session, tenant_id, found, people, now)
    _write_consents(session, tenant_id, fresh)
    return consented | topic_words.hear(session, tenant_id, fresh), merged


def hear_custom(session: Session, tenant_id: UUID, events: Iterable[Claimed], *, archived: bool = False) -> None:
    """Let events say what their payload's `custom` holds of the tenant's own fields.

    With `archived` of archived ones too: what an event said before, it may have to take to another customer.
    """
    telling = [one for one in events if isinstance(one.payload.get("custom"), dict)]
    if telling:
        known = custom_fields.load_to_write(session, tenant_id)
        for event in telling:
            event.said.update(custom_fields.heard(event.payload["custom"], known, archived=archived))


def _people(
    session: Session,
    tenant_id: UUID,
    found: Resolution,
    fresh: list[Owned],
    past: list[Owned],
    merged: dict[UUID, UUID],
) -> dict[UUID, Record]:
    """Return the records of everybody the batch may change: the new ones blank, the others locked."""
    people = {one: records.blank(one) for one in found.created}
    wanted = {owner for _, owner in (*fresh, *past)} | {owner for owner, _ in found.lost_points}
    wanted |= {merged.get(owner, owner) for owner, _ in found.lost_ids}
    people.update(records.lock(session, tenant_id, wanted - people.keys()))
    return people


def _change_people(
    people: dict[UUID, Record], fresh: list[Owned], past: list[Owned], merged: dict[UUID, UUID]
) -> set[UUID]:
    """Change the records by what the events say; return who has another consent than before."""
    divided = {owner for _, owner in past} | {merged.get(one, one) for event, _ in past if (one := _former(event))}
    before = {one: _consents(people[one]) for one in divided if one in people}
    for event, owner in past:
        former = _former(event)
        former = merged.get(former, former) if former else None
        if former and former != owner:
            for fact in facts_of(event):
                facts.withdraw(people[former], fact)
    for event, owner in past:
        for fact in facts_of(event):
            facts.apply(people[owner], fact)
    changed = set()
    for event, owner in fresh:
        record = people[owner]
        for fact in facts_of(event, record.facts_at):
            if facts.apply(record, fact) and fact.field in _CONSENT_COLUMNS and owner not in before:
                changed.add(owner)
        last = record.values["last_activity_at"]
        if event.type.second_hand:
            continue
        if last is None or (event.occurred_at, event.type.name) > (last, record.values["last_activity_type"] or ""):
            record.set("last_activity_at", event.occurred_at)
            record.set("last_activity_type", event.type.name)
    return changed | {one for one, consents in before.items() if _consents(people[one]) != consents}


_CONSENT_COLUMNS = frozenset(CONSENT_FIELDS.values())


def _former(event: Claimed) -> UUID | None:
    return event.evidence.customer_id


def _consents(record: Record) -> list[Any]:
    return [record.values[column] for column in _CONSENT_COLUMNS]


def facts_of(event: Claimed, facts_at: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Fact]:
    """Yield what an event says about the fields of its customer.

    With the customer's `facts_at`, the addresses and clubs that can't hold against it are left out.
    """
    kind, at = event.type, facts.moment(event.occurred_at)
    fills = kind.second_hand and event.payload.get("fill") is True
    for name, value in event.said.items():
        if name != "club":
            yield Fact(name, value, at, weak=fills)
    for name, value in kind.constants:
        if name not in event.said:
            yield Fact(name, value, at)
    for point, key in event.evidence.points:
        if kind.speaks_for_contact:
            yield Fact(point, key, at, weak=fills)
        elif not facts.outdoes(facts_at.get(point), at):
            yield Fact(point, key, at, weak=True)
    club_id = event.evidence.club_id
    if club_id:
        if "club" in event.said:
            yield Fact("club_id", club_id, at, weak=fills)
        elif not facts.outdoes(facts_at.get("club_id"), at):
            yield Fact("club_id", club_id, at, weak=True)
    for channel, opted_in in consents_of(event):
        yield Fact(CONSENT_FIELDS[channel], opted_in, at, weak=kind.second_hand and opted_in)
    if kind.marks:
        for column in kind.marks(event.payload):
            yield Fact(column, event.occurred_at, at)


def consents_of(event: Claimed) -> Iterator[tuple[str, bool]]:
    """Yield (channel, opted in) for each channel that an event speaks of as a whole, and not of a topic on it."""
    if event.type.topics and event.type.named_topics(event.payload):
        return
    for consent in event.type.consents:
        opted_in = consent.read(event.payload)
        if opted_in is not None:
            yield consent.channel, opted_in


def _let_be_found(people: dict[UUID, Record], found: Resolution, merged: dict[UUID, UUID]) -> None:
    hints: dict[UUID, list[tuple[str, str]]] = defaultdict(list)
    for pair, owner in found.ids.items():
        hints[owner].append(pair)
    for owner, pair in found.points:
        hints[owner].append(pair)
    for holder, pair in (*found.lost_points, *found.lost_ids):
        people[merged.get(holder, holder)].lose(hint_words([pair]))
    for owner, record in people.items():
        if owner in hints:
            record.find_by(hint_words(hints[owner]))


def write_hints(session: Session, tenant_id: UUID, found: Resolution) -> None:
    """Give customers the ids and contact points a resolution gives them, and take away what they lost."""
    if found.ids:
        ids = sorted(found.ids.items())
        session.execute(
            _IDS,
            {
                "tenant_id": tenant_id,
                "ids": array(new_ids(len(ids))),
                "customers": array(owner for _, owner in ids),
                "kinds": array(kind for (kind, _), _ in ids),
                "values": array(value for (_, value), _ in ids),
            },
        )
    for statement, points in ((_POINTS, found.points), (_LOST_POINTS, found.lost_points)):
        if points:
            session.execute(
                statement,
                {
                    "tenant_id": tenant_id,
                    "ids": array(new_ids(len(points))),
                    "customers": array(owner for owner, _ in points),
                    "kinds": array(kind for _, (kind, _) in points),
                    "keys": array(key for _, (_, key) in points),
                },
            )


def _move(session: Session, tenant_id: UUID, found: Resolution, people: dict[UUID, Record], now: datetime) -> None:
    if not found.moves:
        return
    whose = {one.evidence.customer_id for one in found.divided} | set(found.moves.values())
    hand_over(session, tenant_id, found.moves, {one: people[one] for one in people.keys() & whose}, before=people)
    records.save(session, tenant_id, people.values(), now)


def hand_over(
    session: Session,
    tenant_id: UUID,
    moves: Mapping[UUID, UUID],
    people: Mapping[UUID, Record],
    *,
    before: Iterable[UUID] | None = None,
) -> None:
    """Give events, by row, to their owners with all that hangs on them; `before` are those who may have them now.

    The records of `people` (to be saved by the caller) learn what happened last to each.
    """
    values = {
        "tenant_id": tenant_id,
        "events": array(moves),
        "owners": array(moves.values()),
        "before": array(people if before is None else before),
    }
    consent_rows.hand_over(session, tenant_id, moves, list(people if before is None else before))
    for statement in _MOVES:
        session.execute(statement, values)
    told = array(kind.name for kind in catalogue.known() if kind.second_hand)
    for row in session.execute(_LAST_ACTIVITY, {"tenant_id": tenant_id, "ids": array(people), "second_hand": told}):
        people[row.customer_id].set("last_activity_at", row.occurred_at)
        people[row.customer_id].set("last_activity_type", row.type)


def _apply(
    session: Session,
    tenant_id: UUID,
    fresh: list[Owned],
    matches: dict[UUID, Match],
    now: datetime,
    arriving: Arriving | None,
) -> None:
    if not fresh:
        return
    found = [matches[event.id] for event, _ in fresh]
    with written_for(tenant_info(tenant_id=tenant_id).locale):
        titles = [catalogue.title(event.type, event.payload) for event, _ in fresh]
    if arriving is not None:
        rows = [
            {
                "id": event.id,
                "event_id": arriving[event.id][0],
                "source": event.source,
                "type": event.type.name,
                "occurred_at": event.occurred_at,
                "identity": arriving[event.id][1],
                "payload": event.payload,
                "customer_id": owner,
                "matched_by": match.matched_by,
                "confidence": match.confidence,
                "reason": match.reason,
                "category": event.type.category,
                "title": title,
                "club_id": event.evidence.club_id,
            }
            for (event, owner), match, title in zip(fresh, found, titles, strict=True)
        ]
        session.execute(_ARRIVED, {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode(), "now": now})
        return
    session.execute(
        _APPLIED,
        {
            "tenant_id": tenant_id,
            "now": now,
            "ids": array(event.id for event, _ in fresh),
            "customers": array(owner for _, owner in fresh),
            # The kinds of ids hold no commas.
            "matched": array(",".join(match.matched_by) for match in found),
            "confidences": array(match.confidence for match in found),
            "reasons": array(match.reason for match in found),
            "categories": array(event.type.category for event, _ in fresh),
            "titles": array(titles),
            "clubs": array(event.evidence.club_id for event, _ in fresh),
        },
    )


def _write_consents(session: Session, tenant_id: UUID, fresh: list[Owned]) -> None:
    rows = [
        {
            "customer_id": owner,
            "channel": channel,
            "opted_in": opted_in,
            "changed_at": event.occurred_at,
            "source": event.source,
            "address": dict(event.evidence.points).get("email" if channel == "EMAIL" else "phone"),
            "evidence": {
                "event_row": event.id,
                "event": event.evidence.key.partition("\x1f")[2],
                "payload": event.payload,
            },
        }
        for event, owner in fresh
        for channel, opted_in in consents_of(event)
    ]
    if rows:
        session.execute(_CONSENTS, {"tenant_id": tenant_id, "rows": _dumped(rows)})


def _dumped(rows: Iterable[dict[str, Any]]) -> str:
    return orjson.dumps(list(rows)).decode()
