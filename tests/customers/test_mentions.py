"""Colleagues mentioned with @: found by name, told once, and never of what they may not read."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.queries import UserInfo
from app.customers import mentions
from app.customers.models import Customer
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import compose
from tests.page_client import PageClient, make_user


def person(name: str, email: str = "") -> UserInfo:
    return UserInfo(
        new_id(), email or f"{name.split()[0].lower()}@example.com", name, "staff", "active", None, clock.now()
    )


THANDI, THEMBA, ANA, ANA_MARIA = (
    person("Thandi Nkosi"),
    person("Themba Nkosi"),
    person("Ana"),
    person("Ana Maria Souza"),
)
TWO = [person("Jan Smit", "jan.one@example.com"), person("Jan Smit", "jan.two@example.com")]
PEOPLE = [THANDI, THEMBA, ANA, ANA_MARIA, *TWO]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("@Thandi Nkosi please call", [THANDI]),
        ("please, @thandi: call (@THEMBA NKOSI too)", [THANDI, THEMBA]),
        ("@Thandis call", []),
        ("write to thandi@example.com", []),
        ("write to @thandi@example.com", [THANDI]),
        ("@Ana Maria Souza knows", [ANA_MARIA]),
        ("@Jan Smit or @Jan", []),
        ("@jan.two@example.com", [TWO[1]]),
        ("@@Thandi", []),
        ("@", []),
        ("@Thandi Nkosi @Thandi Nkosi", [THANDI]),
    ],
)
def test_finds_who_is_meant(body: str, named: list[UserInfo]) -> None:
    assert [who for _, who in mentions.found_in(body, PEOPLE).values()] == named


def test_what_is_offered_means_the_one_it_was_offered_for() -> None:
    for one in PEOPLE:
        assert list(mentions.found_in(f"@{mentions.handle(one, PEOPLE)}!", PEOPLE)) == [one.id]
    assert mentions.handle(replace(THANDI), PEOPLE) == "Thandi Nkosi"


@pytest.fixture
def nomsa(tenant: Any) -> UUID:
    customer_id = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=customer_id, first_name="Nomsa", last_name="Dlamini"))
    return customer_id


@pytest.fixture
def here(nomsa: UUID) -> str:
    return f"/customers/{nomsa}/notes"


def colleague(tenant: Any, name: str, role: str = "marketer") -> UUID:
    user_id = make_user(tenant.id, role)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE users SET name = :name WHERE id = :id"), {"name": name, "id": user_id})
    return user_id


def mails(tenant: Any) -> list[Any]:
    with transaction(tenant.id) as session:
        return list(session.execute(text("SELECT * FROM message WHERE builtin = 'mention' ORDER BY id")))


def letter(tenant: Any, mail: Any) -> Any:
    row = {**mail._mapping, "address": mail.to_address, "reader_id": None, "club_name": None, "template_version": None}
    return compose.compose(tenant_id=tenant.id, tenant_name="The club", row=row).letter


def unread(tenant: Any, user_id: UUID, *, sees_private: bool = False) -> int:
    return mentions.unread(tenant_id=tenant.id, user_id=user_id, sees_private=sees_private)


def note_of(client: PageClient, here: str) -> str:
    return str(re.findall(r'id="note-([0-9a-f-]{36})"', client.get(here).text)[0])


def test_a_mention_is_a_mail_and_a_notice(client: PageClient, sign_in: Any, tenant: Any, here: str, app: Any) -> None:
    thandi = colleague(tenant, "Thandi Nkosi")
    sign_in("staff")
    answer = client.post(here, {"body": "@Thandi Nkosi <b>please</b> call"}, htmx=True, status=200)
    assert "Thandi Nkosi will be told." in answer.headers["HX-Trigger"]
    assert '<b class="mention">@Thandi Nkosi</b> &lt;b&gt;please&lt;/b&gt; call' in answer.text
    (mail,) = mails(tenant)
    assert mail.user_id == thandi
    found = letter(tenant, mail)
    assert found.subject == "Staff Person mentioned you in a note"
    assert f"{here}#note-" in found.text
    assert "please" not in found.text
    reader = PageClient(app)
    reader.sign_in("viewer", tenant.id)
    assert "unread" not in reader.get("/").text
    assert unread(tenant, thandi) == 1


def test_notices_are_counted_read_and_opened(client: PageClient, tenant: Any, here: str, app: Any) -> None:
    reader = PageClient(app)
    me = reader.sign_in("staff", tenant.id)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE users SET name = 'Me Myself' WHERE id = :id"), {"id": me})
    client.sign_in("marketer", tenant.id)
    for number in range(3):
        client.post(here, {"body": f"@Me Myself, number {number}"}, status=302)
    assert 'aria-label="Notices: 3 unread"' in reader.get("/").text
    latest = reader.get("/notices?latest=1", htmx=True).text
    assert "number 2" in latest
    assert "<html" not in latest
    mention = re.findall(r"/notices/([0-9a-f-]{36})/open", latest)[0]
    assert "#note-" in reader.post(f"/notices/{mention}/open", status=302).location
    assert 'aria-label="Notices: 2 unread"' in reader.get("/notices").text
    client.post(f"/notices/{mention}/open", status=404)
    reader.post("/notices/read", status=302)
    assert "unread" not in reader.get("/notices").text


def test_nobody_is_told_twice_or_of_their_own(client: PageClient, sign_in: Any, tenant: Any, here: str) -> None:
    colleague(tenant, "Thandi Nkosi")
    sign_in("staff")
    client.post(here, {"body": "@Thandi and @Staff Person"}, status=302)
    note = note_of(client, here)
    client.post(f"{here}/{note}", {"body": "@Thandi and @Staff Person, again"}, status=302)
    assert len(mails(tenant)) == 1


def test_a_private_note_tells_the_owner_only_until_it_is_opened(
    client: PageClient, sign_in: Any, tenant: Any, here: str
) -> None:
    thandi, boss = colleague(tenant, "Thandi Nkosi"), colleague(tenant, "Bo Owner", "owner")
    sign_in("staff")
    answer = client.post(here, {"body": "@Thandi Nkosi @Bo Owner", "private": "y"}, htmx=True, status=200)
    assert "Bo Owner will be told" in answer.headers["HX-Trigger"]
    assert "Thandi Nkosi can't see it" in answer.headers["HX-Trigger"].replace("\\u0027", "'")
    assert [one.user_id for one in mails(tenant)] == [boss]
    assert (unread(tenant, thandi), unread(tenant, boss, sees_private=True)) == (0, 1)
    note = note_of(client, here)
    client.post(f"{here}/{note}", {"body": "@Thandi Nkosi @Bo Owner"}, status=302)
    assert [one.user_id for one in mails(tenant)] == [boss, thandi]
    assert unread(tenant, thandi) == 1


@pytest.mark.parametrize("then", ["delete", "hide", "take back", "read", "disable"])
def test_what_is_not_theirs_any_more_is_not_sent_nor_shown(
    client: PageClient, sign_in: Any, tenant: Any, here: str, then: str
) -> None:
    thandi = colleague(tenant, "Thandi Nkosi")
    sign_in("staff")
    client.post(here, {"body": "@Thandi Nkosi"}, status=302)
    (mail,), note = mails(tenant), note_of(client, here)
    if then == "delete":
        client.post(f"{here}/{note}/delete", status=302)
    elif then == "hide":
        client.post(f"{here}/{note}", {"body": "@Thandi Nkosi", "private": "y"}, status=302)
    elif then == "take back":
        client.post(f"{here}/{note}", {"body": "@Nobody"}, status=302)
    elif then == "read":
        mentions.read(tenant_id=tenant.id, user_id=thandi)
    else:
        with transaction(tenant.id) as session:
            session.execute(text("UPDATE users SET status = 'disabled' WHERE id = :id"), {"id": thandi})
    with pytest.raises(compose.NothingToSend):
        letter(tenant, mail)
    if then != "disable":
        assert unread(tenant, thandi) == 0


def test_only_colleagues_who_may_read_notes_are_offered(
    client: PageClient, sign_in: Any, tenant: Any, other_tenant: Any, here: str
) -> None:
    colleague(tenant, "Thandi Nkosi")
    colleague(tenant, "Ops Person", "ops")
    colleague(other_tenant, "Strange Person")
    sign_in("staff")
    page = client.get(here).text
    assert '<option value="Thandi Nkosi"' in page
    assert "Ops Person" not in page
    assert "Strange Person" not in page
    client.post(here, {"body": "@Ops Person @Strange Person"}, status=302)
    assert mails(tenant) == []


def test_ops_have_no_bell(client: PageClient, sign_in: Any) -> None:
    sign_in("ops")
    assert "/notices" not in client.get("/ops/queues").text
    client.get("/notices", status=403)
