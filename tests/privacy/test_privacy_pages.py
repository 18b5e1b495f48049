"""Export and erasure as staff see them, and over the API."""

import io
import zipfile
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.permissions import ROLES
from tests.page_client import ApiClient, PageClient
from tests.privacy.somebody import Somebody, make, rows, run, where_marks_are


@pytest.fixture
def her(tenant: Any) -> Somebody:
    return make(tenant)


def test_an_export_from_the_customers_page(client: PageClient, sign_in: Any, tenant: Any, her: Somebody) -> None:
    sign_in("owner")
    assert f"/customers/{her.id}/privacy" in client.get(f"/customers/{her.id}").text
    answer = client.post(f"/customers/{her.id}/export", status=302)
    where = answer.headers["Location"]
    assert "Collecting: profile" in client.get(where).text
    run(tenant)
    done = client.get(where, htmx=True).text
    assert "What is in it" in done
    file = client.http.get(f"{where}/file")
    assert (file.mimetype, file.headers["Cache-Control"]) == ("application/zip", "no-store")
    assert "person.html" in zipfile.ZipFile(io.BytesIO(file.data)).namelist()
    assert "Export" in client.get(f"/customers/{her.id}/privacy").text
    assert "Zephyrine" in client.get("/privacy").text
    sign_in("admin")
    assert "only those who may read them" in client.get(where).text
    assert client.http.get(f"{where}/file").status_code == 403


def test_erasing_asks_for_the_name(client: PageClient, sign_in: Any, tenant: Any, her: Somebody) -> None:
    sign_in("admin")
    page = client.get(f"/customers/{her.id}/erase").text
    for words in ("What goes", "What stays, and why", "Bob Quince", "keyed hash", "2 profiles"):
        assert words in page
    refused = client.post(f"/customers/{her.id}/erase", {"typed": "Zephyrine"}, status=422).text
    assert 'value="Zephyrine"' in refused
    assert "Type the name as it stands above" in refused
    where = client.post(f"/customers/{her.id}/erase", {"typed": "zephyrine quaggamoor "}, status=302).headers[
        "Location"
    ]
    run(tenant)
    done = client.get(where).text
    assert "Nothing of this person is kept" in done
    assert "Zephyrine" not in done
    assert where_marks_are(tenant) == {}
    assert "This person was erased on" in client.get(f"/customers/{her.id}", status=404).text
    assert "Somebody who is erased" in client.get("/privacy").text
    shown = client.get("/suppressions").text
    assert "An address of somebody who was erased" in shown
    assert "erased:" not in shown


@pytest.mark.parametrize("role", [one for one in ROLES if one not in ("owner", "admin")])
def test_only_owner_and_admin_may(client: PageClient, sign_in: Any, her: Somebody, role: str) -> None:
    sign_in(role)
    for path in (f"/customers/{her.id}/privacy", f"/customers/{her.id}/erase", "/privacy"):
        client.get(path, status=403)
    for path in (f"/customers/{her.id}/export", f"/customers/{her.id}/erase"):
        client.post(path, {"typed": "Zephyrine Quaggamoor"}, status=403)


def test_over_the_api(app: Any, tenant: Any, her: Somebody) -> None:
    api = ApiClient(app, tenant.id, "owner")
    asked = api.post(f"/customers/{her.merged}/export")
    assert (asked.status_code, asked.json["status"], asked.json["kind"]) == (202, "PENDING", "export")
    path = f"/privacy-requests/{asked.json['id']}"
    assert api.get(f"{path}/file").status_code == 404
    run(tenant)
    done = api.get(path).json
    assert (done["status"], done["progress"], done["customer_id"]) == ("COMPLETED", 1.0, str(her.id))
    assert api.get(f"{path}/file").data[:2] == b"PK"
    gone = api.delete(f"/customers/{her.id}")
    assert (gone.status_code, gone.json["kind"]) == (202, "erase")
    run(tenant)
    report = api.get(f"/privacy-requests/{gone.json['id']}").json["report"]
    assert report["deleted"]["customer"] == 2
    assert api.delete(f"/customers/{her.id}").json["id"] == gone.json["id"]
    answer = api.get(f"/customers/{her.id}")
    assert (answer.status_code, "erased" in answer.json["detail"]) == (404, True)
    assert api.post(f"/customers/{her.id}/export").status_code == 404
    assert [one["kind"] for one in api.get("/privacy-requests").json["items"]] == ["erase", "export"]
    assert api.delete(f"/customers/{uuid4()}").status_code == 404
    assert ApiClient(app, tenant.id, "marketer").delete(f"/customers/{her.stranger}").status_code == 403
    assert rows(tenant, "SELECT FROM customer WHERE id = :id", id=her.stranger)


def test_a_late_click_on_her_links_leads_nowhere_and_keeps_nothing(app: Any, tenant: Any, her: Somebody) -> None:
    from app.messaging import tokens

    (message,) = rows(tenant, "SELECT id FROM message WHERE subject = 'Hello Zephyrine'")
    leave = tokens.unsubscribe_token(tenant.id, her.id, message.id)
    pixel = tokens.open_token(tenant.id, message.id)
    ApiClient(app, tenant.id, "owner").delete(f"/customers/{her.id}")
    run(tenant)
    web = app.test_client()
    before = rows(tenant, "SELECT count(*) FROM inbound_event")
    assert web.get(f"/t/o/{pixel}").status_code == 200
    assert web.get(f"/u/{leave}").status_code == 404
    assert web.post(f"/u/{leave}").status_code == 404
    assert rows(tenant, "SELECT count(*) FROM inbound_event") == before
