"""What every view of the builder shows: the journey, its canvas, the bar, and one panel beside it."""

import json
from collections.abc import Collection
from dataclasses import replace
from functools import cache, cached_property, partial
from secrets import token_hex
from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.accounts import places
from app.blueprints.conditions import of_customers, of_event, of_walks
from app.blueprints.conditions.asked import Names
from app.blueprints.journeys import presenters, previews, step_form
from app.blueprints.journeys.widgets import Form, Sources, Updatable
from app.conditions import FieldType, profile
from app.customers import custom_fields, mass_update
from app.customers.facts import CHANNEL_WORDS
from app.customers.field_kind import CustomFieldInfo
from app.infra.db import asking_once, transaction
from app.journeys import comments, heard, letters, queries, reentry, sending, walks
from app.journeys.graph import COLOURS, Graph, Problem, Step, step_mark
from app.journeys.kinds import check_graph, check_step, exit_labels, title_of, words_of
from app.journeys.models import Journey
from app.journeys.payloads import event_dates
from app.journeys.queries import NoSuchStep
from app.journeys.step_type import Known
from app.journeys.steps.update import CONSENT, EVERYTHING
from app.journeys.timed import comes_again
from app.road import condition_labels, condition_names
from app.web.guards import can, current
from app.web.htmx import is_htmx, page

OVERVIEW = "journeys/_overview.html"
SETTING_FIELDS = {
    "exit_event": "exit_event_type",
    "exit_event.same": "exit_same",
    "goal": "goal_event",
    "goal.same": "goal_same",
    "reentry_key": "reentry_key",
}
"""The fields of the page of settings in which settings of a journey name events and what these say."""
STEP = "journeys/_step.html"


