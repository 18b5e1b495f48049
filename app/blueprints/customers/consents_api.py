"""Consent and topics over the API."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.customers import consents, queries, service, topics
from app.customers.consents import MAX_WORDING, Proof, State, Word
from app.customers.models import ConsentChange
from app.infra.errors import Invalid
from app.infra.paging import Page
from app.messaging import double_opt_in
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Moment, PageQuery, Shown, Text, Words

api = ApiBlueprint("consents_api", __name__)

# Those of CONSENT_FIELDS and SAYABLE, written out: OpenAPI lists what can be said.
Channel = Literal["EMAIL", "SMS", "PUSH", "WHATSAPP"]
Sayable = Literal["subscribed", "pending", "unsubscribed"]


class TopicOut(Shown):
    """A topic; `key` is its name for machines and never changes."""

    id: UUID
    key: str
    name: str
    description: str
    opt_in_only: bool
    double_opt_in: bool
    archived_at: datetime | None
    created_at: datetime


class TopicsQuery(PageQuery):
    """Which topics; archived ones are left out unless asked for. They fit on one page."""

    archived: bool = False


class TopicBody(Body):
    """A new topic."""

    name: Words
    description: Words = ""
    opt_in_only: bool = Field(default=False, description="Only people who said yes to this topic get it.")
    double_opt_in: bool = Field(default=False, description="A yes by e-mail is to be confirmed from the mailbox.")


class TopicPatch(Body):
    """What to change; what is left out stays."""

    name: Words | None = None
    description: Words | None = None
    opt_in_only: bool | None = None
    double_opt_in: bool | None = None
    archived: bool | None = None


class ConsentOut(BaseModel):
    """How a customer stands with a channel and topic (null: the channel as a whole).

    `state` is what was said of it; `comes_to` what follows from all that was said: only `subscribed` lets a message
    out.
    """

    channel: Channel
    topic: str | None
    topic_id: UUID | None
    state: State
    since: datetime | None
    comes_to: State


class ConsentsOut(BaseModel):
    """How a customer stands with everything; while `stopped_at` is set nothing marketing goes out at all."""

    customer_id: UUID
    stopped_at: datetime | None
    consents: list[ConsentOut]


class ConsentIn(Body):
    """One thing the customer said. Channel ALL is the global stop: `unsubscribed` sets it, `subscribed` lifts it."""

    channel: Channel | Literal["ALL"]
    topic: Words | None = Field(default=None, description="A topic's key or id; null is the channel as a whole.")
    state: Sayable


class ConsentsBody(Body):
    """What a customer said, with its proof: how, by which words, when if not just now, and where from."""

    consents: Annotated[list[ConsentIn], Field(min_length=1, max_length=200)]
    how: Words = Field(min_length=1, description="How it was said: in person, by phone, in a form …")
    wording: Annotated[Text, Field(max_length=MAX_WORDING)] | None = Field(
        default=None, description="The words the customer agreed to."
    )
    said_at: Moment | None = Field(default=None, description="When it was said: it undoes nothing that was said later.")
    source: Words | None = Field(default=None, description="The system or list it comes from.")
    address: Words | None = None


class ConsentChangeOut(Shown):
    """The proof of one change."""

    id: UUID
    channel: str
    topic_id: UUID | None
    state: State
    changed_at: datetime
    recorded_at: datetime
    source: str
    how: str
    actor: str | None
    wording: str | None
    address: str | None


@api.operation("GET", "/topics", permission="customers.view", query=TopicsQuery, returns=TopicOut, paged=True)
def list_topics(query: TopicsQuery) -> Page[TopicOut]:
    """List the topics in the order they were made."""
    page = topics.page(tenant_id=current().tenant_id, archived=query.archived, cursor=query.cursor, limit=query.limit)
    return Page([TopicOut.model_validate(one) for one in page.items], page.next_cursor)


@api.operation("POST", "/topics", permission="settings.manage", body=TopicBody, returns=TopicOut, status=201)
def create_topic(body: TopicBody) -> TopicOut:
    """Add a topic."""
    actor = current()
    made = topics.create(tenant_id=actor.tenant_id, actor=actor.ref, **body.model_dump())
    return TopicOut.model_validate(made)


@api.operation("GET", "/topics/<uuid:topic_id>", permission="customers.view", returns=TopicOut)
def get_topic(topic_id: UUID) -> TopicOut:
    """Return one topic."""
    return TopicOut.model_validate(topics.topic(tenant_id=current().tenant_id, topic_id=topic_id))


@api.operation("PATCH", "/topics/<uuid:topic_id>", permission="settings.manage", body=TopicPatch, returns=TopicOut)
def patch_topic(topic_id: UUID, body: TopicPatch) -> TopicOut:
    """Rename or describe a topic, change who gets it, or archive it."""
    actor = current()
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    changed = topics.update(tenant_id=actor.tenant_id, topic_id=topic_id, changes=changes, actor=actor.ref)
    return TopicOut.model_validate(changed)


@api.operation("GET", "/customers/<uuid:customer_id>/consents", permission="customers.view", returns=ConsentsOut)
def get_consents(customer_id: UUID) -> ConsentsOut:
    """Return how a customer stands with each channel, and on each with every topic."""
    tenant_id = current().tenant_id
    return _consents(tenant_id, service.current(tenant_id=tenant_id, customer_id=customer_id).id)


@api.operation(
    "PUT",
    "/customers/<uuid:customer_id>/consents",
    permission="customers.edit",
    body=ConsentsBody,
    returns=ConsentsOut,
)
def put_consents(customer_id: UUID, body: ConsentsBody) -> ConsentsOut:
    """Record what a customer said; what is not named stays as it was."""
    actor = current()
    tenant_id = actor.tenant_id
    kept = service.current(tenant_id=tenant_id, customer_id=customer_id).id
    double_opt_in.record(
        tenant_id=tenant_id,
        customer_id=kept,
        words=[_word(tenant_id, number, one) for number, one in enumerate(body.consents)],
        proof=Proof(
            source=body.source or "api",
            how=body.how,
            actor=actor.ref,
            wording=body.wording,
            address=body.address,
        ),
        at=body.said_at,
    )
    return _consents(tenant_id, kept)


@api.operation(
    "GET",
    "/customers/<uuid:customer_id>/consents/history",
    permission="customers.view",
    query=PageQuery,
    returns=ConsentChangeOut,
    paged=True,
)
def get_consent_history(customer_id: UUID, query: PageQuery) -> Page[ConsentChangeOut]:
    """List the proofs of a customer's consents, the newest first."""
    tenant_id = current().tenant_id
    kept = service.current(tenant_id=tenant_id, customer_id=customer_id).id
    page = queries.consent_history(tenant_id=tenant_id, customer_id=kept, cursor=query.cursor, limit=query.limit)
    return Page([_change(one) for one in page.items], page.next_cursor)


def _change(row: ConsentChange) -> ConsentChangeOut:
    shown = {name: getattr(row, name) for name in ConsentChangeOut.model_fields}
    return ConsentChangeOut(**(shown | {"state": consents.state_of(row)}))


def _word(tenant_id: UUID, number: int, one: ConsentIn) -> Word:
    if one.topic is None:
        return Word(one.channel, State(one.state))
    try:
        topic = topics.named(tenant_id=tenant_id, name=one.topic)
    except topics.NoSuchTopic as missing:
        raise Invalid({f"consents.{number}.topic": missing.message}) from None
    return Word(one.channel, State(one.state), topic.id)


def _consents(tenant_id: UUID, customer_id: UUID) -> ConsentsOut:
    known = consents.standing(tenant_id=tenant_id, customer_id=customer_id)
    lines: list[Any] = [
        {
            "channel": one.channel,
            "topic": one.topic.key if one.topic else None,
            "topic_id": one.topic.id if one.topic else None,
            "state": one.state,
            "since": one.since,
            "comes_to": one.comes_to,
        }
        for one in known.lines
    ]
    return ConsentsOut(customer_id=customer_id, stopped_at=known.stopped_at, consents=lines)
