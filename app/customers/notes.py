"""What staff write about a customer. A private note exists for its author and for those who may see all, no one else.

Deleting keeps the row, so that it can be taken back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.customers.models import ACTIVE, Customer, Note
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Forbidden, Invalid, NotFound
from app.infra.ids import new_id

MAX_LENGTH = 5000
# The same words by the same author this soon again are a second click, not a second note.
SECOND_CLICK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads or writes: `sees_private` opens other people's private notes, and lets one delete any note."""

    user_id: UUID
    name: str
    sees_private: bool = False


class NoSuchNote(NotFound):
    """There is no such note, or not for this reader."""

    def __init__(self) -> None:
        super().__init__("There is no such note (any more).")


class NotYours(Forbidden):
    """Only its author changes a note."""


def notes(*, tenant_id: UUID, customer_id: UUID, reader: Reader) -> list[Note]:
    """Return the customer's notes that `reader` may see: the pinned ones first, then the newest."""
    query = (
        select(Note)
        .where(
            Note.tenant_id == tenant_id, Note.customer_id == customer_id, Note.deleted_at.is_(None), _seen_by(reader)
        )
        .order_by(Note.pinned.desc(), Note.id.desc())
        .limit(500)
        .execution_options(populate_existing=True)
    )
    with transaction(tenant_id) as session:
        return list(session.scalars(query))


def add(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    author: Reader,
    body: str,
    pinned: bool = False,
    private: bool = False,
    now: datetime | None = None,
) -> UUID:
    """Write a note and return its id; raise Invalid for an empty or endless one, NotFound without the customer.

    What a second click sends again is not written again: the id is that of the note already there.
    """
    text, moment = _checked(body), now or clock.now()
    note_id = new_id()
    with transaction(tenant_id) as session:
        # Locked, so that of two clicks at once the second one sees what the first one wrote.
        customer = session.get(Customer, (tenant_id, customer_id), with_for_update={"key_share": True})
        if customer is None or customer.status != ACTIVE:
            raise NotFound("There is no such customer (any more).")
        written = _just_written(session, customer, author, text, moment)
        if written is not None:
            return written
        session.add(
            Note(
                tenant_id=tenant_id,
                id=note_id,
                customer_id=customer_id,
                author_id=author.user_id,
                author_name=author.name,
                body=text,
                pinned=pinned,
                private=private,
                created_at=moment,
                updated_at=moment,
            )
        )
    return note_id


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
    body: str,
    pinned: bool,
    private: bool,
    now: datetime | None = None,
) -> None:
    """Write one's own note anew; raise Invalid, NoSuchNote or NotYours."""
    text = _checked(body)
    with transaction(tenant_id) as session:
        note = _note(session, tenant_id, customer_id, note_id, author)
        if note.author_id != author.user_id:
            raise NotYours("Only its author can change a note. Add one of your own.")
        if note.body != text:
            note.updated_at = now or clock.now()
        note.body, note.pinned, note.private = text, pinned, private


def pin(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, pinned: bool) -> None:
    """Pin a note to the top or let it go; raise NoSuchNote."""
    with transaction(tenant_id) as session:
        _note(session, tenant_id, customer_id, note_id, reader).pinned = pinned


def delete(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader, now: datetime | None = None) -> None:
    """Delete a note of one's own, or any for those who see all; raise NoSuchNote or NotYours."""
    with transaction(tenant_id) as session:
        _own(session, tenant_id, customer_id, note_id, reader).deleted_at = now or clock.now()


def restore(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, reader: Reader) -> None:
    """Take a deletion back; raise NoSuchNote or NotYours."""
    with transaction(tenant_id) as session:
        _own(session, tenant_id, customer_id, note_id, reader, deleted=True).deleted_at = None


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


def _checked(body: str) -> str:
    text = body.replace("\r\n", "\n").strip()
    if not text:
        raise Invalid({"body": "Write something first."})
    if len(text) > MAX_LENGTH:
        raise Invalid({"body": f"A note has at most {MAX_LENGTH:,} characters; this one has {len(text):,}."})
    return text
