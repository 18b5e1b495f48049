"""Two people at one form: what each changed stays, and what both changed is asked about."""

import json
import re
from html import unescape
from typing import Any

import pytest

from app.accounts.models import Tenant
from app.journeys import calls, queries, service, together
from app.journeys.drafts import DraftChanged
from app.journeys.models import Journey
from app.journeys.settings import held_by
from tests.journeys.helpers import step, wait

STEPS = [step("trigger", "TRIGGER", "a", {"event_type": "MANUAL"}), wait("a", "b", "1 day"), wait("b", None, "2 days")]
TYPED = {"either": "duration", "either.of": ["duration working_days", "until working_days"], "duration.unit": "days"}


@pytest.fixture
def journey(tenant: Tenant) -> Journey:
    on = {"tenant_id": tenant.id, "actor": "system"}
    made = service.create(**on, name="Two waits")
    return service.put_steps(**on, journey_id=made.id, steps=STEPS)


def on(journey: Journey, actor: str = "system") -> dict[str, Any]:
    return {"tenant_id": journey.tenant_id, "journey_id": journey.id, "actor": actor}


def now(journey: Journey) -> Journey:
    return queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)


def of_a(journey: Journey) -> Any:
    return queries.draft(now(journey)).steps["a"]


def hidden(text: str) -> dict[str, Any]:
    """Return what a form says it was made on."""
    found = re.findall(r'<input type="hidden" name="(was|base|sitting|undecided)" value="([^"]*)">', text)
    return {name: [unescape(value) for one, value in found if one == name] for name, _ in found}


def test_what_only_one_changed_is_told_from_what_both_did() -> None:
    began = {"a": 1, "b": 1, "c": 1, "d": None, "e": {"x": ""}}
    mine = {"a": 2, "b": 1, "c": 2, "d": "", "e": None}
    theirs = {"a": 1, "b": 2, "c": 3, "d": None, "e": {}}
    assert together.told_apart(began, mine, theirs, [[one] for one in "abcde"]) == together.Apart(["c"], ["b"])
    assert together.told_apart(None, mine, theirs, [["a"], ["b", "c"], ["d"]]).both == ["a", "b"]


