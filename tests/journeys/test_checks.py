"""Rehearsals kept as checks: what differs is told, and nothing is published while one fails."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid
from app.infra.ids import new_id
from app.journeys import checks, lifecycle, made_up, service
from app.journeys.differences import differences
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.models import Journey
from app.journeys.publishing import PlacesNeeded
from tests.forms import posted
from tests.journeys.helpers import NOW, admit, journey, people, rows, run, step, wait
from tests.journeys.test_occasions import before_the_round

PLAYED = "scl.round.completed"


def keep(made: Journey, **more: Any) -> checks.Check:
    who = {"facts": {}} if not {"facts", "customer_id", "segment_id"} & more.keys() else {}
    return checks.save(
        tenant_id=made.tenant_id, journey_id=made.id, actor="system", name="Newcomer", starts_at=NOW, **who, **more
    )


def differs(made: Journey) -> list[str]:
    found, _ = checks.run(tenant_id=made.tenant_id, journey_id=made.id)
    return [words for one in found for words in one.differs]


def set_wait(made: Journey, duration: str) -> None:
    service.configure_step(
        tenant_id=made.tenant_id, journey_id=made.id, actor="system", key="rest", config={"duration": duration}
    )


def test_somebody_made_up_walks_and_nothing_stays(tenant: Any, voucher: Journey) -> None:
    kept = keep(voucher)
    assert [one["step"] for one in kept.expected["path"]] == ["t", "rest", "gift"]
    assert kept.expected["letters"][0] | {"template_id": None} == {
        "step": "gift", "name": "Voucher", "channel": "EMAIL", "template_id": None, "status": "sent", "reason": None,
        "day": 3,
    }  # fmt: skip
    assert kept.expected["end"] == {"status": "COMPLETED", "reason": "completed", "step": None, "name": None}
    assert differs(voucher) == []
    assert rows(tenant.id, "SELECT count(*) FROM customer")[0][0] == 0
    assert rows(tenant.id, "SELECT count(*) FROM message")[0][0] == 0


def test_what_differs_is_told_in_sentences(tenant: Any, voucher: Journey) -> None:
    (who,) = people(tenant.id)
    keep(voucher, customer_id=who)
    with transaction(tenant.id) as session:
        person = session.get(Customer, (tenant.id, who))
        assert person is not None
        person.email_opt_in = False
    assert differs(voucher) == [
        "Expected “Voucher” to be sent on the 3rd day; it was skipped: the customer said no to e-mail."
    ]


def test_how_strict_a_check_is_can_be_set(tenant: Any, voucher: Journey) -> None:
    kept = keep(voucher)
    set_wait(voucher, "4 days")
    change = {"tenant_id": tenant.id, "journey_id": voucher.id, "check_id": kept.id, "actor": "system"}
    late = "Expected “Voucher” to be sent on the 3rd day; it was sent on the 5th day."
    assert differs(voucher) == [late, "Expected “Voucher” on the 3rd day; they came to it on the 5th."]
    checks.change(**change, strictness="messages")
    assert differs(voucher) == [late]
    checks.change(**change, strictness="end")
    assert differs(voucher) == []
    checks.change(**change, strictness="path", anew=True)
    assert differs(voucher) == []


def test_nothing_is_published_while_a_check_fails(tenant: Any, voucher: Journey) -> None:
    keep(voucher)
    set_wait(voucher, "4 days")
    act = {"tenant_id": tenant.id, "journey_id": voucher.id, "actor": "system"}
    with pytest.raises(checks.ChecksFailed, match="sent on the 5th day"):
        lifecycle.publish(**act)
    with pytest.raises(checks.ChecksFailed):
        lifecycle.activate(**act, anyway=" ")
    assert rows(tenant.id, "SELECT published_version FROM journey")[0][0] == 1
    lifecycle.publish(**act, anyway="The club wants it later")
    assert rows(tenant.id, "SELECT published_version FROM journey")[0][0] == 2
    (noted,) = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'journey.publish_anyway'")
    assert noted.detail == {"reason": "The club wants it later", "checks": ["Newcomer"]}


def test_what_stands_in_the_way_anyhow_is_said_before_the_checks(tenant: Any, voucher: Journey) -> None:
    keep(voucher)
    set_wait(voucher, "4 days")
    act = {"tenant_id": tenant.id, "journey_id": voucher.id, "actor": "system"}
    with pytest.raises(DraftChanged):
        lifecycle.publish(**act, draft_revision=0, anyway="The club wants it later")
    set_wait(voucher, "")
    for act_on in (lifecycle.publish, lifecycle.activate):
        with pytest.raises(lifecycle.NotReady):
            act_on(**act)
    lifecycle.archive(**act)
    for act_on in (lifecycle.publish, lifecycle.activate):
        with pytest.raises(WrongStatus):
            act_on(**act)


def test_what_was_not_published_anyway_is_not_journaled(tenant: Any, voucher: Journey) -> None:
    (who,) = people(tenant.id)
    admit(tenant.id, voucher.id, [who])
    run(tenant.id)
    keep(voucher)
    act = {"tenant_id": tenant.id, "journey_id": voucher.id, "actor": "system"}
    service.delete_step(**act, key="rest")
    with pytest.raises(PlacesNeeded):
        lifecycle.publish(**act, placements={}, anyway="The club wants it later")
    assert rows(tenant.id, "SELECT count(*) FROM audit_entry WHERE action = 'journey.publish_anyway'")[0][0] == 0


def test_what_happens_meanwhile_and_what_let_them_in(tenant: Any) -> None:
    waits = step("w", "WAIT", "end", {"event_type": PLAYED, "timeout": "10 days"}, next_timeout="lost")
    made = journey(
        tenant.id,
        [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), waits, wait("lost", "end", "1 day"), step("end", "END")],
    )
    keep(made, meanwhile=[{"after": "2 days", "type": PLAYED, "payload": {"course": "East"}}])
    (kept,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert [(one["step"], one["day"]) for one in kept.expected["path"]] == [("t", 1), ("w", 1), ("end", 3)]
    sooner = {"event_type": PLAYED, "timeout": "1 day"}
    service.configure_step(tenant_id=tenant.id, journey_id=made.id, actor="system", key="w", config=sooner)
    assert differs(made) == ["After “Wait for ‘Scl round completed’” expected “End”; they went to “Wait 1 day”."]


def test_somebody_made_up_is_like_a_customer_but_for_who_they_are(tenant: Any) -> None:
    (who,) = people(tenant.id, first_name="Thandi", tags=["vip"], membership_tier="Gold", phone="+27821234567")
    facts = made_up.like(tenant_id=tenant.id, customer_id=who)
    assert (facts["tags"], facts["membership_tier"], facts["email_opt_in"]) == (["vip"], "Gold", True)
    assert not {"Thandi", "+27821234567"} & {str(one) for one in facts.values()}


def test_who_is_gone_fails_in_words(tenant: Any, voucher: Journey) -> None:
    (who,) = people(tenant.id)
    keep(voucher, customer_id=who)
    rows(tenant.id, "UPDATE customer SET status = 'MERGED' WHERE id = :id RETURNING id", id=who)
    assert differs(voucher) == ["There is nobody to walk it any more. Delete this check, or keep another one."]


def test_a_walk_that_was_broken_off_is_not_kept(voucher: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(voucher)
    monkeypatch.setattr(checks, "SECONDS", 0.0)
    with pytest.raises(Conflict, match="too long"):
        keep(voucher)
    with pytest.raises(Conflict, match="too long"):
        checks.change(tenant_id=voucher.tenant_id, journey_id=voucher.id, check_id=kept.id, actor="system", anew=True)
    assert checks.checks(tenant_id=voucher.tenant_id, journey_id=voucher.id) == [kept]


def test_what_has_no_time_has_not_passed(tenant: Any, voucher: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(voucher)
    monkeypatch.setattr(checks, "ALL_SECONDS", 0.0)
    assert differs(voucher) == [checks.TOO_LONG]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"facts": {"first_name": "x" * 201}}, "facts.first_name"),
        ({"facts": {"surname": "x"}}, "facts.surname"),
        ({"facts": {}, "strictness": "most"}, "strictness"),
        ({"facts": {}, "customer_id": UUID(int=1)}, "customer_id"),
        ({"customer_id": UUID(int=1)}, "customer_id"),
        ({"facts": {}, "meanwhile": [{"after": "soon", "type": PLAYED}]}, "meanwhile.0.after"),
        ({"facts": {}, "meanwhile": [{"after": "500 days", "type": PLAYED}]}, "meanwhile.0.after"),
        ({"facts": {}, "meanwhile": [{"after": "1 day", "type": PLAYED}] * 51}, "meanwhile"),
        ({"facts": {}, "event": {"course": "x" * 17_000}}, "event"),
        ({"facts": {"timezone": "Africa/Atlantis"}}, "facts.timezone"),
        ({"facts": {"lifecycle_stage": "GOOD"}}, "facts.lifecycle_stage"),
        ({"facts": {"club_id": str(UUID(int=1))}}, "facts.club_id"),
        ({"facts": {"handicap_index": 99}}, "facts.handicap_index"),
        ({"facts": {"date_of_birth": "3026-01-01"}}, "facts.date_of_birth"),
        ({"facts": {"tags": ["x" * 61]}}, "facts.tags"),
        ({"facts": {"custom": {"nickname": "Ace"}}}, "facts.custom.nickname"),
    ],
)
def test_what_cannot_be_kept_is_said(voucher: Journey, more: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        keep(voucher, **more)
    assert field in refused.value.errors


def test_checks_are_the_tenants_own(tenant: Any, other_tenant: Any, voucher: Journey) -> None:
    kept = keep(voucher)
    with pytest.raises(checks.NoSuchCheck):
        checks.check(tenant_id=other_tenant.id, journey_id=voucher.id, check_id=kept.id)


def test_every_end_has_words() -> None:
    ends = [
        {"status": "COMPLETED", "reason": "completed", "step": None, "name": None},
        {"status": "EXITED", "reason": "goal", "step": None, "name": None},
        {"status": "ACTIVE", "reason": None, "step": "w", "name": "Wait"},
        {"status": "FAILED", "reason": "No such thing", "step": None, "name": None},
    ]
    told = [differences({"end": one}, {"end": other}, "end")[0] for one in ends for other in ends if one is not other]
    assert "Expected them to come to the end; they left early (goal)." in told
    assert "Expected them to still be inside at “Wait”; they failed (No such thing)." in told
    assert len(told) == 12


def test_the_pages(client: Any, sign_in: Any, tenant: Any, voucher: Journey) -> None:
    sign_in("marketer")
    (who,) = people(tenant.id, first_name="Thandi")
    at = f"/journeys/{voucher.id}"
    begins = (NOW + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    assert "Nothing is checked yet" in client.get(f"{at}/checks").text
    text = client.post(f"{at}/rehearsal", {"customer_id": who, "at": begins}).text
    assert "Keep it as a check" in text
    far = {"customer_id": who, "at": "0001-01-01T00:00", "name": "Gift", "strictness": "path"}
    assert "At most 5 years away." in client.post(f"{at}/checks", far, status=422).text
    form = {"customer_id": who, "at": begins, "name": "Gift", "who": "like", "strictness": "path"}
    client.post(f"{at}/checks", form, status=302)
    text = client.get(f"{at}/checks").text
    # Once where it was kept, once in the list.
    assert text.count("Expected: 3 steps, 1 message sent, through on day 3.") == 2
    for words in (
        "Gift",
        "Somebody made up, from",
        "The check is kept, and runs",
        "3 steps, 1 message sent, through on day 3",
    ):
        assert words in text, words
    assert "All checks passed" in client.post(f"{at}/checks/run", {}).text
    set_wait(voucher, "4 days")
    assert "One check runs" in client.get(f"{at}/publish").text
    text = client.post(f"{at}/publish", {}, status=422).text
    for words in ("One check did not pass", "it was sent on the 5th day", "Publish anyway"):
        assert words in text, words
    assert "Say why." in client.post(f"{at}/publish", {"anyway": "1", "reason": ""}, status=422).text
    tick = "Tick this to publish it all the same"
    assert tick not in text
    text = client.post(f"{at}/publish", {"reason": "As agreed"}, status=422).text
    assert tick in text
    assert 'value="As agreed"' in text, "nothing typed is lost"
    assert "Say why." not in text
    client.post(f"{at}/publish", {"anyway": "1", "reason": "As agreed"}, status=302)
    (kept,) = checks.checks(tenant_id=tenant.id, journey_id=voucher.id)
    client.post(f"{at}/checks/{kept.id}", {"strictness": "end"}, status=302)
    assert "All checks passed" in client.post(f"{at}/checks/run", {}).text
    client.post(f"{at}/checks/{kept.id}/delete", {}, status=302)
    assert checks.checks(tenant_id=tenant.id, journey_id=voucher.id) == []


def test_the_api(api: Any, tenant: Any, voucher: Journey) -> None:
    at = f"/journeys/{voucher.id}"
    made = api.post(f"{at}/checks", json={"name": "Newcomer", "facts": {"email_opt_in": False}})
    assert made.status_code == 201, made.get_data(as_text=True)
    kept = made.get_json()
    assert kept["expected"]["letters"][0]["reason"] == "opted_out"
    assert [one["id"] for one in api.get(f"{at}/checks").get_json()["items"]] == [kept["id"]]
    assert api.post(f"{at}/checks/run").get_json()["passed"] is True
    changed = api.patch(f"{at}/checks/{kept['id']}", json={"name": "No", "strictness": "end"}).get_json()
    assert (changed["name"], changed["strictness"]) == ("No", "end")
    api.patch(f"{at}/checks/{kept['id']}", json={"strictness": "path"})
    set_wait(voucher, "4 days")
    refused = api.post(f"{at}/publish", json={})
    assert refused.status_code == 422
    assert f"checks.{kept['id']}" in refused.get_json()["errors"]
    assert api.post(f"{at}/publish", json={"anyway": "As agreed"}).status_code == 200
    assert api.delete(f"{at}/checks/{kept['id']}").status_code == 204


def test_the_api_activates_anyway_with_a_reason_that_is_journaled(api: Any, tenant: Any, voucher: Journey) -> None:
    keep(voucher)
    set_wait(voucher, "4 days")
    at = f"/journeys/{voucher.id}/activate"
    refused = api.post(at)
    assert (refused.status_code, "sent on the 5th day" in refused.get_json()["detail"]) == (422, True)
    assert api.post(at, json={"anyway": "x" * 501}).status_code == 422
    assert api.post(at, json={"anyway": " "}).status_code == 422
    assert api.post(at, json={"anyway": "As agreed"}).status_code == 200
    (noted,) = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'journey.publish_anyway'")
    assert noted.detail == {"reason": "As agreed", "checks": ["Newcomer"]}


def test_the_api_changes_how_a_check_walks(api: Any, tenant: Any, voucher: Journey) -> None:
    at = f"/journeys/{voucher.id}/checks"
    kept = api.post(at, json={"name": "Newcomer", "facts": {}}).get_json()
    assert kept["expected"]["letters"][0]["status"] == "sent"
    change = {"facts": {"email_opt_in": False}, "event": {"course": "East"}, "starts_at": "2026-12-01T09:00:00Z"}
    changed = api.patch(f"{at}/{kept['id']}", json=change).get_json()
    assert changed["expected"]["letters"][0]["reason"] == "opted_out"
    assert (changed["event"], changed["facts"]["email_opt_in"]) == ({"course": "East"}, False)
    assert changed["starts_at"].startswith("2026-12-01T09:00:00")
    many = [{"after": "1 day", "type": PLAYED}] * 51
    assert api.patch(f"{at}/{kept['id']}", json={"meanwhile": many}).status_code == 422
    (who,) = people(tenant.id)
    real = api.post(at, json={"name": "Thandi", "customer_id": str(who)}).get_json()
    refused = api.patch(f"{at}/{real['id']}", json={"facts": {}})
    assert "made up" in refused.get_json()["errors"]["facts"]


def test_a_key_that_sees_no_customers_sees_no_checks(api: Any, voucher: Journey) -> None:
    kept, at = keep(voucher), f"/journeys/{voucher.id}/checks"
    key = api.post("/api-keys", json={"name": "Till", "scopes": ["journeys.edit"]}).get_json()["key"]
    told = {"headers": {"Authorization": f"Bearer {key}"}}
    assert api.get(at, **told).status_code == 403
    assert api.patch(f"{at}/{kept.id}", json={"strictness": "end"}, **told).status_code == 403
    assert api.post(f"{at}/run", **told).status_code == 403
    assert api.delete(f"{at}/{kept.id}", **told).status_code == 403
    assert api.get(f"/journeys/{new_id()}/checks").status_code == 404


def test_nobody_is_made_up_like_who_has_facts_that_are_too_long(tenant: Any) -> None:
    (who,) = people(tenant.id)
    with transaction(tenant.id) as session:
        person = session.get(Customer, (tenant.id, who))
        assert person is not None
        person.membership_tier = "x" * 250
    with pytest.raises(Invalid, match="membership_tier"):
        made_up.like(tenant_id=tenant.id, customer_id=who)


def edited(client: Any, kept: checks.Check) -> tuple[str, dict[str, Any]]:
    """Return a check's page, and what its form sends as it was drawn, the rows of what happens meanwhile as lists."""
    at = f"/journeys/{kept.journey_id}/checks/{kept.id}"
    text = client.get(at).text
    sent = posted(text[text.index('/edit"') :])
    return at, {name: sent.getlist(name) if name.startswith("meanwhile.") else sent[name] for name in sent}


