"""Imports over the API and the command line."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.capture.imports import work
from tests.capture.people import NOW, query
from tests.conftest import make_tenant
from tests.page_client import ApiClient
from tests.waiting import until_somebody_waits

FILE = "first_name,last_name,email\nAnna,Botha,anna@example.com\n=1+1,Botha,nothing\n"


def send(api: ApiClient, text: str = FILE, **fields: str) -> Any:
    data = {"file": (io.BytesIO(text.encode()), "people.csv"), "preset": "fairway-csv", **fields}
    return api.request("POST", "/imports", data=data, content_type="multipart/form-data")


def follow(api: ApiClient, tenant: Any, import_id: str) -> dict[str, Any]:
    while work.run_batch(tenant_id=tenant.id, now=NOW):
        pass
    found: dict[str, Any] = api.get(f"/imports/{import_id}").get_json()
    return found


def test_a_file_is_taken_in_followed_and_undone(api: ApiClient, tenant: Any) -> None:
    answer = send(api, on_match="update")
    assert answer.status_code == 202
    import_id = answer.get_json()["id"]
    assert api.get(f"/imports/{import_id}").get_json()["status"] == "PENDING"
    found = follow(api, tenant, import_id)
    assert found["status"] == "COMPLETED"
    assert (found["rows"], found["created"], found["refused"], found["progress"]) == (2, 1, 1, 1.0)
    refused = api.get(f"/imports/{import_id}/refused.csv")
    assert refused.mimetype == "text/csv"
    lines = refused.get_data(as_text=True).removeprefix("\ufeff").splitlines()
    assert lines[0] == "row,reason,first_name,last_name,email"
    assert lines[1].startswith('3,"Nothing to know them by')
    assert ",'=1+1," in lines[1]
    assert api.post(f"/imports/{import_id}/undo").status_code == 202
    assert follow(api, tenant, import_id)["status"] == "UNDONE"
    assert not query(tenant, "SELECT FROM customer")
    assert api.post(f"/imports/{import_id}/undo").status_code == 409
    assert [one["id"] for one in api.get("/imports").get_json()["items"]] == [import_id]


def people(many: int) -> str:
    return "first_name,email\n" + "".join(f"Anna{number},a{number}@example.com\n" for number in range(many))


def test_an_import_is_cancelled_between_two_batches_and_undone(
    api: ApiClient, tenant: Any, monkeypatch: pytest.MonkeyPatch, client: Any, sign_in: Any
) -> None:
    monkeypatch.setattr(work, "BATCH", 3)
    import_id = send(api, people(8)).get_json()["id"]
    assert work.run_batch(tenant_id=tenant.id, now=NOW) == 3
    sign_in()
    assert "Cancel the import" in client.get(f"/customers/imports/{import_id}").text
    found = api.post(f"/imports/{import_id}/cancel").get_json()
    assert (found["status"], found["rows"], found["created"]) == ("FAILED", 3, 3)
    assert found["error"].startswith("Cancelled by ")
    assert found["error"].endswith(" after 3 rows.")
    assert follow(api, tenant, import_id)["rows"] == 3
    assert len(query(tenant, "SELECT FROM customer")) == 3
    assert not query(tenant, "SELECT FROM import_chunk")
    page = client.get(f"/customers/imports/{import_id}").text
    assert found["error"] in page
    assert "Undo this import" in page
    assert api.post(f"/imports/{import_id}/cancel").status_code == 409
    assert api.post(f"/imports/{import_id}/undo").status_code == 202
    # Its undoing goes to the end: half of it would be neither the one nor the other.
    assert api.post(f"/imports/{import_id}/cancel").status_code == 409
    assert follow(api, tenant, import_id)["status"] == "UNDONE"
    assert not query(tenant, "SELECT FROM customer")


def test_a_dry_run_is_cancelled_and_can_be_looked_at_in_another_way(
    api: ApiClient, tenant: Any, client: Any, sign_in: Any
) -> None:
    sign_in()
    import_id = send(api, people(3), dry_run="true").get_json()["id"]
    page = f"/customers/imports/{import_id}"
    assert "Cancel the dry run" in client.get(page).text
    client.post(f"{page}/cancel", status=302)
    told = client.get(page).text
    assert "after 0 rows." in told
    assert "Change the mapping" in told
    assert "Undo this import" not in told
    assert client.get(f"{page}/mapping").status_code == 200


@pytest.mark.committed
def test_cancelling_waits_for_the_batch_under_way(real_db: str, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant: Any = make_tenant()
    monkeypatch.setattr(work, "BATCH", 3)
    api = ApiClient(app, tenant.id, "owner")
    import_id = send(api, people(8)).get_json()["id"]
    half_way, released = threading.Event(), threading.Event()
    taken = work.apply

    def take_slowly(*args: Any, **more: Any) -> None:
        taken(*args, **more)
        half_way.set()
        released.wait(30)

    def import_rows() -> None:
        with app.app_context():
            while work.run_batch(tenant_id=tenant.id, now=NOW):
                pass

    def cancel() -> Any:
        half_way.wait(30)
        with app.app_context():
            return api.post(f"/imports/{import_id}/cancel").get_json()

    monkeypatch.setattr(work, "apply", take_slowly)
    with ThreadPoolExecutor(2) as pool:
        importing, cancelling = pool.submit(import_rows), pool.submit(cancel)
        half_way.wait(30)
        until_somebody_waits(real_db)
        released.set()
        found = cancelling.result(60)
        importing.result(60)
    assert found["error"].endswith(f" after {found['rows']} rows.")
    assert len(query(tenant, "SELECT FROM customer")) == found["rows"] == found["created"] > 0


def test_a_dry_run_is_run_for_real(api: ApiClient, tenant: Any) -> None:
    import_id = send(api, dry_run="true").get_json()["id"]
    assert follow(api, tenant, import_id)["created"] == 1
    assert not query(tenant, "SELECT FROM customer")
    assert api.post(f"/imports/{import_id}/undo").status_code == 409
    assert api.post(f"/imports/{import_id}/run").status_code == 202
    assert follow(api, tenant, import_id)["created"] == 1
    assert len(query(tenant, "SELECT FROM customer")) == 1


def test_an_own_mapping(api: ApiClient, tenant: Any) -> None:
    text = "Who;Mail\nAnna;anna@example.com\n"
    answer = send(api, text, preset="", mapping='{"Who": "first_name", "mail": "email"}')
    assert follow(api, tenant, answer.get_json()["id"])["created"] == 1
    (row,) = query(tenant, "SELECT * FROM customer")
    assert (row.first_name, row.email) == ("Anna", "anna@example.com")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"preset": "nobody-knows"}, "preset"),
        ({"preset": ""}, "preset"),
        ({"on_match": "guess"}, "on_match"),
        ({"mapping": "no json"}, "mapping"),
        ({"mapping": '{"a": "shoe_size"}'}, "mapping"),
        ({"preset": "mca-v1-za-visits"}, "file"),
        ({"surprise": "1"}, "surprise"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(api: ApiClient, tenant: Any, fields: dict[str, str], field: str) -> None:
    answer = send(api, **fields)
    assert answer.status_code == 422
    assert field in answer.get_json()["errors"]


def test_no_file(api: ApiClient, tenant: Any) -> None:
    answer = api.request("POST", "/imports", data={"preset": "fairway-csv"}, content_type="multipart/form-data")
    assert answer.status_code == 422


def test_the_command_says_what_became_of_each_row(app: Flask, tenant: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    run = app.test_cli_runner()
    asked = ["imports", "run", str(file), "--preset", "fairway-csv", "--tenant", str(tenant.id)]
    dry = run.invoke(args=[*asked, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "2 rows = 1 created + 0 updated + 0 unchanged + 1 refused" in dry.output
    assert not query(tenant, "SELECT FROM customer")
    wet = run.invoke(args=asked)
    assert wet.exit_code == 0, wet.output
    run_id = next(word for word in wet.output.split() if word.endswith(":") and len(word) == 37).rstrip(":")
    assert len(query(tenant, "SELECT FROM customer")) == 1
    undone = run.invoke(args=["imports", "undo", run_id, "--tenant", str(tenant.id)])
    assert "undone" in undone.output
    assert not query(tenant, "SELECT FROM customer")


def test_nul_characters_are_refused_in_names_of_files_and_columns(api: ApiClient, tenant: Any) -> None:
    data = {"file": (io.BytesIO(FILE.encode()), "peo\x00ple.csv"), "preset": "fairway-csv"}
    answer = api.request("POST", "/imports", data=data, content_type="multipart/form-data")
    assert answer.status_code == 400
    answer = send(api, mapping='{"email": "email", "\\u0000": "title"}')
    assert answer.status_code == 422
    assert "mapping" in answer.get_json()["errors"]
    assert not query(tenant, "SELECT FROM import_run")
