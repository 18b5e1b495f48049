"""Names of events that nobody has heard of: kept, marked with the names that are like them, and in nobody's way."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from app.accounts.models import Tenant
from app.customers import custom_fields
from app.customers.models import Activity
from app.infra.db import db, transaction
from app.journeys import heard, lifecycle, queries, recipe, service
from app.journeys.models import Journey
from tests.journeys.helpers import NOW, people, step, tag
from tests.page_client import PageClient

BOOKED = "teetime.booked"


def make(
    tenant: Tenant, *steps: dict[str, Any], trigger: str = BOOKED, name: str = "Heard", **settings: Any
) -> Journey:
    on = {"tenant_id": tenant.id, "actor": "system"}
    made = service.create(**on, name=name, trigger_type=trigger, **settings)
    return service.put_steps(**on, journey_id=made.id, steps=[*steps])


def came(tenant: Tenant, who: UUID, type: str, payload: dict[str, Any]) -> None:
    values = {"category": "OTHER", "title": type, "occurred_at": NOW, "source": "scl", "payload": payload}
    with transaction(tenant.id) as session:
        session.add(Activity(tenant_id=tenant.id, customer_id=who, type=type, **values))


def told(journey: Journey) -> dict[tuple[str | None, str], str]:
    found = heard.doubts(tenant_id=journey.tenant_id, journey=journey, graph=queries.draft(journey))
    return {(one.step_key, one.field): one.message for one in found}


def waits(type: str, same: str | None = None) -> dict[str, Any]:
    config = {"event_type": type, "timeout": "1 day"} | ({"same": same} if same else {})
    return step("w", "WAIT", None, config, next_timeout=None)


def test_names_that_are_known_are_no_matter_and_cost_no_look(tenant: Tenant) -> None:
    made = make(
        tenant,
        waits("teetime.cancelled", "booking_id"),
        reentry="each",
        reentry_key="booking_id",
        exit_event={"event_type": "teetime.cancelled", "same": "booking_id"},
        goal={"event_type": "teetime.completed", "same": "tee_time"},
    )
    asked: list[str] = []
    with transaction(tenant.id):
        note = lambda _c, _cu, statement, *_: asked.append(statement)  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            assert told(made) == {}
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
    assert not [one for one in asked if "activity" in one]


def test_names_that_nobody_heard_of_are_told_with_what_is_like_them(tenant: Tenant) -> None:
    made = make(
        tenant,
        waits("teetime.canceled", "bokking_id"),
        reentry="each",
        reentry_key="starter",
        exit_event={"event_type": "nowhere", "same": "booking_id"},
        goal={"event_type": "teetime.completed", "same": "tee_tmie"},
    )
    found = told(made)
    assert set(found) == {
        ("w", "event_type"), ("w", "same"), (None, "exit_event"), (None, "exit_event.same"), (None, "goal.same"),
        (None, "reentry_key"),
    }  # fmt: skip
    assert "Did you mean “teetime.cancelled”" in found["w", "event_type"]
    assert found[None, "goal.same"].endswith("Did you mean “tee_time”?")
    assert found[None, "reentry_key"].startswith("No “Tee time booked” has said “starter” so far. It says booking_id,")
    # It stands in the way of nothing.
    assert lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system").status == "ACTIVE"


def test_what_has_come_in_is_known(tenant: Tenant) -> None:
    made = make(tenant, waits("wine.tasted", "bottle"), trigger="wine.opened")
    assert {("w", "event_type"), ("w", "same")} < set(told(made))
    (who,) = people(tenant.id)
    came(tenant, who, "wine.opened", {"bottle": "Q7"})
    came(tenant, who, "wine.tasted", {"bottleNo": "Q7"})
    assert set(told(made)) == {("w", "same")}
    came(tenant, who, "wine.tasted", {"bottle": "Q7"})
    assert told(made) == {}
    with transaction(tenant.id) as session:
        assert heard.event_types(session, tenant.id)["wine.tasted"] == "Wine tasted"


def test_it_is_a_loose_scan_however_many_events_there_are(tenant: Tenant) -> None:
    with transaction(tenant.id) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(text(f"EXPLAIN {heard._TYPES}"), {"tenant_id": tenant.id}).all()
    assert any("ix_activity_done" in line for line in plan)
    assert not any("Sort" in line for line in plan)


def test_what_events_say_is_read_at_once(tenant: Tenant) -> None:
    made = make(tenant, waits("wine.tasted", "bottle"), step("v", "WAIT", None, {
        "event_type": "wine.poured", "timeout": "1 day", "same": "glass"}, next_timeout=None), trigger="wine.opened",
        reentry="each", reentry_key="bottle")  # fmt: skip
    (who,) = people(tenant.id)
    came(tenant, who, "wine.opened", {"bottle": "Q7"})
    came(tenant, who, "wine.poured", {"glass": "Q7"})
    asked: list[str] = []
    with transaction(tenant.id):
        note = lambda _c, _cu, statement, *_: asked.append(statement)  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            found = told(made)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
    assert set(found) == {("w", "event_type"), ("w", "same"), ("v", "same")}
    assert found["v", "same"] == "No “Wine opened” has said “glass” so far. It says bottle."
    assert len([one for one in asked if "payload" in one and "FROM activity" in one]) == 1


def telling(words: str, **more: Any) -> dict[str, Any]:
    return step("n", "NOTIFY", None, {"to": "role:staff", "text": words, **more})


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        ("{{ customer.frist_name }} plays", "“customer.frist_name” so far. Did you mean “customer.first_name”?"),
        ("{{ first_name }} plays", "“first_name” so far. Did you mean “customer.first_name”?"),
        ("{{ customer.custom.loker }}", "“customer.custom.loker” so far. Did you mean “customer.custom.locker”?"),
        ("Booked {{ event.bokking_id }}", "“event.bokking_id” so far. Did you mean “event.booking_id”?"),
        ("{% if awaited.bottle %}wine{% endif %}", "“awaited.bottle” so far."),
        ("{{ webhook.call.answer }}", "“webhook.call.answer” so far."),
        ("{{ customer.first_name | default: 'Somebody' }} of {{ club.name }}: {{ event.booking_id }}", None),
        ("{% for one in event.players %}{{ one.name }}{% endfor %}{{ customer.custom.locker }}", None),
        ("No {{ braces", None),
    ],
)
def test_merge_tags_that_nothing_fills_in_are_told(tenant: Tenant, words: str, doubt: str | None) -> None:
    custom_fields.add(tenant_id=tenant.id, actor="system", key="locker", label="Locker", kind="NUMBER")
    found = told(make(tenant, telling(words)))
    assert found == ({("n", "text"): f"Nothing says {doubt}"} if doubt else {})


def test_merge_tags_are_told_of_every_setting_that_may_hold_them(tenant: Tenant) -> None:
    wrong = "{{ customer.frist_name }}"
    made = make(
        tenant,
        step("t", "TASK", "u", {"to": "role:staff", "title": wrong, "details": wrong}),
        step("u", "UPDATE", "h", {"updates": [{"field": "title", "operation": "set", "value": wrong}]}),
        step("h", "WEBHOOK", "n", {
            "url": f"https://example.com/?{wrong}", "body": '["{{ customer.id }}", "' + wrong + '"]',
        }),
        telling("{{ webhook.h.status }}"),
    )  # fmt: skip
    assert set(told(made)) == {("t", "title"), ("t", "details"), ("u", "updates"), ("h", "url"), ("h", "body")}


def test_merge_tags_of_events_are_known_by_what_came_in(tenant: Tenant) -> None:
    made = make(tenant, waits("wine.tasted"), telling("{{ event.bottle }} {{ awaited.glass }}"), trigger="wine.opened")
    assert ("n", "text") in told(made)
    (who,) = people(tenant.id)
    came(tenant, who, "wine.opened", {"bottle": "Q7"})
    came(tenant, who, "wine.tasted", {"glass": "red"})
    assert told(made) == {}
    by_hand = make(tenant, telling("{{ event.anything }}"), trigger="MANUAL", name="By hand")
    assert told(by_hand) == {}


def test_a_merge_tag_is_marked_on_the_card_and_beside_its_field(
    client: PageClient, sign_in: Any, tenant: Tenant
) -> None:
    made = make(tenant, telling("{{ customer.first_name }} plays"))
    sign_in("marketer")
    at = f"/journeys/{made.id}"
    assert "is-doubt" not in client.get(at).text
    typed = {"to": "role:staff", "text": "{{ customer.frist_name }} plays", "told": ""}
    saved = client.post(f"{at}/steps/n", typed, htmx=True, status=200).text
    assert "is-doubt" in saved
    assert 'id="f-text-doubt"' in saved
    page = client.get(f"{at}?show=1").text
    assert re.search(rf'href="{at}/steps/n#f-text" data-panel>[^<]*</a>: Nothing says “customer.frist_name”', page)
    panel = client.get(f"{at}/steps/n").text
    assert re.search(r'id="f-text"[^>]*aria-describedby="[^"]*f-text-doubt"', panel)


@pytest.mark.parametrize("name", [name for name, _ in recipe.recipes()])
def test_recipes_name_what_is_known(tenant: Tenant, name: str) -> None:
    assert told(recipe.use(tenant_id=tenant.id, name=name, actor="system")) == {}


def test_the_builder_marks_them_and_leads_to_the_field(client: PageClient, sign_in: Any, tenant: Tenant) -> None:
    exits = {"event_type": "nowhere"}
    made = make(tenant, waits("wine.tasted", "bokking_id"), exit_event=exits, reentry="each", reentry_key="starter")
    sign_in("marketer")
    page = client.get(f"/journeys/{made.id}?show=1").text
    assert "Worth a look" in page
    assert f'href="/journeys/{made.id}/settings#exit_event_type"' in page
    assert f'href="/journeys/{made.id}/settings#reentry_key"' in page
    assert "is-doubt" in page
    panel = client.get(f"/journeys/{made.id}/steps/w").text
    beside = re.search(
        r'<div class="field">(?:(?!<div class="field">).)*?id="f-event_type-doubt">.*?</p>', panel, re.DOTALL
    )
    assert beside
    assert "No event “wine.tasted” has come in so far" in beside[0]
    assert re.search(r'id="f-event_type"[^>]*aria-describedby="[^"]*f-event_type-doubt"', panel)
    assert re.search(r'id="f-same"[^>]*aria-describedby="[^"]*f-same-doubt"', panel)
    assert panel.count('class="field-doubt"') == 2
    assert '<option value="wine.tasted" selected' in panel
    assert '<option value="booking_id"></option>' in panel
    settings = client.get(f"/journeys/{made.id}/settings").text
    assert '<a href="#exit_event_type">' in settings
    assert '<option value="nowhere" selected' in settings or 'selected value="nowhere"' in settings
    assert '<option value="booking_id"></option>' in settings


def test_an_event_that_nobody_knows_stays_chosen_when_other_settings_are_saved(
    client: PageClient, sign_in: Any, tenant: Tenant
) -> None:
    made = make(tenant, tag("u", None, "x"), exit_event={"event_type": "nowhere"})
    sign_in("marketer")
    page = client.get(f"/journeys/{made.id}/settings").text
    assert 'value="nowhere"' in page
