"""The pages and the API of messages."""

from datetime import timedelta
from typing import Any

from time_machine import travel

from app.messaging import queries
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient


def test_the_list_shows_each_message_with_its_why(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, client: PageClient, sign_in: Any
) -> None:
    mailer.put(customer(first_name="Zoe-Marguerite"), customer(first_name="Noah", email_opt_in=False))
    mailer.send()
    sign_in("marketer")
    text = client.get("/messages").text
    assert "Zoe-Marguerite" in text
    assert "The customer said no to e-mail." in text
    only = client.get("/messages?status=skipped", htmx=True).text
    assert "Noah" in only
    assert "Zoe-Marguerite" not in only
    assert "No message is like that" in client.get("/messages?status=held").text


def test_a_day_has_the_messages_that_were_settled_in_it(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any, client: PageClient, sign_in: Any
) -> None:
    mailer.put(customer(first_name="Zoe-Marguerite"))
    mailer.send()
    [message] = queries.page(tenant_id=tenant.id).items
    for since, found in ((message["sent_at"], [message]), (message["sent_at"] + timedelta(seconds=1), [])):
        assert queries.page(tenant_id=tenant.id, since=since).items == found
    with travel(message["sent_at"] + timedelta(days=2), tick=False):
        sign_in("marketer")
        assert "No message is like that" in client.get("/messages?status=sent&today=1").text
        assert "Zoe-Marguerite" in client.get("/messages?status=sent&today=").text


def test_a_message_page_says_where_it_stands_and_why(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, client: PageClient, sign_in: Any
) -> None:
    sink.on_recipient = lambda _address, _nth: "550 5.7.1 we <b>block</b> you"
    [message] = mailer.put(customer(first_name='"><img src=x onerror=alert(1)>'))
    mailer.send()
    sign_in("viewer")
    text = client.get(f"/messages/{message}").text
    assert "The mail server refused the message." in text
    assert "550 5.7.1 we &lt;b&gt;block&lt;/b&gt; you" in text
    assert "<img src=x" not in text


def test_an_empty_list_says_what_will_be_there(client: PageClient, sign_in: Any) -> None:
    sign_in("viewer")
    assert "Nothing was sent yet" in client.get("/messages").text


def test_ops_do_not_see_messages(client: PageClient, sign_in: Any) -> None:
    sign_in("ops")
    client.get("/messages", status=403)


def test_the_api_lists_by_customer_journey_and_status_page_by_page(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, api: ApiClient
) -> None:
    ann, ben = customer(), customer(email_opt_in=False)
    mailer.put(ann, ben)
    mailer.put(ann, key="second")
    mailer.send()
    listed = api.request("GET", "/messages?limit=2").get_json()
    assert len(listed["items"]) == 2
    rest = api.request("GET", f"/messages?limit=2&cursor={listed['next_cursor']}").get_json()
    assert [len(rest["items"]), rest["next_cursor"]] == [1, None]
    of_ann = api.request("GET", f"/messages?customer_id={ann}&status=sent").get_json()["items"]
    assert [item["customer_id"] for item in of_ann] == [str(ann)] * 2
    [skipped] = api.request("GET", "/messages?status=skipped").get_json()["items"]
    assert (skipped["customer_id"], skipped["reason"]) == (str(ben), "opted_out")
    one = api.request("GET", f"/messages/{skipped['id']}").get_json()
    assert one["id"] == skipped["id"]
    assert api.request("GET", "/messages?status=nonsense").status_code == 422
    assert api.request("GET", "/messages?cursor=nonsense").status_code == 400
    assert api.request("GET", f"/messages?journey_id={ann}").get_json()["items"] == []


def test_another_tenant_sees_none_of_it(mailer: Mailer, customer: MakeCustomer, app: Any, other_tenant: Any) -> None:
    ann = customer()
    [message] = mailer.put(ann)
    stranger = ApiClient(app, other_tenant.id, "owner")
    assert stranger.request("GET", f"/messages/{message}").status_code == 404
    assert stranger.request("GET", f"/messages?customer_id={ann}").get_json()["items"] == []
