"""Customers → Imports, as a browser sees it."""

import io
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.capture.imports import work
from tests.capture.people import NOW, query
from tests.page_client import PageClient

FILE = b"first_name,last_name,email\n<b>Anna</b>,Botha,anna@example.com\nBad,Botha,nothing\n"


def test_a_file_is_looked_at_then_imported_then_undone(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("marketer")
    assert "Nothing was imported yet" in client.get("/customers/imports").text
    client.get("/customers/imports/new")
    form = {"preset": "fairway-csv", "on_match": "update"}
    missing = client.post("/customers/imports/new", form, status=422)
    assert "Choose a file." in missing.text
    sent = client.post("/customers/imports/new", {**form, "file": (io.BytesIO(FILE), "people.csv")}, status=302)
    url = sent.headers["Location"]
    assert re.search(r"hx-get=", client.get(url).text)
    finish(tenant)
    shown = client.get(url).text
    assert "Import now" in shown
    assert not query(tenant, "SELECT FROM customer")
    client.post(f"{url}/run", status=302)
    finish(tenant)
    assert "Undo this import" in client.get(url).text
    assert "Nothing to know them by" in client.get(f"{url}/refused.csv").text
    assert len(query(tenant, "SELECT FROM customer")) == 1
    client.post(f"{url}/undo", status=302)
    finish(tenant)
    assert not query(tenant, "SELECT FROM customer")
    assert "people.csv" in client.get("/customers/imports").text


def finish(tenant: Any) -> None:
    while work.run_batch(tenant_id=tenant.id, now=NOW):
        pass
