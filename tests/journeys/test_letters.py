"""The canvas of a journey that runs tells how many were sent a step's message, opened it and clicked in it."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import current_app
from sqlalchemy import text

from app.infra.arrays import array
from app.infra.db import transaction
from app.journeys import letters, service
from app.journeys.models import Journey
from app.messaging import queries, tally
from app.messaging.tally import Did, Kind
from tests.journeys.helpers import NOW, admit, journey, people, rows, run, send, step, template
from tests.plans import plan_of

SECOND = timedelta(seconds=1)


def beside(sent: Journey, now: datetime) -> Any:
    """Return what somebody else is told in the meantime."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def asked() -> Any:
        with app.app_context():
            return letters.lately(sent, now=now)

    with ThreadPoolExecutor(1) as other:
        return other.submit(asked).result()


def do(tenant: Any, *did: Did) -> None:
    column = {Kind.OPENED: "first_open_at", Kind.CLICKED: "first_click_at"}
    with transaction(tenant.id) as session:
        for kind, name in column.items():
            ids = array(one.message_id for one in did if one.kind == kind)
            session.execute(
                text(f"UPDATE message SET {name} = now() WHERE id = ANY(CAST(:ids AS uuid[]))"),
                {"ids": ids},
            )
        tally.note(session, tenant.id, did)


@pytest.fixture
def sent(tenant: Any) -> Any:
    """A journey whose one message went out to five, of whom three opened it, one clicked, and one is a machine."""
    made = journey(
        tenant.id,
        [step("t", "TRIGGER", "mail", {"event_type": "MANUAL"}), send("mail", None, template(tenant.id))],
    )
    admit(tenant.id, made.id, people(tenant.id, 5), now=NOW)
    run(tenant.id, NOW)
    found = rows(tenant.id, "UPDATE message SET status = 'sent', sent_at = now() RETURNING id")
    ids = sorted(one.id for one in found)
    opened = [Did(one, Kind.OPENED, NOW) for one in ids[:3]]
    do(tenant, *opened, Did(ids[0], Kind.CLICKED, NOW), Did(ids[4], Kind.MACHINE_OPENED, NOW))
    return made


def test_messages_are_counted_every_half_minute_at_most(tenant: Any, sent: Any) -> None:
    told = {"mail": {"sent": 5, "opened": 3, "clicked": 1, "machine_opened": 1}}
    assert letters.lately(sent, now=NOW) == told
    last = rows(tenant.id, "SELECT id FROM message ORDER BY id")[4].id
    do(tenant, Did(last, Kind.OPENED, NOW))
    assert letters.lately(sent, now=NOW + 29 * SECOND) == told
    assert letters.lately(sent, now=NOW + 30 * SECOND) == {
        "mail": {"sent": 5, "opened": 4, "clicked": 1, "machine_opened": 1}
    }
    assert letters.lately(sent, now=NOW - SECOND)["mail"]["opened"] == 4


@pytest.mark.committed
def test_who_asks_while_it_is_counted_does_not_wait(tenant: Any, sent: Any) -> None:
    with transaction(tenant.id):
        letters.lately(sent, now=NOW)
        assert beside(sent, NOW) == {}
    last = rows(tenant.id, "SELECT id FROM message ORDER BY id")[4].id
    do(tenant, Did(last, Kind.OPENED, NOW))
    later = NOW + 40 * SECOND
    with transaction(tenant.id):
        assert letters.lately(sent, now=later)["mail"]["opened"] == 4
        assert beside(sent, later)["mail"]["opened"] == 3


def test_what_takes_long_to_count_is_counted_more_seldom(tenant: Any, sent: Any) -> None:
    letters.lately(sent, now=NOW)
    rows(tenant.id, "UPDATE journey_letters SET took_ms = 2000 RETURNING took_ms")
    last = rows(tenant.id, "SELECT id FROM message ORDER BY id")[4].id
    do(tenant, Did(last, Kind.OPENED, NOW))
    assert letters.lately(sent, now=NOW + 99 * SECOND)["mail"]["opened"] == 3
    assert letters.lately(sent, now=NOW + 100 * SECOND)["mail"]["opened"] == 4


@pytest.mark.committed
def test_a_report_waits_for_the_first_count_and_for_no_other(tenant: Any, sent: Any) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def asked() -> Any:
        with app.app_context():
            return letters.lately(sent, wait=True, now=NOW)

    with ThreadPoolExecutor(1) as other:
        with transaction(tenant.id):
            told = letters.lately(sent, now=NOW)
            first = other.submit(asked)
        assert first.result() == told


@pytest.mark.committed
def test_messages_are_counted_by_their_indexes_alone(tenant: Any, sent: Any, real_db: str) -> None:
    # Of rows that are not known to be visible to all, the index alone tells nothing.
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE) message, message_response")
    for statement, index in ((queries._FATES, "ix_message_step"), (queries._RESPONSES, "ix_message_response_journey")):
        with transaction(tenant.id) as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
            values = {"tenant_id": tenant.id, "journey_id": sent.id}
            plan = plan_of(session, statement.text, values)
        [leaf] = [node for node in plan if "Plans" not in node]
        assert (leaf["Node Type"], leaf["Index Name"]) == ("Index Only Scan", index)


def test_a_journey_that_never_ran_is_not_counted(tenant: Any) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Later")
    assert letters.lately(made) == {}
    assert rows(tenant.id, "SELECT 1 FROM journey_letters") == []


def test_each_number_on_the_canvas_opens_its_people(client: Any, sign_in: Any, sent: Any) -> None:
    sign_in("marketer")
    page = client.get(f"/journeys/{sent.id}", status=200).text
    polled = client.post(f"/journeys/{sent.id}/pulse", {}, htmx=True, status=200).text
    for shown in (page, polled):
        numbers = re.findall(r'href="([^"]*did=[^"]*)".*?<b>(\d+)</b><span class="visually-hidden"> (\w+)<', shown)
        assert [(number, word) for _, number, word in numbers] == [("5", "sent"), ("3", "opened"), ("1", "clicked")]
        for link, number, _ in numbers:
            assert client.get(html.unescape(link), status=200).text.count('data-label="Person"') == int(number)
