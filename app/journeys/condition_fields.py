"""Which journeys a customer is in or was in, and where they stand, as conditions ask of it.

Whoever imports this has the fields of the rooms below, too.
"""

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Text, and_, cast, func, select, text

from app.conditions import Field, FieldType, Phrases, Related, named, profile
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import as_id
from app.infra.registry import NotRegistered
from app.journeys.models import Journey, JourneyEnrollment
from app.journeys.step_type import step_types
from app.segments import condition_fields  # noqa: F401 - it fills the catalogue

GROUP = "Journeys"
READS = "journey"
_PERSON = Customer.__table__.c
_JOURNEYS = {
    "journeys": (
        "Journeys they are in",
        "ACTIVE",
        Phrases(
            has="is in the journey", has_not="is not in the journey", some="is in a journey", none="is in no journey"
        ),
    ),
    "journeys_finished": (
        "Journeys they finished",
        "COMPLETED",
        Phrases(
            has="has finished the journey",
            has_not="has not finished the journey",
            some="has finished a journey",
            none="has finished no journey",
        ),
    ),
    "journeys_ever": (
        "Journeys they were ever in",
        None,
        Phrases(
            has="has been in the journey",
            has_not="has never been in the journey",
            some="has been in a journey",
            none="has never been in a journey",
        ),
    ),
}
_AT = Phrases(
    has="is at the step",
    has_not="is not at the step",
    some="is at a step of a journey",
    none="is at no step of a journey",
)
_STEPS = text("""
    SELECT j.id, j.name, j.archived_at, step.value ->> 'key' AS key, step.value ->> 'name' AS step_name,
           step.value ->> 'type' AS type
    FROM journey j
    JOIN journey_version v ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    CROSS JOIN LATERAL jsonb_array_elements(v.graph -> 'steps') WITH ORDINALITY AS step(value, place)
    WHERE j.tenant_id = :tenant_id
    ORDER BY j.archived_at IS NOT NULL, lower(j.name), j.id, step.place
""")


def _walks(status: str | None, value: Callable[[FromClause], ColumnElement[Any]]) -> Callable[[], Related]:
    """Return a function that gives the walks of a status (any), each telling one value."""

    def related() -> Related:
        walk = JourneyEnrollment.__table__.alias()
        counts = [walk.c.status == status] if status else []
        return Related(
            walk, walk.c.customer_id, value(walk), _PERSON.id, and_(walk.c.tenant_id == _PERSON.tenant_id, *counts)
        )

    return related


def _journey(walk: FromClause) -> ColumnElement[UUID]:
    return walk.c.journey_id


def _step(walk: FromClause) -> ColumnElement[str]:
    """Return the journey's id and the step's key, with a stroke between: NULL for who stands at none."""
    return cast(walk.c.journey_id, Text).concat("/").concat(walk.c.current_step_key)


NAMED = (*_JOURNEYS, "journey_id", "journey_steps")
"""The fields whose values `names` knows."""


def names(*, tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return what people call the journeys, and the steps people follow; archived ones say so and come last."""
    wanted = (
        select(Journey.id, Journey.name, Journey.archived_at)
        .where(Journey.tenant_id == tenant_id)
        .order_by(Journey.archived_at.is_not(None), func.lower(Journey.name), Journey.id)
    )
    with transaction(tenant_id) as session:
        rows = session.execute(wanted).all()
        steps = session.execute(_STEPS, {"tenant_id": tenant_id}).all()
    known = [(str(one.id), _called(one)) for one in rows]
    at = [(f"{one.id}/{one.key}", f"{_called(one)}: {one.step_name or _kind(one.type)}") for one in steps]
    return {**dict.fromkeys((*_JOURNEYS, "journey_id"), known), "journey_steps": at}


# Also steps that are not published yet: a draft may ask who stands at another of its own.
_THERE = text("""
    SELECT DISTINCT concat(j.id, '/', step ->> 'key') FROM journey j
    LEFT JOIN journey_version v
        ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    CROSS JOIN LATERAL (
        SELECT jsonb_array_elements(v.graph -> 'steps') UNION ALL SELECT jsonb_array_elements(j.draft -> 'steps')
    ) AS one(step)
    WHERE j.tenant_id = :tenant_id AND j.id = ANY(:ids)
""")


def _no_journeys(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    wanted = select(Journey.id).where(Journey.tenant_id == tenant_id, Journey.id.in_([UUID(one) for one in ids]))
    with transaction(tenant_id) as session:
        return named.missing("journey", ids, [str(one) for one in session.scalars(wanted)])


def _no_steps(tenant_id: UUID, places: Collection[str]) -> dict[str, str]:
    ids = sorted({found for one in places if (found := as_id(one.partition("/")[0]))})
    with transaction(tenant_id) as session:
        there = session.scalars(_THERE, {"tenant_id": tenant_id, "ids": ids}).all()
    return named.missing("step of a journey", places, there)


named.register(_no_journeys, *_JOURNEYS, "journey_id")
named.register(_no_steps, "journey_steps")


def _called(journey: Any) -> str:
    return f"{journey.name} (archived)" if journey.archived_at else str(journey.name)


def _kind(type: str) -> str:
    try:
        return step_types().get(type).label
    except NotRegistered:
        return type


profile.add(
    *(
        Field(name, label, GROUP, FieldType.LIST, related=_walks(status, _journey), reads=READS, phrases=said)
        for name, (label, status, said) in _JOURNEYS.items()
    ),
    Field(
        "journey_steps",
        "Journey steps they are at",
        GROUP,
        FieldType.LIST,
        related=_walks("ACTIVE", _step),
        reads=READS,
        phrases=_AT,
    ),
)
