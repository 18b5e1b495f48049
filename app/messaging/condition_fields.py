"""Who can be written to, as conditions ask of it: what the gate would say of marketing on a channel now.

These are `gate.judge` and `destination.destinations` in SQL, for a set of customers; a test holds them to one answer.
Everything asked of other rows is asked by equality, so that a database may read those rows once for all customers.
Addresses are kept as `app.events.addresses` made them: an e-mail address is its own key, and mail can go there if
SMTP can take the mailbox's name. Of an address that once was somebody's who was erased the list holds a hash, and not
for the database to know: there the gate alone says no.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Select, Text, and_, case, false, func, literal, null, or_, select

from app.conditions import Choice, Field, FieldType, Phrases, named, profile
from app.content.models import Template
from app.customers import (
    condition_fields,  # noqa: F401 - it fills the catalogue
    consent_fields,
    topics,
)
from app.customers.consents import ALL, State
from app.customers.facts import CONSENT_FIELDS
from app.customers.models import Consent, Customer, Topic
from app.infra.db import transaction
from app.messaging.channel import EMAIL, installed
from app.messaging.destination import MOST
from app.messaging.models import Suppression
from app.messaging.phone import NUMBER
from app.messaging.states import Reason
from app.messaging.suppression import DEAD, REASONS

GROUP = "Reachability"
KINDS = {EMAIL: "email", "SMS": "phone", "PUSH": "push", "WHATSAPP": "whatsapp"}
"""The kind of contact point each channel writes to."""
NAMES = {
    EMAIL: ("can_be_mailed", "Can be mailed"),
    "SMS": ("can_be_texted", "Can be sent SMS"),
    "PUSH": ("can_be_pushed", "Can be sent push messages"),
    "WHATSAPP": ("can_be_whatsapped", "Can be sent WhatsApp messages"),
}
_READS = frozenset(("profile", "consent", "contact", "suppression"))
_ON_LIST = frozenset(("profile", "suppression"))
_PERSON = Customer.__table__.c
_DEAD = [str(one) for one in sorted(DEAD)]
_Answer = ColumnElement[bool]


def can_get(channel: str, topic: Topic | None = None) -> _Answer:
    """Return whether marketing (about a topic, if one is named) would go out to the customer of the query."""
    return and_(_agrees(channel, topic), _reached(channel))


def can_be_reached(channel: str) -> _Answer:
    """Return whether what needs no consent would go out to the customer of the query."""
    return _reached(channel)


def why_not(channel: str, topic: Topic | None = None) -> ColumnElement[str]:
    """Return why marketing would not go out to the customer of the query, as the gate has it: null where it would."""
    kind = KINDS[channel]
    address = _PERSON[kind] if kind in ("email", "phone") else null()
    entry = Suppression.__table__.alias()
    listed = _entries(entry, channel, address).exists()
    opted_in, said_no_at = _PERSON[CONSENT_FIELDS[channel]], _PERSON[f"{CONSENT_FIELDS[channel]}_at"]
    reasons = [
        (can_get(channel, topic), null()),
        (and_(~_reached(channel), func.btrim(func.coalesce(address, "")) == ""), Reason.NO_ADDRESS),
        (and_(~_reached(channel), ~_sound(kind, address)), Reason.INVALID_ADDRESS),
        (and_(~_reached(channel), listed), Reason.SUPPRESSED),
        (~_reached(channel), Reason.NO_ADDRESS),
        (_said(ALL, None, State.UNSUBSCRIBED), Reason.STOPPED),
    ]
    if topic is None:
        return _first_of(
            *reasons,
            (_said(channel, None, State.PENDING, since=said_no_at), Reason.UNCONFIRMED),
            (opted_in.is_(False), Reason.OPTED_OUT),
            (_said(channel, None, State.PENDING), Reason.UNCONFIRMED),
            rest=Reason.NO_OPT_IN,
        )
    return _first_of(
        *reasons,
        (_said(channel, topic, State.UNSUBSCRIBED), Reason.TOPIC_OPTED_OUT),
        (and_(opted_in.is_(False), ~_said(channel, topic, State.PENDING, since=said_no_at)), Reason.OPTED_OUT),
        (_said(channel, topic, State.PENDING), Reason.UNCONFIRMED),
        (opted_in.is_(True), Reason.NO_TOPIC_OPT_IN),
        rest=Reason.NO_OPT_IN,
    )


def _first_of(*reasons: tuple[Any, Any], rest: Reason) -> ColumnElement[str]:
    told = [(holds, one if isinstance(one, ColumnElement) else literal(str(one), Text())) for holds, one in reasons]
    return case(*told, else_=literal(str(rest), Text()))


def _agrees(channel: str, topic: Topic | None) -> _Answer:
    """Return whether all that the customer said comes to a yes, as `consents.decide` has it."""
    stopped = _said(ALL, None, State.UNSUBSCRIBED)
    opted_in, said_no_at = _PERSON[CONSENT_FIELDS[channel]], _PERSON[f"{CONSENT_FIELDS[channel]}_at"]
    if topic is None:
        return and_(opted_in.is_(True), ~stopped)
    unspoken = false() if topic.opt_in_only else and_(opted_in.is_(True), ~_said(channel, topic))
    # A no to the channel takes with it what was said before.
    outlives = _said(channel, topic, State.SUBSCRIBED, since=said_no_at)
    holds = case((opted_in.is_(False), outlives), else_=_said(channel, topic, State.SUBSCRIBED))
    return and_(or_(unspoken, holds), ~stopped)


def _said(channel: str, topic: Topic | None, state: State | None = None, *, since: Any = None) -> _Answer:
    """Return whether the customer said something about a topic (None: a channel as a whole), after a moment."""
    consent = Consent.__table__.alias()
    found = select(literal(1)).select_from(consent)
    found = found.where(
        consent.c.tenant_id == _PERSON.tenant_id,
        consent.c.customer_id == _PERSON.id,
        consent.c.channel == channel,
        consent.c.topic_id.is_(None) if topic is None else consent.c.topic_id == topic.id,
    )
    found = found if state is None else found.where(consent.c.state == str(state))
    found = found if since is None else found.where(consent.c.said_at > since)
    return found.correlate(Customer.__table__).exists()


def _reached(channel: str) -> _Answer:
    """Return whether there is an address that nothing is known against, where the preferred one allows for another.

    The list is asked by one NOT EXISTS that stands alone: so it becomes a join, and no look for each customer.
    """
    kind = KINDS[channel]
    if kind not in ("email", "phone"):
        return _elsewhere(channel)
    address, entry = _PERSON[kind], Suppression.__table__.alias()
    sound = _sound(kind, address)
    out_of_reach = or_(entry.c.reason.in_(_DEAD), ~sound)
    refused = _entries(entry, channel, address).where(~and_(out_of_reach, _elsewhere(channel)))
    return and_(or_(sound, _elsewhere(channel)), ~refused.exists())


def reaches_preferred(channel: str) -> _Answer:
    """Return whether the customer's preferred address is one that mail can go to, so that it goes nowhere else."""
    kind, entry = KINDS[channel], Suppression.__table__.alias()
    dead = _entries(entry, channel, _PERSON[kind]).where(entry.c.reason.in_(_DEAD)).exists()
    return and_(_sound(kind, _PERSON[kind]), ~dead)


