"""The history of a journey, comparing and restoring, on pages and through the API."""

import re
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.customers import topics
from app.infra.errors import Invalid
from app.journeys import lifecycle, queries, service, versions
from app.journeys.drafts import DraftChanged
from app.journeys.queries import NoSuchVersion
from tests.journeys.helpers import NOW, admit, journey, people, run, tag, wait


@pytest.fixture
def live(tenant: Tenant) -> UUID:
    """A running journey of two versions with three people at its wait, and a draft without that wait."""
    made = journey(tenant.id, [wait("a", "b", "3 days"), tag("b", None, "x")])
    put(tenant, made.id, wait("a", "b", "4 days"), tag("b", None, "x"))
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system", note="Longer")
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id, NOW)
    put(tenant, made.id, tag("b", None, "x"))
    return made.id


def put(tenant: Tenant, journey_id: UUID, *steps: dict[str, Any]) -> None:
    service.put_steps(tenant_id=tenant.id, journey_id=journey_id, actor="system", steps=steps)


def history(tenant: Tenant, journey_id: UUID, **more: Any) -> Any:
    known = queries.known(tenant_id=tenant.id)
    return versions.versions(tenant_id=tenant.id, journey_id=journey_id, known=known, **more)


def test_the_history_tells_what_each_version_changed_and_who_went_by_it(tenant: Tenant, live: UUID) -> None:
    latest, first = history(tenant, live).items
    assert (latest.number, latest.live, latest.people, latest.note) == (2, True, 3, "Longer")
    assert [one.sentence for one in latest.changes] == ["Wait 3 days → Wait 4 days."]
    assert (first.number, first.live, first.people, first.changes) == (1, False, 0, [])
    assert latest.created_by_name == "Fairway"


def test_the_history_comes_in_pages_that_compare_across_their_edge(tenant: Tenant, live: UUID) -> None:
    page = history(tenant, live, limit=1)
    assert [one.sentence for one in page.items[0].changes] == ["Wait 3 days → Wait 4 days."]
    rest = history(tenant, live, limit=1, cursor=page.next_cursor)
    assert [one.number for one in rest.items] == [1]
    assert rest.next_cursor is None


def test_a_restored_version_is_one_edit_that_can_be_undone(tenant: Tenant, live: UUID) -> None:
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": live, "actor": "system"}
    before = queries.journey(tenant_id=tenant.id, journey_id=live).draft
    restored = service.restore_version(**act, number=1)
    assert queries.draft(restored) == queries.version_graph(tenant_id=tenant.id, journey_id=live, number=1)
    assert queries.draft_history(tenant_id=tenant.id, journey=restored).undo == "Restored version 1"
    assert service.undo(**act).draft == before
    with pytest.raises(NoSuchVersion):
        service.restore_version(**act, number=3)
    with pytest.raises(DraftChanged):
        service.restore_version(**act, number=1, draft_revision=1)


def test_a_note_is_kept_and_one_too_long_is_refused(tenant: Tenant, live: UUID) -> None:
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": live, "number": 1, "actor": "system"}
    versions.annotate(**act, note=" The first ")
    assert history(tenant, live).items[1].note == "The first"
    versions.annotate(**act, note="")
    assert history(tenant, live).items[1].note is None
    with pytest.raises(Invalid):
        versions.annotate(**act, note="x" * 501)
    with pytest.raises(NoSuchVersion):
        versions.annotate(**{**act, "number": 9}, note="x")


def test_the_panel_tells_the_changes_and_asks_where_people_go_on(client: Any, sign_in: Any, live: UUID) -> None:
    sign_in("marketer")
    text = client.get(f"/journeys/{live}/publish", htmx=True).text
    assert "“Wait 4 days” after “Trigger: When somebody is enrolled by hand” is removed." in text
    assert "3 stand here." in text
    assert "3 people at “Wait 4 days”" in text
    assert re.search(r'<option value="b" selected>', text)
    assert "Leave the journey" in text


def test_people_are_placed_by_the_panel(client: Any, sign_in: Any, tenant: Tenant, live: UUID) -> None:
    sign_in("marketer")
    revision = queries.journey(tenant_id=tenant.id, journey_id=live).draft_revision
    sent = {"place.a": "b", "seen.a": "3", "revision": str(revision), "note": "No wait"}
    client.post(f"/journeys/{live}/publish", sent, status=302)
    run(tenant.id, NOW)
    assert queries.journey(tenant_id=tenant.id, journey_id=live).total_completed == 3
    assert history(tenant, live).items[0].note == "No wait"


