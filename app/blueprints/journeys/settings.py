"""The page of a journey's settings. What others changed since it was drawn stays, or is asked about."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as Answer

from app.blueprints import conditions
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import SETTING_FIELDS, event_keys, event_types, known
from app.blueprints.journeys.forms import SettingsForm
from app.infra.errors import UserError
from app.infra.working_days import WEEK
from app.journeys import heard, queries, sending, service, together
from app.journeys.drafts import DraftChanged
from app.journeys.graph import storable
from app.journeys.models import Journey
from app.journeys.settings import held_by
from app.web.guards import current, requires
from app.web.htmx import page

EXITS, GOAL = "exit_conditions", "goal_conditions"
"""The conditions on the page."""
THEIRS = "theirs:"
FIELDS = {
    "send_window": ("send_days", "send_from", "send_to"),
    "exit_event": ("exit_event_type", "exit_same"),
    "exit_conditions": (),
    "goal": ("goal_event", "goal_same"),
}
"""The fields of a setting that has others than the one of its name."""
LABELS = {
    "send_window": "Marketing goes out on",
    "exit_event": "The event by which people leave",
    "exit_conditions": "What lets people leave",
    "goal": "Goal",
}

Held = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that somebody else changed: its name, what the page calls it, what they made of it, and who."""

    name: str
    label: str
    theirs: str
    by: together.Author | None


@blueprint.get("/<uuid:journey_id>/settings")
@requires("journeys.edit")
def settings(journey_id: UUID) -> Response:
    """Show the form of a journey's settings."""
    journey = queries.journey(tenant_id=current().tenant_id, journey_id=journey_id)
    held = held_by(journey)
    return _page(journey, _filled(held), _trees(held), base=held)


@blueprint.post("/<uuid:journey_id>/settings")
@requires("journeys.edit")
def save_settings(journey_id: UUID) -> Response | Answer:
    """Change a journey's settings."""
    actor, form = current(), SettingsForm(request.form)
    journey = queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id)
    asked = conditions.of_customers(actor.tenant_id)
    posted = {name: conditions.read(request.form, name, asked) for name in (EXITS, GOAL)}
    if any(one.acted for one in posted.values()):
        return _page(journey, form, posted)
    trees = {name: one.tree for name, one in posted.items()}
    held, act = held_by(journey), request.form.get("act", "")
    try:
        changes = _values(form, held, trees)
        apart = _told_apart(changes, held)
        taking = [act.removeprefix(THEIRS)] if act.startswith(THEIRS) else []
        if apart.both or taking:
            return _decide(journey, apart, taking, posted)
        changes = {name: value for name, value in changes.items() if name not in apart.theirs}
        service.update_settings(
            tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, changes=changes, seen=held
        )
    except DraftChanged:
        return save_settings(journey_id)  # somebody was quicker: look again what they changed
    except UserError as error:
        # Read again: a refusal by the database leaves nothing of what was read.
        return _wrong(queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id), form, posted, error)
    flash("The settings are saved and hold from now on.", "success")
    for one in _changes(journey, apart.theirs, form):
        flash(f"{one.by.name if one.by else 'Somebody else'} changed “{one.label}” meanwhile. That stays.", "info")
    return redirect(url_for("journeys.builder", journey_id=journey_id))


def _told_apart(mine: Held, held: Held) -> together.Apart:
    """Return what others changed since the page was drawn; where it does not say of what, all it says is to be."""
    try:
        began = json.loads(request.form.get("base", ""))
        if not storable(began) or began.keys() != held.keys():
            return together.Apart([], [])
        was, theirs = (_values(_filled(one), one, _trees(one)) for one in (began, held))
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return together.Apart([], [])
    was, mine, theirs = (json.loads(json.dumps(one, default=str)) for one in (was, mine, theirs))
    return together.told_apart(was, mine, theirs, [[name] for name in mine])


def _decide(journey: Journey, apart: together.Apart, taking: Sequence[str], posted: Mapping[str, Any]) -> Response:
    """Show what was typed with what others alone changed, and with what was chosen of theirs; saving keeps the rest."""
    held = held_by(journey)
    theirs = _filled(held)
    taken = [name for name in (*apart.theirs, *taking) if name in FIELDS or name in theirs]
    mixed: MultiDict[str, str] = MultiDict(request.form)
    for field in (field for name in taken for field in FIELDS.get(name, (name,))):
        data = theirs[field].data
        values = data if isinstance(data, list) else [] if data in (None, False) else ["1" if data is True else data]
        mixed.setlist(field, [str(one) for one in values])
    trees = dict(posted)
    trees |= {name: tree for name, tree in _trees(held).items() if _setting(name) in taken}
    form = SettingsForm(mixed)
    left = [name for name in apart.both if name not in taken]
    return _page(journey, form, trees, base=held, status=409, theirs=_changes(journey, left, form))


