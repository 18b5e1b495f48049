"""Clients that check what every page and every answer of the API must hold to."""

import re
from typing import Any
from uuid import UUID, uuid4

import html5lib
from flask import Flask
from werkzeug.test import TestResponse

VOID_OF_MEANING = {"expected-doctype-but-got-start-tag", "expected-doctype-but-got-chars"}


def make_user(tenant_id: UUID, role: str) -> UUID:
    """Create an active user with a role and return its id."""
    from app.accounts.models import User
    from app.infra.db import transaction

    address = f"{role}-{uuid4().hex[:8]}@example.com"
    user = User(
        tenant_id=tenant_id,
        email=address,
        email_key=address,
        name=f"{role.title()} Person",
        password_hash="!",
        role=role,
    )
    with transaction(tenant_id) as session:
        session.add(user)
        session.flush()
        return user.id


def check_page(response: TestResponse) -> None:
    """Fail if an HTML answer is not well made: parse errors, double ids, no or several h1, unlabelled controls."""
    text = response.get_data(as_text=True)
    if response.mimetype != "text/html" or not text.lstrip().lower().startswith("<!doctype"):
        return
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(text)
    faults = [code for _, code, _ in parser.errors if code not in VOID_OF_MEANING]
    assert not faults, f"HTML faults: {faults[:5]}"
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    doubles = {one for one in ids if ids.count(one) > 1}
    assert not doubles, f"ids used twice: {doubles}"
    assert len(list(tree.iter("h1"))) == 1, "a page has exactly one h1"
    for form in tree.iter("form"):
        if (form.get("method") or "get").lower() == "post":
            assert form.get("action") is not None, "a form says where it goes"
    for script in tree.iter("script"):
        assert script.get("nonce") or script.get("type") in ("application/json",), "a script carries the nonce"
    for element in tree.iter():
        handlers = [name for name in element.attrib if isinstance(name, str) and re.match(r"on[a-z]+$", name)]
        assert not handlers, f"inline handlers: {handlers}"


class PageClient:
    """A browser without a screen: keeps cookies, sends the CSRF token, checks each page it gets."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.http = app.test_client()

    def sign_in(self, role: str, tenant_id: UUID) -> UUID:
        """Sign in as a new user of `role`; returns the user's id."""
        from app.accounts import sessions

        user_id = make_user(tenant_id, role)
        token = sessions.open_web(tenant_id=tenant_id, user_id=user_id, ip="127.0.0.1", user_agent="tests").token
        with self.http.session_transaction() as session:
            session["_user_id"] = token
            session["_fresh"] = True
            session["csrf_token"] = "a" * 40
        return user_id

    def csrf(self) -> str:
        """Return a token that this client's session accepts."""
        from flask_wtf.csrf import generate_csrf

        with self.app.test_request_context():
            from flask import g, session

            g.pop("csrf_token", None)
            session["csrf_token"] = "a" * 40
            token: str = generate_csrf()
        with self.http.session_transaction() as kept:
            kept["csrf_token"] = "a" * 40
        return token

    def get(self, path: str, *, htmx: bool = False, status: int = 200, **more: Any) -> TestResponse:
        """GET a page, expect `status`, check the HTML."""
        headers = {"HX-Request": "true"} if htmx else {}
        response = self.http.get(path, headers=headers | more.pop("headers", {}), **more)
        assert response.status_code == status, f"{path}: {response.status_code}\n{response.text[:2000]}"
        check_page(response)
        return response

    def post(
        self,
        path: str,
        data: dict[str, Any] | None = None,
        *,
        htmx: bool = False,
        status: int | None = None,
        **more: Any,
    ) -> TestResponse:
        """POST a form with a CSRF token; `status` is checked when given."""
        headers = {"X-CSRFToken": self.csrf()} | ({"HX-Request": "true"} if htmx else {})
        response = self.http.post(path, data=data or {}, headers=headers | more.pop("headers", {}), **more)
        if status is not None:
            assert response.status_code == status, f"{path}: {response.status_code}\n{response.text[:2000]}"
        check_page(response)
        return response


class ApiClient:
    """Speaks JSON with a bearer token; checks that every refusal is a problem document."""

    def __init__(self, app: Flask, tenant_id: UUID, role: str) -> None:
        from app.accounts import tokens

        self.http = app.test_client()
        self.user_id = make_user(tenant_id, role)
        self.token = tokens.open_api(tenant_id=tenant_id, user_id=self.user_id, user_agent="tests").access_token

    def request(self, method: str, path: str, **more: Any) -> TestResponse:
        """Send a request below /api/v1."""
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        response = self.http.open(f"/api/v1{path}", method=method, headers=headers, **more)
        if response.status_code >= 400:
            assert response.mimetype == "application/problem+json", response.text[:500]
            assert response.get_json()["status"] == response.status_code
        return response

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET below /api/v1."""
        return self.request("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """POST JSON below /api/v1."""
        return self.request("POST", path, json=json, **more)

    def put(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """PUT JSON below /api/v1."""
        return self.request("PUT", path, json=json, **more)

    def patch(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """PATCH with JSON below /api/v1."""
        return self.request("PATCH", path, json=json, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        """DELETE below /api/v1."""
        return self.request("DELETE", path, **more)
