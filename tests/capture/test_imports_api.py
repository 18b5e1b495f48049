"""Imports over the API and the command line."""

import io
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.capture.imports import work
from tests.capture.people import NOW, query
from tests.page_client import ApiClient

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
