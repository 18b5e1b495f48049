"""What staff write about a customer. A private note exists for its author and for those who may see all, no one else.

Each note has a line on the timeline (an activity with the note's id), which follows its changes. Deleting keeps the
row, so that it can be taken back; every change is kept with who made it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, literal, or_, select, text, tuple_
from sqlalchemy.orm import Session

from app.customers import mentions
from app.customers.mentions import NOBODY, Mentioned
from app.customers.models import ACTIVE, Customer, Note, NoteChange, NoteMention
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Forbidden, Invalid, NotFound
from app.infra.figures import figure
from app.infra.ids import new_id
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_of
from app.infra.words import is_visible

TYPES: dict[str, str] = {
    "general": "Note",
    "call": "Call",
    "meeting": "Meeting",
    "complaint": "Complaint",
    "preference": "Preference",
    "follow_up": "Follow-up",
}
"""The types of notes and what they are called."""
MAX_LENGTH = 5000
# The same words by the same author this soon again are a second click, not a second note.
SECOND_CLICK = timedelta(seconds=10)


EXCERPT = 120
_TOLD = text("""
    INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type,
        object_id, private_to, payload)
    VALUES (:tenant_id, :id, :customer_id, :type, 'NOTE', :title, :at, 'fairway', 'note', :id, :private_to,
        cast(:payload AS jsonb))
    ON CONFLICT (tenant_id, id) DO UPDATE SET type = excluded.type, title = excluded.title,
        private_to = excluded.private_to, payload = excluded.payload
""")
_UNTOLD = text("DELETE FROM activity WHERE tenant_id = :tenant_id AND id = :id AND object_type = 'note'")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads or writes: `sees_private` opens other people's private notes, and lets one delete any note."""

    user_id: UUID
    name: str
    sees_private: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What a note is to say: its words, its type (see TYPES), and whether it is pinned and private."""

    body: str
    type: str = "general"
    pinned: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A note that was written or changed, and what became of its mentions."""

    note_id: UUID
    mentioned: Mentioned = NOBODY


class NoSuchNote(NotFound):
    """There is no such note, or not for this reader."""

    def __init__(self) -> None:
        super().__init__("There is no such note (any more).")


class NotYours(Forbidden):
    """Only its author changes a note."""


def notes(*, tenant_id: UUID, customer_id: UUID, reader: Reader) -> list[Note]:
    """Return the customer's notes that `reader` may see: the pinned ones first, then the newest; at most 500."""
    query = _listed(tenant_id, customer_id, reader).limit(500).execution_options(populate_existing=True)
    with transaction(tenant_id) as session:
        return list(session.scalars(query))


def page(
    *, tenant_id: UUID, customer_id: UUID, reader: Reader, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Note]:
    """Return the same notes page by page."""
    wanted = _listed(tenant_id, customer_id, reader)
    if cursor:
        pinned, last = decode_cursor(cursor, 2)
        if not isinstance(pinned, bool):
            raise BadCursor
        wanted = wanted.where(tuple_(Note.pinned, Note.id) < tuple_(pinned, id_of(last)))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.limit(limit + 1).execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.pinned, row.id), lambda row: row)


def note(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader) -> Note:
    """Return one note, or raise NoSuchNote."""
    with transaction(tenant_id) as session:
        return _note(session, tenant_id, customer_id, note_id, reader)


def history(*, tenant_id: UUID, note_ids: Collection[UUID], reader: Reader) -> dict[UUID, list[NoteChange]]:
    """Return the changes of each note, the newest first; of what was private, for those who may read it only."""
    query = (
        select(NoteChange)
        .join(Note, (Note.tenant_id == NoteChange.tenant_id) & (Note.id == NoteChange.note_id))
        .where(
            NoteChange.tenant_id == tenant_id,
            NoteChange.note_id.in_(note_ids),
            _seen_by(reader),
            or_(NoteChange.private.is_(False), Note.author_id == reader.user_id, literal(reader.sees_private)),
        )
        .order_by(NoteChange.id.desc())
    )
    found: dict[UUID, list[NoteChange]] = {}
    with transaction(tenant_id) as session:
        for one in session.scalars(query):
            found.setdefault(one.note_id, []).append(one)
    return found


