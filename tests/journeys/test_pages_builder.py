"""The builder without a browser: the canvas it draws, each edit, and the forms of the steps."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.accounts import queries as accounts
from app.accounts.models import Club, ClubClosure
from app.content.models import Template
from app.infra import clock
from app.infra.db import transaction
from app.infra.working_days import WEEK
from app.journeys import lifecycle, queries, service
from app.journeys.kinds import palette
from app.journeys.models import Journey
from tests.forms import posted


@pytest.fixture
def journey(tenant: Any) -> Journey:
    return service.create(tenant_id=tenant.id, actor="system", name="Welcome", trigger_type="scl.member.created")


@pytest.fixture
def marketer(client: Any, sign_in: Any) -> Any:
    sign_in("marketer")
    return client


def steps(journey: Journey) -> dict[str, dict[str, Any]]:
    found = queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)
    return {one["key"]: one for one in found.draft["steps"]}


def revision(journey: Journey) -> int:
    return queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id).draft_revision


def put(client: Any, journey: Journey, type: str, after: str, exit: str = "next") -> Any:
    typed = {"type": type, "after": after, "exit": exit, "revision": revision(journey)}
    return client.post(f"/journeys/{journey.id}/steps", typed, htmx=True, status=200)


def save(client: Any, journey: Journey, key: str, typed: dict[str, Any], *, status: int = 200) -> Any:
    return client.post(
        f"/journeys/{journey.id}/steps/{key}",
        {"revision": revision(journey), "told": "", **typed},
        htmx=True,
        status=status,
    )


def test_an_edit_answers_with_canvas_bar_and_panel(marketer: Any, journey: Journey) -> None:
    answer = put(marketer, journey, "SEND", "trigger")
    assert answer.headers["HX-Retarget"] == "#canvas"
    assert 'id="step-send_1"' in answer.text
    assert "is-new" in answer.text
    assert 'hx-target="#panel"' in answer.text
    assert "<!doctype" not in answer.text
    assert steps(journey)["trigger"]["next"] == "send_1"


def test_without_scripts_the_same_edit_comes_back_to_the_page(marketer: Any, journey: Journey) -> None:
    page = marketer.get(f"/journeys/{journey.id}/add?after=trigger&exit=next")
    assert "Send a message" in page.text
    answer = marketer.post(f"/journeys/{journey.id}/steps", {"type": "WAIT", "after": "trigger"}, status=302)
    assert answer.location.endswith("/steps/wait_1")
    assert "How long do people wait here?" in marketer.get(answer.location).text


def test_move_remove_undo_and_redo(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "WAIT", "trigger")
    put(marketer, journey, "SEND", "wait_1")
    there = f"/journeys/{journey.id}"
    marketer.post(f"{there}/move", {"key": "send_1", "after": "trigger", "exit": "next"}, htmx=True, status=200)
    assert [steps(journey)[key]["next"] for key in ("trigger", "send_1", "wait_1")] == ["send_1", "wait_1", None]
    gone = marketer.post(f"{there}/remove", {"key": "send_1"}, htmx=True, status=200)
    assert "send_1" not in steps(journey)
    assert "undo_url" in gone.headers["HX-Trigger"]
    marketer.post(f"{there}/undo", htmx=True, status=200)
    assert "send_1" in steps(journey)
    marketer.post(f"{there}/redo", htmx=True, status=200)
    assert "send_1" not in steps(journey)


def test_branches_meet_and_part(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "CONDITION", "trigger")
    put(marketer, journey, "WAIT", "condition_1", "yes")
    text = marketer.get(f"/journeys/{journey.id}").text
    joins = dict(re.findall(r'id="slot-(\w+-\w+)"[^>]*data-joins="([^"]*)"', text))
    assert joins == {"trigger-next": "", "condition_1-yes": "", "condition_1-no": "wait_1", "wait_1-next": ""}
    typed = {"source": "condition_1", "exit": "no", "target": "wait_1"}
    marketer.post(f"/journeys/{journey.id}/connect", typed, htmx=True, status=200)
    assert steps(journey)["condition_1"]["next_no"] == "wait_1"
    assert "Meets other paths" in marketer.get(f"/journeys/{journey.id}/steps/condition_1").text
    marketer.post(f"/journeys/{journey.id}/connect", {**typed, "target": ""}, htmx=True, status=200)
    assert steps(journey)["condition_1"]["next_no"] is None


def test_what_cannot_be_done_is_told_and_changes_nothing(marketer: Any, journey: Journey) -> None:
    before = steps(journey)
    answer = marketer.post(f"/journeys/{journey.id}/remove", {"key": "trigger"}, htmx=True, status=200)
    assert "removed" in answer.headers["HX-Trigger"]
    marketer.post(f"/journeys/{journey.id}/steps", {"type": "NONSENSE", "after": "trigger"}, htmx=True, status=200)
    marketer.post(f"/journeys/{journey.id}/steps", {"type": "WAIT", "after": "nowhere"}, htmx=True, status=200)
    assert steps(journey) == before


def test_a_stale_edit_is_refused_with_the_present_canvas(marketer: Any, journey: Journey) -> None:
    old = revision(journey)
    put(marketer, journey, "WAIT", "trigger")
    typed = {"type": "SEND", "after": "trigger", "exit": "next", "revision": old}
    answer = marketer.post(f"/journeys/{journey.id}/steps", typed, htmx=True, status=200)
    assert "Somebody else" in answer.headers["HX-Trigger"]
    assert 'id="step-wait_1"' in answer.text
    assert "send_1" not in steps(journey)


def test_stale_settings_keep_what_was_typed(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "WAIT", "trigger")
    old = revision(journey)
    put(marketer, journey, "SEND", "wait_1")
    typed = {"either": "duration", "either.of": ["duration", "until"], "duration.amount": "7", "duration.unit": "weeks"}
    answer = save(marketer, journey, "wait_1", {**typed, "revision": old}, status=422)
    assert "Somebody else" in answer.text
    assert 'value="7"' in answer.text
    assert f'name="revision" value="{revision(journey)}"' in answer.text
    assert steps(journey)["wait_1"]["config"] == {"duration": "1 day"}


@pytest.mark.parametrize(
    ("typed", "config"),
    [
        ({"either": "duration", "duration.amount": "3", "duration.unit": "days"}, {"duration": "3 days"}),
        ({"either": "duration", "duration.amount": "1", "duration.unit": "weeks"}, {"duration": "1 week"}),
        (
            {"either": "until", "until.time": "09:00", "until.days": "1", "duration.amount": "3"},
            {"until": {"time": "09:00", "days": 1}},
        ),
    ],
)
def test_a_wait_is_one_of_two(marketer: Any, journey: Journey, typed: dict[str, str], config: dict[str, Any]) -> None:
    put(marketer, journey, "WAIT", "trigger")
    save(marketer, journey, "wait_1", {"either.of": ["duration", "until"], "name": "A rest", **typed})
    assert steps(journey)["wait_1"]["config"] == config
    assert steps(journey)["wait_1"]["name"] == "A rest"


def test_unfinished_settings_are_kept_and_told_beside_the_field(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "WAIT", "trigger")
    typed = {"either": "duration", "either.of": ["duration", "until"], "duration.amount": "soon"}
    answer = save(marketer, journey, "wait_1", typed)
    assert 'value="soon"' in answer.text
    assert 'id="f-duration-error"' in answer.text
    assert "has-problem" in answer.text


@pytest.mark.parametrize("kind", [name for name, _ in palette()])
def test_the_card_of_an_unfilled_step_says_each_thing_once_and_where(
    marketer: Any, journey: Journey, kind: str
) -> None:
    put(marketer, journey, kind, "trigger")
    page = marketer.get(f"/journeys/{journey.id}").text
    told = unescape("".join(re.findall(r'class="step-problem" title="([^"]*)"', page)))
    said = [one.strip() for one in re.findall(r"[^.?]+[.?]", told)]
    assert len(said) == len(set(said)), said
    assert "Fill this in." not in said
    if kind == "NOTIFY":
        assert told == "Tell: Fill this in. What they are told: Fill this in."


def test_a_message_chooses_among_templates(marketer: Any, journey: Journey) -> None:
    with transaction(journey.tenant_id) as session:
        row = Template(tenant_id=journey.tenant_id, name="Hello there", channel="EMAIL", subject="Hi", text="Hi")
        session.add(row)
        session.flush()
        template_id = str(row.id)
    assert "Hello there" in put(marketer, journey, "SEND", "trigger").text
    answer = save(marketer, journey, "send_1", {"channel": "EMAIL", "template_id": template_id, "purpose": "marketing"})
    assert "Send “Hello there”" in answer.text
    assert steps(journey)["send_1"]["config"]["template_id"] == template_id
    assert "has-problem" not in answer.text


def test_conditions_grow_by_rows_and_groups_before_they_are_saved(marketer: Any, journey: Journey) -> None:
    there = f"/journeys/{journey.id}/steps/trigger"
    base = {"event_type": "scl.member.created", "revision": revision(journey)}
    row = {
        "conditions.key": "1",
        "conditions.0.key": "2",
        "conditions.0.field": "membership_tier",
        "conditions.0.was": "membership_tier",
        "conditions.0.operator": "in",
        "conditions.0.drawn": "text_many",
        "conditions.0.value": ["Gold", "Platinum"],
        "conditions.0.more": "Honorary",
    }
    added = marketer.post(there, {**base, **row, "act": "conditions:add:1"}, htmx=True, status=200)
    assert added.text.count('class="conditions-rule') == 2
    assert "data-changed" in added.text
    assert steps(journey)["trigger"]["config"]["conditions"] == []
    gone = marketer.post(there, {**base, **row, "act": "conditions:remove:2"}, htmx=True, status=200)
    assert "conditions-rule" not in gone.text
    whole = marketer.post(there, {**base, **row, "act": "conditions:group:1"}, status=200)
    assert "<!doctype" in whole.text
    assert 'name="conditions.1.join" value="OR"' in whole.text
    marketer.post(there, {**base, **row}, htmx=True, status=200)
    assert steps(journey)["trigger"]["config"]["conditions"] == [
        {"field": "membership_tier", "operator": "in", "value": ["Gold", "Platinum", "Honorary"]}
    ]


def test_what_lets_people_in_may_be_one_of_several(marketer: Any, journey: Journey) -> None:
    there = f"/journeys/{journey.id}/steps/trigger"
    rules = [{"field": "sponsor", "operator": "eq", "value": name} for name in ("Ann", "Bob")]
    form = {"event_type": "scl.member.created", "revision": revision(journey), "conditions.join": "OR"}
    for place, rule in enumerate(rules):
        form |= {
            f"conditions.{place}.{name}": value for name, value in (rule | {"field": "…", "other": "sponsor"}).items()
        }
    marketer.post(there, form, htmx=True, status=200)
    assert steps(journey)["trigger"]["config"]["conditions"] == [{"combinator": "OR", "rules": rules}]
    again = posted(marketer.get(there).text)
    assert (again["conditions.join"], again["conditions.1.other"]) == ("OR", "sponsor")


def test_another_field_of_the_event_can_be_named(marketer: Any, journey: Journey) -> None:
    there = f"/journeys/{journey.id}/steps/trigger"
    base = {"event_type": "scl.member.created", "revision": revision(journey), "conditions.0.was": ""}
    chosen = marketer.post(there, {**base, "conditions.0.field": "…", "act": "redraw"}, htmx=True, status=200)
    assert "Its name in the event" in chosen.text
    typed = {"field": "…", "other": "sponsor", "was": "sponsor", "operator": "eq", "drawn": "text", "value": "Ann"}
    row = {f"conditions.0.{name}": value for name, value in typed.items()}
    marketer.post(there, {**base, **row}, htmx=True, status=200)
    assert steps(journey)["trigger"]["config"]["conditions"] == [{"field": "sponsor", "operator": "eq", "value": "Ann"}]


def test_changing_the_field_takes_an_operator_that_fits(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "CONDITION", "trigger")
    typed = {
        "rules.join": "OR",
        "rules.0.field": "joined_on",
        "rules.0.was": "first_name",
        "rules.0.operator": "contains",
        "rules.0.value": "ann",
        "rules.1.join": "AND",
        "rules.1.0.field": "last_email_open_at",
        "rules.1.0.was": "last_email_open_at",
        "rules.1.0.operator": "isNotNull",
    }
    save(marketer, journey, "condition_1", typed)
    assert steps(journey)["condition_1"]["config"] == {
        "combinator": "OR",
        "rules": [
            {"field": "joined_on", "operator": "anniversary_next", "value": " days"},
            {"combinator": "AND", "rules": [{"field": "last_email_open_at", "operator": "isNotNull"}]},
        ],
    }


def test_time_from_now_is_asked_for_as_a_number_and_a_unit(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "CONDITION", "trigger")
    row = {"rules.0.field": "date_of_birth", "rules.0.was": "date_of_birth", "rules.0.operator": "anniversary_next"}
    # Chosen just now, after "is", which had one date.
    before = {"rules.0.drawn": "date", "rules.0.value": "1979-04-25"}
    drawn = save(marketer, journey, "condition_1", {**row, **before}).text
    assert "birthday is in the next" in drawn
    assert all(unit in drawn for unit in ('value="days" selected', 'value="months"'))
    assert 'value="hours"' not in drawn
    told = {"rules.0.drawn": "period", "rules.0.value": "7", "rules.0.unit": "weeks"}
    save(marketer, journey, "condition_1", {**row, **told})
    rule = {"field": "date_of_birth", "operator": "anniversary_next", "value": "7 weeks"}
    assert steps(journey)["condition_1"]["config"] == {"combinator": "AND", "rules": [rule]}
    drawn = marketer.get(f"/journeys/{journey.id}/steps/condition_1").text
    assert 'value="7"' in drawn
    assert 'value="weeks" selected' in drawn


SHAPES: list[dict[str, Any]] = [
    {"not": {"field": "first_name", "operator": "eq", "value": "Ann"}},
    {"not": {"combinator": "OR", "rules": [{"field": "email", "operator": "isNull"}]}, "disabled": True},
    {
        "event": "teetime.completed",
        "aggregate": "count",
        "within": "60 days",
        "where": {"combinator": "AND", "rules": [{"field": "holes", "operator": "eq", "value": "18"}]},
        "operator": "eq",
        "value": 0,
    },
]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_stored_is_drawn_and_saved_unchanged(marketer: Any, journey: Journey, shape: dict[str, Any]) -> None:
    put(marketer, journey, "CONDITION", "trigger")
    service.configure_step(
        tenant_id=journey.tenant_id,
        journey_id=journey.id,
        actor="system",
        key="condition_1",
        config={"combinator": "AND", "rules": [shape]},
    )
    page = marketer.get(f"/journeys/{journey.id}/steps/condition_1").text
    form = posted(page[page.index('id="step-form"') :])
    marketer.post(f"/journeys/{journey.id}/steps/condition_1", form, htmx=True, status=200)
    assert steps(journey)["condition_1"]["config"] == {"combinator": "AND", "rules": [shape]}


def test_without_scripts_a_field_can_be_named_before_it_is(marketer: Any, journey: Journey) -> None:
    there = f"/journeys/{journey.id}/steps/trigger"
    form = {"event_type": "scl.member.created", "conditions.0.field": "…", "act": "conditions:redraw"}
    drawn = marketer.post(there, form, status=200).text
    assert "Its name in the event" in drawn


def test_forms_nested_beyond_sense_are_refused(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "CONDITION", "trigger")
    where = f"/journeys/{journey.id}/steps/condition_1"
    joins = {"rules" + ".0" * depth + ".join": "AND" for depth in range(1, 400)}
    refused = marketer.post(where, joins | {"act": "save"}, status=422)
    assert "nested too deep" in refused.text
    many = {f"rules.{place}.field": "email" for place in range(501)}
    assert "at most 500" in marketer.post(where, many | {"act": "save"}, status=422).text


def test_changes_of_the_customer_are_rows(marketer: Any, journey: Journey) -> None:
    text = put(marketer, journey, "UPDATE", "trigger").text
    assert 'name="updates.0.field"' in text
    save(
        marketer,
        journey,
        "update_1",
        {
            "updates.0.field": "tags",
            "updates.0.operation": "add",
            "updates.0.value": "onboarded",
            "updates.1.field": "lifecycle_stage",
            "updates.1.was": "lifecycle_stage",
            "updates.1.operation": "set",
            "updates.1.value": "MEMBER",
        },
    )
    assert steps(journey)["update_1"]["config"]["updates"] == [
        {"field": "tags", "operation": "add", "value": "onboarded"},
        {"field": "lifecycle_stage", "operation": "set", "value": "MEMBER"},
    ]


def test_a_step_that_is_gone_is_not_there(marketer: Any, journey: Journey) -> None:
    marketer.get(f"/journeys/{journey.id}/steps/nothing", status=404)
    save(marketer, journey, "nothing", {}, status=404)


def test_live_numbers_come_only_while_the_journey_is_active(marketer: Any, journey: Journey) -> None:
    there = f"/journeys/{journey.id}"
    assert 'data-every="10"' in marketer.get(there).text
    put(marketer, journey, "WAIT", "trigger")
    assert "#totals" not in marketer.post(f"{there}/pulse", {}, htmx=True, status=200).text
    lifecycle.activate(tenant_id=journey.tenant_id, journey_id=journey.id, actor="system")
    assert 'data-every="5"' in marketer.get(there).text
    assert "#totals" in marketer.post(f"{there}/pulse", {}, htmx=True, status=200).text


def test_nobodys_words_become_markup(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "WAIT", "trigger")
    evil = '"><script>alert(1)</script>'
    typed = {"either": "duration", "either.of": ["duration", "until"], "duration.amount": evil, "name": evil}
    save(marketer, journey, "wait_1", typed)
    assert "<script>alert" not in marketer.get(f"/journeys/{journey.id}").text
    assert "<script>alert" not in marketer.get(f"/journeys/{journey.id}/steps/wait_1").text


def test_the_panel_shows_the_mail_and_when_a_wait_ends(marketer: Any, journey: Journey) -> None:
    with transaction(journey.tenant_id) as session:
        made = Template(
            tenant_id=journey.tenant_id, name="Hi", channel="EMAIL", subject="Hi", html="<p>Hi</p>", text="Hi"
        )
        plain = Template(tenant_id=journey.tenant_id, name="Plain", channel="EMAIL", subject="Hi", text="Hi")
        session.add_all([made, plain])
        session.flush()
        ids = {"html": str(made.id), "plain": str(plain.id)}
    put(marketer, journey, "SEND", "trigger")
    there = f"/journeys/{journey.id}/steps"
    for name, shown in (("html", True), ("plain", False)):
        save(marketer, journey, "send_1", {"channel": "EMAIL", "template_id": ids[name]})
        assert (f'src="/templates/{ids[name]}/letter"' in marketer.get(f"{there}/send_1").text) is shown
    service.insert_step(
        tenant_id=journey.tenant_id, journey_id=journey.id, actor="system", type="WAIT", after="trigger",
        config={"duration": "2 days"},
    )  # fmt: skip
    assert marketer.get(f"{there}/wait_1").text.split('<ul class="next-times">')[1].count("<li>", 0, 400) == 1


def test_what_cannot_be_stored_is_said_as_what_it_is(marketer: Any, journey: Journey) -> None:
    put(marketer, journey, "WAIT", "trigger")
    typed = {"name": "x" * 201, "duration.amount": "2", "duration.unit": "days", "revision": revision(journey)}
    answer = marketer.post(f"/journeys/{journey.id}/steps/wait_1", typed, htmx=True, status=422)
    assert "Give a name of at most 200 characters." in answer.text
    assert "Somebody else" not in answer.text


def test_the_end_of_a_wait_is_told_by_the_clocks_of_the_journey(marketer: Any, tenant: Any) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Far", timezone="Pacific/Auckland")
    service.insert_step(
        tenant_id=tenant.id, journey_id=made.id, actor="system", type="WAIT", after="trigger",
        config={"until": {"days": 3, "time": "09:00"}},
    )  # fmt: skip
    text = marketer.get(f"/journeys/{made.id}/steps/wait_1").text
    assert ", 09:00</li>" in text.split('<ul class="next-times">')[1]


def test_the_next_times_of_a_wait_tell_which_day_is_closed_and_why(marketer: Any, tenant: Any) -> None:
    zone = ZoneInfo("Africa/Johannesburg")
    here = accounts.clubs(tenant_id=tenant.id)[0]
    closed = clock.now().astimezone(zone).date() + timedelta(days=3)
    with transaction(tenant.id) as session:
        session.get_one(Club, (tenant.id, here.id)).working_days = list(WEEK)
        session.add(
            ClubClosure(tenant_id=tenant.id, club_id=here.id, name="Captain’s Day", starts_on=closed, ends_on=closed)
        )
    made = service.create(tenant_id=tenant.id, actor="system", name="Near", timezone=zone.key)
    config = {"until": {"days": 1, "time": "09:00"}, "working_days": True}
    service.insert_step(
        tenant_id=tenant.id, journey_id=made.id, actor="system", type="WAIT", after="trigger", config=config
    )
    text = marketer.get(f"/journeys/{made.id}/steps/wait_1").text
    shown = text.split('<ul class="next-times">')[1].split("</ul>")[0]
    assert f"{closed:%a %-d %b} is closed: Captain’s Day" in shown
    assert shown.count("is closed") == 1
    assert f"Working days of {here.name}: Monday to Sunday, but for its closures." in text
    # Of working days that are counted it tells what lies on the way.
    service.configure_step(
        tenant_id=tenant.id, journey_id=made.id, actor="system", key="wait_1", config={"duration": "5 working days"}
    )
    text = marketer.get(f"/journeys/{made.id}/steps/wait_1").text
    assert f"{closed:%a %-d %b} is closed: Captain’s Day" in text
