"""The table of permissions, role by role."""

import pytest

from app.accounts.permissions import PERMISSIONS, ROLES, grantable_scopes, permissions_of

SENDING = {"journeys.edit", "journeys.run", "templates.edit", "messages.send_test"}
CHANGING = SENDING | {"customers.edit", "notes.write", "queues.manage", "events.retry", "events.write", "users.manage"}


def test_every_permission_has_words_known_roles_and_a_name_of_two_parts() -> None:
    for name, permission in PERMISSIONS.items():
        assert len(name.split(".")) == 2
        assert permission.label
        assert permission.roles <= ROLES.keys()


def test_an_owner_may_everything() -> None:
    assert permissions_of("owner") == PERMISSIONS.keys()


def test_only_owners_read_the_private_notes_of_others() -> None:
    assert PERMISSIONS["notes.view_private"].roles == {"owner"}


def test_staff_see_timelines_and_write_notes_but_send_nothing() -> None:
    staff = permissions_of("staff")
    assert {"customers.view", "notes.write"} <= staff
    assert not staff & SENDING


def test_ops_see_queues_and_the_sync_log_without_personal_data() -> None:
    ops = permissions_of("ops")
    assert {"queues.view", "queues.manage", "events.view", "events.retry"} <= ops
    assert not {name for name in ops if name.startswith(("customers.", "notes.", "messages.", "mailbox."))}
    assert "events.view_content" not in ops


def test_a_viewer_changes_nothing() -> None:
    assert not permissions_of("viewer") & CHANGING


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_only_owners_and_admins_manage_accounts(role: str) -> None:
    held = permissions_of(role)
    assert not held & {"users.view", "users.manage", "api_keys.manage", "settings.manage"}


def test_an_unknown_role_may_nothing() -> None:
    assert permissions_of("superuser") == frozenset()


def test_keys_cannot_be_given_accounts_or_other_keys() -> None:
    scopes = grantable_scopes(permissions_of("owner"))
    assert "events.write" in scopes
    assert not set(scopes) & {"users.manage", "api_keys.manage", "account.self", "notes.view_private"}