def test_what_a_check_is_kept_with_is_changed_on_its_page(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    kept = keep(
        made,
        event={"tee_time": "2026-11-25T10:00:00+02:00", "players": 2, "code": "B-1"},
        meanwhile=[{"after": "2 days", "type": PLAYED, "payload": {"holes": 9, "course": "East"}}],
    )
    at, form = edited(client, kept)
    assert at in client.get(f"/journeys/{made.id}/checks").text
    assert (form["said.tee_time.days"], form["said.tee_time.time"], form["said.code"]) == ("5", "10:00", "B-1")
    assert form["meanwhile.says"][0] == "holes: 9\r\ncourse: East"
    # Only called otherwise: it still expects what it did.
    rows(tenant.id, "UPDATE journey_check SET expected = expected || '{\"mark\": 1}' RETURNING id")
    client.post(f"{at}/edit", {**form, "name": "Plays soon"}, status=302)
    (same,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert (same.name, same.event, same.meanwhile) == ("Plays soon", kept.event, kept.meanwhile)
    assert same.expected["mark"] == 1
    more = {"said.players": "4", "said.tee_time.days": "8", "facts.email_opt_in": "false", "facts.tags": "vip, keen"}
    more |= {"meanwhile.after": ["3 days", ""], "meanwhile.type": [PLAYED, ""], "meanwhile.says": ["holes: 18", ""]}
    client.post(f"{at}/edit", {**form, **more}, status=302)
    (other,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert other.event == {"tee_time": "2026-11-28T10:00:00+02:00", "players": 4, "code": "B-1"}
    assert other.meanwhile == [{"after": "3 days", "type": PLAYED, "payload": {"holes": 18}}]
    assert other.facts is not None
    assert (other.facts["email_opt_in"], other.facts["tags"]) == (False, ["vip", "keen"])
    # Words that mean yes or no elsewhere are words.
    client.post(f"{at}/edit", {**form, "facts.tags": "true", "facts.first_name": "false"}, status=302)
    (third,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert third.facts is not None
    assert (third.facts["tags"], third.facts["first_name"], third.facts["has_email"]) == (["true"], "false", True)
    assert [one["step"] for one in other.expected["path"]] == ["t", "w", "four", "big"]


def test_what_a_check_cannot_be_kept_with_is_said_beside_it(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    kept = keep(made, event={})
    at, form = edited(client, kept)
    wrong = {
        "name": "", "facts.handicap_index": "99", "facts.date_of_birth": "3026-01-01", "meanwhile.after": ["soon", ""],
        "meanwhile.type": [PLAYED, ""], "meanwhile.says": ["holes: 18", ""],
    }  # fmt: skip
    for field, words in (
        ("name", "Give a name"),
        ("facts.handicap_index", "A handicap index lies between"),
        ("facts.date_of_birth", "A birth date lies between"),
        ("meanwhile.after", "Give a duration such as"),
    ):
        sent = {**form, field: wrong[field]}
        if field == "meanwhile.after":
            sent |= {one: wrong[one] for one in wrong if one.startswith("meanwhile.")}
        assert words in client.post(f"{at}/edit", sent, status=422).text, field
    text = client.post(f"{at}/edit", {**form, "said.players": "four", "name": "Kept as typed"}, status=422).text
    for words in ("Give a number.", 'value="four"', 'value="Kept as typed"'):
        assert words in text, words
    assert checks.checks(tenant_id=tenant.id, journey_id=made.id) == [kept]
