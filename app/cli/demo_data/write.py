"""Writing the made-up people and their year down, a statement for thousands of rows, as the road of events would."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import passwords
from app.accounts.models import Club, ClubClosure, Tenant, User
from app.cli.demo_data.draw import chance, id_at
from app.cli.demo_data.history import Happening
from app.cli.demo_data.people import Person
from app.cli.demo_data.places import CLUBS, MAINTENANCE, ORGANISATION, PASSWORD, TENANT_ID, USERS
from app.customers.facts import CONSENT_FIELDS
from app.customers.records import hint_words
from app.events import catalogue
from app.infra.figures import written_for

ROWS_AT_ONCE = 5000
LOGGED = timedelta(days=30)
"""How far back the sync log goes; what is older counts as moved in from another system."""

COLUMNS = {
    "id": "uuid",
    "title": "text",
    "first_name": "text",
    "last_name": "text",
    "date_of_birth": "date",
    "email": "text",
    "phone": "text",
    "club_id": "uuid",
    "membership_tier": "text",
    "membership_status": "text",
    "joined_on": "date",
    "handicap_index": "numeric",
    "lifecycle_stage": "text",
    "tags": "text[]",
    **dict.fromkeys(CONSENT_FIELDS.values(), "boolean"),
    **{f"{field}_at": "timestamptz" for field in CONSENT_FIELDS.values()},
    "last_activity_at": "timestamptz",
    "last_activity_type": "text",
    "facts_at": "jsonb",
    "search_extra": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}
POINT = {"id": "uuid", "customer_id": "uuid", "kind": "text", "key": "text", "value": "text", "source": "text"}
EXTERNAL = {"id": "uuid", "customer_id": "uuid", "kind": "text", "value": "text", "source": "text"}
CONSENT = {
    "id": "uuid",
    "customer_id": "uuid",
    "channel": "text",
    "opted_in": "boolean",
    "changed_at": "timestamptz",
    "recorded_at": "timestamptz",
    "source": "text",
    "how": "text",
    "address": "text",
    "evidence": "jsonb",
}
ACTIVITY = {
    "id": "uuid",
    "customer_id": "uuid",
    "type": "text",
    "category": "text",
    "title": "text",
    "occurred_at": "timestamptz",
    "source": "text",
    "object_type": "text",
    "object_id": "uuid",
    "club_id": "uuid",
    "payload": "jsonb",
}
EVENT = {
    "id": "uuid",
    "source": "text",
    "event_id": "text",
    "type": "text",
    "occurred_at": "timestamptz",
    "received_at": "timestamptz",
    "identity": "jsonb",
    "payload": "jsonb",
    "status": "text",
    "attempts": "int",
    "processed_at": "timestamptz",
    "customer_id": "uuid",
    "matched_by": "text[]",
    "confidence": "int",
}
NOTE = {
    "id": "uuid",
    "customer_id": "uuid",
    "author_id": "uuid",
    "author_name": "text",
    "body": "text",
    "pinned": "boolean",
    "private": "boolean",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}
NOTES = (
    "Prefers a buggy since the knee operation in winter.",
    "Asked whether the course opens early on competition days. Told them 06:30.",
    "Happy with the new greens, less so with the pace of play on Saturdays.",
    "Would like to bring eight guests from work; send the golf day sheet.",
    "Allergic to nuts: tell the kitchen when they book dinner.",
    "Moved house; new postal address to follow.",
    "Interested in upgrading before the next subscription year.",
    "Lost a putter on the 14th. Found it, waiting in the pro shop.",
    "Grandchild starts in the junior academy this season.",
    "Plays left-handed; hire set is marked in locker 12.",
    "Called about the failed card payment, will pay at the desk.",
    "Wants to be reminded of the wine evenings.",
    "Volunteered as a starter for the Founders Cup.",
    "Does not answer the phone before ten.",
)


def insert(session: Session, table: str, columns: dict[str, str], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows of the demo's tenant into a table, some thousands with each statement."""
    names = ", ".join(columns)
    declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    statement = text(
        f"INSERT INTO {table} (tenant_id, {names})"  # noqa: S608 - the names are ours
        f" SELECT :tenant_id, {names} FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r({declared})"
    )
    remaining = iter(rows)
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        session.execute(statement, {"tenant_id": TENANT_ID, "rows": orjson.dumps(batch, default=str).decode()})


