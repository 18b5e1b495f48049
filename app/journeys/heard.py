"""Which events have come in, and what they say: the names that settings and merge tags can be checked against.

A name nobody has heard of is kept, for it may come: it is told of as a doubt, with the names that are like it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.content.merge_tags import FILLED, is_filled
from app.customers import custom_fields
from app.events import catalogue
from app.events.facts import facts
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.words import listed
from app.journeys import merge_values
from app.journeys.graph import TRIGGER, Graph
from app.journeys.models import Journey
from app.journeys.step_type import MANUAL, step_types
from app.journeys.timed import TIMED
from app.journeys.walks import EVENT, WEBHOOK, Around, around

LATEST = 50
"""So many events of a type tell what it says."""
SHOWN = 6

# A loose scan of `ix_activity_done`: as many probes as there are types.
_TYPES = text("""
    WITH RECURSIVE heard AS (
        (SELECT type FROM activity WHERE tenant_id = :tenant_id AND private_to IS NULL ORDER BY type LIMIT 1)
        UNION ALL
        SELECT (SELECT a.type FROM activity a
                WHERE a.tenant_id = :tenant_id AND a.private_to IS NULL AND a.type > heard.type ORDER BY a.type LIMIT 1)
        FROM heard WHERE heard.type IS NOT NULL
    )
    SELECT type FROM heard WHERE type IS NOT NULL LIMIT 500
""")
_PAYLOADS = text("""
    SELECT asked.type, latest.payload FROM unnest(CAST(:types AS text[])) AS asked(type)
    CROSS JOIN LATERAL (
        SELECT payload FROM activity WHERE tenant_id = :tenant_id AND type = asked.type AND private_to IS NULL
        ORDER BY occurred_at DESC LIMIT :latest) AS latest
""")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A name in a setting that nothing has brought so far: of a step, or of the journey where `step_key` is None."""

    step_key: str | None
    field: str
    message: str


def event_types(session: Session, tenant_id: UUID) -> dict[str, str]:
    """Return the types of events of the catalogue, and others that have come in: by name what people call them."""
    known = {kind.name: kind.label for kind in catalogue.known()}
    ours = {kind.name for kind in catalogue.done()} - set(known)
    came = (name for name in session.scalars(_TYPES, {"tenant_id": tenant_id}) if name not in ours)
    return known | {name: catalogue.get(name).label for name in came if name not in known}


def keys_of(session: Session, tenant_id: UUID, types: Iterable[str]) -> dict[str, set[str]]:
    """Return the names under which events of types say something: those a type declares, and those of its latest ones.

    However many types there are, the events are read at once.
    """
    kinds = {type: catalogue.get(type) for type in types}
    found = {
        type: {one.name for one in kind.fields} | {name for change in kind.changes for name in change.names}
        for type, kind in kinds.items()
    }
    if come_in := [type for type in found if type not in (MANUAL, *TIMED, "")]:
        asked = {"tenant_id": tenant_id, "types": array(come_in), "latest": LATEST}
        for type, payload in session.execute(_PAYLOADS, asked):
            found[type] |= set(facts(type, payload)) if isinstance(payload, Mapping) else set()
    return found


