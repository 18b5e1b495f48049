"""The catalogue of conditions over the API."""

from typing import Any

from app.conditions import Operator, operators_for, profile
from app.conditions.fields import FieldType
from app.customers import condition_fields, custom_fields, tags, topics
from tests.journeys import helpers as journeys
from tests.page_client import ApiClient


def listed(api: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/conditions/fields").get_json()
    return found


def test_every_field_is_listed_with_label_group_type_and_operators(tenant: Any, api: Any) -> None:
    found = listed(api)["fields"]
    by_name = {one["name"]: one for one in found}
    assert {one.name for one in profile} <= by_name.keys()
    assert len(by_name) == len(found)
    for one in found:
        assert one["label"]
        assert one["group"]
        assert {op["name"] for op in one["operators"]} <= {op.name for op in operators_for(FieldType(one["type"]))}
        assert {op["name"] for op in one["operators"]} <= set(Operator)
        assert all(choice["label"] for choice in one["choices"])
        assert one["choices"] or one["type"] != "choice"
    assert {"name": "between", "label": "is between", "value": "pair"} in by_name["handicap_index"]["operators"]
    born = {op["name"]: op["value"] for op in by_name["date_of_birth"]["operators"]}
    assert (born["anniversary_next"], born["isNull"]) == ("period", "none")
    # Nobody is born yet who will be, and nobody is without what is told of everybody.
    assert not {"within_next", "further_ahead"} & born.keys()
    assert [op["name"] for op in by_name["can_be_mailed"]["operators"]] == ["eq", "neq"]


def test_fields_stand_in_the_order_a_marketer_would_look_for_them(tenant: Any, api: Any) -> None:
    custom_fields.add(tenant_id=tenant.id, key="shoe", label="Shoe size", kind="NUMBER", heading="Golf", actor="system")
    groups = list(dict.fromkeys(one["group"] for one in listed(api)["fields"]))
    order = [one or "Golf" for one in condition_fields.HEADINGS]
    assert groups == [one for one in order if one in groups]
    assert groups[:5] == ["Profile", "Membership", "Golf", "Contact", "Reachability"]


def test_values_are_those_of_the_organisation(tenant: Any, api: Any, other_tenant: Any) -> None:
    topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    topics.create(tenant_id=other_tenant.id, name="Not ours", actor="system")
    for whose in (tenant, other_tenant):
        tags.add(tenant_id=whose.id, name=f"of {whose.id}", actor="system")
    journeys.people(tenant.id, 1, membership_tier="Gold")
    letter = journeys.template(tenant.id, "Welcome")
    found = listed(api)
    choices = {one["name"]: one["choices"] for one in found["fields"]}
    assert choices["tags"] == [{"value": f"of {tenant.id}", "label": f"of {tenant.id}"}]
    assert choices["membership_tier"] == [{"value": "Gold", "label": "Gold"}]
    assert choices["lifecycle_stage"][0]["label"]
    labels = {one["label"] for one in found["fields"]}
    assert "Can be mailed about Golf trips" in labels
    assert not any("Not ours" in one for one in labels)
    (opened,) = (one for one in found["events"] if one["name"] == "message.opened")
    fields = {one["name"]: one for one in opened["fields"]}
    assert {"value": str(letter), "label": "Welcome"} in fields["template_id"]["choices"]
    assert fields["is_machine"]["type"] == "boolean"


def test_what_somebody_did_is_asked_by_aggregates(tenant: Any, api: Any) -> None:
    found = {one["name"]: one for one in listed(api)["aggregates"]}
    assert set(found) == {"count", "sum", "min", "max", "first", "last"}
    assert (found["sum"]["measures"], found["count"]["measures"]) == (True, False)
    assert "within_last" in {one["name"] for one in found["last"]["operators"]}


def test_only_those_who_build_are_told(app: Any, tenant: Any) -> None:
    for role, status in (("marketer", 200), ("viewer", 403), ("staff", 403)):
        assert ApiClient(app, tenant.id, role).get("/conditions/fields").status_code == status
