"""UPDATE: custom fields are set, cleared and added to."""

from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.customers import custom_fields
from app.customers.field_kind import CustomFieldInfo
from app.infra.ids import new_id
from app.journeys.kinds import check_graph, read_graph, words_of
from app.journeys.step_type import Known
from tests.journeys.helpers import Json, admit, journey, paths, people, rows, run, step

Updates = list[Json]


def change(field: str, operation: str, value: Any = None) -> Json:
    return {"field": field, "operation": operation, "value": value}


def after(tenant_id: UUID, custom: Json, *updates: Json) -> Json:
    """Return somebody's custom fields after these changes, made by two of them at once."""
    for label, kind in (("Visits", "NUMBER"), ("Renewal", "DATE"), ("Locker", "TEXT")):
        custom_fields.add(tenant_id=tenant_id, actor="system", key=label.lower(), label=label, kind=kind)
    made = journey(tenant_id, [step("u", "UPDATE", None, {"updates": list(updates)})])
    who, *_ = everybody = people(tenant_id, 2, custom=custom)
    admit(tenant_id, made.id, everybody)
    run(tenant_id)
    assert paths(tenant_id)[who][-1] == ("u", "COMPLETED")
    found: Json = rows(tenant_id, "SELECT custom FROM customer WHERE id = :id", id=who)[0].custom
    return found


@pytest.mark.parametrize(
    ("custom", "changed", "expected"),
    [
        ({"visits": 3}, change("custom.visits", "add", "2"), {"visits": 5}),
        ({"visits": 3}, change("custom.visits", "subtract", 4.5), {"visits": -1.5}),
        ({"locker": "7"}, change("custom.visits", "add", 1), {"visits": 1, "locker": "7"}),
        ({"visits": 0.1}, change("custom.visits", "add", "0.2"), {"visits": 0.3}),
        ({"visits": 999_999_999_999_999}, change("custom.visits", "add", 1), {"visits": 999_999_999_999_999}),
        ({"renewal": "2026-12-30"}, change("custom.renewal", "add", "3"), {"renewal": "2027-01-02"}),
        ({"renewal": "2028-03-01"}, change("custom.renewal", "subtract", 1), {"renewal": "2028-02-29"}),
        ({}, change("custom.renewal", "add", 3), {}),
        ({"visits": 3, "locker": "7"}, change("custom.locker", "clear"), {"visits": 3}),
    ],
)
def test_numbers_and_dates_are_added_to(tenant: Tenant, custom: Json, changed: Json, expected: Json) -> None:
    assert after(tenant.id, custom, changed) == expected


def test_several_changes_are_one(tenant: Tenant) -> None:
    updates = (
        change("custom.visits", "add", 1),
        change("custom.renewal", "add", 365),
        change("custom.locker", "set", "9"),
        change("title", "clear"),
        change("tags", "add", "seen"),
        change("tags", "add", "twice"),
    )
    found = after(tenant.id, {"visits": 1, "renewal": "2026-01-01"}, *updates)
    assert found == {"visits": 2, "renewal": "2027-01-01", "locker": "9"}
    row = rows(tenant.id, "SELECT tags, title, facts_at FROM customer LIMIT 1")[0]
    assert (row.tags, row.title) == (["seen", "twice"], None)
    assert {"custom.visits", "custom.renewal", "custom.locker", "title"} <= set(row.facts_at)


FIELDS = {
    one.name: one
    for one in (
        CustomFieldInfo(new_id(), "visits", "Visits", "NUMBER", ""),
        CustomFieldInfo(new_id(), "renewal", "Renewal", "DATE", ""),
        CustomFieldInfo(new_id(), "locker", "Locker", "TEXT", ""),
    )
}


@pytest.mark.parametrize(
    ("updates", "field"),
    [
        ([change("custom.visits", "add", "")], "updates[0].value"),
        ([change("custom.visits", "add", "many")], "updates[0].value"),
        ([change("custom.visits", "add", 0)], "updates[0].value"),
        ([change("custom.renewal", "add", 1.5)], "updates[0].value"),
        ([change("custom.renewal", "add", 99_999)], "updates[0].value"),
        ([change("custom.locker", "add", 1)], "updates[0].value"),
        ([change("title", "add", 1)], "updates[0].operation"),
        ([change("title", "remove", "x")], "updates[0].operation"),
        ([change("lifecycle_stage", "clear")], "updates[0].operation"),
        ([change("tags", "clear")], "updates[0].operation"),
        ([change("email_opt_in", "clear")], "updates[0].field"),
        ([change("custom.visits", "add", 1), change("custom.visits", "set", 1)], "updates[1].field"),
    ],
)
def test_what_is_wrong_is_told_beside_it(updates: Updates, field: str) -> None:
    trigger = step("t", "TRIGGER", "u", {"event_type": "MANUAL"})
    graph = read_graph({"steps": [trigger, step("u", "UPDATE", None, {"updates": updates})]})
    assert [one.field for one in check_graph(graph, Known(custom=FIELDS))] == [field]


def test_words() -> None:
    updates = [
        change("custom.visits", "add", 1), change("custom.renewal", "subtract", 30), change("custom.locker", "clear"),
        change("title", "clear"),
    ]  # fmt: skip
    found = read_graph({"steps": [step("u", "UPDATE", None, {"updates": updates})]}).steps["u"]
    told = words_of(found, Known(custom=FIELDS))
    assert told == "Add 1 to Visits; Take 30 days from Renewal; Clear Locker; Clear title"
    assert words_of(found, Known()).startswith("Add 1 to custom.visits; Take 30 from custom.renewal; ")
