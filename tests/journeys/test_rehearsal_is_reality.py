"""What a rehearsal says is what then happens: random journeys and people, rehearsed, then run with the clock moved.

All kinds of steps. Of WEBHOOK and START JOURNEY a rehearsal takes it that all goes well: here the receiver takes every
call, and the other journey does nothing to its people. The nightly profile (HYPOTHESIS_PROFILE) draws 200 journeys.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.journeys import calls, rehearsal
from app.journeys.engine.advance import advance_batch
from app.journeys.kinds import exits_of, read_graph
from app.journeys.models import Journey
from app.messaging import policy
from app.messaging.sender import send_batch
from tests.journeys.helpers import Json, admit, journey, people, rows, step, template, wait
from tests.messaging.sink import Sink
from tests.segments.receiver import Receiver, receiving

JOURNEYS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 16
WALKERS = 5
BEGINS = datetime(2026, 10, 23, 6, 0, tzinfo=UTC)
"""Two days before clocks in London go back."""
ZONES = (None, "Africa/Johannesburg", "Europe/London", "America/New_York", "Pacific/Auckland")

KINDS = (
    *("SEND", "SEND", "SENT", "WAIT", "WAIT", "UNTIL", "DATE", "EVENT", "HOLDS", "UPDATE"),
    *("CONDITION", "PATHS", "SPLIT", "TASK", "GOAL", "WEBHOOK", "START_JOURNEY"),
)
_NEXT = """
    SELECT min(due_at) FROM (
        SELECT due_at FROM journey_enrollment WHERE journey_id = :id AND status = 'ACTIVE'
        UNION ALL SELECT due_at FROM message WHERE journey_id = :id AND status IN ('queued', 'held')) AS due
