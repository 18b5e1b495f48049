"""Rehearsing a journey: one person's storyboard, or what many people at random come to. Nothing of it happens."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from babel.dates import format_date
from flask import Response, request

from app.blueprints.journeys import occasions, presenters
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import known
from app.blueprints.journeys.people import TONES, outcome
from app.conditions import Catalogue
from app.customers import queries as customers
from app.events import catalogue
from app.infra import clock
from app.infra.errors import Invalid, UserError
from app.infra.ids import as_id
from app.journeys import queries, rehearsal
from app.journeys.checks import STRICTNESS
from app.journeys.drafts import trigger_of
from app.journeys.graph import Graph, Step
from app.journeys.kinds import title_of
from app.journeys.models import Journey
from app.journeys.occasions import lets_in
from app.journeys.rehearsal import Letter, Storyboard, Sums, Taken
from app.journeys.step_type import MANUAL, Known
from app.journeys.titles import titles
from app.messaging.channel import EMAIL, installed
from app.messaging.states import STATUS_TONES, STATUS_WORDS, Status, reason_in_words
from app.web import charts
from app.web.charts import Chart
from app.web.guards import current, must, requires
from app.web.htmx import page
from app.web.lists import asked_id
from app.web.security import allow_letters
from app.web.shell import localtime, number, organisation

OCCASION = ("occasion", "said.", "more.")
"""What the fields begin with that say which event lets somebody in."""
MANY = 500
SHOWN = 20
WHEN = "When to begin: a day and a time such as 2026-11-22 09:00."


@blueprint.get("/<uuid:journey_id>/rehearsal")
@requires("journeys.edit")
def rehearsing(journey_id: UUID) -> Response:
    """Ask for whom and from when to rehearse the draft."""
    return _shown(_journey(journey_id))


@blueprint.post("/<uuid:journey_id>/rehearsal")
@requires("journeys.edit")
def rehearse(journey_id: UUID) -> Response:
    """Show the storyboard of one person."""
    journey = _journey(journey_id)
    who = as_id(request.form.get("customer_id"))
    try:
        if who is None:
            raise Invalid({"customer_id": "Choose a person."})
        begins = begins_at(journey)
        said, theirs = occasions.read(journey, occasions.offered(journey, begins, who), begins)
        return walked(journey, who, begins, said, theirs=theirs)
    except UserError as wrong:
        return refused(journey, wrong)


def walked(
    journey: Journey, who: UUID, begins: datetime, said: Mapping[str, Any] | None, *, theirs: bool, **more: Any
) -> Response:
    """Return the page with the storyboard of somebody let in by what an event `said`; raise UserError where they can't
    be rehearsed with.

    `theirs`: it is an event of their own. `more` is for the page: `kept_wrong`, what is wrong with keeping it.
    """
    found = rehearsal.rehearse(
        tenant_id=journey.tenant_id, journey_id=journey.id, customer_ids=[who], at=begins, payload=said
    )
    board = found.boards[0] if found.boards else None
    graph, around = queries.draft(journey), known(journey.tenant_id)
    told = _Told(graph, around).board(board) if board else None
    shown: dict[str, Any] = {"board": told, "broken_off": found.broken_off, "gone": board is None}
    return allow_letters(_shown(journey, **shown, **_let_in(journey, said, begins, theirs=theirs), **more))


def _let_in(journey: Journey, said: Mapping[str, Any] | None, at: datetime, *, theirs: bool) -> dict[str, Any]:
    """Return for the page what the event said that let somebody in, and whether the trigger would have taken it."""
    if said is None:
        return {}
    fits = lets_in(tenant_id=journey.tenant_id, journey_id=journey.id, payload=said, at=at)
    begins = trigger_of(queries.draft(journey))[0]
    return {
        "said": orjson.dumps(said).decode(),
        "theirs": theirs,
        "fits": fits,
        "event_told": catalogue.title(catalogue.get(begins), said) if begins != MANUAL else None,
    }


@blueprint.post("/<uuid:journey_id>/rehearsal/many")
@requires("journeys.edit")
def rehearse_many(journey_id: UUID) -> Response:
    """Show what becomes of many people at random: how many come to each step, and how many messages go out each day."""
    journey = _journey(journey_id)
    typed = request.form.get("count", "").strip()
    try:
        count = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else 0
        if not 1 <= count <= MANY:
            raise Invalid({"count": f"Give a number from 1 to {MANY}."})
        begins = begins_at(journey)
        who = rehearsal.anybody(
            tenant_id=journey.tenant_id,
            count=count,
            club_id=journey.club_id,
            segment_id=asked_id("segment_id"),
            seed=secrets.randbelow(2**31),
        )
        found = rehearsal.rehearse(
            tenant_id=journey.tenant_id, journey_id=journey.id, customer_ids=who, at=begins, keep_letters=False
        )
    except UserError as wrong:
        return refused(journey, wrong, many=True)
    sums = rehearsal.summed(found.boards, ZoneInfo(journey.timezone))
    graph = queries.draft(journey)
    called = titles(tenant_id=journey.tenant_id, graph=graph)
    return _shown(
        journey,
        many=True,
        sums=sums,
        walked=len(found.boards),
        steps=[_step_sums(step, called[step.key], sums) for step in graph],
        endings=_endings(sums, called),
        days=_days(sums),
        samples=_names(journey.tenant_id, found.boards[:SHOWN]),
        broken_off=found.broken_off,
    )


def _journey(journey_id: UUID) -> Journey:
    """Return the journey; whoever rehearses it sees customers and what they would read."""
    must("customers.view")
    return queries.journey(tenant_id=current().tenant_id, journey_id=journey_id)


def begins_at(journey: Journey) -> datetime:
    """Return the moment that was typed, as the clocks of the journey's zone have it."""
    try:
        local = datetime.fromisoformat(request.form.get("at", "").strip())
    except ValueError:
        raise Invalid({"at": WHEN}) from None
    if local.tzinfo is not None or not rehearsal.in_reach(local):
        raise Invalid({"at": f"{WHEN} At most {rehearsal.YEARS} years away."})
    return clock.instant(local, ZoneInfo(journey.timezone))


