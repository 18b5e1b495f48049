"""The limits in SQL, for a set of customers: caps, and who gets the copy of an address.

These are `limits.hold_back` for those to whom nothing else is being sent; a test holds the two to one answer.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    case,
    false,
    func,
    null,
    or_,
    select,
)

from app.customers.household_models import HouseholdMember
from app.customers.models import Customer
from app.messaging.condition_fields import KINDS, reaches_preferred
from app.messaging.limits import GONE_OUT, first_counted
from app.messaging.models import Message
from app.messaging.policy import Cap, Policy
from app.messaging.states import Purpose

_PERSON = Customer.__table__.c


def capped(
    channel: str, policy: Policy, now: datetime, beside: Iterable[tuple[str, ColumnElement[bool]]] = ()
) -> ColumnElement[bool]:
    """Return whether a message more on a channel is one too many for the customer of the query.

    `beside`: the channels of what goes out to them before it, each with whether it does.
    """
    full = []
    for cap in policy.caps_of(channel):
        more = [case((goes, 1), else_=0) for name, goes in beside if cap.channel in (None, name)]
        received = _received(cap, now).scalar_subquery()
        full.append(sum(more, received) >= cap.most)
    return or_(false(), *full)


def _received(cap: Cap, now: datetime) -> Select[int]:
    """Return the query of how many marketing messages count for a cap of a customer's; by ix_message_customer."""
    sent = Message.__table__.alias()
    counted = select(func.count(type_=Integer())).select_from(sent)
    counted = counted.where(
        sent.c.tenant_id == _PERSON.tenant_id,
        sent.c.customer_id == _PERSON.id,
        sent.c.id >= first_counted(cap.window),
        sent.c.purpose == str(Purpose.MARKETING),
        sent.c.status.in_([str(one) for one in GONE_OUT]),
        sent.c.sending_at > now - cap.window,
    )
    counted = counted if cap.channel is None else counted.where(sent.c.channel == cap.channel)
    return counted.correlate(Customer.__table__)


def shared_address(channel: str) -> ColumnElement[Any]:
    """Return the address by which a customer is one with others: the preferred one, where that is where it goes."""
    kind = KINDS[channel]
    if kind not in ("email", "phone"):
        return null()
    return case((reaches_preferred(channel), func.btrim(_PERSON[kind], type_=Text())), else_=null())


def rank() -> ColumnElement[int]:
    """Return how a customer ranks among those at one address; of equals the oldest profile comes first."""
    member = HouseholdMember.__table__.alias()
    role = (
        select(member.c.role)
        .where(member.c.tenant_id == _PERSON.tenant_id, member.c.customer_id == _PERSON.id)
        .correlate(Customer.__table__)
        .scalar_subquery()
    )
    return case((role == "head", 0), (role == "child", 2), else_=1)
