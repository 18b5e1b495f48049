"""Making, editing, publishing and stopping journeys."""

from dataclasses import replace
from typing import Any

import pytest

from app.accounts.models import Tenant
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, service
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.graph import BadGraph, CannotEdit, Note
from app.journeys.kinds import read_graph
from app.journeys.models import Journey
from tests.journeys.helpers import JOINED, journey, rows, send, step, tag, template, wait


def keys(tenant: Tenant, made: Journey) -> list[str]:
    return list(queries.draft(queries.journey(tenant_id=tenant.id, journey_id=made.id)).steps)


def create(tenant: Tenant, **values: Any) -> Journey:
    return service.create(tenant_id=tenant.id, actor="system", **{"name": "Welcome", **values})


def test_a_new_journey_holds_its_trigger(tenant: Tenant) -> None:
    conditions = [{"field": "tier", "operator": "eq", "value": "Gold"}]
    made = create(tenant, trigger_type=JOINED, trigger_config={"conditions": conditions})
    assert (made.status, made.timezone, made.draft_revision) == ("DRAFT", "Africa/Johannesburg", 1)
    assert queries.draft(made).trigger.config == {"event_type": JOINED, "conditions": conditions}  # type: ignore[union-attr]
    assert (made.trigger_type, made.trigger_config) == (JOINED, {"conditions": conditions})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "x" * 2001}, "description"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"max_enrollments": 0}, "max_enrollments"),
        ({"club_id": new_id()}, "club_id"),
    ],
)
def test_bad_settings_are_said_beside_their_field(tenant: Tenant, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(tenant, **values)
    assert list(refused.value.errors) == [field]
    made = create(tenant)
    with pytest.raises(Invalid):
        service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes=values)


def test_names_are_unique_in_a_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    create(tenant)
    create(other_tenant)
    with pytest.raises(service.NameTaken) as refused:
        create(tenant)
    assert refused.value.field == "name"


def test_a_taken_name_leaves_the_old_one(tenant: Tenant) -> None:
    create(tenant)
    second = create(tenant, name="Second").id
    with pytest.raises(service.NameTaken):
        service.update_settings(tenant_id=tenant.id, journey_id=second, actor="system", changes={"name": "Welcome"})
    assert queries.journey(tenant_id=tenant.id, journey_id=second).name == "Second"


def test_put_steps_keeps_the_trigger_and_the_columns_in_step(tenant: Tenant) -> None:
    made = create(tenant, trigger_type=JOINED)
    on = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    put = service.put_steps(**on, steps=[wait("w", None, "1 day")])
    assert list(queries.draft(put).steps) == ["trigger", "w"]
    put = service.put_steps(**on, steps=[step("start", "TRIGGER", "w"), wait("w", None, "1 day")])
    assert queries.draft(put).trigger.config["event_type"] == JOINED  # type: ignore[union-attr]
    booked = step("start", "TRIGGER", "w", {"event_type": "teetime.booked", "conditions": []})
    put = service.put_steps(**on, steps=[booked, wait("w", None, "1 day")])
    assert (put.trigger_type, put.trigger_config) == ("teetime.booked", {"conditions": []})
    with pytest.raises(BadGraph):
        service.put_steps(**on, steps=[step("a", "NOPE")])


def test_edits_undo_and_redo(tenant: Tenant) -> None:
    made = create(tenant)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    made, first = service.insert_step(**on, type="WAIT", after="trigger")
    made, second = service.insert_step(**on, type="CONDITION", after=first)
    made, third = service.insert_step(**on, type="END", after=second, exit="no")
    made = service.configure_step(**on, key=first, config={"duration": "2 days"}, name="Rest")
    made = service.move_steps(**on, keys=[first], after=second, exit="yes")
    made = service.delete_step(**on, key=third)
    assert keys(tenant, made) == ["trigger", first, second]
    history = queries.draft_history(tenant_id=tenant.id, journey=made)
    assert (history.undo, history.redo) == ("Removed “End”", None)
    assert keys(tenant, service.undo(**on)) == ["trigger", first, second, third]
    made = service.undo(**on)
    assert queries.draft(made).step("trigger").exits == {"next": first}
    assert queries.draft_history(tenant_id=tenant.id, journey=made).redo == "Moved “Rest”"
    for _ in range(9):
        made = service.undo(**on)
    assert keys(tenant, made) == ["trigger"]
    assert queries.draft_history(tenant_id=tenant.id, journey=made).undo is None
    for _ in range(9):
        made = service.redo(**on)
    assert keys(tenant, made) == ["trigger", first, second]
    service.undo(**on)
    made, _ = service.insert_step(**on, type="WAIT", after="trigger")
    assert queries.draft_history(tenant_id=tenant.id, journey=made).redo is None, "a new edit ends what could be redone"


def test_an_edit_of_an_old_draft_is_refused(tenant: Tenant) -> None:
    made = create(tenant)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    seen = made.draft_revision
    service.insert_step(**on, type="WAIT", after="trigger", draft_revision=seen)
    for act in (
        lambda: service.insert_step(**on, type="WAIT", after="trigger", draft_revision=seen),
        lambda: service.undo(**on, draft_revision=seen),
        lambda: service.put_steps(**on, steps=[], draft_revision=seen),
    ):
        with pytest.raises(DraftChanged):
            act()
    assert len(keys(tenant, made)) == 2
    # Undoing and editing again must not bring an old revision back to life.
    service.undo(**on)
    made, _ = service.insert_step(**on, type="END", after="trigger")
    with pytest.raises(DraftChanged):
        service.undo(**on, draft_revision=seen + 1)


