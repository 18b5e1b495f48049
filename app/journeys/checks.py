"""Rehearsals kept as checks: what one came to is kept, and a draft has to come to the same before it is published.

Who walks is a customer as they are whenever it is run, anybody of a segment, or somebody made up by facts: these are
put among the customers in the transaction that is undone, so that such a check stays true however people change.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture.batch import AppliedEvent
from app.events.validation import is_name
from app.infra.db import DEADLOCK, transaction, undone
from app.infra.errors import Conflict, Invalid, NotFound, UserError
from app.infra.figures import figure
from app.infra.ids import new_id
from app.infra.words import is_visible
from app.journeys import differences, made_up, occasions, rehearsal
from app.journeys.drafts import locked
from app.journeys.durations import duration
from app.journeys.graph import Graph, storable
from app.journeys.kinds import read_graph
from app.journeys.models import Journey, JourneyCheck
from app.journeys.queries import NoSuchJourney
from app.journeys.rehearsal import HORIZON, LOCK_TIMEOUT, LOCKED, CannotRehearse, Stage, Storyboard, copied
from app.journeys.replay import Past
from app.journeys.titles import titles

PATH, MESSAGES, END = "path", "messages", "end"
STRICTNESS = {
    PATH: "The whole way: steps, messages and the end",
    MESSAGES: "The messages: which, and on which day",
    END: "The end only",
}
MOST, MOST_MEANWHILE = 30, 50
MAX_PAYLOAD = 16_000
"""The bytes of JSON that an event of a check may say."""
SECONDS, ALL_SECONDS = 5.0, 20.0
TOO_LONG = "It took too long to walk, and was broken off."
FULL = f"A journey has {MOST} checks at most. Delete one first."
UNSTORABLE = "This holds a number that is none (NaN) or too large, or a character that can't be kept, such as NUL."


class Happens(BaseModel):
    """Something that happens so long after the walk has begun."""

    model_config = ConfigDict(extra="forbid")

    after: str = Field(max_length=40)
    type: str = Field(min_length=1, max_length=100)
    payload: dict[str, Any] = {}

    @field_validator("after")
    @classmethod
    def _lasts_within_a_check(cls, after: str) -> str:
        if duration(after) > HORIZON:
            raise ValueError(f"A check ends after {HORIZON.days} days. Let it happen before.")
        return after

    @field_validator("type")
    @classmethod
    def _names_an_event(cls, type_: str) -> str:
        if not is_name(type_):
            raise ValueError("Name the event by up to 100 letters, digits, dots, dashes and underscores: visit.logged.")
        return type_


class NoSuchCheck(NotFound):
    """There is no such check (any more)."""

    def __init__(self) -> None:
        super().__init__("There is no such check.")


class ChecksFailed(Invalid):
    """Checks of the draft don't come to what was expected; `errors` say by check (`checks.<id>`) what differs."""

    title = "The draft does not pass its checks"

    def __init__(self, failed: Sequence["Result"]) -> None:
        told = {f"checks.{one.check.id}": f"{one.check.name}: {' '.join(one.differs)}" for one in failed}
        super().__init__(told, " ".join(told.values()))
        self.failed = list(failed)


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it is kept."""

    id: UUID
    journey_id: UUID
    name: str
    customer_id: UUID | None
    segment_id: UUID | None
    facts: Mapping[str, Any] | None
    starts_at: datetime
    event: Mapping[str, Any] | None
    meanwhile: Sequence[Mapping[str, Any]]
    strictness: str
    expected: Mapping[str, Any]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of a check found: what differs, in sentences; nothing where it passed."""

    check: Check
    differs: Sequence[str]

    @property
    def passed(self) -> bool:
        """Return whether the draft came to what was expected."""
        return not self.differs


def checks(*, tenant_id: UUID, journey_id: UUID) -> list[Check]:
    """Return the checks of a journey, oldest first, or raise NoSuchJourney."""
    wanted = select(JourneyCheck).where(JourneyCheck.tenant_id == tenant_id, JourneyCheck.journey_id == journey_id)
    with transaction(tenant_id) as session:
        if session.get(Journey, (tenant_id, journey_id)) is None:
            raise NoSuchJourney
        rows = session.scalars(wanted.order_by(JourneyCheck.id).execution_options(populate_existing=True))
        return [_read(one) for one in rows]


