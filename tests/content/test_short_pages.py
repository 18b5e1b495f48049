"""The pages of what is short: an SMS is written, counted, previewed as a phone shows it, and sent as a test."""

from typing import Any

import pytest

from app.content import queries, service
from app.mailbox import queries as mailbox
from app.messaging import sender
from tests.messaging.conftest import NOON
from tests.page_client import ApiClient, PageClient

SMS = {"channel": "SMS", "name": "Tee time", "text": "Hi {{ customer.first_name }}, see you at 9."}


def test_an_sms_is_written_edited_shown_and_listed(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "/templates/new?channel=SMS" in client.get("/templates/new").text
    new = client.get("/templates/new?channel=SMS").text
    assert 'name="html"' not in new
    assert 'name="subject"' not in new
    saved = client.post("/templates/new", SMS, status=302)
    where = saved.headers["Location"]
    assert "see you at 9." in client.get(where).text
    client.post(where, SMS | {"text": "Hi, see you at 10."}, status=302)
    [template] = queries.page(tenant_id=tenant.id).items
    assert (template.channel, template.editor, template.subject, template.version) == ("SMS", "plain", "", 2)
    shown = client.get(f"/templates/{template.id}").text
    assert "Hi, see you at 10.\nReply STOP to opt out." in shown
    assert "1 SMS" in shown
    assert "see you at 10" in client.get("/templates?q=see+you&channel=SMS").text
    history = client.get(f"/templates/{template.id}/versions/2").text
    assert "What differs" in history
    assert "<mark>10</mark>" in history
    client.post(f"/templates/{template.id}/copy", {}, status=302)
    assert {one.channel for one in queries.page(tenant_id=tenant.id).items} == {"SMS"}
    client.post(f"/templates/{template.id}/versions/1/restore", {}, status=302)
    assert queries.get(tenant_id=tenant.id, template_id=template.id).text == SMS["text"]


def test_what_is_typed_is_counted_as_it_would_be_sent(client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    link = "https://club.example/" + "x" * 200
    text = client.post("/templates/preview", SMS | {"text": f"Look: {link}"}, htmx=True).text
    assert "/s/xxxxxxxxxx" in text
    assert "1 SMS" in text
    assert "2 SMS" in client.post("/templates/preview", SMS | {"text": "Ж" * 60}, htmx=True).text
    dear = client.post("/templates/preview", SMS | {"text": "a" * 700 + "“"}, htmx=True).text
    assert "Not in the alphabet of SMS" in dear
    assert "each is paid for" in dear
    broken = client.post("/templates/preview", SMS | {"text": "{{ customer.first_name | shout }}"}, htmx=True).text
    assert "no filter called" in broken


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"text": " "}, "Write the text."),
        ({"text": "x" * 1601}, "Use at most 1\u00a0600 characters."),
        ({"text": "{{ customer.first_name | shout }}"}, "There is no filter called"),
        ({"text": '{% snippet "gone" %}'}, "There is no snippet called"),
        ({"name": ""}, "Give the template a name."),
    ],
)
def test_mistakes_stand_beside_their_field(
    client: PageClient, sign_in: Any, tenant: Any, typed: dict[str, str], said: str
) -> None:
    sign_in("marketer")
    assert said in client.post("/templates/new", SMS | typed, status=422).text
    assert not queries.page(tenant_id=tenant.id).items


def test_whoever_saves_second_is_shown_what_the_other_changed(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = service.create(tenant_id=tenant.id, **SMS)
    service.update(tenant_id=tenant.id, template_id=made.id, changes={"text": "Theirs"}, actor_name="Bo")
    text = client.post(f"/templates/{made.id}/edit", SMS | {"text": "Mine", "version": "1"}, status=409).text
    assert "Not saved yet: Bo" in text
    assert "Mine" in text


def test_a_test_goes_to_the_number_that_is_typed(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    refused = client.post("/templates/test", SMS | {"to": "082"}, htmx=True)
    assert "write where to" in refused.headers["HX-Trigger"]
    # As it is dialled in the country of the club.
    sent = client.post("/templates/test", SMS | {"to": "082 475 1967"}, htmx=True)
    assert "on its way to +27824751967" in sent.headers["HX-Trigger"]
    sender.send_batch(tenant_id=tenant.id, now=NOON.replace(year=2100))
    [kept] = mailbox.list_mails(tenant_id=tenant.id, channel="SMS").items
    assert kept.to_address == "+27824751967"
    page = client.get(f"/mailbox/{kept.id}").text
    assert "As a phone shows it" in page
    assert "see you at 9." in page
    assert "SMS" in client.get("/mailbox?channel=SMS").text
    assert "No mail matches" in client.get("/mailbox?channel=PUSH").text


def test_an_sms_over_the_api(api: ApiClient) -> None:
    made = api.post("/templates", {"name": "Text", "channel": "SMS", "text": "Hi {{ customer.first_name }} “x”"})
    assert made.status_code == 201
    path = f"/templates/{made.get_json()['id']}"
    assert (made.get_json()["channel"], made.get_json()["subject"], made.get_json()["html"]) == ("SMS", "", None)
    checks = api.get(f"{path}/checks").get_json()
    assert [one["about"] for one in checks["findings"]] == ["alphabet"]
    assert api.patch(path, {"text": "Ho"}).get_json()["version"] == 2
    assert api.post("/templates", {"name": "Empty", "channel": "SMS"}).get_json()["errors"] == {
        "text": "Write the text."
    }
