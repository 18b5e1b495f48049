"""The report of a journey says what the log, the outbox and its readers say, and each number opens its people."""

import re
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import first_id_at
from app.journeys import behind, latest, service
from app.journeys.cohorts import Cohort
from app.journeys.engine import exits
from app.journeys.latest import GOAL, Behind, Who
from app.journeys.lifecycle import publish
from app.journeys.outcomes import Lift, Part
from app.journeys.queries import NoSuchJourney
from app.journeys.report import Report, report
from app.messaging import tally
from app.messaging.tally import Did, Kind
from tests.journeys.helpers import (
    NOW,
    admit,
    asks,
    event,
    happen,
    journey,
    people,
    rows,
    run,
    send,
    step,
    tag,
    template,
    wait,
)

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
PAID = "payment.received"


def split(key: str, one: str | None, other: str | None, holdout: float = 0) -> dict[str, Any]:
    variants = [{"key": "a", "name": "Early", "weight": 50}, {"key": "b", "name": "Late", "weight": 50}]
    return step(key, "SPLIT", None, {"variants": variants, "holdout_percent": holdout}, next_a=one, next_b=other)


def count(tenant: Any, made: Any, who: Who = Who(), **said: Any) -> int:  # noqa: B008
    """Return how many are behind a number, a page at a time."""
    cursor, total = None, 0
    while True:
        found = behind.people(
            tenant_id=tenant.id, journey_id=made.id, who=who, behind=Behind(**said), cursor=cursor, limit=7
        )
        total, cursor = total + len(found.items), found.next_cursor
        if cursor is None:
            return total


def told(tenant: Any, made: Any, **more: Any) -> Report:
    return report(tenant_id=tenant.id, journey_id=made.id, **more)


def gone_out(tenant: Any) -> None:
    rows(tenant.id, "UPDATE message SET status = 'sent', sent_at = now() RETURNING id")


def test_it_tells_weeks_steps_messages_and_ways(tenant: Any) -> None:
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "split", {"event_type": "MANUAL"}),
            split("split", "mail", "rest"),
            send("mail", "rest", template(tenant.id)),
            wait("rest", None, "2 days"),
        ],
        timezone="Europe/London",
    )
    first = admit(tenant.id, made.id, people(tenant.id, 30), now=NOW)
    run(tenant.id, NOW)
    run(tenant.id, NOW + 2 * DAY)
    later = admit(tenant.id, made.id, people(tenant.id, 10), now=NOW + WEEK)
    run(tenant.id, NOW + WEEK)
    exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=list(later.values())[:4], now=NOW + WEEK)
    written = rows(tenant.id, "SELECT id, enrollment_id FROM message ORDER BY id")
    gone_out(tenant)
    early = [one for one in written if one.enrollment_id in set(first.values())]
    did = [Did(one.id, Kind.OPENED, NOW) for one in early[:5]] + [Did(early[0].id, Kind.CLICKED, NOW)]
    with transaction(tenant.id) as session:
        opened = array(one.message_id for one in did)
        session.execute(
            text("UPDATE message SET first_open_at = now() WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": opened}
        )
        session.execute(text("UPDATE message SET first_click_at = now() WHERE id = :id"), {"id": early[0].id})
        tally.note(session, tenant.id, [*did, *did, Did(early[6].id, Kind.MACHINE_OPENED, NOW)])
    found = told(tenant, made)
    weeks = {week: (one.entered, one.completed, one.left, one.inside) for week, one in found.cohorts.weeks.items()}
    assert list(weeks.items()) == [(date(2026, 11, 23), (10, 0, 4, 6)), (date(2026, 11, 16), (30, 30, 0, 0))]
    steps = {one.numbers.key: one for one in found.steps}
    letters = steps["mail"].letters
    assert letters is not None
    assert (letters.sent, letters.opened, letters.clicked, letters.by_machines) == (len(written), 5, 1, 1)
    assert steps["mail"].numbers.title == "Send “Welcome”"
    assert steps["rest"].letters is None
    ways = {one.exit: one for one in found.outcomes.forks["split"]}
    assert {one.label for one in ways.values()} == {"Early", "Late"}
    assert sum(one.part.people for one in ways.values()) == 40
    assert (ways["a"].part.people, ways["a"].part.clicked, ways["b"].part.clicked) == (len(written), 1, 0)
    for did_, number in (("sent", letters.sent), ("opened", 5), ("clicked", 1)):
        assert count(tenant, made, did=(did_, "mail")) == number
    for exit, way in ways.items():
        assert count(tenant, made, way=("split", exit)) == way.part.people
        assert count(tenant, made, way=("split", exit), status="COMPLETED") == way.part.completed
    assert count(tenant, made, dropped="rest") == 4
    for key in ("t", "split", "mail", "rest"):
        assert count(tenant, made, came=key) == steps[key].numbers.entered
    assert count(tenant, made, week=date(2026, 11, 23), status="ACTIVE") == 6