def _entries(entry: Any, channel: str, address: Any) -> Select[Any]:
    """Return the query of what the list has on an address of the customer's."""
    return (
        select(literal(1))
        .select_from(entry)
        .where(
            entry.c.tenant_id == _PERSON.tenant_id,
            entry.c.channel == channel,
            entry.c.address_key == address,
            entry.c.lifted_at.is_(None),
        )
        .correlate(Customer.__table__)
    )


def _sound(kind: str, address: ColumnElement[Any]) -> _Answer:
    """Return whether a message can go to an address at all: never unknown."""
    if kind == "phone":
        return func.coalesce(func.btrim(address).regexp_match(f"^{NUMBER}$"), false())
    if kind != "email":
        return func.coalesce(address, "", type_=Text()) != ""
    return func.mail_can_go_to(address, type_=Boolean())


def _elsewhere(channel: str) -> _Answer:
    """Return whether one of the customer's addresses will do: one that is theirs alone, or verified."""
    asked = (_PERSON.tenant_id, _PERSON.id, KINDS[channel], channel, MOST)
    return func.reached_elsewhere(*asked, type_=Boolean())


def _because() -> ColumnElement[str]:
    """Return why the preferred e-mail address is suppressed; nothing where it is not."""
    entry = Suppression.__table__.alias()
    return _entries(entry, EMAIL, _PERSON.email).with_only_columns(entry.c.reason).scalar_subquery()


def _about(topic: Topic) -> Iterator[Field]:
    """Yield whether messages about a topic would go out; a topic that is archived says so."""
    archived = " (archived)" if topic.archived_at else ""
    for channel, (name, label) in NAMES.items():
        if channel in installed():
            yield Field(
                f"{name}.{topic.key}",
                f"{label} about {topic.name}{archived}",
                GROUP,
                FieldType.BOOLEAN,
                partial(can_get, channel, topic),
                reads=_READS,
                always=True,
            )


def _dead() -> _Answer:
    entry = Suppression.__table__.alias()
    return _entries(entry, EMAIL, _PERSON.email).where(entry.c.reason.in_(_DEAD)).exists()


def _yes_no(name: str, label: str, column: Callable[[], _Answer], reads: frozenset[str]) -> Field:
    return Field(name, label, GROUP, FieldType.BOOLEAN, column, reads=reads, always=True)


profile.add(
    *(_yes_no(*NAMES[channel], partial(can_get, channel), _READS) for channel in CONSENT_FIELDS),
    _yes_no("email_dead", "E-mail address is dead", _dead, _ON_LIST),
    Field(
        "email_suppressed",
        "E-mail suppressed because",
        GROUP,
        FieldType.CHOICE,
        _because,
        tuple(Choice(str(reason), label) for reason, label in REASONS.items()),
        reads=_ON_LIST,
        phrases=Phrases(
            has="the reason e-mail is suppressed is",
            has_not="the reason e-mail is suppressed is not",
            some="e-mail is suppressed",
            none="e-mail is not suppressed",
        ),
    ),
)
consent_fields.by_topic.append(_about)


NAMED = ("template_id", "topic_id")
"""The fields whose values `names` knows."""


def names(*, tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return what people call the templates and topics that the payloads of messages name."""
    with transaction(tenant_id) as session:
        templates = session.execute(
            select(Template.id, Template.name)
            .where(Template.tenant_id == tenant_id)
            .order_by(func.lower(Template.name), Template.id)
        ).all()
        subjects = topics.topics(tenant_id=tenant_id, archived=True)
    return {
        "template_id": [(str(one.id), one.name) for one in templates],
        "topic_id": [(str(one.id), one.name) for one in subjects],
    }


def _no_templates(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    wanted = select(Template.id).where(Template.tenant_id == tenant_id, Template.id.in_([UUID(one) for one in ids]))
    with transaction(tenant_id) as session:
        return named.missing("template", ids, [str(one) for one in session.scalars(wanted)])


def _no_topics(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    known = topics.topics(tenant_id=tenant_id, archived=True)
    return named.missing("topic", ids, [str(one.id) for one in known])


named.register(_no_templates, "template_id")
named.register(_no_topics, "topic_id")
