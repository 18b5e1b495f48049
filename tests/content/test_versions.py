"""What a template said before: every save is kept, told and brought back; two who save are told of each other."""

import re
from typing import Any

import pytest
from sqlalchemy import text as sql

from app.content import difference, queries, service
from app.customers import topics
from app.infra.db import transaction
from app.infra.errors import Invalid, IsArchived
from app.journeys import lifecycle
from app.journeys import service as journeys
from app.messaging import compose
from app.road import TEMPLATE_USERS
from tests.page_client import ApiClient, PageClient

LETTER = {"name": "Welcome", "subject": "Hi {{ customer.first_name }}", "html": "<p>Hello there</p>", "text": ""}


def written(tenant: Any, **changes: Any) -> Any:
    fields = {"name": "Welcome", "subject": "First", "html": "<p>One</p>"} | changes
    return service.create(tenant_id=tenant.id, actor="system", actor_name="Ann Botha", **fields)


def numbers(tenant: Any, template: Any) -> list[int]:
    return [one.number for one in queries.versions(tenant_id=tenant.id, template_id=template.id).items]


def test_every_save_is_kept_with_who_and_when(tenant: Any) -> None:
    template = written(tenant)
    changes = {"subject": "Second"}
    service.update(tenant_id=tenant.id, template_id=template.id, changes=changes, actor_name="Ben Dlamini")
    service.update(tenant_id=tenant.id, template_id=template.id, changes=changes, actor_name="Cleo")
    newest, oldest = queries.versions(tenant_id=tenant.id, template_id=template.id).items
    assert (newest.number, newest.content["subject"], newest.changed_by_name) == (2, "Second", "Ben Dlamini")
    assert (oldest.number, oldest.content["subject"], oldest.changed_by_name) == (1, "First", "Ann Botha")
    assert newest.changed_at >= oldest.changed_at


def test_what_is_sent_can_be_of_any_version(tenant: Any) -> None:
    template = written(tenant)
    service.update(tenant_id=tenant.id, template_id=template.id, changes={"subject": "Second"})
    for version, subject in ((1, "First"), (2, "Second"), (None, "Second")):
        found = queries.source(tenant_id=tenant.id, template_id=template.id, version=version)
        assert found.subject == subject
        if version:
            row = {"template_id": template.id, "template_version": version, "builtin": None, "snippets_revision": None}
            assert compose._letter(tenant.id, row, None, None).subject.render() == subject
    with pytest.raises(queries.NoSuchVersion):
        queries.source(tenant_id=tenant.id, template_id=template.id, version=3)


def test_what_the_last_release_wrote_is_kept_when_it_is_changed_again(tenant: Any) -> None:
    template = written(tenant)
    with transaction(tenant.id) as session:
        session.execute(sql("UPDATE template SET version = 2, subject = 'By old code'"))
    service.update(tenant_id=tenant.id, template_id=template.id, changes={"subject": "Third"})
    assert numbers(tenant, template) == [3, 2, 1]
    assert queries.kept(tenant_id=tenant.id, template_id=template.id, number=2).content["subject"] == "By old code"


def test_restoring_makes_a_new_version_and_loses_none(tenant: Any) -> None:
    template = written(tenant)
    changes = {"subject": "Second", "html": None, "text": "Two", "name": "Renamed"}
    service.update(tenant_id=tenant.id, template_id=template.id, changes=changes)
    again = service.restore(tenant_id=tenant.id, template_id=template.id, version=1)
    assert (again.version, again.subject, again.html, again.text, again.name) == (
        3, "First", "<p>One</p>", None, "Renamed",
    )  # fmt: skip
    assert numbers(tenant, template) == [3, 2, 1]
    assert queries.kept(tenant_id=tenant.id, template_id=template.id, number=3).restored_from == 1
    assert service.restore(tenant_id=tenant.id, template_id=template.id, version=1).version == 3
    with pytest.raises(queries.NoSuchVersion):
        service.restore(tenant_id=tenant.id, template_id=template.id, version=9)