class Board:
    """One journey as the builder shows it, read once a request and in one transaction."""

    def __init__(self, journey_id: UUID, around: Known | None = None, journey: Journey | None = None) -> None:
        """Read the journey; given are those of it and what its settings may refer to that were read in this request."""
        self.tenant_id = current().tenant_id
        with asking_once(self.tenant_id):
            self.journey = journey or queries.journey(tenant_id=self.tenant_id, journey_id=journey_id)
            self.graph: Graph = queries.draft(self.journey)
            found = around or known(self.tenant_id, journey_id)
            self.titles = {step.key: title_of(step, found) for step in self.graph}
            named = presenters.names_of(self.graph, self.titles)
            self.known: Known = replace(found, steps=named, around=walks.around(self.graph))
        self.editable = can("journeys.edit") and self.journey.status != "ARCHIVED"

    @cached_property
    def doubts(self) -> list[heard.Doubt]:
        """Return the names of events, and of what they say, that nobody has heard of."""
        return heard.doubts(tenant_id=self.tenant_id, journey=self.journey, graph=self.graph)

    @cached_property
    def problems(self) -> list[Problem]:
        """Return all that stands in the way of activation."""
        with asking_once(self.tenant_id):
            return check_graph(self.graph, self.known)

    @cached_property
    def _told(self) -> list[Problem]:
        """Return the problems as the cards of steps tell of them: each once, with what the setting is called."""
        told = []
        for one in self.problems:
            label = self._label(one)
            told.append(Problem(one.step_key, None, f"{label}: {one.message}" if label else one.message))
        return list(dict.fromkeys(told))

    def context(self, *, selected: str | None = None, fresh: Collection[str] = ()) -> dict[str, Any]:
        """Return what the whole page is drawn from."""
        with asking_once(self.tenant_id):
            return {**self.around(), **self._canvas(selected, fresh), **self._bar()}

    def _canvas(self, selected: str | None, fresh: Collection[str]) -> dict[str, Any]:
        canvas = presenters.draw(
            self.graph,
            known=self.known,
            problems=self._told,
            doubts=[(one.step_key, one.message) for one in self.doubts],
            folded=request.cookies.get("fold", "").split("."),
            showing={*fresh, *([selected] if selected else [])},
        )
        talk = comments.open_counts(tenant_id=self.tenant_id, journey_id=self.journey.id)
        parts = presenters.parts(canvas, editable=self.editable, talk=talk)
        plan = [f"{part.id} {part.at}" for part in parts]
        return {
            "canvas": canvas,
            "parts": parts,
            "plan": plan,
            "plan_mark": presenters.marked(plan),
            "has": set(request.form.get("has", "").split()),
            "note_colours": COLOURS,
            "talk": talk,
            "letters": presenters.letters(letters.lately(self.journey)),
            "selected": selected,
            "fresh": fresh,
        }

    def _bar(self) -> dict[str, Any]:
        differs = queries.draft_differs(tenant_id=self.tenant_id, journey=self.journey)
        counts = queries.step_counts(tenant_id=self.tenant_id, journey_id=self.journey.id)
        return {
            "counts": counts,
            "active": sum(count.active for count in counts.values()),
            "history": queries.draft_history(tenant_id=self.tenant_id, journey=self.journey),
            "differs": differs,
            "polling": self.journey.status == "ACTIVE",
            "acts": self._acts(differs),
        }

    def around(self) -> dict[str, Any]:
        """Return what a panel is drawn from, whichever it is."""
        journey = self.journey
        return {
            "journey": journey,
            "kinds": presenters.kinds(),
            "problems": self.problems,
            "problem_labels": [self._label(one) for one in self.problems],
            "doubts": self.doubts,
            "setting_fields": SETTING_FIELDS,
            "titles": self.titles,
            "editable": self.editable,
            "status_tones": presenters.STATUS_TONES,
            "status_labels": presenters.STATUS_LABELS,
            "once_only": journey.reentry == reentry.NEVER
            and self.graph.trigger is not None
            and comes_again(self.graph.trigger.config),
            "trigger_words": words_of(self.graph.trigger, self.known) if self.graph.trigger else "",
            "how_often": reentry.words(journey),
            "topic_name": self.known.topics.get(self.journey.topic_id, "A topic that was archived")
            if self.journey.topic_id
            else None,
            "window_words": sending.window_words(self.journey),
            "club_name": self.known.clubs.get(journey.club_id) if journey.club_id else None,
        }

    def _acts(self, differs: bool) -> list[dict[str, Any]]:
        """Return the acts the journey's status allows, the likeliest last and primary."""
        url = partial(url_for, journey_id=self.journey.id)
        pause = {
            "label": "Pause",
            "url": url("journeys.pause"),
            "icon": "player-pause",
            "kind": "secondary",
            "confirm": f"Pause “{self.journey.name}”?",
            "confirm_text": "People in it stay where they are until you resume. "
            "Whoever would have entered meanwhile is not let in later.",
        }
        later = {
            "label": "Resume, waits later",
            "url": url("journeys.resume"),
            "icon": "clock",
            "kind": "secondary",
            "fields": {"move_waits": "1"},
            "confirm": "Resume and let all waits end later?",
            "confirm_text": "Each wait ends later by as long as the journey was paused, a time of day as well. With "
            "Resume alone, waits that ended meanwhile end at once.",
        }
        resume = {"label": "Resume", "url": url("journeys.resume"), "icon": "player-play", "kind": "primary"}
        activate = {
            "label": "Activate",
            "url": url("journeys.activate"),
            "icon": "player-play",
            "kind": "primary",
            "fields": {"revision": self.journey.draft_revision},
        }
        publish = {
            "label": "Publish changes",
            "url": url("journeys.publishing"),
            "icon": "upload",
            "kind": "primary",
            "panel": True,
        }
        match self.journey.status:
            case "DRAFT":
                return [activate]
            case "ACTIVE":
                return [pause, publish] if differs else [pause]
            case "PAUSED":
                return [{**publish, "kind": "secondary"}, later, resume] if differs else [later, resume]
            case _:
                return []

    def _label(self, problem: Problem) -> str | None:
        """Return what the setting is called that a problem concerns."""
        step = self.graph.steps.get(problem.step_key or "")
        return step_form.label_of(step.type, problem.field) if step and problem.field else None

    def step_panel(
        self,
        key: str,
        *,
        config: dict[str, Any] | None = None,
        name: str | None = None,
        form: Form | None = None,
        changed: bool = False,
        conflict: bool = False,
        form_too: bool = True,
    ) -> dict[str, Any]:
        """Return what the panel of one step is drawn from; `config`, `name` and `form` are what was typed."""
        step = self.step(key)
        shown = dict(step.config) if config is None else config
        problems = [one for one in self.problems if one.step_key == key]
        if config is not None:
            changed_step = replace(step, config=config)
            problems = check_step(changed_step, self.known, self.graph.with_steps(changed_step))
        told = [] if changed else problems
        doubts = [] if changed else [one for one in self.doubts if one.step_key == key]
        controls = step_form.controls(step, shown, told, self.sources(), form, doubts) if form_too else []
        return {
            "panel": STEP,
            "panel_mark": self.panel_mark(key),
            "card": self.card(key),
            "controls": controls,
            "card_problems": [] if changed else step_form.other_problems(step, problems),
            "meets": self._meets(step),
            "comments": comments.of_step(tenant_id=self.tenant_id, journey_id=self.journey.id, step_key=key),
            "preview": previews.of_step(
                replace(step, config=shown),
                tenant_id=self.tenant_id,
                known=self.known,
                timezone=self.journey.timezone,
                club_id=self.journey.club_id,
            ),
            "step_key": key,
            "may_comment": can("journeys.edit"),
            "step_name": (step.name or "") if name is None else name,
            "was": step_mark(step),
            "base": json.dumps({**step.config, "name": step.name or ""}, default=str),
            "sitting": request.form.get("sitting") or token_hex(6),
            "told_mark": presenters.marked([(one.field, one.message) for one in told], self._doubted(key)),
            "missing": bool(problems),
            "changed": changed,
            "conflict": conflict,
            "template_url": template_url,
            "new_template_url": template_url(None),
        }

    def sources(self) -> Sources:
        """Return what the widgets of the forms of its steps draw from."""
        around = sources(self.tenant_id, self.known, self.journey.club_id, editable=self.editable)
        return replace(around, event_dates=event_dates(self.graph), event_keys=self._event_keys)

    def _event_keys(self) -> list[str]:
        return event_keys(self.tenant_id, self.graph)

    def _doubted(self, key: str) -> list[str]:
        """Return what nobody has heard of that a step names."""
        return [one.message for one in self.doubts if one.step_key == key]

    def step(self, key: str) -> Step:
        """Return a step of the draft, or raise NoSuchStep."""
        if key not in self.graph.steps:
            raise NoSuchStep
        return self.graph.steps[key]

    def card(self, key: str) -> presenters.Card:
        """Return the card of a step, as the head of a panel shows it."""
        problems = [one.message for one in self._told if one.step_key == key]
        return presenters.card_of(self.step(key), self.graph, self.known, problems)

    def panel_mark(self, key: str) -> str:
        """Return a mark of what the panel of a step shows of the draft: another one where the panel is."""
        step = self.step(key)
        wrong = [one for one in self.problems if one.step_key == key]
        others = self.known.steps if step_form.names_steps(step.type) else None
        return presenters.marked(step, wrong, self._doubted(key), self._meets(step), others, self.editable)

    def _meets(self, step: Step) -> list[dict[str, str | None]]:
        """Return the exits of a step that lead to where other paths lead too."""
        return [
            {
                "exit": way,
                "label": exit_labels(step)[way] if len(step.exits) > 1 else None,
                "title": self.titles[target],
            }
            for way, target in step.exits.items()
            if target in self.graph.steps and target is not None and len(self.graph.into(target)) > 1
        ]

    def show(self, panel: dict[str, Any] | None = None, *, selected: str | None = None, status: int = 200) -> Response:
        """Return the builder with a panel (the overview by default); for htmx the panel alone."""
        context = self.around() if is_htmx() else self.context(selected=selected)
        return page("journeys/builder.html", block="panel", status=status, **context, **(panel or {"panel": OVERVIEW}))


