"""Customers → Imports, as a browser sees it."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
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


MULTIPART = "multipart/form-data; boundary=part"


def body(file: bytes, **fields: str) -> Any:
    """Return a form with a file, as bytes: the client would leave a file of its own open."""
    parts = [f'--part\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    head = '--part\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\n\r\n'
    return "".join((*parts, head)).encode() + file + b"\r\n--part--\r\n"


def test_a_file_larger_than_other_bodies_comes_in_by_the_disk(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "uploads"
    client.app.config["FAIRWAY"] = replace(client.app.config["FAIRWAY"], upload_dir=str(folder))
    large = b"first_name,email\n" + b"Anna,anna@example.com\n" * 300_000
    form = {"preset": "fairway-csv", "on_match": "update"}
    sign_in("marketer")
    sent = client.post("/customers/imports/new", body(large, **form), status=302, content_type=MULTIPART)
    assert sent.headers["Location"]
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    (run,) = query(tenant, "SELECT size FROM import_run")
    assert run.size == len(large)


def test_what_is_larger_than_the_limit_is_refused(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, tmp_path: Path
) -> None:
    client.app.config["FAIRWAY"] = replace(
        client.app.config["FAIRWAY"], upload_dir=str(tmp_path), max_upload_bytes=100_000
    )
    large = b"first_name,email\n" + b"Anna,anna@example.com\n" * 60_000
    sign_in("marketer")
    refused = client.post("/customers/imports/new", body(large), content_type=MULTIPART)
    assert refused.status_code == 413
    assert not query(tenant, "SELECT FROM import_run")


def test_nobody_else_may_send_a_large_body(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "uploads"
    client.app.config["FAIRWAY"] = replace(client.app.config["FAIRWAY"], upload_dir=str(folder))
    large = b"x" * 6_000_000
    for role, status in ((None, 302), ("viewer", 403)):
        if role:
            sign_in(role)
        client.post("/customers/imports/new", body(large), status=status, content_type=MULTIPART)
    assert not folder.exists()
