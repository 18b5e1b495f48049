"""What is wrong with a check, or with what keeps a draft from going live, is said beside it in plain words."""

import re
from datetime import timedelta
from typing import Any

import pytest

from app.journeys import checks, service
from app.journeys.models import Journey
from tests.forms import posted
from tests.journeys.helpers import NOW, people, rows, voucher_journey
from tests.journeys.test_checks import PLAYED, edited, keep, set_wait
from tests.journeys.test_occasions import before_the_round, booked

BEGINS = (NOW + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")


def error_at(text: str, field: str) -> str:
    """Return the message beside a field."""
    return text.partition(f'id="{field}-error"')[2].partition("</p>")[0]


@pytest.fixture
def draft(tenant: Any) -> Journey:
    """A journey that was never active, with a check that its steps do not pass any more."""
    made = voucher_journey(tenant.id, active=False)
    keep(made)
    set_wait(made, "4 days")
    return made


def test_activating_says_which_check_stands_in_the_way_and_how_to_go_on(
    client: Any, sign_in: Any, tenant: Any, draft: Journey
) -> None:
    sign_in("owner")
    at = f"/journeys/{draft.id}"
    (kept,) = checks.checks(tenant_id=tenant.id, journey_id=draft.id)
    text = client.post(f"{at}/activate", {}, status=422).text
    for words in (
        "One check did not pass",
        "The journey is not active.",
        "<b>Newcomer</b>",
        "Expected “Voucher” to be sent on the 3rd day; it was sent on the 5th day.",
        f'href="{at}/checks/{kept.id}"',
        f'href="{at}/checks"',
        "Activate anyway",
    ):
        assert words in text, words
    assert "it was sent on the 5th day" in client.get(f"{at}/activate").text
    sent = dict(posted(text[text.index('<div class="sheet"') :]).items())
    text = client.post(f"{at}/activate", {**sent, "anyway": "1", "reason": " "}, status=422).text
    assert "Say why." in error_at(text, "reason")
    client.post(f"{at}/activate", {**sent, "anyway": "1", "reason": "As agreed"}, status=302)
    assert rows(tenant.id, "SELECT status FROM journey")[0].status == "ACTIVE"
    (noted,) = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'journey.publish_anyway'")
    assert noted.detail == {"reason": "As agreed", "checks": ["Newcomer"]}


def test_a_refused_activation_that_is_loaded_anew_tells_of_the_draft_as_it_is_then(
    client: Any, sign_in: Any, tenant: Any, draft: Journey
) -> None:
    sign_in("marketer")
    at = f"/journeys/{draft.id}"
    client.post(f"{at}/activate", {}, status=422)
    set_wait(draft, "5 days")
    text = client.get(f"{at}/activate").text
    assert "it was sent on the 6th day" in text
    (kept,) = rows(tenant.id, "SELECT draft_revision FROM journey")
    assert dict(posted(text[text.index('<div class="sheet"') :]).items())["revision"] == str(kept.draft_revision)
    set_wait(draft, "2 days")
    assert client.get(f"{at}/activate", status=302).headers["Location"] == at
    assert "All checks pass by now." in client.get(at).text
    assert rows(tenant.id, "SELECT status FROM journey")[0].status == "DRAFT"
    service.remove_steps(tenant_id=tenant.id, journey_id=draft.id, actor="system", keys=["rest", "gift"])
    client.get(f"{at}/activate", status=302)


def test_the_checks_page_activates_anyway_with_a_reason(client: Any, sign_in: Any, tenant: Any, draft: Journey) -> None:
    sign_in("marketer")
    at = f"/journeys/{draft.id}"
    text = client.post(f"{at}/checks/run", {}).text
    form = text[text.index("Activate it anyway") :]
    client.post(f"{at}/activate", {**posted(form[: form.index("</form>")]), "reason": "As agreed"}, status=302)
    assert rows(tenant.id, "SELECT status FROM journey")[0].status == "ACTIVE"


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_refused_name_of_a_check_keeps_the_rehearsal_that_is_shown(
    client: Any, sign_in: Any, tenant: Any, name: str
) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    (who,) = people(tenant.id, first_name="Thandi")
    booked(tenant.id, who, NOW, tee_time="2026-11-25T10:00:00+02:00", players=4)
    at = f"/journeys/{made.id}"
    form = {"customer_id": str(who), "at": "2026-12-20T09:00", "occasion": "like", "said.players": "3"}
    form |= {
        "said.tee_time.days": "10",
        "said.tee_time.time": "08:15",
        "more.0.name": "voucher",
        "more.0.value": "Gold",
    }
    text = client.post(f"{at}/rehearsal", form).text
    kept = dict(posted(text[text.index('id="keep"') :]).items())
    text = client.post(f"{at}/checks", {**kept, "name": name, "who": "person", "strictness": "end"}, status=422).text
    assert "Give a name of up to 200 characters." in error_at(text, "name")
    for words in ("let in by: Tee time booked for 30 Dec, 08:15", "Went No", 'value="Gold"', 'value="08:15"'):
        assert words in text, words
    again = dict(posted(text[text.index('id="keep"') :]).items())
    assert again | {"csrf_token": ""} == kept | {
        "csrf_token": "", "name": name, "who": "person", "strictness": "end"
    }  # fmt: skip
    client.post(f"{at}/checks", {**again, "name": "Plays"}, status=302)
    (check,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert (check.name, check.strictness, check.customer_id) == ("Plays", "end", who)
    assert check.event is not None
    assert (check.event["players"], check.event["voucher"]) == (3, "Gold")


def test_a_full_list_of_checks_is_said_beside_the_rehearsal(
    client: Any, sign_in: Any, tenant: Any, voucher: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("marketer")
    monkeypatch.setattr(checks, "MOST", 0)
    (who,) = people(tenant.id)
    form = {"customer_id": who, "at": BEGINS, "name": "Gift", "who": "like", "strictness": "path"}
    text = client.post(f"/journeys/{voucher.id}/checks", form, status=422).text
    assert checks.FULL in error_at(text, "name")
    assert 'value="Gift"' in text
    assert "Choose one of: path, messages, end." in client.post(
        f"/journeys/{voucher.id}/checks", {**form, "strictness": "all"}, status=422
    ).text  # fmt: skip


def test_facts_that_are_none_are_refused_in_plain_words(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    at, form = edited(client, keep(made, event={}))
    long = "x" * 300
    for field, typed, words in (
        ("facts.handicap_index", "NaN", "Give a number."),
        ("facts.handicap_index", "Infinity", "Give a number."),
        ("facts.handicap_index", "low", "Give a number."),
        ("facts.date_of_birth", "soon", "Give a day such as 2026-11-22."),
        ("facts.first_name", long, "Use at most 200 characters."),
        ("facts.tags", f"vip, {long}", "Use at most 200 characters."),
        ("facts.club_id", "here", "Choose one from the list."),
    ):
        text = client.post(f"{at}/edit", {**form, field: typed}, status=422).text
        assert words in error_at(text, field), (field, typed)
        assert "Input should" not in text
    client.post(f"{at}/edit", {**form, "facts.handicap_index": "4,5"}, status=302)
    (other,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert other.facts is not None
    assert other.facts["handicap_index"] == 4.5


def test_what_happens_meanwhile_is_named_as_events_are(client: Any, sign_in: Any, api: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    at, form = edited(client, keep(made, event={}))
    wrong = {"meanwhile.after": ["2 days", ""], "meanwhile.type": ["round played!", ""], "meanwhile.says": ["", ""]}
    text = client.post(f"{at}/edit", {**form, **wrong}, status=422).text
    assert "Name the event by up to 100 letters, digits" in error_at(text, "meanwhile-type-1")
    wrong["meanwhile.after"] = ["soon", ""]
    text = client.post(f"{at}/edit", {**form, **wrong, "facts.handicap_index": "low", "name": " "}, status=422).text
    beside = {"meanwhile-after-1": "Give a duration such as", "meanwhile-type-1": "Name the event"}
    for field, words in {**beside, "facts.handicap_index": "Give a number.", "name": "Give a name"}.items():
        assert words in error_at(text, field), field
    refused = api.patch(at, json={"meanwhile": [{"after": "2 days", "type": "round played!"}]})
    assert refused.status_code == 422
    assert "Name the event by" in refused.get_json()["errors"]["meanwhile.0.type"]
    assert api.patch(at, json={"meanwhile": [{"after": "2 days", "type": PLAYED}]}).status_code == 200
    big = api.patch(at, json={"event": {"holes": 2**70}})
    assert "a number that is none (NaN) or too large" in big.get_json()["errors"]["event"]


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"more.0.value": "Gold"}, "more.0.name", "Write its name"),
        ({"more.1.name": "voucher"}, "more.1.value", "Write its value"),
        ({"more.0.name": "x" * 61, "more.0.value": "Gold"}, "more.0.name", "Use at most 60 characters."),
        ({"said.players": "2", "more.0.name": "players", "more.0.value": "4"}, "more.0.name", "It says this already."),
    ],
)
def test_what_else_an_event_says_needs_a_name_and_a_value(
    client: Any, sign_in: Any, tenant: Any, typed: dict[str, str], field: str, words: str
) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    (who,) = people(tenant.id)
    form = {"customer_id": who, "at": "2026-12-20T09:00", "occasion": "like", **typed}
    text = client.post(f"/journeys/{made.id}/rehearsal", form, status=422).text
    assert words in error_at(text, field)
    assert '<details class="occasion-more" open>' in text
    at, form = edited(client, keep(made, event={}))
    text = client.post(f"{at}/edit", {**form, **typed}, status=422).text
    assert words in error_at(text, field)
    assert "What is wrong stands beside it." in text


def test_the_audit_log_says_what_was_changed_of_a_check(
    client: Any, sign_in: Any, tenant: Any, api: Any, voucher: Journey
) -> None:
    sign_in("owner")
    kept = keep(voucher)
    at = f"/journeys/{voucher.id}/checks/{kept.id}"

    def told() -> str:
        page = client.get("/settings/audit-log?what=journey.check.change").text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition('id="audit-rows"')[2].partition("</tr>")[0]))

    api.patch(at, json={"name": "Soon", "strictness": "end"})
    assert "Changed: its name and what must be the same" in told()
    assert "What the draft does now is expected" not in told()
    api.patch(at, json={"facts": {"email_opt_in": False}})
    assert "who walks" in told()
    assert "What the draft does now is expected" in told()
    (noted, *_) = rows(
        tenant.id, "SELECT detail FROM audit_entry WHERE action = 'journey.check.change' ORDER BY id DESC LIMIT 1"
    )
    assert noted.detail == {"check": "Soon", "changed": ["facts"], "anew": True}