def check(*, tenant_id: UUID, journey_id: UUID, check_id: UUID) -> Check:
    """Return a check of a journey, or raise NoSuchCheck."""
    with transaction(tenant_id) as session:
        return _read(_row(session, tenant_id, journey_id, check_id))


def _row(session: Session, tenant_id: UUID, journey_id: UUID, check_id: UUID) -> JourneyCheck:
    found = session.get(JourneyCheck, (tenant_id, check_id), populate_existing=True)
    if found is None or found.journey_id != journey_id:
        raise NoSuchCheck
    return found


def _read(row: JourneyCheck) -> Check:
    return Check(**{name: getattr(row, name) for name in Check.__dataclass_fields__})


def save(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    name: str,
    starts_at: datetime,
    customer_id: UUID | None = None,
    segment_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    event: Mapping[str, Any] | None = None,
    meanwhile: Sequence[Mapping[str, Any]] = (),
    strictness: str = PATH,
) -> Check:
    """Rehearse the draft with somebody and keep what it comes to as a check; return it.

    Who walks is one of a customer, a segment and facts (see Facts). Raises NoSuchJourney, CannotRehearse, Invalid,
    or Conflict where the walk takes too long.
    """
    errors: dict[str, str] = {}
    if strictness not in STRICTNESS:
        errors["strictness"] = f"Choose one of: {', '.join(STRICTNESS)}."
    if sum(one is not None for one in (customer_id, segment_id, facts)) != 1:
        errors["customer_id"] = "Say who walks: a customer, anybody of a segment, or facts of somebody made up."
    given = {"name": name, "facts": facts, "event": event, "starts_at": starts_at, "meanwhile": meanwhile}
    parts = _parts(tenant_id, given, errors)
    asked = Check(
        id=new_id(),
        journey_id=journey_id,
        customer_id=customer_id,
        segment_id=segment_id,
        strictness=strictness,
        expected={},
        created_by=actor,
        created_at=starts_at,
        **parts,
    )
    if len(checks(tenant_id=tenant_id, journey_id=journey_id)) >= MOST:
        raise Invalid({"name": FULL})
    if event is None:
        asked = replace(asked, event=_event(tenant_id, asked))
    expected = _expected(tenant_id, asked, "There is nobody to walk it. Choose somebody else.")
    values = {field: getattr(asked, field) for field in Check.__dataclass_fields__ if field != "created_at"}
    with transaction(tenant_id) as session:
        # One after the other, so that two at once find each other.
        locked(session, tenant_id, journey_id)
        held = select(func.count()).where(JourneyCheck.tenant_id == tenant_id, JourneyCheck.journey_id == journey_id)
        if (session.scalar(held) or 0) >= MOST:
            raise Invalid({"name": FULL})
        row = JourneyCheck(tenant_id=tenant_id, **values | {"expected": expected})
        session.add(row)
        session.flush()
        audit.record(session, actor, "journey.check.save", "journey", journey_id, {"check": row.name})
        return _read(row)