def test_both_stay_where_they_changed_different_settings(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = hidden(client.get(there, htmx=True).text)
    service.configure_step(**on(journey), key="a", config={"duration": "7 days"})
    answer = client.post(there, {**seen, **TYPED, "duration.amount": "1", "name": "Mine"}, htmx=True, status=200)
    assert "That stays, and so does what you typed" in answer.text
    assert of_a(journey).name is None  # the page saves what it has been shown
    put = hidden(answer.text)
    client.post(there, {**put, **TYPED, "duration.amount": "7", "name": "Mine"}, htmx=True, status=200)
    assert (of_a(journey).name, of_a(journey).config) == ("Mine", {"duration": "7 days"})


def test_a_step_put_behind_is_no_change_of_its_settings(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = hidden(client.get(there, htmx=True).text)
    service.insert_step(**on(journey), type="WAIT", after="a")
    client.post(there, {**seen, **TYPED, "duration.amount": "1", "name": "Mine"}, htmx=True, status=200)
    assert of_a(journey).name == "Mine"


@pytest.mark.parametrize(("act", "left"), [("mine", "5 days"), ("theirs", "7 days")])
def test_of_what_both_changed_one_chooses(client: Any, sign_in: Any, journey: Journey, act: str, left: str) -> None:
    user_id = sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = hidden(client.get(there, htmx=True).text)
    service.configure_step(**on(journey, f"user:{user_id}"), key="a", config={"duration": "7 days"}, name="Theirs")
    typed = {**TYPED, "duration.amount": "5", "name": "Mine"}
    refused = client.post(there, {**seen, **typed}, htmx=True, status=422).text
    assert "You, in another window, changed this to “Wait 7 days”" in refused
    assert "changed this to “Theirs”" in refused
    assert 'value="5"' in refused
    put = client.post(there, {**hidden(refused), **typed, "act": f"{act}:duration"}, htmx=True, status=200).text
    assert "changed this to “Theirs”" in put
    assert "changed this to “Wait" not in put
    typed = {**typed, "duration.amount": left[0]}
    put = client.post(there, {**hidden(put), **typed, "act": "mine:name"}, htmx=True, status=200).text
    assert "data-conflict" not in put
    client.post(there, {**hidden(put), **typed}, htmx=True, status=200)
    assert (of_a(journey).name, of_a(journey).config) == ("Mine", {"duration": left})


def test_waits_that_exclude_each_other_are_one_setting(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = hidden(client.get(there, htmx=True).text)
    service.configure_step(**on(journey), key="a", config={"until": {"time": "09:00"}})
    typed = {**TYPED, "duration.amount": "5"}
    refused = client.post(there, {**seen, **typed}, htmx=True, status=422).text
    client.post(there, {**hidden(refused), **typed, "act": "theirs:duration"}, htmx=True, status=200)
    assert of_a(journey).config == {"until": {"time": "09:00"}}
    put = client.post(there, {**hidden(refused), **typed, "act": "mine:duration"}, htmx=True, status=200).text
    client.post(there, {**hidden(put), **typed}, htmx=True, status=200)
    assert of_a(journey).config == {"duration": "5 days"}


def test_what_was_typed_into_a_step_that_is_gone_is_kept(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = hidden(client.get(there, htmx=True).text)
    typed = {**TYPED, "duration.amount": "5", "name": "Mine"}
    service.delete_step(**on(journey), key="a")
    text = client.post(there, {**seen, **typed}, htmx=True, status=422).text
    assert "Wait 5 days" in text
    assert "Name on the canvas: Mine" in text
    # What can't be saved does not bring the step back as it was either.
    client.post(there, {**typed, "name": "x" * 201, "bring_back": "1"}, htmx=True, status=422)
    assert "a" not in queries.draft(now(journey)).steps
    client.post(there, {**typed, "bring_back": "1"}, htmx=True, status=200)
    assert (of_a(journey).name, of_a(journey).config) == ("Mine", {"duration": "5 days"})

    # Undoing what somebody did after that would bring back another step.
    service.delete_step(**on(journey), key="a")
    service.insert_step(**on(journey), type="END", after="b")
    text = client.post(there, {**seen, **typed, "bring_back": "1"}, htmx=True, status=422).text
    assert "to be copied" in text
    assert "a" not in queries.draft(now(journey)).steps
    client.post(f"/journeys/{journey.id}/steps/never", typed, htmx=True, status=404)


def test_a_secret_is_of_who_made_it_and_is_told_to_nobody(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    service.insert_step(**on(journey), type="WEBHOOK", after="b", key="call")
    old, mine, theirs = (calls.new_secret(journey.tenant_id)[1] for _ in range(3))

    def made(secret: str, url: str) -> None:
        service.configure_step(**on(journey), key="call", config={"url": url, "method": "POST", "secret": secret})

    def held() -> dict[str, Any]:
        return dict(queries.draft(now(journey)).steps["call"].config)

    made(old, "https://one.example/")
    there = f"/journeys/{journey.id}/steps/call"
    seen = hidden(client.get(there, htmx=True).text)
    typed = {"url": "https://mine.example/", "method": "POST", "secret": old}
    made(theirs, "https://one.example/")
    put = hidden(client.post(there, {**seen, **typed}, htmx=True, status=200).text)
    client.post(there, {**put, **typed, "secret": theirs}, htmx=True, status=200)
    assert (held()["url"], held()["secret"]) == ("https://mine.example/", theirs)

    seen = hidden(client.get(there, htmx=True).text)
    made(old, "https://mine.example/")
    refused = client.post(there, {**seen, **typed, "secret": mine}, htmx=True, status=422).text
    assert "changed this to “another one”" in refused
    assert held()["secret"] == old

    service.delete_step(**on(journey), key="call")
    text = client.post(there, {**seen, **typed, "secret": mine}, htmx=True, status=422).text
    assert "https://mine.example" in text
    assert mine not in re.sub(r"<input[^>]*>", "", text)


def test_settings_of_the_journey_are_not_overwritten_unseen(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/settings"
    [base] = hidden(client.get(there).text)["base"]
    typed = {"base": base, "name": "Mine", "description": "", "reentry": "never", "timezone": journey.timezone}
    typed |= {"clock": "person", "send_days": ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]}
    service.update_settings(**on(journey), changes={"max_enrollments": 9})
    client.post(there, typed, status=302)
    assert (now(journey).name, now(journey).max_enrollments) == ("Mine", 9)
    assert "changed “Limit” meanwhile. That stays." in client.get(f"/journeys/{journey.id}").text

    service.update_settings(**on(journey), changes={"name": "Theirs", "description": "Told"})
    text = client.post(there, {**typed, "name": "Mine again"}, status=409).text
    assert "changed this to “Theirs”" in text
    assert 'value="Mine again"' in text
    assert "Told" in text
    assert now(journey).name == "Theirs"
    [fresh] = hidden(text)["base"]
    kept = client.post(there, {**typed, "base": fresh, "name": "Mine again", "description": "Told"}, status=302)
    assert kept.status_code == 302
    assert (now(journey).name, now(journey).description) == ("Mine again", "Told")

    service.update_settings(**on(journey), changes={"name": "Theirs"})
    text = client.post(there, {**typed, "name": "Other", "act": "theirs:name", "description": "Told"}, status=409).text
    assert 'value="Theirs"' in text
    assert "changed this to" not in text


@pytest.mark.parametrize("base", ["", "nonsense", "[1]", "[" * 9000, '{"goal": 3}', "REPLACED"])
def test_what_a_form_says_it_was_drawn_of_may_be_nonsense(
    client: Any, sign_in: Any, journey: Journey, base: str
) -> None:
    sign_in("marketer")
    if base == "REPLACED":
        base = json.dumps(dict.fromkeys(held_by(journey), "x"))
    settings = {"base": base, "name": "Mine", "reentry": "never", "timezone": journey.timezone}
    client.post(f"/journeys/{journey.id}/settings", settings, status=302)
    typed = {**TYPED, "was": "gone", "base": base, "duration.amount": "5", "undecided": "x"}
    client.post(f"/journeys/{journey.id}/steps/a", typed, htmx=True, status=422)
    for act in ("mine:", "theirs:x", "theirs:allow_reentry"):
        client.post(f"/journeys/{journey.id}/steps/a", {**typed, "act": act}, htmx=True, status=200)
        client.post(f"/journeys/{journey.id}/settings", {**settings, "act": act})


def test_who_was_quicker_is_not_overwritten(journey: Journey) -> None:
    seen = held_by(now(journey))
    service.update_settings(**on(journey), changes={"max_enrollments": 9})
    with pytest.raises(DraftChanged):
        service.update_settings(**on(journey), changes={"name": "Mine"}, seen=seen)
