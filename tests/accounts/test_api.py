"""The API of accounts."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import api_keys
from app.accounts.permissions import permissions_of
from tests.accounts.conftest import PASSWORD, Person, registered
from tests.page_client import ApiClient, make_user


@pytest.fixture
def http(app: Flask) -> FlaskClient:
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


REGISTRATION = {"organisation": "Two Capes", "name": "Thandi", "email": "thandi@example.com", "password": PASSWORD}


def test_registering_signs_the_owner_in(http: FlaskClient) -> None:
    answer = http.post("/api/v1/auth/register", json=REGISTRATION)
    assert answer.status_code == 201
    made = answer.get_json()
    assert made.keys() == {"access_token", "refresh_token", "token_type", "expires_in", "tenant_id", "user_id"}
    me = http.get("/api/v1/users/me", headers=bearer(made["access_token"])).get_json()
    assert (me["id"], me["tenant_id"], me["role"]) == (made["user_id"], made["tenant_id"], "owner")
    assert set(me["permissions"]) == permissions_of("owner")


def test_signing_in_and_refreshing(http: FlaskClient, owner: Person) -> None:
    answer = http.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD})
    assert answer.status_code == 200
    pair = answer.get_json()
    assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
    fresh = http.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert fresh.status_code == 200
    assert http.get("/api/v1/users/me", headers=bearer(fresh.get_json()["access_token"])).status_code == 200
    again = http.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert (again.status_code, again.mimetype) == (401, "application/problem+json")


def test_signing_out_ends_both_tokens(http: FlaskClient, owner: Person) -> None:
    pair = http.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD}).get_json()
    assert http.post("/api/v1/auth/logout", headers=bearer(pair["access_token"])).status_code == 204
    assert http.get("/api/v1/users/me", headers=bearer(pair["access_token"])).status_code == 401
    assert http.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401


@pytest.mark.parametrize(
    "change, status, field",
    [
        ({"email": "no address"}, 422, "email"),
        ({"password": "short"}, 422, "password"),
        ({"organisation": " "}, 422, "organisation"),
        ({"name": None}, 422, "name"),
        ({"name": ["x"]}, 422, "name"),
        ({"name": "x" * 501}, 422, "name"),
        ({"rôle": "owner"}, 422, "rôle"),
    ],
)
def test_a_refused_registration_names_the_field(
    http: FlaskClient, change: dict[str, Any], status: int, field: str
) -> None:
    answer = http.post("/api/v1/auth/register", json=REGISTRATION | change)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert field in answer.get_json()["errors"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"email": NaN}', b"[" * 50_000, b"\xff\xfe", b'{"email": "\\ud800"}']
)
@pytest.mark.parametrize("path", ["register", "login", "refresh"])
def test_a_broken_body_is_the_senders_fault(http: FlaskClient, path: str, body: bytes) -> None:
    answer = http.post(f"/api/v1/auth/{path}", data=body, content_type="application/json")
    assert 400 <= answer.status_code < 500
    assert answer.mimetype == "application/problem+json"


def test_registrations_are_limited_by_address(http: FlaskClient) -> None:
    answers = [http.post("/api/v1/auth/register", json=REGISTRATION | {"email": "x"}).status_code for _ in range(21)]
    assert answers == [422] * 20 + [429]


def test_users_are_listed_in_pages_for_admins(app: Flask, owner: Person) -> None:
    api = ApiClient(app, owner.tenant_id, "admin")
    staff = make_user(owner.tenant_id, "staff")
    registered("second@example.com", "Second Greens")
    first = api.get("/users?limit=2").get_json()
    second = api.get(f"/users?limit=2&cursor={first['next_cursor']}").get_json()
    listed = [UUID(user["id"]) for user in first["items"] + second["items"]]
    assert listed == [owner.id, api.user_id, staff]
    assert second["next_cursor"] is None
    assert first["items"][0].keys() == {"id", "email", "name", "role", "status", "last_sign_in_at", "created_at"}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=nonsense", "cursor=%00", "unknown=1"])
def test_a_list_refuses_what_it_does_not_understand(app: Flask, owner: Person, query: str) -> None:
    assert ApiClient(app, owner.tenant_id, "admin").get(f"/users?{query}").status_code in (400, 422)


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_the_other_roles_see_themselves_only(app: Flask, owner: Person, role: str) -> None:
    api = ApiClient(app, owner.tenant_id, role)
    assert api.get("/users/me").get_json()["role"] == role
    assert api.get("/users").status_code == 403
    assert api.get("/api-keys").status_code == 403
    assert api.post("/api-keys", json={"name": "x", "scopes": ["events.write"]}).status_code == 403
    assert api.delete(f"/api-keys/{uuid4()}").status_code == 403


def test_keys_are_made_listed_and_revoked(app: Flask, owner: Person, http: FlaskClient) -> None:
    api = ApiClient(app, owner.tenant_id, "owner")
    answer = api.post("/api-keys", json={"name": "Tee times", "scopes": ["events.write", "users.view"]})
    assert answer.status_code == 201
    made = answer.get_json()
    assert http.get("/api/v1/users", headers=bearer(made["key"])).status_code == 200
    (listed,) = api.get("/api-keys").get_json()["items"]
    assert "key" not in listed
    assert made["key"] not in str(listed)
    assert (listed["id"], listed["scopes"]) == (made["id"], ["events.write", "users.view"])
    assert api.delete(f"/api-keys/{made['id']}").status_code == 204
    assert http.get("/api/v1/users", headers=bearer(made["key"])).status_code == 401
    assert api.delete(f"/api-keys/{uuid4()}").status_code == 404
    assert api.post("/api-keys", json={"name": "x", "scopes": ["users.manage"]}).status_code == 422


def test_a_key_may_what_its_scopes_say_and_no_more(app: Flask, owner: Person, http: FlaskClient) -> None:
    _, full = api_keys.create(tenant_id=owner.tenant_id, actor=owner.actor, name="Tee times", scopes=["events.write"])
    for method, path in (("GET", "/users"), ("GET", "/users/me"), ("GET", "/api-keys"), ("POST", "/api-keys")):
        assert http.open(f"/api/v1{path}", method=method, headers=bearer(full)).status_code == 403


def test_the_keys_of_another_organisation_are_not_found(app: Flask, owner: Person) -> None:
    second = registered("second@example.com", "Second Greens")
    key, full = api_keys.create(
        tenant_id=second.tenant_id, actor=second.actor, name="Tee times", scopes=["events.write"]
    )
    api = ApiClient(app, owner.tenant_id, "owner")
    assert api.delete(f"/api-keys/{key.id}").status_code == 404
    assert api.get("/api-keys").get_json()["items"] == []
    assert api_keys.authenticate(full) is not None
