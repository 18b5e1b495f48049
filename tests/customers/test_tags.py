"""Tags as a whole: counted, coloured, renamed and merged for everybody and every journey, deleted and brought back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.customers import mass_update, service, tags
from app.customers.models import Customer
from app.infra.db import transaction
from app.journeys import tagging
from app.journeys.models import Journey, JourneyVersion
from app.road import TAG_FOLLOWERS

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make(tenant: Any, *names: str, **more: Any) -> UUID:
    with transaction(tenant.id) as session:
        made = Customer(tenant_id=tenant.id, tags=list(names), **more)
        session.add(made)
        session.flush()
        return made.id


def has(tenant: Any, customer_id: UUID) -> list[str]:
    with transaction(tenant.id) as session:
        return list(session.scalar(text("SELECT tags FROM customer WHERE id = :id"), {"id": customer_id}))


def counts(tenant: Any) -> dict[str, int]:
    tags.count(tenant_id=tenant.id)
    return {one.name: one.customers for one in tags.listed(tenant_id=tenant.id).items}


def id_of(tenant: Any, name: str) -> UUID:
    tags.count(tenant_id=tenant.id)
    return next(one.id for one in tags.listed(tenant_id=tenant.id).items if one.name == name)


def graph(tag: str) -> dict[str, Any]:
    rules = [{"field": "tags", "operator": "contains", "value": tag.upper()}, {"field": "city", "operator": "eq"}]
    nested = {"not": {"combinator": "OR", "rules": [{"field": "tags", "operator": "in", "value": [tag, "x"]}]}}
    did = {"event": "x.y", "operator": "never", "where": [{"field": "tags", "operator": "contains", "value": tag}]}
    return {
        "steps": [
            {"key": "start", "type": "TRIGGER", "config": {"conditions": [{"field": "tags", "value": tag}]}},
            {"key": "a", "type": "CONDITION", "config": {"combinator": "AND", "rules": [*rules, nested, did]}},
            {
                "key": "b",
                "type": "UPDATE",
                "config": {"updates": [{"field": "tags", "operation": "add", "value": tag}]},
            },
        ]
    }


def journey(tenant: Any, draft: dict[str, Any]) -> UUID:
    with transaction(tenant.id) as session:
        made = Journey(
            tenant_id=tenant.id,
            name=f"Welcome {uuid4()}",
            trigger_type="MANUAL",
            timezone="UTC",
            draft=draft,
            published_version=2,
            created_by="x",
        )
        session.add(made)
        session.flush()
        for number in (1, 2):
            session.add(
                JourneyVersion(tenant_id=tenant.id, journey_id=made.id, number=number, graph=draft, created_by="x")
            )
        session.flush()
        return made.id


def test_tags_appear_by_themselves_however_they_came(tenant: Any) -> None:
    who = make(tenant)
    service.update(tenant_id=tenant.id, customer_id=who, changes={"tags": ["by hand"]}, actor="system")
    mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], add_tags=["by journey"])
    make(tenant, "copied in")
    assert {one.name for one in tags.listed(tenant_id=tenant.id).items} == {"by hand", "by journey"}
    assert counts(tenant) == {"by hand": 1, "by journey": 1, "copied in": 1}


def test_counts_fall_too_and_leave_out_merged_profiles(tenant: Any) -> None:
    who, kept = make(tenant, "vip"), make(tenant, "vip")
    make(tenant, "vip", status="MERGED", merged_into_id=kept)
    assert counts(tenant) == {"vip": 2}
    mass_update.change_all(tenant_id=tenant.id, customer_ids=[who, kept], remove_tags=["vip"])
    assert counts(tenant) == {"vip": 0}


def test_counting_again_at_once_is_left(tenant: Any) -> None:
    make(tenant, "vip")
    assert tags.count(tenant_id=tenant.id, now=NOON)
    assert not tags.count(tenant_id=tenant.id, now=NOON + timedelta(seconds=5), again_after=tags.COUNT_AGAIN)
    assert tags.count(tenant_id=tenant.id, now=NOON + timedelta(minutes=1), again_after=tags.COUNT_AGAIN)


def test_a_rename_reaches_everybody_and_no_other_tenant(tenant: Any, other_tenant: Any) -> None:
    one, theirs = make(tenant, "a", "vip", "b"), make(other_tenant, "vip")
    tags.change(tenant_id=tenant.id, tag_id=id_of(tenant, "vip"), name=" Gold guest ", actor="system")
    assert (has(tenant, one), has(other_tenant, theirs)) == (["a", "Gold guest", "b"], ["vip"])


def test_a_rename_follows_into_journeys(tenant: Any) -> None:
    make(tenant, "vip")
    old = graph("vip")
    one = journey(tenant, old)
    assert [found for found, _ in tagging.naming(tenant_id=tenant.id, tag="vip")] == [one]
    tags.change(tenant_id=tenant.id, tag_id=id_of(tenant, "vip"), name="Gold", actor="system", followers=TAG_FOLLOWERS)
    with transaction(tenant.id) as session:
        session.expire_all()
        row = session.get(Journey, (tenant.id, one))
        versions = dict(session.execute(text("SELECT number, graph FROM journey_version ORDER BY number")).all())
    assert row is not None
    assert row.draft_revision == 2
    new = row.draft["steps"]
    assert new[0] == old["steps"][0], "a trigger asks the event"
    assert new[1]["config"]["rules"][0]["value"] == "Gold"
    assert new[1]["config"]["rules"][2]["not"]["rules"][0]["value"] == ["Gold", "x"]
    assert new[1]["config"]["rules"][3] == old["steps"][1]["config"]["rules"][3], (
        "payloads keep what they were sent with"
    )
    assert new[2]["config"]["updates"][0]["value"] == "Gold"
    assert versions == {1: old, 2: row.draft}


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a,b", "a\tb"])
def test_a_bad_name_is_refused_beside_the_field(api: Any, tenant: Any, name: str) -> None:
    make(tenant, "vip")
    for answer in (api.patch(f"/tags/{id_of(tenant, 'vip')}", {"name": name}), api.post("/tags", {"name": name})):
        assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["name"])


def test_a_name_that_is_taken_asks_for_a_merge(tenant: Any) -> None:
    make(tenant, "vip", "VIP")
    with pytest.raises(tags.TagTaken, match="Merge"):
        tags.change(tenant_id=tenant.id, tag_id=id_of(tenant, "vip"), name="VIP", actor="system")


def test_two_tags_become_one_and_nobody_has_it_twice(tenant: Any) -> None:
    both, one, none = make(tenant, "vip", "VIP"), make(tenant, "vip"), make(tenant, "x")
    journey(tenant, graph("vip"))
    kept = tags.merge(
        tenant_id=tenant.id,
        tag_id=id_of(tenant, "vip"),
        into_id=id_of(tenant, "VIP"),
        actor="system",
        followers=TAG_FOLLOWERS,
    )
    assert (has(tenant, both), has(tenant, one), has(tenant, none)) == (["VIP"], ["VIP"], ["x"])
    assert (kept.name, kept.customers) == ("VIP", 2)
    assert counts(tenant) == {"VIP": 2, "x": 1}
    assert len(tagging.naming(tenant_id=tenant.id, tag="VIP")) == 1


def test_a_deleted_tag_comes_back_to_those_who_had_it(tenant: Any) -> None:
    one, gone, kept = make(tenant, "vip", "a"), make(tenant, "vip"), make(tenant)
    tag_id = id_of(tenant, "vip")
    tags.delete(tenant_id=tenant.id, tag_id=tag_id, actor="system")
    assert has(tenant, one) == ["a"]
    assert counts(tenant) == {"a": 1}
    assert [(found.name, found.customers) for found in tags.deleted(tenant_id=tenant.id)] == [("vip", 2)]
    with transaction(tenant.id) as session:
        session.execute(
            text("UPDATE customer SET status = 'MERGED', merged_into_id = :kept WHERE id = :id"),
            {"kept": kept, "id": gone},
        )
    mass_update.change_all(tenant_id=tenant.id, customer_ids=[kept], add_tags=["vip"])
    back = tags.restore(tenant_id=tenant.id, tag_id=tag_id, actor="system")
    assert (has(tenant, one), has(tenant, kept), back.customers) == (["a", "vip"], ["vip"], 2)
    assert tags.deleted(tenant_id=tenant.id) == []


def test_a_deletion_is_final_after_a_month(tenant: Any) -> None:
    make(tenant, "vip")
    tag_id = id_of(tenant, "vip")
    tags.delete(tenant_id=tenant.id, tag_id=tag_id, actor="system", now=NOON)
    with pytest.raises(tags.NoSuchTag):
        tags.restore(tenant_id=tenant.id, tag_id=tag_id, actor="system", now=NOON + tags.KEPT + timedelta(days=1))


def test_the_api_serves_them(api: Any, tenant: Any) -> None:
    made = api.post("/tags", {"name": "junior", "colour": "teal"}).get_json()
    who = make(tenant)
    api.patch(f"/customers/{who}", {"tags": ["junior"]})
    assert api.post("/tags/count", {}).get_json() == {"counted": True}
    listed = api.get("/tags?q=JUN").get_json()["items"]
    assert [(one["name"], one["colour"], one["customers"]) for one in listed] == [("junior", "teal", 1)]
    assert api.patch(f"/tags/{made['id']}", {"colour": "mauve"}).status_code == 422
    assert api.patch(f"/tags/{made['id']}", {"name": "youth"}).get_json()["colour"] == "teal"
    assert has(tenant, who) == ["youth"]
    assert api.delete(f"/tags/{made['id']}").status_code == 204
    assert api.get(f"/tags/{made['id']}").status_code == 404
    assert api.post(f"/tags/{made['id']}/restore", {}).get_json()["customers"] == 1
    assert api.post(f"/tags/{made['id']}/merge", {"into_id": made["id"]}).status_code == 409


class TestPages:
    def test_the_list_counts_once_it_is_there(self, client: Any, sign_in: Any, tenant: Any) -> None:
        make(tenant, "<b>vip")
        sign_in("marketer")
        assert "No tags yet" in client.get("/settings/tags").text
        counted = client.post("/settings/tags/count", {}, htmx=True).text
        assert "&lt;b&gt;vip" in counted
        assert "tag=%3Cb%3Evip" in counted

    def test_a_tag_is_changed_merged_deleted_and_restored(self, client: Any, sign_in: Any, tenant: Any) -> None:
        who = make(tenant, "vip", "VIP")
        sign_in("marketer")
        tag_id, other = id_of(tenant, "vip"), id_of(tenant, "VIP")
        taken = client.post(f"/settings/tags/{tag_id}", {"name": "VIP", "colour": "red"}, status=422).text
        assert "Merge the two instead" in taken
        assert "Choose the tag that stays" in client.post(f"/settings/tags/{tag_id}/merge", {}, status=422).text
        client.post(f"/settings/tags/{tag_id}/merge", {"into_id": str(other)}, status=302)
        client.post(f"/settings/tags/{other}", {"name": "VIP", "colour": "red"}, status=302)
        assert "chip tag-red" in client.get(f"/customers/{who}").text
        assert "chip tag-red" in client.get("/customers").text
        client.post(f"/settings/tags/{other}/delete", {}, status=302)
        assert "Restore" in client.get("/settings/tags").text
        client.post(f"/settings/tags/{other}/restore", {}, status=302)
        assert has(tenant, who) == ["VIP"]

    def test_staff_give_tags_and_do_not_manage_them(self, client: Any, sign_in: Any) -> None:
        sign_in("staff")
        client.get("/settings/tags", status=403)
