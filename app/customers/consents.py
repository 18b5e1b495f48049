"""Consent: what a customer said about each channel and each topic, what follows from it, and its proof.

Three answers together decide whether a message may go out, the widest first (`decide` is the one place that says so):

1. The **global stop** ends all of it, until it is lifted.
2. The **channel's** answer (`email_opt_in` … on the customer) holds for every message that names no topic, and for
   every topic nobody said anything about, unless the topic is `opt_in_only`.
3. The **topic's** answer on a channel goes before the channel's: a no to the topic holds whatever was said to the
   channel; a yes to the topic holds unless the channel's no came later, which means "nothing at all".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers import consent_rows, facts, records
from app.customers.consent_rows import STRICTNESS, Rule, Said
from app.customers.facts import CONSENT_FIELDS, WEAK, Fact
from app.customers.models import Consent, ConsentChange, Customer, Topic
from app.customers.queries import NoSuchCustomer
from app.customers.records import Record
from app.customers.topics import topics
from app.events import log
from app.events.validation import OWN_SOURCE
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid
from app.infra.figures import figure
from app.infra.ids import new_id

ALL = "ALL"
"""The channel of the global stop."""
MAX_WORDING = 2000


class State(StrEnum):
    """What a customer's word comes to. `never`: nobody ever asked. `pending`: to be confirmed from the mailbox."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    NEVER = "never"


SAYABLE = tuple(map(State, STRICTNESS))
"""The states somebody can say, the strictest last."""


