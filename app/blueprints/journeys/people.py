"""Who is in a journey: everybody, those at one step, and the path of one person."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import asked, presenters, walks
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import Board
from app.conditions import Catalogue, operators_for, profile
from app.customers import custom_fields
from app.customers import queries as customers
from app.customers.facts import CHANNEL_WORDS
from app.customers.records import CUSTOM
from app.events import catalogue
from app.infra import clock
from app.infra.errors import Conflict, Invalid
from app.infra.ids import as_id
from app.journeys import behind as behind_
from app.journeys import queries, whereabouts
from app.journeys.drafts import WrongStatus
from app.journeys.engine import enrol, exits, retry
from app.journeys.kinds import way_label
from app.journeys.latest import MOST, Behind, Who
from app.journeys.outcomes import HOLDOUT
from app.journeys.queries import EnrollmentPath, StepTaken
from app.journeys.step_type import step_types
from app.journeys.steps.update import CONSENT
from app.journeys.titles import titles
from app.journeys.walks import Walks, around
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page
from app.web.lists import asked_choice
from app.web.shell import localtime, number, organisation

# What a list beside the canvas can show of one step, and how `queries.enrollments` is asked for it.
WHICH = {"here": "Here now", "done": "Went through", "failed": "Failed"}
TONES = {"COMPLETED": "success", "FAILED": "danger", "SKIPPED": "neutral", "IN_PROGRESS": "info"}


@blueprint.get("/<uuid:journey_id>/people")
@requires("journeys.view")
def people(journey_id: UUID) -> Response:
    """List everybody who is or was in the journey."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    live = whereabouts.live(tenant_id=tenant_id, journey=journey)
    who, behind = asked.who(), asked.behind()
    found = behind_.people(
        tenant_id=tenant_id, journey_id=journey_id, who=who, behind=behind, cursor=request.args.get("cursor")
    )
    called = titles(tenant_id=tenant_id, graph=live)
    ways = {(step.key, exit): way_label(step, exit) for step in live for exit in (*step.exits, HOLDOUT)}
    return page(
        "journeys/people.html",
        block="results",
        journey=journey,
        page=found,
        titles=called,
        told=asked.words(who, behind, called, ways, _day),
        kept=[(name, value) for name, value in request.args.items() if name not in ("status", "cursor") and value],
        of_latest=MOST if behind.of_log else None,
        ends={step.key: step.config["reason"] for step in live if step.type == "END" and step.config.get("reason")},
        status_options=list(presenters.WALK_LABELS.items()),
        walk_tones=presenters.WALK_TONES,
        walk_labels=presenters.WALK_LABELS,
        reasons=presenters.EXIT_REASONS,
        money=presenters.money,
    )


COLUMNS = (
    "customer_name",
    "customer_id",
    "status",
    "current_step_key",
    "enrolled_at",
    "waiting_until",
    "completed_at",
    "exited_at",
    "exit_reason",
    "converted_at",
    "converted_amount",
    "converted_currency",
    "error",
    "id",
)


def _day(day: date) -> str:
    return str(format_date(day, "d MMM y", locale=organisation().locale))


def _said(who: Who, behind: Behind) -> dict[str, Any]:
    given = (asdict(who) | asdict(behind)).items()
    return {name: ":".join(value) if isinstance(value, tuple) else value for name, value in given if value}


@blueprint.post("/<uuid:journey_id>/people/export")
@requires(PERMISSION)
def export(journey_id: UUID) -> Response:
    """Give out who is or was in the journey, as the list shows them."""
    tenant_id, who, behind = current().tenant_id, asked.who(), asked.behind()
    return download(
        "people-in-journey",
        seen_by="journeys.view",
        header=COLUMNS,
        pages=lambda cursor, limit: behind_.people(
            tenant_id=tenant_id, journey_id=journey_id, who=who, behind=behind, cursor=cursor, limit=limit
        ),
        rows=lambda found: [[getattr(one, name) for name in COLUMNS] for one in found],
        filters={**_said(who, behind), "journey": journey_id},
    )


@blueprint.get("/<uuid:journey_id>/people/add")
@requires("journeys.run")
def adding(journey_id: UUID) -> Response:
    """Look for customers to let into the journey by hand."""
    tenant_id, q = current().tenant_id, request.args.get("q", "").strip()
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    found = customers.customers(tenant_id=tenant_id, q=q, limit=20).items if q else []
    return page("journeys/add_people.html", block="results", journey=journey, q=q, found=found)


@blueprint.post("/<uuid:journey_id>/people")
@requires("journeys.run")
def enrol_person(journey_id: UUID) -> Answer:
    """Let a customer into the journey by hand."""
    customer_id = as_id(request.form.get("customer_id"))
    if customer_id is None:
        raise enrol.NoSuchPerson
    try:
        made = enrol.enrol_one(tenant_id=current().tenant_id, journey_id=journey_id, customer_id=customer_id)
    except (enrol.NotAdmitted, WrongStatus) as refused:
        flash(refused.message, "warning")
        return redirect(url_for("journeys.adding", journey_id=journey_id, q=request.form.get("q") or None))
    flash("The customer is in the journey.", "success")
    return redirect(url_for("journeys.path", journey_id=journey_id, enrollment_id=made))


