"""Customers → Imports, as a browser sees it."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.capture.imports import mappings, work
from tests.capture.people import NOW, query
from tests.page_client import PageClient

FILE = b"first_name,last_name,email\n<b>Anna</b>,Botha,anna@example.com\nBad,Botha,nothing\n"


def send(client: PageClient, data: bytes, name: str = "people.csv", **form: str) -> str:
    """Upload a file; returns the URL of its import."""
    sent = client.post("/customers/imports/new", {**form, "file": (io.BytesIO(data), name)}, status=302)
    location = sent.headers["Location"]
    assert location.endswith("/mapping")
    return location.removesuffix("/mapping")


MAPPED = {"from": "preset:fairway-csv", "target-0": "first_name", "target-1": "last_name", "target-2": "email"}


def test_a_file_is_mapped_looked_at_imported_and_undone(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("marketer")
    assert "Nothing was imported yet" in client.get("/customers/imports").text
    client.get("/customers/imports/new")
    missing = client.post("/customers/imports/new", {}, status=422)
    assert "Choose a file." in missing.text
    url = send(client, FILE, "Mitglieder für 2026.csv")
    assert "Not begun" in client.get("/customers/imports").text
    assert client.get(url, status=302).headers["Location"].endswith("/mapping")
    mapping = client.get(f"{url}/mapping").text
    assert "Fairway CSV" in mapping
    assert "&lt;b&gt;Anna&lt;/b&gt;" in mapping
    client.post(f"{url}/mapping", {**MAPPED, "on_match": "update"}, status=302)
    assert re.search(r"hx-get=", client.get(url).text)
    finish(tenant)
    shown = client.get(url).text
    assert "Import now" in shown
    assert not query(tenant, "SELECT FROM customer")
    client.post(f"{url}/run", status=302)
    finish(tenant)
    shown = client.get(url).text
    assert "Undo this import" in shown
    assert "2 rows = 1 new + 0 changed + 0 unchanged + 1 refused" in shown
    refused = client.get(f"{url}/refused.csv")
    assert "Nothing to know them by" in refused.text
    named = refused.headers["Content-Disposition"]
    assert named.isascii()
    assert named.endswith("filename*=UTF-8''Mitglieder-f%C3%BCr-2026-refused.csv")
    assert "Nothing to know them by" in client.get(f"{url}?show=refused").text
    assert len(query(tenant, "SELECT FROM customer")) == 1
    client.get(f"{url}/mapping", status=409)
    client.post(f"{url}/undo", status=302)
    finish(tenant)
    assert not query(tenant, "SELECT FROM customer")
    assert "Mitglieder für 2026.csv" in client.get("/customers/imports").text


def test_what_is_wrong_with_a_mapping_stands_beside_the_column_and_nothing_typed_is_lost(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("marketer")
    url = send(client, b"Who;Mail;Mail 2;Locker;;Who\nAnna;anna@example.com;x;L1;y;z\n")
    mapping = client.get(f"{url}/mapping").text
    assert "semicolon" in mapping
    assert "No name in the header" in mapping
    assert "A second column of this name" in mapping
    wrong = {
        "from": "own",
        "target-0": "first_name",
        "target-1": "email",
        "target-2": "email",
        "target-3": "external_id:",
        "system-3": "9 lives",
        "save_as": "Ours",
        "country": "QQ",
        "on_match": "fill",
    }
    refused = client.post(f"{url}/mapping", wrong, status=422).text
    assert "Another column is E-mail already." in refused
    assert "Name the system" in refused
    assert 'value="9 lives"' in refused
    assert 'value="Ours"' in refused
    assert re.search(r'value="fill" checked', refused)
    assert not mappings.saved(tenant_id=tenant.id)
    nobody = client.post(f"{url}/mapping", {"from": "own", "target-0": "first_name", "on_match": "fill"}, status=422)
    assert "or other id is among them" in nobody.text
    right = {**wrong, "target-2": "ignore", "system-3": "locker", "country": "gb"}
    client.post(f"{url}/mapping", right, status=302)
    finish(tenant)
    assert "1 rows = 1 new" in client.get(url).text
    (saved,) = mappings.saved(tenant_id=tenant.id)
    assert (saved.name, saved.columns["Locker"], saved.formats) == ("Ours", "external_id:locker", {"country": "GB"})


def test_a_saved_mapping_is_used_again_deleted_and_taken_back(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("marketer")
    columns = {"Wer": "first_name", "Wie": "email", "Spind": "external_id:locker"}
    mine = mappings.save(
        tenant_id=tenant.id, name="Theirs", preset_name=None, columns=columns, formats={}, actor="system:test"
    )
    url = send(client, b"Wer,Wie,Spind\nAnna,anna@example.com,1\n")
    mapping = client.get(f"{url}/mapping").text
    assert re.search(rf'value="saved:{mine}" selected', mapping)
    assert 'value="locker"' in mapping
    other = client.get(f"{url}/mapping?from=preset:mca-v1-uk-members", htmx=True).text
    assert 'value="locker"' not in other
    assert not other.lstrip().lower().startswith("<!doctype")
    gone = client.post(f"/customers/imports/mappings/{mine}/delete", status=302).headers["Location"]
    assert "The mapping is deleted" in client.get(gone).text
    client.get(f"{url}/mapping?from=saved:{mine}", status=404)
    client.post(f"/customers/imports/mappings/{mine}/restore", status=302)
    assert "Theirs" in client.get("/customers/imports/mappings").text


def test_the_report_pages_through_what_changes_old_and_new(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("marketer")
    rows = [f"P{n},Botha,p{n}@example.com,Silver" for n in range(120)]
    for tier in ("Silver", "Gold"):
        text = "\n".join(["first_name,last_name,email,membership_tier", *rows]).replace("Silver", tier)
        url = send(client, text.encode())
        form = {**MAPPED, "target-3": "membership_tier", "on_match": "update"}
        client.post(f"{url}/mapping", form, status=302)
        finish(tenant)
        if tier == "Silver":
            client.post(f"{url}/run", status=302)
            finish(tenant)
    shown = client.get(url).text
    assert "120 rows = 0 new + 120 changed" in shown
    assert re.search(r"Membership tier</span>\s*<span[^>]*>Silver</span>\s*→\s*<b>Gold</b>", shown)
    cursor = re.search(r"cursor=([\w-]+)", shown)
    assert cursor
    more = client.get(f"{url}?show=updated&cursor={cursor[1]}", htmx=True).text
    assert "P51 Botha" in more
    assert "P49 Botha" not in more
    for kind in ("created", "unchanged", "suggested", "consent", "refused", "left-out"):
        client.get(f"{url}?show={kind}")
    assert "<b>show</b>" in client.get(f"{url}?show=nonsense", status=422).text
    client.post(f"{url}/discard", status=302)
    client.get(url, status=404)


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
    sign_in("marketer")
    sent = client.post("/customers/imports/new", body(large), status=302, content_type=MULTIPART)
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


@pytest.mark.parametrize(
    "data, words",
    [
        (b"PK\x03\x04\x14\x00name,mail\nan,b\n", "This is a workbook."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1name,mail\n", "This is a workbook."),
        (b"\x00\x01name,mail\n", "This is no text file."),
        (b"", "No columns were found"),
    ],
)
def test_what_is_no_table_is_refused_in_words(client: PageClient, sign_in: Any, data: bytes, words: str) -> None:
    sign_in("marketer")
    form: dict[str, Any] = {"file": (io.BytesIO(data), "people.xlsx")}
    assert words in client.post("/customers/imports/new", form, status=422).text
