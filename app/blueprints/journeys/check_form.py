"""The page of one check: what lets them in, what happens meanwhile, and the facts of somebody made up.

Only what was typed otherwise is changed: a check that is called by another name still expects what it did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.accounts.places import timezones
from app.blueprints.journeys import occasions
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import known
from app.blueprints.journeys.occasions import Key
from app.blueprints.journeys.rehearsals import begins_at
from app.customers import custom_fields
from app.events.readers import LIFECYCLE_STAGES
from app.infra.errors import Invalid, UserError
from app.journeys import checks, queries
from app.journeys.checks import MOST_MEANWHILE, Check
from app.journeys.made_up import Facts
from app.journeys.models import Journey
from app.journeys.occasions import as_said
from app.journeys.step_type import Known
from app.web.guards import current, must, requires
from app.web.htmx import page

SPARE = 2
"""So many empty rows there are for what happens meanwhile, beside those that are filled in."""
FLAG = [("true", "Yes"), ("false", "No")]
FLAGS = ("has_email", "email_opt_in", "sms_opt_in", "push_opt_in", "whatsapp_opt_in")
LABELS = {
    "first_name": "First name", "has_email": "Has an e-mail address", "email_opt_in": "Agrees to e-mail",
    "sms_opt_in": "Agrees to SMS", "push_opt_in": "Agrees to push", "whatsapp_opt_in": "Agrees to WhatsApp",
    "club_id": "Club", "membership_tier": "Membership tier", "membership_status": "Membership status",
    "lifecycle_stage": "Lifecycle stage", "handicap_index": "Handicap index", "timezone": "Time zone",
    "date_of_birth": "Date of birth", "joined_on": "Joined on", "tags": "Tags",
}  # fmt: skip
CUSTOM = "custom."


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of somebody made up, as the form asks for it; with `options` it is chosen, `blank` for none of them."""

    name: str
    label: str
    value: str
    type: str = "text"
    options: Sequence[tuple[str, str]] = ()
    blank: str | None = "Not known"
    help: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """A row of what happens meanwhile."""

    after: str = ""
    type: str = ""
    says: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@blueprint.get("/<uuid:journey_id>/checks/<uuid:check_id>")
@requires("journeys.edit")
def edit_check(journey_id: UUID, check_id: UUID) -> Response:
    """Show all that a check is kept with, to be changed."""
    journey, held = _held(journey_id, check_id)
    return _form(journey, held)


@blueprint.post("/<uuid:journey_id>/checks/<uuid:check_id>/edit")
@requires("journeys.edit")
def save_changed_check(journey_id: UUID, check_id: UUID) -> Response | Answer:
    """Change what a check is kept with."""
    journey, held = _held(journey_id, check_id)
    try:
        made = checks.change(
            tenant_id=journey.tenant_id,
            journey_id=journey_id,
            check_id=check_id,
            actor=current().ref,
            strictness=request.form.get("strictness") or None,
            parts=_changed(journey, held),
        )
    except checks.NoSuchCheck:
        raise
    except UserError as wrong:
        return _form(journey, held, errors=wrong.told, status=422)
    anew = "" if made.expected == held.expected else " What the draft does now is expected from then on."
    flash(f"The check is changed.{anew}", "success")
    return redirect(url_for("journeys.checks", journey_id=journey_id))


def _held(journey_id: UUID, check_id: UUID) -> tuple[Journey, Check]:
    must("customers.view")
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    return journey, checks.check(tenant_id=tenant_id, journey_id=journey_id, check_id=check_id)


def _local(journey: Journey, held: Check) -> str:
    return held.starts_at.astimezone(ZoneInfo(journey.timezone)).strftime("%Y-%m-%dT%H:%M")


def _keys(journey: Journey, held: Check, errors: Mapping[str, str], *, sent: bool) -> list[Key]:
    told = as_said(occasions.offered(journey, held.starts_at).like, held.event or {})
    return [occasions.key(one, journey, held.starts_at, errors, sent=sent) for one in told]


def _changed(journey: Journey, held: Check) -> dict[str, Any]:
    """Return those parts of a check that were typed otherwise than they were drawn."""
    form = request.form
    parts: dict[str, Any] = {"name": form.get("name", "")}
    begins = held.starts_at
    errors: dict[str, str] = {}
    try:
        if form.get("at", "") != _local(journey, held):
            begins = parts["starts_at"] = begins_at(journey)
        drawn, typed = (_keys(journey, held, {}, sent=sent) for sent in (False, True))
        if drawn != typed or occasions.more() != occasions.NO_MORE or begins != held.starts_at:
            said = occasions.read_keys(journey, [one.said for one in drawn], begins)
            parts |= {"event": said} if said or held.event is not None else {}
    except Invalid as wrong:
        errors |= wrong.errors
    if held.facts is not None and _facts(held, _known(journey), sent=True) != _facts(held, _known(journey)):
        parts["facts"] = _typed_facts(held)
    rows = _meanwhile(sent=True)
    if rows != [one for one in _meanwhile(held) if one.type]:
        parts["meanwhile"] = [_happens(one, at, errors) for at, one in enumerate(rows)]
    if errors:
        raise Invalid(errors)
    return parts


def _known(journey: Journey) -> Known:
    return known(journey.tenant_id)


