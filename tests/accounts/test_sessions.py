"""Sign-ins end at once, everywhere, and an old cookie opens nothing (T34)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import service, sessions, tokens
from app.infra import clock
from app.infra.db import transaction
from tests.accounts.conftest import NEW_PASSWORD, PASSWORD, Person, actor_of, registered, web_token
from tests.page_client import PageClient, make_user


def test_a_cookie_names_its_user(owner: Person) -> None:
    actor = sessions.load(web_token(owner.tenant_id, owner.id))
    assert actor is not None
    assert (actor.tenant_id, actor.user_id, actor.role, actor.via) == (owner.tenant_id, owner.id, "owner", "session")
    assert actor.ref == f"user:{owner.id}"
    assert actor.may("users.manage")


def test_only_a_hash_of_the_secret_is_kept(owner: Person) -> None:
    token = web_token(owner.tenant_id, owner.id)
    with transaction(owner.tenant_id) as session:
        row = session.execute(text("SELECT * FROM user_session")).one()
    assert not any(token.rpartition("_")[2] in str(value) for value in row)


@pytest.mark.parametrize("token", ["", "fws", "fws_1_2_3", "fwk" + "0" * 120, "\x00", "ü" * 50, "x" * 100_000])
def test_nonsense_is_nobody(token: str) -> None:
    assert sessions.load(token) is None


def test_a_changed_secret_or_tenant_is_nobody(owner: Person) -> None:
    other = registered("second@example.com", "Second Greens")
    kind, tenant, session_id, secret = web_token(owner.tenant_id, owner.id).split("_")
    wrong = ("0" if secret[0] != "0" else "1") + secret[1:]
    assert sessions.load(f"{kind}_{tenant}_{session_id}_{wrong}") is None
    assert sessions.load(f"{kind}_{other.tenant_id.hex}_{session_id}_{secret}") is None


def sign_out(person: Person, actor: Any) -> None:
    sessions.revoke(tenant_id=person.tenant_id, user_id=person.id, session_id=actor.session_id)


def sign_out_everywhere(person: Person, actor: Any) -> None:
    sessions.revoke_all(tenant_id=person.tenant_id, user_id=person.id)


def change_password(person: Person, actor: Any) -> None:
    service.change_password(tenant_id=person.tenant_id, user_id=person.id, current=PASSWORD, new=NEW_PASSWORD)


def change_role(person: Person, actor: Any) -> None:
    other = actor_of(person.tenant_id, make_user(person.tenant_id, "owner"))
    service.change_role(tenant_id=person.tenant_id, actor=other, user_id=person.id, role="viewer")


def disable(person: Person, actor: Any) -> None:
    other = actor_of(person.tenant_id, make_user(person.tenant_id, "owner"))
    service.disable(tenant_id=person.tenant_id, actor=other, user_id=person.id)


def reset(person: Person, actor: Any) -> None:
    from app.accounts import links

    link = links.reset_link(tenant_id=person.tenant_id, user_id=person.id)
    service.reset_password(token=link.rpartition("/")[2], password=NEW_PASSWORD)


@pytest.mark.parametrize("act", [sign_out, sign_out_everywhere, change_password, change_role, disable, reset])
def test_the_cookie_is_refused_from_that_moment(owner: Person, act: Callable[[Person, Any], None]) -> None:
    token = web_token(owner.tenant_id, owner.id)
    act(owner, sessions.load(token))
    assert sessions.load(token) is None


@pytest.mark.parametrize("act", [sign_out_everywhere, change_password, change_role, disable, reset])
def test_so_are_access_and_refresh_tokens(owner: Person, act: Callable[[Person, Any], None]) -> None:
    pair = tokens.open_api(tenant_id=owner.tenant_id, user_id=owner.id)
    assert tokens.read_access(pair.access_token) is not None
    act(owner, None)
    assert tokens.read_access(pair.access_token) is None
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(pair.refresh_token)


def test_thirty_days_without_a_visit_end_it_and_a_visit_puts_that_off(owner: Person) -> None:
    token = web_token(owner.tenant_id, owner.id)
    start = clock.now()
    assert sessions.load(token, now=start + timedelta(days=29)) is not None
    assert sessions.load(token, now=start + timedelta(days=58)) is not None
    assert sessions.load(token, now=start + timedelta(days=89)) is None


def test_seen_is_written_every_five_minutes_at_most(owner: Person) -> None:
    token = web_token(owner.tenant_id, owner.id)
    start = clock.now()

    def seen_after(minutes: int) -> float:
        sessions.load(token, now=start + timedelta(minutes=minutes))
        (one,) = sessions.listed(tenant_id=owner.tenant_id, user_id=owner.id)
        return (one.last_seen_at - start).total_seconds()

    assert seen_after(4) < 1
    assert seen_after(6) == 360
    assert seen_after(9) == 360


def test_old_rows_go_at_the_next_sign_in(owner: Person) -> None:
    web_token(owner.tenant_id, owner.id)
    sessions.open_web(tenant_id=owner.tenant_id, user_id=owner.id, now=clock.now() + timedelta(days=61))
    with transaction(owner.tenant_id) as session:
        assert session.execute(text("SELECT count(*) FROM user_session")).scalar_one() == 1


def test_nobody_ends_the_sign_in_of_another(owner: Person) -> None:
    colleague = make_user(owner.tenant_id, "owner")
    token = web_token(owner.tenant_id, owner.id)
    (one,) = sessions.listed(tenant_id=owner.tenant_id, user_id=owner.id)
    with pytest.raises(sessions.SignInEnded):
        sessions.revoke(tenant_id=owner.tenant_id, user_id=colleague, session_id=one.id)
    assert sessions.load(token) is not None


def cookie(client: PageClient) -> str:
    with client.http.session_transaction() as kept:
        return str(kept.get("_user_id", ""))


def signed_in(app: Flask, owner: Person) -> PageClient:
    client = PageClient(app)
    client.post("/sign-in", {"email": owner.email, "password": PASSWORD}, status=302)
    return client


def test_a_sign_in_gives_a_new_cookie_and_ends_the_one_before(app: Flask, owner: Person) -> None:
    client = signed_in(app, owner)
    before = cookie(client)
    client.post("/sign-in", {"email": owner.email, "password": PASSWORD}, status=302)
    assert cookie(client) != before
    assert sessions.load(before) is None
    assert sessions.load(cookie(client)) is not None


def test_a_cookie_planted_before_the_sign_in_is_worth_nothing(app: Flask, owner: Person) -> None:
    client = PageClient(app)
    with client.http.session_transaction() as kept:
        kept["_user_id"] = "fws_planted"
        kept["_fresh"] = True
    client.post("/sign-in", {"email": owner.email, "password": PASSWORD}, status=302)
    assert cookie(client) != "fws_planted"


def test_a_copied_cookie_dies_with_the_sign_out(app: Flask, owner: Person) -> None:
    client, thief = signed_in(app, owner), PageClient(app)
    with thief.http.session_transaction() as kept:
        kept["_user_id"] = cookie(client)
        kept["_fresh"] = True
    thief.get("/account")
    client.post("/sign-out", status=302)
    assert "/sign-in" in thief.get("/account", status=302).location
    answer = thief.get("/account", htmx=True, status=204)
    assert "/sign-in" in answer.headers["HX-Redirect"]


def test_changing_the_password_keeps_this_browser_and_ends_the_others(app: Flask, owner: Person) -> None:
    here, there = signed_in(app, owner), signed_in(app, owner)
    here.post("/account/password", {"current": PASSWORD, "password": NEW_PASSWORD}, status=302)
    here.get("/account")
    there.get("/account", status=302)


def test_signing_out_everywhere_ends_this_browser_too(app: Flask, owner: Person) -> None:
    here, there = signed_in(app, owner), signed_in(app, owner)
    here.post("/account/sign-out-everywhere", status=302)
    here.get("/account", status=302)
    there.get("/account", status=302)


def test_one_of_ones_sign_ins_can_be_ended(app: Flask, owner: Person) -> None:
    here, there = signed_in(app, owner), signed_in(app, owner)
    actor = sessions.load(cookie(there))
    assert actor is not None
    here.post(f"/account/sign-ins/{actor.session_id}/end", status=302)
    there.get("/account", status=302)
    here.get("/account")


@pytest.mark.parametrize(
    "path", ["/sign-out", "/account/password", "/account/sign-out-everywhere", "/sign-in", "/register"]
)
def test_without_the_forms_token_nothing_is_done(app: Flask, owner: Person, path: str) -> None:
    client = signed_in(app, owner)
    for headers in ({}, {"HX-Request": "true"}, {"X-CSRFToken": "made-up"}):
        app.config["WTF_CSRF_CHECK_DEFAULT"] = True
        answer = client.http.post(path, data={"email": "x"}, headers=headers)
        assert answer.status_code == 400
    client.get("/account")


def test_get_signs_nobody_out(app: Flask, owner: Person) -> None:
    client = signed_in(app, owner)
    client.get("/sign-out", status=405)
    client.get("/account")
