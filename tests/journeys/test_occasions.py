"""The event that lets somebody into a rehearsal: one of theirs, or one like those that come in, moved to its start."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.customers.models import Activity
from app.events.catalogue import get
from app.infra.db import transaction
from app.journeys import checks, occasions, rehearsal
from app.journeys.models import Journey
from tests.journeys.helpers import NOW, asks, journey, people, step, tag, wait

BOOKED = "teetime.booked"
HERE = "Africa/Johannesburg"
START = NOW + timedelta(days=30)


def booked(tenant_id: UUID, customer_id: UUID, at: datetime, **payload: Any) -> None:
    with transaction(tenant_id) as session:
        session.add(
            Activity(
                tenant_id=tenant_id, customer_id=customer_id, type=BOOKED, category=get(BOOKED).category,
                title="Booked", occurred_at=at, source="teetime", payload=payload,
            )
        )  # fmt: skip


def before_the_round(tenant_id: UUID, conditions: list[Any] | None = None, **settings: Any) -> Journey:
    """A journey that waits for the day before the tee time, and passes by whom it finds none ahead for."""
    until = {"field": "tee_time", "when": "before", "offset": "1 day", "time": "09:00", "missed": "branch"}
    return journey(
        tenant_id,
        [
            step("t", "TRIGGER", "w", {"event_type": BOOKED, "conditions": conditions or []}),
            step("w", "WAIT", "four", {"event_date": until}, next_missed="late"),
            asks("four", "big", None, {"field": "event.players", "operator": "gte", "value": 4}),
            tag("big", None, "group"),
            tag("late", None, "late"),
        ],
        timezone=HERE,
        **settings,
    )


def way(made: Journey, *customer_ids: UUID, **more: Any) -> list[list[tuple[str, int]]]:
    found = rehearsal.rehearse(
        tenant_id=made.tenant_id, journey_id=made.id, customer_ids=customer_ids, **{"at": START, **more}
    )
    return [[(one.key, (one.entered_at - START).days) for one in board.steps] for board in found.boards]


def offered(made: Journey, customer_id: UUID | None = None) -> occasions.Offered:
    return occasions.offered(tenant_id=made.tenant_id, journey_id=made.id, at=START, customer_id=customer_id)


def test_their_own_last_booking_lets_them_in_as_far_ahead_as_it_was(tenant: Any) -> None:
    made = before_the_round(tenant.id)
    (who,) = people(tenant.id)
    booked(tenant.id, who, NOW - timedelta(days=9), tee_time="2026-11-13T10:00:00+02:00", players=2)
    booked(tenant.id, who, NOW, tee_time="2026-11-25T10:00:00+02:00", players=4, member_since="2019-05-01")
    (one, other) = offered(made, who).theirs
    # Five days ahead of the day it was booked on; what is years away has nothing to do with it.
    assert one.payload == {"tee_time": "2026-12-25T10:00:00+02:00", "players": 4, "member_since": "2019-05-01"}
    assert other.payload["tee_time"] == "2026-12-22T10:00:00+02:00"
    assert way(made, who) == [[("t", 0), ("w", 0), ("four", 3), ("big", 3)]]


def test_who_never_booked_is_let_in_by_a_booking_like_the_others(tenant: Any) -> None:
    made = before_the_round(tenant.id)
    new, *others = people(tenant.id, 4)
    for days, one in enumerate(others, start=6):
        day = (NOW + timedelta(days=days)).date()
        booked(tenant.id, one, NOW, tee_time=f"{day}T10:30:00+02:00", players=4, booking_id=f"B-{days}", course="East")
    said = {one.name: one.value for one in offered(made).like}
    assert said["tee_time"] == "2026-12-27T10:30:00+02:00"
    assert (said["players"], said["course"]) == (4, "East")
    # Nobody's own number stands in it, and what bookings do not say is left out.
    assert (said["booking_id"], said["holes"]) == ("Example", None)
    assert way(made, new) == [[("t", 0), ("w", 0), ("four", 5), ("big", 5)]]


def test_without_any_event_it_says_what_the_catalogue_and_the_draft_name(tenant: Any) -> None:
    asked = [{"field": "players", "operator": "gt", "value": 2}, {"field": "course", "operator": "eq", "value": "West"}]
    made = before_the_round(tenant.id, asked, reentry="each", reentry_key="slot")
    told = offered(made).like
    said = occasions.payload_of(told)
    assert said["tee_time"] == "2026-12-30T09:00:00+02:00"
    assert (said["players"], said["course"], said["slot"]) == (3, "West", "Example")
    where = {"tenant_id": tenant.id, "journey_id": made.id, "at": START}
    assert occasions.lets_in(**where, payload=said)
    assert not occasions.lets_in(**where, payload=said | {"players": 2})


def test_only_events_that_the_trigger_takes_are_theirs(tenant: Any) -> None:
    made = before_the_round(tenant.id, [{"field": "holes", "operator": "eq", "value": 18}])
    (who,) = people(tenant.id)
    booked(tenant.id, who, NOW - timedelta(days=2), tee_time="2026-11-25T10:00", holes=18)
    booked(tenant.id, who, NOW, tee_time="2026-11-25T10:00", holes=9)
    assert [one.payload["holes"] for one in offered(made, who).theirs] == [18]


def test_a_check_of_somebody_made_up_keeps_an_event_that_sees_the_way(tenant: Any) -> None:
    made = before_the_round(tenant.id)
    kept = checks.save(
        tenant_id=tenant.id, journey_id=made.id, actor="system", name="Booked", starts_at=START, facts={}
    )
    assert kept.event is not None
    assert [one["step"] for one in kept.expected["path"]] == ["t", "w", "four"]
    (one,) = checks.run(tenant_id=tenant.id, journey_id=made.id)[0]
    assert one.passed
    plain = checks.save(
        tenant_id=tenant.id,
        journey_id=made.id,
        actor="system",
        name="Says nothing",
        starts_at=START,
        facts={},
        event={},
    )
    assert [one["step"] for one in plain.expected["path"]] == ["t", "w", "late"]


def test_what_tells_whose_event_it_is_is_left_out_of_what_somebody_made_up_is_let_in_by(tenant: Any) -> None:
    made = before_the_round(tenant.id, [{"field": "course", "operator": "in", "value": ["West", "East"]}])
    one, other = people(tenant.id, 2)
    booked(tenant.id, other, NOW, tee_time="2026-11-25T10:00", course="East", bar="Open")
    own = {"tee_time": "2026-11-25T10:00", "course": "West", "bar": "Open", "player": "Thandi", "with": ["Sipho", 4]}
    booked(tenant.id, one, NOW, **own)
    where = {"tenant_id": tenant.id, "journey_id": made.id}
    assert occasions.without_names(**where, payload=own) == own | {"player": "Example", "with": ["Example", 4]}


def test_let_in_by_hand_it_is_asked_what_the_draft_asks(tenant: Any) -> None:
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "ask", {"event_type": "MANUAL"}),
            asks("ask", "gold", "rest", {"field": "event.voucher", "operator": "eq", "value": "Gold"}),
            tag("gold", None, "gold"),
            wait("rest", None, "1 day"),
        ],
    )
    assert [(one.name, one.value) for one in offered(made).like] == [("voucher", None)]
    kept = checks.save(tenant_id=tenant.id, journey_id=made.id, actor="system", name="By hand", starts_at=NOW, facts={})
    assert kept.event is None


def test_events_of_others_tenants_are_nobodys_here(tenant: Any, other_tenant: Any) -> None:
    made = before_the_round(tenant.id)
    (who,) = people(other_tenant.id)
    booked(other_tenant.id, who, NOW, tee_time="2026-11-25T10:00", course="Theirs")
    assert "course" not in {one.name for one in offered(made, who).like}
    assert offered(made, who).theirs == []


@pytest.mark.parametrize(
    ("said", "at", "told"),
    [
        ({"on": "2026-11-25"}, START, {"on": "2026-12-25"}),
        ({"all": [{"on": "2026-11-25 08:00"}]}, START, {"all": [{"on": "2026-12-25 08:00"}]}),
        ({"born": "1980-11-25"}, START, {"born": "1980-11-25"}),
        ({"code": "2026-11-25-A", "n": 3}, START, {"code": "2026-11-25-A", "n": 3}),
        ({"on": "2026-13-45"}, START, {"on": "2026-13-45"}),
    ],
)  # fmt: skip
def test_dates_are_moved_and_nothing_else(said: Any, at: datetime, told: Any) -> None:
    zone = ZoneInfo(HERE)
    assert occasions.moved(said, NOW.astimezone(zone).date(), at.astimezone(zone).date()) == told