def test_what_can_not_be_done_changes_nothing(tenant: Tenant) -> None:
    made = create(tenant)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    for act in (
        lambda: service.delete_step(**on, key="trigger"),
        lambda: service.insert_step(**on, type="WAIT", after="gone"),
        lambda: service.insert_step(**on, type="WAIT", after="trigger", exit="yes"),
    ):
        with pytest.raises(CannotEdit):
            act()
    with pytest.raises(BadGraph):
        service.insert_step(**on, type="NOPE", after="trigger")
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).draft_revision == 1


def test_activation_needs_a_sound_draft(tenant: Tenant) -> None:
    made = create(tenant)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    service.put_steps(**on, steps=[wait("w", "s", "soon"), send("s", "gone", new_id())])
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.activate(**on)
    assert set(refused.value.errors) == {"steps.w.duration", "steps.s.template_id", "steps.s.next"}
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).status == "DRAFT"
    service.put_steps(**on, steps=[wait("w", "s", "1 hour"), send("s", None, template(tenant.id))])
    done = lifecycle.activate(**on)
    assert (done.status, done.published_version) == ("ACTIVE", 1)


def test_the_life_of_a_journey(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    assert lifecycle.activate(**on).published_version == 1, "nothing new to publish"
    paused = lifecycle.pause(**on)
    assert (paused.status, paused.paused_at is None) == ("PAUSED", False)
    assert lifecycle.pause(**on).status == "PAUSED"
    resumed = lifecycle.resume(**on)
    assert (resumed.status, resumed.paused_at) == ("ACTIVE", None)
    service.put_steps(**on, steps=[tag("u", None, "y")])
    assert lifecycle.activate(**on).published_version == 2
    assert lifecycle.archive(**on).status == "ARCHIVED"
    for act in (lifecycle.activate, lifecycle.pause, lifecycle.resume, lifecycle.publish):
        with pytest.raises(WrongStatus):
            act(**on)
    with pytest.raises(WrongStatus):
        service.put_steps(**on, steps=[])
    assert lifecycle.archive(**on).status == "ARCHIVED"
    actions = [row.action for row in rows(tenant.id, "SELECT action FROM audit_entry ORDER BY id")]
    assert [one for one in actions if one not in ("journey.create", "journey.edit")] == [
        "journey.publish", "journey.activate", "journey.pause", "journey.resume", "journey.publish", "journey.archive"
    ]  # fmt: skip


def test_a_draft_journey_is_not_published_or_paused(tenant: Tenant) -> None:
    made = create(tenant)
    for act in (lifecycle.publish, lifecycle.pause, lifecycle.resume):
        with pytest.raises(WrongStatus):
            act(tenant_id=tenant.id, journey_id=made.id, actor="system")


def test_lists(tenant: Tenant, other_tenant: Tenant) -> None:
    made = [create(tenant, name=f"Journey {one}") for one in range(5)]
    create(other_tenant)
    lifecycle.archive(tenant_id=tenant.id, journey_id=made[0].id, actor="system")
    page = queries.journeys(tenant_id=tenant.id, limit=3)
    rest = queries.journeys(tenant_id=tenant.id, limit=3, cursor=page.next_cursor)
    assert [one.id for one in (*page.items, *rest.items)] == [one.id for one in reversed(made[1:])]
    assert rest.next_cursor is None
    assert [one.id for one in queries.journeys(tenant_id=tenant.id, status="ARCHIVED").items] == [made[0].id]
    assert [one.name for one in queries.journeys(tenant_id=tenant.id, q="nEY 3").items] == ["Journey 3"]
    assert queries.journeys(tenant_id=tenant.id, q="%").items == []
    with pytest.raises(queries.NoSuchJourney):
        queries.journey(tenant_id=other_tenant.id, journey_id=made[0].id)


def test_notes_are_edits_that_change_no_step(tenant: Tenant) -> None:
    made = create(tenant)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    service.insert_step(**on, type="END", after="trigger")
    lifecycle.activate(**on)
    note = Note("n1", "Ask Lindiwe", "yellow", "trigger", 10, 20)
    service.put_note(**on, note=note)
    found = service.put_note(**on, note=replace(note, x=30))
    history = queries.draft_history(tenant_id=tenant.id, journey=found)
    assert history.undo == "Moved a note"
    assert not queries.draft_differs(tenant_id=tenant.id, journey=found)
    found = service.put_steps(**on, steps=[step("e", "END")])
    assert queries.draft(found).notes == (replace(note, x=30),)
    found = service.remove_note(**on, note_id="n1")
    assert queries.draft(found).notes == ()
    assert queries.draft(service.undo(**on)).notes == (replace(note, x=30),)
    for wrong in (replace(note, colour="black"), replace(note, x=10**9), replace(note, text="x" * 2001)):
        with pytest.raises(BadGraph):
            service.put_note(**on, note=wrong)
    with pytest.raises(BadGraph):
        read_graph({"steps": [], "notes": [{"id": "a"}]})
