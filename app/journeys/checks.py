"""Rehearsals kept as checks: what one came to is kept, and a draft has to come to the same before it is published.

Who walks is a customer as they are whenever it is run, anybody of a segment, or somebody made up by facts: these are
put among the customers in the transaction that is undone, so that such a check stays true however people change.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture.batch import AppliedEvent
from app.customers.models import Customer
from app.infra.db import DEADLOCK, transaction, undone
from app.infra.errors import Conflict, Invalid, NotFound, UserError
from app.infra.ids import new_id
from app.journeys import differences, rehearsal
from app.journeys.durations import duration
from app.journeys.graph import Graph, storable
from app.journeys.models import Journey, JourneyCheck
from app.journeys.queries import NoSuchJourney
from app.journeys.rehearsal import HORIZON, LOCK_TIMEOUT, LOCKED, CannotRehearse, Stage, Storyboard, copied
from app.journeys.replay import Past
from app.journeys.step_type import read_graph

PATH, MESSAGES, END = "path", "messages", "end"
STRICTNESS = {
    PATH: "The whole way: steps, messages and the end",
    MESSAGES: "The messages: which, and on which day",
    END: "The end only",
}
MOST = 30
SECONDS, ALL_SECONDS = 5.0, 20.0
TOO_LONG = "It took too long to walk, and was broken off."
UNSTORABLE = "This holds what can't be stored as JSON, such as the character NUL."
MADE_UP = "made-up@example.com"


class Facts(BaseModel):
    """A made-up person: what steps and the gate may ask of them. Addresses are made up too, or missing."""

    model_config = ConfigDict(extra="forbid")

    first_name: str = Field(default="Alex", max_length=100)
    has_email: bool = True
    email_opt_in: bool | None = True
    sms_opt_in: bool | None = None
    push_opt_in: bool | None = None
    whatsapp_opt_in: bool | None = None
    club_id: UUID | None = None
    membership_tier: str | None = Field(default=None, max_length=100)
    membership_status: str | None = Field(default=None, max_length=100)
    lifecycle_stage: str = Field(default="SUBSCRIBER", max_length=40)
    handicap_index: Annotated[float, Field(ge=-10, le=54)] | None = None
    timezone: str | None = Field(default=None, max_length=64)
    tags: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=50)] = []


COPIED = (
    "email_opt_in", "sms_opt_in", "push_opt_in", "whatsapp_opt_in", "club_id", "membership_tier", "membership_status",
    "lifecycle_stage", "handicap_index", "timezone", "tags",
)  # fmt: skip
"""What a made-up person takes over from one who is like them: nothing that tells who that is."""


class Happens(BaseModel):
    """Something that happens so long after the walk has begun."""

    model_config = ConfigDict(extra="forbid")

    after: str = Field(max_length=40)
    type: str = Field(min_length=1, max_length=100)
    payload: dict[str, Any] = {}


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


def like(*, tenant_id: UUID, customer_id: UUID) -> dict[str, Any]:
    """Return the facts of somebody made up who is like a customer; Invalid where there is none or too much."""
    with transaction(tenant_id) as session:
        found = session.get(Customer, (tenant_id, customer_id))
        if found is None:
            raise Invalid({"customer_id": "There is no such customer (any more)."})
        told = {name: getattr(found, name) for name in COPIED}
        return _checked(Facts, {**told, "has_email": bool(found.email)}, "facts")


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
    if not 1 <= len(name.strip()) <= 200:
        errors["name"] = "Give a name of up to 200 characters."
    if strictness not in STRICTNESS:
        errors["strictness"] = f"Choose one of: {', '.join(STRICTNESS)}."
    if sum(one is not None for one in (customer_id, segment_id, facts)) != 1:
        errors["customer_id"] = "Say who walks: a customer, anybody of a segment, or facts of somebody made up."
    if not rehearsal.in_reach(starts_at):
        errors["starts_at"] = rehearsal.FAR
    given = {"event": dict(event or {}), "facts": dict(facts or {}), "meanwhile": [dict(one) for one in meanwhile]}
    if not storable({"name": name}):
        errors["name"] = UNSTORABLE
    errors |= {field: UNSTORABLE for field, told in given.items() if not storable({field: told})}
    if errors:
        raise Invalid(errors)
    asked = Check(
        id=new_id(),
        journey_id=journey_id,
        name=name.strip(),
        customer_id=customer_id,
        segment_id=segment_id,
        facts=None if facts is None else _checked(Facts, facts, "facts"),
        starts_at=starts_at,
        event=event,
        meanwhile=[_happens(one) for one in meanwhile],
        strictness=strictness,
        expected={},
        created_by=actor,
        created_at=starts_at,
    )
    if len(checks(tenant_id=tenant_id, journey_id=journey_id)) >= MOST:
        raise Invalid({"name": f"A journey has {MOST} checks at most. Delete one first."})
    board, graph, zone, through = _walk(tenant_id, asked, SECONDS)
    if board is None:
        raise Invalid({"customer_id": "There is nobody to walk it. Choose somebody else."})
    if not through:
        raise Conflict(TOO_LONG)
    values = {field: getattr(asked, field) for field in Check.__dataclass_fields__ if field != "created_at"}
    with transaction(tenant_id) as session:
        row = JourneyCheck(tenant_id=tenant_id, **values | {"expected": differences.told(board, graph, zone)})
        session.add(row)
        session.flush()
        audit.record(session, actor, "journey.check.save", "journey", journey_id, {"check": row.name})
        return _read(row)


def _checked(model: type[BaseModel], given: Mapping[str, Any], at: str) -> dict[str, Any]:
    try:
        return model.model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as wrong:
        told = {".".join([at, *map(str, one["loc"])]): one["msg"] for one in wrong.errors()}
        raise Invalid(told) from None


def _happens(given: Mapping[str, Any]) -> dict[str, Any]:
    found = _checked(Happens, given, "meanwhile")
    try:
        duration(found["after"])
    except ValueError as wrong:
        raise Invalid({"meanwhile.after": str(wrong)}) from None
    return found


def change(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    check_id: UUID,
    actor: str,
    name: str | None = None,
    strictness: str | None = None,
    anew: bool = False,
) -> Check:
    """Call a check otherwise, make it more or less strict, or `anew` expect what the draft does now; return it."""
    if name is not None and not (1 <= len(name.strip()) <= 200 and storable({"name": name})):
        raise Invalid({"name": "Give a name of up to 200 characters."})
    if strictness is not None and strictness not in STRICTNESS:
        raise Invalid({"strictness": f"Choose one of: {', '.join(STRICTNESS)}."})
    held = check(tenant_id=tenant_id, journey_id=journey_id, check_id=check_id)
    expected = None
    if anew:
        board, graph, zone, through = _walk(tenant_id, held, SECONDS)
        if board is None:
            raise Invalid({"customer_id": "There is nobody to walk it any more. Delete this check."})
        if not through:
            raise Conflict(TOO_LONG)
        expected = differences.told(board, graph, zone)
    with transaction(tenant_id) as session:
        row = _row(session, tenant_id, journey_id, check_id)
        row.name = name.strip() if name is not None else row.name
        row.strictness = strictness or row.strictness
        row.expected = expected or row.expected
        session.flush()
        audit.record(session, actor, "journey.check.change", "journey", journey_id, {"check": row.name, "anew": anew})
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
        return Result(asked, [*refused.errors.values()] if isinstance(refused, Invalid) else [refused.message])
    if board is None:
        return Result(asked, ["There is nobody to walk it any more. Delete this check, or keep another one."])
    if not through:
        return Result(asked, [TOO_LONG])
    got = differences.told(board, graph, zone)
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
            who = _made_up(session, tenant_id, asked.facts)
        if who is None:
            return None, graph, zone, True
        copy = session.get(Journey, (tenant_id, copied(session, journey, graph)))
        assert copy is not None
        stage = Stage(session, tenant_id, copy.id, journey.id, asked.starts_at, keep_letters=False)
        said = rehearsal.last_event(session, tenant_id, who, graph) if asked.event is None else asked.event
        stage.let_in([who], [said])
        stage.feed = _meanwhile(session, copy, who, asked)
        through = stage.play(until=asked.starts_at + HORIZON, deadline=time.monotonic() + seconds)
        boards = stage.boards([who])
    return (boards[0] if boards else None), graph, zone, through


def _made_up(session: Session, tenant_id: UUID, facts: Mapping[str, Any]) -> UUID:
    told = Facts.model_validate(_checked(Facts, facts, "facts")).model_dump()
    has_email = told.pop("has_email")
    made = Customer(tenant_id=tenant_id, **told, email=MADE_UP if has_email else None)
    session.add(made)
    try:
        session.flush()
    except IntegrityError as error:
        if "club" not in str(error.orig):
            raise
        raise Invalid(
            {"facts": "The club of the made-up person is gone. Delete this check, or keep another one."}
        ) from None
    return made.id


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
