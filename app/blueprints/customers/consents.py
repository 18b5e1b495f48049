"""Consent on a customer's page: what they said, its proof, and the form by which staff record a change."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import RadioField, SelectField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.blueprints.customers.base import Person, blueprint
from app.blueprints.events.presenters import CHANNEL_LABELS
from app.customers import consents, topics
from app.customers.consents import ALL, MAX_WORDING, Line, Proof, Standing, State, Word
from app.customers.models import ConsentChange, Topic
from app.infra.errors import Invalid, UserError
from app.infra.ids import as_id
from app.messaging import double_opt_in
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page

STATE_WORDS = {
    State.SUBSCRIBED: "yes",
    State.PENDING: "to be confirmed",
    State.UNSUBSCRIBED: "no",
    State.NEVER: "not asked",
}
STATE_TONES = {State.SUBSCRIBED: "success", State.PENDING: "warning", State.UNSUBSCRIBED: "danger"}
STATE_ICONS = {
    State.SUBSCRIBED: "check",
    State.PENDING: "clock",
    State.UNSUBSCRIBED: "ban",
    State.NEVER: "circle-dashed",
}
HOW = {
    "in_person": "In person",
    "phone": "By phone",
    "email": "By e-mail",
    "letter": "By letter or form on paper",
    "web_form": "By a form on a website",
    "other": "Another way",
}
HOW_WORDS = {
    "event": "told by a system",
    "staff": "recorded by staff",
    "one_click": "one click in the mail program",
    "unsubscribe_mail": "a mail to the address for unsubscribing",
    "unsubscribe_page": "the unsubscribe page",
    "unsubscribe_page_undo": "taken back on the unsubscribe page",
    "preference_page": "the preference page",
    "journey": "taken out by a journey",
    "double_opt_in": "confirmed from the mailbox",
} | {name: label.lower() for name, label in HOW.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the card: a topic (or a channel as a whole) and how it stands on each channel."""

    label: str
    cells: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One proof as the history shows it."""

    title: str
    icon: str
    tone: str
    row: ConsentChange
    meta: str


class ConsentForm(forms.Form):
    """What a customer said, and how."""

    topic = SelectField("About", validate_choice=False)
    channel = SelectField("Channel", validate_choice=False)
    state = RadioField(
        "What they said",
        choices=[
            SelectChoice(State.SUBSCRIBED, "Yes, send it"),
            SelectChoice(State.UNSUBSCRIBED, "No"),
            SelectChoice(State.PENDING, "Ask them by e-mail to confirm it"),
        ],
        validate_choice=False,
    )
    how = SelectField("How they said it", validate_choice=False)
    wording = TextAreaField(
        "What was asked and answered",
        description="The words they agreed to, so that it can be proven later.",
        render_kw={"rows": 3, "maxlength": MAX_WORDING},
    )

    def offer(self, subjects: list[Topic]) -> None:
        """Offer these topics, the channels and the ways to say it."""
        self.topic.choices = [
            SelectChoice("", "The channel as a whole"),
            *(SelectChoice(str(one.id), one.name) for one in subjects),
        ]
        self.channel.choices = [
            *(SelectChoice(name, label) for name, label in CHANNEL_LABELS.items()),
            SelectChoice(ALL, "Every channel: no news at all"),
        ]
        self.how.choices = [SelectChoice("", "Choose…"), *(SelectChoice(name, label) for name, label in HOW.items())]

    def word(self) -> Word:
        """Return what was said, or raise Invalid with what is missing."""
        errors = {}
        topic_id = as_id(self.topic.data) if self.topic.data else None
        if self.topic.data and topic_id is None:
            errors["topic"] = "Choose one from the list."
        if self.state.data not in (State.SUBSCRIBED, State.UNSUBSCRIBED, State.PENDING):
            errors["state"] = "Choose what they said."
        if self.how.data not in HOW:
            errors["how"] = "Choose how they said it."
        if not (self.wording.data or "").strip():
            errors["wording"] = "Write down what was asked and answered."
        if errors:
            raise Invalid(errors)
        return Word(str(self.channel.data), State(self.state.data), topic_id)


def card(person: Person, history: list[ConsentChange]) -> dict[str, Any]:
    """Return what the Consent card draws."""
    known = consents.standing(tenant_id=person.tenant_id, customer_id=person.customer.id)
    subjects = {one.id: one.name for one in topics.topics(tenant_id=person.tenant_id, archived=True)}
    return {
        "known": known,
        "grid": _grid(known),
        "grid_channels": list(CHANNEL_LABELS.values()),
        "grid_columns": [{"label": one} for one in CHANNEL_LABELS.values()],
        "state_words": STATE_WORDS,
        "state_tones": STATE_TONES,
        "state_icons": STATE_ICONS,
        "changes": [_change(one, subjects) for one in history],
    }


def _grid(known: Standing) -> list[Row]:
    rows: dict[UUID | None, list[Line]] = {}
    for line in known.lines:
        rows.setdefault(line.topic.id if line.topic else None, []).append(line)
    return [Row(_subject(lines[0].topic), tuple(lines)) for lines in rows.values()]


def _subject(topic: Topic | None) -> str:
    return topic.name if topic else "Channel as a whole"


def _change(row: ConsentChange, subjects: dict[UUID, str]) -> Change:
    state = consents.state_of(row)
    if row.channel == ALL:
        title = "No news at all" if state is State.UNSUBSCRIBED else "News again: the stop is lifted"
    else:
        about = f"{subjects.get(row.topic_id, 'A topic')} by " if row.topic_id else ""
        channel = CHANNEL_LABELS.get(row.channel, row.channel)
        title = f"{about}{channel}: {STATE_WORDS[state]}"
    said = (row.source, HOW_WORDS.get(row.how, row.how.replace("_", " ")), row.address)
    meta = " · ".join(dict.fromkeys(one for one in said if one))
    return Change(title, STATE_ICONS[state], STATE_TONES.get(state, "neutral"), row, meta)


@blueprint.get("/<uuid:customer_id>/consents/new")
@requires("customers.edit")
def new_consent(customer_id: UUID) -> Response:
    """Show the form that records what a customer said."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    return _form_page(person, ConsentForm(data={"state": None}))


@blueprint.post("/<uuid:customer_id>/consents/new")
@requires("customers.edit")
def record_consent(customer_id: UUID) -> Response:
    """Record what a customer said, with its proof."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    actor, form = current(), ConsentForm(request.form)
    try:
        word = form.word()
        double_opt_in.record(
            tenant_id=actor.tenant_id,
            customer_id=customer_id,
            words=[word],
            proof=Proof("staff", str(form.how.data), actor=actor.ref, wording=(form.wording.data or "").strip()),
        )
    except double_opt_in.CannotAsk as error:
        form.refuse(Invalid({"state": error.message}))
        return _form_page(person, form, status=422)
    except UserError as error:
        form.refuse(error)
        return _form_page(person, form, status=422)
    known = consents.standing(tenant_id=actor.tenant_id, customer_id=customer_id)
    waits = word.channel != ALL and known.line(word.channel, word.topic_id).comes_to is State.PENDING
    flash("It is recorded, and a mail asks them to confirm it." if waits else "It is recorded.", "success")
    return redirect(url_for("customers.details", customer_id=customer_id))


def _form_page(person: Person, form: ConsentForm, status: int = 200) -> Response:
    form.offer(topics.topics(tenant_id=person.tenant_id))
    return page("customers/consent.html", customer=person.customer, name=person.name, form=form, status=status)
