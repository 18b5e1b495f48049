"""What a rehearsal says is what then happens: random journeys and people, rehearsed, then run with the clock moved."""

import os
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.journeys import rehearsal
from app.journeys.engine.advance import advance_batch
from app.journeys.models import Journey
from app.messaging import policy
from app.messaging.sender import send_batch
from tests.journeys.helpers import Json, admit, asks, journey, people, rows, step, tag, template, wait
from tests.journeys.helpers import send as sends
from tests.messaging.sink import Sink

JOURNEYS = int(os.environ.get("REHEARSED_JOURNEYS", "12"))
"""200 of them, with five people each, took ten minutes."""
WALKERS = 5
BEGINS = datetime(2026, 10, 23, 6, 0, tzinfo=UTC)
"""Two days before clocks in London go back."""
ZONES = (None, "Africa/Johannesburg", "Europe/London", "America/New_York", "Pacific/Auckland")

_NEXT = """
    SELECT min(due_at) FROM (
        SELECT due_at FROM journey_enrollment WHERE journey_id = :id AND status = 'ACTIVE'
        UNION ALL SELECT due_at FROM message WHERE journey_id = :id AND status IN ('queued', 'held')) AS due
"""


def some_journey(tenant_id: UUID, rng: random.Random, templates: list[UUID], number: int) -> Journey:
    """Make a journey of up to eight steps, one after the other but for conditions, whose ways meet further down."""
    count = rng.randint(2, 8)
    keys = [f"s{index}" for index in range(count)]
    steps = [step("t", "TRIGGER", keys[0], {"event_type": "MANUAL"})]
    for index, key in enumerate(keys):
        ahead = [*keys[index + 1 :], None]
        steps.append(_some_step(rng, key, ahead, templates))
    # Whatever no way leads to is left out, or the journey could not be activated.
    reached, todo = {"t"}, [keys[0]]
    by_key = {one["key"]: one for one in steps}
    while todo:
        key = todo.pop()
        if key and key not in reached:
            reached.add(key)
            todo += [by_key[key].get(way) for way in ("next", "next_yes", "next_no")]
    return journey(
        tenant_id, [one for one in steps if one["key"] in reached], name=f"Journey {number}", timezone="Europe/London"
    )


def _some_step(rng: random.Random, key: str, ahead: list[str | None], templates: list[UUID]) -> Json:
    following = ahead[0]
    match rng.choice(("send", "send", "wait", "until", "tag", "ask", "ask_tag")):
        case "send":
            return sends(key, following, rng.choice(templates))
        case "wait":
            return wait(key, following, rng.choice(("30 minutes", "7 hours", "2 days", "1 week")))
        case "until":
            until = {"time": rng.choice(("01:30", "09:00", "23:15")), "days": rng.randint(0, 3)}
            return step(key, "WAIT", following, {"until": until})
        case "tag":
            return tag(key, following, rng.choice(("red", "blue")))
        case "ask":
            return asks(key, following, rng.choice(ahead), {"field": "emailOptIn", "operator": "eq", "value": True})
        case _:
            rule = {"field": "tags", "operator": "contains", "value": rng.choice(("red", "blue"))}
            return asks(key, rng.choice(ahead), following, rule)


def some_people(tenant_id: UUID, rng: random.Random) -> list[UUID]:
    return [
        one
        for _ in range(WALKERS)
        for one in people(
            tenant_id,
            email_opt_in=rng.choice((True, True, False)),
            timezone=rng.choice(ZONES),
            tags=rng.choice(([], ["red"])),
        )
    ]


def told(boards: Any) -> dict[UUID, Any]:
    """Return what a rehearsal says of each: the steps with their times, each message's fate and moment, the ending."""
    return {
        board.customer_id: (
            board.status,
            board.left_at,
            [(one.key, one.status, one.entered_at, one.left_at) for one in board.steps],
            [
                (one.key, letter.status, letter.reason, letter.letter and letter.letter.subject)
                for one in board.steps
                for letter in one.letters
            ],
        )
        for board in boards
    }


def happened(tenant_id: UUID, journey_id: UUID) -> dict[UUID, Any]:
    """Return the same of what was really done."""
    walks = rows(
        tenant_id,
        "SELECT id, customer_id, status, coalesce(completed_at, exited_at) AS left_at FROM journey_enrollment"
        " WHERE journey_id = :id",
        id=journey_id,
    )
    found = {}
    for walk in walks:
        steps = rows(
            tenant_id,
            "SELECT step_key, status, entered_at, completed_at FROM journey_enrollment_step WHERE enrollment_id = :id"
            " ORDER BY step_number",
            id=walk.id,
        )
        letters = rows(
            tenant_id,
            "SELECT step_key, status, reason, subject FROM message WHERE enrollment_id = :id"
            " ORDER BY CAST(split_part(dedupe_key, ':', 3) AS int), id",
            id=walk.id,
        )
        found[walk.customer_id] = (
            walk.status,
            walk.left_at,
            [tuple(one) for one in steps],
            [tuple(o) for o in letters],
        )
    return found


def live(tenant_id: UUID, journey_id: UUID, now: datetime) -> None:
    """Move the clock from one due moment to the next, and do what the workers do, until nothing is due."""
    for _ in range(1000):
        while advance_batch(tenant_id=tenant_id, now=now) or send_batch(tenant_id=tenant_id, now=now):
            pass
        following = rows(tenant_id, _NEXT, id=journey_id)[0][0]
        if following is None:
            return
        now = max(following, now)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(JOURNEYS))
def test_what_is_rehearsed_is_what_happens(tenant: Any, sink: Sink, seed: int) -> None:
    rng = random.Random(seed)
    policy.save(
        tenant_id=tenant.id,
        actor="system",
        changes={
            "quiet": {"EMAIL": {"from": "21:00", "to": "08:00"}},
            "caps": [{"channel": "EMAIL", "most": 2, "hours": 48}],
        },
    )
    templates = [template(tenant.id, f"Letter {number}") for number in range(2)]
    made = some_journey(tenant.id, rng, templates, seed)
    who = some_people(tenant.id, rng)
    said = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=BEGINS)
    assert not said.broken_off
    admit(tenant.id, made.id, who, now=BEGINS)
    live(tenant.id, made.id, BEGINS)
    done = happened(tenant.id, made.id)
    assert done == told(said.boards)
    assert len(sink.letters) == sum(one[1] == "sent" for walk in done.values() for one in walk[3])
