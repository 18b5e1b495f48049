"""The page of a segment's sync: where it is pushed to, and how that stands."""

from uuid import UUID

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer
from wtforms import BooleanField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.widgets import CheckboxInput, ListWidget

from app.infra.errors import Conflict, Invalid, IsArchived
from app.segments import queries
from app.segments.sync import service
from app.segments.sync.envelope import FIELDS
from app.segments.sync.models import FULL, LIVE, MESSAGING, STOPPED, WEBHOOK
from app.segments.sync.service import NoSync, State
from app.web.forms import Form
from app.web.guards import current, requires
from app.web.htmx import page

blueprint = Blueprint("segment_sync", __name__, url_prefix="/segments")

SHAPES = {MESSAGING: "As the Messaging service takes a segment", WEBHOOK: "As an event of a webhook"}
STATUS_LABELS = {FULL: "Pushing everybody", LIVE: "Up to date", STOPPED: "Stopped"}
STATUS_TONES = {FULL: "info", LIVE: "success", STOPPED: "danger"}


class SyncForm(Form):
    """Where a segment is pushed to."""

    url = StringField(
        "Address",
        description="Everybody in the segment is sent there, then who enters and leaves. It must start with https://.",
        render_kw={"type": "url", "inputmode": "url", "autocomplete": "off", "spellcheck": "false"},
    )
    shape = SelectField("Written", choices=[SelectChoice(key, label) for key, label in SHAPES.items()])
    fields = SelectMultipleField(
        "What it is told of a person",
        description="Beside their id. Nothing else leaves Fairway.",
        choices=[SelectChoice(key, label) for key, label in FIELDS.items()],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )
    renew_secret = BooleanField(
        "Make a new secret", description="The old one signs beside it for a day, so that the receiver can change over."
    )


@blueprint.get("/<uuid:segment_id>/sync")
@requires("segments.sync")
def show(segment_id: UUID) -> Response:
    """Show where a segment is pushed to; for htmx how it stands."""
    found = _state(segment_id)
    form = SyncForm(obj=found.sync) if found else SyncForm(data={"shape": WEBHOOK})
    return _page(segment_id, found, form)


@blueprint.post("/<uuid:segment_id>/sync")
@requires("segments.sync")
def save(segment_id: UUID) -> Response | Answer:
    """Have the segment pushed there from now on; a new secret is shown this once."""
    actor, form = current(), SyncForm(request.form)
    try:
        saved = service.put(
            tenant_id=actor.tenant_id,
            segment_id=segment_id,
            actor=actor.ref,
            actor_name=actor.name,
            shape=form.shape.data or "",
            url=(form.url.data or "").strip(),
            fields=form.fields.data or [],
            renew_secret=bool(form.renew_secret.data),
        )
    except Invalid as error:
        form.refuse(error)
        return _page(segment_id, _state(segment_id), form, status=422)
    except IsArchived as refused:
        return _back(segment_id, refused)
    if saved.secret:
        return _page(segment_id, saved.state, SyncForm(obj=saved.state.sync), secret=saved.secret)
    flash("Saved. What is told from now on goes there.", "success")
    return redirect(url_for(".show", segment_id=segment_id))


@blueprint.post("/<uuid:segment_id>/sync/push")
@requires("segments.sync")
def push(segment_id: UUID) -> Answer:
    """Push everybody again."""
    actor = current()
    try:
        service.push_all(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    except IsArchived as refused:
        return _back(segment_id, refused)
    flash("Everybody in the segment is being pushed again.", "success")
    return redirect(url_for(".show", segment_id=segment_id))


@blueprint.post("/<uuid:segment_id>/sync/remove")
@requires("segments.sync")
def remove(segment_id: UUID) -> Answer:
    """Push the segment nowhere any more."""
    actor = current()
    service.remove(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    flash("The segment is pushed nowhere any more. What the receiver has stays there.", "success")
    return redirect(url_for(".show", segment_id=segment_id))


def _state(segment_id: UUID) -> State | None:
    try:
        return service.state(tenant_id=current().tenant_id, segment_id=segment_id)
    except NoSync:
        return None


def _page(
    segment_id: UUID, state: State | None, form: SyncForm, *, secret: str | None = None, status: int = 200
) -> Response:
    return page(
        "segments/sync.html",
        block="standing" if request.method == "GET" else None,
        status=status,
        segment=queries.one(tenant_id=current().tenant_id, segment_id=segment_id),
        state=state,
        form=form,
        secret=secret,
        status_labels=STATUS_LABELS,
        status_tones=STATUS_TONES,
        busy=state is not None and _is_busy(state),
    )


def _is_busy(state: State) -> bool:
    """Return whether there is progress to be seen."""
    status = state.sync.status
    return state.paused is None and status != STOPPED and (status == FULL or state.waiting > 0)


def _back(segment_id: UUID, refused: Conflict) -> Answer:
    flash(refused.message, "warning")
    return redirect(url_for(".show", segment_id=segment_id))