def _setting(conditions_name: str) -> str:
    return "goal" if conditions_name == GOAL else conditions_name


def _changes(journey: Journey, names: Sequence[str], form: SettingsForm) -> list[Change]:
    actor = current()
    return [
        Change(
            name,
            LABELS.get(name) or form[name].label.text,
            _said(journey, name, form),
            together.author(tenant_id=actor.tenant_id, journey_id=journey.id, asking=actor.ref, setting=name),
        )
        for name in names
    ]


def _said(journey: Journey, name: str, form: SettingsForm) -> str:
    """Return what a setting is, in words."""
    if name == "send_window":
        return sending.window_words(journey)
    value = getattr(journey, name)
    if name in FIELDS:
        return "something else" if value else "nothing"
    form.offer(known(journey.tenant_id), journey.timezone)
    choices = {str(one[0]): str(one[1]) for one in getattr(form[name], "choices", None) or ()}
    said = "yes" if value is True else "" if value in (None, False) else str(value)
    return choices.get(said, said) or "nothing"


def _filled(held: Held) -> SettingsForm:
    """Return the form of settings as they are."""
    goal, leaving = held["goal"] or {}, held["exit_event"] or {}
    window = held["send_window"] or {"days": list(WEEK)}
    return SettingsForm(
        obj=SimpleNamespace(**held),
        exit_event_type=leaving.get("event_type"),
        exit_same=leaving.get("same"),
        goal_event=goal.get("event_type"),
        goal_same=goal.get("same"),
        send_days=window["days"],
        send_from=window.get("from"),
        send_to=window.get("to"),
    )


def _trees(held: Held) -> dict[str, Any]:
    goal = held["goal"] or {}
    return {EXITS: held["exit_conditions"], GOAL: None if goal.get("event_type") else goal.get("conditions")}


def _values(form: SettingsForm, held: Held, trees: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the service takes of a form, or raise UserError."""
    return form.values() | form.sending() | form.leaving(held["goal"], trees[EXITS], trees[GOAL])


def _wrong(journey: Journey, form: SettingsForm, posted: Mapping[str, Any], error: UserError) -> Response:
    """Show the form with what is wrong beside the fields; raise what concerns none of them."""
    told = {name: _beside(error.errors, name) for name in posted}
    named = {name.replace("send_window.", "send_"): message for name, message in error.errors.items()}
    others = {name: message for name, message in named.items() if name in form}
    if not others and not any(told.values()):
        raise error
    for name, message in others.items():
        form[name].errors = [message]
    return _page(journey, form, posted, told, status=422)


def _beside(errors: Mapping[str, str], name: str) -> dict[str, str]:
    """Return what is wrong with conditions by path; services begin each with the setting's name."""
    at = _setting(name)
    return {path.removeprefix(at).lstrip("."): told for path, told in errors.items() if f"{path}.".startswith(f"{at}.")}


def _page(
    journey: Journey,
    form: SettingsForm,
    shown: Mapping[str, object],
    errors: Mapping[str, Mapping[str, str]] | None = None,
    *,
    base: Held | None = None,
    theirs: Sequence[Change] = (),
    status: int = 200,
) -> Response:
    """Return the page; `base` is what it is drawn of, without it that which the posted page was."""
    tenant_id = current().tenant_id
    form.offer(replace(known(tenant_id), event_types=event_types(tenant_id)), journey.timezone)
    graph = queries.draft(journey)
    doubts = heard.doubts(tenant_id=tenant_id, journey=journey, graph=graph) if status == 200 else []
    asked = conditions.of_customers(tenant_id)
    builders = {
        name: conditions.draw(
            one, name, asked, errors=(errors or {}).get(name) or None, allow_empty=True, club_id=journey.club_id
        )
        for name, one in shown.items()
    }
    drawn_of = json.dumps(base, default=str) if base is not None else request.form.get("base", "")
    return page(
        "journeys/settings.html",
        status=status,
        journey=journey,
        form=form,
        builders=builders,
        base=drawn_of,
        theirs=theirs,
        doubts=[(SETTING_FIELDS[one.field], one.message) for one in doubts if one.step_key is None],
        event_keys=event_keys(tenant_id, graph),
    )