def _facts(held: Check, around: Known, errors: Mapping[str, str] | None = None, *, sent: bool = False) -> list[Fact]:
    facts, told = {**Facts().model_dump(mode="json"), **(held.facts or {})}, errors or {}

    def text(name: str, value: Any) -> str:
        if sent:
            return request.form.get(f"facts.{name}", "").strip()
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)

    choices: dict[str, Sequence[tuple[str, str]]] = {
        "club_id": [(str(id), name) for id, name in around.clubs.items()],
        "lifecycle_stage": [(one, one.capitalize()) for one in LIFECYCLE_STAGES], "timezone": timezones(),
        **dict.fromkeys(FLAGS, FLAG),
    }  # fmt: skip
    found = []
    for name, label in LABELS.items():
        found.append(
            Fact(
                name,
                label,
                text(name, facts.get(name)),
                type="date" if name in ("date_of_birth", "joined_on") else "text",
                options=choices.get(name, ()),
                blank=None if name in ("has_email", "lifecycle_stage") else "Not known",
                help="Several with commas between them." if name == "tags" else None,
                error=next(
                    (told[one] for one in told if one == f"facts.{name}" or one.startswith(f"facts.{name}.")), None
                ),
            )
        )
    for about in around.custom.values():
        name = f"{CUSTOM}{about.key}"
        asked = custom_fields.kind_of(about).control((facts.get("custom") or {}).get(about.key), about)
        value = request.form.get(f"facts.{name}", "").strip() if sent else asked.text
        options = [one for one in asked.options if one[0]]
        found.append(
            Fact(name, about.label, value, asked.type, options, error=told.get(f"facts.{name}"), help=asked.help)
        )
    return found


def _typed_facts(held: Check) -> dict[str, Any]:
    """Return facts as they were typed; what was left empty is not known."""
    found: dict[str, Any] = {"custom": {}}
    for name in LABELS:
        typed = request.form.get(f"facts.{name}", "").strip()
        found[name] = {"true": True, "false": False}.get(typed) if name in FLAGS else typed or None
    found["first_name"] = found["first_name"] or ""
    found["handicap_index"] = found["handicap_index"] and found["handicap_index"].replace(",", ".")
    found["tags"] = [one for tag in (found["tags"] or "").split(",") if (one := tag.strip())]
    for sent, typed in request.form.items():
        if sent.startswith(f"facts.{CUSTOM}") and typed.strip():
            found["custom"][sent.removeprefix(f"facts.{CUSTOM}")] = typed.strip()
    return {**(held.facts or {}), **found}


def _meanwhile(
    held: Check | None = None, errors: Mapping[str, str] | None = None, *, sent: bool = False
) -> list[Happening]:
    """Return the rows of what happens meanwhile: those of a check with spare ones, or those that were filled in."""
    if held is not None and not sent:
        kept = [Happening(one["after"], one["type"], _as_lines(one["payload"])) for one in held.meanwhile]
        return [*kept, *([Happening()] * SPARE)][:MOST_MEANWHILE]
    told = zip(*(request.form.getlist(f"meanwhile.{name}") for name in ("after", "type", "says")), strict=False)
    found: list[Happening] = []
    for row in told:
        # However a browser ends lines.
        after, type_, says = ("\n".join(one.strip().splitlines()) for one in row)
        if after or type_ or says:
            prefix = f"meanwhile.{len(found)}."
            wrong = {at.removeprefix(prefix): words for at, words in (errors or {}).items() if at.startswith(prefix)}
            found.append(Happening(after, type_, says, wrong))
    return found


def _as_lines(payload: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in payload.items()
    )


def _happens(row: Happening, at: int, errors: dict[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for line in row.says.splitlines():
        name, mark, value = line.partition(":")
        if not mark or not name.strip():
            errors[f"meanwhile.{at}.payload"] = "Write each thing on a line of its own: booking_id: B-17."
            continue
        payload[name.strip()] = _value(value.strip())
    return {"after": row.after, "type": row.type, "payload": payload}


def _value(typed: str) -> Any:
    """Return what was typed as JSON has it: a number, true, false, a list or an object; else as text."""
    try:
        return orjson.loads(typed)
    except orjson.JSONDecodeError:
        return typed


def _form(journey: Journey, held: Check, *, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    wrong, around, sent = errors or {}, _known(journey), request.method == "POST"
    rows = _meanwhile(held, wrong, sent=sent)
    keys = _keys(journey, held, wrong, sent=sent)
    shown = {"name", "at", "starts_at", "meanwhile", *(f"event.{one.said.name}" for one in keys)}
    return page(
        "journeys/check.html",
        status=status,
        journey=journey,
        check=held,
        errors=wrong,
        others=[
            words
            for at, words in wrong.items()
            if at not in shown and not at.startswith(("facts.", "meanwhile.", "more."))
        ],
        name=request.form.get("name", held.name),
        begins=request.form.get("at", _local(journey, held)),
        keys=keys,
        more=occasions.more(wrong),
        facts=_facts(held, around, wrong, sent=sent) if held.facts is not None else [],
        rows=[*rows, *([Happening()] * SPARE)][:MOST_MEANWHILE] if sent else rows,
        event_types=sorted(around.event_types.items(), key=lambda one: one[1].casefold()),
        strictness=list(checks.STRICTNESS.items()),
        strict=request.form.get("strictness", held.strictness),
    )