def test_the_api_takes_the_event_of_a_check_away(api: Any, voucher: Journey) -> None:
    at = f"/journeys/{voucher.id}/checks"
    kept = api.post(at, json={"name": "Newcomer", "facts": {}, "event": {"course": "East"}}).get_json()
    assert api.patch(f"{at}/{kept['id']}", json={"name": "Soon"}).get_json()["event"] == {"course": "East"}
    changed = api.patch(f"{at}/{kept['id']}", json={"event": None, "name": None}).get_json()
    assert (changed["event"], changed["name"]) == (None, "Soon")
    assert api.post(f"{at}/run").get_json()["passed"] is True


@pytest.mark.parametrize("said", ["2026", "1700000000", "20261122", "1e9", "-5"])
def test_a_number_is_no_moment_and_no_day_of_the_api(api: Any, voucher: Journey, said: str) -> None:
    at = f"/journeys/{voucher.id}"
    for url, words in (
        (f"/audit?since={said}", "Write a moment as 2026-11-22T09:00:00Z."),
        (f"{at}/analytics?since={said}", "Write a day as 2026-11-22."),
        (f"{at}/enrollments?week={said}", "Write a day as 2026-11-22."),
    ):
        refused = api.get(url)
        assert refused.status_code == 422, url
        assert words in refused.get_json()["errors"].values()
    for body in ({"starts_at": said}, {"starts_at": 2026}):
        refused = api.post(f"{at}/checks", json={"name": "Newcomer", "facts": {}, **body})
        assert refused.get_json()["errors"] == {"starts_at": "Write a moment as 2026-11-22T09:00:00Z."}
