"""What comes back by way of a provider: what became of a text it took, and what its reader answers.

Words that mean "stop", "start" and "help" are acted on at once, whoever of those that share the number wrote them:
stop takes all of them off the channel, with the proof, and keeps the number from being written to. Start is a yes where
one person alone has the number; of people who share it, it gives back what a stop from there took from each and says
nothing else for them. Help is answered, now and then. What a provider says twice counts once.
"""

import base64
import hmac
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha1
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers import consents, records
from app.customers.consents import ALL, Proof, State, Word
from app.customers.facts import CONSENT_FIELDS
from app.events import log
from app.events.validation import OWN_SOURCE
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.messaging import accounts, feedback, outbox, suppression, tally, twilio
from app.messaging.channel import channel
from app.messaging.feedback import Bounce, Kind
from app.messaging.suppression import SuppressedBecause
from app.messaging.tally import Did
from app.messaging.tokens import TrackedLink

HOW = "text"
"""How a consent was said, in its proof."""
TOOK = "took_a_yes"
"""What the proof of a stop says, as evidence, of somebody who had agreed until then."""
MAX_BODY = 1_600
HELP_EVERY = timedelta(minutes=15)
"""A number that asks for help is answered at most once in so long: each answer is paid for."""
# Any constant: the first of the two keys of an advisory lock.
_ANSWERING = 0x4641_4850
_SIGNS = re.compile(r"[^\w ]+")
# Cyrillic and Greek capitals that are drawn as ours: a phone's other keyboard, or somebody's joke, says stop as well.
_DRAWN_ALIKE = str.maketrans("АВЕКМНОРСТУХЅІЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTYXSIJABEZHIKMNOPTYX")
_POLITE = frozenset(("PLEASE", "PLS", "PLZ", "THANKS", "THANK", "YOU", "NOW", "ASSEBLIEF", "DANKIE"))


class Meaning(StrEnum):
    """What an answer asks for, if it is one of the words that ask."""

    STOP = "stop"
    START = "start"
    HELP = "help"


WORDS = {
    Meaning.STOP: frozenset(
        ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPT OUT", "OPTOUT", "REVOKE", "ARRET")
    ),
    Meaning.START: frozenset(("START", "UNSTOP", "SUBSCRIBE")),
    Meaning.HELP: frozenset(("HELP", "INFO")),
}
"""Words that mean it when they are all that is written; an organisation may add others that mean stop."""
# "Please cancel" is an answer about a booking as often as not.
_STOPS_POLITELY = WORDS[Meaning.STOP] - {"CANCEL", "END", "QUIT"}

