"""Who may come into a journey again, and when."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.infra.errors import Invalid
from app.journeys import queries, reentry, service
from app.journeys.engine import enrol
from app.journeys.reentry import entry_key
from tests.journeys.helpers import (
    JOINED,
    NOW,
    admit,
    check_counters,
    event,
    happen,
    journey,
    people,
    rows,
    run,
    statuses,
    tag,
    wait,
)

DAY = timedelta(days=1)
BOOKED = "booking.created"
EACH: dict[str, Any] = {"reentry": "each", "reentry_key": "booking_id"}


def entries(tenant_id: UUID) -> list[str]:
    return [row.entry for row in rows(tenant_id, "SELECT entry FROM journey_enrollment ORDER BY entry")]


def test_never_again(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], trigger_type=JOINED)
    [who] = people(tenant.id)
    for day in range(3):
        happen(tenant.id, event(who), event(who), now=NOW + day * DAY)
        run(tenant.id, NOW + day * DAY)
    assert entries(tenant.id) == [""]
    with pytest.raises(enrol.NotAdmitted, match="allows nobody in twice"):
        enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=who)


def test_again_once_they_have_left(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "2 days")], trigger_type=JOINED, reentry="after_exit")
    [who] = people(tenant.id)
    for day in range(4):
        happen(tenant.id, event(who), event(who), now=NOW + day * DAY)
        run(tenant.id, NOW + day * DAY)
    assert len(entries(tenant.id)) == 2, "on the first day and on the fourth"
    with pytest.raises(enrol.NotAdmitted, match="in the journey already"):
        enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=who)
    check_counters(tenant.id, made.id)


def test_again_some_days_after_they_came_in(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], trigger_type=JOINED, reentry="after_days", reentry_days=3)
    [who] = people(tenant.id)
    for day in (0, 1, 2, 3, 4, 6):
        happen(tenant.id, event(who), now=NOW + day * DAY)
        run(tenant.id, NOW + day * DAY)
    found = rows(tenant.id, "SELECT enrolled_at FROM journey_enrollment ORDER BY id")
    assert [row.enrolled_at for row in found] == [NOW, NOW + 3 * DAY, NOW + 6 * DAY]
    with pytest.raises(enrol.NotAdmitted, match="less than 3 days ago"):
        enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=who, now=NOW + 7 * DAY)
    enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=who, now=NOW + 9 * DAY)
    check_counters(tenant.id, made.id)


def test_who_waits_longer_than_those_days_is_not_in_twice(tenant: Tenant) -> None:
    journey(tenant.id, [wait("w", None, "9 days")], trigger_type=JOINED, reentry="after_days", reentry_days=1)
    [who] = people(tenant.id)
    for day in (0, 5):
        happen(tenant.id, event(who), now=NOW + day * DAY)
        run(tenant.id, NOW + day * DAY)
    assert len(entries(tenant.id)) == 1


def test_each_booking_walks_once_and_beside_the_others(tenant: Tenant) -> None:
    made = journey(
        tenant.id, [wait("w", None, "9 days")], trigger_type=BOOKED, reentry="each", reentry_key="booking_id"
    )
    one, two = people(tenant.id, 2)
    first, second = {"bookingId": "B1"}, {"booking_id": 17}
    happen(tenant.id, *[event(one, said, type=BOOKED) for said in (first, second, first, second)])
    happen(tenant.id, event(one, first, type=BOOKED), event(two, first, type=BOOKED))
    run(tenant.id)
    assert entries(tenant.id) == ["each:17", "each:B1", "each:B1"]
    assert set(statuses(tenant.id).values()) == {("ACTIVE", None)}
    run(tenant.id, NOW + 9 * DAY)
    happen(tenant.id, event(one, first, type=BOOKED), now=NOW + 10 * DAY)
    assert len(entries(tenant.id)) == 3, "a booking that was walked for is not walked for again"
    check_counters(tenant.id, made.id)


def test_what_says_no_booking_is_told_apart_by_its_cause(tenant: Tenant) -> None:
    made = journey(
        tenant.id, [wait("w", None, "9 days")], trigger_type=BOOKED, reentry="each", reentry_key="booking_id"
    )
    [who] = people(tenant.id)
    bare = event(who, type=BOOKED)
    happen(tenant.id, bare, event(who, type=BOOKED))
    happen(tenant.id, bare)
    admit(tenant.id, made.id, [who])
    assert len(entries(tenant.id)) == 3


def test_who_was_in_it_for_the_same_booking_is_told_so(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")], trigger_type=BOOKED, **EACH)
    [who] = people(tenant.id)
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "customer_id": who, "now": NOW}
    for number in range(12):
        enrol.enrol_one(**act, data={"booking_id": number})
    with pytest.raises(enrol.NotAdmitted, match="for the same “booking_id” already"):
        enrol.enrol_one(**act, data={"booking_id": 7})


def test_a_limit_holds_for_each_walk(tenant: Tenant) -> None:
    journey(tenant.id, [wait("w", None, "9 days")], trigger_type=BOOKED, max_enrollments=2, **EACH)
    [who] = people(tenant.id)
    happen(tenant.id, *[event(who, {"booking_id": str(one)}, type=BOOKED) for one in range(5)])
    assert entries(tenant.id) == ["each:0", "each:1"]


def test_keys_of_any_length(tenant: Tenant) -> None:
    long = entry_key("each", "k", "cause", {"k": "x" * 5000})
    assert len(long) < 100
    assert long != entry_key("each", "k", "cause", {"k": "x" * 5001})
    assert entry_key("each", "k", "cause", {"k": ""}) == "cause"
    assert entry_key("never", None, "cause", {}) == ""


def test_allow_reentry_is_another_name(tenant: Tenant) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome", allow_reentry=True)
    assert (made.reentry, made.allow_reentry) == ("after_exit", True)

    def change(**changes: Any) -> tuple[str, int | None, str | None, bool]:
        service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes=changes)
        found = queries.journey(tenant_id=tenant.id, journey_id=made.id)
        return found.reentry, found.reentry_days, found.reentry_key, found.allow_reentry

    assert change(reentry="after_days", reentry_days=5) == ("after_days", 5, None, True)
    assert change(allow_reentry=True) == ("after_days", 5, None, True)
    assert change(name="Hello") == ("after_days", 5, None, True)
    assert change(reentry="each", reentry_key=" quote_id ") == ("each", None, "quote_id", True)
    assert change(allow_reentry=False) == ("never", None, None, False)
    assert change(allow_reentry=True) == ("after_exit", None, None, True)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"reentry": "sometimes"}, "reentry"),
        ({"reentry": "after_days"}, "reentry_days"),
        ({"reentry": "after_days", "reentry_days": 0}, "reentry_days"),
        ({"reentry": "after_days", "reentry_days": 99999}, "reentry_days"),
        ({"reentry": "each"}, "reentry_key"),
        ({"reentry": "each", "reentry_key": "x" * 101}, "reentry_key"),
    ],
)
def test_what_is_refused(tenant: Tenant, changes: dict[str, Any], at: str) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome")
    with pytest.raises(Invalid) as refused:
        service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes=changes)
    assert list(refused.value.errors) == [at]


def test_words(tenant: Tenant) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome")
    told = []
    for kind, days, key in (("never", 0, ""), ("after_exit", 0, ""), ("after_days", 1, ""), ("each", 0, "quote_id")):
        made.reentry, made.reentry_days, made.reentry_key = kind, days, key
        told.append(reentry.words(made))
    assert told == [
        "Once for each person",
        "Again, once they have left",
        "Again 1 day after they came in, once they have left",
        "Once for each “quote_id”, also several at the same time",
    ]
