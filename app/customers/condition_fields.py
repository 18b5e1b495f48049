"""What conditions may ask of a customer: importing this adds the fields to `app.conditions.profile`."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import InstrumentedAttribute

from app.accounts import queries as accounts
from app.conditions import Amounts, Behaviours, Choice, Doings, Field, FieldType, Phrases, named, profile
from app.customers import contact_fields, household_fields, queries
from app.customers.models import Activity, Customer
from app.customers.timeline import count_30d
from app.events import catalogue
from app.events.readers import LIFECYCLE_STAGES
from app.infra.db import once, transaction

_TEXT, _DAY, _MOMENT, _YES_NO = FieldType.TEXT, FieldType.DATE, FieldType.DATETIME, FieldType.BOOLEAN
_LAST = "last_activity"
_OF_TAGS = Phrases(has="has the tag", has_not="does not have the tag", some="has a tag", none="has no tag")

_E_MAIL, _SMS, _PUSH, _WHATSAPP = (
    Phrases(
        yes=f"agreed to {channel}",
        no=f"declined {channel}",
        some=f"has said whether they want {channel}",
        none=f"has not said whether they want {channel}",
    )
    for channel in ("e-mail", "SMS", "push messages", "WhatsApp")
)

HEADINGS = (
    "Profile",
    "Membership",
    "",
    "Contact",
    "Reachability",
    "Consent",
    "Consent by topic",
    "Household",
    "Activity",
    "Journeys",
    "Segments",
)
"""The headings in the order they are offered; in the place of the empty one stand those of a tenant's own fields."""
MOST_TAGS = 1000
_TAGS = text("""
    SELECT name FROM tag WHERE tenant_id = :tenant_id AND deleted_at IS NULL ORDER BY lower(name), id LIMIT :most
""")
STAGES = tuple(Choice(name, name.capitalize()) for name in LIFECYCLE_STAGES)


def _latest(
    name: str, label: str, column: InstrumentedAttribute[datetime | None], when: str, some: str, none: str
) -> Field:
    """Return the field of when something happened last."""
    said = Phrases(when=when, some=some, none=none)
    return Field(name, label, "Activity", _MOMENT, column, reads=_LAST, past=True, phrases=said)


