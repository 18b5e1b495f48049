"""Segments the demo's club works with. What time alone decides grew as it would have, night by night."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.cli.demo_data.people import Person
from app.cli.demo_data.places import CLUBS, TENANT_ID, USERS
from app.infra import clock
from app.road import SEGMENT_TELLERS
from app.segments import ready_made, refresh, service
from app.segments.models import DAILY, DYNAMIC, STATIC

NIGHTS = 28
"""For how many nights those have been kept whose people come and go with time."""
GUESTS = 24
MARKETER = next(one for one in USERS if one.role == "marketer")
AUTHOR = f"user:{MARKETER.id}"

Criteria = dict[str, Any]


def _all(*rules: Criteria) -> Criteria:
    return {"combinator": "AND", "rules": list(rules)}


def _is(field: str, operator: str, value: Any) -> Criteria:
    return {"field": field, "operator": operator, "value": value}


_MEMBERS = _is("membership_status", "eq", "Active")
_PLAYED = {"event": "teetime.completed", "aggregate": "count", "operator": "eq", "value": 0, "within": "60 days"}


@dataclass(frozen=True, slots=True)
class DemoSegment:
    """A segment of the demo. `grown`: nothing but time and what people did decides, so its past can be told."""

    name: str
    description: str
    criteria: Criteria
    grown: bool = False


SEGMENTS = (
    DemoSegment(
        "Gold and Platinum",
        "Invited first to everything.",
        _all(_is("membership_tier", "in", ["Gold", "Platinum"]), _MEMBERS),
    ),
    DemoSegment(
        "No round in 60 days",
        "Members who have stayed away; not those who have only just come.",
        _all(_MEMBERS, _PLAYED, _is("created_at", "longer_ago", "60 days")),
        grown=True,
    ),
    DemoSegment(
        "Birthdays in the next 30 days",
        "For the card and the voucher of the pro shop.",
        _all(_is("date_of_birth", "anniversary_next", "30 days"), _is("created_at", "longer_ago", "1 days")),
        grown=True,
    ),
    DemoSegment(
        "Handicap under 12", "The field for the Founders Cup.", _all(_is("handicap_index", "lt", 12), _MEMBERS)
    ),
)


def make(random: Random, people: Sequence[Person], now: datetime) -> None:
    """Make the segments and the list of the captain's guests, and let those grow that did."""
    for recipe in ("all_customers", "members_by_mail"):
        made = ready_made.make(tenant_id=TENANT_ID, key=recipe, actor=AUTHOR, actor_name=MARKETER.name, now=now)
        refresh.refresh(tenant_id=TENANT_ID, segment_id=made.id, now=now)
    for one in SEGMENTS:
        nights = _nights(now) if one.grown else []
        made_at = nights[0] if nights else now
        made = service.create(
            tenant_id=TENANT_ID,
            actor=AUTHOR,
            actor_name=MARKETER.name,
            name=one.name,
            description=one.description,
            type=DYNAMIC,
            criteria=one.criteria,
            refresh_frequency=DAILY,
            now=made_at,
        )
        for night in nights:
            refresh.refresh(tenant_id=TENANT_ID, segment_id=made.id, now=night)
        service.ask_refresh(tenant_id=TENANT_ID, segment_id=made.id, actor=AUTHOR, now=now)
        refresh.refresh(tenant_id=TENANT_ID, segment_id=made.id, now=now)
    _guests(random, people, now)


def _nights(now: datetime) -> list[datetime]:
    """Return the midnights of the organisation's zone on which segments were looked at, the oldest first."""
    midnight = clock.midnight(now, ZoneInfo(CLUBS[0].timezone))
    return [midnight - timedelta(days=ago) for ago in range(NIGHTS, -1, -1)]


def _guests(random: Random, people: Sequence[Person], now: datetime) -> None:
    made = service.create(
        tenant_id=TENANT_ID,
        actor=AUTHOR,
        actor_name=MARKETER.name,
        name="Captain's day guests",
        description="Put together by the captain; the dinner seats two dozen.",
        type=STATIC,
        now=now,
    )
    chosen: list[UUID] = [one.id for one in random.sample(list(people), min(GUESTS, len(people)))]
    service.add_people(
        tenant_id=TENANT_ID, segment_id=made.id, customer_ids=chosen, actor=AUTHOR, tellers=SEGMENT_TELLERS, now=now
    )