def test_the_second_who_saves_is_told_and_loses_nothing(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    where = client.post("/templates/new", LETTER, status=302).headers["Location"]
    [template] = queries.page(tenant_id=tenant.id).items
    assert 'name="version" value="1"' in client.get(where).text
    service.update(
        tenant_id=tenant.id,
        template_id=template.id,
        changes={"html": "<p>Hello everyone</p>"},
        actor_name="Ben Dlamini",
    )
    mine = LETTER | {"html": "<p>Hello <b>mine</b></p>", "version": "1"}
    told = client.post(where, mine, status=409).text
    assert "Ben Dlamini saved this template while you were changing it" in told
    assert "&lt;p&gt;Hello &lt;b&gt;mine&lt;/b&gt;&lt;/p&gt;" in told
    assert "<mark>everyone</mark>" in told
    assert queries.get(tenant_id=tenant.id, template_id=template.id).html == "<p>Hello everyone</p>"
    [again] = re.findall(r'name="version" value="(\d+)"', told)
    client.post(where, mine | {"version": again}, status=302)
    assert queries.get(tenant_id=tenant.id, template_id=template.id).html == "<p>Hello <b>mine</b></p>"
    assert numbers(tenant, template) == [3, 2, 1]
    # Who saves what stands there already takes nothing from anybody.
    client.post(where, mine | {"version": "1"}, status=302)


def test_the_api_knows_of_versions_too(api: ApiClient) -> None:
    made = api.post("/templates", LETTER | {"channel": "EMAIL"}).get_json()
    one = f"/templates/{made['id']}"
    assert api.patch(one, {"subject": "Second", "version": 1}).get_json()["version"] == 2
    late = api.patch(one, {"subject": "Third", "version": 1})
    assert late.status_code == 409
    assert api.get(one).get_json()["subject"] == "Second"
    listed = api.get(f"{one}/versions?limit=1").get_json()
    assert [item["number"] for item in listed["items"]] == [2]
    older = api.get(f"{one}/versions?limit=1&cursor={listed['next_cursor']}").get_json()
    assert [item["subject"] for item in older["items"]] == [LETTER["subject"]]
    assert api.get(f"{one}/versions/1").get_json()["html"] == LETTER["html"]
    assert api.get(f"{one}/versions/7").status_code == 404
    assert api.post(f"{one}/restore", {"version": 1}).get_json()["subject"] == LETTER["subject"]
    copied = api.post(f"{one}/copy", {}).get_json()
    assert (copied["name"], copied["version"], copied["html"]) == ("Copy of Welcome", 1, LETTER["html"])


def test_the_history_tells_what_changed(client: PageClient, sign_in: Any, tenant: Any) -> None:
    template = written(tenant, html="<p>Dear friend,</p>\n<p>Play on Monday.</p>")
    changes = {"html": "<p>Dear friend,</p>\n<p>Play on Friday.</p>", "name": "New name"}
    service.update(tenant_id=tenant.id, template_id=template.id, changes=changes, actor_name="Ben <Dlamini>")
    sign_in("viewer")
    text = client.get(f"/templates/{template.id}/history").text
    assert "Version 2 · holds now" in text
    assert "Ben &lt;Dlamini&gt;" in text
    assert "Name, HTML changed." in text
    assert "Restore" not in text
    shown = client.get(f"/templates/{template.id}/versions/2").text
    assert "What it says" in shown
    assert "<mark>Monday</mark>" in shown
    assert "<mark>Friday</mark>" in shown
    assert "first version that is kept" in client.get(f"/templates/{template.id}/versions/1").text
    assert "<mark>Friday</mark>" in client.get(f"/templates/{template.id}/versions/1?against=now").text
    frame = client.get(f"/templates/{template.id}/versions/1/letter")
    assert "Monday" in frame.text
    assert frame.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    client.post(f"/templates/{template.id}/versions/1/restore", {}, status=403)


def test_a_version_is_restored_from_the_history(client: PageClient, sign_in: Any, tenant: Any) -> None:
    template = written(tenant)
    service.update(tenant_id=tenant.id, template_id=template.id, changes={"subject": "Second"})
    sign_in("marketer")
    assert "Restore version 1" in client.get(f"/templates/{template.id}/history").text
    client.post(f"/templates/{template.id}/versions/1/restore", {}, status=302)
    assert "Says again what version 1 said." in client.get(f"/templates/{template.id}/history").text


def journey_sending(tenant: Any, template: Any) -> Any:
    journey = journeys.create(tenant_id=tenant.id, name="Greeting", trigger_type="MANUAL", actor="system")
    steps = [
        {"key": "start", "type": "TRIGGER", "name": "s", "config": {"event_type": "MANUAL"}, "next": "mail"},
        {
            "key": "mail",
            "type": "SEND",
            "name": "Mail",
            "config": {"channel": "EMAIL", "template_id": str(template.id)},
            "next": "end",
        },
        {"key": "end", "type": "END", "name": "e", "config": {}},
    ]
    journeys.put_steps(tenant_id=tenant.id, journey_id=journey.id, actor="system", steps=steps)
    return journey


def test_what_a_running_journey_sends_is_not_put_away(client: PageClient, sign_in: Any, tenant: Any) -> None:
    template = written(tenant)
    journey = journey_sending(tenant, template)
    lifecycle.activate(tenant_id=tenant.id, journey_id=journey.id, actor="system")
    with pytest.raises(service.InUse, match="journey “Greeting”"):
        service.archive(tenant_id=tenant.id, template_id=template.id, users=TEMPLATE_USERS)
    sign_in("marketer")
    assert "Greeting" in client.get(f"/templates/{template.id}").text
    client.post(f"/templates/{template.id}/archive", {}, status=302)
    assert "used by journey “Greeting”" in client.get(f"/templates/{template.id}").text
    lifecycle.archive(tenant_id=tenant.id, journey_id=journey.id, actor="system")
    away = client.post(f"/templates/{template.id}/archive", {"back": "list"}, status=302).headers["Location"]
    text = client.get(away).text
    assert "“Welcome” is archived." in text
    assert "No templates yet" in text
    assert "Welcome" in client.get("/templates?show=archived").text


def test_a_template_in_the_archive_is_offered_nowhere_and_frees_its_name(tenant: Any) -> None:
    template = written(tenant)
    journey = journey_sending(tenant, template)
    service.archive(tenant_id=tenant.id, template_id=template.id, users=TEMPLATE_USERS)
    assert queries.choices(tenant_id=tenant.id) == []
    with pytest.raises(IsArchived):
        service.update(tenant_id=tenant.id, template_id=template.id, changes={"subject": "x"})
    with pytest.raises(IsArchived):
        service.restore(tenant_id=tenant.id, template_id=template.id, version=1)
    with pytest.raises(lifecycle.NotReady):
        lifecycle.activate(tenant_id=tenant.id, journey_id=journey.id, actor="system")
    written(tenant)
    with pytest.raises(Invalid, match="Another template has this name"):
        service.unarchive(tenant_id=tenant.id, template_id=template.id)
    assert service.copy(tenant_id=tenant.id, template_id=template.id).name == "Copy of Welcome"
    assert service.copy(tenant_id=tenant.id, template_id=template.id).name == "Copy of Welcome (2)"


def test_the_list_is_filtered_sorted_and_paged(api: ApiClient, tenant: Any) -> None:
    trips = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    made = [written(tenant, name=f"T{number}", subject=f"About {number % 2}") for number in range(5)]
    service.update(tenant_id=tenant.id, template_id=made[1].id, changes={"topic_id": trips.id})
    service.archive(tenant_id=tenant.id, template_id=made[4].id, users=TEMPLATE_USERS)

    def names(**query: Any) -> list[str]:
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            page = api.get("/templates", query_string=query | {"limit": 2, "cursor": cursor}).get_json()
            found += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
        return found

    assert names() == ["T0", "T1", "T2", "T3"]
    assert names(sort="-name") == ["T3", "T2", "T1", "T0"]
    assert names(sort="-changed")[0] == "T1"
    assert names(q="about 1") == ["T1", "T3"]
    assert names(topic=trips.key) == ["T1"]
    assert names(archived="true") == ["T4"]
    assert names(channel="SMS") == []


def test_differences_are_small_where_the_change_is() -> None:
    old = "\n".join(f"line {number}" for number in range(100))
    found = difference.between(old, old.replace("line 50", "line fifty"))
    assert found is not None
    kinds = [line.state for line in found.lines]
    assert kinds == ["skipped", "same", "same", "gone", "new", "same", "same", "skipped"]
    assert found.lines[4].pieces == (("line ", False), ("fifty", True))
    assert difference.between("a", "a") is None
    added = difference.between("", "x\ny")
    assert added is not None
    assert [line.state for line in added.lines] == ["new", "new"]


def test_a_difference_of_everything_is_not_told_line_by_line() -> None:
    many = "\n".join(f"a{number}" for number in range(5_000))
    found = difference.between(many, many.replace("a", "b"))
    assert found is not None
    assert found.too_much


def test_many_long_lines_are_told_word_by_word_up_to_a_measure() -> None:
    old = "\n".join("a b " * 95 + str(number) for number in range(100))
    found = difference.between(old, old.replace("b", "c"))
    assert found is not None
    assert len(found.lines) == 200
    assert len(found.lines[0].pieces) > 100
    assert len(found.lines[-1].pieces) == 1