@dataclass(frozen=True, slots=True)
class Word:
    """What is said about one channel and topic. Without a topic it is about the channel as a whole.

    On the channel ALL `unsubscribed` is the global stop, and `subscribed` lifts it.
    """

    channel: str
    state: State
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a word comes from: `source` (customer, staff, a system's name), `how` it was given, by which `wording`.

    `actor` is who wrote it down; `address` where it was said from, if not the customer's own on the channel.
    """

    source: str
    how: str
    actor: str | None = None
    wording: str | None = None
    address: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """How a customer stands with one channel and topic (None: the channel as a whole).

    `state` is what was said of it, `since` when; `comes_to` is what follows from all that was said.
    """

    channel: str
    topic: Topic | None
    state: State
    since: datetime | None
    comes_to: State


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands with everything: `stopped_at` is the moment of the global stop, if it holds."""

    customer_id: UUID
    stopped_at: datetime | None
    lines: tuple[Line, ...]

    def line(self, channel: str, topic_id: UUID | None = None) -> Line:
        """Return the line of a channel and topic."""
        return next(
            one for one in self.lines if one.channel == channel and (one.topic.id if one.topic else None) == topic_id
        )


class NotAnAnswer(Invalid):
    """What was to be recorded is nothing a customer can say."""


class Merged(Conflict):
    """The profile went into another one and is changed no more."""

    def __init__(self) -> None:
        super().__init__("This profile was merged into another one. Change that one instead.")


def state_of(change: ConsentChange) -> State:
    """Return what a proof says: those of events know yes and no only."""
    if change.state is not None:
        return State(change.state)
    return State.SUBSCRIBED if change.opted_in else State.UNSUBSCRIBED


def channel_state(opted_in: bool | None, opted_in_at: datetime | None, asked_at: datetime | None) -> State:
    """Return a channel's own state: `opted_in` with its moment, and when a yes was given that is not confirmed yet."""
    if opted_in:
        return State.SUBSCRIBED
    if asked_at is not None and (opted_in is None or (opted_in_at is not None and asked_at > opted_in_at)):
        return State.PENDING
    return State.NEVER if opted_in is None else State.UNSUBSCRIBED


def decide(
    *,
    stopped: bool,
    channel: State,
    channel_at: datetime | None,
    topic: State | None = None,
    topic_at: datetime | None = None,
    opt_in_only: bool = False,
) -> State:
    """Return what all that was said comes to; `topic` is None for what names no topic. Only `subscribed` is a yes.

    `channel_at` and `topic_at` are when the channel's and the topic's state were said.
    """
    if stopped:
        return State.UNSUBSCRIBED
    if topic is None:
        return channel
    if topic is State.UNSUBSCRIBED:
        return topic
    if topic is State.NEVER:
        return State.NEVER if opt_in_only and channel is State.SUBSCRIBED else channel
    if channel is State.UNSUBSCRIBED and (topic_at is None or channel_at is None or topic_at <= channel_at):
        return channel
    return topic


def standing(*, tenant_id: UUID, customer_id: UUID, past_stop: bool = False) -> Standing:
    """Return how a customer stands with each channel, and on each with every topic in use or spoken of.

    With `past_stop` the lines come to what they would without the global stop.
    """
    with transaction(tenant_id) as session:
        person = session.execute(
            select(
                *(getattr(Customer, name) for field in CONSENT_FIELDS.values() for name in (field, f"{field}_at"))
            ).where(Customer.tenant_id == tenant_id, Customer.id == customer_id)
        ).first()
        if person is None:
            raise NoSuchCustomer
        rows = session.execute(
            select(Consent.channel, Consent.topic_id, Consent.state, Consent.said_at).where(
                Consent.tenant_id == tenant_id, Consent.customer_id == customer_id
            )
        )
        said = {(row.channel, row.topic_id): (State(row.state), row.said_at) for row in rows}
        subjects = topics(tenant_id=tenant_id, archived=True)
    spoken = {topic_id for _, topic_id in said}
    offered = [one for one in subjects if one.archived_at is None or one.id in spoken]
    stop = said.get((ALL, None))
    stopped_at = stop[1] if stop and stop[0] is State.UNSUBSCRIBED else None
    lines: list[Line] = []
    for channel, column in CONSENT_FIELDS.items():
        opted_in, opted_in_at = getattr(person, column), getattr(person, f"{column}_at")
        asked = said.get((channel, None))
        asked_at = asked[1] if asked and asked[0] is State.PENDING else None
        own = channel_state(opted_in, opted_in_at, asked_at)
        since = asked_at if own is State.PENDING else opted_in_at
        stopped = stopped_at is not None and not past_stop
        lines.append(Line(channel, None, own, since, decide(stopped=stopped, channel=own, channel_at=since)))
        for topic in offered:
            state, at = said.get((channel, topic.id), (State.NEVER, None))
            comes_to = decide(
                stopped=stopped,
                channel=own,
                channel_at=since,
                topic=state,
                topic_at=at,
                opt_in_only=topic.opt_in_only,
            )
            lines.append(Line(channel, topic, state, at, comes_to))
    return Standing(customer_id, stopped_at, tuple(lines))


def record(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    words: Sequence[Word],
    proof: Proof,
    at: datetime | None = None,
    to_confirm: bool = False,
    now: datetime | None = None,
) -> frozenset[Word]:
    """Record what a customer said, with its proof; return the words that changed something, as they were taken.

    Words hold over all that was said before. With `at`, the moment they were said, they hold only over what was said
    before that moment (of the same moment the stricter holds); the proof is kept either way. Words given together
    count as said one after the other. With `to_confirm` a yes by e-mail to a topic with double opt-in is taken for
    `pending`, unless it holds already. The timeline and triggers are told by an event. Raises NoSuchCustomer, Merged
    or NotAnAnswer.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        person = records.lock(session, tenant_id, [customer_id]).get(customer_id)
        if person is None:
            raise NoSuchCustomer
        if session.scalar(_MERGED, {"tenant_id": tenant_id, "id": customer_id}) is not None:
            raise Merged
        names = _check(tenant_id, words, proof, at, moment)
        rule = Rule.NOW if at is None else Rule.DATED
        taken: list[Word] = []
        changed: set[Word] = set()
        for number, word in enumerate(words):
            said_at = (at or moment) + timedelta(microseconds=number)
            said = _said(person, word, proof, said_at)
            meant, is_news = _say(session, tenant_id, person, word, said, rule, to_confirm=to_confirm)
            taken.append(meant)
            if is_news:
                changed.add(meant)
        records.save(session, tenant_id, [person], moment)
        event = _event(customer_id, taken, names, proof, at or moment)
        log.append(tenant_id=tenant_id, events=[event], own=True, now=moment)
        if proof.actor is not None:
            detail = {"how": proof.how, "said": [_plain(word, names) for word in taken]}
            audit.record(session, proof.actor, "consent.recorded", "customer", customer_id, detail)
    return frozenset(changed)


def opt_out(
    *,
    tenant_id: UUID,
    customer_ids: Collection[UUID],
    subjects: Sequence[tuple[str, UUID | None]],
    proof: Proof,
    now: datetime | None = None,
) -> frozenset[UUID]:
    """Take many customers out of channels and topics (None: the channel as a whole), and return whom that changed.

    It holds over all that was said before. Who has said no to it already is left alone, as are merged profiles. A no
    to a channel is said again where some of it was agreed to, or asked for, since.
    """
    moment = now or clock.now()
    if not subjects:
        return frozenset()
    words = [Word(channel, State.UNSUBSCRIBED, topic_id) for channel, topic_id in dict.fromkeys(subjects)]
    with transaction(tenant_id) as session:
        names = _check(tenant_id, words, proof, None, moment)
        people = records.lock(session, tenant_id, customer_ids)
        values = {"tenant_id": tenant_id, "ids": array(people)}
        gone = set(session.scalars(_MERGED_OF, values))
        noes = {(row.customer_id, row.channel, row.topic_id) for row in session.execute(_NOES, values)}
        since = {(row.customer_id, row.channel): row.said_at for row in session.execute(_AGREED, values)}
        said: dict[UUID, list[Word]] = {}
        of_topics: list[Said] = []
        of_channels: list[Said] = []
        for person in people.values():
            for number, word in enumerate(words):
                told = _said(person, word, proof, moment + timedelta(microseconds=number))
                of_channel = word.topic_id is None and word.channel != ALL
                agreed_at = since.get((person.id, word.channel))
                known = _refuses(person, word.channel, agreed_at) if of_channel else told.subject in noes
                if person.id in gone or known:
                    continue
                said.setdefault(person.id, []).append(word)
                if of_channel:
                    _answer(person, word, told.said_at, binding=True)
                (of_channels if of_channel else of_topics).append(told)
        consent_rows.write_proofs(session, tenant_id, of_channels)
        consent_rows.say(session, tenant_id, of_topics, Rule.NOW, to_confirm=False)
        records.save(session, tenant_id, people.values(), moment)
        events = [_event(who, taken, names, proof, moment) for who, taken in said.items()]
        for first in range(0, len(events), log.MAX_BATCH):
            log.append(tenant_id=tenant_id, events=events[first : first + log.MAX_BATCH], own=True, now=moment)
    return frozenset(said)


_MERGED = text("SELECT merged_into_id FROM customer WHERE tenant_id = :tenant_id AND id = :id")
_MERGED_OF = text("""
    SELECT id FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND merged_into_id IS NOT NULL
""")
_NOES = text("""
    SELECT customer_id, channel, topic_id FROM consent
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:ids AS uuid[])) AND state = 'unsubscribed'
""")


_AGREED = text("""
    SELECT customer_id, channel, max(said_at) AS said_at FROM consent
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:ids AS uuid[])) AND state <> 'unsubscribed'
    GROUP BY customer_id, channel
