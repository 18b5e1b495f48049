"""transaction(): one tenant, one commit, hooks afterwards; and what a serving connection may be."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from app.accounts.models import Club
from app.infra.db import (
    MAX_ATTEMPTS,
    WrongTenant,
    after_commit,
    again_after_deadlock,
    asking_once,
    db,
    looking_up_by_index,
    once,
    serving_url,
    transaction,
)
from tests.conftest import make_tenant


def test_inner_calls_join_and_hooks_run_once_after_the_outermost(tenant: object) -> None:
    ran: list[str] = []
    with transaction(tenant.id) as outer:  # type: ignore[attr-defined]
        with transaction(tenant.id) as inner:  # type: ignore[attr-defined]
            assert inner is outer
            after_commit(lambda: ran.append("hook"))
        assert ran == []
    assert ran == ["hook"]


def test_what_is_read_once_is_asked_again_outside_of_a_view(tenant: Any) -> None:
    asked: list[str] = []

    @once
    def read(name: str, *, loud: bool = False) -> str:
        asked.append(name)
        return name.upper() if loud else name

    with asking_once(tenant.id), asking_once(tenant.id):
        assert [read("one"), read("one"), read("two"), read("one", loud=True)] == ["one", "one", "two", "ONE"]
    assert asked == ["one", "two", "one"]
    with transaction(tenant.id):
        assert read("one") == read("one") == "one"
    with asking_once(tenant.id):
        read("two")
    assert asked[3:] == ["one", "one", "two"]


def test_another_tenant_inside_is_refused(tenant: object, other_tenant: object) -> None:
    with pytest.raises(WrongTenant), transaction(tenant.id), transaction(other_tenant.id):  # type: ignore[attr-defined]
        pass


@pytest.mark.committed
def test_an_exception_takes_all_of_it_back_and_runs_no_hook(real_db: str) -> None:
    tenant = make_tenant()
    ran: list[str] = []

    def half() -> None:
        with transaction(tenant.id) as session:
            session.execute(text("INSERT INTO customer (tenant_id, first_name) VALUES (:t, 'Half')"), {"t": tenant.id})
            after_commit(lambda: ran.append("hook"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM customer")).scalar() == 0
    assert ran == []


def test_serving_connections_lay_their_rights_down() -> None:
    url = serving_url("postgresql://login:secret@db.example/fairway?sslmode=require")
    assert url.startswith("postgresql+psycopg://login:secret@db.example/fairway")
    assert "sslmode=require" in url
    assert "role%3Dfairway_app" in url


def test_a_strange_database_is_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        serving_url("mysql://db.example/fairway")


@pytest.mark.committed
def test_a_pooled_connection_whose_server_ended_is_replaced(real_db: str) -> None:
    tenant = make_tenant()
    with transaction(tenant.id) as session:
        before = session.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != before
        assert session.scalar(text("SELECT count(*) FROM customer")) == 0


@pytest.mark.committed
def test_a_server_that_ends_as_a_transaction_begins_is_told_of_as_any_other_time(real_db: str) -> None:
    tenant = make_tenant()
    before = db.session().scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    with pytest.raises(OperationalError), transaction(tenant.id):
        raise AssertionError("nobody's transaction")
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != before
        assert session.scalar(text("SELECT current_setting('fairway.tenant_id')")) == str(tenant.id)


@pytest.mark.committed
def test_what_was_read_before_a_rollback_can_still_be_shown(real_db: str) -> None:
    made = make_tenant()
    with transaction(made.id) as session:
        club = session.scalars(select(Club)).one()

    def half() -> None:
        with transaction(made.id) as session:
            session.add(Club(tenant_id=made.id, name="Half", country="ZA"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    assert club.name == "Cape Links Golf Club"
    assert not db.session().in_transaction()


LOSE = text("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$")


@pytest.mark.parametrize(("losses", "tries"), [(0, 1), (2, 3), (99, MAX_ATTEMPTS)])
def test_who_lost_a_deadlock_begins_again(tenant: Any, losses: int, tries: int) -> None:
    tried, done = [], []

    @again_after_deadlock
    def act(name: str) -> str:
        with transaction(tenant.id) as session:
            after_commit(lambda: done.append(name))
            tried.append(name)
            if len(tried) <= losses:
                session.execute(LOSE)
            return name.upper()

    if losses < MAX_ATTEMPTS:
        assert act("ann") == "ANN"
    else:
        with pytest.raises(OperationalError):
            act("ann")
    assert (len(tried), len(done)) == (tries, int(losses < MAX_ATTEMPTS))


def test_only_who_opened_the_transaction_begins_again(tenant: Any) -> None:
    tried = []

    @again_after_deadlock
    def act() -> None:
        tried.append(1)
        with transaction(tenant.id) as session:
            session.execute(LOSE)

    with pytest.raises(OperationalError), transaction(tenant.id):
        act()
    assert len(tried) == 1


def test_rows_are_looked_up_by_index_for_a_block_only(tenant: Any) -> None:
    asked = text("SELECT name, setting FROM pg_settings")
    with transaction(tenant.id) as session:
        before = {row.name: row.setting for row in session.execute(asked)}
        with looking_up_by_index(session):
            meanwhile = {row.name: row.setting for row in session.execute(asked)}
        assert {row.name: row.setting for row in session.execute(asked)} == before
    assert (meanwhile["enable_hashjoin"], meanwhile["plan_cache_mode"]) == ("off", "force_custom_plan")
