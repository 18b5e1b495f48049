"""What editors write to each other about a step, who has which step open: beside the graph, never in a version."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid, NotFound
from app.infra.figures import figure
from app.infra.words import is_visible
from app.journeys.graph import storable
from app.journeys.models import Journey, JourneyComment
from app.journeys.queries import NoSuchJourney, NoSuchStep, draft

MAX_LENGTH = 2000
HERE = timedelta(seconds=30)
"""For how long somebody counts as here who was not heard of again."""


class NoSuchComment(NotFound):
    """The journey has no comment with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such comment any more.")


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who has the journey open, and the key of the step whose settings they look at, if any."""

    user_id: UUID
    name: str
    step_key: str | None


def of_step(*, tenant_id: UUID, journey_id: UUID, step_key: str) -> list[JourneyComment]:
    """Return the comments on a step: open ones before resolved ones, oldest first."""
    with transaction(tenant_id) as session:
        return list(
            session.scalars(
                select(JourneyComment)
                .where(
                    JourneyComment.tenant_id == tenant_id,
                    JourneyComment.journey_id == journey_id,
                    JourneyComment.step_key == step_key,
                )
                .order_by(JourneyComment.resolved_at.isnot(None), JourneyComment.id)
                .limit(200)
            )
        )


def open_counts(*, tenant_id: UUID, journey_id: UUID) -> dict[str, int]:
    """Return how many comments are open, by step key; steps without any are missing."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(JourneyComment.step_key, func.count().label("open"))
            .where(
                JourneyComment.tenant_id == tenant_id,
                JourneyComment.journey_id == journey_id,
                JourneyComment.resolved_at.is_(None),
            )
            .group_by(JourneyComment.step_key)
        )
        return {row.step_key: row.open for row in rows}


def add(
    *, tenant_id: UUID, journey_id: UUID, step_key: str, author_id: UUID, author_name: str, body: str
) -> JourneyComment:
    """Write a comment on a step and return it. Raises Invalid, NoSuchJourney or NoSuchStep."""
    words = body.strip()
    if not is_visible(words) or not storable(words) or len(words) > MAX_LENGTH:
        raise Invalid({"body": f"Write between 1 and {figure(MAX_LENGTH)} characters."})
    with transaction(tenant_id) as session:
        journey = session.get(Journey, (tenant_id, journey_id))
        if journey is None:
            raise NoSuchJourney
        if step_key not in draft(journey).steps:
            raise NoSuchStep
        made = JourneyComment(
            tenant_id=tenant_id,
            journey_id=journey_id,
            step_key=step_key,
            body=words,
            author_id=author_id,
            author_name=author_name,
        )
        session.add(made)
        session.flush()
        session.refresh(made)
        return made


def resolve(
    *, tenant_id: UUID, journey_id: UUID, comment_id: UUID, by_name: str, resolved: bool = True, now: datetime
) -> JourneyComment:
    """Settle a comment, or open it again, and return it; doing so twice changes nothing. Raises NoSuchComment."""
    with transaction(tenant_id) as session:
        found = session.get(JourneyComment, (tenant_id, comment_id), with_for_update=True)
        if found is None or found.journey_id != journey_id:
            raise NoSuchComment
        if (found.resolved_at is not None) != resolved:
            found.resolved_at = now if resolved else None
            found.resolved_by_name = by_name if resolved else None
        return found


_SEEN = text("""
    INSERT INTO journey_presence (tenant_id, journey_id, user_id, name, step_key, seen_at)
    SELECT :tenant_id, id, :user_id, :name, :step_key, :now FROM journey
    WHERE tenant_id = :tenant_id AND id = :journey_id
    ON CONFLICT (tenant_id, journey_id, user_id)
    DO UPDATE SET name = excluded.name, step_key = excluded.step_key, seen_at = excluded.seen_at
""")
_OTHERS = text("""
    SELECT user_id, name, step_key FROM journey_presence
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND user_id <> :user_id AND seen_at > :since
    ORDER BY name, user_id LIMIT 20
""")


def here(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    user_id: UUID,
    name: str,
    step_key: str | None = None,
    now: datetime | None = None,
) -> list[Present]:
    """Note that a user has the journey open, and return who else has."""
    moment = now or clock.now()
    on = {"tenant_id": tenant_id, "journey_id": journey_id, "user_id": user_id}
    with transaction(tenant_id) as session:
        session.execute(_SEEN, {**on, "name": name, "step_key": step_key, "now": moment})
        rows = session.execute(_OTHERS, {**on, "since": moment - HERE})
        return [Present(row.user_id, row.name, row.step_key) for row in rows]
