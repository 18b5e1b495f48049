"""What a template may say about its reader: the tags of the picker, and the values behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

CUSTOMER_FIELDS = (
    "title",
    "first_name",
    "last_name",
    "email",
    "phone",
    "date_of_birth",
    "membership_tier",
    "membership_status",
    "joined_on",
    "handicap_index",
    "lifecycle_stage",
    "tags",
    "custom",
)

FILLED = (*(f"customer.{name}" for name in CUSTOMER_FIELDS if name != "custom"), "club.name", "tenant.name")
"""What is filled in wherever a reader is known; a tenant's own fields are besides."""
LINKS = ("unsubscribe_url", "preferences_url")
OF_JOURNEYS = ("event", "awaited", "webhook")
"""What only a journey's messages know more of: nobody can tell which names are behind these."""


@dataclass(frozen=True, slots=True)
class MergeTag:
    """One entry of the picker: `tag` is what is put into the template, `label` what the marketer reads.

    `link`: the words that stand for an address where a letter is drawn.
    """

    label: str
    tag: str
    group: str
    link: str | None = None


MERGE_TAGS = (
    MergeTag("First name", '{{ customer.first_name | default: "there" }}', "Customer"),
    MergeTag("Last name", "{{ customer.last_name }}", "Customer"),
    MergeTag("Title", "{{ customer.title }}", "Customer"),
    MergeTag("E-mail address", "{{ customer.email }}", "Customer"),
    MergeTag("Phone number", "{{ customer.phone }}", "Customer"),
    MergeTag("Date of birth", '{{ customer.date_of_birth | date: "%-d %B" }}', "Customer"),
    MergeTag("Membership tier", "{{ customer.membership_tier }}", "Membership"),
    MergeTag("Membership status", "{{ customer.membership_status }}", "Membership"),
    MergeTag("Member since", '{{ customer.joined_on | date: "%B %Y" }}', "Membership"),
    MergeTag("Handicap index", "{{ customer.handicap_index }}", "Membership"),
    MergeTag("Lifecycle stage", "{{ customer.lifecycle_stage }}", "Membership"),
    MergeTag("Club name", "{{ club.name }}", "Club"),
    MergeTag("Operator name", "{{ tenant.name }}", "Club"),
    MergeTag("Value from a journey’s event", "{{ event.tier }}", "Journeys only"),
    MergeTag("Unsubscribe link", "{{ unsubscribe_url }}", "Links", "Unsubscribe"),
    MergeTag("Link to the reader's preferences", "{{ preferences_url }}", "Links", "Choose what you receive"),
)


def is_filled(name: str, filled: Iterable[str]) -> bool:
    """Return whether one of these names is `name`, is in it, or holds it: "customer" is, where its fields are."""
    return any(f"{name}.".startswith(f"{one}.") or f"{one}.".startswith(f"{name}.") for one in filled)


def letter_values(
    *,
    customer: Mapping[str, Any] | None,
    club_name: str | None,
    tenant_name: str,
    context: Mapping[str, Any],
    unsubscribe_url: str | None,
    preferences_url: str | None = None,
) -> dict[str, Any]:
    """Return all that a template can reach when it is rendered for one reader.

    `customer` is a row with (at least) CUSTOMER_FIELDS; `context` is what the message carries (`event`: the payload
    that set a journey going; `awaited`: that of the event it waited for last; `webhook`: what was answered to its
    calls, by step; `letter`: what a built-in letter needs).
    """
    values: dict[str, Any] = {
        "customer": {
            # Liquid calculates with numbers that are not exact.
            field: float(value) if type(value := customer[field]) is Decimal else value
            for field in CUSTOMER_FIELDS
        }
        if customer is not None
        else {},
        "club": {"name": club_name or tenant_name},
        "tenant": {"name": tenant_name},
        "event": context.get("event") or {},
        "awaited": context.get("awaited") or {},
        "webhook": context.get("webhook") or {},
        "letter": context.get("letter") or {},
    }
    if unsubscribe_url is not None:
        values["unsubscribe_url"] = unsubscribe_url
    if preferences_url is not None:
        values["preferences_url"] = preferences_url
    return values