@blueprint.post("/<uuid:journey_id>/people/<uuid:enrollment_id>/exit")
@requires("journeys.run")
def take_out(journey_id: UUID, enrollment_id: UUID) -> Answer:
    """Take a person out of the journey."""
    tenant_id = current().tenant_id
    _walk(tenant_id, journey_id, enrollment_id)
    gone = exits.exit_enrollments(tenant_id=tenant_id, enrollment_ids=[enrollment_id])
    flash(
        "They have left the journey." if gone else "They were not in the journey any more.",
        "success" if gone else "info",
    )
    return redirect(url_for("journeys.path", journey_id=journey_id, enrollment_id=enrollment_id))


@blueprint.post("/<uuid:journey_id>/people/<uuid:enrollment_id>/retry")
@requires("journeys.run")
def retry_person(journey_id: UUID, enrollment_id: UUID) -> Answer:
    """Let a person who failed take their step again."""
    return _moved_on(journey_id, enrollment_id, retry.retry_one, "The step is tried again.")


@blueprint.post("/<uuid:journey_id>/people/<uuid:enrollment_id>/skip-ahead")
@requires("journeys.run")
def skip_ahead(journey_id: UUID, enrollment_id: UUID) -> Answer:
    """Let a person who waits go on now."""
    return _moved_on(journey_id, enrollment_id, retry.skip_ahead, "They go on now.")


def _moved_on(journey_id: UUID, enrollment_id: UUID, act: Callable[..., None], done: str) -> Answer:
    actor = current()
    try:
        act(tenant_id=actor.tenant_id, journey_id=journey_id, enrollment_id=enrollment_id, actor=actor.ref)
    except Conflict as refused:
        flash(refused.message, "warning")
    else:
        flash(done, "success")
    return redirect(url_for("journeys.path", journey_id=journey_id, enrollment_id=enrollment_id))


@blueprint.post("/<uuid:journey_id>/people/retry")
@requires("journeys.run")
def retry_people(journey_id: UUID) -> Answer:
    """Let all who failed, at one step if the form names it, take their step again."""
    actor, step = current(), request.form.get("step") or None
    try:
        again = retry.retry_all(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, step=step)
    except (Conflict, Invalid) as refused:
        flash(refused.message, "warning")
    else:
        people = "one person" if again == 1 else f"{number(again)} people"
        flash(f"The step is tried again for {people}." if again else "There is nobody to try it again for.", "success")
    return redirect(url_for("journeys.people", journey_id=journey_id))


def _walk(tenant_id: UUID, journey_id: UUID, enrollment_id: UUID) -> EnrollmentPath:
    """Return a person's walk, if it is one through this journey."""
    walk = queries.enrollment_path(tenant_id=tenant_id, enrollment_id=enrollment_id)
    if walk.line.journey_id != journey_id:
        raise queries.NoSuchEnrollment
    return walk


@blueprint.get("/<uuid:journey_id>/steps/<key>/people")
@requires("journeys.view")
def step_people(journey_id: UUID, key: str) -> Response:
    """List the people at one step beside the canvas."""
    board = Board(journey_id)
    which = asked_choice("which", WHICH) or "here"
    found = whereabouts.step_people(
        tenant_id=board.tenant_id,
        journey_id=journey_id,
        step=key,
        which=which,
        cursor=request.args.get("cursor"),
        limit=25,
    )
    panel: dict[str, Any] = {
        "panel": "journeys/_people.html",
        "card": board.card(key) if key in board.graph.steps else None,
        "key": key,
        "which": which,
        "whiches": WHICH,
        "people": found,
    }
    if is_htmx() and request.args.get("cursor"):
        return page("journeys/_people.html", **board.around(), **panel)
    return board.show(panel, selected=key)


