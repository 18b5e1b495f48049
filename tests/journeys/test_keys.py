"""Keys of steps: given once in a journey, so that what is kept by them is of that step for ever."""

from typing import Any

import orjson
import pytest

from app.accounts.models import Tenant
from app.infra.ids import new_id
from app.journeys import clips, lifecycle, queries, service
from app.journeys.graph import Graph
from tests.journeys.helpers import NOW, admit, check_counters, journey, people, rows, run, send, tag, template, wait
from tests.journeys.test_publishing import DAY, edit, inside, publish


@pytest.fixture
def on(tenant: Tenant) -> dict[str, Any]:
    made = service.create(tenant_id=tenant.id, actor="system", name="Keys")
    return {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}


def draft(on: dict[str, Any]) -> Graph:
    return queries.draft(queries.journey(tenant_id=on["tenant_id"], journey_id=on["journey_id"]))


def add(on: dict[str, Any], kind: str = "WAIT", after: str = "trigger") -> str:
    return service.insert_step(**on, type=kind, after=after)[1]


def clip(on: dict[str, Any], *keys: str) -> str:
    steps = [one for one in draft(on).to_json()["steps"] if one["key"] in keys]
    told = orjson.dumps({"journey": str(on["journey_id"]), "steps": steps}).decode()
    assert clips.read(told)
    return told


def test_the_key_of_a_removed_step_is_given_to_no_other(on: dict[str, Any]) -> None:
    assert add(on) == "wait_1"
    service.delete_step(**on, key="wait_1")
    assert add(on) == "wait_2"
    service.undo(**on)
    service.undo(**on)
    assert "wait_1" in draft(on).steps, "undoing brings the same step back"
    assert add(on) == "wait_3"
    assert add(on, "SEND") == "send_1"


def test_a_key_of_the_api_counts_too(on: dict[str, Any]) -> None:
    service.put_steps(**on, steps=[wait("wait_7", None, "1 day"), wait("mine", None, "1 day")])
    service.put_steps(**on, steps=[tag("wait_x", None, "x")])
    assert add(on) == "wait_8"


def test_a_journey_whose_numbers_nobody_noted_goes_by_its_graph(on: dict[str, Any]) -> None:
    service.put_steps(**on, steps=[wait("wait_7", None, "1 day")])
    rows(on["tenant_id"], "UPDATE journey SET key_numbers = '{}' WHERE id = :id RETURNING id", id=on["journey_id"])
    assert add(on) == "wait_8"


def test_what_is_pasted_is_the_same_step_or_a_new_one(on: dict[str, Any]) -> None:
    first = add(on)
    told = clip(on, first)
    service.remove_steps(**on, keys=[first], cut=True)
    assert service.paste_steps(**on, clip=told, after="trigger")[1] == ["wait_1"], "it was cut out of this journey"
    assert service.paste_steps(**on, clip=told, after="trigger")[1] == ["wait_2"]
    service.remove_steps(**on, keys=["wait_1", "wait_2"])
    elsewhere = told.replace(str(on["journey_id"]), str(new_id()))
    assert service.paste_steps(**on, clip=elsewhere, after="trigger")[1] == ["wait_3"]


def test_a_message_that_is_put_back_below_people_goes_to_nobody_twice(tenant: Tenant) -> None:
    mail = template(tenant.id)
    id, who = inside(tenant, send("s", "w", mail), wait("w", None, "3 days"))
    edit(tenant, id, wait("w", None, "3 days"))
    publish(tenant, id, placements={})
    late = people(tenant.id)
    admit(tenant.id, id, late)
    run(tenant.id)
    edit(tenant, id, wait("w", "s", "3 days"), send("s", None, mail))
    publish(tenant, id)
    run(tenant.id, NOW + 3 * DAY)
    sent = rows(tenant.id, "SELECT customer_id FROM message ORDER BY id")
    assert [one.customer_id for one in sent] == [*who, *late], "who had it passes by, who had it not gets it"
    check_counters(tenant.id, id)


def test_a_message_that_a_restored_version_brings_back_goes_to_nobody_twice(tenant: Tenant) -> None:
    mail = template(tenant.id)
    id, _ = inside(tenant, wait("w", "s", "1 day"), send("s", "z", mail), wait("z", None, "9 days"), count=2)
    run(tenant.id, NOW + DAY)
    edit(tenant, id, wait("w", "z", "1 day"), wait("z", None, "9 days"))
    publish(tenant, id, placements={})
    service.restore_version(tenant_id=tenant.id, journey_id=id, actor="system", number=1)
    service.move_steps(tenant_id=tenant.id, journey_id=id, actor="system", keys=["s"], after="z")
    lifecycle.publish(tenant_id=tenant.id, journey_id=id, actor="system")
    run(tenant.id, NOW + 20 * DAY)
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 2
    check_counters(tenant.id, id)


def test_another_step_begins_at_nothing(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("wait_1", None, "1 day")])
    who = people(tenant.id, 2)
    admit(tenant.id, made.id, who)
    run(tenant.id)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    service.delete_step(**on, key="wait_1")
    key = add(on)
    publish(tenant, made.id, placements={"wait_1": key})
    counts = queries.step_counts(tenant_id=tenant.id, journey_id=made.id)
    assert key != "wait_1"
    assert key not in counts
    assert counts["wait_1"].active == 2
