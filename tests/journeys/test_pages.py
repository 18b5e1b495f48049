"""The list, the settings, the lifecycle and the people of a journey, as pages."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.content import service as content
from app.customers.models import Customer
from app.infra import clock
from app.infra.db import transaction
from app.journeys import lifecycle, queries, service
from app.journeys.engine import enrol
from app.journeys.models import Journey
from app.journeys.steps.wait import Wait
from app.messaging import accounts
from tests.journeys.helpers import give_up, run


@pytest.fixture
def journey(tenant: Any) -> Journey:
    return service.create(tenant_id=tenant.id, actor="system", name="Welcome", trigger_type="scl.member.created")


@pytest.fixture
def running(tenant: Any) -> Journey:
    made = service.create(tenant_id=tenant.id, actor="system", name="By hand")
    service.insert_step(tenant_id=tenant.id, journey_id=made.id, actor="system", type="WAIT", after="trigger")
    return lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system")


def person(tenant_id: UUID, name: str = "Thandi Mokoena") -> UUID:
    first, last = name.split()
    with transaction(tenant_id) as session:
        row = Customer(tenant_id=tenant_id, first_name=first, last_name=last, email=f"{first.lower()}@example.com")
        session.add(row)
        session.flush()
        return row.id


def test_an_empty_list_says_what_to_do(client: Any, sign_in: Any) -> None:
    sign_in("marketer")
    assert "No journey yet" in client.get("/journeys").text


def test_the_list_tells_the_trigger_in_words_and_filters(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    text = client.get("/journeys").text
    assert "Welcome" in text
    assert "When “Member joined” happens" in text
    assert "No journey matches" in client.get("/journeys?q=nothing").text
    assert "No journey matches" in client.get("/journeys?status=ACTIVE").text
    assert "<!doctype" not in client.get("/journeys?q=wel", htmx=True).text


def test_a_journey_is_made_and_opened(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "Member joined" in client.get("/journeys/new").text
    answer = client.post(
        "/journeys/new", {"name": "Birthday", "trigger_type": "scl.member.created", "max_enrollments": "10"}, status=302
    )
    made = queries.journeys(tenant_id=tenant.id).items[0]
    assert (made.name, made.trigger_type, made.max_enrollments) == ("Birthday", "scl.member.created", 10)
    assert answer.location.endswith(f"/journeys/{made.id}")
    assert made.timezone == "Africa/Johannesburg"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"name": ""}, "Give a name"),
        ({"name": "x", "max_enrollments": "many"}, "Give a number"),
        ({"name": "x", "max_enrollments": "0"}, "Give a number"),
        ({"name": "x", "club_id": "nonsense"}, "Choose one of your clubs"),
        ({"name": "x", "timezone": "Moon/Base"}, "Choose a time zone"),
        ({"name": "Welcome"}, "already a journey"),
    ],
)
def test_what_is_wrong_stands_beside_the_field(
    client: Any, sign_in: Any, journey: Journey, typed: dict[str, str], message: str
) -> None:
    sign_in("marketer")
    answer = client.post("/journeys/new", {"trigger_type": "MANUAL", **typed}, status=422)
    assert message in answer.text
    if typed["name"]:
        assert f'value="{typed["name"]}"' in answer.text


def test_settings_are_changed(client: Any, sign_in: Any, tenant: Any, journey: Journey) -> None:
    sign_in("marketer")
    client.get(f"/journeys/{journey.id}/settings")
    typed = {"name": "Hello", "reentry": "after_exit", "timezone": "Europe/London", "description": "New"}
    client.post(f"/journeys/{journey.id}/settings", typed, status=302)
    found = queries.journey(tenant_id=tenant.id, journey_id=journey.id)
    assert (found.name, found.allow_reentry, found.timezone) == ("Hello", True, "Europe/London")
    client.post(f"/journeys/{journey.id}/settings", {"name": ""}, status=422)


def test_the_lifecycle(client: Any, sign_in: Any, tenant: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}"

    def status() -> str:
        return queries.journey(tenant_id=tenant.id, journey_id=journey.id).status

    client.post(f"{there}/activate", status=302)
    assert status() == "DRAFT"
    assert "Solve the problems" in client.get(there).text
    client.post(f"{there}/steps", {"type": "WAIT", "after": "trigger", "exit": "next"}, status=302)
    client.post(f"{there}/activate", {"revision": str(journey.draft_revision)}, status=302)
    assert "Somebody else has changed this journey" in client.get(there).text
    assert status() == "DRAFT"
    client.post(f"{there}/activate", {"revision": str(journey.draft_revision + 1)}, status=302)
    assert status() == "ACTIVE"
    assert "Pause" in client.get(there).text
    client.post(f"{there}/pause", status=302)
    assert status() == "PAUSED"
    client.post(f"{there}/resume", status=302)
    assert status() == "ACTIVE"
    client.post(f"{there}/archive", status=302)
    assert status() == "ARCHIVED"
    text = client.get(there).text
    assert "data-editable" not in text
    assert "data-slot" not in text


def test_publishing_warns_of_a_channel_that_nobody_carries(
    client: Any, sign_in: Any, tenant: Any, running: Journey
) -> None:
    sign_in("marketer")
    there = f"/journeys/{running.id}"
    text = content.create(tenant_id=tenant.id, name="A text", channel="SMS", editor="plain", text="Hello").id
    client.post(f"{there}/steps", {"type": "SEND", "after": "wait_1", "exit": "next"}, status=302)
    client.post(f"{there}/steps/send_1", {"channel": "SMS", "template_id": str(text)}, status=302)
    assert "Nothing goes out" not in client.get(f"{there}/publish").text
    accounts.save(tenant_id=tenant.id, channel_name="SMS", carrier=accounts.NOBODY, settings={}, actor="system")
    words = "SMS is not set up. An owner or admin says who carries it in Settings → Channels."
    assert words in client.get(f"{there}/publish").text
    client.post(f"{there}/publish", status=302)
    assert words in client.get(there).text
    assert queries.journey(tenant_id=tenant.id, journey_id=running.id).published_version == 2


def test_publishing_says_who_stands_at_a_removed_step(client: Any, sign_in: Any, tenant: Any, running: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{running.id}"
    enrol.enrol_one(tenant_id=tenant.id, journey_id=running.id, customer_id=person(tenant.id))
    assert "Publish changes" not in client.get(there).text
    client.post(f"{there}/steps", {"type": "UPDATE", "after": "wait_1", "exit": "next"}, status=302)
    assert "Unpublished changes" in client.get(there).text
    assert "Nobody stands at a step" in client.get(f"{there}/publish").text
    client.post(
        f"{there}/steps/update_1",
        {"updates.0.field": "tags", "updates.0.operation": "add", "updates.0.value": "x"},
        status=302,
    )
    client.post(f"{there}/publish", status=302)
    assert queries.journey(tenant_id=tenant.id, journey_id=running.id).published_version == 2


def test_publishing_says_which_version_was_made_or_that_none_was(
    client: Any, sign_in: Any, tenant: Any, running: Journey
) -> None:
    sign_in("marketer")
    there = f"/journeys/{running.id}"

    def published() -> int | None:
        return queries.journey(tenant_id=tenant.id, journey_id=running.id).published_version

    settings = {"name": "By hand", "reentry": "after_exit", "timezone": "Europe/London"}
    client.post(f"{there}/settings", settings, status=302)
    text = client.get(f"{there}/publish").text
    sheet = text[text.index("Publish changes</h2>") :]
    assert "Nothing is to be published." in sheet
    assert "It holds since it was saved." in sheet
    assert f'action="{there}/publish"' not in sheet
    client.post(f"{there}/publish", {"revision": "0"}, status=302)
    text = client.get(there).text
    assert "Nothing was to be published: the steps are those of version 1. Settings of the journey hold" in text
    assert "The changes are live" not in text
    assert published() == 1
    client.post(f"{there}/steps", {"type": "WAIT", "after": "wait_1", "exit": "next"}, status=302)
    client.post(f"{there}/publish", status=302)
    assert "The changes are live as version 2: people follow them from their next step on." in client.get(there).text
    client.post(f"{there}/pause", status=302)
    client.post(f"{there}/remove", {"key": "wait_2"}, status=302)
    client.post(f"{there}/publish", status=302)
    assert (
        "live as version 3: people follow them from their next step on, once the journey is" in client.get(there).text
    )
    assert published() == 3


def test_people_are_added_found_and_taken_out(client: Any, sign_in: Any, tenant: Any, running: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{running.id}/people"
    assert "Nobody here" in client.get(there).text
    who = person(tenant.id)
    assert "Thandi Mokoena" in client.get(f"{there}/add?q=thandi").text
    path = client.post(there, {"customer_id": str(who)}, status=302).location
    assert "Thandi Mokoena" in client.get(path).text
    assert "Thandi Mokoena" in client.get(there).text
    again = client.post(there, {"customer_id": str(who), "q": "thandi"}, status=302).location
    assert "in the journey already" in client.get(again).text
    assert "Thandi Mokoena" in client.get(f"/journeys/{running.id}/steps/trigger/people").text
    assert "Nobody" in client.get(f"/journeys/{running.id}/steps/trigger/people?which=failed").text
    client.post(f"{path}/exit", status=302)
    assert "Left early" in client.get(path).text
    assert "Nobody here" in client.get(f"{there}?status=ACTIVE").text
    client.post(there, {"customer_id": "nonsense"}, status=404)


def test_a_walk_is_found_in_its_own_journey_only(
    client: Any, sign_in: Any, tenant: Any, running: Journey, journey: Journey
) -> None:
    sign_in("marketer")
    made = enrol.enrol_one(tenant_id=tenant.id, journey_id=running.id, customer_id=person(tenant.id))
    client.get(f"/journeys/{running.id}/people/{made}")
    client.get(f"/journeys/{journey.id}/people/{made}", status=404)
    client.post(f"/journeys/{journey.id}/people/{made}/exit", status=404)


def test_a_viewer_looks_and_changes_nothing(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("viewer")
    there = f"/journeys/{journey.id}"
    text = client.get(there).text
    assert "data-editable" not in text
    assert "Activate" not in text
    assert "disabled" in client.get(f"{there}/steps/trigger").text
    for act in ("activate", "pause", "archive", "undo", "remove", "steps", "steps/trigger", "settings", "people"):
        client.post(f"{there}/{act}", status=403)
    client.get("/journeys/new", status=403)


def test_staff_have_no_journeys(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("staff")
    client.get("/journeys", status=403)
    client.get(f"/journeys/{journey.id}", status=403)


def test_another_tenants_journey_is_not_there(client: Any, sign_in: Any, other_tenant: Any, journey: Journey) -> None:
    journey_id = journey.id  # a refusal rolls the test's own row out of the session
    sign_in("owner", other_tenant)
    for path in ("", "/settings", "/people", "/steps/trigger", "/publish", "/add", "/people/add"):
        client.get(f"/journeys/{journey_id}{path}", status=404)
    client.post(f"/journeys/{journey_id}/archive", status=404)


def test_failed_people_are_tried_again_by_a_button(
    client: Any, sign_in: Any, tenant: Tenant, running: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("marketer")
    made = enrol.enrol_one(tenant_id=tenant.id, journey_id=running.id, customer_id=person(tenant.id))
    there = f"/journeys/{running.id}/people"
    monkeypatch.setattr(Wait, "run", lambda _, batch: 1 / 0)
    run(tenant.id, clock.now())
    text = client.get(f"{there}/{made}").text
    assert "ZeroDivisionError: division by zero. It is tried again" in text
    assert "Try again now" in text
    give_up(tenant.id, clock.now())
    text = client.get(f"{there}/{made}").text
    assert "Failed: ZeroDivisionError" in text
    client.post(f"{there}/{made}/skip-ahead", status=302)
    assert "does not wait for anything" in client.get(f"{there}/{made}").text
    client.post(f"{there}/{made}/retry", status=302)
    assert "The step is tried again." in client.get(f"{there}/{made}").text
    give_up(tenant.id, clock.now() + timedelta(days=2))
    assert "Try all again" in client.get(f"{there}?status=FAILED").text
    assert "Try all again" in client.get(f"/journeys/{running.id}/steps/wait_1/people?which=failed").text
    client.post(f"{there}/retry", {"step": "wait_1"}, status=302)
    assert "tried again for one person" in client.get(there).text
    monkeypatch.undo()
    sign_in("viewer")
    for act in ("retry", f"{made}/retry", f"{made}/skip-ahead"):
        client.post(f"{there}/{act}", status=403)


def test_who_comes_again_and_how_they_ended(client: Any, sign_in: Any, tenant: Tenant, running: Journey) -> None:
    sign_in("marketer")
    there, typed = f"/journeys/{running.id}/settings", {"name": "By hand", "timezone": "Europe/London"}
    told = client.post(there, typed | {"reentry": "after_days", "reentry_days": "soon"}, status=422).text
    assert "Give a number of days from 1" in told
    assert 'value="soon"' in told
    assert "Name the field" in client.post(there, typed | {"reentry": "each"}, status=422).text
    client.post(there, typed | {"reentry": "after_days", "reentry_days": "30"}, status=302)
    assert "Again 30 days after they came in" in client.get(f"/journeys/{running.id}?show=1").text
    assert 'value="30"' in client.get(there).text
    act = {"tenant_id": tenant.id, "journey_id": running.id, "actor": "system"}
    service.put_steps(**act, steps=[{"key": "end", "type": "END", "config": {"reason": "Has booked"}}])
    lifecycle.publish(**act)
    made = enrol.enrol_one(tenant_id=tenant.id, journey_id=running.id, customer_id=person(tenant.id))
    run(tenant.id, clock.now())
    assert "Has booked" in client.get(f"/journeys/{running.id}/people").text
    assert "Has booked" in client.get(f"/journeys/{running.id}/people/{made}").text


def test_all_that_is_wrong_with_settings_is_told_at_once(client: Any, sign_in: Any, running: Journey) -> None:
    sign_in("marketer")
    wrong = {
        "name": "",
        "timezone": "Nowhere/At all",
        "club_id": "mine",
        "max_enrollments": "many",
        "reentry": "after_days",
        "reentry_days": "soon",
        "goal_days": "0",
        "send_from": "9 o’clock",
    }
    page = client.post(f"/journeys/{running.id}/settings", wrong, status=422).text
    for name in ("name", "timezone", "club_id", "max_enrollments", "reentry_days", "goal_days", "send_from"):
        assert f'id="{name}-error"' in page, name
    for typed in ("many", "soon", "9 o’clock"):
        assert f'value="{typed}"' in page
    told = client.post("/journeys/new", wrong, status=422).text
    for name in ("name", "timezone", "club_id", "max_enrollments", "reentry_days"):
        assert f'id="{name}-error"' in told, name


def test_when_people_leave_and_what_a_journey_is_for(
    client: Any, sign_in: Any, tenant: Tenant, running: Journey
) -> None:
    sign_in("marketer")
    there, typed = f"/journeys/{running.id}/settings", {"name": "By hand", "timezone": "Europe/London"}
    page = client.get(there).text
    assert "When people leave before the end" in page
    goal = {"goal_days": "7", "goal_event": "booking.created"}
    client.post(there, typed | goal | {"exit_on_unsubscribe": "y"}, status=302)
    found = queries.journey(tenant_id=tenant.id, journey_id=running.id)
    assert (found.exit_on_unsubscribe, found.exit_conditions, found.goal_days) == (True, None, 7)
    assert found.goal == {"event_type": "booking.created", "conditions": []}
    assert found.watches
    assert "Give a number of days" in client.post(there, typed | {"goal_days": "soon"}, status=422).text
    client.post(there, typed, status=302)
    found = queries.journey(tenant_id=tenant.id, journey_id=running.id)
    assert (found.exit_on_unsubscribe, found.goal, found.goal_days, found.watches) == (False, None, None, False)

    def rule(name: str, value: str) -> dict[str, str]:
        said = {"field": "membership_tier", "was": "membership_tier", "drawn": "text", "operator": "eq", "value": value}
        whole = {
            "of": "customers",
            "key": "1",
            "join": "AND",
            "0.key": "2",
            **{f"0.{at}": one for at, one in said.items()},
        }
        return {f"{name}.{at}": one for at, one in whole.items()}

    told = client.post(there, typed | rule("exit_conditions", "") | rule("goal_conditions", "Gold"), status=422).text
    assert 'value="Gold"' in told
    client.post(there, typed | rule("exit_conditions", "Silver") | rule("goal_conditions", "Gold"), status=302)
    found = queries.journey(tenant_id=tenant.id, journey_id=running.id)
    assert found.exit_conditions is not None
    assert found.exit_conditions["rules"][0]["value"] == "Silver"
    assert found.goal is not None
    assert found.goal["conditions"]["rules"][0]["value"] == "Gold"
    assert found.watches
    shown = client.get(there).text
    assert 'value="Silver"' in shown
    assert 'value="Gold"' in shown
