"""Notes on a customer: written, changed, pinned and deleted in place; without JavaScript on a page of their own."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.customers import presenters, writing
from app.blueprints.customers.base import Person, blueprint
from app.blueprints.customers.forms import NoteForm
from app.customers import mentions
from app.customers import notes as service
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.web.guards import can, requires
from app.web.htmx import is_htmx, toast


@blueprint.get("/<uuid:customer_id>/notes")
@requires("customers.view")
def notes(customer_id: UUID) -> Response | Answer:
    """Show the notes on a customer; `edit` opens one of one's own."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    mine = {str(note.id): note for note in person.notes if note.author_id == person.reader.user_id}
    editing = mine.get(request.args.get("edit", ""))
    form = NoteForm(obj=editing) if editing else NoteForm()
    return _shown(person, form, editing=editing.id if editing else None, deleted=as_id(request.args.get("deleted")))


@blueprint.post("/<uuid:customer_id>/notes")
@requires("notes.write")
def add_note(customer_id: UUID) -> Response | Answer:
    """Write a note."""
    person, form = Person(customer_id), NoteForm(request.form)
    if person.moved:
        return person.moved
    try:
        written = writing.add(tenant_id=person.tenant_id, customer_id=customer_id, draft=form.draft())
    except Invalid as error:
        form.refuse(error)
        return _shown(person, form, status=422)
    return _done(customer_id, f"The note is saved. {writing.told_words(written.mentioned)}".rstrip())


@blueprint.post("/<uuid:customer_id>/notes/<uuid:note_id>")
@requires("notes.write")
def change_note(customer_id: UUID, note_id: UUID) -> Response | Answer:
    """Write one's own note anew."""
    person, form = Person(customer_id), NoteForm(request.form)
    if person.moved:
        return person.moved
    try:
        written = writing.change(
            tenant_id=person.tenant_id, customer_id=customer_id, note_id=note_id, draft=form.draft()
        )
    except Invalid as error:
        form.refuse(error)
        return _shown(person, form, editing=note_id, status=422)
    return _done(customer_id, f"The note is saved. {writing.told_words(written.mentioned)}".rstrip())


@blueprint.post("/<uuid:customer_id>/notes/<uuid:note_id>/pin")
@requires("notes.write")
def pin_note(customer_id: UUID, note_id: UUID) -> Response | Answer:
    """Pin a note to the top, or let it go."""
    person, pinned = Person(customer_id), request.form.get("pinned") == "1"
    if person.moved:
        return person.moved
    service.pin(
        tenant_id=person.tenant_id, customer_id=customer_id, note_id=note_id, reader=person.reader, pinned=pinned
    )
    return _done(customer_id, "The note is pinned to the top." if pinned else "The note is no longer pinned.")


@blueprint.post("/<uuid:customer_id>/notes/<uuid:note_id>/delete")
@requires("notes.write")
def delete_note(customer_id: UUID, note_id: UUID) -> Response | Answer:
    """Delete a note; it can be taken back."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    service.delete(tenant_id=person.tenant_id, customer_id=customer_id, note_id=note_id, reader=person.reader)
    if not is_htmx():
        return redirect(url_for("customers.notes", customer_id=customer_id, deleted=note_id))
    undo = url_for("customers.restore_note", customer_id=customer_id, note_id=note_id)
    return toast(_shown(Person(customer_id), NoteForm()), "The note is deleted.", undo_url=undo)


@blueprint.post("/<uuid:customer_id>/notes/<uuid:note_id>/restore")
@requires("notes.write")
def restore_note(customer_id: UUID, note_id: UUID) -> Response | Answer:
    """Take a deletion back."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    service.restore(tenant_id=person.tenant_id, customer_id=customer_id, note_id=note_id, reader=person.reader)
    flash("The note is back.", "success")
    return redirect(url_for("customers.notes", customer_id=customer_id))


def _done(customer_id: UUID, words: str) -> Response | Answer:
    if is_htmx():
        return toast(_shown(Person(customer_id), NoteForm()), words)
    flash(words, "success")
    return redirect(url_for("customers.notes", customer_id=customer_id))


def _shown(person: Person, form: NoteForm, *, status: int = 200, **context: Any) -> Response:
    reader, tenant_id = person.reader, person.tenant_id
    ids = [note.id for note in person.notes]
    people = mentions.colleagues(tenant_id=tenant_id) if can("notes.write") else []
    return person.page(
        "notes",
        block="notes",
        status=status,
        form=form,
        notes=presenters.shown_notes(
            person.notes,
            service.mentioned(tenant_id=tenant_id, note_ids=ids),
            service.history(tenant_id=tenant_id, note_ids=ids, reader=reader),
        ),
        colleagues=[(mentions.handle(one, people), one.name, one.email) for one in people],
        me=reader.user_id,
        partial=is_htmx(),
        may_delete_any=reader.sees_private,
        **context,
    )