def _closures(today: date) -> Iterator[ClubClosure]:
    """Yield the holidays of the clubs, and three days of maintenance at the first of them in some weeks."""
    for club in CLUBS:
        for name, first, last in club.holidays:
            starts_on, ends_on = (date.fromisoformat(f"{today.year}-{day}") for day in (first, last))
            if ends_on < starts_on:
                ends_on = ends_on.replace(year=today.year + 1)
            yield ClubClosure(
                tenant_id=TENANT_ID, club_id=club.id, name=name, starts_on=starts_on, ends_on=ends_on, yearly=True
            )
    monday = today + timedelta(days=35 - today.weekday())
    yield ClubClosure(
        tenant_id=TENANT_ID,
        club_id=CLUBS[0].id,
        name=MAINTENANCE,
        starts_on=monday,
        ends_on=monday + timedelta(days=2),
    )


def organisation(session: Session, since: datetime, now: datetime) -> None:
    """Write the tenant, its clubs with their closures, and the users of every role, who all have one password."""
    first = CLUBS[0]
    session.add(
        Tenant(
            id=TENANT_ID,
            name=ORGANISATION,
            country=first.country,
            locale=first.locale,
            timezone=first.timezone,
            currency=first.currency,
            created_at=since,
        )
    )
    session.flush()
    for club in CLUBS:
        session.add(
            Club(
                tenant_id=TENANT_ID,
                id=club.id,
                name=club.name,
                country=club.country,
                timezone=club.timezone,
                locale=club.locale,
                currency=club.currency,
                created_at=since,
            )
        )
    session.flush()
    session.add_all(_closures(now.date()))
    password_hash = passwords.hashed(PASSWORD)
    for user in USERS:
        session.add(
            User(
                tenant_id=TENANT_ID,
                id=user.id,
                email=user.email,
                email_key=user.email,
                name=user.name,
                password_hash=password_hash,
                role=user.role,
                status="active",
                created_at=since,
            )
        )
    session.flush()


def customers(session: Session, random: Random, people: Sequence[Person], happenings: Sequence[Happening]) -> None:
    """Write the people with their contact points and the ids other systems know them by."""
    last: dict[Any, Happening] = {}
    handicap: dict[Any, datetime] = {}
    for one in happenings:
        kept = last.get(one.person.id)
        if kept is None or (one.at, one.type) > (kept.at, kept.type):
            last[one.person.id] = one
        if one.type == "teetime.handicap.updated":
            handicap[one.person.id] = one.at
    rows = (_customer(one, last.get(one.id), handicap.get(one.id)) for one in people)
    insert(session, "customer", COLUMNS, rows)
    insert(
        session,
        "contact_point",
        POINT,
        (
            {"id": _id(random, one), "customer_id": one.id, "kind": kind, "key": key, "value": key, "source": "event"}
            for one in people
            for kind, key in one.points.items()
        ),
    )
    insert(
        session,
        "external_id",
        EXTERNAL,
        (
            {"id": _id(random, one), "customer_id": one.id, "kind": kind, "value": value, "source": "event"}
            for one in people
            for kind, value in one.ids.items()
        ),
    )


def activities(session: Session, random: Random, happenings: Sequence[Happening], now: datetime) -> None:
    """Write the timelines, the proofs of consent, and the log of the events that came in lately."""
    since = now - LOGGED
    numbered = [(f"demo-{number:06d}", one) for number, one in enumerate(happenings, 1)]
    with written_for(CLUBS[0].locale):
        insert(session, "activity", ACTIVITY, (_activity(one, _is_logged(one, since)) for one in happenings))
    insert(session, "inbound_event", EVENT, (_event(name, one) for name, one in numbered if _is_logged(one, since)))
    insert(session, "consent_change", CONSENT, _consents(random, numbered))


def notes(session: Session, random: Random, people: Sequence[Person], now: datetime) -> None:
    """Write what staff noted about some of the people; some notes are pinned, some private."""
    desk = [user for user in USERS if user.role in ("staff", "marketer", "admin")]
    chosen = [one for one in people if chance(random, 0.08)]
    rows = []
    for person in chosen:
        for body in random.sample(NOTES, random.choices((1, 2, 3), (70, 22, 8))[0]):
            author = random.choices(desk, (70, 20, 10))[0]
            at = person.created_at + (now - person.created_at) * random.random()
            rows.append(
                {
                    "id": id_at(random, at),
                    "customer_id": person.id,
                    "author_id": author.id,
                    "author_name": author.name,
                    "body": body,
                    "pinned": chance(random, 0.15),
                    "private": chance(random, 0.2),
                    "created_at": at,
                    "updated_at": at,
                }
            )
    insert(session, "note", NOTE, rows)