def _parts(
    tenant_id: UUID, given: Mapping[str, Any], errors: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Return parts of a check as they are kept, those that are given; Invalid for what can't be, and for `errors`."""
    wrong = dict(errors)
    wrong |= {
        field: UNSTORABLE for field, told in given.items() if field != "starts_at" and not storable({field: told})
    }
    if "name" in given and (not is_visible(given["name"]) or len(given["name"].strip()) > 200):
        wrong["name"] = "Give a name of up to 200 characters."
    if "starts_at" in given and not rehearsal.in_reach(given["starts_at"]):
        wrong["starts_at"] = rehearsal.FAR
    meanwhile = given.get("meanwhile", ())
    if len(meanwhile) > MOST_MEANWHILE:
        wrong["meanwhile"] = f"At most {MOST_MEANWHILE} things can happen meanwhile; these are {len(meanwhile)}."
    said = [
        ("event", given.get("event")),
        *((f"meanwhile.{at}.payload", one.get("payload")) for at, one in enumerate(meanwhile)),
    ]
    if "meanwhile" not in wrong:
        too_much = f"An event of a check says at most {figure(MAX_PAYLOAD)} bytes."
        wrong |= {at: too_much for at, one in said if at.split(".")[0] not in wrong and _long(one)}
    kept = dict(given)
    if "name" in kept and "name" not in wrong:
        kept["name"] = kept["name"].strip()
    # What else is wrong is told at the same time.
    if kept.get("facts") is not None and "facts" not in wrong:
        try:
            kept["facts"] = made_up.facts(tenant_id=tenant_id, given=kept["facts"])
        except Invalid as refused:
            wrong |= refused.errors
    if "meanwhile" in kept and "meanwhile" not in wrong:
        kept["meanwhile"] = []
        for at, one in enumerate(meanwhile):
            try:
                kept["meanwhile"].append(made_up.checked(Happens, one, f"meanwhile.{at}"))
            except Invalid as refused:
                wrong |= refused.errors
    if wrong:
        raise Invalid(wrong)
    return kept


def _long(told: Any) -> bool:
    return told is not None and len(orjson.dumps(told)) > MAX_PAYLOAD


def _event(tenant_id: UUID, asked: Check) -> dict[str, Any] | None:
    """Return what the event says that lets somebody into a check that names none; None where no event lets people in.

    It is kept with the check: a customer's own, for anybody else one like those that come in.
    """
    with transaction(tenant_id) as session:
        journey = session.get(Journey, (tenant_id, asked.journey_id))
        if journey is None:
            raise NoSuchJourney
        graph = read_graph(journey.draft)
        if not occasions.begins_by_event(graph):
            return None
        if asked.customer_id is not None:
            return dict(occasions.said_by(session, journey, graph, [asked.customer_id], asked.starts_at)[0])
        return occasions.payload_of(occasions.like(session, journey, graph, asked.starts_at))


def _expected(tenant_id: UUID, asked: Check, nobody: str) -> dict[str, Any]:
    """Return what a walk comes to now; Invalid with `nobody` where nobody walks, Conflict where it takes too long."""
    board, graph, zone, through = _walk(tenant_id, asked, SECONDS)
    if board is None:
        raise Invalid({"customer_id": nobody})
    if not through:
        raise Conflict(TOO_LONG)
    return differences.told(board, titles(tenant_id=tenant_id, graph=graph), zone)


def change(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    check_id: UUID,
    actor: str,
    strictness: str | None = None,
    anew: bool = False,
    parts: Mapping[str, Any] = MappingProxyType({}),
) -> Check:
    """Change a check, or `anew` expect what the draft does now; return it.

    `parts` may hold another `name`, `starts_at`, `facts` (of somebody made up), `event` and `meanwhile`. Where it walks
    otherwise by them, what the draft does now is expected from then on. Raises Invalid, Conflict, or NoSuchCheck.
    """
    held = check(tenant_id=tenant_id, journey_id=journey_id, check_id=check_id)
    wrong = {} if strictness in (None, *STRICTNESS) else {"strictness": f"Choose one of: {', '.join(STRICTNESS)}."}
    if "facts" in parts and (parts["facts"] is None or held.facts is None):
        wrong["facts"] = "Facts are of somebody made up, and this check has another person. Keep another check."
    told = _parts(tenant_id, parts, wrong)
    asked = replace(held, **told, strictness=strictness or held.strictness)
    changed = [name for name in (*told, "strictness") if getattr(asked, name) != getattr(held, name)]
    anew = anew or not {"starts_at", "facts", "event", "meanwhile"}.isdisjoint(changed)
    nobody = "There is nobody to walk it any more. Delete this check."
    expected = _expected(tenant_id, asked, nobody) if anew else None
    with transaction(tenant_id) as session:
        row = _row(session, tenant_id, journey_id, check_id)
        for name, value in told.items():
            setattr(row, name, value)
        row.strictness = strictness or row.strictness
        row.expected = expected or row.expected
        session.flush()
        detail = {"check": row.name, "changed": changed, **({"anew": True} if anew else {})}
        audit.record(session, actor, "journey.check.change", "journey", journey_id, detail)
        return _read(row)


def delete(*, tenant_id: UUID, journey_id: UUID, check_id: UUID, actor: str) -> None:
    """Delete a check, or raise NoSuchCheck."""
    with transaction(tenant_id) as session:
        row = _row(session, tenant_id, journey_id, check_id)
        audit.record(session, actor, "journey.check.delete", "journey", journey_id, {"check": row.name})
        session.delete(row)


def run(*, tenant_id: UUID, journey_id: UUID) -> tuple[list[Result], int]:
    """Walk the draft with each check; return what they found, and the revision of the draft that was walked.

    In ALL_SECONDS at most: what had no time counts as not passed. Raises NoSuchJourney.
    """
    with transaction(tenant_id) as session:
        journey = session.get(Journey, (tenant_id, journey_id), populate_existing=True)
        if journey is None:
            raise NoSuchJourney
        revision = journey.draft_revision
    ends = time.monotonic() + ALL_SECONDS
    found = []
    for one in checks(tenant_id=tenant_id, journey_id=journey_id):
        seconds = min(SECONDS, ends - time.monotonic())
        found.append(_run(tenant_id, one, seconds) if seconds > 0 else Result(one, [TOO_LONG]))
    return found, revision


def _run(tenant_id: UUID, asked: Check, seconds: float) -> Result:
    try:
        board, graph, zone, through = _walk(tenant_id, asked, seconds)
    except UserError as refused:
        return Result(asked, [*refused.told.values()])
    if board is None:
        return Result(asked, ["There is nobody to walk it any more. Delete this check, or keep another one."])
    if not through:
        return Result(asked, [TOO_LONG])
    got = differences.told(board, titles(tenant_id=tenant_id, graph=graph), zone)
    return Result(asked, differences.differences(asked.expected, got, asked.strictness))


def must_pass(*, tenant_id: UUID, journey_id: UUID, anyway: str) -> tuple[list[Result], int]:
    """Run the checks of a draft that is to be published; return those that failed, and its revision.

    Raises ChecksFailed where some do, unless `anyway` says why it is to be published all the same.
    """
    found, revision = run(tenant_id=tenant_id, journey_id=journey_id)
    failed = [one for one in found if not one.passed]
    if failed and not anyway:
        raise ChecksFailed(failed)
    return failed, revision


def _walk(tenant_id: UUID, asked: Check, seconds: float) -> tuple[Storyboard | None, Graph, ZoneInfo, bool]:
    """Return somebody's way through the draft, the draft, its zone, and whether they came to the end of it in time."""
    try:
        return _walked(tenant_id, asked, seconds)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) not in (DEADLOCK, LOCKED):
            raise
        raise Conflict("Somebody else is changing this person just now. Try again in a moment.") from None


