"""What readers choose on the page that every mail leads to. Looking changes nothing; saving is proven."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.accounts.queries import known_as, tenant_info
from app.customers import consents
from app.customers.consents import ALL, MAX_WORDING, Line, Proof, Standing, State, Word, decide
from app.customers.models import Topic
from app.customers.queries import NoSuchCustomer, customer
from app.infra import clock
from app.infra.db import transaction
from app.infra.tokens import BadToken
from app.messaging import outbox
from app.messaging.channel import EMAIL, installed
from app.messaging.devices import key_for_browsers
from app.messaging.double_opt_in import held_reader, reader_of
from app.messaging.tokens import PreferencesLink

Choice = tuple[str, UUID | None]
"""A channel and a topic on it; None: whatever else comes by that channel."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a reader may choose: `topics` by the `channels` that concern them, what is `chosen`, and the global stop.

    `pending` is chosen and not confirmed yet. `sender` is the reader's club, or the organisation of one without.
    `push_key`: what a browser is told to get notifications by; None where none are sent.
    """

    sender: str
    organisation: str
    address: str | None
    channels: tuple[str, ...]
    topics: tuple[Topic, ...]
    chosen: frozenset[Choice]
    pending: frozenset[Choice]
    stopped: bool
    push_key: str | None


def preferences(*, link: PreferencesLink) -> Preferences:
    """Return what the reader of a link may choose, or raise BadToken when there is no such reader (any more)."""
    customer_id = reader_of(link.tenant_id, link.customer_id)
    try:
        reader = customer(tenant_id=link.tenant_id, customer_id=customer_id)
        known = consents.standing(tenant_id=link.tenant_id, customer_id=customer_id, past_stop=True)
    except NoSuchCustomer:
        raise BadToken from None
    lines = _offered(known, _reached_by(link.tenant_id, customer_id))
    return Preferences(
        sender=known_as(tenant_id=link.tenant_id, club_id=reader.club_id),
        organisation=tenant_info(tenant_id=link.tenant_id).name,
        address=reader.email,
        channels=tuple(dict.fromkeys(one.channel for one in lines)),
        topics=tuple({one.topic.id: one.topic for one in lines if one.topic}.values()),
        chosen=frozenset(_choice(one) for one in lines if one.comes_to is State.SUBSCRIBED),
        pending=frozenset(_choice(one) for one in lines if one.comes_to is State.PENDING),
        stopped=known.stopped_at is not None,
        push_key=key_for_browsers(tenant_id=link.tenant_id),
    )


def save(
    *,
    link: PreferencesLink,
    chosen: Collection[Choice],
    stop: bool,
    ip: str | None = None,
    user_agent: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Let the reader's choice hold, and return whether that changed anything.

    `chosen` is all that is ticked; what the page did not offer is passed over. `stop` is the global stop: with it, the
    rest is left as it was.
    """
    moment = now or clock.now()
    with transaction(link.tenant_id) as session:
        customer_id = held_reader(session, link.tenant_id, link.customer_id)
        known = consents.standing(tenant_id=link.tenant_id, customer_id=customer_id, past_stop=True)
        offered = _offered(known, _reached_by(link.tenant_id, customer_id))
        words = _words(known, offered, frozenset(chosen), stop, moment)
        if not words:
            return False
        evidence = {"message_id": str(link.message_id), "ip": ip, "user_agent": (user_agent or "")[:300]}
        consents.record(
            tenant_id=link.tenant_id,
            customer_id=customer_id,
            words=words,
            proof=Proof("customer", "preference_page", wording=_wording(known, words), evidence=evidence),
            now=moment,
        )
        outbox.recheck(tenant_id=link.tenant_id, customer_ids=[customer_id], now=moment)
    return True


def _choice(line: Line) -> Choice:
    return line.channel, line.topic.id if line.topic else None


_KINDS = text("""
    SELECT array_agg(DISTINCT kind) FROM (
        SELECT kind FROM contact_point WHERE tenant_id = :tenant_id AND customer_id = :id
        UNION ALL SELECT 'phone' FROM customer WHERE tenant_id = :tenant_id AND id = :id AND phone IS NOT NULL
    ) AS point
""")


def _reached_by(tenant_id: UUID, customer_id: UUID) -> set[str]:
    """Return the channels by which a reader could be reached: e-mail, which brought them here, and what is on file."""
    with transaction(tenant_id) as session:
        kinds = session.scalar(_KINDS, {"tenant_id": tenant_id, "id": customer_id}) or ()
    return {name for name, one in installed() if name == EMAIL or one.customer_field in kinds}


def _offered(known: Standing, reached_by: set[str]) -> list[Line]:
    """Return the lines of the page: topics in use, on the channels that reach the reader or they spoke of."""
    spoken = {one.channel for one in known.lines if one.state is not State.NEVER}
    channels = reached_by | spoken
    return [
        one for one in known.lines if one.channel in channels and (one.topic is None or one.topic.archived_at is None)
    ]


def _words(known: Standing, offered: list[Line], chosen: frozenset[Choice], stop: bool, now: datetime) -> list[Word]:
    """Return what the reader has to have said for the choice to hold; what holds already needs no word."""
    stopped = known.stopped_at is not None
    if stop:
        return [] if stopped else [Word(ALL, State.UNSUBSCRIBED)]
    words = [Word(ALL, State.SUBSCRIBED)] if stopped else []
    channel_state, channel_at = State.NEVER, None
    for line in offered:
        wanted = _choice(line) in chosen
        if line.topic is None:
            # A channel's line comes before those of its topics, which its answer speaks for.
            channel_state, channel_at = line.state, line.since
            if word := _answer(line.channel, line.state, wanted, None):
                words.append(word)
                channel_state, channel_at = word.state, now
            continue
        comes_to = decide(
            stopped=False,
            channel=channel_state,
            channel_at=channel_at,
            topic=line.state,
            topic_at=line.since,
            opt_in_only=line.topic.opt_in_only,
        )
        if word := _answer(line.channel, comes_to, wanted, line.topic.id):
            words.append(word)
    return words


def _answer(channel: str, state: State, wanted: bool, topic_id: UUID | None) -> Word | None:
    """Return the word that makes `state` what is wanted, or None; what nobody spoke of stays so when it is left out."""
    if wanted and state is not State.SUBSCRIBED:
        return Word(channel, State.SUBSCRIBED, topic_id)
    if not wanted and state is State.SUBSCRIBED:
        return Word(channel, State.UNSUBSCRIBED, topic_id)
    return None


def _wording(known: Standing, words: list[Word]) -> str:
    """Return what the page asked about each word."""
    names = {one.topic.id: one.topic for one in known.lines if one.topic}
    asked = []
    for word in words:
        topic = names[word.topic_id] if word.topic_id else None
        if word.channel == ALL:
            asked.append("No news at all")
        else:
            asked.append(f"{f'{topic.name}: {topic.description}' if topic else 'Anything else'} ({word.channel})")
    return "\n".join(asked)[:MAX_WORDING]