def test_who_did_not_say_where_people_go_on_is_asked(client: Any, sign_in: Any, tenant: Tenant, live: UUID) -> None:
    sign_in("marketer")
    text = client.post(f"/journeys/{live}/publish", {"note": "Kept"}, status=422).text
    assert "3 people stand at this step" in text
    assert 'value="Kept"' in text
    assert queries.journey(tenant_id=tenant.id, journey_id=live).published_version == 2


def test_a_draft_changed_meanwhile_is_shown_again(client: Any, sign_in: Any, live: UUID) -> None:
    sign_in("marketer")
    text = client.post(f"/journeys/{live}/publish", {"place.a": "b", "revision": "1"}, status=409).text
    assert "Somebody changed the draft" in text


def test_the_pages_of_the_history(client: Any, sign_in: Any, tenant: Tenant, live: UUID) -> None:
    sign_in("marketer")
    text = client.get(f"/journeys/{live}/versions").text
    assert "Wait 3 days → Wait 4 days." in text
    assert "3 people came in under it" in text
    assert "Longer" in text
    client.post(f"/journeys/{live}/versions/1/note", {"note": "The first"}, status=302)
    assert "The first" in client.get(f"/journeys/{live}/versions").text
    compared = client.get(f"/journeys/{live}/versions/compare?from=1&to=2").text
    assert compared.count('<span class="step-mark">Changed</span>') == 2
    drafted = client.get(f"/journeys/{live}/versions/compare").text
    assert "“Wait 4 days” after “Trigger: When somebody is enrolled by hand” is removed." in drafted
    assert drafted.count('<span class="step-mark">Removed</span>') == 1
    client.get(f"/journeys/{live}/versions/compare?from=9", status=404)
    client.get(f"/journeys/{live}/versions/compare?from=x", status=404)
    client.post(f"/journeys/{live}/versions/1/restore", {}, status=302)
    assert "wait_" not in str(queries.journey(tenant_id=tenant.id, journey_id=live).draft)


def test_the_history_of_a_journey_never_published_is_empty(client: Any, sign_in: Any, tenant: Tenant) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Draft")
    sign_in("marketer")
    assert "Not published yet" in client.get(f"/journeys/{made.id}/versions").text


def test_the_api_of_versions(api: Any, tenant: Tenant, live: UUID) -> None:
    at = f"/journeys/{live}"
    told = api.get(f"{at}/changes").get_json()
    assert told["removed"] == [{"key": "a", "title": "“Wait 4 days”", "people": 3, "default": "b"}]
    assert [(one["what"], one["step_key"], one["people"]["here"]) for one in told["changes"]] == [("removed", "a", 3)]
    refused = api.post(f"{at}/publish", json={"placements": {}})
    assert refused.status_code == 422
    assert list(refused.get_json()["errors"]) == ["placements.a"]
    published = api.post(f"{at}/publish", json={"placements": {"a": "b"}, "note": "Gone"})
    assert published.get_json()["published_version"] == 3
    listed = api.get(f"{at}/versions?limit=2").get_json()
    assert [(one["number"], one["note"], one["live"]) for one in listed["items"]] == [
        (3, "Gone", True), (2, "Longer", False)
    ]  # fmt: skip
    assert listed["next_cursor"]
    one = api.get(f"{at}/versions/1").get_json()
    assert [step["key"] for step in one["steps"]] == ["trigger", "a", "b"]
    told = api.get(f"{at}/versions/3/changes?from=1").get_json()
    assert (told["from_version"], told["to_version"]) == (1, 3)
    assert [change["what"] for change in told["changes"]] == ["removed"]
    assert len(api.get(f"{at}/versions/3/changes").get_json()["changes"]) == 1
    assert api.get(f"{at}/versions/1/changes").status_code == 404
    restored = api.post(f"{at}/versions/1/restore", json={}).get_json()
    assert [step["key"] for step in restored["steps"]] == ["trigger", "a", "b"]


def test_publishing_without_a_body_goes_on_working(api: Any, live: UUID) -> None:
    assert api.post(f"/journeys/{live}/publish").get_json()["published_version"] == 3


@pytest.mark.parametrize("number", ["0", str(2**31), "9" * 30, "9" * 5000])
def test_a_number_no_version_can_have_is_not_found(
    client: Any, sign_in: Any, api: Any, live: UUID, number: str
) -> None:
    at = f"/journeys/{live}/versions"
    for path in (f"{at}/{number}", f"{at}/{number}/changes", f"{at}/1/changes?from={number[:30]}"):
        assert api.get(path).status_code == 404, path
    assert api.post(f"{at}/{number}/restore", json={}).status_code == 404
    sign_in("marketer")
    client.post(f"{at}/{number}/note", {"note": "x"}, status=404)
    client.post(f"{at}/{number}/restore", {}, status=404)


