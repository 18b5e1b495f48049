"""How merges are worded and compared, side by side."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.accounts import queries as accounts
from app.blueprints.customers import presenters
from app.blueprints.customers.base import day
from app.customers.field_kind import CustomFieldInfo
from app.customers.merge import CHOICES, SYSTEM
from app.customers.merge_queries import MergeEntry
from app.customers.models import Customer
from app.infra.ids import as_id
from app.web.shell import number

FIELD_LABELS = {
    "title": "Title",
    "first_name": "First name",
    "last_name": "Last name",
    "date_of_birth": "Date of birth",
    "email": "Main e-mail address",
    "phone": "Main phone",
    "club_id": "Club",
    "membership_tier": "Membership tier",
    "membership_status": "Membership status",
    "joined_on": "Joined on",
    "handicap_index": "Handicap index",
    "lifecycle_stage": "Stage",
}
PART_LABELS = {
    "activity": ("activity", "activities"),
    "note": ("note", "notes"),
    "message": ("message", "messages"),
    "journey_enrollment": ("journey", "journeys"),
    "contact_point": ("address or number", "addresses and numbers"),
    "external_id": ("id in another system", "ids in other systems"),
    "household_member": ("place in a household", "places in households"),
}
SINCE_WORDS = (
    "An event goes back to the profile whose member number or other id it names, else to the one whose address or "
    "number it names, else to the one whose first name it names. What fits both stays with the profile that was kept.",
    "Notes written, messages sent and journeys entered by hand since the merge stay with the profile that was kept.",
    "A field that was changed since the merge stays as it is on the profile that was kept.",
    "Who has said no to messages on a channel since the merge gets none there under either profile.",
    "The two count as two people from then on. Fairway will not join them again by itself; you can.",
)
"""What can't be split when a merge is undone, and where it goes."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of two profiles. `choice` is whose value would hold: winner or loser; None where they agree."""

    name: str
    label: str
    winner: str
    loser: str
    choice: str | None


def compare(
    winner: Customer,
    loser: Customer,
    outcome: dict[str, Any],
    clubs: dict[UUID | None, str],
    own: Iterable[tuple[CustomFieldInfo, str, str]] = (),
) -> list[Compared]:
    """Return the fields that at least one of the two has; `outcome` is what would hold by itself.

    `own` are custom fields with both values in words.
    """
    rows = []
    for name in CHOICES:
        mine, theirs = getattr(winner, name), getattr(loser, name)
        if mine is None and theirs is None:
            continue
        shown = (_shown(name, mine, clubs), _shown(name, theirs, clubs))
        rows.append(Compared(name, FIELD_LABELS[name], *shown, _choice(mine, theirs, outcome[name])))
    for about, *words in own:
        mine, theirs = winner.custom.get(about.key), loser.custom.get(about.key)
        choice = _choice(mine, theirs, outcome["custom"].get(about.key))
        rows.append(Compared(about.name, about.label, words[0], words[1], choice))
    return rows


def _choice(mine: Any, theirs: Any, holds: Any) -> str | None:
    return None if mine == theirs else "winner" if holds == mine else "loser"


def _shown(name: str, value: Any, clubs: dict[UUID | None, str]) -> str:
    if value is None:
        return ""
    if name == "club_id":
        return clubs.get(value, "")
    if name == "phone":
        return presenters.phone_words(value)
    if isinstance(value, date):
        return day(value)
    if name == "lifecycle_stage":
        return presenters.STAGE_LABELS.get(value, str(value))
    return str(value)


def count_words(counts: dict[str, int]) -> list[str]:
    """Return counts by part in words, without those that are nothing."""
    return [f"{number(count)} {PART_LABELS[part][count != 1]}" for part, count in counts.items() if count]


def by_words(tenant_id: UUID, entries: Collection[MergeEntry]) -> dict[UUID, str]:
    """Return by merge who made it."""
    named = actor_names(tenant_id, [one.merged_by for one in entries])
    return {one.id: named[one.merged_by] for one in entries}


def actor_names(tenant_id: UUID, actors: Iterable[str | None]) -> dict[str | None, str]:
    """Return what to call actors, as audit entries name them."""
    known = {one: as_id(one.partition(":")[2]) for one in actors if one}
    people = accounts.names(tenant_id=tenant_id, user_ids=[id_ for id_ in known.values() if id_])
    return {
        one: "by Fairway" if one == SYSTEM else f"by {people[id_]}" if id_ in people else "by a machine or a colleague"
        for one, id_ in known.items()
    }
