"""Registering, inviting, roles and passwords: who may do what to whom, and links that work once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from app.accounts import api_keys, links, queries, service, sign_in, tokens
from app.accounts.queries import UserInfo
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid
from app.infra.tokens import BadToken
from tests.accounts.conftest import NEW_PASSWORD, PASSWORD, Person, actor_of, audit_actions, registered
from tests.page_client import make_user


def invite(owner: Person, email: str = "sipho@example.com", role: str = "staff", by: UUID | None = None) -> UserInfo:
    return service.invite(
        tenant_id=owner.tenant_id, actor=actor_of(owner.tenant_id, by or owner.id), email=email, role=role, name="Sipho"
    )


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


def invitation_token(owner: Person, user: UserInfo) -> str:
    return token_of(links.invitation_link(tenant_id=owner.tenant_id, user_id=user.id))


def reset_token(owner: Person) -> str:
    return token_of(links.reset_link(tenant_id=owner.tenant_id, user_id=owner.id))


def test_registering_makes_an_organisation_without_clubs_and_its_owner(owner: Person) -> None:
    (user,) = queries.users(tenant_id=owner.tenant_id).items
    assert (user.id, user.role, user.status, user.email) == (owner.id, "owner", "active", "thandi@example.com")
    assert queries.clubs(tenant_id=owner.tenant_id) == []
    assert queries.tenant_info(tenant_id=owner.tenant_id).name == "Two Capes Golf"
    assert audit_actions(owner.tenant_id) == ["registered"]


def test_an_address_has_one_account_in_all_organisations(owner: Person) -> None:
    for email in ("thandi@example.com", "Thandi@Example.com", " thandi@example.com "):
        with pytest.raises(Invalid) as refused:
            registered(email, "Second Greens")
        assert "account with this address" in refused.value.errors["email"]
    second = registered("second@example.com", "Second Greens")
    with pytest.raises(Invalid) as refused:
        invite(second, "thandi@example.com")
    assert refused.value.errors.keys() == {"email"}


def test_registering_names_every_fault_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        service.register(organisation=" ", name="x" * 121, email="thandi", password="short")
    assert refused.value.errors.keys() == {"organisation", "name", "email", "password"}


def test_an_invited_user_sets_a_password_and_is_in(owner: Person) -> None:
    user = invite(owner)
    assert (user.status, user.role) == ("invited", "staff")
    token = invitation_token(owner, user)
    assert links.read(links.INVITATION, token).organisation == "Two Capes Golf"
    service.accept_invitation(token=token, name="Sipho Dube", password=NEW_PASSWORD)
    found = queries.user(tenant_id=owner.tenant_id, user_id=user.id)
    assert (found.status, found.name) == ("active", "Sipho Dube")
    assert sign_in.check(email="sipho@example.com", password=NEW_PASSWORD).user_id == user.id


def test_an_invitation_works_once(owner: Person) -> None:
    token = invitation_token(owner, invite(owner))
    service.accept_invitation(token=token, name="Sipho Dube", password=NEW_PASSWORD)
    with pytest.raises(BadToken):
        service.accept_invitation(token=token, name="Somebody Else", password=PASSWORD)
    with pytest.raises(BadToken):
        links.read(links.INVITATION, token)


def test_an_invitation_is_good_for_seven_days(owner: Person) -> None:
    token = invitation_token(owner, invite(owner))
    with time_machine.travel(clock.now() + timedelta(days=6, hours=23), tick=False):
        links.read(links.INVITATION, token)
    with time_machine.travel(clock.now() + timedelta(days=7, hours=1), tick=False), pytest.raises(BadToken):
        links.read(links.INVITATION, token)


def test_a_withdrawn_or_disabled_invitation_opens_nothing(owner: Person) -> None:
    first, second = invite(owner), invite(owner, "ann@example.com")
    words = [invitation_token(owner, user) for user in (first, second)]
    service.withdraw_invitation(tenant_id=owner.tenant_id, actor=owner.actor, user_id=first.id)
    service.disable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=second.id)
    for word in words:
        with pytest.raises(BadToken):
            links.read(links.INVITATION, word)
    invite(owner)
    again = service.enable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=second.id)
    assert again.status == "invited"


def test_an_answered_invitation_is_neither_sent_again_nor_withdrawn(owner: Person) -> None:
    user = invite(owner)
    service.accept_invitation(token=invitation_token(owner, user), name="Sipho", password=NEW_PASSWORD)
    for act in (service.invited_again, service.withdraw_invitation):
        with pytest.raises(Conflict):
            act(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)


def test_a_reset_link_sets_the_password_once_within_two_hours(owner: Person) -> None:
    first, second = reset_token(owner), reset_token(owner)
    with time_machine.travel(clock.now() + timedelta(hours=2, minutes=1), tick=False), pytest.raises(BadToken):
        service.reset_password(token=first, password=NEW_PASSWORD)
    service.reset_password(token=first, password=NEW_PASSWORD)
    assert sign_in.check(email=owner.email, password=NEW_PASSWORD).user_id == owner.id
    for used in (first, second):
        with pytest.raises(BadToken):
            service.reset_password(token=used, password="yet another phrase")


@pytest.mark.parametrize("change", [lambda t: "", lambda t: t[:-2], lambda t: "x" * 5000, lambda t: t.swapcase()])
def test_a_changed_link_opens_nothing(owner: Person, change: Any) -> None:
    with pytest.raises(BadToken):
        links.read(links.RESET, change(reset_token(owner)))


def test_a_link_of_one_kind_is_none_of_the_other(owner: Person) -> None:
    with pytest.raises(BadToken):
        links.read(links.INVITATION, reset_token(owner))
    with pytest.raises(BadToken):
        links.read(links.RESET, invitation_token(owner, invite(owner)))


def test_only_active_accounts_can_ask_for_a_reset(owner: Person) -> None:
    invite(owner)
    assert service.request_reset(email="unknown@example.com") is None
    assert service.request_reset(email="sipho@example.com") is None
    found = service.request_reset(email="THANDI@example.com")
    assert found is not None
    assert (found.user_id, found.email) == (owner.id, owner.email)


def test_a_weak_password_is_refused_wherever_one_is_set(owner: Person) -> None:
    user = invite(owner)
    for act in (
        lambda: service.accept_invitation(
            token=invitation_token(owner, user), name="Sipho", password="sipho@example.com"
        ),
        lambda: service.reset_password(token=reset_token(owner), password="password123"),
        lambda: service.change_password(tenant_id=owner.tenant_id, user_id=owner.id, current=PASSWORD, new="short"),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert refused.value.errors.keys() == {"password"}


def test_changing_a_password_asks_for_the_present_one(owner: Person) -> None:
    with pytest.raises(Invalid) as refused:
        service.change_password(tenant_id=owner.tenant_id, user_id=owner.id, current="not this one", new=NEW_PASSWORD)
    assert refused.value.errors.keys() == {"current"}
    with pytest.raises(Invalid) as refused:
        service.change_password(tenant_id=owner.tenant_id, user_id=owner.id, current=PASSWORD, new=PASSWORD)
    assert refused.value.errors.keys() == {"password"}


def test_roles_change_and_are_recorded(owner: Person) -> None:
    user_id = make_user(owner.tenant_id, "staff")
    changed = service.change_role(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user_id, role="marketer")
    assert changed.role == "marketer"
    with transaction(owner.tenant_id) as session:
        entry = session.execute(
            text("SELECT actor, user_id, object_id, detail FROM audit_entry WHERE action = 'role_changed'")
        ).one()
    assert entry.actor == f"user:{owner.id}"
    assert entry.user_id == owner.id
    assert entry.object_id == str(user_id)
    assert entry.detail == {"from": "staff", "to": "marketer"}


def test_nobody_changes_their_own_role_or_closes_their_own_account(owner: Person) -> None:
    make_user(owner.tenant_id, "owner")
    with pytest.raises(service.NotAllowed):
        service.change_role(tenant_id=owner.tenant_id, actor=owner.actor, user_id=owner.id, role="viewer")
    with pytest.raises(service.NotAllowed):
        service.disable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=owner.id)


def test_an_admin_touches_no_owner_and_makes_none(owner: Person) -> None:
    admin = actor_of(owner.tenant_id, make_user(owner.tenant_id, "admin"))
    staff = make_user(owner.tenant_id, "staff")
    for act in (
        lambda: service.change_role(tenant_id=owner.tenant_id, actor=admin, user_id=owner.id, role="viewer"),
        lambda: service.disable(tenant_id=owner.tenant_id, actor=admin, user_id=owner.id),
        lambda: service.change_role(tenant_id=owner.tenant_id, actor=admin, user_id=staff, role="owner"),
    ):
        with pytest.raises(service.NotAllowed):
            act()
    with pytest.raises(Invalid) as refused:
        invite(owner, role="owner", by=admin.user_id)
    assert refused.value.errors.keys() == {"role"}


def test_users_of_another_organisation_do_not_exist(owner: Person) -> None:
    second = registered("second@example.com", "Second Greens")
    for act in (service.disable, service.enable, service.invited_again, service.withdraw_invitation):
        with pytest.raises(queries.UserNotFound):
            act(tenant_id=owner.tenant_id, actor=owner.actor, user_id=second.id)
    with pytest.raises(queries.UserNotFound):
        service.change_role(tenant_id=owner.tenant_id, actor=owner.actor, user_id=second.id, role="viewer")
    assert [user.id for user in queries.users(tenant_id=owner.tenant_id).items] == [owner.id]


def test_a_disabled_user_is_out_and_can_come_back(owner: Person) -> None:
    user = invite(owner)
    service.accept_invitation(token=invitation_token(owner, user), name="Sipho", password=NEW_PASSWORD)
    service.disable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)
    with pytest.raises(sign_in.SignInFailed):
        sign_in.check(email=user.email, password=NEW_PASSWORD)
    service.enable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)
    assert sign_in.check(email=user.email, password=NEW_PASSWORD).user_id == user.id


def test_the_last_owner_stays(owner: Person) -> None:
    second = actor_of(owner.tenant_id, make_user(owner.tenant_id, "owner"))
    service.change_role(tenant_id=owner.tenant_id, actor=second, user_id=owner.id, role="admin")
    # The one left is asked about by an actor who was an owner a moment ago.
    with pytest.raises(service.LastOwner):
        service.change_role(
            tenant_id=owner.tenant_id, actor=_still_owner(owner), user_id=second.user_id or owner.id, role="viewer"
        )
    with pytest.raises(service.LastOwner):
        service.disable(tenant_id=owner.tenant_id, actor=_still_owner(owner), user_id=second.user_id or owner.id)


def _still_owner(person: Person) -> Any:
    from dataclasses import replace

    return replace(person.actor, role="owner")


@pytest.mark.committed
def test_two_owners_who_demote_each_other_leave_one(app: Flask, real_db: str) -> None:
    first = registered()
    second = make_user(first.tenant_id, "owner")
    pairs = [(first.actor, second), (actor_of(first.tenant_id, second), first.id)]

    def demote(pair: Any) -> str:
        with app.app_context():
            try:
                service.change_role(tenant_id=first.tenant_id, actor=pair[0], user_id=pair[1], role="viewer")
            except service.LastOwner:
                return "refused"
            return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, pairs)) == ["done", "refused"]
    roles = sorted(user.role for user in queries.users(tenant_id=first.tenant_id).items)
    assert roles == ["owner", "viewer"]


@pytest.mark.committed
def test_of_many_uses_of_one_refresh_token_at_once_one_wins(app: Flask, real_db: str) -> None:
    owner = registered()
    pair = tokens.open_api(tenant_id=owner.tenant_id, user_id=owner.id)

    def refresh(_: int) -> bool:
        with app.app_context():
            try:
                tokens.refresh(pair.refresh_token)
            except tokens.RefreshRefused:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(refresh, range(4))) == 1


@pytest.mark.committed
def test_of_many_uses_of_one_link_at_once_one_wins(app: Flask, real_db: str) -> None:
    owner = registered()
    token = reset_token(owner)

    def reset(number: int) -> bool:
        with app.app_context():
            try:
                service.reset_password(token=token, password=f"a phrase of number {number}")
            except BadToken:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(reset, range(4))) == 1


def test_what_is_done_to_accounts_is_recorded(owner: Person) -> None:
    user = invite(owner)
    service.invited_again(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)
    service.accept_invitation(token=invitation_token(owner, user), name="Sipho", password=NEW_PASSWORD)
    service.change_role(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id, role="ops")
    service.disable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)
    service.enable(tenant_id=owner.tenant_id, actor=owner.actor, user_id=user.id)
    service.request_reset(email=owner.email)
    service.reset_password(token=reset_token(owner), password=NEW_PASSWORD)
    key, _ = api_keys.create(tenant_id=owner.tenant_id, actor=owner.actor, name="Tee times", scopes=["events.write"])
    api_keys.revoke(tenant_id=owner.tenant_id, actor=owner.actor, key_id=key.id)
    assert audit_actions(owner.tenant_id) == [
        "registered",
        "user_invited",
        "user_invited_again",
        "invitation_accepted",
        "role_changed",
        "user_disabled",
        "user_enabled",
        "password_reset_asked",
        "password_reset",
        "api_key_created",
        "api_key_revoked",
    ]
