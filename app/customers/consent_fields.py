"""Consent by topic as conditions ask of it: for each topic and channel what all that was said comes to.

It is `app.customers.consents.decide` in SQL, for a set of customers; a test holds the two to one answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import aliased

from app.conditions import Choice, Field, FieldType
from app.customers.consents import ALL, State
from app.customers.facts import CHANNEL_WORDS, CONSENT_FIELDS
from app.customers.models import Consent, Customer, Topic

PREFIX = "consent."
GROUP = "Consent by topic"
WORDS = {
    State.SUBSCRIBED: "Yes",
    State.PENDING: "To be confirmed",
    State.UNSUBSCRIBED: "No",
    State.NEVER: "Not asked",
}
# What was said of a topic, and the columns of the channel that hold where nothing was.
_READS = frozenset(("consent", "profile"))
_SAID = {
    State.SUBSCRIBED: ("agreed to {}", "has not agreed to {}"),
    State.PENDING: ("has still to confirm {}", "does not have to confirm {}"),
    State.UNSUBSCRIBED: ("declined {}", "has not declined {}"),
    State.NEVER: ("was never asked about {}", "was asked about {}"),
}

by_topic: list[Callable[[Topic], Iterable[Field]]] = []
"""What higher rooms can tell of each topic: they add themselves."""


def fields(topics: Sequence[Topic]) -> Iterator[Field]:
    """Yield a field for each of the topics and each channel, `consent.<key>.<channel>`; archived ones say so.

    Those of higher rooms come first.
    """
    for more in by_topic:
        for topic in topics:
            yield from more(topic)
    for topic in topics:
        name = f"{topic.name} (archived)" if topic.archived_at else topic.name
        for channel in CONSENT_FIELDS:
            about = f"{name} by {CHANNEL_WORDS[channel]}"
            yield Field(
                f"{PREFIX}{topic.key}.{channel}",
                f"Wants {about}",
                GROUP,
                FieldType.CHOICE,
                # Made when it is asked: a catalogue has one for each topic and channel.
                partial(comes_to, topic, channel),
                tuple(
                    Choice(str(state), WORDS[state], *(one.format(about) for one in _SAID[state])) for state in WORDS
                ),
                reads=_READS,
                always=True,
            )


def comes_to(topic: Topic, channel: str) -> ScalarSelect[str]:
    """Return what a customer's words about a topic on a channel come to, in SQL, for the customer of the query."""
    said, asked, stop = aliased(Consent), aliased(Consent), aliased(Consent)
    column = CONSENT_FIELDS[channel]
    opted_in, opted_in_at = getattr(Customer, column), getattr(Customer, f"{column}_at")
    # A yes to the channel that is still to be confirmed, where it came after what holds.
    is_asked = and_(
        asked.state == State.PENDING, opted_in.is_not(True), or_(opted_in.is_(None), asked.said_at > opted_in_at)
    )
    own = _state(
        (opted_in.is_(True), State.SUBSCRIBED),
        (is_asked, State.PENDING),
        (opted_in.is_(None), State.NEVER),
        otherwise=State.UNSUBSCRIBED,
    )
    own_at: ColumnElement[datetime | None] = case((is_asked, asked.said_at), else_=opted_in_at)
    earlier = or_(own_at.is_(None), said.said_at <= own_at)
    unspoken = case((own == State.SUBSCRIBED, literal(str(State.NEVER))), else_=own) if topic.opt_in_only else own
    answer = case(
        (stop.state == State.UNSUBSCRIBED, literal(str(State.UNSUBSCRIBED))),
        (said.state == State.UNSUBSCRIBED, said.state),
        (func.coalesce(said.state, State.NEVER) == State.NEVER, unspoken),
        (and_(own == State.UNSUBSCRIBED, earlier), own),
        else_=said.state,
    )
    one = select(literal(1).label("one")).subquery()
    return (
        select(answer)
        .select_from(one)
        .outerjoin(said, _of(said, channel, said.topic_id == topic.id))
        .outerjoin(asked, _of(asked, channel, asked.topic_id.is_(None)))
        .outerjoin(stop, _of(stop, ALL, stop.topic_id.is_(None)))
        .correlate(Customer)
        .scalar_subquery()
    )


def _of(consent: type[Consent], channel: str, subject: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        true(),
        consent.tenant_id == Customer.tenant_id,
        consent.customer_id == Customer.id,
        consent.channel == channel,
        subject,
    )


def _state(*whens: Any, otherwise: State) -> ColumnElement[str]:
    return case(*((test, literal(str(state))) for test, state in whens), else_=literal(str(otherwise)))
