"""SCL, the membership system: who is a member, of what tier, since when."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import Choice, FieldType
from app.events.catalogue import CLUB, Category, Change, EventType, PayloadField, register
from app.events.readers import a_birth_date, a_joining_date, a_stage, a_text

TIERS = tuple(Choice(name, name) for name in ("Platinum", "Gold", "Silver", "Weekday", "Social", "Junior", "Country"))
FIELDS = (
    CLUB,
    PayloadField("first_name", "First name", FieldType.TEXT),
    PayloadField("last_name", "Last name", FieldType.TEXT),
    PayloadField("membership_tier", "Membership tier", FieldType.TEXT, TIERS),
    PayloadField("membership_status", "Membership status", FieldType.TEXT),
    PayloadField("date_of_birth", "Date of birth", FieldType.DATE),
    PayloadField("joined_on", "Joined on", FieldType.DATE),
)
CHANGES = (
    Change("title", ("title",), a_text),
    Change("first_name", ("first_name", "firstName"), a_text),
    Change("last_name", ("last_name", "lastName"), a_text),
    Change("date_of_birth", ("date_of_birth", "dateOfBirth"), a_birth_date),
    Change("membership_tier", ("membership_tier", "membershipTier", "tier"), a_text),
    Change("membership_status", ("membership_status", "membershipStatus"), a_text),
    Change("joined_on", ("joined_on", "joinedOn", "join_date", "joinDate"), a_joining_date),
    Change("lifecycle_stage", ("lifecycle_stage", "lifecycleStage"), a_stage),
    Change("club", ("club",), a_text),
)


def _tier(payload: Mapping[str, Any]) -> str:
    tier = a_text(payload.get("membership_tier") or payload.get("membershipTier") or payload.get("tier"))
    return f": {tier}" if tier else ""


register(
    EventType(
        "scl.member.created",
        "Member joined",
        Category.MEMBERSHIP,
        "user-plus",
        done="joined as a member",
        title=lambda payload: f"Joined as a member{_tier(payload)}",
        fields=FIELDS,
        changes=CHANGES,
        constants=(("lifecycle_stage", "MEMBER"), ("membership_status", "Active")),
        speaks_for_contact=True,
    ),
    EventType(
        "scl.member.updated",
        "Membership changed",
        Category.MEMBERSHIP,
        "id-badge-2",
        done="had their membership changed",
        title=lambda payload: f"Membership details updated{_tier(payload)}",
        fields=FIELDS,
        changes=CHANGES,
        constants=(("lifecycle_stage", "MEMBER"),),
        speaks_for_contact=True,
    ),
)