def doubts(*, tenant_id: UUID, journey: Journey, graph: Graph) -> list[Doubt]:
    """Return which names in a draft and the journey's settings nobody has heard of.

    They are names of events and of what these say, and what merge tags ask for.
    """
    found = [one for one in _names(journey, graph) if one.type not in (MANUAL, *TIMED, "")]
    tags, events = list(dict.fromkeys(_tags(graph))), around(graph)
    with transaction(tenant_id) as session:
        types: dict[str, str] = {}
        undeclared = {one.type for one in found if one.key is not None and not _declared(one)}
        keys = keys_of(session, tenant_id, undeclared | _asked({name for *_, name in tags}, events))
        told: list[Doubt] = []
        for one in found:
            if one.key is None and not catalogue.is_known(one.type):
                types = types or event_types(session, tenant_id)
                if one.type not in types:
                    like = get_close_matches(one.type, types, n=2)
                    message = f"No event “{one.type}” has come in so far, and Fairway knows none of that name."
                    told.append(Doubt(one.step_key, one.field, f"{message}{_like(like)}"))
            elif one.key is not None and not _declared(one) and one.key not in (says := keys[one.type]):
                message = f"No “{catalogue.get(one.type).label}” has said “{one.key}” so far."
                like = get_close_matches(one.key, says, n=2)
                others = f" It says {listed(sorted(says)[:SHOWN])}." if says and not like else ""
                told.append(Doubt(one.step_key, one.field, f"{message}{_like(like) or others}"))
        own = [one.name for one in custom_fields.load(session, tenant_id) if one.archived_at is None] if tags else []
    filled = [f"customer.{name}" for name in own] + _filled(events, keys)
    for step_key, field, name in tags:
        if not is_filled(name, filled):
            like = get_close_matches(name, filled, n=1)
            told.append(Doubt(step_key, field, f"Nothing says “{name}” so far.{_like(like)}"))
    return told


def _like(names: list[str]) -> str:
    return f" Did you mean {listed([f'“{one}”' for one in names])}?".replace(" and ", " or ") if names else ""


@dataclass(frozen=True, slots=True)
class _Name:
    """A type of event that a setting names, or with `key` something that events of the type have to say."""

    step_key: str | None
    field: str
    type: str
    key: str | None = None


def _declared(name: _Name) -> bool:
    """Return whether its type of event says by itself that events say this."""
    return any(one.name == name.key for one in catalogue.get(name.type).fields)


def _names(journey: Journey, graph: Graph) -> Iterator[_Name]:
    trigger = str(graph.trigger.config.get("event_type") or "") if graph.trigger else ""
    for step in graph:
        type = step.config.get("event_type")
        if isinstance(type, str) and type:
            yield _Name(step.key, "event_type", type)
            if step.type != TRIGGER:
                yield from _same(step.key, "same", trigger, type, step.config.get("same"))
    for field, settings in (("exit_event", journey.exit_event), ("goal", journey.goal)):
        type = (settings or {}).get("event_type")
        if settings and type:
            yield _Name(None, field, str(type))
            yield from _same(None, f"{field}.same", trigger, str(type), settings.get("same"))
    if journey.reentry_key:
        yield _Name(None, "reentry_key", trigger, journey.reentry_key)


def _same(step_key: str | None, field: str, trigger: str, type: str, key: Any) -> Iterator[_Name]:
    """Yield what both events have to say, each but once where they are of one type."""
    if isinstance(key, str) and key:
        yield from (_Name(step_key, field, one, key) for one in dict.fromkeys((trigger, type)))


def _tags(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """Yield (step, setting, name) of what the merge tags in the settings of steps ask for."""
    for step in graph:
        for field in step_types().get(step.type).merges:
            for words in _texts(step.config.get(field)):
                yield from ((step.key, field, name) for name in merge_values.names(words))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a setting that hold merge tags."""
    if isinstance(value, str) and "{" in value:
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _asked(names: Collection[str], events: Around) -> set[str]:
    """Return the types of events of which merge tags ask for something that these do not declare."""
    said = [(where, key) for where, _, key in (name.partition(".") for name in names) if key]
    return {
        type
        for where, type in events.events()
        if any(where == of and key.partition(".")[0] not in _declares(type) for of, key in said)
    }


def _declares(type: str) -> set[str]:
    return {one.name for one in catalogue.get(type).fields}


def _filled(events: Around, keys: Mapping[str, Collection[str]]) -> list[str]:
    """Return what merge tags are filled in with, but for a tenant's own fields; of what may say anything its root."""
    filled = [*FILLED, "customer.id", "journey.id", "journey.step"]
    filled += [f"{WEBHOOK}.{step}" for step, _ in events.calls]
    for where, type in events.events():
        known = keys[type] if type in keys else _declares(type)
        filled += [where] if type in (MANUAL, *TIMED) else [f"{where}.{key}" for key in sorted(known)]
    # A trigger that is not chosen yet may say anything.
    return filled if events.trigger else [*filled, EVENT]
