"""Segments as journeys name them: who waits for somebody to enter or leave one, and where one is used."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.events.types.segments import ENTERED, LEFT
from app.events.validation import OWN_SOURCE
from app.infra.arrays import array
from app.infra.ids import as_id
from app.infra.queue import Work, wake
from app.infra.usage import Use
from app.journeys import uses

FIELD = "segments"
"""What conditions call the segments somebody is in."""

_LISTENING = text("""
    SELECT EXISTS (SELECT FROM journey WHERE tenant_id = :tenant_id AND status = 'ACTIVE'
        AND trigger_type IN ('segment.entered', 'segment.left'))
""")
_HOLD = text("""
    SELECT id FROM segment WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE
""")
# An event for each who moves in a segment that an active journey listens to, once a move: its id is made of segment,
# customer and moment. It names its customer by id. Who is no customer any more has no events.
_EVENTS = """
    INSERT INTO inbound_event (tenant_id, source, event_id, type, occurred_at, received_at, identity, payload)
    SELECT :tenant_id, '{source}', concat_ws(':', s.id, c.id, extract(epoch FROM CAST(:now AS timestamptz)), '{type}'),
        '{type}', :now, :now, jsonb_build_object('customer_id', c.id),
        jsonb_build_object('segment_id', s.id, 'segment', s.name)
    FROM {rows} AS moved
    JOIN segment s ON s.tenant_id = :tenant_id AND s.id = moved.segment_id
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = moved.customer_id AND c.status = 'ACTIVE'
    WHERE EXISTS (SELECT FROM journey j WHERE j.tenant_id = :tenant_id AND j.status = 'ACTIVE'
        AND j.trigger_type = '{type}' AND j.trigger_config ->> 'segment_id' = CAST(s.id AS text))
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
"""
_TOLD = tuple(
    text(_EVENTS.format(source=OWN_SOURCE, type=type_, rows=rows))
    for type_, rows in ((ENTERED, "entered"), (LEFT, "gone"))
)


def tell_moves(session: Session, tenant_id: UUID, now: datetime) -> Sequence[TextClause]:  # noqa: ARG001 - in `_TOLD`
    """Return what is written beside members who enter and leave (see `app.segments.membership.Teller`): events."""
    if not session.scalar(_LISTENING, {"tenant_id": tenant_id}):
        return ()
    wake(Work.PROCESS_EVENTS, tenant_id)
    return _TOLD


def using(session: Session, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which journeys name these segments, in what people follow or in a draft; archived ones don't count."""
    return uses.of(session, tenant_id, segment_ids, naming=naming, pattern='"(segments|segment_id)"', place=_place)


def _place(graph: Mapping[str, Any], segment_id: UUID) -> str:
    """Return where a stored graph names a segment: in its trigger, in conditions, or both."""
    configs = [step.get("config") or {} for step in graph.get("steps", [])]
    doors = ("segment_id", "schedule")
    begins = any(segment_id in _named({name: config.get(name) for name in doors}) for config in configs)
    rest = [{name: value for name, value in config.items() if name not in doors} for config in configs]
    asked = any(segment_id in _named(config) for config in rest)
    return " and ".join(word for word, there in (("trigger", begins), ("condition", asked)) if there)


def hold(session: Session, tenant_id: UUID, graph: Mapping[str, Any]) -> None:
    """Let nobody archive or delete a segment that a stored graph names until this transaction ends."""
    if ids := naming(graph):
        session.execute(_HOLD, {"tenant_id": tenant_id, "ids": array(sorted(ids))})


def naming(graph: Mapping[str, Any] | None) -> frozenset[UUID]:
    """Return the segments that a stored graph names: in its trigger, or in a condition, switched off or not."""
    steps = (graph or {}).get("steps", [])
    return frozenset(found for step in steps for found in _named(step.get("config")))


def _named(value: Any) -> Iterator[UUID]:
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    if not isinstance(value, dict):
        return
    told = [value.get("segment_id")]
    if value.get("field") == FIELD:
        given = value.get("value")
        told += given if isinstance(given, list) else [given]
    yield from (found for one in told if isinstance(one, str) and (found := as_id(one)))
    for one in value.values():
        yield from _named(one)
