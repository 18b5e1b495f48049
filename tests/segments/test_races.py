"""Refreshes, upkeep and changes at the same moment, each in a transaction and on a connection of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.infra.db import transaction
from app.segments import membership, refresh, service, upkeep, work
from tests.conftest import make_tenant
from tests.segments.helpers import (
    ACTOR,
    GOLD,
    NOW,
    all_of,
    change,
    check,
    due,
    members,
    people,
    rows,
    rule,
    segment,
    settle,
)

pytestmark = pytest.mark.committed
LATER = NOW + timedelta(days=1)


@contextmanager
def beside(app: Flask, act: Callable[[], object]) -> Iterator[threading.Thread]:
    """Do something in a thread, with connections of its own, until the block ends; what it raises is raised there."""
    failed: list[BaseException] = []

    def run() -> None:
        with app.app_context():
            try:
                act()
            except BaseException as error:
                failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(timeout=60)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def killed(tenant: Any, act: Callable[[], object]) -> None:
    """Do something in a transaction that never commits."""

    class Killed(BaseException):
        pass

    def die() -> None:
        with transaction(tenant.id):
            assert act()
            raise Killed

    with pytest.raises(Killed):
        die()


@pytest.fixture
def tenant(real_db: str) -> Any:
    return make_tenant()


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let whoever refreshes wait, once members are written and before that is committed: (it waits, it may go on)."""
    there, go_on = threading.Event(), threading.Event()
    written = membership.write

    def write(*args: Any, **more: Any) -> Any:
        found = written(*args, **more)
        if "customers" not in more and not there.is_set():
            there.set()
            assert go_on.wait(timeout=20)
        return found

    monkeypatch.setattr(refresh.membership, "write", write)
    yield there, go_on
    go_on.set()


def test_what_happens_while_a_refresh_is_written_counts_afterwards(app: Flask, tenant: Any, paused: Any) -> None:
    there, go_on = paused
    stays, leaves, goes = people(tenant.id, 3, membership_tier="Gold")
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW)
    with beside(app, lambda: work.run_step(tenant_id=tenant.id, now=NOW)):
        assert there.wait(timeout=60)
        # It has seen three, and nobody else sees its members yet.
        assert members(tenant.id, made) == set()
        change(tenant.id, leaves, membership_tier="Silver")
        rows(tenant.id, "DELETE FROM customer WHERE id = :id RETURNING id", id=goes)
        (new,) = people(tenant.id, membership_tier="Gold")
        # Upkeep puts them off; nobody waits for the refresh.
        assert upkeep.run_batch(tenant_id=tenant.id, now=NOW) == 3
        assert upkeep.run_batch(tenant_id=tenant.id, now=NOW) == 0
        go_on.set()
    assert members(tenant.id, made) == {stays, leaves, goes}
    settle(tenant.id)
    assert members(tenant.id, made) == {stays, new}
    assert due(tenant.id) == 0
    assert rows(tenant.id, "SELECT FROM segment_past_member WHERE customer_id = :id", id=goes) == []


def test_a_definition_that_is_saved_while_it_is_refreshed_wins(app: Flask, tenant: Any, paused: Any) -> None:
    there, go_on = paused
    people(tenant.id, membership_tier="Gold")
    (silver,) = people(tenant.id, membership_tier="Silver")
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW)
    wanted = all_of(rule("membership_tier", "eq", "Silver"))

    def redefine() -> None:
        service.change(
            tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, changes={"criteria": wanted}, users=(), now=NOW
        )

    with beside(app, lambda: work.run_step(tenant_id=tenant.id, now=NOW)):
        assert there.wait(timeout=60)
        with beside(app, redefine):
            # Whoever saves may wait for the count that is being written, and no longer than for that.
            go_on.set()
    settle(tenant.id)
    assert members(tenant.id, made) == {silver}
    (found,) = rows(tenant.id, "SELECT version, refreshing_since FROM segment")
    assert (found.version, found.refreshing_since) == (2, None)


def test_one_refreshes_a_segment_and_others_go_on_with_the_next(app: Flask, tenant: Any, paused: Any) -> None:
    there, go_on = paused
    gold = people(tenant.id, 2, membership_tier="Gold")
    first, second = (
        service.create(tenant_id=tenant.id, actor=ACTOR, name=name, criteria=GOLD, now=NOW) for name in ("A", "B")
    )
    with beside(app, lambda: work.run_step(tenant_id=tenant.id, now=NOW)):
        assert there.wait(timeout=60)
        assert work.run_step(tenant_id=tenant.id, now=NOW) == 1
        assert work.run_step(tenant_id=tenant.id, now=NOW) == 0
        done = {one.id for one in (first, second) if members(tenant.id, one)}
        assert len(done) == 1
        go_on.set()
    check(tenant.id)
    assert members(tenant.id, first) == members(tenant.id, second) == set(gold)


def test_a_worker_that_dies_in_the_middle_leaves_nothing_and_the_next_goes_on(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    change(tenant.id, one, membership_tier="Silver")
    assert refresh.begin(tenant_id=tenant.id, segment_id=made.id, now=LATER)

    killed(tenant, lambda: refresh.finish(tenant_id=tenant.id, segment_id=made.id, now=LATER))
    assert members(tenant.id, made) == {one}
    killed(tenant, lambda: upkeep.run_batch(tenant_id=tenant.id, now=LATER))
    assert due(tenant.id) == 1
    settle(tenant.id, LATER)
    assert members(tenant.id, made) == set()


def test_two_who_do_upkeep_take_everybody_once(app: Flask, tenant: Any) -> None:
    gold, silver = segment(tenant.id), segment(tenant.id, all_of(rule("membership_tier", "eq", "Silver")), "Silver")
    who = people(tenant.id, 40)
    for at, one in enumerate(who):
        change(tenant.id, one, membership_tier="Gold" if at % 2 else "Silver")

    def run() -> None:
        while upkeep.run_batch(tenant_id=tenant.id, now=NOW, limit=7):
            pass

    with beside(app, run), beside(app, run):
        for one in who[:10]:
            change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id)
    assert members(tenant.id, silver) == {*who[:10], *who[10::2]}
    assert members(tenant.id, gold) == set(who[11::2])