def mentioned(*, tenant_id: UUID, note_ids: Collection[UUID]) -> dict[UUID, list[NoteMention]]:
    """Return the mentions in each note, for those who were shown the notes."""
    query = select(NoteMention).where(NoteMention.tenant_id == tenant_id, NoteMention.note_id.in_(note_ids))
    found: dict[UUID, list[NoteMention]] = {}
    with transaction(tenant_id) as session:
        for one in session.scalars(query.order_by(NoteMention.id)):
            found.setdefault(one.note_id, []).append(one)
    return found


def add(*, tenant_id: UUID, customer_id: UUID, author: Reader, draft: Draft, now: datetime | None = None) -> Written:
    """Write a note; raise Invalid for an empty or endless one, NotFound without the customer.

    What a second click sends again is not written again: the answer is the note already there, with nobody to tell.
    """
    kept, moment = _checked(draft), now or clock.now()
    with transaction(tenant_id) as session:
        # Locked, so that of two clicks at once the second one sees what the first one wrote.
        customer = session.get(Customer, (tenant_id, customer_id), with_for_update={"key_share": True})
        if customer is None or customer.status != ACTIVE:
            raise NotFound("There is no such customer (any more).")
        written = _just_written(session, customer, author, kept.body, moment)
        if written is not None:
            return Written(written)
        made = Note(
            tenant_id=tenant_id,
            id=new_id(),
            customer_id=customer_id,
            author_id=author.user_id,
            author_name=author.name,
            type=kept.type,
            body=kept.body,
            pinned=kept.pinned,
            private=kept.private,
            created_at=moment,
            updated_at=moment,
        )
        session.add(made)
        session.flush()
        _tell(session, made)
        return Written(made.id, mentions.keep(session, made, moment))


def _just_written(session: Session, customer: Customer, author: Reader, body: str, now: datetime) -> UUID | None:
    return session.scalar(
        select(Note.id)
        .where(
            Note.tenant_id == customer.tenant_id,
            Note.customer_id == customer.id,
            Note.author_id == author.user_id,
            Note.body == body,
            Note.deleted_at.is_(None),
            Note.created_at.between(now - SECOND_CLICK, now),
        )
        .limit(1)
    )


def change(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    note_id: UUID,
    author: Reader,
    draft: Draft,
    now: datetime | None = None,
) -> Written:
    """Write one's own note anew; raise Invalid, NoSuchNote or NotYours."""
    kept, moment = _checked(draft), now or clock.now()
    with transaction(tenant_id) as session:
        found = _note(session, tenant_id, customer_id, note_id, author)
        if found.author_id != author.user_id:
            raise NotYours("Only its author can change a note. Add one of your own.")
        wanted = {"body": kept.body, "type": kept.type, "private": kept.private, "pinned": kept.pinned}
        before = {name: getattr(found, name) for name, value in wanted.items() if getattr(found, name) != value}
        if not before:
            return Written(note_id)
        _journal(session, found, author, "edited", moment, before, private=found.private)
        for name, value in wanted.items():
            setattr(found, name, value)
        if before.keys() - {"pinned"}:
            found.updated_at = moment
        session.flush()
        _tell(session, found)
        return Written(note_id, mentions.keep(session, found, moment))


def pin(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    note_id: UUID,
    reader: Reader,
    pinned: bool,
    now: datetime | None = None,
) -> None:
    """Pin a note to the top or let it go; raise NoSuchNote."""
    with transaction(tenant_id) as session:
        found = _note(session, tenant_id, customer_id, note_id, reader)
        if found.pinned != pinned:
            _journal(session, found, reader, "pinned" if pinned else "unpinned", now or clock.now())
            found.pinned = pinned