def refused(journey: Journey, wrong: UserError, *, many: bool = False) -> Response:
    """Return the page with what was asked, and beside it why it can't be rehearsed."""
    return _shown(journey, many=many, errors=wrong.told, status=422)


def _shown(journey: Journey, *, many: bool = False, status: int = 200, **more: Any) -> Response:
    """Return the page with what was asked, and under it what it came to."""
    tenant_id, given = journey.tenant_id, request.form or request.args
    q = request.args.get("q", "").strip()
    chosen = as_id(given.get("customer_id"))
    begins = given.get("at") or clock.now().astimezone(ZoneInfo(journey.timezone)).strftime("%Y-%m-%dT%H:%M")
    who = _person(tenant_id, chosen) if chosen else None
    more = {"errors": {}, "kept_wrong": {}, **more}
    return page(
        "journeys/rehearsal.html",
        block="results" if request.method == "GET" else None,
        status=status,
        journey=journey,
        many=many or request.args.get("of") == "many",
        q=q,
        found=customers.customers(tenant_id=tenant_id, q=q, limit=20).items if q else [],
        who=who,
        occasion=_occasion(journey, chosen, begins, more["errors"]) if chosen and who and not many else None,
        begins=begins,
        count=given.get("count", "100"),
        segments=sorted(known(tenant_id).segments.items(), key=lambda one: one[1].casefold()),
        segment_id=given.get("segment_id"),
        strictness=list(STRICTNESS.items()),
        asked={name: value for name, value in request.form.items() if name.startswith(OCCASION)},
        **more,
    )


def _occasion(journey: Journey, customer_id: UUID, begins: str, errors: Mapping[str, str]) -> occasions.Form | None:
    try:
        local = datetime.fromisoformat(begins)
    except ValueError:
        local = None
    known_moment = local is not None and local.tzinfo is None and rehearsal.in_reach(local)
    at = clock.instant(local, ZoneInfo(journey.timezone)) if local and known_moment else clock.now()
    return occasions.form(journey, occasions.offered(journey, at, customer_id), at, errors)


def _person(tenant_id: UUID, customer_id: UUID) -> Mapping[str, Any] | None:
    names = _called(tenant_id, [customer_id])
    return {"id": customer_id, "name": names[customer_id]} if customer_id in names else None


def _called(tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, str]:
    return customers.names(tenant_id=tenant_id, customer_ids=ids)


def _names(tenant_id: UUID, boards: Sequence[Storyboard]) -> list[dict[str, Any]]:
    names = _called(tenant_id, [one.customer_id for one in boards])
    return [{"id": one.customer_id, "name": names.get(one.customer_id, ""), "ending": _ending(one)} for one in boards]


@dataclass(frozen=True, slots=True)
class ToldLetter:
    """One message of a storyboard, in words."""

    channel: str
    status: str
    tone: str
    words: str
    held: list[str]
    subject: str
    html: str | None
    text: str | None
    template_id: UUID | None


@dataclass(frozen=True, slots=True)
class ToldStep:
    """One step of a storyboard, in words; `after` says how long after entering."""

    icon: str
    title: str
    at: datetime
    after: str
    tone: str
    text: str | None
    letters: list[ToldLetter]


@dataclass(frozen=True, slots=True)
class ToldBoard:
    """A storyboard in words: what came of it in one sentence, and its steps."""

    ending: str
    tone: str
    steps: list[ToldStep]