profile.add(
    Field("first_name", "First name", "Profile", _TEXT, Customer.first_name),
    Field("last_name", "Last name", "Profile", _TEXT, Customer.last_name),
    Field("title", "Title", "Profile", _TEXT, Customer.title),
    Field("email", "E-mail", "Profile", _TEXT, Customer.email),
    Field("phone", "Phone", "Profile", _TEXT, Customer.phone),
    Field(
        "date_of_birth",
        "Date of birth",
        "Profile",
        _DAY,
        Customer.date_of_birth,
        anniversary="Birthday",
        past=True,
        phrases=Phrases(when="was born"),
    ),
    Field("tags", "Tags", "Profile", FieldType.LIST, Customer.tags, phrases=_OF_TAGS),
    Field(
        "created_at",
        "First known",
        "Profile",
        _MOMENT,
        Customer.created_at,
        past=True,
        always=True,
        phrases=Phrases(when="became known"),
    ),
    Field("club_id", "Club", "Membership", FieldType.ID, Customer.club_id),
    Field("membership_tier", "Membership tier", "Membership", _TEXT, Customer.membership_tier),
    Field("membership_status", "Membership status", "Membership", _TEXT, Customer.membership_status),
    Field(
        "joined_on",
        "Day of joining",
        "Membership",
        _DAY,
        Customer.joined_on,
        anniversary="Anniversary of joining",
        phrases=Phrases(when="joined"),
    ),
    Field("handicap_index", "Handicap index", "Membership", FieldType.NUMBER, Customer.handicap_index),
    Field("lifecycle_stage", "Lifecycle stage", "Membership", FieldType.CHOICE, Customer.lifecycle_stage, STAGES),
    Field("email_opt_in", "Agreed to e-mail", "Consent", _YES_NO, Customer.email_opt_in, phrases=_E_MAIL),
    Field("sms_opt_in", "Agreed to SMS", "Consent", _YES_NO, Customer.sms_opt_in, phrases=_SMS),
    Field(
        "push_opt_in",
        "Agreed to push messages",
        "Consent",
        _YES_NO,
        Customer.push_opt_in,
        phrases=_PUSH,
    ),
    Field(
        "whatsapp_opt_in",
        "Agreed to WhatsApp",
        "Consent",
        _YES_NO,
        Customer.whatsapp_opt_in,
        phrases=_WHATSAPP,
    ),
    *contact_fields.FIELDS,
    *household_fields.FIELDS,
    _latest(
        "last_activity_at",
        "Last activity",
        Customer.last_activity_at,
        "was last active",
        "has been active",
        "was never active",
    ),
    Field(
        "activity_count_30d",
        "Activities in 30 days",
        "Activity",
        FieldType.NUMBER,
        count_30d,
        reads=_LAST,
        by_time=True,
        always=True,
        phrases=Phrases(counts=("activity in the last 30 days", "activities in the last 30 days")),
    ),
    Field(
        "last_activity_type",
        "Kind of last activity",
        "Activity",
        _TEXT,
        Customer.last_activity_type,
        reads=_LAST,
        phrases=Phrases(
            has="the last activity was",
            has_not="the last activity was not",
            some="has been active",
            none="was never active",
        ),
    ),
    _latest(
        "last_email_sent_at",
        "Last e-mail sent",
        Customer.last_email_sent_at,
        "was last sent an e-mail",
        "has been sent an e-mail",
        "was never sent an e-mail",
    ),
    _latest(
        "last_email_open_at",
        "Last e-mail opened",
        Customer.last_email_open_at,
        "last opened an e-mail",
        "has opened an e-mail",
        "has never opened an e-mail",
    ),
    _latest(
        "last_email_click_at",
        "Last click in an e-mail",
        Customer.last_email_click_at,
        "last clicked in an e-mail",
        "has clicked in an e-mail",
        "has never clicked in an e-mail",
    ),
)


def _doings() -> Doings:
    """Return a query's table of activities, and which of them are the customer's; private notes are nobody's."""
    one, customer = Activity.__table__.alias(), Customer.__table__
    return Doings(
        one,
        one.c.type,
        one.c.occurred_at,
        one.c.payload,
        one.c.customer_id,
        customer.c.id,
        customer,
        counted=(one.c.private_to.is_(None),),
        beside=(one.c.tenant_id == customer.c.tenant_id,),
        amounts=Amounts("amount", one.c.amount, "currency", one.c.currency),
    )


profile.behaviours = Behaviours(
    catalogue.payload_fields, lambda name: catalogue.get(name).label, _doings, lambda name: catalogue.get(name).done
)


def _no_clubs(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    return named.missing("club", ids, [str(one.id) for one in accounts.clubs(tenant_id=tenant_id)])


named.register(_no_clubs, "club_id")


def in_order(fields: Iterable[Field]) -> list[Field]:
    """Return fields by the order of their headings, else as they came."""
    place = {heading: index for index, heading in enumerate(HEADINGS)}
    return sorted(fields, key=lambda one: place.get(one.group, place[""]))


NAMED = ("club_id", "membership_tier", "last_activity_type", "tags")
"""The fields whose values `names` knows."""


@once
def names(*, tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return by field the values this tenant's customers may have, each with what people call it."""
    with transaction(tenant_id) as session:
        tags = session.scalars(_TAGS, {"tenant_id": tenant_id, "most": MOST_TAGS}).all()
        tiers = queries.tiers(tenant_id=tenant_id)
        clubs = accounts.clubs(tenant_id=tenant_id)
    return {
        "club_id": [(str(one.id), one.name) for one in clubs],
        "membership_tier": [(one, one) for one in tiers],
        "last_activity_type": sorted(((one.name, one.label) for one in catalogue.done()), key=_by_label),
        "tags": [(one, one) for one in tags],
    }


def _by_label(known: tuple[str, str]) -> str:
    return known[1].casefold()