def delete(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, now: datetime | None = None) -> None:
    """Delete a note of one's own, or any for those who see all; raise NoSuchNote or NotYours."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        found = _own(session, tenant_id, customer_id, note_id, reader)
        _journal(session, found, reader, "deleted", moment)
        found.deleted_at = moment
        session.execute(_UNTOLD, {"tenant_id": tenant_id, "id": note_id})


def restore(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, now: datetime | None = None) -> None:
    """Take a deletion back; raise NoSuchNote or NotYours."""
    with transaction(tenant_id) as session:
        found = _own(session, tenant_id, customer_id, note_id, reader, deleted=True)
        _journal(session, found, reader, "restored", now or clock.now())
        found.deleted_at = None
        session.flush()
        _tell(session, found)


def excerpt(body: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(body.split())
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…"


def _tell(session: Session, note: Note) -> None:
    """Write the note's line on the timeline, or bring it in line with the note."""
    session.execute(
        _TOLD,
        {
            "tenant_id": note.tenant_id,
            "id": note.id,
            "customer_id": note.customer_id,
            "type": f"note.{note.type}",
            "title": f"{TYPES.get(note.type, 'Note')}: {excerpt(note.body)}",
            "at": note.created_at,
            "private_to": note.author_id if note.private else None,
            "payload": orjson.dumps({"note": note.body, "written_by": note.author_name}).decode(),
        },
    )


def _journal(
    session: Session,
    note: Note,
    by: Reader,
    act: str,
    now: datetime,
    before: dict[str, Any] | None = None,
    *,
    private: bool = False,
) -> None:
    session.add(
        NoteChange(
            tenant_id=note.tenant_id,
            note_id=note.id,
            changed_at=now,
            changed_by=by.user_id,
            changed_by_name=by.name,
            act=act,
            private=private,
            before=before or {},
        )
    )


def _listed(tenant_id: UUID, customer_id: UUID, reader: Reader) -> Select[Note]:
    return (
        select(Note)
        .where(
            Note.tenant_id == tenant_id, Note.customer_id == customer_id, Note.deleted_at.is_(None), _seen_by(reader)
        )
        .order_by(Note.pinned.desc(), Note.id.desc())
    )


def _own(
    session: Session, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, *, deleted: bool = False
) -> Note:
    note = _note(session, tenant_id, customer_id, note_id, reader, deleted=deleted)
    if note.author_id != reader.user_id and not reader.sees_private:
        raise NotYours("Only its author can delete a note.")
    return note


def _note(
    session: Session, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, *, deleted: bool = False
) -> Note:
    found = session.scalar(
        select(Note)
        .where(
            Note.tenant_id == tenant_id,
            Note.id == note_id,
            Note.customer_id == customer_id,
            Note.deleted_at.is_not(None) if deleted else Note.deleted_at.is_(None),
            _seen_by(reader),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NoSuchNote
    return found


def _seen_by(reader: Reader) -> ColumnElement[bool]:
    if reader.sees_private:
        return Note.id.is_not(None)
    return or_(Note.private.is_(False), Note.author_id == reader.user_id)


def _checked(draft: Draft) -> Draft:
    words = draft.body.replace("\r\n", "\n").replace("\x00", "").strip()
    type_ = draft.type.strip().lower()
    errors = {}
    if not is_visible(words):
        errors["body"] = "Write something first."
    elif len(words) > MAX_LENGTH:
        errors["body"] = f"A note has at most {figure(MAX_LENGTH)} characters; this one has {figure(len(words))}."
    if type_ not in TYPES:
        errors["type"] = f"Choose one of: {', '.join(TYPES)}."
    if errors:
        raise Invalid(errors)
    return replace(draft, body=words, type=type_)