"""


@dataclass
class Around:
    """What steps name: letters, a journey to start, where calls go and how they are signed."""

    templates: list[UUID]
    other: UUID
    url: str
    secret: str


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def some_journey(tenant_id: UUID, rng: random.Random, around: Around, number: int) -> Journey:
    """Make a journey of up to ten steps: the first way of each leads to the next one, others anywhere below."""
    count = rng.randint(2, 10)
    keys = [f"s{index}" for index in range(count)]
    steps = [step("t", "TRIGGER", keys[0], {"event_type": "MANUAL"})]
    for index, key in enumerate(keys):
        steps.append(_some_step(rng, key, keys[:index], [*keys[index + 1 :], None], around))
    # Whatever no way leads to is left out, or the journey could not be activated.
    graph = read_graph({"steps": steps})
    kept = graph.reached_from("t")
    for one in steps:
        if one["type"] == "JUMP" and one["config"]["to"] not in kept:
            one["config"]["to"] = keys[0]
    return journey(
        tenant_id, [one for one in steps if one["key"] in kept], name=f"Journey {number}", timezone="Europe/London"
    )


def _some_step(rng: random.Random, key: str, above: list[str], below: list[str | None], around: Around) -> Json:
    kind = rng.choice((*KINDS, "JUMP", "END") if above else KINDS)
    a_tag = {"field": "tags", "operator": "contains", "value": rng.choice(("red", "blue"))}
    agreed = {"field": "emailOptIn", "operator": "eq", "value": True}
    letter = {"channel": "EMAIL", "template_id": str(rng.choice(around.templates))}
    born = {"field": "date_of_birth", "when": rng.choice(("on", "before")), "days": 3, "time": "09:00"}
    awaited = {"event_type": "visit.logged", "timeout": rng.choice(("3 hours", "2 days"))}
    back: Json = {"to": rng.choice(above or [key]), "max_times": 2, "at_least": rng.choice(("5 hours", "1 day"))}
    both = [{"key": "a", "name": "A", "weight": rng.randint(1, 3)}, {"key": "b", "name": "B"}]
    paths = [{"key": "tagged", "name": "Tagged", "rules": [a_tag]}, {"key": "agreed", "name": "Yes", "rules": [agreed]}]
    configs: dict[str, tuple[str, Json]] = {
        "SEND": ("SEND", letter),
        "SENT": ("SEND", {**letter, "when_skipped": "branch", "known_within": rng.choice(("2 hours", "3 days"))}),
        "WAIT": ("WAIT", {"duration": rng.choice(("30 minutes", "7 hours", "2 days", "1 week", "2 working days"))}),
        "UNTIL": ("WAIT", {"until": {"time": rng.choice(("01:30", "09:00", "23:15")), "days": rng.randint(0, 3)}}),
        "DATE": ("WAIT", {"date": {**born, "missed": rng.choice(("go_on", "branch"))}}),
        "EVENT": ("WAIT", awaited),
        "HOLDS": ("WAIT", {"rules": [a_tag], "timeout": rng.choice(("7 hours", "1 day"))}),
        "UPDATE": ("UPDATE", {"updates": [{"field": "tags", "operation": "add", "value": a_tag["value"]}]}),
        "CONDITION": ("CONDITION", {"rules": [rng.choice((a_tag, agreed))], "combinator": "AND"}),
        "PATHS": ("CONDITION", {"paths": paths}),
        "SPLIT": ("SPLIT", {"variants": both, "holdout_percent": rng.choice((0, 20))}),
        "TASK": ("TASK", {"to": "role:staff", "title": "Call", "wait": rng.random() < 0.5, "give_up_after": "6 hours"}),
        "GOAL": ("GOAL", {"rules": [a_tag], "otherwise": rng.choice(("go_on", "leave", "wait")), "at_most": "9 hours"}),
        "WEBHOOK": ("WEBHOOK", {"url": around.url, "secret": around.secret}),
        "START_JOURNEY": ("START_JOURNEY", {"journey_id": str(around.other)}),
        "JUMP": ("JUMP", back),
        "END": ("END", {"reason": rng.choice((None, "Done"))}),
    }
    type_, config = configs[kind]
    ways = {way: rng.choice(below) if place else below[0] for place, way in enumerate(exits_of(type_, config))}
    return step(key, type_, ways.pop("next", None), config, **{f"next_{way}": to for way, to in ways.items()})


def some_people(tenant_id: UUID, rng: random.Random) -> list[UUID]:
    return [
        one
        for _ in range(WALKERS)
        for one in people(
            tenant_id,
            email_opt_in=rng.choice((True, True, False)),
            timezone=rng.choice(ZONES),
            date_of_birth=rng.choice((None, date(1990, 10, 26), date(1984, 11, 2))),
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
    """Move the clock from one due moment to the next, and do what the workers do, for as long as rehearsals do."""
    for _ in range(1000):
        act: Json = {"tenant_id": tenant_id, "now": now}
        while advance_batch(**act) or calls.call_batch(**act) or send_batch(**act):
            pass
        following = rows(tenant_id, _NEXT, id=journey_id)[0][0]
        if following is None or following > BEGINS + rehearsal.HORIZON:
            return
        now = max(following, now)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(JOURNEYS))
def test_what_is_rehearsed_is_what_happens(tenant: Any, sink: Sink, receiver: Receiver, seed: int) -> None:
    rng = random.Random(seed)
    policy.save(
        tenant_id=tenant.id,
        actor="system",
        changes={
            "quiet": {"EMAIL": {"from": "21:00", "to": "08:00"}},
            "caps": [{"channel": "EMAIL", "most": 2, "hours": 48}],
        },
    )
    letters = [template(tenant.id, f"Letter {number}") for number in range(2)]
    other = journey(tenant.id, [wait("w", None, "2 hours")], name="Other").id
    around = Around(letters, other, receiver.url, calls.new_secret(tenant.id)[1])
    made = some_journey(tenant.id, rng, around, seed)
    who = some_people(tenant.id, rng)
    said = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=BEGINS)
    assert not said.broken_off
    admit(tenant.id, made.id, who, now=BEGINS)
    live(tenant.id, made.id, BEGINS)
    done = happened(tenant.id, made.id)
    assert done == told(said.boards)
    assert len(sink.letters) == sum(one[1] == "sent" for walk in done.values() for one in walk[3])