@pytest.fixture
def club(tenant: Any) -> Any:
    """A journey with a goal, in which somebody went every way there is."""
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "split", {"event_type": "MANUAL"}),
            split("split", "mail", "rest", 20),
            send("mail", "rest", template(tenant.id)),
            wait("rest", "last", "2 days"),
            tag("last", None, "through"),
        ],
        goal={"event_type": PAID},
        goal_days=30,
    )
    everybody = people(tenant.id, 60)
    admit(tenant.id, made.id, everybody[:40])
    run(tenant.id)
    service.put_steps(
        tenant_id=tenant.id,
        journey_id=made.id,
        actor="system",
        steps=[one | {"name": "Last"} if one["key"] == "last" else one for one in made.draft["steps"]],
    )
    publish(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    admit(tenant.id, made.id, everybody[40:], now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    gone_out(tenant)
    paid = [event(who, {"amount": 10 + number}, type=PAID) for number, who in enumerate(everybody[::4])]
    happen(tenant.id, *paid, now=NOW + DAY + timedelta(hours=6))
    run(tenant.id, NOW + 2 * DAY)
    late = [event(who, {"amount": 7, "currency": "EUR"}, type=PAID) for who in everybody[1:20:6]]
    happen(tenant.id, *late, now=NOW + 10 * DAY)
    return made


def test_who_reached_the_goal_is_told_by_way_version_and_week(tenant: Any, club: Any) -> None:
    found = told(tenant, club)
    whole = found.outcomes.together
    assert (whole.people, whole.converted) == (60, 19)
    assert whole.revenue == {"EUR": Decimal(28), "ZAR": Decimal(sum(10 + one for one in range(15)))}
    assert whole.times is not None
    assert sum(whole.times.bars) == 19
    assert timedelta() < whole.times.quarter <= whole.times.half <= whole.times.three_quarters <= 10 * DAY
    assert found.cohorts.together.converted == 19
    assert found.cohorts.together.revenue == whole.revenue
    for version, cohort in found.cohorts.versions.items():
        part = found.outcomes.versions[version]
        assert (cohort.entered, cohort.converted, cohort.revenue) == (part.people, part.converted, part.revenue)
        assert count(tenant, club, Who(version=version), converted=True) == part.converted
        assert told(tenant, club, who=Who(version=version)).outcomes.together == part
    assert {version: one.entered for version, one in found.cohorts.versions.items()} == {2: 20, 1: 40}
    ways = {one.exit: one.part for one in found.outcomes.forks["split"]}
    assert set(ways) == {"a", "b", "holdout"}
    assert sum(one.converted for one in ways.values()) == 19
    for exit, part in ways.items():
        assert part.share.low < part.share.value < part.share.high
        assert count(tenant, club, way=("split", exit), converted=True) == part.converted


def test_what_the_journey_changes_is_told_beside_who_was_left_out(tenant: Any, club: Any) -> None:
    [lift] = told(tenant, club).outcomes.lifts
    ways = {one.exit: one.part for one in told(tenant, club).outcomes.forks["split"]}
    assert lift.held_out == ways["holdout"]
    parts = {one.key: one.part for one in lift.beside}
    assert (parts[""].people, parts[""].converted) == (
        60 - ways["holdout"].people,
        19 - ways["holdout"].converted,
    )
    assert (parts["a"], parts["b"]) == (ways["a"], ways["b"])
    assert parts["*sent"].people == count(tenant, club, did=("sent", "mail")) == ways["a"].people
    others = ("split", "!holdout")
    assert parts[""].people == count(tenant, club, way=others)
    assert parts["*sent"].people == count(tenant, club, way=others, did=("sent", "*"))
    assert parts["*sent"].converted == count(tenant, club, way=others, did=("sent", "*"), converted=True)


def test_the_words_on_a_lift_are_no_more_than_the_numbers_allow() -> None:
    from app.blueprints.journeys.reports import _verdict
    from app.infra.statistics import difference
    from app.journeys.outcomes import Beside

    def verdict(converted: int, held: int, of: int = 1000) -> str:
        whole = Beside("", "Not left out", Part(of, converted), difference(converted, of, held, of))
        return _verdict(Lift("split", Part(of, held), [whole]))

    assert verdict(105, 100).startswith("Too few to say")
    assert verdict(5, 1, 10).startswith("Too few to say")
    assert verdict(200, 100).startswith("It works")
    assert verdict(100, 200).startswith("It does harm")


def test_the_flow_is_every_way_anybody_went(tenant: Any, club: Any) -> None:
    found = told(tenant, club).flow
    links = {(one.source, one.exit, one.target): one.people for one in found.links}
    ways = {one.exit: one.part.people for one in told(tenant, club).outcomes.forks["split"]}
    assert links["t", "next", "split"] == 60
    assert links["split", "a", "mail"] == links["mail", "next", "rest"] == ways["a"]
    assert links["split", "b", "rest"] == ways["b"]
    for (source, exit, target), number in links.items():
        if (source, exit) != ("split", "next"):
            assert count(tenant, club, flow=(source, target), by=exit) == number
    assert sum(sum(one.values()) for one in found.ends.values()) == 60
    assert found.ends["split"] == {"EXITED": ways["holdout"]}
    assert found.ends["rest"]["ACTIVE"] > 0
    for key in ("split", "mail", "rest", "last"):
        assert found.came(key, "t") == count(tenant, club, came=key)


def test_two_ways_to_one_step_are_two_numbers_and_two_lists(client: Any, sign_in: Any, tenant: Any) -> None:
    variants = [{"key": "sent", "name": "Sent", "weight": 50}, {"key": "b", "name": "Control (no mail)", "weight": 50}]
    fork = step("split", "SPLIT", None, {"variants": variants, "holdout_percent": 20}, next_sent="mail", next_b="mail")
    manual = step("t", "TRIGGER", "split", {"event_type": "MANUAL"})
    made = journey(tenant.id, [manual, fork, send("mail", "rest", template(tenant.id)), wait("rest", None, "2 days")])
    admit(tenant.id, made.id, people(tenant.id, 60))
    run(tenant.id)
    gone_out(tenant)
    unknown = "UPDATE message SET status = 'unknown' WHERE id = (SELECT min(id::text)::uuid FROM message) RETURNING id"
    rows(tenant.id, unknown)
    found = told(tenant, made)
    ways = {one.exit: one.people for one in found.flow.links if one.source == "split"}
    assert set(ways) == {"sent", "b"}
    for exit, number in ways.items():
        assert count(tenant, made, flow=("split", "mail"), by=exit) == number
    parts = {one.key: one.part.people for one in found.outcomes.lifts[0].beside}
    assert parts["sent"] == ways["sent"]
    assert parts["*sent"] == count(tenant, made, way=("split", "!holdout"), did=("sent", "*")) == sum(ways.values()) - 1
    sign_in("viewer")
    shown = client.get(f"/journeys/{made.id}/report").text
    assert f"/journeys/{made.id}/people?way=split:sent" in shown
    assert '<td data-label="By">Control (no mail)</td>' in shown
    listed = client.get(f"/journeys/{made.id}/people?flow=split:mail&by=b").text
    assert "went from “Split” by “Control (no mail)” to Send “Welcome”" in listed


def test_the_funnel_counts_who_came_to_all_before(tenant: Any, club: Any) -> None:
    usual = told(tenant, club).funnel
    assert [one.key for one in usual] in (["", "mail", GOAL], ["", GOAL])
    stages = told(tenant, club, stages=["rest", "mail", "last", GOAL]).funnel
    assert [one.key for one in stages] == ["", "rest", "mail", "last", GOAL]
    before: tuple[str, ...] = ()
    for last, one in pairwise(stages):
        assert one.lost == last.people - one.people
        assert one.lost == count(tenant, club, after=before, without=(one.key,))
        assert one.inside == count(tenant, club, after=before, without=(one.key,), status="ACTIVE")
        before += (one.key,)
        assert one.people == count(tenant, club, after=before)
    assert 0 < stages[2].people < 60
    with pytest.raises(Invalid):
        told(tenant, club, stages=["gone"])


def test_who_jumps_back_or_is_tried_again_went_there_more_than_once(tenant: Any) -> None:
    jump = step("j", "JUMP", "end", {"to": "w", "max_times": 2, "at_least": "1 minute"})
    made = journey(tenant.id, [wait("w", "j", "1 day"), jump, tag("end", None, "x")])
    admit(tenant.id, made.id, people(tenant.id, 3))
    for day in range(6):
        run(tenant.id, NOW + day * DAY)
    links = {(one.source, one.target): one.people for one in told(tenant, made).flow.links}
    assert links["j", "w"] == 6
    assert count(tenant, made, flow=("j", "w")) == 3
    assert links["w", "j"] == 9
    assert links["j", "end"] == 3


def test_only_the_latest_are_looked_at(tenant: Any, club: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.journeys.latest.MOST", 25)
    monkeypatch.setattr("app.journeys.latest.values.__defaults__", (25,))
    found = told(tenant, club)
    assert found.outcomes.cut
    assert found.outcomes.together.people == 25
    assert found.cohorts.together.entered == 60
    ways = {one.exit: one.part.people for one in found.outcomes.forks["split"]}
    assert sum(ways.values()) == 25
    assert sum(count(tenant, club, way=("split", exit)) for exit in ways) == 25
    monkeypatch.setattr("app.journeys.latest.MOST", 60)
    monkeypatch.setattr("app.journeys.latest.values.__defaults__", (60,))
    assert not told(tenant, club).outcomes.cut, "there are no more"
    assert count(tenant, club, converted=True) == 19, "of which no log is asked"


def test_what_machines_and_others_did_with_campaigns_is_not_a_journeys(tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    found = told(tenant, made)
    assert (dict(found.cohorts.weeks), [one.letters for one in found.steps]) == ({}, [None, None])
    assert found.outcomes.together == Part()


def test_another_organisation_sees_nothing(tenant: Any, other_tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    for read in (report, behind.people):
        with pytest.raises(NoSuchJourney):
            read(tenant_id=other_tenant.id, journey_id=made.id)


def test_the_page_shows_it_and_its_numbers_lead_to_people(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("viewer")
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    url = f"/journeys/{made.id}/report"
    assert url in client.get(f"/journeys/{made.id}").text
    assert "Nobody has entered yet" in client.get(url).text
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id)
    text = client.get(url).text
    assert f'<a href="/journeys/{made.id}/steps/rest/people?which=here">3</a>' in text
    assert "16 Nov 2026" in text
    assert f"/journeys/{made.id}/people?flow=t:rest" in text


def test_every_number_on_the_page_opens_a_list(client: Any, sign_in: Any, tenant: Any, club: Any) -> None:
    sign_in("owner")
    shown = client.get(f"/journeys/{club.id}/report?version=1&since={NOW.date() - WEEK}")
    assert re.search(r"brought in <b>€.*, R", shown.text)
    # Who is left out is chance, and so is now and then what that comes to.
    assert re.search("Too few to say|(More|Fewer) than by chance", shown.text)
    found = set(re.findall(r'href="(/journeys/[^"]*/people\?[^"]*)"', shown.text))
    assert len(found) > 20
    for url in (one for one in found if not re.search(r"version=1&amp;status=\w+$", one)):
        listed = client.get(url.replace("&amp;", "&"))
        assert listed.status_code == 200
        assert "Nobody here" not in listed.text, url
    page = client.get(f"/journeys/{club.id}/people?way=split:a&converted=1").text
    assert "went “Early” at “Split”, and reached the goal" in page
    kept = client.post(f"/journeys/{club.id}/people/export?way=split:holdout&journey=other").text
    noted = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'list.exported'")
    assert [one.detail for one in noted] == [{"filters": {"way": "split:holdout", "journey": str(club.id)}}]
    ways = {one.exit: one.part.people for one in told(tenant, club).outcomes.forks["split"]}
    assert kept.strip().count("\n") == ways["holdout"]


def test_the_api_tells_all_of_it_and_lists_who_is_behind(api: Any, club: Any) -> None:
    # The seeds call journeys flows.
    for base in (f"/journeys/{club.id}", f"/flows/{club.id}"):
        found = api.get(f"{base}/analytics?steps=mail,goal").json
        assert (found["total_enrolled"], found["total_converted"], found["cut"]) == (60, 19, False)
        assert set(found["revenue"]) == {"EUR", "ZAR"}
        assert [one["entered"] for one in found["versions"]] == [20, 40]
        assert sum(one["entered"] for one in found["weeks"]) == 60
        assert [one["key"] for one in found["funnel"]] == ["", "mail", "goal"]
        assert {one["title"] for one in found["steps"]} >= {"Send “Welcome”", "Split"}
        [lift] = found["lifts"]
        assert lift["beside"][0]["difference"]["low"] < lift["beside"][0]["difference"]["high"]
        for way in found["ways"]:
            url = f"{base}/enrollments?way={way['step']}:{way['exit']}&converted=true&limit=100"
            listed = api.get(url).json["items"]
            assert len(listed) == way["converted"]
            assert all(one["converted_at"] and one["converted_amount"] for one in listed)
        [link] = [one for one in found["links"] if one["exit"] == "a"]
        url = f"{base}/enrollments?flow=split:mail&version=1&limit=100"
        assert 0 < len(api.get(url).json["items"]) < link["people"]
    assert api.get("/flows").json["items"][0]["id"] == str(club.id)
    assert "/api/v1/flows" not in api.get("/openapi.json").text


def test_a_report_is_of_whole_weeks_and_a_list_of_days(api: Any, client: Any, sign_in: Any, tenant: Any) -> None:
    """Two came in on a Wednesday, three on the Sunday after it, and one on the next day."""
    made = journey(tenant.id, [tag("x", None, "x")], timezone="UTC")
    now = clock.now()
    noon = (now - now.weekday() * DAY - 2 * WEEK).replace(hour=12)
    for days, number in ((2, 2), (6, 3), (7, 1)):
        admit(tenant.id, made.id, people(tenant.id, number), now=noon + days * DAY)
    run(tenant.id, now)
    monday = noon.date()
    sign_in("viewer")
    for since, until, listed, counted in (
        (2, 2, 2, 5), (6, 6, 3, 5), (3, 5, 0, 5), (3, None, 4, 6), (None, 5, 2, 5), (0, 6, 5, 5), (7, None, 1, 1),
        (None, 7, 6, 6), (None, -1, 0, 0),
    ):  # fmt: skip
        days = {"since": since, "until": until}
        asked = {name: str(monday + day * DAY) for name, day in days.items() if day is not None}
        analytics = api.get(f"/journeys/{made.id}/analytics", query_string=asked).json
        assert analytics["total_enrolled"] == analytics["latest"]["people"] == counted, asked
        whole = {name: analytics[name] for name in asked}
        for more in ({}, {"came": "x"}):
            for of, number in ((asked, listed), (whole, counted)):
                found = api.get(f"/journeys/{made.id}/enrollments", query_string=of | more).json["items"]
                assert len(found) == number, (of, more)
    wednesday = monday + 2 * DAY
    page = client.get(f"/journeys/{made.id}/people?until={wednesday}").text
    assert f"ame in up to {wednesday:%-d %b %Y}" in page


def test_it_can_be_asked_of_those_who_came_in_from_one_day_to_another(
    tenant: Any, client: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those who came in before the latest ones that are looked at."""
    monkeypatch.setattr("app.journeys.latest.values.__defaults__", (2,))
    made = journey(tenant.id, [tag("x", None, "x")], timezone="Pacific/Auckland")
    now = clock.now()
    for weeks, number in ((0, 3), (2, 4), (4, 5)):
        admit(tenant.id, made.id, people(tenant.id, number), now=now + weeks * WEEK)
    run(tenant.id, now + 5 * WEEK)
    here = now.astimezone(ZoneInfo("Pacific/Auckland")).date()
    first = Who(until=here)
    assert told(tenant, made).outcomes.together.people == 2
    assert told(tenant, made, who=first).outcomes.together.people == 2
    monkeypatch.setattr("app.journeys.latest.values.__defaults__", (100,))
    between = Who(since=here - WEEK, until=here + WEEK)
    asked = ((Who(), 12), (first, 3), (between, 3), (Who(until=here - WEEK), 0), (Who(until=here + WEEK), 3))
    for who, number in asked:
        found = told(tenant, made, who=who)
        assert found.outcomes.together.people == found.cohorts.together.entered == number, who
        assert count(tenant, made, who, came="x") == count(tenant, made, who) == number, who
    admit(tenant.id, made.id, people(tenant.id, 2), now=now - 3 * WEEK)
    assert told(tenant, made, who=Who(until=here - WEEK)).outcomes.together.people == 2, "their ids are of today"
    sign_in("viewer")
    monday = here - timedelta(days=here.weekday())
    text = client.get(f"/journeys/{made.id}/report?until={monday + 6 * DAY}").text
    assert f'value="{monday + 6 * DAY}" selected' in text
    said = "All numbers are of those who came in up to"
    assert said in text
    assert said not in client.get(f"/journeys/{made.id}/report").text
    assert f"/journeys/{made.id}/people?until={monday + 6 * DAY}" in text
    assert "came in up to" in client.get(f"/journeys/{made.id}/people?until={monday + 6 * DAY}").text


def test_all_numbers_of_chosen_weeks_and_versions_are_of_those_who_came_in_then(
    tenant: Any, club: Any, client: Any, sign_in: Any
) -> None:
    """The club's people came in in one week, 40 under version 1 and 20 under version 2."""
    with transaction(tenant.id) as session:
        written = rows(tenant.id, "UPDATE message SET first_open_at = now() WHERE step_key = 'mail' RETURNING id")
        tally.note(session, tenant.id, [Did(one.id, Kind.OPENED, NOW) for one in written])
    everybody = told(tenant, club)
    always = told(tenant, club, who=Who(since=date(2026, 1, 1)))
    assert always.who.since == date(2025, 12, 29), "whole weeks, from their Monday"
    assert (always.steps, always.cohorts) == (everybody.steps, everybody.cohorts)
    one, two = (told(tenant, club, who=Who(version=number)) for number in (1, 2))
    assert (one.cohorts.together.entered, two.cohorts.together.entered) == (40, 20)
    assert list(one.cohorts.versions) == [1]
    for whole, *parts in zip(everybody.steps, one.steps, two.steps, strict=True):
        for field in ("entered", "active", "completed", "failed", "skipped"):
            assert getattr(whole.numbers, field) == sum(getattr(part.numbers, field) for part in parts), field
        opened = [part.letters.opened for part in parts if part.letters]
        assert sum(opened) == (whole.letters.opened if whole.letters else 0)
    of = Who(version=1)
    for numbers in (step_.numbers for step_ in one.steps):
        assert count(tenant, club, of, way=(numbers.key, "*")) == numbers.completed
        assert count(tenant, club, of, step=numbers.key) == numbers.active
        assert count(tenant, club, of, came=numbers.key) == numbers.entered
    later = told(tenant, club, who=Who(since=date(2026, 12, 23)))
    assert (later.cohorts.together, later.everybody) == (Cohort(), everybody.cohorts)
    assert {step_.numbers.entered for step_ in later.steps} == {0}
    sign_in("viewer")
    text_ = client.get(f"/journeys/{club.id}/report?version=2").text
    assert "All numbers are of those who came in under version 2." in text_
    for said in ("version=2&amp;status=ACTIVE", "version=2&amp;way=mail:*", "version=2&amp;did=sent:mail"):
        assert f"/journeys/{club.id}/people?{said}" in text_
    assert "went on from Send “Welcome”" in client.get(f"/journeys/{club.id}/people?version=2&way=mail:*").text
    text_ = client.get(f"/journeys/{club.id}/report?since=2026-12-23").text
    assert "All numbers are of those who came in since 21 Dec 2026." in text_
    assert "Nobody came in then" in text_
    assert re.search(r'<option value="2026-12-21" selected[^>]*>From 21 Dec 2026', text_)
    assert "All numbers are" not in client.get(f"/journeys/{club.id}/report").text


def test_the_weeks_people_came_in_stay_when_the_journey_moves_to_another_zone(tenant: Any) -> None:
    """Two came in before midnight of a Sunday and three after it; elsewhere all of them did before, or after."""
    made = journey(tenant.id, [tag("x", None, "x")], timezone="UTC")
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    midnight = today - today.weekday() * DAY
    for late, number in ((-1, 2), (1, 3)):
        admit(tenant.id, made.id, people(tenant.id, number), now=midnight + late * timedelta(minutes=30))
    run(tenant.id, midnight + DAY)
    monday = midnight.date()
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes={"timezone": zone})
        for who, number in ((Who(until=monday - DAY), 2), (Who(since=monday), 3)):
            found = told(tenant, made, who=who)
            assert found.outcomes.together.people == found.cohorts.together.entered == number, (zone, who)
            assert [one.numbers.entered for one in found.steps if one.numbers.key == "x"] == [number]
            assert count(tenant, made, who, came="x") == count(tenant, made, who) == number
        old = SimpleNamespace(tenant_id=tenant.id, id=first_id_at(midnight - 90 * DAY), timezone=zone)
        given = latest.values(old, Who(since=monday, until=monday + 6 * DAY))
        here, there = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
        assert given["first"] < first_id_at(midnight.replace(tzinfo=here)), "wherever the week began earliest"
        assert given["last"] > first_id_at(midnight.replace(tzinfo=there) + WEEK + DAY), "and where it ended last"


def test_the_page_shows_every_week_of_those_that_were_chosen(tenant: Any, client: Any, sign_in: Any) -> None:
    """Nobody chose: the latest half year, and it says so."""
    made = journey(tenant.id, [tag("x", None, "x")])
    entered = [NOW - weeks * WEEK for weeks in range(30)]
    for customer_id, at in zip(people(tenant.id, 30), entered, strict=True):
        admit(tenant.id, made.id, [customer_id], now=at)
    mondays = [at.date() - at.weekday() * DAY for at in entered]
    sign_in("viewer")

    def shown(said: str) -> list[str]:
        page = client.get(f"/journeys/{made.id}/report?{said}").text
        told = "The latest 26 weeks in which somebody came in. Choose weeks above to see earlier ones."
        assert (told in page) is (not said), said
        return list(dict.fromkeys(re.findall(r"people\?[^\"]*week=([0-9-]+)", page)))

    assert shown("") == [str(one) for one in mondays[:26]]
    for said in (f"since={mondays[-1]}", "version=1"):
        assert shown(said) == [str(one) for one in mondays], said
    assert shown(f"since={mondays[-1]}&until={mondays[1]}") == [str(one) for one in mondays[1:]]


def test_of_chosen_weeks_no_other_walks_are_read(tenant: Any) -> None:
    """Ids say when somebody was written down; a journey may be made with people about the past, as the demo's is."""
    made = journey(tenant.id, [tag("x", None, "x")])
    admit(tenant.id, made.id, people(tenant.id, 60), now=NOW)
    shifted = """
        WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM journey_enrollment)
        UPDATE journey_enrollment e
        SET id = moved.id, enrolled_at = moved.at, entered_week = CAST(date_trunc('week', moved.at) AS date)
        FROM numbered JOIN unnest(CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[])) WITH ORDINALITY
            AS moved(id, at, place) ON moved.place = numbered.place
        WHERE numbered.id = e.id RETURNING e.id
    """
    ats = [NOW - DAY * (60 - place) for place in range(60)]
    rows(tenant.id, shifted, ids=array(first_id_at(at) for at in ats), ats=array(ats))
    old = SimpleNamespace(tenant_id=tenant.id, id=first_id_at(ats[0]), timezone=made.timezone)
    who = Who(since=date(2026, 10, 5), until=date(2026, 10, 11))
    given = latest.values(old, who) | {"journey_id": made.id}
    with transaction(tenant.id) as session:
        assert len(session.execute(text(latest.walk()), given).all()) == 7
        read = session.execute(text(latest.walk()), given | {"since": None, "until": None}).all()
    assert len(read) == 10, "days beside, too: by other clocks, and a batch may write down late"
    assert latest.values(made, who)["last"] > first_id_at(clock.now()), "of a journey made today all that was written"


def test_the_funnel_nobody_chose_is_of_the_way_that_has_messages(tenant: Any) -> None:
    """Though most people go another one."""
    yes, letter = {"field": "emailOptIn", "operator": "eq", "value": True}, template(tenant.id)
    made = journey(
        tenant.id,
        [
            asks("ask", "split", "silent", yes),
            split("split", "one", "two"),
            send("one", None, letter),
            send("two", None, letter),
            wait("silent", "tag", "1 minute"),
            tag("tag", None, "silent"),
        ],
    )
    admit(tenant.id, made.id, [*people(tenant.id, 9, email_opt_in=False), *people(tenant.id)])
    run(tenant.id, NOW)
    split_by = {one.exit for one in told(tenant, made).flow.links if one.source == "split"}
    assert [one.key for one in told(tenant, made).funnel] == ["", {"a": "one", "b": "two"}[split_by.pop()]]
    plain = journey(tenant.id, [wait("rest", "tag", "1 minute"), tag("tag", None, "x")], name="Plain")
    assert [one.key for one in told(tenant, plain).funnel] == ["", "rest", "tag"]


def test_an_address_of_steps_that_are_gone_shows_the_usual_funnel(
    tenant: Any, club: Any, client: Any, sign_in: Any
) -> None:
    sign_in("viewer")
    text = client.get(f"/journeys/{club.id}/report?steps=nope").text
    assert "There is no step “nope” in this journey. It shows the usual steps." in text
    many = "&".join(f"steps={key}" for key in ("rest", "mail", "last") * 5)
    assert "The funnel is another one" not in client.get(f"/journeys/{club.id}/report?{many}").text
