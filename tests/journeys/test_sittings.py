"""Settings saved as they are typed: one entry of the history for a sitting, in nobody's way."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts.models import Tenant
from app.infra.db import transaction
from app.journeys import queries, service
from app.journeys.drafts import DraftChanged
from app.journeys.graph import Note, step_mark
from app.journeys.models import Journey
from tests.journeys.helpers import asks, step, wait

STEPS = [step("trigger", "TRIGGER", "a", {"event_type": "MANUAL"}), wait("a", "b", "1 day"), wait("b", None, "2 days")]


@pytest.fixture
def journey(tenant: Tenant) -> Journey:
    on = {"tenant_id": tenant.id, "actor": "system"}
    made = service.create(**on, name="Two waits")
    return service.put_steps(**on, journey_id=made.id, steps=STEPS)


def on(journey: Journey) -> dict[str, Any]:
    return {"tenant_id": journey.tenant_id, "journey_id": journey.id, "actor": "system"}


def mark(journey: Journey, key: str) -> str:
    return step_mark(queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)).steps[key])


def wait_for(journey: Journey, key: str, duration: str, **more: Any) -> Journey:
    return service.configure_step(**on(journey), key=key, config={"duration": duration}, **more)


def durations(journey: Journey) -> list[Any]:
    return [step.config.get("duration") for step in queries.draft(journey)][1:]


def test_a_sitting_is_one_entry_until_something_else_is_done(journey: Journey) -> None:
    for duration in ("3 days", "30 days", "300 days"):
        at = wait_for(journey, "a", duration, sitting="one").draft_position
    assert service.undo(**on(journey)).draft_position == at - 1
    assert durations(service.redo(**on(journey))) == ["300 days", "2 days"]

    service.insert_step(**on(journey), type="END", after="b")
    wait_for(journey, "a", "4 days", sitting="one")
    wait_for(journey, "a", "5 days", sitting="two")
    assert durations(service.undo(**on(journey)))[0] == "4 days"
    assert durations(service.undo(**on(journey)))[0] == "300 days"
    # What was undone is not changed by going on at it.
    wait_for(journey, "a", "6 days", sitting="one")
    assert durations(service.undo(**on(journey)))[0] == "300 days"


def test_a_sitting_is_told_of_once(journey: Journey) -> None:
    def told() -> int:
        with transaction(journey.tenant_id) as session:
            count: int = session.scalar(text("SELECT count(*) FROM audit_entry WHERE action = 'journey.edit'"))
        return count

    before = told()
    for duration in ("3 days", "30 days"):
        wait_for(journey, "a", duration, sitting="one")
    assert told() == before + 1


def test_others_may_change_everything_but_the_step(journey: Journey) -> None:
    seen = mark(journey, "a")
    wait_for(journey, "b", "9 days")
    saved = wait_for(journey, "a", "3 days", was=seen, sitting="one")
    assert durations(saved) == ["3 days", "9 days"]
    # The same page again, that was not answered: it knows of nothing newer.
    assert durations(wait_for(journey, "a", "4 days", was=seen, sitting="one")) == ["4 days", "9 days"]
    with pytest.raises(DraftChanged):
        wait_for(journey, "a", "5 days", was=seen, sitting="two")
    wait_for(journey, "a", "6 days")
    with pytest.raises(DraftChanged):
        wait_for(journey, "a", "7 days", was=seen, sitting="one")


def test_what_is_written_in_a_note_in_one_go_is_one_entry(journey: Journey) -> None:
    for words in ("As", "Ask", "Ask Sipho"):
        note = Note("n1", words, "yellow", "a", 0, 0)
        at = service.put_note(**on(journey), note=note, sitting="note-1").draft_position
    assert service.undo(**on(journey)).draft_position == at - 1
    assert queries.draft(service.redo(**on(journey))).notes[0].text == "Ask Sipho"


def test_a_page_saves_on_what_it_saw_of_the_step(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}/steps/a"
    seen = {"was": mark(journey, "a"), "revision": str(journey.draft_revision), "sitting": "s1"}
    typed = {"either": "duration", "either.of": ["duration", "until"], "duration.unit": "days"}
    wait_for(journey, "b", "9 days")
    answer = client.post(there, {**seen, **typed, "duration.amount": "3"}, htmx=True, status=200)
    assert "step-state" in answer.text
    assert "step-form" not in answer.text.replace("#step-form", "")
    wait_for(journey, "a", "5 days")
    refused = client.post(there, {**seen, **typed, "duration.amount": "4"}, htmx=True, status=422)
    assert "Somebody else changed this step" in refused.text
    assert 'value="4"' in refused.text


def test_a_fork_is_not_cut_away_from_branches_that_are_not_cut(journey: Journey) -> None:
    fork = [asks("c", "a", "b"), wait("a", None, "1 day"), wait("b", None, "2 days")]
    service.put_steps(**on(journey), steps=[step("trigger", "TRIGGER", "c", {"event_type": "MANUAL"}), *fork])
    with pytest.raises(service.CannotEdit, match="Branches that you did not choose"):
        service.remove_steps(**on(journey), keys=["c"], cut=True)
    assert len(queries.draft(service.remove_steps(**on(journey), keys=["c", "a", "b"], cut=True))) == 1


def test_a_clipboard_holds_no_secret_and_steps_put_back_have_theirs(
    client: Any, sign_in: Any, journey: Journey, tenant: Tenant
) -> None:
    call = {"method": "POST", "url": "https://example.com/hook", "secret": "sealed away"}
    service.insert_step(**on(journey), type="WEBHOOK", after="b", key="call", config=call)
    sign_in("marketer")
    assert "sealed away" not in client.get(f"/journeys/{journey.id}").text.split('id="panel"')[0]
    told = {name: one for name, one in call.items() if name != "secret"}
    clip = json.dumps({"journey": str(journey.id), "steps": [{"key": "call", "type": "WEBHOOK", "config": told}]})
    service.remove_steps(**on(journey), keys=["call"], cut=True)
    put, [key] = service.paste_steps(**on(journey), clip=clip, after="trigger")
    assert queries.draft(put).steps[key].config["secret"] == "sealed away"
    copied, [key] = service.paste_steps(**on(journey), clip=clip, after="trigger", copy=True)
    assert queries.draft(copied).steps[key].config["secret"] == "sealed away"
    other = service.create(tenant_id=tenant.id, actor="system", name="Other")
    there, [key] = service.paste_steps(**on(other), clip=clip, after="trigger")
    assert "secret" not in queries.draft(there).steps[key].config
