"""What a refusal looks like to whoever asked: a page, a toast, a problem document."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.analytics import home
from tests.page_client import PageClient


def test_a_database_that_is_away_is_said_so(
    client: PageClient, sign_in: Any, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    def away(**_values: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    sign_in("marketer")
    monkeypatch.setattr(home, "latest", away)
    answer = client.get("/", status=503)
    assert answer.headers["Retry-After"] == "5"
    assert "does not answer" in answer.text


def test_only_a_form_that_expired_is_marked_as_such(client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    answer = client.http.post("/journeys/new", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers.get("X-Form-Expired")) == (400, "1")
    assert "X-Form-Expired" not in client.get("/nowhere", status=404).headers


def test_doubled_slashes_lead_nowhere_else(app: Flask) -> None:
    answer = app.test_client().get("/customers//5", headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_the_api_answers_in_problem_documents(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.get_json()["title"] == "Not Found"


def test_htmx_gets_a_toast_and_no_page(app: Flask) -> None:
    answer = app.test_client().get("/nowhere", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert "toast" in answer.headers["HX-Trigger"]
    assert answer.get_data() == b""