@pytest.mark.parametrize("revision", ["-1", "9" * 5000, "two", "٢"])
def test_what_is_no_revision_is_refused_in_words(
    client: Any, sign_in: Any, tenant: Tenant, live: UUID, revision: str
) -> None:
    sign_in("marketer")
    before = queries.journey(tenant_id=tenant.id, journey_id=live)
    for path in ("publish", "activate", "undo"):
        sent = {"revision": revision, "place.a": "b", "seen.a": "9" * 5000}
        text = client.post(f"/journeys/{live}/{path}", sent, status=422).text
        assert "does not say which state of the journey it shows" in text
    after = queries.journey(tenant_id=tenant.id, journey_id=live)
    assert (after.published_version, after.draft_revision) == (before.published_version, before.draft_revision)


def test_settings_changed_since_the_live_version_are_told_in_sentences(
    client: Any, sign_in: Any, api: Any, tenant: Tenant
) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    on = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    topic = topics.create(tenant_id=tenant.id, name="Offers", actor="system")
    large = {"field": "amount", "operator": "gte", "value": 500}
    service.update_settings(
        **on,
        changes={
            "topic_id": topic.id,
            "send_window": {"days": ["MON", "TUE"], "from": "09:00", "to": "17:00"},
            "clock": "journey",
            "timezone": "Europe/London",
            "max_enrollments": 100,
            "reentry": "each",
            "reentry_key": "booking_id",
            "exit_event": {"event_type": "booking.cancelled", "same": "booking_id"},
            "exit_on_unsubscribe": True,
            "goal": {
                "event_type": "payment.received",
                "conditions": [large],
            },
            "goal_days": 7,
        },
    )
    put(tenant, made.id, wait("w", None, "2 days"))
    sign_in("marketer")
    shown = client.get(f"/journeys/{made.id}/publish").text
    for sentence in (
        "Topic: none of its own → “Offers”.",
        "Marketing goes out: at any time → Monday and Tuesday, 09:00 to 17:00.",
        "Whose clock counts: each person’s own, where their time zone is known → the journey’s, for everybody.",
        "→ Europe/London.",
        "Limit: none → 100 people at a time.",
        "How often people can come: once for each person → once for each “booking_id”, also several at the same time.",
        "Whoever does this leaves: nothing → “Booking cancelled” with the same “booking_id”.",
        "Who unsubscribes: stays → leaves.",
        "Goal: none → “Payment received” and ",
        "Days in which the goal counts: no end → 7.",
    ):
        assert sentence in shown, sentence
    assert "Club:" not in shown
    assert "It holds since it was saved." in shown
    told = api.get(f"/journeys/{made.id}/changes").json["changes"]
    assert [one["people"] for one in told if one["what"] == "journey"] == [None] * 10
    lifecycle.publish(**on)
    assert "Limit: none → 100 people at a time." in client.get(f"/journeys/{made.id}/versions").text
    put(tenant, made.id, wait("w", None, "3 days"))
    assert "Limit:" not in client.get(f"/journeys/{made.id}/publish").text


def test_comparing_tells_settings_of_the_journey_too(client: Any, sign_in: Any, api: Any, tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    on = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    service.update_settings(**on, changes={"max_enrollments": 100})
    put(tenant, made.id, wait("w", None, "2 days"))
    lifecycle.publish(**on)
    service.update_settings(**on, changes={"max_enrollments": 50})
    sign_in("marketer")
    compare = f"/journeys/{made.id}/versions/compare"
    told = client.get(f"{compare}?from=1&to=2").text
    assert "Wait 1 day → Wait 2 days." in told
    assert "Limit: none → 100 people at a time." in told
    assert "Limit: 100 people at a time → 50 people at a time." in client.get(f"{compare}?from=2&to=draft").text
    assert "Limit: 50 people at a time → none." in client.get(f"{compare}?from=draft&to=1").text
    assert "steps and settings are the same" in client.get(f"{compare}?from=1&to=1").text
    answered = api.get(f"/journeys/{made.id}/versions/2/changes").get_json()["changes"]
    assert [(one["what"], one["step_key"]) for one in answered] == [("settings", "w"), ("journey", "")]
