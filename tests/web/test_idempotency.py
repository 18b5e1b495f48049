"""`Idempotency-Key`: a POST that is sent again is answered as before and does nothing."""

import io
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import answers
from app.accounts.answers import Answer
from app.infra import clock
from app.infra.db import transaction
from tests.conftest import make_tenant
from tests.page_client import ApiClient

TAG = {"name": "VIP", "colour": "red"}


def tags(api: ApiClient) -> list[str]:
    return [one["name"] for one in api.get("/tags").get_json()["items"]]


def headers(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Idempotency-Key": key}}


def test_a_repeat_is_answered_as_the_first_time_and_does_nothing(api: ApiClient) -> None:
    first = api.post("/tags", TAG, **headers("k1"))
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False)
    again = api.post("/tags", TAG, **headers("k1"))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert (again.get_json(), again.content_type) == (first.get_json(), first.content_type)
    assert tags(api) == ["VIP"]


def test_a_key_stands_for_one_request(api: ApiClient) -> None:
    api.post("/tags", TAG, **headers("k1"))
    for path, body in (("/tags", TAG | {"colour": "blue"}), ("/tags/count", None), ("/tags?x=1", TAG)):
        refused = api.post(path, body, **headers("k1"))
        assert refused.status_code == 422, path
        assert "Use a new key" in refused.get_json()["errors"]["Idempotency-Key"]
    assert tags(api) == ["VIP"]


def test_keys_are_the_caller_s_own(app: Flask, api: ApiClient, tenant: Any, other_tenant: Any) -> None:
    for caller in (api, ApiClient(app, tenant.id, "owner"), ApiClient(app, other_tenant.id, "owner")):
        answer = caller.post("/custom-fields", {"label": f"F{caller.user_id}", "kind": "TEXT"}, **headers("k1"))
        assert answer.status_code == 201, answer.get_json()
        assert "Idempotent-Replayed" not in answer.headers


def test_what_was_refused_is_tried_again(api: ApiClient) -> None:
    assert api.post("/tags", TAG | {"name": ""}, **headers("k1")).status_code == 422
    assert api.post("/tags", TAG, **headers("k1")).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(api: ApiClient, key: str) -> None:
    assert api.post("/tags", TAG, **headers(key)).status_code == 422
    assert tags(api) == []


def test_a_secret_is_not_kept(api: ApiClient, tenant: Any) -> None:
    body = {"name": "Till", "scopes": ["events.write"]}
    assert api.post("/api-keys", body, **headers("k1")).status_code == 400
    assert api.post("/api-keys", body).status_code == 201
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT count(*) FROM kept_answer")) == 0


def test_a_file_sent_again_is_imported_once(api: ApiClient) -> None:
    def send(content: bytes) -> Any:
        form = {"file": (io.BytesIO(content), "members.csv"), "preset": "fairway-csv"}
        return api.request("POST", "/imports", data=form, **headers("k1"))

    rows = b"first_name,last_name,email\nAnn,Botha,ann@example.com\n"
    first = send(rows)
    assert first.status_code == 202, first.get_json()
    assert send(rows).get_json() == first.get_json()
    assert len(api.get("/imports").get_json()["items"]) == 1
    assert send(rows + b"Ben,Botha,ben@example.com\n").status_code == 422


def test_a_key_is_free_again_after_a_day(tenant: Any) -> None:
    now = clock.now()
    done = []

    def act() -> Answer:
        done.append(1)
        return Answer(200, "text/plain", f"{len(done)}")

    def send(key: str, after: timedelta) -> Answer:
        return answers.once(tenant_id=tenant.id, actor="user:1", key=key, fingerprint="f", act=act, now=now + after)

    assert send("k1", timedelta()).body == "1"
    assert send("k1", timedelta(hours=23)).body == "1"
    assert send("k1", timedelta(hours=25)).body == "2"
    send("k2", timedelta(hours=60))
    answers.forget_old(tenant_id=tenant.id, now=now + timedelta(hours=61))
    with transaction(tenant.id) as session:
        assert list(session.scalars(text("SELECT key FROM kept_answer"))) == ["k2"]


@pytest.mark.committed
def test_ten_at_once_are_carried_out_once(app: Flask, real_db: str) -> None:
    tenant_id: UUID = make_tenant("Racing Links").id  # type: ignore[attr-defined]
    done: list[Answer] = []
    together = threading.Barrier(10)

    def act() -> Answer:
        with transaction(tenant_id) as session:
            write(session)
        return Answer(201, "text/plain", "made")

    def write(session: Session) -> None:
        session.execute(text("INSERT INTO tag (tenant_id, name) VALUES (:id, 'VIP' || random())"), {"id": tenant_id})

    def send() -> None:
        with app.app_context():
            together.wait()
            done.append(answers.once(tenant_id=tenant_id, actor="user:1", key="k", fingerprint="f", act=act))

    threads = [threading.Thread(target=send) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.body for one in done] == ["made"] * 10
    assert [one.repeated for one in done].count(False) == 1
    with transaction(tenant_id) as session:
        assert session.scalar(text("SELECT count(*) FROM tag")) == 1
