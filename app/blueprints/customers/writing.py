"""Writing notes, with the mails to those they mention: a note and its mails commit together."""

from collections.abc import Iterable
from uuid import UUID

from app.customers import notes
from app.customers.mentions import Mentioned
from app.customers.notes import Draft, Reader, Written
from app.infra.db import transaction
from app.messaging import outbox
from app.web.guards import current


def reader() -> Reader:
    """Return whoever asks as a reader of notes; a machine is its key."""
    actor = current()
    id_ = actor.user_id or actor.key_id
    assert id_ is not None
    return Reader(id_, actor.name, actor.may("notes.view_private"))


def add(*, tenant_id: UUID, customer_id: UUID, draft: Draft) -> Written:
    """Write a note and tell those it mentions. Raises Invalid or NotFound."""
    with transaction(tenant_id):
        written = notes.add(tenant_id=tenant_id, customer_id=customer_id, author=reader(), draft=draft)
        _mail(tenant_id, written.mentioned)
    return written


def change(*, tenant_id: UUID, customer_id: UUID, note_id: UUID, draft: Draft) -> Written:
    """Write one's own note anew and tell those it mentions now. Raises Invalid, NoSuchNote or NotYours."""
    with transaction(tenant_id):
        written = notes.change(
            tenant_id=tenant_id, customer_id=customer_id, note_id=note_id, author=reader(), draft=draft
        )
        _mail(tenant_id, written.mentioned)
    return written


def _mail(tenant_id: UUID, mentioned: Mentioned) -> None:
    for one in mentioned.told:
        outbox.put_one(
            tenant_id=tenant_id,
            to_address=one.email,
            dedupe_key=f"mention:{one.mention_id}",
            builtin="mention",
            user_id=one.user_id,
            context={"mention_id": one.mention_id},
        )


def told_words(mentioned: Mentioned) -> str:
    """Return who was told of a note and who was not, in words; nothing where it mentions nobody."""
    words = []
    if mentioned.told:
        words.append(f"{_listed(one.name for one in mentioned.told)} will be told.")
    if mentioned.kept_from:
        words.append(f"It is private: {_listed(mentioned.kept_from)} can't see it and will not be told.")
    return " ".join(words)


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
