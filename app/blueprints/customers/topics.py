"""Settings → Topics: what people may want or not want to hear about."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import BooleanField, StringField, TextAreaField

from app.customers import topics
from app.customers.models import Topic
from app.infra.errors import UserError
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page

blueprint = Blueprint("topics", __name__, url_prefix="/settings/topics")


class TopicForm(forms.Form):
    """A topic, in words that readers see on their preference page."""

    name = StringField("Name", render_kw={"maxlength": topics.MAX_NAME, "autocomplete": "off"})
    description = TextAreaField(
        "Description",
        description="Readers see it below the name.",
        render_kw={"rows": 2, "maxlength": topics.MAX_DESCRIPTION},
    )
    opt_in_only = BooleanField(
        "Only to people who asked for this topic",
        description="Otherwise those get it too who agreed to the channel and said nothing of the topic.",
    )
    double_opt_in = BooleanField(
        "Confirm by e-mail",
        description="A yes that staff or a system records waits until it is confirmed from the mailbox.",
    )

    def values(self) -> dict[str, Any]:
        """Return what was typed and ticked."""
        return {
            "name": self.name.data or "",
            "description": self.description.data or "",
            "opt_in_only": bool(self.opt_in_only.data),
            "double_opt_in": bool(self.double_opt_in.data),
        }


@blueprint.get("")
@requires("settings.manage")
def index() -> Response:
    """List the topics, archived ones below."""
    return page("customers/topics.html", topics=topics.topics(tenant_id=current().tenant_id, archived=True))


@blueprint.get("/new")
@requires("settings.manage")
def new() -> Response:
    """Show the form of a new topic."""
    return _form_page(None, TopicForm())


@blueprint.post("/new")
@requires("settings.manage")
def add() -> Response:
    """Add a topic."""
    actor, form = current(), TopicForm(request.form)
    try:
        made = topics.create(tenant_id=actor.tenant_id, actor=actor.ref, **form.values())
    except UserError as error:
        form.refuse(error)
        return _form_page(None, form, status=422)
    flash(f"“{made.name}” can be chosen now, by readers and in journeys.", "success")
    return redirect(url_for("topics.index"))


@blueprint.get("/<uuid:topic_id>")
@requires("settings.manage")
def show(topic_id: UUID) -> Response:
    """Show the form of a topic."""
    found = topics.topic(tenant_id=current().tenant_id, topic_id=topic_id)
    return _form_page(found, TopicForm(obj=found))


@blueprint.post("/<uuid:topic_id>")
@requires("settings.manage")
def change(topic_id: UUID) -> Response:
    """Rename or describe a topic, or change who gets it."""
    actor, form = current(), TopicForm(request.form)
    found = topics.topic(tenant_id=actor.tenant_id, topic_id=topic_id)
    try:
        topics.update(tenant_id=actor.tenant_id, topic_id=topic_id, changes=form.values(), actor=actor.ref)
    except UserError as error:
        form.refuse(error)
        return _form_page(found, form, status=422)
    flash("The topic is saved.", "success")
    return redirect(url_for("topics.index"))


@blueprint.post("/<uuid:topic_id>/archive")
@requires("settings.manage")
def archive(topic_id: UUID) -> Response:
    """Offer a topic to nobody any more; what was said about it stays."""
    return _archived(topic_id, archived=True)


@blueprint.post("/<uuid:topic_id>/restore")
@requires("settings.manage")
def restore(topic_id: UUID) -> Response:
    """Offer an archived topic again."""
    return _archived(topic_id, archived=False)


def _archived(topic_id: UUID, *, archived: bool) -> Response:
    actor = current()
    changed = topics.update(
        tenant_id=actor.tenant_id, topic_id=topic_id, changes={"archived": archived}, actor=actor.ref
    )
    said = "is archived: nobody is offered it any more. What is sent about it still goes to those who want it"
    flash(f"“{changed.name}” {said if archived else 'is offered again'}.", "success")
    return redirect(url_for("topics.index"))


def _form_page(saved: Topic | None, form: TopicForm, status: int = 200) -> Response:
    return page("customers/topic.html", saved=saved, form=form, status=status)
