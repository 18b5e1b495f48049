"""Keys of machines: shown once, hashed, limited to their scopes."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts import api_keys
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.paging import BadCursor
from tests.accounts.conftest import Person, actor_of, registered
from tests.page_client import make_user


def make(owner: Person, name: str = "Tee times", scopes: list[str] | None = None) -> tuple[api_keys.Key, str]:
    return api_keys.create(
        tenant_id=owner.tenant_id, actor=owner.actor, name=name, scopes=scopes or ["events.write", "customers.view"]
    )


def test_a_key_names_its_machine_and_may_what_its_scopes_say(owner: Person) -> None:
    key, full = make(owner)
    actor = api_keys.authenticate(full)
    assert actor is not None
    assert (actor.tenant_id, actor.name, actor.via, actor.ref) == (owner.tenant_id, "Tee times", "key", f"key:{key.id}")
    assert actor.permissions == {"events.write", "customers.view"}
    assert full.startswith(f"{api_keys.PREFIX}{owner.tenant_id.hex}_{key.id.hex}_")
    assert key.hint == f"fwk_…{full[-4:]}"


def test_the_key_itself_is_kept_nowhere(owner: Person) -> None:
    _, full = make(owner)
    with transaction(owner.tenant_id) as session:
        rows = [*session.execute(text("SELECT * FROM api_key")), *session.execute(text("SELECT * FROM audit_entry"))]
    assert not any(full.rpartition("_")[2] in str(value) for row in rows for value in row)


def test_a_revoked_key_opens_nothing_from_that_moment(owner: Person) -> None:
    key, full = make(owner)
    for _ in range(2):
        api_keys.revoke(tenant_id=owner.tenant_id, actor=owner.actor, key_id=key.id)
    assert api_keys.authenticate(full) is None
    (listed,) = api_keys.listed(tenant_id=owner.tenant_id).items
    assert listed.revoked_at is not None
    assert listed.created_by_name == "Thandi Nel"


def test_a_key_revoked_elsewhere_is_remembered_for_a_moment_only(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, full = make(owner)
    monkeypatch.setattr(api_keys, "REMEMBERED_SECONDS", 3600.0)
    assert api_keys.authenticate(full) is not None
    with transaction(owner.tenant_id) as session:
        session.execute(text("UPDATE api_key SET revoked_at = now() WHERE id = :id"), {"id": key.id})
    assert api_keys.authenticate(full) is not None
    assert api_keys.authenticate(full, now=clock.now()) is None
    clock_now = api_keys.time.monotonic()
    monkeypatch.setattr(api_keys.time, "monotonic", lambda: clock_now + 3601)
    assert api_keys.authenticate(full) is None


def test_a_wrong_secret_or_another_tenant_opens_nothing(owner: Person) -> None:
    second = registered("second@example.com", "Second Greens")
    key, full = make(owner)
    head, secret = full.rsplit("_", 1)
    assert api_keys.authenticate(f"{head}_{secret[::-1]}") is None
    assert api_keys.authenticate(full.replace(owner.tenant_id.hex, second.tenant_id.hex)) is None
    with pytest.raises(api_keys.KeyNotFound):
        api_keys.revoke(tenant_id=second.tenant_id, actor=second.actor, key_id=key.id)
    assert api_keys.authenticate(full) is not None


@pytest.mark.parametrize("key", ["", "fwk_", "fwk_1_2_3", "fws" + "_0" * 3, "fwk_" + "g" * 120, "fwk_" * 50_000])
def test_nonsense_is_nobody(key: str) -> None:
    assert api_keys.authenticate(key) is None


@pytest.mark.parametrize(
    "name, scopes, fields",
    [
        ("", ["events.write"], {"name"}),
        ("x" * 101, ["events.write"], {"name"}),
        ("Tee times", [], {"scopes"}),
        ("Tee times", ["users.manage"], {"scopes"}),
        ("Tee times", ["everything"], {"scopes"}),
        (" ", ["account.self"], {"name", "scopes"}),
    ],
)
def test_a_key_needs_a_name_and_scopes_that_can_be_given(
    owner: Person, name: str, scopes: list[str], fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        api_keys.create(tenant_id=owner.tenant_id, actor=owner.actor, name=name, scopes=scopes)
    assert refused.value.errors.keys() == fields


def test_nobody_gives_a_key_more_than_they_may(owner: Person) -> None:
    marketer = actor_of(owner.tenant_id, make_user(owner.tenant_id, "marketer"))
    with pytest.raises(Invalid) as refused:
        api_keys.create(tenant_id=owner.tenant_id, actor=marketer, name="Queues", scopes=["queues.manage"])
    assert refused.value.errors.keys() == {"scopes"}


def test_use_is_noted_every_minute_at_most(owner: Person) -> None:
    _, full = make(owner)
    start = clock.now()

    def used_after(seconds: int) -> Any:
        api_keys.authenticate(full, now=start + timedelta(seconds=seconds))
        (key,) = api_keys.listed(tenant_id=owner.tenant_id).items
        assert key.last_used_at is not None
        return (key.last_used_at - start).total_seconds()

    assert [used_after(seconds) for seconds in (0, 59, 61, 100)] == [0, 0, 61, 61]


def test_keys_are_listed_in_pages_the_newest_first(owner: Person) -> None:
    made = [make(owner, f"Machine {number}")[0].id for number in range(5)]
    first = api_keys.listed(tenant_id=owner.tenant_id, limit=3)
    second = api_keys.listed(tenant_id=owner.tenant_id, limit=3, cursor=first.next_cursor)
    assert [key.id for key in first.items + second.items] == made[::-1]
    assert second.next_cursor is None
    for cursor in ("x", "W10", "WzFd", "WyJ4Il0"):
        with pytest.raises(BadCursor):
            api_keys.listed(tenant_id=owner.tenant_id, cursor=cursor)