def event_types(tenant_id: UUID) -> dict[str, str]:
    """Return the types of events that can be chosen: those of the catalogue, and others that have come in."""
    with transaction(tenant_id) as session:
        return heard.event_types(session, tenant_id)


def event_keys(tenant_id: UUID, graph: Graph) -> list[str]:
    """Return the names under which the event that lets people in says something."""
    with transaction(tenant_id) as session:
        type = str(graph.trigger.config.get("event_type") or "") if graph.trigger else ""
        return sorted(heard.keys_of(session, tenant_id, [type])[type])


def known(tenant_id: UUID, journey_id: UUID | None = None) -> Known:
    """Return what settings (of that journey) may refer to, with what people call the values that conditions name."""
    return replace(queries.known(tenant_id=tenant_id, journey_id=journey_id), names=condition_labels(tenant_id))


def sources(tenant_id: UUID, known: Known, club_id: UUID | None = None, *, editable: bool = True) -> Sources:
    """Return what the widgets of a step's form draw from."""
    names = condition_names(tenant_id)
    return Sources(
        known=known,
        updatable=cache(lambda: updatable(names, known)),
        customers=cache(partial(of_customers, tenant_id)),
        walks=cache(partial(of_walks, tenant_id, known.around)),
        event=cache(partial(of_event, tenant_id)),
        event_types=cache(partial(event_types, tenant_id)),
        club_id=club_id,
        editable=editable,
    )


def updatable(names: Names, known: Known) -> list[Updatable]:
    """Return the fields a step may change: tags come and go, a yes is taken back, the others are set, some added to."""
    tags = Updatable("tags", "Tags", [("add", "add"), ("remove", "remove")], FieldType.TEXT)
    common = (_settable(name, label, names) for name, label in mass_update.SETTABLE.items())
    topics = [(EVERYTHING, "all marketing"), *((str(key), name) for key, name in known.topics.items())]
    consents = (
        Updatable(f"{CONSENT}{name}", f"Consent by {words}", [("opt_out", "take out of")], FieldType.CHOICE, topics)
        for name, words in CHANNEL_WORDS.items()
    )
    return [tags, *common, *map(_own, known.custom.values()), *consents]


SET = [("set", "set to"), ("clear", "clear")]


def _own(about: CustomFieldInfo) -> Updatable:
    """Return a custom field as a step may change it: its kind reads what is typed."""
    control = custom_fields.kind_of(about).control(None, about)
    options = [(value, label) for value, label in control.options if value]
    sums = {"NUMBER": "{}", "DATE": "{} days"}.get(about.kind)
    more = [("add", sums.format("add")), ("subtract", sums.format("take away"))] if sums else []
    return Updatable(about.name, about.label, [*SET, *more], FieldType.TEXT, options)


def _settable(name: str, label: str, names: Names) -> Updatable:
    known = profile.find(name)
    choices = [(one.value, one.label) for one in known.choices] if known else []
    choices = choices or list(names.get(name, []))
    if name == "timezone":
        return Updatable(name, label, SET, FieldType.CHOICE, places.timezones())
    return Updatable(name, label, SET, known.type if known else FieldType.TEXT, choices)


def template_url(template_id: object) -> str | None:
    """Return the page of a template, or of a new one."""
    return url_for("content.show", template_id=template_id) if template_id else url_for("content.new")
