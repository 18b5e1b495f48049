"""The reference journey: TRIGGER → CONDITION → UPDATE a tag → WAIT 0 → SEND → END, walked by everybody to its end."""

import threading
import time
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import people
from benchmarks.figures import Figure
from benchmarks.mails import TEMPLATE
from benchmarks.stack import Stack

TABLES = ("journey_enrollment", "journey_enrollment_step", "message", "customer", "journey", "journey_step_count")
STEPS = ("trigger", "condition", "update", "wait", "send", "end")
SESSIONS = 2


def measure(stack: Stack, count: int, rounds: int) -> Figure:
    """Measure `count` people from their enrolment until all their messages are in the outbox."""
    figure = Figure(
        "journeys",
        f"{count:,} people through six steps, from enrolment until their messages are in the outbox, two workers",
        f"the same rows by one statement a step, {SESSIONS} sessions",
        floor=0.2,
    )
    one_session: list[float] = []
    figure.beside["raw in one session"] = one_session
    stack.enter_app()
    template_id = stack.call("POST", "/templates", TEMPLATE | {"name": "Benchmark journey"})["id"]
    journey_id = _journey(stack, template_id)
    with stack.database() as connection:
        people.make_customers(connection, count)
        readers = [row[0] for row in connection.execute("SELECT id FROM customer WHERE first_name = 'Reader'")][:count]
        _clear(stack, connection)
        for _ in range(rounds):
            figure.product.append(count / _walk(stack, connection, journey_id, readers))
            _clear(stack, connection)
            figure.raw.append(count / _write(stack, journey_id, template_id, readers, SESSIONS))
            _clear(stack, connection)
            one_session.append(count / _write(stack, journey_id, template_id, readers, 1))
            _clear(stack, connection)
    return figure


def _journey(stack: Stack, template_id: str) -> UUID:
    made = stack.call("POST", "/journeys", {"name": "Benchmark", "trigger_type": "MANUAL", "timezone": "UTC"})
    configs: dict[str, dict[str, Any]] = {
        "trigger": {},
        "condition": {"rules": [{"field": "membership_tier", "operator": "equals", "value": "Gold"}]},
        "update": {"updates": [{"field": "tags", "operation": "add", "value": "benchmarked"}]},
        "wait": {"duration": "0 minutes"},
        "send": {"channel": "EMAIL", "template_id": template_id},
        "end": {},
    }
    steps = []
    for key, following in zip(STEPS, (*STEPS[1:], None), strict=True):
        ways = {"next_yes": following, "next_no": "end"} if key == "condition" else {"next": following}
        steps.append({"key": key, "type": key.upper(), "config": configs[key], **ways})
    stack.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{made['id']}/activate", {})
    return UUID(made["id"])


def _walk(stack: Stack, connection: psycopg.Connection[Any], journey_id: UUID, readers: list[UUID]) -> float:
    """Enrol everybody by hand and return the seconds until each has a message in the outbox."""
    from app.journeys.engine import enrol

    began = time.monotonic()
    for start in range(0, len(readers), 5000):
        enrol.enrol_manually(
            tenant_id=stack.tenant_id, journey_id=journey_id, customer_ids=readers[start : start + 5000]
        )
    while True:
        row = connection.execute("SELECT count(*) FROM message").fetchone()
        if row and row[0] >= len(readers):
            break
        time.sleep(0.02)
    seconds = time.monotonic() - began
    row = connection.execute("SELECT count(*) FROM journey_enrollment_step WHERE status = 'COMPLETED'").fetchone()
    if row != (len(readers) * len(STEPS),):
        raise RuntimeError(f"{row} steps were taken, not {len(STEPS)} by each of {len(readers)}")
    return seconds


