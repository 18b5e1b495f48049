"""The history of a journey: its published versions, and what each changed to the one before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, text

from app.accounts import audit
from app.accounts import queries as accounts
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor
from app.journeys.changes import Change, changes
from app.journeys.graph import Graph, storable
from app.journeys.kinds import read_graph
from app.journeys.models import Journey, JourneyVersion
from app.journeys.publishing import MAX_NOTE
from app.journeys.queries import NoSuchJourney, NoSuchVersion, check_number, draft
from app.journeys.setting_changes import kept, setting_changes
from app.journeys.step_type import Known


@dataclass(frozen=True, slots=True)
class Version:
    """A published version; `people` came in under it, `changes` are those to the one before."""

    number: int
    graph: Graph
    note: str | None
    created_at: datetime
    created_by: str
    created_by_name: str
    live: bool
    people: int
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class State:
    """What a journey is made of in a version or its draft; `settings` are None where they were not kept."""

    graph: Graph
    settings: Mapping[str, Any] | None


_PEOPLE = text("""
    SELECT version, sum(entered) AS people FROM journey_cohort
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND version = ANY(:numbers) GROUP BY version
""")


def versions(
    *, tenant_id: UUID, journey_id: UUID, known: Known, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Version]:
    """Return the versions of a journey, newest first, or raise NoSuchJourney."""
    before = [JourneyVersion.number < _number(cursor)] if cursor else []
    # One more for the next page, and one more that the last one shown is compared with.
    rows = _rows(tenant_id, journey_id, before, limit + 2)
    page = cut(rows[: limit + 1], limit, lambda row: (row.number,), lambda row: row)
    older: list[JourneyVersion | None] = [*rows[1:], None]
    told = _told(tenant_id, journey_id, list(zip(page.items, older, strict=False)), known)
    return Page(told, page.next_cursor)


def _number(cursor: str) -> int:
    [number] = decode_cursor(cursor, 1)
    if not isinstance(number, int) or not 0 < number < 2**31:
        raise BadCursor
    return number


def version(*, tenant_id: UUID, journey_id: UUID, number: int, known: Known) -> Version:
    """Return one version, or raise NoSuchJourney or NoSuchVersion."""
    check_number(number)
    rows = _rows(tenant_id, journey_id, [JourneyVersion.number <= number], 2)
    if not rows or rows[0].number != number:
        raise NoSuchVersion
    return _told(tenant_id, journey_id, [(rows[0], rows[1] if len(rows) > 1 else None)], known)[0]


def state(*, journey: Journey, number: int | None) -> State:
    """Return what a version is made of (None: the draft, and the settings that hold), or raise NoSuchVersion."""
    if number is None:
        return State(draft(journey), kept(journey))
    check_number(number)
    rows = _rows(journey.tenant_id, journey.id, [JourneyVersion.number == number], 1)
    if not rows:
        raise NoSuchVersion
    return _state(rows[0])


def between(before: State, after: State, known: Known) -> list[Change]:
    """Return what is different between two states: of the steps first, then of the settings."""
    return [
        *changes(before.graph, after.graph, known),
        *setting_changes(before.settings, after.settings, known),
    ]


def annotate(*, tenant_id: UUID, journey_id: UUID, number: int, actor: str, note: str) -> None:
    """Say what a version is for; an empty note takes it away. Raises NoSuchVersion or Invalid."""
    check_number(number)
    if len(note.strip()) > MAX_NOTE or not storable(note):
        raise Invalid({"note": f"Give a note of at most {MAX_NOTE} characters."})
    with transaction(tenant_id) as session:
        found = session.scalar(
            select(JourneyVersion).where(
                JourneyVersion.tenant_id == tenant_id,
                JourneyVersion.journey_id == journey_id,
                JourneyVersion.number == number,
            )
        )
        if found is None:
            raise NoSuchVersion
        found.note = note.strip() or None
        audit.record(session, actor, "journey.note_version", "journey", journey_id, {"version": number})


def _rows(
    tenant_id: UUID, journey_id: UUID, where: Sequence[ColumnElement[bool]], limit: int
) -> Sequence[JourneyVersion]:
    with transaction(tenant_id) as session:
        if session.get(Journey, (tenant_id, journey_id)) is None:
            raise NoSuchJourney
        return session.scalars(
            select(JourneyVersion)
            .where(JourneyVersion.tenant_id == tenant_id, JourneyVersion.journey_id == journey_id, *where)
            .order_by(JourneyVersion.number.desc())
            .limit(limit)
            .execution_options(populate_existing=True)
        ).all()


def _told(
    tenant_id: UUID, journey_id: UUID, pairs: Sequence[tuple[JourneyVersion, JourneyVersion | None]], known: Known
) -> list[Version]:
    asked = {"tenant_id": tenant_id, "journey_id": journey_id, "numbers": [one.number for one, _ in pairs]}
    with transaction(tenant_id) as session:
        people = {row.version: row.people for row in session.execute(_PEOPLE, asked)}
        live = session.get_one(Journey, (tenant_id, journey_id)).published_version
    ids = {one.created_by: as_id(one.created_by.partition(":")[2]) for one, _ in pairs}
    names = accounts.names(tenant_id=tenant_id, user_ids=[id_ for id_ in ids.values() if id_])
    return [
        Version(
            number=one.number,
            graph=read_graph(one.graph),
            note=one.note,
            created_at=one.created_at,
            created_by=one.created_by,
            created_by_name=_name(one.created_by, names),
            live=one.number == live,
            people=people.get(one.number, 0),
            changes=between(_state(earlier), _state(one), known) if earlier else [],
        )
        for one, earlier in pairs
    ]


def _state(row: JourneyVersion) -> State:
    return State(read_graph(row.graph), row.settings)


def _name(actor: str, names: dict[UUID, str]) -> str:
    kind, _, id_ = actor.partition(":")
    found = as_id(id_)
    if kind == "user" and found is not None:
        return names.get(found, "Somebody who is gone")
    return "The API" if kind == "key" else "Fairway"