def _id(random: Random, person: Person) -> Any:
    return id_at(random, person.created_at)


def _customer(one: Person, last: Happening | None, handicap_at: datetime | None) -> dict[str, Any]:
    consents = {answer.channel.upper(): answer for answer in one.answers}
    told = one.created_at.astimezone(UTC).isoformat()
    values: dict[str, Any] = {
        "title": one.title,
        "first_name": one.first_name,
        "last_name": one.last_name,
        "date_of_birth": one.born,
        "email": one.email,
        "phone": one.phone,
        "club_id": one.club.id,
        "membership_tier": one.tier,
        "membership_status": one.status,
        "joined_on": one.joined,
        "handicap_index": one.handicap,
        "lifecycle_stage": one.stage,
    }
    facts = {name: told for name, value in values.items() if value is not None}
    if handicap_at:
        facts["handicap_index"] = handicap_at.isoformat()
    for channel, field in CONSENT_FIELDS.items():
        answer = consents.get(channel)
        values[field] = answer.opted_in if answer else None
        values[f"{field}_at"] = answer.at if answer else None
        if answer:
            facts[field] = answer.at.astimezone(UTC).isoformat()
    words = hint_words([*one.ids.items(), *one.points.items()])
    return {
        **values,
        "id": one.id,
        "tags": one.tags,
        "last_activity_at": last and last.at,
        "last_activity_type": last and last.type,
        "facts_at": facts,
        "search_extra": " ".join(sorted(words)) or None,
        "created_at": one.created_at,
        "updated_at": max(last.at if last else one.created_at, one.created_at),
    }


def _is_logged(one: Happening, since: datetime) -> bool:
    """Return whether the sync log has the event: families moved in whole, as people who were told apart by hand."""
    return one.at >= since and not one.person.is_in_family


def _activity(one: Happening, is_logged: bool) -> dict[str, Any]:
    kind = catalogue.get(one.type)
    return {
        "id": one.id,
        "customer_id": one.person.id,
        "type": one.type,
        "category": kind.category,
        "title": catalogue.title(kind, one.payload),
        "occurred_at": one.at,
        "source": one.source,
        "object_type": "event" if is_logged else None,
        "object_id": one.id if is_logged else None,
        "club_id": one.person.club.id,
        "payload": one.payload,
    }


def _event(name: str, one: Happening) -> dict[str, Any]:
    identity = identity_of(one.person, one.source)
    return {
        "id": one.id,
        "source": one.source,
        "event_id": name,
        "type": one.type,
        "occurred_at": one.at,
        "received_at": one.at + timedelta(seconds=1),
        "identity": identity,
        "payload": one.payload,
        "status": "processed",
        "attempts": 1,
        "processed_at": one.at + timedelta(seconds=2),
        "customer_id": one.person.id,
        "matched_by": list(identity),
        "confidence": 100,
    }


def identity_of(person: Person, source: str) -> dict[str, str]:
    """Return the id by which a system names the person; addresses, which families share, are left out."""
    kinds = sorted(person.ids, key=lambda kind: kind.startswith(source), reverse=True)
    return {kinds[0]: person.ids[kinds[0]]}


def _consents(random: Random, numbered: Iterable[tuple[str, Happening]]) -> Iterable[dict[str, Any]]:
    for name, one in numbered:
        for consent in catalogue.get(one.type).consents:
            opted_in = consent.read(one.payload)
            if opted_in is not None:
                yield {
                    "id": id_at(random, one.at),
                    "customer_id": one.person.id,
                    "channel": consent.channel,
                    "opted_in": opted_in,
                    "changed_at": one.at,
                    "recorded_at": one.at,
                    "source": one.source,
                    "how": "event",
                    "address": one.person.points.get("email" if consent.channel == "EMAIL" else "phone"),
                    "evidence": {"event_row": one.id, "event": name, "payload": one.payload},
                }
