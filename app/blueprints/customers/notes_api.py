"""Notes over the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool

from app.blueprints.customers import writing
from app.blueprints.customers.api import api
from app.customers import notes as service
from app.customers import service as customers
from app.customers.models import Note
from app.customers.notes import Draft
from app.infra.errors import Invalid
from app.infra.paging import Page
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown

_NOTES = "/customers/<uuid:customer_id>/notes"
_NOTE = f"{_NOTES}/<uuid:note_id>"
# How the room calls what the API calls otherwise.
_NAMES = {"body": "content", "pinned": "is_pinned", "private": "is_private"}
Type = Annotated[str, Field(max_length=40, description=f"One of {', '.join(service.TYPES)}.")]
Content = Annotated[str, Field(max_length=2 * service.MAX_LENGTH)]


class MentionOut(BaseModel):
    """A colleague named in a note, and the words that named them."""

    user_id: UUID
    handle: str


class NoteOut(BaseModel):
    """A note on a customer; `updated_at` tells when its words, type or privacy last changed."""

    id: UUID
    customer_id: UUID
    content: str
    type: str
    is_pinned: bool
    is_private: bool
    author_id: UUID
    author_name: str
    mentions: list[MentionOut]
    created_at: datetime
    updated_at: datetime


class NoteChangeOut(Shown):
    """One change of a note: `before` holds the fields as they were."""

    id: UUID
    act: str
    changed_at: datetime
    changed_by: UUID
    changed_by_name: str
    before: dict[str, Any]


class NoteHistory(BaseModel):
    """The changes of a note, the newest first."""

    items: list[NoteChangeOut]


class NoteIn(Body):
    """A note; "@" and a colleague's name or e-mail address tells them of it."""

    content: Content
    type: Type = "general"
    is_pinned: StrictBool = False
    is_private: StrictBool = False


class NotePatch(Body):
    """What to change on a note; what is left out stays."""

    content: Content | None = None
    type: Type | None = None
    is_pinned: StrictBool | None = None
    is_private: StrictBool | None = None


@api.operation("GET", _NOTES, permission="customers.view", query=PageQuery, returns=NoteOut, paged=True)
def list_notes(customer_id: UUID, query: PageQuery) -> Page[NoteOut]:
    """List the notes on a customer: pinned ones first, then the newest. Private ones only of one's own."""
    found = service.page(
        tenant_id=current().tenant_id,
        customer_id=_kept(customer_id),
        reader=writing.reader(),
        cursor=query.cursor,
        limit=query.limit,
    )
    return Page(_shown(found.items), found.next_cursor)


@api.operation("POST", _NOTES, permission="notes.write", body=NoteIn, returns=NoteOut, status=201)
def add_note(customer_id: UUID, body: NoteIn) -> NoteOut:
    """Write a note; the colleagues it mentions are told."""
    kept = _kept(customer_id)
    draft = Draft(body.content, type=body.type, pinned=body.is_pinned, private=body.is_private)
    try:
        written = writing.add(tenant_id=current().tenant_id, customer_id=kept, draft=draft)
    except Invalid as error:
        raise _renamed(error) from None
    return _one(kept, written.note_id)


@api.operation("PATCH", _NOTE, permission="notes.write", body=NotePatch, returns=NoteOut)
def patch_note(customer_id: UUID, note_id: UUID, body: NotePatch) -> NoteOut:
    """Change a note of one's own; pinning is open to colleagues too."""
    tenant_id, kept, reader = current().tenant_id, _kept(customer_id), writing.reader()
    found = service.note(tenant_id=tenant_id, customer_id=kept, note_id=note_id, reader=reader)
    asked = body.model_dump(exclude_none=True)
    if asked.keys() == {"is_pinned"}:
        service.pin(tenant_id=tenant_id, customer_id=kept, note_id=note_id, reader=reader, pinned=asked["is_pinned"])
    elif asked:
        draft = Draft(
            asked.get("content", found.body),
            type=asked.get("type", found.type),
            pinned=asked.get("is_pinned", found.pinned),
            private=asked.get("is_private", found.private),
        )
        try:
            writing.change(tenant_id=tenant_id, customer_id=kept, note_id=note_id, draft=draft)
        except Invalid as error:
            raise _renamed(error) from None
    return _one(kept, note_id)


@api.operation("DELETE", _NOTE, permission="notes.write", status=204)
def delete_note(customer_id: UUID, note_id: UUID) -> None:
    """Delete a note; it can be restored."""
    service.delete(
        tenant_id=current().tenant_id, customer_id=_kept(customer_id), note_id=note_id, reader=writing.reader()
    )


@api.operation("POST", f"{_NOTE}/restore", permission="notes.write", returns=NoteOut)
def restore_note(customer_id: UUID, note_id: UUID) -> NoteOut:
    """Take a deletion back."""
    kept = _kept(customer_id)
    service.restore(tenant_id=current().tenant_id, customer_id=kept, note_id=note_id, reader=writing.reader())
    return _one(kept, note_id)


@api.operation("GET", f"{_NOTE}/history", permission="customers.view", returns=NoteHistory)
def note_history(customer_id: UUID, note_id: UUID) -> NoteHistory:
    """Return who changed what on a note and when."""
    tenant_id, reader = current().tenant_id, writing.reader()
    service.note(tenant_id=tenant_id, customer_id=_kept(customer_id), note_id=note_id, reader=reader)
    found = service.history(tenant_id=tenant_id, note_ids=[note_id], reader=reader)
    return NoteHistory(items=[NoteChangeOut.model_validate(one) for one in found.get(note_id, ())])


def _kept(customer_id: UUID) -> UUID:
    return customers.current(tenant_id=current().tenant_id, customer_id=customer_id).id


def _one(customer_id: UUID, note_id: UUID) -> NoteOut:
    found = service.note(
        tenant_id=current().tenant_id, customer_id=customer_id, note_id=note_id, reader=writing.reader()
    )
    return _shown([found])[0]


def _shown(found: list[Note]) -> list[NoteOut]:
    mentioned = service.mentioned(tenant_id=current().tenant_id, note_ids=[one.id for one in found])
    return [
        NoteOut(
            id=one.id,
            customer_id=one.customer_id,
            content=one.body,
            type=one.type,
            is_pinned=one.pinned,
            is_private=one.private,
            author_id=one.author_id,
            author_name=one.author_name,
            mentions=[MentionOut(user_id=who.user_id, handle=who.handle) for who in mentioned.get(one.id, ())],
            created_at=one.created_at,
            updated_at=one.updated_at,
        )
        for one in found
    ]


def _renamed(error: Invalid) -> Invalid:
    return Invalid({_NAMES.get(name, name): message for name, message in error.errors.items()})
