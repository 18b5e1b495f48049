"""Word to a colleague who was mentioned in a note. What the note says stays in Fairway."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.permissions import permissions_of
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.customers.mentions import READS_NOTES, READS_PRIVATE, notice
from app.infra.config import load
from app.infra.errors import NotFound
from app.infra.ids import as_id
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="{{ letter.by }} mentioned you in a note",
    html=None,
    text="""Hello {{ letter.name }},

{{ letter.by }} mentioned you in a note on {{ letter.customer }}. Read it here:

{{ letter.link }}
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return who mentioned whom and where; a note that is gone, hidden or read already makes the letter outdated."""
    mention_id = as_id(context.get("mention_id"))
    if user_id is None or mention_id is None:
        raise Outdated("The mail names no mention.")
    try:
        found = user(tenant_id=tenant_id, user_id=user_id)
        may = permissions_of(found.role)
        told = notice(tenant_id=tenant_id, user_id=user_id, mention_id=mention_id, sees_private=READS_PRIVATE in may)
    except NotFound:
        raise Outdated("The note is gone, or not theirs to read.") from None
    if found.status != "active" or READS_NOTES not in may:
        raise Outdated("They may not read notes any more.")
    if told.read_at is not None:
        raise Outdated("They have read it already.")
    link = f"{load().public_url}/customers/{told.customer_id}/notes#note-{told.note_id}"
    return {"name": found.name, "by": told.by, "customer": told.customer_name, "link": link}


builtins.register("mention")(BuiltinLetter(SOURCE, values))