@dataclass(frozen=True, slots=True)
class _Told:
    """Puts storyboards of one draft into words."""

    graph: Graph
    known: Known

    def board(self, board: Storyboard) -> ToldBoard:
        """Return a storyboard in words."""
        profile = self.known.walks
        steps = [self._step(one, board.entered_at, profile) for one in board.steps]
        tone = {"COMPLETED": "success", "FAILED": "danger", "EXITED": "warning"}.get(board.status, "info")
        return ToldBoard(self._end(board), tone, steps)

    def _step(self, step: Taken, entered: datetime, profile: Catalogue) -> ToldStep:
        found = self.graph.steps[step.key]
        return ToldStep(
            icon=presenters.kind_of(found).icon,
            title=title_of(found, self.known),
            at=step.entered_at,
            after=_after(step.entered_at - entered),
            tone=TONES.get(step.status, "neutral"),
            text=None if step.letters else outcome(step.status, dict(step.result), profile),
            letters=[_letter(one) for one in step.letters],
        )

    def _end(self, board: Storyboard) -> str:
        if board.status == "COMPLETED":
            return f"Through on {localtime(board.left_at)}."
        if board.status == "FAILED":
            return f"Fails on {localtime(board.left_at)}: {board.error}"
        if board.status == "EXITED":
            why = presenters.EXIT_REASONS.get(board.exit_reason or "", board.exit_reason)
            return f"Leaves on {localtime(board.left_at)}: {why}."
        at = self.graph.steps.get(board.standing_at or "")
        until = f", until {localtime(board.waiting_until)}" if board.waiting_until else ""
        return f"Still at “{title_of(at, self.known) if at else board.standing_at}” when the rehearsal ends{until}."


def _letter(letter: Letter) -> ToldLetter:
    channels = installed()
    label = channels.get(letter.channel).label if letter.channel in channels else letter.channel
    read = letter.letter
    named = None if letter.channel == EMAIL else label
    why = letter.problem or reason_in_words(letter.reason, named)
    sent = letter.status is Status.SENT
    return ToldLetter(
        channel=label,
        status=STATUS_WORDS[letter.status],
        tone=STATUS_TONES[letter.status],
        words=f"to {letter.address} on {localtime(letter.at)}" if sent else why,
        held=[f"Held on {localtime(when)}: {reason_in_words(reason, named)}" for when, reason in letter.held],
        subject=read.subject if read else "",
        html=read.html if read else None,
        text=read.text if read else None,
        template_id=letter.template_id,
    )


def _after(passed: timedelta) -> str:
    """Return how long after entering: "at once", "after 3 days 2 hours"."""
    minutes = round(passed.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = ((days, "day"), (hours, "hour"), (rest, "minute"))
    said = [f"{number(count)} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return f"after {' '.join(said[:2])}" if said else "at once"


def _ending(board: Storyboard) -> str:
    return presenters.WALK_LABELS.get(board.status, board.status)


def _endings(sums: Sums, called: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return how people ended, in words, the most first."""
    told = []
    for (status, why), count in sums.endings.items():
        words = presenters.WALK_LABELS.get(status, status)
        if status == "ACTIVE":
            words = f"Still at “{called.get(why or '', why)}”"
        elif status == "EXITED":
            words = f"{words}: {presenters.EXIT_REASONS.get(why or '', why)}"
        told.append((words, count))
    return sorted(told, key=lambda one: -one[1])


@dataclass(frozen=True, slots=True)
class StepSums:
    """The numbers of one step: who came there, and what became of the messages it wrote, in words."""

    key: str
    icon: str
    title: str
    came: int
    sent: int
    others: list[str]


def _step_sums(step: Step, title: str, sums: Sums) -> StepSums:
    key = step.key
    letters = sums.letters.get(key, {})
    others = [
        f"{number(count)} {STATUS_WORDS[status].lower()}: {reason_in_words(reason)}"
        for (status, reason), count in letters.items()
        if status is not Status.SENT
    ]
    sent = sum(count for (status, _), count in letters.items() if status is Status.SENT)
    kind = presenters.kind_of(step)
    return StepSums(key, kind.icon, title, sums.came.get(key, 0), sent, others)


@dataclass(frozen=True, slots=True)
class Days:
    """Messages by day: a picture, and its numbers."""

    chart: Chart
    rows: list[tuple[str, int]]


def _days(sums: Sums) -> Days | None:
    if not sums.days:
        return None
    first, last = min(sums.days), max(sums.days)
    every = [first + timedelta(days=one) for one in range((last - first).days + 1)]
    locale = organisation().locale
    rows = [(format_date(day, "EEE d MMM y", locale=locale), sums.days.get(day, 0)) for day in every]
    chart = charts.line(
        [format_date(day, "d MMM", locale=locale) for day in every],
        [count for _, count in rows],
        [f"{label}: {number(count)} message{'' if count == 1 else 's'}" for label, count in rows],
        locale,
    )
    return Days(chart, [row for row in rows if row[1]])