""")


def _refuses(person: Record, channel: str, agreed_at: datetime | None) -> bool:
    """Return whether the no to a whole channel still holds over everything said of it, last at `agreed_at`."""
    column = CONSENT_FIELDS[channel]
    said_at = person.values[f"{column}_at"]
    return person.values[column] is False and (said_at is None or agreed_at is None or agreed_at <= said_at)


def _check(
    tenant_id: UUID, words: Sequence[Word], proof: Proof, at: datetime | None, now: datetime
) -> dict[UUID, Topic]:
    """Return the topics the words name, by id, or raise NotAnAnswer."""
    known = {one.id: one for one in topics(tenant_id=tenant_id, archived=True)}
    errors: dict[str, str] = {}
    if not words:
        errors["consents"] = "Say at least one thing."
    for word in words:
        if word.channel != ALL and word.channel not in CONSENT_FIELDS:
            errors["channel"] = f"Choose one of: {', '.join((*CONSENT_FIELDS, ALL))}."
        if word.state not in SAYABLE:
            errors["state"] = "What was answered once can't be unasked; record a yes or a no."
        if word.topic_id is not None and word.topic_id not in known:
            errors["topic"] = "There is no such topic."
        if word.channel == ALL and (word.topic_id is not None or word.state is State.PENDING):
            errors["channel"] = "The stop of everything knows no topic, and takes unsubscribed or subscribed."
    if proof.wording is not None and len(proof.wording) > MAX_WORDING:
        errors["wording"] = f"Use at most {figure(MAX_WORDING)} characters."
    if at is not None and at > now + timedelta(minutes=5):
        errors["said_at"] = "This moment is yet to come."
    if errors:
        raise NotAnAnswer(errors)
    return known


def _said(person: Record, word: Word, proof: Proof, said_at: datetime) -> Said:
    return Said(
        person.id,
        word.channel,
        word.topic_id,
        word.state,
        said_at,
        proof.address or _address(person, word.channel),
        proof.source,
        proof.how,
        proof.actor,
        proof.wording,
        proof.evidence,
    )


def _say(
    session: Session, tenant_id: UUID, person: Record, word: Word, said: Said, rule: Rule, *, to_confirm: bool
) -> tuple[Word, bool]:
    """Write one word with its proof; return it as it was taken, and whether anything is other than before."""
    of_channel = word.topic_id is None and word.channel != ALL
    if of_channel and word.state is not State.PENDING:
        consent_rows.write_proofs(session, tenant_id, [said])
        return word, _answer(person, word, said.said_at, binding=rule is Rule.NOW)
    if of_channel and person.values[CONSENT_FIELDS[word.channel]]:
        # They said yes already: there is nothing left to confirm.
        consent_rows.write_proofs(session, tenant_id, [said])
        return word, False
    (heard,) = consent_rows.say(session, tenant_id, [said], rule, to_confirm=to_confirm)
    return replace(word, state=State(heard.state)), heard.changed


def _answer(person: Record, word: Word, said_at: datetime, *, binding: bool) -> bool:
    """Give the customer's column the answer to a whole channel, by the rules of facts for late words."""
    column = CONSENT_FIELDS[word.channel]
    yes, said = word.state is State.SUBSCRIBED, facts.moment(said_at)
    if not binding:
        return facts.apply(person, Fact(column, yes, said))
    mark, before = person.facts_at.get(column), person.values[column]
    if isinstance(mark, str) and not mark.startswith(WEAK):
        said = max(said, mark)
    person.mark(column, said)
    person.set(column, yes)
    person.set(f"{column}_at", said_at)
    return bool(before is not yes)


def _address(person: Record, channel: str) -> str | None:
    if channel == ALL:
        return None
    address: str | None = person.values["email" if channel == "EMAIL" else "phone"]
    return address


def _plain(word: Word, names: dict[UUID, Topic]) -> dict[str, str]:
    said = {"channel": word.channel, "state": str(word.state)}
    return said | {"topic": names[word.topic_id].name} if word.topic_id else said


def _event(
    customer_id: UUID, words: Sequence[Word], names: dict[UUID, Topic], proof: Proof, at: datetime
) -> dict[str, Any]:
    """Return the event that lets timeline and triggers know.

    Of the flags only whole channels' are set: they are what events change.
    """
    payload: dict[str, Any] = {"how": proof.how}
    rest = []
    for word in words:
        if word.topic_id is None and word.channel != ALL and word.state is not State.PENDING:
            payload[CONSENT_FIELDS[word.channel]] = word.state is State.SUBSCRIBED
        else:
            rest.append(_plain(word, names))
    if rest:
        payload["said"] = rest
    return {
        "id": f"consent:{new_id()}",
        "type": "contactPreference.updated",
        "source": OWN_SOURCE,
        "timestamp": at.isoformat(),
        "identity": {"customer_id": str(customer_id)},
        "payload": payload,
    }
