"""Why somebody got, gets or did not get what a step of a journey sends: what was recorded, in order."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.customers.models import Customer
from app.customers.queries import NoSuchCustomer
from app.infra import clock
from app.infra.db import transaction
from app.journeys import queries, whereabouts
from app.journeys.graph import Graph, Step
from app.journeys.models import Journey, JourneyEnrollment
from app.journeys.titles import titles_of
from app.messaging import explain
from app.messaging.explain import Looked
from app.messaging.runs import Content
from app.messaging.states import Purpose

MOST = 5
"""So many walks are told of, the latest first."""
SEND = "SEND"
_MESSAGES = text(f"""
    SELECT {explain.STORY} FROM message
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND enrollment_id = :enrollment_id
        AND step_key = :step_key
    ORDER BY id
""")  # noqa: S608 - the columns are ours
_TEMPLATE = text("SELECT version, topic_id FROM template WHERE tenant_id = :tenant_id AND id = :id")


def sending_steps(*, tenant_id: UUID) -> list[tuple[UUID, str, str, str]]:
    """Return (journey, its name, key of the step, its name) of every step that sends, of journeys in use, by name."""
    wanted = select(Journey).where(Journey.tenant_id == tenant_id, Journey.status != "ARCHIVED").order_by(Journey.name)
    with transaction(tenant_id) as session:
        found = session.scalars(wanted.limit(200)).all()
        graphs = [whereabouts.live(tenant_id=tenant_id, journey=one) for one in found]
        return [
            (one.id, one.name, step.key, called[step.key])
            for one, graph in zip(found, graphs, strict=True)
            for called in [titles_of(session, tenant_id, graph)]
            for step in graph
            if step.type == SEND
        ]


def of(
    *, tenant_id: UUID, journey_id: UUID, step_key: str, customer_id: UUID, now: datetime | None = None
) -> list[Looked]:
    """Return why somebody got what a step sends or did not: in the journey, at the step, what became of the message,
    and how it stands with them now where nothing is settled. Raises NoSuchJourney, NoSuchStep or NoSuchCustomer."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        graph = whereabouts.live(tenant_id=tenant_id, journey=journey)
        step = next((one for one in graph if one.key == step_key and one.type == SEND), None)
        if step is None:
            raise queries.NoSuchStep
        person = session.get(Customer, (tenant_id, customer_id))
        if person is None:
            raise NoSuchCustomer
        who = person.merged_into_id or person.id
        wanted = select(JourneyEnrollment).where(
            JourneyEnrollment.tenant_id == tenant_id,
            JourneyEnrollment.journey_id == journey_id,
            JourneyEnrollment.customer_id == who,
        )
        walks = session.scalars(wanted.order_by(JourneyEnrollment.id.desc()).limit(MOST)).all()
        told: list[Looked] = []
        settled = False
        for walk in walks:
            steps, done = _of_walk(session, walk, graph, step_key)
            told, settled = told + steps, settled or done
        if not walks:
            told = _never(tenant_id, journey_id, who)
        return told if settled else told + _meant(session, journey, step, who, moment)


def _never(tenant_id: UUID, journey_id: UUID, who: UUID) -> list[Looked]:
    refused = whereabouts.refusals(tenant_id=tenant_id, journey_id=journey_id, customer_id=who)
    if refused:
        return [Looked("Journey", False, f"{refused[0].title}.", refused[0].occurred_at)]
    return [Looked("Journey", False, "They never entered it.", None, "Their entering it.")]


def _of_walk(session: Session, walk: JourneyEnrollment, graph: Graph, step_key: str) -> tuple[list[Looked], bool]:
    """Return what one walk comes to for a step, and whether a message of it is settled."""
    told = [Looked("Journey", True, "They entered it.", walk.enrolled_at)]
    values = {"customer_id": walk.customer_id, "enrollment_id": walk.id, "step_key": step_key}
    rows = session.execute(_MESSAGES, values | {"tenant_id": walk.tenant_id}).mappings().all()
    if rows:
        told.append(Looked("Step", True, "They came to the step.", rows[0]["created_at"]))
        for row in rows:
            told += explain.story(dict(row))
        return told, all(row["status"] not in ("queued", "held") for row in rows)
    if walk.status == "ACTIVE":
        at = graph.steps.get(walk.current_step_key or "")
        where = f"“{at.name or at.key}”" if at else "another step"
        words = f"They have not come to the step: they stand at {where}."
        return [*told, Looked("Step", None, words, walk.waiting_until, "Their going on to it.")], False
    ended = walk.completed_at or walk.exited_at
    return [*told, Looked("Step", False, "Their way through the journey did not lead by the step.", ended)], False


def _meant(session: Session, journey: Journey, step: Step, who: UUID, now: datetime) -> list[Looked]:
    """Return what the gate would see now of what a step sends."""
    config = step.config
    template_id = config.get("template_id")
    values = {"tenant_id": journey.tenant_id, "id": template_id}
    row = session.execute(_TEMPLATE, values).first() if template_id else None
    if row is None:
        return [Looked("Template", False, "The template of the step does not exist any more.")]
    topic_id = config.get("topic_id") or row.topic_id or journey.topic_id
    content = Content(config.get("channel") or "EMAIL", UUID(str(template_id)), row.version, topic_id)
    return explain.of_intended(
        tenant_id=journey.tenant_id,
        customer_id=who,
        content=content,
        purpose=Purpose(config.get("purpose") or Purpose.MARKETING),
        journey_id=journey.id,
        step_key=step.key,
        one_copy=bool(config.get("one_copy")),
        now=now,
    )