def _walked(tenant_id: UUID, asked: Check, seconds: float) -> tuple[Storyboard | None, Graph, ZoneInfo, bool]:
    who = asked.customer_id
    if asked.segment_id is not None:
        seed = asked.id.int % 2**31
        found = rehearsal.anybody(tenant_id=tenant_id, count=1, segment_id=asked.segment_id, seed=seed)
        who = found[0] if found else None
    with undone(tenant_id) as session:
        session.execute(LOCK_TIMEOUT)
        journey = session.get(Journey, (tenant_id, asked.journey_id))
        if journey is None:
            raise NoSuchJourney
        graph, zone = read_graph(journey.draft), ZoneInfo(journey.timezone)
        if graph.trigger is None or len(graph) < 2:
            raise CannotRehearse("Add a trigger and a step after it; then it can be walked.")
        if asked.facts is not None:
            who = made_up.put(session, tenant_id, asked.facts)
        if who is None:
            return None, graph, zone, True
        copy = session.get(Journey, (tenant_id, copied(session, journey, graph)))
        assert copy is not None
        stage = Stage(session, tenant_id, copy.id, journey.id, asked.starts_at, keep_letters=False)
        said = asked.event
        if said is None:
            # Checks that were kept without an event. Nobody made up had one.
            theirs = [] if asked.facts is not None else [who]
            said = next(iter(occasions.said_by(session, journey, graph, theirs, asked.starts_at)), {})
        stage.let_in([who], [said])
        stage.feed = _meanwhile(session, copy, who, asked)
        through = stage.play(until=asked.starts_at + HORIZON, deadline=time.monotonic() + seconds)
        boards = stage.boards([who])
    return (boards[0] if boards else None), graph, zone, through


def _meanwhile(session: Session, copy: Journey, who: UUID, asked: Check) -> Past:
    """Return what happens while the walk goes on; nobody comes in by it."""
    happens = [
        AppliedEvent(
            id=new_id(),
            type=one["type"],
            source="fairway",
            occurred_at=asked.starts_at + duration(one["after"]),
            payload=one["payload"],
            customer_id=who,
            is_new=False,
        )
        for one in asked.meanwhile
    ]
    happens.sort(key=lambda one: one.occurred_at)
    events = deque((one.occurred_at, one) for one in happens)
    return Past(session, copy, asked.starts_at, events, deque(), deque())
