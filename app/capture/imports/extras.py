"""What a row says besides a person's fields: tags, a note, what they said of topics. Sets, in the batch's transaction.

Tags are added and never taken away; a note whose words stand there already is not written again; a yes to a topic never
takes the place of an answer somebody gave.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.claimed import Claimed
from app.capture.identity import Resolution
from app.customers import consent_rows, note_rows, tag_rows
from app.customers.consent_rows import SUBSCRIBED, UNSUBSCRIBED, Rule, Said

HOW = "import"
_TOPICS = text("SELECT key, id FROM topic WHERE tenant_id = :tenant_id")
_NOBODY = UUID(int=0)


@dataclass(slots=True)
class Extras:
    """What is other than before, by the event's row: changes of the profile, and of consent."""

    changes: dict[UUID, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    consents: dict[UUID, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    consented: set[UUID] = field(default_factory=set)


def write(
    session: Session,
    tenant_id: UUID,
    claimed: list[Claimed],
    found: Resolution,
    *,
    file_name: str,
    by: str,
    now: datetime,
) -> Extras:
    """Write tags, notes and topics' consents of the rows; return what that changed. `by` is who imports."""
    out = Extras()
    _tags(session, tenant_id, claimed, found, out, now)
    _notes(session, tenant_id, claimed, found, out, file_name, by, now)
    _consents(session, tenant_id, claimed, found, out, by, now)
    return out


def _telling(claimed: list[Claimed], found: Resolution, name: str) -> Iterator[tuple[UUID, UUID, Any]]:
    for one in claimed:
        if one.type.second_hand and name in one.payload:
            yield one.id, found.matches[one.id].customer_id, one.payload[name]


def _tags(
    session: Session, tenant_id: UUID, claimed: list[Claimed], found: Resolution, out: Extras, now: datetime
) -> None:
    telling = list(_telling(claimed, found, "tags"))
    if not telling:
        return
    given: dict[UUID, list[str]] = defaultdict(list)
    for _, owner, names in telling:
        given[owner] += names
    added = tag_rows.give(session, tenant_id, given, now)
    for event, owner, names in telling:
        fresh = [name for name in names if name in added.get(owner, ())]
        if fresh:
            added[owner] = [name for name in added[owner] if name not in fresh]
            out.changes[event].append({"field": "tags", "old": None, "new": ", ".join(fresh)})


def _notes(
    session: Session,
    tenant_id: UUID,
    claimed: list[Claimed],
    found: Resolution,
    out: Extras,
    file_name: str,
    by: str,
    now: datetime,
) -> None:
    telling = list(_telling(claimed, found, "note"))
    if not telling:
        return
    kind, _, name = by.partition(":")
    written = note_rows.write(
        session,
        tenant_id,
        [(owner, words) for _, owner, words in telling],
        author_id=UUID(name) if kind == "user" else _NOBODY,
        author_name=f"Import of {file_name}",
        now=now,
    )
    for (event, _, words), is_new in zip(telling, written, strict=True):
        if is_new:
            out.changes[event].append({"field": "note", "old": None, "new": words[:200]})


def _consents(
    session: Session,
    tenant_id: UUID,
    claimed: list[Claimed],
    found: Resolution,
    out: Extras,
    by: str,
    now: datetime,
) -> None:
    telling = list(_telling(claimed, found, "topics"))
    if not telling:
        return
    topics: dict[str, UUID] = {row.key: row.id for row in session.execute(_TOPICS, {"tenant_id": tenant_id})}
    points = {one.id: dict(one.evidence.points) for one in claimed}
    said, events = [], []
    for event, owner, answers in telling:
        for subject, yes in answers.items():
            topic, _, channel = subject.partition(":")
            if topic not in topics:
                continue
            address = points[event].get("email" if channel == "EMAIL" else "phone")
            state = SUBSCRIBED if yes else UNSUBSCRIBED
            evidence = {"event_row": str(event)}
            said.append(Said(owner, channel, topics[topic], state, now, address, HOW, HOW, by, evidence=evidence))
            events.append((event, subject))
    heard = consent_rows.say(session, tenant_id, said, Rule.FILE)
    for (event, subject), one, became in zip(events, said, heard, strict=True):
        if became.changed:
            about = {"field": subject.replace(":", " · "), "old": became.before, "new": became.state}
            out.consents[event].append(about)
            out.consented.add(one.customer_id)