_NEW = text("""
    INSERT INTO provider_word (tenant_id, channel, provider_id, received_at)
    VALUES (:tenant_id, :channel, :provider_id, :now)
    ON CONFLICT (tenant_id, channel, provider_id) DO NOTHING RETURNING id
""")
# Whoever has the number, and what was sent there last on this channel.
_WHO = text("""
    SELECT DISTINCT coalesce(customer.merged_into_id, customer.id) AS customer_id,
        (SELECT message.id FROM message
         WHERE message.tenant_id = :tenant_id AND message.channel = :channel AND message.to_address = :number
            AND message.customer_id = customer.id AND message.status IN ('sent', 'unknown', 'sending')
         ORDER BY message.id DESC LIMIT 1) AS message_id
    FROM contact_point AS point
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = point.customer_id
    WHERE point.tenant_id = :tenant_id AND point.kind = ANY(CAST(:kinds AS text[])) AND point.key = :number
    ORDER BY 1
""")
# Those whose last word on the channel, the stop of everything among them, was a stop from this number that took a yes.
# What our own event of a word proves again is that word.
_TAKEN = text("""
    SELECT DISTINCT last.customer_id
    FROM unnest(CAST(:people AS uuid[])) AS person(id)
    CROSS JOIN LATERAL (
        SELECT * FROM consent_change AS word
        WHERE word.tenant_id = :tenant_id AND word.customer_id = person.id AND word.channel IN (:channel, :all)
            AND word.topic_id IS NULL AND NOT (word.source = :own AND word.how = 'event')
        ORDER BY word.changed_at DESC, word.id DESC LIMIT 1
    ) AS last
    WHERE last.channel = :channel AND NOT last.opted_in AND last.source = 'customer' AND last.how = :how
        AND last.address = :number AND last.evidence -> :took = 'true'
""")
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:what))")
_HELPED = text("""
    SELECT EXISTS (
        SELECT FROM message
        WHERE tenant_id = :tenant_id AND dedupe_key = ANY(CAST(:keys AS text[])) AND created_at > :since)
""")
_LEFT = text("""
    UPDATE message SET unsubscribed_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND unsubscribed_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader wrote: `number` in E.164, `id` the provider's own name for it."""

    channel: str
    number: str
    body: str
    id: str


def signature(url: str, fields: Iterable[tuple[str, str]], token: str) -> str:
    """Return how a provider signs a request: the address and all fields by their names, under the account's token."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), said.encode(), sha1)).decode()


def is_signed(account: accounts.Account, url: str, fields: Collection[tuple[str, str]], given: str | None) -> bool:
    """Return whether the organisation's provider signed a request."""
    if account.carrier != accounts.PROVIDER or not account.secret or not given:
        return False
    return hmac.compare_digest(signature(url, fields, account.secret).encode(), given.encode("utf-8", "replace"))


def told(*, link: TrackedLink, status: str, code: str | None, now: datetime | None = None) -> bool:
    """Record what a provider says of a message it took, and return whether that was new."""
    moment = now or clock.now()
    number = int(code) if code and code.isascii() and code.isdigit() and len(code) < 9 else None
    values: dict[str, Any] = {"tenant_id": link.tenant_id, "message_id": link.message_id, "at": moment, "now": moment}
    if status in ("delivered", "read"):
        return feedback.record(kind=Kind.DELIVERED, **values)
    if status in ("undelivered", "failed"):
        detail = f"The provider says {status}" + (f", {number}" if number else "")
        return feedback.record(kind=Kind.BOUNCED, bounce=_bounce(number), detail=detail, **values)
    return False


def _bounce(code: int | None) -> Bounce:
    """Return what a failure says of a number: nothing, where it says that we or what we wrote were turned away."""
    if code in twilio.DEAD_NUMBERS:
        return Bounce.HARD
    return Bounce.SOFT if code in twilio.NOT_NOW else Bounce.BLOCKED


def meaning_of(body: str, more_stops: str = "") -> Meaning | None:
    """Return what an answer asks for, or None: it is for somebody to read. `more_stops` are parted by commas."""
    said = _plain(body)
    if said in {_plain(one) for one in more_stops.split(",") if _plain(one)}:
        return Meaning.STOP
    meant = next((meaning for meaning, words in WORDS.items() if said in words), None)
    if meant is None and " ".join(dict.fromkeys(_without_courtesy(said))) in _STOPS_POLITELY:
        return Meaning.STOP
    return meant


def _without_courtesy(said: str) -> Iterator[str]:
    return (word for word in said.split() if word not in _POLITE)


def _plain(words: str) -> str:
    """Return words in capitals, without signs, accents and what cannot be seen, in letters of our alphabet."""
    parts = unicodedata.normalize("NFKD", words)
    seen = "".join(one for one in parts if unicodedata.category(one) not in ("Mn", "Cf"))
    return " ".join(_SIGNS.sub(" ", seen).upper().translate(_DRAWN_ALIKE).split())


# Providers say a thing once: what was refused because two profiles became one meanwhile would never be heard.
@again_after_deadlock
def receive(*, tenant_id: UUID, answer: Answer, now: datetime | None = None) -> Meaning | None:
    """Take in what a reader wrote, act on it if it is one of the words, and return which; a repeat does nothing.

    What comes from one number is taken in one after the other.
    """
    moment = now or clock.now()
    account = accounts.of(tenant_id=tenant_id, channel_name=answer.channel)
    meaning = meaning_of(answer.body, account.get("stop_words"))
    values = {"tenant_id": tenant_id, "channel": answer.channel, "provider_id": answer.id[:100], "now": moment}
    with transaction(tenant_id) as session:
        session.execute(_LOCK, {"space": _ANSWERING, "what": f"{tenant_id}:{answer.channel}:{answer.number}"})
        if session.execute(_NEW, values).first() is None:
            return None
        kinds = array(("phone", channel(answer.channel).customer_field))
        rows = session.execute(_WHO, {**values, "number": answer.number, "kinds": kinds}).all()
        people: dict[UUID, UUID | None] = {}
        for row in rows:
            people[row.customer_id] = people.get(row.customer_id) or row.message_id
        for customer_id, message_id in people.items():
            _tell(tenant_id, answer, customer_id, message_id, moment)
        if meaning is Meaning.STOP:
            _stop(session, tenant_id, answer, people, moment)
        elif meaning is Meaning.START:
            _start(session, tenant_id, answer, list(people), moment)
        elif meaning is Meaning.HELP:
            _help(session, tenant_id, answer, next(iter(people), None), moment)
    return meaning


def _tell(tenant_id: UUID, answer: Answer, customer_id: UUID, message_id: UUID | None, now: datetime) -> None:
    """Put what was written on the timeline: as an answer to what they were sent last, if they were sent anything."""
    if message_id is not None:
        feedback.record(
            tenant_id=tenant_id,
            message_id=message_id,
            kind=Kind.REPLIED,
            at=now,
            detail=answer.body[:MAX_BODY],
            mark=answer.id,
            now=now,
        )
        return
    event = {
        "id": f"{Kind.REPLIED}:{answer.channel}:{answer.id}:{customer_id}",
        "type": str(Kind.REPLIED),
        "source": OWN_SOURCE,
        "timestamp": now.isoformat(),
        "identity": {"customer_id": str(customer_id)},
        "payload": {"channel": answer.channel, "excerpt": feedback.tidy(answer.body)},
    }
    log.append(tenant_id=tenant_id, events=[event], own=True, now=now)


def _stop(session: Session, tenant_id: UUID, answer: Answer, people: dict[UUID, UUID | None], now: datetime) -> None:
    suppression.suppress(
        tenant_id=tenant_id,
        addresses=[answer.number],
        because=SuppressedBecause.STOPPED,
        details=[f"They wrote “{_excerpt(answer)}”."],
        channel_name=answer.channel,
    )
    column = CONSENT_FIELDS[answer.channel]
    persons = records.lock(session, tenant_id, people)
    agreed = {id_ for id_, person in persons.items() if person.values[column]}
    took = agreed | _taken(session, tenant_id, answer, people)
    _say(tenant_id, answer, [one for one in people if one in took], State.UNSUBSCRIBED, now, {TOOK: True})
    _say(tenant_id, answer, [one for one in people if one not in took], State.UNSUBSCRIBED, now)
    left = [one for one in people.values() if one is not None]
    session.execute(_LEFT, {"tenant_id": tenant_id, "ids": array(left), "now": now})
    tally.note(session, tenant_id, [Did(one, tally.Kind.UNSUBSCRIBED, now) for one in left])


def _start(session: Session, tenant_id: UUID, answer: Answer, people: Sequence[UUID], now: datetime) -> None:
    """Take a stop back: the number is written to again, if nothing else is known against it.

    It is a yes of the one person who has the number. Which of several wrote it nobody can tell: each gets back what a
    stop from there took, and who had said no stays with it.
    """
    key = (answer.channel, answer.number)
    entry = suppression.held(tenant_id=tenant_id, addresses=[key]).get(key)
    if entry is not None and entry.reason is SuppressedBecause.STOPPED:
        suppression.lift(
            tenant_id=tenant_id,
            suppression_id=entry.id,
            reason=f"They wrote “{_excerpt(answer)}”.",
            actor="system",
            now=now,
        )
    if len(people) > 1:
        records.lock(session, tenant_id, people)
        taken = _taken(session, tenant_id, answer, people)
        people = [one for one in people if one in taken]
    _say(tenant_id, answer, people, State.SUBSCRIBED, now)
    outbox.recheck(tenant_id=tenant_id, customer_ids=people, now=now)


def _taken(session: Session, tenant_id: UUID, answer: Answer, people: Collection[UUID]) -> set[UUID]:
    """Return from whom a stop by this number took a yes, and who said nothing since."""
    values = {"tenant_id": tenant_id, "channel": answer.channel, "number": answer.number, "people": array(people)}
    return set(session.scalars(_TAKEN, {**values, "all": ALL, "own": OWN_SOURCE, "how": HOW, "took": TOOK}))


def _say(
    tenant_id: UUID,
    answer: Answer,
    people: Sequence[UUID],
    state: State,
    now: datetime,
    more: Mapping[str, Any] | None = None,
) -> None:
    evidence = {"wrote": _excerpt(answer), "provider_id": answer.id[:100], **(more or {})}
    for customer_id in people:
        consents.record(
            tenant_id=tenant_id,
            customer_id=customer_id,
            words=[Word(answer.channel, state)],
            proof=Proof("customer", HOW, address=answer.number, evidence=evidence),
            now=now,
        )


def _help(session: Session, tenant_id: UUID, answer: Answer, customer_id: UUID | None, now: datetime) -> None:
    """Answer who asks for help, unless the number was answered a moment ago."""
    about = f"help:{answer.channel}:{answer.number}"
    # Keys that tell the quarter of an hour let the last answer be found by the two it may have.
    quarter = int(now.timestamp() // HELP_EVERY.total_seconds())
    keys = [f"{about}:{one}" for one in (quarter - 1, quarter)]
    if session.scalar(_HELPED, {"tenant_id": tenant_id, "keys": keys, "since": now - HELP_EVERY}):
        return
    outbox.put_one(
        tenant_id=tenant_id,
        to_address=answer.number,
        dedupe_key=keys[-1],
        builtin="text_help",
        context={"channel": answer.channel},
        customer_id=customer_id,
        channel_name=answer.channel,
        now=now,
    )


def _excerpt(answer: Answer) -> str:
    return (feedback.tidy(answer.body) or "")[:100]
