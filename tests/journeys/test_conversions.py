"""Who reached the goal of a journey, and what that was worth, is kept once for each walk and counted by cohort."""

from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

from flask import Flask

from app.accounts.models import Club
from app.infra.db import transaction
from app.journeys import lifecycle, service
from tests.journeys.helpers import (
    NOW,
    admit,
    check_cohorts,
    check_counters,
    event,
    happen,
    journey,
    people,
    rows,
    run,
    wait,
)

PAID = "payment.received"
DAY = timedelta(days=1)
GOAL = {"event_type": PAID, "conditions": [{"field": "amount", "operator": "gt", "value": 10}]}


def cohorts(tenant_id: Any) -> list[Any]:
    return rows(
        tenant_id, "SELECT week, version, entered, completed, exited, converted FROM journey_cohort ORDER BY 1, 2"
    )


def test_what_a_goal_was_worth_is_kept_with_who_reached_it(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        club = Club(
            tenant_id=tenant.id, name="Links", country="GB", locale="en-GB", timezone="Europe/London", currency="GBP"
        )
        session.add(club)
        session.flush()
        club_id = club.id
    made = journey(tenant.id, [wait("w", None, "2 days")], goal=GOAL, goal_days=7)
    inside, through, small, silent = people(tenant.id, 4)
    [british] = people(tenant.id, 1, club_id=club_id)
    admit(tenant.id, made.id, [inside, through, small, silent, british])
    run(tenant.id)
    told = [(inside, {"amount": "120.50", "currency": "eur"}), (inside, {"amount": 900}), (small, {"amount": 5})]
    happen(tenant.id, *(event(who, said, type=PAID) for who, said in told), now=NOW + DAY)
    run(tenant.id, NOW + 3 * DAY)
    later = [event(through, {"amount": 80}, type=PAID), event(british, {"amount": 30}, type=PAID)]
    happen(tenant.id, *later, now=NOW + 4 * DAY)
    happen(tenant.id, event(through, {"amount": 70}, type=PAID), now=NOW + 5 * DAY)
    happen(tenant.id, event(silent, {"amount": 70}, type=PAID), now=NOW + 8 * DAY)
    found = rows(tenant.id, "SELECT customer_id, converted_at, converted_amount, converted_currency"
                 " FROM journey_enrollment WHERE converted_at IS NOT NULL")  # fmt: skip
    assert {tuple(row) for row in found} == {
        (inside, NOW + DAY, Decimal("120.50"), "EUR"),
        (through, NOW + 4 * DAY, Decimal("80.00"), "ZAR"),
        (british, NOW + 4 * DAY, Decimal("30.00"), "GBP"),
    }
    assert cohorts(tenant.id) == [(date(2026, 11, 16), 1, 5, 4, 1, 3)]
    brought = rows(tenant.id, "SELECT currency, people, amount FROM journey_revenue ORDER BY 1")
    assert brought == [("EUR", 1, Decimal("120.50")), ("GBP", 1, Decimal(30)), ("ZAR", 1, Decimal(80))]
    check_counters(tenant.id, made.id)


def test_cohorts_are_by_the_version_and_the_local_week_of_entering(tenant: Any) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")], timezone="Pacific/Auckland")
    # Monday there, and Sunday in UTC.
    monday = NOW.replace(day=22, hour=12)
    admit(tenant.id, made.id, people(tenant.id, 2), now=monday - timedelta(hours=3))
    admit(tenant.id, made.id, people(tenant.id, 3), now=monday)
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=[wait("w", None, "8 days")])
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system")
    admit(tenant.id, made.id, people(tenant.id), now=monday)
    run(tenant.id, monday + 20 * DAY)
    assert cohorts(tenant.id) == [
        (date(2026, 11, 16), 1, 2, 0, 0, 0),
        (date(2026, 11, 23), 1, 3, 0, 0, 0),
        (date(2026, 11, 23), 2, 1, 0, 0, 0),
    ]
    run(tenant.id, monday + 40 * DAY)
    check_cohorts(tenant.id, made.id)


def test_who_came_before_there_were_cohorts_is_counted_by_the_migration(tenant: Any) -> None:
    made = journey(tenant.id, [wait("w", None, "2 days")], goal=GOAL)
    first, second = people(tenant.id, 2)
    admit(tenant.id, made.id, [first, second])
    happen(tenant.id, event(first, {"amount": 80}, type=PAID))
    run(tenant.id, NOW + 9 * DAY)
    before = cohorts(tenant.id)
    rows(tenant.id, "DELETE FROM journey_cohort RETURNING 1")
    rows(tenant.id, "UPDATE journey_enrollment SET entered_week = NULL, entered_version = NULL RETURNING 1")
    fill = import_module("migrations.versions.0088_fill_journey_cohorts").FILL
    for _ in range(2):
        with transaction(tenant.id) as session:
            session.execute(fill, {"tenant_id": tenant.id, "after": UUID(int=0), "batch": 10})
    assert cohorts(tenant.id) == before
    check_cohorts(tenant.id, made.id)


def test_what_older_processes_moved_past_the_cohorts_is_counted_anew(app: Flask, tenant: Any) -> None:
    made = journey(tenant.id, [wait("w", None, "2 days")], goal=GOAL, goal_days=7)
    unknown, known, inside = people(tenant.id, 3)
    admit(tenant.id, made.id, [unknown, known])
    run(tenant.id)
    paid = (event(who, {"amount": 80}, type=PAID) for who in (unknown, known))
    happen(tenant.id, *paid, now=NOW + DAY)
    run(tenant.id, NOW + 3 * DAY)
    admit(tenant.id, made.id, [inside], now=NOW + DAY)
    # Somebody was let in, paid and left without a week; another's end was counted in the totals alone.
    nameless = "UPDATE journey_enrollment SET entered_week = NULL, entered_version = NULL WHERE customer_id = :who"
    rows(tenant.id, f"{nameless} RETURNING id", who=unknown)
    rows(tenant.id, "UPDATE journey_cohort SET entered = 2, exited = 0, converted = 1 RETURNING week")
    rows(tenant.id, "UPDATE journey_revenue SET people = 1, amount = 80 RETURNING week")
    for _ in range(2):
        done = app.test_cli_runner().invoke(args=["journeys", "recount", "--tenant", str(tenant.id)])
        assert done.output == "Counted 1 journeys.\n"
        assert cohorts(tenant.id) == [(date(2026, 11, 16), 1, 3, 0, 2, 2)]
        check_counters(tenant.id, made.id)
