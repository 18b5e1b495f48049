"""The pages: what they show, what they keep of what was typed, and where they lead."""

import html
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import api_keys, clubs, links, queries, service
from tests.accounts.conftest import NEW_PASSWORD, PASSWORD, Person, actor_of, mails_of, registered
from tests.page_client import PageClient, make_user


@pytest.fixture
def owner_client(client: PageClient, owner: Person) -> PageClient:
    client.post("/sign-in", {"email": owner.email, "password": PASSWORD}, status=302)
    return client


def path_of(link: str) -> str:
    return link.removeprefix("http://localhost")


def field_error(page: str, field: str) -> str:
    """Return the words beside a field, tags taken out."""
    found = re.search(rf'id="{field}-error">(.*?)</p>', page, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""


def test_registering_leads_to_the_first_club(client: PageClient) -> None:
    client.get("/register")
    form = {"organisation": "Two Capes", "name": "Thandi", "email": "thandi@example.com", "password": PASSWORD}
    answer = client.post("/register", form, status=302)
    assert answer.location == "/settings/clubs/new"
    assert "Your first club" in client.get("/settings/clubs/new").text
    client.post("/settings/clubs/new", {"name": "Milnerton Links", "country": "ZA"}, status=302)
    shown = client.get("/settings/clubs").text
    assert "Milnerton Links" in shown
    assert "Africa/Johannesburg" in shown


def test_a_refused_registration_keeps_what_was_typed_and_says_what_is_wrong(client: PageClient, owner: Person) -> None:
    form = {"organisation": "Two <Capes>", "name": "", "email": "thandi@example.com", "password": "short-word"}
    page = client.post("/register", form, status=422).text
    assert 'value="Two &lt;Capes&gt;"' in page
    assert "short-word" not in page
    assert "Enter a name" in field_error(page, "name")
    page = client.post("/register", form | {"name": "Thandi", "password": PASSWORD}, status=422).text
    assert "account with this address" in field_error(page, "email")


def test_an_invitation_goes_out_by_mail_and_opens_an_account(
    app: Flask, owner_client: PageClient, owner: Person
) -> None:
    owner_client.get("/settings/users/invite")
    form = {"email": "sipho@example.com", "name": "Sipho", "role": "staff"}
    owner_client.post("/settings/users/invite", form, status=302)
    (mail,) = mails_of(owner.tenant_id)
    assert (mail["builtin"], mail["to_address"]) == ("invitation", "sipho@example.com")
    path = path_of(links.invitation_link(tenant_id=owner.tenant_id, user_id=mail["user_id"]))
    assert path not in str(mail)
    sipho = PageClient(app)
    assert "Join Two Capes Golf" in sipho.get(path).text
    page = sipho.post(path, {"name": "Sipho Dube", "password": "short"}, status=422).text
    assert 'value="Sipho Dube"' in page
    assert "at least 10" in field_error(page, "password")
    assert sipho.post(path, {"name": "Sipho Dube", "password": NEW_PASSWORD}, status=302).location == "/"
    assert "Sipho Dube" in sipho.get("/account").text
    assert "not valid" in sipho.get(path, status=404).text


def test_the_letter_holds_the_link_and_the_outbox_does_not(owner: Person) -> None:
    from app.messaging import builtin

    user = service.invite(tenant_id=owner.tenant_id, actor=owner.actor, email="s@example.com", role="staff", name="S")
    for name, user_id, start in (
        ("invitation", user.id, "/invitation/"),
        ("reset_password", owner.id, "/reset-password/"),
    ):
        values = builtin.builtin(name).values(tenant_id=owner.tenant_id, user_id=user_id)
        assert path_of(values["link"]).startswith(start)


def test_a_refused_invitation_keeps_the_form(owner_client: PageClient, owner: Person) -> None:
    form = {"email": "thandi@example.com", "name": "Ann", "role": "ops"}
    page = owner_client.post("/settings/users/invite", form, status=422).text
    assert "account with this address" in field_error(page, "email")
    assert re.search(r'<input[^>]*checked[^>]*value="ops"', page)
    assert mails_of(owner.tenant_id) == []


def test_forgetting_a_password_says_the_same_for_every_address(client: PageClient, owner: Person) -> None:
    client.get("/forgot-password")
    known = client.post("/forgot-password", {"email": "thandi@example.com"}, status=200).text
    unknown = client.post("/forgot-password", {"email": "nobody@example.com"}, status=200).text

    def same(page: str) -> str:
        body = page.partition("<main")[2].partition("</main>")[0]
        return re.sub(r'name="csrf_token" value="[^"]*"|thandi|nobody', "", body)

    assert same(known) == same(unknown)
    (mail,) = mails_of(owner.tenant_id)
    assert (mail["builtin"], mail["to_address"], mail["context"]) == ("reset_password", owner.email, {})


def test_asking_for_resets_is_limited(client: PageClient, owner: Person) -> None:
    answers = [client.post("/forgot-password", {"email": owner.email}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert len(mails_of(owner.tenant_id)) == 5


def test_a_reset_link_sets_a_password_and_signs_in(client: PageClient, owner: Person) -> None:
    path = path_of(links.reset_link(tenant_id=owner.tenant_id, user_id=owner.id))
    for _ in range(2):
        client.get(path)
    page = client.post(path, {"password": "password123"}, status=422).text
    assert "first anybody would try" in field_error(page, "password")
    client.post(path, {"password": NEW_PASSWORD}, status=302)
    client.get("/account")
    client.get(path, status=404)


def test_my_account_shows_my_sign_ins(owner_client: PageClient, owner: Person) -> None:
    page = owner_client.get("/account", headers={"User-Agent": "Mozilla/5.0 (Windows) Firefox/140.0"}).text
    assert "This one" in page
    page = owner_client.post("/account/name", {"name": ""}, status=422).text
    assert "Enter a name" in field_error(page, "name")
    owner_client.post("/account/name", {"name": "Thandi Botha"}, status=302)
    assert "Thandi Botha" in owner_client.get("/account").text
    page = owner_client.post("/account/password", {"current": "wrong", "password": NEW_PASSWORD}, status=422).text
    assert "not your current password" in field_error(page, "current")


@pytest.mark.parametrize(
    "words, device",
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) AppleWebKit/605 Version/19 Safari/605", "Safari on macOS"),
        ("python-requests/2.32", "Python"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_browser_is_named_in_a_few_words(app: Flask, words: str | None, device: str) -> None:
    assert app.jinja_env.filters["device"](words) == device


def test_users_are_listed_with_the_table_of_permissions(owner_client: PageClient, owner: Person) -> None:
    make_user(owner.tenant_id, "ops")
    page = owner_client.get("/settings/users").text
    assert "Ops Person" in page
    assert "What each role may do" in page
    assert "See queues, workers and failed jobs" in page
    assert "What each role may do" not in owner_client.get("/settings/users", htmx=True).text


def test_a_role_is_changed_on_the_users_page(owner_client: PageClient, owner: Person) -> None:
    user_id = make_user(owner.tenant_id, "staff")
    path = f"/settings/users/{user_id}"
    owner_client.get(path)
    owner_client.post(f"{path}/role", {"role": "marketer"}, status=302)
    assert queries.user(tenant_id=owner.tenant_id, user_id=user_id).role == "marketer"
    page = owner_client.post(f"{path}/role", {"role": "emperor"}, status=422).text
    assert field_error(page, "role") == "Choose a role."


def test_an_account_is_disabled_and_opened_again(owner_client: PageClient, owner: Person) -> None:
    user_id = make_user(owner.tenant_id, "staff")
    path = f"/settings/users/{user_id}"
    owner_client.post(f"{path}/disable", status=302)
    assert "cannot sign in" in owner_client.get(path).text
    owner_client.post(f"{path}/enable", status=302)
    assert queries.user(tenant_id=owner.tenant_id, user_id=user_id).status == "active"


def test_invitations_are_sent_again_and_withdrawn(owner_client: PageClient, owner: Person) -> None:
    user = service.invite(tenant_id=owner.tenant_id, actor=owner.actor, email="s@example.com", role="staff", name="S")
    path = f"/settings/users/{user.id}"
    assert "has not answered" in owner_client.get(path).text
    owner_client.post(f"{path}/invite-again", status=302)
    assert len(mails_of(owner.tenant_id)) == 1
    owner_client.post(f"{path}/withdraw", status=302)
    owner_client.get(path, status=404)


def test_ones_own_account_and_the_owners_have_no_buttons(client: PageClient, owner: Person, app: Flask) -> None:
    admin_id = client.sign_in("admin", owner.tenant_id)
    for user_id in (owner.id, admin_id):
        page = client.get(f"/settings/users/{user_id}").text
        assert "Disable the account" not in page
        client.post(f"/settings/users/{user_id}/disable", status=403)
        assert client.post(f"/settings/users/{user_id}/role", {"role": "viewer"}, status=403)
    assert "owner" not in re.findall(r'name="role"[^>]*value="(\w+)"', client.get("/settings/users/invite").text)


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_settings_are_closed_to_the_other_roles(client: PageClient, owner: Person, role: str) -> None:
    client.sign_in(role, owner.tenant_id)
    for path in (
        "users",
        "users/invite",
        f"users/{owner.id}",
        "clubs",
        "clubs/new",
        "organisation",
        "api-keys",
        "api-keys/new",
    ):
        client.get(f"/settings/{path}", status=403)
    client.get("/account")


def test_a_key_is_shown_once(owner_client: PageClient, owner: Person) -> None:
    assert "No keys yet" in owner_client.get("/settings/api-keys").text
    owner_client.get("/settings/api-keys/new")
    page = owner_client.post("/settings/api-keys/new", {"name": "Tee times"}, status=422).text
    assert "Choose at least one scope" in field_error(page, "scopes")
    assert 'value="Tee times"' in page
    form = {"name": "Tee times", "scopes": ["events.write", "customers.view"]}
    page = owner_client.post("/settings/api-keys/new", form, status=200).text
    (full,) = set(re.findall(r"fwk_[0-9a-f_]{100,}", page))
    actor = api_keys.authenticate(full)
    assert actor is not None
    assert actor.permissions == {"events.write", "customers.view"}
    listed = owner_client.get("/settings/api-keys").text
    assert full not in listed
    assert "Send events in" in listed
    owner_client.post(f"/settings/api-keys/{actor.key_id}/revoke", status=302)
    assert api_keys.authenticate(full) is None
    assert "Revoked" in owner_client.get("/settings/api-keys").text


def test_a_clubs_form_keeps_and_explains(owner_client: PageClient, owner: Person) -> None:
    page = owner_client.post("/settings/clubs/new", {"name": "Pebble Run", "country": "US"}, status=422).text
    assert "Choose one" in field_error(page, "timezone")
    assert 'value="Pebble Run"' in page
    assert re.search(r'<option[^>]*selected[^>]*value="US"', page)
    page = owner_client.post("/settings/clubs/new", {}, status=422).text
    assert field_error(page, "country") == "Choose a country."
    club_id = clubs.add(tenant_id=owner.tenant_id, actor=owner.actor, name="Milnerton", country="ZA")
    page = owner_client.get(f"/settings/clubs/{club_id}").text
    assert re.search(r'<option[^>]*selected[^>]*value="Africa/Johannesburg"', page)
    owner_client.post(f"/settings/clubs/{club_id}", {"name": "Milnerton Links", "country": "ZA"}, status=302)
    assert queries.club(tenant_id=owner.tenant_id, club_id=club_id).name == "Milnerton Links"


def test_the_organisation_is_renamed(owner_client: PageClient, owner: Person) -> None:
    owner_client.get("/settings/organisation")
    owner_client.post("/settings/organisation", {"name": "Three Capes", "country": "GB"}, status=302)
    assert "Three Capes" in owner_client.get("/settings/clubs").text


def test_another_organisations_things_are_not_found(owner_client: PageClient, owner: Person) -> None:
    second = registered("second@example.com", "Second Greens")
    club_id = clubs.add(tenant_id=second.tenant_id, actor=second.actor, name="Milnerton", country="ZA")
    key, full = api_keys.create(
        tenant_id=second.tenant_id, actor=second.actor, name="Tee times", scopes=["events.write"]
    )
    owner_client.get(f"/settings/users/{second.id}", status=404)
    owner_client.get(f"/settings/clubs/{club_id}", status=404)
    for path in (
        f"users/{second.id}/role",
        f"users/{second.id}/disable",
        f"users/{second.id}/enable",
        f"users/{second.id}/invite-again",
        f"users/{second.id}/withdraw",
        f"clubs/{club_id}",
        f"api-keys/{key.id}/revoke",
    ):
        owner_client.post(f"/settings/{path}", {"role": "viewer", "name": "Mine", "country": "ZA"}, status=404)
    assert actor_of(second.tenant_id, second.id).role == "owner"
    assert api_keys.authenticate(full) is not None


def test_pages_with_people_are_kept_in_no_cache(owner_client: PageClient) -> None:
    answer = owner_client.get("/settings/users")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in answer.headers["Vary"]


def test_nul_characters_are_refused_at_the_door(app: Flask, client: PageClient) -> None:
    http: FlaskClient = client.http
    assert http.get("/sign-in?next=%00").status_code == 400
    assert client.post("/sign-in", {"email": "a\x00@example.com", "password": PASSWORD}).status_code == 400


def test_odd_text_is_refused_or_kept_but_never_breaks(client: PageClient) -> None:
    values: list[Any] = ["💥" * 30, "\u202e" * 40, "a" * 100_000, "<script>alert(1)</script>"]
    for value in values:
        form = {"organisation": value, "name": value, "email": value, "password": value}
        assert client.post("/register", form).status_code == 422
        assert client.post("/sign-in", form | {"next": value}).status_code == 422
        assert client.post("/forgot-password", form).status_code == 200
