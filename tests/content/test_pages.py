"""The pages and the API of templates."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text as sql

from app.content import queries, service
from app.customers import topics
from app.customers.models import Customer
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.paging import encode_cursor
from app.messaging import sender
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

LETTER = {"name": "Welcome", "subject": "Hi {{ customer.first_name }}", "html": "<p>Hello</p>", "text": ""}


def test_a_template_is_written_edited_and_listed(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "No templates yet" in client.get("/templates").text
    assert "customer.first_name" in client.get("/templates/new").text
    saved = client.post("/templates/new", LETTER, status=302)
    where = saved.headers["Location"]
    assert "Saved." in client.get(where).text
    client.post(where, LETTER | {"name": "Welcome aboard"}, status=302)
    [template] = queries.page(tenant_id=tenant.id).items
    assert (template.name, template.version) == ("Welcome aboard", 2)
    assert "Welcome aboard" in client.get("/templates").text
    assert "No template matches" in client.get("/templates?q=zebra", htmx=True).text


def test_mistakes_stand_beside_their_field_and_nothing_typed_is_lost(
    client: PageClient, sign_in: Any, tenant: Any
) -> None:
    sign_in("marketer")
    typed = {"name": "", "subject": "Hi", "html": "<p>one</p>\n<p>{{ customer.first_name | shout }}</p>", "text": "x"}
    text = client.post("/templates/new", typed, status=422).text
    assert "Give the template a name." in text
    assert "Line 2: There is no filter called &#39;shout&#39;." in text
    assert "customer.first_name | shout" in text
    assert queries.page(tenant_id=tenant.id).items == []


def test_two_templates_cannot_share_a_name(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    client.post("/templates/new", LETTER, status=302)
    assert "Another template has this name" in client.post("/templates/new", LETTER, status=422).text


def test_the_preview_is_the_letter_a_real_customer_would_get(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    ann = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="<Ann>", last_name="Botha"))
    assert "Botha" in client.get("/templates/customers?customer_q=bot", htmx=True).text
    assert "Nobody matches." in client.get("/templates/customers?customer_q=x%26%7C!", htmx=True).text
    form = LETTER | {"html": "<p>Hello {{ customer.first_name }}</p>", "customer_id": str(ann)}
    text = client.post("/templates/preview", form, htmx=True, status=200).text
    assert "Hi &lt;Ann&gt;" in text
    assert "Hello &amp;lt;Ann&amp;gt;" in text
    assert 'sandbox=""' in text
    assert "Unsubscribe" in text
    broken = client.post("/templates/preview", form | {"subject": "{{ oops"}, htmx=True, status=200).text
    assert "Line 1" in broken


def test_the_customer_chosen_for_the_preview_stays_chosen(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    zoe = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=zoe, first_name="Zoe", last_name="Zulu"))
        for number in range(20):
            session.add(Customer(tenant_id=tenant.id, id=new_id(), first_name="Ann", last_name=f"A{number}"))
    for q in ("", "ann", "x%26%7C!"):
        chosen = client.get(f"/templates/customers?customer_q={q}&customer_id={zoe}", htmx=True).text
        assert re.search(rf'value="{zoe}" checked', chosen), q
    saved = client.post("/templates/new", LETTER | {"customer_id": str(zoe)}, status=302)
    editor = client.get(saved.headers["Location"]).text
    assert re.search(rf'value="{zoe}" checked', editor)
    assert "Hi Zoe" in editor
    gone = client.get(f"/templates/customers?customer_id={new_id()}", htmx=True)
    assert gone.text.count("radio") == 9


def test_a_customer_of_another_tenant_is_not_shown(
    client: PageClient, sign_in: Any, tenant: Any, other_tenant: Any
) -> None:
    sign_in("marketer")
    ann = new_id()
    with transaction(other_tenant.id) as session:
        session.add(Customer(tenant_id=other_tenant.id, id=ann, first_name="Foreign"))
    form = LETTER | {"customer_id": str(ann)}
    assert "Foreign" not in client.post("/templates/preview", form, htmx=True, status=200).text
    assert "Foreign" not in client.get(f"/templates/customers?customer_id={ann}", htmx=True).text


def test_a_test_is_what_stands_in_the_editor_for_whom_it_is_shown(
    client: PageClient, sign_in: Any, tenant: Any, sink: Sink
) -> None:
    user_id = sign_in("marketer")
    ann = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="Ann"))
    where = client.post("/templates/new", LETTER, status=302).headers["Location"]
    typed = LETTER | {"subject": "Ho {{ customer.first_name }}", "customer_id": str(ann)}
    told = client.post("/templates/test", typed, htmx=True)
    assert "A test is on its way to marketer-" in told.headers["HX-Trigger"]
    assert 'name="once"' in told.text
    # Without scripts the page comes back with all that was typed.
    plain = client.post(f"/templates/test?template={where.split('/')[2]}", typed).text
    assert "A test is on its way to marketer-" in plain
    assert "Ho {{ customer.first_name }}" in plain
    sender.send_batch(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=1))
    assert [one.mail["Subject"] for one in sink.letters] == ["[Test] Ho Ann"] * 2
    with transaction(tenant.id) as session:
        row = session.execute(sql("SELECT * FROM message LIMIT 1")).one()
    assert (row.user_id, row.purpose, row.customer_id) == (user_id, "transactional", None)
    client.get(f"/messages/{row.id}")
    [template] = queries.page(tenant_id=tenant.id).items
    assert (template.subject, template.version) == (LETTER["subject"], 1)


@pytest.mark.parametrize("known", [True, False])
def test_a_test_is_what_the_preview_shows(
    client: PageClient, sign_in: Any, tenant: Any, sink: Sink, known: bool
) -> None:
    sign_in("marketer")
    ann = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="Ann", last_name="Kok"))
    html = "<p>Dear {{ customer.first_name | default: 'member' }} of {{ club.name }} {{ customer.membership_tier }}</p>"
    typed = LETTER | {"html": html, "customer_id": str(ann) if known else ""}
    shown = client.post("/templates/preview", typed, htmx=True).text
    client.post("/templates/test", typed, htmx=True)
    sender.send_batch(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=1))
    (mail,) = [one.mail for one in sink.letters]
    sent = mail.get_body(("html",)).get_content().strip()
    (frame,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert unescape(frame).strip() == sent.replace("\r\n", "\n")
    assert ("Dear Ann of" if known else "Dear Alex of") in sent
    assert "https://example.com/unsubscribe" in sent
    assert "https://example.com/unsubscribe" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"subject": " "}, "Write a subject."),
        ({"subject": "{{ customer.last_name }}"}, "The subject is empty for whom it is shown"),
        ({"html": ""}, "Write an HTML part"),
    ],
)
def test_a_test_without_words_is_not_sent(
    client: PageClient, sign_in: Any, tenant: Any, changed: dict[str, str], why: str
) -> None:
    sign_in("marketer")
    ann = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="Ann"))
    told = client.post("/templates/test", LETTER | {"text": "", "customer_id": str(ann)} | changed, htmx=True)
    assert f"No test was sent. {why}" in told.headers["HX-Trigger"]
    with transaction(tenant.id) as session:
        assert session.scalar(sql("SELECT count(*) FROM message")) == 0


def test_what_is_no_letter_is_not_tried(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    told = client.post("/templates/test", LETTER | {"html": "{{ oops"}, htmx=True)
    assert "No test was sent." in told.headers["HX-Trigger"]
    mjml = LETTER | {"editor": "mjml", "mjml": "<mjml>"}
    assert "No test was sent." in client.post("/templates/test", mjml, htmx=True).headers["HX-Trigger"]
    with transaction(tenant.id) as session:
        assert session.scalar(sql("SELECT count(*) FROM message")) == 0
    sign_in("viewer")
    client.post("/templates/test", LETTER, status=403)


def test_a_second_click_sends_no_second_test(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    page = client.get("/templates/new").text
    for clicks in (3, 1):
        once = re.findall(r'name="once"[^>]* value="([^"]+)"', page)[0]
        for _ in range(clicks):
            page = client.post("/templates/test", LETTER | {"once": once}, htmx=True).text
    with transaction(tenant.id) as session:
        assert session.scalar(sql("SELECT count(*) FROM message")) == 2


def test_parts_of_the_editor_are_no_pages(client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    client.get("/templates/customers", status=302)
    client.post("/templates/preview", LETTER, status=302)


def test_the_frame_of_a_letter_can_do_nothing_but_show(client: PageClient, sign_in: Any, tenant: Any) -> None:
    template = service.create(
        tenant_id=tenant.id, name="Sly", subject="x", html="<script>alert(1)</script><p>Hello</p>"
    )
    sign_in("viewer")
    client.get(f"/templates/{template.id}")
    response = client.get(f"/templates/{template.id}/letter")
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    client.get(f"/templates/{template.id}/edit", status=403)
    client.get(f"/templates/{UUID(int=1)}", status=404)


def test_the_api_writes_reads_and_changes_templates(api: ApiClient) -> None:
    made = api.request("POST", "/templates", json=LETTER | {"channel": "EMAIL"})
    assert made.status_code == 201
    template = made.get_json()
    assert (template["version"], template["text"]) == (1, None)
    changed = api.request("PATCH", f"/templates/{template['id']}", json={"text": "Hello"}).get_json()
    assert (changed["version"], changed["text"], changed["html"]) == (2, "Hello", "<p>Hello</p>")
    assert api.request("GET", f"/templates/{template['id']}").get_json() == changed
    assert [item["id"] for item in api.request("GET", "/templates").get_json()["items"]] == [template["id"]]


def test_the_api_says_what_is_wrong_by_field(api: ApiClient) -> None:
    for channel, wrong in (("FAX", {"channel"}), ("EMAIL", {"subject", "html"})):
        body = {"name": "x", "channel": channel, "subject": "{% frob %}", "html": " "}
        bad = api.request("POST", "/templates", json=body)
        assert bad.status_code == 422
        assert set(bad.get_json()["errors"]) == wrong
    assert api.request("POST", "/templates", json={"name": "x", "colour": "red"}).status_code == 422
    assert api.request("PATCH", f"/templates/{UUID(int=1)}", json={"name": "x"}).status_code == 404


def test_templates_page_by_key(api: ApiClient, tenant: Any) -> None:
    for number in range(5):
        service.create(tenant_id=tenant.id, name=f"T{number}", subject="x", text="x")
    names: list[str] = []
    cursor = ""
    while cursor is not None:
        page = api.request("GET", f"/templates?limit=2{cursor and '&cursor=' + cursor}").get_json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert names == [f"T{number}" for number in range(5)]
    for forged in (encode_cursor("T1", "no id"), encode_cursor(1, 2), "nonsense"):
        assert api.request("GET", f"/templates?cursor={forged}").status_code == 400


def test_a_template_belongs_to_a_topic(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    trips = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    assert "Golf trips" in client.get("/templates/new").text
    where = client.post("/templates/new", LETTER | {"topic_id": str(trips.id)}, status=302).headers["Location"]
    [template] = queries.page(tenant_id=tenant.id).items
    assert template.topic_id == trips.id
    assert "Golf trips" in client.get("/templates").text
    assert "Golf trips" in client.get(f"/templates/{template.id}").text
    # An archived topic stays with what has it, and is offered to nothing else.
    topics.update(tenant_id=tenant.id, topic_id=trips.id, changes={"archived": True}, actor="system")
    assert f'value="{trips.id}" selected' in client.get(where).text or "Golf trips (archived)" in client.get(where).text
    assert "Golf trips" not in client.get("/templates/new").text
    refused = client.post("/templates/new", LETTER | {"name": "Other", "topic_id": str(trips.id)}, status=422)
    assert "was archived" in refused.text
    client.post(where, LETTER | {"topic_id": str(trips.id)}, status=302)
    client.post(where, LETTER | {"topic_id": ""}, status=302)
    assert queries.get(tenant_id=tenant.id, template_id=template.id).topic_id is None


def test_the_topic_of_a_template_over_the_api(api: ApiClient, tenant: Any) -> None:
    trips = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    made = api.post("/templates", LETTER | {"topic": trips.key}).get_json()
    assert made["topic"] == trips.key
    one = f"/templates/{made['id']}"
    assert api.patch(one, {"subject": "Hi"}).get_json()["topic"] == trips.key
    assert api.patch(one, {"topic": None}).get_json()["topic"] is None
    assert api.patch(one, {"topic": str(trips.id)}).get_json()["topic"] == trips.key
    assert [item["topic"] for item in api.get("/templates").get_json()["items"]] == [trips.key]
    refused = api.patch(one, {"topic": "nothing"})
    assert (refused.status_code, list(refused.get_json()["errors"])) == (422, ["topic"])