def _clear(stack: Stack, connection: psycopg.Connection[Any]) -> None:
    """Take away what a round wrote, once the senders have let go of it."""
    connection.execute("DELETE FROM message WHERE status IN ('queued', 'held')")
    while connection.execute("SELECT EXISTS (SELECT FROM message WHERE status = 'sending')").fetchone() == (True,):
        time.sleep(0.05)
    connection.execute("DELETE FROM message")
    connection.execute("DELETE FROM activity WHERE type = 'message.sent'")
    connection.execute("DELETE FROM journey_enrollment")
    connection.execute("UPDATE customer SET tags = '{}' WHERE tags <> '{}'")
    stack.tidy(*TABLES)


# Due only later: the workers, who still run, leave them alone.
_ENROL = """
    INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, entry, current_step_key, current_step_number,
        due_at, enrolled_at, trigger_data)
    SELECT tenant_id, %(journey)s, id, '', 'trigger', 1, now() + interval '1 hour', now(), '{}' FROM customer
    WHERE id = ANY(%(people)s)
    RETURNING id, customer_id
"""
_MINE = "journey_id = %(journey)s AND customer_id = ANY(%(people)s)"
_STEP = f"""
    INSERT INTO journey_enrollment_step
        (tenant_id, enrollment_id, step_number, step_key, version, status, entered_at, completed_at, result)
    SELECT tenant_id, id, %(number)s, %(key)s, 1, 'COMPLETED', now(), now(), '{{"result": true}}'
    FROM journey_enrollment WHERE {_MINE}
"""
_TAG = "UPDATE customer SET tags = tags || '{benchmarked}', updated_at = now() WHERE id = ANY(%(people)s)"
_MESSAGE = """
    INSERT INTO message (tenant_id, channel, purpose, customer_id, to_address, template_id, context, journey_id,
        enrollment_id, step_key, dedupe_key, due_at)
    SELECT e.tenant_id, 'EMAIL', 'marketing', e.customer_id, c.email, %(template)s, '{}', e.journey_id, e.id, 'send',
        'raw:' || e.id || ':5', now() + interval '1 hour'
    FROM journey_enrollment e JOIN customer c ON c.tenant_id = e.tenant_id AND c.id = e.customer_id
    WHERE e.journey_id = %(journey)s AND e.customer_id = ANY(%(people)s)
"""
_END = f"""
    UPDATE journey_enrollment SET status = 'COMPLETED', current_step_key = 'end', current_step_number = 6,
        due_at = NULL, completed_at = now(), exit_reason = 'completed'
    WHERE {_MINE}
"""
_COUNTS = """
    UPDATE journey_step_count SET entered = entered + %(count)s, completed = completed + %(count)s
    WHERE journey_id = %(journey)s
"""
_TOTALS = """
    UPDATE journey SET total_enrolled = total_enrolled + %(count)s, total_completed = total_completed + %(count)s
    WHERE id = %(journey)s
"""


def _write(stack: Stack, journey_id: UUID, template_id: str, readers: list[UUID], sessions: int) -> float:
    """Write what everybody's walk writes, each session its share of people, and return the seconds it took."""
    shares = [readers[at::sessions] for at in range(sessions)]
    connections = [stack.database() for _ in shares]
    threads = [
        threading.Thread(target=_write_share, args=(connection, journey_id, template_id, share))
        for connection, share in zip(connections, shares, strict=True)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    for connection in connections:
        connection.close()
    return seconds


def _write_share(connection: psycopg.Connection[Any], journey_id: UUID, template_id: str, share: list[UUID]) -> None:
    values = {"journey": journey_id, "template": template_id, "people": sorted(share), "count": len(share)}
    # The parts commit apart, as the engine's do: enrolment, then the walk.
    with connection.transaction():
        connection.execute(_ENROL, values)
    with connection.transaction():
        for number, key in enumerate(STEPS, 1):
            connection.execute(_STEP, values | {"number": number, "key": key})
        connection.execute(_TAG, values)
        connection.execute(_MESSAGE, values)
        connection.execute(_END, values)
        connection.execute(_TOTALS, values)
        connection.execute(_COUNTS, values)
