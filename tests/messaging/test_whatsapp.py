"""WhatsApp: a named template, filled in for each reader, over a provider's API; and its pages."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.content import preview, queries
from app.content import service as content
from app.customers.models import ContactPoint, Customer
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.mailbox import queries as mailbox
from app.messaging import condition_fields
from app.messaging.links import callback_url, inbound_url
from app.messaging.provider_words import signature
from app.messaging.states import Purpose
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.provider import TAKEN, TOKEN, error, form, set_up
from tests.page_client import ApiClient, PageClient
from tests.segments.receiver import Receiver

NUMBER = "+27824751967"
SAID = {
    "text": "Hi {{1}}, tee off at {{2}}. See you, {{1}}",
    "parameters": {
        "name": "HX0123",
        "language": "en_GB",
        "values": ["{{ customer.first_name }}", '{{ event.time | default: "nine" }}'],
    },
}


@pytest.fixture
def writer(tenant: Any) -> Mailer:
    made = content.create(tenant_id=tenant.id, name="Tee time", channel="WHATSAPP", **SAID)
    return Mailer(tenant.id, made.id)


def reader(tenant_id: UUID, customer: MakeCustomer, *numbers: str, **fields: Any) -> UUID:
    who = customer(**{"whatsapp_opt_in": True, "email_opt_in": False} | fields)
    with transaction(tenant_id) as session:
        for number in numbers:
            point = {"kind": "whatsapp", "key": number, "value": number, "source": "x"}
            session.add(ContactPoint(tenant_id=tenant_id, customer_id=who, **point))
            session.flush()
    return who


def put(writer: Mailer, *people: UUID, **more: Any) -> list[UUID]:
    return writer.put(*people, channel_name="WHATSAPP", **more)


def test_a_named_template_is_filled_in_for_each(
    writer: Mailer, customer: MakeCustomer, tenant: Any, provider: Receiver
) -> None:
    set_up(tenant.id, provider, "WHATSAPP")
    provider.answer(201, body=TAKEN)
    ann = reader(tenant.id, customer, NUMBER, first_name="Ann\n  Lee")
    [message] = put(writer, ann, contexts=[{"event": {"time": "10:20"}}])
    writer.send()
    assert writer.fate(message) == ("sent", None)
    said = form(provider.told[0])
    assert (said["To"], said["From"]) == (f"whatsapp:{NUMBER}", "whatsapp:+27110000000")
    assert (said["ContentSid"], said["ContentLanguage"]) == ("HX0123", "en_GB")
    assert json.loads(said["ContentVariables"]) == {"1": "Ann Lee", "2": "10:20"}
    assert "Body" not in said
    assert writer.row(message).subject == "Hi Ann Lee, tee off at 10:20. See you, Ann Lee"


def test_an_empty_value_is_a_dash_since_whatsapp_refuses_none(
    writer: Mailer, customer: MakeCustomer, tenant: Any, provider: Receiver
) -> None:
    set_up(tenant.id, provider, "WHATSAPP")
    put(writer, reader(tenant.id, customer, NUMBER, first_name=None))
    writer.send()
    assert json.loads(form(provider.told[0])["ContentVariables"]) == {"1": "-", "2": "nine"}


def test_until_a_provider_is_named_it_is_kept_in_the_mailbox(
    writer: Mailer, customer: MakeCustomer, tenant: Any
) -> None:
    put(writer, reader(tenant.id, customer, NUMBER))
    writer.send()
    [kept] = mailbox.list_mails(tenant_id=tenant.id, channel="WHATSAPP").items
    said = mailbox.get(tenant_id=tenant.id, mail_id=kept.id).letter.text or ""
    assert said.strip() == "Hi Ann, tee off at nine. See you, Ann"


def test_the_24_hours_are_the_provider_s_to_say(
    writer: Mailer, customer: MakeCustomer, tenant: Any, provider: Receiver
) -> None:
    set_up(tenant.id, provider, "WHATSAPP")
    provider.answer(400, body=error(63016, "outside the allowed window"))
    [message] = put(writer, reader(tenant.id, customer, NUMBER))
    writer.send()
    assert writer.fate(message) == ("failed", "refused")
    assert "outside the allowed window" in writer.row(message).response


def test_gate_and_conditions_say_the_same(writer: Mailer, customer: MakeCustomer, tenant: Any) -> None:
    people = {
        reader(tenant.id, customer, NUMBER): None,
        reader(tenant.id, customer, "+27824750001", whatsapp_opt_in=False): "opted_out",
        reader(tenant.id, customer): "no_address",
        reader(tenant.id, customer, phone="+27824750002"): "no_address",
        reader(tenant.id, customer, "+27824750003", whatsapp_opt_in=None): "no_opt_in",
    }
    messages = dict(zip(people, put(writer, *people), strict=True))
    writer.send()
    writer.send(timedelta(minutes=6))
    asked = select(Customer.id, condition_fields.why_not("WHATSAPP")).where(Customer.id.in_(list(people)))
    with transaction(tenant.id) as session:
        assert {row[0]: row[1] for row in session.execute(asked)} == people
    assert {one: writer.fate(message)[1] for one, message in messages.items()} == people


def test_stop_by_whatsapp_is_no_stop_of_texts(
    app: Flask, writer: Mailer, customer: MakeCustomer, tenant: Any, provider: Receiver
) -> None:
    set_up(tenant.id, provider, "WHATSAPP")
    ann = reader(tenant.id, customer, NUMBER, phone=NUMBER, sms_opt_in=True)
    [sent] = put(writer, ann)
    writer.send()
    url = inbound_url(tenant.id, "WHATSAPP")
    fields = {"MessageSid": "SM1", "From": f"whatsapp:{NUMBER}", "Body": "stop"}
    headers = {"X-Twilio-Signature": signature(url, fields.items(), TOKEN)}
    path = "/" + url.partition("://")[2].partition("/")[2]
    assert app.test_client().post(path, data=fields, headers=headers).status_code == 200
    row = writer.one("SELECT ROW(whatsapp_opt_in, sms_opt_in)::text FROM customer WHERE id = :id", id=ann)
    assert row == "(f,t)"
    [booking] = put(writer, ann, key="booking", purpose=Purpose.TRANSACTIONAL)
    writer.send()
    assert writer.fate(booking) == ("sent", None)
    url = callback_url(tenant.id, "WHATSAPP", sent)
    fields = {"MessageSid": "SM1", "MessageStatus": "read"}
    headers = {"X-Twilio-Signature": signature(url, fields.items(), TOKEN)}
    path = "/" + url.partition("://")[2].partition("/")[2]
    assert app.test_client().post(path, data=fields, headers=headers).status_code == 204
    assert writer.row(sent).delivered_at is not None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "two words"}, "parameters.name"),
        ({"name": ""}, "parameters.name"),
        ({"language": "English"}, "parameters.language"),
        ({"values": ["one"]}, "parameters.values"),
        ({"values": ["one", "two", "three"]}, "parameters.values"),
        ({"values": ["one", ""]}, "parameters.values"),
        ({"values": ["one", "{{ customer.first_name | shout }}"]}, "parameters.values.2"),
        ({"made_up": "x"}, "parameters"),
    ],
)
def test_mistakes_are_told_by_field(tenant: Any, wrong: dict[str, Any], field: str) -> None:
    said = {**SAID, "parameters": {**SAID["parameters"], **wrong}}  # type: ignore[dict-item]
    with pytest.raises(Invalid) as refused:
        content.create(tenant_id=tenant.id, name="Wrong", channel="WHATSAPP", **said)
    assert field in refused.value.errors


def test_it_is_written_on_a_page_and_over_the_api(
    client: PageClient, sign_in: Any, tenant: Any, api: ApiClient
) -> None:
    sign_in("marketer")
    assert "Name of the approved template" in client.get("/templates/new?channel=WHATSAPP").text
    typed = {
        "channel": "WHATSAPP",
        "name": "Tee time",
        "text": "Hi {{1}}",
        "parameters_name": "tee_time",
        "parameters_language": "en",
        "parameters_values": "{{ customer.first_name }}\n",
    }
    refused = client.post("/templates/new", typed | {"parameters_values": "{{ x | shout }}"}, status=422).text
    assert "no filter called" in refused
    saved = client.post("/templates/new", typed, status=302)
    assert "{{ customer.first_name }}" in client.get(saved.headers["Location"]).text
    assert "Hi Alex" in client.post("/templates/preview", typed, htmx=True).text
    [made] = queries.page(tenant_id=tenant.id).items
    assert made.parameters == {"name": "tee_time", "language": "en", "values": ["{{ customer.first_name }}"]}
    client.post(f"/templates/{made.id}/edit", typed | {"parameters_name": "tee_time_2", "version": "1"}, status=302)
    assert "name: tee_time_2" in client.get(f"/templates/{made.id}/versions/2").text.replace("<mark>", "").replace(
        "</mark>", ""
    )
    answer = api.post("/templates", {"name": "By API", "channel": "WHATSAPP", **SAID})
    assert answer.status_code == 201
    assert answer.get_json()["parameters"] == SAID["parameters"]


def test_the_preview_is_what_is_sent(tenant: Any, writer: Mailer) -> None:
    source = queries.source(tenant_id=tenant.id, template_id=writer.template_id)
    letter, problems = preview.preview(tenant_id=tenant.id, tenant_name="Club", source=source)
    assert problems == {}
    assert letter is not None
    assert letter.text == "Hi Alex, tee off at nine. See you, Alex"
    assert letter.parameters["parameters.values.1"] == "Alex"