@blueprint.get("/<uuid:journey_id>/people/<uuid:enrollment_id>")
@requires("journeys.view")
def path(journey_id: UUID, enrollment_id: UUID) -> Response:
    """Show each step one person took, when and with what result."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    walk = _walk(tenant_id, journey_id, enrollment_id)
    live = whereabouts.live(tenant_id=tenant_id, journey=journey)
    known = Walks(custom_fields.catalogue(tenant_id=tenant_id), around(live))
    line = walk.line
    return page(
        "journeys/path.html",
        block="way",
        journey=journey,
        walk=walk,
        line=line,
        moving=line.status == journey.status == "ACTIVE" and line.due_at is not None and line.due_at <= clock.now(),
        steps=[_told(one, known) for one in walk.steps],
        drawing=walks.drawn(walk, journey),
        words=walks.WORDS,
        refusals=whereabouts.refusals(tenant_id=tenant_id, journey_id=journey_id, customer_id=walk.line.customer_id),
        walk_tones=presenters.WALK_TONES,
        walk_labels=presenters.WALK_LABELS,
        reasons=presenters.EXIT_REASONS,
    )


@dataclass(frozen=True, slots=True)
class Told:
    """One step a person took, in words."""

    icon: str
    title: str
    at: datetime
    tone: str
    text: str | None
    meta: str
    message_id: str | None


def _told(step: StepTaken, known: Catalogue) -> Told:
    kind = step_types().get(step.type) if step.type and step.type in step_types() else None
    result = dict(step.result or {})
    left = f", left {localtime(step.completed_at)}" if step.completed_at else ""
    return Told(
        icon=kind.icon if kind else "point",
        title=step.title,
        at=step.entered_at,
        tone=TONES.get(step.status, "neutral"),
        text=outcome(step.status, result, known, step.exit_label),
        meta=f"{localtime(step.entered_at)}{left} · version {step.version}",
        message_id=str(result["message_id"]) if result.get("message_id") else None,
    )


def outcome(status: str, result: dict[str, Any], known: Catalogue = profile, way: str | None = None) -> str | None:
    """Return a step's result in words, fields called as in `known`; None where there is nothing to say.

    `way` is what the way on is called where a step has several.
    """
    if result.get("error"):
        return f"{'Failed, and is tried again' if status == 'IN_PROGRESS' else 'Failed'}: {result['error']}"
    if result.get("rehearsed"):
        return "Not done in a rehearsal; they go on"
    if "result" in result:
        rules = result.get("evaluated_rules") or []
        why = "; ".join(f"{_asked(one, known)}: {'yes' if one.get('matched') else 'no'}" for one in rules)
        went = way or ("Yes" if result["result"] else "No")
        return f"Went {went}" + (f" ({why})" if why else "")
    if "at_most" in result:
        so_far = f"{result.get('times')} of at most {result['at_most']}"
        return f"Jumped back, {so_far}" if result.get("jumped_to") else f"Went on: has jumped {so_far}"
    if result.get("removed"):
        return "This step was removed; they went on with the next one below"
    if result.get("skipped") == "taken_before":
        return "Passed by: they took this step in an earlier version"
    if result.get("timed_out"):
        return "Waited in vain"
    if result.get("happened") or result.get("holds"):
        return "What they waited for came"
    if result.get("missed"):
        return "There is no such date ahead for them"
    if result.get("sent") is False:
        return "Not sent"
    if result.get("waiting_until"):
        until = localtime(datetime.fromisoformat(str(result["waiting_until"])))
        return f"{'Waited' if status == 'COMPLETED' else 'Waits'} until {until}"
    if "task_id" in result:
        return f"Done by {result['done_by']}" if result.get("done_by") else "A task was given"
    if "told" in result:
        count = result.get("colleagues", 0)
        who = f"Told {count} colleague{'s' if count != 1 else ''}" if count else "There was nobody to tell"
        return f"{who}: “{result['told']}”"
    if "called" in result:
        status = f" ({result['status']})" if result.get("status") else ""
        return f"The call was taken{status}" if result["called"] else f"The call failed: {result.get('said')}"
    if "started" in result:
        return "Entered the other journey" if result["started"] else f"Did not enter it: {result.get('reason')}"
    if result.get("sent"):
        return "Handed over to be sent"
    if result.get("held_out"):
        return "Left out, to see what the journey changes for the others"
    if result.get("waits"):
        return "Waits here until they reach it"
    if "reached" in result:
        return "Reached" if result["reached"] else "Came here without having reached it"
    if result.get("completed"):
        return str(result.get("reason") or "") or None
    if "updated" in result:
        return _updated(result, known)
    return f"Went {way}" if way else None


def _updated(result: dict[str, Any], known: Catalogue) -> str | None:
    """Return what an UPDATE changed, and what it left as it was for what reason."""
    changed = ", ".join(_called(str(one), known) for one in result["updated"])
    kept = [f"{_called(name, known)} stayed as it was: {why}" for name, why in (result.get("kept") or {}).items()]
    return ". ".join([*([f"Changed: {changed}"] if changed else []), *kept]) or None


def _called(name: str, known: Catalogue) -> str:
    if name.startswith(CONSENT):
        return f"consent by {CHANNEL_WORDS.get(name.removeprefix(CONSENT), name)}"
    field = known.find(name) if name.startswith(CUSTOM) else None
    return field.label if field else name.replace("_", " ")


def _asked(rule: dict[str, Any], known: Catalogue) -> str:
    """Return what a rule asked, without its value: "Last e-mail opened is known"."""
    name = str(rule.get("field"))
    field = known.find(name)
    if field is None:
        # A rule on what somebody did names an event.
        return catalogue.get(name).label if catalogue.is_known(name) else name
    verbs = {one.name: one.label for one in operators_for(field.type)}
    return f"{field.label} {verbs.get(str(rule.get('operator')), '')}".strip()
