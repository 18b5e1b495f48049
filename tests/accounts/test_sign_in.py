"""Signing in: the same words for every failure, limits that hold, and a place to go on to (T35)."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import passwords, service, sign_in
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.accounts.conftest import PASSWORD, Person, actor_of, audit_actions, registered


def try_page(client: Any, email: str, password: str, **more: Any) -> Any:
    return client.post("/sign-in", {"email": email, "password": password} | more)


def test_the_right_password_leads_home(client: Any, owner: Person) -> None:
    answer = try_page(client, owner.email, PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/")
    assert "Thandi Nel" in client.get("/account").text


def test_spelling_of_the_address_does_not_matter(client: Any, owner: Person) -> None:
    assert try_page(client, "  THANDI@example.com ", PASSWORD).status_code == 302


@pytest.mark.parametrize(
    "target, leads_to",
    [
        ("/settings/users?x=1", "/settings/users?x=1"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_one_goes_on_to_a_path_of_this_site_only(client: Any, owner: Person, target: str, leads_to: str) -> None:
    assert try_page(client, owner.email, PASSWORD, next=target).location == leads_to


def test_every_failure_says_the_same(client: Any, owner: Person) -> None:
    invited = service.invite(
        tenant_id=owner.tenant_id, actor=owner.actor, email="invited@example.com", role="staff", name="Sipho"
    )
    second = registered("second@example.com", "Second Greens")
    helper = service.invite(
        tenant_id=second.tenant_id, actor=second.actor, email="gone@example.com", role="staff", name="Ann"
    )
    with transaction(second.tenant_id) as session:
        session.execute(
            text("UPDATE users SET password_hash = :hash, status = 'disabled' WHERE id = :id"),
            {"hash": passwords.hashed(PASSWORD), "id": helper.id},
        )
    tries = [
        (owner.email, "wrong password here"),
        ("unknown@example.com", PASSWORD),
        ("not an address", PASSWORD),
        (invited.email, PASSWORD),
        (helper.email, PASSWORD),
        (owner.email, ""),
    ]
    answers = [try_page(client, *one) for one in tries]
    assert {one.status_code for one in answers} == {422}
    words = {text_between(one.text, 'class="notice', "</div></div>") for one in answers}
    assert len(words) == 1
    assert "do not belong together" in words.pop()


def text_between(page: str, start: str, end: str) -> str:
    return page.partition(start)[2].partition(end)[0]


def test_unknown_users_cost_a_password_check_too(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str | None] = []
    verify = passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda stored, given: checked.append(stored) or verify(stored, given))
    for address in (owner.email, "unknown@example.com", "no address at all"):
        with pytest.raises(sign_in.SignInFailed):
            sign_in.check(email=address, password="wrong password here")
    assert len(checked) == 3


def test_what_was_typed_stays_except_the_password(client: Any, owner: Person) -> None:
    page = try_page(client, "thandi@example.com", "wrong password here").text
    assert 'value="thandi@example.com"' in page
    assert "wrong password here" not in page


def test_failures_and_sign_ins_are_recorded(client: Any, owner: Person) -> None:
    try_page(client, owner.email, "wrong password here")
    try_page(client, owner.email, PASSWORD)
    assert audit_actions(owner.tenant_id)[-2:] == ["sign_in_failed", "signed_in"]


def test_looking_for_an_address_shows_that_row_and_no_other(owner: Person) -> None:
    registered("second@example.com", "Second Greens")
    with transaction(None) as session:
        assert sign_in.find(owner.email) is not None
        assert session.execute(text("SELECT count(*) FROM users")).scalar_one() == 0
        session.execute(text("SELECT set_config('fairway.sign_in', :key, true)"), {"key": owner.email})
        assert session.execute(text("SELECT count(*) FROM users")).scalar_one() == 1


def test_a_hash_with_old_parameters_is_made_anew(owner: Person) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    with transaction(owner.tenant_id) as session:
        session.execute(text("UPDATE users SET password_hash = :weak WHERE id = :id"), {"weak": weak, "id": owner.id})
    sign_in.check(email=owner.email, password=PASSWORD)
    found = sign_in.find(owner.email)
    assert found is not None
    assert found.password_hash is not None
    assert not passwords.outdated(found.password_hash)


def test_ten_failures_are_the_last_for_an_account(client: Any, owner: Person) -> None:
    for _ in range(10):
        assert try_page(client, owner.email, "wrong password here").status_code == 422
    refused = try_page(client, owner.email, PASSWORD)
    assert refused.status_code == 429
    assert "Try again in 15 minutes" in refused.text
    assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60 + 1


def test_pages_and_api_share_one_count(client: Any, app: Flask, owner: Person) -> None:
    http = app.test_client()
    for _ in range(5):
        try_page(client, owner.email, "wrong password here")
        body = {"email": owner.email.upper(), "password": "wrong password here"}
        assert http.post("/api/v1/auth/login", json=body).status_code == 401
    refused = http.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD})
    assert refused.status_code == 429
    assert refused.mimetype == "application/problem+json"
    assert "Try again in" in refused.get_json()["detail"]


def test_a_sign_in_sets_the_count_back(client: Any, owner: Person) -> None:
    for _ in range(3):
        for _ in range(6):
            try_page(client, owner.email, "wrong password here")
        assert try_page(client, owner.email, PASSWORD).status_code == 302


def test_one_password_against_many_accounts_ends_with_the_address(client: Any, owner: Person) -> None:
    answers = [try_page(client, f"person{number}@example.com", PASSWORD).status_code for number in range(52)]
    assert answers == [422] * 50 + [429] * 2


def test_who_is_signed_in_skips_the_form(client: Any, sign_in: Any) -> None:
    sign_in("staff")
    assert client.get("/sign-in?next=/account", status=302).location == "/account"


def test_an_unknown_user_takes_part_in_nothing(owner: Person) -> None:
    assert sign_in.find("nobody@example.com") is None
    assert sign_in.find("") is None
    assert sign_in.find("\udcff@example.com") is None
    assert actor_of(owner.tenant_id, owner.id).user_id != new_id()
